//! Prices by the hour, and exact sums of money.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::uses::{HOUR, NANO, decimal, unit_hour};
use crate::resources::ResourceName;

/// The price of an hour of a core, a GiB or a piece, in 10^-9 of the currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price(i128);

/// The reason why a text is not a price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a price: use a number such as 0.03, with at most 9 digits before and after the point")]
pub struct InvalidPrice(String);

impl FromStr for Price {
    type Err = InvalidPrice;
    fn from_str(text: &str) -> Result<Self, InvalidPrice> {
        let invalid = || InvalidPrice(text.to_owned());
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| (1..=9).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(fraction) {
            return Err(invalid());
        }
        let number = |text: &str| text.parse::<i128>().map_err(|_| invalid());
        Ok(Self(number(whole)? * NANO + number(&format!("{fraction:0<9}"))?))
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = decimal(self.0, NANO, 9);
        f.pad(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// Prices by resource. A resource that is not named costs nothing.
pub type Prices = BTreeMap<ResourceName, Price>;

/// The parts of 10^-9 of the currency in which money is counted. Each product of an amount, a time and a price is a whole
/// number of them.
const PARTS: i128 = NANO * HOUR * (1 << 30);

/// An exact sum of money.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money {
    /// The sum in 10^-9 of the currency, rounded down.
    nanos: i128,
    /// The rest, in [`PARTS`] of 10^-9.
    parts: i128,
}

impl Money {
    /// Returns the cost of a sum of a resource, in 10^-9 units times milliseconds. Returns `None` if it does not fit.
    pub(super) fn of(name: &ResourceName, sum: i128, Price(price): Price) -> Option<Self> {
        let by = unit_hour(name);
        let (whole, rest) = (sum / by, sum % by);
        // The product of the remainder and a whole price would not fit, so the price is split.
        let (units, nanos) = (price / NANO, price % NANO);
        let by_units = rest * units;
        let by_nanos = by_units % by * NANO + rest * nanos;
        let nanos = whole.checked_mul(price)?.checked_add(by_units / by * NANO)?.checked_add(by_nanos / by)?;
        Some(Self { nanos, parts: by_nanos % by * (PARTS / by) })
    }

    /// Adds two sums. Returns `None` if the result does not fit.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let parts = self.parts + other.parts;
        let nanos = self.nanos.checked_add(other.nanos)?.checked_add(parts / PARTS)?;
        Some(Self { nanos, parts: parts % PARTS })
    }

    /// Returns a share of the sum. The rest below a part of 10^-9 is dropped.
    #[must_use]
    pub fn divided(self, by: u32) -> Self {
        let by = i128::from(by.max(1));
        Self { nanos: self.nanos / by, parts: (self.nanos % by * PARTS + self.parts) / by }
    }

    /// Returns the sum rounded to `digits` digits after the point, at most 9.
    pub fn decimal(self, digits: u32) -> String {
        // The parts decide only the last of nine digits: half of a larger unit is a whole number of 10^-9.
        let up = digits >= 9 && self.parts >= PARTS - self.parts;
        decimal(self.nanos + i128::from(up), NANO, digits.min(9))
    }

    /// Returns the sum in 10^-9 of the currency, rounded down.
    pub fn nanos(self) -> i128 {
        self.nanos
    }
}
