//! The time for which a contended write is tried again. A write is contended if another writer changes its object in
//! between.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::ApiError;

/// The longest time for one write. The controllers write an account several times for each cluster that they prepare.
/// On a busy machine, 60 clusters take them more than a minute.
const CONTENDED: Duration = Duration::from_mins(5);

/// The time that the contended writes of a command have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The time for each write.
    each: Duration,
    /// The end of all writes.
    end: Option<Instant>,
}

impl Default for Patience {
    fn default() -> Self {
        Self { each: CONTENDED, end: None }
    }
}

impl Patience {
    /// Returns the patience of a command with this time-out. No write of it is tried again for longer.
    pub fn of(timeout: Option<Duration>) -> Self {
        Self { each: timeout.unwrap_or(CONTENDED).min(CONTENDED), end: None }
    }

    /// Returns the same patience, which ends at this moment at the latest.
    #[must_use]
    pub fn until(self, end: Instant) -> Self {
        Self { end: Some(self.end.map_or(end, |earlier| earlier.min(end))), ..self }
    }

    /// Starts the clock of one write.
    pub(crate) fn start(self) -> Deadline {
        let start = Instant::now();
        let end = start + self.each;
        Deadline { start, end: self.end.map_or(end, |earlier| earlier.min(end)) }
    }
}

/// The clock of one write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    start: Instant,
    end: Instant,
}

impl Deadline {
    /// Returns the time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Reports whether no further try begins at this moment.
    pub(crate) fn is_over(&self, at: Instant) -> bool {
        at >= self.end
    }

    /// Carries out a read that only a further try needs.
    pub(crate) async fn within<T>(
        &self,
        what: &str,
        read: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        tokio::time::timeout_at(self.end, read).await.unwrap_or_else(|_| Err(self.late(what)))
    }

    /// Builds the error for a write that other writers were in the way of until the end.
    pub(crate) fn late(&self, what: &str) -> ApiError {
        // A clock that was started a moment after the command has its whole time.
        let seconds = (self.end.saturating_duration_since(self.start) + Duration::from_millis(999)).as_secs();
        ApiError::TimedOut { what: format!("{what}, which others keep changing"), seconds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_ends_with_its_command() {
        let s = Duration::from_secs;
        let now = Instant::now();
        // Columns: the time-out, the end of the command, and the seconds that a write has.
        for (timeout, end, expected) in [
            (None, None, 300),
            (Some(s(60)), None, 60),
            (Some(s(0)), None, 0),
            (Some(s(3600)), None, 300),
            (Some(s(60)), Some(now + s(1000)), 60),
            (Some(s(600)), Some(now + s(60)), 60),
            (None, Some(now + s(20)), 20),
            (Some(s(60)), Some(now), 0),
        ] {
            let patience = end.iter().fold(Patience::of(timeout), |patience, end| patience.until(*end));
            let deadline = patience.start();
            let ApiError::TimedOut { what, seconds } = deadline.late("account john") else { panic!("no time-out") };
            assert_eq!(seconds, expected, "{timeout:?}");
            assert_eq!(what, "account john, which others keep changing");
            assert_eq!(deadline.is_over(Instant::now()), expected == 0, "{timeout:?}");
            assert!(deadline.is_over(Instant::now() + s(expected)), "{timeout:?}");
        }
        assert_eq!(Patience::default(), Patience::of(None));
        assert_eq!(Patience::default().until(now + s(9)).until(now), Patience::default().until(now).until(now + s(9)));
    }
}
