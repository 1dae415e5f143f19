//! `wait`: waits for a condition of clusters.

use clap::Subcommand;

use crate::context::Context;
use crate::error::CliError;

mod cluster;

#[derive(Debug, Subcommand)]
pub(crate) enum Wait {
    /// Wait until all instances are in a state, or until clusters are gone
    Cluster(cluster::WaitCluster),
}

pub(crate) async fn run(context: &Context<'_>, wait: Wait) -> Result<(), CliError> {
    match wait {
        Wait::Cluster(args) => cluster::run(context, args).await,
    }
}
