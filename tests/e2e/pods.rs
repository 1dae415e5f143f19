//! The maximum of a Pod in a cluster's Namespace: random Pods are sent to the real API server.
//!
//! `core`'s own sum of a Pod judges here. Another test compares that sum with Kubernetes' evaluator
//! (`core/tests/vectors/pods.jsonl`).

use std::collections::BTreeSet;

use cmp_core::footprint::{Rule, footprint};
use cmp_core::resources::Resources;
use cmp_tests::control_plane::client;
use cmp_tests::{Kubernetes, World};
use futures::StreamExt;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Pod, PodSpec, ResourceRequirements};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Map, Value, json};

use crate::support::{held, shared};

const SIZE: [(&str, &str); 3] = [("cpu", "2"), ("memory", "1Gi"), ("nvidia.com/gpu", "2")];
/// A RuntimeClass with an overhead, which no LimitRange counts.
const PADDED: &str = "padded";
const AT_ONCE: usize = 32;

/// A generator of random Pods, which gives the same Pods for the same seed. `CMP_TESTS_SEED` plays a run again.
struct Pods(fastrand::Rng);

impl Pods {
    fn new() -> Self {
        let given = std::env::var("CMP_TESTS_SEED").ok().map(|seed| seed.parse().expect("CMP_TESTS_SEED is a number"));
        let seed = given.unwrap_or_else(|| fastrand::u64(..));
        println!("CMP_TESTS_SEED={seed}");
        Self(fastrand::Rng::with_seed(seed))
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0.usize(..bound)
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// Returns amounts around the edges of the size, or small ones.
    fn amounts(&mut self, small: bool) -> Value {
        let mut amounts = Map::new();
        let cpu: &[&str] =
            if small { &["1m", "50m", "0.5"] } else { &["0", "1", "1500m", "2", "2001m", "2000100u", "3", "1e1"] };
        let memory: &[&str] = if small {
            &["1Mi", "64Mi", "100000000500m"]
        } else {
            &["0", "1500m", "512Mi", "1Gi", "1073741825", "1073741824001m", "1073741824000001u", "1.5G", "2Gi"]
        };
        for (name, choices) in [("cpu", cpu), ("memory", memory)] {
            if !self.one_in(6) {
                amounts.insert(name.to_owned(), self.of(choices).into());
            }
        }
        amounts.into()
    }

    /// Returns requests that mostly do not exceed the limits. Otherwise nearly everything would be refused for that
    /// reason.
    fn requests(&mut self, limits: &Value, small: bool) -> Value {
        match self.below(8) {
            0 => self.amounts(small),
            1 | 2 => json!({ "cpu": "1m", "memory": "1Mi" }),
            _ => limits.clone(),
        }
    }

    fn resources(&mut self, small: bool) -> Value {
        let mut limits = self.amounts(small);
        let mut requests = self.requests(&limits, small);
        // Limits and requests of resources that come in whole pieces must be equal.
        let pieces = if self.one_in(6) { self.of(&["example.com/licence", "hugepages-2Mi"]) } else { "nvidia.com/gpu" };
        if !self.one_in(3) {
            let amount = if pieces == "hugepages-2Mi" { "2Mi" } else { self.of(&["0", "1", "1", "2", "3"]) };
            limits[pieces] = amount.into();
            requests[pieces] = amount.into();
        }
        match self.below(8) {
            0 => json!({}),
            1 => json!({ "requests": requests }),
            2 | 3 => json!({ "limits": limits }),
            _ => json!({ "requests": requests, "limits": limits }),
        }
    }

    fn containers(&mut self, count: usize, name: &str, small: bool) -> Vec<Value> {
        let one = |at: usize, pods: &mut Self| {
            let mut container =
                json!({ "name": format!("{name}{at}"), "image": "debian", "resources": pods.resources(small) });
            if name == "init" && pods.one_in(2) {
                container["restartPolicy"] = "Always".into();
            }
            container
        };
        (0..count).map(|at| one(at, self)).collect()
    }

    fn spec(&mut self) -> Value {
        let small = self.one_in(2);
        let (many, first) = (1 + self.below(3), self.below(4));
        let mut spec = json!({
            "containers": self.containers(many, "main", small),
            "initContainers": self.containers(first, "init", small),
        });
        if self.one_in(4) {
            let small = self.one_in(2);
            spec["resources"] = self.pod_level(small);
        }
        if self.one_in(8) {
            spec["runtimeClassName"] = PADDED.into();
        }
        spec
    }

    fn pod_level(&mut self, small: bool) -> Value {
        let limits = self.amounts(small);
        let requests = self.requests(&limits, small);
        if self.one_in(4) { json!({ "requests": requests }) } else { json!({ "requests": requests, "limits": limits }) }
    }
}

fn size() -> Resources {
    SIZE.iter().map(|(name, amount)| (name.parse().unwrap(), amount.parse().unwrap())).collect()
}

/// Returns the resources that a Pod names, whether a size can have them or not.
fn names(pod: &PodSpec) -> BTreeSet<&str> {
    let containers = pod.containers.iter().chain(pod.init_containers.iter().flatten());
    let of = |resources: &'_ ResourceRequirements| -> Vec<String> {
        [&resources.requests, &resources.limits].into_iter().flatten().flat_map(|list| list.keys().cloned()).collect()
    };
    let named: BTreeSet<String> = containers
        .filter_map(|container| container.resources.as_ref())
        .chain(pod.resources.as_ref())
        .flat_map(of)
        .collect();
    ["example.com/licence", "hugepages-2Mi"].into_iter().filter(|name| named.contains(*name)).collect()
}

/// Returns the reason why a Pod exceeds the size, if it does.
fn excess(pod: &PodSpec) -> Option<String> {
    for rule in [Rule::Requests, Rule::Limits] {
        let sum = footprint(pod, rule).expect("an accepted Pod can be counted");
        // The size does not name this resource. Four containers of 10Gi fit, and nothing is set aside.
        let writes = if rule == Rule::Limits { "40Gi" } else { "0" };
        let mut bound = size();
        bound.set("ephemeral-storage".parse().unwrap(), writes.parse().unwrap());
        if !sum.fits(&bound) {
            return Some(format!("{rule:?} {sum}"));
        }
        // A limit of 0 is no limit.
        let unbounded = sum.named("ephemeral-storage").is_none_or(|writes| writes.is_zero());
        if rule == Rule::Limits && (sum.cpu().is_zero() || sum.memory().is_zero() || unbounded) {
            return Some(format!("no limit: {sum}"));
        }
    }
    Some(names(pod)).filter(|names| !names.is_empty()).map(|names| format!("{names:?}"))
}

/// The result of one random Pod.
enum Fate {
    /// The Pod may run, and is within the size.
    Fits,
    /// The Pod would be admitted, but nobody can ask for it: its StatefulSet is refused to the user.
    NoInstance,
    /// The Pod is refused.
    Refused(String),
}

/// Creates a cluster of four without instances. Its ResourceQuota then admits Pods that the LimitRange must refuse.
fn ready(user: &World<'_>, cluster: &str, size: &Value) {
    let want = json!({ "type": "container", "count": 4, "size": size }).to_string();
    user.patch(&json!({ (format!("want.{cluster}")): want })).ok();
    user.account_is("the cluster is ready", |account| {
        held(account, cluster).is_some_and(|held| held["state"] == "ready")
    });
}

#[test]
fn nothing_above_the_size_is_accepted() {
    let user = shared().user("16", "64Gi");
    let cluster = user.cluster("web");
    let quota = json!({ "data": { "quota": r#"{"cpu":"16","memory":"64Gi","nvidia.com/gpu":"16"}"# } }).to_string();
    user.admin(&["patch", "configmap", &user.name, "-n", "cmp-users", "--type=merge", "-p", &quota]).ok();
    let size: Map<String, Value> = SIZE.iter().map(|(name, amount)| ((*name).to_owned(), (*amount).into())).collect();
    ready(&user, &cluster, &size.into());
    let overhead = json!({
        "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": { "name": PADDED },
        "handler": "runc", "overhead": { "podFixed": { "cpu": "250m", "memory": "64Mi" } },
    });
    shared().plane.admin_reading(&["apply", "-f", "-"], &overhead.to_string()).ok();

    let mut pods = Pods::new();
    let specs: Vec<Value> = (0..600).map(|_| pods.spec()).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let fates: Vec<Fate> = runtime.block_on(async {
        let (admin, owner) = (client(&shared().plane.kubeconfig()).await, client(&user.kubeconfig).await);
        let namespace = format!("{cluster}-ns");
        let made: Api<Pod> = Api::namespaced(admin, &namespace);
        let sets: Api<StatefulSet> = Api::namespaced(owner, &namespace);
        let send = |spec: Value| fate(&made, &sets, &cluster, spec);
        futures::stream::iter(specs).map(send).buffer_unordered(AT_ONCE).collect().await
    });

    let count = |is: fn(&Fate) -> bool| fates.iter().filter(|fate| is(fate)).count();
    let (fits, no_instance) =
        (count(|fate| matches!(fate, Fate::Fits)), count(|fate| matches!(fate, Fate::NoInstance)));
    let reasons = fates.iter().filter_map(|fate| if let Fate::Refused(reason) = fate { Some(reason) } else { None });
    let above = reasons.filter(|reason| reason.contains("maximum")).count();
    println!("of {} Pods {fits} fit, {above} are above the size, {no_instance} cannot be asked for", fates.len());
    // The test is void if everything was refused, or if nothing was tried.
    assert!(fits > 20 && above > 50 && no_instance > 5, "{fits} fit, {above} above, {no_instance} not to be asked for");
}

async fn fate(pods: &Api<Pod>, sets: &Api<StatefulSet>, cluster: &str, spec: Value) -> Fate {
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let pod = json!({ "metadata": { "name": "random" }, "spec": spec });
    // The administrator sends the Pod, because a user makes no Pods. The limits of a Pod must not depend on its
    // creator.
    let admitted = match pods.create(&dry, &serde_json::from_value(pod.clone()).unwrap()).await {
        Ok(admitted) => admitted.spec.unwrap(),
        Err(kube::Error::Api(status)) if status.is_forbidden() || status.code == 422 => {
            return Fate::Refused(status.message.clone());
        }
        Err(error) => panic!("{error}: {pod}"),
    };
    let Some(excess) = excess(&admitted) else { return Fate::Fits };
    // The LimitRange does not cover resources that it does not name, and overhead. A user can request neither.
    assert!(
        admitted.overhead.is_some() || !names(&admitted).is_empty(),
        "accepted with {excess} above {}: {pod}",
        size()
    );
    let labels = json!({ "a": "b" });
    let set = json!({
        "metadata": { "name": format!("{cluster}-0") },
        "spec": {
            "replicas": 1, "podManagementPolicy": "Parallel", "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": pod["spec"] },
        },
    });
    match sets.create(&dry, &serde_json::from_value(set).unwrap()).await {
        Err(kube::Error::Api(status)) if status.is_forbidden() || status.code == 422 => Fate::NoInstance,
        other => panic!("accepted with {excess} above {}: {pod}\n{other:?}", size()),
    }
}

#[test]
fn no_pod_is_resized_above_the_size() {
    let user = shared().user("16", "64Gi");
    let (cluster, size) = (user.cluster("web"), json!({ "cpu": "2", "memory": "1Gi" }));
    ready(&user, &cluster, &size);
    let (namespace, pod) = (format!("{cluster}-ns"), "resized");
    // The Pod waits at a scheduling gate, because a node of kwok does not resize running Pods.
    let resources = json!({ "cpu": "1", "memory": "512Mi" });
    let container =
        json!({ "name": "instance", "image": "debian", "resources": { "requests": resources, "limits": resources } });
    let waiting = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": pod, "namespace": namespace },
        "spec": { "schedulingGates": [{ "name": "example.com/wait" }], "containers": [container] },
    });
    shared().plane.admin_reading(&["create", "-f", "-"], &waiting.to_string()).ok();
    let mut random = Pods::new();
    let patches: Vec<Value> = (0..200)
        .map(|_| {
            let small = random.one_in(2);
            let resources = random.pod_level(small);
            json!({ "spec": { "containers": [{ "name": "instance", "resources": resources }] } })
        })
        .collect();
    // A user has no right to resize a Pod.
    let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/resize");
    user.kubectl_reading(&["replace", "--raw", &path, "-f", "-"], "{}").fails().says("resource \"pods/resize\"");
    if Kubernetes::get() == Kubernetes::Oldest {
        // This version has no such subresource, and nobody can change the requests of a Pod.
        let less = json!({ "cpu": "500m", "memory": "256Mi" });
        let less = json!([{ "name": "instance", "resources": { "requests": less, "limits": less } }]);
        let patch = json!({ "spec": { "containers": less } }).to_string();
        let patch = ["patch", "pod", pod, "-n", &namespace, "-p", &patch];
        shared().plane.admin(&patch).fails().says("pod updates may not change fields other than");
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let accepted: Vec<bool> = runtime.block_on(async {
        let pods: Api<Pod> = Api::namespaced(client(&shared().plane.kubeconfig()).await, &namespace);
        let dry = PatchParams { dry_run: true, ..PatchParams::default() };
        let send = |patch: Value| {
            let (pods, dry) = (pods.clone(), dry.clone());
            async move {
                match pods.patch_subresource("resize", pod, &dry, &Patch::Strategic(&patch)).await {
                    Ok(resized) => {
                        let spec = resized.spec.unwrap();
                        assert_eq!(excess(&spec), None, "{patch}");
                        true
                    }
                    Err(kube::Error::Api(status)) if status.is_forbidden() || status.code == 422 => false,
                    Err(error) => panic!("{error}: {patch}"),
                }
            }
        };
        futures::stream::iter(patches).map(send).buffer_unordered(AT_ONCE).collect().await
    });
    let resized = accepted.iter().filter(|accepted| **accepted).count();
    println!("of {} changes {resized} were accepted", accepted.len());
    assert!(resized > 5 && resized < accepted.len() - 20, "{resized} of {} accepted", accepted.len());
}
