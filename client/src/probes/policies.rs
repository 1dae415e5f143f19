//! For each policy, a request that it has to refuse.

use std::fmt::Debug;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, ResourceQuota, Service};
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use cmp_core::keys;
use cmp_core::kubevirt::{GROUP, VERSION};

use super::{NAME, Tried, dry, forged_account, forged_namespace};

/// Places to run probes in, and the identities for them.
pub struct Places {
    /// A client that acts as cmp-webhook.
    pub webhook: Client,
    /// A cluster of containers.
    pub containers: Option<Place>,
    /// A cluster of VMs.
    pub machines: Option<Place>,
}

/// The Namespace of a cluster, and a client that acts as its owner.
pub struct Place {
    /// The name of the Namespace.
    pub namespace: String,
    /// A client that acts as the owner.
    pub owner: Client,
}

impl Places {
    /// Sends a request that the policy must refuse.
    pub async fn tried(&self, client: &Client, policy: &str) -> Tried {
        match policy {
            "cmp-accounts" => forged_account(client).await,
            "cmp-namespaces" => forged_namespace(client).await,
            "cmp-webhook-rights" => {
                // The webhook's rights are cluster-wide. The policy removes them outside of clusters.
                let quotas: Api<ResourceQuota> = Api::namespaced(self.webhook.clone(), keys::USERS_NAMESPACE);
                let quota = object(&json!({ "spec": { "hard": { "pods": "0" } } }));
                create(&quotas, quota, policy).await
            }
            "cmp-webhook-configuration" => {
                let kind =
                    GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration");
                let configurations: Api<DynamicObject> =
                    Api::all_with(self.webhook.clone(), &ApiResource::from_gvk(&kind));
                let patch = json!({ "metadata": { "labels": { NAME: keys::TRUE } } });
                Tried::by_policy(configurations.patch(keys::WEBHOOK, &dry_patch(), &Patch::Merge(patch)).await, policy)
            }
            "cmp-vms" => match &self.machines {
                None => Tried::Unknown("there is no cluster of VMs to try it in".to_owned()),
                Some(place) => place.machine(client, policy).await,
            },
            _ => match &self.containers {
                None => Tried::Unknown("there is no cluster to try it in".to_owned()),
                Some(place) => place.tried(client, policy).await,
            },
        }
    }
}

impl Place {
    async fn tried(&self, client: &Client, policy: &str) -> Tried {
        let namespace = self.namespace.as_str();
        match policy {
            "cmp-instances" => {
                let labels = json!({ "app": NAME });
                let set = object(&json!({ "spec": {
                    "serviceName": "", "podManagementPolicy": "Parallel", "selector": { "matchLabels": labels },
                    "template": { "metadata": { "labels": labels }, "spec": { "containers": [{ "name": NAME, "image": NAME }] } },
                } }));
                create::<StatefulSet>(&Api::namespaced(client.clone(), namespace), set, policy).await
            }
            "cmp-scale" => {
                let sets: Api<StatefulSet> = Api::namespaced(client.clone(), namespace);
                let Some(name) = first(&sets).await else { return no_instance(namespace) };
                let patch = Patch::Merge(json!({ "spec": { "replicas": 2 } }));
                Tried::by_policy(sets.patch_scale(&name, &dry_patch(), &patch).await, policy)
            }
            "cmp-pods" => {
                let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
                let Some(name) = running(&pods).await else { return no_instance(namespace) };
                let force = DeleteParams { dry_run: true, ..DeleteParams::default() }.grace_period(0);
                let pods: Api<Pod> = Api::namespaced(self.owner.clone(), namespace);
                Tried::by_policy(pods.delete(&name, &force).await, policy)
            }
            "cmp-user-objects" => {
                let held = object(&json!({ "metadata": { "finalizers": [format!("{}{NAME}", keys::PREFIX)] } }));
                create::<ConfigMap>(&Api::namespaced(self.owner.clone(), namespace), held, policy).await
            }
            "cmp-services" => {
                let away = object(&json!({ "spec": { "type": "ExternalName", "externalName": "example.com" } }));
                create::<Service>(&Api::namespaced(self.owner.clone(), namespace), away, policy).await
            }
            _ => Tried::Unknown("no request is known that it refuses".to_owned()),
        }
    }

    /// Tries to create a VM that does not belong to the cluster.
    async fn machine(&self, client: &Client, policy: &str) -> Tried {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(GROUP, VERSION, "VirtualMachine"));
        let machines: Api<DynamicObject> = Api::namespaced_with(client.clone(), &self.namespace, &resource);
        let machine = object(&json!({
            "apiVersion": format!("{GROUP}/{VERSION}"), "kind": "VirtualMachine",
            "spec": { "runStrategy": "Halted", "template": { "spec": {
                "domain": { "devices": {}, "memory": { "guest": "1Gi" } } } } },
        }));
        create(&machines, machine, policy).await
    }
}

fn dry_patch() -> PatchParams {
    PatchParams { dry_run: true, field_manager: Some(keys::MANAGER.to_owned()), ..PatchParams::default() }
}

/// Returns an object with the name of all probes.
fn object(fields: &Value) -> Value {
    let mut object = fields.clone();
    object["metadata"]["name"] = NAME.into();
    object
}

async fn create<K>(api: &Api<K>, object: Value, policy: &str) -> Tried
where
    K: Resource + Serialize + DeserializeOwned + Clone + Debug,
{
    match serde_json::from_value::<K>(object) {
        Ok(object) => Tried::by_policy(api.create(&dry(), &object).await, policy),
        Err(error) => Tried::Unknown(error.to_string()),
    }
}

async fn first(sets: &Api<StatefulSet>) -> Option<String> {
    let instances = ListParams::default().labels(keys::INSTANCE).limit(1);
    sets.list_metadata(&instances).await.ok()?.items.first().map(ResourceExt::name_any)
}

async fn running(pods: &Api<Pod>) -> Option<String> {
    let running = ListParams::default().fields("status.phase=Running").limit(1);
    pods.list_metadata(&running).await.ok()?.items.first().map(ResourceExt::name_any)
}

fn no_instance(namespace: &str) -> Tried {
    Tried::Unknown(format!("no instance runs in {namespace} to try it with"))
}
