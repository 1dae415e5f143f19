//! The few fields of KubeVirt's objects that are read and written here: `kubevirt.io/v1`, as of KubeVirt 1.7.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Stored;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::account::Want;
use crate::containers::Metadata;
use crate::quantity::Quantity;
use crate::resources::Resources;

/// The API group of VirtualMachines.
pub const GROUP: &str = "kubevirt.io";
/// The API group that pauses.
pub const SUBRESOURCES: &str = "subresources.kubevirt.io";
/// The version of both.
pub const VERSION: &str = "v1";
/// The image of the disk that a VM starts from, if none is named.
pub const DEFAULT_IMAGE: &str = "kubevirt/fedora-cloud-container-disk-demo:latest";

/// `spec.runStrategy` of a VM that is switched on.
pub const ALWAYS: &str = "Always";
/// `spec.runStrategy` of a VM that is switched off.
pub const HALTED: &str = "Halted";

/// A VirtualMachine.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct VirtualMachine {
    /// Name, labels, version.
    #[serde(default)]
    pub metadata: Metadata,
    /// What it is to be.
    #[serde(default)]
    pub spec: VirtualMachineSpec,
    /// What KubeVirt says of it.
    #[serde(default)]
    pub status: VirtualMachineStatus,
}

/// What a VirtualMachine is to be.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VirtualMachineSpec {
    /// Whether it is on.
    pub run_strategy: Option<String>,
    /// What its instance is made of.
    pub template: Template,
}

/// What the instance of a VirtualMachine is made of.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Template {
    /// Its machine.
    pub spec: Machine,
}

/// A machine: the spec of a VirtualMachineInstance.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// The hardware.
    pub domain: Domain,
    /// What its disks are made of.
    pub volumes: Vec<Volume>,
}

/// The hardware.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Domain {
    /// Its processors.
    pub cpu: Cpu,
    /// Its memory.
    pub memory: Memory,
    /// What its launcher is to ask for, by `requests` and `limits`: within the size, if it is said at all.
    pub resources: BTreeMap<String, Value>,
}

/// Processors: the product of all three; one that is not named is 1.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Cpu {
    cores: u32,
    sockets: u32,
    threads: u32,
}

/// Memory.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Memory {
    guest: Option<Stored>,
}

/// What a disk is made of.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Volume {
    container_disk: Option<ContainerDisk>,
}

/// A disk in an image.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ContainerDisk {
    image: String,
}

/// What KubeVirt says of a VirtualMachine.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VirtualMachineStatus {
    /// One word for all of it.
    pub printable_status: Option<String>,
    /// Why.
    pub conditions: Vec<LooseCondition>,
}

/// A condition; KubeVirt's lack fields that Kubernetes' have.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct LooseCondition {
    /// Of what.
    #[serde(rename = "type")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// In a word.
    pub reason: Option<String>,
    /// In a sentence.
    pub message: Option<String>,
}

/// A VirtualMachineInstance: a VM that is on.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct VirtualMachineInstance {
    /// Name, labels, version.
    #[serde(default)]
    pub metadata: Metadata,
    /// Its machine.
    #[serde(default)]
    pub spec: Machine,
    /// What KubeVirt says of it.
    #[serde(default)]
    pub status: VirtualMachineInstanceStatus,
}

/// What KubeVirt says of a VirtualMachineInstance.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VirtualMachineInstanceStatus {
    /// How far it is.
    pub phase: Option<String>,
    /// Where it runs.
    pub node_name: Option<String>,
    /// Its addresses.
    pub interfaces: Vec<Interface>,
    /// Why.
    pub conditions: Vec<LooseCondition>,
}

/// An interface of a guest.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Interface {
    /// Its address in the cluster.
    pub ip_address: Option<String>,
}

impl VirtualMachine {
    /// Whether it is switched on, whatever has come of that.
    pub fn is_on(&self) -> bool {
        self.spec.run_strategy.as_deref() != Some(HALTED)
    }

    /// Whether its guest is frozen.
    pub fn is_paused(&self) -> bool {
        self.status.printable_status.as_deref() == Some("Paused")
    }
}

impl VirtualMachineInstance {
    /// Whether its guest is on.
    pub fn runs(&self) -> bool {
        self.status.phase.as_deref() == Some("Running") && self.metadata.deletion_timestamp.is_none()
    }

    /// Whether it has come to its end: nothing of it runs any more.
    pub fn ended(&self) -> bool {
        matches!(self.status.phase.as_deref(), Some("Succeeded" | "Failed"))
    }
}

impl Machine {
    /// What its guest sees: that is what is charged, and not what the Pod around it asks for. `None` if that cannot be
    /// read, which is more than fits anywhere.
    pub fn size(&self) -> Option<Resources> {
        let Cpu { cores, sockets, threads } = self.domain.cpu;
        let cpus = [cores, sockets, threads].map(|count| count.max(1));
        let cpus = cpus.into_iter().fold(1_u32, u32::saturating_mul);
        let memory = self.domain.memory.guest.as_ref()?.0.parse().ok()?;
        Some(Resources::new(Quantity::whole(cpus), memory))
    }

    /// The image of its first disk.
    pub fn image(&self) -> Option<String> {
        self.volumes.iter().find_map(|volume| volume.container_disk.as_ref().map(|disk| disk.image.clone()))
    }
}

/// Whether a machine is of the wanted size.
pub fn is_of_size(machine: &Machine, want: &Want) -> bool {
    machine.size() == Some(Resources::new(want.size.cpu(), want.size.memory()))
}

/// What gives the next guest of a VM the wanted size: a merge patch under the version that was read; `None` if it has it.
/// However its processors were put together, they are cores then, as of a VM that is new.
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
        "cpu": processors(want),
        "memory": { "guest": want.size.memory().to_string(), "maxGuest": null },
        "resources": Some(resources).filter(|resources| !resources.is_empty()),
    });
    Some(json!({
        "metadata": { "resourceVersion": vm.metadata.resource_version },
        "spec": { "template": { "spec": { "domain": domain } } },
    }))
}

/// One socket, and no more to come: else KubeVirt keeps room for four times as much.
pub(crate) fn processors(want: &Want) -> Value {
    json!({ "cores": cores(want), "sockets": 1, "threads": 1, "maxSockets": 1 })
}

/// How many cores; the verdict has refused what is no whole number.
fn cores(want: &Want) -> u32 {
    want.size.cpu().as_whole().unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::InstanceType;
    use crate::account::tests::{name, size, want};
    use crate::keys;
    use crate::template::Template;

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
    fn another_size_is_another_guest_whatever_was_said_of_it() {
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
        // What cannot be read is of no size.
        check(
            json!({}),
            "cpu=1,memory=2Gi",
            Some(json!({ "cpu": cpu(1), "memory": { "guest": "2Gi", "maxGuest": null }, "resources": null })),
        );
    }

    #[test]
    fn processors_are_multiplied_and_zero_is_one() {
        let check = |cpu: Value, cpus: u32| {
            let domain = json!({ "cpu": cpu, "memory": { "guest": "1Gi" } });
            let machine: Machine = serde_json::from_value(json!({ "domain": domain })).unwrap();
            assert_eq!(machine.size().unwrap().cpu(), Quantity::whole(cpus));
        };
        // What cannot be read is not nothing.
        for memory in [json!({}), json!({ "guest": "much" })] {
            let machine: Machine = serde_json::from_value(json!({ "domain": { "memory": memory } })).unwrap();
            assert_eq!(machine.size(), None);
        }
        check(json!({}), 1);
        check(json!({ "cores": 2 }), 2);
        check(json!({ "cores": 2, "sockets": 3, "threads": 2 }), 12);
        check(json!({ "cores": 0, "sockets": 3 }), 3);
        check(json!({ "cores": u32::MAX, "sockets": u32::MAX }), u32::MAX);
    }
}
