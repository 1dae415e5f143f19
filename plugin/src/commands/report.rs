//! `report`: resource usage and its cost, from the mirror.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use cmp_core::name::{ClusterName, UserName};
use cmp_core::usage::range::{self, Range};
use cmp_core::usage::rates::Rates;
use cmp_core::usage::{By, TooMuch};
use cmp_mirror::{History, fetch};

use crate::args::values::{Priced, currency, name, priced, with_prices, zone};
use crate::commands::shared::prices::{known, newer};
use crate::commands::shared::select_clusters::owned;
use crate::context::Context;
use crate::error::CliError;
use crate::output::{Format, print_object, table_within};
use recorded::{Recorded, Unplanned, planned, tally, too_much};
use sheet::{ReportParameters, Sheet};

mod object;
mod page;
mod recorded;
mod sheet;

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp report --from 7d\n  kubectl cmp report --by cluster --owner john --from 2026-10 --to 2026-10 -o csv\n  kubectl cmp report --price cpu=0.03 --price memory=0.004 --currency EUR -o html",
    after_help = "An instance uses its size while it is on, pending, failed or paused, and its disk as long as it exists.\nGaps in observation count only if the state was unchanged across the gap."
)]
pub(crate) struct ReportArgs {
    /// Report on this user only
    #[arg(long, value_name = "USER", value_parser = name::<UserName>)]
    pub(crate) owner: Option<UserName>,
    /// Report on this cluster only
    #[arg(long = "in", value_name = "CLUSTER", value_parser = name::<ClusterName>)]
    pub(crate) of: Option<ClusterName>,
    /// Start of the period: 7d, 36h, a day or a month such as 2026-10, or a time with its zone; by default 30 days back
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) from: Option<range::Moment>,
    /// End of the period, including the whole of a day or a month; by default now
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) to: Option<range::Moment>,
    /// One row for each user (the default), cluster or day
    #[arg(
        long,
        value_name = "WHAT",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub(crate) by: ReportBy,
    /// The time zone of days and times, such as Europe/Berlin
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = zone)]
    pub(crate) time_zone: TimeZone,
    /// The price of one hour of a core, a GiB or a piece, such as cpu=0.03 (repeatable); by default `get prices`
    #[arg(long, value_name = "NAME=PRICE", value_parser = priced)]
    pub(crate) price: Vec<Priced>,
    /// The currency of the prices, such as EUR
    #[arg(long, value_name = "CURRENCY", requires = "price", value_parser = currency)]
    pub(crate) currency: Option<String>,
    /// Output format: table (the default), csv, json or html
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub(crate) output: ReportForm,
    /// The file of `mirror`; by default the mirror in the cluster
    #[arg(long, value_name = "FILE")]
    pub(crate) db: Option<PathBuf>,
}

/// Grouping of the rows of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ReportBy {
    #[default]
    User,
    Cluster,
    Day,
}

impl From<ReportBy> for By {
    fn from(by: ReportBy) -> Self {
        match by {
            ReportBy::User => Self::User,
            ReportBy::Cluster => Self::Cluster,
            ReportBy::Day => Self::Day,
        }
    }
}

/// Output formats of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ReportForm {
    #[default]
    Table,
    Csv,
    Json,
    Html,
}

pub(crate) async fn run(context: &Context<'_>, args: ReportArgs) -> Result<(), CliError> {
    let ReportArgs { owner, of, from, to, by, time_zone, price, currency, output, db } = args;
    let prices = with_prices("--price", price)?;
    let range = Range::new(from.as_ref(), to.as_ref(), Timestamp::now(), &time_zone).map_err(CliError::user)?;
    let (rates, currency) = match &db {
        None if prices.is_empty() => {
            let table = known(context).await?;
            let rates = table.rates(range);
            context.ui.notes(newer(&table).filter(|_| !rates.is_empty()).as_slice());
            (rates, table.currency)
        }
        // A file is read without the API server.
        _ => (Rates::flat(prices), currency),
    };
    let history = match &db {
        Some(path) => History::open(path)?,
        None => {
            let fetched = fetch::fetch(&context.client().await?).await?;
            // The file is read while it is open, and removed after that.
            History::open(fetched.path())?
        }
    };
    if let Some(owner) = owner.as_ref()
        && !history.knows(owner)?
    {
        unrecorded(context, owner, db.as_deref()).await?;
    }
    if let Some(of) = of.as_ref()
        && !history.knows_cluster(of, owner.as_ref())?
    {
        unrecorded_cluster(context, of, owner.as_ref(), db.as_deref()).await?;
    }
    let mut spans = history.spans(range.from, range.until)?;
    spans.retain(|span| {
        owner.as_ref().is_none_or(|owner| *owner == span.owner) && of.as_ref().is_none_or(|of| *of == span.cluster)
    });
    let watched = history.watched()?;
    let asked = ReportParameters { owner, of, by: by.into(), zone: time_zone, rates, currency };
    let report = || tally(range, asked.by, &asked, &spans, &watched);
    let sheet = || Sheet::of(&report()?, &asked).ok_or_else(|| too_much(TooMuch));
    let ui = context.ui;
    match output {
        ReportForm::Table => {
            let sheet = sheet()?;
            sheet.about.iter().try_for_each(|line| ui.line(line))?;
            ui.line("")?;
            ui.out(&table_within(&sheet.rows(2), ui.room()))
        }
        ReportForm::Csv => {
            let sheet = sheet()?;
            // CSV has no comments.
            sheet.about.iter().for_each(|line| ui.note(line));
            ui.out(&sheet::csv(&sheet.csv_rows()))
        }
        ReportForm::Json => print_object(ui, &Format::Json, &object::of(&report()?, &asked)?),
        ReportForm::Html => {
            // A file is read without the API server.
            let planned = if db.is_none() { planned(context).await } else { Err(Unplanned::File) };
            let recorded = Recorded { history: &history, spans: &spans, watched: &watched };
            ui.out(&recorded.page(range, &asked, planned)?)
        }
    }
}

/// Returns an error for a cluster of which nothing is recorded, unless it exists: it may be newer than the record. A file
/// is read without the API server.
async fn unrecorded_cluster(
    context: &Context<'_>,
    cluster: &ClusterName,
    owner: Option<&UserName>,
    db: Option<&Path>,
) -> Result<(), CliError> {
    const CLUSTERS: &str = "kubectl cmp get clusters -A";
    if let Some(path) = db {
        let of = owner.map_or_else(String::new, |owner| format!(" of {owner}"));
        let nothing = format!("{} has no record of this cluster{of}", path.display());
        return Err(CliError::not_found("cluster", cluster.as_str()).hint(nothing).hint(CLUSTERS));
    }
    match owned(context, cluster, owner).await {
        Err(error) if error.is_not_found() => Err(error.hint(CLUSTERS)),
        _ => Ok(()),
    }
}

/// Returns an error for a user of whom nothing is recorded, unless the user has an account: it may be newer than the
/// record. A file is read without the API server.
async fn unrecorded(context: &Context<'_>, owner: &UserName, db: Option<&Path>) -> Result<(), CliError> {
    const USERS: &str = "kubectl cmp get users";
    if let Some(path) = db {
        let nothing = format!("{} has no record of this user", path.display());
        return Err(CliError::not_found("user", owner.as_str()).hint(nothing).hint(USERS));
    }
    match context.account(owner).await {
        Err(error) if error.is_not_found() => Err(error.hint(USERS)),
        // An account that cannot be read exists.
        _ => Ok(()),
    }
}
