//! Tests of the launcher with a cargo and a go that only meet: each waits until the other one runs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use cmp_launcher::child::{Ended, Lines, PATIENCE, output, wait};
use cmp_launcher::together::PARALLEL;

/// The longest time for a process to end after it was killed.
const SOON: Duration = Duration::from_secs(30);
/// Held by each test. A program that another thread starts meanwhile could keep a script open that is to run.
static ALONE: Mutex<()> = Mutex::new(());

/// A folder with both programs, removed with its owner.
struct Fakes(PathBuf);

impl Fakes {
    /// Writes both programs. Each runs its script once both of them build.
    fn new(name: &str, cargo: &str, go: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("kubectl-cmp-launcher-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let fakes = Self(folder);
        let here = fakes.0.display();
        let meets = |own: &str, order: &str| format!("echo $$ >{here}/{own}.pid; {order}");
        let (first, second) = (format!("{here}/to-cargo"), format!("{here}/to-go"));
        let cargo_meets = meets("cargo", &format!("read met <{first}; echo met >{second}"));
        let go_meets = meets("go", &format!("echo met >{first}; read met <{second}"));
        fakes.script("cargo", &format!("[ \"$1\" = build ] || exit 0\n{cargo_meets}\n{cargo}"));
        fakes.script("go", &format!("[ \"$1\" = build ] || exit 0\n{go_meets}\n{go}"));
        let pipes = output(Command::new("mkfifo").args([&first, &second]), PATIENCE).unwrap();
        assert!(pipes.status.success(), "{pipes:?}");
        fakes
    }

    fn script(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn launcher(&self, parallel: &str) -> Command {
        let path = format!("{}:{}", self.0.display(), std::env::var("PATH").unwrap());
        let mut launcher = Command::new(env!("CARGO_BIN_EXE_launcher"));
        launcher.env("PATH", path).env("CARGO", self.0.join("cargo")).env("XDG_CACHE_HOME", &self.0);
        launcher.env_remove("KUBEBUILDER_ASSETS").env(PARALLEL, parallel);
        launcher
    }

    fn launch(&self, parallel: &str) -> Output {
        output(&mut self.launcher(parallel), PATIENCE).unwrap()
    }

    /// Waits until a program that began to build has ended, whether or not somebody took its status.
    fn ends(&self, name: &str) {
        let pid = fs::read_to_string(self.0.join(format!("{name}.pid"))).expect("it began to build");
        let stat = Path::new("/proc").join(pid.trim()).join("stat");
        let deadline = Instant::now() + SOON;
        while fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
            assert!(Instant::now() < deadline, "{name} goes on");
            std::thread::yield_now();
        }
    }
}

impl Drop for Fakes {
    fn drop(&mut self) {
        let _removed = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_failure_of_one_build_ends_the_other() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (fails, hangs) = ("echo broken >&2; exit 1", "exec sleep 1000");
    for (name, cargo, go, says) in [
        ("cargo", fails, hangs, "error: cargo build failed; see its messages above"),
        ("go", hangs, fails, "error: go build failed; its last lines:\nbroken"),
    ] {
        let fakes = Fakes::new(name, cargo, go);
        let launched = fakes.launch("yes");
        let said = String::from_utf8_lossy(&launched.stderr);
        assert!(!launched.status.success() && said.contains(says), "{name}: {said}");
        assert!(!said.contains("stopped"), "{name}: {said}");
        fakes.ends("cargo");
        fakes.ends("go");
    }
}

/// Ctrl-C reaches the group of processes that the terminal started.
#[test]
fn a_signal_to_the_launchers_group_ends_both_builds() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let hangs = "echo both build >&2; exec sleep 1000";
    let fakes = Fakes::new("signal", hangs, hangs);
    let mut launcher = fakes.launcher("yes");
    launcher.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut launcher = Ended(launcher.spawn().unwrap());
    let lines = Lines::of(launcher.0.stderr.take().unwrap());
    lines.until("both build", PATIENCE);
    let group = format!("-{}", launcher.0.id());
    let signalled = output(Command::new("kill").args(["-TERM", "--", &group]), PATIENCE).unwrap();
    assert!(signalled.status.success(), "{signalled:?}");
    wait(&mut launcher.0, "the launcher", PATIENCE);
    fakes.ends("cargo");
    fakes.ends("go");
}

#[test]
fn go_waits_for_cargo_where_both_do_not_run_at_once() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let fakes = Fakes::new("order", "", "");
    fakes.script("cargo", "[ \"$1\" != build ]");
    fakes.script("go", &format!("echo began >{}/began", fakes.0.display()));
    let launched = fakes.launch("no");
    assert!(!launched.status.success(), "{launched:?}");
    assert!(!fakes.0.join("began").exists(), "go began before cargo ended");
    let wrong = fakes.launch("maybe");
    let said = String::from_utf8_lossy(&wrong.stderr);
    assert!(said.contains("error: CMP_DEMO_PARALLEL: use yes or no"), "{said}");
}
