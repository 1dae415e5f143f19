//! The in-cluster half of `kubectl cmp`.
//!
//! It answers the API server's questions whether an account may change so ([`admission`]) and whether something may be a
//! template ([`templates`]), and brings every cluster
//! to what its user wants ([`controller`]). Both ask `cmp-core`; neither keeps anything that could not be read anew,
//! so that any number of replicas may run and each may be killed at any time. The [`mirror`] is a process of its own, that
//! nobody waits for.

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Arguments, Command};

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

/// Runs what the command line asks for.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command {
        Command::Serve(serve) => run::main(&serve.process, run::serve(&serve)),
        Command::Mirror(args) => run::main(&args.process, mirror::run(&args)),
    }
}
