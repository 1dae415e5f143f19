//! The only writer to the terminal: data on standard output, everything about it on standard error.
//!
//! All text passes through [`escape`] here, whoever wrote it. Only the live line and the bytes of a stream that the user
//! connected to control the terminal. Text for people loses the error numbers of the system here.

use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use cmp_client::error::without_numbers;

use super::interrupt::Interrupt;
use crate::error::CliError;
use crate::escape;
use crate::output::fit::{INDENT, UNLIMITED, broken_sentence};

/// A stream that a command writes to.
pub(crate) type Sink = Box<dyn Write + Send>;
/// The stream that answers are read from.
pub(crate) type Source = Box<dyn BufRead + Send>;

/// The abilities of the terminal behind the streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Terminal {
    /// Whether somebody can answer a question.
    pub(crate) interactive: bool,
    /// Whether a line of standard error can be redrawn in place.
    pub(crate) redraws: bool,
    /// Standard output, if it is a terminal.
    pub(crate) screen: Option<Screen>,
    /// Whether data can be redrawn in place.
    pub(crate) live: bool,
    /// The number of columns of standard error, if it is a terminal.
    pub(crate) notes: Option<u16>,
}

/// The abilities of the terminal that data is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Screen {
    /// Whether text may have colours.
    pub(crate) colours: bool,
    /// The number of columns, if it is known.
    pub(crate) columns: Option<u16>,
}

/// A colour of text on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    Green,
    Yellow,
    Red,
}

impl Colour {
    /// Returns the number of the colour in an SGR sequence.
    fn code(self) -> u8 {
        match self {
            Self::Red => 31,
            Self::Green => 32,
            Self::Yellow => 33,
        }
    }
}

/// The streams of a command.
pub(crate) struct Ui {
    data: Mutex<Sink>,
    notes: Mutex<Sink>,
    answers: Mutex<Source>,
    pub(super) terminal: Terminal,
    /// Whether a live line is on the terminal now. It is erased before any other text is written.
    drawn: AtomicBool,
    pub(super) interrupt: Interrupt,
}

pub(super) fn locked<T: ?Sized>(stream: &Mutex<T>) -> MutexGuard<'_, T> {
    stream.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ui {
    /// Returns the standard streams of the process.
    pub(crate) fn standard() -> Self {
        let to_terminal = io::stderr().is_terminal();
        let is_able = std::env::var_os("TERM").is_some_and(|term| term != "dumb" && !term.is_empty());
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let terminal = Terminal {
            interactive: io::stdin().is_terminal() && to_terminal,
            redraws: to_terminal && is_able,
            screen: io::stdout().is_terminal().then(|| Screen {
                colours: is_able && !plain,
                columns: terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| width.0),
            }),
            live: io::stdout().is_terminal() && is_able,
            notes: terminal_size::terminal_size_of(io::stderr()).filter(|_| to_terminal).map(|(width, _)| width.0),
        };
        let answers = Box::new(io::BufReader::new(io::stdin()));
        Self::new(Box::new(io::stdout()), Box::new(io::stderr()), answers, terminal)
    }

    /// Creates the streams from writers for data and for notes, and from a reader for answers.
    pub(crate) fn new(data: Sink, notes: Sink, answers: Source, terminal: Terminal) -> Self {
        Self {
            data: Mutex::new(data),
            notes: Mutex::new(notes),
            answers: Mutex::new(answers),
            terminal,
            drawn: AtomicBool::new(false),
            interrupt: Interrupt::default(),
        }
    }

    /// Sets what goes on after ctrl-C, and the hint about the next step. From now on ctrl-C is an error of the command.
    pub(crate) fn goes_on(&self, what: impl Into<String>, hint: impl Into<String>) {
        self.interrupt.goes_on(what.into(), hint.into());
    }

    /// Waits for ctrl-C, and returns the error for it.
    pub(crate) async fn interrupted(&self) -> CliError {
        self.interrupt.error().await
    }

    /// Writes lines of data, without control sequences of a terminal.
    pub(crate) fn out(&self, text: &str) -> Result<(), CliError> {
        self.erase();
        let mut data = locked(&self.data);
        data.write_all(escape::lines(text).as_bytes())?;
        Ok(data.flush()?)
    }

    /// Writes lines of data in which some parts have a colour. Only the colours control the terminal.
    pub(crate) fn out_coloured(&self, parts: &[(String, Option<Colour>)]) -> Result<(), CliError> {
        self.erase();
        let mut text = String::new();
        for (part, colour) in parts {
            let part = escape::lines(part);
            match colour.filter(|_| self.terminal.screen.is_some_and(|screen| screen.colours)) {
                Some(colour) => text.push_str(&format!("\x1b[{}m{part}\x1b[0m", colour.code())),
                None => text.push_str(&part),
            }
        }
        let mut data = locked(&self.data);
        data.write_all(text.as_bytes())?;
        Ok(data.flush()?)
    }

    /// Writes bytes of a stream as they are: the console of a VM controls the terminal of its user.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Result<(), CliError> {
        let mut data = locked(&self.data);
        data.write_all(bytes)?;
        Ok(data.flush()?)
    }

    /// Writes one line of data. Line breaks in the text are escaped.
    pub(crate) fn line(&self, text: &str) -> Result<(), CliError> {
        self.out(&format!("{}\n", escape::line(text)))
    }

    /// Writes lines to standard error, without control sequences of a terminal and without error numbers of the system.
    /// Errors are ignored: a closed reader is no failure.
    pub(crate) fn err(&self, text: &str) {
        self.erase();
        locked(&self.notes).write_all(escape::lines(&without_numbers(text)).as_bytes()).ok();
    }

    /// Writes one line to standard error. Line breaks in the text are escaped. On a terminal it is broken between words.
    pub(crate) fn note(&self, text: &str) {
        let indent = if text.starts_with("hint: ") { "hint: ".len() } else { INDENT };
        self.sentences([(text, indent)]);
    }

    /// Writes sentences to standard error, each in a line of its own, as [`note`](Self::note) does. A sentence that is
    /// broken goes on behind its indent.
    pub(crate) fn sentences<'a>(&self, sentences: impl IntoIterator<Item = (&'a str, usize)>) {
        let mut text = String::new();
        for (sentence, indent) in sentences {
            // The length counts as the terminal shows it.
            let sentence = without_numbers(sentence);
            text.push_str(&broken_sentence(&escape::line(&sentence), self.notes_room(), indent));
            text.push('\n');
        }
        self.err(&text);
    }

    /// Returns the number of characters that fit into a line of standard error. It is unlimited if that is no terminal.
    fn notes_room(&self) -> usize {
        self.terminal.notes.map_or(UNLIMITED, usize::from)
    }

    /// Writes several lines to standard error, each as [`note`](Self::note) does.
    pub(crate) fn notes(&self, lines: &[String]) {
        for line in lines {
            self.note(line);
        }
    }

    /// Draws the live line, in place of the previous one. It is cut to `width` characters, with room for the echo of
    /// ctrl-C: on a further row it could not be erased.
    pub(super) fn draw(&self, line: &str, width: usize) {
        self.interrupt.listen();
        self.drawn.store(true, Ordering::Relaxed);
        let line = cut(&without_numbers(line), width.saturating_sub("^C".len()));
        locked(&self.notes).write_all(format!("\r{line}\x1b[K").as_bytes()).ok();
    }

    /// Erases the live line, if there is one.
    pub(super) fn erase(&self) {
        if self.drawn.swap(false, Ordering::Relaxed) {
            locked(&self.notes).write_all(b"\r\x1b[K").ok();
        }
    }

    /// Switches to the alternate screen of the terminal, or back from it. The text on the other screen stays.
    pub(super) fn alternate(&self, on: bool) {
        let sequence = if on { "\x1b[?1049h" } else { "\x1b[?1049l" };
        let mut data = locked(&self.data);
        // The next draw reports a closed terminal.
        data.write_all(sequence.as_bytes()).and_then(|()| data.flush()).ok();
    }

    /// Draws a whole screen of lines, in place of the previous one.
    pub(super) fn redraw(&self, lines: &str) -> Result<(), CliError> {
        let mut text = "\x1b[H".to_owned();
        for line in escape::lines(lines).lines() {
            text.push_str(&format!("{line}\x1b[K\n"));
        }
        text.push_str("\x1b[J");
        let mut data = locked(&self.data);
        data.write_all(text.as_bytes())?;
        Ok(data.flush()?)
    }

    /// Returns the present columns and rows of the terminal.
    pub(super) fn size(&self) -> (usize, usize) {
        let size = terminal_size::terminal_size_of(io::stdout()).filter(|_| self.terminal.live);
        size.map_or((80, 24), |(columns, rows)| (usize::from(columns.0), usize::from(rows.0)))
    }

    /// Returns the columns and rows of the terminal that the user types at, if standard input is one.
    pub(crate) fn typed_size(&self) -> Option<(u16, u16)> {
        let size = terminal_size::terminal_size_of(io::stdin()).filter(|_| self.terminal.interactive);
        size.map(|(columns, rows)| (columns.0, rows.0))
    }

    /// Reports whether standard output is a terminal, where bars make sense.
    pub(crate) fn on_terminal(&self) -> bool {
        self.terminal.screen.is_some()
    }

    /// Reports whether data can be redrawn in place.
    pub(crate) fn is_live(&self) -> bool {
        self.terminal.live
    }

    /// Returns the number of columns of standard output, if it is a terminal.
    pub(crate) fn columns(&self) -> Option<u16> {
        self.terminal.screen.and_then(|screen| screen.columns)
    }

    /// Returns the number of characters that fit into a line of data. It is unlimited if standard output is no terminal.
    pub(crate) fn room(&self) -> usize {
        self.columns().map_or(usize::MAX, usize::from)
    }

    /// Lists the affected objects and asks for confirmation. Without a terminal nobody can answer, so that the error
    /// names `--yes`.
    pub(crate) fn confirm(&self, yes: bool, goes: &[String], what: &str) -> Result<(), CliError> {
        if yes || goes.is_empty() {
            return Ok(());
        }
        self.note(&format!("{what}:"));
        for line in goes {
            self.sentences([(format!("  {line}").as_str(), 4)]);
        }
        if !self.terminal.interactive {
            return Err(CliError::user("cannot prompt for confirmation: stdin is not a terminal")
                .hint("repeat the command with --yes to confirm"));
        }
        self.ask()
    }

    /// Prints warnings, and asks for confirmation if somebody can answer. Without a terminal the command goes on.
    pub(crate) fn warn_and_confirm(&self, yes: bool, warnings: &[String]) -> Result<(), CliError> {
        self.notes(warnings);
        if yes || warnings.is_empty() || !self.terminal.interactive {
            return Ok(());
        }
        self.ask()
    }

    /// Asks whether to continue. Every answer but yes is an error.
    fn ask(&self) -> Result<(), CliError> {
        self.err("Do you want to continue? (y/N): ");
        let mut answer = String::new();
        locked(&self.answers).read_line(&mut answer)?;
        if matches!(answer.trim(), "y" | "Y" | "yes") {
            Ok(())
        } else {
            Err(CliError::user("cancelled: nothing was changed"))
        }
    }
}

/// Escapes a line and cuts it to the width of the terminal, because a longer one could not be erased.
fn cut(line: &str, width: usize) -> String {
    let line = escape::line(line);
    if line.chars().count() < width {
        return line.into_owned();
    }
    let kept: String = line.chars().take(width.saturating_sub(4)).collect();
    format!("{kept}...")
}

impl CliError {
    /// Prints the error and its hints.
    pub(crate) fn print(&self, ui: &Ui) {
        ui.sentences(self.lines().iter().map(|(line, indent)| (line.as_str(), *indent)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_drawn_in_place_fits() {
        assert_eq!(cut("web: 3/3 running", 80), "web: 3/3 running");
        assert_eq!(cut("web: 3/3 running", 17), "web: 3/3 running");
        assert_eq!(cut("web: 3/3 running", 16), "web: 3/3 run...");
        assert_eq!(cut("web", 2), "...");
        assert_eq!(cut("a\x1b[2Jb\nc", 80), "a^[[2Jb\\nc");
    }
}
