//! A deleted cluster gives its quota back once nothing of it runs, whatever then keeps its Namespace.

use cmp_tests::{Installation, World, eventually};
use serde_json::{Value, json};

use crate::deletion::{hold_up, let_go};
use crate::support::{SOON, held, is_gone, running, shared, shows};

/// Waits until a cluster in deletion holds only the storage of so many of its claims.
fn holds_only(world: &World<'_>, cluster: &str, claims: u32) {
    world.account_is(&format!("{cluster} holds {claims} claims and nothing else"), |account| {
        let is_lowered =
            |held: &Value| held["count"] == claims && held["released"] == true && held["state"] == "deleting";
        account[format!("want.{cluster}")].is_null() && held(account, cluster).as_ref().is_some_and(is_lowered)
    });
}

fn finalizers(world: &World<'_>, kind: &str, name: &str, namespace: &str, finalizers: &Value) {
    let patch = json!({ "metadata": { "finalizers": finalizers } }).to_string();
    world.admin(&["patch", kind, name, "-n", namespace, "--type=merge", "-p", &patch]).ok();
}

#[test]
fn a_hanging_namespace_without_pods_costs_nothing() {
    let user = shared().user("2", "4Gi");
    let web = running(&user, "web", 2, "1", "1Gi");
    let ns = format!("{web}-ns");
    hold_up(&user, &ns);
    user.cmp(&["delete", "cluster", &web, "--yes"]).ok();
    holds_only(&user, &web, 0);
    shows(&user, &web, "example.com/held in 1 resource instances");
    // The whole quota is free again, and only the name is taken.
    let other = running(&user, "other", 2, "1", "1Gi");
    let again = ["create", "cluster", &web, "--cpu", "1", "--memory", "1Gi"];
    user.cmp(&again).fails().says("is being deleted");
    user.cmp(&["delete", "cluster", &web, "--yes"]).ok();
    user.admin(&["cmp", "check"]).fails().says(&format!("cluster {web} is stuck")).says_not("is open for more");
    let_go(&user, &ns);
    is_gone(&user, &web);
    user.cmp(&["delete", "cluster", &other, "--yes", "--wait"]).ok();
}

#[test]
fn a_namespace_deleted_by_an_administrator_frees_its_quota() {
    let user = shared().user("2", "4Gi");
    let web = running(&user, "web", 2, "1", "1Gi");
    let ns = format!("{web}-ns");
    hold_up(&user, &ns);
    user.admin(&["delete", "namespace", &ns, "--wait=false"]).ok();
    holds_only(&user, &web, 0);
    user.cmp(&["scale", "cluster", &web, "--count", "1", "--yes"]).fails();
    let want = json!({ "type": "container", "count": 2, "size": { "cpu": "1", "memory": "1Gi" } }).to_string();
    user.patch(&json!({ format!("want.{web}"): want })).fails().says("is being deleted");
    let_go(&user, &ns);
    is_gone(&user, &web);
}

#[test]
fn hanging_claims_keep_their_storage_charged_and_nothing_else() {
    let user = shared().user("4", "8Gi");
    user.admin(&["cmp", "set", "quota", &user.name, "--resource", "storage=20Gi"]).ok();
    let web = user.cluster("web");
    let size = ["--cpu", "1", "--memory", "1Gi", "--disk", "10Gi", "--count", "2"];
    // Nobody makes volumes here, so that the claims stay pending. They are charged all the same.
    user.cmp(&[&["create", "cluster", &web], &size[..]].concat()).ok();
    let ns = format!("{web}-ns");
    let mut names = String::new();
    eventually("both claims are there", SOON, || {
        names = user.admin(&["get", "pvc", "-n", &ns, "-o", "jsonpath={.items[*].metadata.name}"]).ok().stdout;
        if names.split_whitespace().count() == 2 { Ok(()) } else { Err(names.clone()) }
    });
    let claims: Vec<&str> = names.split_whitespace().collect();
    for claim in &claims {
        finalizers(&user, "pvc", claim, &ns, &json!(["example.com/held"]));
    }
    user.cmp(&["delete", "cluster", &web, "--yes"]).ok();
    holds_only(&user, &web, 2);
    let charge = user.cmp(&["get", "cluster", &web, "-o", "json"]).ok().json()["status"]["charge"].clone();
    assert_eq!(charge, json!({ "storage": "20Gi" }));
    shows(&user, &web, "claims still hold its storage");
    finalizers(&user, "pvc", claims[0], &ns, &Value::Null);
    holds_only(&user, &web, 1);
    let other = user.cluster("other");
    let create = ["create", "cluster", &other, "--cpu", "4", "--memory", "8Gi", "--resource"];
    user.cmp(&[&create[..], &["storage=11Gi"]].concat()).fails().says("exceeded quota");
    user.cmp(&[&create[..], &["storage=10Gi"]].concat()).ok();
    finalizers(&user, "pvc", claims[1], &ns, &Value::Null);
    is_gone(&user, &web);
}

#[test]
fn a_hanging_pod_stays_charged() {
    let user = shared().user("2", "4Gi");
    let web = running(&user, "web", 2, "1", "1Gi");
    let (ns, pod) = (format!("{web}-ns"), format!("{web}-1-0"));
    finalizers(&user, "pod", &pod, &ns, &json!(["example.com/held"]));
    user.cmp(&["delete", "cluster", &web, "--yes"]).ok();
    shows(&user, &web, &format!("Pod {pod} still exists"));
    let held = held(&user.account(), &web).unwrap();
    assert_eq!((&held["count"], &held["released"], &held["state"]), (&json!(2), &Value::Null, &json!("deleting")));
    user.cmp(&["create", "cluster", &user.cluster("other"), "--cpu", "1", "--memory", "1Gi"])
        .fails()
        .says("exceeded quota");
    finalizers(&user, "pod", &pod, &ns, &Value::Null);
    is_gone(&user, &web);
}

#[test]
fn an_unavailable_api_service_keeps_no_quota_charged() {
    let installation = Installation::start(1, "3s");
    installation.user_named("john", "2", "4Gi");
    let user = installation.known("john");
    running(&user, "web", 2, "1", "1Gi");
    let service = json!({ "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": { "name": "v1beta1.metrics.k8s.io" },
        "spec": { "group": "metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100,
            "insecureSkipTLSVerify": true, "service": { "name": "metrics-server", "namespace": "kube-system" } } });
    user.installation.plane.admin_reading(&["create", "-f", "-"], &service.to_string()).ok();
    eventually("the API server knows that it is not available", SOON, || {
        let path = r#"jsonpath={.status.conditions[?(@.type=="Available")].status}"#;
        let status = user.admin(&["get", "apiservice", "v1beta1.metrics.k8s.io", "-o", path]).ok().stdout;
        if status == "False" { Ok(()) } else { Err(status) }
    });
    let cluster = user.cluster("web");
    user.cmp(&["delete", "cluster", &cluster, "--yes"]).ok();
    holds_only(&user, &cluster, 0);
    shows(&user, &cluster, "Discovery failed for some groups");
    running(&user, "other", 2, "1", "1Gi");
    user.admin(&["delete", "apiservice", "v1beta1.metrics.k8s.io"]).ok();
    is_gone(&user, &cluster);
}
