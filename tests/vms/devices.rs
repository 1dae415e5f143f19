//! GPUs and other devices of the node in VMs: counted by their resources, and never more than the size.

use cmp_tests::kubevirt::GPU;
use cmp_tests::{World, eventually};
use serde_json::{Value, json};

use crate::support::{SOON, installed, shared};

const SIZE: [&str; 4] = ["--cpu", "1", "--memory", "1Gi"];

/// Returns a user whose quota has one GPU.
fn with_a_gpu() -> World<'static> {
    let user = installed().user("8", "16Gi");
    shared().admin(&["cmp", "set", "quota", &user.name, "--resource", &one()]).ok();
    user
}

fn one() -> String {
    format!("{GPU}=1")
}

fn create(user: &World<'_>, cluster: &str, more: &[&str]) -> cmp_tests::Output {
    user.cmp(&[&["create", "cluster", cluster][..], &SIZE, more, &["--wait", "--timeout", "120s"]].concat())
}

/// Returns the devices of an instance as the API server stores them.
fn devices(user: &World<'_>, cluster: &str) -> Value {
    let vm = user.kubectl(&["get", "vm", &format!("{cluster}-0"), "-n", &format!("{cluster}-ns"), "-o", "json"]);
    vm.ok().json()["spec"]["template"]["spec"]["domain"]["devices"].clone()
}

#[test]
fn a_gpu_of_a_vm_is_counted_and_a_second_one_is_refused() {
    let john = installed().user("8", "16Gi");
    let (dev, more, plain) = (john.cluster("dev"), john.cluster("more"), john.cluster("plain"));
    let gpu = ["--type", "vm", "--resource", &one()];
    create(&john, &dev, &gpu).fails().says(&format!("{GPU} is not in the quota of {}", john.name));
    shared().admin(&["cmp", "set", "quota", &john.name, "--resource", &one()]).ok();
    create(&john, &dev, &gpu).ok();
    assert_eq!(devices(&john, &dev)["gpus"], json!([{ "name": "cmp-device-0", "deviceName": GPU }]));
    // KubeVirt takes it from the node, and the second fence counts it.
    let ns = format!("{dev}-ns");
    let pods = shared().admin(&["get", "pods", "-n", &ns, "-o", "json"]).ok().json();
    let containers = pods["items"][0]["spec"]["containers"].as_array().unwrap();
    assert!(containers.iter().any(|container| container["resources"]["limits"][GPU] == "1"), "{pods}");
    eventually("the ResourceQuota counts the GPU", SOON, || {
        let status = shared().admin(&["get", "quota", "cmp", "-n", &ns, "-o", "json"]).ok().json()["status"].clone();
        let key = format!("requests.{GPU}");
        if status["hard"][&key] == "1" && status["used"][&key] == "1" { Ok(()) } else { Err(status.to_string()) }
    });
    let quota = john.cmp(&["quota", "-o", "json"]).ok().json();
    assert_eq!(quota["status"]["available"][GPU], "0", "{quota}");
    john.cmp(&["get", "cluster", &dev, "-o", "json"]).ok().says(GPU);
    create(&john, &more, &gpu).fails().says(&format!("requested: {GPU}=1, used: {GPU}=1, limited: {GPU}=1"));
    john.cmp(&["resize", "cluster", &dev, "--resource", &format!("{GPU}=2"), "--yes"])
        .fails()
        .says("keep their devices");

    // Past the plugin: a second device in either list, another one, and one in a cluster without any.
    create(&john, &plain, &["--type", "vm"]).ok();
    let device = |name: &str, of: &str| json!({ "name": name, "deviceName": of });
    let (first, second) = (device("cmp-device-0", GPU), device("second", GPU));
    for (attack, cluster, devices) in [
        ("a second GPU", &dev, json!({ "gpus": [first, second] })),
        ("a second one as another device", &dev, json!({ "hostDevices": [second] })),
        ("another device", &dev, json!({ "gpus": [first, device("other", "nvidia.com/A100")] })),
        ("the prefix of its name", &dev, json!({ "gpus": [device("other", "nvidia.com/TU104")] })),
        ("a GPU in a cluster without one", &plain, json!({ "gpus": [first] })),
    ] {
        let patch = json!({ "spec": { "template": { "spec": { "domain": { "devices": devices } } } } }).to_string();
        let (vm, ns) = (format!("{cluster}-0"), format!("{cluster}-ns"));
        let output = john.kubectl(&["patch", "vm", &vm, "-n", &ns, "--type=merge", "-p", &patch]);
        let reason = "gpus and hostDevices are more than the size of this cluster";
        assert!(output.code == 1 && output.stderr.contains(reason), "{attack}:\n{output}");
    }
    // Fewer are fine, and the quota comes back with the cluster.
    let none = json!([{ "op": "remove", "path": "/spec/template/spec/domain/devices/gpus" }]).to_string();
    john.kubectl(&["patch", "vm", &format!("{dev}-0"), "-n", &ns, "--type=json", "-p", &none]).ok();
    john.cmp(&["delete", "cluster", &dev, "--yes", "--wait"]).ok();
    create(&john, &more, &gpu).ok();
}

#[test]
fn the_devices_of_a_template_count_inside_the_size() {
    let john = with_a_gpu();
    let (dev, template) = (john.cluster("dev"), format!("gpu-{}", john.name));
    let mut manifest = john.cmp(&["get", "template", "vm", "-o", "json"]).ok().json()["spec"]["manifest"].clone();
    let listed = json!([{ "name": "mine", "deviceName": GPU }]);
    manifest["spec"]["template"]["spec"]["domain"]["devices"]["gpus"] = listed.clone();
    shared().admin_reading(&["cmp", "create", "template", &template, "-f", "-"], &manifest.to_string()).ok();
    john.cmp(&["describe", "template", &template]).ok().says(&one());
    create(&john, &dev, &["--template", &template])
        .fails()
        .says(&format!("take {GPU}=1, and the size has 0: name them with --resource {GPU}=1"));
    create(&john, &dev, &["--template", &template, "--resource", &one()]).ok();
    assert_eq!(devices(&john, &dev)["gpus"], listed);
    shared().admin(&["cmp", "delete", "template", &template, "--yes"]).ok();
}
