//! Stand-in for metrics-server. The API server passes requests for `metrics.k8s.io` on to it, as to any aggregated API
//! server.
//!
//! The following is simulated, and nothing else of metrics-server:
//!
//! - The discovery of `metrics.k8s.io/v1beta1`, with `pods`.
//! - The list of `pods` in one Namespace and in all of them, with the amounts that a test sets.
//!
//! It asks no kubelet. It trusts every caller, because only this machine reaches it: the API server has checked the rights
//! of the user before.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use axum_server::tls_rustls::RustlsConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::authority::Authority;
use crate::control_plane::{ControlPlane, free_port};
use crate::shell::{SOON, eventually};

const GROUP_VERSION: &str = "metrics.k8s.io/v1beta1";
/// The name of the Service in `kube-system` that the API server asks.
const SERVICE: &str = "metrics-server";

/// CPU and memory by Namespace and Pod.
type Amounts = Arc<Mutex<BTreeMap<(String, String), [String; 2]>>>;

/// A server of metrics that is registered in a control plane. It ends when it is dropped.
pub struct MetricsServer {
    amounts: Amounts,
    runtime: Option<Runtime>,
}

impl MetricsServer {
    /// Starts a server without metrics, and waits until the API server asks it.
    pub fn start(plane: &ControlPlane) -> Self {
        let folder = plane.folder().join("metrics");
        fs::create_dir_all(&folder).expect("a folder");
        let authority = Authority::new(&folder, "ca", "metrics");
        authority.server("server", SERVICE, &[&format!("{SERVICE}.kube-system.svc")]);
        let (port, amounts) = (free_port(), Amounts::default());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let tls = RustlsConfig::from_config(Arc::new(tls(&folder)));
        let routes = routes(amounts.clone());
        runtime.spawn(async move {
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            axum_server::bind_rustls(address, tls).serve(routes.into_make_service()).await.expect("it serves");
        });
        register(plane, port, authority.pem());
        eventually("metrics are served", SOON, || {
            let asked = plane.admin(&["get", "--raw", &format!("/apis/{GROUP_VERSION}/pods")]);
            if asked.code == 0 { Ok(()) } else { Err(asked.to_string()) }
        });
        Self { amounts, runtime: Some(runtime) }
    }

    /// Sets the use of a Pod of one container.
    pub fn set(&self, namespace: &str, pod: &str, cpu: &str, memory: &str) {
        let mut amounts = self.amounts.lock().unwrap_or_else(PoisonError::into_inner);
        amounts.insert((namespace.to_owned(), pod.to_owned()), [cpu.to_owned(), memory.to_owned()]);
    }

    /// Stops the server. It stays registered.
    pub fn stop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for MetricsServer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn tls(folder: &std::path::Path) -> rustls::ServerConfig {
    let certificate = CertificateDer::from_pem_file(folder.join("server.crt")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("versions of TLS").with_no_client_auth();
    config.with_single_cert(vec![certificate], key).expect("a certificate with its key")
}

/// Registers the server. The name of its Service stands for this machine.
fn register(plane: &ControlPlane, port: u16, authority: &str) {
    let service = json!({ "apiVersion": "v1", "kind": "Service",
        "metadata": { "name": SERVICE, "namespace": "kube-system" },
        "spec": { "type": "ExternalName", "externalName": "localhost" } });
    let api_service = json!({ "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": { "name": "v1beta1.metrics.k8s.io" },
        "spec": { "group": "metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100,
            "caBundle": k8s_openapi::ByteString(authority.as_bytes().to_vec()),
            "service": { "name": SERVICE, "namespace": "kube-system", "port": port } } });
    for object in [service, api_service] {
        plane.admin_reading(&["create", "-f", "-"], &object.to_string()).ok();
    }
}

fn routes(amounts: Amounts) -> Router {
    let base = format!("/apis/{GROUP_VERSION}");
    Router::new()
        .route(&base, get(discovery))
        .route(&format!("{base}/pods"), get(everywhere))
        .route(&format!("{base}/namespaces/{{namespace}}/pods"), get(in_namespace))
        .with_state(amounts)
}

async fn discovery() -> Json<Value> {
    let pods = json!({ "name": "pods", "singularName": "", "namespaced": true, "kind": "PodMetrics", "verbs": ["get", "list"] });
    Json(json!({ "apiVersion": "v1", "kind": "APIResourceList", "groupVersion": GROUP_VERSION, "resources": [pods] }))
}

async fn everywhere(State(amounts): State<Amounts>) -> Json<Value> {
    list(&amounts, |_| true)
}

async fn in_namespace(State(amounts): State<Amounts>, Path(namespace): Path<String>) -> Json<Value> {
    list(&amounts, |of| of == namespace)
}

fn list(amounts: &Amounts, is_in: impl Fn(&str) -> bool) -> Json<Value> {
    let amounts = amounts.lock().unwrap_or_else(PoisonError::into_inner);
    let selected = amounts.iter().filter(|((namespace, _), _)| is_in(namespace));
    let items = selected.map(|((namespace, pod), [cpu, memory])| {
        json!({
            "metadata": { "name": pod, "namespace": namespace, "creationTimestamp": "2026-01-01T00:00:00Z" },
            "timestamp": "2026-01-01T00:00:00Z",
            "window": "15s",
            "containers": [{ "name": "instance", "usage": { "cpu": cpu, "memory": memory } }],
        })
    });
    let items: Vec<Value> = items.collect();
    Json(json!({ "apiVersion": GROUP_VERSION, "kind": "PodMetricsList", "metadata": {}, "items": items }))
}
