//! `wait cluster`: the condition that is waited for.

use std::str::FromStr;

use crate::account::{Entry, HeldState};
use crate::state::State;

/// The condition that a cluster is to meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// All instances are in this state.
    State(State),
    /// The cluster is gone.
    Delete,
}

/// The states that a command can wait for.
const STATES: [State; 3] = [State::Running, State::Suspended, State::Stopped];

/// Every condition as it is typed.
pub const CONDITIONS: [&str; 4] = ["state=running", "state=suspended", "state=stopped", "delete"];

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let state = |name: &str| STATES.into_iter().find(|state| state.as_str() == name).map(Self::State);
        let condition = match text.split_once('=') {
            Some(("state", name)) => state(name),
            _ => (text == "delete").then_some(Self::Delete),
        };
        condition.ok_or_else(|| format!("{text:?} is no condition: use one of {}", CONDITIONS.join(", ")))
    }
}

/// Reports whether the cluster that had the entry `before` is gone. Another cluster may have taken its name.
pub fn is_gone(before: &Entry, now: &Entry) -> bool {
    let another = |uid: &str| !uid.is_empty() && now.uid() != Some(uid);
    !now.exists() || before.uid().is_some_and(another)
}

/// Reports whether the instances of a cluster can be made already.
pub fn is_open(entry: &Entry) -> bool {
    entry.held.as_ref().is_some_and(|held| held.state != HeldState::Preparing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::tests::{account, name};
    use crate::plan::tests::{HELD, WEB};

    #[test]
    fn a_condition_is_a_state_or_the_end() {
        for (text, expected) in [
            ("state=running", Condition::State(State::Running)),
            ("state=suspended", Condition::State(State::Suspended)),
            ("state=stopped", Condition::State(State::Stopped)),
            ("delete", Condition::Delete),
        ] {
            assert_eq!(text.parse(), Ok(expected));
        }
        assert!(CONDITIONS.iter().all(|text| text.parse::<Condition>().is_ok()));
        for wrong in ["", "running", "state=", "state=failed", "state=Running", "condition=Ready", "delete=x"] {
            assert!(wrong.parse::<Condition>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_cluster_is_gone_when_nothing_of_it_is_left_or_another_has_its_name() {
        let another = HELD.replace("\"u\"", "\"v\"");
        let unmade = HELD.replace("\"u\"", "\"\"");
        let entry = |rows: &[(&str, &str)]| account(rows).cluster(&name("web"));
        let web = [("want.web", WEB), ("held.web", HELD)];
        for (before, now, expected) in [
            (&web[..], &web[..], false),
            (&web, &web[1..], false),
            (&web, &[], true),
            (&web, &[("want.web", WEB)], true),
            (&web, &[("want.web", WEB), ("held.web", &another)], true),
            (&web[..1], &web[..1], false),
            (&web[..1], &web, false),
            (&[("held.web", &unmade)], &web, false),
        ] {
            assert_eq!(is_gone(&entry(before), &entry(now)), expected, "{before:?}, then {now:?}");
        }
        let preparing = HELD.replace("ready", "preparing");
        assert!(!is_open(&entry(&web[..1])) && !is_open(&entry(&[("held.web", &preparing)])) && is_open(&entry(&web)));
    }
}
