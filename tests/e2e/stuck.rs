//! A blocked cluster shows its reason, and has a way out in every state.

use std::thread;

use cmp_tests::{Installation, World, eventually};
use serde_json::{Value, json};

use crate::deletion::{hold_up, let_go, nothing_is_left};
use crate::site::SitePolicy;
use crate::support::{SOON, held, is_gone, running, shared, shows, want};

/// Returns how often a step of this name failed, in all replicas.
fn failures(installation: &Installation, step: &str) -> u64 {
    let of = |replica: usize| {
        let text = installation.probe(replica, "/metrics");
        let line = text.lines().find(|line| line.starts_with("cmp_controller_failures") && line.contains(step));
        line.and_then(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).unwrap_or(0)
    };
    (0..installation.replicas.len()).map(of).sum()
}

#[test]
fn a_denied_namespace_is_the_reason_and_has_one_event() {
    let user = shared().user("4", "8Gi");
    let db = running(&user, "db", 1, "1", "1Gi");
    let web = user.cluster("web");
    let site = SitePolicy::against_namespaces(&user);
    let reason = "cannot create its namespace";
    let create = ["create", "cluster", &web, "--cpu", "1", "--memory", "1Gi", "--timeout", "10s"];
    user.cmp(&create)
        .fails()
        .says("is not ready after 10 s")
        .says(reason)
        .says("cost-center is missing")
        .says(&format!("kubectl cmp delete cluster {web}"))
        .says_not("is cmp-webhook running?");
    shows(&user, &web, "cost-center is missing");
    // The owner has no access to the cluster yet. The events of their other clusters are shown.
    user.cmp(&["events"])
        .ok()
        .says(&format!("cluster {web} is left out: it is being prepared"))
        .says(&format!("{db}  "));
    user.cmp(&["events", &web]).fails().says("it is being prepared\nhint: `kubectl cmp get cluster");
    user.admin(&["cmp", "check"]).fails().says(&format!("cluster {web} is stuck")).says("cost-center is missing");
    eventually("there is an Event", SOON, || {
        let events = user.admin(&["get", "events", "-n", "cmp-users"]).ok();
        let told = events.stdout.lines().any(|line| line.contains("ClusterBlocked") && line.contains(&web));
        if told { Ok(()) } else { Err(events.to_string()) }
    });
    let version = || {
        let path = "jsonpath={.metadata.resourceVersion}";
        user.admin(&["get", "configmap", &user.name, "-n", "cmp-users", "-o", path]).ok().stdout
    };
    let (before, tried) = (version(), failures(shared(), "create_namespace"));
    eventually("it is tried again", SOON, || {
        let now = failures(shared(), "create_namespace");
        if now >= tried + 2 { Ok(()) } else { Err(now.to_string()) }
    });
    assert_eq!(version(), before, "a reason is written when it changes, not with each try");
    // Only cmp-webhook may write the reason.
    let key = format!("blocked.{web}");
    for value in [Value::Null, json!(r#"{"reason":"x","at":"2026-11-23T20:00:00Z"}"#)] {
        user.patch(&json!({ key.clone(): value })).fails().says("blocked.*");
    }
    drop(site);
    user.cmp(&["create", "cluster", &web, "--cpu", "1", "--memory", "1Gi", "--wait"]).ok().says("created");
    assert!(user.account()[key].is_null());
}

#[test]
fn a_hanging_namespace_names_the_remaining_objects() {
    let user = shared().user("4", "8Gi");
    let web = running(&user, "web", 1, "1", "1Gi");
    let ns = format!("{web}-ns");
    hold_up(&user, &ns);
    user.cmp(&["delete", "cluster", &web, "--yes"]).ok();
    shows(&user, &web, "example.com/held in 1 resource instances");
    let_go(&user, &ns);
    is_gone(&user, &web);
}

#[test]
fn the_reason_names_the_object_that_a_cluster_waits_for() {
    let mut installation = Installation::start(1, "20s");
    installation.user_named("john", "8", "8Gi");
    let create = |world: &World<'_>, name: &str| {
        world.cmp(&["create", "cluster", name, "--cpu", "1", "--memory", "1Gi", "--count", "2", "--timeout", "8s"])
    };
    create(&installation.known("john"), "web").ok();
    installation.known("john").cmp(&["scale", "cluster", "web", "--count", "1", "--yes"]).ok();
    shows(&installation.known("john"), "web", "requests that were admitted earlier may still create objects");
    installation.known("john").account_is("it is given back, and nothing is said any more", |account| {
        account["blocked.web"].is_null() && held(account, "web").is_some_and(|held| held["state"] == "ready")
    });

    installation.plane.controller_manager.pause();
    create(&installation.known("john"), "db").fails().says("its ResourceQuota is not in force yet");
    shows(
        &installation.known("john"),
        "db",
        "its ResourceQuota is not in force yet: kube-controller-manager has to see it",
    );
    installation.plane.controller_manager.resume();
    installation.known("john").cmp(&["create", "cluster", "db", "--cpu", "1", "--memory", "1Gi", "--count", "2"]).ok();

    // kube-controller-manager counts the kinds that it knows. It learns of a new kind at its next discovery, and counts a
    // ResourceQuota that is there already at its next resync, five minutes later. A new ResourceQuota is counted at once.
    let kind = "count/virtualmachineinstances.kubevirt.io";
    let machine = json!({ "type": "vm", "count": 1, "size": { "cpu": "1", "memory": "1Gi" } }).to_string();
    installation.known("john").patch(&json!({ "want.dev": machine, "want.old": machine })).ok();
    for name in ["dev", "old"] {
        shows(&installation.known("john"), name, &format!("kube-controller-manager has to count {kind}"));
    }
    let admin = |arguments: &[&str]| installation.plane.admin(arguments);
    let quota = || admin(&["get", "resourcequota", "cmp", "-n", "dev-ns", "-o", "jsonpath={.metadata.uid}"]).stdout;
    let first = quota();
    let version = json!({ "name": "v1", "served": true, "storage": true,
        "schema": { "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } } });
    let definition = json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "virtualmachineinstances.kubevirt.io" },
        "spec": { "group": "kubevirt.io", "scope": "Namespaced", "versions": [version],
            "names": { "kind": "VirtualMachineInstance", "plural": "virtualmachineinstances" } } });
    installation.plane.admin_reading(&["create", "-f", "-"], &definition.to_string()).ok();
    installation.known("john").cmp(&["delete", "cluster", "old", "--yes"]).ok();
    is_gone(&installation.known("john"), "old");
    installation.known("john").account_is("cmp-webhook has written another one, which is counted", |account| {
        account["blocked.dev"].is_null() && held(account, "dev").is_some_and(|held| held["state"] == "ready")
    });
    let last = quota();
    assert!(!first.is_empty() && !last.is_empty() && first != last, "{first:?} {last:?}");

    // No replica runs, so that a want is not held. Without the configuration the API server accepts the want.
    installation.plane.admin(&["delete", "validatingwebhookconfiguration", "cmp-webhook"]).ok();
    installation.stop();
    create(&installation.known("john"), "late")
        .fails()
        .says("nothing is held for it yet")
        .says("is cmp-webhook running?");
}

/// kube-controller-manager pauses twice as long after each failure, and counts a new ResourceQuota at once.
#[test]
fn a_resource_quota_whose_status_cannot_be_written_is_written_anew() {
    let user = shared().user("4", "8Gi");
    let web = user.cluster("web");
    let ns = format!("{web}-ns");
    let site = SitePolicy::against_counts(&user, &ns);
    user.cmp(&["create", "cluster", &web, "--cpu", "1", "--memory", "1Gi", "--timeout", "8s"])
        .fails()
        .says("kube-controller-manager has to see it");
    let uid = || user.admin(&["get", "resourcequota", "cmp", "-n", &ns, "-o", "jsonpath={.metadata.uid}"]).ok().stdout;
    let first = uid();
    eventually("another one was written", SOON, || {
        let now = user.admin(&["get", "resourcequota", "cmp", "-n", &ns, "-o", "jsonpath={.metadata.uid}"]);
        if now.code == 0 && now.stdout != first { Ok(()) } else { Err(now.to_string()) }
    });
    drop(site);
    user.cmp(&["create", "cluster", &web, "--cpu", "1", "--memory", "1Gi", "--wait", "--timeout", "120s"]).ok();
}

#[test]
fn invalid_names_are_refused() {
    let user = shared().user("4", "8Gi");
    let key = format!("want.{}", user.cluster("t"));
    let with = |field: &str, value: &str| {
        let mut want: Value = serde_json::from_str(&want(1, "1", "1Gi")).unwrap();
        want[field] = json!(value);
        user.patch(&json!({ key.clone(): want.to_string() }))
    };
    for template in ["../../h-ns/configmaps/x", "a b", "", "\u{1b}[2J", "a?b=c", "a/b", "."] {
        with("template", template).fails().says("is not the name of a template");
    }
    for image in ["", "a b", "\u{1b}[31mred", "a\nb"] {
        with("image", image).fails().says("is not a reference of an image");
    }
    for raw in [
        r#"["container",1,{"cpu":"1","memory":"1Gi"}]"#,
        r#"{"type":"container","count":1,"size":{"cpu":"1","cpu":"2","memory":"1Gi"}}"#,
        "{",
    ] {
        user.patch(&json!({ key.clone(): raw })).fails().says("is not readable");
    }
    assert!(user.account()[key].is_null());
}

/// A state of an entry before the deletion of its cluster, with an obstacle outside of the entry.
struct Cell {
    /// The name of the cluster, and the base of its user's name.
    name: &'static str,
    /// Direct writes to the account: the prefix of the key, and the new value from the old one.
    broken: &'static [Break],
    /// Whether the deletion of its Namespace hangs.
    hangs: bool,
    /// Whether its Namespace is deleted while no controller runs.
    lost: bool,
}

type Break = (&'static str, fn(&str) -> Value);

const PLAIN: Cell = Cell { name: "", broken: &[], hangs: false, lost: false };

fn more(old: &str) -> Value {
    Value::from(old.replacen("\"count\":1", "\"count\":40", 1))
}

fn newer(old: &str) -> Value {
    Value::from(old.replacen('{', r#"{"expires":"2027-01-01T00:00:00Z","#, 1))
}

fn newest(old: &str) -> Value {
    let held: Value = serde_json::from_str(old).expect("it is held");
    Value::from(json!({ "format": 2, "uid": held["uid"], "looks": "different" }).to_string())
}

const CELLS: [Cell; 15] = [
    Cell { name: "whole", ..PLAIN },
    Cell { name: "hangs", hangs: true, ..PLAIN },
    Cell { name: "lost", lost: true, ..PLAIN },
    Cell { name: "large", broken: &[("want", more)], ..PLAIN },
    Cell { name: "large-hangs", broken: &[("want", more)], hangs: true, ..PLAIN },
    Cell { name: "want-damaged", broken: &[("want", |_| Value::from("{"))], ..PLAIN },
    Cell { name: "want-lost", broken: &[("want", |_| Value::Null)], ..PLAIN },
    Cell { name: "held-damaged", broken: &[("held", |_| Value::from("[]"))], ..PLAIN },
    Cell { name: "both-damaged", broken: &[("want", |_| Value::from("")), ("held", |_| Value::from("x"))], ..PLAIN },
    Cell { name: "held-damaged-lost", broken: &[("held", |_| Value::from("[]"))], lost: true, ..PLAIN },
    Cell { name: "refused-damaged", broken: &[("refused", |_| Value::from("no"))], ..PLAIN },
    Cell { name: "want-newer", broken: &[("want", newer)], ..PLAIN },
    Cell { name: "want-newer-hangs", broken: &[("want", newer)], hangs: true, ..PLAIN },
    Cell { name: "held-newest", broken: &[("held", newest)], ..PLAIN },
    Cell { name: "want-newest-lost", broken: &[("want", |_| Value::from(r#"{"format":2}"#))], lost: true, ..PLAIN },
];

/// Returns the name of a cell's user.
fn user_of(cell: &Cell) -> String {
    format!("u-{}", cell.name)
}

/// Runs the work on all cells, five at a time.
fn each(work: impl Fn(&Cell) + Sync) {
    for some in CELLS.chunks(5) {
        thread::scope(|scope| {
            for cell in some {
                scope.spawn(|| work(cell));
            }
        });
    }
}

/// Combines every state of an entry with every kind of outside obstacle. No verb hangs, the reason is shown, and a
/// deletion always succeeds.
#[test]
fn every_state_of_an_entry_has_a_way_out() {
    let mut installation = Installation::start(1, "1s");
    each(|cell| {
        let user = installation.user_named(&user_of(cell), "4", "8Gi");
        user.running(cell.name, 1, "1m", "1Mi");
    });
    let url = installation.asked();

    // No webhook, no controller and no policy restricts the following writes.
    installation.stop();
    let plane = &installation.plane;
    plane.admin(&["delete", "validatingwebhookconfiguration", "cmp-webhook"]).ok();
    plane.admin(&["delete", "validatingadmissionpolicybinding", "cmp-accounts"]).ok();
    each(|cell| {
        let user = installation.known(&user_of(cell));
        let ns = format!("{}-ns", cell.name);
        if cell.hangs {
            hold_up(&user, &ns);
        }
        if cell.lost {
            plane.admin(&["delete", "namespace", &ns]).ok();
        }
        for (prefix, change) in cell.broken {
            let key = format!("{prefix}.{}", cell.name);
            let new = change(user.account()[&key].as_str().unwrap_or_default());
            let patch = json!({ "data": { key: new } }).to_string();
            let patch = ["patch", "configmap", &user.name, "-n", "cmp-users", "--type=merge", "-p", &patch];
            eventually("the policy is gone", SOON, || {
                let tried = plane.admin(&patch);
                if tried.code == 0 { Ok(()) } else { Err(tried.to_string()) }
            });
        }
    });
    plane.admin(&["cmp", "install", "--webhook-url", &url]).ok();
    installation.restart();

    each(|cell| {
        let (user, name) = (installation.known(&user_of(cell)), cell.name);
        // Each command ends with an output, whether it can succeed or not.
        for verb in [
            ["suspend", "cluster", name].as_slice(),
            &["resume", "cluster", name],
            &["scale", "cluster", name, "--count", "1", "--yes"],
            &["resize", "cluster", name, "--cpu", "1m", "--yes"],
            &["get", "cluster", name, "-o", "wide"],
            &["describe", "cluster", name],
        ] {
            let said = user.cmp(verb);
            assert!(said.code == 0 || (said.code == 1 && said.stderr.contains("rror")), "{said}");
        }
        let is_newer = cell.broken.iter().any(|(_, change)| {
            let changed = change(r#"{"uid":"u","count":1}"#);
            changed.as_str().is_some_and(|text| text.contains("expires") || text.contains("format"))
        });
        if is_newer {
            shows(&user, name, "upgrade kubectl-cmp");
        }
        let deleted = user.cmp(&["delete", "cluster", name, "--yes"]);
        if !(cell.lost && deleted.stderr.contains("not found")) {
            deleted.ok();
        }
        if cell.hangs {
            if !is_newer {
                shows(&user, name, "example.com/held in 1 resource instances");
            }
            let_go(&user, &format!("{name}-ns"));
        }
        is_gone(&user, name);
        assert_eq!(user.cmp(&["quota", "-o", "json"]).ok().json()["used_cpu"], 0);
        user.admin(&["cmp", "delete", "user", &user.name, "--cascade", "--yes"]).ok();
        nothing_is_left(&user);
    });
}
