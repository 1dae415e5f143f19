//! `resume cluster`: resumes all suspended instances of clusters.

use std::time::Duration;

use clap::Args;

use cmp_core::vocabulary::Verb;

use crate::args::values::span;
use crate::args::{ClustersArgs, LoginWaitArgs};
use crate::commands::shared::lifecycle::{self, How};
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp resume cluster web --wait\n  kubectl cmp resume cluster web --for 3h\n  kubectl cmp resume cluster --all"
)]
pub(crate) struct ResumeClusters {
    #[command(flatten)]
    pub(crate) which: ClustersArgs<LoginWaitArgs>,
    /// Resume for this long, then suspend the clusters again
    #[arg(long = "for", value_name = "DURATION", value_parser = span)]
    pub(crate) span: Option<Duration>,
}

pub(crate) async fn run(context: &Context<'_>, args: ResumeClusters) -> Result<(), CliError> {
    lifecycle::clusters(context, Verb::Resume, args.which, How::default(), args.span).await
}
