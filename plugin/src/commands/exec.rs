//! `exec`: runs kubectl with the namespace and the Pod filled in.

use std::ffi::OsString;

use clap::Args;

use crate::args::TerminalArgs;
use crate::commands::shared::into_instance::{become_kubectl, with_terminal};
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp exec web-0 -- uname -a\n  kubectl cmp exec -it web-0 -- bash")]
pub(crate) struct ExecArgs {
    #[command(flatten)]
    pub(crate) terminal: TerminalArgs,
    /// The command to run, after --
    #[arg(value_name = "COMMAND", last = true, required = true)]
    pub(crate) command: Vec<OsString>,
}

pub(crate) async fn run(context: &Context<'_>, args: ExecArgs) -> Result<(), CliError> {
    let ExecArgs { terminal, command } = args;
    let mut kubectl = with_terminal(context, "exec", terminal).await?;
    kubectl.arg("--").args(command);
    become_kubectl(kubectl)
}
