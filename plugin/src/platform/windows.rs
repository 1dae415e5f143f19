//! Windows. The release cross-compiles this file. No test runs it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::windows::process::CommandExt;
use std::path::Path;
use std::process::Command;

use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close};

/// The editor if no variable names one, as in kubectl.
pub(crate) const EDITOR: &str = "notepad";

/// Returns the command of an editor for a file. The command processor splits the words of the editor.
pub(crate) fn edits(editor: &str, path: &Path) -> Command {
    let mut command = Command::new("cmd");
    // cmd removes the outer quotes, and reads the rest as it is.
    command.arg("/C").raw_arg(format!("\"{editor} \"{}\"\"", path.display()));
    command
}

/// Runs another program with the terminal of this process, and ends with its exit code. Returns the error if that fails.
#[expect(clippy::disallowed_methods, reason = "the user ends the program")]
#[expect(clippy::exit, reason = "Windows cannot replace a process: this one ends with the other")]
pub(crate) fn become_it(mut program: Command) -> io::Error {
    match program.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(error) => error,
    }
}

/// Creates a folder and its parents. The folder of the user's profile decides who may read it.
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)
}

/// Creates a symbolic link to a file. Windows asks for developer mode or an administrator.
pub(crate) fn link(to: &Path, at: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(to, at)
}

/// Replaces each ASCII character that has an escape.
pub(crate) fn escaped(text: &OsStr, escape: impl Fn(u8) -> Option<&'static str>) -> OsString {
    let mut changed = String::new();
    for letter in text.to_string_lossy().chars() {
        match u8::try_from(letter).ok().and_then(&escape) {
            Some(escape) => changed.push_str(escape),
            None => changed.push(letter),
        }
    }
    changed.into()
}

/// Quotes a word for a command line of Windows, which needs no shell.
pub(crate) fn quoted(word: &OsStr) -> OsString {
    let mut quoted = OsString::from("\"");
    quoted.push(escaped(word, |byte| (byte == b'"').then_some("\\\"")));
    quoted.push("\"");
    quoted
}

/// Waits for Ctrl-C, Ctrl-Break, or the end of the terminal. From the call on they do not end the process.
pub(crate) fn signalled() -> impl Future<Output = ()> {
    let signals = (ctrl_c(), ctrl_break(), ctrl_close());
    async move {
        let (Ok(mut interrupted), Ok(mut broken), Ok(mut closed)) = signals else {
            // No signal can be received.
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = broken.recv() => {}
            _ = closed.recv() => {}
        }
    }
}

/// Waits for Ctrl-C. From the call on Ctrl-C does not end the process.
pub(crate) fn interrupted() -> impl Future<Output = ()> {
    let signal = ctrl_c();
    async move {
        match signal {
            Ok(mut interrupted) => drop(interrupted.recv().await),
            // No signal can be received.
            Err(_) => std::future::pending().await,
        }
    }
}

/// The mode of a terminal that is not raw.
pub(crate) struct Mode;

/// Makes standard input pass on each byte unchanged, if it is a terminal. Returns the mode before.
pub(crate) fn make_raw() -> Option<Mode> {
    crossterm::terminal::enable_raw_mode().ok().map(|()| Mode)
}

/// Leaves the mode as it is: a key counts when Enter is typed.
pub(crate) fn make_unbuffered() -> Option<Mode> {
    None
}

/// Sets the mode of standard input.
pub(crate) fn set_mode(Mode: &Mode) {
    crossterm::terminal::disable_raw_mode().ok();
}
