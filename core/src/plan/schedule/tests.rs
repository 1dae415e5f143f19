use super::*;
use crate::account::tests::{account, name, want};
use crate::plan::tests::{HELD, WEB, time, written};
use crate::vocabulary::{InstanceType, Trigger};

const NOW: &str = "2026-03-02T12:00:00Z";
const SINCE: &str = "2026-01-01T00:00:00Z";

fn wish() -> Wish {
    Wish {
        name: name("web"),
        suspend: Vec::new(),
        resume: Vec::new(),
        time_zone: None,
        mode: None,
        skip_until: None,
        clear: false,
    }
}

fn own(text: &str) -> String {
    text.to_owned()
}

/// Returns a schedule that suspends every night.
fn nights() -> Schedule {
    Schedule { suspend: vec![own("0 19 * * *")], since: Some(time(SINCE)), ..Schedule::default() }
}

fn stored(schedule: Option<Schedule>) -> String {
    Want { schedule, ..want(3, "cpu=2,memory=4Gi") }.stored()
}

fn planned(wish: &Wish, before: Option<Schedule>) -> Result<Plan, Refusal> {
    plan(wish, &account(&[("want.web", &stored(before))]), time(NOW))
}

#[test]
fn a_changed_schedule_starts_now_and_an_equal_one_continues() {
    let now = Some(time(NOW));
    let skip = time("2026-03-10T00:00:00Z");
    let paused = Some(Moment::At(skip));
    for (wish, before, next, word) in [
        (
            Wish { suspend: vec![own("0 19 * * *")], ..wish() },
            None,
            Some(Schedule { since: now, ..nights() }),
            "scheduled",
        ),
        (Wish { suspend: vec![own("0 19 * * *")], ..wish() }, Some(nights()), Some(nights()), "unchanged"),
        (
            Wish { resume: vec![own("0 8 * * *")], ..wish() },
            Some(nights()),
            Some(Schedule { resume: vec![own("0 8 * * *")], since: now, ..nights() }),
            "scheduled",
        ),
        (
            Wish { time_zone: Some(own("Europe/Berlin")), ..wish() },
            Some(nights()),
            Some(Schedule { time_zone: Some(own("Europe/Berlin")), since: now, ..nights() }),
            "scheduled",
        ),
        (
            Wish { mode: Some(Mode::Halt), ..wish() },
            Some(nights()),
            Some(Schedule { mode: Some(Mode::Halt), since: now, ..nights() }),
            "scheduled",
        ),
        // A skip alone leaves the lines as they were set.
        (
            Wish { skip_until: paused, ..wish() },
            Some(nights()),
            Some(Schedule { skip_until: Some(skip), ..nights() }),
            "scheduled",
        ),
        (
            Wish { skip_until: paused, ..wish() },
            Some(Schedule { skip_until: Some(skip), ..nights() }),
            Some(Schedule { skip_until: Some(skip), ..nights() }),
            "unchanged",
        ),
        (Wish { clear: true, ..wish() }, Some(nights()), None, "unscheduled"),
        (Wish { clear: true, ..wish() }, None, None, "unchanged"),
    ] {
        let plan = planned(&wish, before.clone()).unwrap();
        assert_eq!((&plan.next, plan.word), (&next, word), "{wish:?}");
        assert_eq!(plan.write.account.cluster(&name("web")).want.unwrap().schedule, next);
        assert_eq!(plan.write.change.is_empty(), word == "unchanged", "{wish:?}");
        assert_eq!(plan.write(&account(&[("want.web", &stored(before))])), Ok(plan.write.clone()));
        let after = match word {
            "unscheduled" => Some("suspended instances stay suspended: kubectl cmp resume cluster web"),
            _ if !wish.resume.is_empty() => Some("cluster/web schedule changed; --suspend \"0 19 * * *\" stays"),
            _ => None,
        };
        assert_eq!(plan.after.as_deref(), after);
        assert_eq!(plan.lines.is_empty(), wish.clear);
    }
}

/// Returns a schedule of Monday to Friday and of Sunday, each with its own hours.
fn both() -> Schedule {
    Schedule {
        suspend: vec![own("0 19 * * 1-5"), own("0 16 * * 0")],
        resume: vec![own("0 7 * * 1-5"), own("0 10 * * 0")],
        since: Some(time(SINCE)),
        ..Schedule::default()
    }
}

#[test]
fn given_lines_replace_those_of_their_action_and_the_others_stay() {
    let now = Some(time(NOW));
    let lines = |lines: &[&str]| lines.iter().map(|line| own(line)).collect::<Vec<_>>();
    let with = |suspend: &[&str], resume: &[&str]| Wish { suspend: lines(suspend), resume: lines(resume), ..wish() };
    let one = Schedule { resume: lines(&["0 8 * * *"]), ..nights() };
    // Columns: the flags, the schedule before, the schedule after, and the line that says which lines stay.
    for (wish, before, next, said) in [
        (
            with(&["0 19 * * 1-5", "0 16 * * 0"], &["0 7 * * 1-5", "0 10 * * 0"]),
            None,
            Schedule { since: now, ..both() },
            "",
        ),
        (
            with(&["0 20 * * *"], &[]),
            Some(one.clone()),
            Schedule { suspend: lines(&["0 20 * * *"]), since: now, ..one.clone() },
            "cluster/web schedule changed; --resume \"0 8 * * *\" stays",
        ),
        (
            with(&["0 20 * * *"], &[]),
            Some(both()),
            Schedule { suspend: lines(&["0 20 * * *"]), since: now, ..both() },
            "cluster/web schedule changed; --suspend replaces --suspend \"0 19 * * 1-5\" --suspend \"0 16 * * 0\"; \
             --resume \"0 7 * * 1-5\" --resume \"0 10 * * 0\" stay",
        ),
        (
            with(&[], &["0 6 * * *", "0 9 * * 0", "0 6 * * *"]),
            Some(both()),
            Schedule { resume: lines(&["0 6 * * *", "0 9 * * 0"]), since: now, ..both() },
            "cluster/web schedule changed; --resume replaces --resume \"0 7 * * 1-5\" --resume \"0 10 * * 0\"; \
             --suspend \"0 19 * * 1-5\" --suspend \"0 16 * * 0\" stay",
        ),
        // The lines in another order mean the same.
        (with(&["0 16 * * 0", "0 19 * * 1-5"], &[]), Some(both()), both(), ""),
        (
            with(&["0 20 * * *"], &["0 8 * * *"]),
            Some(both()),
            Schedule { suspend: lines(&["0 20 * * *"]), since: now, ..one.clone() },
            "",
        ),
        (
            Wish { time_zone: Some(own("Asia/Tokyo")), ..wish() },
            Some(both()),
            Schedule { time_zone: Some(own("Asia/Tokyo")), since: now, ..both() },
            "",
        ),
    ] {
        let plan = planned(&wish, before).unwrap();
        assert_eq!((plan.next, plan.after.as_deref().unwrap_or_default()), (Some(next), said), "{wish:?}");
    }
    let shown = planned(&with(&["0 19 * * 1-5", "0 16 * * 0"], &["0 7 * * 1-5", "0 10 * * 0"]), None).unwrap();
    assert_eq!(shown.lines[1..3], ["  suspend  2026-03-02 19:00 +00:00", "  resume   2026-03-03 07:00 +00:00"]);
}

#[test]
fn the_next_transitions_are_printed_in_the_time_zone() {
    let berlin = Wish {
        suspend: vec![own("0 19 * * 1-5")],
        resume: vec![own("0 8 * * 1-5")],
        time_zone: Some(own("Europe/Berlin")),
        ..wish()
    };
    assert_eq!(
        planned(&berlin, None).unwrap().lines,
        [
            "cluster/web, by the clocks of Europe/Berlin:",
            "  suspend  2026-03-02 19:00 +01:00",
            "  resume   2026-03-03 08:00 +01:00",
            "  suspend  2026-03-03 19:00 +01:00",
            "  resume   2026-03-04 08:00 +01:00",
            "  suspend  2026-03-04 19:00 +01:00",
        ]
    );
    // A local time is read in the time zone of the schedule.
    let wall = Wish { skip_until: Some(Moment::Wall("2026-03-03T12:00:00".parse().unwrap())), ..berlin };
    let plan = planned(&wall, None).unwrap();
    assert_eq!(plan.next.unwrap().skip_until, Some(time("2026-03-03T11:00:00Z")));
    assert_eq!(plan.lines[1], "  suspend  2026-03-03 19:00 +01:00");
}

#[test]
fn an_impossible_schedule_is_refused_with_the_name_of_the_flag() {
    assert_eq!(
        says_something(&wish()).unwrap_err().to_string(),
        "nothing to change in the schedule\n\
         hint: use --suspend and --resume, or --skip-until, or --clear\n\
         hint: to show the current schedule: kubectl cmp get schedule web"
    );
    let skip = Wish { skip_until: Some(Moment::At(time(NOW))), ..wish() };
    for some in [
        Wish { suspend: vec![own("0 19 * * *")], ..wish() },
        Wish { resume: vec![own("0 8 * * *")], ..wish() },
        Wish { time_zone: Some(own("UTC")), ..wish() },
        Wish { mode: Some(Mode::Halt), ..wish() },
        Wish { clear: true, ..wish() },
        skip.clone(),
    ] {
        assert_eq!(says_something(&some), Ok(()));
    }
    let none = "cluster web has no schedule that suspends it\n\
                hint: set one with --suspend, as in --suspend '0 19 * * 1-5'";
    for (wish, expected) in [
        (skip, none),
        (Wish { resume: vec![own("0 8 * * *")], ..wish() }, none),
        (
            Wish { suspend: vec![own("0 19 * * *")], time_zone: Some(own("Mars")), ..wish() },
            "--time-zone 'Mars' is not a time zone: use a name of the IANA database, such as Europe/Berlin, or UTC",
        ),
        (
            Wish { suspend: vec![own("0 19 * * *")], resume: vec![own("0 19 * * *")], ..wish() },
            "--resume '0 19 * * *' can be at the same time as --suspend: choose another time",
        ),
        (
            Wish { suspend: vec![own("0 19 * * *")], mode: Some(Mode::Pause), ..wish() },
            "--mode 'pause' is only for VMs: use halt for containers",
        ),
        (
            Wish { suspend: both().suspend, resume: vec![own("0 7 * * 1-5"), own("0 16 * * 6-7")], ..wish() },
            "--resume '0 16 * * 6-7' can be at the same time as --suspend '0 16 * * 0': choose another time",
        ),
        (
            Wish { suspend: (0..17).map(|minute| format!("{minute} 19 * * *")).collect(), ..wish() },
            "schedule has 17 lines of cron: the maximum is 16, to suspend and to resume together",
        ),
        (
            Wish { suspend: vec![own("0 * * * 1"), own("30 19 * * *")], ..wish() },
            "--suspend is due more than 24 times a day, all its lines together: use fewer lines, minutes or hours",
        ),
    ] {
        assert_eq!(planned(&wish, None).unwrap_err().to_string(), expected, "{wish:?}");
    }
    let refused = plan(&Wish { clear: true, ..wish() }, &account(&[("held.web", HELD)]), time(NOW)).unwrap_err();
    assert!(refused.to_string().starts_with("cluster web has no specification"));
    let empty = Schedule::default().check(InstanceType::Container).unwrap_err();
    assert_eq!(invalid(&empty).to_string(), empty.to_string());
}

#[test]
fn a_temporary_verb_is_ended_by_a_single_transition() {
    let at = in_so_long(time(NOW), core::time::Duration::from_hours(3)).unwrap();
    assert_eq!(at, time("2026-03-02T15:00:00Z"));
    let long = in_so_long(time(NOW), core::time::Duration::MAX).unwrap_err();
    assert_eq!(long.to_string(), "--for: the duration is too long");
    let earlier = Schedule {
        time_zone: Some(own("Europe/Berlin")),
        once: Some(Once { suspend: Some(time(NOW)), resume: None }),
        ..nights()
    };
    let resumed = "cluster/web: it is resumed at 2026-03-02 15:00 +00:00";
    let suspended = "cluster/web: it is suspended at 2026-03-02 16:00 +01:00";
    for (verb, before, once, line) in [
        (Verb::Suspend, None, Once { suspend: None, resume: Some(at) }, resumed),
        (Verb::Resume, Some(earlier), Once { suspend: Some(at), resume: None }, suspended),
    ] {
        let back = Back::of(verb, at);
        let account = account(&[("want.web", &stored(before.clone()))]);
        let write = back.write(&account, &name("web")).unwrap();
        let schedule = Schedule { once: Some(once), ..before.unwrap_or_default() };
        assert_eq!(write.account.cluster(&name("web")).want.unwrap().schedule, Some(schedule));
        assert_eq!(back.line(&write.account, &name("web")).unwrap(), line);
    }
    let refused = written(Back::of(Verb::Suspend, at).write(&account(&[]), &name("web")));
    assert!(refused.starts_with("cluster web has no specification"), "{refused}");
    assert!(written(Back::of(Verb::Suspend, at).write(&account(&[("want.web", WEB)]), &name("web"))).contains("once"));
}

#[test]
fn an_expired_timer_is_left_out_with_a_line() {
    let timer = |action| Transition { at: time(NOW), action, trigger: Trigger::Once };
    let berlin = Schedule { time_zone: Some(own("Europe/Berlin")), ..Schedule::default() };
    let want = |schedule| Want { schedule, ..want(1, "cpu=1,memory=1Gi") };
    assert_eq!(
        timer_left_out(&name("web"), &want(None), timer(ScheduleAction::Suspend)),
        ["cluster/web: left out the expired timer to suspend it at 2026-03-02 12:00 +00:00"]
    );
    assert_eq!(
        timer_left_out(&name("web"), &want(Some(berlin)), timer(ScheduleAction::Resume)),
        [
            "cluster/web: left out the expired timer to resume it at 2026-03-02 13:00 +01:00",
            "hint: its instances stay suspended: kubectl cmp resume cluster web",
        ]
    );
}
