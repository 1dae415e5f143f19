//! `label`: sets and removes the labels of clusters.

use clap::Subcommand;

use crate::context::Context;
use crate::error::CliError;

mod cluster;

#[derive(Debug, Subcommand)]
pub(crate) enum Label {
    /// Set and remove labels of clusters
    Cluster(cluster::LabelClusters),
}

pub(crate) async fn run(context: &Context<'_>, label: Label) -> Result<(), CliError> {
    match label {
        Label::Cluster(args) => cluster::run(context, args).await,
    }
}
