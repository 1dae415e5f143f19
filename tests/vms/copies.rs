//! Clusters whose root disks start from those of another cluster: sources, charge, and attacks. CDI is simulated: no data is
//! copied.

use cmp_tests::{World, eventually};
use serde_json::{Value, json};

use crate::root_disk::{claims, create};
use crate::support::{SOON, installed, shared};

const LATE: [&str; 3] = ["--wait", "--timeout", "120s"];

/// Runs a command that waits.
fn waits(user: &World<'_>, command: &[&str]) {
    user.cmp(&[command, &LATE].concat()).ok();
}

/// Returns a user with this much storage, and the name of a cluster of this many VMs whose root disks stay.
fn with_cluster(storage: &str, count: &str) -> (World<'static>, String) {
    let user = installed().user("8", "16Gi");
    user.admin(&["cmp", "set", "quota", &user.name, "--resource", &format!("storage={storage}")]).ok();
    let dev = user.cluster("dev");
    create(&user, &dev, "", &[&["--count", count][..], &LATE].concat()).ok();
    (user, dev)
}

/// Checks how much storage the user is charged.
fn charged(user: &World<'_>, used: &str) -> Result<(), String> {
    let quota = user.cmp(&["quota"]).ok();
    let row = quota.stdout.lines().find(|line| line.starts_with("storage"));
    let is = row.and_then(|row| row.split_whitespace().nth(1)) == Some(used);
    if is { Ok(()) } else { Err(quota.to_string()) }
}

/// Returns the `DataVolumes` of a cluster: name, source and kind of the owner of each.
fn sources(ns: &str) -> Vec<String> {
    let listed = shared().admin(&["get", "datavolumes", "-n", ns, "-o", "json"]).ok().json();
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let line = |volume: &Value| {
        let (metadata, from) = (&volume["metadata"], &volume["spec"]["source"]["pvc"]);
        let owner = text(&metadata["ownerReferences"][0]["kind"]);
        format!("{} {}/{} {owner}", text(&metadata["name"]), text(&from["namespace"]), text(&from["name"]))
    };
    listed["items"].as_array().unwrap().iter().map(line).collect()
}

#[test]
fn each_new_vm_starts_from_the_disk_of_one_that_is_off() {
    let (user, dev) = with_cluster("5Gi", "2");
    let (new, ns) = (user.cluster("new"), format!("{dev}-ns"));
    let new_ns = format!("{new}-ns");
    let make = |more: &[&str]| user.cmp(&[&["create", "cluster", &new, "--from", &dev][..], more].concat());
    make(&[]).fails().says("these are on:").says(&format!("kubectl cmp suspend cluster {dev} --mode halt --wait"));
    waits(&user, &["suspend", "cluster", &dev, "--mode", "halt"]);
    make(&["--count", "4"]).fails().says("requested: storage=4Gi, used: storage=2Gi, limited: storage=5Gi");
    make(&["--disk", "512Mi"]).fails().says("a copy is not smaller");
    make(&["--image", "x"]).fails().says("--image");
    for dry in ["client", "server"] {
        make(&["--count", "3", &format!("--dry-run={dry}")]).ok().says("dry run");
    }
    charged(&user, "2Gi").unwrap();
    let before = claims(&user, &ns);
    let made = [&["--count", "3", "--memory", "2Gi"][..], &LATE].concat();
    make(&made).ok().says(&format!("cluster/{new} created")).says_not("SSH key");
    let source = |index: u32, of: u32| format!("root-{new}-{index} {ns}/root-{dev}-{of} VirtualMachine");
    eventually("each VM has its disk", SOON, || {
        let is = sources(&new_ns);
        if is == [source(0, 0), source(1, 1), source(2, 0)] { Ok(()) } else { Err(is.join("\n")) }
    });
    // One claim of the size each, in the new Namespace alone: accounts and ResourceQuotas agree.
    charged(&user, "5Gi").unwrap();
    let used = "jsonpath={.status.used.requests\\.storage} {.status.hard.requests\\.storage}";
    eventually("the ResourceQuota counts the copies", SOON, || {
        let counted = user.admin(&["get", "quota", "cmp", "-n", &new_ns, "-o", used]).ok();
        if counted.stdout == "3Gi 3Gi" { Ok(()) } else { Err(counted.to_string()) }
    });
    assert_eq!((claims(&user, &ns), claims(&user, &new_ns).len()), (before, 3));
    let size = "jsonpath={.spec.template.spec.domain.memory.guest} {.spec.template.spec.domain.cpu.cores}";
    assert_eq!(user.kubectl(&["get", "vm", &format!("{new}-1"), "-n", &new_ns, "-o", size]).ok().stdout, "2Gi 1");
    // CDI's Pod beside the source reaches the one beside the copy.
    let policy = user.admin(&["get", "networkpolicy", "cmp", "-n", &new_ns, "-o", "json"]).ok().json();
    let from = &policy["spec"]["ingress"][1]["from"][0];
    assert_eq!(from["namespaceSelector"]["matchLabels"], json!({ "kubectl-cmp.dev/owner": user.name }), "{policy}");

    // The same command changes nothing, also while the VMs of the source are on.
    waits(&user, &["resume", "cluster", &dev]);
    make(&made).ok().says("unchanged");
    make(&["--count", "2"]).fails().says(&format!("cluster {new} exists and is different"));
    // A VM that is added starts from a disk in use: it waits, and says so.
    waits(&user, &["scale", "cluster", &new, "--count", "1", "--yes"]);
    eventually("the storage came back", SOON, || charged(&user, "3Gi"));
    user.cmp(&["scale", "cluster", &new, "--count", "2"]).ok();
    eventually("the copy waits", SOON, || {
        let listed = user.cmp(&["get", "instances", "--in", &new, "-o", "wide"]).ok();
        if listed.stdout.contains("cloning its disk") { Ok(()) } else { Err(listed.to_string()) }
    });
    waits(&user, &["suspend", "cluster", &dev, "--mode", "halt"]);
    user.cmp(&["wait", "cluster", &new, "--for=state=running", "--timeout", "120s"]).ok();
    // A copy of the copy, and the end of each, in any order.
    waits(&user, &["suspend", "cluster", &new, "--mode", "halt"]);
    waits(&user, &["delete", "cluster", &dev, "--yes"]);
    charged(&user, "2Gi").unwrap();
    let third = user.cluster("third");
    waits(&user, &["create", "cluster", &third, "--from", &new, "--count", "1"]);
    waits(&user, &["delete", "cluster", &new, &third, "--yes"]);
    charged(&user, "0").unwrap();
    assert_eq!(sources(&new_ns), Vec::<String>::new());
}

#[test]
fn a_cluster_without_disks_that_stay_is_not_copied() {
    let user = installed().user("8", "16Gi");
    user.admin(&["cmp", "set", "quota", &user.name, "--resource", "storage=2Gi"]).ok();
    let (new, plain, data) = (user.cluster("new"), user.cluster("plain"), user.cluster("data"));
    let box_ = user.cluster("box");
    let vm = ["--type", "vm", "--cpu", "1", "--memory", "1Gi"];
    user.cmp(&[&["create", "cluster", &plain][..], &vm].concat()).ok();
    user.cmp(&[&["create", "cluster", &data][..], &vm, &["--data-disk", "1Gi"]].concat()).ok();
    user.cmp(&["create", "cluster", &box_, "--cpu", "1", "--memory", "1Gi"]).ok();
    for (from, says) in [
        (plain.as_str(), "the root disks are ephemeral"),
        (&data, "the VMs keep their data on --data-disk"),
        (&box_, "the cluster has containers"),
        ("before-upgrade", "cluster \"before-upgrade\" not found"),
    ] {
        user.cmp(&["create", "cluster", &new, "--from", from]).fails().says(says);
    }
    user.cmp(&["create", "cluster", &new]).fails().says("--cpu");
    // Past the plugin: cmp-webhook judges the want.
    let want = json!({ "type": "vm", "count": 1, "size": { "cpu": "1", "memory": "1Gi", "storage": "1Gi" },
        "rootDisk": format!("cluster/{plain}:1"), "image": "registry.example/a:1" });
    user.patch(&json!({ format!("want.{new}"): want.to_string() })).fails().says("image is for disks that are filled");
    charged(&user, "1Gi").unwrap();
}

#[test]
fn nobody_copies_the_disks_of_others_or_makes_other_data_volumes() {
    let (user, dev) = with_cluster("2Gi", "1");
    let (other, theirs) = with_cluster("2Gi", "1");
    waits(&other, &["suspend", "cluster", &theirs, "--mode", "halt"]);
    let ns = format!("{dev}-ns");
    user.cmp(&["create", "cluster", &user.cluster("new"), "--from", &theirs])
        .fails()
        .says(&format!("cluster \"{theirs}\" not found"));
    // A Namespace whose name looks like that of a cluster, with a claim that looks like a root disk.
    let secret = user.cluster("vault");
    shared().admin(&["create", "namespace", &format!("{secret}-ns")]).ok();
    let pvc = json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } });
    let claim = json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": pvc,
        "metadata": { "name": format!("root-{secret}-0"), "namespace": format!("{secret}-ns") } });
    shared().admin_reading(&["create", "-f", "-"], &claim.to_string()).ok();

    let from = |namespace: &str, name: &str| json!({ "pvc": { "namespace": namespace, "name": name } });
    let own = from(&ns, &format!("root-{dev}-0"));
    let marked = json!({ "cdi.kubevirt.io/storage.usePopulator": "false" });
    let volume = |name: &str, more: &Value, spec: Value| {
        let mut metadata = json!({ "name": name, "namespace": ns, "annotations": marked });
        json_patch::merge(&mut metadata, more);
        json!({ "apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "DataVolume", "metadata": metadata, "spec": spec })
    };
    let by = |user: &World<'_>, object: &Value| user.kubectl_reading(&["create", "-f", "-"], &object.to_string());
    let root = format!("root-{dev}-0");
    let of = |source: Value| volume(&root, &json!({}), json!({ "source": source, "pvc": pvc }));
    let with = |more: Value| volume(&root, &more, json!({ "source": own, "pvc": pvc }));
    let named = |name: &str| volume(name, &json!({}), json!({ "source": own, "pvc": pvc }));
    let claim_with = |more: Value| {
        let mut pvc = pvc.clone();
        json_patch::merge(&mut pvc, &more);
        volume(&root, &json!({}), json!({ "source": own, "pvc": pvc }))
    };
    let (form, mine) = ("must be a copy of the root disk of another cluster", "are not yours to copy");
    let (name, marks) = ("is not the root disk of one of the 1 instances", "must have the annotation");
    for (what, object, says) in [
        ("the disk of another user", of(from(&format!("{theirs}-ns"), &format!("root-{theirs}-0"))), mine),
        ("a Namespace of nobody's cluster", of(from(&format!("{secret}-ns"), &format!("root-{secret}-0"))), mine),
        ("a Namespace that is not there", of(from("nowhere-ns", "root-nowhere-0")), mine),
        ("cmp-webhook's own Namespace", of(from("cmp-system", "root-a-0")), form),
        ("the accounts", of(from("cmp-users", "root-a-0")), form),
        ("the Secrets of Kubernetes", of(from("kube-system", "root-a-0")), form),
        ("another claim", of(from(&ns, "other")), form),
        ("no Namespace", of(json!({ "pvc": { "name": root } })), form),
        ("no source", volume(&root, &json!({}), json!({ "pvc": pvc })), form),
        ("an image", of(json!({ "http": { "url": "https://images.example/x" } })), form),
        ("two sources", of(json!({ "pvc": own["pvc"], "blank": {} })), form),
        ("a snapshot", of(json!({ "snapshot": { "namespace": ns, "name": "x" } })), form),
        (
            "a DataSource",
            volume(&root, &json!({}), json!({ "sourceRef": { "kind": "DataSource", "name": "x" }, "pvc": pvc })),
            form,
        ),
        ("room for a file system", volume(&root, &json!({}), json!({ "source": own, "storage": pvc })), form),
        ("a priority", volume(&root, &json!({}), json!({ "source": own, "pvc": pvc, "priorityClassName": "x" })), form),
        ("an existing volume", claim_with(json!({ "volumeName": "x" })), form),
        ("an empty class", claim_with(json!({ "storageClassName": "" })), form),
        (
            "a claim with a source of its own",
            claim_with(json!({ "dataSourceRef": { "kind": "A", "name": "b" } })),
            form,
        ),
        ("another name", named("x"), name),
        ("an instance too many", named(&format!("root-{dev}-1")), name),
        ("another spelling", named(&format!("root-{dev}-00")), name),
        ("the disk of data", named(&format!("data-{dev}-0")), name),
        ("no mark", with(json!({ "annotations": null })), marks),
        ("a second claim", with(json!({ "annotations": { "cdi.kubevirt.io/storage.usePopulator": "true" } })), marks),
        ("an option of CDI", with(json!({ "annotations": { "cdi.kubevirt.io/storage.pod.network": "x" } })), marks),
        ("another copy", with(json!({ "annotations": { "k8s.io/CloneRequest": "kube-system/x" } })), marks),
        ("a network", with(json!({ "annotations": { "k8s.v1.cni.cncf.io/networks": "x" } })), marks),
        ("a finalizer", with(json!({ "finalizers": ["example.com/held"] })), "metadata.finalizers are not allowed"),
        (
            "an owner",
            with(json!({ "ownerReferences": [{ "apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "b" }] })),
            "metadata.ownerReferences are not allowed",
        ),
        // The policies let this one pass.
        ("a copy", with(json!({ "annotations": { "note": "mine" } })), "already exists"),
    ] {
        let refused = by(&user, &object);
        assert!(refused.code == 1 && refused.stderr.contains(says), "{what} should say {says:?}:\n{refused}");
    }
    by(&other, &named(&root)).fails().says("forbidden");
    let volume = format!("datavolume/{root}");
    user.kubectl(&["annotate", &volume, "-n", &ns, "note=mine"]).fails().says("forbidden");
    // Nobody else may copy from the Namespace of a cluster, its own ServiceAccount included.
    let may = |who: &str, namespace: &str| {
        let what = ["auth", "can-i", "create", "datavolumes.cdi.kubevirt.io/source", "-n", namespace, who];
        shared().admin(&what).code == 0
    };
    let account = |user: &str| format!("--as=system:serviceaccount:cmp-users:{user}");
    assert!(may(&account(&user.name), &ns) && !may(&account(&other.name), &ns));
    assert!(!may(&format!("--as=system:serviceaccount:{ns}:default"), &ns));
    assert!(!may(&account(&user.name), "cmp-system") && !may(&account(&user.name), "default"));
}
