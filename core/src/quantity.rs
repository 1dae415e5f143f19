//! Exact quantities, as Kubernetes writes them.
//!
//! A [`Quantity`] is a whole number of nano-units in an `i128`, with the family of suffixes it was written in, so
//! that sums print as a person expects. It reads what `resource.ParseQuantity` of apimachinery reads and prints what
//! its `String` prints; vectors made with the real one are in `tests/vectors/quantity.tsv`. On purpose stricter:
//! a text without any digit (there it is 0), and amounts beyond 2^63-1 units (there they are capped or kept,
//! depending on the suffix), are refused.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Stored;
use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

const NANO: i128 = 1_000_000_000;
const MAX: i128 = i64::MAX as i128 * NANO;

/// The family of suffixes a quantity is printed with; named as in apimachinery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// `12Mi`
    Binary,
    /// `12M`, `12m`
    Decimal,
    /// `12e6`
    Exponent,
}

/// An exact amount of a resource: cores, bytes, pieces.
#[derive(Debug, Clone, Copy)]
pub struct Quantity {
    nanos: i128,
    format: Format,
}

/// Why a text is no quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidQuantity {
    /// It does not have the form of one.
    #[error("{0:?} is not a quantity: write a number with an optional suffix, such as 2, 500m or 4Gi")]
    Form(String),
    /// It is larger than any machine.
    #[error("{0:?} is too large: the largest quantity is 9223372036854775807")]
    TooLarge(String),
}

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self { nanos: 0, format: Format::Decimal };

    /// A whole number of units.
    pub fn whole(units: u32) -> Self {
        Self { nanos: i128::from(units) * NANO, format: Format::Decimal }
    }

    /// How many units it is, if it is a whole number of them.
    pub fn as_whole(self) -> Option<u32> {
        if self.nanos % NANO == 0 { u32::try_from(self.nanos / NANO).ok() } else { None }
    }

    /// A number of mebibytes.
    pub fn mebibytes(mebibytes: u32) -> Self {
        Self { nanos: (i128::from(mebibytes) << 20) * NANO, format: Format::Binary }
    }

    /// A number of thousandths.
    pub fn milli(thousandths: u32) -> Self {
        Self { nanos: i128::from(thousandths) * 1_000_000, format: Format::Decimal }
    }

    /// The amount in 10^-9 of a unit.
    pub fn nanos(self) -> i128 {
        self.nanos
    }

    /// Whether it is 0.
    pub fn is_zero(self) -> bool {
        self.nanos == 0
    }

    /// Whether it is below 0.
    pub fn is_negative(self) -> bool {
        self.nanos < 0
    }

    /// Whether it is a whole multiple of `step`.
    pub fn is_multiple_of(self, step: Self) -> bool {
        step.nanos != 0 && self.nanos % step.nanos == 0
    }

    /// The sum; `None` if it does not fit.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let format = if self.is_zero() { other.format } else { self.format };
        Some(Self { nanos: self.nanos.checked_add(other.nanos)?, format })
    }

    /// The difference, possibly below 0; `None` if it does not fit.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        let format = if self.is_zero() { other.format } else { self.format };
        Some(Self { nanos: self.nanos.checked_sub(other.nanos)?, format })
    }

    /// So many times as much; `None` if it does not fit.
    #[must_use]
    pub fn checked_mul(self, times: u32) -> Option<Self> {
        Some(Self { nanos: self.nanos.checked_mul(i128::from(times))?, format: self.format })
    }

    /// The amount in units, as a decimal number without suffix and without rounding: `1.5`, `0.000000001`.
    pub fn decimal(self) -> String {
        self.decimal_of(NANO)
    }

    /// The amount in gibibytes, as a decimal number cut after nine digits: `4`, `0.5`.
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

/// What a suffix multiplies by: a power of ten or of two.
enum Scale {
    Ten(i32),
    Two(u32),
}

impl Scale {
    /// How many nano-units it is, if it is a whole number of them of which four thousand million are not too many.
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
        // Nearly every amount is a small whole number of something.
        if let (true, Ok(value), Some(unit)) = (fraction.is_empty(), whole.parse::<u32>(), scale.nanos()) {
            let nanos = i128::from(value) * unit;
            return Ok(Self { nanos: if negative { -nanos } else { nanos }, format });
        }

        // The digits as one whole number, times 10^-(length of the fraction), times the suffix, times 10^9 for nano.
        let digits = format!("{whole}{fraction}");
        let significant = digits.trim_start_matches('0');
        if significant.is_empty() {
            return Ok(Self { nanos: 0, format });
        }
        // Zeros at the end go into the exponent, so that 0.500000000000000000000000000000000 stays small.
        let trimmed = significant.trim_end_matches('0');
        let dropped = i64::try_from(significant.len() - trimmed.len()).map_err(|_| too_large())?;
        let places = i64::try_from(fraction.len()).map_err(|_| form())?;
        let mut exponent = dropped - places + 9;
        let mut value: i128 = if trimmed.len() <= 38 {
            trimmed.parse().map_err(|_| too_large())?
        } else {
            // More digits than an i128 holds: those after the 37th can only matter by being there (rounding up).
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
        // Kubernetes rounds what is finer than nano away from zero: whoever asks for something gets something.
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
    /// Kubernetes' canonical form: no precision lost, no fraction, the largest suffix that allows both.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, magnitude) = if self.nanos < 0 { ("-", -self.nanos) } else { ("", self.nanos) };
        if magnitude == 0 {
            return f.pad("0");
        }
        // Below 1024 and fractions are not written in binary, "to avoid rounding and hopefully confusion".
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

/// Amounts by key, as the `hard` of a ResourceQuota has them.
pub type Amounts = BTreeMap<String, Quantity>;

pub(crate) fn stored(amounts: impl IntoIterator<Item = (String, Quantity)>) -> BTreeMap<String, Stored> {
    amounts.into_iter().map(|(name, amount)| (name, amount.into())).collect()
}

/// Amounts that were read; `None` if one of them cannot be.
pub fn amounts_of(amounts: Option<&BTreeMap<String, Stored>>) -> Option<Amounts> {
    amounts.into_iter().flatten().map(|(name, amount)| Some((name.clone(), amount.0.parse().ok()?))).collect()
}

#[cfg(test)]
mod tests;
