//! `edit cluster`: the steps that lead from the present want to the edited one.

use serde_json::Value;

use crate::account::{Account, Want};
use crate::name::ClusterName;
use crate::plan::refusal::Refusal;
use crate::plan::write::{Write, current, other_want};
use crate::plan::{resize, scale};
use crate::resources::{CPU, MEMORY};

/// A step from the present want to the edited one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Write the fields that no instance depends on, planned by [`write`] on each version of the account.
    Write,
    /// Change the number of instances.
    Scale(scale::Wish),
    /// Change the size of the instances.
    Resize(resize::Wish),
}

/// The plan of `edit cluster`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The write of everything at once. A server dry run of it tells what the whole change would be answered with.
    pub whole: Write,
    /// The steps, in their order; empty if nothing changes.
    pub steps: Vec<Step>,
}

/// The fields of a want with the commands that change them.
const CHANGEABLE: [&str; 5] = ["count", "size", "schedule", "labels", "annotations"];

/// Returns the steps from one want to another, or the refusal of a change that no command makes.
///
/// Instances that go are deleted before the others restart. Instances that come are made with the new size.
pub fn steps(name: &ClusterName, before: &Want, after: &Want) -> Result<Vec<Step>, Refusal> {
    if let Some(field) = fixed(before, after) {
        return Err(Refusal::wish(format!("{field} of cluster {name} cannot be changed"))
            .hint("create another cluster with it, then delete this one"));
    }
    if let Some(schedule) = after.schedule.as_ref().filter(|_| after.schedule != before.schedule) {
        schedule.check(after.kind).map_err(|wrong| spec(&wrong.to_string()))?;
    }
    let mut steps = Vec::new();
    if written(before, after) != *before {
        steps.push(Step::Write);
    }
    let scale = (before.count != after.count).then(|| scale::Wish { name: name.clone(), count: after.count });
    let resize = (before.size != after.size).then(|| resized(name, before, after)).transpose()?;
    let (scale, resize) = (scale.map(Step::Scale), resize.map(Step::Resize));
    if after.count < before.count {
        steps.extend(scale.into_iter().chain(resize));
    } else {
        steps.extend(resize.into_iter().chain(scale));
    }
    Ok(steps)
}

fn spec(why: &str) -> Refusal {
    Refusal::wish(format!("spec.{why}"))
}

/// Returns the first changed field that no command changes, as the object shows it.
fn fixed(before: &Want, after: &Want) -> Option<String> {
    let fields = |want: &Want| match serde_json::to_value(want) {
        Ok(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (is, asked) = (fields(before), fields(after));
    let mut keys: Vec<&String> = is.keys().chain(asked.keys()).collect();
    keys.sort();
    // The type decides which other fields there can be.
    keys.sort_by_key(|key| *key != "type");
    let changed = |key: &&String| is.get(*key) != asked.get(*key) && !CHANGEABLE.contains(&key.as_str());
    keys.into_iter().find(changed).map(|key| format!("spec.{key}"))
}

/// Returns the present want with the edited fields that no instance depends on.
fn written(before: &Want, after: &Want) -> Want {
    let Want { schedule, labels, annotations, .. } = after.clone();
    Want { schedule, labels, annotations, ..before.clone() }
}

/// Returns the amounts that differ, as `resize` takes them.
fn resized(name: &ClusterName, before: &Want, after: &Want) -> Result<resize::Wish, Refusal> {
    let mut wish = resize::Wish { name: name.clone(), cpu: None, memory: None, more: Vec::new() };
    if let Some((gone, _)) = before.size.iter().find(|(name, _)| !after.size.contains(name)) {
        return Err(spec(&format!("size.{gone} of cluster {name} cannot be removed"))
            .hint("create another cluster without it, then delete this one"));
    }
    for (resource, amount) in after.size.iter() {
        match resource.as_str() {
            _ if before.size.named(resource.as_str()) == Some(amount) => {}
            CPU => wish.cpu = Some(amount),
            MEMORY => wish.memory = Some(amount),
            _ => wish.more.push((resource.clone(), amount)),
        }
    }
    Ok(wish)
}

/// Returns the want to edit, or the refusal if this version does not know all of it.
pub fn open(name: &ClusterName, account: &Account) -> Result<Want, Refusal> {
    other_want(account, name, Want::clone)?;
    current(account, name)
}

/// Plans an edit on the account that was read for it. The quota is checked for the whole.
pub fn plan(name: &ClusterName, before: &Want, after: &Want, account: &Account) -> Result<Plan, Refusal> {
    let steps = steps(name, before, after)?;
    // A size that `resize` refuses is refused before anything changes.
    for step in &steps {
        if let Step::Resize(wish) = step {
            resize::size(wish, account)?;
        }
    }
    Ok(Plan { whole: whole(name, before, after, account)?, steps })
}

/// Plans the write of everything at once on one version of the account.
pub fn whole(name: &ClusterName, before: &Want, after: &Want, account: &Account) -> Result<Write, Refusal> {
    is_unchanged(name, before, account)?;
    other_want(account, name, |_| after.clone())
}

/// Plans the write of the fields that no instance depends on, on one version of the account.
pub fn write(name: &ClusterName, before: &Want, after: &Want, account: &Account) -> Result<Write, Refusal> {
    is_unchanged(name, before, account)?;
    other_want(account, name, |want| written(want, after))
}

/// Refuses to go on if somebody changed the cluster since it was opened.
pub fn is_unchanged(name: &ClusterName, before: &Want, account: &Account) -> Result<(), Refusal> {
    if current(account, name)? == *before {
        return Ok(());
    }
    Err(Refusal::wish(format!("cluster {name} was changed by somebody else since it was opened"))
        .hint(format!("apply your changes to the latest version: kubectl cmp edit cluster {name}")))
}

#[cfg(test)]
mod tests;
