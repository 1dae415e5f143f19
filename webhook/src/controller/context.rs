//! The shared state of the controllers.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, ObjectReference};
use kube::runtime::events::{Event, EventType, Recorder};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;
use kube::{Client, ResourceExt};
use tracing::warn;

use cmp_client::ApiError;
use cmp_client::accounts::{self, Accounts, Stored};
use cmp_core::account::change::Change;
use cmp_core::keys;
use cmp_core::name::{ClusterName, UserName};
use cmp_core::settings::Settings;

use super::memory::{Clusters, EntryHasher};
use super::story::Story;
use super::transitions::Transitions;
use crate::metrics::Metrics;

/// Limit of the note of an Event, in characters: each may take up to four bytes.
const LONGEST_NOTE: usize = 256;
/// Interval at which everything is read again, even without any event.
pub(super) const RESYNC: Duration = Duration::from_mins(10);

/// The shared state of the controllers.
pub struct Context {
    pub(super) client: Client,
    pub(super) accounts: Accounts,
    pub(super) window: Duration,
    pub(super) settings: Settings,
    pub(super) metrics: Arc<Metrics>,
    memory: Mutex<Memory>,
    pub(super) hasher: EntryHasher,
    pub(super) transitions: Transitions,
    pub(super) story: Story,
    events: Recorder,
}

#[derive(Default)]
pub(super) struct Memory {
    pub(super) clusters: Clusters,
    pub(super) damaged: BTreeSet<String>,
    last_nonce: u64,
}

impl Context {
    /// Creates the context. `window` is the time that an admitted request may take to land; the administrator sets
    /// `settings`.
    pub fn new(client: Client, window: Duration, settings: Settings, metrics: Arc<Metrics>) -> Self {
        let accounts = Accounts::new(client.clone());
        let transitions = Transitions::default();
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
            hasher: EntryHasher::default(),
            transitions,
            story: Story::default(),
            events,
        }
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that an account is readable, or deleted.
    pub(super) fn mark_readable(&self, name: &str) {
        let mut memory = self.memory();
        if memory.damaged.remove(name) {
            self.metrics.damaged(memory.damaged.len());
        }
    }

    /// Handles the deletion of accounts, since deleted accounts are not reconciled any more.
    pub(super) fn on_account_event(&self, event: &watcher::Event<ConfigMap>) {
        match event {
            watcher::Event::Delete(map) => self.mark_readable(&map.name_any()),
            // The watch starts again, and a deletion may have been missed. All existing accounts are reconciled once
            // more.
            watcher::Event::Init => {
                self.memory().damaged.clear();
                self.metrics.damaged(0);
            }
            watcher::Event::Apply(_) | watcher::Event::InitApply(_) | watcher::Event::InitDone => {}
        }
    }

    /// Changes an account by compare-and-swap, and tells what that means for a cluster.
    pub(super) async fn change(
        &self,
        stored: &Stored,
        cluster: &ClusterName,
        change: &Change,
    ) -> Result<Stored, ApiError> {
        let changed = self.accounts.change(stored, change, keys::WEBHOOK, false).await?;
        self.story.tell(&self.metrics, stored, &changed, cluster);
        Ok(changed)
    }

    /// Returns the uid of the Namespace that the account of its user holds for a cluster.
    pub(super) fn uid_of(&self, accounts: &Store<ConfigMap>, cluster: &ClusterName) -> Option<String> {
        let users = self.memory().clusters.users_of(cluster).to_vec();
        users.iter().find_map(|user| {
            let map = accounts.get(&ObjectRef::new(user.as_str()).within(keys::USERS_NAMESPACE))?;
            let entry = accounts::read(&map).ok()?.cluster(cluster);
            entry.uid().filter(|uid| !uid.is_empty()).map(str::to_owned)
        })
    }

    /// Counts a change in the Namespace of a cluster.
    pub(super) fn count_change(&self, user: &UserName, cluster: &ClusterName) {
        self.memory().clusters.entry(user, cluster).changes += 1;
    }

    /// Publishes an Event about the account: the reason why one of its clusters cannot go on.
    pub(super) async fn publish_event(&self, user: &UserName, cluster: &ClusterName, reason: &str) {
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
            warn!(%user, %cluster, %error, "the Event could not be created");
        }
    }

    /// Returns a unique nonce of one fence write: timestamp, process id, counter.
    pub(super) fn nonce(&self) -> String {
        let mut memory = self.memory();
        memory.last_nonce += 1;
        format!("{}-{}-{}", Timestamp::now().as_nanosecond(), std::process::id(), memory.last_nonce)
    }
}
