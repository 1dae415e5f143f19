//! The watches of the mirror and of the controllers of cmp-webhook.

use std::fmt::Debug;

use futures::stream::{BoxStream, StreamExt};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Config, Event, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use cmp_core::keys;

use crate::accounts::selector;

/// The events of one watch. It begins with a list, and again after each break.
pub type Watch<K> = BoxStream<'static, Result<Event<K>, watcher::Error>>;

fn watch<K>(api: Api<K>, config: Config) -> Watch<K>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    watcher(api, config).boxed()
}

/// Watches all accounts.
pub fn accounts(client: &Client) -> Watch<ConfigMap> {
    let only = Config::default().labels(&selector());
    watch(Api::namespaced(client.clone(), keys::USERS_NAMESPACE), only)
}

/// Watches the Namespaces of all clusters.
pub fn namespaces(client: &Client) -> Watch<Namespace> {
    watch(Api::all(client.clone()), Config::default().labels(keys::OWNER))
}

/// Watches all StatefulSets. A user who creates an instance by hand may omit our labels: its Namespace and name identify
/// an instance.
pub fn stateful_sets(client: &Client) -> Watch<StatefulSet> {
    watch(Api::all(client.clone()), Config::default())
}

/// Watches the Pods of all StatefulSets.
pub fn stateful_pods(client: &Client) -> Watch<Pod> {
    watch(Api::all(client.clone()), Config::default().labels(keys::STATEFUL_POD))
}

/// Returns the metadata of one type in all Namespaces, for a controller to watch.
pub fn metadata<K>(client: &Client) -> Api<PartialObjectMeta<K>>
where
    K: Resource<DynamicType = ()>,
{
    Api::all(client.clone())
}
