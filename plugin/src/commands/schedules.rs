//! `schedule cluster` and `get schedules`: times at which clusters are suspended and resumed. cmp-webhook executes
//! them.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use cmp_client::accounts::Stored;
use cmp_core::account::{Account, Entry, Want};
use cmp_core::keys;
use cmp_core::lifecycle::Verb;
use cmp_core::name::ClusterName;
use cmp_core::schedule::{self, Invalid, LastRun, Once, Schedule, ScheduleAction, Transition, UTC};

use super::{create_cluster, get, wants};
use crate::cli::{DryRun, GetSchedules, Moment, ScheduleCluster};
use crate::context::{Context, complete, each_said};
use crate::error::CliError;
use crate::output::{Heads, Item, age, print};

/// Number of transitions that are shown.
const SHOWN: usize = 5;
/// Seconds of delay above which a transition is shown as late.
const LATE: i64 = 60;

const SCHEDULES: Heads =
    (&["NAME", "SUSPEND", "RESUME", "TIME-ZONE", "NEXT", "LAST"], &["OWNER", "MODE", "SKIP-UNTIL", "REASON"]);

pub(crate) async fn run(context: &Context<'_>, args: ScheduleCluster) -> Result<(), CliError> {
    let ScheduleCluster { name, suspend, resume, time_zone, mode, skip_until, clear, change } = args;
    let said = suspend.is_some() || resume.is_some() || time_zone.is_some() || mode.is_some();
    if !(said || skip_until.is_some() || clear) {
        return Err(CliError::user("nothing is said of the schedule")
            .hint("say when with --suspend and --resume, or --skip-until, or --clear")
            .hint(format!("what there is: kubectl cmp get schedule {name}")));
    }
    let (accounts, stored) = (context.accounts().await?, context.holder(&name).await?);
    let current = wants::current(&stored, &name)?;
    let now = Timestamp::now();
    let next = if clear {
        None
    } else {
        let before = current.schedule.clone().unwrap_or_default();
        let mut next = Schedule {
            suspend: suspend.or(before.suspend.clone()),
            resume: resume.or(before.resume.clone()),
            time_zone: time_zone.or(before.time_zone.clone()),
            mode: mode.map(Into::into).or(before.mode),
            ..before.clone()
        };
        if next.suspend.is_none() {
            return Err(CliError::user(format!("cluster {name} has no schedule that suspends it"))
                .hint("say when with --suspend, as in --suspend '0 19 * * 1-5'"));
        }
        let zone = next.zone().map_err(|wrong| invalid(&wrong))?;
        if let Some(skip_until) = skip_until {
            next.skip_until = Some(moment(skip_until, &zone)?);
        }
        // A schedule given again unchanged continues. A changed one starts now: earlier transitions do not count.
        let same = next.says_what(&before, now) && next.skip_until == before.skip_until;
        let next = if same || !said { next } else { next.anew(now) };
        next.check(current.kind).map_err(|wrong| invalid(&wrong))?;
        say_next(context, &name, &next, now)?;
        Some(if same { before } else { next })
    };
    let word = match (&next, &current.schedule) {
        (next, before) if next == before => "unchanged",
        (Some(_), _) => "scheduled",
        (None, _) => "unscheduled",
    };
    let dry_run = change.dry.dry_run;
    let scheduled = |want: &Want| Want { schedule: next.clone(), ..want.clone() };
    let stored = wants::change(&accounts, stored, &name, dry_run, scheduled).await?;
    if word == "unscheduled" && dry_run == DryRun::None {
        context.ui.note(&format!("what is suspended stays suspended: kubectl cmp resume cluster {name}"));
    }
    create_cluster::said(context, &stored, &name, word, &change).await
}

/// Builds the error for an invalid schedule, with the names of the flags.
fn invalid(wrong: &Invalid) -> CliError {
    let Invalid { field, why } = wrong;
    let field = field.replacen(".timeZone", ".time-zone", 1);
    CliError::user(match field.strip_prefix('.') {
        Some(flag) => format!("--{} {}", flag.replace('"', "'"), why.replace("schedule.", "--")),
        None => wrong.to_string(),
    })
}

/// Converts a local time into a timestamp.
fn moment(said: Moment, zone: &TimeZone) -> Result<Timestamp, CliError> {
    match said {
        Moment::At(at) => Ok(at),
        Moment::Wall(wall) => {
            let at = zone.to_ambiguous_timestamp(wall).compatible();
            at.map_err(|error| CliError::user(format!("--skip-until {wall}: {error}")))
        }
    }
}

/// Prints the next transitions, before the schedule is saved.
fn say_next(context: &Context<'_>, name: &ClusterName, schedule: &Schedule, now: Timestamp) -> Result<(), CliError> {
    let zone = schedule.zone().map_err(|wrong| invalid(&wrong))?;
    let transitions = schedule.after(now).map_err(|wrong| invalid(&wrong))?.take(SHOWN);
    context.ui.note(&format!("cluster/{name}, by the clocks of {}:", zone_name(schedule)));
    for transition in transitions {
        context.ui.note(&format!("  {:<8} {}", transition.action.to_string(), schedule::shown(transition.at, &zone)));
    }
    Ok(())
}

/// Prints that an expired timer of a file is left out.
pub(super) fn say_over(context: &Context<'_>, name: &ClusterName, want: &Want, transition: Transition) {
    let zone = want.schedule.clone().unwrap_or_default().zone().unwrap_or(TimeZone::UTC);
    let (action, at) = (transition.action, schedule::shown(transition.at, &zone));
    context.ui.note(&format!("cluster/{name}: its timer is left out, which was to {action} it at {at}"));
    if action == ScheduleAction::Resume {
        context.ui.note(&format!("hint: what was to be resumed stays suspended: kubectl cmp resume cluster {name}"));
    }
}

fn zone_name(schedule: &Schedule) -> &str {
    schedule.time_zone.as_deref().unwrap_or(UTC)
}

/// Returns the time after a span from now.
pub(super) fn in_so_long(span: Duration) -> Result<Timestamp, CliError> {
    let at = jiff::SignedDuration::try_from(span).ok().and_then(|span| Timestamp::now().checked_add(span).ok());
    at.ok_or_else(|| CliError::user("--for: that is too long"))
}

/// Returns the transition that ends a temporary verb.
fn back(verb: Verb) -> ScheduleAction {
    if verb == Verb::Suspend { ScheduleAction::Resume } else { ScheduleAction::Suspend }
}

/// Schedules the opposite of a verb once. It replaces an earlier single transition. Returns its time in the time zone
/// of the schedule.
pub(super) async fn once(
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

pub(crate) async fn get(context: &Context<'_>, args: GetSchedules) -> Result<(), CliError> {
    let GetSchedules { names, all_namespaces, owner, list } = args;
    let now = Timestamp::now();
    let mut found: Vec<(Stored, Vec<ClusterName>)> = Vec::new();
    let mut all = true;
    if names.is_empty() {
        found = match context.cluster_of_namespace()? {
            Some(cluster) if !all_namespaces => vec![(get::known(context, &cluster).await?, vec![cluster])],
            _ => get::select(context, all_namespaces, owner.as_ref()).await?,
        };
    } else {
        all = each_said(context, &names, &mut found, |name: &ClusterName| {
            let name = name.clone();
            async move {
                let stored = context.holder(&name).await?;
                match stored.account.cluster(&name).schedule() {
                    Some(_) => Ok((stored, vec![name])),
                    None => Err(CliError::not_found("schedule", name.as_str())
                        .hint(format!("to give it one: kubectl cmp schedule cluster {name}"))),
                }
            }
        })
        .await?;
    }
    let of_account = |(stored, clusters): &(Stored, Vec<ClusterName>)| {
        clusters.iter().filter_map(|cluster| item(&stored.account, cluster, now)).collect::<Vec<_>>()
    };
    let items: Vec<Item> = found.iter().flat_map(of_account).collect();
    if all || !items.is_empty() {
        print(context.ui, &list, SCHEDULES, items, names.len() == 1)?;
    }
    complete(all)
}

/// Returns the schedule of a cluster for every output format.
fn item(account: &Account, name: &ClusterName, now: Timestamp) -> Option<Item> {
    let entry = account.cluster(name);
    let schedule = entry.schedule()?;
    let last = entry.scheduled.as_ref();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let zone = schedule.zone().unwrap_or(TimeZone::UTC);
    Some(Item {
        name: format!("schedule/{name}"),
        object: object(account, name, &entry, schedule, now),
        cells: vec![
            name.to_string(),
            text(&schedule.suspend),
            text(&schedule.resume),
            zone_name(schedule).to_owned(),
            next(schedule, now),
            last.map_or_else(String::new, |last| what_was(last, now)),
        ],
        wide: vec![
            account.user.to_string(),
            schedule.mode.map_or_else(String::new, |mode| mode.as_str().to_owned()),
            schedule.skip_until.map_or_else(String::new, |skip| schedule::shown(skip, &zone)),
            last.and_then(|last| last.reason.clone()).unwrap_or_default(),
        ],
    })
}

fn object(account: &Account, name: &ClusterName, entry: &Entry, schedule: &Schedule, now: Timestamp) -> Value {
    let shown =
        |transition: Transition| json!({ "turn": transition.action, "cause": transition.trigger, "at": transition.at });
    let next = schedule.after(now).map(|transitions| transitions.take(SHOWN).map(shown).collect::<Vec<_>>());
    let mut spec = json!(schedule);
    spec["owner"] = json!(account.user);
    json!({
        "apiVersion": keys::API_VERSION,
        "kind": "Schedule",
        "metadata": { "name": name, "namespace": name.namespace() },
        "spec": spec,
        "status": {
            "next": next.as_ref().ok(),
            "last": entry.scheduled,
            "reason": next.as_ref().err().map(ToString::to_string),
        },
    })
}

/// Formats the next transition: `suspend 2026-03-29 19:00 +02:00`.
fn next(schedule: &Schedule, now: Timestamp) -> String {
    let transitions = schedule.zone().and_then(|zone| Ok((zone, schedule.after(now)?)));
    match transitions {
        Ok((zone, mut transitions)) => transitions.next().map_or_else(String::new, |transition| {
            format!("{} {}", transition.action, schedule::shown(transition.at, &zone))
        }),
        Err(invalid) => invalid.to_string(),
    }
}

/// Formats the last transition: `suspended 3, 11h ago, 5m late`.
fn what_was(last: &LastRun, now: Timestamp) -> String {
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
pub(super) fn lines(entry: &Entry, now: Timestamp) -> Vec<(&'static str, String)> {
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
