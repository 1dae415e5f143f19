//! The part of KubeVirt's API that instances need: `kubevirt.io/v1` and the calls that pause.

use futures::stream::{BoxStream, StreamExt};
use http::Request;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind, PartialObjectMeta};
use kube::runtime::watcher::{Config, watcher};
use kube::{Client, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use cmp_core::kubevirt::{GROUP, SUBRESOURCES, VERSION, VirtualMachine, VirtualMachineInstance};
use cmp_core::lifecycle::Call;
use cmp_core::name::{ClusterName, InstanceName};

use crate::accounts::changes;
use crate::discovery::{self, served};
use crate::error::ApiError;
use crate::texts;
use crate::watches::Watch;

/// The VMs of one cluster.
#[derive(Clone)]
pub struct Machines {
    client: Client,
    namespace: String,
    objects: Api<DynamicObject>,
    running: Api<DynamicObject>,
}

/// The types of KubeVirt that instances need.
const TYPES: [&str; 2] = ["virtualmachines", "virtualmachineinstances"];

/// Reports whether the Kubernetes cluster has KubeVirt: whether the API server serves VMs and their guests.
pub async fn installed(client: &Client) -> Result<bool, ApiError> {
    Ok(has_vms(&served(client, &format!("{GROUP}/{VERSION}")).await?))
}

/// Lists the definitions of both types that are stored, but that the API server does not serve.
pub async fn unserved(client: &Client) -> Result<Vec<String>, ApiError> {
    discovery::unserved(client, GROUP, &TYPES).await
}

/// Reports whether both types are served. The group alone says less. KubeVirt's operator makes it first, for its own
/// settings.
fn has_vms(served: &[String]) -> bool {
    TYPES.iter().all(|plural| served.iter().any(|name| name == plural))
}

fn resource(kind: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(GROUP, VERSION, kind), plural)
}

fn api(client: &Client, namespace: &str, kind: &str, plural: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, &resource(kind, plural))
}

/// Watches the VirtualMachines and the VirtualMachineInstances in all Namespaces. Callers [read] the objects.
pub fn everywhere(client: &Client) -> [Watch<DynamicObject>; 2] {
    [("VirtualMachine", "virtualmachines"), ("VirtualMachineInstance", "virtualmachineinstances")].map(
        |(kind, plural)| {
            let api = Api::all_with(client.clone(), &resource(kind, plural));
            watcher(api, Config::default()).boxed()
        },
    )
}

/// Lists the guests in all Namespaces; empty where KubeVirt is not installed.
pub async fn guests(client: &Client) -> Result<Vec<VirtualMachineInstance>, ApiError> {
    all(&Api::all_with(client.clone(), &resource("VirtualMachineInstance", "virtualmachineinstances"))).await
}

/// Returns the VirtualMachines in all Namespaces, for a watch of their metadata.
pub(crate) fn machines(client: &Client) -> Api<PartialObjectMeta<DynamicObject>> {
    Api::all_with(client.clone(), &resource("VirtualMachine", "virtualmachines"))
}

/// Converts an object of [`everywhere`] into its type.
pub fn read<T: DeserializeOwned>(object: DynamicObject) -> Result<T, ApiError> {
    let unreadable = |error: serde_json::Error| ApiError::Other(format!("an object of KubeVirt: {error}"));
    serde_json::from_value(serde_json::to_value(object).map_err(unreadable)?).map_err(unreadable)
}

impl Machines {
    /// Selects the VMs of `cluster`.
    pub fn of(client: &Client, cluster: &ClusterName) -> Self {
        let namespace = cluster.namespace();
        Self {
            objects: api(client, &namespace, "VirtualMachine", "virtualmachines"),
            running: api(client, &namespace, "VirtualMachineInstance", "virtualmachineinstances"),
            client: client.clone(),
            namespace,
        }
    }

    /// Lists all VirtualMachines, from etcd and not from a cache; empty where KubeVirt is not installed.
    pub async fn list(&self) -> Result<Vec<VirtualMachine>, ApiError> {
        all(&self.objects).await
    }

    /// Lists the guests of the VMs that are on.
    pub async fn running(&self) -> Result<Vec<VirtualMachineInstance>, ApiError> {
        all(&self.running).await
    }

    /// Reads one VirtualMachine, if it exists.
    pub async fn get(&self, name: &InstanceName) -> Result<Option<VirtualMachine>, ApiError> {
        self.objects.get_opt(&name.to_string()).await?.map(read).transpose()
    }

    /// Reads the guest of one VM, if the VM is on.
    pub async fn instance(&self, name: &InstanceName) -> Result<Option<VirtualMachineInstance>, ApiError> {
        self.running.get_opt(&name.to_string()).await?.map(read).transpose()
    }

    /// Yields whenever a VM or a guest changes, and once when each first list is complete.
    pub fn changes(&self) -> [BoxStream<'static, ()>; 2] {
        [&self.objects, &self.running].map(|api| changes(api.clone(), Config::default()))
    }

    /// Creates a VirtualMachine in the Namespace of the cluster, and returns its uid.
    pub async fn create(&self, params: &PostParams, object: Value) -> Result<String, ApiError> {
        let object = serde_json::from_value(object).map_err(|error| ApiError::Other(error.to_string()))?;
        Ok(self.objects.create(params, &object).await?.uid().unwrap_or_default())
    }

    /// Changes one VirtualMachine by a merge patch.
    pub async fn patch(&self, name: &InstanceName, params: &PatchParams, patch: &Value) -> Result<(), ApiError> {
        // The answer is not used: request only its metadata.
        self.objects.patch_metadata(&name.to_string(), params, &Patch::Merge(patch)).await?;
        Ok(())
    }

    /// Deletes a VirtualMachine after its dependents (foreground deletion).
    pub async fn delete(&self, name: &InstanceName) -> Result<(), ApiError> {
        self.objects.delete(&name.to_string(), &DeleteParams::foreground()).await?;
        Ok(())
    }

    /// Deletes one VirtualMachineInstance. If its VirtualMachine exists, KubeVirt creates another one.
    pub async fn delete_running(&self, name: &InstanceName) -> Result<(), ApiError> {
        self.running.delete(&name.to_string(), &DeleteParams::default()).await?;
        Ok(())
    }

    /// Pauses or unpauses one VM. A VM that is already in that state is not an error.
    pub async fn call(&self, name: &InstanceName, call: Call, dry_run: bool) -> Result<(), ApiError> {
        let body = if dry_run { json!({ "dryRun": ["All"] }) } else { json!({}) };
        let call = format!("virtualmachineinstances/{name}/{}", call.as_str());
        // Two clients may call at once.
        unless(self.put(&call, &body).await, &texts::PAUSED_ALREADY)
    }

    /// Restarts the guest with the current spec of its VM. A VM without a guest is not an error: its next guest has the
    /// spec.
    pub async fn restart(&self, name: &InstanceName) -> Result<(), ApiError> {
        let restarted = self.put(&format!("virtualmachines/{name}/restart"), &json!({})).await;
        unless(restarted, &texts::NOTHING_TO_RESTART)
    }

    /// Calls one of KubeVirt's subresources.
    async fn put(&self, call: &str, body: &Value) -> Result<(), ApiError> {
        put(&self.client, &self.namespace, call, body).await?;
        Ok(())
    }
}

/// Returns the path of one of KubeVirt's subresources in a Namespace.
fn subresource(namespace: &str, call: &str) -> String {
    format!("/apis/{SUBRESOURCES}/{VERSION}/namespaces/{namespace}/{call}")
}

/// Returns the path of a subresource of a guest.
pub(crate) fn of_guest(name: &InstanceName, call: &str) -> String {
    subresource(&name.cluster.namespace(), &format!("virtualmachineinstances/{name}/{call}"))
}

/// Puts an object to one of KubeVirt's subresources in a Namespace, and returns the answer.
async fn put(client: &Client, namespace: &str, call: &str, body: &Value) -> Result<String, ApiError> {
    let request = Request::put(subresource(namespace, call)).header(http::header::CONTENT_TYPE, "application/json");
    let request = request.body(body.to_string().into_bytes()).map_err(|error| ApiError::Other(error.to_string()))?;
    Ok(client.request_text(request).await?)
}

/// Returns a VirtualMachine with the fields of its instancetype and preference, as virt-api expands it. Nothing is
/// written. An instancetype that is not of the whole cluster is looked up in the Namespace.
pub async fn expand(client: &Client, namespace: &str, machine: &Value) -> Result<Value, ApiError> {
    let answer = put(client, namespace, "expand-vm-spec", machine).await?;
    serde_json::from_str(&answer).map_err(|error| ApiError::Other(format!("the expanded VirtualMachine: {error}")))
}

/// Ignores a conflict whose message contains one of these words.
fn unless(answered: Result<(), ApiError>, words: &[&str]) -> Result<(), ApiError> {
    match answered {
        Err(ApiError::Refused { code: 409, message, .. }) if words.iter().any(|word| message.contains(word)) => Ok(()),
        answered => answered,
    }
}

/// Lists all objects of a type; empty where the type is not installed.
pub(crate) async fn all<T: DeserializeOwned>(api: &Api<DynamicObject>) -> Result<Vec<T>, ApiError> {
    match api.list(&ListParams::default()).await.map_err(ApiError::from) {
        Ok(list) => list
            .items
            .into_iter()
            .map(|object| {
                let name = object.name_any();
                read(object).map_err(|error| ApiError::Other(format!("{name}: {error}")))
            })
            .collect(),
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubevirt_is_installed_once_vms_and_their_guests_are_served() {
        for (served, expected) in [
            (&["virtualmachines", "virtualmachineinstances"][..], true),
            (&["kubevirts", "virtualmachineinstances", "virtualmachines/status", "virtualmachines"], true),
            // KubeVirt's operator runs, and no KubeVirt is deployed.
            (&["kubevirts"], false),
            (&["kubevirts", "virtualmachineinstances"], false),
            (&["virtualmachines"], false),
            (&[], false),
        ] {
            let served: Vec<String> = served.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(has_vms(&served), expected, "{served:?}");
        }
    }
}
