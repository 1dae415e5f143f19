use super::*;

mod model;
mod several;

const NIGHT: &str = "0 19 * * 1-5";
const MORNING: &str = "0 8 * * 1-5";

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Returns a schedule with these lines in a zone, set long ago.
fn schedule(suspend: &str, resume: &str, zone: &str) -> Schedule {
    let line = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Schedule {
        suspend: line(suspend).into_iter().collect(),
        resume: line(resume).into_iter().collect(),
        time_zone: line(zone),
        since: Some(time("2026-01-01T00:00:00Z")),
        ..Schedule::default()
    }
}

fn last_run(action: ScheduleAction, due: &str) -> LastRun {
    let due = time(due);
    let trigger = Trigger::Schedule;
    LastRun {
        action,
        trigger,
        due,
        at: due,
        changed: 1,
        failed: 0,
        skipped: 0,
        tries: 0,
        left: Vec::new(),
        reason: None,
    }
}

/// Returns the first transitions after a moment, in the local time of the schedule's zone.
fn next(schedule: &Schedule, from: &str, count: usize) -> Vec<String> {
    let zone = schedule.zone().unwrap();
    let transitions = schedule.after(time(from)).unwrap().take(count);
    transitions.map(|transition| format!("{} {}", transition.action, local_time(transition.at, &zone))).collect()
}

#[test]
fn a_line_is_read_as_cron_reads_it() {
    let check = |line: &str, from: &str, expected: &[&str]| {
        assert_eq!(next(&schedule(line, "", "UTC"), from, expected.len()), expected, "{line}");
    };
    check(NIGHT, "2026-01-02T20:00:00Z", &["suspend 2026-01-05 19:00 +00:00", "suspend 2026-01-06 19:00 +00:00"]);
    check(
        "30 6,18 * * *",
        "2026-01-02T06:30:00Z",
        &["suspend 2026-01-02 18:30 +00:00", "suspend 2026-01-03 06:30 +00:00"],
    );
    check(
        "0 */8 * * *",
        "2026-01-02T00:00:00Z",
        &["suspend 2026-01-02 08:00 +00:00", "suspend 2026-01-02 16:00 +00:00"],
    );
    check(
        "0 20/2 * * *",
        "2026-01-02T00:00:00Z",
        &["suspend 2026-01-02 20:00 +00:00", "suspend 2026-01-02 22:00 +00:00"],
    );
    check(
        "5  4 1 jan-MAR *",
        "2026-01-02T00:00:00Z",
        &["suspend 2026-02-01 04:05 +00:00", "suspend 2026-03-01 04:05 +00:00"],
    );
    // Sunday has two numbers, and a name.
    for sunday in ["0", "7", "SUN"] {
        check(&format!("0 0 * * {sunday}"), "2026-01-02T00:00:00Z", &["suspend 2026-01-04 00:00 +00:00"]);
    }
    check(
        "0 0 * * 5-7",
        "2026-01-03T00:00:00Z",
        &["suspend 2026-01-04 00:00 +00:00", "suspend 2026-01-09 00:00 +00:00"],
    );
    // Either the day of the month or the day of the week is enough.
    check(
        "0 0 13 * 5",
        "2026-01-09T12:00:00Z",
        &["suspend 2026-01-13 00:00 +00:00", "suspend 2026-01-16 00:00 +00:00"],
    );
    // The last days of months, and 29 February, which returns after four or eight years.
    check(
        "0 0 31 * *",
        "2026-01-31T00:00:00Z",
        &["suspend 2026-03-31 00:00 +00:00", "suspend 2026-05-31 00:00 +00:00"],
    );
    check("0 0 29 2 *", "2026-01-31T00:00:00Z", &["suspend 2028-02-29 00:00 +00:00"]);
    check("0 0 29 2 *", "2096-03-01T00:00:00Z", &["suspend 2104-02-29 00:00 +00:00"]);
    check(
        "59 23 28-31 12 *",
        "2026-12-31T00:00:00Z",
        &["suspend 2026-12-31 23:59 +00:00", "suspend 2027-12-28 23:59 +00:00"],
    );
}

/// The times that Kubernetes' parser finds for each line. `tests/control-plane/kubernetes/cron` makes the file.
const VECTORS: &str = include_str!("../../tests/vectors/cron.tsv");

#[test]
fn a_line_is_due_when_a_cronjob_with_it_is_due() {
    let mut seen = 0;
    for row in VECTORS.lines().filter(|row| !row.starts_with('#')) {
        let (line, expected) = row.split_once('\t').unwrap();
        let cron = match Cron::read(line) {
            Ok(cron) => cron,
            Err(why) if why.contains("is due more than 24 times") => continue,
            Err(why) => {
                assert!(expected == "error" || (expected.is_empty() && why.contains("is never due")), "{line}: {why}");
                continue;
            }
        };
        let start = time("2026-01-01T00:00:00Z");
        let times =
            std::iter::successors(cron.after(start, &TimeZone::UTC), |last| cron.after(last.at, &TimeZone::UTC));
        let times: Vec<String> =
            times.take(4).map(|happens| happens.at.strftime("%Y-%m-%dT%H:%MZ").to_string()).collect();
        assert_eq!(times.join(" "), expected, "{line}");
        seen += 1;
    }
    assert!(seen > 200, "only {seen} lines were compared");
}

#[test]
fn an_invalid_line_names_the_wrong_field() {
    let check = |line: &str, expected: &str| {
        let why = Cron::read(line).unwrap_err();
        assert!(why.contains(expected), "{line}: {why}");
    };
    for line in ["", "daily", "@daily", "0 19 * *", "0 0 19 * * 1-5", "* * * * * *"] {
        check(line, "five fields");
    }
    check("60 19 * * *", "a minute");
    check("-1 19 * * *", "a minute");
    check("+1 19 * * *", "a minute");
    check("0 24 * * *", "an hour");
    check("0 7pm * * *", "an hour");
    check("0 22-6 * * *", "has a range in the 2nd field that ends before it begins: write 22-23,0-6");
    check("0 22-6/2 * * *", "has a range in the 2nd field that ends before it begins");
    check("0 19 * * 5-1", "write 5-6,0-1");
    check("0 19 * * fri-MON", "write fri-SAT,SUN-MON");
    check("0 19 * nov-2 *", "write nov-DEC,1-2");
    check("0 23-6 * * *", "write 23,0-6");
    check("0 22-0 * * *", "write 22-23,0");
    check("0 19 * * SAT-SUN", "write SAT,SUN");
    check("0 19 * * 7-1", "that ends before it begins: write 0-1");
    check("0 19 * * 7-SUN", "write SUN");
    check("0 19 * * Friday-Monday", "has Friday in the 5th field: write FRI");
    check("0 19 * * Monday", "has Monday in the 5th field: write MON");
    check("0 19 * * Mon-friday", "has friday in the 5th field: write FRI");
    check("0 19 * june *", "has june in the 4th field: write JUN");
    check("0 19 * * Mondayandsoon", "a day of the week (the 5th field)");
    check("0 19 0 * *", "a day of the month");
    check("0 19 L * *", "a day of the month");
    check("0 19 ? * *", "a day of the month");
    check("0 19 * 13 *", "a month");
    check("0 19 * * 8", "a day of the week");
    check("0 19 * * Mon-Fry", "a day of the week");
    check("0 19 * * 1,", "a day of the week");
    check("0 19 * * */0", "a day of the week");
    check("0 19 * * */", "a day of the week");
    check("0 19 * * 1#2", "a day of the week");
    check("0 19 30 2 *", "is never due");
    check("0 19 31 2,4,6,9,11 *", "is never due");
    check("* * * * *", "more than 24 times");
    check("0,30 0-12 * * *", "more than 24 times");
    assert!(Cron::read("0 * * * *").is_ok());
}

#[test]
fn an_impossible_schedule_has_the_reason() {
    let check = |schedule: &Schedule, expected: &str| {
        let said =
            schedule.check(InstanceType::Container).map_or_else(|invalid| invalid.to_string(), |()| String::new());
        assert!(said.starts_with(expected) && said.is_empty() == expected.is_empty(), "{said}");
    };
    let good = schedule(NIGHT, MORNING, "Europe/Berlin");
    check(&good, "");
    check(&schedule(NIGHT, "", ""), "");
    check(&schedule("0 25 * * *", MORNING, ""), "schedule.suspend \"0 25 * * *\" has an hour");
    check(&schedule(NIGHT, "8 o'clock", ""), "schedule.resume \"8 o'clock\" is not a line of cron");
    check(&schedule(NIGHT, MORNING, "Europe/Berln"), "schedule.timeZone \"Europe/Berln\" is not a time zone");
    check(&schedule(NIGHT, MORNING, "CET-1CEST"), "schedule.timeZone");
    check(&schedule("", MORNING, ""), "schedule.resume \"0 8 * * 1-5\" resumes only instances");
    check(&schedule(NIGHT, NIGHT, ""), "schedule.resume \"0 19 * * 1-5\" can be at the same time");
    // The two lines meet at least once a week.
    check(&schedule(NIGHT, "0 */19 * * 3", ""), "schedule.resume \"0 */19 * * 3\" can be at the same time");
    check(&schedule("0 0 13 * *", "0 0 * * 5", ""), "schedule.resume \"0 0 * * 5\" can be at the same time");
    check(&schedule("0 0 13 * *", "0 0 14 * *", ""), "");
    check(&schedule(&format!("0 19 * * {}1", "1,".repeat(100)), "", ""), "schedule.suspend is longer than");
    check(&Schedule { since: None, ..good.clone() }, "schedule.since is missing");
    check(&Schedule::default(), "schedule is empty");
    check(&Schedule { mode: Some(Mode::Pause), ..good.clone() }, "schedule.mode \"pause\" is only for VMs");
    assert_eq!(Schedule { mode: Some(Mode::Pause), ..good.clone() }.check(InstanceType::Vm), Ok(()));
    let at = Some(time("2020-01-01T00:00:00Z"));
    let once = |suspend, resume| Schedule { once: Some(Once { suspend, resume }), ..Schedule::default() };
    check(&once(at, None), "");
    check(&once(None, None), "schedule.once must have either");
    check(&once(at, at), "schedule.once must have either");
}

#[test]
fn a_schedule_follows_the_wall_clock() {
    let berlin = schedule(NIGHT, MORNING, "Europe/Berlin");
    assert_eq!(
        next(&berlin, "2026-03-27T12:00:00Z", 3),
        ["suspend 2026-03-27 19:00 +01:00", "resume 2026-03-30 08:00 +02:00", "suspend 2026-03-30 19:00 +02:00"]
    );
    assert_eq!(
        next(&berlin, "2026-10-23T12:00:00Z", 2),
        ["suspend 2026-10-23 19:00 +02:00", "resume 2026-10-26 08:00 +01:00"]
    );
    assert_eq!(
        next(&schedule("15 6 * * *", "", "Asia/Kathmandu"), "2026-01-02T00:00:00Z", 1),
        ["suspend 2026-01-02 06:15 +05:45"]
    );
}

#[test]
fn skipped_times_run_at_the_clock_change_and_repeated_times_run_once() {
    // On 29 March 2026 the clocks of Berlin go from 02:00 to 03:00, on 25 October from 03:00 to 02:00.
    let early = schedule("30 2 * * *", "45 2 * * *", "Europe/Berlin");
    assert_eq!(
        next(&schedule("30 2 * * *", "", "Europe/Berlin"), "2026-03-28T12:00:00Z", 2),
        ["suspend 2026-03-29 03:00 +02:00", "suspend 2026-03-30 02:30 +02:00"]
    );
    assert_eq!(
        next(&early, "2026-10-24T12:00:00Z", 3),
        ["suspend 2026-10-25 02:30 +02:00", "resume 2026-10-25 02:45 +02:00", "suspend 2026-10-26 02:30 +01:00"]
    );
    let due = |schedule: &Schedule, last: Option<LastRun>, now: &str| schedule.due(last.as_ref(), time(now)).unwrap();
    // While the clock shows 02:10 for the second time, both transitions have passed.
    let resume =
        Transition { at: time("2026-10-25T00:45:00Z"), action: ScheduleAction::Resume, trigger: Trigger::Schedule };
    assert_eq!(due(&early, None, "2026-10-25T01:10:00Z"), Due::Now(resume));
    let done = last_run(ScheduleAction::Resume, "2026-10-25T00:45:00Z");
    assert_eq!(due(&early, Some(done), "2026-10-25T01:50:00Z"), Due::At(time("2026-10-26T01:30:00Z")));
    // Both transitions fall together when the clock is put forward. The one with the later local time is the newer one.
    let forward = time("2026-03-29T01:00:00Z");
    let resume = Transition { at: forward, action: ScheduleAction::Resume, trigger: Trigger::Schedule };
    assert_eq!(due(&early, None, "2026-03-29T01:00:00Z"), Due::Now(resume));
    let other = schedule("45 2 * * *", "30 2 * * *", "Europe/Berlin");
    assert_eq!(
        due(&other, None, "2026-03-29T01:00:00Z"),
        Due::Now(Transition { action: ScheduleAction::Suspend, ..resume })
    );
    assert_eq!(
        due(&early, None, "2026-03-29T00:59:59Z"),
        Due::Now(Transition { at: time("2026-03-28T01:45:00Z"), ..resume })
    );
}

/// The schedule leaves the cluster on for one hour of each night, and one night does not have that hour. The suspension
/// has the later local time, so it decides.
#[test]
fn the_later_local_time_decides_in_a_skipped_hour() {
    let hour = schedule("0 3 * * *", "0 2 * * *", "Europe/Berlin");
    assert_eq!(
        next(&hour, "2027-03-27T12:00:00Z", 3),
        ["suspend 2027-03-28 03:00 +02:00", "resume 2027-03-29 02:00 +02:00", "suspend 2027-03-29 03:00 +02:00"]
    );
    let last = last_run(ScheduleAction::Suspend, "2027-03-27T02:00:00Z");
    assert_eq!(due(&hour, Some(&last), "2027-03-28T00:59:59Z"), "at 2027-03-28T01:00:00Z");
    assert_eq!(due(&hour, Some(&last), "2027-03-28T01:00:00Z"), "suspend 2027-03-28T01:00:00Z");
    // If one line has two times in the missing hour, the later one is the transition.
    let halves = schedule("0,30 2 * * *", "15 2 * * *", "Europe/Berlin");
    assert_eq!(next(&halves, "2027-03-27T12:00:00Z", 2)[0], "suspend 2027-03-28 03:00 +02:00");
}

/// Returns what is due: `suspend 2026-..`, `at 2026-..`, or `never`.
fn due(schedule: &Schedule, last: Option<&LastRun>, now: &str) -> String {
    match schedule.due(last, time(now)).unwrap() {
        Due::Now(Transition { at, action, trigger: Trigger::Schedule }) => format!("{action} {at}"),
        Due::Now(Transition { at, action, trigger: Trigger::Once }) => format!("once {action} {at}"),
        Due::At(at) => format!("at {at}"),
        Due::Never => "never".to_owned(),
    }
}

#[test]
fn only_the_newest_missed_transition_since_the_schedule_was_set_is_due() {
    let weekdays = schedule(NIGHT, MORNING, "UTC");
    let last = last_run(ScheduleAction::Suspend, "2026-01-05T19:00:00Z");
    assert_eq!(due(&weekdays, Some(&last), "2026-01-05T23:00:00Z"), "at 2026-01-06T08:00:00Z");
    assert_eq!(due(&weekdays, Some(&last), "2026-01-06T08:00:00Z"), "resume 2026-01-06T08:00:00Z");
    // The transition is still due days later.
    assert_eq!(due(&weekdays, Some(&last), "2026-01-10T12:00:00Z"), "suspend 2026-01-09T19:00:00Z");
    let late =
        LastRun { at: time("2026-01-10T12:00:00Z"), ..last_run(ScheduleAction::Suspend, "2026-01-09T19:00:00Z") };
    assert_eq!(due(&weekdays, Some(&late), "2026-01-10T12:00:00Z"), "at 2026-01-12T08:00:00Z");
    assert_eq!(late.late(), SignedDuration::from_hours(17));
    // A schedule that was set at noon does not resume instances that were suspended the night before.
    let today = Schedule { since: Some(time("2026-01-06T12:00:00Z")), ..weekdays.clone() };
    assert_eq!(due(&today, None, "2026-01-06T12:00:01Z"), "at 2026-01-06T19:00:00Z");
    assert_eq!(due(&today, None, "2026-01-06T19:00:00Z"), "suspend 2026-01-06T19:00:00Z");
    // A replica whose clock is ahead has executed the transition already.
    assert_eq!(due(&weekdays, Some(&late), "2026-01-09T18:59:59Z"), "at 2026-01-09T19:00:00Z");
    assert_eq!(
        due(&weekdays, Some(&last_run(ScheduleAction::Resume, "2026-01-07T08:00:00Z")), "2026-01-07T07:59:00Z"),
        "at 2026-01-07T08:00:00Z"
    );
}

#[test]
fn a_skip_leaves_out_earlier_transitions() {
    let skipping = Schedule { skip_until: Some(time("2026-01-07T08:00:00Z")), ..schedule(NIGHT, MORNING, "UTC") };
    assert_eq!(due(&skipping, None, "2026-01-06T20:00:00Z"), "at 2026-01-07T08:00:00Z");
    assert_eq!(due(&skipping, None, "2026-01-07T08:00:00Z"), "resume 2026-01-07T08:00:00Z");
    let once = Schedule { once: Some(Once { resume: Some(time("2026-01-05T00:00:00Z")), suspend: None }), ..skipping };
    assert_eq!(due(&once, None, "2026-01-05T00:00:00Z"), "once resume 2026-01-05T00:00:00Z");
    assert_eq!(
        next(&once, "2026-01-04T00:00:00Z", 2),
        ["resume 2026-01-05 00:00 +00:00", "resume 2026-01-07 08:00 +00:00"]
    );
}

#[test]
fn a_single_transition_has_no_effect_after_it_ran() {
    let at = "2026-01-06T12:00:00Z";
    let once = Schedule { once: Some(Once { resume: Some(time(at)), suspend: None }), ..Schedule::default() };
    assert_eq!(due(&once, None, "2026-01-06T11:00:00Z"), format!("at {at}"));
    assert_eq!(due(&once, None, "2026-01-06T12:00:00Z"), format!("once resume {at}"));
    let done = LastRun { trigger: Trigger::Once, ..last_run(ScheduleAction::Resume, at) };
    assert!(once.is_live(None) && !once.is_live(Some(&done)));
    assert!(once.is_live(Some(&LastRun { tries: 1, ..done.clone() })), "it is tried again");
    assert_eq!(due(&once, Some(&done), "2026-01-06T12:00:00Z"), "never");
    // Beside lines, the single transition is one transition among others.
    let both = Schedule { once: once.once.clone(), ..schedule(NIGHT, MORNING, "UTC") };
    assert_eq!(due(&both, Some(&done), "2026-01-06T13:00:00Z"), "at 2026-01-06T19:00:00Z");
    assert_eq!(due(&both, None, "2026-01-06T19:30:00Z"), "suspend 2026-01-06T19:00:00Z");
    assert_eq!(
        due(&both, Some(&last_run(ScheduleAction::Suspend, "2026-01-06T19:00:00Z")), "2026-01-06T20:00:00Z"),
        "at 2026-01-07T08:00:00Z"
    );
    assert!(
        !once.renewed(time("2026-01-07T00:00:00Z")).is_live(None),
        "a cluster made later does not catch up with it"
    );
}

#[test]
fn a_refused_transition_is_retried_with_backoff_until_the_next_one() {
    let weekdays = schedule(NIGHT, MORNING, "UTC");
    let mut last = LastRun { tries: 1, ..last_run(ScheduleAction::Resume, "2026-01-06T08:00:00Z") };
    assert_eq!(due(&weekdays, Some(&last), "2026-01-06T08:00:29Z"), "at 2026-01-06T08:00:30Z");
    assert_eq!(due(&weekdays, Some(&last), "2026-01-06T08:00:30Z"), "resume 2026-01-06T08:00:00Z");
    last = LastRun { tries: 3, at: time("2026-01-06T08:02:00Z"), ..last };
    assert_eq!(due(&weekdays, Some(&last), "2026-01-06T08:02:01Z"), "at 2026-01-06T08:04:00Z");
    last = LastRun { tries: 4_000_000_000, at: time("2026-01-06T18:55:00Z"), ..last };
    assert_eq!(due(&weekdays, Some(&last), "2026-01-06T18:56:00Z"), "at 2026-01-06T19:00:00Z");
    assert_eq!(due(&weekdays, Some(&last), "2026-01-06T19:00:00Z"), "suspend 2026-01-06T19:00:00Z");
    last.at = time("2026-01-06T18:40:00Z");
    assert_eq!(due(&weekdays, Some(&last), "2026-01-06T18:41:00Z"), "at 2026-01-06T18:50:00Z");
}

#[test]
fn equal_schedules_are_equal_whenever_they_were_set() {
    let now = time("2026-02-01T00:00:00Z");
    let one = schedule(NIGHT, MORNING, "UTC");
    let other = Schedule { since: Some(now), once: Some(Once { suspend: Some(now), resume: None }), ..one.clone() };
    assert!(one.is_equivalent(&other, now));
    assert!(!one.is_equivalent(&schedule(NIGHT, "0 9 * * *", "UTC"), now));
}
