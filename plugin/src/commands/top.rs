//! `top`: shows the measured use beside the resources that were asked for.

use clap::Subcommand;

use crate::context::Context;
use crate::error::CliError;

mod clusters;
mod instances;
mod users;

#[derive(Debug, Subcommand)]
pub(crate) enum Top {
    /// Show the use of clusters
    Clusters(clusters::TopClusters),
    /// Show the use of instances
    Instances(instances::TopInstances),
    /// Show the use of users, and their quota (administrators)
    Users(users::TopUsers),
}

pub(crate) async fn run(context: &Context<'_>, top: Top) -> Result<(), CliError> {
    match top {
        Top::Clusters(args) => clusters::run(context, args).await,
        Top::Instances(args) => instances::run(context, args).await,
        Top::Users(args) => users::run(context, args).await,
    }
}
