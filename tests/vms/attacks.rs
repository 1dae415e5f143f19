//! Forbidden requests of the user of a cluster of virtual machines, sent with his own token to the real KubeVirt.

use cmp_tests::{Output, World};
use serde_json::{Value, json};

use crate::clusters::running;
use crate::support::{installed, machine_is};

fn patch(user: &World<'_>, cluster: &str, patch: &Value) -> Output {
    let (vm, ns, patch) = (format!("{cluster}-0"), format!("{cluster}-ns"), patch.to_string());
    user.kubectl(&["patch", "vm", &vm, "-n", &ns, "--type=merge", "-p", &patch])
}

fn machine(spec: &Value) -> Value {
    json!({ "spec": { "template": { "spec": spec } } })
}

#[test]
fn a_machine_is_never_larger_than_declared() {
    let user = installed().user("8", "16Gi");
    let dev = running(&user, "dev", 1);
    let domain = |domain: Value| machine(&json!({ "domain": domain }));
    let devices = |devices: Value| domain(json!({ "devices": devices }));
    let root = json!({ "name": "root", "containerDisk": { "image": "disk" } });
    let forbidden = [
        (
            "more cores",
            domain(json!({ "cpu": { "cores": 3 } })),
            "3 processors are more than the size of this cluster, 2",
        ),
        ("more sockets", domain(json!({ "cpu": { "sockets": 2, "maxSockets": 2 } })), "4 processors are more"),
        ("more threads", domain(json!({ "cpu": { "threads": 4 } })), "8 processors are more"),
        ("sockets to plug in", domain(json!({ "cpu": { "maxSockets": 4 } })), "maxSockets"),
        ("more memory", domain(json!({ "memory": { "guest": "4097Mi" } })), "domain.memory.guest: 4097Mi"),
        ("no memory named", domain(json!({ "memory": { "guest": null } })), "domain.memory.guest: nothing"),
        ("no memory at all", domain(json!({ "memory": { "guest": "0" } })), "domain.memory.guest: 0"),
        ("memory to plug in", domain(json!({ "memory": { "maxGuest": "8Gi" } })), "maxGuest"),
        (
            "huge pages",
            domain(json!({ "memory": { "hugepages": { "pageSize": "2Mi" } } })),
            "must be left out, or be those of",
        ),
        (
            "processors of its own",
            domain(json!({ "cpu": { "dedicatedCpuPlacement": true } })),
            "must be left out, or be those of this cluster's template",
        ),
        (
            "the NUMA nodes of its host",
            domain(json!({ "cpu": { "numa": { "guestMappingPassthrough": {} } } })),
            "domain.cpu may have only cores, sockets, threads, model, features and what the template",
        ),
        (
            "a processor for its emulator",
            domain(json!({ "cpu": { "cores": 2, "isolateEmulatorThread": true } })),
            "3 processors are more than the size of this cluster, 2",
        ),
        (
            "a node that cannot be drained",
            machine(&json!({ "evictionStrategy": "External" })),
            "must be left out, or be those of this cluster's template",
        ),
        ("requests", domain(json!({ "resources": { "requests": { "memory": "8Gi" } } })), "domain.resources"),
        ("overcommit", domain(json!({ "resources": { "overcommitGuestOverhead": true } })), "domain.resources"),
        ("a limit beyond", domain(json!({ "resources": { "limits": { "cpu": "3" } } })), "domain.resources"),
        (
            "IO threads",
            domain(json!({ "ioThreadsPolicy": "auto" })),
            "domain.ioThreadsPolicy is not allowed for instances",
        ),
        (
            "a GPU",
            devices(json!({ "gpus": [{ "name": "g", "deviceName": "nvidia.com/T4" }] })),
            "gpus and hostDevices are more than the size of this cluster, cpu=2,memory=4Gi",
        ),
        (
            "a device",
            devices(json!({ "hostDevices": [{ "name": "h", "deviceName": "a.b/c" }] })),
            "gpus and hostDevices are more than the size of this cluster, cpu=2,memory=4Gi",
        ),
        (
            "a device by the name of its processors",
            devices(json!({ "gpus": [{ "name": "g", "deviceName": "cpu" }] })),
            "each of gpus and hostDevices needs a deviceName",
        ),
        (
            "a claim of a device",
            devices(json!({ "gpus": [{ "name": "g", "claimName": "c", "requestName": "r" }] })),
            "each of gpus and hostDevices needs a deviceName",
        ),
        (
            "a bridge",
            devices(json!({ "interfaces": [{ "name": "default", "bridge": {} }] })),
            "must have at least one interface, and only masquerade",
        ),
        (
            "a bridge beside masquerade, of which KubeVirt takes the bridge",
            devices(json!({ "interfaces": [{ "name": "default", "masquerade": {}, "bridge": {} }] })),
            "each must have one binding, masquerade or bridge",
        ),
        (
            "no interface, where KubeVirt attaches a bridge",
            machine(&json!({ "domain": { "devices": { "interfaces": null } }, "networks": null })),
            "must have at least one interface, and only masquerade",
        ),
        (
            "no interface at all, where the guest says its address",
            machine(
                &json!({ "domain": { "devices": { "interfaces": [], "autoattachPodInterface": false } }, "networks": null }),
            ),
            "must have at least one interface",
        ),
        (
            "an interface that is not there",
            devices(json!({ "interfaces": [{ "name": "default", "masquerade": {}, "state": "absent" }] })),
            "must have at least one interface",
        ),
        (
            "a file system",
            devices(json!({ "filesystems": [{ "name": "root", "virtiofs": {} }] })),
            "only disks, interfaces and consoles are allowed for instances",
        ),
        (
            "another network",
            machine(&json!({ "networks": [{ "name": "default", "multus": { "networkName": "x" } }] })),
            "only the Pod network is allowed",
        ),
        (
            "a disk of the node",
            machine(&json!({ "volumes": [root, { "name": "h", "hostDisk": { "path": "/x", "type": "Disk" } }] })),
            "hostDisk",
        ),
        (
            "a token",
            machine(
                &json!({ "volumes": [root, { "name": "s", "serviceAccount": { "serviceAccountName": "default" } }] }),
            ),
            "serviceAccount",
        ),
        ("a priority", machine(&json!({ "priorityClassName": "system-node-critical" })), "priorityClassName"),
        ("a scheduler", machine(&json!({ "schedulerName": "mine" })), "schedulerName"),
        (
            "a probe of the metadata service",
            machine(&json!({ "readinessProbe": { "httpGet": { "host": "169.254.169.254", "port": 80 } } })),
            "a probe with a host is not allowed for instances",
        ),
        (
            "another probe of others",
            machine(&json!({ "livenessProbe": { "tcpSocket": { "host": "10.0.0.1", "port": 80 } } })),
            "a probe with a host is not allowed for instances",
        ),
        (
            "an existing volume",
            json!({ "spec": { "dataVolumeTemplates": [{ "metadata": { "name": "d" }, "spec": {
                "source": { "blank": {} }, "storage": { "storageClassName": "", "resources": { "requests": { "storage": "1" } } } } }] } }),
            "volumeName and an empty storageClassName are not allowed for the disks of instances",
        ),
        (
            "a volume by its name",
            json!({ "spec": { "dataVolumeTemplates": [{ "metadata": { "name": "d" }, "spec": {
                "source": { "blank": {} }, "pvc": { "volumeName": "large", "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1" } } } } }] } }),
            "volumeName and an empty storageClassName are not allowed for the disks of instances",
        ),
        ("tolerations", machine(&json!({ "tolerations": [{ "operator": "Exists" }] })), "tolerations"),
        ("affinity", machine(&json!({ "affinity": { "podAffinity": {} } })), "affinity is not allowed for instances"),
        (
            "claims of devices",
            machine(&json!({ "resourceClaims": [{ "name": "a", "resourceClaimName": "b" }] })),
            "not allowed for instances",
        ),
        ("an hour to end", machine(&json!({ "terminationGracePeriodSeconds": 3600 })), "600 or less"),
        ("Manual", json!({ "spec": { "runStrategy": "Manual" } }), "must be Always (on) or Halted (off)"),
        (
            "RerunOnFailure",
            json!({ "spec": { "runStrategy": "RerunOnFailure" } }),
            "must be Always (on) or Halted (off)",
        ),
        ("Once", json!({ "spec": { "runStrategy": "Once" } }), "must be Always (on) or Halted (off)"),
        (
            "a sidecar",
            json!({ "spec": { "template": { "metadata": { "annotations": { "hooks.kubevirt.io/hookSidecars": "[]" } } } } }),
            "sidecars",
        ),
        (
            "another network by annotation",
            json!({ "spec": { "template": { "metadata": { "annotations": { "k8s.v1.cni.cncf.io/networks": "x" } } } } }),
            "other networks",
        ),
        (
            "a finalizer",
            json!({ "metadata": { "finalizers": ["example.com/held"] } }),
            "metadata.finalizers are not allowed for users",
        ),
        (
            "an owner",
            json!({ "metadata": { "ownerReferences": [{ "apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "b" }] } }),
            "metadata.ownerReferences",
        ),
    ];
    for (attack, change, reason) in &forbidden {
        let output = patch(&user, &dev, change);
        assert!(output.code == 1 && output.stderr.contains(reason), "{attack} should say {reason:?}:\n{output}");
    }
    // A field that hides the size is refused, whether the size is left out or not.
    for field in ["instancetype", "preference"] {
        let name = json!({ "name": "u1.large", "kind": if field == "preference" { "VirtualMachineClusterPreference" } else { "VirtualMachineClusterInstancetype" } });
        let output = patch(&user, &dev, &json!({ "spec": { (field): name } })).fails();
        assert!(
            output.stderr.contains("they hide the size")
                || output.stderr.contains("not found")
                || output.stderr.contains("instancetype"),
            "{output}"
        );
    }
    let allowed = [
        domain(json!({ "cpu": { "cores": 1 } })),
        domain(json!({ "memory": { "guest": "4294967296" } })),
        domain(json!({ "cpu": { "cores": 1, "sockets": 2, "maxSockets": 2 }, "memory": { "guest": "2Gi" } })),
        domain(json!({ "resources": { "requests": { "cpu": "2", "memory": "4Gi" } } })),
        machine(&json!({ "hostname": "dev", "terminationGracePeriodSeconds": 600 })),
        json!({ "metadata": { "labels": { "mine": "yes" } } }),
    ];
    for change in &allowed {
        patch(&user, &dev, change).ok();
    }
}

#[test]
fn a_second_machine_is_refused_in_every_form() {
    let user = installed().user("8", "16Gi");
    let dev = running(&user, "dev", 1);
    let ns = format!("{dev}-ns");
    let original = user.kubectl(&["get", "vm", &format!("{dev}-0"), "-n", &ns, "-o", "json"]).ok().json();
    let copy = |name: &str| {
        json!({
            "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": { "name": name, "namespace": ns },
            "spec": original["spec"],
        })
    };
    let create = |object: &Value| user.kubectl_reading(&["create", "-f", "-"], &object.to_string());
    for name in [format!("{dev}-1"), format!("{dev}-00"), "other".to_owned()] {
        create(&copy(&name)).fails().says(&format!("{name} is not one of the 1 instances of this cluster"));
    }
    let mut generated = copy("x");
    generated["metadata"] = json!({ "generateName": format!("{dev}-"), "namespace": ns });
    create(&generated).fails().says("is not one of the 1 instances of this cluster");
    // A machine that is switched off is no instance either: the next step would switch it on.
    let mut halted = copy(&format!("{dev}-1"));
    halted["spec"]["runStrategy"] = json!("Halted");
    create(&halted).fails().says("is not one of the 1 instances of this cluster");

    let template = &original["spec"]["template"];
    let of = |kind: &str, api: &str, spec: &Value| json!({ "apiVersion": api, "kind": kind, "metadata": { "name": "sneaky", "namespace": ns }, "spec": spec });
    let selector = json!({ "matchLabels": { "a": "b" } });
    let kinds = [
        of("VirtualMachineInstance", "kubevirt.io/v1", &template["spec"]),
        of(
            "VirtualMachineInstanceReplicaSet",
            "kubevirt.io/v1",
            &json!({ "replicas": 1, "selector": selector, "template": template }),
        ),
        of("VirtualMachineInstanceMigration", "kubevirt.io/v1", &json!({ "vmiName": format!("{dev}-0") })),
        of(
            "VirtualMachinePool",
            "pool.kubevirt.io/v1beta1",
            &json!({ "replicas": 1, "selector": selector, "virtualMachineTemplate": {} }),
        ),
        of(
            "VirtualMachineClone",
            "clone.kubevirt.io/v1beta1",
            &json!({ "source": { "kind": "VirtualMachine", "name": format!("{dev}-0"), "apiGroup": "kubevirt.io" } }),
        ),
        of(
            "VirtualMachineSnapshot",
            "snapshot.kubevirt.io/v1beta1",
            &json!({ "source": { "kind": "VirtualMachine", "name": format!("{dev}-0"), "apiGroup": "kubevirt.io" } }),
        ),
        of(
            "VirtualMachineRestore",
            "snapshot.kubevirt.io/v1beta1",
            &json!({ "target": { "kind": "VirtualMachine", "name": format!("{dev}-0"), "apiGroup": "kubevirt.io" }, "virtualMachineSnapshotName": "x" }),
        ),
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": "virt-launcher-x", "namespace": ns, "labels": { "kubevirt.io": "virt-launcher" } },
            "spec": { "containers": [{ "name": "compute", "image": "x" }] },
        }),
        json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": format!("{dev}-0"), "namespace": ns },
            "spec": { "serviceName": "x", "selector": selector, "template": { "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [{ "name": "c", "image": "x" }] } } },
        }),
    ];
    for object in &kinds {
        let snapshot = object["apiVersion"].as_str().is_some_and(|api| api.starts_with("snapshot.kubevirt.io/"));
        // Its owner may take snapshots, where the size of the cluster has room for them.
        let says = if snapshot { "this cluster has no room for snapshots" } else { "cannot create resource" };
        create(object).fails().says(says);
    }
    let status = json!({ "status": { "stateChangeRequests": [{ "action": "Start" }] } }).to_string();
    user.kubectl(&[
        "patch",
        "vm",
        &format!("{dev}-0"),
        "-n",
        &ns,
        "--subresource=status",
        "--type=merge",
        "-p",
        &status,
    ])
    .fails()
    .says("resource \"virtualmachines/status\"");
    user.kubectl(&["delete", "vmi", &format!("{dev}-0"), "-n", &ns]).fails().says("cannot delete resource");
    // The policies hold an administrator to the size as well, because the charge depends on it.
    user.installation
        .plane
        .admin_reading(&["create", "-f", "-"], &copy(&format!("{dev}-1")).to_string())
        .fails()
        .says("is not one of");
}

#[test]
fn the_accounts_of_kubevirt_are_never_refused() {
    let user = installed().user("8", "16Gi");
    let dev = running(&user, "dev", 1);
    let ns = format!("{dev}-ns");
    // virt-controller moves machines. An administrator requests a migration, and the policies allow it.
    let migration = json!({
        "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstanceMigration",
        "metadata": { "name": "move", "namespace": ns }, "spec": { "vmiName": format!("{dev}-0") },
    });
    user.installation.plane.admin_reading(&["create", "-f", "-", "--dry-run=server"], &migration.to_string()).ok();
    // KubeVirt's own start and stop are written by virt-api on behalf of the user.
    let call = |verb: &str| {
        let path = format!("/apis/subresources.kubevirt.io/v1/namespaces/{ns}/virtualmachines/{dev}-0/{verb}");
        user.kubectl_reading(&["replace", "--raw", &path, "-f", "-"], "{}")
    };
    call("stop").ok();
    // virt-api refuses a start until the VirtualMachineInstance has ended, which STATUS `stopped` does not wait for.
    machine_is(&user.installation.plane, &ns, &format!("{dev}-0"), "Stopped");
    call("start").ok();
}
