//! The outcomes of a verb, for each instance and for each cluster.

use cmp_core::name::{ClusterName, InstanceName};
use cmp_core::plan::lifecycle::{self as plan, InstanceResult};
use cmp_core::vocabulary::InstanceType;

use crate::commands::shared::kills::Guests;
use crate::error::CliError;

/// The outcome for one instance.
pub(super) enum InstanceOutcome {
    Changed {
        /// Reports whether the instance keeps its memory and its place on the node.
        paused: bool,
    },
    Already,
    /// The reason why the verb does not apply.
    Skipped(String),
    Failed(CliError),
}

impl InstanceOutcome {
    pub(super) fn result(&self) -> InstanceResult {
        match self {
            Self::Changed { paused } => InstanceResult::Changed { paused: *paused },
            Self::Already => InstanceResult::Already,
            Self::Skipped(why) => InstanceResult::Skipped(why.clone()),
            Self::Failed(error) => InstanceResult::Failed(error.message().to_owned()),
        }
    }
}

/// The outcome for the instances of one cluster, or for one named instance.
pub(super) struct ClusterOutcome {
    pub(super) cluster: ClusterName,
    /// The type of the cluster, if there is one.
    pub(super) kind: Option<InstanceType>,
    pub(super) outcomes: Vec<(InstanceName, InstanceOutcome)>,
    /// The guests that ran before, if the command counts those that are killed.
    pub(super) guests: Option<Guests>,
}

impl ClusterOutcome {
    /// Returns the instances that the wait covers.
    pub(super) fn awaited(&self) -> Vec<InstanceName> {
        plan::awaited(self.outcomes.iter().map(|(name, outcome)| (name, outcome.result())))
    }

    pub(super) fn each(self) -> impl Iterator<Item = (InstanceName, Option<InstanceType>, InstanceOutcome)> {
        let kind = self.kind;
        self.outcomes.into_iter().map(move |(name, outcome)| (name, kind, outcome))
    }
}
