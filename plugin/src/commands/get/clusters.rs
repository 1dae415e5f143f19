//! `get clusters`: lists clusters, or their changes.

use clap::Args;
use jiff::Timestamp;

use cmp_core::name::{ClusterName, UserName};

use crate::args::values::name;
use crate::args::{ListArgs, WatchArgs};
use crate::commands::shared::select_clusters::{known, select};
use crate::commands::shared::watch::{self, LookupResult, print_lookup};
use crate::context::{Context, each};
use crate::error::CliError;
use crate::view;

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp get clusters\n  kubectl cmp get cluster web -o yaml\n  kubectl cmp get clusters -w"
)]
pub(crate) struct GetClusters {
    /// The names of the clusters; all of yours by default
    #[arg(value_name = "NAME", value_parser = name::<ClusterName>, conflicts_with = "selector")]
    pub(crate) names: Vec<ClusterName>,
    /// Show the clusters of all users (administrators)
    #[arg(short = 'A', long, conflicts_with = "owner")]
    pub(crate) all_namespaces: bool,
    /// Show the clusters of this user (administrators)
    #[arg(long, value_name = "USER", value_parser = name::<UserName>)]
    pub(crate) owner: Option<UserName>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
    #[command(flatten)]
    pub(crate) watch: WatchArgs,
}

pub(crate) async fn run(context: &Context<'_>, args: GetClusters) -> Result<(), CliError> {
    let heads = if args.all_namespaces { view::ALL_CLUSTERS } else { view::CLUSTERS };
    if args.watch.watch {
        let named = !args.names.is_empty();
        return watch::follow(context, &args.list, heads, named, || look_up_clusters(context, &args)).await;
    }
    let seen = look_up_clusters(context, &args).await?;
    print_lookup(context, &args.list, heads, seen, args.names.len())
}

async fn look_up_clusters(context: &Context<'_>, args: &GetClusters) -> Result<LookupResult, CliError> {
    let client = context.client().await?;
    let mut seen = LookupResult::default();
    let mut selected = Vec::new();
    seen.missing = each(&args.names, &mut selected, |name: &ClusterName| {
        let name = name.clone();
        async move { Ok((known(context, &name, args.owner.as_ref()).await?, vec![name])) }
    })
    .await?;
    if args.names.is_empty() {
        selected = match context.cluster_of_namespace()? {
            Some(cluster) if !args.all_namespaces => {
                vec![(known(context, &cluster, args.owner.as_ref()).await?, vec![cluster])]
            }
            _ => select(context, args.all_namespaces, args.owner.as_ref()).await?,
        };
    }
    let now = Timestamp::now();
    for (stored, names) in &selected {
        let looked = view::clusters(&client, &stored.account, names).await?;
        let item = if args.all_namespaces { view::Cluster::item_with_owner } else { view::Cluster::item };
        seen.items.extend(looked.iter().map(|cluster| item(cluster, now)));
        seen.clusters.extend(names.iter().cloned());
    }
    seen.accounts = selected.into_iter().map(|(stored, _)| stored).collect();
    Ok(seen)
}
