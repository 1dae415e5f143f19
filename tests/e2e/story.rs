//! Mia's story with her own token: create, suspend, resume, a refusal, delete.

use cmp_tests::eventually;

use crate::support::{SOON, held, shared};

#[test]
fn three_instances_are_suspended_at_night_and_resumed_in_the_morning() {
    let mia = shared().user_named("mia", "16", "64Gi");
    mia.cmp(&["create", "cluster", "site", "--cpu", "2", "--memory", "4Gi", "--count", "3", "--wait"])
        .ok()
        .says("cluster/site created")
        .says("3/3 running");
    let shown = mia.cmp(&["get", "clusters", "-o", "json"]).ok().json();
    let site = &shown["items"][0];
    assert_eq!((&site["kind"], &site["metadata"]["name"]), (&"Cluster".into(), &"site".into()));
    assert_eq!(site["spec"]["size"]["memory"], "4Gi");
    assert_eq!(site["status"]["instances"]["running"], 3);
    assert_eq!(site["status"]["charge"]["cpu"], "6");
    let quota = mia.cmp(&["quota", "-o", "json"]).ok().json();
    assert_eq!((quota["total_cpu"].as_i64(), quota["used_cpu"].as_i64()), (Some(16), Some(6)));
    assert_eq!((quota["used_memory"].as_i64(), quota["available_memory"].as_i64()), (Some(12), Some(52)));

    // None of the instances runs any more, and the whole quota stays reserved for mia.
    mia.cmp(&["suspend", "cluster", "site", "--reason", "night"])
        .ok()
        .says("cluster/site suspended: 3 suspended, 0 failed, 0 skipped");
    eventually("no Pod is left", SOON, || {
        let pods = mia.kubectl(&["get", "pods", "-n", "site-ns", "-o", "name"]);
        if pods.stdout.is_empty() { Ok(()) } else { Err(pods.to_string()) }
    });
    mia.cmp(&["get", "cluster", "site", "--no-headers"]).ok().says("0/3").says("suspended");
    assert_eq!(mia.cmp(&["quota", "-o", "json"]).ok().json()["used_cpu"], 6);
    mia.cmp(&["describe", "instance", "site-1"]).ok().says("system:serviceaccount:cmp-users:mia").says("night");

    let resumed = mia.cmp(&["resume", "cluster", "site", "--wait", "-o", "json"]).ok().json();
    assert_eq!((&resumed["resumed"], &resumed["failed"], &resumed["skipped"]), (&3.into(), &0.into(), &0.into()));
    mia.cmp(&["get", "cluster", "site", "--no-headers"]).ok().says("3/3").says("running");

    mia.cmp(&["create", "cluster", "large", "--cpu", "4", "--memory", "4Gi", "--count", "4"])
        .fails()
        .says("Error from server (Forbidden): exceeded quota: mia, requested: cpu=16, used: cpu=6, limited: cpu=16\n");
    mia.cmp(&["get", "clusters", "large"]).fails().says("Error from server (NotFound): cluster \"large\" not found");

    let uid = held(&mia.account(), "site").unwrap()["uid"].clone();
    assert_eq!(shown["items"][0]["metadata"]["uid"], uid);
    mia.cmp(&["delete", "cluster", "site", "--yes", "--wait"]).ok().says("cluster/site deleted");
    mia.admin(&["get", "namespace", "site-ns"]).fails().says("not found");
    assert_eq!(mia.cmp(&["quota", "-o", "json"]).ok().json()["used_cpu"], 0);
    mia.cmp(&["get", "clusters"]).ok().says("No resources found.");
}
