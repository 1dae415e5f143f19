//! The terminal: text, and progress.

#[cfg(test)]
pub(crate) mod captured;
mod interrupt;
mod live;
mod progress;
mod terminal;

pub(crate) use live::Live;
pub(crate) use progress::Progress;
pub(crate) use terminal::{Colour, Ui};
#[cfg(test)]
pub(crate) use terminal::{Screen, Terminal};

#[cfg(test)]
mod tests;
