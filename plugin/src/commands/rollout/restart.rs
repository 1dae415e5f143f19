//! `rollout restart`: restarts running instances.

use clap::Subcommand;

use crate::context::Context;
use crate::error::CliError;

mod cluster;

#[derive(Debug, Subcommand)]
pub(crate) enum Restart {
    /// Restart the running instances of a cluster, one after another
    Cluster(cluster::RestartCluster),
}

pub(crate) async fn run(context: &Context<'_>, restart: Restart) -> Result<(), CliError> {
    match restart {
        Restart::Cluster(args) => cluster::run(context, args).await,
    }
}
