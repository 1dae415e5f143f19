//! The saving that a schedule of other clusters would bring to the clusters without one.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::range::{Range, between};
use super::rates::Rates;
use super::{Span, TooMuch, Uses, Watched};
use crate::name::{ClusterName, UserName};
use crate::resources::is_kept;
use crate::schedule::{Schedule, UTC};
use crate::state::State;
use crate::vocabulary::ScheduleAction;

/// How long before a range its first transition is looked for: a schedule of the days of a week has one in that time.
const BEFORE: SignedDuration = SignedDuration::from_hours(24 * 8);
/// The most transitions of a schedule in a range. A schedule of every minute is no example.
const MOST_TRANSITIONS: usize = 20_000;

/// A cluster that exists, with its schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The user who owns it.
    pub owner: UserName,
    /// Its name.
    pub cluster: ClusterName,
    /// Its schedule.
    pub schedule: Option<Schedule>,
}

/// The times of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern {
    /// The lines that suspend.
    pub suspend: Vec<String>,
    /// The lines that resume.
    pub resume: Vec<String>,
    /// The time zone of the lines.
    pub zone: String,
}

/// The saving by one pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The pattern.
    pub pattern: Pattern,
    /// The number of clusters that use it.
    pub users: usize,
    /// The resources that all clusters without a schedule would have saved.
    pub saved: Uses,
    /// The same for each of them that would have saved anything.
    pub clusters: Vec<(ClusterName, UserName, Uses)>,
}

/// Returns the saving by each pattern that is in use, the pattern of most clusters first. It counts the time in which
/// instances were on in this range while the pattern would have suspended them. The saving can be priced by these prices.
pub fn offers(range: Range, planned: &[Planned], spans: &[Span], rates: &Rates) -> Result<Vec<Offer>, TooMuch> {
    let repeats = |one: &&Planned| one.schedule.as_ref().is_some_and(Schedule::has_lines);
    let mut patterns: BTreeMap<Pattern, (usize, Schedule)> = BTreeMap::new();
    for schedule in planned.iter().filter(repeats).filter_map(|one| one.schedule.as_ref()) {
        // Without a resumption nothing comes back, so that it would save everything.
        if schedule.suspend.is_empty() || schedule.resume.is_empty() {
            continue;
        }
        let zone = schedule.time_zone.clone().unwrap_or_else(|| UTC.to_owned());
        let mut pattern = Pattern { suspend: schedule.suspend.clone(), resume: schedule.resume.clone(), zone };
        pattern.suspend.sort_unstable();
        pattern.resume.sort_unstable();
        patterns.entry(pattern).or_insert_with(|| (0, lines_of(schedule))).0 += 1;
    }
    let without = planned.iter().filter(|one| !repeats(one));
    let mut without: BTreeMap<(&ClusterName, &UserName), Vec<&Span>> =
        without.map(|one| ((&one.cluster, &one.owner), Vec::new())).collect();
    // A transition applies to instances that are on, and not to a paused VM.
    let on = |span: &&Span| matches!(span.state, State::Running | State::Pending | State::Failed);
    for span in spans.iter().filter(on) {
        if let Some(spans) = without.get_mut(&(&span.cluster, &span.owner)) {
            spans.push(span);
        }
    }
    let mut offers = Vec::new();
    for (pattern, (users, schedule)) in patterns {
        let Some(windows) = windows(&schedule, range) else { continue };
        let (mut saved, mut clusters) = (Uses::default(), Vec::new());
        for ((cluster, owner), spans) in &without {
            let mut own = Uses::default();
            for span in spans {
                let (from, until) = (span.from.max(range.from), span.until.min(range.until));
                for (class, from, until) in rates.pieces(from, until, span.kind, true) {
                    let milliseconds = windows.within(from, until);
                    for (name, amount) in span.size.iter().filter(|(name, _)| !is_kept(name)) {
                        own.add(name, class, amount.nanos(), milliseconds)?;
                        saved.add(name, class, amount.nanos(), milliseconds)?;
                    }
                }
            }
            if own.names().any(|name| own.get(name) > 0) {
                clusters.push(((*cluster).clone(), (*owner).clone(), own));
            }
        }
        offers.push(Offer { pattern, users, saved, clusters });
    }
    offers.sort_by_key(|offer| std::cmp::Reverse(offer.users));
    Ok(offers)
}

/// Returns the milliseconds of a range in which a schedule keeps instances suspended, if nobody else switches them. Returns
/// `None` for a schedule that does not both suspend and resume, or that has no windows.
pub(super) fn time_off(schedule: &Schedule, range: Range) -> Option<i128> {
    let repeats = !schedule.suspend.is_empty() && !schedule.resume.is_empty();
    let windows = repeats.then(|| windows(&lines_of(schedule), range))??;
    Some(windows.within(range.from, range.until))
}

/// Returns the lines of a schedule alone.
fn lines_of(schedule: &Schedule) -> Schedule {
    Schedule { skip_until: None, once: None, ..schedule.clone() }
}

/// Times that are sorted and do not overlap, with the length of all before each of them.
struct Windows(Vec<(Watched, i128)>);

impl Windows {
    /// Returns the milliseconds of these times before a moment.
    fn before(&self, at: Timestamp) -> i128 {
        let begun = self.0.partition_point(|(window, _)| window.from < at);
        let last = begun.checked_sub(1).and_then(|last| self.0.get(last));
        last.map_or(0, |(window, before)| before + between(window.from, window.until.min(at)))
    }

    /// Returns the milliseconds of these times between two moments.
    fn within(&self, from: Timestamp, until: Timestamp) -> i128 {
        if from >= until { 0 } else { self.before(until) - self.before(from) }
    }
}

/// Returns the times in which a schedule would keep instances suspended. Returns `None` for a schedule that cannot be read or
/// has too many transitions.
fn windows(schedule: &Schedule, range: Range) -> Option<Windows> {
    let start = range.from.checked_sub(BEFORE).ok()?;
    let transitions = schedule.after(start).ok()?.take_while(|transition| transition.at < range.until);
    let (mut windows, mut all, mut since, mut seen) = (Vec::new(), 0, None, 0);
    let mut close = |from: Timestamp, until: Timestamp| {
        windows.push((Watched { from, until }, all));
        all += between(from, until);
    };
    for transition in transitions {
        seen += 1;
        if seen > MOST_TRANSITIONS {
            return None;
        }
        match (transition.action, since) {
            (ScheduleAction::Suspend, None) => since = Some(transition.at),
            (ScheduleAction::Resume, Some(from)) => {
                close(from, transition.at);
                since = None;
            }
            _ => {}
        }
    }
    if let Some(from) = since {
        close(from, range.until);
    }
    Some(Windows(windows))
}
