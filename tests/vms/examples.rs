//! KubeVirt's own examples as templates, from the module that its programs are built from.

use std::fs;
use std::path::Path;

use cmp_core::account::Want;
use cmp_core::resources::Resources;
use cmp_core::template::Template;
use cmp_core::vocabulary::InstanceType;
use cmp_tests::binaries::kubevirt_examples;
use serde_json::{Value, json};

use crate::support::{installed, shared};

// A hook names any image of any registry. It runs in the launcher's Pod, and rewrites the machine after the policies have
// judged it. No size counts it.
const SIDECAR: Result<(), &str> = Err("hooks.kubevirt.io/hookSidecars is not allowed for instances: no sidecars");

/// Every example that describes machines: whether it is a template, or the reason why it is none. Each one that is
/// refused asks for more than an instance may have.
const EXAMPLES: [(&str, Result<(), &str>); 36] = [
    ("vm-alpine-datavolume", Ok(())),
    ("vm-alpine-multipvc", Ok(())),
    ("vm-cirros", Ok(())),
    ("vm-cirros-clarge", Ok(())),
    ("vm-cirros-clarge-virtio", Ok(())),
    ("vm-cirros-clarge-windows", Ok(())),
    ("vm-cirros-cluster-csmall", Ok(())),
    ("vm-cirros-csmall", Ok(())),
    ("vm-cirros-sata", Ok(())),
    ("vm-cirros-with-sidecar-hook-configmap", SIDECAR),
    ("vm-pool-cirros", Ok(())),
    ("vm-priorityclass", Ok(())),
    ("vm-windows-clarge-windows", Ok(())),
    ("vmi-alpine-efi", Ok(())),
    ("vmi-arm", Ok(())),
    ("vmi-dra-pgpu", Err("spec.resourceClaims is not allowed for instances")),
    ("vmi-ephemeral", Ok(())),
    ("vmi-fedora", Ok(())),
    ("vmi-fedora-isolated", Ok(())),
    ("vmi-gpu", Ok(())),
    ("vmi-host-disk", Err("spec.volumes[0].hostDisk is not allowed for instances")),
    ("vmi-kernel-boot", Ok(())),
    ("vmi-masquerade", Ok(())),
    ("vmi-migratable", Ok(())),
    ("vmi-multus-multiple-net", Ok(())),
    ("vmi-multus-ptp", Ok(())),
    ("vmi-nocloud", Ok(())),
    ("vmi-pvc", Ok(())),
    ("vmi-replicaset-cirros", Ok(())),
    ("vmi-sata", Ok(())),
    ("vmi-secureboot", Ok(())),
    ("vmi-sriov", Err("spec.domain.devices.interfaces[1] must be masquerade or bridge: no quota counts")),
    ("vmi-usb", Ok(())),
    ("vmi-windows", Ok(())),
    ("vmi-with-sidecar-hook", SIDECAR),
    ("vmi-with-sidecar-hook-configmap", SIDECAR),
];

/// The objects that the examples refer to.
const TYPES: [&str; 6] = ["clarge", "csmall", "cluster-csmall", "virtio", "windows", "non-preemtible"];

/// The devices that the examples take from their nodes.
const DEVICES: [&str; 2] = ["nvidia.com/GP102GL_Tesla_P40", "kubevirt.io/storage"];

/// Returns the examples that describe machines.
fn machines(folder: &Path) -> Vec<String> {
    let kinds = ["", "Instance", "Pool", "InstanceReplicaSet"].map(|kind| format!("\nkind: VirtualMachine{kind}\n"));
    let entries = fs::read_dir(folder).unwrap();
    let files = entries.map(|entry| entry.unwrap().path()).filter(|path| {
        let text = fs::read_to_string(path).unwrap();
        kinds.iter().any(|kind| text.contains(kind))
    });
    let mut names: Vec<String> = files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn examples_of_kubevirt_are_templates_unless_they_ask_for_something_forbidden() {
    let folder = kubevirt_examples().unwrap();
    let file = |name: &str| folder.join(format!("{name}.yaml")).display().to_string();
    let mut listed: Vec<&str> = EXAMPLES.iter().map(|(name, _)| *name).collect();
    listed.sort_unstable();
    assert_eq!(machines(&folder), listed);
    let admin = |arguments: &[&str]| shared().admin(arguments);
    admin(&["create", "namespace", "examples"]).ok();
    for name in TYPES {
        admin(&["create", "-n", "examples", "-f", &file(name)]).ok();
    }
    let store = |name: &str| admin(&["cmp", "create", "template", name, "-f", &file(name), "-n", "examples"]);
    for (name, expected) in EXAMPLES {
        match expected {
            Ok(()) => store(name).ok().says(&format!("template/{name} created")),
            Err(why) => store(name).fails().says(why),
        };
        if expected.is_ok() {
            store(name).ok().says("unchanged");
        }
    }
    let accepted: Vec<&str> = EXAMPLES.iter().filter(|(_, expected)| expected.is_ok()).map(|(name, _)| *name).collect();
    assert_eq!(accepted.len(), 30);

    // Every accepted template makes an instance that virt-api and the policies accept from a user.
    let john = installed().user("8", "16Gi");
    let dev = john.cluster("dev");
    let devices = DEVICES.map(|name| format!("{name}=1"));
    let devices = ["--resource", &devices[0], "--resource", &devices[1]];
    admin(&[&["cmp", "set", "quota", &john.name], &devices[..]].concat()).ok();
    // A Namespace with everything that the examples want to be granted.
    let mut granted =
        john.cmp(&["get", "template", "vm-priorityclass", "-o", "json"]).ok().json()["spec"]["manifest"].clone();
    let machine = &mut granted["spec"]["template"]["spec"];
    machine["networks"] =
        json!([{ "name": "default", "pod": {} }, { "name": "ptp", "multus": { "networkName": "ptp-conf" } }]);
    machine["domain"]["devices"]["interfaces"] =
        json!([{ "name": "default", "masquerade": {} }, { "name": "ptp", "bridge": {} }]);
    machine["domain"]["cpu"] = json!({ "dedicatedCpuPlacement": true, "isolateEmulatorThread": true });
    machine["evictionStrategy"] = json!("LiveMigrate");
    let stored = ["cmp", "create", "template", "granted", "-f", "-"];
    shared().admin_reading(&stored, &granted.to_string()).ok();
    let create = ["create", "cluster", &dev, "--template", "granted", "--cpu", "2", "--memory", "4Gi"];
    john.cmp(&[&create[..], &devices].concat()).ok();
    let (one, ns) = (format!("{dev}-0"), format!("{dev}-ns"));
    john.kubectl(&["delete", "vm", &one, "-n", &ns, "--timeout=90s"]).ok();
    let size = Resources::from_list("cpu=2,memory=4Gi").unwrap();
    for name in &accepted {
        let stored = john.cmp(&["get", "template", name, "-o", "json"]).ok().json();
        let (template, unused) = Template::read(&stored["spec"]["manifest"]).unwrap();
        assert!(unused.is_empty() || *name == "vmi-fedora", "{name}: {unused:?}");
        let want = Want::new(InstanceType::Vm, 1, size.checked_add(&template.beside()).unwrap());
        let machine = template.blueprint(&want).unwrap().virtual_machine(&one.parse().unwrap()).unwrap();
        let made = john.kubectl_reading(&["create", "--dry-run=server", "-o", "json", "-f", "-"], &machine.to_string());
        assert_eq!(made.code, 0, "{name}: {made}");
    }
    // The size of the instancetype is dropped, and the devices of the preference stay.
    let stored = john.cmp(&["get", "template", "vm-cirros-clarge-windows", "-o", "json"]).ok().json();
    let domain = &stored["spec"]["manifest"]["spec"]["template"]["spec"]["domain"];
    let interface = json!([{ "name": "default", "masquerade": {}, "model": "e1000" }]);
    assert_eq!((&domain["devices"]["interfaces"], &domain["devices"]["tpm"]), (&interface, &json!({})));
    assert_eq!(domain["devices"]["disks"][0], json!({ "name": "containerdisk", "disk": { "bus": "sata" } }));
    assert_eq!((&domain["cpu"]["sockets"], &domain["memory"]), (&Value::Null, &Value::Null));
    admin(&[&["cmp", "delete", "template", "--yes", "granted"], &accepted[..]].concat()).ok();
}

#[test]
fn an_expansion_says_what_it_changes() {
    let kind = |name: &str, spec: &Value| json!({ "apiVersion": "instancetype.kubevirt.io/v1beta1", "kind": name, "metadata": { "name": "said" }, "spec": spec });
    let admin = |arguments: &[&str], input: &str| shared().admin_reading(arguments, input);
    let size = json!({ "cpu": { "guest": 4 }, "memory": { "guest": "2Gi" }, "ioThreadsPolicy": "auto" });
    let large = kind("VirtualMachineClusterInstancetype", &size);
    let linux = kind("VirtualMachineClusterPreference", &json!({ "devices": { "preferredDiskBus": "scsi" } }));
    for object in [&large, &linux] {
        admin(&["create", "-f", "-"], &object.to_string()).ok();
    }
    let machine = |more: &Value| {
        let root = json!({ "name": "root", "containerDisk": { "image": "x" } });
        let spec = json!({ "domain": { "devices": {}, "memory": { "guest": "1Gi" } }, "volumes": [root] });
        let mut machine = json!({
            "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": { "namespace": "default" },
            "spec": { "runStrategy": "Always", "template": { "spec": spec } },
        });
        json_patch::merge(&mut machine["spec"], more);
        machine.to_string()
    };
    let store = ["cmp", "create", "template", "said", "-f", "-"];
    let prefers = machine(&json!({ "preference": { "name": "said" } }));
    let said = admin(&[&store[..], &["--dry-run=server"]].concat(), &prefers).ok();
    said.says("template/said created (server dry run)")
        .says(
            "Warning: spec.template.spec.domain.devices.interfaces is missing: masquerade on the Pod network is added",
        )
        .says("Warning: spec.template.spec.domain.memory is not used: the cluster sets the size")
        .says("Warning: spec.preference is replaced by the present fields of said\n");
    admin(&[&store[..], &["-n", "other"]].concat(), &prefers)
        .fails()
        .says("metadata.namespace is default, and -n is other");
    admin(&store, &machine(&json!({ "instancetype": { "name": "said" } })))
        .fails()
        .says("the expanded spec.template.spec.domain.ioThreadsPolicy is not allowed for instances");
    admin(&store, &machine(&json!({ "instancetype": { "name": "none" } })))
        .fails()
        .says("namespace default: ")
        .says("\"none\" not found");
    // A ConfigMap that is stored by other means is not expanded.
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": { "template": prefers },
        "metadata": { "name": "said", "namespace": "cmp-templates", "labels": { "kubectl-cmp.dev/template": "true" } },
    });
    admin(&["create", "-f", "-"], &map.to_string()).fails().says("`kubectl cmp create template` expands it");
}
