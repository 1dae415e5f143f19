//! `top`: the measured use beside the resources that were asked for.

use std::process::Command;

use cmp_tests::metrics::MetricsServer;
use cmp_tests::shell::command;
use cmp_tests::{Installation, Output, World, eventually, terminal};
use serde_json::json;

use crate::support::{SOON, running, shared};

/// Returns the rows of a table, with one space between the cells.
fn rows(said: &Output) -> Vec<String> {
    said.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn metrics_that_are_not_served_are_an_error() {
    let user = shared().user("4", "8Gi");
    let web = running(&user, "web", 1, "1", "1Gi");
    let error = "error: metrics are not available: the API server does not serve metrics.k8s.io\nhint: an administrator \
                 installs metrics-server; `kubectl get apiservice v1beta1.metrics.k8s.io` shows it\n";
    for noun in ["clusters", "instances"] {
        assert_eq!(user.cmp(&["top", noun]).fails().stderr, error);
    }
    assert_eq!(user.admin(&["cmp", "top", "user", &user.name]).fails().stderr, error);
    // Nothing is on, so that nothing has to be measured.
    user.cmp(&["suspend", "cluster", &web, "--wait"]).ok();
    let expected = format!("{web} - 1000m - - 1024Mi - 0/1");
    assert_eq!(rows(&user.cmp(&["top", "clusters", "--no-headers"]).ok()), [expected]);
}

#[test]
fn use_is_shown_beside_the_asked_amounts() {
    let installation = Installation::start(1, "3s");
    let (john, mary) = (installation.user_named("john", "8", "16Gi"), installation.user_named("mary", "4", "8Gi"));
    let mut server = MetricsServer::start(&installation.plane);
    let web = running(&john, "web", 4, "1", "2Gi");
    let db = running(&mary, "db", 1, "2", "4Gi");
    john.cmp(&["stop", "instance", &format!("{web}-3"), "--wait"]).ok();
    // The Pod of the third instance is not measured yet, and that of the fourth is gone.
    for (pod, cpu, memory) in [(0, "250m", "512Mi"), (1, "1500000n", "65536Ki"), (3, "1", "1Gi")] {
        server.set(&format!("{web}-ns"), &format!("{web}-{pod}-0"), cpu, memory);
    }
    server.set(&format!("{db}-ns"), &format!("{db}-0-0"), "1", "3Gi");
    server.set("kube-system", &format!("{web}-0-0"), "9", "9Gi");
    an_owner_sees_clusters_and_instances(&john, &web);
    an_administrator_sees_everyone(&john, &web, &db);
    a_neighbour_sees_nothing(&mary, &web, &db);
    a_terminal_is_redrawn_until_q(&john, &web, &server);
    an_older_installation_is_named(&john);
    server.stop();
    eventually("the server does not answer", SOON, || {
        let said = john.cmp(&["top", "clusters"]);
        let error = "error: metrics are not available: the server of metrics.k8s.io does not answer (503: ";
        if said.code == 1 && said.stderr.starts_with(error) { Ok(()) } else { Err(said.to_string()) }
    });
    let reason = "hint: `kubectl get apiservice v1beta1.metrics.k8s.io -o yaml` shows the reason";
    john.cmp(&["top", "clusters"]).fails().says(reason);
}

fn an_owner_sees_clusters_and_instances(john: &World<'_>, web: &str) {
    let clusters = john.cmp(&["top", "clusters"]).ok();
    let heads = "NAME CPU(cores) CPU(asked) CPU% MEMORY(bytes) MEMORY(asked) MEMORY% INSTANCES";
    assert_eq!(rows(&clusters), [heads, &format!("{web} 252m 4000m 6% 576Mi 8192Mi 7% 3/4")]);
    assert_eq!(rows(&john.cmp(&["top", "cl", web, "-n", &format!("{web}-ns")]).ok()), rows(&clusters));
    let wide = john.cmp(&["top", "clusters", "-o", "wide", "--no-headers"]).ok();
    assert_eq!(rows(&wide), [format!("{web} 252m 4000m 6% 576Mi 8192Mi 7% 3/4 john {web}-ns")]);
    let object = john.cmp(&["top", "cluster", web, "-o", "json"]).ok().json();
    let usage = json!({ "cpu": "251500u", "memory": "576Mi" });
    let requested = json!({ "cpu": "4", "memory": "8Gi" });
    assert_eq!((&object["kind"], &object["spec"]["owner"]), (&json!("ClusterMetrics"), &json!("john")));
    assert_eq!((&object["status"]["usage"], &object["status"]["requested"]), (&usage, &requested));
    assert_eq!(object["status"]["percent"], json!({ "cpu": 6, "memory": 7 }));
    assert_eq!(object["status"]["instances"]["running"], 3);

    let node = |name: &str| {
        let path = "jsonpath={.status.node}";
        john.cmp(&["get", "instance", name, "-o", path]).ok().stdout
    };
    let row = |index: u32, cells: &str| {
        let name = format!("{web}-{index}");
        let node = if index == 3 { "-".to_owned() } else { node(&name) };
        format!("{name} {web} {node} {cells}")
    };
    let heads = "NAME CLUSTER NODE CPU(cores) CPU(asked) CPU% MEMORY(bytes) MEMORY(asked) MEMORY%".to_owned();
    let all = [
        heads,
        row(0, "250m 1000m 25% 512Mi 2048Mi 25%"),
        row(1, "2m 1000m 0% 64Mi 2048Mi 3%"),
        row(2, "- 1000m - - 2048Mi -"),
        row(3, "- 1000m - - 2048Mi -"),
    ];
    assert_eq!(rows(&john.cmp(&["top", "instances"]).ok()), all);
    assert_eq!(rows(&john.cmp(&["top", "in", "--in", web]).ok()), all);
    let names = john.cmp(&["top", "instances", &format!("{web}-1"), &format!("{web}/0"), "-o", "name"]).ok();
    assert_eq!(rows(&names), [format!("instance/{web}-1"), format!("instance/{web}-0")]);
    let sorted = john.cmp(&["top", "instances", &format!("{web}-1"), &format!("{web}-0"), "--sort-by", "cpu"]).ok();
    assert_eq!(rows(&sorted), all[..3]);
    let missing = format!("{web}-9");
    let some = john.cmp(&["top", "instances", &missing, &format!("{web}-0"), "--no-headers"]).fails();
    assert_eq!(rows(&some), [all[1].clone()]);
    assert_eq!(some.stderr, format!("Error from server (NotFound): instance {missing:?} not found\n"));
    let yaml = john.cmp(&["top", "instance", &format!("{web}-2"), "-o", "yaml"]).ok();
    yaml.says("kind: InstanceMetrics").says_not("usage").says("requested:");
    john.cmp(&["top", "instances", "-l", "app.kubernetes.io/name=other"]).ok().says("No resources found.");
    // The label of a cluster selects its instances.
    john.cmp(&["label", "cluster", web, "team=blue"]).ok();
    assert_eq!(rows(&john.cmp(&["top", "instances", "-l", "team=blue"]).ok()), all);
    john.cmp(&["top", "instances", "-l", "team=red"]).ok().says("No resources found.");
}

fn an_administrator_sees_everyone(john: &World<'_>, web: &str, db: &str) {
    let admin = |arguments: &[&str]| rows(&john.admin(&[&["cmp", "top"], arguments].concat()).ok());
    let of_john = "john 252m 4000m 8000m 6% 576Mi 8192Mi 16384Mi 7% 3/4";
    let of_mary = "mary 1000m 2000m 4000m 50% 3072Mi 4096Mi 8192Mi 75% 1/1";
    let heads =
        "NAME CPU(cores) CPU(asked) CPU(quota) CPU% MEMORY(bytes) MEMORY(asked) MEMORY(quota) MEMORY% INSTANCES";
    assert_eq!(admin(&["users"]), [heads, of_john, of_mary]);
    assert_eq!(admin(&["users", "--sort-by", "memory", "--no-headers"]), [of_mary, of_john]);
    assert_eq!(admin(&["user", "john", "-o", "jsonpath={.kind} {.status.quota.cpu}"]), ["UserMetrics 8"]);
    let clusters = [
        "OWNER NAME CPU(cores) CPU(asked) CPU% MEMORY(bytes) MEMORY(asked) MEMORY% INSTANCES".to_owned(),
        format!("john {web} 252m 4000m 6% 576Mi 8192Mi 7% 3/4"),
        format!("mary {db} 1000m 2000m 50% 3072Mi 4096Mi 75% 1/1"),
    ];
    assert_eq!(admin(&["clusters", "-A"]), clusters);
    assert_eq!(admin(&["clusters", "--owner", "mary", "-o", "name"]), [format!("cluster/{db}")]);
    assert_eq!(admin(&["instances", "-A", "--sort-by", "cpu", "-o", "name"])[0], format!("instance/{db}-0"));
    // The use of a user is their own to see.
    assert_eq!(rows(&john.cmp(&["top", "user", "john", "--no-headers"]).ok()), [of_john]);
}

fn a_neighbour_sees_nothing(mary: &World<'_>, web: &str, db: &str) {
    mary.cmp(&["top", "cluster", web]).fails().says(&format!("cluster {web:?} not found"));
    mary.cmp(&["top", "instance", &format!("{web}-0")]).fails().says(&format!("instance \"{web}-0\" not found"));
    mary.cmp(&["top", "users"]).fails().says("Forbidden");
    mary.cmp(&["top", "user", "john"]).fails();
    mary.cmp(&["top", "clusters", "-A"]).fails().says("Forbidden");
    let raw = |place: &str| mary.kubectl(&["get", "--raw", &format!("/apis/metrics.k8s.io/v1beta1{place}/pods")]);
    raw(&format!("/namespaces/{db}-ns")).ok().says("PodMetricsList");
    raw(&format!("/namespaces/{web}-ns")).fails().says("Forbidden");
    raw("").fails().says("Forbidden");
}

fn a_terminal_is_redrawn_until_q(john: &World<'_>, web: &str, server: &MetricsServer) {
    let on_terminal = |more: &[&str]| {
        let mut command: Command = command(&john.kubeconfig);
        command.args([&["cmp", "top", "clusters"], more].concat()).env("TERM", "xterm");
        command
    };
    let mut is_changed = false;
    let shown = terminal::run_typing(on_terminal(&[]), 120, "q", |raw| {
        if raw.contains("252m") && !is_changed {
            server.set(&format!("{web}-ns"), &format!("{web}-2-0"), "500m", "1Gi");
            is_changed = true;
        }
        raw.contains("752m")
    });
    assert_eq!(shown.code, 0, "{:?}", shown.raw);
    let (_, after) = shown.raw.split_once("\x1b[?1049h").expect("the other screen is opened");
    let (screen, after) = after.split_once("\x1b[?1049l").expect("the other screen is left");
    assert!(screen.starts_with("\x1b[HEvery 2s. Press q to quit.\x1b[K"), "{screen:?}");
    // The key itself is not shown.
    assert!(screen.contains("252m") && screen.contains("752m") && screen.ends_with("\x1b[J"), "{screen:?}");
    let last: Vec<&str> = after.lines().collect();
    assert!(last.len() == 2 && last[0].starts_with("NAME") && last[1].contains("752m"), "{after:?}");
    for (more, term) in [(["--once"], "xterm"), (["--no-headers"], "dumb")] {
        let mut once = on_terminal(&more);
        once.env("TERM", term);
        let shown = terminal::run(once, 120);
        assert!(shown.code == 0 && shown.raw.contains("752m") && !shown.raw.contains('\x1b'), "{:?}", shown.raw);
    }
}

/// Checks a role without the rule for metrics, as older versions install it.
fn an_older_installation_is_named(john: &World<'_>) {
    let role = ["clusterrole", "cmp-container-user"];
    let rules = john.admin(&["get", role[0], role[1], "-o", "json"]).ok().json()["rules"].clone();
    let last = rules.as_array().map_or(0, Vec::len) - 1;
    assert_eq!(rules[last]["apiGroups"], json!(["metrics.k8s.io"]));
    let patch = json!([{ "op": "remove", "path": format!("/rules/{last}") }]).to_string();
    john.admin(&["patch", role[0], role[1], "--type=json", "-p", &patch]).ok();
    eventually("the right is gone", SOON, || {
        let said = john.cmp(&["top", "clusters"]);
        if said.code == 1 { Ok(()) } else { Err(said.to_string()) }
    });
    let hint = "hint: the installed cmp may be older: ask an administrator to upgrade it (`kubectl cmp install`)";
    let said = john.cmp(&["top", "clusters"]).fails();
    said.says("Error from server (Forbidden): ").says(hint).says_not("administrator rights");
    john.admin(&["cmp", "install", "--yes"])
        .ok()
        .says("clusterrole.rbac.authorization.k8s.io/cmp-container-user configured");
    eventually("the right is back", SOON, || {
        let said = john.cmp(&["top", "clusters"]);
        if said.code == 0 { Ok(()) } else { Err(said.to_string()) }
    });
}
