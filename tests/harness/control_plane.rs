//! Control plane: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, and kwok for the nodes.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use rcgen::KeyPair;
use serde_json::{Value, json};

use crate::authority::Authority;
use crate::binaries::Binaries;
use crate::kubevirt::{self, KubeVirt};
use crate::process::{Folder, Process};
use crate::shell::{Output, eventually, kubectl, kubectl_reading};

/// The token of the administrator, in the group `system:masters`.
const ADMIN: &str = "administrator-of-the-tests";

/// Optional parts and flags of a control plane.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Whether KubeVirt is installed.
    pub kubevirt: bool,
    /// Further flags of kube-apiserver.
    pub apiserver: Vec<String>,
    /// Further flags of kube-controller-manager.
    pub controller_manager: Vec<String>,
}

/// A running control plane. All its processes end when it is dropped, and when its own process dies.
pub struct ControlPlane {
    /// KubeVirt, if the options asked for it.
    pub kubevirt: Option<KubeVirt>,
    /// The process of kube-apiserver.
    pub apiserver: Process,
    /// The process of etcd.
    pub etcd: Process,
    /// The process of kube-controller-manager.
    pub controller_manager: Process,
    scheduler: Process,
    kwok: Process,
    port: u16,
    /// The local target of a port forward to the Pod of the mirror.
    pub mirror_port: u16,
    etcd_url: String,
    options: Options,
    certificate_authority: String,
    // Dropped last: everything above writes there.
    folder: Folder,
}

/// Returns a port on loopback that is free at this moment. It is below the range that the system gives to outgoing
/// connections. The tests make many of those, and one could take the port before its intended user.
pub fn free_port() -> u16 {
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(|| fastrand::u16(10_000..32_000)).take(1000).find(free).expect("a free port on loopback")
}

impl ControlPlane {
    /// Starts a control plane with three nodes of 512 CPU and 2 TiB, and waits until it is usable.
    pub fn start() -> Self {
        Self::start_with(&Options::default())
    }

    /// Starts a control plane with KubeVirt: the real virt-api and virt-controller. virt-handlers and guests are
    /// simulated (see [`crate::kubevirt`]).
    pub fn with_kubevirt() -> Self {
        Self::start_with(&Options { kubevirt: true, ..Options::default() })
    }

    /// Starts a control plane with these options.
    pub fn start_with(options: &Options) -> Self {
        // Another process may take a free port before it is bound: then the whole start is repeated.
        let mut last = String::new();
        for _ in 0..3 {
            match Self::try_start(options) {
                Ok(plane) => return plane,
                Err(why) => last = why,
            }
        }
        panic!("the control plane does not start: {last}")
    }

    fn try_start(options: &Options) -> Result<Self, String> {
        let mut plane = Self::prepare(options);
        plane.etcd.restart();
        plane.apiserver.restart();
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let asked = plane.admin(&["get", "--raw", "/readyz"]);
            if asked.code == 0 {
                break;
            }
            let (apiserver, etcd) = (&plane.apiserver, &plane.etcd);
            if !apiserver.is_running() || !etcd.is_running() || Instant::now() > deadline {
                return Err(format!("{asked}\n{}\n{}", apiserver.last_words(), etcd.last_words()));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        [&mut plane.controller_manager, &mut plane.scheduler, &mut plane.kwok].into_iter().for_each(Process::restart);
        plane.nodes(options.kubevirt);
        if options.kubevirt {
            plane.kubevirt = Some(KubeVirt::start(&plane)?);
        }
        Ok(plane)
    }

    /// Prepares a control plane of which nothing runs yet. Its caller starts the [`parts`](Self::parts), and creates the
    /// [`node_objects`].
    pub fn prepare(options: &Options) -> Self {
        let binaries = Binaries::get();
        let folder = Folder::new();
        let at = folder.path().to_owned();
        let certificate_authority = certificates(&at);
        let file = |name: &str| at.join(name).display().to_string();
        let mut tokens = format!("{ADMIN},admin,admin,\"system:masters\"\n");
        if options.kubevirt {
            tokens.push_str(&kubevirt::tokens());
        }
        fs::write(at.join("tokens.csv"), tokens).expect("a file");
        let [client, peer, port, manager, scheduling, kubelet, mirror_port] = std::array::from_fn(|_| free_port());
        let etcd_url = format!("http://127.0.0.1:{client}");
        let part = |name: &str, arguments: Vec<String>| Process::prepare(name, binaries.path(name), arguments, &at);
        let etcd = part(
            "etcd",
            vec![
                format!("--data-dir={}", file("etcd")),
                "--unsafe-no-fsync".to_owned(),
                format!("--listen-client-urls={etcd_url}"),
                format!("--advertise-client-urls={etcd_url}"),
                format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
            ],
        );
        let apiserver = part("kube-apiserver", apiserver_flags(&at, &etcd_url, port, options));
        let admin = kubeconfig(port, &certificate_authority, ADMIN, "admin");
        fs::write(at.join("admin.kubeconfig"), admin).expect("a file");
        let as_admin = format!("--kubeconfig={}", file("admin.kubeconfig"));
        let mut arguments = vec![
            as_admin.clone(),
            "--use-service-account-credentials=true".to_owned(),
            format!("--service-account-private-key-file={}", file("accounts.key")),
            format!("--root-ca-file={}", file("ca.crt")),
            "--leader-elect=false".to_owned(),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={manager}"),
        ];
        arguments.extend(options.controller_manager.iter().cloned());
        let controller_manager = part("kube-controller-manager", arguments);
        let scheduler = part(
            "kube-scheduler",
            vec![
                as_admin.clone(),
                "--leader-elect=false".to_owned(),
                "--bind-address=127.0.0.1".to_owned(),
                format!("--secure-port={scheduling}"),
            ],
        );
        let mut arguments = vec![
            as_admin,
            "--manage-all-nodes=true".to_owned(),
            "--enable-crds=".to_owned(),
            // Without leases the node controller takes the nodes for lost after a minute, and their Pods for not ready.
            "--node-lease-duration-seconds=40".to_owned(),
            "--node-ip=127.0.0.1".to_owned(),
            // The kubelets' side of `logs`. `exec` is left out: it would not authenticate, and its commands would run
            // as the user who started this.
            format!("--node-port={kubelet}"),
            format!("--server-address=127.0.0.1:{kubelet}"),
            format!("--tls-cert-file={}", file("apiserver.crt")),
            format!("--tls-private-key-file={}", file("apiserver.key")),
            format!("--config={}", file("logs.yaml")),
            format!("--config={}", file("forward.yaml")),
            "--cidr=10.64.0.0/14".to_owned(),
        ];
        let stages = if options.kubevirt { kubevirt::stages(&binaries.stages) } else { binaries.stages.clone() };
        arguments.extend(stages.iter().map(|stage| format!("--config={}", stage.display())));
        let logs = json!({
            "apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "ClusterLogs", "metadata": { "name": "all" },
            "spec": { "logs": [{ "logsFile": file("instance.log") }] },
        });
        // kwok reads log files in the format of a container runtime.
        let lines = (1..=3).map(|at| format!("2026-01-01T00:00:0{at}.000000000Z stdout F line {at}\n"));
        fs::write(at.join("instance.log"), lines.collect::<String>()).expect("a file");
        fs::write(at.join("logs.yaml"), logs.to_string()).expect("a file");
        // The kubelets' side of `port-forward`, only for Pods in cmp's own Namespace.
        let forward = json!({
            "apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "ClusterPortForward", "metadata": { "name": "mirror" },
            "spec": {
                "selector": { "matchNamespaces": ["cmp-system"] },
                "forwards": [{ "ports": [8081], "target": { "address": "127.0.0.1", "port": mirror_port } }],
            },
        });
        fs::write(at.join("forward.yaml"), forward.to_string()).expect("a file");
        let kwok = part("kwok", arguments);
        Self {
            kubevirt: None,
            apiserver,
            etcd,
            controller_manager,
            scheduler,
            kwok,
            port,
            mirror_port,
            etcd_url,
            options: options.clone(),
            certificate_authority,
            folder,
        }
    }

    fn nodes(&self, kubevirt: bool) {
        let nodes = node_objects(kubevirt);
        for node in &nodes {
            self.admin_reading(&["create", "-f", "-"], &node.to_string()).ok();
        }
        eventually("the nodes are ready", Duration::from_secs(60), || {
            let asked = self.admin(&["get", "nodes", "--no-headers"]);
            let ready = asked.stdout.lines().filter(|line| line.contains(" Ready ")).count();
            let lost =
                [&self.kwok, &self.scheduler, &self.controller_manager].into_iter().find(|one| !one.is_running());
            match lost {
                Some(lost) => panic!("{}", lost.last_words()),
                None if ready == nodes.len() => Ok(()),
                None => Err(format!("{asked}\n{}", self.kwok.last_words())),
            }
        });
    }

    /// Returns the folder with the data and logs of the control plane.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the path of the administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder().join("admin.kubeconfig")
    }

    /// Writes a kubeconfig for a token.
    pub fn kubeconfig_for(&self, name: &str, token: &str) -> PathBuf {
        let path = self.folder().join(format!("{name}.kubeconfig"));
        fs::write(&path, kubeconfig(self.port, &self.certificate_authority, token, name)).expect("a file");
        path
    }

    /// Returns the certificate authority of the API server, in PEM.
    pub fn certificate_authority(&self) -> &str {
        &self.certificate_authority
    }

    /// Returns the port of the API server.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the URL of etcd.
    pub fn etcd_url(&self) -> &str {
        &self.etcd_url
    }

    /// Starts a second API server on the same etcd, and returns its process and its port. It runs until the process is
    /// dropped.
    pub fn another_apiserver(&self) -> (Process, u16) {
        let port = free_port();
        let flags = apiserver_flags(self.folder(), &self.etcd_url, port, &self.options);
        let name = format!("kube-apiserver-{port}");
        let server = Process::start(&name, Binaries::get().path("kube-apiserver"), flags, self.folder());
        let path = self.folder().join(format!("{name}.kubeconfig"));
        fs::write(&path, kubeconfig(port, &self.certificate_authority, ADMIN, "admin")).expect("a file");
        eventually("the second API server is ready", Duration::from_secs(60), || {
            assert!(server.is_running(), "{}", server.last_words());
            let asked = kubectl(&path, &["get", "--raw", "/readyz"]);
            if asked.code == 0 { Ok(()) } else { Err(asked.to_string()) }
        });
        (server, port)
    }

    /// Copies the data of etcd to a folder of this name. All processes are stopped meanwhile.
    pub fn snapshot(&mut self, name: &str) {
        self.stop();
        copy_folder(&self.folder().join("etcd"), &self.folder().join(name));
        self.restart();
    }

    /// Stops all processes, puts the copied data back, and starts again, as one restores a cluster.
    pub fn restore(&mut self, name: &str) {
        self.stop();
        let data = self.folder().join("etcd");
        fs::remove_dir_all(&data).expect("the data of etcd");
        copy_folder(&self.folder().join(name), &data);
        self.restart();
    }

    /// Returns all processes in the order of stopping: clients before the servers that they use.
    pub fn parts(&mut self) -> [&mut Process; 5] {
        [&mut self.kwok, &mut self.scheduler, &mut self.controller_manager, &mut self.apiserver, &mut self.etcd]
    }

    fn stop(&mut self) {
        self.parts().into_iter().for_each(Process::stop);
    }

    fn restart(&mut self) {
        self.etcd.restart();
        self.restart_apiserver();
        let [kwok, scheduler, controller_manager, ..] = self.parts();
        [kwok, scheduler, controller_manager].into_iter().for_each(Process::restart);
    }

    /// The last lines of each part that has ended by itself.
    pub fn ended(&self) -> String {
        let parts = [&self.etcd, &self.apiserver, &self.controller_manager, &self.scheduler, &self.kwok];
        parts.into_iter().filter(|part| !part.is_running()).map(Process::last_words).collect()
    }

    /// Runs kubectl as the administrator.
    pub fn admin(&self, arguments: &[&str]) -> Output {
        kubectl(&self.kubeconfig(), arguments)
    }

    /// Runs kubectl as the administrator, with this text on its standard input.
    pub fn admin_reading(&self, arguments: &[&str], input: &str) -> Output {
        kubectl_reading(&self.kubeconfig(), arguments, input)
    }

    /// Returns a counter of the API server: the sum of all series in which a label has this value.
    pub fn counter(&self, metric: &str, value: &str) -> u64 {
        let metrics = self.admin(&["get", "--raw", "/metrics"]).ok().stdout;
        let (start, value) = (format!("{metric}{{"), format!("\"{value}\""));
        let series = metrics.lines().filter(|line| line.starts_with(&start) && line.contains(&value));
        series.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }

    /// Restarts the API server, and waits until it is back.
    pub fn restart_apiserver(&mut self) {
        self.apiserver.restart();
        eventually("the API server is back", Duration::from_secs(60), || {
            let asked = self.admin(&["get", "--raw", "/readyz"]);
            if asked.code == 0 { Ok(()) } else { Err(asked.to_string()) }
        });
    }
}

/// Returns the nodes of a control plane: three, with 512 CPU and 2 TiB each. The clusters of all tests of a suite have to
/// fit.
pub fn node_objects(kubevirt: bool) -> Vec<Value> {
    let amounts = json!({ "cpu": "512", "memory": "2Ti", "pods": "1000", "ephemeral-storage": "1Ti" });
    let node = |at: u32| {
        let mut node = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": { "name": format!("node-{at}"), "labels": { "kubernetes.io/hostname": format!("node-{at}") } },
            "status": { "allocatable": amounts, "capacity": amounts },
        });
        if kubevirt {
            kubevirt::prepare(&mut node);
        }
        node
    };
    (0..3).map(node).collect()
}

fn apiserver_flags(at: &Path, etcd_url: &str, port: u16, options: &Options) -> Vec<String> {
    let file = |name: &str| at.join(name).display().to_string();
    let mut flags = vec![
        format!("--etcd-servers={etcd_url}"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={port}"),
        format!("--tls-cert-file={}", file("apiserver.crt")),
        format!("--tls-private-key-file={}", file("apiserver.key")),
        format!("--service-account-key-file={}", file("accounts.pub")),
        format!("--service-account-signing-key-file={}", file("accounts.key")),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--token-auth-file={}", file("tokens.csv")),
        "--authorization-mode=RBAC".to_owned(),
        "--service-cluster-ip-range=10.0.0.0/16".to_owned(),
        "--enable-aggregator-routing=false".to_owned(),
        // The API server shows this identity, and that of its users, to the aggregated API servers.
        format!("--requestheader-client-ca-file={}", file("proxy-ca.crt")),
        "--requestheader-allowed-names=front-proxy-client".to_owned(),
        "--requestheader-username-headers=X-Remote-User".to_owned(),
        "--requestheader-group-headers=X-Remote-Group".to_owned(),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
        format!("--proxy-client-cert-file={}", file("proxy.crt")),
        format!("--proxy-client-key-file={}", file("proxy.key")),
        // The names of the nodes do not resolve.
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
        "--profiling=false".to_owned(),
        // As in real clusters, so that Pod Security refuses privileged Pods.
        "--allow-privileged=true".to_owned(),
    ];
    flags.extend(options.apiserver.iter().cloned());
    flags
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, &target).expect("a file is copied");
        }
    }
}

/// Returns a client for a kubeconfig.
pub async fn client(kubeconfig: &Path) -> Client {
    Client::try_from(config(kubeconfig).await).expect("a client")
}

/// Returns a client of a kubeconfig that acts for another user.
pub async fn impersonating(kubeconfig: &Path, user: &str, groups: &[&str]) -> Client {
    let mut config = config(kubeconfig).await;
    config.auth_info.impersonate = Some(user.to_owned());
    config.auth_info.impersonate_groups = Some(groups.iter().map(|group| (*group).to_owned()).collect());
    Client::try_from(config).expect("a client")
}

async fn config(kubeconfig: &Path) -> kube::Config {
    let read = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig of ours");
    let config = kube::Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await;
    config.expect("a kubeconfig of ours")
}

fn kubeconfig(port: u16, certificate_authority: &str, token: &str, user: &str) -> String {
    let authority = k8s_openapi::ByteString(certificate_authority.as_bytes().to_vec());
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{ "name": "test", "cluster": {
            "server": format!("https://127.0.0.1:{port}"), "certificate-authority-data": authority } }],
        "users": [{ "name": user, "user": { "token": token } }],
        "contexts": [{ "name": "test", "context": { "cluster": "test", "user": user } }],
    })
    .to_string()
}

/// Creates the certificates and keys of the control plane, and returns the certificate authority in PEM.
fn certificates(at: &Path) -> String {
    let authority = Authority::new(at, "ca", "tests");
    authority.server("apiserver", "tests", &["localhost", "127.0.0.1", "kubernetes", "kubernetes.default.svc"]);
    Authority::new(at, "proxy-ca", "front-proxy").client("proxy", "front-proxy-client");
    let accounts = KeyPair::generate().expect("a key");
    fs::write(at.join("accounts.key"), accounts.serialize_pem()).expect("a file");
    fs::write(at.join("accounts.pub"), accounts.public_key_pem()).expect("a file");
    authority.pem().to_owned()
}
