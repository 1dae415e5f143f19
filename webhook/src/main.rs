//! `cmp-webhook`: see the library.

use std::process::ExitCode;

use clap::Parser;
use cmp_webhook::args::{Arguments, Command};
use cmp_webhook::{mirror, run};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command {
        Command::Serve(serve) => run::main(&serve.process, run::serve(&serve)),
        Command::Mirror(args) => run::main(&args.process, mirror::run(&args)),
    }
}
