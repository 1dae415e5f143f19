//! Two versions of the programs at the VMs of one user: an older one neither loses nor replaces what it does not know.
//!
//! One build acts as the other version: it lacks the fields of the first boot, and has one more source of root disks
//! (`blank`).

use cmp_tests::binaries::{built, newer};
use cmp_tests::{ControlPlane, Installation};
use serde_json::{Value, json};

use crate::first_boot::{Folder, KEY};
use crate::root_disk::{charged, claims};
use crate::support::installed;

#[test]
fn an_older_plugin_makes_no_vm_without_its_first_boot() {
    let john = installed().user("16", "64Gi");
    let folder = Folder::new("versions");
    let key = folder.file("john.pub", KEY);
    let setup = folder.file("setup.yaml", "#cloud-config\npackages: [git]\n");
    let answers = folder.file("unattend.xml", "<unattend/>");
    let dev = john.cluster("dev");
    let (one, other, namespace) = (format!("{dev}-0"), format!("{dev}-1"), format!("{dev}-ns"));
    let plain = ["create", "cluster", &dev, "--type", "vm", "--cpu", "1", "--memory", "1Gi", "--count", "2"];
    let files = ["--ssh-key", &key, "--cloud-init", &setup, "--sysprep", &answers];
    let create = || john.cmp(&[&plain[..], &files, &["--wait", "--timeout", "120s"]].concat());
    create().ok();
    let want = || john.account()[format!("want.{dev}")].clone();
    let secrets = || {
        let data = "jsonpath={.items[*].data}";
        john.kubectl(&["get", "secret", "-n", &namespace, "-o", data]).ok().stdout
    };
    let (before, written) = (want(), secrets());
    assert!(["sshKey", "cloudInit", "sysprep"].iter().all(|field| before.to_string().contains(field)), "{before}");
    let older = |command: &[&str]| john.other_plugin(command, "");

    // It shows the cluster, and carries out the verbs that need no want.
    older(&["get", "cluster", &dev, "-o", "wide"]).ok().says("2/2").says("upgrade kubectl-cmp");
    let late = ["--wait", "--timeout", "120s"];
    older(&[&["stop", "instance", &one, "--yes"][..], &late].concat()).ok().says("stopped");
    older(&[&["start", "instance", &one][..], &late].concat()).ok().says("started");
    older(&[&["suspend", "cluster", &dev, "--mode=halt", "--yes"][..], &late].concat()).ok().says("2 suspended");
    older(&[&["resume", "cluster", &dev][..], &late].concat()).ok().says("2 resumed");
    for change in [
        &["scale", "cluster", &dev, "--count", "3"][..],
        &["scale", "cluster", &dev, "--count", "1", "--yes"],
        &["resize", "cluster", &dev, "--cpu", "2", "--yes"],
        &["schedule", "cluster", &dev, "--suspend", "0 19 * * *"],
        &["label", "cluster", &dev, "team=blue"],
    ] {
        older(change).fails().says("is not changed by this version").says("upgrade kubectl-cmp");
    }

    // A VM that is missing is not made without its first boot, whichever flags are given.
    john.kubectl(&["delete", "vm", &other, "-n", &namespace]).ok();
    for more in [&[][..], &["--ssh-key", "none"], &files] {
        older(&[&plain[..], more].concat()).fails();
    }
    john.kubectl(&["get", "vm", &other, "-n", &namespace]).fails().says("not found");
    assert_eq!((want(), secrets()), (before, written));
    create().ok();
    let made = john.kubectl(&["get", "vm", &other, "-n", &namespace, "-o", "json"]).ok().json();
    let volumes = made["spec"]["template"]["spec"]["volumes"].to_string();
    assert!(volumes.contains("cmp-cloud-init") && volumes.contains("cmp-sysprep"), "{volumes}");

    older(&[&["delete", "cluster", &dev, "--yes"][..], &late].concat()).ok().says(&format!("cluster/{dev} deleted"));
    assert_eq!(want(), Value::Null);
}

/// Returns the file of a cluster whose root disks have a source of the newer version.
fn empty_disks(name: &str, count: u32) -> String {
    let size = json!({ "cpu": "1", "memory": "1Gi", "storage": "1Gi" });
    let spec = json!({ "type": "vm", "count": count, "size": size, "rootDisk": "blank" });
    json!({ "apiVersion": "kubectl-cmp.dev/v1", "kind": "Cluster", "metadata": { "name": name }, "spec": spec })
        .to_string()
}

#[test]
fn an_older_version_keeps_a_root_disk_of_a_source_that_it_does_not_know() {
    let mut installation = Installation::on(ControlPlane::with_kubevirt(), 1, "3s", |plane, url| {
        plane.admin(&["cmp", "install", "--webhook-url", url]).ok();
        true
    })
    .expect("it was installed");
    installation.replace(0, &newer().webhook, "0s");
    let john = installation.user_named("john", "8", "16Gi");
    john.admin(&["cmp", "set", "quota", "john", "--resource", "storage=2Gi"]).ok();
    let create = ["create", "-f", "-", "--wait", "--timeout", "120s"];
    john.other_plugin(&create, &empty_disks("lab", 1)).ok().says("cluster/lab created");
    let want = |account: &Value| account["want.lab"].as_str().unwrap_or_default().to_owned();
    let (before, disks) = (want(&john.account()), claims(&john, "lab-ns"));
    assert!(before.contains(r#""rootDisk":"blank""#) && disks.len() == 1, "{before} {disks:?}");

    // An older plugin shows and switches the cluster. Its disk outlives that.
    let unknown = r#"this version does not know "rootDisk: blank""#;
    john.cmp(&["get", "cluster", "lab", "-o", "wide"]).ok().says("1/1").says(" 1Gi ").says(unknown);
    john.cmp(&["stop", "instance", "lab-0", "--wait", "--timeout", "120s"]).ok().says_not("discard");
    john.cmp(&["start", "instance", "lab-0", "--wait", "--timeout", "120s"]).ok();
    john.cmp(&["suspend", "cluster", "lab", "--wait", "--timeout", "120s"]).ok().says_not("discard");
    john.cmp(&["resume", "cluster", "lab", "--wait", "--timeout", "120s"]).ok();
    let unmade = "rootDisk \"blank\" is a source that this version does not know: upgrade kubectl-cmp";
    let unchanged = format!("cluster lab is not changed by this version, want: {unknown}");
    for (change, says) in [
        (["scale", "cluster", "lab", "--count", "2"].as_slice(), unmade),
        (&["resize", "cluster", "lab", "--cpu", "2", "--yes"], &unchanged),
        (&["schedule", "cluster", "lab", "--suspend", "0 19 * * *"], &unchanged),
    ] {
        john.cmp(change).fails().says(says).says("upgrade kubectl-cmp");
    }
    // It makes no instance with another disk in place of the missing one.
    for file in [empty_disks("lab", 1), empty_disks("new", 1)] {
        john.cmp_reading(&["create", "-f", "-"], &file).fails().says(unmade);
    }
    assert_eq!((want(&john.account()), claims(&john, "lab-ns")), (before.clone(), disks.clone()));

    // A rollback of cmp-webhook: it judges no disk that it does not know, and leaves the one that exists alone.
    installation.replace(0, &built().webhook, "0s");
    let john = installation.known("john");
    john.other_plugin(&create, &empty_disks("late", 1)).fails().says("\"rootDisk: blank\"").says("upgrade cmp-webhook");
    for raw in [before.replace(r#""count":1"#, r#""count":2"#), before.replace("blank", "other")] {
        john.patch(&json!({ "want.lab": raw })).fails().says("upgrade cmp-webhook");
    }
    john.admin(&["cmp", "check"]).says("account/john").says("\"rootDisk: blank\"");
    john.cmp(&["stop", "instance", "lab-0", "--wait", "--timeout", "120s"]).ok();
    assert_eq!((want(&john.account()), claims(&john, "lab-ns")), (before, disks));
    charged(&john, "1Gi", "1Gi").unwrap();
    // Its owner gets rid of it.
    john.cmp(&["delete", "cluster", "lab", "--yes", "--wait", "--timeout", "120s"]).ok();
    charged(&john, "0", "2Gi").unwrap();
}
