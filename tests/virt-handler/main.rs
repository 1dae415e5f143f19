//! Stand-in for every virt-handler of a test control plane, and for the guests that they would run.
//!
//! The following is simulated, and nothing else of KubeVirt:
//!
//! - A guest starts at once: its VMI goes from Scheduled to Running, with the address of its Pod. It shuts down as soon
//!   as it is asked to: when its VMI or its launcher Pod is deleted, the VMI becomes Succeeded. A frozen guest notices no
//!   such request, so that it is killed at the end of its grace period, and its VMI becomes Failed. Tests wait for that, so
//!   it takes 20 s at most. The Events of both ends are virt-handler's own.
//! - A guest can move unless a claim of it is not shared (condition `LiveMigratable`).
//! - Nothing happens on a node whose Node object is gone.
//! - virt-api's requests to virt-handler over mutual TLS: pause and unpause. freeze, unfreeze, reset and softreboot are
//!   accepted too, without a visible change. As with the real virt-handler the answer comes first, and the condition
//!   `Paused` of the VMI follows.
//! - A guest moves at once when virt-controller has prepared a launcher Pod for it on another node. A pause in the middle
//!   of the move is lost, because the guest goes on at its destination.
//! - The kubelet's part: a guest does not start while a Secret is missing that its launcher Pod mounts (`secrets`). A
//!   launcher Pod ends after its guest has ended. The order matters, because virt-controller
//!   takes a Pod that ends while its guest runs for a failed start. The Pod that a guest has left ends too.
//! - The answers of a guest's agent about its system (`agent`).
//! - CDI's controller, which makes the claims of `DataVolumes` and reports their import (`cdi`).
//! - The snapshot controller with a CSI driver, which answer `VolumeSnapshots` (`snapshots`).
//! - The streams of a guest's console and screen, as far as their first words (`streams`).
//!
//! The program writes VMIs as KubeVirt's own ServiceAccount for virt-handler, with its rights: list, watch and update.
//! It writes Pods in place of the kubelets, as the administrator.
//!
//! The annotation `tests.kubectl-cmp.dev/guest` of a VMI makes its guest misbehave. Its values are `never-starts`,
//! `hangs-on-stop` (for as long as its grace period allows), `powers-off`, `crashes` and `cannot-pause`. A guest that
//! `moves-slowly` moves when the annotation is gone. KubeVirt pauses a guest that `fails-to-write`, as its disk fails.
//!
//! The annotation `tests.kubectl-cmp.dev/address` of a VMI sets the address of its guest. It replaces the address of
//! the Pod, which no network reaches.
//!
//! Nothing really runs: there is no guest, no disk and no network.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use std::{env, fmt};

use axum::Router;
use axum::extract::{Path as InPath, State};
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum_server::tls_rustls::RustlsConfig;
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Event, Node, Pod};
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{Controller, watcher};
use kube::{Api, Client, ResourceExt};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use serde_json::{Value, json};

use cmp_tests::cdi::{CONTROLLER, GROUPS};
use cmp_tests::control_plane::{client, impersonating};

mod agent;
mod cdi;
mod secrets;
mod snapshots;
mod streams;

/// The annotation for a misbehaving guest.
const GUEST: &str = "tests.kubectl-cmp.dev/guest";
/// The annotation for the address of a guest, if it is not the address of its Pod.
const ADDRESS: &str = "tests.kubectl-cmp.dev/address";
/// The pause before a guest whose Secret is missing is looked at again.
const SECRET: Duration = Duration::from_millis(200);
const LAUNCHERS: &str = "kubevirt.io=virt-launcher";
const CREATED_BY: &str = "kubevirt.io/created-by";

/// A VMI object, `VirtualMachineInstance` of KubeVirt.
type Vmi = DynamicObject;

struct World {
    handler: Client,
    kubelet: Client,
    resource: ApiResource,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [folder, port] = arguments.as_slice() else {
        eprintln!("usage: virt-handler FOLDER PORT");
        return ExitCode::FAILURE;
    };
    let folder = PathBuf::from(folder);
    let Ok(port) = port.parse() else {
        eprintln!("error: {port} is no port");
        return ExitCode::FAILURE;
    };
    let world = Arc::new(World {
        handler: client(&folder.join("kubevirt-handler.kubeconfig")).await,
        kubelet: client(&folder.join("admin.kubeconfig")).await,
        resource: ApiResource::from_gvk(&GroupVersionKind::gvk("kubevirt.io", "v1", "VirtualMachineInstance")),
    });
    let admin = folder.join("admin.kubeconfig");
    let controller = impersonating(&admin, CONTROLLER, &GROUPS).await;
    let why = tokio::select! {
        () = snapshots::run(world.kubelet.clone()) => "the snapshots ended".to_owned(),
        () = cdi::run(controller, world.kubelet.clone()) => "the imports ended".to_owned(),
        error = serve(&folder, port, world.clone()) => error,
        () = guests(world.clone()) => "the guests ended".to_owned(),
        () = launchers(world) => "the launchers ended".to_owned(),
    };
    eprintln!("error: {why}");
    ExitCode::FAILURE
}

// ---- guests

async fn guests(world: Arc<World>) {
    let vmis = Api::<Vmi>::all_with(world.handler.clone(), &world.resource);
    let pods = Api::<Pod>::all(world.kubelet.clone());
    let resource = world.resource.clone();
    Controller::new_with(vmis, watcher::Config::default(), world.resource.clone())
        .watches(pods, watcher::Config::default().labels(LAUNCHERS), move |pod| {
            let owner = pod.owner_references().iter().find(|owner| owner.kind == resource.kind)?;
            Some(ObjectRef::new_with(&owner.name, resource.clone()).within(&pod.namespace()?))
        })
        .run(guest, |_, error, _| again(error), world)
        .for_each(|_| std::future::ready(()))
        .await;
}

/// Returns the action after an error, which is a retry. A conflict with another writer and an unavailable API server
/// are expected.
fn again(error: &kube::Error) -> Action {
    if !is_conflict(error) {
        eprintln!("{error}");
    }
    Action::requeue(Duration::from_millis(100))
}

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

/// Reconciles one guest: computes its next state from its VMI and its Pods.
async fn guest(vmi: Arc<Vmi>, world: Arc<World>) -> Result<Action, kube::Error> {
    let (Some(uid), Some(namespace)) = (vmi.uid(), vmi.namespace()) else { return Ok(Action::await_change()) };
    let made_by = ListParams::default().labels(&format!("{CREATED_BY}={uid}"));
    let pods = Api::<Pod>::namespaced(world.kubelet.clone(), &namespace).list(&made_by).await?;
    let on = |node: &Value| {
        let is_there = |pod: &&Pod| node == &json!(pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref()));
        pods.items.iter().find(is_there)
    };
    let pod = on(&vmi.data["status"]["nodeName"]);
    let mut changed = (*vmi).clone();
    let what = match next(&vmi, pod, Timestamp::now()) {
        Next::Looks(after) => return Ok(Action::requeue(after)),
        Next::Becomes(phase) => {
            if phase != Phase::Running && is_lost(&world, vmi.data["status"]["nodeName"].as_str()).await? {
                return Ok(Action::await_change());
            }
            if phase == Phase::Running && !secrets::are_there(&world.kubelet, &namespace, pod).await? {
                return Ok(Action::requeue(SECRET));
            }
            become_phase(&mut changed, phase, pod);
            phase.to_string()
        }
        Next::Stays if disk_fails(&mut changed) => "pauses, because its disk fails".to_owned(),
        Next::Stays => match moves(&mut changed, on(&vmi.data["status"]["migrationState"]["targetNode"])) {
            Some(step) => step.to_owned(),
            None => return Ok(Action::await_change()),
        },
    };
    let vmis = Api::<Vmi>::namespaced_with(world.handler.clone(), &namespace, &world.resource);
    match vmis.replace(&vmi.name_any(), &PostParams::default(), &changed).await {
        Ok(stored) => {
            eprintln!("{namespace}/{} {what}", vmi.name_any());
            if let Err(error) = tell_end(&world, &vmi, &stored).await {
                eprintln!("{error}");
            }
        }
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        Err(error) => return Err(error),
    }
    Ok(Action::await_change())
}

/// Reports whether the Node object of a node is gone, and with it the virt-handler there.
async fn is_lost(world: &World, node: Option<&str>) -> Result<bool, kube::Error> {
    let Some(node) = node.filter(|node| !node.is_empty()) else { return Ok(false) };
    Ok(Api::<Node>::all(world.kubelet.clone()).get_metadata_opt(node).await?.is_none())
}

/// Writes the Event about the end of a guest, as virt-handler does.
async fn tell_end(world: &World, before: &Vmi, after: &Vmi) -> Result<(), kube::Error> {
    if before.data["status"]["phase"] == after.data["status"]["phase"] {
        return Ok(());
    }
    let (kind, message) = match after.data["status"]["phase"].as_str() {
        Some("Succeeded") => ("Normal", "The VirtualMachineInstance was shut down."),
        Some("Failed") => ("Warning", "The VirtualMachineInstance crashed."),
        _ => return Ok(()),
    };
    let (Some(namespace), name, uid) = (after.namespace(), after.name_any(), after.uid()) else { return Ok(()) };
    let event = json!({
        "metadata": { "generateName": format!("{name}."), "namespace": namespace },
        "involvedObject": { "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "namespace": namespace,
            "name": name, "uid": uid },
        "type": kind, "reason": "Stopped", "message": message, "count": 1,
        "firstTimestamp": now(), "lastTimestamp": now(), "source": { "component": "virt-handler" },
    });
    let Ok(event) = serde_json::from_value::<Event>(event) else { return Ok(()) };
    let events = Api::<Event>::namespaced(world.handler.clone(), &namespace);
    match events.create(&PostParams::default(), &event).await {
        // The Namespace is being deleted.
        Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => Ok(()),
        made => made.map(drop),
    }
}

enum Next {
    Becomes(Phase),
    Looks(Duration),
    Stays,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    Running,
    Succeeded,
    Failed,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The longest time that a frozen guest has before it is killed, in seconds.
const FROZEN: i64 = 20;

fn behaviour(vmi: &Vmi) -> &str {
    vmi.annotations().get(GUEST).map(String::as_str).unwrap_or_default()
}

fn next(vmi: &Vmi, pod: Option<&Pod>, now: Timestamp) -> Next {
    let phase = vmi.data["status"]["phase"].as_str().unwrap_or_default();
    if !matches!(phase, "Scheduled" | "Running") {
        return Next::Stays;
    }
    // The grace period of a VMI begins when it is deleted; that of a Pod ends with its deletionTimestamp.
    let behaviour = behaviour(vmi);
    let paused = has_condition(vmi, "Paused");
    let ignores = behaviour == "hangs-on-stop" || paused;
    let grace = vmi.data["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or(30);
    let grace = if paused { grace.min(FROZEN) } else { grace };
    let of_vmi = vmi.metadata.deletion_timestamp.as_ref().map(|time| time.0 + SignedDuration::from_secs(grace));
    let of_pod = pod.and_then(|pod| pod.metadata.deletion_timestamp.as_ref()).map(|time| time.0);
    match (of_vmi.or(of_pod), behaviour) {
        (Some(end), _) if ignores && now < end => {
            let left = Duration::try_from(end.duration_since(now)).unwrap_or_default();
            Next::Looks(left + Duration::from_millis(1))
        }
        (Some(_), _) if ignores => Next::Becomes(Phase::Failed),
        (Some(_), _) => Next::Becomes(Phase::Succeeded),
        (None, "never-starts") => Next::Stays,
        (None, "powers-off") if phase == "Running" => Next::Becomes(Phase::Succeeded),
        // Whether it ran before or not: KubeVirt backs off only for guests that fail while they start.
        (None, "crashes") => Next::Becomes(Phase::Failed),
        (None, _) if phase == "Scheduled" => Next::Becomes(Phase::Running),
        (None, _) => Next::Stays,
    }
}

fn become_phase(vmi: &mut Vmi, phase: Phase, pod: Option<&Pod>) {
    let interfaces = vmi.data["spec"]["domain"]["devices"]["interfaces"].as_array().cloned().unwrap_or_default();
    let paused = vmi.data["spec"]["startStrategy"] == "Paused";
    let address = address(vmi, pod);
    let status = &mut vmi.data["status"];
    status["phase"] = json!(phase.to_string());
    let transition = json!({ "phase": phase.to_string(), "phaseTransitionTimestamp": now() });
    match status["phaseTransitionTimestamps"].as_array_mut() {
        Some(transitions) => transitions.push(transition),
        None => status["phaseTransitionTimestamps"] = json!([transition]),
    }
    if phase == Phase::Running {
        let interfaces = interfaces
            .iter()
            .map(|interface| json!({ "name": interface["name"], "podInterfaceName": "eth0", "infoSource": "domain" }));
        status["interfaces"] = interfaces.collect();
        status["selinuxContext"] = json!("none");
        is_at(status, address.as_deref());
        set_condition(vmi, "LiveMigratable", Some(can_move(vmi)));
        set_condition(vmi, "StorageLiveMigratable", Some(json!({})));
        if paused {
            set_condition(vmi, "Paused", Some(by_user()));
        }
    }
}

/// Returns the fields of the condition that says whether a guest can move: not if a claim of it is for one node.
fn can_move(vmi: &Vmi) -> Value {
    let volumes = vmi.data["status"]["volumeStatus"].as_array().cloned().unwrap_or_default();
    let unshared = volumes.iter().map(|volume| &volume["persistentVolumeClaimInfo"]).find(|claim| {
        let modes = claim["accessModes"].as_array();
        claim.is_object() && !modes.is_some_and(|modes| modes.iter().any(|mode| mode == "ReadWriteMany"))
    });
    let Some(claim) = unshared else { return json!({}) };
    let claim = claim["claimName"].as_str().unwrap_or_default();
    let message = format!(
        "cannot migrate VMI: PVC {claim} is not shared, live migration requires that all PVCs must be shared (using \
         ReadWriteMany access mode)"
    );
    json!({ "status": "False", "reason": "DisksNotLiveMigratable", "message": message })
}

/// Pauses a running guest whose disk fails. Reports whether that changed anything.
fn disk_fails(vmi: &mut Vmi) -> bool {
    behaviour(vmi) == "fails-to-write"
        && vmi.data["status"]["phase"] == "Running"
        && set_condition(
            vmi,
            "Paused",
            Some(json!({ "reason": "PausedIOError", "message": "VMI was paused, low-level IO error detected" })),
        )
}

/// Returns the address of a guest. With a masquerade interface it is the address of its Pod.
fn address(vmi: &Vmi, pod: Option<&Pod>) -> Option<String> {
    vmi.annotations().get(ADDRESS).or(pod.and_then(|pod| pod.status.as_ref()?.pod_ip.as_ref())).cloned()
}

fn is_at(status: &mut Value, address: Option<&str>) {
    for interface in status["interfaces"].as_array_mut().into_iter().flatten() {
        interface["ipAddress"] = json!(address);
        interface["ipAddresses"] = address.into_iter().map(|address| json!(address)).collect();
    }
}

/// Performs the next step of a guest that has to move to another Pod. First the virt-handler there listens, then the
/// one here sends, and then the guest is there. Returns `None` without a step.
fn moves(vmi: &mut Vmi, target: Option<&Pod>) -> Option<&'static str> {
    let address = address(vmi, target);
    let slow = behaviour(vmi) == "moves-slowly";
    let status = &mut vmi.data["status"];
    let node = status["migrationState"]["targetNode"].as_str().filter(|node| !node.is_empty())?.to_owned();
    let migration = &mut status["migrationState"];
    if migration["completed"] == true || target.is_none() {
        return None;
    }
    if migration["targetNodeAddress"].as_str().is_none_or(str::is_empty) {
        let (node, ports) = (json!("127.0.0.1"), json!({ "49152": 0 }));
        migration["targetNodeAddress"] = node.clone();
        migration["targetDirectMigrationNodePorts"] = ports.clone();
        if migration["targetState"].is_object() {
            migration["targetState"]["nodeAddress"] = node;
            migration["targetState"]["directMigrationNodePorts"] = ports;
        }
        return Some("is awaited on another node");
    }
    if migration["startTimestamp"].is_null() {
        migration["startTimestamp"] = now();
        return Some("moves");
    }
    if slow {
        return None;
    }
    migration["targetNodeDomainDetected"] = json!(true);
    migration["targetNodeDomainReadyTimestamp"] = now();
    migration["endTimestamp"] = now();
    migration["completed"] = json!(true);
    status["nodeName"] = json!(node);
    is_at(status, address.as_deref());
    vmi.labels_mut().insert("kubevirt.io/nodeName".to_owned(), node);
    Some("has moved")
}

/// Returns the time as KubeVirt writes it: to the second. KubeVirt sends the value it has read back as the test of a
/// patch. Such a patch fails for good where another value is stored.
fn now() -> Value {
    let now = Timestamp::now();
    json!(Timestamp::from_second(now.as_second()).unwrap_or(now).to_string())
}

fn by_user() -> Value {
    json!({ "reason": "PausedByUser", "message": "VMI was paused by user" })
}

fn has_condition(vmi: &Vmi, kind: &str) -> bool {
    let is_true = |condition: &Value| condition["type"] == kind && condition["status"] == "True";
    vmi.data["status"]["conditions"].as_array().is_some_and(|conditions| conditions.iter().any(is_true))
}

/// Reports whether a guest is being moved.
fn is_moving(vmi: &Vmi) -> bool {
    let migration = &vmi.data["status"]["migrationState"];
    !migration["startTimestamp"].is_null() && migration["endTimestamp"].is_null()
}

/// Sets a condition with these fields, to true if they do not say otherwise, or removes it. Reports whether that changed anything.
fn set_condition(vmi: &mut Vmi, kind: &str, words: Option<Value>) -> bool {
    let conditions = &mut vmi.data["status"]["conditions"];
    let before = conditions.as_array().cloned().unwrap_or_default();
    let there = before.iter().any(|condition| condition["type"] == kind);
    if there == words.is_some() {
        return false;
    }
    let mut after: Vec<Value> = before.into_iter().filter(|condition| condition["type"] != kind).collect();
    if let Some(mut condition) = words {
        condition["type"] = json!(kind);
        if condition["status"].is_null() {
            condition["status"] = json!("True");
        }
        condition["lastProbeTime"] = Value::Null;
        condition["lastTransitionTime"] = now();
        after.push(condition);
    }
    *conditions = json!(after);
    true
}

// ---- launcher Pods

async fn launchers(world: Arc<World>) {
    let pods = Api::<Pod>::all(world.kubelet.clone());
    let vmis = Api::<Vmi>::all_with(world.kubelet.clone(), &world.resource);
    let controller = Controller::new(pods, watcher::Config::default().labels(LAUNCHERS));
    let known = controller.store();
    controller
        .watches_with(vmis, world.resource.clone(), watcher::Config::default(), move |vmi| {
            let uid = vmi.uid();
            let of_it = move |pod: &Arc<Pod>| pod.labels().get(CREATED_BY) == uid.as_ref();
            known.state().into_iter().filter(of_it).map(|pod| ObjectRef::from_obj(&*pod)).collect::<Vec<_>>()
        })
        .run(launcher, |_, error, _| again(error), world)
        .for_each(|_| std::future::ready(()))
        .await;
}

/// Reconciles one launcher Pod. It gets the ids of its images, without which KubeVirt moves nothing, and ends after its
/// guest.
async fn launcher(pod: Arc<Pod>, world: Arc<World>) -> Result<Action, kube::Error> {
    let running = pod.status.as_ref().is_some_and(|status| status.phase.as_deref() == Some("Running"));
    let (Some(namespace), true) = (pod.namespace(), running) else { return Ok(Action::await_change()) };
    let pods = Api::<Pod>::namespaced(world.kubelet.clone(), &namespace);
    let mut containers = pod.status.as_ref().and_then(|status| status.container_statuses.clone()).unwrap_or_default();
    if containers.iter().any(|container| container.image_id.is_empty()) {
        for container in &mut containers {
            container.image_id = format!("{}@sha256:{}", container.image, "0".repeat(64));
        }
        let status = json!({ "status": { "containerStatuses": containers } });
        patch(&pods, &pod, Patch::Merge(status)).await?;
    }
    let owner = pod.owner_references().first().map(|owner| owner.name.clone()).unwrap_or_default();
    let vmis = Api::<Vmi>::namespaced_with(world.kubelet.clone(), &namespace, &world.resource);
    let vmi = vmis.get_opt(&owner).await?.filter(|vmi| vmi.uid().as_ref() == pod.labels().get(CREATED_BY));
    let status = vmi.as_ref().map(|vmi| &vmi.data["status"]);
    let left = status.is_some_and(|status| {
        let migration = &status["migrationState"];
        migration["completed"] == true && migration["sourcePod"].as_str() == Some(&pod.name_any())
    });
    let phase = match status.and_then(|status| status["phase"].as_str()) {
        _ if left => Phase::Succeeded,
        Some("Succeeded") => Phase::Succeeded,
        Some("Failed") => Phase::Failed,
        // The Pod waits for its guest.
        Some("Scheduled" | "Running") => return Ok(Action::await_change()),
        _ if pod.metadata.deletion_timestamp.is_some() => Phase::Succeeded,
        _ => return Ok(Action::await_change()),
    };
    let ended = ["Ready", "ContainersReady"].map(|kind| {
        json!({ "type": kind, "status": "False", "reason": "PodCompleted",
            "lastTransitionTime": now() })
    });
    let status = json!({ "status": { "phase": phase.to_string(), "conditions": ended } });
    patch(&pods, &pod, Patch::Strategic(status)).await?;
    Ok(Action::await_change())
}

async fn patch(pods: &Api<Pod>, pod: &Pod, status: Patch<Value>) -> Result<(), kube::Error> {
    match pods.patch_status(&pod.name_any(), &PatchParams::default(), &status).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error),
    }
}

// ---- virt-api's requests

/// Serves until an error occurs, and returns the error.
async fn serve(folder: &Path, port: u16, world: Arc<World>) -> String {
    let app = Router::new()
        .route("/v1/namespaces/{namespace}/virtualmachineinstances/{name}/console", get(streams::console))
        .route("/v1/namespaces/{namespace}/virtualmachineinstances/{name}/vnc", get(streams::vnc))
        .route("/v1/namespaces/{namespace}/virtualmachineinstances/{name}/guestosinfo", get(agent::info))
        .route("/v1/namespaces/{namespace}/virtualmachineinstances/{name}/{verb}", put(act))
        .with_state(world);
    let config = match tls(&folder.join("kubevirt")) {
        Ok(config) => RustlsConfig::from_config(Arc::new(config)),
        Err(error) => return error.to_string(),
    };
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    match axum_server::bind_rustls(address, config).serve(app.into_make_service()).await {
        Ok(()) => "it serves no more".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// Returns a TLS configuration that refuses clients without a certificate of KubeVirt's authority. The authority has
/// signed one certificate for clients: virt-api's.
fn tls(folder: &Path) -> Result<rustls::ServerConfig, Box<dyn std::error::Error>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(folder.join("ca.crt"))? {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build()?;
    let chain = CertificateDer::pem_file_iter(folder.join("virt-handler.crt"))?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(folder.join("virt-handler.key"))?;
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_client_cert_verifier(clients).with_single_cert(chain, key)?)
}

async fn act(State(world): State<Arc<World>>, InPath(path): InPath<BTreeMap<String, String>>) -> StatusCode {
    let part = |name: &str| path.get(name).cloned().unwrap_or_default();
    let (namespace, name, verb) = (part("namespace"), part("name"), part("verb"));
    let vmis = Api::<Vmi>::namespaced_with(world.handler.clone(), &namespace, &world.resource);
    eprintln!("{namespace}/{name} {verb}");
    let vmi = match find(&vmis, &name).await {
        Ok(Some(vmi)) => vmi,
        Ok(None) => return StatusCode::NOT_FOUND,
        Err(error) => {
            eprintln!("{error}");
            return StatusCode::INTERNAL_SERVER_ERROR;
        }
    };
    let words = match verb.as_str() {
        // virt-api cannot reach the virt-handler of a node that is gone.
        _ if is_lost(&world, vmi.data["status"]["nodeName"].as_str()).await.unwrap_or(true) => {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        "pause" if is_moving(&vmi) => return StatusCode::ACCEPTED,
        "pause" if behaviour(&vmi) == "cannot-pause" => return StatusCode::INTERNAL_SERVER_ERROR,
        "pause" => Some(by_user()),
        "unpause" => None,
        "freeze" | "unfreeze" | "reset" | "softreboot" => return StatusCode::ACCEPTED,
        _ => return StatusCode::NOT_FOUND,
    };
    tokio::spawn(async move {
        let mut found = Some(vmi);
        while let Some(mut vmi) = found {
            if !set_condition(&mut vmi, "Paused", words.clone()) {
                break;
            }
            match vmis.replace(&name, &PostParams::default(), &vmi).await {
                Err(error) if is_conflict(&error) => found = find(&vmis, &name).await.ok().flatten(),
                Err(error) => return eprintln!("{namespace}/{name} {verb}: {error}"),
                Ok(_) => break,
            }
        }
    });
    StatusCode::ACCEPTED
}

/// Finds a VMI by listing: virt-handler's rights are to list, not to get.
async fn find(vmis: &Api<Vmi>, name: &str) -> Result<Option<Vmi>, kube::Error> {
    let named = ListParams::default().fields(&format!("metadata.name={name}"));
    Ok(vmis.list(&named).await?.items.into_iter().next())
}
