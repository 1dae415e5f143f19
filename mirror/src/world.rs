//! The state that the watches reported, and the observation derived from it.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use cmp_client::accounts;
use cmp_core::containers::{Metadata, Pod, Set};
use cmp_core::instance::{self, Instance};
use cmp_core::keys;
use cmp_core::kubevirt::{VirtualMachine, VirtualMachineInstance};
use cmp_core::name::{ClusterName, InstanceName, UserName};
use cmp_core::resources::Resources;
use cmp_core::state::State;
use cmp_core::vocabulary::InstanceType;

use crate::timeline::{Fact, Key};

/// The state of an instance at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lived {
    /// The user who owns the cluster.
    pub owner: UserName,
    /// The cluster of the instance.
    pub cluster: ClusterName,
    /// The uid of the cluster's Namespace.
    pub cluster_uid: String,
    /// The name of the instance.
    pub instance: InstanceName,
    /// Whether the instance is a container or a VM.
    pub kind: InstanceType,
    /// The state that is shown to users.
    pub state: State,
    /// Whether the VM is paused; always false for containers.
    pub paused: bool,
    /// The user who suspended it, if any.
    pub by: Option<String>,
    /// The resources that it requests.
    pub size: Resources,
}

/// Everything observed at one time: instances by Namespace and uid, charges by user and cluster, quotas by user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// The instances, by Namespace and uid.
    pub instances: BTreeMap<Key, Fact<Lived>>,
    /// The charge of each cluster, by user and cluster.
    pub charges: BTreeMap<Key, Fact<Resources>>,
    /// The quota of each user.
    pub quotas: BTreeMap<Key, Fact<Resources>>,
}

/// An event of a watch of one type.
#[derive(Debug, Clone)]
pub enum News<K> {
    /// A complete list of the objects follows.
    First,
    /// An object exists in this version.
    Is(K),
    /// The list is complete.
    All,
    /// An object was deleted.
    Gone(K),
}

/// The objects of one type, by Namespace and name.
#[derive(Debug, Clone)]
struct Objects<K> {
    there: BTreeMap<Key, K>,
    complete: bool,
}

impl<K> Default for Objects<K> {
    fn default() -> Self {
        Self { there: BTreeMap::new(), complete: false }
    }
}

impl<K> Objects<K> {
    /// Applies an event, and returns the place that it concerns.
    fn take(&mut self, news: News<K>, key: impl Fn(&K) -> Key) -> Option<String> {
        match news {
            News::First => {
                *self = Self::default();
                None
            }
            News::Is(object) => {
                let key = key(&object);
                self.there.insert(key.clone(), object);
                Some(key.0)
            }
            News::All => {
                self.complete = true;
                None
            }
            News::Gone(object) => {
                let key = key(&object);
                self.there.remove(&key);
                Some(key.0)
            }
        }
    }

    fn at<'a>(&'a self, place: &'a str) -> impl Iterator<Item = &'a K> {
        let first = (place.to_owned(), String::new());
        self.there.range(first..).take_while(move |((at, _), _)| at == place).map(|(_, object)| object)
    }

    fn get(&self, place: &str, name: &str) -> Option<&K> {
        self.there.get(&(place.to_owned(), name.to_owned()))
    }
}

/// An event of one of the watched types.
#[derive(Debug, Clone)]
pub enum Change {
    /// An event of a Namespace.
    Namespace(News<Namespace>),
    /// An event of a container instance (StatefulSet).
    Set(News<Set>),
    /// An event of a Pod of a container instance.
    Pod(News<Pod>),
    /// An event of a VirtualMachine.
    Machine(News<VirtualMachine>),
    /// An event of a guest (VirtualMachineInstance).
    Guest(News<VirtualMachineInstance>),
    /// An event of an account.
    Account(News<ConfigMap>),
}

/// The latest state that the watches reported.
#[derive(Debug, Clone, Default)]
pub struct World {
    namespaces: Objects<Namespace>,
    sets: Objects<Set>,
    pods: Objects<Pod>,
    machines: Objects<VirtualMachine>,
    guests: Objects<VirtualMachineInstance>,
    accounts: Objects<ConfigMap>,
    places: BTreeSet<String>,
    users: BTreeSet<String>,
}

fn key(metadata: &Metadata) -> Key {
    (metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default())
}

fn unnamed(metadata: &ObjectMeta) -> Key {
    (metadata.name.clone().unwrap_or_default(), String::new())
}

impl World {
    /// Creates an empty world. Without KubeVirt, the lists of VMs and guests count as complete from the start.
    pub fn new(kubevirt: bool) -> Self {
        let mut world = Self::default();
        (world.machines.complete, world.guests.complete) = (!kubevirt, !kubevirt);
        world
    }

    /// Applies an event of a watch.
    pub fn take(&mut self, change: Change) {
        let place = match change {
            Change::Namespace(news) => self.namespaces.take(news, |object| unnamed(&object.metadata)),
            Change::Set(news) => self.sets.take(news, |object| key(&object.metadata)),
            Change::Pod(news) => self.pods.take(news, |object| key(&object.metadata)),
            Change::Machine(news) => self.machines.take(news, |object| key(&object.metadata)),
            Change::Guest(news) => self.guests.take(news, |object| key(&object.metadata)),
            Change::Account(news) => {
                self.users.extend(self.accounts.take(news, |object| unnamed(&object.metadata)));
                None
            }
        };
        self.places.extend(place);
    }

    /// Reports whether every type has been listed at least once.
    pub fn is_complete(&self) -> bool {
        let Self { namespaces, sets, pods, machines, guests, accounts, .. } = self;
        let containers = namespaces.complete && sets.complete && pods.complete;
        containers && machines.complete && guests.complete && accounts.complete
    }

    /// Reports whether there are changes that [`take_news`](Self::take_news) has not returned yet.
    pub fn has_news(&self) -> bool {
        !self.places.is_empty() || !self.users.is_empty()
    }

    /// Returns the Namespaces and the users with changes since the last call.
    pub fn take_news(&mut self) -> (Vec<String>, Vec<String>) {
        let (places, users) = (std::mem::take(&mut self.places), std::mem::take(&mut self.users));
        (places.into_iter().collect(), users.into_iter().collect())
    }

    /// Returns the number of clusters.
    pub fn clusters(&self) -> usize {
        self.namespaces.there.values().filter(|namespace| belonging(namespace).is_some()).count()
    }

    /// Returns the whole current observation.
    pub fn all(&self) -> Seen {
        let places: Vec<String> = self.namespaces.there.keys().map(|(place, _)| place.clone()).collect();
        let users: Vec<String> = self.accounts.there.keys().map(|(user, _)| user.clone()).collect();
        self.seen(&places, &users)
    }

    /// Returns the observation of these Namespaces and users.
    pub fn seen(&self, places: &[String], users: &[String]) -> Seen {
        let mut seen = Seen::default();
        for place in places {
            seen.instances.extend(self.instances(place));
        }
        for user in users {
            let Some(map) = self.accounts.get(user, "") else { continue };
            // An unreadable account is repaired later, or waits for an administrator. Until then nothing is known about
            // it.
            let Ok(account) = accounts::read(map) else { continue };
            let evidence = map.metadata.resource_version.clone().unwrap_or_default();
            let fact = |value: Resources| Fact { value, evidence: evidence.clone() };
            seen.quotas.insert((user.clone(), String::new()), fact(account.quota.clone()));
            // A cluster without a charge is released, or its quota was given back before its Namespace has gone.
            seen.charges.extend(account.existing().filter_map(|(cluster, entry)| {
                let charge = entry.charge().filter(|charge| !charge.is_empty())?;
                Some(((user.clone(), cluster.to_string()), fact(charge)))
            }));
        }
        seen
    }

    fn instances(&self, place: &str) -> Vec<(Key, Fact<Lived>)> {
        let Some(namespace) = self.namespaces.get(place, "") else { return Vec::new() };
        let Some((owner, cluster, cluster_uid)) = belonging(namespace) else { return Vec::new() };
        let containers = self.sets.at(place).filter_map(|set| {
            let pod = self.pods.get(place, &format!("{}-0", set.metadata.name.as_deref()?));
            let shown = instance::of_stateful_set(set, pod)?;
            Some((shown, evidence(&set.metadata, pod.map(|pod| &pod.metadata))))
        });
        let machines = self.machines.at(place).filter_map(|vm| {
            let guest = self.guests.get(place, vm.metadata.name.as_deref()?);
            let shown = instance::of_virtual_machine(vm, guest)?;
            Some((shown, evidence(&vm.metadata, guest.map(|guest| &guest.metadata))))
        });
        let lived = |(shown, evidence): (Instance, String)| {
            let Instance { name, kind, state, paused, suspension, size, uid, .. } = shown;
            let value = Lived {
                owner: owner.clone(),
                cluster: cluster.clone(),
                cluster_uid: cluster_uid.clone(),
                instance: name,
                kind,
                state,
                paused,
                by: suspension.map(|suspension| suspension.by),
                size,
            };
            ((place.to_owned(), uid), Fact { value, evidence })
        };
        containers.chain(machines).map(lived).collect()
    }
}

/// Returns the owner of a Namespace, its cluster and its uid.
fn belonging(namespace: &Namespace) -> Option<(UserName, ClusterName, String)> {
    let labels = namespace.metadata.labels.as_ref()?;
    let cluster: ClusterName = labels.get(keys::CLUSTER)?.parse().ok()?;
    let named = namespace.metadata.name.as_deref() == Some(cluster.namespace().as_str());
    let uid = namespace.metadata.uid.clone().unwrap_or_default();
    named.then_some((labels.get(keys::OWNER)?.parse().ok()?, cluster, uid))
}

/// Returns the evidence of an instance. The API server counts every change of its spec (on, off, another size) in its
/// generation. Its Pod or guest is a new object each time it starts. Nobody else writes either value. The annotation
/// distinguishes one more case: a VM that is paused and unpaused stays the same object. It is weaker evidence, because
/// the owner might restore it.
fn evidence(asked: &Metadata, running: Option<&Metadata>) -> String {
    let suspended = asked.annotations.as_ref().and_then(|annotations| annotations.get(keys::SUSPENDED_AT));
    format!(
        "{}/{}/{}",
        asked.generation.unwrap_or_default(),
        running.and_then(|running| running.uid.as_deref()).unwrap_or_default(),
        suspended.map(String::as_str).unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests;
