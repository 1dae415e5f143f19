//! `create -f` restores the output of `export cluster`, with the same instances off.

use std::fs;

use cmp_tests::{Installation, World, eventually};
use serde_json::{Value, json};

use crate::support::{SOON, held, running, shared};

/// Returns the states of the instances of a cluster in their order, with the subject that suspended them.
fn states(user: &World<'_>, cluster: &str) -> Vec<String> {
    let shown = user.cmp(&["get", "instances", "--in", cluster, "-o", "json"]).ok().json();
    let one = |shown: &Value| {
        let by = shown["status"]["suspension"]["by"].as_str().unwrap_or("nobody");
        format!("{} by {}", shown["status"]["state"].as_str().unwrap(), by.rsplit(':').next().unwrap())
    };
    shown["items"].as_array().unwrap().iter().map(one).collect()
}

#[test]
fn a_cluster_comes_back_with_the_same_instances_off() {
    let user = shared().user("8", "8Gi");
    user.admin(&["cmp", "set", "quota", &user.name, "--resource", "storage=10Gi"]).ok();
    let (web, ns) = (user.cluster("web"), format!("{}-ns", user.cluster("web")));
    let size = ["--cpu", "1", "--memory", "1Gi", "--count", "4", "--resource", "storage=1Gi"];
    let patch = r#"{"spec":{"enableServiceLinks":null}}"#;
    user.cmp(&[&["create", "cluster", &web][..], &size, &["--env", "A=1", "--patch", patch, "--wait"]].concat()).ok();
    let instance = |index: u32| format!("{web}-{index}");
    user.cmp(&["stop", "instance", &instance(1), "--wait"]).ok();
    user.cmp(&["suspend", "instance", &instance(2), &instance(3), "--reason", "night", "--wait"]).ok();
    let before = ["running by nobody", "stopped by nobody", "suspended by", "suspended by"];
    let before =
        before.map(|state| if state.ends_with("by") { format!("{state} {}", user.name) } else { state.into() });
    assert_eq!(states(&user, &web), before);

    let export = || user.cmp(&["export", "cluster", &web]).ok();
    let printed = export();
    assert_eq!(printed.stderr, format!("the contents of disks are not exported: {web}\n"));
    let json = user.cmp(&["export", &format!("cluster/{web}"), "-o", "json"]).ok().json();
    let off = json!({ "suspended": ["2-3"], "stopped": [1] });
    assert_eq!((&json["spec"]["instances"], &json["metadata"]), (&off, &json!({ "name": web })));
    assert_eq!((&json["spec"]["patch"]["spec"]["enableServiceLinks"], &json["status"]), (&Value::Null, &Value::Null));
    for clutter in ["status", "uid", "creationTimestamp", "labels"] {
        assert!(!printed.stdout.contains(clutter), "{printed}");
    }

    // An existing cluster is left unchanged.
    let create = || user.kubectl_reading(&["cmp", "create", "-f", "-", "--wait"], &printed.stdout);
    create().ok().says(&format!("cluster/{web} unchanged"));
    user.cmp(&["delete", "cluster", &web, "--yes", "--wait"]).ok();
    create().ok().says(&format!("cluster/{web} created"));
    assert_eq!(states(&user, &web), before);
    assert_eq!(export().stdout, printed.stdout);
    // The instances were created switched off: no Pod of them ever ran.
    let sets = user.kubectl(&["get", "statefulsets", "-n", &ns, "-o", "json"]).ok().json();
    let revisions: Vec<&Value> =
        sets["items"].as_array().unwrap().iter().map(|set| &set["metadata"]["generation"]).collect();
    assert_eq!(revisions, [1, 1, 1, 1]);
    let events = user.kubectl(&["get", "events", "-n", &ns, "-o", "jsonpath={.items[*].involvedObject.name}"]).ok();
    events.says(&instance(0)).says_not(&instance(1)).says_not(&instance(2));

    // An interrupted creation goes on.
    user.kubectl(&["delete", "statefulset", &instance(0), &instance(2), "-n", &ns, "--wait"]).ok();
    create().ok().says(&format!("cluster/{web} created"));
    assert_eq!(states(&user, &web), before);
    // These instances come back like any others.
    user.cmp(&["resume", "cluster", &web]).ok().says("2 resumed, 0 failed, 2 skipped");
    user.cmp(&["start", "instance", &instance(1), "--wait"]).ok();
}

#[test]
fn clusters_are_exported_by_their_owner_and_by_administrators() {
    let (user, other) = (shared().user("8", "8Gi"), shared().user("8", "8Gi"));
    let (web, db) = (running(&user, "web", 1, "1", "1Gi"), running(&user, "db", 2, "1", "1Gi"));
    let theirs = running(&other, "theirs", 1, "1", "1Gi");
    user.cmp(&["suspend", "cluster", &db, "--wait"]).ok();
    let all = user.cmp(&["export", "cluster", "--all"]).ok();
    assert_eq!((all.stdout.matches("kind: Cluster").count(), all.stdout.matches("---\n").count()), (2, 1), "{all}");
    assert!(all.stderr.is_empty() && !all.stdout.contains(&theirs), "{all}");
    user.cmp(&["export", "cluster", &theirs, &web]).fails().says(&format!("cluster \"{theirs}\" not found")).says(&web);
    user.cmp(&["export", "cluster"]).fails().says("no cluster is named");
    user.cmp(&["export", "cluster", "-n", &format!("{web}-ns")]).ok().says(&web).says_not(&db);
    let label = format!("kubectl-cmp.dev/cluster={db}");
    user.cmp(&["export", "cluster", "-l", &label]).ok().says(&db).says_not(&web);
    user.cmp(&["export", "cluster", "-l", "a=b"]).ok().says("No resources found.");
    user.cmp(&["export", "cluster", "-A"]).fails().says("Forbidden");
    let admin = |arguments: &[&str]| user.admin(&[&["cmp", "export", "cluster"], arguments].concat());
    admin(&["-A"]).ok().says(&web).says(&theirs);
    admin(&["--all", "--owner", &other.name]).ok().says(&theirs).says_not(&web);
    admin(&[&web]).ok().says(&format!("owner: {}", user.name));
    admin(&["--all"]).fails().says("not a user of cmp");

    // A copy for another user is suspended by the subject that created it.
    let printed = admin(&[&db]).ok().stdout;
    user.cmp(&["delete", "cluster", &db, "--yes", "--wait"]).ok();
    let create = ["cmp", "create", "-f", "-", "--owner", &other.name];
    shared().plane.admin_reading(&create, &printed).ok().says(&format!("cluster/{db} created"));
    let by = states(&other, &db);
    assert!(by.len() == 2 && by.iter().all(|state| state.starts_with("suspended by ")), "{by:?}");
    other.cmp(&["get", "cluster", &db, "-o", "wide"]).ok().says("as in the file it was created from");
}

#[test]
fn a_suspended_export_is_restored_without_quota_if_the_policy_releases() {
    let user = shared().user("2", "8Gi");
    user.admin(&["cmp", "set", "quota", &user.name, "--suspended", "release"]).ok();
    let web = running(&user, "web", 2, "1", "1Gi");
    user.cmp(&["suspend", "cluster", &web]).ok();
    let printed = user.cmp(&["export", "cluster", &web]).ok().stdout;
    user.cmp(&["delete", "cluster", &web, "--yes", "--wait"]).ok();
    // The cluster has no room to run beside this one.
    let db = running(&user, "db", 2, "1", "1Gi");
    user.kubectl_reading(&["cmp", "create", "-f", "-", "--wait"], &printed)
        .ok()
        .says(&format!("cluster/{web} created"));
    assert_eq!(held(&user.account(), &web).unwrap()["released"], true);
    let by = format!("suspended by {}", user.name);
    assert_eq!(states(&user, &web), [by.clone(), by]);
    user.cmp(&["resume", "cluster", &web]).fails().says("exceeded quota");
    user.cmp(&["delete", "cluster", &db, "--yes", "--wait"]).ok();
    user.cmp(&["resume", "cluster", &web, "--wait"]).ok().says("2 resumed");
}

#[test]
fn a_file_that_names_missing_instances_is_refused() {
    let user = shared().user("4", "8Gi");
    let web = user.cluster("web");
    let create = |instances: &Value| {
        let spec = json!({ "size": { "cpu": "1", "memory": "1Gi" }, "count": 2, "instances": instances });
        let cluster =
            json!({ "apiVersion": "kubectl-cmp.dev/v1", "kind": "Cluster", "metadata": { "name": web }, "spec": spec });
        user.kubectl_reading(&["cmp", "create", "-f", "-", "--wait"], &cluster.to_string())
    };
    for (instances, says) in [
        (json!({ "stopped": [2] }), "spec.instances.stopped: 2 is not an instance of this cluster: they are 0 to 1"),
        (json!({ "suspended": ["0-1"], "stopped": [1] }), "1 is both suspended and stopped: leave it in one of them"),
        (json!({ "paused": [0] }), "spec.instances.paused is unknown: use suspended and stopped"),
        (json!({ "stopped": ["x"] }), "spec.instances.stopped: \"x\" is not an index: use numbers and ranges"),
        (json!([0]), "spec.instances: [0] is not an object"),
    ] {
        create(&instances).fails().says(&format!("--filename -: cluster {web}: ")).says(says);
    }
    user.cmp(&["get", "clusters"]).ok().says("No resources found.");
    // None of the instances runs, so there is nothing to wait for.
    create(&json!({ "stopped": ["0-1"] })).ok().says(&format!("cluster/{web} created"));
    eventually("both are off", SOON, || {
        let states = states(&user, &web);
        if states == ["stopped by nobody"; 2] { Ok(()) } else { Err(states.join(", ")) }
    });
    user.cmp(&["export", "cluster", &web]).ok().says("- 0-1");
}

#[test]
fn a_timer_is_restored_or_reported_as_expired() {
    let user = shared().user("8", "8Gi");
    let db = running(&user, "db", 2, "1", "1Gi");
    user.cmp(&["suspend", "instance", &format!("{db}-1")]).ok();
    user.cmp(&["suspend", "cluster", &db, "--for", "40s"]).ok().says("1 suspended");
    let printed = user.cmp(&["export", "cluster", &db]).ok().stdout;
    let exported: Value = serde_saphyr::from_str(&printed).unwrap();
    assert_eq!(exported["spec"]["instances"], json!({ "suspended": ["0-1"], "wokenBy": { "once": [0] } }));
    let resume: jiff::Timestamp = exported["spec"]["schedule"]["once"]["resume"].as_str().unwrap().parse().unwrap();

    // A copy under another name resumes the same instances.
    let copy = |name: &str| printed.replace(&format!("name: {db}"), &format!("name: {name}"));
    let early = user.cluster("early");
    user.kubectl_reading(&["cmp", "create", "-f", "-"], &copy(&early)).ok().says_not("timer");
    assert!(jiff::Timestamp::now() < resume, "it was created in time");
    user.cmp(&["get", "schedules"]).ok().says(&early);
    for cluster in [&db, &early] {
        user.becomes(&format!("{cluster}-0"), "running");
        assert_eq!(user.state(&format!("{cluster}-1")), "suspended", "somebody suspended it before");
    }
    assert!(jiff::Timestamp::now() >= resume);

    // A timer in the past is left out, with a message.
    let late = user.cluster("late");
    let zone = jiff::tz::TimeZone::UTC;
    let date = cmp_core::schedule::local_time(resume, &zone);
    user.kubectl_reading(&["cmp", "create", "-f", "-"], &copy(&late))
        .ok()
        .says(&format!("cluster/{late}: left out the expired timer to resume it at {date}\n"))
        .says(&format!("kubectl cmp resume cluster {late}"));
    user.cmp(&["get", "schedules"]).ok().says_not(&late);
    user.cmp(&["get", "instance", &format!("{late}-0"), "-o", "json"]).ok().says_not("wokenBy");
    user.cmp(&["resume", "cluster", &late]).ok().says("2 resumed");
}

#[test]
fn everything_moves_to_another_control_plane() {
    let from = Installation::start(1, "3s");
    let (john, mary) = (from.user_named("john", "8", "8Gi"), from.user_named("mary", "4", "8Gi"));
    let admin = &from.plane;
    admin.admin(&["cmp", "set", "quota", "john", "--resource", "storage=10Gi"]).ok();
    admin.admin(&["cmp", "set", "quota", "mary", "--suspended", "release"]).ok();
    let pod =
        json!({ "apiVersion": "v1", "kind": "Pod", "spec": { "containers": [{ "name": "main", "image": "nginx" }] } });
    let path = admin.folder().join("template.json");
    fs::write(&path, pod.to_string()).unwrap();
    admin.admin(&["cmp", "create", "template", "web", "--filename", &path.display().to_string()]).ok();
    let size = ["--cpu", "1", "--memory", "1Gi", "--wait", "--timeout", "90s"];
    let web = ["create", "cluster", "web", "--template", "web", "--count", "3", "--labels", "team=a"];
    john.cmp(&[&web[..], &size, &["--resource", "storage=1Gi"]].concat()).ok();
    john.cmp(&["stop", "instance", "web-1", "--wait"]).ok();
    mary.cmp(&[&["create", "cluster", "db"][..], &size].concat()).ok();
    mary.cmp(&["suspend", "cluster", "db", "--wait"]).ok();
    mary.account_is("db is released", |account| held(account, "db").is_some_and(|held| held["released"] == true));

    john.cmp(&["export", "--all"]).fails().says("this command needs administrator rights");
    let file = admin.admin(&["cmp", "export", "--all"]).ok();
    file.clone().says("tokens are not exported").says("the contents of disks are not exported: web");
    let token = fs::read_to_string(&john.kubeconfig).unwrap();
    let token = token.lines().find_map(|line| line.trim().strip_prefix("token: ")).expect("a token");
    assert!(!file.stdout.contains(token.trim_matches('"')), "{file}");
    let names = admin.admin(&["cmp", "export", "--all", "-o", "name"]).ok().stdout;
    assert_eq!(names, "template/web\nuser/john\nuser/mary\ncluster/web\ncluster/db\n");
    let list = admin.admin(&["cmp", "export", "--all", "-o", "json"]).ok().json();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(5), "{list}");

    // The first attempt is interrupted, the second one goes on, and the third one finds everything there.
    let mut to = Installation::start(1, "3s");
    let create = |to: &Installation| to.plane.admin_reading(&["cmp", "create", "-f", "-", "--wait"], &file.stdout);
    to.stop();
    create(&to).fails().says("cmp-webhook is unavailable");
    to.restart();
    create(&to).ok().says("cluster/web created").says("cluster/db created");
    let again = create(&to).ok();
    let unchanged = names.lines().map(|title| format!("{title} unchanged\n")).collect::<String>();
    assert_eq!(again.stdout, unchanged, "{again}");
    assert_eq!(to.plane.admin(&["cmp", "export", "--all"]).ok().stdout, file.stdout);
    let states = to.plane.admin(&["cmp", "get", "instances", "-A", "-o", "jsonpath={.items[*].status.state}"]).ok();
    assert_eq!(states.stdout, "running stopped running suspended");
}
