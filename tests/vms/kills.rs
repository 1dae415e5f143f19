//! Guests that do not shut down in time. KubeVirt kills them, and the commands that wait for their end say so.

use cmp_tests::World;
use serde_json::{Value, json};

use crate::clusters::running_with;
use crate::guests::uid;
use crate::support::installed;

/// A grace time that is over soon.
const GRACE: &str = r#"{"spec":{"template":{"spec":{"terminationGracePeriodSeconds":1}}}}"#;
const LATE: [&str; 2] = ["--timeout", "120s"];

/// Creates a cluster of VMs that have one second to shut down.
fn hurried(user: &World<'_>, name: &str, count: u32) -> String {
    running_with(user, name, count, &["--patch", GRACE])
}

/// Makes the current guest of a VM ignore requests to shut down.
fn ignores(user: &World<'_>, cluster: &str, index: u32) {
    let annotation = "tests.kubectl-cmp.dev/guest=hangs-on-stop";
    let one = format!("{cluster}-{index}");
    user.admin(&["annotate", "vmi", &one, "-n", &format!("{cluster}-ns"), annotation]).ok();
}

#[test]
fn a_command_that_waits_counts_the_guests_that_were_killed() {
    let user = installed().user("8", "16Gi");
    let dev = hurried(&user, "dev", 3);
    let said = |name: &str| {
        format!(
            "cluster/{dev}: {dev}-{name} was killed: its guest did not shut down within the 1 s of terminationGrace"
        )
    };
    ignores(&user, &dev, 1);
    let halt = ["suspend", "cluster", &dev, "--mode=halt", "--yes"];
    user.cmp(&[&halt[..], &["--wait"], &LATE].concat())
        .ok()
        .says(&said("1"))
        .says(&format!("cluster/{dev} suspended: 3 suspended, 0 failed, 0 skipped, 1 killed"));
    let last = |index: u32, expected: &str| {
        user.cmp(&["describe", "instance", &format!("{dev}-{index}")]).ok().says("Last stop:").says(expected);
    };
    last(0, "ago: shut down by the guest");
    last(1, "ago: killed, because the guest did not shut down in time");

    // The next guest of the same VM shuts down, and the earlier kill is not counted again.
    user.cmp(&[&["resume", "cluster", &dev, "--wait"][..], &LATE].concat()).ok();
    let stop = |index: u32| ["stop".to_owned(), "instance".to_owned(), format!("{dev}-{index}"), "--wait".to_owned()];
    let stopped = |index: u32| {
        let stop = stop(index);
        user.cmp(&[&stop.each_ref().map(String::as_str)[..], &LATE].concat()).ok().says("stopped")
    };
    stopped(1).says_not("killed");
    ignores(&user, &dev, 0);
    stopped(0).says(&said("0"));
    last(1, "ago: shut down by the guest");
    last(0, "ago: killed");

    // Without a wait nothing is known, and nothing is said.
    ignores(&user, &dev, 2);
    user.cmp(&halt).ok().says("0 failed").says_not("killed");
    let all = ["suspend", "cluster", &dev, "--mode=halt", "--wait", "-o", "json"];
    let again = user.cmp(&[&all[..], &LATE].concat()).ok();
    assert!(matches!(again.json()["killed"].as_u64(), Some(0 | 1)), "{again}");
    user.cmp(&[&["resume", "cluster", &dev, "--wait"][..], &LATE].concat()).ok();
    let paused = user.cmp(&["suspend", "cluster", &dev, "--mode=pause", "--wait", "-o", "json"]).ok();
    assert_eq!((&paused.json()["suspended"], &paused.json()["killed"]), (&json!(1), &json!(0)));
}

#[test]
fn a_restart_counts_the_guests_that_were_killed() {
    let user = installed().user("16", "32Gi");
    let dev = hurried(&user, "dev", 2);
    let before = uid(&user, &dev);
    ignores(&user, &dev, 0);
    let killed = |name: &str| format!("cluster/{dev}: {dev}-{name} was killed");
    user.cmp(&[&["resize", "cluster", &dev, "--cpu", "3", "--yes"][..], &LATE].concat())
        .ok()
        .says(&format!("instance/{dev}-1 resized"))
        .says(&killed("0"));
    assert_ne!(uid(&user, &dev), before, "another guest runs");
    ignores(&user, &dev, 1);
    user.cmp(&[&["rollout", "restart", "cluster", &dev, "--yes"][..], &LATE].concat())
        .ok()
        .says(&format!("cluster/{dev} restarted"))
        .says(&killed("1"));
    user.cmp(&[&["rollout", "restart", "cluster", &dev, "--yes"][..], &LATE].concat()).ok().says_not("killed");
    ignores(&user, &dev, 1);
    user.cmp(&[&["scale", "cluster", &dev, "--count", "1", "--yes", "--wait"][..], &LATE].concat())
        .ok()
        .says(&killed("1"));
}

#[test]
fn a_report_that_is_gone_is_neither_a_kill_nor_an_error() {
    let user = installed().user("4", "8Gi");
    let dev = hurried(&user, "dev", 1);
    let one = format!("{dev}-0");
    ignores(&user, &dev, 0);
    // KubeVirt's own report is gone before the command looks for it, as an hour later.
    let ended = user.cmp(&[&["stop", "instance", &one, "--wait"][..], &LATE].concat()).ok();
    ended.says("was killed");
    user.admin(&["delete", "events", "--all", "-n", &format!("{dev}-ns")]).ok();
    user.cmp(&["describe", "instance", &one]).ok().says_not("Last stop");
    let again = user.cmp(&[&["stop", "instance", &one, "--wait"][..], &LATE].concat()).ok();
    again.says("unchanged (already stopped)").says_not("killed");
    assert_eq!(user.cmp(&["get", "instance", &one, "-o", "json"]).ok().json()["status"]["reason"], Value::Null);
}
