//! The effect of a drain of its node on a running guest.
//!
//! KubeVirt decides by the `evictionStrategy` of the guest and by its condition `LiveMigratable`, when the launcher Pod
//! is to be evicted (`pod-eviction-admitter.go` of KubeVirt). Both are known before the drain.

use std::collections::BTreeMap;

use crate::containers::named;
use crate::disk::Disk;
use crate::kubevirt::VirtualMachineInstance;
use crate::name::{InstanceName, ranges};

/// The effect of a drain of its node on a running guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drain {
    /// KubeVirt moves the guest to another node. The guest goes on running.
    Moves,
    /// KubeVirt shuts the guest down, and starts it anew on another node.
    Restarts {
        /// The reason why the guest cannot move. Without a reason, nobody asks KubeVirt to move it.
        why: Option<String>,
    },
    /// KubeVirt refuses the eviction, so that the drain waits.
    Blocks {
        /// The reason why the guest cannot move.
        why: String,
    },
    /// A controller of the site has to move the guest. The eviction is refused until it has.
    External,
}

impl Drain {
    /// Returns the effect on a guest. Returns `None` if KubeVirt has not said yet whether the guest can move, or if it
    /// does not run.
    pub fn of(guest: &VirtualMachineInstance) -> Option<Self> {
        if !guest.runs() {
            return None;
        }
        let movable = guest.status.conditions.iter().find(|condition| condition.type_ == "LiveMigratable")?;
        let why = (movable.status != "True").then(|| {
            let said = [&movable.message, &movable.reason].into_iter().flatten().find(|text| !text.is_empty());
            said.cloned().unwrap_or_else(|| "KubeVirt gives no reason".to_owned())
        });
        // virt-api writes the default of the site into each guest.
        Some(match (guest.spec.eviction_strategy.as_deref(), why) {
            (Some("LiveMigrate" | "LiveMigrateIfPossible"), None) => Self::Moves,
            (Some("LiveMigrate"), Some(why)) => Self::Blocks { why },
            (Some("External"), _) => Self::External,
            (_, why) => Self::Restarts { why },
        })
    }

    /// Returns the sentence about an instance with this disk.
    pub fn sentence(&self, disk: Disk) -> String {
        let restarts = match disk {
            Disk::Ephemeral => "it is shut down, and starts on another node with a new root disk",
            Disk::Nothing | Disk::Claim { .. } => "it is shut down, and starts on another node",
        };
        match self {
            Self::Moves => "it moves to another node, and goes on running".to_owned(),
            Self::Restarts { why: None } => format!("{restarts}: its evictionStrategy does not move it"),
            Self::Restarts { why: Some(why) } => format!("{restarts}: {why}"),
            Self::Blocks { why } => format!("it blocks the drain: {why}"),
            Self::External => "a controller of the site decides: its evictionStrategy is External".to_owned(),
        }
    }
}

/// Returns the effects of drained nodes on instances of a cluster: one line for each effect, with the instances that it
/// applies to.
pub fn lines<'a>(instances: impl IntoIterator<Item = (&'a InstanceName, Disk, &'a Drain)>) -> Vec<String> {
    let mut by_effect = BTreeMap::<String, Vec<InstanceName>>::new();
    for (name, disk, drain) in instances {
        by_effect.entry(drain.sentence(disk)).or_default().push(name.clone());
    }
    let mut lines: Vec<(Vec<InstanceName>, String)> =
        by_effect.into_iter().map(|(text, names)| (names, text)).collect();
    lines.sort();
    lines.into_iter().filter_map(|(names, text)| Some(format!("{}: {text}", ranges(&names)?))).collect()
}

/// The running guests of all clusters, by the effect of a drain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drains {
    /// The number of guests that move.
    pub moving: usize,
    /// The number of guests that could move, and that nobody asks to.
    pub unasked: usize,
    /// The number of guests that a controller of the site has to move.
    pub external: usize,
    /// The guests that cannot move, each with its node and with the effect.
    pub immovable: Vec<Immovable>,
}

/// A guest that cannot move to another node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Immovable {
    /// The instance.
    pub name: InstanceName,
    /// The node that the guest runs on.
    pub node: String,
    /// Whether the drain of that node waits for the guest.
    pub blocks: bool,
    /// The reason why the guest cannot move.
    pub why: String,
}

impl Drains {
    /// Sorts the guests of all clusters by the effect of a drain. Objects that are not named as an instance of their
    /// Namespace do not count.
    pub fn of(guests: &[VirtualMachineInstance]) -> Self {
        let mut drains = Self::default();
        for guest in guests {
            let name = guest.metadata.name.as_deref().and_then(|name| named(name, &guest.metadata));
            let (Some(name), Some(drain)) = (name, Drain::of(guest)) else { continue };
            let node = guest.status.node_name.clone().unwrap_or_default();
            let (blocks, why) = match drain {
                Drain::Moves => {
                    drains.moving += 1;
                    continue;
                }
                Drain::External => {
                    drains.external += 1;
                    continue;
                }
                Drain::Restarts { why: None } => {
                    drains.unasked += 1;
                    continue;
                }
                Drain::Restarts { why: Some(why) } => (false, why),
                Drain::Blocks { why } => (true, why),
            };
            drains.immovable.push(Immovable { name, node, blocks, why });
        }
        drains.immovable.sort();
        drains
    }

    /// Returns the number of guests.
    pub fn total(&self) -> usize {
        self.moving + self.unasked + self.external + self.immovable.len()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const SHARED: &str = "cannot migrate VMI: PVC data-web-0 is not shared";

    fn guest(name: &str, strategy: Option<&str>, movable: &Value) -> VirtualMachineInstance {
        let mut condition = movable.clone();
        condition["type"] = json!("LiveMigratable");
        serde_json::from_value(json!({
            "metadata": { "name": name, "namespace": "web-ns" },
            "spec": { "evictionStrategy": strategy },
            "status": { "phase": "Running", "nodeName": "node-1", "conditions": [condition] },
        }))
        .unwrap()
    }

    fn movable() -> Value {
        json!({ "status": "True" })
    }

    fn immovable() -> Value {
        json!({ "status": "False", "reason": "DisksNotLiveMigratable", "message": SHARED })
    }

    #[test]
    fn the_effect_follows_from_strategy_and_condition() {
        let because = || Some(SHARED.to_owned());
        for (strategy, can, cannot) in [
            (Some("LiveMigrate"), Drain::Moves, Drain::Blocks { why: SHARED.to_owned() }),
            (Some("LiveMigrateIfPossible"), Drain::Moves, Drain::Restarts { why: because() }),
            (Some("None"), Drain::Restarts { why: None }, Drain::Restarts { why: because() }),
            (None, Drain::Restarts { why: None }, Drain::Restarts { why: because() }),
            (Some("External"), Drain::External, Drain::External),
        ] {
            assert_eq!(Drain::of(&guest("web-0", strategy, &movable())), Some(can), "{strategy:?}");
            assert_eq!(Drain::of(&guest("web-0", strategy, &immovable())), Some(cannot), "{strategy:?}");
        }
        let no_text = guest("web-0", Some("LiveMigrate"), &json!({ "status": "False", "reason": "NotMigratable" }));
        assert_eq!(Drain::of(&no_text), Some(Drain::Blocks { why: "NotMigratable".to_owned() }));
        // A guest that starts or ends is not judged yet.
        let mut starting = guest("web-0", Some("LiveMigrate"), &movable());
        starting.status.conditions.clear();
        assert_eq!(Drain::of(&starting), None);
        let mut ended = guest("web-0", Some("LiveMigrate"), &movable());
        ended.status.phase = Some("Succeeded".to_owned());
        assert_eq!(Drain::of(&ended), None);
    }

    #[test]
    fn a_restart_names_the_lost_root_disk() {
        let kept = Disk::Claim { size: None };
        for (drain, disk, expected) in [
            (Drain::Moves, Disk::Ephemeral, "it moves to another node, and goes on running"),
            (
                Drain::Restarts { why: None },
                Disk::Ephemeral,
                "it is shut down, and starts on another node with a new root disk: its evictionStrategy does not move it",
            ),
            (Drain::Restarts { why: Some("no".to_owned()) }, kept, "it is shut down, and starts on another node: no"),
            (Drain::Blocks { why: "no".to_owned() }, kept, "it blocks the drain: no"),
            (Drain::External, kept, "a controller of the site decides: its evictionStrategy is External"),
        ] {
            assert_eq!(drain.sentence(disk), expected);
        }
    }

    #[test]
    fn instances_with_the_same_effect_share_a_line() {
        let of = |index: u32| crate::account::tests::name("web").instance(index);
        let (names, blocks) = ([of(0), of(1), of(2)], Drain::Blocks { why: "no".to_owned() });
        let drains = [&Drain::Moves, &blocks, &blocks];
        assert_eq!(
            lines(names.iter().zip(drains).map(|(name, drain)| (name, Disk::Nothing, drain))),
            ["web-0: it moves to another node, and goes on running", "web-1 to web-2: it blocks the drain: no"]
        );
    }

    #[test]
    fn only_instances_of_their_namespace_are_counted() {
        let mut foreign = guest("web-5", Some("LiveMigrate"), &immovable());
        foreign.metadata.namespace = Some("db-ns".to_owned());
        let guests = [
            guest("web-1", Some("LiveMigrate"), &immovable()),
            guest("web-0", None, &immovable()),
            guest("web-2", Some("LiveMigrate"), &movable()),
            guest("web-3", None, &movable()),
            guest("web-4", Some("External"), &movable()),
            guest("other", Some("LiveMigrate"), &immovable()),
            foreign,
        ];
        let drains = Drains::of(&guests);
        let immovable: Vec<_> =
            drains.immovable.iter().map(|one| (one.name.to_string(), one.node.as_str(), one.blocks)).collect();
        assert_eq!(immovable, [("web-0".to_owned(), "node-1", false), ("web-1".to_owned(), "node-1", true)]);
        assert_eq!((drains.moving, drains.unasked, drains.external, drains.total()), (1, 1, 1, 5));
    }
}
