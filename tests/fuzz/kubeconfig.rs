//! Random kubeconfigs, and tokens and certificates in them. No plugin runs and no connection is made: both wait for the
//! first request.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use cmp_client::connect::{Options, connect, names};
use cmp_tests::process::Folder;
use rcgen::{CertificateParams, KeyPair};

use crate::texts;

const SECRET: &str = "hunter2";

const SOUND: &str = "apiVersion: v1
kind: Config
current-context: c
contexts:
- { name: c, context: { cluster: k, user: t, namespace: default } }
- { name: d, context: { cluster: k, user: f } }
- { name: e, context: {} }
clusters:
- name: k
  cluster:
    server: https://localhost:6443/a
    certificate-authority: ca.crt
    tls-server-name: localhost
    proxy-url: http://localhost:1
    extensions: [{ name: client.authentication.k8s.io/exec, extension: { a: b } }]
users:
- { name: f, user: { tokenFile: token } }
- name: p
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: ./login
      args: [a]
      env: [{ name: A, value: b }]
      interactiveMode: IfAvailable
      provideClusterInfo: true
- { name: o, user: { auth-provider: { name: oidc, config: { id-token: a.b.c } } } }
- { name: i, user: { username: u, password: w, as: a, as-groups: [b], as-user-extra: { c: [d] } } }
- { name: t, user: { token: hunter2 } }
";

const WORDS: [&str; 40] = [
    "\n",
    "  ",
    "- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "\"",
    "|\n",
    "&a ",
    "*a",
    "---\n",
    "null",
    "true",
    "0",
    "é",
    "\t",
    "\r",
    "\u{0}",
    "\u{feff}",
    "name",
    "user",
    "cluster",
    "context",
    "token",
    "tokenFile",
    "ca.crt",
    "client-certificate",
    "client-key-data",
    "certificate-authority-data",
    "insecure-skip-tls-verify",
    "YQ==",
    "http://",
    "https://",
    "://",
    "[::1]:99999",
    "@",
    "%",
];

#[test]
fn kubeconfigs() {
    // Another test may have installed it.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let folder = Folder::new();
    let at = |name: &str| folder.path().join(name);
    let key = KeyPair::generate().unwrap();
    fs::write(at("ca.crt"), CertificateParams::default().self_signed(&key).unwrap().pem()).unwrap();
    fs::write(at("token"), "from a file\n").unwrap();
    let options = |context: Option<&str>, user: Option<&str>| Options {
        kubeconfig: Some(at("config")),
        context: context.map(str::to_owned),
        user: user.map(str::to_owned),
        ..Options::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let connects = |options: &Options| {
        runtime.block_on(async {
            let connected = connect(options, "fuzz").await;
            // The debug form, too: it is what a careless caller would log.
            connected.map(|connection| connection.server).map_err(|error| format!("{error} {error:?}"))
        })
    };
    fs::write(at("config"), SOUND).unwrap();
    for user in ["t", "f", "p", "o", "i"] {
        assert_eq!(connects(&options(Some("c"), Some(user))).as_deref(), Ok("https://localhost:6443/a"), "{user}");
    }
    let (inputs, good) = (AtomicU64::new(0), AtomicU64::new(0));
    bolero::check!().with_max_len(64).for_each(|bytes: &[u8]| {
        inputs.fetch_add(1, Ordering::Relaxed);
        let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain(bytes.iter().copied()).collect();
        let written = texts(bytes, &WORDS, SOUND).map(String::into_bytes).into_iter().chain([bytes.to_vec(), wide]);
        for text in written {
            fs::write(at("config"), &text).unwrap();
            let read = names(&options(None, None));
            // One user for each text: a new client reads the certificates of the system, which takes a millisecond.
            let users = [None, Some("f"), Some("p"), Some("o"), Some("i")];
            let user = users[text.len() % users.len()];
            match connects(&options(None, user)) {
                Ok(server) => {
                    assert!(read.is_ok() && server.contains("://"), "{server}");
                    good.fetch_add(1, Ordering::Relaxed);
                }
                // The token is the last text of the file, so that an edit does not move it into an address.
                Err(error) => assert!(!error.contains(SECRET), "{error}\n{}", String::from_utf8_lossy(&text)),
            }
        }
        // Tokens and certificates are foreign text, too.
        fs::write(at("config"), SOUND).unwrap();
        let files = [("token", "d", "f"), ("ca.crt", "c", "t")];
        let (name, context, user) = files[bytes.len() % files.len()];
        let sound = fs::read(at(name)).unwrap();
        fs::write(at(name), bytes).unwrap();
        let _connected = connects(&options(Some(context), Some(user)));
        fs::write(at(name), sound).unwrap();
    });
    println!("{} inputs, {} connections", inputs.into_inner(), good.into_inner());
}
