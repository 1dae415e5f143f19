//! The only writer to the terminal: data on standard output, everything about it on standard error.
//!
//! All text passes through [`escape`] here, whoever wrote it. The live line is the only text that controls the terminal.

use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::CliError;

pub(crate) mod escape;
mod progress;

pub(crate) use progress::Progress;

/// Where a command writes.
pub(crate) struct Ui {
    interactive: bool,
    /// Whether a line can be drawn again in place.
    redraws: bool,
    /// Whether there is such a line now. It goes before anything else is written.
    drawn: AtomicBool,
}

#[allow(clippy::unused_self, reason = "whoever writes has been given the right to, by being given a Ui")]
impl Ui {
    /// The process's own streams.
    pub(crate) fn standard() -> Self {
        let to_terminal = io::stderr().is_terminal();
        Self {
            interactive: io::stdin().is_terminal() && to_terminal,
            redraws: to_terminal && std::env::var_os("TERM").is_some_and(|term| term != "dumb" && !term.is_empty()),
            drawn: AtomicBool::new(false),
        }
    }

    /// Lines of data, without what a terminal would obey.
    pub(crate) fn out(&self, text: &str) -> Result<(), CliError> {
        self.erase();
        let mut stdout = io::stdout().lock();
        stdout.write_all(escape::lines(text).as_bytes())?;
        Ok(stdout.flush()?)
    }

    /// A line of data. It stays one line, whatever is in it.
    pub(crate) fn line(&self, text: &str) -> Result<(), CliError> {
        self.out(&format!("{}\n", escape::line(text)))
    }

    /// Lines beside the data, without what a terminal would obey. A reader that is gone is no failure.
    pub(crate) fn err(&self, text: &str) {
        self.erase();
        io::stderr().lock().write_all(escape::lines(text).as_bytes()).ok();
    }

    /// A line beside the data. It stays one line, whatever is in it.
    pub(crate) fn note(&self, text: &str) {
        self.err(&format!("{}\n", escape::line(text)));
    }

    /// Draws the line that is drawn again in place.
    fn draw(&self, line: &str) {
        self.drawn.store(true, Ordering::Relaxed);
        io::stderr().lock().write_all(format!("\r{line}\x1b[K").as_bytes()).ok();
    }

    /// Takes that line away.
    fn erase(&self) {
        if self.drawn.swap(false, Ordering::Relaxed) {
            io::stderr().lock().write_all(b"\r\x1b[K").ok();
        }
    }

    /// Whether standard output is a terminal, where bars make sense.
    pub(crate) fn on_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Lists what goes and asks. Without a terminal nobody can answer: then it is an error that names `--yes`.
    pub(crate) fn confirm(&self, yes: bool, goes: &[String], what: &str) -> Result<(), CliError> {
        if yes || goes.is_empty() {
            return Ok(());
        }
        self.note(&format!("{what}:"));
        for line in goes {
            self.note(&format!("  {line}"));
        }
        if !self.interactive {
            return Err(CliError::user("nobody can be asked here: there is no terminal")
                .hint("repeat the command with --yes if that is what you want"));
        }
        self.err("Do you want to continue? (y/N): ");
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        if matches!(answer.trim(), "y" | "Y" | "yes") {
            Ok(())
        } else {
            Err(CliError::user("cancelled: nothing was changed"))
        }
    }
}
