//! Snapshots of the disks of virtual machines, their restore and their charge. KubeVirt's controllers are real; the
//! snapshot controller with its driver is simulated.

use cmp_tests::kubevirt::{WITH_SNAPSHOTS, WITHOUT_SNAPSHOTS};
use cmp_tests::{Output, World, eventually};
use serde_json::{Value, json};

use crate::support::{SOON, installed, shared};

/// The annotation of a claim for snapshots that wait, fail or stay.
const WISH: &str = "tests.kubectl-cmp.dev/snapshot";

/// Creates a cluster whose root disks are of this StorageClass.
fn create(user: &World<'_>, cluster: &str, class: &str, count: &str) -> Output {
    let at = "/spec/dataVolumeTemplates/0/spec/pvc/storageClassName";
    let patch = json!([{ "op": "add", "path": at, "value": class }]).to_string();
    let size = ["--type", "vm", "--cpu", "1", "--memory", "1Gi", "--disk", "1Gi", "--patch", &patch, "--count", count];
    user.cmp(&[&["create", "cluster", cluster][..], &size, &["--wait", "--timeout", "120s"]].concat())
}

fn user_with(room: &str) -> World<'static> {
    let user = installed().user("8", "16Gi");
    let amounts = ["--resource", "storage=4Gi", "--resource", &format!("snapshot-storage={room}")];
    user.admin(&[&["cmp", "set", "quota", &user.name][..], &amounts].concat()).ok();
    user
}

/// Checks how much room for snapshots the user is charged.
fn charged(user: &World<'_>, used: &str) -> Result<(), String> {
    let quota = user.cmp(&["quota"]).ok();
    let row = quota.stdout.lines().find(|line| line.starts_with("snapshot-storage"));
    let is = row.and_then(|row| row.split_whitespace().nth(1)) == Some(used);
    if is { Ok(()) } else { Err(quota.to_string()) }
}

/// Returns the claims of a cluster: name, uid, source and owner of each.
fn claims(user: &World<'_>, ns: &str) -> Vec<Value> {
    let listed = user.kubectl(&["get", "pvc", "-n", ns, "-o", "json"]).ok().json();
    let claim = |claim: &Value| {
        let (metadata, spec) = (&claim["metadata"], &claim["spec"]);
        json!([metadata["name"], metadata["uid"], spec["dataSource"]["name"], metadata["ownerReferences"][0]["kind"]])
    };
    listed["items"].as_array().unwrap().iter().map(claim).collect()
}

/// Checks that nothing of snapshots is left in a Namespace.
fn nothing_left(ns: &str) -> Result<(), String> {
    let kinds = "virtualmachinesnapshots,virtualmachinesnapshotcontents,virtualmachinerestores,volumesnapshots";
    let left = shared().admin(&["get", kinds, "-n", ns, "-o", "name"]).ok();
    let contents = shared().admin(&["get", "volumesnapshotcontents", "-o", "json"]).ok().json();
    let of = |content: &&Value| content["spec"]["volumeSnapshotRef"]["namespace"] == ns;
    let contents = contents["items"].as_array().unwrap().iter().filter(of).count();
    if left.stdout.is_empty() && contents == 0 { Ok(()) } else { Err(format!("{left} and {contents} contents")) }
}

#[test]
fn a_snapshot_is_taken_charged_restored_and_given_back() {
    let user = user_with("4Gi");
    let dev = user.cluster("dev");
    let ns = format!("{dev}-ns");
    create(&user, &dev, WITH_SNAPSHOTS, "2").ok();
    eventually("KubeVirt has looked at the disks", SOON, || {
        let dry = user.cmp(&["snapshot", "cluster", &dev, "--name", "before", "--dry-run=client"]);
        if dry.code == 0 { Ok(dry) } else { Err(dry.to_string()) }
    })
    .says("create virtualmachinesnapshot/before-0")
    .says("snapshot/before created (dry run)");
    charged(&user, "0").unwrap();
    let take = ["snapshot", "cluster", &dev, "--name", "before", "--wait", "--timeout", "120s"];
    user.cmp(&take).ok().says("snapshot/before created");
    user.cmp(&take).ok().says("snapshot/before unchanged");
    charged(&user, "2Gi").unwrap();
    user.cmp(&["get", "snapshots"]).ok().says("before").says(&dev).says("2/2").says("ready");
    user.admin(&["cmp", "get", "snapshots", "-A", "-o", "wide"]).ok().says(&user.name).says(&ns);
    let object = user.cmp(&["get", "snapshot", "before", "-o", "json"]).ok().json();
    assert_eq!((&object["kind"], &object["status"]["ready"]), (&json!("Snapshot"), &json!(2)), "{object}");
    user.cmp(&["get", "snapshot", "never"]).fails().says("snapshot \"never\" not found");
    // The room is no difference to the request that made the cluster, and stays with another size.
    create(&user, &dev, WITH_SNAPSHOTS, "2").ok().says("unchanged");

    let before = claims(&user, &ns);
    let restore = ["restore", "cluster", &dev, "--snapshot", "before", "--yes", "--timeout", "120s"];
    user.cmp(&restore).fails().says("a VM that is on cannot be restored").says("--mode halt");
    user.cmp(&["suspend", "cluster", &dev, "--mode", "halt", "--wait", "--timeout", "120s"]).ok();
    user.cmp(&["restore", "cluster", &dev, "--snapshot", "never", "--yes"])
        .fails()
        .says("snapshot \"never\" not found");
    user.cmp(&[&restore[..5], &["--dry-run=server"]].concat()).ok().says("restored (server dry run)");
    assert_eq!(claims(&user, &ns), before, "a dry run replaces no disk");
    user.cmp(&restore).ok().says(&format!("instance/{dev}-0 restored")).says(&format!("instance/{dev}-1 restored"));
    let after = eventually("the disks have their owners", SOON, || {
        let after = claims(&user, &ns);
        if after.iter().all(|claim| claim[3].is_string()) { Ok(after) } else { Err(format!("{after:?}")) }
    });
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before[0], after[0], "the disk keeps its name");
        assert!(before[1] != after[1] && after[2].is_string(), "it is another one, from the snapshot: {after}");
        assert_eq!(after[3], "DataVolume", "it goes with its VM");
    }
    assert_eq!((before.len(), after.len()), (2, 2), "no disk is left beside it");
    user.cmp(&["resume", "cluster", &dev, "--wait", "--timeout", "120s"]).ok();

    // A snapshot of a running VM, and one of another size.
    user.cmp(&["snapshot", "cluster", &dev, "--name", "small", "--wait", "--timeout", "120s"]).ok();
    charged(&user, "4Gi").unwrap();
    user.cmp(&["snapshot", "cluster", &dev, "--name", "third"])
        .fails()
        .says("requested: snapshot-storage=2Gi, used: snapshot-storage=4Gi, limited: snapshot-storage=4Gi");
    user.cmp(&["resize", "cluster", &dev, "--memory", "2Gi", "--yes", "--timeout", "120s"]).ok();
    user.cmp(&["suspend", "cluster", &dev, "--wait", "--timeout", "120s"]).ok();
    user.cmp(&["restore", "cluster", &dev, "--snapshot", "small", "--yes"])
        .fails()
        .says("has another size than the VM has now: cpu=1,memory=1Gi");

    let delete = ["delete", "snapshot", "before", "--yes", "--wait", "--timeout", "120s"];
    user.cmp(&delete).fails().says("no cluster is named");
    user.cmp(&[&delete[..], &["--in", &dev]].concat()).ok().says("snapshot/before deleted");
    eventually("the room came back", SOON, || charged(&user, "2Gi"));
    // A cluster is deleted with its snapshots.
    user.cmp(&["delete", "cluster", &dev, "--yes", "--wait", "--timeout", "180s"]).ok();
    eventually("the rest of the room came back", SOON, || charged(&user, "0"));
    nothing_left(&ns).unwrap();
}

#[test]
fn a_snapshot_that_cannot_be_taken_says_why() {
    let user = user_with("4Gi");
    let (dev, plain) = (user.cluster("dev"), user.cluster("plain"));
    let ns = format!("{dev}-ns");
    create(&user, &plain, WITHOUT_SNAPSHOTS, "1").ok();
    eventually("KubeVirt has looked at the disk", SOON, || {
        let refused = user.cmp(&["snapshot", "cluster", &plain]);
        if refused.stderr.contains("cannot have snapshots: No VolumeSnapshotClass") {
            Ok(())
        } else {
            Err(refused.to_string())
        }
    });
    charged(&user, "0").unwrap();
    create(&user, &dev, WITH_SNAPSHOTS, "1").ok();
    let claim = format!("pvc/root-{dev}-0");
    let wish = |wish: &str| {
        drop(shared().admin(&["annotate", "--overwrite", &claim, "-n", &ns, &format!("{WISH}{wish}")]).ok())
    };
    wish("=fails");
    let take = ["snapshot", "cluster", &dev, "--name", "full"];
    eventually("KubeVirt has looked at the disk", SOON, || {
        let taken = user.cmp(&take);
        if taken.code == 0 { Ok(()) } else { Err(taken.to_string()) }
    });
    eventually("the reason is the driver's", SOON, || {
        let shown = user.cmp(&["get", "snapshots", "--in", &dev, "-o", "wide"]).ok();
        if shown.stdout.contains("no space left in the pool") { Ok(()) } else { Err(shown.to_string()) }
    });
    user.cmp(&[&take[..], &["--wait", "--timeout", "1s"]].concat()).fails().says("no space left in the pool");
    user.cmp(&["suspend", "cluster", &dev, "--wait", "--timeout", "120s"]);
    let restore = ["restore", "cluster", &dev, "--snapshot", "full", "--yes"];
    user.cmp(&restore).fails().says("snapshot full cannot be restored: its part of");

    // The driver keeps a deleted snapshot: its room stays charged until it is gone.
    wish("=stays");
    let delete = ["delete", "snapshot", "full", "--in", &dev, "--yes", "--timeout", "120s"];
    user.cmp(&delete).ok().says("snapshot/full deleted").says("releasing");
    eventually("the reason of the wait is told", SOON, || {
        charged(&user, "1Gi")?;
        let shown = user.cmp(&["get", "clusters", &dev, "-o", "wide"]).ok();
        if shown.stdout.contains("snapshots of disks still exist") { Ok(()) } else { Err(shown.to_string()) }
    });
    wish("-");
    eventually("the room came back", SOON, || charged(&user, "0"));
    nothing_left(&ns).unwrap();
}

#[test]
fn nobody_exceeds_the_quota_by_snapshots_or_restores_those_of_others() {
    let (user, other) = (user_with("1Gi"), installed().user("2", "4Gi"));
    let dev = user.cluster("dev");
    let ns = format!("{dev}-ns");
    create(&user, &dev, WITH_SNAPSHOTS, "1").ok();
    let vm = json!({ "apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": format!("{dev}-0") });
    let object = |kind: &str, name: &str, spec: Value| {
        json!({ "apiVersion": "snapshot.kubevirt.io/v1beta1", "kind": kind,
            "metadata": { "name": name, "namespace": ns }, "spec": spec })
    };
    let snapshot = |name: &str, more: Value| {
        let mut spec = json!({ "source": vm });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        object("VirtualMachineSnapshot", name, spec)
    };
    let by = |user: &World<'_>, object: &Value| user.kubectl_reading(&["create", "-f", "-"], &object.to_string());
    // A cluster of an older version has no room either, and no count in its ResourceQuota.
    by(&user, &snapshot("x", json!({}))).fails().says("this cluster has no room for snapshots");
    eventually("the snapshot is taken", SOON, || {
        let taken = user.cmp(&["snapshot", "cluster", &dev, "--name", "one", "--wait", "--timeout", "120s"]);
        if taken.code == 0 { Ok(()) } else { Err(taken.to_string()) }
    });
    for (spec, expected) in [
        (json!({}), "exceeded quota: cmp"),
        (json!({ "deletionPolicy": "Retain" }), "only spec.source is allowed for snapshots"),
        (json!({ "failureDeadline": "0s" }), "only spec.source is allowed for snapshots"),
    ] {
        by(&user, &snapshot("two", spec)).fails().says(expected);
    }
    let part = "virtualmachinesnapshot/one-0";
    let patch = ["patch", part, "-n", &ns, "--type=merge", "-p", r#"{"metadata":{"finalizers":null}}"#];
    user.kubectl(&patch).fails().says("forbidden");
    let restore = |name: &str, more: Value| {
        let mut spec = json!({ "target": vm, "virtualMachineSnapshotName": "one-0" });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        object("VirtualMachineRestore", name, spec)
    };
    for more in [
        json!({}),
        json!({ "volumeRestorePolicy": "RandomizeNames" }),
        json!({ "volumeRestorePolicy": "InPlace", "volumeOwnershipPolicy": "None" }),
        json!({ "volumeRestorePolicy": "InPlace", "patches": [] }),
    ] {
        by(&user, &restore("x", more)).fails().says("spec.volumeRestorePolicy of a restore must be InPlace");
    }
    let volume = json!({ "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot",
        "metadata": { "name": "x", "namespace": ns },
        "spec": { "source": { "persistentVolumeClaimName": format!("root-{dev}-0") } } });
    by(&user, &volume).fails().says("forbidden");

    // Others see nothing, and restore nothing.
    let forbidden = [
        &["snapshot", "cluster", &dev][..],
        &["restore", "cluster", &dev, "--snapshot", "one", "--yes"],
        &["delete", "snapshot", "one", "--in", &dev, "--yes"],
        &["get", "snapshots", "--in", &dev],
    ];
    for command in forbidden {
        other.cmp(command).fails().says(&format!("cluster \"{dev}\" not found"));
    }
    other.cmp(&["get", "snapshots"]).ok().says("No resources found.");
    by(&other, &restore("x", json!({ "volumeRestorePolicy": "InPlace" }))).fails().says("forbidden");
    by(&other, &snapshot("x", json!({}))).fails().says("forbidden");

    // A disk that shrinks beside the room would make room for more snapshots of the disks that exist.
    let want = |storage: &str| {
        let size = json!({ "cpu": "1", "memory": "1Gi", "storage": storage, "snapshot-storage": "1Gi" });
        let account = user.kubectl(&["get", "configmap", &user.name, "-n", "cmp-users", "-o", "json"]).ok().json();
        let stored = account["data"][format!("want.{dev}")].as_str().expect("a want");
        let mut want: Value = serde_json::from_str(stored).expect("a stored want");
        want["size"] = size;
        let data = json!({ "data": { format!("want.{dev}"): want.to_string() } });
        user.kubectl(&["patch", "configmap", &user.name, "-n", "cmp-users", "--type=merge", "-p", &data.to_string()])
    };
    want("512Mi").fails().says("cannot be used after a change of size.storage");
}

#[test]
fn a_data_disk_has_snapshots_and_comes_back_with_its_machine_as_owner() {
    let user = user_with("1Gi");
    let dev = user.cluster("dev");
    let (ns, claim) = (format!("{dev}-ns"), format!("data-{dev}-0"));
    let size = ["--type", "vm", "--cpu", "1", "--memory", "1Gi", "--data-disk", "1Gi"];
    let create = [&["create", "cluster", &dev][..], &size].concat();
    user.cmp(&create).ok();
    // No class is the default one here. A user may name the class of a claim that has none.
    let class = json!({ "spec": { "storageClassName": WITH_SNAPSHOTS } }).to_string();
    user.kubectl(&["patch", "pvc", &claim, "-n", &ns, "--type=merge", "-p", &class]).ok();
    let volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": claim },
        "spec": {
            "capacity": { "storage": "1Gi" }, "accessModes": ["ReadWriteOnce"], "storageClassName": WITH_SNAPSHOTS,
            "persistentVolumeReclaimPolicy": "Retain", "hostPath": { "path": "/tmp/nowhere" },
            "claimRef": { "namespace": ns, "name": claim },
        },
    });
    shared().admin_reading(&["create", "-f", "-"], &volume.to_string()).ok();
    let late = ["--wait", "--timeout", "120s"];
    user.cmp(&[&create[..], &late].concat()).ok();
    eventually("the snapshot is taken", SOON, || {
        let taken = user.cmp(&[&["snapshot", "cluster", &dev, "--name", "before"][..], &late].concat());
        if taken.code == 0 { Ok(()) } else { Err(taken.to_string()) }
    });
    charged(&user, "1Gi").unwrap();
    user.cmp(&["get", "snapshots"]).ok().says("before").says("1/1").says("ready");
    let before = claims(&user, &ns);
    user.cmp(&[&["suspend", "cluster", &dev, "--mode", "halt"][..], &late].concat()).ok();
    user.cmp(&["restore", "cluster", &dev, "--snapshot", "before", "--yes", "--timeout", "120s"]).ok().says("restored");
    let after = claims(&user, &ns);
    assert_eq!((before.len(), after.len()), (1, 1), "no disk is left beside it: {after:?}");
    assert_eq!((&after[0][0], &after[0][3]), (&json!(claim), &json!("VirtualMachine")));
    assert!(before[0][1] != after[0][1] && after[0][2].is_string(), "it is another one, from the snapshot: {after:?}");
    user.cmp(&[&["resume", "cluster", &dev][..], &late].concat()).ok();
    // The same command finds the disk, and makes no other one.
    user.cmp(&create).ok().says("unchanged");
    assert_eq!(claims(&user, &ns), after);
    user.cmp(&[&["delete", "snapshot", "before", "--in", &dev, "--yes"][..], &late].concat()).ok();
    eventually("the room came back", SOON, || charged(&user, "0"));
    user.cmp(&[&["delete", "cluster", &dev, "--yes"][..], &late].concat()).ok();
    nothing_left(&ns).unwrap();
}

#[test]
fn a_machine_with_two_disks_that_stay_has_no_snapshots_and_says_which_disks() {
    let user = user_with("4Gi");
    let (dev, two) = (user.cluster("dev"), user.cluster("two"));
    let size = ["--type", "vm", "--cpu", "1", "--memory", "1Gi", "--disk", "1Gi"];
    user.cmp(&[&["create", "cluster", &two][..], &size, &["--data-disk", "1Gi"]].concat())
        .fails()
        .says("--disk and --data-disk: both set the storage of an instance");
    let image = ["--image", "https://images.example/x", "--wait", "--timeout", "120s"];
    user.cmp(&[&["create", "cluster", &dev][..], &size, &image].concat()).ok();
    // The second disk is a claim of the user's own, in the room of the import that is over.
    let ns = format!("{dev}-ns");
    let claim = json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "more" },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } });
    eventually("the import gave its room back", SOON, || {
        let made = user.kubectl_reading(&["create", "-n", &ns, "-f", "-"], &claim.to_string());
        if made.code == 0 { Ok(()) } else { Err(made.to_string()) }
    });
    let volume = json!({ "name": "more", "persistentVolumeClaim": { "claimName": "more" } });
    let patch = json!([{ "op": "add", "path": "/spec/template/spec/volumes/-", "value": volume }]).to_string();
    user.kubectl(&["patch", "vm", &format!("{dev}-0"), "-n", &ns, "--type=json", "-p", &patch]).ok();
    user.cmp(&["snapshot", "cluster", &dev])
        .fails()
        .says(&format!("{dev}-0 has 2 disks that stay, and a snapshot is of one: root, more"));
    charged(&user, "0").unwrap();
}
