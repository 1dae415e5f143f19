//! `schedule cluster`: sets, changes or removes the schedule of a cluster.

use clap::Args;
use jiff::Timestamp;

use cmp_core::plan::describe;
use cmp_core::plan::loss;
use cmp_core::plan::schedule::{self, Moment, Wish};

use crate::args::values::{cron, time_zone};
use crate::args::{ChangeArgs, ClusterNameArg, DryRun, ModeArg, YesArg};
use crate::commands::shared::write_account::{print_plan, write};
use crate::commands::shared::{losses, print_cluster};
use crate::context::Context;
use crate::error::CliError;
use crate::view;

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp schedule cluster web --suspend '0 19 * * 1-5' --resume '0 8 * * 1-5'\n  kubectl cmp schedule cluster web --suspend '0 19 * * 1-5' --suspend '0 16 * * 0'\n  kubectl cmp schedule cluster web --time-zone Europe/Berlin\n  kubectl cmp schedule cluster web --skip-until 2027-01-04\n  kubectl cmp schedule cluster web --clear"
)]
pub(crate) struct ScheduleCluster {
    #[command(flatten)]
    pub(crate) cluster: ClusterNameArg,
    /// When to suspend the cluster, in cron format: minute, hour, day of month, month, day of week (repeatable)
    #[arg(long, value_name = "CRON", value_parser = cron, allow_hyphen_values = true)]
    pub(crate) suspend: Vec<String>,
    /// When to resume the instances that the schedule suspended, and no others (repeatable)
    #[arg(long, value_name = "CRON", value_parser = cron, allow_hyphen_values = true)]
    pub(crate) resume: Vec<String>,
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
    pub(crate) yes: YesArg,
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
        yes: YesArg { yes },
        change,
    } = args;
    let mode = mode.map(Into::into);
    let wish = Wish { name: name.clone(), suspend, resume, time_zone, mode, skip_until, clear };
    schedule::says_something(&wish)?;
    let (accounts, stored) = (context.accounts().await?, context.holder(&name).await?);
    let plan = schedule::plan(&wish, &stored.account, Timestamp::now())?;
    context.ui.notes(&plan.lines);
    let dry_run = change.dry.dry_run;
    if let Some(kind) = plan.halts_vms(&stored.account) {
        let shown = view::instances(&context.client().await?, &name, Some(kind)).await?;
        let mode = plan.next.as_ref().and_then(|next| next.mode);
        losses::confirm(context, loss::of_schedule(&name, kind, mode, &shown).as_slice(), yes, dry_run)?;
    }
    print_plan(context.ui, dry_run, || Ok(describe::write(&plan.write)))?;
    let stored = write(&accounts, stored, dry_run, |account| plan.write(account)).await?.stored;
    if let Some(after) = plan.after.as_ref().filter(|_| dry_run == DryRun::None) {
        context.ui.note(after);
    }
    print_cluster::print_cluster_change(context, &stored, &name, plan.word, &change).await
}
