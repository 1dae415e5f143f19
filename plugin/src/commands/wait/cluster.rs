//! `wait cluster`: as `kubectl wait` does for its own objects.

use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use tokio::time::Instant;

use cmp_client::ApiError;
use cmp_core::name::ClusterName;
use cmp_core::plan::wait::{CONDITIONS, Condition, is_gone, is_open};
use cmp_core::plan::write::current;
use cmp_core::progress::clock::Limit;
use cmp_core::progress::{Goal, Tally};
use cmp_core::state::State;

use crate::args::LineArgs;
use crate::args::values::{duration, name};
use crate::commands::shared::prepared_cluster::prepared;
use crate::commands::shared::wait_clock::WaitClock;
use crate::commands::shared::waiting::{Waited, until};
use crate::context::{Context, complete, once};
use crate::error::CliError;
use crate::output::said;

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp wait cluster web --for=state=running\n  kubectl cmp wait cluster web db --for=delete --timeout 5m"
)]
pub(crate) struct WaitCluster {
    /// The names of the clusters
    #[arg(value_name = "NAME", required = true, value_parser = name::<ClusterName>)]
    pub(crate) names: Vec<ClusterName>,
    /// state=running, state=suspended, state=stopped or delete
    #[arg(
        long = "for",
        value_name = "CONDITION",
        value_parser = PossibleValuesParser::new(CONDITIONS).try_map(|text| text.parse::<Condition>()),
        hide_possible_values = true
    )]
    pub(crate) condition: Condition,
    /// Time to wait before giving up, such as 60s or 5m
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) line: LineArgs,
}

pub(crate) async fn run(context: &Context<'_>, args: WaitCluster) -> Result<(), CliError> {
    let WaitCluster { names, condition, timeout, line } = args;
    let deadline = Instant::now() + timeout;
    let mut all_met = true;
    for name in once(names) {
        let left = deadline.saturating_duration_since(Instant::now());
        let waited = match condition {
            Condition::State(state) => in_state(context, &name, state, left).await,
            Condition::Delete => gone(context, &name, left).await,
        };
        match waited {
            Ok(()) => said(context.ui, line.output, &format!("cluster/{name}"), "condition met")?,
            Err(error) => {
                error.print(context.ui);
                all_met = false;
            }
        }
    }
    complete(all_met)
}

/// Waits until all wanted instances are in a state.
async fn in_state(context: &Context<'_>, name: &ClusterName, state: State, timeout: Duration) -> Result<(), CliError> {
    let deadline = Instant::now() + timeout;
    context.ui.goes_on("only the wait has ended", format!("`kubectl cmp get cluster {name}` shows its state"));
    let stored = context.holder(name).await?;
    let want = current(&stored.account, name)?;
    if !is_open(&stored.account.cluster(name)) {
        let accounts = context.accounts().await?;
        prepared(context.ui, &accounts, &stored.account.user, name, &want, Limit::Exact(timeout)).await?;
    }
    let waited = Waited {
        cluster: name.clone(),
        kind: Some(want.kind),
        names: (0..want.count).map(|index| name.instance(index)).collect(),
        goal: Goal::State(state),
    };
    let left = deadline.saturating_duration_since(Instant::now());
    match until(context, &[waited], &WaitClock::start(Limit::Exact(left))).await?.first() {
        Some(tally) if !tally.is_done() => Err(late(name, Some(tally))),
        _ => Ok(()),
    }
}

/// Waits until a cluster is gone. A cluster that does not exist is gone.
async fn gone(context: &Context<'_>, name: &ClusterName, timeout: Duration) -> Result<(), CliError> {
    let stored = match context.holder(name).await {
        Err(error) if error.is_not_found() => return Ok(()),
        stored => stored?,
    };
    let before = stored.account.cluster(name);
    let accounts = context.accounts().await?;
    let what = format!("cluster {name} to be gone");
    let waited = accounts
        .wait(&stored.account.user, &what, timeout, |stored| {
            is_gone(&before, &stored.account.cluster(name)).then_some(())
        })
        .await;
    match waited {
        Ok(()) => Ok(()),
        // Without the account nothing is held any more.
        Err(error) if error.is_not_found() => Ok(()),
        Err(ApiError::TimedOut { .. }) => Err(late(name, None)),
        Err(error) => Err(error.into()),
    }
}

/// Builds the error for a cluster that does not meet its condition in time, in kubectl's words.
fn late(name: &ClusterName, tally: Option<&Tally>) -> CliError {
    let so_far = tally.map_or_else(String::new, |tally| format!(": {tally}"));
    CliError::user(format!("timed out waiting for the condition on clusters/{name}{so_far}"))
}
