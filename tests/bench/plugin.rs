//! Measures the plugin against kubectl at the same work, alternating, in one run. `kubectl cmp` also starts kubectl,
//! which finds the plugin and replaces itself with it. Every figure except the start-up time includes that.

use std::process::Command;
use std::time::{Duration, Instant};

use cmp_tests::binaries::{Binaries, built};
use cmp_tests::control_plane::Options;
use cmp_tests::shell::run;
use cmp_tests::{ControlPlane, Installation, Output, World, eventually};
use serde_json::{Value, json};

use super::{ROUNDS, median, objects, want};

/// Returns the duration in seconds of a command that has to succeed.
fn seconds(work: impl FnOnce() -> Output) -> f64 {
    let started = Instant::now();
    work().ok();
    started.elapsed().as_secs_f64()
}

/// Prints a row: our time, their time, and the median of the ratios of each round.
fn row(what: &str, ours: &[f64], theirs: &[f64]) {
    let ratio = median(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect());
    let of = |times: &[f64]| median(times.to_vec()) * 1e3;
    println!("| {what} | {:.1} ms | {:.1} ms | {ratio:.3} |", of(ours), of(theirs));
}

fn head() {
    println!("| | kubectl cmp | kubectl | ratio |\n|---|---|---|---|");
}

/// Measures the time until each program has printed its version, and the size of the plugin.
pub(super) fn startup() {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS * 10 {
        let version = |program| {
            let mut command = Command::new(program);
            command.args(["version", "--client"]);
            seconds(|| run(command, ""))
        };
        ours.push(version(built().plugin.as_path()));
        theirs.push(version(Binaries::get().path("kubectl")));
    }
    head();
    row("version --client", &ours, &theirs);
    let size = std::fs::metadata(&built().plugin).map_or(0, |file| file.len());
    println!("\nkubectl-cmp is {:.1} MiB", size as f64 / f64::from(1 << 20));
}

/// Returns the objects of a cluster, without the labels and annotations that make its Namespace one of ours.
fn plain(cluster: &str, count: u32) -> Value {
    let mut all = objects(&"nobody".parse().unwrap(), &cluster.parse().unwrap(), &want(count, "10m", "16Mi"));
    all[0]["metadata"]["labels"] = json!({});
    all[0]["metadata"]["annotations"] = json!({});
    json!({ "apiVersion": "v1", "kind": "List", "items": all })
}

/// Waits until this number of Pods of a Namespace run.
fn running(world: &World, namespace: &str, count: usize) {
    eventually("as many Pods run", Duration::from_secs(600), || {
        let pods =
            world.admin(&["get", "pods", "-n", namespace, "-o", "name", "--field-selector=status.phase=Running"]);
        let now = pods.stdout.lines().count();
        if now == count { Ok(()) } else { Err(format!("{now} of {count}")) }
    });
}

/// Starts an installation with faster controllers for Pods. The benchmark measures clients and the API server, and need
/// not wait for the rest.
fn quick() -> Installation {
    let quick = ["--kube-api-qps=500", "--kube-api-burst=1000", "--concurrent-statefulset-syncs=20"];
    let options = Options { controller_manager: quick.map(str::to_owned).to_vec(), ..Options::default() };
    Installation::on(ControlPlane::start_with(&options), 1, "3s", |plane, url| {
        plane.admin(&["cmp", "install", "--webhook-url", url]).ok();
        true
    })
    .expect("it was installed")
}

/// Measures a hundred instances: created, suspended and resumed.
pub(super) fn hundred() {
    let installation = quick();
    let user = installation.user("1000", "1000Gi");
    let (mut made, mut applied) = (Vec::new(), Vec::new());
    let (mut off, mut on) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
    for round in 0..3 {
        let (ours, theirs) = (format!("ours{round}"), format!("theirs{round}"));
        let list = plain(&theirs, 100).to_string();
        applied.push(seconds(|| installation.plane.admin_reading(&["apply", "-f", "-"], &list)));
        let size = ["--count", "100", "--cpu", "10m", "--memory", "16Mi"];
        made.push(seconds(|| user.cmp(&[["create", "cluster", &ours].as_slice(), &size].concat())));
        running(&user, &format!("{ours}-ns"), 100);
        running(&user, &format!("{theirs}-ns"), 100);
        let namespace = format!("{theirs}-ns");
        let scale = |to: &str| {
            let replicas = format!("--replicas={to}");
            let words = ["scale", "statefulset", "--all", &replicas, "-n", &namespace];
            seconds(|| installation.plane.admin(&words))
        };
        off.1.push(scale("0"));
        off.0.push(seconds(|| user.cmp(&["suspend", "cluster", &ours])));
        running(&user, &namespace, 0);
        running(&user, &format!("{ours}-ns"), 0);
        on.1.push(scale("1"));
        on.0.push(seconds(|| user.cmp(&["resume", "cluster", &ours])));
        running(&user, &format!("{ours}-ns"), 100);
        running(&user, &namespace, 100);
        // The nodes have no room for the Pods of two rounds.
        user.cmp(&["delete", "cluster", &ours, "--yes", "--wait", "--timeout", "300s"]).ok();
        installation.plane.admin(&["delete", "namespace", &namespace]).ok();
    }
    head();
    row("100 instances made, against `apply` of the same objects", &made, &applied);
    row("100 suspended, against `scale statefulset --all --replicas=0`", &off.0, &off.1);
    row("100 resumed, against `scale statefulset --all --replicas=1`", &on.0, &on.1);
}

/// Measures the listing of a thousand instances, against the listing of their StatefulSets and Pods.
pub(super) fn thousand() {
    let installation = quick();
    let user = installation.user("1000", "1000Gi");
    user.cmp(&["create", "cluster", "many", "--count", "1000", "--cpu", "10m", "--memory", "16Mi"]).ok();
    eventually("a thousand Pods are there", Duration::from_secs(600), || {
        let pods = user.admin(&["get", "pods", "-n", "many-ns", "-o", "name"]).stdout.lines().count();
        if pods == 1000 { Ok(()) } else { Err(format!("{pods} of 1000")) }
    });
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS * 2 {
        ours.push(seconds(|| user.cmp(&["get", "instances", "--in", "many"])));
        theirs.push(seconds(|| user.kubectl(&["get", "statefulset,pod", "-n", "many-ns"])));
    }
    head();
    row("1,000 instances listed, against `get statefulset,pod`", &ours, &theirs);
}
