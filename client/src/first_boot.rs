//! The Secrets that VMs need at their first boot. The owner of a cluster writes them, in the Namespace of the cluster.

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};

use cmp_core::name::ClusterName;

use crate::early::until_seen;
use crate::error::{ApiError, if_there};

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
    let api = api(client, cluster);
    // The API server may not have seen the RoleBinding yet.
    until_seen(
        |error| error.is_forbidden() && !dry_run,
        async || Ok(api.patch(&secret.name_any(), &params, &Patch::Apply(secret)).await.map(drop)?),
    )
    .await
}

/// Reports whether a Secret exists. Its content is not read.
pub async fn exists(client: &Client, cluster: &ClusterName, name: &str) -> Result<bool, ApiError> {
    Ok(if_there(api(client, cluster).get_metadata(name).await.map_err(ApiError::from))?.is_some())
}
