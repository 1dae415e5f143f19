//! Labels and annotations of clusters: who sets and removes them, and what they select.

use cmp_tests::World;
use serde_json::json;

use crate::support::{running, shared};

#[test]
fn labels_select_clusters_and_go_with_them() {
    let user = shared().user("8", "8Gi");
    let web = running(&user, "web", 1, "1", "1Gi");
    let db = user.cluster("db");
    let size = ["--cpu", "1", "--memory", "1Gi"];
    user.cmp(&[&["create", "cluster", &db, "--labels", "app=db,tier=back", "--wait"][..], &size].concat()).ok();
    let label = |words: &[&str]| user.cmp(&[&["label", "cluster"], words].concat());
    label(&[&web, "app=web", "tier=front"]).ok().says(&format!("cluster/{web} labeled"));
    label(&[&web, "app=web"]).ok().says(&format!("cluster/{web} not labeled"));
    label(&[&web, "app=shop"]).fails().says("error: 'app' already has a value (web), and --overwrite is false");
    label(&[&web, "app=shop", "--overwrite", "--dry-run=server"]).ok().says("labeled (server dry run)");
    label(&[&web, "app=shop", "--overwrite"]).ok().says(&format!("cluster/{web} labeled"));
    label(&[&web, "kubectl-cmp.dev/owner=mary"]).fails().says("is reserved for cmp");
    // A user who writes the account by hand meets the same rule.
    let forged = json!({ "type": "container", "count": 1, "size": { "cpu": "1", "memory": "1Gi" },
        "labels": { "kubectl-cmp.dev/owner": "mary" } });
    user.patch(&json!({ format!("want.{web}"): forged.to_string() })).fails().says("is reserved for cmp");

    let listed = user.cmp(&["get", "clusters", "-l", "app=shop", "--show-labels"]).ok();
    listed.says("LABELS").says("app=shop,").says("tier=front").says_not(&db);
    user.cmp(&["get", "clusters", "-l", "app"]).ok().says(&web).says(&db);
    user.cmp(&["suspend", "cluster", "-l", "tier=back"]).ok().says(&format!("cluster/{db} suspended: 1 suspended"));
    user.becomes(&format!("{web}-0"), "running");
    instances_are_selected_by_their_clusters(&user, &web, &db);
    user.cmp(&["annotate", "cluster", "-l", "tier", "note=ask mary first"])
        .ok()
        .says(&format!("cluster/{web} annotated"))
        .says(&format!("cluster/{db} annotated"));
    user.cmp(&["describe", "cluster", &web]).ok().says("app=shop").says("note=ask mary first");

    // The same cluster again is no difference, and a file restores the labels.
    user.cmp(&[&["create", "cluster", &db][..], &size].concat()).ok().says("unchanged");
    let file = user.cmp(&["export", "cluster", &db]).ok().stdout;
    user.cmp(&["delete", "cluster", &db, "--yes", "--wait"]).ok();
    user.cmp_reading(&["create", "-f", "-"], &file).ok().says(&format!("cluster/{db} created"));
    let object = user.cmp(&["get", "cluster", &db, "-o", "json"]).ok().json();
    assert_eq!(object["metadata"]["labels"]["tier"], "back");
    assert_eq!(object["metadata"]["annotations"], json!({ "note": "ask mary first" }));
    user.cmp_reading(&["create", "-f", "-"], &object.to_string()).ok().says(&format!("cluster/{db} unchanged"));

    // An administrator removes them, and so does the owner. Nobody else does.
    user.admin(&["cmp", "label", "cluster", &web, "app-"]).ok().says(&format!("cluster/{web} unlabeled"));
    label(&["--all", "tier-", "nothing-"]).ok().says("label \"nothing\" not found.");
    label(&[&db, "app-"]).ok();
    user.cmp(&["get", "clusters", "-l", "app"]).ok().says("No resources found.");
    let other = shared().user("1", "1Gi");
    other.cmp(&["label", "cluster", &web, "app=mine"]).fails().says(&format!("cluster \"{web}\" not found"));
}

/// The labels are `app=shop,tier=front` for the cluster `web`, and `app=db,tier=back` for `db`.
fn instances_are_selected_by_their_clusters(user: &World<'_>, web: &str, db: &str) {
    let listed = |words: &[&str]| user.cmp(&[&["get", "instances", "-o", "name"], words].concat()).ok().stdout;
    let (first, other) = (format!("{web}-0"), format!("{db}-0"));
    let names = |names: &[&String]| names.iter().map(|name| format!("instance/{name}\n")).collect::<String>();
    assert_eq!(listed(&["-l", "app=shop"]), names(&[&first]));
    assert_eq!(listed(&["-l", "tier!=front"]), names(&[&other]));
    assert_eq!(listed(&["--in", db, "-l", "tier=back"]), names(&[&other]));
    user.cmp(&["get", "instances", &first, &other, "-l", "app=db"])
        .fails()
        .says("a name cannot be used with --selector");
    user.cmp(&["get", "instance", &first, "--show-labels"]).ok().says("app=shop,").says("tier=front");
    let all = user.admin(&["cmp", "get", "instances", "-A", "-o", "name", "-l", "app=shop"]).ok();
    all.says(&format!("instance/{first}\n")).says_not(&other);
    let object = user.cmp(&["stop", "instance", &first, "-o", "json"]).ok().json();
    assert_eq!(object["metadata"]["labels"]["tier"], "front");
    user.cmp(&["start", "instance", &first]).ok();
    // The instance's own label takes precedence.
    let label = |pair: &str| user.kubectl(&["label", "statefulset", &first, "-n", &format!("{web}-ns"), pair]);
    label("app=own").ok();
    assert_eq!(listed(&["-l", "app=shop"]), "");
    assert_eq!(listed(&["-l", "app=own,tier=front"]), names(&[&first]));
    label("app-").ok();
}
