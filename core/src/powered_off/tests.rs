use super::*;
use crate::account::Want;
use crate::account::tests::{name, want};
use crate::keys;
use crate::template::Template;

#[test]
fn written_values_are_read_back_in_canonical_form() {
    let check = |value: &Value, written: &Value| {
        let off = PoweredOff::read(value, 10).unwrap();
        assert_eq!(off.value().unwrap_or(Value::Null), *written);
        assert_eq!(off.value().map(|value| PoweredOff::read(&value, 10).unwrap()).unwrap_or_default(), off);
    };
    check(&json!({}), &Value::Null);
    check(&json!({ "suspended": [] }), &Value::Null);
    check(&json!({ "suspended": [1, 2, 5], "stopped": [0] }), &json!({ "suspended": ["1-2", 5], "stopped": [0] }));
    check(&json!({ "stopped": ["3", "0-1", 1, "2-2"] }), &json!({ "stopped": ["0-3"] }));
    check(
        &json!({ "suspended": ["0-3", 5], "stopped": [4], "wokenBy": { "once": [1, 2], "schedule": [5], } }),
        &json!({ "suspended": ["0-3", 5], "stopped": [4], "wokenBy": { "once": ["1-2"], "schedule": [5] } }),
    );
    check(&json!({ "suspended": [0], "wokenBy": { "once": [] } }), &json!({ "suspended": [0] }));
    let off = PoweredOff::read(&json!({ "suspended": ["0-8"], "stopped": [9] }), 10).unwrap();
    assert!(!off.all_suspended(10) && off.all_suspended(9) && !off.all_suspended(0));
    assert_eq!(off.others(12).collect::<Vec<_>>(), [10, 11]);
}

#[test]
fn an_invalid_value_is_named_with_the_remedy() {
    let check = |value: &Value, expected: &str| assert_eq!(PoweredOff::read(value, 3).unwrap_err(), expected);
    check(&json!([0]), ": [0] is not an object: use a form such as {\"suspended\": [0]}");
    check(&json!({ "running": [0] }), ".running is unknown: use suspended and stopped; all other instances run");
    check(&json!({ "stopped": 1 }), ".stopped: 1 is not a list: use a form such as [0, \"2-4\"]");
    check(
        &json!({ "stopped": [3] }),
        ".stopped: 3 is not an instance of this cluster: they are 0 to 2, or raise spec.count",
    );
    check(
        &json!({ "stopped": ["1-4000000000"] }),
        ".stopped: 4000000000 is not an instance of this cluster: they are 0 to 2, or raise spec.count",
    );
    check(&json!({ "stopped": ["2-1"] }), ".stopped: \"2-1\" goes backwards: use \"1-2\"");
    check(
        &json!({ "stopped": [1], "suspended": ["0-2"] }),
        ": 1 is both suspended and stopped: leave it in one of them",
    );
    check(
        &json!({ "suspended": [0], "wokenBy": { "once": [1] } }),
        ".wokenBy.once: 1 is not suspended: add it to suspended",
    );
    check(
        &json!({ "stopped": [0], "wokenBy": { "once": [0] } }),
        ".wokenBy.once: 0 is not suspended: add it to suspended",
    );
    check(
        &json!({ "suspended": [0], "wokenBy": { "once": [0], "schedule": [0] } }),
        ".wokenBy: 0 is in both lists: leave it in one of them",
    );
    check(&json!({ "suspended": [0], "wokenBy": { "me": [0] } }), ".wokenBy.me is unknown: use schedule and once");
    check(&json!({ "wokenBy": [0] }), ".wokenBy: [0] is not an object: use a form such as {\"once\": [0]}");
    check(
        &json!({ "suspended": [0], "wokenBy": { "once": [7] } }),
        ".wokenBy.once: 7 is not an instance of this cluster: they are 0 to 2, or raise spec.count",
    );
    for item in [
        json!(-1),
        json!(1.5),
        json!("web-1"),
        json!("1-"),
        json!("+1"),
        json!(""),
        json!(null),
        json!([1]),
        json!("99999999999"),
    ] {
        let expected = format!(".stopped: {item} is not an index: use numbers and ranges, such as 3 or \"0-4\"");
        check(&json!({ "stopped": [item] }), &expected);
    }
    assert!(PoweredOff::read(&json!({ "stopped": [1] }), 1).unwrap_err().contains("0 is the only one"));
}

#[test]
fn the_trigger_that_wakes_an_instance_is_read_and_can_be_removed() {
    let mut off =
        PoweredOff::read(&json!({ "suspended": ["0-2"], "wokenBy": { "once": [0], "schedule": [1] } }), 3).unwrap();
    let woken_by = |off: &PoweredOff| (0..3).map(|index| off.woken_by(index)).collect::<Vec<_>>();
    assert_eq!(woken_by(&off), [Some(Trigger::Once), Some(Trigger::Schedule), None]);
    off.forget(Trigger::Once);
    assert_eq!(woken_by(&off), [None, Some(Trigger::Schedule), None]);
    assert!(off.all_suspended(3));
}

/// An instance that is created off has the same record as a running instance after the verb, and is shown the same way.
#[test]
fn an_instance_is_made_off_with_what_is_remembered_of_it() {
    let suspension = SuspensionRequest {
        by: "john".to_owned(),
        at: "2026-11-25T12:00:00Z".parse().unwrap(),
        reason: Some("so".to_owned()),
        woken_by: Some(Trigger::Once),
    };
    let web = name("web").instance(1);
    for released in [false, true] {
        let of = |template: Template| {
            template.blueprint(&Want { released, kind: template.kind(), ..want(2, "cpu=1,memory=1Gi") }).unwrap()
        };
        for (state, asked) in [(State::Suspended, "suspended"), (State::Stopped, "stopped")] {
            let plain = of(Template::container()).stateful_set(&web).unwrap();
            let set = stateful_set(&plain, state, &suspension).unwrap();
            assert_eq!(set.spec.as_ref().unwrap().replicas, Some(0));
            assert_eq!(set.metadata.labels.as_ref().unwrap()[keys::ASKED], asked);
            assert_eq!(set.metadata.resource_version, None);
            assert_eq!(set.spec.as_ref().unwrap().template, plain.spec.unwrap().template);
            let machine = of(Template::machine()).virtual_machine(&web).unwrap();
            let machine = virtual_machine(&machine, state, &suspension).unwrap();
            assert_eq!(machine["spec"]["runStrategy"], "Halted");
            assert_eq!(machine["metadata"]["labels"][keys::ASKED], asked);
            assert!(machine["metadata"]["resourceVersion"].is_null());
            let read: VirtualMachine = serde_json::from_value(machine).unwrap();
            for shown in [of_stateful_set(&set.clone().into(), None).unwrap(), of_virtual_machine(&read, None).unwrap()]
            {
                assert_eq!(shown.state, state);
                let off = PoweredOff::of(std::slice::from_ref(&shown), 2);
                assert_eq!(off.woken_by(1), Some(Trigger::Once).filter(|_| state == State::Suspended));
                let by = shown.suspension.map(|suspension| (suspension.by, suspension.reason, suspension.mode));
                let expected = ("john".to_owned(), Some("so".to_owned()), Mode::Halt);
                assert_eq!(by, Some(expected).filter(|_| state == State::Suspended));
            }
        }
    }
}
