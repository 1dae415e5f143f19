use serde_json::json;

use super::*;
use crate::account::tests::{account, held, name, size, want};
use crate::instance::tests::vm;
use crate::plan::tests::{HELD, WEB, instance, instances};

const VM: &str = r#"{"type":"vm","count":1,"size":{"cpu":"2","memory":"4Gi"}}"#;
const DISK: &str =
    r#"{"type":"container","count":1,"size":{"cpu":"2","memory":"4Gi","storage":"10Gi"},"disk":"/data"}"#;

/// Reads a wish from text such as `cpu=4,memory=8Gi`.
fn wish(text: &str) -> Wish {
    let amounts = size(text);
    let more = amounts.iter().filter(|(name, _)| !["cpu", "memory"].contains(&name.as_str()));
    let more = more.map(|(name, amount)| (name.clone(), amount)).collect();
    Wish { name: name("web"), cpu: amounts.named("cpu"), memory: amounts.named("memory"), more }
}

/// Writes the steps as words, with the indexes of the instances.
fn words(steps: &[Step]) -> String {
    let word = |step: &Step| match step {
        Step::CheckContainers => "check".to_owned(),
        Step::Raise => "raise".to_owned(),
        Step::Prepare => "prepare".to_owned(),
        Step::Resize(name) => name.index.to_string(),
        Step::Lower => "lower".to_owned(),
        Step::TellReleasing => "releasing".to_owned(),
    };
    steps.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_larger_size_is_held_until_all_instances_have_the_new_one() {
    let shown = instances(&["web-0", "web-1 suspended", "web-2"]);
    for (amounts, rows, dry_run, steps, raised, lowered) in [
        (
            "cpu=4",
            &[("want.web", WEB)][..],
            false,
            "check raise prepare 0 1 2 lower",
            "cpu=4,memory=4Gi",
            "cpu=4,memory=4Gi",
        ),
        (
            "cpu=1",
            &[("want.web", WEB)],
            false,
            "check raise prepare 0 1 2 lower releasing",
            "cpu=2,memory=4Gi",
            "cpu=1,memory=4Gi",
        ),
        (
            "cpu=4,memory=2Gi",
            &[("want.web", WEB)],
            false,
            "check raise prepare 0 1 2 lower releasing",
            "cpu=4,memory=4Gi",
            "cpu=4,memory=2Gi",
        ),
        (
            "cpu=2",
            &[("want.web", WEB)],
            false,
            "check raise prepare 0 1 2 lower",
            "cpu=2,memory=4Gi",
            "cpu=2,memory=4Gi",
        ),
        ("cpu=4", &[("want.web", WEB)], true, "lower", "cpu=4,memory=4Gi", "cpu=4,memory=4Gi"),
        ("cpu=4", &[("want.web", VM)], false, "raise prepare 0 1 2 lower", "cpu=4,memory=4Gi", "cpu=4,memory=4Gi"),
    ] {
        let account = account(rows);
        let plan = plan(&wish(amounts), &account, &shown, dry_run).unwrap();
        let raised_account = plan.raise(&account).unwrap().account;
        let later = if dry_run { Vec::new() } else { plan.after_raise(&raised_account) };
        assert_eq!(words(&[plan.steps.clone(), later].concat()), steps, "{amounts} {rows:?}");
        let of = |write: Result<Write, Refusal>| write.unwrap().account.cluster(&name("web")).want.unwrap().size;
        assert_eq!((of(plan.raise(&account)), of(plan.lower(&account))), (size(raised), size(lowered)));
        assert_eq!(plan.lower(&account), Ok(plan.write));
    }
}

#[test]
fn a_size_that_is_there_already_is_unchanged_if_no_instance_changes() {
    let account = account(&[("want.web", WEB)]);
    for (amounts, changed, word) in
        [("cpu=2", false, "unchanged"), ("cpu=2", true, "resized"), ("cpu=4", false, "resized")]
    {
        assert_eq!(plan(&wish(amounts), &account, &[], false).unwrap().word(changed), word, "{amounts}");
    }
}

#[test]
fn a_cluster_that_releases_is_waited_for_only_if_it_was_raised() {
    let releasing = held(3, "cpu=2,memory=4Gi", HeldState::Releasing).stored();
    for (amounts, held, waits) in [
        ("cpu=4", &releasing[..], true),
        ("cpu=1", &releasing, false),
        ("cpu=1", HELD, true),
        ("cpu=4", HELD, true),
        ("cpu=1", "", true),
    ] {
        let held = [("held.web", held)].into_iter().filter(|(_, held)| !held.is_empty());
        let rows: Vec<_> = [("want.web", WEB)].into_iter().chain(held).collect();
        let account = account(&rows);
        let plan = plan(&wish(amounts), &account, &[], false).unwrap();
        let steps = plan.after_raise(&plan.raise(&account).unwrap().account);
        assert_eq!(steps.contains(&Step::Prepare), waits, "{amounts} {rows:?}");
    }
}

#[test]
fn an_impossible_size_is_refused_before_the_first_step() {
    assert_eq!(
        says_something(&wish("")).unwrap_err().to_string(),
        "nothing to change\nhint: use --cpu, --memory or --resource"
    );
    for some in ["cpu=1", "memory=1Gi", "nvidia.com/gpu=1"] {
        assert_eq!(says_something(&wish(some)), Ok(()));
    }
    let paused = Instance { paused: true, ..instance("web-1 suspended") };
    for (amounts, rows, shown, expected) in [
        (
            "cpu=4",
            &[("held.web", HELD)][..],
            &[][..],
            "cluster web has no specification: its account was created again\n\
             hint: restore it with `kubectl cmp create cluster` and the current size",
        ),
        (
            "storage=20Gi",
            &[("want.web", VM)],
            &[],
            "the disks of the VMs of cluster web keep their size\n\
             hint: use --cpu and --memory to change the CPU and the memory",
        ),
        (
            "nvidia.com/T4=2",
            &[("want.web", VM)],
            &[],
            "--resource nvidia.com/T4: the VMs of cluster web keep their devices\n\
             hint: create another cluster with the devices you want, then delete this one",
        ),
        (
            "storage=20Gi",
            &[("want.web", DISK)],
            &[],
            "--resource storage: the disks of cluster web keep their size\n\
             hint: create another cluster with the disks you want, then delete this one",
        ),
        (
            "cpu=4",
            &[("want.web", WEB)],
            &[paused],
            "paused VMs cannot be resized: web-1\n\
             hint: `kubectl cmp resume cluster web` resumes them, so that they can be restarted\n\
             hint: `kubectl cmp suspend cluster web --mode halt` switches them off",
        ),
        ("cpu=9", &[("want.web", WEB)], &[], "exceeded quota: john, requested: cpu=21, used: cpu=6, limited: cpu=16"),
    ] {
        let refusal = plan(&wish(amounts), &account(rows), shown, false).unwrap_err();
        assert_eq!(refusal.to_string(), expected, "{amounts} {rows:?}");
    }
    // The size of the disk may be repeated, and storage without a disk may change.
    assert!(size_of("storage=10Gi,cpu=1", DISK).is_ok());
    let claims = r#"{"type":"container","count":1,"size":{"cpu":"2","memory":"4Gi","storage":"10Gi"}}"#;
    assert_eq!(size_of("storage=20Gi", claims), Ok(size("cpu=2,memory=4Gi,storage=20Gi")));
}

fn size_of(amounts: &str, want: &str) -> Result<Resources, Refusal> {
    super::size(&wish(amounts), &account(&[("want.web", want)]))
}

/// Returns a guest with this uid, CPU and phase.
fn guest(uid: &str, cores: u32, phase: &str) -> VirtualMachineInstance {
    serde_json::from_value(json!({
        "metadata": { "uid": uid },
        "spec": { "domain": { "cpu": { "cores": cores }, "memory": { "guest": "4Gi" } } },
        "status": { "phase": phase },
    }))
    .unwrap()
}

fn four() -> Want {
    Want { kind: InstanceType::Vm, ..want(1, "cpu=4,memory=4Gi") }
}

#[test]
fn a_guest_of_the_old_size_is_restarted() {
    let (old, new) = (guest("a", 2, "Running"), guest("a", 4, "Running"));
    for (before, after, restarts) in [
        (Some(&old), Some(&old), true),
        (None, None, false),
        (Some(&old), None, false),
        (None, Some(&old), true),
        (None, Some(&new), false),
        (Some(&new), Some(&new), false),
        // KubeVirt has begun to change the guest.
        (Some(&old), Some(&new), true),
        // Another guest was created with the new size meanwhile.
        (Some(&old), Some(&guest("b", 4, "Running")), false),
        (Some(&old), Some(&guest("a", 2, "Succeeded")), false),
    ] {
        assert_eq!(old_guest(before, after, &four()).is_some(), restarts, "{before:?} {after:?}");
    }
}

#[test]
fn another_guest_of_the_new_size_ends_the_wait() {
    let (on, off) = (vm("Always", "running", "Running"), vm("Halted", "stopped", "Stopped"));
    for (vm, guest, runs) in [
        (Some(&on), Some(guest("b", 4, "Running")), true),
        (Some(&on), Some(guest("a", 4, "Running")), false),
        (Some(&on), Some(guest("b", 2, "Running")), false),
        (Some(&on), Some(guest("b", 4, "Scheduling")), false),
        (Some(&on), None, false),
        (Some(&off), None, true),
        (None, None, true),
    ] {
        assert_eq!(guest_runs(vm, guest.as_ref(), Some("a"), &four()), runs, "{guest:?}");
    }
}

#[test]
fn running_instances_with_another_size_restart() {
    let shown = instances(&["web-0", "web-1 suspended", "web-2"]);
    let restarts = |amounts: &str| {
        let account = account(&[("want.web", WEB)]);
        plan(&wish(amounts), &account, &shown, false).unwrap().restarts(&shown)
    };
    let expected = ["instance/web-0, with cpu=4,memory=4Gi", "instance/web-2, with cpu=4,memory=4Gi"];
    assert_eq!(restarts("cpu=4"), expected);
    let mut same = shown.clone();
    for instance in &mut same {
        instance.size = size("cpu=2,memory=4Gi");
    }
    let account = account(&[("want.web", WEB)]);
    assert!(plan(&wish("cpu=2"), &account, &same, false).unwrap().restarts(&same).is_empty());
}

#[test]
fn a_size_that_one_vm_cannot_have_is_refused_by_its_field() {
    let machine = |index: u32, domain: serde_json::Value| -> VirtualMachine {
        let spec = json!({ "template": { "spec": { "domain": domain } } });
        serde_json::from_value(json!({ "metadata": { "name": format!("web-{index}") }, "spec": spec })).unwrap()
    };
    let vms = [machine(0, json!({})), machine(1, json!({ "cpu": { "isolateEmulatorThread": true } }))];
    assert_eq!(fits(&vms, &size("cpu=2,memory=1Gi")), Ok(()));
    assert_eq!(fits(&vms[..1], &size("cpu=1,memory=1Gi")), Ok(()));
    assert_eq!(
        fits(&vms, &size("cpu=1,memory=1Gi")).unwrap_err().to_string(),
        "instance web-1: spec.template.spec.domain.cpu.isolateEmulatorThread takes one processor of the size: use --cpu 2 or more"
    );
}
