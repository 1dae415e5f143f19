//! Creation of the instances of a cluster, and the wait until they run.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use kube::Client;

use cmp_client::instances::{self, New};
use cmp_core::instance::Instance;
use cmp_core::lifecycle::SuspensionRequest;
use cmp_core::name::{ClusterName, InstanceName};
use cmp_core::plan::create;
use cmp_core::powered_off::PoweredOff;
use cmp_core::progress::Goal;
use cmp_core::progress::clock::Limit;
use cmp_core::state::State;
use cmp_core::template::Blueprint;
use cmp_core::vocabulary::InstanceType;

use crate::commands::shared::wait_clock::WaitClock;
use crate::commands::shared::waiting::{self, Waited};
use crate::context::{Context, MANAGER};
use crate::error::CliError;
use crate::ui::Progress;
use crate::view;

/// Number of instances that are created in parallel.
const AT_ONCE: usize = 32;

/// Returns the existing instances.
pub(crate) async fn existing(
    context: &Context<'_>,
    name: &ClusterName,
    kind: InstanceType,
) -> Result<Vec<Instance>, CliError> {
    view::instances(&context.client().await?, name, Some(kind)).await
}

/// Reports whether a cluster certainly has no instances. A caller who may not list them does not know.
pub(crate) async fn has_none(context: &Context<'_>, name: &ClusterName, kind: InstanceType) -> Result<bool, CliError> {
    match instances::list(&context.client().await?, name, kind).await {
        Ok(instances) => Ok(instances.is_empty()),
        Err(error) if error.is_forbidden() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Creates the instances that are missing beside `there`, some of them off. Returns how many it created.
pub(crate) async fn make_instances(
    context: &Context<'_>,
    name: &ClusterName,
    count: u32,
    blueprint: &Blueprint,
    there: &[Instance],
    off: &PoweredOff,
) -> Result<usize, CliError> {
    let there: BTreeSet<u32> = there.iter().map(|instance| instance.name.index).collect();
    let client = context.client().await?;
    let suspension = if off.is_empty() {
        None
    } else {
        Some(create::restored_suspension(&context.who().await?.username, Timestamp::now()))
    };
    let mut making = stream::iter(create::missing(name, count, &there))
        .map(|instance| {
            let (client, born) = (client.clone(), create::born(off, instance.index, suspension.as_ref()));
            async move { make_instance(&client, &instance, blueprint, born).await }
        })
        .buffer_unordered(AT_ONCE);
    let mut progress = Progress::new(context.ui);
    let (mut done, mut new, mut failed) = (there.len(), 0, None);
    while let Some(made) = making.next().await {
        match made {
            Ok(made) => new += usize::from(made),
            Err(error) => failed = failed.or(Some(error)),
        }
        done += 1;
        progress.passing(&format!("{name}: {done}/{count} created"));
    }
    match failed {
        None => Ok(new),
        Some(error) if there.is_empty() && new == 0 => Err(error.hint(format!(
            "correct the command and repeat it, or give the quota back: kubectl cmp delete cluster {name}"
        ))),
        Some(error) => Err(error),
    }
}

async fn make_instance(
    client: &Client,
    instance: &InstanceName,
    blueprint: &Blueprint,
    born: Option<(State, SuspensionRequest)>,
) -> Result<bool, CliError> {
    let Some(new) = New::of(blueprint, instance, born.as_ref()) else {
        let state = born.map_or(State::Running, |(state, _)| state);
        return Err(CliError::internal(&format!("{instance} cannot be made {state}")));
    };
    Ok(new.create(client, MANAGER).await?)
}

/// Waits until all of these instances run.
pub(crate) async fn running(
    context: &Context<'_>,
    name: &ClusterName,
    kind: InstanceType,
    names: Vec<InstanceName>,
    limit: Limit,
) -> Result<(), CliError> {
    let (count, clock) = (names.len(), WaitClock::start(limit));
    let waited = Waited { cluster: name.clone(), kind: Some(kind), names, goal: Goal::State(State::Running) };
    let tallies = waiting::until(context, &[waited], &clock).await?;
    let Some(tally) = tallies.iter().find(|tally| !tally.is_done()) else { return Ok(()) };
    let runs = tally.total - tally.late.len();
    let why = tally.why().map_or_else(String::new, |why| format!("; {why}"));
    Err(CliError::user(format!("only {runs} of {count} instances run after {} s{why}", clock.seconds()))
        .hint(format!("kubectl cmp describe cluster {name}"))
        .hint("the same command continues to wait"))
}
