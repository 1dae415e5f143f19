//! Measures changes of accounts against the same changes without cmp-webhook, and beside a webhook that does nothing.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::Bytes;
use axum::routing::post;
use axum_server::tls_rustls::RustlsConfig;
use cmp_core::keys;
use cmp_tests::authority::Authority;
use cmp_tests::balancer::Balancer;
use cmp_tests::control_plane::{ControlPlane, client};
use cmp_tests::{Installation, SOON, eventually};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::{ROUNDS, median};

/// The label of ConfigMaps about which the API server asks the webhook that does nothing.
const ASKED: &str = "bench.kubectl-cmp.dev/asked";
/// The name of that webhook.
const ALLOWS: &str = "allow.kubectl-cmp.dev";
/// The API server's count of the requests to a webhook.
const ASKED_TOTAL: &str = "apiserver_admission_webhook_request_total";

/// Changes per second, and percentiles of the latencies of all changes in milliseconds.
struct Load {
    rate: f64,
    p50: f64,
    p99: f64,
}

/// Patches these ConfigMaps in turn for two seconds, with `at_once` requests in flight.
async fn patch(api: &Api<ConfigMap>, names: &[String], at_once: usize) -> Load {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let (started, until) = (Instant::now(), Duration::from_secs(2));
    let one = |client: usize| async move {
        let mut taken = Vec::new();
        while started.elapsed() < until {
            let next = NEXT.fetch_add(1, Ordering::Relaxed);
            // cmp-webhook judges a change of the quota, and the change leaves the controllers nothing to do.
            let quota = json!({ "cpu": (100 + next % 900).to_string(), "memory": "64Gi" }).to_string();
            let patch = json!({ "data": { "quota": quota } });
            let asked = Instant::now();
            // Repeats a request when the API server gives up on a conflict. The wait counts as latency.
            while api.patch(&names[client % names.len()], &PatchParams::default(), &Patch::Merge(&patch)).await.is_err()
            {
            }
            taken.push(asked.elapsed().as_secs_f64() * 1e3);
        }
        taken
    };
    let all: Vec<Vec<f64>> = futures::future::join_all((0..at_once).map(one)).await;
    let mut taken: Vec<f64> = all.into_iter().flatten().collect();
    taken.sort_by(f64::total_cmp);
    let rate = taken.len() as f64 / started.elapsed().as_secs_f64();
    Load { rate, p50: taken[taken.len() / 2], p99: taken[taken.len() * 99 / 100] }
}

/// Allows every review. It reads nothing of the review but its uid.
async fn allow(body: Bytes) -> Json<Value> {
    #[derive(serde::Deserialize)]
    struct Review {
        request: Request,
    }
    #[derive(serde::Deserialize)]
    struct Request {
        uid: String,
    }
    let review: Review = serde_json::from_slice(&body).expect("a review");
    let response = json!({ "uid": review.request.uid, "allowed": true });
    Json(json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response }))
}

/// Starts the webhook that does nothing, behind a balancer as cmp-webhook is. Its configuration is that of cmp-webhook
/// for accounts, but for the address and the label.
fn webhook_that_allows(runtime: &Runtime, plane: &ControlPlane) {
    // Another benchmark may have been first.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let authority = Authority::new(plane.folder(), "allow-authority", "a webhook that allows");
    authority.server("allow", "allow", &["localhost"]);
    let [certificate, key] = ["crt", "key"].map(|ending| plane.folder().join(format!("allow.{ending}")));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a listener that does not block");
    let balancer = Balancer::start();
    balancer.set(vec![listener.local_addr().expect("a bound listener has an address")]);
    runtime.spawn(async move {
        let tls = RustlsConfig::from_pem_file(certificate, key).await.expect("a certificate");
        let mut alpn = (*tls.get_inner()).clone();
        // cmp-webhook speaks HTTP/1.1 alone.
        alpn.alpn_protocols = vec![b"http/1.1".to_vec()];
        tls.reload_from_config(alpn.into());
        let routes = axum::Router::new().route(keys::ACCOUNT_PATH, post(allow));
        let server = axum_server::from_tcp_rustls(listener, tls).expect("a server");
        server.serve(routes.into_make_service()).await
    });
    let read = plane.admin(&["get", "validatingwebhookconfiguration", "cmp-webhook", "-o", "json"]).ok().json();
    let mut webhook = read["webhooks"][0].clone();
    webhook["name"] = json!(ALLOWS);
    webhook["objectSelector"] = json!({ "matchLabels": { (ASKED): "true" } });
    let bundle = k8s_openapi::ByteString(authority.pem().as_bytes().to_vec());
    let url = format!("https://localhost:{}{}", balancer.port(), keys::ACCOUNT_PATH);
    webhook["clientConfig"] = json!({ "url": url, "caBundle": bundle });
    let configuration = json!({ "apiVersion": read["apiVersion"], "kind": read["kind"],
        "metadata": { "name": "allow" }, "webhooks": [webhook] });
    plane.admin_reading(&["create", "-f", "-"], &configuration.to_string()).ok();
}

/// Measures changes of accounts, against the same changes of other ConfigMaps. The API server asks no webhook about some
/// of them, and a webhook that allows everything about the others.
pub(crate) fn changes() {
    let installation = Installation::start(1, "3s");
    let runtime = Runtime::new().unwrap();
    webhook_that_allows(&runtime, &installation.plane);
    let count = 64;
    let named = |leg: &str| -> Vec<String> { (0..count).map(|at| format!("{leg}{at}")).collect() };
    let (users, plain, allowed) = (named("bench"), named("plain"), named("allowed"));
    runtime.block_on(async {
        let client = client(&installation.plane.kubeconfig()).await;
        let api: Api<ConfigMap> = Api::namespaced(client, keys::USERS_NAMESPACE);
        let quota = json!({ "quota": r#"{"cpu":"100","memory":"64Gi"}"# });
        let account = json!({ (keys::ACCOUNT): "true" });
        for (names, labels) in [(&users, account), (&plain, json!({})), (&allowed, json!({ (ASKED): "true" }))] {
            for name in names {
                let map = json!({ "metadata": { "name": name, "labels": labels }, "data": quota });
                api.create(&PostParams::default(), &serde_json::from_value(map).unwrap()).await.unwrap();
            }
        }
        eventually("the API server asks the webhook that allows", SOON, || {
            let change = json!({ "data": { "quota": fastrand::u64(..).to_string() } }).to_string();
            let patch = ["patch", "configmap", &allowed[0], "-n", keys::USERS_NAMESPACE, "--type=merge", "-p", &change];
            installation.plane.admin(&patch).ok();
            if installation.plane.counter(ASKED_TOTAL, ALLOWS) > 0 { Ok(()) } else { Err("not yet".to_owned()) }
        });
        println!(
            "| clients | objects | leg | changes/s | ratio to no webhook | ratio to one that allows | p50 ms | p99 ms |"
        );
        println!("|---|---|---|---|---|---|---|---|");
        for (at_once, many) in [(1, 1), (16, 1), (64, 1), (16, 64), (64, 64)] {
            let mut legs: [Vec<Load>; 3] = Default::default();
            for _ in 0..ROUNDS {
                for (loads, names) in legs.iter_mut().zip([&plain, &allowed, &users]) {
                    loads.push(patch(&api, &names[..many], at_once).await);
                }
            }
            let of = |at: usize, value: fn(&Load) -> f64| median(legs[at].iter().map(value).collect());
            let ratio = |one: usize, to: usize| {
                median(legs[one].iter().zip(&legs[to]).map(|(one, other)| one.rate / other.rate).collect())
            };
            for (at, leg) in ["no webhook", "one that allows", "cmp-webhook"].into_iter().enumerate() {
                println!(
                    "| {at_once} | {many} | {leg} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} |",
                    of(at, |load| load.rate),
                    ratio(at, 0),
                    ratio(at, 1),
                    of(at, |load| load.p50),
                    of(at, |load| load.p99),
                );
            }
        }
    });
}
