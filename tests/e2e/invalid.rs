//! Pods that Kubernetes calls invalid: they are refused before anything is charged, and the corrected command works.

use serde_json::{Value, json};

use crate::site::SitePolicy;
use crate::support::{held, shared, shows, want};

/// An annotation that core does not judge and that the API server calls invalid.
const REFUSED_LATER: &str = r#"{"metadata":{"annotations":{"controller.kubernetes.io/pod-deletion-cost":"high"}}}"#;

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
fn a_want_without_instances_is_corrected_by_the_same_command() {
    let user = shared().user("4", "4Gi");
    let name = user.cluster("web");
    let create = |more: &[&str]| user.cmp(&[&["create", "cluster", &name, "--memory", "1Gi"], more].concat());
    // The API server refuses the instances though the want stands.
    create(&["--cpu", "1", "--count", "2", "--patch", REFUSED_LATER]).fails().says("pod-deletion-cost").says(&format!(
        "hint: correct the command and repeat it, or give the quota back: kubectl cmp delete cluster {name}"
    ));
    let reason = "2 of 2 instances are not created yet: repeat the command, or correct it";
    user.cmp(&["get", "clusters", "-o", "wide"]).ok().says(reason);
    // Another size and another number of instances are part of the correction, within the quota.
    create(&["--cpu", "3", "--count", "2"]).fails().says("exceeded quota: ");
    create(&["--cpu", "2", "--count", "2", "--wait"]).ok().says(&format!("cluster/{name} created"));
    let account = user.account();
    let wanted: Value = serde_json::from_str(account[format!("want.{name}")].as_str().unwrap()).unwrap();
    assert_eq!((wanted["size"]["cpu"].as_str(), wanted["patch"].is_null()), (Some("2"), true), "{wanted}");
    assert_eq!(held(&account, &name).unwrap()["size"]["cpu"], "2");
    // Since there are instances, a different command is an error.
    create(&["--cpu", "1", "--count", "2"]).fails().says("exists and is different");
    // A want that was written and not carried out is corrected as well.
    let second = user.cluster("db");
    user.cmp(&["delete", "cluster", &name, "--yes", "--wait"]).ok();
    user.patch(&json!({ format!("want.{second}"): want(1, "1", "1Gi") })).ok();
    user.account_is("it is ready", |account| held(account, &second).is_some_and(|held| held["state"] == "ready"));
    let corrected = ["create", "cluster", &second, "--cpu", "1", "--memory", "1Gi", "--image", "nginx", "--wait"];
    user.cmp(&corrected).ok().says(&format!("cluster/{second} created"));
    user.cmp(&["get", "instances", "-o", "wide"]).ok().says("nginx");
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

#[test]
fn a_policy_of_the_site_that_denies_the_first_instance_leaves_no_other_one() {
    let user = shared().user("8", "8Gi");
    let name = user.cluster("web");
    let image = format!("untrusted/{name}");
    let labels = json!({ "app": "probe" });
    let probe = json!({ "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": { "name": format!("{name}-0"), "namespace": "default" },
        "spec": { "selector": { "matchLabels": labels }, "template": { "metadata": { "labels": labels },
            "spec": { "containers": [{ "name": "instance", "image": image }] } } } });
    let policy =
        SitePolicy::against_image(&user, ("apps", "statefulsets"), "object.spec.template.spec", &image, &probe);
    let create = |cpu: &str, more: &[&str]| {
        let command = ["create", "cluster", &name, "--memory", "1Gi", "--count", "2", "--cpu", cpu];
        user.cmp(&[&command, more].concat())
    };
    let used = || user.cmp(&["quota", "-o", "json"]).ok().json()["used_cpu"].clone();
    let hint =
        format!("hint: correct the command and repeat it, or give the quota back: kubectl cmp delete cluster {name}");
    // The policy would allow the second instance.
    create("1", &["--image", &image, "--wait"]).fails().says(&policy.refusal()).says(&hint);
    let sets = user.kubectl(&["get", "statefulsets", "-n", &format!("{name}-ns"), "-o", "name"]).ok();
    assert_eq!(sets.stdout, "", "{sets}");
    shows(&user, &name, "2 of 2 instances are not created yet: repeat the command, or correct it");
    // A correction that is refused as well changes nothing and charges nothing more.
    let before = user.account();
    create("2", &["--image", &image, "--port", "80"]).fails().says(&policy.refusal()).says(&hint);
    for same in [&["--image", image.as_str()][..], &["--image", &image, "--port", "80"]] {
        create("1", &[same, &["--dry-run=server"]].concat()).fails().says(&policy.refusal()).says(&hint);
    }
    create("1", &["--image", "nginx", "--dry-run=server"]).ok().says("created (server dry run)");
    let key = format!("want.{name}");
    assert_eq!((&user.account()[&key], used()), (&before[&key], 2.into()));
    // The way out that the hint names.
    user.cmp(&["delete", "cluster", &name, "--yes", "--wait"]).ok();
    assert_eq!(used(), 0);
    // A corrected command is the other one.
    create("1", &["--image", &image]).fails().says(&policy.refusal());
    create("2", &["--image", "nginx", "--wait"]).ok().says(&format!("cluster/{name} created"));
    drop(policy);
}

#[test]
fn a_policy_of_the_site_that_denies_the_pods_is_the_reason() {
    let user = shared().user("8", "8Gi");
    let name = user.cluster("web");
    let image = format!("untrusted/{name}");
    let probe = json!({ "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": format!("{name}-0"), "namespace": "default" },
        "spec": { "containers": [{ "name": "instance", "image": image }] } });
    let policy = SitePolicy::against_image(&user, ("", "pods"), "object.spec", &image, &probe);
    let create = ["create", "cluster", &name, "--cpu", "1", "--memory", "1Gi", "--count", "2", "--image", &image];
    user.cmp(&create).ok();
    shows(&user, &name, &policy.name);
    user.cmp(&[create.as_slice(), &["--wait", "--timeout", "1s"]].concat())
        .fails()
        .says("instances run after 1 s")
        .says(&policy.refusal());
    user.cmp(&["delete", "cluster", &name, "--yes", "--wait"]).ok();
    assert_eq!(user.cmp(&["quota", "-o", "json"]).ok().json()["used_cpu"], 0);
    drop(policy);
}
