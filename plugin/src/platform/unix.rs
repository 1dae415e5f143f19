//! Linux and macOS.

use std::ffi::{OsStr, OsString};
use std::fs::DirBuilder;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};

/// The editor if no variable names one, as in kubectl.
pub(crate) const EDITOR: &str = "vi";

/// Returns the command of an editor for a file. A shell splits the words of the editor.
pub(crate) fn edits(editor: &str, path: &Path) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(path);
    command
}

/// Replaces this process with another program, which gets the terminal, the signals and the exit code. Returns the
/// error if that fails.
pub(crate) fn become_it(mut program: Command) -> io::Error {
    program.exec()
}

/// Creates a folder and its parents, for their owner alone.
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Creates a symbolic link to a file.
pub(crate) fn link(to: &Path, at: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(to, at)
}

/// Replaces each byte that has an escape.
pub(crate) fn escaped(text: &OsStr, escape: impl Fn(u8) -> Option<&'static str>) -> OsString {
    let mut bytes = Vec::with_capacity(text.len());
    for byte in text.as_bytes() {
        match escape(*byte) {
            Some(escape) => bytes.extend(escape.as_bytes()),
            None => bytes.push(*byte),
        }
    }
    OsString::from_vec(bytes)
}

/// Quotes a word for the shell.
pub(crate) fn quoted(word: &OsStr) -> OsString {
    let mut quoted = OsString::from("'");
    quoted.push(escaped(word, |byte| (byte == b'\'').then_some(r"'\''")));
    quoted.push("'");
    quoted
}

/// Waits for a signal that asks the process to end. From the call on such a signal does not end the process.
pub(crate) fn signalled() -> impl Future<Output = ()> {
    first_of(&[SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup(), SignalKind::quit()])
}

/// Waits for ctrl-C. From the call on ctrl-C does not end the process.
pub(crate) fn interrupted() -> impl Future<Output = ()> {
    first_of(&[SignalKind::interrupt()])
}

fn first_of(kinds: &[SignalKind]) -> impl Future<Output = ()> + use<> {
    let mut signals: Vec<_> = kinds.iter().filter_map(|kind| signal(*kind).ok()).collect();
    async move {
        let waits: Vec<_> = signals.iter_mut().map(|signal| Box::pin(signal.recv())).collect();
        if waits.is_empty() {
            // No signal can be received.
            return std::future::pending().await;
        }
        futures::future::select_all(waits).await;
    }
}

/// The mode of a terminal.
pub(crate) type Mode = Termios;

/// Makes standard input pass on each byte unchanged, if it is a terminal. Returns the mode before.
pub(crate) fn make_raw() -> Option<Mode> {
    changed(Termios::make_raw)
}

/// Makes standard input pass on each key at once, if it is a terminal, and show none. Returns the mode before. Ctrl-C
/// stays a signal.
pub(crate) fn make_unbuffered() -> Option<Mode> {
    changed(|mode| mode.local_modes -= LocalModes::ICANON | LocalModes::ECHO)
}

fn changed(change: impl FnOnce(&mut Mode)) -> Option<Mode> {
    let before = tcgetattr(std::io::stdin()).ok()?;
    let mut mode = before.clone();
    change(&mut mode);
    set_mode(&mode);
    Some(before)
}

/// Sets the mode of standard input.
pub(crate) fn set_mode(mode: &Mode) {
    tcsetattr(std::io::stdin(), OptionalActions::Now, mode).ok();
}
