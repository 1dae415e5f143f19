//! `rollout restart`.

use std::collections::BTreeMap;

use cmp_tests::World;

use crate::support::{running, shared};

/// Returns the uids of the Pods of a cluster, by name.
fn pods(user: &World<'_>, cluster: &str) -> BTreeMap<String, String> {
    let pods = user.kubectl(&["get", "pods", "-n", &format!("{cluster}-ns"), "-o", "json"]).ok().json();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let pods = pods["items"].as_array().unwrap();
    pods.iter().map(|pod| (text(&pod["metadata"]["name"]), text(&pod["metadata"]["uid"]))).collect()
}

#[test]
fn running_instances_are_restarted_one_after_another() {
    let user = shared().user("4", "8Gi");
    let name = running(&user, "web", 3, "1", "1Gi");
    user.cmp(&["stop", "instance", &format!("{name}-1"), "--wait"]).ok();
    let before = pods(&user, &name);
    let restart = |more: &[&str]| user.cmp(&[&["rollout", "restart", "cluster", &name], more].concat());
    let asked = restart(&[]).fails().says("--yes").says(&format!("instance/{name}-0\n"));
    asked.says(&format!("instance/{name}-2\n")).says_not(&format!("instance/{name}-1\n"));
    restart(&["--dry-run=client"]).ok().says(&format!("cluster/{name} restarted (dry run)\n"));
    restart(&["--dry-run=server"]).ok().says(&format!("cluster/{name} restarted (server dry run)\n"));
    assert_eq!(pods(&user, &name), before);
    let restarted = restart(&["--yes"]).ok();
    assert_eq!(restarted.stdout, format!("cluster/{name} restarted\n"));
    assert_eq!(restarted.stderr, format!("instance/{name}-0 restarted\ninstance/{name}-2 restarted\n"));
    let after = pods(&user, &name);
    assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    assert!(after.iter().all(|(pod, uid)| before[pod] != *uid), "{before:?} {after:?}");
    user.cmp(&["stop", "instance", &format!("{name}-0"), &format!("{name}-2"), "--wait"]).ok();
    restart(&[]).ok().says("unchanged (no instance runs)");
}
