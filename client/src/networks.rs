//! The networks of multus: their `NetworkAttachmentDefinitions`, which administrators make.

use kube::api::{Api, DynamicObject};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, ResourceExt};

use crate::error::ApiError;

/// The annotation that names the device which KubeVirt takes for each interface on the network.
const RESOURCE: &str = "k8s.v1.cni.cncf.io/resourceName";

/// Returns the device that a network takes for each interface. A network without a Namespace in its name is not known
/// before its cluster exists, and a network that does not exist takes nothing yet.
pub async fn device(client: &Client, network: &str) -> Result<Option<String>, ApiError> {
    let Some((namespace, name)) = network.split_once('/') else { return Ok(None) };
    let kind = GroupVersionKind::gvk("k8s.cni.cncf.io", "v1", "NetworkAttachmentDefinition");
    let resource = ApiResource::from_gvk_with_plural(&kind, "network-attachment-definitions");
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let found = api.get_metadata_opt(name).await?;
    Ok(found.and_then(|found| found.annotations().get(RESOURCE).cloned()).filter(|device| !device.is_empty()))
}
