//! John's story with his own token: created, suspended, resumed, refused, deleted.

use cmp_tests::eventually;

use crate::support::{SOON, held, shared};

#[test]
fn john_has_three_machines_off_at_night_and_on_in_the_morning() {
    let john = shared().user_named("john", "16", "64Gi");
    john.cmp(&["create", "cluster", "web", "--cpu", "2", "--memory", "4Gi", "--count", "3", "--wait"])
        .ok()
        .says("cluster/web created")
        .says("3/3 running");
    let shown = john.cmp(&["get", "clusters", "-o", "json"]).ok().json();
    let web = &shown["items"][0];
    assert_eq!((&web["kind"], &web["metadata"]["name"]), (&"Cluster".into(), &"web".into()));
    assert_eq!(web["spec"]["size"]["memory"], "4Gi");
    assert_eq!(web["status"]["instances"]["running"], 3);
    assert_eq!(web["status"]["charge"]["cpu"], "6");
    let quota = john.cmp(&["quota", "-o", "json"]).ok().json();
    assert_eq!((quota["total_cpu"].as_i64(), quota["used_cpu"].as_i64()), (Some(16), Some(6)));
    assert_eq!((quota["used_memory"].as_i64(), quota["available_memory"].as_i64()), (Some(12), Some(52)));

    // Nothing of it runs any more, and all of it stays john's.
    john.cmp(&["suspend", "cluster", "web", "--reason", "night"])
        .ok()
        .says("cluster/web suspended: 3 suspended, 0 failed, 0 skipped");
    eventually("no Pod is left", SOON, || {
        let pods = john.kubectl(&["get", "pods", "-n", "web-ns", "-o", "name"]);
        if pods.stdout.is_empty() { Ok(()) } else { Err(pods.to_string()) }
    });
    john.cmp(&["get", "cluster", "web", "--no-headers"]).ok().says("0/3").says("suspended");
    assert_eq!(john.cmp(&["quota", "-o", "json"]).ok().json()["used_cpu"], 6);
    john.cmp(&["describe", "instance", "web-1"]).ok().says("system:serviceaccount:cmp-users:john").says("night");

    let resumed = john.cmp(&["resume", "cluster", "web", "--wait", "-o", "json"]).ok().json();
    assert_eq!((&resumed["resumed"], &resumed["failed"], &resumed["skipped"]), (&3.into(), &0.into(), &0.into()));
    john.cmp(&["get", "cluster", "web", "--no-headers"]).ok().says("3/3").says("running");

    john.cmp(&["create", "cluster", "big", "--cpu", "4", "--memory", "4Gi", "--count", "4"])
        .fails()
        .says("Error from server (Forbidden): exceeded quota: john, requested: cpu=16, used: cpu=6, limited: cpu=16\n");
    john.cmp(&["get", "clusters", "big"]).fails().says("Error from server (NotFound): cluster \"big\" not found");

    let uid = held(&john.account(), "web").unwrap()["uid"].clone();
    assert_eq!(shown["items"][0]["metadata"]["uid"], uid);
    john.cmp(&["delete", "cluster", "web", "--yes", "--wait"]).ok().says("cluster/web deleted");
    john.admin(&["get", "namespace", "web-ns"]).fails().says("not found");
    assert_eq!(john.cmp(&["quota", "-o", "json"]).ok().json()["used_cpu"], 0);
    john.cmp(&["get", "clusters"]).ok().says("No resources found.");
}
