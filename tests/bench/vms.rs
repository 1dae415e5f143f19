//! Measures one command that suspends or resumes 100 virtual machines, on the real KubeVirt. Compares it with a loop of
//! `virtctl pause` and `unpause` over the same machines, alternating. Only the ratio is meaningful: the absolute times
//! depend on the host. Each result also lists the processor time of each program, because the processors bound both
//! sides.
//!
//! `cargo bench -p cmp-tests --bench vms`

use std::process::Command;
use std::time::{Duration, Instant};

use cmp_tests::binaries::Binaries;
use cmp_tests::child::{PATIENCE, output};
use cmp_tests::process::{Process, cpu_of_children};
use cmp_tests::{ControlPlane, Installation, World, eventually};
use futures::StreamExt;

const MACHINES: u32 = 100;
const ROUNDS: usize = 3;

fn timed(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}

/// Runs one `virtctl` after another, as a person without cmp would type it.
fn virtctl(user: &World<'_>, cluster: &str, verb: &str) {
    let program = Binaries::virtctl().path("virtctl");
    for index in 0..MACHINES {
        let vm = format!("{cluster}-{index}");
        let mut virtctl = Command::new(program);
        virtctl.args([verb, "vm", &vm, "-n", &format!("{cluster}-ns")]).env("KUBECONFIG", &user.kubeconfig);
        let output = output(&mut virtctl, PATIENCE).expect("virtctl runs");
        assert!(output.status.success(), "virtctl {verb} {vm}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// The verb of the command, the word in its report, and the state of the machines afterwards.
const VERBS: [(&str, &str, &str); 2] = [("suspend", "suspended", "suspended"), ("resume", "resumed", "running")];

/// Waits until all machines have this state, so that the next measurement starts from rest.
fn settled(user: &World<'_>, cluster: &str, state: &str) {
    eventually(&format!("all are {state}"), Duration::from_secs(120), || {
        let shown = user.cmp(&["get", "cluster", cluster, "-o", "jsonpath={.status.state}"]).ok();
        if shown.stdout == state { Ok(()) } else { Err(shown.stdout) }
    });
}

/// Returns the processor time of each program of the control plane, and of all processes started here.
fn used(plane: &ControlPlane) -> Vec<(&'static str, Duration)> {
    let kubevirt = plane.kubevirt.as_ref().expect("it was asked for");
    let of = |process: &Process| process.cpu().expect("it runs");
    vec![
        ("kube-apiserver", of(&plane.apiserver)),
        ("etcd", of(&plane.etcd)),
        ("virt-api", of(&kubevirt.virt_api)),
        ("virt-controller", of(&kubevirt.virt_controller)),
        ("virt-handler (stand-in)", of(&kubevirt.virt_handler)),
        ("clients", cpu_of_children()),
    ]
}

/// Makes the bare calls from one running process, up to 32 at once. No program that pauses machines through KubeVirt's
/// API can be faster.
fn bare(user: &World<'_>, cluster: &str, verb: &str) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let client = cmp_tests::control_plane::client(&user.kubeconfig).await;
        let calls = futures::stream::iter(0..MACHINES).map(|index| {
            let place = format!("/apis/subresources.kubevirt.io/v1/namespaces/{cluster}-ns");
            let path = format!("{place}/virtualmachineinstances/{cluster}-{index}/{verb}");
            let request = http::Request::put(path).header("content-type", "application/json").body(b"{}".to_vec());
            let client = client.clone();
            async move { client.request_text(request.expect("a request")).await.expect("it is paused") }
        });
        assert_eq!(calls.buffer_unordered(32).count().await, MACHINES as usize);
    });
}

/// Runs `work`, and prints its duration and the processor time of each program.
fn measured(plane: &ControlPlane, what: &str, work: impl FnOnce()) -> Duration {
    let before = used(plane);
    let took = timed(work);
    let shares: Vec<String> = used(plane)
        .iter()
        .zip(&before)
        .map(|((name, after), (_, before))| format!("{name} {:.2}", (*after - *before).as_secs_f64()))
        .collect();
    println!("{what}: {:.2} s; of processors: {}", took.as_secs_f64(), shares.join(", "));
    took
}

fn main() {
    let installation = Installation::on(ControlPlane::with_kubevirt(), 2, "3s", |plane, url| {
        plane.admin(&["cmp", "install", "--webhook-url", url]).ok();
        true
    })
    .expect("it was installed");
    let plane = &installation.plane;
    let user = installation.user("200", "64Gi");
    let cluster = user.cluster("dev");
    let count = MACHINES.to_string();
    let size = ["--type", "vm", "--cpu", "1", "--memory", "64Mi", "--count", &count, "--wait", "--timeout", "600s"];
    let created = timed(|| drop(user.cmp(&[["create", "cluster", &cluster].as_slice(), &size].concat()).ok()));
    println!("{MACHINES} VMs created and running: {:.1} s", created.as_secs_f64());
    let mut times: [[Vec<Duration>; 3]; 2] = Default::default();
    for _ in 0..ROUNDS {
        for (at, (verb, word, state)) in VERBS.into_iter().enumerate() {
            let done = format!("{MACHINES} {word}, 0 failed, 0 skipped");
            let ours = || drop(user.cmp(&[verb, "cluster", &cluster]).ok().says(&done));
            times[at][0].push(measured(plane, verb, ours));
            settled(&user, &cluster, state);
        }
        for (at, verb) in ["pause", "unpause"].into_iter().enumerate() {
            let theirs = || virtctl(&user, &cluster, verb);
            times[at][1].push(measured(plane, &format!("virtctl {verb}, one by one"), theirs));
            settled(&user, &cluster, VERBS[at].2);
        }
        for (at, verb) in ["pause", "unpause"].into_iter().enumerate() {
            let least = || bare(&user, &cluster, verb);
            times[at][2].push(measured(plane, &format!("the bare calls, {verb}"), least));
            settled(&user, &cluster, VERBS[at].2);
        }
    }
    for ((verb, ..), [ours, theirs, least]) in VERBS.into_iter().zip(times) {
        let (ours, theirs) = (median(ours).as_secs_f64(), median(theirs).as_secs_f64());
        let least = median(least).as_secs_f64();
        println!("{verb} {MACHINES}: {ours:.2} s, virtctl {theirs:.2} s, ratio {:.3}", ours / theirs);
        println!("{verb} {MACHINES}, the bare calls: {least:.2} s, ratio to virtctl {:.3}", least / theirs);
    }
}
