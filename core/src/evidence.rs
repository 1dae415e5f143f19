//! The evidence on which `held` is lowered: the remaining objects of a cluster, compared with a shape.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;

use crate::account::Shape;
use crate::footprint::{Rule, footprint};
use crate::kubevirt::{VirtualMachine, VirtualMachineInstance};
use crate::name::InstanceName;
use crate::quantity::Quantity;
use crate::resources::{Resources, STORAGE};
use crate::vocabulary::InstanceType;

/// The remaining objects of a cluster, by quorum lists.
#[derive(Debug, Clone)]
pub struct Remains {
    /// The StatefulSets of the cluster.
    pub sets: Vec<StatefulSet>,
    /// The Pods of the cluster. The Pods of a VM cluster belong to KubeVirt, and their requests differ from the size
    /// that the guests see.
    pub pods: Vec<Pod>,
    /// The VirtualMachines of the cluster.
    pub machines: Vec<VirtualMachine>,
    /// The VirtualMachineInstances: the VMs that are on.
    pub running: Vec<VirtualMachineInstance>,
    /// The sum of the storage that the claims ask for.
    pub storage: Quantity,
    /// The number of snapshots of claims. A snapshot that is being deleted still takes storage.
    pub snapshots: u32,
}

impl Default for Remains {
    fn default() -> Self {
        Self { sets: vec![], pods: vec![], machines: vec![], running: vec![], storage: Quantity::ZERO, snapshots: 0 }
    }
}

impl Remains {
    /// Iterates over the Pods that have not ended.
    fn living_pods(&self) -> impl Iterator<Item = &Pod> {
        self.pods.iter().filter(|pod| {
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            !matches!(phase, Some("Succeeded" | "Failed"))
        })
    }

    /// Iterates over the VirtualMachineInstances that have not ended.
    fn living_guests(&self) -> impl Iterator<Item = &VirtualMachineInstance> {
        self.running.iter().filter(|guest| !guest.ended())
    }
}

fn pod_name(pod: &Pod) -> String {
    format!("Pod {}", pod.metadata.name.as_deref().unwrap_or_default())
}

fn guest_name(guest: &VirtualMachineInstance) -> String {
    format!("VM {}", guest.metadata.name.as_deref().unwrap_or_default())
}

/// Checks that the remaining objects fit a shape. The error names the object that is too much.
pub fn fits(remains: &Remains, kind: InstanceType, to: &Shape) -> Result<(), String> {
    let sets = remains.sets.iter().map(|set| {
        let on = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1) > 0;
        (set.metadata.name.as_deref(), on)
    });
    let machines = remains.machines.iter().map(|vm| (vm.metadata.name.as_deref(), vm.is_on()));
    for (name, on) in sets.chain(machines) {
        let name = name.unwrap_or_default();
        let index = name.parse::<InstanceName>().map(|instance| instance.index);
        if !index.is_ok_and(|index| index < to.count) {
            return Err(format!("instance {name} still exists"));
        }
        if to.released && on {
            return Err(format!("instance {name} is still on"));
        }
    }
    // Nobody is asked when the next guest of a VM that is on is made. For a VM that is off, a policy decides.
    for vm in remains.machines.iter().filter(|vm| vm.is_on()) {
        let name = vm.metadata.name.as_deref().unwrap_or_default();
        match vm.spec.template.spec.size() {
            None => return Err(format!("instance {name} has more than can be counted")),
            Some(size) if !size.fits(&to.size) => return Err(format!("instance {name} still requests {size}")),
            Some(_) => {}
        }
    }
    // `None` is a Pod that cannot be counted; it counts as more than any size.
    let pods = remains.living_pods().filter_map(|pod| {
        let size = footprint(pod.spec.as_ref()?, Rule::Requests);
        Some((pod_name(pod), size))
    });
    let running = remains.living_guests().map(|guest| (guest_name(guest), guest.spec.size()));
    let living: Vec<(String, Option<Resources>)> = match kind {
        InstanceType::Container => pods.collect(),
        InstanceType::Vm => running.collect(),
    };
    for (at, (name, size)) in living.iter().enumerate() {
        if to.released || u32::try_from(at).is_ok_and(|at| at >= to.count) {
            return Err(format!("{name} still exists"));
        }
        let Some(size) = size else { return Err(format!("{name} has more than can be counted")) };
        if !size.fits(&to.size) {
            return Err(format!("{name} still has {size}"));
        }
    }
    let storage = to.size.named(STORAGE).and_then(|storage| storage.checked_mul(to.count));
    if remains.storage > storage.unwrap_or(Quantity::ZERO) {
        return Err("PersistentVolumeClaims still request more storage".to_owned());
    }
    let room = to.size.snapshots().saturating_mul(to.count);
    if remains.snapshots > room {
        return Err(format!(
            "{} snapshots of disks still exist, and {room} may remain: kubectl cmp delete snapshot deletes them",
            remains.snapshots
        ));
    }
    Ok(())
}

/// Returns the shape that a cluster still needs while its Namespace is being deleted: the storage of the claims and
/// snapshots that are left. The error names what may still run.
///
/// Kubernetes admits no new object into such a Namespace (admission plugin `NamespaceLifecycle`), and a deletion is
/// never taken back. StatefulSets and VirtualMachines that are left therefore make nothing any more, and cost nothing.
pub fn needed_in_deletion(remains: &Remains, holds: &Shape) -> Result<Shape, String> {
    let living = remains.living_guests().map(guest_name).chain(remains.living_pods().map(pod_name)).next();
    if let Some(left) = living {
        return Err(format!("{left} still exists"));
    }
    let each = holds.size.named(STORAGE).unwrap_or(Quantity::ZERO);
    let has_room = |count: &u32| {
        each.checked_mul(*count).is_some_and(|storage| storage >= remains.storage)
            && holds.size.snapshots().saturating_mul(*count) >= remains.snapshots
    };
    // The ResourceQuota bounded the claims and the snapshots, so that the held count always has room.
    let count = (0..holds.count).find(has_room).unwrap_or(holds.count);
    Ok(Shape { count, size: holds.size.clone(), released: true })
}

#[cfg(test)]
mod tests;
