//! Start, stop, suspend, resume: the allowed transitions, the counts, and the output.

use cmp_tests::eventually;
use serde_json::json;

use crate::support::{SOON, running, shared};

#[test]
fn the_table_of_transitions() {
    let user = shared().user("4", "8Gi");
    let name = running(&user, "web", 1, "1", "1Gi");
    let one = format!("{name}-0");
    let verb = |verb: &str| user.cmp(&[verb, "instance", &one]);
    verb("start").ok().says(&format!("instance/{one} unchanged (already running)"));
    verb("resume").ok().says("unchanged (already running)");
    verb("stop").ok().says(&format!("instance/{one} stopped"));
    user.becomes(&one, "stopped");
    verb("stop").ok().says(&format!("instance/{one} unchanged (already stopped)"));
    verb("suspend").fails().says("it is stopped, and a stopped instance can be started");
    verb("resume").fails().says("error: cannot resume").says("can be started");
    verb("start").ok().says(&format!("instance/{one} started"));
    user.becomes(&one, "running");
    verb("suspend").ok().says(&format!("instance/{one} suspended"));
    user.becomes(&one, "suspended");
    verb("suspend").ok().says("unchanged (already suspended)");
    verb("start").fails().says("it is suspended, and a suspended instance can be resumed");
    verb("stop").fails().says("can be resumed");
    verb("resume").ok().says(&format!("instance/{one} resumed"));
    user.becomes(&one, "running");
    // The other way to write an instance, and an instance that does not exist.
    user.cmp(&["stop", "instance", &format!("{name}/0"), "--dry-run=server"]).ok().says("stopped (server dry run)");
    user.cmp(&["stop", &format!("instance/{one}"), "--dry-run=client"]).ok().says("stopped (dry run)");
    user.becomes(&one, "running");
    user.cmp(&["stop", "instance", &format!("{name}-7")]).fails().says(&format!("instance \"{name}-7\" not found"));
}

#[test]
fn a_cluster_verb_skips_instances_that_it_does_not_apply_to() {
    let user = shared().user("8", "8Gi");
    let name = running(&user, "web", 3, "1", "1Gi");
    user.cmp(&["stop", "instance", &format!("{name}-1"), "--wait"]).ok();
    user.cmp(&["get", "cluster", &name]).ok().says("mixed").says("2/3");
    user.cmp(&["suspend", "cluster", &name, "--dry-run=client"])
        .ok()
        .says(&format!("cluster/{name} suspended: 2 suspended, 0 failed, 1 skipped (dry run)"));
    user.cmp(&["suspend", "cluster", &format!("cluster/{name}")])
        .ok()
        .says(&format!("cluster/{name} suspended: 2 suspended, 0 failed, 1 skipped"));
    let again = user.cmp(&["suspend", "cluster", &name, "-o", "json"]).ok().json();
    assert_eq!((&again["suspended"], &again["skipped"]), (&0.into(), &3.into()));
    assert_eq!(again["instances"][1]["name"], format!("{name}-1"));
    // A resume leaves stopped instances stopped.
    user.cmp(&["resume", "cluster", &name]).ok().says("2 resumed, 0 failed, 1 skipped");
    assert_eq!(user.state(&format!("{name}-1")), "stopped");
    user.cmp(&["suspend", "cluster", &name, "--mode", "pause"]).ok().says("0 suspended, 0 failed, 3 skipped");
    user.cmp(&["suspend", "cluster", "no-such-cluster"]).fails().says("cluster \"no-such-cluster\" not found");
    user.cmp(&["suspend", "cluster"]).fails().says("--all");
    user.cmp(&["suspend", "cluster", "--all"]).ok().says("2 suspended");
    user.cmp(&["resume", "cluster", "-n", &format!("{name}-ns")]).ok().says("2 resumed");
}

#[test]
fn a_failure_does_not_stop_the_suspension_of_the_others() {
    let user = shared().user("8", "8Gi");
    let name = running(&user, "web", 3, "1", "1Gi");
    let (policy, one) = (format!("stubborn-{name}"), format!("{name}-1"));
    let stubborn = json!({ "apiVersion": "v1", "kind": "List", "items": [
        { "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
          "metadata": { "name": policy },
          "spec": {
              "matchConstraints": { "resourceRules": [{ "apiGroups": ["apps"], "apiVersions": ["v1"],
                  "operations": ["UPDATE"], "resources": ["statefulsets"] }] },
              "validations": [{ "expression": format!("object.metadata.name != '{one}'"), "message": "not tonight" }],
          } },
        { "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
          "metadata": { "name": policy }, "spec": { "policyName": policy, "validationActions": ["Deny"] } },
    ] });
    user.installation.plane.admin_reading(&["create", "-f", "-"], &stubborn.to_string()).ok();
    eventually("the API server refuses", SOON, || {
        let tried = user.admin(&["label", "statefulset", &one, "-n", &format!("{name}-ns"), "x=y", "--dry-run=server"]);
        if tried.code == 0 { Err(tried.to_string()) } else { Ok(()) }
    });
    let output = user.cmp(&["suspend", "cluster", &name]).fails();
    output.says("2 suspended, 1 failed, 0 skipped").says(&format!("instance/{one} failed: ")).says("not tonight");
    assert_eq!(user.state(&one), "running");
    user.admin(&["delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", &policy]).ok();
}

#[test]
fn concurrent_suspensions_do_not_fail() {
    let user = shared().user("16", "16Gi");
    let name = running(&user, "web", 8, "1", "1Gi");
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| user.cmp(&["suspend", "cluster", &name]).ok().says(" 0 failed"));
        }
    });
    user.cmp(&["get", "cluster", &name]).ok().says("0/8").says("suspended");
}

#[test]
fn an_unschedulable_instance_has_a_reason() {
    let user = shared().user("2000", "8Gi");
    let name = user.cluster("large");
    // No node has this many processors.
    user.cmp(&["create", "cluster", &name, "--cpu", "1000", "--memory", "1Gi"]).ok();
    eventually("the reason is shown", SOON, || {
        let shown = user.cmp(&["get", "instances", "--in", &name, "-o", "wide"]).ok();
        let both = shown.stdout.contains("pending") && shown.stdout.contains("Unschedulable: 0/3 nodes are available");
        if both { Ok(()) } else { Err(shown.to_string()) }
    });
    user.cmp(&["describe", "instance", &format!("{name}-0")]).ok().says("Insufficient cpu").says("FailedScheduling");
    user.cmp(&["create", "cluster", &name, "--cpu", "1000", "--memory", "1Gi", "--wait", "--timeout", "1s"])
        .fails()
        .says("only 0 of 1 instances run after 1 s")
        .says("Insufficient cpu");
}

#[test]
fn a_crash_loop_is_shown_as_the_reason() {
    let user = shared().user("4", "8Gi");
    let name = running(&user, "web", 1, "1", "1Gi");
    // kwok runs no containers. The test writes the status that a kubelet would report for a crashing container.
    let status = json!({ "status": { "containerStatuses": [{
        "name": "instance", "image": "debian", "imageID": "", "ready": false, "restartCount": 7, "started": false,
        "state": { "waiting": { "reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container" } },
    }] } });
    let ns = format!("{name}-ns");
    let pod = format!("{name}-0-0");
    user.admin(&["patch", "pod", &pod, "-n", &ns, "--subresource=status", "--type=merge", "-p", &status.to_string()])
        .ok();
    user.cmp(&["get", "instances", "-o", "wide"])
        .ok()
        .says("failed")
        .says("CrashLoopBackOff: back-off 5m0s")
        .says(" 7 ");
    user.cmp(&["get", "cluster", &name, "-o", "wide"]).ok().says("failed").says("CrashLoopBackOff");
    user.cmp(&["describe", "cluster", &name]).ok().says("back-off 5m0s restarting");
    // The instance can still be switched off, and comes back with a new Pod.
    user.cmp(&["stop", "instance", &format!("{name}-0"), "--wait"]).ok();
    user.cmp(&["start", "instance", &format!("{name}-0"), "--wait"]).ok();
    user.becomes(&format!("{name}-0"), "running");
}
