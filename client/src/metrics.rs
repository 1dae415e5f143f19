//! The measured use of instances, from `metrics.k8s.io`.

use std::collections::{BTreeMap, HashMap};

use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::core::PartialObjectMeta;
use kube::{Api, Client};

use cmp_core::load::{PodMetrics, instance_of_pod, of_instances};
use cmp_core::name::{ClusterName, InstanceName};
use cmp_core::resources::Resources;
use cmp_core::vocabulary::InstanceType;

use crate::error::ApiError;
use crate::lists;

/// The API group and version of metrics.
const METRICS: &str = "/apis/metrics.k8s.io/v1beta1";
/// The label of the Pods that run a VM.
const LAUNCHERS: &str = "kubevirt.io=virt-launcher";
/// The kind of the owner of such a Pod. It has the name of the VM.
const GUEST: &str = "VirtualMachineInstance";

/// The reason why metrics cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No server of metrics is installed.
    #[error("metrics are not available: the API server does not serve metrics.k8s.io")]
    NotServed,
    /// A server of metrics is installed, and gives no answer.
    #[error("metrics are not available: the server of metrics.k8s.io does not answer ({0})")]
    NoAnswer(String),
    /// The caller may not read the metrics of the cluster.
    #[error("{0}")]
    Forbidden(ApiError),
    /// Another request failed.
    #[error("{0}")]
    Other(ApiError),
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Refused { code: 404, .. } => Self::NotServed,
            ApiError::Refused { code: code @ 500.., message, .. } => Self::NoAnswer(format!("{code}: {message}")),
            error if error.is_forbidden() => Self::Forbidden(error),
            error => Self::Other(error),
        }
    }
}

/// Reads the use of each instance of a cluster. An instance whose Pod is not measured yet is missing. The use of a VM is
/// that of the Pod around it.
pub async fn used(
    client: &Client,
    cluster: &ClusterName,
    kind: InstanceType,
) -> Result<BTreeMap<InstanceName, Resources>, Failure> {
    let namespace = cluster.namespace();
    let measured = async {
        let path = format!("{METRICS}/namespaces/{namespace}/pods");
        lists::at::<PodMetrics>(client, path).await.map_err(Failure::from)
    };
    match kind {
        InstanceType::Container => Ok(of_instances(cluster, &measured.await?, instance_of_pod)),
        InstanceType::Vm => {
            let launchers = async { launchers(client, &namespace).await.map_err(Failure::Other) };
            let (measured, launchers) = futures::try_join!(measured, launchers)?;
            Ok(of_instances(cluster, &measured, |pod| launchers.get(pod).cloned()))
        }
    }
}

/// Finds the VM that each launcher Pod of a Namespace runs, by the owner of the Pod.
async fn launchers(client: &Client, namespace: &str) -> Result<HashMap<String, InstanceName>, ApiError> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let pods = pods.list_metadata(&ListParams::default().labels(LAUNCHERS)).await?;
    Ok(pods.items.into_iter().filter_map(launcher).collect())
}

fn launcher(pod: PartialObjectMeta<Pod>) -> Option<(String, InstanceName)> {
    let owners = pod.metadata.owner_references?;
    let guest = owners.into_iter().find(|owner| owner.kind == GUEST && owner.controller == Some(true))?;
    Some((pod.metadata.name?, guest.name.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn answers_of_the_metrics_server_are_told_apart() {
        let said = |code: u16, message: &str| match Failure::from(ApiError::refused(code, "", message)) {
            failure @ (Failure::Forbidden(_) | Failure::Other(_)) => (false, failure.to_string()),
            failure => (true, failure.to_string()),
        };
        let missing = "metrics are not available: the API server does not serve metrics.k8s.io";
        let silent =
            |why: &str| format!("metrics are not available: the server of metrics.k8s.io does not answer ({why})");
        assert_eq!(said(404, "404 page not found"), (true, missing.to_owned()));
        assert_eq!(said(503, "service unavailable"), (true, silent("503: service unavailable")));
        assert_eq!(said(500, "no store"), (true, silent("500: no store")));
        assert_eq!(
            said(403, "pods.metrics.k8s.io is forbidden"),
            (false, "pods.metrics.k8s.io is forbidden".to_owned())
        );
        assert!(matches!(Failure::from(ApiError::refused(403, "", "")), Failure::Forbidden(_)));
        assert!(matches!(Failure::from(ApiError::refused(429, "", "")), Failure::Other(_)));
        assert!(matches!(Failure::from(ApiError::Unreachable(String::new())), Failure::Other(_)));
    }

    #[test]
    fn a_launcher_runs_the_vm_that_controls_it() {
        let found = |owners: Value| {
            let pod = json!({ "metadata": { "name": "virt-launcher-dev-0-x7k2p", "ownerReferences": owners } });
            launcher(serde_json::from_value(pod).unwrap()).map(|(pod, name)| format!("{pod} runs {name}"))
        };
        let owner = |kind: &str, name: &str, controller: bool| json!({ "apiVersion": "kubevirt.io/v1", "kind": kind, "name": name, "uid": "u", "controller": controller });
        let runs = Some("virt-launcher-dev-0-x7k2p runs dev-0".to_owned());
        assert_eq!(found(json!([owner("Other", "dev-1", false), owner(GUEST, "dev-0", true)])), runs);
        assert_eq!(found(json!([owner(GUEST, "dev-0", false)])), None);
        assert_eq!(found(json!([owner("ReplicaSet", "dev-0", true)])), None);
        assert_eq!(found(json!([owner(GUEST, "dev", true)])), None);
        assert_eq!(found(Value::Null), None);
    }
}
