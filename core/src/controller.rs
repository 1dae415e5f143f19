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
use k8s_openapi::api::core::v1::{LimitRange, Namespace, ResourceQuota};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::account::change::Change;
use crate::account::{Account, Blocked, Entry, Held, HeldState, Refused, Shape};
use crate::format;
use crate::keys;
use crate::manifest;
use crate::name::{ClusterName, UserName};
use crate::quantity::{Amounts, amounts_of};
use crate::resources::Resources;
use crate::settings::Settings;
use crate::verdict::{self, Denial};
use crate::vocabulary::InstanceType;

/// The time for which a refusal stays readable.
const REFUSED_FOR: SignedDuration = SignedDuration::from_hours(1);

/// The version of an object that was read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Version {
    /// The `resourceVersion` under which the object may be written.
    pub resource_version: String,
    /// The nonce of the fence. Only our own writes change it, and each of them does.
    pub fence: String,
}

impl Version {
    fn of(metadata: &ObjectMeta) -> Self {
        let fence = metadata.annotations.as_ref().and_then(|annotations| annotations.get(keys::FENCE));
        Self {
            resource_version: metadata.resource_version.clone().unwrap_or_default(),
            fence: fence.cloned().unwrap_or_default(),
        }
    }
}

/// The observed Namespace of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenNamespace {
    /// The uid of the Namespace.
    pub uid: String,
    /// The user who owns the Namespace; `None` if it is not one of ours.
    pub owner: Option<UserName>,
    /// The cluster that its label names.
    pub cluster: Option<ClusterName>,
    /// The type of its instances.
    pub kind: Option<InstanceType>,
    /// The number of instance names that are open.
    pub count: Option<u32>,
    /// The size that the policies enforce.
    pub size: Option<Resources>,
    /// Whether its cluster is released.
    pub released: bool,
    /// The shape that is held for it, while that is more than the shape it is open for.
    pub reserved: Reserved,
    /// Whether the Namespace was ready once.
    pub ready: bool,
    /// Whether the Namespace is being deleted.
    pub deleting: bool,
    /// For a Namespace that is being deleted: the content that is left, in the words of its own conditions.
    pub left: Option<String>,
    /// The format of its annotations, if a newer version wrote them.
    pub newer: Option<String>,
    /// The version that was read.
    pub version: Version,
}

/// The conditions of a Namespace by which Kubernetes reports why its deletion has not finished
/// (`NamespaceConditionType`).
const LEFT: [&str; 5] = [
    "NamespaceContentRemaining",
    "NamespaceFinalizersRemaining",
    "NamespaceDeletionContentFailure",
    "NamespaceDeletionGroupVersionParsingFailure",
    "NamespaceDeletionDiscoveryFailure",
];

/// Returns the messages of the conditions that hold, in the order above.
fn left(namespace: &Namespace) -> Option<String> {
    let conditions = namespace.status.as_ref()?.conditions.as_ref()?;
    let said = LEFT.into_iter().filter_map(|kind| {
        let holds = conditions.iter().find(|condition| condition.type_ == kind && condition.status == "True")?;
        holds.message.clone()
    });
    let said: Vec<String> = said.collect();
    (!said.is_empty()).then(|| said.join("; "))
}

impl SeenNamespace {
    /// Reads the labels, annotations and conditions of a Namespace.
    pub fn of(namespace: &Namespace) -> Self {
        let metadata = &namespace.metadata;
        let label = |key| metadata.labels.as_ref()?.get(key).map(String::as_str);
        let annotation = |key| metadata.annotations.as_ref()?.get(key).map(String::as_str);
        Self {
            uid: metadata.uid.clone().unwrap_or_default(),
            owner: label(keys::OWNER).and_then(|owner| owner.parse().ok()),
            cluster: label(keys::CLUSTER).and_then(|cluster| cluster.parse().ok()),
            kind: label(keys::TYPE).and_then(|kind| kind.parse().ok()),
            count: annotation(keys::COUNT).and_then(|count| count.parse().ok()),
            size: annotation(keys::SIZE).and_then(Resources::from_list).filter(|size| !size.is_empty()),
            released: annotation(keys::RELEASED) == Some(keys::TRUE),
            reserved: match annotation(keys::RESERVED).map(serde_json::from_str) {
                None => Reserved::Nothing,
                Some(Ok(shape)) => Reserved::Shape(shape),
                Some(Err(_)) => Reserved::Unreadable,
            },
            ready: annotation(keys::READY) == Some(keys::TRUE),
            deleting: metadata.deletion_timestamp.is_some(),
            left: metadata.deletion_timestamp.as_ref().and_then(|_| left(namespace)),
            newer: annotation(keys::FORMAT).and_then(format::beyond),
            version: Version::of(metadata),
        }
    }

    /// Returns the shape that the Namespace is open for, if it can be read.
    pub fn shape(&self) -> Option<Shape> {
        Some(Shape { count: self.count?, size: self.size.clone()?, released: self.released })
    }

    /// Returns the largest shape that may exist in the Namespace, now or later. This shape is adopted if the account is
    /// lost.
    fn most(&self) -> Option<Shape> {
        match &self.reserved {
            Reserved::Nothing => self.shape(),
            Reserved::Shape(reserved) => Some(self.shape()?.max(reserved)),
            Reserved::Unreadable => None,
        }
    }

    /// Returns the holding for this Namespace if its account was lost.
    pub(crate) fn adopted(&self) -> Option<Held> {
        Some(Held::of(&self.uid, self.kind?, self.most()?, HeldState::Preparing))
    }
}

/// The holding of a Namespace beyond the shape that it is open for, as its annotation records it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Reserved {
    /// The Namespace reserves no more than the shape it is open for.
    #[default]
    Nothing,
    /// The shape that is held for the Namespace.
    Shape(Shape),
    /// The annotation cannot be read.
    Unreadable,
}

impl Reserved {
    /// Returns the annotation for a Namespace that is open for one shape, while another one is held.
    fn beyond(open: &Shape, holds: &Shape) -> Self {
        if open == holds { Self::Nothing } else { Self::Shape(holds.clone()) }
    }
}

/// An observed fence inside the Namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeenFence {
    /// The amounts that the fence allows; `None` if they cannot be read.
    pub amounts: Option<Amounts>,
    /// Whether Kubernetes enforces the fence yet. For a ResourceQuota: `status.hard` is `spec.hard`, and `status.used` has
    /// every name of it. The admission of Kubernetes refuses an object whose count `status.used` does not have.
    pub in_force: bool,
    /// The names that a ResourceQuota bounds and that nobody counts yet. kube-controller-manager learns of new kinds at its
    /// next discovery, 30 s later at the latest.
    pub uncounted: Vec<String>,
    /// The version that was read.
    pub version: Version,
}

impl SeenFence {
    /// Reads the amounts and the status of a ResourceQuota.
    pub fn of_quota(quota: &ResourceQuota) -> Self {
        let hard = quota.spec.as_ref().and_then(|spec| spec.hard.as_ref());
        let enforced = quota.status.as_ref().and_then(|status| status.hard.as_ref());
        let amounts = amounts_of(hard);
        let used = quota.status.as_ref().and_then(|status| status.used.as_ref());
        let is_counted = |name: &String| used.is_some_and(|used| used.contains_key(name));
        let is_seen = amounts.is_some() && enforced.is_some() && amounts_of(enforced) == amounts;
        let names =
            hard.into_iter().flat_map(std::collections::BTreeMap::keys).filter(|name| is_seen && !is_counted(name));
        let uncounted: Vec<String> = names.cloned().collect();
        Self { in_force: is_seen && uncounted.is_empty(), uncounted, amounts, version: Version::of(&quota.metadata) }
    }

    /// Reads the amounts of a LimitRange.
    pub fn of_limits(range: &LimitRange) -> Self {
        let (amounts, version) = (manifest::limits_of(range), Version::of(&range.metadata));
        Self { amounts, in_force: true, uncounted: Vec::new(), version }
    }
}

/// The observed fences of a cluster, read before its account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is whether one object is there")]
pub struct Fences {
    /// The Namespace `<cluster>-ns`, whoever owns it.
    pub namespace: Option<SeenNamespace>,
    /// The ResourceQuota in the Namespace.
    pub quota: Option<SeenFence>,
    /// The LimitRange in the Namespace.
    pub limits: Option<SeenFence>,
    /// Whether the NetworkPolicy exists.
    pub network_policy: bool,
    /// Whether the ServiceAccount `default` exists without a mounted token.
    pub service_account: bool,
    /// Whether the owner's RoleBinding exists.
    pub role_binding: bool,
    /// Whether the RoleBinding of cmp-webhook itself exists, for a schedule.
    pub schedule_binding: bool,
}

impl Fences {
    /// Returns the nonces of the three fences. They identify these very fences, because each of our writes sets a new
    /// nonce.
    pub fn marks(&self) -> [String; 3] {
        let mark = |version: Option<&Version>| version.map_or_else(String::new, |version| version.fence.clone());
        [
            mark(self.namespace.as_ref().map(|namespace| &namespace.version)),
            mark(self.quota.as_ref().map(|quota| &quota.version)),
            mark(self.limits.as_ref().map(|limits| &limits.version)),
        ]
    }
}

/// An object in the Namespace that is missing, or differs from the desired state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The ResourceQuota of the cluster.
    Quota,
    /// The LimitRange of the cluster.
    Limits,
    /// The NetworkPolicy of the cluster.
    NetworkPolicy,
    /// The ServiceAccount `default` of the Namespace.
    ServiceAccount,
}

/// The condition that a cluster waits for. Its text is the reason that the user reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Awaited {
    /// The account was made anew, and its Namespaces have to be looked up.
    #[error("the clusters of this account have not been looked up yet")]
    Settled,
    /// The Namespace is being deleted.
    #[error("its namespace is being deleted{}", .left.as_ref().map(|left| format!(": {left}")).unwrap_or_default())]
    NamespaceGone {
        /// The content that is left, in the words of its conditions.
        left: Option<String>,
    },
    /// Only an administrator knows how much may run in the Namespace.
    #[error("the annotations of its namespace cannot be read: an administrator deletes the namespace or mends them")]
    Administrator,
    /// kube-controller-manager has not counted yet.
    #[error("its ResourceQuota is not in force yet: kube-controller-manager has to {}", to_count(.uncounted))]
    QuotaInForce {
        /// The names that it does not count yet, once it has seen the ResourceQuota.
        uncounted: Vec<String>,
    },
    /// The admission window has not passed yet.
    #[error("requests that were admitted before may still land: its quota is given back after that")]
    Landing,
    /// The refusal is still shown.
    #[error("its refusal is shown for an hour")]
    Refusal,
    /// A newer version stored a value that this one does not know.
    #[error("{what}: upgrade cmp-webhook")]
    Newer {
        /// The key and its unknown part.
        what: String,
    },
}

/// Returns the step of kube-controller-manager that a ResourceQuota waits for.
fn to_count(uncounted: &[String]) -> String {
    if uncounted.is_empty() { "see it".to_owned() } else { format!("count {}", uncounted.join(", ")) }
}

impl Awaited {
    /// Reports whether the reason is written into the account. Values of a newer version are not reported: that version
    /// goes on, and both would write against each other. A refusal is in the account already.
    pub fn is_reported(&self) -> bool {
        !matches!(self, Self::Refusal | Self::Newer { .. } | Self::Settled)
    }
}

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

/// One step of the reconcile loop. Every step is idempotent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The observed state is the desired state.
    Nothing,
    /// A condition has to be met first. The controller looks again when it is met, or after the given time.
    Wait {
        /// The condition that the cluster waits for.
        what: Awaited,
        /// The time after which to look again without an event.
        again: Option<Duration>,
    },
    /// Change the account by compare-and-swap on the account that was read.
    Account(Change),
    /// Create the Namespace, with no instance name open.
    CreateNamespace {
        /// The type of its instances.
        kind: InstanceType,
        /// The size of its instances.
        size: Resources,
    },
    /// Delete the owner's RoleBinding and the Namespace, if the Namespace is still the one that was read.
    RemoveNamespace,
    /// Write these objects, each under the version that was read, if there was one.
    Write {
        /// The objects to write.
        parts: Vec<Part>,
        /// The shape that they are to allow.
        shape: Shape,
        /// The type of the instances.
        kind: InstanceType,
        /// The shape to record on the Namespace before the objects are written, under the version that was read. If an
        /// existing fence changes, the Namespace first records how much may exist in it. The record is adopted if the
        /// account is lost.
        reserve: Option<Shape>,
    },
    /// Write count, size and the ready mark onto the Namespace, under the version that was read. From then on instances
    /// may run there. If the account is lost, the Namespace is adopted and not forgotten.
    Open {
        /// The count and the size that are open.
        shape: Shape,
        /// The holding beyond that shape.
        reserved: Reserved,
    },
    /// Write the Namespace under the version that was read, so that whoever knows an older account fails. Then change
    /// the account, so that it holds again what exists there.
    Adopt(Change),
    /// Create the owner's RoleBinding.
    Bind {
        /// The type whose role is bound.
        kind: InstanceType,
    },
    /// Create the RoleBinding by which cmp-webhook suspends and resumes instances.
    BindSchedule,
    /// Delete that RoleBinding: the cluster has no live schedule.
    UnbindSchedule,
    /// Change the account, if the Namespace with this uid is gone. The Namespace has to be read again first: the fences
    /// were read before the account, and the Namespace may have been made in between.
    Forget {
        /// The uid that is held.
        uid: String,
        /// The change that removes the cluster.
        change: Change,
    },
    /// Write all three fences unchanged, check the evidence for `to`, and change the account if it fits.
    Lower {
        /// The shape to hold from now on.
        to: Shape,
        /// The type of the instances.
        kind: InstanceType,
        /// The change that lowers `held`.
        change: Change,
    },
}

/// The observed state from which the next step is decided.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
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
pub fn next_step(seen: &Seen<'_>, window: Duration, now: Timestamp) -> Step {
    let entry = seen.account.cluster(seen.cluster);
    let newer = ours(seen).and_then(|namespace| Some(format!("the namespace: {}", namespace.newer.as_ref()?)));
    if let Some(what) = entry.newer().or_else(|| seen.account.newer()).or(newer) {
        return leave(seen, &entry, what);
    }
    match (entry.want.is_some(), &entry.held) {
        (false, None) => unmentioned(seen, &entry, now),
        (true, None) => begin(seen, &entry, now),
        (_, Some(held)) if held.uid.is_empty() => make(seen, &entry, held, now),
        (_, Some(held)) => keep(seen, &entry, held, window, now),
    }
}

fn wait(what: Awaited) -> Step {
    Step::Wait { what, again: None }
}

fn gone(namespace: &SeenNamespace) -> Awaited {
    Awaited::NamespaceGone { left: namespace.left.clone() }
}

/// Handles a cluster of which a newer version stored something. This version neither grows nor shrinks nor mends it.
/// Its owner may delete it, whichever version runs.
fn leave(seen: &Seen<'_>, entry: &Entry, what: String) -> Step {
    let Some(uid) = &entry.delete else { return wait(Awaited::Newer { what }) };
    let forget = Change::new().forget(seen.cluster);
    match &seen.fences.namespace {
        Some(namespace) if namespace.uid == *uid && namespace.deleting => wait(gone(namespace)),
        Some(namespace) if namespace.uid == *uid => Step::RemoveNamespace,
        Some(namespace) if uid.is_empty() && is_ours(seen, namespace) => {
            Step::Account(Change::new().delete(seen.cluster, Some(&namespace.uid)))
        }
        _ if uid.is_empty() => Step::Account(forget),
        _ => Step::Forget { uid: uid.clone(), change: forget },
    }
}

/// Returns the Namespace of that name, if it belongs to this cluster.
fn ours<'a>(seen: &Seen<'a>) -> Option<&'a SeenNamespace> {
    seen.fences.namespace.as_ref().filter(|namespace| is_ours(seen, namespace))
}

fn is_ours(seen: &Seen<'_>, namespace: &SeenNamespace) -> bool {
    namespace.owner.as_ref() == Some(&seen.account.user) && namespace.cluster.as_ref() == Some(seen.cluster)
}

fn refusal(reason: String, now: Timestamp) -> Refused {
    Refused { reason, at: now }
}

/// Returns the reason for a name that is taken. It does not say by whom: a user learns nothing about others.
fn taken(cluster: &ClusterName) -> String {
    format!("the name {cluster} is taken: choose another")
}

/// Decides for a cluster that is neither wanted nor held.
fn unmentioned(seen: &Seen<'_>, entry: &Entry, now: Timestamp) -> Step {
    let change = Change::new();
    let namespace = ours(seen);
    if entry.delete.as_ref().is_some_and(|uid| namespace.is_none_or(|namespace| namespace.uid != *uid)) {
        return Step::Account(change.delete(seen.cluster, None));
    }
    if let Some(namespace) = namespace {
        return leftover(seen, namespace);
    }
    if entry.scheduled.is_some() || entry.blocked.is_some() {
        return Step::Account(change.scheduled(seen.cluster, None).blocked(seen.cluster, None));
    }
    match &entry.refused {
        None => Step::Nothing,
        Some(refused) => {
            let left = REFUSED_FOR - now.duration_since(refused.at);
            match Duration::try_from(left) {
                Ok(left) if !left.is_zero() => Step::Wait { what: Awaited::Refusal, again: Some(left) },
                _ => Step::Account(change.refused(seen.cluster, None)),
            }
        }
    }
}

/// Decides for a Namespace of ours that its account does not know. If it was ready once, it is adopted, so that a lost
/// account destroys nothing. Otherwise it is the trace of a creation that was given up, and it is removed.
fn leftover(seen: &Seen<'_>, namespace: &SeenNamespace) -> Step {
    match (namespace.ready, namespace.adopted()) {
        // A Namespace that is being deleted is charged until it is gone: its Pods may still be running.
        (true, Some(held)) => Step::Adopt(Change::new().held(seen.cluster, Some(&held))),
        _ if namespace.deleting => wait(gone(namespace)),
        (true, None) => wait(Awaited::Administrator),
        (false, _) => Step::RemoveNamespace,
    }
}

/// Decides for a cluster that is wanted and not held yet.
fn begin(seen: &Seen<'_>, entry: &Entry, now: Timestamp) -> Step {
    if let Some(uid) = &entry.delete {
        return match ours(seen) {
            // The holding was damaged during a deletion. Once it is held again, the deletion goes on.
            Some(namespace) if namespace.uid == *uid => leftover(seen, namespace),
            Some(_) => Step::Account(Change::new().delete(seen.cluster, None)),
            None => Step::Account(Change::new().forget(seen.cluster)),
        };
    }
    if let Some(namespace) = &seen.fences.namespace {
        if is_ours(seen, namespace) {
            return leftover(seen, namespace);
        }
        return take_back(seen, entry, None, taken(seen.cluster), now);
    }
    let Some(want) = &entry.want else { return Step::Nothing };
    match verdict::judge_again(seen.account, seen.cluster) {
        Err(Denial::NotSettled { .. }) => wait(Awaited::Settled),
        Err(Denial::Newer { what }) => wait(Awaited::Newer { what }),
        Err(denial) => take_back(seen, entry, None, denial.to_string(), now),
        Ok(()) => {
            let held = Held::of("", want.kind, want.shape(), HeldState::Preparing);
            Step::Account(Change::new().held(seen.cluster, Some(&held)).refused(seen.cluster, None))
        }
    }
}

/// Reduces a want to what is held, and records the reason in the same write.
fn take_back(seen: &Seen<'_>, entry: &Entry, held: Option<&Held>, reason: String, now: Timestamp) -> Step {
    let back = match (&entry.want, held) {
        (Some(want), Some(held)) => Some(want.as_held(held)),
        _ => None,
    };
    let change = Change::new().want(seen.cluster, back.as_ref()).refused(seen.cluster, Some(&refusal(reason, now)));
    Step::Account(change)
}

/// Decides for a cluster that is held, while the uid of its Namespace is not known yet.
fn make(seen: &Seen<'_>, entry: &Entry, held: &Held, now: Timestamp) -> Step {
    let forget = || Change::new().forget(seen.cluster);
    match &seen.fences.namespace {
        None if entry.delete.is_some() => Step::Account(forget()),
        None => Step::CreateNamespace { kind: held.kind, size: held.size.clone() },
        Some(namespace) if !is_ours(seen, namespace) => {
            Step::Account(forget().refused(seen.cluster, Some(&refusal(taken(seen.cluster), now))))
        }
        Some(namespace) if namespace.deleting => wait(gone(namespace)),
        Some(namespace) => {
            let found = Held { uid: namespace.uid.clone(), ..held.clone() };
            let mut change = Change::new().held(seen.cluster, Some(&found));
            if entry.delete.is_some() {
                change = change.delete(seen.cluster, Some(&namespace.uid));
            }
            Step::Account(change)
        }
    }
}

/// Decides for a cluster that is held and has a Namespace.
fn keep(seen: &Seen<'_>, entry: &Entry, held: &Held, window: Duration, now: Timestamp) -> Step {
    let cluster = seen.cluster;
    let Some(namespace) = seen.fences.namespace.as_ref().filter(|namespace| namespace.uid == held.uid) else {
        // The Namespace is gone, whoever deleted it: nothing is held and nothing is wanted. Or it had not been made yet
        // when it was read.
        let change = Change::new().forget(cluster);
        return Step::Forget { uid: held.uid.clone(), change };
    };
    let in_state = |state| Step::Account(Change::new().held(cluster, Some(&Held { state, ..held.clone() })));
    if namespace.deleting || entry.delete.as_deref() == Some(held.uid.as_str()) {
        return match (held.state, namespace.deleting) {
            (HeldState::Deleting, true) => wait(gone(namespace)),
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
        match verdict::judge_again(seen.account, cluster) {
            Ok(()) => {}
            Err(Denial::NotSettled { .. }) => return wait(Awaited::Settled),
            Err(Denial::Newer { what }) => return wait(Awaited::Newer { what }),
            Err(denial) => return take_back(seen, entry, Some(held), denial.to_string(), now),
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

    if let Some(step) = fence(seen, namespace, held, &target) {
        return step;
    }
    if lowers {
        return match window.checked_sub(seen.unchanged_for) {
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
    match (entry.schedule().is_some(), seen.fences.schedule_binding) {
        (true, false) => Step::BindSchedule,
        (false, true) => Step::UnbindSchedule,
        _ => Step::Nothing,
    }
}

/// Returns the step that is missing until the fences allow exactly `target` and the owner has access.
fn fence(seen: &Seen<'_>, namespace: &SeenNamespace, held: &Held, target: &Shape) -> Option<Step> {
    let (fences, kind, holds) = (seen.fences, held.kind, held.shape());
    let allows = |fence: &Option<SeenFence>, amounts: Amounts| {
        fence.as_ref().is_some_and(|fence| fence.amounts.as_ref() == Some(&amounts))
    };
    let missing = [
        (Part::Limits, allows(&fences.limits, manifest::limits(kind, &target.size, seen.settings))),
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
pub fn settle(account: &Account, namespaces: &[SeenNamespace]) -> Change {
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
