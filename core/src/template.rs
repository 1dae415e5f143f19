//! Templates: the base of an instance, and the objects that a want makes of it.
//!
//! A template is a Pod or a VirtualMachine: the built-in one, or one that an administrator stored. In a Pod, the first
//! container is the instance. The settings of the want (image, command, variables, ports) are put into that container.
//! The patch is applied to the Pod. Then the first container gets the rest of the size that the other containers leave.
//!
//! The result has to pass the [`rules`] and the [`validation`]. An instance that a policy, Pod Security or the API server
//! itself would refuse is refused here, with the field that is wrong. A cluster that cannot run is thus never created.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde_json::Value;

use crate::account::Want;
use crate::disk::Disk;
use crate::keys;
use crate::kubevirt;
use crate::manifest::{self, pairs};
use crate::name::InstanceName;
use crate::quantity::Quantity;
use crate::resources::{Resources, STORAGE};
use crate::root_disk;
use crate::state::State;
use crate::vocabulary::InstanceType;

mod draft;
mod error;
mod granted;
mod hardware;
mod machine;
mod network;
mod parts;
mod patch;
mod pod;
pub mod resize;
mod root;
mod rules;
pub(crate) mod validation;

pub use draft::Draft;
pub use error::TemplateError;
pub use rules::Grants;
pub use validation::{NOT_A_REFERENCE, is_reference};

/// The longest template, in bytes. Each instance is a copy of it.
pub const LONGEST: usize = 65536;

/// Returns the type of the built-in template of this name, if there is one.
pub fn built_in_type(name: &str) -> Option<InstanceType> {
    match name {
        manifest::CONTAINER_TEMPLATE => Some(InstanceType::Container),
        manifest::VM_TEMPLATE => Some(InstanceType::Vm),
        _ => None,
    }
}

/// The form of an instance before its size is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    spec: TemplateSpec,
    grants: Grants,
}

#[derive(Debug, Clone, PartialEq)]
enum TemplateSpec {
    Pod {
        pod: Box<PodTemplateSpec>,
        /// Whether its command only keeps the container alive. An image that was named brings its own command.
        sleeps: bool,
    },
    Machine(Value),
}

impl Template {
    /// Returns the built-in template of containers.
    pub fn container() -> Self {
        Self { spec: TemplateSpec::Pod { pod: Box::new(pod::built_in()), sleeps: true }, grants: Grants::new() }
    }

    /// Returns the built-in template of VMs.
    pub fn machine() -> Self {
        Self { spec: TemplateSpec::Machine(machine::built_in()), grants: Grants::new() }
    }

    /// Returns the built-in template of this name, if there is one.
    pub fn built_in(name: &str) -> Option<Self> {
        built_in_type(name).map(|kind| match kind {
            InstanceType::Container => Self::container(),
            InstanceType::Vm => Self::machine(),
        })
    }

    /// Reads the manifest of an administrator, a Pod, a `PodTemplate` or a `VirtualMachine`, and tests it. The second
    /// value lists the parts of the manifest that are not used.
    pub fn read(manifest: &Value) -> Result<(Self, Vec<String>), TemplateError> {
        if manifest["kind"] == "VirtualMachine" {
            let (machine, dropped) = machine::of_manifest(manifest)?;
            machine::is_final(&machine)?;
            let spec = &machine["spec"]["template"]["spec"];
            let mut grants = rules::grants("spec.template.spec", spec, machine::claims(&machine))?;
            grants.extend(network::granted("spec.template.spec", spec)?.map(|names| (keys::NETWORKS, names)));
            grants.extend(granted::granted("spec.template.spec", spec)?.map(|fields| (keys::MACHINE, fields)));
            let mut some = Resources::new(Quantity::whole(1 + granted::emulator(spec)), granted::memory(spec));
            if let (Some(state), Ok(storage)) = (granted::state(spec), STORAGE.parse()) {
                some.set(storage, state);
            }
            let some = hardware::taken(spec).and_then(|taken| taken.checked_add(&some));
            let some = some.ok_or_else(|| TemplateError::new("spec", "takes more than can be counted"))?;
            let template = Self { spec: TemplateSpec::Machine(machine), grants };
            template.blueprint(&Want::new(InstanceType::Vm, 1, some))?;
            let unused = dropped.iter().map(|field| format!("{field} {}", draft::NOT_USED)).collect();
            return Ok((template, unused));
        }
        if let Some(kind) = manifest["kind"].as_str().filter(|kind| draft::converts(kind)) {
            let why = format!("is {kind}: `kubectl cmp create template` makes a VirtualMachine of it");
            return Err(TemplateError::new("kind", why));
        }
        let (mut pod, unused) = pod::of_manifest(manifest)?;
        let spec = &pod::json(&pod)?["spec"];
        let grants = rules::grants("spec", spec, rules::claims_of_pod(spec))?;
        pod::without_size(&mut pod);
        let least = pod::least(&pod)?;
        let template = Self { spec: TemplateSpec::Pod { pod: Box::new(pod), sleeps: false }, grants };
        template.blueprint(&Want::new(InstanceType::Container, 1, least))?;
        Ok((template, unused))
    }

    /// Returns the type of its instances.
    pub fn kind(&self) -> InstanceType {
        match self.spec {
            TemplateSpec::Pod { .. } => InstanceType::Container,
            TemplateSpec::Machine(_) => InstanceType::Vm,
        }
    }

    /// Returns the privileges of its instances.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// Returns the secondary networks of the template, each once.
    pub fn networks(&self) -> BTreeSet<&str> {
        self.grants.get(keys::NETWORKS).into_iter().flat_map(|names| names.split(',')).collect()
    }

    /// Returns the image of its instances.
    pub fn image(&self) -> Option<&str> {
        match &self.spec {
            TemplateSpec::Pod { pod, .. } => pod::main(pod).ok()?.image.as_deref(),
            TemplateSpec::Machine(machine) => machine::image(machine),
        }
    }

    /// Returns the part of the size that the containers beside the instance take, or that the devices of a VM take.
    pub fn beside(&self) -> Resources {
        match &self.spec {
            TemplateSpec::Pod { pod, .. } => {
                pod.spec.as_ref().and_then(|spec| pod::beside(spec).ok()).unwrap_or_default()
            }
            TemplateSpec::Machine(machine) => hardware::taken(&machine["spec"]["template"]["spec"]).unwrap_or_default(),
        }
    }

    /// Returns the template as a manifest.
    pub fn manifest(&self) -> Value {
        let (mut manifest, version, kind) = match &self.spec {
            TemplateSpec::Pod { pod, .. } => (pod::json(pod).unwrap_or_default(), "v1".to_owned(), "Pod"),
            TemplateSpec::Machine(machine) => {
                (machine.clone(), format!("{}/{}", kubevirt::GROUP, kubevirt::VERSION), "VirtualMachine")
            }
        };
        manifest["apiVersion"] = version.into();
        manifest["kind"] = kind.into();
        manifest
    }

    /// Applies a want to the template.
    pub fn blueprint(&self, want: &Want) -> Result<Blueprint, TemplateError> {
        let blueprint = self.with_patch(want, want.patch.as_ref());
        let (Err(wrong), Some(Value::Array(operations))) = (&blueprint, &want.patch) else {
            return blueprint;
        };
        // The first operation after which the same field is wrong.
        let blamed = (1..=operations.len()).find(|count| {
            let first = operations.get(..*count).map(|first| Value::Array(first.to_vec()));
            self.with_patch(want, first.as_ref()).is_err_and(|earlier| earlier.field == wrong.field)
        });
        let without = self.with_patch(want, None).is_err_and(|without| without == *wrong);
        blueprint.map_err(|wrong| TemplateError { operation: blamed.filter(|_| !without).or(wrong.operation), ..wrong })
    }

    /// Reports whether its VMs fill their root disks from an image that CDI unpacks in a second claim.
    pub fn unpacks(&self) -> bool {
        matches!(&self.spec, TemplateSpec::Machine(machine) if root::unpacks(machine))
    }

    /// Returns the storage that each VM of a want needs for the state of its TPM or EFI. Containers need none, and neither
    /// does a want that cannot be made.
    pub fn state(&self, want: &Want) -> Quantity {
        let TemplateSpec::Machine(machine) = &self.spec else { return Quantity::ZERO };
        dressed(machine, want, want.patch.as_ref()).map_or(Quantity::ZERO, |(_, state)| state)
    }

    fn with_patch(&self, want: &Want, patch: Option<&Value>) -> Result<Blueprint, TemplateError> {
        match &self.spec {
            TemplateSpec::Pod { pod, sleeps } => self.pod_blueprint((**pod).clone(), *sleeps, want, patch),
            TemplateSpec::Machine(machine) => self.machine_blueprint(machine, want, patch),
        }
    }

    fn pod_blueprint(
        &self,
        mut pod: PodTemplateSpec,
        sleeps: bool,
        want: &Want,
        patch: Option<&Value>,
    ) -> Result<Blueprint, TemplateError> {
        pod::dress(&mut pod, want, sleeps);
        if let Some(patch) = patch {
            let main = pod::main(&pod)?.name.clone();
            let mut patched = pod::json(&pod)?;
            patch::apply(&mut patched, patch)?;
            pod = pod::read(&patched)?;
            pod::still_instance(&pod, &main)?;
        }
        let json = pod::json(&pod)?;
        rules::check(&json, &self.grants)?;
        if want.disk.is_some() {
            pod::no_other_disk(&pod)?;
        }
        validation::check(&json, want.disk.as_ref().map_or(&[], |_| &[pod::DISK]))?;
        let spec = pod.spec.get_or_insert_default();
        pod::share(spec, &want.size)?;
        pod::name_main(&mut pod);
        let disk = want.disk.as_ref().and(want.size.named(STORAGE));
        Ok(Blueprint { spec: InstanceSpec::Pod { pod: Box::new(pod), disk }, released: want.released })
    }

    fn machine_blueprint(
        &self,
        machine: &Value,
        want: &Want,
        patch: Option<&Value>,
    ) -> Result<Blueprint, TemplateError> {
        let (mut machine, state) = dressed(machine, want, patch)?;
        machine::check(&machine, &self.grants)?;
        granted::has_room("spec.template.spec", &machine["spec"]["template"]["spec"], want)?;
        hardware::equip(&mut machine["spec"]["template"]["spec"], &want.size)?;
        machine::shape(&mut machine, want);
        let data = want.data_disk.as_ref().map(|_| root::beside_state(want, state)).transpose()?;
        Ok(Blueprint { spec: InstanceSpec::Machine { machine, data }, released: want.released })
    }
}

/// Applies a want and its patch to a machine. Returns the storage for the state of the result, too. The disks leave room
/// for that state, which the patch may add.
fn dressed(machine: &Value, want: &Want, patch: Option<&Value>) -> Result<(Value, Quantity), TemplateError> {
    let with = |state: Quantity| {
        let mut machine = machine.clone();
        machine::dress(&mut machine, want, state)?;
        if let Some(patch) = patch {
            patch::apply(&mut machine, patch)?;
            machine::still_instance(&machine)?;
        }
        let state = granted::state(&machine["spec"]["template"]["spec"]).unwrap_or(Quantity::ZERO);
        Ok::<_, TemplateError>((machine, state))
    };
    let (machine, state) = with(Quantity::ZERO)?;
    if state.is_zero() || want.root_disk.is_none() { Ok((machine, state)) } else { with(state) }
}

/// The blueprint of every instance of a cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Blueprint {
    spec: InstanceSpec,
    released: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum InstanceSpec {
    Pod {
        pod: Box<PodTemplateSpec>,
        /// The size of each instance's disk, if the instances have one.
        disk: Option<Quantity>,
    },
    Machine {
        machine: Value,
        /// The size of each instance's data disk, if the instances have one.
        data: Option<Quantity>,
    },
}

impl Blueprint {
    /// Returns the size of the data disk of each instance, if the instances have one.
    pub fn data_disk(&self) -> Option<Quantity> {
        match &self.spec {
            InstanceSpec::Machine { data, .. } => *data,
            InstanceSpec::Pod { .. } => None,
        }
    }

    /// Reports whether the root disks of its instances are those of VMs, and ephemeral.
    pub fn is_ephemeral(&self) -> bool {
        let InstanceSpec::Machine { machine, .. } = &self.spec else { return false };
        let machine = machine.pointer("/spec/template/spec").cloned().unwrap_or_default();
        let read: Result<kubevirt::Machine, _> = serde_json::from_value(machine);
        read.is_ok_and(|machine| machine.root() == Disk::Ephemeral)
    }

    /// Reports whether the instances are VMs that find nothing at their first boot: no cloud-init and no sysprep.
    pub fn has_no_first_boot(&self) -> bool {
        matches!(&self.spec, InstanceSpec::Machine { machine, .. } if !machine::has_first_boot(machine))
    }

    /// Returns the VirtualMachine of an instance, if the cluster is of VMs.
    pub fn virtual_machine(&self, instance: &InstanceName) -> Option<Value> {
        match &self.spec {
            InstanceSpec::Machine { machine, .. } => Some(machine::named(machine, instance, self.released)),
            InstanceSpec::Pod { .. } => None,
        }
    }

    /// Returns the `DataVolume` of the root disk of an instance, if the disk is a copy. It has to be made before the VM.
    pub fn copied_disk(&self, instance: &InstanceName) -> Option<Value> {
        let InstanceSpec::Machine { machine, .. } = &self.spec else { return None };
        root_disk::copy_of(machine, &machine::named(machine, instance, self.released), instance)
    }

    /// Returns the StatefulSet of an instance, if the cluster is of containers. It has one replica, or none while the
    /// cluster is released.
    pub fn stateful_set(&self, instance: &InstanceName) -> Option<StatefulSet> {
        let InstanceSpec::Pod { pod, disk } = &self.spec else { return None };
        let name = instance.to_string();
        let identity = pairs([(keys::CLUSTER, instance.cluster.as_str()), (keys::INSTANCE, &name)]);
        let mut labels = identity.clone();
        // A released instance is created off and suspended, so that a resumption switches it on.
        let asked = if self.released { State::Suspended } else { State::Running };
        labels.extend(pairs([(keys::ASKED, asked.as_str()), (keys::MANAGED_BY, keys::MANAGER)]));
        let mut template = (**pod).clone();
        template.metadata.get_or_insert_default().labels.get_or_insert_default().extend(identity.clone());
        Some(StatefulSet {
            metadata: ObjectMeta {
                name: Some(name),
                namespace: Some(instance.cluster.namespace()),
                labels: Some(labels),
                ..ObjectMeta::default()
            },
            spec: Some(StatefulSetSpec {
                replicas: Some(i32::from(!self.released)),
                // Parallel: a Pod that was never ready is replaced all the same, and shrinking does not wait for it.
                pod_management_policy: Some("Parallel".to_owned()),
                revision_history_limit: Some(2),
                selector: LabelSelector { match_labels: Some(identity), ..LabelSelector::default() },
                template,
                volume_claim_templates: disk.map(|size| vec![pod::claim(size)]),
                // A disk survives a stop, and is deleted with its instance.
                persistent_volume_claim_retention_policy: disk.map(|_| {
                    StatefulSetPersistentVolumeClaimRetentionPolicy {
                        when_deleted: Some("Delete".to_owned()),
                        when_scaled: Some("Retain".to_owned()),
                    }
                }),
                ..StatefulSetSpec::default()
            }),
            ..StatefulSet::default()
        })
    }
}

#[cfg(test)]
mod machine_tests;
#[cfg(test)]
mod tests;
