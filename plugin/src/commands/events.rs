//! `events`: events of clusters, oldest first.

use clap::Args;
use futures::stream::{self, TryStreamExt};
use jiff::Timestamp;
use serde_json::json;

use cmp_client::events::{self, Event, follow};
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
        (None, None) => context.clusters_of(owner.as_ref()).await?,
    };
    let client = context.client().await?;
    let mut found = Vec::new();
    let mut from = Vec::new();
    for cluster in clusters {
        let list = events::list(&client, &cluster).await?;
        from.push((cluster.clone(), list.version));
        found.extend(list.events.into_iter().map(|event| (cluster.clone(), event)));
    }
    found.sort_by_key(|(_, event)| event.at());
    let now = Timestamp::now();
    let items: Vec<Item> = found.iter().map(|(cluster, event)| item(cluster, event, now)).collect();
    if !watch.watch {
        return print(context.ui, &list, EVENTS, items, false);
    }
    let mut shown = Stream::new(context.ui, &list, EVENTS);
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
