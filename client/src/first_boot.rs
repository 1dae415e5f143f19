//! The Secrets that VMs need at their first boot. The owner of a cluster writes them, in the Namespace of the cluster.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};

use cmp_core::first_boot::missing::{explain, may_explain};
use cmp_core::instance::Instance;
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

/// Returns the Secrets of a cluster that are gone. A Secret that the caller may not look up counts as there.
pub async fn missing(
    client: &Client,
    cluster: &ClusterName,
    secrets: BTreeSet<String>,
) -> Result<BTreeSet<String>, ApiError> {
    let mut missing = BTreeSet::new();
    for secret in secrets {
        match exists(client, cluster, &secret).await {
            Ok(false) => drop(missing.insert(secret)),
            Err(error) if !error.is_forbidden() => return Err(error),
            Ok(true) | Err(_) => {}
        }
    }
    Ok(missing)
}

/// Makes a Secret that is gone the reason of the instances that do not start without it. If that cannot be looked up, the
/// reasons stay those of KubeVirt, which is no failure.
pub(crate) async fn explain_secrets(client: &Client, cluster: &ClusterName, instances: &mut [Instance]) {
    let waiting = || instances.iter().filter(|instance| may_explain(instance));
    let needed: BTreeSet<String> = waiting().flat_map(|instance| instance.secrets.clone()).collect();
    if needed.is_empty() {
        return;
    }
    let Ok(missing) = missing(client, cluster, needed).await else { return };
    instances.iter_mut().filter(|instance| may_explain(instance)).for_each(|instance| explain(instance, &missing));
}
