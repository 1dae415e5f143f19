//! Helpers that the tests share.

use std::time::Duration;

use cmp_tests::child::PATIENCE;
pub(crate) use cmp_tests::{SOON, held, want};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// Returns the runtime for the asynchronous half of a test.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// Reports whether this number of instances is held for a cluster, and the cluster is ready.
pub(crate) fn holds(account: &Value, cluster: &str, count: u32) -> bool {
    held(account, cluster).is_some_and(|held| held["count"] == count && held["state"] == "ready")
}

/// Waits until all workers have stopped. Each finishes its current work, and a command of the plugin takes longest.
#[track_caller]
pub(crate) fn finished(runtime: &Runtime, work: Vec<JoinHandle<()>>) {
    const LIMIT: Duration = PATIENCE.saturating_add(Duration::from_secs(60));
    let count = work.len();
    let all = async { tokio::time::timeout(LIMIT, futures::future::join_all(work)).await };
    let all = runtime.block_on(all).unwrap_or_else(|_| panic!("the work of {count} has not ended within {LIMIT:?}"));
    all.into_iter().for_each(|one| one.expect("nobody panics"));
}
