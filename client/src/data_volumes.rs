//! The `DataVolumes` of CDI, from which the root disks of VMs get their content. KubeVirt makes them.

use std::collections::BTreeMap;

use futures::stream::BoxStream;
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::watcher::Config;
use kube::{Client, ResourceExt};

use cmp_core::instance::Instance;
use cmp_core::name::ClusterName;
use cmp_core::root_disk::{DataVolume, GROUP, VERSION, explain, may_explain, volume_name};

use crate::accounts::changes;
use crate::discovery::serves;
use crate::error::ApiError;
use crate::kubevirt::read;

const PLURAL: &str = "datavolumes";

fn api(client: &Client, cluster: &ClusterName) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(GROUP, VERSION, "DataVolume"), PLURAL);
    Api::namespaced_with(client.clone(), &cluster.namespace(), &resource)
}

/// Reports whether the Kubernetes cluster has CDI: whether the API server serves `DataVolumes`.
pub async fn installed(client: &Client) -> Result<bool, ApiError> {
    serves(client, &format!("{GROUP}/{VERSION}"), PLURAL).await
}

/// Yields whenever a `DataVolume` of a cluster changes, and once when the first list is complete.
pub fn changed(client: &Client, cluster: &ClusterName) -> BoxStream<'static, ()> {
    changes(api(client, cluster), Config::default())
}

/// Makes the state of their disks the reason of the instances that wait for them. If the disks cannot be read, the
/// reasons stay those of KubeVirt, which is no failure.
pub async fn explain_disks(client: &Client, cluster: &ClusterName, instances: &mut [Instance]) {
    if !instances.iter().any(may_explain) {
        return;
    }
    let Ok(listed) = api(client, cluster).list(&ListParams::default()).await else { return };
    let volumes =
        listed.items.into_iter().filter_map(|object| Some((object.name_any(), read::<DataVolume>(object).ok()?)));
    let volumes: BTreeMap<String, DataVolume> = volumes.collect();
    for instance in instances.iter_mut().filter(|instance| may_explain(instance)) {
        if let Some(volume) = volumes.get(&volume_name(&instance.name)) {
            explain(instance, volume);
        }
    }
}
