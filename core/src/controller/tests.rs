use super::*;
use crate::account::tests::{account, name, shape, size};
use crate::fences::ObjectVersion;
use crate::vocabulary::InstanceType;

const WANT: &str = r#"{"type":"container","count":3,"size":{"cpu":"2","memory":"4Gi"}}"#;
const HELD: &str = r#"{"uid":"ns-uid","type":"container","count":3,"size":{"cpu":"2","memory":"4Gi"},"state":"ready"}"#;
/// The change that removes every key of a cluster.
const GONE: &str = "blocked.web- delete.web- held.web- refused.web- scheduled.web- want.web-";
const WINDOW: Duration = Duration::from_secs(90);

fn now() -> Timestamp {
    "2026-11-23T20:00:00Z".parse().unwrap()
}

fn namespace(owner: &str, count: u32, of: &str) -> ObservedNamespace {
    ObservedNamespace {
        uid: "ns-uid".to_owned(),
        owner: owner.parse().ok(),
        cluster: Some(name("web")),
        kind: Some(InstanceType::Container),
        count: Some(count),
        size: Some(size(of)),
        released: false,
        reserved: Reserved::Nothing,
        ready: true,
        deleting: false,
        left: None,
        newer: None,
        created: None,
        version: ObjectVersion::default(),
    }
}

/// Returns complete fences for `count` instances of 2 CPU and 4Gi.
fn fenced(count: u32) -> Fences {
    let shape = shape(count, "cpu=2,memory=4Gi");
    let fence = |amounts| Some(ObservedFence { amounts: Some(amounts), in_force: true, ..ObservedFence::default() });
    Fences {
        namespace: Some(namespace("john", count, "cpu=2,memory=4Gi")),
        quota: fence(manifest::hard(InstanceType::Container, &shape)),
        limits: fence(manifest::limits(InstanceType::Container, &shape.size, &Settings::default())),
        network_policy: true,
        service_account: true,
        role_binding: true,
        schedule_binding: false,
    }
}

fn step(rows: &[(&str, &str)], fences: &Fences) -> Step {
    step_after(rows, fences, Duration::ZERO)
}

fn step_after(rows: &[(&str, &str)], fences: &Fences, unchanged_for: Duration) -> Step {
    let settings = Settings::default();
    let seen =
        Observation { account: &account(rows), cluster: &name("web"), fences, unchanged_for, settings: &settings };
    next_step(&seen, WINDOW, now())
}

/// Returns the change of a step as rows of `key=value`, or `key-` for a removal.
fn changes(step: &Step) -> String {
    let (Step::Account(change) | Step::Adopt(change) | Step::Forget { change, .. } | Step::Lower { change, .. }) = step
    else {
        return format!("{step:?}");
    };
    change
        .entries()
        .map(|(key, value)| value.map_or(format!("{key}-"), |value| format!("{key}={value}")))
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn a_want_is_held_before_anything_exists() {
    assert_eq!(
        changes(&step(&[("want.web", WANT)], &Fences::default())),
        r#"held.web={"uid":"","type":"container","count":3,"size":{"cpu":"2","memory":"4Gi"},"state":"preparing"} refused.web-"#
    );
}

#[test]
fn a_cluster_is_made_step_by_step() {
    let preparing = HELD.replace("ready", "preparing");
    let nameless = preparing.replace("ns-uid", "");
    let rows = [("want.web", WANT), ("held.web", nameless.as_str())];
    let kind = InstanceType::Container;
    assert_eq!(step(&rows, &Fences::default()), Step::CreateNamespace { kind, size: size("cpu=2,memory=4Gi") });
    let mut fences = Fences {
        namespace: Some(ObservedNamespace { ready: false, ..namespace("john", 0, "cpu=2,memory=4Gi") }),
        ..Fences::default()
    };
    assert_eq!(changes(&step(&rows, &fences)), format!("held.web={preparing}"));
    let rows = [("want.web", WANT), ("held.web", preparing.as_str())];
    let shape = shape(3, "cpu=2,memory=4Gi");
    let parts = vec![Part::Limits, Part::Quota, Part::NetworkPolicy, Part::ServiceAccount];
    assert_eq!(step(&rows, &fences), Step::Write { parts, shape: shape.clone(), kind, reserve: None });
    fences = Fences { namespace: fences.namespace, role_binding: false, ..fenced(3) };
    fences.quota.as_mut().unwrap().in_force = false;
    assert!(matches!(step(&rows, &fences), Step::Wait { .. }));
    fences.quota.as_mut().unwrap().in_force = true;
    assert_eq!(step(&rows, &fences), Step::Open { shape, reserved: Reserved::Nothing });
    let opened = fences.namespace.as_mut().unwrap();
    (opened.count, opened.ready) = (Some(3), true);
    assert_eq!(step(&rows, &fences), Step::Bind { kind });
    fences.role_binding = true;
    assert_eq!(changes(&step(&rows, &fences)), format!("held.web={HELD}"));
    assert_eq!(step(&[("want.web", WANT), ("held.web", HELD)], &fences), Step::Nothing);
}

#[test]
fn a_resource_quota_is_in_force_when_every_name_of_it_is_counted() {
    let quota = |status: serde_json::Value| {
        let spec = serde_json::json!({ "hard": { "count/pods": "1", "limits.cpu": "2" } });
        ObservedFence::of_quota(&serde_json::from_value(serde_json::json!({ "spec": spec, "status": status })).unwrap())
    };
    let hard = serde_json::json!({ "count/pods": "1", "limits.cpu": "2000m" });
    let says = |fence: &ObservedFence| Awaited::QuotaInForce { uncounted: fence.uncounted.clone() }.to_string();
    for (status, end) in [
        (serde_json::json!(null), "has to see it"),
        (serde_json::json!({ "hard": { "count/pods": "1" }, "used": { "count/pods": "0" } }), "has to see it"),
        (serde_json::json!({ "hard": hard }), "has to count count/pods, limits.cpu"),
        (serde_json::json!({ "hard": hard, "used": { "limits.cpu": "0" } }), "has to count count/pods"),
    ] {
        let fence = quota(status);
        assert!(!fence.in_force && says(&fence).ends_with(end), "{fence:?}");
    }
    assert!(quota(serde_json::json!({ "hard": hard, "used": { "count/pods": "0", "limits.cpu": "0" } })).in_force);
}

#[test]
fn a_resource_quota_that_stays_uncounted_is_written_anew_less_and_less_often() {
    let preparing = HELD.replace("ready", "preparing");
    let rows = [("want.web", WANT), ("held.web", preparing.as_str())];
    let made = now();
    // The seconds from the creation of the Namespace to that of its ResourceQuota, and the pause that follows.
    for (apart, pause) in [(0, 30), (1, 30), (30, 30), (60, 60), (120, 120), (240, 240), (480, 300), (86_400, 300)] {
        let mut fences = fenced(3);
        let namespace = fences.namespace.as_mut().unwrap();
        (namespace.count, namespace.ready, namespace.created) = (Some(0), false, Some(made));
        let quota = fences.quota.as_mut().unwrap();
        (quota.in_force, quota.created) = (false, made.checked_add(SignedDuration::from_secs(apart)).ok());
        let uncounted = vec!["count/virtualmachineinstances.kubevirt.io".to_owned()];
        let waits = |fences: &Fences, uncounted: &[String], seconds: u64| {
            let what = Awaited::QuotaInForce { uncounted: uncounted.to_vec() };
            let waits = Step::Wait { what, again: Some(Duration::from_secs(5)) };
            assert_eq!(step_after(&rows, fences, Duration::from_secs(seconds)), waits, "{apart} {seconds}");
        };
        // kube-controller-manager has not seen it at all, or does not count one kind.
        for uncounted in [Vec::new(), uncounted.clone()] {
            fences.quota.as_mut().unwrap().uncounted = uncounted.clone();
            waits(&fences, &uncounted, pause - 1);
            assert_eq!(step_after(&rows, &fences, Duration::from_secs(pause)), Step::RemoveQuota, "{apart}");
        }
        // A Namespace that was opened keeps its ResourceQuota, however long it is not counted.
        fences.namespace.as_mut().unwrap().ready = true;
        waits(&fences, &uncounted, 10 * pause);
    }
    // Without the times the pause is the shortest one, and it begins with each write.
    let mut fences = fenced(3);
    fences.namespace.as_mut().unwrap().ready = false;
    let quota = fences.quota.as_mut().unwrap();
    quota.in_force = false;
    assert_eq!(step_after(&rows, &fences, UNCOUNTED_FOR), Step::RemoveQuota);
    assert!(matches!(step_after(&rows, &fences, Duration::ZERO), Step::Wait { .. }));
}

#[test]
fn a_taken_name_is_refused_without_naming_its_owner() {
    let refused = r#"refused.web={"reason":"the name web is taken: choose another","at":"2026-11-23T20:00:00Z"}"#;
    let mut foreign = Fences { namespace: Some(namespace("mary", 1, "cpu=1,memory=1Gi")), ..Fences::default() };
    assert_eq!(changes(&step(&[("want.web", WANT)], &foreign)), format!("{refused} want.web-"));
    foreign.namespace.as_mut().unwrap().owner = None;
    assert_eq!(changes(&step(&[("want.web", WANT)], &foreign)), format!("{refused} want.web-"));
    let nameless = HELD.replace("ns-uid", "");
    assert_eq!(
        changes(&step(&[("want.web", WANT), ("held.web", &nameless)], &foreign)),
        format!("blocked.web- delete.web- held.web- {refused} scheduled.web- want.web-")
    );
}

#[test]
fn a_schedule_has_a_binding_as_long_as_it_has_transitions() {
    let want = |schedule: &str| WANT.replace("\"count\"", &format!("\"schedule\":{schedule},\"count\""));
    let lines = want(r#"{"suspend":"0 19 * * *","since":"2026-11-01T00:00:00Z"}"#);
    let once = want(r#"{"once":{"resume":"2026-11-23T12:00:00Z"}}"#);
    let done = r#"{"turn":"resume","cause":"once","due":"2026-11-23T12:00:00Z","at":"2026-11-23T12:00:01Z","changed":1,"failed":0,"skipped":0}"#;
    let bound = Fences { schedule_binding: true, ..fenced(3) };
    for (want, last, expected, is_there) in [
        (&lines, "", Step::BindSchedule, &fenced(3)),
        (&lines, done, Step::Nothing, &bound),
        (&once, "", Step::BindSchedule, &fenced(3)),
        (&once, done, Step::UnbindSchedule, &bound),
        (&once, &done.replace('}', ",\"tries\":1}"), Step::Nothing, &bound),
        (&WANT.to_owned(), "", Step::UnbindSchedule, &bound),
        (&WANT.to_owned(), done, Step::Nothing, &fenced(3)),
    ] {
        let mut rows = vec![("want.web", want.as_str()), ("held.web", HELD)];
        rows.extend([("scheduled.web", last)].into_iter().filter(|(_, last)| !last.is_empty()));
        assert_eq!(step(&rows, is_there), expected, "{want} {last}");
    }
    assert_eq!(changes(&step(&[("scheduled.web", done)], &Fences::default())), "blocked.web- scheduled.web-");
}

#[test]
fn an_unjudged_want_above_the_quota_is_taken_back() {
    let big = WANT.replace('3', "30");
    let taken_back = changes(&step(&[("want.web", &big)], &Fences::default()));
    assert!(taken_back.contains("exceeded quota: john, requested: cpu=60"), "{taken_back}");
    assert!(taken_back.ends_with("want.web-"), "{taken_back}");
    let grown = changes(&step(&[("want.web", &big), ("held.web", HELD)], &fenced(3)));
    assert!(grown.contains("exceeded quota") && grown.ends_with(&format!("want.web={WANT}")), "{grown}");
    let vm = WANT.replace("container", "vm");
    let changed = changes(&step(&[("want.web", &vm), ("held.web", HELD)], &fenced(3)));
    assert!(changed.contains("is of type container") && changed.ends_with(&format!("want.web={WANT}")), "{changed}");
}

#[test]
fn growing_is_held_before_the_fences_are_raised() {
    let five = WANT.replace('3', "5");
    let held = changes(&step(&[("want.web", &five), ("held.web", HELD)], &fenced(3)));
    assert_eq!(
        held,
        r#"held.web={"uid":"ns-uid","type":"container","count":5,"size":{"cpu":"2","memory":"4Gi"},"state":"preparing"} refused.web-"#
    );
    let raised = HELD.replace('3', "5").replace("ready", "preparing");
    let next = step(&[("want.web", &five), ("held.web", &raised)], &fenced(3));
    assert!(
        matches!(next, Step::Write { ref parts, ref shape, .. } if parts == &[Part::Quota] && shape.count == 5),
        "{next:?}"
    );
}

#[test]
fn shrinking_lowers_what_is_held_last() {
    let one = WANT.replace('3', "1");
    let releasing = HELD.replace("ready", "releasing");
    assert_eq!(changes(&step(&[("want.web", &one), ("held.web", HELD)], &fenced(3))), format!("held.web={releasing}"));
    let rows = [("want.web", one.as_str()), ("held.web", releasing.as_str())];
    assert!(matches!(step(&rows, &fenced(3)), Step::Write { .. }));
    let mut half = fenced(1);
    half.namespace.as_mut().unwrap().count = Some(3);
    // The Namespace records what is still held, because the controller looks there if the account is lost.
    let reserved = Reserved::Shape(shape(3, "cpu=2,memory=4Gi"));
    assert_eq!(step(&rows, &half), Step::Open { shape: shape(1, "cpu=2,memory=4Gi"), reserved: reserved.clone() });
    let mut lowered = fenced(1);
    lowered.namespace.as_mut().unwrap().reserved = reserved;
    assert_eq!(
        step_after(&rows, &lowered, Duration::from_secs(30)),
        Step::Wait { what: Awaited::Landing, again: Some(Duration::from_mins(1)) }
    );
    let lower = step_after(&rows, &lowered, WINDOW);
    assert!(matches!(lower, Step::Lower { ref to, .. } if to.count == 1), "{lower:?}");
    let one_held = HELD.replace('3', "1");
    assert_eq!(changes(&lower), format!("held.web={one_held}"));
    // The record is removed when the resources are given back.
    let open = step(&[("want.web", one.as_str()), ("held.web", &one_held)], &lowered);
    assert!(matches!(open, Step::Open { reserved: Reserved::Nothing, .. }), "{open:?}");
}

#[test]
fn a_fence_is_changed_after_the_namespace_knows_what_is_held() {
    let five = WANT.replace('3', "5");
    let raised = HELD.replace('3', "5").replace("ready", "preparing");
    let next = step(&[("want.web", &five), ("held.web", &raised)], &fenced(3));
    let Step::Write { reserve, .. } = next else { panic!("{next:?}") };
    assert_eq!(reserve, Some(shape(5, "cpu=2,memory=4Gi")));
}

#[test]
fn a_release_stops_the_instances_before_it_frees_quota() {
    let released = WANT.replace("}}", r#"},"released":true}"#);
    let releasing = HELD.replace("ready", "releasing");
    let rows = [("want.web", released.as_str()), ("held.web", releasing.as_str())];
    let next = step(&rows, &fenced(3));
    assert!(matches!(next, Step::Write { ref parts, .. } if parts == &[Part::Quota]), "{next:?}");
    let off = Shape { released: true, ..shape(3, "cpu=2,memory=4Gi") };
    let mut fences = fenced(3);
    fences.quota.as_mut().unwrap().amounts = Some(manifest::hard(InstanceType::Container, &off));
    let reserved = Reserved::Shape(shape(3, "cpu=2,memory=4Gi"));
    assert_eq!(step(&rows, &fences), Step::Open { shape: off, reserved: reserved.clone() });
    let namespace = fences.namespace.as_mut().unwrap();
    (namespace.released, namespace.reserved) = (true, reserved);
    let lower = step_after(&rows, &fences, WINDOW);
    assert!(changes(&lower).contains(r#""released":true,"state":"ready""#), "{lower:?}");
    // To resume, `held` is raised first.
    let held = HELD.replace(r#""state""#, r#""released":true,"state""#);
    let back = changes(&step(&[("want.web", WANT), ("held.web", &held)], &fences));
    assert!(back.contains(r#""state":"preparing"}"#) && !back.contains("released"), "{back}");
}

#[test]
fn growing_one_and_shrinking_the_other_holds_both_first() {
    let other = r#"{"type":"container","count":1,"size":{"cpu":"4","memory":"4Gi"}}"#;
    let held = changes(&step(&[("want.web", other), ("held.web", HELD)], &fenced(3)));
    assert!(held.contains(r#""count":3,"size":{"cpu":"4","memory":"4Gi"}"#), "{held}");
}

#[test]
fn a_deletion_goes_by_the_uid_and_ends_when_the_namespace_is_gone() {
    let wished = [("want.web", WANT), ("held.web", HELD), ("delete.web", "ns-uid")];
    let deleting = HELD.replace("ready", "deleting");
    assert_eq!(changes(&step(&wished, &fenced(3))), format!("held.web={deleting}"));
    let going = [("want.web", WANT), ("held.web", deleting.as_str()), ("delete.web", "ns-uid")];
    assert_eq!(step(&going, &fenced(3)), Step::RemoveNamespace);
    let mut gone = fenced(3);
    gone.namespace.as_mut().unwrap().deleting = true;
    assert!(matches!(step(&going, &gone), Step::Wait { again: Some(_), .. }));
    assert_eq!(changes(&step(&going, &Fences::default())), GONE);
    // A late wish does not hit the next cluster of that name.
    assert_eq!(
        changes(&step(&[("want.web", WANT), ("held.web", HELD), ("delete.web", "old")], &fenced(3))),
        "delete.web-"
    );
    assert_eq!(changes(&step(&[("delete.web", "old")], &Fences::default())), "delete.web-");
    // A wish that was written before the uid of the Namespace was known gets that uid.
    let nameless = HELD.replace("ns-uid", "");
    let early = [("want.web", WANT), ("held.web", nameless.as_str()), ("delete.web", "")];
    assert_eq!(changes(&step(&early, &fenced(0))), format!("delete.web=ns-uid held.web={HELD}"));
    assert_eq!(changes(&step(&early, &Fences::default())), GONE);
}

#[test]
fn a_cluster_in_deletion_frees_its_quota_after_the_window_even_if_its_namespace_stays() {
    let deleting = HELD.replace("ready", "deleting");
    let mut going = fenced(3);
    going.namespace.as_mut().unwrap().deleting = true;
    // Its content goes first, the fences among it.
    (going.quota, going.limits, going.role_binding) = (None, None, false);
    for wish in [Some(("delete.web", "ns-uid")), None] {
        let rows: Vec<_> = [("want.web", WANT), ("held.web", deleting.as_str())].into_iter().chain(wish).collect();
        let early = step_after(&rows, &going, WINDOW.saturating_sub(Duration::from_secs(1)));
        let what = Awaited::NamespaceGone { left: None };
        assert_eq!(early, Step::Wait { what, again: Some(Duration::from_secs(1)) });
        let Step::LowerDeleted { held } = step_after(&rows, &going, WINDOW) else { panic!("{rows:?}") };
        let to = Shape { released: true, ..shape(0, "cpu=2,memory=4Gi") };
        let change = lower_deleted(&name("web"), &held, to);
        let lowered = deleting.replace("\"count\":3", "\"count\":0");
        let lowered = lowered.replace("\"4Gi\"},", "\"4Gi\"},\"released\":true,");
        assert_eq!(changes(&Step::Account(change)), format!("held.web={lowered} want.web-"));
        // The Namespace was lowered before, and reserves what was held until the account is lowered.
        let mut lowest = going.clone();
        let namespace = lowest.namespace.as_mut().unwrap();
        (namespace.count, namespace.released) = (Some(0), true);
        namespace.reserved = Reserved::Shape(shape(3, "cpu=2,memory=4Gi"));
        let rows: Vec<_> = [("held.web", lowered.as_str())].into_iter().chain(wish).collect();
        let to = Shape { released: true, ..shape(0, "cpu=2,memory=4Gi") };
        let opened = Step::Open { shape: to, reserved: Reserved::Nothing };
        assert_eq!(step_after(&rows, &lowest, Duration::ZERO), opened);
        lowest.namespace.as_mut().unwrap().reserved = Reserved::Nothing;
        // Nothing more is held, so that only the end of the Namespace is waited for.
        assert!(matches!(step_after(&rows, &lowest, WINDOW), Step::Wait { again: None, .. }));
        let stored_while_nobody_was_asked: Vec<_> = rows.into_iter().chain([("want.web", WANT)]).collect();
        let back = changes(&step_after(&stored_while_nobody_was_asked, &lowest, WINDOW));
        assert!(back.contains("want.web-") && back.contains("web is being deleted"), "{back}");
    }
}

#[test]
fn a_deletion_changes_the_nonces_of_the_fences() {
    let mut fences = fenced(3);
    let before = fences.nonces();
    fences.namespace.as_mut().unwrap().deleting = true;
    assert_ne!(fences.nonces(), before, "the window begins when the deletion is seen");
}

#[test]
fn a_manual_deletion_of_the_namespace_deletes_the_cluster() {
    let rows = [("want.web", WANT), ("held.web", HELD)];
    let mut going = fenced(3);
    going.namespace.as_mut().unwrap().deleting = true;
    assert_eq!(changes(&step(&rows, &going)), format!("held.web={}", HELD.replace("ready", "deleting")));
    let mut another = fenced(3);
    another.namespace.as_mut().unwrap().uid = "another".to_owned();
    assert_eq!(changes(&step(&rows, &another)), GONE);
}

#[test]
fn manual_changes_are_reverted() {
    let rows = [("want.web", WANT), ("held.web", HELD)];
    let written = |change: fn(&mut Fences)| {
        let mut fences = fenced(3);
        change(&mut fences);
        step(&rows, &fences)
    };
    assert!(matches!(written(|fences| fences.limits = None), Step::Write { parts, .. } if parts == [Part::Limits]));
    assert!(matches!(written(|fences| fences.quota.as_mut().unwrap().amounts = None), Step::Write { .. }));
    assert!(matches!(written(|fences| fences.network_policy = false), Step::Write { .. }));
    assert!(matches!(written(|fences| fences.role_binding = false), Step::Bind { .. }));
    assert!(matches!(written(|fences| fences.namespace.as_mut().unwrap().count = None), Step::Open { .. }));
}

#[test]
fn a_lost_entry_is_adopted_if_the_cluster_was_ready_once() {
    let adopted = HELD.replace("ready", "preparing");
    assert_eq!(changes(&step(&[], &fenced(3))), format!("held.web={adopted}"));
    let mut never_ready = fenced(3);
    never_ready.namespace.as_mut().unwrap().ready = false;
    assert_eq!(step(&[], &never_ready), Step::RemoveNamespace);
    let foreign = Fences { namespace: Some(namespace("mary", 1, "cpu=1,memory=1Gi")), ..Fences::default() };
    assert_eq!(step(&[], &foreign), Step::Nothing);
    // The shape that was still held when the account was lost is held again, and then shrinks as it was to shrink.
    let mut shrinking = fenced(1);
    shrinking.namespace.as_mut().unwrap().reserved = Reserved::Shape(shape(3, "cpu=2,memory=4Gi"));
    assert_eq!(changes(&step(&[], &shrinking)), format!("held.web={adopted}"));
    assert_eq!(
        changes(&step(&[("held.web", &adopted)], &shrinking)),
        format!("held.web={}", HELD.replace("ready", "releasing"))
    );
    let unreadable = shrinking.namespace.as_mut().unwrap();
    unreadable.reserved = Reserved::Unreadable;
    assert!(matches!(step(&[], &shrinking), Step::Wait { .. }));
    let mut going = fenced(3);
    going.namespace.as_mut().unwrap().deleting = true;
    assert_eq!(changes(&step(&[], &going)), format!("held.web={adopted}"));
    let fresh = account(&[("settled", "")]);
    let settled = settle(&fresh, &[namespace("john", 3, "cpu=2,memory=4Gi")]);
    assert_eq!(changes(&Step::Account(settled)), format!("held.web={adopted} settled=account-uid"));
}

#[test]
fn a_refusal_is_gone_after_an_hour() {
    let at = |time: &str| format!(r#"{{"reason":"taken","at":"{time}"}}"#);
    let fresh = step(&[("refused.web", &at("2026-11-23T19:30:00Z"))], &Fences::default());
    assert_eq!(fresh, Step::Wait { what: Awaited::Refusal, again: Some(Duration::from_mins(30)) });
    let old = step(&[("refused.web", &at("2026-11-23T19:00:00Z"))], &Fences::default());
    assert_eq!(changes(&old), "refused.web-");
}

#[test]
fn nothing_grows_before_the_account_is_settled() {
    let unsettled = ("settled", "another");
    assert!(matches!(step(&[unsettled, ("want.web", WANT)], &Fences::default()), Step::Wait { .. }));
    let five = WANT.replace('3', "5");
    assert!(matches!(step(&[unsettled, ("want.web", &five), ("held.web", HELD)], &fenced(3)), Step::Wait { .. }));
}

#[test]
fn a_deletion_takes_a_refusal_with_it() {
    let refused = ("refused.web", r#"{"reason":"exceeded quota","at":"2026-11-23T19:30:00Z"}"#);
    let deleting = HELD.replace("ready", "deleting");
    let rows = [("want.web", WANT), ("held.web", deleting.as_str()), ("delete.web", "ns-uid"), refused];
    let Step::Forget { change, .. } = step(&rows, &Fences::default()) else { panic!("it is gone") };
    let before = account(&rows);
    let after = change.apply(&before).unwrap();
    assert_eq!(after.clusters.get(&name("web")), None, "nothing of it is left");
    assert_eq!(verdict::judge(Some(&before), &after), Ok(()));
}

#[test]
fn a_damaged_want_is_mended_while_its_cluster_is_deleted() {
    let rows = [("held.web", HELD), ("delete.web", "ns-uid")];
    let damaged = crate::account::Unreadable { key: "want.web".to_owned(), why: "it is not a JSON object".to_owned() };
    let before = account(&rows);
    let mended = before.mend(&[damaged], now()).unwrap().apply(&before).unwrap();
    assert!(mended.cluster(&name("web")).want.is_some());
    assert_eq!(verdict::judge(Some(&before), &mended), Ok(()));
    // The deletion does not let the want of the same cluster grow.
    let grown = account(&[("want.web", &WANT.replace('3', "4")), rows[0], rows[1]]);
    assert!(matches!(verdict::judge(Some(&mended), &grown), Err(Denial::BeingDeleted { .. })));
}

#[test]
fn a_deletion_goes_on_after_its_holding_was_damaged() {
    // The damaged value is removed, and the account is settled again.
    let wished = [("want.web", WANT), ("delete.web", "ns-uid")];
    let adopted = HELD.replace("ready", "preparing");
    assert_eq!(changes(&step(&wished, &fenced(3))), format!("held.web={adopted}"));
    assert_eq!(changes(&step(&wished, &Fences::default())), GONE);
    assert_eq!(changes(&step(&wished[1..], &fenced(3))), format!("held.web={adopted}"));
    assert_eq!(changes(&step(&wished[1..], &Fences::default())), "delete.web-");
    // The wish names one Namespace, and no other Namespace of that name.
    let mut another = fenced(3);
    another.namespace.as_mut().unwrap().uid = "another".to_owned();
    assert_eq!(changes(&step(&wished, &another)), "delete.web-");
}

#[test]
fn the_account_has_the_reason_while_a_cluster_is_blocked_and_no_longer() {
    let denied = "namespaces \"web-ns\" is forbidden: a label is missing";
    let nameless = HELD.replace("ns-uid", "").replace("ready", "preparing");
    let rows = [("want.web", WANT), ("held.web", nameless.as_str())];
    let said = report(&account(&rows), &name("web"), denied, now()).unwrap();
    let blocked = r#"{"reason":"namespaces \"web-ns\" is forbidden: a label is missing","at":"2026-11-23T20:00:00Z"}"#;
    assert_eq!(changes(&Step::Account(said)), format!("blocked.web={blocked}"));
    let rows = [rows[0], rows[1], ("blocked.web", blocked)];
    assert_eq!(report(&account(&rows), &name("web"), denied, now()), None, "it is said once");
    assert!(report(&account(&rows), &name("web"), "another", now()).is_some());
    assert_eq!(report(&account(&rows), &name("db"), denied, now()), None, "there is no such cluster");
    let long = report(&account(&rows), &name("web"), &"ä".repeat(5000), now()).unwrap();
    assert!(changes(&Step::Account(long)).chars().count() < 1200);
    // The cluster came to rest, or it is gone.
    let rested = [("want.web", WANT), ("held.web", HELD), ("blocked.web", blocked)];
    assert_eq!(changes(&step(&rested, &fenced(3))), format!("blocked.web- held.web={HELD}"));
    assert_eq!(changes(&step(&rested[2..], &Fences::default())), "blocked.web- scheduled.web-");
}

#[test]
fn a_hanging_namespace_names_the_remaining_objects() {
    let condition = |kind: &str, status: &str, message: &str| serde_json::json!({ "type": kind, "status": status, "reason": "x", "message": message });
    let namespace: k8s_openapi::api::core::v1::Namespace = serde_json::from_value(serde_json::json!({
        "metadata": { "name": "web-ns", "uid": "u", "deletionTimestamp": "2026-11-23T20:00:00Z" },
        "status": { "phase": "Terminating", "conditions": [
            condition("NamespaceDeletionDiscoveryFailure", "False", "all is well"),
            condition("NamespaceFinalizersRemaining", "True", "example.com/hold in 1 resource instances"),
            condition("NamespaceContentRemaining", "True", "configmaps. has 1 resource instances"),
        ] },
    }))
    .unwrap();
    let left = ObservedNamespace::of(&namespace).left;
    assert_eq!(
        Awaited::NamespaceGone { left }.to_string(),
        "its namespace is being deleted: configmaps. has 1 resource instances; example.com/hold in 1 resource instances"
    );
}

#[test]
fn a_newer_version_is_left_alone_and_its_cluster_can_be_deleted() {
    let expires = WANT.replacen('{', r#"{"expires":"2027-01-01T00:00:00Z","#, 1);
    let two = r#"{"format":2,"kind":"microvm","uid":"ns-uid"}"#;
    let newer = |step: Step| matches!(step, Step::Wait { what: Awaited::Newer { .. }, .. });
    // The controller neither holds nor grows nor shrinks nor mends nor gives up such a cluster.
    assert!(newer(step(&[("want.web", &expires)], &Fences::default())));
    assert!(newer(step(&[("want.web", &expires.replace('3', "5")), ("held.web", HELD)], &fenced(3))));
    assert!(newer(step(&[("want.web", &expires.replace('3', "2")), ("held.web", HELD)], &fenced(3))));
    assert!(newer(step(&[("want.web", &expires), ("held.web", HELD)], &Fences::default())));
    assert!(newer(step(&[("want.web", WANT), ("held.web", two)], &fenced(3))));
    assert!(newer(step(&[("want.web", two), ("held.web", HELD)], &fenced(3))));
    assert!(newer(step(&[("format", "2"), ("want.web", WANT)], &Fences::default())));
    assert!(newer(step(&[("policy", r#"{"format":2,"clusters":"many"}"#), ("want.web", WANT)], &Fences::default())));
    let mut marked = fenced(2);
    marked.namespace.as_mut().unwrap().newer = Some("it is of format 2".to_owned());
    assert!(newer(step(&[("want.web", WANT), ("held.web", HELD)], &marked)));
    assert!(newer(step(&[], &marked)), "it is not adopted");
    // Any version may delete the cluster.
    let mut going = fenced(3);
    going.namespace.as_mut().unwrap().deleting = true;
    let nameless = HELD.replace("ns-uid", "");
    for (want, held) in [(expires.as_str(), HELD), (WANT, two), (two, HELD)] {
        let wished = [("want.web", want), ("held.web", held), ("delete.web", "ns-uid")];
        assert_eq!(step(&wished, &fenced(3)), Step::RemoveNamespace);
        assert!(matches!(step(&wished, &going), Step::Wait { what: Awaited::NamespaceGone { .. }, .. }));
        let Step::Forget { uid, change } = step(&wished, &Fences::default()) else { panic!("{wished:?}") };
        assert_eq!((uid.as_str(), changes(&Step::Account(change)).as_str()), ("ns-uid", GONE));
    }
    let early = [("want.web", expires.as_str()), ("held.web", nameless.as_str()), ("delete.web", "")];
    assert_eq!(changes(&step(&early, &Fences::default())), GONE);
    assert_eq!(changes(&step(&early, &fenced(0))), "delete.web=ns-uid");
}

#[test]
fn failures_back_off_exponentially() {
    let seconds = |failures| backoff(failures, 0).as_secs();
    assert_eq!([0, 1, 2, 3, 6, 7, 8, 1000].map(seconds), [1, 1, 2, 4, 32, 60, 60, 60]);
    assert_eq!(backoff(2, 1000), Duration::from_secs(1));
    assert_eq!(backoff(9, 500), Duration::from_secs(45));
}
