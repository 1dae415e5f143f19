//! The snapshots of a cluster: where they can be taken, and the waits for KubeVirt.

use std::time::Duration;

use cmp_client::snapshots::{Snapshots, served};
use cmp_core::name::{ClusterName, SnapshotName};
use cmp_core::plan::snapshot::{Restoration, can_snapshot};
use cmp_core::progress::clock::Limit;
use cmp_core::snapshot::{Part, SnapshotState, snapshots};

use crate::commands::shared::wait_clock::WaitClock;
use crate::context::Context;
use crate::error::CliError;
use crate::ui::Progress;

/// The pause between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// Returns the snapshots of a cluster. Without the types that they need, returns an error that says what to install.
pub(crate) async fn of_cluster(context: &Context<'_>, cluster: &ClusterName) -> Result<Snapshots, CliError> {
    let client = context.client().await?;
    let (volumes, machines) = served(&client).await?;
    can_snapshot(volumes, machines)?;
    Ok(Snapshots::of(&client, cluster))
}

/// Waits until a snapshot is ready.
pub(crate) async fn taken(
    context: &Context<'_>,
    objects: &Snapshots,
    cluster: &ClusterName,
    name: &SnapshotName,
    limit: Limit,
) -> Result<(), CliError> {
    context.ui.goes_on(format!("KubeVirt goes on with snapshot {name}"), "kubectl cmp get snapshots shows it");
    let (clock, mut progress) = (WaitClock::start(limit), Progress::new(context.ui));
    loop {
        let all = snapshots(cluster, objects.parts().await?);
        let Some(snapshot) = all.into_iter().find(|one| one.name == name.as_str()) else {
            return Err(CliError::not_found("snapshot", name.as_str()));
        };
        let counts = format!("{name}: {}/{} ready", snapshot.ready(), snapshot.parts.len());
        let reason = snapshot.reason();
        let why = reason.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        match snapshot.state() {
            SnapshotState::Ready => return Ok(()),
            SnapshotState::Failed => {
                return Err(CliError::user(format!("snapshot {name} failed{why}"))
                    .hint(format!("to delete it: kubectl cmp delete snapshot {name} --in {cluster}")));
            }
            SnapshotState::Deleting => return Err(CliError::user(format!("snapshot {name} is being deleted"))),
            SnapshotState::Pending => {}
        }
        clock.observe(&counts);
        progress.show(&counts, reason.as_deref(), false);
        if clock.is_over() {
            let seconds = clock.seconds();
            return Err(CliError::user(format!("timed out after {seconds} s waiting for snapshot {name}{why}"))
                .hint("KubeVirt gives up five minutes after the beginning; kubectl cmp get snapshots shows it"));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until these parts are gone.
pub(crate) async fn gone(
    context: &Context<'_>,
    objects: &Snapshots,
    names: &[&str],
    limit: Limit,
) -> Result<(), CliError> {
    context.ui.goes_on("the deletion goes on, and the room stays charged", "the same command gives the room back");
    let (clock, mut progress) = (WaitClock::start(limit), Progress::new(context.ui));
    loop {
        let parts = objects.parts().await?;
        let left: Vec<&str> = parts.iter().map(Part::object).filter(|name| names.contains(name)).collect();
        if left.is_empty() {
            return Ok(());
        }
        let counts = format!("{}/{} deleted", names.len().saturating_sub(left.len()), names.len());
        clock.observe(&counts);
        progress.show(&counts, None, false);
        if clock.is_over() {
            let (seconds, left) = (clock.seconds(), left.join(", "));
            return Err(CliError::user(format!("timed out after {seconds} s waiting for the deletion of {left}"))
                .hint("the same command gives the room back when they are gone"));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until all VMs have their disks back, and deletes the restores, which nobody needs any more.
pub(crate) async fn restored(
    context: &Context<'_>,
    objects: &Snapshots,
    cluster: &ClusterName,
    plan: &Restoration,
    limit: Limit,
) -> Result<(), CliError> {
    let (clock, mut progress) = (WaitClock::start(limit), Progress::new(context.ui));
    loop {
        let restores = objects.restores().await?;
        let (mut done, mut last) = (0, None);
        for (instance, part) in &plan.parts {
            let restore = restores.iter().find(|one| one.metadata.name.as_deref() == Some(part.object()));
            match restore {
                Some(restore) if restore.is_complete() => done += 1,
                Some(restore) => {
                    if let Some(why) = restore.failure() {
                        return Err(CliError::user(format!("the restore of {instance} failed: {why}"))
                            .hint("the same command begins again"));
                    }
                    last = Some(format!("{instance}: {}", restore.progress()));
                }
                None => last = Some(format!("{instance}: its restore was deleted by somebody else")),
            }
        }
        if done == plan.parts.len() {
            break;
        }
        let counts = format!("{cluster}: {done}/{} restored", plan.parts.len());
        clock.observe(&counts);
        progress.show(&counts, last.as_deref(), false);
        if clock.is_over() {
            let why = last.map_or_else(String::new, |last| format!(": {last}"));
            return Err(CliError::user(format!("timed out after {} s waiting for the restore{why}", clock.seconds()))
                .hint("KubeVirt goes on, and so does the same command")
                .hint(format!("to give up: kubectl delete virtualmachinerestores --all -n {}", cluster.namespace())));
        }
        tokio::time::sleep(LOOK).await;
    }
    drop(progress);
    for (_, part) in &plan.parts {
        objects.forget(part.object()).await?;
    }
    Ok(())
}
