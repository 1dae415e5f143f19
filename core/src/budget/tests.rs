use super::*;
use crate::account::tests::account;

/// Three instances.
const WEB: &str = r#"{"type":"container","count":3,"size":{"cpu":"2","memory":"4Gi"}}"#;
/// The holding of [`WEB`].
const HELD: &str = r#"{"uid":"u","type":"container","count":3,"size":{"cpu":"2","memory":"4Gi"},"state":"ready"}"#;
/// One instance of the size of [`WEB`].
const LESS: &str = r#"{"type":"container","count":1,"size":{"cpu":"2","memory":"4Gi"}}"#;

/// The keys of an account, and the expected hints.
type Row<'a> = (Vec<(&'a str, &'a str)>, Vec<&'a str>);

fn hints(rows: &[(&str, &str)]) -> Vec<String> {
    returns(&account(rows)).unwrap().iter().filter_map(|back| back.hint(|_| true)).collect()
}

#[test]
fn the_part_of_a_holding_beyond_the_want_is_released() {
    let off = WEB.replace("\"size\"", "\"released\":true,\"size\"");
    let smaller = WEB.replace("\"2\"", "\"1\"");
    let larger = WEB.replace('3', "4");
    let crossing = WEB.replace('3', "4").replace("4Gi", "2Gi");
    let deleting = HELD.replace("ready", "deleting");
    let table: Vec<Row<'_>> = vec![
        (vec![], vec![]),
        (vec![("want.web", WEB)], vec![]),
        (vec![("want.web", WEB), ("held.web", HELD)], vec![]),
        (vec![("want.web", &larger), ("held.web", HELD)], vec![]),
        (
            vec![("want.web", LESS), ("held.web", HELD)],
            vec!["4 CPU and 8Gi of memory come back when cluster web has finished shrinking"],
        ),
        (
            vec![("want.web", &smaller), ("held.web", HELD)],
            vec!["3 CPU come back when cluster web has finished shrinking"],
        ),
        // More instances that are smaller: the charge is for the larger of both, until the size is lowered.
        (
            vec![("want.web", &crossing), ("held.web", HELD)],
            vec!["8Gi of memory come back when cluster web has finished shrinking"],
        ),
        (
            vec![("want.web", &off), ("held.web", HELD)],
            vec!["6 CPU and 12Gi of memory come back when cluster web is known to be off"],
        ),
        (
            vec![("want.web", WEB), ("held.web", HELD), ("delete.web", "u")],
            vec!["6 CPU and 12Gi of memory come back when cluster web is deleted"],
        ),
        (vec![("held.web", &deleting)], vec!["6 CPU and 12Gi of memory come back when cluster web is deleted"]),
        // Another cluster had that uid, and the request is replaced.
        (vec![("want.web", WEB), ("held.web", HELD), ("delete.web", "other")], vec![]),
        // The account was made anew.
        (vec![("held.web", HELD)], vec![]),
        (
            vec![("want.web", LESS), ("held.web", HELD), ("held.db", &deleting)],
            vec![
                "6 CPU and 12Gi of memory come back when cluster db is deleted",
                "4 CPU and 8Gi of memory come back when cluster web has finished shrinking",
            ],
        ),
    ];
    for (rows, expected) in table {
        assert_eq!(hints(&rows), expected, "{rows:?}");
    }
}

#[test]
fn a_hint_names_the_resources_that_matter() {
    let held = r#"{"uid":"u","type":"container","count":1,"size":{"cpu":"1","memory":"4Gi","a.b/gpu":"2"},"state":"deleting"}"#;
    let back = &returns(&account(&[("held.web", held)])).unwrap()[0];
    let end = "back when cluster web is deleted";
    assert_eq!(back.hint(|name| name == "cpu"), Some(format!("1 CPU comes {end}")));
    assert_eq!(back.hint(|name| name == "storage"), None);
    assert_eq!(back.hint(|_| true), Some(format!("2 a.b/gpu, 1 CPU and 4Gi of memory come {end}")));
}

#[test]
fn the_use_of_each_resource_is_counted_in_one_unit() {
    let quota = |cpu: &str, memory: &str| format!(r#"{{"cpu":"{cpu}","memory":"{memory}"}}"#);
    for (cpu, memory, expected) in [
        ("16", "64Gi", ["cpu 6 10 16 4 37 Low", "memory 12Gi 52Gi 64Gi 8Gi 18 Low"]),
        ("7500m", "13Gi", ["cpu 6 1.5 7.5 4 80 Nearly", "memory 12Gi 1Gi 13Gi 8Gi 92 Nearly"]),
        ("6001m", "12Gi", ["cpu 6 0.001 6.001 4 99 Nearly", "memory 12Gi 0 12Gi 8Gi 100 Spent"]),
        ("4", "0", ["cpu 6 -2 4 4 150 Spent", "memory 12Gi -12Gi 0 8Gi 100 Spent"]),
    ] {
        let account = account(&[("quota", &quota(cpu, memory)), ("want.web", LESS), ("held.web", HELD)]);
        let rows: Vec<String> = usages(&account)
            .unwrap()
            .iter()
            .map(|usage| {
                format!("{} {} {} {:?}", usage.name, usage.amounts().join(" "), usage.percent(), usage.level())
            })
            .collect();
        assert_eq!(rows, expected);
    }
}
