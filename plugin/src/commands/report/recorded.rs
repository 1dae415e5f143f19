//! The content of a page, from the records of the mirror and from the schedules in the accounts.

use cmp_client::accounts::Stored;
use cmp_core::account::Entry;
use cmp_core::name::{ClusterName, UserName};
use cmp_core::usage::near::near;
use cmp_core::usage::overview::{Level, overview};
use cmp_core::usage::range::Range;
use cmp_core::usage::savings::{Planned, offers};
use cmp_core::usage::{By, Report, Span, Tally, TooMuch, Watched};
use cmp_mirror::History;
use cmp_mirror::store::{Allowed, Charged};

use crate::commands::report::page::{self, Page, USERS_QUOTA};
use crate::commands::report::sheet::ReportParameters;
use crate::context::Context;
use crate::error::CliError;

/// The sentence of a report of a file.
const FILE: &str = "The schedules are in the accounts, and a report of a file does not read them.";

/// The reason why the schedules of clusters are not known. The mirror records none.
pub(super) enum Unplanned {
    /// The report is of a file.
    File,
    /// The accounts could not be read.
    Failed(CliError),
}

/// Returns the clusters of all accounts with their schedules.
pub(super) async fn planned(context: &Context<'_>) -> Result<Vec<Planned>, Unplanned> {
    let list = async { Ok(context.accounts().await?.list().await?) };
    // An account that cannot be read is reported by `check`.
    let accounts = list.await.map_err(Unplanned::Failed)?.into_iter().flatten();
    let clusters = |Stored { account, .. }: Stored| {
        let one = |(cluster, entry): (&ClusterName, &Entry)| Planned {
            owner: account.user.clone(),
            cluster: cluster.clone(),
            schedule: entry.schedule().cloned(),
        };
        account.existing().map(one).collect::<Vec<_>>()
    };
    Ok(accounts.flat_map(clusters).collect())
}

/// Adds up spans by users, clusters or days.
pub(super) fn tally(
    range: Range,
    by: By,
    asked: &ReportParameters,
    spans: &[Span],
    watched: &[Watched],
) -> Result<Report, CliError> {
    let mut tally = Tally::new(range, by, asked.zone.clone(), &asked.rates);
    spans.iter().try_for_each(|span| tally.add(span)).map_err(too_much)?;
    Ok(tally.finish(watched))
}

pub(super) fn too_much(error: TooMuch) -> CliError {
    CliError::user(error.to_string()).hint("--from and --to set the period of the report")
}

/// The records that a page is made of.
pub(super) struct Recorded<'a> {
    /// The file of the mirror.
    pub(super) history: &'a History,
    /// The spans of the instances that the report is about.
    pub(super) spans: &'a [Span],
    /// The watched times.
    pub(super) watched: &'a [Watched],
}

impl Recorded<'_> {
    /// Returns the page.
    pub(super) fn page(
        self,
        range: Range,
        asked: &ReportParameters,
        planned: Result<Vec<Planned>, Unplanned>,
    ) -> Result<String, CliError> {
        let Self { history, spans, watched } = self;
        let zone = &asked.zone;
        let by = |by| tally(range, by, asked, spans, watched);
        let (users, clusters, days) = (by(By::User)?, by(By::Cluster)?, by(By::Day)?);
        let meant = |level: &Level| is_meant(asked.owner.as_ref(), level);
        let quotas = history.quotas(range.from, range.until)?.into_iter().map(allowed).filter(meant);
        let quotas: Vec<Level> = quotas.collect();
        let overview = overview(range, zone, spans, &quotas, watched).map_err(too_much)?;
        let near = match &overview {
            _ if asked.of.is_some() => Err(USERS_QUOTA.to_owned()),
            Some(overview) => {
                let charges = history.charges(range.from, range.until)?.into_iter().map(charged).filter(meant);
                let at = overview.shown.until;
                Ok((at, near(at, &charges.collect::<Vec<_>>(), &quotas).map_err(too_much)?))
            }
            None => Err("Nothing of this time was watched.".to_owned()),
        };
        let offers = match planned {
            Ok(planned) => Ok(offers(range, &planned, spans, &asked.rates).map_err(too_much)?),
            Err(Unplanned::File) => Err(FILE.to_owned()),
            Err(Unplanned::Failed(error)) => {
                Err(format!("The schedules in the accounts could not be read: {}.", error.message()))
            }
        };
        let page = Page { asked, users, clusters, days, overview, near, offers };
        page::of(page).ok_or_else(|| too_much(TooMuch))
    }
}

fn is_meant(owner: Option<&UserName>, level: &Level) -> bool {
    owner.is_none_or(|owner| level.owner == owner.as_str())
}

fn allowed(Allowed { owner, amounts, from, until }: Allowed) -> Level {
    Level { owner, amounts, times: Watched { from, until } }
}

fn charged(Charged { owner, amounts, from, until, .. }: Charged) -> Level {
    Level { owner, amounts, times: Watched { from, until } }
}
