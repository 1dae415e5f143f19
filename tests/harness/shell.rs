//! Commands as a person types them, and waiting for what they lead to.

use std::fmt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::binaries::{Binaries, built};
use crate::child::{self, PATIENCE};

/// For whatever should happen soon, on a machine that may be busy.
pub const SOON: Duration = Duration::from_secs(90);

/// What a command said.
#[derive(Debug, Clone)]
pub struct Output {
    command: String,
    /// Its exit code.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "$ {}\n{}{}[exit {}]", self.command, self.stdout, self.stderr, self.code)
    }
}

impl Output {
    /// That it succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(self.code == 0, "should succeed:\n{self}");
        self
    }

    /// That it failed as kubectl fails: with exit code 1.
    #[track_caller]
    pub fn fails(self) -> Self {
        assert!(self.code == 1, "should fail with exit code 1:\n{self}");
        self
    }

    /// That it said this, on either stream.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stdout.contains(text) || self.stderr.contains(text), "should say {text:?}:\n{self}");
        self
    }

    /// That it did not say this.
    #[track_caller]
    pub fn says_not(self, text: &str) -> Self {
        assert!(!self.stdout.contains(text) && !self.stderr.contains(text), "should not say {text:?}:\n{self}");
        self
    }

    /// Its standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON: {error}\n{self}"))
    }
}

/// kubectl with a kubeconfig; the plugin is on its PATH, so that `kubectl cmp` is what a user types.
pub fn kubectl(kubeconfig: &Path, arguments: &[&str]) -> Output {
    kubectl_reading(kubeconfig, arguments, "")
}

/// kubectl with something on its standard input.
pub fn kubectl_reading(kubeconfig: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = command(kubeconfig);
    command.args(arguments);
    run(command, input)
}

/// kubectl, ready to be given arguments.
pub fn command(kubeconfig: &Path) -> Command {
    let mut command = Command::new(Binaries::get().path("kubectl"));
    command.env("KUBECONFIG", kubeconfig).env("PATH", path()).env_remove("NO_COLOR");
    command
}

/// Runs a command to its end, with something on its standard input.
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

/// PATH with the plugin and the built kubectl first.
pub fn path() -> String {
    let folder = |path: &Path| path.parent().unwrap_or(path).display().to_string();
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{}:{}:{path}", folder(&built().plugin), folder(Binaries::get().path("kubectl")))
}

/// Waits until `look` finds what it looks for, and returns it; fails with what it found last.
#[track_caller]
pub fn eventually<T>(what: &str, timeout: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + timeout;
    loop {
        match look() {
            Ok(found) => return found,
            Err(last) if Instant::now() > deadline => {
                panic!("{what}: not within {} s; last seen:\n{last}", timeout.as_secs())
            }
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}
