//! The life of one instance: what may be asked of it, and what it is shown to be.
//!
//! What was asked for is a label on the instance. What is shown is derived from it and from what the objects report;
//! it is never stored, so that it cannot go stale.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};

use crate::account::{InstanceType, Shape};
use crate::keys;
use crate::kubevirt::{self, VirtualMachine, VirtualMachineInstance};
use crate::manifest::amounts_of;
use crate::name::InstanceName;
use crate::quantity::Quantity;
use crate::resources::{CPU, MEMORY, Resources};

/// What an instance is shown to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is to run, and does not yet.
    Pending,
    /// It runs.
    Running,
    /// It is off.
    Stopped,
    /// It is off, or frozen, and remembers how to come back.
    Suspended,
    /// It is to run, and cannot.
    Failed,
}

impl State {
    /// As it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Suspended => "suspended",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What can be asked of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Switch it on.
    Start,
    /// Switch it off.
    Stop,
    /// Free what it uses, and remember.
    Suspend,
    /// Bring it back.
    Resume,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Start, Self::Stop, Self::Suspend, Self::Resume];

    /// As it is typed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
        }
    }

    /// What an instance is said to be after it: `instance/web-0 stopped`.
    pub fn done(self) -> &'static str {
        match self {
            Self::Start => "started",
            Self::Stop => "stopped",
            Self::Suspend => "suspended",
            Self::Resume => "resumed",
        }
    }

    /// The state that it leads to.
    fn target(self) -> State {
        match self {
            Self::Start | Self::Resume => State::Running,
            Self::Stop => State::Stopped,
            Self::Suspend => State::Suspended,
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a verb does to an instance in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// It changes.
    Change,
    /// It is so already.
    Already,
}

/// A verb that does not apply to an instance in its state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot {verb} {instance}: it is {state}, and a {state} instance can be {legal}")]
pub struct Illegal {
    /// Which instance.
    pub instance: InstanceName,
    /// In which state.
    pub state: State,
    /// What was asked.
    pub verb: Verb,
    legal: String,
}

impl Illegal {
    /// The verbs that do apply.
    pub fn legal(state: State) -> Vec<Verb> {
        Verb::ALL.into_iter().filter(|verb| transition(state, *verb) == Some(Transition::Change)).collect()
    }
}

/// The table of transitions; `None` is illegal.
pub fn transition(state: State, verb: Verb) -> Option<Transition> {
    use State::{Failed, Pending, Running, Stopped, Suspended};
    use Transition::{Already, Change};
    match (state, verb) {
        (Running | Pending | Failed, Verb::Stop | Verb::Suspend)
        | (Stopped, Verb::Start)
        | (Suspended, Verb::Resume) => Some(Change),
        // Asking for what was asked for already is no error.
        (Running | Pending | Failed, Verb::Start | Verb::Resume)
        | (Stopped, Verb::Stop)
        | (Suspended, Verb::Suspend) => Some(Already),
        (Stopped, Verb::Suspend | Verb::Resume) | (Suspended, Verb::Start | Verb::Stop) => None,
    }
}

/// Applies the table to one instance.
pub fn apply(instance: &InstanceName, state: State, verb: Verb) -> Result<Transition, Illegal> {
    transition(state, verb).ok_or_else(|| {
        let legal: Vec<&str> = Illegal::legal(state).into_iter().map(Verb::done).collect();
        Illegal { instance: instance.clone(), state, verb, legal: legal.join(" or ") }
    })
}

/// How something is suspended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Frozen: a VM keeps its memory and its place on the node.
    Pause,
    /// Switched off.
    Halt,
}

impl Mode {
    /// As it is typed and stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Halt => "halt",
        }
    }

    fn read(text: &str) -> Self {
        if text == Self::Pause.as_str() { Self::Pause } else { Self::Halt }
    }
}

/// What is remembered of a suspension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspension {
    /// Who asked for it: a username.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// How.
    pub mode: Mode,
    /// Why, if it was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Who asks for a suspension, when and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// A username.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why, if it was said.
    pub reason: Option<String>,
}

/// A call that is made after the patch: KubeVirt freezes a VM by a call of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Freeze it.
    Pause,
    /// Let it go on.
    Unpause,
}

impl Call {
    /// The subresource of the VirtualMachineInstance.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Unpause => "unpause",
        }
    }
}

/// What makes an instance what a verb asks: a merge patch, which carries the `resourceVersion` that was read, so that two
/// who write at once do not overwrite each other's memory; and the call that follows it. The wish is written first: where
/// the call does not come, it shows, and the same verb makes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    /// The merge patch.
    pub patch: serde_json::Value,
    /// The call after it.
    pub call: Option<Call>,
}

/// Why nothing is done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The verb does not apply.
    #[error(transparent)]
    Illegal(#[from] Illegal),
    /// A container has no memory to keep.
    #[error("containers cannot be paused: use --mode halt")]
    NoPause,
}

/// Decides what a verb does to an instance; `None` if it is so already.
pub fn act(shown: &Instance, verb: Verb, mode: Option<Mode>, asker: Option<&Asker>) -> Result<Option<Act>, Refusal> {
    if verb == Verb::Suspend && mode == Some(Mode::Pause) && shown.kind == InstanceType::Container {
        return Err(Refusal::NoPause);
    }
    let target = verb.target();
    // A pause, or the end of one, that was written down and not carried out.
    let half_done = shown.kind == InstanceType::Vm && shown.asked.is_some_and(|asked| asked != target);
    // What is paused can still be switched off, to free what it keeps.
    let deeper = verb == Verb::Suspend && mode == Some(Mode::Halt) && shown.paused;
    match apply(&shown.name, shown.state, verb)? {
        Transition::Already if !half_done && !deeper => return Ok(None),
        Transition::Already | Transition::Change => {}
    }
    let on = target == State::Running;
    let runs = shown.state == State::Running || shown.paused;
    let pauses = shown.kind == InstanceType::Vm && runs && mode != Some(Mode::Halt);
    let (call, mode) = match verb {
        Verb::Suspend if pauses => (Some(Call::Pause), Mode::Pause),
        Verb::Resume if shown.paused => (Some(Call::Unpause), Mode::Pause),
        _ => (None, Mode::Halt),
    };
    let remembered = asker.filter(|_| verb == Verb::Suspend);
    let spec = match (call, shown.kind) {
        // A pause leaves the machine on.
        (Some(_), _) => serde_json::json!({}),
        (None, InstanceType::Container) => serde_json::json!({ "replicas": i32::from(on) }),
        (None, InstanceType::Vm) => {
            serde_json::json!({ "runStrategy": if on { kubevirt::ALWAYS } else { kubevirt::HALTED } })
        }
    };
    let patch = serde_json::json!({
        "metadata": {
            "resourceVersion": shown.version,
            "labels": { (keys::ASKED): target.as_str() },
            // null removes what an earlier suspension left.
            "annotations": {
                (keys::SUSPENDED_BY): remembered.map(|asker| &asker.by),
                (keys::SUSPENDED_AT): remembered.map(|asker| asker.at.to_string()),
                (keys::SUSPEND_REASON): remembered.and_then(|asker| asker.reason.as_ref()),
                (keys::SUSPEND_MODE): remembered.map(|_| mode.as_str()),
            },
        },
        "spec": spec,
    });
    Ok(Some(Act { patch, call }))
}

/// An instance as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// Its name.
    pub name: InstanceName,
    /// What it is.
    pub kind: InstanceType,
    /// What it is shown to be.
    pub state: State,
    /// Why it is pending or failed, in a word: `Unschedulable`.
    pub reason: Option<String>,
    /// The same in a sentence.
    pub message: Option<String>,
    /// What it asks for.
    pub size: Resources,
    /// Its image.
    pub image: Option<String>,
    /// The node it runs on.
    pub node: Option<String>,
    /// Its address in the cluster.
    pub ip: Option<String>,
    /// How often its containers were restarted.
    pub restarts: i32,
    /// What is remembered of its suspension.
    pub suspension: Option<Suspension>,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Its uid.
    pub uid: String,
    /// The version that was read.
    pub version: String,
    /// The state that was asked for.
    pub asked: Option<State>,
    /// Whether it is switched on, whatever has come of that.
    pub on: bool,
    /// Whether something still runs for it though it is switched off.
    pub ending: bool,
    /// Whether it is a VM that is frozen.
    pub paused: bool,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// Derives what a container instance is shown to be from its StatefulSet and the Pods of its Namespace; `None` for a
/// StatefulSet that is not named as an instance of this Namespace.
pub fn of_stateful_set(set: &StatefulSet, pods: &[Pod]) -> Option<Instance> {
    let name: InstanceName = set.metadata.name.as_ref()?.parse().ok()?;
    if set.metadata.namespace.as_deref() != Some(name.cluster.namespace().as_str()) {
        return None;
    }
    let spec = set.spec.as_ref();
    let replicas = spec.and_then(|spec| spec.replicas).unwrap_or(1);
    let pod_name = format!("{name}-0");
    let pod = pods.iter().find(|pod| pod.metadata.name.as_deref() == Some(pod_name.as_str()));
    let shown = match (replicas, asked(&set.metadata)) {
        (0, Some(State::Suspended)) => Shown::plain(State::Suspended),
        (0, _) => Shown::plain(State::Stopped),
        _ => pod
            .map_or_else(|| Shown::new(State::Pending, "NoPod", "its Pod has not been created yet".to_owned()), of_pod),
    };
    let template = spec.and_then(|spec| spec.template.spec.as_ref());
    let status = pod.and_then(|pod| pod.status.as_ref());
    let running = matches!(shown.state, State::Running | State::Pending | State::Failed);
    Some(Instance {
        kind: InstanceType::Container,
        state: shown.state,
        reason: shown.reason,
        message: shown.message,
        size: template.and_then(|pod| footprint(pod, Rule::Limits)).unwrap_or_default(),
        image: template.and_then(|pod| pod.containers.first()).and_then(|container| container.image.clone()),
        node: pod.filter(|_| running).and_then(|pod| pod.spec.as_ref()).and_then(|spec| spec.node_name.clone()),
        ip: status.filter(|_| running).and_then(|status| status.pod_ip.clone()),
        restarts: container_statuses(pod).map(|status| status.restart_count).sum(),
        suspension: suspension(&set.metadata).filter(|_| shown.state == State::Suspended),
        created: set.metadata.creation_timestamp.as_ref().map(|time| time.0),
        uid: set.metadata.uid.clone().unwrap_or_default(),
        version: set.metadata.resource_version.clone().unwrap_or_default(),
        asked: asked(&set.metadata),
        on: replicas > 0,
        ending: replicas == 0 && pod.is_some(),
        paused: false,
        labels: set.metadata.labels.clone().unwrap_or_default(),
        name,
    })
}

/// Derives what a VM is shown to be from its VirtualMachine and the VirtualMachineInstances of its Namespace; `None` for
/// a VirtualMachine that is not named as an instance of this Namespace.
pub fn of_virtual_machine(vm: &VirtualMachine, running: &[VirtualMachineInstance]) -> Option<Instance> {
    let name: InstanceName = vm.metadata.name.as_ref()?.parse().ok()?;
    if vm.metadata.namespace.as_deref() != Some(name.cluster.namespace().as_str()) {
        return None;
    }
    let on = vm.is_on();
    let asked = asked(&vm.metadata);
    let instance = running.iter().find(|running| running.metadata.name == vm.metadata.name);
    let shown = match asked {
        Some(State::Suspended) if !on => Shown::plain(State::Suspended),
        _ if !on => Shown::plain(State::Stopped),
        _ => of_status(vm, instance),
    };
    let shown = match (shown.state, asked) {
        (State::Running, Some(State::Suspended)) => Shown::new(
            State::Running,
            "NotPausedYet",
            "it was to be paused and is not yet: suspend it again".to_owned(),
        ),
        (State::Suspended, Some(State::Running)) => {
            Shown::new(State::Suspended, "StillPaused", "it was to go on and does not yet: resume it again".to_owned())
        }
        _ => shown,
    };
    let machine = &vm.spec.template.spec;
    Some(Instance {
        kind: InstanceType::Vm,
        state: shown.state,
        reason: shown.reason,
        message: shown.message,
        size: machine.size().unwrap_or_default(),
        image: machine.image(),
        node: instance.filter(|_| on).and_then(|instance| instance.status.node_name.clone()),
        ip: instance.filter(|_| on).and_then(|instance| instance.status.interfaces.first()?.ip_address.clone()),
        restarts: 0,
        suspension: suspension(&vm.metadata).filter(|_| shown.state == State::Suspended),
        created: vm.metadata.creation_timestamp.as_ref().map(|time| time.0),
        uid: vm.metadata.uid.clone().unwrap_or_default(),
        version: vm.metadata.resource_version.clone().unwrap_or_default(),
        labels: vm.metadata.labels.clone().unwrap_or_default(),
        asked,
        on,
        ending: !on && instance.is_some(),
        paused: vm.is_paused(),
        name,
    })
}

/// What is shown of a VM that is switched on, by `status.printableStatus`: all that KubeVirt 1.7 can write there.
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
        "Running" | "Migrating" => return Shown::plain(State::Running),
        "Paused" => return Shown::plain(State::Suspended),
        "ErrorPvcNotFound" => (State::Failed, "a claim that it needs does not exist"),
        "DataVolumeError" => (State::Failed, "the disk that it needs could not be made"),
        "ErrImagePull" | "ImagePullBackOff" => (State::Failed, "the image of its disk cannot be pulled"),
        "CrashLoopBackOff" => (State::Failed, "it ends again and again"),
        "Unknown" => (State::Failed, "its node does not answer"),
        "ErrorUnschedulable" => (State::Pending, "no node has room for it"),
        "Terminating" => (State::Pending, "it is being deleted"),
        "Stopping" => (State::Pending, "its last run is still ending"),
        "WaitingForVolumeBinding" => (State::Pending, "its disk is being made"),
        "WaitingForReceiver" => (State::Pending, "it waits for a migration"),
        // Starting, Provisioning, Stopped before it is started, and what a later KubeVirt may say.
        _ => (State::Pending, "it is being started"),
    };
    // What refused it says more than the one word.
    match refused.or(unsynchronized).or(unscheduled) {
        Some((reason, message)) if !message.is_empty() && status != "Stopping" => {
            let state = if reason == "FailedCreate" && status == "Stopped" { State::Failed } else { state };
            Shown::new(state, &reason, message)
        }
        _ => Shown::new(state, status, plain.to_owned()),
    }
}

fn asked(metadata: &ObjectMeta) -> Option<State> {
    let label = metadata.labels.as_ref()?.get(keys::ASKED)?;
    [State::Running, State::Stopped, State::Suspended].into_iter().find(|state| state.as_str() == label)
}

fn suspension(metadata: &ObjectMeta) -> Option<Suspension> {
    let annotations = metadata.annotations.as_ref()?;
    Some(Suspension {
        by: annotations.get(keys::SUSPENDED_BY)?.clone(),
        at: annotations.get(keys::SUSPENDED_AT)?.parse().ok()?,
        mode: Mode::read(annotations.get(keys::SUSPEND_MODE).map_or("", String::as_str)),
        reason: annotations.get(keys::SUSPEND_REASON).cloned(),
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

/// Waiting for one of these passes by itself.
const PASSING: [&str; 2] = ["ContainerCreating", "PodInitializing"];

fn of_pod(pod: &Pod) -> Shown {
    let status = pod.status.as_ref();
    let phase = status.and_then(|status| status.phase.as_deref()).unwrap_or("Pending");
    if pod.metadata.deletion_timestamp.is_some() {
        return Shown::new(State::Pending, "Terminating", "its last Pod is still going".to_owned());
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

/// Which of the two amounts of a container counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// What the scheduler sets aside.
    Requests,
    /// What it may use at the most.
    Limits,
}

/// The resources that a Pod itself can name, beside its containers; others it may name are not counted.
const POD_LEVEL: [&str; 2] = [CPU, MEMORY];

/// What a Pod costs, as Kubernetes counts it (`PodRequests` and `PodLimits` of k8s.io/component-helpers): the sum of
/// containers and sidecars, or the largest init container with the sidecars started before it, whichever is more;
/// pod-level resources instead of the sum where they are named; plus the overhead of its runtime class.
/// `None` if an amount cannot be read or the sum does not fit: then it is more than anything.
pub fn footprint(pod: &k8s_openapi::api::core::v1::PodSpec, rule: Rule) -> Option<Resources> {
    let of = |resources: Option<&k8s_openapi::api::core::v1::ResourceRequirements>| {
        let amounts = resources.and_then(|resources| match rule {
            Rule::Requests => resources.requests.as_ref(),
            Rule::Limits => resources.limits.as_ref(),
        });
        amounts_of(amounts).map(named)
    };
    let mut sum = Resources::default();
    for container in &pod.containers {
        sum = sum.checked_add(&of(container.resources.as_ref())?)?;
    }
    let (mut sidecars, mut largest) = (Resources::default(), Resources::default());
    for container in pod.init_containers.iter().flatten() {
        let amounts = of(container.resources.as_ref())?;
        if container.restart_policy.as_deref() == Some("Always") {
            sum = sum.checked_add(&amounts)?;
            sidecars = sidecars.checked_add(&amounts)?;
            largest = largest.max(&sidecars);
        } else {
            largest = largest.max(&sidecars.checked_add(&amounts)?);
        }
    }
    let mut total = sum.max(&largest);
    for (name, amount) in of(pod.resources.as_ref())?.iter().filter(|(name, _)| POD_LEVEL.contains(&name.as_str())) {
        total.set(name.clone(), amount);
    }
    let overhead = named(amounts_of(pod.overhead.as_ref())?);
    match rule {
        Rule::Requests => total.checked_add(&overhead),
        Rule::Limits => {
            let limited = overhead.iter().filter(|(name, _)| !total.get(name).is_zero());
            let limited: Resources = limited.map(|(name, amount)| (name.clone(), amount)).collect();
            total.checked_add(&limited)
        }
    }
}

/// The amounts that are resources of ours; others cannot be in a size.
fn named(amounts: crate::manifest::Amounts) -> Resources {
    amounts.into_iter().filter_map(|(name, amount)| Some((name.parse().ok()?, amount))).collect()
}

/// What is left of a cluster, by quorum lists.
#[derive(Debug, Clone)]
pub struct Remains {
    /// Its StatefulSets.
    pub sets: Vec<StatefulSet>,
    /// Its Pods; of a cluster of VMs they are KubeVirt's, and ask for other amounts than their guests see.
    pub pods: Vec<Pod>,
    /// Its VirtualMachines.
    pub machines: Vec<VirtualMachine>,
    /// Those of them that are on.
    pub running: Vec<VirtualMachineInstance>,
    /// The storage its claims ask for, in all.
    pub storage: Quantity,
}

impl Default for Remains {
    fn default() -> Self {
        Self { sets: vec![], pods: vec![], machines: vec![], running: vec![], storage: Quantity::ZERO }
    }
}

/// Whether what is left fits a shape; if not, what is too much.
pub fn fits(remains: &Remains, kind: InstanceType, to: &Shape) -> Result<(), String> {
    let sets = remains.sets.iter().map(|set| {
        let on = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1) > 0;
        (&set.metadata, on)
    });
    let machines = remains.machines.iter().map(|vm| (&vm.metadata, vm.is_on()));
    for (metadata, on) in sets.chain(machines) {
        let name = metadata.name.clone().unwrap_or_default();
        let index = name.parse::<InstanceName>().map(|instance| instance.index);
        if !index.is_ok_and(|index| index < to.count) {
            return Err(format!("instance {name} still exists"));
        }
        if to.released && on {
            return Err(format!("instance {name} is not off"));
        }
    }
    // The next guest of a VM that is on is made without anybody being asked; of one that is off, a policy is.
    for vm in remains.machines.iter().filter(|vm| vm.is_on()) {
        let name = vm.metadata.name.as_deref().unwrap_or_default();
        match vm.spec.template.spec.size() {
            None => return Err(format!("instance {name} has more than can be counted")),
            Some(size) if !size.fits(&to.size) => return Err(format!("instance {name} still is to have {size}")),
            Some(_) => {}
        }
    }
    let pods = remains.pods.iter().filter_map(|pod| {
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        let ended = matches!(phase, Some("Succeeded" | "Failed"));
        // `None` is a Pod that cannot be counted, and more than anything.
        let size = footprint(pod.spec.as_ref().filter(|_| !ended)?, Rule::Requests);
        Some((format!("Pod {}", pod.metadata.name.as_deref().unwrap_or_default()), size))
    });
    let running =
        remains.running.iter().filter(|running| !running.ended()).map(|running| {
            (format!("VM {}", running.metadata.name.as_deref().unwrap_or_default()), running.spec.size())
        });
    let living: Vec<(String, Option<Resources>)> = match kind {
        InstanceType::Container => pods.collect(),
        InstanceType::Vm => running.collect(),
    };
    for (at, (name, size)) in living.iter().enumerate() {
        if to.released || u32::try_from(at).is_ok_and(|at| at >= to.count) {
            return Err(format!("{name} still exists"));
        }
        let Some(size) = size else { return Err(format!("{name} has more than can be counted")) };
        if !size.fits(&to.size) {
            return Err(format!("{name} still has {size}"));
        }
    }
    let storage = to.size.named(crate::resources::STORAGE).and_then(|storage| storage.checked_mul(to.count));
    if remains.storage > storage.unwrap_or(Quantity::ZERO) {
        return Err("claims still hold more storage".to_owned());
    }
    Ok(())
}

/// The two resources that every instance has, as a table shows them.
pub fn columns(size: &Resources) -> [String; 2] {
    [CPU, MEMORY].map(|name| size.named(name).map_or_else(|| "<none>".to_owned(), |amount| amount.to_string()))
}

/// How many instances are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// In all.
    pub total: u32,
    /// Running.
    pub running: u32,
    /// Pending.
    pub pending: u32,
    /// Stopped.
    pub stopped: u32,
    /// Suspended.
    pub suspended: u32,
    /// Failed.
    pub failed: u32,
}

impl Counts {
    /// Counts states.
    pub fn of(states: impl IntoIterator<Item = State>) -> Self {
        let mut counts = Self::default();
        for state in states {
            counts.total += 1;
            match state {
                State::Pending => counts.pending += 1,
                State::Running => counts.running += 1,
                State::Stopped => counts.stopped += 1,
                State::Suspended => counts.suspended += 1,
                State::Failed => counts.failed += 1,
            }
        }
        counts
    }

    /// The state that all share, if there is one.
    pub fn shared(self) -> Option<State> {
        [
            (self.pending, State::Pending),
            (self.running, State::Running),
            (self.stopped, State::Stopped),
            (self.suspended, State::Suspended),
            (self.failed, State::Failed),
        ]
        .into_iter()
        .find(|(count, _)| *count > 0 && *count == self.total)
        .map(|(_, state)| state)
    }
}

#[cfg(test)]
mod tests;
