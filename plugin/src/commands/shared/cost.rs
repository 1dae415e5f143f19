//! The cost of a cluster in a month, beside a dry run and a refusal for quota.

use jiff::Timestamp;

use cmp_client::accounts::Stored;
use cmp_core::account::Want;
use cmp_core::name::ClusterName;
use cmp_core::prices::PriceTable;
use cmp_core::usage::monthly::Monthly;

use crate::args::DryRun;
use crate::commands::shared::prices::{known, newer};
use crate::context::Context;
use crate::error::CliError;

/// Returns the cost of a want in words. Returns `None` if no prices are set.
fn words(table: &PriceTable, want: &Want) -> Option<String> {
    let now = Timestamp::now();
    Some(Monthly::of(want, &table.tariff(now), now)?.words(table.currency.as_deref()))
}

/// Prints the cost in a month of a cluster as it would be, if this is a dry run and prices are set. `before` is the want that
/// the dry run changes.
pub(crate) async fn print_cost(
    context: &Context<'_>,
    dry_run: DryRun,
    name: &ClusterName,
    before: Option<&Want>,
    stored: &Stored,
) {
    let Some(want) = stored.account.cluster(name).want.filter(|_| dry_run != DryRun::None) else { return };
    let table = match known(context).await {
        Ok(table) => table,
        // The dry run is about the change: prices that cannot be read do not fail it.
        Err(error) => return context.ui.note(&format!("cost: not known: {}", error.message())),
    };
    let Some(cost) = words(&table, &want) else { return };
    context.ui.notes(newer(&table).as_slice());
    let before = before.and_then(|before| words(&table, before)).filter(|before| *before != cost);
    let before = before.map_or_else(String::new, |before| format!("; before: {before}"));
    context.ui.note(&format!("cost: cluster {name} would cost {cost}{before}"));
}

/// Adds the cost in a month to a refusal for quota, if prices are set. `wanted` returns the want that was refused. Nothing
/// is read for another outcome.
pub(crate) async fn with_cost<T>(
    context: &Context<'_>,
    outcome: Result<T, impl Into<CliError>>,
    name: &ClusterName,
    wanted: impl AsyncFnOnce() -> Option<Want>,
) -> Result<T, CliError> {
    let error = match outcome {
        Ok(done) => return Ok(done),
        Err(error) => error.into(),
    };
    if !error.is_over_quota() {
        return Err(error);
    }
    let Some(want) = wanted().await else { return Err(error) };
    // The refusal is what the user needs to know, so that a failure here stays silent.
    let cost = known(context).await.ok().and_then(|table| words(&table, &want));
    Err(match cost {
        Some(cost) => error.hint(format!("cluster {name} would cost {cost}")),
        None => error,
    })
}

/// Returns the want that a dry run changes. A change itself shows no cost, and reads nothing more.
pub(crate) async fn before(context: &Context<'_>, dry_run: DryRun, name: &ClusterName) -> Option<Want> {
    if dry_run == DryRun::None { None } else { context.want_of(name).await }
}
