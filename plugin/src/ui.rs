//! The terminal: text, and progress.

#[cfg(test)]
pub(crate) mod captured;
mod interrupt;
mod live;
mod progress;
mod raw;
mod terminal;
mod typed;

pub(crate) use live::Live;
pub(crate) use progress::Progress;
pub(crate) use raw::{Raw, restore};
pub(crate) use terminal::{Colour, Ui};
#[cfg(test)]
pub(crate) use terminal::{Screen, Terminal};
pub(crate) use typed::typed;

#[cfg(test)]
mod tests;
