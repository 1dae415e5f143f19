//! A pseudo-terminal for a command, and the screen of a VT100 emulator that shows its output.
//!
//! The kernel provides the pseudo-terminal, as for any terminal program. The emulator is the crate `vt100`: no window, no
//! fonts and no theme. A theme is only the colours that a person chose for the 16 colour numbers, so the tests look at
//! the numbers.

use std::fs::File;
use std::io::Write;
use std::num::NonZeroU16;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use vt100::{Color, Parser};

use crate::child::{self, Ended, PATIENCE, Reader};
use crate::shell::{SOON, eventually};

/// The number of rows that a command sees.
const ROWS: u16 = 24;
/// The number of rows that the emulator keeps for output that scrolls.
const ALL_ROWS: u16 = 300;

/// A command that runs on a terminal.
pub struct Session {
    started: Ended,
    name: String,
    ours: File,
    reader: Reader,
    columns: u16,
    modes: LocalModes,
}

/// The output of a command on a terminal.
pub struct Shown {
    /// The exit code of the command.
    pub code: i32,
    /// The whole output, with control sequences.
    pub raw: String,
    /// The number of columns of the terminal.
    pub columns: u16,
    /// Whether the terminal reads and echoes lines as before.
    pub modes_are_kept: bool,
}

/// Runs a command on a terminal with this number of columns.
pub fn run(command: Command, columns: u16) -> Shown {
    Session::start(command, columns).ended()
}

/// Runs a command on a terminal, and types keys as soon as its output meets a condition.
pub fn run_typing(command: Command, columns: u16, keys: &str, when: impl FnMut(&str) -> bool) -> Shown {
    let mut session = Session::start(command, columns);
    session.until(&format!("{keys:?} can be typed"), when);
    session.types(keys);
    session.ended()
}

impl Session {
    /// Starts a command on a terminal with this number of columns.
    pub fn start(mut command: Command, columns: u16) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&ours).and_then(|()| unlockpt(&ours)).expect("a terminal");
        let path = ptsname(&ours, Vec::new()).expect("a terminal has a name");
        let theirs =
            File::options().read(true).write(true).open(Path::new(std::ffi::OsStr::from_bytes(path.as_bytes())));
        let theirs = theirs.expect("a terminal");
        tcsetwinsize(&theirs, Winsize { ws_row: ROWS, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).expect("a width");
        let modes = modes(&theirs);
        let another = || theirs.try_clone().expect("a terminal");
        command.stdin(another()).stdout(another()).stderr(another());
        let name = child::name(&command);
        let started = Ended(command.spawn().expect("it starts"));
        // Reading ends when nobody has the other end open any more. The command keeps copies of it, too.
        drop((command, theirs));
        let ours = File::from(ours);
        let reader = Reader::new(ours.try_clone().expect("a terminal"));
        Self { started, name, ours, reader, columns, modes }
    }

    /// Returns the output so far.
    pub fn raw(&self) -> String {
        String::from_utf8_lossy(&self.reader.read()).into_owned()
    }

    /// Waits until the output meets a condition, and returns the screen at that time.
    #[track_caller]
    pub fn until(&self, what: &str, mut is: impl FnMut(&str) -> bool) -> String {
        eventually(what, SOON, || {
            let raw = self.raw();
            if is(&raw) { Ok(screen(&raw, self.columns, ROWS)) } else { Err(format!("{raw:?}")) }
        })
    }

    /// Types keys.
    pub fn types(&mut self, keys: &str) {
        self.ours.write_all(keys.as_bytes()).expect("a terminal");
    }

    /// Types ctrl-C, which the terminal echoes, and sends the signal to the command itself. This terminal does not control
    /// the command, because that takes a system call between fork and exec.
    pub fn interrupts(&mut self) {
        let echoes = |raw: &str| raw.matches("^C").count();
        let before = echoes(&self.raw());
        self.types("\x03");
        // The terminal discards the output that nobody has read, and then echoes. A real one sends the signal after that,
        // so that the answer of the command is not discarded.
        self.until("the echo of ctrl-C", |raw| echoes(raw) > before);
        let pid = self.started.0.id().to_string();
        child::output(Command::new("kill").args(["-INT", &pid]), PATIENCE).expect("a signal");
    }

    /// Waits until the mode of the terminal is raw, or is not.
    #[track_caller]
    pub fn is_raw(&self, raw: bool) {
        eventually(&format!("the mode of the terminal is raw: {raw}"), SOON, || {
            let modes = modes(&self.ours);
            let is = !modes.intersects(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
            if is == raw { Ok(()) } else { Err(format!("{modes:?}")) }
        });
    }

    /// Returns the id of the process.
    pub fn id(&self) -> u32 {
        self.started.0.id()
    }

    /// Waits for the end of the command.
    pub fn ended(mut self) -> Shown {
        self.reader.ends_by(Instant::now() + PATIENCE);
        let raw = self.raw();
        let what = format!("{}, which said {raw:?},", self.name);
        let code = child::wait(&mut self.started.0, &what, PATIENCE).code().unwrap_or(-1);
        Shown { code, raw, columns: self.columns, modes_are_kept: modes(&self.ours) == self.modes }
    }
}

/// Returns the modes of reading and echoing.
fn modes(terminal: &File) -> LocalModes {
    tcgetattr(terminal).expect("the modes of a terminal").local_modes
}

/// Returns an emulator that has shown this output.
fn emulator(raw: &str, columns: u16, rows: u16) -> Parser {
    let size = |number| NonZeroU16::new(number).unwrap_or(NonZeroU16::MIN);
    let mut parser = Parser::new(size(rows), size(columns), 0);
    parser.process(raw.as_bytes());
    parser
}

/// Returns the rows of the screen after this output, as they are seen.
fn screen(raw: &str, columns: u16, rows: u16) -> String {
    let parser = emulator(raw, columns, rows);
    let rows: Vec<String> = parser.screen().rows(0, columns).map(|row| row.trim_end().to_owned()).collect();
    rows.join("\n").trim_end().to_owned()
}

impl Shown {
    /// Returns the text that stays readable on the screen. A line that takes several rows is one line.
    pub fn screen(&self) -> String {
        let text = emulator(&self.raw, self.columns, ALL_ROWS).screen().contents();
        text.trim_end().to_owned()
    }

    /// Returns the rows of the screen, as they are seen.
    pub fn rows(&self) -> String {
        screen(&self.raw, self.columns, ALL_ROWS)
    }

    /// Returns the pairs of rows between which the terminal broke a word. Text and dashes are words.
    pub fn broken_words(&self) -> Vec<String> {
        let parser = emulator(&self.raw, self.columns, ALL_ROWS);
        let screen = parser.screen();
        let rows: Vec<String> = screen.rows(0, self.columns).collect();
        let broken = (0..ALL_ROWS - 1).filter(|row| {
            let is_text = |row, column| screen.cell(row, column).is_some_and(|cell| !cell.contents().trim().is_empty());
            screen.row_wrapped(*row) && is_text(*row, self.columns - 1) && is_text(*row + 1, 0)
        });
        broken.map(|row| format!("{}\n{}", rows[usize::from(row)], rows[usize::from(row) + 1])).collect()
    }

    /// Asserts that the terminal is left as it was found. The cursor is visible and at the start of a row, and the first
    /// screen is shown. Text has no attributes, and lines are read and echoed as before.
    #[track_caller]
    pub fn is_left_in_order(&self) {
        let parser = emulator(&self.raw, self.columns, ALL_ROWS);
        let screen = parser.screen();
        assert!(!screen.hide_cursor() && !screen.alternate_screen() && self.modes_are_kept, "{:?}", self.raw);
        assert_eq!(screen.cursor_position().1, 0, "{:?}", self.raw);
        let left = (screen.fgcolor(), screen.bgcolor(), screen.bold(), screen.inverse());
        assert_eq!(left, (Color::Default, Color::Default, false, false), "{:?}", self.raw);
    }

    /// Asserts that the output is readable on a light and on a dark background. It sets no background, neither black nor
    /// white, and only colours of the theme.
    #[track_caller]
    pub fn fits_every_theme(&self) {
        for part in self.raw.split("\x1b[").skip(1) {
            let Some((codes, _)) = part.split_once('m') else { continue };
            if codes.chars().all(|letter| letter.is_ascii_digit() || ";:".contains(letter)) {
                assert!(matches!(codes, "" | "0" | "1" | "31" | "32" | "33" | "34" | "35" | "36"), "{:?}", self.raw);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(raw: &str, columns: u16) -> Shown {
        Shown { code: 0, raw: raw.to_owned(), columns, modes_are_kept: true }
    }

    #[test]
    fn a_screen_shows_the_text_after_erasures() {
        let check = |raw: &str, expected: &str| assert_eq!(shown(raw, 80).screen(), expected, "{raw:?}");
        check("a\r\nb\r\n", "a\nb");
        check("\r1/3\x1b[K\r2/3 and more\x1b[K\r3/3\x1b[K\r\x1b[Kdone\r\n", "done");
        check("abc\rd\r\n", "dbc");
    }

    #[test]
    fn rows_are_as_wide_as_the_terminal() {
        let narrow = shown("one two three\r\n", 10);
        assert_eq!((narrow.rows().as_str(), narrow.screen().as_str()), ("one two th\nree", "one two three"));
        assert_eq!(narrow.broken_words(), ["one two th\nree"]);
        for raw in ["one two\r\nthree\r\n", "0123456789\r\nabc\r\n", "one two   three\r\n"] {
            assert!(shown(raw, 10).broken_words().is_empty(), "{raw:?}");
        }
    }

    #[test]
    fn a_terminal_is_left_in_order() {
        let is = |raw: &str| std::panic::catch_unwind(|| shown(raw, 80).is_left_in_order()).is_ok();
        assert!(is("\x1b[?25l\x1b[?1049h\x1b[31mx\x1b[0m\x1b[?1049l\x1b[?25hdone\r\n"));
        for raw in ["\x1b[?25l", "\x1b[?1049h", "\x1b[31m", "\x1b[1m", "1/3"] {
            assert!(!is(raw), "{raw:?}");
        }
    }

    #[test]
    fn only_colours_of_the_theme_fit_every_theme() {
        let fits = |raw: &str| std::panic::catch_unwind(|| shown(raw, 80).fits_every_theme()).is_ok();
        assert!(fits("\x1b[2J\x1b[32m4\x1b[0m\x1b[K am"));
        for code in ["30", "37", "97", "90", "7", "42", "100", "38;5;4", "48;2;1;2;3", "31;40"] {
            assert!(!fits(&format!("\x1b[{code}mx\x1b[0m")), "{code}");
        }
    }
}
