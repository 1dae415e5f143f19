//! Texts of others are shown, but no terminal obeys them, in any command and any output format.

use cmp_tests::process::Folder;
use cmp_tests::{Output, World};
use serde_json::{Value, json};

use crate::support::{running, shared};

/// Clears the screen, rings the bell, overwrites the line, and starts a forged row.
const HOSTILE: &str = "\u{1b}[31mRED\u{1b}[2J\u{7}\rX\nFORGED row\ttab\u{9b}2J\u{7f}\u{202e}";

/// Asserts that the output has no control characters, and no forged line.
#[track_caller]
fn tame(said: &Output) {
    for text in [&said.stdout, &said.stderr] {
        // CSV ends its lines with `\r\n`.
        let text = text.replace("\r\n", "\n");
        let controls: Vec<char> = text.chars().filter(|letter| letter.is_control() && *letter != '\n').collect();
        assert!(controls.is_empty(), "{controls:?} in\n{text:?}\nof {said}");
        assert!(!text.lines().any(|line| line.trim_start().starts_with("FORGED")), "{said}");
    }
}

/// Creates a cluster of a user with hostile texts everywhere. Bypasses the plugin where it would refuse them.
fn hostile(user: &World<'_>) -> String {
    let web = running(user, "web", 1, "1", "1Gi");
    let (ns, instance) = (format!("{web}-ns"), format!("{web}-0"));
    user.cmp(&["suspend", "cluster", &web, "--reason", HOSTILE]).ok();
    let patch = json!({
        "metadata": { "annotations": { "kubectl-cmp.dev/suspended-by": HOSTILE, "note": HOSTILE } },
        "spec": { "template": { "spec": { "containers": [{ "name": "instance", "image": HOSTILE }] } } },
    });
    let patch = ["patch", "statefulset", &instance, "-n", &ns, "--type=strategic", "-p", &patch.to_string()];
    user.kubectl(&patch).ok();
    let mut want: Value = serde_json::from_str(user.account()[format!("want.{web}")].as_str().unwrap()).unwrap();
    want["env"] = json!([{ "name": "A", "value": HOSTILE }]);
    user.patch(&json!({ format!("want.{web}"): want.to_string() })).ok();
    for (at, (kind, name)) in [("StatefulSet", instance.as_str()), (HOSTILE, HOSTILE)].into_iter().enumerate() {
        let event = json!({
            "apiVersion": "v1", "kind": "Event", "metadata": { "name": format!("forged-{at}"), "namespace": ns },
            "involvedObject": { "kind": kind, "name": name, "namespace": ns },
            "type": HOSTILE, "reason": HOSTILE, "message": HOSTILE, "source": { "component": HOSTILE },
            "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z", "count": 1,
        });
        user.installation.plane.admin_reading(&["create", "-f", "-"], &event.to_string()).ok();
    }
    web
}

#[test]
fn every_command_escapes_texts_of_others() {
    let user = shared().user("4", "8Gi");
    let web = hostile(&user);
    let instance = format!("{web}-0");
    let reason = "^[[31mRED^[[2J^G\\rX\\nFORGED row\\ttab\\u009b2J^?\\u202e";
    let folder = Folder::new();
    let db = folder.path().join("mirror.db").display().to_string();
    let columns =
        "custom-columns=A:.metadata.name,B:.status.reason,C:.spec.image,D:.status.suspension.by,E:.message,F:.spec";

    let shown: &[&[&str]] = &[
        &["get", "clusters", "-o", "wide"],
        &["get", "cluster", &web, "-o", columns],
        &["get", "instances", "-o", "wide"],
        &["get", "instance", &instance, "-o", "wide"],
        &["get", "instance", &instance, "-o", columns],
        &["describe", "cluster", &web],
        &["describe", "instance", &instance],
        &["events", &web],
        &["events", &web, "-o", "wide"],
        &["events", &web, "-o", columns],
    ];
    for arguments in shown {
        let said = user.cmp(arguments).ok();
        assert!(said.stdout.contains(reason), "{said}");
        tame(&said);
        // Without a name the output shows an administrator the owner of each object.
        tame(&user.admin(&[&["cmp"], *arguments].concat()));
    }

    let others: &[&[&str]] = &[
        &["get", "clusters", "-A", "-o", "wide"],
        &["get", "clusters", "--sort-by", ".status.reason", "--owner", &user.name],
        &["get", "users", "-o", "wide"],
        &["get", "templates", "-o", "wide"],
        &["get", "schedules", "-A", "-o", "wide"],
        &["get", "tokens", &user.name],
        &["describe", "user", &user.name],
        &["quota", &user.name],
        &["version"],
        &["check"],
        &["export", "cluster", &web],
        &["mirror", "--db", &db],
        &["report", "--db", &db],
        &["report", "--db", &db, "-o", "csv", "--by", "cluster"],
        &["report", "--db", &db, "-o", "html"],
        &["report", "--db", &db, "-o", "json"],
    ];
    for arguments in others {
        tame(&user.admin(&[&["cmp"], *arguments].concat()));
    }

    // Errors with the user's input and the server's answer.
    let wrong: &[&[&str]] = &[
        &["get", "cluster", HOSTILE],
        &[HOSTILE],
        &["get", HOSTILE],
        &["get", "clusters", "-o", HOSTILE],
        &["get", "clusters", "-o", &format!("jsonpath={{{HOSTILE}")],
        &["get", "clusters", "--sort-by", HOSTILE],
        &["get", "clusters", "-l", HOSTILE],
        &["get", "clusters", "-n", HOSTILE],
        &["get", "clusters", "--context", HOSTILE],
        &["get", "clusters", "--kubeconfig", HOSTILE],
        &["get", "clusters", "--as", HOSTILE],
        &["create", "-f", HOSTILE],
        &["create", "cluster", "x", "--cpu", HOSTILE, "--memory", "1Gi"],
        &["create", "cluster", "x", "--cpu", "1", "--memory", "1Gi", "--template", HOSTILE],
        &["create", "cluster", "x", "--cpu", "1", "--memory", "1Gi", "--patch", HOSTILE],
        &["create", "cluster", &web, "--cpu", "1", "--memory", "1Gi"],
        &["delete", "token", &user.name, HOSTILE],
        &["report", "--db", HOSTILE],
    ];
    for arguments in wrong {
        let said = user.cmp(arguments).fails();
        tame(&said);
        assert!(said.stderr.lines().all(|line| !line.is_empty()), "{said}");
    }
    for object in [
        json!({ "apiVersion": HOSTILE, "kind": HOSTILE }),
        json!({ "apiVersion": "kubectl-cmp.dev/v1", "kind": "Cluster", "metadata": { "name": HOSTILE } }),
        json!({ "apiVersion": "kubectl-cmp.dev/v1", "kind": "Cluster", "metadata": { "name": "x" },
            "spec": { "size": { "cpu": "1", "memory": "1Gi" }, HOSTILE: 1 } }),
    ] {
        tame(&user.kubectl_reading(&["cmp", "create", "-f", "-"], &object.to_string()).fails());
    }
}

#[test]
fn escaping_does_not_change_printed_objects() {
    let user = shared().user("4", "8Gi");
    let web = hostile(&user);
    let get = |form: &str| user.cmp(&["get", "cluster", &web, "-o", form]).ok();
    let json = get("json");
    tame(&json);
    assert_eq!(json.json()["status"]["reason"], HOSTILE);
    assert_eq!(json.json()["spec"]["env"][0]["value"], HOSTILE);
    let yaml = get("yaml");
    tame(&yaml);
    assert_eq!(serde_saphyr::from_str::<Value>(&yaml.stdout).unwrap(), json.json());
    // A value keeps its line breaks, as kubectl prints it; all other control characters are escaped.
    let path = get("jsonpath={.status.reason}");
    assert_eq!(path.stdout, "^[[31mRED^[[2J^G\\rX\nFORGED row\ttab\\u009b2J^?\u{202e}");
    let path = get("jsonpath={.spec}").stdout;
    tame(&get("jsonpath={.spec}"));
    assert_eq!(serde_json::from_str::<Value>(&path).unwrap(), json.json()["spec"]);
}
