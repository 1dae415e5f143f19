//! How instances look: what is said of them, patches, and what neither can do.

use cmp_tests::shell::kubectl_reading;
use serde_json::{Value, json};

use crate::support::{account_is, held, running, shared};

const SIZE: [&str; 4] = ["--cpu", "1", "--memory", "1Gi"];

#[test]
fn what_is_said_of_instances_is_in_their_pods_and_stays() {
    let user = shared().user("8", "8Gi");
    let name = user.cluster("web");
    let create = |more: &[&str]| user.cmp(&[&["create", "cluster", &name][..], &SIZE, more].concat());
    let patch = r#"{"spec":{"terminationGracePeriodSeconds":5,"nodeSelector":null}}"#;
    let said =
        ["--image", "nginx", "--env", "B=1", "--env", "A=$(B)", "--port", "80", "--patch", patch, "--", "-g", "off"];
    create(&said).ok().says("created");
    create(&said).ok().says("unchanged");
    let pod = |index: u32| {
        let set = user.kubectl(&[
            "get",
            "statefulset",
            &format!("{name}-{index}"),
            "-n",
            &format!("{name}-ns"),
            "-o",
            "json",
        ]);
        set.ok().json()["spec"]["template"]["spec"].clone()
    };
    let first = pod(0);
    let main = &first["containers"][0];
    assert_eq!(
        (&main["image"], &main["args"], &main["command"], &first["terminationGracePeriodSeconds"]),
        (&json!("nginx"), &json!(["-g", "off"]), &Value::Null, &json!(5))
    );
    assert_eq!(main["env"], json!([{ "name": "B", "value": "1" }, { "name": "A", "value": "$(B)" }]));
    assert_eq!(main["ports"][0]["containerPort"], 80);
    // Who grows it later, says nothing of all this again.
    user.cmp(&["scale", "cluster", &name, "--count", "2"]).ok();
    let second = pod(1);
    assert_eq!(second, first);
    let shown = user.cmp(&["get", "cluster", &name, "-o", "json"]).ok().json()["spec"].clone();
    assert_eq!((&shown["ports"], &shown["args"]), (&json!([80]), &json!(["-g", "off"])));
    assert_eq!(shown["patch"], serde_json::from_str::<Value>(patch).unwrap(), "with its nulls");
    let other = [&said[..2], &["--env", "B=2"], &said[6..]].concat();
    create(&other).fails().says("exists and is different: ").says("env is [").says("count is 2, asked for is 1");
}

#[test]
fn a_command_comes_instead_of_the_images_own() {
    let user = shared().user("8", "8Gi");
    let name = user.cluster("job");
    let create = |more: &[&str]| user.cmp(&[&["create", "cluster", &name][..], &SIZE, more].concat());
    create(&["--command"]).fails().says("--command: there is no command");
    create(&["--command", "--", "sleep", "9"]).ok();
    let command = "jsonpath={.spec.template.spec.containers[0].command}";
    let shown = user.kubectl(&["get", "statefulset", &format!("{name}-0"), "-n", &format!("{name}-ns"), "-o", command]);
    assert_eq!(shown.ok().stdout, r#"["sleep","9"]"#);
}

#[test]
fn a_patch_is_refused_before_anything_is_asked_for() {
    let user = shared().user("8", "8Gi");
    let name = user.cluster("web");
    let folder = std::env::temp_dir().join(format!("cmp-patch-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("patch.yaml");
    std::fs::write(
        &file,
        "- op: add\n  path: /spec/hostUsers\n  value: false\n- op: add\n  path: /spec/hostPID\n  value: true\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    let create = |more: &[&str]| user.cmp(&[&["create", "cluster", &name][..], &SIZE, more].concat());
    for (patch, says) in [
        (r#"{"spec":{"replicas":3}}"#, "error: --patch: spec.replicas is no field of a Pod"),
        (r#"{"spec":{"serviceAccountName":"admin"}}"#, "spec.serviceAccountName is not for instances"),
        (
            r#"{"spec":{"volumes":[{"name":"a","hostPath":{"path":"/"}}]}}"#,
            "spec.volumes[0].hostPath is not for instances",
        ),
        (file, "operation 2: spec.hostPID is not for instances"),
        ("no-such-file.yaml", "--patch no-such-file.yaml: No such file"),
        (r#"{"spec":"#, "error: --patch: "),
        ("[1, 2", "error: --patch: "),
        ("/dev/null", "--patch /dev/null: "),
    ] {
        create(&["--patch", patch]).fails().says(says);
    }
    std::fs::remove_dir_all(&folder).unwrap();
    for (more, says) in [
        (["--env", "A"], "has no value: use a form such as MODE=fast"),
        (["--env", "1=2"], "is not the name of a variable"),
        (["--port", "http"], "is not a port"),
    ] {
        create(&more).fails().says(says);
    }
    create(&["--env", "A=1", "--env", "A=2"]).fails().says("--env A is given twice");
    create(&["--type", "vm", "--env", "A=1"]).fails().says("--env is for containers");
    let long = "x".repeat(9000);
    create(&["--env", &format!("A={long}")]).fails().says("where 8192 are the most");
    assert!(user.account()[format!("want.{name}")].is_null(), "nothing was asked for");
    // Past the plugin it is the webhook that says so.
    let want = json!({ "type": "container", "count": 1, "size": { "cpu": "1", "memory": "1Gi" }, "patch": "x" });
    user.patch(&json!({ format!("want.{name}"): want.to_string() })).fails().says("patch must be a list");
    user.cmp(&["get", "cluster", &name]).fails().says("not found");
}

#[test]
fn a_disk_outlives_a_stop_and_goes_with_its_instance() {
    let user = shared().user("8", "8Gi");
    let name = user.cluster("db");
    let ns = format!("{name}-ns");
    let create = |more: &[&str]| user.cmp(&[&["create", "cluster", &name, "--count", "2"][..], &SIZE, more].concat());
    create(&["--disk", "1Gi"]).fails().says("storage is not in the quota of").says("which names cpu, memory");
    user.admin(&["cmp", "set", "quota", &user.name, "--resource", "storage=2Gi"]).ok();
    create(&["--disk", "2Gi"]).fails().says("requested: storage=4Gi, used: storage=0, limited: storage=2Gi");
    create(&["--disk", "1Gi", "--resource", "storage=1Gi"]).fails().says("both say how much storage");
    create(&["--disk", "10"]).fails().says("did you mean 10Gi?");
    create(&["--disk", "1Gi:data"]).fails().says("is not where a disk can be mounted");
    create(&["--disk", "1Gi", "--type", "vm"]).fails().says("--disk is for containers");
    // What a provisioner would make; there is none here.
    for index in 0..2 {
        let volume = json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": format!("{name}-{index}") },
            "spec": {
                "capacity": { "storage": "1Gi" }, "accessModes": ["ReadWriteOnce"], "storageClassName": "",
                "persistentVolumeReclaimPolicy": "Retain", "hostPath": { "path": "/tmp/nowhere" },
                "claimRef": { "namespace": ns, "name": format!("disk-{name}-{index}-0") },
            },
        });
        shared().plane.admin_reading(&["create", "-f", "-"], &volume.to_string()).ok();
    }
    create(&["--disk", "1Gi:/var/lib/db", "--wait"]).ok().says("created");
    let claims = || {
        let what = "jsonpath={range .items[*]}{.metadata.name}={.status.phase}={.metadata.uid} {end}";
        user.kubectl(&["get", "pvc", "-n", &ns, "-o", what]).ok().stdout
    };
    let before = claims();
    assert!(before.contains(&format!("disk-{name}-0-0=Bound=")), "{before}");
    let mounts = "jsonpath={.spec.template.spec.containers[0].volumeMounts[*].mountPath}";
    let mounted = user.kubectl(&["get", "statefulset", &format!("{name}-0"), "-n", &ns, "-o", mounts]).ok();
    assert_eq!(mounted.stdout, "/var/lib/db");
    user.cmp(&["quota", "-o", "json"]).ok().says(r#""storage""#);
    user.cmp(&["resize", "cluster", &name, "--resource", "storage=2Gi"]).fails().says("keep their size");
    user.cmp(&["suspend", "cluster", &name, "--wait"]).ok();
    assert_eq!(claims(), before, "suspended, the disks stay");
    user.cmp(&["resume", "cluster", &name, "--wait"]).ok();
    user.cmp(&["stop", "instance", &format!("{name}-1"), "--wait"]).ok();
    assert_eq!(claims(), before, "stopped, they stay");
    user.cmp(&["scale", "cluster", &name, "--count", "1", "--yes"]).ok();
    account_is(&user, "the disk went with its instance, and its quota came back", |account| {
        held(account, &name).is_some_and(|held| held["count"] == 1 && held["state"] == "ready")
    });
    assert_eq!(claims(), before.split_inclusive(' ').next().unwrap());
    user.cmp(&["delete", "cluster", &name, "--yes", "--wait"]).ok();
    user.admin(&["delete", "pv", &format!("{name}-0"), &format!("{name}-1"), "--wait=false"]).ok();
}

/// Core refuses what the API server refuses, and the API server refuses it all the same.
#[test]
fn what_core_refuses_in_a_pod_the_api_server_refuses_too() {
    let user = shared().user("2", "2Gi");
    let name = running(&user, "web", 1, "1", "1Gi");
    let ns = format!("{name}-ns");
    let mut set = user.kubectl(&["get", "statefulset", &format!("{name}-0"), "-n", &ns, "-o", "json"]).ok().json();
    let template = set["spec"]["template"].clone();
    let rows: Vec<Value> = serde_json::from_str(include_str!("../../core/tests/vectors/pods-refused.json")).unwrap();
    let (mut by_policy, mut by_pod_security, mut differ) = (0, 0, Vec::new());
    for row in rows {
        let mut patched = template.clone();
        match &row["patch"] {
            Value::Array(_) => {
                let Ok(patch) = serde_json::from_value::<json_patch::Patch>(row["patch"].clone()) else { continue };
                if json_patch::patch(&mut patched, &patch).is_err() {
                    continue;
                }
            }
            merge => json_patch::merge(&mut patched, merge),
        }
        if let Some(says) = row["policy"].as_str() {
            set["spec"]["template"] = patched.clone();
            let made = kubectl_reading(&user.kubeconfig, &["replace", "--dry-run=server", "-f", "-"], &set.to_string());
            differ.extend((!made.stderr.contains(says)).then(|| format!("{says}\n{made}")));
            by_policy += 1;
        }
        if let Some(says) = row["podSecurity"].as_str() {
            let metadata = json!({ "name": "x", "namespace": ns, "annotations": patched["metadata"]["annotations"] });
            let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": patched["spec"] });
            let made = shared().plane.admin_reading(&["create", "--dry-run=server", "-f", "-"], &pod.to_string());
            let refused = made.stderr.contains("violates PodSecurity") && made.stderr.contains(says);
            differ.extend((!refused).then(|| format!("{says}\n{made}")));
            by_pod_security += 1;
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    assert!(by_policy >= 17 && by_pod_security >= 15, "{by_policy}, {by_pod_security}");
    account_is(&user, "all is as it was", |account| held(account, &name).is_some_and(|held| held["state"] == "ready"));
}
