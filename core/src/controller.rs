//! The reconcile function of a cluster: it decides one next step from the observed state.
//!
//! To grow, the controller raises `held` first, then the three fences (Namespace, LimitRange, ResourceQuota). To
//! shrink, it lowers the fences and waits until nothing above them can still land. Then it checks the evidence and
//! lowers `held` last. Whoever executes a step keeps four rules; `docs/ARCHITECTURE.md` has them with their reasons:
//!
//! 1. Fences are read first, then the account, all by quorum reads. A fence is written only under the `resourceVersion`
//!    that was read.
//! 2. Before `held` is lowered, all three fences are written, so that a writer with older knowledge fails.
//! 3. `held` is lowered on evidence: the lists fit, and these very fences have been seen for the admission window.
//! 4. `held` is lowered by compare-and-swap on the account that was read in rule 1.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::account::change::Change;
use crate::account::{Account, Blocked, Entry, Held, HeldState, Refused, Shape};
use crate::fences::{Fences, ObservedFence, ObservedNamespace, Reserved};
use crate::manifest;
use crate::name::ClusterName;
use crate::quantity::Amounts;
use crate::settings::Settings;
use crate::verdict::{self, Denial};

mod step;

pub use step::{Awaited, Part, Step};

/// The time for which a refusal stays readable.
const REFUSED_FOR: SignedDuration = SignedDuration::from_hours(1);

/// The most characters of a reason. Longer ones are cut, because others may have written a part of it.
const LONGEST_REASON: usize = 1024;

/// Returns the change that records why cmp-webhook cannot go on with a cluster. Returns `None` if the account says so
/// already, or knows no such cluster. Every replica makes the same text of the same cause, so that the reason is
/// written once.
pub fn report(account: &Account, cluster: &ClusterName, reason: &str, now: Timestamp) -> Option<Change> {
    let entry = account.cluster(cluster);
    let reason: String = reason.chars().take(LONGEST_REASON).collect();
    let is_said = entry.blocked.as_ref().is_some_and(|blocked| blocked.reason == reason);
    // The newer version explains its own values.
    let is_ours = entry.exists() && entry.newer().is_none() && account.newer().is_none();
    (is_ours && !is_said).then(|| Change::new().blocked(cluster, Some(&Blocked { reason, at: now })))
}

/// The longest pause between two attempts of a failed step.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Returns the back-off after so many failures. The pause doubles with each failure, up to a minute. `jitter`, in
/// 1/1000, subtracts up to half of it, so that steps that failed at the same time are not retried at the same time.
pub fn backoff(failures: u32, jitter: u16) -> Duration {
    let full = Duration::from_secs(1 << failures.saturating_sub(1).min(6)).min(LONGEST_PAUSE);
    full.saturating_sub(full * u32::from(jitter.min(1000)) / 2000)
}

/// How long a ResourceQuota is not in force before it is written anew: kube-controller-manager looks for new kinds every
/// 30 s.
const UNCOUNTED_FOR: Duration = Duration::from_secs(30);

/// The longest pause between two such writes: kube-controller-manager counts every ResourceQuota once in that time.
const LONGEST_UNCOUNTED: Duration = Duration::from_mins(5);

/// Reports whether to write a ResourceQuota anew that kube-controller-manager does not count completely, or not at all.
///
/// kube-controller-manager counts a new ResourceQuota at once. It returns to one that lacks a new kind at its resync,
/// every five minutes. Its pause doubles with each failure to write the status of one.
///
/// A Namespace that was never opened runs nothing, so that no instance is ever without this fence. The pause doubles
/// with each write, because it is the time from the creation of the Namespace to that of the ResourceQuota. The API
/// server sets both times, and all replicas count the pause from the same write.
fn is_to_be_written_anew(namespace: &ObservedNamespace, quota: &ObservedFence, unchanged_for: Duration) -> bool {
    let apart = namespace.created.zip(quota.created).map(|(made, written)| written.duration_since(made));
    let apart = apart.and_then(|apart| Duration::try_from(apart).ok()).unwrap_or_default();
    !namespace.ready && !quota.in_force && unchanged_for >= apart.clamp(UNCOUNTED_FOR, LONGEST_UNCOUNTED)
}

/// Returns the change that lowers the holding of a cluster in deletion to a shape.
pub fn lower_deleted(cluster: &ClusterName, held: &Held, to: Shape) -> Change {
    Change::new().want(cluster, None).held(cluster, Some(&held.with(to, HeldState::Deleting)))
}

/// The observed state from which the next step is decided.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// The account of the cluster's user, read after the fences.
    pub account: &'a Account,
    /// The name of the cluster.
    pub cluster: &'a ClusterName,
    /// The fences of the cluster, read before the account.
    pub fences: &'a Fences,
    /// The time for which this controller has seen these very fences.
    pub unchanged_for: Duration,
    /// The settings of the administrator for all clusters.
    pub settings: &'a Settings,
}

/// Decides the next step. `window` is how long an admitted request may take to land. `now` dates refusals and expires
/// them; nothing else depends on the clock.
pub fn next_step(observed: &Observation<'_>, window: Duration, now: Timestamp) -> Step {
    let entry = observed.account.cluster(observed.cluster);
    let newer = ours(observed).and_then(|namespace| Some(format!("the namespace: {}", namespace.newer.as_ref()?)));
    if let Some(what) = entry.newer().or_else(|| observed.account.newer()).or(newer) {
        return leave(observed, &entry, what);
    }
    match (entry.want.is_some(), &entry.held) {
        (false, None) => unmentioned(observed, &entry, now),
        (true, None) => begin(observed, &entry, now),
        (_, Some(held)) if held.uid.is_empty() => make(observed, &entry, held, now),
        (_, Some(held)) => keep(observed, &entry, held, window, now),
    }
}

fn wait(what: Awaited) -> Step {
    Step::Wait { what, again: None }
}

fn gone(namespace: &ObservedNamespace) -> Awaited {
    Awaited::NamespaceGone { left: namespace.left.clone() }
}

/// Handles a cluster of which a newer version stored something. This version neither grows nor shrinks nor mends it.
/// Its owner may delete it, whichever version runs.
fn leave(observed: &Observation<'_>, entry: &Entry, what: String) -> Step {
    let Some(uid) = &entry.delete else { return wait(Awaited::Newer { what }) };
    let forget = Change::new().forget(observed.cluster);
    match &observed.fences.namespace {
        Some(namespace) if namespace.uid == *uid && namespace.deleting => wait(gone(namespace)),
        Some(namespace) if namespace.uid == *uid => Step::RemoveNamespace,
        Some(namespace) if uid.is_empty() && is_ours(observed, namespace) => {
            Step::Account(Change::new().delete(observed.cluster, Some(&namespace.uid)))
        }
        _ if uid.is_empty() => Step::Account(forget),
        _ => Step::Forget { uid: uid.clone(), change: forget },
    }
}

/// Returns the Namespace of that name, if it belongs to this cluster.
fn ours<'a>(observed: &Observation<'a>) -> Option<&'a ObservedNamespace> {
    observed.fences.namespace.as_ref().filter(|namespace| is_ours(observed, namespace))
}

fn is_ours(observed: &Observation<'_>, namespace: &ObservedNamespace) -> bool {
    namespace.owner.as_ref() == Some(&observed.account.user) && namespace.cluster.as_ref() == Some(observed.cluster)
}

fn refusal(reason: String, now: Timestamp) -> Refused {
    Refused { reason, at: now }
}

/// Returns the reason for a name that is taken. It does not say by whom: a user learns nothing about others.
fn taken(cluster: &ClusterName) -> String {
    format!("the name {cluster} is taken: choose another")
}

/// Decides for a cluster that is neither wanted nor held.
fn unmentioned(observed: &Observation<'_>, entry: &Entry, now: Timestamp) -> Step {
    let change = Change::new();
    let namespace = ours(observed);
    if entry.delete.as_ref().is_some_and(|uid| namespace.is_none_or(|namespace| namespace.uid != *uid)) {
        return Step::Account(change.delete(observed.cluster, None));
    }
    if let Some(namespace) = namespace {
        return leftover(observed, namespace);
    }
    if entry.scheduled.is_some() || entry.blocked.is_some() {
        return Step::Account(change.scheduled(observed.cluster, None).blocked(observed.cluster, None));
    }
    match &entry.refused {
        None => Step::Nothing,
        Some(refused) => {
            let left = REFUSED_FOR - now.duration_since(refused.at);
            match Duration::try_from(left) {
                Ok(left) if !left.is_zero() => Step::Wait { what: Awaited::Refusal, again: Some(left) },
                _ => Step::Account(change.refused(observed.cluster, None)),
            }
        }
    }
}

/// Decides for a Namespace of ours that its account does not know. If it was ready once, it is adopted, so that a lost
/// account destroys nothing. Otherwise it is the trace of a creation that was given up, and it is removed.
fn leftover(observed: &Observation<'_>, namespace: &ObservedNamespace) -> Step {
    match (namespace.ready, namespace.adopted()) {
        // A Namespace that is being deleted is charged until it is gone: its Pods may still be running.
        (true, Some(held)) => Step::Adopt(Change::new().held(observed.cluster, Some(&held))),
        _ if namespace.deleting => wait(gone(namespace)),
        (true, None) => wait(Awaited::Administrator),
        (false, _) => Step::RemoveNamespace,
    }
}

/// Decides for a cluster that is wanted and not held yet.
fn begin(observed: &Observation<'_>, entry: &Entry, now: Timestamp) -> Step {
    if let Some(uid) = &entry.delete {
        return match ours(observed) {
            // The holding was damaged during a deletion. Once it is held again, the deletion goes on.
            Some(namespace) if namespace.uid == *uid => leftover(observed, namespace),
            Some(_) => Step::Account(Change::new().delete(observed.cluster, None)),
            None => Step::Account(Change::new().forget(observed.cluster)),
        };
    }
    if let Some(namespace) = &observed.fences.namespace {
        if is_ours(observed, namespace) {
            return leftover(observed, namespace);
        }
        return take_back(observed, entry, None, taken(observed.cluster), now);
    }
    let Some(want) = &entry.want else { return Step::Nothing };
    match verdict::judge_again(observed.account, observed.cluster) {
        Err(Denial::NotSettled { .. }) => wait(Awaited::Settled),
        Err(Denial::Newer { what }) => wait(Awaited::Newer { what }),
        Err(denial) => take_back(observed, entry, None, denial.to_string(), now),
        Ok(()) => {
            let held = Held::of("", want.kind, want.shape(), HeldState::Preparing);
            Step::Account(Change::new().held(observed.cluster, Some(&held)).refused(observed.cluster, None))
        }
    }
}

/// Reduces a want to what is held, and records the reason in the same write.
fn take_back(observed: &Observation<'_>, entry: &Entry, held: Option<&Held>, reason: String, now: Timestamp) -> Step {
    let back = match (&entry.want, held) {
        (Some(want), Some(held)) => Some(want.as_held(held)),
        _ => None,
    };
    let change =
        Change::new().want(observed.cluster, back.as_ref()).refused(observed.cluster, Some(&refusal(reason, now)));
    Step::Account(change)
}

/// Decides for a cluster that is held, while the uid of its Namespace is not known yet.
fn make(observed: &Observation<'_>, entry: &Entry, held: &Held, now: Timestamp) -> Step {
    let forget = || Change::new().forget(observed.cluster);
    match &observed.fences.namespace {
        None if entry.delete.is_some() => Step::Account(forget()),
        None => Step::CreateNamespace { kind: held.kind, size: held.size.clone() },
        Some(namespace) if !is_ours(observed, namespace) => {
            Step::Account(forget().refused(observed.cluster, Some(&refusal(taken(observed.cluster), now))))
        }
        Some(namespace) if namespace.deleting => wait(gone(namespace)),
        Some(namespace) => {
            let found = Held { uid: namespace.uid.clone(), ..held.clone() };
            let mut change = Change::new().held(observed.cluster, Some(&found));
            if entry.delete.is_some() {
                change = change.delete(observed.cluster, Some(&namespace.uid));
            }
            Step::Account(change)
        }
    }
}

/// Decides for a cluster that is held and has a Namespace.
fn keep(observed: &Observation<'_>, entry: &Entry, held: &Held, window: Duration, now: Timestamp) -> Step {
    let cluster = observed.cluster;
    let Some(namespace) = observed.fences.namespace.as_ref().filter(|namespace| namespace.uid == held.uid) else {
        // The Namespace is gone, whoever deleted it: nothing is held and nothing is wanted. Or it had not been made yet
        // when it was read.
        let change = Change::new().forget(cluster);
        return Step::Forget { uid: held.uid.clone(), change };
    };
    let in_state = |state| Step::Account(Change::new().held(cluster, Some(&Held { state, ..held.clone() })));
    if namespace.deleting || entry.delete.as_deref() == Some(held.uid.as_str()) {
        return match (held.state, namespace.deleting) {
            (HeldState::Deleting, true) => give_back_deleted(observed, entry, namespace, held, window, now),
            (HeldState::Deleting, false) => Step::RemoveNamespace,
            _ => in_state(HeldState::Deleting),
        };
    }
    if entry.delete.is_some() {
        // This wish came late and was meant for an earlier cluster of this name.
        return Step::Account(Change::new().delete(cluster, None));
    }

    let holds = held.shape();
    let target = match (&entry.want, namespace.shape()) {
        (Some(want), _) => want.shape(),
        // The cluster was adopted and its want is not known. If it was shrinking when the account was lost, it goes on
        // shrinking.
        (None, Some(open)) if namespace.ready && open.fits(&holds) => open,
        (None, _) => holds.clone(),
    };
    if target != holds || entry.want.as_ref().is_some_and(|want| want.kind != held.kind) {
        match verdict::judge_again(observed.account, cluster) {
            Ok(()) => {}
            Err(Denial::NotSettled { .. }) => return wait(Awaited::Settled),
            Err(Denial::Newer { what }) => return wait(Awaited::Newer { what }),
            Err(denial) => return take_back(observed, entry, Some(held), denial.to_string(), now),
        }
    }
    if !target.fits(&holds) {
        let held = held.with(holds.max(&target), HeldState::Preparing);
        return Step::Account(Change::new().held(cluster, Some(&held)).refused(cluster, None));
    }
    let lowers = target != holds;
    if lowers && held.state != HeldState::Releasing {
        return in_state(HeldState::Releasing);
    }

    if let Some(step) = missing_fences(observed, namespace, held, &target) {
        return step;
    }
    if lowers {
        return match window.checked_sub(observed.unchanged_for) {
            Some(left) if !left.is_zero() => Step::Wait { what: Awaited::Landing, again: Some(left) },
            _ => {
                let lowered = held.with(target.clone(), HeldState::Ready);
                let change = Change::new().held(cluster, Some(&lowered));
                Step::Lower { to: target, kind: held.kind, change }
            }
        };
    }
    if held.state != HeldState::Ready || entry.blocked.is_some() {
        let ready = Held { state: HeldState::Ready, ..held.clone() };
        let change = Change::new().held(cluster, Some(&ready));
        return Step::Account(if entry.blocked.is_some() { change.blocked(cluster, None) } else { change });
    }
    match (entry.schedule().is_some(), observed.fences.schedule_binding) {
        (true, false) => Step::BindSchedule,
        (false, true) => Step::UnbindSchedule,
        _ => Step::Nothing,
    }
}

/// Decides for a cluster whose Namespace is being deleted. Its quota is given back once nothing runs there, whatever
/// then keeps the Namespace. Requests that were admitted before the deletion may still land within the window.
fn give_back_deleted(
    observed: &Observation<'_>,
    entry: &Entry,
    namespace: &ObservedNamespace,
    held: &Held,
    window: Duration,
    now: Timestamp,
) -> Step {
    let holds = held.shape();
    if namespace.reserved != Reserved::Nothing && namespace.shape().as_ref() == Some(&holds) {
        // Whoever adopts the Namespace from here on adopts no more than what is held.
        return Step::Open { shape: holds, reserved: Reserved::Nothing };
    }
    if held.released && held.count == 0 {
        if entry.want.is_none() {
            return wait(gone(namespace));
        }
        // It was stored while nobody was asked, since `judge` refuses it.
        let denial = Denial::BeingDeleted { cluster: observed.cluster.clone() };
        return take_back(observed, entry, None, denial.to_string(), now);
    }
    match window.checked_sub(observed.unchanged_for) {
        Some(left) if !left.is_zero() => Step::Wait { what: gone(namespace), again: Some(left) },
        _ => Step::LowerDeleted { held: held.clone() },
    }
}

/// Returns the step that is missing until the fences allow exactly `target` and the owner has access.
fn missing_fences(
    observed: &Observation<'_>,
    namespace: &ObservedNamespace,
    held: &Held,
    target: &Shape,
) -> Option<Step> {
    let (fences, kind, holds) = (observed.fences, held.kind, held.shape());
    let allows = |fence: &Option<ObservedFence>, amounts: Amounts| {
        fence.as_ref().is_some_and(|fence| fence.amounts.as_ref() == Some(&amounts))
    };
    let missing = [
        (Part::Limits, allows(&fences.limits, manifest::limits(kind, &target.size, observed.settings))),
        (Part::Quota, allows(&fences.quota, manifest::hard(kind, target))),
        (Part::NetworkPolicy, fences.network_policy),
        (Part::ServiceAccount, fences.service_account),
    ];
    let parts: Vec<Part> = missing.into_iter().filter(|(_, there)| !there).map(|(part, _)| part).collect();
    if !parts.is_empty() {
        let changed = |part: &Part| match part {
            Part::Quota => fences.quota.is_some(),
            Part::Limits => fences.limits.is_some(),
            Part::NetworkPolicy | Part::ServiceAccount => false,
        };
        let reserve = parts.iter().any(changed).then_some(holds);
        return Some(Step::Write { parts, shape: target.clone(), kind, reserve });
    }
    if let Some(quota) = fences.quota.as_ref().filter(|quota| !quota.in_force) {
        if is_to_be_written_anew(namespace, quota, observed.unchanged_for) {
            return Some(Step::RemoveQuota);
        }
        let what = Awaited::QuotaInForce { uncounted: quota.uncounted.clone() };
        return Some(Step::Wait { what, again: Some(Duration::from_secs(5)) });
    }
    let reserved = Reserved::beyond(target, &holds);
    if namespace.shape().as_ref() != Some(target) || !namespace.ready || namespace.reserved != reserved {
        return Some(Step::Open { shape: target.clone(), reserved });
    }
    (!fences.role_binding).then_some(Step::Bind { kind })
}

/// Returns the change that settles an account: it holds every Namespace of its user that was ready once.
///
/// `namespaces` are all Namespaces that bear the user's name, by a quorum read. The caller has written each of them
/// under the version that was read. Whoever decided something from the lost account can therefore no longer act on it.
pub fn settle(account: &Account, namespaces: &[ObservedNamespace]) -> Change {
    let mut change = Change::new().settled(&account.uid);
    for namespace in namespaces.iter().filter(|namespace| namespace.ready) {
        let (Some(cluster), Some(held)) = (&namespace.cluster, namespace.adopted()) else { continue };
        if account.cluster(cluster).held.is_none() {
            change = change.held(cluster, Some(&held));
        }
    }
    change
}

#[cfg(test)]
mod tests;
