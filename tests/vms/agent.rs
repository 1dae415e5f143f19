//! The answers of a guest agent, asked through the real virt-api.

use cmp_tests::eventually;
use serde_json::json;

use crate::clusters::running;
use crate::support::{SOON, installed, shared};

#[test]
fn a_guest_with_an_agent_describes_its_system() {
    let (john, mary) = (installed().user("4", "8Gi"), installed().user("1", "1Gi"));
    let dev = running(&john, "dev", 1);
    let (one, namespace) = (format!("{dev}-0"), format!("{dev}-ns"));
    let describe = || john.cmp(&["describe", "instance", &one]).ok();
    let address = john.cmp(&["get", "instance", &one, "-o", "json"]).ok().json()["status"]["ip"].clone();
    let address = address.as_str().unwrap();
    describe().says(&format!("Addresses:     {address}")).says("Guest agent:   not connected").says_not("Hostname");

    // virt-api ignores a status that anybody but KubeVirt's own ServiceAccounts writes.
    let condition = json!({ "type": "AgentConnected", "status": "True", "lastProbeTime": null,
        "lastTransitionTime": null });
    let handler = "--as=system:serviceaccount:kubevirt:kubevirt-handler";
    eventually("the agent is connected", SOON, || {
        let mut guest = john.admin(&["get", "vmi", &one, "-n", &namespace, "-o", "json"]).ok().json();
        guest["status"]["conditions"].as_array_mut().unwrap().push(condition.clone());
        let replaced = shared().admin_reading(&["replace", "--validate=false", handler, "-f", "-"], &guest.to_string());
        if replaced.code == 0 { Ok(()) } else { Err(replaced.stderr) }
    });
    let path =
        format!("/apis/subresources.kubevirt.io/v1/namespaces/{namespace}/virtualmachineinstances/{one}/guestosinfo");
    john.kubectl(&["get", "--raw", &path]).ok();
    mary.kubectl(&["get", "--raw", &path]).fails().says("forbidden");
    describe()
        .says("Guest agent:   connected")
        .says(&format!("Hostname:      {one}"))
        .says("System:        Fedora Linux 42, kernel 6.14.0")
        .says("Time zone:     UTC, 0")
        // A guest writes no colours onto the terminal of its reader.
        .says("Users:         fedora^[[31m")
        .says("btrfs")
        .says("5120Mi");
}
