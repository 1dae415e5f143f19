//! `resize cluster`: growth is requested first, running instances are restarted one after another, and the quota of a
//! shrinking is given back last.

use std::time::Duration;

use clap::Args;

use cmp_core::account::Want;
use cmp_core::plan::amounts::{Amount, with_changes};
use cmp_core::plan::resize::{self, Wish};
use cmp_core::quantity::Quantity;

use crate::args::values::{amount, duration, memory, quantity};
use crate::args::{COSTS, ChangeArgs, ClusterNameArg, YesArg};
use crate::commands::shared::cost::{before, print_cost, with_cost};
use crate::commands::shared::print_cluster::print_cluster_change;
use crate::commands::shared::resize_cluster::{ResizeRequest, resize};
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp resize cluster web --cpu 4 --memory 8Gi", after_help = COSTS)]
pub(crate) struct ResizeCluster {
    #[command(flatten)]
    pub(crate) cluster: ClusterNameArg,
    /// The CPU of each instance, such as 2 or 500m
    #[arg(long, value_name = "CPU", value_parser = quantity, allow_negative_numbers = true)]
    pub(crate) cpu: Option<Quantity>,
    /// The memory of each instance, such as 4Gi
    #[arg(long, value_name = "MEMORY", value_parser = memory, allow_negative_numbers = true)]
    pub(crate) memory: Option<Quantity>,
    /// Another resource of each instance, such as nvidia.com/gpu=1 (repeatable)
    #[arg(long, value_name = "NAME=AMOUNT", value_parser = amount)]
    pub(crate) resource: Vec<Amount>,
    #[command(flatten)]
    pub(crate) yes: YesArg,
    /// Wait until what was given up is back in the quota, too
    #[arg(long)]
    pub(crate) wait: bool,
    /// Time to wait until a restarted instance runs again; 60s by default
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

pub(crate) async fn run(context: &Context<'_>, args: ResizeCluster) -> Result<(), CliError> {
    let ResizeCluster { cluster: ClusterNameArg { name }, cpu, memory, resource, yes, wait, timeout, change } = args;
    let wish = Wish { name: name.clone(), cpu, memory, more: resource };
    resize::says_something(&wish)?;
    let request = ResizeRequest { wish, yes: yes.yes, warned: false, wait, timeout, dry_run: change.dry.dry_run };
    let before = before(context, change.dry.dry_run, &name).await;
    let resized = resize(context, &request).await;
    let asked = async || {
        let (Wish { cpu, memory, more, .. }, want) = (&request.wish, context.want_of(&name).await?);
        let size = with_changes(want.size.clone(), *cpu, *memory, more).ok()?;
        Some(Want { size, ..want })
    };
    let (stored, word) = with_cost(context, resized, &name, asked).await?;
    print_cluster_change(context, &stored, &name, word, &change).await?;
    print_cost(context, change.dry.dry_run, &name, before.as_ref(), &stored).await;
    Ok(())
}
