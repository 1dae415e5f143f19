//! `create cluster --from`: the want of a cluster whose root disks start from those of another cluster of its owner.

use crate::account::{Account, Want};
use crate::disk::Disk as Kept;
use crate::disk_source::Copied;
use crate::kubevirt::{VirtualMachine, VirtualMachineInstance};
use crate::name::{ClusterName, InstanceName, ranges};
use crate::plan::amounts::with_changes;
use crate::plan::create::{Disk, Flags, Origin};
use crate::plan::refusal::Refusal;
use crate::plan::write::current;
use crate::quantity::Quantity;
use crate::resources::{SNAPSHOT_STORAGE, STORAGE};
use crate::vocabulary::InstanceType;

/// The cluster that flags start from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    want: Want,
    copied: Copied,
    /// The size of the largest disk. `None` stands for the storage in the size, which has the room for everything else.
    disk: Option<Quantity>,
}

/// The VMs of a cluster, and the guests of those that are on.
#[derive(Debug, Default)]
pub struct Observed {
    /// The VMs.
    pub machines: Vec<VirtualMachine>,
    /// The guests.
    pub guests: Vec<VirtualMachineInstance>,
}

/// Returns the copy that an earlier command asked for under this name, so that the same command goes on. The other cluster
/// may have changed since, and its VMs may be on.
pub fn begun(name: &ClusterName, from: &ClusterName, account: &Account) -> Option<Base> {
    let want = account.cluster(name).want?;
    let copied = Copied::read(want.root_disk.as_deref()?).filter(|copied| copied.cluster == *from)?;
    Some(Base { want, copied, disk: None })
}

/// Checks that a cluster exists, and that it has root disks which can be copied.
pub fn has_roots(from: &ClusterName, account: &Account) -> Result<Want, Refusal> {
    let entry = account.cluster(from);
    if entry.want.is_none() && entry.held.is_none() {
        return Err(Refusal::not_found("cluster", from.as_str()).hint(format!(
            "--from takes a cluster: for a snapshot, first kubectl cmp restore cluster CLUSTER --snapshot {from}"
        )));
    }
    let cannot = |why: &str| Refusal::wish(format!("--from {from}: {why}"));
    if entry.delete.is_some() {
        return Err(cannot("the cluster is being deleted"));
    }
    if let Some(what) = entry.newer() {
        return Err(cannot(&format!("this version does not know the cluster well enough, {what}"))
            .hint("upgrade kubectl-cmp: `kubectl cmp version` shows which version is installed in the cluster"));
    }
    let want = current(account, from)?;
    if want.kind == InstanceType::Container {
        return Err(cannot("the cluster has containers, and --from copies the root disks of VMs")
            .hint(format!("kubectl cmp export cluster {from} prints a file for another cluster of the same form")));
    }
    if want.data_disk.is_some() {
        return Err(cannot("the VMs keep their data on --data-disk, and --from copies root disks")
            .hint("create the cluster with --data-disk, and copy the files with kubectl cmp cp"));
    }
    if want.root_disk.is_none() {
        return Err(cannot("the root disks are ephemeral, and hold nothing that stays")
            .hint("--from copies the root disks of a cluster that was created with --disk"));
    }
    Ok(want)
}

/// Plans a copy of the root disks of a cluster. CDI copies a disk that nobody writes, so that the VMs have to be off.
pub fn base(
    name: &ClusterName,
    from: &ClusterName,
    account: &Account,
    Observed { machines, guests }: &Observed,
) -> Result<Base, Refusal> {
    if name == from {
        return Err(Refusal::wish(format!("--from {from}: the cluster cannot be a copy of itself")));
    }
    let want = has_roots(from, account)?;
    let cannot = |why: String| Refusal::wish(format!("--from {from}: {why}"));
    if want.count == 0 {
        return Err(cannot("the cluster has no VMs".to_owned()));
    }
    let (mut missing, mut on, mut disk) = (Vec::new(), Vec::new(), None);
    for index in 0..want.count {
        let instance: InstanceName = from.instance(index);
        let text = instance.to_string();
        let is_of = |named: Option<&String>| named.is_some_and(|named| *named == text);
        let Some(vm) = machines.iter().find(|vm| is_of(vm.metadata.name.as_ref())) else {
            missing.push(instance);
            continue;
        };
        let Kept::Claim { size: Some(size) } = vm.root() else {
            return Err(cannot(format!("{text} has another root disk than cmp made, and its size is not known")));
        };
        disk = disk.max(Some(size));
        let runs = guests.iter().any(|guest| is_of(guest.metadata.name.as_ref()));
        on.extend((vm.is_on() || runs).then_some(instance));
    }
    if let Some(names) = ranges(&missing) {
        return Err(cannot(format!("these VMs do not exist yet: {names}"))
            .hint(format!("kubectl cmp wait cluster {from} --for=state=running waits for its VMs")));
    }
    if let Some(names) = ranges(&on) {
        return Err(cannot(format!("a root disk is copied while its VM is off, and these are on: {names}"))
            .hint(format!("kubectl cmp suspend cluster {from} --mode halt --wait switches the VMs off"))
            .hint("they may be on again when the new VMs run"));
    }
    let copied = Copied { cluster: from.clone(), instances: want.count };
    Ok(Base { want, copied, disk })
}

/// The flags that a copy needs no value for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Given {
    /// `--cpu`.
    pub cpu: Option<Quantity>,
    /// `--memory`.
    pub memory: Option<Quantity>,
    /// Whether `--ssh-key` was given.
    pub keys: bool,
}

impl Base {
    /// Returns the want of the copy, in which the flags go before the other cluster.
    pub fn want(self, given: Given, flags: Flags) -> Result<(Want, Origin), Refusal> {
        let Self { want: of, copied, disk: least } = self;
        if flags.kind == Some(InstanceType::Container) {
            return Err(Refusal::wish(format!(
                "--type container: --from {} copies the root disks of VMs",
                copied.cluster
            ))
            .hint("omit --type"));
        }
        let size = of.size.without(STORAGE).without(SNAPSHOT_STORAGE);
        let size = with_changes(size, given.cpu, given.memory, &[])?;
        if let (Some(disk), Some(least)) = (&flags.disk, least)
            && disk.size < least
        {
            return Err(Refusal::wish(format!(
                "--disk {}: the root disks of cluster {} have {least}, and a copy is not smaller",
                disk.size, copied.cluster
            ))
            .hint("omit --disk for disks of the same size"));
        }
        let origin = if flags.disk.is_none() && least.is_none() { Origin::File } else { Origin::Flags };
        let same = least.or_else(|| of.size.named(STORAGE)).map(|size| Disk { size, path: None });
        let keys = if given.keys { flags.ssh_keys } else { of.ssh_keys().cloned().collect() };
        let flags = Flags {
            kind: Some(InstanceType::Vm),
            template: of.template,
            count: flags.count.or(Some(of.count)),
            size,
            disk: flags.disk.or(same),
            ssh_keys: keys,
            patch: flags.patch.or(of.patch),
            ..flags
        };
        let want = flags.want()?;
        Ok((Want { root_disk: Some(copied.to_string()), ..want }, origin))
    }
}

#[cfg(test)]
mod tests;
