//! `create token`: prints a new token of a user.

use std::time::Duration;

use clap::Args;
use serde_json::json;

use cmp_client::tokens::Created;
use cmp_core::plan::describe;
use cmp_core::plan::token::{self, Create};

use crate::args::values::lifetime;
use crate::args::{DryRunArgs, UserNameArg, suffix};
use crate::commands::shared::tokens::{imagined, make, object, try_make};
use crate::commands::shared::write_account::print_plan;
use crate::context::Context;
use crate::error::CliError;
use crate::output::{Format, print_object};

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp create token john --duration 24h\n  kubectl cmp create token john --dry-run=server"
)]
pub(crate) struct CreateToken {
    #[command(flatten)]
    pub(crate) user: UserNameArg,
    /// Requested lifetime of the issued token
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = lifetime)]
    pub(crate) duration: Duration,
    #[command(flatten)]
    pub(crate) dry: DryRunArgs,
    /// json, yaml, name or jsonpath=...
    #[arg(short, long, value_name = "FORMAT", value_parser = Format::object_or_name)]
    pub(crate) output: Option<Format>,
}

pub(crate) async fn run(context: &Context<'_>, args: CreateToken) -> Result<(), CliError> {
    let CreateToken { user: UserNameArg { user }, duration, dry: DryRunArgs { dry_run }, output } = args;
    print_plan(context.ui, dry_run, || Ok(describe::create_token(&user)))?;
    for step in token::create(dry_run.into()) {
        match step {
            Create::CheckUser => drop(context.account(&user).await?),
            Create::Try => try_make(context, &user).await?,
            Create::PrintImagined => match &output {
                // The server chooses the name.
                Some(Format::Name) => context.ui.line("token/")?,
                Some(format) => print_object(context.ui, format, &imagined(&user))?,
                None => context.ui.line(&format!("token of user/{user} created{}", suffix(dry_run)))?,
            },
            Create::MakeAndPrint => print(context, &make(context, &user, duration).await?, output.as_ref())?,
        }
    }
    Ok(())
}

/// Prints the token alone, as an object, or its name.
fn print(context: &Context<'_>, made: &Created, format: Option<&Format>) -> Result<(), CliError> {
    match format {
        Some(Format::Name) => {
            context.ui.note("the token is not printed: -o json prints it");
            context.ui.line(&format!("token/{}", made.token.id))
        }
        Some(format) => {
            let mut object = object(&made.token);
            object["status"]["token"] = json!(made.bearer);
            print_object(context.ui, format, &object)
        }
        None => context.ui.line(&made.bearer),
    }
}
