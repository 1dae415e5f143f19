//! `report`: resource usage and its cost, from the mirror.

use jiff::Timestamp;

use cmp_core::usage::range::Range;
use cmp_core::usage::{Report, Span, Tally};
use cmp_mirror::{History, fetch};

use crate::cli::{ReportArgs, ReportForm, with_prices};
use crate::context::Context;
use crate::error::CliError;
use crate::output::{Format, print_object, table};
use sheet::{Asked, Sheet};

mod object;
mod page;
mod sheet;

pub(crate) async fn run(context: &Context<'_>, args: ReportArgs) -> Result<(), CliError> {
    let ReportArgs { owner, of, from, to, by, time_zone, price, currency, output, db } = args;
    let prices = with_prices(price)?;
    let range = Range::new(from.as_ref(), to.as_ref(), Timestamp::now(), &time_zone).map_err(CliError::user)?;
    let history = match db {
        Some(path) => History::open(&path)?,
        None => {
            let fetched = fetch::fetch(&context.client().await?).await?;
            // The file is read while it is open, and removed after that.
            History::open(fetched.path())?
        }
    };
    let mut tally = Tally::new(range, by.into(), time_zone.clone());
    let meant = |span: &Span| {
        owner.as_ref().is_none_or(|owner| *owner == span.owner) && of.as_ref().is_none_or(|of| *of == span.cluster)
    };
    for span in history.spans(range.from, range.until)?.iter().filter(|span| meant(span)) {
        tally.add(span).map_err(too_much)?;
    }
    let report = tally.finish(&history.watched()?);
    let asked = Asked { owner, of, by: by.into(), zone: time_zone, prices, currency };
    print(context, &report, &asked, output)
}

fn too_much(error: cmp_core::usage::TooMuch) -> CliError {
    CliError::user(error.to_string()).hint("--from and --to say from when until when")
}

fn print(context: &Context<'_>, report: &Report, asked: &Asked, output: ReportForm) -> Result<(), CliError> {
    let ui = context.ui;
    let sheet = Sheet::of(report, asked).ok_or_else(|| too_much(cmp_core::usage::TooMuch))?;
    match output {
        ReportForm::Table => {
            sheet.about.iter().try_for_each(|line| ui.line(line))?;
            ui.line("")?;
            ui.out(&table(&sheet.rows(2)))
        }
        ReportForm::Csv => {
            // CSV has no comments.
            sheet.about.iter().for_each(|line| ui.note(line));
            ui.out(&sheet::csv(&sheet.rows(6)))
        }
        ReportForm::Json => print_object(ui, &Format::Json, &object::of(report, asked)),
        ReportForm::Html => ui.out(&page::of(&sheet)),
    }
}
