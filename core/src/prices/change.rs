//! Changes of the prices. Keys and fields of a newer version stay.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Broken, CURRENCY, FROM, MOST_DATES, PriceTable, Scope, fields, key};
use crate::plan::Refusal;
use crate::resources::is_kept;
use crate::usage::price::Prices;

/// The keys to set and to remove.
pub type Change = BTreeMap<String, Option<String>>;

/// Prices that an administrator sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// The prices, by the instances that they are about.
    pub prices: BTreeMap<Scope, Prices>,
    /// The currency of all prices.
    pub currency: Option<String>,
}

/// Returns the refusal of a change of prices that cannot be read.
fn unreadable(broken: &Broken) -> Refusal {
    Refusal::wish(broken.to_string()).hint(broken.hint())
}

/// Plans to set prices from a moment on. A price for every type replaces those of single types at the same moment.
pub fn set(data: &BTreeMap<String, String>, wish: &Wish, from: Timestamp) -> Result<Change, Refusal> {
    let (_, broken) = PriceTable::read(data);
    // A currency that cannot be read is replaced.
    let replaced = |broken: &&Broken| !(broken.key == CURRENCY && wish.currency.is_some());
    if let Some(broken) = broken.iter().find(replaced) {
        return Err(unreadable(broken));
    }
    if wish.prices.values().all(Prices::is_empty) && wish.currency.is_none() {
        return Err(Refusal::wish("no price is given")
            .hint("use --cpu, --memory, --resource NAME=PRICE, --suspended NAME=PRICE or --currency"));
    }
    if let Some(name) = wish.prices.get(&Scope::Off).and_then(|prices| prices.keys().find(|name| !is_kept(name))) {
        return Err(Refusal::wish(format!("--suspended {name}: it costs nothing while an instance is off"))
            .hint("a suspended instance keeps storage and snapshot-storage alone"));
    }
    let mut change = Change::new();
    if let Some(currency) = wish.currency.as_ref().filter(|currency| data.get(CURRENCY) != Some(currency)) {
        change.insert(CURRENCY.to_owned(), Some(currency.clone()));
    }
    if wish.prices.values().any(|prices| !prices.is_empty()) {
        let key = key(from);
        let before = data.get(&key);
        let mut row = before.map_or_else(|| Ok(Map::new()), |value| fields(value)).map_err(Refusal::wish)?;
        for (scope, prices) in &wish.prices {
            put(&mut row, *scope, prices);
        }
        let value = Value::Object(row).to_string();
        // Spaces and the order of fields are no difference.
        let same = before.and_then(|value| fields(value).ok()).map(|row| Value::Object(row).to_string());
        if same.as_ref() != Some(&value) {
            change.insert(key, Some(value));
        }
    }
    let (after, broken) = PriceTable::read(&applied(data, &change));
    if after.dates.len() > MOST_DATES || !broken.is_empty() {
        let why = broken.first().map(ToString::to_string).unwrap_or_default();
        return Err(Refusal::wish(format!("the prices would not be readable: {why}"))
            .hint("`kubectl cmp set prices --remove --from DATE` removes the prices of a date"));
    }
    Ok(change)
}

/// Puts prices into the value of a date.
fn put(row: &mut Map<String, Value>, scope: Scope, prices: &Prices) {
    for (name, price) in prices {
        if scope == Scope::All {
            for other in [Scope::Containers, Scope::Vms] {
                if let Some(Value::Object(prices)) = row.get_mut(other.as_str()) {
                    prices.remove(name.as_str());
                }
            }
        }
        let field = row.entry(scope.as_str()).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(prices) = field {
            prices.insert(name.to_string(), Value::String(price.to_string()));
        }
    }
    row.retain(|_, value| !matches!(value, Value::Object(prices) if prices.is_empty()));
}

/// Plans to remove the prices of one moment. It works on prices that cannot be read, too.
pub fn remove(data: &BTreeMap<String, String>, from: Timestamp) -> Result<Change, Refusal> {
    let key = key(from);
    if !data.contains_key(&key) {
        return Err(Refusal::not_found("prices", from.to_string())
            .hint("`kubectl cmp get prices` shows the dates from which prices hold"));
    }
    Ok([(key, None)].into())
}

/// Plans to remove all prices and the currency. Keys that this version does not know stay.
pub fn remove_all(data: &BTreeMap<String, String>) -> Change {
    let ours = data.keys().filter(|key| *key == CURRENCY || key.starts_with(FROM));
    ours.map(|key| (key.clone(), None)).collect()
}

/// Returns the data after a change.
pub fn applied(data: &BTreeMap<String, String>, change: &Change) -> BTreeMap<String, String> {
    let mut data = data.clone();
    for (key, value) in change {
        match value {
            Some(value) => data.insert(key.clone(), value.clone()),
            None => data.remove(key),
        };
    }
    data
}
