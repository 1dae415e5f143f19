//! Cold starts: every process at once, in random order, each killed once at a random moment, and nobody waits between
//! two steps.
//!
//! Every command has to succeed in the end, and until then say a sentence. `CMP_COLD_STARTS` is the number of starts, and
//! `CMP_COLD_SEED` the seed of the first one. Every third seed has KubeVirt and a cluster of VMs, too.

use std::fs::OpenOptions;
use std::io::Write;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use cmp_tests::binaries::built;
use cmp_tests::control_plane::{ControlPlane, Options, free_port, node_objects};
use cmp_tests::kubevirt::{DEPLOYED, KubeVirt, deployed, deployment};
use cmp_tests::process::Process;
use cmp_tests::shell::{Output, kubectl, kubectl_reading};
use serde_json::json;

/// The number of starts of a run that names none. One of three has KubeVirt.
const STARTS: u64 = 20;
/// The longest time until a step succeeds. An API server that is killed between two conditions of a definition of KubeVirt
/// goes on with the definition after five minutes.
const STEP: Duration = Duration::from_secs(480);
/// The time in which the processes start and are killed.
const UNREST: Duration = Duration::from_secs(25);
/// The pause of the supervisor between two rounds.
const ROUND: Duration = Duration::from_millis(100);
/// The token of cmp-webhook, which a kubelet would give to its Pod.
const TOKEN: &str = "cmp-webhook-of-the-tests";

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable}={text}")))
}

/// A process with the time of its start and that of its kill.
struct Part<'a> {
    process: &'a mut Process,
    starts: Option<Instant>,
    dies: Option<Instant>,
}

/// Starts, kills and restarts the parts until `end` closes. A process that ends by itself starts again, as under a
/// kubelet.
fn supervise(mut parts: Vec<Part<'_>>, end: &Receiver<()>) {
    let begun = |at: &Option<Instant>| at.is_some_and(|at| Instant::now() >= at);
    while matches!(end.recv_timeout(ROUND), Err(RecvTimeoutError::Timeout)) {
        for part in &mut parts {
            if part.starts.is_some() && !begun(&part.starts) {
                continue;
            }
            part.starts = None;
            if begun(&part.dies) && part.process.is_running() {
                part.dies = None;
                part.process.kill();
            }
            if !part.process.is_running() {
                part.process.restart();
            }
        }
    }
}

/// One cold start.
struct Cold {
    seed: u64,
    /// The manifests of KubeVirt, in a start that has it.
    kubevirt: Option<[String; 3]>,
    admin: PathBuf,
    folder: PathBuf,
    /// The answers of commands that did not succeed yet.
    refusals: Vec<String>,
}

impl Cold {
    /// Repeats a command until it succeeds. Each answer before that has to be a sentence for people.
    #[track_caller]
    fn step(&mut self, kubeconfig: &Path, arguments: &[&str]) -> Output {
        self.step_reading(kubeconfig, arguments, "")
    }

    #[track_caller]
    fn step_reading(&mut self, kubeconfig: &Path, arguments: &[&str], input: &str) -> Output {
        let deadline = Instant::now() + STEP;
        loop {
            let output = kubectl_reading(kubeconfig, arguments, input);
            if output.code == 0 {
                return output;
            }
            let seed = self.seed;
            assert!(output.code == 1, "seed {seed}: {output}");
            if arguments[0] == "cmp" {
                // `check` prints its findings, of which one failed.
                let said =
                    output.stderr.lines().any(|line| line.starts_with("error: ") || line.starts_with("Error from"))
                        || output.stdout.lines().any(|line| line.starts_with("failed "));
                let rust = ["panicked", "os error", "Some(", "Error(", "Refused {"];
                let all = format!("{}{}", output.stdout, output.stderr);
                assert!(said && !rust.iter().any(|text| all.contains(text)), "seed {seed}: {output}");
            }
            assert!(Instant::now() < deadline, "seed {seed}: not within {STEP:?}: {output}");
            self.refusals.push(output.stderr.lines().last().unwrap_or_default().to_owned());
        }
    }

    /// Plays the first minutes of an administrator and of john.
    fn story(&mut self, url: &str) {
        let admin = self.admin.clone();
        let john = self.folder.join("john.kubeconfig");
        let nodes = json!({ "apiVersion": "v1", "kind": "List", "items": node_objects(self.kubevirt.is_some()) });
        self.step_reading(&admin, &["apply", "--server-side", "-f", "-"], &nodes.to_string());
        if let Some(files) = self.kubevirt.clone() {
            for file in files {
                self.step(&admin, &["apply", "--server-side", "--force-conflicts", "--validate=false", "-f", &file]);
            }
            self.step_reading(&admin, &["apply", "--server-side", "-f", "-"], &deployment().to_string());
            self.step(&admin, &[&DEPLOYED[..], &[&deployed().to_string()]].concat());
        }
        self.step(&admin, &["cmp", "install", "--webhook-url", url]);
        let out = john.display().to_string();
        let create = ["cmp", "create", "user", "john", "--cpu", "4", "--memory", "8Gi", "--kubeconfig-out", &out];
        self.step(&admin, &create);
        let size = ["--cpu", "1", "--memory", "1Gi", "--count", "2", "--wait", "--timeout", "60s"];
        let mut clusters = vec![("web", "container")];
        if self.kubevirt.is_some() {
            clusters.push(("dev", "vm"));
        }
        for (name, kind) in &clusters {
            self.step(&john, &[&["cmp", "create", "cluster", name, "--type", kind], &size[..]].concat());
        }
        for (name, _) in &clusters {
            self.step(&john, &["cmp", "get", "cluster", name, "--no-headers"]).says("2/2").says("running");
            self.step(&john, &["cmp", "delete", "cluster", name, "--yes", "--wait"]);
        }
        let quota = self.step(&john, &["cmp", "quota", "-o", "json"]).json();
        assert_eq!(quota["used_cpu"], 0, "seed {}: {quota}", self.seed);
        let checked = self.step(&admin, &["cmp", "check"]);
        assert!(!checked.stdout.contains("failed"), "seed {}: {checked}", self.seed);
    }
}

fn cold_start(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let with_kubevirt = seed.is_multiple_of(3);
    let mut plane = ControlPlane::prepare(&Options { kubevirt: with_kubevirt, ..Options::default() });
    let mut kubevirt = with_kubevirt.then(|| KubeVirt::prepare(&plane).expect("KubeVirt is built"));
    let folder = plane.folder().to_owned();
    let mut tokens = OpenOptions::new().append(true).open(folder.join("tokens.csv")).unwrap();
    let groups = "system:serviceaccounts,system:serviceaccounts:cmp-system";
    writeln!(tokens, "{TOKEN},system:serviceaccount:cmp-system:cmp-webhook,cmp-webhook,\"{groups}\"").unwrap();
    let (port, probe) = (free_port(), free_port());
    let arguments = [
        "serve".to_owned(),
        format!("--kubeconfig={}", plane.kubeconfig_for("cmp-webhook", TOKEN).display()),
        format!("--bind-address=127.0.0.1:{port}"),
        format!("--probe-address=127.0.0.1:{probe}"),
        "--admission-window=3s".to_owned(),
    ];
    let mut webhook = Process::prepare("cmp-webhook", &built().webhook, arguments.to_vec(), &folder);
    let files = with_kubevirt.then(|| KubeVirt::files(&plane));
    let mut cold = Cold { seed, kubevirt: files, admin: plane.kubeconfig(), folder, refusals: Vec::new() };

    let now = Instant::now();
    let mut moment = || Some(now + random.u32(0..1000) * UNREST / 1000);
    let mut part = |process| {
        let (one, other) = (moment(), moment());
        Part { process, starts: one.min(other).map(|at| now + (at - now) / 4), dies: one.max(other) }
    };
    let of_kubevirt = kubevirt.iter_mut().flat_map(KubeVirt::parts);
    let parts: Vec<Part<'_>> =
        plane.parts().into_iter().chain([&mut webhook]).chain(of_kubevirt).map(&mut part).collect();
    let (ends, end) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || supervise(parts, &end));
        // Dropped at the end of the story, also when it fails: the supervisor ends with it.
        let _ends = ends;
        cold.story(&format!("https://localhost:{port}"));
    });
    cold.refusals.dedup();
    let parts = if with_kubevirt { " with KubeVirt" } else { "" };
    println!("seed {seed}{parts}: {} s, {} other answers before", now.elapsed().as_secs(), cold.refusals.len());
    for refusal in &cold.refusals {
        println!("  {refusal}");
    }
    assert!(kubectl(&cold.admin, &["get", "--raw", "/livez"]).code == 0, "the control plane is up at the end");
}

/// Runs the starts, several at a time: a start waits for most of its time.
#[test]
fn everything_starts_at_once_and_succeeds() {
    let first = number("CMP_COLD_SEED", fastrand::u64(..1_000_000));
    let starts = number("CMP_COLD_STARTS", STARTS);
    let next = AtomicU64::new(0);
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..(cores * 3).div_ceil(2) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= starts {
                        break;
                    }
                    let seed = first + at;
                    eprintln!("CMP_COLD_SEED={seed} CMP_COLD_STARTS=1");
                    cold_start(seed);
                }
            });
        }
    });
}
