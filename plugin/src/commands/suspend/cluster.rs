//! `suspend cluster`: suspends all instances of clusters.

use std::time::Duration;

use clap::Args;

use cmp_core::vocabulary::Verb;

use crate::args::values::span;
use crate::args::{ClustersArgs, SuspendArgs};
use crate::commands::shared::lifecycle;
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp suspend cluster web --reason night\n  kubectl cmp suspend cluster web --for 3h\n  kubectl cmp suspend cluster --all"
)]
pub(crate) struct SuspendClusters {
    #[command(flatten)]
    pub(crate) how: SuspendArgs,
    /// Suspend for this long, then resume what this command suspended
    #[arg(long = "for", value_name = "DURATION", value_parser = span)]
    pub(crate) span: Option<Duration>,
    #[command(flatten)]
    pub(crate) which: ClustersArgs,
}

pub(crate) async fn run(context: &Context<'_>, args: SuspendClusters) -> Result<(), CliError> {
    lifecycle::clusters(context, Verb::Suspend, args.which, args.how.into(), args.span).await
}
