//! The in-cluster half of `kubectl cmp`.
//!
//! It answers the API server's question whether an account may change so ([`admission`]), and brings every cluster
//! to what its user wants ([`controller`]). Both ask `cmp-core`; neither keeps anything that could not be read anew,
//! so that any number of replicas may run and each may be killed at any time.

pub mod admission;
pub mod args;
pub mod certs;
pub mod controller;
pub mod health;
pub mod metrics;
pub mod run;
pub mod watches;
