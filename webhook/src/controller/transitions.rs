//! The queue of the clusters with a due transition.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use cmp_core::name::{ClusterName, UserName};

/// How long a cluster counts as recently worked on: longer than it takes to look at it again.
const COUNTS: SignedDuration = SignedDuration::from_mins(1);

pub(super) type Key = (UserName, ClusterName);

/// The clusters with a due transition.
#[derive(Default)]
pub(super) struct Transitions {
    queue: Mutex<Queue>,
    more: Notify,
}

#[derive(Default)]
struct Queue {
    /// The waiting clusters, by the time since which they wait, then by the order in which they were added.
    waiting: BTreeMap<(Timestamp, u64), Key>,
    added: u64,
    /// The waiting clusters, and those that are being worked on.
    known: HashSet<Key>,
    /// The last time a cluster was worked on. It waits from then on, so that many failing clusters do not delay the
    /// others.
    worked: HashMap<Key, Timestamp>,
}

impl Transitions {
    /// Adds a cluster, unless it is known already. `due` is the time at which its transition was due.
    pub(super) fn add(&self, key: Key, due: Timestamp) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.known.insert(key.clone()) {
            let from = queue.worked.get(&key).map_or(due, |worked| due.max(*worked));
            queue.added += 1;
            let place = (from, queue.added);
            queue.waiting.insert(place, key);
            self.more.notify_one();
        }
    }

    /// Takes the cluster that has waited longest.
    pub(super) async fn next(&self) -> Key {
        loop {
            let more = self.more.notified();
            let first = self.queue.lock().unwrap_or_else(PoisonError::into_inner).waiting.pop_first();
            if let Some((_, key)) = first {
                return key;
            }
            more.await;
        }
    }

    pub(super) fn done(&self, key: Key, now: Timestamp) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.known.remove(&key);
        queue.worked.retain(|_, worked| now.duration_since(*worked) < COUNTS);
        queue.worked.insert(key, now);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn key(cluster: &str) -> Key {
        ("john".parse().unwrap(), cluster.parse().unwrap())
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Takes all waiting clusters.
    fn taken(transitions: &Transitions) -> Vec<String> {
        std::iter::from_fn(|| transitions.next().now_or_never()).map(|(_, cluster)| cluster.to_string()).collect()
    }

    #[test]
    fn the_cluster_that_has_waited_longest_is_taken_first() {
        let transitions = Transitions::default();
        for (cluster, due) in [("b", 20), ("late", 30), ("a", 20), ("early", 10), ("b", 5)] {
            transitions.add(key(cluster), at(due));
        }
        // Equal due times keep the order of arrival, and a cluster that waits already keeps its place.
        assert_eq!(taken(&transitions), ["early", "b", "a", "late"]);
        transitions.add(key("early"), at(10));
        assert!(taken(&transitions).is_empty(), "it is being worked on");
    }

    #[test]
    fn a_cluster_that_was_worked_on_waits_behind_the_others() {
        let transitions = Transitions::default();
        transitions.add(key("fails"), at(10));
        assert_eq!(taken(&transitions), ["fails"]);
        transitions.done(key("fails"), at(40));
        for (cluster, due) in [("fails", 10), ("new", 30), ("newer", 50)] {
            transitions.add(key(cluster), at(due));
        }
        assert_eq!(taken(&transitions), ["new", "fails", "newer"]);
        // The last time of work counts for a minute, and is not remembered for longer.
        transitions.done(key("fails"), at(60));
        transitions.done(key("new"), at(200));
        assert_eq!(transitions.queue.lock().unwrap().worked.len(), 1);
    }
}
