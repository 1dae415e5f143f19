//! `scale cluster`: growth requests the quota first, shrinking gives it back last.

use std::collections::VecDeque;

use clap::Args;

use cmp_client::instances;
use cmp_core::name::{ClusterName, InstanceName};
use cmp_core::plan::create::{Extent, awaited};
use cmp_core::plan::describe;
use cmp_core::plan::scale::{self, Step, Wish};
use cmp_core::plan::write::current;
use cmp_core::powered_off::PoweredOff;
use cmp_core::progress::Goal;
use cmp_core::progress::clock::Limit;
use cmp_core::vocabulary::InstanceType;

use crate::args::values::count;
use crate::args::{ChangeArgs, ClusterNameArg, DryRun, WaitArgs, YesArg};
use crate::commands::shared::make_instances::{existing, make_instances, running};
use crate::commands::shared::prepared_cluster::prepared;
use crate::commands::shared::print_cluster::print_cluster_change;
use crate::commands::shared::wait_clock::WaitClock;
use crate::commands::shared::waiting::{self, Waited};
use crate::commands::shared::write_account::{print_plan, write};
use crate::commands::shared::{orphans, templates};
use crate::context::Context;
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
    let (accounts, client) = (context.accounts().await?, context.client().await?);
    let mut stored = context.holder(&name).await?;
    let user = stored.account.user.clone();
    let (wish, dry_run) = (Wish { name: name.clone(), count }, change.dry.dry_run);
    let extent = Extent { dry_run: dry_run != DryRun::None, wait: wait.wait };
    let before = current(&stored.account, &name)?;
    let (instances, orphans) = if scale::may_shrink(&wish, &stored.account)? {
        view::instances_and_orphans(&client, &name, Some(before.kind)).await?
    } else {
        (Vec::new(), Vec::new())
    };
    let (plan, template) = match scale::shrink(&wish, &stored.account, &instances, &orphans, extent)? {
        Some(plan) => (plan, None),
        None => {
            let template = templates::of(context, &before).await?;
            (scale::grow(&wish, &stored.account, &template, extent)?, Some(template))
        }
    };
    print_plan(context.ui, dry_run, || Ok(describe::scale(&plan)))?;
    let (mut want, mut made, mut there) = (before, 0, Vec::new());
    let mut steps = VecDeque::from(plan.steps.clone());
    while let Some(step) = steps.pop_front() {
        match step {
            Step::Confirm(lines) => context.ui.confirm(yes, &lines, "You are about to delete")?,
            Step::Judge => {
                write(&accounts, stored.clone(), DryRun::Server, |account| scale::write(&wish, account)).await?;
            }
            Step::Delete(names) => instances::delete(&client, &name, want.kind, &names).await?,
            Step::DeleteOrphans(orphans) => {
                for orphan in &orphans {
                    orphans::delete(&client, orphan).await?;
                }
            }
            Step::Gone(names) => gone(context, &name, want.kind, names, wait.limit()).await?,
            Step::Write => {
                stored = write(&accounts, stored, dry_run, |account| scale::write(&wish, account)).await?.stored;
                want = current(&stored.account, &name)?;
                steps.extend(plan.after_write(&stored.account)?);
            }
            Step::TellReleasing => {
                context.ui.note("the quota returns when the deleted instances are confirmed gone (shown as releasing)");
            }
            Step::Prepare => prepared(context.ui, &accounts, &user, &name, &want, wait.limit()).await?,
            Step::Make => {
                let Some(template) = &template else { return Err(CliError::internal("the template was not read")) };
                there = existing(context, &name, want.kind).await?;
                let blueprint = templates::blueprint(template, &want, None)?;
                made = make_instances(context, &name, want.count, &blueprint, &there, &PoweredOff::default()).await?;
            }
            Step::Run(names) => {
                let names = awaited(&names, &there);
                if !names.is_empty() {
                    running(context, &name, want.kind, names, wait.limit()).await?;
                }
            }
        }
    }
    if dry_run == DryRun::None {
        stored = accounts.get(&user).await?;
    }
    print_cluster_change(context, &stored, &name, plan.word(made), &change).await
}

/// Waits until instances and their Pods are gone.
async fn gone(
    context: &Context<'_>,
    cluster: &ClusterName,
    kind: InstanceType,
    names: Vec<InstanceName>,
    limit: Limit,
) -> Result<(), CliError> {
    let clock = WaitClock::start(limit);
    let waited = Waited { cluster: cluster.clone(), kind: Some(kind), names, goal: Goal::Gone };
    let tallies = waiting::until(context, &[waited], &clock).await?;
    let late = tallies.iter().find_map(|tally| tally.late.first());
    late.map_or(Ok(()), |late| Err(waiting::late(late, Goal::Gone, &clock)))
}
