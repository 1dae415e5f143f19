//! Our own programs, built by cargo, and those of the control plane.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub use cmp_launcher::pinned::{Binaries, KUBERNETES, KUBEVIRT, Kubernetes, axe, kubevirt_examples};

use crate::child;

/// Our own programs, built by cargo just before use: `cargo test` does not rebuild the binaries of another package.
#[derive(Debug, Clone)]
pub struct Built {
    /// Path of the plugin, `kubectl-cmp`.
    pub plugin: PathBuf,
    /// Path of the in-cluster program, `cmp-webhook`.
    pub webhook: PathBuf,
    /// Path of the stand-in for virt-handler.
    pub virt_handler: PathBuf,
}

/// Removes the variables that cargo sets for a program that it runs. A nested cargo would take them for changed
/// settings. It would then rebuild the crates that read them, and all crates above those, again and again.
pub fn without_cargo(command: &mut Command) -> &mut Command {
    for (name, _) in env::vars_os() {
        let told = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
        if name.to_str().is_some_and(|name| told.iter().any(|prefix| name.starts_with(prefix))) {
            command.env_remove(name);
        }
    }
    command
}

/// Builds our programs, once per process. Optimised tests get optimised programs, and the plugin with the profile of
/// its releases.
pub fn built() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(|| {
        let (all, plugin) = if cfg!(debug_assertions) {
            let all = cargo_build(&["--bins"]);
            (all.clone(), all)
        } else {
            (cargo_build(&["--bins", "--release"]), cargo_build(&["--bin", "kubectl-cmp", "--profile", "small"]))
        };
        let find = |built: &str, name: &str| executable(built, name).unwrap_or_else(|| panic!("cargo built no {name}"));
        Built {
            plugin: find(&plugin, "kubectl-cmp"),
            webhook: find(&all, "cmp-webhook"),
            virt_handler: find(&all, "virt-handler"),
        }
    })
}

/// Builds both programs of a newer version, with one more field in a want. They are separate files beside the installed
/// programs.
pub fn newer() -> &'static Newer {
    static BUILT: OnceLock<Newer> = OnceLock::new();
    BUILT.get_or_init(|| {
        let bins = ["--bin", "kubectl-cmp-newer", "--bin", "cmp-webhook-newer"];
        let features = ["--features", "kubectl-cmp/newer,cmp-webhook/newer"];
        let all = cargo_build(&[bins.as_slice(), &features].concat());
        let find = |name: &str| executable(&all, name).unwrap_or_else(|| panic!("cargo built no {name}"));
        Newer { plugin: find("kubectl-cmp-newer"), webhook: find("cmp-webhook-newer") }
    })
}

/// The programs of a newer version.
pub struct Newer {
    /// Path of the newer plugin.
    pub plugin: PathBuf,
    /// Path of the newer in-cluster program.
    pub webhook: PathBuf,
}

/// Runs cargo, and returns its messages about the programs that it builds.
fn cargo_build(which: &[&str]) -> String {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    // Builds the whole workspace, so that nothing is built a second time with other features.
    build.args(["build", "--quiet", "--workspace", "--message-format=json"]).args(which);
    without_cargo(&mut build).current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    let output = child::build(&mut build).expect("cargo can be run");
    assert!(output.status.success(), "cargo build of kubectl-cmp and cmp-webhook failed");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn executable(built: &str, name: &str) -> Option<PathBuf> {
    built
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}
