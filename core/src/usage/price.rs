//! Costs: prices by the hour, and exact sums of them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::{NANO, Uses, unit_hour};
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
        let text = super::decimal(self.0, NANO, 9);
        f.pad(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// Prices by resource. A resource that is not named costs nothing.
pub type Prices = BTreeMap<ResourceName, Price>;

/// A sum of money, in 10^-9 of the currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money(i128);

impl Money {
    /// Returns the sum rounded to `digits` digits after the point.
    pub fn decimal(self, digits: u32) -> String {
        super::decimal(self.0, NANO, digits)
    }

    /// Returns the sum in 10^-9 of the currency.
    pub fn nanos(self) -> i128 {
        self.0
    }
}

/// Returns the cost, with each resource rounded to 10^-9. Returns `None` if the sum does not fit.
pub fn cost(uses: &Uses, prices: &Prices) -> Option<Money> {
    let mut sum = 0_i128;
    for (name, price) in prices {
        sum = sum.checked_add(times(uses.get(name), price.0, unit_hour(name))?)?;
    }
    Some(Money(sum))
}

/// Returns `of * price / by`, rounded. It computes in steps that fit, because the product of the remainder and a whole
/// price would not.
fn times(of: i128, price: i128, by: i128) -> Option<i128> {
    let (whole, rest) = (of / by, of % by);
    let (units, nanos) = (price / NANO, price % NANO);
    let by_units = rest * units;
    let by_nanos = by_units % by * NANO + rest * nanos;
    whole.checked_mul(price)?.checked_add(by_units / by * NANO)?.checked_add((by_nanos + by / 2) / by)
}
