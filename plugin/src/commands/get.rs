//! `get`: shows objects of one type.

use clap::Subcommand;

use crate::context::Context;
use crate::error::CliError;

mod clusters;
mod instances;
mod prices;
mod schedules;
mod snapshots;
mod templates;
mod tokens;
mod users;

#[derive(Debug, Subcommand)]
pub(crate) enum Get {
    /// Show one or more clusters
    Clusters(clusters::GetClusters),
    /// Show one or more instances
    Instances(instances::GetInstances),
    /// Show the schedules that suspend and resume clusters
    Schedules(schedules::GetSchedules),
    /// Show the snapshots of clusters of VMs
    Snapshots(snapshots::GetSnapshots),
    /// Show users with their quota and usage (administrators)
    Users(users::GetUsers),
    /// Show the templates for instances
    Templates(templates::GetTemplates),
    /// Show the tokens of a user (administrators)
    Tokens(tokens::GetTokens),
    /// Show the prices by which reports and dry runs show costs
    Prices(prices::GetPrices),
}

pub(crate) async fn run(context: &Context<'_>, get: Get) -> Result<(), CliError> {
    match get {
        Get::Clusters(args) => clusters::run(context, args).await,
        Get::Instances(args) => instances::run(context, args).await,
        Get::Schedules(args) => schedules::run(context, args).await,
        Get::Snapshots(args) => snapshots::run(context, args).await,
        Get::Users(args) => users::run(context, args).await,
        Get::Templates(args) => templates::run(context, args).await,
        Get::Tokens(args) => tokens::run(context, args).await,
        Get::Prices(args) => prices::run(context, args).await,
    }
}
