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
