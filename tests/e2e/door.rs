//! Tests of port 8443 of cmp-webhook, with any client and any data at any speed.

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cmp_tests::authority::Authority;
use cmp_tests::child::connect;
use cmp_tests::control_plane::Options;
use cmp_tests::process::Folder;
use cmp_tests::{ControlPlane, Installation, Output, World, eventually};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};

use crate::support::{SOON, want};

const MIB: u64 = 1 << 20;

/// A client that connects to a replica without an API server in between.
struct Direct {
    config: Arc<ClientConfig>,
    port: u16,
}

type Tls = StreamOwned<ClientConnection, TcpStream>;

impl Direct {
    fn to(installation: &Installation) -> Self {
        Self::with_certificate(installation, None)
    }

    /// Returns a client that uses the certificate and the key in two files.
    fn with_certificate(installation: &Installation, files: Option<[String; 2]>) -> Self {
        let path = "jsonpath={.webhooks[0].clientConfig.caBundle}";
        let configuration = ["get", "validatingwebhookconfiguration", "cmp-webhook", "-o", path];
        let bundle = installation.plane.admin(&configuration).ok().stdout;
        let bundle: k8s_openapi::ByteString = serde_json::from_value(bundle.into()).unwrap();
        let mut roots = RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(&bundle.0) {
            roots.add(authority.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots);
        let config = match files {
            None => config.with_no_client_auth(),
            Some([certificate, key]) => {
                let chain = CertificateDer::pem_file_iter(certificate).unwrap().map(Result::unwrap).collect();
                config.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap()).unwrap()
            }
        };
        Self { config: Arc::new(config), port: installation.doors()[0] }
    }

    fn connect(&self) -> io::Result<Tls> {
        let stream = connect(([127, 0, 0, 1], self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.set_write_timeout(Some(Duration::from_secs(10)))?;
        let name = "localhost".try_into().unwrap();
        Ok(StreamOwned::new(ClientConnection::new(self.config.clone(), name).unwrap(), stream))
    }

    /// Sends the start of a request with a body of this length.
    fn start(&self, path: &str, length: usize) -> io::Result<Tls> {
        let mut stream = self.connect()?;
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        )?;
        Ok(stream)
    }

    /// Returns the answer to a body.
    fn ask(&self, path: &str, body: &str) -> io::Result<String> {
        let mut stream = self.start(path, body.len())?;
        stream.write_all(body.as_bytes())?;
        answer(&mut stream)
    }
}

fn answer(stream: &mut Tls) -> io::Result<String> {
    let mut text = Vec::new();
    match stream.read_to_end(&mut text) {
        // A connection that closes without the TLS close message has still delivered its whole answer.
        Err(error) if text.is_empty() => Err(error),
        _ => Ok(String::from_utf8_lossy(&text).into_owned()),
    }
}

fn review(username: &str, name: &str) -> String {
    let labels = json!({ "kubectl-cmp.dev/account": "true" });
    let map = json!({ "metadata": { "name": name, "uid": "u", "labels": labels }, "data": { "quota": "{}" } });
    json!({ "request": { "uid": "1", "userInfo": { "username": username }, "object": map } }).to_string()
}

fn template(text: &str) -> String {
    let metadata = json!({ "name": "x", "labels": { "kubectl-cmp.dev/template": "true" } });
    let object = json!({ "metadata": metadata, "data": { "template": text } });
    json!({ "request": { "uid": "1", "userInfo": { "username": "nobody" }, "object": object } }).to_string()
}

#[test]
fn the_admission_endpoint_withstands_hostile_clients() {
    let installation = Installation::start(1, "3s");
    let direct = Direct::to(&installation);
    let good = review("system:admin", "john");
    direct.ask("/validate-account", &good).unwrap();
    slow_bodies(&installation, &direct, &good);
    idle_connections(&direct, &good);
    dear_reviews(&installation, &direct);
    forged_lines(&installation, &direct);
    a_damaged_account_that_is_deleted(&installation);
}

/// Fifty clients send most of a large body, and stop. The memory stays bounded, and others get answers meanwhile.
/// Without a bound the clients would take 300 MiB. All bodies together have 64 MiB, and each is held several times
/// while it is read.
fn slow_bodies(installation: &Installation, direct: &Direct, good: &str) {
    let replica = &installation.replicas[0];
    let before = replica.memory().unwrap();
    let (sent, mut peak, mut asked) = (AtomicUsize::new(0), 0, 0);
    thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                let part = vec![b' '; 6 << 20];
                let stream = direct.start("/validate-account", 7 << 20).and_then(|mut stream| {
                    stream.write_all(&part)?;
                    Ok(stream)
                });
                sent.fetch_add(1, Ordering::Relaxed);
                // The client is told that it was too slow, or that there is no room.
                if let Ok(Ok(said)) = stream.map(|mut stream| answer(&mut stream)) {
                    assert!(said.starts_with("HTTP/1.1 4"), "{said}");
                }
            });
        }
        while sent.load(Ordering::Relaxed) < 50 {
            let started = Instant::now();
            let said = direct.ask("/validate-account", good).unwrap();
            assert!(said.starts_with("HTTP/1.1 200"), "{said}");
            assert!(started.elapsed() < Duration::from_secs(5), "an API server would not have waited");
            peak = peak.max(replica.memory().unwrap());
            asked += 1;
        }
    });
    println!("slow bodies: {} to {} MiB, {asked} others answered", before / MIB, peak / MIB);
    assert!(asked > 0 && peak < before + 200 * MIB, "{} MiB", peak / MIB);
}

/// Opens more connections than there is room for: the server closes those that have been idle for the longest time.
fn idle_connections(direct: &Direct, good: &str) {
    let idle: Vec<TcpStream> = (0..600).filter_map(|_| connect(([127, 0, 0, 1], direct.port)).ok()).collect();
    eventually("others are answered", SOON, || match direct.ask("/validate-account", good) {
        Ok(said) if said.starts_with("HTTP/1.1 200") => Ok(()),
        Ok(said) => Err(said),
        Err(error) => Err(error.to_string()),
    });
    assert!(idle.len() > 512, "{}", idle.len());
}

/// Sends reviews that once cost minutes: lists with elements that cannot be read. The probes answer meanwhile.
fn dear_reviews(installation: &Installation, direct: &Direct) {
    let list = vec!["1"; 4900].join(",");
    let pod = format!(r#"{{"apiVersion":"v1","kind":"Pod","spec":{{"containers":[{{"name":"a"}},{list}]}}}}"#);
    let body = template(&pod);
    let answered = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let said = direct.ask("/validate-template", &body).unwrap();
                answered.fetch_add(1, Ordering::Relaxed);
                assert!(said.contains("spec.containers[1] cannot be read"), "{said}");
            });
        }
        while answered.load(Ordering::Relaxed) < 8 {
            let started = Instant::now();
            assert!(installation.probe(0, "/livez").starts_with("HTTP/1.1 200"));
            assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
        }
    });
}

/// Checks that the text of a review stays on one line of the log, however long it is.
fn forged_lines(installation: &Installation, direct: &Direct) {
    let forged = "x\n2026-01-01T00:00:00.000000Z  INFO cmp_webhook: forged\u{1b}[2J";
    let long = "y".repeat(1 << 20);
    for body in [review(forged, "john"), review("nobody", forged), review(&long, &long)] {
        assert!(direct.ask("/validate-account", &body).unwrap().starts_with("HTTP/1.1 200"));
    }
    let named = template("{}").replace(r#""name":"x""#, r#""name":"x\n2026-01-01T00:00:00.000000Z  INFO forged""#);
    assert!(direct.ask("/validate-template", &named).unwrap().starts_with("HTTP/1.1 200"));
    let log = installation.replicas[0].log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("forged")).collect();
    assert!(lines.len() >= 3, "{}", lines.join("\n"));
    for line in lines {
        assert!(!line.starts_with("2026-01-01") && !line.contains('\u{1b}'), "{line:?}");
    }
    let longest = log.lines().map(str::len).max().unwrap_or_default();
    assert!(longest < 4096, "{longest}");
}

/// Checks that a deleted damaged account is not counted any more.
fn a_damaged_account_that_is_deleted(installation: &Installation) {
    let (mary, url) = (installation.user_named("mary", "1", "1Gi"), installation.asked());
    let damaged = |count: u32| {
        eventually(&format!("{count} accounts are damaged"), SOON, || {
            let metrics = installation.probe(0, "/metrics");
            if metrics.contains(&format!("cmp_accounts_damaged {count}\n")) { Ok(()) } else { Err(metrics) }
        });
    };
    damaged(0);
    mary.admin(&["delete", "validatingwebhookconfiguration", "cmp-webhook"]).ok();
    patched(&mary, &json!({ "data": { "quota": "one" } }));
    damaged(1);
    mary.admin(&["delete", "configmap", "mary", "-n", "cmp-users"]).ok();
    damaged(0);
    mary.admin(&["cmp", "install", "--webhook-url", &url]).ok();
}

/// Patches the account as the administrator, as soon as the API server does not ask the webhook.
fn patched(user: &World<'_>, patch: &Value) {
    eventually("nobody is asked", SOON, || {
        let plane = &user.installation.plane;
        let tried = plane.admin_reading(&patch_of(&user.name, &[]), &patch.to_string());
        if tried.code == 0 { Ok(()) } else { Err(tried.to_string()) }
    });
}

fn patch_of<'a>(name: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["patch", "configmap", name, "-n", "cmp-users", "--type=merge", "--patch-file=/dev/stdin"], more].concat()
}

/// Returns a want of this size. The API server writes nearly all of its bytes as six bytes each.
fn full_want(bytes: usize) -> String {
    let env = json!([{ "name": "A", "value": "<".repeat(bytes) }]);
    let mut full: Value = serde_json::from_str(&want(1, "1", "1Mi")).unwrap();
    full["env"] = env;
    full.to_string()
}

fn wants(count: usize, bytes: usize) -> Value {
    let wants = (0..count).map(|at| (format!("want.full{at}"), Value::from(full_want(bytes))));
    json!({ "data": wants.collect::<serde_json::Map<_, _>>() })
}

/// An account of the maximum size, with the largest review, can still be made smaller.
#[test]
fn a_full_account_is_judged() {
    let mut installation = Installation::start(1, "3s");
    let url = installation.asked();
    let john = installation.user_named("john", "100", "64Gi");
    let kubeconfig = john.kubeconfig.clone();
    let as_john = |john: &World<'_>, patch: &Value, more: &[&str]| -> Output {
        john.kubectl_reading(&patch_of("john", more), &patch.to_string())
    };
    // A review contains the field managers too, and an administrator may have made many.
    let managers = |count: usize| {
        let fields = json!({ "f:data": { "f:want.full0": {}, "f:want.full1": {} } });
        let one = |at| {
            json!({ "manager": format!("{at}-{}", "<".repeat(100)), "operation": "Apply", "apiVersion": "v1",
                "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": fields })
        };
        json!({ "metadata": { "managedFields": (0..count).map(one).collect::<Value>() } })
    };
    as_john(&john, &managers(65), &[]).fails().says("64 field managers");
    patched(&john, &managers(300));

    john.admin(&["cmp", "set", "quota", "john", "--cpu", "90"]).ok();
    patched(&john, &json!({ "metadata": { "managedFields": [{}] } }));

    // The rules of cmp-webhook allow the first write and refuse the second.
    let dry = ["--dry-run=server"];
    as_john(&john, &wants(90, 2600), &dry).ok();
    as_john(&john, &wants(1, 2800), &dry).fails().says("in a review, the maximum is 16384");
    john.admin(&["cmp", "set", "quota", "john", "--cpu", "4"]).ok();
    john.running("kept", 1, "1", "1Gi");

    // Large wants are stored while the API server does not ask the webhook.
    installation.stop();
    let john = World { installation: &installation, name: "john".to_owned(), kubeconfig: kubeconfig.clone() };
    john.admin(&["delete", "validatingwebhookconfiguration", "cmp-webhook"]).ok();
    let fill = wants(8, 100_000);
    eventually("nobody is asked", SOON, || {
        let tried = as_john(&john, &fill, &[]);
        if tried.code == 0 { Ok(()) } else { Err(tried.to_string()) }
    });
    as_john(&john, &json!({ "data": { "want.more": full_want(120_000) } }), &[]).fails().says("the account is full");
    john.admin(&["cmp", "install", "--webhook-url", &url]).ok();
    installation.restart();
    let john = World { installation: &installation, name: "john".to_owned(), kubeconfig };

    // The full account can still be made smaller by the administrator, by the controllers and by its user.
    john.admin(&["cmp", "set", "quota", "john", "--cpu", "3"]).ok().says("quota/john configured");
    john.cmp(&["delete", "cluster", "kept", "--yes", "--wait"]).ok();
    john.account_is("what was too much is taken back", |account| {
        !account.as_object().unwrap().keys().any(|key| key.starts_with("want."))
    });
    john.admin(&["cmp", "delete", "user", "john", "--cascade", "--yes"]).ok();
}

/// With `--client-ca` cmp-webhook answers an API server with its certificate, and nobody else.
#[test]
fn only_clients_with_a_certificate_are_answered() {
    let folder = Folder::new();
    let at = |name: &str| folder.path().join(name).display().to_string();
    Authority::new(folder.path(), "clients", "API servers").client("apiserver", "kube-apiserver");
    Authority::new(folder.path(), "others", "others").client("other", "kube-apiserver");
    let user = json!({ "client-certificate": at("apiserver.crt"), "client-key": at("apiserver.key") });
    let kubeconfig = json!({ "apiVersion": "v1", "kind": "Config", "users": [{ "name": "*", "user": user }] });
    fs::write(at("webhooks.kubeconfig"), kubeconfig.to_string()).unwrap();
    let configuration = json!({
        "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration",
        "plugins": [{ "name": "ValidatingAdmissionWebhook", "configuration": {
            "apiVersion": "apiserver.config.k8s.io/v1", "kind": "WebhookAdmissionConfiguration",
            "kubeConfigFile": at("webhooks.kubeconfig") } }],
    });
    fs::write(at("admission.json"), configuration.to_string()).unwrap();
    let flag = format!("--admission-control-config-file={}", at("admission.json"));
    let plane = ControlPlane::start_with(&Options { apiserver: vec![flag], ..Options::default() });
    let flags = [format!("--client-ca={}", at("clients.crt"))];
    let installation = Installation::with_flags(plane, 1, "3s", &flags, |plane, url| {
        plane.admin(&["cmp", "install", "--webhook-url", url]).ok();
        true
    })
    .expect("it was installed");
    let john = installation.user_named("john", "4", "8Gi");
    john.patch(&json!({ "want.web": want(5, "1", "1Gi") })).fails().says("exceeded quota: john");

    let asks = |name: Option<&str>| {
        let files = name.map(|name| [at(&format!("{name}.crt")), at(&format!("{name}.key"))]);
        Direct::with_certificate(&installation, files).ask("/validate-account", &review("john", "john"))
    };
    assert!(asks(Some("apiserver")).unwrap().starts_with("HTTP/1.1 200"));
    for stranger in [None, Some("other")] {
        let refused = asks(stranger);
        assert!(refused.is_err(), "{stranger:?}: {refused:?}");
    }
}
