//! Migrations of machines by KubeVirt: neither quota nor policies block them.

use cmp_tests::eventually;
use serde_json::json;

use crate::clusters::running;
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
