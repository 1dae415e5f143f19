//! Smoke test of KubeVirt itself: the life of one machine.

use cmp_tests::{ControlPlane, Output, eventually};
use serde_json::json;

use crate::support::{SOON, machine_is, shared};

const NAMESPACE: &str = "smoke";

fn create(plane: &ControlPlane, name: &str) {
    let machine = json!({
        "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": { "name": name, "namespace": NAMESPACE },
        "spec": {
            "runStrategy": "Always",
            "template": { "spec": {
                "domain": {
                    "cpu": { "cores": 2 },
                    "memory": { "guest": "4Gi" },
                    "devices": {
                        "disks": [{ "name": "root", "disk": { "bus": "virtio" } }],
                        "interfaces": [{ "name": "default", "masquerade": {} }],
                    },
                },
                "networks": [{ "name": "default", "pod": {} }],
                "volumes": [{ "name": "root", "containerDisk": { "image": "kubevirt/fedora-cloud-container-disk-demo:latest" } }],
            } },
        },
    });
    plane.admin_reading(&["create", "-f", "-"], &machine.to_string()).ok();
}

fn subresource(plane: &ControlPlane, kind: &str, name: &str, verb: &str) -> Output {
    let path = format!("/apis/subresources.kubevirt.io/v1/namespaces/{NAMESPACE}/{kind}/{name}/{verb}");
    plane.admin_reading(&["replace", "--raw", &path, "-f", "-"], "{}")
}

fn run_strategy(plane: &ControlPlane, name: &str, strategy: &str) {
    let patch = json!({ "spec": { "runStrategy": strategy } }).to_string();
    plane.admin(&["patch", "vm", name, "-n", NAMESPACE, "--type=merge", "-p", &patch]).ok();
}

#[test]
fn a_machine_runs_pauses_stops_and_is_deleted() {
    let plane = shared();
    plane.admin(&["create", "namespace", NAMESPACE]).ok();
    create(plane, "one");
    machine_is(plane, NAMESPACE, "one", "Running");

    let pods = plane.admin(&["get", "pods", "-n", NAMESPACE, "-o", "json"]).ok().json();
    let launcher = &pods["items"][0];
    assert_eq!(launcher["status"]["phase"], "Running", "{launcher}");
    let compute = launcher["spec"]["containers"].as_array().unwrap().iter().find(|one| one["name"] == "compute");
    // The request of a launcher differs from the resources of its guest.
    assert_eq!(compute.unwrap()["resources"]["requests"]["cpu"], "200m", "{launcher}");
    let vmi = plane.admin(&["get", "vmi", "one", "-n", NAMESPACE, "-o", "json"]).ok().json();
    assert_eq!(vmi["status"]["interfaces"][0]["ipAddress"], launcher["status"]["podIP"], "{vmi}");

    // KubeVirt accepts the status that the stand-in writes.
    plane.admin(&["wait", "vm/one", "-n", NAMESPACE, "--for=condition=Ready", "--timeout=60s"]).ok();

    subresource(plane, "virtualmachines", "one", "start").fails().says("already running");
    subresource(plane, "virtualmachineinstances", "one", "unpause").fails().says("VMI is not paused");
    subresource(plane, "virtualmachineinstances", "one", "pause").ok();
    machine_is(plane, NAMESPACE, "one", "Paused");
    subresource(plane, "virtualmachineinstances", "one", "pause").fails().says("VMI is already paused");
    subresource(plane, "virtualmachineinstances", "one", "unpause").ok();
    machine_is(plane, NAMESPACE, "one", "Running");

    run_strategy(plane, "one", "Halted");
    machine_is(plane, NAMESPACE, "one", "Stopped");
    nothing_runs(plane);
    run_strategy(plane, "one", "Always");
    machine_is(plane, NAMESPACE, "one", "Running");

    plane.admin(&["delete", "vm", "one", "-n", NAMESPACE, "--timeout=60s"]).ok();
    nothing_runs(plane);
}

fn nothing_runs(plane: &ControlPlane) {
    eventually("its instance and its Pod are gone", SOON, || {
        let left = plane.admin(&["get", "vmi,pods", "-n", NAMESPACE, "-o", "name"]).ok();
        if left.stdout.is_empty() { Ok(()) } else { Err(left.to_string()) }
    });
}
