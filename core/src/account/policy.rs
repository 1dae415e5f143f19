//! Further rules for one user.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::format::{self, Kept};

/// Whether a suspended cluster stays charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Suspended {
    /// The cluster stays charged, so that it can always be resumed.
    #[default]
    Keep,
    /// The cluster gives its quota back.
    Release,
}

impl fmt::Display for Suspended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Keep => "keep",
            Self::Release => "release",
        })
    }
}

/// Further rules for one user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// Whether a suspended cluster stays charged.
    pub suspended: Suspended,
    /// The most clusters that the user may have.
    pub clusters: u32,
    /// The most instances that the user may have in all clusters together.
    pub instances: u32,
    /// Everything else in the value, which a newer version stored.
    #[serde(skip)]
    pub kept: Kept,
}

impl Default for Policy {
    fn default() -> Self {
        Self { suspended: Suspended::Keep, clusters: 100, instances: 1000, kept: Kept::default() }
    }
}

impl Policy {
    /// Returns the value to store, with everything in it that a newer version put there.
    pub fn stored(&self) -> String {
        self.kept.write(format::encode(self))
    }
}
