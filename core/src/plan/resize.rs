//! `resize cluster`: growth is requested first, running instances restart one after another, and the quota of a
//! shrinking is given back last.

use crate::account::{Account, HeldState, Want};
use crate::instance::Instance;
use crate::kubevirt::{self, Misfit, VirtualMachine, VirtualMachineInstance};
use crate::name::{ClusterName, InstanceName};
use crate::plan::amounts::{Amount, with_changes};
use crate::plan::loss;
use crate::plan::refusal::Refusal;
use crate::plan::write::{Write, current, other_want};
use crate::quantity::Quantity;
use crate::resources::{Resources, STORAGE};
use crate::state::State;
use crate::vocabulary::InstanceType;

/// Another size of the instances of a cluster. Amounts that are not named stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The name of the cluster.
    pub name: ClusterName,
    /// The wanted CPU.
    pub cpu: Option<Quantity>,
    /// The wanted memory.
    pub memory: Option<Quantity>,
    /// The wanted amounts of other resources.
    pub more: Vec<Amount>,
}

/// A step of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Check that every StatefulSet of the cluster can have the size.
    CheckContainers,
    /// Write the larger of both sizes, planned by [`Plan::raise`] on each version of the account.
    Raise,
    /// Wait until the want is held.
    Prepare,
    /// Give this instance the size, and wait until it runs again if it ran.
    Resize(InstanceName),
    /// Write the size itself, planned by [`Plan::lower`] on each version of the account.
    Lower,
    /// Tell that the quota comes back later.
    TellReleasing,
}

/// The plan of `resize cluster`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The want before the change.
    pub current: Want,
    /// The size that the instances get.
    pub size: Resources,
    /// The write of the size on the version that was read.
    pub write: Write,
    /// The steps up to the first write, in their order. [`Plan::after_raise`] returns those that follow.
    pub steps: Vec<Step>,
    pub(crate) name: ClusterName,
    instances: Vec<InstanceName>,
}

/// Checks that a wish names an amount, before anything is read.
pub fn says_something(wish: &Wish) -> Result<(), Refusal> {
    if wish.cpu.is_none() && wish.memory.is_none() && wish.more.is_empty() {
        return Err(Refusal::wish("nothing to change").hint("use --cpu, --memory or --resource"));
    }
    Ok(())
}

/// Returns the size that a wish leads to.
pub fn size(wish: &Wish, account: &Account) -> Result<Resources, Refusal> {
    let Wish { name, cpu, memory, more } = wish;
    let current = current(account, name)?;
    if current.kind == InstanceType::Vm
        && let Some((device, _)) = more.iter().find(|(name, _)| name.is_extended())
    {
        return Err(Refusal::wish(format!("--resource {device}: the VMs of cluster {name} keep their devices"))
            .hint("create another cluster with the devices you want, then delete this one"));
    }
    if current.kind == InstanceType::Vm && !more.is_empty() {
        return Err(Refusal::wish(format!("the disks of the VMs of cluster {name} keep their size"))
            .hint("use --cpu and --memory to change the CPU and the memory"));
    }
    let size = with_changes(current.size.clone(), *cpu, *memory, more)?;
    if current.disk.is_some() && size.named(STORAGE) != current.size.named(STORAGE) {
        return Err(Refusal::wish(format!("--resource storage: the disks of cluster {name} keep their size"))
            .hint("create another cluster with the disks you want, then delete this one"));
    }
    Ok(size)
}

/// Checks that every VM of a cluster can have a size, before anything changes.
pub fn fits(vms: &[VirtualMachine], size: &Resources) -> Result<(), Refusal> {
    let misfit =
        |vm: &VirtualMachine| vm.spec.template.spec.misfit(size).map(|misfit| (vm.metadata.name.clone(), misfit));
    match vms.iter().find_map(misfit) {
        Some((name, Misfit { field, why })) => {
            Err(Refusal::wish(format!("instance {}: spec.template.spec.{field} {why}", name.unwrap_or_default())))
        }
        None => Ok(()),
    }
}

/// Plans another size. The larger of both sizes is charged until all instances have the new one.
pub fn plan(wish: &Wish, account: &Account, instances: &[Instance], dry_run: bool) -> Result<Plan, Refusal> {
    let (name, current, size) = (wish.name.clone(), current(account, &wish.name)?, size(wish, account)?);
    let paused: Vec<&InstanceName> =
        instances.iter().filter(|instance| instance.paused).map(|instance| &instance.name).collect();
    if !paused.is_empty() {
        return Err(are_paused(&name, &paused));
    }
    let write = other_want(account, &name, |want| Want { size: size.clone(), ..want.clone() })?;
    // The verdict on a dry run is the same, because the larger size is charged in any case.
    let steps = if dry_run {
        vec![Step::Lower]
    } else {
        let check = (current.kind == InstanceType::Container).then_some(Step::CheckContainers);
        check.into_iter().chain([Step::Raise]).collect()
    };
    let instances = instances.iter().map(|instance| instance.name.clone()).collect();
    Ok(Plan { current, size, write, steps, name, instances })
}

impl Plan {
    /// Plans the write before the instances change, on one version of the account.
    pub fn raise(&self, account: &Account) -> Result<Write, Refusal> {
        other_want(account, &self.name, |want| Want { size: want.size.max(&self.size), ..want.clone() })
    }

    /// Plans the write after the instances have changed, on one version of the account.
    pub fn lower(&self, account: &Account) -> Result<Write, Refusal> {
        other_want(account, &self.name, |want| Want { size: self.size.clone(), ..want.clone() })
    }

    /// Plans the steps after the first write, from the account that was written.
    pub fn after_raise(&self, raised: &Account) -> Vec<Step> {
        let mut steps: Vec<Step> = self.waits(raised).then_some(Step::Prepare).into_iter().collect();
        steps.extend(self.instances.iter().cloned().map(Step::Resize));
        steps.push(Step::Lower);
        steps.extend((!self.current.size.fits(&self.size)).then_some(Step::TellReleasing));
        steps
    }

    /// Lists the instances that restart, with the size that they get. An instance that is off does not, nor does
    /// one that has the size already.
    pub fn restarts(&self, instances: &[Instance]) -> Vec<String> {
        let shown = |instance: &Instance| format!("instance/{}, with {}", instance.name, self.size);
        self.restarting(instances).map(shown).collect()
    }

    /// Returns the warning about root disks that the restarts discard.
    pub fn loss(&self, instances: &[Instance]) -> Option<String> {
        loss::of_restart("resize", instances, self.restarting(instances).map(|instance| &instance.name))
    }

    /// Returns the instances that restart.
    pub fn restarting<'a>(&self, instances: &'a [Instance]) -> impl Iterator<Item = &'a Instance> {
        instances.iter().filter(|instance| self.has_to_restart(instance))
    }

    fn has_to_restart(&self, instance: &Instance) -> bool {
        let other = |of: fn(&Resources) -> Quantity| of(&instance.size) != of(&self.size);
        let differs = self.current.size != self.size || other(Resources::cpu) || other(Resources::memory);
        differs && !matches!(instance.state, State::Stopped | State::Suspended)
    }

    /// Reports whether the raised want is to be waited for. A cluster in the state releasing may wait for these very
    /// instances to shrink.
    fn waits(&self, raised: &Account) -> bool {
        let entry = raised.cluster(&self.name);
        entry.want.as_ref() != Some(&self.current) || entry.held.is_none_or(|held| held.state != HeldState::Releasing)
    }

    /// Returns the word for the result. `changed` reports whether any instance was changed.
    pub fn word(&self, changed: bool) -> &'static str {
        if changed || self.current.size != self.size { "resized" } else { "unchanged" }
    }
}

/// Refuses paused VMs. A paused VM keeps its guest, and therefore its old size, until it is switched off. The amount
/// that it gives up could not come back.
pub fn are_paused(cluster: &ClusterName, paused: &[&InstanceName]) -> Refusal {
    let names: Vec<String> = paused.iter().map(ToString::to_string).collect();
    Refusal::wish(format!("paused VMs cannot be resized: {}", names.join(", ")))
        .hint(format!("`kubectl cmp resume cluster {cluster}` resumes them, so that they can be restarted"))
        .hint(format!("`kubectl cmp suspend cluster {cluster} --mode halt` switches them off"))
}

/// Returns the guest that has to be restarted, from the guests before and after the change of its VM.
///
/// KubeVirt may begin to change a guest as soon as its VM is changed, but never changes all of it. A guest that was
/// created meanwhile may have the old size.
pub fn old_guest<'a>(
    before: Option<&VirtualMachineInstance>,
    after: Option<&'a VirtualMachineInstance>,
    want: &Want,
) -> Option<&'a VirtualMachineInstance> {
    let other = |guest: &VirtualMachineInstance| !kubevirt::is_of_size(&guest.spec, want);
    after.filter(|guest| !guest.ended()).filter(|guest| {
        let same = before.filter(|before| before.metadata.uid == guest.metadata.uid);
        other(guest) || same.is_some_and(other)
    })
}

/// Reports whether another guest than the old one runs with the new size. A VM that was switched off meanwhile counts
/// as well: it takes that size when it is switched on.
pub fn guest_runs(
    vm: Option<&VirtualMachine>,
    guest: Option<&VirtualMachineInstance>,
    old: Option<&str>,
    want: &Want,
) -> bool {
    match guest {
        Some(guest) => guest.metadata.uid.as_deref() != old && guest.runs() && kubevirt::is_of_size(&guest.spec, want),
        None => vm.is_none_or(|vm| !vm.is_on()),
    }
}

#[cfg(test)]
mod tests;
