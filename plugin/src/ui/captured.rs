//! Streams that are kept in memory, so that a test can read what a command printed.

use std::io::{self, Cursor, Write};
use std::sync::{Arc, Mutex};

use super::terminal::{Terminal, Ui, locked};

/// The text that was written, and the answers that are given.
#[derive(Clone, Default)]
pub(crate) struct Captured {
    data: Buffer,
    notes: Buffer,
    answers: String,
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        locked(&self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Captured {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Answers questions with the lines of `answers`.
    pub(crate) fn answered(self, answers: &str) -> Self {
        Self { answers: answers.to_owned(), ..self }
    }

    /// Returns streams without a terminal.
    pub(crate) fn ui(&self) -> Ui {
        self.ui_of(Terminal::default())
    }

    /// Returns streams of such a terminal.
    pub(crate) fn ui_of(&self, terminal: Terminal) -> Ui {
        let answers = Box::new(Cursor::new(self.answers.clone().into_bytes()));
        Ui::new(Box::new(self.data.clone()), Box::new(self.notes.clone()), answers, terminal)
    }

    /// Returns the data that was written.
    pub(crate) fn data(&self) -> String {
        String::from_utf8_lossy(&locked(&self.data.0)).into_owned()
    }

    /// Returns the notes that were written.
    pub(crate) fn notes(&self) -> String {
        String::from_utf8_lossy(&locked(&self.notes.0)).into_owned()
    }
}
