//! `resize cluster`: growth is requested first, running instances are restarted one after another, and the quota of a
//! shrinking is given back last.

use std::time::Duration;

use clap::Args;

use cmp_core::account::{HeldState, Want};
use cmp_core::instance::Instance;
use cmp_core::name::{ClusterName, InstanceName};
use cmp_core::quantity::Quantity;
use cmp_core::resources::STORAGE;
use cmp_core::vocabulary::InstanceType;

use crate::args::values::{Amount, amount, duration, memory, quantity, with_changes};
use crate::args::{ChangeArgs, ClusterNameArg, DryRun};
use crate::commands::shared::prepared_cluster::prepared;
use crate::commands::shared::print_cluster::print_cluster_change;
use crate::commands::shared::wants;
use crate::context::Context;
use crate::error::CliError;
use crate::ui::Progress;
use crate::view;
use one_by_one::{ResizeOutcome, paused_ones};

mod containers;
mod machines;
mod one_by_one;

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp resize cluster web --cpu 4 --memory 8Gi")]
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
    /// Time to wait until a restarted instance runs again
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

pub(crate) async fn run(context: &Context<'_>, args: ResizeCluster) -> Result<(), CliError> {
    let ResizeCluster { cluster: ClusterNameArg { name }, cpu, memory, resource, timeout, change } = args;
    if cpu.is_none() && memory.is_none() && resource.is_empty() {
        return Err(CliError::user("nothing to change").hint("say what with --cpu, --memory or --resource"));
    }
    let accounts = context.accounts().await?;
    let mut stored = context.holder(&name).await?;
    let user = stored.account.user.clone();
    let current = wants::current(&stored, &name)?;
    if current.kind == InstanceType::Vm && !resource.is_empty() {
        return Err(CliError::user(format!("cluster {name} is of VMs, whose disks keep their size"))
            .hint("their processors and memory are changed with --cpu and --memory"));
    }
    let size = with_changes(current.size.clone(), cpu, memory, resource)?;
    if current.disk.is_some() && size.named(STORAGE) != current.size.named(STORAGE) {
        return Err(CliError::user(format!("--resource storage: the disks of cluster {name} keep their size"))
            .hint("make another cluster with the disks you want, and delete this one"));
    }
    let resized = |want: &Want| Want { size: size.clone(), ..want.clone() };
    let dry_run = change.dry.dry_run;
    let instances = view::instances(&context.client().await?, &name, Some(current.kind)).await?;
    none_is_paused(&name, &instances)?;
    if dry_run != DryRun::None {
        // The larger of both sizes is charged in any case, so that the verdict is the same.
        let stored = wants::change(&accounts, stored, &name, dry_run, resized).await?;
        return print_cluster_change(context, &stored, &name, "resized", &change).await;
    }
    if current.kind == InstanceType::Container {
        containers::shares(context, &name, &size).await?;
    }
    let both = |want: &Want| Want { size: want.size.max(&size), ..want.clone() };
    stored = wants::change(&accounts, stored, &name, dry_run, both).await?;
    let want = wants::current(&stored, &name)?;
    // A cluster in the state releasing may wait for these very instances to shrink.
    let held = stored.account.cluster(&name).held;
    if want != current || held.is_none_or(|held| held.state != HeldState::Releasing) {
        prepared(context.ui, &accounts, &user, &name, &want, timeout).await?;
    }
    let want = resized(&want);
    let mut changed = current.size != size;
    // Change the instances one after another, so that at most one running instance is down.
    let mut progress = Progress::new(context.ui);
    for (at, Instance { name: one, .. }) in instances.iter().enumerate() {
        progress.passing(&format!("{name}: {at}/{} resized, {one} restarts", instances.len()));
        let came = match want.kind {
            InstanceType::Container => containers::resize(context, one, &want, timeout).await?,
            InstanceType::Vm => machines::resize(context, one, &want, timeout).await?,
        };
        changed |= came != ResizeOutcome::Unchanged;
        if came == ResizeOutcome::Restarted {
            context.ui.note(&format!("instance/{one} resized"));
        }
    }
    drop(progress);
    stored = wants::change(&accounts, accounts.get(&user).await?, &name, dry_run, resized).await?;
    if !current.size.fits(&size) {
        context.ui.note("the quota comes back when what was given up is known to be gone (shown as releasing)");
    }
    let word = if changed { "resized" } else { "unchanged" };
    print_cluster_change(context, &stored, &name, word, &change).await
}

/// Refuses paused VMs. A paused VM keeps its guest, and therefore its old size, until it is switched off. The amount
/// that it gives up could not come back.
fn none_is_paused(cluster: &ClusterName, instances: &[Instance]) -> Result<(), CliError> {
    let paused: Vec<&InstanceName> =
        instances.iter().filter(|instance| instance.paused).map(|instance| &instance.name).collect();
    if paused.is_empty() { Ok(()) } else { Err(paused_ones(cluster, &paused)) }
}
