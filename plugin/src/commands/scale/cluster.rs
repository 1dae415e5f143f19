//! `scale cluster`: growth requests the quota first, shrinking gives it back last.

use std::time::Duration;

use clap::Args;
use kube::Client;

use cmp_client::instances;
use cmp_core::account::Want;
use cmp_core::instance::Orphan;
use cmp_core::name::{ClusterName, InstanceName};
use cmp_core::powered_off::PoweredOff;
use cmp_core::progress::Goal;
use cmp_core::vocabulary::InstanceType;

use crate::args::values::count;
use crate::args::{ChangeArgs, ClusterNameArg, DryRun, WaitArgs, YesArg};
use crate::commands::shared::make_instances::{indexes, make_instances, running};
use crate::commands::shared::prepared_cluster::prepared;
use crate::commands::shared::print_cluster::print_cluster_change;
use crate::commands::shared::waiting::{self, Waited};
use crate::commands::shared::{orphans, templates, wants};
use crate::context::{Context, once};
use crate::error::CliError;
use crate::view;

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp scale cluster web --count 5")]
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
    let accounts = context.accounts().await?;
    let mut stored = context.holder(&name).await?;
    let user = stored.account.user.clone();
    let current = wants::current(&stored, &name)?;
    let scaled = |want: &Want| Want { count, ..want.clone() };
    let dry_run = change.dry.dry_run;
    let client = context.client().await?;
    let mut word = "scaled";
    // An earlier command may have left instances above that count. A repeated command deletes them.
    let goes =
        if count > current.count { Above::default() } else { Above::of(&client, &name, current.kind, count).await? };
    if count < current.count || !goes.names.is_empty() {
        let lines: Vec<String> = goes.names.iter().map(|name| format!("instance/{name}")).collect();
        if dry_run == DryRun::None {
            context.ui.confirm(yes, &lines, "You are about to delete")?;
            // Judge the change before the deletion, so that nothing is deleted for a refused change.
            wants::change(&accounts, stored.clone(), &name, DryRun::Server, scaled).await?;
            remove(context, &name, current.kind, goes, wait.timeout).await?;
        }
        stored = wants::change(&accounts, stored, &name, dry_run, scaled).await?;
        if dry_run == DryRun::None {
            context.ui.note("the quota comes back when what was given up is known to be gone (shown as releasing)");
        }
    } else {
        let grows = count > current.count;
        // Read the template before the request, because it may be gone.
        let template = templates::of(context, &current).await?;
        if grows {
            templates::blueprint(&template, &scaled(&current), None)?;
        }
        stored = wants::change(&accounts, stored, &name, dry_run, scaled).await?;
        if dry_run == DryRun::None {
            let want = wants::current(&stored, &name)?;
            prepared(context.ui, &accounts, &user, &name, &want, wait.timeout).await?;
            let there = indexes(context, &name, want.kind).await?;
            let blueprint = templates::blueprint(&template, &want, None)?;
            let made = make_instances(context, &name, want.count, &blueprint, &there, &PoweredOff::default()).await?;
            if !grows && made == 0 {
                word = "unchanged";
            }
            if wait.wait && !want.released {
                running(context, &name, want.kind, 0..want.count, wait.timeout).await?;
            }
        }
    }
    if dry_run == DryRun::None {
        stored = accounts.get(&user).await?;
    }
    print_cluster_change(context, &stored, &name, word, &change).await
}

/// The instances with an index of at least some count.
#[derive(Default)]
struct Above {
    /// All of them, including those that are only Pods or VirtualMachineInstances.
    names: Vec<InstanceName>,
    /// Instances whose StatefulSet or VirtualMachine is gone.
    orphans: Vec<Orphan>,
}

impl Above {
    async fn of(client: &Client, cluster: &ClusterName, kind: InstanceType, count: u32) -> Result<Self, CliError> {
        let (instances, mut orphans) = view::instances_and_orphans(client, cluster, Some(kind)).await?;
        orphans.retain(|orphan| orphan.shown.name.index >= count);
        let all = instances.iter().chain(orphans.iter().map(|orphan| &orphan.shown)).map(|shown| shown.name.clone());
        let mut names: Vec<InstanceName> = all.filter(|name| name.index >= count).collect();
        names.sort();
        Ok(Self { names: once(names), orphans })
    }
}

/// Deletes instances, and waits until they and their Pods are gone.
async fn remove(
    context: &Context<'_>,
    cluster: &ClusterName,
    kind: InstanceType,
    goes: Above,
    timeout: Duration,
) -> Result<(), CliError> {
    let Above { names, orphans } = goes;
    let client = context.client().await?;
    instances::delete(&client, cluster, kind, &names).await?;
    for orphan in &orphans {
        orphans::delete(&client, orphan).await?;
    }
    let waited = Waited { cluster: cluster.clone(), kind: Some(kind), names, goal: Goal::Gone };
    let tallies = waiting::until(context, &[waited], timeout).await?;
    let late = tallies.iter().find_map(|tally| tally.late.first());
    late.map_or(Ok(()), |late| Err(waiting::late(late, Goal::Gone, timeout)))
}
