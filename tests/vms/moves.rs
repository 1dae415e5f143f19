//! Migrations of machines by KubeVirt: neither quota nor policies block them. Drains of their nodes.

use cmp_tests::{Output, World, eventually};
use serde_json::{Value, json};

use crate::clusters::{on, running, running_with};
use crate::disk::volume;
use crate::nodes::Nodes;
use crate::support::{SOON, installed};

#[test]
fn a_machine_moves_to_another_node_within_a_full_quota() {
    let user = installed().user("2", "4Gi");
    let dev = running(&user, "dev", 1);
    let (one, ns) = (format!("{dev}-0"), format!("{dev}-ns"));
    let vmi = || user.kubectl(&["get", "vmi", &one, "-n", &ns, "-o", "json"]).ok().json();
    let before = vmi();
    let migration = json!({
        "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstanceMigration",
        "metadata": { "name": "move", "namespace": ns }, "spec": { "vmiName": one },
    });
    user.installation.plane.admin_reading(&["create", "-f", "-"], &migration.to_string()).ok();
    eventually("it has moved", SOON, || {
        let said = user.admin(&["get", "vmim", "move", "-n", &ns, "-o", "json"]).ok().json()["status"].clone();
        if said["phase"] == "Succeeded" { Ok(()) } else { Err(format!("{said}\n{}", vmi()["status"])) }
    });
    let after = vmi();
    assert_ne!(before["status"]["nodeName"], after["status"]["nodeName"]);
    assert_eq!((&after["status"]["phase"], &after["metadata"]["uid"]), (&json!("Running"), &before["metadata"]["uid"]));
    eventually("one Pod is left", SOON, || {
        let pods = ["get", "pods", "-n", &ns, "--field-selector=status.phase=Running", "-o", "json"];
        let running = user.kubectl(&pods).ok().json()["items"].as_array().map_or(0, Vec::len);
        if running == 1 { Ok(()) } else { Err(format!("{running} run")) }
    });

    // The user sees the machine running on its new node, and the charge is unchanged.
    let shown = user.cmp(&["get", "instance", &one, "-o", "json"]).ok().json();
    assert_eq!(
        (&shown["status"]["state"], &shown["status"]["node"]),
        (&json!("running"), &after["status"]["nodeName"]),
        "{shown}"
    );
    assert_eq!(user.cmp(&["quota", "-o", "json"]).ok().json()["used_cpu"], 2);
    user.cmp(&["suspend", "cluster", &dev, "--wait"]).ok().says("1 suspended, 0 failed");
    user.cmp(&["delete", "cluster", &dev, "--yes", "--wait", "--timeout", "180s"]).ok();
}

/// Drains a node of the machines of one instance, as an administrator does.
fn drain(user: &World<'_>, node: &str, one: &str, timeout: &str) -> Output {
    let selector = format!("vm.kubevirt.io/name={one}");
    let flags = ["--ignore-daemonsets", "--delete-emptydir-data", "--timeout", timeout, "--pod-selector", &selector];
    user.admin(&[&["drain", node][..], &flags].concat())
}

/// Stores a template of VMs that block the drain of their node if they cannot move, and returns its name. A user may not
/// ask for that alone.
fn that_blocks(user: &World<'_>) -> String {
    let name = format!("blocks-{}", user.name);
    let mut vm = user.admin(&["cmp", "get", "template", "vm", "-o", "json"]).ok().json()["spec"]["manifest"].take();
    vm["spec"]["template"]["spec"]["evictionStrategy"] = json!("LiveMigrate");
    let store = ["cmp", "create", "template", &name, "-f", "-"];
    user.installation.plane.admin_reading(&store, &vm.to_string()).ok();
    name
}

fn node_of(vmi: &Value) -> &str {
    vmi["status"]["nodeName"].as_str().unwrap_or_default()
}

#[test]
fn a_drained_node_moves_its_machines_within_a_full_quota() {
    let user = installed().user("2", "4Gi");
    let nodes = Nodes::new(&user);
    nodes.add("a");
    let (blocks, there) = (that_blocks(&user), nodes.patch(&json!({})));
    let dev = running_with(&user, "dev", 1, &["--template", &blocks, "--patch", &there]);
    let one = format!("{dev}-0");
    let says = "On drain:      it moves to another node, and goes on running";
    user.cmp(&["describe", "instance", &one]).ok().says(says);
    let before = on(&user, &dev).remove(0);
    nodes.add("b");
    drain(&user, node_of(&before), &one, "150s").ok().says("Eviction triggered evacuation").says("drained");
    let after = on(&user, &dev).remove(0);
    assert_eq!(before["metadata"]["uid"], after["metadata"]["uid"], "{after}");
    assert_eq!((node_of(&after), after["status"]["phase"].as_str()), (nodes.name("b").as_str(), Some("Running")));
    user.becomes(&one, "running");
    assert_eq!(user.cmp(&["quota", "-o", "json"]).ok().json()["used_cpu"], 2);
}

#[test]
fn a_machine_that_cannot_move_is_named_before_its_node_is_drained() {
    let user = installed().user("4", "8Gi");
    user.admin(&["cmp", "set", "quota", &user.name, "--resource", "storage=1Gi"]).ok();
    let nodes = Nodes::new(&user);
    nodes.add("a");
    let (dev, other) = (user.cluster("dev"), "other");
    volume(&format!("{dev}-ns"), &format!("data-{dev}-0"), &format!("{dev}-0"));
    let (blocks, there) = (that_blocks(&user), nodes.patch(&json!({})));
    running_with(&user, "dev", 1, &["--template", &blocks, "--data-disk", "1Gi", "--patch", &there]);
    let one = format!("{dev}-0");
    let why = format!("it blocks the drain: cannot migrate VMI: PVC data-{one} is not shared");
    user.cmp(&["describe", "instance", &one]).ok().says(&why);
    user.cmp(&["describe", "cluster", &dev]).ok().says(&format!("{one}: {why}"));
    let node = nodes.name("a");
    let checked = user.admin(&["cmp", "check"]);
    checked.says("cannot move when their node is drained").says(&format!("{one} on {node} blocks the drain: "));
    drain(&user, &node, &one, "15s").fails().says("is configured with an eviction strategy but is not live-migratable");
    user.admin(&["uncordon", &node]).ok();
    user.becomes(&one, "running");

    // A machine with the default of KubeVirt is shut down.
    let other = running_with(&user, other, 1, &["--patch", &nodes.patch(&json!({}))]);
    let one = format!("{other}-0");
    user.cmp(&["describe", "instance", &one]).ok().says(
        "it is shut down, and starts on another node with a new root disk: its evictionStrategy does not move it",
    );
    let before = on(&user, &other).remove(0);
    nodes.add("b");
    drain(&user, &node, &one, "150s").ok().says("drained");
    eventually("another guest runs", SOON, || {
        let now = on(&user, &other);
        let is_other = now.iter().any(|vmi| vmi["metadata"]["uid"] != before["metadata"]["uid"]);
        if is_other && user.state(&one) == "running" { Ok(()) } else { Err(format!("{now:?}")) }
    });
    assert_eq!(user.cmp(&["quota", "-o", "json"]).ok().json()["used_cpu"], 4);
}
