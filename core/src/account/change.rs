//! The writes of an account: a change of its keys, the repair of damaged ones, and all of its data.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Account, Blocked, Held, Opaque, Policy, Refused, Unreadable, Want};
use crate::format;
use crate::keys::data;
use crate::name::ClusterName;
use crate::resources::Resources;
use crate::schedule::LastRun;

/// A change of an account's data: the keys to set, and the keys to remove (`None`). A merge patch with the same keys
/// makes the change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change(BTreeMap<String, Option<String>>);

impl Change {
    /// Returns a change that sets and removes no key.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets or removes the want of a cluster.
    #[must_use]
    pub fn want(self, cluster: &ClusterName, want: Option<&Want>) -> Self {
        self.set(data::WANT, cluster, want.map(Want::stored))
    }

    /// Sets or removes the holding of a cluster.
    #[must_use]
    pub fn held(self, cluster: &ClusterName, held: Option<&Held>) -> Self {
        self.set(data::HELD, cluster, held.map(Held::stored))
    }

    /// Sets or removes the wish to delete a cluster.
    #[must_use]
    pub fn delete(self, cluster: &ClusterName, uid: Option<&str>) -> Self {
        self.set(data::DELETE, cluster, uid.map(str::to_owned))
    }

    /// Sets or removes the reason why a want was taken back.
    #[must_use]
    pub fn refused(self, cluster: &ClusterName, refused: Option<&Refused>) -> Self {
        self.set(data::REFUSED, cluster, refused.map(format::encode))
    }

    /// Sets or removes the transition that a schedule executed last.
    #[must_use]
    pub fn scheduled(self, cluster: &ClusterName, scheduled: Option<&LastRun>) -> Self {
        self.set(data::SCHEDULED, cluster, scheduled.map(format::encode))
    }

    /// Sets or removes the reason why cmp-webhook cannot go on with a cluster.
    #[must_use]
    pub fn blocked(self, cluster: &ClusterName, blocked: Option<&Blocked>) -> Self {
        self.set(data::BLOCKED, cluster, blocked.map(format::encode))
    }

    /// Removes every key of a cluster.
    #[must_use]
    pub fn forget(self, cluster: &ClusterName) -> Self {
        data::OF_A_CLUSTER.into_iter().fold(self, |change, prefix| change.set(prefix, cluster, None))
    }

    /// Sets the quota of the user.
    #[must_use]
    pub fn quota(mut self, quota: &Resources) -> Self {
        self.0.insert(data::QUOTA.to_owned(), Some(format::encode(quota)));
        self
    }

    /// Sets the further rules of the user.
    #[must_use]
    pub fn policy(mut self, policy: &Policy) -> Self {
        self.0.insert(data::POLICY.to_owned(), Some(policy.stored()));
        self
    }

    /// Records that the Namespaces of this ConfigMap have been looked up.
    #[must_use]
    pub fn settled(mut self, uid: &str) -> Self {
        self.0.insert(data::SETTLED.to_owned(), Some(uid.to_owned()));
        self
    }

    fn set(mut self, prefix: &str, cluster: &ClusterName, value: Option<String>) -> Self {
        self.0.insert(format!("{prefix}{cluster}"), value);
        self
    }

    /// Reports whether the change has no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Iterates over the keys to set and to remove.
    pub fn entries(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_deref()))
    }

    /// Returns the account that was read with the change applied.
    pub fn apply(&self, account: &Account) -> Result<Account, Unreadable> {
        account.changed(&[], self.entries())
    }
}

impl Account {
    /// Returns the change that mends the damaged keys of an account. Returns `None` if the quota or the policy is
    /// damaged or of a newer version, because only an administrator may mend those.
    ///
    /// A cluster whose `held` is damaged is forgotten together with `settled`. Nothing grows until it has been adopted
    /// from its Namespace. A damaged want becomes the holding, or is taken back if nothing is held.
    pub fn mend(&self, damaged: &[Unreadable], now: Timestamp) -> Option<Change> {
        let mut change = Change::new();
        if self.newer().is_some() {
            return None;
        }
        for Unreadable { key, why } in damaged {
            if [data::QUOTA, data::POLICY].contains(&key.as_str()) {
                return None;
            }
            if key.starts_with(data::HELD) {
                change.0.insert(data::SETTLED.to_owned(), None);
            }
            let cluster = key.strip_prefix(data::WANT).and_then(|cluster| cluster.parse::<ClusterName>().ok());
            let Some(cluster) = cluster else {
                change.0.insert(key.clone(), None);
                continue;
            };
            let as_held = self.cluster(&cluster).held.map(|held| Want::of(&held));
            let reason = format!("the want was damaged: {why}");
            change = change.want(&cluster, as_held.as_ref()).refused(&cluster, Some(&Refused { reason, at: now }));
        }
        Some(change)
    }

    /// Returns the data of the ConfigMap, without the keys that are not ours.
    pub fn data(&self) -> BTreeMap<String, String> {
        let mut change = Change::new().quota(&self.quota);
        if self.policy != Policy::default() {
            change = change.policy(&self.policy);
        }
        if let Some(settled) = &self.settled {
            change = change.settled(settled);
        }
        for (cluster, entry) in &self.clusters {
            change = change
                .want(cluster, entry.want.as_ref())
                .held(cluster, entry.held.as_ref())
                .delete(cluster, entry.delete.as_deref())
                .refused(cluster, entry.refused.as_ref())
                .scheduled(cluster, entry.scheduled.as_ref())
                .blocked(cluster, entry.blocked.as_ref());
        }
        for Opaque { key, text, .. } in self.opaque.iter().chain(self.clusters.values().flat_map(|entry| &entry.opaque))
        {
            change.0.insert(key.clone(), Some(text.clone()));
        }
        change.0.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }
}
