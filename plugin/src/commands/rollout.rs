//! `rollout`: replaces the running instances of clusters.

use clap::Subcommand;

use crate::context::Context;
use crate::error::CliError;

mod restart;

#[derive(Debug, Subcommand)]
pub(crate) enum Rollout {
    /// Restart the running instances of a cluster, one after another
    #[command(subcommand)]
    Restart(restart::Restart),
}

pub(crate) async fn run(context: &Context<'_>, rollout: Rollout) -> Result<(), CliError> {
    match rollout {
        Rollout::Restart(args) => restart::run(context, args).await,
    }
}
