//! Commands as a person types them, and waits for their effects.

use std::fmt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::binaries::{Binaries, built};
use crate::child::{self, PATIENCE};

/// The time limit for effects that should come soon, on a busy machine.
pub const SOON: Duration = Duration::from_secs(90);

/// The output of a command.
#[derive(Debug, Clone)]
pub struct Output {
    command: String,
    /// The exit code of the command; -1 if a signal ended it.
    pub code: i32,
    /// The standard output as text.
    pub stdout: String,
    /// The standard error as text.
    pub stderr: String,
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "$ {}\n{}{}[exit {}]", self.command, self.stdout, self.stderr, self.code)
    }
}

impl Output {
    /// Asserts that the command succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(self.code == 0, "should succeed:\n{self}");
        self
    }

    /// Asserts that the command failed as kubectl fails: with exit code 1.
    #[track_caller]
    pub fn fails(self) -> Self {
        assert!(self.code == 1, "should fail with exit code 1:\n{self}");
        self
    }

    /// Asserts that the command printed this text, on either stream.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stdout.contains(text) || self.stderr.contains(text), "should say {text:?}:\n{self}");
        self
    }

    /// Asserts that the command did not print this text.
    #[track_caller]
    pub fn says_not(self, text: &str) -> Self {
        assert!(!self.stdout.contains(text) && !self.stderr.contains(text), "should not say {text:?}:\n{self}");
        self
    }

    /// Returns the standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON: {error}\n{self}"))
    }
}

/// Runs kubectl with a kubeconfig. `kubectl cmp` runs the plugin directly, with the arguments and the environment that
/// kubectl passes on. The start of kubectl itself takes five times as long. [`command`] goes through kubectl.
pub fn kubectl(kubeconfig: &Path, arguments: &[&str]) -> Output {
    kubectl_reading(kubeconfig, arguments, "")
}

/// Runs kubectl with this text on its standard input.
pub fn kubectl_reading(kubeconfig: &Path, arguments: &[&str], input: &str) -> Output {
    let (mut command, arguments) = match arguments {
        ["cmp", arguments @ ..] => (for_a_user(&built().plugin, kubeconfig), arguments),
        _ => (command(kubeconfig), arguments),
    };
    command.args(arguments);
    run(command, input)
}

/// Returns a kubectl command without arguments. The plugin is on its PATH, so that `kubectl cmp` works as for a user.
pub fn command(kubeconfig: &Path) -> Command {
    let mut kubectl = for_a_user(Binaries::get().path("kubectl"), kubeconfig);
    // A short command ends before it has any garbage worth collecting.
    kubectl.env("GOGC", "off").env("GOMEMLIMIT", "256MiB");
    kubectl
}

/// Returns a command of any program in the environment of a user: their kubeconfig, and the plugin and kubectl on PATH.
/// kubectl keeps its cache of discovery beside the kubeconfig, so that the home of the tester stays as it is.
pub fn for_a_user(program: &Path, kubeconfig: &Path) -> Command {
    let mut command = Command::new(program);
    let cache = kubeconfig.with_file_name("kubectl-cache");
    command.env("KUBECACHEDIR", cache).env("KUBECONFIG", kubeconfig).env("PATH", path()).env_remove("NO_COLOR");
    command
}

/// Runs a command to its end, with this text on its standard input.
#[track_caller]
pub fn run(mut command: Command, input: &str) -> Output {
    let output = child::output_reading(&mut command, input, PATIENCE);
    let output = output.unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()));
    Output {
        command: child::name(&command),
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Returns PATH with the plugin and the built kubectl first.
pub fn path() -> String {
    let folder = |path: &Path| path.parent().unwrap_or(path).display().to_string();
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{}:{}:{path}", folder(&built().plugin), folder(Binaries::get().path("kubectl")))
}

/// Waits until `look` returns `Ok`, and returns its value. At the deadline it fails with the last error. The pause between
/// two looks grows with the wait, because a look is often a whole process.
#[track_caller]
pub fn eventually<T>(what: &str, timeout: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    const SHORTEST: Duration = Duration::from_millis(100);
    let started = Instant::now();
    let deadline = started + timeout;
    loop {
        match look() {
            Ok(found) => return found,
            Err(last) if Instant::now() > deadline => {
                panic!("{what}: not within {} s; last seen:\n{last}", timeout.as_secs())
            }
            Err(_) => std::thread::sleep((started.elapsed() / 8).clamp(SHORTEST, 10 * SHORTEST)),
        }
    }
}
