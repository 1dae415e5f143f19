//! What is given up comes back to the quota when it is known to be gone, and not before.

use cmp_tests::eventually;
use serde_json::json;

use crate::support::{SOON, held, running, shared, want};

#[test]
fn shrinking_gives_back_what_is_gone() {
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
fn what_still_runs_stays_charged() {
    let user = shared().user("4", "8Gi");
    let name = running(&user, "web", 2, "2", "1Gi");
    // Past the plugin: less is wanted, but the instances are left running.
    user.patch(&json!({ format!("want.{name}"): want(1, "2", "1Gi") })).ok();
    user.account_is("it is releasing", |account| held(account, &name).is_some_and(|held| held["state"] == "releasing"));
    user.cmp(&["get", "clusters"]).ok().says("releasing");
    // The names are closed at once: what is deleted does not come back.
    eventually("the second is no instance any more", SOON, || {
        let scaled =
            user.kubectl(&["scale", "statefulset", &format!("{name}-1"), "--replicas=0", "-n", &format!("{name}-ns")]);
        let back =
            user.kubectl(&["scale", "statefulset", &format!("{name}-1"), "--replicas=1", "-n", &format!("{name}-ns")]);
        if back.stderr.contains("is not one of the 1 instances") { Ok(()) } else { Err(format!("{scaled}\n{back}")) }
    });
    // The window passes, and it is not given back all the same.
    eventually("the evidence was looked at", SOON, || {
        let logs: Vec<String> = user.installation.replicas.iter().map(cmp_tests::process::Process::log).collect();
        let mut lines = logs.iter().flat_map(|log| log.lines());
        let looked = |line: &str| line.contains("not given back yet") && line.contains(&format!("cluster={name} "));
        if lines.any(looked) { Ok(()) } else { Err(user.account().to_string()) }
    });
    user.cmp(&["create", "cluster", &user.cluster("db"), "--cpu", "2", "--memory", "1Gi"]).fails().says("used: cpu=4");
    assert_eq!(held(&user.account(), &name).unwrap()["count"], 2);
    user.kubectl(&["delete", "statefulset", &format!("{name}-1"), "-n", &format!("{name}-ns")]).ok();
    user.account_is("it is given back", |account| held(account, &name).is_some_and(|held| held["count"] == 1));
    user.cmp(&["create", "cluster", &user.cluster("db"), "--cpu", "2", "--memory", "1Gi"]).ok();
}

#[test]
fn growing_while_releasing_takes_the_larger_of_both() {
    let user = shared().user("8", "8Gi");
    let name = running(&user, "web", 3, "1", "1Gi");
    user.cmp(&["scale", "cluster", &name, "--count", "1", "--yes"]).ok();
    user.cmp(&["scale", "cluster", &name, "--count", "4"]).ok();
    user.cmp(&["get", "instances", "--in", &name, "-o", "name"]).ok().says(&format!("{name}-3"));
    user.account_is("four are held", |account| {
        held(account, &name).is_some_and(|held| held["count"] == 4 && held["state"] == "ready")
    });
}
