//! What the tests share.

use std::sync::OnceLock;

pub(crate) use cmp_tests::SOON;
use cmp_tests::{ControlPlane, Installation, World};
use serde_json::{Value, json};

/// An installation with two replicas that all tests use at once, each with users of its own. Requests that were
/// admitted earlier are given three seconds to land instead of ninety: no request of a test takes longer.
pub(crate) fn shared() -> &'static Installation {
    static SHARED: OnceLock<Installation> = OnceLock::new();
    SHARED.get_or_init(|| Installation::start(2, "3s"))
}

/// Gives the mirror its rights where it was not asked for: it does not run, and its token is worth as much.
pub(crate) fn rights_of_the_mirror(plane: &ControlPlane) {
    let rights = concat!(env!("CARGO_MANIFEST_DIR"), "/../manifests/components/mirror/rights.yaml");
    plane.admin(&["apply", "--server-side", "-f", rights]).ok();
}

/// A want as it is stored.
pub(crate) fn want(count: u32, cpu: &str, memory: &str) -> String {
    json!({ "type": "container", "count": count, "size": { "cpu": cpu, "memory": memory } }).to_string()
}

/// Creates a cluster of running instances through the plugin, and returns its name.
pub(crate) fn running(world: &World<'_>, name: &str, count: u32, cpu: &str, memory: &str) -> String {
    let cluster = world.cluster(name);
    let count = count.to_string();
    world
        .cmp(&["create", "cluster", &cluster, "--cpu", cpu, "--memory", memory, "--count", &count, "--wait"])
        .ok()
        .says(&format!("cluster/{cluster} created"));
    cluster
}

/// What is held for a cluster.
pub(crate) fn held(account: &Value, cluster: &str) -> Option<Value> {
    serde_json::from_str(account[format!("held.{cluster}")].as_str()?).ok()
}

/// An instance's StatefulSet under another name, as somebody who copies one would write it.
pub(crate) fn copy_of(world: &World<'_>, cluster: &str, from: &str, to: &str) -> Value {
    let ns = format!("{cluster}-ns");
    let mut set = world.kubectl(&["get", "statefulset", from, "-n", &ns, "-o", "json"]).ok().json();
    let spec = std::mem::take(&mut set["spec"]);
    json!({ "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": to, "namespace": ns }, "spec": spec })
}
