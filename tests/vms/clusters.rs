//! Clusters of virtual machines, as their users use them.

use cmp_tests::{World, eventually};
use serde_json::{Value, json};

use crate::support::{SOON, installed};

/// Creates a cluster of running VMs, and returns its name.
pub(crate) fn running(user: &World<'_>, name: &str, count: u32) -> String {
    running_with(user, name, count, &[])
}

/// Creates a cluster of running VMs with these flags, and returns its name.
pub(crate) fn running_with(user: &World<'_>, name: &str, count: u32, flags: &[&str]) -> String {
    let cluster = user.cluster(name);
    let count = count.to_string();
    let size = ["--type", "vm", "--cpu", "2", "--memory", "4Gi", "--count", &count, "--wait", "--timeout", "120s"];
    let create = [["create", "cluster", &cluster].as_slice(), &size, flags].concat();
    user.cmp(&create).ok().says(&format!("cluster/{cluster} created"));
    cluster
}

/// Returns the machines that are on, as KubeVirt lists them.
pub(crate) fn on(user: &World<'_>, cluster: &str) -> Vec<Value> {
    let listed = user.kubectl(&["get", "vmi", "-n", &format!("{cluster}-ns"), "-o", "json"]).ok().json();
    listed["items"].as_array().unwrap().clone()
}

#[test]
fn three_machines_are_paused_at_night_and_resumed_in_the_morning() {
    let john = installed().user("16", "64Gi");
    let dev = running(&john, "dev", 3);
    john.cmp(&["get", "cluster", &dev]).ok().says("vm").says("3/3").says("running");
    // The charge counts the resources of the guests, and not the requests of the launchers.
    let quota = john.cmp(&["quota", "-o", "json"]).ok().json();
    assert_eq!((&quota["used_cpu"], &quota["used_memory"]), (&json!(6), &json!(12)));
    let guest = &on(&john, &dev)[0]["spec"]["domain"];
    assert_eq!((&guest["cpu"]["cores"], &guest["memory"]["guest"]), (&json!(2), &json!("4Gi")));
    let shown = john.cmp(&["get", "instances", "--in", &dev, "-o", "json"]).ok().json();
    assert!(
        shown["items"][0]["status"]["node"].is_string() && shown["items"][0]["status"]["ip"].is_string(),
        "{shown}"
    );

    // Paused machines keep their resources.
    john.cmp(&["suspend", "cluster", &dev, "--reason", "night", "--wait"])
        .ok()
        .says(&format!("cluster/{dev} suspended: 3 suspended, 0 failed, 0 skipped"))
        .says("keep their memory and their place on the node; --mode halt frees both");
    john.cmp(&["get", "cluster", &dev]).ok().says("0/3").says("suspended");
    assert_eq!(on(&john, &dev).len(), 3);
    john.cmp(&["describe", "instance", &format!("{dev}-1")]).ok().says("night");
    john.cmp(&["suspend", "cluster", &dev]).ok().says("0 suspended, 0 failed, 3 skipped");
    john.cmp(&["resume", "cluster", &dev, "--wait"]).ok().says("3 resumed, 0 failed, 0 skipped");
    john.cmp(&["get", "cluster", &dev]).ok().says("3/3").says("running");

    // Halted machines leave nothing behind, and still come back.
    john.cmp(&["suspend", "cluster", &dev, "--mode=halt", "--wait"]).ok().says("3 suspended, 0 failed");
    eventually("nothing runs", SOON, || {
        let left = on(&john, &dev);
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
    john.cmp(&["resume", "cluster", &dev, "--wait", "--timeout", "120s"]).ok().says("3 resumed, 0 failed");
    assert_eq!(on(&john, &dev).len(), 3);

    john.cmp(&[
        "create",
        "cluster",
        &john.cluster("big"),
        "--type",
        "vm",
        "--cpu",
        "4",
        "--memory",
        "4Gi",
        "--count",
        "4",
    ])
    .fails()
    .says("requested: cpu=16, used: cpu=6, limited: cpu=16");
    john.cmp(&["delete", "cluster", &dev, "--yes", "--wait", "--timeout", "180s"]).ok();
    assert_eq!(john.cmp(&["quota", "-o", "json"]).ok().json()["used_cpu"], 0);
}

#[test]
fn one_machine_is_switched_and_frozen() {
    let user = installed().user("4", "8Gi");
    let dev = running(&user, "dev", 1);
    let one = format!("{dev}-0");
    let verb = |verb: &str, more: &[&str]| user.cmp(&[[verb, "instance", &one].as_slice(), more].concat());
    verb("start", &[]).ok().says("unchanged (already running)");
    verb("suspend", &["--dry-run=server"]).ok().says("suspended (server dry run)");
    user.becomes(&one, "running");
    verb("suspend", &["--wait"]).ok().says(&format!("instance/{one} suspended"));
    assert_eq!(user.state(&one), "suspended");
    verb("suspend", &[]).ok().says("unchanged (already suspended)");
    verb("stop", &[]).fails().says("it is suspended, and a suspended instance can be resumed");
    // A paused machine can still be switched off.
    verb("suspend", &["--mode=halt", "--wait"]).ok().says("suspended");
    assert!(on(&user, &dev).is_empty());
    verb("resume", &["--wait", "--timeout", "120s"]).ok().says("resumed");
    verb("stop", &["--wait", "--timeout", "120s"]).ok().says("stopped");
    verb("suspend", &[]).fails().says("a stopped instance can be started");
    verb("start", &["--wait", "--timeout", "120s"]).ok().says("started");
    user.becomes(&one, "running");
}

#[test]
fn an_exported_paused_machine_is_created_switched_off() {
    let user = installed().user("4", "8Gi");
    let dev = running(&user, "dev", 2);
    let one = format!("{dev}-1");
    user.cmp(&["suspend", "instance", &one, "--wait"]).ok();
    let printed = user.cmp(&["export", "cluster", &dev]).ok();
    let printed =
        printed.says(&format!("the memory of paused instances is not exported; they are created switched off: {dev}"));
    user.cmp(&["delete", "cluster", &dev, "--yes", "--wait", "--timeout", "180s"]).ok();
    let create = ["cmp", "create", "-f", "-", "--wait", "--timeout", "120s"];
    user.kubectl_reading(&create, &printed.stdout).ok().says(&format!("cluster/{dev} created"));
    assert_eq!((user.state(&one).as_str(), on(&user, &dev).len()), ("suspended", 1));
    assert_eq!(user.cmp(&["export", "cluster", &dev]).ok().stdout, printed.stdout);
    user.cmp(&["resume", "instance", &one, "--wait", "--timeout", "120s"]).ok();
    assert_eq!(on(&user, &dev).len(), 2);
}

#[test]
fn the_same_verb_finishes_a_pause_that_was_only_written() {
    let user = installed().user("4", "8Gi");
    let dev = running(&user, "dev", 1);
    let (one, ns) = (format!("{dev}-0"), format!("{dev}-ns"));
    // The state after a kill of the plugin between the two writes.
    let wish = json!({ "metadata": {
        "labels": { "kubectl-cmp.dev/asked": "suspended" },
        "annotations": {
            "kubectl-cmp.dev/suspended-by": "john", "kubectl-cmp.dev/suspended-at": "2026-01-01T00:00:00Z",
            "kubectl-cmp.dev/suspend-mode": "pause",
        },
    } });
    user.kubectl(&["patch", "vm", &one, "-n", &ns, "--type=merge", "-p", &wish.to_string()]).ok();
    user.cmp(&["get", "instance", &one, "-o", "wide"]).ok().says("running").says("NotPausedYet");
    user.cmp(&["suspend", "cluster", &dev, "--wait"]).ok().says("1 suspended, 0 failed");
    assert_eq!(user.state(&one), "suspended");
    // A machine that is resumed without cmp is shown in its real state.
    let path = format!("/apis/subresources.kubevirt.io/v1/namespaces/{ns}/virtualmachineinstances/{one}/unpause");
    user.kubectl_reading(&["replace", "--raw", &path, "-f", "-"], "{}").ok();
    user.becomes(&one, "running");
    user.cmp(&["resume", "instance", &one]).ok();
    user.cmp(&["get", "instance", &one, "-o", "wide"]).ok().says_not("NotPausedYet");
}

#[test]
fn a_pause_that_kubevirt_refuses_is_a_failure_with_its_reason() {
    let user = installed().user("8", "16Gi");
    let dev = running(&user, "dev", 2);
    let (one, ns) = (format!("{dev}-0"), format!("{dev}-ns"));
    // KubeVirt does not pause a machine with a liveness probe, because the probe would end it.
    user.cmp(&["stop", "instance", &one, "--wait", "--timeout", "120s"]).ok();
    let probe = json!({ "spec": { "template": { "spec": { "livenessProbe": { "tcpSocket": { "port": 22 } } } } } });
    user.kubectl(&["patch", "vm", &one, "-n", &ns, "--type=merge", "-p", &probe.to_string()]).ok();
    user.cmp(&["start", "instance", &one, "--wait", "--timeout", "120s"]).ok();
    user.cmp(&["suspend", "cluster", &dev])
        .fails()
        .says("1 suspended, 1 failed, 0 skipped")
        .says(&format!("instance/{one} failed: "))
        .says("LivenessProbe");
    user.cmp(&["get", "instance", &one, "-o", "wide"]).ok().says("running").says("NotPausedYet");
    user.cmp(&["suspend", "cluster", &dev, "--mode", "halt"]).ok().says("0 failed");
}

#[test]
fn shrinking_frees_the_quota_of_the_deleted_guests() {
    let user = installed().user("4", "8Gi");
    let dev = running(&user, "dev", 2);
    user.cmp(&["scale", "cluster", &dev, "--count", "1", "--yes", "--timeout", "120s"]).ok().says("scaled");
    eventually("it is given back", SOON, || {
        let quota = user.cmp(&["quota", "-o", "json"]).ok().json();
        if quota["used_cpu"] == 2 { Ok(()) } else { Err(quota.to_string()) }
    });
    running(&user, "more", 1);
}

#[test]
fn a_halted_cluster_frees_its_quota_and_a_paused_one_does_not() {
    let user = installed().user("4", "8Gi");
    user.admin(&["cmp", "set", "quota", &user.name, "--suspended", "release"]).ok();
    let dev = running(&user, "dev", 2);
    user.cmp(&["suspend", "cluster", &dev, "--wait"]).ok().says("2 suspended").says_not("its quota returns");
    assert_eq!(user.cmp(&["quota", "-o", "json"]).ok().json()["used_cpu"], 4);
    user.cmp(&["suspend", "cluster", &dev, "--mode=halt"]).ok().says("its quota returns");
    eventually("it is given back", SOON, || {
        let quota = user.cmp(&["quota", "-o", "json"]).ok().json();
        if quota["used_cpu"] == 0 { Ok(()) } else { Err(quota.to_string()) }
    });
    let patch = json!({ "spec": { "runStrategy": "Always" } }).to_string();
    user.kubectl(&["patch", "vm", &format!("{dev}-0"), "-n", &format!("{dev}-ns"), "--type=merge", "-p", &patch])
        .fails()
        .says("this cluster is suspended and has released its quota");
    user.cmp(&["resume", "cluster", &dev, "--wait", "--timeout", "120s"]).ok().says("2 resumed");
}
