//! Sizes, quotas and charges: amounts by the name that a resource has in a container.

use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::quantity::Quantity;

/// The resource of processors, in cores.
pub const CPU: &str = "cpu";
/// The resource of memory, in bytes.
pub const MEMORY: &str = "memory";
/// The resource of an instance's disk, in bytes.
pub const STORAGE: &str = "storage";

/// The resource of room for snapshots of an instance's disk, in bytes. It is a multiple of the disk.
pub const SNAPSHOT_STORAGE: &str = "snapshot-storage";

/// Reports whether an amount is taken whether the instance is on or off: its disk, and the snapshots of the disk.
pub fn is_kept(name: &ResourceName) -> bool {
    [STORAGE, SNAPSHOT_STORAGE].contains(&name.as_str())
}

/// The resource of a node's disk in bytes: files that containers write, their logs and `emptyDir`.
pub const EPHEMERAL_STORAGE: &str = "ephemeral-storage";

/// The name of a countable resource: `cpu`, `memory`, `storage`, `snapshot-storage`, `ephemeral-storage`, or one with a
/// domain, such as `nvidia.com/gpu`.
// The names of our own resources are borrowed, because an account contains them hundreds of times.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ResourceName(Cow<'static, str>);

/// The reason why a text is not a resource name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a resource: use cpu, memory, storage, snapshot-storage, ephemeral-storage, or an extended resource with its domain, such as nvidia.com/gpu"
)]
pub struct InvalidResourceName(String);

impl ResourceName {
    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reports whether this version can hand the resource out. An unknown one was stored by a newer version, or by
    /// mistake.
    pub fn is_known(&self) -> bool {
        self.0.parse::<Self>().is_ok()
    }

    /// Reads a stored name. It is less strict, because a newer version may know more names without a domain.
    fn stored(text: &str) -> Result<Self, InvalidResourceName> {
        let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = text.as_bytes();
        let plain = bytes.len() <= 63
            && bytes.first().is_some_and(|&byte| word(byte))
            && bytes.last().is_some_and(|&byte| word(byte))
            && bytes.iter().all(|&byte| word(byte) || byte == b'-');
        text.parse().or_else(|invalid| if plain { Ok(Self(Cow::Owned(text.to_owned()))) } else { Err(invalid) })
    }

    /// Reports whether the resource has a domain. Such a resource comes in whole pieces.
    pub fn is_extended(&self) -> bool {
        self.0.contains('/')
    }
}

// `Borrow` requires that a name compares equal and sorts as its text does.
impl Borrow<str> for ResourceName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for ResourceName {
    type Err = InvalidResourceName;
    fn from_str(text: &str) -> Result<Self, InvalidResourceName> {
        let word = |text: &str, more: &[u8]| {
            let inner = |byte: u8| byte.is_ascii_alphanumeric() || more.contains(&byte);
            let bytes = text.as_bytes();
            bytes.len() <= 63
                && bytes.iter().all(|&byte| inner(byte))
                && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
                && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        };
        // Kubernetes treats every name without a domain, and every name in its own domain, as built in. Only five of
        // those are amounts that can be handed out. A name with the prefix `requests.` would be mistaken for the quota
        // key of another resource.
        if let Some(ours) =
            [CPU, MEMORY, STORAGE, SNAPSHOT_STORAGE, EPHEMERAL_STORAGE].into_iter().find(|ours| *ours == text)
        {
            return Ok(Self(Cow::Borrowed(ours)));
        }
        let valid = match text.split_once('/') {
            None => false,
            Some((domain, name)) => {
                domain.contains('.')
                    && domain.bytes().all(|byte| !byte.is_ascii_uppercase())
                    && domain.split('.').all(|part| word(part, b"-"))
                    && domain != "kubernetes.io"
                    && !domain.ends_with(".kubernetes.io")
                    && !domain.starts_with("requests.")
                    && word(name, b"-_.")
            }
        };
        if valid { Ok(Self(Cow::Owned(text.to_owned()))) } else { Err(InvalidResourceName(text.to_owned())) }
    }
}

impl<'de> Deserialize<'de> for ResourceName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = ResourceName;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a resource")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ResourceName, E> {
                ResourceName::stored(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Name)
    }
}

impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Amounts by resource: the size of an instance, a quota, a charge. A resource that is not named counts as 0.
// A tree, not a sorted list: an unsorted list from somebody else would cost the square of its length.
#[derive(Debug, Clone, Default)]
pub struct Resources(BTreeMap<ResourceName, Quantity>);

impl Resources {
    /// Returns a size of CPU and memory.
    pub fn new(cpu: Quantity, memory: Quantity) -> Self {
        let name = |name| ResourceName(Cow::Borrowed(name));
        Self([(name(CPU), cpu), (name(MEMORY), memory)].into())
    }

    /// Returns the amount of one resource, if it is named.
    pub fn named(&self, name: &str) -> Option<Quantity> {
        self.0.get(name).copied()
    }

    /// Returns the amount of one resource; 0 if it is not named.
    pub fn get(&self, name: &ResourceName) -> Quantity {
        self.0.get(name).copied().unwrap_or(Quantity::ZERO)
    }

    /// Returns the amount of `cpu`, in cores.
    pub fn cpu(&self) -> Quantity {
        self.named(CPU).unwrap_or(Quantity::ZERO)
    }

    /// Returns the amount of `memory`, in bytes.
    pub fn memory(&self) -> Quantity {
        self.named(MEMORY).unwrap_or(Quantity::ZERO)
    }

    /// Sets the amount of a resource.
    pub fn set(&mut self, name: ResourceName, amount: Quantity) {
        self.0.insert(name, amount);
    }

    /// Adds `amount` of a resource. Returns `None`, and adds nothing, if the sum does not fit.
    #[must_use]
    pub fn add(&mut self, name: &ResourceName, amount: Quantity) -> Option<()> {
        match self.0.get_mut(name) {
            Some(sum) => *sum = sum.checked_add(amount)?,
            None => drop(self.0.insert(name.clone(), amount)),
        }
        Some(())
    }

    /// Adds all amounts of another map. Returns `None` if a sum does not fit.
    #[must_use]
    pub fn add_all(&mut self, other: &Self) -> Option<()> {
        other.iter().try_for_each(|(name, amount)| self.add(name, amount))
    }

    /// Raises a resource to `amount`, if it has less or is not named.
    pub fn raise(&mut self, name: &ResourceName, amount: Quantity) {
        if self.0.get(name).is_none_or(|present| *present < amount) {
            self.0.insert(name.clone(), amount);
        }
    }

    /// Iterates over the named resources, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&ResourceName, Quantity)> {
        self.0.iter().map(|(name, amount)| (name, *amount))
    }

    /// Iterates over the names of the resources, sorted.
    pub fn names(&self) -> impl Iterator<Item = &ResourceName> {
        self.0.keys()
    }

    /// Reports whether a resource is named.
    pub fn contains(&self, name: &ResourceName) -> bool {
        self.0.contains_key(name)
    }

    /// Returns the first resource that this version does not know.
    pub fn unknown(&self) -> Option<&ResourceName> {
        self.names().find(|name| !name.is_known())
    }

    /// Reports whether no resource is named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the sum of each resource, or `None` if one does not fit.
    #[must_use]
    pub fn checked_add(&self, other: &Self) -> Option<Self> {
        let mut sum = self.clone();
        sum.add_all(other)?;
        Some(sum)
    }

    /// Returns each amount multiplied by `times`, or `None` if one does not fit.
    #[must_use]
    pub fn checked_mul(&self, times: u32) -> Option<Self> {
        self.iter().map(|(name, amount)| Some((name.clone(), amount.checked_mul(times)?))).collect()
    }

    /// Returns the larger amount of each resource.
    #[must_use]
    pub fn max(&self, other: &Self) -> Self {
        let mut larger = self.clone();
        for (name, amount) in other.iter() {
            larger.raise(name, amount);
        }
        larger
    }

    /// Returns the same size with the room for snapshots of another one, if it names none itself.
    #[must_use]
    pub fn or_room_of(mut self, other: &Self) -> Self {
        if let Some((name, room)) = other.0.get_key_value(SNAPSHOT_STORAGE) {
            self.0.entry(name.clone()).or_insert(*room);
        }
        self
    }

    /// Returns the same size with room for this many snapshots of its disk. Returns `None` if the room cannot be counted.
    #[must_use]
    pub fn with_snapshots(mut self, snapshots: u32) -> Option<Self> {
        self.0.remove(SNAPSHOT_STORAGE);
        if snapshots > 0 {
            let room = self.named(STORAGE)?.checked_mul(snapshots)?;
            self.0.insert(ResourceName(Cow::Borrowed(SNAPSHOT_STORAGE)), room);
        }
        Some(self)
    }

    /// Returns the number of snapshots of its disk that an instance of this size has room for.
    pub fn snapshots(&self) -> u32 {
        let room = self.named(SNAPSHOT_STORAGE).unwrap_or(Quantity::ZERO);
        self.named(STORAGE).and_then(|disk| room.times(disk)).unwrap_or(0)
    }

    /// Returns all resources but one.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        self.iter().filter(|(key, _)| key.as_str() != name).map(|(key, amount)| (key.clone(), amount)).collect()
    }

    /// Reports whether no resource is above the other's.
    pub fn fits(&self, within: &Self) -> bool {
        self.iter().all(|(name, amount)| amount <= within.get(name))
    }

    /// Reads the form that [`Display`](fmt::Display) writes: `cpu=2,memory=4Gi`. Returns `None` if a part of it is not
    /// a resource with its amount, or names a resource again.
    pub fn from_list(text: &str) -> Option<Self> {
        let mut resources = Self::default();
        for part in text.split(',').filter(|_| !text.is_empty()) {
            let (name, amount) = part.split_once('=')?;
            let name = name.parse().ok()?;
            if resources.contains(&name) {
                return None;
            }
            resources.set(name, amount.parse().ok()?);
        }
        Some(resources)
    }
}

/// Two maps are equal if every amount is equal, whether it is named or counts as 0.
impl PartialEq for Resources {
    fn eq(&self, other: &Self) -> bool {
        self.fits(other) && other.fits(self)
    }
}
impl Eq for Resources {}

impl FromIterator<(ResourceName, Quantity)> for Resources {
    fn from_iter<I: IntoIterator<Item = (ResourceName, Quantity)>>(amounts: I) -> Self {
        let mut resources = Self::default();
        for (name, amount) in amounts {
            resources.set(name, amount);
        }
        resources
    }
}

impl Serialize for Resources {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Resources {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Amounts;
        impl<'de> Visitor<'de> for Amounts {
            type Value = Resources;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("amounts by resource")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Resources, A::Error> {
                let mut resources = Resources::default();
                while let Some((name, amount)) = map.next_entry::<ResourceName, _>()? {
                    if resources.contains(&name) {
                        return Err(serde::de::Error::custom(format_args!("{name} is named twice")));
                    }
                    resources.set(name, amount);
                }
                Ok(resources)
            }
        }
        deserializer.deserialize_map(Amounts)
    }
}

impl fmt::Display for Resources {
    /// Writes `cpu=2,memory=4Gi`. Kubernetes writes amounts into its refusals in this form, and the size annotation of
    /// a Namespace has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, amount)) in self.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{name}={amount}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Resources {
        Resources::from_list(text).unwrap_or_else(|| panic!("{text:?}"))
    }

    #[test]
    fn only_countable_resources_have_names() {
        for good in [
            "cpu",
            "memory",
            "storage",
            "snapshot-storage",
            "ephemeral-storage",
            "nvidia.com/gpu",
            "amd.com/gpu_v2",
            "a.b/c.d",
        ] {
            assert!(good.parse::<ResourceName>().is_ok(), "{good:?}");
        }
        for bad in [
            "",
            "CPU",
            "pods",
            "gpu",
            "hugepages-2Mi",
            "kubernetes.io/x",
            "a.kubernetes.io/x",
            "requests.nvidia.com/gpu",
            "nvidia.com/",
            "/gpu",
            "nvidia.com/g,p",
            "nvidia.com/g=p",
            "a.b/c/d",
        ] {
            assert!(bad.parse::<ResourceName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn amounts_are_compared_resource_by_resource() {
        assert!(of("cpu=2").fits(&of("cpu=2,memory=1Gi")));
        assert!(!of("cpu=2,nvidia.com/gpu=1").fits(&of("cpu=4")));
        assert!(of("cpu=2,nvidia.com/gpu=0").fits(&of("cpu=4")));
        assert_eq!(of("cpu=2,memory=0"), of("cpu=2000m"));
        assert_eq!(of("cpu=2,memory=1Gi").max(&of("cpu=1,memory=2Gi")), of("cpu=2,memory=2Gi"));
        assert_eq!(of("cpu=2").checked_add(&of("cpu=500m,memory=1Gi")), Some(of("cpu=2500m,memory=1Gi")));
        assert_eq!(of("cpu=2,memory=4Gi").checked_mul(3), Some(of("cpu=6,memory=12Gi")));
    }

    #[test]
    fn the_room_is_for_whole_snapshots_of_the_disk() {
        for (size, snapshots) in [
            ("cpu=1", 0),
            ("storage=10Gi", 0),
            ("storage=10Gi,snapshot-storage=10Gi", 1),
            ("storage=10Gi,snapshot-storage=39Gi", 3),
            ("storage=10Gi,snapshot-storage=9Gi", 0),
            ("snapshot-storage=10Gi", 0),
            ("storage=0,snapshot-storage=10Gi", 0),
            ("storage=1,snapshot-storage=1Ti", 0),
            ("storage=10Gi,snapshot-storage=-10Gi", 0),
        ] {
            assert_eq!(of(size).snapshots(), snapshots, "{size}");
        }
        let disk = of("cpu=1,storage=10Gi");
        let two = disk.clone().with_snapshots(2).unwrap();
        assert_eq!(two.to_string(), "cpu=1,snapshot-storage=20Gi,storage=10Gi");
        assert_eq!(two.clone().with_snapshots(0), Some(disk.clone()));
        assert_eq!(of("cpu=1").with_snapshots(1), None);
        assert_eq!((disk.clone().or_room_of(&two), two.clone().or_room_of(&disk)), (two.clone(), two));
    }

    #[test]
    fn a_list_is_read_whole_or_not_at_all() {
        for bad in ["cpu", "cpu=", "cpu=1,", ",cpu=1", "cpu=1,,memory=1Gi", "cpu=1,cpu=2", "cpu=1=2", " cpu=1"] {
            assert!(Resources::from_list(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn they_print_as_kubernetes_writes_them() {
        let size = of("nvidia.com/gpu=1,memory=4096Mi,cpu=0.5");
        assert_eq!(size.to_string(), "cpu=500m,memory=4Gi,nvidia.com/gpu=1");
        assert_eq!(of(&size.to_string()), size);
        assert_eq!(serde_json::to_string(&size).unwrap(), r#"{"cpu":"500m","memory":"4Gi","nvidia.com/gpu":"1"}"#);
    }
}
