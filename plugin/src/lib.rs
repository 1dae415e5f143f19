//! `kubectl cmp`: arguments in, objects out.
//!
//! Each command looks (through `cmp-client`), decides (by `cmp-core`) and acts. Only [`ui`] writes to the terminal,
//! only [`main`] turns an error into text and an exit code.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;

mod args;
mod command_line;
mod commands;
mod completion;
mod context;
mod editor;
mod error;
mod escape;
mod files;
mod manifests;
mod output;
mod panics;
mod plain;
mod platform;
mod runtime;
mod ui;
mod usage_error;
mod view;

use command_line::Arguments;
use error::CliError;
use ui::Ui;

/// The exit code after ctrl-C, as shells report a process that the signal ended.
const INTERRUPTED: u8 = 130;

/// Runs the command that was typed.
pub fn main() -> ExitCode {
    panics::install();
    let ui = Ui::standard();
    let typed: Vec<OsString> = std::env::args_os().collect();
    if let Some(words) = completion::asked(&typed) {
        completion::run(&ui, &words);
        return ExitCode::SUCCESS;
    }
    let typed = command_line::split_titles(command_line::help_of(typed).into_iter());
    let arguments = match command_line::parse(&typed) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&ui, &error, &typed),
    };
    let ended = run(arguments, &ui);
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            error.print(&ui);
            if error.is_interrupted() { ExitCode::from(INTERRUPTED) } else { ExitCode::FAILURE }
        }
    }
}

fn run(arguments: Arguments, ui: &Ui) -> Result<(), CliError> {
    runtime::runtime()?.block_on(async {
        tokio::select! {
            done = commands::run(arguments.command, arguments.global, arguments.timeout, ui) => done,
            error = ui.interrupted() => Err(error),
        }
    })
}

/// Prints a usage error in kubectl's form: `error: ...` and exit code 1, where clap uses 2.
fn usage(ui: &Ui, error: &clap::Error, typed: &[OsString]) -> ExitCode {
    match error.kind() {
        // `kubectl cmp` alone is no error; `kubectl cmp create` alone is one.
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand if typed.len() > 1 => {
            ui.err(&error.to_string());
            ExitCode::FAILURE
        }
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            // A closed pipe is not an error of the plugin.
            ui.out(&error.to_string()).ok();
            ExitCode::SUCCESS
        }
        _ => {
            usage_error::error(&command_line::command(), error, typed).print(ui);
            ExitCode::FAILURE
        }
    }
}
