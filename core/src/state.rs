//! What an instance is shown to be, and how many of them are what.

use std::fmt;

use serde::{Deserialize, Serialize};

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
mod tests {
    use super::*;

    #[test]
    fn a_state_that_all_share_is_the_clusters() {
        assert_eq!(Counts::of([State::Running, State::Running]).shared(), Some(State::Running));
        assert_eq!(Counts::of([State::Running, State::Stopped]).shared(), None);
        assert_eq!(Counts::of([]).shared(), None);
    }
}
