//! The time range of a report.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan, Zoned};

/// A time range from one moment until another, exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The start of the range.
    pub from: Timestamp,
    /// The end of the range, exclusive; later than the start.
    pub until: Timestamp,
}

/// The length of a report's range in days, if the user gives no start.
pub const DAYS: i64 = 30;

/// A moment as a user writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// A point in time.
    At(Timestamp),
    /// A point in time before now, by this duration.
    Ago(SignedDuration),
    /// A whole day of a time zone.
    Day(Date),
    /// A whole month of a time zone, by its first day.
    Month(Date),
}

impl std::str::FromStr for Moment {
    type Err = String;
    /// Parses RFC 3339 times, `2026-11-01`, `2026-11`, and `7d`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("{text:?} is not a time: use a form such as 7d, 36h, 2026-11-01, 2026-11 or 2026-11-01T08:00:00Z")
        };
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let hours: Option<i64> = match unit {
            "h" => Some(1),
            "d" => Some(24),
            "w" => Some(24 * 7),
            "m" if digits > 0 => {
                return Err(format!(
                    "{text:?}: m may be minutes or months: use hours, days or a month such as 2026-11"
                ));
            }
            _ => None,
        };
        if let Some(hours) = hours {
            // Nothing was recorded more than a thousand years ago.
            let hours = number.parse().ok().and_then(|number: i64| number.checked_mul(hours));
            let hours = hours.filter(|hours| (1..=24 * 366 * 1000).contains(hours)).ok_or_else(wrong)?;
            return Ok(Self::Ago(SignedDuration::from_hours(hours)));
        }
        let date = |text: &str| text.parse::<Date>().ok();
        match text.len() {
            7 => date(&format!("{text}-01")).map(Self::Month).ok_or_else(wrong),
            10 => date(text).map(Self::Day).ok_or_else(wrong),
            _ => text.parse().map(Self::At).map_err(|_| wrong()),
        }
    }
}

impl Moment {
    /// Returns the moment, or the start of the day or month.
    pub fn first(&self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        match self {
            Self::At(at) => Some(*at),
            Self::Ago(ago) => now.checked_sub(*ago).ok(),
            Self::Day(day) | Self::Month(day) => start(*day, zone),
        }
    }

    fn end(&self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        match self {
            Self::At(_) | Self::Ago(_) => self.first(now, zone),
            Self::Day(day) => start(day.tomorrow().ok()?, zone),
            Self::Month(day) => start(day.checked_add(1.month()).ok()?, zone),
        }
    }
}

impl Range {
    /// Returns the range between two moments. The default is the last 30 days. A day or a month counts whole, and the
    /// part of it in the future is left out.
    pub fn new(from: Option<&Moment>, to: Option<&Moment>, now: Timestamp, zone: &TimeZone) -> Result<Self, String> {
        let far = |flag: &str| format!("{flag}: there is no such time");
        let until = to.map_or(Some(now), |to| to.end(now, zone)).ok_or_else(|| far("--to"))?.min(now);
        let default = || until.checked_sub(SignedDuration::from_hours(24 * DAYS)).ok();
        let from = from.map_or_else(default, |from| from.first(now, zone)).ok_or_else(|| far("--from"))?;
        if from >= now {
            return Err(format!("--from {from:.0} is in the future: use an earlier time"));
        }
        if from >= until {
            return Err(format!("--from {from:.0} is not before --to {until:.0}"));
        }
        Ok(Self { from, until })
    }

    /// Returns the length in milliseconds.
    pub fn milliseconds(self) -> i128 {
        between(self.from, self.until)
    }
}

/// Returns the milliseconds from one moment to another. The parts of a split span add up to the whole.
pub(super) fn between(from: Timestamp, until: Timestamp) -> i128 {
    i128::from(until.as_millisecond()) - i128::from(from.as_millisecond())
}

/// Returns the start of a day.
pub(super) fn start(day: Date, zone: &TimeZone) -> Option<Timestamp> {
    day.to_zoned(zone.clone()).ok().and_then(|start: Zoned| start.start_of_day().ok()).map(|start| start.timestamp())
}
