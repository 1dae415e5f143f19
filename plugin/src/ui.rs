//! The terminal: text, and progress.

mod progress;
mod terminal;

pub(crate) use progress::Progress;
pub(crate) use terminal::Ui;
