//! `create token`: prints a new token of a user.

use std::time::Duration;

use clap::Args;
use serde_json::json;

use cmp_client::tokens::Created;
use cmp_core::plan::token::{self, Create};

use crate::args::values::lifetime;
use crate::args::{ObjectArgs, UserNameArg};
use crate::commands::shared::tokens::{make, object};
use crate::context::Context;
use crate::error::CliError;
use crate::output::{Format, print_object};

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp create token john --duration 24h")]
pub(crate) struct CreateToken {
    #[command(flatten)]
    pub(crate) user: UserNameArg,
    /// Requested lifetime of the issued token
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = lifetime)]
    pub(crate) duration: Duration,
    #[command(flatten)]
    pub(crate) output: ObjectArgs,
}

pub(crate) async fn run(context: &Context<'_>, args: CreateToken) -> Result<(), CliError> {
    let CreateToken { user: UserNameArg { user }, duration, output } = args;
    for step in token::create() {
        match step {
            Create::CheckUser => drop(context.account(&user).await?),
            Create::MakeAndPrint => print(context, &make(context, &user, duration).await?, output.output.as_ref())?,
        }
    }
    Ok(())
}

/// Prints the token alone, or as an object.
fn print(context: &Context<'_>, made: &Created, format: Option<&Format>) -> Result<(), CliError> {
    match format {
        Some(format) => {
            let mut object = object(&made.token);
            object["status"]["token"] = json!(made.bearer);
            print_object(context.ui, format, &object)
        }
        None => context.ui.line(&made.bearer),
    }
}
