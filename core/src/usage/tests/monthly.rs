//! The cost of a month.

use super::*;
use crate::account::Want;
use crate::account::tests::want;
use crate::schedule::Schedule;
use crate::usage::monthly::Monthly;
use crate::usage::rates::Tariff;
use crate::vocabulary::Mode;

fn tariff() -> Tariff {
    let prices = |rows: &[(&str, &str)]| -> Prices {
        rows.iter().map(|(name, price)| (named(name), price.parse().unwrap())).collect()
    };
    let containers = prices(&[("cpu", "0.03"), ("memory", "0.004"), ("storage", "0.001")]);
    Tariff { vms: prices(&[("cpu", "0.05")]), containers, off: prices(&[("storage", "0.0005")]) }
}

fn words(want: &Want, tariff: &Tariff) -> Option<String> {
    Monthly::of(want, tariff, at("2026-11-29T12:00:00Z")).map(|monthly| monthly.words(Some("EUR")))
}

#[test]
fn the_cost_of_a_month_is_that_of_730_and_a_half_hours() {
    let cheap =
        |price: &str| Tariff { containers: [(named("cpu"), price.parse().unwrap())].into(), ..Tariff::default() };
    assert_eq!(words(&want(1, "cpu=1,memory=1Gi"), &cheap("1")).unwrap(), "730.50 EUR a month");
    assert_eq!(words(&want(2, "cpu=500m,memory=1Gi"), &cheap("10")).unwrap(), "7305.00 EUR a month");
    // 3 x (2 x 0.03 + 4 x 0.004) x 730.5.
    assert_eq!(words(&want(3, "cpu=2,memory=4Gi"), &tariff()).unwrap(), "166.55 EUR a month");
    let vm = Want { kind: InstanceType::Vm, ..want(3, "cpu=2,memory=4Gi") };
    assert_eq!(words(&vm, &tariff()).unwrap(), "219.15 EUR a month");
    // Without prices, nothing is shown. A price of 0 is a price.
    assert_eq!(words(&want(1, "cpu=1,memory=1Gi"), &Tariff::default()), None);
    assert_eq!(words(&want(1, "cpu=1,memory=1Gi"), &cheap("0")).unwrap(), "0.00 EUR a month");
    let plain = Monthly::of(&want(1, "cpu=1,memory=1Gi"), &cheap("1"), at("2026-11-29T12:00:00Z")).unwrap();
    assert_eq!(plain.words(None), "730.50 a month");
}

#[test]
fn a_schedule_saves_what_is_off_and_keeps_the_disk() {
    let nights = Schedule {
        suspend: vec!["0 20 * * *".to_owned()],
        resume: vec!["0 8 * * *".to_owned()],
        ..Schedule::default()
    };
    let with = |want: Want, schedule: &Schedule| Want { schedule: Some(schedule.clone()), ..want };
    // Half of the time: 365.25 h of two cores and 4 GiB. The disk costs half as much while it is off.
    let web = with(want(1, "cpu=2,memory=4Gi,storage=100Gi"), &nights);
    assert_eq!(words(&web, &tariff()).unwrap(), "128.57 EUR a month, 82.55 EUR with its schedule");
    let berlin = Schedule { time_zone: Some("Europe/Berlin".to_owned()), ..nights.clone() };
    assert_eq!(
        words(&with(want(1, "cpu=2,memory=4Gi"), &berlin), &tariff()).unwrap(),
        "55.52 EUR a month, 27.76 EUR with its schedule"
    );
    // A paused VM holds everything, and a schedule without a resumption has no average.
    let vm = Want { kind: InstanceType::Vm, ..want(1, "cpu=2,memory=4Gi") };
    let pause = Schedule { mode: Some(Mode::Pause), ..nights.clone() };
    assert_eq!(words(&with(vm.clone(), &pause), &tariff()).unwrap(), "73.05 EUR a month");
    assert_eq!(words(&with(vm.clone(), &nights), &tariff()).unwrap(), "73.05 EUR a month");
    let halt = Schedule { mode: Some(Mode::Halt), ..nights.clone() };
    assert_eq!(words(&with(vm, &halt), &tariff()).unwrap(), "73.05 EUR a month, 36.53 EUR with its schedule");
    let never = Schedule { resume: Vec::new(), ..nights.clone() };
    assert_eq!(words(&with(want(1, "cpu=2,memory=4Gi"), &never), &tariff()).unwrap(), "55.52 EUR a month");
    // A pause of the schedule is no part of an average month.
    let skipped = Schedule { skip_until: Some(at("2030-01-01T00:00:00Z")), ..nights };
    assert!(words(&with(want(1, "cpu=2,memory=4Gi"), &skipped), &tariff()).unwrap().contains("27.76"));
}
