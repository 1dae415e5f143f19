//! A lost or damaged account. The controllers adopt the held amounts from the existing objects, and nothing stops
//! running. Until then nothing of that user grows.

use cmp_tests::{Installation, Output, World, eventually};
use serde_json::{Value, json};

use crate::support::{SOON, held, holds, want};

const WEBHOOK: &str = "system:serviceaccount:cmp-system:cmp-webhook";
const HOLD: &str = "hold-the-controllers";

/// Runs a write that the policy of accounts forbids, while that policy has no binding.
fn unguarded(installation: &Installation, work: impl Fn() -> Output) {
    let policy = "cmp-accounts";
    let plane = &installation.plane;
    let binding = plane.admin(&["get", "validatingadmissionpolicybinding", policy, "-o", "json"]).ok().json();
    plane.admin(&["delete", "validatingadmissionpolicybinding", policy]).ok();
    eventually("the policy is taken away", SOON, || {
        let done = work();
        if done.code == 0 { Ok(()) } else { Err(done.to_string()) }
    });
    let again = json!({ "apiVersion": binding["apiVersion"], "kind": binding["kind"], "spec": binding["spec"],
        "metadata": { "name": policy, "labels": binding["metadata"]["labels"] } });
    plane.admin_reading(&["create", "-f", "-"], &again.to_string()).ok();
}

/// Keeps the controllers from writing accounts, so that the test can look at the account before it is rebuilt.
pub(crate) fn hold(installation: &Installation, some: &str) {
    let kind = |kind: &str, spec: Value| json!({ "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": { "name": HOLD }, "spec": spec });
    let rules =
        json!([{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["configmaps"] }]);
    let policy = kind(
        "ValidatingAdmissionPolicy",
        json!({ "matchConstraints": { "resourceRules": rules }, "validations": [
            { "expression": format!("request.userInfo.username != '{WEBHOOK}'"), "message": "not now" }] }),
    );
    let binding =
        kind("ValidatingAdmissionPolicyBinding", json!({ "policyName": HOLD, "validationActions": ["Deny"] }));
    let plane = &installation.plane;
    for object in [policy, binding] {
        plane.admin_reading(&["create", "-f", "-"], &object.to_string()).ok();
    }
    let patch = json!({ "data": { "refused.nobody": "" } }).to_string();
    let write = ["patch", "configmap", some, "-n", "cmp-users", "--type=merge", "-p", &patch];
    let write = [write.as_slice(), &["--dry-run=server", "--as", WEBHOOK]].concat();
    eventually("the controllers cannot write", SOON, || {
        let tried = plane.admin(&write);
        if tried.stderr.contains("not now") { Ok(()) } else { Err(tried.to_string()) }
    });
}

pub(crate) fn let_go(installation: &Installation) {
    installation.plane.admin(&["delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", HOLD]).ok();
}

/// Returns the uids of Pods, which stay the same while nothing is restarted.
fn pods(user: &World<'_>, clusters: &[&str]) -> Vec<String> {
    let uids = "jsonpath={range .items[*]}{.metadata.name} {.metadata.uid}\n{end}";
    let listed = |cluster: &&str| user.admin(&["get", "pods", "-n", &format!("{cluster}-ns"), "-o", uids]).ok().stdout;
    let mut all: Vec<String> = clusters.iter().map(listed).collect::<String>().lines().map(str::to_owned).collect();
    all.sort();
    all
}

fn shape(account: &Value, cluster: &str) -> Option<(Value, Value, Value)> {
    let held = held(account, cluster)?;
    Some((held["uid"].clone(), held["count"].clone(), held["size"].clone()))
}

#[test]
fn a_lost_or_damaged_account_is_rebuilt_while_instances_run() {
    let _beside = crate::beside();
    let installation = Installation::start(2, "3s");
    let (john, mary) = (installation.user_named("john", "8", "64Gi"), installation.user_named("mary", "64", "64Gi"));
    john.running("web", 2, "1", "1Gi");
    john.running("big", 3, "1", "1Gi");
    mary.running("shop", 1, "1", "1Gi");
    // The account holds more than it wants: the cluster has to give back, and its instances stay.
    john.patch(&json!({ "want.big": want(1, "1", "1Gi") })).ok();
    eventually("it is giving back", SOON, || {
        let asked = john.admin(&["get", "namespace", "big-ns", "-o", "json"]).ok().json();
        let annotations = &asked["metadata"]["annotations"];
        if annotations["kubectl-cmp.dev/count"] == "1" { Ok(()) } else { Err(annotations.to_string()) }
    });
    let clusters = ["web", "big"];
    let (before, running) = (john.account(), pods(&john, &clusters));
    assert_eq!(running.len(), 5);
    let rebuilt = |what: &str| {
        john.account_is(what, |account| {
            clusters.iter().all(|cluster| shape(account, cluster) == shape(&before, cluster))
        });
        assert_eq!(pods(&john, &clusters), running, "{what}: nothing stopped");
    };
    let grow = |user: &World<'_>, cluster: &str, count: u32| {
        user.patch(&json!({ format!("want.{cluster}"): want(count, "1", "1Gi") }))
    };

    // The account is lost, and the administrator creates it again.
    hold(&installation, "mary");
    unguarded(&installation, || john.admin(&["delete", "configmap", "john", "-n", "cmp-users"]));
    john.admin(&["cmp", "create", "user", "john", "--cpu", "8", "--memory", "64Gi"]).ok();
    grow(&john, "web", 3).fails().says("not settled yet");
    grow(&john, "new", 1).fails().says("not settled yet");
    grow(&mary, "shop", 2).ok();
    assert_eq!(pods(&john, &clusters), running, "nothing stops while nobody knows of it");
    let_go(&installation);
    rebuilt("what was lost is adopted");
    mary.account_is("others grow", |account| holds(account, "shop", 2));
    grow(&john, "web", 3).ok();
    john.account_is("it grows again", |account| holds(account, "web", 3));
    grow(&john, "web", 2).ok();
    john.account_is("and shrinks", |account| holds(account, "web", 2));

    // The account is damaged.
    hold(&installation, "mary");
    let damage = json!({ "data": { "held.web": "{\"uid\":" } }).to_string();
    let damage = ["patch", "configmap", "john", "-n", "cmp-users", "--type=merge", "-p", &damage];
    unguarded(&installation, || john.admin(&damage));
    grow(&john, "web", 3).fails().says("held.web");
    grow(&john, "new", 1).fails().says("held.web");
    grow(&mary, "shop", 3).ok();
    assert_eq!(pods(&john, &clusters), running, "nothing stops while it cannot be read");
    let_go(&installation);
    rebuilt("what was damaged is rebuilt");
    mary.account_is("others grow", |account| holds(account, "shop", 3));

    // The surplus is given back when its instances are gone, as always.
    john.kubectl(&["delete", "statefulset", "big-1", "big-2", "-n", "big-ns"]).ok();
    john.account_is("it is given back", |account| holds(account, "big", 1));
    john.cmp(&["delete", "cluster", "web", "big", "--yes", "--wait"]).ok();
    assert!(held(&john.account(), "web").is_none());
}
