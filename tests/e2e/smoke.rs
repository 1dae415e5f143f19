//! Smoke test of the control plane itself.

use std::time::Duration;

use cmp_tests::{ControlPlane, eventually};

#[test]
fn a_stateful_set_runs_on_a_node() {
    let plane = ControlPlane::start();
    let set = serde_json::json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": "one" },
        "spec": {
            "selector": { "matchLabels": { "app": "one" } },
            "template": {
                "metadata": { "labels": { "app": "one" } },
                "spec": { "containers": [{ "name": "c", "image": "i" }] },
            },
        },
    });
    plane.admin_reading(&["apply", "-f", "-"], &set.to_string()).ok();
    eventually("the Pod runs", Duration::from_secs(60), || {
        let pods = plane.admin(&["get", "pods", "--no-headers"]);
        if pods.stdout.contains("Running") { Ok(()) } else { Err(pods.to_string()) }
    });
}
