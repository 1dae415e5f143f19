//! Rule 3 of the controllers: the objects that are left in the Namespace of a cluster, from etcd and not from a cache.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::api::ListParams;
use kube::{Api, Client};

use cmp_core::evidence::Remains;
use cmp_core::name::ClusterName;
use cmp_core::quantity::Quantity;
use cmp_core::resources::STORAGE;
use cmp_core::vocabulary::InstanceType;

use crate::error::ApiError;
use crate::kubevirt::Machines;
use crate::snapshots;

/// Lists what is left of a cluster.
pub async fn read(client: &Client, cluster: &ClusterName, kind: InstanceType) -> Result<Remains, ApiError> {
    let (all, namespace) = (ListParams::default(), cluster.namespace());
    let sets: Api<StatefulSet> = Api::namespaced(client.clone(), &namespace);
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), &namespace);
    let machines = Machines::of(client, cluster);
    let (sets, pods, claims) = futures::try_join!(sets.list(&all), pods.list(&all), claims.list(&all))?;
    let (machines, running, snapshots) = match kind {
        InstanceType::Container => (Vec::new(), Vec::new(), 0),
        InstanceType::Vm => futures::try_join!(machines.list(), machines.running(), snapshots::count(client, cluster))?,
    };
    let mut storage = Quantity::ZERO;
    for claim in &claims.items {
        let asked = claim.spec.as_ref().and_then(|spec| spec.resources.as_ref()?.requests.as_ref()?.get(STORAGE));
        let asked: Option<Quantity> = asked.and_then(|asked| asked.0.parse().ok());
        storage = storage
            .checked_add(asked.unwrap_or(Quantity::ZERO))
            .ok_or_else(|| ApiError::Other("claims of more than can be counted".to_owned()))?;
    }
    Ok(Remains { sets: sets.items, pods: pods.items, machines, running, storage, snapshots })
}
