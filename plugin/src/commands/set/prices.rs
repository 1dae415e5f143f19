//! `set prices`: sets and removes the prices of the site.

use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use cmp_client::prices;
use cmp_core::prices::change::{self, Wish};
use cmp_core::prices::{PriceTable, Scope, key as key_of};
use cmp_core::usage::price::{Price, Prices};
use cmp_core::usage::range::Moment;
use cmp_core::vocabulary::InstanceType;

use crate::args::values::{Priced, currency, kind, price, priced, with_prices, zone};
use crate::args::{ChangeArgs, DryRun, YesArg};
use crate::commands::shared::prices::whole_second;
use crate::commands::shared::set_prices::{PricesChange, apply};
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp set prices --cpu 0.03 --memory 0.004 --currency EUR\n  kubectl cmp set prices --type vm --cpu 0.04 --from 2026-12-01\n  kubectl cmp set prices --remove --from 2026-12-01",
    after_help = "A price is that of an hour of a core, a GiB or a piece, with up to 9 digits before and after the point.\nIt holds until a later date sets it anew. All users can read the prices."
)]
pub(crate) struct SetPrices {
    /// The price of one hour of a core, such as 0.03
    #[arg(long, value_name = "PRICE", value_parser = price, allow_hyphen_values = true)]
    pub(crate) cpu: Option<Price>,
    /// The price of one hour of a GiB of memory
    #[arg(long, value_name = "PRICE", value_parser = price, allow_hyphen_values = true)]
    pub(crate) memory: Option<Price>,
    /// The price of one hour of a GiB or a piece: storage=0.0001, nvidia.com/gpu=0.5 (repeatable)
    #[arg(long, value_name = "NAME=PRICE", value_parser = priced)]
    pub(crate) resource: Vec<Priced>,
    /// The price of storage or snapshot-storage while an instance is off (repeatable)
    #[arg(long, value_name = "NAME=PRICE", value_parser = priced)]
    pub(crate) suspended: Vec<Priced>,
    /// The type of instances that the prices are for: container or vm; both by default
    #[arg(long = "type", value_name = "TYPE", value_parser = kind)]
    pub(crate) kind: Option<InstanceType>,
    /// The currency of all prices, such as EUR
    #[arg(long, value_name = "CURRENCY", value_parser = currency)]
    pub(crate) currency: Option<String>,
    /// The time from which the prices hold: a day, a month or a time with its zone; by default now
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) from: Option<Moment>,
    /// The time zone of a day or a month, such as Europe/Berlin
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = zone)]
    pub(crate) time_zone: TimeZone,
    /// Remove the prices that are set at --from, or with --all the whole table
    #[arg(long, conflicts_with_all = ["cpu", "memory", "resource", "suspended", "kind", "currency"])]
    pub(crate) remove: bool,
    /// With --remove: remove all prices and the currency
    #[arg(long, requires = "remove", conflicts_with = "from")]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) yes: YesArg,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

pub(crate) async fn run(context: &Context<'_>, args: SetPrices) -> Result<(), CliError> {
    let now = Timestamp::now();
    let from = match &args.from {
        Some(from) => {
            Some(from.first(now, &args.time_zone).ok_or_else(|| CliError::user("--from: there is no such time"))?)
        }
        None => None,
    };
    let second = |from: Timestamp| {
        // A time such as 7d is as exact as now is.
        let whole = Timestamp::from_second(from.as_second()).unwrap_or(from);
        whole_second(whole).map_err(|why| CliError::user(format!("--from: {why}")))
    };
    if args.remove {
        return removed(context, &args, from.map(second).transpose()?).await;
    }
    let wish = wish(&args)?;
    let from = second(from.unwrap_or(now))?;
    let asked = PricesChange { name: Some(from), word: "configured" };
    apply(context, &asked, &args.change, |data| Ok(change::set(data, &wish, from)?)).await
}

/// Collects the prices of the flags.
fn wish(args: &SetPrices) -> Result<Wish, CliError> {
    let scope = match args.kind {
        None => Scope::All,
        Some(InstanceType::Container) => Scope::Containers,
        Some(InstanceType::Vm) => Scope::Vms,
    };
    let mut prices: Prices = with_prices("--resource", args.resource.clone())?;
    for (flag, name, price) in [("--cpu", "cpu", args.cpu), ("--memory", "memory", args.memory)] {
        let Some(price) = price else { continue };
        let name = name.parse().map_err(|_| CliError::internal(name))?;
        if prices.insert(name, price).is_some() {
            return Err(CliError::user(format!("{flag} is given twice")).hint("give each price once"));
        }
    }
    let suspended = with_prices("--suspended", args.suspended.clone())?;
    let prices = [(scope, prices), (Scope::Off, suspended)].into_iter().filter(|(_, prices)| !prices.is_empty());
    Ok(Wish { prices: prices.collect(), currency: args.currency.clone() })
}

/// Removes the prices of one date, or all.
async fn removed(context: &Context<'_>, args: &SetPrices, from: Option<Timestamp>) -> Result<(), CliError> {
    if from.is_none() && !args.all {
        return Err(CliError::user("--remove needs the date of the prices: --from TIME, or --all for all of them")
            .hint("`kubectl cmp get prices` shows the dates from which prices hold"));
    }
    let decide = |data: &_| match from {
        Some(from) => Ok::<_, CliError>(change::remove(data, from)?),
        None => Ok(change::remove_all(data)),
    };
    if args.change.dry.dry_run == DryRun::None {
        let data = prices::read(&context.client().await?).await?.data;
        let (table, _) = PriceTable::read(&data);
        let removed = decide(&data)?;
        let line = |(key, _): (&String, _)| {
            let moment = table.dates.iter().find(|(at, _)| key_of(**at) == *key);
            moment.map_or_else(|| key.clone(), |(at, dated)| format!("the prices from {at}: {dated}"))
        };
        let goes: Vec<String> = removed.iter().map(line).collect();
        context.ui.confirm(args.yes.yes, &goes, "You are about to delete")?;
    }
    apply(context, &PricesChange { name: from, word: "deleted" }, &args.change, decide).await
}
