//! Numbers and times as people read them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use cmp_core::usage::decimal;
use cmp_core::usage::range::Range;
use cmp_core::usage::slots::Unit;

/// The sentences about an absent quota.
pub(super) const NO_QUOTA: &str = "The mirror recorded no quota in this time.";
pub(in crate::commands::report) const USERS_QUOTA: &str = "A quota is of a user, and not of a cluster.";

/// Returns hours with two digits, given the unit.
pub(super) fn hours(value: i128, one: i128) -> String {
    grouped(&decimal(value, one, 2))
}

/// Returns a decimal number with separators of thousands: `8,412.50`.
pub(super) fn grouped(number: &str) -> String {
    let (whole, fraction) = number.split_once('.').map_or((number, None), |(whole, fraction)| (whole, Some(fraction)));
    if !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return number.to_owned();
    }
    let mut text = String::with_capacity(number.len() + 4);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if let Some(fraction) = fraction {
        text.push('.');
        text.push_str(fraction);
    }
    text
}

/// Returns a count with its noun: `1 user`, `1,200 users`.
pub(super) fn count(number: usize, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {noun}{s}", grouped(&number.to_string()))
}

fn formatted(at: Timestamp, zone: &TimeZone, form: &str) -> String {
    at.to_zoned(zone.clone()).strftime(form).to_string()
}

/// Returns a day: `3 November 2025`.
pub(super) fn day(at: Timestamp, zone: &TimeZone) -> String {
    formatted(at, zone, "%-d %B %Y")
}

/// Returns a day and a time: `3 November 2025, 08:00`.
pub(super) fn moment(at: Timestamp, zone: &TimeZone) -> String {
    formatted(at, zone, "%-d %B %Y, %H:%M")
}

/// Returns a moment as a key that sorts.
pub(super) fn key(at: Timestamp) -> String {
    formatted(at, &TimeZone::UTC, "%Y-%m-%dT%H:%M:%S")
}

/// Returns the short name of a slot for an axis.
pub(super) fn short(at: Timestamp, unit: Unit, zone: &TimeZone) -> String {
    formatted(
        at,
        zone,
        match unit {
            Unit::Hour => "%H:%M",
            Unit::Day | Unit::Week => "%-d %b",
            Unit::Month => "%b %Y",
        },
    )
}

/// Returns the whole name of a slot.
pub(super) fn long(at: Timestamp, unit: Unit, zone: &TimeZone) -> String {
    match unit {
        Unit::Hour => moment(at, zone),
        Unit::Day => day(at, zone),
        Unit::Week => format!("week of {}", day(at, zone)),
        Unit::Month => formatted(at, zone, "%B %Y"),
    }
}

/// Returns a range and its preposition: `In` and `October 2026`, `On` and `3 November 2025`, `From` and `3 to 9 November 2025`.
pub(super) fn period(range: Range, zone: &TimeZone) -> (&'static str, String) {
    let (from, until) = (range.from.to_zoned(zone.clone()), range.until.to_zoned(zone.clone()));
    let is_midnight = |at: &jiff::Zoned| at.start_of_day().is_ok_and(|start| start == *at);
    let last = until.date().yesterday().ok().filter(|_| is_midnight(&from) && is_midnight(&until));
    let Some(last) = last else {
        return ("From", format!("{} to {}", moment(range.from, zone), moment(range.until, zone)));
    };
    let first = from.date();
    let month = (first.year(), first.month()) == (last.year(), last.month());
    if month && first.day() == 1 && last == last.last_of_month() {
        return ("In", first.strftime("%B %Y").to_string());
    }
    if first == last {
        return ("On", first.strftime("%-d %B %Y").to_string());
    }
    let first = if month { first.strftime("%-d") } else { first.strftime("%-d %B %Y") };
    ("From", format!("{first} to {}", last.strftime("%-d %B %Y")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        let check = |number: &str, expected: &str| assert_eq!(grouped(number), expected);
        check("0", "0");
        check("999.50", "999.50");
        check("1000", "1,000");
        check("8412.25", "8,412.25");
        check("26910720000.00", "26,910,720,000.00");
        check("-", "-");
        check("12%", "12%");
        assert_eq!(
            (count(1, "user"), count(0, "user"), count(1200, "user")),
            ("1 user".into(), "0 users".into(), "1,200 users".into())
        );
    }

    #[test]
    fn a_period_is_named_as_people_name_it() {
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let check = |from: &str, until: &str, zone: &TimeZone, expected: &str| {
            let range = Range { from: from.parse().unwrap(), until: until.parse().unwrap() };
            let (preposition, words) = period(range, zone);
            assert_eq!(format!("{preposition} {words}"), expected);
        };
        let utc = &TimeZone::UTC;
        check("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z", utc, "In October 2026");
        check("2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z", &berlin, "In October 2026");
        check("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", &berlin, "On 25 October 2026");
        check("2026-10-03T00:00:00Z", "2026-10-10T00:00:00Z", utc, "From 3 to 9 October 2026");
        check("2025-12-30T00:00:00Z", "2026-01-02T00:00:00Z", utc, "From 30 December 2025 to 1 January 2026");
        let odd = "From 1 November 2026, 01:00 to 2 November 2026, 11:30";
        check("2026-11-01T00:00:00Z", "2026-11-02T10:30:00Z", &berlin, odd);
    }
}
