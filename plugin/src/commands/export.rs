//! `export`: prints the definition of objects.

use clap::Subcommand;

use crate::context::Context;
use crate::error::CliError;

mod cluster;

#[derive(Debug, Subcommand)]
pub(crate) enum Export {
    /// Print clusters as `create -f` reads them, with the instances that are off
    Cluster(cluster::ExportCluster),
}

pub(crate) async fn run(context: &Context<'_>, export: Export) -> Result<(), CliError> {
    match export {
        Export::Cluster(args) => cluster::run(context, args).await,
    }
}
