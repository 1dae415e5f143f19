//! The flags `--wait` and `--timeout`.

use std::time::Duration;

use clap::Args;

use cmp_core::progress::clock::Limit;

use crate::args::values::duration;

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct WaitArgs {
    /// Wait until the operation is complete, not only accepted
    #[arg(long)]
    pub(crate) wait: bool,
    /// Time to wait, such as 60s or 5m; by default 60s without progress
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    timeout: Option<Duration>,
}

impl WaitArgs {
    /// Returns the limit of each wait of the command.
    pub(crate) fn limit(&self) -> Limit {
        Limit::of(self.timeout)
    }
}
