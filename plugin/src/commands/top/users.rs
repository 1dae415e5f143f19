//! `top users`: the use of users beside the resources that they are charged for, and their quota.

use clap::Args;
use futures::stream::{self, StreamExt, TryStreamExt};
use kube::Client;
use serde_json::json;

use cmp_client::accounts::Stored;
use cmp_core::keys;
use cmp_core::load::{Load, Measure};
use cmp_core::name::{ClusterName, UserName};
use cmp_core::resources::{CPU, MEMORY};
use cmp_core::state::Counts;

use crate::args::TopArgs;
use crate::args::values::name;
use crate::commands::shared::load::{Looked, Measured, Row, measure, show, status};
use crate::commands::shared::select_clusters::existing;
use crate::context::{Context, each};
use crate::error::CliError;
use crate::output::{Heads, Item};

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp top users\n  kubectl cmp top users --sort-by memory --once\n  kubectl cmp top user john"
)]
pub(crate) struct TopUsers {
    /// The names of the users; all by default
    #[arg(value_name = "NAME", value_parser = name::<UserName>, conflicts_with = "selector")]
    pub(crate) names: Vec<UserName>,
    #[command(flatten)]
    pub(crate) top: TopArgs,
}

const USERS: Heads = (
    &[
        "NAME",
        "CPU(cores)",
        "CPU(asked)",
        "CPU(quota)",
        "CPU%",
        "MEMORY(bytes)",
        "MEMORY(asked)",
        "MEMORY(quota)",
        "MEMORY%",
        "INSTANCES",
    ],
    &["CLUSTERS"],
);

/// Number of users that are read in parallel. The clusters of each of them are read in parallel, too.
const AT_ONCE: usize = 4;

pub(crate) async fn run(context: &Context<'_>, args: TopUsers) -> Result<(), CliError> {
    show(context, &args.top, USERS, args.names.len() == 1, || look(context, &args)).await
}

async fn look(context: &Context<'_>, args: &TopUsers) -> Result<Looked, CliError> {
    let mut selected: Vec<(Stored, Vec<ClusterName>)> = Vec::new();
    let missing = each(&args.names, &mut selected, |name: &UserName| {
        let name = name.clone();
        async move {
            let stored = context.account(&name).await?;
            let names = stored.account.existing().map(|(name, _)| name.clone()).collect();
            Ok((stored, names))
        }
    })
    .await?;
    if args.names.is_empty() {
        selected = existing(context, true, None).await?;
    }
    let client = &context.client().await?;
    let rows = stream::iter(&selected).map(|(stored, names)| user(client, stored, names)).buffered(AT_ONCE);
    Ok(Looked { rows: rows.try_collect().await?, missing })
}

async fn user(client: &Client, stored: &Stored, names: &[ClusterName]) -> Result<Row, CliError> {
    Ok(row(stored, &measure(client, &stored.account, names).await?))
}

fn row(stored: &Stored, measured: &[Measured]) -> Row {
    let account = &stored.account;
    let load = Load::total(measured.iter().flat_map(Measured::all_used), account.charge().unwrap_or_default());
    let counts: Vec<Counts> = measured.iter().map(|measured| measured.cluster.counts()).collect();
    let sum = |of: fn(&Counts) -> u32| counts.iter().map(of).fold(0, u32::saturating_add);
    let (running, total) = (sum(|counts| counts.running), sum(|counts| counts.total));
    let mut cells = vec![account.user.to_string()];
    for (measure, name) in [(Measure::Cpu, CPU), (Measure::Memory, MEMORY)] {
        let [used, asked, percent] = load.cells(measure);
        let quota = account.quota.named(name).map_or_else(|| "-".to_owned(), |quota| measure.text(quota));
        cells.extend([used, asked, quota, percent]);
    }
    cells.push(format!("{running}/{total}"));
    let mut shown = status(&load);
    shown["quota"] = json!(account.quota);
    shown["clusters"] = json!(measured.len());
    shown["instances"] = json!({ "running": running, "total": total });
    let item = Item {
        name: format!("user/{}", account.user),
        object: json!({
            "apiVersion": keys::API_VERSION,
            "kind": "UserMetrics",
            "metadata": {
                "name": account.user,
                "namespace": keys::USERS_NAMESPACE,
                "labels": Some(&stored.labels).filter(|labels| !labels.is_empty()),
            },
            "status": shown,
        }),
        cells,
        wide: vec![measured.len().to_string()],
    };
    Row { load, item }
}
