use serde_json::{Value, json};

use super::*;
use crate::account::tests::name;
use crate::disk::Disk;
use crate::instance::tests::{set, vm};
use crate::instance::{Suspension, of_stateful_set, of_virtual_machine};

#[test]
fn the_table_of_transitions() {
    use State::{Failed, Pending, Running, Stopped, Suspended};
    for state in [Running, Pending, Failed] {
        assert_eq!(Illegal::legal(state), [Verb::Stop, Verb::Suspend]);
        assert_eq!(transition(state, Verb::Start), Some(Effect::Already));
        assert_eq!(transition(state, Verb::Resume), Some(Effect::Already));
    }
    assert_eq!(Illegal::legal(Stopped), [Verb::Start]);
    assert_eq!(Illegal::legal(Suspended), [Verb::Resume]);
    assert_eq!(transition(Stopped, Verb::Stop), Some(Effect::Already));
    assert_eq!(transition(Suspended, Verb::Suspend), Some(Effect::Already));
    let web = name("web").instance(1);
    for (state, verb, text) in [
        (Stopped, Verb::Suspend, "cannot suspend web-1: it is stopped, and a stopped instance can be started"),
        (Stopped, Verb::Resume, "cannot resume web-1: it is stopped, and a stopped instance can be started"),
        (Suspended, Verb::Start, "cannot start web-1: it is suspended, and a suspended instance can be resumed"),
        (Suspended, Verb::Stop, "cannot stop web-1: it is suspended, and a suspended instance can be resumed"),
    ] {
        assert_eq!(apply(&web, state, verb).unwrap_err().to_string(), text);
    }
}

fn suspension() -> SuspensionRequest {
    SuspensionRequest {
        by: "john".to_owned(),
        at: "2026-11-23T20:00:00Z".parse().unwrap(),
        reason: Some("night".to_owned()),
        woken_by: Some(Trigger::Schedule),
    }
}

#[test]
fn a_suspension_is_remembered_and_forgotten_in_the_patch_that_makes_it() {
    let running = of_stateful_set(&set(1, "running"), None).unwrap();
    let SwitchRequests { patch, call } =
        switch_requests(&running, Verb::Suspend, None, Some(&suspension())).unwrap().unwrap();
    assert_eq!((&patch["metadata"]["resourceVersion"], call), (&json!("7"), None));
    assert_eq!(patch["metadata"]["labels"][keys::ASKED], "suspended");
    assert_eq!(patch["spec"], json!({ "replicas": 0 }));
    let mut suspended = set(0, "suspended");
    suspended.metadata.annotations = serde_json::from_value(patch["metadata"]["annotations"].clone()).unwrap();
    let shown = of_stateful_set(&suspended, None).unwrap();
    let SuspensionRequest { by, at, reason, woken_by } = suspension();
    assert_eq!(shown.suspension, Some(Suspension { by, at, mode: Mode::Halt, reason, woken_by }));
    let SwitchRequests { patch, .. } = switch_requests(&shown, Verb::Resume, None, None).unwrap().unwrap();
    assert_eq!(patch["metadata"]["annotations"][keys::SUSPENDED_AT], Value::Null);
    assert_eq!(patch["metadata"]["annotations"][keys::WOKEN_BY], Value::Null);
    assert_eq!(patch["spec"], json!({ "replicas": 1 }));
    assert_eq!(switch_requests(&shown, Verb::Suspend, None, None), Ok(None));
    assert_eq!(switch_requests(&running, Verb::Suspend, Some(Mode::Pause), None), Err(Refusal::NoPause));
}

#[test]
fn a_vm_is_paused_after_the_wish_is_written() {
    let check = |from: (&str, &str, &str), verb: Verb, mode: Option<Mode>, expected: (Value, Option<Call>, &str)| {
        let shown = of_virtual_machine(&vm(from.0, from.1, from.2), None).unwrap();
        let done = switch_requests(&shown, verb, mode, Some(&suspension())).unwrap().unwrap();
        let asked = done.patch["metadata"]["labels"][keys::ASKED].as_str().unwrap();
        assert_eq!((done.patch["spec"].clone(), done.call, asked), expected, "{verb} {from:?}");
    };
    let (running, starting) = (("Always", "running", "Running"), ("Always", "running", "Starting"));
    let (paused, halted) = (("Always", "suspended", "Paused"), ("Halted", "suspended", "Stopped"));
    let strategy = |strategy: &str| json!({ "runStrategy": strategy });
    check(running, Verb::Suspend, None, (json!({}), Some(Call::Pause), "suspended"));
    check(running, Verb::Suspend, Some(Mode::Halt), (strategy("Halted"), None, "suspended"));
    // A VM that does not run yet has no memory to keep.
    check(starting, Verb::Suspend, None, (strategy("Halted"), None, "suspended"));
    check(paused, Verb::Resume, None, (json!({}), Some(Call::Unpause), "running"));
    // A frozen guest has to go on, or else it does not notice that it is to shut down.
    check(paused, Verb::Suspend, Some(Mode::Halt), (strategy("Halted"), Some(Call::Thaw), "suspended"));
    check(halted, Verb::Resume, None, (strategy("Always"), None, "running"));
    check(running, Verb::Stop, None, (strategy("Halted"), None, "stopped"));
    check(("Halted", "stopped", "Stopped"), Verb::Start, None, (strategy("Always"), None, "running"));
    // The transition is half done, in either direction: the same verb completes it, the other one reverts it.
    check(("Always", "suspended", "Running"), Verb::Suspend, None, (json!({}), Some(Call::Pause), "suspended"));
    check(("Always", "running", "Paused"), Verb::Resume, None, (json!({}), Some(Call::Unpause), "running"));
    check(("Always", "running", "Paused"), Verb::Suspend, None, (json!({}), Some(Call::Pause), "suspended"));
    check(("Always", "suspended", "Running"), Verb::Resume, None, (strategy("Always"), None, "running"));
    // A VM whose root disk stays is halted, unless the mode is named.
    let kept = Instance {
        disk: Disk::Claim { size: None },
        ..of_virtual_machine(&vm("Always", "running", "Running"), None).unwrap()
    };
    for (mode, call) in [(None, None), (Some(Mode::Halt), None), (Some(Mode::Pause), Some(Call::Pause))] {
        assert_eq!(switch_requests(&kept, Verb::Suspend, mode, None).unwrap().unwrap().call, call, "{mode:?}");
    }
    let already = of_virtual_machine(&vm("Always", "suspended", "Paused"), None).unwrap();
    assert_eq!(switch_requests(&already, Verb::Suspend, None, None), Ok(None));
    let illegal = switch_requests(&already, Verb::Stop, None, None).unwrap_err();
    assert_eq!(
        illegal.to_string(),
        "cannot stop web-0: it is suspended, and a suspended instance can be resumed; suspend --mode halt shuts it down"
    );
}
