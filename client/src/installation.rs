//! The parts of an installation whose state is looked at: cmp-webhook, its certificate, and the mirror.

use std::collections::BTreeMap;

use k8s_openapi::api::admissionregistration::v1::{ValidatingWebhook, ValidatingWebhookConfiguration};
use k8s_openapi::api::apps::v1;
use k8s_openapi::api::core::v1::{Node, PersistentVolumeClaim, Pod, Secret};
use kube::api::{DeleteParams, ListParams, Portforwarder};
use kube::{Api, Client, ResourceExt};

use cmp_core::keys;

use crate::error::{ApiError, if_there};

/// The endpoint of one webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The address of a process outside the cluster.
    pub url: Option<String>,
    /// Whether a Service is called.
    pub service: bool,
    /// The authority that the API server trusts, as PEM; `None` if it is not written yet.
    pub authority: Option<Vec<u8>>,
}

/// The configuration by which the API server calls cmp-webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    /// The endpoints of its webhooks, in order.
    pub endpoints: Vec<Endpoint>,
    /// Whether cert-manager writes the authority.
    pub injected: bool,
}

impl Configuration {
    fn of(read: &ValidatingWebhookConfiguration) -> Self {
        let endpoint = |webhook: &ValidatingWebhook| Endpoint {
            url: webhook.client_config.url.clone(),
            service: webhook.client_config.service.is_some(),
            authority: webhook.client_config.ca_bundle.as_ref().map(|bundle| bundle.0.clone()),
        };
        Self {
            endpoints: read.webhooks.iter().flatten().map(endpoint).collect(),
            injected: read.annotations().contains_key(keys::INJECTED),
        }
    }

    /// Returns the address of a process outside the cluster, without the path of a webhook.
    pub fn url(&self) -> Option<&str> {
        let url = self.endpoints.iter().find_map(|endpoint| endpoint.url.as_deref())?;
        Some(url.strip_suffix(keys::ACCOUNT_PATH).unwrap_or(url))
    }
}

/// Reads the configuration. Fails if there is none.
pub async fn configuration(client: &Client) -> Result<Configuration, ApiError> {
    let all: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    Ok(Configuration::of(&all.get(keys::WEBHOOK).await?))
}

/// The progress of a Deployment in the Namespace of cmp-webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// The number of replicas that are wanted.
    pub wanted: i32,
    /// The number of replicas of all revisions.
    pub all: i32,
    /// The number of replicas of the current revision.
    pub updated: i32,
    /// The number of replicas of all revisions that can be called.
    pub available: i32,
    /// Whether the numbers are about the current revision.
    pub observed: bool,
}

impl Deployment {
    fn of(read: v1::Deployment) -> Self {
        let status = read.status.unwrap_or_default();
        Self {
            wanted: read.spec.and_then(|spec| spec.replicas).unwrap_or(1),
            all: status.replicas.unwrap_or(0),
            updated: status.updated_replicas.unwrap_or(0),
            available: status.available_replicas.unwrap_or(0),
            observed: status.observed_generation >= read.metadata.generation,
        }
    }

    /// Reports whether all replicas are of the current revision and can be called. Replicas of an older revision count
    /// as available, too, so that none of them may be left.
    pub fn is_complete(&self) -> bool {
        self.observed && self.updated >= self.wanted && self.all <= self.updated && self.available >= self.updated
    }

    /// Returns the counts as text: `1 of 2 replicas are updated, 2 available, 1 of an older revision`.
    pub fn counts(&self) -> String {
        let Self { wanted, updated, available, .. } = self;
        let counts = format!("{updated} of {wanted} replicas are updated, {available} available");
        match self.all - updated {
            older if older > 0 => format!("{counts}, {older} of an older revision"),
            _ => counts,
        }
    }
}

fn deployments(client: &Client) -> Api<v1::Deployment> {
    Api::namespaced(client.clone(), keys::SYSTEM_NAMESPACE)
}

/// Reads the progress of a Deployment. Fails if it does not exist.
pub async fn deployment(client: &Client, name: &str) -> Result<Deployment, ApiError> {
    Ok(Deployment::of(deployments(client).get(name).await?))
}

/// Reports whether a Deployment exists.
pub async fn has_deployment(client: &Client, name: &str) -> Result<bool, ApiError> {
    Ok(deployments(client).get_metadata_opt(name).await?.is_some())
}

fn claims(client: &Client) -> Api<PersistentVolumeClaim> {
    Api::namespaced(client.clone(), keys::SYSTEM_NAMESPACE)
}

/// Reads the phase of the mirror's claim, if it has one.
pub async fn claim_phase(client: &Client) -> Result<Option<String>, ApiError> {
    let claim = claims(client).get_opt(keys::MIRROR).await?;
    Ok(claim.and_then(|claim| claim.status).and_then(|status| status.phase))
}

/// Reports whether the mirror has a claim that is not being deleted.
pub async fn has_claim(client: &Client) -> Result<bool, ApiError> {
    let found = claims(client).get_metadata_opt(keys::MIRROR).await?;
    Ok(found.is_some_and(|claim| claim.metadata.deletion_timestamp.is_none()))
}

fn secrets(client: &Client) -> Api<Secret> {
    Api::namespaced(client.clone(), keys::SYSTEM_NAMESPACE)
}

/// Reads the values of a Secret in the Namespace of cmp-webhook, if it exists.
pub async fn secret(client: &Client, name: &str) -> Result<Option<BTreeMap<String, Vec<u8>>>, ApiError> {
    let secret = secrets(client).get_opt(name).await?;
    let values = |secret: Secret| secret.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0));
    Ok(secret.map(|secret| values(secret).collect()))
}

/// Reports whether a Secret exists in the Namespace of cmp-webhook.
pub async fn has_secret(client: &Client, name: &str) -> Result<bool, ApiError> {
    Ok(secrets(client).get_metadata_opt(name).await?.is_some())
}

/// Deletes a Secret in the Namespace of cmp-webhook. Returns whether it existed.
pub async fn delete_secret(client: &Client, name: &str, dry_run: bool) -> Result<bool, ApiError> {
    let params = DeleteParams { dry_run, ..DeleteParams::background() };
    Ok(if_there(secrets(client).delete(name, &params).await.map_err(ApiError::from))?.is_some())
}

/// Opens a connection to a port on the loopback of the mirror's Pod. Returns `None` if no mirror runs.
pub async fn forward_to_mirror(client: &Client, port: u16) -> Result<Option<Portforwarder>, ApiError> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), keys::SYSTEM_NAMESPACE);
    let ours = ListParams::default().labels(&format!("{}={}", keys::NAME, keys::MIRROR));
    let found = pods.list(&ours).await?.items;
    let Some(pod) = found.iter().find(|pod| runs(pod)) else { return Ok(None) };
    Ok(Some(pods.portforward(&pod.name_any(), &[port]).await?))
}

fn runs(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    phase == Some("Running") && pod.metadata.deletion_timestamp.is_none()
}

/// Lists the addresses of all nodes: IP addresses and host names.
pub async fn node_addresses(client: &Client) -> Result<Vec<String>, ApiError> {
    let nodes: Api<Node> = Api::all(client.clone());
    let nodes = nodes.list(&ListParams::default()).await?;
    let addresses = nodes.items.iter().filter_map(|node| node.status.as_ref()?.addresses.as_ref()).flatten();
    Ok(addresses.map(|address| address.address.clone()).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::connect::base64;

    #[test]
    fn an_endpoint_outside_the_cluster_has_an_address() {
        let of = |webhooks: serde_json::Value| {
            let read = json!({ "metadata": { "annotations": { (keys::INJECTED): "x" } }, "webhooks": webhooks });
            Configuration::of(&serde_json::from_value(read).unwrap())
        };
        let webhook = |config: serde_json::Value| json!({ "name": "x", "sideEffects": "None", "admissionReviewVersions": [], "clientConfig": config });
        let outside = of(json!([
            webhook(json!({ "service": { "name": "x", "namespace": "x" } })),
            webhook(json!({ "url": "https://localhost:8443/validate-account", "caBundle": base64(b"pem") })),
        ]));
        assert_eq!(outside.url(), Some("https://localhost:8443"));
        assert!(outside.injected && outside.endpoints[0].service && !outside.endpoints[1].service);
        assert_eq!(outside.endpoints[1].authority.as_deref(), Some(b"pem".as_slice()));
        assert_eq!(of(json!([])).url(), None);
    }

    #[test]
    fn a_deployment_is_complete_once_its_status_has_this_revision() {
        let all_updated = "2 of 2 replicas are updated, 2 available";
        let check = |status: serde_json::Value, expected: bool, counts: &str| {
            let read = json!({
                "metadata": { "generation": 2 }, "status": status,
                "spec": { "replicas": 2, "selector": {}, "template": {} },
            });
            let deployment = Deployment::of(serde_json::from_value(read).unwrap());
            assert_eq!((deployment.is_complete(), deployment.counts().as_str()), (expected, counts), "{status}");
        };
        let status = |observed: i32, all: i32, updated: i32, available: i32| {
            json!({ "observedGeneration": observed, "replicas": all,
                "updatedReplicas": updated, "availableReplicas": available })
        };
        check(status(2, 2, 2, 2), true, all_updated);
        check(status(1, 2, 2, 2), false, all_updated);
        check(status(2, 2, 1, 2), false, "1 of 2 replicas are updated, 2 available, 1 of an older revision");
        // One new replica does not answer, and an old one does.
        check(status(2, 3, 2, 2), false, "2 of 2 replicas are updated, 2 available, 1 of an older revision");
        check(status(2, 3, 2, 3), false, "2 of 2 replicas are updated, 3 available, 1 of an older revision");
        check(status(2, 2, 2, 0), false, "2 of 2 replicas are updated, 0 available");
        check(json!({}), false, "0 of 2 replicas are updated, 0 available");
    }
}
