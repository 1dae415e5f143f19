//! Namespaces of clusters, deleted without cmp-webhook by `delete user --cascade` and `uninstall --purge`.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, ListParams, Preconditions};
use kube::{Client, ResourceExt};
use tokio::time::Instant;

use cmp_client::ApiError;
use cmp_core::fences::ObservedNamespace;

use crate::error::CliError;

const PAUSE: Duration = Duration::from_millis(500);

/// Lists the Namespaces that match a label selector, from etcd and not from a cache.
pub(crate) async fn labelled(client: &Client, selector: &str) -> Result<Vec<Namespace>, CliError> {
    let all: Api<Namespace> = Api::all(client.clone());
    Ok(all.list(&ListParams::default().labels(selector)).await?.items)
}

/// Deletes all Namespaces that match the selector, including new ones, and waits until they are gone. Returns the
/// errors of those that are left at the deadline.
pub(crate) async fn all_gone(client: &Client, selector: &str, deadline: Instant) -> Result<Vec<CliError>, CliError> {
    let all: Api<Namespace> = Api::all(client.clone());
    loop {
        let left = labelled(client, selector).await?;
        if left.is_empty() {
            return Ok(Vec::new());
        }
        let mut refused = Vec::new();
        for namespace in left.iter().filter(|namespace| namespace.metadata.deletion_timestamp.is_none()) {
            let uid = namespace.metadata.uid.clone();
            let only = DeleteParams::background().preconditions(Preconditions { uid, resource_version: None });
            match all.delete(&namespace.name_any(), &only).await.map_err(ApiError::from) {
                Err(error) if !error.is_not_found() && !error.is_conflict() => {
                    refused.push(CliError::from(error).about(&format!("namespace/{}", namespace.name_any())));
                }
                _ => {}
            }
        }
        if Instant::now() > deadline {
            let going = left.iter().filter(|namespace| namespace.metadata.deletion_timestamp.is_some());
            return Ok(refused.into_iter().chain(going.map(late)).collect());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Returns the error for a Namespace that is not gone, with the reason from its conditions.
fn late(namespace: &Namespace) -> CliError {
    let left = ObservedNamespace::of(namespace).left;
    let why = left.unwrap_or_else(|| "kube-controller-manager has not said why".to_owned());
    CliError::user(format!("namespace/{} is not gone: {why}", namespace.name_any()))
}
