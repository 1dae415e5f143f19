//! Guests that misbehave, and calls that KubeVirt or virt-handler refuses. The output never claims a false state, and
//! the same verb finishes a half-done operation.
//!
//! Complaints about KubeVirt and about other managers of VMs, and the tests that try them:
//!
//! | complaint | shown | verbs | charged | test |
//! |---|---|---|---|---|
//! | the node of a paused VM is lost | suspended, until KubeVirt starts another guest; then running, `NotPausedYet` | resume fails with the reason of KubeVirt; suspend pauses the new guest | yes | `complaints::a_paused_vm_whose_node_is_lost_starts_anew` |
//! | unpause of a guest that runs already | running | resume, suspend | yes | `clusters::the_same_verb_finishes_a_pause_that_was_only_written` |
//! | stop of a paused VM | suspended | stop is refused; suspend `--mode halt` thaws the guest, so that it can shut down | until it ends | `complaints::a_paused_vm_is_halted_without_a_kill` |
//! | start during a stop | pending, `Stopping` | start, stop | yes | `complaints::a_start_during_a_stop_runs_after_it` |
//! | `runStrategy` is changed by others | the state that KubeVirt reports | all | yes | `complaints::a_run_strategy_that_others_change_leaves_every_verb` |
//! | a guest has Failed | failed, `CrashLoopBackOff` | stop, suspend | yes, KubeVirt starts it again | `a_guest_that_powers_off_comes_back_and_one_that_crashes_has_failed` |
//! | a phase is Unknown | failed, `Unknown`; KubeVirt 1.7 writes this phase nowhere | stop, suspend | yes | `core/src/instance/tests.rs::every_status_of_a_vm_is_a_state` |
//! | a guest shuts itself down (Succeeded) | pending, then running: KubeVirt starts it again | all | yes | `a_guest_that_powers_off_comes_back_and_one_that_crashes_has_failed` |
//! | pause while the guest moves | running, `NotPausedYet`: the pause is lost | suspend pauses it after the move | yes | `complaints::a_pause_in_the_middle_of_a_move_is_asked_for_again` |
//! | a paused VM moves | suspended | resume after the move | yes | `complaints::a_paused_vm_that_moves_stays_suspended` |
//! | a disk fails, and KubeVirt pauses the guest | suspended, `PausedIOError` | resume | yes | `complaints::a_guest_whose_disk_fails_says_why_it_is_paused` |
//! | the quota is lowered while VMs are paused | suspended | resume, since it raises nothing | yes | `complaints::a_quota_that_is_lowered_while_vms_are_paused_lets_them_resume` |

use cmp_tests::{World, eventually};
use serde_json::{Value, json};

use crate::clusters::{on, running};
use crate::support::{SOON, installed};

/// Makes only the current guest misbehave, or behave again if `how` is empty.
pub(crate) fn guest(user: &World<'_>, one: &str, how: &str) {
    let ns = format!("{}-ns", one.trim_end_matches("-0"));
    let key = "tests.kubectl-cmp.dev/guest";
    let annotation = if how.is_empty() { format!("{key}-") } else { format!("{key}={how}") };
    user.admin(&["annotate", "vmi", one, "-n", &ns, "--overwrite", &annotation]).ok();
}

pub(crate) fn uid(user: &World<'_>, cluster: &str) -> Value {
    on(user, cluster).first().map(|vmi| vmi["metadata"]["uid"].clone()).unwrap_or_default()
}

#[test]
fn the_same_verb_finishes_a_pause_that_the_node_refused() {
    let user = installed().user("4", "8Gi");
    let dev = running(&user, "dev", 2);
    let one = format!("{dev}-0");
    guest(&user, &one, "cannot-pause");
    user.cmp(&["suspend", "cluster", &dev, "--reason", "night"])
        .fails()
        .says("1 suspended, 1 failed, 0 skipped")
        .says(&format!("instance/{one} failed: Internal error occurred: unexpected return code 500"));
    user.cmp(&["get", "instance", &one, "-o", "wide"]).ok().says("running").says("NotPausedYet");
    guest(&user, &one, "");
    user.cmp(&["suspend", "cluster", &dev, "--wait"]).ok().says("1 suspended, 0 failed, 1 skipped");
    user.cmp(&["get", "instance", &one, "-o", "wide"]).ok().says("suspended").says_not("NotPausedYet");
}

#[test]
fn a_resume_in_the_middle_of_a_snapshot_is_a_failure_with_kubevirts_reason() {
    let user = installed().user("2", "4Gi");
    let dev = running(&user, "dev", 1);
    let (one, ns) = (format!("{dev}-0"), format!("{dev}-ns"));
    user.cmp(&["suspend", "cluster", &dev, "--wait"]).ok();
    // The VM is locked, as KubeVirt's snapshot controller does it.
    let snapshot = |name: Value| {
        let status = json!({ "status": { "snapshotInProgress": name } }).to_string();
        user.admin(&["patch", "vm", &one, "-n", &ns, "--subresource=status", "--type=merge", "-p", &status]).ok();
    };
    snapshot(json!("nightly"));
    user.cmp(&["resume", "cluster", &dev])
        .fails()
        .says("0 resumed, 1 failed, 0 skipped")
        .says(&format!("instance/{one} failed: "))
        .says("VM snapshot is in progress");
    user.cmp(&["get", "instance", &one, "-o", "wide"]).ok().says("suspended").says("StillPaused");
    snapshot(Value::Null);
    user.cmp(&["resume", "cluster", &dev, "--wait"]).ok().says("1 resumed, 0 failed");
}

#[test]
fn a_hanging_guest_is_charged_until_it_ends() {
    let user = installed().user("2", "4Gi");
    user.admin(&["cmp", "set", "quota", &user.name, "--suspended", "release"]).ok();
    let dev = running(&user, "dev", 1);
    let one = format!("{dev}-0");
    let used = || user.cmp(&["quota", "-o", "json"]).ok().json()["used_cpu"].clone();
    guest(&user, &one, "hangs-on-stop");
    user.cmp(&["suspend", "cluster", &dev, "--mode=halt"]).ok().says("its quota returns when");
    eventually("the evidence was looked at", SOON, || {
        let logs: Vec<String> = user.installation.replicas.iter().map(cmp_tests::process::Process::log).collect();
        let looked = |line: &str| line.contains(&format!("VM {one} still exists"));
        if logs.iter().flat_map(|log| log.lines()).any(looked) { Ok(()) } else { Err(user.account().to_string()) }
    });
    assert_eq!((used(), on(&user, &dev).len()), (json!(2), 1));
    guest(&user, &one, "");
    eventually("it came back", SOON, || if used() == 0 { Ok(()) } else { Err(used().to_string()) });
    assert!(on(&user, &dev).is_empty());
}

#[test]
fn a_guest_that_powers_off_comes_back_and_one_that_crashes_has_failed() {
    let user = installed().user("2", "4Gi");
    let dev = running(&user, "dev", 1);
    let (one, ns) = (format!("{dev}-0"), format!("{dev}-ns"));
    let before = uid(&user, &dev);
    guest(&user, &one, "powers-off");
    eventually("another guest is on", SOON, || {
        let now = uid(&user, &dev);
        if now.is_string() && now != before { Ok(()) } else { Err(now.to_string()) }
    });
    user.becomes(&one, "running");
    // Applies to every guest of this VM from the next one on.
    let every = |how: Value| {
        let annotations = json!({ "tests.kubectl-cmp.dev/guest": how });
        let patch = json!({ "spec": { "template": { "metadata": { "annotations": annotations } } } }).to_string();
        user.kubectl(&["patch", "vm", &one, "-n", &ns, "--type=merge", "-p", &patch]).ok();
    };
    user.cmp(&["stop", "instance", &one, "--wait", "--timeout", "120s"]).ok();
    every(json!("never-starts"));
    user.cmp(&["start", "instance", &one, "--wait", "--timeout", "2s"]).fails().says(&one);
    assert_eq!(user.state(&one), "pending");
    user.cmp(&["suspend", "instance", &one, "--wait", "--timeout", "120s"]).ok();
    assert!(on(&user, &dev).is_empty(), "what does not run yet cannot be paused");
    every(json!("crashes"));
    user.cmp(&["resume", "instance", &one]).ok();
    eventually("it has failed", SOON, || {
        let shown = user.cmp(&["get", "instance", &one, "-o", "wide"]).ok();
        let failed = ["failed", "CrashLoopBackOff"].iter().all(|word| shown.stdout.contains(word));
        if failed { Ok(()) } else { Err(shown.to_string()) }
    });
    user.cmp(&["stop", "instance", &one, "--wait", "--timeout", "120s"]).ok();
    every(Value::Null);
    user.cmp(&["start", "instance", &one, "--wait", "--timeout", "120s"]).ok();
}

#[test]
fn nothing_starts_in_a_released_cluster_not_even_paused() {
    let user = installed().user("2", "4Gi");
    user.admin(&["cmp", "set", "quota", &user.name, "--suspended", "release"]).ok();
    let dev = running(&user, "dev", 1);
    let (one, ns) = (format!("{dev}-0"), format!("{dev}-ns"));
    user.cmp(&["suspend", "cluster", &dev, "--mode=halt"]).ok();
    let used = || user.cmp(&["quota", "-o", "json"]).ok().json()["used_cpu"].clone();
    eventually("it is given back", SOON, || if used() == 0 { Ok(()) } else { Err(used().to_string()) });
    let path = format!("/apis/subresources.kubevirt.io/v1/namespaces/{ns}/virtualmachines/{one}/start");
    let closed = "this cluster is suspended and has released its quota";
    // virt-api writes the start on behalf of the user.
    user.kubectl_reading(&["replace", "--raw", &path, "-f", "-"], "{}").fails().says(closed);
    // For a paused start virt-api writes the request into the status of the VM, and virt-controller has to carry it
    // out.
    user.kubectl_reading(&["replace", "--raw", &path, "-f", "-"], r#"{"paused":true}"#).ok();
    eventually("virt-controller was refused", SOON, || {
        let vm = user.kubectl(&["get", "vm", &one, "-n", &ns, "-o", "json"]).ok().json();
        let conditions = vm["status"]["conditions"].to_string();
        if conditions.contains(closed) { Ok(()) } else { Err(vm["status"].to_string()) }
    });
    assert!(on(&user, &dev).is_empty());
    assert_eq!(used(), 0);
    user.cmp(&["resume", "cluster", &dev, "--timeout", "120s"]).ok().says("1 resumed");
    eventually("it is on again", SOON, || if on(&user, &dev).len() == 1 { Ok(()) } else { Err(String::new()) });
}
