//! `scale cluster`: growth asks for the quota first, shrinking gives it back last.

use crate::account::{Account, Want};
use crate::instance::{Instance, Orphan};
use crate::name::{ClusterName, InstanceName};
use crate::plan::create::Extent;
use crate::plan::refusal::Refusal;
use crate::plan::template::blueprint;
use crate::plan::write::{Write, current, other_want};
use crate::template::Template;

/// Another number of instances of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The name of the cluster.
    pub name: ClusterName,
    /// The wanted number of instances.
    pub count: u32,
}

/// A step of the plan.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// List these lines, and ask whether to go on.
    Confirm(Vec<String>),
    /// Let cmp-webhook judge the write, so that nothing is deleted for a refused change.
    Judge,
    /// Delete these instances together.
    Delete(Vec<InstanceName>),
    /// Delete these Pods and VirtualMachineInstances, whose StatefulSet or VirtualMachine is gone.
    DeleteOrphans(Vec<Orphan>),
    /// Wait until these instances are gone.
    Gone(Vec<InstanceName>),
    /// Write the want, planned by [`write`] on each version of the account.
    Write,
    /// Tell that the quota comes back later.
    TellReleasing,
    /// Wait until the want is held and the Namespace is open.
    Prepare,
    /// Make the instances that are missing.
    Make,
    /// Wait until these instances run.
    Run(Vec<InstanceName>),
}

/// The plan of `scale cluster`.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The want before the change.
    pub current: Want,
    /// The write on the version that was read.
    pub write: Write,
    /// The steps up to the write, in their order. [`Plan::after_write`] returns those that follow.
    pub steps: Vec<Step>,
    pub(crate) name: ClusterName,
    /// All steps, as if this were no dry run.
    pub(crate) whole: Vec<Step>,
    later: Vec<Step>,
    waits: bool,
}

impl Plan {
    /// Plans the steps after the write, from the account that was written. The instances of a released cluster are off,
    /// and are not waited for.
    pub fn after_write(&self, account: &Account) -> Result<Vec<Step>, Refusal> {
        let want = current(account, &self.name)?;
        let runs = self.waits && !want.released;
        let run = runs.then(|| Step::Run((0..want.count).map(|index| self.name.instance(index)).collect()));
        Ok(self.later.iter().cloned().chain(run).collect())
    }

    /// Returns the word for the result, from the number of instances that were made.
    pub fn word(&self, made: usize) -> &'static str {
        let repeated = self.write.change.is_empty() && self.later.contains(&Step::Make);
        if repeated && made == 0 { "unchanged" } else { "scaled" }
    }
}

/// Plans the write of the count on one version of the account.
pub fn write(wish: &Wish, account: &Account) -> Result<Write, Refusal> {
    other_want(account, &wish.name, |want| Want { count: wish.count, ..want.clone() })
}

/// Reports whether instances may have to go, so that they have to be listed. An earlier command may have left instances
/// above the wanted count, and a repeated command deletes them.
pub fn may_shrink(wish: &Wish, account: &Account) -> Result<bool, Refusal> {
    Ok(wish.count <= current(account, &wish.name)?.count)
}

/// Plans a shrinking. Returns `None` if nothing is to go.
///
/// The instances with the highest indexes go, whether they run or not.
pub fn shrink(
    wish: &Wish,
    account: &Account,
    instances: &[Instance],
    orphans: &[Orphan],
    extent: Extent,
) -> Result<Option<Plan>, Refusal> {
    let current = current(account, &wish.name)?;
    let is_above = |shown: &&Instance| shown.name.index >= wish.count;
    let orphans: Vec<&Orphan> = orphans.iter().filter(|orphan| is_above(&&orphan.shown)).collect();
    let all = instances.iter().chain(orphans.iter().map(|orphan| &orphan.shown));
    let mut goes: Vec<InstanceName> = all.filter(is_above).map(|shown| shown.name.clone()).collect();
    goes.sort();
    goes.dedup();
    if wish.count >= current.count && goes.is_empty() {
        return Ok(None);
    }
    let write = write(wish, account)?;
    let mut whole = vec![Step::Confirm(goes.iter().map(|name| format!("instance/{name}")).collect())];
    whole.extend([Step::Judge, Step::Delete(goes.clone())]);
    whole.extend((!orphans.is_empty()).then(|| Step::DeleteOrphans(orphans.into_iter().cloned().collect())));
    whole.extend([Step::Gone(goes), Step::Write]);
    let (steps, later) =
        if extent.dry_run { (vec![Step::Write], Vec::new()) } else { (whole.clone(), vec![Step::TellReleasing]) };
    Ok(Some(Plan { current, write, steps, name: wish.name.clone(), whole, later, waits: false }))
}

/// Plans a growth, or the creation of instances that are missing. `template` is the template of the current want. It is
/// read before the request, because it may be gone.
pub fn grow(wish: &Wish, account: &Account, template: &Template, extent: Extent) -> Result<Plan, Refusal> {
    let current = current(account, &wish.name)?;
    if wish.count > current.count {
        blueprint(template, &Want { count: wish.count, ..current.clone() })?;
    }
    let write = write(wish, account)?;
    let (name, later) = (wish.name.clone(), vec![Step::Prepare, Step::Make]);
    let mut plan =
        Plan { current, write, steps: vec![Step::Write], name, whole: Vec::new(), later, waits: extent.wait };
    plan.whole = [plan.steps.clone(), plan.after_write(&plan.write.account)?].concat();
    if extent.dry_run {
        (plan.later, plan.waits) = (Vec::new(), false);
    }
    Ok(plan)
}

#[cfg(test)]
mod tests;
