//! The few fields of KubeVirt's objects that this project reads and writes: `kubevirt.io/v1`, as of KubeVirt 1.7.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Stored;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::account::Want;
use crate::containers::Metadata;
use crate::disk::Disk;
use crate::quantity::Quantity;
use crate::resources::{ResourceName, Resources, STORAGE};

mod misfit;

pub use misfit::Misfit;

/// The API group of VirtualMachines.
pub const GROUP: &str = "kubevirt.io";
/// The API group of pools of VMs.
pub const POOL_GROUP: &str = "pool.kubevirt.io";
/// The API group of the subresources that pause and unpause a VM, and that expand one.
pub const SUBRESOURCES: &str = "subresources.kubevirt.io";
/// The version of both API groups.
pub const VERSION: &str = "v1";
/// The image of the disk that a VM starts from, if none is named.
pub const DEFAULT_IMAGE: &str = "kubevirt/fedora-cloud-container-disk-demo:latest";

/// The `spec.runStrategy` of a VM that is switched on.
pub const ALWAYS: &str = "Always";
/// The `spec.runStrategy` of a VM that is switched off.
pub const HALTED: &str = "Halted";

/// A VirtualMachine, as far as it is read.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct VirtualMachine {
    /// The name, the labels and the version.
    #[serde(default)]
    pub metadata: Metadata,
    /// The desired state of the VM.
    #[serde(default)]
    pub spec: VirtualMachineSpec,
    /// The status that KubeVirt reports.
    #[serde(default)]
    pub status: VirtualMachineStatus,
}

/// The desired state of a VirtualMachine.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VirtualMachineSpec {
    /// The run strategy, which says whether the VM is on.
    pub run_strategy: Option<String>,
    /// The template of its VirtualMachineInstance.
    pub template: Template,
    /// The `DataVolumes` that KubeVirt makes for its disks. Any form is read, so that an unusual one hides no VM.
    pub data_volume_templates: Value,
}

/// The template of the VirtualMachineInstance of a VirtualMachine.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Template {
    /// The spec of the machine.
    pub spec: Machine,
}

/// A machine: the spec of a VirtualMachineInstance.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Machine {
    /// The virtual hardware of the machine.
    pub domain: Domain,
    /// The sources of its disks.
    pub volumes: Vec<Volume>,
    /// The effect of an eviction of its launcher Pod. A guest has the default of the site, if its VM names none.
    pub eviction_strategy: Option<String>,
    /// The seconds that the guest has to shut down before it is killed.
    pub termination_grace_period_seconds: Option<i64>,
}

/// The virtual hardware of a machine.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Domain {
    /// The processors of the guest.
    pub cpu: Cpu,
    /// The memory of the guest.
    pub memory: Memory,
    /// The devices of the guest.
    pub devices: Devices,
    /// The `requests` and `limits` of its launcher. If they are set, they are within the size.
    pub resources: BTreeMap<String, Value>,
}

/// The devices of a guest, as far as they are read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Devices {
    /// The disks of the guest.
    pub disks: Vec<DiskDevice>,
    /// The GPUs of the node that the guest has.
    gpus: Vec<HostDevice>,
    /// The other devices of the node that the guest has.
    #[serde(rename = "hostDevices")]
    others: Vec<HostDevice>,
}

/// A device of the node, named by the resource that it takes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct HostDevice {
    device_name: String,
}

/// A disk as the guest sees it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DiskDevice {
    /// The name of its volume.
    name: String,
    /// The place in the boot order. Without any, the order is that of the list.
    boot_order: Option<u32>,
    /// The drive, if the disk is a CD-ROM.
    cdrom: Option<Value>,
}

/// The processors of a guest: the product of the first three fields. A field that is not named counts as 1.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Cpu {
    cores: u32,
    sockets: u32,
    threads: u32,
    /// Whether the emulator has a processor of its own.
    isolate_emulator_thread: bool,
}

impl Cpu {
    /// Returns the number of processors that the emulator takes beside the guest.
    fn emulator(&self) -> u32 {
        u32::from(self.isolate_emulator_thread)
    }
}

/// The memory of a guest.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Memory {
    guest: Option<Stored>,
    hugepages: Option<Hugepages>,
}

/// The huge pages of a guest.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Hugepages {
    page_size: String,
}

/// The source of a disk.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Volume {
    name: String,
    container_disk: Option<ContainerDisk>,
    ephemeral: Option<Value>,
    empty_disk: Option<Value>,
    persistent_volume_claim: Option<Value>,
    #[serde(rename = "dataVolume")]
    imported: Option<Value>,
    cloud_init_no_cloud: Option<Value>,
    cloud_init_config_drive: Option<Value>,
    sysprep: Option<Value>,
    secret: Option<Value>,
}

impl Volume {
    /// Returns the name of the volume in its machine.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the names of the Secrets that the launcher of the machine mounts for this volume.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        let drives = self.cloud_init_no_cloud.iter().chain(&self.cloud_init_config_drive);
        let drives = drives.flat_map(|drive| [&drive["secretRef"]["name"], &drive["networkDataSecretRef"]["name"]]);
        let answers = self.sysprep.iter().map(|sysprep| &sysprep["secret"]["name"]);
        let plain = self.secret.iter().filter(|secret| secret["optional"] != true).map(|secret| &secret["secretName"]);
        drives.chain(answers).chain(plain).filter_map(Value::as_str).filter(|name| !name.is_empty())
    }

    /// Returns the kind of a disk with data. The others carry configuration.
    fn disk(&self) -> Option<Disk> {
        if self.persistent_volume_claim.is_some() || self.imported.is_some() {
            return Some(Disk::Claim { size: None });
        }
        let ephemeral = self.container_disk.is_some() || self.ephemeral.is_some() || self.empty_disk.is_some();
        ephemeral.then_some(Disk::Ephemeral)
    }
}

/// A disk in a container image.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ContainerDisk {
    image: String,
}

/// The status of a VirtualMachine that KubeVirt reports.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VirtualMachineStatus {
    /// The summary of the status in one word.
    pub printable_status: Option<String>,
    /// The conditions, with the reasons of the status.
    pub conditions: Vec<LooseCondition>,
    /// Whether a snapshot can be taken of each volume, and why not.
    pub volume_snapshot_statuses: Vec<VolumeSnapshotStatus>,
}

/// Whether KubeVirt can take a snapshot of a volume.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct VolumeSnapshotStatus {
    /// The name of the volume in its machine.
    pub name: String,
    /// Whether a snapshot can be taken.
    pub enabled: bool,
    /// The reason why none can be taken.
    pub reason: Option<String>,
}

/// A condition. Conditions of KubeVirt lack fields that those of Kubernetes have.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct LooseCondition {
    /// The type of the condition.
    #[serde(rename = "type")]
    pub type_: String,
    /// The status of the condition: `True`, `False` or `Unknown`.
    pub status: String,
    /// The reason in one word.
    pub reason: Option<String>,
    /// The reason in a sentence.
    pub message: Option<String>,
}

/// A VirtualMachineInstance: a VM that is on.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct VirtualMachineInstance {
    /// The name, the labels and the version.
    #[serde(default)]
    pub metadata: Metadata,
    /// The spec of the machine.
    #[serde(default)]
    pub spec: Machine,
    /// The status that KubeVirt reports.
    #[serde(default)]
    pub status: VirtualMachineInstanceStatus,
}

/// The status of a VirtualMachineInstance that KubeVirt reports.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VirtualMachineInstanceStatus {
    /// The phase of the machine.
    pub phase: Option<String>,
    /// The node that the machine runs on.
    pub node_name: Option<String>,
    /// The network interfaces with their addresses.
    pub interfaces: Vec<Interface>,
    /// The conditions, with the reasons of the status.
    pub conditions: Vec<LooseCondition>,
}

/// A network interface of a guest.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Interface {
    /// The IP address in the cluster.
    pub ip_address: Option<String>,
    /// All IP addresses, as far as KubeVirt knows them.
    pub ip_addresses: Vec<String>,
}

impl VirtualMachine {
    /// Reports whether the VM is switched on, whatever its status is.
    pub fn is_on(&self) -> bool {
        self.spec.run_strategy.as_deref() != Some(HALTED)
    }

    /// Returns the kind of the root disk. The size of a claim is known if the VM itself has KubeVirt make it.
    pub fn root(&self) -> Disk {
        let volume = self.spec.template.spec.root_volume();
        let Some(name) = volume.and_then(|volume| volume.imported.as_ref()).map(|imported| &imported["name"]) else {
            return volume.and_then(Volume::disk).unwrap_or(Disk::Ephemeral);
        };
        let templates = self.spec.data_volume_templates.as_array();
        let template = templates.into_iter().flatten().find(|template| &template["metadata"]["name"] == name);
        let claim = |template: &Value| {
            ["pvc", "storage"]
                .into_iter()
                .find_map(|form| template["spec"][form]["resources"]["requests"][STORAGE].as_str()?.parse().ok())
        };
        Disk::Claim { size: template.and_then(claim) }
    }

    /// Returns the names of the volumes whose content outlives each guest.
    pub fn durable_volumes(&self) -> impl Iterator<Item = &str> {
        let volumes = self.spec.template.spec.volumes.iter();
        volumes.filter(|volume| matches!(volume.disk(), Some(Disk::Claim { .. }))).map(Volume::name)
    }

    /// Reports whether the guest is frozen. A frozen guest that KubeVirt moves is frozen on both nodes, although KubeVirt
    /// prints only that it moves.
    pub fn is_paused(&self) -> bool {
        match self.status.printable_status.as_deref() {
            Some("Paused") => true,
            Some("Migrating") => self.pause().is_some(),
            _ => false,
        }
    }

    /// Returns the condition with the cause of a pause. It stays on a VM whose guest is gone.
    pub fn pause(&self) -> Option<&LooseCondition> {
        self.status.conditions.iter().find(|condition| condition.type_ == "Paused" && condition.status == "True")
    }
}

impl VirtualMachineInstance {
    /// Reports whether the guest runs and is not being deleted.
    pub fn runs(&self) -> bool {
        self.status.phase.as_deref() == Some("Running") && self.metadata.deletion_timestamp.is_none()
    }

    /// Reports whether the guest agent answers.
    pub fn has_agent(&self) -> bool {
        let conditions = &self.status.conditions;
        conditions.iter().any(|condition| condition.type_ == "AgentConnected" && condition.status == "True")
    }

    /// Returns the addresses of all interfaces. The first one is where `ssh` connects.
    pub fn addresses(&self) -> Vec<&str> {
        let mut addresses: Vec<&str> = Vec::new();
        for interface in &self.status.interfaces {
            for address in interface.ip_address.iter().chain(&interface.ip_addresses) {
                if !addresses.contains(&address.as_str()) {
                    addresses.push(address);
                }
            }
        }
        addresses
    }

    /// Reports whether the VM has ended: nothing of it runs any more.
    pub fn ended(&self) -> bool {
        matches!(self.status.phase.as_deref(), Some("Succeeded" | "Failed"))
    }
}

impl Machine {
    /// Returns the size that the guest sees. This size is charged, not the requests of the Pod around it. Returns
    /// `None` if the size cannot be read, which counts as more than any size.
    pub fn size(&self) -> Option<Resources> {
        let Cpu { cores, sockets, threads, .. } = self.domain.cpu;
        let cpus = [cores, sockets, threads].map(|count| count.max(1));
        let cpus = cpus.into_iter().fold(1_u32, u32::saturating_mul).saturating_add(self.domain.cpu.emulator());
        let memory = self.domain.memory.guest.as_ref()?.0.parse().ok()?;
        let mut size = Resources::new(Quantity::whole(cpus), memory);
        for device in self.domain.devices.gpus.iter().chain(&self.domain.devices.others) {
            let name = device.device_name.parse().ok().filter(ResourceName::is_extended)?;
            size.add(&name, Quantity::whole(1))?;
        }
        Some(size)
    }

    /// Returns the reason why the machine cannot have a size.
    pub fn misfit(&self, size: &Resources) -> Option<Misfit> {
        let pages = self.domain.memory.hugepages.as_ref().map(|pages| pages.page_size.as_str());
        misfit::misfit(self.domain.cpu.emulator(), pages, size)
    }

    /// Returns the kind of the root disk. A machine whose root disk is not found counts as one that keeps nothing.
    pub fn root(&self) -> Disk {
        self.root_volume().and_then(Volume::disk).unwrap_or(Disk::Ephemeral)
    }

    /// Returns the volume with data that is the first one to boot from.
    pub(crate) fn root_volume(&self) -> Option<&Volume> {
        let mut disks: Vec<&DiskDevice> = self.domain.devices.disks.iter().collect();
        disks.retain(|disk| disk.cdrom.is_none());
        // The sort is stable, so that disks without a place keep their order.
        disks.sort_by_key(|disk| disk.boot_order.unwrap_or(u32::MAX));
        let of = |disk: &&DiskDevice| {
            self.volumes.iter().find(|volume| volume.name == disk.name).filter(|volume| volume.disk().is_some())
        };
        disks.iter().find_map(of)
    }

    /// Returns the image of the first disk.
    pub fn image(&self) -> Option<String> {
        self.volumes.iter().find_map(|volume| volume.container_disk.as_ref().map(|disk| disk.image.clone()))
    }
}

/// Reports whether a machine has the wanted processors and memory. Its devices stay as they are.
pub fn is_of_size(machine: &Machine, want: &Want) -> bool {
    let is = |size: Resources| size.cpu() == want.size.cpu() && size.memory() == want.size.memory();
    machine.size().is_some_and(is)
}

/// Returns the merge patch that gives the next guest of a VM the wanted size, under the version that was read. Returns
/// `None` if the VM has that size. Afterwards its processors are cores of one socket, as in a new VM, however they were
/// combined before.
pub fn resized(vm: &VirtualMachine, want: &Want) -> Option<Value> {
    let machine = &vm.spec.template.spec;
    if is_of_size(machine, want) {
        return None;
    }
    let amounts = json!({ "cpu": want.size.cpu().to_string(), "memory": want.size.memory().to_string() });
    let only_named = |named: &Value| {
        let mut amounts = amounts.clone();
        if let Some(amounts) = amounts.as_object_mut() {
            amounts.retain(|name, _| named.get(name).is_some());
        }
        amounts
    };
    let resources: BTreeMap<&String, Value> = machine
        .domain
        .resources
        .iter()
        .filter(|(_, named)| named.is_object())
        .map(|(of, named)| (of, only_named(named)))
        .collect();
    let domain = json!({
        "cpu": processors(want, machine.domain.cpu.emulator()),
        "memory": { "guest": want.size.memory().to_string(), "maxGuest": null },
        "resources": Some(resources).filter(|resources| !resources.is_empty()),
    });
    Some(json!({
        "metadata": { "resourceVersion": vm.metadata.resource_version },
        "spec": { "template": { "spec": { "domain": domain } } },
    }))
}

/// Returns one socket with the processors that the emulator leaves, and `maxSockets` 1. Without that limit KubeVirt reserves
/// room for four times as many.
pub(crate) fn processors(want: &Want, emulator: u32) -> Value {
    let cores = cores(want).saturating_sub(emulator).max(1);
    json!({ "cores": cores, "sockets": 1, "threads": 1, "maxSockets": 1 })
}

/// Returns the number of cores. The verdict has refused a number that is not whole.
fn cores(want: &Want) -> u32 {
    want.size.cpu().as_whole().unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::tests::{name, size, want};
    use crate::keys;
    use crate::template::Template;
    use crate::vocabulary::InstanceType;

    fn machine(want: &Want) -> Value {
        let blueprint = Template::machine().blueprint(want).unwrap();
        blueprint.virtual_machine(&name("dev").instance(0)).unwrap()
    }

    #[test]
    fn a_machine_is_exactly_its_size() {
        let dev = Want {
            kind: InstanceType::Vm,
            ssh_key: Some("ssh-ed25519 AAAA john".to_owned()),
            ..want(1, "cpu=2,memory=4Gi")
        };
        let made = machine(&dev);
        let read: VirtualMachine = serde_json::from_value(made.clone()).unwrap();
        assert_eq!(read.spec.template.spec.size(), Some(size("cpu=2,memory=4Gi")));
        assert_eq!(read.spec.run_strategy.as_deref(), Some(ALWAYS));
        assert_eq!(read.spec.template.spec.image().as_deref(), Some(DEFAULT_IMAGE));
        let cloud_init = made.pointer("/spec/template/spec/volumes/1/cloudInitNoCloud/userData").unwrap();
        assert_eq!(cloud_init, "#cloud-config\nssh_authorized_keys:\n- \"ssh-ed25519 AAAA john\"\n");
        let off = machine(&Want { released: true, image: Some("x".to_owned()), ..dev });
        assert_eq!(
            (&off["spec"]["runStrategy"], &off["metadata"]["labels"][keys::ASKED]),
            (&json!(HALTED), &json!("suspended"))
        );
        assert_eq!(off.pointer("/spec/template/spec/volumes/0/containerDisk/image"), Some(&json!("x")));
    }

    #[test]
    fn the_root_disk_is_the_first_to_boot_from() {
        let container = json!({ "name": "a", "containerDisk": { "image": "x" } });
        let claim = json!({ "name": "b", "persistentVolumeClaim": { "claimName": "x" } });
        let volume = json!({ "name": "c", "dataVolume": { "name": "x" } });
        let seed = json!({ "name": "d", "cloudInitNoCloud": {} });
        let scratch = json!({ "name": "e", "emptyDisk": { "capacity": "1Gi" } });
        let volumes = json!([container, claim, volume, seed, scratch]);
        let kept = Disk::Claim { size: None };
        for (disks, expected) in [
            (json!([{ "name": "a", "disk": {} }, { "name": "b", "disk": {} }]), Disk::Ephemeral),
            (json!([{ "name": "b" }, { "name": "a" }]), kept),
            (json!([{ "name": "c" }]), kept),
            (json!([{ "name": "d" }, { "name": "b" }]), kept),
            (json!([{ "name": "e" }, { "name": "b" }]), Disk::Ephemeral),
            (json!([{ "name": "a" }, { "name": "b", "bootOrder": 1 }]), kept),
            (json!([{ "name": "b", "bootOrder": 2 }, { "name": "a", "bootOrder": 1 }]), Disk::Ephemeral),
            // The image of an installer.
            (
                json!([{ "name": "a", "cdrom": { "bus": "sata" }, "bootOrder": 1 }, { "name": "b", "bootOrder": 2 }]),
                kept,
            ),
            (json!([{ "name": "missing" }]), Disk::Ephemeral),
            (json!([]), Disk::Ephemeral),
        ] {
            let machine = json!({ "domain": { "devices": { "disks": disks } }, "volumes": volumes });
            let machine: Machine = serde_json::from_value(machine).unwrap();
            assert_eq!(machine.root(), expected, "{disks}");
        }
    }

    #[test]
    fn a_resize_replaces_every_form_of_the_size() {
        let check = |domain: Value, to: &str, expected: Option<Value>| {
            let vm = json!({
                "metadata": { "resourceVersion": "7" },
                "spec": { "template": { "spec": { "domain": domain } } },
            });
            let vm: VirtualMachine = serde_json::from_value(vm).unwrap();
            let patch = resized(&vm, &Want { kind: InstanceType::Vm, ..want(1, to) });
            let changed = patch.map(|patch| {
                assert_eq!(patch["metadata"]["resourceVersion"], "7");
                patch["spec"]["template"]["spec"]["domain"].clone()
            });
            assert_eq!(changed, expected, "{to}");
        };
        let small = json!({ "cpu": { "sockets": 2 }, "memory": { "guest": "4096Mi" } });
        check(small.clone(), "cpu=2,memory=4Gi", None);
        let cpu = |cores: u32| json!({ "cores": cores, "sockets": 1, "threads": 1, "maxSockets": 1 });
        check(
            small,
            "cpu=4,memory=4Gi",
            Some(json!({ "cpu": cpu(4), "memory": { "guest": "4Gi", "maxGuest": null }, "resources": null })),
        );
        check(
            json!({ "memory": { "guest": "4Gi" }, "resources": {
                "requests": { "cpu": "1", "memory": "4Gi" }, "limits": { "memory": "4Gi" } } }),
            "cpu=1,memory=2Gi",
            Some(json!({
                "cpu": cpu(1), "memory": { "guest": "2Gi", "maxGuest": null },
                "resources": { "requests": { "cpu": "1", "memory": "2Gi" }, "limits": { "memory": "2Gi" } },
            })),
        );
        // The thread of the emulator stays, and takes one of the processors.
        let isolated = json!({ "cpu": { "cores": 3, "isolateEmulatorThread": true }, "memory": { "guest": "2Gi" } });
        check(isolated.clone(), "cpu=4,memory=2Gi", None);
        check(
            isolated,
            "cpu=8,memory=2Gi",
            Some(json!({ "cpu": cpu(7), "memory": { "guest": "2Gi", "maxGuest": null }, "resources": null })),
        );
        // The devices stay.
        let gpu = json!([{ "name": "a", "deviceName": "a.b/c" }]);
        check(
            json!({ "memory": { "guest": "2Gi" }, "devices": { "gpus": gpu } }),
            "cpu=1,memory=2Gi,a.b/c=1,storage=1Gi",
            None,
        );
        // A machine whose size cannot be read differs from every wanted size.
        check(
            json!({}),
            "cpu=1,memory=2Gi",
            Some(json!({ "cpu": cpu(1), "memory": { "guest": "2Gi", "maxGuest": null }, "resources": null })),
        );
    }

    #[test]
    fn each_address_of_a_guest_is_named_once() {
        let status = json!({
            "interfaces": [
                { "ipAddress": "10.0.0.1", "ipAddresses": ["10.0.0.1", "fd00::1"] },
                { "ipAddresses": ["192.168.0.1"] },
                {},
            ],
            "conditions": [{ "type": "AgentConnected", "status": "True" }],
        });
        let guest: VirtualMachineInstance = serde_json::from_value(json!({ "status": status })).unwrap();
        assert_eq!(guest.addresses(), ["10.0.0.1", "fd00::1", "192.168.0.1"]);
        assert!(guest.has_agent() && !VirtualMachineInstance::default().has_agent());
    }

    #[test]
    fn processors_are_multiplied_and_zero_is_one() {
        let check = |cpu: Value, cpus: u32| {
            let domain = json!({ "cpu": cpu, "memory": { "guest": "1Gi" } });
            let machine: Machine = serde_json::from_value(json!({ "domain": domain })).unwrap();
            assert_eq!(machine.size().unwrap().cpu(), Quantity::whole(cpus));
        };
        let guest = |devices: Value| {
            let domain = json!({ "memory": { "guest": "1Gi" }, "devices": devices });
            let machine: Machine = serde_json::from_value(json!({ "domain": domain })).unwrap();
            machine.size()
        };
        let device = |name: &str| json!({ "name": "a", "deviceName": name });
        assert_eq!(
            guest(json!({ "gpus": [device("a.b/c")], "hostDevices": [device("a.b/c"), device("a.b/d")] })),
            Some(size("cpu=1,memory=1Gi,a.b/c=2,a.b/d=1"))
        );
        // A size that cannot be read does not count as nothing.
        for device in [json!({ "name": "a", "claimName": "b" }), device("cpu")] {
            assert_eq!(guest(json!({ "gpus": [device] })), None);
        }
        for memory in [json!({}), json!({ "guest": "much" })] {
            let machine: Machine = serde_json::from_value(json!({ "domain": { "memory": memory } })).unwrap();
            assert_eq!(machine.size(), None);
        }
        check(json!({}), 1);
        check(json!({ "cores": 2 }), 2);
        check(json!({ "cores": 2, "sockets": 3, "threads": 2 }), 12);
        check(json!({ "cores": 0, "sockets": 3 }), 3);
        check(json!({ "cores": 2, "isolateEmulatorThread": true }), 3);
        check(json!({ "cores": u32::MAX, "sockets": u32::MAX }), u32::MAX);
    }
}
