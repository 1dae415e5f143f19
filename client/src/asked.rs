//! The watch of the state that was asked for of each instance. The story of a cluster follows from it.

use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, Event, watcher};

use cmp_core::keys;
use cmp_core::vocabulary::InstanceType;

use crate::kubevirt;
use crate::watches::metadata;

/// Interval at which it is checked whether KubeVirt was installed.
const KUBEVIRT: Duration = Duration::from_secs(30);

/// Watches the metadata of all instances that record the state that was asked for: StatefulSets, and VMs once KubeVirt
/// is installed. Errors are retried with an increasing back-off.
pub fn watch(client: &Client) -> BoxStream<'static, (InstanceType, Event<ObjectMeta>)> {
    let config = || Config::default().labels(keys::ASKED);
    let sets = watcher(metadata::<StatefulSet>(client), config());
    let of_kubevirt = client.clone();
    let machines = stream::once(async move {
        while !kubevirt::installed(&of_kubevirt).await.unwrap_or(false) {
            tokio::time::sleep(KUBEVIRT).await;
        }
        watcher(kubevirt::machines(&of_kubevirt), config()).default_backoff()
    });
    let sets = sets.default_backoff().filter_map(|event| async { Some((InstanceType::Container, lean(event.ok()?))) });
    let machines = machines.flatten().filter_map(|event| async { Some((InstanceType::Vm, lean(event.ok()?))) });
    stream::select(sets.boxed(), machines.boxed()).boxed()
}

/// Keeps the metadata of an event.
fn lean<K>(event: Event<PartialObjectMeta<K>>) -> Event<ObjectMeta> {
    match event {
        Event::Apply(object) => Event::Apply(object.metadata),
        Event::Delete(object) => Event::Delete(object.metadata),
        Event::Init => Event::Init,
        Event::InitApply(object) => Event::InitApply(object.metadata),
        Event::InitDone => Event::InitDone,
    }
}
