//! The VirtualMachine of a VM instance.
//!
//! As in `manifests/policies/vms.yaml`, only the fields listed here can be set. A field that is unknown today may cost
//! something tomorrow. The lists are those of the policy; a test compares them.

use serde_json::{Map, Value, json};

use super::error::TemplateError;
use super::granted;
use super::hardware;
use super::network;
use super::parts::{CLAIMS, list, only};
use super::pod::BY_SIZE;
use super::root;
use super::rules::{Checked, Grants, asks_no_others, fields, items, no, own_metadata, placement_of, takes_no_volume};
use super::validation::{NOT_A_REFERENCE, is_reference};
use crate::account::Want;
use crate::data_disk;
use crate::disk_source;
use crate::first_boot;
use crate::keys;
use crate::kubevirt::{ALWAYS, DEFAULT_IMAGE, GROUP, HALTED, VERSION, processors};
use crate::name::InstanceName;
use crate::quantity::Quantity;
use crate::root_disk;
use crate::state::State;
use crate::web_image::is_address;

/// The volumes that cloud-init reads.
const CLOUDS: [&str; 2] = ["cloudInitNoCloud", "cloudInitConfigDrive"];
/// The volume that Windows reads.
const SYSPREP: &str = "sysprep";
/// The name of the data disk.
const DATA: &str = "cmp-data";
/// The fields of `cpu` that belong to the size.
const SIZE: [&str; 4] = ["cores", "sockets", "threads", "maxSockets"];
/// The fields of the spec that switch a machine on and off.
pub(super) const CHANGED_BY_VERBS: [&str; 2] = ["runStrategy", "running"];
/// The fields of the spec that refer to objects with further fields.
pub(super) const MATCHERS: [&str; 2] = ["instancetype", "preference"];

pub(super) const SPEC: [&str; 3] = ["runStrategy", "template", "dataVolumeTemplates"];
pub(super) const CPU: [&str; 8] = [
    "cores",
    "sockets",
    "threads",
    "maxSockets",
    "model",
    "features",
    "dedicatedCpuPlacement",
    "isolateEmulatorThread",
];
pub(super) const DOMAIN: [&str; 9] =
    ["cpu", "memory", "devices", "resources", "machine", "firmware", "clock", "features", "chassis"];
pub(super) const DEVICES: [&str; 19] = [
    "disks",
    "interfaces",
    "rng",
    "inputs",
    "watchdog",
    "tpm",
    "video",
    "autoattachPodInterface",
    "autoattachGraphicsDevice",
    "autoattachSerialConsole",
    "autoattachMemBalloon",
    "autoattachInputDevice",
    "logSerialConsole",
    "blockMultiQueue",
    "networkInterfaceMultiqueue",
    "disableHotplug",
    "useVirtioTransitional",
    "gpus",
    "hostDevices",
];
pub(super) const VOLUMES: [&str; 12] = [
    "name",
    "containerDisk",
    "cloudInitNoCloud",
    "cloudInitConfigDrive",
    "persistentVolumeClaim",
    "dataVolume",
    "emptyDisk",
    "ephemeral",
    "configMap",
    "secret",
    "sysprep",
    "downwardAPI",
];
pub(super) const MACHINE: [&str; 18] = [
    "domain",
    "networks",
    "volumes",
    "terminationGracePeriodSeconds",
    "hostname",
    "subdomain",
    "dnsPolicy",
    "dnsConfig",
    "livenessProbe",
    "readinessProbe",
    "accessCredentials",
    "architecture",
    "startStrategy",
    "evictionStrategy",
    "nodeSelector",
    "priorityClassName",
    "schedulerName",
    "tolerations",
];

/// Returns the VirtualMachine of the built-in template.
pub(super) fn built_in() -> Value {
    json!({
        "spec": { "template": { "spec": {
            "domain": { "devices": {
                "disks": [{ "name": "root", "disk": { "bus": "virtio" } }],
                "interfaces": [{ "name": "default", "masquerade": {} }],
                "rng": {},
            } },
            "networks": [{ "name": "default", "pod": {} }],
            "terminationGracePeriodSeconds": 60,
            "volumes": [{ "name": "root", "containerDisk": { "image": DEFAULT_IMAGE } }],
        } } },
    })
}

/// Returns the VirtualMachine in a manifest, and the parts of the manifest that are not used.
pub(super) fn of_manifest(manifest: &Value) -> Result<(Value, Vec<String>), TemplateError> {
    let version = format!("{GROUP}/{VERSION}");
    if manifest["apiVersion"] != version.as_str() {
        let why = format!("is {}: a VirtualMachine must have {version}", manifest["apiVersion"]);
        return Err(TemplateError::new("apiVersion", why));
    }
    if let Some((key, _)) =
        fields(manifest).find(|(key, _)| !["apiVersion", "kind", "metadata", "spec", "status"].contains(key))
    {
        return Err(TemplateError::new(key, "is not a field of a VirtualMachine"));
    }
    let mut metadata = manifest["metadata"].clone();
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.retain(|key, _| ["labels", "annotations", "finalizers", "ownerReferences"].contains(&key.as_str()));
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.retain(|key, _| key != "kubectl.kubernetes.io/last-applied-configuration");
        }
    }
    let mut machine = json!({ "spec": manifest["spec"] });
    if !metadata.is_null() {
        machine["metadata"] = metadata;
    }
    if !machine["spec"]["template"]["spec"].is_object() {
        return Err(TemplateError::new("spec.template.spec", "is missing: it describes the machine"));
    }
    for key in CHANGED_BY_VERBS {
        remove(&mut machine, "/spec", key);
    }
    let dropped = without_size(&mut machine);
    Ok((machine, dropped))
}

/// Removes the size of a machine, and returns the fields that said something about it.
pub(super) fn without_size(machine: &mut Value) -> Vec<String> {
    let mut dropped = Vec::new();
    for (at, keys) in [("/spec/template/spec/domain/cpu", &SIZE[..]), (DOMAIN_AT, &["memory", "resources"])] {
        for key in keys {
            let Some(mut said) = remove(machine, at, key) else { continue };
            // The size of the pages is no part of the size.
            let pages = said.as_object_mut().filter(|_| *key == "memory").and_then(|memory| memory.remove("hugepages"));
            if said != json!({}) {
                dropped.push(format!("{}.{key}", dotted(at)));
            }
            if let (Some(pages), Some(domain)) = (pages, machine.pointer_mut(at).and_then(Value::as_object_mut)) {
                domain.insert((*key).to_owned(), json!({ "hugepages": pages }));
            }
        }
    }
    dropped
}

/// Reports whether a machine says nothing about a network. KubeVirt then attaches one of its choice.
pub(super) fn lacks_network(machine: &Value) -> bool {
    let spec = &machine["spec"]["template"]["spec"];
    let devices = &spec["domain"]["devices"];
    let is_empty = |list: &Value| list.is_null() || list.as_array().is_some_and(Vec::is_empty);
    devices["autoattachPodInterface"] != false && is_empty(&devices["interfaces"]) && is_empty(&spec["networks"])
}

/// Adds masquerade on the Pod network, if the machine has the form of one.
pub(super) fn add_network(machine: &mut Value) -> bool {
    fn add(machine: &mut Value) -> Option<()> {
        let spec = machine.pointer_mut("/spec/template/spec")?.as_object_mut()?;
        let devices = object(object(spec, "domain")?, "devices")?;
        devices.insert("interfaces".to_owned(), json!([{ "name": "default", "masquerade": {} }]));
        spec.insert("networks".to_owned(), json!([{ "name": "default", "pod": {} }]));
        Some(())
    }
    add(machine).is_some()
}

/// Returns the object under a key, which may be missing.
fn object<'a>(parent: &'a mut Map<String, Value>, key: &str) -> Option<&'a mut Map<String, Value>> {
    let value = parent.entry(key).or_insert(Value::Null);
    if value.is_null() {
        *value = json!({});
    }
    value.as_object_mut()
}

/// Checks that a stored machine has its final form. KubeVirt fills in the rest of any other, and admission cannot ask it.
pub(super) fn is_final(machine: &Value) -> Checked {
    for key in MATCHERS {
        if !machine["spec"][key].is_null() {
            return no(
                format!("spec.{key}"),
                "is not allowed for instances: it hides the size; `kubectl cmp create template` expands it",
            );
        }
    }
    if lacks_network(machine) && machine["spec"]["template"]["spec"]["domain"]["devices"].is_object() {
        return no(
            "spec.template.spec.domain.devices.interfaces",
            "must have one interface, with masquerade: `kubectl cmp create template` adds it",
        );
    }
    Ok(())
}

const DOMAIN_AT: &str = "/spec/template/spec/domain";

fn dotted(pointer: &str) -> String {
    pointer.trim_start_matches('/').replace('/', ".")
}

/// Removes a field, and returns its value.
pub(super) fn remove(machine: &mut Value, at: &str, key: &str) -> Option<Value> {
    machine.pointer_mut(at)?.as_object_mut()?.remove(key)
}

/// Returns the image of the first disk.
pub(super) fn image(machine: &Value) -> Option<&str> {
    let volumes = &machine["spec"]["template"]["spec"]["volumes"];
    items(volumes).find_map(|(_, volume)| volume["containerDisk"]["image"].as_str())
}

/// Reports whether the image of a want may be on a web server. A source that a newer version knows decides for itself.
fn takes_address(want: &Want) -> bool {
    want.root_disk.as_ref().is_some_and(|source| source != disk_source::IMAGE)
}

/// Puts the settings of a want into the VirtualMachine. `state` is the storage that the machine needs for its state.
pub(super) fn dress(machine: &mut Value, want: &Want, state: Quantity) -> Result<(), TemplateError> {
    let spec = &mut machine["spec"]["template"]["spec"];
    if let Some(image) = want.image.as_ref().filter(|image| !takes_address(want) && is_address(image)) {
        let why = format!("{image} is on a web server, from which only a root disk of --disk is filled");
        return Err(TemplateError::new("image", why));
    }
    if let Some(image) = want.image.as_ref().filter(|image| !is_address(image)) {
        let volumes = spec.pointer_mut("/volumes").and_then(Value::as_array_mut).into_iter().flatten();
        let mut disks = volumes.filter_map(|volume| volume.get_mut("containerDisk").and_then(Value::as_object_mut));
        let why = "have no containerDisk: --image replaces the image of a containerDisk";
        let first = disks.next().ok_or_else(|| TemplateError::new("spec.template.spec.volumes", why))?;
        first.insert("image".to_owned(), json!(image));
    }
    if want.root_disk.is_some() {
        root::keep(machine, want, state)?;
    }
    let spec = &mut machine["spec"]["template"]["spec"];
    if first_boot::has_user_data(want) && has_volume(spec, &CLOUDS) {
        let why = if want.cloud_init.is_some() {
            "already have a cloud-init, so --cloud-init cannot add one: use a template without it"
        } else if want.ssh_keys().next().is_some() {
            "already have a cloud-init, so --ssh-key cannot add one: add the key there"
        } else {
            "already have a cloud-init, so --data-disk cannot add one: add the mount there"
        };
        return Err(TemplateError::new("spec.template.spec.volumes", why));
    }
    if want.sysprep.is_some() && has_volume(spec, &[SYSPREP]) {
        let why = "already have a sysprep, so --sysprep cannot add one: use a template without it";
        return Err(TemplateError::new("spec.template.spec.volumes", why));
    }
    for (disk, volume) in first_boot::disks(want) {
        add(spec, disk, volume)?;
    }
    if want.data_disk.is_some() {
        if items(&spec["volumes"]).any(|(_, volume)| volume["name"] == DATA) {
            let why = format!("already have {DATA}, the name of the data disk: choose another name");
            return Err(TemplateError::new("spec.template.spec.volumes", why));
        }
        let disk = json!({ "name": DATA, "disk": { "bus": "virtio" }, "serial": data_disk::SERIAL });
        // The claim is named for each instance.
        add(spec, disk, json!({ "name": DATA, "persistentVolumeClaim": { "claimName": DATA } }))?;
    }
    Ok(())
}

/// Adds a disk and its volume. KubeVirt adds the disks of the other volumes after the named ones, and a guest starts from
/// its first disk.
fn add(spec: &mut Value, disk: Value, volume: Value) -> Checked {
    let volumes: Vec<Value> = items(&spec["volumes"]).map(|(_, volume)| volume["name"].clone()).collect();
    let disks = list(spec, "/domain/devices", "disks")?;
    for volume in volumes {
        if !disks.iter().any(|disk| disk["name"] == volume) {
            disks.push(json!({ "name": volume }));
        }
    }
    disks.push(disk);
    list(spec, "", "volumes")?.push(volume);
    Ok(())
}

/// Reports whether cloud-init or Windows finds something in the VirtualMachine at its first boot.
pub(super) fn has_first_boot(machine: &Value) -> bool {
    has_volume(&machine["spec"]["template"]["spec"], &[CLOUDS.as_slice(), &[SYSPREP]].concat())
}

/// Reports whether a machine has a volume of one of these kinds.
fn has_volume(spec: &Value, kinds: &[&str]) -> bool {
    items(&spec["volumes"]).any(|(_, volume)| kinds.iter().any(|kind| !volume[*kind].is_null()))
}

/// Checks that a patch has not changed the fields that belong to the size and to the verbs.
pub(super) fn still_instance(machine: &Value) -> Checked {
    for key in CHANGED_BY_VERBS {
        if !machine["spec"][key].is_null() {
            return no(format!("spec.{key}"), "is changed by start, stop, suspend and resume: leave it out");
        }
    }
    let domain = &machine["spec"]["template"]["spec"]["domain"];
    let said = SIZE.iter().map(|key| (format!("cpu.{key}"), &domain["cpu"][*key]));
    let memory = fields(&domain["memory"]).filter(|(key, _)| *key != "hugepages");
    let memory = memory.map(|(key, value)| (format!("memory.{key}"), value));
    let whole = ["resources"].iter().map(|key| ((*key).to_owned(), &domain[*key]));
    match said.chain(memory).chain(whole).find(|(_, value)| !value.is_null()) {
        Some((key, _)) => no(format!("spec.template.spec.domain.{key}"), BY_SIZE),
        None => Ok(()),
    }
}

/// The annotations of CDI that a disk may have.
const OF_CDI: [&str; 2] = ["cdi.kubevirt.io/storage.usePopulator", "cdi.kubevirt.io/storage.bind.immediate.requested"];

/// Reports whether an annotation of a `DataVolume` is not for instances. CDI passes networks on to its own Pods.
fn is_cdis_own(key: &str) -> bool {
    let of_cdi = key.starts_with("cdi.kubevirt.io/") && !OF_CDI.contains(&key);
    of_cdi || key.contains("cni.cncf.io/") || key.contains("multus-cni.io/")
}

/// The claims of the disks that a VirtualMachine makes.
pub(super) fn claims(machine: &Value) -> impl Iterator<Item = &Value> {
    items(&machine["spec"]["dataVolumeTemplates"])
        .flat_map(|(_, disk)| CLAIMS.into_iter().map(|claim| &disk["spec"][claim]))
}

/// Checks a VirtualMachine against the rules for instances.
pub(super) fn check(machine: &Value, grants: &Grants) -> Checked {
    const AT: &str = "spec.template.spec";
    only("the VirtualMachine", machine, &["metadata", "spec", "apiVersion", "kind"])?;
    let spec = &machine["spec"];
    for key in MATCHERS {
        if !spec[key].is_null() {
            return no(format!("spec.{key}"), "is not allowed for instances: it hides the size");
        }
    }
    only("spec", spec, &SPEC)?;
    only("spec.template", &spec["template"], &["metadata", "spec"])?;
    own_metadata("metadata", &machine["metadata"])?;
    own_metadata("spec.template.metadata", &spec["template"]["metadata"])?;
    for (key, _) in fields(&spec["template"]["metadata"]["annotations"]) {
        if key.starts_with("hooks.kubevirt.io/") || key.contains("cni.cncf.io/") || key.contains("multus-cni.io/") {
            return no(
                format!("spec.template.metadata.annotations.{key}"),
                "is not allowed for instances: no sidecars and no other networks",
            );
        }
    }
    let vm = &spec["template"]["spec"];
    only(AT, vm, &MACHINE)?;
    let domain = &vm["domain"];
    only(&format!("{AT}.domain"), domain, &DOMAIN)?;
    only(&format!("{AT}.domain.cpu"), &domain["cpu"], &CPU)?;
    only(&format!("{AT}.domain.devices"), &domain["devices"], &DEVICES)?;
    granted::check(AT, vm, grants)?;
    network::check(AT, vm, grants)?;
    hardware::check(AT, vm)?;
    for (at, volume) in items(&vm["volumes"]) {
        only(&format!("{AT}.volumes[{at}]"), volume, &VOLUMES)?;
        let image = &volume["containerDisk"]["image"];
        if image.as_str().is_some_and(|image| !is_reference(image)) {
            let field = format!("{AT}.volumes[{at}].containerDisk.image");
            return Err(TemplateError::invalid(field, format!("Invalid value: {image}: {NOT_A_REFERENCE}")));
        }
    }
    if vm["terminationGracePeriodSeconds"].as_i64().is_some_and(|seconds| seconds > 600) {
        return no(format!("{AT}.terminationGracePeriodSeconds"), "must be 600 or less");
    }
    for probe in ["livenessProbe", "readinessProbe"] {
        asks_no_others(&format!("{AT}.{probe}"), &vm[probe])?;
    }
    for (at, disk) in items(&spec["dataVolumeTemplates"]) {
        for claim in CLAIMS {
            takes_no_volume(&format!("spec.dataVolumeTemplates[{at}].spec.{claim}"), &disk["spec"][claim], grants)?;
        }
        for (key, _) in fields(&disk["metadata"]["annotations"]) {
            if is_cdis_own(key) {
                return no(
                    format!("spec.dataVolumeTemplates[{at}].metadata.annotations.{key}"),
                    "is not allowed for the disks of instances: it changes how CDI fills them, or adds networks",
                );
            }
        }
        if !disk["spec"]["priorityClassName"].is_null() {
            let field = format!("spec.dataVolumeTemplates[{at}].spec.priorityClassName");
            return no(field, "is not allowed for the disks of instances: leave it out");
        }
        for key in ["finalizers", "ownerReferences"] {
            if !disk["metadata"][key].is_null() {
                return no(
                    format!("spec.dataVolumeTemplates[{at}].metadata.{key}"),
                    "can block the deletion of the instance: leave it out",
                );
            }
        }
    }
    if vm["schedulerName"] == "default-scheduler" {
        return no(format!("{AT}.schedulerName"), "is the default: leave it out");
    }
    placement_of(AT, vm, grants)
}

/// Sets the size: one socket with the wanted number of cores, and the memory.
pub(super) fn shape(machine: &mut Value, want: &Want) {
    let spec = &mut machine["spec"]["template"]["spec"];
    let processors = processors(want, granted::emulator(spec));
    let domain = &mut spec["domain"];
    for (key, amount) in fields(&processors) {
        domain["cpu"][key] = amount.clone();
    }
    domain["memory"]["guest"] = json!(want.size.memory().to_string());
}

/// Returns the VirtualMachine of one instance; off while its cluster is released.
pub(super) fn named(machine: &Value, instance: &InstanceName, released: bool) -> Value {
    let name = instance.to_string();
    let (asked, strategy) = if released { (State::Suspended, HALTED) } else { (State::Running, ALWAYS) };
    let mut machine = machine.clone();
    machine["apiVersion"] = json!(format!("{GROUP}/{VERSION}"));
    machine["kind"] = json!("VirtualMachine");
    machine["metadata"]["name"] = json!(name);
    machine["metadata"]["namespace"] = json!(instance.cluster.namespace());
    machine["spec"]["runStrategy"] = json!(strategy);
    let identity = [(keys::CLUSTER, instance.cluster.as_str()), (keys::INSTANCE, &name)];
    for (key, value) in identity.into_iter().chain([(keys::ASKED, asked.as_str()), (keys::MANAGED_BY, keys::MANAGER)]) {
        machine["metadata"]["labels"][key] = json!(value);
    }
    for (key, value) in identity {
        machine["spec"]["template"]["metadata"]["labels"][key] = json!(value);
    }
    let volumes = machine.pointer_mut("/spec/template/spec/volumes").and_then(Value::as_array_mut);
    for volume in volumes.into_iter().flatten().filter(|volume| volume["name"] == DATA) {
        volume["persistentVolumeClaim"]["claimName"] = json!(data_disk::claim_name(instance));
    }
    let unnamed =
        [("/spec/template/spec/volumes", "/dataVolume/name"), ("/spec/dataVolumeTemplates", "/metadata/name")];
    for (list, at) in unnamed {
        let items = machine.pointer_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
        for name in items.filter_map(|item| item.pointer_mut(at)).filter(|name| *name == root_disk::UNNAMED) {
            *name = json!(root_disk::volume_name(instance));
        }
    }
    let disks = machine.pointer_mut("/spec/dataVolumeTemplates").and_then(Value::as_array_mut);
    for spec in disks.into_iter().flatten().filter_map(|disk| disk.get_mut("spec")) {
        root_disk::name_copy(spec, instance);
    }
    machine
}
