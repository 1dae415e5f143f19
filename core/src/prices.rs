//! The prices of a site: a ConfigMap that administrators write and everyone reads.
//!
//! Each key has the prices that are set at one moment. A price holds until a later moment sets it anew. An administrator
//! therefore writes only the prices that change.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde_json::Value;

use crate::keys;
use crate::resources::ResourceName;
use crate::usage::price::{Price, Prices};
use crate::usage::range::Range;
use crate::usage::rates::{Rates, Tariff};

pub mod change;

/// The key of the currency.
pub const CURRENCY: &str = "currency";
/// The beginning of the key of a moment. The moment follows, with points, because a key can have no colons.
const FROM: &str = "from.";
/// The most moments at which prices are set.
pub const MOST_DATES: usize = 100;
/// The most prices that are set at one moment.
pub const MOST_PRICES: usize = 32;
/// The longest value, in bytes.
const LONGEST: usize = 8 << 10;

/// The instances that a price is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Instances of every type.
    All,
    /// Containers.
    Containers,
    /// VMs.
    Vms,
    /// The disks and snapshots of instances that are off, of every type.
    Off,
}

impl Scope {
    /// All scopes, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::All, Self::Containers, Self::Vms, Self::Off];

    /// Returns the field in which the prices are stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Containers => "container",
            Self::Vms => "vm",
            Self::Off => "suspended",
        }
    }
}

/// The prices that are set at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dated(pub BTreeMap<Scope, Prices>);

impl fmt::Display for Dated {
    /// Writes `cpu=0.03 memory=0.004, vm: cpu=0.04`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_scope = |(scope, prices): (&Scope, &Prices)| {
            let prices: Vec<String> = prices.iter().map(|(name, price)| format!("{name}={price}")).collect();
            let title = if *scope == Scope::All { String::new() } else { format!("{}: ", scope.as_str()) };
            format!("{title}{}", prices.join(" "))
        };
        f.write_str(&self.0.iter().map(of_scope).collect::<Vec<_>>().join(", "))
    }
}

/// Whether the prices of one moment hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Not yet.
    Later,
    /// At least one of them does.
    Now,
    /// Later moments have set each of them anew.
    Past,
}

impl Holds {
    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Later => "later",
            Self::Now => "now",
            Self::Past => "past",
        }
    }
}

/// All prices of a site.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PriceTable {
    /// The currency of all prices.
    pub currency: Option<String>,
    /// The prices that are set at each moment.
    pub dates: BTreeMap<Timestamp, Dated>,
    /// The keys and fields that this version does not know. A newer version wrote them, and they are kept.
    pub newer: Vec<String>,
}

/// A key of the ConfigMap that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("configmap/{} in {}: {key} {why}", keys::PRICES, keys::TEMPLATES_NAMESPACE)]
pub struct Broken {
    /// The key.
    pub key: String,
    /// The rest of the sentence.
    pub why: String,
}

impl Broken {
    /// Returns the next step of an administrator.
    pub fn hint(&self) -> String {
        match moment(&self.key) {
            Some(from) => format!(
                "an administrator removes these prices, and sets them again: kubectl cmp set prices --remove --from {from}"
            ),
            None if self.key == CURRENCY => {
                "an administrator sets it again: kubectl cmp set prices --currency EUR".to_owned()
            }
            None => format!(
                "an administrator removes the key: kubectl edit configmap {} -n {}",
                keys::PRICES,
                keys::TEMPLATES_NAMESPACE
            ),
        }
    }
}

/// Returns the key of a moment: `from.2026-12-01T00.00.00Z`.
pub fn key(from: Timestamp) -> String {
    format!("{FROM}{}", from.strftime("%Y-%m-%dT%H.%M.%SZ"))
}

/// Returns the moment of a key, if it is written as [`key`] writes it.
fn moment(text: &str) -> Option<Timestamp> {
    let from: Timestamp = text.strip_prefix(FROM)?.replace('.', ":").parse().ok()?;
    (key(from) == text).then_some(from)
}

/// Checks a currency. The text appears in the headers of columns.
pub fn check_currency(text: &str) -> Result<(), String> {
    let plain = |letter: char| letter.is_alphabetic() || "$€£¥₹".contains(letter);
    if (1..=8).contains(&text.chars().count()) && text.chars().all(plain) {
        Ok(())
    } else {
        Err(format!("{text:?} is not a currency: use 1 to 8 letters, such as EUR"))
    }
}

impl PriceTable {
    /// Reads the data of the ConfigMap, and lists the keys that cannot be read.
    pub fn read(data: &BTreeMap<String, String>) -> (Self, Vec<Broken>) {
        let (mut table, mut broken) = (Self::default(), Vec::new());
        for (key, value) in data {
            let read = if key == CURRENCY {
                check_currency(value).map(|()| table.currency = Some(value.clone())).map_err(|why| format!("is {why}"))
            } else if key.starts_with(FROM) {
                table.read_date(key, value)
            } else {
                table.newer.push(key.clone());
                Ok(())
            };
            broken.extend(read.err().map(|why| Broken { key: key.clone(), why }));
        }
        if table.dates.len() > MOST_DATES {
            let why = format!("is one of {} dates, the maximum is {MOST_DATES}", table.dates.len());
            broken.extend(table.dates.pop_first().map(|(from, _)| Broken { key: self::key(from), why }));
        }
        (table, broken)
    }

    fn read_date(&mut self, key: &str, value: &str) -> Result<(), String> {
        let from = moment(key).ok_or("is not the key of a date: the form is from.2026-12-01T00.00.00Z")?;
        let mut dated = Dated::default();
        for (field, value) in fields(value)? {
            match Scope::ALL.into_iter().find(|scope| scope.as_str() == field) {
                None => self.newer.push(format!("{key}: {field}")),
                Some(scope) => {
                    for (name, price) in prices_of(&field, &value)? {
                        if name.is_known() {
                            dated.0.entry(scope).or_default().insert(name, price);
                        } else {
                            self.newer.push(format!("{key}: {field}.{}", name.as_str()));
                        }
                    }
                }
            }
        }
        let count: usize = dated.0.values().map(Prices::len).sum();
        if count > MOST_PRICES {
            return Err(format!("has {count} prices, the maximum is {MOST_PRICES}"));
        }
        self.dates.insert(from, dated);
        Ok(())
    }

    /// Returns the prices that hold in a range.
    pub fn rates(&self, range: Range) -> Rates {
        let mut tariff = Tariff::default();
        let starts = self.dates.iter().map(|(from, dated)| {
            dated.apply(&mut tariff);
            (*from, tariff.clone())
        });
        Rates::within(range, starts.collect())
    }

    /// Returns the prices that hold at one moment.
    pub fn tariff(&self, at: Timestamp) -> Tariff {
        let mut tariff = Tariff::default();
        self.dates.range(..=at).for_each(|(_, dated)| dated.apply(&mut tariff));
        tariff
    }

    /// Reports whether the prices of a moment hold now.
    pub fn holds(&self, from: Timestamp, now: Timestamp) -> Holds {
        if from > now {
            return Holds::Later;
        }
        // A price for every type replaces those of single types.
        let replaces = |dated: &Dated, scope: Scope, name: &ResourceName| {
            let sets = |scope| dated.0.get(&scope).is_some_and(|prices: &Prices| prices.contains_key(name));
            let both = scope == Scope::All && sets(Scope::Containers) && sets(Scope::Vms);
            sets(scope) || both || (scope != Scope::Off && sets(Scope::All))
        };
        let later = |scope, name| {
            let mut later = self.dates.range(..=now).filter(|(at, _)| **at > from);
            later.any(|(_, dated)| replaces(dated, scope, name))
        };
        let mut all = self.dates.get(&from).into_iter().flat_map(|dated| &dated.0);
        let held = all.any(|(scope, prices)| prices.keys().any(|name| !later(*scope, name)));
        if held { Holds::Now } else { Holds::Past }
    }
}

impl Dated {
    fn apply(&self, tariff: &mut Tariff) {
        let of = |scope| self.0.get(&scope).into_iter().flatten().map(|(name, price)| (name.clone(), *price));
        tariff.containers.extend(of(Scope::All).chain(of(Scope::Containers)));
        tariff.vms.extend(of(Scope::All).chain(of(Scope::Vms)));
        tariff.off.extend(of(Scope::Off));
    }
}

/// Parses the value of a date: an object with a field for each scope.
fn fields(value: &str) -> Result<serde_json::Map<String, Value>, String> {
    if value.len() > LONGEST {
        return Err(format!("has {} bytes, the maximum is {LONGEST}", value.len()));
    }
    match serde_json::from_str(value) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err("is no JSON object: the form is {\"all\":{\"cpu\":\"0.03\"}}".to_owned()),
        Err(error) => Err(format!("is not JSON: {error}")),
    }
}

/// Parses the prices of one field.
fn prices_of(field: &str, value: &Value) -> Result<Vec<(ResourceName, Price)>, String> {
    let Value::Object(prices) = value else {
        return Err(format!("has {field} that is no object: the form is {{\"cpu\":\"0.03\"}}"));
    };
    let one = |(name, price): (&String, &Value)| {
        let name: ResourceName = serde_json::from_value(Value::String(name.clone()))
            .map_err(|error| format!("has {field}.{name:?}: {error}"))?;
        let Value::String(text) = price else {
            return Err(format!(
                "has {field}.{name}={price}: a price is a text, such as \"0.03\"",
                name = name.as_str()
            ));
        };
        let price = text.parse().map_err(|error| format!("has {field}.{}: {error}", name.as_str()))?;
        Ok((name, price))
    };
    prices.iter().map(one).collect()
}

#[cfg(test)]
mod tests;
