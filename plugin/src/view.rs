//! Clusters and instances for display: the data of the account, joined with the state of the objects.

use std::collections::BTreeMap;

use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use kube::Client;
use serde_json::{Value, json};

use cmp_client::clusters::visible;
use cmp_client::events::{self, Event};
use cmp_client::instances::{Observed, observe};
use cmp_core::account::{Account, Entry, HeldState, Want};
use cmp_core::disk::Disk;
use cmp_core::instance::{Instance, Orphan, columns};
use cmp_core::keys;
use cmp_core::labels;
use cmp_core::manifest::{CONTAINER_TEMPLATE, VM_TEMPLATE};
use cmp_core::name::{ClusterName, TemplateName, UserName};
use cmp_core::powered_off::PoweredOff;
use cmp_core::resources::SNAPSHOT_STORAGE;
use cmp_core::state::{Counts, State};
use cmp_core::vocabulary::InstanceType;

use crate::error::CliError;
use crate::output::{Heads, Item, age};

/// Number of clusters that are read in parallel.
const AT_ONCE: usize = 16;

/// A cluster as commands display it.
pub(crate) struct Cluster {
    pub(crate) name: ClusterName,
    pub(crate) owner: UserName,
    pub(crate) entry: Entry,
    pub(crate) instances: Vec<Instance>,
    pub(crate) created: Option<Timestamp>,
    /// The labels of its want and of its Namespace.
    pub(crate) labels: BTreeMap<String, String>,
}

/// Reads clusters of an account, several in parallel.
pub(crate) async fn clusters(
    client: &Client,
    account: &Account,
    names: &[ClusterName],
) -> Result<Vec<Cluster>, CliError> {
    let looked: Vec<Result<Cluster, CliError>> = stream::iter(names)
        .map(|name| async move {
            let entry = account.cluster(name);
            let (instances, namespace) = match entry.held {
                Some(_) => {
                    let namespace = async { Ok(visible(client, name).await?) };
                    futures::try_join!(instances(client, name, entry.kind()), namespace)?
                }
                None => (Vec::new(), None),
            };
            let namespace = namespace.unwrap_or_default();
            Ok(Cluster {
                name: name.clone(),
                owner: account.user.clone(),
                instances,
                created: namespace.created,
                labels: labels::shown(entry.want.as_ref(), namespace.labels),
                entry,
            })
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    looked.into_iter().collect()
}

/// Reads the instances of a cluster of this type, in the order of their indexes. Without a type there is no cluster.
pub(crate) async fn instances(
    client: &Client,
    cluster: &ClusterName,
    kind: Option<InstanceType>,
) -> Result<Vec<Instance>, CliError> {
    Ok(instances_and_orphans(client, cluster, kind).await?.0)
}

/// Reads the instances as [`instances`] does, and the leftovers of instances whose StatefulSet or VirtualMachine is
/// gone. Leftovers are charged while they exist, and block commands that wait until they are gone.
pub(crate) async fn instances_and_orphans(
    client: &Client,
    cluster: &ClusterName,
    kind: Option<InstanceType>,
) -> Result<(Vec<Instance>, Vec<Orphan>), CliError> {
    let Some(kind) = kind else { return Ok((Vec::new(), Vec::new())) };
    let Observed { instances, orphans } = observe(client, cluster, kind).await?;
    Ok((instances, orphans))
}

/// Returns everything that must be gone before an instance counts as gone: existing instances and leftovers of others.
pub(crate) async fn what_is_left(
    client: &Client,
    cluster: &ClusterName,
    kind: Option<InstanceType>,
) -> Result<Vec<Instance>, CliError> {
    let (mut left, orphans) = instances_and_orphans(client, cluster, kind).await?;
    left.extend(orphans.into_iter().map(|orphan| orphan.shown));
    Ok(left)
}

impl Cluster {
    /// Returns the wanted number of instances.
    pub(crate) fn count(&self) -> u32 {
        let wanted = self.entry.want.as_ref().map(|want| want.count);
        wanted.or_else(|| self.entry.held.as_ref().map(|held| held.count)).unwrap_or(0)
    }

    /// Counts the states of all instances. An instance that does not exist yet counts as pending.
    pub(crate) fn counts(&self) -> Counts {
        let missing = usize::try_from(self.count()).unwrap_or(0).saturating_sub(self.instances.len());
        let states = self.instances.iter().map(|instance| instance.state);
        Counts::of(states.chain(std::iter::repeat_n(State::Pending, missing)))
    }

    /// Returns one word for the state of the whole cluster.
    pub(crate) fn status(&self) -> &'static str {
        if !self.entry.exists() {
            return if self.entry.refused.is_some() { "refused" } else { "gone" };
        }
        match self.entry.held.as_ref().map(|held| held.state) {
            Some(HeldState::Ready) if self.entry.delete.is_some() => HeldState::Deleting.as_str(),
            Some(HeldState::Ready) => self.counts().shared().map_or("mixed", State::as_str),
            Some(state) => state.as_str(),
            None => HeldState::Preparing.as_str(),
        }
    }

    /// Returns the disk of its instances. The instances that exist show it; only the template tells it before.
    pub(crate) fn disk(&self) -> Option<Disk> {
        let shown = self.instances.first().map(|instance| instance.disk);
        shown.or_else(|| self.entry.want.as_ref().map(Disk::of_want))
    }

    /// Reports whether the cluster has given its quota back, so that its instances may not run.
    fn released(&self) -> bool {
        self.entry.held.as_ref().is_some_and(|held| held.released)
    }

    /// Returns the reason for the state, if one is needed.
    pub(crate) fn reason(&self) -> Option<String> {
        let refused = self.entry.refused.as_ref().map(|refused| refused.reason.clone());
        let blocked = self.entry.blocked.as_ref().map(|blocked| blocked.reason.clone());
        let newer = self.entry.newer().map(|what| format!("{what}: upgrade kubectl-cmp"));
        let troubled = self.instances.iter().find(|instance| instance.message.is_some());
        let trouble = troubled.map(|troubled| {
            let reason = troubled.reason.as_deref().unwrap_or_default();
            format!("{}: {reason}: {}", troubled.name, troubled.message.as_deref().unwrap_or_default())
        });
        let suspensions = self.instances.iter().filter_map(|instance| instance.suspension.as_ref());
        let mut reasons: Vec<&str> = suspensions.filter_map(|suspension| suspension.reason.as_deref()).collect();
        reasons.sort_unstable();
        reasons.dedup();
        let suspended = Some(reasons.join(", ")).filter(|reasons| !reasons.is_empty());
        let released = self.released().then(|| "its quota is given back".to_owned());
        let off = match (suspended, released) {
            (Some(suspended), Some(released)) => Some(format!("{suspended} ({released})")),
            (suspended, released) => suspended.or(released),
        };
        blocked.or(newer).or(refused).or(trouble).or(off).or_else(|| self.unmade())
    }

    /// Returns the reason why instances do not exist though the cluster is ready: their creation was interrupted, or
    /// refused.
    fn unmade(&self) -> Option<String> {
        let ready = self.entry.held.as_ref().is_some_and(|held| held.state == HeldState::Ready);
        let count = self.count();
        let missing = usize::try_from(count).unwrap_or(0).saturating_sub(self.instances.len());
        (ready && self.entry.delete.is_none() && missing > 0)
            .then(|| format!("{missing} of {count} instances are not created yet: repeat the command, or correct it"))
    }

    /// Returns the object from which `create -f` creates the cluster again, with the instances that are off.
    pub(crate) fn export(&self) -> Value {
        let mut object = self.editable();
        object["spec"]["instances"] = json!(PoweredOff::of(&self.instances, self.count()).value());
        // The snapshots stay here, and a new cluster has none.
        if let Some(size) = object["spec"]["size"].as_object_mut() {
            size.remove(SNAPSHOT_STORAGE);
        }
        object
    }

    /// Returns the parts of the object that its user gave it.
    pub(crate) fn editable(&self) -> Value {
        let Value::Object(mut object) = self.object() else { return Value::Null };
        object.retain(|field, _| field != "status");
        object.insert("metadata".to_owned(), self.own_metadata());
        Value::Object(object)
    }

    /// Returns the metadata that the user of the cluster gave it.
    fn own_metadata(&self) -> Value {
        let given = |pairs: fn(&Want) -> &BTreeMap<String, String>| {
            self.entry.want.as_ref().map(pairs).filter(|pairs| !pairs.is_empty())
        };
        json!({
            "name": self.name,
            "labels": given(|want| &want.labels),
            "annotations": given(|want| &want.annotations),
        })
    }

    /// Returns the cluster as an object.
    pub(crate) fn object(&self) -> Value {
        let (want, held) = (self.entry.want.as_ref(), self.entry.held.as_ref());
        let kind = self.entry.kind();
        let size = want.map(|want| &want.size).or_else(|| held.map(|held| &held.size));
        json!({
            "apiVersion": keys::API_VERSION,
            "kind": "Cluster",
            "metadata": {
                "name": self.name,
                "namespace": self.name.namespace(),
                "uid": held.map(|held| &held.uid).filter(|uid| !uid.is_empty()),
                "creationTimestamp": self.created.map(|created| created.to_string()),
                "labels": Some(&self.labels).filter(|labels| !labels.is_empty()),
                "annotations": want.map(|want| &want.annotations).filter(|annotations| !annotations.is_empty()),
            },
            "spec": {
                "owner": self.owner,
                "type": kind,
                "count": self.count(),
                "size": size,
                "template": want.map(|want| want.template.as_ref().map_or(template(want.kind), TemplateName::as_str)),
                "image": want.and_then(|want| want.image.as_ref()),
                "sshKey": want.and_then(|want| want.ssh_key.as_ref()),
                "moreSshKeys": want.map(|want| &want.more_ssh_keys).filter(|keys| !keys.is_empty()),
                "cloudInit": want.and_then(|want| want.cloud_init.as_ref()),
                "sysprep": want.and_then(|want| want.sysprep.as_ref()),
                "command": want.map(|want| &want.command).filter(|command| !command.is_empty()),
                "args": want.map(|want| &want.args).filter(|args| !args.is_empty()),
                "env": want.map(|want| &want.env).filter(|env| !env.is_empty()),
                "ports": want.map(|want| &want.ports).filter(|ports| !ports.is_empty()),
                "disk": want.and_then(|want| want.disk.as_ref()),
                "dataDisk": want.and_then(|want| want.data_disk.as_ref()),
                "rootDisk": want.and_then(|want| want.root_disk.as_ref()),
                "patch": want.and_then(|want| want.patch.as_ref()),
                "schedule": want.and_then(|want| want.schedule.as_ref()),
            },
            "status": {
                "state": self.status(),
                "instances": self.counts(),
                "charge": self.entry.charge(),
                "released": self.released(),
                "reason": self.reason(),
            },
        })
    }

    /// Returns the cluster for every output format, in a list of several users' clusters.
    pub(crate) fn item_with_owner(&self, now: Timestamp) -> Item {
        let mut item = self.item(now).with_owner(&self.owner);
        item.wide.remove(0);
        item
    }

    /// Returns the cluster for every output format. A cluster that is refused, or not prepared yet, has no value in some
    /// columns.
    pub(crate) fn item(&self, now: Timestamp) -> Item {
        let counts = self.counts();
        let (want, held) = (self.entry.want.as_ref(), self.entry.held.as_ref());
        let kind = self.entry.kind();
        let size = want.map(|want| want.size.clone()).or_else(|| held.map(|held| held.size.clone()));
        let [cpu, memory] = size.map(|size| columns(&size)).unwrap_or_default();
        Item {
            name: format!("cluster/{}", self.name),
            object: self.object(),
            cells: vec![
                self.name.to_string(),
                kind.map_or_else(String::new, |kind| kind.to_string()),
                format!("{}/{}", counts.running, counts.total),
                self.status().to_owned(),
                cpu,
                memory,
                age(self.created, now),
            ],
            wide: vec![
                self.owner.to_string(),
                self.name.namespace(),
                counts.suspended.to_string(),
                self.disk().map_or_else(String::new, |disk| disk.to_string()),
                self.reason().unwrap_or_default(),
            ],
        }
    }
}

/// Returns the name of the built-in template of a type.
pub(crate) fn template(kind: InstanceType) -> &'static str {
    match kind {
        InstanceType::Container => CONTAINER_TEMPLATE,
        InstanceType::Vm => VM_TEMPLATE,
    }
}

/// The columns of a table of clusters.
pub(crate) const CLUSTERS: Heads = (
    &["NAME", "TYPE", "INSTANCES", "STATUS", "CPU", "MEMORY", "AGE"],
    &["OWNER", "NAMESPACE", "SUSPENDED", "DISK", "REASON"],
);

/// The columns of a table of several users' clusters.
pub(crate) const ALL_CLUSTERS: Heads = (
    &["OWNER", "NAME", "TYPE", "INSTANCES", "STATUS", "CPU", "MEMORY", "AGE"],
    &["NAMESPACE", "SUSPENDED", "DISK", "REASON"],
);

/// The columns of a table of several users' instances.
pub(crate) const ALL_INSTANCES: Heads = (
    &["OWNER", "NAME", "CLUSTER", "TYPE", "STATUS", "CPU", "MEMORY", "NODE", "IP", "AGE"],
    &["RESTARTS", "IMAGE", "DISK", "REASON"],
);

/// The columns of a table of instances.
pub(crate) const INSTANCES: Heads = (
    &["NAME", "CLUSTER", "TYPE", "STATUS", "CPU", "MEMORY", "NODE", "IP", "AGE"],
    &["RESTARTS", "IMAGE", "DISK", "REASON"],
);

/// Returns an instance of a cluster with this want as an object.
pub(crate) fn instance_object(instance: &Instance, want: Option<&Want>) -> Value {
    json!({
        "apiVersion": keys::API_VERSION,
        "kind": "Instance",
        "metadata": {
            "name": instance.name.to_string(),
            "namespace": instance.name.cluster.namespace(),
            "uid": instance.uid,
            "creationTimestamp": instance.created.map(|created| created.to_string()),
            "labels": labels::of_instance(want, &instance.labels),
        },
        "spec": {
            "cluster": instance.name.cluster,
            "index": instance.name.index,
            "type": instance.kind,
            "size": instance.size,
            "image": instance.image,
        },
        "status": {
            "state": instance.state,
            "reason": instance.reason,
            "message": instance.message,
            "node": instance.node,
            "ip": instance.ip,
            "restarts": instance.restarts,
            "suspension": instance.suspension,
        },
    })
}

/// Returns an instance for every output format.
pub(crate) fn instance_item(instance: &Instance, want: Option<&Want>, now: Timestamp) -> Item {
    let [cpu, memory] = columns(&instance.size);
    let reason = match (&instance.reason, &instance.message) {
        (Some(reason), Some(message)) => format!("{reason}: {message}"),
        (Some(reason), None) => reason.clone(),
        (None, _) => instance.suspension.as_ref().and_then(|suspension| suspension.reason.clone()).unwrap_or_default(),
    };
    Item {
        name: format!("instance/{}", instance.name),
        object: instance_object(instance, want),
        cells: vec![
            instance.name.to_string(),
            instance.name.cluster.to_string(),
            instance.kind.to_string(),
            instance.state.to_string(),
            cpu,
            memory,
            instance.node.clone().unwrap_or_default(),
            instance.ip.clone().unwrap_or_default(),
            age(instance.created, now),
        ],
        wide: vec![
            instance.restarts.to_string(),
            instance.image.clone().unwrap_or_default(),
            instance.disk.to_string(),
            reason,
        ],
    }
}

/// Returns the last 10 events of the selected objects as rows of a table, newest last. The list is empty if there are
/// none, or if the caller may not read them.
pub(crate) async fn events(
    client: &Client,
    cluster: &ClusterName,
    of: impl Fn(&str) -> bool,
    now: Timestamp,
) -> Vec<Vec<String>> {
    let Ok(list) = events::list(client, cluster).await else { return Vec::new() };
    let mut events: Vec<Event> = list.events.into_iter().filter(|event| of(event.object_name())).collect();
    events.sort_by_key(Event::last);
    let from = events.len().saturating_sub(10);
    events[from..]
        .iter()
        .map(|event| {
            vec![
                event.kind().to_owned(),
                event.reason().to_owned(),
                age(event.at(), now),
                event.object_name().to_owned(),
                event.message().unwrap_or_default().to_owned(),
            ]
        })
        .collect()
}
