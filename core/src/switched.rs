//! The verbs in the story of a cluster: who suspended, resumed, started or stopped which of its instances.
//!
//! The label of an instance records the state that was asked for. The API server keeps the field manager that wrote it
//! last, and the time. A policy lets no user sign for another one.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::keys;
use crate::name::{ClusterName, InstanceName};
use crate::state::State;
use crate::story::{Told, by, note, signer};
use crate::vocabulary::{Mode, Verb};

/// The most groups of instances that one batch tells apart. Each reason of a suspension makes a group of its own.
const GROUPS: usize = 10;

/// Returns the verb that leads from one wished state to another. An instance that was never switched was made to run.
pub fn verb(before: Option<State>, after: Option<State>) -> Option<Verb> {
    match (before.unwrap_or(State::Running), after.unwrap_or(State::Running)) {
        (before, after) if before == after => None,
        (_, State::Suspended) => Some(Verb::Suspend),
        (_, State::Stopped) => Some(Verb::Stop),
        (State::Suspended, _) => Some(Verb::Resume),
        _ => Some(Verb::Start),
    }
}

/// The last writer of the wished state of an instance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Writer {
    /// A person who signed.
    Person(String),
    /// Somebody who did not sign.
    Unsigned,
    /// A schedule. The account records its transitions, and they are told from there.
    Schedule,
}

/// Returns the last writer of the wished state, and when that was.
fn writer(metadata: &ObjectMeta) -> Option<(Writer, Timestamp)> {
    let label = format!("f:{}", keys::ASKED);
    let entries = metadata.managed_fields.iter().flatten();
    let owners = entries.filter(|entry| {
        let fields = entry.fields_v1.as_ref().and_then(|fields| fields.0.get("f:metadata")?.get("f:labels"));
        fields.is_some_and(|labels| labels.get(&label).is_some())
    });
    // A change of the value takes it from all earlier managers. A later one of the same value shares it.
    let first = owners.min_by_key(|entry| entry.time.as_ref().map(|time| time.0))?;
    let manager = first.manager.as_deref().unwrap_or_default();
    let writer = match signer(manager) {
        Some(username) => Writer::Person(username.to_owned()),
        None if manager == keys::WEBHOOK => Writer::Schedule,
        None => Writer::Unsigned,
    };
    Some((writer, first.time.as_ref()?.0))
}

/// The part of a switch that the instances of one group share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Group {
    verb: &'static str,
    writer: Writer,
    /// The mode and the reason of a suspension.
    how: Option<(&'static str, Option<String>)>,
}

/// Switches of one cluster that are told together.
#[derive(Debug, Default)]
pub struct Batch(BTreeMap<Group, (Timestamp, BTreeSet<InstanceName>)>);

impl Batch {
    /// Adds an instance that was switched. Returns whether there was room for it.
    pub fn add(&mut self, instance: InstanceName, verb: Verb, metadata: &ObjectMeta) -> bool {
        let Some((writer, at)) = writer(metadata) else { return true };
        if writer == Writer::Schedule {
            return true;
        }
        let annotation = |key| metadata.annotations.as_ref().and_then(|annotations| annotations.get(key)).cloned();
        let mode = Mode::read(annotation(keys::SUSPEND_MODE).as_deref().unwrap_or_default());
        let how = (verb == Verb::Suspend).then(|| (mode.as_str(), annotation(keys::SUSPEND_REASON)));
        let group = Group { verb: verb.done(), writer, how };
        if !self.0.contains_key(&group) && self.0.len() >= GROUPS {
            return false;
        }
        let (first, names) = self.0.entry(group).or_insert_with(|| (at, BTreeSet::new()));
        *first = at.min(*first);
        names.insert(instance);
        true
    }

    /// Returns the Event of each group. The name of an Event follows from the earliest switch of the
    /// group, so that a second telling finds it there. `total` is the number of instances of the cluster.
    pub fn told(self, cluster: &ClusterName, total: usize) -> Vec<Told> {
        let told = self.0.into_iter().map(|(group, (at, names))| {
            let reason = match group.verb {
                "suspended" => "Suspended",
                "resumed" => "Resumed",
                "started" => "Started",
                _ => "Stopped",
            };
            let mut hasher = DefaultHasher::new();
            group.hash(&mut hasher);
            let name = format!("{cluster}.{}.{}.{:016x}", group.verb, at.as_second(), hasher.finish());
            let note = note(sentence(&group, &names, total));
            Told { name, reason, note, is_warning: false, repeats: false }
        });
        told.collect()
    }
}

fn sentence(group: &Group, names: &BTreeSet<InstanceName>, total: usize) -> String {
    let Group { verb, writer, how } = group;
    let (what, were) = match names.first().filter(|_| names.len() == 1) {
        Some(only) => (format!("instance {only}"), "was"),
        None if names.len() >= total => (format!("all {} instances", names.len()), "were"),
        None => (format!("{} of {total} instances", names.len()), "were"),
    };
    let author = match writer {
        Writer::Person(username) => Some(username.as_str()),
        Writer::Unsigned | Writer::Schedule => None,
    };
    let said = by(author, &format!("{verb} {what}"), &format!("{what} {were} {verb}"));
    match how {
        Some((mode, Some(reason))) => format!("{said} (mode {mode}): {reason}"),
        Some((mode, None)) => format!("{said} (mode {mode})"),
        None => said,
    }
}

/// Returns the state that was asked for of an instance.
pub fn wished(metadata: &ObjectMeta) -> Option<State> {
    let label = metadata.labels.as_ref()?.get(keys::ASKED)?;
    [State::Running, State::Stopped, State::Suspended].into_iter().find(|state| state.as_str() == label)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Returns the metadata of an instance whose wished state these field managers own, at these seconds.
    fn metadata(owners: &[(&str, i64)], reason: Option<&str>) -> ObjectMeta {
        let entry = |(manager, second): &(&str, i64)| {
            json!({
                "manager": manager,
                "operation": "Update",
                "time": Timestamp::from_second(*second).unwrap().to_string(),
                "fieldsType": "FieldsV1",
                "fieldsV1": { "f:metadata": { "f:labels": { (format!("f:{}", keys::ASKED)): {} } } },
            })
        };
        let mut managed: Vec<_> = owners.iter().map(entry).collect();
        managed.push(json!({ "manager": "kubectl-cmp/alice", "fieldsV1": { "f:spec": {} } }));
        let annotations = json!({ (keys::SUSPEND_MODE): "pause", (keys::SUSPEND_REASON): reason });
        let annotations = if reason.is_some() { annotations } else { json!({}) };
        serde_json::from_value(json!({ "managedFields": managed, "annotations": annotations })).unwrap()
    }

    fn told(total: usize, switches: &[(&str, Verb, ObjectMeta)]) -> Vec<String> {
        let mut batch = Batch::default();
        for (name, verb, metadata) in switches {
            assert!(batch.add(name.parse().unwrap(), *verb, metadata));
        }
        let told = batch.told(&"web".parse().unwrap(), total).into_iter();
        // The name has the second of the earliest switch.
        told.map(|told| format!("{} {}: {}", told.name.split('.').nth(2).unwrap(), told.reason, told.note)).collect()
    }

    #[test]
    fn a_verb_is_a_change_of_the_wished_state() {
        use State::{Running, Stopped, Suspended};
        for (before, after, expected) in [
            (None, None, None),
            (None, Some(Running), None),
            (Some(Running), Some(Running), None),
            (None, Some(Suspended), Some(Verb::Suspend)),
            (Some(Running), Some(Stopped), Some(Verb::Stop)),
            (Some(Suspended), Some(Running), Some(Verb::Resume)),
            (Some(Stopped), Some(Running), Some(Verb::Start)),
            (Some(Stopped), None, Some(Verb::Start)),
        ] {
            assert_eq!(verb(before, after), expected, "{before:?} {after:?}");
        }
    }

    #[test]
    fn switches_of_one_person_are_told_together_and_only_a_signature_names_the_author() {
        const JOHN: &str = "kubectl-cmp/system:serviceaccount:cmp-users:john";
        let john = |second, reason| metadata(&[(JOHN, second)], reason);
        let unsigned = || metadata(&[("kubectl", 9)], None);
        for (total, switches, expected) in [
            (
                2,
                vec![
                    ("web-1", Verb::Suspend, john(8, Some("night"))),
                    ("web-0", Verb::Suspend, john(7, Some("night"))),
                ],
                vec!["7 Suspended: john suspended all 2 instances (mode pause): night"],
            ),
            (
                3,
                vec![
                    ("web-0", Verb::Resume, john(7, None)),
                    ("web-2", Verb::Resume, john(8, None)),
                    ("web-1", Verb::Stop, john(8, None)),
                ],
                vec!["7 Resumed: john resumed 2 of 3 instances", "8 Stopped: john stopped instance web-1"],
            ),
            (
                1,
                vec![("web-0", Verb::Suspend, unsigned())],
                vec!["9 Suspended: instance web-0 was suspended (mode halt)"],
            ),
            (
                2,
                vec![("web-0", Verb::Start, unsigned()), ("web-1", Verb::Start, unsigned())],
                vec!["9 Started: all 2 instances were started"],
            ),
            // The first of two owners of one value set it.
            (
                1,
                vec![("web-0", Verb::Stop, metadata(&[("kubectl-cmp/root", 9), (JOHN, 5)], None))],
                vec!["5 Stopped: john stopped instance web-0"],
            ),
            // The account tells of schedules. Nothing is told without a record.
            (1, vec![("web-0", Verb::Suspend, metadata(&[(keys::WEBHOOK, 5)], None))], vec![]),
            (1, vec![("web-0", Verb::Suspend, metadata(&[], None))], vec![]),
        ] {
            assert_eq!(told(total, &switches), expected);
        }
    }

    #[test]
    fn the_same_switch_has_the_same_name_however_many_were_seen() {
        let name = |count: u32, reason| {
            let mut batch = Batch::default();
            for index in 0..count {
                let name = format!("web-{index}").parse().unwrap();
                batch.add(name, Verb::Suspend, &metadata(&[("kubectl-cmp/root", 7 + i64::from(index))], reason));
            }
            batch.told(&"web".parse().unwrap(), 3)[0].name.clone()
        };
        assert_eq!(name(3, None), name(2, None));
        assert_ne!(name(3, None), name(3, Some("night")));
    }

    #[test]
    fn a_batch_is_bounded() {
        let mut batch = Batch::default();
        let mut add = |index: usize| {
            let reason = format!("reason {index}");
            batch.add("web-0".parse().unwrap(), Verb::Suspend, &metadata(&[("kubectl", 1)], Some(&reason)))
        };
        assert_eq!((0..20).filter(|index| add(*index)).count(), GROUPS);
        assert!(add(0), "a group that is there has room");
    }
}
