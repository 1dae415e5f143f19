//! `schedule cluster` and `--for`: the schedule that a want gets.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::account::{Account, Want};
use crate::name::ClusterName;
use crate::plan::refusal::Refusal;
use crate::plan::write::{Write, current, other_want};
use crate::schedule::{Invalid, Once, Schedule, Transition, UTC, local_time};
use crate::vocabulary::{InstanceType, Mode, ScheduleAction, Verb};

/// The number of transitions that are shown before a schedule is saved.
pub const SHOWN: usize = 5;

/// A moment as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// A moment with its offset from UTC.
    At(Timestamp),
    /// A local time in the time zone of the schedule.
    Wall(DateTime),
}

/// The parts of a schedule that are to change. The others stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The name of the cluster.
    pub name: ClusterName,
    /// The lines of cron that suspend. They replace all earlier ones, unless they are empty.
    pub suspend: Vec<String>,
    /// The lines of cron that resume. They replace all earlier ones, unless they are empty.
    pub resume: Vec<String>,
    /// The time zone of the lines.
    pub time_zone: Option<String>,
    /// The mode of the suspension.
    pub mode: Option<Mode>,
    /// The moment before which the lines have no effect.
    pub skip_until: Option<Moment>,
    /// Whether the schedule is removed.
    pub clear: bool,
}

/// The plan of `schedule cluster`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The schedule that the want gets.
    pub next: Option<Schedule>,
    /// The lines about the next transitions, which are printed before the schedule is saved.
    pub lines: Vec<String>,
    /// The write on the version that was read.
    pub write: Write,
    /// The word for the result.
    pub word: &'static str,
    /// The line that is printed after the write, unless it was a dry run.
    pub after: Option<String>,
    name: ClusterName,
}

impl Wish {
    /// Reports whether the wish names a part of the lines.
    fn says_lines(&self) -> bool {
        !self.suspend.is_empty() || !self.resume.is_empty() || self.time_zone.is_some() || self.mode.is_some()
    }
}

/// Checks that a wish names something, before anything is read.
pub fn says_something(wish: &Wish) -> Result<(), Refusal> {
    if wish.says_lines() || wish.skip_until.is_some() || wish.clear {
        return Ok(());
    }
    Err(Refusal::wish("nothing to change in the schedule")
        .hint("use --suspend and --resume, or --skip-until, or --clear")
        .hint(format!("to show the current schedule: kubectl cmp get schedule {}", wish.name)))
}

/// Plans the schedule of a cluster.
pub fn plan(wish: &Wish, account: &Account, now: Timestamp) -> Result<Plan, Refusal> {
    let name = wish.name.clone();
    let current = current(account, &name)?;
    let (next, lines) = if wish.clear {
        (None, Vec::new())
    } else {
        let (next, same) = changed(wish, &current, now)?;
        let lines = lines(&name, &next, now)?;
        (if same { current.schedule.clone().or(Some(next)) } else { Some(next) }, lines)
    };
    let word = match &next {
        next if *next == current.schedule => "unchanged",
        Some(_) => "scheduled",
        None => "unscheduled",
    };
    let after = match word {
        "unscheduled" => Some(format!("suspended instances stay suspended: kubectl cmp resume cluster {name}")),
        "scheduled" => stays(wish, &current.schedule.clone().unwrap_or_default()),
        _ => None,
    };
    let write = other_want(account, &name, |want| Want { schedule: next.clone(), ..want.clone() })?;
    Ok(Plan { next, lines, write, word, after, name })
}

impl Plan {
    /// Returns the type of the cluster, if the schedule changes and halts VMs.
    pub fn halts_vms(&self, account: &Account) -> Option<InstanceType> {
        let halts = self.next.as_ref().is_some_and(|next| next.mode == Some(Mode::Halt));
        let changes = !self.write.change.is_empty();
        account.cluster(&self.name).kind().filter(|kind| halts && changes && *kind == InstanceType::Vm)
    }

    /// Plans the write on one version of the account.
    pub fn write(&self, account: &Account) -> Result<Write, Refusal> {
        other_want(account, &self.name, |want| Want { schedule: self.next.clone(), ..want.clone() })
    }
}

/// Returns the line about the other lines of a changed schedule: those that stay, and those that are replaced.
fn stays(wish: &Wish, before: &Schedule) -> Option<String> {
    let (given, replaced, other, kept) = match (wish.suspend.is_empty(), wish.resume.is_empty()) {
        (false, true) => ("--suspend", &before.suspend, "--resume", &before.resume),
        (true, false) => ("--resume", &before.resume, "--suspend", &before.suspend),
        _ => return None,
    };
    let quoted = |flag: &str, lines: &[String]| {
        let lines: Vec<String> = lines.iter().map(|line| format!("{flag} {line:?}")).collect();
        lines.join(" ")
    };
    let replaced = (replaced.len() > 1).then(|| format!("{given} replaces {}", quoted(given, replaced)));
    let kept = match kept.len() {
        0 => None,
        1 => Some(format!("{} stays", quoted(other, kept))),
        _ => Some(format!("{} stay", quoted(other, kept))),
    };
    let parts: Vec<String> = replaced.into_iter().chain(kept).collect();
    (!parts.is_empty()).then(|| format!("cluster/{} schedule changed; {}", wish.name, parts.join("; ")))
}

/// Returns the lines of the wish, each once. If it names none, the earlier ones stay.
fn lines_of(wish: &[String], before: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in if wish.is_empty() { before } else { wish } {
        if !lines.contains(line) {
            lines.push(line.clone());
        }
    }
    lines
}

/// Returns the schedule of the wish, and whether it means the same as the present one.
fn changed(wish: &Wish, current: &Want, now: Timestamp) -> Result<(Schedule, bool), Refusal> {
    let before = current.schedule.clone().unwrap_or_default();
    let mut next = Schedule {
        suspend: lines_of(&wish.suspend, &before.suspend),
        resume: lines_of(&wish.resume, &before.resume),
        time_zone: wish.time_zone.clone().or(before.time_zone.clone()),
        mode: wish.mode.or(before.mode),
        ..before.clone()
    };
    if next.suspend.is_empty() {
        return Err(Refusal::wish(format!("cluster {} has no schedule that suspends it", wish.name))
            .hint("set one with --suspend, as in --suspend '0 19 * * 1-5'"));
    }
    let zone = next.zone().map_err(|wrong| invalid(&wrong))?;
    if let Some(skip_until) = wish.skip_until {
        next.skip_until = Some(moment(skip_until, &zone)?);
    }
    // A schedule given again unchanged continues. A changed one starts now: earlier transitions do not count.
    let same = next.is_equivalent(&before, now) && next.skip_until == before.skip_until;
    let next = if same || !wish.says_lines() { next } else { next.renewed(now) };
    next.check(current.kind).map_err(|wrong| invalid(&wrong))?;
    Ok((next, same))
}

/// Returns the refusal of an invalid schedule, with the names of the flags.
pub fn invalid(wrong: &Invalid) -> Refusal {
    let Invalid { field, why } = wrong;
    let flags = [(".timeZone", ".time-zone"), (".alsoSuspend", ".suspend"), (".alsoResume", ".resume")];
    let named =
        |text: &str| flags.iter().fold(text.replace('"', "'"), |text, (field, flag)| text.replacen(field, flag, 1));
    Refusal::wish(match named(field).strip_prefix('.') {
        Some(flag) => format!("--{flag} {}", named(why).replace("schedule.", "--")),
        None => wrong.to_string(),
    })
}

/// Converts a local time into a timestamp.
fn moment(said: Moment, zone: &TimeZone) -> Result<Timestamp, Refusal> {
    match said {
        Moment::At(at) => Ok(at),
        Moment::Wall(wall) => {
            let at = zone.to_ambiguous_timestamp(wall).compatible();
            at.map_err(|error| Refusal::wish(format!("--skip-until {wall}: {error}")))
        }
    }
}

/// Returns the name of the time zone of a schedule.
pub fn zone_name(schedule: &Schedule) -> &str {
    schedule.time_zone.as_deref().unwrap_or(UTC)
}

fn lines(name: &ClusterName, schedule: &Schedule, now: Timestamp) -> Result<Vec<String>, Refusal> {
    let zone = schedule.zone().map_err(|wrong| invalid(&wrong))?;
    let transitions = schedule.after(now).map_err(|wrong| invalid(&wrong))?.take(SHOWN);
    let head = format!("cluster/{name}, by the clocks of {}:", zone_name(schedule));
    let line =
        |transition: Transition| format!("  {:<8} {}", transition.action.to_string(), local_time(transition.at, &zone));
    Ok([head].into_iter().chain(transitions.map(line)).collect())
}

/// Returns the lines about an expired timer of a file that is left out.
pub fn timer_left_out(name: &ClusterName, want: &Want, transition: Transition) -> Vec<String> {
    let zone = want.schedule.clone().unwrap_or_default().zone().unwrap_or(TimeZone::UTC);
    let (action, at) = (transition.action, local_time(transition.at, &zone));
    let mut lines = vec![format!("cluster/{name}: left out the expired timer to {action} it at {at}")];
    if action == ScheduleAction::Resume {
        lines.push(format!("hint: its instances stay suspended: kubectl cmp resume cluster {name}"));
    }
    lines
}

/// Returns the moment after a span from now, as `--for` gives it.
pub fn in_so_long(now: Timestamp, span: core::time::Duration) -> Result<Timestamp, Refusal> {
    let at = SignedDuration::try_from(span).ok().and_then(|span| now.checked_add(span).ok());
    at.ok_or_else(|| Refusal::wish("--for: the duration is too long"))
}

/// The single transition that ends a temporary verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Back {
    /// The effect of the transition.
    pub action: ScheduleAction,
    /// The moment of the transition.
    pub at: Timestamp,
}

impl Back {
    /// Returns the transition that ends a verb at a moment.
    pub fn of(verb: Verb, at: Timestamp) -> Self {
        let action = if verb == Verb::Suspend { ScheduleAction::Resume } else { ScheduleAction::Suspend };
        Self { action, at }
    }

    /// Plans the write of the transition on one version of the account. It replaces an earlier single transition.
    pub fn write(self, account: &Account, name: &ClusterName) -> Result<Write, Refusal> {
        let once = match self.action {
            ScheduleAction::Suspend => Once { suspend: Some(self.at), resume: None },
            ScheduleAction::Resume => Once { suspend: None, resume: Some(self.at) },
        };
        other_want(account, name, |want| {
            let before = want.schedule.clone().unwrap_or_default();
            Want { schedule: Some(Schedule { once: Some(once), ..before }), ..want.clone() }
        })
    }

    /// Returns the line about the transition, in the time zone of the schedule that was written.
    pub fn line(self, written: &Account, name: &ClusterName) -> Result<String, Refusal> {
        let schedule = written.cluster(name).want.and_then(|want| want.schedule).unwrap_or_default();
        let zone = schedule.zone().map_err(|wrong| invalid(&wrong))?;
        Ok(format!("cluster/{name}: it is {} at {}", self.action.verb().done(), local_time(self.at, &zone)))
    }
}

#[cfg(test)]
mod tests;
