//! Models and properties of schedules.

use jiff::ToSpan;
use jiff::civil::DateTime;
use proptest::prelude::*;

use super::*;

/// Returns a line that happens once a day, at this minute of the day.
fn daily(minute: i16) -> String {
    format!("{} {} * * *", minute % 60, minute / 60)
}

/// The reference model: a person who reads the local clock now and then, and follows some times of each day. A time that
/// the clock skips is done after the jump. A reading that the clock shows again is not new.
struct Person<'a> {
    suspend: &'a [i16],
    resume: &'a [i16],
    latest: DateTime,
}

impl Person<'_> {
    /// Returns the state after a reading, if one of the times has passed since the previous reading.
    fn reads(&mut self, wall: DateTime) -> Option<ScheduleAction> {
        let mut newest = None;
        let mut date = self.latest.date();
        while date <= wall.date() {
            let suspend = self.suspend.iter().map(|minute| (*minute, ScheduleAction::Suspend));
            let resume = self.resume.iter().map(|minute| (*minute, ScheduleAction::Resume));
            for (minute, action) in suspend.chain(resume) {
                let at = date.at(0, 0, 0, 0) + SignedDuration::from_mins(minute.into());
                if at > self.latest && at <= wall {
                    newest = newest.max(Some((at, action)));
                }
            }
            date = date.tomorrow().unwrap();
        }
        self.latest = self.latest.max(wall);
        newest.map(|(_, action)| action)
    }
}

/// Follows a schedule through these moments in three ways: as a person, by `due`, and by the list of the next transitions.
/// The person reads the clock. All three must agree at each moment.
fn follow(zone: &TimeZone, name: &str, suspend: &[i16], resume: &[i16], moments: &[Timestamp]) {
    let lines = |minutes: &[i16]| minutes.iter().copied().map(daily).collect::<Vec<_>>();
    let schedule = Schedule {
        suspend: lines(suspend),
        resume: lines(resume),
        since: Some(Timestamp::UNIX_EPOCH),
        ..schedule("", "", name)
    };
    // The person has known the clock for a day already.
    let mut person = Person { suspend, resume, latest: zone.to_datetime(moments[0]) - 1.day() };
    let first = person.reads(zone.to_datetime(moments[0])).unwrap();
    let mut listed = schedule.after(moments[0]).unwrap().peekable();
    let (mut expected, mut last, mut next) = (first, None::<LastRun>, first);
    for now in moments {
        expected = person.reads(zone.to_datetime(*now)).unwrap_or(expected);
        if let Due::Now(transition) = schedule.due(last.as_ref(), *now).unwrap() {
            last =
                Some(LastRun { due: transition.at, at: *now, ..last_run(transition.action, "2000-01-01T00:00:00Z") });
        }
        while let Some(transition) = listed.next_if(|transition| transition.at <= *now) {
            next = transition.action;
        }
        let due = last.as_ref().map(|last| last.action);
        let what = || {
            format!("{name} at {}: suspend {:?}, resume {:?}", local_time(*now, zone), lines(suspend), lines(resume))
        };
        assert_eq!((due, next), (Some(expected), expected), "due and listed, {}", what());
    }
}

/// Returns the zones of the database, with the moments at which their clocks change in a year. Zones with the same
/// changes count once.
fn zones(year: i16) -> Vec<(String, TimeZone, Vec<Timestamp>)> {
    let at = |year| TimeZone::UTC.to_timestamp(DateTime::new(year, 1, 1, 0, 0, 0, 0).unwrap()).unwrap();
    let (from, to) = (at(year), at(year + 1));
    let mut zones = std::collections::BTreeMap::new();
    for name in TimeZoneDatabase::bundled().available() {
        let zone = zone(name.as_str()).unwrap();
        let changes = zone.following(from).take_while(|change| change.timestamp() <= to);
        let changes: Vec<(Timestamp, i32)> = changes.map(|one| (one.timestamp(), one.offset().seconds())).collect();
        let moments = changes.iter().map(|(at, _)| *at).collect();
        zones.entry((zone.to_offset(from).seconds(), changes)).or_insert((name.to_string(), zone, moments));
    }
    assert!(zones.len() > 50, "the database is read: {}", zones.len());
    zones.into_values().collect()
}

#[test]
fn every_day_of_a_year_ends_as_a_reader_of_the_clock_expects() {
    let days = DateTime::constant(2027, 1, 1, 23, 59, 59, 0).series(1.day());
    let days: Vec<DateTime> = days.take_while(|day| day.year() == 2027).collect();
    for (name, zone, changes) in zones(2027) {
        let ends: Vec<Timestamp> = days.iter().map(|end| zone.to_timestamp(*end).unwrap()).collect();
        // The clocks of Berlin go from 02:00 to 03:00, so that both times are one moment then.
        follow(&zone, &name, &[3 * 60], &[2 * 60], &ends);
        if !changes.is_empty() {
            follow(&zone, &name, &[3 * 60, 12 * 60], &[2 * 60, 22 * 60, 2 * 60 + 30], &ends);
        }
    }
}

/// Tests all pairs of times around the clock changes, and several times of each action. In 2011 the clocks of Apia left out
/// a whole day.
#[test]
fn a_change_of_the_clocks_leaves_what_a_person_expects() {
    let times = [0, 90, 120, 150, 180, 23 * 60 + 30];
    for (name, zone, changes) in [2011, 2027].into_iter().flat_map(zones) {
        for change in changes {
            let seconds = [-3600, -1, 0, 1, 1800, 3600, 7200, 25 * 3600];
            let moments = seconds.map(|seconds| change + SignedDuration::from_secs(seconds));
            for suspend in times {
                for resume in times.into_iter().filter(|resume| *resume != suspend) {
                    follow(&zone, &name, &[suspend], &[resume], &moments);
                }
                // Several lines of each action, in an order that is not that of the day.
                let (suspends, resumes): (Vec<i16>, Vec<i16>) =
                    times.into_iter().rev().partition(|time| *time == suspend || *time == (suspend + 60) % (24 * 60));
                follow(&zone, &name, &suspends, &resumes, &moments);
                follow(&zone, &name, &resumes, &suspends, &moments);
            }
        }
    }
}

proptest! {
    /// Transitions come in order, each later than the one before. The search backwards finds the same transitions as the search
    /// forwards.
    #[test]
    fn previous_and_next_find_the_same_transitions(
        from in 1_700_000_000_i64..1_900_000_000,
        minute in 0..60, hour in 0..24, other in 0..24,
        more in prop::collection::vec((any::<bool>(), 0..60, 0..24, prop::sample::select(vec!["* * 0", "1-7 * *", "* * 1-5"])), 0..4),
        zone in prop::sample::select(vec!["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC", "Pacific/Apia"]),
    ) {
        let mut schedule = Schedule {
            since: Some(Timestamp::UNIX_EPOCH),
            ..schedule(&format!("{minute} {hour} * * *"), &format!("{minute} {other} 1-15 * 1"), zone)
        };
        for (suspends, minute, hour, days) in more {
            let lines = if suspends { &mut schedule.suspend } else { &mut schedule.resume };
            lines.push(format!("{minute} {hour} {days}"));
        }
        let from = Timestamp::from_second(from).unwrap();
        let transitions: Vec<Transition> = schedule.after(from).unwrap().take(40).collect();
        prop_assert_eq!(transitions.len(), 40);
        let mut earlier = from;
        for transition in &transitions {
            prop_assert!(transition.at > earlier);
            // Just before its moment the transition is not due; from its moment on, it is.
            match schedule.due(None, transition.at - SignedDuration::from_secs(1)).unwrap() {
                Due::Now(before) => prop_assert!(before.at <= earlier),
                other => prop_assert!(false, "{:?}", other),
            }
            match schedule.due(None, transition.at).unwrap() {
                Due::Now(now) => prop_assert_eq!(now, *transition),
                other => prop_assert!(false, "{:?}", other),
            }
            earlier = transition.at;
        }
    }

    #[test]
    fn any_schedule_is_accepted_or_refused(
        suspend in "[0-9*,/a-z@ -]{0,24}", resume in "[0-9*/ -]{0,12}", zone in "[A-Za-z/+-]{0,12}",
        more in prop::collection::vec("[0-9] [0-9] [1-9*] [1-9*] [0-7*]", 0..20),
    ) {
        let mut schedule = schedule(&suspend, &resume, &zone);
        schedule.resume.extend(more);
        if schedule.check(InstanceType::Container).is_ok() {
            prop_assert!(schedule.after(Timestamp::MAX).is_ok() && schedule.due(None, Timestamp::MIN).is_ok());
        }
    }
}
