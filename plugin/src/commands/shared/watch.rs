//! `-w`: prints objects once and then their changes, until all named objects are gone.

use std::collections::BTreeMap;

use futures::stream::{self, BoxStream, StreamExt};
use kube::Client;
use serde_json::Value;

use cmp_client::accounts::Stored;
use cmp_client::instances;
use cmp_core::name::ClusterName;
use cmp_core::vocabulary::InstanceType;

use crate::args::ListArgs;
use crate::context::{Context, complete};
use crate::error::CliError;
use crate::output::{Heads, Item, Stream, listed, print};

/// The items that one lookup found, and the objects that they depend on.
#[derive(Default)]
pub(crate) struct LookupResult {
    /// The items to print.
    pub(crate) items: Vec<Item>,
    /// Errors for names that were not found.
    pub(crate) missing: Vec<CliError>,
    /// Accounts that were read.
    pub(crate) accounts: Vec<Stored>,
    /// Clusters that were read.
    pub(crate) clusters: Vec<ClusterName>,
}

/// Number of changes that lead to one lookup. A suspension of many instances must not cause as many lookups.
const AT_ONCE: usize = 256;

/// Prints items and their changes. With `named`, it ends when none of them is left.
pub(crate) async fn follow<F>(
    context: &Context<'_>,
    list: &ListArgs,
    heads: Heads,
    named: bool,
    look: impl Fn() -> F,
) -> Result<(), CliError>
where
    F: Future<Output = Result<LookupResult, CliError>>,
{
    let client = context.client().await?;
    let accounts = context.accounts().await?;
    let mut shown: BTreeMap<String, Value> = BTreeMap::new();
    let mut stream = Stream::new(context.ui, list, heads);
    let mut watched: Option<(bool, Vec<ClusterName>)> = None;
    let mut wakes: BoxStream<'static, ()> = stream::pending().boxed();
    let mut first = true;
    loop {
        let seen = match look().await {
            // The items were named by their cluster, and the cluster is gone.
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
            // A user may watch only their own account, an administrator may watch all.
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

/// Returns streams that yield when something in these clusters changes, and once when it becomes readable.
fn wakes_of(client: &Client, clusters: &[ClusterName], accounts: &[Stored]) -> Vec<BoxStream<'static, ()>> {
    // Ignore errors: the owner of a cluster may not have access yet, or no longer.
    let mut wakes = Vec::new();
    for cluster in clusters {
        // For an instance given by name no account was read, so that both types are possible.
        let kind = accounts.iter().find_map(|stored| stored.account.cluster(cluster).kind());
        let kinds = kind.map_or(vec![InstanceType::Container, InstanceType::Vm], |kind| vec![kind]);
        wakes.extend(kinds.into_iter().flat_map(|kind| instances::changed(client, cluster, kind)));
    }
    wakes
}

/// Prints the items that were found, and the errors for names that were not.
pub(crate) fn print_lookup(
    context: &Context<'_>,
    list: &ListArgs,
    heads: Heads,
    seen: LookupResult,
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
