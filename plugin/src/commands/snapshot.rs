//! `snapshot`: takes snapshots of disks.

use clap::Subcommand;

use crate::context::Context;
use crate::error::CliError;

mod cluster;

#[derive(Debug, Subcommand)]
pub(crate) enum Snapshot {
    /// Take a snapshot of the disk of each VM of a cluster
    Cluster(cluster::SnapshotCluster),
}

pub(crate) async fn run(context: &Context<'_>, snapshot: Snapshot) -> Result<(), CliError> {
    match snapshot {
        Snapshot::Cluster(args) => cluster::run(context, args).await,
    }
}
