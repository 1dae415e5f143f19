//! The quota of suspended clusters: given back by the policy of the account, and requested again.

use std::collections::VecDeque;

use cmp_core::name::ClusterName;
use cmp_core::plan::describe;
use cmp_core::plan::release::{self, BringBack, GiveBack};
use cmp_core::plan::write::current;
use cmp_core::progress::clock::Limit;

use crate::args::DryRun;
use crate::commands::shared::prepared_cluster::prepared;
use crate::commands::shared::write_account::{print_outcome, print_plan, write};
use crate::context::Context;
use crate::error::CliError;
use crate::view;

/// Gives back the quota of a suspended cluster, if the policy of the account asks for that.
pub(crate) async fn give_back(context: &Context<'_>, name: &ClusterName, dry_run: DryRun) -> Result<(), CliError> {
    let accounts = context.accounts().await?;
    let stored = context.holder(name).await?;
    let mut steps = VecDeque::from(release::give_back(&stored.account, name, dry_run != DryRun::None));
    while let Some(step) = steps.pop_front() {
        match step {
            GiveBack::Look(kind) => {
                let (instances, orphans) = view::instances_and_orphans(&context.client().await?, name, kind).await?;
                steps.extend(release::after_look(&instances, &orphans));
            }
            GiveBack::Write => {
                // A write that is refused is a warning below.
                let planned = release::write(&stored.account, name, true);
                print_plan(context.ui, dry_run, || Ok(planned.iter().flat_map(describe::write).collect()))?;
                let released = write(&accounts, stored.clone(), dry_run, |account| release::write(account, name, true));
                match released.await {
                    Ok(written) => print_outcome(context.ui, dry_run, &written.stored.account, [name]),
                    Err(error) => {
                        context.ui.note(&release::not_given_back(name, error.message()));
                        break;
                    }
                }
            }
            GiveBack::TellReleasing => context.ui.note(&release::releasing(name)),
        }
    }
    Ok(())
}

/// Requests the quota of a released cluster, and waits until its instances may run again. Returns whether it was
/// released.
pub(crate) async fn bring_back(
    context: &Context<'_>,
    name: &ClusterName,
    dry_run: DryRun,
    limit: Limit,
) -> Result<bool, CliError> {
    let mut stored = context.holder(name).await?;
    let (accounts, user) = (context.accounts().await?, stored.account.user.clone());
    let steps = release::bring_back(&stored.account, name, dry_run != DryRun::None);
    for step in &steps {
        match step {
            BringBack::Write => {
                print_plan(context.ui, dry_run, || {
                    Ok(describe::write(&release::write(&stored.account, name, false)?))
                })?;
                stored =
                    write(&accounts, stored, dry_run, |account| release::write(account, name, false)).await?.stored;
                print_outcome(context.ui, dry_run, &stored.account, [name]);
            }
            BringBack::Prepare => {
                prepared(context.ui, &accounts, &user, name, &current(&stored.account, name)?, limit).await?;
            }
        }
    }
    Ok(!steps.is_empty())
}
