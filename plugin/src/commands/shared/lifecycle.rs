//! `start`, `stop`, `suspend`, `resume`: one patch for each instance, a cluster's instances in parallel. cmp-webhook is
//! not involved.

use std::time::Duration;

use clap::Args;
use futures::stream::StreamExt;
use jiff::Timestamp;
use kube::Client;
use serde_json::{Value, json};
use tokio::time::Instant;

use cmp_client::instances;
use cmp_client::switch::{Retry, Switch, SwitchOutcome};
use cmp_core::lifecycle::SuspensionRequest;
use cmp_core::name::{ClusterName, InstanceName};
use cmp_core::plan::describe;
use cmp_core::plan::killed::Ends;
use cmp_core::plan::lifecycle::{self as plan, AfterFailure, Counts, InstanceResult, Step};
use cmp_core::plan::release;
use cmp_core::plan::schedule::{Back, in_so_long};
use cmp_core::plan::write::stays;
use cmp_core::progress::clock::Limit;
use cmp_core::vocabulary::{InstanceType, Mode, Trigger, Verb};

use crate::args::{ClustersArgs, DryRun, InstanceArgs, SuspendArgs, WaitArgs, suffix};
use crate::commands::shared::select_clusters::{check_owner, matching};
use crate::commands::shared::write_account::print_plan;
use crate::commands::shared::{login, losses, orphans, schedules, wants};
use crate::context::{Context, MANAGER, complete, once};
use crate::error::CliError;
use crate::output::{Format, done, print_object};
use crate::ui::Progress;
use crate::view;
use outcome::{ClusterOutcome, InstanceOutcome};

mod outcome;
mod secrets;
mod wait;

/// Number of instances that are changed in parallel.
const AT_ONCE: usize = 32;

/// Time for which a refusal is retried after the quota of the cluster was brought back.
const CATCH_UP: Duration = Duration::from_secs(15);

/// The way in which a verb is applied.
#[derive(Debug, Clone, Default)]
pub(crate) struct How {
    /// The mode of a suspension.
    pub(crate) mode: Option<Mode>,
    /// The reason of a suspension.
    pub(crate) reason: Option<String>,
    /// Whether the loss of disks is confirmed.
    pub(crate) yes: bool,
}

impl From<SuspendArgs> for How {
    fn from(args: SuspendArgs) -> Self {
        Self {
            mode: args.mode.mode.map(Mode::from),
            reason: args.reason.filter(|reason| !reason.trim().is_empty()),
            yes: args.yes.yes,
        }
    }
}

/// One verb with its parameters, for any instance.
struct VerbRequest<'a> {
    client: Client,
    verb: Verb,
    suspension: Option<SuspensionRequest>,
    mode: Option<Mode>,
    dry_run: DryRun,
    /// The field manager, which names the caller.
    manager: String,
    /// Deadline for retries of a refusal. It may come from an API server that has not seen yet that the quota was
    /// brought back.
    patient_until: Option<Instant>,
    /// Whether the command waits for guests that it switches off, so that it can count those that are killed.
    counts_kills: bool,
    context: &'a Context<'a>,
}

async fn verb_request<'a>(
    context: &'a Context<'a>,
    verb: Verb,
    how: How,
    dry_run: DryRun,
    waits: bool,
) -> Result<VerbRequest<'a>, CliError> {
    let How { mode, reason, yes: _ } = how;
    let suspension = match verb {
        Verb::Suspend => Some(SuspensionRequest {
            by: context.who().await?.username.clone(),
            at: Timestamp::now(),
            reason,
            woken_by: None,
        }),
        _ => None,
    };
    let manager = context.signature(MANAGER).await?;
    let client = context.client().await?;
    let counts_kills = waits && dry_run == DryRun::None && plan::switches_off(verb);
    Ok(VerbRequest { client, verb, suspension, mode, dry_run, manager, patient_until: None, counts_kills, context })
}

impl VerbRequest<'_> {
    /// Returns the verb as it is applied to one instance. A conflict with another writer is decided again.
    fn switch(&self) -> Switch {
        Switch {
            client: self.client.clone(),
            verb: self.verb,
            suspension: self.suspension.clone(),
            mode: self.mode,
            manager: self.manager.clone(),
            dry_run: self.dry_run.into(),
            retry: Retry::Here { patience: self.context.patience(), released: self.patient_until },
        }
    }

    async fn of(&self, name: &InstanceName, kind: Option<InstanceType>) -> InstanceOutcome {
        let outcome = match kind {
            Some(kind) => self.switch().named(name, kind).await,
            None => SwitchOutcome::Missing,
        };
        self.outcome(name, kind, outcome).await
    }

    async fn outcome(
        &self,
        name: &InstanceName,
        kind: Option<InstanceType>,
        switched: SwitchOutcome,
    ) -> InstanceOutcome {
        match switched {
            SwitchOutcome::Changed { paused } => InstanceOutcome::Changed { paused },
            SwitchOutcome::Already => InstanceOutcome::Already,
            SwitchOutcome::Skipped(refused) => InstanceOutcome::Skipped(refused.to_string()),
            SwitchOutcome::Missing => InstanceOutcome::Failed(self.missing(name, kind).await),
            SwitchOutcome::Gone(error) | SwitchOutcome::NotYet(error) | SwitchOutcome::Failed(error) => {
                InstanceOutcome::Failed(error.into())
            }
        }
    }

    /// Builds the error for an instance that does not exist. A verb that switches instances off deletes its leftover
    /// Pod.
    async fn missing(&self, name: &InstanceName, kind: Option<InstanceType>) -> CliError {
        let missing = |deleted| CliError::from(plan::missing(name, deleted));
        if !plan::switches_off(self.verb) {
            return missing(false);
        }
        let observed = view::instances_and_orphans(&self.client, &name.cluster, kind).await;
        let orphans = observed.map(|(_, orphans)| orphans).unwrap_or_default();
        let Some(orphan) = plan::leftover(self.verb, name, &orphans) else { return missing(false) };
        match orphans::delete_and_print(self.context, &self.client, orphan, self.dry_run).await {
            Ok(()) => missing(true),
            Err(error) => error,
        }
    }
}

/// Applies a verb to named instances, one after another: each is a separate request. The wait covers all of them
/// together.
pub(crate) async fn instances<W: Args + Into<WaitArgs>>(
    context: &Context<'_>,
    verb: Verb,
    args: InstanceArgs<W>,
    how: How,
) -> Result<(), CliError> {
    let InstanceArgs { names, wait, change } = args;
    let wait = wait.into();
    let dry_run = change.dry.dry_run;
    let (yes, mode) = (how.yes, how.mode);
    let ask = verb_request(context, verb, how, dry_run, wait.wait).await?;
    let mut named: Vec<(InstanceName, Option<InstanceType>)> = Vec::new();
    for name in once(names) {
        context.check_namespace(&name.cluster)?;
        let kind = match named.iter().find(|(other, _)| other.cluster == name.cluster) {
            Some((_, kind)) => *kind,
            None => context.kind(&name.cluster).await?,
        };
        login::only_vms(kind, &wait).map_err(|error| error.about(&format!("instance {name}")))?;
        named.push((name, kind));
    }
    losses::of_instances(context, &ask.client, (verb, mode), &named, (yes, dry_run)).await?;
    let mut outcomes = Vec::new();
    for (name, kind) in named {
        let guests = ask.guests(&name.cluster, kind).await?;
        let one = match ask.can_start_one(&name, kind).await {
            Ok(()) => ask.of(&name, kind).await,
            Err(error) => InstanceOutcome::Failed(error),
        };
        outcomes.push(ClusterOutcome { cluster: name.cluster.clone(), kind, outcomes: vec![(name, one)], guests });
    }
    if wait.wait && dry_run == DryRun::None {
        ask.wait(&mut outcomes, &wait).await?;
        ask.killed(&mut outcomes).await;
    }
    let each = |one: &ClusterOutcome| switched(verb, one.kind, &one.outcomes);
    print_plan(context.ui, dry_run, || Ok(outcomes.iter().filter_map(each).collect()))?;
    let mut failed = false;
    for (name, kind, outcome) in outcomes.into_iter().flat_map(ClusterOutcome::each) {
        let word = match outcome {
            InstanceOutcome::Changed { .. } => verb.done().to_owned(),
            InstanceOutcome::Already => format!("unchanged ({})", plan::already(verb)),
            InstanceOutcome::Skipped(why) => {
                CliError::user(why).print(context.ui);
                failed = true;
                continue;
            }
            InstanceOutcome::Failed(error) => {
                error.print(context.ui);
                failed = true;
                continue;
            }
        };
        match &change.output {
            Some(format) if format.is_of_objects() => {
                let shown = match kind {
                    Some(kind) => instances::get(&ask.client, &name, kind).await?,
                    None => None,
                };
                if let Some(shown) = shown {
                    let want = context.want_of(&name.cluster).await;
                    print_object(context.ui, format, &view::instance_object(&shown, want.as_ref()))?;
                }
            }
            _ => done(context.ui, &change, &format!("instance/{name}"), &word)?,
        }
    }
    if failed { Err(CliError::silent()) } else { Ok(()) }
}

/// Applies a verb to all instances of clusters in parallel. It continues after failures, and prints counts.
pub(crate) async fn clusters<W: Args + Into<WaitArgs>>(
    context: &Context<'_>,
    verb: Verb,
    args: ClustersArgs<W>,
    how: How,
    span: Option<Duration>,
) -> Result<(), CliError> {
    let ClustersArgs { which, wait, change } = args;
    let wait = wait.into();
    let dry_run = change.dry.dry_run;
    let names = if which.is_query() {
        let found = matching(context, &which).await?.into_iter();
        let existing = found.flat_map(|(stored, mut names)| {
            names.retain(|name| stored.account.cluster(name).exists());
            names
        });
        existing.collect()
    } else {
        context.clusters(which.names.clone())?
    };
    if names.is_empty() {
        context.ui.note("No resources found.");
        return Ok(());
    }
    for name in names.iter().filter(|_| wait.ssh.is_some()) {
        // The verb itself reports a cluster that cannot be looked up.
        let kind = context.kind(name).await.unwrap_or_default();
        login::only_vms(kind, &wait).map_err(|error| error.about(&format!("cluster {name}")))?;
    }
    let (yes, mode) = (how.yes, how.mode);
    let mut ask = verb_request(context, verb, how, dry_run, wait.wait).await?;
    if let Some(suspension) = ask.suspension.as_mut().filter(|_| span.is_some()) {
        suspension.woken_by = Some(Trigger::Once);
    }
    let until = span.map(|span| in_so_long(Timestamp::now(), span)).transpose()?;
    let (mut outcomes, mut backs) = (Vec::new(), Vec::new());
    let mut kinds = losses::of_clusters(context, &ask.client, (verb, mode), &names, (yes, dry_run)).await?;
    let mut any_failed = false;
    let mut stopped = None;
    for name in names {
        context.check_namespace(&name)?;
        if let Err(error) = ask.can_start(&name, &mut kinds).await {
            error.print(context.ui);
            any_failed = true;
            continue;
        }
        // Write the later transition first, so that nothing is suspended without a resume.
        let done = async {
            if which.owner.is_some() && !which.is_query() {
                check_owner(&context.holder(&name).await?, &name, which.owner.as_ref())?;
            }
            let back = match until {
                Some(until) => Some(schedules::once(context, &name, Back::of(verb, until), dry_run).await?),
                None => None,
            };
            Ok((ask.of_cluster(&name, &kinds, wait.limit()).await?, back))
        };
        let done: Result<_, CliError> = done.await;
        match done {
            Ok((one, back)) => {
                outcomes.push(one);
                backs.push(back);
            }
            Err(error) => match plan::after_failure(error.is_not_found()) {
                AfterFailure::GoOn => {
                    error.print(context.ui);
                    any_failed = true;
                }
                AfterFailure::Stop => {
                    stopped = Some(error);
                    break;
                }
            },
        }
    }
    // Request all changes before waiting for one.
    let mut kills = Vec::new();
    if wait.wait && dry_run == DryRun::None && !outcomes.is_empty() {
        ask.wait(&mut outcomes, &wait).await?;
        kills = ask.killed(&mut outcomes).await;
    }
    let mut objects = Vec::new();
    for (at, (ClusterOutcome { cluster: name, kind, outcomes, .. }, back)) in outcomes.iter().zip(&backs).enumerate() {
        let killed = kills.get(at).and_then(Option::as_ref);
        let counts = counted(verb, outcomes);
        print_plan(context.ui, dry_run, || Ok(switched(verb, *kind, outcomes).into_iter().collect()))?;
        context.ui.notes(&counts.notes);
        any_failed |= counts.failed > 0;
        if counts.paused > 0 {
            context.ui.note(&format!(
                "cluster/{name}: paused instances keep their memory and their place on the node; --mode halt frees both"
            ));
        }
        if let Some(back) = back {
            context.ui.note(back);
        }
        if release::comes_last(verb, counts.failed) {
            wants::give_back(context, name, dry_run).await?;
        }
        let done = verb.done();
        match &change.output {
            Some(format) if format.is_of_objects() => {
                let mut object = json!({
                    "cluster": name,
                    (done): counts.changed,
                    "failed": counts.failed,
                    "skipped": counts.skipped,
                    "instances": counts.instances,
                });
                if let Some(ends) = killed.filter(|ends| ends.complete) {
                    object["killed"] = ends.killed.len().into();
                }
                objects.push(object);
            }
            Some(Format::Name) => context.ui.line(&format!("cluster/{name}"))?,
            _ => context.ui.line(&format!(
                "cluster/{name} {done}: {} {done}, {} failed, {} skipped{}{}",
                counts.changed,
                counts.failed,
                counts.skipped,
                killed.map_or_else(String::new, Ends::count),
                suffix(dry_run)
            ))?,
        }
    }
    if let Some(format) = change.output.filter(|format| format.is_of_objects() && !objects.is_empty()) {
        let object = if objects.len() == 1 { objects.swap_remove(0) } else { Value::Array(objects) };
        print_object(context.ui, &format, &object)?;
    }
    stopped.map_or_else(|| complete(!any_failed), Err)
}

impl VerbRequest<'_> {
    /// Applies the verb to all instances of a cluster. The quota comes first, so that a lack of it leaves nothing half
    /// resumed. `kinds` has the types that were looked up.
    async fn of_cluster(
        &mut self,
        cluster: &ClusterName,
        kinds: &losses::Kinds,
        limit: Limit,
    ) -> Result<ClusterOutcome, CliError> {
        let brought_back =
            release::comes_first(self.verb) && wants::bring_back(self.context, cluster, self.dry_run, limit).await?;
        self.patient_until = brought_back.then(|| Instant::now() + CATCH_UP);
        let kind = match kinds.get(cluster) {
            Some(kind) => *kind,
            None => self.context.kind(cluster).await?,
        };
        let guests = self.guests(cluster, kind).await?;
        let (listed, orphans) = view::instances_and_orphans(&self.client, cluster, kind).await?;
        let mut outcomes = Vec::new();
        let mut progress = Progress::new(self.context.ui);
        for step in plan::cluster(self.verb, listed, orphans) {
            match step {
                Step::CheckCluster => stays(&self.context.holder(cluster).await?.account, cluster)?,
                Step::DeleteOrphans(orphans) => {
                    for orphan in &orphans {
                        let deleted = orphans::delete_and_print(self.context, &self.client, orphan, self.dry_run).await;
                        let failed = deleted.err().map(InstanceOutcome::Failed);
                        outcomes.extend(failed.map(|failed| (orphan.shown.name.clone(), failed)));
                    }
                }
                Step::Apply(listed) => {
                    let (switch, total) = (self.switch(), listed.len());
                    let mut asked = std::pin::pin!(switch.all(listed, AT_ONCE));
                    let (mut switched, mut done) = (Vec::new(), 0);
                    while let Some((name, one)) = asked.next().await {
                        let one = self.outcome(&name, kind, one).await;
                        switched.push((name, one));
                        done += 1;
                        progress.passing(&format!("{cluster}: {done}/{total} asked to {}", self.verb.as_str()));
                    }
                    switched.sort_by_key(|(name, _)| name.index);
                    outcomes.extend(switched);
                }
            }
        }
        Ok(ClusterOutcome { cluster: cluster.clone(), kind, outcomes, guests })
    }
}

/// Returns the line about the instances that a dry run would change.
fn switched(verb: Verb, kind: Option<InstanceType>, outcomes: &[(InstanceName, InstanceOutcome)]) -> Option<String> {
    let changed = outcomes.iter().filter(|(_, outcome)| matches!(outcome, InstanceOutcome::Changed { .. }));
    let names: Vec<InstanceName> = changed.map(|(name, _)| name.clone()).collect();
    describe::switch(verb, kind, &names)
}

/// Counts the outcomes for the instances of a cluster.
fn counted(verb: Verb, outcomes: &[(InstanceName, InstanceOutcome)]) -> Counts {
    let results: Vec<InstanceResult> = outcomes.iter().map(|(_, outcome)| outcome.result()).collect();
    plan::counted(verb, outcomes.iter().map(|(name, _)| name).zip(&results))
}
