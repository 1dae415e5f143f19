//! `get clusters` and `get instances`.

use futures::stream::{self, StreamExt};
use jiff::Timestamp;

use cmp_core::account::Account;
use cmp_core::instance::Instance;
use cmp_core::name::{ClusterName, InstanceName};

use crate::cli::{GetClusters, GetInstances};
use crate::context::{Context, complete, each};
use crate::error::CliError;
use crate::output::print;
use crate::view;

pub(crate) async fn clusters(context: &Context<'_>, args: GetClusters) -> Result<(), CliError> {
    let GetClusters { names, all_namespaces, owner, output } = args;
    let client = context.client().await?;
    let mut items = Vec::new();
    let now = Timestamp::now();
    let single = names.len() == 1;
    let mut named = Vec::new();
    let all_found = each(context, &names, &mut named, |name: &ClusterName| {
        let name = name.clone();
        async move { Ok((shown(context, &name).await?, vec![name])) }
    })
    .await?;
    let selected = if names.is_empty() { selected(context, all_namespaces, owner.as_ref()).await? } else { named };
    if selected.is_empty() && !all_found {
        return complete(false);
    }
    for (account, names) in selected {
        let looked = view::clusters(&client, &account, &names).await?;
        items.extend(looked.iter().map(|cluster| cluster.item(now)));
    }
    print(context.ui, &output, view::CLUSTERS, items, single)?;
    complete(all_found)
}

/// Which clusters of which accounts are meant, if none is named.
async fn selected(
    context: &Context<'_>,
    everyone: bool,
    owner: Option<&cmp_core::name::UserName>,
) -> Result<Vec<(Account, Vec<ClusterName>)>, CliError> {
    let mut selected = Vec::new();
    if everyone {
        for stored in context.accounts().await?.list().await? {
            match stored {
                Ok(stored) => selected.push(all(stored.account)),
                Err(error) => context.ui.note(&format!("Warning: {error}")),
            }
        }
    } else {
        selected.push(all(context.account(&context.account_of(owner).await?).await?.account));
    }
    Ok(selected)
}

fn all(account: Account) -> (Account, Vec<ClusterName>) {
    let names = account
        .clusters
        .iter()
        .filter(|(_, entry)| entry.exists() || entry.refused.is_some())
        .map(|(name, _)| name.clone())
        .collect();
    (account, names)
}

/// The account to show a cluster from; one that was refused is there to be read, too.
async fn shown(context: &Context<'_>, name: &ClusterName) -> Result<Account, CliError> {
    if let Some(user) = &context.who().await?.user {
        let account = context.account(user).await?.account;
        let entry = account.cluster(name);
        if entry.exists() || entry.refused.is_some() {
            return Ok(account);
        }
    }
    Ok(context.holder(name).await?.account)
}

pub(crate) async fn instances(context: &Context<'_>, args: GetInstances) -> Result<(), CliError> {
    let GetInstances { names, of, all_namespaces, output } = args;
    let client = context.client().await?;
    let mut found: Vec<Instance> = Vec::new();
    if names.is_empty() {
        let only = of.or_else(|| context.global.namespace.as_deref().and_then(ClusterName::from_namespace));
        let clusters: Vec<ClusterName> = match only {
            Some(cluster) => {
                context.holder(&cluster).await?;
                vec![cluster]
            }
            None => {
                let selected = selected(context, all_namespaces, None).await?;
                selected.into_iter().flat_map(|(_, names)| names).collect()
            }
        };
        let mut looked = stream::iter(clusters)
            .map(|cluster| {
                let client = client.clone();
                async move { view::instances(&client, &cluster).await }
            })
            .buffered(16);
        while let Some(instances) = looked.next().await {
            found.extend(instances?);
        }
    }
    let all_found = each(context, &names, &mut found, |name: &InstanceName| {
        let (client, name) = (client.clone(), name.clone());
        async move {
            let instances = view::instances(&client, &name.cluster).await?;
            let one = instances.into_iter().find(|instance| instance.name == name);
            one.ok_or_else(|| CliError::not_found("instance", &name.to_string()))
        }
    })
    .await?;
    if found.is_empty() && !all_found {
        return complete(false);
    }
    let now = Timestamp::now();
    let items = found.iter().map(|instance| view::instance_item(instance, now)).collect();
    print(context.ui, &output, view::INSTANCES, items, names.len() == 1)?;
    complete(all_found)
}
