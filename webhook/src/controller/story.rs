//! Writes the story of each cluster as Kubernetes Events in its Namespace.
//!
//! [`cmp_core::story`] decides what a change of an account means. The queue is bounded, and so is the number of Events of
//! each cluster. An Event that cannot be written is counted and forgotten: no step of the controllers waits for one.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use jiff::Timestamp;
use kube::Client;
use tokio::sync::{Mutex, mpsc};
use tracing::debug;

use cmp_client::accounts::Stored;
use cmp_client::events;
use cmp_core::name::ClusterName;
use cmp_core::story::{Told, told};

use crate::metrics::{self, Metrics};

/// The most Events that wait to be written.
const WAITING: usize = 256;
/// Number of Events that are written at once.
const AT_ONCE: usize = 4;
/// The most Events of one cluster in a row, and the time after which there may be one more: ten a minute.
const BURST: u32 = 10;
const ONE_MORE: Duration = Duration::from_secs(6);

/// An Event that waits to be written.
struct Line {
    cluster: ClusterName,
    uid: String,
    told: Told,
    at: Timestamp,
}

/// The queue of Events.
pub(super) struct Story {
    sender: mpsc::Sender<Line>,
    receiver: Mutex<mpsc::Receiver<Line>>,
}

impl Default for Story {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        Self { sender, receiver: Mutex::new(receiver) }
    }
}

impl Story {
    /// Queues the Events that a change of an account means for a cluster.
    pub(super) fn tell(&self, metrics: &Metrics, before: &Stored, after: &Stored, cluster: &ClusterName) {
        let (was, is) = (before.account.cluster(cluster), after.account.cluster(cluster));
        let uid = is.uid().unwrap_or_default();
        for told in told(cluster, &was, &is, &after.version, before.authors_of(cluster)) {
            self.push(metrics, cluster, uid, told, Timestamp::now());
        }
    }

    /// Queues one Event of a cluster. `uid` is that of its Namespace, and `at` the time of the transition.
    pub(super) fn push(&self, metrics: &Metrics, cluster: &ClusterName, uid: &str, told: Told, at: Timestamp) {
        let line = Line { cluster: cluster.clone(), uid: uid.to_owned(), told, at };
        if self.sender.try_send(line).is_err() {
            metrics.told(metrics::DROPPED);
        }
    }

    /// Writes Events as they are queued.
    pub(super) async fn run(&self, client: &Client, metrics: &Metrics) {
        let receiver = self.receiver.lock().await;
        let lines = stream::unfold((receiver, Shares::default()), |(mut receiver, mut shares)| async move {
            let line = receiver.recv().await?;
            let has_room = shares.take(&line.cluster, Instant::now());
            Some(((line, has_room), (receiver, shares)))
        });
        lines
            .for_each_concurrent(AT_ONCE, |(line, has_room)| async move {
                let result = if has_room { write(client, &line).await } else { metrics::LIMITED };
                metrics.told(result);
            })
            .await;
    }
}

async fn write(client: &Client, line: &Line) -> &'static str {
    let Line { cluster, uid, told, at } = line;
    match events::tell(client, cluster, uid, told, *at).await {
        Ok(()) => metrics::WRITTEN,
        Err(error) => {
            debug!(%cluster, reason = told.reason, %error, "the Event could not be written");
            metrics::FAILED
        }
    }
}

/// The share of each cluster in the Events. For each cluster it holds the moment at which the whole share is free again.
#[derive(Default)]
struct Shares(HashMap<ClusterName, Instant>);

impl Shares {
    /// Takes room for one Event, and returns whether there was any.
    fn take(&mut self, cluster: &ClusterName, now: Instant) -> bool {
        self.0.retain(|_, free| *free > now);
        let free = self.0.get(cluster).copied().unwrap_or(now) + ONE_MORE;
        let has_room = free.duration_since(now) <= ONE_MORE * BURST;
        if has_room {
            self.0.insert(cluster.clone(), free);
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_cluster_has_ten_events_a_minute() {
        let (web, db): (ClusterName, ClusterName) = ("web".parse().unwrap(), "db".parse().unwrap());
        let (mut shares, start) = (Shares::default(), Instant::now());
        let taken = |shares: &mut Shares, cluster, at| (0..20).filter(|_| shares.take(cluster, at)).count();
        assert_eq!(taken(&mut shares, &web, start), 10);
        assert_eq!(taken(&mut shares, &db, start), 10, "each cluster has its own share");
        assert_eq!(taken(&mut shares, &web, start + Duration::from_secs(13)), 2);
        assert_eq!(taken(&mut shares, &web, start + Duration::from_mins(10)), 10);
        assert_eq!(shares.0.len(), 1, "nothing is kept of a cluster whose share is free");
    }

    #[test]
    fn a_full_queue_drops_events_and_waits_for_nothing() {
        let (story, metrics) = (Story::default(), Metrics::default());
        let stored = |held: &str, version: usize| {
            let data = [("quota", r#"{"cpu":"4"}"#), ("held.web", held)];
            let data = data.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
            let account = cmp_core::account::Account::read("john".parse().unwrap(), "u", &data).unwrap();
            let (labels, authors) = (BTreeMap::new(), BTreeMap::new());
            Stored { account, version: version.to_string(), created: None, labels, authors }
        };
        let held = |state: &str| {
            format!(r#"{{"uid":"u","type":"container","count":1,"size":{{"cpu":"1"}},"state":"{state}"}}"#)
        };
        for version in 0..WAITING + 2 {
            let (before, after) = (stored(&held("preparing"), version), stored(&held("ready"), version + 1));
            story.tell(&metrics, &before, &after, &"web".parse().unwrap());
        }
        let text = metrics.text();
        assert!(text.contains("cmp_events_total{result=\"dropped\"} 2"), "{text}");
    }
}
