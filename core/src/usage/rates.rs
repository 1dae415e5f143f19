//! The prices that hold at each moment, and the cost of uses by them.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::price::{Money, Price, Prices};
use super::range::Range;
use super::uses::{Class, Uses};
use crate::resources::{ResourceName, is_kept};
use crate::vocabulary::InstanceType;

/// The prices that hold at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tariff {
    /// The prices of containers.
    pub containers: Prices,
    /// The prices of VMs.
    pub vms: Prices,
    /// The prices of disks and their snapshots while the instance is off. A disk that is not named costs the same as while
    /// it is on.
    pub off: Prices,
}

impl Tariff {
    /// Returns the same prices for every type.
    pub fn flat(prices: Prices) -> Self {
        Self { containers: prices.clone(), vms: prices, off: Prices::new() }
    }

    /// Reports whether there is no price.
    pub fn is_empty(&self) -> bool {
        self.containers.is_empty() && self.vms.is_empty() && self.off.is_empty()
    }

    fn price(&self, name: &ResourceName, class: Class) -> Option<Price> {
        let while_on = match class.kind {
            InstanceType::Container => &self.containers,
            InstanceType::Vm => &self.vms,
        };
        let while_off = if class.off && is_kept(name) { self.off.get(name) } else { None };
        while_off.or_else(|| while_on.get(name)).copied()
    }
}

/// The prices over time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rates {
    /// The starts of the periods, sorted, with the prices of each. Nothing costs anything before the first one.
    periods: Vec<(Timestamp, Tariff)>,
    /// Whether all amounts of a resource have one price.
    one: bool,
}

impl Rates {
    /// Returns prices that hold at all times, for every type and state.
    pub fn flat(prices: Prices) -> Self {
        if prices.is_empty() {
            return Self::default();
        }
        Self { periods: vec![(Timestamp::MIN, Tariff::flat(prices))], one: true }
    }

    /// Returns the prices of a range, given the start of each period. Each period ends where the next one starts.
    pub fn within(range: Range, starts: BTreeMap<Timestamp, Tariff>) -> Self {
        let mut periods: Vec<(Timestamp, Tariff)> = Vec::new();
        for (from, tariff) in starts.into_iter().take_while(|(from, _)| *from < range.until) {
            if from <= range.from {
                periods.clear();
            }
            periods.push((from, tariff));
        }
        if periods.iter().all(|(_, tariff)| tariff.is_empty()) {
            return Self::default();
        }
        Self { periods, one: false }
    }

    /// Reports whether there is no price at all, so that no cost is shown.
    pub fn is_empty(&self) -> bool {
        self.periods.is_empty()
    }

    /// Iterates over the prices and the start of each period.
    pub fn periods(&self) -> impl Iterator<Item = (Timestamp, &Tariff)> {
        self.periods.iter().map(|(from, tariff)| (*from, tariff))
    }

    /// Reports whether the prices hold at all times, for every type and state.
    pub fn is_flat(&self) -> bool {
        self.one
    }

    /// Cuts a time where prices change. Iterates over the pieces, each with its class.
    pub fn pieces(
        &self,
        from: Timestamp,
        until: Timestamp,
        kind: InstanceType,
        off: bool,
    ) -> impl Iterator<Item = (Class, Timestamp, Timestamp)> {
        let mut next = if self.periods.is_empty() || self.one { None } else { Some(from) };
        // Without a change of prices, the whole time is one piece.
        let whole = (next.is_none() && from < until).then_some((Class::ONLY, from, until));
        let cut = std::iter::from_fn(move || {
            let from = next.filter(|from| *from < until)?;
            // The number of periods that have begun. Number 0 is the time before the first one.
            let period = self.periods.partition_point(|(start, _)| *start <= from);
            let end = self.periods.get(period).map_or(until, |(start, _)| until.min(*start));
            next = Some(end);
            Some((Class { period, kind, off }, from, end))
        });
        whole.into_iter().chain(cut)
    }

    fn price(&self, name: &ResourceName, class: Class) -> Option<Price> {
        let period = if self.one { Some(0) } else { class.period.checked_sub(1) };
        self.periods.get(period?)?.1.price(name, class)
    }

    /// Returns the exact cost of uses that were counted with these prices. Returns `None` if the sum does not fit.
    pub fn cost(&self, uses: &Uses) -> Option<Money> {
        uses.classes().try_fold(Money::default(), |sum, (name, class, amount)| match self.price(name, class) {
            Some(price) => sum.checked_add(Money::of(name, amount, price)?),
            None => Some(sum),
        })
    }
}
