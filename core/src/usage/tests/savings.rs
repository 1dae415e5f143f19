//! The saving by schedules of other clusters.

use super::*;
use crate::schedule::Schedule;
use crate::usage::savings::{Planned, offers};

fn planned(owner: &str, cluster: &str, schedule: Option<Schedule>) -> Planned {
    Planned { owner: owner.parse().unwrap(), cluster: cluster.parse().unwrap(), schedule }
}

fn schedule(suspend: &[&str], resume: &[&str], zone: Option<&str>) -> Schedule {
    let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
    Schedule {
        suspend: lines(suspend),
        resume: lines(resume),
        time_zone: zone.map(str::to_owned),
        ..Schedule::default()
    }
}

#[test]
fn a_cluster_without_a_schedule_would_save_its_nights() {
    // Monday to Sunday; the clocks of Berlin go back on Sunday morning.
    let range = range("2026-10-19T00:00:00Z", "2026-10-26T00:00:00Z");
    let nights = || schedule(&["0 19 * * *"], &["0 7 * * *"], Some("Europe/Berlin"));
    let mut all = vec![
        planned("john", "web", None),
        planned("john", "db", Some(nights())),
        planned("mary", "a", Some(nights())),
        planned("mary", "b", Some(schedule(&["0 20 * * 5"], &["0 20 * * 6"], None))),
        planned("mary", "c", Some(schedule(&["0 20 * * 5"], &[], None))),
    ];
    let on = |name: &str| span(name, State::Running, "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z");
    let off = |name: &str| span(name, State::Suspended, "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z");
    let paused = Span { paused: true, ..off("web-2") };
    let spans = [on("web-0"), off("web-1"), paused, on("db-0"), on("gone-0")];
    let found = offers(range, &all, &spans, &Rates::default()).unwrap();
    let text: Vec<String> = found
        .iter()
        .map(|offer| {
            let hours = |uses: &Uses, name: &str| uses.hours(&named(name), 0);
            let clusters =
                offer.clusters.iter().map(|(cluster, owner, own)| format!("{cluster} {owner} {}", hours(own, "cpu")));
            let all = clusters.collect::<Vec<_>>().join(", ");
            format!(
                "{} x {}: {} {} {}; {all}",
                offer.pattern.suspend[0],
                offer.users,
                hours(&offer.saved, "cpu"),
                hours(&offer.saved, "memory"),
                hours(&offer.saved, "storage")
            )
        })
        .collect();
    // The range begins at 02:00 and ends at 01:00 of Berlin: 5 hours, five nights of 12, one of 13, and 6 hours; two cores.
    assert_eq!(text, ["0 19 * * * x 2: 168 336 0; web john 168", "0 20 * * 5 x 1: 48 96 0; web john 48"]);
    // A year of minutes is no example, and neither is a schedule without a resumption.
    all.push(planned("mary", "d", Some(schedule(&["* * * * *"], &["30 * * * *"], None))));
    let year = Range { from: range.from, until: at("2027-10-19T00:00:00Z") };
    let found = offers(year, &all, &spans, &Rates::default()).unwrap();
    let lines: Vec<&str> = found.iter().map(|offer| offer.pattern.suspend[0].as_str()).collect();
    assert_eq!(lines, ["0 19 * * *", "0 20 * * 5"]);
}

proptest! {
    #[test]
    fn the_saving_is_the_same_if_a_span_is_cut(spans in spans(), cut in 0..60_i64) {
        let range = range("2026-10-24T05:00:00Z", "2026-10-26T17:00:00Z");
        let all = [
            planned("john", "c0", None),
            planned("jane", "c1", None),
            planned("mary", "x", Some(schedule(&["0 19 * * *"], &["0 7 * * *"], Some("Europe/Berlin")))),
        ];
        let cut = range.from + SignedDuration::from_hours(cut);
        let pieces: Vec<Span> = spans
            .iter()
            .flat_map(|span| {
                let at = cut.clamp(span.from, span.until);
                [Span { until: at, ..span.clone() }, Span { from: at, ..span.clone() }]
            })
            .collect();
        prop_assert_eq!(offers(range, &all, &pieces, &Rates::default()).unwrap(), offers(range, &all, &spans, &Rates::default()).unwrap());
    }
}
