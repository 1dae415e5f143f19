//! Schedules of clusters: the one that a timer adds, and their texts.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use cmp_core::account::{Entry, Want};
use cmp_core::name::ClusterName;
use cmp_core::schedule::{self, Invalid, LastRun, Once, Schedule, Transition, UTC};
use cmp_core::vocabulary::{ScheduleAction, Verb};

use crate::args::DryRun;
use crate::commands::shared::wants;
use crate::context::Context;
use crate::error::CliError;
use crate::output::age;

/// Number of transitions that are shown.
pub(crate) const SHOWN: usize = 5;

/// Seconds of delay above which a transition is shown as late.
const LATE: i64 = 60;

/// Builds the error for an invalid schedule, with the names of the flags.
pub(crate) fn invalid(wrong: &Invalid) -> CliError {
    let Invalid { field, why } = wrong;
    let field = field.replacen(".timeZone", ".time-zone", 1);
    CliError::user(match field.strip_prefix('.') {
        Some(flag) => format!("--{} {}", flag.replace('"', "'"), why.replace("schedule.", "--")),
        None => wrong.to_string(),
    })
}

/// Prints that an expired timer of a file is left out.
pub(crate) fn say_over(context: &Context<'_>, name: &ClusterName, want: &Want, transition: Transition) {
    let zone = want.schedule.clone().unwrap_or_default().zone().unwrap_or(TimeZone::UTC);
    let (action, at) = (transition.action, schedule::shown(transition.at, &zone));
    context.ui.note(&format!("cluster/{name}: its timer is left out, which was to {action} it at {at}"));
    if action == ScheduleAction::Resume {
        context.ui.note(&format!("hint: what was to be resumed stays suspended: kubectl cmp resume cluster {name}"));
    }
}

/// Returns the name of the time zone of a schedule.
pub(crate) fn zone_name(schedule: &Schedule) -> &str {
    schedule.time_zone.as_deref().unwrap_or(UTC)
}

/// Returns the time after a span from now.
pub(crate) fn in_so_long(span: Duration) -> Result<Timestamp, CliError> {
    let at = jiff::SignedDuration::try_from(span).ok().and_then(|span| Timestamp::now().checked_add(span).ok());
    at.ok_or_else(|| CliError::user("--for: that is too long"))
}

/// Returns the transition that ends a temporary verb.
fn back(verb: Verb) -> ScheduleAction {
    if verb == Verb::Suspend { ScheduleAction::Resume } else { ScheduleAction::Suspend }
}

/// Schedules the opposite of a verb once. It replaces an earlier single transition. Returns its time in the time zone
/// of the schedule.
pub(crate) async fn once(
    context: &Context<'_>,
    name: &ClusterName,
    verb: Verb,
    at: Timestamp,
    dry_run: DryRun,
) -> Result<String, CliError> {
    let action = back(verb);
    let once = match action {
        ScheduleAction::Suspend => Once { suspend: Some(at), resume: None },
        ScheduleAction::Resume => Once { suspend: None, resume: Some(at) },
    };
    let stored = context.holder(name).await?;
    let added = |want: &Want| {
        let before = want.schedule.clone().unwrap_or_default();
        Want { schedule: Some(Schedule { once: Some(once.clone()), ..before }), ..want.clone() }
    };
    let stored = wants::change(&context.accounts().await?, stored, name, dry_run, added).await?;
    let schedule = stored.account.cluster(name).want.and_then(|want| want.schedule).unwrap_or_default();
    let zone = schedule.zone().map_err(|wrong| invalid(&wrong))?;
    Ok(format!("cluster/{name}: it is {} at {}", action.verb().done(), schedule::shown(at, &zone)))
}

/// Formats the next transition: `suspend 2026-03-29 19:00 +02:00`.
pub(crate) fn next(schedule: &Schedule, now: Timestamp) -> String {
    let transitions = schedule.zone().and_then(|zone| Ok((zone, schedule.after(now)?)));
    match transitions {
        Ok((zone, mut transitions)) => transitions.next().map_or_else(String::new, |transition| {
            format!("{} {}", transition.action, schedule::shown(transition.at, &zone))
        }),
        Err(invalid) => invalid.to_string(),
    }
}

/// Formats the last transition: `suspended 3, 11h ago, 5m late`.
pub(crate) fn what_was(last: &LastRun, now: Timestamp) -> String {
    let LastRun { action, at, due, changed, failed, tries, .. } = last;
    let done = action.verb().done();
    let what = match (changed, failed) {
        (0, 0) if *tries > 0 => format!("not {done}"),
        (changed, 0) => format!("{done} {changed}"),
        (changed, failed) => format!("{done} {changed}, {failed} failed"),
    };
    let late = if last.late().as_secs() > LATE && *tries == 0 {
        format!(", {} late", age(Some(*due), *at))
    } else {
        String::new()
    };
    format!("{what}, {} ago{late}", age(Some(*at), now))
}

/// Returns the lines about the schedule for `describe`.
pub(crate) fn lines(entry: &Entry, now: Timestamp) -> Vec<(&'static str, String)> {
    let Some(schedule) = entry.schedule() else { return Vec::new() };
    let says = [("suspend", &schedule.suspend), ("resume", &schedule.resume)];
    let says: Vec<String> =
        says.iter().filter_map(|(action, line)| Some(format!("{action} {}", line.as_ref()?))).collect();
    let says =
        if says.is_empty() { "once".to_owned() } else { format!("{} ({})", says.join(", "), zone_name(schedule)) };
    let mut lines = vec![("Schedule", says), ("Next", next(schedule, now))];
    if let Some(last) = &entry.scheduled {
        lines.push(("Last", what_was(last, now)));
        lines.extend(last.reason.clone().map(|reason| ("Because", reason)));
    }
    lines
}
