//! Connections: the same kubeconfig for kubectl and for `kubectl cmp`, against the same API server.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use cmp_tests::authority::Authority;
use cmp_tests::binaries::built;
use cmp_tests::child::connect;
use cmp_tests::control_plane::Options;
use cmp_tests::process::Folder;
use cmp_tests::{ControlPlane, Output, shell, terminal};
use serde_json::Value;

use crate::support::shared;

/// A secret in the arguments, the environment and the output of credential plugins. No message has it.
const SECRET: &str = "hunter2";

/// The variables that select a proxy.
const PROXIES: [&str; 6] = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"];

/// A folder with kubeconfigs for one API server.
struct Lab {
    folder: Folder,
    port: u16,
    token: String,
    /// The certificate authority in base64.
    authority: String,
}

impl Lab {
    fn new(plane: &ControlPlane) -> Self {
        let admin: Value = serde_json::from_str(&fs::read_to_string(plane.kubeconfig()).unwrap()).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let lab = Self {
            folder: Folder::new(),
            port: plane.port(),
            token: text(&admin["users"][0]["user"]["token"]),
            authority: text(&admin["clusters"][0]["cluster"]["certificate-authority-data"]),
        };
        fs::copy(plane.folder().join("ca.crt"), lab.at("ca.crt")).unwrap();
        lab
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the fields of the cluster, as they should be.
    fn cluster(&self) -> String {
        format!("{{ server: 'https://127.0.0.1:{}', certificate-authority-data: {} }}", self.port, self.authority)
    }

    /// Returns a kubeconfig with a cluster and a user, each in YAML, and further lines.
    fn text(cluster: &str, user: &str, more: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: here\nclusters:\n- name: there\n  cluster: {cluster}\n\
             users:\n- name: me\n  user: {user}\ncontexts:\n- name: here\n  context: {{ cluster: there, user: me }}\n{more}"
        )
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.at(name), text).unwrap();
        self.at(name)
    }

    /// Writes a credential plugin. Each run adds a line to the file `<name>.runs`.
    fn plugin(&self, name: &str, script: &str) {
        let runs = self.at(&format!("{name}.runs"));
        let path = self.write(name, format!("#!/bin/sh\necho run >> {}\n{script}\n", runs.display()));
        fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }

    /// Returns the number of runs of a plugin since the last call.
    fn runs(&self, name: &str) -> usize {
        let path = self.at(&format!("{name}.runs"));
        let runs = fs::read_to_string(&path).unwrap_or_default().lines().count();
        fs::remove_file(path).ok();
        runs
    }

    /// Returns a user with this plugin, and further fields of it.
    fn exec(command: &str, more: &str) -> String {
        format!(
            "{{ exec: {{ apiVersion: client.authentication.k8s.io/v1, command: {command}, args: [--password, {SECRET}], \
             env: [{{ name: PASSWORD, value: {SECRET} }}], {more} }} }}"
        )
    }

    /// Asks who the caller is, with kubectl and with `kubectl cmp`.
    fn ask(&self, kubeconfig: &str, variables: &[(&str, &str)]) -> [Output; 2] {
        [["auth", "whoami"].as_slice(), &["cmp", "whoami"]].map(|arguments| {
            let mut command = self.command(kubeconfig, arguments);
            command.envs(variables.iter().copied());
            shell::run(command, "")
        })
    }

    fn command(&self, kubeconfig: &str, arguments: &[&str]) -> Command {
        let mut command = shell::command(&PathBuf::from(kubeconfig));
        command.current_dir(self.folder.path()).args(arguments).arg("--request-timeout=20s");
        for name in PROXIES {
            command.env_remove(name);
        }
        command
    }
}

/// Asserts that both programs succeed, or that both fail and ours says these texts.
#[track_caller]
fn same(name: &str, [kubectl, ours]: &[Output; 2], refused: &[&str]) {
    let expected = i32::from(!refused.is_empty());
    assert_eq!((kubectl.code, ours.code), (expected, expected), "{name}:\n{kubectl}\n{ours}");
    for text in refused {
        assert!(ours.stderr.contains(text), "{name}: should say {text:?}:\n{ours}");
    }
    assert!(!ours.to_string().contains(SECRET), "{name}: {ours}");
    assert!(!ours.stderr.contains("internal error") && !ours.stderr.contains("panicked"), "{name}: {ours}");
}

#[test]
fn a_kubeconfig_has_the_same_outcome_as_with_kubectl() {
    let lab = Lab::new(&shared().plane);
    let (cluster, port) = (lab.cluster(), lab.port);
    let token = format!("{{ token: {} }}", lab.token);
    lab.write("token", format!("{}\n", lab.token));
    lab.write("empty", "\n");
    let lines: String = lab
        .authority
        .as_bytes()
        .chunks(64)
        .fold(String::new(), |text, line| text + "      " + std::str::from_utf8(line).unwrap() + "\n");
    let server = format!("server: 'https://127.0.0.1:{port}'");
    let of = |more: &str| format!("{{ {server}, {more} }}");
    let data = format!("certificate-authority-data: {}", lab.authority);
    let plain = Lab::text(&cluster, &token, "");
    let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain(plain.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let file = |cluster: &str, user: &str| Lab::text(cluster, user, "").into_bytes();
    let more = |more: &str| Lab::text(&cluster, &token, more).into_bytes();
    // The name of the file, its text, and what `kubectl cmp` says if both refuse it.
    let table: Vec<(&str, Vec<u8>, &[&str])> = vec![
        ("plain", plain.clone().into_bytes(), &[]),
        ("token-file", file(&cluster, "{ tokenFile: token }"), &[]),
        ("token-and-file", file(&cluster, "{ token: wrong, tokenFile: token }"), &[]),
        ("token-file-missing", file(&cluster, "{ tokenFile: nowhere }"), &["tokenFile", "/nowhere: No such file"]),
        ("token-file-empty", file(&cluster, "{ tokenFile: empty }"), &["tokenFile", "/empty: it is empty"]),
        (
            "token-with-line-break",
            file(&cluster, &format!("\n    token: |\n      {}", lab.token)),
            &["the token of user \"me\" has a line break", "hint: "],
        ),
        ("token-number", file(&cluster, "{ token: 12345 }"), &["users[0].user.token is a number", "token-number"]),
        ("token-wrong", file(&cluster, &format!("{{ token: {SECRET} }}")), &["you must be logged in"]),
        ("no-scheme", file(&cluster.replace("https://", ""), &token), &["expects HTTPS", "https://HOST:PORT"]),
        ("http", file(&cluster.replace("https://", "http://"), &token), &["expects HTTPS", "https://HOST:PORT"]),
        ("no-server", file("{}", &token), &["cluster \"there\" has no server"]),
        ("space", file(&format!("{{ server: 'https://127.0.0.1:{port} ' }}"), &token), &["is not an address"]),
        ("port", file("{ server: 'https://127.0.0.1:99999' }", &token), &["the port is not from 0 to 65535"]),
        ("password", file(&format!("{{ server: 'https://a:{SECRET}@127.0.0.1' }}"), &token), &["it has a user name"]),
        ("upper-case", file(&cluster.replace("https", "HTTPS"), &token), &[]),
        ("unused-context", more("- name: other\n  context: {}\n- name: third\n  context: null\n- name: fourth\n"), &[]),
        (
            "nulls",
            more(
                "- name: other\n  context: { cluster: null, user: null, namespace: null, extensions: null }\npreferences: null\n",
            ),
            &[],
        ),
        ("null-lists", file(&cluster, &format!("{{ token: {}, as-groups: null, exec: null }}", lab.token)), &[]),
        ("lines", file(&format!("\n    {server}\n    certificate-authority-data: |\n{lines}"), &token), &[]),
        (
            "folded",
            file(&format!("\n    {server}\n    certificate-authority-data: >\n{lines}"), &token),
            &["clusters[0].cluster.certificate-authority-data is not base64"],
        ),
        ("authority-file", file(&of("certificate-authority: ca.crt"), &token), &[]),
        (
            "authority-missing",
            file(&of("certificate-authority: /nowhere/ca.crt"), &token),
            &["certificate-authority of cluster \"there\": /nowhere/ca.crt: No such file"],
        ),
        ("authority-none", file(&of("certificate-authority-data: aGVsbG8K"), &token), &["no certificate in it"]),
        (
            "authority-and-insecure",
            file(&of(&format!("{data}, insecure-skip-tls-verify: true")), &token),
            &["a certificate authority and insecure-skip-tls-verify"],
        ),
        (
            "authority-twice",
            file(&of(&format!("{data}, certificate-authority: ca.crt")), &token),
            &["both certificate-authority and certificate-authority-data"],
        ),
        ("insecure", file(&of("insecure-skip-tls-verify: true"), &token), &[]),
        ("name", file(&of(&format!("{data}, tls-server-name: localhost")), &token), &[]),
        (
            "other-name",
            file(&of(&format!("{data}, tls-server-name: other")), &token),
            &["not valid for name \"other\""],
        ),
        ("proxy", file(&of(&format!("{data}, proxy-url: 'ftp://a'")), &token), &["proxy-url is not an address"]),
        ("key-missing", file(&cluster, "{ client-certificate: ca.crt }"), &["without client-key"]),
        (
            "certificate-missing",
            file(&cluster, "{ client-certificate: /nowhere/c.crt, client-key: ca.crt }"),
            &["client-certificate of user \"me\": /nowhere/c.crt"],
        ),
        (
            "two-methods",
            file(&cluster, &format!("{{ token: {}, username: a, password: {SECRET} }}", lab.token)),
            &["both a token and a password"],
        ),
        ("provider", file(&cluster, "{ auth-provider: { name: gcp } }"), &["gke-gcloud-auth-plugin"]),
        ("groups", file(&cluster, &format!("{{ token: {}, as-groups: [a] }}", lab.token)), &["without as"]),
        ("user-missing", more("").replaced("user: me", "user: nobody"), &["auth info \"nobody\" does not exist"]),
        ("twice", more("- name: here\n  context: {}\n"), &["contexts has two entries with the name \"here\""]),
        (
            "unused-data",
            more("- name: x\nextra: 1\n")
                .replaced("- name: me", "- name: x\n  user: { client-key-data: '!' }\n- name: me"),
            &["users[0].user.client-key-data is not base64"],
        ),
        ("documents", more("---\ncurrent-context: nowhere\n"), &[]),
        ("kind", more("").replaced("kind: Config", "kind: Pod"), &["kind is not Config"]),
        ("utf-16", wide.clone(), &[]),
        ("utf-16-half", wide[..wide.len() - 1].to_vec(), &["it is not valid UTF-16"]),
        ("syntax", more("users: [\n"), &["the kubeconfig ", "syntax: line ", "not YAML"]),
    ];
    for (name, text, refused) in table {
        lab.write(name, text);
        same(name, &lab.ask(name, &[]), refused);
    }
    // One of several files is broken.
    same("several", &lab.ask("plain:missing-file:token-file", &[]), &[]);
    same("broken", &lab.ask("plain:syntax", &[]), &["the kubeconfig syntax: line "]);
}

trait Replaced {
    fn replaced(self, from: &str, to: &str) -> Self;
}

impl Replaced for Vec<u8> {
    fn replaced(self, from: &str, to: &str) -> Self {
        let text = String::from_utf8(self).unwrap();
        assert!(text.contains(from), "{text}");
        text.replace(from, to).into_bytes()
    }
}

#[test]
fn the_name_in_the_certificate_can_be_chosen_and_goes_to_new_users() {
    let lab = Lab::new(&shared().plane);
    lab.write("config", Lab::text(&lab.cluster(), &format!("{{ token: {} }}", lab.token), ""));
    let ask = |more: &[&str]| {
        [["auth", "whoami"].as_slice(), &["cmp", "whoami"]]
            .map(|arguments| shell::run(lab.command("config", &[arguments, more].concat()), ""))
    };
    same("right", &ask(&["--tls-server-name", "localhost"]), &[]);
    same("wrong", &ask(&["--tls-server-name", "other"]), &["not valid for name \"other\""]);
    let proxy = Proxy::start(lab.port);
    let with = |more: &str| lab.cluster().replace(" }", &format!(", {more} }}"));
    let insecure = format!("{{ server: 'https://127.0.0.1:{}', insecure-skip-tls-verify: true }}", lab.port);
    let address = format!("http://127.0.0.1:{}", proxy.port);
    let (direct, secret) = (format!("proxy-url: '{address}'"), address.replace("//", "//a:secret@"));
    let table: [(&str, String, &[&str], [Value; 3]); 5] = [
        ("flag", lab.cluster(), &["--tls-server-name", "localhost"], ["localhost".into(), Value::Null, Value::Null]),
        ("file", with("tls-server-name: localhost"), &[], ["localhost".into(), Value::Null, Value::Null]),
        ("insecure", insecure, &[], [Value::Null, true.into(), Value::Null]),
        ("proxy", with(&direct), &[], [Value::Null, Value::Null, address.clone().into()]),
        // The password of a proxy stays with the administrator.
        ("password", with(&format!("proxy-url: '{secret}'")), &[], [Value::Null, Value::Null, Value::Null]),
    ];
    for (name, cluster, flags, expected) in table {
        lab.write("config", Lab::text(&cluster, &format!("{{ token: {} }}", lab.token), ""));
        let user = format!("named-{name}");
        let create = ["cmp", "create", "user", &user, "--cpu", "1", "--memory", "1Gi", "--kubeconfig-out", "new"];
        shell::run(lab.command("config", &[&create, flags].concat()), "").ok();
        let made: Value = serde_saphyr::from_str(&fs::read_to_string(lab.at("new")).unwrap()).unwrap();
        let entry = &made["clusters"][0]["cluster"];
        let carried = ["tls-server-name", "insecure-skip-tls-verify", "proxy-url"].map(|field| entry[field].clone());
        assert_eq!(carried, expected, "{name}: {made}");
        shell::run(lab.command("new", &["cmp", "whoami"]), "").ok().says(&user);
        shell::run(lab.command("new", &["auth", "whoami"]), "").ok().says(&user);
    }
}

/// Returns a script that prints credentials with this status.
fn prints(status: &str) -> String {
    format!(
        "echo '{{ \"apiVersion\": \"client.authentication.k8s.io/v1\", \"kind\": \"ExecCredential\", \"status\": {status} }}'"
    )
}

#[test]
fn a_credential_plugin_runs_once_in_a_command() {
    let lab = Lab::new(&shared().plane);
    let token = format!("\"token\": \"{}\"", lab.token);
    lab.plugin("forever", &format!("echo \"$KUBERNETES_EXEC_INFO\" > info\n{}", prints(&format!("{{ {token} }}"))));
    lab.plugin("long", &prints(&format!("{{ {token}, \"expirationTimestamp\": \"2100-01-01T00:00:00Z\" }}")));
    for name in ["forever", "long"] {
        let more = "interactiveMode: IfAvailable, provideClusterInfo: true";
        lab.write("config", Lab::text(&lab.cluster(), &Lab::exec(&format!("./{name}"), more), ""));
        // This command makes several requests.
        shell::run(lab.command("config", &["cmp", "get", "users"]), "").ok();
        assert_eq!(lab.runs(name), 1, "{name}");
        same(name, &lab.ask("config", &[]), &[]);
        assert_eq!(lab.runs(name), 2, "{name}: kubectl and ours");
    }
    let info: Value = serde_json::from_str(&fs::read_to_string(lab.at("info")).unwrap()).unwrap();
    assert_eq!(info["spec"]["interactive"], false);
    assert_eq!(info["spec"]["cluster"]["server"], format!("https://127.0.0.1:{}", lab.port));
    assert_eq!(info["spec"]["cluster"]["certificate-authority-data"], lab.authority);
    // Expired credentials are used for the request that they were made for.
    lab.plugin("expired", &prints(&format!("{{ {token}, \"expirationTimestamp\": \"2020-01-01T00:00:00Z\" }}")));
    lab.write("config", Lab::text(&lab.cluster(), &Lab::exec("./expired", "interactiveMode: Never"), ""));
    same("expired", &lab.ask("config", &[]), &[]);
}

#[test]
fn refused_credentials_are_renewed_once() {
    let lab = Lab::new(&shared().plane);
    let (wrong, right) =
        (prints(&format!("{{ \"token\": \"{SECRET}\" }}")), format!("{{ \"token\": \"{}\" }}", lab.token));
    lab.plugin("second", &format!("if [ -e again ]; then {}; else touch again; {wrong}; fi", prints(&right)));
    lab.write("config", Lab::text(&lab.cluster(), &Lab::exec("./second", "interactiveMode: Never"), ""));
    shell::run(lab.command("config", &["cmp", "get", "users"]), "").ok();
    assert_eq!(lab.runs("second"), 2);
    lab.plugin("never", &wrong);
    lab.write("config", Lab::text(&lab.cluster(), &Lab::exec("./never", "interactiveMode: Never"), ""));
    same("never", &lab.ask("config", &[]), &["you must be logged in"]);
    lab.runs("never");
    shell::run(lab.command("config", &["cmp", "get", "users"]), "").fails();
    assert_eq!(lab.runs("never"), 2);
}

#[test]
fn a_credential_plugin_that_fails_is_named() {
    let lab = Lab::new(&shared().plane);
    let token = format!("{{ \"token\": \"{}\" }}", lab.token);
    lab.plugin("works", &prints(&token));
    lab.plugin(
        "fails",
        &format!("echo 'run: login again' >&2; {}; exit 7", prints(&format!("{{ \"token\": \"{SECRET}\" }}"))),
    );
    lab.plugin("garbage", &format!("echo '{SECRET}: ['"));
    lab.plugin("nothing", &prints("{}"));
    lab.plugin("half", &prints(&format!("{{ \"clientKeyData\": \"{SECRET}\" }}")));
    lab.plugin("other", &format!("{} | sed s,v1,v1beta1,", prints(&token)));
    let hint = "interactiveMode: Never, installHint: \"Install it:\\n  brew install login\"";
    let table: [(&str, &str, &[&str]); 9] = [
        (
            "no-such-login",
            hint,
            &["plugin no-such-login is not installed", "hint: Install it:\nhint: brew install login\n"],
        ),
        ("./fails", "interactiveMode: Never", &["run: login again\n", "/fails failed with exit code 7"]),
        ("./garbage", "interactiveMode: Never", &["/garbage printed no usable credentials: line 1"]),
        ("./nothing", "interactiveMode: Never", &["neither a token nor a certificate"]),
        ("./half", "interactiveMode: Never", &["not both"]),
        ("./other", "interactiveMode: Never", &["not an ExecCredential of client.authentication.k8s.io/v1"]),
        ("./works", "interactiveMode: Always", &["standard input is not a terminal"]),
        ("./works", "interactiveMode: Maybe", &["interactiveMode \"Maybe\""]),
        ("./works", "provideClusterInfo: false", &["without interactiveMode"]),
    ];
    for (command, more, refused) in table {
        lab.write("config", Lab::text(&lab.cluster(), &Lab::exec(command, more), ""));
        same(&format!("{command} {more}"), &lab.ask("config", &[]), refused);
    }
    // On a terminal the plugin may ask.
    lab.plugin("shows", &format!("[ -t 0 ] || exit 3; {}", prints(&token)));
    lab.write("config", Lab::text(&lab.cluster(), &Lab::exec("./shows", "interactiveMode: Always"), ""));
    for arguments in [["auth", "whoami"], ["cmp", "whoami"]] {
        let shown = terminal::run(lab.command("config", &arguments), 100);
        assert_eq!(shown.code, 0, "{}", shown.raw);
    }
    let without = lab.exec_without_terminal("config");
    assert_eq!(without.code, 1, "{without}");
}

impl Lab {
    /// Runs the plugin itself, without kubectl in between.
    fn exec_without_terminal(&self, kubeconfig: &str) -> Output {
        let mut command = Command::new(&built().plugin);
        command.arg("whoami").env("KUBECONFIG", kubeconfig).current_dir(self.folder.path());
        shell::run(command, "")
    }
}

/// A proxy for CONNECT that leads every name to one port on loopback.
struct Proxy {
    port: u16,
    used: Arc<AtomicUsize>,
}

impl Proxy {
    fn start(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, used) = (listener.local_addr().unwrap().port(), Arc::<AtomicUsize>::default());
        let counted = used.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::Relaxed);
                thread::spawn(move || tunnel(client, target));
            }
        });
        Self { port, used }
    }
}

fn tunnel(mut client: TcpStream, target: u16) -> io::Result<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let server = connect(([127, 0, 0, 1], target))?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _copied = io::copy(&mut from, &mut to);
        to.shutdown(Shutdown::Write)
    });
    let _copied = io::copy(&mut &server, &mut client);
    client.shutdown(Shutdown::Write)
}

#[test]
fn proxies_are_chosen_as_kubectl_chooses_them() {
    let lab = Lab::new(&shared().plane);
    let proxy = Proxy::start(lab.port);
    let address = format!("http://127.0.0.1:{}", proxy.port);
    let token = format!("{{ token: {} }}", lab.token);
    // The name resolves nowhere but at the proxy.
    let (name, port) = ("kubernetes.default.svc", lab.port);
    let far = lab.cluster().replace("127.0.0.1", name);
    lab.write("near", Lab::text(&lab.cluster(), &token, ""));
    lab.write("far", Lab::text(&far, &token, ""));
    let of_cluster = lab.cluster().replace(" }", &format!(", proxy-url: '{address}' }}"));
    lab.write("of-cluster", Lab::text(&of_cluster, &token, ""));
    let bare = address.replace("http://", "");
    let (this, other, ours) = (format!("a.b, {name}:{port}"), format!("{name}:1"), format!("127.0.0.1,{bare}"));
    let failed: &[&str] = &["unable to connect to the server"];
    /// The file, the variables, what is said, and whether the proxy is used.
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str], bool);
    let table: [Row<'_>; 11] = [
        ("near", &[("HTTPS_PROXY", &address)], &[], false),
        ("near", &[("HTTPS_PROXY", "http://127.0.0.1:1")], &[], false),
        ("far", &[("HTTPS_PROXY", &address)], &[], true),
        ("far", &[("https_proxy", &bare)], &[], true),
        ("far", &[("HTTP_PROXY", &address)], failed, false),
        ("far", &[("HTTPS_PROXY", &address), ("NO_PROXY", &this)], failed, false),
        ("far", &[("HTTPS_PROXY", &address), ("NO_PROXY", &other)], &[], true),
        ("far", &[("HTTPS_PROXY", &address), ("no_proxy", ".default.svc")], failed, false),
        ("far", &[("HTTPS_PROXY", &address), ("NO_PROXY", &ours)], &[], true),
        ("far", &[("HTTPS_PROXY", &address), ("NO_PROXY", "a b,,://,[")], &[], true),
        ("of-cluster", &[("NO_PROXY", "*")], &[], true),
    ];
    for (file, variables, refused, used) in table {
        let name = format!("{file} {variables:?}");
        proxy.used.store(0, Ordering::Relaxed);
        same(&name, &lab.ask(file, variables), refused);
        assert_eq!(proxy.used.load(Ordering::Relaxed), if used { 2 } else { 0 }, "{name}");
    }
}

#[test]
fn client_certificates_come_from_files_data_and_plugins() {
    let folder = Folder::new();
    let clients = Authority::new(folder.path(), "clients", "clients");
    clients.client("me", "alice");
    let flag = format!("--client-ca-file={}", folder.path().join("clients.crt").display());
    let plane = ControlPlane::start_with(&Options { apiserver: vec![flag], ..Options::default() });
    let lab = Lab::new(&plane);
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let (certificate, key) = (read("me.crt"), read("me.key"));
    lab.write("me.crt", &certificate);
    lab.write("me.key", &key);
    let data = |text: &str| {
        let encoded = serde_json::to_value(k8s_openapi::ByteString(text.as_bytes().to_vec())).unwrap();
        encoded.as_str().unwrap().to_owned()
    };
    let status = serde_json::json!({ "clientCertificateData": certificate, "clientKeyData": key }).to_string();
    lab.write("credentials", prints(&status).trim_start_matches("echo '").trim_end_matches('\''));
    lab.plugin("login", "cat credentials");
    let users = [
        "{ client-certificate: me.crt, client-key: me.key }".to_owned(),
        format!("{{ client-certificate-data: {}, client-key-data: {} }}", data(&certificate), data(&key)),
        Lab::exec("./login", "interactiveMode: Never"),
    ];
    for user in users {
        lab.write("config", Lab::text(&lab.cluster(), &user, ""));
        let asked = lab.ask("config", &[]);
        same(&user, &asked, &[]);
        assert!(asked.iter().all(|said| said.stdout.contains("alice")), "{}\n{}", asked[0], asked[1]);
    }
    assert_eq!(lab.runs("login"), 2, "kubectl and ours");
    // A key of an older openssl has its parameters before it.
    lab.write("me.key", format!("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{key}"));
    lab.write("config", Lab::text(&lab.cluster(), "{ client-certificate: me.crt, client-key: me.key }", ""));
    same("parameters", &lab.ask("config", &[]), &[]);
    let swapped = "{ client-certificate: me.key, client-key: me.crt }";
    lab.write("config", Lab::text(&lab.cluster(), swapped, ""));
    same(swapped, &lab.ask("config", &[]), &["client-certificate of user \"me\": no certificate in it"]);
}
