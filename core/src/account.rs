//! The account of one user: a ConfigMap with the quota, the wants and the holdings, read strictly.
//!
//! A value that cannot be read is an error that names its key. Nothing is guessed and nothing counts as empty, because
//! a damaged entry would then be a cluster that costs nothing. Keys that are not ours are left alone. A value that a
//! newer version stored is not damage: [`format`](crate::format) keeps it, and this version grows nothing of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::format::{self, Kept, Wrong};
use crate::keys::data;
use crate::name::{ClusterName, TemplateName, UserName};
use crate::quantity::Quantity;
use crate::resources::{Resources, STORAGE};
use crate::schedule::{LastRun, Schedule};

/// The type of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstanceType {
    /// A StatefulSet with one replica.
    Container,
    /// A VirtualMachine of KubeVirt.
    Vm,
}

impl InstanceType {
    /// Returns the name on the command line and in labels.
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

/// The number of instances and their size, as a want and a holding both have them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// The number of instances.
    pub count: u32,
    /// The size of each instance.
    pub size: Resources,
    /// Whether the instances are off and give back all resources that only running instances need: all but storage.
    #[serde(default, skip_serializing_if = "is_false")]
    pub released: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Shape {
    /// Returns the shape that needs no resources: no instances, no size, released.
    pub fn nothing() -> Self {
        Self { count: 0, size: Resources::default(), released: true }
    }

    /// Returns the larger of both, in count and in each resource of the size. The result is released only if both are.
    #[must_use]
    pub fn max(&self, other: &Self) -> Self {
        Self {
            count: self.count.max(other.count),
            size: self.size.max(&other.size),
            released: self.released && other.released,
        }
    }

    /// Reports whether this shape is no more than `within`, in count and in each resource of the size. A shape that may
    /// run is more than a released one.
    pub fn fits(&self, within: &Self) -> bool {
        self.count <= within.count && self.size.fits(&within.size) && (self.released || !within.released)
    }

    /// Returns the charge: the size times the count. While the shape is released, only storage is charged.
    ///
    /// An amount below 0 can only have been stored while nobody was asked. It costs nothing and makes nothing else
    /// cheaper. Returns `None` if the charge does not fit.
    pub fn charge(&self) -> Option<Resources> {
        let charged = self.size.iter().filter(|(name, _)| !self.released || name.as_str() == STORAGE);
        charged
            .map(|(name, amount)| Some((name.clone(), amount.max(Quantity::ZERO).checked_mul(self.count)?)))
            .collect()
    }
}

/// The cluster that a user wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Want {
    /// The type of its instances; fixed once the cluster is held.
    #[serde(rename = "type")]
    pub kind: InstanceType,
    /// The number of instances.
    pub count: u32,
    /// The size of each instance.
    pub size: Resources,
    /// Whether its instances are to be off and their quota given back, except for storage.
    #[serde(default, skip_serializing_if = "is_false")]
    pub released: bool,
    /// The template of its instances; the built-in one of its type if none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateName>,
    /// The image of its instances; the image of the template if none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The public key that may log in to its VMs, as a line of `authorized_keys`.
    #[serde(default, rename = "sshKey", skip_serializing_if = "Option::is_none")]
    pub ssh_key: Option<String>,
    /// The command that its instances run instead of the program of the image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// The arguments of the program of the image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Environment variables of its instances. A later one may refer to an earlier one, so the order is kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<Variable>,
    /// The ports that its instances listen on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
    /// The mount path of the disk of each instance. The disk is as large as the storage of its size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<String>,
    /// Further differences from the template: a JSON Patch or a merge patch of the Pod or the VirtualMachine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<Value>,
    /// The schedule that suspends and resumes the cluster. It costs nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// The time at which the cluster is deleted automatically. This field exists in the builds by which the tests play
    /// a newer version.
    #[cfg(feature = "newer")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// Everything else in the value, which a newer version stored.
    #[serde(skip)]
    pub kept: Kept,
}

/// An environment variable of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// The name of the variable.
    pub name: String,
    /// The value of the variable; empty if the account does not name it.
    #[serde(default)]
    pub value: String,
}

impl Want {
    /// Returns a want for `count` instances of `size`, as the built-in template makes them.
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
            #[cfg(feature = "newer")]
            expires: None,
            kept: Kept::default(),
        }
    }

    /// Returns the value to store, with everything in it that a newer version put there.
    pub fn stored(&self) -> String {
        self.kept.write(stored(self))
    }

    /// Returns count, size and `released`.
    pub fn shape(&self) -> Shape {
        Shape { count: self.count, size: self.size.clone(), released: self.released }
    }

    /// Returns a want for exactly the shape and type that are held.
    fn of(held: &Held) -> Self {
        let Held { kind, count, size, released, .. } = held.clone();
        Self { released, ..Self::new(kind, count, size) }
    }

    /// Returns the same want with the shape and type that are held.
    #[must_use]
    pub fn as_held(&self, held: &Held) -> Self {
        let Held { kind, count, size, released, .. } = held.clone();
        Self { kind, count, size, released, ..self.clone() }
    }
}

/// The state of a cluster that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeldState {
    /// cmp-webhook creates or raises the Namespace and the fences.
    Preparing,
    /// The instances may run.
    Ready,
    /// Resources were given up, and they are not known to be gone yet.
    Releasing,
    /// The Namespace is being deleted.
    Deleting,
}

impl HeldState {
    /// Returns the name as it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Ready => "ready",
            Self::Releasing => "releasing",
            Self::Deleting => "deleting",
        }
    }
}

/// The holding of one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The uid of the cluster's Namespace; empty until it exists.
    pub uid: String,
    /// The type of its instances.
    #[serde(rename = "type")]
    pub kind: InstanceType,
    /// The number of instances.
    pub count: u32,
    /// The size of each instance.
    pub size: Resources,
    /// Whether only storage is held: the instances may not run.
    #[serde(default, skip_serializing_if = "is_false")]
    pub released: bool,
    /// The state of the cluster.
    pub state: HeldState,
    /// Everything else in the value, which a newer version stored.
    #[serde(skip)]
    pub kept: Kept,
}

impl Held {
    /// Returns a holding of this shape, in this state.
    pub fn of(uid: &str, kind: InstanceType, shape: Shape, state: HeldState) -> Self {
        let Shape { count, size, released } = shape;
        Self { uid: uid.to_owned(), kind, count, size, released, state, kept: Kept::default() }
    }

    /// Returns the same holding with another shape and state.
    #[must_use]
    pub fn with(&self, shape: Shape, state: HeldState) -> Self {
        let Shape { count, size, released } = shape;
        Self { count, size, released, state, ..self.clone() }
    }

    /// Returns the value to store, with everything in it that a newer version put there.
    pub fn stored(&self) -> String {
        self.kept.write(stored(self))
    }

    /// Returns count, size and `released`.
    pub fn shape(&self) -> Shape {
        Shape { count: self.count, size: self.size.clone(), released: self.released }
    }
}

/// The reason why a want was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The reason in a sentence.
    pub reason: String,
    /// The time of the refusal.
    pub at: Timestamp,
}

/// The reason why cmp-webhook cannot go on with a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocked {
    /// The reason in a sentence. It may quote others, and its length is bounded.
    pub reason: String,
    /// The time since which the cluster is blocked.
    pub at: Timestamp,
}

/// A value of a newer format. This version reads its key, and the uid if it can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opaque {
    /// The key in the ConfigMap.
    pub key: String,
    /// The reason why the value cannot be read.
    pub why: String,
    /// The value as it is stored.
    pub text: String,
    /// In `held.*`: the uid of the cluster's Namespace, if it can be read.
    pub uid: Option<String>,
}

impl fmt::Display for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.why)
    }
}

impl Opaque {
    /// Reports whether the value is a want or a holding. Its cost is unknown to this version.
    fn is_charged(&self) -> bool {
        [data::WANT, data::HELD].iter().any(|prefix| self.key.starts_with(prefix))
    }

    fn of(key: &str, why: String, text: &str) -> Self {
        #[derive(Deserialize)]
        struct Uid {
            uid: String,
        }
        let uid = serde_json::from_str::<Uid>(text).ok().map(|held| held.uid);
        Self { key: key.to_owned(), why, text: text.to_owned(), uid }
    }
}

/// Whether a suspended cluster stays charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Suspended {
    /// The cluster stays charged, so that it can always be resumed.
    #[default]
    Keep,
    /// The cluster gives its quota back.
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
#[serde(default)]
pub struct Policy {
    /// Whether a suspended cluster stays charged.
    pub suspended: Suspended,
    /// The most clusters that the user may have.
    pub clusters: u32,
    /// The most instances that the user may have in all clusters together.
    pub instances: u32,
    /// Everything else in the value, which a newer version stored.
    #[serde(skip)]
    pub kept: Kept,
}

impl Default for Policy {
    fn default() -> Self {
        Self { suspended: Suspended::Keep, clusters: 100, instances: 1000, kept: Kept::default() }
    }
}

impl Policy {
    /// Returns the value to store, with everything in it that a newer version put there.
    pub fn stored(&self) -> String {
        self.kept.write(stored(self))
    }
}

/// The keys of one cluster in an account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// The cluster that its user wants.
    pub want: Option<Want>,
    /// The holding of the cluster.
    pub held: Option<Held>,
    /// The uid of the Namespace whose deletion the user asked for.
    pub delete: Option<String>,
    /// The reason why the last want was taken back.
    pub refused: Option<Refused>,
    /// The transition that its schedule executed last.
    pub scheduled: Option<LastRun>,
    /// The reason why cmp-webhook cannot go on with the cluster.
    pub blocked: Option<Blocked>,
    /// Values of a newer format.
    pub opaque: Vec<Opaque>,
}

impl Entry {
    /// Returns the shape that this cluster is charged for: the larger of want and held.
    pub fn charged(&self) -> Shape {
        let want = self.want.as_ref().map_or_else(Shape::nothing, Want::shape);
        self.held.as_ref().map_or(want.clone(), |held| want.max(&held.shape()))
    }

    /// Returns the number of instances that this cluster is charged for.
    pub fn charged_count(&self) -> u32 {
        let (want, held) = (self.want.as_ref(), self.held.as_ref());
        want.map_or(0, |want| want.count).max(held.map_or(0, |held| held.count))
    }

    /// Returns the charge of this cluster, or `None` if it does not fit.
    pub fn charge(&self) -> Option<Resources> {
        let mut charge = Resources::default();
        self.charge_to(&mut charge)?;
        Some(charge)
    }

    /// Adds the charge of [`charged`](Self::charged) to `sum` without building that shape, because a verdict does this
    /// for every cluster of an account. Returns `None` if the sum does not fit.
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

    /// Returns the type of the instances, if the cluster is wanted or held.
    pub fn kind(&self) -> Option<InstanceType> {
        self.want.as_ref().map(|want| want.kind).or_else(|| self.held.as_ref().map(|held| held.kind))
    }

    /// Returns the schedule, if any transition of it is still to come or to be retried.
    pub fn schedule(&self) -> Option<&Schedule> {
        let schedule = self.want.as_ref()?.schedule.as_ref()?;
        schedule.is_live(self.scheduled.as_ref()).then_some(schedule)
    }

    /// Reports whether the cluster exists: it is wanted or held.
    pub fn exists(&self) -> bool {
        self.want.is_some() || self.held.is_some() || self.opaque.iter().any(Opaque::is_charged)
    }

    /// Returns the uid of the Namespace. The uid is empty while the cluster is held without a Namespace, and `None` if
    /// nothing is held.
    pub fn uid(&self) -> Option<&str> {
        let opaque = || self.opaque.iter().find(|value| value.key.starts_with(data::HELD))?.uid.as_deref();
        self.held.as_ref().map(|held| held.uid.as_str()).or_else(opaque)
    }

    /// Describes the parts of the want or the holding that a newer version stored; `None` if this version knows all of
    /// it. This version neither grows nor shrinks nor mends such a cluster. Its owner may delete it.
    pub fn newer(&self) -> Option<String> {
        if let Some(opaque) = self.opaque.first() {
            return Some(opaque.to_string());
        }
        let want = self.want.as_ref().map(|want| (data::WANT, &want.kept, &want.size));
        let held = self.held.as_ref().map(|held| (data::HELD, &held.kept, &held.size));
        want.into_iter().chain(held).find_map(|(key, kept, size)| {
            let fields = kept.newer().or_else(|| size.unknown().map(|name| format!("\"size.{name}\"")))?;
            Some(format!("{}: {}", key.trim_end_matches('.'), format::unknown(&fields)))
        })
    }
}

/// The account of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The user who owns the account.
    pub user: UserName,
    /// The uid of the ConfigMap.
    pub uid: String,
    /// The resources that the user may have.
    pub quota: Resources,
    /// Further rules for the user.
    pub policy: Policy,
    /// Every cluster that a key names. [`changed`](Self::changed) shares the entries that it leaves alone with the old
    /// account, so that a verdict does not compare them.
    pub clusters: BTreeMap<ClusterName, Arc<Entry>>,
    /// The uid of the ConfigMap whose Namespaces have been looked up.
    pub settled: Option<String>,
    /// Values of a newer format that belong to no cluster, and the format itself if it is newer.
    pub opaque: Vec<Opaque>,
}

/// A value that cmp does not write in this form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key:?} of the account is not readable: {why}")]
pub struct Unreadable {
    /// The key in the ConfigMap.
    pub key: String,
    /// The reason why the value cannot be read.
    pub why: String,
}

impl Account {
    /// Reads an account from the data of its ConfigMap. The error names the first key that cannot be read.
    pub fn read(user: UserName, uid: &str, stored: &BTreeMap<String, String>) -> Result<Self, Unreadable> {
        let (account, mut damaged) = Self::read_what_can_be(user, uid, stored);
        if damaged.is_empty() { Ok(account) } else { Err(damaged.swap_remove(0)) }
    }

    /// Reads as much of an account as can be read, and returns the keys that cannot be. A quota that cannot be read
    /// counts as no quota.
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
            opaque: Vec::new(),
        };
        let (mut damaged, mut has_quota) = (Vec::new(), false);
        for (key, text) in stored {
            let (key, text) = (key.as_ref(), text.as_ref());
            has_quota |= key == data::QUOTA;
            match account.set_key(key, text) {
                Ok(()) => {}
                Err(Wrong::Malformed(why)) => damaged.push(Unreadable { key: key.to_owned(), why }),
                Err(Wrong::Newer(why)) => {
                    if let Err(error) = account.leave(Opaque::of(key, why, text)) {
                        damaged.push(error);
                    }
                }
            }
        }
        if !has_quota {
            damaged.insert(0, no_quota());
        }
        (account, damaged)
    }

    /// Returns the account after a change of some keys. `None` removes a key. Keys that do not change are not read
    /// again. `damaged` lists the keys of this account that could not be read.
    pub fn changed<'a>(
        &self,
        damaged: &[Unreadable],
        changes: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Result<Self, Unreadable> {
        let mut account = self.clone();
        // A set: searching a list for each change would cost the square of its length.
        let mut still: BTreeSet<&str> = damaged.iter().map(|unreadable| unreadable.key.as_str()).collect();
        for (key, text) in changes {
            still.remove(key);
            account.know(key);
            match text {
                Some(text) => account.set_key(key, text).map_err(|wrong| unreadable(key, wrong))?,
                None => account.remove_key(key)?,
            }
        }
        let first = damaged.iter().find(|unreadable| still.contains(unreadable.key.as_str()));
        first.map_or(Ok(account), |unreadable| Err(unreadable.clone()))
    }

    fn set_key(&mut self, key: &str, text: &str) -> Result<(), Wrong> {
        match key {
            data::QUOTA => self.quota = whole(text)?,
            data::POLICY => {
                let (policy, kept) = format::read(text)?;
                self.policy = Policy { kept, ..policy };
            }
            data::SETTLED => self.settled = Some(text.to_owned()),
            data::FORMAT => format::beyond(text).map_or(Ok(()), |why| Err(Wrong::Newer(why)))?,
            _ => self.read_key(key, text)?,
        }
        Ok(())
    }

    /// Stores a value of a newer format as opaque.
    fn leave(&mut self, opaque: Opaque) -> Result<(), Unreadable> {
        match opaque.key.split_once('.') {
            None => self.opaque.push(opaque),
            Some((_, cluster)) => {
                let cluster = cluster_named(cluster).map_err(|wrong| unreadable(&opaque.key, wrong))?;
                self.entry(cluster).opaque.push(opaque);
            }
        }
        Ok(())
    }

    /// Drops the opaque value of a key.
    fn know(&mut self, key: &str) {
        self.opaque.retain(|opaque| opaque.key != key);
        let cluster = key.split_once('.').and_then(|(_, cluster)| cluster.parse::<ClusterName>().ok());
        if let Some(entry) = cluster.and_then(|cluster| self.clusters.get_mut(&cluster))
            && entry.opaque.iter().any(|opaque| opaque.key == key)
        {
            Arc::make_mut(entry).opaque.retain(|opaque| opaque.key != key);
        }
    }

    fn remove_key(&mut self, key: &str) -> Result<(), Unreadable> {
        match key {
            data::QUOTA => return Err(no_quota()),
            data::POLICY => self.policy = Policy::default(),
            data::SETTLED => self.settled = None,
            data::FORMAT => {}
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
                    Some(data::BLOCKED) => entry.blocked = None,
                    _ => {}
                }
                if *entry == Entry::default() {
                    self.clusters.remove(&cluster);
                }
            }
        }
        Ok(())
    }

    fn read_key(&mut self, key: &str, text: &str) -> Result<(), Wrong> {
        if let Some(cluster) = key.strip_prefix(data::WANT) {
            let (cluster, (want, kept)) = (cluster_named(cluster)?, format::read(text)?);
            self.entry(cluster).want = Some(Want { kept, ..want });
        } else if let Some(cluster) = key.strip_prefix(data::HELD) {
            let (cluster, (held, kept)) = (cluster_named(cluster)?, format::read(text)?);
            self.entry(cluster).held = Some(Held { kept, ..held });
        } else if let Some(cluster) = key.strip_prefix(data::DELETE) {
            self.entry(cluster_named(cluster)?).delete = Some(text.to_owned());
        } else if let Some(cluster) = key.strip_prefix(data::REFUSED) {
            let (cluster, (refused, _)) = (cluster_named(cluster)?, format::read(text)?);
            self.entry(cluster).refused = Some(refused);
        } else if let Some(cluster) = key.strip_prefix(data::SCHEDULED) {
            let (cluster, (scheduled, kept)) = (cluster_named(cluster)?, format::read(text)?);
            let entry = self.entry(cluster);
            entry.scheduled = Some(scheduled);
            // The next transition rewrites this value, and unknown fields would be lost.
            entry.opaque.extend(kept.newer().map(|fields| Opaque::of(key, format::unknown(&fields), text)));
        } else if let Some(cluster) = key.strip_prefix(data::BLOCKED) {
            let (cluster, (blocked, _)) = (cluster_named(cluster)?, format::read(text)?);
            self.entry(cluster).blocked = Some(blocked);
        }
        Ok(())
    }

    /// Returns the change that mends the damaged keys of an account. Returns `None` if the quota or the policy is
    /// damaged or of a newer version, because only an administrator may mend those.
    ///
    /// A cluster whose `held` is damaged is forgotten together with `settled`. Nothing grows until it has been adopted
    /// from its Namespace. A damaged want becomes the holding, or is taken back if nothing is held.
    pub fn mend(&self, damaged: &[Unreadable], now: Timestamp) -> Option<Change> {
        let mut change = Change::new();
        if self.newer().is_some() {
            return None;
        }
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

    fn entry(&mut self, cluster: ClusterName) -> &mut Entry {
        Arc::make_mut(self.clusters.entry(cluster).or_default())
    }

    /// Describes the parts of the account, besides its clusters, that a newer version stored. Returns `None` if this
    /// version knows all of them. This version grows nothing of such an account.
    pub fn newer(&self) -> Option<String> {
        if let Some(opaque) = self.opaque.first() {
            return Some(opaque.to_string());
        }
        self.policy.kept.newer().map(|fields| format!("{}: {}", data::POLICY, format::unknown(&fields)))
    }

    /// Describes the first value whose charge this version cannot tell.
    pub fn uncounted(&self) -> Option<String> {
        let opaque = self.clusters.values().flat_map(|entry| &entry.opaque);
        opaque.filter(|opaque| opaque.is_charged()).map(ToString::to_string).next()
    }

    /// Returns the entry of a cluster; an empty one if no key names it.
    pub fn cluster(&self, cluster: &ClusterName) -> Entry {
        self.clusters.get(cluster).map(|entry| Entry::clone(entry)).unwrap_or_default()
    }

    /// Iterates over the clusters that are wanted or held.
    pub fn existing(&self) -> impl Iterator<Item = (&ClusterName, &Entry)> {
        self.clusters.iter().map(|(cluster, entry)| (cluster, &**entry)).filter(|(_, entry)| entry.exists())
    }

    /// Returns the sum of all charges, or `None` if it does not fit.
    pub fn charge(&self) -> Option<Resources> {
        self.clusters.values().try_fold(Resources::default(), |mut sum, entry| {
            entry.charge_to(&mut sum)?;
            Some(sum)
        })
    }

    /// Returns the number of clusters and the number of instances that are charged.
    pub fn counts(&self) -> (u32, u32) {
        self.existing().fold((0, 0), |(clusters, instances), (_, entry)| {
            (clusters.saturating_add(1), instances.saturating_add(entry.charged_count()))
        })
    }

    /// Reports whether the Namespaces of this ConfigMap have been looked up, so that no cluster is forgotten.
    pub fn is_settled(&self) -> bool {
        self.settled.as_deref() == Some(self.uid.as_str())
    }
}

fn no_quota() -> Unreadable {
    Unreadable { key: data::QUOTA.to_owned(), why: "it is missing".to_owned() }
}

fn unreadable(key: &str, wrong: Wrong) -> Unreadable {
    let why = match wrong {
        Wrong::Malformed(why) => why,
        Wrong::Newer(why) => format!("{why}: upgrade cmp-webhook and kubectl-cmp"),
    };
    Unreadable { key: key.to_owned(), why }
}

fn cluster_named(name: &str) -> Result<ClusterName, Wrong> {
    name.parse().map_err(|error: crate::name::InvalidName| Wrong::Malformed(error.to_string()))
}

/// Reads a value without a format: all its fields are data.
fn whole<T: DeserializeOwned>(text: &str) -> Result<T, Wrong> {
    serde_json::from_str(text).map_err(|error| Wrong::Malformed(error.to_string()))
}

/// Returns the JSON text that stores a value of the account.
pub fn stored<T: Serialize>(value: &T) -> String {
    // Writing cannot fail: these types have string keys and no fallible parts.
    serde_json::to_string(value).unwrap_or_default()
}

/// A change of an account's data: the keys to set, and the keys to remove (`None`). A merge patch with the same keys
/// makes the change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change(BTreeMap<String, Option<String>>);

impl Change {
    /// Returns a change that sets and removes no key.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets or removes the want of a cluster.
    #[must_use]
    pub fn want(self, cluster: &ClusterName, want: Option<&Want>) -> Self {
        self.set(data::WANT, cluster, want.map(Want::stored))
    }

    /// Sets or removes the holding of a cluster.
    #[must_use]
    pub fn held(self, cluster: &ClusterName, held: Option<&Held>) -> Self {
        self.set(data::HELD, cluster, held.map(Held::stored))
    }

    /// Sets or removes the wish to delete a cluster.
    #[must_use]
    pub fn delete(self, cluster: &ClusterName, uid: Option<&str>) -> Self {
        self.set(data::DELETE, cluster, uid.map(str::to_owned))
    }

    /// Sets or removes the reason why a want was taken back.
    #[must_use]
    pub fn refused(self, cluster: &ClusterName, refused: Option<&Refused>) -> Self {
        self.set(data::REFUSED, cluster, refused.map(stored))
    }

    /// Sets or removes the transition that a schedule executed last.
    #[must_use]
    pub fn scheduled(self, cluster: &ClusterName, scheduled: Option<&LastRun>) -> Self {
        self.set(data::SCHEDULED, cluster, scheduled.map(stored))
    }

    /// Sets or removes the reason why cmp-webhook cannot go on with a cluster.
    #[must_use]
    pub fn blocked(self, cluster: &ClusterName, blocked: Option<&Blocked>) -> Self {
        self.set(data::BLOCKED, cluster, blocked.map(stored))
    }

    /// Removes every key of a cluster.
    #[must_use]
    pub fn forget(self, cluster: &ClusterName) -> Self {
        data::OF_A_CLUSTER.into_iter().fold(self, |change, prefix| change.set(prefix, cluster, None))
    }

    /// Sets the quota of the user.
    #[must_use]
    pub fn quota(mut self, quota: &Resources) -> Self {
        self.0.insert(data::QUOTA.to_owned(), Some(stored(quota)));
        self
    }

    /// Sets the further rules of the user.
    #[must_use]
    pub fn policy(mut self, policy: &Policy) -> Self {
        self.0.insert(data::POLICY.to_owned(), Some(policy.stored()));
        self
    }

    /// Records that the Namespaces of this ConfigMap have been looked up.
    #[must_use]
    pub fn settled(mut self, uid: &str) -> Self {
        self.0.insert(data::SETTLED.to_owned(), Some(uid.to_owned()));
        self
    }

    fn set(mut self, prefix: &str, cluster: &ClusterName, value: Option<String>) -> Self {
        self.0.insert(format!("{prefix}{cluster}"), value);
        self
    }

    /// Reports whether the change has no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Iterates over the keys to set and to remove.
    pub fn entries(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_deref()))
    }

    /// Returns the account that was read with the change applied.
    pub fn apply(&self, account: &Account) -> Result<Account, Unreadable> {
        account.changed(&[], self.entries())
    }
}

impl Account {
    /// Returns the data of the ConfigMap, without the keys that are not ours.
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
                .scheduled(cluster, entry.scheduled.as_ref())
                .blocked(cluster, entry.blocked.as_ref());
        }
        for Opaque { key, text, .. } in self.opaque.iter().chain(self.clusters.values().flat_map(|entry| &entry.opaque))
        {
            change.0.insert(key.clone(), Some(text.clone()));
        }
        change.0.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests;
