//! Fields of VMs that only a template grants, and the state that takes storage of the size.

use cmp_tests::eventually;
use serde_json::{Value, json};

use crate::clusters::running;
use crate::support::{SOON, installed, shared};

fn with(spec: &Value) -> Value {
    json!({ "spec": { "template": { "spec": spec } } })
}

#[test]
fn the_template_of_a_cluster_grants_fields_of_its_machines() {
    let john = installed().user("8", "16Gi");
    let (template, dev) = (format!("pinned-{}", john.name), john.cluster("dev"));
    let mut manifest = john.cmp(&["get", "template", "vm", "-o", "json"]).ok().json()["spec"]["manifest"].clone();
    let cpu = json!({ "dedicatedCpuPlacement": true, "isolateEmulatorThread": true });
    let domain = json!({ "cpu": cpu, "memory": { "hugepages": { "pageSize": "2Mi" } } });
    json_patch::merge(&mut manifest, &with(&json!({ "domain": domain, "evictionStrategy": "LiveMigrate" })));
    shared().admin_reading(&["cmp", "create", "template", &template, "-f", "-"], &manifest.to_string()).ok();
    let create = ["create", "cluster", &dev, "--template", &template, "--memory", "1Gi", "--wait", "--timeout", "120s"];
    john.cmp(&[&create[..], &["--cpu", "1"]].concat())
        .fails()
        .says("isolateEmulatorThread takes one processor of the size");
    john.cmp(&[&create[..], &["--cpu", "3"]].concat()).ok();
    let ns = format!("{dev}-ns");
    let seen = shared().admin(&["get", "namespace", &ns, "-o", "json"]).ok().json();
    let words = "cpu.dedicatedCpuPlacement,cpu.isolateEmulatorThread,memory.hugepages.pageSize=2Mi,evictionStrategy=LiveMigrate";
    assert_eq!(seen["metadata"]["annotations"]["kubectl-cmp.dev/machine"], words);
    // The launcher takes the processors of the guest and one more: those of the size.
    let pods = shared().admin(&["get", "pods", "-n", &ns, "-o", "json"]).ok().json();
    let containers = pods["items"][0]["spec"]["containers"].as_array().unwrap();
    let limits = &containers.iter().find(|container| container["name"] == "compute").unwrap()["resources"]["limits"];
    assert_eq!((&limits["cpu"], &limits["hugepages-2Mi"]), (&json!("3"), &json!("1Gi")));
    let shown = john.cmp(&["get", "instances", "--in", &dev, "-o", "json"]).ok().json();
    assert_eq!(shown["items"][0]["spec"]["size"]["cpu"], "3", "{shown}");

    let plain = running(&john, "plain", 1);
    let refused = "must be left out, or be those of this cluster's template";
    let pages = |size: &str| json!({ "domain": { "memory": { "hugepages": { "pageSize": size } } } });
    for (attack, cluster, change, reason) in [
        ("more processors", &dev, json!({ "domain": { "cpu": { "cores": 3 } } }), "4 processors are more"),
        ("other pages", &dev, pages("1Gi"), refused),
        ("another strategy", &dev, json!({ "evictionStrategy": "External" }), refused),
        ("pages without a grant", &plain, pages("2Mi"), refused),
        (
            "processors without a grant",
            &plain,
            json!({ "domain": { "cpu": { "dedicatedCpuPlacement": true } } }),
            refused,
        ),
        ("a strategy without a grant", &plain, json!({ "evictionStrategy": "LiveMigrate" }), refused),
    ] {
        let (vm, ns, patch) = (format!("{cluster}-0"), format!("{cluster}-ns"), with(&change).to_string());
        let output = john.kubectl(&["patch", "vm", &vm, "-n", &ns, "--type=merge", "-p", &patch]);
        assert!(output.code == 1 && output.stderr.contains(reason), "{attack}:\n{output}");
    }
    // A size without a processor for the thread is refused before anything changes, also where nothing is asked.
    let charged = || john.cmp(&["quota", "-o", "json"]).ok().json()["used_cpu"].clone();
    let before = (john.account()[format!("want.{dev}")].clone(), charged());
    for (size, says) in [
        (
            ["--cpu", "1"],
            "spec.template.spec.domain.cpu.isolateEmulatorThread takes one processor of the size: use --cpu 2",
        ),
        (
            ["--memory", "1025Mi"],
            "spec.template.spec.domain.memory.hugepages.pageSize is 2Mi, and the memory 1025Mi is no multiple",
        ),
    ] {
        for more in [["--yes"].as_slice(), &["--dry-run=server"]] {
            let resized = john.cmp(&[&["resize", "cluster", &dev][..], &size, more].concat());
            resized.fails().says(&format!("instance {dev}-0: {says}"));
        }
    }
    assert_eq!((john.account()[format!("want.{dev}")].clone(), charged()), before);
    // Another size keeps the thread of the emulator.
    john.cmp(&["resize", "cluster", &dev, "--cpu", "2", "--yes", "--timeout", "120s"]).ok();
    let vm = john.kubectl(&["get", "vm", &format!("{dev}-0"), "-n", &ns, "-o", "json"]).ok().json();
    let cpu = &vm["spec"]["template"]["spec"]["domain"]["cpu"];
    assert_eq!((&cpu["cores"], &cpu["isolateEmulatorThread"]), (&json!(1), &json!(true)));
    shared().admin(&["cmp", "delete", "template", &template, "--yes"]).ok();
}

#[test]
fn the_state_of_a_tpm_or_efi_is_charged_beside_a_disk() {
    let john = installed().user("8", "16Gi");
    let tpm = with(&json!({ "domain": { "devices": { "tpm": { "persistent": true } } } })).to_string();
    let efi = json!({ "efi": { "persistent": true, "secureBoot": false } });
    let efi = with(&json!({ "domain": { "firmware": { "bootloader": efi } } })).to_string();
    for (name, disk, patch) in [("tpm", "--disk", tpm), ("efi", "--data-disk", efi)] {
        let dev = john.cluster(name);
        let ns = format!("{dev}-ns");
        let size = ["--type", "vm", "--cpu", "1", "--memory", "1Gi", disk, "1Gi", "--patch", &patch];
        let create = || john.cmp(&[&["create", "cluster", &dev][..], &size].concat());
        let quota = |storage: &str| {
            let storage = format!("storage={storage}");
            shared().admin(&["cmp", "set", "quota", &john.name, "--resource", &storage]).ok();
        };
        quota("1Gi");
        create().fails().says("requested: storage=1034Mi, used: storage=0, limited: storage=1Gi");
        quota("1034Mi");
        create().ok().says("each VM takes storage=1034Mi: its disk of 1Gi, and 10Mi for the state of its TPM or EFI");
        eventually("both claims are counted, and nothing is left", SOON, || {
            let objects = shared().admin(&["get", "pvc,quota", "-n", &ns, "-o", "json"]).ok().json()["items"].clone();
            let of = |kind: &str| {
                let objects = objects.as_array().into_iter().flatten();
                objects.filter(|item| item["kind"] == kind).cloned().collect::<Vec<_>>()
            };
            let claims = of("PersistentVolumeClaim");
            let sizes: Vec<&str> =
                claims.iter().filter_map(|claim| claim["spec"]["resources"]["requests"]["storage"].as_str()).collect();
            let status = of("ResourceQuota").first().map(|quota| quota["status"].clone()).unwrap_or_default();
            let [used, hard] =
                ["used", "hard"].map(|of| status[of]["requests.storage"].as_str().unwrap_or_default().to_owned());
            let counted = used == "1034Mi" && hard == "1034Mi" && sizes.len() == 2 && sizes.contains(&"10Mi");
            if counted { Ok(()) } else { Err(objects.to_string()) }
        });
        let available = john.cmp(&["quota", "-o", "json"]).ok().json()["status"]["available"]["storage"].clone();
        assert_eq!(available, "0");
        create().ok().says("unchanged");
        john.cmp(&["delete", "cluster", &dev, "--yes", "--wait", "--timeout", "120s"]).ok();
    }
}

#[test]
fn the_state_of_a_tpm_is_charged_as_storage() {
    let john = installed().user("8", "16Gi");
    shared().admin(&["cmp", "set", "quota", &john.name, "--resource", "storage=1Gi"]).ok();
    let dev = john.cluster("dev");
    let tpm = with(&json!({ "domain": { "devices": { "tpm": { "persistent": true } } } })).to_string();
    let create = ["create", "cluster", &dev, "--type", "vm", "--cpu", "1", "--memory", "1Gi", "--patch", &tpm];
    john.cmp(&create).fails().says("devices.tpm.persistent keeps its state in a claim of 10Mi");
    john.cmp(&[&create[..], &["--resource", "storage=10Mi"]].concat()).ok();
    // The ResourceQuota has room for the claim of KubeVirt, and for nothing beside it.
    let ns = format!("{dev}-ns");
    eventually("the claim is counted", SOON, || {
        let claims = shared().admin(&["get", "pvc,quota", "-n", &ns, "-o", "json"]).ok().json()["items"].clone();
        let of = |kind: &str| claims.as_array().into_iter().flatten().find(|item| item["kind"] == kind).cloned();
        let claim = of("PersistentVolumeClaim").unwrap_or_default();
        let name = claim["metadata"]["name"].as_str().unwrap_or_default();
        let used = &of("ResourceQuota").unwrap_or_default()["status"]["used"]["requests.storage"];
        let counted = name.starts_with(&format!("persistent-state-for-{dev}-0")) && *used == "10Mi";
        if counted { Ok(()) } else { Err(claims.to_string()) }
    });
    // A machine that takes it without storage in its size gets no claim.
    let plain = running(&john, "plain", 1);
    let ns = format!("{plain}-ns");
    john.cmp(&["stop", "instance", &format!("{plain}-0"), "--wait"]).ok();
    john.kubectl(&["patch", "vm", &format!("{plain}-0"), "-n", &ns, "--type=merge", "-p", &tpm]).ok();
    john.cmp(&["start", "instance", &format!("{plain}-0")]).ok();
    eventually("KubeVirt is refused the claim", SOON, || {
        let events = shared().admin(&["get", "vm,vmi,events", "-n", &ns, "-o", "json"]).ok().stdout;
        if events.contains("exceeded quota") { Ok(()) } else { Err(events) }
    });
    assert_eq!(shared().admin(&["get", "pvc", "-n", &ns, "-o", "name"]).ok().stdout, "");
}
