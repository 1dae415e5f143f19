//! The Secrets that a launcher Pod mounts. The kubelet starts no container of a Pod whose Secret is missing.

use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::{Api, Client};

/// Reports whether all Secrets exist that this Pod mounts.
pub(crate) async fn are_there(kubelet: &Client, namespace: &str, pod: Option<&Pod>) -> Result<bool, kube::Error> {
    let volumes = pod.and_then(|pod| pod.spec.as_ref()?.volumes.as_ref());
    let secrets = volumes.into_iter().flatten().filter_map(|volume| volume.secret.as_ref());
    for secret in secrets.filter(|secret| secret.optional != Some(true)) {
        let Some(name) = &secret.secret_name else { continue };
        if Api::<Secret>::namespaced(kubelet.clone(), namespace).get_metadata_opt(name).await?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}
