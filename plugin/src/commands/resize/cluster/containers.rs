//! Containers: a new size needs a new Pod. The StatefulSet controller creates it in place of the old one.

use std::time::Duration;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, ListParams, PostParams};

use cmp_client::ApiError;
use cmp_core::account::Want;
use cmp_core::footprint::{Rule, footprint};
use cmp_core::name::{ClusterName, InstanceName};
use cmp_core::resources::{Resources, STORAGE};
use cmp_core::template::resize::resized;

use super::one_by_one::{ResizeOutcome, restarted, written};
use crate::context::{Context, MANAGER};
use crate::error::CliError;

/// Changes one instance, and waits until it runs again if it did before.
pub(super) async fn resize(
    context: &Context<'_>,
    name: &InstanceName,
    want: &Want,
    timeout: Duration,
) -> Result<ResizeOutcome, CliError> {
    let (client, namespace) = (context.client().await?, name.cluster.namespace());
    let sets: Api<StatefulSet> = Api::namespaced(client.clone(), &namespace);
    match change(&sets, name, want).await? {
        None => Ok(ResizeOutcome::Unchanged),
        Some(false) => Ok(ResizeOutcome::Changed),
        Some(true) => {
            let pods: Api<Pod> = Api::namespaced(client, &namespace);
            // The size of storage stays that of the claims.
            let size = want.size.without(STORAGE);
            restarted(name, timeout, async || runs(&pods, name, &size).await).await?;
            Ok(ResizeOutcome::Restarted)
        }
    }
}

/// Changes one instance. Returns whether it is on, or `None` if there was nothing to change.
async fn change(sets: &Api<StatefulSet>, name: &InstanceName, want: &Want) -> Result<Option<bool>, CliError> {
    let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
    written(async || {
        let Some(set) = sets.get_opt(&name.to_string()).await? else { return Ok(Ok(None)) };
        let other = resized(&set, &want.size).map_err(|why| {
            CliError::user(format!("instance {name}: {why}")).hint("set the resources of its containers by kubectl")
        })?;
        let Some(other) = other else { return Ok(Ok(None)) };
        let on = other.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1) > 0;
        Ok(sets.replace(&name.to_string(), &params, &other).await.map(|_| Some(on)).map_err(ApiError::from))
    })
    .await
}

/// Reports whether an instance runs with its new size.
async fn runs(pods: &Api<Pod>, name: &InstanceName, size: &Resources) -> Result<bool, CliError> {
    let pod = pods.get_opt(&format!("{name}-0")).await?;
    Ok(pod.is_some_and(|pod| {
        // A LimitRange may limit further resources of the Pod, such as ephemeral-storage.
        let taken = pod.spec.as_ref().and_then(|spec| footprint(spec, Rule::Limits));
        let resized = taken.is_some_and(|taken| size.iter().all(|(name, amount)| taken.get(name) == amount));
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        resized && phase == Some("Running") && pod.metadata.deletion_timestamp.is_none()
    }))
}

/// Checks that every instance can have this size. Its sidecars count against the size.
pub(super) async fn shares(context: &Context<'_>, cluster: &ClusterName, size: &Resources) -> Result<(), CliError> {
    let sets: Api<StatefulSet> = Api::namespaced(context.client().await?, &cluster.namespace());
    for set in sets.list(&ListParams::default()).await?.items {
        resized(&set, size).map_err(|wrong| CliError::user(format!("instance {}: {wrong}", set.name_any())))?;
    }
    Ok(())
}
