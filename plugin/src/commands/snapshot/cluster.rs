//! `snapshot cluster`: asks the quota for room, then KubeVirt for a snapshot of each VM.

use clap::Args;
use jiff::Timestamp;

use cmp_client::kubevirt::Machines;
use cmp_core::name::SnapshotName;
use cmp_core::plan::write::current;
use cmp_core::plan::{describe, snapshot as plans};
use cmp_core::snapshot;

use crate::args::values::name;
use crate::args::{ClusterNameArg, DryRun, DryRunArgs, LineArgs, WaitArgs, suffix};
use crate::commands::shared::prepared_cluster::prepared;
use crate::commands::shared::snapshots::{of_cluster, taken};
use crate::commands::shared::write_account::{print_outcome, print_plan, write};
use crate::context::Context;
use crate::error::CliError;
use crate::output::said;

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp snapshot cluster web\n  kubectl cmp snapshot cluster web --name before-upgrade --wait"
)]
pub(crate) struct SnapshotCluster {
    #[command(flatten)]
    pub(crate) cluster: ClusterNameArg,
    /// The name of the snapshot; by default the time, such as 20270131-120000
    #[arg(id = "snapshot", long = "name", value_name = "SNAPSHOT", value_parser = name::<SnapshotName>)]
    pub(crate) snapshot: Option<SnapshotName>,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) dry: DryRunArgs,
    #[command(flatten)]
    pub(crate) line: LineArgs,
}

pub(crate) async fn run(context: &Context<'_>, args: SnapshotCluster) -> Result<(), CliError> {
    let SnapshotCluster { cluster: ClusterNameArg { name: cluster }, snapshot, wait, dry, line } = args;
    let dry_run = dry.dry_run;
    let snapshot = match snapshot {
        Some(snapshot) => snapshot,
        None => timed(Timestamp::now())?,
    };
    let (accounts, client) = (context.accounts().await?, context.client().await?);
    let stored = context.holder(&cluster).await?;
    let user = stored.account.user.clone();
    plans::has_disks(&cluster, &stored.account)?;
    let snapshots = of_cluster(context, &cluster, &stored.account).await?;
    let (machines, parts) =
        futures::try_join!(async { Machines::of(&client, &cluster).list().await }, snapshots.parts())?;
    let plan = plans::take(&cluster, &snapshot, &stored.account, &machines, &parts)?;
    print_plan(context.ui, dry_run, || Ok(describe::snapshot(&cluster, &snapshot, &plan)))?;
    if !plan.parts.is_empty() {
        let updated = write(&accounts, stored, dry_run, |account| plan.room(account, &cluster)).await?.stored;
        print_outcome(context.ui, dry_run, &updated.account, [&cluster]);
        if dry_run == DryRun::None {
            context.ui.goes_on(
                format!("the room for snapshot {snapshot} is asked for, and stays charged"),
                format!(
                    "the same command goes on with --name {snapshot}; kubectl cmp delete snapshot gives the room back"
                ),
            );
            // An earlier command may have asked for the room, and not waited for it.
            let want = current(&updated.account, &cluster)?;
            prepared(context.ui, &accounts, &user, &cluster, &want, wait.limit()).await?;
        }
    }
    // A dry run of a part would meet a Namespace without the room.
    if dry_run == DryRun::None {
        for instance in &plan.parts {
            snapshots.take(snapshot::part(&snapshot, instance), false).await?;
        }
        if wait.wait {
            taken(context, &snapshots, &cluster, &snapshot, wait.limit()).await?;
        }
    }
    let word = if plan.parts.is_empty() { "unchanged" } else { "created" };
    said(context.ui, line.output, &format!("snapshot/{snapshot}"), &format!("{word}{}", suffix(dry_run)))
}

/// Returns the name of a snapshot that is taken now.
fn timed(now: Timestamp) -> Result<SnapshotName, CliError> {
    let text = now.strftime("%Y%m%d-%H%M%S").to_string();
    text.parse().map_err(|error: cmp_core::name::InvalidName| CliError::internal(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_without_a_name_is_called_by_its_time() {
        let named = timed("2027-01-31T12:00:05Z".parse().unwrap()).unwrap();
        assert_eq!(named.as_str(), "20270131-120005");
    }
}
