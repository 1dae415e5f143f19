//! `schedule`: suspends and resumes on a schedule.

use clap::Subcommand;

use crate::context::Context;
use crate::error::CliError;

mod cluster;

#[derive(Debug, Subcommand)]
pub(crate) enum Schedule {
    /// Set when to suspend a cluster, and when to resume what the schedule suspended
    Cluster(cluster::ScheduleCluster),
}

pub(crate) async fn run(context: &Context<'_>, schedule: Schedule) -> Result<(), CliError> {
    match schedule {
        Schedule::Cluster(args) => cluster::run(context, args).await,
    }
}
