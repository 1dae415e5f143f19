//! Implements `cargo demo`: a control plane of its own, an installation of cmp, and john's story with every command as
//! typed.
//!
//! The demo stays up until Ctrl-C. With `--exit` it ends by itself, with status 0 only if every step had the expected
//! outcome. With `--vm` john's machines are virtual machines on the real KubeVirt; the programs that would run them are
//! simulated.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use cmp_tests::binaries::built;
use cmp_tests::child::{PATIENCE, output};
use cmp_tests::shell::path;
use cmp_tests::{ControlPlane, Installation};

/// The person who types a command.
#[derive(Clone, Copy)]
enum Who {
    Administrator,
    John,
}

/// The expected outcome of a command.
enum Outcome {
    /// The command succeeds and prints this text.
    Says(&'static str),
    /// The command is refused and prints this text.
    Refused(&'static str),
}

use Outcome::{Refused, Says};
use Who::{Administrator, John};

/// The story after the installation.
const STORY: &[(&str, Who, &str, Outcome)] = &[
    (
        "The administrator gives john 16 CPU and 64 GiB, and a kubeconfig.",
        Administrator,
        "kubectl cmp create user john --cpu 16 --memory 64Gi --kubeconfig-out john.kubeconfig",
        Says("user/john created"),
    ),
    ("John looks who he is.", John, "kubectl cmp whoami", Says("64Gi")),
    (
        "He creates three machines.",
        John,
        "kubectl cmp create cluster web{type} --cpu 2 --memory 4Gi --count 3 --wait",
        Says("cluster/web created"),
    ),
    ("", John, "kubectl cmp get clusters", Says("3/3")),
    ("", John, "kubectl cmp get instances", Says("web-2")),
    ("", John, "kubectl cmp quota", Says("10")),
    (
        "Off for the night ...",
        John,
        "kubectl cmp suspend cluster web --reason 'for the night'",
        Says("cluster/web suspended: 3 suspended, 0 failed, 0 skipped"),
    ),
    ("", John, "kubectl cmp get clusters -o wide", Says("suspended")),
    (
        "... and on again in the morning.",
        John,
        "kubectl cmp resume cluster web --wait",
        Says("cluster/web resumed: 3 resumed, 0 failed, 0 skipped"),
    ),
    ("", John, "kubectl cmp get clusters", Says("running")),
    (
        "More than the quota is refused, all of it, before anything exists ...",
        John,
        "kubectl cmp create cluster big{type} --cpu 4 --memory 16Gi --count 4",
        Refused(
            "exceeded quota: john, requested: cpu=16,memory=64Gi, used: cpu=6,memory=12Gi, limited: cpu=16,memory=64Gi",
        ),
    ),
    (
        "... also past the plugin ...",
        John,
        "kubectl patch configmap john -n cmp-users --type=merge -p \
         '{\"data\":{\"want.big\":\"{\\\"type\\\":\\\"container\\\",\\\"count\\\":4,\\\"size\\\":{\\\"cpu\\\":\\\"4\\\",\\\"memory\\\":\\\"16Gi\\\"}}\"}}'",
        Refused("exceeded quota: john"),
    ),
    (
        "... and nobody gives themselves more.",
        John,
        "kubectl patch configmap john -n cmp-users --type=merge -p '{\"data\":{\"quota\":\"{\\\"cpu\\\":\\\"64\\\",\\\"memory\\\":\\\"1Ti\\\"}\"}}'",
        Refused("a user may change want.* and delete.*, and remove refused.*"),
    ),
    ("", John, "kubectl run sneaky --image=nginx -n web-ns", Refused("cannot create resource \"pods\"")),
    ("The administrator sees everyone.", Administrator, "kubectl cmp get users", Says("6/16")),
    (
        "When john deletes the cluster, its quota comes back.",
        John,
        "kubectl cmp delete cluster web --yes --wait",
        Says("cluster/web deleted"),
    ),
    ("", John, "kubectl cmp quota", Says("16")),
];

fn main() -> ExitCode {
    let (mut exit, mut vm) = (false, false);
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--exit" => exit = true,
            "--vm" => vm = true,
            other => {
                eprintln!("error: unknown argument {other:?}: there are --exit and --vm");
                return ExitCode::FAILURE;
            }
        }
    }
    eprintln!("building kubectl-cmp and cmp-webhook ...");
    built();
    eprintln!("starting etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok with three nodes ...");
    let plane = if vm {
        eprintln!("... and KubeVirt's virt-api and virt-controller; virt-handler and the guests are simulated ...");
        ControlPlane::with_kubevirt()
    } else {
        ControlPlane::start()
    };
    let folder = plane.folder().to_owned();
    let installation = Installation::on(plane, 2, "90s", |_, url| {
        let command = format!("kubectl cmp install --webhook-url {url}");
        let comment = "The administrator installs cmp. (Without --webhook-url it runs as a Deployment.)";
        step(&folder, comment, Administrator, &command, &Says("clusterrole.rbac.authorization.k8s.io/cmp-webhook"))
    });
    let mut good = installation.is_some();
    let kind = if vm { " --type vm" } else { "" };
    for (comment, who, command, outcome) in STORY {
        good = good && step(&folder, comment, *who, &command.replace("{type}", kind), outcome);
    }
    if !good {
        return ExitCode::FAILURE;
    }
    println!();
    if exit {
        println!("# Every step did what it should.");
        return ExitCode::SUCCESS;
    }
    println!("# The control plane stays up until Ctrl-C. To go on by hand, in another terminal:");
    println!();
    println!("export PATH={}", shown_path());
    println!("export KUBECONFIG={}          # as john", kubeconfig(&folder, John).display());
    println!("kubectl cmp create cluster web{kind} --cpu 2 --memory 4Gi --count 3 --wait");
    println!("kubectl cmp get instances");
    println!("export KUBECONFIG={}         # as administrator", kubeconfig(&folder, Administrator).display());
    println!("kubectl cmp get users");
    wait_for_the_end();
    drop(installation);
    ExitCode::SUCCESS
}

fn kubeconfig(folder: &Path, who: Who) -> PathBuf {
    folder.join(match who {
        Administrator => "admin.kubeconfig",
        John => "john.kubeconfig",
    })
}

/// Returns PATH with the reader's own part written as `$PATH`.
fn shown_path() -> String {
    let old = std::env::var("PATH").unwrap_or_default();
    path().strip_suffix(old.as_str()).map_or_else(path, |new| format!("{new}$PATH"))
}

/// Prints a command, runs it with inherited output, and reports whether the outcome is the expected one.
fn step(folder: &Path, comment: &str, who: Who, command: &str, outcome: &Outcome) -> bool {
    if !comment.is_empty() {
        println!("\n# {comment}");
    }
    let prompt = match who {
        Administrator => "administrator$",
        John => "john$",
    };
    println!("{prompt} {command}");
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{command} 2>&1")]).current_dir(folder);
    shell.env("KUBECONFIG", kubeconfig(folder, who)).env("PATH", path());
    let ran = match output(&mut shell, PATIENCE) {
        Ok(ran) => ran,
        Err(error) => {
            eprintln!("error: sh: {error}");
            return false;
        }
    };
    let said = String::from_utf8_lossy(&ran.stdout);
    print!("{said}");
    let (succeeds, text) = match outcome {
        Says(text) => (true, text),
        Refused(text) => (false, text),
    };
    let good = ran.status.success() == succeeds && said.contains(text);
    if !good {
        let verb = if succeeds { "succeed" } else { "be refused" };
        eprintln!("error: this should {verb} and say {text:?}");
    }
    good
}

fn wait_for_the_end() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).expect("a signal handler");
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
    });
    eprintln!("stopping ...");
}
