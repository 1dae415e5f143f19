//! The commands `get clusters` and `get instances`.

use futures::stream::{self, StreamExt};
use jiff::Timestamp;

use cmp_client::accounts::Stored;
use cmp_core::name::{ClusterName, InstanceName, UserName};

use crate::cli::{GetClusters, GetInstances};
use crate::commands::watch::{self, Seen};
use crate::context::{Context, complete, each};
use crate::error::CliError;
use crate::output::{Heads, Item, print};
use crate::view;

pub(crate) async fn clusters(context: &Context<'_>, args: GetClusters) -> Result<(), CliError> {
    if args.watch.watch {
        let named = !args.names.is_empty();
        return watch::follow(context, &args.list, view::CLUSTERS, named, || see_clusters(context, &args)).await;
    }
    let seen = see_clusters(context, &args).await?;
    shown(context, &args.list, view::CLUSTERS, seen, args.names.len())
}

pub(crate) async fn instances(context: &Context<'_>, args: GetInstances) -> Result<(), CliError> {
    if args.watch.watch {
        let named = !args.names.is_empty() || args.of.is_some();
        return watch::follow(context, &args.list, view::INSTANCES, named, || see_instances(context, &args)).await;
    }
    let seen = see_instances(context, &args).await?;
    shown(context, &args.list, view::INSTANCES, seen, args.names.len())
}

/// Prints the items that were found, and the errors for names that were not.
fn shown(
    context: &Context<'_>,
    list: &crate::cli::ListArgs,
    heads: Heads,
    seen: Seen,
    names: usize,
) -> Result<(), CliError> {
    let all_found = seen.missing.is_empty();
    for missing in &seen.missing {
        missing.print(context.ui);
    }
    if all_found || !seen.items.is_empty() {
        print(context.ui, list, heads, seen.items, names == 1)?;
    }
    complete(all_found)
}

async fn see_clusters(context: &Context<'_>, args: &GetClusters) -> Result<Seen, CliError> {
    let client = context.client().await?;
    let mut seen = Seen::default();
    let mut selected = Vec::new();
    seen.missing = each(&args.names, &mut selected, |name: &ClusterName| {
        let name = name.clone();
        async move { Ok((known(context, &name).await?, vec![name])) }
    })
    .await?;
    if args.names.is_empty() {
        selected = match context.cluster_of_namespace()? {
            Some(cluster) if !args.all_namespaces => vec![(known(context, &cluster).await?, vec![cluster])],
            _ => select(context, args.all_namespaces, args.owner.as_ref()).await?,
        };
    }
    let now = Timestamp::now();
    for (stored, names) in &selected {
        let looked = view::clusters(&client, &stored.account, names).await?;
        seen.items.extend(looked.iter().map(|cluster| cluster.item(now)));
        seen.clusters.extend(names.iter().cloned());
    }
    seen.accounts = selected.into_iter().map(|(stored, _)| stored).collect();
    Ok(seen)
}

/// Selects the accounts and their clusters if no cluster is named.
pub(super) async fn select(
    context: &Context<'_>,
    everyone: bool,
    owner: Option<&UserName>,
) -> Result<Vec<(Stored, Vec<ClusterName>)>, CliError> {
    if !everyone {
        return Ok(vec![all(context.account(&context.account_of(owner).await?).await?)]);
    }
    let mut selected = Vec::new();
    for stored in context.accounts().await?.list().await? {
        match stored {
            Ok(stored) => selected.push(all(stored)),
            Err(error) => context.ui.note(&format!("Warning: {error}")),
        }
    }
    Ok(selected)
}

fn all(stored: Stored) -> (Stored, Vec<ClusterName>) {
    let names = stored
        .account
        .clusters
        .iter()
        .filter(|(_, entry)| entry.exists() || entry.refused.is_some())
        .map(|(name, _)| name.clone())
        .collect();
    (stored, names)
}

/// Returns the account to show a cluster from. A refused cluster is shown, too.
pub(super) async fn known(context: &Context<'_>, name: &ClusterName) -> Result<Stored, CliError> {
    context.check_namespace(name)?;
    if let Some(user) = &context.who().await?.user {
        let stored = context.account(user).await?;
        let entry = stored.account.cluster(name);
        if entry.exists() || entry.refused.is_some() {
            return Ok(stored);
        }
    }
    context.holder(name).await
}

async fn see_instances(context: &Context<'_>, args: &GetInstances) -> Result<Seen, CliError> {
    let client = context.client().await?;
    let mut seen = Seen::default();
    let mut found = Vec::new();
    if args.names.is_empty() {
        let only = match &args.of {
            Some(cluster) => Some(cluster.clone()),
            None if args.all_namespaces => None,
            None => context.cluster_of_namespace()?,
        };
        match only {
            Some(cluster) => {
                // Both are read in parallel. The account tells whether the cluster exists.
                let (holder, instances) = futures::join!(context.holder(&cluster), view::instances(&client, &cluster));
                seen.accounts.push(holder?);
                found.extend(instances?);
                seen.clusters.push(cluster);
            }
            None => {
                for (stored, clusters) in select(context, args.all_namespaces, args.owner.as_ref()).await? {
                    seen.accounts.push(stored);
                    seen.clusters.extend(clusters);
                }
                let mut looked = stream::iter(seen.clusters.clone())
                    .map(|cluster| {
                        let client = client.clone();
                        async move { view::instances(&client, &cluster).await }
                    })
                    .buffered(16);
                while let Some(instances) = looked.next().await {
                    found.extend(instances?);
                }
            }
        }
    }
    seen.missing = each(&args.names, &mut found, |name: &InstanceName| {
        let (client, name) = (client.clone(), name.clone());
        async move {
            context.check_namespace(&name.cluster)?;
            let instances = view::instances(&client, &name.cluster).await?;
            let one = instances.into_iter().find(|instance| instance.name == name);
            one.ok_or_else(|| CliError::not_found("instance", &name.to_string()))
        }
    })
    .await?;
    let now = Timestamp::now();
    seen.items = found.iter().map(|instance| view::instance_item(instance, now)).collect::<Vec<Item>>();
    seen.clusters.extend(args.names.iter().map(|name| name.cluster.clone()));
    Ok(seen)
}
