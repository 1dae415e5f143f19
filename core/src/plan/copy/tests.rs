//! Tables of the plan of a copy.

use serde_json::json;

use super::*;
use crate::account::tests::{account, name};

const QUOTA: &str = r#"{"cpu":"16","memory":"64Gi","storage":"20Gi","snapshot-storage":"4Gi"}"#;
const WEB: &str = r#"{"type":"vm","count":2,"size":{"cpu":"2","memory":"4Gi","a.b/c":"1","storage":"2058Mi","snapshot-storage":"2058Mi"},"template":"t","image":"https://images.example/x","sshKey":"ssh-ed25519 AAAA john","cloudInit":"sha256:0","rootDisk":"https","patch":{"spec":{}},"labels":{"app":"web"}}"#;

fn vm(name: &str, strategy: &str, disk: &str) -> VirtualMachine {
    let made = json!({
        "metadata": { "name": name },
        "spec": {
            "runStrategy": strategy,
            "dataVolumeTemplates": [{ "metadata": { "name": "r" },
                "spec": { "pvc": { "resources": { "requests": { "storage": disk } } } } }],
            "template": { "spec": {
                "domain": { "devices": { "disks": [{ "name": "root", "disk": {} }] } },
                "volumes": [{ "name": "root", "dataVolume": { "name": "r" } }],
            } },
        },
    });
    serde_json::from_value(made).unwrap()
}

fn off() -> Observed {
    Observed { machines: vec![vm("web-1", "Halted", "1Gi"), vm("web-0", "Halted", "1Gi")], guests: Vec::new() }
}

#[test]
fn a_copy_has_the_form_of_the_other_cluster_unless_flags_say_otherwise() {
    let account = account(&[("quota", QUOTA), ("want.web", WEB)]);
    let of = |given: Given, flags: Flags| {
        base(&name("new"), &name("web"), &account, &off()).unwrap().want(given, flags).map_err(|no| no.to_string())
    };
    let (want, origin) = of(Given::default(), Flags::default()).unwrap();
    assert_eq!(
        want.stored(),
        r#"{"type":"vm","count":2,"size":{"a.b/c":"1","cpu":"2","memory":"4Gi","storage":"1Gi"},"template":"t","sshKey":"ssh-ed25519 AAAA john","rootDisk":"cluster/web:2","patch":{"spec":{}}}"#
    );
    // The disk alone: the room beside it follows from the template, and the image needs no second claim any more.
    assert_eq!(origin, Origin::Flags);
    let given = Given { cpu: "1".parse().ok(), memory: None, keys: true };
    let flags = Flags {
        count: Some(5),
        more: vec![("a.b/c".parse().unwrap(), "2".parse().unwrap())],
        disk: Some(Disk { size: "3Gi".parse().unwrap(), path: None }),
        patch: Some(json!({})),
        labels: vec![("app".to_owned(), "new".to_owned())],
        ..Flags::default()
    };
    assert_eq!(
        of(given, flags).unwrap().0.stored(),
        r#"{"type":"vm","count":5,"size":{"a.b/c":"2","cpu":"1","memory":"4Gi","storage":"3Gi"},"template":"t","rootDisk":"cluster/web:2","patch":{},"labels":{"app":"new"}}"#
    );
    let small = Flags { disk: Some(Disk { size: "512Mi".parse().unwrap(), path: None }), ..Flags::default() };
    let refused = of(Given::default(), small).unwrap_err();
    assert!(refused.starts_with("--disk 512Mi: the root disks of cluster web have 1Gi"), "{refused}");
    let container = Flags { kind: Some(InstanceType::Container), ..Flags::default() };
    let refused = of(Given::default(), container).unwrap_err();
    assert!(refused.starts_with("--type container: --from web copies the root disks of VMs"), "{refused}");
}

#[test]
fn the_same_command_goes_on_whatever_became_of_the_other_cluster() {
    let new =
        r#"{"type":"vm","count":3,"size":{"cpu":"1","memory":"1Gi","storage":"1034Mi"},"rootDisk":"cluster/web:2"}"#;
    let account = account(&[("quota", QUOTA), ("want.new", new)]);
    let (want, origin) =
        begun(&name("new"), &name("web"), &account).unwrap().want(Given::default(), Flags::default()).unwrap();
    assert_eq!((want.stored().as_str(), origin), (new, Origin::File));
    for (named, from) in [("new", "other"), ("other", "web")] {
        assert_eq!(begun(&name(named), &name(from), &account), None, "{named} from {from}");
    }
}

#[test]
fn a_cluster_that_cannot_be_copied_says_why() {
    let with = |from: &str, to: &str| WEB.replace(from, to);
    let seen = |machines: Vec<VirtualMachine>, guests: &[&str]| {
        let guest = |name: &&str| serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
        Observed { machines, guests: guests.iter().map(guest).collect() }
    };
    let pair = |strategy: &str, size: &str| vec![vm("web-0", "Halted", size), vm("web-1", strategy, size)];
    for (new, from, web, observed, expected) in [
        ("web", "web", WEB.to_owned(), off(), "--from web: the cluster cannot be a copy of itself"),
        ("new", "before", WEB.to_owned(), off(), "cluster \"before\" not found"),
        (
            "new",
            "web",
            r#"{"type":"container","count":1,"size":{"cpu":"1","memory":"1Gi"}}"#.to_owned(),
            off(),
            "--from web: the cluster has containers",
        ),
        ("new", "web", with(",\"rootDisk\":\"https\"", ""), off(), "--from web: the root disks are ephemeral"),
        (
            "new",
            "web",
            with("\"rootDisk\":\"https\"", "\"dataDisk\":\"/data\""),
            off(),
            "--from web: the VMs keep their data on --data-disk",
        ),
        (
            "new",
            "web",
            with("\"rootDisk\":\"https\"", "\"rootDisk\":\"tape\""),
            off(),
            "--from web: this version does not know the cluster well enough",
        ),
        ("new", "web", with("\"count\":2", "\"count\":0"), off(), "--from web: the cluster has no VMs"),
        (
            "new",
            "web",
            with("\"count\":2", "\"count\":4"),
            off(),
            "--from web: these VMs do not exist yet: web-2 to web-3",
        ),
        (
            "new",
            "web",
            WEB.to_owned(),
            seen(pair("Always", "1Gi"), &[]),
            "--from web: a root disk is copied while its VM is off, and these are on: web-1",
        ),
        // A guest that still shuts down writes to its disk.
        (
            "new",
            "web",
            WEB.to_owned(),
            seen(pair("Halted", "1Gi"), &["web-0"]),
            "--from web: a root disk is copied while its VM is off, and these are on: web-0",
        ),
        (
            "new",
            "web",
            WEB.to_owned(),
            seen(pair("Halted", "much"), &[]),
            "--from web: web-0 has another root disk than cmp made",
        ),
    ] {
        let account = account(&[("quota", QUOTA), ("want.web", &web)]);
        let refused = base(&name(new), &name(from), &account, &observed).unwrap_err().to_string();
        assert!(refused.starts_with(expected), "{expected}: {refused}");
    }
    let account = account(&[("quota", QUOTA), ("want.web", WEB), ("delete.web", "u")]);
    let refused = base(&name("new"), &name("web"), &account, &off()).unwrap_err().to_string();
    assert!(refused.starts_with("--from web: the cluster is being deleted"), "{refused}");
}
