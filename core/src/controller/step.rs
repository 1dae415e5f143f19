//! The steps of the reconcile loop, and the conditions that it waits for.

use std::time::Duration;

use crate::account::change::Change;
use crate::account::{Held, Shape};
use crate::fences::Reserved;
use crate::resources::Resources;
use crate::vocabulary::InstanceType;

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
    #[error(
        "the annotations of its namespace cannot be read: an administrator has to repair them or delete the namespace"
    )]
    Administrator,
    /// kube-controller-manager has not counted yet.
    #[error("its ResourceQuota is not in force yet: kube-controller-manager has to {}", to_count(.uncounted))]
    QuotaInForce {
        /// The names that it does not count yet, once it has seen the ResourceQuota.
        uncounted: Vec<String>,
    },
    /// The admission window has not passed yet.
    #[error("requests that were admitted earlier may still create objects: its quota is given back after that")]
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
    /// Delete the ResourceQuota of a Namespace that was never opened, if it is still the version that was read. It is
    /// written anew: kube-controller-manager counts a new one at once, and an old one only at its resync.
    RemoveQuota,
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
    /// Check what is left in a Namespace that is being deleted, write the Namespace, check again, and hold only what is
    /// left from then on. The Namespace says what is left, and reserves what was held. The want goes with the first such
    /// change of the account: nothing of it can be made any more.
    LowerDeleted {
        /// The holding that was read.
        held: Held,
    },
}
