//! Exact quantities, as Kubernetes writes them.
//!
//! A [`Quantity`] is a whole number of nano-units in an `i128`. It keeps the family of suffixes it was written in, so
//! that sums print as a person expects. It reads the texts that `resource.ParseQuantity` of apimachinery reads, and
//! prints like its `String`. Vectors made with the real apimachinery are in `tests/vectors/quantity.tsv`.
//!
//! Two cases are refused on purpose. Apimachinery reads a text without any digit as 0. It caps or keeps amounts beyond
//! 2^63-1 units, depending on the suffix.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Stored;
use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

pub mod unit;

const NANO: i128 = 1_000_000_000;
const MAX: i128 = i64::MAX as i128 * NANO;

/// The family of suffixes that a quantity is printed with, named as in apimachinery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// Binary suffixes, as in `12Mi`.
    Binary,
    /// Decimal suffixes, as in `12M` and `12m`.
    Decimal,
    /// Decimal exponents, as in `12e6`.
    Exponent,
}

/// An exact amount of a resource: cores, bytes, pieces.
#[derive(Debug, Clone, Copy)]
pub struct Quantity {
    nanos: i128,
    format: Format,
}

/// The reason why a text is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidQuantity {
    /// The text does not have the form of a quantity.
    #[error("{0:?} is not a quantity: write a number with an optional suffix, such as 2, 500m or 4Gi")]
    Form(String),
    /// The amount is above the largest quantity, 2^63-1 units.
    #[error("{0:?} is too large: the largest quantity is 9223372036854775807")]
    TooLarge(String),
}

impl Quantity {
    /// The amount of 0 units.
    pub const ZERO: Self = Self { nanos: 0, format: Format::Decimal };

    /// Returns a whole number of units.
    pub fn whole(units: u32) -> Self {
        Self { nanos: i128::from(units) * NANO, format: Format::Decimal }
    }

    /// Returns the number of units, if it is a whole number that fits.
    pub fn as_whole(self) -> Option<u32> {
        if self.nanos % NANO == 0 { u32::try_from(self.nanos / NANO).ok() } else { None }
    }

    /// Returns an amount of mebibytes, printed with binary suffixes.
    pub fn mebibytes(mebibytes: u32) -> Self {
        Self { nanos: (i128::from(mebibytes) << 20) * NANO, format: Format::Binary }
    }

    /// Returns an amount of thousandths of a unit.
    pub fn milli(thousandths: u32) -> Self {
        Self { nanos: i128::from(thousandths) * 1_000_000, format: Format::Decimal }
    }

    /// Returns the amount in 10^-9 of a unit.
    pub fn nanos(self) -> i128 {
        self.nanos
    }

    /// Reports whether the amount is 0.
    pub fn is_zero(self) -> bool {
        self.nanos == 0
    }

    /// Reports whether the amount is below 0.
    pub fn is_negative(self) -> bool {
        self.nanos < 0
    }

    /// Reports whether the amount is a whole multiple of `step`.
    pub fn is_multiple_of(self, step: Self) -> bool {
        step.nanos != 0 && self.nanos % step.nanos == 0
    }

    /// Returns the sum, or `None` if it does not fit.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let format = if self.is_zero() { other.format } else { self.format };
        Some(Self { nanos: self.nanos.checked_add(other.nanos)?, format })
    }

    /// Returns the difference, possibly below 0, or `None` if it does not fit.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        let format = if self.is_zero() { other.format } else { self.format };
        Some(Self { nanos: self.nanos.checked_sub(other.nanos)?, format })
    }

    /// Returns the amount multiplied by `times`, or `None` if the product does not fit.
    #[must_use]
    pub fn checked_mul(self, times: u32) -> Option<Self> {
        Some(Self { nanos: self.nanos.checked_mul(i128::from(times))?, format: self.format })
    }

    /// Returns one of `parts` equal parts, or `None` if a part is no whole multiple of `step`.
    #[must_use]
    pub fn part(self, parts: u32, step: Self) -> Option<Self> {
        let part = Self { nanos: self.nanos.checked_div(i128::from(parts))?, ..self };
        (part.checked_mul(parts) == Some(self) && part.is_multiple_of(step)).then_some(part)
    }

    /// Returns how many times `part` fits into the amount. Returns `None` if that is no number, or too large.
    #[must_use]
    pub fn times(self, part: Self) -> Option<u32> {
        if part.nanos <= 0 {
            return None;
        }
        u32::try_from(self.nanos.checked_div(part.nanos)?).ok()
    }

    /// Returns the amount in units, as a decimal number without suffix and without rounding: `1.5`, `0.000000001`.
    pub fn decimal(self) -> String {
        self.decimal_of(NANO)
    }

    /// Returns the amount in gibibytes, as a decimal number cut after nine digits: `4`, `0.5`.
    pub fn gibibytes(self) -> String {
        let scaled = Self { nanos: self.nanos >> 30, ..self };
        scaled.decimal_of(NANO)
    }

    fn decimal_of(self, unit: i128) -> String {
        let (sign, magnitude) = if self.nanos < 0 { ("-", -self.nanos) } else { ("", self.nanos) };
        let (whole, fraction) = (magnitude / unit, magnitude % unit);
        if fraction == 0 {
            return format!("{sign}{whole}");
        }
        let fraction = format!("{fraction:09}");
        format!("{sign}{whole}.{}", fraction.trim_end_matches('0'))
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}
impl Eq for Quantity {}
impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

/// The factor of a suffix: a power of ten or of two.
enum Scale {
    Ten(i32),
    Two(u32),
}

impl Scale {
    /// Returns the factor in nano-units, if it is a whole number and small enough that four thousand million of them
    /// still fit.
    fn nanos(&self) -> Option<i128> {
        match self {
            Self::Ten(power) => 10_i128.checked_pow(u32::try_from(power.checked_add(9)?).ok()?).filter(|_| *power <= 9),
            Self::Two(power) => Some(NANO << power).filter(|_| *power <= 30),
        }
    }
}

fn suffix(text: &str) -> Option<(Scale, Format)> {
    let (scale, format) = match text {
        "n" => (Scale::Ten(-9), Format::Decimal),
        "u" => (Scale::Ten(-6), Format::Decimal),
        "m" => (Scale::Ten(-3), Format::Decimal),
        "" => (Scale::Ten(0), Format::Decimal),
        "k" => (Scale::Ten(3), Format::Decimal),
        "M" => (Scale::Ten(6), Format::Decimal),
        "G" => (Scale::Ten(9), Format::Decimal),
        "T" => (Scale::Ten(12), Format::Decimal),
        "P" => (Scale::Ten(15), Format::Decimal),
        "E" => (Scale::Ten(18), Format::Decimal),
        "Ki" => (Scale::Two(10), Format::Binary),
        "Mi" => (Scale::Two(20), Format::Binary),
        "Gi" => (Scale::Two(30), Format::Binary),
        "Ti" => (Scale::Two(40), Format::Binary),
        "Pi" => (Scale::Two(50), Format::Binary),
        "Ei" => (Scale::Two(60), Format::Binary),
        exponent => {
            let digits = exponent.strip_prefix(['e', 'E'])?;
            (Scale::Ten(digits.parse().ok()?), Format::Exponent)
        }
    };
    Some((scale, format))
}

impl FromStr for Quantity {
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        let form = || InvalidQuantity::Form(text.to_owned());
        let too_large = || InvalidQuantity::TooLarge(text.to_owned());
        let (negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
        let (number, rest) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
            return Err(form());
        }
        let (scale, format) = suffix(rest).ok_or_else(form)?;
        // Fast path: nearly every amount is a small whole number of something.
        if let (true, Ok(value), Some(unit)) = (fraction.is_empty(), whole.parse::<u32>(), scale.nanos()) {
            let nanos = i128::from(value) * unit;
            return Ok(Self { nanos: if negative { -nanos } else { nanos }, format });
        }

        // The digits form one whole number, times 10^-(length of the fraction), times the suffix, times 10^9 for nano.
        let digits = format!("{whole}{fraction}");
        let significant = digits.trim_start_matches('0');
        if significant.is_empty() {
            return Ok(Self { nanos: 0, format });
        }
        // Trailing zeros move into the exponent, so that 0.500000000000000000000000000000000 stays small.
        let trimmed = significant.trim_end_matches('0');
        let dropped = i64::try_from(significant.len() - trimmed.len()).map_err(|_| too_large())?;
        let places = i64::try_from(fraction.len()).map_err(|_| form())?;
        let mut exponent = dropped - places + 9;
        let mut value: i128 = if trimmed.len() <= 38 {
            trimmed.parse().map_err(|_| too_large())?
        } else {
            // An i128 cannot hold more digits. Those after the 37th matter only by their presence (rounding up).
            let (head, tail) = trimmed.split_at(37);
            exponent += i64::try_from(tail.len()).map_err(|_| form())?;
            head.parse::<i128>().map_err(|_| too_large())? + 1
        };
        match scale {
            Scale::Ten(power) => exponent += i64::from(power),
            Scale::Two(power) => {
                // A long fraction can make the product too wide before the division below narrows it again.
                while value > i128::MAX >> power && exponent < 0 {
                    value = value / 10 + i128::from(value % 10 != 0);
                    exponent += 1;
                }
                value = value.checked_mul(1 << power).ok_or_else(too_large)?;
            }
        }
        // Kubernetes rounds amounts finer than nano away from zero, so that a request for something is never a request
        // for 0.
        while exponent < 0 && value > 1 {
            value = value / 10 + i128::from(value % 10 != 0);
            exponent += 1;
        }
        while exponent > 0 && value <= MAX {
            value = value.checked_mul(10).ok_or_else(too_large)?;
            exponent -= 1;
        }
        if value > MAX {
            return Err(too_large());
        }
        Ok(Self { nanos: if negative { -value } else { value }, format })
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// JSON has quantities as strings and as whole numbers.
impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl Visitor<'_> for Written {
            type Value = Quantity;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity, such as \"2\", \"500m\" or \"4Gi\"")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Quantity, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Quantity, E> {
                self.visit_str(&number.to_string())
            }
        }
        deserializer.deserialize_any(Written)
    }
}

impl From<Quantity> for Stored {
    fn from(quantity: Quantity) -> Self {
        Self(quantity.to_string())
    }
}

impl fmt::Display for Quantity {
    /// Writes Kubernetes' canonical form: no precision lost, no fraction, the largest suffix that allows both.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, magnitude) = if self.nanos < 0 { ("-", -self.nanos) } else { ("", self.nanos) };
        if magnitude == 0 {
            return f.pad("0");
        }
        // Amounts below 1024 and fractions are not written in binary, "to avoid rounding and hopefully confusion".
        let binary = self.format == Format::Binary && magnitude >= 1024 * NANO && magnitude % NANO == 0;
        let (mut value, suffixes): (i128, &[&str]) = if binary {
            (magnitude / NANO, &["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"])
        } else {
            (magnitude, &["n", "u", "m", "", "k", "M", "G", "T", "P", "E"])
        };
        let step = if binary { 1024 } else { 1000 };
        let mut at = 0;
        while value % step == 0 && at + 1 < suffixes.len() {
            value /= step;
            at += 1;
        }
        let text = if self.format == Format::Exponent {
            match i32::try_from(at).unwrap_or(0) * 3 - 9 {
                0 => format!("{sign}{value}"),
                exponent => format!("{sign}{value}e{exponent}"),
            }
        } else {
            format!("{sign}{value}{}", suffixes.get(at).copied().unwrap_or_default())
        };
        f.pad(&text)
    }
}

/// Amounts by key, as in the `hard` of a ResourceQuota.
pub type Amounts = BTreeMap<String, Quantity>;

pub(crate) fn stored(amounts: impl IntoIterator<Item = (String, Quantity)>) -> BTreeMap<String, Stored> {
    amounts.into_iter().map(|(name, amount)| (name, amount.into())).collect()
}

/// Parses amounts that were read. Returns `None` if one of them cannot be parsed.
pub fn amounts_of(amounts: Option<&BTreeMap<String, Stored>>) -> Option<Amounts> {
    amounts.into_iter().flatten().map(|(name, amount)| Some((name.clone(), amount.0.parse().ok()?))).collect()
}

#[cfg(test)]
mod tests;
