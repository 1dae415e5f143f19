//! KubeVirt in a control plane: the real virt-api and virt-controller, under the names of their ServiceAccounts. The
//! CRDs, rights and webhooks are KubeVirt's own. CDI is there as well (see [`cdi`]), and volume snapshots, with the
//! definitions of the external snapshotter.
//!
//! This module does the work of virt-operator. virt-handler and the guests are simulated (see `virt-handler/main.rs`),
//! and so are the kubelets (kwok, with `control-plane/kubevirt/stages.yaml`). Nothing leaves loopback: virt-api's
//! Service is a name for this machine, and the API server resolves it like any Service.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cmp_launcher::modules;
use serde_json::{Value, json};

use crate::authority::Authority;
use crate::binaries::{Binaries, KUBEVIRT, built};
use crate::cdi;
use crate::child::{PATIENCE, connect, output};
use crate::control_plane::{ControlPlane, free_port};
use crate::process::Process;
use crate::shell::{Output, eventually};

/// The Namespace that KubeVirt is installed in.
pub const NAMESPACE: &str = "kubevirt";

/// The components of KubeVirt that have an identity.
const ACCOUNTS: [&str; 3] = ["kubevirt-apiserver", "kubevirt-controller", "kubevirt-handler"];

/// The resource of a GPU that KubeVirt may give to a guest. Each node says that it has some.
pub const GPU: &str = "nvidia.com/TU104GL";

/// Long enough for a machine that is busy with other work.
const SOON: Duration = Duration::from_secs(180);

/// The manifests of KubeVirt in the folder of a control plane: its rights, its definitions, and its API service with the
/// webhooks.
const FILES: [&str; 3] = ["install.json", "crds.json", "serving.json"];

/// The programs of KubeVirt.
pub struct KubeVirt {
    /// The stand-in for virt-handler on all nodes, and for all guests.
    pub virt_handler: Process,
    /// The process of virt-controller.
    pub virt_controller: Process,
    /// The process of virt-api.
    pub virt_api: Process,
    /// The port of virt-api.
    port: u16,
}

/// Returns the lines of the API server's token file for KubeVirt's identities. A Pod would get such a token from its
/// kubelet.
pub(crate) fn tokens() -> String {
    let line = |account: &&str| {
        let groups = format!("system:serviceaccounts,system:serviceaccounts:{NAMESPACE}");
        format!("{},system:serviceaccount:{NAMESPACE}:{account},{account},\"{groups}\"\n", token(account))
    };
    ACCOUNTS.iter().map(line).collect()
}

fn token(account: &str) -> String {
    format!("{account}-of-the-tests")
}

/// Returns the stages of kwok, with ours for virtual machines.
pub(crate) fn stages(of_kwok: &[PathBuf]) -> Vec<PathBuf> {
    // Our file replaces this stage, and leaves launcher Pods to the stand-in.
    let replaced = |stage: &&PathBuf| !stage.to_string_lossy().ends_with("-pod-delete.yaml");
    let mut stages: Vec<PathBuf> = of_kwok.iter().filter(replaced).cloned().collect();
    stages.push(modules().join("kubevirt/stages.yaml"));
    stages
}

/// Gives a node the labels and resources that a running virt-handler would give it.
pub(crate) fn prepare(node: &mut Value) {
    let labels = [
        ("kubernetes.io/arch", "amd64"),
        ("kubernetes.io/os", "linux"),
        ("cpumanager", "true"),
        ("kubevirt.io/schedulable", "true"),
        ("machine-type.node.kubevirt.io/q35", "true"),
    ];
    for (key, value) in labels {
        node["metadata"]["labels"][key] = json!(value);
    }
    // A heartbeat that never expires.
    node["metadata"]["annotations"]["kubevirt.io/heartbeat"] = json!("2099-01-01T00:00:00Z");
    for device in ["kvm", "tun", "vhost-net"] {
        for amounts in ["allocatable", "capacity"] {
            node["status"][amounts][format!("devices.kubevirt.io/{device}")] = json!("1k");
        }
    }
    for amounts in ["allocatable", "capacity"] {
        node["status"][amounts][GPU] = json!("8");
        node["status"][amounts]["hugepages-2Mi"] = json!("64Gi");
    }
}

impl KubeVirt {
    /// Prepares KubeVirt for a control plane. Its programs do not run yet, and its manifests are not applied.
    pub fn prepare(plane: &ControlPlane) -> Result<Self, String> {
        let binaries = Binaries::kubevirt();
        let at = plane.folder().to_owned();
        let file = |name: &str| at.join(name).display().to_string();
        // A folder of its own: the processes watch it, and reload their certificates after any write there.
        let certificates = at.join("kubevirt");
        fs::create_dir_all(&certificates).expect("a folder");
        let certificate = |name: &str| certificates.join(name).display().to_string();
        // KubeVirt trusts every certificate of this authority. virt-operator gives the same names.
        let authority = Authority::new(&certificates, "ca", "kubevirt.io");
        authority.server("virt-api", "virt-api", &["virt-api.kubevirt.svc", "localhost", "127.0.0.1"]);
        authority.server("virt-controller", "virt-controller", &["localhost"]);
        authority.client("virt-handler-client", "kubevirt.io:system:client:virt-handler");
        authority.server("virt-handler", "kubevirt.io:system:node:virt-handler", &[]);
        for account in ACCOUNTS {
            plane.kubeconfig_for(account, &token(account));
        }
        let [api, controller, handler] = std::array::from_fn(|_| free_port());
        manifests(binaries.path("kubevirt-manifests"), &at, api)?;
        let part = |name: &str, program: &Path, arguments: Vec<String>| Process::prepare(name, program, arguments, &at);
        let virt_api = part(
            "virt-api",
            binaries.path("virt-api"),
            vec![
                format!("--kubeconfig={}", file("kubevirt-apiserver.kubeconfig")),
                "--listen=127.0.0.1".to_owned(),
                format!("--port={api}"),
                format!("--console-server-port={handler}"),
                format!("--tls-cert-file={}", certificate("virt-api.crt")),
                format!("--tls-key-file={}", certificate("virt-api.key")),
                format!("--handler-cert-file={}", certificate("virt-handler-client.crt")),
                format!("--handler-key-file={}", certificate("virt-handler-client.key")),
            ],
        );
        let virt_controller = part(
            "virt-controller",
            binaries.path("virt-controller"),
            vec![
                format!("--kubeconfig={}", file("kubevirt-controller.kubeconfig")),
                "--listen=127.0.0.1".to_owned(),
                format!("--port={controller}"),
                format!("--prom-cert-file={}", certificate("virt-controller.crt")),
                format!("--prom-key-file={}", certificate("virt-controller.key")),
                format!("--launcher-image=kubevirt/virt-launcher:{KUBEVIRT}"),
                format!("--exporter-image=kubevirt/virt-exportserver:{KUBEVIRT}"),
            ],
        );
        let arguments = vec![at.display().to_string(), handler.to_string()];
        let virt_handler = part("virt-handler", &built().virt_handler, arguments);
        Ok(Self { virt_handler, virt_controller, virt_api, port: api })
    }

    /// Installs KubeVirt, and waits until virtual machines can be created.
    pub(crate) fn start(plane: &ControlPlane) -> Result<Self, String> {
        let mut kubevirt = Self::prepare(plane)?;
        let [install, definitions, serving] = Self::files(plane);
        let create = |file: &str| done(&plane.admin(&["create", "--validate=false", "-f", file]));
        create(&install)?;
        // virt-api and virt-controller look for CDI when they start. virt-api ends when CDI is installed later.
        done(&plane.admin_reading(&["create", "-f", "-"], &cdi::objects().to_string()))?;
        // virt-api prepares its API description for a few seconds before it listens.
        kubevirt.virt_api.restart();
        create(&definitions)?;
        for definition in &Binaries::kubevirt().definitions {
            done(&plane.admin(&["create", "-f", &definition.display().to_string()]))?;
        }
        eventually("KubeVirt's definitions are in force", SOON, || {
            done(&plane.admin(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"]))
        });
        done(&plane.admin_reading(&["create", "-f", "-"], &classes().to_string()))?;
        kubevirt.virt_controller.restart();
        kubevirt.virt_handler.restart();
        done(&plane.admin_reading(&["create", "-f", "-"], &deployment().to_string()))?;
        let status = deployed().to_string();
        done(&plane.admin(&[&DEPLOYED[..], &[&status]].concat()))?;
        kubevirt.until("virt-api listens", || {
            connect(([127, 0, 0, 1], kubevirt.port)).map(drop).map_err(|error| error.to_string())
        })?;
        // Not before virt-api listens: the API server retries after ever longer pauses, and refuses writes of machines
        // until then.
        create(&serving)?;
        kubevirt.ready(plane)?;
        Ok(kubevirt)
    }

    /// Returns the manifests of KubeVirt, in the order in which they are applied.
    pub fn files(plane: &ControlPlane) -> [String; 3] {
        FILES.map(|name| plane.folder().join(name).display().to_string())
    }

    /// Returns all programs.
    pub fn parts(&mut self) -> [&mut Process; 3] {
        [&mut self.virt_handler, &mut self.virt_controller, &mut self.virt_api]
    }

    /// Waits until every component works.
    fn ready(&self, plane: &ControlPlane) -> Result<(), String> {
        self.until("KubeVirt's subresources are served", || {
            done(&plane.admin(&["get", "--raw", "/apis/subresources.kubevirt.io/v1"]))
        })?;
        let machine = json!({
            "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": { "name": "probe" },
            "spec": { "runStrategy": "Halted", "template": { "spec": {
                "domain": { "devices": {}, "memory": { "guest": "1Gi" } } } } },
        });
        self.until("KubeVirt's webhooks are in force", || {
            let created =
                plane.admin_reading(&["create", "--dry-run=server", "-o", "json", "-f", "-"], &machine.to_string());
            done(&created)?;
            let architecture = &created.json()["spec"]["template"]["spec"]["architecture"];
            if architecture == "amd64" { Ok(()) } else { Err(created.to_string()) }
        })?;
        self.until("virt-controller leads", || {
            let lease = plane.admin(&["get", "lease", "virt-controller", "-n", NAMESPACE, "-o", "json"]);
            done(&lease)?;
            let leader = &lease.json()["spec"]["holderIdentity"];
            if leader.as_str().is_some_and(|leader| !leader.is_empty()) { Ok(()) } else { Err(lease.to_string()) }
        })?;
        self.until("virt-handlers can be found", || {
            let rollout = ["rollout", "status", "daemonset/virt-handler", "-n", NAMESPACE, "--timeout=5s"];
            done(&plane.admin(&rollout))
        })?;
        // kube-controller-manager learns of a new kind at its next discovery. A ResourceQuota that is older than that is
        // counted at its next resync only, up to five minutes later.
        self.until("kube-controller-manager counts VMs", || {
            let probe = ["quota", "probe", "-n", NAMESPACE];
            let kinds = [
                "count/virtualmachineinstances.kubevirt.io",
                "count/virtualmachinesnapshots.snapshot.kubevirt.io",
                "count/virtualmachinerestores.snapshot.kubevirt.io",
                "count/volumesnapshots.snapshot.storage.k8s.io",
            ];
            let hard = kinds.map(|kind| format!("{kind}=1")).join(",");
            done(&plane.admin(&[&["delete"], &probe[..], &["--ignore-not-found"]].concat()))?;
            done(&plane.admin(&[&["create"], &probe[..], &[&format!("--hard={hard}")]].concat()))?;
            let used = || plane.admin(&[&["get"], &probe[..], &["-o", "jsonpath={.status.used}"]].concat()).stdout;
            let is_counted = (0..20).any(|_| {
                let used = used();
                kinds.iter().all(|kind| used.contains(kind))
            });
            if is_counted { Ok(()) } else { Err(format!("not all of {hard} are counted")) }
        })?;
        done(&plane.admin(&["delete", "quota", "probe", "-n", NAMESPACE]))
    }

    /// Waits for a condition while all its processes run.
    fn until(&self, what: &str, mut look: impl FnMut() -> Result<(), String>) -> Result<(), String> {
        let processes = [&self.virt_api, &self.virt_controller, &self.virt_handler];
        let mut ended = None;
        eventually(what, SOON, || {
            ended = processes.into_iter().find(|process| !process.is_running()).map(Process::last_words);
            if ended.is_some() { Ok(()) } else { look() }
        });
        ended.map_or(Ok(()), Err)
    }
}

/// The StorageClass of disks of which snapshots can be taken.
pub const WITH_SNAPSHOTS: &str = "with-snapshots";
/// The StorageClass of disks of which no snapshot can be taken.
pub const WITHOUT_SNAPSHOTS: &str = "without-snapshots";

/// Returns the classes of volumes and of their snapshots. The stand-in is the driver of both.
fn classes() -> Value {
    let driver = |name: &str| format!("{name}.tests.kubectl-cmp.dev");
    let class = |name: &str| {
        json!({ "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": { "name": name },
            "provisioner": driver(name) })
    };
    let snapshots = json!({ "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass",
        "metadata": { "name": WITH_SNAPSHOTS }, "driver": driver(WITH_SNAPSHOTS), "deletionPolicy": "Delete" });
    json!({ "apiVersion": "v1", "kind": "List", "items": [class(WITH_SNAPSHOTS), class(WITHOUT_SNAPSHOTS), snapshots] })
}

/// The arguments of kubectl before the patch that [`deployed`] returns.
pub const DEPLOYED: [&str; 8] =
    ["patch", "kubevirt", "kubevirt", "-n", NAMESPACE, "--subresource=status", "--type=merge", "-p"];

/// Returns the status of a KubeVirt that is deployed. Without a phase KubeVirt ignores its configuration; without an
/// architecture it refuses every machine.
pub fn deployed() -> Value {
    json!({ "status": {
        "phase": "Deployed", "defaultArchitecture": "amd64",
        "operatorVersion": KUBEVIRT, "observedKubeVirtVersion": KUBEVIRT, "targetKubeVirtVersion": KUBEVIRT,
        "conditions": [
            { "type": "Available", "status": "True", "reason": "AllComponentsReady" },
            { "type": "Created", "status": "True", "reason": "AllResourcesCreated" },
        ],
    } })
}

/// Returns the objects that mark KubeVirt as deployed, and through which virt-api finds the virt-handler of a node.
pub fn deployment() -> Value {
    let labels = json!({ "kubevirt.io": "virt-handler" });
    json!({ "apiVersion": "v1", "kind": "List", "items": [
        { "apiVersion": "kubevirt.io/v1", "kind": "KubeVirt",
            "metadata": { "name": "kubevirt", "namespace": NAMESPACE },
            "spec": { "configuration": {
                "developerConfiguration": { "featureGates": ["HostDevices", "Snapshot"] },
                "vmStateStorageClass": "state",
                "permittedHostDevices": { "pciHostDevices": [
                    { "pciVendorSelector": "10DE:1EB8", "resourceName": GPU, "externalResourceProvider": true },
                ] },
            } } },
        {
            "apiVersion": "apps/v1", "kind": "DaemonSet",
            "metadata": { "name": "virt-handler", "namespace": NAMESPACE },
            "spec": {
                "selector": { "matchLabels": labels },
                "template": {
                    "metadata": { "labels": labels },
                    "spec": {
                        // A Pod on the host network has the address of its node, which is loopback for all nodes here.
                        "hostNetwork": true,
                        "serviceAccountName": "kubevirt-handler",
                        "tolerations": [{ "operator": "Exists" }],
                        "containers": [{ "name": "virt-handler", "image": "kubevirt/virt-handler" }],
                    },
                },
            },
        },
    ] })
}

fn manifests(program: &Path, folder: &Path, port: u16) -> Result<(), String> {
    let mut print = Command::new(program);
    print.arg("-ca").arg(folder.join("kubevirt/ca.crt")).args(["-port", &port.to_string(), "-out"]).arg(folder);
    let said = output(&mut print, PATIENCE).map_err(|error| format!("{}: {error}", program.display()))?;
    if said.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&said.stderr).into_owned()) }
}

fn done(output: &Output) -> Result<(), String> {
    if output.code == 0 { Ok(()) } else { Err(output.to_string()) }
}
