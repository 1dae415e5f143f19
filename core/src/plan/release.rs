//! The quota of a suspended cluster: given back if the policy of the account asks for that, and requested again before the
//! cluster is resumed.

use crate::account::{Account, Suspended, Want};
use crate::instance::{Instance, Orphan};
use crate::name::ClusterName;
use crate::plan::refusal::Refusal;
use crate::plan::write::{Write, other_want};

/// Reports whether the suspension of a cluster is to give its quota back.
pub fn gives_back(account: &Account, name: &ClusterName) -> bool {
    let wanted = account.cluster(name).want.is_some_and(|want| !want.released);
    account.policy.suspended == Suspended::Release && wanted
}

/// Reports whether nothing of a cluster runs any more. A Pod that is not being deleted would hold the quota for ever.
pub fn is_off(instances: &[Instance], orphans: &[Orphan]) -> bool {
    instances.iter().all(|instance| !instance.on) && orphans.iter().all(|orphan| orphan.shown.ending)
}

/// Reports whether a resumption has to request the quota of the cluster first.
pub fn asks_back(account: &Account, name: &ClusterName) -> bool {
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
