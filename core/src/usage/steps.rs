//! An amount over time, as a step function, and its exact sums over slots.
//!
//! The cost of a sum does not depend on the length of the spans: a year of hours needs one pass over the changes.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{TooMuch, Watched};

/// An amount that changes at moments, in milliseconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Steps(BTreeMap<i64, i128>);

impl Steps {
    /// Adds an amount from one moment until another, exclusive.
    pub fn add(&mut self, from: Timestamp, until: Timestamp, amount: i128) -> Result<(), TooMuch> {
        let (from, until) = (from.as_millisecond(), until.as_millisecond());
        if from >= until || amount == 0 {
            return Ok(());
        }
        for (at, by) in [(from, amount), (until, -amount)] {
            let change = self.0.entry(at).or_default();
            *change = change.checked_add(by).ok_or(TooMuch)?;
        }
        Ok(())
    }

    /// Reports whether the amount is 0 at all times.
    pub fn is_empty(&self) -> bool {
        self.0.values().all(|change| *change == 0)
    }

    /// Returns the amount times milliseconds in each slot. The slots are sorted, and do not overlap.
    pub fn sums(&self, slots: &[Watched]) -> Result<Vec<i128>, TooMuch> {
        let mut changes = self.0.iter().peekable();
        let mut level = 0_i128;
        let mut sums = Vec::with_capacity(slots.len());
        for slot in slots {
            let (mut at, end) = (slot.from.as_millisecond(), slot.until.as_millisecond());
            let mut sum = 0_i128;
            while let Some((moment, change)) = changes.next_if(|(moment, _)| **moment < end) {
                if *moment > at {
                    sum = sum.checked_add(held(level, at, *moment)?).ok_or(TooMuch)?;
                    at = *moment;
                }
                level = level.checked_add(*change).ok_or(TooMuch)?;
            }
            sums.push(sum.checked_add(held(level, at, end)?).ok_or(TooMuch)?);
        }
        Ok(sums)
    }
}

fn held(level: i128, from: i64, until: i64) -> Result<i128, TooMuch> {
    level.checked_mul(i128::from(until) - i128::from(from)).ok_or(TooMuch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn slot(from: i64, until: i64) -> Watched {
        Watched { from: at(from), until: at(until) }
    }

    #[test]
    fn amounts_are_summed_in_slots_with_gaps_between_them() {
        let mut steps = Steps::default();
        assert!(steps.is_empty());
        for (from, until, amount) in [(0, 10, 2), (5, 20, 3), (7, 7, 99), (30, 40, 1)] {
            steps.add(at(from), at(until), amount).unwrap();
        }
        assert!(!steps.is_empty());
        let sums = |slots: &[Watched]| steps.sums(slots).unwrap();
        assert_eq!(sums(&[slot(0, 50)]), [75_000]);
        assert_eq!(sums(&[slot(0, 5), slot(5, 10), slot(10, 50)]), [10_000, 25_000, 40_000]);
        assert_eq!(sums(&[slot(2, 6), slot(19, 31)]), [11_000, 4_000]);
        assert_eq!(sums(&[slot(50, 60)]), [0]);
    }

    #[test]
    fn a_sum_that_does_not_fit_is_an_error() {
        let mut steps = Steps::default();
        steps.add(at(0), at(10), i128::MAX).unwrap();
        assert_eq!(steps.sums(&[slot(0, 1)]), Err(TooMuch));
        assert_eq!(steps.add(at(0), at(1), 1), Err(TooMuch));
    }
}
