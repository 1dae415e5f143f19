//! The words that every part of cmp shares. This module imports no other one of this crate.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The type of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstanceType {
    /// A StatefulSet with one replica.
    Container,
    /// A VirtualMachine of KubeVirt.
    Vm,
}

impl InstanceType {
    /// Returns the name on the command line and in labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Vm => "vm",
        }
    }
}

impl fmt::Display for InstanceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for InstanceType {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "container" => Ok(Self::Container),
            "vm" => Ok(Self::Vm),
            _ => Err(format!("{text:?} is not a type of instance: use container or vm")),
        }
    }
}

/// How far a change is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DryRun {
    /// The change is stored.
    None,
    /// The change is only judged here, and no request is sent.
    Client,
    /// The API server and cmp-webhook judge the change, and nothing is stored.
    Server,
}

/// A verb of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Switch the instance on.
    Start,
    /// Switch the instance off.
    Stop,
    /// Free the resources of the instance, and record who suspended it, when and why.
    Suspend,
    /// Bring a suspended instance back.
    Resume,
}

impl Verb {
    /// All verbs, in the order of this enum.
    pub const ALL: [Self; 4] = [Self::Start, Self::Stop, Self::Suspend, Self::Resume];

    /// Returns the verb as it is typed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
        }
    }

    /// Returns the past participle for messages: `instance/web-0 stopped`.
    pub fn done(self) -> &'static str {
        match self {
            Self::Start => "started",
            Self::Stop => "stopped",
            Self::Suspend => "suspended",
            Self::Resume => "resumed",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The mode of a suspension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The VM is frozen: it keeps its memory and its place on the node.
    Pause,
    /// The instance is switched off.
    Halt,
}

impl Mode {
    /// Returns the name as it is typed and stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Halt => "halt",
        }
    }

    /// Reads the name as it is stored. Everything else counts as halted.
    pub fn read(text: &str) -> Self {
        if text == Self::Pause.as_str() { Self::Pause } else { Self::Halt }
    }
}

/// The effect of a transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScheduleAction {
    /// The transition suspends the cluster.
    Suspend,
    /// The transition resumes the instances that a schedule suspended.
    Resume,
}

impl ScheduleAction {
    /// Returns the verb with the same effect.
    pub fn verb(self) -> Verb {
        match self {
            Self::Suspend => Verb::Suspend,
            Self::Resume => Verb::Resume,
        }
    }
}

impl fmt::Display for ScheduleAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.verb().fmt(f)
    }
}

/// The origin of a transition. On a suspended instance, it names the origin of the transition that will resume it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trigger {
    /// The lines of cron.
    Schedule,
    /// The single transition of a schedule.
    Once,
}

impl Trigger {
    /// All causes, in the order of this enum.
    pub const ALL: [Self; 2] = [Self::Schedule, Self::Once];

    /// Returns the name as it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Once => "once",
        }
    }

    /// Reads the name as it is stored.
    pub fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trigger| trigger.as_str() == text)
    }
}
