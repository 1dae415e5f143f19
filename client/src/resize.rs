//! Gives one instance another size.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use tokio::time::Instant;

use cmp_core::account::Want;
use cmp_core::footprint::{Rule, footprint};
use cmp_core::kubevirt;
use cmp_core::name::{ClusterName, InstanceName};
use cmp_core::resources::Resources;
use cmp_core::template::TemplateError;
use cmp_core::template::resize::resized as resized_set;

use crate::early::{CATCH_UP, PAUSE};
use crate::error::ApiError;
use crate::kubevirt::Machines;
use crate::patience::Patience;
use crate::restart::is_ready;

/// The reason why an instance keeps its size.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The containers of the instance cannot share this size.
    #[error("instance {name}: {why}")]
    Template {
        /// The name of the instance, or of another StatefulSet in the Namespace.
        name: String,
        /// The field, and the reason.
        why: TemplateError,
    },
    /// A paused VM keeps its guest, and therefore its size.
    #[error("the VM is paused")]
    Paused,
    /// The API server refused or failed a request.
    #[error(transparent)]
    Api(#[from] ApiError),
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        Self::Api(error.into())
    }
}

fn sets(client: &Client, cluster: &ClusterName) -> Api<StatefulSet> {
    Api::namespaced(client.clone(), &cluster.namespace())
}

/// Changes the size of a container instance. Returns whether it is on, or `None` if there was nothing to change.
pub async fn container(
    client: &Client,
    name: &InstanceName,
    size: &Resources,
    manager: &str,
    patience: Patience,
) -> Result<Option<bool>, Failure> {
    let sets = sets(client, &name.cluster);
    let params = PostParams { field_manager: Some(manager.to_owned()), ..PostParams::default() };
    written(name, patience, async || {
        let Some(set) = sets.get_opt(&name.to_string()).await? else { return Ok(Ok(None)) };
        let unfit = |why| Failure::Template { name: name.to_string(), why };
        let Some(other) = resized_set(&set, size).map_err(unfit)? else { return Ok(Ok(None)) };
        let on = other.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1) > 0;
        Ok(sets.replace(&name.to_string(), &params, &other).await.map(|_| Some(on)).map_err(ApiError::from))
    })
    .await
}

/// Checks that every instance of a cluster of containers can have this size. Its sidecars count against the size.
pub async fn fits(client: &Client, cluster: &ClusterName, size: &Resources) -> Result<(), Failure> {
    for set in sets(client, cluster).list(&ListParams::default()).await?.items {
        resized_set(&set, size).map_err(|why| Failure::Template { name: set.name_any(), why })?;
    }
    Ok(())
}

/// Reports whether the Pod of a container instance is ready and has this size.
pub async fn container_runs(client: &Client, name: &InstanceName, size: &Resources) -> Result<bool, ApiError> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &name.cluster.namespace());
    Ok(pods.get_opt(&format!("{name}-0")).await?.is_some_and(|pod| runs_with(&pod, size)))
}

fn runs_with(pod: &Pod, size: &Resources) -> bool {
    // A LimitRange may limit further resources of the Pod, such as ephemeral-storage.
    let taken = pod.spec.as_ref().and_then(|spec| footprint(spec, Rule::Limits));
    let resized = taken.is_some_and(|taken| size.iter().all(|(name, amount)| taken.get(name) == amount));
    // The phase of a Pod whose container crashes or does not answer yet is Running, too.
    resized && is_ready(pod)
}

/// Changes the size of the next guest of a VM. Returns whether it was different.
pub async fn machine(
    machines: &Machines,
    name: &InstanceName,
    want: &Want,
    manager: &str,
    patience: Patience,
) -> Result<bool, Failure> {
    let params = PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
    written(name, patience, async || {
        let Some(vm) = machines.get(name).await? else { return Ok(Ok(false)) };
        if vm.is_paused() {
            return Err(Failure::Paused);
        }
        let Some(patch) = kubevirt::resized(&vm, want) else { return Ok(Ok(false)) };
        Ok(machines.patch(name, &params, &patch).await.map(|()| true))
    })
    .await
}

/// Retries a write. A conflict reads the object again. A refusal may come from an API server that has not seen yet that
/// the cluster grew.
async fn written<T>(
    name: &InstanceName,
    patience: Patience,
    attempt: impl AsyncFn() -> Result<Result<T, ApiError>, Failure>,
) -> Result<T, Failure> {
    let deadline = patience.start();
    loop {
        match attempt().await? {
            Ok(written) => return Ok(written),
            Err(error) if error.is_conflict() && deadline.is_over(Instant::now()) => {
                return Err(deadline.late(&format!("instance {name}")).into());
            }
            Err(error) if error.is_conflict() => {}
            Err(error) if error.is_forbidden() && deadline.elapsed() < CATCH_UP => tokio::time::sleep(PAUSE).await,
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn an_instance_runs_with_a_size_once_its_new_pod_is_ready() {
        let size = Resources::new("1".parse().unwrap(), "1Gi".parse().unwrap());
        let check = |ready: &str, memory: &str, deleted: Value, expected: bool| {
            let limits = json!({ "cpu": "1", "memory": memory, "ephemeral-storage": "1Gi" });
            let pod = json!({
                "metadata": { "deletionTimestamp": deleted },
                "spec": { "containers": [{ "name": "x", "resources": { "limits": limits, "requests": limits } }] },
                "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": ready }] },
            });
            assert_eq!(runs_with(&serde_json::from_value(pod).unwrap(), &size), expected);
        };
        check("True", "1Gi", Value::Null, true);
        check("True", "2Gi", Value::Null, false);
        check("False", "1Gi", Value::Null, false);
        check("True", "1Gi", json!("2026-01-01T00:00:00Z"), false);
    }

    #[tokio::test]
    async fn a_conflict_is_tried_again_and_an_error_is_not() {
        let tries = std::cell::Cell::new(0);
        let name: InstanceName = "web-0".parse().unwrap();
        let answers = |code: u16, patience: Patience| {
            tries.set(0);
            let (tries, name) = (&tries, &name);
            async move {
                written(name, patience, async || {
                    tries.set(tries.get() + 1);
                    let answer = ApiError::refused(code, "Conflict", "modified");
                    Ok(if tries.get() < 3 { Err(answer) } else { Ok(()) })
                })
                .await
            }
        };
        let patient = Patience::default();
        assert!(answers(409, patient).await.is_ok() && tries.get() == 3);
        assert!(answers(500, patient).await.is_err() && tries.get() == 1);
        let late = answers(409, patient.until(Instant::now())).await;
        assert!(matches!(late, Err(Failure::Api(ApiError::TimedOut { .. }))) && tries.get() == 1);
    }
}
