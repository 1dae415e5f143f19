//! The state of one instance, as the commands show it.
//!
//! The desired state is a label on the instance. The shown state is derived from that label and from the reported
//! status of the objects. It is never stored, so it cannot become stale.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ContainerStatus;
use serde::{Deserialize, Serialize};

use crate::containers::{Metadata, Pod, Set, named};
use crate::disk::Disk;
use crate::drain::Drain;
use crate::footprint::{Rule, footprint};
use crate::keys;
use crate::kubevirt::{self, VirtualMachine, VirtualMachineInstance};
use crate::name::InstanceName;
use crate::resources::{CPU, MEMORY, Resources};
use crate::state::State;
use crate::vocabulary::{InstanceType, Mode, Trigger};

/// The record of a suspension, in the annotations of the instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspension {
    /// The username of the user who asked for the suspension.
    pub by: String,
    /// The time of the suspension.
    pub at: Timestamp,
    /// The mode of the suspension.
    pub mode: Mode,
    /// The reason, if one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The cause that resumes the instance. Without a cause, only a user resumes it.
    #[serde(rename = "wokenBy", skip_serializing_if = "Option::is_none")]
    pub woken_by: Option<Trigger>,
}

/// An instance as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// The name of the instance.
    pub name: InstanceName,
    /// The type of the instance.
    pub kind: InstanceType,
    /// The state that is shown.
    pub state: State,
    /// The reason why the instance is pending or failed, in one word: `Unschedulable`.
    pub reason: Option<String>,
    /// The same reason in a sentence.
    pub message: Option<String>,
    /// The resources that the instance asks for.
    pub size: Resources,
    /// The image of the instance.
    pub image: Option<String>,
    /// The disk of the instance.
    pub disk: Disk,
    /// The node that the instance runs on.
    pub node: Option<String>,
    /// The IP address of the instance in the cluster.
    pub ip: Option<String>,
    /// The number of restarts of its containers.
    pub restarts: i32,
    /// The record of its suspension.
    pub suspension: Option<Suspension>,
    /// The creation time of the instance.
    pub created: Option<Timestamp>,
    /// The uid of the StatefulSet or the VirtualMachine.
    pub uid: String,
    /// The `resourceVersion` that was read.
    pub version: String,
    /// The state that was asked for.
    pub asked: Option<State>,
    /// Whether the instance is switched on, whatever its status is.
    pub on: bool,
    /// Whether something still runs for the instance though it is switched off.
    pub ending: bool,
    /// Whether the instance is a VM that is frozen.
    pub paused: bool,
    /// The effect of a drain of its node, if the instance is a running VM.
    pub drain: Option<Drain>,
    /// The Secrets without which the instance does not start, if it is a VM.
    pub secrets: BTreeSet<String>,
    /// The labels of the instance.
    pub labels: BTreeMap<String, String>,
}

/// Returns the container instances of one Namespace, sorted by index.
pub fn of_stateful_sets(sets: &[Set], pods: &[Pod]) -> Vec<Instance> {
    let pods = by_name(pods, |pod| &pod.metadata);
    in_order(sets.iter().filter_map(|set| {
        let pod = format!("{}-0", set.metadata.name.as_deref()?);
        of_stateful_set(set, pods.get(pod.as_str()).copied())
    }))
}

/// Returns the VMs of one Namespace, sorted by index.
pub fn of_virtual_machines(machines: &[VirtualMachine], guests: &[VirtualMachineInstance]) -> Vec<Instance> {
    let guests = by_name(guests, |guest| &guest.metadata);
    in_order(machines.iter().filter_map(|vm| of_virtual_machine(vm, guests.get(vm.metadata.name.as_deref()?).copied())))
}

impl Instance {
    /// Returns an instance in a state, with the fields that the metadata of an object gives and no others.
    pub(crate) fn new(name: InstanceName, kind: InstanceType, state: State, metadata: &Metadata) -> Self {
        Self {
            name,
            kind,
            state,
            reason: None,
            message: None,
            size: Resources::default(),
            image: None,
            disk: Disk::default(),
            node: None,
            ip: None,
            restarts: 0,
            suspension: None,
            created: metadata.creation_timestamp.as_ref().map(|time| time.0),
            uid: metadata.uid.clone().unwrap_or_default(),
            version: metadata.resource_version.clone().unwrap_or_default(),
            asked: None,
            on: false,
            ending: false,
            paused: false,
            drain: None,
            secrets: BTreeSet::new(),
            labels: metadata.labels.clone().unwrap_or_default(),
        }
    }
}

/// A Pod or a VirtualMachineInstance without its StatefulSet or VirtualMachine. `kubectl delete --cascade=orphan`
/// leaves such an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Orphan {
    /// The name of the Pod or the VirtualMachineInstance.
    pub object: String,
    /// The instance, as it is shown.
    pub shown: Instance,
}

/// Returns the Pods of one Namespace that are named as the Pod of an instance and have no StatefulSet of that name.
pub fn orphaned_pods(sets: &[Set], pods: &[Pod]) -> Vec<Orphan> {
    let sets = by_name(sets, |set| &set.metadata);
    let orphans = pods.iter().filter_map(|pod| {
        let (of, ordinal) = pod.metadata.name.as_deref()?.rsplit_once('-')?;
        let named = !ordinal.is_empty() && ordinal.bytes().all(|byte| byte.is_ascii_digit());
        let orphan = orphan(of, &pod.metadata, InstanceType::Container, "Pod", "StatefulSet")?;
        (named && !sets.contains_key(of)).then_some(orphan)
    });
    orphans.collect()
}

/// Returns the VirtualMachineInstances of one Namespace that are named as an instance and have no VirtualMachine of
/// that name.
pub fn orphaned_guests(machines: &[VirtualMachine], guests: &[VirtualMachineInstance]) -> Vec<Orphan> {
    let machines = by_name(machines, |vm| &vm.metadata);
    let orphans = guests.iter().filter_map(|guest| {
        let of = guest.metadata.name.as_deref().filter(|name| !machines.contains_key(name))?;
        orphan(of, &guest.metadata, InstanceType::Vm, "VirtualMachineInstance", "VirtualMachine")
    });
    orphans.collect()
}

fn orphan(instance: &str, metadata: &Metadata, kind: InstanceType, is: &str, of: &str) -> Option<Orphan> {
    let name = named(instance, metadata).filter(|name| name.to_string() == instance)?;
    let object = metadata.name.clone()?;
    let goes = metadata.deletion_timestamp.is_some();
    let rest = if goes { "is being deleted" } else { "is still there" };
    let shown = Instance {
        reason: Some("Orphaned".to_owned()),
        message: Some(format!("its {of} is gone, and its {is} {object} {rest}")),
        on: true,
        ending: goes,
        ..Instance::new(name, kind, State::Running, metadata)
    };
    Some(Orphan { object, shown })
}

fn by_name<'a, T>(things: &'a [T], metadata: impl Fn(&'a T) -> &'a Metadata) -> HashMap<&'a str, &'a T> {
    things.iter().filter_map(|thing| Some((metadata(thing).name.as_deref()?, thing))).collect()
}

fn in_order(instances: impl Iterator<Item = Instance>) -> Vec<Instance> {
    let mut instances: Vec<Instance> = instances.collect();
    instances.sort_by_key(|instance| instance.name.index);
    instances
}

/// Derives the shown state of a container instance from its StatefulSet and its Pod. Returns `None` for a StatefulSet
/// that is not named as an instance of its Namespace.
pub fn of_stateful_set(set: &Set, pod: Option<&Pod>) -> Option<Instance> {
    let name = named(set.metadata.name.as_deref()?, &set.metadata)?;
    let replicas = set.spec.replicas.unwrap_or(1);
    let shown = match (replicas, asked(&set.metadata)) {
        (0, Some(State::Suspended)) => Shown::plain(State::Suspended),
        (0, _) => Shown::plain(State::Stopped),
        _ => pod
            .map_or_else(|| Shown::new(State::Pending, "NoPod", "its Pod has not been created yet".to_owned()), of_pod),
    };
    let template = set.spec.template.spec.as_deref();
    let status = pod.and_then(|pod| pod.status.as_ref());
    let running = matches!(shown.state, State::Running | State::Pending | State::Failed);
    Some(Instance {
        reason: shown.reason,
        message: shown.message,
        size: template.and_then(|pod| footprint(pod, Rule::Limits)).unwrap_or_default(),
        image: template.and_then(|pod| pod.containers.first()).and_then(|container| container.image.clone()),
        disk: set.spec.disk(),
        node: pod.filter(|_| running).and_then(|pod| pod.spec.node_name.clone()),
        ip: status.filter(|_| running).and_then(|status| status.pod_ip.clone()),
        restarts: container_statuses(pod).map(|status| status.restart_count).sum(),
        suspension: suspension(&set.metadata).filter(|_| shown.state == State::Suspended),
        asked: asked(&set.metadata),
        on: replicas > 0,
        ending: replicas == 0 && pod.is_some(),
        ..Instance::new(name, InstanceType::Container, shown.state, &set.metadata)
    })
}

/// Derives the shown state of a VM from its VirtualMachine and its VirtualMachineInstance. Returns `None` for a
/// VirtualMachine that is not named as an instance of its Namespace.
pub fn of_virtual_machine(vm: &VirtualMachine, instance: Option<&VirtualMachineInstance>) -> Option<Instance> {
    let name = named(vm.metadata.name.as_deref()?, &vm.metadata)?;
    let on = vm.is_on();
    let asked = asked(&vm.metadata);
    let shown = match asked {
        Some(State::Suspended) if !on => Shown::plain(State::Suspended),
        _ if !on => Shown::plain(State::Stopped),
        _ => of_status(vm, instance),
    };
    let shown = match (shown.state, asked) {
        (State::Running, Some(State::Suspended)) => Shown::new(
            State::Running,
            "NotPausedYet",
            "it should be paused and is not yet: suspend it again".to_owned(),
        ),
        (State::Suspended, Some(State::Running)) if vm.is_paused() => still_paused(vm),
        _ => shown,
    };
    let machine = &vm.spec.template.spec;
    Some(Instance {
        reason: shown.reason,
        message: shown.message,
        size: machine.size().unwrap_or_default(),
        image: machine.image(),
        disk: vm.root(),
        node: instance.filter(|_| on).and_then(|instance| instance.status.node_name.clone()),
        ip: instance.filter(|_| on).and_then(|instance| instance.status.interfaces.first()?.ip_address.clone()),
        suspension: suspension(&vm.metadata).filter(|_| shown.state == State::Suspended),
        asked,
        on,
        ending: !on && instance.is_some(),
        paused: vm.is_paused(),
        drain: instance.filter(|_| on).and_then(Drain::of),
        secrets: machine.volumes.iter().flat_map(|volume| volume.secrets().map(str::to_owned)).collect(),
        ..Instance::new(name, InstanceType::Vm, shown.state, &vm.metadata)
    })
}

/// Returns a VM that should run and is paused. KubeVirt pauses a guest whose disk fails, too.
fn still_paused(vm: &VirtualMachine) -> Shown {
    let other = |condition: &&kubevirt::LooseCondition| condition.reason.as_deref() != Some("PausedByUser");
    match vm.pause().filter(other).map(|condition| (condition.reason.as_deref(), condition.message.as_deref())) {
        Some((Some(reason), message)) => {
            let said = message.unwrap_or("KubeVirt has paused it");
            Shown::new(State::Suspended, reason, format!("{said}: resume it once the cause is gone"))
        }
        _ => {
            Shown::new(State::Suspended, "StillPaused", "it should run and is still paused: resume it again".to_owned())
        }
    }
}

/// Derives the shown state of a VM that is switched on from `status.printableStatus`. It covers every value that
/// KubeVirt 1.7 can write there.
fn of_status(vm: &VirtualMachine, instance: Option<&VirtualMachineInstance>) -> Shown {
    let status = vm.status.printable_status.as_deref().unwrap_or("Starting");
    let failure = |conditions: &[kubevirt::LooseCondition], type_: &str, status: &str| {
        let found = conditions.iter().find(|condition| condition.type_ == type_ && condition.status == status)?;
        Some((found.reason.clone().unwrap_or_default(), found.message.clone().unwrap_or_default()))
    };
    let refused = failure(&vm.status.conditions, "Failure", "True");
    let unsynchronized = instance.and_then(|instance| failure(&instance.status.conditions, "Synchronized", "False"));
    let unscheduled = instance.and_then(|instance| failure(&instance.status.conditions, "PodScheduled", "False"));
    let (state, plain) = match status {
        _ if vm.is_paused() => return Shown::plain(State::Suspended),
        "Running" | "Migrating" => return Shown::plain(State::Running),
        "ErrorPvcNotFound" => (State::Failed, "a claim that it needs does not exist"),
        "DataVolumeError" => (State::Failed, "the disk that it needs could not be created"),
        "ErrImagePull" | "ImagePullBackOff" => (State::Failed, "the image of its disk cannot be pulled"),
        "CrashLoopBackOff" => (State::Failed, "it crashes repeatedly"),
        "Unknown" => (State::Failed, "its node does not answer"),
        "ErrorUnschedulable" => (State::Pending, "no node has room for it"),
        "Terminating" => (State::Pending, "it is being deleted"),
        "Stopping" => (State::Pending, "its previous run is still stopping"),
        "WaitingForVolumeBinding" => (State::Pending, "its disk is being created"),
        "WaitingForReceiver" => (State::Pending, "it waits for a migration"),
        // Starting, Provisioning, Stopped before it is started, and any value of a later KubeVirt.
        _ => (State::Pending, "it is being started"),
    };
    // The condition that refused the VM says more than the one word.
    match refused.or(unsynchronized).or(unscheduled) {
        Some((reason, message)) if !message.is_empty() && status != "Stopping" => {
            let state = if reason == "FailedCreate" && status == "Stopped" { State::Failed } else { state };
            Shown::new(state, &reason, message)
        }
        _ => Shown::new(state, status, plain.to_owned()),
    }
}

fn asked(metadata: &Metadata) -> Option<State> {
    let label = metadata.labels.as_ref()?.get(keys::ASKED)?;
    [State::Running, State::Stopped, State::Suspended].into_iter().find(|state| state.as_str() == label)
}

fn suspension(metadata: &Metadata) -> Option<Suspension> {
    let annotations = metadata.annotations.as_ref()?;
    Some(Suspension {
        by: annotations.get(keys::SUSPENDED_BY)?.clone(),
        at: annotations.get(keys::SUSPENDED_AT)?.parse().ok()?,
        mode: Mode::read(annotations.get(keys::SUSPEND_MODE).map_or("", String::as_str)),
        reason: annotations.get(keys::SUSPEND_REASON).cloned(),
        woken_by: annotations.get(keys::WOKEN_BY).and_then(|text| Trigger::read(text)),
    })
}

struct Shown {
    state: State,
    reason: Option<String>,
    message: Option<String>,
}

impl Shown {
    fn plain(state: State) -> Self {
        Self { state, reason: None, message: None }
    }

    fn new(state: State, reason: &str, message: String) -> Self {
        Self { state, reason: Some(reason.to_owned()), message: Some(message).filter(|message| !message.is_empty()) }
    }
}

fn container_statuses(pod: Option<&Pod>) -> impl Iterator<Item = &ContainerStatus> {
    pod.and_then(|pod| pod.status.as_ref()).into_iter().flat_map(|status| {
        status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten())
    })
}

/// Waiting reasons that pass without intervention.
const PASSING: [&str; 2] = ["ContainerCreating", "PodInitializing"];

fn of_pod(pod: &Pod) -> Shown {
    let status = pod.status.as_ref();
    let phase = status.and_then(|status| status.phase.as_deref()).unwrap_or("Pending");
    if pod.metadata.deletion_timestamp.is_some() {
        return Shown::new(State::Pending, "Terminating", "its previous Pod is still terminating".to_owned());
    }
    for container in container_statuses(Some(pod)) {
        let state = container.state.as_ref();
        if let Some(waiting) = state.and_then(|state| state.waiting.as_ref()) {
            let reason = waiting.reason.as_deref().unwrap_or("Waiting");
            if !PASSING.contains(&reason) {
                let last = container.last_state.as_ref().and_then(|last| last.terminated.as_ref());
                let exit =
                    last.map(|last| format!("container {} ended with exit code {}", container.name, last.exit_code));
                return Shown::new(State::Failed, reason, waiting.message.clone().or(exit).unwrap_or_default());
            }
        }
        if let Some(ended) = state.and_then(|state| state.terminated.as_ref())
            && ended.exit_code != 0
        {
            let reason = ended.reason.as_deref().unwrap_or("Error");
            let message = format!("container {} ended with exit code {}", container.name, ended.exit_code);
            return Shown::new(State::Failed, reason, message);
        }
    }
    let condition = |name: &str| {
        status
            .and_then(|status| status.conditions.as_ref())
            .and_then(|conditions| conditions.iter().find(|condition| condition.type_ == name))
    };
    match phase {
        "Running" => match condition("Ready") {
            Some(ready) if ready.status == "False" => Shown::new(
                State::Pending,
                ready.reason.as_deref().unwrap_or("NotReady"),
                ready.message.clone().unwrap_or_default(),
            ),
            _ => Shown::plain(State::Running),
        },
        "Pending" => match condition("PodScheduled") {
            Some(scheduled) if scheduled.status == "False" => Shown::new(
                State::Pending,
                scheduled.reason.as_deref().unwrap_or("Unscheduled"),
                scheduled.message.clone().unwrap_or_default(),
            ),
            _ => Shown::new(State::Pending, "Starting", "its containers are being started".to_owned()),
        },
        "Succeeded" => Shown::new(State::Pending, "Completed", "its Pod ended and is being replaced".to_owned()),
        _ => Shown::new(
            State::Failed,
            status.and_then(|status| status.reason.as_deref()).unwrap_or(phase),
            status.and_then(|status| status.message.clone()).unwrap_or_default(),
        ),
    }
}

/// Returns the two resources that every instance has, as a table shows them.
pub fn columns(size: &Resources) -> [String; 2] {
    [CPU, MEMORY].map(|name| size.named(name).map_or_else(|| "-".to_owned(), |amount| amount.to_string()))
}

#[cfg(test)]
pub(crate) mod tests;
