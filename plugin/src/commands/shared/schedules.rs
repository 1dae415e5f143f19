//! Schedules of clusters: the one that a timer adds, and their texts.

use jiff::Timestamp;

use cmp_core::account::Entry;
use cmp_core::name::ClusterName;
use cmp_core::plan::describe;
use cmp_core::plan::schedule::{Back, zone_name};
use cmp_core::schedule::{self, LastRun, Schedule};

use crate::args::DryRun;
use crate::commands::shared::write_account::{print_plan, write};
use crate::context::Context;
use crate::error::CliError;
use crate::output::age;

/// Seconds of delay above which a transition is shown as late.
const LATE: i64 = 60;

/// Schedules the end of a verb once. Returns the line about it.
pub(crate) async fn once(
    context: &Context<'_>,
    name: &ClusterName,
    back: Back,
    dry_run: DryRun,
) -> Result<String, CliError> {
    let stored = context.holder(name).await?;
    print_plan(context.ui, dry_run, || Ok(describe::write(&back.write(&stored.account, name)?)))?;
    let written = write(&context.accounts().await?, stored, dry_run, |account| back.write(account, name)).await?;
    Ok(back.line(&written.stored.account, name)?)
}

/// Formats the next transition: `suspend 2026-03-29 19:00 +02:00`.
pub(crate) fn next(schedule: &Schedule, now: Timestamp) -> String {
    let transitions = schedule.zone().and_then(|zone| Ok((zone, schedule.after(now)?)));
    match transitions {
        Ok((zone, mut transitions)) => transitions.next().map_or_else(String::new, |transition| {
            format!("{} {}", transition.action, schedule::local_time(transition.at, &zone))
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
    let of = |action, lines: &[String]| lines.iter().map(move |line| format!("{action} {line}")).collect::<Vec<_>>();
    let says = [of("suspend", &schedule.suspend), of("resume", &schedule.resume)].concat();
    let says =
        if says.is_empty() { "once".to_owned() } else { format!("{} ({})", says.join(", "), zone_name(schedule)) };
    let mut lines = vec![("Schedule", says), ("Next", next(schedule, now))];
    if let Some(last) = &entry.scheduled {
        lines.push(("Last", what_was(last, now)));
        lines.extend(last.reason.clone().map(|reason| ("Because", reason)));
    }
    lines
}
