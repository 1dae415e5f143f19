//! The flag `--dry-run`.

use clap::{Args, ValueEnum};

/// The help of commands that change the cost of a cluster.
pub(crate) const COSTS: &str = "If prices are set, a dry run and a refusal for quota show the cost of a month of 365.25/12 days:\nat the prices of now, with all instances on, and with the schedule of the cluster if it has one.";

/// Modes of `--dry-run`: change objects; only print; send the request to the API server, which stores nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum DryRun {
    #[default]
    None,
    Client,
    Server,
}

impl From<DryRun> for cmp_client::DryRun {
    fn from(dry_run: DryRun) -> Self {
        match dry_run {
            DryRun::None => Self::None,
            DryRun::Client => Self::Client,
            DryRun::Server => Self::Server,
        }
    }
}

#[derive(Debug, Clone, Args)]
pub(crate) struct DryRunArgs {
    /// Change nothing: only print (client), or ask the API server (server)
    #[arg(
        long,
        value_name = "WHERE",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub(crate) dry_run: DryRun,
}

/// Returns the suffix of a line that reports a change.
pub(crate) fn suffix(dry_run: DryRun) -> &'static str {
    match dry_run {
        DryRun::None => "",
        DryRun::Client => " (dry run)",
        DryRun::Server => " (server dry run)",
    }
}
