//! The hours, days, weeks and months of a time zone within a range.

use jiff::civil::{DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::Watched;
use super::range::{Range, between, start};
use super::uses::HOUR;

/// The most slots of a chart over time.
pub const MOST: i128 = 62;

/// Milliseconds of a day.
const DAY: i128 = 24 * HOUR;

/// The length of a slot by the clocks of a time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// An hour.
    Hour,
    /// A day, which has 23 or 25 hours when the clocks change.
    Day,
    /// A week that begins on Monday.
    Week,
    /// A month.
    Month,
}

impl Unit {
    /// Returns the unit in which a range has about [`MOST`] slots or fewer.
    pub fn of(range: Range) -> Self {
        let days = range.milliseconds() / DAY;
        match days {
            0..2 => Self::Hour,
            2..=MOST => Self::Day,
            _ if days <= MOST * 7 => Self::Week,
            _ => Self::Month,
        }
    }

    /// Returns the name of the unit.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// Returns the start of the next slot.
    fn next(self, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let here = zone.to_datetime(at);
        let date = match self {
            Self::Hour => return next_hour(at, here),
            Self::Day => here.date().tomorrow().ok()?,
            Self::Week => {
                let days = 7 - i64::from(here.date().weekday().to_monday_zero_offset());
                here.date().checked_add(days.days()).ok()?
            }
            Self::Month => here.date().first_of_month().checked_add(1.month()).ok()?,
        };
        start(date, zone).filter(|next| *next > at)
    }
}

fn next_hour(at: Timestamp, here: DateTime) -> Option<Timestamp> {
    let seconds = i64::from(here.minute()) * 60 + i64::from(here.second());
    let past = SignedDuration::new(seconds, here.subsec_nanosecond());
    at.checked_add(SignedDuration::from_hours(1).checked_sub(past)?).ok()
}

/// Returns the slots of a range, in order. The first and the last one are cut to the range.
pub fn slots(range: Range, unit: Unit, zone: &TimeZone) -> Vec<Watched> {
    let mut slots = Vec::new();
    let mut from = range.from;
    while from < range.until {
        let until = unit.next(from, zone).unwrap_or(range.until).min(range.until);
        slots.push(Watched { from, until });
        from = until;
    }
    slots
}

/// Returns the parts of the slots that were watched, with the number of the slot. All times are sorted.
pub fn seen(slots: &[Watched], watched: &[Watched]) -> Vec<(usize, Watched)> {
    let mut seen = Vec::new();
    let mut first = 0;
    for (number, slot) in slots.iter().enumerate() {
        while watched.get(first).is_some_and(|times| times.until <= slot.from) {
            first += 1;
        }
        for times in watched.iter().skip(first).take_while(|times| times.from < slot.until) {
            seen.push((number, Watched { from: times.from.max(slot.from), until: times.until.min(slot.until) }));
        }
    }
    seen
}

/// Returns the weekday and the hour of a moment: Monday is 0.
pub fn hour_of_week(at: Timestamp, zone: &TimeZone) -> (usize, usize) {
    let here = zone.to_datetime(at);
    let weekday: Weekday = here.date().weekday();
    let number = |number: i8| usize::try_from(number).unwrap_or(0);
    (number(weekday.to_monday_zero_offset()), number(here.hour()))
}

/// Returns the length of a slot in milliseconds.
pub fn length(slot: &Watched) -> i128 {
    between(slot.from, slot.until)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(from: &str, until: &str) -> Range {
        Range { from: from.parse().unwrap(), until: until.parse().unwrap() }
    }

    fn berlin() -> TimeZone {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    /// Returns the hours of each slot.
    fn hours(range: Range, unit: Unit, zone: &TimeZone) -> Vec<i128> {
        slots(range, unit, zone).iter().map(|slot| length(slot) / HOUR).collect()
    }

    #[test]
    fn slots_follow_the_clocks_of_the_zone() {
        let days = range("2026-10-23T22:00:00Z", "2026-10-26T23:00:00Z");
        assert_eq!(hours(days, Unit::Day, &berlin()), [24, 25, 24]);
        assert_eq!(hours(days, Unit::Day, &TimeZone::UTC), [2, 24, 24, 23]);
        // The 29th of March has 23 hours. A week begins on Monday.
        let spring = range("2026-03-28T23:00:00Z", "2026-03-31T22:00:00Z");
        assert_eq!(hours(spring, Unit::Day, &berlin()), [23, 24, 24]);
        assert_eq!(hours(spring, Unit::Week, &berlin()), [23, 48]);
        assert_eq!(hours(spring, Unit::Month, &berlin()), [71]);
        assert_eq!(hours(spring, Unit::Hour, &berlin()).len(), 71);
    }

    #[test]
    fn an_hour_begins_at_its_minute_0() {
        let india = TimeZone::fixed(jiff::tz::Offset::from_seconds(19_800).unwrap());
        let cut = slots(range("2026-10-24T00:10:00.5Z", "2026-10-24T02:00:00Z"), Unit::Hour, &india);
        let starts: Vec<String> = cut.iter().map(|slot| slot.from.to_string()).collect();
        assert_eq!(starts, ["2026-10-24T00:10:00.5Z", "2026-10-24T00:30:00Z", "2026-10-24T01:30:00Z"]);
        assert_eq!(hour_of_week(cut[1].from, &india), (5, 6));
    }

    #[test]
    fn a_chart_has_a_readable_number_of_slots() {
        let check = |until: &str, expected| assert_eq!(Unit::of(range("2026-01-01T00:00:00Z", until)), expected);
        check("2026-01-02T23:00:00Z", Unit::Hour);
        check("2026-01-03T00:00:00Z", Unit::Day);
        check("2026-03-04T00:00:00Z", Unit::Day);
        check("2026-03-05T00:00:00Z", Unit::Week);
        check("2027-01-01T00:00:00Z", Unit::Week);
        check("2028-01-01T00:00:00Z", Unit::Month);
    }

    #[test]
    fn only_the_watched_parts_of_slots_are_seen() {
        let slot = |from: &str, until: &str| {
            let Range { from, until } = range(&format!("2026-10-24T{from}Z"), &format!("2026-10-24T{until}Z"));
            Watched { from, until }
        };
        let hours = slots(range("2026-10-24T08:00:00Z", "2026-10-24T11:00:00Z"), Unit::Hour, &TimeZone::UTC);
        let watched = [slot("07:00:00", "08:00:00"), slot("08:30:00", "08:40:00"), slot("08:50:00", "10:10:00")];
        let expected = [
            (0, slot("08:30:00", "08:40:00")),
            (0, slot("08:50:00", "09:00:00")),
            (1, slot("09:00:00", "10:00:00")),
            (2, slot("10:00:00", "10:10:00")),
        ];
        assert_eq!(seen(&hours, &watched), expected);
    }
}
