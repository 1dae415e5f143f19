//! `schedule cluster`: sets, changes or removes the schedule of a cluster.

use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use cmp_core::account::Want;
use cmp_core::name::ClusterName;
use cmp_core::schedule::{self, Schedule};

use crate::args::values::{Moment, cron, time_zone};
use crate::args::{ChangeArgs, ClusterNameArg, DryRun, ModeArg};
use crate::commands::shared::print_cluster;
use crate::commands::shared::schedules::{SHOWN, invalid, zone_name};
use crate::commands::shared::wants;
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp schedule cluster web --suspend '0 19 * * 1-5' --resume '0 8 * * 1-5'\n  kubectl cmp schedule cluster web --time-zone Europe/Berlin\n  kubectl cmp schedule cluster web --skip-until 2027-01-04\n  kubectl cmp schedule cluster web --clear"
)]
pub(crate) struct ScheduleCluster {
    #[command(flatten)]
    pub(crate) cluster: ClusterNameArg,
    /// When to suspend the cluster, in cron format: minute, hour, day of month, month, day of week
    #[arg(long, value_name = "CRON", value_parser = cron, allow_hyphen_values = true)]
    pub(crate) suspend: Option<String>,
    /// When to resume the instances that the schedule suspended, and no others
    #[arg(long, value_name = "CRON", value_parser = cron, allow_hyphen_values = true)]
    pub(crate) resume: Option<String>,
    /// The time zone of the schedule, such as Europe/Berlin; UTC if none was ever set
    #[arg(long, value_name = "ZONE", value_parser = time_zone)]
    pub(crate) time_zone: Option<String>,
    #[command(flatten)]
    pub(crate) mode: ModeArg,
    /// Skip everything before this time: 2027-01-04, 2027-01-04T08:00, or with Z or an offset
    #[arg(long, value_name = "TIME", value_parser = crate::args::values::moment)]
    pub(crate) skip_until: Option<Moment>,
    /// Remove the schedule of the cluster
    #[arg(long, conflicts_with_all = ["suspend", "resume", "time_zone", "mode", "skip_until"])]
    pub(crate) clear: bool,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

pub(crate) async fn run(context: &Context<'_>, args: ScheduleCluster) -> Result<(), CliError> {
    let ScheduleCluster {
        cluster: ClusterNameArg { name },
        suspend,
        resume,
        time_zone,
        mode: ModeArg { mode },
        skip_until,
        clear,
        change,
    } = args;
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
        let same = next.is_equivalent(&before, now) && next.skip_until == before.skip_until;
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
    print_cluster::print_cluster_change(context, &stored, &name, word, &change).await
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
