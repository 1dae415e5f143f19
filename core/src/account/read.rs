//! Reads an account strictly, whole or as a change of one that was read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::{Account, Entry, Held, Opaque, Policy, Unreadable, Want};
use crate::format::{self, ReadError};
use crate::keys::data;
use crate::name::{ClusterName, InvalidName, UserName};
use crate::resources::Resources;

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
                Err(ReadError::Malformed(why)) => damaged.push(Unreadable { key: key.to_owned(), why }),
                Err(ReadError::Newer(why)) => {
                    if let Err(error) = account.keep_opaque(Opaque::of(key, why, text)) {
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
            account.drop_opaque(key);
            match text {
                Some(text) => account.set_key(key, text).map_err(|wrong| unreadable(key, wrong))?,
                None => account.remove_key(key)?,
            }
        }
        let first = damaged.iter().find(|unreadable| still.contains(unreadable.key.as_str()));
        first.map_or(Ok(account), |unreadable| Err(unreadable.clone()))
    }

    fn set_key(&mut self, key: &str, text: &str) -> Result<(), ReadError> {
        match key {
            data::QUOTA => self.quota = read_without_format(text)?,
            data::POLICY => {
                let (policy, kept) = format::read(text)?;
                self.policy = Policy { kept, ..policy };
            }
            data::SETTLED => self.settled = Some(text.to_owned()),
            data::FORMAT => format::beyond(text).map_or(Ok(()), |why| Err(ReadError::Newer(why)))?,
            _ => self.read_key(key, text)?,
        }
        Ok(())
    }

    /// Stores a value of a newer format as opaque.
    fn keep_opaque(&mut self, opaque: Opaque) -> Result<(), Unreadable> {
        match opaque.key.split_once('.') {
            None => insert(&mut self.opaque, opaque),
            Some((_, cluster)) => {
                let cluster = parse_cluster(cluster).map_err(|wrong| unreadable(&opaque.key, wrong))?;
                insert(&mut self.entry(cluster).opaque, opaque);
            }
        }
        Ok(())
    }

    /// Drops the opaque value of a key.
    fn drop_opaque(&mut self, key: &str) {
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

    fn read_key(&mut self, key: &str, text: &str) -> Result<(), ReadError> {
        if let Some(cluster) = key.strip_prefix(data::WANT) {
            let (cluster, (want, kept)) = (parse_cluster(cluster)?, format::read(text)?);
            self.entry(cluster).want = Some(Want { kept, ..want });
        } else if let Some(cluster) = key.strip_prefix(data::HELD) {
            let (cluster, (held, kept)) = (parse_cluster(cluster)?, format::read(text)?);
            self.entry(cluster).held = Some(Held { kept, ..held });
        } else if let Some(cluster) = key.strip_prefix(data::DELETE) {
            self.entry(parse_cluster(cluster)?).delete = Some(text.to_owned());
        } else if let Some(cluster) = key.strip_prefix(data::REFUSED) {
            let (cluster, (refused, _)) = (parse_cluster(cluster)?, format::read(text)?);
            self.entry(cluster).refused = Some(refused);
        } else if let Some(cluster) = key.strip_prefix(data::SCHEDULED) {
            let (cluster, (scheduled, kept)) = (parse_cluster(cluster)?, format::read(text)?);
            let entry = self.entry(cluster);
            entry.scheduled = Some(scheduled);
            // The next transition rewrites this value, and unknown fields would be lost.
            if let Some(fields) = kept.newer() {
                insert(&mut entry.opaque, Opaque::of(key, format::unknown(&fields), text));
            }
        } else if let Some(cluster) = key.strip_prefix(data::BLOCKED) {
            let (cluster, (blocked, _)) = (parse_cluster(cluster)?, format::read(text)?);
            self.entry(cluster).blocked = Some(blocked);
        }
        Ok(())
    }

    fn entry(&mut self, cluster: ClusterName) -> &mut Entry {
        Arc::make_mut(self.clusters.entry(cluster).or_default())
    }
}

/// Inserts a value in the order of the keys, so that the order of changes does not matter.
fn insert(sorted: &mut Vec<Opaque>, opaque: Opaque) {
    let at = sorted.partition_point(|other| other.key < opaque.key);
    sorted.insert(at, opaque);
}

fn no_quota() -> Unreadable {
    Unreadable { key: data::QUOTA.to_owned(), why: "it is missing".to_owned() }
}

fn unreadable(key: &str, wrong: ReadError) -> Unreadable {
    let why = match wrong {
        ReadError::Malformed(why) => why,
        ReadError::Newer(why) => format!("{why}: upgrade cmp-webhook and kubectl-cmp"),
    };
    Unreadable { key: key.to_owned(), why }
}

fn parse_cluster(name: &str) -> Result<ClusterName, ReadError> {
    name.parse().map_err(|error: InvalidName| ReadError::Malformed(error.to_string()))
}

/// Reads a value without a format: all its fields are data.
fn read_without_format<T: DeserializeOwned>(text: &str) -> Result<T, ReadError> {
    serde_json::from_str(text).map_err(|error| ReadError::Malformed(error.to_string()))
}
