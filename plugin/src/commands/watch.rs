//! `-w`: what was printed once, and again what changes of it, until what was named is gone.

use std::collections::BTreeMap;

use futures::stream::{self, BoxStream, StreamExt};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Config;
use kube::{Api, Client};
use serde_json::Value;

use cmp_client::accounts::{Stored, changes};
use cmp_client::kubevirt::Machines;
use cmp_core::account::InstanceType;
use cmp_core::name::ClusterName;

use crate::cli::ListArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::output::{Heads, Item, Stream, listed};

/// What was seen at one moment, and what it depends on.
#[derive(Default)]
pub(crate) struct Seen {
    /// The things themselves.
    pub(crate) items: Vec<Item>,
    /// What was named and is not there.
    pub(crate) missing: Vec<CliError>,
    /// The accounts that were read.
    pub(crate) accounts: Vec<Stored>,
    /// The clusters that were looked at.
    pub(crate) clusters: Vec<ClusterName>,
}

/// How many changes are taken as one: a suspension of many instances is not as many looks.
const AT_ONCE: usize = 256;

/// Prints things and their changes; if they were `named`, until none of them is left.
pub(crate) async fn follow<F>(
    context: &Context<'_>,
    list: &ListArgs,
    heads: Heads,
    named: bool,
    look: impl Fn() -> F,
) -> Result<(), CliError>
where
    F: Future<Output = Result<Seen, CliError>>,
{
    let client = context.client().await?;
    let accounts = context.accounts().await?;
    let mut shown: BTreeMap<String, Value> = BTreeMap::new();
    let mut stream = Stream::new(context.ui, &list.output, heads);
    let mut watched: Option<(bool, Vec<ClusterName>)> = None;
    let mut wakes: BoxStream<'static, ()> = stream::pending().boxed();
    let mut first = true;
    loop {
        let seen = match look().await {
            // What was named by its cluster, and the cluster is gone.
            Err(error) if error.is_not_found() && named && !first => return Ok(()),
            seen => seen?,
        };
        if first {
            for missing in &seen.missing {
                missing.print(context.ui);
            }
            if seen.items.is_empty() {
                if !seen.missing.is_empty() {
                    return Err(CliError::silent());
                }
                context.ui.note("No resources found.");
            }
        }
        if named && seen.items.is_empty() {
            return Ok(());
        }
        let items = listed(list, seen.items)?;
        shown.retain(|name, _| items.iter().any(|item| item.name == *name));
        for item in items {
            if shown.get(&item.name) != Some(&item.object) {
                shown.insert(item.name.clone(), item.object.clone());
                stream.show(item)?;
            }
        }
        context.warn();
        first = false;
        let one = matches!(seen.accounts[..], [_]);
        if watched.as_ref() != Some(&(one, seen.clusters.clone())) {
            let mut streams = wakes_of(&client, &seen.clusters, &seen.accounts);
            // A user may watch their own account alone, an administrator all.
            if seen.accounts.len() > 1 {
                streams.push(accounts.changes());
            }
            streams.push(stream::pending().boxed());
            wakes = stream::select_all(streams).ready_chunks(AT_ONCE).map(|_| ()).boxed();
            watched = Some((one, seen.clusters));
        }
        let account = async {
            match &seen.accounts[..] {
                [stored] => accounts.changed(stored).await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = wakes.next() => {}
            changed = account => changed?,
        }
    }
}

/// Yields when something in these clusters changes, and once when that can be seen.
fn wakes_of(client: &Client, clusters: &[ClusterName], accounts: &[Stored]) -> Vec<BoxStream<'static, ()>> {
    // Errors are no news: the owner of a cluster may not be let in yet, or no more.
    let containers = |namespace: &str| {
        let sets: Api<PartialObjectMeta<StatefulSet>> = Api::namespaced(client.clone(), namespace);
        let pods: Api<PartialObjectMeta<Pod>> = Api::namespaced(client.clone(), namespace);
        [changes(sets, Config::default()), changes(pods, Config::default())]
    };
    let mut wakes = Vec::new();
    for cluster in clusters {
        // Of an instance that was named no account was read: it is one of the two.
        let kind = accounts.iter().find_map(|stored| stored.account.cluster(cluster).kind());
        if kind != Some(InstanceType::Vm) {
            wakes.extend(containers(&cluster.namespace()));
        }
        if kind != Some(InstanceType::Container) {
            wakes.extend(Machines::of(client, cluster).changes());
        }
    }
    wakes
}
