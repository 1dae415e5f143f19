//! The number of instances and their size, and the charge for them.

use serde::{Deserialize, Serialize};

use crate::quantity::Quantity;
use crate::resources::{Resources, is_kept};

/// The number of instances and their size, as a want and a holding both have them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// The number of instances.
    pub count: u32,
    /// The size of each instance.
    pub size: Resources,
    /// Whether the instances are off and give back all resources that only running instances need: all but their disks.
    #[serde(default, skip_serializing_if = "is_false")]
    pub released: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(super) fn is_false(flag: &bool) -> bool {
    !flag
}

impl Shape {
    /// Returns the shape that needs no resources: no instances, no size, released.
    pub fn nothing() -> Self {
        Self { count: 0, size: Resources::default(), released: true }
    }

    /// Returns the larger of both, in count and in each resource of the size. The result is released only if both are.
    #[must_use]
    pub fn max(&self, other: &Self) -> Self {
        Self {
            count: self.count.max(other.count),
            size: self.size.max(&other.size),
            released: self.released && other.released,
        }
    }

    /// Reports whether this shape is no more than `within`, in count and in each resource of the size. A shape that may
    /// run is more than a released one.
    pub fn fits(&self, within: &Self) -> bool {
        self.count <= within.count && self.size.fits(&within.size) && (self.released || !within.released)
    }

    /// Returns the charge: the size times the count. While the shape is released, only disks and the room for their
    /// snapshots are charged.
    ///
    /// An amount below 0 can only have been stored while nobody was asked. It costs nothing and makes nothing else
    /// cheaper. Returns `None` if the charge does not fit.
    pub fn charge(&self) -> Option<Resources> {
        let charged = self.size.iter().filter(|(name, _)| !self.released || is_kept(name));
        charged
            .map(|(name, amount)| Some((name.clone(), amount.max(Quantity::ZERO).checked_mul(self.count)?)))
            .collect()
    }
}
