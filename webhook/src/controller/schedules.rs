//! Carries out schedules. [`cmp_core::schedule`] decides which transitions are due, whenever an account is reconciled.
//!
//! The work runs beside the steps of the accounts. It takes long for many instances, and a cluster that has released
//! its quota gets it back by those very steps. All replicas do the work at once. An instance that another replica or a
//! user changed in between is read again. Each pass also checks again whether the transition is still due.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use jiff::Timestamp;
use tracing::{info, warn};

use cmp_client::accounts::Stored;
use cmp_client::switch::{Retry, Switch, SwitchOutcome};
use cmp_client::{ApiError, DryRun, instances};
use cmp_core::account::change::Change;
use cmp_core::account::{Account, Entry, HeldState, Suspended, Want};
use cmp_core::instance::Instance;
use cmp_core::keys;
use cmp_core::lifecycle::SuspensionRequest;
use cmp_core::name::{ClusterName, InstanceName, UserName};
use cmp_core::schedule::due::{is_done, is_for};
use cmp_core::schedule::{Due, LastRun, MOST_LEFT, Schedule, Transition};
use cmp_core::vocabulary::{InstanceType, ScheduleAction, Trigger};

use super::context::{Context, RESYNC};
use crate::metrics;

/// Number of clusters that are worked on at once, and of instances of one cluster.
const CLUSTERS_AT_ONCE: usize = 4;
const INSTANCES_AT_ONCE: usize = 16;
/// How long to retry a refusal by an API server that has not seen the latest write yet. This is the RoleBinding, or the
/// return of the cluster.
const CATCH_UP: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_secs(1);
/// When to look again at a due transition: it may wait for a cluster to be prepared.
const AGAIN: Duration = Duration::from_secs(5);
/// The recorded reason of a suspension by schedule.
const REASON: &str = "schedule";

/// Reports whether the entry has a cluster that can be acted on.
fn is_there(entry: &Entry) -> bool {
    entry.delete.is_none()
        && entry.newer().is_none()
        && entry
            .held
            .as_ref()
            .is_some_and(|held| !held.uid.is_empty() && matches!(held.state, HeldState::Ready | HeldState::Releasing))
}

/// Queues the due transitions of an account's clusters, and returns when to look again.
pub(super) fn queue_due(context: &Context, account: &Account, now: Timestamp) -> Duration {
    let mut soonest = RESYNC;
    if account.newer().is_some() {
        return soonest;
    }
    for (cluster, entry) in account.existing().filter(|(_, entry)| is_there(entry)) {
        let Some(schedule) = entry.schedule() else { continue };
        soonest = soonest.min(match schedule.due(entry.scheduled.as_ref(), now) {
            Ok(Due::Now(transition)) => {
                context.transitions.add((account.user.clone(), cluster.clone()), transition.at);
                AGAIN
            }
            Ok(Due::At(at)) => Duration::try_from(at.duration_since(now)).unwrap_or_default(),
            Ok(Due::Never) => RESYNC,
            // An invalid schedule was stored while nobody was asked. `get schedules` shows it.
            Err(invalid) => {
                warn!(user = %account.user, %cluster, %invalid, "this schedule cannot be read");
                RESYNC
            }
        });
    }
    soonest
}

/// Carries out due transitions as they are queued.
pub(super) async fn run(context: Arc<Context>) {
    let transitions =
        stream::unfold(context.clone(), |context| async move { Some((context.transitions.next().await, context)) });
    transitions
        .for_each_concurrent(CLUSTERS_AT_ONCE, |key| {
            let context = context.clone();
            async move {
                let (user, cluster) = &key;
                if let Err(error) = carry_out(&context, user, cluster).await {
                    context.metrics.scheduled(metrics::ERROR);
                    warn!(%user, %cluster, %error, "a transition of a schedule failed: retrying");
                }
                context.transitions.done(key, Timestamp::now());
            }
        })
        .await;
}

/// The progress of one transition.
struct Work {
    transition: Transition,
    /// The record of an earlier try, if this is not the first one.
    before: Option<LastRun>,
    looked: bool,
    changed: BTreeSet<u32>,
    /// The number of instances that an earlier try left and another replica, or a user, has changed since.
    changed_since: u32,
    left: BTreeMap<u32, String>,
    skipped: u32,
    /// Whether a pass found nothing to do, and another replica got the time to record that it did the work.
    waited: bool,
}

impl Work {
    fn new(transition: Transition, last: Option<&LastRun>) -> Self {
        let before = last.filter(|last| last.is(&transition)).cloned();
        let (changed, left) = (BTreeSet::new(), BTreeMap::new());
        Self { transition, before, looked: false, changed, changed_since: 0, left, skipped: 0, waited: false }
    }

    /// Returns the instances to change now: at first all that the transition concerns, then those that are left.
    fn candidates(&mut self, shown: Vec<Instance>) -> Vec<Instance> {
        let transition = self.transition;
        if self.looked {
            let mut left = std::mem::take(&mut self.left);
            let (to_do, rest): (Vec<Instance>, Vec<Instance>) = shown
                .into_iter()
                .filter(|shown| left.contains_key(&shown.name.index))
                .partition(|one| is_for(&transition, one));
            // Another replica or a user has done it.
            self.changed.extend(rest.iter().map(|one| one.name.index));
            left.retain(|index, _| to_do.iter().any(|one| one.name.index == *index));
            self.left = left;
            return to_do;
        }
        self.looked = true;
        let only = self.before.as_ref().map(|before| before.left.clone()).filter(|left| !left.is_empty());
        let total = shown.len();
        if self.before.is_none() {
            let by = name();
            self.changed.extend(shown.iter().filter(|one| is_done(&transition, one, &by)).map(|one| one.name.index));
        }
        let to_do: Vec<Instance> = shown
            .into_iter()
            .filter(|one| is_for(&transition, one) && only.as_ref().is_none_or(|only| only.contains(&one.name.index)))
            .collect();
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        match &self.before {
            Some(before) => {
                self.skipped = before.skipped;
                // A try that was refused as a whole left every instance that the transition applies to.
                let left = match before.failed {
                    0 => number(total).saturating_sub(before.skipped.saturating_add(before.changed)),
                    failed => failed,
                };
                self.changed_since = left.saturating_sub(number(to_do.len()));
            }
            None => self.skipped = number(total.saturating_sub(to_do.len() + self.changed.len())),
        }
        to_do
    }

    /// Returns the record of the transition for the account.
    fn last_run(&self, now: Timestamp, refused: Option<String>) -> LastRun {
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let in_vain = refused.is_some() || !self.left.is_empty();
        let before = self.before.as_ref();
        let left: Vec<u32> = self.left.keys().copied().collect();
        LastRun {
            action: self.transition.action,
            trigger: self.transition.trigger,
            due: self.transition.at,
            at: now,
            changed: before
                .map_or(0, |before| before.changed)
                .saturating_add(self.changed_since)
                .saturating_add(number(self.changed.len())),
            failed: number(self.left.len()),
            skipped: self.skipped,
            tries: if in_vain { before.map_or(0, |before| before.tries).saturating_add(1) } else { 0 },
            reason: refused.or_else(|| self.left.values().next().cloned()),
            left: if left.len() > MOST_LEFT { Vec::new() } else { left },
        }
    }
}

/// Carries out the due transition of a cluster.
async fn carry_out(context: &Context, user: &UserName, cluster: &ClusterName) -> Result<(), ApiError> {
    let deadline = Instant::now() + CATCH_UP;
    let mut work: Option<Work> = None;
    loop {
        let now = Timestamp::now();
        let stored = match context.accounts.get(user).await {
            Err(error) if error.is_not_found() => return Ok(()),
            stored => stored?,
        };
        let entry = stored.account.cluster(cluster);
        let Some((want, transition, schedule)) = due(&entry, now) else { return Ok(()) };
        let mut one = match work.take() {
            Some(work) if work.transition == transition => work,
            _ => Work::new(transition, entry.scheduled.as_ref()),
        };
        let shown = instances::list(&context.client, cluster, want.kind).await?;
        let on: BTreeSet<u32> = shown.iter().filter(|one| one.on).map(|one| one.name.index).collect();
        let to_do = one.candidates(shown);
        if to_do.is_empty() && one.changed.is_empty() && !one.waited {
            // A resumed instance does not record who resumed it: give another replica the time to record its work.
            (one.waited, one.looked) = (true, false);
            tokio::time::sleep(PAUSE).await;
            work = Some(one);
            continue;
        }
        if transition.action == ScheduleAction::Resume && !to_do.is_empty() {
            match bring_back(context, &stored, cluster, want, &entry).await {
                Ok(Quota::Held) => {}
                // Once the quota is held, the account records that, and is reconciled again.
                Ok(Quota::Awaited) => return Ok(()),
                Err(error) if error.is_conflict() => continue,
                Err(error) => {
                    let last_run = one.last_run(now, Some(error.to_string()));
                    if record(context, &stored, cluster, &last_run, None).await? {
                        return Ok(());
                    }
                    continue;
                }
            }
        }
        let switch = Switch {
            client: context.client.clone(),
            verb: transition.action.verb(),
            suspension: Some(SuspensionRequest {
                by: name(),
                at: now,
                reason: Some(REASON.to_owned()),
                woken_by: Some(Trigger::Schedule),
            }),
            // A schedule that was set for VMs cannot apply to containers; the type is fixed.
            mode: schedule.mode.filter(|_| want.kind == InstanceType::Vm),
            manager: keys::WEBHOOK.to_owned(),
            dry_run: DryRun::None,
            // The next pass checks first whether the transition is still due.
            retry: Retry::Caller,
        };
        let outcomes: Vec<(InstanceName, SwitchOutcome)> = switch.all(to_do, INSTANCES_AT_ONCE).collect().await;
        let mut again = false;
        one.left.clear();
        let mut off = BTreeSet::new();
        for (InstanceName { index, .. }, outcome) in outcomes {
            match outcome {
                SwitchOutcome::Changed { paused } => {
                    one.changed.insert(index);
                    // A paused instance keeps its resources.
                    if transition.action == ScheduleAction::Suspend && !paused {
                        off.insert(index);
                    }
                }
                SwitchOutcome::Already | SwitchOutcome::Missing | SwitchOutcome::Gone(_) => {}
                SwitchOutcome::NotYet(error) => {
                    again = true;
                    one.left.insert(index, error.to_string());
                }
                SwitchOutcome::Skipped(refused) => {
                    one.left.insert(index, refused.to_string());
                }
                SwitchOutcome::Failed(error) => {
                    one.left.insert(index, error.to_string());
                }
            }
        }
        if again && Instant::now() < deadline {
            tokio::time::sleep(PAUSE).await;
            work = Some(one);
            continue;
        }
        let last_run = one.last_run(Timestamp::now(), None);
        let gives_back = transition.action == ScheduleAction::Suspend
            && one.left.is_empty()
            && on.is_subset(&off)
            && stored.account.policy.suspended == Suspended::Release
            && !want.released;
        let released = gives_back.then(|| Want { released: true, ..want.clone() });
        if record(context, &stored, cluster, &last_run, released.as_ref()).await? {
            return Ok(());
        }
        // Another writer changed the account in between.
        work = Some(one);
    }
}

/// Returns the due transition of an existing cluster.
fn due(entry: &Entry, now: Timestamp) -> Option<(&Want, Transition, &Schedule)> {
    let want = entry.want.as_ref().filter(|_| is_there(entry))?;
    let schedule = entry.schedule()?;
    match schedule.due(entry.scheduled.as_ref(), now) {
        Ok(Due::Now(transition)) => Some((want, transition, schedule)),
        _ => None,
    }
}

/// Whether resumed instances may run already.
enum Quota {
    Held,
    Awaited,
}

/// Requests the quota of a cluster that has released it.
async fn bring_back(
    context: &Context,
    stored: &Stored,
    cluster: &ClusterName,
    want: &Want,
    entry: &Entry,
) -> Result<Quota, ApiError> {
    if want.released {
        let asked = Want { released: false, ..want.clone() };
        let change = Change::new().want(cluster, Some(&asked));
        context.accounts.change(stored, &change, keys::WEBHOOK, false).await?;
        return Ok(Quota::Awaited);
    }
    let ready = entry.held.as_ref().is_some_and(|held| !held.released && held.state == HeldState::Ready);
    Ok(if ready { Quota::Held } else { Quota::Awaited })
}

/// Returns the username under which instances are switched.
fn name() -> String {
    format!("system:serviceaccount:{}:{}", keys::SYSTEM_NAMESPACE, keys::WEBHOOK)
}

/// Records what was done, and that the quota is released. Returns whether the account still had the version that was
/// read.
async fn record(
    context: &Context,
    stored: &Stored,
    cluster: &ClusterName,
    last_run: &LastRun,
    released: Option<&Want>,
) -> Result<bool, ApiError> {
    let change = Change::new().scheduled(cluster, Some(last_run));
    let change = if released.is_some() { change.want(cluster, released) } else { change };
    match context.change(stored, cluster, &change).await {
        Ok(_) => {}
        Err(error) if error.is_conflict() => return Ok(false),
        Err(error) => return Err(error),
    }
    let LastRun { action, changed, failed, skipped, reason, .. } = last_run;
    context.metrics.scheduled(match last_run.tries {
        0 => action.verb().done(),
        _ => metrics::FAILED,
    });
    let late = last_run.late().as_secs();
    info!(user = %stored.account.user, %cluster, %action, changed, failed, skipped, late, reason, "by schedule");
    Ok(true)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Returns three instances of which the named ones run. The schedule has suspended the others.
    fn instances(running: &[u32]) -> Vec<Instance> {
        let one = |index: u32| {
            let on = running.contains(&index);
            let asked = if on { "running" } else { "suspended" };
            let suspended = json!({
                (keys::SUSPENDED_BY): name(),
                (keys::SUSPENDED_AT): at(0).to_string(),
                (keys::SUSPEND_MODE): "halt",
                (keys::WOKEN_BY): "schedule",
            });
            let annotations = if on { json!({}) } else { suspended };
            let set = json!({
                "metadata": {
                    "name": format!("web-{index}"),
                    "namespace": "web-ns",
                    "labels": { (keys::ASKED): asked },
                    "annotations": annotations,
                },
                "spec": { "replicas": i32::from(on), "serviceName": "", "selector": {}, "template": {} },
                "status": { "replicas": i32::from(on), "readyReplicas": i32::from(on) },
            });
            let set = serde_json::from_value(set).unwrap();
            cmp_core::instance::of_stateful_set(&set, None).unwrap()
        };
        (0..3).map(one).collect()
    }

    /// Returns the record of a resumption of three instances of which one was skipped.
    fn resumption(failed: u32, left: Vec<u32>) -> (Transition, LastRun) {
        let transition = Transition { at: at(100), action: ScheduleAction::Resume, trigger: Trigger::Schedule };
        let record = LastRun {
            action: transition.action,
            trigger: transition.trigger,
            due: transition.at,
            at: at(101),
            changed: 0,
            failed,
            skipped: 1,
            tries: 1,
            left,
            reason: Some("exceeded quota".to_owned()),
        };
        (transition, record)
    }

    #[test]
    fn a_retry_counts_the_instances_that_another_replica_resumed() {
        // Instance 2 ran before. An earlier try left 0 and 1: it was refused as a whole, or failed for each.
        for (failed, left) in [(0, vec![]), (2, vec![0, 1])] {
            let (transition, record) = resumption(failed, left);
            for (running, to_do) in [(&[2][..], 2), (&[0, 2], 1), (&[0, 1, 2], 0)] {
                let mut work = Work::new(transition, Some(&record));
                let candidates = work.candidates(instances(running));
                assert_eq!(candidates.len(), to_do, "{running:?}");
                work.changed.extend(candidates.iter().map(|one| one.name.index));
                let last_run = work.last_run(at(130), None);
                assert_eq!((last_run.changed, last_run.failed, last_run.skipped), (2, 0, 1), "{running:?}");
            }
        }
    }
}
