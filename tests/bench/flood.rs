//! Measures the latency of one user's changes while another user sends as many requests as they can.

use std::path::Path;
use std::time::{Duration, Instant};

use cmp_core::keys;
use cmp_tests::control_plane::client;
use cmp_tests::{Installation, World};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::{ROUNDS, median};

/// The number of requests that the flooding user has in flight.
const AT_ONCE: usize = 64;
/// The time of one leg. The flooding user begins this much earlier than the other one.
const LEG: Duration = Duration::from_secs(4);
const HEAD_START: Duration = Duration::from_secs(1);

/// The percentiles of the latencies, in milliseconds.
struct Latency {
    p50: f64,
    p99: f64,
}

async fn accounts(kubeconfig: &Path) -> Api<ConfigMap> {
    Api::namespaced(client(kubeconfig).await, keys::USERS_NAMESPACE)
}

/// Changes the want of a cluster, one change after another.
async fn changes(api: &Api<ConfigMap>, user: &str) -> Latency {
    let (started, mut taken) = (Instant::now(), Vec::new());
    while started.elapsed() < LEG {
        let count = taken.len() % 2;
        let size = json!({ "cpu": "1", "memory": "1Gi" });
        let want = json!({ "type": "container", "count": count, "size": size }).to_string();
        let asked = Instant::now();
        let patch = Patch::Merge(json!({ "data": { "want.web": want } }));
        // The other user never has a conflict with this one, but the controllers may write the account at the same time.
        while api.patch(user, &PatchParams::default(), &patch).await.is_err() {}
        taken.push(asked.elapsed().as_secs_f64() * 1e3);
    }
    taken.sort_by(f64::total_cmp);
    Latency { p50: taken[taken.len() / 2], p99: taken[taken.len() * 99 / 100] }
}

/// Sends changes above the quota until the deadline, and returns their number.
async fn refused(api: &Api<ConfigMap>, user: &str, until: Instant) -> usize {
    let size = json!({ "cpu": "1", "memory": "1Gi" });
    let want = json!({ "type": "container", "count": 1000, "size": size }).to_string();
    let patch: &Value = &json!({ "data": { "want.flood": want } });
    let one = |_| async move {
        let mut sent = 0;
        while Instant::now() < until {
            api.patch(user, &PatchParams::default(), &Patch::Merge(patch)).await.expect_err("it is above the quota");
            sent += 1;
        }
        sent
    };
    futures::future::join_all((0..AT_ONCE).map(one)).await.into_iter().sum()
}

/// Measures one leg, with or without the flood.
fn leg(runtime: &Runtime, jane: &World<'_>, john: &World<'_>, flood: bool) -> (Latency, f64) {
    runtime.block_on(async {
        let (hers, his) = (accounts(&jane.kubeconfig).await, accounts(&john.kubeconfig).await);
        let until = Instant::now() + if flood { HEAD_START + LEG } else { Duration::ZERO };
        let name = john.name.clone();
        let flooding = tokio::spawn(async move { refused(&his, &name, until).await });
        if flood {
            tokio::time::sleep(HEAD_START).await;
        }
        let latency = changes(&hers, &jane.name).await;
        let sent = flooding.await.expect("the flood ends");
        (latency, sent as f64 / (HEAD_START + LEG).as_secs_f64())
    })
}

/// Measures one user's changes alone, beside the flood, and beside the flood without the objects of API Priority and
/// Fairness.
pub(crate) fn flood() {
    let installation = Installation::start(1, "3s");
    let (jane, john) = (installation.user("10", "10Gi"), installation.user("10", "10Gi"));
    let runtime = Runtime::new().unwrap();
    let schemas = ["delete", "flowschema", "cmp-accounts", "cmp-users", "cmp-webhook"];
    let url = installation.asked();
    let install = ["cmp", "install", "--webhook-url", &url];
    println!("| leg | p50 ms | ratio | p99 ms | ratio | requests of the flood/s |");
    println!("|---|---|---|---|---|---|");
    let mut legs: [Vec<(Latency, f64)>; 3] = Default::default();
    for _ in 0..ROUNDS {
        legs[0].push(leg(&runtime, &jane, &john, false));
        legs[1].push(leg(&runtime, &jane, &john, true));
        installation.plane.admin(&schemas).ok();
        legs[2].push(leg(&runtime, &jane, &john, true));
        installation.plane.admin(&install).ok();
    }
    let of = |at: usize, value: fn(&Latency) -> f64| -> Vec<f64> { legs[at].iter().map(|leg| value(&leg.0)).collect() };
    let ratio = |at: usize, value: fn(&Latency) -> f64| {
        median(of(at, value).iter().zip(of(0, value)).map(|(with, alone)| with / alone).collect())
    };
    for (at, name) in ["alone", "beside the flood", "beside the flood, without flow control"].into_iter().enumerate() {
        let [p50, p99]: [fn(&Latency) -> f64; 2] = [|latency| latency.p50, |latency| latency.p99];
        let sent = median(legs[at].iter().map(|leg| leg.1).collect());
        println!(
            "| {name} | {:.1} | {:.2} | {:.1} | {:.2} | {sent:.0} |",
            median(of(at, p50)),
            ratio(at, p50),
            median(of(at, p99)),
            ratio(at, p99),
        );
    }
}
