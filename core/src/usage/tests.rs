use jiff::SignedDuration;
use jiff::tz::{self, TimeZone};
use proptest::prelude::*;

use super::price::{Money, Price, Prices};
use super::range::Moment;
use super::uses::{HOUR, NANO};
use super::*;

mod monthly;
mod overview;
mod rates;
mod savings;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Returns a span of instance `name` of user john, with 2 cores, 4 GiB and a disk of 10 GiB.
fn span(name: &str, state: State, from: &str, until: &str) -> Span {
    let instance: InstanceName = name.parse().unwrap();
    Span {
        owner: "john".parse().unwrap(),
        cluster: instance.cluster.clone(),
        cluster_uid: format!("{}-uid", instance.cluster),
        instance_uid: format!("{instance}-uid"),
        instance,
        kind: InstanceType::Container,
        state,
        paused: false,
        by: None,
        size: Resources::from_list("cpu=2,memory=4Gi,storage=10Gi").unwrap(),
        from: at(from),
        until: at(until),
    }
}

fn range(from: &str, until: &str) -> Range {
    Range { from: at(from), until: at(until) }
}

fn report(range: Range, by: By, zone: &TimeZone, spans: &[Span], watched: &[Watched]) -> Report {
    priced(range, by, zone, spans, watched, &Rates::default())
}

fn priced(range: Range, by: By, zone: &TimeZone, spans: &[Span], watched: &[Watched], rates: &Rates) -> Report {
    let mut tally = Tally::new(range, by, zone.clone(), rates);
    for span in spans {
        tally.add(span).unwrap();
    }
    tally.finish(watched)
}

/// Returns the cost of uses at prices that hold at all times.
fn cost(uses: &Uses, prices: &Prices) -> Option<Money> {
    Rates::flat(prices.clone()).cost(uses)
}

fn named(name: &str) -> ResourceName {
    name.parse().unwrap()
}

/// Formats sums as `cpu used/saved, memory used/saved, storage used/saved, suspended`.
fn shown(sums: &Sums) -> String {
    let hours = ["cpu", "memory", "storage"].map(|name| {
        let of = |uses: &Uses| uses.hours(&named(name), 2);
        format!("{}/{}", of(&sums.used), of(&sums.saved))
    });
    format!("{} {} %", hours.join(" "), sums.suspended_share())
}

#[test]
fn worked_examples() {
    use State::{Failed, Pending, Running, Stopped, Suspended};
    let day = range("2026-11-02T00:00:00Z", "2026-11-03T00:00:00Z");
    let check = |spans: &[Span], expected: &str| {
        assert_eq!(shown(&report(day, By::User, &TimeZone::UTC, spans, &[]).total), expected);
    };
    let one = |state, from: &str, until: &str| {
        span("web-0", state, &format!("2026-11-02T{from}Z"), &format!("2026-11-02T{until}Z"))
    };
    check(&[], "0.00/0.00 0.00/0.00 0.00/0.00 0.0 %");
    // Two cores for three hours.
    check(&[one(Running, "08:00:00", "11:00:00")], "6.00/0.00 12.00/0.00 30.00/0.00 0.0 %");
    // An instance that is to run holds its place, whether it has come up or not.
    check(
        &[one(Pending, "08:00:00", "09:00:00"), one(Failed, "09:00:00", "10:00:00")],
        "4.00/0.00 8.00/0.00 20.00/0.00 0.0 %",
    );
    // On for 8 hours, suspended for 16: two thirds are saved, except for the disk.
    check(
        &[one(Running, "00:00:00", "08:00:00"), one(Suspended, "08:00:00", "23:59:59.999")],
        "16.00/32.00 32.00/64.00 240.00/0.00 66.7 %",
    );
    check(&[one(Stopped, "08:00:00", "09:30:00")], "0.00/3.00 0.00/6.00 15.00/0.00 100.0 %");
    // A frozen VM is suspended, and saves nothing.
    let frozen = Span { paused: true, kind: InstanceType::Vm, ..one(Suspended, "08:00:00", "09:00:00") };
    check(&[frozen], "2.00/0.00 4.00/0.00 10.00/0.00 100.0 %");
    // Only the part in the range counts.
    check(
        &[span("web-0", Running, "2026-11-01T00:00:00Z", "2026-11-02T00:30:00Z")],
        "1.00/0.00 2.00/0.00 5.00/0.00 0.0 %",
    );
    check(
        &[span("web-0", Running, "2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z")],
        "0.00/0.00 0.00/0.00 0.00/0.00 0.0 %",
    );
    // A third of a second of half a core is more than nothing.
    let short = Span {
        size: Resources::from_list("cpu=500m").unwrap(),
        until: at("2026-11-02T08:00:00.333Z"),
        ..one(Running, "08:00:00", "08:00:01")
    };
    let total = report(day, By::User, &TimeZone::UTC, &[short], &[]).total;
    assert_eq!(total.used.seconds(&named("cpu")), "0.1665");
    assert_eq!(total.used.hours(&named("cpu"), 6), "0.000046");
}

#[test]
fn rows_are_of_users_of_clusters_or_of_days() {
    let range = range("2026-11-01T12:00:00Z", "2026-11-03T12:00:00Z");
    let mary = |span: Span| Span { owner: "mary".parse().unwrap(), ..span };
    let spans = [
        span("web-0", State::Running, "2026-11-01T20:00:00Z", "2026-11-02T04:00:00Z"),
        span("web-1", State::Running, "2026-11-02T00:00:00Z", "2026-11-02T01:00:00Z"),
        span("db-0", State::Stopped, "2026-11-02T00:00:00Z", "2026-11-02T01:00:00Z"),
        mary(span("web-0", State::Running, "2026-11-02T10:00:00Z", "2026-11-02T11:00:00Z")),
    ];
    let check = |by, zone: &TimeZone, expected: &[&str]| {
        let rows = report(range, by, zone, &spans, &[]).rows;
        let rows: Vec<String> = rows
            .iter()
            .map(|row| {
                let key = match &row.key {
                    Key::User(user) => user.to_string(),
                    Key::Cluster(cluster, user) => format!("{cluster} of {user}"),
                    Key::Day(day) => day.to_string(),
                };
                let Sums { used, .. } = &row.sums;
                format!("{key}: {} of {}", used.hours(&named("cpu"), 0), row.sums.instances())
            })
            .collect();
        assert_eq!(rows, expected);
    };
    check(By::User, &TimeZone::UTC, &["john: 18 of 3", "mary: 2 of 1"]);
    check(By::Cluster, &TimeZone::UTC, &["db of john: 0 of 1", "web of john: 18 of 2", "web of mary: 2 of 1"]);
    check(By::Day, &TimeZone::UTC, &["2026-11-01: 8 of 1", "2026-11-02: 12 of 3"]);
    // In a time zone five hours to the east, the second of November begins at 19:00.
    check(By::Day, &TimeZone::fixed(tz::offset(5)), &["2026-11-02: 20 of 3"]);
}

#[test]
fn a_day_is_as_long_as_it_is_in_its_time_zone() {
    // Berlin in the autumn of 2026: the 25th of October has 25 hours.
    let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    let range = range("2026-10-24T22:00:00Z", "2026-10-26T23:00:00Z");
    let on = span("web-0", State::Running, "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z");
    let rows = report(range, By::Day, &berlin, &[on], &[]).rows;
    let hours: Vec<String> = rows.iter().map(|row| row.sums.used.hours(&named("cpu"), 0)).collect();
    assert_eq!(hours, ["50", "48"]);
}

#[test]
fn gaps_in_observation_are_reported() {
    let range = range("2026-11-01T00:00:00Z", "2026-11-05T00:00:00Z");
    let watched = |from: &str, until: &str| Watched { from: at(from), until: at(until) };
    let times = [
        watched("2026-11-03T12:00:00Z", "2026-11-04T00:00:00Z"),
        watched("2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z"),
        watched("2026-11-01T18:00:00Z", "2026-11-02T00:00:00Z"),
        watched("2026-11-01T12:00:00Z", "2026-11-01T20:00:00Z"),
    ];
    let seen = report(range, By::Day, &TimeZone::UTC, &[], &times);
    assert_eq!(percent(seen.watched(), range.milliseconds()), "25.0");
    let expected = [
        watched("2026-11-01T00:00:00Z", "2026-11-01T12:00:00Z"),
        watched("2026-11-02T00:00:00Z", "2026-11-03T12:00:00Z"),
        watched("2026-11-04T00:00:00Z", "2026-11-05T00:00:00Z"),
    ];
    assert_eq!(seen.gaps, expected);
    // A day in between has a row, though nothing is known of it.
    let days: Vec<String> = seen
        .rows
        .iter()
        .map(|row| match (&row.key, row.watched) {
            (Key::Day(day), Some((of, seen))) => format!("{day}: {}", percent(seen, of)),
            _ => panic!("{row:?}"),
        })
        .collect();
    assert_eq!(days, ["2026-11-01: 50.0", "2026-11-02: 0.0", "2026-11-03: 50.0"]);
    let whole =
        report(range, By::User, &TimeZone::UTC, &[], &[watched("2026-10-01T00:00:00Z", "2027-01-01T00:00:00Z")]);
    assert_eq!((whole.gaps, percent(whole.range.milliseconds(), range.milliseconds())), (vec![], "100.0".to_owned()));
    let never = report(range, By::Day, &TimeZone::UTC, &[], &[]);
    assert_eq!((never.watched(), never.rows.len()), (0, 0));
}

#[test]
fn a_year_of_a_thousand_large_clusters_is_added_up() {
    let year = range("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
    let free = Rates::default();
    let mut tally = Tally::new(year, By::User, TimeZone::UTC, &free);
    let large = Resources::from_list("cpu=64,memory=1Ti,storage=4Ti").unwrap();
    for cluster in 0..1000 {
        for index in 0..3 {
            let name = format!("c{cluster}-{index}");
            let on = span(&name, State::Running, "2025-01-01T00:00:00Z", "2028-01-01T00:00:00Z");
            tally.add(&Span { size: large.clone(), ..on }).unwrap();
        }
    }
    let total = tally.finish(&[]).total;
    assert_eq!((total.clusters(), total.instances()), (1000, 3000));
    assert_eq!(total.used.hours(&named("cpu"), 2), "1681920000.00");
    assert_eq!(total.used.hours(&named("memory"), 2), "26910720000.00");
    let prices: Prices = [(named("memory"), "0.004".parse().unwrap())].into();
    assert_eq!(cost(&total.used, &prices).unwrap().decimal(2), "107642880.00");
    // A sum that does not fit is an error, and no sum wraps around. The two cases are one amount alone, and several
    // together.
    for size in ["memory=7Ei", "memory=1Ei"] {
        let mut tally = Tally::new(year, By::User, TimeZone::UTC, &free);
        let huge = Resources::from_list(size).unwrap();
        let on = span("web-0", State::Running, "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
        let added = (0..9).try_for_each(|_| tally.add(&Span { size: huge.clone(), ..on.clone() }));
        assert_eq!(added, Err(TooMuch), "{size}");
    }
}

#[test]
fn prices_are_exact() {
    let check = |text: &str, expected: Option<&str>| {
        let price = text.parse::<Price>().ok().map(|price| price.to_string());
        assert_eq!(price.as_deref(), expected, "{text:?}");
    };
    check("0.03", Some("0.03"));
    check("3", Some("3"));
    check("10", Some("10"));
    check("0.000000001", Some("0.000000001"));
    check("999999999.999999999", Some("999999999.999999999"));
    for bad in ["", ".", ".5", "5.", "-1", "+1", "1e3", "0,03", "0.0000000001", "1000000000", "1.2.3", " 1", "0.03EUR"]
    {
        check(bad, None);
    }
    let cost_of = |text: &str, price: &str, hours: i64| {
        let day = range("2026-11-02T00:00:00Z", "2026-12-02T00:00:00Z");
        let on = span("web-0", State::Running, "2026-11-02T00:00:00Z", "2026-11-03T00:00:00Z");
        let size = Resources::from_list(text).unwrap();
        let until = on.from + SignedDuration::from_hours(hours);
        let total = report(day, By::User, &TimeZone::UTC, &[Span { size, until, ..on }], &[]).total;
        let prices: Prices = [(named(text.split('=').next().unwrap()), price.parse().unwrap())].into();
        cost(&total.used, &prices).unwrap().decimal(9)
    };
    assert_eq!(cost_of("cpu=3", "0.1", 1), "0.300000000");
    assert_eq!(cost_of("memory=1Gi", "999999999.999999999", 24), "23999999999.999999976");
    // A thousandth of a core at 0.0000005 an hour: the cost is rounded, not cut.
    assert_eq!(cost_of("cpu=1m", "0.0000005", 1), "0.000000001");
    assert_eq!(cost_of("memory=512Mi", "7.000000001", 1), "3.500000001");
    assert_eq!(cost_of("a.b/c=2", "0.5", 3), "3.000000000");
}

#[test]
fn times_are_read_as_people_write_them() {
    let now = at("2026-11-25T12:00:00Z");
    let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    let check = |from: Option<&str>, to: Option<&str>, expected: (&str, &str)| {
        let read = |text: Option<&str>| text.map(|text| text.parse::<Moment>().unwrap());
        let range = Range::new(read(from).as_ref(), read(to).as_ref(), now, &berlin).unwrap();
        assert_eq!((range.from, range.until), (at(expected.0), at(expected.1)), "{from:?} {to:?}");
    };
    check(None, None, ("2026-10-26T12:00:00Z", "2026-11-25T12:00:00Z"));
    check(Some("7d"), None, ("2026-11-18T12:00:00Z", "2026-11-25T12:00:00Z"));
    check(Some("2w"), Some("36h"), ("2026-11-11T12:00:00Z", "2026-11-24T00:00:00Z"));
    check(Some("2026-10-25"), Some("2026-10-25"), ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"));
    check(Some("2026-10"), Some("2026-10"), ("2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z"));
    check(Some("2026-11"), Some("2026-11"), ("2026-10-31T23:00:00Z", "2026-11-25T12:00:00Z"));
    check(Some("2026-11-01T08:00:00+01:00"), None, ("2026-11-01T07:00:00Z", "2026-11-25T12:00:00Z"));
    check(None, Some("2026-11-01"), ("2026-10-02T23:00:00Z", "2026-11-01T23:00:00Z"));
    for bad in [
        "",
        "7",
        "d",
        "0d",
        "-7d",
        "7 d",
        "7x",
        "30m",
        "yesterday",
        "2026",
        "2026-13",
        "2026-02-30",
        "25.11.2026",
        "2026-11-01 08:00",
        "2026-11-01T08:00:00",
        "9999999999d",
        "99999999999999999999w",
    ] {
        assert!(bad.parse::<Moment>().is_err(), "{bad:?}");
    }
    let wrong = |from: &str, to: Option<&str>| {
        let to = to.map(|to| to.parse::<Moment>().unwrap());
        Range::new(Some(&from.parse().unwrap()), to.as_ref(), now, &berlin).unwrap_err()
    };
    assert_eq!(wrong("2026-12-01", None), "--from 2026-11-30T23:00:00Z is in the future: use an earlier time");
    assert_eq!(wrong("7d", Some("8d")), "--from 2026-11-18T12:00:00Z is not before --to 2026-11-17T12:00:00Z");
}

/// Generates spans in any state within a few days, some of them beyond the range.
fn spans() -> impl Strategy<Value = Vec<Span>> {
    let one = (0..3_usize, 0..4_u32, 0..5_usize, any::<bool>(), 1..9000_u32, 0..200_000_000_i64, 1..200_000_000_i64);
    proptest::collection::vec(one, 0..20).prop_map(|spans| {
        let start = at("2026-10-23T00:00:00Z");
        let make = |(owner, index, state, paused, milli, from, long): (usize, u32, usize, bool, u32, i64, i64)| {
            let state = [State::Running, State::Pending, State::Failed, State::Stopped, State::Suspended][state];
            let from = start + SignedDuration::from_micros(from * 1037);
            Span {
                owner: ["john", "mary", "jane"][owner].parse().unwrap(),
                paused,
                size: Resources::from_list(&format!("cpu={milli}m,memory={milli}Mi,storage=3Gi")).unwrap(),
                from,
                until: from + SignedDuration::from_micros(long * 997),
                ..span(&format!("c{}-{index}", index % 2), state, "2026-11-02T00:00:00Z", "2026-11-03T00:00:00Z")
            }
        };
        spans.into_iter().map(make).collect()
    })
}

/// Returns the sum of all rows.
fn together(report: &Report) -> Sums {
    let mut all = Sums::default();
    for row in &report.rows {
        for (into, from) in [(&mut all.used, &row.sums.used), (&mut all.saved, &row.sums.saved)] {
            for (name, class, amount) in from.classes() {
                into.add(name, class, amount, 1).unwrap();
            }
        }
        all.on += row.sums.on;
        all.paused += row.sums.paused;
        all.suspended += row.sums.suspended;
        all.stopped += row.sums.stopped;
        all.instances.extend(row.sums.instances.iter().cloned());
        all.clusters.extend(row.sums.clusters.iter().cloned());
    }
    all
}

proptest! {
    #[test]
    fn every_grouping_has_the_same_total(spans in spans()) {
        let range = range("2026-10-24T05:00:00Z", "2026-10-26T17:00:00Z");
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        for (by, zone) in [(By::User, &TimeZone::UTC), (By::Cluster, &TimeZone::UTC), (By::Day, &TimeZone::UTC), (By::Day, &berlin)] {
            let report = report(range, by, zone, &spans, &[]);
            prop_assert_eq!(together(&report), report.total);
        }
    }

    #[test]
    fn a_span_may_be_cut_anywhere(spans in spans(), cuts in proptest::collection::vec(0..1000_i64, 20), backwards: bool) {
        let range = range("2026-10-24T05:00:00Z", "2026-10-26T17:00:00Z");
        let mut cut: Vec<Span> = spans
            .iter()
            .zip(&cuts)
            .flat_map(|(span, at)| {
                let long = span.until.as_nanosecond() - span.from.as_nanosecond();
                let at = Timestamp::from_nanosecond(span.from.as_nanosecond() + long * i128::from(*at) / 1000).unwrap();
                [Span { until: at, ..span.clone() }, Span { from: at, ..span.clone() }]
            })
            .collect();
        if backwards {
            cut.reverse();
        }
        for by in [By::User, By::Cluster, By::Day] {
            prop_assert_eq!(report(range, by, &TimeZone::UTC, &cut, &[]), report(range, by, &TimeZone::UTC, &spans, &[]));
        }
    }

    #[test]
    fn the_cost_of_the_rows_is_the_cost_of_the_total(spans in spans(), price in "[0-9]{1,9}[.][0-9]{1,9}") {
        let range = range("2026-10-24T05:00:00Z", "2026-10-26T17:00:00Z");
        let report = report(range, By::Day, &TimeZone::UTC, &spans, &[]);
        let prices: Prices = [(named("cpu"), price.parse().unwrap()), (named("memory"), price.parse().unwrap())].into();
        let rows = report.rows.iter().map(|row| cost(&row.sums.used, &prices).unwrap());
        prop_assert_eq!(rows.fold(Money::default(), |sum, one| sum.checked_add(one).unwrap()), cost(&report.total.used, &prices).unwrap());
    }

    #[test]
    fn any_time_is_read_or_refused(text in "\\PC{0,20}") {
        text.parse::<Moment>().ok();
        text.parse::<Price>().ok();
    }
}

#[test]
fn an_hour_of_a_resource_has_its_unit() {
    let mut uses = Uses::default();
    for (name, nanos, unit_of_it) in [
        ("cpu", NANO / 2, "core"),
        ("memory", NANO << 30, "GiB"),
        ("storage", NANO << 31, "GiB"),
        ("ephemeral-storage", (NANO * 3) << 30, "GiB"),
        ("nvidia.com/gpu", NANO * 4, "nvidia.com/gpu"),
    ] {
        uses.add(&named(name), Class::ONLY, nanos, HOUR).unwrap();
        assert_eq!(unit(&named(name)), unit_of_it);
    }
    let hours = |name: &str| uses.hours(&named(name), 1);
    let all = ["cpu", "memory", "storage", "ephemeral-storage", "nvidia.com/gpu"].map(hours);
    assert_eq!(all, ["0.5", "1.0", "2.0", "3.0", "4.0"]);
    let prices = Prices::from([(named("ephemeral-storage"), "0.5".parse().unwrap())]);
    assert_eq!(cost(&uses, &prices).unwrap().decimal(2), "1.50");
}
