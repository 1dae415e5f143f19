//! `edit`: changes an object in an editor.

use clap::Subcommand;

use crate::context::Context;
use crate::error::CliError;

mod cluster;

#[derive(Debug, Subcommand)]
pub(crate) enum Edit {
    /// Edit a cluster in your editor
    Cluster(cluster::EditCluster),
}

pub(crate) async fn run(context: &Context<'_>, edit: Edit) -> Result<(), CliError> {
    match edit {
        Edit::Cluster(args) => cluster::run(context, args).await,
    }
}
