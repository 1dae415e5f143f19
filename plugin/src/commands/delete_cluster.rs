//! `delete cluster`: the wish is written, and cmp-webhook takes away what there is.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::Instant;

use cmp_client::ApiError;
use cmp_client::accounts::{Accounts, Stored};
use cmp_core::account::Change;
use cmp_core::name::{ClusterName, InstanceName, UserName};
use cmp_core::progress::{Goal, tally};

use crate::cli::{DeleteCluster, DryRun};
use crate::context::{Context, MANAGER, complete, each_said, suffix};
use crate::error::CliError;
use crate::ui::Progress;
use crate::view;

/// How often it is looked how far they are.
const LOOK: Duration = Duration::from_millis(500);

pub(crate) async fn run(context: &Context<'_>, args: DeleteCluster) -> Result<(), CliError> {
    let DeleteCluster { names, all, owner, yes, wait, dry } = args;
    let dry_run = dry.dry_run;
    let names = context.clusters(names, all, owner.as_ref()).await?;
    if names.is_empty() {
        context.ui.note("No resources found.");
        return Ok(());
    }
    let mut found = Vec::new();
    let all_found = each_said(context, &names, &mut found, |name: &ClusterName| {
        let name = name.clone();
        async move { Ok((context.holder(&name).await?, name)) }
    })
    .await?;
    let client = context.client().await?;
    let (mut goes, mut had) = (Vec::new(), Vec::new());
    for (stored, name) in &found {
        let instances = view::instances(&client, name).await?;
        goes.push(format!(
            "cluster/{name} of {}: namespace {} with {} instances and everything else in it",
            stored.account.user,
            name.namespace(),
            instances.len()
        ));
        had.push(instances.into_iter().map(|instance| instance.name).collect::<Vec<InstanceName>>());
    }
    if dry_run == DryRun::None {
        context.ui.confirm(yes, &goes, "You are about to delete")?;
    }
    let accounts = context.accounts().await?;
    // All are asked for before any is waited for: they go at once, and none stays because another takes long.
    let mut going = Vec::new();
    for (stored, name) in found {
        let user = stored.account.user.clone();
        let uid = ask(&accounts, stored, &name, dry_run).await?;
        if !wait.wait || dry_run != DryRun::None {
            context.ui.line(&format!("cluster/{name} deleted{}", suffix(dry_run)))?;
        }
        going.push((user, name, uid));
    }
    if dry_run != DryRun::None || going.is_empty() {
        return complete(all_found);
    }
    if wait.wait {
        let left = going.iter().zip(had).map(|((_, name, _), had)| (name.clone(), had)).collect();
        all_gone(context, &accounts, going, left, wait.timeout).await?;
    } else {
        context.ui.note("the quota comes back when everything is gone (shown as deleting)");
    }
    complete(all_found)
}

/// Waits until all are gone, says each that is, and meanwhile how far the others are, as long as that can be seen: the
/// rights of their owner go first.
async fn all_gone(
    context: &Context<'_>,
    accounts: &Accounts,
    going: Vec<(UserName, ClusterName, Option<String>)>,
    mut left: Vec<(ClusterName, Vec<InstanceName>)>,
    timeout: Duration,
) -> Result<(), CliError> {
    let client = context.client().await?;
    let mut gone = going
        .into_iter()
        .map(|(user, name, uid)| async move { gone(accounts, &user, &name, uid, timeout).await.map(|()| name) })
        .collect::<FuturesUnordered<_>>();
    let mut progress = Progress::new(context.ui);
    let mut looks = tokio::time::interval_at(Instant::now() + LOOK, LOOK);
    let mut late = None;
    loop {
        let look = async {
            looks.tick().await;
            let mut counts = Vec::new();
            for (name, had) in &left {
                let shown = view::instances(&client, name).await?;
                let tally = tally(Goal::Gone, had, &shown);
                counts.push(if shown.is_empty() {
                    format!("{name}: deleting")
                } else {
                    format!("{name}: {}", tally.counts())
                });
            }
            Ok::<_, CliError>(counts.join("; "))
        };
        tokio::select! {
            one = gone.next() => match one {
                None => return late.map_or(Ok(()), Err),
                Some(Ok(name)) => {
                    context.ui.line(&format!("cluster/{name} deleted"))?;
                    left.retain(|(left, _)| *left != name);
                }
                Some(Err(error)) => late = late.or(Some(error)),
            },
            // What cannot be seen is not said, and is gone all the same.
            counts = look => counts.iter().for_each(|counts| progress.show(counts, None, false)),
        }
    }
}

/// Deletes clusters of one user, and waits until they are gone.
pub(super) async fn every(
    context: &Context<'_>,
    accounts: &Accounts,
    stored: &Stored,
    clusters: Vec<ClusterName>,
    timeout: Duration,
) -> Result<(), CliError> {
    let client = context.client().await?;
    let (mut going, mut left) = (Vec::new(), Vec::new());
    for name in clusters {
        let instances = view::instances(&client, &name).await?;
        left.push((name.clone(), instances.into_iter().map(|instance| instance.name).collect()));
        let uid = ask(accounts, stored.clone(), &name, DryRun::None).await?;
        going.push((stored.account.user.clone(), name, uid));
    }
    all_gone(context, accounts, going, left, timeout).await
}

/// Asks for one cluster to be deleted; returns the uid of what was there, if anything was held.
async fn ask(
    accounts: &Accounts,
    mut stored: Stored,
    name: &ClusterName,
    dry_run: DryRun,
) -> Result<Option<String>, CliError> {
    let user = stored.account.user.clone();
    let mut uid = None;
    loop {
        if dry_run == DryRun::Client {
            return Ok(uid);
        }
        let entry = stored.account.cluster(name);
        let change = match &entry.held {
            _ if entry.delete.is_some() => return Ok(entry.delete),
            None if entry.want.is_none() => return Ok(uid),
            // Nothing is held: there is nothing to take away but the want.
            None => Change::new().want(name, None),
            Some(held) => {
                uid = Some(held.uid.clone());
                Change::new().delete(name, Some(&held.uid))
            }
        };
        match accounts.change(&stored, &change, MANAGER, dry_run == DryRun::Server).await {
            Ok(_) => return Ok(uid),
            Err(error) if error.is_conflict() => stored = accounts.get(&user).await?,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits until a cluster is gone.
async fn gone(
    accounts: &Accounts,
    user: &UserName,
    name: &ClusterName,
    uid: Option<String>,
    timeout: Duration,
) -> Result<(), CliError> {
    let gone = accounts
        .wait(user, &format!("cluster {name} to be gone"), timeout, |stored| {
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
