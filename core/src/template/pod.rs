//! The Pod of a container instance.

use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EnvVar, PersistentVolumeClaim, PersistentVolumeClaimSpec, PodSpec,
    PodTemplateSpec, ResourceRequirements, SeccompProfile, SecurityContext, VolumeMount, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::error::TemplateError;
use crate::account::Want;
use crate::footprint::{Rule, footprint};
use crate::manifest::{CONTAINER, DEFAULT_IMAGE};
use crate::plain::plain;
use crate::quantity::{Quantity, stored};
use crate::resources::{CPU, EPHEMERAL_STORAGE, MEMORY, Resources, STORAGE};

/// The annotation that names the container kubectl uses by default.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// The most values in a Pod. In memory, `{}` in a list of containers takes 2 KiB.
const MOST_VALUES: usize = 5000;

/// The most kinds of resources that the containers of a template name. No node has so many.
const MOST_KINDS: usize = 16;

/// The name of an instance's disk, among the volumes of its Pod.
pub(super) const DISK: &str = "disk";

/// Returns the Pod of the built-in template.
pub(super) fn built_in() -> PodTemplateSpec {
    // The default image has no program of its own to run. This one ends as soon as it receives TERM.
    let sleep = ["sh", "-c", "trap 'exit 0' TERM; sleep infinity & wait"].map(str::to_owned).to_vec();
    PodTemplateSpec {
        metadata: None,
        spec: Some(PodSpec {
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            termination_grace_period_seconds: Some(30),
            containers: vec![Container {
                name: CONTAINER.to_owned(),
                image: Some(DEFAULT_IMAGE.to_owned()),
                command: Some(sleep),
                security_context: Some(SecurityContext {
                    allow_privilege_escalation: Some(false),
                    capabilities: Some(Capabilities {
                        drop: Some(vec!["NET_RAW".to_owned()]),
                        ..Capabilities::default()
                    }),
                    seccomp_profile: Some(SeccompProfile {
                        type_: "RuntimeDefault".to_owned(),
                        ..SeccompProfile::default()
                    }),
                    ..SecurityContext::default()
                }),
                ..Container::default()
            }],
            ..PodSpec::default()
        }),
    }
}

/// Returns a Pod as JSON.
pub(super) fn json(pod: &PodTemplateSpec) -> Result<Value, TemplateError> {
    serde_json::to_value(pod).map_err(|error| TemplateError::new("the Pod", format!("cannot be written: {error}")))
}

/// Reads a Pod strictly: an unknown field is an error and is not left out.
pub(super) fn read(json: &Value) -> Result<PodTemplateSpec, TemplateError> {
    let count = values(json);
    if count > MOST_VALUES {
        return Err(TemplateError::new("the Pod", format!("has {count} values, the maximum is {MOST_VALUES}")));
    }
    // The deserializer tracks the path of the field, so that an error needs no second pass.
    let pod: PodTemplateSpec = serde_path_to_error::deserialize(json).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { "the Pod".to_owned() } else { path };
        TemplateError::new(field, format!("cannot be read: {}", plain(&error.inner().to_string())))
    })?;
    match lost(json, &self::json(&pod)?) {
        Some(field) => Err(TemplateError::new(field, "is not a field of a Pod (Kubernetes 1.36)")),
        None => Ok(pod),
    }
}

/// Counts the values, including those in lists and objects.
fn values(json: &Value) -> usize {
    let below: usize = match json {
        Value::Array(items) => items.iter().map(values).sum(),
        Value::Object(fields) => fields.values().map(values).sum(),
        _ => 0,
    };
    below + 1
}

fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Returns the first field of the written JSON that is not in the JSON that was read.
fn lost(written: &Value, read: &Value) -> Option<String> {
    fn at(path: &str, written: &Value, read: &Value) -> Option<String> {
        match (written, read) {
            (Value::Object(written), Value::Object(read)) => {
                written.iter().filter(|(_, value)| !value.is_null()).find_map(|(key, value)| {
                    let path = below(path, key);
                    read.get(key).map_or_else(|| Some(path.clone()), |read| at(&path, value, read))
                })
            }
            (Value::Array(written), Value::Array(read)) => {
                let pairs = written.iter().zip(read).enumerate();
                pairs.into_iter().find_map(|(index, (written, read))| at(&format!("{path}[{index}]"), written, read))
            }
            _ => None,
        }
    }
    at("", written, read)
}

/// Returns the container that is the instance: the first one.
pub(super) fn main(pod: &PodTemplateSpec) -> Result<&Container, TemplateError> {
    let first = pod.spec.as_ref().and_then(|spec| spec.containers.first());
    first.ok_or_else(|| TemplateError::new("spec.containers", "is empty: the first container is the instance"))
}

/// Checks that a patch has left the instance as the first container, and has not changed its size.
pub(super) fn still_instance(pod: &PodTemplateSpec, name: &str) -> Result<(), TemplateError> {
    let first = main(pod)?;
    if first.name != name {
        let why = format!(
            "is {:?}, but the first container is the instance and must be named {name:?}: add others after it",
            first.name
        );
        return Err(TemplateError::new("spec.containers[0].name", why));
    }
    if first.resources.is_some() {
        return Err(TemplateError::new("spec.containers[0].resources", BY_SIZE));
    }
    Ok(())
}

/// The reason why a field of the size may not be set.
pub(super) const BY_SIZE: &str = "is set by the size: use --cpu, --memory and --resource";

/// Puts the settings of a want into the instance's container.
pub(super) fn dress(pod: &mut PodTemplateSpec, want: &Want, sleeps: bool) {
    let Some(main) = pod.spec.as_mut().and_then(|spec| spec.containers.first_mut()) else { return };
    if sleeps && want.image.is_some() {
        main.command = None;
    }
    if let Some(image) = &want.image {
        main.image = Some(image.clone());
    }
    if !want.command.is_empty() {
        main.command = Some(want.command.clone());
        main.args = None;
    }
    if !want.args.is_empty() {
        main.args = Some(want.args.clone());
        if sleeps && want.command.is_empty() {
            main.command = None;
        }
    }
    for variable in &want.env {
        let set = EnvVar { name: variable.name.clone(), value: Some(variable.value.clone()), value_from: None };
        let env = main.env.get_or_insert_default();
        match env.iter_mut().find(|there| there.name == set.name) {
            Some(there) => *there = set,
            None => env.push(set),
        }
    }
    if let Some(path) = &want.disk {
        let mount = VolumeMount { name: DISK.to_owned(), mount_path: path.clone(), ..VolumeMount::default() };
        main.volume_mounts.get_or_insert_default().push(mount);
    }
    for port in want.ports.iter().map(|port| i32::from(*port)) {
        let ports = main.ports.get_or_insert_default();
        if !ports.iter().any(|there| there.container_port == port) {
            ports.push(ContainerPort { container_port: port, ..ContainerPort::default() });
        }
    }
}

/// Returns the claim template for the disk of an instance.
pub(super) fn claim(size: Quantity) -> PersistentVolumeClaim {
    let requests = stored([(STORAGE.to_owned(), size)]);
    PersistentVolumeClaim {
        metadata: ObjectMeta { name: Some(DISK.to_owned()), ..ObjectMeta::default() },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            resources: Some(VolumeResourceRequirements { requests: Some(requests), limits: None }),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    }
}

/// Checks that no other volume has the name of the disk: it would be replaced without a word.
pub(super) fn no_other_disk(pod: &PodTemplateSpec) -> Result<(), TemplateError> {
    let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    match volumes.enumerate().find(|(_, volume)| volume.name == DISK) {
        Some((at, _)) => Err(TemplateError::new(
            format!("spec.volumes[{at}].name"),
            format!("is {DISK}, which is the disk of the instance: choose another name, or leave --disk out"),
        )),
        None => Ok(()),
    }
}

/// Returns the Pod in a manifest, and the parts of the manifest that are not used.
pub(super) fn of_manifest(manifest: &Value) -> Result<(PodTemplateSpec, Vec<String>), TemplateError> {
    let kind = manifest["kind"].as_str().unwrap_or_default();
    let (metadata, spec, known) = match kind {
        "" => {
            return Err(TemplateError::new(
                "kind",
                "is missing: a template must be a Pod, a PodTemplate or a VirtualMachine",
            ));
        }
        "Pod" => (&manifest["metadata"], &manifest["spec"], ["spec", "status"]),
        "PodTemplate" => (&manifest["template"]["metadata"], &manifest["template"]["spec"], ["template", "template"]),
        _ => {
            return Err(TemplateError::new(
                "kind",
                format!("is {kind:?}: a template must be a Pod, a PodTemplate or a VirtualMachine"),
            ));
        }
    };
    if manifest["apiVersion"] != "v1" {
        return Err(TemplateError::new("apiVersion", format!("is {}: a {kind} must have v1", manifest["apiVersion"])));
    }
    let strange = manifest.as_object().and_then(|fields| {
        fields
            .keys()
            .find(|key| !["apiVersion", "kind", "metadata"].contains(&key.as_str()) && !known.contains(&key.as_str()))
    });
    if let Some(field) = strange {
        return Err(TemplateError::new(field.as_str(), format!("is not a field of a {kind}")));
    }
    let mut pod = read(&serde_json::json!({ "metadata": metadata, "spec": spec }))?;
    let mut unused = Vec::new();
    let ObjectMeta { labels, mut annotations, finalizers, owner_references, .. } = pod.metadata.unwrap_or_default();
    if let Some(annotations) = &mut annotations {
        // This annotation is kubectl's own, from the object that was copied.
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
    pod.metadata = Some(ObjectMeta { labels, annotations, finalizers, owner_references, ..ObjectMeta::default() });
    if main(&pod)?.resources.as_ref().is_some_and(|resources| *resources != ResourceRequirements::default()) {
        unused.push("spec.containers[0].resources is not used: the cluster sets the size".to_owned());
    }
    Ok((pod, unused))
}

/// Removes the size of the first container: the cluster sets it.
pub(super) fn without_size(pod: &mut PodTemplateSpec) {
    if let Some(main) = pod.spec.as_mut().and_then(|spec| spec.containers.first_mut()) {
        main.resources = None;
    }
}

/// Returns a size in which a Pod has room, including its first container.
pub(super) fn least(pod: &PodTemplateSpec) -> Result<Resources, TemplateError> {
    let spec = pod.spec.clone().unwrap_or_default();
    beside(&spec)?;
    let some = Quantity::mebibytes(1024);
    let room = |mut taken: Resources| {
        let more = Resources::new(Quantity::whole(1), some);
        let name = taken.names().find(|name| name.as_str() == EPHEMERAL_STORAGE).cloned();
        if let Some(name) = name {
            taken.add(&name, some)?;
        }
        taken.checked_add(&more)
    };
    let least = footprint(&spec, Rule::Limits).and_then(room).ok_or_else(too_much)?;
    // Each init container gets a share of each resource.
    let kinds = least.names().count();
    if kinds > MOST_KINDS {
        let why = format!("ask for {kinds} kinds of resources, the maximum is {MOST_KINDS}");
        return Err(TemplateError::new("spec.containers", why));
    }
    Ok(least)
}

fn too_much() -> TemplateError {
    TemplateError::new("spec.containers", "ask for more than can be counted")
}

fn is_sidecar(init: &Container) -> bool {
    init.restart_policy.as_deref() == Some("Always")
}

/// Iterates over the containers that run beside the instance, each with its field.
fn others(pod: &PodSpec) -> impl Iterator<Item = (String, &Container)> {
    let others = pod.containers.iter().enumerate().skip(1).map(|(at, one)| (format!("spec.containers[{at}]"), one));
    let sidecars = pod.init_containers.iter().flatten().enumerate().filter(|(_, init)| is_sidecar(init));
    others.chain(sidecars.map(|(at, init)| (format!("spec.initContainers[{at}]"), init)))
}

/// Returns the resources that the containers beside the instance take. Each of them must set its limits.
pub(super) fn beside(pod: &PodSpec) -> Result<Resources, TemplateError> {
    let mut beside = PodSpec::default();
    for (field, container) in others(pod) {
        bounded(&field, container)?;
        beside.containers.push(container.clone());
    }
    footprint(&beside, Rule::Limits).ok_or_else(too_much)
}

/// Gives the first container the rest of a size that the others leave. Init containers that name no resources get the
/// same amounts, because they end before it starts.
pub(super) fn share(pod: &mut PodSpec, size: &Resources) -> Result<(), TemplateError> {
    let taken = beside(pod)?;
    if size.named(EPHEMERAL_STORAGE).is_some() {
        writes_bounded(pod)?;
    }
    let Some(main) = pod.containers.first_mut() else {
        return Err(TemplateError::new("spec.containers", "is empty: the first container is the instance"));
    };
    let follows = std::mem::take(&mut main.resources);
    let mut left = Resources::default();
    let size = &size.without(STORAGE);
    for (name, amount) in size.iter() {
        let rest = amount.checked_sub(taken.get(name)).ok_or_else(too_much)?;
        if rest.is_negative() || (rest.is_zero() && [CPU, MEMORY, EPHEMERAL_STORAGE].contains(&name.as_str())) {
            let why =
                format!("beside the first take {taken}, which leaves nothing of {size} for it: ask for a larger size");
            return Err(TemplateError::new("spec.containers", why));
        }
        left.set(name.clone(), rest);
    }
    if let Some(name) = taken.names().find(|name| !size.contains(name)) {
        let why = format!("ask for {name}, which is not in the size, {size}: name it with --resource");
        return Err(TemplateError::new("spec.containers", why));
    }
    let amounts =
        || Some(stored(left.iter().filter(|(_, left)| !left.is_zero()).map(|(n, left)| (n.to_string(), left))));
    let share = ResourceRequirements { requests: amounts(), limits: amounts(), ..ResourceRequirements::default() };
    main.resources = Some(share.clone());
    for (at, init) in pod.init_containers.iter_mut().flatten().enumerate().filter(|(_, init)| !is_sidecar(init)) {
        let bare = init.resources.as_ref().is_none_or(|resources| *resources == ResourceRequirements::default());
        if bare || (follows.is_some() && init.resources == follows) {
            init.resources = Some(share.clone());
        } else {
            bounded(&format!("spec.initContainers[{at}]"), init)?;
        }
    }
    match footprint(pod, Rule::Limits) {
        Some(all) if all.fits(size) => Ok(()),
        Some(all) => {
            let why = format!("take up to {all}, where the size is {size}");
            Err(TemplateError::new("spec.initContainers", why))
        }
        None => Err(too_much()),
    }
}

/// Checks that each container beside the instance limits how much of a node's disk it fills. Call it only if the size
/// names that resource.
fn writes_bounded(pod: &PodSpec) -> Result<(), TemplateError> {
    for (field, container) in others(pod) {
        let limits = container.resources.as_ref().and_then(|resources| resources.limits.as_ref());
        if limits.is_none_or(|limits| !limits.contains_key(EPHEMERAL_STORAGE)) {
            return Err(TemplateError::new(
                format!("{field}.resources.limits.{EPHEMERAL_STORAGE}"),
                "is missing: the size has this resource, so every further container must set its share of it",
            ));
        }
    }
    Ok(())
}

/// Checks that a container beside the instance sets its limits, and that its requests are within them.
fn bounded(field: &str, container: &Container) -> Result<(), TemplateError> {
    let resources = container.resources.as_ref();
    let limits = resources.and_then(|resources| resources.limits.as_ref());
    for name in [CPU, MEMORY] {
        let field = format!("{field}.resources.limits.{name}");
        let limit: Option<Quantity> = limits.and_then(|limits| limits.get(name)?.0.parse().ok());
        if !limit.is_some_and(|limit| !limit.is_zero() && !limit.is_negative()) {
            return Err(TemplateError::new(
                field,
                "must be above 0: every further container must set its share of the size",
            ));
        }
    }
    for (name, request) in resources.and_then(|resources| resources.requests.as_ref()).into_iter().flatten() {
        let limit: Option<Quantity> = limits.and_then(|limits| limits.get(name)?.0.parse().ok());
        let request: Option<Quantity> = request.0.parse().ok();
        if request.is_none() || request > limit {
            return Err(TemplateError::new(format!("{field}.resources.requests.{name}"), "must be within the limit"));
        }
    }
    Ok(())
}

/// Tells kubectl which of several containers is the instance.
pub(super) fn name_main(pod: &mut PodTemplateSpec) {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    if containers.clone().count() > 1
        && let Some(main) = containers.map(|container| container.name.clone()).next()
    {
        let annotations = pod.metadata.get_or_insert_default().annotations.get_or_insert_default();
        annotations.entry(DEFAULT_CONTAINER.to_owned()).or_insert(main);
    }
}
