//! The flags `--wait` and `--timeout`.

use std::time::Duration;

use clap::Args;

use crate::args::values::duration;

#[derive(Debug, Clone, Args)]
pub(crate) struct WaitArgs {
    /// Wait until the operation is complete, not only accepted
    #[arg(long)]
    pub(crate) wait: bool,
    /// Time to wait before giving up, such as 60s or 5m
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub(crate) timeout: Duration,
}
