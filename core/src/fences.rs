//! The fences of a cluster as they are observed: its Namespace, ResourceQuota and LimitRange.
//!
//! Each of our writes sets a new nonce on a fence. The nonces of all three identify the fences that were observed.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{LimitRange, Namespace, ResourceQuota};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::account::{Held, HeldState, Shape};
use crate::format;
use crate::keys;
use crate::manifest;
use crate::name::{ClusterName, UserName};
use crate::quantity::{Amounts, amounts_of};
use crate::resources::Resources;
use crate::vocabulary::InstanceType;

/// The version of an object that was read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ObjectVersion {
    /// The `resourceVersion` under which the object may be written.
    pub resource_version: String,
    /// The nonce of the fence. Only our own writes change it, and each of them does.
    pub nonce: String,
}

impl ObjectVersion {
    fn of(metadata: &ObjectMeta) -> Self {
        let nonce = metadata.annotations.as_ref().and_then(|annotations| annotations.get(keys::NONCE));
        Self {
            resource_version: metadata.resource_version.clone().unwrap_or_default(),
            nonce: nonce.cloned().unwrap_or_default(),
        }
    }
}

fn created(metadata: &ObjectMeta) -> Option<Timestamp> {
    metadata.creation_timestamp.as_ref().map(|time| time.0)
}

/// The observed Namespace of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedNamespace {
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
    /// The time at which the API server created it.
    pub created: Option<Timestamp>,
    /// The version that was read.
    pub version: ObjectVersion,
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

impl ObservedNamespace {
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
            created: created(metadata),
            version: ObjectVersion::of(metadata),
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
    pub(crate) fn beyond(open: &Shape, holds: &Shape) -> Self {
        if open == holds { Self::Nothing } else { Self::Shape(holds.clone()) }
    }
}

/// An observed fence inside the Namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObservedFence {
    /// The amounts that the fence allows; `None` if they cannot be read.
    pub amounts: Option<Amounts>,
    /// Whether Kubernetes enforces the fence yet. For a ResourceQuota: `status.hard` is `spec.hard`, and `status.used` has
    /// every name of it. The admission of Kubernetes refuses an object whose count `status.used` does not have.
    pub in_force: bool,
    /// The names that a ResourceQuota bounds and that nobody counts yet. kube-controller-manager learns of new kinds at its
    /// next discovery, 30 s later at the latest.
    pub uncounted: Vec<String>,
    /// The uid of the object.
    pub uid: String,
    /// The time at which the API server created it.
    pub created: Option<Timestamp>,
    /// The version that was read.
    pub version: ObjectVersion,
}

impl ObservedFence {
    fn of(metadata: &ObjectMeta) -> Self {
        let (uid, version) = (metadata.uid.clone().unwrap_or_default(), ObjectVersion::of(metadata));
        Self { uid, created: created(metadata), version, ..Self::default() }
    }

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
        Self { in_force: is_seen && uncounted.is_empty(), uncounted, amounts, ..Self::of(&quota.metadata) }
    }

    /// Reads the amounts of a LimitRange.
    pub fn of_limits(range: &LimitRange) -> Self {
        Self { amounts: manifest::limits_of(range), in_force: true, ..Self::of(&range.metadata) }
    }
}

/// The observed fences of a cluster, read before its account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is whether one object is there")]
pub struct Fences {
    /// The Namespace `<cluster>-ns`, whoever owns it.
    pub namespace: Option<ObservedNamespace>,
    /// The ResourceQuota in the Namespace.
    pub quota: Option<ObservedFence>,
    /// The LimitRange in the Namespace.
    pub limits: Option<ObservedFence>,
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
    /// nonce. The deletion of the Namespace sets no nonce and is a fence itself, so that it changes the first one.
    pub fn nonces(&self) -> [String; 3] {
        let nonce = |version: Option<&ObjectVersion>| version.map_or_else(String::new, |version| version.nonce.clone());
        let deleting = self.namespace.as_ref().is_some_and(|namespace| namespace.deleting);
        let suffix = if deleting { " deleting" } else { "" };
        [
            nonce(self.namespace.as_ref().map(|namespace| &namespace.version)) + suffix,
            nonce(self.quota.as_ref().map(|quota| &quota.version)),
            nonce(self.limits.as_ref().map(|limits| &limits.version)),
        ]
    }
}
