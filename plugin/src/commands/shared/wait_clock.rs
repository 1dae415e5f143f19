//! The clock of a wait that runs now.

use std::cell::RefCell;
use std::time::Duration;

use tokio::time::Instant;

use cmp_core::progress::clock::{Clock, Limit};

/// A running clock. Whoever observes progress shares it with whoever waits.
pub(crate) struct WaitClock {
    start: Instant,
    limit: Limit,
    clock: RefCell<Clock>,
}

impl WaitClock {
    pub(crate) fn start(limit: Limit) -> Self {
        Self { start: Instant::now(), limit, clock: RefCell::new(Clock::new(limit)) }
    }

    /// Takes the counts and the reason as they are now. A change restarts the clock, if its limit allows.
    pub(crate) fn observe(&self, observation: &str) {
        self.clock.borrow_mut().observe(self.start.elapsed(), observation);
    }

    /// Returns the end of the wait, if there is no further progress.
    pub(crate) fn end(&self) -> Instant {
        self.start + self.clock.borrow().end()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.clock.borrow().is_over(self.start.elapsed())
    }

    /// Returns when the wait has ended.
    pub(crate) async fn over(&self) {
        while !self.is_over() {
            tokio::time::sleep_until(self.end()).await;
        }
    }

    /// Returns the time that is left if there is progress all the time.
    pub(crate) fn most_left(&self) -> Duration {
        self.limit.most().saturating_sub(self.start.elapsed())
    }

    /// Returns the length of the wait in seconds, for the message about its end.
    pub(crate) fn seconds(&self) -> u64 {
        self.clock.borrow().end().as_secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_observed_change_restarts_the_clock() {
        let clock = WaitClock::start(Limit::of(None));
        let first = clock.end();
        clock.observe("0/1 running");
        assert_eq!(clock.end(), first);
        clock.observe("1/1 running");
        assert!(clock.end() > first && !clock.is_over() && clock.most_left() > Duration::from_mins(5));
        let exact = WaitClock::start(Limit::Exact(Duration::ZERO));
        exact.observe("0/1 running");
        exact.observe("1/1 running");
        exact.over().await;
        assert_eq!((exact.seconds(), exact.most_left()), (0, Duration::ZERO));
    }
}
