//! Usage: the state of each instance over time, and the sums over a range.
//!
//! Every sum is a whole number: 10^-9 of a unit of a resource times milliseconds, and milliseconds. The order of
//! additions does not change a sum, and neither does splitting a span. Only the printed values are rounded, once and at
//! the end.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::name::{ClusterName, InstanceName, UserName};
use crate::resources::{ResourceName, Resources, is_kept};
use crate::state::State;
use crate::vocabulary::InstanceType;

pub mod monthly;
pub mod near;
pub mod overview;
pub mod price;
pub mod range;
pub mod rates;
pub mod savings;
pub mod slots;
pub mod steps;
mod uses;

use range::{Range, between, start};
use rates::Rates;
pub use uses::{Class, GIB, TooMuch, Uses, decimal, percent, unit, unit_hour};

/// A time span in which one instance was in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The user who owned the instance.
    pub owner: UserName,
    /// The cluster of the instance.
    pub cluster: ClusterName,
    /// The uid of the cluster's Namespace. Another cluster of the same name has another uid.
    pub cluster_uid: String,
    /// The name of the instance.
    pub instance: InstanceName,
    /// The uid of the instance. Another instance of the same name has another uid.
    pub instance_uid: String,
    /// The type of the instance.
    pub kind: InstanceType,
    /// The state that was shown.
    pub state: State,
    /// Whether it was a frozen VM: suspended, and still in its place on the node.
    pub paused: bool,
    /// The username of the user who suspended it.
    pub by: Option<String>,
    /// The resources that the instance asked for.
    pub size: Resources,
    /// The start of the span.
    pub from: Timestamp,
    /// The end of the span, exclusive.
    pub until: Timestamp,
}

/// A time span in which an observer was running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watched {
    /// The start of the span.
    pub from: Timestamp,
    /// The end of the span, exclusive.
    pub until: Timestamp,
}

impl Span {
    /// Reports whether the instance held its resources. It did while it was on, even if it had not come up, and while
    /// it was frozen.
    pub fn is_on(&self) -> bool {
        match self.state {
            State::Running | State::Pending | State::Failed => true,
            State::Suspended => self.paused,
            State::Stopped => false,
        }
    }

    /// Reports whether the instance was suspended or stopped.
    pub fn is_suspended(&self) -> bool {
        matches!(self.state, State::Suspended | State::Stopped)
    }
}

/// The grouping of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A row for each user.
    User,
    /// A row for each cluster of each user. A cluster that was deleted and made anew is the same cluster.
    Cluster,
    /// A row for each day of a time zone.
    Day,
}

/// The key of a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A row of one user.
    User(UserName),
    /// A cluster, and the user who owned it.
    Cluster(ClusterName, UserName),
    /// A day of the time zone.
    Day(Date),
}

/// The usage, and the savings while instances were off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    /// The resources that instances held while they were on. Storage counts as long as they existed.
    pub used: Uses,
    /// The resources that they would also have held if they had been on all the time.
    pub saved: Uses,
    /// Milliseconds in which instances were on and not frozen.
    pub on: i128,
    /// Milliseconds in which instances were frozen in their place.
    pub paused: i128,
    /// Milliseconds in which instances were suspended and off.
    pub suspended: i128,
    /// Milliseconds in which instances were stopped.
    pub stopped: i128,
    instances: BTreeSet<String>,
    clusters: BTreeSet<String>,
}

impl Sums {
    /// Adds the part of a span between two moments, in the classes of these prices.
    fn add(&mut self, span: &Span, (from, until): (Timestamp, Timestamp), rates: &Rates) -> Result<(), TooMuch> {
        let on = span.is_on();
        for (class, from, until) in rates.pieces(from, until, span.kind, !on) {
            for (name, amount) in span.size.iter() {
                let sums = if on || is_kept(name) { &mut self.used } else { &mut self.saved };
                sums.add(name, class, amount.nanos(), between(from, until))?;
            }
        }
        let milliseconds = between(from, until);
        let time = match span.state {
            State::Stopped => &mut self.stopped,
            State::Suspended if on => &mut self.paused,
            State::Suspended => &mut self.suspended,
            State::Running | State::Pending | State::Failed => &mut self.on,
        };
        *time += milliseconds;
        // An object without a uid is identified by its name.
        let known = |uid: &String, name: String| if uid.is_empty() { name } else { uid.clone() };
        self.instances.insert(known(&span.instance_uid, span.instance.to_string()));
        self.clusters.insert(known(&span.cluster_uid, span.cluster.to_string()));
        Ok(())
    }

    /// Returns the number of instances.
    pub fn instances(&self) -> usize {
        self.instances.len()
    }

    /// Returns the number of clusters of these instances.
    pub fn clusters(&self) -> usize {
        self.clusters.len()
    }

    /// Returns the milliseconds in which instances existed.
    pub fn existed(&self) -> i128 {
        self.on + self.paused + self.suspended + self.stopped
    }

    /// Returns the share of that time in which instances were suspended (frozen or off) or stopped, in percent.
    pub fn suspended_share(&self) -> String {
        percent(self.paused + self.suspended + self.stopped, self.existed())
    }
}

/// A row of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The user, the cluster or the day of the row.
    pub key: Key,
    /// The usage of that user, cluster or day.
    pub sums: Sums,
    /// For a day: the part of it that is in the range, and the part of that which was watched, in milliseconds.
    pub watched: Option<(i128, i128)>,
}

/// The usage over a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The range of the report.
    pub range: Range,
    /// The rows, sorted by key.
    pub rows: Vec<Row>,
    /// The sum of all rows.
    pub total: Sums,
    /// The times in which no observer was running.
    pub gaps: Vec<Watched>,
}

impl Report {
    /// Returns the resources that any row uses or saves, sorted by name.
    pub fn resources(&self) -> Vec<ResourceName> {
        let names: BTreeSet<&ResourceName> = self.total.used.names().chain(self.total.saved.names()).collect();
        names.into_iter().cloned().collect()
    }

    /// Returns the watched part of the range, in milliseconds.
    pub fn watched(&self) -> i128 {
        self.range.milliseconds() - self.gaps.iter().map(|gap| between(gap.from, gap.until)).sum::<i128>()
    }
}

/// A sum of spans, which are added one after another in any order. Spans of one instance do not overlap.
#[derive(Debug, Clone)]
pub struct Tally<'a> {
    range: Range,
    by: By,
    zone: TimeZone,
    rates: &'a Rates,
    rows: BTreeMap<Key, Sums>,
    total: Sums,
}

impl<'a> Tally<'a> {
    /// Returns an empty sum over a range, by users, clusters or the days of a time zone. It can be priced by these prices.
    pub fn new(range: Range, by: By, zone: TimeZone, rates: &'a Rates) -> Self {
        Self { range, by, zone, rates, rows: BTreeMap::new(), total: Sums::default() }
    }

    /// Adds the part of a span that is in the range.
    pub fn add(&mut self, span: &Span) -> Result<(), TooMuch> {
        let mut from = span.from.max(self.range.from);
        let until = span.until.min(self.range.until);
        if from >= until {
            return Ok(());
        }
        self.total.add(span, (from, until), self.rates)?;
        let key = match self.by {
            By::User => Key::User(span.owner.clone()),
            By::Cluster => Key::Cluster(span.cluster.clone(), span.owner.clone()),
            By::Day => {
                while from < until {
                    let (day, end) = day(from, &self.zone);
                    let end = end.min(until);
                    self.rows.entry(Key::Day(day)).or_default().add(span, (from, end), self.rates)?;
                    from = end;
                }
                return Ok(());
            }
        };
        self.rows.entry(key).or_default().add(span, (from, until), self.rates)
    }

    /// Returns the report, given the times in which an observer was running. By days, it has a row for each day from
    /// the first known day to the last.
    pub fn finish(self, watched: &[Watched]) -> Report {
        let Self { range, by, zone, rates: _, mut rows, total } = self;
        let watched = merged(watched, range);
        let mut known: BTreeMap<Date, (i128, i128)> = BTreeMap::new();
        if by == By::Day {
            let days = rows.keys().filter_map(|key| match key {
                Key::Day(day) => Some(*day),
                _ => None,
            });
            let looked = watched.first().zip(watched.last()).map(|(first, last)| {
                // A watch that ended at the start of a day saw nothing of that day.
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

/// Returns the day of a moment, and the end of that day.
fn day(at: Timestamp, zone: &TimeZone) -> (Date, Timestamp) {
    let here = at.to_zoned(zone.clone());
    let next = here.date().tomorrow().ok().and_then(|next| start(next, zone));
    (here.date(), next.filter(|next| *next > at).unwrap_or(Timestamp::MAX))
}

/// Returns the same times within the range, sorted and merged where they overlap or touch.
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

/// Returns the parts of the range outside of these times, which are sorted.
fn gaps(watched: &[Watched], range: Range) -> Vec<Watched> {
    let starts = std::iter::once(range.from).chain(watched.iter().map(|one| one.until));
    let ends = watched.iter().map(|one| one.from).chain(std::iter::once(range.until));
    let all = starts.zip(ends).map(|(from, until)| Watched { from, until });
    all.filter(|gap| gap.from < gap.until).collect()
}

#[cfg(test)]
mod tests;
