//! `scale`: changes the number of instances.

use clap::Subcommand;

use crate::context::Context;
use crate::error::CliError;

mod cluster;

#[derive(Debug, Subcommand)]
pub(crate) enum Scale {
    /// Change the number of instances of a cluster
    Cluster(cluster::ScaleCluster),
}

pub(crate) async fn run(context: &Context<'_>, scale: Scale) -> Result<(), CliError> {
    match scale {
        Scale::Cluster(args) => cluster::run(context, args).await,
    }
}
