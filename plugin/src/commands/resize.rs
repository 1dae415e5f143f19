//! `resize`: changes the size of instances.

use clap::Subcommand;

use crate::context::Context;
use crate::error::CliError;

mod cluster;

#[derive(Debug, Subcommand)]
pub(crate) enum Resize {
    /// Change the size of instances; running instances are restarted one after another
    Cluster(cluster::ResizeCluster),
}

pub(crate) async fn run(context: &Context<'_>, resize: Resize) -> Result<(), CliError> {
    match resize {
        Resize::Cluster(args) => cluster::run(context, args).await,
    }
}
