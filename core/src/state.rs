//! The states of instances, and the number of instances in each state.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The state of an instance, as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The instance is to run, and does not run yet.
    Pending,
    /// The instance is up and running.
    Running,
    /// The instance is off.
    Stopped,
    /// The instance is off or frozen, with a record of how to resume it.
    Suspended,
    /// The instance is to run, and cannot.
    Failed,
}

impl State {
    /// Returns the name as it is shown.
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

/// The number of instances in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// The number of all instances.
    pub total: u32,
    /// The number of running instances.
    pub running: u32,
    /// The number of pending instances.
    pub pending: u32,
    /// The number of stopped instances.
    pub stopped: u32,
    /// The number of suspended instances.
    pub suspended: u32,
    /// The number of failed instances.
    pub failed: u32,
}

impl Counts {
    /// Counts the states of a set of instances.
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

    /// Returns the state that all instances share, if there is one.
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
mod tests {
    use super::*;

    #[test]
    fn the_state_that_all_instances_share_is_the_state_of_the_cluster() {
        assert_eq!(Counts::of([State::Running, State::Running]).shared(), Some(State::Running));
        assert_eq!(Counts::of([State::Running, State::Stopped]).shared(), None);
        assert_eq!(Counts::of([]).shared(), None);
    }
}
