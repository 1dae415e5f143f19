//! Schedules with several lines.

use super::*;

/// Returns Monday to Friday from 7 to 19, and Sunday from 10 to 16, with these lines in addition.
fn both(suspend: &[&str], resume: &[&str]) -> Schedule {
    let lines = |lines: &[&str], more: &[&str]| lines.iter().chain(more).map(|line| (*line).to_owned()).collect();
    Schedule {
        suspend: lines(&["0 19 * * 1-5", "0 16 * * 0"], suspend),
        resume: lines(&["0 7 * * 1-5", "0 10 * * 0"], resume),
        ..schedule("", "", "Europe/Berlin")
    }
}

#[test]
fn the_transitions_of_all_lines_come_in_one_order() {
    assert_eq!(
        next(&both(&[], &[]), "2026-11-27T12:00:00Z", 6),
        [
            "suspend 2026-11-27 19:00 +01:00",
            "resume 2026-11-29 10:00 +01:00",
            "suspend 2026-11-29 16:00 +01:00",
            "resume 2026-11-30 07:00 +01:00",
            "suspend 2026-11-30 19:00 +01:00",
            "resume 2026-12-01 07:00 +01:00",
        ]
    );
    // A time of two lines of one action is one transition.
    let twice = both(&["0 19 * * 5", "0 19 27 11 *"], &[]);
    assert_eq!(
        next(&twice, "2026-11-27T12:00:00Z", 2),
        ["suspend 2026-11-27 19:00 +01:00", "resume 2026-11-29 10:00 +01:00"]
    );
}

#[test]
fn the_newest_line_decides_and_a_skip_holds_for_all_lines() {
    let week = both(&[], &[]);
    for (now, expected) in [
        ("2026-11-28T12:00:00Z", "suspend 2026-11-27T18:00:00Z"),
        ("2026-11-29T09:00:00Z", "resume 2026-11-29T09:00:00Z"),
        ("2026-11-29T20:00:00Z", "suspend 2026-11-29T15:00:00Z"),
        ("2026-11-30T06:00:00Z", "resume 2026-11-30T06:00:00Z"),
    ] {
        assert_eq!(due(&week, None, now), expected);
    }
    let last = last_run(ScheduleAction::Suspend, "2026-11-27T18:00:00Z");
    assert_eq!(due(&week, Some(&last), "2026-11-28T12:00:00Z"), "at 2026-11-29T09:00:00Z");
    let skipping = Schedule { skip_until: Some(time("2026-11-29T15:00:00Z")), ..week };
    assert_eq!(due(&skipping, Some(&last), "2026-11-29T10:00:00Z"), "at 2026-11-29T15:00:00Z");
    assert_eq!(due(&skipping, Some(&last), "2026-11-29T15:00:00Z"), "suspend 2026-11-29T15:00:00Z");
}

#[test]
fn a_transition_names_the_line_that_was_due() {
    let week = both(&[], &[]);
    let one = schedule(NIGHT, MORNING, "UTC");
    for (schedule, action, due, expected) in [
        (&week, ScheduleAction::Suspend, "2026-11-29T15:00:00Z", Some("0 16 * * 0")),
        (&week, ScheduleAction::Resume, "2026-11-30T06:00:00Z", Some("0 7 * * 1-5")),
        // The lines were changed since.
        (&week, ScheduleAction::Suspend, "2026-11-29T15:01:00Z", None),
        (&one, ScheduleAction::Suspend, "2026-11-29T15:01:00Z", Some(NIGHT)),
    ] {
        assert_eq!(schedule.line(action, time(due)), expected, "{due}");
    }
}

#[test]
fn lines_that_do_not_fit_together_are_refused_with_the_line() {
    let check = |schedule: &Schedule, expected: &str| {
        let said =
            schedule.check(InstanceType::Container).map_or_else(|invalid| invalid.to_string(), |()| String::new());
        assert_eq!(said, expected);
    };
    check(&both(&[], &[]), "");
    check(
        &both(&["0 25 * * *"], &[]),
        "schedule.alsoSuspend \"0 25 * * *\" has an hour (the 2nd field) that is not from 0 to 23",
    );
    check(
        &both(&[], &["0 16 * * *"]),
        "schedule.alsoResume \"0 16 * * *\" can be at the same time as schedule.alsoSuspend \"0 16 * * 0\": \
         choose another time",
    );
    // Each of the lines is compared with each of the others.
    check(
        &both(&["0 1 29 2 *", "0 9 29 2 *", "0 9 * * 6"], &["0 1 28 2 *", "0 11 29 2 *", "0 9 24 12 *"]),
        "schedule.alsoResume \"0 9 24 12 *\" can be at the same time as schedule.alsoSuspend \"0 9 * * 6\": \
         choose another time",
    );
    check(
        &Schedule { suspend: vec!["0 19 * * *".to_owned()], ..both(&[], &["0 19 * * 6"]) },
        "schedule.alsoResume \"0 19 * * 6\" can be at the same time as schedule.suspend: choose another time",
    );
    check(
        &Schedule { suspend: Vec::new(), ..both(&[], &[]) },
        "schedule.resume \"0 7 * * 1-5\" resumes only instances that the schedule suspended: add a time to suspend as well",
    );
    // No day has more than 24 times of one action.
    let (hourly, half) = ("30 0-11 * * 1-5", "45 12-23 * * 0,6");
    check(&both(&[hourly, half], &["20 0-11 * * *"]), "");
    check(
        &both(&[hourly, "45 12-23 * * 3"], &[]),
        "schedule.suspend is due more than 24 times a day, all its lines together: use fewer lines, minutes or hours",
    );
    check(
        &both(&[], &["30 0-11 * * 1-5", "45 12-23 * * 3"]),
        "schedule.resume is due more than 24 times a day, all its lines together: use fewer lines, minutes or hours",
    );
}

#[test]
fn a_schedule_has_at_most_16_lines() {
    let minutes = |from: u32, count: u32| (from..from + count).map(|minute| format!("{minute} 3 * * *")).collect();
    let with = |suspend, resume| Schedule {
        suspend: minutes(0, suspend),
        resume: minutes(30, resume),
        ..schedule("", "", "UTC")
    };
    let refused = "schedule has 17 lines of cron: the maximum is 16, to suspend and to resume together";
    for (suspend, resume, accepted) in [(16, 0, true), (8, 8, true), (17, 0, false), (1, 16, false)] {
        let schedule = with(suspend, resume);
        let said = schedule.check(InstanceType::Vm).map_err(|invalid| invalid.to_string());
        assert_eq!(said, if accepted { Ok(()) } else { Err(refused.to_owned()) });
        // A schedule that was stored while nobody was asked does nothing.
        assert_eq!(schedule.due(None, time("2026-01-02T00:00:00Z")).is_ok(), accepted);
    }
}

#[test]
fn one_line_of_each_action_is_stored_as_in_earlier_versions() {
    let text = r#"{"suspend":"0 19 * * 1-5","resume":"0 8 * * 1-5","timeZone":"Europe/Berlin","since":"2026-01-01T00:00:00Z"}"#;
    let one: Schedule = serde_json::from_str(text).unwrap();
    assert_eq!(one, schedule(NIGHT, MORNING, "Europe/Berlin"));
    assert_eq!(serde_json::to_string(&one).unwrap(), text);
    // Whoever writes the field of further lines alone means the same.
    let other = text.replace(r#""suspend":"0 19 * * 1-5""#, r#""alsoSuspend":["0 19 * * 1-5"],"alsoResume":[]"#);
    assert_eq!(serde_json::from_str::<Schedule>(&other).unwrap(), one);
}

/// The schedule as versions before several lines read and write it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Before {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    suspend: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resume: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time_zone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
}

/// An earlier version reads the first lines, so that its own checks pass, and keeps the others byte for byte. It takes the
/// unknown fields as those of a newer version. Such a cluster it neither changes nor switches.
#[test]
fn an_earlier_version_keeps_further_lines_as_those_of_a_newer_one() {
    let text = serde_json::to_string(&both(&[], &[])).unwrap();
    let (before, kept) = crate::format::read::<Before>(&text).unwrap();
    assert_eq!(
        (before.suspend.as_deref(), before.resume.as_deref(), kept.newer().as_deref()),
        (Some("0 19 * * 1-5"), Some("0 7 * * 1-5"), Some(r#""alsoSuspend", "alsoResume""#))
    );
    assert_eq!(kept.write(crate::format::encode(&before)), text);
    let (one, kept) =
        crate::format::read::<Before>(&serde_json::to_string(&schedule(NIGHT, MORNING, "")).unwrap()).unwrap();
    assert_eq!((one.suspend.as_deref(), kept.newer()), (Some(NIGHT), None));
}

#[test]
fn equal_lines_in_another_order_are_equal_schedules() {
    let now = time("2026-02-01T00:00:00Z");
    let (one, mut other) = (both(&[], &[]), both(&["0 19 * * 1-5"], &[]));
    other.suspend.reverse();
    assert!(one.is_equivalent(&other, now));
    other.resume.pop();
    assert!(!one.is_equivalent(&other, now));
}
