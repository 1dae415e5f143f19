//! The snapshot controller and a CSI driver, as far as the protocol of `VolumeSnapshots` goes. A claim that is made from a
//! snapshot gets an empty volume, and the `DataVolume` that CDI would give it as its owner. No data is read or written.
//!
//! The annotation `tests.kubectl-cmp.dev/snapshot` of a claim changes its snapshots. `waits` leaves them without an answer,
//! `fails` has the driver refuse them, and `stays` keeps a deleted one. Without the annotation they go on.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams};
use kube::runtime::controller::Action;
use kube::runtime::{Controller, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use crate::cdi::provision;

/// The annotation of a claim for snapshots that wait, fail or stay.
const SNAPSHOT: &str = "tests.kubectl-cmp.dev/snapshot";
/// The finalizer of the real snapshot controller.
const PROTECTION: &str = "snapshot.storage.kubernetes.io/volumesnapshot-bound-protection";
/// The annotation by which CDI takes a claim over for a `DataVolume`.
const POPULATED_FOR: &str = "cdi.kubevirt.io/storage.populatedFor";

struct Snapshotter {
    cluster: Client,
    snapshots: ApiResource,
    contents: ApiResource,
    classes: ApiResource,
    imports: ApiResource,
}

/// Runs until a watch ends.
pub(crate) async fn run(cluster: Client) {
    let of = |kind: &str| ApiResource::from_gvk(&GroupVersionKind::gvk("snapshot.storage.k8s.io", "v1", kind));
    let classes = ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk("snapshot.storage.k8s.io", "v1", "VolumeSnapshotClass"),
        "volumesnapshotclasses",
    );
    let imports = ApiResource::from_gvk(&GroupVersionKind::gvk("cdi.kubevirt.io", "v1beta1", "DataVolume"));
    let (snapshots, contents) = (of("VolumeSnapshot"), of("VolumeSnapshotContent"));
    let claims = Api::<PersistentVolumeClaim>::all(cluster.clone());
    let all = Api::<DynamicObject>::all_with(cluster.clone(), &snapshots);
    let context = Arc::new(Snapshotter { cluster, snapshots: snapshots.clone(), contents, classes, imports });
    let take = Controller::new_with(all, watcher::Config::default(), snapshots)
        .run(take, |_, error, _| super::again(error), context.clone())
        .for_each(|_| std::future::ready(()));
    let restore = Controller::new(claims, watcher::Config::default())
        .run(restore, |_, error, _| super::again(error), context)
        .for_each(|_| std::future::ready(()));
    tokio::select! {
        () = take => {}
        () = restore => {}
    }
}

async fn take(snapshot: Arc<DynamicObject>, at: Arc<Snapshotter>) -> Result<Action, kube::Error> {
    let Some(namespace) = snapshot.namespace() else { return Ok(Action::await_change()) };
    let source = snapshot.data["spec"]["source"]["persistentVolumeClaimName"].as_str().unwrap_or_default();
    let claim = Api::<PersistentVolumeClaim>::namespaced(at.cluster.clone(), &namespace).get_opt(source).await?;
    let wish = claim.as_ref().and_then(|claim| claim.annotations().get(SNAPSHOT)).cloned().unwrap_or_default();
    let own = Api::<DynamicObject>::namespaced_with(at.cluster.clone(), &namespace, &at.snapshots);
    let contents = Api::<DynamicObject>::all_with(at.cluster.clone(), &at.contents);
    let (name, content) = (snapshot.name_any(), format!("snapcontent-{}", snapshot.uid().unwrap_or_default()));
    let soon = Ok(Action::requeue(Duration::from_millis(300)));
    if snapshot.metadata.deletion_timestamp.is_some() {
        if wish == "stays" {
            return soon;
        }
        ignored(contents.delete(&content, &DeleteParams::default()).await.map(drop))?;
        let finalizers: Vec<&String> = snapshot.finalizers().iter().filter(|one| *one != PROTECTION).collect();
        return patched(&own, &name, json!({ "metadata": { "finalizers": finalizers } })).await;
    }
    if !snapshot.finalizers().iter().any(|one| one == PROTECTION) {
        return patched(&own, &name, json!({ "metadata": { "finalizers": [PROTECTION] } })).await;
    }
    if snapshot.data["status"]["readyToUse"] == true || wish == "waits" {
        return if wish == "waits" { soon } else { Ok(Action::await_change()) };
    }
    let class = snapshot.data["spec"]["volumeSnapshotClassName"].as_str().unwrap_or_default().to_owned();
    let known = Api::<DynamicObject>::all_with(at.cluster.clone(), &at.classes).get_opt(&class).await?;
    let refused = match (&known, wish.as_str()) {
        (None, _) => Some(format!("the VolumeSnapshotClass {class} does not exist")),
        (_, "fails") => Some("rpc error: code = ResourceExhausted desc = no space left in the pool".to_owned()),
        _ => None,
    };
    if let Some(message) = refused {
        let error = json!({ "message": message, "time": snapshot.creation_timestamp() });
        report(&own, &name, &snapshot, json!({ "readyToUse": false, "error": error })).await?;
        return soon;
    }
    let Some(claim) = claim else { return soon };
    let size = claim.spec.as_ref().and_then(|spec| spec.resources.as_ref()?.requests.as_ref()?.get("storage"));
    let object = json!({
        "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotContent", "metadata": { "name": content },
        "spec": {
            "deletionPolicy": "Delete", "volumeSnapshotClassName": class,
            "driver": known.map(|class| class.data["driver"].clone()),
            "source": { "volumeHandle": claim.uid() },
            "volumeSnapshotRef": { "kind": "VolumeSnapshot", "namespace": namespace, "name": name, "uid": snapshot.uid() },
        },
    });
    let object = serde_json::from_value(object).map_err(kube::Error::SerdeError)?;
    ignored(contents.create(&PostParams::default(), &object).await.map(drop))?;
    let status = json!({
        "boundVolumeSnapshotContentName": content, "creationTime": Timestamp::now().to_string(), "readyToUse": true,
        "restoreSize": size, "error": null,
    });
    report(&own, &name, &snapshot, status).await?;
    Ok(Action::await_change())
}

/// Provisions a claim that is made from a snapshot. CDI's controller gives it to its `DataVolume`.
async fn restore(claim: Arc<PersistentVolumeClaim>, at: Arc<Snapshotter>) -> Result<Action, kube::Error> {
    let from = claim.spec.as_ref().and_then(|spec| spec.data_source.as_ref());
    let (Some(from), Some(namespace)) = (from.filter(|from| from.kind == "VolumeSnapshot"), claim.namespace()) else {
        return Ok(Action::await_change());
    };
    if claim.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let snapshots = Api::<DynamicObject>::namespaced_with(at.cluster.clone(), &namespace, &at.snapshots);
    let ready = snapshots.get_opt(&from.name).await?.is_some_and(|one| one.data["status"]["readyToUse"] == true);
    if !ready {
        return Ok(Action::requeue(Duration::from_millis(300)));
    }
    provision(&at.cluster, &claim).await?;
    let Some(import) = claim.annotations().get(POPULATED_FOR).filter(|_| claim.owner_references().is_empty()) else {
        return Ok(Action::await_change());
    };
    let imports = Api::<DynamicObject>::namespaced_with(at.cluster.clone(), &namespace, &at.imports);
    let Some(owner) = imports.get_opt(import).await? else { return Ok(Action::requeue(Duration::from_millis(300))) };
    let owner = json!([{
        "apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "DataVolume", "name": import, "uid": owner.uid(),
        "controller": true, "blockOwnerDeletion": true,
    }]);
    let claims = Api::<PersistentVolumeClaim>::namespaced(at.cluster.clone(), &namespace);
    let patch = Patch::Merge(json!({ "metadata": { "ownerReferences": owner } }));
    ignored(claims.patch(&claim.name_any(), &PatchParams::default(), &patch).await.map(drop))?;
    Ok(Action::await_change())
}

/// Ignores that an object is gone, or there already.
fn ignored(done: Result<(), kube::Error>) -> Result<(), kube::Error> {
    match done {
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        done => done,
    }
}

async fn patched(api: &Api<DynamicObject>, name: &str, patch: Value) -> Result<Action, kube::Error> {
    ignored(api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.map(drop))?;
    Ok(Action::await_change())
}

/// Writes a status, if it changes anything.
async fn report(
    api: &Api<DynamicObject>,
    name: &str,
    before: &DynamicObject,
    status: Value,
) -> Result<(), kube::Error> {
    let same = status["readyToUse"] == before.data["status"]["readyToUse"]
        && status["error"]["message"] == before.data["status"]["error"]["message"];
    if same {
        return Ok(());
    }
    let patch = Patch::Merge(json!({ "status": status }));
    ignored(api.patch_status(name, &PatchParams::default(), &patch).await.map(drop))
}
