//! The memory of the controllers between passes. All of it may be lost at any time: the controllers then read more or
//! wait longer.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use cmp_core::account::Entry;
use cmp_core::name::{ClusterName, UserName};

/// The memory of one cluster.
#[derive(Default)]
pub(super) struct Remembered {
    /// Number of changes seen in its Namespace.
    pub(super) changes: u64,
    /// The entry of the account and the number of changes at which nothing was to be done, and when that was seen.
    pub(super) done: Option<(EntryHash, u64, Instant)>,
    /// The nonces of the fences, and since when they have been the same while something was to be given up.
    pub(super) fences: Option<Box<([String; 3], Instant)>>,
    /// The reason why nothing could be done, since when it holds, and when to try again.
    pub(super) retry: Option<Box<Retry>>,
}

/// A cluster that is held up for now.
pub(super) struct Retry {
    /// The reason, as it is reported to the user.
    pub(super) reason: String,
    /// The time since which the reason has been the same.
    pub(super) since: Instant,
    /// Number of failed tries.
    pub(super) failures: u32,
    /// While the entry and the number of changes stay the same, there is no new try before this time.
    pub(super) until: (EntryHash, u64, Instant),
}

impl Remembered {
    /// Returns how long to leave the cluster alone after a failed try, if nothing has changed. `request` computes the hash
    /// of the request. Its cost grows with the length of the entry, and hardly any cluster needs it.
    pub(super) fn paused(&self, request: impl FnOnce() -> EntryHash) -> Option<Duration> {
        let (tried, changes, until) = self.retry.as_ref()?.until;
        let left = until.saturating_duration_since(Instant::now());
        (changes == self.changes && !left.is_zero() && tried == request()).then_some(left)
    }

    /// Reports whether nothing is to be done for as long as nothing changes.
    pub(super) fn is_done(&self, entry: EntryHash, within: Duration) -> bool {
        self.done
            .as_ref()
            .is_some_and(|(done, changes, at)| *done == entry && *changes == self.changes && at.elapsed() < within)
    }
}

/// A hash of an account's entry, which may have many kilobytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EntryHash(u64);

/// Computes hasher with a random key. Nobody else knows the key, so that nobody can make two entries with one hash.
#[derive(Default)]
pub(super) struct EntryHasher(RandomState);

impl EntryHasher {
    pub(super) fn of(&self, entry: &Entry) -> EntryHash {
        EntryHash(self.0.hash_one(format!("{entry:?}")))
    }

    /// Returns the hash of the request in an entry, without the reason why it is blocked.
    pub(super) fn of_request(&self, entry: &Entry) -> EntryHash {
        self.of(&Entry { blocked: None, ..entry.clone() })
    }
}

/// Clusters by user, and users by cluster.
#[derive(Default)]
pub(super) struct Clusters {
    of: BTreeMap<UserName, BTreeMap<ClusterName, Remembered>>,
    users: HashMap<ClusterName, Vec<UserName>>,
}

impl Clusters {
    /// Returns the clusters of a user.
    pub(super) fn of_user(&self, user: &UserName) -> impl Iterator<Item = &ClusterName> {
        self.of.get(user).into_iter().flat_map(BTreeMap::keys)
    }

    /// Returns the users who want or hold a cluster of this name: more than one only until its owner is known.
    pub(super) fn users_of(&self, cluster: &ClusterName) -> &[UserName] {
        self.users.get(cluster).map_or(&[], Vec::as_slice)
    }

    pub(super) fn get(&self, user: &UserName, cluster: &ClusterName) -> Option<&Remembered> {
        self.of.get(user)?.get(cluster)
    }

    pub(super) fn get_mut(&mut self, user: &UserName, cluster: &ClusterName) -> Option<&mut Remembered> {
        self.of.get_mut(user)?.get_mut(cluster)
    }

    /// Returns the memory of a cluster, and creates it if there is none.
    pub(super) fn entry(&mut self, user: &UserName, cluster: &ClusterName) -> &mut Remembered {
        let users = self.users.entry(cluster.clone()).or_default();
        if !users.contains(user) {
            users.push(user.clone());
        }
        self.of.entry(user.clone()).or_default().entry(cluster.clone()).or_default()
    }

    pub(super) fn remove(&mut self, user: &UserName, cluster: &ClusterName) {
        if let Some(clusters) = self.of.get_mut(user) {
            clusters.remove(cluster);
            if clusters.is_empty() {
                self.of.remove(user);
            }
        }
        if let Some(users) = self.users.get_mut(cluster) {
            users.retain(|other| other != user);
            if users.is_empty() {
                self.users.remove(cluster);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use cmp_core::account::Blocked;

    use super::*;

    #[test]
    fn clusters_are_found_by_their_user_and_by_their_name() {
        let (john, jane): (UserName, UserName) = ("john".parse().unwrap(), "jane".parse().unwrap());
        let (web, db): (ClusterName, ClusterName) = ("web".parse().unwrap(), "db".parse().unwrap());
        let mut clusters = Clusters::default();
        clusters.entry(&john, &web).changes += 1;
        clusters.entry(&john, &web).changes += 1;
        clusters.entry(&john, &db);
        clusters.entry(&jane, &web);
        assert_eq!(clusters.get(&john, &web).unwrap().changes, 2);
        assert_eq!(clusters.of_user(&john).collect::<Vec<_>>(), [&db, &web]);
        assert_eq!(clusters.users_of(&web), [john.clone(), jane.clone()]);
        clusters.remove(&john, &web);
        assert_eq!(clusters.users_of(&web), std::slice::from_ref(&jane));
        assert_eq!(clusters.of_user(&john).collect::<Vec<_>>(), [&db]);
        clusters.remove(&john, &db);
        clusters.remove(&jane, &web);
        assert!(clusters.of.is_empty() && clusters.users.is_empty(), "nothing is kept of what is gone");
    }

    #[test]
    fn a_cluster_is_left_alone_until_something_changes() {
        let hasher = EntryHasher::default();
        let request = |delete: &str, blocked: Option<&str>| {
            let at = jiff::Timestamp::UNIX_EPOCH;
            let blocked = blocked.map(|reason| Blocked { reason: reason.to_owned(), at });
            hasher.of_request(&Entry { delete: Some(delete.to_owned()), blocked, ..Entry::default() })
        };
        let until = (request("a", None), 0, Instant::now() + Duration::from_hours(1));
        let retry = Retry { reason: "denied".to_owned(), since: Instant::now(), failures: 1, until };
        let mut remembered = Remembered { retry: Some(Box::new(retry)), ..Remembered::default() };
        assert!(remembered.paused(|| request("a", None)).is_some());
        assert!(remembered.paused(|| request("a", Some("denied"))).is_some(), "our own report does not start it anew");
        assert!(remembered.paused(|| request("b", None)).is_none());
        remembered.changes += 1;
        assert!(remembered.paused(|| request("a", None)).is_none());
        assert!(Remembered::default().paused(|| request("a", None)).is_none());
    }

    #[test]
    fn a_cluster_is_done_with_one_entry_and_until_something_changes() {
        let hasher = EntryHasher::default();
        let (empty, other) = (Entry::default(), Entry { delete: Some("uid".to_owned()), ..Entry::default() });
        let mut remembered = Remembered { done: Some((hasher.of(&empty), 0, Instant::now())), ..Remembered::default() };
        let long = Duration::from_hours(1);
        assert!(remembered.is_done(hasher.of(&empty), long));
        assert!(!remembered.is_done(hasher.of(&other), long));
        assert!(!remembered.is_done(hasher.of(&empty), Duration::ZERO));
        remembered.changes += 1;
        assert!(!remembered.is_done(hasher.of(&empty), long));
    }
}
