//! `get prices`: lists the prices of the site.

use clap::Args;
use jiff::Timestamp;

use cmp_core::prices::Dated;

use crate::args::{ListArgs, without_owner};
use crate::commands::shared::prices::{newer, object, read};
use crate::context::Context;
use crate::error::CliError;
use crate::output::{Heads, Item, print};

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp get prices\n  kubectl cmp get prices -o yaml",
    after_help = "A price is that of an hour of a core, a GiB or a piece. It holds until a later date sets it anew.",
    arg = without_owner()
)]
pub(crate) struct GetPrices {
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

const PRICES: Heads = (&["FROM", "HOLDS", "CURRENCY", "PRICES"], &[]);

pub(crate) async fn run(context: &Context<'_>, args: GetPrices) -> Result<(), CliError> {
    let GetPrices { list } = args;
    let (table, now) = (read(context).await?, Timestamp::now());
    context.ui.notes(newer(&table).as_slice());
    let item = |(from, dated): (&Timestamp, &Dated)| Item {
        name: format!("prices/{from}"),
        object: object(&table, *from, now),
        cells: vec![
            from.to_string(),
            table.holds(*from, now).as_str().to_owned(),
            table.currency.clone().unwrap_or_default(),
            dated.to_string(),
        ],
        wide: Vec::new(),
    };
    let items = table.dates.iter().map(item).collect();
    print(context.ui, &list, PRICES, items, false)
}
