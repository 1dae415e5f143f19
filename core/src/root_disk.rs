//! The root disk of a VM that stays: a claim that CDI makes and fills for a `DataVolume` of the VM.
//!
//! The claims that CDI makes are exactly the storage of the size. The form `storage` of a `DataVolume` would add room for a
//! file system, which the ResourceQuota counts. An image in a registry needs one claim: the nodes pull the image, and CDI
//! writes into the claim itself. An image that CDI downloads needs a second one of the same size while it is unpacked.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::account::Want;
use crate::containers::Metadata;
use crate::disk::Disk;
use crate::disk_source::{Copied, HTTPS, IMAGE, UNPACKED};
use crate::instance::Instance;
use crate::kubevirt::LooseCondition;
use crate::name::InstanceName;
use crate::quantity::Quantity;
use crate::resources::STORAGE;
use crate::state::State;
use crate::vocabulary::InstanceType;
use crate::web_image;

/// The API group of CDI.
pub const GROUP: &str = "cdi.kubevirt.io";
/// The version of the API group.
pub const VERSION: &str = "v1beta1";
/// The name of the disk in a machine before the machine has a name.
pub(crate) const UNNAMED: &str = "cmp-root";
/// The annotation that makes CDI write into the claim itself. CDI would otherwise fill a second claim of the same size.
const USE_POPULATOR: &str = "cdi.kubevirt.io/storage.usePopulator";

/// Returns the name of the `DataVolume` of an instance, and of its claim.
pub fn volume_name(instance: &InstanceName) -> String {
    format!("root-{instance}")
}

/// Judges the root disk of a want: returns the field and the error. A newer version may know further sources.
pub(crate) fn judge(want: &Want) -> Result<(), (String, String)> {
    let no = |field: &str, why: &str| Err((field.to_owned(), why.to_owned()));
    let Some(source) = &want.root_disk else { return Ok(()) };
    if want.kind != InstanceType::Vm {
        return no("rootDisk", "is for VMs: leave it out, or use disk");
    }
    if want.data_disk.is_some() {
        return no("dataDisk", "needs the storage that rootDisk takes: leave one of them out");
    }
    let on_web = want.image.as_deref().filter(|image| web_image::is_address(image));
    match (source.as_str(), on_web) {
        (HTTPS, None) => no("rootDisk \"https\"", "needs an image that begins with https://"),
        (HTTPS, Some(address)) => web_image::check(address).map_err(|wrong| ("image".to_owned(), wrong.to_string())),
        (UNPACKED, Some(_)) => no("rootDisk \"unpacked\"", "is for the image of a template: use https"),
        (IMAGE, Some(_)) => no("rootDisk \"image\"", "is for an image in a registry: use https"),
        (source, _) if want.image.is_some() && Copied::read(source).is_some() => {
            no("image", "is for disks that are filled from it, and rootDisk names another cluster: leave it out")
        }
        _ => Ok(()),
    }
}

/// Returns the source of a disk that is filled from an image on a web server.
pub(crate) fn of_address(address: &str) -> Value {
    json!({ "http": { "url": address } })
}

/// Returns the source of a disk that is a copy. [`name_copy`] names the claim for each instance.
pub(crate) fn of_copy(copied: &Copied) -> Value {
    json!({ "pvc": { "namespace": copied.cluster.namespace(), "name": copied.to_string() } })
}

/// Returns the cluster of which a disk is a copy, before the machine has a name. No claim can have such a name.
fn copied(spec: &Value) -> Option<Copied> {
    Copied::read(spec["source"]["pvc"]["name"].as_str()?)
}

/// Names the claim that the disk of an instance is copied from.
pub(crate) fn name_copy(spec: &mut Value, instance: &InstanceName) {
    if let Some(copied) = copied(spec) {
        spec["source"]["pvc"]["name"] = json!(volume_name(&copied.instance(instance.index)));
    }
}

/// Returns the `DataVolume` of an instance whose disk is a copy, from its VirtualMachine. `unnamed` is the machine before it
/// had a name.
///
/// CDI authorizes whoever makes a `DataVolume`. The owner makes it, and KubeVirt takes it over for the VM. KubeVirt itself would
/// act for the ServiceAccount of the Namespace, which has no rights in another one.
pub(crate) fn copy_of(unnamed: &Value, machine: &Value, instance: &InstanceName) -> Option<Value> {
    let at =
        unnamed["spec"]["dataVolumeTemplates"].as_array()?.iter().position(|one| copied(&one["spec"]).is_some())?;
    let mut volume = machine["spec"]["dataVolumeTemplates"].get(at)?.clone();
    volume["apiVersion"] = json!(format!("{GROUP}/{VERSION}"));
    volume["kind"] = json!("DataVolume");
    volume["metadata"]["namespace"] = json!(instance.cluster.namespace());
    Some(volume)
}

/// Reports whether CDI unpacks a source in a second claim, its scratch space. It does so for each image that it downloads
/// itself.
pub(crate) fn is_unpacked(source: &Value) -> bool {
    let by_cdi = |registry: &Value| registry.is_object() && registry["pullMethod"] != "node";
    by_cdi(&source["registry"]) || ["http", "s3", "gcs", "imageio", "upload"].iter().any(|of| !source[*of].is_null())
}

/// Returns the source of a disk that only newer versions have.
#[cfg(feature = "newer")]
pub(crate) fn of_newer(source: &str) -> Option<Value> {
    (source == crate::disk_source::BLANK).then(|| json!({ "blank": {} }))
}

/// Returns the source of a disk that is filled from an image in a registry. The node pulls the image: CDI itself would
/// unpack it in a second claim.
pub(crate) fn of_image(image: &str) -> Value {
    json!({ "registry": { "url": format!("docker://{image}"), "pullMethod": "node" } })
}

/// Returns the `DataVolume` of a machine that has no name yet, with a claim of exactly this size. `content` has the fields
/// of its `spec` that name the source.
pub(crate) fn template(content: &BTreeMap<&str, Value>, class: &Value, size: Quantity) -> Value {
    let mut claim = json!({
        "accessModes": ["ReadWriteOnce"],
        "resources": { "requests": { STORAGE: size.to_string() } },
    });
    if !class.is_null() {
        claim["storageClassName"] = class.clone();
    }
    let mut spec = json!({ "pvc": claim });
    for (key, value) in content {
        spec[*key] = value.clone();
    }
    let mut metadata = json!({ "name": UNNAMED });
    // CDI keeps the helpers of a clone in the Namespace of its source. There the ResourceQuota of a cluster has no room.
    let imports = spec["source"]
        .as_object()
        .is_some_and(|source| !source.contains_key("pvc") && !source.contains_key("snapshot"));
    if imports || copied(&spec).is_some() {
        metadata["annotations"] = json!({ USE_POPULATOR: "false" });
    }
    json!({ "metadata": metadata, "spec": spec })
}

/// Returns the rest of a `DataVolume` that is only tried: an empty disk.
pub fn probe() -> Value {
    let claim = json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { STORAGE: "1Mi" } } });
    json!({ "spec": { "source": { "blank": {} }, "pvc": claim } })
}

/// A `DataVolume`, as far as it is read.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct DataVolume {
    /// The name.
    #[serde(default)]
    pub metadata: Metadata,
    /// The status that CDI reports.
    #[serde(default)]
    pub status: DataVolumeStatus,
}

/// The status of a `DataVolume` that CDI reports.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct DataVolumeStatus {
    /// The phase in one word.
    pub phase: Option<String>,
    /// The progress, such as `43.12%`, or `N/A`.
    pub progress: Option<String>,
    /// The conditions `Bound`, `Running` and `Ready`.
    pub conditions: Vec<LooseCondition>,
}

/// Reports whether the root disk of an instance may be the reason why it does not run.
pub fn may_explain(instance: &Instance) -> bool {
    instance.kind == InstanceType::Vm
        && instance.on
        && matches!(instance.state, State::Pending | State::Failed)
        && matches!(instance.disk, Disk::Claim { size: Some(_) })
}

/// Makes the state of the root disk the reason of its instance, if the instance waits for the disk.
pub fn explain(instance: &mut Instance, volume: &DataVolume) {
    let DataVolumeStatus { phase, progress, conditions } = &volume.status;
    let said = |type_: &str, reasons: &[&str]| {
        let condition = conditions.iter().find(|condition| condition.type_ == type_ && condition.status != "True")?;
        let reason = condition.reason.as_deref().filter(|reason| reasons.contains(reason))?;
        Some((reason.to_owned(), condition.message.clone().unwrap_or_default()))
    };
    let phase = phase.as_deref().unwrap_or_default();
    let doing = match phase {
        // The guest alone decides: the disk is filled, or is filled where the guest will be.
        "Succeeded" | "WaitForFirstConsumer" | "PendingPopulation" => return,
        "CloneScheduled"
        | "CloneInProgress"
        | "SnapshotForSmartCloneInProgress"
        | "CloneFromSnapshotSourceInProgress"
        | "SmartClonePVCInProgress"
        | "CSICloneInProgress"
        | "ExpansionInProgress"
        | "NamespaceTransferInProgress"
        | "PrepClaimInProgress"
        | "RebindInProgress" => "cloning its disk",
        _ => "importing its disk",
    };
    let failed = said("Running", &["Error", "ImagePullFailed"]).or_else(|| {
        (phase == "Failed").then(|| ("Failed".to_owned(), said("Running", &[]).map(|(_, why)| why).unwrap_or_default()))
    });
    let (state, reason, message) = match (failed, said("Bound", &["ErrExceededQuota"])) {
        (Some((reason, why)), _) if why.is_empty() => (State::Failed, reason, format!("{doing} failed")),
        (Some((reason, why)), _) => (State::Failed, reason, format!("{doing} failed: {why}")),
        (None, Some((reason, why))) => (State::Pending, reason, format!("its disk waits for quota: {why}")),
        (None, None) => {
            let percent = progress.as_deref().and_then(percent).map_or_else(String::new, |done| format!(": {done} %"));
            let reason = if phase.is_empty() { "Pending" } else { phase };
            (State::Pending, reason.to_owned(), format!("{doing}{percent}"))
        }
    };
    instance.state = state;
    instance.reason = Some(reason);
    instance.message = Some(message);
}

/// Returns the whole percents of a progress.
fn percent(progress: &str) -> Option<u8> {
    let whole = progress.strip_suffix('%')?.split('.').next()?;
    whole.parse().ok().filter(|percent| *percent <= 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::tests::name;
    use crate::instance::of_virtual_machine;
    use crate::instance::tests::vm;

    fn waits() -> Instance {
        let shown = of_virtual_machine(&vm("Always", "running", "Provisioning"), None).unwrap();
        Instance { disk: Disk::Claim { size: "20Gi".parse().ok() }, ..shown }
    }

    #[test]
    fn a_claim_is_exactly_the_size_and_needs_no_other() {
        let from_image = BTreeMap::from([("source", of_image("registry.example/a/b:1"))]);
        assert_eq!(
            template(&from_image, &Value::Null, "20Gi".parse().unwrap()),
            json!({
                "metadata": { "name": "cmp-root", "annotations": { "cdi.kubevirt.io/storage.usePopulator": "false" } },
                "spec": {
                    "source": { "registry": { "url": "docker://registry.example/a/b:1", "pullMethod": "node" } },
                    "pvc": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "20Gi" } } },
                },
            })
        );
        // A clone of an image of an administrator has its helpers in the Namespace of the image.
        let clone = BTreeMap::from([("sourceRef", json!({ "kind": "DataSource", "name": "fedora" }))]);
        let made = template(&clone, &json!("fast"), "1Gi".parse().unwrap());
        assert_eq!((&made["metadata"]["annotations"], &made["spec"]["source"]), (&Value::Null, &Value::Null));
        assert_eq!(made["spec"]["pvc"]["storageClassName"], "fast");
        assert_eq!(volume_name(&name("dev").instance(1)), "root-dev-1");
        // A copy has none, and names its claim for each instance.
        let copied = Copied { cluster: name("web"), instances: 2 };
        let mut made = template(&BTreeMap::from([("source", of_copy(&copied))]), &Value::Null, "1Gi".parse().unwrap());
        assert_eq!(made["metadata"]["annotations"], json!({ "cdi.kubevirt.io/storage.usePopulator": "false" }));
        name_copy(&mut made["spec"], &name("dev").instance(1));
        assert_eq!(made["spec"]["source"], json!({ "pvc": { "namespace": "web-ns", "name": "root-web-1" } }));
    }

    #[test]
    fn an_instance_that_waits_for_its_disk_says_how_far_it_is() {
        let condition = |type_: &str, reason: &str, message: &str| json!([{ "type": type_, "status": "False", "reason": reason, "message": message }]);
        let none = json!([]);
        for (phase, progress, conditions, state, reason, message) in [
            ("ImportInProgress", "43.71%", &none, "pending", "ImportInProgress", "importing its disk: 43 %"),
            ("ImportInProgress", "N/A", &none, "pending", "ImportInProgress", "importing its disk"),
            ("ImportScheduled", "", &none, "pending", "ImportScheduled", "importing its disk"),
            ("CSICloneInProgress", "100.0%", &none, "pending", "CSICloneInProgress", "cloning its disk: 100 %"),
            ("", "", &none, "pending", "Pending", "importing its disk"),
            ("ImportInProgress", "1000%", &none, "pending", "ImportInProgress", "importing its disk"),
            (
                "ImportInProgress",
                "N/A",
                &condition("Running", "Error", "Unable to process data: too large"),
                "failed",
                "Error",
                "importing its disk failed: Unable to process data: too large",
            ),
            (
                "ImportScheduled",
                "",
                &condition("Running", "ImagePullFailed", ""),
                "failed",
                "ImagePullFailed",
                "importing its disk failed",
            ),
            // A Pod that is not there yet is no failure.
            (
                "ImportScheduled",
                "",
                &condition("Running", "Pending", ""),
                "pending",
                "ImportScheduled",
                "importing its disk",
            ),
            ("Failed", "", &none, "failed", "Failed", "importing its disk failed"),
            (
                "Pending",
                "",
                &condition("Bound", "ErrExceededQuota", "exceeded quota: cmp"),
                "pending",
                "ErrExceededQuota",
                "its disk waits for quota: exceeded quota: cmp",
            ),
            ("Succeeded", "100.0%", &none, "pending", "Provisioning", "it is being started"),
            ("WaitForFirstConsumer", "N/A", &none, "pending", "Provisioning", "it is being started"),
        ] {
            let status = json!({ "phase": phase, "progress": progress, "conditions": conditions });
            let volume: DataVolume = serde_json::from_value(json!({ "status": status })).unwrap();
            let mut shown = waits();
            explain(&mut shown, &volume);
            let said = (shown.state.as_str(), shown.reason.as_deref(), shown.message.as_deref());
            assert_eq!(said, (state, Some(reason), Some(message)), "{status}");
        }
    }

    #[test]
    fn only_an_instance_that_waits_asks_for_its_disk() {
        let with = |change: fn(&mut Instance)| {
            let mut shown = waits();
            change(&mut shown);
            may_explain(&shown)
        };
        assert!(with(|_| {}) && with(|shown| shown.state = State::Failed));
        assert!(!with(|shown| shown.state = State::Running) && !with(|shown| shown.on = false));
        assert!(!with(|shown| shown.disk = Disk::Ephemeral) && !with(|shown| shown.disk = Disk::Claim { size: None }));
    }
}
