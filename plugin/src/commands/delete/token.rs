//! `delete token`: deletes the Secret that the token is bound to.

use clap::Args;

use cmp_client::tokens::Tokens;

use crate::args::values::token;
use crate::args::{DryRun, DryRunArgs, UserNameArg, suffix};
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp delete token john john-x7k2p")]
pub(crate) struct DeleteToken {
    #[command(flatten)]
    pub(crate) user: UserNameArg,
    /// The ID of the token, as `get tokens` shows it
    #[arg(value_name = "ID", value_parser = token)]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) dry: DryRunArgs,
}

pub(crate) async fn run(context: &Context<'_>, args: DeleteToken) -> Result<(), CliError> {
    let DeleteToken { user: UserNameArg { user }, id, dry } = args;
    let tokens = Tokens::new(&context.client().await?);
    let missing = || CliError::not_found("token", &id).hint(format!("kubectl cmp get tokens {user}"));
    tokens.get(&user, &id).await?.ok_or_else(missing)?;
    if dry.dry_run != DryRun::Client {
        tokens.revoke(&id, dry.dry_run == DryRun::Server).await?;
    }
    context.ui.line(&format!("token/{id} deleted{}", suffix(dry.dry_run)))
}
