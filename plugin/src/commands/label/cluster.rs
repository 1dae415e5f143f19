//! `label cluster`: sets and removes the labels of clusters.

use clap::Args;

use cmp_core::labels::Field;

use crate::args::PairArgs;
use crate::commands::shared::labels;
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp label cluster web app=shop tier=front\n  kubectl cmp label cluster web tier=back --overwrite\n  kubectl cmp label cluster --all tier-"
)]
pub(crate) struct LabelClusters {
    #[command(flatten)]
    pub(crate) pairs: PairArgs,
}

pub(crate) async fn run(context: &Context<'_>, args: LabelClusters) -> Result<(), CliError> {
    labels::change(context, Field::Labels, args.pairs).await
}
