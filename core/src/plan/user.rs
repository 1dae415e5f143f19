//! `create user` and `delete user`: the account, and the order in which a user goes.

use std::collections::{BTreeMap, BTreeSet};

use crate::account::change::Change;
use crate::account::{Account, Policy};
use crate::name::{ClusterName, UserName};
use crate::plan::refusal::Refusal;
use crate::plan::write::Write;
use crate::resources::Resources;

/// A user that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The name of the user.
    pub name: UserName,
    /// The quota of the user.
    pub quota: Resources,
    /// Further rules for the user.
    pub policy: Policy,
}

impl Wish {
    /// Returns the values of the account that is created.
    pub fn data(&self) -> Change {
        let quota = Change::new().quota(&self.quota);
        if self.policy == Policy::default() { quota } else { quota.policy(&self.policy) }
    }

    /// Returns the account that is created, as it is before cmp-webhook has seen it.
    pub fn account(&self) -> Account {
        Account {
            user: self.name.clone(),
            uid: String::new(),
            quota: self.quota.clone(),
            policy: self.policy.clone(),
            clusters: BTreeMap::new(),
            settled: None,
            opaque: Vec::new(),
        }
    }
}

/// Plans the write for an account that exists. An equal account is no error, because a second try finds it. A user whose
/// deletion was begun and not finished may create clusters again.
pub fn existing(wish: &Wish, account: &Account) -> Result<Write, Refusal> {
    let Wish { name, quota, policy } = wish;
    if account.quota != *quota {
        return Err(Refusal::wish(format!(
            "user {name} exists and has another quota: it is {}, requested is {quota}",
            account.quota
        ))
        .hint(format!("kubectl cmp set quota {name} --cpu {} --memory {}", quota.cpu(), quota.memory())));
    }
    let (is, asked) = (account.policy.suspended, policy.suspended);
    if is != asked {
        return Err(Refusal::wish(format!(
            "user {name} exists with another policy for suspended clusters: it is {is}, requested is {asked}"
        ))
        .hint(format!("kubectl cmp set quota {name} --suspended {asked}")));
    }
    if !allows_nothing(&account.policy) || allows_nothing(policy) {
        return Ok(Write::nothing(account));
    }
    let Policy { clusters, instances, .. } = *policy;
    Write::of(account, Change::new().policy(&Policy { clusters, instances, ..account.policy.clone() }))
}

/// Reports whether the policy allows nothing, as `delete user` sets it until the user is gone.
pub fn allows_nothing(policy: &Policy) -> bool {
    policy.clusters == 0 && policy.instances == 0
}

/// A step of the deletion of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Revoke all tokens.
    RevokeTokens,
    /// Stop the user from creating and growing clusters, by [`stop`]. Then check by [`may_go_on`] the clusters that
    /// there are.
    Stop,
    /// Request the deletion of all clusters of the account, and wait until they are gone.
    DeleteClusters,
    /// Remove the rights of the user.
    RemoveRights,
    /// Delete the Namespaces that the account does not know, and wait until they are gone. A Namespace that was made
    /// after its wish was gone has no record elsewhere.
    DeleteNamespaces,
    /// Read the account again, if it can be read.
    Look,
    /// Delete the ServiceAccount.
    DeleteServiceAccount,
    /// Delete the account.
    DeleteAccount,
}

/// Plans the deletion of a user. Every step can be repeated, and no step removes an object that a later one needs.
/// cmp-webhook prepares and removes clusters only for a user with rights and an account.
pub fn delete(cascade: bool) -> Vec<Step> {
    use Step::{
        DeleteAccount, DeleteClusters, DeleteNamespaces, DeleteServiceAccount, Look, RemoveRights, RevokeTokens, Stop,
    };
    let mut steps = vec![RevokeTokens, Stop, DeleteClusters, RemoveRights];
    if cascade {
        // No Namespace can be created for this user any more, so the second look finds all.
        steps.extend([DeleteNamespaces, Look, DeleteClusters]);
    }
    steps.extend([DeleteServiceAccount, DeleteAccount]);
    steps
}

/// Returns the lines about the loss, or a refusal if the user has clusters that are not to be deleted.
pub fn goes(name: &UserName, clusters: &BTreeSet<ClusterName>, cascade: bool) -> Result<Vec<String>, Refusal> {
    may_go_on(name, clusters, cascade)?;
    let user = format!("user/{name}: the account, the rights and all tokens");
    let clusters =
        clusters.iter().map(|cluster| format!("cluster/{cluster} of {name}: its namespace and everything in it"));
    Ok([user].into_iter().chain(clusters).collect())
}

/// Refuses the deletion of a user with clusters, unless they are to be deleted too.
pub fn may_go_on(name: &UserName, clusters: &BTreeSet<ClusterName>, cascade: bool) -> Result<(), Refusal> {
    if cascade || clusters.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = clusters.iter().map(ToString::to_string).collect();
    Err(Refusal::wish(format!("user {name} still has clusters: {}", list.join(", ")))
        .hint(format!("delete them too: kubectl cmp delete user {name} --cascade")))
}

/// Returns the change that stops a user from creating and growing clusters. cmp-webhook takes back wants that are not
/// held yet.
pub fn stop(account: &Account) -> Change {
    let nothing = Policy { clusters: 0, instances: 0, ..account.policy.clone() };
    if account.policy == nothing { Change::new() } else { Change::new().policy(&nothing) }
}

/// Returns the clusters of an account that exist.
pub fn clusters(account: &Account) -> Vec<ClusterName> {
    account.existing().map(|(cluster, _)| cluster.clone()).collect()
}

/// Returns the hints for a deletion that did not end.
pub fn kept(name: &UserName) -> [String; 2] {
    [
        format!("the same command goes on where this one ended; until then {name} can create nothing"),
        format!(
            "to keep the user instead: `kubectl cmp create user {name}` with the quota of {name}, then `kubectl cmp create \
             token {name}`"
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Suspended;
    use crate::account::tests::{account, name, size};

    fn john() -> UserName {
        "john".parse().unwrap()
    }

    fn wish(quota: &str, suspended: Suspended) -> Wish {
        Wish { name: john(), quota: size(quota), policy: Policy { suspended, ..Policy::default() } }
    }

    #[test]
    fn an_equal_account_is_found_and_a_different_one_is_refused() {
        const STOPPED: &str = r#"{"suspended":"keep","clusters":0,"instances":0}"#;
        const AGAIN: &str = r#"{"suspended":"keep","clusters":100,"instances":1000}"#;
        let same = wish("cpu=16,memory=64Gi", Suspended::Keep);
        let stays_stopped = Wish { policy: Policy { clusters: 0, instances: 0, ..Policy::default() }, ..same.clone() };
        for (wish, rows, expected) in [
            (&same, &[][..], Ok("")),
            // A limit that an administrator set differs, and stays.
            (&same, &[("policy", r#"{"suspended":"keep","clusters":5,"instances":0}"#)], Ok("")),
            (&same, &[("policy", STOPPED)], Ok(AGAIN)),
            (&stays_stopped, &[("policy", STOPPED)], Ok("")),
            (
                &wish("cpu=8,memory=64Gi", Suspended::Release),
                &[],
                Err(
                    "user john exists and has another quota: it is cpu=16,memory=64Gi, requested is cpu=8,memory=64Gi\n\
                     hint: kubectl cmp set quota john --cpu 8 --memory 64Gi",
                ),
            ),
            (
                &wish("cpu=16,memory=64Gi", Suspended::Release),
                &[],
                Err(
                    "user john exists with another policy for suspended clusters: it is keep, requested is release\nhint: kubectl cmp set quota john --suspended release",
                ),
            ),
        ] {
            match (existing(wish, &account(rows)), expected) {
                (Ok(write), Ok(policy)) => {
                    let written = write.change.entries().find_map(|(key, text)| text.filter(|_| key == "policy"));
                    assert_eq!(written.unwrap_or_default(), policy, "{rows:?}");
                }
                (Err(refusal), Err(expected)) => assert_eq!(refusal.to_string(), expected),
                (planned, expected) => panic!("{planned:?}, expected {expected:?}"),
            }
        }
    }

    #[test]
    fn a_default_policy_is_not_stored() {
        let quota = ("quota", Some(r#"{"cpu":"1","memory":"1Gi"}"#));
        let policy = ("policy", Some(r#"{"suspended":"release","clusters":100,"instances":1000}"#));
        let check = |suspended, expected: &[_]| {
            let wish = wish("cpu=1,memory=1Gi", suspended);
            assert_eq!(wish.data().entries().collect::<Vec<_>>(), expected);
            assert_eq!((wish.account().quota, wish.account().policy), (wish.quota, wish.policy));
        };
        check(Suspended::Keep, &[quota]);
        check(Suspended::Release, &[policy, quota]);
    }

    #[test]
    fn no_step_of_a_deletion_removes_an_object_that_a_later_one_needs() {
        use Step::{
            DeleteAccount, DeleteClusters, DeleteNamespaces, DeleteServiceAccount, Look, RemoveRights, RevokeTokens,
            Stop,
        };
        let first = [RevokeTokens, Stop, DeleteClusters, RemoveRights];
        let last = [DeleteServiceAccount, DeleteAccount];
        assert_eq!(delete(false), [&first[..], &last].concat());
        assert_eq!(delete(true), [&first[..], &[DeleteNamespaces, Look, DeleteClusters], &last].concat());
    }

    #[test]
    fn clusters_go_only_with_cascade() {
        let none = BTreeSet::new();
        let two: BTreeSet<ClusterName> = ["web", "db"].map(name).into();
        let user = "user/john: the account, the rights and all tokens";
        assert_eq!(goes(&john(), &none, false).unwrap(), [user]);
        assert_eq!(
            goes(&john(), &two, false).unwrap_err().to_string(),
            "user john still has clusters: db, web\nhint: delete them too: kubectl cmp delete user john --cascade"
        );
        assert_eq!(
            goes(&john(), &two, true).unwrap(),
            [
                user,
                "cluster/db of john: its namespace and everything in it",
                "cluster/web of john: its namespace and everything in it",
            ]
        );
    }

    #[test]
    fn a_user_who_is_stopped_can_create_nothing() {
        let policy = r#"{"suspended":"release","clusters":5,"instances":9}"#;
        let before = account(&[("policy", policy)]);
        let change = stop(&before);
        let written: Vec<_> = change.entries().collect();
        assert_eq!(written, [("policy", Some(r#"{"suspended":"release","clusters":0,"instances":0}"#))]);
        let stopped = change.apply(&before).unwrap();
        assert!(allows_nothing(&stopped.policy));
        assert!(stop(&stopped).is_empty());
    }
}
