//! The quota of a suspended cluster: given back if the policy of the account asks for that, and requested again before the
//! cluster is resumed.

use crate::account::{Account, Suspended, Want};
use crate::instance::{Instance, Orphan};
use crate::name::ClusterName;
use crate::plan::refusal::Refusal;
use crate::plan::write::{Write, other_want};
use crate::vocabulary::{InstanceType, Verb};

/// A step by which a suspended cluster gives its quota back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GiveBack {
    /// List the instances and leftovers of a cluster of this type. [`after_look`] returns the steps that follow.
    Look(Option<InstanceType>),
    /// Write the want, planned by [`write`] on each version of the account. A failure is only a warning, by
    /// [`not_given_back`], and ends the plan.
    Write,
    /// Tell by [`releasing`] that the quota comes back later.
    TellReleasing,
}

/// A step by which a released cluster gets its quota before it is resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BringBack {
    /// Write the want, planned by [`write`] on each version of the account.
    Write,
    /// Wait until the want is held, so that the instances may run again.
    Prepare,
}

/// Reports whether a verb may need the quota of a cluster before its instances are changed.
pub fn comes_first(verb: Verb) -> bool {
    verb == Verb::Resume
}

/// Reports whether a verb may give back the quota of a cluster after its instances were changed. `failed` is the number
/// of instances that could not be changed.
pub fn comes_last(verb: Verb, failed: u32) -> bool {
    verb == Verb::Suspend && failed == 0
}

/// Plans how a suspended cluster gives its quota back. A dry run has changed no instance, so it does not look at them.
pub fn give_back(account: &Account, name: &ClusterName, dry_run: bool) -> Vec<GiveBack> {
    match (gives_back(account, name), dry_run) {
        (false, _) => Vec::new(),
        (true, true) => vec![GiveBack::Write],
        (true, false) => vec![GiveBack::Look(account.cluster(name).kind())],
    }
}

/// Plans the steps after [`GiveBack::Look`].
pub fn after_look(instances: &[Instance], orphans: &[Orphan]) -> Vec<GiveBack> {
    if is_off(instances, orphans) { vec![GiveBack::Write, GiveBack::TellReleasing] } else { Vec::new() }
}

/// Plans how a released cluster gets its quota before it is resumed. There is no step for a cluster that has it.
pub fn bring_back(account: &Account, name: &ClusterName, dry_run: bool) -> Vec<BringBack> {
    match (asks_back(account, name), dry_run) {
        (false, _) => Vec::new(),
        (true, true) => vec![BringBack::Write],
        (true, false) => vec![BringBack::Write, BringBack::Prepare],
    }
}

/// Returns the line about a quota that comes back later.
pub fn releasing(name: &ClusterName) -> String {
    format!("cluster/{name}: its quota returns when its instances are confirmed gone (shown as releasing)")
}

/// Returns the warning for a write that failed. No instance runs in any case, so it is no error.
pub fn not_given_back(name: &ClusterName, why: &str) -> String {
    format!(
        "Warning: the quota of cluster/{name} was not given back yet: {why}; `kubectl cmp suspend cluster {name}` tries it \
         again"
    )
}

/// Reports whether the suspension of a cluster is to give its quota back.
fn gives_back(account: &Account, name: &ClusterName) -> bool {
    let wanted = account.cluster(name).want.is_some_and(|want| !want.released);
    account.policy.suspended == Suspended::Release && wanted
}

/// Reports whether nothing of a cluster runs any more. A Pod that is not being deleted would hold the quota for ever.
fn is_off(instances: &[Instance], orphans: &[Orphan]) -> bool {
    instances.iter().all(|instance| !instance.on) && orphans.iter().all(|orphan| orphan.shown.ending)
}

/// Reports whether a resumption has to request the quota of the cluster first.
fn asks_back(account: &Account, name: &ClusterName) -> bool {
    let entry = account.cluster(name);
    let held = entry.held.as_ref().is_some_and(|held| held.released);
    entry.want.is_some_and(|want| want.released || held)
}

/// Plans the write that gives the quota back or requests it, on one version of the account.
pub fn write(account: &Account, name: &ClusterName, released: bool) -> Result<Write, Refusal> {
    other_want(account, name, |want| Want { released, ..want.clone() })
}

#[cfg(test)]
mod tests;
