//! The quota holds for every subject, every kind of request and every order.

use std::thread;

use serde_json::json;

use crate::support::{held, running, shared, want};

#[test]
fn a_refused_create_leaves_nothing() {
    let user = shared().user("4", "8Gi");
    let name = user.cluster("web");
    let before = user.account();
    let create = ["create", "cluster", &name, "--cpu", "1", "--memory", "4Gi", "--count", "3"];
    let expected =
        format!("exceeded quota: {}, requested: memory=12Gi, used: memory=0, limited: memory=8Gi", user.name);
    user.cmp(&create).fails().says(&expected).says("hint: ");
    let server: Vec<&str> = create.iter().copied().chain(["--dry-run=server"]).collect();
    user.cmp(&server).fails().says(&expected);
    assert_eq!(user.account(), before);
    user.admin(&["get", "namespace", &format!("{name}-ns")]).fails().says("not found");
}

#[test]
fn the_webhook_judges_writes_that_bypass_the_plugin() {
    let user = shared().user("4", "8Gi");
    let name = user.cluster("web");
    let key = format!("want.{name}");
    let expected = format!("exceeded quota: {}, requested: cpu=6, used: cpu=0, limited: cpu=4", user.name);
    user.patch(&json!({ key.clone(): want(3, "2", "1Gi") }))
        .fails()
        .says("Error from server (Forbidden)")
        .says(&expected);
    // Two wants in one write are added up.
    let other = format!("want.{}", user.cluster("db"));
    user.patch(&json!({ key.clone(): want(1, "3", "1Gi"), other: want(1, "2", "1Gi") }))
        .fails()
        .says("requested: cpu=5");
    user.patch(&json!({ key.clone(): "three machines" })).fails().says("is not readable");
    user.patch(&json!({ key.clone(): want(1, "-2", "1Gi") })).fails().says("size.cpu -2 must be above 0");
    user.patch(&json!({ key.clone(): want(1, "2", "64") })).fails().says("did you mean Mi or Gi?");
    let pod = json!({ "type": "pod", "count": 1, "size": { "cpu": "1", "memory": "1Gi" } }).to_string();
    user.patch(&json!({ key.clone(): pod })).fails().says("is not readable");
    assert!(user.account().as_object().unwrap().keys().all(|key| !key.starts_with("want.")));
    // A want within the quota is prepared like any other.
    user.patch(&json!({ key: want(2, "2", "1Gi") })).ok();
    user.account_is("the cluster is ready", |account| {
        held(account, &name).is_some_and(|held| held["state"] == "ready" && held["count"] == 2)
    });
    user.cmp(&["quota"]).ok().says("4");
}

#[test]
fn concurrent_creates_get_exactly_the_quota() {
    let user = shared().user("4", "64Gi");
    let outputs: Vec<_> = thread::scope(|scope| {
        let started: Vec<_> = (0..8)
            .map(|at| {
                let user = &user;
                scope.spawn(move || {
                    let name = user.cluster(&format!("c{at}"));
                    user.cmp(&["create", "cluster", &name, "--cpu", "1", "--memory", "1Gi"])
                })
            })
            .collect();
        started.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let (made, refused): (Vec<_>, Vec<_>) = outputs.into_iter().partition(|output| output.code == 0);
    assert_eq!(made.len(), 4, "{refused:?}");
    for output in refused {
        output.fails().says("exceeded quota: ").says("requested: cpu=1, used: cpu=4, limited: cpu=4");
    }
}

#[test]
fn growth_above_the_quota_is_refused_with_the_missing_amount() {
    let user = shared().user("4", "8Gi");
    let name = running(&user, "web", 1, "1", "1Gi");
    user.cmp(&["scale", "cluster", &name, "--count", "5"])
        .fails()
        .says("requested: cpu=4, used: cpu=1, limited: cpu=4");
    assert_eq!(held(&user.account(), &name).unwrap()["count"], 1);
    user.cmp(&["scale", "cluster", &name, "--count", "3"]).ok().says(&format!("cluster/{name} scaled"));
    user.cmp(&["get", "instances", "--in", &name, "-o", "name"]).ok().says(&format!("instance/{name}-2"));
    user.cmp(&["scale", "cluster", &name, "--count", "3"]).ok().says(&format!("cluster/{name} unchanged"));
}

#[test]
fn a_quota_below_the_use_stops_no_instance() {
    let user = shared().user("4", "8Gi");
    let name = running(&user, "web", 2, "1", "1Gi");
    user.admin(&["cmp", "set", "quota", &user.name, "--cpu", "1"])
        .ok()
        .says(&format!("quota/{} configured", user.name))
        .says("Warning: ");
    user.cmp(&["suspend", "cluster", &name]).ok().says("2 suspended, 0 failed");
    user.cmp(&["resume", "cluster", &name]).ok().says("2 resumed, 0 failed");
    user.cmp(&["create", "cluster", &user.cluster("db"), "--cpu", "1", "--memory", "1Gi"])
        .fails()
        .says("requested: cpu=1, used: cpu=2, limited: cpu=1");
    assert_eq!(user.cmp(&["quota", "-o", "json"]).ok().json()["available_cpu"], -1);
    user.admin(&["cmp", "set", "quota", &user.name, "--cpu", "3"]).ok().says_not("Warning");
    user.cmp(&["create", "cluster", &user.cluster("db"), "--cpu", "1", "--memory", "1Gi"]).ok();
}

#[test]
fn other_resources_are_counted_and_unknown_ones_refused() {
    let user = shared().user("4", "8Gi");
    let (gpu, name) = ("nvidia.com/gpu=1", user.cluster("gpu"));
    let create = ["create", "cluster", &name, "--cpu", "1", "--memory", "1Gi", "--count", "2", "--resource", gpu];
    user.cmp(&create).fails().says("nvidia.com/gpu").says("cpu, memory");
    user.admin(&["cmp", "set", "quota", &user.name, "--resource", "nvidia.com/gpu=3"]).ok();
    user.cmp(&create).ok();
    let shown = user.cmp(&["quota", "-o", "json"]).ok().json();
    assert_eq!(shown["status"]["available"]["nvidia.com/gpu"], "1");
    let second = user.cluster("more");
    user.cmp(&["create", "cluster", &second, "--cpu", "1", "--memory", "1Gi", "--count", "2", "--resource", gpu])
        .fails()
        .says("requested: nvidia.com/gpu=2, used: nvidia.com/gpu=2, limited: nvidia.com/gpu=3");
}
