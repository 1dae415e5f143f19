//! Reads an account before and after a change, from the JSON of a review.
//!
//! Most values of a large account are equal in both objects. Such a value is decoded and read once, and both accounts
//! share its entry. Values are compared in their encoded form.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Account, Unreadable};
use crate::keys::data;
use crate::merge_join::merge_join;
use crate::name::{ClusterName, InvalidName, UserName};

/// The most entries that are read from an account. A thousand clusters with five entries each need half of it.
const MOST_ENTRIES: usize = 10_000;
/// The most bytes of all values in a ConfigMap: no API server stores more.
const MOST_DATA: usize = 1 << 20;

/// The data of a ConfigMap, sorted by key, with the values still encoded as JSON.
#[derive(Debug, Default)]
pub struct EncodedData<'a> {
    values: Vec<(&'a str, &'a RawValue)>,
    /// The number of entries in the ConfigMap; no more than [`MOST_ENTRIES`] are kept.
    count: usize,
}

impl<'de: 'a, 'a> Deserialize<'de> for EncodedData<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Values;
        impl<'de> Visitor<'de> for Values {
            type Value = EncodedData<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of texts")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut data = EncodedData::default();
                while data.count < MOST_ENTRIES
                    && let Some(value) = map.next_entry()?
                {
                    data.count += 1;
                    data.values.push(value);
                }
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
                    data.count += 1;
                }
                Ok(data)
            }
        }
        let Self { mut values, count } = deserializer.deserialize_map(Values)?;
        // The API server writes the keys in this order. If a key comes twice, the last value counts, as everywhere.
        if !values.is_sorted_by(|(one, _), (other, _)| one < other) {
            values.reverse();
            values.sort_by_key(|(key, _)| *key);
            values.dedup_by_key(|(key, _)| *key);
        }
        Ok(Self { values, count })
    }
}

/// Checks that the values are no longer than a ConfigMap can be. Reading them takes up to sixteen times as much memory.
fn check_length(length: usize) -> Result<(), Unreadable> {
    if length <= MOST_DATA {
        return Ok(());
    }
    too_much(format!("it has {length} bytes, the maximum is {MOST_DATA}"))
}

fn too_much<T>(why: String) -> Result<T, Unreadable> {
    Err(Unreadable { key: "data".to_owned(), why })
}

/// Decodes a value, which has to be a JSON string.
fn decode<'a>(key: &str, raw: &'a RawValue) -> Result<Cow<'a, str>, Unreadable> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    let unreadable = |error: serde_json::Error| Unreadable { key: key.to_owned(), why: error.to_string() };
    serde_json::from_str::<Text<'a>>(raw.get()).map(|text| text.0).map_err(unreadable)
}

/// An account as a review has it.
#[derive(Debug, Clone, Copy)]
pub struct EncodedAccount<'a> {
    /// The name of the ConfigMap.
    pub name: &'a str,
    /// The uid of the ConfigMap.
    pub uid: &'a str,
    /// The data of the ConfigMap, if it has any.
    pub data: Option<&'a EncodedData<'a>>,
}

impl<'a> EncodedAccount<'a> {
    fn user(&self) -> Result<UserName, Unreadable> {
        let unreadable = |error: InvalidName| Unreadable { key: "metadata.name".to_owned(), why: error.to_string() };
        self.name.parse().map_err(unreadable)
    }

    fn values(&self) -> impl Iterator<Item = (&'a str, &'a RawValue)> {
        self.data.into_iter().flat_map(|data| &data.values).copied()
    }

    fn check_count(&self) -> Result<(), Unreadable> {
        let count = self.data.map_or(0, |data| data.count);
        if count <= MOST_ENTRIES {
            return Ok(());
        }
        too_much(format!("it has {count} entries, the maximum is {MOST_ENTRIES}"))
    }

    /// Decodes all values.
    fn decoded(&self) -> Result<Vec<Cow<'a, str>>, Unreadable> {
        self.check_count()?;
        let texts: Result<Vec<_>, _> = self.values().map(|(key, raw)| decode(key, raw)).collect();
        let texts = texts?;
        check_length(texts.iter().map(|text| text.len()).sum())?;
        Ok(texts)
    }

    fn texts(&self, decoded: &'a [Cow<'a, str>]) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.values().zip(decoded).map(|((key, _), text)| (key, &**text))
    }

    /// Reads the whole account. The error names the first key that cannot be read.
    fn read(&self) -> Result<Account, Unreadable> {
        let decoded = self.decoded()?;
        let (account, mut damaged) = Account::read_what_can_be(self.user()?, self.uid, self.texts(&decoded));
        if damaged.is_empty() { Ok(account) } else { Err(damaged.swap_remove(0)) }
    }

    /// Reads the account as a change of `old`, whose values are `decoded` and which was read as `before`.
    fn read_after(
        &self,
        old: &Self,
        decoded: &[Cow<'_, str>],
        before: &Account,
        damaged: &[Unreadable],
    ) -> Result<Account, Unreadable> {
        self.check_count()?;
        let (mut length, mut changes) = (0, Vec::new());
        let was = old.values().zip(decoded).map(|((key, raw), text)| (key, (raw, text)));
        for (key, was, is) in merge_join(was, self.values()) {
            match (was, is) {
                (Some((was, text)), Some(is)) if was.get() == is.get() => length += text.len(),
                (_, Some(is)) => {
                    let text = decode(key, is)?;
                    length += text.len();
                    changes.push((key, Some(text)));
                }
                (_, None) => changes.push((key, None)),
            }
        }
        check_length(length)?;
        before.changed(damaged, changes.iter().map(|(key, text)| (*key, text.as_deref())))
    }
}

/// An account before and after a change.
#[derive(Debug)]
pub struct AccountPair {
    /// The account before the change; `None` if there was none, or nothing of it can be read.
    pub before: Option<Account>,
    /// The account after the change.
    pub after: Account,
    /// The wants that the change makes longer.
    pub longer: Vec<LongerWant>,
}

/// The length of a want as the review encodes it, in bytes, before and after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LongerWant {
    /// The name of the cluster.
    pub cluster: ClusterName,
    /// The length before the change.
    pub before: usize,
    /// The length after the change.
    pub after: usize,
}

impl AccountPair {
    /// Reads both accounts of a review. The error names the first key of the new one that cannot be read.
    ///
    /// A change may repair parts of the old account that cannot be read. All that the new account has in their place
    /// then counts as added.
    pub fn read(old: Option<&EncodedAccount<'_>>, new: &EncodedAccount<'_>) -> Result<Self, Unreadable> {
        let longer = longer_wants(old, new);
        let decoded = old.and_then(|old| Some((old, old.user().ok()?, old.decoded().ok()?)));
        let Some((old, user, decoded)) = decoded else {
            return Ok(Self { before: None, after: new.read()?, longer });
        };
        let (before, damaged) = Account::read_what_can_be(user, old.uid, old.texts(&decoded));
        let after = if (old.name, old.uid) == (new.name, new.uid) {
            new.read_after(old, &decoded, &before, &damaged)?
        } else {
            new.read()?
        };
        Ok(Self { before: Some(before), after, longer })
    }
}

fn longer_wants(old: Option<&EncodedAccount<'_>>, new: &EncodedAccount<'_>) -> Vec<LongerWant> {
    let length = |raw: Option<&RawValue>| raw.map_or(0, |raw| raw.get().len());
    let values = merge_join(old.into_iter().flat_map(EncodedAccount::values), new.values());
    let longer = values.filter_map(|(key, was, is)| {
        let (before, after) = (length(was), length(is));
        let cluster = key.strip_prefix(data::WANT).filter(|_| after > before)?;
        Some(LongerWant { cluster: cluster.parse().ok()?, before, after })
    });
    longer.collect()
}

#[cfg(test)]
mod tests;
