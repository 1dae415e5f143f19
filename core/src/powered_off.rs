//! The instances of a cluster that are off: their form in a file, and their objects when they are created.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::StatefulSet;
use serde_json::{Value, json};

use crate::instance::{Instance, of_stateful_set, of_virtual_machine};
use crate::kubevirt::VirtualMachine;
use crate::lifecycle::{SuspensionRequest, switch_requests};
use crate::name::MAX_COUNT;
use crate::state::State;
use crate::vocabulary::{Mode, Trigger, Verb};

/// The instances of a cluster that are off, by index. All others are to run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PoweredOff {
    states: BTreeMap<u32, State>,
    /// The cause that resumes each instance that a schedule suspended, or that was suspended for a limited time.
    wakes: BTreeMap<u32, Trigger>,
}

/// The states that can be written, in the order in which they are written.
const STATES: [State; 2] = [State::Suspended, State::Stopped];
/// The field that lists the suspended instances by the cause that resumes them.
const WOKEN_BY: &str = "wokenBy";

impl PoweredOff {
    /// Returns those of these instances that are off, if their index is below `count`.
    pub fn of(instances: &[Instance], count: u32) -> Self {
        let off = || instances.iter().filter(|shown| shown.name.index < count && STATES.contains(&shown.state));
        let woken_by = |shown: &Instance| {
            let suspension = shown.suspension.as_ref().filter(|_| shown.state == State::Suspended);
            suspension.and_then(|suspension| suspension.woken_by)
        };
        Self {
            states: off().map(|shown| (shown.name.index, shown.state)).collect(),
            wakes: off().filter_map(|shown| Some((shown.name.index, woken_by(shown)?))).collect(),
        }
    }

    /// Reads the form that [`PoweredOff::value`] writes, for a cluster of `count` instances. The error text follows the name
    /// of the field.
    pub fn read(value: &Value, count: u32) -> Result<Self, String> {
        let Value::Object(fields) = value else {
            return Err(format!(": {value} is not an object: use a form such as {{\"suspended\": [0]}}"));
        };
        let mut off = BTreeMap::new();
        for (field, listed) in fields.iter().filter(|(field, _)| *field != WOKEN_BY) {
            let state = STATES.into_iter().find(|state| state.as_str() == field);
            let state = state
                .ok_or_else(|| format!(".{field} is unknown: use suspended and stopped; all other instances run"))?;
            for index in indexes(listed, count).map_err(|why| format!(".{field}: {why}"))? {
                if off.insert(index, state).is_some_and(|earlier| earlier != state) {
                    return Err(format!(": {index} is both suspended and stopped: leave it in one of them"));
                }
            }
        }
        let mut wakes = BTreeMap::new();
        let fields = match fields.get(WOKEN_BY) {
            None => &serde_json::Map::new(),
            Some(Value::Object(fields)) => fields,
            Some(other) => {
                return Err(format!(".{WOKEN_BY}: {other} is not an object: use a form such as {{\"once\": [0]}}"));
            }
        };
        for (field, listed) in fields {
            let trigger = Trigger::read(field);
            let trigger = trigger.ok_or_else(|| format!(".{WOKEN_BY}.{field} is unknown: use schedule and once"))?;
            for index in indexes(listed, count).map_err(|why| format!(".{WOKEN_BY}.{field}: {why}"))? {
                if off.get(&index) != Some(&State::Suspended) {
                    return Err(format!(".{WOKEN_BY}.{field}: {index} is not suspended: add it to suspended"));
                }
                if wakes.insert(index, trigger).is_some_and(|earlier| earlier != trigger) {
                    return Err(format!(".{WOKEN_BY}: {index} is in both lists: leave it in one of them"));
                }
            }
        }
        Ok(Self { states: off, wakes })
    }

    /// Returns the written form: `{"suspended": ["0-4", 7], "wokenBy": {"once": ["0-4"]}}`. Returns `None` if no
    /// instance is off.
    pub fn value(&self) -> Option<Value> {
        let mut fields = serde_json::Map::new();
        for state in STATES {
            let listed = ranges(&self.states, &state);
            fields.extend(listed.map(|listed| (state.as_str().to_owned(), listed)));
        }
        let mut wakes = serde_json::Map::new();
        for trigger in Trigger::ALL {
            wakes.extend(ranges(&self.wakes, &trigger).map(|listed| (trigger.as_str().to_owned(), listed)));
        }
        if !wakes.is_empty() {
            fields.insert(WOKEN_BY.to_owned(), Value::Object(wakes));
        }
        Some(Value::Object(fields)).filter(|_| !self.is_empty())
    }

    /// Returns the state of an instance that is to be off.
    pub fn state(&self, index: u32) -> Option<State> {
        self.states.get(&index).copied()
    }

    /// Returns the cause that resumes a suspended instance, if there is one.
    pub fn woken_by(&self, index: u32) -> Option<Trigger> {
        self.wakes.get(&index).copied()
    }

    /// Removes a cause that will not occur. The instances that it would have resumed stay suspended.
    pub fn forget(&mut self, trigger: Trigger) {
        self.wakes.retain(|_, wakes| *wakes != trigger);
    }

    /// Reports whether no instance is off.
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// Reports whether all of `count` instances are suspended, so that they need only their disks.
    pub fn all_suspended(&self, count: u32) -> bool {
        count > 0 && (0..count).all(|index| self.state(index) == Some(State::Suspended))
    }

    /// Returns the indexes of the instances that are to run.
    pub fn others(&self, count: u32) -> impl Iterator<Item = u32> {
        (0..count).filter(|index| !self.states.contains_key(index))
    }
}

/// Returns the indexes with this value, as a list of numbers and ranges. Returns `None` if there are none.
fn ranges<T: PartialEq>(of: &BTreeMap<u32, T>, so: &T) -> Option<Value> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for index in of.iter().filter(|(_, is)| *is == so).map(|(index, _)| *index) {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == index => *last = index,
            _ => ranges.push((index, index)),
        }
    }
    let written = |(first, last)| if first == last { json!(first) } else { json!(format!("{first}-{last}")) };
    Some(ranges.into_iter().map(written).collect()).filter(|listed: &Vec<Value>| !listed.is_empty()).map(Value::Array)
}

/// Reads a list of indexes: numbers, and ranges from the first to the last.
fn indexes(listed: &Value, count: u32) -> Result<BTreeSet<u32>, String> {
    let Value::Array(items) = listed else {
        return Err(format!("{listed} is not a list: use a form such as [0, \"2-4\"]"));
    };
    let mut indexes = BTreeSet::new();
    for item in items {
        let wrong = || format!("{item} is not an index: use numbers and ranges, such as 3 or \"0-4\"");
        let number = |text: &str| {
            let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u32>().ok().filter(|_| plain).ok_or_else(wrong)
        };
        let (first, last) = match item {
            Value::Number(index) => (number(&index.to_string())?, number(&index.to_string())?),
            Value::String(text) => match text.split_once('-') {
                Some((first, last)) => (number(first)?, number(last)?),
                None => (number(text)?, number(text)?),
            },
            _ => return Err(wrong()),
        };
        if first > last {
            return Err(format!("{item} goes backwards: use \"{last}-{first}\""));
        }
        if last >= count.min(MAX_COUNT) {
            let there =
                if count == 1 { "0 is the only one".to_owned() } else { format!("they are 0 to {}", count - 1) };
            return Err(format!("{last} is not an instance of this cluster: {there}, or raise spec.count"));
        }
        indexes.extend(first..=last);
    }
    Ok(indexes)
}

/// Returns the StatefulSet of a container instance that is created off. It has the fields that the verb would have set,
/// and it never runs.
pub fn stateful_set(set: &StatefulSet, to: State, suspension: &SuspensionRequest) -> Option<StatefulSet> {
    let shown = of_stateful_set(&set.clone().into(), None)?;
    serde_json::from_value(made(serde_json::to_value(set).ok()?, &shown, to, suspension)?).ok()
}

/// Returns the VirtualMachine of a VM instance that is created off.
pub fn virtual_machine(machine: &Value, to: State, suspension: &SuspensionRequest) -> Option<Value> {
    let read: VirtualMachine = serde_json::from_value(machine.clone()).ok()?;
    made(machine.clone(), &of_virtual_machine(&read, None)?, to, suspension)
}

fn made(mut object: Value, shown: &Instance, to: State, suspension: &SuspensionRequest) -> Option<Value> {
    let verb = if to == State::Suspended { Verb::Suspend } else { Verb::Stop };
    // In a released cluster the new object is off without a verb. The verb is applied as if it were on.
    let on = Instance { state: State::Pending, on: true, ..shown.clone() };
    let mut patch =
        switch_requests(&on, verb, Some(Mode::Halt).filter(|_| verb == Verb::Suspend), Some(suspension)).ok()??.patch;
    // The object is new, so there is no `resourceVersion` to compare.
    patch["metadata"]["resourceVersion"] = Value::Null;
    json_patch::merge(&mut object, &patch);
    Some(object)
}

#[cfg(test)]
mod tests;
