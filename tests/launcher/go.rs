//! Builds the programs of one pinned Go module, and shows one line of progress while it works.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use crate::child::{self, BUILD, Ended, Lines, PATIENCE};
use crate::progress::{Progress, about};
use crate::together::{STOPPED, Stop, cores};

/// The folder of the modules that pin the programs.
pub fn modules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../control-plane")
}

/// The time that one core takes for one package of Kubernetes, with its share of the links, in milliseconds. It was
/// measured on two cores: 2,900 packages in ten minutes.
const MILLISECONDS_A_PACKAGE: usize = 400;

/// The number of lines of go's output that a failure shows.
const LAST_LINES: usize = 30;

/// Returns a command of go in the folder of a module.
pub(crate) fn go(module: &str) -> Command {
    let mut go = Command::new("go");
    go.current_dir(modules().join(module)).env("CGO_ENABLED", "0").env("GOFLAGS", "-buildvcs=false");
    go
}

/// Checks that a Go toolchain is installed and new enough.
pub(crate) fn check() -> Result<(), String> {
    let ways = "install Go 1.26 or newer, or set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver, \
                kube-controller-manager, kube-scheduler, kubectl and kwok, and for virtual machines virt-api, \
                virt-controller and kubevirt-manifests";
    let said = child::output(go("kwok").args(["env", "GOVERSION"]), PATIENCE);
    let said = said.map_err(|error| format!("go: {error}; {ways}"))?;
    if said.status.success() {
        Ok(())
    } else {
        Err(format!("go: {}; {ways}", String::from_utf8_lossy(&said.stderr).trim()))
    }
}

/// One program to build.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Program<'a> {
    /// The name of the file.
    pub(crate) name: &'a str,
    /// The package of its `main`.
    pub(crate) package: &'a str,
}

/// Builds programs of one module into a folder, with one call of go, so that go uses all cores.
pub(crate) fn build(
    module: &str,
    flags: &str,
    programs: &[Program<'_>],
    folder: &Path,
    stop: &Stop,
) -> Result<(), String> {
    check()?;
    let names: Vec<&str> = programs.iter().map(|program| program.name).collect();
    let names = names.join(", ");
    let mut progress = Progress::new(format!("building {names}"));
    let all = || programs.iter().map(|program| program.package);
    let mut list = go(module);
    list.args(["list", "-deps", "-trimpath", "-ldflags", flags, "-f", "{{if .Stale}}{{.ImportPath}}{{end}}"]);
    let mut count = Count::default();
    let listed = run(list.args(all()), stop, |text| {
        count.hears(text);
        progress.show(&count.to_string());
    })?;
    count.packages = listed.lines().filter(|package| !package.is_empty()).count();
    let cores = cores();
    progress.say(&format!(
        "from source, once for this machine: {} packages, {} on {cores} cores",
        count.packages,
        about(Duration::from_millis((count.packages * MILLISECONDS_A_PACKAGE / cores) as u64))
    ));
    let half = folder.join(format!("{module}.building"));
    fs::create_dir_all(&half).map_err(|error| format!("{}: {error}", half.display()))?;
    let mut build = go(module);
    build.args(["build", "-v", "-trimpath", "-ldflags", flags, "-o"]).arg(&half).args(all());
    run(&mut build, stop, |text| {
        count.hears(text);
        progress.show(&count.to_string());
    })?;
    for program in programs {
        let built = half.join(file_name(program.package));
        fs::rename(&built, folder.join(program.name)).map_err(|error| format!("{}: {error}", built.display()))?;
    }
    progress.done();
    fs::remove_dir_all(&half).map_err(|error| format!("{}: {error}", half.display()))
}

/// Returns the file name that `go build` gives the program of a package: the last element of the path that is not a
/// version.
fn file_name(package: &str) -> &str {
    let is_version = |element: &str| {
        element.strip_prefix('v').is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
    };
    package.rsplit('/').find(|element| !is_version(element)).unwrap_or(package)
}

/// Runs go, reports each line of its standard error and each second without one, and returns its standard output.
fn run(command: &mut Command, stop: &Stop, mut hear: impl FnMut(Option<&str>)) -> Result<String, String> {
    let name = command.get_args().next().map(|verb| format!("go {}", verb.display())).unwrap_or_default();
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = Ended(spawned.map_err(|error| format!("{name}: {error}"))?);
    let (Some(stdout), Some(stderr)) = (child.0.stdout.take(), child.0.stderr.take()) else {
        return Err(format!("{name}: its output is not piped"));
    };
    let (output, lines) = (child::Reader::new(stdout), Lines::of(stderr));
    let deadline = Instant::now() + BUILD;
    let mut last = VecDeque::new();
    while Instant::now() < deadline {
        if stop.is_set() {
            return Err(STOPPED.to_owned());
        }
        match lines.next(Duration::from_secs(1)) {
            Ok(line) => {
                hear(Some(&line));
                last.push_back(line);
                if last.len() > LAST_LINES {
                    last.pop_front();
                }
            }
            Err(RecvTimeoutError::Timeout) => hear(None),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let status = child::try_wait(&mut child.0, deadline.saturating_duration_since(Instant::now()));
    if status.is_some_and(|status| status.success()) && output.ends_by(deadline) {
        return Ok(String::from_utf8_lossy(&output.read()).into_owned());
    }
    let end = if status.is_none() { format!("has not ended within {BUILD:?}") } else { "failed".to_owned() };
    Err(format!("{name} {end}; its last lines:\n{}", Vec::from(last).join("\n")))
}

/// The progress of a build.
#[derive(Debug, Default)]
struct Count {
    /// The modules that go has begun to download.
    downloads: usize,
    /// The packages that go has begun to compile.
    compiled: usize,
    /// All packages to compile; 0 while it is not known.
    packages: usize,
}

impl Count {
    /// Counts a line of go's standard error.
    fn hears(&mut self, line: Option<&str>) {
        match line {
            Some(line) if line.starts_with("go: downloading ") => self.downloads += 1,
            // `go build -v` prints the import path of each package, and nothing else that has no space.
            Some(line) if !line.is_empty() && !line.contains(' ') => self.compiled += 1,
            _ => {}
        }
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.packages > 0 {
            write!(f, "{} of {} packages", self.compiled, self.packages.max(self.compiled))
        } else if self.downloads > 0 {
            write!(f, "{} modules downloaded", self.downloads)
        } else {
            write!(f, "reading its modules")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_go_is_counted() {
        let mut count = Count::default();
        assert_eq!(count.to_string(), "reading its modules");
        count.hears(Some("go: downloading k8s.io/api v0.36.3"));
        assert_eq!(count.to_string(), "1 modules downloaded");
        count.packages = 2;
        assert_eq!(count.to_string(), "0 of 2 packages");
        for line in [Some("k8s.io/api/core/v1"), None, Some("# k8s.io/broken"), Some("./a.go:3:1: syntax error")] {
            count.hears(line);
        }
        assert_eq!(count.to_string(), "1 of 2 packages");
    }

    #[test]
    fn a_program_is_named_like_its_package() {
        let names = ["sigs.k8s.io/kwok/cmd/kwok", "go.etcd.io/etcd/server/v3", "./manifests", "k8s.io/x/cmd/version"];
        assert_eq!(names.map(file_name), ["kwok", "server", "manifests", "version"]);
    }

    #[test]
    fn a_failure_shows_the_last_lines() {
        let mut failing = Command::new("sh");
        failing.args(["-c", "for i in $(seq 99); do echo line $i >&2; done; exit 1"]);
        let error = run(&mut failing, &Stop::default(), |_| {}).unwrap_err();
        assert!(error.contains("failed; its last lines:\nline 70\n") && error.ends_with("line 99"), "{error}");
    }
}
