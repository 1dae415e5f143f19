//! The verdict on a change of an account: the whole quota check, as one function of two values.
//!
//! The verdict has no state, reads no clock and looks at nothing else. The API server asks about exactly the pair that
//! it is about to store. Any number of API servers and replicas that answer are therefore exact together.

use std::fmt;
use std::sync::Arc;

use crate::account::diff::{AccountPair, LongerWant};
use crate::account::{Account, Entry, Held, HeldState, Want};
use crate::data_disk;
use crate::first_boot::is_digest;
use crate::format;
use crate::labels;
use crate::merge_join::merge_join;
use crate::name::{ClusterName, MAX_COUNT, UserName};
use crate::quantity::Quantity;
use crate::resources::{CPU, MEMORY, Resources, SNAPSHOT_STORAGE, STORAGE};
use crate::root_disk;
use crate::schedule;
use crate::vocabulary::InstanceType;

mod snapshots;

/// The most processors of a VM; QEMU has no machine with more.
const MAX_CORES: u32 = 1024;

/// The most devices of one resource in a VM: each of them is an entry in its machine.
const MAX_DEVICES: u32 = 64;

/// The longest name of an image, in bytes; no registry accepts longer names.
const LONGEST_TEXT: usize = 1024;

/// The longest want in the account, in bytes.
const LONGEST_WANT: usize = 8192;

/// The longest want in a review, in bytes. In a review every quote is escaped, and `<`, `>` and `&` take six bytes
/// each.
const LONGEST_IN_REVIEW: usize = 2 * LONGEST_WANT;

/// The reason of [`Denial::OverQuota`].
pub const OVER_QUOTA: &str = "OverQuota";
/// The reason of [`Denial::NotSettled`].
pub const NOT_SETTLED: &str = "NotSettled";

/// The reason why a change of an account is refused. Its text is shown to the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// The change exceeds the quota. Only the exceeded resources are listed.
    #[error("exceeded quota: {user}, requested: {requested}, used: {used}, limited: {limited}")]
    OverQuota {
        /// The user whose quota is exceeded.
        user: UserName,
        /// The amounts that the change adds.
        requested: Amounts,
        /// The amounts that are charged now.
        used: Amounts,
        /// The quota of these resources.
        limited: Amounts,
    },
    /// The want names a resource that the quota does not name.
    #[error(
        "{resource} is not in the quota of {user}, which names {named}: leave it out, or ask an administrator for it"
    )]
    NotInQuota {
        /// The user whose quota it is.
        user: UserName,
        /// The resource asked for.
        resource: String,
        /// The resources that the quota names.
        named: String,
    },
    /// The want cannot be a cluster.
    #[error("want.{cluster}: {field} {why}")]
    Invalid {
        /// The name of the cluster.
        cluster: ClusterName,
        /// The field and its value.
        field: String,
        /// The error, and the remedy.
        why: String,
    },
    /// The type of a cluster is fixed.
    #[error("cluster {cluster} is of type {held}, which cannot be changed: delete it and create it anew")]
    TypeIsFixed {
        /// The name of the cluster.
        cluster: ClusterName,
        /// The type that is held.
        held: InstanceType,
    },
    /// A cluster that is being deleted cannot change.
    #[error("cluster {cluster} is being deleted: wait until it is gone, then create it anew")]
    BeingDeleted {
        /// The name of the cluster.
        cluster: ClusterName,
    },
    /// The account was made anew, and its Namespaces have not been looked up.
    #[error(
        "the account of {user} is not settled yet: nothing can be created or grown until its clusters have been looked up; try again in a few seconds"
    )]
    NotSettled {
        /// The user of the account.
        user: UserName,
    },
    /// A newer version stored a value that this one cannot judge.
    #[error("{what}: upgrade cmp-webhook and kubectl-cmp, then try again")]
    Newer {
        /// The key and its unknown part.
        what: String,
    },
    /// The quota names something that is not a resource.
    #[error(
        "quota: {resource} is not a resource that can be handed out: use cpu, memory, storage, or one with its domain, such as nvidia.com/gpu; or upgrade cmp-webhook, if a newer version knows it"
    )]
    UnknownResource {
        /// The name in the quota.
        resource: String,
    },
}

impl Denial {
    /// Returns the reason in one word, for metrics, logs, and the first cause in the details of a refusal.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::OverQuota { .. } => OVER_QUOTA,
            Self::NotInQuota { .. } => "NotInQuota",
            Self::Invalid { .. } => "Invalid",
            Self::TypeIsFixed { .. } => "TypeIsFixed",
            Self::BeingDeleted { .. } => "BeingDeleted",
            Self::NotSettled { .. } => NOT_SETTLED,
            Self::Newer { .. } => "Newer",
            Self::UnknownResource { .. } => "UnknownResource",
        }
    }

    /// Reports whether the change exceeds the quota of this resource.
    pub fn exceeds(&self, resource: &str) -> bool {
        matches!(self, Self::OverQuota { requested, .. } if requested.names().any(|name| name == resource))
    }
}

/// Amounts as a refusal lists them. `clusters` and `instances` are listed beside the resources.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Amounts(Vec<(String, String)>);

impl Amounts {
    /// Iterates over the names in the list.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    fn push(&mut self, name: &str, amount: impl fmt::Display) {
        self.0.push((name.to_owned(), amount.to_string()));
    }
}

impl fmt::Display for Amounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list: Vec<String> = self.0.iter().map(|(name, amount)| format!("{name}={amount}")).collect();
        f.pad(&list.join(","))
    }
}

/// Judges the change from `old` to `new`. `old` is `None` for an account that is created, or for one that is mended
/// because its old value cannot be read. Then everything in `new` counts as added.
pub fn judge(old: Option<&Account>, new: &Account) -> Result<(), Denial> {
    let nothing = Entry::default();
    if let Some(resource) = new.quota.unknown().filter(|name| old.is_none_or(|old| !old.quota.contains(name))) {
        return Err(Denial::UnknownResource { resource: resource.to_string() });
    }
    for (cluster, before, after) in clusters(old, new).filter(|(_, before, after)| !is_shared(*before, *after)) {
        let Some(entry) = after else { continue };
        let before = before.map_or(&nothing, |before| before);
        if let Some(want) = &entry.want
            && entry.want != before.want
        {
            judge_want(new, cluster, want, entry, before)?;
            judge_newer(cluster, want, entry, before)?;
            // Such a want may still be mended or taken back, so that it equals what is held.
            let as_held = entry.held.as_ref().is_some_and(|held| held.shape() == want.shape());
            let is_going = |held: &Held| before.delete.is_some() || held.state == HeldState::Deleting;
            if before.held.as_ref().is_some_and(is_going) && !as_held {
                return Err(Denial::BeingDeleted { cluster: cluster.clone() });
            }
        }
        if !new.is_settled() && !entry.charged().fits(&before.charged()) {
            return Err(Denial::NotSettled { user: new.user.clone() });
        }
    }
    judge_quota(old, new)
}

/// Refuses fields that this version cannot judge, and growth of a cluster that this version does not know completely.
fn judge_newer(cluster: &ClusterName, want: &Want, entry: &Entry, before: &Entry) -> Result<(), Denial> {
    let same = before.want.as_ref().is_some_and(|before| before.has_same_newer(want));
    if let Some(fields) = want.newer().filter(|_| !same) {
        return Err(Denial::Newer { what: format!("want.{cluster}: {}", format::unknown(&fields)) });
    }
    match entry.newer().or_else(|| before.newer()) {
        Some(what) if !entry.charged().fits(&before.charged()) => {
            Err(Denial::Newer { what: format!("cluster {cluster} cannot grow: {what}") })
        }
        _ => Ok(()),
    }
}

/// Judges the change that a review asks about, and the lengths of its wants in that review.
pub fn judge_pair(pair: &AccountPair) -> Result<(), Denial> {
    judge(pair.before.as_ref(), &pair.after)?;
    pair.longer.iter().try_for_each(judge_length)
}

/// Judges the length of a want as the API server writes it into a review. Reviews have to stay readable whatever is in
/// an account. A want that does not get longer is never refused.
fn judge_length(want: &LongerWant) -> Result<(), Denial> {
    if want.after <= LONGEST_IN_REVIEW {
        return Ok(());
    }
    Err(Denial::Invalid {
        cluster: want.cluster.clone(),
        field: format!("takes {} bytes in a review,", want.after),
        why: "the maximum is 16384, and each <, > and & takes 6: move long values into a template, or into a \
              ConfigMap in the cluster's namespace"
            .to_owned(),
    })
}

/// Checks whether such a cluster can exist at all.
fn judge_want(
    account: &Account,
    cluster: &ClusterName,
    want: &Want,
    entry: &Entry,
    before: &Entry,
) -> Result<(), Denial> {
    let invalid =
        |field: String, why: &str| Err(Denial::Invalid { cluster: cluster.clone(), field, why: why.to_owned() });
    if let Some(held) = &entry.held
        && held.kind != want.kind
    {
        return Err(Denial::TypeIsFixed { cluster: cluster.clone(), held: held.kind });
    }
    if want.count == 0 {
        return invalid("count 0".to_owned(), "is below 1: use 1 or more, or suspend or delete the cluster");
    }
    if want.count > MAX_COUNT {
        return invalid(format!("count {}", want.count), "is more than the 1000 instances that a cluster can have");
    }
    // The account must have room for every cluster, or the holding could not be written into it.
    if let Some(image) = &want.image {
        if image.len() > LONGEST_TEXT {
            return invalid("image".to_owned(), "is longer than 1024 characters");
        }
        if image.is_empty() || image.chars().any(|char| char.is_whitespace() || char.is_control()) {
            return invalid(
                format!("image {image:?}"),
                "is not a reference of an image: it is empty, or contains a space",
            );
        }
    }
    // A want that was stored while nobody was asked may be longer. It may still be made smaller or taken back.
    let length = want.stored().len();
    if length > LONGEST_WANT && before.want.as_ref().is_none_or(|was| length > was.stored().len()) {
        return invalid(
            format!("takes {length} bytes,"),
            "the maximum is 8192: move long values into a template, or into a ConfigMap in the cluster's namespace",
        );
    }
    for required in [CPU, MEMORY] {
        if want.size.named(required).is_none() {
            return invalid(format!("size.{required}"), "is missing: set the amount for one instance");
        }
    }
    let charged = before.charged();
    for (name, amount) in want.size.iter() {
        let field = format!("size.{name} {amount}");
        if !name.is_known() && !charged.size.contains(name) {
            return invalid(field, "is not a resource: use cpu, memory, storage, or one with its domain");
        }
        if amount.is_zero() || amount.is_negative() {
            return invalid(field, "must be above 0");
        }
        match name.as_str() {
            CPU if want.kind == InstanceType::Vm && amount.as_whole().is_none_or(|cores| cores > MAX_CORES) => {
                return invalid(field, "must be a whole number of processors for a VM, and at most 1024");
            }
            _ if want.kind == InstanceType::Vm && name.is_extended() && amount > Quantity::whole(MAX_DEVICES) => {
                return invalid(field, "is more than the 64 devices of one resource that a VM can have");
            }
            other
                if want.kind == InstanceType::Vm
                    && ![CPU, MEMORY, STORAGE, SNAPSHOT_STORAGE].contains(&other)
                    && !name.is_extended() =>
            {
                return invalid(field, "is not allowed for VMs: leave it out, or use type container");
            }
            SNAPSHOT_STORAGE if want.kind == InstanceType::Container => {
                return invalid(field, "is for the snapshots of VMs: leave it out, or use type vm");
            }
            CPU if !amount.is_multiple_of(Quantity::milli(1)) => {
                return invalid(field, "must be a multiple of 1m, a thousandth of a CPU");
            }
            MEMORY if amount < Quantity::mebibytes(1) => {
                return invalid(field, "is below 1Mi: memory is counted in bytes, did you mean Mi or Gi?");
            }
            CPU => {}
            _ if !amount.is_multiple_of(Quantity::whole(1)) => return invalid(field, "must be a whole number"),
            _ => {}
        }
        // A resource that was later taken out of the quota may still be given back in parts.
        if !account.quota.contains(name) && !charged.size.contains(name) {
            let named: Vec<&str> = account.quota.names().map(crate::resources::ResourceName::as_str).collect();
            return Err(Denial::NotInQuota {
                user: account.user.clone(),
                resource: name.to_string(),
                named: if named.is_empty() { "nothing".to_owned() } else { named.join(", ") },
            });
        }
    }
    for (at, key) in want.ssh_keys().enumerate() {
        if want.kind != InstanceType::Vm || key.len() > 8192 || key.chars().any(|char| char.is_ascii_control()) {
            let field = at.checked_sub(1).map_or_else(|| "sshKey".to_owned(), |at| format!("moreSshKeys[{at}]"));
            return invalid(field, "must be one line of authorized_keys, and is for type vm");
        }
    }
    if want.ssh_key.is_none() && !want.more_ssh_keys.is_empty() {
        return invalid("moreSshKeys".to_owned(), "needs sshKey: the first key belongs there");
    }
    for (field, digest) in [("cloudInit", &want.cloud_init), ("sysprep", &want.sysprep)] {
        if digest.as_ref().is_some_and(|digest| want.kind != InstanceType::Vm || !is_digest(digest)) {
            return invalid(field.to_owned(), "must be the digest of a file (sha256:...), and is for type vm");
        }
    }
    for (field, given) in [
        ("command", !want.command.is_empty()),
        ("args", !want.args.is_empty()),
        ("env", !want.env.is_empty()),
        ("ports", !want.ports.is_empty()),
        ("disk", want.disk.is_some()),
    ] {
        if given && want.kind == InstanceType::Vm {
            return invalid(field.to_owned(), "is for containers: leave it out, or use type container");
        }
    }
    for (field, path) in [("disk", &want.disk), ("dataDisk", &want.data_disk), ("rootDisk", &want.root_disk)] {
        if path.is_some() && want.size.named(STORAGE).is_none() {
            return invalid(field.to_owned(), "needs storage in the size: set size.storage to the size of the disk");
        }
    }
    if let Some(path) = &want.data_disk {
        if want.kind != InstanceType::Vm {
            return invalid("dataDisk".to_owned(), "is for VMs: leave it out, or use type vm");
        }
        if !data_disk::is_mount_path(path) {
            return invalid(
                format!("dataDisk {path:?}"),
                "is not a mount path: use a path of letters, digits and \"-_./\", such as /data",
            );
        }
    }
    if let Err((field, why)) = root_disk::judge(want) {
        return invalid(field, &why);
    }
    if let Some(why) = snapshots::wrong(want, entry.held.as_ref().map(|held| &held.size)) {
        return invalid(format!("size.{SNAPSHOT_STORAGE}"), why);
    }
    if want.patch.as_ref().is_some_and(|patch| !patch.is_array() && !patch.is_object()) {
        return invalid("patch".to_owned(), "must be a list (JSON Patch) or an object (merge patch)");
    }
    if let Some(schedule) = &want.schedule
        && let Err(schedule::Invalid { field, why }) = schedule.check(want.kind)
    {
        return invalid(format!("schedule{field}"), &why);
    }
    if let Err(labels::Invalid { field, why }) = labels::judge(before.want.as_ref(), want) {
        return invalid(field, &why);
    }
    if want.shape().charge().is_none() {
        return invalid(format!("count {} of {}", want.count, want.size), "is more than can be counted");
    }
    Ok(())
}

/// Iterates over the clusters of both accounts, side by side.
fn clusters<'a>(
    old: Option<&'a Account>,
    new: &'a Account,
) -> impl Iterator<Item = (&'a ClusterName, Option<&'a Arc<Entry>>, Option<&'a Arc<Entry>>)> {
    merge_join(old.into_iter().flat_map(|old| &old.clusters), &new.clusters)
}

/// Reports whether both entries are the same object, without comparing their content.
fn is_shared(before: Option<&Arc<Entry>>, after: Option<&Arc<Entry>>) -> bool {
    matches!((before, after), (Some(before), Some(after)) if Arc::ptr_eq(before, after))
}

/// The charge of an account, with the number of its clusters and instances.
#[derive(Clone, Default)]
struct Sum {
    charge: Resources,
    clusters: u32,
    instances: u32,
}

impl Sum {
    /// Adds a cluster. Returns `None` if the sum does not fit.
    fn add(&mut self, entry: &Entry) -> Option<()> {
        if entry.exists() {
            self.clusters = self.clusters.saturating_add(1);
            self.instances = self.instances.saturating_add(entry.charged_count());
        }
        entry.charge_to(&mut self.charge)
    }
}

/// Returns the sums of the old account and of the new one. Shared entries are added up once. Returns `None` if a sum
/// does not fit.
fn sums(old: Option<&Account>, new: &Account) -> Option<(Sum, Sum)> {
    let mut before = Sum::default();
    let mut differing = Vec::new();
    for (_, was, is) in clusters(old, new) {
        match is.filter(|_| is_shared(was, is)) {
            Some(entry) => before.add(entry)?,
            None => differing.push((was, is)),
        }
    }
    let mut after = before.clone();
    for (was, is) in differing {
        was.map_or(Some(()), |entry| before.add(entry))?;
        is.map_or(Some(()), |entry| after.add(entry))?;
    }
    Some((before, after))
}

/// Refuses a change that raises a sum above both the quota and its old value.
fn judge_quota(old: Option<&Account>, new: &Account) -> Result<(), Denial> {
    let too_much = || Denial::OverQuota {
        user: new.user.clone(),
        requested: Amounts(vec![("cpu,memory".to_owned(), "more than can be counted".to_owned())]),
        used: Amounts::default(),
        limited: Amounts::default(),
    };
    let (before, after) = sums(old, new).ok_or_else(too_much)?;
    let grows =
        !after.charge.fits(&before.charge) || after.clusters > before.clusters || after.instances > before.instances;
    if let Some(what) = new.newer().or_else(|| new.uncounted()).filter(|_| grows) {
        return Err(Denial::Newer { what: format!("the clusters of {} cannot grow: {what}", new.user) });
    }
    let (mut requested, mut used, mut limited) = (Amounts::default(), Amounts::default(), Amounts::default());
    for (name, amount) in after.charge.iter() {
        let (was, limit) = (before.charge.get(name), new.quota.get(name));
        if amount > was && amount > limit {
            requested.push(name.as_str(), amount.checked_sub(was).ok_or_else(too_much)?);
            used.push(name.as_str(), was);
            limited.push(name.as_str(), limit);
        }
    }
    for (name, was, count, limit) in [
        ("clusters", before.clusters, after.clusters, new.policy.clusters),
        ("instances", before.instances, after.instances, new.policy.instances),
    ] {
        if count > was && count > limit {
            requested.push(name, count - was);
            used.push(name, was);
            limited.push(name, limit);
        }
    }
    if requested.0.is_empty() {
        Ok(())
    } else {
        Err(Denial::OverQuota { user: new.user.clone(), requested, used, limited })
    }
}

/// Judges again the growth of one cluster beyond its holding, because its want may have been stored while nobody was
/// asked.
pub fn judge_again(account: &Account, cluster: &ClusterName) -> Result<(), Denial> {
    let mut before = account.clone();
    if let Some(entry) = before.clusters.get_mut(cluster).map(Arc::make_mut) {
        // The holding is charged in any case, so only the want is in question.
        entry.want = match (&entry.want, &entry.held) {
            (Some(want), Some(held)) => Some(want.as_held(held)),
            _ => None,
        };
        entry.delete = None;
    }
    judge(Some(&before), account)
}

/// Returns the amounts that a user could still add: the quota minus the charges. An amount is below 0 if the quota was
/// lowered below the charge.
pub fn available(account: &Account) -> Option<Resources> {
    let used = account.charge()?;
    account.quota.iter().map(|(name, limit)| Some((name.clone(), limit.checked_sub(used.get(name))?))).collect()
}

#[cfg(test)]
mod tests;
