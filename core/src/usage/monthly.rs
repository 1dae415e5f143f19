//! The cost of a cluster in a month, before it exists.

use jiff::{SignedDuration, Timestamp};

use super::Uses;
use super::price::Money;
use super::range::Range;
use super::rates::{Rates, Tariff};
use super::savings::time_off;
use crate::account::Want;
use crate::disk::Disk;
use crate::resources::is_kept;
use crate::vocabulary::{InstanceType, Mode};

/// The months of a year.
const MONTHS: u32 = 12;
/// The hours of an average year, which has 365.25 days.
const YEAR: i64 = 8766;
/// The hours in which a schedule is followed: 52 weeks, so that no weekday counts more than another.
const WEEKS: i64 = 52 * 7 * 24;

/// The cost of a cluster in an average month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Monthly {
    /// The cost while all instances are on.
    pub on: Money,
    /// The cost if its schedule alone switches the instances, and they are on otherwise.
    pub scheduled: Option<Money>,
}

impl Monthly {
    /// Returns the cost of a want at these prices. The schedule is followed for 52 weeks from `now` on. Returns `None` if there is
    /// no price, or the cost does not fit.
    pub fn of(want: &Want, tariff: &Tariff, now: Timestamp) -> Option<Self> {
        if tariff.is_empty() {
            return None;
        }
        let until = |hours| now.checked_add(SignedDuration::from_hours(hours)).ok();
        let (year, weeks) = (Range { from: now, until: until(YEAR)? }, Range { from: now, until: until(WEEKS)? });
        let rates = Rates::within(year, [(now, tariff.clone())].into());
        let off = want.schedule.as_ref().and_then(|schedule| {
            let halts = want.kind == InstanceType::Container
                || schedule.mode.unwrap_or_else(|| Disk::of_want(want).mode()) == Mode::Halt;
            // A paused VM holds everything, and costs as much as while it is on.
            let off = if halts { time_off(schedule, weeks) } else { None };
            off.map(|off| off * i128::from(YEAR) / i128::from(WEEKS))
        });
        let cost = |off| cost(want, &rates, year, off);
        let scheduled = match off {
            Some(off) => Some(cost(off)?),
            None => None,
        };
        Some(Self { on: cost(0)?, scheduled })
    }

    /// Describes the cost: `98.62 EUR a month, 45.10 EUR with its schedule`.
    pub fn words(&self, currency: Option<&str>) -> String {
        let currency = currency.map_or_else(String::new, |currency| format!(" {currency}"));
        let scheduled = self.scheduled.map(|money| format!(", {}{currency} with its schedule", money.decimal(2)));
        format!("{}{currency} a month{}", self.on.decimal(2), scheduled.unwrap_or_default())
    }
}

/// Returns the cost in a month, given the time of a year in which the instances are off.
fn cost(want: &Want, rates: &Rates, year: Range, off: i128) -> Option<Money> {
    let mut uses = Uses::default();
    for (is_off, milliseconds) in [(false, year.milliseconds() - off), (true, off)] {
        for (class, ..) in rates.pieces(year.from, year.until, want.kind, is_off) {
            for (name, amount) in want.size.iter().filter(|(name, _)| !is_off || is_kept(name)) {
                let all = amount.nanos().checked_mul(i128::from(want.count))?;
                uses.add(name, class, all, milliseconds).ok()?;
            }
        }
    }
    Some(rates.cost(&uses)?.divided(MONTHS))
}
