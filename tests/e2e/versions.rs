//! Two versions of cmp side by side: the older one keeps fields that the newer one stored, and neither refuses or loses
//! a change.
//!
//! A build with one more field in a want (`expires`) acts as the newer version. It lacks the fields of the first boot of
//! VMs, so that it acts as an older version for clusters that have one.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cmp_tests::binaries::{built, newer};
use cmp_tests::control_plane::client;
use cmp_tests::{Installation, World, eventually};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::support::{SOON, held, running, want};

/// Returns a cluster file with the field of the newer version.
fn expiring(name: &str) -> String {
    let size = json!({ "cpu": "1", "memory": "1Gi" });
    let spec = json!({ "type": "container", "count": 1, "size": size, "expires": "2027-01-01T00:00:00Z" });
    json!({ "apiVersion": "kubectl-cmp.dev/v1", "kind": "Cluster", "metadata": { "name": name }, "spec": spec })
        .to_string()
}

/// Returns the value of a key, byte for byte.
fn stored(world: &World<'_>, key: &str) -> String {
    world.account()[key].as_str().unwrap_or_default().to_owned()
}

#[test]
fn an_older_version_keeps_what_a_newer_one_stored() {
    let mut installation = Installation::start(1, "3s");
    installation.replace(0, &newer().webhook, "0s");
    let john = installation.user_named("john", "8", "8Gi");
    let create = ["create", "-f", "-", "--wait", "--timeout", "60s"];
    john.other_plugin(&create, &expiring("web")).ok().says("cluster/web created");
    running(&john, "plain", 1, "1", "1Gi");
    let key = "want.web";
    let before = stored(&john, key);
    assert!(before.contains(r#""expires":"2027-01-01T00:00:00Z""#), "{before}");

    // An older plugin with the newer installation shows the cluster and switches it, and changes nothing in its want.
    john.cmp(&["get", "cluster", "web", "-o", "wide"]).ok().says("1/1").says("upgrade kubectl-cmp");
    john.cmp(&["suspend", "cluster", "web"]).ok().says("1 suspended");
    john.cmp(&["resume", "cluster", "web", "--wait"]).ok();
    for change in [
        ["scale", "cluster", "web", "--count", "2"].as_slice(),
        &["resize", "cluster", "web", "--cpu", "2", "--yes"],
        &["schedule", "cluster", "web", "--suspend", "0 19 * * *"],
    ] {
        john.cmp(change).fails().says("is not changed by this version").says("upgrade kubectl-cmp");
    }
    assert_eq!(stored(&john, key), before);

    // A rollback: only the older cmp-webhook runs. It judges, prepares and deletes clusters that it knows, and leaves
    // the rest alone.
    installation.replace(0, &built().webhook, "0s");
    let john = installation.known("john");
    john.cmp(&["scale", "cluster", "plain-john", "--count", "2", "--wait"]).ok();
    john.other_plugin(&create, &expiring("late")).fails().says("does not know \"expires\"").says("upgrade cmp-webhook");
    // Raw writes are refused too: an unknown field in an existing want and in a new one, and growth of an unreadable
    // want.
    for raw in [before.replace("2027", "2028"), before.replace(r#""count":1"#, r#""count":2"#)] {
        john.patch(&json!({ key: raw })).fails().says("upgrade cmp-webhook");
    }
    assert_eq!(stored(&john, key), before);
    assert_eq!(held(&john.account(), "web").expect("it is held")["state"], "ready");
    let name = &john.name;
    john.admin(&["cmp", "check"]).says(&format!("account/{name}")).says("does not know \"expires\"");
    john.admin(&["cmp", "version"]).ok().says("does not know \"expires\"");
    john.cmp(&["delete", "cluster", "web", "--yes", "--wait"]).ok().says("cluster/web deleted");
    assert!(john.account()[key].is_null());
}

/// Changes a want at a steady rate until `over` is set, and returns the number of changes. Each change has to be
/// stored.
async fn changes(kubeconfig: PathBuf, name: String, over: Arc<AtomicBool>) -> usize {
    let accounts: Api<ConfigMap> = Api::namespaced(client(&kubeconfig).await, "cmp-users");
    let (key, mut done) = (format!("want.{name}"), 0);
    let mut beat = tokio::time::interval(Duration::from_millis(80));
    while !over.load(Ordering::Relaxed) {
        beat.tick().await;
        let size = (done % 7 + 1).to_string();
        let patch = json!({ "data": { &key: want(1, &size, "1Gi") } });
        let written = accounts.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await;
        let written = written.unwrap_or_else(|error| panic!("change {done} of {name} is refused: {error}"));
        let now = written.data.unwrap_or_default().remove(&key).unwrap_or_default();
        assert!(now.contains(&format!(r#""cpu":"{size}""#)), "change {done} of {name} is lost: {now}");
        done += 1;
    }
    done
}

#[test]
fn replicas_are_replaced_in_both_directions_under_load() {
    let mut installation = Installation::start(2, "1s");
    // From here on each replica has the shutdown delay of a Pod.
    (0..2).for_each(|at| installation.replace(at, &built().webhook, "3s"));
    let names: Vec<String> = (0..4).map(|at| format!("load{at}")).collect();
    let kubeconfigs: Vec<PathBuf> =
        names.iter().map(|name| installation.user_named(name, "8", "8Gi").kubeconfig).collect();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let over = Arc::new(AtomicBool::new(false));
    let started = Instant::now();
    let users = names.iter().zip(kubeconfigs);
    let work: Vec<_> =
        users.map(|(name, kubeconfig)| runtime.spawn(changes(kubeconfig, name.clone(), over.clone()))).collect();
    for program in [&newer().webhook, &built().webhook] {
        (0..2).for_each(|at| installation.replace(at, program, "3s"));
    }
    over.store(true, Ordering::Relaxed);
    let done = runtime.block_on(futures::future::join_all(work));
    let done: usize = done.into_iter().map(|one| one.expect("no change is refused or lost")).sum();
    println!("{done} changes in {:?}", started.elapsed());
    assert!(done >= 50, "a load that is none proves nothing: {done} changes");
    // The controllers work, too: the last want is held in the end.
    for name in &names {
        eventually("the last want is held", SOON, || {
            let asked =
                installation.plane.admin(&["get", "configmap", name, "-n", "cmp-users", "-o", "json"]).ok().json();
            let wanted: Value =
                serde_json::from_str(asked["data"][format!("want.{name}")].as_str().unwrap_or_default())
                    .unwrap_or_default();
            let held = held(&asked["data"], name).unwrap_or_default();
            if wanted["size"] == held["size"] && held["state"] == "ready" { Ok(()) } else { Err(asked.to_string()) }
        });
    }
}
