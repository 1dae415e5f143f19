//! Check whether every policy exists as it was installed, and refuses what it must refuse.

use futures::future::join_all;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, ResourceQuota, Service};
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use cmp_core::keys;
use cmp_core::kubevirt::{GROUP, VERSION};

use crate::commands::check::equal;
use crate::commands::check::installation::{AGAIN, Installation};
use crate::commands::check::report::Check;
use crate::commands::shared::probes::{self, NAME, Tried, dry};
use crate::context::{Context, MANAGER};
use crate::error::CliError;
use crate::manifests::Manifest;

const SERVED: &str = "is the type switched off? kubectl api-resources --api-group=admissionregistration.k8s.io";

/// Returns one check for each policy.
pub(super) async fn run_checks(context: &Context<'_>, installation: &Installation) -> Result<Vec<Check>, CliError> {
    let places = Places::find(context, &installation.client).await?;
    let installed = &installation.manifests.policies;
    let policies = installed.iter().filter(|manifest| manifest.kind() == "ValidatingAdmissionPolicy");
    let looked = policies.map(|policy| async {
        let name = policy.object.name_any();
        let title = format!("policy/{name}");
        let (difference, tried) = futures::join!(
            difference(&installation.client, installed, &name),
            places.tried(&installation.client, &name)
        );
        let difference = match difference {
            Ok(difference) => difference,
            Err(error) => return Check::of(&title, Err(error)),
        };
        match (difference, tried) {
            (Some(difference), Tried::Passed) => {
                Check::failed(&title, format!("{difference}, and it does not refuse what it has to")).hint(AGAIN)
            }
            (Some(difference), _) => Check::failed(&title, difference).hint(AGAIN),
            (None, Tried::Passed) => Check::failed(&title, "it does not refuse what it has to").hint(SERVED),
            (None, Tried::Refused) => Check::ok(&title, "it is as it was installed, and refuses what it has to"),
            (None, Tried::Unknown(why)) => Check::ok(&title, format!("it is as it was installed; not tried: {why}")),
        }
    });
    Ok(join_all(looked).await)
}

/// Returns the first difference of the policy or its binding from the manifest.
async fn difference(client: &Client, installed: &[Manifest], name: &str) -> Result<Option<String>, CliError> {
    for manifest in installed.iter().filter(|manifest| manifest.object.name_any() == name) {
        if let Some(difference) = equal::difference(client, manifest).await? {
            let what = if manifest.kind() == "ValidatingAdmissionPolicy" { "" } else { "its binding: " };
            return Ok(Some(format!("{what}{difference}")));
        }
    }
    Ok(None)
}

/// Places to run probes in, and the identities for them.
struct Places {
    webhook: Client,
    /// A cluster of containers.
    containers: Option<Place>,
    /// A cluster of VMs.
    machines: Option<Place>,
}

/// The Namespace of a cluster, and a client that acts as its owner.
struct Place {
    namespace: String,
    owner: Client,
}

impl Places {
    async fn find(context: &Context<'_>, client: &Client) -> Result<Self, CliError> {
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let webhook = context.client_as(keys::SYSTEM_NAMESPACE, keys::WEBHOOK).await?;
        let mut found = Vec::new();
        for kind in ["container", "vm"] {
            let one = ListParams::default().labels(&format!("{},{}={kind}", keys::OWNER, keys::TYPE)).limit(100);
            // A caller who may not list them runs only the probes that need no cluster.
            let list = namespaces.list_metadata(&one).await.map(|list| list.items).unwrap_or_default();
            let place = match list.iter().find(|one| one.metadata.deletion_timestamp.is_none()) {
                None => None,
                Some(one) => {
                    let owner = one.labels().get(keys::OWNER).map(String::as_str).unwrap_or_default();
                    let owner = context.client_as(keys::USERS_NAMESPACE, owner).await?;
                    Some(Place { namespace: one.name_any(), owner })
                }
            };
            found.push(place);
        }
        let machines = found.pop().flatten();
        Ok(Self { webhook, containers: found.pop().flatten(), machines })
    }

    /// Sends a request that the policy must refuse.
    async fn tried(&self, client: &Client, policy: &str) -> Tried {
        match policy {
            "cmp-accounts" => probes::forged_account(client).await,
            "cmp-namespaces" => probes::forged_namespace(client).await,
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
            _ => Tried::Unknown("nothing is known that it refuses".to_owned()),
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
    PatchParams { dry_run: true, field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() }
}

/// Returns an object with the name of all probes.
fn object(fields: &Value) -> Value {
    let mut object = fields.clone();
    object["metadata"]["name"] = NAME.into();
    object
}

async fn create<K>(api: &Api<K>, object: Value, policy: &str) -> Tried
where
    K: kube::Resource + serde::Serialize + DeserializeOwned + Clone + std::fmt::Debug,
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

#[cfg(test)]
mod tests {
    use crate::manifests::{Manifests, Variant};

    /// A policy without a probe would count as enforced.
    #[test]
    fn there_is_something_to_try_for_every_policy() {
        let here = include_str!("policies.rs");
        let all = Manifests::read(Variant::default()).unwrap();
        for policy in all.policies.iter().filter(|manifest| manifest.kind() == "ValidatingAdmissionPolicy") {
            let name = policy.title().split('/').next_back().unwrap().to_owned();
            assert!(here.contains(&format!("\"{name}\" =>")), "{name}");
        }
    }
}
