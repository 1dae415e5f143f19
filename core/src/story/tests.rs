use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::account::tests::{held, name, shape, want};
use crate::account::{Blocked, Refused, Want};
use crate::schedule::Schedule;

const SMALL: &str = "cpu=1,memory=1Gi";
const LARGE: &str = "cpu=2,memory=4Gi";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn entry(wanted: Option<Want>, held: Option<Held>) -> Entry {
    Entry { want: wanted, held, ..Entry::default() }
}

fn tell(before: &Entry, after: &Entry) -> Vec<Told> {
    told(&name("web"), before, after, "42", Authors::default())
}

/// Returns reason and note of each Event.
fn lines(before: &Entry, after: &Entry) -> Vec<String> {
    tell(before, after).into_iter().map(|told| format!("{}: {}", told.reason, told.note)).collect()
}

#[test]
fn each_transition_of_the_holding_is_told_once() {
    use HeldState::{Deleting, Preparing, Ready, Releasing};
    let unmade = Held { uid: String::new(), ..held(3, SMALL, Preparing) };
    let released = |state| Held { released: true, ..held(3, SMALL, state) };
    let asleep = Want { released: true, ..want(3, SMALL) };
    for (wanted, before, after, expected) in [
        // There is no Namespace yet.
        (want(3, SMALL), None, unmade.clone(), &[][..]),
        (
            want(3, SMALL),
            Some(unmade),
            held(3, SMALL, Preparing),
            &["Created: created with 3 instances of cpu=1,memory=1Gi"],
        ),
        (
            want(1, SMALL),
            None,
            held(1, SMALL, Ready),
            &["Adopted: its account was lost: it is held again with 1 instance of cpu=1,memory=1Gi"],
        ),
        (
            want(3, SMALL),
            Some(held(3, SMALL, Preparing)),
            held(3, SMALL, Ready),
            &["Ready: 3 instances of cpu=1,memory=1Gi may run"],
        ),
        // Growing is told when it is held, and shrinking when it begins.
        (
            want(5, SMALL),
            Some(held(3, SMALL, Ready)),
            held(5, SMALL, Preparing),
            &["Scaled: scaled from 3 to 5 instances"],
        ),
        (
            want(1, SMALL),
            Some(held(3, SMALL, Ready)),
            held(3, SMALL, Releasing),
            &["Scaled: scaled from 3 to 1 instance"],
        ),
        (
            want(1, SMALL),
            Some(held(3, SMALL, Releasing)),
            held(1, SMALL, Ready),
            &[
                "QuotaReturned: the part that was given up is gone, and its quota has returned; left: 1 instance of cpu=1,memory=1Gi",
            ],
        ),
        // More instances of a smaller size: each part is told with its own step.
        (
            want(5, SMALL),
            Some(held(3, LARGE, Ready)),
            held(5, LARGE, Preparing),
            &["Scaled: scaled from 3 to 5 instances"],
        ),
        (
            want(5, SMALL),
            Some(held(5, LARGE, Preparing)),
            held(5, LARGE, Releasing),
            &["Resized: resized from cpu=2,memory=4Gi to cpu=1,memory=1Gi"],
        ),
        (
            asleep.clone(),
            Some(held(3, SMALL, Ready)),
            held(3, SMALL, Releasing),
            &["Released: it is suspended and gives its quota back, except for storage"],
        ),
        (
            asleep,
            Some(held(3, SMALL, Releasing)),
            released(Ready),
            &["QuotaReturned: the part that was given up is gone, and its quota has returned; left: storage"],
        ),
        (want(3, SMALL), Some(released(Ready)), held(3, SMALL, Preparing), &["Reclaimed: its quota is charged again"]),
        (want(3, SMALL), Some(held(3, SMALL, Ready)), held(3, SMALL, Deleting), &["Deleting: it is being deleted"]),
        // Nothing changed, or nothing can be written there any more.
        (want(3, SMALL), Some(held(3, SMALL, Ready)), held(3, SMALL, Ready), &[]),
        (want(3, SMALL), Some(held(3, SMALL, Deleting)), held(1, SMALL, Deleting), &[]),
    ] {
        let (before, after) = (entry(Some(wanted.clone()), before), entry(Some(wanted), Some(after)));
        assert_eq!(lines(&before, &after), expected, "{before:?} {after:?}");
    }
}

#[test]
fn a_refusal_says_what_was_asked_for() {
    let ready = || Some(held(3, SMALL, HeldState::Ready));
    let refused = Some(Refused { reason: "exceeded quota: john".to_owned(), at: at(1) });
    let before = entry(Some(want(40, SMALL)), ready());
    let after = Entry { refused: refused.clone(), ..entry(Some(want(3, SMALL)), ready()) };
    let asked = "Refused: 40 instances of cpu=1,memory=1Gi were asked for: exceeded quota: john";
    assert_eq!(lines(&before, &after), [asked]);
    assert!(tell(&before, &after)[0].is_warning);
    let as_held = entry(Some(want(3, SMALL)), ready());
    assert_eq!(lines(&as_held, &after), ["Refused: exceeded quota: john"]);
    // The refusal stays in the account for an hour, and is told once.
    assert!(lines(&after, &after).is_empty());
    // A cluster without a Namespace has no place for Events.
    let nowhere = Entry { refused, ..Entry::default() };
    assert!(lines(&entry(Some(want(40, SMALL)), None), &nowhere).is_empty());
}

#[test]
fn a_new_obstacle_is_told_and_its_repetition_is_not() {
    let blocked = |reason: &str, second| {
        let blocked = Some(Blocked { reason: reason.to_owned(), at: at(second) });
        Entry { blocked, ..entry(Some(want(3, SMALL)), Some(held(3, SMALL, HeldState::Ready))) }
    };
    let free = entry(Some(want(3, SMALL)), Some(held(3, SMALL, HeldState::Ready)));
    assert_eq!(lines(&free, &blocked("denied", 1)), ["Blocked: denied"]);
    assert_eq!(lines(&blocked("denied", 1), &blocked("late", 2)), ["Blocked: late"]);
    assert!(lines(&blocked("denied", 1), &blocked("denied", 2)).is_empty());
    assert!(lines(&blocked("denied", 1), &free).is_empty());
}

#[test]
fn a_schedule_says_what_it_did_and_what_it_did_not() {
    use ScheduleAction::{Resume, Suspend};
    let schedule = Schedule {
        suspend: vec!["0 19 * * 1-5".to_owned()],
        resume: vec!["0 8 * * 1-5".to_owned()],
        ..Schedule::default()
    };
    let wanted = Want { schedule: Some(schedule), ..want(3, SMALL) };
    let run = |action, trigger, (changed, failed, skipped): (u32, u32, u32), late: i64, why: Option<&str>| LastRun {
        action,
        trigger,
        due: at(1000),
        at: at(1000) + SignedDuration::from_mins(late),
        changed,
        failed,
        skipped,
        tries: u32::from(why.is_some()),
        left: Vec::new(),
        reason: why.map(str::to_owned),
    };
    let by_line = Trigger::Schedule;
    for (run, expected) in [
        (
            run(Suspend, by_line, (3, 0, 0), 0, None),
            "ScheduleSuspended: the schedule suspended 3 instances (0 19 * * 1-5)",
        ),
        (
            run(Suspend, by_line, (1, 0, 2), 10, None),
            "ScheduleSuspended: the schedule suspended 1 instance and left 2 as they were (0 19 * * 1-5), 10 min late",
        ),
        (run(Resume, Trigger::Once, (2, 0, 0), 0, None), "ScheduleResumed: the timer resumed 2 instances"),
        (
            run(Suspend, by_line, (0, 0, 3), 0, None),
            "ScheduleSkipped: the schedule had nothing to suspend (0 19 * * 1-5): no instance was on",
        ),
        (
            run(Resume, by_line, (0, 0, 3), 0, None),
            "ScheduleSkipped: the schedule had nothing to resume (0 8 * * 1-5): it had suspended none of the 3 instances",
        ),
        (
            run(Resume, by_line, (0, 0, 0), 0, Some("exceeded quota")),
            "ScheduleFailed: the schedule could not resume it (0 8 * * 1-5): exceeded quota",
        ),
        (
            run(Resume, by_line, (1, 2, 0), 0, Some("denied")),
            "ScheduleFailed: the schedule could not resume 2 instances (0 8 * * 1-5): denied",
        ),
    ] {
        let before = entry(Some(wanted.clone()), Some(held(3, SMALL, HeldState::Ready)));
        let after = Entry { scheduled: Some(run), ..before.clone() };
        assert_eq!(lines(&before, &after), [expected]);
        assert!(lines(&after, &after).is_empty());
    }
}

#[test]
fn the_name_of_an_event_follows_from_its_transition() {
    let name_of = |before: &Entry, after: &Entry, version: &str| {
        told(&name("web"), before, after, version, Authors::default())
            .into_iter()
            .map(|told| (told.name, told.repeats))
            .next()
            .unwrap()
    };
    let three = entry(Some(want(5, SMALL)), Some(held(3, SMALL, HeldState::Ready)));
    let five = entry(Some(want(5, SMALL)), Some(held(5, SMALL, HeldState::Preparing)));
    assert_eq!(name_of(&three, &five, "42"), ("web.scaled.42".to_owned(), false));
    assert_ne!(name_of(&three, &five, "43"), name_of(&three, &five, "42"));
    // The same refusal is counted, whichever version of the account has it.
    let refused = |reason: &str, second| {
        let refused = Some(Refused { reason: reason.to_owned(), at: at(second) });
        Entry { refused, ..three.clone() }
    };
    let first = name_of(&three, &refused("denied", 1), "42");
    assert!(first.1 && first == name_of(&three, &refused("denied", 2), "43"));
    assert_ne!(first, name_of(&three, &refused("late", 1), "42"));
    // A note has the length that the API server accepts.
    let long = &tell(&three, &refused(&"ä".repeat(2000), 1))[0];
    assert!(long.note.len() <= LONGEST_NOTE && long.note.len() > LONGEST_NOTE - 2);
}

#[test]
fn one_change_may_be_several_events() {
    let three = entry(Some(want(5, SMALL)), Some(held(3, SMALL, HeldState::Ready)));
    let five =
        entry(Some(want(5, SMALL)), Some(Held { size: shape(1, LARGE).size, ..held(5, SMALL, HeldState::Preparing) }));
    let both = tell(&three, &five);
    assert_eq!(both.iter().map(|told| told.name.as_str()).collect::<Vec<_>>(), ["web.scaled.42", "web.resized.42"]);
}

#[test]
fn a_signed_change_names_its_author() {
    use HeldState::{Deleting, Preparing, Ready};
    let unmade = Held { uid: String::new(), ..held(3, SMALL, Preparing) };
    let refused = Some(Refused { reason: "exceeded quota: john".to_owned(), at: at(1) });
    let ready = || Some(held(3, SMALL, Ready));
    let authors = Authors { want: Some("system:serviceaccount:cmp-users:john"), delete: Some("alice@example.com") };
    for (wanted, before, after, expected) in [
        (
            want(3, SMALL),
            Some(unmade),
            entry(None, Some(held(3, SMALL, Preparing))),
            "john created it with 3 instances of cpu=1,memory=1Gi",
        ),
        (want(5, SMALL), ready(), entry(None, Some(held(5, SMALL, Preparing))), "john scaled it from 3 to 5 instances"),
        (
            want(3, LARGE),
            ready(),
            entry(None, Some(held(3, LARGE, Preparing))),
            "john resized it from cpu=1,memory=1Gi to cpu=2,memory=4Gi",
        ),
        (
            want(40, SMALL),
            ready(),
            Entry { refused, ..entry(None, ready()) },
            "john asked for 40 instances of cpu=1,memory=1Gi: exceeded quota: john",
        ),
        (want(3, SMALL), ready(), entry(None, Some(held(3, SMALL, Deleting))), "alice@example.com deleted it"),
        // Nobody wants an instance to be ready: that happens.
        (
            want(3, SMALL),
            Some(held(3, SMALL, Preparing)),
            entry(None, ready()),
            "3 instances of cpu=1,memory=1Gi may run",
        ),
    ] {
        let told = told(&name("web"), &entry(Some(wanted), before), &after, "42", authors);
        assert_eq!(told.iter().map(|told| told.note.as_str()).collect::<Vec<_>>(), [expected]);
    }
}

#[test]
fn a_signature_is_a_field_manager_that_names_a_person() {
    let long = "a".repeat(200);
    for (username, signed) in [
        ("system:serviceaccount:cmp-users:john", true),
        ("alice@example.com", true),
        ("two words", false),
        ("j\u{f6}rg", false),
        (&long, false),
    ] {
        let signature = signature(username);
        assert_eq!(signature.is_some(), signed, "{username}");
        assert_eq!(signature.as_deref().and_then(signer), signed.then_some(username));
    }
    assert_eq!(signer("kubectl-cmp"), None);
    assert_eq!(signer("kubectl-patch"), None);
}
