//! `start`, `stop`, `suspend`, `resume`: the steps for a cluster, and the count of the results.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::instance::{Instance, Orphan};
use crate::lifecycle::switch_requests;
use crate::name::InstanceName;
use crate::plan::refusal::Refusal;
use crate::progress::Goal;
use crate::state::State;
use crate::vocabulary::{InstanceType, Verb};

/// A step of the plan for one cluster.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Check that the cluster exists: it has no instances.
    CheckCluster,
    /// Delete these Pods and VirtualMachineInstances. They would go on running, because there is no object to switch off.
    DeleteOrphans(Vec<Orphan>),
    /// Apply the verb to these instances in parallel.
    Apply(Vec<Instance>),
}

/// Plans a verb for all instances of a cluster. An empty list means a cluster without instances, or no cluster.
pub fn cluster(verb: Verb, instances: Vec<Instance>, orphans: Vec<Orphan>) -> Vec<Step> {
    let check = instances.is_empty().then_some(Step::CheckCluster);
    let orphans = (switches_off(verb) && !orphans.is_empty()).then_some(Step::DeleteOrphans(orphans));
    check.into_iter().chain(orphans).chain([Step::Apply(instances)]).collect()
}

/// The next action after a cluster failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    /// Print the error, and go on with the other clusters.
    GoOn,
    /// Print the work that is done, then the error.
    Stop,
}

/// Decides how a command goes on after one of its clusters failed. A cluster that does not exist concerns no other one.
pub fn after_failure(is_not_found: bool) -> AfterFailure {
    if is_not_found { AfterFailure::GoOn } else { AfterFailure::Stop }
}

/// Returns the leftover of an instance that does not exist, if the verb deletes it.
pub fn leftover<'a>(verb: Verb, name: &InstanceName, orphans: &'a [Orphan]) -> Option<&'a Orphan> {
    orphans.iter().find(|orphan| switches_off(verb) && orphan.shown.name == *name)
}

/// Returns the error for an instance that does not exist. `deleted` reports whether its leftover was deleted.
pub fn missing(name: &InstanceName, deleted: bool) -> Refusal {
    let missing = Refusal::not_found("instance", name.to_string());
    if !deleted {
        return missing;
    }
    missing.hint(format!("`kubectl cmp scale cluster {} --count N` creates it again", name.cluster))
}

/// Reports whether the verb switches instances off.
pub fn switches_off(verb: Verb) -> bool {
    matches!(verb, Verb::Stop | Verb::Suspend)
}

/// Reports whether the verb starts the guest of a VM. A paused guest goes on, and needs nothing to start.
pub fn starts(verb: Verb, instance: &Instance) -> bool {
    let switches_on = instance.kind == InstanceType::Vm && !switches_off(verb);
    switches_on && matches!(switch_requests(instance, verb, None, None), Ok(Some(requests)) if requests.call.is_none())
}

/// Returns the state that the verb leads to.
pub fn goal(verb: Verb) -> Goal {
    Goal::State(match verb {
        Verb::Start | Verb::Resume => State::Running,
        Verb::Stop => State::Stopped,
        Verb::Suspend => State::Suspended,
    })
}

/// Returns the word for an instance that the verb does not change, because it is so already.
pub fn already(verb: Verb) -> &'static str {
    match verb {
        Verb::Start | Verb::Resume => "already running",
        Verb::Stop => "already stopped",
        Verb::Suspend => "already suspended",
    }
}

/// The result for one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstanceResult {
    /// The instance was changed.
    Changed {
        /// Whether the instance keeps its memory and its place on the node.
        paused: bool,
    },
    /// The instance is so already.
    Already,
    /// The verb does not apply, for this reason.
    Skipped(String),
    /// The change failed, for this reason.
    Failed(String),
}

/// Returns the instances that `--wait` covers: those to which the verb applies. Instances that an earlier command changed
/// are included, for example after an interruption.
pub fn awaited<'a>(results: impl IntoIterator<Item = (&'a InstanceName, InstanceResult)>) -> Vec<InstanceName> {
    let applies = |result: &InstanceResult| matches!(result, InstanceResult::Changed { .. } | InstanceResult::Already);
    results.into_iter().filter(|(_, result)| applies(result)).map(|(name, _)| name.clone()).collect()
}

/// The results for a cluster.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Counts {
    /// The number of instances that were changed.
    pub changed: u32,
    /// The number of those that keep their memory.
    pub paused: u32,
    /// The number of failures.
    pub failed: u32,
    /// The number of instances to which the verb does not apply.
    pub skipped: u32,
    /// The lines about failures and skipped instances, with their reasons.
    pub notes: Vec<String>,
    /// The instances with their results, for `-o json`.
    pub instances: Vec<Value>,
}

/// Counts the results for the instances of a cluster.
pub fn counted<'a>(verb: Verb, results: impl IntoIterator<Item = (&'a InstanceName, &'a InstanceResult)>) -> Counts {
    let mut counts = Counts::default();
    let mut skipped: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, result) in results {
        let (word, reason) = match result {
            InstanceResult::Changed { paused } => {
                counts.paused += u32::from(*paused);
                counts.changed += 1;
                (verb.done(), None)
            }
            InstanceResult::Already | InstanceResult::Skipped(_) => {
                let why =
                    if let InstanceResult::Skipped(why) = result { why.clone() } else { already(verb).to_owned() };
                counts.skipped += 1;
                skipped.entry(why.clone()).or_default().push(name.to_string());
                ("skipped", Some(why))
            }
            InstanceResult::Failed(why) => {
                counts.failed += 1;
                counts.notes.push(format!("instance/{name} failed: {why}"));
                ("failed", Some(why.clone()))
            }
        };
        counts.instances.push(json!({ "name": name.to_string(), "result": word, "reason": reason }));
    }
    counts.notes.extend(skipped.into_iter().map(|(why, names)| format!("skipped {}: {why}", names.join(", "))));
    counts
}

#[cfg(test)]
mod tests;
