//! What the controllers remember between looks. All of it may be lost at any time: then more is looked at, or waited for.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use cmp_core::account::Entry;
use cmp_core::name::{ClusterName, UserName};

/// What is remembered of one cluster.
#[derive(Default)]
pub(super) struct Remembered {
    /// How often something in its Namespace was seen to change.
    pub(super) changes: u64,
    /// With this entry of the account, after so many changes, nothing was to be done; and when that was seen.
    pub(super) done: Option<(Mark, u64, Instant)>,
    /// Since when these very fences have been seen while something was to be given up.
    pub(super) fences: Option<Box<([String; 3], Instant)>>,
    /// Why nothing could be done, since when that is so, and when it is tried again.
    pub(super) held_up: Option<Box<HeldUp>>,
}

/// A cluster with which nothing can be done now.
pub(super) struct HeldUp {
    /// The reason.
    pub(super) reason: String,
    /// Since when it has been this reason.
    pub(super) since: Instant,
    /// How often it was tried in vain.
    pub(super) failures: u32,
    /// With this entry and after so many changes it is not tried again before that.
    pub(super) until: (Mark, u64, Instant),
}

impl Remembered {
    /// How long it is to be left alone, since it was tried in vain and nothing has changed.
    /// `wish` makes the mark of what is asked for, which costs as much as the entry is long: hardly any cluster needs it.
    pub(super) fn paused(&self, wish: impl FnOnce() -> Mark) -> Option<Duration> {
        let (tried, changes, until) = self.held_up.as_ref()?.until;
        let left = until.saturating_duration_since(Instant::now());
        (changes == self.changes && !left.is_zero() && tried == wish()).then_some(left)
    }

    /// Whether nothing is to be done for as long as nothing changes.
    pub(super) fn is_done(&self, entry: Mark, within: Duration) -> bool {
        self.done
            .as_ref()
            .is_some_and(|(done, changes, at)| *done == entry && *changes == self.changes && at.elapsed() < within)
    }
}

/// What stands for an entry of an account, which may be of many kilobytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark(u64);

/// Makes marks. Nobody else knows by which key, so that nobody can make two entries of one mark.
#[derive(Default)]
pub(super) struct Marks(RandomState);

impl Marks {
    pub(super) fn of(&self, entry: &Entry) -> Mark {
        Mark(self.0.hash_one(format!("{entry:?}")))
    }

    /// The mark of what an entry asks for: why it is blocked is no part of that.
    pub(super) fn of_wish(&self, entry: &Entry) -> Mark {
        self.of(&Entry { blocked: None, ..entry.clone() })
    }
}

/// Clusters by their users, and users by their clusters.
#[derive(Default)]
pub(super) struct Clusters {
    of: BTreeMap<UserName, BTreeMap<ClusterName, Remembered>>,
    users: HashMap<ClusterName, Vec<UserName>>,
}

impl Clusters {
    /// The clusters of a user.
    pub(super) fn of_user(&self, user: &UserName) -> impl Iterator<Item = &ClusterName> {
        self.of.get(user).into_iter().flat_map(BTreeMap::keys)
    }

    /// Those who want or hold a cluster of this name: more than one only until it is known whose it is.
    pub(super) fn users_of(&self, cluster: &ClusterName) -> &[UserName] {
        self.users.get(cluster).map_or(&[], Vec::as_slice)
    }

    pub(super) fn get(&self, user: &UserName, cluster: &ClusterName) -> Option<&Remembered> {
        self.of.get(user)?.get(cluster)
    }

    pub(super) fn get_mut(&mut self, user: &UserName, cluster: &ClusterName) -> Option<&mut Remembered> {
        self.of.get_mut(user)?.get_mut(cluster)
    }

    /// What is remembered of a cluster, from now on at the latest.
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
        let marks = Marks::default();
        let wish = |delete: &str, blocked: Option<&str>| {
            let at = jiff::Timestamp::UNIX_EPOCH;
            let blocked = blocked.map(|reason| Blocked { reason: reason.to_owned(), at });
            marks.of_wish(&Entry { delete: Some(delete.to_owned()), blocked, ..Entry::default() })
        };
        let until = (wish("a", None), 0, Instant::now() + Duration::from_hours(1));
        let held_up = HeldUp { reason: "denied".to_owned(), since: Instant::now(), failures: 1, until };
        let mut remembered = Remembered { held_up: Some(Box::new(held_up)), ..Remembered::default() };
        assert!(remembered.paused(|| wish("a", None)).is_some());
        assert!(remembered.paused(|| wish("a", Some("denied"))).is_some(), "our own report does not start it anew");
        assert!(remembered.paused(|| wish("b", None)).is_none());
        remembered.changes += 1;
        assert!(remembered.paused(|| wish("a", None)).is_none());
        assert!(Remembered::default().paused(|| wish("a", None)).is_none());
    }

    #[test]
    fn a_cluster_is_done_with_one_entry_and_until_something_changes() {
        let marks = Marks::default();
        let (empty, other) = (Entry::default(), Entry { delete: Some("uid".to_owned()), ..Entry::default() });
        let mut remembered = Remembered { done: Some((marks.of(&empty), 0, Instant::now())), ..Remembered::default() };
        let long = Duration::from_hours(1);
        assert!(remembered.is_done(marks.of(&empty), long));
        assert!(!remembered.is_done(marks.of(&other), long));
        assert!(!remembered.is_done(marks.of(&empty), Duration::ZERO));
        remembered.changes += 1;
        assert!(!remembered.is_done(marks.of(&empty), long));
    }
}
