//! A pseudo-terminal for a command.

use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::child::{self, Ended, PATIENCE, Reader};
use crate::shell::{SOON, eventually};

/// The output of a command on a terminal.
pub struct Shown {
    /// The exit code of the command.
    pub code: i32,
    /// The whole output, with control sequences.
    pub raw: String,
}

/// Runs a command on a terminal with this number of columns.
pub fn run(command: Command, columns: u16) -> Shown {
    run_typing(command, columns, "", |_| true)
}

/// Runs a command on a terminal, and types keys as soon as its output meets a condition.
pub fn run_typing(mut command: Command, columns: u16, keys: &str, mut when: impl FnMut(&str) -> bool) -> Shown {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&ours).and_then(|()| unlockpt(&ours)).expect("a terminal");
    let path = ptsname(&ours, Vec::new()).expect("a terminal has a name");
    let theirs = File::options().read(true).write(true).open(Path::new(std::ffi::OsStr::from_bytes(path.as_bytes())));
    let theirs = theirs.expect("a terminal");
    tcsetwinsize(&theirs, Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).expect("a width");
    let another = || theirs.try_clone().expect("a terminal");
    command.stdin(another()).stdout(another()).stderr(another());
    let name = child::name(&command);
    let mut started = Ended(command.spawn().expect("it starts"));
    // Reading ends when nobody has the other end open any more. The command keeps copies of it, too.
    drop((command, theirs));
    let mut ours = File::from(ours);
    let reader = Reader::new(ours.try_clone().expect("a terminal"));
    if !keys.is_empty() {
        eventually(&format!("{keys:?} can be typed"), SOON, || {
            let raw = String::from_utf8_lossy(&reader.read()).into_owned();
            if when(&raw) { Ok(()) } else { Err(format!("{raw:?}")) }
        });
        ours.write_all(keys.as_bytes()).expect("a terminal");
    }
    reader.ends_by(Instant::now() + PATIENCE);
    let raw = String::from_utf8_lossy(&reader.read()).into_owned();
    let code = child::wait(&mut started.0, &format!("{name}, which said {raw:?},"), PATIENCE).code().unwrap_or(-1);
    Shown { code, raw }
}

impl Shown {
    /// Returns the text that stays readable on the screen.
    pub fn screen(&self) -> String {
        let mut screen = String::new();
        for line in self.raw.split_inclusive('\n') {
            let mut shown: Vec<char> = Vec::new();
            for part in line.trim_end_matches(['\r', '\n']).split('\r') {
                let (text, rest) = part.split_once("\x1b[K").map_or((part, None), |(text, rest)| (text, Some(rest)));
                let text: Vec<char> = text.chars().collect();
                let kept =
                    if rest.is_some() { Vec::new() } else { shown.drain(text.len().min(shown.len())..).collect() };
                shown = [text, rest.unwrap_or_default().chars().collect(), kept].concat();
            }
            screen.extend(shown);
            screen.push('\n');
        }
        screen.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_shows_the_text_after_erasures() {
        let check = |raw: &str, expected: &str| {
            assert_eq!(Shown { code: 0, raw: raw.to_owned() }.screen(), expected, "{raw:?}");
        };
        check("a\r\nb\r\n", "a\nb");
        check("\r1/3\x1b[K\r2/3 and more\x1b[K\r3/3\x1b[K\r\x1b[Kdone\r\n", "done");
        check("abc\rd\r\n", "dbc");
    }
}
