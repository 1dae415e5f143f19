use serde_json::{Value, json};

use super::*;
use crate::account::Want;
use crate::account::tests::{name, shape, want};
use crate::template::Template;

#[test]
fn the_table_of_transitions() {
    use State::{Failed, Pending, Running, Stopped, Suspended};
    for state in [Running, Pending, Failed] {
        assert_eq!(Illegal::legal(state), [Verb::Stop, Verb::Suspend]);
        assert_eq!(transition(state, Verb::Start), Some(Transition::Already));
        assert_eq!(transition(state, Verb::Resume), Some(Transition::Already));
    }
    assert_eq!(Illegal::legal(Stopped), [Verb::Start]);
    assert_eq!(Illegal::legal(Suspended), [Verb::Resume]);
    assert_eq!(transition(Stopped, Verb::Stop), Some(Transition::Already));
    assert_eq!(transition(Suspended, Verb::Suspend), Some(Transition::Already));
    let web = name("web").instance(1);
    for (state, verb, text) in [
        (Stopped, Verb::Suspend, "cannot suspend web-1: it is stopped, and a stopped instance can be started"),
        (Stopped, Verb::Resume, "cannot resume web-1: it is stopped, and a stopped instance can be started"),
        (Suspended, Verb::Start, "cannot start web-1: it is suspended, and a suspended instance can be resumed"),
        (Suspended, Verb::Stop, "cannot stop web-1: it is suspended, and a suspended instance can be resumed"),
    ] {
        assert_eq!(apply(&web, state, verb).unwrap_err().to_string(), text);
    }
}

fn made(index: u32) -> StatefulSet {
    let blueprint = Template::container().blueprint(&want(1, "cpu=2,memory=4Gi")).unwrap();
    blueprint.stateful_set(&name("web").instance(index)).unwrap()
}

fn set(replicas: i32, asked: &str) -> StatefulSet {
    let mut set = made(0);
    set.spec.as_mut().unwrap().replicas = Some(replicas);
    set.metadata.labels.as_mut().unwrap().insert(keys::ASKED.to_owned(), asked.to_owned());
    set.metadata.resource_version = Some("7".to_owned());
    set
}

fn pod(status: &Value) -> Pod {
    serde_json::from_value(json!({ "metadata": { "name": "web-0-0" }, "status": status })).unwrap()
}

#[test]
fn what_is_off_is_ending_while_something_of_it_is_there() {
    let running = [pod(&json!({ "phase": "Running" }))];
    let ending = |replicas, pods: &[Pod]| of_stateful_set(&set(replicas, "suspended"), pods).unwrap().ending;
    assert!(ending(0, &running) && !ending(0, &[]) && !ending(1, &running));
}

#[test]
fn the_shown_state_is_derived() {
    let check = |replicas, asked, status: Option<Value>, expected: &str| {
        let pods: Vec<Pod> = status.iter().map(pod).collect();
        let shown = of_stateful_set(&set(replicas, asked), &pods).unwrap();
        assert_eq!(format!("{} {}", shown.state, shown.reason.unwrap_or_default()).trim(), expected);
    };
    check(0, "suspended", None, "suspended");
    check(0, "stopped", None, "stopped");
    // Scaled to 0 past us: off is off.
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
    assert_eq!(of_stateful_set(&foreign, &[]), None);
    let mut other = set(1, "running");
    other.metadata.name = Some("postgres".to_owned());
    assert_eq!(of_stateful_set(&other, &[]), None);
}

fn asker() -> Asker {
    Asker { by: "john".to_owned(), at: "2026-11-23T20:00:00Z".parse().unwrap(), reason: Some("night".to_owned()) }
}

#[test]
fn a_suspension_is_remembered_and_forgotten_in_the_patch_that_makes_it() {
    let running = of_stateful_set(&set(1, "running"), &[]).unwrap();
    let Act { patch, call } = act(&running, Verb::Suspend, None, Some(&asker())).unwrap().unwrap();
    assert_eq!((&patch["metadata"]["resourceVersion"], call), (&json!("7"), None));
    assert_eq!(patch["metadata"]["labels"][keys::ASKED], "suspended");
    assert_eq!(patch["spec"], json!({ "replicas": 0 }));
    let mut suspended = set(0, "suspended");
    suspended.metadata.annotations = serde_json::from_value(patch["metadata"]["annotations"].clone()).unwrap();
    let shown = of_stateful_set(&suspended, &[]).unwrap();
    let Asker { by, at, reason } = asker();
    assert_eq!(shown.suspension, Some(Suspension { by, at, mode: Mode::Halt, reason }));
    let Act { patch, .. } = act(&shown, Verb::Resume, None, None).unwrap().unwrap();
    assert_eq!(patch["metadata"]["annotations"][keys::SUSPENDED_AT], Value::Null);
    assert_eq!(patch["spec"], json!({ "replicas": 1 }));
    assert_eq!(act(&shown, Verb::Suspend, None, None), Ok(None));
    assert_eq!(act(&running, Verb::Suspend, Some(Mode::Pause), None), Err(Refusal::NoPause));
}

fn vm(strategy: &str, asked: &str, status: &str) -> VirtualMachine {
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
        let shown = of_virtual_machine(&vm(strategy, asked, status), &[]).unwrap();
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
        // Off is off, however long the last run takes to end.
        check("Halted", "stopped", status, "stopped");
        check("Halted", "suspended", status, "suspended");
    }
    check("Always", "suspended", "Paused", "suspended");
    check("Always", "running", "Paused", "suspended StillPaused");
    check("Always", "suspended", "Running", "running NotPausedYet");
    // KubeVirt could not make it: it says why.
    let mut refused = vm("Always", "running", "Stopped");
    refused.status.conditions = serde_json::from_value(json!([
        { "type": "Failure", "status": "True", "reason": "FailedCreate", "message": "no room" },
    ]))
    .unwrap();
    let shown = of_virtual_machine(&refused, &[]).unwrap();
    assert_eq!((shown.state, shown.message.as_deref()), (State::Failed, Some("no room")));
}

#[test]
fn a_vm_is_paused_after_the_wish_is_written() {
    let check = |from: (&str, &str, &str), verb: Verb, mode: Option<Mode>, expected: (Value, Option<Call>, &str)| {
        let shown = of_virtual_machine(&vm(from.0, from.1, from.2), &[]).unwrap();
        let done = act(&shown, verb, mode, Some(&asker())).unwrap().unwrap();
        let asked = done.patch["metadata"]["labels"][keys::ASKED].as_str().unwrap();
        assert_eq!((done.patch["spec"].clone(), done.call, asked), expected, "{verb} {from:?}");
    };
    let (running, starting) = (("Always", "running", "Running"), ("Always", "running", "Starting"));
    let (paused, halted) = (("Always", "suspended", "Paused"), ("Halted", "suspended", "Stopped"));
    let strategy = |strategy: &str| json!({ "runStrategy": strategy });
    check(running, Verb::Suspend, None, (json!({}), Some(Call::Pause), "suspended"));
    check(running, Verb::Suspend, Some(Mode::Halt), (strategy("Halted"), None, "suspended"));
    // One that does not run yet has nothing to keep.
    check(starting, Verb::Suspend, None, (strategy("Halted"), None, "suspended"));
    check(paused, Verb::Resume, None, (json!({}), Some(Call::Unpause), "running"));
    check(paused, Verb::Suspend, Some(Mode::Halt), (strategy("Halted"), None, "suspended"));
    check(halted, Verb::Resume, None, (strategy("Always"), None, "running"));
    check(running, Verb::Stop, None, (strategy("Halted"), None, "stopped"));
    check(("Halted", "stopped", "Stopped"), Verb::Start, None, (strategy("Always"), None, "running"));
    // Half done, either way: the same verb finishes it, the other one takes it back.
    check(("Always", "suspended", "Running"), Verb::Suspend, None, (json!({}), Some(Call::Pause), "suspended"));
    check(("Always", "running", "Paused"), Verb::Resume, None, (json!({}), Some(Call::Unpause), "running"));
    check(("Always", "running", "Paused"), Verb::Suspend, None, (json!({}), Some(Call::Pause), "suspended"));
    check(("Always", "suspended", "Running"), Verb::Resume, None, (strategy("Always"), None, "running"));
    let already = of_virtual_machine(&vm("Always", "suspended", "Paused"), &[]).unwrap();
    assert_eq!(act(&already, Verb::Suspend, None, None), Ok(None));
    let illegal = act(&already, Verb::Stop, None, None).unwrap_err();
    assert_eq!(illegal.to_string(), "cannot stop web-0: it is suspended, and a suspended instance can be resumed");
}

#[test]
fn evidence_of_vms_is_what_their_guests_see() {
    let within = shape(1, "cpu=2,memory=4Gi");
    let machine: VirtualMachineInstance = serde_json::from_value(json!({
        "metadata": { "name": "web-0" },
        "spec": { "domain": { "cpu": { "cores": 2 }, "memory": { "guest": "4Gi" } } },
        "status": { "phase": "Running" },
    }))
    .unwrap();
    let one = Remains {
        machines: vec![vm("Always", "running", "Running")],
        running: vec![machine.clone()],
        ..Remains::default()
    };
    assert_eq!(fits(&one, InstanceType::Vm, &within), Ok(()));
    let none = fits(&one, InstanceType::Vm, &shape(0, "cpu=2,memory=4Gi"));
    assert_eq!(none, Err("instance web-0 still exists".to_owned()));
    let smaller = fits(&one, InstanceType::Vm, &shape(1, "cpu=1,memory=4Gi"));
    // Whatever its guest is now: the next one is made of what the VM says, and nobody is asked.
    assert_eq!(smaller, Err("instance web-0 still is to have cpu=2,memory=4Gi".to_owned()));
    let gone = Remains { running: vec![], ..one.clone() };
    let smaller = shape(1, "cpu=1,memory=4Gi");
    assert!(fits(&gone, InstanceType::Vm, &smaller).is_err());
    let small: VirtualMachine = serde_json::from_value(json!({
        "metadata": { "name": "web-0" },
        "spec": { "template": { "spec": { "domain": { "memory": { "guest": "4Gi" } } } } },
    }))
    .unwrap();
    let larger = Remains { machines: vec![small], ..one.clone() };
    assert_eq!(fits(&larger, InstanceType::Vm, &smaller), Err("VM web-0 still has cpu=2,memory=4Gi".to_owned()));
    let halted = Remains { machines: vec![vm("Halted", "stopped", "Stopped")], ..gone };
    assert_eq!(fits(&halted, InstanceType::Vm, &smaller), Ok(()));
    let unreadable = serde_json::from_value(json!({ "metadata": { "name": "web-0" } })).unwrap();
    let unreadable = fits(&Remains { machines: vec![unreadable], ..halted }, InstanceType::Vm, &within);
    assert_eq!(unreadable, Err("instance web-0 has more than can be counted".to_owned()));
    let off = Shape { released: true, ..within.clone() };
    assert_eq!(fits(&one, InstanceType::Vm, &off), Err("instance web-0 is not off".to_owned()));
    let mut ending = Remains { machines: vec![vm("Halted", "suspended", "Stopping")], ..one.clone() };
    assert_eq!(fits(&ending, InstanceType::Vm, &off), Err("VM web-0 still exists".to_owned()));
    ending.running[0].status.phase = Some("Succeeded".to_owned());
    assert_eq!(fits(&ending, InstanceType::Vm, &off), Ok(()));
}

#[test]
fn a_pod_costs_what_kubernetes_counts() {
    let check = |spec: Value, expected: &str| {
        let spec = serde_json::from_value(spec).unwrap();
        assert_eq!(footprint(&spec, Rule::Requests).unwrap().to_string(), expected);
    };
    let container = |cpu: &str| json!({ "name": "c", "resources": { "requests": { "cpu": cpu } } });
    let sidecar =
        |cpu: &str| json!({ "name": "s", "restartPolicy": "Always", "resources": { "requests": { "cpu": cpu } } });
    check(json!({ "containers": [container("1"), container("500m")] }), "cpu=1500m");
    check(json!({ "containers": [container("1")], "initContainers": [container("3")] }), "cpu=3");
    check(json!({ "containers": [container("1")], "initContainers": [sidecar("1"), container("2")] }), "cpu=3");
    check(json!({ "containers": [container("1")], "initContainers": [container("2"), sidecar("1")] }), "cpu=2");
    check(json!({ "containers": [container("1")], "resources": { "requests": { "cpu": "4" } } }), "cpu=4");
    check(json!({ "containers": [container("1")], "overhead": { "cpu": "250m" } }), "cpu=1250m");
}

/// Random Pods with what the real `PodRequests` and `PodLimits` make of them; `tests/control-plane/kubernetes/pods`
/// makes the file.
const PODS: &str = include_str!("../../tests/vectors/pods.jsonl");

#[test]
fn a_random_pod_costs_what_kubernetes_counts() {
    let mut seen = 0;
    for line in PODS.lines() {
        let vector: Value = serde_json::from_str(line).unwrap();
        let pod = serde_json::from_value(vector["pod"].clone()).unwrap();
        for (rule, sums) in [(Rule::Requests, "requests"), (Rule::Limits, "limits")] {
            // What cannot be in a size is not counted.
            let expected: Resources = vector[sums]
                .as_object()
                .unwrap()
                .iter()
                .filter_map(|(name, amount)| Some((name.parse().ok()?, amount.as_str()?.parse().unwrap())))
                .collect();
            assert_eq!(footprint(&pod, rule), Some(expected), "{sums} of {line}");
            seen += 1;
        }
    }
    assert_eq!(seen, 500);
}

#[test]
fn a_pod_that_cannot_be_counted_is_no_small_one() {
    let pod = |first: &str, second: &str| {
        let container = |memory: &str| json!({ "name": "c", "resources": { "requests": { "memory": memory } } });
        let spec = json!({ "containers": [container(first), container(second)] });
        serde_json::from_value(json!({ "metadata": { "name": "web-0-0" }, "spec": spec })).unwrap()
    };
    let within = shape(1, "cpu=2,memory=4Gi");
    let fits = |pod| fits(&Remains { pods: vec![pod], ..Remains::default() }, InstanceType::Container, &within);
    assert_eq!(fits(pod("1Gi", "3Gi")), Ok(()));
    assert_eq!(fits(pod("1Gi", "9E99")), Err("Pod web-0-0 has more than can be counted".to_owned()));
}

#[test]
fn evidence_counts_what_still_lives() {
    let within = shape(1, "cpu=2,memory=4Gi");
    let living = |count: u32| {
        let mut remains = Remains::default();
        for index in 0..count {
            let set = made(index);
            let spec = set.spec.as_ref().unwrap().template.spec.clone();
            remains.pods.push(Pod { spec, ..pod(&json!({ "phase": "Running" })) });
            remains.sets.push(set);
        }
        remains
    };
    assert_eq!(fits(&living(1), InstanceType::Container, &within), Ok(()));
    assert_eq!(fits(&living(2), InstanceType::Container, &within), Err("instance web-1 still exists".to_owned()));
    let mut orphan = living(2);
    orphan.sets.pop();
    assert_eq!(fits(&orphan, InstanceType::Container, &within), Err("Pod web-0-0 still exists".to_owned()));
    orphan.pods[1].status.as_mut().unwrap().phase = Some("Succeeded".to_owned());
    assert_eq!(fits(&orphan, InstanceType::Container, &within), Ok(()));
    let smaller = shape(1, "cpu=1,memory=4Gi");
    assert_eq!(
        fits(&living(1), InstanceType::Container, &smaller),
        Err("Pod web-0-0 still has cpu=2,memory=4Gi".to_owned())
    );
    let released = Shape { released: true, ..within.clone() };
    assert_eq!(fits(&living(1), InstanceType::Container, &released), Err("instance web-0 is not off".to_owned()));
    let mut off = living(1);
    off.sets[0].spec.as_mut().unwrap().replicas = Some(0);
    assert_eq!(fits(&off, InstanceType::Container, &released), Err("Pod web-0-0 still exists".to_owned()));
    off.pods.clear();
    assert_eq!(fits(&off, InstanceType::Container, &released), Ok(()));
    let claims = Remains { storage: Quantity::mebibytes(1), ..Remains::default() };
    assert_eq!(fits(&claims, InstanceType::Container, &within), Err("claims still hold more storage".to_owned()));
}

#[test]
fn a_state_that_all_share_is_the_clusters() {
    assert_eq!(Counts::of([State::Running, State::Running]).shared(), Some(State::Running));
    assert_eq!(Counts::of([State::Running, State::Stopped]).shared(), None);
    assert_eq!(Counts::of([]).shared(), None);
}
