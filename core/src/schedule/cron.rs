//! Lines of cron, as far as schedules support them: five fields, with lists, ranges, steps and names.
//!
//! Lines mean the same as in a `CronJob` of Kubernetes, which reads them with robfig/cron. Vectors made with its parser
//! are in `tests/vectors/cron.tsv`.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};

/// The longest gap between two dates of a line, in days. 29 February returns after 8 years at the latest. A line that
/// matches no day in that time never does.
const LONGEST_GAP: usize = 366 * 8 + 1;
/// The most occurrences a day, because each may change every instance of a cluster.
pub(super) const MOST_A_DAY: u32 = 24;
/// The longest name of a month or day that a message repeats.
const LONGEST_NAME: usize = 9;
const NO_LINE: &str =
    "is not a line of cron: use five fields, minute hour day-of-month month day-of-week, as in '0 19 * * 1-5'";

/// A line of cron, in local time. Each field is a bit set of the values that match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// The day of the month or the day of the week is `*`, so that a day has to match both.
    both: bool,
}

/// The valid values of one field of a line.
struct Field {
    least: u64,
    most: u64,
    names: &'static [&'static str],
    place: &'static str,
    wrong: &'static str,
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const FIELDS: [Field; 5] = [
    Field { least: 0, most: 59, names: &[], place: "1st", wrong: "a minute (the 1st field) that is not from 0 to 59" },
    Field { least: 0, most: 23, names: &[], place: "2nd", wrong: "an hour (the 2nd field) that is not from 0 to 23" },
    Field {
        least: 1,
        most: 31,
        names: &[],
        place: "3rd",
        wrong: "a day of the month (the 3rd field) that is not from 1 to 31",
    },
    Field {
        least: 1,
        most: 12,
        names: &MONTHS,
        place: "4th",
        wrong: "a month (the 4th field) that is not from 1 to 12 or JAN to DEC",
    },
    Field {
        least: 0,
        most: 7,
        names: &WEEKDAYS,
        place: "5th",
        wrong: "a day of the week (the 5th field) that is not from 0 (Sunday) to 7 (Sunday) or SUN to SAT",
    },
];

impl Field {
    fn value(&self, text: &str) -> Option<u64> {
        let named = self.names.iter().zip(self.least..).find(|(name, _)| name.eq_ignore_ascii_case(text));
        let value = match named {
            Some((_, value)) => value,
            None if text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok()?,
            None => return None,
        };
        (self.least..=self.most).contains(&value).then_some(value)
    }

    /// Returns the values that a field names, as bits.
    fn read(&self, text: &str) -> Result<u64, String> {
        text.split(',').try_fold(0, |bits, part| Ok(bits | self.part(part)?))
    }

    /// Returns the values that one part of a field names, as bits.
    fn part(&self, part: &str) -> Result<u64, String> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (part, None),
        };
        let plain = |step: &str| step.len() <= 2 && step.bytes().all(|byte| byte.is_ascii_digit());
        let steps = match step {
            Some(step) if plain(step) => step.parse().ok().filter(|step| *step > 0),
            Some(_) => None,
            None => Some(1),
        };
        let steps: usize = steps.ok_or_else(|| self.is_wrong())?;
        let value = |text: &str| self.value(text).ok_or_else(|| self.no_value(text));
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (self.least, self.last()),
            Some((from, to)) => (value(from)?, value(to)?),
            // A single value with a step starts a range up to the largest value.
            None => (value(range)?, if step.is_some() { self.last().max(value(range)?) } else { value(range)? }),
        };
        if from > to {
            return Err(self.backwards(range, step.is_some()));
        }
        Ok((from..=to).step_by(steps).fold(0, |bits, value| bits | 1 << value))
    }

    /// Returns the end of `*` and of a range without an end. As a day of the week, 7 is the same as 0.
    fn last(&self) -> u64 {
        if self.most == 7 { 6 } else { self.most }
    }

    fn is_wrong(&self) -> String {
        format!("has {}", self.wrong)
    }

    /// Returns the message for a text that is no value. A longer name, such as `Monday`, is named with its short form.
    fn no_value(&self, text: &str) -> String {
        let is_name = |name: &&&str| text.get(..name.len()).is_some_and(|first| first.eq_ignore_ascii_case(name));
        let letters = text.len() <= LONGEST_NAME && text.bytes().all(|byte| byte.is_ascii_alphabetic());
        match self.names.iter().find(is_name).filter(|_| letters) {
            Some(name) => format!("has {text} in the {} field: write {}", self.place, name.to_ascii_uppercase()),
            None => self.is_wrong(),
        }
    }

    /// Returns the message for a range that ends before it begins, with the two ranges that it most likely means.
    fn backwards(&self, range: &str, has_step: bool) -> String {
        let message = format!("has a range in the {} field that ends before it begins", self.place);
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        let end = |text: &str, name: Option<&&str>, number: u64| match name {
            Some(name) if !text.starts_with(|first: char| first.is_ascii_digit()) => name.to_ascii_uppercase(),
            _ => number.to_string(),
        };
        let (last, first) = (end(from, self.names.last(), self.last()), end(to, self.names.first(), self.least));
        // A range of one value is written as that value.
        let range = |from: &str, to: &str| {
            if self.value(from) == self.value(to) { from.to_owned() } else { format!("{from}-{to}") }
        };
        match self.value(from) {
            _ if has_step => message,
            // As a day of the week, 7 is after the last one.
            Some(value) if value > self.last() => format!("{message}: write {}", range(&first, to)),
            _ => format!("{message}: write {},{}", range(from, &last), range(&first, to)),
        }
    }

    /// Reports whether a field is `*`. A step makes it a restriction. A full range is one, too.
    fn is_star(text: &str) -> bool {
        text.split(',').any(|part| {
            let (range, step) = part.split_once('/').unwrap_or((part, "1"));
            range == "*" && step.parse() == Ok(1_u8)
        })
    }
}

fn has(bits: u64, value: i8) -> bool {
    u32::try_from(value).is_ok_and(|value| bits & 1 << value != 0)
}

impl Cron {
    /// Parses a line. The error text follows the line in a message.
    pub fn read(line: &str) -> Result<Self, String> {
        let fields: Vec<&str> = line.split([' ', '\t']).filter(|field| !field.is_empty()).collect();
        if fields.len() != FIELDS.len() {
            return Err(NO_LINE.to_owned());
        }
        let mut bits = [0; 5];
        for ((field, text), bits) in FIELDS.iter().zip(&fields).zip(&mut bits) {
            *bits = field.read(text)?;
        }
        let [minutes, hours, days, months, weekdays] = bits;
        // Both 0 and 7 mean Sunday.
        let weekdays = (weekdays | weekdays >> 7) & 0b111_1111;
        let both = [fields[2], fields[4]].into_iter().any(Field::is_star);
        let cron = Self { minutes, hours, days, months, weekdays, both };
        if cron.times_a_day() > MOST_A_DAY {
            return Err("is due more than 24 times a day: use fewer minutes or hours".to_owned());
        }
        if !Self::dates().any(|date| cron.on(date)) {
            return Err("is never due: none of these months has such a day".to_owned());
        }
        Ok(cron)
    }

    /// Iterates over a period that contains every kind of date.
    fn dates() -> impl Iterator<Item = Date> {
        let first = Date::constant(2000, 1, 1);
        std::iter::successors(Some(first), |date| date.tomorrow().ok()).take(LONGEST_GAP)
    }

    /// Reports whether the line matches a day. If both the day of the month and the day of the week are restricted,
    /// either is enough, as in cron.
    fn on(&self, date: Date) -> bool {
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        has(self.months, date.month()) && if self.both { day && weekday } else { day || weekday }
    }

    /// Returns the number of times that the line matches on each of its days.
    fn times_a_day(&self) -> u32 {
        self.minutes.count_ones() * self.hours.count_ones()
    }

    /// Reports whether both lines match one time, if they match one day.
    fn shares_a_time(&self, other: &Self) -> bool {
        self.minutes & other.minutes != 0 && self.hours & other.hours != 0
    }

    /// Iterates over the times of a day that the line matches.
    fn times(&self, date: Date) -> impl DoubleEndedIterator<Item = DateTime> {
        let hours = (0..24).filter(|hour| has(self.hours, *hour));
        let minutes: Vec<i8> = (0..60).filter(|minute| has(self.minutes, *minute)).collect();
        hours.flat_map(move |hour| minutes.clone().into_iter().map(move |minute| date.at(hour, minute, 0, 0)))
    }

    /// Returns the next occurrence after a moment. If several local times fall on that moment, it is the latest of
    /// them.
    pub fn after(&self, moment: Timestamp, zone: &TimeZone) -> Option<Happens> {
        let from = zone.to_datetime(moment);
        let days = std::iter::successors(Some(from.date()), |date| date.tomorrow().ok()).take(LONGEST_GAP);
        let times = days.filter(|date| self.on(*date)).flat_map(|date| self.times(date));
        let times = times.filter(|time| *time > from).filter_map(|time| Happens::at(time, zone));
        let mut times = times.into_iter().skip_while(|happens| happens.at <= moment);
        let first = times.next()?;
        Some(times.take_while(|happens| happens.at == first.at).last().unwrap_or(first))
    }

    /// Returns the most recent occurrence, up to and including a moment.
    pub fn up_to(&self, moment: Timestamp, zone: &TimeZone) -> Option<Happens> {
        // If the clock was put back since the occurrence, the present local time is earlier than that of the
        // occurrence. The search starts one day later for that reason.
        let from = zone.to_datetime(moment).date();
        let from = from.tomorrow().unwrap_or(from);
        let days = std::iter::successors(Some(from), |date| date.yesterday().ok()).take(LONGEST_GAP);
        let times = days.filter(|date| self.on(*date)).flat_map(|date| self.times(date).rev());
        times.into_iter().filter_map(|time| Happens::at(time, zone)).find(|happens| happens.at <= moment)
    }
}

/// Returns the indexes of a line of each list that match one time of one day.
pub(super) fn meeting(lines: &[Cron], others: &[Cron]) -> Option<(usize, usize)> {
    let rivals = |other: &Cron| -> Vec<usize> {
        lines.iter().enumerate().filter(|(_, line)| line.shares_a_time(other)).map(|(at, _)| at).collect()
    };
    let rivals: Vec<Vec<usize>> = others.iter().map(rivals).collect();
    if rivals.iter().all(Vec::is_empty) {
        return None;
    }
    Cron::dates().find_map(|date| {
        let on: Vec<bool> = lines.iter().map(|line| line.on(date)).collect();
        let is_on = |at: &&usize| on.get(**at).copied().unwrap_or_default();
        others.iter().zip(&rivals).enumerate().find_map(|(other, (line, rivals))| {
            let rival = rivals.iter().find(is_on).filter(|_| line.on(date))?;
            Some((*rival, other))
        })
    })
}

/// Returns the number of times that all these lines match on their busiest day.
pub(super) fn busiest_day(lines: &[Cron]) -> u32 {
    let all: u32 = lines.iter().map(Cron::times_a_day).sum();
    if all <= MOST_A_DAY {
        return all;
    }
    let on = |date: Date| lines.iter().filter(|line| line.on(date)).map(Cron::times_a_day).sum();
    Cron::dates().map(on).max().unwrap_or_default()
}

/// An occurrence: its moment and its local time. Two occurrences can fall on one moment when the clock is put forward.
/// The local time keeps their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Happens {
    /// The moment of the occurrence.
    pub at: Timestamp,
    /// The local time of the occurrence.
    pub wall: DateTime,
}

impl Happens {
    /// Resolves a local time. A time that the clock shows twice happens the first time. A time that the clock skips
    /// happens when the clock is put forward.
    fn at(wall: DateTime, zone: &TimeZone) -> Option<Self> {
        let ambiguous = zone.to_ambiguous_timestamp(wall);
        let gap = matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. });
        let earlier = ambiguous.earlier().ok()?;
        let at = if gap { zone.following(earlier).next()?.timestamp() } else { earlier };
        Some(Self { at, wall })
    }
}
