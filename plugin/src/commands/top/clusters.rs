//! `top clusters`: the use of clusters beside the resources that they are charged for.

use clap::Args;
use serde_json::json;

use cmp_core::keys;
use cmp_core::load::Measure;
use cmp_core::name::{ClusterName, UserName};

use crate::args::TopArgs;
use crate::args::values::name;
use crate::commands::shared::load::{Looked, Measured, Row, measure, show, status};
use crate::commands::shared::select_clusters::{existing, owned};
use crate::context::{Context, each};
use crate::error::CliError;
use crate::output::{Heads, Item};

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp top clusters\n  kubectl cmp top clusters -A --sort-by memory --once\n  kubectl cmp top cluster web"
)]
pub(crate) struct TopClusters {
    /// The names of the clusters; all of yours by default
    #[arg(value_name = "NAME", value_parser = name::<ClusterName>, conflicts_with = "selector")]
    pub(crate) names: Vec<ClusterName>,
    /// Show the clusters of all users (administrators)
    #[arg(short = 'A', long, conflicts_with_all = ["names", "owner"])]
    pub(crate) all_namespaces: bool,
    /// Show the clusters of this user (administrators)
    #[arg(long, value_name = "USER", value_parser = name::<UserName>)]
    pub(crate) owner: Option<UserName>,
    #[command(flatten)]
    pub(crate) top: TopArgs,
}

const CLUSTERS: Heads = (
    &["NAME", "CPU(cores)", "CPU(asked)", "CPU%", "MEMORY(bytes)", "MEMORY(asked)", "MEMORY%", "INSTANCES"],
    &["OWNER", "NAMESPACE"],
);
const ALL_CLUSTERS: Heads = (
    &["OWNER", "NAME", "CPU(cores)", "CPU(asked)", "CPU%", "MEMORY(bytes)", "MEMORY(asked)", "MEMORY%", "INSTANCES"],
    &["NAMESPACE"],
);

pub(crate) async fn run(context: &Context<'_>, args: TopClusters) -> Result<(), CliError> {
    let heads = if args.all_namespaces { ALL_CLUSTERS } else { CLUSTERS };
    show(context, &args.top, heads, args.names.len() == 1, || look(context, &args)).await
}

async fn look(context: &Context<'_>, args: &TopClusters) -> Result<Looked, CliError> {
    let mut selected = Vec::new();
    let missing = each(&args.names, &mut selected, |name: &ClusterName| {
        let name = name.clone();
        async move { Ok((owned(context, &name, args.owner.as_ref()).await?, vec![name])) }
    })
    .await?;
    if args.names.is_empty() {
        selected = existing(context, args.all_namespaces, args.owner.as_ref()).await?;
    }
    let client = context.client().await?;
    let mut rows = Vec::new();
    for (stored, names) in &selected {
        let measured = measure(&client, &stored.account, names).await?;
        rows.extend(measured.iter().map(|measured| row(measured, args.all_namespaces)));
    }
    Ok(Looked { rows, missing })
}

fn row(measured: &Measured, of_everyone: bool) -> Row {
    let (cluster, load) = (&measured.cluster, measured.load());
    let counts = cluster.counts();
    let mut shown = status(&load);
    shown["instances"] = json!(counts);
    let cells = std::iter::once(cluster.name.to_string())
        .chain(load.cells(Measure::Cpu))
        .chain(load.cells(Measure::Memory))
        .chain([format!("{}/{}", counts.running, counts.total)]);
    let item = Item {
        name: format!("cluster/{}", cluster.name),
        object: json!({
            "apiVersion": keys::API_VERSION,
            "kind": "ClusterMetrics",
            "metadata": {
                "name": cluster.name,
                "namespace": cluster.name.namespace(),
                "labels": Some(&cluster.labels).filter(|labels| !labels.is_empty()),
            },
            "spec": { "owner": cluster.owner },
            "status": shown,
        }),
        cells: cells.collect(),
        wide: vec![cluster.owner.to_string(), cluster.name.namespace()],
    };
    let item = if of_everyone {
        let mut item = item.with_owner(&cluster.owner);
        item.wide.remove(0);
        item
    } else {
        item
    };
    Row { load, item }
}
