//! Programs of the control plane, built once from pinned Go modules.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use std::{env, fs};

use crate::child::{self, BUILD, PATIENCE};
use crate::go::{self, Program};
use crate::together::{STOPPED, Stop};

/// The newest Kubernetes version, which is the default, and the oldest supported one, which is built where a run asks
/// for it.
pub const KUBERNETES: &str = "v1.36.3";
const KUBERNETES_OLDEST: &str = "v1.30.14";

/// The environment variable that selects the version for a run: `oldest` or `newest`.
const KUBERNETES_VARIABLE: &str = "CMP_TESTS_KUBERNETES";

/// The Kubernetes version of the control plane. A test has two expectations where Kubernetes itself differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kubernetes {
    /// The oldest supported version.
    Oldest,
    /// The newest version that was published when the pins were set.
    Newest,
}

impl Kubernetes {
    /// Returns the version of this run.
    pub fn get() -> Self {
        match env::var(KUBERNETES_VARIABLE).as_deref() {
            Ok("oldest") => Self::Oldest,
            Ok("newest" | "") | Err(env::VarError::NotPresent) => Self::Newest,
            other => panic!("{KUBERNETES_VARIABLE} is {other:?}: use oldest or newest"),
        }
    }

    /// Returns the expectation of this run: the first for the oldest version, the second for the newest.
    pub fn expects<T>(oldest: T, newest: T) -> T {
        match Self::get() {
            Self::Oldest => oldest,
            Self::Newest => newest,
        }
    }
}

/// Programs that every version needs: the name of the binary, the module that pins it, its package.
const PROGRAMS: [(&str, &str, &str); 2] =
    [("etcd", "kubernetes", "go.etcd.io/etcd/server/v3"), ("kwok", "kwok", "sigs.k8s.io/kwok/cmd/kwok")];

/// Programs of Kubernetes itself, from the module of this version.
const fn of_kubernetes(module: &'static str) -> [(&'static str, &'static str, &'static str); 4] {
    [
        ("kube-apiserver", module, "k8s.io/kubernetes/cmd/kube-apiserver"),
        ("kube-controller-manager", module, "k8s.io/kubernetes/cmd/kube-controller-manager"),
        ("kube-scheduler", module, "k8s.io/kubernetes/cmd/kube-scheduler"),
        ("kubectl", module, "k8s.io/kubernetes/cmd/kubectl"),
    ]
}

/// The KubeVirt version that is built.
pub const KUBEVIRT: &str = "v1.7.0";

/// Programs that are built in addition for tests with virtual machines.
const KUBEVIRT_PROGRAMS: [(&str, &str, &str); 2] = [
    ("virt-api", "kubevirt", "kubevirt.io/kubevirt/cmd/virt-api"),
    ("virt-controller", "kubevirt", "kubevirt.io/kubevirt/cmd/virt-controller"),
];

/// The client of KubeVirt, which is built in addition for the benchmark that compares with it.
const VIRTCTL: [(&str, &str, &str); 1] = [("virtctl", "kubevirt", "kubevirt.io/kubevirt/cmd/virtctl")];

/// Our own program that prints KubeVirt's manifests.
const KUBEVIRT_MANIFESTS: [(&str, &str, &str); 1] = [("kubevirt-manifests", "kubevirt", "./manifests")];

/// Programs that are built in addition for tests with krew: krew, and the checker that the central index runs on
/// manifests.
const KREW_PROGRAMS: [(&str, &str, &str); 2] = [
    ("krew", "krew", "sigs.k8s.io/krew/cmd/krew"),
    ("validate-krew-manifest", "krew", "sigs.k8s.io/krew/cmd/validate-krew-manifest"),
];

/// The checker of workflows, which is built in addition for its test.
const ACTIONLINT: [(&str, &str, &str); 1] =
    [("actionlint", "actionlint", "github.com/rhysd/actionlint/cmd/actionlint")];

/// The Go module with the definitions of volume snapshots, which KubeVirt itself requires.
const SNAPSHOTTER: &str = "github.com/kubernetes-csi/external-snapshotter/client/v4";

/// Folders in kwok's module that describe how nodes and Pods behave.
const STAGES: [&str; 3] =
    ["kustomize/stage/node/fast", "kustomize/stage/node/heartbeat-with-lease", "kustomize/stage/pod/fast"];

/// Paths of the programs by name.
#[derive(Debug, Clone)]
pub struct Binaries {
    programs: BTreeMap<&'static str, PathBuf>,
    /// The stage files of kwok; empty among the programs of KubeVirt.
    pub stages: Vec<PathBuf>,
    /// The definitions of volume snapshots, among the programs of KubeVirt.
    pub definitions: Vec<PathBuf>,
}

impl Binaries {
    /// Finds the programs in `KUBEBUILDER_ASSETS`, or else in the cache, or builds them. Reports progress on standard
    /// error.
    pub fn get() -> &'static Self {
        static FOUND: OnceLock<Binaries> = OnceLock::new();
        FOUND.get_or_init(|| built("the control plane", find(&Stop::default())))
    }

    /// Finds or builds the programs of KubeVirt in the same way. They have a cache of their own, so that only tests
    /// that ask for them wait.
    pub fn kubevirt() -> &'static Self {
        static FOUND: OnceLock<Binaries> = OnceLock::new();
        FOUND.get_or_init(|| built("KubeVirt", find_kubevirt(&Stop::default())))
    }

    /// Finds or builds KubeVirt's client in the same way.
    pub fn virtctl() -> &'static Self {
        static FOUND: OnceLock<Binaries> = OnceLock::new();
        FOUND.get_or_init(|| built("virtctl", find_in("kubevirt", &VIRTCTL, &Stop::default())))
    }

    /// Finds or builds krew and its checker in the same way.
    pub fn krew() -> &'static Self {
        static FOUND: OnceLock<Binaries> = OnceLock::new();
        FOUND.get_or_init(|| built("krew", find_in("krew", &KREW_PROGRAMS, &Stop::default())))
    }

    /// Finds or builds the checker of workflows in the same way.
    pub fn actionlint() -> &'static Self {
        static FOUND: OnceLock<Binaries> = OnceLock::new();
        FOUND.get_or_init(|| built("actionlint", find_in("actionlint", &ACTIONLINT, &Stop::default())))
    }

    /// Returns the path of a program; panics if there is no program of this name.
    pub fn path(&self, name: &str) -> &Path {
        self.programs.get(name).unwrap_or_else(|| panic!("no such program: {name}"))
    }
}

/// Returns the linker flags for the programs of a module. They write the version into the programs.
fn flags(module: &str) -> String {
    if matches!(module, "krew" | "actionlint") {
        return "-s -w".to_owned();
    }
    if module == "kubevirt" {
        return format!("-s -w -X kubevirt.io/client-go/version.gitVersion={KUBEVIRT}");
    }
    let version = if module == "kubernetes-oldest" { KUBERNETES_OLDEST } else { KUBERNETES };
    let (major, minor) = version.trim_start_matches('v').split_once('.').unwrap_or_default();
    let minor = minor.split('.').next().unwrap_or_default();
    let set = "-X k8s.io/component-base/version.git";
    format!("-s -w {set}Version={version} {set}Major={major} {set}Minor={minor}")
}

/// Returns the cache folder for this state of the pins. Each state has its own folder, so that an old checkout does not
/// use the programs of a newer one.
fn cache(name: &str, flags: &str, files: &[&str]) -> Result<PathBuf, String> {
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let base = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(home)
        .ok_or("neither HOME nor XDG_CACHE_HOME is set")?;
    let mut hasher = DefaultHasher::new();
    flags.hash(&mut hasher);
    for file in files {
        let path = go::modules().join(file);
        fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?.hash(&mut hasher);
    }
    let folder = base.join("kubectl-cmp").join(format!("{name}-{:016x}", hasher.finish()));
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

/// Locks the cache folder, so that two test programs that start at once build only once.
fn lock(folder: &Path, stop: &Stop) -> Result<fs::File, String> {
    let lock = fs::File::create(folder.join("lock")).map_err(|error| error.to_string())?;
    let deadline = Instant::now() + BUILD;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(fs::TryLockError::WouldBlock) if stop.is_set() => return Err(STOPPED.to_owned()),
            Err(fs::TryLockError::WouldBlock) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(100));
            }
            Err(error) => return Err(format!("{}/lock: not free within {BUILD:?}: {error}", folder.display())),
        }
    }
}

/// Builds the programs of the control plane that are missing, and those of KubeVirt if they are asked for.
pub fn build(kubevirt: bool, stop: &Stop) -> Result<(), String> {
    find(stop)?;
    if kubevirt {
        find_kubevirt(stop)?;
    }
    Ok(())
}

/// Ends a test whose programs cannot be built.
fn built(name: &str, found: Result<Binaries, String>) -> Binaries {
    found.unwrap_or_else(|why| panic!("{name} cannot be built: {why}"))
}

fn find(stop: &Stop) -> Result<Binaries, String> {
    let pins = ["kubernetes/go.mod", "kubernetes/go.sum", "kwok/go.mod", "kwok/go.sum"];
    let folder = cache("control-plane", &flags("kubernetes"), &pins)?;
    let locked = lock(&folder, stop)?;
    let (mut all, stages) = (programs(&PROGRAMS, &folder, stop)?, stages(&folder)?);
    match Kubernetes::get() {
        Kubernetes::Newest => all.append(&mut programs(&of_kubernetes("kubernetes"), &folder, stop)?),
        Kubernetes::Oldest => {
            drop(locked);
            let pins = ["kubernetes-oldest/go.mod", "kubernetes-oldest/go.sum"];
            let folder = cache("control-plane-oldest", &flags("kubernetes-oldest"), &pins)?;
            let _locked = lock(&folder, stop)?;
            all.append(&mut programs(&of_kubernetes("kubernetes-oldest"), &folder, stop)?);
        }
    }
    Ok(Binaries { programs: all, stages, definitions: Vec::new() })
}

/// Returns the file of axe-core, the checker of accessibility. npm downloads the pinned version once, and compares it with
/// the hash in `axe/package-lock.json`.
pub fn axe() -> Result<PathBuf, String> {
    const PINS: [&str; 2] = ["axe/package.json", "axe/package-lock.json"];
    let folder = cache("axe", "", &PINS)?;
    let _locked = lock(&folder, &Stop::default())?;
    let file = folder.join("node_modules/axe-core/axe.min.js");
    if file.exists() {
        return Ok(file);
    }
    for pin in PINS {
        let name = Path::new(pin).file_name().unwrap_or_default();
        fs::copy(go::modules().join(pin), folder.join(name)).map_err(|error| format!("{pin}: {error}"))?;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&folder);
    let said = child::output(&mut npm, PATIENCE);
    let said = said.map_err(|error| format!("npm: {error}; install Node.js, which brings npm"))?;
    if said.status.success() && file.exists() {
        return Ok(file);
    }
    Err(format!("npm could not download axe-core: {}", String::from_utf8_lossy(&said.stderr).trim()))
}

/// KubeVirt's programs do not depend on the source of ours, so a change of ours does not build them again.
fn find_kubevirt(stop: &Stop) -> Result<Binaries, String> {
    let mut all = find_in("kubevirt", &KUBEVIRT_PROGRAMS, stop)?.programs;
    let sources = ["kubevirt/go.mod", "kubevirt/go.sum", "kubevirt/manifests/main.go"];
    let folder = cache("kubevirt-manifests", &flags("kubevirt"), &sources)?;
    let _locked = lock(&folder, stop)?;
    all.append(&mut programs(&KUBEVIRT_MANIFESTS, &folder, stop)?);
    let definitions = copies(&folder.join("snapshotter"), "kubevirt", SNAPSHOTTER, &["config/crd"])?;
    Ok(Binaries { programs: all, stages: Vec::new(), definitions })
}

/// Finds or builds programs of one module. Each module has a cache of its own.
fn find_in(module: &str, wanted: &[(&'static str, &str, &str)], stop: &Stop) -> Result<Binaries, String> {
    let pins = ["go.mod", "go.sum"].map(|file| format!("{module}/{file}"));
    let folder = cache(module, &flags(module), &pins.each_ref().map(String::as_str))?;
    let _locked = lock(&folder, stop)?;
    Ok(Binaries { programs: programs(wanted, &folder, stop)?, stages: Vec::new(), definitions: Vec::new() })
}

/// Finds the programs in `KUBEBUILDER_ASSETS` or in the cache, and builds those that are missing.
fn programs(
    wanted: &[(&'static str, &str, &str)],
    folder: &Path,
    stop: &Stop,
) -> Result<BTreeMap<&'static str, PathBuf>, String> {
    let assets = env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
    let mut found = BTreeMap::new();
    let mut missing: BTreeMap<&str, Vec<Program<'_>>> = BTreeMap::new();
    for &(name, module, package) in wanted {
        let given = assets.as_ref().map(|assets| assets.join(name)).filter(|path| path.exists());
        let path = given.unwrap_or_else(|| folder.join(name));
        if !path.exists() {
            missing.entry(module).or_default().push(Program { name, package });
        }
        found.insert(name, path);
    }
    for (module, programs) in missing {
        go::build(module, &flags(module), &programs, folder, stop)?;
    }
    Ok(found)
}

/// Returns KubeVirt's own example manifests, which are in the module that KubeVirt is built from.
pub fn kubevirt_examples() -> Result<PathBuf, String> {
    const MODULE: &str = "kubevirt.io/kubevirt";
    go::check()?;
    // The list names no folder before the module is downloaded.
    let mut folder = String::new();
    for command in [&["mod", "download", MODULE][..], &["list", "-m", "-f", "{{.Dir}}", MODULE]] {
        let said = child::build(go::go("kubevirt").args(command)).map_err(|error| format!("go: {error}"))?;
        folder = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    }
    if folder.is_empty() {
        return Err(format!("go found no folder of {MODULE}"));
    }
    Ok(Path::new(&folder).join("examples"))
}

/// Returns kwok's files about nodes and Pods.
fn stages(folder: &Path) -> Result<Vec<PathBuf>, String> {
    copies(&folder.join("stages"), "kwok", "sigs.k8s.io/kwok", &STAGES)
}

/// Returns copies of the YAML files in folders of a Go module, which one of ours pins. They are made once.
fn copies(copies: &Path, pinned_by: &str, module: &str, folders: &[&str]) -> Result<Vec<PathBuf>, String> {
    if !copies.exists() {
        go::check()?;
        // The list names no folder before the module is downloaded.
        let mut found = String::new();
        for command in [&["mod", "download", module][..], &["list", "-m", "-f", "{{.Dir}}", module]] {
            let said = child::build(go::go(pinned_by).args(command)).map_err(|error| format!("go: {error}"))?;
            found = String::from_utf8_lossy(&said.stdout).trim().to_owned();
        }
        let half = copies.with_extension("copying");
        // Removes the leftovers of an earlier attempt.
        let _removed = fs::remove_dir_all(&half);
        fs::create_dir_all(&half).map_err(|error| error.to_string())?;
        for (at, folder) in folders.iter().enumerate() {
            let from = Path::new(&found).join(folder);
            let entries = fs::read_dir(from).map_err(|error| format!("{folder} of {module}: {error}"))?;
            for entry in entries.flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.ends_with(".yaml") && name != "kustomization.yaml" {
                    // Reads and writes the file instead of copying it: files of the module cache are read-only.
                    let text = fs::read(entry.path()).map_err(|error| error.to_string())?;
                    fs::write(half.join(format!("{at}-{name}")), text).map_err(|error| error.to_string())?;
                }
            }
        }
        fs::rename(&half, copies).map_err(|error| error.to_string())?;
    }
    let entries = fs::read_dir(copies).map_err(|error| error.to_string())?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    Ok(files)
}
