//! Amounts that a user gives up come back to the quota after they are known to be gone, and not before.

use cmp_tests::{World, eventually};
use serde_json::json;

use crate::support::{SOON, held, running, shared, want};

#[test]
fn shrinking_frees_the_quota_of_deleted_instances() {
    let user = shared().user("4", "8Gi");
    let name = running(&user, "web", 4, "1", "1Gi");
    user.cmp(&["scale", "cluster", &name, "--count", "2"]).fails().says(&format!("instance/{name}-3")).says("--yes");
    assert_eq!(held(&user.account(), &name).unwrap()["count"], 4);
    user.cmp(&["scale", "cluster", &name, "--count", "2", "--yes"]).ok().says(&format!("cluster/{name} scaled"));
    user.account_is("two are given back", |account| held(account, &name).is_some_and(|held| held["count"] == 2));
    let ns = format!("{name}-ns");
    let quota = user.admin(&["get", "resourcequota", "cmp", "-n", &ns, "-o", "json"]).ok().json();
    assert_eq!(quota["status"]["hard"]["requests.cpu"], "2");
    let namespace = user.admin(&["get", "namespace", &ns, "-o", "json"]).ok().json();
    assert_eq!(namespace["metadata"]["annotations"]["kubectl-cmp.dev/count"], "2");
    user.cmp(&["get", "instances", "--in", &name, "-o", "name"])
        .ok()
        .says(&format!("{name}-1"))
        .says_not(&format!("{name}-2"));
    user.cmp(&["create", "cluster", &user.cluster("db"), "--cpu", "2", "--memory", "1Gi"]).ok();
}

#[test]
fn running_instances_stay_charged() {
    let user = shared().user("4", "8Gi");
    let name = running(&user, "web", 2, "2", "1Gi");
    // The want is lowered without the plugin, and the instances go on running.
    user.patch(&json!({ format!("want.{name}"): want(1, "2", "1Gi") })).ok();
    user.account_is("it is releasing", |account| held(account, &name).is_some_and(|held| held["state"] == "releasing"));
    user.cmp(&["get", "clusters"]).ok().says("releasing");
    // The names are closed at once: a deleted instance does not come back.
    eventually("the second is no instance any more", SOON, || {
        let scaled =
            user.kubectl(&["scale", "statefulset", &format!("{name}-1"), "--replicas=0", "-n", &format!("{name}-ns")]);
        let back =
            user.kubectl(&["scale", "statefulset", &format!("{name}-1"), "--replicas=1", "-n", &format!("{name}-ns")]);
        if back.stderr.contains("is not one of the 1 instances") { Ok(()) } else { Err(format!("{scaled}\n{back}")) }
    });
    // The window passes, and the amount is still not given back.
    eventually("the evidence was looked at", SOON, || {
        let logs: Vec<String> = user.installation.replicas.iter().map(cmp_tests::process::Process::log).collect();
        let mut lines = logs.iter().flat_map(|log| log.lines());
        let looked = |line: &str| line.contains("not given back yet") && line.contains(&format!("cluster={name} "));
        if lines.any(looked) { Ok(()) } else { Err(user.account().to_string()) }
    });
    let back = format!("hint: 2 CPU come back when cluster {name} has finished shrinking\n");
    user.cmp(&["create", "cluster", &user.cluster("db"), "--cpu", "2", "--memory", "1Gi"])
        .fails()
        .says("used: cpu=4")
        .says(&back);
    let rows = "RESOURCE   USED   AVAILABLE   TOTAL   RELEASING\n\
                cpu        4      0           4       2\n\
                memory     2Gi    6Gi         8Gi     1Gi\n";
    assert_eq!(user.cmp(&["quota"]).ok().stdout, rows);
    let quota = user.cmp(&["quota", "--what-if", "cpu=2,memory=1Gi,count=1", "-o", "json"]).ok().json();
    assert_eq!((&quota["used_cpu"], &quota["releasing_cpu"]), (&json!(4), &json!(2)));
    assert_eq!(quota["status"]["whatIf"]["fits"], 0);
    let asked = user.cmp(&["quota", "--what-if", "cpu=2,memory=1Gi,count=1"]).ok();
    asked
        .says("0 instances of cpu=2,memory=1Gi would fit; the limit is cpu\n")
        .says("count=1 would not fit: ")
        .says(&back);
    assert_eq!(held(&user.account(), &name).unwrap()["count"], 2);
    user.kubectl(&["delete", "statefulset", &format!("{name}-1"), "-n", &format!("{name}-ns")]).ok();
    user.account_is("it is given back", |account| held(account, &name).is_some_and(|held| held["count"] == 1));
    user.cmp(&["quota"]).ok().says_not("RELEASING");
    user.cmp(&["create", "cluster", &user.cluster("db"), "--cpu", "2", "--memory", "1Gi"]).ok();
}

#[test]
fn growing_while_releasing_charges_the_larger_of_both() {
    let user = shared().user("8", "8Gi");
    let name = running(&user, "web", 3, "1", "1Gi");
    user.cmp(&["scale", "cluster", &name, "--count", "1", "--yes"]).ok();
    user.cmp(&["scale", "cluster", &name, "--count", "4"]).ok();
    user.cmp(&["get", "instances", "--in", &name, "-o", "name"]).ok().says(&format!("{name}-3"));
    user.account_is("four are held", |account| {
        held(account, &name).is_some_and(|held| held["count"] == 4 && held["state"] == "ready")
    });
}

/// Deletes the StatefulSet of an instance, and leaves its Pod.
fn orphan(user: &World<'_>, cluster: &str, instance: &str) {
    let ns = format!("{cluster}-ns");
    user.kubectl(&["delete", "statefulset", instance, "-n", &ns, "--cascade=orphan", "--wait"]).ok();
    let pod = user.kubectl(&["get", "pod", &format!("{instance}-0"), "-n", &ns, "-o", "json"]).ok().json();
    assert!(pod["metadata"]["deletionTimestamp"].is_null(), "{pod}");
}

fn pod_goes(user: &World<'_>, cluster: &str, instance: &str) {
    eventually("its Pod is gone", SOON, || {
        let of = ["get", "pod", &format!("{instance}-0"), "-n", &format!("{cluster}-ns"), "--ignore-not-found"];
        let shown = user.kubectl(&of).ok();
        if shown.stdout.is_empty() { Ok(()) } else { Err(shown.to_string()) }
    });
}

#[test]
fn an_orphaned_pod_is_deleted_with_its_instance() {
    let user = shared().user("4", "8Gi");
    let name = running(&user, "web", 3, "1", "1Gi");
    let instance = |index: u32| format!("{name}-{index}");
    let ns = format!("{name}-ns");
    orphan(&user, &name, &instance(2));
    user.cmp(&["scale", "cluster", &name, "--count", "2"]).fails().says(&format!("instance/{}", instance(2)));
    // The command waits for a slow Pod, and names it.
    let pod = format!("{}-0", instance(2));
    let finalizers = |value: serde_json::Value| {
        let patch = json!({ "metadata": { "finalizers": value } }).to_string();
        user.admin(&["patch", "pod", &pod, "-n", &ns, "--type=merge", "-p", &patch]).ok();
    };
    finalizers(json!(["example.com/held"]));
    let scale = |count: &str| user.cmp(&["scale", "cluster", &name, "--count", count, "--yes", "--timeout", "3s"]);
    let late = scale("2").fails().says(&format!("{name}: 0/1 gone, 1 ending"));
    late.says(&format!("its StatefulSet is gone, and its Pod {pod} is being deleted"));
    assert_eq!(held(&user.account(), &name).unwrap()["count"], 3);
    finalizers(json!(null));
    user.cmp(&["scale", "cluster", &name, "--count", "2", "--yes"]).ok().says(&format!("cluster/{name} scaled"));
    user.account_is("two are held", |account| held(account, &name).is_some_and(|held| held["count"] == 2));
    // The want is lower already: the same command finds the leftover Pod.
    orphan(&user, &name, &instance(1));
    user.patch(&json!({ format!("want.{name}"): want(1, "1", "1Gi") })).ok();
    user.account_is("it is releasing", |account| held(account, &name).is_some_and(|held| held["state"] == "releasing"));
    user.cmp(&["scale", "cluster", &name, "--count", "1", "--yes"]).ok().says("1/1 gone");
    user.account_is("it is given back", |account| {
        held(account, &name).is_some_and(|held| held["count"] == 1 && held["state"] == "ready")
    });
    user.cmp(&["scale", "cluster", &name, "--count", "1"]).ok().says("unchanged");
}

#[test]
fn an_orphaned_pod_is_deleted_by_a_suspension() {
    let user = shared().user("4", "8Gi");
    let name = running(&user, "web", 2, "1", "1Gi");
    let (first, second) = (format!("{name}-0"), format!("{name}-1"));
    let deleted = format!("pod/{second}-0 deleted: the StatefulSet {second} is gone");
    orphan(&user, &name, &second);
    user.cmp(&["stop", "instance", &second]).fails().says(&deleted).says(&format!("instance \"{second}\" not found"));
    pod_goes(&user, &name, &second);
    user.cmp(&["stop", "instance", &second]).fails().says_not("pod/");
    user.cmp(&["scale", "cluster", &name, "--count", "2", "--wait"]).ok();
    orphan(&user, &name, &second);
    // Otherwise the leftover Pod would hold the returned quota for ever.
    user.admin(&["cmp", "set", "quota", &user.name, "--suspended", "release"]).ok();
    user.cmp(&["suspend", "cluster", &name, "--dry-run=server"]).ok().says("deleted (server dry run)");
    user.cmp(&["suspend", "cluster", &name]).ok().says(&deleted).says("1 suspended, 0 failed");
    pod_goes(&user, &name, &second);
    user.account_is("it is released", |account| {
        held(account, &name).is_some_and(|held| held["released"] == true && held["state"] == "ready")
    });
    user.cmp(&["resume", "cluster", &name, "--wait"]).ok();
    user.cmp(&["get", "instances", "--in", &name, "-o", "name"]).ok().says(&first).says_not(&second);
}
