//! The only code of `kubectl cmp` that turns decisions into API calls.
//!
//! `cmp-core` decides which changes are allowed. This crate carries them out: one change, one call, safe to repeat.
//! Nothing in this crate prints, exits or chooses.

pub mod accounts;
pub mod connect;
pub mod error;
pub mod fences;
pub mod instances;
pub mod kubevirt;
pub mod lists;
pub mod private;
pub mod settings;
pub mod templates;
mod texts;

pub use error::ApiError;
