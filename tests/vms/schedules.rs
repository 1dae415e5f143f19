//! Machines that cmp-webhook itself pauses and resumes.

use cmp_tests::eventually;
use serde_json::json;

use crate::clusters::{on, running};
use crate::support::{SOON, installed};

#[test]
fn a_schedule_pauses_and_resumes_machines() {
    let john = installed().user("16", "64Gi");
    let dev = running(&john, "dev", 2);
    let one = |index: u32| format!("{dev}-{index}");
    john.cmp(&["stop", "instance", &one(1), "--wait", "--timeout", "120s"]).ok();
    john.cmp(&["suspend", "cluster", &dev, "--for", "5s"]).ok().says("1 suspended, 0 failed, 1 skipped");
    assert_eq!(john.transitions(&dev, "resume")["changed"], 1);
    john.becomes(&one(0), "running");
    assert_eq!(john.state(&one(1)), "stopped");
    // The schedule pauses the machine, like the verb, and does not switch it off.
    john.cmp(&["resume", "cluster", &dev, "--for", "5s"]).ok();
    assert_eq!(john.transitions(&dev, "suspend")["changed"], 1);
    john.becomes(&one(0), "suspended");
    assert_eq!(on(&john, &dev).len(), 1);
    let shown = john.cmp(&["get", "instance", &one(0), "-o", "json"]).ok().json();
    assert_eq!(shown["status"]["suspension"]["mode"], json!("pause"));
    eventually("the right to it is gone", SOON, || {
        let bound = john.admin(&["get", "rolebinding", "cmp-scheduler", "-n", &format!("{dev}-ns")]);
        if bound.code == 0 { Err(bound.to_string()) } else { Ok(()) }
    });
}
