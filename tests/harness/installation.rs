//! cmp in a control plane: installed with its own command, running under the ServiceAccount it ships with.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::balancer::Balancer;
use crate::binaries::{built, newer};
use crate::child::connect;
use crate::control_plane::{ControlPlane, free_port};
use crate::process::Process;
use crate::shell::{self, Output, SOON, eventually, kubectl, kubectl_reading};

/// An installation with several replicas of cmp-webhook as local processes.
pub struct Installation {
    /// The processes of the replicas, by index.
    pub replicas: Vec<Process>,
    probes: Vec<u16>,
    backends: Vec<SocketAddr>,
    balancer: Balancer,
    kubeconfig: PathBuf,
    window: String,
    flags: Vec<String>,
    /// The control plane that cmp is installed in.
    pub plane: ControlPlane,
}

impl Installation {
    /// Installs into a new control plane. `window` is the time that an admitted request may take to be stored. Tests
    /// use a short one, because no API server here is slow for a minute.
    pub fn start(replicas: usize, window: &str) -> Self {
        Self::on(ControlPlane::start(), replicas, window, |plane, url| {
            plane.admin(&["cmp", "install", "--webhook-url", url]).ok();
            true
        })
        .expect("it was installed")
    }

    /// Installs into a running control plane. `install` gets the URL that the API server is to ask, and reports whether
    /// it succeeded.
    pub fn on(
        plane: ControlPlane,
        replicas: usize,
        window: &str,
        install: impl FnOnce(&ControlPlane, &str) -> bool,
    ) -> Option<Self> {
        Self::with_flags(plane, replicas, window, &[], install)
    }

    /// Installs into a running control plane, with further flags of cmp-webhook.
    pub fn with_flags(
        plane: ControlPlane,
        replicas: usize,
        window: &str,
        flags: &[String],
        install: impl FnOnce(&ControlPlane, &str) -> bool,
    ) -> Option<Self> {
        let balancer = Balancer::start();
        if !install(&plane, &format!("https://localhost:{}", balancer.port())) {
            return None;
        }
        let token = plane.admin(&["create", "token", "cmp-webhook", "-n", "cmp-system", "--duration", "24h"]).ok();
        let kubeconfig = plane.kubeconfig_for("cmp-webhook", token.stdout.trim());
        let mut installation = Self {
            replicas: Vec::new(),
            probes: Vec::new(),
            backends: Vec::new(),
            balancer,
            kubeconfig,
            window: window.to_owned(),
            flags: flags.to_vec(),
            plane,
        };
        for at in 0..replicas {
            let (process, probe, backend) = installation.replica(at, &built().webhook, "0s");
            installation.replicas.push(process);
            installation.probes.push(probe);
            installation.backends.push(backend);
        }
        installation.balancer.set(installation.backends.clone());
        installation.ready();
        Some(installation)
    }

    /// Starts the mirror as a local process under its own ServiceAccount, and waits until it observes. Returns the
    /// process, its file and its probe port. Its rights have to be installed.
    pub fn mirror(&self) -> (Process, PathBuf, u16) {
        let plane = &self.plane;
        let token = plane.admin(&["create", "token", "cmp-mirror", "-n", "cmp-system", "--duration", "24h"]).ok();
        let kubeconfig = plane.kubeconfig_for("cmp-mirror", token.stdout.trim());
        let (db, probe) = (plane.folder().join("mirror.db"), free_port());
        let arguments = [
            "mirror".to_owned(),
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--probe-address=127.0.0.1:{probe}"),
            format!("--copy-address=127.0.0.1:{}", plane.mirror_port),
            format!("--db={}", db.display()),
        ];
        let process = Process::start("cmp-mirror", &built().webhook, arguments.to_vec(), plane.folder());
        mirror_is_ready(&process, probe);
        (process, db, probe)
    }

    /// Starts a replica on ports of its own. On SIGTERM it goes on for `shutdown_delay` before it ends, as a Pod does.
    fn replica(&self, at: usize, program: &Path, shutdown_delay: &str) -> (Process, u16, SocketAddr) {
        let (port, probe) = (free_port(), free_port());
        let arguments = [
            "serve",
            "--kubeconfig",
            &self.kubeconfig.display().to_string(),
            "--bind-address",
            &format!("127.0.0.1:{port}"),
            "--probe-address",
            &format!("127.0.0.1:{probe}"),
            "--admission-window",
            &self.window,
            "--shutdown-delay",
            shutdown_delay,
        ]
        .map(str::to_owned)
        .into_iter()
        .chain(self.flags.iter().cloned())
        .collect();
        let process = Process::start(&format!("cmp-webhook-{at}"), program, arguments, self.plane.folder());
        (process, probe, SocketAddr::from(([127, 0, 0, 1], port)))
    }

    /// Replaces a replica as a rolling update does. The replica of the new program is ready first. From the moment that
    /// the old one is told to end, it gets no new connections.
    pub fn replace(&mut self, at: usize, program: &Path, shutdown_delay: &str) {
        let (process, probe, backend) = self.replica(at + self.replicas.len(), program, shutdown_delay);
        let mut old = std::mem::replace(&mut self.replicas[at], process);
        (self.probes[at], self.backends[at]) = (probe, backend);
        self.ready();
        self.balancer.set(self.backends.clone());
        old.stop();
    }

    /// Waits until every replica is ready.
    pub fn ready(&self) {
        for (replica, probe) in self.replicas.iter().zip(&self.probes) {
            eventually("cmp-webhook is ready", Duration::from_secs(60), || {
                assert!(replica.is_running(), "cmp-webhook ended\n{}", replica.last_words());
                match get(*probe, "/readyz") {
                    Ok(text) if text.starts_with("HTTP/1.1 200") => Ok(()),
                    Ok(text) => Err(format!("{text}\n{}{}", replica.last_words(), self.plane.ended())),
                    Err(error) => Err(error.to_string()),
                }
            });
        }
    }

    /// Returns the ports on which the replicas serve admission requests.
    pub fn doors(&self) -> Vec<u16> {
        self.backends.iter().map(SocketAddr::port).collect()
    }

    /// Returns the URL that the API server asks.
    pub fn asked(&self) -> String {
        let path = "jsonpath={.webhooks[0].clientConfig.url}";
        let read = self.plane.admin(&["get", "validatingwebhookconfiguration", "cmp-webhook", "-o", path]).ok();
        read.stdout.trim_end_matches("/validate-account").to_owned()
    }

    /// Returns the answer of a replica on its probe port.
    pub fn probe(&self, replica: usize, path: &str) -> String {
        get(self.probes[replica], path).unwrap_or_else(|error| error.to_string())
    }

    /// Stops all replicas of cmp-webhook.
    pub fn stop(&mut self) {
        self.replicas.iter_mut().for_each(Process::stop);
    }

    /// Starts all replicas again.
    pub fn restart(&mut self) {
        self.replicas.iter_mut().for_each(Process::restart);
        self.ready();
    }

    /// Creates a user with this quota and a unique name.
    pub fn user(&self, cpu: &str, memory: &str) -> World<'_> {
        static USERS: AtomicUsize = AtomicUsize::new(0);
        let number = USERS.fetch_add(1, Ordering::Relaxed);
        self.user_named(&format!("user{number}"), cpu, memory)
    }

    /// Creates a user with this name and quota.
    pub fn user_named(&self, name: &str, cpu: &str, memory: &str) -> World<'_> {
        let world = self.known(name);
        let out = world.kubeconfig.display().to_string();
        let create = ["cmp", "create", "user", name, "--cpu", cpu, "--memory", memory, "--kubeconfig-out", &out];
        self.plane.admin(&create).ok().says(&format!("user/{name} created"));
        world
    }

    /// Returns a user who was created before, with the kubeconfig from that time.
    pub fn known(&self, name: &str) -> World<'_> {
        let kubeconfig = self.plane.folder().join(format!("{name}.kubeconfig"));
        World { installation: self, name: name.to_owned(), kubeconfig }
    }
}

/// Waits until the mirror observes.
pub fn mirror_is_ready(process: &Process, probe: u16) {
    is_ready("the mirror looks", process, probe);
}

/// Waits until a process answers on its probe port that it is ready.
pub fn is_ready(condition: &str, process: &Process, probe: u16) {
    eventually(condition, SOON, || {
        assert!(process.is_running(), "it ended\n{}", process.last_words());
        match get(probe, "/readyz") {
            Ok(text) if text.starts_with("HTTP/1.1 200") => Ok(()),
            Ok(text) => Err(format!("{text}\n{}", process.last_words())),
            Err(error) => Err(error.to_string()),
        }
    });
}

/// Sends a plain GET on loopback; the probes need no client library.
pub fn get(port: u16, path: &str) -> std::io::Result<String> {
    use std::io::{Read, Write};
    let mut stream = connect(([127, 0, 0, 1], port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// A user with the kubeconfig that the administrator handed out.
pub struct World<'a> {
    /// The installation that the user belongs to.
    pub installation: &'a Installation,
    /// The name of the user.
    pub name: String,
    /// The path of the user's kubeconfig.
    pub kubeconfig: PathBuf,
}

/// Returns a want in its stored form.
pub fn want(count: u32, cpu: &str, memory: &str) -> String {
    json!({ "type": "container", "count": count, "size": { "cpu": cpu, "memory": memory } }).to_string()
}

/// Returns the held entry of a cluster, if it is readable.
pub fn held(account: &Value, cluster: &str) -> Option<Value> {
    serde_json::from_str(account[format!("held.{cluster}")].as_str()?).ok()
}

/// Returns the last transition of the schedule of a cluster in an account, or null.
pub fn transition(account: &Value, cluster: &str) -> Value {
    let stored = account[format!("scheduled.{cluster}")].as_str();
    stored.map_or(Value::Null, |text| serde_json::from_str(text).expect("a stored transition"))
}

impl World<'_> {
    /// Returns a cluster name that no other test uses.
    pub fn cluster(&self, name: &str) -> String {
        format!("{name}-{}", self.name)
    }

    /// Creates a cluster, and waits until its instances run.
    #[track_caller]
    pub fn running(&self, cluster: &str, count: u32, cpu: &str, memory: &str) {
        let count = count.to_string();
        let size = ["--cpu", cpu, "--memory", memory, "--count", &count];
        self.cmp(&[["create", "cluster", cluster, "--wait", "--timeout", "90s"].as_slice(), &size].concat())
            .ok()
            .says(&format!("cluster/{cluster} created"));
    }

    /// Runs kubectl as this user.
    pub fn kubectl(&self, arguments: &[&str]) -> Output {
        kubectl(&self.kubeconfig, arguments)
    }

    /// Runs kubectl as this user, with this text on its standard input.
    pub fn kubectl_reading(&self, arguments: &[&str], input: &str) -> Output {
        kubectl_reading(&self.kubeconfig, arguments, input)
    }

    /// Runs `kubectl cmp` as this user.
    #[allow(clippy::should_implement_trait, reason = "it is the name of the command")]
    pub fn cmp(&self, arguments: &[&str]) -> Output {
        let mut all = vec!["cmp"];
        all.extend(arguments);
        self.kubectl(&all)
    }

    /// Runs `kubectl cmp` as this user, with this text on its standard input.
    pub fn cmp_reading(&self, arguments: &[&str], input: &str) -> Output {
        self.kubectl_reading(&[&["cmp"], arguments].concat(), input)
    }

    /// Runs kubectl as the administrator.
    pub fn admin(&self, arguments: &[&str]) -> Output {
        self.installation.plane.admin(arguments)
    }

    /// Returns the data of this user's account, as the administrator reads it.
    pub fn account(&self) -> Value {
        self.admin(&["get", "configmap", &self.name, "-n", "cmp-users", "-o", "json"]).ok().json()["data"].clone()
    }

    /// Waits until the account meets a condition.
    #[track_caller]
    pub fn account_is(&self, what: &str, is: impl Fn(&Value) -> bool) {
        eventually(what, SOON, || {
            let account = self.account();
            if is(&account) { Ok(()) } else { Err(account.to_string()) }
        });
    }

    /// Returns the last transition of the schedule of a cluster, or null.
    pub fn transition(&self, cluster: &str) -> Value {
        transition(&self.account(), cluster)
    }

    /// Waits until the schedule of a cluster has done this transition, and returns it.
    #[track_caller]
    pub fn transitions(&self, cluster: &str, turn: &str) -> Value {
        self.account_is(&format!("the schedule of {cluster} did {turn}"), |account| {
            let last = transition(account, cluster);
            last["turn"] == turn && last["tries"].is_null()
        });
        self.transition(cluster)
    }

    /// Returns the state of an instance, as the plugin shows it.
    pub fn state(&self, instance: &str) -> String {
        let shown = self.cmp(&["get", "instance", instance, "-o", "json"]).ok().json();
        shown["status"]["state"].as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an instance has this state.
    #[track_caller]
    pub fn becomes(&self, instance: &str, expected: &str) {
        eventually(&format!("{instance} is {expected}"), SOON, || {
            let state = self.state(instance);
            if state == expected { Ok(()) } else { Err(state) }
        });
    }

    /// Patches the account as this user, without the plugin.
    pub fn patch(&self, data: &Value) -> Output {
        let patch = serde_json::json!({ "data": data }).to_string();
        self.kubectl(&["patch", "configmap", &self.name, "-n", "cmp-users", "--type=merge", "-p", &patch])
    }

    /// Runs the plugin of another version as this user, with `input` on its standard input.
    pub fn other_plugin(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = shell::for_a_user(&newer().plugin, &self.kubeconfig);
        command.args(arguments);
        shell::run(command, input)
    }
}
