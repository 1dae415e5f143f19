//! `resize cluster`: growth is requested first, running instances are restarted one after another, and the quota of a
//! shrinking is given back last.

use std::time::Duration;

use tokio::time::Instant;

use cmp_client::ApiError;
use cmp_core::account::{HeldState, InstanceType, Want};
use cmp_core::instance::Instance;
use cmp_core::name::{ClusterName, InstanceName};
use cmp_core::resources::STORAGE;

use super::{create_cluster, wants};
use crate::cli::{DryRun, ResizeCluster, with_changes};
use crate::context::Context;
use crate::error::CliError;
use crate::ui::Progress;
use crate::view;

mod containers;
mod machines;

const PAUSE: Duration = Duration::from_millis(200);
/// Time for which a refusal is retried. It may come from an API server that has not seen yet that the cluster grew.
const CATCH_UP: Duration = Duration::from_secs(15);

pub(crate) async fn run(context: &Context<'_>, args: ResizeCluster) -> Result<(), CliError> {
    let ResizeCluster { name, cpu, memory, resource, timeout, change } = args;
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
    let instances = view::instances(&context.client().await?, &name).await?;
    none_is_paused(&name, &instances)?;
    if dry_run != DryRun::None {
        // The larger of both sizes is charged in any case, so that the verdict is the same.
        let stored = wants::change(&accounts, stored, &name, dry_run, resized).await?;
        return create_cluster::said(context, &stored, &name, "resized", &change).await;
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
        create_cluster::prepared(context.ui, &accounts, &user, &name, &want, timeout).await?;
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
        changed |= came != Came::Unchanged;
        if came == Came::Restarted {
            context.ui.note(&format!("instance/{one} resized"));
        }
    }
    drop(progress);
    stored = wants::change(&accounts, accounts.get(&user).await?, &name, dry_run, resized).await?;
    if !current.size.fits(&size) {
        context.ui.note("the quota comes back when what was given up is known to be gone (shown as releasing)");
    }
    let word = if changed { "resized" } else { "unchanged" };
    create_cluster::said(context, &stored, &name, word, &change).await
}

/// The outcome for one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    /// The instance has that size already.
    Unchanged,
    /// The instance takes the new size when it is switched on.
    Changed,
    /// The instance runs with the new size.
    Restarted,
}

/// Refuses paused VMs. A paused VM keeps its guest, and therefore its old size, until it is switched off. The amount
/// that it gives up could not come back.
fn none_is_paused(cluster: &ClusterName, instances: &[Instance]) -> Result<(), CliError> {
    let paused: Vec<&InstanceName> =
        instances.iter().filter(|instance| instance.paused).map(|instance| &instance.name).collect();
    if paused.is_empty() { Ok(()) } else { Err(paused_ones(cluster, &paused)) }
}

fn paused_ones(cluster: &ClusterName, paused: &[&InstanceName]) -> CliError {
    let names: Vec<String> = paused.iter().map(ToString::to_string).collect();
    CliError::user(format!("paused VMs keep the guests that they have: {}", names.join(", ")))
        .hint(format!("kubectl cmp resume cluster {cluster} lets them go on, to be restarted"))
        .hint(format!("kubectl cmp suspend cluster {cluster} --mode halt switches them off"))
}

/// Retries a write. A conflict reads the object again; a refusal is retried for as long as it may be out of date.
async fn written<T>(attempt: impl AsyncFn() -> Result<Result<T, ApiError>, CliError>) -> Result<T, CliError> {
    let deadline = Instant::now() + CATCH_UP;
    loop {
        match attempt().await? {
            Ok(written) => return Ok(written),
            Err(error) if error.is_conflict() => {}
            Err(error) if error.is_forbidden() && Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits until an instance has the wanted state after its restart.
async fn restarted(
    name: &InstanceName,
    timeout: Duration,
    is: impl AsyncFn() -> Result<bool, CliError>,
) -> Result<(), CliError> {
    let deadline = Instant::now() + timeout;
    while !is().await? {
        if Instant::now() > deadline {
            return Err(late(name, timeout));
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Builds the error for an instance that does not run again in time.
fn late(name: &InstanceName, timeout: Duration) -> CliError {
    CliError::user(format!("{name} does not run after {} s", timeout.as_secs()))
        .hint(format!("kubectl cmp describe instance {name} says why"))
        .hint("the others were not touched; the same command goes on where this one ended")
}
