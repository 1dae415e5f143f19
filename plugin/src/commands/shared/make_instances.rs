//! Creation of the instances of a cluster, and the wait until they run.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use kube::Client;

use cmp_client::data_disks;
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
///
/// The first one is created alone. If the API server refuses it, no other one is created.
pub(crate) async fn make_instances(
    context: &Context<'_>,
    name: &ClusterName,
    count: u32,
    blueprint: &Blueprint,
    there: &[Instance],
    off: &PoweredOff,
) -> Result<usize, CliError> {
    let client = context.client().await?;
    if let Some(size) = blueprint.data_disk().filter(|_| !there.is_empty()) {
        let vms = there.iter().map(|instance| (&instance.name, instance.uid.as_str()));
        data_disks::complete(&client, name, size, vms, MANAGER).await?;
    }
    let there: BTreeSet<u32> = there.iter().map(|instance| instance.name.index).collect();
    let suspension = suspension(context, off).await?;
    let mut first = create::missing(name, count, &there);
    let others = first.split_off(first.len().min(1));
    let mut progress = Progress::new(context.ui);
    let (mut done, mut new, mut failed) = (there.len(), 0, None);
    for part in [first, others] {
        let mut making = stream::iter(part)
            .map(|instance| {
                let (client, born) = (client.clone(), create::born(off, instance.index, suspension.as_ref()));
                async move { make_instance(&client, &instance, blueprint, born, false).await }
            })
            .buffer_unordered(AT_ONCE);
        while let Some(made) = making.next().await {
            match made {
                Ok(made) => new += usize::from(made),
                Err(error) => failed = failed.or(Some(error)),
            }
            done += 1;
            progress.passing(&format!("{name}: {done}/{count} created"));
        }
        if failed.is_some() {
            break;
        }
    }
    match failed {
        None => Ok(new),
        Some(error) if there.is_empty() && new == 0 => Err(unmade(error, name)),
        Some(error) => Err(error),
    }
}

/// Lets the API server judge the first missing instance of `count` by a dry run, before anything is written. A caller
/// who may not list the instances does not know which one that is.
pub(crate) async fn try_first(
    context: &Context<'_>,
    name: &ClusterName,
    kind: InstanceType,
    count: u32,
    blueprint: &Blueprint,
    off: &PoweredOff,
) -> Result<(), CliError> {
    let client = context.client().await?;
    let there = match instances::list(&client, name, kind).await {
        Ok(there) => there.iter().map(|instance| instance.name.index).collect(),
        Err(error) if error.is_forbidden() => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let Some(first) = create::missing(name, count, &there).into_iter().next() else { return Ok(()) };
    let born = create::born(off, first.index, suspension(context, off).await?.as_ref());
    match make_instance(&client, &first, blueprint, born, true).await {
        Err(error) if there.is_empty() => Err(unmade(error, name)),
        tried => tried.map(drop),
    }
}

/// Adds the ways out for a cluster without instances.
fn unmade(error: CliError, name: &ClusterName) -> CliError {
    error.hint(format!("correct the command and repeat it, or give the quota back: kubectl cmp delete cluster {name}"))
}

/// Returns the suspension of the instances that are created off, if there are any.
async fn suspension(context: &Context<'_>, off: &PoweredOff) -> Result<Option<SuspensionRequest>, CliError> {
    if off.is_empty() {
        return Ok(None);
    }
    Ok(Some(create::restored_suspension(&context.who().await?.username, Timestamp::now())))
}

async fn make_instance(
    client: &Client,
    instance: &InstanceName,
    blueprint: &Blueprint,
    born: Option<(State, SuspensionRequest)>,
    dry_run: bool,
) -> Result<bool, CliError> {
    let Some(new) = New::of(blueprint, instance, born.as_ref()) else {
        let state = born.map_or(State::Running, |(state, _)| state);
        return Err(CliError::internal(&format!("{instance} cannot be made {state}")));
    };
    Ok(new.create(client, MANAGER, dry_run).await?)
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
    context.ui.goes_on(
        format!("the instances of cluster {name} go on starting"),
        format!("kubectl cmp wait cluster {name} --for=state=running"),
    );
    let waited = Waited { cluster: name.clone(), kind: Some(kind), names, goal: Goal::State(State::Running) };
    let tallies = waiting::until(context, &[waited], &clock).await?;
    let Some(tally) = tallies.iter().find(|tally| !tally.is_done()) else { return Ok(()) };
    let runs = tally.total - tally.late.len();
    let why = tally.why().map_or_else(String::new, |why| format!("; {why}"));
    Err(CliError::user(format!("only {runs} of {count} instances run after {} s{why}", clock.seconds()))
        .hint(format!("kubectl cmp describe cluster {name}"))
        .hint("the same command continues to wait"))
}
