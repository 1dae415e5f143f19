//! The only code of `kubectl cmp` that turns decisions into API calls.
//!
//! `cmp-core` decides which changes are allowed. This crate carries them out: one change, one call, safe to repeat.
//! Nothing in this crate prints, exits or chooses.

pub mod access;
pub mod accounts;
pub mod api_services;
pub mod asked;
pub mod certificates;
pub mod clusters;
pub mod connect;
pub mod data_disks;
pub mod data_volumes;
pub mod discovery;
mod early;
pub mod error;
pub mod events;
pub mod fences;
pub mod first_boot;
pub mod guest;
pub mod installation;
pub mod instances;
pub mod kubevirt;
pub mod lists;
pub mod metrics;
pub mod namespaces;
pub mod networks;
pub mod objects;
pub mod patience;
pub mod prices;
pub mod private;
pub mod probes;
pub mod remains;
pub mod resize;
pub mod restart;
pub mod settings;
pub mod snapshots;
pub mod streams;
pub mod switch;
pub mod templates;
mod texts;
pub mod tokens;
pub mod update;
pub mod users;
pub mod watches;

pub use error::ApiError;
pub use update::DryRun;
