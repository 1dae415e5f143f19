//! Arguments of the commands that connect the caller's terminal with an instance.

use clap::Args;

use crate::args::container::ContainerArg;
use crate::args::instances::InstanceNameArg;

/// The instance, and the streams that are connected.
#[derive(Debug, Args)]
pub(crate) struct TerminalArgs {
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
