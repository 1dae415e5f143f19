//! Selection of clusters and their accounts.

use serde_json::json;

use cmp_client::accounts::Stored;
use cmp_client::clusters::visible;
use cmp_core::labels;
use cmp_core::name::{ClusterName, UserName};
use cmp_core::plan::delete as plan;

use crate::args::WhichClusters;
use crate::commands::shared::users::readable;
use crate::context::Context;
use crate::error::CliError;

/// Selects the accounts and their clusters if no cluster is named.
pub(crate) async fn select(
    context: &Context<'_>,
    everyone: bool,
    owner: Option<&UserName>,
) -> Result<Vec<(Stored, Vec<ClusterName>)>, CliError> {
    if !everyone {
        return Ok(vec![all(context.account(&context.account_of(owner).await?).await?)]);
    }
    let (accounts, _) = readable(context).await?;
    Ok(accounts.into_iter().map(all).collect())
}

/// Selects the accounts and their clusters that are wanted or held, if no cluster is named. `-n` selects one cluster.
pub(crate) async fn existing(
    context: &Context<'_>,
    everyone: bool,
    owner: Option<&UserName>,
) -> Result<Vec<(Stored, Vec<ClusterName>)>, CliError> {
    if let Some(cluster) = context.cluster_of_namespace()?.filter(|_| !everyone) {
        let stored = owned(context, &cluster, owner).await?;
        return Ok(vec![(stored, vec![cluster])]);
    }
    let mut selected = select(context, everyone, owner).await?;
    for (stored, names) in &mut selected {
        names.retain(|name| stored.account.cluster(name).exists());
    }
    Ok(selected)
}

/// Selects the accounts and their clusters that a query matches.
pub(crate) async fn matching(
    context: &Context<'_>,
    which: &WhichClusters,
) -> Result<Vec<(Stored, Vec<ClusterName>)>, CliError> {
    let mut selected = select(context, which.all_namespaces, which.owner.as_ref()).await?;
    let Some(selector) = &which.selector else { return Ok(selected) };
    let client = context.client().await?;
    for (stored, names) in &mut selected {
        let mut matching = Vec::new();
        for name in std::mem::take(names) {
            let of_namespace = visible(&client, &name).await?.map(|found| found.labels);
            let want = stored.account.cluster(&name).want;
            if selector.matches(&json!(labels::shown(want.as_ref(), of_namespace.unwrap_or_default()))) {
                matching.push(name);
            }
        }
        *names = matching;
    }
    Ok(selected)
}

/// Checks that a named cluster belongs to the user of `--owner`, if that is given.
pub(crate) fn check_owner(stored: &Stored, name: &ClusterName, owner: Option<&UserName>) -> Result<(), CliError> {
    match owner {
        Some(owner) if *owner != stored.account.user => Err(CliError::not_found("cluster", name.as_str())
            .hint(format!("it belongs to {}, and not to {owner}", stored.account.user))),
        _ => Ok(()),
    }
}

fn all(stored: Stored) -> (Stored, Vec<ClusterName>) {
    let names = plan::shown(&stored.account);
    (stored, names)
}

/// Returns the account that has a named cluster. It has to belong to the user of `--owner`, if that is given.
pub(crate) async fn owned(
    context: &Context<'_>,
    name: &ClusterName,
    owner: Option<&UserName>,
) -> Result<Stored, CliError> {
    let stored = context.holder(name).await?;
    check_owner(&stored, name, owner)?;
    Ok(stored)
}

/// Returns the account to show a cluster from. A refused cluster is shown, too.
pub(crate) async fn known(
    context: &Context<'_>,
    name: &ClusterName,
    owner: Option<&UserName>,
) -> Result<Stored, CliError> {
    context.check_namespace(name)?;
    if let Some(user) = &context.who().await?.user {
        let stored = context.account(user).await?;
        let entry = stored.account.cluster(name);
        if entry.exists() || entry.refused.is_some() {
            return Ok(stored);
        }
    }
    owned(context, name, owner).await
}
