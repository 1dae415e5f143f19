//! How far many instances have come on the way to one state, in one line.

use std::collections::BTreeMap;
use std::fmt;

use crate::instance::Instance;
use crate::name::InstanceName;
use crate::state::State;

/// What instances are to come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// To this state, with nothing left that belongs to another.
    State(State),
    /// To be gone.
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

/// An instance that has not come there yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Late {
    /// Which.
    pub name: InstanceName,
    /// What it is instead: a state, or `ending`.
    pub is: &'static str,
    /// Why, if that is known.
    pub why: Option<String>,
}

/// How far they have come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// To what.
    pub goal: Goal,
    /// How many they are.
    pub total: usize,
    /// Those that are not there yet; the one that tells most of why comes first.
    pub late: Vec<Late>,
}

/// Compares what is to be with what is shown. An instance that is not shown is pending, and gone if it is to be.
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
    // What failed will not come by waiting; of the others the one that has been waiting longest says most.
    late.sort_by_key(|(late, created)| (late.is != State::Failed.as_str(), late.why.is_none(), *created));
    Tally { goal, total: names.len(), late: late.into_iter().map(|(late, _)| late).collect() }
}

impl Tally {
    /// Whether all have come there.
    pub fn is_done(&self) -> bool {
        self.late.is_empty()
    }

    /// How many are there, and how many are what else: `73/100 running, 27 pending`.
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

    /// Why one of them is not there yet: `web-81: 0/3 nodes are available`.
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
    use crate::account::InstanceType;
    use crate::containers::Metadata;

    /// An instance written `web-1 pending 30 no node`: its name, what it is, its age in seconds, and why.
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
    fn the_line_says_how_many_have_come_there_and_why_one_has_not() {
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
    fn what_is_off_is_suspended_only_when_nothing_of_it_runs() {
        let suspended = Goal::State(State::Suspended);
        check(suspended, 2, &["web-0 suspended", "web-1 ending"], "1/2 suspended, 1 ending");
        check(suspended, 2, &["web-0 running", "web-1 ending"], "0/2 suspended, 1 ending, 1 running");
        check(suspended, 1, &["web-0 suspended", "web-1 running"], "1/1 suspended");
    }

    #[test]
    fn what_is_not_shown_is_gone() {
        check(Goal::Gone, 3, &["web-1 running 5 on its way"], "2/3 gone, 1 ending (web-1: on its way)");
        check(Goal::Gone, 2, &[], "2/2 gone");
    }
}
