//! `resize cluster`: growth is requested first, running instances are restarted one after another, and the quota of a
//! shrinking is given back last.

use std::collections::VecDeque;
use std::time::Duration;

use clap::Args;

use cmp_core::account::Want;
use cmp_core::plan::amounts::Amount;
use cmp_core::plan::describe;
use cmp_core::plan::resize::{self, Step, Wish};
use cmp_core::plan::write::current;
use cmp_core::progress::clock::{self, Limit};
use cmp_core::quantity::Quantity;
use cmp_core::vocabulary::InstanceType;

use crate::args::values::{amount, duration, memory, quantity};
use crate::args::{ChangeArgs, ClusterNameArg, DryRun, YesArg};
use crate::commands::shared::prepared_cluster::prepared;
use crate::commands::shared::print_cluster::print_cluster_change;
use crate::commands::shared::write_account::{print_plan, write};
use crate::context::Context;
use crate::error::CliError;
use crate::ui::Progress;
use crate::view;
use one_by_one::ResizeOutcome;

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
    let (limit, timeout) = (Limit::of(timeout), timeout.unwrap_or(clock::DEFAULT));
    let wish = Wish { name: name.clone(), cpu, memory, more: resource };
    resize::says_something(&wish)?;
    let accounts = context.accounts().await?;
    let mut stored = context.holder(&name).await?;
    let (user, dry_run) = (stored.account.user.clone(), change.dry.dry_run);
    // An impossible size is refused before the instances are read.
    resize::size(&wish, &stored.account)?;
    let kind = current(&stored.account, &name)?.kind;
    let instances = view::instances(&context.client().await?, &name, Some(kind)).await?;
    let plan = resize::plan(&wish, &stored.account, &instances, dry_run != DryRun::None)?;
    print_plan(context.ui, dry_run, || describe::resize(&plan, &stored.account))?;
    if dry_run == DryRun::None {
        context.ui.confirm(yes.yes, &plan.restarts(&instances), "You are about to restart")?;
    }
    let (mut changed, mut at) = (false, 0);
    let mut progress = Progress::new(context.ui);
    let mut steps = VecDeque::from(plan.steps.clone());
    while let Some(step) = steps.pop_front() {
        match step {
            Step::CheckContainers => containers::shares(context, &name, &plan.size).await?,
            Step::Raise => {
                stored = write(&accounts, stored, dry_run, |account| plan.raise(account)).await?.stored;
                steps.extend(plan.after_raise(&stored.account));
            }
            Step::Prepare => {
                let want = current(&stored.account, &name)?;
                prepared(context.ui, &accounts, &user, &name, &want, limit).await?;
            }
            Step::Resize(one) => {
                progress.passing(&format!("{name}: {at}/{} resized, {one} restarts", instances.len()));
                let want = Want { size: plan.size.clone(), ..current(&stored.account, &name)? };
                let came = match kind {
                    InstanceType::Container => containers::resize(context, &one, &want, timeout).await?,
                    InstanceType::Vm => machines::resize(context, &one, &want, timeout).await?,
                };
                changed |= came != ResizeOutcome::Unchanged;
                at += 1;
                if came == ResizeOutcome::Restarted {
                    context.ui.note(&format!("instance/{one} resized"));
                }
            }
            Step::Lower => {
                if dry_run == DryRun::None {
                    stored = accounts.get(&user).await?;
                }
                stored = write(&accounts, stored, dry_run, |account| plan.lower(account)).await?.stored;
            }
            Step::TellReleasing if wait => {
                let want = current(&stored.account, &name)?;
                prepared(context.ui, &accounts, &user, &name, &want, limit).await?;
                stored = accounts.get(&user).await?;
            }
            Step::TellReleasing => {
                context
                    .ui
                    .note("the quota returns when no instance is known to have the old size (shown as releasing)");
            }
        }
    }
    drop(progress);
    print_cluster_change(context, &stored, &name, plan.word(changed), &change).await
}
