//! API Priority and Fairness: the level that serves each request, and requests that the API server puts off.

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use cmp_tests::shell::kubectl;
use cmp_tests::{ControlPlane, Output, World, eventually};
use serde_json::json;

use crate::support::{SOON, shared};

/// The header with the uid of the flow schema that chose the level of a request.
const HEADER: &str = "X-Kubernetes-Pf-Flowschema-Uid";

fn uid(plane: &ControlPlane, schema: &str) -> String {
    plane.admin(&["get", "flowschema", schema, "-o", "jsonpath={.metadata.uid}"]).ok().stdout
}

/// Asserts that each response of a command names this flow schema.
#[track_caller]
fn came_by(plane: &ControlPlane, schema: &str, said: &Output) {
    let uid = uid(plane, schema);
    let named: Vec<&str> = said.stderr.lines().filter(|line| line.contains(HEADER)).collect();
    assert!(!named.is_empty() && named.iter().all(|line| line.contains(&uid)), "{schema} {uid}: {named:?}\n{said}");
}

#[test]
fn users_accounts_and_cmp_webhook_have_levels_of_their_own() {
    let installation = shared();
    let plane = &installation.plane;
    let user = installation.user("4", "8Gi");
    let namespace = ["-n", "cmp-users", "-v=8"];
    let reads = |world: &World<'_>, what: &[&str]| world.kubectl(&[what, &namespace].concat());
    came_by(plane, "cmp-users", &reads(&user, &["get", "configmap", &user.name]));
    let patch = json!({ "data": { "want.web": "three" } }).to_string();
    let refused = reads(&user, &["patch", "configmap", &user.name, "--type=merge", "-p", &patch]).fails();
    // kubectl reads the object before it patches it.
    let last = refused.stderr.lines().rfind(|line| line.contains(HEADER)).unwrap_or_default().to_owned();
    assert!(last.contains(&uid(plane, "cmp-accounts")), "{last}\n{refused}");

    // A request as another user, and one of a ServiceAccount of somebody else.
    let token = |namespace: &str, name: &str| plane.admin(&["create", "token", name, "-n", namespace]).ok().stdout;
    let by = |name: &str, token: &str| {
        kubectl(&plane.kubeconfig_for(name, token.trim()), &["get", "--raw", "/version", "-v=8"])
    };
    came_by(plane, "cmp-webhook", &by("flow-webhook", &token("cmp-system", "cmp-webhook")));
    came_by(plane, "service-accounts", &by("flow-other", &token("default", "default")));
}

/// A level with one seat for a user and somebody else, who occupies it.
struct Occupied<'a> {
    plane: &'a ControlPlane,
    name: String,
    over: AtomicBool,
    /// A webhook that never answers.
    _webhook: TcpListener,
}

impl<'a> Occupied<'a> {
    fn new(plane: &'a ControlPlane, user: &World<'_>, name: &str) -> Self {
        let name = format!("{name}-{}", user.name);
        let api = "flowcontrol.apiserver.k8s.io/v1";
        // A level without a share serves one request at a time.
        let level = json!({ "apiVersion": api, "kind": "PriorityLevelConfiguration", "metadata": { "name": name },
            "spec": { "type": "Limited", "limited": { "nominalConcurrencyShares": 0, "lendablePercent": 0,
                "borrowingLimitPercent": 0, "limitResponse": { "type": "Reject" } } } });
        let subjects = json!([
            { "kind": "ServiceAccount", "serviceAccount": { "namespace": "cmp-users", "name": user.name } },
            { "kind": "User", "user": { "name": name } },
        ]);
        let schema = json!({ "apiVersion": api, "kind": "FlowSchema", "metadata": { "name": name }, "spec": {
            "priorityLevelConfiguration": { "name": name }, "matchingPrecedence": 100, "rules": [{
                "subjects": subjects,
                "resourceRules": [{ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": true, "namespaces": ["*"] }],
                "nonResourceRules": [{ "verbs": ["*"], "nonResourceURLs": ["*"] }] }] } });
        let webhook = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", webhook.local_addr().unwrap());
        let configuration = json!({ "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": { "name": name }, "webhooks": [{ "name": format!("{name}.example.com"), "clientConfig": { "url": url },
                "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Ignore", "timeoutSeconds": 30,
                "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"] }],
                "matchConditions": [{ "name": "ours", "expression": format!("object.metadata.name == '{name}'") }] }] });
        for object in [level, schema, configuration] {
            plane.admin_reading(&["create", "-f", "-"], &object.to_string()).ok();
        }
        let binding = ["create", "clusterrolebinding", &name, "--clusterrole=cluster-admin", "--user", &name];
        plane.admin(&binding).ok();
        Self { plane, name, over: AtomicBool::new(false), _webhook: webhook }
    }

    /// Occupies the seat until the end: each request waits 30 seconds for the webhook.
    fn occupy(&self) {
        while !self.over.load(Ordering::Relaxed) {
            let create = ["create", "configmap", &self.name, "-n", "default", "--dry-run=server", "--as", &self.name];
            self.plane.admin(&create);
        }
    }

    /// Waits until the API server puts the user off.
    fn puts_off(&self, user: &World<'_>) {
        eventually("the API server puts the user off", SOON, || {
            let tried = user.kubectl(&["get", "--raw", "/version", "--request-timeout=500ms"]);
            if rejected(self.plane, &self.name) > 0 && tried.code != 0 { Ok(()) } else { Err(tried.to_string()) }
        });
    }

    fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
        let kinds = "flowschema,prioritylevelconfiguration,validatingwebhookconfiguration,clusterrolebinding";
        self.plane.admin(&["delete", kinds, &self.name]).ok();
    }
}

fn rejected(plane: &ControlPlane, schema: &str) -> u64 {
    plane.counter("apiserver_flowcontrol_rejected_requests_total", schema)
}

#[test]
fn a_request_that_is_put_off_is_sent_again() {
    let installation = shared();
    let plane = &installation.plane;
    let user = installation.user("4", "8Gi");
    let occupied = Occupied::new(plane, &user, "busy");
    thread::scope(|scope| {
        scope.spawn(|| occupied.occupy());
        occupied.puts_off(&user);
        let before = rejected(plane, &occupied.name);
        let command = scope.spawn(|| user.cmp(&["get", "clusters"]));
        eventually("the command was put off twice", SOON, || {
            let now = rejected(plane, &occupied.name);
            if now > before + 1 || command.is_finished() { Ok(()) } else { Err(format!("{before}, then {now}")) }
        });
        occupied.end();
        command.join().expect("no panic").ok().says("No resources found");
    });
}

#[test]
fn a_command_that_is_put_off_for_too_long_says_so() {
    let installation = shared();
    let user = installation.user("4", "8Gi");
    let occupied = Occupied::new(&installation.plane, &user, "full");
    thread::scope(|scope| {
        scope.spawn(|| occupied.occupy());
        occupied.puts_off(&user);
        // One occupant stays for 30 seconds, so that the seat stays occupied meanwhile.
        let said = user.cmp(&["get", "clusters", "--request-timeout=2s"]);
        occupied.end();
        said.fails()
            .says("Error from server (TooManyRequests)")
            .says("hint: too many requests wait for the API server: try again in a minute");
    });
}
