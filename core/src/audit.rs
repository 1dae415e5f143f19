//! Compares an account with the cluster: its entries with the Namespaces of its clusters and with their fences.

use crate::account::{Account, HeldState};
use crate::fences::ObservedNamespace;
use crate::manifest;
use crate::name::ClusterName;
use crate::quantity::{Amounts, Quantity};
use crate::settings::Settings;

/// A difference between an account and the cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// The account was made anew, and cmp-webhook has not looked up its clusters.
    #[error("it is not settled: its clusters have not been looked up")]
    NotSettled,
    /// A cluster is held, and its Namespace is gone.
    #[error("the account holds cluster {0}, but its namespace does not exist")]
    Gone(ClusterName),
    /// A Namespace of that name exists, but its uid is not the one that is held.
    #[error("the account holds cluster {0}, but its namespace was deleted and created again")]
    Other(ClusterName),
    /// A Namespace of this user exists that the account does not know.
    #[error("namespace {0} belongs to this user, but the account has no entry for it")]
    Unlisted(String),
    /// A Namespace of this user was ready, and how much may run in it cannot be read.
    #[error("namespace {0} belongs to this user, but its annotations cannot be read: it is not charged")]
    Unreadable(String),
    /// The Namespace is open for more than is held.
    #[error("the namespace of cluster {0} allows more than the account holds")]
    Wider(ClusterName),
    /// The ResourceQuota or the LimitRange is missing, or it was changed.
    #[error("cluster {cluster} is ready, but its {fence} is missing or was changed")]
    Unfenced {
        /// The cluster without that fence.
        cluster: ClusterName,
        /// The kind of the fence: `ResourceQuota` or `LimitRange`.
        fence: &'static str,
    },
    /// A newer version stored a value that this one does not know.
    #[error("{0}")]
    Newer(String),
    /// cmp-webhook cannot go on with a cluster.
    #[error("cluster {cluster} is stuck: {reason}")]
    Blocked {
        /// The cluster that is blocked.
        cluster: ClusterName,
        /// The reason, in the words of the account.
        reason: String,
    },
    /// The sum of the charges does not fit.
    #[error("its charges are more than can be counted")]
    Uncountable,
    /// The charge of a resource is above the quota.
    #[error("{resource}={charged} is charged, and the quota is {quota}")]
    OverQuota {
        /// The name of the resource.
        resource: String,
        /// The charge of that resource.
        charged: Quantity,
        /// The quota of that resource.
        quota: Quantity,
    },
}

impl Finding {
    /// Reports whether the finding is a failure. A quota below the charges and a newer version are not failures.
    pub fn is_failure(&self) -> bool {
        !matches!(self, Self::OverQuota { .. } | Self::Newer(_))
    }
}

/// Audits an account. `namespaces` are all Namespaces whose label names this user as the owner.
pub fn account(account: &Account, namespaces: &[ObservedNamespace]) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !account.is_settled() {
        findings.push(Finding::NotSettled);
    }
    findings.extend(account.newer().map(Finding::Newer));
    for (cluster, entry) in &account.clusters {
        findings.extend(entry.newer().map(|what| Finding::Newer(format!("cluster {cluster}: {what}"))));
        let blocked = entry.blocked.as_ref().filter(|_| entry.exists());
        findings.extend(
            blocked.map(|blocked| Finding::Blocked { cluster: cluster.clone(), reason: blocked.reason.clone() }),
        );
    }
    for (cluster, held) in account.clusters.iter().filter_map(|(name, entry)| Some((name, entry.held.as_ref()?))) {
        // Without a uid the Namespace has not been made yet. A cluster that is being deleted is removed when its
        // Namespace is gone.
        let expected = !held.uid.is_empty() && held.state != HeldState::Deleting;
        match namespaces.iter().find(|seen| seen.cluster.as_ref() == Some(cluster)) {
            None if expected => findings.push(Finding::Gone(cluster.clone())),
            Some(seen) if !held.uid.is_empty() && seen.uid != held.uid => {
                findings.push(Finding::Other(cluster.clone()));
            }
            // A Namespace that is being deleted admits nothing, whatever it is open for.
            Some(seen) if seen.deleting => {}
            Some(seen) if seen.shape().is_some_and(|shape| shape.count > 0 && !shape.fits(&held.shape())) => {
                findings.push(Finding::Wider(cluster.clone()));
            }
            _ => {}
        }
    }
    for seen in namespaces.iter().filter(|seen| !seen.deleting) {
        let known = seen.cluster.as_ref().is_some_and(|cluster| account.cluster(cluster).uid().is_some());
        if !known {
            let name = seen.cluster.as_ref().map_or_else(|| "of no cluster".to_owned(), ClusterName::namespace);
            if let Some(newer) = &seen.newer {
                findings.push(Finding::Newer(format!("namespace {name}: {newer}")));
                continue;
            }
            // cmp-webhook adopts a Namespace that was ready, if it can read how much to hold for it.
            let unreadable = seen.ready && seen.adopted().is_none();
            findings.push(if unreadable { Finding::Unreadable(name) } else { Finding::Unlisted(name) });
        }
    }
    match account.charge() {
        None => findings.push(Finding::Uncountable),
        Some(charge) => findings.extend(charge.iter().filter_map(|(name, charged)| {
            let quota = account.quota.get(name);
            let over = Finding::OverQuota { resource: name.to_string(), charged, quota };
            (charged > quota).then_some(over)
        })),
    }
    findings
}

/// Audits the fences of the clusters that are ready. `quota` and `limits` return the amounts that the ResourceQuota and
/// the LimitRange in a Namespace of this name allow.
pub fn fences<'a>(
    account: &Account,
    quota: impl Fn(&str) -> Option<&'a Amounts>,
    limits: impl Fn(&str) -> Option<&'a Amounts>,
    settings: &Settings,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (cluster, held) in account.clusters.iter().filter_map(|(name, entry)| Some((name, entry.held.as_ref()?))) {
        let namespace = cluster.namespace();
        let sound = [
            ("ResourceQuota", quota(&namespace) == Some(&manifest::hard(held.kind, &held.shape()))),
            ("LimitRange", limits(&namespace) == Some(&manifest::limits(held.kind, &held.size, settings))),
        ];
        // The fences are in transition before the cluster is ready, and while resources are given up.
        let unsound = sound.into_iter().filter(|(_, sound)| held.state == HeldState::Ready && !sound);
        findings.extend(unsound.map(|(fence, _)| Finding::Unfenced { cluster: cluster.clone(), fence }));
    }
    findings
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::fences::{ObjectVersion, Reserved};
    use crate::vocabulary::InstanceType;

    fn read(data: &[(&str, &str)]) -> Account {
        let quota = ("quota", r#"{"cpu":"4","memory":"8Gi"}"#);
        let data: BTreeMap<String, String> = [&[quota, ("settled", "u")], data]
            .concat()
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        Account::read("john".parse().unwrap(), "u", &data).unwrap()
    }

    fn namespace(cluster: &str, uid: &str, count: u32) -> ObservedNamespace {
        ObservedNamespace {
            uid: uid.to_owned(),
            owner: Some("john".parse().unwrap()),
            cluster: Some(cluster.parse().unwrap()),
            kind: Some(InstanceType::Container),
            count: Some(count),
            size: crate::resources::Resources::from_list("cpu=1,memory=1Gi"),
            released: false,
            reserved: Reserved::Nothing,
            ready: true,
            deleting: false,
            left: None,
            newer: None,
            created: None,
            version: ObjectVersion::default(),
        }
    }

    fn held(uid: &str, count: u32, state: &str) -> String {
        format!(
            r#"{{"uid":"{uid}","type":"container","count":{count},"size":{{"cpu":"1","memory":"1Gi"}},"state":"{state}"}}"#
        )
    }

    fn check(data: &[(&str, &str)], namespaces: &[ObservedNamespace], expected: &[&str]) {
        let findings: Vec<String> = account(&read(data), namespaces).iter().map(ToString::to_string).collect();
        assert_eq!(findings, expected, "{data:?}");
    }

    #[test]
    fn an_account_that_agrees_has_no_findings() {
        check(&[], &[], &[]);
        check(&[("held.web", &held("a", 2, "ready"))], &[namespace("web", "a", 2)], &[]);
        // In transition: created, grown, released, deleted.
        check(&[("held.web", &held("", 2, "preparing"))], &[], &[]);
        check(&[("held.web", &held("", 2, "preparing"))], &[namespace("web", "a", 0)], &[]);
        check(&[("held.web", &held("a", 3, "preparing"))], &[namespace("web", "a", 2)], &[]);
        check(&[("held.web", &held("a", 2, "deleting"))], &[], &[]);
        let going = ObservedNamespace { deleting: true, ..namespace("web", "a", 2) };
        check(&[], &[going], &[]);
    }

    #[test]
    fn each_disagreement_has_a_finding() {
        let ready = held("a", 2, "ready");
        let web = [("held.web", ready.as_str())];
        check(&web, &[], &["the account holds cluster web, but its namespace does not exist"]);
        check(
            &web,
            &[namespace("web", "b", 2)],
            &["the account holds cluster web, but its namespace was deleted and created again"],
        );
        check(&web, &[namespace("web", "a", 3)], &["the namespace of cluster web allows more than the account holds"]);
        check(
            &web,
            &[namespace("web", "a", 2), namespace("db", "c", 1)],
            &["namespace db-ns belongs to this user, but the account has no entry for it"],
        );
        check(
            &[("held.web", &held("a", 9, "ready"))],
            &[namespace("web", "a", 9)],
            &["cpu=9 is charged, and the quota is 4", "memory=9Gi is charged, and the quota is 8Gi"],
        );
        for unreadable in [
            ObservedNamespace { count: None, ..namespace("db", "c", 1) },
            ObservedNamespace { kind: None, ..namespace("db", "c", 1) },
            ObservedNamespace { reserved: Reserved::Unreadable, ..namespace("db", "c", 1) },
        ] {
            let theirs = "namespace db-ns belongs to this user, but its annotations cannot be read: it is not charged";
            check(&[], &[unreadable], &[theirs]);
        }
        let denied = r#"{"reason":"cannot create its namespace: a label is missing","at":"2026-11-23T20:00:00Z"}"#;
        check(
            &[("held.web", &held("", 2, "preparing")), ("blocked.web", denied)],
            &[],
            &["cluster web is stuck: cannot create its namespace: a label is missing"],
        );
        let two = r#"{"format":2,"uid":"a"}"#;
        let newer = ["cluster web: held.web: it is of format 2, where this version reads format 1"];
        check(&[("held.web", two)], &[namespace("web", "a", 2)], &newer);
        let marked = ObservedNamespace { newer: Some("it is of format 2".to_owned()), ..namespace("db", "c", 1) };
        check(&[], &[marked], &["namespace db-ns: it is of format 2"]);
        check(&[("settled", "older")], &[], &["it is not settled: its clusters have not been looked up"]);
    }

    #[test]
    fn the_fences_of_a_ready_cluster_are_compared_with_the_account() {
        let account = read(&[("held.web", &held("a", 2, "ready")), ("held.db", &held("b", 2, "preparing"))]);
        let web = account.clusters.values().find_map(|entry| entry.held.as_ref()).unwrap();
        let settings = Settings::default();
        let (hard, limits) = (manifest::hard(web.kind, &web.shape()), manifest::limits(web.kind, &web.size, &settings));
        let found = |hard: Option<&Amounts>, limits: Option<&Amounts>| -> Vec<String> {
            fences(&account, |_| hard, |_| limits, &settings).iter().map(ToString::to_string).collect()
        };
        assert_eq!(found(Some(&hard), Some(&limits)), [""; 0]);
        assert_eq!(
            found(None, Some(&limits)),
            ["cluster web is ready, but its ResourceQuota is missing or was changed"]
        );
        let wider = limits.iter().map(|(name, amount)| (name.clone(), amount.checked_mul(2).unwrap())).collect();
        assert_eq!(
            found(Some(&hard), Some(&wider)),
            ["cluster web is ready, but its LimitRange is missing or was changed"]
        );
    }
}
