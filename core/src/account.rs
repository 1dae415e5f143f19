//! What a user may have, wants and holds: one ConfigMap, read strictly.
//!
//! A value that cannot be read is an error that names its key; nothing is guessed and nothing counts as empty, or a
//! damaged entry would be a cluster that costs nothing. Keys that are not ours are left alone.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::keys::data;
use crate::name::{ClusterName, UserName};
use crate::quantity::Quantity;
use crate::resources::{Resources, STORAGE};
use crate::schedule::{Carried, Schedule};

/// What an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstanceType {
    /// A one-replica StatefulSet.
    Container,
    /// A KubeVirt VirtualMachine.
    Vm,
}

impl InstanceType {
    /// As on the command line and in labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Vm => "vm",
        }
    }
}

impl fmt::Display for InstanceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for InstanceType {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "container" => Ok(Self::Container),
            "vm" => Ok(Self::Vm),
            _ => Err(format!("{text:?} is not a type of instance: use container or vm")),
        }
    }
}

/// How many instances of which size: what a want and what is held have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// How many.
    pub count: u32,
    /// Of which size each.
    pub size: Resources,
    /// Whether they are off, and give back what only running instances need: all but their storage.
    #[serde(default, skip_serializing_if = "is_false")]
    pub released: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Shape {
    /// Nothing at all.
    pub fn nothing() -> Self {
        Self { count: 0, size: Resources::default(), released: true }
    }

    /// The larger of both, in count and in each resource of the size; released only if both are.
    #[must_use]
    pub fn max(&self, other: &Self) -> Self {
        Self {
            count: self.count.max(other.count),
            size: self.size.max(&other.size),
            released: self.released && other.released,
        }
    }

    /// Whether this is no more than the other, in count and in each resource of the size; what may run is more than
    /// what is released.
    pub fn fits(&self, within: &Self) -> bool {
        self.count <= within.count && self.size.fits(&within.size) && (self.released || !within.released)
    }

    /// What it costs: the size, or what of it is kept while it is released, as many times as there are instances.
    /// An amount below 0, which can only have been stored while nobody was asked, costs nothing; it makes nothing else
    /// cheaper. `None` if it does not fit.
    pub fn charge(&self) -> Option<Resources> {
        let charged = self.size.iter().filter(|(name, _)| !self.released || name.as_str() == STORAGE);
        charged
            .map(|(name, amount)| Some((name.clone(), amount.max(Quantity::ZERO).checked_mul(self.count)?)))
            .collect()
    }
}

/// What a user wants a cluster to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Want {
    /// What its instances are; fixed once the cluster is held.
    #[serde(rename = "type")]
    pub kind: InstanceType,
    /// How many instances.
    pub count: u32,
    /// The size of each.
    pub size: Resources,
    /// Whether its instances are to be off, and their quota given back but for storage.
    #[serde(default, skip_serializing_if = "is_false")]
    pub released: bool,
    /// The template of its instances; the built-in one of its type if it is not named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// The image of its instances; the template's if it is not named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The public key that may log in to its VMs, as a line of `authorized_keys`.
    #[serde(default, rename = "sshKey", skip_serializing_if = "Option::is_none")]
    pub ssh_key: Option<String>,
    /// What its instances run, instead of the program of the image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// What the program of the image is given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Variables of its instances; a later one may refer to an earlier one, so that the order is kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<Variable>,
    /// The ports that its instances listen on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
    /// Where the disk of each instance is mounted, which is as large as the storage of its size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<String>,
    /// What else is different from the template: a JSON Patch or a merge patch of the Pod or the VirtualMachine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<Value>,
    /// When it is suspended and resumed by itself. It costs nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
}

/// A variable of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    #[serde(default)]
    pub value: String,
}

impl Want {
    /// So many instances of such a size, as the built-in template has them.
    pub fn new(kind: InstanceType, count: u32, size: Resources) -> Self {
        Self {
            kind,
            count,
            size,
            released: false,
            template: None,
            image: None,
            ssh_key: None,
            command: Vec::new(),
            args: Vec::new(),
            env: Vec::new(),
            ports: Vec::new(),
            disk: None,
            patch: None,
            schedule: None,
        }
    }

    /// Count and size.
    pub fn shape(&self) -> Shape {
        Shape { count: self.count, size: self.size.clone(), released: self.released }
    }

    /// What is held, and nothing else.
    fn of(held: &Held) -> Self {
        let Held { kind, count, size, released, .. } = held.clone();
        Self { released, ..Self::new(kind, count, size) }
    }

    /// The same want, asking for no more and no less than what is held.
    #[must_use]
    pub fn as_held(&self, held: &Held) -> Self {
        let Held { kind, count, size, released, .. } = held.clone();
        Self { kind, count, size, released, ..self.clone() }
    }
}

/// How far a cluster is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeldState {
    /// Its Namespace and its fences are being made or raised.
    Preparing,
    /// Its instances may run.
    Ready,
    /// What was given up is not known to be gone yet.
    Releasing,
    /// Its Namespace is going.
    Deleting,
}

impl HeldState {
    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Ready => "ready",
            Self::Releasing => "releasing",
            Self::Deleting => "deleting",
        }
    }
}

/// What is held for a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// The uid of the cluster's Namespace; empty until it exists.
    pub uid: String,
    /// What its instances are.
    #[serde(rename = "type")]
    pub kind: InstanceType,
    /// How many instances.
    pub count: u32,
    /// The size of each.
    pub size: Resources,
    /// Whether nothing but storage is held: its instances may not run.
    #[serde(default, skip_serializing_if = "is_false")]
    pub released: bool,
    /// How far it is.
    pub state: HeldState,
}

impl Held {
    /// Of this shape.
    pub fn of(uid: &str, kind: InstanceType, shape: Shape, state: HeldState) -> Self {
        let Shape { count, size, released } = shape;
        Self { uid: uid.to_owned(), kind, count, size, released, state }
    }

    /// The same cluster, with another shape held for it.
    #[must_use]
    pub fn with(&self, shape: Shape, state: HeldState) -> Self {
        Self::of(&self.uid, self.kind, shape, state)
    }

    /// Count and size.
    pub fn shape(&self) -> Shape {
        Shape { count: self.count, size: self.size.clone(), released: self.released }
    }
}

/// Why a want was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// In a sentence.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// Whether what is suspended stays charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Suspended {
    /// It does: it comes back for certain.
    #[default]
    Keep,
    /// It is given back.
    Release,
}

impl fmt::Display for Suspended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Keep => "keep",
            Self::Release => "release",
        })
    }
}

/// Further rules for one user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Whether what is suspended stays charged.
    pub suspended: Suspended,
    /// At most so many clusters.
    pub clusters: u32,
    /// At most so many instances in all.
    pub instances: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self { suspended: Suspended::Keep, clusters: 100, instances: 1000 }
    }
}

/// All that an account says about one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// What its user wants.
    pub want: Option<Want>,
    /// What is held for it.
    pub held: Option<Held>,
    /// The uid of the Namespace that its user wishes to be deleted.
    pub delete: Option<String>,
    /// Why the last want was taken back.
    pub refused: Option<Refused>,
    /// What its schedule did last.
    pub scheduled: Option<Carried>,
}

impl Entry {
    /// Count and size that this cluster is charged for: the larger of want and held.
    pub fn charged(&self) -> Shape {
        let want = self.want.as_ref().map_or_else(Shape::nothing, Want::shape);
        self.held.as_ref().map_or(want.clone(), |held| want.max(&held.shape()))
    }

    /// How many instances this cluster is charged for.
    pub fn charged_count(&self) -> u32 {
        let (want, held) = (self.want.as_ref(), self.held.as_ref());
        want.map_or(0, |want| want.count).max(held.map_or(0, |held| held.count))
    }

    /// What this cluster costs its user. `None` if it does not fit.
    pub fn charge(&self) -> Option<Resources> {
        let mut charge = Resources::default();
        self.charge_to(&mut charge)?;
        Some(charge)
    }

    /// Adds to `sum` what [`charged`](Self::charged) costs, without making it: a verdict does this for every cluster of
    /// an account. `None` if it does not fit.
    pub(crate) fn charge_to(&self, sum: &mut Resources) -> Option<()> {
        let (want, held) = (self.want.as_ref(), self.held.as_ref());
        let count = self.charged_count();
        let released = want.is_none_or(|want| want.released) && held.is_none_or(|held| held.released);
        let nothing = Resources::default();
        let (want, held) = (want.map_or(&nothing, |want| &want.size), held.map_or(&nothing, |held| &held.size));
        let only_held = held.iter().filter(|(name, _)| !want.contains(name));
        for (name, amount) in want.iter().map(|(name, amount)| (name, amount.max(held.get(name)))).chain(only_held) {
            if !released || name.as_str() == STORAGE {
                sum.add(name, amount.max(Quantity::ZERO).checked_mul(count)?)?;
            }
        }
        Some(())
    }

    /// What its instances are, if there is such a cluster.
    pub fn kind(&self) -> Option<InstanceType> {
        self.want.as_ref().map(|want| want.kind).or_else(|| self.held.as_ref().map(|held| held.kind))
    }

    /// Its schedule, if anything is to come of it yet.
    pub fn schedule(&self) -> Option<&Schedule> {
        let schedule = self.want.as_ref()?.schedule.as_ref()?;
        schedule.is_live(self.scheduled.as_ref()).then_some(schedule)
    }

    /// Whether there is a cluster at all, wanted or held.
    pub fn exists(&self) -> bool {
        self.want.is_some() || self.held.is_some()
    }
}

/// One user's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Whose it is.
    pub user: UserName,
    /// The uid of the ConfigMap.
    pub uid: String,
    /// What the user may have.
    pub quota: Resources,
    /// Further rules.
    pub policy: Policy,
    /// Every cluster that is mentioned. Shared with the account that this one was made of by [`changed`](Self::changed), so
    /// that a verdict need not look at what is the same in both.
    pub clusters: BTreeMap<ClusterName, Arc<Entry>>,
    /// The uid of the ConfigMap whose Namespaces have been looked up.
    pub settled: Option<String>,
}

/// A value that is not as cmp writes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key:?} of the account is not readable: {why}")]
pub struct Unreadable {
    /// The key of the ConfigMap.
    pub key: String,
    /// What is wrong with it.
    pub why: String,
}

impl Account {
    /// Reads an account from the data of its ConfigMap.
    pub fn read(user: UserName, uid: &str, stored: &BTreeMap<String, String>) -> Result<Self, Unreadable> {
        let (account, mut damaged) = Self::read_what_can_be(user, uid, stored);
        if damaged.is_empty() { Ok(account) } else { Err(damaged.swap_remove(0)) }
    }

    /// Reads as much of an account as can be read, and says what cannot. A quota that cannot be read is none.
    pub fn read_what_can_be(
        user: UserName,
        uid: &str,
        stored: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>,
    ) -> (Self, Vec<Unreadable>) {
        let mut account = Self {
            user,
            uid: uid.to_owned(),
            quota: Resources::default(),
            policy: Policy::default(),
            clusters: BTreeMap::new(),
            settled: None,
        };
        let (mut damaged, mut has_quota) = (Vec::new(), false);
        for (key, text) in stored {
            has_quota |= key.as_ref() == data::QUOTA;
            if let Err(error) = account.set_key(key.as_ref(), text.as_ref()) {
                damaged.push(error);
            }
        }
        if !has_quota {
            damaged.insert(0, no_quota());
        }
        (account, damaged)
    }

    /// The account that this one becomes by a change of some keys, `None` for a key that goes; what does not change is
    /// not read again. `damaged` says what of this one could not be read.
    pub fn changed<'a>(
        &self,
        damaged: &[Unreadable],
        changes: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Result<Self, Unreadable> {
        let mut account = self.clone();
        let mut damaged: Vec<&Unreadable> = damaged.iter().collect();
        for (key, text) in changes {
            damaged.retain(|unreadable| unreadable.key != key);
            match text {
                Some(text) => account.set_key(key, text)?,
                None => account.remove_key(key)?,
            }
        }
        damaged.first().map_or(Ok(account), |unreadable| Err((*unreadable).clone()))
    }

    fn set_key(&mut self, key: &str, text: &str) -> Result<(), Unreadable> {
        match key {
            data::QUOTA => self.quota = json(key, text)?,
            data::POLICY => self.policy = json(key, text)?,
            data::SETTLED => self.settled = Some(text.to_owned()),
            _ => self.read_key(key, text)?,
        }
        Ok(())
    }

    fn remove_key(&mut self, key: &str) -> Result<(), Unreadable> {
        match key {
            data::QUOTA => return Err(no_quota()),
            data::POLICY => self.policy = Policy::default(),
            data::SETTLED => self.settled = None,
            _ => {
                let Some((_, cluster)) = key.split_once('.') else { return Ok(()) };
                let Ok(cluster) = cluster.parse::<ClusterName>() else { return Ok(()) };
                let Some(entry) = self.clusters.get_mut(&cluster) else { return Ok(()) };
                let entry = Arc::make_mut(entry);
                match key.strip_suffix(cluster.as_str()) {
                    Some(data::WANT) => entry.want = None,
                    Some(data::HELD) => entry.held = None,
                    Some(data::DELETE) => entry.delete = None,
                    Some(data::REFUSED) => entry.refused = None,
                    Some(data::SCHEDULED) => entry.scheduled = None,
                    _ => {}
                }
                if *entry == Entry::default() {
                    self.clusters.remove(&cluster);
                }
            }
        }
        Ok(())
    }

    fn read_key(&mut self, key: &str, text: &str) -> Result<(), Unreadable> {
        if let Some(cluster) = key.strip_prefix(data::WANT) {
            let want = json(key, text)?;
            self.entry(key, cluster)?.want = Some(want);
        } else if let Some(cluster) = key.strip_prefix(data::HELD) {
            let held = json(key, text)?;
            self.entry(key, cluster)?.held = Some(held);
        } else if let Some(cluster) = key.strip_prefix(data::DELETE) {
            self.entry(key, cluster)?.delete = Some(text.to_owned());
        } else if let Some(cluster) = key.strip_prefix(data::REFUSED) {
            let refused = json(key, text)?;
            self.entry(key, cluster)?.refused = Some(refused);
        } else if let Some(cluster) = key.strip_prefix(data::SCHEDULED) {
            let scheduled = json(key, text)?;
            self.entry(key, cluster)?.scheduled = Some(scheduled);
        }
        Ok(())
    }

    /// The change that mends what of an account cannot be read, as far as that is not an administrator's business:
    /// `None` if the quota or the policy is damaged. A cluster whose `held` is damaged is forgotten together with
    /// `settled`, so that nothing grows until it has been adopted from its Namespace; a damaged want becomes what is
    /// held, or is taken back if nothing is.
    pub fn mend(&self, damaged: &[Unreadable], now: Timestamp) -> Option<Change> {
        let mut change = Change::new();
        for Unreadable { key, why } in damaged {
            if [data::QUOTA, data::POLICY].contains(&key.as_str()) {
                return None;
            }
            if key.starts_with(data::HELD) {
                change.0.insert(data::SETTLED.to_owned(), None);
            }
            let cluster = key.strip_prefix(data::WANT).and_then(|cluster| cluster.parse::<ClusterName>().ok());
            let Some(cluster) = cluster else {
                change.0.insert(key.clone(), None);
                continue;
            };
            let as_held = self.cluster(&cluster).held.map(|held| Want::of(&held));
            let reason = format!("the want was damaged: {why}");
            change = change.want(&cluster, as_held.as_ref()).refused(&cluster, Some(&Refused { reason, at: now }));
        }
        Some(change)
    }

    fn entry(&mut self, key: &str, cluster: &str) -> Result<&mut Entry, Unreadable> {
        let cluster = cluster
            .parse::<ClusterName>()
            .map_err(|error| Unreadable { key: key.to_owned(), why: error.to_string() })?;
        Ok(Arc::make_mut(self.clusters.entry(cluster).or_default()))
    }

    /// What the account says about a cluster.
    pub fn cluster(&self, cluster: &ClusterName) -> Entry {
        self.clusters.get(cluster).map(|entry| Entry::clone(entry)).unwrap_or_default()
    }

    /// The clusters that exist, wanted or held.
    pub fn existing(&self) -> impl Iterator<Item = (&ClusterName, &Entry)> {
        self.clusters.iter().map(|(cluster, entry)| (cluster, &**entry)).filter(|(_, entry)| entry.exists())
    }

    /// The sum of all charges. `None` if it does not fit.
    pub fn charge(&self) -> Option<Resources> {
        self.clusters.values().try_fold(Resources::default(), |mut sum, entry| {
            entry.charge_to(&mut sum)?;
            Some(sum)
        })
    }

    /// How many clusters and how many instances are charged.
    pub fn counts(&self) -> (u32, u32) {
        self.existing().fold((0, 0), |(clusters, instances), (_, entry)| {
            (clusters.saturating_add(1), instances.saturating_add(entry.charged_count()))
        })
    }

    /// Whether the Namespaces of this very ConfigMap have been looked up, so that no cluster is forgotten.
    pub fn is_settled(&self) -> bool {
        self.settled.as_deref() == Some(self.uid.as_str())
    }
}

fn no_quota() -> Unreadable {
    Unreadable { key: data::QUOTA.to_owned(), why: "it is missing".to_owned() }
}

fn json<T: DeserializeOwned>(key: &str, text: &str) -> Result<T, Unreadable> {
    serde_json::from_str(text).map_err(|error| Unreadable { key: key.to_owned(), why: error.to_string() })
}

/// What a value of the account is stored as.
pub fn stored<T: Serialize>(value: &T) -> String {
    // These types have string keys and no fallible parts, so that writing them cannot fail.
    serde_json::to_string(value).unwrap_or_default()
}

/// A change of an account's data: the keys to set, and those to remove (`None`). It is also the body of the merge
/// patch that makes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change(BTreeMap<String, Option<String>>);

impl Change {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what is wanted of a cluster.
    #[must_use]
    pub fn want(self, cluster: &ClusterName, want: Option<&Want>) -> Self {
        self.set(data::WANT, cluster, want.map(stored))
    }

    /// Sets what is held for a cluster.
    #[must_use]
    pub fn held(self, cluster: &ClusterName, held: Option<&Held>) -> Self {
        self.set(data::HELD, cluster, held.map(stored))
    }

    /// Sets the wish to delete a cluster.
    #[must_use]
    pub fn delete(self, cluster: &ClusterName, uid: Option<&str>) -> Self {
        self.set(data::DELETE, cluster, uid.map(str::to_owned))
    }

    /// Sets why a want was taken back.
    #[must_use]
    pub fn refused(self, cluster: &ClusterName, refused: Option<&Refused>) -> Self {
        self.set(data::REFUSED, cluster, refused.map(stored))
    }

    /// Sets what a schedule did last.
    #[must_use]
    pub fn scheduled(self, cluster: &ClusterName, scheduled: Option<&Carried>) -> Self {
        self.set(data::SCHEDULED, cluster, scheduled.map(stored))
    }

    /// Forgets a cluster: nothing is wanted of it, and nothing held for it.
    #[must_use]
    pub fn forget(self, cluster: &ClusterName) -> Self {
        self.want(cluster, None).held(cluster, None).delete(cluster, None).scheduled(cluster, None)
    }

    /// Sets the quota.
    #[must_use]
    pub fn quota(mut self, quota: &Resources) -> Self {
        self.0.insert(data::QUOTA.to_owned(), Some(stored(quota)));
        self
    }

    /// Sets the further rules.
    #[must_use]
    pub fn policy(mut self, policy: &Policy) -> Self {
        self.0.insert(data::POLICY.to_owned(), Some(stored(policy)));
        self
    }

    /// Says that the Namespaces of this ConfigMap have been looked up.
    #[must_use]
    pub fn settled(mut self, uid: &str) -> Self {
        self.0.insert(data::SETTLED.to_owned(), Some(uid.to_owned()));
        self
    }

    fn set(mut self, prefix: &str, cluster: &ClusterName, value: Option<String>) -> Self {
        self.0.insert(format!("{prefix}{cluster}"), value);
        self
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys to set and to remove.
    pub fn entries(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_deref()))
    }

    /// Makes the change in an account that was read.
    pub fn apply(&self, account: &Account) -> Result<Account, Unreadable> {
        account.changed(&[], self.entries())
    }
}

impl Account {
    /// The data of its ConfigMap, as far as it is ours.
    pub fn data(&self) -> BTreeMap<String, String> {
        let mut change = Change::new().quota(&self.quota);
        if self.policy != Policy::default() {
            change = change.policy(&self.policy);
        }
        if let Some(settled) = &self.settled {
            change = change.settled(settled);
        }
        for (cluster, entry) in &self.clusters {
            change = change
                .want(cluster, entry.want.as_ref())
                .held(cluster, entry.held.as_ref())
                .delete(cluster, entry.delete.as_deref())
                .refused(cluster, entry.refused.as_ref())
                .scheduled(cluster, entry.scheduled.as_ref());
        }
        change.0.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests;
