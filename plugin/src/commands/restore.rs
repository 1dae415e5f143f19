//! `restore`: gives disks of a snapshot back.

use clap::Subcommand;

use crate::context::Context;
use crate::error::CliError;

mod cluster;

#[derive(Debug, Subcommand)]
pub(crate) enum Restore {
    /// Give each VM of a cluster its disk of a snapshot back
    Cluster(cluster::RestoreCluster),
}

pub(crate) async fn run(context: &Context<'_>, restore: Restore) -> Result<(), CliError> {
    match restore {
        Restore::Cluster(args) => cluster::run(context, args).await,
    }
}
