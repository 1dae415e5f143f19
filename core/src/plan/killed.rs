//! The guests of VMs that were killed, because they did not shut down in time.
//!
//! KubeVirt records that in one place: the Event `Stopped` of virt-handler, which is a warning for a kill. The guest itself
//! is gone a moment later.

use jiff::Timestamp;

use crate::kubevirt::VirtualMachineInstance;
use crate::name::{ClusterName, InstanceName, ranges};

/// The reason of the Event about the end of a guest.
pub const REASON: &str = "Stopped";
/// The component that writes it.
pub const REPORTER: &str = "virt-handler";
/// The type of the Event about a guest that did not shut down.
const WARNING: &str = "Warning";

/// A guest that runs before a command switches it off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// The instance that it belongs to.
    pub name: InstanceName,
    /// The uid of the guest.
    pub uid: String,
    /// The seconds that it has to shut down, if it says so.
    pub grace: Option<i64>,
}

/// The end of a guest, as virt-handler reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// The name of the guest, which is that of its instance.
    pub name: String,
    /// The uid of the guest.
    pub uid: String,
    /// Whether the guest did not shut down.
    pub killed: bool,
    /// The time of the end.
    pub at: Option<Timestamp>,
}

impl End {
    /// Reads the Event about the end of a guest. `kind` is the type of the Event.
    pub fn new(name: &str, uid: &str, kind: &str, at: Option<Timestamp>) -> Self {
        Self { name: name.to_owned(), uid: uid.to_owned(), killed: kind == WARNING, at }
    }

    /// Returns what happened, for the details of the instance.
    pub fn word(&self) -> &'static str {
        if self.killed { "killed, because the guest did not shut down in time" } else { "shut down by the guest" }
    }
}

/// Returns the last end of the guests of an instance.
pub fn last<'a>(name: &InstanceName, ends: &'a [End]) -> Option<&'a End> {
    ends.iter().filter(|end| end.name == name.to_string()).max_by_key(|end| end.at)
}

/// Returns the guests that run.
pub fn running(guests: &[VirtualMachineInstance]) -> Vec<Guest> {
    let runs = guests.iter().filter(|guest| guest.status.phase.as_deref() == Some("Running"));
    let each = runs.filter_map(|guest| {
        let name = guest.metadata.name.as_deref()?.parse().ok()?;
        Some(Guest { name, uid: guest.metadata.uid.clone()?, grace: guest.spec.termination_grace_period_seconds })
    });
    let mut running: Vec<Guest> = each.collect();
    running.sort_by_key(|guest| guest.name.index);
    running
}

/// Returns the guests that have ended since.
pub fn ended(before: &[Guest], now: &[VirtualMachineInstance]) -> Vec<Guest> {
    let is_there = |guest: &Guest| now.iter().any(|now| now.metadata.uid.as_deref() == Some(guest.uid.as_str()));
    before.iter().filter(|guest| !is_there(guest)).cloned().collect()
}

/// The ends of guests, as far as they are known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ends {
    /// The guests that were killed.
    pub killed: Vec<Guest>,
    /// Whether the end of each guest is known.
    pub complete: bool,
}

impl Ends {
    /// Returns the count of the guests that were killed, as a part of a list of counts; nothing for none.
    pub fn count(&self) -> String {
        if self.killed.is_empty() { String::new() } else { format!(", {} killed", self.killed.len()) }
    }
}

/// Looks up the ends of these guests.
pub fn ends(guests: &[Guest], ends: &[End]) -> Ends {
    let of = |guest: &Guest| ends.iter().find(|end| end.uid == guest.uid);
    Ends {
        killed: guests.iter().filter(|guest| of(guest).is_some_and(|end| end.killed)).cloned().collect(),
        complete: guests.iter().all(|guest| of(guest).is_some()),
    }
}

/// Returns the line about the guests of a cluster that were killed.
pub fn note(cluster: &ClusterName, killed: &[Guest]) -> Option<String> {
    let names: Vec<InstanceName> = killed.iter().map(|guest| guest.name.clone()).collect();
    let (was, guests) = if names.len() == 1 { ("was", "its guest") } else { ("were", "their guests") };
    let grace = killed.first().and_then(|guest| guest.grace);
    let same = grace.filter(|_| killed.iter().all(|guest| guest.grace == grace));
    let time = same.map_or_else(|| "the time".to_owned(), |seconds| format!("the {seconds} s"));
    Some(format!(
        "cluster/{cluster}: {} {was} killed: {guests} did not shut down within {time} of \
         terminationGracePeriodSeconds; see that the system reacts to ACPI, or raise it in the template",
        ranges(&names)?
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::account::tests::name;

    fn guest(index: u32, grace: Option<i64>) -> Guest {
        Guest { name: format!("web-{index}").parse().unwrap(), uid: format!("uid-{index}"), grace }
    }

    fn vmi(index: u32, phase: &str) -> VirtualMachineInstance {
        let vmi = json!({
            "metadata": { "name": format!("web-{index}"), "uid": format!("uid-{index}") },
            "spec": { "terminationGracePeriodSeconds": 30 },
            "status": { "phase": phase },
        });
        serde_json::from_value(vmi).unwrap()
    }

    #[test]
    fn only_a_guest_that_ran_and_is_gone_has_ended() {
        let before = running(&[vmi(2, "Running"), vmi(1, "Scheduling"), vmi(0, "Running"), vmi(3, "Failed")]);
        assert_eq!(before, [guest(0, Some(30)), guest(2, Some(30))]);
        assert_eq!(ended(&before, &[vmi(2, "Running"), vmi(7, "Running")]), [guest(0, Some(30))]);
        assert_eq!(ended(&before, &[vmi(0, "Running"), vmi(2, "Failed")]), []);
        // The next guest of the same VM has another uid.
        let mut next = vmi(0, "Running");
        next.metadata.uid = Some("uid-9".to_owned());
        assert_eq!(ended(&before, &[next]), before);
    }

    #[test]
    fn an_end_that_is_not_told_is_neither_a_kill_nor_a_shutdown() {
        let guests = [guest(0, None), guest(1, None)];
        let end = |index: u32, kind: &str| End::new(&format!("web-{index}"), &format!("uid-{index}"), kind, None);
        for (told, killed, complete) in [
            (vec![], vec![], false),
            (vec![end(0, "Normal")], vec![], false),
            (vec![end(0, "Normal"), end(1, "Normal")], vec![], true),
            (vec![end(1, "Warning")], vec![guest(1, None)], false),
            (vec![end(1, "Warning"), end(0, "Warning")], guests.to_vec(), true),
            // Earlier guests of the same VMs.
            (vec![end(7, "Warning"), end(0, "Normal"), end(1, "Normal")], vec![], true),
        ] {
            assert_eq!(ends(&guests, &told), Ends { killed, complete }, "{told:?}");
        }
        assert!(ends(&[], &[]).complete);
        let count = |kind| ends(&guests, &[end(0, kind)]).count();
        assert_eq!((count("Normal").as_str(), count("Warning").as_str()), ("", ", 1 killed"));
    }

    #[test]
    fn a_note_names_the_guests_and_their_time() {
        let note = |killed: &[Guest]| note(&name("web"), killed);
        assert_eq!(note(&[]), None);
        assert_eq!(
            note(&[guest(0, Some(30))]).unwrap(),
            "cluster/web: web-0 was killed: its guest did not shut down within the 30 s of \
             terminationGracePeriodSeconds; see that the system reacts to ACPI, or raise it in the template"
        );
        let several = note(&[guest(0, Some(30)), guest(1, Some(30)), guest(3, Some(30))]).unwrap();
        assert!(several.starts_with("cluster/web: "), "{several}");
        assert!(several.contains(" were killed: their guests did not shut down within the 30 s of "), "{several}");
        let different = note(&[guest(0, Some(30)), guest(1, None)]).unwrap();
        assert!(different.contains("within the time of terminationGracePeriodSeconds"), "{different}");
    }

    #[test]
    fn the_last_end_of_an_instance_is_the_newest_one() {
        let end = |name: &str, kind: &str, at: i64| End::new(name, "uid", kind, Timestamp::from_second(at).ok());
        let ends = [end("web-0", "Warning", 2), end("web-0", "Normal", 1), end("web-1", "Normal", 3)];
        let last = |index| last(&name("web").instance(index), &ends).map(End::word);
        assert_eq!(last(0), Some("killed, because the guest did not shut down in time"));
        assert_eq!((last(1), last(2)), (Some("shut down by the guest"), None));
    }
}
