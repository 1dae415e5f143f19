//! For any observations in any order: two periods of one item never overlap, and all periods together are the watched
//! time.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// An event on one of three items.
#[derive(Debug, Clone)]
enum Event {
    /// The item now has this value and evidence, or is gone.
    Now(u8, Option<(u8, u8)>),
    /// A gap in observation, during which these items change.
    Break(Vec<(u8, Option<(u8, u8)>)>),
    /// Some ticks pass, with observation.
    Wait(u8),
}

fn event() -> impl Strategy<Value = Event> {
    let so = || (0..3_u8, proptest::option::of((0..3_u8, 0..2_u8)));
    prop_oneof![
        5 => so().prop_map(|(which, so)| Event::Now(which, so)),
        1 => vec(so(), 0..4).prop_map(Event::Break),
        3 => (0..5_u8).prop_map(Event::Wait),
    ]
}

/// A period that is over, or goes on.
#[derive(Debug, Clone, PartialEq)]
struct Time {
    value: u8,
    from: i64,
    until: Option<i64>,
}

/// The periods written from all steps, by item.
#[derive(Default)]
struct Written(BTreeMap<Key, Vec<Time>>);

impl Written {
    fn take(&mut self, steps: Vec<Step<u8>>) {
        for step in steps {
            match step {
                Step::Begin { key, fact, from } => {
                    let times = self.0.entry(key).or_default();
                    assert!(times.last().is_none_or(|last| last.until.is_some()), "two at once");
                    times.push(Time { value: fact.value, from, until: None });
                }
                Step::End { key, from, until } => {
                    let times = self.0.get_mut(&key).unwrap();
                    let last = times.last_mut().unwrap();
                    assert_eq!((last.from, last.until), (from, None));
                    last.until = Some(until);
                    if until == from {
                        times.pop();
                    }
                }
                Step::Note { key, .. } => assert_eq!(self.0[&key].last().unwrap().until, None),
            }
        }
    }
}

fn key(which: u8) -> Key {
    (format!("place-{}", which / 2), which.to_string())
}

fn fact((value, evidence): (u8, u8)) -> Fact<u8> {
    Fact { value, evidence: evidence.to_string() }
}

proptest! {
    #[test]
    fn times_never_overlap_and_match_the_observation(events in vec(event(), 0..60)) {
        let (mut timeline, mut written) = (Timeline::default(), Written::default());
        let mut world: BTreeMap<u8, (u8, u8)> = BTreeMap::new();
        // The value of each item at each tick that was observed or can be deduced.
        let mut truth: BTreeMap<(u8, i64), u8> = BTreeMap::new();
        let (mut now, mut watched): (i64, Vec<i64>) = (0, Vec::new());
        let facts = |world: &BTreeMap<u8, (u8, u8)>, within: &dyn Fn(&Key) -> bool| {
            let all = world.iter().map(|(which, so)| (key(*which), fact(*so)));
            all.filter(|(key, _)| within(key)).collect::<Vec<_>>()
        };
        for event in events {
            match event {
                Event::Wait(ticks) => {
                    for tick in now..now + i64::from(ticks) {
                        watched.push(tick);
                        truth.extend(world.iter().map(|(which, (value, _))| ((*which, tick), *value)));
                    }
                    now += i64::from(ticks);
                }
                Event::Now(which, so) => {
                    match so {
                        Some(so) => world.insert(which, so),
                        None => world.remove(&which),
                    };
                    let (place, _) = key(which);
                    let seen = facts(&world, &|(at, _)| *at == place);
                    written.take(timeline.see(Scope::Place(&place), seen, now, None));
                }
                Event::Break(changes) => {
                    let (before, since) = (world.clone(), now);
                    for (which, so) in changes {
                        match so {
                            Some(so) => world.insert(which, so),
                            None => world.remove(&which),
                        };
                    }
                    now += 7;
                    // The evidence is the same: the value continued.
                    for (which, so) in world.iter().filter(|(which, so)| before.get(which) == Some(so)) {
                        truth.extend((since..now).map(|tick| ((*which, tick), so.0)));
                    }
                    let seen = facts(&world, &|_| true);
                    written.take(timeline.see(Scope::Everywhere, seen, now, Some(since)));
                }
            }
        }
        let mut told: BTreeMap<(u8, i64), u8> = BTreeMap::new();
        for (key, times) in &written.0 {
            let which: u8 = key.1.parse().unwrap();
            for time in times {
                let until = time.until.unwrap_or(now);
                prop_assert!(time.from < until || time.until.is_none(), "{time:?} is no time");
                for tick in time.from..until {
                    prop_assert!(told.insert((which, tick), time.value).is_none(), "{which} twice at {tick}");
                }
            }
        }
        prop_assert_eq!(told, truth);
        prop_assert_eq!(timeline.len(), world.len());
    }
}

fn see(timeline: &mut Timeline<u8>, so: Option<(u8, u8)>, at: i64, unwatched_since: Option<i64>) -> String {
    let steps = timeline.see(Scope::Everywhere, so.map(|so| (key(0), fact(so))), at, unwatched_since);
    let words = steps.into_iter().map(|step| match step {
        Step::End { from, until, .. } => format!("{from} to {until}"),
        Step::Begin { fact, from, .. } => format!("{} from {from}", fact.value),
        Step::Note { evidence, .. } => format!("by {evidence}"),
    });
    words.collect::<Vec<_>>().join(", ")
}

#[test]
fn a_gap_counts_only_if_the_evidence_is_unchanged() {
    let begun = |so| {
        let mut timeline = Timeline::default();
        assert_eq!(see(&mut timeline, Some(so), 10, Some(10)), format!("{} from 10", so.0));
        timeline
    };
    // The value and the evidence are the same: it continued.
    assert_eq!(see(&mut begun((1, 1)), Some((1, 1)), 50, Some(20)), "");
    // The value is the same, but something happened in between.
    assert_eq!(see(&mut begun((1, 1)), Some((1, 2)), 50, Some(20)), "10 to 20, 1 from 50");
    // Another value: nobody knows since when.
    assert_eq!(see(&mut begun((1, 1)), Some((2, 1)), 50, Some(20)), "10 to 20, 2 from 50");
    // The item is gone.
    assert_eq!(see(&mut begun((1, 1)), None, 50, Some(20)), "10 to 20");
    // The same value with new evidence, then another value, during observation.
    assert_eq!(see(&mut begun((1, 1)), Some((1, 2)), 50, None), "by 2");
    assert_eq!(see(&mut begun((1, 1)), Some((2, 1)), 50, None), "10 to 50, 2 from 50");
}
