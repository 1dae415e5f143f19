//! The explored worlds, with and without each rule.

use stateright::{Checker, HasDiscoveries, Model};

use crate::world::{Do, HAS_ITS_QUOTA, Rule, Shape, Start, World};

const TWO: Start = Start::Ready(Shape { count: 2, size: 1 });

fn world(start: Start, controllers: usize, budget: u8, people: &'static [Do]) -> World {
    World { start, budget, controllers, people, without: None }
}

#[track_caller]
fn holds(world: &World) {
    let checker = world.clone().checker().threads(2).spawn_bfs().join();
    let mut text = String::new();
    for (property, path) in checker.discoveries() {
        text.push_str(&format!("{property} does not hold in {world:?}:\n"));
        for (state, action) in path.into_vec() {
            text.push_str(&format!("{state:?}\n    {action:?}\n"));
        }
    }
    assert!(text.is_empty(), "{text}");
    // A model in which little can happen proves little.
    assert!(checker.unique_state_count() > 1000, "only {} states", checker.unique_state_count());
}

#[track_caller]
fn breaks(rule: Rule, budget: u8, people: &'static [Do]) {
    let world = World { without: Some(rule), ..world(TWO, 2, budget, people) };
    let checker = world.checker().threads(1).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    assert!(!checker.discoveries().is_empty(), "without {rule:?} all holds: {} states", checker.unique_state_count());
}

#[test]
fn growing_and_shrinking_with_two_controllers() {
    holds(&world(TWO, 2, 2, &[Do::Want, Do::Other]));
}

#[test]
fn creating_and_deleting() {
    holds(&world(Start::Nothing, 2, 2, &[Do::Want, Do::Delete]));
}

#[test]
fn deleting_by_hand() {
    holds(&world(TWO, 1, 3, &[Do::Want, Do::Delete, Do::DeleteNamespace]));
}

#[test]
fn an_account_that_is_lost_while_its_namespace_is_deleted() {
    holds(&world(TWO, 1, 3, &[Do::Delete, Do::DeleteNamespace, Do::LoseAccount]));
}

#[test]
fn changed_quotas_and_unjudged_wants() {
    holds(&world(TWO, 1, 4, &[Do::Want, Do::Other, Do::Quota, Do::Unjudged]));
}

#[test]
fn releasing_and_coming_back() {
    holds(&world(TWO, 2, 3, &[Do::Release]));
}

#[test]
fn an_account_that_is_lost_while_its_cluster_changes() {
    holds(&world(TWO, 2, 2, &[Do::Want, Do::LoseAccount]));
}

#[test]
fn an_account_that_is_lost_whatever_happens() {
    holds(&world(TWO, 1, 3, &[Do::Want, Do::Release, Do::Delete, Do::Other, Do::DeleteNamespace, Do::LoseAccount]));
}

#[test]
fn one_controller_and_everything_at_once() {
    let all = &[Do::Want, Do::Delete, Do::Other, Do::DeleteNamespace, Do::Quota, Do::Unjudged];
    holds(&world(Start::Nothing, 1, 3, all));
}

#[test]
fn a_site_that_denies_namespaces() {
    holds(&world(Start::Nothing, 1, 3, &[Do::Want, Do::Delete, Do::Deny]));
}

#[test]
fn values_that_are_damaged() {
    holds(&world(TWO, 1, 3, &[Do::Want, Do::Delete, Do::Damage, Do::DeleteNamespace]));
}

#[test]
fn refusals_beside_everything_else() {
    holds(&world(TWO, 1, 3, &[Do::Unjudged, Do::Delete, Do::Damage, Do::Quota]));
}

#[test]
fn the_invariants_fail_without_the_order_of_reads() {
    breaks(Rule::FencesFirst, 2, &[Do::Want]);
}

#[test]
fn the_invariants_fail_without_versions() {
    breaks(Rule::Versions, 2, &[Do::Want]);
}

/// A ResourceQuota that is not counted is removed under the version that was read. Otherwise it may have been counted
/// meanwhile, and the Namespace opened.
#[test]
fn without_versions_a_cluster_loses_its_resource_quota() {
    let world = World { without: Some(Rule::Versions), ..world(Start::Nothing, 2, 1, &[Do::Want]) };
    let only = HasDiscoveries::AnyOf([HAS_ITS_QUOTA].into());
    let checker = world.checker().threads(1).finish_when(only).spawn_bfs().join();
    assert!(checker.discoveries().contains_key(HAS_ITS_QUOTA), "{} states", checker.unique_state_count());
}

#[test]
fn the_invariants_fail_without_the_touch() {
    breaks(Rule::Touch, 3, &[Do::Want]);
}

#[test]
fn the_invariants_fail_without_evidence() {
    breaks(Rule::Evidence, 2, &[Do::Want]);
}

#[test]
fn the_invariants_fail_without_the_window() {
    breaks(Rule::Window, 2, &[Do::Want]);
}

#[test]
fn the_invariants_fail_without_the_swap() {
    breaks(Rule::Swap, 2, &[Do::Want]);
}

#[test]
fn the_invariants_fail_without_the_reserve() {
    breaks(Rule::Reserve, 2, &[Do::Want, Do::LoseAccount]);
}

#[test]
fn the_invariants_fail_without_a_write_before_adoption() {
    breaks(Rule::Adopt, 2, &[Do::Want, Do::LoseAccount]);
}

#[test]
fn a_deletion_frees_too_much_quota_without_evidence() {
    breaks(Rule::Evidence, 1, &[Do::Delete]);
}

#[test]
fn a_deletion_frees_quota_too_early_without_the_window() {
    breaks(Rule::Window, 1, &[Do::DeleteNamespace]);
}
