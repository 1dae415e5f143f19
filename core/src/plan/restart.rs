//! `rollout restart cluster`: the instances that are restarted.

use crate::instance::Instance;
use crate::name::InstanceName;

/// Returns the names of the instances to restart, in order. An instance that is off has nothing to restart, and a VM
/// that is paused would lose its memory.
pub fn restarts(instances: &[Instance]) -> Vec<InstanceName> {
    let mut names: Vec<InstanceName> =
        instances.iter().filter(|one| one.on && !one.paused).map(|one| one.name.clone()).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::instances;

    #[test]
    fn an_instance_is_restarted_if_it_is_on() {
        let shown = ["web-10", "web-2 failed", "web-1 stopped", "web-3 suspended", "web-0 pending"];
        let mut all = instances(&shown);
        let paused = Instance { paused: true, ..instances(&["web-4"]).remove(0) };
        all.push(paused);
        let names: Vec<String> = restarts(&all).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["web-0", "web-2", "web-10"]);
        assert_eq!(restarts(&[]), []);
    }
}
