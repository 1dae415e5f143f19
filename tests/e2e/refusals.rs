//! Refusals read and behave like Kubernetes' own, and no request within the quota is refused.

use std::thread;

use cmp_tests::{Kubernetes, Output, eventually};
use serde_json::json;

use crate::support::{SOON, held, running, shared, want};

/// Runs all commands at once, and returns the outputs in the order of the commands.
fn at_once(commands: Vec<Box<dyn Fn() -> Output + Send + Sync + '_>>) -> Vec<Output> {
    thread::scope(|scope| {
        let started: Vec<_> = commands.iter().map(|command| scope.spawn(command)).collect();
        started.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

#[test]
fn sixteen_commands_of_one_user_at_once_wait_and_succeed() {
    let user = shared().user("64", "256Gi");
    let name = |kind: &str, at: usize| user.cluster(&format!("{kind}{at}"));
    let create = |kind: &'static str, at: usize| -> Box<dyn Fn() -> Output + Send + Sync + '_> {
        let (user, name) = (&user, name(kind, at));
        Box::new(move || user.cmp(&["create", "cluster", &name, "--cpu", "1", "--memory", "1Gi", "--wait"]))
    };
    let kinds = ["grown", "off", "gone"];
    let made = at_once(
        kinds.iter().flat_map(|kind| (0..4).map(move |at| (*kind, at))).map(|(kind, at)| create(kind, at)).collect(),
    );
    for output in made {
        output.ok().says("created");
    }
    let mut commands = Vec::new();
    for at in 0..4 {
        let (user, grown, off, gone) = (&user, name("grown", at), name("off", at), name("gone", at));
        commands.push(create("new", at));
        commands.push(Box::new(move || user.cmp(&["scale", "cluster", &grown, "--count", "2"])) as Box<_>);
        commands.push(Box::new(move || user.cmp(&["suspend", "cluster", &off])));
        commands.push(Box::new(move || user.cmp(&["delete", "cluster", &gone, "--yes", "--wait"])));
    }
    for output in at_once(commands) {
        output.ok().says_not("conflict").says_not("has been modified");
    }
    let shown = user.cmp(&["quota", "-o", "json"]).ok().json();
    assert_eq!(shown["used_cpu"], 4 * 2 + 4 + 4, "grown, off and new ones");
}

#[test]
fn a_change_that_raises_nothing_is_never_refused() {
    let user = shared().user("8", "8Gi");
    let (web, db) = (running(&user, "web", 2, "2", "1Gi"), running(&user, "db", 2, "1", "1Gi"));
    user.admin(&["cmp", "set", "quota", &user.name, "--cpu", "1", "--memory", "1Gi"]).ok();
    let key = format!("want.{web}");
    // The same want, another image, fewer instances, fewer with the other cluster unchanged, and one smaller with the
    // other unchanged.
    let set = |data: serde_json::Value| user.patch(&data);
    set(json!({ key.clone(): want(2, "2", "1Gi") })).ok();
    let image = json!({ "type": "container", "count": 2, "size": { "cpu": "2", "memory": "1Gi" }, "image": "nginx" });
    set(json!({ key.clone(): image.to_string() })).ok();
    // An increase of one resource is refused for that resource alone, however much of the other is given back.
    set(json!({ key.clone(): want(2, "3", "512Mi") }))
        .fails()
        .says("Error from server (Forbidden)")
        .says("exceeded quota: ")
        .says("requested: cpu=2, used: cpu=6, limited: cpu=1");
    set(json!({ key.clone(): want(2, "2", "1Gi"), format!("want.{db}"): want(1, "1", "1Gi") })).ok();
    user.cmp(&["suspend", "cluster", &web]).ok();
    user.cmp(&["resume", "cluster", &web, "--wait"]).ok();
    user.cmp(&["scale", "cluster", &web, "--count", "1", "--yes"]).ok();
    user.account_is("what was given up is given back", |account| {
        held(account, &web).is_some_and(|held| held["count"] == 1 && held["state"] == "ready")
    });
    // With a quota above the usage there is room again. The available amount is never below zero.
    user.admin(&["cmp", "set", "quota", &user.name, "--cpu", "8", "--memory", "8Gi"]).ok();
    user.cmp(&["scale", "cluster", &web, "--count", "2"]).ok();
}

#[test]
fn an_administrator_is_judged_like_the_user() {
    let user = shared().user("2", "8Gi");
    let name = user.cluster("web");
    let exceeded = format!("exceeded quota: {}, requested: cpu=3, used: cpu=0, limited: cpu=2", user.name);
    let admin = |data: serde_json::Value, more: &[&str]| {
        let patch = json!({ "data": data }).to_string();
        let mut arguments = vec!["patch", "configmap", &user.name, "-n", "cmp-users", "--type=merge", "-p", &patch];
        arguments.extend(more);
        user.admin(&arguments)
    };
    let key = format!("want.{name}");
    let create = ["cmp", "create", "cluster", &name, "--owner", &user.name, "--cpu", "1", "--memory", "1Gi"];
    user.admin(&[create.as_slice(), &["--count", "3"]].concat())
        .fails()
        .says("Error from server (Forbidden)")
        .says(&exceeded);
    // A client without the plugin gets the same text from the API server.
    admin(json!({ key.clone(): want(3, "1", "1Gi") }), &[])
        .fails()
        .says("Error from server (Forbidden)")
        .says(&exceeded);
    // A quota in the same write is the one that counts: a lower one refuses, a higher one allows.
    let lower = json!({ key.clone(): want(2, "1", "1Gi"), "quota": r#"{"cpu":"1","memory":"8Gi"}"# });
    admin(lower, &[]).fails().says("requested: cpu=2, used: cpu=0, limited: cpu=1");
    let higher = json!({ key.clone(): want(3, "1", "1Gi"), "quota": r#"{"cpu":"3","memory":"8Gi"}"# });
    let before = user.account();
    admin(higher.clone(), &["--dry-run=server"]).ok();
    assert_eq!(user.account(), before, "a dry run writes nothing");
    admin(higher, &[]).ok();
    user.account_is("it is ready", |account| held(account, &name).is_some_and(|held| held["state"] == "ready"));
    // The user can continue with the cluster.
    user.cmp(&["create", "cluster", &name, "--cpu", "1", "--memory", "1Gi", "--count", "3", "--wait"]).ok();
    // An unreadable quota is refused, and so is a missing one.
    admin(json!({ "quota": "much" }), &[]).fails().says("\"quota\" of the account is not readable");
    admin(json!({ "quota": null }), &[]).fails().says("\"quota\" of the account is not readable");
}

#[test]
fn every_device_is_counted() {
    let user = shared().user("8", "8Gi");
    user.admin(&["cmp", "set", "quota", &user.name, "--resource", "nvidia.com/gpu=2"]).ok();
    let name = user.cluster("gpu");
    let wanted = |count: u32, gpus: &str| {
        json!({ "type": "container", "count": count, "size": { "cpu": "1", "memory": "1Gi", "nvidia.com/gpu": gpus } })
            .to_string()
    };
    let key = format!("want.{name}");
    user.patch(&json!({ key.clone(): wanted(1, "500m") })).fails().says("must be a whole number");
    user.patch(&json!({ key.clone(): wanted(2, "2") }))
        .fails()
        .says("requested: nvidia.com/gpu=4, used: nvidia.com/gpu=0, limited: nvidia.com/gpu=2");
    user.cmp(&["create", "cluster", &name, "--cpu", "1", "--memory", "1Gi", "--resource", "nvidia.com/gpu=1"]).ok();
    let ns = format!("{name}-ns");
    // Two devices in an instance of one.
    let gpus = |count: &str| {
        let resources = json!({ "limits": { "cpu": "1", "memory": "1Gi", "nvidia.com/gpu": count } });
        json!({ "spec": { "template": { "spec": { "containers": [{ "name": "instance", "resources": resources }] } } } })
            .to_string()
    };
    let patch = ["patch", "statefulset", &format!("{name}-0"), "-n", &ns, "-p"];
    let patched = user.kubectl(&[patch.as_slice(), &[&gpus("2")]].concat());
    match Kubernetes::get() {
        Kubernetes::Newest => patched.fails().says("must be equal to nvidia.com/gpu limit"),
        // It judges a Pod, and not the template of one.
        Kubernetes::Oldest => {
            patched.ok();
            eventually("no Pod has two", SOON, || {
                let events = user.kubectl(&["get", "events", "-n", &ns]).ok();
                let text = "must be equal to nvidia.com/gpu limit of 2";
                if events.stdout.contains(text) { Ok(()) } else { Err(events.to_string()) }
            });
            user.kubectl(&[patch.as_slice(), &[&gpus("1")]].concat()).ok()
        }
    };
    user.cmp(&["scale", "cluster", &name, "--count", "3"])
        .fails()
        .says("requested: nvidia.com/gpu=2, used: nvidia.com/gpu=1, limited: nvidia.com/gpu=2");
    user.cmp(&["scale", "cluster", &name, "--count", "2"]).ok();
}
