//! Clusters that give their quota back while they are suspended, for users whose account allows it.

use cmp_tests::{World, eventually};
use serde_json::json;

use crate::support::{SOON, copy_of, held, running, shared, want};

/// Creates a user whose suspended clusters give their quota back.
fn frugal(cpu: &str, memory: &str) -> World<'static> {
    let user = shared().user(cpu, memory);
    user.admin(&["cmp", "set", "quota", &user.name, "--suspended", "release"]).ok().says("configured");
    user
}

fn released(user: &World<'_>, cluster: &str) {
    user.account_is("it is released", |account| {
        held(account, cluster).is_some_and(|held| held["released"] == true && held["state"] == "ready")
    });
}

#[test]
fn a_released_cluster_frees_its_quota_and_requests_it_again() {
    let user = frugal("4", "8Gi");
    let name = running(&user, "web", 3, "1", "1Gi");
    let ns = format!("{name}-ns");
    user.cmp(&["suspend", "cluster", &name, "--dry-run=server"]).ok().says("3 suspended");
    user.cmp(&["suspend", "cluster", &name])
        .ok()
        .says("3 suspended, 0 failed, 0 skipped")
        .says("its quota returns when its instances are confirmed gone");
    released(&user, &name);
    user.cmp(&["get", "cluster", &name, "-o", "wide"]).ok().says("suspended").says("its quota is given back");
    let shown = user.cmp(&["get", "cluster", &name, "-o", "json"]).ok().json();
    assert_eq!((&shown["status"]["released"], &shown["status"]["charge"]), (&true.into(), &json!({})));
    assert_eq!(user.cmp(&["quota", "-o", "json"]).ok().json()["used_cpu"], 0);
    let quota = user.admin(&["get", "resourcequota", "cmp", "-n", &ns, "-o", "json"]).ok().json();
    assert_eq!(quota["status"]["hard"]["requests.cpu"], "0");
    // A repeated command changes nothing.
    user.cmp(&["suspend", "cluster", &name]).ok().says("0 suspended, 0 failed, 3 skipped").says_not("quota");
    user.cmp(&["create", "cluster", &name, "--cpu", "1", "--memory", "1Gi", "--count", "3"]).ok().says("unchanged");

    // No request makes its instances run.
    let closed = "this cluster is suspended and has released its quota: resume it first (kubectl cmp resume cluster)";
    let one = format!("{name}-0");
    user.cmp(&["resume", "instance", &one]).fails().says(closed);
    user.kubectl(&["scale", "statefulset", &one, "-n", &ns, "--replicas=1"]).fails().says(closed);
    user.kubectl(&["patch", "statefulset", &one, "-n", &ns, "--type=merge", "-p", r#"{"spec":{"replicas":1}}"#])
        .fails()
        .says(closed);
    let copy = copy_of(&user, &name, &one, &one);
    user.kubectl(&["delete", "statefulset", &one, "-n", &ns, "--wait"]).ok();
    let create = |copy: &serde_json::Value| user.kubectl_reading(&["create", "-f", "-"], &copy.to_string());
    let mut on = copy.clone();
    on["spec"]["replicas"] = json!(1);
    create(&on).fails().says(closed);
    create(&copy).ok();

    // Another cluster spends the quota that was given back, so the first one cannot come back. Without the other
    // cluster it can.
    let other = running(&user, "other", 2, "1", "1Gi");
    user.cmp(&["resume", "cluster", &name])
        .fails()
        .says("exceeded quota: ")
        .says("requested: cpu=3, used: cpu=2, limited: cpu=4");
    user.cmp(&["get", "cluster", &name]).ok().says("0/3");
    user.cmp(&["delete", "cluster", &other, "--yes", "--wait"]).ok();
    user.cmp(&["resume", "cluster", &name, "--wait"]).ok().says("resumed, 0 failed");
    user.cmp(&["start", "instance", &one]).ok();
    assert_eq!(user.cmp(&["quota", "-o", "json"]).ok().json()["used_cpu"], 3);
    let namespace = user.admin(&["get", "namespace", &ns, "-o", "json"]).ok().json();
    assert!(namespace["metadata"]["annotations"]["kubectl-cmp.dev/released"].is_null(), "{namespace}");
}

#[test]
fn a_released_cluster_grows_without_running() {
    let user = frugal("4", "8Gi");
    user.admin(&["cmp", "set", "quota", &user.name, "--resource", "storage=100Gi"]).ok();
    let name = user.cluster("web");
    let create = ["--cpu", "1", "--memory", "1Gi", "--resource", "storage=10Gi", "--count", "2", "--wait"];
    user.cmp(&[["create", "cluster", &name].as_slice(), &create].concat()).ok();
    user.cmp(&["suspend", "cluster", &name]).ok();
    released(&user, &name);
    // The disks of the cluster stay, and are charged.
    let shown = user.cmp(&["get", "cluster", &name, "-o", "json"]).ok().json();
    assert_eq!(shown["status"]["charge"], json!({ "storage": "20Gi" }));
    user.cmp(&["scale", "cluster", &name, "--count", "4"]).ok().says("scaled");
    user.cmp(&["get", "cluster", &name]).ok().says("0/4").says("suspended");
    user.cmp(&["resume", "cluster", &name, "--wait"]).ok().says("4 resumed, 0 failed");
    user.cmp(&["get", "cluster", &name]).ok().says("4/4").says("running");
}

#[test]
fn running_instances_stay_charged_if_the_plugin_is_bypassed() {
    let user = frugal("4", "8Gi");
    let name = running(&user, "web", 2, "2", "1Gi");
    let mut off: serde_json::Value = serde_json::from_str(&want(2, "2", "1Gi")).unwrap();
    off["released"] = json!(true);
    user.patch(&json!({ format!("want.{name}"): off.to_string() })).ok();
    user.account_is("it is releasing", |account| held(account, &name).is_some_and(|held| held["state"] == "releasing"));
    // The log names the reason for the wait.
    eventually("the evidence was looked at", SOON, || {
        let logs: Vec<String> = user.installation.replicas.iter().map(cmp_tests::process::Process::log).collect();
        let mut lines = logs.iter().flat_map(|log| log.lines());
        let looked = |line: &str| line.contains("is still on") && line.contains(&format!("cluster={name} "));
        if lines.any(looked) { Ok(()) } else { Err(user.account().to_string()) }
    });
    user.cmp(&["create", "cluster", &user.cluster("db"), "--cpu", "1", "--memory", "1Gi"]).fails().says("used: cpu=4");
    // A deleted Pod does not come back: the quota of the namespace is zero.
    let (pod, ns) = (format!("{name}-0-0"), format!("{name}-ns"));
    user.kubectl(&["delete", "pod", &pod, "-n", &ns]).ok();
    eventually("the Pod is refused", SOON, || {
        let shown = user.cmp(&["get", "instances", "--in", &name, "-o", "wide"]).ok();
        if shown.stdout.contains("exceeded quota: cmp") { Ok(()) } else { Err(shown.to_string()) }
    });
    user.cmp(&["suspend", "cluster", &name]).ok().says("2 suspended");
    released(&user, &name);
    user.cmp(&["create", "cluster", &user.cluster("db"), "--cpu", "4", "--memory", "1Gi"]).ok();
}
