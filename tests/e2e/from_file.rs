//! `create cluster -f` accepts the output of `get clusters -o yaml`.

use serde_json::{Value, json};

use crate::support::{running, shared};

const SIZE: [&str; 4] = ["--cpu", "1", "--memory", "1Gi"];

#[test]
fn printed_clusters_can_be_created_by_their_owner_and_by_others() {
    let (user, other) = (shared().user("8", "8Gi"), shared().user("8", "8Gi"));
    let (web, db) = (user.cluster("web"), running(&user, "db", 1, "1", "1Gi"));
    let patch = r#"{"spec":{"enableServiceLinks":null,"hostUsers":false}}"#;
    let said =
        ["--image", "nginx", "--env", "B=1", "--env", "A=$(B)", "--port", "80", "--patch", patch, "--count", "2"];
    user.cmp(&[&["create", "cluster", &web][..], &SIZE, &said, &["--", "-g", "off"]].concat()).ok();
    let spec = |of: &cmp_tests::World<'_>, name: &str| {
        let mut spec = of.cmp(&["get", "cluster", name, "-o", "json"]).ok().json()["spec"].clone();
        spec["owner"] = Value::Null;
        spec
    };
    let before = (spec(&user, &web), spec(&user, &db));
    let printed = user.cmp(&["get", "clusters", "-o", "yaml"]).ok().stdout;
    let create = |more: &[&str], input: &str| {
        user.kubectl_reading(&[&["cmp", "create", "cluster", "-f", "-"][..], more].concat(), input)
    };
    create(&[], &printed).ok().says(&format!("cluster/{web} unchanged")).says(&format!("cluster/{db} unchanged"));
    user.cmp(&["delete", "cluster", &web, &db, "--yes", "--wait"]).ok();
    create(&["--dry-run=client"], &printed).ok().says(&format!("cluster/{web} created (dry run)"));
    create(&["--dry-run=server", "-o", "name"], &printed).ok().says(&format!("cluster/{db}"));
    user.cmp(&["get", "clusters"]).ok().says("No resources found.");
    create(&["--wait"], &printed).ok().says(&format!("cluster/{web} created")).says(&format!("cluster/{db} created"));
    assert_eq!((spec(&user, &web), spec(&user, &db)), before);
    let one = user.cmp(&["get", "cluster", &web, "-o", "json"]).ok().stdout;
    create(&[], &one).ok().says(&format!("cluster/{web} unchanged"));
    create(&[], &one.replace("\"count\": 2", "\"count\": 3")).fails().says("exists and is different: count is 2");
    user.cmp(&["delete", "cluster", &web, &db, "--yes", "--wait"]).ok();

    // Another user may create them with their own name as the owner, and an administrator may do so for them.
    let theirs =
        |more: &[&str]| other.kubectl_reading(&[&["cmp", "create", "cluster", "-f", "-"][..], more].concat(), &printed);
    theirs(&[]).fails().says(&format!("cannot act for {}", user.name)).says(&format!("--owner {}", other.name));
    theirs(&["--owner", &other.name]).ok().says(&format!("cluster/{db} created"));
    assert_eq!((spec(&other, &web), spec(&other, &db)), before);
    other.cmp(&["delete", "cluster", &web, &db, "--yes", "--wait"]).ok();
    let admin = shared().plane.admin_reading(&["cmp", "create", "cluster", "-f", "-"], &printed);
    admin.ok().says(&format!("cluster/{web} created"));
    user.cmp(&["get", "clusters"]).ok().says(&web).says(&db);
}

#[test]
fn an_invalid_object_in_a_file_is_named_and_the_others_are_created() {
    let user = shared().user("2", "8Gi");
    let create = |input: &str| user.kubectl_reading(&["cmp", "create", "cluster", "-f", "-"], input);
    let cluster = |name: &str, spec: &Value| json!({ "apiVersion": "kubectl-cmp.dev/v1", "kind": "Cluster", "metadata": { "name": name }, "spec": spec });
    let size = json!({ "cpu": "1", "memory": "1Gi" });
    let (web, db, large) = (user.cluster("web"), user.cluster("db"), user.cluster("large"));
    for (spec, says) in [
        (json!({}), "spec: size is missing"),
        (json!({ "size": size, "colour": "red" }), "spec: there is no field \"colour\""),
        (json!({ "size": { "cpus": "1" } }), "\"cpus\" is not a resource"),
        (json!({ "size": { "cpu": "1", "memory": "64" } }), "is below 1Mi"),
        (json!({ "size": size, "count": 0 }), "count 0 is below 1"),
        (json!({ "size": size, "type": "box" }), "\"box\" is not one of container, vm"),
        (json!({ "size": size, "image": "a b" }), "spec.image: \"a b\" is not an image"),
        (json!({ "size": size, "env": [{ "name": "1" }] }), "spec.env: \"1\" is not the name of a variable"),
        (json!({ "size": size, "ports": [0] }), "spec.ports: 0 is not a port"),
        (json!({ "size": size, "disk": "data" }), "spec.disk: \"data\" is not a mount path"),
        (json!({ "size": size, "disk": "/data" }), "disk needs storage in the size"),
        (
            json!({ "size": size, "patch": { "spec": { "hostPID": true } } }),
            "spec.hostPID is not allowed for instances",
        ),
        (json!({ "size": size, "template": "none-of-these" }), "template \"none-of-these\" not found"),
        (json!({ "size": size, "owner": "Bad Name" }), "spec.owner"),
    ] {
        create(&cluster(&web, &spec).to_string()).fails().says(says);
    }
    for (text, says) in [
        ("", "the file has no cluster"),
        ("{", "--filename -: line 1"),
        ("kind: Pod", "the file has a \"Pod\" without an apiVersion; only a Cluster of kubectl-cmp.dev/v1 is allowed"),
        ("apiVersion: kubectl-cmp.dev/v1\nkind: Cluster", "a cluster has no metadata.name"),
        ("apiVersion: kubectl-cmp.dev/v1\nkind: Cluster\nmetadata: { name: Web }", "\"Web\" is not a cluster name"),
        ("apiVersion: kubectl-cmp.dev/v1\nkind: Cluster\nmetadata: { name: web }", "cluster web: spec is missing"),
    ] {
        create(text).fails().says(says);
    }
    let plain = cluster(&web, &json!({ "size": size }));
    create(&format!("{plain}\n---\n{plain}")).fails().says(&format!("cluster {web} appears twice in the file"));
    user.cmp(&["create", "cluster", "-f", "-", "--cpu", "1"]).fails().says("--filename cannot be used with --cpu");
    user.cmp(&["get", "clusters"]).ok().says("No resources found.");
    // One of three clusters exceeds the quota. The others are created, and the exit code shows that one failed.
    let much = cluster(&large, &json!({ "size": { "cpu": "3", "memory": "1Gi" } }));
    let last = cluster(&db, &json!({ "size": size, "template": "container", "type": "container" }));
    create(&format!("{plain}\n---\n{much}\n---\n{last}"))
        .fails()
        .says(&format!("cluster/{web} created"))
        .says(&format!("cluster {large}: exceeded quota"))
        .says(&format!("cluster/{db} created"));
}

#[test]
fn a_file_may_have_users_templates_and_clusters() {
    let user = shared().user("4", "8Gi");
    let (web, mary, gpu) = (user.cluster("web"), user.cluster("mary"), user.cluster("gpu"));
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "spec": { "containers": [{ "name": "instance", "image": "nginx" }] } });
    let object = |kind: &str, name: &str, spec: Value| json!({ "apiVersion": "kubectl-cmp.dev/v1", "kind": kind, "metadata": { "name": name }, "spec": spec });
    let quota = json!({ "cpu": "4", "memory": "8Gi" });
    let policy = json!({ "suspended": "release", "clusters": 3, "instances": 9 });
    let size = json!({ "cpu": "1", "memory": "1Gi" });
    let all = [
        object("User", &mary, json!({ "quota": quota, "policy": policy })),
        object("Template", &gpu, json!({ "manifest": pod })),
        object("Cluster", &web, json!({ "size": size, "count": 2, "template": gpu, "owner": mary })),
    ];
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": all }).to_string();
    let create = |more: &[&str], input: &str| {
        shared().plane.admin_reading(&[&["cmp", "create", "-f", "-"][..], more].concat(), input)
    };
    // In a client dry run the cluster finds neither its template nor its user.
    create(&["--dry-run=client"], &list).fails().says(&format!("user/{mary} created (dry run)"));
    let created = [format!("user/{mary} created"), format!("template/{gpu} created"), format!("cluster/{web} created")];
    let said = create(&["--wait"], &list).ok();
    assert_eq!(said.stdout, created.join("\n") + "\n");
    let said = said.says(&format!("kubectl cmp create token {mary}"));
    assert!(!said.stdout.contains("token"), "{said}");
    create(&[], &list).ok().says(&format!("user/{mary} unchanged")).says(&format!("template/{gpu} unchanged"));

    // `create` accepts the printed form of each kind.
    for noun in [["user", &mary], ["template", &gpu], ["cluster", &web]] {
        let printed = user.admin(&[&["cmp", "get"][..], &noun, &["-o", "yaml"]].concat()).ok().stdout;
        create(&[], &printed).ok().says(&format!("{}/{} unchanged", noun[0], noun[1]));
    }
    let spec = user.admin(&["cmp", "get", "user", &mary, "-o", "json"]).ok().json()["spec"].clone();
    assert_eq!(spec, json!({ "quota": quota, "policy": policy }));

    // An unreadable file changes nothing. A readable file is carried out as far as possible.
    let bad = object("User", "other", json!({ "quota": { "cpu": "4" } }));
    let half =
        json!({ "kind": "List", "items": [object("Cluster", "half", json!({ "size": size })), bad] }).to_string();
    create(&[], &half).fails().says("user other: spec.quota: cpu and memory are required").says_not("half");
    for (resource, amount) in [("cpu", "0"), ("memory", "-1Gi"), ("nvidia.com/gpu", "0")] {
        let mut quota = json!({ "cpu": "4", "memory": "8Gi" });
        quota[resource] = json!(amount);
        let nothing = object("User", "other", json!({ "quota": quota })).to_string();
        create(&[], &nothing).fails().says(&format!("user other: spec.quota.{resource}: {amount} must be above 0"));
    }
    let pod = json!({ "kind": "List", "items": [pod] }).to_string();
    create(&[], &pod).fails().says("the file has a \"Pod\" of \"v1\"; only a Cluster, a User, a Template or Prices");
    create(&[], "").fails().says("the file has no objects");
    let john = user.kubectl_reading(&["cmp", "create", "-f", "-"], &list);
    john.fails()
        .says(&format!("user {mary}: "))
        .says("Forbidden")
        .says(&format!("cluster {web}: cannot act for {mary}"));
    let early = ["cmp", "create", "--wait", "cluster", "x", "--cpu", "1", "--memory", "1Gi"];
    user.admin(&early).fails().says("flags come after the type");
    user.admin(&["cmp", "delete", "user", &mary, "--cascade", "--yes"]).ok();
    user.admin(&["cmp", "delete", "template", &gpu, "--yes"]).ok();
}
