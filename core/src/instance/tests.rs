use k8s_openapi::api::apps::v1::StatefulSet;
use serde_json::{Value, json};

use super::*;
use crate::account::Want;
use crate::account::tests::{name, want};
use crate::template::Template;

pub(crate) fn made(index: u32) -> StatefulSet {
    let blueprint = Template::container().blueprint(&want(1, "cpu=2,memory=4Gi")).unwrap();
    blueprint.stateful_set(&name("web").instance(index)).unwrap()
}

/// Returns the StatefulSet of an instance as it is read.
pub(crate) fn set(replicas: i32, asked: &str) -> Set {
    let mut set = made(0);
    set.spec.as_mut().unwrap().replicas = Some(replicas);
    set.metadata.labels.as_mut().unwrap().insert(keys::ASKED.to_owned(), asked.to_owned());
    set.metadata.resource_version = Some("7".to_owned());
    set.into()
}

pub(crate) fn pod(status: &Value) -> Pod {
    serde_json::from_value(json!({ "metadata": { "name": "web-0-0" }, "status": status })).unwrap()
}

#[test]
fn an_instance_that_is_off_is_ending_while_its_pod_exists() {
    let running = pod(&json!({ "phase": "Running" }));
    let ending = |replicas, pod| of_stateful_set(&set(replicas, "suspended"), pod).unwrap().ending;
    assert!(ending(0, Some(&running)) && !ending(0, None) && !ending(1, Some(&running)));
}

#[test]
fn the_shown_state_is_derived() {
    let check = |replicas, asked, status: Option<Value>, expected: &str| {
        let pod = status.as_ref().map(pod);
        let shown = of_stateful_set(&set(replicas, asked), pod.as_ref()).unwrap();
        assert_eq!(format!("{} {}", shown.state, shown.reason.unwrap_or_default()).trim(), expected);
    };
    check(0, "suspended", None, "suspended");
    check(0, "stopped", None, "stopped");
    // Something else scaled the StatefulSet to 0: the instance is shown as stopped.
    check(0, "running", None, "stopped");
    check(1, "running", None, "pending NoPod");
    check(1, "suspended", Some(json!({ "phase": "Running" })), "running");
    check(
        1,
        "running",
        Some(json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] })),
        "running",
    );
    check(
        1,
        "running",
        Some(
            json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": "False", "reason": "ContainersNotReady" }] }),
        ),
        "pending ContainersNotReady",
    );
    check(1, "running", Some(json!({ "phase": "Pending" })), "pending Starting");
    check(
        1,
        "running",
        Some(
            json!({ "phase": "Pending", "conditions": [{ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes" }] }),
        ),
        "pending Unschedulable",
    );
    check(1, "running", Some(json!({ "phase": "Failed", "reason": "Evicted" })), "failed Evicted");
    check(1, "running", Some(json!({ "phase": "Succeeded" })), "pending Completed");
    let container = |state: Value| json!({ "phase": "Running", "containerStatuses": [{ "name": "instance", "image": "i", "imageID": "", "ready": false, "restartCount": 4, "state": state }] });
    check(
        1,
        "running",
        Some(container(json!({ "waiting": { "reason": "CrashLoopBackOff" } }))),
        "failed CrashLoopBackOff",
    );
    check(
        1,
        "running",
        Some(container(json!({ "waiting": { "reason": "ImagePullBackOff" } }))),
        "failed ImagePullBackOff",
    );
    check(1, "running", Some(container(json!({ "waiting": { "reason": "ContainerCreating" } }))), "running");
    check(
        1,
        "running",
        Some(container(json!({ "terminated": { "exitCode": 137, "reason": "OOMKilled" } }))),
        "failed OOMKilled",
    );
}

#[test]
fn only_instances_of_their_own_namespace_are_shown() {
    let mut foreign = set(1, "running");
    foreign.metadata.namespace = Some("db-ns".to_owned());
    assert_eq!(of_stateful_set(&foreign, None), None);
    let mut other = set(1, "running");
    other.metadata.name = Some("postgres".to_owned());
    assert_eq!(of_stateful_set(&other, None), None);
}

#[test]
fn orphaned_objects_are_found() {
    let metadata = |name: &str, goes: bool| {
        let goes = goes.then_some("2026-01-01T00:00:00Z");
        json!({ "metadata": { "name": name, "namespace": "web-ns", "deletionTimestamp": goes } })
    };
    let of_pods = |names: &[&str], goes: bool| {
        let pods: Vec<Pod> = names.iter().map(|name| serde_json::from_value(metadata(name, goes)).unwrap()).collect();
        let found = orphaned_pods(&[made(0).into()], &pods);
        found.into_iter().map(|orphan| (orphan.object, orphan.shown.message.unwrap())).collect::<Vec<_>>()
    };
    let said = |is: &str| vec![("web-2-0".to_owned(), format!("its StatefulSet is gone, and its Pod web-2-0 {is}"))];
    assert_eq!(of_pods(&["web-0-0", "web-2-0"], false), said("is still there"));
    assert_eq!(of_pods(&["web-2-0"], true), said("is being deleted"));
    assert_eq!(of_pods(&["web-0", "web-2-x", "web-02-0", "db-2-0", "virt-launcher-web-2-0", "web-2-", "x"], false), []);
    let guests = ["vms-0", "vms-1", "db-1"].map(|name| {
        let mut guest = metadata(name, false);
        guest["metadata"]["namespace"] = "vms-ns".into();
        serde_json::from_value::<VirtualMachineInstance>(guest).unwrap()
    });
    let mut machine = vm("Always", "running", "Running");
    machine.metadata.name = Some("vms-0".to_owned());
    let found = orphaned_guests(&[machine], &guests);
    let found: Vec<&str> = found.iter().map(|orphan| orphan.object.as_str()).collect();
    assert_eq!(found, ["vms-1"]);
}

#[test]
fn each_instance_is_shown_with_its_own_pod() {
    let of = |index: u32, phase: &str| {
        let metadata = json!({ "name": format!("web-{index}-0"), "managedFields": [{ "manager": "x" }] });
        serde_json::from_value(
            json!({ "metadata": metadata, "spec": { "nodeName": phase }, "status": { "phase": phase } }),
        )
        .unwrap()
    };
    let sets: Vec<Set> =
        [10, 2, 1].map(|index| serde_json::from_value(serde_json::to_value(made(index)).unwrap()).unwrap()).to_vec();
    let shown = of_stateful_sets(&sets, &[of(1, "Running"), of(3, "Running"), of(10, "Pending")]);
    let shown: Vec<_> = shown.iter().map(|one| (one.name.index, one.state, one.node.as_deref())).collect();
    let expected =
        [(1, State::Running, Some("Running")), (2, State::Pending, None), (10, State::Pending, Some("Pending"))];
    assert_eq!(shown, expected);
}

pub(crate) fn vm(strategy: &str, asked: &str, status: &str) -> VirtualMachine {
    let dev = Want { kind: InstanceType::Vm, ..want(1, "cpu=2,memory=4Gi") };
    let blueprint = Template::machine().blueprint(&dev).unwrap();
    let mut made = blueprint.virtual_machine(&name("web").instance(0)).unwrap();
    made["spec"]["runStrategy"] = json!(strategy);
    made["metadata"]["labels"][keys::ASKED] = json!(asked);
    made["metadata"]["resourceVersion"] = json!("7");
    made["status"] = json!({ "printableStatus": status });
    serde_json::from_value(made).unwrap()
}

#[test]
fn every_status_of_a_vm_is_a_state() {
    let check = |strategy: &str, asked: &str, status: &str, expected: &str| {
        let shown = of_virtual_machine(&vm(strategy, asked, status), None).unwrap();
        assert_eq!(format!("{} {}", shown.state, shown.reason.unwrap_or_default()).trim(), expected);
    };
    for (status, expected) in [
        ("Running", "running"),
        ("Migrating", "running"),
        ("Starting", "pending Starting"),
        ("Provisioning", "pending Provisioning"),
        ("WaitingForVolumeBinding", "pending WaitingForVolumeBinding"),
        ("WaitingForReceiver", "pending WaitingForReceiver"),
        ("Stopping", "pending Stopping"),
        ("Terminating", "pending Terminating"),
        ("Stopped", "pending Stopped"),
        ("ErrorUnschedulable", "pending ErrorUnschedulable"),
        ("ErrorPvcNotFound", "failed ErrorPvcNotFound"),
        ("DataVolumeError", "failed DataVolumeError"),
        ("ErrImagePull", "failed ErrImagePull"),
        ("ImagePullBackOff", "failed ImagePullBackOff"),
        ("CrashLoopBackOff", "failed CrashLoopBackOff"),
        ("Unknown", "failed Unknown"),
    ] {
        check("Always", "running", status, expected);
        // The instance is shown as off, however long the last run takes to end.
        check("Halted", "stopped", status, "stopped");
        check("Halted", "suspended", status, "suspended");
    }
    check("Always", "suspended", "Paused", "suspended");
    check("Always", "running", "Paused", "suspended StillPaused");
    check("Always", "suspended", "Running", "running NotPausedYet");
    let with = |asked: &str, status: &str, condition: Value| {
        let mut vm = vm("Always", asked, status);
        vm.status.conditions = serde_json::from_value(json!([condition])).unwrap();
        let shown = of_virtual_machine(&vm, None).unwrap();
        (format!("{} {}", shown.state, shown.reason.unwrap_or_default()).trim().to_owned(), shown.paused)
    };
    let paused = |reason: &str| json!({ "type": "Paused", "status": "True", "reason": reason, "message": "m" });
    // A frozen guest that moves is still frozen. The condition stays when the guest is gone.
    assert_eq!(with("suspended", "Migrating", paused("PausedByUser")), ("suspended".to_owned(), true));
    assert_eq!(with("running", "Migrating", paused("PausedByUser")), ("suspended StillPaused".to_owned(), true));
    assert_eq!(with("running", "Starting", paused("PausedByUser")), ("pending Starting".to_owned(), false));
    assert_eq!(with("running", "Paused", paused("PausedIOError")), ("suspended PausedIOError".to_owned(), true));
    // KubeVirt could not make the VirtualMachineInstance, and its condition says why.
    let mut refused = vm("Always", "running", "Stopped");
    refused.status.conditions = serde_json::from_value(json!([
        { "type": "Failure", "status": "True", "reason": "FailedCreate", "message": "no room" },
    ]))
    .unwrap();
    let shown = of_virtual_machine(&refused, None).unwrap();
    assert_eq!((shown.state, shown.message.as_deref()), (State::Failed, Some("no room")));
}
