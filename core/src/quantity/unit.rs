//! Amounts in one unit, so that the cells of a row can be compared at a glance.

use super::{Format, NANO, Quantity};

/// The most digits after the point.
const DIGITS: usize = 3;

const BINARY: [(&str, i128); 7] =
    [("Ei", 1 << 60), ("Pi", 1 << 50), ("Ti", 1 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10), ("", 1)];

/// Writes amounts of cores or pieces as decimal numbers: `0.5`, `16`.
pub fn plain(amounts: &[Quantity]) -> Vec<String> {
    amounts.iter().map(|amount| amount.decimal()).collect()
}

/// Writes amounts of bytes in one binary unit: `0.5Gi`, `64Gi`. The unit is the largest one that writes `total` as a
/// whole number, and each amount with three digits after the point at most. Amounts with decimal suffixes are written
/// one by one.
pub fn bytes(total: Quantity, amounts: &[Quantity]) -> Vec<String> {
    if total.format != Format::Binary {
        return amounts.iter().map(ToString::to_string).collect();
    }
    let short = |amount: &Quantity, unit: i128| exact(*amount, unit).is_some();
    let fits = |unit: i128| total.nanos % (unit * NANO) == 0 && amounts.iter().all(|amount| short(amount, unit));
    let (suffix, unit) = BINARY.into_iter().find(|(_, unit)| fits(*unit)).unwrap_or(("", 1));
    let write = |amount: &Quantity| match exact(*amount, unit) {
        Some(number) if number != "0" => format!("{number}{suffix}"),
        Some(zero) => zero,
        None => amount.to_string(),
    };
    amounts.iter().map(write).collect()
}

/// Writes an amount in a unit, if few digits after the point are enough.
fn exact(amount: Quantity, unit: i128) -> Option<String> {
    let scaled = amount.nanos.checked_mul(1000)?;
    let unit = unit * NANO;
    if scaled % unit != 0 {
        return None;
    }
    let thousandths = scaled / unit;
    let (sign, magnitude) = if thousandths < 0 { ("-", -thousandths) } else { ("", thousandths) };
    let (whole, fraction) = (magnitude / 1000, magnitude % 1000);
    let fraction = format!("{fraction:0DIGITS$}");
    Some(format!("{sign}{whole}.{fraction}").trim_end_matches('0').trim_end_matches('.').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amounts(texts: &str) -> Vec<Quantity> {
        texts.split(' ').map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn the_amounts_of_a_row_have_one_unit() {
        for (given, expected) in [
            ("0 64Gi 64Gi", "0 64Gi 64Gi"),
            ("12Gi 52Gi 64Gi", "12Gi 52Gi 64Gi"),
            ("512Mi 65024Mi 64Gi", "0.5Gi 63.5Gi 64Gi"),
            ("128Mi 65408Mi 64Gi", "0.125Gi 63.875Gi 64Gi"),
            ("100Mi 65436Mi 64Gi", "100Mi 65436Mi 65536Mi"),
            ("0 128Gi 128Gi", "0 128Gi 128Gi"),
            ("512Gi 512Gi 1Ti", "0.5Ti 0.5Ti 1Ti"),
            ("15Gi -7Gi 8Gi", "15Gi -7Gi 8Gi"),
            ("9Gi -512Mi 8704Mi", "9216Mi -512Mi 8704Mi"),
            ("1 1023 1Ki", "1 1023 1024"),
            ("4Gi 60G 64G", "4Gi 60G 64G"),
            ("0 0 0", "0 0 0"),
        ] {
            let given = amounts(given);
            assert_eq!(bytes(given[2], &given).join(" "), expected, "{given:?}");
        }
        assert_eq!(plain(&amounts("500m 15500m 16 2k -1")).join(" "), "0.5 15.5 16 2000 -1");
    }
}
