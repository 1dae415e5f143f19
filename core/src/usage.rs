//! What was used: in which state each instance was, for how long, and what comes of it over a time.

use jiff::Timestamp;

use crate::account::InstanceType;
use crate::name::{ClusterName, InstanceName, UserName};
use crate::resources::Resources;
use crate::state::State;

/// One instance in one state for one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Whose it was.
    pub owner: UserName,
    /// Of which cluster.
    pub cluster: ClusterName,
    /// The uid of its Namespace: another cluster of the same name has another one.
    pub cluster_uid: String,
    /// Which.
    pub instance: InstanceName,
    /// Its uid: another instance of the same name has another one.
    pub instance_uid: String,
    /// What it was.
    pub kind: InstanceType,
    /// What it was shown to be.
    pub state: State,
    /// Whether it was a VM that was frozen: suspended, and still in its place on the node.
    pub paused: bool,
    /// Who suspended it: a username.
    pub by: Option<String>,
    /// What it asked for.
    pub size: Resources,
    /// Since when.
    pub from: Timestamp,
    /// Until when; this moment is no part of it.
    pub until: Timestamp,
}

/// A time in which somebody was looking at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watched {
    /// Since when.
    pub from: Timestamp,
    /// Until when; this moment is no part of it.
    pub until: Timestamp,
}
