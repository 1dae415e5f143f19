//! What the tests share.

pub(crate) use cmp_tests::SOON;
use cmp_tests::World;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// Where the asynchronous half of a test runs.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// A want as it is stored.
pub(crate) fn want(count: u32, cpu: u32) -> Value {
    json!({ "type": "container", "count": count, "size": { "cpu": cpu.to_string(), "memory": "1Gi" } })
}

/// Creates a cluster of running instances of 1 CPU through the plugin.
pub(crate) fn running(world: &World<'_>, cluster: &str, count: u32) {
    let count = count.to_string();
    let create = [
        "create",
        "cluster",
        cluster,
        "--cpu",
        "1",
        "--memory",
        "1Gi",
        "--count",
        &count,
        "--wait",
        "--timeout",
        "90s",
    ];
    world.cmp(&create).ok().says(&format!("cluster/{cluster} created"));
}

/// What is held for a cluster.
pub(crate) fn held(account: &Value, cluster: &str) -> Option<Value> {
    serde_json::from_str(account[format!("held.{cluster}")].as_str()?).ok()
}

/// Whether so many instances are held for a cluster, and it is ready.
pub(crate) fn holds(account: &Value, cluster: &str, count: u32) -> bool {
    held(account, cluster).is_some_and(|held| held["count"] == count && held["state"] == "ready")
}
