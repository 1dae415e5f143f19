//! One ConfigMap that says what a user may have, wants and holds, read strictly.
//!
//! A value that cannot be read is an error that names its key; nothing is guessed and nothing counts as empty, or a
//! damaged entry would be a cluster that costs nothing. Keys that are not ours are left alone. A value that a newer
//! version stored is no damage: [`format`](crate::format) keeps it, and nothing of it grows.

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
    pub template: Option<TemplateName>,
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
    /// When the cluster is deleted by itself. A field of the builds by which the tests play a newer version.
    #[cfg(feature = "newer")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// Everything else in the value, which a newer version stored.
    #[serde(skip)]
    pub kept: Kept,
}

/// A variable of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
            #[cfg(feature = "newer")]
            expires: None,
            kept: Kept::default(),
        }
    }

    /// The value to store, with everything in it that a newer version put there.
    pub fn stored(&self) -> String {
        self.kept.write(stored(self))
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
    /// Everything else in the value, which a newer version stored.
    #[serde(skip)]
    pub kept: Kept,
}

impl Held {
    /// Of this shape.
    pub fn of(uid: &str, kind: InstanceType, shape: Shape, state: HeldState) -> Self {
        let Shape { count, size, released } = shape;
        Self { uid: uid.to_owned(), kind, count, size, released, state, kept: Kept::default() }
    }

    /// The same cluster, with another shape held for it.
    #[must_use]
    pub fn with(&self, shape: Shape, state: HeldState) -> Self {
        let Shape { count, size, released } = shape;
        Self { count, size, released, state, ..self.clone() }
    }

    /// The value to store, with everything in it that a newer version put there.
    pub fn stored(&self) -> String {
        self.kept.write(stored(self))
    }

    /// Count and size.
    pub fn shape(&self) -> Shape {
        Shape { count: self.count, size: self.size.clone(), released: self.released }
    }
}

/// Why a want was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// In a sentence.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// Why cmp-webhook cannot go on with a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocked {
    /// In a sentence; it may quote others, and is bounded.
    pub reason: String,
    /// Since when.
    pub at: Timestamp,
}

/// A value of a newer format, which only its key and perhaps its uid can be read of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opaque {
    /// The key of the ConfigMap.
    pub key: String,
    /// Why it cannot be read.
    pub why: String,
    /// The value as it is stored.
    pub text: String,
    /// In `held.*`: the uid of the cluster's Namespace, if that can be read.
    pub uid: Option<String>,
}

impl fmt::Display for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.why)
    }
}

impl Opaque {
    /// Whether the value is a want or a holding, which costs something that this version cannot tell.
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
#[serde(default)]
pub struct Policy {
    /// Whether what is suspended stays charged.
    pub suspended: Suspended,
    /// At most so many clusters.
    pub clusters: u32,
    /// At most so many instances in all.
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
    /// The value to store, with everything in it that a newer version put there.
    pub fn stored(&self) -> String {
        self.kept.write(stored(self))
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
    /// Why cmp-webhook cannot go on with it.
    pub blocked: Option<Blocked>,
    /// Values of a newer format.
    pub opaque: Vec<Opaque>,
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
        self.want.is_some() || self.held.is_some() || self.opaque.iter().any(Opaque::is_charged)
    }

    /// The uid of its Namespace; empty while it is held without one, `None` if nothing is held.
    pub fn uid(&self) -> Option<&str> {
        let opaque = || self.opaque.iter().find(|value| value.key.starts_with(data::HELD))?.uid.as_deref();
        self.held.as_ref().map(|held| held.uid.as_str()).or_else(opaque)
    }

    /// What a newer version put into its want or its holding, in a message; `None` if this version knows all of it.
    /// Such a cluster is neither grown nor shrunk nor mended by this version; its owner may delete it.
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
    /// Values of a newer format that belong to no cluster, and the format itself if that is newer.
    pub opaque: Vec<Opaque>,
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

    /// The account that this one becomes by a change of some keys, `None` for a key that goes; what does not change is
    /// not read again. `damaged` says what of this one could not be read.
    pub fn changed<'a>(
        &self,
        damaged: &[Unreadable],
        changes: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Result<Self, Unreadable> {
        let mut account = self.clone();
        // By key: a list that is searched for each change would cost the square of its length.
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

    /// Keeps a value of a newer format in mind.
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

    /// Forgets that the value of a key could not be read.
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
            // It is written anew at the next edge, which would lose what is not known.
            entry.opaque.extend(kept.newer().map(|fields| Opaque::of(key, format::unknown(&fields), text)));
        } else if let Some(cluster) = key.strip_prefix(data::BLOCKED) {
            let (cluster, (blocked, _)) = (cluster_named(cluster)?, format::read(text)?);
            self.entry(cluster).blocked = Some(blocked);
        }
        Ok(())
    }

    /// The change that mends what of an account cannot be read, as far as that is not an administrator's business:
    /// `None` if the quota or the policy is damaged, or of a newer version. A cluster whose `held` is damaged is forgotten
    /// together with `settled`, so that nothing grows until it has been adopted from its Namespace; a damaged want becomes
    /// what is held, or is taken back if nothing is.
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

    /// What a newer version put into the account besides its clusters, in a message; `None` if this version knows all
    /// of it. Nothing of such an account grows by this version.
    pub fn newer(&self) -> Option<String> {
        if let Some(opaque) = self.opaque.first() {
            return Some(opaque.to_string());
        }
        self.policy.kept.newer().map(|fields| format!("{}: {}", data::POLICY, format::unknown(&fields)))
    }

    /// The first value whose charge this version cannot tell, in a message.
    pub fn uncounted(&self) -> Option<String> {
        let opaque = self.clusters.values().flat_map(|entry| &entry.opaque);
        opaque.filter(|opaque| opaque.is_charged()).map(ToString::to_string).next()
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

/// A value whose fields are all data.
fn whole<T: DeserializeOwned>(text: &str) -> Result<T, Wrong> {
    serde_json::from_str(text).map_err(|error| Wrong::Malformed(error.to_string()))
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
        self.set(data::WANT, cluster, want.map(Want::stored))
    }

    /// Sets what is held for a cluster.
    #[must_use]
    pub fn held(self, cluster: &ClusterName, held: Option<&Held>) -> Self {
        self.set(data::HELD, cluster, held.map(Held::stored))
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

    /// Sets why cmp-webhook cannot go on with a cluster.
    #[must_use]
    pub fn blocked(self, cluster: &ClusterName, blocked: Option<&Blocked>) -> Self {
        self.set(data::BLOCKED, cluster, blocked.map(stored))
    }

    /// Forgets a cluster: every key of it goes.
    #[must_use]
    pub fn forget(self, cluster: &ClusterName) -> Self {
        data::OF_A_CLUSTER.into_iter().fold(self, |change, prefix| change.set(prefix, cluster, None))
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
        self.0.insert(data::POLICY.to_owned(), Some(policy.stored()));
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
