//! Pods that Kubernetes calls invalid: they are refused before anything is charged, and the corrected command works.

use serde_json::{Value, json};

use crate::support::shared;

fn add(path: &str, value: &Value) -> String {
    json!([{ "op": "add", "path": path, "value": value }]).to_string()
}

#[test]
fn an_invalid_pod_charges_nothing_and_the_corrected_command_works() {
    let user = shared().user("4", "4Gi");
    let name = user.cluster("web");
    let create = |more: &[&str]| {
        let command = ["create", "cluster", &name, "--cpu", "2", "--memory", "1Gi", "--count", "2"];
        user.cmp(&[&command, more].concat())
    };
    let beside =
        json!({ "name": "instance", "image": "x", "resources": { "limits": { "cpu": "1", "memory": "64Mi" } } });
    let ports = |name: &str| json!([{ "name": name, "containerPort": 80 }, { "name": name, "containerPort": 81 }]);
    for (patch, says) in [
        (
            add("/spec/containers/0/ports", &json!([{ "containerPort": 99999 }])),
            "spec.containers[0].ports[0].containerPort: Invalid value: 99999: must be between 1 and 65535",
        ),
        (add("/spec/containers/-", &beside), "spec.containers[1].name: Duplicate value: \"instance\""),
        (
            add("/spec/containers/0/volumeMounts", &json!([{ "name": "data", "mountPath": "/data" }])),
            "spec.containers[0].volumeMounts[0].name: Not found: \"data\"",
        ),
        (
            add("/spec/containers/0/env", &json!([{ "name": "A=B", "value": "1" }])),
            "spec.containers[0].env[0].name: Invalid value: \"A=B\"",
        ),
        (json!({ "metadata": { "labels": { "a b": "c" } } }).to_string(), "metadata.labels: Invalid value: \"a b\""),
        (json!({ "metadata": { "labels": { "a": "b c" } } }).to_string(), "metadata.labels.a: Invalid value: \"b c\""),
        (add("/spec/containers/0/ports", &ports("web")), "ports[1].name: Duplicate value: \"web\""),
        (add("/spec/containers/0/imagePullPolicy", &json!("always")), "imagePullPolicy: Unsupported value: \"always\""),
    ] {
        for dry_run in [&[][..], &["--dry-run=server"], &["--dry-run=client"]] {
            create(&[&["--patch", patch.as_str()], dry_run].concat()).fails().says("--patch: ").says(says);
        }
    }
    create(&["--image", "bad:::img"]).fails().says("error: Invalid image name \"bad:::img\": invalid reference format");
    let account = user.account();
    assert!(account[format!("want.{name}")].is_null() && account[format!("held.{name}")].is_null(), "{account}");
    assert_eq!(user.cmp(&["quota", "-o", "json"]).ok().json()["used_cpu"], 0);
    create(&["--patch", &add("/spec/containers/0/ports", &json!([{ "containerPort": 9999 }])), "--wait"])
        .ok()
        .says(&format!("cluster/{name} created"));
}

#[test]
fn a_repeated_create_does_not_wait_for_an_instance_that_its_user_stopped() {
    let user = shared().user("4", "4Gi");
    let name = user.cluster("web");
    let create =
        ["create", "cluster", &name, "--cpu", "1", "--memory", "1Gi", "--count", "2", "--wait", "--timeout", "60s"];
    user.cmp(&create).ok();
    user.cmp(&["stop", "instance", &format!("{name}-1")]).ok();
    user.cmp(&create).ok().says(&format!("cluster/{name} unchanged"));
}
