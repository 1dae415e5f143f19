//! The part of the test bed that has no dependencies: it builds the control plane, runs child processes and shows progress.
//!
//! The launcher of the demo is made of it, and so are the tests.

pub mod child;
mod go;
pub mod pinned;
mod progress;
pub mod together;

pub use go::modules;
pub use progress::{Progress, about, first_run};
