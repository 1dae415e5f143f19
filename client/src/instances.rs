//! Reads instances, creates and deletes them, and carries out a decision about one.
//!
//! The type of a cluster is known from its account, and is never found out by a request.

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Config;
use kube::{Api, Client, ResourceExt};
use serde_json::Value;

use cmp_core::containers::{self, Set};
use cmp_core::instance::{
    Instance, Orphan, of_stateful_set, of_stateful_sets, of_virtual_machine, of_virtual_machines, orphaned_guests,
    orphaned_pods,
};
use cmp_core::lifecycle::{Call, SuspensionRequest, SwitchRequests};
use cmp_core::name::{ClusterName, InstanceName};
use cmp_core::powered_off;
use cmp_core::quantity::Quantity;
use cmp_core::state::State;
use cmp_core::template::Blueprint;
use cmp_core::vocabulary::InstanceType;

use crate::accounts::changes;
use crate::early::until_seen;
use crate::error::{ApiError, if_there};
use crate::kubevirt::Machines;
use crate::{data_disks, data_volumes, events, first_boot, lists};

/// Number of instances that are deleted in parallel.
const AT_ONCE: usize = 32;

/// The instances of a cluster.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// The instances, in the order of their indexes.
    pub instances: Vec<Instance>,
    /// The leftovers of instances whose StatefulSet or VirtualMachine is gone. Leftovers are charged while they exist.
    pub orphans: Vec<Orphan>,
}

impl Observed {
    /// Returns everything that must be gone before an instance counts as gone.
    pub fn what_is_left(self) -> Vec<Instance> {
        let orphans = self.orphans.into_iter().map(|orphan| orphan.shown);
        self.instances.into_iter().chain(orphans).collect()
    }
}

/// Reads the instances of a cluster, with the Pods and guests that run them. The result is empty for a caller who has
/// no access: a cluster that is prepared or deleted is closed to its owner.
pub async fn observe(client: &Client, cluster: &ClusterName, kind: InstanceType) -> Result<Observed, ApiError> {
    let observed = match kind {
        InstanceType::Container => containers(client, cluster).await,
        InstanceType::Vm => machines(client, cluster).await,
    };
    observed.or_else(|error| if error.is_forbidden() { Ok(Observed::default()) } else { Err(error) })
}

async fn containers(client: &Client, cluster: &ClusterName) -> Result<Observed, ApiError> {
    let namespace = cluster.namespace();
    let sets = lists::all::<StatefulSet, Set>(client, &namespace);
    let pods = lists::all::<Pod, containers::Pod>(client, &namespace);
    let (sets, pods) = futures::try_join!(sets, pods)?;
    let mut instances = of_stateful_sets(&sets, &pods);
    if instances.iter().any(has_no_pod) {
        explain(client, cluster, &mut instances).await;
    }
    Ok(Observed { instances, orphans: orphaned_pods(&sets, &pods) })
}

async fn machines(client: &Client, cluster: &ClusterName) -> Result<Observed, ApiError> {
    let vms = Machines::of(client, cluster);
    let (machines, running) = futures::try_join!(vms.list(), vms.running())?;
    let orphans = orphaned_guests(&machines, &running);
    let mut instances = of_virtual_machines(&machines, &running);
    data_volumes::explain_disks(client, cluster, &mut instances).await;
    first_boot::explain_secrets(client, cluster, &mut instances).await;
    Ok(Observed { instances, orphans })
}

fn has_no_pod(instance: &Instance) -> bool {
    instance.reason.as_deref() == Some("NoPod")
}

/// Finds out why there is no Pod: the StatefulSet controller reports the reason in an event. If events cannot be read,
/// the reason stays unknown, which is no failure.
async fn explain(client: &Client, cluster: &ClusterName, instances: &mut [Instance]) {
    let Ok(events) = events::refused_pods(client, cluster).await else { return };
    for instance in instances.iter_mut().filter(|instance| has_no_pod(instance)) {
        let name = instance.name.to_string();
        let about = events.iter().filter(|event| event.object_name() == name);
        if let Some(message) = about.max_by_key(|event| event.occurred()).and_then(events::Event::message) {
            instance.reason = Some("FailedCreate".to_owned());
            instance.message = Some(message.to_owned());
        }
    }
}

/// Reads one instance, without the Pod or guest that runs for it. A caller without access gets `None`.
pub async fn get(client: &Client, name: &InstanceName, kind: InstanceType) -> Result<Option<Instance>, ApiError> {
    let read = match kind {
        InstanceType::Container => {
            let set = lists::one::<StatefulSet, Set>(client, &name.cluster.namespace(), &name.to_string()).await;
            set.map(|set| set.and_then(|set| of_stateful_set(&set, None)))
        }
        InstanceType::Vm => {
            let machine = Machines::of(client, &name.cluster).get(name).await;
            machine.map(|machine| machine.and_then(|machine| of_virtual_machine(&machine, None)))
        }
    };
    read.or_else(|error| if error.is_forbidden() { Ok(None) } else { Err(error) })
}

/// Yields whenever an instance of a cluster changes, and once when it becomes readable.
pub fn changed(client: &Client, cluster: &ClusterName, kind: InstanceType) -> Vec<BoxStream<'static, ()>> {
    match kind {
        InstanceType::Container => {
            let namespace = cluster.namespace();
            let sets: Api<PartialObjectMeta<StatefulSet>> = Api::namespaced(client.clone(), &namespace);
            let pods: Api<PartialObjectMeta<Pod>> = Api::namespaced(client.clone(), &namespace);
            vec![changes(sets, Config::default()), changes(pods, Config::default())]
        }
        InstanceType::Vm => {
            let machines = Machines::of(client, cluster).changes();
            machines.into_iter().chain([data_volumes::changed(client, cluster)]).collect()
        }
    }
}

/// The object of an instance that does not exist yet.
#[derive(Debug, Clone)]
pub struct New {
    name: InstanceName,
    object: Object,
    /// The size of its data disk, if it has one.
    data_disk: Option<Quantity>,
    /// The `DataVolume` of its root disk, if the disk is a copy.
    copied_disk: Option<Value>,
}

#[derive(Debug, Clone)]
enum Object {
    Set(Box<StatefulSet>),
    Machine(Value),
}

impl New {
    /// Makes the object of an instance, in a state that it is created in if it is to be off. Returns `None` if the
    /// blueprint makes no instance of that state.
    pub fn of(blueprint: &Blueprint, name: &InstanceName, off: Option<&(State, SuspensionRequest)>) -> Option<Self> {
        let object = match (blueprint.stateful_set(name), off) {
            (Some(set), None) => Object::Set(Box::new(set)),
            (Some(set), Some((state, suspension))) => {
                Object::Set(Box::new(powered_off::stateful_set(&set, *state, suspension)?))
            }
            (None, None) => Object::Machine(blueprint.virtual_machine(name)?),
            (None, Some((state, suspension))) => {
                Object::Machine(powered_off::virtual_machine(&blueprint.virtual_machine(name)?, *state, suspension)?)
            }
        };
        let (data_disk, copied_disk) = (blueprint.data_disk(), blueprint.copied_disk(name));
        Some(Self { name: name.clone(), object, data_disk, copied_disk })
    }

    /// Creates the instance, or lets the API server judge it by a dry run. Returns whether it did not exist yet.
    pub async fn create(&self, client: &Client, manager: &str, dry_run: bool) -> Result<bool, ApiError> {
        if let Some(volume) = &self.copied_disk {
            data_volumes::copy(client, &self.name, volume, manager, dry_run).await?;
        }
        let made = self.create_object(client, manager, dry_run).await?;
        let is_new = made.is_some();
        if let Some(size) = self.data_disk.filter(|_| !dry_run) {
            let uid = match made {
                Some(uid) => Some(uid),
                None => get(client, &self.name, InstanceType::Vm).await?.map(|there| there.uid),
            };
            if let Some(uid) = uid {
                data_disks::ensure(client, &self.name, (size, &uid), manager).await?;
            }
        }
        Ok(is_new)
    }

    /// Creates the object, and returns its uid. Returns `None` if it existed already.
    async fn create_object(&self, client: &Client, manager: &str, dry_run: bool) -> Result<Option<String>, ApiError> {
        let params = PostParams { dry_run, field_manager: Some(manager.to_owned()) };
        let kind = match self.object {
            Object::Set(_) => InstanceType::Container,
            Object::Machine(_) => InstanceType::Vm,
        };
        // The RoleBinding or the count was written a moment ago, and not every API server has seen it.
        until_seen(ApiError::is_not_seen_yet, async || {
            let created = match &self.object {
                Object::Set(set) => {
                    let created = sets(client, &self.name.cluster).create(&params, set).await;
                    created.map(|set| set.uid().unwrap_or_default()).map_err(ApiError::from)
                }
                Object::Machine(machine) => {
                    Machines::of(client, &self.name.cluster).create(&params, machine.clone()).await
                }
            };
            match created {
                Ok(uid) => Ok(Some(uid)),
                Err(error) if error.is_already_there() => Ok(None),
                // The ResourceQuota is checked before the existence of the object. Another writer may just have created
                // it.
                Err(error) if error.is_fenced() && get(client, &self.name, kind).await?.is_some() => Ok(None),
                Err(error) => Err(error),
            }
        })
        .await
    }
}

fn sets(client: &Client, cluster: &ClusterName) -> Api<StatefulSet> {
    Api::namespaced(client.clone(), &cluster.namespace())
}

/// Deletes instances of a cluster, each after its Pod or guest. Instances that are gone already are no error.
pub async fn delete(
    client: &Client,
    cluster: &ClusterName,
    kind: InstanceType,
    names: &[InstanceName],
) -> Result<(), ApiError> {
    let (sets, machines) = (sets(client, cluster), Machines::of(client, cluster));
    let (sets, machines) = (&sets, &machines);
    let deleted: Vec<Result<(), ApiError>> = stream::iter(names)
        .map(|name| async move {
            let deleted = match kind {
                InstanceType::Container => {
                    let deleted = sets.delete(&name.to_string(), &DeleteParams::foreground()).await;
                    deleted.map(drop).map_err(ApiError::from)
                }
                InstanceType::Vm => machines.delete(name).await,
            };
            if_there(deleted).map(drop)
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    deleted.into_iter().collect()
}

/// Lists the instances of a cluster without the Pods and guests that run them. The instance object itself records
/// whether it is off and what it remembers.
pub async fn list(client: &Client, cluster: &ClusterName, kind: InstanceType) -> Result<Vec<Instance>, ApiError> {
    match kind {
        InstanceType::Container => {
            let sets = lists::all::<StatefulSet, Set>(client, &cluster.namespace()).await?;
            Ok(sets.iter().filter_map(|set| of_stateful_set(set, None)).collect())
        }
        InstanceType::Vm => {
            let machines = Machines::of(client, cluster).list().await?;
            Ok(machines.iter().filter_map(|vm| of_virtual_machine(vm, None)).collect())
        }
    }
}

/// Sends the patch, then the call. Fails with a conflict if the instance has changed since it was read.
pub async fn carry_out(
    client: &Client,
    shown: &Instance,
    requests: &SwitchRequests,
    manager: &str,
    dry_run: bool,
) -> Result<(), ApiError> {
    let name = &shown.name;
    let params = PatchParams { dry_run, field_manager: Some(manager.to_owned()), ..PatchParams::default() };
    match shown.kind {
        InstanceType::Container => {
            // The answer is not used: request only its metadata.
            let patch = Patch::Merge(&requests.patch);
            sets(client, &name.cluster).patch_metadata(&name.to_string(), &params, &patch).await?;
        }
        InstanceType::Vm => {
            let machines = Machines::of(client, &name.cluster);
            machines.patch(name, &params, &requests.patch).await?;
            match requests.call {
                // The guest may have ended already, and its node may not answer. It ends without this call, too.
                Some(call @ Call::Thaw) => drop(machines.call(name, call, dry_run).await),
                Some(call) => machines.call(name, call, dry_run).await?,
                None => {}
            }
        }
    }
    Ok(())
}

/// Deletes a Pod or a VirtualMachineInstance that has no owner. An object that is already gone is not an error.
pub async fn delete_orphan(client: &Client, orphan: &Orphan) -> Result<(), ApiError> {
    let name = &orphan.shown.name;
    let deleted = match orphan.shown.kind {
        InstanceType::Container => {
            let pods: Api<Pod> = Api::namespaced(client.clone(), &name.cluster.namespace());
            pods.delete(&orphan.object, &DeleteParams::default()).await.map(drop).map_err(ApiError::from)
        }
        InstanceType::Vm => Machines::of(client, &name.cluster).delete_running(name).await,
    };
    if_there(deleted).map(drop)
}
