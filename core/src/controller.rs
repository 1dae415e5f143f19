//! The next step that brings a cluster to what its user wants: one function of what was seen.
//!
//! Growing is held first, then the three fences (Namespace, LimitRange, ResourceQuota) are raised. Shrinking lowers
//! the fences, waits until nothing above them can still land, looks at the evidence, and lowers what is held last.
//! Whoever carries a step out keeps four rules; `docs/ARCHITECTURE.md` has them with their reasons:
//!
//! 1. fences are read first, then the account, all by quorum reads; a fence is written only under the
//!    `resourceVersion` that was read;
//! 2. before held is lowered all three fences are written, so that a writer with older knowledge fails;
//! 3. held is lowered on evidence: the lists fit, and these very fences have been seen for the admission window;
//! 4. held is lowered by compare-and-swap on the account that was read in rule 1.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{LimitRange, Namespace, ResourceQuota};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::account::{Account, Blocked, Change, Entry, Held, HeldState, InstanceType, Refused, Shape};
use crate::format;
use crate::keys;
use crate::manifest;
use crate::name::{ClusterName, UserName};
use crate::quantity::{Amounts, amounts_of};
use crate::resources::Resources;
use crate::settings::Settings;
use crate::verdict::{self, Denial};

/// How long a refusal stays to be read.
const REFUSED_FOR: SignedDuration = SignedDuration::from_hours(1);

/// The version of an object that was read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Version {
    /// Under which it may be written.
    pub resource_version: String,
    /// New with each write of ours, and only then.
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

/// A cluster's Namespace as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenNamespace {
    /// Its uid.
    pub uid: String,
    /// Whose it is; `None` if it is not of ours.
    pub owner: Option<UserName>,
    /// The cluster it says it is of.
    pub cluster: Option<ClusterName>,
    /// What its instances are.
    pub kind: Option<InstanceType>,
    /// How many instance names are open.
    pub count: Option<u32>,
    /// The size that the policies go by.
    pub size: Option<Resources>,
    /// Whether its cluster is released.
    pub released: bool,
    /// What is held for it, while that is more than what it is open for.
    pub reserved: Reserved,
    /// Whether it was ready once.
    pub ready: bool,
    /// Whether it is going.
    pub deleting: bool,
    /// If it is going: what is left in it, in the words of its own conditions.
    pub left: Option<String>,
    /// The format of its annotations, if a newer version wrote them.
    pub newer: Option<String>,
    /// Its version.
    pub version: Version,
}

/// The conditions of a Namespace that goes by which Kubernetes says why it is not gone (`NamespaceConditionType`).
const LEFT: [&str; 5] = [
    "NamespaceContentRemaining",
    "NamespaceFinalizersRemaining",
    "NamespaceDeletionContentFailure",
    "NamespaceDeletionGroupVersionParsingFailure",
    "NamespaceDeletionDiscoveryFailure",
];

/// The conditions that hold, in the order above.
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
    /// Reads a Namespace.
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

    /// What it is open for, if that can be read.
    pub fn shape(&self) -> Option<Shape> {
        Some(Shape { count: self.count?, size: self.size.clone()?, released: self.released })
    }

    /// The most that may be, or come to be, in it: what is adopted should its account be lost.
    fn most(&self) -> Option<Shape> {
        match &self.reserved {
            Reserved::Nothing => self.shape(),
            Reserved::Shape(reserved) => Some(self.shape()?.max(reserved)),
            Reserved::Unreadable => None,
        }
    }

    /// What is held for it if its account was lost.
    pub(crate) fn adopted(&self) -> Option<Held> {
        Some(Held::of(&self.uid, self.kind?, self.most()?, HeldState::Preparing))
    }
}

/// What a Namespace says is held for it beyond what it is open for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Reserved {
    /// No more than what it is open for.
    #[default]
    Nothing,
    /// This much.
    Shape(Shape),
    /// It cannot be read.
    Unreadable,
}

impl Reserved {
    /// What is to be said of a Namespace that is open for one shape, while another one is held.
    fn beyond(open: &Shape, holds: &Shape) -> Self {
        if open == holds { Self::Nothing } else { Self::Shape(holds.clone()) }
    }
}

/// A fence in the Namespace as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeenFence {
    /// What it allows; `None` if that cannot be read.
    pub amounts: Option<Amounts>,
    /// Whether Kubernetes enforces it yet: for a ResourceQuota, `status.hard` is `spec.hard`.
    pub in_force: bool,
    /// Its version.
    pub version: Version,
}

impl SeenFence {
    /// Reads a ResourceQuota.
    pub fn of_quota(quota: &ResourceQuota) -> Self {
        let hard = quota.spec.as_ref().and_then(|spec| spec.hard.as_ref());
        let enforced = quota.status.as_ref().and_then(|status| status.hard.as_ref());
        let amounts = amounts_of(hard);
        Self {
            in_force: amounts.is_some() && enforced.is_some() && amounts_of(enforced) == amounts,
            amounts,
            version: Version::of(&quota.metadata),
        }
    }

    /// Reads a LimitRange.
    pub fn of_limits(range: &LimitRange) -> Self {
        Self { amounts: manifest::limits_of(range), in_force: true, version: Version::of(&range.metadata) }
    }
}

/// What stands around a cluster, read before its account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is whether one object is there")]
pub struct Fences {
    /// The Namespace `<cluster>-ns`, whoever's it is.
    pub namespace: Option<SeenNamespace>,
    /// The ResourceQuota in it.
    pub quota: Option<SeenFence>,
    /// The LimitRange in it.
    pub limits: Option<SeenFence>,
    /// Whether the NetworkPolicy is there.
    pub network_policy: bool,
    /// Whether the ServiceAccount `default` is there without a mounted token.
    pub service_account: bool,
    /// Whether the owner's RoleBinding is there.
    pub role_binding: bool,
    /// Whether that of cmp-webhook itself is there, for a schedule.
    pub schedule_binding: bool,
}

impl Fences {
    /// What tells these very fences from any other: the values that are new with each write of ours.
    pub fn marks(&self) -> [String; 3] {
        let mark = |version: Option<&Version>| version.map_or_else(String::new, |version| version.fence.clone());
        [
            mark(self.namespace.as_ref().map(|namespace| &namespace.version)),
            mark(self.quota.as_ref().map(|quota| &quota.version)),
            mark(self.limits.as_ref().map(|limits| &limits.version)),
        ]
    }
}

/// An object in the Namespace that is missing, or not as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The ResourceQuota.
    Quota,
    /// The LimitRange.
    Limits,
    /// The NetworkPolicy.
    NetworkPolicy,
    /// The ServiceAccount `default`.
    ServiceAccount,
}

/// What a cluster waits for. The text is the reason that its user reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Awaited {
    /// The account was made anew.
    #[error("the clusters of this account have not been looked up yet")]
    Settled,
    /// The Namespace is going.
    #[error("its namespace is being deleted{}", .left.as_ref().map(|left| format!(": {left}")).unwrap_or_default())]
    NamespaceGone {
        /// What its conditions say.
        left: Option<String>,
    },
    /// Nobody but an administrator knows what may run in it.
    #[error("the annotations of its namespace cannot be read: an administrator deletes the namespace or mends them")]
    Administrator,
    /// kube-controller-manager has not counted yet.
    #[error("its ResourceQuota is not in force yet: kube-controller-manager has to see it")]
    QuotaInForce,
    /// The admission window.
    #[error("requests that were admitted before may still land: its quota is given back after that")]
    Landing,
    /// A refusal that is shown.
    #[error("its refusal is shown for an hour")]
    Refusal,
    /// A newer version stored something that this one does not know.
    #[error("{what}: upgrade cmp-webhook")]
    Newer {
        /// The key and what of it is not known.
        what: String,
    },
}

impl Awaited {
    /// Whether the reason is written into the account. A newer version does not wait for what this one does not know,
    /// and both would write against each other; a refusal is in the account already.
    pub fn is_reported(&self) -> bool {
        !matches!(self, Self::Refusal | Self::Newer { .. } | Self::Settled)
    }
}

/// A reason is cut after so many characters: others may have written a part of it.
const LONGEST_REASON: usize = 1024;

/// The change that says why cmp-webhook cannot go on with a cluster; `None` if the account says so already, or knows
/// no such cluster. Every replica makes the same text of the same cause, so that it is written once.
pub fn report(account: &Account, cluster: &ClusterName, reason: &str, now: Timestamp) -> Option<Change> {
    let entry = account.cluster(cluster);
    let reason: String = reason.chars().take(LONGEST_REASON).collect();
    let is_said = entry.blocked.as_ref().is_some_and(|blocked| blocked.reason == reason);
    // What a newer version stored is its own to explain.
    let is_ours = entry.exists() && entry.newer().is_none() && account.newer().is_none();
    (is_ours && !is_said).then(|| Change::new().blocked(cluster, Some(&Blocked { reason, at: now })))
}

/// The longest pause between two tries of what failed.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// How long to wait before what failed so many times is tried again: twice as long each time, up to a minute.
/// `jitter`, in 1/1000, takes up to half of it away, so that what failed at once is not tried at once.
pub fn backoff(failures: u32, jitter: u16) -> Duration {
    let full = Duration::from_secs(1 << failures.saturating_sub(1).min(6)).min(LONGEST_PAUSE);
    full.saturating_sub(full * u32::from(jitter.min(1000)) / 2000)
}

/// One step; every one of them is safe to repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// All is as it should be.
    Nothing,
    /// Something has to happen first; come back when it has, or after so long.
    Wait {
        /// For what.
        what: Awaited,
        /// When to look again without having been told.
        again: Option<Duration>,
    },
    /// Change the account, if it is still what was read.
    Account(Change),
    /// Create the Namespace.
    CreateNamespace {
        /// What its instances are.
        kind: InstanceType,
        /// Their size.
        size: Resources,
    },
    /// Delete the owner's RoleBinding and the Namespace, if it is still what was read.
    RemoveNamespace,
    /// Write these objects, each under the version that was read, if there was one.
    Write {
        /// Which.
        parts: Vec<Part>,
        /// What they are to allow.
        shape: Shape,
        /// For instances of this type.
        kind: InstanceType,
        /// What the Namespace is to remember before that, written under the version that was read: where a fence that
        /// is there is changed, the Namespace knows first how much there may be, should its account be lost.
        reserve: Option<Shape>,
    },
    /// Write count and size onto the Namespace, under the version that was read, and that it was ready: from now on
    /// something may run there, so that it is adopted and not forgotten should its account be lost.
    Open {
        /// How many of which size.
        shape: Shape,
        /// What is held beyond that.
        reserved: Reserved,
    },
    /// Write the Namespace under the version that was read, so that whoever knows an older account fails, then change
    /// the account: it holds again what stands there.
    Adopt(Change),
    /// Create the owner's RoleBinding.
    Bind {
        /// To the role of this type.
        kind: InstanceType,
    },
    /// Create the RoleBinding by which cmp-webhook suspends and resumes instances.
    BindSchedule,
    /// Delete it: nothing is to be done by schedule there.
    UnbindSchedule,
    /// Change the account, if the Namespace with this uid is gone. That is to be read once more: the fences were read
    /// before the account, and the Namespace may have been made in between.
    Forget {
        /// The uid that is held.
        uid: String,
        /// The change that says so.
        change: Change,
    },
    /// Write all three fences as they are, look at the evidence for `to`, and change the account if it fits.
    Lower {
        /// What is to be held from now on.
        to: Shape,
        /// For instances of this type.
        kind: InstanceType,
        /// The change that says so.
        change: Change,
    },
}

/// What the next step is decided from.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Whose cluster, and everything that is said about it; read after the fences.
    pub account: &'a Account,
    /// Which cluster.
    pub cluster: &'a ClusterName,
    /// What stands around it; read before the account.
    pub fences: &'a Fences,
    /// For how long this controller has seen these very fences.
    pub unchanged_for: Duration,
    /// What the administrator has set for all clusters.
    pub settings: &'a Settings,
}

/// Decides the next step. `window` is how long an admitted request may take to land; `now` only dates refusals.
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

/// A newer version stored something of it. That is neither grown nor shrunk nor mended by this one; but its owner may
/// delete it, whichever version runs.
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

/// The Namespace of that name, if it is the one of this cluster.
fn ours<'a>(seen: &Seen<'a>) -> Option<&'a SeenNamespace> {
    seen.fences.namespace.as_ref().filter(|namespace| is_ours(seen, namespace))
}

fn is_ours(seen: &Seen<'_>, namespace: &SeenNamespace) -> bool {
    namespace.owner.as_ref() == Some(&seen.account.user) && namespace.cluster.as_ref() == Some(seen.cluster)
}

fn refusal(reason: String, now: Timestamp) -> Refused {
    Refused { reason, at: now }
}

/// Not by whom: a user learns nothing of others.
fn taken(cluster: &ClusterName) -> String {
    format!("the name {cluster} is taken: choose another")
}

/// Neither wanted nor held.
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

/// A Namespace of ours that its account does not know: adopted if it was ready once, so that a lost account destroys
/// nothing; else a trace of a creation that was given up.
fn leftover(seen: &Seen<'_>, namespace: &SeenNamespace) -> Step {
    match (namespace.ready, namespace.adopted()) {
        // One that goes is charged until it is gone, too: its Pods may still be running.
        (true, Some(held)) => Step::Adopt(Change::new().held(seen.cluster, Some(&held))),
        _ if namespace.deleting => wait(gone(namespace)),
        (true, None) => wait(Awaited::Administrator),
        (false, _) => Step::RemoveNamespace,
    }
}

/// Wanted, not held yet.
fn begin(seen: &Seen<'_>, entry: &Entry, now: Timestamp) -> Step {
    if let Some(uid) = &entry.delete {
        return match ours(seen) {
            // Its holding was damaged while it was being deleted: held again, it goes on being deleted.
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

/// Takes a want back to what is held, and says why in the same write.
fn take_back(seen: &Seen<'_>, entry: &Entry, held: Option<&Held>, reason: String, now: Timestamp) -> Step {
    let back = match (&entry.want, held) {
        (Some(want), Some(held)) => Some(want.as_held(held)),
        _ => None,
    };
    let change = Change::new().want(seen.cluster, back.as_ref()).refused(seen.cluster, Some(&refusal(reason, now)));
    Step::Account(change)
}

/// Held, but the Namespace is not known to exist yet.
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

/// Held, with a Namespace.
fn keep(seen: &Seen<'_>, entry: &Entry, held: &Held, window: Duration, now: Timestamp) -> Step {
    let cluster = seen.cluster;
    let Some(namespace) = seen.fences.namespace.as_ref().filter(|namespace| namespace.uid == held.uid) else {
        // Gone, by whomever it was deleted: nothing is held, and nothing wanted. Or not made yet when it was read.
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
        // A late wish that was meant for an earlier cluster of this name.
        return Step::Account(Change::new().delete(cluster, None));
    }

    let holds = held.shape();
    let target = match (&entry.want, namespace.shape()) {
        (Some(want), _) => want.shape(),
        // Adopted: what was being given up when the account was lost is given up, what was asked for is not known.
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

/// What is missing until the fences allow exactly `target`, and the owner is let in.
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
    if !fences.quota.as_ref().is_some_and(|quota| quota.in_force) {
        return Some(Step::Wait { what: Awaited::QuotaInForce, again: Some(Duration::from_secs(5)) });
    }
    let reserved = Reserved::beyond(target, &holds);
    if namespace.shape().as_ref() != Some(target) || !namespace.ready || namespace.reserved != reserved {
        return Some(Step::Open { shape: target.clone(), reserved });
    }
    (!fences.role_binding).then_some(Step::Bind { kind })
}

/// The change that settles an account: every Namespace of its user that was ready once is in it.
/// `namespaces` are all those that bear the user's name, by a quorum read, each written since under the version that
/// was read: whoever decided something from the account that was lost can do nothing about it any more.
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
