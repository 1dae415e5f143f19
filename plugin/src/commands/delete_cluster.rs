//! `delete cluster`: the wish is written, and cmp-webhook takes away what there is.

use cmp_client::ApiError;
use cmp_client::accounts::{Accounts, Stored};
use cmp_core::account::Change;
use cmp_core::name::ClusterName;

use crate::cli::{DeleteCluster, DryRun, WaitArgs};
use crate::context::{Context, MANAGER, suffix};
use crate::error::CliError;
use crate::view;

pub(crate) async fn run(context: &Context<'_>, args: DeleteCluster) -> Result<(), CliError> {
    let DeleteCluster { names, all, yes, wait, dry_run } = args;
    let names = context.clusters(&names, all).await?;
    if names.is_empty() {
        context.ui.note("No resources found.");
        return Ok(());
    }
    let mut found = Vec::new();
    for name in &names {
        found.push(context.holder(name).await?);
    }
    let client = context.client().await?;
    let mut goes = Vec::new();
    for (name, stored) in names.iter().zip(&found) {
        let instances = view::instances(&client, name).await?;
        goes.push(format!(
            "cluster/{name} of {}: namespace {} with {} instances and everything else in it",
            stored.account.user,
            name.namespace(),
            instances.len()
        ));
    }
    if dry_run == DryRun::None {
        context.ui.confirm(yes, &goes, "You are about to delete")?;
    }
    let accounts = context.accounts().await?;
    for (name, stored) in names.iter().zip(found) {
        delete(&accounts, stored, name, dry_run, &wait).await?;
        context.ui.line(&format!("cluster/{name} deleted{}", suffix(dry_run)))?;
    }
    if !wait.wait && dry_run == DryRun::None {
        context.ui.note("the quota comes back when everything is gone (shown as deleting)");
    }
    Ok(())
}

/// Asks for one cluster to be deleted, and waits until it is gone if that was asked for.
pub(super) async fn delete(
    accounts: &Accounts,
    mut stored: Stored,
    name: &ClusterName,
    dry_run: DryRun,
    wait: &WaitArgs,
) -> Result<(), CliError> {
    let user = stored.account.user.clone();
    let mut uid = None;
    loop {
        if dry_run == DryRun::Client {
            return Ok(());
        }
        let entry = stored.account.cluster(name);
        let change = match &entry.held {
            _ if entry.delete.is_some() => break,
            None if entry.want.is_none() => break,
            // Nothing is held: there is nothing to take away but the want.
            None => Change::new().want(name, None),
            Some(held) => {
                uid = Some(held.uid.clone());
                Change::new().delete(name, Some(&held.uid))
            }
        };
        match accounts.change(&stored, &change, MANAGER, dry_run == DryRun::Server).await {
            Ok(_) => break,
            Err(error) if error.is_conflict() => stored = accounts.get(&user).await?,
            Err(error) => return Err(error.into()),
        }
    }
    if !wait.wait || dry_run != DryRun::None {
        return Ok(());
    }
    let gone = accounts
        .wait(&user, &format!("cluster {name} to be gone"), wait.timeout, |stored| {
            // Another cluster may have taken the name at once.
            let held = stored.account.cluster(name).held;
            held.is_none_or(|held| uid.as_ref().is_some_and(|uid| *uid != held.uid && !uid.is_empty())).then_some(())
        })
        .await;
    match gone {
        Err(ApiError::TimedOut { what, seconds }) => {
            Err(CliError::user(format!("timed out after {seconds} s waiting for {what}"))
                .hint("it goes on without you; `kubectl cmp get clusters` shows it as deleting until it is gone"))
        }
        gone => Ok(gone?),
    }
}
