//! `delete token`: deletes the Secret that the token is bound to.

use clap::Args;

use cmp_client::tokens::Tokens;
use cmp_core::plan::describe;
use cmp_core::plan::token::{self, Delete};

use crate::args::values;
use crate::args::{DryRun, DryRunArgs, LineArgs, UserNameArg, YesArg, suffix};
use crate::commands::shared::write_account::print_plan;
use crate::context::Context;
use crate::error::CliError;
use crate::output::said;

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp delete token john john-x7k2p")]
pub(crate) struct DeleteToken {
    #[command(flatten)]
    pub(crate) user: UserNameArg,
    /// The ID of the token, as `get tokens` shows it
    #[arg(value_name = "ID", value_parser = values::token)]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) yes: YesArg,
    #[command(flatten)]
    pub(crate) dry: DryRunArgs,
    #[command(flatten)]
    pub(crate) line: LineArgs,
}

pub(crate) async fn run(context: &Context<'_>, args: DeleteToken) -> Result<(), CliError> {
    let DeleteToken { user: UserNameArg { user }, id, yes: YesArg { yes }, dry, line } = args;
    let tokens = Tokens::new(&context.client().await?);
    let exists = tokens.get(&user, &id).await?.is_some();
    if !exists {
        // Most often the name of the user is wrong. A token can outlive its user, so that it is looked up first.
        context.account(&user).await?;
    }
    let steps = token::delete(&user, &id, exists, dry.dry_run.into())?;
    if dry.dry_run == DryRun::None {
        let goes = [format!("token/{id} of {user}: whatever uses it loses its access")];
        context.ui.confirm(yes, &goes, "You are about to delete")?;
    }
    print_plan(context.ui, dry.dry_run, || Ok(vec![describe::delete_token(&id)]))?;
    for step in steps {
        match step {
            Delete::Revoke => tokens.revoke(&id, dry.dry_run == DryRun::Server).await?,
            Delete::TellDeleted => {
                let words = format!("deleted{}", suffix(dry.dry_run));
                said(context.ui, line.output, &format!("token/{id}"), &words)?;
            }
        }
    }
    Ok(())
}
