//! The flag `--container`.

use clap::Args;

/// The container of an instance.
#[derive(Debug, Args)]
pub(crate) struct ContainerArg {
    /// Container name, if there are several
    #[arg(short, long, value_name = "CONTAINER")]
    pub(crate) container: Option<String>,
}
