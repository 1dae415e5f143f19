//! A change of the prices of the site.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use cmp_client::prices;
use cmp_core::keys;
use cmp_core::plan::describe;
use cmp_core::prices::PriceTable;
use cmp_core::prices::change::{self, Change};

use crate::args::ChangeArgs;
use crate::commands::shared::prices::{newer, object, of_object};
use crate::commands::shared::write_account::print_plan;
use crate::context::{Context, MANAGER};
use crate::error::CliError;
use crate::output::{done, print_object};

/// A change of the prices, for its output.
pub(crate) struct PricesChange {
    /// The moment whose prices change, if it is one.
    pub(crate) name: Option<Timestamp>,
    /// The word for the result.
    pub(crate) word: &'static str,
}

/// Changes the prices, and prints the result.
pub(crate) async fn apply(
    context: &Context<'_>,
    asked: &PricesChange,
    change: &ChangeArgs,
    mut decide: impl FnMut(&BTreeMap<String, String>) -> Result<Change, CliError>,
) -> Result<(), CliError> {
    let (client, dry_run) = (context.client().await?, change.dry.dry_run);
    let mut planned = Change::new();
    let how = (MANAGER, dry_run.into());
    let updated = prices::update(&client, how, context.patience(), |data| {
        planned = decide(data)?;
        Ok::<_, CliError>(planned.clone())
    });
    let (data, changed) = updated.await?;
    print_plan(context.ui, dry_run, || Ok(describe::set_prices(&planned)))?;
    let (table, _) = PriceTable::read(&data);
    context.ui.notes(newer(&table).as_slice());
    let name = asked.name.map_or_else(|| format!("configmap/{}", keys::PRICES), |from| format!("prices/{from}"));
    match (&change.output, asked.name) {
        (Some(format), Some(from)) if format.is_of_objects() && table.dates.contains_key(&from) => {
            print_object(context.ui, format, &object(&table, from, Timestamp::now()))
        }
        _ => done(context.ui, change, &name, if changed { asked.word } else { "unchanged" }),
    }
}

/// Sets the prices of an object of a file.
pub(crate) async fn set_object(context: &Context<'_>, object: &Value, change: &ChangeArgs) -> Result<(), CliError> {
    let (from, wish) = of_object(object).map_err(CliError::user)?;
    let asked = PricesChange { name: Some(from), word: "configured" };
    apply(context, &asked, change, |data| {
        // Prices of two currencies cannot be added up, and a file says nothing about the others.
        let (table, _) = PriceTable::read(data);
        match (&table.currency, &wish.currency) {
            (Some(there), Some(asked)) if there != asked => Err(CliError::user(format!(
                "the prices of the file are in {asked}, and those of the cluster in {there}"
            ))
            .hint(format!("to change the currency of all prices: kubectl cmp set prices --currency {asked}"))),
            _ => Ok(change::set(data, &wish, from)?),
        }
    })
    .await
}
