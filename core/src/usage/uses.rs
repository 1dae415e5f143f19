//! Amounts multiplied by time, and the units in which they are counted.
//!
//! Each amount is counted in the class of its price. A report in which prices change therefore costs one multiplication
//! for each class at the end, and no rounding before.

use std::collections::BTreeMap;

use crate::resources::{CPU, EPHEMERAL_STORAGE, MEMORY, ResourceName, SNAPSHOT_STORAGE, STORAGE};
use crate::vocabulary::InstanceType;

/// Milliseconds of an hour.
pub(super) const HOUR: i128 = 3_600_000;
/// The number of nano-units (10^-9) in a unit.
pub(super) const NANO: i128 = 1_000_000_000;

/// The error of a sum that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is more than can be added up: choose a shorter time")]
pub struct TooMuch;

/// The class of amounts that have the same prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class {
    /// The number of the period in which the prices hold.
    pub period: usize,
    /// The type of the instances.
    pub kind: InstanceType,
    /// Whether the instances were off.
    pub off: bool,
}

impl Class {
    /// The class of all amounts if every amount of a resource has the same price.
    pub const ONLY: Self = Self { period: 0, kind: InstanceType::Container, off: false };
}

/// Amounts multiplied by time, by resource and by class.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uses(BTreeMap<ResourceName, BTreeMap<Class, i128>>);

impl Uses {
    /// Adds an amount in 10^-9 units for a time in milliseconds.
    pub(super) fn add(
        &mut self,
        name: &ResourceName,
        class: Class,
        nanos: i128,
        milliseconds: i128,
    ) -> Result<(), TooMuch> {
        let more = nanos.max(0).checked_mul(milliseconds).ok_or(TooMuch)?;
        if !self.0.contains_key(name) {
            self.0.insert(name.clone(), BTreeMap::new());
        }
        if let Some(classes) = self.0.get_mut(name) {
            let sum = classes.entry(class).or_default();
            *sum = sum.checked_add(more).ok_or(TooMuch)?;
        }
        Ok(())
    }

    /// Iterates over the resources, sorted by name.
    pub fn names(&self) -> impl Iterator<Item = &ResourceName> {
        self.0.keys()
    }

    /// Iterates over the sums of each resource and class, in 10^-9 units times milliseconds.
    pub fn classes(&self) -> impl Iterator<Item = (&ResourceName, Class, i128)> {
        self.0.iter().flat_map(|(name, classes)| classes.iter().map(move |(class, sum)| (name, *class, *sum)))
    }

    /// Returns the sum of one resource, in 10^-9 units times milliseconds.
    pub fn get(&self, name: &ResourceName) -> i128 {
        let classes = self.0.get(name).into_iter().flat_map(BTreeMap::values);
        classes.fold(0, |sum, one| one.saturating_add(sum))
    }

    /// Returns the hours of a resource, rounded to `digits` digits after the point: hours of cores, GiB or pieces.
    pub fn hours(&self, name: &ResourceName, digits: u32) -> String {
        decimal(self.get(name), unit_hour(name), digits)
    }

    /// Returns the seconds of a resource without rounding: seconds of cores, bytes or pieces.
    pub fn seconds(&self, name: &ResourceName) -> String {
        let text = decimal(self.get(name), NANO * 1000, 12);
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    }
}

/// The unit of memory and disks in hours.
pub const GIB: &str = "GiB";

/// Returns the unit of a resource in hours: GiB for memory and disks, `core` for CPU, the resource itself for others.
pub fn unit(name: &ResourceName) -> &str {
    match name.as_str() {
        MEMORY | STORAGE | SNAPSHOT_STORAGE | EPHEMERAL_STORAGE => GIB,
        CPU => "core",
        other => other,
    }
}

/// Returns an hour of that unit, in 10^-9 units times milliseconds.
pub fn unit_hour(name: &ResourceName) -> i128 {
    NANO * HOUR * if unit(name) == GIB { 1 << 30 } else { 1 }
}

/// Returns the fraction of two numbers that are not below 0. It is rounded to `digits` digits after the point, half up.
pub fn decimal(of: i128, by: i128, digits: u32) -> String {
    let (mut whole, rest) = (of / by, of % by);
    let scale = 10_i128.pow(digits);
    // The remainder is below an hour of a GiB, so this product fits.
    let mut fraction = (rest * scale + by / 2) / by;
    if fraction == scale {
        whole += 1;
        fraction = 0;
    }
    let width = usize::try_from(digits).unwrap_or(0);
    if digits == 0 { whole.to_string() } else { format!("{whole}.{fraction:0width$}") }
}

/// Returns a part of a whole in percent, with one digit. A part of 0 in a whole of 0 is `0.0`.
pub fn percent(part: i128, whole: i128) -> String {
    decimal(part.saturating_mul(100), whole.max(1), 1)
}
