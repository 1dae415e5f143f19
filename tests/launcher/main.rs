//! Implements `cargo demo`: builds the demo, shows how far the build is, and becomes the demo.
//!
//! The launcher has no dependencies. It runs a second after the command, and so the user reads what the first run builds
//! before it is built. With more than two cores it builds the control plane while cargo builds the rest.

use std::collections::BTreeSet;
use std::io::{IsTerminal, stdin};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;
use std::{env, io};

use cmp_launcher::child::{self, BUILD, Ended, Lines};
use cmp_launcher::together::{PARALLEL, STOPPED, Stop, at_once, both, cores};
use cmp_launcher::{Progress, about, first_run, pinned};

const SECOND: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    match run() {
        Ok(never) => match never {},
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Builds the demo and becomes it. It returns only if this fails.
fn run() -> Result<std::convert::Infallible, String> {
    let launcher = env::current_exe().map_err(|error| format!("the path of the launcher: {error}"))?;
    let demo = launcher.with_file_name("demo");
    if !demo.exists() {
        announce();
    }
    if at_once(env::var_os(PARALLEL).as_deref(), cores())? {
        let vm = env::args_os().any(|argument| argument == "--vm");
        both(|stop| pinned::build(vm, stop), build)?;
    } else {
        // The demo builds the rest.
        build(&Stop::default())?;
    }
    let error = Command::new(&demo).args(env::args_os().skip(1)).exec();
    Err(format!("{}: {error}", demo.display()))
}

/// Prints what the first run does, and the way without it.
fn announce() {
    let cores = cores();
    eprintln!("The first run compiles kubectl-cmp and the demo, and etcd, Kubernetes and kwok from pinned Go modules.");
    eprintln!(
        "On {cores} cores this takes {}, and KubeVirt (--vm) takes {} more. Later runs take one.",
        about(first_run(cores, false)),
        about(first_run(cores, true))
    );
    if let Some(found) = own_cluster() {
        eprintln!("You have {found}: docs/QUICKSTART.md installs cmp in a cluster of your own, without this build.");
    }
    eprintln!();
}

/// Names a sign of a cluster that the user could take instead of the demo's.
fn own_cluster() -> Option<&'static str> {
    let on_path = |program: &str| {
        env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(program).is_file()))
    };
    let kubeconfig = env::var_os("HOME").is_some_and(|home| Path::new(&home).join(".kube/config").is_file());
    if env::var_os("KUBECONFIG").is_some_and(|path| !path.is_empty()) || kubeconfig {
        Some("a kubeconfig")
    } else {
        [("kind", "kind"), ("minikube", "minikube"), ("docker", "Docker")]
            .into_iter()
            .find_map(|(program, name)| on_path(program).then_some(name))
    }
}

/// Returns a command of the cargo that runs the launcher, in the folder of the workspace.
fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(arguments).current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    // A nested cargo would take these variables for changed settings, and compile crates that read them again.
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// Builds our programs and the demo, and shows the number of crates that are done.
fn build(stop: &Stop) -> Result<(), String> {
    let mut progress = Progress::new("compiling kubectl-cmp and the demo");
    let all = crates().unwrap_or(0);
    let profile: &[&str] = if cfg!(debug_assertions) { &[] } else { &["--release"] };
    let mut build =
        cargo(&["build", "--quiet", "--locked", "--workspace", "--bins", "--message-format=json-render-diagnostics"]);
    let spawned = build.args(profile).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = Ended(spawned.map_err(of_cargo)?);
    let lines = child.0.stdout.take().map(Lines::of).ok_or("cargo: its output is not piped")?;
    let mut done = BTreeSet::new();
    let mut compiled = false;
    loop {
        if stop.is_set() {
            return Err(STOPPED.to_owned());
        }
        match lines.next(SECOND) {
            Ok(line) => {
                let Some(package) = package_of(&line) else { continue };
                done.insert(package.to_owned());
                compiled |= line.contains("\"fresh\":false");
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        progress.show(&format!("{} of {} crates", done.len(), all.max(done.len())));
    }
    if !child::try_wait(&mut child.0, BUILD).is_some_and(|status| status.success()) {
        return Err("cargo build failed; see its messages above".to_owned());
    }
    if compiled && stdin().is_terminal() {
        progress.done();
    }
    Ok(())
}

fn of_cargo(error: io::Error) -> String {
    format!("cargo: {error}")
}

/// Counts the crates that the programs consist of.
fn crates() -> Option<usize> {
    let mut tree = cargo(&["tree", "--locked", "--workspace", "--edges=normal,build", "--prefix=none"]);
    #[expect(clippy::disallowed_methods, reason = "it only reads files")]
    let listed = tree.stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(listed.stdout).ok()?;
    Some(
        text.lines()
            .map(|line| line.trim_end_matches(" (*)"))
            .filter(|line| !line.is_empty())
            .collect::<BTreeSet<_>>()
            .len(),
    )
}

/// Returns the package of a message about a finished artifact.
fn package_of(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("{\"reason\":\"compiler-artifact\",\"package_id\":\"")?;
    rest.split('"').next()
}
