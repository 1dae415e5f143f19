//! Waits with a deadline. A wait that hangs fails and names its condition, so that a hang never lasts until the time
//! limit of CI.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

/// The longest time for a command of a test, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(300);
/// The longest time to build a program, or to wait for another process that builds it.
pub const BUILD: Duration = Duration::from_secs(45 * 60);
/// The longest time for a connection on loopback.
const CONNECT: Duration = Duration::from_secs(2);
/// The longest time for a process to end after SIGKILL.
const KILLED: Duration = Duration::from_secs(5);

/// A child process that is killed when its owner is dropped, also when the test fails.
pub struct Ended(pub Child);

impl Drop for Ended {
    fn drop(&mut self) {
        kill(&mut self.0);
    }
}

/// Kills a child and takes its exit status.
pub fn kill(child: &mut Child) {
    // The child may have ended already.
    let _killed = child.kill();
    let _status = try_wait(child, KILLED);
}

/// Waits for the end of a child; returns `None` at the deadline.
pub fn try_wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_millis(1);
    loop {
        // An error means that somebody else has taken the status, so the child has ended as well.
        match child.try_wait() {
            Ok(None) if Instant::now() < deadline => thread::sleep(pause),
            Ok(status) => return status,
            Err(_) => return Some(ExitStatus::default()),
        }
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Waits for the end of a child. At the deadline it kills the child and fails the test.
#[track_caller]
pub fn wait(child: &mut Child, name: &str, limit: Duration) -> ExitStatus {
    try_wait(child, limit).unwrap_or_else(|| {
        kill(child);
        panic!("{name} has not ended within {limit:?}")
    })
}

/// Runs a command to its end, with an empty standard input.
#[track_caller]
pub fn output(command: &mut Command, limit: Duration) -> io::Result<Output> {
    output_reading(command, "", limit)
}

/// Runs a command to its end, with this text on its standard input. At the deadline it kills the command, and fails the
/// test with the output so far.
#[track_caller]
pub fn output_reading(command: &mut Command, input: &str, limit: Duration) -> io::Result<Output> {
    collect(command.stderr(Stdio::piped()), input, limit)
}

/// Runs a build command, and shows its standard error while it works.
#[track_caller]
pub fn build(command: &mut Command) -> io::Result<Output> {
    collect(command.stderr(Stdio::inherit()), "", BUILD)
}

#[track_caller]
fn collect(command: &mut Command, input: &str, limit: Duration) -> io::Result<Output> {
    let deadline = Instant::now() + limit;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        let input = input.as_bytes().to_vec();
        // In a thread: a command that does not read its input would block this one. Such a command may also close its
        // input.
        thread::spawn(move || stdin.write_all(&input));
    }
    let readers = [child.stdout.take().map(Reader::new), child.stderr.take().map(Reader::new)];
    let read = readers.iter().flatten().all(|reader| reader.ends_by(deadline));
    let status = read.then(|| try_wait(&mut child, deadline.saturating_duration_since(Instant::now()))).flatten();
    let [stdout, stderr] = readers.map(|reader| reader.map(|reader| reader.read()).unwrap_or_default());
    let Some(status) = status else {
        kill(&mut child);
        let text = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        panic!("{} has not ended within {limit:?}; it said:\n{text}", name(command));
    };
    Ok(Output { status, stdout, stderr })
}

/// Returns the name of a command in messages: the file name of the program, and the arguments.
pub fn name(command: &Command) -> String {
    let program = command.get_program();
    let program = Path::new(program).file_name().unwrap_or(program);
    let words: Vec<_> = std::iter::once(program).chain(command.get_args()).map(OsStr::to_string_lossy).collect();
    words.join(" ")
}

/// A stream that a thread of its own reads.
pub struct Reader {
    bytes: Arc<Mutex<Vec<u8>>>,
    end: mpsc::Receiver<()>,
}

impl Reader {
    /// Begins to read the stream.
    pub fn new(mut stream: impl Read + Send + 'static) -> Self {
        let (end, bytes) = (mpsc::channel(), Arc::<Mutex<Vec<u8>>>::default());
        let (says, shared) = (end.0, bytes.clone());
        thread::spawn(move || {
            let mut some = [0; 4096];
            while let Ok(read @ 1..) = stream.read(&mut some) {
                shared.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&some[..read]);
            }
            says.send(())
        });
        Self { bytes, end: end.1 }
    }

    /// Reports whether the stream ended before the deadline.
    pub fn ends_by(&self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        !matches!(self.end.recv_timeout(left), Err(RecvTimeoutError::Timeout))
    }

    /// Returns the bytes read so far.
    pub fn read(&self) -> Vec<u8> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The lines that a child prints, each with a deadline.
pub struct Lines(mpsc::Receiver<String>);

impl Lines {
    /// Reads the lines of a stream in a thread.
    pub fn of(stream: impl Read + Send + 'static) -> Self {
        let (says, lines) = mpsc::channel();
        thread::spawn(move || {
            BufReader::new(stream).lines().map_while(Result::ok).try_for_each(|line| says.send(line))
        });
        Self(lines)
    }

    /// Waits for the next line.
    pub fn next(&self, limit: Duration) -> Result<String, RecvTimeoutError> {
        self.0.recv_timeout(limit)
    }

    /// Waits for a line with this text, and returns it.
    #[track_caller]
    pub fn until(&self, text: &str, limit: Duration) -> String {
        let mut last = String::new();
        loop {
            match self.0.recv_timeout(limit) {
                Ok(line) if line.contains(text) => return line,
                Ok(line) => last = line,
                Err(error) => panic!("a line with {text:?} did not come within {limit:?} after {last:?}: {error}"),
            }
        }
    }

    /// Waits until the stream ends.
    #[track_caller]
    pub fn end(&self, limit: Duration) {
        loop {
            match self.0.recv_timeout(limit) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => panic!("the stream neither went on nor ended within {limit:?}"),
            }
        }
    }
}

/// Runs work that may block for ever. At the deadline it fails the test, and leaves the thread behind.
#[track_caller]
pub fn within<T: Send + 'static>(what: &str, limit: Duration, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (says, came) = mpsc::channel();
    thread::spawn(move || says.send(work()));
    match came.recv_timeout(limit) {
        Ok(came) => came,
        Err(RecvTimeoutError::Timeout) => panic!("{what}: not within {limit:?}"),
        Err(RecvTimeoutError::Disconnected) => panic!("{what}: it panicked"),
    }
}

/// Connects to a port on loopback with a deadline. A stopped process accepts no connection, and a full queue would
/// block for minutes.
pub fn connect(address: impl Into<SocketAddr>) -> io::Result<TcpStream> {
    TcpStream::connect_timeout(&address.into(), CONNECT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(500);

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn the_output_of_a_command_is_complete() {
        let said = output_reading(&mut sh("cat; echo oops >&2; exit 3"), "hello", PATIENCE).unwrap();
        assert_eq!((said.status.code(), said.stdout, said.stderr), (Some(3), b"hello".to_vec(), b"oops\n".to_vec()));
        // The input is larger than a pipe buffer, and nobody reads it.
        let said = output_reading(&mut sh("exec true"), &"x".repeat(1 << 20), PATIENCE).unwrap();
        assert!(said.status.success());
    }

    #[test]
    #[should_panic(expected = "sh -c echo begun; exec sleep 1000 has not ended within 500ms; it said:\nbegun")]
    fn a_command_that_hangs_is_named_with_its_words() {
        let _said = output(&mut sh("echo begun; exec sleep 1000"), SHORT);
    }

    #[test]
    #[should_panic(expected = "sh -c exec >&- 2>&-; exec sleep 1000 has not ended within 500ms")]
    fn a_command_that_closes_its_output_and_hangs_is_named() {
        let _said = output(&mut sh("exec >&- 2>&-; exec sleep 1000"), SHORT);
    }

    #[test]
    #[should_panic(expected = "the sleeper has not ended within 500ms")]
    fn a_child_that_hangs_is_named() {
        wait(&mut Command::new("sleep").arg("1000").spawn().unwrap(), "the sleeper", SHORT);
    }

    #[test]
    fn a_child_ends_with_its_owner() {
        let child = Ended(Command::new("sleep").arg("1000").spawn().unwrap());
        let stat = format!("/proc/{}/stat", child.0.id());
        assert!(Path::new(&stat).exists());
        drop(child);
        assert!(!Path::new(&stat).exists());
    }

    #[test]
    fn lines_are_waited_for() {
        let mut child = Ended(sh("echo one; echo two; exec sleep 1000").stdout(Stdio::piped()).spawn().unwrap());
        let lines = Lines::of(child.0.stdout.take().unwrap());
        assert_eq!(lines.until("w", PATIENCE), "two");
        let missing = thread::spawn(move || lines.until("three", SHORT)).join();
        let said = missing.unwrap_err().downcast::<String>().unwrap();
        assert!(said.starts_with("a line with \"three\" did not come"), "{said}");
    }

    #[test]
    #[should_panic(expected = "the lock: not within 500ms")]
    fn work_that_blocks_is_named() {
        let (_kept, nothing) = mpsc::channel::<()>();
        within("the lock", SHORT, move || nothing.recv_timeout(PATIENCE).is_ok());
    }
}
