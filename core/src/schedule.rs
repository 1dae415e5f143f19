//! The schedule of a cluster: it decides what is due from the settings and from the transition that was executed last.
//!
//! Level-triggered: however late it runs, the controller finds the most recent due transition and whether it was executed. A
//! missed transition is executed late. Older transitions no longer have an effect.
//!
//! The transitions are the union of those of all lines. Two lines can meet although no check found it: once in years, or when
//! the clocks are put forward. The later local time decides then, and at one local time the resumption.

use std::cmp::Reverse;

use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::vocabulary::{InstanceType, Mode, ScheduleAction, Trigger};

pub mod cron;
pub mod due;
mod lines;

use cron::{Cron, Happens};
use lines::Lines;
pub use lines::{Invalid, MOST_LINES};

/// The time zone of a schedule that names none.
pub const UTC: &str = "UTC";
/// The back-off of a transition that failed: the first pause and the longest pause.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(30);
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(10);
/// The most instances that [`LastRun::left`] lists. If more are left, it lists none.
pub const MOST_LEFT: usize = 50;

/// The schedule by which a cluster is suspended and resumed automatically.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Schedule {
    /// The times at which the cluster is suspended: lines of cron with five fields.
    pub suspend: Vec<String>,
    /// The times at which instances that the schedule suspended are resumed.
    pub resume: Vec<String>,
    /// The time zone of the lines: a name of the IANA database.
    pub time_zone: Option<String>,
    /// The mode of the suspension. Without it, the default of the verb applies.
    pub mode: Option<Mode>,
    /// The time at which the lines were set. Transitions of the lines before that do not count.
    pub since: Option<Timestamp>,
    /// The time before which the lines have no effect.
    pub skip_until: Option<Timestamp>,
    /// A transition that happens once, besides the lines.
    pub once: Option<Once>,
}

/// The form in which a schedule is stored. The first line of each action has the field that versions before several lines read.
/// Those versions do not know the fields of the other lines. Therefore they neither carry out nor change such a schedule.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "struct Schedule")]
struct Stored {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    suspend: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    also_suspend: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resume: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    also_resume: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time_zone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode: Option<Mode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    skip_until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    once: Option<Once>,
}

impl From<Stored> for Schedule {
    fn from(stored: Stored) -> Self {
        let Stored { suspend, also_suspend, resume, also_resume, time_zone, mode, since, skip_until, once } = stored;
        let suspend = suspend.into_iter().chain(also_suspend).collect();
        let resume = resume.into_iter().chain(also_resume).collect();
        Self { suspend, resume, time_zone, mode, since, skip_until, once }
    }
}

impl From<Schedule> for Stored {
    fn from(schedule: Schedule) -> Self {
        let Schedule { suspend, resume, time_zone, mode, since, skip_until, once } = schedule;
        let (mut also_suspend, mut also_resume) = (suspend.into_iter(), resume.into_iter());
        Self {
            suspend: also_suspend.next(),
            also_suspend: also_suspend.collect(),
            resume: also_resume.next(),
            also_resume: also_resume.collect(),
            time_zone,
            mode,
            since,
            skip_until,
            once,
        }
    }
}

/// A single suspension or resumption, as after `--for 3h`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Once {
    /// The time at which the cluster is suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<Timestamp>,
    /// The time at which instances suspended until then are resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<Timestamp>,
}

/// A transition of a cluster: the moment at which it is to be suspended or resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// The moment of the transition.
    pub at: Timestamp,
    /// The effect of the transition.
    pub action: ScheduleAction,
    /// The origin of the transition.
    pub trigger: Trigger,
}

/// The record of the transition that was executed last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    /// The effect of the transition.
    #[serde(rename = "turn")]
    pub action: ScheduleAction,
    /// The origin of the transition.
    #[serde(rename = "cause")]
    pub trigger: Trigger,
    /// The moment at which the transition was due.
    pub due: Timestamp,
    /// The time at which it was executed, or of the last attempt.
    pub at: Timestamp,
    /// The number of instances that were changed.
    pub changed: u32,
    /// The number of instances that could not be changed.
    pub failed: u32,
    /// The number of instances that the transition does not apply to.
    pub skipped: u32,
    /// The number of failed attempts.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tries: u32,
    /// The indexes of the instances that could not be changed, unless there are more than [`MOST_LEFT`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<u32>,
    /// The reason why they could not be changed, or why nothing was done at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl LastRun {
    /// Returns the delay between the due moment and the execution.
    pub fn late(&self) -> SignedDuration {
        self.at.duration_since(self.due)
    }

    /// Reports whether the record is about this transition.
    pub fn is(&self, transition: &Transition) -> bool {
        self.due == transition.at && self.action == transition.action && self.trigger == transition.trigger
    }

    /// Returns the time of the next attempt, if one is needed. The pause doubles with each attempt.
    fn next_try(&self) -> Option<Timestamp> {
        let doubled = 1_i32.checked_shl(self.tries.saturating_sub(1)).and_then(|times| FIRST_PAUSE.checked_mul(times));
        let pace = doubled.filter(SignedDuration::is_positive).map_or(LONGEST_PAUSE, |pace| pace.min(LONGEST_PAUSE));
        (self.tries > 0).then(|| self.at.checked_add(pace).unwrap_or(Timestamp::MAX))
    }
}

/// The answer of a schedule at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// The transition that is to be executed now.
    Now(Transition),
    /// The moment before which there is nothing to do.
    At(Timestamp),
    /// There is nothing left to do.
    Never,
}

/// Returns the time zone of this name, from the database that is built in.
pub fn zone(name: &str) -> Result<TimeZone, Invalid> {
    let why = "is not a time zone: use a name of the IANA database, such as Europe/Berlin, or UTC";
    TimeZoneDatabase::bundled().get(name).map_err(|_| Invalid::of("timeZone", name, why))
}

/// The parsed form of a schedule.
struct Parsed {
    lines: Lines,
    zone: TimeZone,
}

impl Schedule {
    fn parse(&self) -> Result<Parsed, Invalid> {
        Ok(Parsed { lines: Lines::read(&self.suspend, &self.resume)?, zone: self.zone()? })
    }

    /// Returns the time zone of the lines.
    pub fn zone(&self) -> Result<TimeZone, Invalid> {
        zone(self.time_zone.as_deref().unwrap_or(UTC))
    }

    /// Checks that a schedule is valid for instances of a type.
    pub fn check(&self, kind: InstanceType) -> Result<(), Invalid> {
        let wrong = |field: &str, why: &str| Err(Invalid { field: field.to_owned(), why: why.to_owned() });
        self.parse()?.lines.check(&self.suspend, &self.resume)?;
        if self.has_lines() && self.since.is_none() {
            return wrong(
                ".since",
                "is missing: set it to the time at which the schedule was set, such as 2026-01-31T12:00:00Z",
            );
        }
        match &self.once {
            None if !self.has_lines() => {
                return wrong("", "is empty: add a time to suspend, or leave the schedule out");
            }
            Some(Once { suspend: None, resume: None } | Once { suspend: Some(_), resume: Some(_) }) => {
                return wrong(".once", "must have either suspend or resume");
            }
            _ => {}
        }
        if self.mode == Some(Mode::Pause) && kind == InstanceType::Container {
            return Err(Invalid::of("mode", "pause", "is only for VMs: use halt for containers"));
        }
        Ok(())
    }

    /// Reports whether the schedule has lines of cron, so that it repeats.
    pub fn has_lines(&self) -> bool {
        !self.suspend.is_empty() || !self.resume.is_empty()
    }

    /// Returns the same schedule as if it were set now, for example for a cluster that is created now. Transitions in the
    /// past do not count.
    #[must_use]
    pub fn renewed(&self, now: Timestamp) -> Self {
        let to_come = |at: &Timestamp| *at > now;
        let once = self
            .once
            .as_ref()
            .map(|once| Once { suspend: once.suspend.filter(to_come), resume: once.resume.filter(to_come) });
        Self {
            since: self.has_lines().then_some(now),
            skip_until: self.skip_until.filter(to_come),
            once: once.filter(|once| *once != Once::default()),
            ..self.clone()
        }
    }

    /// Reports whether both schedules mean the same from `now` on, whenever they were set and in whatever order their lines
    /// are.
    pub fn is_equivalent(&self, other: &Self, now: Timestamp) -> bool {
        let ordered = |schedule: &Self| {
            let mut schedule = schedule.renewed(now);
            for lines in [&mut schedule.suspend, &mut schedule.resume] {
                lines.sort_unstable();
                lines.dedup();
            }
            schedule
        };
        ordered(self) == ordered(other)
    }

    /// Iterates over the transitions that happen once.
    fn single(&self) -> impl Iterator<Item = Transition> {
        let once = self.once.clone().unwrap_or_default();
        let transition = |action| move |at| Transition { at, action, trigger: Trigger::Once };
        once.suspend
            .map(transition(ScheduleAction::Suspend))
            .into_iter()
            .chain(once.resume.map(transition(ScheduleAction::Resume)))
    }

    /// Returns the line that is due at the moment of a transition. If the action has a single line, it is that line.
    pub fn line(&self, action: ScheduleAction, due: Timestamp) -> Option<&str> {
        let lines = match action {
            ScheduleAction::Suspend => &self.suspend,
            ScheduleAction::Resume => &self.resume,
        };
        if let [line] = lines.as_slice() {
            return Some(line);
        }
        let zone = self.zone().ok()?;
        let is_due = |line: &&String| Cron::read(line).ok()?.up_to(due, &zone).filter(|happens| happens.at == due);
        lines.iter().find(|line| is_due(line).is_some()).map(String::as_str)
    }

    /// Returns the single transition, if it is in the past.
    pub fn expired_timer(&self, now: Timestamp) -> Option<Transition> {
        self.single().find(|transition| transition.at <= now)
    }

    /// Reports whether the schedule resumes instances that were suspended for this cause.
    pub fn wakes(&self, trigger: Trigger) -> bool {
        match trigger {
            Trigger::Schedule => !self.resume.is_empty(),
            Trigger::Once => self.once.as_ref().is_some_and(|once| once.resume.is_some()),
        }
    }

    /// Reports whether any transition is still to come or to be retried.
    pub fn is_live(&self, last: Option<&LastRun>) -> bool {
        let over = |transition: &Transition| {
            last.is_some_and(|last| transition.at < last.due || (transition.at == last.due && last.tries == 0))
        };
        self.has_lines() || self.single().any(|transition| !over(&transition))
    }

    /// Iterates over the transitions after a moment, in order.
    pub fn after(&self, moment: Timestamp) -> Result<impl Iterator<Item = Transition>, Invalid> {
        let parsed = self.parse()?;
        let skip_until = self.skip_until;
        let single: Vec<Transition> = self.single().collect();
        let mut from = moment;
        Ok(std::iter::from_fn(move || {
            // A transition at the very moment at which the skip ends counts.
            let lines_from = skip_until.and_then(|skip| skip.checked_sub(SignedDuration::from_nanos(1)).ok());
            let lines_from = lines_from.map_or(from, |skip| skip.max(from));
            // If several transitions fall on one moment, the one with the latest local time is the newest, as in `newest`.
            let lines = parsed
                .lines
                .transitions(|cron| cron.after(lines_from, &parsed.zone))
                .min_by_key(|(happens, action)| (happens.at, Reverse((happens.wall, *action))));
            let lines =
                lines.map(|(happens, action)| Transition { at: happens.at, action, trigger: Trigger::Schedule });
            let single =
                single.iter().filter(|transition| transition.at > from).min_by_key(|transition| transition.at).copied();
            let next = single.into_iter().chain(lines).min_by_key(|transition| transition.at)?;
            from = next.at;
            Some(next)
        }))
    }

    /// Returns the most recent transition, up to and including `now`.
    fn newest(&self, parsed: &Parsed, now: Timestamp) -> Option<Transition> {
        let counts = |(happens, _): &(Happens, ScheduleAction)| {
            self.since.is_some_and(|since| happens.at > since) && self.skip_until.is_none_or(|skip| happens.at >= skip)
        };
        let lines = parsed.lines.transitions(|cron| cron.up_to(now, &parsed.zone)).filter(counts).max();
        let lines = lines.map(|(happens, action)| Transition { at: happens.at, action, trigger: Trigger::Schedule });
        // The single transition is the newer wish if both fall together.
        let single = self.single().filter(|transition| transition.at <= now);
        lines.into_iter().chain(single).max_by_key(|transition| transition.at)
    }

    /// Returns what is due at `now`, given the record of the transition that was executed last.
    pub fn due(&self, last: Option<&LastRun>, now: Timestamp) -> Result<Due, Invalid> {
        let parsed = self.parse()?;
        let again = match (self.newest(&parsed, now), last) {
            (Some(transition), None) => return Ok(Due::Now(transition)),
            (Some(transition), Some(last)) if transition.at > last.due => return Ok(Due::Now(transition)),
            (Some(transition), Some(last)) if last.is(&transition) => match last.next_try() {
                Some(again) if again <= now => return Ok(Due::Now(transition)),
                again => again,
            },
            _ => None,
        };
        let next = self.after(now)?.map(|transition| transition.at).next();
        Ok(again.into_iter().chain(next).min().map_or(Due::Never, Due::At))
    }
}

/// Returns a moment in the local time of a zone, with the offset from UTC: `2026-03-29 08:00 +02:00`.
pub fn local_time(at: Timestamp, zone: &TimeZone) -> String {
    let (wall, offset) = (zone.to_datetime(at), zone.to_offset(at).seconds() / 60);
    let sign = if offset < 0 { '-' } else { '+' };
    let (date, offset) = (wall.date(), offset.unsigned_abs());
    let seconds = if wall.second() == 0 { String::new() } else { format!(":{:02}", wall.second()) };
    format!("{date} {:02}:{:02}{seconds} {sign}{:02}:{:02}", wall.hour(), wall.minute(), offset / 60, offset % 60)
}

#[cfg(test)]
mod tests;
