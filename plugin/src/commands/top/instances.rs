//! `top instances`: the use of instances beside their size.

use clap::Args;
use serde_json::json;

use cmp_core::instance::Instance;
use cmp_core::keys;
use cmp_core::labels;
use cmp_core::load::Measure;
use cmp_core::name::{ClusterName, InstanceName, UserName};

use crate::args::TopArgs;
use crate::args::values::name;
use crate::commands::shared::load::{Looked, Measured, Row, measure, show, status};
use crate::commands::shared::select_clusters::{check_owner, existing};
use crate::context::{Context, each};
use crate::error::CliError;
use crate::output::{Heads, Item};

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp top instances --in web --sort-by cpu\n  kubectl cmp top instance web-0 --once -o json"
)]
pub(crate) struct TopInstances {
    /// The names of the instances; all of yours by default
    #[arg(value_name = "NAME", value_parser = name::<InstanceName>, conflicts_with = "selector")]
    pub(crate) names: Vec<InstanceName>,
    /// Show only the instances of this cluster
    #[arg(long = "in", value_name = "CLUSTER", value_parser = name::<ClusterName>, conflicts_with = "names")]
    pub(crate) of: Option<ClusterName>,
    /// Show the instances of all users (administrators)
    #[arg(short = 'A', long, conflicts_with_all = ["names", "of", "owner"])]
    pub(crate) all_namespaces: bool,
    /// Show the instances of this user (administrators)
    #[arg(long, value_name = "USER", value_parser = name::<UserName>)]
    pub(crate) owner: Option<UserName>,
    #[command(flatten)]
    pub(crate) top: TopArgs,
}

const INSTANCES: Heads = (
    &["NAME", "CLUSTER", "NODE", "CPU(cores)", "CPU(asked)", "CPU%", "MEMORY(bytes)", "MEMORY(asked)", "MEMORY%"],
    &["TYPE", "STATUS"],
);
const ALL_INSTANCES: Heads = (
    &[
        "OWNER",
        "NAME",
        "CLUSTER",
        "NODE",
        "CPU(cores)",
        "CPU(asked)",
        "CPU%",
        "MEMORY(bytes)",
        "MEMORY(asked)",
        "MEMORY%",
    ],
    &["TYPE", "STATUS"],
);

pub(crate) async fn run(context: &Context<'_>, args: TopInstances) -> Result<(), CliError> {
    let heads = if args.all_namespaces { ALL_INSTANCES } else { INSTANCES };
    show(context, &args.top, heads, args.names.len() == 1, || look(context, &args)).await
}

async fn look(context: &Context<'_>, args: &TopInstances) -> Result<Looked, CliError> {
    let mut rows = Vec::new();
    let missing = each(&args.names, &mut rows, |name: &InstanceName| named(context, args, name.clone())).await?;
    if !args.names.is_empty() {
        return Ok(Looked { rows, missing });
    }
    let selected = match &args.of {
        Some(cluster) => {
            let stored = context.holder(cluster).await?;
            check_owner(&stored, cluster, args.owner.as_ref())?;
            vec![(stored, vec![cluster.clone()])]
        }
        None => existing(context, args.all_namespaces, args.owner.as_ref()).await?,
    };
    let client = context.client().await?;
    for (stored, names) in &selected {
        for measured in measure(&client, &stored.account, names).await? {
            let instances = measured.cluster.instances.iter();
            rows.extend(instances.map(|instance| row(&measured, instance, args.all_namespaces)));
        }
    }
    Ok(Looked { rows, missing })
}

/// Looks up one instance.
async fn named(context: &Context<'_>, args: &TopInstances, name: InstanceName) -> Result<Row, CliError> {
    let missing = || CliError::not_found("instance", &name.to_string());
    let stored = context.holder(&name.cluster).await;
    let stored = stored.map_err(|error| if error.is_not_found() { missing() } else { error })?;
    check_owner(&stored, &name.cluster, args.owner.as_ref())?;
    let measured = measure(&context.client().await?, &stored.account, std::slice::from_ref(&name.cluster)).await?;
    let found = measured.iter().find_map(|measured| {
        let instance = measured.cluster.instances.iter().find(|instance| instance.name == name)?;
        Some(row(measured, instance, false))
    });
    found.ok_or_else(missing)
}

fn row(measured: &Measured, instance: &Instance, of_everyone: bool) -> Row {
    let load = measured.instance(instance);
    let labels = labels::of_instance(measured.cluster.entry.want.as_ref(), &instance.labels);
    let mut shown = status(&load);
    shown["state"] = json!(instance.state);
    shown["node"] = json!(instance.node);
    let node = instance.node.clone().filter(|node| !node.is_empty()).unwrap_or_else(|| "-".to_owned());
    let cells = [instance.name.to_string(), instance.name.cluster.to_string(), node].into_iter();
    let item = Item {
        name: format!("instance/{}", instance.name),
        object: json!({
            "apiVersion": keys::API_VERSION,
            "kind": "InstanceMetrics",
            "metadata": {
                "name": instance.name.to_string(),
                "namespace": instance.name.cluster.namespace(),
                "labels": Some(labels).filter(|labels| !labels.is_empty()),
            },
            "spec": {
                "owner": measured.cluster.owner,
                "cluster": instance.name.cluster,
                "index": instance.name.index,
                "type": instance.kind,
            },
            "status": shown,
        }),
        cells: cells.chain(load.cells(Measure::Cpu)).chain(load.cells(Measure::Memory)).collect(),
        wide: vec![instance.kind.to_string(), instance.state.to_string()],
    };
    let item = if of_everyone { item.with_owner(&measured.cluster.owner) } else { item };
    Row { load, item }
}
