//! `top`: the measured use of clusters, and its output once or again and again.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use kube::Client;
use serde_json::{Value, json};

use cmp_client::metrics;
use cmp_core::account::Account;
use cmp_core::instance::Instance;
use cmp_core::load::{self, Load, Measure};
use cmp_core::name::{ClusterName, InstanceName};
use cmp_core::resources::Resources;

use crate::args::TopArgs;
use crate::context::{Context, complete};
use crate::error::CliError;
use crate::output::{self, Format, Heads, Item, listed, print};
use crate::ui::Live;
use crate::view;

/// Number of clusters whose metrics are read in parallel.
const AT_ONCE: usize = 16;
/// The time between two looks at the metrics.
const EVERY: Duration = Duration::from_secs(2);

/// A cluster and the use of its instances.
pub(crate) struct Measured {
    pub(crate) cluster: view::Cluster,
    used: BTreeMap<InstanceName, Resources>,
}

/// Reads clusters of an account and the use of their instances.
pub(crate) async fn measure(
    client: &Client,
    account: &Account,
    names: &[ClusterName],
) -> Result<Vec<Measured>, CliError> {
    let clusters = view::clusters(client, account, names).await?;
    let measured = stream::iter(clusters).map(|cluster| async move {
        let is_on = cluster.instances.iter().any(|instance| instance.on);
        let used = match cluster.entry.kind().filter(|_| is_on) {
            Some(kind) => metrics::used(client, &cluster.name, kind).await?,
            None => BTreeMap::new(),
        };
        Ok(Measured { cluster, used })
    });
    measured.buffered(AT_ONCE).try_collect().await
}

impl Measured {
    fn used(&self, instance: &Instance) -> Option<&Resources> {
        // The Pod of an instance that was switched off may still end.
        self.used.get(&instance.name).filter(|_| instance.on)
    }

    /// Returns the load of one instance.
    pub(crate) fn instance(&self, instance: &Instance) -> Load {
        Load { used: self.used(instance).cloned(), asked: instance.size.clone() }
    }

    /// Returns the use of each instance that is measured.
    pub(crate) fn all_used(&self) -> impl Iterator<Item = &Resources> {
        self.cluster.instances.iter().filter_map(|instance| self.used(instance))
    }

    /// Returns the load of the cluster. It asks for what its owner is charged.
    pub(crate) fn load(&self) -> Load {
        Load::total(self.all_used(), self.cluster.entry.charge().unwrap_or_default())
    }
}

/// Returns a load as the status of an object.
pub(crate) fn status(load: &Load) -> Value {
    let percent = |measure| load.percent(measure);
    json!({
        "usage": load.used,
        "requested": load.asked,
        "percent": load.used.as_ref().map(|_| json!({ "cpu": percent(Measure::Cpu), "memory": percent(Measure::Memory) })),
    })
}

/// One row of `top`.
pub(crate) struct Row {
    pub(crate) load: Load,
    pub(crate) item: Item,
}

/// The rows that one look found.
#[derive(Default)]
pub(crate) struct Looked {
    pub(crate) rows: Vec<Row>,
    /// Errors for names that were not found.
    pub(crate) missing: Vec<CliError>,
}

/// Prints the rows once. On a terminal it redraws them until the user ends it, unless the flags say otherwise. `single`
/// is true if the user asked for one object by name.
pub(crate) async fn show<F>(
    context: &Context<'_>,
    args: &TopArgs,
    heads: Heads,
    single: bool,
    look: impl Fn() -> F,
) -> Result<(), CliError>
where
    F: Future<Output = Result<Looked, CliError>>,
{
    let Looked { rows, missing } = look().await?;
    for missing in &missing {
        missing.print(context.ui);
    }
    let all_found = missing.is_empty();
    if rows.is_empty() && !all_found {
        return complete(false);
    }
    let is_table = matches!(args.output.output, None | Some(Format::Wide));
    if rows.is_empty() || args.once || !is_table || !context.ui.is_live() {
        print(context.ui, &args.list(), heads, sorted(args, rows), single)?;
        return complete(all_found);
    }
    let last = redraw(context, args, heads, rows, look).await?;
    context.ui.out(&last)?;
    complete(all_found)
}

/// Redraws the rows until the user ends it. Returns the last table, which stays on the terminal.
async fn redraw<F>(
    context: &Context<'_>,
    args: &TopArgs,
    heads: Heads,
    mut rows: Vec<Row>,
    look: impl Fn() -> F,
) -> Result<String, CliError>
where
    F: Future<Output = Result<Looked, CliError>>,
{
    let mut screen = Live::open(context.ui);
    loop {
        let text = text(args, heads, rows, screen.columns())?;
        screen.draw(&text)?;
        let next = async {
            tokio::time::sleep(EVERY).await;
            look().await
        };
        rows = tokio::select! {
            () = screen.ended() => return Ok(text),
            looked = next => looked?.rows,
        };
    }
}

fn sorted(args: &TopArgs, mut rows: Vec<Row>) -> Vec<Item> {
    if let Some(by) = args.sort_by {
        load::sort(&mut rows, by.into(), |row| &row.load);
    }
    rows.into_iter().map(|row| row.item).collect()
}

/// Returns the table of the selected rows, for a screen of `columns`.
fn text(args: &TopArgs, heads: Heads, rows: Vec<Row>, columns: usize) -> Result<String, CliError> {
    let list = args.list();
    let items = listed(&list, sorted(args, rows))?;
    Ok(output::rows(&list, heads, items, columns))
}
