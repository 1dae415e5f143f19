//! `--wait`: polls instances until all of them reach the goal, and shows the progress.

use std::time::Duration;

use tokio::time::Instant;

use cmp_client::ApiError;
use cmp_core::name::{ClusterName, InstanceName};
use cmp_core::progress::{Goal, Late, Tally, tally};
use cmp_core::vocabulary::InstanceType;

use crate::commands::shared::wait_clock::WaitClock;
use crate::context::Context;
use crate::error::CliError;
use crate::ui::Progress;
use crate::view;

/// Minimum pause between two polls.
const PAUSE: Duration = Duration::from_millis(200);

/// Instances of one cluster that a command waits for.
pub(crate) struct Waited {
    pub(crate) cluster: ClusterName,
    /// The type of the cluster, if there is one.
    pub(crate) kind: Option<InstanceType>,
    pub(crate) names: Vec<InstanceName>,
    pub(crate) goal: Goal,
}

/// Waits until all instances of all clusters reach their goal, or the clock has run out. Returns the progress of each
/// cluster.
pub(crate) async fn until(context: &Context<'_>, all: &[Waited], clock: &WaitClock) -> Result<Vec<Tally>, CliError> {
    let client = context.client().await?;
    let mut progress = Progress::new(context.ui);
    let mut tallies: Vec<Tally> = all.iter().map(|waited| tally(waited.goal, &waited.names, &[])).collect();
    let mut to_look_at: Vec<usize> = (0..all.len()).collect();
    loop {
        let since = Instant::now();
        for &at in &to_look_at {
            let Waited { cluster, kind, names, goal } = &all[at];
            let shown = match goal {
                Goal::Gone => view::what_is_left(&client, cluster, *kind).await?,
                Goal::State(_) => view::instances(&client, cluster, *kind).await?,
            };
            tallies[at] = tally(*goal, names, &shown);
        }
        to_look_at.retain(|at| !tallies[*at].is_done());
        let (counts, why) = counts_and_reason(all, &tallies);
        clock.observe(&format!("{counts} ({})", why.as_deref().unwrap_or_default()));
        let ends = to_look_at.is_empty() || clock.is_over();
        progress.show(&counts, why.as_deref(), ends);
        if ends {
            return Ok(tallies);
        }
        // Reading many instances takes long. The pause grows with it, so that polling leaves time between.
        tokio::time::sleep(PAUSE.max(since.elapsed() * 2)).await;
    }
}

/// Returns the counts of the clusters that are not done, and the first known reason.
fn counts_and_reason(all: &[Waited], tallies: &[Tally]) -> (String, Option<String>) {
    let still = |(_, tally): &(&Waited, &Tally)| !tally.is_done();
    let mut shown: Vec<(&Waited, &Tally)> = all.iter().zip(tallies).filter(still).collect();
    if shown.is_empty() {
        shown = all.iter().zip(tallies).collect();
    }
    let counts: Vec<String> =
        shown.iter().map(|(waited, tally)| format!("{}: {}", waited.cluster, tally.counts())).collect();
    (counts.join("; "), shown.iter().find_map(|(_, tally)| tally.why()))
}

/// Builds the error for one instance that is late.
pub(crate) fn late(late: &Late, goal: Goal, clock: &WaitClock) -> CliError {
    let why = late.why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
    let what = format!("{} to be {goal}; it is {}{why}", late.name, late.is);
    ApiError::TimedOut { what, seconds: clock.seconds() }.into()
}
