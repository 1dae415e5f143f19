//! Arguments that select clusters.

use clap::Args;

use cmp_core::name::{ClusterName, UserName};

use crate::args::change::ChangeArgs;
use crate::args::values::name;
use crate::args::wait::WaitArgs;
use crate::output::selector::Selector;

/// The name of one existing cluster.
#[derive(Debug, Args)]
pub(crate) struct ClusterNameArg {
    /// The name of the cluster
    #[arg(value_name = "NAME", value_parser = name::<ClusterName>)]
    pub(crate) name: ClusterName,
}

/// The clusters that a command changes: by name, or all that match.
#[derive(Debug, Args)]
pub(crate) struct WhichClusters {
    /// The names of the clusters
    #[arg(value_name = "NAME", value_parser = name::<ClusterName>)]
    pub(crate) names: Vec<ClusterName>,
    /// Select all of your clusters
    #[arg(long, conflicts_with = "names")]
    pub(crate) all: bool,
    /// Select the clusters of all users (administrators)
    #[arg(short = 'A', long, conflicts_with_all = ["names", "owner"])]
    pub(crate) all_namespaces: bool,
    /// The owner of the clusters (administrators)
    #[arg(long, value_name = "USER", value_parser = name::<UserName>)]
    pub(crate) owner: Option<UserName>,
    /// Selector (label query) to filter on, such as app=web,tier!=db
    #[arg(short = 'l', long, value_name = "SELECTOR", value_parser = Selector::read, conflicts_with = "names")]
    pub(crate) selector: Option<Selector>,
}

impl WhichClusters {
    /// Reports whether the clusters are selected without their names.
    pub(crate) fn is_query(&self) -> bool {
        self.all || self.all_namespaces || self.selector.is_some()
    }
}

#[derive(Debug, Args)]
pub(crate) struct ClustersArgs<W: Args = WaitArgs> {
    #[command(flatten)]
    pub(crate) which: WhichClusters,
    #[command(flatten)]
    pub(crate) wait: W,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}
