use super::*;
use crate::account::Policy;
use crate::account::change::Change;
use crate::account::tests::{account, name, size, want};
use crate::plan::create::Extent;
use crate::plan::tests::{HELD, WEB, instances, orphan, time};
use crate::template::Template;

const NOW: &str = "2026-11-28T12:00:00Z";
const DRY: Extent = Extent { dry_run: true, wait: true };

#[test]
fn a_write_is_told_key_by_key() {
    let account = account(&[("want.web", WEB), ("refused.db", r#"{"reason":"x","at":"2026-01-01T00:00:00Z"}"#)]);
    let change = Change::new().want(&name("web"), None).want(&name("lab"), Some(&want(1, "cpu=1,memory=1Gi")));
    assert_eq!(
        write(&Write::of(&account, change).unwrap()),
        [
            "set want.lab of configmap/john in namespace cmp-users to \
             {\"type\":\"container\",\"count\":1,\"size\":{\"cpu\":\"1\",\"memory\":\"1Gi\"}}",
            "remove want.web from configmap/john in namespace cmp-users",
        ]
    );
    assert!(write(&Write::nothing(&account)).is_empty());
}

#[test]
fn a_new_cluster_and_an_interrupted_one_are_told_as_if_they_were_made() {
    let wish = create::Wish::new(name("web"), want(3, "cpu=2,memory=4Gi"), false);
    let lines = |rows: &[(&str, &str)], wait| {
        let extent = Extent { dry_run: true, wait };
        super::create(&create::plan(&wish, &account(rows), extent, time(NOW)).unwrap())
    };
    let set = format!("set want.web of configmap/john in namespace cmp-users to {WEB}");
    let prepare = "wait until cmp-webhook has prepared namespace web-ns";
    assert_eq!(lines(&[], false), [&set, prepare, "create web-0 to web-2"]);
    assert_eq!(lines(&[], true), [&set, prepare, "create web-0 to web-2", "wait until running: web-0 to web-2"]);
    assert_eq!(
        lines(&[("want.web", WEB), ("held.web", HELD)], false),
        [prepare, "create those of web-0 to web-2 that are missing"]
    );
}

#[test]
fn a_dry_run_tells_what_a_scaling_deletes_and_makes() {
    let account = account(&[("want.web", WEB), ("held.web", HELD)]);
    let wish = |count| scale::Wish { name: name("web"), count };
    let set =
        |count: &str| format!("set want.web of configmap/john in namespace cmp-users to {}", WEB.replace('3', count));
    let (shown, left) = (instances(&["web-0", "web-1", "web-2"]), [orphan("web-4", false)]);
    let plan = scale::shrink(&wish(1), &account, &shown, &left, DRY).unwrap().unwrap();
    assert_eq!(plan.steps, [scale::Step::Write]);
    assert_eq!(
        super::scale(&plan),
        [
            "let cmp-webhook judge the change",
            "delete web-1 to web-2, web-4 in namespace web-ns",
            "delete the leftover web-4-0 of web-4",
            "wait until web-1 to web-2, web-4 are gone",
            &set("1"),
        ]
    );
    let plan = scale::shrink(&wish(2), &account, &shown, &[], DRY).unwrap().unwrap();
    assert_eq!(super::scale(&plan)[2], "wait until web-2 is gone");
    let plan = scale::grow(&wish(4), &account, &Template::container(), DRY).unwrap();
    assert_eq!(
        super::scale(&plan),
        [
            &set("4"),
            "wait until cmp-webhook has prepared namespace web-ns",
            "create those of web-0 to web-3 that are missing",
            "wait until running: web-0 to web-3",
        ]
    );
}

#[test]
fn a_dry_run_tells_both_writes_of_a_resizing() {
    let account = account(&[("want.web", WEB), ("held.web", HELD)]);
    let set = |cpu: &str, memory: &str| {
        let web = WEB.replace("\"cpu\":\"2\"", &format!("\"cpu\":\"{cpu}\"")).replace("4Gi", memory);
        format!("set want.web of configmap/john in namespace cmp-users to {web}")
    };
    let resized = |cpu: &str, memory: &str| {
        let (cpu, memory) = (Some(cpu.parse().unwrap()), Some(memory.parse().unwrap()));
        let wish = resize::Wish { name: name("web"), cpu, memory, more: Vec::new() };
        let plan = resize::plan(&wish, &account, &instances(&["web-0"]), true).unwrap();
        super::resize(&plan, &account).unwrap()
    };
    let prepare = "wait until cmp-webhook has prepared namespace web-ns";
    let check = |size: &str| format!("check that every instance can have {size}");
    let give = |size: &str| format!("give web-0 {size}, and wait until it runs again if it ran");
    let more = "cpu=4,memory=4Gi";
    assert_eq!(resized("4", "4Gi"), [check(more), set("4", "4Gi"), prepare.to_owned(), give(more)]);
    let both = "cpu=4,memory=2Gi";
    assert_eq!(resized("4", "2Gi"), [check(both), set("4", "4Gi"), prepare.to_owned(), give(both), set("4", "2Gi")]);
}

#[test]
fn a_verb_is_told_for_the_instances_that_it_changes() {
    let names: Vec<InstanceName> = [0, 1, 2, 5].map(|index| name("web").instance(index)).into();
    assert_eq!(
        switch(Verb::Suspend, Some(InstanceType::Container), &names).as_deref(),
        Some("suspend web-0 to web-2, web-5: patch the StatefulSets in namespace web-ns")
    );
    assert_eq!(
        switch(Verb::Start, Some(InstanceType::Vm), &names[..1]).as_deref(),
        Some("start web-0: patch the VirtualMachine in namespace web-ns")
    );
    assert_eq!(switch(Verb::Stop, None, &[]), None);
}

#[test]
fn a_token_is_told_with_its_secret() {
    assert_eq!(
        create_token(&"john".parse().unwrap()),
        [
            "check that john has an account",
            "create a secret in namespace cmp-users, and a token of john that ends with it",
        ]
    );
}

#[test]
fn a_user_is_told_object_by_object() {
    let john: UserName = "john".parse().unwrap();
    let wish = user::Wish { name: john.clone(), quota: size("cpu=1,memory=1Gi"), policy: Policy::default() };
    let request =
        create_user::Request { dry_run: DryRun::Client, credential: true, has_file: false, has_output: false };
    let objects = [
        "create configmap/john in namespace cmp-users",
        "apply serviceaccount/john, role/john, rolebinding/john in namespace cmp-users",
    ];
    let settle = "wait until cmp-webhook has looked at the account of john";
    let token = "create a token of john, and a kubeconfig with it";
    assert_eq!(create_user(&request, &wish), [objects[0], objects[1], settle, token]);
    let file = create_user::Request { has_file: true, ..request };
    assert_eq!(
        create_user(&file, &wish),
        ["open the file of the kubeconfig", objects[0], objects[1], settle, token, "write the kubeconfig to its file"]
    );
    assert_eq!(create_user(&create_user::Request { credential: false, ..request }, &wish), objects);
    assert_eq!(
        delete_user(&john, false),
        [
            "revoke all tokens of john",
            "stop john from creating and growing clusters",
            "delete the clusters of the account of john, and wait until they are gone",
            "delete rolebinding/john, role/john in namespace cmp-users",
            "delete serviceaccount/john in namespace cmp-users",
            "delete configmap/john in namespace cmp-users",
        ]
    );
    assert_eq!(delete_user(&john, true).len(), 8);
}
