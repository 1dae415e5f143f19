//! What the tests share.

pub(crate) use cmp_tests::{SOON, held, want};
use serde_json::Value;
use tokio::runtime::Runtime;

/// Where the asynchronous half of a test runs.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// Whether so many instances are held for a cluster, and it is ready.
pub(crate) fn holds(account: &Value, cluster: &str, count: u32) -> bool {
    held(account, cluster).is_some_and(|held| held["count"] == count && held["state"] == "ready")
}
