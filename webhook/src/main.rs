//! `cmp-webhook`: see the library.

use std::process::ExitCode;

use clap::Parser;
use cmp_webhook::args::{Arguments, Command};
use cmp_webhook::run;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let Command::Serve(serve) = arguments.command;
    run::main(&serve)
}
