//! `events`: events of clusters, oldest first.

use std::collections::BTreeMap;

use clap::Args;
use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use serde_json::json;

use cmp_client::accounts::Stored;
use cmp_client::events::{self, Event, follow};
use cmp_core::account::{Entry, HeldState};
use cmp_core::name::{ClusterName, UserName};

use crate::args::values::name;
use crate::args::{ListArgs, WatchArgs};
use crate::commands::shared::select_clusters::{owned, select};
use crate::context::Context;
use crate::error::CliError;
use crate::output::{Heads, Item, Stream, age, listed, print};

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp events\n  kubectl cmp events web -w")]
pub(crate) struct EventsArgs {
    /// The name of the cluster; all of yours by default
    #[arg(value_name = "CLUSTER", value_parser = name::<ClusterName>)]
    pub(crate) name: Option<ClusterName>,
    /// Show the events of all users' clusters (administrators)
    #[arg(short = 'A', long, conflicts_with = "owner")]
    pub(crate) all_namespaces: bool,
    /// Show the events of this user's clusters (administrators)
    #[arg(long, value_name = "USER", value_parser = name::<UserName>)]
    pub(crate) owner: Option<UserName>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
    #[command(flatten)]
    pub(crate) watch: WatchArgs,
}

const EVENTS: Heads = (&["AGE", "CLUSTER", "TYPE", "REASON", "OBJECT", "MESSAGE"], &["COUNT", "FROM"]);

/// The columns of events of several users' clusters.
const ALL_EVENTS: Heads = (&["OWNER", "AGE", "CLUSTER", "TYPE", "REASON", "OBJECT", "MESSAGE"], &["COUNT", "FROM"]);

/// Number of clusters that are read in parallel.
const AT_ONCE: usize = 16;

pub(crate) async fn run(context: &Context<'_>, args: EventsArgs) -> Result<(), CliError> {
    let EventsArgs { name, all_namespaces, owner, list, watch } = args;
    let of_namespace = if all_namespaces { None } else { context.cluster_of_namespace()? };
    let one = name.or(of_namespace);
    let selected = match one.clone() {
        Some(name) => vec![(owned(context, &name, owner.as_ref()).await?, vec![name])],
        None => select(context, all_namespaces, owner.as_ref()).await?,
    };
    // A refused cluster has no Namespace, and no events.
    let owned = selected.into_iter().flat_map(|(Stored { account, .. }, names)| {
        let entries = names.into_iter().map(|name| (account.cluster(&name), name)).filter(|(entry, _)| entry.exists());
        let existing: Vec<_> = entries.map(|(entry, name)| (name, closed(&entry))).collect();
        existing.into_iter().map(move |(name, closed)| (name, (account.user.clone(), closed)))
    });
    let owners: BTreeMap<ClusterName, (UserName, Option<&str>)> = owned.collect();
    let client = context.client().await?;
    let (mut found, mut from) = (Vec::new(), Vec::new());
    let mut lists = stream::iter(&owners)
        .map(|(cluster, (_, closed))| {
            let client = &client;
            async move { (cluster, *closed, events::list(client, cluster).await) }
        })
        .buffered(AT_ONCE);
    while let Some((cluster, closed, list)) = lists.next().await {
        let list = match (list, closed) {
            // The owner has no access while the cluster is prepared or deleted. The other clusters are shown.
            (Err(error), _) if one.is_none() && error.is_forbidden() => {
                context.ui.note(&unread(cluster, closed));
                continue;
            }
            (Err(error), Some(closed)) if error.is_forbidden() => {
                return Err(CliError::user(format!(
                    "you may not read the events of cluster {cluster}: it is being {closed}"
                ))
                .hint(format!("`kubectl cmp get cluster {cluster} -o wide` shows its state")));
            }
            (list, _) => list?,
        };
        from.push((cluster.clone(), list.version));
        found.extend(list.events.into_iter().map(|event| (cluster, event)));
    }
    found.sort_by_key(|(_, event)| event.at());
    let heads = if all_namespaces { ALL_EVENTS } else { EVENTS };
    let shown = |cluster: &ClusterName, event: &Event, now: Timestamp| {
        let item = item(cluster, event, now);
        match owners.get(cluster).filter(|_| all_namespaces) {
            Some((owner, _)) => item.with_owner(owner),
            None => item,
        }
    };
    let now = Timestamp::now();
    let items: Vec<Item> = found.iter().map(|(cluster, event)| shown(cluster, event, now)).collect();
    if !watch.watch {
        return print(context.ui, &list, heads, items, false);
    }
    let mut stream = Stream::new(context.ui, &list, heads);
    for item in listed(&list, items)? {
        stream.show(item)?;
    }
    let mut coming = stream::select_all(from.into_iter().map(|(cluster, from)| follow(&client, cluster, from)));
    while let Some((cluster, event)) = coming.try_next().await? {
        for item in listed(&list, vec![shown(&cluster, &event, Timestamp::now())])? {
            stream.show(item)?;
        }
    }
    Ok(())
}

/// Returns the word for the time in which the owner of a cluster has no access to its Namespace.
fn closed(entry: &Entry) -> Option<&'static str> {
    let state = entry.held.as_ref().map_or(HeldState::Preparing, |held| held.state);
    match state {
        _ if entry.delete.is_some() => Some("deleted"),
        HeldState::Deleting => Some("deleted"),
        HeldState::Preparing => Some("prepared"),
        HeldState::Ready | HeldState::Releasing => None,
    }
}

/// Says that the events of one of several clusters cannot be read.
fn unread(cluster: &ClusterName, closed: Option<&str>) -> String {
    match closed {
        Some(closed) => format!("Warning: cluster {cluster} is left out: it is being {closed}"),
        None => {
            let namespace = cluster.namespace();
            format!("Warning: cluster {cluster} is left out: you may not read events in namespace {namespace}")
        }
    }
}

fn item(cluster: &ClusterName, event: &Event, now: Timestamp) -> Item {
    let object = format!("{}/{}", event.object_kind().to_lowercase(), event.object_name());
    let value = event.object();
    Item {
        name: format!("event/{}", event.name()),
        object: if value.is_null() { json!({}) } else { value },
        cells: vec![
            age(event.at(), now),
            cluster.to_string(),
            event.kind().to_owned(),
            event.reason().to_owned(),
            object,
            event.message().unwrap_or_default().to_owned(),
        ],
        wide: vec![event.count().to_string(), event.from().to_owned()],
    }
}
