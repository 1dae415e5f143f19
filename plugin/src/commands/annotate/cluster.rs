//! `annotate cluster`: sets and removes the annotations of clusters.

use clap::Args;

use cmp_core::labels::Field;

use crate::args::PairArgs;
use crate::commands::shared::labels;
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp annotate cluster web note='ask mary first'\n  kubectl cmp annotate cluster web note-"
)]
pub(crate) struct AnnotateClusters {
    #[command(flatten)]
    pub(crate) pairs: PairArgs,
}

pub(crate) async fn run(context: &Context<'_>, args: AnnotateClusters) -> Result<(), CliError> {
    labels::change(context, Field::Annotations, args.pairs).await
}
