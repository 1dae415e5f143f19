//! Accounts stored as ConfigMaps: read, patch under the `resourceVersion` that was read, and wait.
//!
//! No other module knows that an account is a ConfigMap.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use cmp_core::account::change::Change;
use cmp_core::account::{Account, Unreadable};
use cmp_core::keys;
use cmp_core::manifest::pairs;
use cmp_core::name::{ClusterName, UserName};
use cmp_core::story::{self, Authors};

use crate::error::{ApiError, if_there};
use crate::patience::Patience;

/// An account, and the version of it that was read.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The parsed content of the ConfigMap.
    pub account: Account,
    /// The `resourceVersion` that a write has to name.
    pub version: String,
    /// The creation time of the ConfigMap.
    pub created: Option<jiff::Timestamp>,
    /// The labels of the ConfigMap.
    pub labels: BTreeMap<String, String>,
    /// The usernames of those who last changed a key, for keys whose change was signed.
    pub authors: BTreeMap<String, String>,
}

impl Stored {
    /// Returns who last changed the keys of a cluster.
    pub fn authors_of(&self, cluster: &ClusterName) -> Authors<'_> {
        let of = |prefix: &str| self.authors.get(&format!("{prefix}{cluster}")).map(String::as_str);
        Authors { want: of(keys::data::WANT), delete: of(keys::data::DELETE) }
    }
}

/// The person who signs changes of accounts and the verbs on instances, once the API server has said who that is.
/// Clones share the name.
#[derive(Debug, Clone, Default)]
pub struct Signer(Arc<OnceLock<Option<String>>>);

impl Signer {
    /// Sets the username. Only the first one counts.
    pub fn set(&self, username: &str) {
        self.0.get_or_init(|| story::signature(username));
    }

    /// Returns the field manager of a change.
    pub fn manager<'a>(&'a self, unsigned: &'a str) -> &'a str {
        self.0.get().and_then(Option::as_deref).unwrap_or(unsigned)
    }
}

/// All accounts that the caller may see.
#[derive(Clone)]
pub struct Accounts {
    api: Api<ConfigMap>,
    signer: Signer,
    patience: Patience,
}

/// Returns the label selector of accounts.
pub(crate) fn selector() -> String {
    format!("{}={}", keys::ACCOUNT, keys::TRUE)
}

/// Reports whether a ConfigMap in the users' Namespace is an account.
pub fn is_account(map: &ConfigMap) -> bool {
    map.labels().get(keys::ACCOUNT).is_some_and(|value| value == keys::TRUE)
}

/// Reads the account in a ConfigMap. Fails if any part of it is unreadable.
pub fn read(map: &ConfigMap) -> Result<Account, Unreadable> {
    let (account, mut damaged) = read_what_can_be(map)?;
    if damaged.is_empty() { Ok(account) } else { Err(damaged.swap_remove(0)) }
}

/// Reads as much of the account in a ConfigMap as can be read, and returns an error for each part that cannot.
pub fn read_what_can_be(map: &ConfigMap) -> Result<(Account, Vec<Unreadable>), Unreadable> {
    let unnamed = |why: String| Unreadable { key: "metadata.name".to_owned(), why };
    let user: UserName =
        map.name_any().parse().map_err(|error: cmp_core::name::InvalidName| unnamed(error.to_string()))?;
    let nothing = BTreeMap::new();
    let (uid, data) = (map.metadata.uid.as_deref().unwrap_or_default(), map.data.as_ref().unwrap_or(&nothing));
    Ok(Account::read_what_can_be(user, uid, data))
}

fn stored(map: &ConfigMap) -> Result<Stored, ApiError> {
    if !is_account(map) {
        let message = format!("ConfigMap {} in {} is not an account", map.name_any(), keys::USERS_NAMESPACE);
        return Err(ApiError::refused(404, "NotFound", message));
    }
    let account = read(map).map_err(|source| ApiError::Damaged { user: map.name_any(), source })?;
    Ok(Stored {
        account,
        version: map.resource_version().unwrap_or_default(),
        created: map.metadata.creation_timestamp.as_ref().map(|time| time.0),
        labels: map.labels().clone(),
        authors: authors(map),
    })
}

/// Returns the username of each key's last writer, for the keys whose field manager is a signature.
fn authors(map: &ConfigMap) -> BTreeMap<String, String> {
    let mut authors = BTreeMap::new();
    for entry in map.managed_fields() {
        let Some(username) = entry.manager.as_deref().and_then(story::signer) else { continue };
        let fields = entry.fields_v1.as_ref().and_then(|fields| fields.0.get("f:data")?.as_object());
        let keys = fields.into_iter().flat_map(|fields| fields.keys()).filter_map(|key| key.strip_prefix("f:"));
        authors.extend(keys.map(|key| (key.to_owned(), username.to_owned())));
    }
    authors
}

/// Yields whenever an object changes, and once when the first list is complete. Errors are retried with an increasing
/// back-off.
pub fn changes<K>(api: Api<K>, config: Config) -> BoxStream<'static, ()>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let changed = watcher(api, config).default_backoff().filter_map(|event| async move {
        matches!(event, Ok(Event::InitDone | Event::Apply(_) | Event::Delete(_))).then_some(())
    });
    changed.boxed()
}

impl Accounts {
    /// Creates a view that makes its calls through `client`.
    pub fn new(client: Client) -> Self {
        Self {
            api: Api::namespaced(client, keys::USERS_NAMESPACE),
            signer: Signer::default(),
            patience: Patience::default(),
        }
    }

    /// Returns the same view, whose updates this person signs.
    #[must_use]
    pub fn signed(self, signer: &Signer) -> Self {
        Self { signer: signer.clone(), ..self }
    }

    /// Returns the same view, whose contended updates have this patience.
    #[must_use]
    pub fn patient(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// Returns the patience of the updates.
    pub(crate) fn patience(&self) -> Patience {
        self.patience
    }

    /// Returns the field manager of an update.
    pub(crate) fn manager<'a>(&'a self, unsigned: &'a str) -> &'a str {
        self.signer.manager(unsigned)
    }

    /// Reads one account from etcd, not from a cache.
    pub async fn get(&self, user: &UserName) -> Result<Stored, ApiError> {
        stored(&self.api.get(user.as_str()).await?)
    }

    /// Reads all accounts. An account that cannot be read is an error of its own in the list.
    pub async fn list(&self) -> Result<Vec<Result<Stored, ApiError>>, ApiError> {
        let list = self.api.list(&ListParams::default().labels(&selector())).await?;
        Ok(list.items.iter().map(stored).collect())
    }

    /// Lists the names of all accounts, including those that cannot be read.
    pub async fn names(&self) -> Result<Vec<String>, ApiError> {
        let ours = ListParams::default().labels(&selector());
        Ok(self.api.list_metadata(&ours).await?.items.iter().map(ResourceExt::name_any).collect())
    }

    /// Reads the revision of the API server: the `resourceVersion` of a list.
    pub async fn revision(&self) -> Result<Option<u64>, ApiError> {
        let list = self.api.list_metadata(&ListParams::default().limit(1)).await?;
        Ok(list.metadata.resource_version.and_then(|version| version.parse().ok()))
    }

    /// Creates an account with these values. Fails if the user has one.
    pub async fn create(&self, user: &UserName, values: &Change, manager: &str, dry_run: bool) -> Result<(), ApiError> {
        let map = ConfigMap {
            metadata: ObjectMeta {
                name: Some(user.to_string()),
                labels: Some(pairs([(keys::ACCOUNT, keys::TRUE), (keys::MANAGED_BY, keys::MANAGER)])),
                ..ObjectMeta::default()
            },
            data: Some(values.entries().filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned()))).collect()),
            ..ConfigMap::default()
        };
        let params = PostParams { dry_run, field_manager: Some(manager.to_owned()) };
        self.api.create(&params, &map).await?;
        Ok(())
    }

    /// Deletes an account, if it exists. A policy refuses that while the account holds something.
    pub async fn delete(&self, name: &str, dry_run: bool) -> Result<(), ApiError> {
        let params = DeleteParams { dry_run, ..DeleteParams::background() };
        if_there(self.api.delete(name, &params).await.map_err(ApiError::from)).map(drop)
    }

    /// Reports whether an account holds something, even if other parts of it cannot be read.
    pub async fn holds(&self, name: &str) -> Result<bool, ApiError> {
        let data = self.api.get_opt(name).await?.and_then(|map| map.data).unwrap_or_default();
        Ok(data.keys().any(|key| key.starts_with(keys::data::HELD)))
    }

    /// Writes a change, if the account still has the version that was read.
    pub async fn change(
        &self,
        read: &Stored,
        change: &Change,
        manager: &str,
        dry_run: bool,
    ) -> Result<Stored, ApiError> {
        self.patch(&read.account.user, &read.version, change, manager, dry_run).await
    }

    /// Repairs what is damaged in an account, except the parts that only an administrator may repair. Returns whether
    /// it changed anything.
    pub async fn mend(&self, user: &UserName, manager: &str, now: jiff::Timestamp) -> Result<bool, ApiError> {
        let map = self.api.get(user.as_str()).await?;
        let Ok((account, damaged)) = read_what_can_be(&map) else { return Ok(false) };
        let Some(change) = account.mend(&damaged, now).filter(|change| is_account(&map) && !change.is_empty()) else {
            return Ok(false);
        };
        self.patch(user, &map.resource_version().unwrap_or_default(), &change, manager, false).await?;
        Ok(true)
    }

    async fn patch(
        &self,
        user: &UserName,
        version: &str,
        change: &Change,
        manager: &str,
        dry_run: bool,
    ) -> Result<Stored, ApiError> {
        let data: serde_json::Map<String, serde_json::Value> =
            change.entries().map(|(key, value)| (key.to_owned(), value.into())).collect();
        let patch = serde_json::json!({ "metadata": { "resourceVersion": version }, "data": data });
        let params = PatchParams { dry_run, field_manager: Some(manager.to_owned()), ..PatchParams::default() };
        stored(&self.api.patch(user.as_str(), &params, &Patch::Merge(patch)).await?)
    }

    /// Waits until the account has another version than the one that was read, or is deleted.
    pub async fn changed(&self, read: &Stored) -> Result<(), ApiError> {
        const LONG: Duration = Duration::from_hours(24);
        let changed =
            self.wait(&read.account.user, "a change", LONG, |now| (now.version != read.version).then_some(()));
        match changed.await {
            Err(error) if error.is_not_found() => Ok(()),
            // After a day without a change the caller reads the account again.
            Err(ApiError::TimedOut { .. }) => Ok(()),
            changed => changed,
        }
    }

    /// Yields whenever any account changes, and once when the first list is complete.
    pub fn changes(&self) -> BoxStream<'static, ()> {
        let only = Config::default().labels(&selector());
        changes(self.api.clone(), only)
    }

    /// Waits until `done` returns a value for the account. The account is watched, not polled.
    pub async fn wait<T>(
        &self,
        user: &UserName,
        what: &str,
        timeout: Duration,
        mut done: impl FnMut(&Stored) -> Option<T>,
    ) -> Result<T, ApiError> {
        let deadline = Instant::now() + timeout;
        let late = || ApiError::TimedOut { what: what.to_owned(), seconds: timeout.as_secs() };
        let only = WatchParams::default().fields(&format!("metadata.name={user}"));
        loop {
            let read = tokio::time::timeout_at(deadline, self.get(user)).await.map_err(|_| late())??;
            if let Some(found) = done(&read) {
                return Ok(found);
            }
            let mut events = self.api.watch(&only, &read.version).await?.boxed();
            loop {
                match tokio::time::timeout_at(deadline, events.try_next()).await.map_err(|_| late())? {
                    Ok(Some(WatchEvent::Added(map) | WatchEvent::Modified(map))) => {
                        if let Some(found) = done(&stored(&map)?) {
                            return Ok(found);
                        }
                    }
                    Ok(Some(WatchEvent::Bookmark(_))) => {}
                    // The account was deleted or the watch ended: read the account again.
                    Ok(Some(WatchEvent::Deleted(_) | WatchEvent::Error(_)) | None) | Err(_) => break,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_author_of_a_key_is_the_person_who_signed_its_last_change() {
        let map: ConfigMap = serde_json::from_value(json!({
            "metadata": { "managedFields": [
                { "manager": "kubectl-cmp/alice", "fieldsV1": { "f:data": { "f:delete.web": {} } } },
                { "manager": "kubectl-cmp/john", "fieldsV1": { "f:data": { ".": {}, "f:want.web": {} } } },
                { "manager": "kubectl-patch", "fieldsV1": { "f:data": { "f:want.db": {} } } },
                { "manager": "kubectl-cmp/john", "fieldsV1": { "f:metadata": {} } },
                { "manager": "kubectl-cmp/john" },
            ] },
        }))
        .unwrap();
        let expected = [("delete.web", "alice"), ("want.web", "john")];
        let expected = expected.map(|(key, username)| (key.to_owned(), username.to_owned()));
        assert_eq!(authors(&map), expected.into());
    }

    #[test]
    fn an_update_is_signed_once_its_author_is_known() {
        let signer = Signer::default();
        assert_eq!(signer.manager("kubectl-cmp"), "kubectl-cmp");
        signer.clone().set("john");
        signer.set("mary");
        assert_eq!(signer.manager("kubectl-cmp"), "kubectl-cmp/john");
        let nameless = Signer::default();
        nameless.set("two words");
        assert_eq!(nameless.manager("kubectl-cmp"), "kubectl-cmp");
    }
}
