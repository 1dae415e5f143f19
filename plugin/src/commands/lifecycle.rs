//! `start`, `stop`, `suspend`, `resume`: a patch an instance, all of a cluster at once. cmp-webhook is not asked.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::Instant;

use cmp_client::ApiError;
use cmp_client::kubevirt::Machines;
use cmp_core::account::InstanceType;
use cmp_core::instance::{Act, Asker, Call, Instance, Mode, Verb, act};
use cmp_core::name::{ClusterName, InstanceName};

use super::wants;
use crate::cli::{ClustersArgs, DryRun, How, InstanceArgs, WaitArgs};
use crate::context::{Context, MANAGER, complete, once, suffix};
use crate::error::CliError;
use crate::output::{Format, done, print_object};
use crate::view;

/// How many instances are changed at once.
const AT_ONCE: usize = 32;
/// What the API server says of an instance of a released cluster.
const RELEASED: &str = "has given its quota back";
/// For how long that is tried again after the cluster was brought back.
const CATCH_UP: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(200);

/// What is asked, of whichever instance.
struct Ask<'a> {
    client: Client,
    verb: Verb,
    asker: Option<Asker>,
    mode: Option<Mode>,
    dry_run: DryRun,
    /// Until when a refusal is tried again that comes from an API server which has not seen yet that the cluster was
    /// brought back.
    patient_until: Option<Instant>,
    context: &'a Context<'a>,
}

/// What came of it for one instance.
enum Came {
    Changed {
        /// It keeps its memory and its place on the node.
        paused: bool,
    },
    Already,
    /// The verb does not apply, and why.
    Skipped(String),
    Failed(CliError),
}

async fn ask<'a>(context: &'a Context<'a>, verb: Verb, how: Option<How>, dry_run: DryRun) -> Result<Ask<'a>, CliError> {
    let mode = how.as_ref().and_then(|how| how.mode).map(Mode::from);
    let asker = match (verb, how) {
        (Verb::Suspend, how) => Some(Asker {
            by: context.who().await?.username.clone(),
            at: Timestamp::now(),
            reason: how.and_then(|how| how.reason),
        }),
        _ => None,
    };
    Ok(Ask { client: context.client().await?, verb, asker, mode, dry_run, patient_until: None, context })
}

impl Ask<'_> {
    /// Reads, decides and writes; another writer in between is read and decided again.
    async fn of(&self, name: &InstanceName, mut seen: Option<Instance>) -> Came {
        loop {
            // Off or not is in the object; whether it runs by now makes no difference to any verb of a container.
            let shown = match seen.take() {
                Some(shown) => Ok(Some(shown)),
                None => view::instance(&self.client, name).await,
            };
            let shown = match shown {
                Ok(Some(shown)) => shown,
                Ok(None) => return Came::Failed(CliError::not_found("instance", &name.to_string())),
                Err(error) => return Came::Failed(error),
            };
            let act = match act(&shown, self.verb, self.mode, self.asker.as_ref()) {
                Err(refused) => return Came::Skipped(refused.to_string()),
                Ok(None) => return Came::Already,
                Ok(Some(act)) => act,
            };
            if self.dry_run == DryRun::Client {
                return Came::Changed { paused: act.call == Some(Call::Pause) };
            }
            match self.carry_out(&shown, &act).await {
                Ok(()) => return Came::Changed { paused: act.call == Some(Call::Pause) },
                Err(error) if error.is_conflict() && act.call.is_none() => {}
                Err(error) if error.is_conflict() && error.to_string().contains("modified") => {}
                Err(error)
                    if error.to_string().contains(RELEASED)
                        && self.patient_until.is_some_and(|until| Instant::now() < until) =>
                {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Came::Failed(error.into()),
            }
        }
    }

    /// The patch, then the call.
    async fn carry_out(&self, shown: &Instance, act: &Act) -> Result<(), ApiError> {
        let name = &shown.name;
        let params = PatchParams {
            dry_run: self.dry_run == DryRun::Server,
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        match shown.kind {
            InstanceType::Container => {
                let api: Api<StatefulSet> = Api::namespaced(self.client.clone(), &name.cluster.namespace());
                api.patch(&name.to_string(), &params, &Patch::Merge(&act.patch)).await?;
            }
            InstanceType::Vm => {
                let machines = Machines::of(&self.client, &name.cluster);
                machines.patch(name, &params, &act.patch).await?;
                if let Some(call) = act.call {
                    machines.call(name, call, params.dry_run).await?;
                }
            }
        }
        Ok(())
    }

    /// Waits until an instance is as the verb wants it.
    async fn done(&self, name: &InstanceName, wait: &WaitArgs) -> Result<(), CliError> {
        let deadline = Instant::now() + wait.timeout;
        let off = matches!(self.verb, Verb::Stop | Verb::Suspend);
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &name.cluster.namespace());
        let machines = Machines::of(&self.client, &name.cluster);
        let pod_name = format!("{name}-0");
        let shown = view::instance(&self.client, name).await?;
        let is_vm = shown.as_ref().is_some_and(|shown| shown.kind == InstanceType::Vm);
        let halted = shown.is_some_and(|shown| !shown.on);
        loop {
            let done = if is_vm {
                let status = machines.get(name).await?.and_then(|vm| vm.status.printable_status);
                match status.as_deref() {
                    Some("Stopped") => off,
                    Some("Paused") => off && !halted,
                    Some("Running") => !off,
                    _ => false,
                }
            } else {
                let pod = pods.get_opt(&pod_name).await?;
                let runs = pod.as_ref().is_some_and(|pod| {
                    pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running")
                        && pod.metadata.deletion_timestamp.is_none()
                });
                if off { pod.is_none() } else { runs }
            };
            if done {
                return Ok(());
            }
            if Instant::now() > deadline {
                let what = format!("{name} to be {}", self.verb.done());
                return Err(ApiError::TimedOut { what, seconds: wait.timeout.as_secs() }.into());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// A verb on instances that are named, one after another: each is a wish of its own.
pub(crate) async fn instances(
    context: &Context<'_>,
    verb: Verb,
    args: InstanceArgs,
    how: Option<How>,
) -> Result<(), CliError> {
    let InstanceArgs { names, wait, change } = args;
    let dry_run = change.dry.dry_run;
    let ask = ask(context, verb, how, dry_run).await?;
    let mut failed = false;
    for name in &once(names) {
        context.check_namespace(&name.cluster)?;
        let word = match ask.of(name, None).await {
            Came::Changed { .. } => verb.done().to_owned(),
            Came::Already => format!("unchanged (already {})", already(verb)),
            Came::Skipped(why) => {
                CliError::user(why).print(context.ui);
                failed = true;
                continue;
            }
            Came::Failed(error) => {
                error.print(context.ui);
                failed = true;
                continue;
            }
        };
        if wait.wait && dry_run == DryRun::None {
            ask.done(name, &wait).await?;
        }
        match &change.output {
            Some(format) if format.is_of_objects() => {
                if let Some(shown) = view::instance(&ask.client, name).await? {
                    print_object(context.ui, format, &crate::view::instance_object(&shown))?;
                }
            }
            _ => done(context.ui, &change, &format!("instance/{name}"), &word)?,
        }
    }
    if failed { Err(CliError::silent()) } else { Ok(()) }
}

fn already(verb: Verb) -> &'static str {
    match verb {
        Verb::Start | Verb::Resume => "running",
        Verb::Stop => "stopped",
        Verb::Suspend => "suspended",
    }
}

/// A verb on all instances of clusters: at once, past failures, with counts.
pub(crate) async fn clusters(
    context: &Context<'_>,
    verb: Verb,
    args: ClustersArgs,
    how: Option<How>,
) -> Result<(), CliError> {
    let ClustersArgs { names, all, owner, wait, change } = args;
    let dry_run = change.dry.dry_run;
    let names = context.clusters(names, all, owner.as_ref()).await?;
    if names.is_empty() {
        context.ui.note("No resources found.");
        return Ok(());
    }
    let mut ask = ask(context, verb, how, dry_run).await?;
    let mut objects = Vec::new();
    let mut any_failed = false;
    for name in &names {
        context.check_namespace(name)?;
        let (counts, instances) = match of_cluster(&mut ask, name, &wait).await {
            Ok(came) => came,
            Err(error) if error.is_not_found() => {
                error.print(context.ui);
                any_failed = true;
                continue;
            }
            Err(error) => return Err(error),
        };
        any_failed |= counts.failed > 0;
        if counts.paused > 0 {
            context.ui.note(&format!(
                "cluster/{name}: what is paused keeps its memory and its place on the node; --mode halt frees them"
            ));
        }
        if verb == Verb::Suspend && counts.failed == 0 {
            wants::give_back(context, name, dry_run).await?;
        }
        let done = verb.done();
        match &change.output {
            Some(format) if format.is_of_objects() => {
                objects.push(json!({
                    "cluster": name,
                    (done): counts.changed,
                    "failed": counts.failed,
                    "skipped": counts.skipped,
                    "instances": instances,
                }));
            }
            Some(Format::Name) => context.ui.line(&format!("cluster/{name}"))?,
            _ => context.ui.line(&format!(
                "cluster/{name} {done}: {} {done}, {} failed, {} skipped{}",
                counts.changed,
                counts.failed,
                counts.skipped,
                suffix(dry_run)
            ))?,
        }
    }
    if let Some(format) = change.output.filter(|format| format.is_of_objects() && !objects.is_empty()) {
        let object = if objects.len() == 1 { objects.swap_remove(0) } else { Value::Array(objects) };
        print_object(context.ui, &format, &object)?;
    }
    complete(!any_failed)
}

#[derive(Default)]
struct Counts {
    changed: u32,
    paused: u32,
    failed: u32,
    skipped: u32,
}

/// A verb on all instances of a cluster. The quota comes first: nothing is half brought back for want of it.
async fn of_cluster(ask: &mut Ask<'_>, name: &ClusterName, wait: &WaitArgs) -> Result<(Counts, Vec<Value>), CliError> {
    ask.patient_until = None;
    if ask.verb == Verb::Resume && wants::bring_back(ask.context, name, ask.dry_run, wait.timeout).await? {
        ask.patient_until = Some(Instant::now() + CATCH_UP);
    }
    cluster(ask, name, wait).await
}

async fn cluster(ask: &Ask<'_>, cluster: &ClusterName, wait: &WaitArgs) -> Result<(Counts, Vec<Value>), CliError> {
    let listed = view::instances(&ask.client, cluster).await?;
    if listed.is_empty() {
        // An empty list may be a cluster without instances, or none at all.
        ask.context.holder(cluster).await?;
    }
    let came: Vec<(InstanceName, Came)> = stream::iter(listed)
        .map(|shown| async move {
            let name = shown.name.clone();
            let mut came = ask.of(&name, Some(shown)).await;
            if wait.wait
                && matches!(came, Came::Changed { .. })
                && ask.dry_run == DryRun::None
                && let Err(error) = ask.done(&name, wait).await
            {
                came = Came::Failed(error);
            }
            (name, came)
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    let mut counts = Counts::default();
    let mut instances = Vec::new();
    let mut skipped: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, came) in came {
        let (result, reason) = match came {
            Came::Changed { paused } => {
                counts.paused += u32::from(paused);
                counts.changed += 1;
                (ask.verb.done(), None)
            }
            Came::Already => {
                counts.skipped += 1;
                let why = format!("already {}", already(ask.verb));
                skipped.entry(why.clone()).or_default().push(name.to_string());
                ("skipped", Some(why))
            }
            Came::Skipped(why) => {
                counts.skipped += 1;
                skipped.entry(why.clone()).or_default().push(name.to_string());
                ("skipped", Some(why))
            }
            Came::Failed(error) => {
                counts.failed += 1;
                ask.context.ui.note(&format!("instance/{name} failed: {}", error.message()));
                ("failed", Some(error.message().to_owned()))
            }
        };
        instances.push(json!({ "name": name.to_string(), "result": result, "reason": reason }));
    }
    for (why, names) in skipped {
        ask.context.ui.note(&format!("skipped {}: {why}", names.join(", ")));
    }
    Ok((counts, instances))
}

/// The names of what is left of a cluster above so many instances.
pub(super) async fn above(client: &Client, cluster: &ClusterName, count: u32) -> Result<Vec<InstanceName>, CliError> {
    let all = view::instances(client, cluster).await?;
    Ok(all.into_iter().map(|shown| shown.name).filter(|name| name.index >= count).collect())
}
