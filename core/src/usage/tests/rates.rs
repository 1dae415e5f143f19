//! Costs where prices change, and where they differ by type and state.

use std::collections::BTreeMap;

use super::*;
use crate::resources::is_kept;
use crate::usage::rates::Tariff;

fn prices(text: &str) -> Prices {
    let one = |text: &str| {
        let (name, price) = text.split_once('=').unwrap();
        (named(name), price.parse().unwrap())
    };
    text.split_whitespace().map(one).collect()
}

/// Returns the prices of a range: each row has a start, and the prices of containers, VMs and suspended disks.
fn rates(range: Range, rows: &[(&str, &str, &str, &str)]) -> Rates {
    let one = |(from, containers, vms, off): &(&str, &str, &str, &str)| {
        (at(from), Tariff { containers: prices(containers), vms: prices(vms), off: prices(off) })
    };
    Rates::within(range, rows.iter().map(one).collect())
}

fn total(range: Range, spans: &[Span], rates: &Rates) -> [String; 2] {
    let total = priced(range, By::Day, &TimeZone::UTC, spans, &[], rates).total;
    [&total.used, &total.saved].map(|uses| rates.cost(uses).unwrap().decimal(9))
}

#[test]
fn a_price_holds_from_its_second_on() {
    let day = range("2026-11-02T00:00:00Z", "2026-11-03T00:00:00Z");
    let on = [span("web-0", State::Running, "2026-11-01T00:00:00Z", "2026-11-04T00:00:00Z")];
    let check = |rows: &[(&str, &str, &str, &str)], expected: &str| {
        assert_eq!(total(day, &on, &rates(day, rows)), [expected, "0.000000000"]);
    };
    // Two cores for 24 hours.
    check(&[("2026-10-01T00:00:00Z", "cpu=1", "", "")], "48.000000000");
    check(&[("2026-11-02T12:00:00Z", "cpu=1", "", "")], "24.000000000");
    check(&[("2026-11-02T12:00:01Z", "cpu=1.8", "", "")], "43.199000000");
    check(&[("2026-11-02T00:00:00Z", "cpu=1", "", ""), ("2026-11-02T23:59:59Z", "cpu=3601", "", "")], "50.000000000");
    check(&[("2026-10-01T00:00:00Z", "cpu=9", "", ""), ("2026-10-02T00:00:00Z", "cpu=1", "", "")], "48.000000000");
    // Prices of another type, and of another time, are no prices here.
    let other = rates(day, &[("2026-10-01T00:00:00Z", "", "cpu=1", "")]);
    assert!(!other.is_empty());
    assert_eq!(total(day, &on, &other)[0], "0.000000000");
    assert!(rates(day, &[("2026-11-03T00:00:00Z", "cpu=1", "", "")]).is_empty());
}

#[test]
fn a_disk_has_another_price_while_its_instance_is_off() {
    let day = range("2026-11-02T00:00:00Z", "2026-11-03T00:00:00Z");
    let noon = "2026-11-02T12:00:00Z";
    let spans = |kind: InstanceType, paused: bool| {
        let half = |state, from: &str, until: &str| Span { kind, paused, ..span("web-0", state, from, until) };
        [half(State::Running, "2026-11-02T00:00:00Z", noon), half(State::Suspended, noon, "2026-11-03T00:00:00Z")]
    };
    let rows = [("2026-11-01T00:00:00Z", "cpu=1 storage=0.1", "cpu=2 storage=0.2", "storage=0.01")];
    let rates = rates(day, &rows);
    let off = |kind| total(day, &spans(kind, false), &rates);
    // 12 hours of two cores and 10 GiB, then 12 hours of the disk alone.
    assert_eq!(off(InstanceType::Container), ["37.200000000", "24.000000000"]);
    assert_eq!(off(InstanceType::Vm), ["73.200000000", "48.000000000"]);
    // A paused VM holds everything.
    assert_eq!(total(day, &spans(InstanceType::Vm, true), &rates), ["144.000000000", "0.000000000"]);
    // Without a price of its own, the disk costs the same.
    let plain = self::rates(day, &[("2026-11-01T00:00:00Z", "storage=0.1", "", "")]);
    assert_eq!(total(day, &spans(InstanceType::Container, false), &plain)[0], "24.000000000");
}

/// Computes the cost of each second alone, in 10^-9 of the currency times milliseconds, for amounts in units.
fn by_seconds(range: Range, spans: &[Span], rows: &BTreeMap<Timestamp, Tariff>) -> i128 {
    let mut sum = 0;
    for span in spans {
        let (from, until) = (span.from.max(range.from).as_second(), span.until.min(range.until).as_second());
        for second in from..until {
            let Some((_, tariff)) = rows.range(..=Timestamp::from_second(second).unwrap()).next_back() else {
                continue;
            };
            for (name, amount) in span.size.iter().filter(|(name, _)| span.is_on() || is_kept(name)) {
                let by_type = if span.kind == InstanceType::Vm { &tariff.vms } else { &tariff.containers };
                let off = if span.is_on() || !is_kept(name) { None } else { tariff.off.get(name) };
                let Some(price) = off.or_else(|| by_type.get(name)) else { continue };
                let price: i128 = price.to_string().parse::<i128>().unwrap();
                let units = amount.nanos() / if unit(name) == GIB { NANO << 30 } else { NANO };
                sum += units * price;
            }
        }
    }
    sum
}

fn second(number: i64) -> Timestamp {
    at("2026-10-24T00:00:00Z") + SignedDuration::from_secs(number)
}

/// Generates spans of whole seconds and units within 200 seconds, of both types.
fn short_spans() -> impl Strategy<Value = Vec<Span>> {
    let one = (0..3_usize, any::<bool>(), any::<bool>(), 1..9_u32, 0..200_i64, 1..150_i64);
    proptest::collection::vec(one, 0..8).prop_map(|spans| {
        let make = |(state, vm, paused, amount, from, long): (usize, bool, bool, u32, i64, i64)| Span {
            kind: if vm { InstanceType::Vm } else { InstanceType::Container },
            paused: paused && vm,
            size: Resources::from_list(&format!("cpu={amount},memory={amount}Gi,storage=3Gi")).unwrap(),
            from: second(from),
            until: second(from + long),
            ..span(
                "web-0",
                [State::Running, State::Stopped, State::Suspended][state],
                "2026-11-02T00:00:00Z",
                "2026-11-03T00:00:00Z",
            )
        };
        spans.into_iter().map(make).collect()
    })
}

/// Generates whole prices that change at seconds.
fn changes() -> impl Strategy<Value = BTreeMap<Timestamp, Tariff>> {
    let one = (0..260_i64, 0..9_u32, 0..9_u32, 0..9_u32);
    proptest::collection::vec(one, 0..6).prop_map(|rows| {
        let make = |(from, a, b, c): (i64, u32, u32, u32)| {
            let tariff = Tariff {
                containers: prices(&format!("cpu={a} storage={b}")),
                vms: prices(&format!("cpu={b} memory={c}")),
                off: if c == 0 { Prices::new() } else { prices(&format!("storage={a}")) },
            };
            (second(from), tariff)
        };
        rows.into_iter().map(make).collect()
    })
}

proptest! {
    #[test]
    fn the_cost_is_that_of_each_second_alone(spans in short_spans(), changes in changes()) {
        let range = Range { from: second(20), until: second(240) };
        let rates = Rates::within(range, changes.clone());
        let report = priced(range, By::User, &TimeZone::UTC, &spans, &[], &rates);
        let hours = by_seconds(range, &spans, &changes) * NANO * 1000;
        // The exact cost is a fraction of an hour, and the report rounds it down to 10^-9.
        prop_assert_eq!(rates.cost(&report.total.used).unwrap().nanos(), hours / HOUR);
    }

    #[test]
    fn the_costs_of_the_parts_of_a_period_are_the_cost_of_the_whole(
        spans in spans(),
        rows in proptest::collection::vec((0..300_000_i64, "[0-9]{1,9}[.][0-9]{1,9}", "[0-9]{1,9}"), 0..6),
        mut cuts in proptest::collection::vec(0..216_000_000_i64, 0..5),
        by_table: bool,
    ) {
        let whole = range("2026-10-24T05:00:00Z", "2026-10-26T17:00:00Z");
        let start = at("2026-10-23T12:00:00Z");
        let starts: BTreeMap<Timestamp, Tariff> = rows
            .iter()
            .map(|(from, cpu, off)| {
                let tariff = Tariff {
                    containers: prices(&format!("cpu={cpu} memory={cpu} storage={cpu}")),
                    vms: Prices::new(),
                    off: prices(&format!("storage={off}")),
                };
                (start + SignedDuration::from_secs(*from), tariff)
            })
            .collect();
        let rates_of = |range: Range| {
            if by_table { Rates::within(range, starts.clone()) } else {
                Rates::flat(starts.values().next().map_or_else(Prices::new, |tariff| tariff.containers.clone()))
            }
        };
        let costs = |range: Range, by: By| {
            let rates = rates_of(range);
            let report = priced(range, by, &TimeZone::UTC, &spans, &[], &rates);
            let of_rows = |pick: fn(&Sums) -> &Uses| report.rows.iter().fold(Money::default(), |sum, row| {
                sum.checked_add(rates.cost(pick(&row.sums)).unwrap()).unwrap()
            });
            let rows = [of_rows(|sums| &sums.used), of_rows(|sums| &sums.saved)];
            let total = [&report.total.used, &report.total.saved].map(|uses| rates.cost(uses).unwrap());
            assert_eq!(rows, total, "the rows are the total");
            total
        };
        // Any split, in milliseconds, also where a price changes.
        cuts.sort_unstable();
        let mut moments: Vec<Timestamp> = cuts.iter().map(|cut| whole.from + SignedDuration::from_millis(*cut)).collect();
        moments.insert(0, whole.from);
        moments.push(whole.until);
        for by in [By::User, By::Cluster, By::Day] {
            let mut sum = [Money::default(); 2];
            for pair in moments.windows(2).filter(|pair| pair[0] < pair[1]) {
                let part = costs(Range { from: pair[0], until: pair[1] }, by);
                sum = [0, 1].map(|at| sum[at].checked_add(part[at]).unwrap());
            }
            prop_assert_eq!(sum, costs(whole, by));
        }
    }
}

#[test]
fn money_is_rounded_only_where_it_is_printed() {
    // A millisecond of a core at 10^-9 an hour: 3.6 million of them are 10^-9.
    let uses = |milliseconds| {
        let mut uses = Uses::default();
        uses.add(&named("cpu"), Class::ONLY, NANO, milliseconds).unwrap();
        cost(&uses, &prices("cpu=0.000000001")).unwrap()
    };
    let one = uses(1);
    assert_eq!((one.nanos(), one.decimal(9).as_str()), (0, "0.000000000"));
    let all = (0..3_600_000).fold(Money::default(), |sum, _| sum.checked_add(one).unwrap());
    assert_eq!((all, all.decimal(9).as_str()), (uses(HOUR), "0.000000001"));
    // Half is rounded up, a moment less than half is not.
    assert_eq!(
        (uses(HOUR / 2).decimal(9), uses(HOUR / 2 - 1).decimal(9)),
        ("0.000000001".into(), "0.000000000".into())
    );
    assert_eq!(uses(HOUR * 12).divided(12), uses(HOUR));
    // No product of a price wraps.
    let mut most = Uses::default();
    most.add(&named("cpu"), Class::ONLY, i128::MAX / 8, 8).unwrap();
    assert_eq!(cost(&most, &prices("cpu=999999999")), None);
}
