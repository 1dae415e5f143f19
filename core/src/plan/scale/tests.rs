use serde_json::json;

use super::*;
use crate::account::tests::{account, name};
use crate::plan::tests::{HELD, WEB, instances, orphan};

const REAL: Extent = Extent { dry_run: false, wait: false };
const WAITS: Extent = Extent { dry_run: false, wait: true };
const DRY: Extent = Extent { dry_run: true, wait: true };

fn wish(count: u32) -> Wish {
    Wish { name: name("web"), count }
}

fn indexes(names: &[InstanceName]) -> String {
    names.iter().map(|name| name.index.to_string()).collect::<Vec<_>>().join(",")
}

/// Writes the steps as words, with the indexes of the instances.
fn words(steps: &[Step]) -> String {
    let word = |step: &Step| match step {
        Step::Confirm(lines) => format!("confirm:{}", lines.join(",").replace("instance/web-", "")),
        Step::Judge => "judge".to_owned(),
        Step::Delete(names) => format!("delete:{}", indexes(names)),
        Step::DeleteOrphans(orphans) => {
            let objects: Vec<&str> = orphans.iter().map(|orphan| orphan.object.as_str()).collect();
            format!("orphans:{}", objects.join(","))
        }
        Step::Gone(names) => format!("gone:{}", indexes(names)),
        Step::Write => "write".to_owned(),
        Step::TellReleasing => "releasing".to_owned(),
        Step::Prepare => "prepare".to_owned(),
        Step::Make => "make".to_owned(),
        Step::Run(_) => "run".to_owned(),
    };
    steps.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// Writes all steps as words, those after the write included.
fn all_words(plan: &Plan) -> String {
    words(&[plan.steps.clone(), plan.after_write(&plan.write.account).unwrap()].concat())
}

#[test]
fn the_highest_indexes_go_before_the_want_is_lowered() {
    let three = ["web-0", "web-1 suspended", "web-2 failed"];
    let all = "confirm:1,2 judge delete:1,2 gone:1,2 write releasing";
    for (count, shown, orphans, extent, expected) in [
        (1, &three[..], &[][..], REAL, Some(all)),
        (1, &three, &[], WAITS, Some(all)),
        (1, &three, &[], DRY, Some("write")),
        // Nothing of the instances that go exists, and the want is lowered all the same.
        (2, &three[..2], &[], REAL, Some("confirm: judge delete: gone: write releasing")),
        (3, &three, &[], REAL, None),
        // An interrupted command has lowered the want and left an instance.
        (3, &["web-0", "web-3"], &[], REAL, Some("confirm:3 judge delete:3 gone:3 write releasing")),
        (3, &["web-0"], &["web-4"], REAL, Some("confirm:4 judge delete:4 orphans:web-4-0 gone:4 write releasing")),
        // An orphan below the count stays. An instance and its orphan are one.
        (
            2,
            &three,
            &["web-0", "web-2", "web-10"],
            REAL,
            Some("confirm:2,10 judge delete:2,10 orphans:web-2-0,web-10-0 gone:2,10 write releasing"),
        ),
    ] {
        let orphans: Vec<Orphan> = orphans.iter().map(|name| orphan(name, false)).collect();
        let account = account(&[("want.web", WEB), ("held.web", HELD)]);
        let plan = shrink(&wish(count), &account, &instances(shown), &orphans, extent).unwrap();
        assert_eq!(plan.as_ref().map(all_words).as_deref(), expected, "{count} {shown:?}");
        if let Some(plan) = plan {
            assert_eq!(plan.write.account.cluster(&name("web")).want.map(|want| want.count), Some(count));
            assert_eq!((plan.current.count, plan.word(0)), (3, "scaled"));
        }
    }
}

#[test]
fn growth_is_written_before_instances_are_made() {
    let account = account(&[("want.web", WEB), ("held.web", HELD)]);
    for (count, extent, made, steps, word) in [
        (5, REAL, 2, "write prepare make", "scaled"),
        (5, REAL, 0, "write prepare make", "scaled"),
        (5, WAITS, 2, "write prepare make run", "scaled"),
        (5, DRY, 0, "write", "scaled"),
        // The same count makes the instances that are missing.
        (3, REAL, 1, "write prepare make", "scaled"),
        (3, REAL, 0, "write prepare make", "unchanged"),
        (3, WAITS, 0, "write prepare make run", "unchanged"),
        (3, DRY, 0, "write", "scaled"),
    ] {
        let plan = grow(&wish(count), &account, &Template::container(), extent).unwrap();
        assert_eq!((all_words(&plan).as_str(), plan.word(made)), (steps, word), "{count} {extent:?}");
    }
}

#[test]
fn a_released_cluster_is_not_waited_for() {
    let released = WEB.replace("}}", "},\"released\":true}");
    let before = account(&[("want.web", WEB)]);
    let plan = grow(&wish(3), &before, &Template::container(), WAITS).unwrap();
    let after = |rows: &[(&str, &str)]| plan.after_write(&account(rows)).map(|steps| words(&steps));
    assert_eq!(after(&[("want.web", WEB)]), Ok("prepare make run".to_owned()));
    assert_eq!(after(&[("want.web", &released)]), Ok("prepare make".to_owned()));
    assert!(after(&[]).is_err(), "the want is gone");
    let Some(Step::Run(names)) = plan.after_write(&before).unwrap().pop() else { panic!("the wait is last") };
    assert_eq!(indexes(&names), "0,1,2");
}

#[test]
fn instances_are_listed_only_if_some_may_go() {
    let account = account(&[("want.web", WEB)]);
    for (count, expected) in [(2, true), (3, true), (4, false)] {
        assert_eq!(may_shrink(&wish(count), &account), Ok(expected));
    }
}

#[test]
fn a_refusal_comes_before_the_first_step() {
    let missing = "cluster web has no specification: its account was created again\n\
                   hint: restore it with `kubectl cmp create cluster` and the current size";
    let gone = account(&[("held.web", HELD)]);
    assert_eq!(may_shrink(&wish(1), &gone).unwrap_err().to_string(), missing);
    assert_eq!(shrink(&wish(1), &gone, &[], &[], REAL).unwrap_err().to_string(), missing);
    let grow = |rows: &[(&str, &str)], count| {
        let refused = grow(&wish(count), &account(rows), &Template::container(), REAL);
        refused.map(drop).unwrap_err().to_string()
    };
    assert_eq!(grow(&[("held.web", HELD)], 4), missing);
    let over = "exceeded quota: john, requested: cpu=12, used: cpu=6, limited: cpu=16";
    assert_eq!(grow(&[("want.web", WEB)], 9), over);
    let deleted = "cluster web is being deleted: wait until it is gone, then create it anew";
    let rows = [("want.web", WEB), ("held.web", HELD), ("delete.web", "u")];
    assert_eq!(shrink(&wish(1), &account(&rows), &[], &[], REAL).unwrap_err().to_string(), deleted);
    assert_eq!(grow(&rows, 4), deleted);
    // The template does not fit the want any more: only growth needs it.
    let patch = json!({ "spec": { "hostNetwork": true } });
    let patched = WEB.replace("\"count\"", &format!("\"patch\":{patch},\"count\""));
    assert!(grow(&[("want.web", &patched)], 4).starts_with("the patch: spec.hostNetwork"));
    let account = account(&[("want.web", &patched)]);
    assert!(super::grow(&wish(3), &account, &Template::container(), REAL).is_ok());
}
