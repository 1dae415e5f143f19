//! Users of the cloud during the faults. Some work through the plugin, most send plain calls with their tokens, and
//! none of them is careful.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cmp_tests::shell::kubectl;
use fastrand::Rng;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use crate::observer::Observer;
use crate::support::want;

/// The text in a refusal by the policy of the fault that refuses.
pub(crate) const REFUSES: &str = "chaos refuses this";
/// The longest that a user waits for an answer.
const PATIENCE: Duration = Duration::from_secs(8);

/// Counts of the outcomes of each kind of work.
#[derive(Clone, Default)]
pub(crate) struct Counts(Arc<Mutex<BTreeMap<(String, String), u64>>>);

impl Counts {
    fn add(&self, work: &str, outcome: &str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((work.to_owned(), outcome.to_owned())).or_default() += 1;
    }

    /// Returns the count of each pair of work and outcome.
    pub(crate) fn all(&self) -> BTreeMap<(String, String), u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns how often any work had this outcome.
    pub(crate) fn outcome(&self, outcome: &str) -> u64 {
        self.all().iter().filter(|((_, of), _)| of == outcome).map(|(_, count)| count).sum()
    }

    /// Returns how often this work succeeded.
    pub(crate) fn done(&self, work: &str) -> u64 {
        self.all().get(&(work.to_owned(), "ok".to_owned())).copied().unwrap_or_default()
    }
}

/// The work that must have succeeded at least once.
pub(crate) const WORK: [&str; 11] =
    ["create", "fill", "grow", "shrink", "enlarge", "reduce", "delete", "stop", "release", "resume", "plugin"];

/// A person who works with the account of a user.
pub(crate) struct Person {
    /// The index of the person, which makes cluster names unique.
    pub(crate) number: usize,
    /// The name of the user.
    pub(crate) user: String,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) client: Client,
    pub(crate) random: Rng,
    pub(crate) counts: Counts,
    pub(crate) observer: Observer,
}

/// The outcome of one piece of work.
type Outcome = Result<(), String>;

fn outcome(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.message.contains(REFUSES) => "refused at random".to_owned(),
        kube::Error::Api(status) if status.message.contains("exceeded quota") => "over quota".to_owned(),
        kube::Error::Api(status) => format!("{} {}", status.code, status.reason),
        _ => "no answer".to_owned(),
    }
}

/// Waits for an answer with a time limit. Without an answer the outcome is unknown.
async fn patiently<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, call).await {
        Ok(answer) => answer.map_err(|error| outcome(&error)),
        Err(_) => Err("no answer".to_owned()),
    }
}

/// Returns an instance that requests its size.
pub(crate) fn instance(cluster: &str, index: i64, size: &Value) -> StatefulSet {
    let name = format!("{cluster}-{index}");
    let labels = json!({ "kubectl-cmp.dev/instance": name });
    let container = json!({ "name": "instance", "image": "x", "resources": { "requests": size, "limits": size } });
    let set = json!({
        "metadata": { "name": name, "labels": { "kubectl-cmp.dev/asked": "running" } },
        "spec": {
            "replicas": 1, "podManagementPolicy": "Parallel", "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": { "containers": [container] } },
        },
    });
    serde_json::from_value(set).expect("a StatefulSet")
}

/// A cluster as the account describes it.
struct Seen {
    name: String,
    want: Value,
    held: Value,
}

impl Seen {
    fn count(&self) -> i64 {
        self.want["count"].as_i64().unwrap_or_default()
    }

    fn wants(&self, change: impl FnOnce(&mut Value)) -> Value {
        let mut want = self.want.clone();
        change(&mut want);
        want
    }
}

impl Person {
    /// Works at random until `stop` is set.
    pub(crate) async fn work(mut self, stop: Arc<AtomicBool>) {
        while !stop.load(Ordering::Relaxed) {
            let (work, about, outcome) = self.something().await;
            let outcome = outcome.err().unwrap_or_else(|| "ok".to_owned());
            self.counts.add(work, &outcome);
            self.observer.note(
                json!({ "client": self.number, "user": self.user, "work": work, "cluster": about, "outcome": outcome }),
            );
            tokio::time::sleep(Duration::from_millis(self.random.u64(50..600))).await;
        }
    }

    fn account(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), "cmp-users")
    }

    fn sets(&self, cluster: &str) -> Api<StatefulSet> {
        Api::namespaced(self.client.clone(), &format!("{cluster}-ns"))
    }

    async fn patch(&self, data: Value) -> Outcome {
        let (patch, params) = (Patch::Merge(json!({ "data": data })), PatchParams::default());
        patiently(self.account().patch(&self.user, &params, &patch)).await.map(|_| ())
    }

    async fn clusters(&self) -> Result<Vec<Seen>, String> {
        let account = patiently(self.account().get(&self.user)).await?;
        let data = account.data.unwrap_or_default();
        let read = |key: String| data.get(&key).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let names = data.keys().filter_map(|key| key.strip_prefix("want."));
        Ok(names
            .map(|name| Seen {
                name: name.to_owned(),
                want: read(format!("want.{name}")),
                held: read(format!("held.{name}")),
            })
            .collect())
    }

    /// Returns a random cluster name. Some names are only this person's, and everybody uses the others.
    fn name(&mut self) -> String {
        match self.random.u8(0..6) {
            0 => format!("all-{}", self.random.u8(0..3)),
            _ => format!("c{}-{}", self.number, self.random.u8(0..2)),
        }
    }

    async fn something(&mut self) -> (&'static str, String, Outcome) {
        let clusters = match self.clusters().await {
            Ok(clusters) => clusters,
            Err(why) => return ("look", String::new(), Err(why)),
        };
        if self.random.u8(0..16) == 0 {
            return self.by_plugin(&clusters).await;
        }
        // The people of a user also work on each other's clusters.
        let chosen = if clusters.is_empty() { None } else { clusters.get(self.random.usize(0..clusters.len())) };
        let Some(chosen) = chosen.filter(|_| self.random.u8(0..4) > 0) else {
            let name = self.name();
            if clusters.iter().any(|cluster| cluster.name == name) {
                return ("look", name, Ok(()));
            }
            let (count, cpu) = (self.random.u32(1..4), self.random.u32(1..3));
            let outcome = self.patch(json!({ format!("want.{name}"): want(count, &cpu.to_string(), "1Gi") })).await;
            return ("create", name, outcome);
        };
        let name = chosen.name.clone();
        let key = format!("want.{name}");
        match self.random.u8(0..14) {
            0..=3 => ("fill", name, self.fill(chosen).await),
            4 => {
                let wanted = chosen.wants(|want| want["count"] = (chosen.count() + 1).into());
                ("grow", name, self.patch(json!({ key: wanted.to_string() })).await)
            }
            5 => {
                let wanted = chosen.wants(|want| want["size"]["cpu"] = "2".into());
                ("enlarge", name, self.patch(json!({ key: wanted.to_string() })).await)
            }
            6 | 7 => {
                let to = (chosen.count() - 1).max(1);
                if self.random.bool() {
                    let _gone = self.remove(chosen, to).await;
                }
                let wanted = chosen.wants(|want| want["count"] = to.into());
                ("shrink", name, self.patch(json!({ key: wanted.to_string() })).await)
            }
            8 => {
                let _gone = self.remove(chosen, 0).await;
                let wanted = chosen.wants(|want| want["size"]["cpu"] = "1".into());
                ("reduce", name, self.patch(json!({ key: wanted.to_string() })).await)
            }
            9 => {
                let uid = chosen.held["uid"].as_str().filter(|uid| !uid.is_empty());
                match uid {
                    Some(uid) => ("delete", name.clone(), self.patch(json!({ format!("delete.{name}"): uid })).await),
                    None => ("look", name, Ok(())),
                }
            }
            10 | 11 => {
                let released = chosen.want["released"] == true;
                if !released && self.random.u8(0..4) > 0 {
                    let _off = self.switch_off(chosen).await;
                }
                let wanted = chosen.wants(|want| want["released"] = (!released).into());
                (
                    if released { "resume" } else { "release" },
                    name,
                    self.patch(json!({ key: wanted.to_string() })).await,
                )
            }
            _ => {
                let (replicas, index) = (self.random.u8(0..2), self.random.i64(0..chosen.count().max(1)));
                let patch = Patch::Merge(json!({ "spec": { "replicas": replicas } }));
                let (sets, params) = (self.sets(&name), PatchParams::default());
                let instance = format!("{name}-{index}");
                let scaled = sets.patch_scale(&instance, &params, &patch);
                ("stop", name, patiently(scaled).await.map(|_| ()))
            }
        }
    }

    /// Creates the missing instances, in any state of the cluster, and sometimes one too many.
    async fn fill(&mut self, cluster: &Seen) -> Outcome {
        let beyond = i64::from(self.random.u8(0..4) == 0);
        for index in 0..cluster.count() + beyond {
            let set = instance(&cluster.name, index, &cluster.want["size"]);
            let (sets, params) = (self.sets(&cluster.name), PostParams::default());
            let made = patiently(sets.create(&params, &set)).await;
            match made {
                Err(why) if why.starts_with("409") => {}
                Err(why) if index >= cluster.count() => self.counts.add("one too many", &why),
                made => made.map(|_| ())?,
            }
        }
        Ok(())
    }

    /// Deletes the instances from this index on.
    async fn remove(&self, cluster: &Seen, from: i64) -> Outcome {
        let sets = self.sets(&cluster.name);
        for set in patiently(sets.list(&ListParams::default())).await? {
            let name = set.name_any();
            let index = name.rsplit_once('-').and_then(|(_, index)| index.parse::<i64>().ok());
            if index.is_none_or(|index| index >= from) {
                patiently(sets.delete(&name, &DeleteParams::default())).await?;
            }
        }
        Ok(())
    }

    /// Switches the instances off, so that the cluster can give its quota back.
    async fn switch_off(&self, cluster: &Seen) -> Outcome {
        let (sets, params) = (self.sets(&cluster.name), PatchParams::default());
        let off = Patch::Merge(json!({ "spec": { "replicas": 0 } }));
        for set in patiently(sets.list(&ListParams::default())).await? {
            patiently(sets.patch_scale(&set.name_any(), &params, &off)).await?;
        }
        Ok(())
    }

    async fn by_plugin(&mut self, clusters: &[Seen]) -> (&'static str, String, Outcome) {
        let some = if clusters.is_empty() { None } else { clusters.get(self.random.usize(0..clusters.len())) };
        let name = some.map_or_else(|| self.name(), |some| some.name.clone());
        let count = self.random.u8(1..4).to_string();
        let command: Vec<&str> = match self.random.u8(0..6) {
            0 => vec!["get", "clusters"],
            1 => vec!["create", "cluster", &name, "--cpu", "1", "--memory", "1Gi", "--count", &count],
            2 => vec!["scale", "cluster", &name, "--count", &count, "--yes"],
            3 => vec!["suspend", "cluster", &name],
            4 => vec!["resume", "cluster", &name],
            _ => vec!["delete", "cluster", &name, "--yes"],
        };
        let mut all = vec!["cmp".to_owned()];
        all.extend(command.iter().map(|word| (*word).to_owned()));
        all.push("--request-timeout=5s".to_owned());
        if ["create", "scale"].contains(&command[0]) {
            all.push("--timeout=5s".to_owned());
        }
        let kubeconfig = self.kubeconfig.clone();
        let ran = tokio::task::spawn_blocking(move || {
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            kubectl(&kubeconfig, &all)
        });
        match ran.await {
            Ok(output) if output.code == 0 => ("plugin", name, Ok(())),
            Ok(output) if output.stderr.contains(REFUSES) => ("plugin", name, Err("refused at random".to_owned())),
            Ok(output) if output.stderr.contains("exceeded quota") => ("plugin", name, Err("over quota".to_owned())),
            Ok(output) => {
                let said = output.stderr.lines().next().unwrap_or_default();
                self.observer.note(json!({ "client": self.number, "plugin": command, "said": said }));
                ("plugin", name, Err(format!("exit {}", output.code)))
            }
            Err(error) => ("plugin", name, Err(error.to_string())),
        }
    }
}
