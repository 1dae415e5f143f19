//! Creation of the instances of a cluster, and the wait until they run.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::Client;
use kube::api::{Api, PostParams};
use tokio::time::Instant;

use cmp_client::ApiError;
use cmp_client::kubevirt::Machines;
use cmp_core::lifecycle::Asker;
use cmp_core::name::{ClusterName, InstanceName};
use cmp_core::powered_off::{self, PoweredOff};
use cmp_core::progress::Goal;
use cmp_core::state::State;
use cmp_core::template::Blueprint;

use crate::commands::shared::waiting::{self, Waited};
use crate::context::{Context, MANAGER};
use crate::error::CliError;
use crate::ui::Progress;
use crate::view;

/// Number of instances that are created in parallel.
const AT_ONCE: usize = 32;

/// Reason of a suspension that was read from a file.
const RESTORED: &str = "as in the file it was created from";

/// Time for which a refusal is retried. It may come from an API server that has not seen the latest writes yet.
const CATCH_UP: Duration = Duration::from_secs(15);

const PAUSE: Duration = Duration::from_millis(200);

/// Returns the indexes of the existing instances.
pub(crate) async fn indexes(context: &Context<'_>, name: &ClusterName) -> Result<BTreeSet<u32>, CliError> {
    let instances = view::instances(&context.client().await?, name).await?;
    Ok(instances.iter().map(|instance| instance.name.index).collect())
}

/// Creates the instances that are missing beside `there`, some of them off. Returns how many it created.
pub(crate) async fn make_instances(
    context: &Context<'_>,
    name: &ClusterName,
    count: u32,
    blueprint: &Blueprint,
    there: &BTreeSet<u32>,
    off: &PoweredOff,
) -> Result<usize, CliError> {
    let client = context.client().await?;
    let asker = if off.is_empty() {
        None
    } else {
        let by = context.who().await?.username.clone();
        Some(Asker { by, at: Timestamp::now(), reason: Some(RESTORED.to_owned()), woken_by: None })
    };
    let missing = (0..count).filter(|index| !there.contains(index));
    let mut making = stream::iter(missing)
        .map(|index| {
            let (client, instance) = (client.clone(), name.instance(index));
            let born = asker.clone().and_then(|asker| {
                let state = off.state(index)?;
                Some((state, Asker { woken_by: off.woken_by(index), ..asker }))
            });
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
    failed.map_or(Ok(new), Err)
}

async fn make_instance(
    client: &Client,
    instance: &InstanceName,
    blueprint: &Blueprint,
    born: Option<(State, Asker)>,
) -> Result<bool, CliError> {
    let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
    let sets: Api<StatefulSet> = Api::namespaced(client.clone(), &instance.cluster.namespace());
    let machines = Machines::of(client, &instance.cluster);
    let (mut set, mut machine) = (blueprint.stateful_set(instance), blueprint.virtual_machine(instance));
    if let Some((state, asker)) = born {
        set = set.and_then(|set| powered_off::stateful_set(&set, state, &asker));
        machine = machine.and_then(|machine| powered_off::virtual_machine(&machine, state, &asker));
        if set.is_none() && machine.is_none() {
            return Err(CliError::internal(&format!("{instance} cannot be made {state}")));
        }
    }
    let deadline = Instant::now() + CATCH_UP;
    loop {
        let made = match (&set, machine.clone()) {
            (Some(set), _) => sets.create(&params, set).await.map(|_| ()).map_err(ApiError::from),
            (_, Some(machine)) => machines.create(&params, machine).await,
            (None, None) => return Ok(false),
        };
        match made {
            Ok(()) => return Ok(true),
            Err(error) if error.is_already_there() => return Ok(false),
            // The ResourceQuota is checked before the existence of the object. Another writer may just have created it.
            Err(error) if error.is_fenced() && view::instance(client, instance).await?.is_some() => {
                return Ok(false);
            }
            // The RoleBinding or the count was written a moment ago, and not every API server has seen it.
            Err(error) if error.is_not_seen_yet() && Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits until all of these instances run.
pub(crate) async fn running(
    context: &Context<'_>,
    name: &ClusterName,
    indexes: impl Iterator<Item = u32>,
    timeout: Duration,
) -> Result<(), CliError> {
    let names: Vec<InstanceName> = indexes.map(|index| name.instance(index)).collect();
    let count = names.len();
    let waited = Waited { cluster: name.clone(), names, goal: Goal::State(State::Running) };
    let tallies = waiting::until(context, &[waited], timeout).await?;
    let Some(tally) = tallies.iter().find(|tally| !tally.is_done()) else { return Ok(()) };
    let runs = tally.total - tally.late.len();
    let why = tally.why().map_or_else(String::new, |why| format!("; {why}"));
    Err(CliError::user(format!("only {runs} of {count} instances run after {} s{why}", timeout.as_secs()))
        .hint(format!("kubectl cmp describe cluster {name}"))
        .hint("nothing is lost: the same command waits again"))
}
