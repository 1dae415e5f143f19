//! The account of one user: a ConfigMap with the quota, the wants and the holdings, read strictly.
//!
//! A value that cannot be read is an error that names its key. Nothing is guessed and nothing counts as empty, because
//! a damaged entry would then be a cluster that costs nothing. Keys that are not ours are left alone. A value that a
//! newer version stored is not damage: [`format`](crate::format) keeps it, and this version grows nothing of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::format;
use crate::keys::data;
use crate::name::{ClusterName, UserName};
use crate::resources::Resources;

pub mod change;
pub mod diff;
mod entry;
mod held;
mod policy;
mod read;
mod shape;
mod want;

pub use entry::{Blocked, Entry, Opaque, Refused};
pub use held::{Held, HeldState};
pub use policy::{Policy, Suspended};
pub use shape::Shape;
pub use want::{Variable, Want};

/// The account of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The user who owns the account.
    pub user: UserName,
    /// The uid of the ConfigMap.
    pub uid: String,
    /// The resources that the user may have.
    pub quota: Resources,
    /// Further rules for the user.
    pub policy: Policy,
    /// Every cluster that a key names. [`changed`](Self::changed) shares the entries that it leaves alone with the old
    /// account, so that a verdict does not compare them.
    pub clusters: BTreeMap<ClusterName, Arc<Entry>>,
    /// The uid of the ConfigMap whose Namespaces have been looked up.
    pub settled: Option<String>,
    /// Values of a newer format that belong to no cluster, and the format itself if it is newer.
    pub opaque: Vec<Opaque>,
}

impl Account {
    /// Describes the parts of the account, besides its clusters, that a newer version stored. Returns `None` if this
    /// version knows all of them. This version grows nothing of such an account.
    pub fn newer(&self) -> Option<String> {
        if let Some(opaque) = self.opaque.first() {
            return Some(opaque.to_string());
        }
        self.policy.kept.newer().map(|fields| format!("{}: {}", data::POLICY, format::unknown(&fields)))
    }

    /// Describes the first value whose charge this version cannot tell.
    pub fn uncounted(&self) -> Option<String> {
        let opaque = self.clusters.values().flat_map(|entry| &entry.opaque);
        opaque.filter(|opaque| opaque.is_charged()).map(ToString::to_string).next()
    }

    /// Returns the entry of a cluster; an empty one if no key names it.
    pub fn cluster(&self, cluster: &ClusterName) -> Entry {
        self.clusters.get(cluster).map(|entry| Entry::clone(entry)).unwrap_or_default()
    }

    /// Iterates over the clusters that are wanted or held.
    pub fn existing(&self) -> impl Iterator<Item = (&ClusterName, &Entry)> {
        self.clusters.iter().map(|(cluster, entry)| (cluster, &**entry)).filter(|(_, entry)| entry.exists())
    }

    /// Returns the sum of all charges, or `None` if it does not fit.
    pub fn charge(&self) -> Option<Resources> {
        self.clusters.values().try_fold(Resources::default(), |mut sum, entry| {
            entry.charge_to(&mut sum)?;
            Some(sum)
        })
    }

    /// Returns the number of clusters and the number of instances that are charged.
    pub fn counts(&self) -> (u32, u32) {
        self.existing().fold((0, 0), |(clusters, instances), (_, entry)| {
            (clusters.saturating_add(1), instances.saturating_add(entry.charged_count()))
        })
    }

    /// Reports whether the Namespaces of this ConfigMap have been looked up, so that no cluster is forgotten.
    pub fn is_settled(&self) -> bool {
        self.settled.as_deref() == Some(self.uid.as_str())
    }
}

/// A value that cmp does not write in this form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key:?} of the account is not readable: {why}")]
pub struct Unreadable {
    /// The key in the ConfigMap.
    pub key: String,
    /// The reason why the value cannot be read.
    pub why: String,
}

#[cfg(test)]
pub(crate) mod tests;
