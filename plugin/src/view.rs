//! Clusters and instances for display: the data of the account, joined with the state of the objects.

use std::collections::BTreeMap;

use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Event, Namespace, Pod};
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use cmp_client::kubevirt::Machines;
use cmp_client::{ApiError, lists};
use cmp_core::account::{Account, Entry, HeldState};
use cmp_core::containers::{self, Set};
use cmp_core::instance::{self, Instance, Orphan, columns};
use cmp_core::keys;
use cmp_core::manifest::{CONTAINER_TEMPLATE, VM_TEMPLATE};
use cmp_core::name::{ClusterName, InstanceName, TemplateName, UserName};
use cmp_core::powered_off::PoweredOff;
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
                Some(_) => futures::try_join!(instances(client, name), namespace(client, name))?,
                None => (Vec::new(), None),
            };
            let metadata = namespace.map(|namespace| namespace.metadata).unwrap_or_default();
            Ok(Cluster {
                name: name.clone(),
                owner: account.user.clone(),
                entry,
                instances,
                created: metadata.creation_timestamp.map(|time| time.0),
                labels: metadata.labels.unwrap_or_default(),
            })
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    looked.into_iter().collect()
}

async fn namespace(client: &Client, cluster: &ClusterName) -> Result<Option<Namespace>, CliError> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    match namespaces.get(&cluster.namespace()).await.map_err(ApiError::from) {
        Ok(namespace) => Ok(Some(namespace)),
        // While the cluster is prepared or deleted, its owner has no access to the Namespace.
        Err(error) if error.is_forbidden() || error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Reads the instances of a cluster, in the order of their indexes. The objects tell the type: a user of one type has
/// no right to list the other.
pub(crate) async fn instances(client: &Client, cluster: &ClusterName) -> Result<Vec<Instance>, CliError> {
    Ok(instances_and_orphans(client, cluster).await?.0)
}

/// Reads the instances as [`instances`] does, and the leftovers of instances whose StatefulSet or VirtualMachine is
/// gone. Leftovers are charged while they exist, and block commands that wait until they are gone.
pub(crate) async fn instances_and_orphans(
    client: &Client,
    cluster: &ClusterName,
) -> Result<(Vec<Instance>, Vec<Orphan>), CliError> {
    let (containers, orphans) = containers(client, cluster).await?;
    if !containers.is_empty() || !orphans.is_empty() {
        return Ok((containers, orphans));
    }
    let machines = Machines::of(client, cluster);
    let (machines, running) = match futures::try_join!(machines.list(), machines.running()) {
        Ok(looked) => looked,
        Err(error) if error.is_forbidden() => return Ok((Vec::new(), Vec::new())),
        Err(error) => return Err(error.into()),
    };
    let orphans = instance::orphaned_guests(&machines, &running);
    Ok((instance::of_virtual_machines(&machines, &running), orphans))
}

/// Returns everything that must be gone before an instance counts as gone: existing instances and leftovers of others.
pub(crate) async fn what_is_left(client: &Client, cluster: &ClusterName) -> Result<Vec<Instance>, CliError> {
    let (mut left, orphans) = instances_and_orphans(client, cluster).await?;
    left.extend(orphans.into_iter().map(|orphan| orphan.shown));
    Ok(left)
}

/// Reads one instance, without the Pod or guest that runs for it.
pub(crate) async fn instance(client: &Client, name: &InstanceName) -> Result<Option<Instance>, CliError> {
    match lists::one::<StatefulSet, Set>(client, &name.cluster.namespace(), &name.to_string()).await {
        Ok(Some(set)) => return Ok(instance::of_stateful_set(&set, None)),
        Ok(None) => {}
        Err(error) if error.is_forbidden() => {}
        Err(error) => return Err(error.into()),
    }
    match Machines::of(client, &name.cluster).get(name).await {
        Ok(vm) => Ok(vm.and_then(|vm| instance::of_virtual_machine(&vm, None))),
        Err(error) if error.is_forbidden() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn containers(client: &Client, cluster: &ClusterName) -> Result<(Vec<Instance>, Vec<Orphan>), CliError> {
    let namespace = cluster.namespace();
    let sets = lists::all::<StatefulSet, Set>(client, &namespace);
    let pods = lists::all::<Pod, containers::Pod>(client, &namespace);
    let (sets, pods) = match futures::try_join!(sets, pods) {
        Ok(looked) => looked,
        Err(error) if error.is_forbidden() => return Ok((Vec::new(), Vec::new())),
        Err(error) => return Err(error.into()),
    };
    let mut instances = instance::of_stateful_sets(&sets, &pods);
    if instances.iter().any(|instance| instance.reason.as_deref() == Some("NoPod")) {
        refused_pods(client, &namespace, &mut instances).await;
    }
    Ok((instances, instance::orphaned_pods(&sets, &pods)))
}

/// Finds out why there is no Pod: the StatefulSet controller reports the reason in an event. If events cannot be read,
/// the reason stays unknown, which is no failure.
async fn refused_pods(client: &Client, namespace: &str, instances: &mut [Instance]) {
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    let failed = ListParams::default().fields("involvedObject.kind=StatefulSet,reason=FailedCreate");
    let Ok(events) = events.list(&failed).await else { return };
    for instance in instances.iter_mut().filter(|instance| instance.reason.as_deref() == Some("NoPod")) {
        let name = instance.name.to_string();
        let last = events
            .items
            .iter()
            .filter(|event| event.involved_object.name.as_deref() == Some(name.as_str()))
            .max_by_key(|event| event.last_timestamp.as_ref().map(|time| time.0));
        if let Some(message) = last.and_then(|event| event.message.clone()) {
            instance.reason = Some("FailedCreate".to_owned());
            instance.message = Some(message);
        }
    }
}

impl Cluster {
    /// Returns the wanted number of instances.
    pub(crate) fn count(&self) -> u32 {
        let wanted = self.entry.want.as_ref().map(|want| want.count);
        wanted.or_else(|| self.entry.held.as_ref().map(|held| held.count)).unwrap_or(0)
    }

    /// Counts the states of all instances. An instance that does not exist yet counts as pending.
    fn counts(&self) -> Counts {
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
        blocked.or(newer).or(refused).or(trouble).or(off)
    }

    /// Returns the object from which `create -f` creates the cluster again, with the instances that are off.
    pub(crate) fn export(&self) -> Value {
        let Value::Object(mut object) = self.object() else { return Value::Null };
        object.retain(|field, _| field != "status");
        object.insert("metadata".to_owned(), json!({ "name": self.name }));
        let mut object = Value::Object(object);
        object["spec"]["instances"] = json!(PoweredOff::of(&self.instances, self.count()).value());
        object
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
            },
            "spec": {
                "owner": self.owner,
                "type": kind,
                "count": self.count(),
                "size": size,
                "template": want.map(|want| want.template.as_ref().map_or(template(want.kind), TemplateName::as_str)),
                "image": want.and_then(|want| want.image.as_ref()),
                "sshKey": want.and_then(|want| want.ssh_key.as_ref()),
                "command": want.map(|want| &want.command).filter(|command| !command.is_empty()),
                "args": want.map(|want| &want.args).filter(|args| !args.is_empty()),
                "env": want.map(|want| &want.env).filter(|env| !env.is_empty()),
                "ports": want.map(|want| &want.ports).filter(|ports| !ports.is_empty()),
                "disk": want.and_then(|want| want.disk.as_ref()),
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

    /// Returns the cluster for every output format.
    pub(crate) fn item(&self, now: Timestamp) -> Item {
        let counts = self.counts();
        let (want, held) = (self.entry.want.as_ref(), self.entry.held.as_ref());
        let kind = self.entry.kind();
        let size = want.map(|want| want.size.clone()).or_else(|| held.map(|held| held.size.clone()));
        let [cpu, memory] = columns(&size.unwrap_or_default());
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
pub(crate) const CLUSTERS: Heads =
    (&["NAME", "TYPE", "INSTANCES", "STATUS", "CPU", "MEMORY", "AGE"], &["OWNER", "NAMESPACE", "SUSPENDED", "REASON"]);

/// The columns of a table of instances.
pub(crate) const INSTANCES: Heads =
    (&["NAME", "CLUSTER", "TYPE", "STATUS", "CPU", "MEMORY", "NODE", "IP", "AGE"], &["RESTARTS", "IMAGE", "REASON"]);

/// Returns an instance as an object.
pub(crate) fn instance_object(instance: &Instance) -> Value {
    json!({
        "apiVersion": keys::API_VERSION,
        "kind": "Instance",
        "metadata": {
            "name": instance.name.to_string(),
            "namespace": instance.name.cluster.namespace(),
            "uid": instance.uid,
            "creationTimestamp": instance.created.map(|created| created.to_string()),
            "labels": instance.labels,
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
pub(crate) fn instance_item(instance: &Instance, now: Timestamp) -> Item {
    let [cpu, memory] = columns(&instance.size);
    let reason = match (&instance.reason, &instance.message) {
        (Some(reason), Some(message)) => format!("{reason}: {message}"),
        (Some(reason), None) => reason.clone(),
        (None, _) => instance.suspension.as_ref().and_then(|suspension| suspension.reason.clone()).unwrap_or_default(),
    };
    Item {
        name: format!("instance/{}", instance.name),
        object: instance_object(instance),
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
        wide: vec![instance.restarts.to_string(), instance.image.clone().unwrap_or_default(), reason],
    }
}

/// Returns the last 10 events of the selected objects as rows of a table, newest last. The list is empty if there are
/// none, or if the caller may not read them.
pub(crate) async fn events(
    client: &Client,
    namespace: &str,
    of: impl Fn(&str) -> bool,
    now: Timestamp,
) -> Vec<Vec<String>> {
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    let Ok(events) = events.list(&ListParams::default()).await else { return Vec::new() };
    let mut events: Vec<Event> = events
        .items
        .into_iter()
        .filter(|event| of(event.involved_object.name.as_deref().unwrap_or_default()))
        .collect();
    let at = |event: &Event| {
        event.last_timestamp.as_ref().map(|time| time.0).or_else(|| event.event_time.as_ref().map(|time| time.0))
    };
    events.sort_by_key(at);
    let from = events.len().saturating_sub(10);
    events[from..]
        .iter()
        .map(|event| {
            vec![
                event.type_.clone().unwrap_or_default(),
                event.reason.clone().unwrap_or_default(),
                age(at(event).or_else(|| event.creation_timestamp().map(|time| time.0)), now),
                event.involved_object.name.clone().unwrap_or_default(),
                event.message.clone().unwrap_or_default(),
            ]
        })
        .collect()
}
