//! The series of a page about usage: use over time by user, the quotas, the suspended share by week, and the hours of a week.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use super::range::Range;
use super::slots::{Unit, hour_of_week, length, seen, slots};
use super::steps::Steps;
use super::{Span, TooMuch, Watched, merged};
use crate::name::UserName;
use crate::resources::{CPU, MEMORY, Resources};

/// The resources that have a chart over time.
pub const CHARTED: [&str; 2] = [CPU, MEMORY];

/// Amounts of a user over a time: a quota, or the charge of one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    /// The name of the user, as it was recorded.
    pub owner: String,
    /// The amounts.
    pub amounts: Resources,
    /// The time in which they held.
    pub times: Watched,
}

/// The use of one resource by one user over time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// The user.
    pub user: UserName,
    /// The use in each slot, in 10^-9 units times milliseconds.
    pub sums: Vec<i128>,
}

/// The use of one resource over time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The resource.
    pub resource: &'static str,
    /// The users, the largest use first.
    pub users: Vec<Series>,
    /// The sum of the quotas in each slot; `None` if no quota is known.
    pub quota: Option<Vec<i128>>,
}

/// The time of instances in one week, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Week {
    /// The part of the week that is in the range.
    pub times: Watched,
    /// The time in which instances were suspended or stopped.
    pub off: i128,
    /// The time in which instances existed.
    pub existed: i128,
}

/// The use of processors in one hour of the week.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cell {
    /// The use in the watched time, in 10^-9 cores times milliseconds.
    pub sum: i128,
    /// The watched time, in milliseconds.
    pub watched: i128,
}

/// The hours of a week: the weekdays from Monday on, each with its hours.
pub type Hours = [[Cell; 24]; 7];

/// The series of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// The part of the range between the first and the last observation.
    pub shown: Range,
    /// The unit of the slots.
    pub unit: Unit,
    /// The slots of the charts over time.
    pub slots: Vec<Watched>,
    /// The gaps in observation between the first and the last one.
    pub gaps: Vec<Watched>,
    /// The use over time, for each of [`CHARTED`] that is used.
    pub uses: Vec<Use>,
    /// The suspended share of each week.
    pub weeks: Vec<Week>,
    /// The use of processors by the hour of the week.
    pub hours: Hours,
}

/// Returns the series of a range, or `None` if nothing of it was watched.
pub fn overview(
    range: Range,
    zone: &TimeZone,
    spans: &[Span],
    quotas: &[Level],
    watched: &[Watched],
) -> Result<Option<Overview>, TooMuch> {
    let watched = merged(watched, range);
    let Some((first, last)) = watched.first().zip(watched.last()) else { return Ok(None) };
    let shown = Range { from: first.from, until: last.until };
    let unit = Unit::of(shown);
    let cut = slots(shown, unit, zone);
    let mut uses = Vec::new();
    for resource in CHARTED {
        uses.extend(used(resource, spans, quotas, &cut)?);
    }
    let gaps = super::gaps(&watched, shown);
    let (weeks, hours) = (weeks(shown, zone, spans)?, hours(shown, zone, spans, &watched)?);
    Ok(Some(Overview { shown, unit, slots: cut, gaps, uses, weeks, hours }))
}

fn used(resource: &'static str, spans: &[Span], quotas: &[Level], slots: &[Watched]) -> Result<Option<Use>, TooMuch> {
    let mut users: BTreeMap<&UserName, Steps> = BTreeMap::new();
    for span in spans.iter().filter(|span| span.is_on()) {
        let amount = span.size.named(resource).map_or(0, |amount| amount.nanos().max(0));
        users.entry(&span.owner).or_default().add(span.from, span.until, amount)?;
    }
    let mut series = Vec::new();
    for (user, steps) in users {
        let sums = steps.sums(slots)?;
        if sums.iter().any(|sum| *sum > 0) {
            series.push(Series { user: user.clone(), sums });
        }
    }
    if series.is_empty() {
        return Ok(None);
    }
    series.sort_by_key(|one| std::cmp::Reverse(one.sums.iter().sum::<i128>()));
    let mut quota = Steps::default();
    for level in quotas {
        let amount = level.amounts.named(resource).map_or(0, |amount| amount.nanos().max(0));
        quota.add(level.times.from, level.times.until, amount)?;
    }
    let quota = quota.sums(slots)?;
    let quota = Some(quota).filter(|sums| sums.iter().any(|sum| *sum > 0));
    Ok(Some(Use { resource, users: series, quota }))
}

fn weeks(shown: Range, zone: &TimeZone, spans: &[Span]) -> Result<Vec<Week>, TooMuch> {
    let (mut off, mut existed) = (Steps::default(), Steps::default());
    for span in spans {
        existed.add(span.from, span.until, 1)?;
        // A paused VM is suspended, as in the tables.
        off.add(span.from, span.until, i128::from(span.is_suspended()))?;
    }
    let cut = slots(shown, Unit::Week, zone);
    let sums = off.sums(&cut)?.into_iter().zip(existed.sums(&cut)?);
    Ok(cut.into_iter().zip(sums).map(|(times, (off, existed))| Week { times, off, existed }).collect())
}

fn hours(shown: Range, zone: &TimeZone, spans: &[Span], watched: &[Watched]) -> Result<Hours, TooMuch> {
    let mut steps = Steps::default();
    for span in spans.iter().filter(|span| span.is_on()) {
        steps.add(span.from, span.until, span.size.cpu().nanos().max(0))?;
    }
    let cut = slots(shown, Unit::Hour, zone);
    let parts = seen(&cut, watched);
    let times: Vec<Watched> = parts.iter().map(|(_, part)| *part).collect();
    let mut hours = Hours::default();
    for (part, sum) in times.iter().zip(steps.sums(&times)?) {
        let (day, hour) = hour_of_week(part.from, zone);
        if let Some(cell) = hours.get_mut(day).and_then(|day| day.get_mut(hour)) {
            cell.sum = cell.sum.checked_add(sum).ok_or(TooMuch)?;
            cell.watched += length(part);
        }
    }
    Ok(hours)
}
