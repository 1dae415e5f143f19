//! The use of a quota that a change leads to.

use std::fmt;

use crate::account::Account;
use crate::name::{ClusterName, UserName};
use crate::resources::Resources;

/// The use of a quota after a change, once everything that the change gives up is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The user of the quota.
    pub user: UserName,
    /// The amounts that will be charged.
    pub used: Resources,
    /// The quota.
    pub limited: Resources,
    /// Whether more is charged until everything that was given up is gone.
    pub releases: bool,
}

impl Outcome {
    /// Returns the outcome for the account after the write, in which these clusters were changed. Returns `None` if
    /// the charge cannot be told: it does not fit, or a newer version stored a part of it.
    pub fn of<'a>(account: &Account, changed: impl IntoIterator<Item = &'a ClusterName>) -> Option<Self> {
        if account.uncounted().is_some() {
            return None;
        }
        let at_first = account.charge()?;
        let mut last = account.clone();
        for name in changed {
            let mut entry = last.cluster(name);
            if entry.delete.is_some() {
                last.clusters.remove(name);
            } else if entry.want.is_some() {
                // The controllers lower a holding to the want.
                entry.held = None;
                last.clusters.insert(name.clone(), entry.into());
            }
        }
        let used = last.charge()?;
        let releases = !at_first.fits(&used);
        Some(Self { user: account.user.clone(), used, limited: account.quota.clone(), releases })
    }
}

impl fmt::Display for Outcome {
    /// Writes `quota: john would use cpu=6 of 16, memory=12Gi of 64Gi`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, used, limited, releases } = self;
        let either = limited.max(used);
        let amounts: Vec<String> =
            either.names().map(|name| format!("{name}={} of {}", used.get(name), limited.get(name))).collect();
        let when = if *releases { ", when the removed resources are released" } else { "" };
        write!(f, "quota: {user} would use {}{when}", amounts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::tests::{account, name};

    #[test]
    fn the_outcome_is_the_charge_when_the_change_is_done() {
        let web = ("want.web", r#"{"type":"container","count":3,"size":{"cpu":"2","memory":"4Gi"}}"#);
        let less = ("want.web", r#"{"type":"container","count":1,"size":{"cpu":"2","memory":"4Gi"}}"#);
        let off = ("want.web", r#"{"type":"container","count":3,"size":{"cpu":"2","memory":"4Gi"},"released":true}"#);
        let held = (
            "held.web",
            r#"{"uid":"u","type":"container","count":3,"size":{"cpu":"2","memory":"4Gi"},"state":"ready"}"#,
        );
        let other = ("want.db", r#"{"type":"container","count":1,"size":{"cpu":"1","memory":"1Gi"}}"#);
        let gpu = ("want.db", r#"{"type":"container","count":1,"size":{"cpu":"1","memory":"1Gi","a.b/gpu":"1"}}"#);
        let check = |rows: &[(&str, &str)], changed: &[&str], expected: &str| {
            let changed: Vec<ClusterName> = changed.iter().map(|text| name(text)).collect();
            let outcome = Outcome::of(&account(rows), &changed);
            assert_eq!(outcome.map_or("unknown".to_owned(), |outcome| outcome.to_string()), expected, "{rows:?}");
        };
        check(&[], &[], "quota: john would use cpu=0 of 16, memory=0 of 64Gi");
        check(&[web], &["web"], "quota: john would use cpu=6 of 16, memory=12Gi of 64Gi");
        check(&[web, held, other], &["web"], "quota: john would use cpu=7 of 16, memory=13Gi of 64Gi");
        let when = ", when the removed resources are released";
        check(&[less, held], &["web"], &format!("quota: john would use cpu=2 of 16, memory=4Gi of 64Gi{when}"));
        check(&[off, held], &["web"], &format!("quota: john would use cpu=0 of 16, memory=0 of 64Gi{when}"));
        check(
            &[web, held, ("delete.web", "u"), other],
            &["web"],
            &format!("quota: john would use cpu=1 of 16, memory=1Gi of 64Gi{when}"),
        );
        // Another cluster that releases resources is charged as it is now.
        check(&[less, held, other], &["db"], "quota: john would use cpu=7 of 16, memory=13Gi of 64Gi");
        // A cluster without a want keeps its holding.
        check(&[held], &["web"], "quota: john would use cpu=6 of 16, memory=12Gi of 64Gi");
        check(&[gpu], &["db"], "quota: john would use a.b/gpu=1 of 0, cpu=1 of 16, memory=1Gi of 64Gi");
        check(&[web, ("held.db", r#"{"format":9}"#)], &["web"], "unknown");
    }
}
