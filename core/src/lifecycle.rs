//! What may be asked of an instance, and what makes it so.

use std::fmt;

use jiff::Timestamp;

use crate::account::InstanceType;
use crate::instance::{Instance, Mode};
use crate::keys;
use crate::kubevirt;
use crate::name::InstanceName;
use crate::schedule::Cause;
use crate::state::State;

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

/// Who asks for a suspension, when and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// A username.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why, if it was said.
    pub reason: Option<String>,
    /// What is to wake it.
    pub woken_by: Option<Cause>,
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
                (keys::WOKEN_BY): remembered.and_then(|asker| asker.woken_by).map(Cause::as_str),
            },
        },
        "spec": spec,
    });
    Ok(Some(Act { patch, call }))
}

#[cfg(test)]
mod tests;
