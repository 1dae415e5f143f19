//! `events`: events of clusters, oldest first.

use clap::Args;
use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use cmp_client::ApiError;
use cmp_core::name::{ClusterName, UserName};

use crate::args::values::name;
use crate::args::{ListArgs, WatchArgs};
use crate::context::Context;
use crate::error::CliError;
use crate::output::{Heads, Item, Stream, age, print};

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp events\n  kubectl cmp events web -w")]
pub(crate) struct EventsArgs {
    /// The name of the cluster; all of yours by default
    #[arg(value_name = "CLUSTER", value_parser = name::<ClusterName>)]
    pub(crate) name: Option<ClusterName>,
    /// Show the events of this user's clusters (administrators)
    #[arg(long, value_name = "USER", value_parser = name::<UserName>)]
    pub(crate) owner: Option<UserName>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
    #[command(flatten)]
    pub(crate) watch: WatchArgs,
}

const EVENTS: Heads = (&["AGE", "CLUSTER", "TYPE", "REASON", "OBJECT", "MESSAGE"], &["COUNT", "FROM"]);

pub(crate) async fn run(context: &Context<'_>, args: EventsArgs) -> Result<(), CliError> {
    let EventsArgs { name, owner, list, watch } = args;
    let clusters = match (name, context.cluster_of_namespace()?) {
        (Some(name), _) | (None, Some(name)) => {
            context.holder(&name).await?;
            vec![name]
        }
        (None, None) => context.clusters(Vec::new(), true, owner.as_ref()).await?,
    };
    let client = context.client().await?;
    let mut found = Vec::new();
    let mut from = Vec::new();
    for cluster in clusters {
        let events: Api<Event> = Api::namespaced(client.clone(), &cluster.namespace());
        let list = events.list(&ListParams::default()).await?;
        from.push((cluster.clone(), list.metadata.resource_version.unwrap_or_default()));
        found.extend(list.items.into_iter().map(|event| (cluster.clone(), event)));
    }
    found.sort_by_key(|(_, event)| at(event));
    let now = Timestamp::now();
    let items: Vec<Item> = found.iter().map(|(cluster, event)| item(cluster, event, now)).collect();
    if !watch.watch {
        return print(context.ui, &list, EVENTS, items, false);
    }
    let mut shown = Stream::new(context.ui, &list.output, EVENTS);
    for item in crate::output::listed(&list, items)? {
        shown.show(item)?;
    }
    let mut coming = stream::select_all(from.into_iter().map(|(cluster, from)| follow(&client, cluster, from)));
    while let Some((cluster, event)) = coming.try_next().await? {
        for item in crate::output::listed(&list, vec![item(&cluster, &event, Timestamp::now())])? {
            shown.show(item)?;
        }
    }
    Ok(())
}

/// Streams the events of a cluster, until the cluster is gone or its owner loses access.
fn follow(
    client: &Client,
    cluster: ClusterName,
    from: String,
) -> stream::BoxStream<'static, Result<(ClusterName, Event), ApiError>> {
    let client = client.clone();
    stream::try_unfold((from, Vec::<Event>::new()), move |(mut from, mut waiting)| {
        let (client, cluster) = (client.clone(), cluster.clone());
        async move {
            loop {
                if let Some(event) = waiting.pop() {
                    return Ok(Some(((cluster, event), (from, waiting))));
                }
                let namespace = cluster.namespace();
                let events: Api<Event> = Api::namespaced(client.clone(), &namespace);
                // Watch for a few seconds only, to notice that the cluster is gone.
                let params = WatchParams::default().timeout(5);
                let watched = match events.watch(&params, &from).await.map_err(ApiError::from) {
                    Ok(watched) => watched,
                    Err(error) if error.is_forbidden() || error.is_not_found() => return Ok(None),
                    Err(error) => return Err(error),
                };
                let mut watched = watched.boxed();
                while let Ok(Some(event)) = watched.try_next().await {
                    match event {
                        WatchEvent::Added(event) | WatchEvent::Modified(event) => {
                            from = event.resource_version().unwrap_or(from);
                            waiting.push(event);
                            break;
                        }
                        WatchEvent::Bookmark(mark) => from = mark.metadata.resource_version,
                        WatchEvent::Deleted(_) => {}
                        // The resourceVersion is too old to continue from.
                        WatchEvent::Error(_) => from = String::new(),
                    }
                }
                if waiting.is_empty() && there(&client, &cluster).await? == Some(false) {
                    return Ok(None);
                }
            }
        }
    })
    .boxed()
}

/// Reports whether a cluster exists. Without access to its Namespace, it counts as gone.
async fn there(client: &Client, cluster: &ClusterName) -> Result<Option<bool>, ApiError> {
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(client.clone());
    match namespaces.get_opt(&cluster.namespace()).await.map_err(ApiError::from) {
        Ok(found) => Ok(Some(found.is_some())),
        // The owner has lost access, because the cluster is being deleted.
        Err(error) if error.is_forbidden() => Ok(Some(false)),
        Err(error) => Err(error),
    }
}

fn at(event: &Event) -> Option<Timestamp> {
    let last = event.last_timestamp.as_ref().map(|time| time.0);
    last.or_else(|| event.event_time.as_ref().map(|time| time.0))
        .or_else(|| event.creation_timestamp().map(|time| time.0))
}

fn item(cluster: &ClusterName, event: &Event, now: Timestamp) -> Item {
    let of = &event.involved_object;
    let object =
        format!("{}/{}", of.kind.as_deref().unwrap_or_default().to_lowercase(), of.name.as_deref().unwrap_or_default());
    let count = event.count.unwrap_or(1);
    let from = event.source.as_ref().and_then(|source| source.component.clone());
    let from = from.or_else(|| event.reporting_component.clone()).unwrap_or_default();
    let value = serde_json::to_value(event).unwrap_or(Value::Null);
    Item {
        name: format!("event/{}", event.name_any()),
        object: if value.is_null() { json!({}) } else { value },
        cells: vec![
            age(at(event), now),
            cluster.to_string(),
            event.type_.clone().unwrap_or_default(),
            event.reason.clone().unwrap_or_default(),
            object,
            event.message.clone().unwrap_or_default(),
        ],
        wide: vec![count.to_string(), from],
    }
}
