//! An outage of cmp-webhook, in part and in whole.

use cmp_tests::{Installation, eventually};
use serde_json::json;

use crate::support::{SOON, held, running, want};

#[test]
fn existing_clusters_work_without_any_webhook() {
    let mut installation = Installation::start(2, "3s");
    let kubeconfig = {
        let user = installation.user_named("john", "8", "16Gi");
        running(&user, "web", 2, "1", "1Gi");
        running(&user, "db", 1, "1", "1Gi");
        user.kubeconfig.clone()
    };
    installation.stop();
    let user = cmp_tests::World { installation: &installation, name: "john".to_owned(), kubeconfig };
    let cluster = |name: &str| format!("{name}-john");
    let (web, db, ns) = (cluster("web"), cluster("db"), format!("{}-ns", cluster("web")));
    user.cmp(&["suspend", "cluster", &web]).ok().says("2 suspended, 0 failed");
    user.cmp(&["resume", "cluster", &web, "--wait"]).ok().says("2 resumed, 0 failed");
    user.cmp(&["stop", "instance", &format!("{web}-1"), "--wait"]).ok();
    user.cmp(&["start", "instance", &format!("{web}-1"), "--wait"]).ok();
    // kubectl 1.30 does not notice that the Pod of this name is another one by now.
    user.kubectl(&["delete", "pod", &format!("{web}-0-0"), "-n", &ns, "--wait=false"]).ok();
    eventually("the Pod is back", SOON, || {
        let shown = user.cmp(&["get", "cluster", &web]).ok();
        if shown.stdout.contains("2/2") { Ok(()) } else { Err(shown.to_string()) }
    });
    // Creating and growing fail with this reason, and change nothing.
    let before = user.account();
    let down = "cmp-webhook is unavailable: clusters cannot be created, grown or shrunk";
    user.cmp(&["create", "cluster", "more", "--cpu", "1", "--memory", "1Gi"]).fails().says(down);
    user.cmp(&["scale", "cluster", &web, "--count", "3"]).fails().says(down);
    user.cmp(&["scale", "cluster", &web, "--count", "1", "--yes"]).fails().says(down);
    user.cmp(&["get", "cluster", &web]).ok().says("2/2");
    user.admin(&["cmp", "create", "user", "eve", "--cpu", "1", "--memory", "1Gi"]).fails().says(down);
    user.admin(&["get", "serviceaccount,configmap", "-n", "cmp-users", "-o", "name"]).ok().says_not("eve");
    assert_eq!(user.account(), before);
    // Other writes of administrators are unaffected.
    user.admin(&["create", "namespace", "plain"]).ok();
    user.admin(&["run", "x", "--image=x", "-n", "plain"]).ok();
    user.admin(&["create", "configmap", "x", "-n", "plain"]).ok();
    user.admin(&["delete", "namespace", "plain"]).ok();
    user.admin(&["create", "configmap", "no-account", "-n", "cmp-users"]).ok();
    user.admin(&["create", "configmap", "no-template", "-n", "cmp-templates"]).ok();
    let pod = r#"{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"name":"a","image":"b"}]}}"#;
    let stored = installation.plane.admin_reading(&["cmp", "create", "template", "web", "-f", "-"], pod);
    stored.fails().says("cmp-webhook is unavailable");
    user.cmp(&["get", "templates", "-o", "name"]).ok().says("template/container").says_not("template/web");
    // A user can state the wish to delete. It is carried out after the restart.
    user.cmp(&["delete", "cluster", &db, "--yes"]).ok().says(&format!("cluster/{db} deleted"));
    user.cmp(&["get", "clusters"]).ok().says("deleting");
    let kubeconfig = user.kubeconfig.clone();
    installation.restart();
    let user = cmp_tests::World { installation: &installation, name: "john".to_owned(), kubeconfig };
    user.account_is("the cluster is gone", |account| held(account, &db).is_none());
    user.cmp(&["scale", "cluster", &web, "--count", "3"]).ok();
}

#[test]
fn one_of_two_replicas_killed_in_the_middle_of_the_story() {
    let mut installation = Installation::start(2, "3s");
    let world = |installation| installation;
    let kubeconfig = {
        let user = world(&installation).user_named("john", "16", "64Gi");
        running(&user, "first", 3, "1", "1Gi");
        user.patch(&json!({ "want.second-john": want(3, "1", "1Gi") })).ok();
        user.kubeconfig.clone()
    };
    // The replica is killed while the second cluster is being prepared.
    installation.replicas[0].kill();
    let user = cmp_tests::World { installation: &installation, name: "john".to_owned(), kubeconfig };
    running(&user, "second", 3, "1", "1Gi");
    let (first, second) = (user.cluster("first"), user.cluster("second"));
    user.cmp(&["suspend", "cluster", &first]).ok().says("3 suspended");
    user.cmp(&["resume", "cluster", &first, "--wait"]).ok().says("3 resumed");
    user.cmp(&["create", "cluster", "big", "--cpu", "4", "--memory", "1Gi", "--count", "4"])
        .fails()
        .says("exceeded quota: john");
    user.cmp(&["scale", "cluster", &first, "--count", "1", "--yes"]).ok();
    user.account_is("it is given back", |account| held(account, &first).is_some_and(|held| held["count"] == 1));
    // The other replica takes over when this one is killed, too.
    user.cmp(&["delete", "cluster", &second, "--yes"]).ok();
    let kubeconfig = user.kubeconfig.clone();
    installation.replicas[0].restart();
    installation.ready();
    installation.replicas[1].kill();
    let user = cmp_tests::World { installation: &installation, name: "john".to_owned(), kubeconfig };
    user.account_is("the second is gone", |account| held(account, &second).is_none());
    assert!(user.installation.probe(0, "/metrics").contains("cmp_"), "metrics are served");
    assert!(user.installation.probe(0, "/livez").starts_with("HTTP/1.1 200"));
}
