//! The data disk of a VM: a claim beside its root disk, which outlives each guest.

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde_json::json;

use crate::cloud_init::Setting;
use crate::keys;
use crate::kubevirt::{GROUP, VERSION};
use crate::manifest::pairs;
use crate::name::InstanceName;
use crate::quantity::{Quantity, stored};
use crate::resources::STORAGE;

/// The serial number by which the guest finds the disk.
pub const SERIAL: &str = "cmp-data";
/// The device of the disk in the guest.
const DEVICE: &str = "/dev/disk/by-id/virtio-cmp-data";

/// Reports whether a path can be mounted: an absolute path below the root, without characters that `fstab` would split
/// or decode.
pub fn is_mount_path(path: &str) -> bool {
    let known = |char: char| char.is_ascii_alphanumeric() || "-_./".contains(char);
    let below = path.strip_prefix('/').is_some_and(|path| path.split('/').any(|part| !part.is_empty()));
    below && path.chars().all(known) && path.split('/').all(|part| !matches!(part, "." | ".."))
}

/// Returns the settings of cloud-init that format the disk once, and mount it.
///
/// A new root disk has cloud-init run again, so that it must find the file system. With `partition: none` it formats the
/// disk at each run, whatever is on it. With `auto` it looks first, and formats only a disk without any file system.
pub fn settings(path: &str) -> [Setting; 2] {
    let setup = json!([{
        "device": DEVICE, "filesystem": "ext4", "label": SERIAL, "partition": "auto", "overwrite": false,
    }]);
    let mounts = json!([[DEVICE, path, "auto", "defaults,nofail", "0", "2"]]);
    [Setting { key: "fs_setup", value: setup }, Setting { key: "mounts", value: mounts }]
}

/// Returns the name of the claim of an instance.
pub fn claim_name(instance: &InstanceName) -> String {
    format!("data-{instance}")
}

/// Returns the claim of an instance. The VM with this uid owns it, so that the claim goes with it.
pub fn claim(instance: &InstanceName, size: Quantity, uid: &str) -> PersistentVolumeClaim {
    let name = instance.to_string();
    let owner = OwnerReference {
        api_version: format!("{GROUP}/{VERSION}"),
        kind: "VirtualMachine".to_owned(),
        name: name.clone(),
        uid: uid.to_owned(),
        ..OwnerReference::default()
    };
    let labels =
        [(keys::CLUSTER, instance.cluster.as_str()), (keys::INSTANCE, &name), (keys::MANAGED_BY, keys::MANAGER)];
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(claim_name(instance)),
            namespace: Some(instance.cluster.namespace()),
            labels: Some(pairs(labels)),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            resources: Some(VolumeResourceRequirements {
                requests: Some(stored([(STORAGE.to_owned(), size)])),
                limits: None,
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    }
}

/// The state of the claim of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimState {
    /// There is none.
    Missing,
    /// The claim of an earlier VM of this name. It is being deleted.
    Leaves,
    /// The claim can be used. A claim without an owner was made by hand, and is charged all the same.
    Ready,
}

/// Returns the state of the claim of the VM with this uid.
pub fn state(claim: Option<&ObjectMeta>, uid: &str) -> ClaimState {
    let Some(metadata) = claim else { return ClaimState::Missing };
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    let earlier = !owners.is_empty() && owners.iter().all(|owner| owner.uid != uid);
    if earlier || metadata.deletion_timestamp.is_some() { ClaimState::Leaves } else { ClaimState::Ready }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::account::tests::name;

    #[test]
    fn a_mount_path_is_absolute_and_plain() {
        for path in ["/data", "/var/lib/db_1", "/a-b.c/", "/..a"] {
            assert!(is_mount_path(path), "{path}");
        }
        for path in ["", "/", "//", "data", "/a b", "/a\tb", "/a\n/b", "/../etc", "/a/./b", "/a#b", "/a\\040b", "/ä"] {
            assert!(!is_mount_path(path), "{path}");
        }
    }

    #[test]
    fn a_disk_is_formatted_only_while_it_has_no_file_system() {
        let [setup, mounts] = settings("/data");
        assert_eq!((setup.key, mounts.key), ("fs_setup", "mounts"));
        let setup = &setup.value[0];
        assert_eq!((&setup["partition"], &setup["overwrite"]), (&json!("auto"), &json!(false)));
        assert_eq!(mounts.value, json!([[DEVICE, "/data", "auto", "defaults,nofail", "0", "2"]]));
        assert!(DEVICE.ends_with(&format!("virtio-{SERIAL}")) && SERIAL.len() <= 20);
    }

    #[test]
    fn a_claim_belongs_to_the_machine_of_its_instance() {
        let made = claim(&name("dev").instance(1), "10Gi".parse().unwrap(), "u");
        let json = serde_json::to_value(&made).unwrap();
        assert_eq!(
            (&json["metadata"]["name"], &json["metadata"]["namespace"]),
            (&json!("data-dev-1"), &json!("dev-ns"))
        );
        assert_eq!(
            json["metadata"]["ownerReferences"],
            json!([{ "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "name": "dev-1", "uid": "u" }])
        );
        assert_eq!(json["spec"]["resources"]["requests"]["storage"], "10Gi");
        let going = ObjectMeta { deletion_timestamp: Some(Time(jiff::Timestamp::UNIX_EPOCH)), ..made.metadata.clone() };
        for (found, uid, expected) in [
            (None, "u", ClaimState::Missing),
            (Some(&made.metadata), "u", ClaimState::Ready),
            (Some(&made.metadata), "v", ClaimState::Leaves),
            (Some(&going), "u", ClaimState::Leaves),
            (Some(&ObjectMeta::default()), "u", ClaimState::Ready),
        ] {
            assert_eq!(state(found, uid), expected);
        }
    }
}
