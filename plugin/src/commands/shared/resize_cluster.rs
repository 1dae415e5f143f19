//! Another size of the instances of a cluster. Growth is requested first. Running instances are restarted one after
//! another. The quota of a shrinking is given back last.

use std::collections::VecDeque;
use std::time::Duration;

use cmp_client::accounts::Stored;
use cmp_client::kubevirt::Machines;
use cmp_core::account::{Account, Want};
use cmp_core::instance::Instance;
use cmp_core::plan::describe;
use cmp_core::plan::resize::{self as plans, Plan, Step, Wish};
use cmp_core::plan::write::current;
use cmp_core::progress::clock::{self, Limit};
use cmp_core::vocabulary::InstanceType;

use crate::args::DryRun;
use crate::commands::shared::first_boot::can_start;
use crate::commands::shared::kills::Guests;
use crate::commands::shared::prepared_cluster::prepared;
use crate::commands::shared::write_account::{print_plan, write};
use crate::context::Context;
use crate::error::CliError;
use crate::ui::Progress;
use crate::view;
use one_by_one::ResizeOutcome;

mod containers;
mod machines;
mod one_by_one;

/// A request for another size.
pub(crate) struct ResizeRequest {
    pub(crate) wish: Wish,
    /// Whether the restart of instances is confirmed.
    pub(crate) yes: bool,
    /// Whether the loss of disks was already told.
    pub(crate) warned: bool,
    /// Whether to wait until what was given up is back in the quota.
    pub(crate) wait: bool,
    /// The time to wait until a restarted instance runs again, if the user gave one.
    pub(crate) timeout: Option<Duration>,
    pub(crate) dry_run: DryRun,
}

/// Plans another size on an account that was read. Returns the instances of the cluster, too.
pub(crate) async fn plan(
    context: &Context<'_>,
    account: &Account,
    wish: &Wish,
    dry_run: DryRun,
) -> Result<(Plan, Vec<Instance>), CliError> {
    // An impossible size is refused before the instances are read.
    let size = plans::size(wish, account)?;
    let (kind, client) = (current(account, &wish.name)?.kind, context.client().await?);
    if kind == InstanceType::Vm {
        plans::fits(&Machines::of(&client, &wish.name).list().await?, &size)?;
    }
    let instances = view::instances(&client, &wish.name, Some(kind)).await?;
    let plan = plans::plan(wish, account, &instances, dry_run != DryRun::None)?;
    can_start(&client, plan.restarting(&instances)).await?;
    Ok((plan, instances))
}

/// Carries out a request. Returns the account after it, and the word for the result.
pub(crate) async fn resize(context: &Context<'_>, request: &ResizeRequest) -> Result<(Stored, &'static str), CliError> {
    let ResizeRequest { wish, yes, warned, wait, timeout, dry_run } = request;
    let (name, dry_run) = (&wish.name, *dry_run);
    let (limit, timeout) = (Limit::of(*timeout), timeout.unwrap_or(clock::DEFAULT));
    let accounts = context.accounts().await?;
    let mut stored = context.holder(name).await?;
    let user = stored.account.user.clone();
    let (plan, instances) = plan(context, &stored.account, wish, dry_run).await?;
    let kind = plan.current.kind;
    print_plan(context.ui, dry_run, || describe::resize(&plan, &stored.account))?;
    if !warned {
        context.ui.notes(plan.loss(&instances).as_slice());
    }
    if dry_run == DryRun::None {
        context.ui.confirm(*yes, &plan.restarts(&instances), "You are about to restart")?;
    }
    let guests = Guests::of(&context.client().await?, name, Some(kind)).await?;
    let (mut changed, mut at, mut restarted) = (false, 0, Vec::new());
    let mut progress = Progress::new(context.ui);
    let mut steps = VecDeque::from(plan.steps.clone());
    while let Some(step) = steps.pop_front() {
        match step {
            Step::CheckContainers => containers::shares(context, name, &plan.size).await?,
            Step::Raise => {
                stored = write(&accounts, stored, dry_run, |account| plan.raise(account)).await?.stored;
                steps.extend(plan.after_raise(&stored.account));
            }
            Step::Prepare => {
                let want = current(&stored.account, name)?;
                prepared(context.ui, &accounts, &user, name, &want, limit).await?;
            }
            Step::Resize(one) => {
                context.ui.goes_on(
                    format!("instance {one} goes on restarting, and those after it keep their size"),
                    "the same command goes on where this one ended",
                );
                progress.passing(&format!("{name}: {at}/{} resized, {one} restarts", instances.len()));
                let want = Want { size: plan.size.clone(), ..current(&stored.account, name)? };
                let came = match kind {
                    InstanceType::Container => containers::resize(context, &one, &want, timeout).await?,
                    InstanceType::Vm => machines::resize(context, &one, &want, timeout).await?,
                };
                changed |= came != ResizeOutcome::Unchanged;
                at += 1;
                if came == ResizeOutcome::Restarted {
                    context.ui.note(&format!("instance/{one} resized"));
                    restarted.push(one);
                }
            }
            Step::Lower => {
                if dry_run == DryRun::None {
                    stored = accounts.get(&user).await?;
                }
                stored = write(&accounts, stored, dry_run, |account| plan.lower(account)).await?.stored;
            }
            Step::TellReleasing if *wait => {
                let want = current(&stored.account, name)?;
                prepared(context.ui, &accounts, &user, name, &want, limit).await?;
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
    guests.only(&restarted).note(context, &context.client().await?).await;
    Ok((stored, plan.word(changed)))
}
