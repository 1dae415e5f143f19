//! `create cluster`: one want for the whole cluster, then the instances that are missing.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use crate::account::change::Change;
use crate::account::{Account, Held, HeldState, Suspended, Want};
use crate::first_boot::Files;
use crate::instance::Instance;
use crate::labels::Pairs;
use crate::lifecycle::SuspensionRequest;
use crate::name::{ClusterName, InstanceName};
use crate::plan::refusal::Refusal;
use crate::plan::write::{Write, goes_already};
use crate::powered_off::PoweredOff;
use crate::resources::Resources;
use crate::schedule::Transition;
use crate::state::State;
use crate::template::Template;
use crate::verdict::judge;
use crate::vocabulary::InstanceType;

mod flags;
mod room;

pub use flags::{Disk, Flags};

/// The reason of a suspension that was read from a file.
const RESTORED: &str = "as in the file it was created from";

/// The source of a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Origin {
    /// Flags, whose disk says nothing about other claims of a VM.
    Flags,
    /// A file, whose size has the storage of all claims.
    #[default]
    File,
}

/// A cluster that the user asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The name of the cluster.
    pub name: ClusterName,
    /// The cluster that is to be.
    pub want: Want,
    /// The instances that are to be off.
    pub off: PoweredOff,
    /// A timer of a file that has expired, and is not set again.
    pub expired_timer: Option<Transition>,
    /// Whether the type was given. Otherwise it follows from the template.
    pub typed: bool,
    /// Whether no instance of the cluster exists yet, so that the wish may correct what is wanted.
    pub unmade: bool,
    /// Whether no key was named, so that the keys of an existing cluster are no difference.
    pub any_key: bool,
    /// The source of the wish.
    pub origin: Origin,
    /// The files of which the want has the digests.
    pub files: Files,
}

impl Wish {
    /// Returns a wish for a new cluster, whose instances are on.
    pub fn new(name: ClusterName, want: Want, typed: bool) -> Self {
        let (off, files) = (PoweredOff::default(), Files::default());
        Self { name, want, off, expired_timer: None, typed, unmade: false, any_key: false, origin: Origin::File, files }
    }
}

/// The extent to which a plan is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extent {
    /// Whether the plan ends with the write of the account, which is a dry run.
    pub dry_run: bool,
    /// Whether the plan ends when the instances run.
    pub wait: bool,
}

/// A step of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Tell that this timer is left out.
    TellExpiredTimer(Transition),
    /// Let the API server judge the first missing instance by a dry run, in the Namespace that exists.
    Try {
        /// The number of instances that the Namespace is open for.
        open: u32,
    },
    /// Write the want, planned by [`write`] on each version of the account.
    Write,
    /// Wait until the want is held and the Namespace is open.
    Prepare,
    /// Make the instances that are missing.
    Make {
        /// Whether some may exist, so that they have to be listed first.
        look: bool,
    },
    /// Wait until these instances run.
    Run(Vec<InstanceName>),
    /// Print this line: the account released the cluster, so that its instances are off.
    TellOff(String),
}

/// The plan of `create cluster`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The want that is written.
    pub want: Want,
    /// The write on the version that was read.
    pub write: Write,
    /// The steps up to the write, in their order. [`Plan::after_write`] returns those that follow.
    pub steps: Vec<Step>,
    pub(crate) name: ClusterName,
    pub(crate) files: Files,
    off: PoweredOff,
    extent: Extent,
    resumed: bool,
}

impl Plan {
    /// Reports whether the cluster was not wanted before.
    pub fn is_new(&self) -> bool {
        !self.resumed
    }

    /// Returns the want that the written account has. A want that existed may be released by now.
    pub fn written(&self, account: &Account) -> Want {
        account.cluster(&self.name).want.unwrap_or_else(|| self.want.clone())
    }

    /// Plans the steps after the write, from the account that was written.
    pub fn after_write(&self, account: &Account) -> Vec<Step> {
        if self.extent.dry_run { Vec::new() } else { self.later(account) }
    }

    /// Plans the steps after the write, as if this were no dry run.
    pub(crate) fn later(&self, account: &Account) -> Vec<Step> {
        let (name, want) = (&self.name, self.written(account));
        // A cluster that was not wanted before has no instances. If one exists all the same, it is not made again.
        let mut steps = vec![Step::Prepare, Step::Make { look: self.resumed }];
        if self.extent.wait {
            steps.push(if want.released {
                Step::TellOff(format!("its instances are off: kubectl cmp resume cluster {name}"))
            } else {
                Step::Run(self.off.others(want.count).map(|index| name.instance(index)).collect())
            });
        }
        steps
    }

    /// Returns the word for the result, from the number of instances that were made, or that a dry run would make.
    pub fn word(&self, made: usize) -> &'static str {
        if self.resumed && made == 0 { "unchanged" } else { "created" }
    }
}

/// Settles the type of a wish. A named template decides it.
pub fn of_template(mut wish: Wish, template: InstanceType) -> Result<Wish, Refusal> {
    let Wish { want, typed, .. } = &mut wish;
    if want.template.is_some() {
        if *typed && want.kind != template {
            return Err(flags::other_type(want.kind, template));
        }
        if want.kind != template && template == InstanceType::Vm {
            flags::to_root_disk(want)?;
        }
        want.kind = template;
    }
    flags::image_fits(want)?;
    Ok(wish)
}

/// Adds the storage that each VM takes beside the disk of a flag. A file has the size of all of it already. The second value
/// tells the user about it.
pub fn with_room(wish: Wish, template: &Template) -> Result<(Wish, Option<String>), Refusal> {
    if wish.origin == Origin::File {
        return Ok((wish, None));
    }
    let (want, told) = room::added(&wish.name, wish.want.clone(), template)?;
    Ok((Wish { want, ..wish }, told))
}

/// Checks that a cluster can run such instances. `kubevirt` tells whether KubeVirt is installed.
pub fn can_run(kind: InstanceType, kubevirt: bool) -> Result<(), Refusal> {
    if kind == InstanceType::Container || kubevirt {
        return Ok(());
    }
    Err(Refusal::wish("--type vm: KubeVirt is not installed in this cluster")
        .hint("ask an administrator to install KubeVirt 1.7 or newer (kubevirt.io), or use --type container")
        .hint("if it was installed just now, repeat the command: the API server may serve new types only after five minutes"))
}

/// Checks that the VMs of a cluster can have root disks that stay, if it wants them. `cdi` tells whether CDI is installed.
pub fn can_keep_roots(want: &Want, cdi: bool) -> Result<(), Refusal> {
    if want.root_disk.is_none() || cdi {
        return Ok(());
    }
    Err(Refusal::wish("--disk: a root disk that stays needs CDI, which is not installed in this cluster")
        .hint("ask an administrator to install CDI (github.com/kubevirt/containerized-data-importer)")
        .hint("or use --data-disk for a second disk of each VM, which stays"))
}

/// Plans the creation of a cluster, or its continuation after an interruption.
pub fn plan(wish: &Wish, account: &Account, extent: Extent, now: Timestamp) -> Result<Plan, Refusal> {
    let Wish { name, want, off, expired_timer, .. } = wish;
    let resumed = account.cluster(name).want.is_some();
    if let Some(flag) = wish.files.missing(want).filter(|_| !resumed) {
        return Err(Refusal::wish(format!(
            "cluster {name} needs the file of {flag}, which no account and no export contains"
        ))
        .hint(format!("give the file again: kubectl cmp create cluster -f FILE {flag} FILE")));
    }
    // A cluster that is suspended as a whole needs no quota if the account's policy releases it. The quota comes back
    // when the cluster is resumed.
    let released = off.all_suspended(want.count) && account.policy.suspended == Suspended::Release;
    let want = Want { released, ..want.clone() };
    let write = write(&Wish { want: want.clone(), ..wish.clone() }, account, now)?;
    let mut steps: Vec<Step> = expired_timer.filter(|_| !resumed).map(Step::TellExpiredTimer).into_iter().collect();
    // A real run without a correction makes the instances at once.
    let tries = wish.unmade || extent.dry_run;
    let entry = write.account.cluster(name);
    steps.extend(entry.want.filter(|_| tries).and_then(|want| open_for(entry.held.as_ref()?, &want)));
    steps.push(Step::Write);
    let (name, files, off) = (name.clone(), wish.files.clone(), off.clone());
    Ok(Plan { want, write, steps, name, files, off, extent, resumed })
}

/// Returns the trial of an instance of this want, if the Namespace is open for one.
///
/// A larger instance has to wait until its Namespace is opened for it: until then the policies of cmp refuse it. For a
/// container they compare only the names of the resources.
fn open_for(held: &Held, want: &Want) -> Option<Step> {
    let fits = match want.kind {
        InstanceType::Container => want.size.names().all(|name| held.size.contains(name)),
        InstanceType::Vm => want.size.fits(&held.size),
    };
    let open = held.state == HeldState::Ready && held.kind == want.kind && (want.released || !held.released);
    (open && fits).then_some(Step::Try { open: held.count.min(want.count) })
}

/// Reports whether the wish differs from what is wanted and may correct it, if no instance exists. Only then have the
/// instances to be listed.
///
/// The type and the template stay: the Namespace was made for them.
pub fn may_correct(wish: &Wish, account: &Account, now: Timestamp) -> bool {
    account.cluster(&wish.name).want.is_some_and(|wanted| {
        let asked = as_wanted(wish, &wanted, now);
        wanted != asked
            && wanted.kind == asked.kind
            && wanted.template == asked.template
            && wanted.schedule == asked.schedule
            && wanted.kept == asked.kept
    })
}

/// Plans the write of a want on one version of the account. An equal want is no error. A different one is, unless it
/// corrects a want of which no instance exists.
///
/// While the account is not settled, cmp-webhook refuses what raises it, and the refusal passes. Therefore this verdict is
/// not final then.
pub fn write(wish: &Wish, account: &Account, now: Timestamp) -> Result<Write, Refusal> {
    let Wish { name, want, .. } = wish;
    let entry = account.cluster(name);
    if entry.delete.is_some() && entry.held.is_some() {
        return Err(goes_already(name));
    }
    let want = match &entry.want {
        Some(wanted) => {
            let asked = as_wanted(wish, wanted, now);
            if *wanted == asked {
                return Ok(Write::nothing(account));
            }
            if !wish.unmade || !may_correct(wish, account, now) {
                return Err(different(name, wanted, &asked));
            }
            asked
        }
        None => want.clone(),
    };
    let write = Write::of(account, Change::new().want(name, Some(&want)))?;
    match judge(Some(account), &write.account) {
        Err(denial) if account.is_settled() => Err(Refusal::denied(account, denial)),
        _ => Ok(write),
    }
}

/// Returns the request with the existing values of fields that do not count as a difference. Whether the cluster is
/// released is one. The schedule, the labels, the annotations, the keys and the room for snapshots are others, unless the
/// request names other ones.
fn as_wanted(wish: &Wish, wanted: &Want, now: Timestamp) -> Want {
    let asked = &wish.want;
    let schedule = match (&asked.schedule, &wanted.schedule) {
        (Some(asked), Some(wanted)) if !asked.is_equivalent(wanted, now) => Some(asked.clone()),
        (Some(asked), None) => Some(asked.clone()),
        (_, wanted) => wanted.clone(),
    };
    let or = |asked: &Pairs, wanted: &Pairs| if asked.is_empty() { wanted.clone() } else { asked.clone() };
    let labels = or(&asked.labels, &wanted.labels);
    let annotations = or(&asked.annotations, &wanted.annotations);
    let keys = if wish.any_key { wanted } else { asked };
    let (ssh_key, more_ssh_keys) = (keys.ssh_key.clone(), keys.more_ssh_keys.clone());
    let size = asked.size.clone().or_room_of(&wanted.size);
    Want { released: wanted.released, schedule, labels, annotations, ssh_key, more_ssh_keys, size, ..asked.clone() }
}

/// Builds the refusal that lists the differences between the existing want and the request.
fn different(name: &ClusterName, is: &Want, asked: &Want) -> Refusal {
    let fields = |want: &Want| match serde_json::to_value(want) {
        Ok(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (is, asked) = (fields(is), fields(asked));
    let shown = |value: Option<&Value>| match value {
        None => "not set".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => {
            serde_json::from_value(value.clone()).map_or_else(|_| value.to_string(), |size: Resources| size.to_string())
        }
    };
    let keys: BTreeSet<&String> = is.keys().chain(asked.keys()).filter(|key| is.get(*key) != asked.get(*key)).collect();
    let list: Vec<String> = keys
        .iter()
        .map(|key| format!("{key} is {}, requested is {}", shown(is.get(*key)), shown(asked.get(*key))))
        .collect();
    let refusal = Refusal::wish(format!("cluster {name} exists and is different: {}", list.join("; ")));
    let changeable = ["count", "size", "schedule", "labels", "annotations"];
    if keys.iter().any(|key| !changeable.contains(&key.as_str())) {
        return refusal.hint("delete it first, or choose another name");
    }
    let count = asked.get("count").map(ToString::to_string).unwrap_or_default();
    let hints = [
        ("count", format!("to change the number of instances: kubectl cmp scale cluster {name} --count {count}")),
        ("size", format!("to change their size: kubectl cmp resize cluster {name}")),
        ("schedule", format!("to change when it is suspended: kubectl cmp schedule cluster {name}")),
        ("labels", format!("to change its labels: kubectl cmp label cluster {name} KEY=VALUE --overwrite")),
        (
            "annotations",
            format!("to change its annotations: kubectl cmp annotate cluster {name} KEY=VALUE --overwrite"),
        ),
    ];
    let differs = |key: &str| is.get(key) != asked.get(key);
    hints.into_iter().filter(|(key, _)| differs(key)).fold(refusal, |refusal, (_, hint)| refusal.hint(hint))
}

/// Returns the instances of a cluster of `count` that do not exist yet.
pub fn missing(name: &ClusterName, count: u32, there: &BTreeSet<u32>) -> Vec<InstanceName> {
    (0..count).filter(|index| !there.contains(index)).map(|index| name.instance(index)).collect()
}

/// Returns the instances to wait for: all of these, except those that were there and are off at their user's request.
pub fn awaited(names: &[InstanceName], there: &[Instance]) -> Vec<InstanceName> {
    let off = |instance: &Instance| !instance.on || matches!(instance.asked, Some(State::Stopped | State::Suspended));
    let off: BTreeSet<&InstanceName> =
        there.iter().filter(|instance| off(instance)).map(|instance| &instance.name).collect();
    names.iter().filter(|name| !off.contains(name)).cloned().collect()
}

/// Returns the request for the suspensions of instances that are made off.
pub fn restored_suspension(by: &str, now: Timestamp) -> SuspensionRequest {
    SuspensionRequest { by: by.to_owned(), at: now, reason: Some(RESTORED.to_owned()), woken_by: None }
}

/// Returns the state of an instance that is made off, and the request for its suspension.
pub fn born(
    off: &PoweredOff,
    index: u32,
    suspension: Option<&SuspensionRequest>,
) -> Option<(State, SuspensionRequest)> {
    let state = off.state(index)?;
    Some((state, SuspensionRequest { woken_by: off.woken_by(index), ..suspension?.clone() }))
}

#[cfg(test)]
mod tests;
