//! `set`: changes one property of an object.

use clap::Subcommand;

use crate::context::Context;
use crate::error::CliError;

mod prices;
mod quota;

#[derive(Debug, Subcommand)]
pub(crate) enum Set {
    /// Change the quota of a user (administrators)
    Quota(quota::SetQuota),
    /// Set the prices by which reports and dry runs show costs (administrators)
    Prices(Box<prices::SetPrices>),
}

pub(crate) async fn run(context: &Context<'_>, set: Set) -> Result<(), CliError> {
    match set {
        Set::Quota(args) => quota::run(context, args).await,
        Set::Prices(args) => prices::run(context, *args).await,
    }
}
