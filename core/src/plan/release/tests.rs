use super::*;
use crate::account::tests::{account, name};
use crate::plan::tests::{HELD, WEB, instances, orphan, written};

const OFF: &str = r#"{"type":"container","count":3,"size":{"cpu":"2","memory":"4Gi"},"released":true}"#;
const HELD_OFF: &str =
    r#"{"uid":"u","type":"container","count":3,"size":{"cpu":"2","memory":"4Gi"},"released":true,"state":"ready"}"#;
const RELEASES: (&str, &str) = ("policy", r#"{"suspended":"release","clusters":9,"instances":9}"#);

#[test]
fn the_quota_comes_back_by_the_policy_and_is_requested_again() {
    // Columns: the account, whether a suspension gives the quota back, and whether a resumption requests it.
    for (rows, gives, asks) in [
        (&[][..], false, false),
        (&[("want.web", WEB)], false, false),
        (&[("want.web", WEB), RELEASES], true, false),
        (&[("want.web", OFF), RELEASES], false, true),
        (&[("want.web", OFF)], false, true),
        (&[("want.web", WEB), ("held.web", HELD), RELEASES], true, false),
        // The resumption was requested, and it is not held yet.
        (&[("want.web", WEB), ("held.web", HELD_OFF), RELEASES], true, true),
        // Without a want there is nothing to request.
        (&[("held.web", HELD_OFF), RELEASES], false, false),
    ] {
        let (account, web) = (account(rows), name("web"));
        assert_eq!((gives_back(&account, &web), asks_back(&account, &web)), (gives, asks), "{rows:?}");
    }
}

#[test]
fn the_steps_follow_from_the_account_and_from_what_runs() {
    let look = GiveBack::Look(Some(InstanceType::Container));
    for (rows, dry_run, gives, asks) in [
        (&[("want.web", WEB)][..], false, &[][..], &[][..]),
        (&[("want.web", WEB)], true, &[], &[]),
        (&[("want.web", WEB), RELEASES], false, &[look], &[]),
        (&[("want.web", WEB), RELEASES], true, &[GiveBack::Write], &[]),
        (&[("want.web", OFF), RELEASES], false, &[], &[BringBack::Write, BringBack::Prepare]),
        (&[("want.web", OFF), RELEASES], true, &[], &[BringBack::Write]),
    ] {
        let (account, web) = (account(rows), name("web"));
        let steps = (give_back(&account, &web, dry_run), bring_back(&account, &web, dry_run));
        assert_eq!(steps, (gives.to_vec(), asks.to_vec()), "{rows:?} {dry_run}");
    }
    assert_eq!(after_look(&instances(&["web-0 suspended"]), &[]), [GiveBack::Write, GiveBack::TellReleasing]);
    assert_eq!(after_look(&instances(&["web-0"]), &[]), []);
    for verb in Verb::ALL {
        assert_eq!(comes_first(verb), verb == Verb::Resume);
        assert_eq!([0, 1].map(|failed| comes_last(verb, failed)), [verb == Verb::Suspend, false]);
    }
}

#[test]
fn a_cluster_is_off_when_nothing_of_it_runs() {
    for (shown, orphans, off) in [
        (&["web-0 suspended", "web-1 stopped"][..], &[][..], true),
        (&["web-0 suspended", "web-1 running"], &[], false),
        (&["web-0 pending"], &[], false),
        (&["web-0 suspended"], &[("web-1", true)], true),
        (&["web-0 suspended"], &[("web-1", true), ("web-2", false)], false),
        (&[], &[], true),
    ] {
        let orphans: Vec<Orphan> = orphans.iter().map(|(name, ending)| orphan(name, *ending)).collect();
        assert_eq!(is_off(&instances(shown), &orphans), off, "{shown:?}");
    }
}

#[test]
fn only_the_release_changes_in_the_want() {
    let web = name("web");
    let check = |rows: &[(&str, &str)], released, expected: &str| {
        assert_eq!(written(write(&account(rows), &web, released)), expected, "{rows:?}");
    };
    check(&[("want.web", WEB)], true, &format!("want.web: {OFF}"));
    check(&[("want.web", OFF)], true, "");
    check(&[("want.web", OFF)], false, &format!("want.web: {WEB}"));
    check(
        &[("want.web", OFF), ("quota", r#"{"cpu":"4","memory":"64Gi"}"#)],
        false,
        "exceeded quota: john, requested: cpu=6, used: cpu=0, limited: cpu=4",
    );
}
