//! `delete cluster`: the wishes that are written, and the clusters that are waited for.

use crate::account::change::Change;
use crate::account::{Account, Entry};
use crate::deletion::{Going, wish};
use crate::name::{ClusterName, InstanceName, UserName};
use crate::plan::refusal::Refusal;
use crate::vocabulary::InstanceType;

/// Returns all clusters that an account shows, refusals included.
pub fn shown(account: &Account) -> Vec<ClusterName> {
    let shown = account.clusters.iter().filter(|(_, entry)| entry.exists() || entry.refused.is_some());
    shown.map(|(name, _)| name.clone()).collect()
}

/// Reports whether an account has nothing of a cluster but a refusal, which the deletion dismisses.
pub fn is_refused(account: &Account, name: &ClusterName) -> bool {
    account.cluster(name).refused.is_some()
}

/// A cluster to delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// The name of the cluster.
    pub name: ClusterName,
    /// The instances of the cluster, as far as the caller can see them.
    pub had: Vec<InstanceName>,
    entry: Entry,
    going: Going,
}

impl Cluster {
    /// Returns the cluster, from the account's entry and the instances that the caller can see.
    pub fn new(name: ClusterName, entry: Entry, had: Vec<InstanceName>) -> Self {
        Self { going: Going::of(&entry), name, had, entry }
    }

    /// Returns the line about the loss, or `None` for a mere refusal.
    pub fn warning(&self, user: &UserName) -> Option<String> {
        let (name, had) = (&self.name, self.had.len());
        let goes = format!("namespace {} with {had} instances and everything else in it", name.namespace());
        self.exists().then(|| format!("cluster/{name} of {user}: {goes}"))
    }

    /// Reports whether the cluster is wanted or held, so that its quota comes back later.
    pub fn exists(&self) -> bool {
        self.entry.exists()
    }

    /// Returns the type of the instances, if it is known.
    pub fn kind(&self) -> Option<InstanceType> {
        self.entry.kind()
    }

    /// Takes over the entry after the write of the wish. From now on the deletion of this very cluster is waited for.
    pub fn wished(&mut self, account: &Account) {
        self.entry = account.cluster(&self.name);
        self.going = Going::of(&self.entry);
    }

    /// Takes over a later entry, and reports whether the cluster is gone.
    pub fn is_gone(&mut self, entry: Entry) -> bool {
        self.entry = entry;
        self.going.is_gone(&self.entry)
    }

    /// Returns the error for a cluster that is not gone in time, with the known reason.
    pub fn late(&self, seconds: u64) -> Refusal {
        let blocked = self.entry.blocked.as_ref().map(|blocked| &blocked.reason);
        let why = blocked.or_else(|| self.entry.refused.as_ref().map(|refused| &refused.reason));
        let why = why.map_or_else(String::new, |why| format!(": {why}"));
        Refusal::wish(format!("timed out after {seconds} s waiting for cluster {} to be gone{why}", self.name))
    }
}

/// The reaction to a failed write of the wishes for several clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    /// Write the wish of each cluster alone, so that one cluster does not block the others.
    OneByOne,
    /// Report the error as that of the only cluster.
    Report,
    /// Give up: the error is not about the clusters.
    GiveUp,
}

/// Plans the reaction to a failed write of the wishes for `count` clusters. `refused` reports whether the API server
/// refused the write.
pub fn after_failure(count: usize, refused: bool) -> AfterFailure {
    match (refused, count) {
        (false, _) => AfterFailure::GiveUp,
        (true, 1) => AfterFailure::Report,
        (true, _) => AfterFailure::OneByOne,
    }
}

/// Returns the change that requests the deletion of clusters, on one version of the account.
pub fn change<'a>(account: &Account, names: impl IntoIterator<Item = &'a ClusterName>) -> Change {
    names.into_iter().fold(Change::new(), |change, name| wish(change, name, &account.cluster(name)))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::account::tests::{account, name};
    use crate::account::{Blocked, Refused};
    use crate::plan::tests::{HELD, WEB};
    use crate::plan::write::Write;

    const REFUSED: &str = r#"{"reason":"no room","at":"2026-01-01T00:00:00Z"}"#;

    fn cluster(account: &Account, text: &str, had: u32) -> Cluster {
        let had = (0..had).map(|index| name(text).instance(index)).collect();
        Cluster::new(name(text), account.cluster(&name(text)), had)
    }

    #[test]
    fn everything_that_an_account_shows_is_deleted() {
        let account = account(&[
            ("want.a", WEB),
            ("held.b", HELD),
            ("refused.c", REFUSED),
            ("blocked.d", r#"{"reason":"x","at":"2026-01-01T00:00:00Z"}"#),
        ]);
        assert_eq!(shown(&account), ["a", "b", "c"].map(name));
        assert!(is_refused(&account, &name("c")) && !is_refused(&account, &name("a")));
        let warning = |text: &str, had| cluster(&account, text, had).warning(&account.user);
        let line = |text: &str, had: u32| {
            format!("cluster/{text} of john: namespace {text}-ns with {had} instances and everything else in it")
        };
        assert_eq!(warning("a", 0), Some(line("a", 0)));
        assert_eq!(warning("b", 3), Some(line("b", 3)));
        // A mere refusal destroys nothing.
        assert_eq!(warning("c", 0), None);
    }

    #[test]
    fn one_write_has_the_wishes_of_all_clusters() {
        let account =
            account(&[("want.a", WEB), ("held.b", HELD), ("refused.c", REFUSED), ("held.d", HELD), ("delete.d", "u")]);
        let write = Write::of(&account, change(&account, &["a", "b", "c", "d"].map(name))).unwrap();
        let entries: Vec<_> = write.change.entries().collect();
        assert_eq!(entries, [("delete.b", Some("u")), ("refused.c", None), ("want.a", None)]);
        assert_eq!(shown(&write.account), ["b", "d"].map(name));
    }

    #[test]
    fn a_refusal_of_several_clusters_is_tried_for_each() {
        for (count, refused, expected) in [
            (1, true, AfterFailure::Report),
            (2, true, AfterFailure::OneByOne),
            (100, true, AfterFailure::OneByOne),
            (1, false, AfterFailure::GiveUp),
            (2, false, AfterFailure::GiveUp),
        ] {
            assert_eq!(after_failure(count, refused), expected, "{count} {refused}");
        }
    }

    #[test]
    fn the_wait_is_for_the_cluster_of_the_wish() {
        let before = account(&[("want.web", WEB), ("held.web", HELD)]);
        let mut web = cluster(&before, "web", 3);
        let after = change(&before, [&name("web")]).apply(&before).unwrap();
        web.wished(&after);
        assert!(web.exists());
        assert!(!web.is_gone(after.cluster(&name("web"))));
        let timed_out = "timed out after 60 s waiting for cluster web to be gone";
        assert_eq!(web.late(60).to_string(), timed_out);
        let entry = |refused: bool, blocked: bool| Entry {
            refused: refused.then(|| Refused { reason: "refused".to_owned(), at: Timestamp::UNIX_EPOCH }),
            blocked: blocked.then(|| Blocked { reason: "blocked".to_owned(), at: Timestamp::UNIX_EPOCH }),
            ..after.cluster(&name("web"))
        };
        for (refused, blocked, why) in [(true, false, "refused"), (true, true, "blocked"), (false, true, "blocked")] {
            assert!(!web.is_gone(entry(refused, blocked)));
            assert_eq!(web.late(60).to_string(), format!("{timed_out}: {why}"));
        }
        assert!(web.is_gone(Entry::default()));
        assert!(!web.exists());
    }
}
