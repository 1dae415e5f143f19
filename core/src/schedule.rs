//! When a cluster is suspended and resumed by itself: what is due, from what was said and what was carried out last.
//!
//! It goes by levels and not by alarms: whoever looks, however late, finds the newest edge that passed, and whether it
//! was carried out. An edge that was missed is caught up with; older ones have no effect any more.

use std::cmp::Reverse;
use std::fmt;

use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::account::InstanceType;
use crate::instance::{Instance, Mode};
use crate::lifecycle::Verb;
use crate::state::State;

pub mod cron;

use cron::{Cron, Happens};

/// The zone of a schedule that names none.
pub const UTC: &str = "UTC";
/// After how long what was refused is tried again, the first time and at most.
const SOON: SignedDuration = SignedDuration::from_secs(30);
const LATE: SignedDuration = SignedDuration::from_mins(10);
/// Of so many instances at most it is said which are left.
pub const MOST_LEFT: usize = 50;
/// A line of cron that says something is shorter.
const LONGEST_LINE: usize = 200;

/// When a cluster is suspended and resumed by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// When it is suspended: a line of cron with five fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<String>,
    /// When what the schedule suspended is resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<String>,
    /// By the clocks of which zone: a name of the IANA database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// How it is suspended; as the verb does it, if that is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// When it was said: what would have been before does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Before that nothing of it happens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_until: Option<Timestamp>,
    /// What happens once, beside the lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub once: Option<Once>,
}

/// What happens once, as after `--for 3h`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Once {
    /// When the cluster is suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<Timestamp>,
    /// When what was suspended until then is resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<Timestamp>,
}

/// What an edge does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Turn {
    /// It suspends the cluster.
    Suspend,
    /// It resumes what was suspended by a schedule.
    Resume,
}

impl Turn {
    /// The verb that does the same.
    pub fn verb(self) -> Verb {
        match self {
            Self::Suspend => Verb::Suspend,
            Self::Resume => Verb::Resume,
        }
    }
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.verb().fmt(f)
    }
}

/// What an edge comes of. On an instance that is suspended it says what wakes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// The lines of cron.
    Schedule,
    /// What was to happen once.
    Once,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Schedule, Self::Once];

    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Once => "once",
        }
    }

    /// As it was stored.
    pub fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == text)
    }
}

/// A moment at which a cluster is to be suspended or resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// When.
    pub at: Timestamp,
    /// What happens.
    pub turn: Turn,
    /// Because of what.
    pub cause: Cause,
}

/// What was carried out last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// What was done.
    pub turn: Turn,
    /// Because of what.
    pub cause: Cause,
    /// When it was due.
    pub due: Timestamp,
    /// When it was done, or tried last.
    pub at: Timestamp,
    /// How many instances were changed.
    pub changed: u32,
    /// How many could not be.
    pub failed: u32,
    /// How many it does not apply to.
    pub skipped: u32,
    /// How often it was tried in vain.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tries: u32,
    /// The indexes of those that could not be changed, unless they are many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<u32>,
    /// Why they could not be, or why nothing was done at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Carried {
    /// How late it was.
    pub fn late(&self) -> SignedDuration {
        self.at.duration_since(self.due)
    }

    /// Whether this edge it is.
    pub fn is(&self, edge: &Edge) -> bool {
        self.due == edge.at && self.turn == edge.turn && self.cause == edge.cause
    }

    /// When it is tried again, if it has to be: later and later.
    fn again(&self) -> Option<Timestamp> {
        let doubled = 1_i32.checked_shl(self.tries.saturating_sub(1)).and_then(|times| SOON.checked_mul(times));
        let pace = doubled.filter(SignedDuration::is_positive).map_or(LATE, |pace| pace.min(LATE));
        (self.tries > 0).then(|| self.at.checked_add(pace).unwrap_or(Timestamp::MAX))
    }
}

/// What a schedule asks for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// This is to be carried out.
    Now(Edge),
    /// Nothing before then.
    At(Timestamp),
    /// Nothing any more.
    Never,
}

/// What is wrong with a schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("schedule{field} {why}")]
pub struct Invalid {
    /// Which field of it, with its value: `.suspend "x"`.
    pub field: String,
    /// What is wrong with it, and the remedy.
    pub why: &'static str,
}

fn invalid<T>(field: &str, value: &str, why: &'static str) -> Result<T, Invalid> {
    Err(Invalid { field: format!(".{field} {value:?}"), why })
}

/// The zone of this name, from the database that is built in.
pub fn zone(name: &str) -> Result<TimeZone, Invalid> {
    TimeZoneDatabase::bundled().get(name).or_else(|_| {
        invalid("timeZone", name, "is no time zone: use a name of the IANA database, such as Europe/Berlin, or UTC")
    })
}

/// A schedule that can be read.
struct Read {
    suspend: Option<Cron>,
    resume: Option<Cron>,
    zone: TimeZone,
}

fn line(field: &str, line: Option<&String>) -> Result<Option<Cron>, Invalid> {
    let Some(line) = line else { return Ok(None) };
    if line.len() > LONGEST_LINE {
        return Err(Invalid { field: format!(".{field}"), why: "is longer than 200 characters" });
    }
    Cron::read(line).map(Some).or_else(|why| invalid(field, line, why))
}

impl Schedule {
    fn read(&self) -> Result<Read, Invalid> {
        Ok(Read {
            suspend: line("suspend", self.suspend.as_ref())?,
            resume: line("resume", self.resume.as_ref())?,
            zone: self.zone()?,
        })
    }

    /// The zone by whose clocks it goes.
    pub fn zone(&self) -> Result<TimeZone, Invalid> {
        zone(self.time_zone.as_deref().unwrap_or(UTC))
    }

    /// Whether there can be such a schedule, for instances of a type.
    pub fn check(&self, kind: InstanceType) -> Result<(), Invalid> {
        let wrong = |field: &str, why| Err(Invalid { field: field.to_owned(), why });
        let Read { suspend, resume, .. } = self.read()?;
        if let (Some(line), None) = (&self.resume, &suspend) {
            return invalid("resume", line, "wakes only what the schedule suspended: say when it suspends as well");
        }
        if let (Some(line), Some(suspend), Some(resume)) = (&self.resume, &suspend, &resume)
            && suspend.meets(resume)
        {
            return invalid("resume", line, "falls together with schedule.suspend: choose times that never meet");
        }
        if self.has_lines() && self.since.is_none() {
            return wrong(".since", "is missing: say when the schedule was set, as in 2026-01-31T12:00:00Z");
        }
        match &self.once {
            None if !self.has_lines() => return wrong("", "is empty: say when it suspends, or leave it out"),
            Some(Once { suspend: None, resume: None } | Once { suspend: Some(_), resume: Some(_) }) => {
                return wrong(".once", "names one of suspend and resume");
            }
            _ => {}
        }
        if self.mode == Some(Mode::Pause) && kind == InstanceType::Container {
            return invalid("mode", "pause", "is for VMs: containers cannot be paused, use halt");
        }
        Ok(())
    }

    /// Whether it has lines of cron, and happens again and again.
    pub fn has_lines(&self) -> bool {
        self.suspend.is_some() || self.resume.is_some()
    }

    /// The same, said anew: for a cluster that is made now, say. What it missed does not count.
    #[must_use]
    pub fn anew(&self, now: Timestamp) -> Self {
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

    /// Whether both say the same, whenever they said it and whatever of it is over.
    pub fn says_what(&self, other: &Self, now: Timestamp) -> bool {
        self.anew(now) == other.anew(now)
    }

    /// What happens once.
    fn single(&self) -> impl Iterator<Item = Edge> {
        let once = self.once.clone().unwrap_or_default();
        let edge = |turn| move |at| Edge { at, turn, cause: Cause::Once };
        once.suspend.map(edge(Turn::Suspend)).into_iter().chain(once.resume.map(edge(Turn::Resume)))
    }

    /// What was to happen once, and is over by now.
    pub fn over(&self, now: Timestamp) -> Option<Edge> {
        self.single().find(|edge| edge.at <= now)
    }

    /// Whether it resumes what was suspended because of this.
    pub fn wakes(&self, cause: Cause) -> bool {
        match cause {
            Cause::Schedule => self.resume.is_some(),
            Cause::Once => self.once.as_ref().is_some_and(|once| once.resume.is_some()),
        }
    }

    /// Whether anything is to come of it yet.
    pub fn is_live(&self, last: Option<&Carried>) -> bool {
        let over =
            |edge: &Edge| last.is_some_and(|last| edge.at < last.due || (edge.at == last.due && last.tries == 0));
        self.has_lines() || self.single().any(|edge| !over(&edge))
    }

    /// The edges after a moment, in their order.
    pub fn after(&self, moment: Timestamp) -> Result<impl Iterator<Item = Edge>, Invalid> {
        let read = self.read()?;
        let skip_until = self.skip_until;
        let single: Vec<Edge> = self.single().collect();
        let mut from = moment;
        Ok(std::iter::from_fn(move || {
            // The moment of the skip counts again.
            let lines_from = skip_until.and_then(|skip| skip.checked_sub(SignedDuration::from_nanos(1)).ok());
            let lines_from = lines_from.map_or(from, |skip| skip.max(from));
            // Of those at one moment the one with the later local time is the newest, as for `newest`.
            let lines = read
                .edges(|cron| cron.after(lines_from, &read.zone))
                .min_by_key(|(happens, turn)| (happens.at, Reverse((happens.wall, *turn))));
            let lines = lines.map(|(happens, turn)| Edge { at: happens.at, turn, cause: Cause::Schedule });
            let single = single.iter().filter(|edge| edge.at > from).min_by_key(|edge| edge.at).copied();
            let next = single.into_iter().chain(lines).min_by_key(|edge| edge.at)?;
            from = next.at;
            Some(next)
        }))
    }

    /// The newest edge that passed.
    fn newest(&self, read: &Read, now: Timestamp) -> Option<Edge> {
        let counts = |(happens, _): &(Happens, Turn)| {
            self.since.is_some_and(|since| happens.at > since) && self.skip_until.is_none_or(|skip| happens.at >= skip)
        };
        let lines = read.edges(|cron| cron.up_to(now, &read.zone)).filter(counts).max();
        let lines = lines.map(|(happens, turn)| Edge { at: happens.at, turn, cause: Cause::Schedule });
        // What was said for once is the newer wish where both fall together.
        let single = self.single().filter(|edge| edge.at <= now);
        lines.into_iter().chain(single).max_by_key(|edge| edge.at)
    }

    /// What is to be done now, if `last` was carried out last.
    pub fn due(&self, last: Option<&Carried>, now: Timestamp) -> Result<Due, Invalid> {
        let read = self.read()?;
        let again = match (self.newest(&read, now), last) {
            (Some(edge), None) => return Ok(Due::Now(edge)),
            (Some(edge), Some(last)) if edge.at > last.due => return Ok(Due::Now(edge)),
            (Some(edge), Some(last)) if last.is(&edge) => match last.again() {
                Some(again) if again <= now => return Ok(Due::Now(edge)),
                again => again,
            },
            _ => None,
        };
        let next = self.after(now)?.map(|edge| edge.at).next();
        Ok(again.into_iter().chain(next).min().map_or(Due::Never, Due::At))
    }
}

impl Read {
    fn edges<'a>(
        &'a self,
        happens: impl Fn(&Cron) -> Option<Happens> + 'a,
    ) -> impl Iterator<Item = (Happens, Turn)> + 'a {
        let lines = [(&self.suspend, Turn::Suspend), (&self.resume, Turn::Resume)];
        lines.into_iter().filter_map(move |(line, turn)| Some((happens(line.as_ref()?)?, turn)))
    }
}

/// Whether an edge is about an instance: it suspends what is on, and wakes only what it, or another edge of its kind,
/// suspended; never what somebody suspended or stopped.
pub fn is_for(edge: &Edge, shown: &Instance) -> bool {
    let woken_by = shown.suspension.as_ref().and_then(|suspension| suspension.woken_by);
    match (edge.turn, shown.state) {
        (Turn::Suspend, state) => ![State::Suspended, State::Stopped].contains(&state),
        // The wish to wake it was written down, and the call did not come.
        (Turn::Resume, State::Suspended) => {
            woken_by == Some(edge.cause) || (shown.on && shown.asked == Some(State::Running))
        }
        (Turn::Resume, _) => false,
    }
}

/// Whether an edge has suspended an instance already, in the name of `by`: another replica may be at it.
pub fn is_done(edge: &Edge, shown: &Instance, by: &str) -> bool {
    let suspended = shown.suspension.as_ref().filter(|_| shown.state == State::Suspended);
    edge.turn == Turn::Suspend && suspended.is_some_and(|suspension| suspension.by == by && suspension.at >= edge.at)
}

/// A moment as the clocks of a zone show it, with their distance from UTC: `2026-03-29 08:00 +02:00`.
pub fn shown(at: Timestamp, zone: &TimeZone) -> String {
    let (wall, offset) = (zone.to_datetime(at), zone.to_offset(at).seconds() / 60);
    let sign = if offset < 0 { '-' } else { '+' };
    let (date, offset) = (wall.date(), offset.unsigned_abs());
    let seconds = if wall.second() == 0 { String::new() } else { format!(":{:02}", wall.second()) };
    format!("{date} {:02}:{:02}{seconds} {sign}{:02}:{:02}", wall.hour(), wall.minute(), offset / 60, offset % 60)
}

#[cfg(test)]
mod tests;
