//! The progress of many instances towards one goal, in one line.

use std::collections::BTreeMap;
use std::fmt;

use crate::instance::Instance;
use crate::name::InstanceName;
use crate::state::State;

pub mod clock;

/// The goal that instances are to reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// The instances are in this state, and nothing of another state is left.
    State(State),
    /// The instances are gone.
    Gone,
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State(state) => state.fmt(f),
            Self::Gone => f.pad("gone"),
        }
    }
}

/// An instance that has not reached the goal yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Late {
    /// The name of the instance.
    pub name: InstanceName,
    /// The present state of the instance, or `ending`.
    pub is: &'static str,
    /// The reason, if it is known.
    pub why: Option<String>,
}

/// The progress of the instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// The goal of the instances.
    pub goal: Goal,
    /// The number of the instances.
    pub total: usize,
    /// The instances that have not reached the goal. The most informative one comes first.
    pub late: Vec<Late>,
}

/// Compares the goal with the shown instances. An instance that is not shown counts as pending, or as gone if that is
/// the goal.
pub fn tally(goal: Goal, names: &[InstanceName], shown: &[Instance]) -> Tally {
    let shown: BTreeMap<&InstanceName, &Instance> = shown.iter().map(|instance| (&instance.name, instance)).collect();
    let mut late: Vec<(Late, Option<jiff::Timestamp>)> = Vec::new();
    for name in names {
        let instance = shown.get(name).copied();
        let is = match (goal, instance) {
            (Goal::Gone, None) => continue,
            (Goal::State(state), Some(instance)) if instance.state == state && !instance.ending => continue,
            (_, None) => State::Pending.as_str(),
            (Goal::Gone, Some(_)) => "ending",
            (_, Some(instance)) if instance.ending => "ending",
            (_, Some(instance)) => instance.state.as_str(),
        };
        let why = instance.and_then(|instance| instance.message.clone().or_else(|| instance.reason.clone()));
        late.push((Late { name: name.clone(), is, why }, instance.and_then(|instance| instance.created)));
    }
    // A failed instance comes first, because waiting does not help it. Among the others, the one with a reason and the
    // longest wait is the most informative.
    late.sort_by_key(|(late, created)| (late.is != State::Failed.as_str(), late.why.is_none(), *created));
    Tally { goal, total: names.len(), late: late.into_iter().map(|(late, _)| late).collect() }
}

impl Tally {
    /// Reports whether all instances have reached the goal.
    pub fn is_done(&self) -> bool {
        self.late.is_empty()
    }

    /// Returns the number of instances that have reached the goal, and the numbers of the others: `73/100 running, 27
    /// pending`.
    pub fn counts(&self) -> String {
        let mut counts = format!("{}/{} {}", self.total.saturating_sub(self.late.len()), self.total, self.goal);
        let mut others: BTreeMap<&str, usize> = BTreeMap::new();
        for late in &self.late {
            *others.entry(late.is).or_default() += 1;
        }
        for (is, count) in others {
            counts.push_str(&format!(", {count} {is}"));
        }
        counts
    }

    /// Returns the reason why one instance has not reached the goal: `web-81: 0/3 nodes are available`.
    pub fn why(&self) -> Option<String> {
        let late = self.late.first()?;
        Some(format!("{}: {}", late.name, late.why.as_deref()?))
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.counts())?;
        match self.why() {
            Some(why) => write!(f, " ({why})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::containers::Metadata;
    use crate::vocabulary::InstanceType;

    /// Reads an instance from text such as `web-1 pending 30 no node`: name, state, age in seconds, reason.
    fn instance(text: &str) -> Instance {
        let mut words = text.splitn(4, ' ');
        let name: InstanceName = words.next().unwrap().parse().unwrap();
        let (state, ending) = match words.next().unwrap() {
            "pending" => (State::Pending, false),
            "running" => (State::Running, false),
            "failed" => (State::Failed, false),
            "suspended" => (State::Suspended, false),
            "ending" => (State::Suspended, true),
            other => panic!("{other}"),
        };
        let age: i64 = words.next().unwrap_or("0").parse().unwrap();
        Instance {
            message: words.next().map(str::to_owned),
            created: Some(Timestamp::UNIX_EPOCH - SignedDuration::from_secs(age)),
            on: !ending,
            ending,
            ..Instance::new(name, InstanceType::Container, state, &Metadata::default())
        }
    }

    fn check(goal: Goal, count: u32, shown: &[&str], expected: &str) {
        let names: Vec<InstanceName> = (0..count).map(|index| format!("web-{index}").parse().unwrap()).collect();
        let shown: Vec<Instance> = shown.iter().map(|text| instance(text)).collect();
        let tally = tally(goal, &names, &shown);
        assert_eq!(tally.to_string(), expected);
        assert_eq!(tally.is_done(), expected == format!("{count}/{count} {goal}"));
    }

    #[test]
    fn the_line_counts_instances_and_has_the_reason_of_a_late_one() {
        let running = Goal::State(State::Running);
        check(running, 2, &["web-0 running", "web-1 running"], "2/2 running");
        check(running, 3, &["web-0 running"], "1/3 running, 2 pending");
        check(
            running,
            3,
            &["web-0 running", "web-1 pending 5 new", "web-2 pending 30 no node"],
            "1/3 running, 2 pending (web-2: no node)",
        );
        check(
            running,
            3,
            &["web-0 failed 1 no such image", "web-1 pending 30 no node", "web-2 pending 99"],
            "0/3 running, 1 failed, 2 pending (web-0: no such image)",
        );
        check(running, 0, &[], "0/0 running");
    }

    #[test]
    fn an_instance_is_suspended_only_when_nothing_of_it_runs() {
        let suspended = Goal::State(State::Suspended);
        check(suspended, 2, &["web-0 suspended", "web-1 ending"], "1/2 suspended, 1 ending");
        check(suspended, 2, &["web-0 running", "web-1 ending"], "0/2 suspended, 1 ending, 1 running");
        check(suspended, 1, &["web-0 suspended", "web-1 running"], "1/1 suspended");
    }

    #[test]
    fn an_instance_that_is_not_listed_is_gone() {
        check(Goal::Gone, 3, &["web-1 running 5 on its way"], "2/3 gone, 1 ending (web-1: on its way)");
        check(Goal::Gone, 2, &[], "2/2 gone");
    }
}
