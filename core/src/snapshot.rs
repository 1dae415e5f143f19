//! Snapshots of the disks of VMs, and their restore: KubeVirt's objects, as far as they are read and written.
//!
//! A snapshot of a cluster has one part for each VM, a `VirtualMachineSnapshot`. A label on the parts has its name.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::containers::Metadata;
use crate::keys;
use crate::kubevirt::{self, LooseCondition, VirtualMachine};
use crate::name::{ClusterName, InstanceName, SnapshotName};
use crate::quantity::Quantity;

/// The API group of KubeVirt's snapshots and restores.
pub const GROUP: &str = "snapshot.kubevirt.io";
/// The version of that API group.
pub const VERSION: &str = "v1beta1";
/// The API group of the snapshots of volumes, which a CSI driver takes.
pub const VOLUME_GROUP: &str = "snapshot.storage.k8s.io";
/// The version of that API group.
pub const VOLUME_VERSION: &str = "v1";

/// A `VirtualMachineSnapshot`: the snapshot of one VM.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Part {
    /// The name, the labels and the times.
    pub metadata: Metadata,
    /// The VM that it is of.
    pub spec: PartSpec,
    /// The status that KubeVirt reports.
    pub status: PartStatus,
}

/// The desired state of a `VirtualMachineSnapshot`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct PartSpec {
    /// The VM.
    pub source: Source,
}

/// An object that is named.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Source {
    /// The name of the object.
    pub name: String,
}

/// The status of a `VirtualMachineSnapshot` that KubeVirt reports.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PartStatus {
    /// The phase in one word.
    pub phase: Option<String>,
    /// Whether the disks can be restored from it.
    pub ready_to_use: Option<bool>,
    /// The uid of the VM.
    #[serde(rename = "sourceUID")]
    pub source_uid: Option<String>,
    /// The time at which the disks were read.
    pub creation_time: Option<Time>,
    /// The last error.
    pub error: Option<Problem>,
    /// The conditions. KubeVirt writes sentences into their reasons.
    pub conditions: Vec<LooseCondition>,
    /// The volumes that are in it, and those that are not.
    pub snapshot_volumes: Option<Volumes>,
}

/// An error in a status.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// The error in a sentence.
    pub message: Option<String>,
}

/// The volumes of a VM in a snapshot.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Volumes {
    /// The names of the volumes that are in the snapshot.
    pub included_volumes: Vec<String>,
}

/// A `VirtualMachineSnapshotContent`: the VM and the volumes of a snapshot.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Content {
    /// The content.
    pub spec: ContentSpec,
}

/// The spec of a `VirtualMachineSnapshotContent`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContentSpec {
    /// The name of the `VirtualMachineSnapshot`.
    pub virtual_machine_snapshot_name: Option<String>,
    /// The VM.
    pub source: ContentSource,
    /// The volumes.
    pub volume_backups: Vec<VolumeBackup>,
}

/// The source of a content.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContentSource {
    /// The VM as it was.
    pub virtual_machine: VirtualMachine,
}

/// A volume in a content.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeBackup {
    /// The name of the `VolumeSnapshot`.
    pub volume_snapshot_name: Option<String>,
}

/// A `VolumeSnapshot`: the snapshot of one claim.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct VolumeSnapshot {
    /// The name.
    pub metadata: Metadata,
    /// The status.
    pub status: VolumeStatus,
}

/// The status of a `VolumeSnapshot`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeStatus {
    /// The least size of a claim that is made from it.
    pub restore_size: Option<String>,
}

impl VolumeSnapshot {
    /// Returns the least size of a claim that is made from it.
    pub fn restore_size(&self) -> Option<Quantity> {
        self.status.restore_size.as_ref()?.parse().ok()
    }
}

/// A `VirtualMachineRestore`: one VM that gets the disks of a snapshot back.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Restore {
    /// The name and the uid.
    pub metadata: Metadata,
    /// The status that KubeVirt reports.
    pub status: RestoreStatus,
}

/// The status of a `VirtualMachineRestore` that KubeVirt reports.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RestoreStatus {
    /// Whether it is complete.
    pub complete: Option<bool>,
    /// The conditions. KubeVirt writes sentences into their reasons.
    pub conditions: Vec<LooseCondition>,
}

impl Restore {
    /// Reports whether the VM has its disks back.
    pub fn is_complete(&self) -> bool {
        self.status.complete == Some(true)
    }

    /// Returns the reason why KubeVirt has given up, if it has.
    pub fn failure(&self) -> Option<&str> {
        of(&self.status.conditions, "Failure", "True")
    }

    /// Returns the progress, or the reason why there is none.
    pub fn progress(&self) -> &str {
        let said = ["True", "False"].into_iter().find_map(|status| of(&self.status.conditions, "Progressing", status));
        said.unwrap_or("it begins")
    }
}

/// Returns the sentence of a condition with this status.
fn of<'a>(conditions: &'a [LooseCondition], kind: &str, status: &str) -> Option<&'a str> {
    conditions.iter().find(|condition| condition.type_ == kind && condition.status == status)?.reason.as_deref()
}

/// The state of a snapshot, or of a part of it. The order is the one in which the states of parts decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SnapshotState {
    /// It is being deleted.
    Deleting,
    /// It cannot be used.
    Failed,
    /// It is being taken.
    Pending,
    /// The disks can be restored from it.
    Ready,
}

impl SnapshotState {
    /// Returns the state as it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deleting => "deleting",
            Self::Failed => "failed",
            Self::Pending => "pending",
            Self::Ready => "ready",
        }
    }
}

impl Part {
    /// Returns the name of the object.
    pub fn object(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// Returns the name of the snapshot. A part that was made by hand is a snapshot of its own.
    pub fn snapshot(&self) -> &str {
        let label = self.metadata.labels.as_ref().and_then(|labels| labels.get(keys::SNAPSHOT));
        label.map_or_else(|| self.object(), String::as_str)
    }

    /// Returns the VM that it is of.
    pub fn instance(&self) -> Option<InstanceName> {
        self.spec.source.name.parse().ok()
    }

    /// Returns the state.
    pub fn state(&self) -> SnapshotState {
        let status = &self.status;
        match status.phase.as_deref() {
            _ if self.metadata.deletion_timestamp.is_some() => SnapshotState::Deleting,
            Some("Failed") => SnapshotState::Failed,
            Some("Succeeded") if status.ready_to_use == Some(true) => SnapshotState::Ready,
            _ => SnapshotState::Pending,
        }
    }

    /// Returns the reason why it is not ready, if KubeVirt says one.
    pub fn reason(&self) -> Option<&str> {
        let status = &self.status;
        let error = status.error.as_ref().and_then(|error| error.message.as_deref());
        match self.state() {
            SnapshotState::Ready => None,
            SnapshotState::Failed => error.or_else(|| of(&status.conditions, "Failure", "True")),
            SnapshotState::Pending | SnapshotState::Deleting => error
                .or_else(|| ["False", "True"].into_iter().find_map(|held| of(&status.conditions, "Progressing", held))),
        }
    }
}

/// A snapshot of a cluster.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The name.
    pub name: String,
    /// The cluster.
    pub cluster: ClusterName,
    /// The parts, in the order of the instances.
    pub parts: Vec<Part>,
}

impl Snapshot {
    /// Returns the state: that of the part that is furthest from being ready.
    pub fn state(&self) -> SnapshotState {
        self.parts.iter().map(Part::state).min().unwrap_or(SnapshotState::Pending)
    }

    /// Returns the number of parts that are ready.
    pub fn ready(&self) -> usize {
        self.parts.iter().filter(|part| part.state() == SnapshotState::Ready).count()
    }

    /// Returns the first reason why it is not ready.
    pub fn reason(&self) -> Option<String> {
        let said = |part: &Part| Some(format!("{}: {}", part.spec.source.name, part.reason()?));
        self.parts.iter().find_map(said)
    }

    /// Returns the time at which the first part was asked for.
    pub fn created(&self) -> Option<Timestamp> {
        self.parts.iter().filter_map(|part| part.metadata.creation_timestamp.as_ref().map(|time| time.0)).min()
    }
}

/// Groups the parts in the Namespace of a cluster, in the order of their times.
pub fn snapshots(cluster: &ClusterName, parts: Vec<Part>) -> Vec<Snapshot> {
    let mut groups: BTreeMap<String, Vec<Part>> = BTreeMap::new();
    for part in parts {
        groups.entry(part.snapshot().to_owned()).or_default().push(part);
    }
    let mut all: Vec<Snapshot> = groups
        .into_iter()
        .map(|(name, mut parts)| {
            parts.sort_by_key(Part::instance);
            Snapshot { name, cluster: cluster.clone(), parts }
        })
        .collect();
    all.sort_by_key(Snapshot::created);
    all
}

/// Returns the name of the objects of one VM in a snapshot.
pub fn part_name(snapshot: &SnapshotName, instance: &InstanceName) -> String {
    format!("{snapshot}-{}", instance.index)
}

fn metadata(name: &str, snapshot: &str, instance: &InstanceName) -> Value {
    json!({
        "name": name,
        "namespace": instance.cluster.namespace(),
        "labels": {
            (keys::CLUSTER): instance.cluster, (keys::INSTANCE): instance.to_string(), (keys::SNAPSHOT): snapshot,
            (keys::MANAGED_BY): keys::MANAGER,
        },
    })
}

fn reference(instance: &InstanceName) -> Value {
    json!({ "apiGroup": kubevirt::GROUP, "kind": "VirtualMachine", "name": instance.to_string() })
}

/// Returns the `VirtualMachineSnapshot` of a VM.
pub fn part(snapshot: &SnapshotName, instance: &InstanceName) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/{VERSION}"), "kind": "VirtualMachineSnapshot",
        "metadata": metadata(&part_name(snapshot, instance), snapshot.as_str(), instance),
        "spec": { "source": reference(instance) },
    })
}

/// Returns the `VirtualMachineRestore` of a VM from its part of a snapshot. Each disk is replaced under its name. KubeVirt
/// would otherwise make other claims beside the old ones.
pub fn restore(part: &Part, instance: &InstanceName) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/{VERSION}"), "kind": "VirtualMachineRestore",
        "metadata": metadata(part.object(), part.snapshot(), instance),
        "spec": {
            "target": reference(instance), "virtualMachineSnapshotName": part.object(), "volumeRestorePolicy": "InPlace",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::tests::name;

    fn read(name: &str, label: Option<&str>, status: &Value) -> Part {
        let labels = label.map(|label| json!({ (keys::SNAPSHOT): label }));
        let vm = name.replace("before", "web").replace("after", "web");
        serde_json::from_value(json!({
            "metadata": { "name": name, "labels": labels, "creationTimestamp": "2026-01-01T00:00:00Z" },
            "spec": { "source": { "apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": vm } },
            "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn a_part_is_ready_only_once_its_volumes_are() {
        let progressing = |status: &str, why: &str| json!([{ "type": "Progressing", "status": status, "reason": why }]);
        let failure = json!([{ "type": "Failure", "status": "True", "reason": "snapshot deadline exceeded" }]);
        for (status, state, reason) in [
            (json!({}), "pending", None),
            (
                json!({ "phase": "InProgress", "conditions": progressing("False", "Source not locked") }),
                "pending",
                Some("Source not locked"),
            ),
            (json!({ "phase": "Succeeded", "readyToUse": false }), "pending", None),
            (json!({ "phase": "Succeeded", "readyToUse": true }), "ready", None),
            (json!({ "phase": "InProgress", "error": { "message": "no space" } }), "pending", Some("no space")),
            (json!({ "phase": "Failed", "conditions": failure }), "failed", Some("snapshot deadline exceeded")),
        ] {
            let part = read("before-0", Some("before"), &status);
            assert_eq!((part.state().as_str(), part.reason()), (state, reason), "{status}");
        }
        let mut going = read("before-0", None, &json!({ "phase": "Succeeded", "readyToUse": true }));
        going.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        assert_eq!(going.state(), SnapshotState::Deleting);
    }

    #[test]
    fn parts_of_one_name_are_one_snapshot() {
        let ready = json!({ "phase": "Succeeded", "readyToUse": true });
        let parts = vec![
            read("before-10", Some("before"), &ready),
            read("before-2", Some("before"), &json!({ "error": { "message": "no space" } })),
            read("by-hand", None, &ready),
        ];
        let all = snapshots(&name("web"), parts);
        let shown: Vec<_> =
            all.iter().map(|one| (one.name.as_str(), one.parts.len(), one.ready(), one.state().as_str())).collect();
        assert_eq!(shown, [("before", 2, 1, "pending"), ("by-hand", 1, 1, "ready")]);
        assert_eq!(all[0].parts[0].object(), "before-2", "by index, and not by text");
        assert_eq!(all[0].reason().as_deref(), Some("web-2: no space"));
    }

    #[test]
    fn the_objects_are_of_one_machine_and_replace_its_disks() {
        let (web, before) = (name("web").instance(1), "before".parse::<SnapshotName>().unwrap());
        let made = part(&before, &web);
        assert_eq!((&made["metadata"]["name"], &made["metadata"]["namespace"]), (&json!("before-1"), &json!("web-ns")));
        assert_eq!(made["metadata"]["labels"][keys::SNAPSHOT], "before");
        let vm = json!({ "apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "web-1" });
        assert_eq!(made["spec"], json!({ "source": vm }));
        let made: Part = serde_json::from_value(made).unwrap();
        assert_eq!((made.instance(), made.snapshot()), (Some(web.clone()), "before"));
        assert_eq!(
            restore(&made, &web)["spec"],
            json!({ "target": vm, "virtualMachineSnapshotName": "before-1", "volumeRestorePolicy": "InPlace" })
        );
    }
}
