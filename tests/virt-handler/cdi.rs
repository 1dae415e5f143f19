//! CDI's controller, as far as its protocol goes: it makes and binds the claims of a `DataVolume`, and reports phases.
//!
//! It makes the claims as CDI's ServiceAccount, as CDI 1.63 does: that of the `DataVolume`, and the second one of a
//! populator. An import that a Pod of CDI unpacks has scratch space as well. A claim that the API server refuses is
//! made again after a second. Nothing is imported, and no volume is provisioned: each claim gets an empty one.
//!
//! A copy of another claim goes on when that claim exists and no Pod uses it, as CDI's host-assisted clone does.
//!
//! The annotation `tests.kubectl-cmp.dev/import` of a `DataVolume` changes its import. `waits-at-43.2%` stops it there,
//! `fails` has it fail as for an image that is larger than the disk. Without the annotation it goes on.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams,
};
use kube::runtime::controller::Action;
use kube::runtime::{Controller, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

/// The annotation for an import that stops or fails.
const IMPORT: &str = "tests.kubectl-cmp.dev/import";
/// The type of a condition of this stand-in: the API server refuses a claim, for another reason than a quota.
const REFUSED: &str = "tests.kubectl-cmp.dev/Refused";
const USE_POPULATOR: &str = "cdi.kubevirt.io/storage.usePopulator";
/// The words of CDI about an image that is larger than the disk.
const TOO_LARGE: &str = "Unable to process data: Virtual image size 42949672960 is larger than the reported available \
                         storage 1014686023. A larger PVC is required.";

struct Cdi {
    controller: Client,
    cluster: Client,
    resource: ApiResource,
}

/// Runs until the watches end. `cluster` stands for the provisioner of volumes.
pub(crate) async fn run(controller: Client, cluster: Client) {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("cdi.kubevirt.io", "v1beta1", "DataVolume"));
    let volumes = Api::<DynamicObject>::all_with(controller.clone(), &resource);
    let claims = Api::<PersistentVolumeClaim>::all(controller.clone());
    Controller::new_with(volumes, watcher::Config::default(), resource.clone())
        .owns_with(claims, (), watcher::Config::default())
        .run(reconcile, |_, error, _| super::again(error), Arc::new(Cdi { controller, cluster, resource }))
        .for_each(|_| std::future::ready(()))
        .await;
}

async fn reconcile(volume: Arc<DynamicObject>, cdi: Arc<Cdi>) -> Result<Action, kube::Error> {
    let phase = volume.data["status"]["phase"].as_str().unwrap_or_default();
    let Some(namespace) = volume.namespace().filter(|_| volume.metadata.deletion_timestamp.is_none()) else {
        return Ok(Action::await_change());
    };
    let name = volume.name_any();
    let claims = Api::<PersistentVolumeClaim>::namespaced(cdi.controller.clone(), &namespace);
    if phase == "Succeeded" {
        for helper in [format!("prime-{}", volume.uid().unwrap_or_default()), format!("{name}-scratch")] {
            match claims.delete(&helper, &DeleteParams::default()).await {
                Err(kube::Error::Api(status)) if status.code != 404 => return Err(kube::Error::Api(status)),
                _ => {}
            }
        }
        // A restore in place deletes the claim. virt-controller goes on when CDI notices that.
        let condition = if claims.get_metadata_opt(&name).await?.is_some() {
            json!({ "type": "Running", "status": "False", "reason": "Completed", "message": "Import Complete" })
        } else {
            json!({ "type": "Bound", "status": "Unknown", "reason": "NotFound", "message": "No PVC found" })
        };
        report(&cdi, &volume, "Succeeded", "100.0%", vec![condition]).await?;
        return Ok(Action::await_change());
    }
    for (name, spec) in wanted_claims(&volume) {
        if let Err(refused) = ensure(&cdi, &claims, &volume, &name, &spec).await? {
            // CDI tells only this refusal from others, by its text. The other condition is for tests.
            let exceeded = refused.contains("exceeded quota:");
            let (kind, reason) = if exceeded { ("Bound", "ErrExceededQuota") } else { (REFUSED, "Refused") };
            let condition = json!({ "type": kind, "status": "Unknown", "reason": reason, "message": refused });
            eprintln!("{namespace}/{name}: {refused}");
            report(&cdi, &volume, "Pending", "N/A", vec![condition]).await?;
            return Ok(Action::requeue(Duration::from_secs(1)));
        }
    }
    let bound =
        claims.get_opt(&name).await?.and_then(|claim| claim.status?.phase).is_some_and(|phase| phase == "Bound");
    if !bound {
        report(&cdi, &volume, "ImportScheduled", "N/A", Vec::new()).await?;
        return Ok(Action::requeue(Duration::from_millis(100)));
    }
    let source = &volume.data["spec"]["source"]["pvc"];
    if source.is_object() && !is_idle(&cdi.cluster, source).await? {
        report(&cdi, &volume, "CloneScheduled", "N/A", Vec::new()).await?;
        return Ok(Action::requeue(Duration::from_millis(300)));
    }
    let doing = if source.is_object() { "CloneInProgress" } else { "ImportInProgress" };
    let running = |status: &str, reason: &str, message: &str| {
        vec![json!({ "type": "Running", "status": status, "reason": reason, "message": message })]
    };
    let wish = volume.annotations().get(IMPORT).map(String::as_str).unwrap_or_default();
    let (phase, progress, conditions) = match wish {
        "fails" => (doing, "N/A", running("False", "Error", TOO_LARGE)),
        stops if stops.starts_with("waits-at-") => {
            (doing, stops.trim_start_matches("waits-at-"), running("True", "Pod is running", ""))
        }
        _ => ("Succeeded", "100.0%", running("False", "Completed", "Import Complete")),
    };
    report(&cdi, &volume, phase, progress, conditions).await?;
    Ok(Action::await_change())
}

/// Reports whether the source of a copy exists, and no Pod uses it.
async fn is_idle(cluster: &Client, source: &Value) -> Result<bool, kube::Error> {
    let (namespace, name) = (source["namespace"].as_str().unwrap_or_default(), source["name"].as_str());
    let claims = Api::<PersistentVolumeClaim>::namespaced(cluster.clone(), namespace);
    if claims.get_metadata_opt(name.unwrap_or_default()).await?.is_none() {
        return Ok(false);
    }
    let pods = Api::<Pod>::namespaced(cluster.clone(), namespace).list(&ListParams::default()).await?;
    let uses = |pod: &Pod| {
        let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        !matches!(phase, Some("Succeeded" | "Failed"))
            && volumes
                .filter_map(|volume| volume.persistent_volume_claim.as_ref())
                .any(|claim| Some(claim.claim_name.as_str()) == name)
    };
    Ok(!pods.items.iter().any(uses))
}

/// Returns the claims that CDI makes for a `DataVolume` before its content is there, each with its spec.
fn wanted_claims(volume: &DynamicObject) -> Vec<(String, Value)> {
    let (name, spec) = (volume.name_any(), &volume.data["spec"]);
    let claim = if spec["pvc"].is_object() { spec["pvc"].clone() } else { with_overhead(&spec["storage"]) };
    let mut claims = vec![(name.clone(), claim.clone())];
    // CDI keeps the helpers of a clone in the Namespace of its source. A copy of cmp has none.
    if spec["source"]["pvc"].is_object() {
        return claims;
    }
    if volume.annotations().get(USE_POPULATOR).map(String::as_str) != Some("false") {
        claims.push((format!("prime-{}", volume.uid().unwrap_or_default()), claim.clone()));
    }
    let source = &spec["source"];
    let by_the_node = source["registry"]["pullMethod"] == "node";
    if source["http"].is_object() || (source["registry"].is_object() && !by_the_node) {
        claims.push((format!("{name}-scratch"), claim));
    }
    claims
}

/// Returns the claim of the form `storage`, which has room for a file system of 5.5 %.
fn with_overhead(storage: &Value) -> Value {
    let mut claim = storage.clone();
    let asked = claim["resources"]["requests"]["storage"].as_str().and_then(|text| text.strip_suffix("Gi"));
    if let Some(gibibytes) = asked.and_then(|text| text.parse::<u64>().ok()) {
        let mebibytes = (gibibytes * 1024 * 1000).div_ceil(945);
        claim["resources"]["requests"]["storage"] = json!(format!("{mebibytes}Mi"));
    }
    if claim["accessModes"].is_null() {
        claim["accessModes"] = json!(["ReadWriteOnce"]);
    }
    claim
}

/// Makes a claim that is missing, and a volume for it. Returns the refusal, if there is one.
async fn ensure(
    cdi: &Cdi,
    claims: &Api<PersistentVolumeClaim>,
    volume: &DynamicObject,
    name: &str,
    spec: &Value,
) -> Result<Result<(), String>, kube::Error> {
    let owner = json!({
        "apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "DataVolume", "name": volume.name_any(), "uid": volume.uid(),
        "controller": true, "blockOwnerDeletion": true,
    });
    let found = match claims.get_opt(name).await? {
        Some(found) if found.metadata.deletion_timestamp.is_some() => {
            return Ok(Err(format!("{name} is being deleted")));
        }
        Some(found) => found,
        None => {
            let claim = json!({
                "metadata": { "name": name, "ownerReferences": [owner],
                    "annotations": { "cdi.kubevirt.io/storage.contentType": "kubevirt" } },
                "spec": spec,
            });
            let claim = serde_json::from_value(claim).map_err(kube::Error::SerdeError)?;
            match claims.create(&PostParams::default(), &claim).await {
                Ok(made) => made,
                Err(kube::Error::Api(status)) if status.code == 403 => return Ok(Err(status.message)),
                Err(error) => return Err(error),
            }
        }
    };
    provision(&cdi.cluster, &found).await.map(Ok)
}

/// Makes an empty volume for a claim that has none. It stands for the provisioner of volumes.
pub(crate) async fn provision(cluster: &Client, found: &PersistentVolumeClaim) -> Result<(), kube::Error> {
    if found.spec.as_ref().is_some_and(|spec| spec.volume_name.is_some()) {
        return Ok(());
    }
    let asked = found.spec.as_ref().and_then(|spec| spec.resources.as_ref()?.requests.as_ref()?.get("storage"));
    let class = found.spec.as_ref().and_then(|spec| spec.storage_class_name.clone());
    let empty = json!({
        "metadata": { "name": format!("pvc-{}", found.uid().unwrap_or_default()) },
        "spec": {
            "capacity": { "storage": asked }, "accessModes": ["ReadWriteOnce"], "storageClassName": class.unwrap_or_default(),
            "persistentVolumeReclaimPolicy": "Retain", "hostPath": { "path": "/tmp/nowhere" },
            "claimRef": { "namespace": found.namespace(), "name": found.name_any(), "uid": found.uid() },
        },
    });
    let empty: PersistentVolume = serde_json::from_value(empty).map_err(kube::Error::SerdeError)?;
    match Api::<PersistentVolume>::all(cluster.clone()).create(&PostParams::default(), &empty).await {
        Err(kube::Error::Api(status)) if status.code != 409 => Err(kube::Error::Api(status)),
        _ => Ok(()),
    }
}

/// Writes the status of a `DataVolume`, if it changes.
async fn report(
    cdi: &Cdi,
    volume: &DynamicObject,
    phase: &str,
    progress: &str,
    conditions: Vec<Value>,
) -> Result<(), kube::Error> {
    let status =
        json!({ "phase": phase, "progress": progress, "conditions": conditions, "claimName": volume.name_any() });
    if volume.data["status"] == status {
        return Ok(());
    }
    let namespace = volume.namespace().unwrap_or_default();
    let volumes = Api::<DynamicObject>::namespaced_with(cdi.controller.clone(), &namespace, &cdi.resource);
    let patch = Patch::Merge(json!({ "status": status }));
    match volumes.patch_status(&volume.name_any(), &PatchParams::default(), &patch).await {
        Err(kube::Error::Api(status)) if status.code != 404 => Err(kube::Error::Api(status)),
        _ => {
            eprintln!("{namespace}/{} {phase} {progress}", volume.name_any());
            Ok(())
        }
    }
}
