use serde_json::json;

use super::*;
use crate::account::tests::shape;
use crate::instance::tests::{made, vm};

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
    // The size of the current guest does not matter: the next guest is made from the VM, and nobody is asked.
    assert_eq!(smaller, Err("instance web-0 still requests cpu=2,memory=4Gi".to_owned()));
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
    assert_eq!(fits(&one, InstanceType::Vm, &off), Err("instance web-0 is still on".to_owned()));
    let mut ending = Remains { machines: vec![vm("Halted", "suspended", "Stopping")], ..one.clone() };
    assert_eq!(fits(&ending, InstanceType::Vm, &off), Err("VM web-0 still exists".to_owned()));
    ending.running[0].status.phase = Some("Succeeded".to_owned());
    assert_eq!(fits(&ending, InstanceType::Vm, &off), Ok(()));
}

#[test]
fn a_pod_that_cannot_be_counted_is_not_counted_as_small() {
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
fn evidence_counts_living_objects() {
    let within = shape(1, "cpu=2,memory=4Gi");
    let living = |count: u32| {
        let mut remains = Remains::default();
        for index in 0..count {
            let set = made(index);
            let spec = set.spec.as_ref().unwrap().template.spec.clone();
            let pod = json!({ "metadata": { "name": "web-0-0" }, "status": { "phase": "Running" } });
            remains.pods.push(Pod { spec, ..serde_json::from_value(pod).unwrap() });
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
    assert_eq!(fits(&living(1), InstanceType::Container, &released), Err("instance web-0 is still on".to_owned()));
    let mut off = living(1);
    off.sets[0].spec.as_mut().unwrap().replicas = Some(0);
    assert_eq!(fits(&off, InstanceType::Container, &released), Err("Pod web-0-0 still exists".to_owned()));
    off.pods.clear();
    assert_eq!(fits(&off, InstanceType::Container, &released), Ok(()));
    let claims = Remains { storage: Quantity::mebibytes(1), ..Remains::default() };
    assert_eq!(
        fits(&claims, InstanceType::Container, &within),
        Err("PersistentVolumeClaims still request more storage".to_owned())
    );
}

#[test]
fn a_cluster_in_deletion_needs_the_storage_of_its_claims_alone() {
    let holds = shape(3, "cpu=2,memory=4Gi,storage=10Gi");
    let of = |count| Ok(Shape { count, released: true, ..holds.clone() });
    let claims = |mebibytes| Remains { storage: Quantity::mebibytes(mebibytes), ..Remains::default() };
    let rows = [(0, 0), (1, 1), (10 * 1024, 1), (10 * 1024 + 1, 2), (30 * 1024, 3), (40 * 1024, 3)];
    for (mebibytes, count) in rows {
        assert_eq!(needed_in_deletion(&claims(mebibytes), &holds), of(count), "{mebibytes} Mi");
    }
    // Objects that make nothing any more cost nothing.
    let mut remains = Remains { sets: vec![made(0)], machines: vec![vm("Always", "running", "Running")], ..claims(0) };
    assert_eq!(needed_in_deletion(&remains, &holds), of(0));
    let pod = |phase: &str| {
        let pod = json!({ "metadata": { "name": "web-0-0" }, "status": { "phase": phase } });
        serde_json::from_value::<Pod>(pod).unwrap()
    };
    remains.pods = vec![pod("Failed"), pod("Succeeded")];
    assert_eq!(needed_in_deletion(&remains, &holds), of(0));
    remains.pods.push(pod("Running"));
    assert_eq!(needed_in_deletion(&remains, &holds), Err("Pod web-0-0 still exists".to_owned()));
    remains.pods.clear();
    let machine = json!({ "metadata": { "name": "web-0" }, "status": { "phase": "Running" } });
    remains.running = vec![serde_json::from_value(machine).unwrap()];
    assert_eq!(needed_in_deletion(&remains, &holds), Err("VM web-0 still exists".to_owned()));
    remains.running[0].status.phase = Some("Succeeded".to_owned());
    assert_eq!(needed_in_deletion(&remains, &holds), of(0));
}

#[test]
fn snapshots_keep_their_room_until_they_are_gone() {
    let size = "cpu=2,memory=4Gi,storage=10Gi,snapshot-storage=20Gi";
    let left = |snapshots| Remains { snapshots, ..Remains::default() };
    for (count, size, snapshots, expected) in [
        (3, size, 6, None),
        (3, size, 7, Some("7 snapshots of disks still exist, and 6 may remain")),
        (3, "cpu=2,memory=4Gi,storage=10Gi", 1, Some("1 snapshots of disks still exist, and 0 may remain")),
        (3, "cpu=2,memory=4Gi", 0, None),
    ] {
        let fits = fits(&left(snapshots), InstanceType::Vm, &shape(count, size));
        assert_eq!(fits.is_err(), expected.is_some(), "{size} {snapshots}");
        assert!(fits.err().unwrap_or_default().starts_with(expected.unwrap_or_default()), "{size} {snapshots}");
    }
    let holds = shape(3, size);
    for (snapshots, count) in [(0, 0), (1, 1), (2, 1), (3, 2), (6, 3), (9, 3)] {
        let needed = needed_in_deletion(&left(snapshots), &holds).unwrap();
        assert_eq!((needed.count, needed.released), (count, true), "{snapshots}");
    }
}
