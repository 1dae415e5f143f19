//! Tables of the plans about snapshots.

use serde_json::{Value, json};

use super::*;
use crate::account::tests::{account, name};
use crate::keys;
use crate::plan::tests::written;

const QUOTA: &str = r#"{"cpu":"16","memory":"64Gi","storage":"20Gi","snapshot-storage":"4Gi"}"#;
const DISKS: &str = r#"{"type":"vm","count":2,"size":{"cpu":"1","memory":"1Gi","storage":"1Gi"},"rootDisk":"image"}"#;

fn of_json<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn vm(name: &str, statuses: &Value) -> VirtualMachine {
    of_json(json!({
        "metadata": { "name": name, "uid": format!("uid-{name}") },
        "spec": { "runStrategy": "Halted", "template": { "spec": {
            "domain": { "cpu": { "cores": 1 }, "memory": { "guest": "1Gi" } },
            "volumes": [{ "name": "root", "dataVolume": { "name": "r" } }, { "name": "init", "cloudInitNoCloud": {} }],
        } } },
        "status": { "volumeSnapshotStatuses": statuses },
    }))
}

fn machines() -> Vec<VirtualMachine> {
    let enabled = json!([{ "name": "root", "enabled": true }]);
    vec![vm("web-1", &enabled), vm("web-0", &enabled)]
}

fn part(snapshot: &str, index: u32, change: impl Fn(&mut Value)) -> Part {
    let mut part = json!({
        "metadata": { "name": format!("{snapshot}-{index}"), "labels": { (keys::SNAPSHOT): snapshot } },
        "spec": { "source": { "name": format!("web-{index}") } },
        "status": { "phase": "Succeeded", "readyToUse": true, "sourceUID": format!("uid-web-{index}"),
            "snapshotVolumes": { "includedVolumes": ["root"] } },
    });
    change(&mut part);
    of_json(part)
}

fn whole(snapshot: &str) -> Vec<Part> {
    (0..2).map(|index| part(snapshot, index, |_| {})).collect()
}

#[test]
fn a_snapshot_asks_for_room_and_makes_the_parts_that_are_missing() {
    let roomy = |room: &str| DISKS.replace("1Gi\"},", &format!("1Gi\",\"snapshot-storage\":\"{room}\"}},"));
    let stored = |room: &str| {
        let size = format!(r#"{{"cpu":"1","memory":"1Gi","snapshot-storage":"{room}","storage":"1Gi"}}"#);
        format!(r#"want.web: {{"type":"vm","count":2,"size":{size},"rootDisk":"image"}}"#)
    };
    let one = vec![part("before", 1, |_| {})];
    for (want, parts, expected, make) in [
        (DISKS.to_owned(), vec![], stored("1Gi"), &["web-0", "web-1"][..]),
        (DISKS.to_owned(), one.clone(), stored("1Gi"), &["web-0"]),
        (roomy("1Gi"), one, String::new(), &["web-0"]),
        (roomy("1Gi"), whole("before"), String::new(), &[]),
        (roomy("1Gi"), whole("other"), stored("2Gi"), &["web-0", "web-1"]),
        (roomy("2Gi"), vec![], String::new(), &["web-0", "web-1"]),
    ] {
        let account = account(&[("quota", QUOTA), ("want.web", &want)]);
        let plan = take(&name("web"), &"before".parse().unwrap(), &account, &machines(), &parts).unwrap();
        let made: Vec<String> = plan.parts.iter().map(ToString::to_string).collect();
        assert_eq!(
            (written(Ok(plan.write)).as_str(), made.as_slice()),
            (expected.as_str(), &make.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>()[..]),
            "{want}"
        );
    }
}

#[test]
fn a_snapshot_that_cannot_be_whole_is_refused() {
    let no = json!([{ "name": "root", "enabled": false, "reason": "No VolumeSnapshotClass for [plain]" }]);
    let enabled = json!([{ "name": "root", "enabled": true }]);
    let two = |vm: &VirtualMachine| {
        let mut vm = vm.clone();
        vm.spec.template.spec.volumes.push(of_json(json!({ "name": "more", "persistentVolumeClaim": {} })));
        vm
    };
    let going = part("before", 0, |part| part["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"));
    let full: Vec<Part> = ["a", "b"].into_iter().flat_map(whole).collect();
    let ephemeral = DISKS.replace(",\"rootDisk\":\"image\"", "");
    for (want, machines, parts, expected) in [
        (
            DISKS,
            vec![vm("web-0", &no)],
            vec![],
            "the disk root of web-0 cannot have snapshots: No VolumeSnapshotClass for [plain]",
        ),
        (DISKS, vec![vm("web-0", &json!([]))], vec![], "KubeVirt has not looked at the disk root of web-0 yet"),
        (
            DISKS,
            vec![two(&vm("web-0", &enabled))],
            vec![],
            "web-0 has 2 disks that stay, and a snapshot is of one: root, more",
        ),
        (DISKS, vec![], vec![], "cluster web has no VMs yet"),
        (DISKS, machines(), vec![going], "snapshot before is being deleted"),
        (&ephemeral, machines(), vec![], "the VMs of cluster web have no disks that stay"),
        (
            DISKS,
            machines(),
            full,
            "exceeded quota: john, requested: snapshot-storage=6Gi, used: snapshot-storage=0, limited: snapshot-storage=4Gi",
        ),
    ] {
        let account = account(&[("quota", QUOTA), ("want.web", want)]);
        let refused = take(&name("web"), &"before".parse().unwrap(), &account, &machines, &parts).unwrap_err();
        assert_eq!(refused.cause.to_string(), expected);
    }
    let containers = account(&[("want.web", crate::plan::tests::WEB)]);
    let refused = take(&name("web"), &"a".parse().unwrap(), &containers, &[], &[]).unwrap_err();
    assert_eq!(refused.to_string(), "cluster web has containers, and snapshots are of VMs");
    for (volumes, machines, expected) in [
        (true, true, None),
        (false, true, Some("volume snapshots are not installed in this cluster")),
        (true, false, Some("KubeVirt's snapshots are not installed in this cluster")),
    ] {
        let said = can_snapshot(volumes, machines).err().map(|refusal| refusal.cause.to_string());
        assert_eq!(said.as_deref(), expected);
    }
}

#[test]
fn room_is_given_back_down_to_the_parts_that_remain() {
    let roomy = DISKS.replace("1Gi\"},", "1Gi\",\"snapshot-storage\":\"2Gi\"},");
    let account = account(&[("quota", QUOTA), ("want.web", &roomy)]);
    for (remaining, room) in [(0, None), (1, Some("1Gi")), (2, Some("1Gi")), (3, Some("2Gi")), (9, Some("2Gi"))] {
        let write = give_back(&name("web"), &account, remaining).unwrap();
        let size = write.account.cluster(&name("web")).want.unwrap().size;
        let left = size.named(crate::resources::SNAPSHOT_STORAGE).map(|room| room.to_string());
        assert_eq!(left.as_deref(), room, "{remaining}");
    }
}

/// Returns everything that a restore of `before` needs.
fn observed() -> Observed {
    let content = |index: u32| {
        let name = format!("web-{index}");
        let machine = json!({ "metadata": { "name": name }, "spec": { "template": { "spec": {
            "domain": { "cpu": { "cores": 1 }, "memory": { "guest": "1Gi" } } } } } });
        of_json(json!({ "spec": { "virtualMachineSnapshotName": format!("before-{index}"),
            "source": { "virtualMachine": machine }, "volumeBackups": [{ "volumeSnapshotName": name }] } }))
    };
    let volume = |index: u32| {
        of_json(json!({ "metadata": { "name": format!("web-{index}") }, "status": { "restoreSize": "1Gi" } }))
    };
    Observed {
        machines: machines(),
        guests: Vec::new(),
        parts: whole("before"),
        contents: (0..2).map(content).collect(),
        volumes: (0..2).map(volume).collect(),
    }
}

#[test]
fn a_restore_begins_only_if_nothing_can_refuse_it_later() {
    let account = account(&[("quota", QUOTA), ("want.web", DISKS)]);
    let plan = |change: &dyn Fn(&mut Observed)| {
        let mut seen = observed();
        change(&mut seen);
        restore(&name("web"), &"before".parse().unwrap(), &account, &seen)
    };
    let all = plan(&|_| {}).unwrap();
    assert_eq!(
        (all.goes(), all.left_out.as_slice()),
        (
            ["web-0", "web-1"]
                .map(|name| format!("the content of the disk of {name}, for that of snapshot before"))
                .to_vec(),
            &[][..]
        )
    );
    let some = plan(&|seen| {
        seen.parts.remove(0);
        seen.parts.push(part("before", 7, |_| {}));
    })
    .unwrap();
    assert_eq!(some.parts.len(), 1);
    assert_eq!(
        some.left_out,
        ["web-7 does not exist, and is not restored", "web-0 is not in snapshot before, and keeps its disk"]
    );
    let guest = json!({ "metadata": { "name": "web-1" }, "status": { "phase": "Running" } });
    for (change, expected) in [
        (&(|seen: &mut Observed| seen.parts.clear()) as &dyn Fn(&mut Observed), "snapshot \"before\" not found"),
        (
            &|seen| seen.parts[1].status.ready_to_use = Some(false),
            "snapshot before cannot be restored: its part of web-1 is pending",
        ),
        (
            &|seen| seen.machines[1].spec.run_strategy = Some("Always".to_owned()),
            "a VM that is on cannot be restored: web-0",
        ),
        (&|seen| seen.guests.push(of_json(guest.clone())), "a VM that is on cannot be restored: web-1"),
        (
            &|seen| seen.machines[0].metadata.uid = Some("other".to_owned()),
            "web-1 is another VM than that of snapshot before: it was deleted and created again",
        ),
        (
            &|seen| seen.parts[0].status.snapshot_volumes = None,
            "snapshot before of web-0 does not contain its disk root",
        ),
        (&|seen| seen.contents.clear(), "the content of snapshot before of web-0 does not exist"),
        (
            &|seen| seen.contents[0].spec.source.virtual_machine = VirtualMachine::default(),
            "snapshot before of web-0 has another size than the VM has now: a size that cannot be read",
        ),
        (&|seen| seen.volumes.clear(), "the volume snapshot web-0 of web-0 does not exist any more"),
        (
            &|seen| seen.volumes[1].status.restore_size = Some("2Gi".to_owned()),
            "a disk of web-1 from snapshot before would have 2Gi, and the disks of the cluster have 1Gi",
        ),
        (&|seen| seen.machines.clear(), "no VM of snapshot before exists any more"),
    ] {
        assert_eq!(plan(change).unwrap_err().cause.to_string(), expected);
    }
}
