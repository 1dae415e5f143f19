//! Measures the cost of cmp. Each figure is a ratio to the same work without cmp, measured in the same run.
//!
//! `cargo bench -p cmp-tests` runs all benchmarks; `cargo bench -p cmp-tests -- verdict changes` runs the named ones.
//! The figures are medians of several rounds. Rounds with and without cmp alternate, because the machine may be busy
//! with other work.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use cmp_core::account::{Account, Shape, Want};
use cmp_core::name::{ClusterName, UserName};
use cmp_core::template::Template;
use cmp_core::verdict::judge;
use cmp_core::vocabulary::InstanceType;
use cmp_core::{keys, manifest};
use cmp_tests::Installation;
use cmp_tests::control_plane::client;
use futures::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tower::ServiceExt;

mod changes;
mod flood;
mod plugin;

const ROUNDS: usize = 5;

fn main() {
    let named: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let benchmarks: [(&str, fn()); 9] = [
        ("verdict", verdict),
        ("changes", changes::changes),
        ("flood", flood::flood),
        ("create", create),
        ("pods", pods),
        ("startup", plugin::startup),
        ("hundred", plugin::hundred),
        ("thousand", plugin::thousand),
        ("memory", memory),
    ];
    for (name, run) in benchmarks {
        if named.is_empty() || named.iter().any(|asked| asked == name) {
            println!("\n## {name}\n");
            run();
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn size(cpu: &str, memory: &str) -> cmp_core::resources::Resources {
    cmp_core::resources::Resources::new(cpu.parse().unwrap(), memory.parse().unwrap())
}

/// Returns the data of an account with this number of clusters.
fn data(clusters: usize) -> BTreeMap<String, String> {
    let mut data: BTreeMap<String, String> = BTreeMap::new();
    data.insert("quota".to_owned(), r#"{"cpu":"16000","memory":"64000Gi"}"#.to_owned());
    data.insert("policy".to_owned(), r#"{"suspended":"keep","clusters":5000,"instances":9000}"#.to_owned());
    data.insert("settled".to_owned(), "u".to_owned());
    for at in 0..clusters {
        let shape = r#""type":"container","count":3,"size":{"cpu":"2","memory":"4Gi"}"#;
        data.insert(format!("want.web-{at}"), format!("{{{shape}}}"));
        let uid = "0b2f3c68-6a1f-4d1b-9d55-0d4f0d9e7a11";
        data.insert(format!("held.web-{at}"), format!(r#"{{"uid":"{uid}",{shape},"state":"ready"}}"#));
    }
    data
}

/// Returns the median duration of many calls of `work`, in microseconds.
fn microseconds(mut work: impl FnMut()) -> f64 {
    let started = Instant::now();
    let mut taken = Vec::new();
    while started.elapsed() < Duration::from_secs(2) || taken.len() < 20 {
        let one = Instant::now();
        work();
        taken.push(one.elapsed().as_secs_f64() * 1e6);
    }
    median(taken)
}

/// Measures the verdict in process, from the body of a review to the answer, and the share of each part.
fn verdict() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let router = cmp_webhook::admission::router(&Arc::default());
    let user: UserName = "john".parse().unwrap();
    println!("| clusters | bytes | whole answer | JSON passed over | one account read | judge |");
    println!("|---|---|---|---|---|---|");
    for clusters in [1, 100, 1000] {
        let (old, mut new) = (data(clusters), data(clusters));
        new.insert(
            "want.db".to_owned(),
            r#"{"type":"container","count":1,"size":{"cpu":"1","memory":"1Gi"}}"#.to_owned(),
        );
        let map = |data: &BTreeMap<String, String>| {
            json!({
                "apiVersion": "v1", "kind": "ConfigMap", "data": data,
                "metadata": { "name": "john", "namespace": "cmp-users", "uid": "u", "labels": { (keys::ACCOUNT): "true" } },
            })
        };
        let body = json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": "q", "operation": "UPDATE", "name": "john", "namespace": "cmp-users",
                "kind": { "group": "", "version": "v1", "kind": "ConfigMap" },
                "resource": { "group": "", "version": "v1", "resource": "configmaps" },
                "userInfo": { "username": "john" }, "object": map(&new), "oldObject": map(&old), "dryRun": false,
            },
        })
        .to_string();
        let whole = microseconds(|| {
            let request = Request::post(keys::ACCOUNT_PATH).body(Body::from(body.clone())).unwrap();
            let response = runtime.block_on(router.clone().oneshot(request)).unwrap();
            assert!(black_box(response).status().is_success());
        });
        // Lower bound for any reader of the review: it looks at every byte and keeps nothing.
        let floor = microseconds(|| {
            let all: &serde_json::value::RawValue = serde_json::from_str(&body).unwrap();
            black_box(all);
        });
        let read = |data| Account::read(user.clone(), "u", data).unwrap();
        let one = microseconds(|| drop(black_box(read(&old))));
        let (before, after) = (read(&old), read(&new));
        let judged = microseconds(|| judge(Some(&before), black_box(&after)).unwrap());
        println!("| {clusters} | {} | {whole:.1} µs | {floor:.1} µs | {one:.1} µs | {judged:.1} µs |", body.len());
    }
}

fn want(count: u32, cpu: &str, memory: &str) -> Want {
    serde_json::from_value(json!({ "type": "container", "count": count, "size": size(cpu, memory) })).unwrap()
}

/// Returns all objects of a cluster, as a person would apply them by hand.
fn objects(user: &UserName, cluster: &ClusterName, want: &Want) -> Vec<Value> {
    let (kind, shape) = (InstanceType::Container, want.shape());
    let json = |object: Result<Value, serde_json::Error>| object.unwrap();
    let settings = cmp_core::settings::Settings::default();
    let mut all = vec![
        json(serde_json::to_value(manifest::namespace(user, cluster, kind, &want.size, "1"))),
        json(serde_json::to_value(manifest::resource_quota(cluster, kind, &shape, "u", "1"))),
        json(serde_json::to_value(manifest::limit_range(cluster, kind, &want.size, &settings, "u", "1"))),
        json(serde_json::to_value(manifest::network_policy(user, cluster, kind, &settings))),
        json(serde_json::to_value(manifest::role_binding(user, cluster, kind))),
    ];
    let blueprint = Template::container().blueprint(want).unwrap();
    let sets = (0..want.count).map(|at| blueprint.stateful_set(&cluster.instance(at)).unwrap());
    all.extend(sets.map(|set| json(serde_json::to_value(set))));
    all
}

/// Measures the time from the command to the accepted instances of a cluster of three. Compares it with `kubectl apply`
/// of the same objects.
fn create() {
    let installation = Installation::start(1, "3s");
    let user = installation.user("1000", "1000Gi");
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS + 2 {
        let cluster: ClusterName = format!("plain{round}").parse().unwrap();
        let mut list = objects(&"nobody".parse().unwrap(), &cluster, &want(3, "1", "1Gi"));
        // The Namespace has no owner: otherwise the policies refuse the administrator all writes that only cmp-webhook
        // may make.
        list[0]["metadata"]["labels"] = json!({});
        list[0]["metadata"]["annotations"] = json!({});
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": list }).to_string();
        let started = Instant::now();
        installation.plane.admin_reading(&["apply", "-f", "-"], &list).ok();
        without.push(started.elapsed().as_secs_f64());
        let cluster = format!("made{round}");
        let started = Instant::now();
        user.cmp(&["create", "cluster", &cluster, "--cpu", "1", "--memory", "1Gi", "--count", "3"]).ok();
        with.push(started.elapsed().as_secs_f64());
    }
    let ratio = median(with.iter().zip(&without).map(|(with, without)| with / without).collect());
    println!("| kubectl cmp create cluster | kubectl apply | ratio |\n|---|---|---|");
    println!("| {:.0} ms | {:.0} ms | {ratio:.2} |", median(with) * 1e3, median(without) * 1e3);
}

/// Creates Pods in a Namespace, sixteen at once, deletes them again, and returns the number created per second.
async fn pods_in(client: &Client, namespace: &str) -> f64 {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    // The Pods wait at a scheduling gate, because the benchmark measures the API server.
    let pod = |at: usize| -> Pod {
        let resources = json!({ "cpu": "10m", "memory": "16Mi" });
        serde_json::from_value(json!({
            "metadata": { "name": format!("pod-{at}") },
            "spec": {
                "schedulingGates": [{ "name": "example.com/wait" }],
                "containers": [{ "name": "a", "image": "debian", "resources": { "requests": resources, "limits": resources } }],
            },
        }))
        .unwrap()
    };
    let started = Instant::now();
    let made = futures::stream::iter(0..200).map(|at| {
        let (api, pod) = (api.clone(), pod(at));
        async move { api.create(&PostParams::default(), &pod).await.unwrap() }
    });
    let count = made.buffer_unordered(16).count().await;
    let rate = count as f64 / started.elapsed().as_secs_f64();
    let now = DeleteParams::default().grace_period(0);
    api.delete_collection(&now, &ListParams::default()).await.unwrap();
    while !api.list(&ListParams::default()).await.unwrap().items.is_empty() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    rate
}

/// Measures the creation of Pods in a cluster's Namespace, against a Namespace with the same ResourceQuota and
/// LimitRange.
fn pods() {
    let installation = Installation::start(1, "3s");
    let user = installation.user("1000", "1000Gi");
    let want = want(1000, "10m", "16Mi");
    user.patch(&json!({ "want.web": serde_json::to_string(&want).unwrap() })).ok();
    let ready = || {
        if user.account()["held.web"].as_str().is_some_and(|held| held.contains("ready")) {
            Ok(())
        } else {
            Err(String::new())
        }
    };
    cmp_tests::eventually("the cluster is ready", Duration::from_secs(60), ready);
    let plain: ClusterName = "plain".parse().unwrap();
    let mut list = objects(&"nobody".parse().unwrap(), &plain, &Want { count: 0, ..want.clone() });
    list[0]["metadata"]["labels"] = json!({});
    list[0]["metadata"]["annotations"] = json!({});
    let shape = Shape { count: 1000, ..want.shape() };
    let quota = manifest::resource_quota(&plain, InstanceType::Container, &shape, "u", "1");
    list[1]["spec"] = serde_json::to_value(quota.spec).unwrap();
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": list }).to_string();
    installation.plane.admin_reading(&["apply", "-f", "-"], &list).ok();
    let (with, without): (Vec<f64>, Vec<f64>) = Runtime::new().unwrap().block_on(async {
        let client = client(&installation.plane.kubeconfig()).await;
        let mut rates = (Vec::new(), Vec::new());
        for round in 0..ROUNDS * 2 {
            // The second Namespace of a round meets another state of etcd than the first, so the order alternates.
            if round % 2 == 0 {
                rates.1.push(pods_in(&client, "plain-ns").await);
                rates.0.push(pods_in(&client, "web-ns").await);
            } else {
                rates.0.push(pods_in(&client, "web-ns").await);
                rates.1.push(pods_in(&client, "plain-ns").await);
            }
        }
        rates
    });
    let ratio = median(with.iter().zip(&without).map(|(with, without)| with / without).collect());
    println!("| cluster | plain | ratio |\n|---|---|---|");
    println!("| {:.0} Pods/s | {:.0} Pods/s | {ratio:.2} |", median(with), median(without));
}

/// Measures the resident memory of cmp-webhook with many clusters, and the time until it is ready after a restart. Each
/// user wants twenty clusters, and the controllers create them.
fn memory() {
    let mut installation = Installation::start(1, "3s");
    let runtime = Runtime::new().unwrap();
    println!("| clusters | made in | after that | started anew | ready in |\n|---|---|---|---|---|");
    let mib = |installation: &Installation| installation.replicas[0].memory().unwrap_or(0) as f64 / f64::from(1 << 20);
    let most = std::env::var("CMP_BENCH_CLUSTERS").ok().and_then(|most| most.parse().ok()).unwrap_or(1000);
    let mut made = 0;
    for goal in [0, 1000, 10_000].into_iter().filter(|goal| *goal <= most) {
        for at in (made / 20)..(goal / 20) {
            installation.user_named(&format!("bench{at}"), "20", "20Gi");
        }
        let started = Instant::now();
        runtime.block_on(async {
            let client = client(&installation.plane.kubeconfig()).await;
            let maps: Api<ConfigMap> = Api::namespaced(client.clone(), keys::USERS_NAMESPACE);
            for at in (made / 20)..(goal / 20) {
                let size = json!({ "type": "container", "count": 1, "size": size("1", "1Gi") }).to_string();
                let data: BTreeMap<String, String> =
                    (0..20).map(|cluster| (format!("want.m{at}-{cluster}"), size.clone())).collect();
                let name = format!("bench{at}");
                // Nothing grows until the account is settled.
                let patch = json!({ "data": data });
                while maps.patch(&name, &PatchParams::default(), &Patch::Merge(&patch)).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            let namespaces: Api<Namespace> = Api::all(client);
            let ready = ListParams::default().labels(keys::OWNER);
            loop {
                let list = namespaces.list(&ready).await.unwrap();
                let done = |one: &&Namespace| {
                    one.metadata.annotations.as_ref().is_some_and(|all| all.contains_key(keys::READY))
                };
                if list.items.iter().filter(done).count() >= goal {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        });
        let (took, after) = (started.elapsed().as_secs_f64(), mib(&installation));
        made = goal;
        installation.replicas[0].stop();
        let started = Instant::now();
        installation.restart();
        let ready = started.elapsed().as_secs_f64();
        println!("| {made} | {took:.0} s | {after:.1} MiB | {:.1} MiB | {ready:.1} s |", mib(&installation));
    }
}
