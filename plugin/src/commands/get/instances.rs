//! `get instances`: lists instances, or their changes.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use futures::stream::{self, StreamExt};
use jiff::Timestamp;

use cmp_core::account::{Entry, Want};
use cmp_core::instance::Instance;
use cmp_core::name::{ClusterName, InstanceName, UserName};

use crate::args::values::name;
use crate::args::{ListArgs, WatchArgs};
use crate::commands::shared::select_clusters::{owned, select};
use crate::commands::shared::watch::{self, LookupResult, print_lookup};
use crate::context::{Context, each};
use crate::error::CliError;
use crate::output::Item;
use crate::view;

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp get instances --in web\n  kubectl cmp get instance web-0 -o wide")]
pub(crate) struct GetInstances {
    /// The names of the instances; all of yours by default
    #[arg(value_name = "NAME", value_parser = name::<InstanceName>, conflicts_with = "selector")]
    pub(crate) names: Vec<InstanceName>,
    /// Show only the instances of this cluster
    #[arg(long = "in", value_name = "CLUSTER", conflicts_with = "names", value_parser = name::<ClusterName>)]
    pub(crate) of: Option<ClusterName>,
    /// Show the instances of all users (administrators)
    #[arg(short = 'A', long, conflicts_with = "owner")]
    pub(crate) all_namespaces: bool,
    /// Show the instances of this user (administrators)
    #[arg(long, value_name = "USER", value_parser = name::<UserName>)]
    pub(crate) owner: Option<UserName>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
    #[command(flatten)]
    pub(crate) watch: WatchArgs,
}

pub(crate) async fn run(context: &Context<'_>, args: GetInstances) -> Result<(), CliError> {
    let heads = if args.all_namespaces { view::ALL_INSTANCES } else { view::INSTANCES };
    if args.watch.watch {
        let named = !args.names.is_empty() || args.of.is_some();
        return watch::follow(context, &args.list, heads, named, || look_up_instances(context, &args)).await;
    }
    let seen = look_up_instances(context, &args).await?;
    print_lookup(context, &args.list, heads, seen, args.names.len())
}

async fn look_up_instances(context: &Context<'_>, args: &GetInstances) -> Result<LookupResult, CliError> {
    let client = context.client().await?;
    let mut seen = LookupResult::default();
    let mut found = Vec::new();
    if args.names.is_empty() {
        let only = match &args.of {
            Some(cluster) => Some(cluster.clone()),
            None if args.all_namespaces => None,
            None => context.cluster_of_namespace()?,
        };
        match only {
            Some(cluster) => {
                // The account says whether the cluster exists, and of which type it is.
                let stored = owned(context, &cluster, args.owner.as_ref()).await?;
                let kind = stored.account.cluster(&cluster).kind();
                found.extend(view::instances(&client, &cluster, kind).await?);
                seen.accounts.push(stored);
                seen.clusters.push(cluster);
            }
            None => {
                for (stored, clusters) in select(context, args.all_namespaces, args.owner.as_ref()).await? {
                    seen.accounts.push(stored);
                    seen.clusters.extend(clusters);
                }
                let accounts = seen.accounts.iter().map(|stored| &stored.account);
                let kind = |cluster: &ClusterName| accounts.clone().find_map(|account| account.cluster(cluster).kind());
                let clusters: Vec<_> = seen.clusters.iter().map(|cluster| (cluster.clone(), kind(cluster))).collect();
                let mut looked = stream::iter(clusters)
                    .map(|(cluster, kind)| {
                        let client = client.clone();
                        async move { view::instances(&client, &cluster, kind).await }
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
            if args.owner.is_some() {
                owned(context, &name.cluster, args.owner.as_ref()).await?;
            }
            let instances = view::instances(&client, &name.cluster, context.kind(&name.cluster).await?).await?;
            let one = instances.into_iter().find(|instance| instance.name == name);
            one.ok_or_else(|| CliError::not_found("instance", &name.to_string()))
        }
    })
    .await?;
    let now = Timestamp::now();
    let mut owners = BTreeMap::new();
    if args.all_namespaces {
        for name in found.iter().map(|instance| &instance.name.cluster) {
            if !owners.contains_key(name) {
                owners.insert(name.clone(), owner_of(context, &seen, name).await?);
            }
        }
    }
    let wants = wants(context, &seen, &found).await;
    let item = |instance: &Instance| {
        let item = view::instance_item(instance, wants.get(&instance.name.cluster), now);
        match owners.get(&instance.name.cluster) {
            Some(owner) => item.with_owner(owner),
            None => item,
        }
    };
    seen.items = found.iter().map(item).collect::<Vec<Item>>();
    seen.clusters.extend(args.names.iter().map(|name| name.cluster.clone()));
    Ok(seen)
}

/// Returns the wants of the clusters that these instances belong to, from the accounts that were read where that is
/// enough.
async fn wants(context: &Context<'_>, seen: &LookupResult, found: &[Instance]) -> BTreeMap<ClusterName, Want> {
    let mut wants = BTreeMap::new();
    let clusters: BTreeSet<&ClusterName> = found.iter().map(|instance| &instance.name.cluster).collect();
    for name in clusters {
        let mut known = seen.accounts.iter().map(|stored| stored.account.cluster(name)).filter(Entry::exists);
        let want = match known.next() {
            Some(entry) => entry.want,
            None => context.want_of(name).await,
        };
        wants.extend(want.map(|want| (name.clone(), want)));
    }
    wants
}

/// Returns the owner of a cluster, from the accounts that were read where that is enough.
async fn owner_of(context: &Context<'_>, seen: &LookupResult, name: &ClusterName) -> Result<UserName, CliError> {
    let known = seen.accounts.iter().find(|stored| stored.account.cluster(name).exists());
    match known {
        Some(stored) => Ok(stored.account.user.clone()),
        None => Ok(context.holder(name).await?.account.user),
    }
}
