//! The controllers: look, decide, act, until every cluster is what its user wants.
//!
//! What to do next is [`cmp_core::controller::next_step`]; how it is done is [`act`]. All replicas run this at once:
//! each step is one write that is safe to repeat, under the version that was read, so that two who do the same cost
//! an attempt and change nothing.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, LimitRange, Namespace, ResourceQuota};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::{Action, Controller};
use kube::runtime::reflector::{ObjectRef, store};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use tracing::{info, warn};

use cmp_client::accounts::{self, Accounts, Stored};
use cmp_client::{ApiError, fences};
use cmp_core::account::Entry;
use cmp_core::controller::{Fences, Seen, SeenNamespace, Step, next_step, settle};
use cmp_core::keys;
use cmp_core::name::{ClusterName, UserName};

use crate::health::Readiness;
use crate::metrics::Metrics;
use crate::watches::Steady;

pub mod act;
mod memory;
mod schedules;

use memory::{Clusters, Marks};

/// How many accounts are worked on at once, and how many clusters of one.
const ACCOUNTS_AT_ONCE: u16 = 32;
const CLUSTERS_AT_ONCE: usize = 16;
/// Everything is looked at again so often, even if nobody said that it changed.
const RESYNC: Duration = Duration::from_mins(10);
/// After so many steps in a row something is wrong: come back later.
const STEPS: usize = 50;

/// What the controllers work with.
pub struct Context {
    client: Client,
    accounts: Accounts,
    window: Duration,
    metrics: Arc<Metrics>,
    memory: Mutex<Memory>,
    marks: Marks,
    edges: schedules::Edges,
}

#[derive(Default)]
struct Memory {
    clusters: Clusters,
    damaged: BTreeSet<String>,
    last_fence: u64,
}

impl Context {
    /// For a client, with the time that an admitted request may take to land.
    pub fn new(client: Client, window: Duration, metrics: Arc<Metrics>) -> Self {
        let accounts = Accounts::new(client.clone());
        let edges = schedules::Edges::default();
        Self { client, accounts, window, metrics, memory: Mutex::default(), marks: Marks::default(), edges }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something in the Namespace of a cluster changed.
    fn changed(&self, user: &UserName, cluster: &ClusterName) {
        self.memory().clusters.entry(user, cluster).changes += 1;
    }

    /// A value that no other write of a fence has: who, when, and the how manieth.
    fn fence(&self) -> String {
        let mut memory = self.memory();
        memory.last_fence += 1;
        format!("{}-{}-{}", Timestamp::now().as_nanosecond(), std::process::id(), memory.last_fence)
    }
}

/// Runs until `stop`.
pub async fn run(context: Arc<Context>, readiness: Readiness, stop: impl Future<Output = ()> + Send + Sync + 'static) {
    const CONDITION: &str = "controllers";
    readiness.set(CONDITION, Some("the accounts have not been read yet".to_owned()));
    let client = context.client.clone();
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), keys::USERS_NAMESPACE);
    let only = watcher::Config::default().labels(&format!("{}={}", keys::ACCOUNT, keys::TRUE));
    // Who wrote which key is most of an account's ConfigMap, and of no use here.
    let lean = |map: &mut ConfigMap| map.metadata.managed_fields = None;
    let (store, writer) = store();
    let accounts = reflector(writer, watcher(api, only).modify(lean)).applied_objects();
    let controller = Controller::for_stream(accounts, store.clone())
        .with_config(kube::runtime::controller::Config::default().concurrency(ACCOUNTS_AT_ONCE))
        .trigger_backoff(Steady);
    // Of everything else only the metadata is kept in memory, and only for as long as it takes to see whose it is.
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

/// An object in a Namespace does not say whose it is: everyone looks who wants or holds a cluster of that name. Of a
/// cluster that is not remembered nobody has looked at anything yet.
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

/// A failure that ends a look; the account is looked at again.
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
    {
        let mut memory = context.memory();
        if memory.damaged.remove(&name) {
            context.metrics.damaged(memory.damaged.len());
        }
    }
    let user = account.user.clone();
    let failed = |source| Failure { user: user.clone(), source };
    if !account.is_settled() {
        settle_account(&context, &user).await.map_err(failed)?;
        // The change comes back as an event.
        return Ok(Action::requeue(Duration::from_secs(5)));
    }
    let mut clusters: BTreeSet<ClusterName> = account.clusters.keys().cloned().collect();
    clusters.extend(context.memory().clusters.of_user(&user).cloned());
    let undone: Vec<ClusterName> = clusters
        .into_iter()
        .filter(|cluster| {
            let entry = context.marks.of(&account.cluster(cluster));
            !context.memory().clusters.entry(&user, cluster).is_done(entry, RESYNC)
        })
        .collect();
    let again = stream::iter(undone)
        .map(|cluster| {
            let (context, user) = (context.clone(), user.clone());
            async move { drive(&context, &user, &cluster).await }
        })
        .buffer_unordered(CLUSTERS_AT_ONCE)
        .fold(RESYNC, |soonest, again| async move { soonest.min(again) })
        .await;
    Ok(Action::requeue(again.min(schedules::look(&context, &account, Timestamp::now()))))
}

/// Mends an account that cannot be read. What an administrator has to say is left alone; until it is said, nothing is
/// done for this user, and nothing of theirs grows.
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
        Err(failed) if failed.is_not_found() => Action::await_change(),
        Err(failed) => {
            warn!(%user, damage = %error, error = %failed, "is damaged, and could not be mended: will be tried again");
            Action::requeue(Duration::from_secs(5))
        }
    }
}

/// Looks up the Namespaces of a user whose account was made anew.
async fn settle_account(context: &Context, user: &UserName) -> Result<(), ApiError> {
    let namespaces: Api<Namespace> = Api::all(context.client.clone());
    let owned = kube::api::ListParams::default().labels(&format!("{}={user}", keys::OWNER));
    let found: Vec<SeenNamespace> = namespaces.list(&owned).await?.iter().map(SeenNamespace::of).collect();
    // Whoever decided something from the account that was lost fails from here on.
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

/// What is known after a step, and need not be read again. Rule 1 stands: the account is never older than the fences,
/// but where nothing follows from them save a change of the account itself, which fails if it is not what was read.
#[derive(Default)]
struct Known {
    /// How often something had been seen to change when it was read.
    changes: Option<u64>,
    fences: Option<Fences>,
    stored: Option<Stored>,
}

impl Known {
    fn after(news: act::News, fences: Fences, stored: Stored, changes: u64) -> Self {
        let (fences, stored) = match news {
            act::News::Unknown => return Self::default(),
            act::News::Account(now) => (fences, Some(*now)),
            // One that was made just now is only written into the account; for the others it is read again.
            act::News::Namespace(now) => {
                let stored = Some(stored).filter(|_| fences.namespace.is_none());
                (Fences { namespace: Some(now), ..fences }, stored)
            }
            act::News::Bound => (Fences { role_binding: true, ..fences }, Some(stored)),
        };
        Self { changes: Some(changes), fences: Some(fences), stored }
    }

    /// Rule 1: the fences first, then the account.
    async fn look(
        &mut self,
        context: &Context,
        user: &UserName,
        cluster: &ClusterName,
    ) -> Result<(Fences, Stored), ApiError> {
        let fences = match self.fences.take() {
            Some(fences) => fences,
            None => fences::read(&context.client, cluster).await?,
        };
        let stored = match self.stored.take() {
            Some(stored) => stored,
            None => context.accounts.get(user).await?,
        };
        Ok((fences, stored))
    }
}

/// Brings one cluster as far as it goes now, and says when to come back.
async fn drive(context: &Context, user: &UserName, cluster: &ClusterName) -> Duration {
    let mut known = Known::default();
    for _ in 0..STEPS {
        let changes = known
            .changes
            .unwrap_or_else(|| context.memory().clusters.get(user, cluster).map_or(0, |seen| seen.changes));
        let (fences, stored) = match known.look(context, user, cluster).await {
            Ok(looked) => looked,
            Err(error) if error.is_not_found() => {
                // The account is gone: its Namespaces stay until it is made anew.
                context.memory().clusters.remove(user, cluster);
                return RESYNC;
            }
            Err(error) => return later(context, cluster, "look", &error),
        };
        let unchanged_for = unchanged_for(context, user, cluster, &fences);
        let seen = Seen { account: &stored.account, cluster, fences: &fences, unchanged_for };
        let step = next_step(&seen, context.window, Timestamp::now());
        let releasing = matches!(&step, Step::Lower { .. } | Step::Wait { again: Some(_), .. });
        if !releasing && let Some(remembered) = context.memory().clusters.get_mut(user, cluster) {
            remembered.fences = None;
        }
        match step {
            Step::Nothing => {
                remember(context, user, cluster, &stored, changes);
                return RESYNC;
            }
            Step::Wait { again, .. } => return again.unwrap_or(Duration::from_secs(30)),
            step => {
                let name = act::name(&step);
                match act::carry_out(context, &stored, cluster, &fences, step).await {
                    Ok(act::Outcome::Done(news)) => {
                        context.metrics.stepped(name);
                        known = Known::after(news, fences, stored, changes);
                    }
                    Ok(act::Outcome::Touched(marks)) => {
                        // Our own writes, under the versions that were seen: nothing else came between.
                        if let Some(remembered) = context.memory().clusters.get_mut(user, cluster)
                            && let Some(fences) = &mut remembered.fences
                        {
                            fences.0 = marks;
                        }
                        return Duration::from_secs(1);
                    }
                    Ok(act::Outcome::NotYet(why)) => {
                        info!(%user, %cluster, why, "not given back yet");
                        return Duration::from_secs(1);
                    }
                    Err(error) if error.is_conflict() || error.is_already_there() || error.is_not_found() => {
                        context.metrics.failed("conflict");
                        known = Known::default();
                    }
                    Err(error) => return later(context, cluster, name, &error),
                }
            }
        }
    }
    warn!(%user, %cluster, "does not come to rest");
    Duration::from_secs(5)
}

fn later(context: &Context, cluster: &ClusterName, step: &'static str, error: &ApiError) -> Duration {
    context.metrics.failed(step);
    warn!(%cluster, step, %error, "will be tried again");
    Duration::from_secs(1)
}

/// For how long this controller has seen these very fences.
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
        // Neither wanted nor held, and no Namespace of ours: nothing is left to remember, unless it just changed.
        if memory.clusters.get(user, cluster).is_none_or(|remembered| remembered.changes == changes) {
            memory.clusters.remove(user, cluster);
        }
    } else if let Some(remembered) = memory.clusters.get_mut(user, cluster) {
        remembered.done = Some((context.marks.of(&entry), changes, Instant::now()));
    }
}
