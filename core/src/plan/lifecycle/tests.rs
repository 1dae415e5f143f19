use super::*;
use crate::account::tests::name;
use crate::plan::tests::{instances, orphan};

#[test]
fn leftovers_are_deleted_by_the_verbs_that_switch_off() {
    let (shown, left) = (instances(&["web-0"]), [orphan("web-1", false), orphan("web-2", true)]);
    for verb in Verb::ALL {
        let off = matches!(verb, Verb::Stop | Verb::Suspend);
        let mut expected = vec![Step::DeleteOrphans(left.to_vec()), Step::Apply(shown.clone())];
        expected.drain(..usize::from(!off));
        assert_eq!(cluster(verb, shown.clone(), left.to_vec()), expected, "{verb}");
        assert_eq!(cluster(verb, shown.clone(), Vec::new()), [Step::Apply(shown.clone())], "{verb}");
        let found = |index| leftover(verb, &name("web").instance(index), &left).map(|orphan| orphan.object.as_str());
        assert_eq!((found(0), found(1)), (None, Some("web-1-0").filter(|_| off)), "{verb}");
    }
    let web = name("web").instance(1);
    assert_eq!(missing(&web, false).to_string(), "instance \"web-1\" not found");
    assert_eq!(
        missing(&web, true).to_string(),
        "instance \"web-1\" not found\nhint: `kubectl cmp scale cluster web --count N` creates it again"
    );
}

#[test]
fn a_cluster_without_instances_may_not_exist() {
    for (shown, orphans, expected) in [
        (&["web-0"][..], &[][..], "apply:1"),
        (&[], &[], "check apply:0"),
        // The cluster is deleted, and a Pod of it runs.
        (&[], &["web-1"], "check orphans:1 apply:0"),
        (&["web-0", "web-1"], &["web-2"], "orphans:1 apply:2"),
    ] {
        let orphans = orphans.iter().map(|name| orphan(name, false)).collect();
        let steps = cluster(Verb::Stop, instances(shown), orphans);
        let word = |step: &Step| match step {
            Step::CheckCluster => "check".to_owned(),
            Step::DeleteOrphans(orphans) => format!("orphans:{}", orphans.len()),
            Step::Apply(instances) => format!("apply:{}", instances.len()),
        };
        assert_eq!(steps.iter().map(word).collect::<Vec<_>>().join(" "), expected, "{shown:?}");
    }
}

#[test]
fn a_cluster_that_does_not_exist_does_not_stop_the_others() {
    assert_eq!((after_failure(true), after_failure(false)), (AfterFailure::GoOn, AfterFailure::Stop));
}

#[test]
fn a_wait_covers_the_instances_to_which_the_verb_applies() {
    for (result, expected) in [
        (InstanceResult::Changed { paused: false }, true),
        (InstanceResult::Changed { paused: true }, true),
        (InstanceResult::Already, true),
        (InstanceResult::Skipped("cannot resume it".to_owned()), false),
        (InstanceResult::Failed("no route".to_owned()), false),
    ] {
        let web = name("web").instance(4);
        assert_eq!(awaited([(&web, result.clone())]) == [web], expected, "{result:?}");
    }
    assert!(awaited([]).is_empty());
}

#[test]
fn each_verb_has_its_goal_and_its_word() {
    for (verb, state, word) in [
        (Verb::Start, State::Running, "already running"),
        (Verb::Stop, State::Stopped, "already stopped"),
        (Verb::Suspend, State::Suspended, "already suspended"),
        (Verb::Resume, State::Running, "already running"),
    ] {
        assert_eq!((goal(verb), already(verb)), (Goal::State(state), word));
    }
}

#[test]
fn results_are_counted_and_skipped_instances_share_a_line() {
    let outcomes = [
        InstanceResult::Changed { paused: true },
        InstanceResult::Already,
        InstanceResult::Failed("no route".to_owned()),
        InstanceResult::Skipped("cannot suspend it".to_owned()),
        InstanceResult::Changed { paused: false },
        InstanceResult::Already,
    ];
    let names: Vec<InstanceName> = (0..6).map(|index| name("web").instance(index)).collect();
    let counts = counted(Verb::Suspend, names.iter().zip(&outcomes));
    assert_eq!((counts.changed, counts.paused, counts.failed, counts.skipped), (2, 1, 1, 3));
    assert_eq!(
        counts.notes,
        [
            "instance/web-2 failed: no route",
            "skipped web-1, web-5: already suspended",
            "skipped web-3: cannot suspend it",
        ]
    );
    let results: Vec<String> = counts.instances.iter().map(ToString::to_string).collect();
    assert_eq!(
        results[..4],
        [
            r#"{"name":"web-0","reason":null,"result":"suspended"}"#,
            r#"{"name":"web-1","reason":"already suspended","result":"skipped"}"#,
            r#"{"name":"web-2","reason":"no route","result":"failed"}"#,
            r#"{"name":"web-3","reason":"cannot suspend it","result":"skipped"}"#,
        ]
    );
    assert_eq!(counted(Verb::Stop, []), Counts::default());
}

#[test]
fn only_a_vm_that_is_off_is_started() {
    let vm = |state, on, paused| Instance {
        kind: InstanceType::Vm,
        asked: Some(state),
        state,
        on,
        paused,
        ..instances(&["web-0"]).remove(0)
    };
    for (instance, verb, expected) in [
        (vm(State::Stopped, false, false), Verb::Start, true),
        (vm(State::Suspended, false, false), Verb::Resume, true),
        (vm(State::Suspended, true, true), Verb::Resume, false),
        (vm(State::Running, true, false), Verb::Start, false),
        (vm(State::Suspended, false, false), Verb::Start, false),
        (vm(State::Running, true, false), Verb::Stop, false),
        (Instance { kind: InstanceType::Container, ..vm(State::Stopped, false, false) }, Verb::Start, false),
    ] {
        assert_eq!(starts(verb, &instance), expected, "{verb} {:?}", instance.state);
    }
}
