//! Known complaints about VMs, each tried. The table in `guests.rs` has the answers.

use cmp_tests::{World, eventually};
use serde_json::{Value, json};

use crate::clusters::{on, running, running_with};
use crate::guests::{guest, uid};
use crate::nodes::Nodes;
use crate::support::{SOON, installed, machine_is, shared};

fn used(user: &World<'_>) -> Value {
    user.cmp(&["quota", "-o", "json"]).ok().json()["used_cpu"].clone()
}

/// Waits until an instance is shown with this state, and with this reason or none.
#[track_caller]
fn shows(user: &World<'_>, one: &str, state: &str, reason: Option<&str>) {
    eventually(&format!("{one} is {state} {reason:?}"), SOON, || {
        let shown = user.cmp(&["get", "instance", one, "-o", "json"]).ok().json()["status"].clone();
        if shown["state"] == state && shown["reason"].as_str() == reason { Ok(()) } else { Err(shown.to_string()) }
    });
}

/// The types of the Events about the end of a guest.
fn ends(user: &World<'_>, cluster: &str, uid: &Value) -> String {
    let about = format!("involvedObject.uid={},reason=Stopped", uid.as_str().unwrap());
    let types = "jsonpath={.items[*].type}";
    let events = ["get", "events", "-n", &format!("{cluster}-ns"), "--field-selector", &about, "-o", types];
    user.kubectl(&events).ok().stdout
}

#[test]
fn a_paused_vm_is_halted_without_a_kill() {
    let user = installed().user("2", "4Gi");
    let dev = running(&user, "dev", 1);
    let (one, before) = (format!("{dev}-0"), uid(&user, &dev));
    user.cmp(&["suspend", "instance", &one, "--wait"]).ok();
    user.cmp(&["stop", "instance", &one]).fails().says("suspend --mode halt");
    let halt = ["suspend", "instance", &one, "--mode=halt", "--wait", "--timeout", "120s"];
    user.cmp(&halt).ok().says("suspended").says_not("killed");
    assert_eq!(used(&user), 2);
    eventually("its end is told", SOON, || {
        let ends = ends(&user, &dev, &before);
        if ends.is_empty() { Err(ends) } else { Ok(()) }
    });
    assert_eq!(ends(&user, &dev, &before), "Normal", "it was killed");
}

#[test]
fn a_start_during_a_stop_runs_after_it() {
    let user = installed().user("2", "4Gi");
    let dev = running(&user, "dev", 1);
    let (one, before) = (format!("{dev}-0"), uid(&user, &dev));
    guest(&user, &one, "hangs-on-stop");
    user.cmp(&["stop", "instance", &one]).ok();
    shows(&user, &one, "stopped", None);
    user.cmp(&["start", "instance", &one]).ok().says("started");
    shows(&user, &one, "pending", Some("Stopping"));
    assert_eq!((uid(&user, &dev), used(&user)), (before.clone(), json!(2)));
    // Each verb works in the meantime, and the last one counts.
    user.cmp(&["stop", "instance", &one]).ok().says("stopped");
    user.cmp(&["start", "instance", &one]).ok().says("started");
    guest(&user, &one, "");
    shows(&user, &one, "running", None);
    assert_ne!(uid(&user, &dev), before);
}

#[test]
fn a_run_strategy_that_others_change_leaves_every_verb() {
    let user = installed().user("2", "4Gi");
    let dev = running(&user, "dev", 1);
    let (one, ns) = (format!("{dev}-0"), format!("{dev}-ns"));
    let strategy = |value: &str| {
        let patch = json!({ "spec": { "runStrategy": value } }).to_string();
        user.kubectl(&["patch", "vm", &one, "-n", &ns, "--type=merge", "-p", &patch])
    };
    for other in ["Manual", "RerunOnFailure", "Once"] {
        strategy(other).fails().says(&format!("spec.runStrategy {other} is not allowed for instances"));
    }
    strategy("Halted").ok();
    shows(&user, &one, "stopped", None);
    user.cmp(&["start", "instance", &one, "--wait", "--timeout", "120s"]).ok().says("started");
    user.cmp(&["stop", "instance", &one, "--wait", "--timeout", "120s"]).ok().says("stopped");
    strategy("Always").ok();
    shows(&user, &one, "running", None);
    user.cmp(&["start", "instance", &one]).ok();
    user.cmp(&["suspend", "instance", &one, "--wait"]).ok().says("suspended");
    strategy("Halted").ok();
    machine_is(shared(), &ns, &one, "Stopped");
    shows(&user, &one, "suspended", None);
    user.cmp(&["resume", "instance", &one, "--wait", "--timeout", "120s"]).ok().says("resumed");
    assert_eq!(used(&user), 2);
}

#[test]
fn a_guest_whose_disk_fails_says_why_it_is_paused() {
    let user = installed().user("2", "4Gi");
    let dev = running(&user, "dev", 1);
    let one = format!("{dev}-0");
    guest(&user, &one, "fails-to-write");
    shows(&user, &one, "suspended", Some("PausedIOError"));
    user.cmp(&["describe", "instance", &one])
        .ok()
        .says("low-level IO error detected: resume it once the cause is gone");
    guest(&user, &one, "");
    user.cmp(&["resume", "instance", &one, "--wait"]).ok().says("resumed");
    shows(&user, &one, "running", None);
}

/// Asks KubeVirt to move an instance.
fn moves(user: &World<'_>, one: &str, ns: &str) {
    let migration = json!({
        "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstanceMigration",
        "metadata": { "name": "move", "namespace": ns }, "spec": { "vmiName": one },
    });
    user.installation.plane.admin_reading(&["create", "-f", "-"], &migration.to_string()).ok();
    machine_is(shared(), ns, one, "Migrating");
}

#[test]
fn a_paused_vm_that_moves_stays_suspended() {
    let user = installed().user("2", "4Gi");
    let dev = running(&user, "dev", 1);
    let (one, ns) = (format!("{dev}-0"), format!("{dev}-ns"));
    user.cmp(&["suspend", "instance", &one, "--wait", "--reason", "night"]).ok();
    guest(&user, &one, "moves-slowly");
    moves(&user, &one, &ns);
    shows(&user, &one, "suspended", None);
    user.cmp(&["describe", "instance", &one]).ok().says("night");
    user.cmp(&["suspend", "instance", &one]).ok().says("unchanged (already suspended)");
    assert_eq!(used(&user), 2);
    guest(&user, &one, "");
    machine_is(shared(), &ns, &one, "Paused");
    user.cmp(&["resume", "instance", &one, "--wait"]).ok().says("resumed");
    shows(&user, &one, "running", None);
}

#[test]
fn a_pause_in_the_middle_of_a_move_is_asked_for_again() {
    let user = installed().user("2", "4Gi");
    let dev = running(&user, "dev", 1);
    let (one, ns) = (format!("{dev}-0"), format!("{dev}-ns"));
    guest(&user, &one, "moves-slowly");
    moves(&user, &one, &ns);
    shows(&user, &one, "running", None);
    eventually("the guest is on its way", SOON, || {
        let state = on(&user, &dev).remove(0)["status"]["migrationState"].clone();
        if state["startTimestamp"].is_string() { Ok(()) } else { Err(state.to_string()) }
    });
    user.cmp(&["suspend", "instance", &one]).ok().says("suspended");
    shows(&user, &one, "running", Some("NotPausedYet"));
    guest(&user, &one, "");
    machine_is(shared(), &ns, &one, "Running");
    shows(&user, &one, "running", Some("NotPausedYet"));
    user.cmp(&["suspend", "instance", &one, "--wait"]).ok().says("suspended");
    assert_eq!(used(&user), 2);
}

#[test]
fn a_quota_that_is_lowered_while_vms_are_paused_lets_them_resume() {
    let user = installed().user("4", "8Gi");
    let dev = running(&user, "dev", 2);
    user.cmp(&["suspend", "cluster", &dev, "--wait"]).ok();
    user.admin(&["cmp", "set", "quota", &user.name, "--cpu", "1", "--memory", "1Gi"]).ok();
    assert_eq!(used(&user), 4);
    user.cmp(&["resume", "cluster", &dev, "--wait"]).ok().says("2 resumed, 0 failed");
    // A new guest of the same charge starts, too, and nothing grows.
    user.cmp(&["suspend", "cluster", &dev, "--mode=halt", "--wait", "--timeout", "120s"]).ok();
    user.cmp(&["resume", "cluster", &dev, "--wait", "--timeout", "120s"]).ok().says("2 resumed, 0 failed");
    user.cmp(&["scale", "cluster", &dev, "--count", "3"]).fails().says("exceeded quota");
    assert_eq!(used(&user), 4);
}

#[test]
fn a_paused_vm_whose_node_is_lost_starts_anew() {
    let user = installed().user("4", "8Gi");
    let nodes = Nodes::new(&user);
    nodes.add("a");
    let dev = running_with(&user, "dev", 2, &["--patch", &nodes.patch(&json!({}))]);
    let (one, two, ns) = (format!("{dev}-0"), format!("{dev}-1"), format!("{dev}-ns"));
    user.cmp(&["suspend", "cluster", &dev, "--wait"]).ok();
    nodes.add("b");
    nodes.lose("a");
    // Nobody knows yet whether the guests are lost.
    shows(&user, &one, "suspended", None);
    user.cmp(&["resume", "instance", &one]).fails().says("Internal error occurred");
    shows(&user, &one, "suspended", Some("StillPaused"));
    assert_eq!(used(&user), 4);
    // Kubernetes does the same to the Pods of a node that is gone, a minute later.
    let all = ["delete", "pods", "-n", &ns, "-l", "kubevirt.io=virt-launcher", "--force", "--grace-period=0"];
    user.admin(&all).ok();
    // The first one was asked to run. The second one should be paused, and says that it is not.
    shows(&user, &one, "running", None);
    shows(&user, &two, "running", Some("NotPausedYet"));
    let placed: Vec<Value> = on(&user, &dev).iter().map(|vmi| vmi["status"]["nodeName"].clone()).collect();
    assert_eq!(placed, [json!(nodes.name("b")), json!(nodes.name("b"))]);
    user.cmp(&["suspend", "instance", &two, "--wait"]).ok().says("suspended");
    assert_eq!(used(&user), 4);
}
