//! Tells of verbs on instances: who suspended, resumed, started or stopped them.
//!
//! Each replica remembers the state that was asked for of each instance, and compares. A switch that no replica observed is
//! not told. Switches of a cluster are collected until none follows, so that a verb on a whole cluster is one Event.
//! No reconcile and no verdict waits for this.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::reflector::Store;
use kube::runtime::watcher::Event;
use tokio::time::Instant;

use cmp_client::asked;
use cmp_core::name::{ClusterName, InstanceName};
use cmp_core::state::State;
use cmp_core::switched::{Batch, verb, wished};
use cmp_core::vocabulary::InstanceType;

use super::context::Context;
use crate::metrics;

/// Time without a switch after which those of a cluster are told.
const QUIET: Duration = Duration::from_secs(2);
/// The longest time for which switches of a cluster are collected.
const LONGEST: Duration = Duration::from_secs(30);

/// The memory of one instance.
#[derive(Debug)]
struct Known {
    uid: Option<String>,
    asked: Option<State>,
    kind: InstanceType,
    /// The number of the list that reported it last.
    list: u64,
}

/// Switches of one cluster that wait to be told.
#[derive(Debug)]
struct Pending {
    batch: Batch,
    /// The time of the Events. The managed fields have whole seconds, which would put a switch before its cause.
    at: Timestamp,
    first: Instant,
    last: Instant,
}

impl Pending {
    fn due(&self) -> Instant {
        (self.last + QUIET).min(self.first + LONGEST)
    }
}

/// The instances, and the switches that are not told yet.
#[derive(Debug, Default)]
struct Switches {
    known: HashMap<ClusterName, HashMap<u32, Known>>,
    pending: HashMap<ClusterName, Pending>,
    lists: u64,
}

impl Switches {
    /// Takes news of an instance. Returns whether there was room for a switch.
    fn take(&mut self, kind: InstanceType, event: Event<ObjectMeta>, now: Instant) -> bool {
        match event {
            Event::Init => {
                self.lists += 1;
                true
            }
            Event::Apply(metadata) | Event::InitApply(metadata) => self.see(kind, &metadata, now),
            Event::Delete(metadata) => {
                if let Some(InstanceName { cluster, index }) = name(&metadata)
                    && let Some(instances) = self.known.get_mut(&cluster)
                    && instances.get(&index).is_some_and(|known| known.uid == metadata.uid)
                {
                    instances.remove(&index);
                }
                true
            }
            Event::InitDone => {
                let list = self.lists;
                for instances in self.known.values_mut() {
                    instances.retain(|_, known| known.kind != kind || known.list == list);
                }
                self.known.retain(|_, instances| !instances.is_empty());
                true
            }
        }
    }

    fn see(&mut self, kind: InstanceType, metadata: &ObjectMeta, now: Instant) -> bool {
        let Some(instance) = name(metadata) else { return true };
        let known = Known { uid: metadata.uid.clone(), asked: wished(metadata), kind, list: self.lists };
        let asked = known.asked;
        let instances = self.known.entry(instance.cluster.clone()).or_default();
        let before = instances.insert(instance.index, known);
        // An instance that is new, or was made anew, was not switched.
        let before = before.filter(|before| before.uid == metadata.uid);
        let Some(verb) = before.and_then(|before| verb(before.asked, asked)) else { return true };
        let new = || Pending { batch: Batch::default(), at: Timestamp::now(), first: now, last: now };
        let pending = self.pending.entry(instance.cluster.clone()).or_insert_with(new);
        pending.last = now;
        pending.batch.add(instance, verb, metadata)
    }

    /// Returns when the next switches are due.
    fn next(&self) -> Option<Instant> {
        self.pending.values().map(Pending::due).min()
    }

    /// Takes out the switches that are due, with the number of instances of each cluster.
    fn due(&mut self, now: Instant) -> Vec<(ClusterName, Pending, usize)> {
        let due = self.pending.extract_if(|_, pending| pending.due() <= now);
        due.map(|(cluster, pending)| {
            let total = self.known.get(&cluster).map_or(0, HashMap::len);
            (cluster, pending, total)
        })
        .collect()
    }
}

/// Returns the name of an instance, if the object is one in the Namespace of its cluster.
fn name(metadata: &ObjectMeta) -> Option<InstanceName> {
    let name: InstanceName = metadata.name.as_deref()?.parse().ok()?;
    (metadata.namespace.as_deref() == Some(name.cluster.namespace().as_str())).then_some(name)
}

/// Watches the instances, and tells of their verbs.
pub(super) async fn run(context: Arc<Context>, accounts: Store<ConfigMap>) {
    let mut news = asked::watch(&context.client);
    let mut switches = Switches::default();
    loop {
        let due = async {
            match switches.next() {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            one = news.next() => {
                let Some((kind, event)) = one else { return };
                if !switches.take(kind, event, Instant::now()) {
                    context.metrics.told(metrics::LIMITED);
                }
            }
            () = due => {
                for (cluster, pending, total) in switches.due(Instant::now()) {
                    let Some(uid) = context.uid_of(&accounts, &cluster) else { continue };
                    for told in pending.batch.told(&cluster, total) {
                        context.story.push(&context.metrics, &cluster, &uid, told, pending.at);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use cmp_core::keys;

    use super::*;

    fn instance(name: &str, uid: &str, asked: &str) -> ObjectMeta {
        let fields = json!({ "f:metadata": { "f:labels": { (format!("f:{}", keys::ASKED)): {} } } });
        serde_json::from_value(json!({
            "name": name, "namespace": "web-ns", "uid": uid, "labels": { (keys::ASKED): asked },
            "managedFields": [{ "manager": "kubectl-cmp/root", "time": "2026-01-01T00:00:00Z", "fieldsV1": fields }],
        }))
        .unwrap()
    }

    /// Takes events of containers, and returns what is told of `web` after a quiet time.
    fn told(switches: &mut Switches, events: Vec<Event<ObjectMeta>>) -> Vec<String> {
        let now = Instant::now();
        for event in events {
            assert!(switches.take(InstanceType::Container, event, now));
        }
        assert!(switches.due(now + QUIET - Duration::from_millis(1)).is_empty());
        let due = switches.due(now + QUIET).into_iter();
        due.flat_map(|(cluster, pending, total)| pending.batch.told(&cluster, total)).map(|told| told.note).collect()
    }

    #[test]
    fn a_switch_is_told_once_and_an_instance_that_is_new_is_not_one() {
        use Event::{Apply, Delete, Init, InitApply, InitDone};
        let mut switches = Switches::default();
        let (on, off) = (|name| instance(name, "u", "running"), |name| instance(name, "u", "stopped"));
        let list = vec![Init, InitApply(on("web-0")), InitApply(off("web-1")), InitDone];
        assert!(told(&mut switches, list).is_empty(), "the first list is where the comparison begins");
        let changes = vec![Apply(off("web-0")), Apply(off("web-0")), Apply(on("web-2"))];
        assert_eq!(told(&mut switches, changes), ["root stopped instance web-0"]);
        // A break of the watch hides nothing that is still visible, and what is gone is forgotten.
        let list = vec![Init, InitApply(on("web-0")), InitApply(on("web-1")), InitDone];
        assert_eq!(told(&mut switches, list), ["root started all 2 instances"]);
        let made_anew = vec![Delete(on("web-0")), Apply(off("web-0")), Apply(instance("web-1", "other", "stopped"))];
        assert!(told(&mut switches, made_anew).is_empty());
        let foreign = ObjectMeta { namespace: Some("db-ns".to_owned()), ..on("web-0") };
        assert!(told(&mut switches, vec![Apply(foreign)]).is_empty());
        let list = vec![Init, InitDone];
        assert!(told(&mut switches, list).is_empty());
        assert!(switches.known.is_empty() && switches.pending.is_empty(), "nothing is kept of what is gone");
    }

    #[test]
    fn switches_that_go_on_are_told_after_a_while() {
        let (mut switches, start) = (Switches::default(), Instant::now());
        let mut at = start;
        while switches.due(at).is_empty() {
            assert!(at < start + LONGEST + QUIET);
            for asked in ["running", "stopped"] {
                switches.take(InstanceType::Vm, Event::Apply(instance("web-0", "u", asked)), at);
            }
            at += QUIET / 2;
        }
        assert_eq!(at, start + LONGEST);
    }
}
