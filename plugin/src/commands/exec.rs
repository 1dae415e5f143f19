//! `exec`: runs kubectl with the namespace and the Pod filled in.

use std::ffi::OsString;

use clap::Args;

use cmp_core::vocabulary::InstanceType;

use crate::args::{ContainerArg, InstanceNameArg};
use crate::commands::shared::into_instance::{become_kubectl, given, kubectl, runs};
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp exec web-0 -- uname -a\n  kubectl cmp exec -it web-0 -- bash")]
pub(crate) struct ExecArgs {
    #[command(flatten)]
    pub(crate) instance: InstanceNameArg,
    /// Pass stdin to the container
    #[arg(short = 'i', long)]
    pub(crate) stdin: bool,
    /// Stdin is a TTY
    #[arg(short, long)]
    pub(crate) tty: bool,
    #[command(flatten)]
    pub(crate) container: ContainerArg,
    /// The command to run, after --
    #[arg(value_name = "COMMAND", last = true, required = true)]
    pub(crate) command: Vec<OsString>,
}

pub(crate) async fn run(context: &Context<'_>, args: ExecArgs) -> Result<(), CliError> {
    let ExecArgs { instance: InstanceNameArg { name }, stdin, tty, container: ContainerArg { container }, command } =
        args;
    runs(context, &name, InstanceType::Container).await?;
    let mut kubectl = kubectl("exec", &context.global, &name);
    kubectl.args(given([("--stdin", stdin), ("--tty", tty)]));
    kubectl.args(container.map(|container| format!("--container={container}")));
    kubectl.arg("--").args(command);
    become_kubectl(kubectl)
}
