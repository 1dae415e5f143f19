//! Processes that end with their starter, even if it is killed.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::child::{self, PATIENCE, within};

/// The longest time for a process to end: its supervisor kills it after five seconds.
const END: Duration = Duration::from_secs(60);

/// Script that starts the program in its arguments with output to `$LOG`, and prints the pid. It waits for the end of
/// its own standard input, which comes when the starter closes it or dies, even by SIGKILL. Then it tells the program
/// to end, and kills it after five seconds.
const SUPERVISOR: &str = r#"
"$@" </dev/null >>"$LOG" 2>&1 &
p=$!
echo $p
exec >/dev/null 2>&1
cat
kill -CONT $p
kill $p
(sleep 5; kill -9 $p) &
k=$!
wait $p
kill $k
"#;

/// Script that removes a folder after its own standard input has ended. It repeats this for ten seconds, to outlast
/// every process that writes there.
const JANITOR: &str = r#"
exec >/dev/null 2>&1
cat
for n in 1 2 3 4 5 6 7 8 9 10; do rm -rf "$1"; sleep 1; done
"#;

/// Returns the processor time of all ended child processes.
pub fn cpu_of_children() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    ticks(&stat, [13, 14]).unwrap_or_default()
}

/// Returns the sum of two fields of a line of `/proc/PID/stat`, counted from after the name. The unit on Linux is
/// hundredths of a second.
fn ticks(stat: &str, fields: [usize; 2]) -> Option<Duration> {
    let values: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks: Option<u64> = fields.iter().map(|field| values.get(*field)?.parse::<u64>().ok()).sum();
    Some(Duration::from_millis(ticks? * 10))
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    // Out of reach of a Ctrl-C on the terminal: the end comes through standard input, in order.
    command.process_group(0);
    command
}

/// The environment variable with which Go programs collect garbage less often. It saves a fifth of the processor time of
/// a control plane.
const GC: (&str, &str) = ("GOGC", "400");

/// A process under supervision.
pub struct Process {
    name: String,
    program: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    log: PathBuf,
    running: Option<Running>,
}

struct Running {
    supervisor: Child,
    pid: String,
}

impl Process {
    /// Starts a program; its output goes to `<name>.log` in `folder`.
    pub fn start(name: &str, program: &Path, arguments: Vec<String>, folder: &Path) -> Self {
        Self::start_with(name, program, arguments, Vec::new(), folder)
    }

    /// Starts a program with additional environment variables.
    pub fn start_with(
        name: &str,
        program: &Path,
        arguments: Vec<String>,
        environment: Vec<(String, String)>,
        folder: &Path,
    ) -> Self {
        let mut process = Self::prepare(name, program, arguments, folder);
        process.environment = environment;
        process.restart();
        process
    }

    /// Prepares a program that [`restart`](Self::restart) starts; its output goes to `<name>.log` in `folder`.
    pub fn prepare(name: &str, program: &Path, arguments: Vec<String>, folder: &Path) -> Self {
        Self {
            name: name.to_owned(),
            program: program.to_owned(),
            arguments,
            environment: Vec::new(),
            log: folder.join(format!("{name}.log")),
            running: None,
        }
    }

    /// Starts the program again, with the same arguments; ends it first if it runs.
    pub fn restart(&mut self) {
        self.stop();
        let mut supervisor = shell(SUPERVISOR)
            .arg(&self.program)
            .args(&self.arguments)
            .env("LOG", &self.log)
            .env("TMPDIR", self.log.parent().unwrap_or(Path::new("/tmp")))
            .env(GC.0, GC.1)
            .envs(self.environment.iter().cloned())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start a shell for {}: {error}", self.name));
        let output = supervisor.stdout.take().expect("standard output is piped");
        let pid = within(&format!("the pid of {}", self.name), PATIENCE, move || {
            let mut pid = String::new();
            BufReader::new(output).read_line(&mut pid).map(|_| pid)
        });
        let pid = pid.expect("the supervisor says the pid").trim().to_owned();
        self.running = Some(Running { supervisor, pid });
    }

    /// Tells the program to end, and waits until it has.
    pub fn stop(&mut self) {
        if !self.try_stop() {
            panic!("{} has not ended within {END:?}\n{}", self.name, self.last_words());
        }
    }

    /// Tells the program to end, and reports whether it did. If it does not end in time, it is killed without its
    /// supervisor.
    fn try_stop(&mut self) -> bool {
        let Some(mut running) = self.running.take() else { return true };
        drop(running.supervisor.stdin.take());
        if child::try_wait(&mut running.supervisor, END).is_some() {
            return true;
        }
        // The program may have ended just now.
        let _sent = send("KILL", &running.pid);
        child::kill(&mut running.supervisor);
        false
    }

    /// Tells the program to end, without waiting.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Kills the program with SIGKILL, without a chance to clean up.
    pub fn kill(&mut self) {
        self.signal("KILL");
        self.stop();
    }

    /// Freezes the program with SIGSTOP.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Continues a frozen program with SIGCONT.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        if let Some(running) = &self.running {
            assert!(send(signal, &running.pid), "cannot send SIG{signal} to {}", self.name);
        }
    }

    /// Reports whether the program has not ended.
    pub fn is_running(&self) -> bool {
        // A zombie has ended; its supervisor has not collected the status yet.
        self.state().is_some_and(|state| state != 'Z')
    }

    /// Reports whether the program is frozen.
    pub fn is_paused(&self) -> bool {
        self.state() == Some('T')
    }

    /// Returns the state of the process as one letter, as the kernel reports it.
    fn state(&self) -> Option<char> {
        let running = self.running.as_ref()?;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", running.pid)).ok()?;
        stat.rsplit_once(") ")?.1.chars().next()
    }

    /// Returns the resident memory in bytes, if the program runs.
    pub fn memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.running.as_ref()?.pid)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
    }

    /// Returns the processor time used so far, if the program runs.
    pub fn cpu(&self) -> Option<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.running.as_ref()?.pid)).ok()?;
        ticks(&stat, [11, 12])
    }

    /// Returns the whole log.
    pub fn log(&self) -> String {
        let mut text = String::new();
        // Without a log there is nothing to show.
        let _read = File::open(&self.log).and_then(|mut log| log.read_to_string(&mut text));
        text
    }

    /// Returns the last 30 lines of the log.
    pub fn last_words(&self) -> String {
        let text = self.log();
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(30);
        format!("--- last lines of {}:\n{}", self.name, lines[from..].join("\n"))
    }
}

fn send(signal: &str, pid: &str) -> bool {
    let sent = child::output(Command::new("kill").args(["-s", signal, pid]), PATIENCE);
    sent.is_ok_and(|sent| sent.status.success())
}

impl Drop for Process {
    fn drop(&mut self) {
        // A second panic would abort the other tests of this program.
        assert!(self.try_stop() || std::thread::panicking(), "{} has not ended within {END:?}", self.name);
    }
}

/// A folder for data. It is removed at the end, also when the process that created it is killed.
pub struct Folder {
    path: PathBuf,
    janitor: Option<Child>,
}

impl Folder {
    /// Creates a folder. With `CMP_TESTS_KEEP=1` it stays, and its path is printed.
    pub fn new() -> Self {
        let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |now| now.as_nanos());
        let path = std::env::temp_dir().join(format!("kubectl-cmp-{}-{nanos}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap_or_else(|error| panic!("cannot make {}: {error}", path.display()));
        let keep = std::env::var_os("CMP_TESTS_KEEP").is_some();
        if keep {
            eprintln!("data and logs stay in {}", path.display());
        }
        let janitor = (!keep).then(|| shell(JANITOR).arg(&path).spawn().expect("a shell can be started"));
        Self { path, janitor }
    }

    /// Returns the path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(mut janitor) = self.janitor.take() {
            // All processes that wrote here have ended: the janitor need not wait.
            let _removed = std::fs::remove_dir_all(&self.path);
            child::kill(&mut janitor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventually;

    fn sleeper(folder: &Path) -> (Process, String) {
        let process = Process::start("sleeper", Path::new("sleep"), vec!["1000".to_owned()], folder);
        let stat = format!("/proc/{}/stat", process.running.as_ref().unwrap().pid);
        assert!(process.is_running() && Path::new(&stat).exists());
        (process, stat)
    }

    #[test]
    fn a_test_that_fails_ends_its_processes_also_those_it_stopped() {
        let folder = Folder::new();
        for paused in [false, true] {
            let (process, stat) = sleeper(folder.path());
            let failed = std::thread::spawn(move || {
                if paused {
                    process.pause();
                }
                panic!("this test fails on purpose: {}", process.is_paused());
            });
            assert!(failed.join().is_err());
            assert!(!Path::new(&stat).exists(), "it runs still");
        }
    }

    #[test]
    fn a_process_ends_when_the_one_that_started_it_is_gone() {
        let folder = Folder::new();
        let (mut process, stat) = sleeper(folder.path());
        process.pause();
        // The kernel closes the standard input of the supervisor when its starter is killed.
        let running = process.running.as_mut().unwrap();
        drop(running.supervisor.stdin.take());
        eventually("it ends", PATIENCE, || if Path::new(&stat).exists() { Err(stat.clone()) } else { Ok(()) });
    }
}
