//! The holding of a cluster: what cmp-webhook has given it.

use serde::{Deserialize, Serialize};

use super::shape::{Shape, is_false};
use crate::format::{self, Kept};
use crate::resources::Resources;
use crate::vocabulary::InstanceType;

/// The state of a cluster that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeldState {
    /// cmp-webhook creates or raises the Namespace and the fences.
    Preparing,
    /// The instances may run.
    Ready,
    /// Resources were given up, and they are not known to be gone yet.
    Releasing,
    /// The Namespace is being deleted.
    Deleting,
}

impl HeldState {
    /// Returns the name as it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Ready => "ready",
            Self::Releasing => "releasing",
            Self::Deleting => "deleting",
        }
    }
}

/// The holding of one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The uid of the cluster's Namespace; empty until it exists.
    pub uid: String,
    /// The type of its instances.
    #[serde(rename = "type")]
    pub kind: InstanceType,
    /// The number of instances.
    pub count: u32,
    /// The size of each instance.
    pub size: Resources,
    /// Whether only storage is held: the instances may not run.
    #[serde(default, skip_serializing_if = "is_false")]
    pub released: bool,
    /// The state of the cluster.
    pub state: HeldState,
    /// Everything else in the value, which a newer version stored.
    #[serde(skip)]
    pub kept: Kept,
}

impl Held {
    /// Returns a holding of this shape, in this state.
    pub fn of(uid: &str, kind: InstanceType, shape: Shape, state: HeldState) -> Self {
        let Shape { count, size, released } = shape;
        Self { uid: uid.to_owned(), kind, count, size, released, state, kept: Kept::default() }
    }

    /// Returns the same holding with another shape and state.
    #[must_use]
    pub fn with(&self, shape: Shape, state: HeldState) -> Self {
        let Shape { count, size, released } = shape;
        Self { count, size, released, state, ..self.clone() }
    }

    /// Returns the value to store, with everything in it that a newer version put there.
    pub fn stored(&self) -> String {
        self.kept.write(format::encode(self))
    }

    /// Returns count, size and `released`.
    pub fn shape(&self) -> Shape {
        Shape { count: self.count, size: self.size.clone(), released: self.released }
    }
}
