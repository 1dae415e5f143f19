//! The clock of a wait: its limit, and the observations that restart it.

use std::collections::BTreeSet;
use std::time::Duration;

/// The limit of a wait whose caller names none.
pub const DEFAULT: Duration = Duration::from_mins(1);

/// The most times that [`DEFAULT`] passes in one wait, however much progress there is.
const AT_MOST: u32 = 6;

/// The limit of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The wait ends after this time.
    Exact(Duration),
    /// The wait ends after [`DEFAULT`] without progress, and after six times [`DEFAULT`] in any case.
    WithoutProgress,
}

impl Limit {
    /// Returns the limit for a time-out. A time-out that the caller names is exact, as in kubectl.
    pub fn of(timeout: Option<Duration>) -> Self {
        timeout.map_or(Self::WithoutProgress, Self::Exact)
    }

    /// Returns the time after which the wait ends in any case.
    pub fn most(self) -> Duration {
        match self {
            Self::Exact(timeout) => timeout,
            Self::WithoutProgress => DEFAULT * AT_MOST,
        }
    }

    /// Returns the time after which the wait ends without progress.
    fn least(self) -> Duration {
        match self {
            Self::Exact(timeout) => timeout,
            Self::WithoutProgress => DEFAULT,
        }
    }
}

/// The clock of one wait. All times count from the start of the wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    limit: Limit,
    end: Duration,
    seen: BTreeSet<String>,
}

impl Clock {
    /// Starts the clock.
    pub fn new(limit: Limit) -> Self {
        Self { limit, end: limit.least(), seen: BTreeSet::new() }
    }

    /// Takes an observation: the counts and the reason as text. An observation that differs from all earlier ones is
    /// progress, and restarts the clock. The return to an earlier one is none, so that two reasons that alternate do not
    /// prolong the wait. The first observation is the state before the wait.
    pub fn observe(&mut self, at: Duration, observation: &str) {
        let is_first = self.seen.is_empty();
        if self.seen.insert(observation.to_owned()) && !is_first {
            self.end = (at + self.limit.least()).min(self.limit.most());
        }
    }

    /// Returns the end of the wait, if there is no further progress.
    pub fn end(&self) -> Duration {
        self.end
    }

    /// Reports whether the wait has ended.
    pub fn is_over(&self, at: Duration) -> bool {
        at >= self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn progress_restarts_the_clock_up_to_a_limit() {
        let exact = Limit::of(Some(s(60)));
        let default = Limit::of(None);
        // Columns: the limit, the observations with their seconds, and the end.
        for (limit, observations, end) in [
            (default, &[][..], 60),
            // The first observation is no progress, however late it is.
            (default, &[(1, "0/3")], 60),
            (default, &[(1, "0/3"), (30, "0/3")], 60),
            // A count changes, then a reason does.
            (default, &[(1, "0/3"), (30, "1/3")], 90),
            (default, &[(1, "0/3 no node"), (30, "0/3 no image"), (50, "1/3 no image")], 110),
            // Reasons alternate.
            (default, &[(1, "pull"), (10, "back-off"), (20, "pull"), (30, "back-off"), (40, "pull")], 70),
            // A change that is seen late counts: one look at many instances takes long.
            (default, &[(1, "0/3"), (61, "1/3")], 121),
            // There is progress without an end.
            (default, &[(1, "a"), (59, "b"), (118, "c"), (177, "d"), (236, "e"), (295, "f")], 355),
            (default, &[(1, "a"), (59, "b"), (118, "c"), (177, "d"), (236, "e"), (301, "f")], 360),
            (default, &[(1, "a"), (500, "b")], 360),
            (exact, &[(1, "0/3"), (30, "1/3"), (59, "2/3")], 60),
            (Limit::of(Some(s(600))), &[(1, "0/3"), (30, "1/3")], 600),
            (Limit::of(Some(s(0))), &[(0, "0/3"), (1, "1/3")], 0),
        ] {
            let mut clock = Clock::new(limit);
            for (at, observation) in observations {
                clock.observe(s(*at), observation);
            }
            assert_eq!(clock.end(), s(end), "{limit:?} {observations:?}");
            assert!(clock.is_over(s(end)) && (end == 0 || !clock.is_over(s(end - 1))), "{limit:?} {observations:?}");
            assert!(clock.end() <= limit.most());
        }
    }
}
