//! Random bytes as input for all readers of foreign text.
//!
//! The tests use bolero, because its targets are plain tests on stable Rust. `cargo test` plays the corpus beside them
//! (`__fuzz__`), and then random inputs for a second each. `BOLERO_RANDOM_TEST_TIME_MS` sets a longer time. cargo-fuzz
//! needs a nightly compiler for each run, and `cargo test` would not know its targets.
//!
//! The first check refuses purely random bytes. To get further, the tests try each input in three ways. They use the
//! text as it is, spelled in words of its format, and as edits of a sound text.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use cmp_core::account::{Account, Want};
use cmp_core::footprint::{Rule, footprint};
use cmp_core::name::{ClusterName, InstanceName, UserName};
use cmp_core::quantity::Quantity;
use cmp_core::resources::Resources;
use cmp_core::template::Template;
use cmp_core::verdict::{available, judge, judge_again};
use cmp_core::{keys, name};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Volume;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tower::ServiceExt;

mod drafts;
mod kubeconfig;
mod work;

/// Returns the texts that an input stands for.
fn texts(bytes: &[u8], words: &[&str], sound: &str) -> [String; 3] {
    let plain = String::from_utf8_lossy(bytes).into_owned();
    let spelled = bytes.iter().map(|byte| words[usize::from(*byte) % words.len()]).collect();
    [plain, spelled, edited(bytes, words, sound)]
}

/// Returns a sound text with some places overwritten by words or bytes, or cut out.
fn edited(bytes: &[u8], words: &[&str], sound: &str) -> String {
    let mut text = sound.as_bytes().to_vec();
    for edit in bytes.chunks_exact(4).take(8) {
        let at = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % (text.len() + 1);
        let word = words[usize::from(edit[3]) % words.len()].as_bytes();
        let end = |length: usize| (at + length).min(text.len());
        let (until, with): (usize, &[u8]) = match edit[2] % 4 {
            0 => (at, word),
            1 => (end(word.len()), word),
            2 => (end(usize::from(edit[3] % 32)), b""),
            _ => (end(1), &edit[3..]),
        };
        text.splice(at..until, with.iter().copied());
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn quantities() {
    let words = [
        "0",
        "1",
        "9",
        "5",
        "1024",
        "1000",
        "000000000",
        "9223372036854775807",
        ".",
        "-",
        "+",
        "e",
        "E",
        "n",
        "u",
        "m",
        "k",
        "M",
        "G",
        "P",
        "Ki",
        "Mi",
        "Gi",
        "Ti",
        "Ei",
        " ",
        "٣",
    ];
    let inputs = AtomicU64::new(0);
    bolero::check!().with_max_len(48).for_each(|bytes: &[u8]| {
        inputs.fetch_add(1, Ordering::Relaxed);
        let mut read: Vec<Quantity> = Vec::new();
        for text in texts(bytes, &words, "1.5Gi").iter().flat_map(|text| text.split(' ')) {
            let Ok(quantity) = text.parse::<Quantity>() else { continue };
            let printed = quantity.to_string();
            assert_eq!(printed.parse(), Ok(quantity), "{text:?} prints as {printed:?}");
            assert_eq!(printed.parse::<Quantity>().unwrap().to_string(), printed, "{text:?} settles");
            assert_eq!(serde_json::from_value::<Quantity>(json!(printed)).unwrap(), quantity);
            assert!(quantity.nanos().abs() <= i128::from(i64::MAX) * 1_000_000_000, "{text:?}");
            assert!(!quantity.decimal().is_empty() && !quantity.gibibytes().is_empty());
            read.push(quantity);
        }
        for (a, b) in read.iter().zip(read.iter().skip(1)) {
            assert_eq!(a.cmp(b), a.nanos().cmp(&b.nanos()));
            let sum = a.checked_add(*b).unwrap();
            assert_eq!((sum.nanos(), Some(sum)), (a.nanos() + b.nanos(), b.checked_add(*a)));
            assert_eq!(sum.checked_sub(*b), Some(*a));
            // A sum may be too large to be read again, but it is never read as another value.
            assert!(
                sum.to_string().parse().is_ok_and(|read: Quantity| read == sum)
                    || sum.to_string().parse::<Quantity>().is_err()
            );
            let times = bytes.len() as u32 * 0x0101_0101;
            let product = a.checked_mul(times).unwrap();
            assert_eq!(product.nanos(), a.nanos() * i128::from(times));
        }
    });
    println!("{} inputs", inputs.into_inner());
}

#[test]
fn names_of_everything() {
    let words =
        ["a", "web", "0", "1", "9", "10", "999", "-", "-ns", "/", ".", "A", "ä", "cluster", "default", "\u{0}", " "];
    let inputs = AtomicU64::new(0);
    bolero::check!().with_max_len(48).for_each(|bytes: &[u8]| {
        inputs.fetch_add(1, Ordering::Relaxed);
        for text in texts(bytes, &words, "web-0") {
            let ascii = || text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
            if let Ok(user) = text.parse::<UserName>() {
                assert!(ascii() && text.len() <= 63 && user.as_str() == text);
                assert_eq!(UserName::from_username(&user.username()), Some(user));
            }
            if let Ok(cluster) = text.parse::<ClusterName>() {
                assert!(ascii() && text.len() <= 40 && cluster.as_str() == text);
                assert_eq!(ClusterName::from_namespace(&cluster.namespace()), Some(cluster.clone()));
                let last = cluster.instance(name::MAX_COUNT - 1);
                assert_eq!(last.to_string().parse(), Ok(last));
            }
            if let Ok(instance) = text.parse::<InstanceName>() {
                // Each instance has one spelling, apart from the slash that people may type.
                assert_eq!(instance.to_string(), text.replacen('/', "-", 1));
                assert!(instance.index < name::MAX_COUNT);
            }
        }
    });
    println!("{} inputs", inputs.into_inner());
}

#[test]
fn resource_lists() {
    let words = [
        "cpu",
        "memory",
        "storage",
        "nvidia.com/gpu",
        "a.b/c",
        "=",
        ",",
        "1",
        "2",
        "500m",
        "4Gi",
        "1e3",
        "0",
        "-1",
        "9E",
    ];
    let inputs = AtomicU64::new(0);
    bolero::check!().with_max_len(64).for_each(|bytes: &[u8]| {
        inputs.fetch_add(1, Ordering::Relaxed);
        for text in texts(bytes, &words, "cpu=500m,memory=4Gi,nvidia.com/gpu=1") {
            if let Some(list) = Resources::from_list(&text) {
                // No part of the text is left out: each has become one resource.
                let parts = if text.is_empty() { 0 } else { text.split(',').count() };
                assert_eq!(list.names().count(), parts, "{text:?}");
                check_resources(&list);
            }
            if let Ok(map) = serde_json::from_str::<Resources>(&text) {
                check_resources(&map);
            }
        }
    });
    println!("{} inputs", inputs.into_inner());
}

fn check_resources(list: &Resources) {
    assert_eq!(Resources::from_list(&list.to_string()).as_ref(), Some(list));
    let json = serde_json::to_string(list).unwrap();
    assert_eq!(&serde_json::from_str::<Resources>(&json).unwrap(), list);
    assert!(list.fits(list) && list.max(list) == *list);
    if let (Some(twice), Some(product)) = (list.checked_add(list), list.checked_mul(2)) {
        assert_eq!(twice, product);
    }
}

const WORDS: [&str; 32] = [
    "{",
    "}",
    "\"",
    ":",
    ",",
    "\\\"",
    "null",
    "true",
    "0",
    "1",
    "-1",
    "4294967296",
    "1e3",
    "cpu",
    "memory",
    "storage",
    "quota",
    "policy",
    "want.",
    "held.",
    "delete.",
    "refused.",
    "settled",
    "web",
    "count",
    "size",
    "released",
    "state",
    "deleting",
    "ready",
    "vm",
    "9E",
];

fn user() -> UserName {
    "john".parse().unwrap()
}

fn sound() -> BTreeMap<String, String> {
    let rows = [
        ("quota", r#"{"cpu":"16","memory":"64Gi"}"#),
        ("policy", r#"{"suspended":"release","clusters":3,"instances":9}"#),
        ("settled", "u"),
        ("want.web", r#"{"type":"container","count":3,"size":{"cpu":"2","memory":"4Gi"}}"#),
        ("held.web", r#"{"uid":"n","type":"container","count":3,"size":{"cpu":"2","memory":"4Gi"},"state":"ready"}"#),
        ("delete.web", "n"),
        ("want.db", r#"{"type":"container","count":1,"size":{"cpu":"1","memory":"1Gi"},"released":true}"#),
        ("refused.db", r#"{"reason":"taken","at":"2026-11-23T20:00:00Z"}"#),
        (
            "want.night",
            r#"{"type":"container","count":1,"size":{"cpu":"1","memory":"1Gi"},"schedule":{"suspend":"0 19 * * 1-5","alsoSuspend":["0 16 * * 0","0 3 1 1 *"],"resume":"30 8 29 2 *","alsoResume":["0 10 * * 0"],"timeZone":"Europe/Berlin","since":"2026-11-23T20:00:00Z","skipUntil":"2026-11-24T20:00:00Z","once":{"resume":"2026-11-24T20:00:00Z"}}}"#,
        ),
        (
            "scheduled.night",
            r#"{"turn":"suspend","cause":"schedule","due":"2026-11-23T20:00:00Z","at":"2026-11-23T20:00:01Z","changed":1,"failed":1,"skipped":0,"tries":1,"left":[3],"reason":"no"}"#,
        ),
    ];
    rows.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

#[test]
fn accounts() {
    let json = serde_json::to_string(&sound()).unwrap();
    let before = Account::read(user(), "u", &sound()).unwrap();
    let inputs = AtomicU64::new(0);
    bolero::check!().with_max_len(64).for_each(|bytes: &[u8]| {
        inputs.fetch_add(1, Ordering::Relaxed);
        for text in texts(bytes, &WORDS, &json) {
            let Ok(data) = serde_json::from_str::<BTreeMap<String, String>>(&text) else { continue };
            let (readable, damaged) = Account::read_what_can_be(user(), "u", &data);
            assert_eq!(readable.changed(&damaged, changes(&data, &sound())).as_ref(), Ok(&before));
            let after = before.changed(&[], changes(&sound(), &data));
            assert_eq!(after.ok(), Account::read(user(), "u", &data).ok(), "what changes is read as all of it is");
            for entry in readable.clusters.values() {
                // Every stored schedule has a defined result.
                if let Some(schedule) = entry.schedule() {
                    let _due = [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX]
                        .map(|now| schedule.due(entry.scheduled.as_ref(), now));
                }
                assert_eq!(entry.charge(), entry.charged().charge());
            }
            match Account::read(user(), "u", &data) {
                Ok(account) => {
                    assert!(damaged.is_empty() && readable == account);
                    assert_eq!(Account::read(user(), "u", &account.data()).as_ref(), Ok(&account));
                    nothing_is_lost(&data, &account);
                    // Each of these calls returns an answer, whatever it is.
                    let _verdicts =
                        (judge(None, &account), judge(Some(&before), &account), judge(Some(&account), &before));
                    assert_eq!(judge(Some(&account), &account), Ok(()), "what changes nothing is never refused");
                    account.clusters.keys().for_each(|cluster| drop(judge_again(&account, cluster)));
                    let _left = available(&account);
                }
                Err(error) => {
                    assert!(damaged.contains(&error), "{error}");
                    assert!(data.contains_key(&error.key) || error.key == "quota", "{error}");
                    if let Some(change) = readable.mend(&damaged, Timestamp::UNIX_EPOCH) {
                        let mut mended = data.clone();
                        for (key, value) in change.entries() {
                            match value {
                                Some(value) => mended.insert(key.to_owned(), value.to_owned()),
                                None => mended.remove(key),
                            };
                        }
                        assert!(Account::read(user(), "u", &mended).is_ok(), "{mended:?}");
                    }
                }
            }
        }
    });
    println!("{} inputs", inputs.into_inner());
}

/// Returns the keys that differ, with their values in `new`.
fn changes<'a>(
    old: &'a BTreeMap<String, String>,
    new: &'a BTreeMap<String, String>,
) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
    let set = new.iter().filter(|(key, text)| old.get(*key) != Some(text));
    let gone = old.keys().filter(|key| !new.contains_key(*key));
    set.map(|(key, text)| (key.as_str(), Some(text.as_str()))).chain(gone.map(|key| (key.as_str(), None)))
}

/// Asserts that each entry of the data is in the account.
fn nothing_is_lost(data: &BTreeMap<String, String>, account: &Account) {
    for key in data.keys() {
        let Some((kind, cluster)) = key.split_once('.') else { continue };
        let entry = || account.cluster(&cluster.parse().unwrap());
        let there = match kind {
            "want" => entry().want.is_some(),
            "held" => entry().held.is_some(),
            "delete" => entry().delete.is_some(),
            "refused" => entry().refused.is_some(),
            "scheduled" => entry().scheduled.is_some(),
            _ => true,
        };
        assert!(there, "{key} is lost");
    }
}

fn review() -> Value {
    let labels = json!({ (keys::ACCOUNT): "true" });
    let map = |data: BTreeMap<String, String>| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": data,
            "metadata": { "name": "john", "namespace": "cmp-users", "uid": "u", "labels": labels },
        })
    };
    let mut old = sound();
    old.remove("want.web");
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "question-1", "operation": "UPDATE", "name": "john", "namespace": "cmp-users",
            "kind": { "group": "", "version": "v1", "kind": "ConfigMap" },
            "resource": { "group": "", "version": "v1", "resource": "configmaps" },
            "userInfo": { "username": "system:serviceaccount:cmp-users:john" },
            "object": map(sound()), "oldObject": map(old), "dryRun": false,
        },
    })
}

/// Returns the answer of the handler to a body.
fn ask(body: String) -> (StatusCode, Value) {
    ask_at(keys::ACCOUNT_PATH, body)
}

fn ask_at(path: &str, body: String) -> (StatusCode, Value) {
    static HANDLER: OnceLock<(Runtime, Router)> = OnceLock::new();
    let (runtime, router) = HANDLER.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        (runtime, cmp_webhook::admission::router(&Arc::default()))
    });
    runtime.block_on(async {
        let request = Request::post(path).body(Body::from(body)).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 22).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    })
}

#[test]
fn admission_reviews() {
    let sound = review().to_string();
    let (status, answer) = ask(sound.clone());
    assert_eq!((status, &answer["response"]["uid"]), (StatusCode::OK, &json!("question-1")), "{answer}");
    let inputs = AtomicU64::new(0);
    bolero::check!().with_max_len(64).for_each(|bytes: &[u8]| {
        inputs.fetch_add(1, Ordering::Relaxed);
        for text in texts(bytes, &WORDS, &sound) {
            let uid = serde_json::from_str(&text)
                .ok()
                .and_then(|review: Value| review["request"]["uid"].as_str().map(str::to_owned));
            let (status, answer) = ask(text.clone());
            let Some(uid) = uid else {
                assert_eq!(status, StatusCode::BAD_REQUEST, "{text}");
                continue;
            };
            // An answer repeats the uid of the request. The handler allows only readable objects.
            if status == StatusCode::BAD_REQUEST {
                assert!(serde_json::from_str::<Value>(&text).is_err() || answer.is_null(), "{text}");
                continue;
            }
            assert_eq!((status, answer["response"]["uid"].as_str()), (StatusCode::OK, Some(uid.as_str())), "{text}");
            let allowed = answer["response"]["allowed"].as_bool().expect("an answer is yes or no");
            assert!(
                allowed || answer["response"]["status"]["code"].as_u64().is_some_and(|code| code >= 400),
                "{answer}"
            );
            assert!(!allowed || is_sound(&text), "allowed: {text}");
        }
    });
    println!("{} inputs", inputs.into_inner());
    // A body above the limit is not read.
    let large = format!("{sound}{}", " ".repeat(cmp_webhook::limits::LARGEST));
    assert_eq!(ask(large).0, StatusCode::PAYLOAD_TOO_LARGE);
}

/// Reports whether a review would store a readable account, or no account at all.
fn is_sound(review: &str) -> bool {
    let review: Value = serde_json::from_str(review).unwrap();
    let object = &review["request"]["object"];
    if object.is_null() || object["metadata"]["labels"][keys::ACCOUNT] != "true" {
        return true;
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default().parse::<UserName>();
    let data = serde_json::from_value::<Option<BTreeMap<String, String>>>(object["data"].clone());
    let (Ok(name), Ok(data)) = (name, data) else { return false };
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
    Account::read(name, uid, &data.unwrap_or_default()).is_ok()
}

const POD: &str = "apiVersion: v1
kind: Pod
metadata: { labels: { a: b }, annotations: { c: d } }
spec:
  priorityClassName: batch
  tolerations: [{ key: gpu, operator: Exists }]
  initContainers:
  - { name: first, image: x }
  - { name: side, image: x, restartPolicy: Always, resources: { limits: { cpu: 100m, memory: 64Mi } } }
  containers:
  - name: main
    image: nginx
    ports: [{ containerPort: 80 }]
    env: [{ name: A, value: b }]
  - name: log
    image: x
    resources: { requests: { cpu: 50m }, limits: { cpu: 100m, memory: 64Mi } }
  volumes: [{ name: v, emptyDir: {} }]
";

const POD_WORDS: [&str; 32] = [
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
    "&a ",
    "*a",
    "<<: ",
    "null",
    "true",
    "0",
    "-1",
    "100m",
    "9Ei",
    "spec",
    "containers",
    "initContainers",
    "resources",
    "limits",
    "cpu",
    "memory",
    "hostPath",
    "hostNetwork",
    "privileged",
    "securityContext",
    "tolerations",
    "kind",
];

const MACHINE: &str = "apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata: { labels: { a: b } }
spec:
  running: true
  template:
    metadata: { annotations: { c: d } }
    spec:
      domain:
        cpu: { cores: 2, model: host-model }
        memory: { guest: 4Gi }
        devices:
          disks: [{ name: root, disk: { bus: virtio } }]
          interfaces: [{ name: default, masquerade: {} }]
      networks: [{ name: default, pod: {} }]
      tolerations: [{ key: kvm, operator: Exists }]
      volumes: [{ name: root, containerDisk: { image: x } }]
";

/// cmp-webhook allows only templates whose Pod or machine keeps to its size, whatever size that is.
#[test]
fn templates() {
    let review = |text: &str| {
        let metadata = json!({ "name": "x", "namespace": "cmp-templates", "labels": { (keys::TEMPLATE): "true" } });
        let object = json!({ "metadata": metadata, "data": { "template": text } });
        let request = json!({ "uid": "question-1", "userInfo": { "username": "admin" }, "object": object });
        json!({ "request": request }).to_string()
    };
    let allows = |text: &str| {
        let (status, answer) = ask_at(keys::TEMPLATE_PATH, review(text));
        assert_eq!((status, &answer["response"]["uid"]), (StatusCode::OK, &json!("question-1")), "{text}");
        answer["response"]["allowed"].as_bool().expect("an answer is yes or no")
    };
    assert!(allows(POD) && allows(MACHINE));
    let (inputs, good) = (AtomicU64::new(0), AtomicU64::new(0));
    bolero::check!().with_max_len(64).for_each(|bytes: &[u8]| {
        inputs.fetch_add(1, Ordering::Relaxed);
        for text in texts(bytes, &POD_WORDS, POD).into_iter().chain([edited(bytes, &POD_WORDS, MACHINE)]) {
            if !allows(&text) {
                continue;
            }
            good.fetch_add(1, Ordering::Relaxed);
            let (template, _) = Template::read(&serde_saphyr::from_str(&text).unwrap()).unwrap();
            for asked in ["cpu=150m,memory=100Mi", "cpu=2,memory=4Gi"] {
                let size = Resources::from_list(asked).unwrap();
                let Ok(made) = template.blueprint(&Want::new(template.kind(), 1, size.clone())) else { continue };
                let instance = "web-0".parse().unwrap();
                if let Some(machine) = made.virtual_machine(&instance) {
                    let spec = &machine["spec"]["template"]["spec"];
                    assert_eq!(spec["domain"]["memory"]["guest"], json!(size.memory().to_string()), "{text}");
                    assert!(!spec["volumes"].to_string().contains("\"hostDisk\":{"), "{text}");
                    continue;
                }
                let pod = made.stateful_set(&instance).unwrap().spec.unwrap().template.spec.unwrap();
                assert_eq!(footprint(&pod, Rule::Limits), Some(size), "{text}");
                assert!(pod.host_network != Some(true) && pod.host_pid != Some(true), "{text}");
                let of_node = |volume: &Volume| volume.host_path.is_some();
                assert!(!pod.volumes.iter().flatten().any(of_node), "{text}");
            }
        }
    });
    println!("{} inputs, {} templates", inputs.into_inner(), good.into_inner());
}
