//! The disks of virtual machines: who loses what, and who is told before.

use cmp_tests::{World, eventually};
use serde_json::{Value, json};

use crate::support::{SOON, installed, shared};

#[test]
fn nobody_loses_the_root_disk_of_a_machine_unwarned() {
    let user = installed().user("8", "16Gi");
    let dev = user.cluster("dev");
    let size = ["--type", "vm", "--cpu", "1", "--memory", "1Gi", "--count", "2", "--wait", "--timeout", "120s"];
    let create = [["create", "cluster", &dev].as_slice(), &size].concat();
    user.cmp(&create).ok().says(&format!("cluster/{dev}: the root disk of each VM is ephemeral"));
    user.cmp(&create).ok().says_not("ephemeral");
    for what in ["clusters", "instances"] {
        user.cmp(&["get", what, "-o", "wide"]).ok().says("DISK").says("ephemeral");
    }
    user.cmp(&["describe", "cluster", &dev])
        .ok()
        .says("pause (default): keeps memory, disk, quota and the place on the node")
        .says("discards the content of the root disk; the quota stays charged");

    // Without a terminal nobody can answer, so that each command goes on with one warning.
    let discards = |output: &cmp_tests::Output, warning: &str| {
        assert_eq!(output.stderr.matches("Warning: ").count(), 1, "{output}");
        output.clone().says(warning);
    };
    let (one, halt) = (format!("{dev}-0"), ["suspend", "cluster", &dev, "--mode", "halt"]);
    let dry = user.cmp(&[halt.as_slice(), &["--dry-run=server"]].concat()).ok();
    discards(
        &dry,
        &format!("suspend --mode halt discards the content of the ephemeral root disks of {dev}-0 to {dev}-1"),
    );
    user.cmp(&["suspend", "cluster", &dev, "--dry-run=server"]).ok().says_not("Warning: ");
    let resized = user.cmp(&["resize", "cluster", &dev, "--cpu", "2", "--yes", "--timeout", "120s"]).ok();
    discards(&resized, "resize discards the content of the ephemeral root disks of");
    let schedule = ["schedule", "cluster", &dev, "--suspend", "0 0 1 1 *", "--mode"];
    user.cmp(&[schedule.as_slice(), &["pause"]].concat()).ok().says_not("Warning: ");
    let scheduled = user.cmp(&[schedule.as_slice(), &["halt"]].concat()).ok();
    discards(&scheduled, &format!("discards the content of the ephemeral root disks of cluster {dev}"));
    let stopped = user.cmp(&["stop", "instance", &one, "--wait", "--timeout", "120s"]).ok();
    discards(&stopped, &format!("stop discards the content of the ephemeral root disk of {one}"));
    user.cmp(&["stop", "instance", &one]).ok().says_not("Warning: ");
}

/// Returns the claims of a cluster: name, phase, uid and owner, each followed by a space.
fn claims(user: &World<'_>, ns: &str) -> Vec<String> {
    let each = "{.metadata.name}={.status.phase}={.metadata.uid}={.metadata.ownerReferences[*].name}";
    let what = format!("jsonpath={{range .items[*]}}{each} {{end}}");
    let listed = user.kubectl(&["get", "pvc", "-n", ns, "-o", &what]).ok().stdout;
    listed.split_whitespace().map(str::to_owned).collect()
}

/// Makes the volume for a claim, because no provisioner runs here.
pub(crate) fn volume(ns: &str, claim: &str, name: &str) {
    let volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": name },
        "spec": {
            "capacity": { "storage": "10Gi" }, "accessModes": ["ReadWriteOnce"], "storageClassName": "",
            "persistentVolumeReclaimPolicy": "Retain", "hostPath": { "path": "/tmp/nowhere" },
            "claimRef": { "namespace": ns, "name": claim },
        },
    });
    shared().admin_reading(&["create", "-f", "-"], &volume.to_string()).ok();
}

#[test]
fn a_data_disk_outlives_its_guests_and_goes_with_its_machine() {
    let user = installed().user("8", "16Gi");
    let dev = user.cluster("dev");
    let (ns, one, two) = (format!("{dev}-ns"), format!("{dev}-0"), format!("{dev}-1"));
    let size = ["--type", "vm", "--cpu", "1", "--memory", "1Gi", "--count", "2", "--wait", "--timeout", "120s"];
    let create = |disk: &str| user.cmp(&[&["create", "cluster", &dev, "--data-disk", disk][..], &size].concat());
    create("1Gi").fails().says("storage is not in the quota of");
    user.admin(&["cmp", "set", "quota", &user.name, "--resource", "storage=2Gi"]).ok();
    create("2Gi").fails().says("requested: storage=4Gi, used: storage=0, limited: storage=2Gi");
    for name in [&one, &two] {
        volume(&ns, &format!("data-{name}"), name);
    }
    create("1Gi").ok().says("the data disk at /data stays");
    let before = claims(&user, &ns);
    assert!(before.len() == 2 && before[0].starts_with(&format!("data-{one}=Bound=")), "{before:?}");
    assert!(before[0].ends_with(&format!("={one}")) && before[1].ends_with(&format!("={two}")), "{before:?}");
    let volumes = "jsonpath={.spec.template.spec.volumes[*].persistentVolumeClaim.claimName}";
    let attached = user.kubectl(&["get", "vm", &two, "-n", &ns, "-o", volumes]).ok();
    assert_eq!(attached.stdout, format!("data-{two}"));

    user.cmp(&["resize", "cluster", &dev, "--memory", "2Gi", "--yes", "--timeout", "120s"]).ok().says("resized");
    user.cmp(&["suspend", "cluster", &dev, "--mode", "halt", "--wait", "--timeout", "120s"]).ok();
    user.cmp(&["resume", "cluster", &dev, "--wait", "--timeout", "120s"]).ok();
    user.cmp(&["stop", "instance", &two, "--wait", "--timeout", "120s"]).ok();
    assert_eq!(claims(&user, &ns), before, "the disks stay");

    // The owner of a claim is its own VM, and nothing else.
    let owner = |kind: &str, name: &str, more: Value| {
        let mut owner = json!({ "apiVersion": "kubevirt.io/v1", "kind": kind, "name": name, "uid": "u" });
        owner.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        owner
    };
    let attack = |kind: &str, name: &str, owners: Value, storage: &str| {
        let spec = json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": storage } } });
        let mut object = json!({ "apiVersion": "v1", "kind": kind,
            "metadata": { "name": name, "namespace": ns, "ownerReferences": owners } });
        if kind == "PersistentVolumeClaim" {
            object["spec"] = spec;
        }
        user.kubectl_reading(&["create", "-f", "-"], &object.to_string())
    };
    let (claim, no) = ("PersistentVolumeClaim", "metadata.ownerReferences are not allowed for users");
    let vm = |name: &str| owner("VirtualMachine", name, json!({}));
    for (what, owners) in [
        ("another VM", json!([vm(&one)])),
        ("another kind", json!([owner("VirtualMachineInstance", "x", json!({}))])),
        ("a second owner", json!([vm("x"), vm("y")])),
        ("an owner that waits", json!([owner("VirtualMachine", "x", json!({ "blockOwnerDeletion": true }))])),
        ("a controller", json!([owner("VirtualMachine", "x", json!({ "controller": true }))])),
    ] {
        let refused = attack(claim, "data-x", owners, "1Mi").fails();
        assert!(refused.stderr.contains(no), "{what}: {refused}");
    }
    attack("ConfigMap", "data-x", json!([vm("x")]), "").fails().says(no);
    // No claim is larger than the size, and there are no more of them than were charged.
    attack(claim, "data-x", json!([vm("x")]), "2Gi")
        .fails()
        .says("maximum storage usage per PersistentVolumeClaim is 1Gi");
    attack(claim, "data-x", json!([vm("x")]), "1Mi")
        .fails()
        .says("exceeded quota: cmp, requested: requests.storage=1Mi");
    let larger = json!({ "spec": { "resources": { "requests": { "storage": "2Gi" } } } }).to_string();
    user.kubectl(&["patch", "pvc", &format!("data-{one}"), "-n", &ns, "--type=merge", "-p", &larger]).fails();

    // An interrupted command left a VM without its claim: the same command makes it.
    user.kubectl(&["delete", "pvc", &format!("data-{two}"), "-n", &ns, "--timeout", "60s"]).ok();
    volume(&ns, &format!("data-{two}"), &format!("{two}-again"));
    let again = |disk: &str| {
        user.cmp(&[
            "create",
            "cluster",
            &dev,
            "--type",
            "vm",
            "--cpu",
            "1",
            "--memory",
            "2Gi",
            "--count",
            "2",
            "--data-disk",
            disk,
        ])
    };
    again("1Gi").ok().says("unchanged");
    again("2Gi").fails().says("exists and is different");
    let after = claims(&user, &ns);
    assert!(after.len() == 2 && after[0] == before[0] && after[1] != before[1], "{after:?}");

    user.cmp(&["scale", "cluster", &dev, "--count", "1", "--yes", "--timeout", "120s"]).ok();
    eventually("the disk went with its VM, and its quota came back", SOON, || {
        let quota = user.cmp(&["quota"]).ok();
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let back = quota.stdout.lines().any(|line| words(line) == ["storage", "1Gi", "1Gi", "2Gi"]);
        if back && claims(&user, &ns) == before[..1] { Ok(()) } else { Err(quota.to_string()) }
    });
}
