//! The snapshots of a cluster: where they can be taken, and the waits for KubeVirt.

use std::time::Duration;

use cmp_client::snapshots::{Snapshots, served};
use cmp_core::account::Account;
use cmp_core::name::{ClusterName, SnapshotName};
use cmp_core::plan::snapshot::{Restoration, can_snapshot, has_vms};
use cmp_core::progress::clock::Limit;
use cmp_core::snapshot::{Part, SnapshotState, snapshots};

use crate::commands::shared::wait_clock::WaitClock;
use crate::context::Context;
use crate::error::CliError;
use crate::ui::Progress;

/// The pause between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// Returns the snapshots of a cluster of VMs. Without the types that they need, returns an error that says what to
/// install.
pub(crate) async fn of_cluster(
    context: &Context<'_>,
    cluster: &ClusterName,
    account: &Account,
) -> Result<Snapshots, CliError> {
    has_vms(cluster, account)?;
    let client = context.client().await?;
    let (volumes, machines) = served(&client).await?;
    can_snapshot(volumes, machines)?;
    Ok(Snapshots::of(&client, cluster))
}

/// A wait for KubeVirt that goes on.
struct Pending {
    /// The counts so far.
    counts: String,
    /// The reason why it is not done.
    reason: Option<String>,
    /// The end of the sentence about a wait that took too long.
    until: String,
}

/// Looks until nothing is pending. The error of a wait that took too long gets these hints.
async fn until(
    context: &Context<'_>,
    limit: Limit,
    hints: &[&str],
    look: impl AsyncFn() -> Result<Option<Pending>, CliError>,
) -> Result<(), CliError> {
    let (clock, mut progress) = (WaitClock::start(limit), Progress::new(context.ui));
    while let Some(Pending { counts, reason, until }) = look().await? {
        clock.observe(&counts);
        progress.show(&counts, reason.as_deref(), false);
        if clock.is_over() {
            let late = CliError::user(format!("timed out after {} s waiting for {until}", clock.seconds()));
            return Err(hints.iter().copied().fold(late, CliError::hint));
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Returns a reason as the end of a sentence.
fn because(reason: Option<&str>) -> String {
    reason.map_or_else(String::new, |why| format!(": {why}"))
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
    let hint = "KubeVirt gives up five minutes after the beginning; kubectl cmp get snapshots shows it";
    until(context, limit, &[hint], async || {
        let all = snapshots(cluster, objects.parts().await?);
        let Some(snapshot) = all.into_iter().find(|one| one.name == name.as_str()) else {
            return Err(CliError::not_found("snapshot", name.as_str()));
        };
        let reason = snapshot.reason();
        let why = because(reason.as_deref());
        match snapshot.state() {
            SnapshotState::Ready => return Ok(None),
            SnapshotState::Failed => {
                return Err(CliError::user(format!("snapshot {name} failed{why}"))
                    .hint(format!("to delete it: kubectl cmp delete snapshot {name} --in {cluster}")));
            }
            SnapshotState::Deleting => return Err(CliError::user(format!("snapshot {name} is being deleted"))),
            SnapshotState::Pending => {}
        }
        let counts = format!("{name}: {}/{} ready", snapshot.ready(), snapshot.parts.len());
        Ok(Some(Pending { counts, reason, until: format!("snapshot {name}{why}") }))
    })
    .await
}

/// Waits until these parts are gone.
pub(crate) async fn gone(
    context: &Context<'_>,
    objects: &Snapshots,
    names: &[&str],
    limit: Limit,
) -> Result<(), CliError> {
    context.ui.goes_on("the deletion goes on, and the room stays charged", "the same command gives the room back");
    until(context, limit, &["the same command gives the room back when they are gone"], async || {
        let parts = objects.parts().await?;
        let left: Vec<&str> = parts.iter().map(Part::object).filter(|name| names.contains(name)).collect();
        let counts = format!("{}/{} deleted", names.len().saturating_sub(left.len()), names.len());
        let until = format!("the deletion of {}", left.join(", "));
        Ok((!left.is_empty()).then_some(Pending { counts, reason: None, until }))
    })
    .await
}

/// Waits until all VMs have their disks back, and deletes the restores, which nobody needs any more.
pub(crate) async fn restored(
    context: &Context<'_>,
    objects: &Snapshots,
    cluster: &ClusterName,
    plan: &Restoration,
    limit: Limit,
) -> Result<(), CliError> {
    let give_up = format!("to give up: kubectl delete virtualmachinerestores --all -n {}", cluster.namespace());
    until(context, limit, &["KubeVirt goes on, and so does the same command", &give_up], async || {
        let restores = objects.restores().await?;
        let (mut done, mut reason) = (0, None);
        for (instance, part) in &plan.parts {
            match restores.iter().find(|one| one.metadata.name.as_deref() == Some(part.object())) {
                Some(restore) if restore.is_complete() => done += 1,
                Some(restore) => {
                    if let Some(why) = restore.failure() {
                        return Err(CliError::user(format!("the restore of {instance} failed: {why}"))
                            .hint("the same command begins again"));
                    }
                    reason = Some(format!("{instance}: {}", restore.progress()));
                }
                None => reason = Some(format!("{instance}: its restore was deleted by somebody else")),
            }
        }
        let counts = format!("{cluster}: {done}/{} restored", plan.parts.len());
        let until = format!("the restore{}", because(reason.as_deref()));
        Ok((done < plan.parts.len()).then_some(Pending { counts, reason, until }))
    })
    .await?;
    for (_, part) in &plan.parts {
        objects.forget(part.object()).await?;
    }
    Ok(())
}
