//! `rollout restart cluster`: restarts running instances one after another.

use std::time::Duration;

use clap::Args;

use cmp_client::restart;
use cmp_core::plan::loss;
use cmp_core::plan::restart::restarts;
use cmp_core::plan::write::current;

use crate::args::values::duration;
use crate::args::{ClusterNameArg, DryRun, DryRunArgs, LineArgs, YesArg, suffix};
use crate::commands::shared::first_boot::can_start;
use crate::commands::shared::kills::Guests;
use crate::commands::shared::one_by_one::restarted;
use crate::context::Context;
use crate::error::CliError;
use crate::output::said;
use crate::ui::Progress;
use crate::view;

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp rollout restart cluster web\n  kubectl cmp rollout restart cluster web --yes --timeout 5m"
)]
pub(crate) struct RestartCluster {
    #[command(flatten)]
    pub(crate) cluster: ClusterNameArg,
    #[command(flatten)]
    pub(crate) yes: YesArg,
    /// Time to wait for each instance to run again, such as 60s or 5m
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) dry: DryRunArgs,
    #[command(flatten)]
    pub(crate) line: LineArgs,
}

pub(crate) async fn run(context: &Context<'_>, args: RestartCluster) -> Result<(), CliError> {
    let RestartCluster { cluster: ClusterNameArg { name }, yes: YesArg { yes }, timeout, dry, line } = args;
    let stored = context.holder(&name).await?;
    let kind = current(&stored.account, &name)?.kind;
    let client = context.client().await?;
    let shown = view::instances(&client, &name, Some(kind)).await?;
    let instances = restarts(&shown);
    let done = |word: &str| {
        said(context.ui, line.output, &format!("cluster/{name}"), &format!("{word}{}", suffix(dry.dry_run)))
    };
    if instances.is_empty() {
        return done("unchanged (no instance runs)");
    }
    can_start(&client, shown.iter().filter(|one| instances.contains(&one.name))).await?;
    context.ui.notes(loss::of_restart("rollout restart", &shown, &instances).as_slice());
    if dry.dry_run == DryRun::None {
        let goes: Vec<String> = instances.iter().map(|one| format!("instance/{one}")).collect();
        context.ui.confirm(yes, &goes, "You are about to restart, one after another")?;
    }
    let guests = Guests::of(&client, &name, Some(kind)).await?.only(&instances);
    let mut progress = Progress::new(context.ui);
    for (at, one) in instances.iter().enumerate() {
        match dry.dry_run {
            DryRun::Client => {}
            DryRun::Server => drop(restart::begin(&client, one, kind, true).await?),
            DryRun::None => {
                context.ui.goes_on(
                    format!("instance {one} goes on restarting, and those after it were not restarted"),
                    "the same command restarts all instances again",
                );
                progress.passing(&format!("{name}: {at}/{} restarted, {one} restarts", instances.len()));
                let old = restart::begin(&client, one, kind, false).await?;
                restarted(one, timeout, async || Ok(restart::is_done(&client, one, kind, old.as_deref()).await?))
                    .await
                    .map_err(|error| error.hint("those after it were not restarted"))?;
                context.ui.note(&format!("instance/{one} restarted"));
            }
        }
    }
    drop(progress);
    if dry.dry_run == DryRun::None {
        guests.note(context, &client).await;
    }
    done("restarted")
}
