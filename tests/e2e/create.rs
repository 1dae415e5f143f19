//! Creation that is killed half-way and taken up again.

use std::process::Stdio;

use cmp_tests::binaries::built;
use cmp_tests::child::Ended;
use cmp_tests::eventually;
use cmp_tests::shell::for_a_user;
use serde_json::json;

use crate::support::{SOON, held, running, shared, want};

#[test]
fn the_same_command_continues_a_killed_create() {
    let user = shared().user("64", "64Gi");
    let name = user.cluster("web");
    let create = ["create", "cluster", &name, "--cpu", "1", "--memory", "1Gi", "--count", "20"];
    let mut plugin = for_a_user(&built().plugin, &user.kubeconfig);
    plugin.args(create).stdout(Stdio::null()).stderr(Stdio::null());
    let plugin = Ended(plugin.spawn().unwrap());
    user.account_is("the want is written", |account| account[format!("want.{name}")].is_string());
    drop(plugin);
    let made = user.cmp(&create).ok();
    assert!(made.stdout.starts_with(&format!("cluster/{name} ")), "{made}");
    let sets = user.kubectl(&["get", "statefulsets", "-n", &format!("{name}-ns"), "-o", "name"]).ok();
    assert_eq!(sets.stdout.lines().count(), 20);
    // A repeated command changes nothing.
    user.cmp(&create).ok().says(&format!("cluster/{name} unchanged"));
}

#[test]
fn a_repeated_create_makes_missing_instances_and_refuses_differences() {
    let user = shared().user("8", "8Gi");
    let name = running(&user, "web", 3, "1", "1Gi");
    let second = format!("{name}-1");
    user.kubectl(&["delete", "statefulset", &second, "-n", &format!("{name}-ns"), "--wait"]).ok();
    let create = |count: &str, cpu: &str| {
        user.cmp(&["create", "cluster", &name, "--cpu", cpu, "--memory", "1Gi", "--count", count])
    };
    create("3", "1").ok().says(&format!("cluster/{name} created"));
    user.cmp(&["get", "instances", &second]).ok();
    create("4", "1")
        .fails()
        .says("exists and is different")
        .says(&format!("kubectl cmp scale cluster {name} --count 4"));
    create("3", "2").fails().says("exists and is different").says("cpu=2");
    assert_eq!(held(&user.account(), &name).unwrap()["count"], 3);
}

#[test]
fn a_half_made_cluster_can_be_deleted() {
    let user = shared().user("8", "8Gi");
    let name = user.cluster("web");
    user.patch(&json!({ format!("want.{name}"): want(2, "1", "1Gi") })).ok();
    user.cmp(&["delete", "cluster", &name, "--yes", "--wait"]).ok();
    user.account_is("nothing is left", |account| account.as_object().unwrap().keys().all(|key| !key.ends_with(&name)));
    eventually("the Namespace is gone", SOON, || {
        let asked = user.admin(&["get", "namespace", &format!("{name}-ns"), "--ignore-not-found", "-o", "name"]);
        if asked.stdout.is_empty() { Ok(()) } else { Err(asked.to_string()) }
    });
}

#[test]
fn a_taken_name_is_refused_without_naming_its_owner() {
    let (user, other) = (shared().user("8", "8Gi"), shared().user("8", "8Gi"));
    let name = running(&other, "web", 1, "1", "1Gi");
    let refused = user.cmp(&["create", "cluster", &name, "--cpu", "1", "--memory", "1Gi"]).fails();
    refused.says(&format!("the name {name} is taken: choose another")).says_not(&format!("owner {}", other.name));
    // The want is taken back, and the reason stays readable.
    let account = user.account();
    assert!(account[format!("want.{name}")].is_null() && account[format!("held.{name}")].is_null(), "{account}");
    user.cmp(&["get", "clusters", "-o", "wide"]).ok().says("refused").says("is taken");
    user.cmp(&["quota"]).ok().says_not("-");
    // A Namespace of an administrator takes the name as well.
    let foreign = user.cluster("foreign");
    user.admin(&["create", "namespace", &format!("{foreign}-ns")]).ok();
    user.cmp(&["create", "cluster", &foreign, "--cpu", "1", "--memory", "1Gi"]).fails().says("is taken");
    user.admin(&["get", "namespace", &format!("{foreign}-ns"), "-o", "json"]).ok().says_not("kubectl-cmp.dev");
}

#[test]
fn an_administrator_acts_for_a_user() {
    let user = shared().user("4", "8Gi");
    let name = user.cluster("web");
    let create = ["cmp", "create", "cluster", &name, "--cpu", "3", "--memory", "1Gi"];
    user.admin(&create).fails().says("is not a user of cmp").says("--owner");
    let owned: Vec<&str> = create.iter().copied().chain(["--owner", &user.name]).collect();
    user.admin(&owned).ok();
    user.cmp(&["get", "clusters"]).ok().says(&name);
    user.admin(&["cmp", "get", "clusters", "-A", "-o", "wide"]).ok().says(&name).says(&user.name);
    let second = user.cluster("db");
    user.admin(&["cmp", "create", "cluster", &second, "--cpu", "3", "--memory", "1Gi", "--owner", &user.name])
        .fails()
        .says("exceeded quota: ");
    user.cmp(&["create", "cluster", &second, "--cpu", "1", "--memory", "1Gi", "--owner", "john"])
        .fails()
        .says("only an administrator can act for another user");
    user.admin(&["cmp", "delete", "cluster", &name, "--yes"]).ok();
}

#[test]
fn deleting_the_namespace_deletes_the_cluster() {
    let user = shared().user("4", "8Gi");
    let name = running(&user, "web", 1, "1", "1Gi");
    user.kubectl(&["delete", "namespace", &format!("{name}-ns")]).fails().says("cannot delete resource");
    user.admin(&["delete", "namespace", &format!("{name}-ns"), "--wait=false"]).ok();
    user.account_is("all keys are gone", |account| {
        account.as_object().unwrap().keys().all(|key| !key.ends_with(&name))
    });
    assert_eq!(user.cmp(&["quota", "-o", "json"]).ok().json()["used_cpu"], 0);
}
