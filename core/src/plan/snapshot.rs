//! `snapshot cluster`, `delete snapshot` and `restore cluster`.

use std::collections::BTreeSet;

use crate::account::{Account, Want};
use crate::kubevirt::{VirtualMachine, VirtualMachineInstance};
use crate::name::{ClusterName, InstanceName, SnapshotName, ranges};
use crate::plan::refusal::Refusal;
use crate::plan::write::{Write, current, other_want};
use crate::resources::STORAGE;
use crate::snapshot::{Content, Part, SnapshotState, VolumeSnapshot};
use crate::vocabulary::InstanceType;

/// The plan of `snapshot cluster`.
#[derive(Debug)]
pub struct Take {
    /// The write that asks for the room, on the version that was read.
    pub write: Write,
    /// The VMs of which a part is made.
    pub parts: Vec<InstanceName>,
    snapshots: u32,
}

impl Take {
    /// Plans the write of the room, on one version of the account.
    pub fn room(&self, account: &Account, name: &ClusterName) -> Result<Write, Refusal> {
        with_room(account, name, |want| want.size.snapshots().max(self.snapshots))
    }
}

/// Checks that snapshots can be taken at all. `volumes` tells whether the API of volume snapshots is served, `machines`
/// whether that of KubeVirt is.
pub fn can_snapshot(volumes: bool, machines: bool) -> Result<(), Refusal> {
    if volumes && machines {
        return Ok(());
    }
    let (missing, install) = if machines {
        ("volume snapshots", "the external snapshotter (github.com/kubernetes-csi/external-snapshotter)")
    } else {
        ("KubeVirt's snapshots", "KubeVirt 1.7 or newer (kubevirt.io)")
    };
    Err(Refusal::wish(format!("{missing} are not installed in this cluster"))
        .hint(format!("ask an administrator to install {install}")))
}

/// Checks that a cluster is there and has VMs. Its owner has no right to list the snapshots of another one.
pub fn has_vms(name: &ClusterName, account: &Account) -> Result<Want, Refusal> {
    let want = current(account, name)?;
    match want.kind {
        InstanceType::Vm => Ok(want),
        InstanceType::Container => {
            Err(Refusal::wish(format!("cluster {name} has containers, and snapshots are of VMs")))
        }
    }
}

/// Checks that a cluster has disks of which snapshots can be taken, and returns its want.
pub fn has_disks(name: &ClusterName, account: &Account) -> Result<Want, Refusal> {
    let want = has_vms(name, account)?;
    if want.root_disk.is_none() && want.data_disk.is_none() {
        return Err(Refusal::wish(format!("the VMs of cluster {name} have no disks that stay"))
            .hint("create another cluster with --disk or --data-disk, and move the data there"));
    }
    Ok(want)
}

/// Plans a snapshot, or the rest of one. `parts` are all parts in the Namespace of the cluster.
pub fn take(
    cluster: &ClusterName,
    snapshot: &SnapshotName,
    account: &Account,
    machines: &[VirtualMachine],
    parts: &[Part],
) -> Result<Take, Refusal> {
    let want = has_disks(cluster, account)?;
    let of_this = || parts.iter().filter(|part| part.snapshot() == snapshot.as_str());
    if of_this().any(|part| part.state() == SnapshotState::Deleting) {
        return Err(Refusal::wish(format!("snapshot {snapshot} is being deleted"))
            .hint("repeat the command when it is gone, or use --name with another name"));
    }
    let there: BTreeSet<InstanceName> = of_this().filter_map(Part::instance).collect();
    let mut missing: Vec<(InstanceName, &VirtualMachine)> = machines
        .iter()
        .filter_map(|vm| Some((vm.metadata.name.as_ref()?.parse().ok()?, vm)))
        .filter(|(name, _)| !there.contains(name))
        .collect();
    missing.sort_by(|(one, _), (other, _)| one.cmp(other));
    if missing.is_empty() && there.is_empty() {
        return Err(Refusal::wish(format!("cluster {cluster} has no VMs yet"))
            .hint(format!("kubectl cmp get instances --in {cluster} shows them")));
    }
    for (name, vm) in &missing {
        has_snapshots(name, vm)?;
    }
    let total = parts.len().saturating_add(missing.len());
    let snapshots = rooms(total, want.count);
    let parts = missing.into_iter().map(|(name, _)| name).collect();
    let mut plan = Take { write: Write::nothing(account), parts, snapshots };
    if !plan.parts.is_empty() {
        plan.write = plan.room(account, cluster)?;
    }
    Ok(plan)
}

/// Plans the return of the room that the remaining parts do not need, on one version of the account.
pub fn give_back(cluster: &ClusterName, account: &Account, remaining: usize) -> Result<Write, Refusal> {
    with_room(account, cluster, |want| want.size.snapshots().min(rooms(remaining, want.count)))
}

/// Returns the number of snapshots of each instance that there has to be room for. The ResourceQuota counts the parts of
/// all instances together.
fn rooms(parts: usize, count: u32) -> u32 {
    u32::try_from(parts).unwrap_or(u32::MAX).div_ceil(count.max(1))
}

fn with_room(account: &Account, cluster: &ClusterName, snapshots: impl Fn(&Want) -> u32) -> Result<Write, Refusal> {
    let want = current(account, cluster)?;
    let too_much = || Refusal::wish(format!("cluster {cluster} has more snapshots than can be counted"));
    let size = want.size.clone().with_snapshots(snapshots(&want)).ok_or_else(too_much)?;
    other_want(account, cluster, |want| Want { size: size.clone(), ..want.clone() })
}

/// Checks that KubeVirt can take a snapshot of the disk of a VM. It would leave out a disk of which it cannot, without a
/// word.
fn has_snapshots(name: &InstanceName, vm: &VirtualMachine) -> Result<(), Refusal> {
    let disks: Vec<&str> = vm.durable_volumes().collect();
    let [disk] = disks.as_slice() else {
        return Err(Refusal::wish(format!(
            "{name} has {} disks that stay, and a snapshot is of one: {}",
            disks.len(),
            disks.join(", ")
        )));
    };
    let repeat = "repeat the command when its disk exists: kubectl cmp describe instance";
    match vm.status.volume_snapshot_statuses.iter().find(|status| status.name == *disk) {
        Some(status) if status.enabled => Ok(()),
        Some(status) => {
            let why = status.reason.as_deref().unwrap_or("KubeVirt says no reason");
            Err(Refusal::wish(format!("the disk {disk} of {name} cannot have snapshots: {why}"))
                .hint("ask an administrator for a VolumeSnapshotClass with the driver of the StorageClass of the disk"))
        }
        None => Err(Refusal::wish(format!("KubeVirt has not looked at the disk {disk} of {name} yet"))
            .hint(format!("{repeat} {name}"))),
    }
}

/// The objects that a restore is planned from.
#[derive(Debug, Default)]
pub struct Observed {
    /// The VMs of the cluster.
    pub machines: Vec<VirtualMachine>,
    /// Their guests.
    pub guests: Vec<VirtualMachineInstance>,
    /// All parts in the Namespace of the cluster.
    pub parts: Vec<Part>,
    /// The contents of the parts.
    pub contents: Vec<Content>,
    /// The snapshots of the claims.
    pub volumes: Vec<VolumeSnapshot>,
}

/// The plan of `restore cluster`.
#[derive(Debug)]
pub struct Restoration {
    /// The parts to restore, each with its VM.
    pub parts: Vec<(InstanceName, Part)>,
    /// The VMs of which the snapshot has no part, and the parts without their VM, each in a sentence.
    pub left_out: Vec<String>,
}

impl Restoration {
    /// Lists the loss.
    pub fn goes(&self) -> Vec<String> {
        let taken =
            |part: &Part| part.status.creation_time.as_ref().map_or_else(String::new, |at| format!(" of {}", at.0));
        let line = |(name, part): &(InstanceName, Part)| {
            format!("the content of the disk of {name}, for that of snapshot {}{}", part.snapshot(), taken(part))
        };
        self.parts.iter().map(line).collect()
    }
}

/// Plans a restore. Nothing is left to be refused by KubeVirt or by a fence, since KubeVirt deletes the old disk first.
pub fn restore(
    cluster: &ClusterName,
    snapshot: &SnapshotName,
    account: &Account,
    seen: &Observed,
) -> Result<Restoration, Refusal> {
    let want = has_disks(cluster, account)?;
    let parts: Vec<&Part> = seen.parts.iter().filter(|part| part.snapshot() == snapshot.as_str()).collect();
    if parts.is_empty() {
        return Err(Refusal::not_found("snapshot", snapshot.as_str())
            .hint(format!("kubectl cmp get snapshots --in {cluster} shows those of the cluster")));
    }
    if let Some(part) = parts.iter().find(|part| part.state() != SnapshotState::Ready) {
        let (of, state) = (&part.spec.source.name, part.state().as_str());
        let why = part.reason().map_or_else(String::new, |why| format!(": {why}"));
        return Err(Refusal::wish(format!("snapshot {snapshot} cannot be restored: its part of {of} is {state}{why}")));
    }
    let machine = |name: &str| seen.machines.iter().find(|vm| vm.metadata.name.as_deref() == Some(name));
    let (mut plan, mut on) = (Restoration { parts: Vec::new(), left_out: Vec::new() }, Vec::new());
    for part in parts {
        let of = &part.spec.source.name;
        let (Some(vm), Some(name)) = (machine(of), part.instance()) else {
            plan.left_out.push(format!("{of} does not exist, and is not restored"));
            continue;
        };
        fits(&name, vm, part, &want, seen)?;
        let runs = seen.guests.iter().any(|guest| guest.metadata.name.as_ref() == Some(of));
        on.extend((vm.is_on() || runs).then(|| name.clone()));
        plan.parts.push((name, (*part).clone()));
    }
    plan.parts.sort_by(|(one, _), (other, _)| one.cmp(other));
    on.sort();
    if let Some(names) = ranges(&on) {
        return Err(Refusal::wish(format!("a VM that is on cannot be restored: {names}"))
            .hint(format!("kubectl cmp suspend cluster {cluster} --mode halt --wait switches the VMs off")));
    }
    if plan.parts.is_empty() {
        return Err(Refusal::wish(format!("no VM of snapshot {snapshot} exists any more")));
    }
    let has_part = |vm: &&VirtualMachine| {
        plan.parts.iter().any(|(name, _)| vm.metadata.name.as_deref() == Some(name.to_string().as_str()))
    };
    let others = seen.machines.iter().filter(|vm| !has_part(vm)).filter_map(|vm| vm.metadata.name.as_ref());
    plan.left_out.extend(others.map(|name| format!("{name} is not in snapshot {snapshot}, and keeps its disk")));
    Ok(plan)
}

/// Checks that a VM can get its disk and its spec back from a part.
fn fits(name: &InstanceName, vm: &VirtualMachine, part: &Part, want: &Want, seen: &Observed) -> Result<(), Refusal> {
    let (object, snapshot) = (part.object(), part.snapshot());
    if vm.metadata.uid != part.status.source_uid {
        return Err(Refusal::wish(format!(
            "{name} is another VM than that of snapshot {snapshot}: it was deleted and created again"
        ))
        .hint("KubeVirt restores only the VM of which the snapshot was taken"));
    }
    let included = part.status.snapshot_volumes.as_ref().map(|volumes| &volumes.included_volumes);
    if let Some(disk) = vm.durable_volumes().find(|disk| !included.is_some_and(|all| all.iter().any(|one| one == disk)))
    {
        return Err(Refusal::wish(format!("snapshot {snapshot} of {name} does not contain its disk {disk}")));
    }
    let named = |content: &&Content| content.spec.virtual_machine_snapshot_name.as_deref() == Some(object);
    let Some(content) = seen.contents.iter().find(named) else {
        return Err(Refusal::wish(format!("the content of snapshot {snapshot} of {name} does not exist")));
    };
    let before = content.spec.source.virtual_machine.spec.template.spec.size();
    if before != vm.spec.template.spec.size() {
        let size = before.map_or_else(|| "a size that cannot be read".to_owned(), |size| size.to_string());
        return Err(Refusal::wish(format!(
            "snapshot {snapshot} of {name} has another size than the VM has now: {size}"
        ))
        .hint(format!("kubectl cmp resize cluster {} gives its VMs that size first", name.cluster)));
    }
    for backup in &content.spec.volume_backups {
        let volume = seen.volumes.iter().find(|volume| volume.metadata.name == backup.volume_snapshot_name);
        let Some(size) = volume.map(VolumeSnapshot::restore_size) else {
            let which = backup.volume_snapshot_name.as_deref().unwrap_or_default();
            return Err(Refusal::wish(format!("the volume snapshot {which} of {name} does not exist any more")));
        };
        let disk = want.size.named(STORAGE);
        if let Some(size) = size.filter(|size| disk.is_none_or(|disk| *size > disk)) {
            let disk = disk.map_or_else(String::new, |disk| disk.to_string());
            return Err(Refusal::wish(format!(
                "a disk of {name} from snapshot {snapshot} would have {size}, and the disks of the cluster have {disk}"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
