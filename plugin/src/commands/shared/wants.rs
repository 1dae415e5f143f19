//! Changes to the want of an existing cluster. They apply to whatever version the account has at that moment.

use std::time::Duration;

use cmp_client::accounts::{Accounts, Stored};
use cmp_client::update::Update;
use cmp_core::account::change::Change;
use cmp_core::account::{Suspended, Want};
use cmp_core::instance::Instance;
use cmp_core::name::ClusterName;

use crate::args::DryRun;
use crate::commands::shared::prepared_cluster::prepared;
use crate::context::{Context, MANAGER};
use crate::error::CliError;
use crate::view;

/// Returns the current want of a cluster, or an error if there is none.
pub(crate) fn current(stored: &Stored, name: &ClusterName) -> Result<Want, CliError> {
    stored.account.cluster(name).want.ok_or_else(|| {
        CliError::user(format!("nothing is wanted of cluster {name}: its account was made anew"))
            .hint("say what it is to be with `kubectl cmp create cluster`, with the size it has")
    })
}

/// Writes another want. On a conflict it reads the account again and retries, so that changes of other writers are
/// kept.
pub(crate) async fn change(
    accounts: &Accounts,
    stored: Stored,
    name: &ClusterName,
    dry_run: DryRun,
    other: impl Fn(&Want) -> Want,
) -> Result<Stored, CliError> {
    let update = Update { manager: MANAGER, dry_run: dry_run.into(), judge: true };
    let updated = accounts.update(stored, update, |stored| {
        if let Some(what) = stored.account.cluster(name).newer() {
            return Err(CliError::user(format!("cluster {name} is not changed by this version, {what}"))
                .hint("upgrade kubectl-cmp: `kubectl cmp version` shows which version is installed in the cluster"));
        }
        Ok(Change::new().want(name, Some(&other(&current(stored, name)?))))
    });
    Ok(updated.await?.stored)
}

/// Gives back the quota of a suspended cluster, if the policy of the account asks for that. No instance runs in any
/// case, so that a failure is only a warning.
pub(crate) async fn give_back(context: &Context<'_>, name: &ClusterName, dry_run: DryRun) -> Result<(), CliError> {
    let accounts = context.accounts().await?;
    let stored = context.holder(name).await?;
    let entry = stored.account.cluster(name);
    let kind = entry.kind();
    let wanted = entry.want.is_some_and(|want| !want.released);
    if stored.account.policy.suspended == Suspended::Keep || !wanted {
        return Ok(());
    }
    let off = |instance: &Instance| !instance.on;
    if dry_run == DryRun::None {
        let (instances, orphans) = view::instances_and_orphans(&context.client().await?, name, kind).await?;
        // A Pod that is not being deleted would hold the quota for ever.
        if !instances.iter().all(off) || !orphans.iter().all(|orphan| orphan.shown.ending) {
            return Ok(());
        }
    }
    match change(&accounts, stored, name, dry_run, |want| Want { released: true, ..want.clone() }).await {
        Ok(_) if dry_run == DryRun::None => {
            context.ui.note(&format!(
                "cluster/{name}: its quota comes back when its instances are known to be gone (shown as releasing)"
            ));
        }
        Ok(_) => {}
        Err(error) => context.ui.note(&format!(
            "Warning: the quota of cluster/{name} was not given back yet: {}; `kubectl cmp suspend cluster {name}` tries \
             it again",
            error.message()
        )),
    }
    Ok(())
}

/// Requests the quota of a released cluster, and waits until its instances may run again. Returns whether it was
/// released.
pub(crate) async fn bring_back(
    context: &Context<'_>,
    name: &ClusterName,
    dry_run: DryRun,
    timeout: Duration,
) -> Result<bool, CliError> {
    let stored = context.holder(name).await?;
    let entry = stored.account.cluster(name);
    let released = entry.held.as_ref().is_some_and(|held| held.released);
    let wants_released = entry.want.as_ref().is_some_and(|want| want.released);
    if !(released || wants_released) || entry.want.is_none() {
        return Ok(false);
    }
    let (accounts, user) = (context.accounts().await?, stored.account.user.clone());
    let stored = change(&accounts, stored, name, dry_run, |want| Want { released: false, ..want.clone() }).await?;
    if dry_run == DryRun::None {
        prepared(context.ui, &accounts, &user, name, &current(&stored, name)?, timeout).await?;
    }
    Ok(true)
}
