//! The only writer to the terminal: data on standard output, everything about it on standard error.
//!
//! All text passes through [`escape`] here, whoever wrote it. The live line is the only text that controls the
//! terminal.

use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::CliError;
use crate::escape;

/// The streams that a command writes to.
pub(crate) struct Ui {
    interactive: bool,
    /// Whether a line can be redrawn in place.
    pub(super) redraws: bool,
    /// Whether a live line is on the terminal now. It is erased before any other text is written.
    drawn: AtomicBool,
}

#[allow(clippy::unused_self, reason = "whoever writes has been given the right to, by being given a Ui")]
impl Ui {
    /// Returns the standard streams of the process.
    pub(crate) fn standard() -> Self {
        let to_terminal = io::stderr().is_terminal();
        Self {
            interactive: io::stdin().is_terminal() && to_terminal,
            redraws: to_terminal && std::env::var_os("TERM").is_some_and(|term| term != "dumb" && !term.is_empty()),
            drawn: AtomicBool::new(false),
        }
    }

    /// Writes lines of data, without control sequences of a terminal.
    pub(crate) fn out(&self, text: &str) -> Result<(), CliError> {
        self.erase();
        let mut stdout = io::stdout().lock();
        stdout.write_all(escape::lines(text).as_bytes())?;
        Ok(stdout.flush()?)
    }

    /// Writes one line of data. Line breaks in the text are escaped.
    pub(crate) fn line(&self, text: &str) -> Result<(), CliError> {
        self.out(&format!("{}\n", escape::line(text)))
    }

    /// Writes lines to standard error, without control sequences of a terminal. Errors are ignored: a closed reader is
    /// no failure.
    pub(crate) fn err(&self, text: &str) {
        self.erase();
        io::stderr().lock().write_all(escape::lines(text).as_bytes()).ok();
    }

    /// Writes one line to standard error. Line breaks in the text are escaped.
    pub(crate) fn note(&self, text: &str) {
        self.err(&format!("{}\n", escape::line(text)));
    }

    /// Draws the live line, in place of the previous one.
    pub(super) fn draw(&self, line: &str) {
        self.drawn.store(true, Ordering::Relaxed);
        io::stderr().lock().write_all(format!("\r{line}\x1b[K").as_bytes()).ok();
    }

    /// Erases the live line, if there is one.
    pub(super) fn erase(&self) {
        if self.drawn.swap(false, Ordering::Relaxed) {
            io::stderr().lock().write_all(b"\r\x1b[K").ok();
        }
    }

    /// Reports whether standard output is a terminal, where bars make sense.
    pub(crate) fn on_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Lists the affected objects and asks for confirmation. Without a terminal nobody can answer, so that the error
    /// names `--yes`.
    pub(crate) fn confirm(&self, yes: bool, goes: &[String], what: &str) -> Result<(), CliError> {
        if yes || goes.is_empty() {
            return Ok(());
        }
        self.note(&format!("{what}:"));
        for line in goes {
            self.note(&format!("  {line}"));
        }
        if !self.interactive {
            return Err(CliError::user("cannot prompt for confirmation: stdin is not a terminal")
                .hint("repeat the command with --yes to confirm"));
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

impl CliError {
    /// Prints the error and its hints.
    pub(crate) fn print(&self, ui: &Ui) {
        ui.err(&self.text());
    }
}
