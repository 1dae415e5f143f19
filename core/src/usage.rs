//! What was used: in which state each instance was, for how long, and what comes of it over a time.
//!
//! Everything is a whole number: 10^-9 of a unit of a resource times milliseconds, and milliseconds. What is added up in
//! another order, or split anywhere, comes to the same; only what is printed is rounded, once and at the end.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::account::InstanceType;
use crate::name::{ClusterName, InstanceName, UserName};
use crate::resources::{MEMORY, ResourceName, Resources, STORAGE};
use crate::state::State;

pub mod price;
pub mod range;

use range::Range;

/// Milliseconds of an hour.
const HOUR: i128 = 3_600_000;
/// 10^-9 of a unit.
const NANO: i128 = 1_000_000_000;

/// One instance in one state for one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Whose it was.
    pub owner: UserName,
    /// Of which cluster.
    pub cluster: ClusterName,
    /// The uid of its Namespace: another cluster of the same name has another one.
    pub cluster_uid: String,
    /// Which.
    pub instance: InstanceName,
    /// Its uid: another instance of the same name has another one.
    pub instance_uid: String,
    /// What it was.
    pub kind: InstanceType,
    /// What it was shown to be.
    pub state: State,
    /// Whether it was a VM that was frozen: suspended, and still in its place on the node.
    pub paused: bool,
    /// Who suspended it: a username.
    pub by: Option<String>,
    /// What it asked for.
    pub size: Resources,
    /// Since when.
    pub from: Timestamp,
    /// Until when; this moment is no part of it.
    pub until: Timestamp,
}

/// A time in which somebody was looking at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watched {
    /// Since when.
    pub from: Timestamp,
    /// Until when; this moment is no part of it.
    pub until: Timestamp,
}

impl Span {
    /// Whether it held what it asked for: it was on, though it may not have come up, or was frozen in its place.
    pub fn is_on(&self) -> bool {
        match self.state {
            State::Running | State::Pending | State::Failed => true,
            State::Suspended => self.paused,
            State::Stopped => false,
        }
    }
}

/// It is more than can be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is more than can be added up: choose a shorter time")]
pub struct TooMuch;

/// Amounts times how long, by resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uses(BTreeMap<ResourceName, i128>);

impl Uses {
    fn add(&mut self, name: &ResourceName, nanos: i128, milliseconds: i128) -> Result<(), TooMuch> {
        let more = nanos.max(0).checked_mul(milliseconds).ok_or(TooMuch)?;
        let sum = self.0.entry(name.clone()).or_default();
        *sum = sum.checked_add(more).ok_or(TooMuch)?;
        Ok(())
    }

    /// The resources, in order.
    pub fn names(&self) -> impl Iterator<Item = &ResourceName> {
        self.0.keys()
    }

    /// How much of it, in 10^-9 units times milliseconds.
    pub fn get(&self, name: &ResourceName) -> i128 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// Hours of a resource, rounded to so many digits after the point: of cores, GiB or pieces.
    pub fn hours(&self, name: &ResourceName, digits: u32) -> String {
        decimal(self.get(name), unit_hour(name), digits)
    }

    /// Seconds of a resource without any rounding: of cores, bytes or pieces.
    pub fn seconds(&self, name: &ResourceName) -> String {
        let text = decimal(self.get(name), NANO * 1000, 12);
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    }
}

/// What a resource is counted in by the hour: memory and storage in GiB, everything else in itself.
pub fn unit(name: &ResourceName) -> &str {
    match name.as_str() {
        MEMORY | STORAGE => "GiB",
        crate::resources::CPU => "core",
        other => other,
    }
}

/// An hour of such a unit, in 10^-9 units times milliseconds.
fn unit_hour(name: &ResourceName) -> i128 {
    let bytes = matches!(name.as_str(), MEMORY | STORAGE);
    NANO * HOUR * if bytes { 1 << 30 } else { 1 }
}

/// A fraction of two numbers that are not below 0, rounded to so many digits after the point, half of one up.
pub fn decimal(of: i128, by: i128, digits: u32) -> String {
    let (mut whole, rest) = (of / by, of % by);
    let scale = 10_i128.pow(digits);
    // What is left is below an hour of a GiB, so that this fits.
    let mut fraction = (rest * scale + by / 2) / by;
    if fraction == scale {
        whole += 1;
        fraction = 0;
    }
    let width = usize::try_from(digits).unwrap_or(0);
    if digits == 0 { whole.to_string() } else { format!("{whole}.{fraction:0width$}") }
}

/// A part of a whole in percent, with one digit; nothing of nothing is `0.0`.
pub fn percent(part: i128, whole: i128) -> String {
    decimal(part.saturating_mul(100), whole.max(1), 1)
}

/// By what rows are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A row for each user.
    User,
    /// A row for each cluster of each user; one that was deleted and made anew is the same cluster.
    Cluster,
    /// A row for each day of a time zone.
    Day,
}

/// What a row is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A user.
    User(UserName),
    /// A cluster, and whose it was.
    Cluster(ClusterName, UserName),
    /// A day.
    Day(Date),
}

/// What was used, and what was not because it was off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    /// What instances held while they were on; storage as long as they existed.
    pub used: Uses,
    /// What they would have held, had they been on all the time.
    pub saved: Uses,
    /// Milliseconds in which instances were on and not frozen.
    pub on: i128,
    /// Milliseconds in which they were frozen in their place.
    pub paused: i128,
    /// Milliseconds in which they were suspended, and off.
    pub suspended: i128,
    /// Milliseconds in which they were stopped.
    pub stopped: i128,
    instances: BTreeSet<String>,
    clusters: BTreeSet<String>,
}

impl Sums {
    fn add(&mut self, span: &Span, milliseconds: i128) -> Result<(), TooMuch> {
        let on = span.is_on();
        for (name, amount) in span.size.iter() {
            let sums = if on || name.as_str() == STORAGE { &mut self.used } else { &mut self.saved };
            sums.add(name, amount.nanos(), milliseconds)?;
        }
        let time = match span.state {
            State::Stopped => &mut self.stopped,
            State::Suspended if on => &mut self.paused,
            State::Suspended => &mut self.suspended,
            State::Running | State::Pending | State::Failed => &mut self.on,
        };
        *time += milliseconds;
        // What has no uid is told apart by its name.
        let known = |uid: &String, name: String| if uid.is_empty() { name } else { uid.clone() };
        self.instances.insert(known(&span.instance_uid, span.instance.to_string()));
        self.clusters.insert(known(&span.cluster_uid, span.cluster.to_string()));
        Ok(())
    }

    /// How many instances there were.
    pub fn instances(&self) -> usize {
        self.instances.len()
    }

    /// How many clusters they were of.
    pub fn clusters(&self) -> usize {
        self.clusters.len()
    }

    /// Milliseconds in which instances existed.
    pub fn existed(&self) -> i128 {
        self.on + self.paused + self.suspended + self.stopped
    }

    /// The share of that in which they were suspended, frozen or off, or stopped: in percent.
    pub fn suspended_share(&self) -> String {
        percent(self.paused + self.suspended + self.stopped, self.existed())
    }
}

/// A row of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What it is of.
    pub key: Key,
    /// What was used.
    pub sums: Sums,
    /// Of a day: how much of it is in the range, and how much of that was watched, in milliseconds.
    pub watched: Option<(i128, i128)>,
}

/// What was used over a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Over which.
    pub range: Range,
    /// The rows, in order.
    pub rows: Vec<Row>,
    /// All of them together.
    pub total: Sums,
    /// When nobody was looking.
    pub gaps: Vec<Watched>,
}

impl Report {
    /// The resources that anything is known of, in order.
    pub fn resources(&self) -> Vec<ResourceName> {
        let names: BTreeSet<&ResourceName> = self.total.used.names().chain(self.total.saved.names()).collect();
        names.into_iter().cloned().collect()
    }

    /// How much of the range was watched, in milliseconds.
    pub fn watched(&self) -> i128 {
        self.range.milliseconds() - self.gaps.iter().map(|gap| between(gap.from, gap.until)).sum::<i128>()
    }
}

/// Adds spans up, one after another, in any order. Those of one instance do not overlap.
#[derive(Debug, Clone)]
pub struct Tally {
    range: Range,
    by: By,
    zone: TimeZone,
    rows: BTreeMap<Key, Sums>,
    total: Sums,
}

impl Tally {
    /// Of a range, by users, clusters or the days of a time zone.
    pub fn new(range: Range, by: By, zone: TimeZone) -> Self {
        Self { range, by, zone, rows: BTreeMap::new(), total: Sums::default() }
    }

    /// Adds what of a span is in the range.
    pub fn add(&mut self, span: &Span) -> Result<(), TooMuch> {
        let mut from = span.from.max(self.range.from);
        let until = span.until.min(self.range.until);
        if from >= until {
            return Ok(());
        }
        self.total.add(span, between(from, until))?;
        let key = match self.by {
            By::User => Key::User(span.owner.clone()),
            By::Cluster => Key::Cluster(span.cluster.clone(), span.owner.clone()),
            By::Day => {
                while from < until {
                    let (day, end) = day(from, &self.zone);
                    let end = end.min(until);
                    self.rows.entry(Key::Day(day)).or_default().add(span, between(from, end))?;
                    from = end;
                }
                return Ok(());
            }
        };
        self.rows.entry(key).or_default().add(span, between(from, until))
    }

    /// What comes of it, with when anybody was looking at all. Of days there is a row for each from the first that is
    /// known of to the last.
    pub fn finish(self, watched: &[Watched]) -> Report {
        let Self { range, by, zone, mut rows, total } = self;
        let watched = merged(watched, range);
        let mut known: BTreeMap<Date, (i128, i128)> = BTreeMap::new();
        if by == By::Day {
            let days = rows.keys().filter_map(|key| match key {
                Key::Day(day) => Some(*day),
                _ => None,
            });
            let looked = watched.first().zip(watched.last()).map(|(first, last)| {
                // A watch that ended as a day began saw nothing of it.
                let end = last.until.as_nanosecond() - 1;
                let end = Timestamp::from_nanosecond(end).unwrap_or(last.until);
                [day(first.from, &zone).0, day(end, &zone).0]
            });
            let days: Vec<Date> = days.chain(looked.into_iter().flatten()).collect();
            let last = days.iter().max().copied();
            let first = days.iter().min().and_then(|first| start(*first, &zone));
            let mut from = first.map_or(range.until, |first| first.max(range.from));
            while from < range.until {
                let (day, end) = day(from, &zone);
                if last.is_none_or(|last| day > last) {
                    break;
                }
                let end = end.min(range.until);
                let seen = watched.iter().map(|watched| between(watched.from.max(from), watched.until.min(end)).max(0));
                known.insert(day, (between(from, end), seen.sum()));
                rows.entry(Key::Day(day)).or_default();
                from = end;
            }
        }
        let rows = rows.into_iter().map(|(key, sums)| {
            let watched = match &key {
                Key::Day(day) => known.get(day).copied(),
                _ => None,
            };
            Row { key, sums, watched }
        });
        Report { range, rows: rows.collect(), total, gaps: gaps(&watched, range) }
    }
}

/// Milliseconds from one moment to another. Whatever is between two moments adds up, wherever it is cut.
fn between(from: Timestamp, until: Timestamp) -> i128 {
    i128::from(until.as_millisecond()) - i128::from(from.as_millisecond())
}

/// The day of a moment, and when it ends.
fn day(at: Timestamp, zone: &TimeZone) -> (Date, Timestamp) {
    let here = at.to_zoned(zone.clone());
    let next = here.date().tomorrow().ok().and_then(|next| start(next, zone));
    (here.date(), next.filter(|next| *next > at).unwrap_or(Timestamp::MAX))
}

/// When a day begins.
fn start(day: Date, zone: &TimeZone) -> Option<Timestamp> {
    day.to_zoned(zone.clone()).ok().and_then(|start: Zoned| start.start_of_day().ok()).map(|start| start.timestamp())
}

/// The same times within the range, in order, none touching another.
fn merged(watched: &[Watched], range: Range) -> Vec<Watched> {
    let within = |one: &Watched| Watched { from: one.from.max(range.from), until: one.until.min(range.until) };
    let mut times: Vec<Watched> = watched.iter().map(within).filter(|one| one.from < one.until).collect();
    times.sort_by_key(|one| one.from);
    let mut merged: Vec<Watched> = Vec::new();
    for one in times {
        match merged.last_mut() {
            Some(last) if one.from <= last.until => last.until = last.until.max(one.until),
            _ => merged.push(one),
        }
    }
    merged
}

/// What is left of the range without these times, which are in order.
fn gaps(watched: &[Watched], range: Range) -> Vec<Watched> {
    let starts = std::iter::once(range.from).chain(watched.iter().map(|one| one.until));
    let ends = watched.iter().map(|one| one.from).chain(std::iter::once(range.until));
    let all = starts.zip(ends).map(|(from, until)| Watched { from, until });
    all.filter(|gap| gap.from < gap.until).collect()
}

#[cfg(test)]
mod tests;
