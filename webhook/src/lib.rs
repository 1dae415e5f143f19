//! The in-cluster half of `kubectl cmp`.
//!
//! It answers the API server's questions whether an account may change so ([`admission`]) and whether something may be a
//! template ([`templates`]), and brings every cluster
//! to what its user wants ([`controller`]). Both ask `cmp-core`; neither keeps anything that could not be read anew,
//! so that any number of replicas may run and each may be killed at any time. The [`mirror`] is a process of its own, that
//! nobody waits for.

pub mod admission;
pub mod args;
pub mod certs;
pub mod controller;
pub mod door;
pub mod health;
pub mod logged;
pub mod metrics;
pub mod mirror;
pub mod run;
mod templates;
pub mod watches;
