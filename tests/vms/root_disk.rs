//! The root disks of virtual machines that stay, with CDI: the import, the charge, and attacks.

use cmp_tests::{Output, World, eventually};
use serde_json::{Value, json};

use crate::support::{SOON, installed, machine_is, shared};

/// The annotation by which the simulated CDI stops or fails an import.
pub(crate) const IMPORT: &str = "tests.kubectl-cmp.dev/import";

/// The words of the LimitRange about a claim.
const TOO_LARGE: &str = "maximum storage usage per PersistentVolumeClaim is 1Gi";

/// Creates a cluster whose root disks stay, with this wish for their import.
pub(crate) fn create(user: &World<'_>, cluster: &str, import: &str, more: &[&str]) -> Output {
    let at = format!("/spec/dataVolumeTemplates/0/metadata/annotations/{}", IMPORT.replace('/', "~1"));
    let patch = json!([{ "op": "add", "path": at, "value": import }]).to_string();
    let size = ["--type", "vm", "--cpu", "1", "--memory", "1Gi", "--disk", "1Gi", "--patch", &patch];
    user.cmp(&[&["create", "cluster", cluster][..], &size, more].concat())
}

/// Returns the claims of a cluster: name, phase and uid of each.
pub(crate) fn claims(user: &World<'_>, ns: &str) -> Vec<String> {
    let what = "jsonpath={range .items[*]}{.metadata.name}={.status.phase}={.metadata.uid} {end}";
    let listed = user.kubectl(&["get", "pvc", "-n", ns, "-o", what]).ok().stdout;
    listed.split_whitespace().map(str::to_owned).collect()
}

/// Checks how much storage the user is charged, and how much is left of 2Gi.
pub(crate) fn charged(user: &World<'_>, used: &str, available: &str) -> Result<(), String> {
    let quota = user.cmp(&["quota"]).ok();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let is = quota.stdout.lines().any(|line| words(line) == ["storage", used, available, "2Gi"]);
    if is { Ok(()) } else { Err(quota.to_string()) }
}

#[test]
fn a_root_disk_is_imported_once_outlives_its_guests_and_goes_with_its_machine() {
    let user = installed().user("8", "16Gi");
    let dev = user.cluster("dev");
    let (ns, one) = (format!("{dev}-ns"), format!("{dev}-0"));
    create(&user, &dev, "waits-at-43.2%", &[]).fails().says("storage is not in the quota of");
    user.admin(&["cmp", "set", "quota", &user.name, "--resource", "storage=2Gi"]).ok();
    create(&user, &dev, "waits-at-43.2%", &["--count", "3"])
        .fails()
        .says("requested: storage=3Gi, used: storage=0, limited: storage=2Gi");
    let made = create(&user, &dev, "waits-at-43.2%", &["--count", "2"]).ok();
    assert!(!made.stderr.contains("ephemeral"), "{made}");
    eventually("the progress of the import is the reason", SOON, || {
        let listed = user.cmp(&["get", "instances", "--in", &dev, "-o", "wide"]).ok();
        if listed.stdout.matches("importing its disk: 43 %").count() == 2 { Ok(()) } else { Err(listed.to_string()) }
    });
    user.cmp(&["get", "clusters", &dev, "-o", "wide"]).ok().says("1Gi").says("importing its disk: 43 %");
    // The ResourceQuota counts exactly what the account is charged, and no second claim is needed.
    charged(&user, "2Gi", "0").unwrap();
    let used = "jsonpath={.status.used.requests\\.storage} {.status.hard.requests\\.storage}";
    let counted = user.admin(&["get", "quota", "cmp", "-n", &ns, "-o", used]).ok();
    assert_eq!(counted.stdout, "2Gi 2Gi");
    user.cmp(&["wait", "cluster", &dev, "--for=state=running", "--timeout", "1s"])
        .fails()
        .says("importing its disk: 43 %");

    user.admin(&["annotate", "datavolume", "--all", "-n", &ns, &format!("{IMPORT}-")]).ok();
    user.cmp(&["wait", "cluster", &dev, "--for=state=running", "--timeout", "120s"]).ok();
    let before = claims(&user, &ns);
    assert!(before.len() == 2 && before[0].starts_with(&format!("root-{one}=Bound=")), "{before:?}");
    user.cmp(&["get", "clusters", &dev, "-o", "wide"]).ok().says("1Gi").says_not("ephemeral");
    let stopped = user.cmp(&["stop", "instance", &one, "--wait", "--timeout", "120s"]).ok();
    assert!(!stopped.stderr.contains("Warning"), "{stopped}");
    machine_is(shared(), &ns, &one, "Stopped");
    user.cmp(&["start", "instance", &one, "--wait", "--timeout", "120s"]).ok();
    // The disk stays, so that a suspension gives the memory back.
    user.cmp(&["suspend", "cluster", &dev, "--wait", "--timeout", "120s"]).ok();
    user.cmp(&["describe", "cluster", &dev]).ok().says("halt (default)").says("keeps the disk");
    machine_is(shared(), &ns, &one, "Stopped");
    machine_is(shared(), &ns, &format!("{dev}-1"), "Stopped");
    user.cmp(&["resume", "cluster", &dev, "--wait", "--timeout", "120s"]).ok();
    user.cmp(&["resize", "cluster", &dev, "--memory", "2Gi", "--yes", "--timeout", "120s"]).ok().says("resized");
    assert_eq!(claims(&user, &ns), before, "the disks stay");
    user.cmp(&["scale", "cluster", &dev, "--count", "1", "--yes", "--timeout", "120s"]).ok();
    eventually("the disk went with its VM, and its quota came back", SOON, || {
        charged(&user, "1Gi", "1Gi")?;
        let left = claims(&user, &ns);
        if left == before[..1] { Ok(()) } else { Err(format!("{left:?}")) }
    });
}

#[test]
fn a_failed_import_says_cdis_reason_and_leaves_nothing() {
    let user = installed().user("8", "16Gi");
    user.admin(&["cmp", "set", "quota", &user.name, "--resource", "storage=2Gi"]).ok();
    let dev = user.cluster("dev");
    let (ns, one) = (format!("{dev}-ns"), format!("{dev}-0"));
    create(&user, &dev, "fails", &[]).ok();
    eventually("the reason is CDI's", SOON, || {
        let shown = user.cmp(&["describe", "instance", &one]).ok();
        let says = shown.stdout.contains("failed") && shown.stdout.contains("A larger PVC is required");
        if says { Ok(()) } else { Err(shown.to_string()) }
    });
    user.cmp(&["delete", "cluster", &dev, "--yes", "--wait", "--timeout", "120s"]).ok();
    charged(&user, "0", "2Gi").unwrap();

    // A deletion while the import runs leaves nothing either.
    create(&user, &dev, "waits-at-1%", &[]).ok();
    eventually("the import runs", SOON, || {
        let listed = user.cmp(&["get", "instances", "--in", &dev, "-o", "wide"]).ok();
        if listed.stdout.contains("importing its disk: 1 %") { Ok(()) } else { Err(listed.to_string()) }
    });
    user.cmp(&["delete", "cluster", &dev, "--yes", "--wait", "--timeout", "120s"]).ok();
    charged(&user, "0", "2Gi").unwrap();
    shared().admin(&["get", "datavolumes", "-n", &ns]).ok().says("No resources found");
}

#[test]
fn nobody_gets_more_storage_or_the_disks_of_others_by_cdi() {
    let user = installed().user("8", "16Gi");
    user.admin(&["cmp", "set", "quota", &user.name, "--resource", "storage=2Gi"]).ok();
    let dev = user.cluster("dev");
    let (ns, one) = (format!("{dev}-ns"), format!("{dev}-0"));
    create(&user, &dev, "", &["--count", "2", "--wait", "--timeout", "120s"]).ok();

    // A DataVolume of the user's own, and claims for which CDI would run Pods.
    let disk = json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Mi" } } });
    let object = |version: &str, kind: &str, annotations: Value, spec: Value| {
        json!({ "apiVersion": version, "kind": kind, "spec": spec,
            "metadata": { "name": "x", "namespace": ns, "annotations": annotations } })
        .to_string()
    };
    let own =
        object("cdi.kubevirt.io/v1beta1", "DataVolume", json!({}), json!({ "source": { "blank": {} }, "pvc": disk }));
    user.kubectl_reading(&["create", "-f", "-"], &own).fails().says("x is not the root disk of one of the 2 instances");
    for key in ["cdi.kubevirt.io/storage.import.endpoint", "k8s.io/CloneRequest"] {
        let claim = object("v1", "PersistentVolumeClaim", json!({ key: "x" }), disk.clone());
        let refused = user.kubectl_reading(&["create", "-f", "-"], &claim);
        refused.fails().says("annotations of CDI are not allowed for users");
        let claim = format!("pvc/root-{one}");
        let marked = user.kubectl(&["annotate", &claim, "-n", &ns, &format!("{key}=x")]);
        marked.fails().says("annotations of CDI are not allowed for users");
    }
    user.kubectl(&["annotate", &format!("pvc/root-{one}"), "-n", &ns, "note=mine"]).ok();

    // The VM of the user with other disks: the fences refuse what CDI makes for it.
    user.cmp(&["scale", "cluster", &dev, "--count", "1", "--yes", "--timeout", "120s"]).ok();
    eventually("the quota of the second one came back", SOON, || charged(&user, "1Gi", "1Gi"));
    let second = user.cluster("two");
    let create_with = |patch: Value| {
        let size = ["--type", "vm", "--cpu", "1", "--memory", "1Gi", "--disk", "1Gi", "--patch"];
        user.cmp(&[&["create", "cluster", &second][..], &size, &[&patch.to_string()]].concat())
    };
    let at = "/spec/dataVolumeTemplates/0";
    let add = |path: &str, value: Value| json!([{ "op": "add", "path": format!("{at}{path}"), "value": value }]);
    for (patch, expected) in [
        (add("/spec/priorityClassName", json!("high")), "priorityClassName is not allowed for the disks of instances"),
        (
            add("/metadata/annotations/cdi.kubevirt.io~1storage.checkStaticVolume", json!("")),
            "is not allowed for the disks of instances",
        ),
    ] {
        create_with(patch).fails().says(expected);
    }
    let is_pending = |ns: &str, reason: &str| {
        let volumes = shared().admin(&["get", "datavolumes", "-n", ns, "-o", "json"]).ok();
        let status = &volumes.json()["items"][0]["status"];
        let says = status["conditions"][0]["message"].as_str().unwrap_or_default().contains(reason);
        if status["phase"] == "Pending" && says { Ok(()) } else { Err(volumes.to_string()) }
    };
    let is_refused = |ns: &str, reason: &str| {
        let events = shared().admin(&["get", "events", "-n", ns]).ok();
        if events.stdout.contains(reason) { Ok(()) } else { Err(events.to_string()) }
    };
    let others = json!({ "pvc": { "namespace": ns, "name": format!("root-{one}") } });
    let storage = json!({ "resources": { "requests": { "storage": "1Gi" } } });
    // The LimitRange refuses the first two, the ResourceQuota the third, and KubeVirt the last, with CDI's own authorization.
    for (what, patch, reason, claims_left) in [
        ("a larger claim", add("/spec/pvc/resources/requests/storage", json!("2Gi")), TOO_LARGE, 0),
        (
            "room for a file system",
            add("/spec", json!({ "source": { "blank": {} }, "storage": storage })),
            TOO_LARGE,
            0,
        ),
        ("a second claim", add("/spec/source/registry/pullMethod", json!("pod")), "exceeded quota: cmp", 1),
        ("the disk of another cluster", add("/spec/source", others), "insufficient permissions", 0),
    ] {
        create_with(patch).ok();
        let second_ns = format!("{second}-ns");
        let clones = reason.starts_with("insufficient");
        eventually(&format!("{what} is refused"), SOON, || {
            if clones { is_refused(&second_ns, reason) } else { is_pending(&second_ns, reason) }
        });
        assert_eq!(claims(&user, &second_ns).len(), claims_left, "{what}");
        shared().admin(&["get", "vmi", "-n", &second_ns]).ok().says("No resources found");
        user.cmp(&["delete", "cluster", &second, "--yes", "--wait", "--timeout", "120s"]).ok();
    }
}

#[test]
fn the_image_of_an_administrator_is_cloned_where_the_administrator_allows_it() {
    let user = installed().user("8", "16Gi");
    user.admin(&["cmp", "set", "quota", &user.name, "--resource", "storage=2Gi"]).ok();
    let (dev, images) = (user.cluster("dev"), user.cluster("images"));
    let (ns, one) = (format!("{dev}-ns"), format!("{dev}-0"));
    let claim = json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } });
    let source = json!({ "source": { "pvc": { "namespace": images, "name": "fedora" } } });
    for object in [
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": images } }),
        json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": claim,
            "metadata": { "name": "fedora", "namespace": images } }),
        json!({ "apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "DataSource", "spec": source,
            "metadata": { "name": "newest", "namespace": images } }),
    ] {
        shared().admin_reading(&["create", "-f", "-"], &object.to_string()).ok();
    }
    let mut manifest = user.cmp(&["get", "template", "vm", "-o", "json"]).ok().json()["spec"]["manifest"].clone();
    let newest = json!({ "kind": "DataSource", "namespace": images, "name": "newest" });
    let storage = json!({ "resources": { "requests": { "storage": "1Gi" } } });
    manifest["spec"]["dataVolumeTemplates"] =
        json!([{ "metadata": { "name": "golden" }, "spec": { "sourceRef": newest, "storage": storage } }]);
    manifest["spec"]["template"]["spec"]["volumes"] = json!([{ "name": "root", "dataVolume": { "name": "golden" } }]);
    let template = ["cmp", "create", "template", &images, "-f", "-"];
    shared().admin_reading(&template, &manifest.to_string()).ok();
    let size = ["--cpu", "1", "--memory", "1Gi", "--count", "2", "--disk", "1Gi", "--template", &images];
    user.cmp(&[&["create", "cluster", &dev][..], &size].concat()).ok();
    eventually("KubeVirt refuses the clone", SOON, || {
        let events = shared().admin(&["get", "events", "-n", &ns]).ok();
        if events.stdout.contains("insufficient permissions") { Ok(()) } else { Err(events.to_string()) }
    });
    let verbs = ["--verb=create", "--resource=datavolumes.cdi.kubevirt.io/source"];
    shared().admin(&[&["create", "clusterrole", &images][..], &verbs].concat()).ok();
    let to = [&format!("--clusterrole={images}"), "--group=system:serviceaccounts", "-n", &images];
    shared().admin(&[&["create", "rolebinding", "clone"][..], &to].concat()).ok();
    user.cmp(&["wait", "cluster", &dev, "--for=state=running", "--timeout", "180s"]).ok();
    let disks = claims(&user, &ns);
    assert!(disks.len() == 2 && disks[0].starts_with(&format!("root-{one}=Bound=")), "{disks:?}");
    charged(&user, "2Gi", "0").unwrap();
}
