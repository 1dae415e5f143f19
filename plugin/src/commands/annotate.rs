//! `annotate`: sets and removes the annotations of clusters.

use clap::Subcommand;

use crate::context::Context;
use crate::error::CliError;

mod cluster;

#[derive(Debug, Subcommand)]
pub(crate) enum Annotate {
    /// Set and remove annotations of clusters
    Cluster(cluster::AnnotateClusters),
}

pub(crate) async fn run(context: &Context<'_>, annotate: Annotate) -> Result<(), CliError> {
    match annotate {
        Annotate::Cluster(args) => cluster::run(context, args).await,
    }
}
