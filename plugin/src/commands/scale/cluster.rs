//! `scale cluster`: growth requests the quota first, shrinking gives it back last.

use clap::Args;

use cmp_core::account::Want;
use cmp_core::plan::scale::Wish;

use crate::args::values::count;
use crate::args::{COSTS, ChangeArgs, ClusterNameArg, WaitArgs, YesArg};
use crate::commands::shared::cost::{before, print_cost, with_cost};
use crate::commands::shared::print_cluster::print_cluster_change;
use crate::commands::shared::scale_cluster::{ScaleRequest, scale};
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp scale cluster web --count 5", after_help = COSTS)]
pub(crate) struct ScaleCluster {
    #[command(flatten)]
    pub(crate) cluster: ClusterNameArg,
    /// The new number of instances; the highest indexes are deleted first
    #[arg(long, alias = "replicas", value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub(crate) count: u32,
    #[command(flatten)]
    pub(crate) yes: YesArg,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

pub(crate) async fn run(context: &Context<'_>, args: ScaleCluster) -> Result<(), CliError> {
    let ScaleCluster { cluster: ClusterNameArg { name }, count, yes: YesArg { yes }, wait, change } = args;
    let request = ScaleRequest { wish: Wish { name: name.clone(), count }, yes, wait, dry_run: change.dry.dry_run };
    let before = before(context, change.dry.dry_run, &name).await;
    let scaled = scale(context, &request).await;
    let asked = async || Some(Want { count, ..context.want_of(&name).await? });
    let (stored, word) = with_cost(context, scaled, &name, asked).await?;
    print_cluster_change(context, &stored, &name, word, &change).await?;
    print_cost(context, change.dry.dry_run, &name, before.as_ref(), &stored).await;
    Ok(())
}
