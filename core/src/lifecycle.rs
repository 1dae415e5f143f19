//! The verbs of an instance: the table of transitions, and the patch that executes a verb.

use jiff::Timestamp;

use crate::instance::Instance;
use crate::keys;
use crate::kubevirt;
use crate::name::InstanceName;
use crate::state::State;
use crate::vocabulary::{InstanceType, Mode, Trigger, Verb};

/// Returns the state that a verb leads to.
fn target(verb: Verb) -> State {
    match verb {
        Verb::Start | Verb::Resume => State::Running,
        Verb::Stop => State::Stopped,
        Verb::Suspend => State::Suspended,
    }
}

/// The effect of a verb on an instance in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The verb changes the state.
    Change,
    /// The instance is in that state already.
    Already,
}

/// A verb that does not apply to an instance in its state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot {verb} {instance}: it is {state}, and a {state} instance can be {legal}")]
pub struct Illegal {
    /// The name of the instance.
    pub instance: InstanceName,
    /// The state of the instance.
    pub state: State,
    /// The verb that was asked for.
    pub verb: Verb,
    legal: String,
}

impl Illegal {
    /// Adds the way in which a paused VM is switched off.
    fn of_paused(mut self) -> Self {
        self.legal.push_str("; suspend --mode halt shuts it down");
        self
    }

    /// Returns the verbs that change an instance in this state.
    pub fn legal(state: State) -> Vec<Verb> {
        Verb::ALL.into_iter().filter(|verb| transition(state, *verb) == Some(Effect::Change)).collect()
    }
}

/// Returns the entry of the transition table; `None` is an illegal transition.
pub fn transition(state: State, verb: Verb) -> Option<Effect> {
    use Effect::{Already, Change};
    use State::{Failed, Pending, Running, Stopped, Suspended};
    match (state, verb) {
        (Running | Pending | Failed, Verb::Stop | Verb::Suspend)
        | (Stopped, Verb::Start)
        | (Suspended, Verb::Resume) => Some(Change),
        // Asking again for the same state is not an error.
        (Running | Pending | Failed, Verb::Start | Verb::Resume)
        | (Stopped, Verb::Stop)
        | (Suspended, Verb::Suspend) => Some(Already),
        (Stopped, Verb::Suspend | Verb::Resume) | (Suspended, Verb::Start | Verb::Stop) => None,
    }
}

/// Applies the transition table to one instance.
pub fn apply(instance: &InstanceName, state: State, verb: Verb) -> Result<Effect, Illegal> {
    transition(state, verb).ok_or_else(|| {
        let legal: Vec<&str> = Illegal::legal(state).into_iter().map(Verb::done).collect();
        Illegal { instance: instance.clone(), state, verb, legal: legal.join(" or ") }
    })
}

/// The request for a suspension: its author, time and reason. The decision adds the mode, and the instance stores both as a
/// [`Suspension`](crate::instance::Suspension).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuspensionRequest {
    /// The username of the user who asked for the suspension.
    pub by: String,
    /// The time of the suspension.
    pub at: Timestamp,
    /// The reason, if one was given.
    pub reason: Option<String>,
    /// The cause that will resume the instance.
    pub woken_by: Option<Trigger>,
}

/// A call that follows the patch. KubeVirt freezes a VM by a call of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Freeze the VM in its memory.
    Pause,
    /// Let a frozen VM go on.
    Unpause,
    /// Let a frozen VM go on that is being switched off. A frozen guest does not notice the request to shut down, and
    /// KubeVirt kills it at the end of its grace period. The VM ends without this call, too, so that its failure is no
    /// failure of the verb.
    Thaw,
}

impl Call {
    /// Returns the subresource of the VirtualMachineInstance.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Unpause | Self::Thaw => "unpause",
        }
    }
}

/// The requests that execute a verb: a merge patch, and the call that follows it.
///
/// The patch carries the `resourceVersion` that was read, so that two concurrent writers do not overwrite each other's
/// record. The wish is written first. If the call does not follow, the shown state says so, and the same verb makes the
/// call.
#[derive(Debug, Clone, PartialEq)]
pub struct SwitchRequests {
    /// The merge patch of the StatefulSet or the VirtualMachine.
    pub patch: serde_json::Value,
    /// The call after the patch.
    pub call: Option<Call>,
}

/// The reason why a verb is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The verb does not apply in this state.
    #[error(transparent)]
    Illegal(#[from] Illegal),
    /// A container cannot be paused, because it has no memory to keep.
    #[error("containers cannot be paused: use --mode halt")]
    NoPause,
}

/// Decides the requests that execute a verb on an instance. Returns `None` if the instance is in the desired state
/// already.
pub fn switch_requests(
    shown: &Instance,
    verb: Verb,
    mode: Option<Mode>,
    suspension: Option<&SuspensionRequest>,
) -> Result<Option<SwitchRequests>, Refusal> {
    if verb == Verb::Suspend && mode == Some(Mode::Pause) && shown.kind == InstanceType::Container {
        return Err(Refusal::NoPause);
    }
    let target = target(verb);
    // A pause, or the end of a pause, was recorded and not executed.
    let half_done = shown.kind == InstanceType::Vm && shown.asked.is_some_and(|asked| asked != target);
    // A paused VM can still be switched off, which frees its memory.
    let deeper = verb == Verb::Suspend && mode == Some(Mode::Halt) && shown.paused;
    let applied = apply(&shown.name, shown.state, verb);
    let applied =
        applied.map_err(|illegal| if shown.paused && verb == Verb::Stop { illegal.of_paused() } else { illegal });
    match applied? {
        Effect::Already if !half_done && !deeper => return Ok(None),
        Effect::Already | Effect::Change => {}
    }
    let on = target == State::Running;
    let runs = shown.state == State::Running || shown.paused;
    let pauses = shown.kind == InstanceType::Vm && runs && mode.unwrap_or(shown.disk.mode()) == Mode::Pause;
    let (call, mode) = match verb {
        Verb::Suspend if pauses => (Some(Call::Pause), Mode::Pause),
        Verb::Resume if shown.paused => (Some(Call::Unpause), Mode::Pause),
        Verb::Suspend | Verb::Stop if shown.paused => (Some(Call::Thaw), Mode::Halt),
        _ => (None, Mode::Halt),
    };
    let remembered = suspension.filter(|_| verb == Verb::Suspend);
    let spec = match (call, shown.kind) {
        // A pause leaves the machine on.
        (Some(Call::Pause | Call::Unpause), _) => serde_json::json!({}),
        (_, InstanceType::Container) => serde_json::json!({ "replicas": i32::from(on) }),
        (_, InstanceType::Vm) => {
            serde_json::json!({ "runStrategy": if on { kubevirt::ALWAYS } else { kubevirt::HALTED } })
        }
    };
    let patch = serde_json::json!({
        "metadata": {
            "resourceVersion": shown.version,
            "labels": { (keys::ASKED): target.as_str() },
            // `null` removes the record of an earlier suspension.
            "annotations": {
                (keys::SUSPENDED_BY): remembered.map(|suspension| &suspension.by),
                (keys::SUSPENDED_AT): remembered.map(|suspension| suspension.at.to_string()),
                (keys::SUSPEND_REASON): remembered.and_then(|suspension| suspension.reason.as_ref()),
                (keys::SUSPEND_MODE): remembered.map(|_| mode.as_str()),
                (keys::WOKEN_BY): remembered.and_then(|suspension| suspension.woken_by).map(Trigger::as_str),
            },
        },
        "spec": spec,
    });
    Ok(Some(SwitchRequests { patch, call }))
}

#[cfg(test)]
mod tests;
