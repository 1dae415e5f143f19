//! The controllers: read, decide and act until every cluster matches the want of its user.
//!
//! [`cmp_core::controller::next_step`] decides the next step, and [`act`] carries it out. All replicas run the
//! controllers at once. Each step is one idempotent write under the version that was read: if two replicas do the same,
//! one attempt fails and changes nothing.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, LimitRange, Namespace, ObjectReference, ResourceQuota};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::{Action, Controller};
use kube::runtime::events::{Event, EventType, Recorder};
use kube::runtime::reflector::{ObjectRef, store};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use tracing::{info, warn};

use cmp_client::accounts::{self, Accounts, Stored};
use cmp_client::{ApiError, fences};
use cmp_core::account::Entry;
use cmp_core::controller::{Awaited, Fences, Seen, SeenNamespace, Step, backoff, next_step, report, settle};
use cmp_core::keys;
use cmp_core::name::{ClusterName, UserName};
use cmp_core::settings::Settings;

use crate::health::Readiness;
use crate::metrics::{self, Metrics};
use crate::watches::FixedBackoff;

pub mod act;
mod memory;
mod schedules;

use memory::{Clusters, HeldUp, Marks};

/// Number of accounts that are reconciled at once, and of clusters of one account.
const ACCOUNTS_AT_ONCE: u16 = 32;
const CLUSTERS_AT_ONCE: usize = 16;
/// How long a cluster waits before its account reports the reason; most waits are over by then.
const PATIENCE: Duration = Duration::from_secs(5);
/// The same limit for a Namespace that is being deleted, which takes long if there are many deletions.
const GOING: Duration = Duration::from_secs(20);
/// Limit of the note of an Event, in characters: each may take up to four bytes.
const LONGEST_NOTE: usize = 256;
/// Interval at which everything is read again, even without any event.
const RESYNC: Duration = Duration::from_mins(10);
/// Limit of steps in a row. More steps mean that something is wrong: come back later.
const STEPS: usize = 50;

/// The shared state of the controllers.
pub struct Context {
    client: Client,
    accounts: Accounts,
    window: Duration,
    settings: Settings,
    metrics: Arc<Metrics>,
    memory: Mutex<Memory>,
    marks: Marks,
    transitions: schedules::Transitions,
    events: Recorder,
}

#[derive(Default)]
struct Memory {
    clusters: Clusters,
    damaged: BTreeSet<String>,
    last_fence: u64,
}

impl Context {
    /// Creates the context. `window` is the time that an admitted request may take to land; the administrator sets
    /// `settings`.
    pub fn new(client: Client, window: Duration, settings: Settings, metrics: Arc<Metrics>) -> Self {
        let accounts = Accounts::new(client.clone());
        let transitions = schedules::Transitions::default();
        // Accounts that an earlier context found damaged are read again.
        metrics.damaged(0);
        let events = Recorder::new(client.clone(), keys::WEBHOOK.into());
        Self {
            client,
            accounts,
            window,
            settings,
            metrics,
            memory: Mutex::default(),
            marks: Marks::default(),
            transitions,
            events,
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that an account is readable, or deleted.
    fn is_sound(&self, name: &str) {
        let mut memory = self.memory();
        if memory.damaged.remove(name) {
            self.metrics.damaged(memory.damaged.len());
        }
    }

    /// Handles the deletion of accounts, since deleted accounts are not reconciled any more.
    fn hear(&self, event: &watcher::Event<ConfigMap>) {
        match event {
            watcher::Event::Delete(map) => self.is_sound(&map.name_any()),
            // The watch starts again, and a deletion may have been missed. All existing accounts are reconciled once
            // more.
            watcher::Event::Init => {
                self.memory().damaged.clear();
                self.metrics.damaged(0);
            }
            watcher::Event::Apply(_) | watcher::Event::InitApply(_) | watcher::Event::InitDone => {}
        }
    }

    /// Counts a change in the Namespace of a cluster.
    fn changed(&self, user: &UserName, cluster: &ClusterName) {
        self.memory().clusters.entry(user, cluster).changes += 1;
    }

    /// Publishes an Event about the account: the reason why one of its clusters cannot go on.
    async fn tell(&self, user: &UserName, cluster: &ClusterName, reason: &str) {
        let account = ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("ConfigMap".to_owned()),
            name: Some(user.to_string()),
            namespace: Some(keys::USERS_NAMESPACE.to_owned()),
            ..ObjectReference::default()
        };
        // The note of an Event is limited to 1024 bytes (k8s.io/api/events/v1).
        let note: String = format!("cluster {cluster}: {reason}").chars().take(LONGEST_NOTE).collect();
        let event = Event {
            type_: EventType::Warning,
            reason: "ClusterBlocked".to_owned(),
            note: Some(note),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        if let Err(error) = self.events.publish(&event, &account).await {
            warn!(%user, %cluster, %error, "no Event could be made");
        }
    }

    /// Returns a unique nonce of one fence write: timestamp, process id, counter.
    fn fence(&self) -> String {
        let mut memory = self.memory();
        memory.last_fence += 1;
        format!("{}-{}-{}", Timestamp::now().as_nanosecond(), std::process::id(), memory.last_fence)
    }
}

/// Runs the controllers until `stop` completes.
pub async fn run(context: Arc<Context>, readiness: Readiness, stop: impl Future<Output = ()> + Send + Sync + 'static) {
    const CONDITION: &str = "controllers";
    readiness.set(CONDITION, Some("the accounts have not been read yet".to_owned()));
    let client = context.client.clone();
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), keys::USERS_NAMESPACE);
    let only = watcher::Config::default().labels(&format!("{}={}", keys::ACCOUNT, keys::TRUE));
    // `managedFields` are most of an account's ConfigMap, and are not used here.
    let lean = |map: &mut ConfigMap| map.metadata.managed_fields = None;
    let (store, writer) = store();
    let told = context.clone();
    let heard = watcher(api, only).modify(lean).inspect_ok(move |event| told.hear(event));
    let accounts = reflector(writer, heard).applied_objects();
    let controller = Controller::for_stream(accounts, store.clone())
        .with_config(kube::runtime::controller::Config::default().concurrency(ACCOUNTS_AT_ONCE))
        .trigger_backoff(FixedBackoff);
    // Memory holds only the metadata of all other objects, and only until their owner is found.
    let controller = controller
        .watches(metadata::<Namespace>(&client), labelled(keys::OWNER), of_namespace(&context))
        .watches(metadata::<ResourceQuota>(&client), labelled(keys::CLUSTER), of_object(&context))
        .watches(metadata::<LimitRange>(&client), labelled(keys::CLUSTER), of_object(&context))
        .watches(metadata::<NetworkPolicy>(&client), labelled(keys::CLUSTER), of_object(&context))
        .watches(metadata::<RoleBinding>(&client), labelled(keys::CLUSTER), of_object(&context));
    let ready = async move {
        if store.wait_until_ready().await.is_ok() {
            readiness.set(CONDITION, None);
        }
        std::future::pending::<()>().await;
    };
    let schedules = schedules::run(context.clone());
    let work = controller
        .graceful_shutdown_on(stop)
        .run(reconcile, |_, _, _| Action::requeue(Duration::from_secs(1)), context)
        .for_each(|result| async move {
            if let Err(error) = result {
                warn!(error = &error as &dyn std::error::Error, "controller");
            }
        });
    tokio::select! {
        () = work => {}
        () = ready => {}
        () = schedules => {}
    }
}

fn metadata<K>(client: &Client) -> Api<PartialObjectMeta<K>>
where
    K: Resource<DynamicType = ()>,
{
    Api::all(client.clone())
}

fn labelled(label: &str) -> watcher::Config {
    watcher::Config::default().labels(label)
}

fn account_of(user: &UserName) -> ObjectRef<ConfigMap> {
    ObjectRef::new(user.as_str()).within(keys::USERS_NAMESPACE)
}

fn of_namespace(
    context: &Arc<Context>,
) -> impl Fn(PartialObjectMeta<Namespace>) -> Option<ObjectRef<ConfigMap>> + Send + Sync + 'static {
    let context = context.clone();
    move |namespace| {
        let label = |key| namespace.labels().get(key);
        let user = label(keys::OWNER)?.parse().ok()?;
        context.changed(&user, &label(keys::CLUSTER)?.parse().ok()?);
        Some(account_of(&user))
    }
}

/// Maps an object in a Namespace to accounts. The object does not name its owner, so that every user who wants or holds
/// a cluster of that name is reconciled. A cluster that is not in memory has not been reconciled yet.
fn of_object<K>(
    context: &Arc<Context>,
) -> impl Fn(PartialObjectMeta<K>) -> Vec<ObjectRef<ConfigMap>> + Send + Sync + 'static {
    let context = context.clone();
    move |object| {
        let label = object.metadata.labels.as_ref().and_then(|labels| labels.get(keys::CLUSTER));
        let Some(Ok(cluster)) = label.map(|label| label.parse::<ClusterName>()) else { return Vec::new() };
        if object.metadata.namespace.as_deref() != Some(cluster.namespace().as_str()) {
            return Vec::new();
        }
        let users = context.memory().clusters.users_of(&cluster).to_vec();
        for user in &users {
            context.changed(user, &cluster);
        }
        users.iter().map(account_of).collect()
    }
}

/// A failure that ends a reconcile; the account is reconciled again.
#[derive(Debug, thiserror::Error)]
#[error("account {user}: {source}")]
pub struct Failure {
    user: UserName,
    source: ApiError,
}

async fn reconcile(map: Arc<ConfigMap>, context: Arc<Context>) -> Result<Action, Failure> {
    let name = map.name_any();
    let account = match accounts::read(&map) {
        Ok(account) => account,
        Err(error) => return Ok(damaged(&context, name, &error).await),
    };
    context.is_sound(&name);
    let user = account.user.clone();
    let failed = |source| Failure { user: user.clone(), source };
    if !account.is_settled() {
        settle_account(&context, &user).await.map_err(failed)?;
        // The change arrives as an event.
        return Ok(Action::requeue(Duration::from_secs(5)));
    }
    let mut clusters: BTreeSet<ClusterName> = account.clusters.keys().cloned().collect();
    clusters.extend(context.memory().clusters.of_user(&user).cloned());
    let mut soonest = RESYNC;
    let mut undone: Vec<ClusterName> = Vec::new();
    for cluster in clusters {
        let entry = account.cluster(&cluster);
        let mark = context.marks.of(&entry);
        let mut memory = context.memory();
        let remembered = memory.clusters.entry(&user, &cluster);
        match remembered.paused(|| context.marks.of_wish(&entry)) {
            Some(left) => soonest = soonest.min(left),
            None if remembered.is_done(mark, RESYNC) => {}
            None => undone.push(cluster),
        }
    }
    let again = stream::iter(undone)
        .map(|cluster| {
            let (context, user) = (context.clone(), user.clone());
            async move { drive(&context, &user, &cluster).await }
        })
        .buffer_unordered(CLUSTERS_AT_ONCE)
        .fold(soonest, |soonest, again| async move { soonest.min(again) })
        .await;
    Ok(Action::requeue(again.min(schedules::look(&context, &account, Timestamp::now()))))
}

/// Repairs an account that cannot be read. The parts that only an administrator may set are left alone. Until they are
/// set, nothing is done for this user, and nothing of theirs grows.
async fn damaged(context: &Context, name: String, error: &cmp_core::account::Unreadable) -> Action {
    {
        let mut memory = context.memory();
        memory.damaged.insert(name.clone());
        context.metrics.damaged(memory.damaged.len());
    }
    let Ok(user) = name.parse::<UserName>() else { return Action::await_change() };
    match context.accounts.mend(&user, keys::WEBHOOK, Timestamp::now()).await {
        Ok(true) => {
            warn!(%user, %error, "was damaged: mended, and rebuilt from its Namespaces");
            Action::requeue(Duration::from_secs(1))
        }
        Ok(false) => {
            warn!(%user, %error, "is damaged: nothing is done for it until an administrator mends it");
            Action::await_change()
        }
        Err(failed) if failed.is_not_found() => {
            context.is_sound(&name);
            Action::await_change()
        }
        Err(failed) => {
            warn!(%user, damage = %error, error = %failed, "is damaged, and could not be mended: will be tried again");
            Action::requeue(Duration::from_secs(5))
        }
    }
}

/// Settles an account that was created anew, from the Namespaces of its user.
async fn settle_account(context: &Context, user: &UserName) -> Result<(), ApiError> {
    let namespaces: Api<Namespace> = Api::all(context.client.clone());
    let owned = kube::api::ListParams::default().labels(&format!("{}={user}", keys::OWNER));
    let found: Vec<SeenNamespace> = namespaces.list(&owned).await?.iter().map(SeenNamespace::of).collect();
    if let Some(newer) = found.iter().find_map(|seen| seen.newer.as_ref()) {
        // Only the newer version knows how much the Namespace may hold. Until it settles the account, nothing of it
        // grows.
        warn!(%user, why = newer, "a newer version wrote a Namespace of this user: not settled by this one");
        return Ok(());
    }
    // After this write, every writer that decided from the lost account fails.
    for seen in found.iter().filter(|seen| seen.ready) {
        let Some(cluster) = &seen.cluster else { continue };
        act::touch_namespace(context, cluster, seen).await?;
    }
    let stored = context.accounts.get(user).await?;
    if stored.account.is_settled() {
        return Ok(());
    }
    let change = settle(&stored.account, &found);
    match context.accounts.change(&stored, &change, keys::WEBHOOK, false).await {
        Ok(_) => {
            info!(%user, namespaces = found.len(), "settled");
            Ok(())
        }
        Err(error) if error.is_conflict() => Ok(()),
        Err(error) => Err(error),
    }
}

/// The state that is known after a step and need not be read again. Rule 1 holds: the account is never older than the
/// fences. The only exception: nothing follows from the fences but a change of the account. Such a change fails if the
/// account is not the one that was read.
#[derive(Default)]
struct Known {
    /// Number of changes that had been seen when the state was read.
    changes: Option<u64>,
    fences: Option<Fences>,
    stored: Option<Stored>,
}

impl Known {
    fn after(news: act::News, fences: Fences, stored: Stored, changes: u64) -> Self {
        let (fences, stored) = match news {
            act::News::Unknown => return Self::default(),
            act::News::Account(now) => (fences, Some(*now)),
            // After a create, the next step only records the Namespace in the account. For other steps the account is
            // read again.
            act::News::Namespace(now) => {
                let stored = Some(stored).filter(|_| fences.namespace.is_none());
                (Fences { namespace: Some(*now), ..fences }, stored)
            }
            act::News::Bound => (Fences { role_binding: true, ..fences }, Some(stored)),
        };
        Self { changes: Some(changes), fences: Some(fences), stored }
    }

    /// Rule 1: reads the fences first, then the account.
    async fn look(
        &mut self,
        context: &Context,
        user: &UserName,
        cluster: &ClusterName,
    ) -> Result<(Fences, Stored), ApiError> {
        let fences = match self.fences.take() {
            Some(fences) => fences,
            None => fences::read(&context.client, cluster, &context.settings).await?,
        };
        let stored = match self.stored.take() {
            Some(stored) => stored,
            None => context.accounts.get(user).await?,
        };
        Ok((fences, stored))
    }
}

/// Brings one cluster as far as possible now, and returns when to come back.
async fn drive(context: &Context, user: &UserName, cluster: &ClusterName) -> Duration {
    let mut known = Known::default();
    for _ in 0..STEPS {
        let changes = known
            .changes
            .unwrap_or_else(|| context.memory().clusters.get(user, cluster).map_or(0, |seen| seen.changes));
        let (fences, stored) = match known.look(context, user, cluster).await {
            Ok(looked) => looked,
            Err(error) if error.is_not_found() => {
                // The account is gone: its Namespaces stay until it is created anew.
                context.memory().clusters.remove(user, cluster);
                return RESYNC;
            }
            Err(error) => {
                context.metrics.failed(metrics::READ);
                warn!(%cluster, step = metrics::READ, %error, "cannot read the cluster and its account: retrying");
                return Duration::from_secs(1);
            }
        };
        let unchanged_for = unchanged_for(context, user, cluster, &fences);
        let settings = &context.settings;
        let seen = Seen { account: &stored.account, cluster, fences: &fences, unchanged_for, settings };
        let step = next_step(&seen, context.window, Timestamp::now());
        let releasing = matches!(&step, Step::Lower { .. } | Step::Wait { again: Some(_), .. });
        if !releasing && let Some(remembered) = context.memory().clusters.get_mut(user, cluster) {
            remembered.fences = None;
        }
        let look = Look { context, user, cluster, stored: &stored, changes };
        match &step {
            Step::Nothing => {
                look.rest();
                return RESYNC;
            }
            Step::Wait { what, again } => {
                let again = again.unwrap_or(Duration::from_secs(30));
                return if what.is_reported() { look.wait(what, again).await } else { again };
            }
            step => {
                let name = act::name(step);
                match act::carry_out(context, &stored, cluster, &fences, step).await {
                    Ok(act::Outcome::Done(news)) => {
                        context.metrics.stepped(name);
                        look.went_on();
                        known = Known::after(news, fences, stored, changes);
                    }
                    Ok(act::Outcome::Touched(marks)) => {
                        // The writes are our own, under the versions that were seen: no other write came between.
                        if let Some(remembered) = context.memory().clusters.get_mut(user, cluster)
                            && let Some(fences) = &mut remembered.fences
                        {
                            fences.0 = marks;
                        }
                        return Duration::from_secs(1);
                    }
                    Ok(act::Outcome::NotYet(why)) => {
                        info!(%user, %cluster, why, "not given back yet");
                        return look.failed(format!("its quota is not given back yet: {why}"), false).await;
                    }
                    Err(error) if error.is_conflict() || error.is_already_there() || error.is_not_found() => {
                        context.metrics.failed(metrics::CONFLICT);
                        known = Known::default();
                    }
                    Err(error) => {
                        context.metrics.failed(name);
                        warn!(%cluster, step = name, %error, "will be tried again");
                        return look.failed(act::failure(step, &error), error.is_refusal()).await;
                    }
                }
            }
        }
    }
    warn!(%user, %cluster, "does not come to rest");
    Duration::from_secs(5)
}

/// A look at a cluster, for the memory of the controllers.
struct Look<'a> {
    context: &'a Context,
    user: &'a UserName,
    cluster: &'a ClusterName,
    stored: &'a Stored,
    changes: u64,
}

impl Look<'_> {
    /// Records that nothing is left to do.
    fn rest(&self) {
        self.went_on();
        remember(self.context, self.user, self.cluster, self.stored, self.changes);
    }

    /// Forgets the reason why the cluster was held up, since a step succeeded.
    fn went_on(&self) {
        if let Some(remembered) = self.context.memory().clusters.get_mut(self.user, self.cluster) {
            remembered.held_up = None;
        }
    }

    /// Handles a cluster that waits for something else. Returns when to look again.
    async fn wait(&self, what: &Awaited, again: Duration) -> Duration {
        let reason = what.to_string();
        let patience = if matches!(what, Awaited::NamespaceGone { .. }) { GOING } else { PATIENCE };
        let since = self.hold_up(&reason, |_| Duration::ZERO).0;
        match patience.checked_sub(since.elapsed()) {
            Some(left) if !left.is_zero() => again.min(left),
            _ => {
                self.explain(&reason).await;
                again
            }
        }
    }

    /// Handles a failed step, or remains that exceed the want. Returns when to try again. A `refusal` is explained at
    /// once.
    async fn failed(&self, reason: String, refusal: bool) -> Duration {
        let (since, pause) = self.hold_up(&reason, |failures| backoff(failures, fastrand::u16(0..=1000)));
        if refusal || since.elapsed() >= PATIENCE {
            self.explain(&reason).await;
        }
        pause
    }

    /// Remembers the reason. Returns since when it has been the same, and how long to pause.
    fn hold_up(&self, reason: &str, pause: impl FnOnce(u32) -> Duration) -> (Instant, Duration) {
        let now = Instant::now();
        let entry = self.stored.account.cluster(self.cluster);
        let wish = self.context.marks.of_wish(&entry);
        let mut memory = self.context.memory();
        let remembered = memory.clusters.entry(self.user, self.cluster);
        let before = remembered.held_up.take();
        let since = before.as_ref().filter(|before| before.reason == reason).map_or(now, |before| before.since);
        let failures = before.map_or(0, |before| before.failures).saturating_add(1);
        let pause = pause(failures);
        let until = (wish, self.changes, now + pause);
        remembered.held_up = Some(Box::new(HeldUp { reason: reason.to_owned(), since, failures, until }));
        (since, pause)
    }

    /// Writes the reason into the account, and publishes an Event about it.
    async fn explain(&self, reason: &str) {
        let Self { context, user, cluster, stored, .. } = self;
        let Some(change) = report(&stored.account, cluster, reason, Timestamp::now()) else { return };
        match context.accounts.change(stored, &change, keys::WEBHOOK, false).await {
            Ok(_) => {
                info!(%user, %cluster, reason, "cannot go on");
                context.tell(user, cluster, reason).await;
            }
            // On a conflict the next look reads a newer account.
            Err(error) if error.is_conflict() => {}
            Err(error) => warn!(%user, %cluster, %error, "the account does not say why it cannot go on"),
        }
    }
}

/// Returns how long this controller has seen the same fences.
fn unchanged_for(context: &Context, user: &UserName, cluster: &ClusterName, fences: &Fences) -> Duration {
    let mut memory = context.memory();
    let remembered = memory.clusters.entry(user, cluster);
    let marks = fences.marks();
    match remembered.fences.as_deref() {
        Some((seen, since)) if *seen == marks => since.elapsed(),
        _ => {
            remembered.fences = Some(Box::new((marks, Instant::now())));
            Duration::ZERO
        }
    }
}

fn remember(context: &Context, user: &UserName, cluster: &ClusterName, stored: &Stored, changes: u64) {
    let entry = stored.account.cluster(cluster);
    let mut memory = context.memory();
    if entry == Entry::default() {
        // Neither wanted nor held, and no Namespace of ours: nothing is left to remember, unless it changed just now.
        if memory.clusters.get(user, cluster).is_none_or(|remembered| remembered.changes == changes) {
            memory.clusters.remove(user, cluster);
        }
    } else if let Some(remembered) = memory.clusters.get_mut(user, cluster) {
        remembered.done = Some((context.marks.of(&entry), changes, Instant::now()));
    }
}
