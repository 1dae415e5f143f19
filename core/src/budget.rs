//! The quota of an account as its user reads it: the use of each resource, and the amounts that come back.

use crate::account::{Account, Entry, HeldState, Want};
use crate::name::ClusterName;
use crate::quantity::{Quantity, unit};
use crate::resources::{CPU, EPHEMERAL_STORAGE, MEMORY, ResourceName, Resources, SNAPSHOT_STORAGE, STORAGE};

pub mod what_if;

/// The use from which a quota is nearly spent, in percent.
const NEARLY: u32 = 80;

/// The use of one resource of a quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// The name of the resource.
    pub name: ResourceName,
    /// The quota.
    pub total: Quantity,
    /// The charged amount.
    pub used: Quantity,
    /// The amount that can be added; below 0 if the quota was lowered below the charge.
    pub available: Quantity,
    /// The part of `used` that comes back without a further command.
    pub releasing: Quantity,
}

/// How far a quota is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Less than 80 % are used.
    Low,
    /// At least 80 % are used.
    Nearly,
    /// Nothing is left.
    Spent,
}

impl Usage {
    /// Returns the use in whole percent, rounded down. A quota of 0 counts as spent.
    pub fn percent(&self) -> u32 {
        let hundred = self.used.nanos().saturating_mul(100);
        hundred.checked_div(self.total.nanos()).map_or(100, |percent| u32::try_from(percent).unwrap_or(0))
    }

    /// Returns how far the quota is spent.
    pub fn level(&self) -> Level {
        match self.percent() {
            100.. => Level::Spent,
            NEARLY.. => Level::Nearly,
            _ => Level::Low,
        }
    }

    /// Returns the used, available, total and releasing amount as text, all in one unit.
    pub fn amounts(&self) -> Vec<String> {
        let amounts = [self.used, self.available, self.total, self.releasing];
        match self.name.as_str() {
            MEMORY | STORAGE | SNAPSHOT_STORAGE | EPHEMERAL_STORAGE => unit::bytes(self.total, &amounts),
            _ => unit::plain(&amounts),
        }
    }
}

/// Returns the use of each resource that the quota names. Returns `None` if the charge does not fit.
pub fn usages(account: &Account) -> Option<Vec<Usage>> {
    let (charge, releasing) = (account.charge()?, releasing(account)?);
    let usage = |(name, total): (&ResourceName, Quantity)| {
        let used = charge.get(name);
        let available = total.checked_sub(used)?;
        Some(Usage { name: name.clone(), total, used, available, releasing: releasing.get(name) })
    };
    account.quota.iter().map(usage).collect()
}

/// The reason why a cluster gives resources back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The cluster is being deleted.
    Deletion,
    /// The cluster is suspended, and its account gives the quota of suspended clusters back.
    Release,
    /// The want is smaller than the holding.
    Shrinking,
}

/// The amounts that one cluster gives back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Return {
    /// The name of the cluster.
    pub cluster: ClusterName,
    /// The reason why the amounts come back.
    pub reason: Reason,
    /// The amounts, all of them above 0.
    pub amounts: Resources,
}

impl Return {
    /// Describes these resources of the return, for a hint. Returns `None` if none of them comes back.
    pub fn hint(&self, of: impl Fn(&str) -> bool) -> Option<String> {
        let amounts: Vec<String> = self
            .amounts
            .iter()
            .filter(|(name, _)| of(name.as_str()))
            .map(|(name, amount)| words(name, amount))
            .collect();
        let end = match self.reason {
            Reason::Deletion => "is deleted",
            Reason::Release => "is known to be off",
            Reason::Shrinking => "has finished shrinking",
        };
        let is_one = matches!(&amounts[..], [one] if one.starts_with("1 "));
        let come = if is_one { "comes" } else { "come" };
        (!amounts.is_empty()).then(|| format!("{} {come} back when cluster {} {end}", list(&amounts), self.cluster))
    }
}

/// Writes an amount with its resource: `10 CPU`, `4Gi of memory`.
fn words(name: &ResourceName, amount: Quantity) -> String {
    match name.as_str() {
        CPU => format!("{} CPU", amount.decimal()),
        MEMORY | STORAGE | SNAPSHOT_STORAGE | EPHEMERAL_STORAGE => format!("{amount} of {name}"),
        _ => format!("{} {name}", amount.decimal()),
    }
}

/// Joins words: `a`, `a and b`, `a, b and c`.
fn list(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Returns the amounts that come back, for each cluster that gives some back. Returns `None` if an amount does not fit.
pub fn returns(account: &Account) -> Option<Vec<Return>> {
    let mut returns = Vec::new();
    for (cluster, entry) in account.existing() {
        let kept = kept(entry);
        let (charge, left) = (entry.charge()?, kept.charge()?);
        let mut amounts = Resources::default();
        for (name, amount) in charge.iter().filter(|(name, amount)| *amount > left.get(name)) {
            amounts.set(name.clone(), amount.checked_sub(left.get(name))?);
        }
        if !amounts.is_empty() {
            let reason = match &kept.want {
                None => Reason::Deletion,
                Some(Want { released: true, .. }) => Reason::Release,
                Some(_) => Reason::Shrinking,
            };
            returns.push(Return { cluster: cluster.clone(), reason, amounts });
        }
    }
    Some(returns)
}

/// Returns the sum of the amounts that come back. Returns `None` if it does not fit.
pub fn releasing(account: &Account) -> Option<Resources> {
    returns(account)?.iter().try_fold(Resources::default(), |sum, back| sum.checked_add(&back.amounts))
}

/// Returns the parts of an entry that stay charged when the controllers are done with it.
fn kept(entry: &Entry) -> Entry {
    let is_going = |uid: &str| entry.delete.as_deref() == Some(uid);
    match &entry.held {
        Some(held) if held.state == HeldState::Deleting || is_going(&held.uid) => Entry::default(),
        // A holding without a want belongs to an account that was made anew, and stays.
        Some(_) if entry.want.is_none() => entry.clone(),
        _ => Entry { held: None, ..entry.clone() },
    }
}

#[cfg(test)]
mod tests;
