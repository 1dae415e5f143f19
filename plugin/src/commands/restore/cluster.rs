//! `restore cluster`: has KubeVirt replace the disks of VMs by those of a snapshot.

use clap::Args;

use cmp_client::kubevirt::Machines;
use cmp_core::name::SnapshotName;
use cmp_core::plan::{describe, snapshot as plans};
use cmp_core::snapshot;

use crate::args::values::name;
use crate::args::{ClusterNameArg, DryRun, DryRunArgs, LineArgs, WaitArgs, YesArg, suffix};
use crate::commands::shared::snapshots::{of_cluster, restored};
use crate::commands::shared::write_account::print_plan;
use crate::context::Context;
use crate::error::CliError;
use crate::output::said;

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp suspend cluster web --mode halt --wait\n  kubectl cmp restore cluster web --snapshot before-upgrade"
)]
pub(crate) struct RestoreCluster {
    #[command(flatten)]
    pub(crate) cluster: ClusterNameArg,
    /// The snapshot, as `get snapshots` shows it
    #[arg(long, value_name = "SNAPSHOT", value_parser = name::<SnapshotName>)]
    pub(crate) snapshot: SnapshotName,
    #[command(flatten)]
    pub(crate) yes: YesArg,
    // The command always waits: a VM cannot be switched on before.
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) dry: DryRunArgs,
    #[command(flatten)]
    pub(crate) line: LineArgs,
}

pub(crate) async fn run(context: &Context<'_>, args: RestoreCluster) -> Result<(), CliError> {
    let RestoreCluster { cluster: ClusterNameArg { name: cluster }, snapshot, yes: YesArg { yes }, wait, dry, line } =
        args;
    let dry_run = dry.dry_run;
    let stored = context.holder(&cluster).await?;
    let (client, snapshots) = (context.client().await?, of_cluster(context, &cluster, &stored.account).await?);
    let vms = Machines::of(&client, &cluster);
    let (machines, guests, parts, contents, volumes) =
        futures::try_join!(vms.list(), vms.running(), snapshots.parts(), snapshots.contents(), snapshots.volumes(),)?;
    let seen = plans::Observed { machines, guests, parts, contents, volumes };
    let plan = plans::restore(&cluster, &snapshot, &stored.account, &seen)?;
    for left_out in &plan.left_out {
        context.ui.note(left_out);
    }
    print_plan(context.ui, dry_run, || Ok(describe::restore(&plan)))?;
    if dry_run == DryRun::None {
        context.ui.confirm(yes, &plan.goes(), "You are about to lose")?;
    }
    let there = snapshots.restores().await?;
    if dry_run == DryRun::None {
        context.ui.goes_on("KubeVirt goes on with the restore", "the same command goes on where this one ended");
    }
    for (instance, part) in &plan.parts {
        // An earlier command may have been interrupted.
        let begun = there.iter().find(|one| one.metadata.name.as_deref() == Some(part.object()));
        let has_ended = begun.is_some_and(|restore| restore.is_complete() || restore.failure().is_some());
        if begun.is_some() && !has_ended {
            continue;
        }
        if has_ended && dry_run == DryRun::None {
            snapshots.forget(part.object()).await?;
            snapshots.forgotten(part.object()).await?;
        }
        if dry_run != DryRun::Client {
            snapshots.restore(snapshot::restore(part, instance), dry_run == DryRun::Server).await?;
        }
    }
    if dry_run == DryRun::None {
        restored(context, &snapshots, &cluster, &plan, wait.limit()).await?;
    }
    for (instance, _) in &plan.parts {
        said(context.ui, line.output, &format!("instance/{instance}"), &format!("restored{}", suffix(dry_run)))?;
    }
    Ok(())
}
