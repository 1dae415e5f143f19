//! Suspending and resuming 100 virtual machines with one command, against a loop of `virtctl pause` and `unpause` over
//! the same machines, in turn, on the real KubeVirt. Only the ratio says something: the machine is whatever runs this.
//!
//! `cargo bench -p cmp-tests --bench vms`

use std::process::Command;
use std::time::{Duration, Instant};

use cmp_tests::binaries::Binaries;
use cmp_tests::{ControlPlane, Installation, World};

const MACHINES: u32 = 100;
const ROUNDS: usize = 3;

fn timed(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}

/// One `virtctl` after another, as somebody without cmp would type it.
fn virtctl(user: &World<'_>, cluster: &str, verb: &str) {
    let program = Binaries::kubevirt().path("virtctl");
    for index in 0..MACHINES {
        let vm = format!("{cluster}-{index}");
        let output = Command::new(program)
            .args([verb, "vm", &vm, "-n", &format!("{cluster}-ns")])
            .env("KUBECONFIG", &user.kubeconfig)
            .output()
            .expect("virtctl runs");
        assert!(output.status.success(), "virtctl {verb} {vm}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn main() {
    let installation = Installation::on(ControlPlane::with_kubevirt(), 2, "3s", |plane, url| {
        plane.admin(&["cmp", "install", "--webhook-url", url]).ok();
        true
    })
    .expect("it was installed");
    let user = installation.user("200", "64Gi");
    let cluster = user.cluster("dev");
    let count = MACHINES.to_string();
    let size = ["--type", "vm", "--cpu", "1", "--memory", "64Mi", "--count", &count, "--wait", "--timeout", "600s"];
    let created = timed(|| drop(user.cmp(&[["create", "cluster", &cluster].as_slice(), &size].concat()).ok()));
    println!("{MACHINES} VMs created and running: {:.1} s", created.as_secs_f64());
    let done = |word: &str| format!("{MACHINES} {word}, 0 failed, 0 skipped");
    let (mut ours, mut theirs) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for _ in 0..ROUNDS {
        ours[0].push(timed(|| drop(user.cmp(&["suspend", "cluster", &cluster]).ok().says(&done("suspended")))));
        ours[1].push(timed(|| drop(user.cmp(&["resume", "cluster", &cluster, "--wait"]).ok().says(&done("resumed")))));
        theirs[0].push(timed(|| virtctl(&user, &cluster, "pause")));
        theirs[1].push(timed(|| virtctl(&user, &cluster, "unpause")));
    }
    for (verb, ours, theirs) in [("suspend", &ours[0], &theirs[0]), ("resume", &ours[1], &theirs[1])] {
        let (ours, theirs) = (median(ours.clone()).as_secs_f64(), median(theirs.clone()).as_secs_f64());
        println!("{verb} {MACHINES}: {ours:.2} s, virtctl {theirs:.2} s, ratio {:.3}", ours / theirs);
    }
}
