//! Root disks from an image on a web server: the storage in which CDI unpacks it, and the addresses that are refused.

use std::fs;
use std::path::Path;

use cmp_tests::{World, eventually};
use serde_json::json;

use crate::root_disk::{IMPORT, charged, claims, create};
use crate::support::{SOON, installed, shared};

const ADDRESS: &str = "https://images.example/debian.qcow2";

/// Checks how much storage the ResourceQuota of a Namespace counts, and how much it allows.
fn counted(ns: &str, expected: &str) {
    let used = "jsonpath={.status.used.requests\\.storage} {.status.hard.requests\\.storage}";
    eventually(&format!("{expected} are counted"), SOON, || {
        let counted = shared().admin(&["get", "quota", "cmp", "-n", ns, "-o", used]).ok();
        if counted.stdout == expected { Ok(()) } else { Err(counted.to_string()) }
    });
}

fn with_storage(amount: &str) -> World<'static> {
    let user = installed().user("8", "16Gi");
    user.admin(&["cmp", "set", "quota", &user.name, "--resource", &format!("storage={amount}")]).ok();
    user
}

#[test]
fn the_storage_in_which_cdi_unpacks_an_image_is_charged() {
    let user = with_storage("2Gi");
    let dev = user.cluster("dev");
    let (ns, one) = (format!("{dev}-ns"), format!("{dev}-0"));
    let made = |count: &str| create(&user, &dev, "waits-at-43.2%", &["--image", ADDRESS, "--count", count]);
    made("2").fails().says("requested: storage=4Gi, used: storage=0, limited: storage=2Gi");
    let says = "each VM takes storage=2Gi: its disk of 1Gi, and as much again in which CDI unpacks the image";
    made("1").ok().says(&format!("cluster/{dev}: {says}"));
    eventually("the progress of the import is the reason", SOON, || {
        let listed = user.cmp(&["get", "instances", "--in", &dev, "-o", "wide"]).ok();
        if listed.stdout.contains("importing its disk: 43 %") { Ok(()) } else { Err(listed.to_string()) }
    });
    let names = |claims: &[String]| -> Vec<String> {
        claims.iter().map(|claim| claim.split('=').next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(names(&claims(&user, &ns)), [format!("root-{one}"), format!("root-{one}-scratch")]);
    charged(&user, "2Gi", "0").unwrap();
    counted(&ns, "2Gi 2Gi");
    let url = "jsonpath={.spec.dataVolumeTemplates[0].spec.source.http.url}";
    assert_eq!(user.kubectl(&["get", "vm", &one, "-n", &ns, "-o", url]).ok().stdout, ADDRESS);
    made("1").ok().says(&format!("cluster/{dev} unchanged"));

    user.admin(&["annotate", "datavolume", "--all", "-n", &ns, &format!("{IMPORT}-")]).ok();
    user.cmp(&["wait", "cluster", &dev, "--for=state=running", "--timeout", "120s"]).ok();
    counted(&ns, "1Gi 2Gi");
    assert_eq!(names(&claims(&user, &ns)), [format!("root-{one}")]);
    charged(&user, "2Gi", "0").unwrap();
    user.cmp(&["get", "instances", "--in", &dev, "-o", "wide"]).ok().says(" 1Gi ").says_not("ephemeral");
    // A file has the storage of both claims.
    let file = user.cmp(&["export", "cluster", &dev, "-o", "json"]).ok().stdout;
    assert!(file.contains(ADDRESS) && file.contains("\"2Gi\""), "{file}");
    user.cmp(&["delete", "cluster", &dev, "--yes", "--wait", "--timeout", "120s"]).ok();
    charged(&user, "0", "2Gi").unwrap();
    user.cmp_reading(&["create", "-f", "-"], &file).ok().says_not("each VM takes");
    // The file has the patch by which this import waits.
    counted(&ns, "2Gi 2Gi");
    charged(&user, "2Gi", "0").unwrap();
}

#[test]
fn the_storage_in_which_cdi_unpacks_the_image_of_a_template_is_charged() {
    let user = with_storage("2Gi");
    let (dev, template) = (user.cluster("dev"), user.cluster("images"));
    let (ns, one) = (format!("{dev}-ns"), format!("{dev}-0"));
    let mut manifest = user.cmp(&["get", "template", "vm", "-o", "json"]).ok().json()["spec"]["manifest"].clone();
    let pvc = json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } });
    manifest["spec"]["dataVolumeTemplates"] = json!([{ "metadata": { "name": "image" },
        "spec": { "source": { "http": { "url": ADDRESS } }, "pvc": pvc } }]);
    manifest["spec"]["template"]["spec"]["volumes"] = json!([{ "name": "root", "dataVolume": { "name": "image" } }]);
    let store = ["cmp", "create", "template", &template, "-f", "-"];
    shared().admin_reading(&store, &manifest.to_string()).ok();
    let size = ["--template", &template, "--cpu", "1", "--memory", "1Gi", "--disk", "1Gi"];
    let made = |more: &[&str]| user.cmp(&[&["create", "cluster", &dev][..], &size, more].concat());
    made(&["--count", "2"]).fails().says("requested: storage=4Gi, used: storage=0, limited: storage=2Gi");
    let at = format!("/spec/dataVolumeTemplates/0/metadata/annotations/{}", IMPORT.replace('/', "~1"));
    let patch = json!([{ "op": "add", "path": at, "value": "waits-at-43.2%" }]).to_string();
    made(&["--patch", &patch]).ok().says("its disk of 1Gi, and as much again in which CDI unpacks the image");
    eventually("CDI has both claims", SOON, || {
        let names: Vec<String> =
            claims(&user, &ns).iter().map(|claim| claim.split('=').next().unwrap_or_default().to_owned()).collect();
        if names == [format!("root-{one}"), format!("root-{one}-scratch")] { Ok(()) } else { Err(names.join(" ")) }
    });
    counted(&ns, "2Gi 2Gi");
    charged(&user, "2Gi", "0").unwrap();
    made(&["--patch", &patch]).ok().says(&format!("cluster/{dev} unchanged"));
    user.admin(&["annotate", "datavolume", "--all", "-n", &ns, &format!("{IMPORT}-")]).ok();
    user.cmp(&["wait", "cluster", &dev, "--for=state=running", "--timeout", "120s"]).ok();
    counted(&ns, "1Gi 2Gi");
    user.cmp(&["get", "instances", "--in", &dev, "-o", "wide"]).ok().says(" 1Gi ");
}

#[test]
fn an_address_that_is_unsafe_or_fills_no_disk_is_refused() {
    let user = with_storage("4Gi");
    let dev = user.cluster("dev");
    let size = ["--cpu", "1", "--memory", "1Gi"];
    let (vm, disk) = (["--type", "vm"].as_slice(), ["--type", "vm", "--disk", "1Gi"].as_slice());
    let web = format!("https://web.{dev}-ns/x");
    for (image, more, says) in [
        (ADDRESS, vm, "an image on a web server needs --disk"),
        (ADDRESS, &[], "the image of a container is in a registry"),
        ("http://images.example/x", disk, "must begin with https://"),
        ("https://john:secret@images.example/x", disk, "must have no user and no password"),
        ("https://images.example/x?token=secret", disk, "such as the parameter token"),
        ("https://169.254.169.254/x", disk, "must name a server outside of this Kubernetes cluster"),
        ("https://kubernetes.default.svc/x", disk, "must name a server outside of this Kubernetes cluster"),
        (&web, disk, "must name a server outside of this Kubernetes cluster"),
        (ADDRESS, &["--type", "vm", "--disk", "1500M"], "the size must be in whole Mi"),
    ] {
        let refused = user.cmp(&[&["create", "cluster", &dev, "--image", image][..], &size, more].concat());
        refused.fails().says(says).says_not("secret");
    }
    // Past the plugin: cmp-webhook judges the want.
    let want = |image: &str| {
        json!({ "type": "vm", "count": 1, "size": { "cpu": "1", "memory": "1Gi", "storage": "2Gi" }, "rootDisk": "https",
            "image": image })
        .to_string()
    };
    for image in ["http://images.example/x", "https://a:b@images.example/x", "https://10.0.0.1/x"] {
        user.patch(&json!({ format!("want.{dev}"): want(image) })).fails().says(&format!("want.{dev}: image must"));
    }
}

#[test]
fn an_administrator_limits_the_servers_that_images_come_from() {
    let user = with_storage("4Gi");
    let dev = user.cluster("dev");
    let (ns, one) = (format!("{dev}-ns"), format!("{dev}-0"));
    let image = ["--image", "https://images.example.com/debian.qcow2", "--wait", "--timeout", "120s"];
    create(&user, &dev, "", &image).ok();
    let document = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/SECURITY.md")).unwrap();
    let block = document.split("```yaml\n").find(|block| block.contains("name: images-of-vms")).unwrap();
    // The other tests use other servers.
    let only = format!(
        "matchResources: {{ namespaceSelector: {{ matchLabels: {{ kubernetes.io/metadata.name: {ns} }} }} }}\n"
    );
    let policy = block.split("```").next().unwrap().replace("images-of-vms", &ns);
    shared().admin_reading(&["create", "-f", "-"], &format!("{policy}  {only}")).ok();
    let at = "/spec/dataVolumeTemplates/0/spec/source";
    let try_source = |source: serde_json::Value| {
        let patch = json!([{ "op": "replace", "path": at, "value": source }]).to_string();
        user.kubectl(&["patch", "vm", &one, "-n", &ns, "--type=json", "--dry-run=server", "-p", &patch])
    };
    eventually("another server is refused", SOON, || {
        let refused = try_source(json!({ "http": { "url": "https://images.example.com.other.example/x" } }));
        if refused.stderr.contains("images of VMs come from") { Ok(()) } else { Err(refused.to_string()) }
    });
    for other in [
        json!({ "s3": { "url": "https://images.example.com/x" } }),
        json!({ "registry": { "url": "docker://images.example.com/x" } }),
    ] {
        try_source(other).fails().says("images of VMs come from");
    }
    // This server is allowed, and the VM can be switched.
    user.cmp(&["scale", "cluster", &dev, "--count", "2", "--wait", "--timeout", "120s"]).ok();
    user.cmp(&["stop", "instance", &one, "--wait", "--timeout", "120s"]).ok();
    shared().admin(&["delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", &ns]).ok();
}
