//! The series of a page have the sums of the rows of a report.

use super::*;
use crate::usage::overview::{Level, Overview, overview};
use crate::usage::slots::Unit;

fn berlin() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
}

fn of(range: Range, zone: &TimeZone, spans: &[Span], quotas: &[Level], watched: &[Watched]) -> Option<Overview> {
    overview::overview(range, zone, spans, quotas, watched).unwrap()
}

fn whole(range: Range) -> Vec<Watched> {
    vec![Watched { from: range.from, until: range.until }]
}

/// Returns hours of cores.
fn hours(sums: &[i128]) -> Vec<i128> {
    sums.iter().map(|sum| sum / (NANO * HOUR)).collect()
}

#[test]
fn a_day_of_25_hours_has_25_hours_of_use_and_of_quota() {
    let range = range("2026-10-23T22:00:00Z", "2026-10-26T23:00:00Z");
    let on = span("web-0", State::Running, "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z");
    let night = span("web-1", State::Suspended, "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
    let mary = Span {
        owner: "mary".parse().unwrap(),
        ..span("db-0", State::Running, "2026-10-25T08:00:00Z", "2026-10-25T09:00:00Z")
    };
    let quota = Level {
        owner: "john".to_owned(),
        amounts: Resources::from_list("cpu=10").unwrap(),
        times: Watched { from: at("2026-10-25T11:00:00Z"), until: at("2026-12-01T00:00:00Z") },
    };
    let shown = of(range, &berlin(), &[mary, on, night], &[quota], &whole(range)).unwrap();
    assert_eq!(shown.unit, Unit::Day);
    let users: Vec<&str> = shown.uses[0].users.iter().map(|series| series.user.as_str()).collect();
    assert_eq!((shown.uses[0].resource, users), ("cpu", vec!["john", "mary"]));
    assert_eq!(hours(&shown.uses[0].users[0].sums), [48, 50, 48]);
    assert_eq!(hours(&shown.uses[0].users[1].sums), [0, 2, 0]);
    // The quota was set at noon of the long day.
    assert_eq!(hours(shown.uses[0].quota.as_ref().unwrap()), [0, 120, 240]);
    assert_eq!(shown.uses[1].quota, None, "there is no quota of memory");
    // Two hours of that Sunday are the same hour by the clock.
    assert_eq!(hours(&[shown.hours[6][2].sum, shown.hours[6][3].sum]), [4, 2]);
    assert_eq!((shown.hours[6][2].watched, shown.hours[6][3].watched), (2 * HOUR, HOUR));
    assert_eq!((shown.hours[1][2].sum, shown.hours[1][2].watched), (0, 0), "Tuesday is not in the range");
    // The night of web-1 is a third of the time of both and of mary's hour.
    let weeks: Vec<(i128, i128)> = shown.weeks.iter().map(|week| (week.off / HOUR, week.existed / HOUR)).collect();
    assert_eq!(weeks, [(25, 75), (0, 24)]);
}

#[test]
fn a_page_begins_and_ends_with_the_observation() {
    let range = range("2026-11-01T00:00:00Z", "2026-11-30T00:00:00Z");
    let on = [span("web-0", State::Running, "2026-11-02T00:00:00Z", "2026-11-06T00:00:00Z")];
    assert_eq!(of(range, &TimeZone::UTC, &on, &[], &[]), None);
    let watched = [("2026-11-02T00:00:00Z", "2026-11-03T12:00:00Z"), ("2026-11-04T12:00:00Z", "2026-11-06T00:00:00Z")];
    let watched = watched.map(|(from, until)| Watched { from: at(from), until: at(until) });
    let shown = of(range, &TimeZone::UTC, &on, &[], &watched).unwrap();
    assert_eq!((shown.shown.from, shown.shown.until), (watched[0].from, watched[1].until));
    assert_eq!(shown.gaps, [Watched { from: watched[0].until, until: watched[1].from }]);
    assert_eq!(hours(&shown.uses[0].users[0].sums), [48; 4]);
    // An hour that nobody watched has no average.
    assert_eq!((shown.hours[1][13].watched, shown.hours[2][13].watched), (0, HOUR));
    assert_eq!(hours(&[shown.hours[1][13].sum, shown.hours[2][13].sum]), [0, 2]);
}

proptest! {
    #[test]
    fn the_series_of_a_page_are_the_rows_of_the_report(spans in spans()) {
        let range = range("2026-10-24T05:00:00Z", "2026-10-26T17:00:00Z");
        for zone in [TimeZone::UTC, berlin()] {
            let shown = of(range, &zone, &spans, &[], &whole(range)).unwrap();
            let by = |by| report(range, by, &zone, &spans, &whole(range));
            let (days, users) = (by(By::Day), by(By::User));
            for one in &shown.uses {
                let name = named(one.resource);
                for (at, row) in days.rows.iter().enumerate() {
                    let sum: i128 = one.users.iter().map(|series| series.sums[at]).sum();
                    prop_assert_eq!(sum, row.sums.used.get(&name));
                }
                for row in &users.rows {
                    let series = one.users.iter().find(|series| Key::User(series.user.clone()) == row.key);
                    let sum: i128 = series.map_or(0, |series| series.sums.iter().sum());
                    prop_assert_eq!(sum, row.sums.used.get(&name));
                }
            }
            let off: i128 = shown.weeks.iter().map(|week| week.off).sum();
            let existed: i128 = shown.weeks.iter().map(|week| week.existed).sum();
            let Sums { paused, suspended, stopped, .. } = &users.total;
            prop_assert_eq!((off, existed), (paused + suspended + stopped, users.total.existed()));
            let cells: i128 = shown.hours.iter().flatten().map(|cell| cell.sum).sum();
            let watched: i128 = shown.hours.iter().flatten().map(|cell| cell.watched).sum();
            prop_assert_eq!((cells, watched), (users.total.used.get(&named("cpu")), range.milliseconds()));
        }
    }
}
