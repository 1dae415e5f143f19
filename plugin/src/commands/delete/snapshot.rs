//! `delete snapshot`: deletes the snapshots of VMs, and gives their room back.

use clap::Args;

use cmp_core::name::{ClusterName, SnapshotName};
use cmp_core::plan::write::current;
use cmp_core::plan::{describe, snapshot as plans};
use cmp_core::snapshot::{Part, snapshots};

use crate::args::values::name;
use crate::args::{DryRun, DryRunArgs, LineArgs, Names, WaitArgs, YesArg, suffix};
use crate::commands::shared::prepared_cluster::prepared;
use crate::commands::shared::snapshots::{gone, of_cluster};
use crate::commands::shared::write_account::{print_outcome, print_plan, write};
use crate::context::{Context, complete, each_said, once};
use crate::error::CliError;
use crate::output::said;

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp delete snapshot before-upgrade --in web")]
pub(crate) struct DeleteSnapshot {
    #[command(flatten)]
    pub(crate) names: Names<SnapshotName>,
    /// The cluster of the snapshots
    #[arg(long = "in", value_name = "CLUSTER", value_parser = name::<ClusterName>)]
    pub(crate) of: Option<ClusterName>,
    #[command(flatten)]
    pub(crate) yes: YesArg,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) dry: DryRunArgs,
    #[command(flatten)]
    pub(crate) line: LineArgs,
}

pub(crate) async fn run(context: &Context<'_>, args: DeleteSnapshot) -> Result<(), CliError> {
    let DeleteSnapshot { names: Names { names }, of, yes: YesArg { yes }, wait, dry, line } = args;
    let (names, dry_run) = (once(names), dry.dry_run);
    let cluster = match of {
        Some(cluster) => cluster,
        None => context.cluster_of_namespace()?.ok_or_else(|| {
            CliError::user("no cluster is named")
                .hint("name the cluster of the snapshots with --in, as `kubectl cmp get snapshots` shows it")
        })?,
    };
    let stored = context.holder(&cluster).await?;
    let (user, accounts) = (stored.account.user.clone(), context.accounts().await?);
    let objects = of_cluster(context, &cluster, &stored.account).await?;
    let parts = objects.parts().await?;
    let all = snapshots(&cluster, parts.clone());
    let mut found = Vec::new();
    let all_found = each_said(context, &names, &mut found, |name: &SnapshotName| {
        let one = all.iter().find(|one| one.name == name.as_str()).cloned();
        let missing = CliError::not_found("snapshot", name.as_str());
        async move { one.ok_or(missing) }
    })
    .await?;
    let goes: Vec<&str> = found.iter().flat_map(|one| &one.parts).map(Part::object).collect();
    let remaining = parts.len().saturating_sub(goes.len());
    // The room of an interrupted command, or of parts that were deleted by hand, comes back as well.
    let room = plans::give_back(&cluster, &stored.account, remaining)?;
    let lines: Vec<String> = found
        .iter()
        .map(|one| format!("snapshot/{} of {} VMs of cluster {cluster}", one.name, one.parts.len()))
        .collect();
    print_plan(context.ui, dry_run, || Ok(describe::delete_snapshot(&goes, &room)))?;
    if dry_run == DryRun::None && !lines.is_empty() {
        context.ui.confirm(yes, &lines, "You are about to delete")?;
    }
    if dry_run != DryRun::Client {
        for part in &goes {
            objects.delete(part, dry_run == DryRun::Server).await?;
        }
    }
    if dry_run == DryRun::None && !goes.is_empty() {
        gone(context, &objects, &goes, wait.limit()).await?;
    }
    let gives_back = !room.change.is_empty();
    let updated =
        write(&accounts, stored, dry_run, |account| plans::give_back(&cluster, account, remaining)).await?.stored;
    print_outcome(context.ui, dry_run, &updated.account, [&cluster]);
    for one in &found {
        said(context.ui, line.output, &format!("snapshot/{}", one.name), &format!("deleted{}", suffix(dry_run)))?;
    }
    if gives_back && dry_run == DryRun::None {
        if wait.wait {
            let want = current(&updated.account, &cluster)?;
            prepared(context.ui, &accounts, &user, &cluster, &want, wait.limit()).await?;
        } else {
            context
                .ui
                .note("the quota returns when the volumes of the snapshots are confirmed gone (shown as releasing)");
        }
    }
    complete(all_found)
}
