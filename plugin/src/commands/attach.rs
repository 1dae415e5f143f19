//! `attach`: runs kubectl with the namespace and the Pod filled in.

use clap::Args;

use cmp_core::vocabulary::InstanceType;

use crate::args::{ContainerArg, InstanceNameArg};
use crate::commands::shared::into_instance::{become_kubectl, given, kubectl, runs};
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp attach web-0\n  kubectl cmp attach -it web-0")]
pub(crate) struct AttachArgs {
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
}

pub(crate) async fn run(context: &Context<'_>, args: AttachArgs) -> Result<(), CliError> {
    let AttachArgs { instance: InstanceNameArg { name }, stdin, tty, container: ContainerArg { container } } = args;
    runs(context, &name, InstanceType::Container).await?;
    let mut kubectl = kubectl("attach", &context.global, &name);
    kubectl.args(given([("--stdin", stdin), ("--tty", tty)]));
    kubectl.args(container.map(|container| format!("--container={container}")));
    become_kubectl(kubectl)
}
