//! `get snapshots`: lists the snapshots of clusters of VMs.

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use cmp_client::snapshots::Snapshots;
use cmp_core::keys;
use cmp_core::name::{ClusterName, SnapshotName, UserName};
use cmp_core::snapshot::{Part, Snapshot, snapshots};
use cmp_core::vocabulary::InstanceType;

use crate::args::ListArgs;
use crate::args::values::name;
use crate::commands::shared::select_clusters::{existing, owned};
use crate::context::{Context, complete, each_said};
use crate::error::CliError;
use crate::output::{Heads, Item, age, print};

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp get snapshots\n  kubectl cmp get snapshots --in web -o wide\n  kubectl cmp get snapshot before-upgrade -o yaml"
)]
pub(crate) struct GetSnapshots {
    /// The names of the snapshots; all of yours by default
    #[arg(value_name = "NAME", value_parser = name::<SnapshotName>, conflicts_with = "selector")]
    pub(crate) names: Vec<SnapshotName>,
    /// Show only the snapshots of this cluster
    #[arg(long = "in", value_name = "CLUSTER", value_parser = name::<ClusterName>)]
    pub(crate) of: Option<ClusterName>,
    /// Show the snapshots of all users (administrators)
    #[arg(short = 'A', long, conflicts_with = "owner")]
    pub(crate) all_namespaces: bool,
    /// Show the snapshots of this user (administrators)
    #[arg(long, value_name = "USER", value_parser = name::<UserName>)]
    pub(crate) owner: Option<UserName>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

const SNAPSHOTS: Heads = (&["NAME", "CLUSTER", "READY", "STATUS", "AGE"], &["NAMESPACE", "REASON"]);

/// The columns of several users' snapshots.
const ALL_SNAPSHOTS: Heads = (&["OWNER", "NAME", "CLUSTER", "READY", "STATUS", "AGE"], &["NAMESPACE", "REASON"]);

pub(crate) async fn run(context: &Context<'_>, args: GetSnapshots) -> Result<(), CliError> {
    let GetSnapshots { names, of, all_namespaces, owner, list } = args;
    let client = context.client().await?;
    let selected = match of {
        Some(cluster) => vec![(owned(context, &cluster, owner.as_ref()).await?, vec![cluster])],
        None => existing(context, all_namespaces, owner.as_ref()).await?,
    };
    let mut found: Vec<(UserName, Snapshot)> = Vec::new();
    for (stored, clusters) in selected {
        let is_of_vms = |name: &&ClusterName| stored.account.cluster(name).kind() == Some(InstanceType::Vm);
        for cluster in clusters.iter().filter(is_of_vms) {
            let parts = match Snapshots::of(&client, cluster).parts().await {
                // The cluster is being made or deleted, so that its owner has no rights in it.
                Err(error) if error.is_forbidden() => continue,
                parts => parts?,
            };
            found.extend(snapshots(cluster, parts).into_iter().map(|one| (stored.account.user.clone(), one)));
        }
    }
    let mut all = true;
    if !names.is_empty() {
        let mut named = Vec::new();
        all = each_said(context, &names, &mut named, |name: &SnapshotName| {
            let of_name: Vec<_> = found.iter().filter(|(_, one)| one.name == name.as_str()).cloned().collect();
            let missing = CliError::not_found("snapshot", name.as_str());
            async move { if of_name.is_empty() { Err(missing) } else { Ok(of_name) } }
        })
        .await?;
        found = named.into_iter().flatten().collect();
    }
    let now = Timestamp::now();
    let shown = |(user, snapshot): &(UserName, Snapshot)| {
        let item = item(snapshot, now);
        if all_namespaces { item.with_owner(user) } else { item }
    };
    let items: Vec<Item> = found.iter().map(shown).collect();
    if all || !items.is_empty() {
        let single = names.len() == 1 && items.len() == 1;
        print(context.ui, &list, if all_namespaces { ALL_SNAPSHOTS } else { SNAPSHOTS }, items, single)?;
    }
    complete(all)
}

fn item(snapshot: &Snapshot, now: Timestamp) -> Item {
    Item {
        name: format!("snapshot/{}", snapshot.name),
        object: object(snapshot),
        cells: vec![
            snapshot.name.clone(),
            snapshot.cluster.to_string(),
            format!("{}/{}", snapshot.ready(), snapshot.parts.len()),
            snapshot.state().as_str().to_owned(),
            age(snapshot.created(), now),
        ],
        wide: vec![snapshot.cluster.namespace(), snapshot.reason().unwrap_or_default()],
    }
}

fn object(snapshot: &Snapshot) -> Value {
    let part = |part: &Part| {
        json!({
            "instance": part.spec.source.name,
            "state": part.state().as_str(),
            "reason": part.reason(),
            "taken": part.status.creation_time.as_ref().map(|at| at.0),
        })
    };
    json!({
        "apiVersion": keys::API_VERSION,
        "kind": "Snapshot",
        "metadata": {
            "name": snapshot.name,
            "namespace": snapshot.cluster.namespace(),
            "creationTimestamp": snapshot.created(),
        },
        "spec": { "cluster": snapshot.cluster },
        "status": {
            "state": snapshot.state().as_str(),
            "ready": snapshot.ready(),
            "instances": snapshot.parts.iter().map(part).collect::<Vec<_>>(),
        },
    })
}
