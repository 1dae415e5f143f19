use proptest::prelude::*;

use super::*;
use crate::account::HeldState;
use crate::account::change::Change;
use crate::account::tests::{account, held, name, size, want};

const WEB: &str = r#"{"type":"container","count":3,"size":{"cpu":"2","memory":"4Gi"}}"#;
const WEB_HELD: &str = r#"{"uid":"u","type":"container","count":3,"size":{"cpu":"2","memory":"4Gi"},"state":"ready"}"#;

/// Returns the verdict on setting rows in an account; `""` removes a key.
fn verdict(before: &[(&str, &str)], rows: &[(&str, &str)]) -> String {
    let old = account(before);
    let mut new: Vec<(&str, &str)> =
        before.iter().filter(|(key, _)| !rows.iter().any(|row| row.0 == *key)).copied().collect();
    new.extend(rows.iter().filter(|row| !row.1.is_empty()));
    judge(Some(&old), &account(&new)).map_or_else(|denial| denial.to_string(), |()| "yes".to_owned())
}

fn check(before: &[(&str, &str)], rows: &[(&str, &str)], expected: &str) {
    assert_eq!(verdict(before, rows), expected, "{before:?} then {rows:?}");
}

#[test]
fn a_change_within_the_quota_is_allowed_and_one_above_it_is_refused_with_the_sums() {
    check(&[], &[("want.web", WEB)], "yes");
    check(
        &[("want.web", WEB)],
        &[("want.db", r#"{"type":"container","count":4,"size":{"cpu":"4","memory":"1Gi"}}"#)],
        "exceeded quota: john, requested: cpu=16, used: cpu=6, limited: cpu=16",
    );
    check(
        &[("want.web", WEB)],
        &[("want.db", r#"{"type":"container","count":2,"size":{"cpu":"6","memory":"32Gi"}}"#)],
        "exceeded quota: john, requested: cpu=12,memory=64Gi, used: cpu=6,memory=12Gi, limited: cpu=16,memory=64Gi",
    );
    check(
        &[("want.web", WEB)],
        &[("want.db", r#"{"type":"container","count":5,"size":{"cpu":"2","memory":"1Gi"}}"#)],
        "yes",
    );
    check(
        &[("want.web", WEB)],
        &[("want.web", r#"{"type":"container","count":9,"size":{"cpu":"2","memory":"4Gi"}}"#)],
        "exceeded quota: john, requested: cpu=12, used: cpu=6, limited: cpu=16",
    );
}

#[test]
fn labels_are_judged_and_cost_nothing() {
    let with = |fields: &str| WEB.replace("}}", &format!("}},{fields}}}"));
    let full = &[("quota", r#"{"cpu":"6","memory":"12Gi"}"#), ("want.web", WEB), ("held.web", WEB_HELD)];
    check(full, &[("want.web", &with(r#""labels":{"app":"web"},"annotations":{"note":"a b"}"#))], "yes");
    check(
        full,
        &[("want.web", &with(r#""labels":{"kubectl-cmp.dev/owner":"mary"}"#))],
        "want.web: labels: the key \"kubectl-cmp.dev/owner\" is reserved for cmp: use another domain, or none",
    );
    let long = with(&format!(r#""annotations":{{"a":"{}"}}"#, "x".repeat(4096)));
    check(full, &[("want.web", &long)], "want.web: annotations take 4097 bytes: the maximum is 4096");
    // An invalid label that was stored while nobody was asked keeps its user from nothing.
    let forged = with(r#""labels":{"kubectl-cmp.dev/owner":"mary"}"#);
    let before = &[("want.web", forged.as_str()), ("held.web", WEB_HELD)];
    check(before, &[("want.web", &forged.replace("\"count\":3", "\"count\":2"))], "yes");
    check(before, &[("want.web", WEB)], "yes");
}

#[test]
fn want_and_held_are_charged_as_the_larger_of_both() {
    // A change that grows one of count and size and shrinks the other needs quota for the larger of both.
    check(
        &[("want.web", WEB), ("held.web", WEB_HELD)],
        &[("want.web", r#"{"type":"container","count":9,"size":{"cpu":"1","memory":"1Gi"}}"#)],
        "exceeded quota: john, requested: cpu=12, used: cpu=6, limited: cpu=16",
    );
    // A resource that is given up stays charged while it is held.
    let shrunk = r#"{"type":"container","count":1,"size":{"cpu":"2","memory":"4Gi"}}"#;
    check(&[("want.web", WEB), ("held.web", WEB_HELD)], &[("want.web", shrunk)], "yes");
    check(
        &[("want.web", shrunk), ("held.web", WEB_HELD)],
        &[("want.db", r#"{"type":"container","count":1,"size":{"cpu":"11","memory":"1Gi"}}"#)],
        "exceeded quota: john, requested: cpu=11, used: cpu=6, limited: cpu=16",
    );
}

#[test]
fn a_change_that_raises_nothing_is_never_refused() {
    let small = ("quota", r#"{"cpu":"1","memory":"1Gi"}"#);
    check(&[("want.web", WEB)], &[small], "yes");
    let shrunk = r#"{"type":"container","count":2,"size":{"cpu":"2","memory":"4Gi"}}"#;
    check(&[("want.web", WEB), small], &[("want.web", shrunk)], "yes");
    check(&[("want.web", WEB), small], &[("want.web", "")], "yes");
    // Only growth is judged: memory is over the quota already, CPU is free.
    let quota = ("quota", r#"{"cpu":"100","memory":"1Gi"}"#);
    check(
        &[("want.web", WEB), quota],
        &[("want.web", r#"{"type":"container","count":3,"size":{"cpu":"4","memory":"4Gi"}}"#)],
        "yes",
    );
    // One cluster gives the amount that another takes.
    check(
        &[("want.web", WEB), ("want.db", WEB), ("quota", r#"{"cpu":"1","memory":"1Gi"}"#)],
        &[("want.web", r#"{"type":"container","count":4,"size":{"cpu":"2","memory":"4Gi"}}"#), ("want.db", shrunk)],
        "yes",
    );
}

#[test]
fn several_wants_and_the_quota_in_one_write_are_judged_together() {
    check(
        &[],
        &[("want.web", WEB), ("want.db", WEB), ("want.c", WEB)],
        "exceeded quota: john, requested: cpu=18, used: cpu=0, limited: cpu=16",
    );
    check(
        &[],
        &[("want.web", WEB), ("want.db", WEB), ("want.c", WEB), ("quota", r#"{"cpu":"18","memory":"64Gi"}"#)],
        "yes",
    );
    check(
        &[],
        &[("want.web", WEB), ("quota", r#"{"cpu":"5","memory":"64Gi"}"#)],
        "exceeded quota: john, requested: cpu=6, used: cpu=0, limited: cpu=5",
    );
}

#[test]
fn a_long_want_may_only_become_shorter() {
    let of = |count: u32, bytes: usize| {
        let image = "<".repeat(1000);
        let value = "<".repeat(bytes);
        format!(
            r#"{{"type":"container","count":{count},"size":{{"cpu":"1","memory":"1Gi"}},"image":"{image}","env":[{{"name":"A","value":"{value}"}}]}}"#
        )
    };
    let (fits, long, longer) = (of(2, 6000), of(2, 9000), of(2, 9001));
    assert_eq!(verdict(&[], &[("want.web", &fits)]), "yes");
    assert!(verdict(&[], &[("want.web", &long)]).contains("the maximum is 8192"));
    // The long want was stored while nobody was asked.
    assert!(verdict(&[("want.web", &long)], &[("want.web", &longer)]).contains("the maximum is 8192"));
    for shorter in [of(1, 9000), fits] {
        assert_eq!(verdict(&[("want.web", &long)], &[("want.web", &shorter)]), "yes");
    }

    let web = name("web");
    let length = |after| judge_length(&LongerWant { cluster: web.clone(), before: 0, after });
    assert_eq!(length(16384), Ok(()));
    let denied = length(16385).unwrap_err().to_string();
    assert!(denied.starts_with("want.web: takes 16385 bytes in a review, the maximum is 16384"), "{denied}");
}

#[test]
fn a_data_disk_is_for_vms_and_charged_as_storage() {
    let check = |kind: &str, size: &str, path: &str, expected: &str| {
        let want =
            format!(r#"{{"type":"{kind}","count":2,"size":{{"cpu":"1","memory":"1Gi"{size}}},"dataDisk":"{path}"}}"#);
        let quota = r#"{"cpu":"16","memory":"64Gi","storage":"20Gi"}"#;
        assert_eq!(verdict(&[("quota", quota)], &[("want.web", &want)]), expected, "{want}");
    };
    let of = |storage: &str| format!(r#","storage":"{storage}""#);
    check("vm", &of("10Gi"), "/data", "yes");
    check(
        "vm",
        &of("11Gi"),
        "/data",
        "exceeded quota: john, requested: storage=22Gi, used: storage=0, limited: storage=20Gi",
    );
    check("vm", "", "/data", "want.web: dataDisk needs storage in the size: set size.storage to the size of the disk");
    check(
        "vm",
        &of("1Gi"),
        "/a b",
        "want.web: dataDisk \"/a b\" is not a mount path: use a path of letters, digits and \"-_./\", such as /data",
    );
    check("container", &of("1Gi"), "/data", "want.web: dataDisk is for VMs: leave it out, or use type vm");
}

#[test]
fn room_for_snapshots_is_charged_in_bytes_of_its_own_quota() {
    let check = |kind: &str, disk: &str, room: &str, quota: &str, expected: &str| {
        let size = format!(r#"{{"cpu":"1","memory":"1Gi","storage":"1Gi","snapshot-storage":"{room}"}}"#);
        let want = format!(r#"{{"type":"{kind}","count":2,"size":{size}{disk}}}"#);
        let quota = format!(r#"{{"cpu":"16","memory":"64Gi","storage":"20Gi"{quota}}}"#);
        assert_eq!(verdict(&[("quota", &quota)], &[("want.web", &want)]), expected, "{want}");
    };
    let (disk, quota) = (r#","rootDisk":"image""#, r#","snapshot-storage":"4Gi""#);
    check("vm", disk, "2Gi", quota, "yes");
    check(
        "vm",
        disk,
        "3Gi",
        quota,
        "exceeded quota: john, requested: snapshot-storage=6Gi, used: snapshot-storage=0, limited: snapshot-storage=4Gi",
    );
    check(
        "vm",
        disk,
        "1Gi",
        "",
        "snapshot-storage is not in the quota of john, which names cpu, memory, storage: leave it out, or ask an administrator for it",
    );
    check(
        "vm",
        "",
        "1Gi",
        quota,
        "want.web: size.snapshot-storage needs disks that stay: create the cluster with --disk or --data-disk",
    );
    check(
        "container",
        "",
        "1Gi",
        quota,
        "want.web: size.snapshot-storage 1Gi is for the snapshots of VMs: leave it out, or use type vm",
    );
}

#[test]
fn a_root_disk_that_stays_is_for_vms_and_charged_as_storage() {
    let check = |kind: &str, more: &str, source: &str, expected: &str| {
        let size = r#""size":{"cpu":"1","memory":"1Gi""#;
        let want = format!(r#"{{"type":"{kind}","count":2,{size}{more},"rootDisk":"{source}"}}"#);
        let quota = r#"{"cpu":"16","memory":"64Gi","storage":"20Gi"}"#;
        assert_eq!(verdict(&[("quota", quota)], &[("want.web", &want)]), expected, "{want}");
    };
    let of = |storage: &str| format!(r#","storage":"{storage}"}}"#);
    check("vm", &of("10Gi"), "image", "yes");
    check(
        "vm",
        &of("11Gi"),
        "image",
        "exceeded quota: john, requested: storage=22Gi, used: storage=0, limited: storage=20Gi",
    );
    check("vm", "}", "image", "want.web: rootDisk needs storage in the size: set size.storage to the size of the disk");
    check(
        "vm",
        &of("1Gi"),
        "later",
        "want.web: this version does not know \"rootDisk: later\": upgrade cmp-webhook and kubectl-cmp, then try again",
    );
    let image = |image: &str| of("1Gi") + &format!(r#","image":"{image}""#);
    for (address, source, expected) in [
        ("https://images.example/x", "https", "yes"),
        ("https://images.example/x", "image", "rootDisk \"image\" is for an image in a registry: use https"),
        ("registry.example/x", "https", "rootDisk \"https\" needs an image that begins with https://"),
        ("registry.example/x", "image", "yes"),
        (
            "https://web.dev-ns.svc/x",
            "https",
            "image must name a server outside of this Kubernetes cluster, and web.dev-ns.svc is an address or a name inside",
        ),
        (
            "http://images.example/x",
            "https",
            "image must begin with https://: without it nobody notices an image that was replaced on its way",
        ),
        (
            "https://a:b@images.example/x",
            "https",
            "image must have no user and no password before its host: everybody who reads the account would read them",
        ),
    ] {
        let refused = if expected == "yes" { "yes".to_owned() } else { format!("want.web: {expected}") };
        check("vm", &image(address), source, &refused);
    }
    check("vm", &of("1Gi"), "https", "want.web: rootDisk \"https\" needs an image that begins with https://");
    check("container", &of("1Gi"), "later", "want.web: rootDisk is for VMs: leave it out, or use disk");
    check("container", &of("1Gi"), "image", "want.web: rootDisk is for VMs: leave it out, or use disk");
    let both = of("1Gi") + r#","dataDisk":"/data""#;
    check("vm", &both, "image", "want.web: dataDisk needs the storage that rootDisk takes: leave one of them out");
}

#[test]
fn wants_that_no_cluster_can_be_are_refused_by_field_value_and_remedy() {
    let check = |json: &str, expected: &str| {
        let said = verdict(&[("quota", r#"{"cpu":"16","memory":"64Gi","nvidia.com/gpu":"2"}"#)], &[("want.web", json)]);
        assert_eq!(said, expected, "{json}");
    };
    check(
        r#"{"type":"container","count":0,"size":{"cpu":"1","memory":"1Gi"}}"#,
        "want.web: count 0 is below 1: use 1 or more, or suspend or delete the cluster",
    );
    check(
        r#"{"type":"container","count":1001,"size":{"cpu":"1m","memory":"1Mi"}}"#,
        "want.web: count 1001 is more than the 1000 instances that a cluster can have",
    );
    check(
        r#"{"type":"container","count":1,"size":{"cpu":"1"}}"#,
        "want.web: size.memory is missing: set the amount for one instance",
    );
    check(
        r#"{"type":"container","count":1,"size":{"cpu":"0","memory":"1Gi"}}"#,
        "want.web: size.cpu 0 must be above 0",
    );
    check(
        r#"{"type":"container","count":1,"size":{"cpu":"1","memory":"-1Gi"}}"#,
        "want.web: size.memory -1Gi must be above 0",
    );
    check(
        r#"{"type":"container","count":1,"size":{"cpu":"1u","memory":"1Gi"}}"#,
        "want.web: size.cpu 1u must be a multiple of 1m, a thousandth of a CPU",
    );
    check(
        r#"{"type":"container","count":1,"size":{"cpu":"1","memory":"64"}}"#,
        "want.web: size.memory 64 is below 1Mi: memory is counted in bytes, did you mean Mi or Gi?",
    );
    check(
        r#"{"type":"container","count":1,"size":{"cpu":"1","memory":"2097152500m"}}"#,
        "want.web: size.memory 2097152500m must be a whole number",
    );
    check(
        r#"{"type":"container","count":1,"size":{"cpu":"1","memory":"1Gi","nvidia.com/gpu":"0.5"}}"#,
        "want.web: size.nvidia.com/gpu 500m must be a whole number",
    );
    check(
        r#"{"type":"container","count":1,"size":{"cpu":"1","memory":"1Gi","nvidia.com/gpu":"3"}}"#,
        "exceeded quota: john, requested: nvidia.com/gpu=3, used: nvidia.com/gpu=0, limited: nvidia.com/gpu=2",
    );
    check(
        r#"{"type":"container","count":1,"size":{"cpu":"1","memory":"1Gi","amd.com/gpu":"1"}}"#,
        "amd.com/gpu is not in the quota of john, which names cpu, memory, nvidia.com/gpu: leave it out, or ask an administrator for it",
    );
    check(
        r#"{"type":"vm","count":1,"size":{"cpu":"1500m","memory":"1Gi"}}"#,
        "want.web: size.cpu 1500m must be a whole number of processors for a VM, and at most 1024",
    );
    // The devices of VMs are counted as those of containers.
    for (more, expected) in [
        (r#""nvidia.com/gpu":"2""#, "yes"),
        (
            r#""nvidia.com/gpu":"3""#,
            "exceeded quota: john, requested: nvidia.com/gpu=3, used: nvidia.com/gpu=0, limited: nvidia.com/gpu=2",
        ),
        (r#""nvidia.com/gpu":"500m""#, "want.web: size.nvidia.com/gpu 500m must be a whole number"),
        (
            r#""nvidia.com/gpu":"65""#,
            "want.web: size.nvidia.com/gpu 65 is more than the 64 devices of one resource that a VM can have",
        ),
        (
            r#""amd.com/gpu":"1""#,
            "amd.com/gpu is not in the quota of john, which names cpu, memory, nvidia.com/gpu: leave it out, or ask an administrator for it",
        ),
        (
            r#""ephemeral-storage":"1Gi""#,
            "want.web: size.ephemeral-storage 1Gi is not allowed for VMs: leave it out, or use type container",
        ),
    ] {
        check(&format!(r#"{{"type":"vm","count":1,"size":{{"cpu":"1","memory":"1Gi",{more}}}}}"#), expected);
    }
    let vm = |kind: &str, more: &str, expected: &str| {
        check(&format!(r#"{{"type":"{kind}","count":1,"size":{{"cpu":"1","memory":"1Gi"}},{more}}}"#), expected);
    };
    let digest = crate::first_boot::digest(&[0; 32]);
    for (kind, more, expected) in [
        ("vm", r#""sshKey":"ssh-ed25519 A","moreSshKeys":["ssh-ed25519 B"]"#, "yes"),
        ("vm", &format!(r#""cloudInit":"{digest}","sysprep":"{digest}""#), "yes"),
        (
            "vm",
            r#""sshKey":"a","moreSshKeys":["b","c\nd"]"#,
            "want.web: moreSshKeys[1] must be one line of authorized_keys, and is for type vm",
        ),
        ("vm", r#""moreSshKeys":["b"]"#, "want.web: moreSshKeys needs sshKey: the first key belongs there"),
        (
            "vm",
            r##""cloudInit":"#cloud-config""##,
            "want.web: cloudInit must be the digest of a file (sha256:...), and is for type vm",
        ),
        (
            "container",
            &format!(r#""sysprep":"{digest}""#),
            "want.web: sysprep must be the digest of a file (sha256:...), and is for type vm",
        ),
    ] {
        vm(kind, more, expected);
    }
}

#[test]
fn a_schedule_is_judged_with_its_want_and_costs_nothing() {
    let want = |schedule: &str| WEB.replace("}}", &format!("}},\"schedule\":{schedule}}}"));
    let judged = |schedule: &str| verdict(&[], &[("want.web", &want(schedule))]);
    let since = r#""since":"2026-01-01T00:00:00Z""#;
    let good = format!(r#"{{"suspend":"0 19 * * 1-5","resume":"0 8 * * 1-5","timeZone":"Europe/Berlin",{since}}}"#);
    assert_eq!(judged(&good), "yes");
    assert_eq!(
        judged(&good.replace("0 19", "0 25")),
        "want.web: schedule.suspend \"0 25 * * 1-5\" has an hour (the 2nd field) that is not from 0 to 23"
    );
    assert_eq!(
        judged(&good.replace("Europe", "Evropa")),
        "want.web: schedule.timeZone \"Evropa/Berlin\" is not a time zone: use a name of the IANA database, such as Europe/Berlin, or UTC"
    );
    assert_eq!(judged("{}"), "want.web: schedule is empty: add a time to suspend, or leave the schedule out");
    // Further lines are judged like the first ones, and their number is limited.
    let more = good.replace('{', r#"{"alsoSuspend":["0 16 * * 0"],"alsoResume":["0 10 * * 0"],"#);
    assert_eq!(judged(&more), "yes");
    assert_eq!(
        judged(&more.replace("0 10", "0 16")),
        "want.web: schedule.alsoResume \"0 16 * * 0\" can be at the same time as schedule.alsoSuspend \"0 16 * * 0\": choose another time"
    );
    assert_eq!(
        judged(&more.replace("[\"0 16", &format!("[{}\"0 16", "\"1 2 * * *\",".repeat(13)))),
        "want.web: schedule has 17 lines of cron: the maximum is 16, to suspend and to resume together"
    );
    let scheduled: crate::account::Want = serde_json::from_str(&want(&good)).unwrap();
    assert_eq!(scheduled.shape(), serde_json::from_str::<crate::account::Want>(WEB).unwrap().shape());
    let held = serde_json::from_str(WEB_HELD).unwrap();
    assert_eq!(scheduled.as_held(&held).schedule, scheduled.schedule, "it is kept when a want is taken back");
}

#[test]
fn clusters_and_instances_are_limited_too() {
    let policy = ("policy", r#"{"clusters":1,"instances":3}"#);
    check(&[policy], &[("want.web", WEB)], "yes");
    let one = r#"{"type":"container","count":1,"size":{"cpu":"1m","memory":"1Mi"}}"#;
    check(
        &[policy, ("want.web", WEB)],
        &[("want.db", one)],
        "exceeded quota: john, requested: clusters=1,instances=1, used: clusters=1,instances=3, limited: clusters=1,instances=3",
    );
}

#[test]
fn the_type_is_fixed_and_a_deletion_too() {
    let vm_held = r#"{"uid":"u","type":"vm","count":3,"size":{"cpu":"2","memory":"4Gi"},"state":"ready"}"#;
    check(
        &[("held.web", vm_held)],
        &[("want.web", WEB)],
        "cluster web is of type vm, which cannot be changed: delete it and create it anew",
    );
    let shrunk = r#"{"type":"container","count":1,"size":{"cpu":"2","memory":"4Gi"}}"#;
    let deleted = [("want.web", WEB), ("held.web", WEB_HELD), ("delete.web", "u")];
    check(
        &deleted,
        &[("want.web", shrunk)],
        "cluster web is being deleted: wait until it is gone, then create it anew",
    );
    check(&deleted, &[("quota", r#"{"cpu":"1"}"#)], "yes");
    // An administrator deleted the Namespace, so that nobody wrote `delete.web`.
    let going = WEB_HELD.replace("ready", "deleting");
    check(
        &[("want.web", WEB), ("held.web", &going)],
        &[("want.web", shrunk)],
        "cluster web is being deleted: wait until it is gone, then create it anew",
    );
}

#[test]
fn nothing_is_raised_before_the_account_is_settled() {
    let said = "the account of john is not settled yet: nothing can be created or grown until its clusters have been looked up; try again in a few seconds";
    check(&[("settled", "another-uid")], &[("want.web", WEB)], said);
    check(&[("settled", "another-uid"), ("want.web", WEB)], &[("want.web", "")], "yes");
    // The change is refused even if another cluster gives as much.
    check(&[("settled", "another-uid"), ("want.web", WEB)], &[("want.web", ""), ("want.db", WEB)], said);
    let new = account(&[("settled", "another-uid"), ("want.web", WEB)]);
    assert!(matches!(judge(None, &new), Err(Denial::NotSettled { .. })));
    assert_eq!(judge(None, &account(&[("settled", "")])), Ok(()));
}

#[test]
fn an_unjudged_want_is_judged_again() {
    let big = r#"{"type":"container","count":30,"size":{"cpu":"2","memory":"4Gi"}}"#;
    let smuggled = account(&[("want.web", big), ("held.web", WEB_HELD), ("want.db", WEB)]);
    assert!(matches!(judge_again(&smuggled, &name("web")), Err(Denial::OverQuota { .. })));
    let fine = account(&[("want.web", WEB), ("held.web", WEB_HELD), ("want.db", WEB)]);
    assert_eq!(judge_again(&fine, &name("db")), Ok(()));
    assert_eq!(judge_again(&fine, &name("web")), Ok(()));
    let zero = account(&[("want.web", r#"{"type":"container","count":0,"size":{"cpu":"2","memory":"4Gi"}}"#)]);
    assert!(matches!(judge_again(&zero, &name("web")), Err(Denial::Invalid { .. })));
}

#[test]
fn the_available_amount_may_be_below_zero() {
    let lowered = account(&[("quota", r#"{"cpu":"4","memory":"64Gi"}"#), ("want.web", WEB)]);
    assert_eq!(available(&lowered).unwrap().cpu().to_string(), "-2");
    assert_eq!(available(&lowered).unwrap().memory().to_string(), "52Gi");
}

proptest! {
    /// In any order of requests, the allowed wants never sum to more than the quota.
    #[test]
    fn never_above_the_quota(asks in proptest::collection::vec((0..4usize, 0..6u32, 1..9u32, 1..20u32), 0..40)) {
        let clusters = ["a", "b", "c", "d"].map(name);
        let mut account = account(&[]);
        for (cluster, count, cpu, gib) in asks {
            let cluster = &clusters[cluster];
            let wish = (count > 0).then(|| want(count, &format!("cpu={cpu},memory={gib}Gi")));
            let changed = Change::new().want(cluster, wish.as_ref()).apply(&account).unwrap();
            if judge(Some(&account), &changed).is_ok() {
                account = changed;
            }
            prop_assert!(account.charge().unwrap().fits(&account.quota));
        }
    }

    /// Holding a want, and giving back the rest, never costs more.
    #[test]
    fn holding_the_want_costs_nothing(count in 1..5u32, cpu in 1..3u32, held_count in 0..5u32, held_cpu in 1..3u32) {
        let before = account(&[]);
        let wish = want(count, &format!("cpu={cpu},memory=1Gi"));
        let mut now = held(held_count, &format!("cpu={held_cpu},memory=1Gi"), HeldState::Ready);
        let wanted = Change::new().want(&name("web"), Some(&wish)).held(&name("web"), Some(&now)).apply(&before).unwrap();
        let raised = wish.shape().max(&now.shape());
        (now.count, now.size) = (raised.count, raised.size);
        let holding = Change::new().held(&name("web"), Some(&now)).apply(&wanted).unwrap();
        prop_assert_eq!(holding.charge(), wanted.charge());
        prop_assert_eq!(judge(Some(&wanted), &holding), Ok(()));
        (now.count, now.size) = (wish.count, size(&format!("cpu={cpu},memory=1Gi")));
        let lowered = Change::new().held(&name("web"), Some(&now)).apply(&holding).unwrap();
        prop_assert!(lowered.charge().unwrap().fits(&holding.charge().unwrap()));
    }
}

#[test]
fn a_field_that_this_version_cannot_judge_is_refused_and_one_that_is_there_does_not_grow() {
    let expires = |count: u32, at: &str| {
        format!(r#"{{"type":"container","count":{count},"size":{{"cpu":"2","memory":"4Gi"}},"expires":"{at}"}}"#)
    };
    let unknown = "this version does not know \"expires\"";
    let new = format!("want.web: {unknown}: upgrade cmp-webhook and kubectl-cmp, then try again");
    let grows = |what: &str| format!("{what}: upgrade cmp-webhook and kubectl-cmp, then try again");
    check(&[], &[("want.web", &expires(1, "2027"))], &new);
    check(&[("want.web", WEB)], &[("want.web", &expires(3, "2027"))], &new);
    let there = expires(2, "2027");
    let there = [("want.web", there.as_str())];
    check(&there, &[("want.web", &expires(2, "2028"))], &new);
    check(&there, &[("want.web", &expires(3, "2027"))], &grows(&format!("cluster web cannot grow: want: {unknown}")));
    check(&there, &[("want.web", &expires(1, "2027"))], "yes");
    check(&there, &[("want.web", &WEB.replace('3', "1"))], "yes");
    check(&there, &[("want.db", &WEB.replace('3', "1"))], "yes");
    check(&there, &[("quota", r#"{"cpu":"1"}"#)], "yes");
    // While the cost of a value is unknown, nothing is added; a change that lowers passes.
    let opaque = [("held.old", r#"{"format":2,"uid":"u"}"#), ("want.web", WEB)];
    let why = "held.old: it is of format 2, where this version reads format 1";
    check(&opaque, &[("want.db", &WEB.replace('3', "1"))], &grows(&format!("the clusters of john cannot grow: {why}")));
    check(&opaque, &[("want.web", &WEB.replace('3', "2"))], "yes");
    check(&opaque, &[("quota", r#"{"cpu":"1"}"#)], "yes");
    let policy = [("policy", r#"{"nights":true}"#)];
    let why = "policy: this version does not know \"nights\"";
    check(&policy, &[("want.web", WEB)], &grows(&format!("the clusters of john cannot grow: {why}")));
}

#[test]
fn a_quota_names_resources() {
    let why = "quota: cpus is not a resource that can be handed out: use cpu, memory, storage, or one with its domain, such as nvidia.com/gpu; or upgrade cmp-webhook, if a newer version knows it";
    check(&[], &[("quota", r#"{"cpus":"1"}"#)], why);
    check(&[("quota", r#"{"cpu":"9","memory":"9Gi","cpus":"1"}"#)], &[("quota", r#"{"cpus":"2"}"#)], "yes");
    let size = r#"{"type":"container","count":1,"size":{"cpu":"1","memory":"1Gi","cpus":"1"}}"#;
    let why = "want.web: size.cpus 1 is not a resource: use cpu, memory, storage, or one with its domain";
    check(&[("quota", r#"{"cpu":"9","memory":"9Gi","cpus":"1"}"#)], &[("want.web", size)], why);
}

#[test]
fn an_image_has_no_spaces() {
    for image in ["", " ", "a b", "a\\nb", "\\u001b[2J"] {
        let want = WEB.replacen('{', &format!(r#"{{"image":"{image}","#), 1);
        let data: std::collections::BTreeMap<String, String> =
            [("quota", r#"{"cpu":"64","memory":"640Gi"}"#), ("settled", "account-uid"), ("want.web", &want)]
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect();
        let account = Account::read("john".parse().unwrap(), "account-uid", &data).unwrap();
        assert!(
            matches!(judge(None, &account), Err(Denial::Invalid { field, .. }) if field.starts_with("image")),
            "{image:?}"
        );
    }
}
