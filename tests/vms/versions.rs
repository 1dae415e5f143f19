//! Two versions of the plugin at the VMs of one user: an older one does not know the first boot of a cluster. It neither
//! loses it nor makes a VM without it.

use serde_json::Value;

use crate::first_boot::{Folder, KEY};
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
