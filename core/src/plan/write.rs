//! The write of an account: the change, and the account that it leads to.

use crate::account::change::Change;
use crate::account::{Account, HeldState, Want};
use crate::name::ClusterName;
use crate::plan::refusal::Refusal;
use crate::verdict::judge;

/// A planned write of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The keys to set and to remove; empty if the account already is as wished.
    pub change: Change,
    /// The account after the write.
    pub account: Account,
}

impl Write {
    /// Plans a change of an account.
    pub fn of(account: &Account, change: Change) -> Result<Self, Refusal> {
        let changed = change.apply(account)?;
        Ok(Self { change, account: changed })
    }

    /// Plans no change.
    pub fn nothing(account: &Account) -> Self {
        Self { change: Change::new(), account: account.clone() }
    }
}

/// Refuses a cluster that goes: its deletion was asked for, or its Namespace is being deleted.
pub fn stays(account: &Account, name: &ClusterName) -> Result<(), Refusal> {
    let entry = account.cluster(name);
    let goes = entry.held.is_some_and(|held| entry.delete.is_some() || held.state == HeldState::Deleting);
    if goes { Err(goes_already(name)) } else { Ok(()) }
}

/// Returns the refusal of a change of a cluster that goes.
pub(crate) fn goes_already(name: &ClusterName) -> Refusal {
    Refusal::wish(format!("cluster {name} is being deleted"))
        .hint(format!("wait until it is gone: kubectl cmp delete cluster {name} --yes --wait"))
}

/// Returns the want of a cluster, or a refusal if there is none.
pub fn current(account: &Account, name: &ClusterName) -> Result<Want, Refusal> {
    account.cluster(name).want.ok_or_else(|| {
        // A deletion removes the want once nothing runs, long before the Namespace may be gone.
        if let Err(goes) = stays(account, name) {
            return goes;
        }
        Refusal::wish(format!("cluster {name} has no specification: its account was created again"))
            .hint("restore it with `kubectl cmp create cluster` and the current size")
    })
}

/// Plans another want of a cluster. The verdict on it is the one that cmp-webhook will give on this version.
pub fn other_want(account: &Account, name: &ClusterName, other: impl FnOnce(&Want) -> Want) -> Result<Write, Refusal> {
    if let Some(what) = account.cluster(name).newer() {
        return Err(Refusal::wish(format!("cluster {name} is not changed by this version, {what}"))
            .hint("upgrade kubectl-cmp: `kubectl cmp version` shows which version is installed in the cluster"));
    }
    let want = other(&current(account, name)?);
    let write = Write::of(account, Change::new().want(name, Some(&want)))?;
    if write.account == *account {
        return Ok(Write::nothing(account));
    }
    judge(Some(account), &write.account).map_err(|denial| Refusal::denied(account, denial))?;
    Ok(write)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::tests::{account, name};
    use crate::plan::tests::{HELD, WEB, written};

    #[test]
    fn another_want_is_written_judged_or_refused() {
        let newer = WEB.replace("{\"type\"", "{\"colour\":\"red\",\"type\"");
        let more = WEB.replace('3', "4");
        for (rows, count, expected) in [
            (&[("want.web", WEB)][..], 4, format!("want.web: {more}")),
            (&[("want.web", WEB)], 3, String::new()),
            (
                &[("want.web", WEB)],
                9,
                "exceeded quota: john, requested: cpu=12, used: cpu=6, limited: cpu=16".to_owned(),
            ),
            (
                &[("held.web", HELD)],
                4,
                "cluster web has no specification: its account was created again\n\
                 hint: restore it with `kubectl cmp create cluster` and the current size"
                    .to_owned(),
            ),
            (
                &[("want.web", WEB), ("held.web", HELD), ("delete.web", "u")],
                4,
                "cluster web is being deleted: wait until it is gone, then create it anew".to_owned(),
            ),
            (
                &[("want.web", &newer)],
                4,
                "cluster web is not changed by this version, want: this version does not know \"colour\"\n\
                 hint: upgrade kubectl-cmp: `kubectl cmp version` shows which version is installed in the cluster"
                    .to_owned(),
            ),
        ] {
            let planned = other_want(&account(rows), &name("web"), |want| Want { count, ..want.clone() });
            if let Ok(write) = &planned {
                assert_eq!(write.account.cluster(&name("web")).want.map(|want| want.count), Some(count));
            }
            assert_eq!(written(planned), expected, "{rows:?} {count}");
        }
    }

    #[test]
    fn a_refusal_says_what_comes_back() {
        let less = WEB.replace('3', "1");
        let other = r#"{"type":"container","count":2,"size":{"cpu":"2","memory":"16Gi"}}"#;
        for (web, count, expected) in [
            (
                WEB,
                6,
                "exceeded quota: john, requested: cpu=8,memory=64Gi, used: cpu=10,memory=44Gi, limited: cpu=16,memory=64Gi",
            ),
            (
                &less,
                4,
                "exceeded quota: john, requested: memory=32Gi, used: memory=44Gi, limited: memory=64Gi\n\
                 hint: 8Gi of memory come back when cluster web has finished shrinking",
            ),
        ] {
            let account = account(&[("want.web", web), ("held.web", HELD), ("want.db", other)]);
            let refusal = other_want(&account, &name("db"), |want| Want { count, ..want.clone() });
            assert_eq!(refusal.unwrap_err().to_string(), expected, "{web}");
        }
    }
}
