//! The in-cluster half of `kubectl cmp`.
//!
//! The API server asks this process whether an account may change ([`accounts`]) and whether a ConfigMap may be a
//! template ([`templates`]). The [`controller`] brings every cluster to the want of its user. Both ask `cmp-core`.
//! Neither keeps any state that cannot be read again, so that any number of replicas may run and each may be killed at
//! any time. The [`mirror`] is a separate process for which nothing waits.

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Arguments, Command};

mod accounts;
pub mod admission;
pub mod args;
pub mod certs;
pub mod controller;
pub mod health;
pub mod limits;
pub mod logged;
pub mod metrics;
pub mod mirror;
mod review;
pub mod run;
mod templates;
pub mod watches;

/// Runs the process that the command line selects.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command {
        Command::Serve(serve) => run::main(&serve.process, run::serve(&serve)),
        Command::Mirror(args) => run::main(&args.process, mirror::run(&args)),
    }
}
