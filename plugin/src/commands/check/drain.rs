//! Check whether VMs can move to another node when theirs is drained.

use std::collections::BTreeSet;

use kube::Client;

use cmp_client::{kubevirt, namespaces};
use cmp_core::drain::{Drains, Immovable};

use crate::commands::check::report::Check;
use crate::error::CliError;
use crate::output::counted;

const NAME: &str = "drain";

/// The number of VMs that are named.
const NAMED: usize = 5;

/// Checks the running VMs of all clusters. Returns `None` if there is none.
pub(super) async fn run_checks(client: &Client) -> Option<Check> {
    match find(client).await {
        Ok(drains) => check(&drains),
        Err(error) => Some(Check::of(NAME, Err(error))),
    }
}

async fn find(client: &Client) -> Result<Drains, CliError> {
    let mut guests = kubevirt::guests(client).await?;
    if !guests.is_empty() {
        // A foreign Namespace may have VMs that are named as instances.
        let owned = namespaces::owned(client, namespaces::Of::Everyone).await?;
        let ours = owned.iter().filter_map(|(_, seen)| Some(seen.cluster.as_ref()?.namespace()));
        let ours: BTreeSet<String> = ours.collect();
        guests.retain(|guest| guest.metadata.namespace.as_ref().is_some_and(|name| ours.contains(name)));
    }
    Ok(Drains::of(&guests))
}

fn check(drains: &Drains) -> Option<Check> {
    let Drains { moving, unasked, external, immovable } = drains;
    let total = drains.total();
    if total == 0 {
        return None;
    }
    let vms = counted(total, "running VM");
    if immovable.is_empty() {
        let each = [
            (*moving, "moves", "move"),
            (*unasked, "is shut down and starts anew", "are shut down and start anew"),
            (*external, "is left to a controller of the site", "are left to a controller of the site"),
        ];
        let each = each.iter().filter(|(count, ..)| *count > 0);
        let each = each.map(|(count, one, many)| format!("{count} {}", if *count == 1 { one } else { many }));
        let said = format!("{vms}: when its node is drained, {}", each.collect::<Vec<_>>().join(", "));
        let check = Check::ok(NAME, said);
        let moves =
            "evictionStrategy LiveMigrateIfPossible, in the KubeVirt object or in a template, moves them instead";
        return Some(if *unasked > 0 { check.hint(moves) } else { check });
    }
    let mut named: Vec<String> = immovable.iter().take(NAMED).map(text).collect();
    if immovable.len() > NAMED {
        named.push(format!("and {} more", immovable.len() - NAMED));
    }
    let said = format!("{} of {vms} cannot move when their node is drained: {}", immovable.len(), named.join("; "));
    let what = "they are shut down, or block the drain. Before the drain: `kubectl cmp stop instance NAME`";
    Some(Check::warning(NAME, said).hint(what))
}

fn text(one: &Immovable) -> String {
    let Immovable { name, node, blocks, why } = one;
    let effect = if *blocks { "blocks the drain" } else { "is shut down" };
    format!("{name} on {node} {effect}: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(drains: &Drains) -> Option<String> {
        check(drains).map(|check| check.lines(usize::MAX))
    }

    #[test]
    fn vms_that_cannot_move_are_named_with_the_reason() {
        assert_eq!(lines(&Drains::default()), None);
        let moving = Drains { moving: 2, ..Drains::default() };
        assert_eq!(lines(&moving).unwrap(), "ok        drain: 2 running VMs: when its node is drained, 2 move\n");
        let mixed = Drains { moving: 1, unasked: 2, external: 1, immovable: vec![] };
        assert_eq!(
            lines(&mixed).unwrap(),
            "ok        drain: 4 running VMs: when its node is drained, 1 moves, 2 are shut down and start anew, 1 is left \
             to a controller of the site\n\
             hint: evictionStrategy LiveMigrateIfPossible, in the KubeVirt object or in a template, moves them instead\n"
        );
        let one = |index: u32, blocks: bool| Immovable {
            name: format!("web-{index}").parse().unwrap(),
            node: "node-1".to_owned(),
            blocks,
            why: "no".to_owned(),
        };
        let some = Drains { immovable: vec![one(0, true), one(1, false)], ..mixed };
        assert_eq!(
            lines(&some).unwrap(),
            "warning   drain: 2 of 6 running VMs cannot move when their node is drained: web-0 on node-1 blocks the drain: \
             no; web-1 on node-1 is shut down: no\n\
             hint: they are shut down, or block the drain. Before the drain: `kubectl cmp stop instance NAME`\n"
        );
        let many = Drains { immovable: (0..7).map(|index| one(index, true)).collect(), ..Drains::default() };
        assert!(lines(&many).unwrap().contains("web-4 on node-1 blocks the drain: no; and 2 more\n"));
    }
}
