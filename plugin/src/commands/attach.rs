//! `attach`: runs kubectl with the namespace and the Pod filled in.

use clap::Args;

use crate::args::TerminalArgs;
use crate::commands::shared::into_instance::{become_kubectl, with_terminal};
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp attach web-0\n  kubectl cmp attach -it web-0")]
pub(crate) struct AttachArgs {
    #[command(flatten)]
    pub(crate) terminal: TerminalArgs,
}

pub(crate) async fn run(context: &Context<'_>, args: AttachArgs) -> Result<(), CliError> {
    become_kubectl(with_terminal(context, "attach", args.terminal).await?)
}
