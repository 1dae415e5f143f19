//! The controllers: read, decide and act until every cluster matches the want of its user.
//!
//! [`cmp_core::controller::next_step`] decides the next step, and [`act`] carries it out. All replicas run the
//! controllers at once. Each step is one idempotent write under the version that was read: if two replicas do the same,
//! one attempt fails and changes nothing.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, LimitRange, Namespace, ResourceQuota};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::ResourceExt;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::{Action, Controller};
use kube::runtime::reflector::{ObjectRef, store};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use tracing::{info, warn};

use cmp_client::ApiError;
use cmp_client::accounts;
use cmp_client::namespaces::{self, Of};
use cmp_client::watches::{self, metadata};
use cmp_core::controller::settle;
use cmp_core::fences::ObservedNamespace;
use cmp_core::keys;
use cmp_core::name::{ClusterName, UserName};

use crate::health::Readiness;
use crate::watches::FixedBackoff;

pub mod act;
mod cluster;
mod context;
mod memory;
mod reconciliation;
mod schedules;
mod story;
mod switches;
mod transitions;

pub use context::Context;
use context::RESYNC;

/// Number of accounts that are reconciled at once, and of clusters of one account.
const ACCOUNTS_AT_ONCE: u16 = 32;
const CLUSTERS_AT_ONCE: usize = 16;

/// Runs the controllers until `stop` completes.
pub async fn run(context: Arc<Context>, readiness: Readiness, stop: impl Future<Output = ()> + Send + Sync + 'static) {
    const CONDITION: &str = "controllers";
    readiness.set(CONDITION, Some("the accounts have not been read yet".to_owned()));
    let client = context.client.clone();
    // `managedFields` are most of an account's ConfigMap, and are not used here.
    let lean = |map: &mut ConfigMap| map.metadata.managed_fields = None;
    let (store, writer) = store();
    let told = context.clone();
    let heard = watches::accounts(&client).modify(lean).inspect_ok(move |event| told.on_account_event(event));
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
    let switches = switches::run(context.clone(), store.clone());
    let ready = async move {
        if store.wait_until_ready().await.is_ok() {
            readiness.set(CONDITION, None);
        }
        std::future::pending::<()>().await;
    };
    let schedules = schedules::run(context.clone());
    let teller = context.clone();
    let work = controller
        .graceful_shutdown_on(stop)
        .run(reconcile, |_, _, _| Action::requeue(Duration::from_secs(1)), context)
        .for_each(|result| async move {
            if let Err(error) = result {
                warn!(error = &error as &dyn std::error::Error, "reconciling failed");
            }
        });
    tokio::select! {
        () = work => {}
        () = ready => {}
        () = schedules => {}
        () = switches => {}
        () = teller.story.run(&teller.client, &teller.metrics) => {}
    }
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
        context.count_change(&user, &label(keys::CLUSTER)?.parse().ok()?);
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
            context.count_change(user, &cluster);
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
    context.mark_readable(&name);
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
        let hash = context.hasher.of(&entry);
        let mut memory = context.memory();
        let remembered = memory.clusters.entry(&user, &cluster);
        match remembered.paused(|| context.hasher.of_request(&entry)) {
            Some(left) => soonest = soonest.min(left),
            None if remembered.is_done(hash, RESYNC) => {}
            None => undone.push(cluster),
        }
    }
    let again = stream::iter(undone)
        .map(|cluster| {
            let (context, user) = (context.clone(), user.clone());
            async move { cluster::reconcile_cluster(&context, &user, &cluster).await }
        })
        .buffer_unordered(CLUSTERS_AT_ONCE)
        .fold(soonest, |soonest, again| async move { soonest.min(again) })
        .await;
    Ok(Action::requeue(again.min(schedules::queue_due(&context, &account, Timestamp::now()))))
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
            warn!(%user, %error, "the account was damaged: it is repaired and rebuilt from its Namespaces");
            Action::requeue(Duration::from_secs(1))
        }
        Ok(false) => {
            warn!(%user, %error, "the account is damaged: it is not changed until an administrator repairs it");
            Action::await_change()
        }
        Err(failed) if failed.is_not_found() => {
            context.mark_readable(&name);
            Action::await_change()
        }
        Err(failed) => {
            warn!(%user, damage = %error, error = %failed, "the account is damaged and could not be repaired: retrying");
            Action::requeue(Duration::from_secs(5))
        }
    }
}

/// Settles an account that was created anew, from the Namespaces of its user.
async fn settle_account(context: &Context, user: &UserName) -> Result<(), ApiError> {
    let owned = namespaces::owned(&context.client, Of::User(user)).await?;
    let found: Vec<ObservedNamespace> = owned.into_iter().map(|(_, seen)| seen).collect();
    if let Some(newer) = found.iter().find_map(|seen| seen.newer.as_ref()) {
        // Only the newer version knows how much the Namespace may hold. Until it settles the account, nothing of it
        // grows.
        warn!(%user, why = newer, "a newer version wrote a Namespace of this user: the newer version has to settle the account");
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
