//! Two builds at once, on a machine with cores for both.

use std::ffi::OsStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// The environment variable that decides for the launcher: `yes` or `no`.
pub const PARALLEL: &str = "CMP_DEMO_PARALLEL";
/// The error of work that was stopped.
pub const STOPPED: &str = "stopped";
/// The number of cores that one build keeps busy.
const FOR_ONE: usize = 2;

/// Returns the number of cores.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Decides whether both builds run at once. `asked` is the value of [`PARALLEL`].
pub fn at_once(asked: Option<&OsStr>, cores: usize) -> Result<bool, String> {
    match asked.and_then(OsStr::to_str) {
        Some("yes") => Ok(true),
        Some("no") => Ok(false),
        None | Some("") if asked.is_none_or(OsStr::is_empty) => Ok(cores > FOR_ONE),
        _ => Err(format!("{PARALLEL}: use yes or no")),
    }
}

/// The request that work ends early. Work asks for it at least each second.
#[derive(Debug, Default)]
pub struct Stop(AtomicBool);

impl Stop {
    /// Reports whether the work is to end.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Stops the other work if this one panics.
struct Watch<'a>(&'a Stop);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.set();
        }
    }
}

/// Does two works at once. The first failure stops the other work, and is returned.
pub fn both(
    one: impl FnOnce(&Stop) -> Result<(), String> + Send,
    other: impl FnOnce(&Stop) -> Result<(), String>,
) -> Result<(), String> {
    let (stop, failure) = (Stop::default(), Mutex::new(None));
    let failed = |error: String| {
        failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        stop.set();
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            let _watch = Watch(&stop);
            one(&stop).unwrap_or_else(failed);
        });
        let _watch = Watch(&stop);
        other(&stop).unwrap_or_else(failed);
    });
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn more_than_two_cores_build_both_at_once() {
        let decided = |asked: Option<&str>, cores| at_once(asked.map(OsStr::new), cores);
        for (asked, cores, expected) in [
            (None, 1, Ok(false)),
            (None, 2, Ok(false)),
            (None, 3, Ok(true)),
            (Some(""), 2, Ok(false)),
            (Some(""), 4, Ok(true)),
            (Some("yes"), 1, Ok(true)),
            (Some("no"), 64, Ok(false)),
            (Some("2"), 4, Err("CMP_DEMO_PARALLEL: use yes or no".to_owned())),
        ] {
            assert_eq!(decided(asked, cores), expected, "{asked:?} {cores}");
        }
    }

    /// Waits until the other work has failed.
    fn until_stopped(stop: &Stop) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            if stop.is_set() {
                return Err(STOPPED.to_owned());
            }
            thread::yield_now();
        }
        Err("nobody stopped it".to_owned())
    }

    #[test]
    fn works_run_at_once_and_the_first_failure_is_returned() {
        let met = Barrier::new(2);
        let meets = |_: &Stop| {
            met.wait();
            Ok(())
        };
        assert_eq!(both(meets, meets), Ok(()));
        let fails = |_: &Stop| Err("broken".to_owned());
        assert_eq!(both(fails, until_stopped), Err("broken".to_owned()));
        assert_eq!(both(until_stopped, fails), Err("broken".to_owned()));
    }

    #[test]
    fn a_panic_stops_the_other_work() {
        let mut stopped = None;
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let panics = |_: &Stop| panic!("on purpose");
            both(panics, |stop| {
                stopped = Some(until_stopped(stop));
                Ok(())
            })
        }));
        assert!(panicked.is_err());
        assert_eq!(stopped, Some(Err(STOPPED.to_owned())));
    }
}
