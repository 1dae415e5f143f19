//! `export`: prints objects as `create -f` reads them.

use clap::{Args, Subcommand};

use crate::context::Context;
use crate::error::CliError;
use print::ExportOutput;

mod cluster;
mod everything;
mod print;

#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    args_conflicts_with_subcommands = true,
    before_help = "Examples:\n  kubectl cmp export cluster web > web.yaml\n  kubectl cmp export --all > everything.yaml\n  kubectl cmp create -f everything.yaml"
)]
pub(crate) struct ExportArgs {
    #[command(subcommand)]
    pub(crate) what: Option<Export>,
    /// Print everything: prices, templates, users with their quotas and policies, clusters (administrators)
    #[arg(long, required = true)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) output: ExportOutput,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Export {
    /// Print clusters as `create -f` reads them, with the instances that are off
    Cluster(cluster::ExportCluster),
}

pub(crate) async fn run(context: &Context<'_>, args: ExportArgs) -> Result<(), CliError> {
    match args.what {
        Some(Export::Cluster(args)) => cluster::run(context, args).await,
        None => everything::run(context, &args.output).await,
    }
}
