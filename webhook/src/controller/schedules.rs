//! Schedules, carried out: which edges are due is [`cmp_core::schedule`], asked whenever an account is looked at.
//!
//! What is done is done beside the steps of the accounts: many instances take long, and a cluster that has given its
//! quota back is brought back by those very steps. All replicas do it at once; an instance that another one, or somebody,
//! changed in between is looked at again, and so is whether the edge is still due.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use jiff::Timestamp;
use tokio::sync::Notify;
use tracing::{info, warn};

use cmp_client::accounts::Stored;
use cmp_client::{ApiError, instances};
use cmp_core::account::{Account, Change, Entry, HeldState, InstanceType, Suspended, Want};
use cmp_core::instance::{Instance, Mode};
use cmp_core::keys;
use cmp_core::lifecycle::{Asker, Call, act};
use cmp_core::name::{ClusterName, UserName};
use cmp_core::schedule::{Carried, Cause, Due, Edge, MOST_LEFT, Schedule, Turn, is_done, is_for};

use super::{Context, RESYNC};

/// How many clusters are worked on at once, and how many instances of one.
const CLUSTERS_AT_ONCE: usize = 4;
const INSTANCES_AT_ONCE: usize = 16;
/// For how long a refusal is tried again that comes from an API server which has not seen yet what was just written: the
/// RoleBinding, or that the cluster was brought back.
const CATCH_UP: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_secs(1);
/// When an edge that is due is looked at again: it may be waiting for a cluster to be prepared.
const AGAIN: Duration = Duration::from_secs(5);
/// Why an instance is suspended.
const REASON: &str = "schedule";

type Key = (UserName, ClusterName);

/// The clusters for which something is due.
#[derive(Default)]
pub(super) struct Edges {
    queue: Mutex<Queue>,
    more: Notify,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Key>,
    /// Those and the ones that are being worked on.
    known: HashSet<Key>,
}

impl Edges {
    fn add(&self, key: Key) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.known.insert(key.clone()) {
            queue.waiting.push(key);
            self.more.notify_one();
        }
    }

    async fn next(&self) -> Key {
        loop {
            let more = self.more.notified();
            if let Some(key) = self.queue.lock().unwrap_or_else(PoisonError::into_inner).waiting.pop() {
                return key;
            }
            more.await;
        }
    }

    fn done(&self, key: &Key) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).known.remove(key);
    }
}

/// Whether there is a cluster to do something about.
fn is_there(entry: &Entry) -> bool {
    entry.delete.is_none()
        && entry.newer().is_none()
        && entry
            .held
            .as_ref()
            .is_some_and(|held| !held.uid.is_empty() && matches!(held.state, HeldState::Ready | HeldState::Releasing))
}

/// Has done what is due for the clusters of an account, and says when something will be.
pub(super) fn look(context: &Context, account: &Account, now: Timestamp) -> Duration {
    let mut soonest = RESYNC;
    if account.newer().is_some() {
        return soonest;
    }
    for (cluster, entry) in account.existing().filter(|(_, entry)| is_there(entry)) {
        let Some(schedule) = entry.schedule() else { continue };
        soonest = soonest.min(match schedule.due(entry.scheduled.as_ref(), now) {
            Ok(Due::Now(_)) => {
                context.edges.add((account.user.clone(), cluster.clone()));
                AGAIN
            }
            Ok(Due::At(at)) => Duration::try_from(at.duration_since(now)).unwrap_or_default(),
            Ok(Due::Never) => RESYNC,
            // Stored while nobody was asked. `get schedules` shows it.
            Err(invalid) => {
                warn!(user = %account.user, %cluster, %invalid, "this schedule cannot be read");
                RESYNC
            }
        });
    }
    soonest
}

/// Does what is due, as it comes.
pub(super) async fn run(context: Arc<Context>) {
    let edges = stream::unfold(context.clone(), |context| async move { Some((context.edges.next().await, context)) });
    edges
        .for_each_concurrent(CLUSTERS_AT_ONCE, |key| {
            let context = context.clone();
            async move {
                let (user, cluster) = &key;
                if let Err(error) = carry_out(&context, user, cluster).await {
                    context.metrics.scheduled("error");
                    warn!(%user, %cluster, %error, "an edge of a schedule will be tried again");
                }
                context.edges.done(&key);
            }
        })
        .await;
}

/// What has come of an edge so far.
struct Work {
    edge: Edge,
    /// What was recorded of it before, if it is not the first try.
    before: Option<Carried>,
    looked: bool,
    changed: BTreeSet<u32>,
    left: BTreeMap<u32, String>,
    skipped: u32,
    /// Whether nothing was found to do, and another replica was left the time to say that it did it.
    waited: bool,
}

impl Work {
    fn new(edge: Edge, last: Option<&Carried>) -> Self {
        let before = last.filter(|last| last.is(&edge)).cloned();
        let (changed, left) = (BTreeSet::new(), BTreeMap::new());
        Self { edge, before, looked: false, changed, left, skipped: 0, waited: false }
    }

    /// Which instances are to be changed now: at first all that the edge is about, then those that are left.
    fn candidates(&mut self, shown: Vec<Instance>) -> Vec<Instance> {
        let edge = self.edge;
        if self.looked {
            let mut left = std::mem::take(&mut self.left);
            let (to_do, rest): (Vec<Instance>, Vec<Instance>) = shown
                .into_iter()
                .filter(|shown| left.contains_key(&shown.name.index))
                .partition(|one| is_for(&edge, one));
            // Another replica, or somebody, has done it.
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
            self.changed.extend(shown.iter().filter(|one| is_done(&edge, one, &by)).map(|one| one.name.index));
        }
        let to_do: Vec<Instance> = shown
            .into_iter()
            .filter(|one| is_for(&edge, one) && only.as_ref().is_none_or(|only| only.contains(&one.name.index)))
            .collect();
        self.skipped = match &self.before {
            Some(before) => before.skipped,
            None => u32::try_from(total.saturating_sub(to_do.len() + self.changed.len())).unwrap_or(u32::MAX),
        };
        to_do
    }

    /// What is recorded of it.
    fn carried(&self, now: Timestamp, refused: Option<String>) -> Carried {
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let in_vain = refused.is_some() || !self.left.is_empty();
        let before = self.before.as_ref();
        let left: Vec<u32> = self.left.keys().copied().collect();
        Carried {
            turn: self.edge.turn,
            cause: self.edge.cause,
            due: self.edge.at,
            at: now,
            changed: before.map_or(0, |before| before.changed).saturating_add(number(self.changed.len())),
            failed: number(self.left.len()),
            skipped: self.skipped,
            tries: if in_vain { before.map_or(0, |before| before.tries).saturating_add(1) } else { 0 },
            reason: refused.or_else(|| self.left.values().next().cloned()),
            left: if left.len() > MOST_LEFT { Vec::new() } else { left },
        }
    }
}

/// Carries out what is due for a cluster.
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
        let Some((want, edge, schedule)) = due(&entry, now) else { return Ok(()) };
        let mut one = match work.take() {
            Some(work) if work.edge == edge => work,
            _ => Work::new(edge, entry.scheduled.as_ref()),
        };
        let shown = instances::list(&context.client, cluster, want.kind).await?;
        let on: BTreeSet<u32> = shown.iter().filter(|one| one.on).map(|one| one.name.index).collect();
        let to_do = one.candidates(shown);
        if to_do.is_empty() && one.changed.is_empty() && !one.waited {
            // What was resumed does not say by whom.
            (one.waited, one.looked) = (true, false);
            tokio::time::sleep(PAUSE).await;
            work = Some(one);
            continue;
        }
        if edge.turn == Turn::Resume && !to_do.is_empty() {
            match bring_back(context, &stored, cluster, want, &entry).await {
                Ok(Quota::Held) => {}
                // When it is, the account says so, and is looked at again.
                Ok(Quota::Awaited) => return Ok(()),
                Err(error) if error.is_conflict() => continue,
                Err(error) => {
                    let carried = one.carried(now, Some(error.to_string()));
                    if record(context, &stored, cluster, &carried, None).await? {
                        return Ok(());
                    }
                    continue;
                }
            }
        }
        let mode = schedule.mode;
        let came: Vec<(u32, Came)> = stream::iter(to_do)
            .map(|shown| async move { (shown.name.index, switch(context, &shown, edge, mode, now).await) })
            .buffer_unordered(INSTANCES_AT_ONCE)
            .collect()
            .await;
        let mut again = false;
        one.left.clear();
        let mut off = BTreeSet::new();
        for (index, came) in came {
            match came {
                Came::Changed { on } => {
                    one.changed.insert(index);
                    if !on {
                        off.insert(index);
                    }
                }
                Came::Already => {}
                Came::NotYet(why) => {
                    again = true;
                    one.left.insert(index, why);
                }
                Came::Failed(why) => {
                    one.left.insert(index, why);
                }
            }
        }
        if again && Instant::now() < deadline {
            tokio::time::sleep(PAUSE).await;
            work = Some(one);
            continue;
        }
        let carried = one.carried(Timestamp::now(), None);
        let gives_back = edge.turn == Turn::Suspend
            && one.left.is_empty()
            && on.is_subset(&off)
            && stored.account.policy.suspended == Suspended::Release
            && !want.released;
        let released = gives_back.then(|| Want { released: true, ..want.clone() });
        if record(context, &stored, cluster, &carried, released.as_ref()).await? {
            return Ok(());
        }
        // Somebody wrote the account in between.
        work = Some(one);
    }
}

/// What is due for a cluster that is there.
fn due(entry: &Entry, now: Timestamp) -> Option<(&Want, Edge, &Schedule)> {
    let want = entry.want.as_ref().filter(|_| is_there(entry))?;
    let schedule = entry.schedule()?;
    match schedule.due(entry.scheduled.as_ref(), now) {
        Ok(Due::Now(edge)) => Some((want, edge, schedule)),
        _ => None,
    }
}

/// Whether what is resumed may run.
enum Quota {
    Held,
    Awaited,
}

/// Asks for the quota of a cluster that has given it back.
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

/// In whose name instances are switched.
fn name() -> String {
    format!("system:serviceaccount:{}:{}", keys::SYSTEM_NAMESPACE, keys::WEBHOOK)
}

/// What came of one instance.
enum Came {
    Changed {
        /// It is paused, and keeps what it has.
        on: bool,
    },
    Already,
    /// It changed in between, or not every API server has seen yet that it may be changed.
    NotYet(String),
    Failed(String),
}

async fn switch(context: &Context, shown: &Instance, edge: Edge, mode: Option<Mode>, now: Timestamp) -> Came {
    let asker = Asker { by: name(), at: now, reason: Some(REASON.to_owned()), woken_by: Some(Cause::Schedule) };
    // A schedule that was set for VMs cannot be one for containers; the type is fixed.
    let mode = mode.filter(|_| shown.kind == InstanceType::Vm);
    let act = match act(shown, edge.turn.verb(), mode, Some(&asker)) {
        Ok(Some(act)) => act,
        Ok(None) => return Came::Already,
        Err(refused) => return Came::Failed(refused.to_string()),
    };
    match instances::carry_out(&context.client, shown, &act, keys::WEBHOOK, false).await {
        Ok(()) => Came::Changed { on: edge.turn == Turn::Resume || act.call == Some(Call::Pause) },
        Err(error) if error.is_not_found() => Came::Already,
        Err(error) if error.is_conflict() || error.is_forbidden() => Came::NotYet(error.to_string()),
        Err(error) => Came::Failed(error.to_string()),
    }
}

/// Writes down what was done, and that the quota is given back; says whether that was still as it was read.
async fn record(
    context: &Context,
    stored: &Stored,
    cluster: &ClusterName,
    carried: &Carried,
    released: Option<&Want>,
) -> Result<bool, ApiError> {
    let change = Change::new().scheduled(cluster, Some(carried));
    let change = if released.is_some() { change.want(cluster, released) } else { change };
    match context.accounts.change(stored, &change, keys::WEBHOOK, false).await {
        Ok(_) => {}
        Err(error) if error.is_conflict() => return Ok(false),
        Err(error) => return Err(error),
    }
    let Carried { turn, changed, failed, skipped, reason, .. } = carried;
    context.metrics.scheduled(match carried.tries {
        0 => turn.verb().done(),
        _ => "failed",
    });
    let late = carried.late().as_secs();
    info!(user = %stored.account.user, %cluster, %turn, changed, failed, skipped, late, reason, "by schedule");
    Ok(true)
}
