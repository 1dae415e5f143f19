//! Arguments that select clusters.

use clap::Args;

use cmp_core::name::{ClusterName, UserName};

use crate::args::change::ChangeArgs;
use crate::args::values::name;
use crate::args::wait::WaitArgs;

/// The name of one existing cluster.
#[derive(Debug, Args)]
pub(crate) struct ClusterNameArg {
    /// The name of the cluster
    #[arg(value_name = "NAME", value_parser = name::<ClusterName>)]
    pub(crate) name: ClusterName,
}

#[derive(Debug, Args)]
pub(crate) struct ClustersArgs {
    /// The names of the clusters
    #[arg(value_name = "NAME", value_parser = name::<ClusterName>)]
    pub(crate) names: Vec<ClusterName>,
    /// Select all of your clusters
    #[arg(long, conflicts_with = "names")]
    pub(crate) all: bool,
    /// With --all: the owner of the clusters (administrators)
    #[arg(long, value_name = "USER", value_parser = name::<UserName>, requires = "all")]
    pub(crate) owner: Option<UserName>,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}
