//! A line that shows the progress of a build.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

/// The time between two states of the line on a terminal.
const OFTEN: Duration = Duration::from_millis(100);
/// The time between two lines where standard error is not a terminal.
const RARELY: Duration = Duration::from_secs(60);
/// The width of the line. Every terminal has it.
const WIDTH: usize = 79;
/// The part of the start that a shortened line keeps.
const START: usize = 20;

/// The line of progress of one build, on standard error.
#[derive(Debug)]
pub struct Progress {
    what: String,
    started: Instant,
    shown: Instant,
    terminal: bool,
}

impl Progress {
    /// Begins a build. `what` opens each line.
    pub fn new(what: impl Into<String>) -> Self {
        let now = Instant::now();
        Self { what: what.into(), started: now, shown: now, terminal: stderr().is_terminal() }
    }

    /// Prints a line that stays.
    pub fn say(&self, text: &str) {
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
        let text = format!("{}: {text}, {}", self.what, elapsed(self.started.elapsed()));
        if self.terminal {
            self.clear();
            eprint!("{}", fitting(&text));
            // A line that cannot be shown stops no build.
            let _flushed = stderr().flush();
        } else {
            eprintln!("{text}");
        }
    }

    fn clear(&self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
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
    fn times_are_read_by_people() {
        assert_eq!([59, 60, 744].map(|s| elapsed(Duration::from_secs(s))), ["59 s", "1 min 0 s", "12 min 24 s"]);
        let estimates = ["about a minute", "about 2 minutes", "about 10 minutes"];
        assert_eq!([1, 61, 600].map(|s| about(Duration::from_secs(s))), estimates);
    }
}
