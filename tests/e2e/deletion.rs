//! Every state that a cluster or a user can be in has a way out.

use std::path::Path;

use cmp_tests::{Installation, World, eventually, shell};
use serde_json::{Value, json};

use crate::site::SitePolicy;
use crate::support::{SOON, held, running, shared, want};

fn admin_patches(world: &World<'_>, data: &Value) {
    let patch = json!({ "data": data }).to_string();
    world.admin(&["patch", "configmap", &world.name, "-n", "cmp-users", "--type=merge", "-p", &patch]).ok();
}

/// Reports whether the Namespace of a held cluster exists, as far as its account knows. Returns `None` if the cluster
/// is not held.
pub(crate) fn has_uid(account: &Value, cluster: &str) -> Option<bool> {
    Some(!held(account, cluster)?["uid"].as_str()?.is_empty())
}

/// Asserts that nothing of a user exists any more.
pub(crate) fn nothing_is_left(world: &World<'_>) {
    let name = &world.name;
    let of = format!("kubectl-cmp.dev/owner={name}");
    world.admin(&["get", "namespaces", "-l", &of, "-o", "name"]).ok().says_not("namespace/");
    let kinds = "configmaps,serviceaccounts,roles,rolebindings";
    let left = world.admin(&["get", kinds, "-n", "cmp-users", "-o", "name"]).ok();
    let theirs: Vec<&str> = left.stdout.lines().filter(|line| line.ends_with(&format!("/{name}"))).collect();
    assert!(theirs.is_empty(), "{theirs:?}");
    let tokens = format!("kubectl-cmp.dev/user={name}");
    world.admin(&["get", "secrets", "-n", "cmp-users", "-l", &tokens, "-o", "name"]).ok().says_not("secret/");
}

#[test]
fn a_cluster_whose_namespace_is_denied_can_be_deleted() {
    let user = shared().user("4", "8Gi");
    let site = SitePolicy::against_namespaces(&user);
    let names = ["a", "b", "c"].map(|name| user.cluster(name));
    let wants = names.iter().map(|name| (format!("want.{name}"), Value::from(want(1, "1", "1Gi"))));
    user.patch(&Value::Object(wants.collect())).ok();
    user.account_is("all are held without a Namespace", |account| {
        names.iter().all(|name| has_uid(account, name) == Some(false))
    });
    assert_eq!(user.cmp(&["quota", "-o", "json"]).ok().json()["used_cpu"], 3);
    let delete = ["cmp", "delete", "cluster", &names[0], "--yes", "--wait"];
    user.kubectl(&delete).ok().says(&format!("cluster/{} deleted", names[0]));
    let delete = ["cmp", "delete", "cluster", &names[1], "--yes", "--wait"];
    user.admin(&delete).ok().says(&format!("cluster/{} deleted", names[1]));
    user.cmp(&["delete", "cluster", "--all", "--yes", "--wait"]).ok().says(&format!("cluster/{} deleted", names[2]));
    let account = user.account();
    assert!(account.as_object().unwrap().keys().all(|key| !key.contains(&user.name)), "{account}");
    drop(site);
    // The deletion also works if the Namespace can be created while the wish waits.
    user.patch(&json!({ format!("want.{}", names[0]): want(1, "1", "1Gi") })).ok();
    user.account_is("it is held", |account| has_uid(account, &names[0]).is_some());
    user.cmp(&["delete", "cluster", &names[0], "--yes", "--wait"]).ok();
    eventually("its Namespace is gone", SOON, || {
        let asked = user.admin(&["get", "namespace", &format!("{}-ns", names[0]), "--ignore-not-found", "-o", "name"]);
        if asked.stdout.is_empty() { Ok(()) } else { Err(asked.to_string()) }
    });
}

#[test]
fn a_user_is_deleted_while_clusters_are_being_created() {
    // The number of clusters that have a Namespace when the deletion begins.
    for prepared in [0, 20] {
        let user = shared().user("64", "64Gi");
        let names: Vec<String> = (0..60).map(|at| user.cluster(&format!("c{at}"))).collect();
        let wants = names.iter().map(|name| (format!("want.{name}"), Value::from(want(1, "1", "1Gi"))));
        user.patch(&Value::Object(wants.collect())).ok();
        user.account_is("so many are prepared", |account| {
            let ready = names.iter().filter(|name| has_uid(account, name) == Some(true));
            names.iter().any(|name| has_uid(account, name).is_some()) && ready.count() >= prepared
        });
        user.admin(&["cmp", "delete", "user", &user.name, "--cascade", "--yes", "--timeout", "8m"])
            .ok()
            .says(&format!("user/{} deleted", user.name));
        nothing_is_left(&user);
    }
}

#[test]
fn a_user_whose_rights_went_first_can_be_deleted() {
    let user = shared().user("4", "8Gi");
    let name = user.cluster("web");
    user.admin(&["delete", "rolebinding", &user.name, "-n", "cmp-users"]).ok();
    eventually("the right is gone", SOON, || {
        let asked = user.cmp(&["quota"]);
        if asked.code == 0 { Err(asked.to_string()) } else { Ok(()) }
    });
    admin_patches(&user, &json!({ format!("want.{name}"): want(2, "1", "1Gi") }));
    user.account_is("it is held without a Namespace", |account| has_uid(account, &name) == Some(false));
    user.admin(&["cmp", "delete", "user", &user.name, "--cascade", "--yes", "--timeout", "4m"])
        .ok()
        .says(&format!("cluster/{name} deleted"))
        .says(&format!("user/{} deleted", user.name));
    nothing_is_left(&user);
}

#[test]
fn deleting_a_refused_name_leaves_the_cluster_of_its_owner() {
    let (user, other) = (shared().user("4", "8Gi"), shared().user("4", "8Gi"));
    let name = running(&other, "web", 1, "1", "1Gi");
    let refused = || {
        user.cmp(&["create", "cluster", &name, "--cpu", "1", "--memory", "1Gi"]).fails().says("is taken");
        user.cmp(&["get", "clusters"]).ok().says("refused");
    };
    let is_gone = || {
        user.cmp(&["get", "clusters"]).ok().says_not("refused");
        assert!(user.account()[format!("refused.{name}")].is_null());
        other.cmp(&["get", "cluster", &name]).ok().says("1/1");
    };
    refused();
    user.cmp(&["delete", "cluster", &name, "--dry-run=client"]).ok().says("deleted (dry run)");
    user.cmp(&["delete", "cluster", &name, "--dry-run=server"]).ok().says("deleted (server dry run)");
    user.cmp(&["get", "clusters"]).ok().says("refused");
    // The deletion loses nothing, so the command asks no question.
    user.cmp(&["delete", "cluster", &name]).ok().says(&format!("cluster/{name} deleted"));
    is_gone();
    user.cmp(&["delete", "cluster", &name]).fails().says(&format!("cluster \"{name}\" not found"));
    refused();
    user.cmp(&["delete", "cluster", "--all", "--yes", "--wait"]).ok().says(&format!("cluster/{name} deleted"));
    is_gone();
    // An administrator who deletes all clusters of one user deletes none of another user.
    refused();
    user.admin(&["cmp", "delete", "cluster", "--all", "--owner", &user.name, "--yes", "--wait"]).ok();
    is_gone();
    let foreign = user.cluster("foreign");
    user.admin(&["create", "namespace", &format!("{foreign}-ns")]).ok();
    user.cmp(&["create", "cluster", &foreign, "--cpu", "1", "--memory", "1Gi"]).fails().says("is taken");
    user.admin(&["cmp", "delete", "cluster", &foreign]).ok().says(&format!("cluster/{foreign} deleted"));
    is_gone();
    user.admin(&["get", "namespace", &format!("{foreign}-ns")]).ok();
}

#[test]
fn a_cluster_that_cannot_be_deleted_does_not_stop_the_others() {
    let (user, other) = (shared().user("4", "8Gi"), shared().user("4", "8Gi"));
    let names = ["a", "b", "c"].map(|name| running(&user, name, 1, "1", "1Gi"));
    let site = SitePolicy::against_deletion(&user, &names[1]);
    let denied = format!("cluster/{}: ", names[1]);
    let left = |expected: &[&String]| {
        let shown = user.admin(&["cmp", "get", "clusters", "--owner", &user.name, "-o", "name"]).ok();
        let shown: Vec<&str> = shown.stdout.lines().collect();
        assert_eq!(shown, expected.iter().map(|name| format!("cluster/{name}")).collect::<Vec<_>>());
    };
    let said = user.cmp(&["delete", "cluster", "--all", "--yes", "--wait", "--timeout", "4m"]).fails();
    let said = said.says(&denied).says("it is kept by the auditors");
    let said = said.says(&format!("cluster/{} deleted", names[0])).says(&format!("cluster/{} deleted", names[2]));
    said.says_not(&format!("cluster/{} deleted", names[1]));
    left(&[&names[1]]);
    // Users behave the same way: the other user is deleted.
    let delete = ["cmp", "delete", "user", &user.name, &other.name, "--cascade", "--yes"];
    let said = user.admin(&delete).fails().says(&denied).says("it is kept by the auditors");
    let said = said.says(&format!("user/{}: not deleted", user.name)).says("to keep the user instead");
    said.says(&format!("user/{} deleted", other.name)).says_not(&format!("user/{} deleted", user.name));
    nothing_is_left(&other);
    left(&[&names[1]]);
    // Until the deletion is repeated, the user's tokens do not work and nothing can be created. The original
    // `create user` command takes the deletion back.
    let admin_creates = |name: &str| {
        let create = ["cmp", "create", "cluster", name, "--cpu", "1", "--memory", "1Gi", "--owner", &user.name];
        user.admin(&create)
    };
    user.admin(&["cmp", "describe", "user", &user.name]).ok().says(&format!("delete user {} --cascade", user.name));
    admin_creates(&names[0]).fails().says("requested: clusters=1,instances=1");
    let out = user.installation.plane.folder().join("kept.kubeconfig").display().to_string();
    let again = ["cmp", "create", "user", &user.name, "--cpu", "4", "--memory", "8Gi", "--kubeconfig-out", &out];
    user.admin(&again).ok().says(&format!("user/{} configured", user.name));
    shell::kubectl(Path::new(&out), &["cmp", "get", "clusters"]).ok().says(&names[1]);
    admin_creates(&names[0]).ok();
    drop(site);
    eventually("it can be deleted", SOON, || {
        let said = user.admin(&["cmp", "delete", "user", &user.name, "--cascade", "--yes"]);
        if said.code == 0 { Ok(()) } else { Err(said.to_string()) }
    });
    nothing_is_left(&user);
}

/// Creates an object in a Namespace that blocks its deletion.
pub(crate) fn hold_up(world: &World<'_>, namespace: &str) {
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "held-up", "namespace": namespace, "finalizers": ["example.com/held"] } });
    world.installation.plane.admin_reading(&["create", "-f", "-"], &map.to_string()).ok();
}

pub(crate) fn let_go(world: &World<'_>, namespace: &str) {
    let none = json!({ "metadata": { "finalizers": null } }).to_string();
    world.admin(&["patch", "configmap", "held-up", "-n", namespace, "--type=merge", "-p", &none]).ok();
}

#[test]
fn a_hanging_namespace_is_named_and_the_others_are_deleted() {
    let user = shared().user("4", "8Gi");
    let (web, db) = (running(&user, "web", 1, "1", "1Gi"), running(&user, "db", 1, "1", "1Gi"));
    let ns = format!("{db}-ns");
    hold_up(&user, &ns);
    let said = user.cmp(&["delete", "cluster", "--all", "--yes", "--wait", "--timeout", "45s"]).fails();
    let said = said.says(&format!("cluster/{web} deleted"));
    said.says(&format!("timed out after 45 s waiting for cluster {db} to be gone")).says("cmp-webhook continues it");
    let_go(&user, &ns);
    user.cmp(&["delete", "cluster", &db, "--yes", "--wait"]).ok().says(&format!("cluster/{db} deleted"));
}

#[test]
fn a_purge_names_a_hanging_namespace_and_continues_when_it_is_gone() {
    let installation = Installation::start(1, "3s");
    let user = installation.user("4", "8Gi");
    let (web, db) = (running(&user, "web", 1, "1", "1Gi"), running(&user, "db", 1, "1", "1Gi"));
    let site = SitePolicy::against_namespaces(&user);
    let denied = user.cluster("denied");
    user.patch(&json!({ format!("want.{denied}"): want(1, "1", "1Gi") })).ok();
    user.account_is("it is held without a Namespace", |account| has_uid(account, &denied) == Some(false));
    let ns = format!("{db}-ns");
    hold_up(&user, &ns);
    let purge = ["cmp", "uninstall", "--purge", "--yes", "--timeout", "45s"];
    let said = user.admin(&purge).fails();
    let said = said.says(&format!("namespace/{ns} still exists: ")).says("example.com/held in 1 resource instances");
    said.says("1 namespace not gone after 45 s").says("the policies and the accounts stay until then");
    user.admin(&["get", "namespace", &format!("{web}-ns")]).fails().says("not found");
    user.admin(&["get", "validatingadmissionpolicy", "cmp-accounts"]).ok();
    let_go(&user, &ns);
    user.admin(&purge).ok().says(&format!("user/{} deleted", user.name)).says("namespace/cmp-users deleted");
    drop(site);
    eventually("nothing of cmp is left", SOON, || {
        let kinds = "namespaces,clusterroles,clusterrolebindings,validatingadmissionpolicies";
        let left = installation.plane.admin(&["get", kinds, "-o", "name"]).ok();
        let ours: Vec<&str> =
            left.stdout.lines().filter(|line| line.contains("/cmp-") || line.contains(&user.name)).collect();
        if ours.is_empty() { Ok(()) } else { Err(ours.join("\n")) }
    });
}
