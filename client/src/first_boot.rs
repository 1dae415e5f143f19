//! The Secrets that VMs need at their first boot. The owner of a cluster writes them, in the Namespace of the cluster.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use tokio::time::Instant;

use cmp_core::name::ClusterName;

use crate::error::{ApiError, if_there};

/// How long a refusal is retried. It may come from an API server that has not seen the RoleBinding yet.
const CATCH_UP: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(200);

fn api(client: &Client, cluster: &ClusterName) -> Api<Secret> {
    Api::namespaced(client.clone(), &cluster.namespace())
}

/// Writes a Secret by server-side apply. A Secret that is equal stays as it is.
pub async fn write(
    client: &Client,
    cluster: &ClusterName,
    secret: &Secret,
    manager: &str,
    dry_run: bool,
) -> Result<(), ApiError> {
    let params = PatchParams { dry_run, ..PatchParams::apply(manager).force() };
    let deadline = Instant::now() + CATCH_UP;
    loop {
        match api(client, cluster).patch(&secret.name_any(), &params, &Patch::Apply(secret)).await {
            Ok(_) => return Ok(()),
            Err(error) => {
                let error = ApiError::from(error);
                if !error.is_forbidden() || dry_run || Instant::now() >= deadline {
                    return Err(error);
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Reports whether a Secret exists. Its content is not read.
pub async fn exists(client: &Client, cluster: &ClusterName, name: &str) -> Result<bool, ApiError> {
    Ok(if_there(api(client, cluster).get_metadata(name).await.map_err(ApiError::from))?.is_some())
}
