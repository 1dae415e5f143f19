//! The warnings about ephemeral root disks, before a command discards their content.

use crate::disk::Disk;
use crate::instance::Instance;
use crate::lifecycle::{Call, switch_requests};
use crate::name::{ClusterName, InstanceName, ranges};
use crate::state::State;
use crate::vocabulary::{InstanceType, Mode, Verb};

/// Returns the line about a new cluster of VMs whose root disks are ephemeral.
pub fn at_creation(name: &ClusterName, data_disk: Option<&str>) -> String {
    let stays = data_disk.map_or_else(String::new, |path| format!("; the data disk at {path} stays"));
    format!(
        "cluster/{name}: the root disk of each VM is ephemeral: stop, suspend --mode halt, resize, rollout restart and \
         the loss of its node discard its content{stays}"
    )
}

/// Reports whether the root disk of an instance has content that goes with its guest. A guest that does not run yet
/// has none.
fn has_content(instance: &Instance) -> bool {
    instance.disk == Disk::Ephemeral && instance.on && instance.state != State::Pending
}

/// Returns the warning of a verb, if it discards root disks of these instances of one cluster.
pub fn of_verb(verb: Verb, mode: Option<Mode>, instances: &[Instance]) -> Option<String> {
    let halts = |instance: &&Instance| {
        let requests = switch_requests(instance, verb, mode, None);
        matches!(verb, Verb::Stop | Verb::Suspend)
            && matches!(requests, Ok(Some(requests)) if matches!(requests.call, None | Some(Call::Thaw)))
            && has_content(instance)
    };
    let names: Vec<InstanceName> = instances.iter().filter(halts).map(|instance| instance.name.clone()).collect();
    let (command, keeps) = match (verb, mode) {
        (Verb::Suspend, Some(Mode::Halt)) => ("suspend --mode halt", "; --mode pause keeps it"),
        (Verb::Stop, _) => ("stop", "; suspend --mode pause keeps it"),
        _ => (verb.as_str(), ""),
    };
    warning(command, &names).map(|warning| warning + keeps)
}

/// Returns the warning of a command that restarts these instances of one cluster, if it discards root disks.
pub fn of_restart<'a>(
    command: &str,
    instances: &[Instance],
    restarts: impl IntoIterator<Item = &'a InstanceName>,
) -> Option<String> {
    let content = |name: &&InstanceName| instances.iter().any(|one| one.name == **name && has_content(one));
    let names: Vec<InstanceName> = restarts.into_iter().filter(content).cloned().collect();
    warning(command, &names)
}

/// Returns the warning of a schedule that suspends in this mode, if it discards root disks. Instances that do not
/// exist yet are taken for ephemeral.
pub fn of_schedule(
    name: &ClusterName,
    kind: InstanceType,
    mode: Option<Mode>,
    instances: &[Instance],
) -> Option<String> {
    let discards = instances.is_empty() || instances.iter().any(|instance| instance.disk == Disk::Ephemeral);
    (kind == InstanceType::Vm && mode == Some(Mode::Halt) && discards).then(|| {
        format!(
            "Warning: each suspension of the schedule discards the content of the ephemeral root disks of cluster \
             {name}; --mode pause keeps it"
        )
    })
}

fn warning(command: &str, names: &[InstanceName]) -> Option<String> {
    let disks = if names.len() == 1 { "disk" } else { "disks" };
    ranges(names)
        .map(|names| format!("Warning: {command} discards the content of the ephemeral root {disks} of {names}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::tests::name;
    use crate::instance::of_virtual_machine;
    use crate::instance::tests::vm;
    use crate::plan::tests::instances as containers;

    /// Returns a VM in a state of KubeVirt: `Running`, `Paused`, `Starting`, `Unknown`, or `Stopped` if it is off.
    fn machine(index: u32, status: &str, disk: Disk) -> Instance {
        let asked = match status {
            "Paused" => "suspended",
            "Stopped" => "stopped",
            _ => "running",
        };
        let strategy = if status == "Stopped" { "Halted" } else { "Always" };
        let shown = of_virtual_machine(&vm(strategy, asked, status), None).unwrap();
        Instance { name: name("dev").instance(index), disk, ..shown }
    }

    #[test]
    fn a_verb_warns_if_it_halts_a_vm_with_an_ephemeral_disk() {
        let (pause, halt) = (Some(Mode::Pause), Some(Mode::Halt));
        let stop =
            "Warning: stop discards the content of the ephemeral root disk of dev-0; suspend --mode pause keeps it";
        let halted = "Warning: suspend --mode halt discards the content of the ephemeral root disk of dev-0; --mode pause keeps it";
        let suspend = "Warning: suspend discards the content of the ephemeral root disk of dev-0";
        for (verb, mode, status, expected) in [
            (Verb::Stop, None, "Running", Some(stop)),
            (Verb::Stop, None, "Unknown", Some(stop)),
            (Verb::Suspend, halt, "Running", Some(halted)),
            // The memory is given up, too.
            (Verb::Suspend, halt, "Paused", Some(halted)),
            (Verb::Suspend, None, "Running", None),
            (Verb::Suspend, pause, "Running", None),
            (Verb::Suspend, None, "Paused", None),
            // A guest that does not run cannot be paused, so that it is halted.
            (Verb::Suspend, None, "Unknown", Some(suspend)),
            (Verb::Stop, None, "Starting", None),
            (Verb::Stop, None, "Stopped", None),
            (Verb::Stop, None, "Paused", None),
            (Verb::Resume, None, "Paused", None),
            (Verb::Start, None, "Stopped", None),
        ] {
            let shown = [machine(0, status, Disk::Ephemeral)];
            assert_eq!(of_verb(verb, mode, &shown).as_deref(), expected, "{verb} {mode:?} {status}");
            let kept = [machine(0, status, Disk::Claim { size: None })];
            assert_eq!(of_verb(verb, mode, &kept), None, "{verb} {mode:?} {status}");
        }
        let several = [0, 1, 2, 4].map(|index| machine(index, "Running", Disk::Ephemeral));
        assert_eq!(
            of_verb(Verb::Stop, None, &several).unwrap(),
            "Warning: stop discards the content of the ephemeral root disks of dev-0 to dev-2, dev-4; suspend --mode \
             pause keeps it"
        );
        assert_eq!(of_verb(Verb::Stop, None, &containers(&["web-0"])), None);
    }

    #[test]
    fn a_new_cluster_names_the_disk_that_stays() {
        let dev = name("dev");
        assert!(at_creation(&dev, None).ends_with("discard its content"));
        assert!(at_creation(&dev, Some("/data")).ends_with("discard its content; the data disk at /data stays"));
    }

    #[test]
    fn a_restart_warns_about_those_that_it_restarts() {
        let shown = [
            machine(0, "Running", Disk::Ephemeral),
            machine(1, "Running", Disk::Claim { size: None }),
            machine(2, "Running", Disk::Ephemeral),
            machine(3, "Starting", Disk::Ephemeral),
        ];
        let of = |indexes: &[u32]| {
            let names: Vec<InstanceName> = indexes.iter().map(|index| name("dev").instance(*index)).collect();
            of_restart("resize", &shown, &names)
        };
        let expected = "Warning: resize discards the content of the ephemeral root disk of dev-0";
        assert_eq!(of(&[0, 1, 3]).as_deref(), Some(expected));
        assert_eq!(of(&[1, 3]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn a_schedule_warns_if_it_halts_vms_with_ephemeral_disks() {
        let dev = name("dev");
        let (ephemeral, kept) =
            ([machine(0, "Stopped", Disk::Ephemeral)], [machine(0, "Running", Disk::Claim { size: None })]);
        let (vm, halt) = (InstanceType::Vm, Some(Mode::Halt));
        for (kind, mode, shown, warns) in [
            (vm, halt, &ephemeral[..], true),
            (vm, halt, &[], true),
            (vm, halt, &kept, false),
            (vm, None, &ephemeral, false),
            (vm, Some(Mode::Pause), &ephemeral, false),
            (InstanceType::Container, halt, &[], false),
        ] {
            assert_eq!(of_schedule(&dev, kind, mode, shown).is_some(), warns, "{kind} {mode:?}");
        }
    }
}
