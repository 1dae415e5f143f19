//! `suspend`: frees the resources of clusters or instances, and remembers their state.

use clap::Subcommand;

use crate::context::Context;
use crate::error::CliError;

mod cluster;
mod instance;

#[derive(Debug, Subcommand)]
pub(crate) enum Suspend {
    /// Suspend all instances of clusters
    Cluster(cluster::SuspendClusters),
    /// Suspend instances by name
    Instance(instance::SuspendInstances),
}

pub(crate) async fn run(context: &Context<'_>, suspend: Suspend) -> Result<(), CliError> {
    match suspend {
        Suspend::Cluster(args) => cluster::run(context, args).await,
        Suspend::Instance(args) => instance::run(context, args).await,
    }
}
