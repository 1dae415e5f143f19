//! A line that shows the progress of one build, or of several at once.

use std::io::{IsTerminal, Write, stderr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The time between two states of the line on a terminal.
const OFTEN: Duration = Duration::from_millis(100);
/// The time between two lines where standard error is not a terminal.
const RARELY: Duration = Duration::from_secs(60);
/// The width of the line. Every terminal has it.
const WIDTH: usize = 79;
/// The part of the start that a shortened line keeps.
const START: usize = 20;

/// The builds that are in progress in this process. They share one line.
static LINE: Mutex<Vec<Part>> = Mutex::new(Vec::new());
/// The number of the next build.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// The part of the line that one build has.
#[derive(Debug)]
struct Part {
    build: u64,
    what: String,
    text: String,
    started: Instant,
}

fn parts() -> MutexGuard<'static, Vec<Part>> {
    LINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes the line. With several builds there is room for their numbers only.
fn line(parts: &[Part], now: Instant) -> String {
    let texts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).filter(|text| !text.is_empty()).collect();
    let started = parts.iter().map(|part| part.started).min().unwrap_or(now);
    let what = match parts {
        [only] => &only.what,
        _ => "building",
    };
    format!("{what}: {}, {}", texts.join("; "), elapsed(now.saturating_duration_since(started)))
}

/// The progress of one build, on standard error.
#[derive(Debug)]
pub struct Progress {
    build: u64,
    what: String,
    started: Instant,
    shown: Instant,
    terminal: bool,
}

impl Progress {
    /// Begins a build. `what` opens each line.
    pub fn new(what: impl Into<String>) -> Self {
        let (now, build, what) = (Instant::now(), NEXT.fetch_add(1, Ordering::Relaxed), what.into());
        parts().push(Part { build, what: what.clone(), text: String::new(), started: now });
        Self { build, what, started: now, shown: now, terminal: stderr().is_terminal() }
    }

    /// Prints a line that stays.
    pub fn say(&self, text: &str) {
        let _others_wait = parts();
        self.clear();
        eprintln!("{}: {text}", self.what);
    }

    /// Prints the line that stays at the end of the build.
    pub fn done(&self) {
        self.say(&format!("done in {}", elapsed(self.started.elapsed())));
    }

    /// Replaces the moving line on a terminal. Elsewhere it prints a line now and then.
    pub fn show(&mut self, text: &str) {
        if self.shown.elapsed() < if self.terminal { OFTEN } else { RARELY } {
            return;
        }
        self.shown = Instant::now();
        let mut parts = parts();
        if !self.terminal {
            eprintln!("{}: {text}, {}", self.what, elapsed(self.started.elapsed()));
            return;
        }
        if let Some(part) = parts.iter_mut().find(|part| part.build == self.build) {
            text.clone_into(&mut part.text);
        }
        self.clear();
        eprint!("{}", fitting(&line(&parts, Instant::now())));
        // A line that cannot be shown stops no build.
        let _flushed = stderr().flush();
    }

    fn clear(&self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let mut parts = parts();
        parts.retain(|part| part.build != self.build);
        self.clear();
    }
}

/// Shortens a line to the width of a terminal. The end stays, because it has the numbers.
fn fitting(text: &str) -> String {
    const BETWEEN: &str = " ...";
    let length = text.chars().count();
    if length <= WIDTH {
        return text.to_owned();
    }
    let start: String = text.chars().take(START).collect();
    let end: String = text.chars().skip(length - (WIDTH - START - BETWEEN.len())).collect();
    format!("{start}{BETWEEN}{end}")
}

/// Formats a time that passed, in minutes and seconds.
pub fn elapsed(time: Duration) -> String {
    match (time.as_secs() / 60, time.as_secs() % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}

/// Estimates the first run of the demo, or KubeVirt's part of it, on this number of cores.
///
/// It was measured on two cores: 12 minutes, and 4 for KubeVirt. Downloads and links take the same time on more cores.
pub fn first_run(cores: usize, kubevirt: bool) -> Duration {
    let (alone, shared) = if kubevirt { (60, 360) } else { (120, 1200) };
    Duration::from_secs(alone + shared / cores.max(1) as u64)
}

/// Formats an estimate in whole minutes.
pub fn about(time: Duration) -> String {
    match time.as_secs().div_ceil(60) {
        0 | 1 => "about a minute".to_owned(),
        minutes => format!("about {minutes} minutes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_and_keeps_its_numbers() {
        assert_eq!(fitting("short"), "short");
        let line = fitting(&format!("building {}: 7 of 9 packages, 3 s", "etcd, ".repeat(40)));
        assert!(line.chars().count() == WIDTH && line.ends_with("7 of 9 packages, 3 s"), "{line}");
    }

    #[test]
    fn several_builds_share_one_line() {
        let now = Instant::now();
        let part = |what: &str, text: &str, since: u64| Part {
            build: since,
            what: what.to_owned(),
            text: text.to_owned(),
            started: now.checked_sub(Duration::from_secs(since)).unwrap(),
        };
        let (cargo, go) = ("compiling kubectl-cmp and the demo", "building etcd");
        for (parts, expected) in [
            (vec![part(cargo, "3 of 9 crates", 5)], "compiling kubectl-cmp and the demo: 3 of 9 crates, 5 s"),
            (
                vec![part(cargo, "3 of 9 crates", 65), part(go, "7 of 2900 packages", 2)],
                "building: 3 of 9 crates; 7 of 2900 packages, 1 min 5 s",
            ),
            // The other one has not said anything yet.
            (vec![part(cargo, "3 of 9 crates", 5), part(go, "", 2)], "building: 3 of 9 crates, 5 s"),
        ] {
            assert_eq!(line(&parts, now), expected);
        }
    }

    #[test]
    fn a_build_that_ends_leaves_the_line() {
        let has = |build: u64| parts().iter().any(|part| part.build == build);
        let progress = Progress::new("building etcd");
        let build = progress.build;
        assert!(has(build));
        drop(progress);
        assert!(!has(build));
    }

    #[test]
    fn the_first_run_is_shorter_on_more_cores() {
        let minutes = |cores| [false, true].map(|kubevirt| about(first_run(cores, kubevirt)));
        assert_eq!(minutes(1), ["about 22 minutes", "about 7 minutes"]);
        assert_eq!(minutes(2), ["about 12 minutes", "about 4 minutes"]);
        assert_eq!(minutes(8), ["about 5 minutes", "about 2 minutes"]);
        assert_eq!(minutes(64), ["about 3 minutes", "about 2 minutes"]);
    }

    #[test]
    fn times_are_read_by_people() {
        assert_eq!([59, 60, 744].map(|s| elapsed(Duration::from_secs(s))), ["59 s", "1 min 0 s", "12 min 24 s"]);
        let estimates = ["about a minute", "about 2 minutes", "about 10 minutes"];
        assert_eq!([1, 61, 600].map(|s| about(Duration::from_secs(s))), estimates);
    }
}
