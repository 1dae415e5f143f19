//! Another number of instances of a cluster: growth requests the quota first, shrinking gives it back last.

use std::collections::VecDeque;

use cmp_client::accounts::Stored;
use cmp_client::instances;
use cmp_core::account::Account;
use cmp_core::first_boot::Files;
use cmp_core::name::{ClusterName, InstanceName};
use cmp_core::plan::create::{Extent, awaited};
use cmp_core::plan::describe;
use cmp_core::plan::scale::{self, Plan, Step, Wish};
use cmp_core::plan::write::current;
use cmp_core::powered_off::PoweredOff;
use cmp_core::progress::Goal;
use cmp_core::progress::clock::Limit;
use cmp_core::template::Template;
use cmp_core::vocabulary::InstanceType;

use crate::args::{DryRun, WaitArgs};
use crate::commands::shared::first_boot::{check_secrets, write_secrets};
use crate::commands::shared::kills::Guests;
use crate::commands::shared::make_instances::{existing, make_instances, running};
use crate::commands::shared::prepared_cluster::prepared;
use crate::commands::shared::wait_clock::WaitClock;
use crate::commands::shared::waiting::{self, Waited};
use crate::commands::shared::write_account::{print_plan, write};
use crate::commands::shared::{orphans, templates};
use crate::context::Context;
use crate::error::CliError;
use crate::view;

/// A request for another number of instances.
pub(crate) struct ScaleRequest {
    pub(crate) wish: Wish,
    /// Whether the deletion of instances is confirmed.
    pub(crate) yes: bool,
    pub(crate) wait: WaitArgs,
    pub(crate) dry_run: DryRun,
}

/// The plan of a request, and the template of the instances that are made.
pub(crate) struct ScalePlan {
    pub(crate) plan: Plan,
    template: Option<Template>,
}

impl ScalePlan {
    /// Lists the instances that are deleted.
    pub(crate) fn goes(&self) -> Vec<String> {
        let confirmed = |step: &Step| match step {
            Step::Confirm(lines) => Some(lines.clone()),
            _ => None,
        };
        self.plan.steps.iter().find_map(confirmed).unwrap_or_default()
    }
}

/// Plans another number of instances on an account that was read.
pub(crate) async fn plan(
    context: &Context<'_>,
    account: &Account,
    wish: &Wish,
    extent: Extent,
) -> Result<ScalePlan, CliError> {
    let before = current(account, &wish.name)?;
    let (instances, orphans) = if scale::may_shrink(wish, account)? {
        view::instances_and_orphans(&context.client().await?, &wish.name, Some(before.kind)).await?
    } else {
        (Vec::new(), Vec::new())
    };
    if let Some(plan) = scale::shrink(wish, account, &instances, &orphans, extent)? {
        return Ok(ScalePlan { plan, template: None });
    }
    let template = templates::of(context, &before).await?;
    let plan = scale::grow(wish, account, &template, extent)?;
    // An instance that is made needs them. Without them the count is to stay as it is.
    check_secrets(context, &wish.name, &before).await?;
    Ok(ScalePlan { plan, template: Some(template) })
}

/// Carries out a request. Returns the account after it, and the word for the result.
pub(crate) async fn scale(context: &Context<'_>, request: &ScaleRequest) -> Result<(Stored, &'static str), CliError> {
    let ScaleRequest { wish, yes, wait, dry_run } = request;
    let (name, dry_run) = (&wish.name, *dry_run);
    let (accounts, client) = (context.accounts().await?, context.client().await?);
    let mut stored = context.holder(name).await?;
    let user = stored.account.user.clone();
    let extent = Extent { dry_run: dry_run != DryRun::None, wait: wait.wait };
    let ScalePlan { plan, template } = plan(context, &stored.account, wish, extent).await?;
    print_plan(context.ui, dry_run, || Ok(describe::scale(&plan)))?;
    let (mut want, mut made, mut there) = (current(&stored.account, name)?, 0, Vec::new());
    let mut guests = None;
    let mut steps = VecDeque::from(plan.steps.clone());
    while let Some(step) = steps.pop_front() {
        match step {
            Step::Confirm(lines) => context.ui.confirm(*yes, &lines, "You are about to delete")?,
            Step::Judge => {
                write(&accounts, stored.clone(), DryRun::Server, |account| scale::write(wish, account)).await?;
            }
            Step::Delete(names) => {
                // They are looked at again only if the command waits for their end.
                guests = Some(Guests::of(&client, name, Some(want.kind)).await?.only(&names));
                instances::delete(&client, name, want.kind, &names).await?;
            }
            Step::DeleteOrphans(orphans) => {
                for orphan in &orphans {
                    orphans::delete(&client, orphan).await?;
                }
            }
            Step::Gone(names) => {
                gone(context, name, want.kind, names, wait.limit()).await?;
                if let Some(guests) = guests.take() {
                    guests.note(context, &client).await;
                }
            }
            Step::Write => {
                stored = write(&accounts, stored, dry_run, |account| scale::write(wish, account)).await?.stored;
                want = current(&stored.account, name)?;
                if !extent.dry_run {
                    context.ui.goes_on(
                        format!("the change of cluster {name} is stored, and its instances may not have followed yet"),
                        "the same command goes on where this one ended",
                    );
                }
                steps.extend(plan.after_write(&stored.account)?);
            }
            Step::TellReleasing => {
                context.ui.note("the quota returns when the deleted instances are confirmed gone (shown as releasing)");
            }
            Step::Prepare => prepared(context.ui, &accounts, &user, name, &want, wait.limit()).await?,
            Step::Make => {
                let Some(template) = &template else { return Err(CliError::internal("the template was not read")) };
                there = existing(context, name, want.kind).await?;
                write_secrets(context, name, &want, &Files::default(), false).await?;
                let blueprint = templates::blueprint(template, &want, None)?;
                made = make_instances(context, name, want.count, &blueprint, &there, &PoweredOff::default()).await?;
            }
            Step::Run(names) => {
                let names = awaited(&names, &there);
                if !names.is_empty() {
                    running(context, name, want.kind, names, wait.limit()).await?;
                }
            }
        }
    }
    if dry_run == DryRun::None {
        stored = accounts.get(&user).await?;
    }
    Ok((stored, plan.word(made)))
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
    context.ui.goes_on(
        format!("the deleted instances of cluster {cluster} go on ending, and their quota is still charged"),
        "the same command goes on where this one ended",
    );
    let waited = Waited { cluster: cluster.clone(), kind: Some(kind), names, goal: Goal::Gone };
    let tallies = waiting::until(context, &[waited], &clock).await?;
    let late = tallies.iter().find_map(|tally| tally.late.first());
    late.map_or(Ok(()), |late| Err(waiting::late(late, Goal::Gone, &clock)))
}
