//! A generated month of a mirror: October 2026 in Berlin, with its Sunday of 25 hours.

use std::path::Path;

use cmp_core::name::InstanceName;
use cmp_core::resources::Resources;
use cmp_core::state::State;
use cmp_core::vocabulary::InstanceType;
use cmp_mirror::Store;
use cmp_mirror::timeline::Fact;
use cmp_mirror::world::{Lived, Seen};
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

/// The habit of a cluster.
#[derive(Clone, Copy)]
enum Habit {
    /// It runs at all times.
    Always,
    /// It runs from eight to seven on workdays.
    Office,
    /// It runs at night.
    Night,
    /// It runs in some hours, and it began in the second week.
    Experiment,
}

/// The clusters: user, cluster, instances, size, habit.
const CLUSTERS: [(&str, &str, u32, &str, Habit); 14] = [
    ("anna", "shop", 3, "cpu=4,memory=8Gi,storage=40Gi", Habit::Always),
    ("anna", "shop-test", 2, "cpu=2,memory=4Gi", Habit::Office),
    ("ben", "training", 4, "cpu=8,memory=32Gi", Habit::Night),
    ("ben", "notebook", 1, "cpu=4,memory=16Gi,storage=100Gi", Habit::Office),
    ("chandra", "warehouse", 2, "cpu=8,memory=64Gi,storage=500Gi", Habit::Always),
    ("dmitri", "build", 4, "cpu=4,memory=8Gi", Habit::Office),
    ("dmitri", "cache", 1, "cpu=1,memory=4Gi", Habit::Always),
    ("elif", "web", 2, "cpu=2,memory=4Gi", Habit::Always),
    ("farah", "survey", 2, "cpu=2,memory=2Gi", Habit::Experiment),
    ("george", "web", 1, "cpu=1,memory=2Gi", Habit::Office),
    ("hana", "simulation-of-the-harbour-and-its-cranes", 6, "cpu=2,memory=4Gi", Habit::Experiment),
    ("ivan", "db", 1, "cpu=2,memory=8Gi,storage=80Gi", Habit::Always),
    ("jo", "demo", 1, "cpu=500m,memory=1Gi", Habit::Office),
    ("platform", "runner", 3, "cpu=2,memory=4Gi", Habit::Office),
];

/// The quotas.
const QUOTAS: [(&str, &str); 11] = [
    ("anna", "cpu=20,memory=64Gi"),
    ("ben", "cpu=36,memory=144Gi"),
    ("chandra", "cpu=24,memory=160Gi"),
    ("dmitri", "cpu=17,memory=40Gi"),
    ("elif", "cpu=16,memory=32Gi"),
    ("farah", "cpu=8,memory=16Gi"),
    ("george", "cpu=8,memory=16Gi"),
    ("hana", "cpu=16,memory=32Gi"),
    ("ivan", "cpu=8,memory=16Gi"),
    ("jo", "cpu=2,memory=4Gi"),
    ("platform", "cpu=12,memory=24Gi"),
];

/// Returns the state of an instance at an hour, or `None` before it exists.
fn state(habit: Habit, cluster: u32, index: u32, at: &Zoned) -> Option<State> {
    let (hour, day) = (i64::from(at.hour()), i64::from(at.day()));
    let workday = !matches!(at.weekday(), Weekday::Saturday | Weekday::Sunday);
    let on = match habit {
        Habit::Always => true,
        Habit::Office => workday && (8..19).contains(&hour),
        Habit::Night => !(6..21).contains(&hour) && (day + i64::from(index)) % 3 != 0,
        Habit::Experiment if day < 9 => return None,
        Habit::Experiment => (day * 7 + hour / 3 + i64::from(cluster * 5 + index)) % 4 == 0,
    };
    // A cluster was stopped over a weekend and two days.
    let stopped = matches!(habit, Habit::Always) && cluster == 7 && (16..21).contains(&day);
    Some(if stopped {
        State::Stopped
    } else if on {
        State::Running
    } else {
        State::Suspended
    })
}

fn seen(at: &Zoned) -> Seen {
    let mut seen = Seen::default();
    let amounts = |text: &str| Resources::from_list(text).unwrap();
    for ((owner, cluster, count, size, habit), number) in CLUSTERS.into_iter().zip(0..) {
        for index in 0..count {
            let Some(state) = state(habit, number, index, at) else { continue };
            let instance: InstanceName = format!("{cluster}-{index}").parse().unwrap();
            let lived = Lived {
                owner: owner.parse().unwrap(),
                cluster: instance.cluster.clone(),
                cluster_uid: format!("{owner}/{cluster}"),
                kind: InstanceType::Container,
                paused: false,
                by: None,
                size: amounts(size),
                state,
                instance,
            };
            let key = (format!("{cluster}-ns"), format!("{owner}/{cluster}-{index}"));
            seen.instances.insert(key, Fact { value: lived, evidence: state.to_string() });
        }
        let charge = amounts(size).checked_mul(count).unwrap();
        seen.charges.insert((owner.into(), cluster.into()), Fact { value: charge, evidence: String::new() });
    }
    for (owner, quota) in QUOTAS {
        // The quota of ben grew in the month.
        let quota = if owner == "ben" && at.day() < 12 { "cpu=24,memory=144Gi" } else { quota };
        let fact = Fact { value: amounts(quota), evidence: String::new() };
        seen.quotas.insert((owner.into(), String::new()), fact);
    }
    seen
}

/// Writes the month as the mirror does. In one night nobody observes for nine hours.
pub(crate) fn write(path: &Path) {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let start: Timestamp = "2026-09-30T22:00:00Z".parse().unwrap();
    let places: Vec<String> = CLUSTERS.iter().map(|(_, cluster, ..)| format!("{cluster}-ns")).collect();
    let users: Vec<String> = QUOTAS.iter().map(|(user, _)| (*user).to_owned()).collect();
    let mut store = Store::open(path).unwrap();
    let mut last = None;
    for hour in 0..=745 {
        let at = start + SignedDuration::from_hours(hour);
        let now = seen(&at.to_zoned(zone.clone()));
        match hour {
            0 | 394 => {
                store.begin(at, now.clone()).unwrap();
            }
            385 => {
                store.beat(at).unwrap();
                store.close().unwrap();
                store = Store::open(path).unwrap();
            }
            386..394 => continue,
            745 => store.beat(at).unwrap(),
            _ if last.as_ref() == Some(&now) => continue,
            _ => {
                store.see(at, &places, &users, &now).unwrap();
            }
        }
        last = Some(now);
    }
    store.close().unwrap();
}
