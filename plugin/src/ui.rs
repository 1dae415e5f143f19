//! The only writer to the terminal: data on standard output, everything about it on standard error.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::error::CliError;

/// Where a command writes.
pub(crate) struct Ui {
    interactive: bool,
}

#[allow(clippy::unused_self, reason = "whoever writes has been given the right to, by being given a Ui")]
impl Ui {
    /// The process's own streams.
    pub(crate) fn standard() -> Self {
        Self { interactive: io::stdin().is_terminal() && io::stderr().is_terminal() }
    }

    /// Data, as it is.
    pub(crate) fn out(&self, text: &str) -> Result<(), CliError> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        Ok(stdout.flush()?)
    }

    /// A line of data.
    pub(crate) fn line(&self, text: &str) -> Result<(), CliError> {
        self.out(&format!("{text}\n"))
    }

    /// Something beside the data, as it is. That nobody reads it any more is no failure.
    pub(crate) fn err(&self, text: &str) {
        io::stderr().lock().write_all(text.as_bytes()).ok();
    }

    /// A line beside the data.
    pub(crate) fn note(&self, text: &str) {
        self.err(&format!("{text}\n"));
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
