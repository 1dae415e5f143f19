//! Tests of the parts of a VM that its size or its template has to name: devices, networks, granted fields, and state.

use serde_json::{Value, json};

use super::*;

use crate::account::tests::{name, size, want};

/// Returns the built-in machine with these fields, as a manifest.
fn machine_with(more: &Value) -> Value {
    let mut manifest = Template::machine().manifest();
    json_patch::merge(&mut manifest["spec"]["template"]["spec"], more);
    manifest
}

#[test]
fn the_devices_of_a_machine_are_those_of_its_size() {
    let gpu = |name: &str| json!({ "name": name, "deviceName": "nvidia.com/T4" });
    let usb = |name: &str| json!({ "name": name, "deviceName": "kubevirt.io/storage" });
    let devices = |gpus: Value, others: Value| {
        let devices = json!({ "gpus": gpus, "hostDevices": others });
        machine_with(&json!({ "domain": { "devices": devices } }))
    };
    let made = |manifest: &Value, amounts: &str, patch: Value| {
        let template = Template::read(manifest).map_err(|wrong| wrong.to_string())?.0;
        let patch = Some(patch).filter(|patch| !patch.is_null());
        let want = Want { kind: InstanceType::Vm, patch, ..want(1, &format!("cpu=1,memory=1Gi,{amounts}")) };
        let blueprint = template.blueprint(&want).map_err(|wrong| wrong.to_string())?;
        let machine = blueprint.virtual_machine(&name("dev").instance(0)).unwrap();
        let devices = machine["spec"]["template"]["spec"]["domain"]["devices"].clone();
        Ok((devices["gpus"].clone(), devices["hostDevices"].clone()))
    };
    let plain = Template::machine().manifest();
    let ours = |at: u32| gpu(&format!("cmp-device-{at}"));
    let (none, no_patch) = (Value::Null, Value::Null);
    for (manifest, amounts, patch, expected) in [
        (&plain, "storage=1Gi", &no_patch, Ok((none.clone(), none.clone()))),
        (&plain, "nvidia.com/T4=2", &no_patch, Ok((json!([ours(0), ours(1)]), none.clone()))),
        // Those that the template lists count inside the size, and tell the list for the others.
        (
            &devices(json!([gpu("cmp-device-0")]), json!([usb("u")])),
            "nvidia.com/T4=2,kubevirt.io/storage=2",
            &no_patch,
            Ok((json!([gpu("cmp-device-0"), ours(2)]), json!([usb("u"), usb("cmp-device-1")]))),
        ),
        (
            &devices(json!([gpu("a")]), none.clone()),
            "storage=1Gi",
            &no_patch,
            Err(
                "spec.template.spec.domain.devices take nvidia.com/T4=1, and the size has 0: name them with --resource nvidia.com/T4=1",
            ),
        ),
        (
            &devices(json!([gpu("a")]), json!([gpu("b")])),
            "nvidia.com/T4=1",
            &no_patch,
            Err(
                "spec.template.spec.domain.devices take nvidia.com/T4=2, and the size has 1: name them with --resource nvidia.com/T4=2",
            ),
        ),
        (
            &plain,
            "nvidia.com/T4=1",
            &json!({ "spec": { "template": { "spec": { "domain": { "devices": { "gpus": [gpu("a"), gpu("b")] } } } } } }),
            Err(
                "spec.template.spec.domain.devices take nvidia.com/T4=2, and the size has 1: name them with --resource nvidia.com/T4=2",
            ),
        ),
    ] {
        assert_eq!(made(manifest, amounts, patch.clone()), expected.map_err(str::to_owned), "{amounts}");
    }
    // Nothing else names a device: no quota would count it.
    for (device, says) in [
        (json!({ "name": "a" }), "gpus[0].deviceName must be an extended resource"),
        (json!({ "name": "a", "deviceName": "cpu" }), "gpus[0].deviceName must be an extended resource"),
        (json!({ "name": "a", "deviceName": "kubernetes.io/x" }), "gpus[0].deviceName must be an extended resource"),
        (
            json!({ "name": "a", "claimName": "c", "requestName": "r" }),
            "gpus[0].claimName is not allowed for instances",
        ),
        (json!("a"), "gpus[0] must be an object"),
    ] {
        let wrong = Template::read(&devices(json!([device]), none.clone())).unwrap_err().to_string();
        assert!(wrong.contains(says), "{wrong}\n{says}");
    }
    let (template, _) = Template::read(&devices(json!([gpu("a")]), json!([usb("b"), usb("c")]))).unwrap();
    assert_eq!(template.beside(), size("kubevirt.io/storage=2,nvidia.com/T4=1"));
}

#[test]
fn a_template_grants_the_fields_of_a_machine_that_it_has() {
    let domain = json!({
        "cpu": { "cores": 9, "dedicatedCpuPlacement": true, "isolateEmulatorThread": true },
        "memory": { "guest": "64Gi", "hugepages": { "pageSize": "2Mi" } },
    });
    let (template, unused) =
        Template::read(&machine_with(&json!({ "domain": domain, "evictionStrategy": "LiveMigrate" }))).unwrap();
    let said = ["cpu.cores", "memory"]
        .map(|field| format!("spec.template.spec.domain.{field} is not used: the cluster sets the size"));
    assert_eq!(unused, said);
    let words = "cpu.dedicatedCpuPlacement,cpu.isolateEmulatorThread,memory.hugepages.pageSize=2Mi,evictionStrategy=LiveMigrate";
    assert_eq!(*template.grants(), Grants::from([(keys::MACHINE, words.to_owned())]));
    let made = |template: &Template, amounts: &str, patch: Value| {
        let patch = json!({ "spec": { "template": { "spec": patch } } });
        let want = Want { kind: InstanceType::Vm, patch: Some(patch), ..want(1, amounts) };
        let blueprint = template.blueprint(&want).map_err(|wrong| wrong.to_string())?;
        let machine = blueprint.virtual_machine(&name("dev").instance(0)).unwrap();
        Ok::<_, String>(machine["spec"]["template"]["spec"].clone())
    };
    // The thread of the emulator is one of the processors of the size.
    let spec = made(&template, "cpu=4,memory=8Gi", json!({})).unwrap();
    assert_eq!(
        (&spec["domain"]["cpu"]["cores"], &spec["domain"]["cpu"]["isolateEmulatorThread"]),
        (&json!(3), &json!(true))
    );
    assert_eq!(spec["domain"]["memory"], json!({ "guest": "8Gi", "hugepages": { "pageSize": "2Mi" } }));
    let read: crate::kubevirt::Machine = serde_json::from_value(spec).unwrap();
    assert_eq!(read.size(), Some(size("cpu=4,memory=8Gi")));
    let wrong = made(&template, "cpu=1,memory=8Gi", json!({})).unwrap_err();
    assert!(wrong.contains("isolateEmulatorThread takes one processor of the size: use --cpu 2 or more"), "{wrong}");
    let less =
        json!({ "domain": { "cpu": { "isolateEmulatorThread": null }, "memory": null }, "evictionStrategy": "None" });
    assert_eq!(made(&template, "cpu=4,memory=8Gi", less).unwrap()["domain"]["cpu"]["cores"], 4);

    // Any pages can be stored, and the memory has to be whole ones.
    let wrong = made(&template, "cpu=4,memory=8191Mi", json!({})).unwrap_err();
    assert!(wrong.contains("hugepages.pageSize is 2Mi, and the memory 8191Mi is no multiple of it"), "{wrong}");
    for page in ["3Mi", "16Gi"] {
        let pages = json!({ "domain": { "memory": { "hugepages": { "pageSize": page } } } });
        assert!(Template::read(&machine_with(&pages)).is_ok(), "{page}");
    }

    let plain = Template::machine();
    let pages = |size: Value| json!({ "domain": { "memory": { "hugepages": size } } });
    let granted = "must be left out, or be that of this cluster's template";
    for (template, patch, says) in [
        (
            &plain,
            json!({ "domain": { "cpu": { "isolateEmulatorThread": true } } }),
            format!("domain.cpu.isolateEmulatorThread {granted}"),
        ),
        (&plain, pages(json!({ "pageSize": "2Mi" })), format!("domain.memory.hugepages {granted}")),
        (&template, pages(json!({ "pageSize": "1Gi" })), format!("domain.memory.hugepages {granted}")),
        (&template, pages(json!({ "pageSize": "" })), "domain.memory.hugepages.pageSize is missing".to_owned()),
        (&template, pages(json!({ "other": "" })), "domain.memory.hugepages.other is not allowed".to_owned()),
        (&plain, json!({ "evictionStrategy": "LiveMigrate" }), format!("evictionStrategy {granted}")),
        (&template, json!({ "evictionStrategy": "External" }), format!("evictionStrategy {granted}")),
        (
            &template,
            json!({ "domain": { "cpu": { "dedicatedCpuPlacement": "yes" } } }),
            "dedicatedCpuPlacement must be true or false".to_owned(),
        ),
    ] {
        let wrong = made(template, "cpu=4,memory=8Gi", patch).unwrap_err();
        assert!(wrong.contains(&says), "{wrong}\n{says}");
    }
    for strategy in ["None", "LiveMigrateIfPossible"] {
        assert!(made(&plain, "cpu=1,memory=1Gi", json!({ "evictionStrategy": strategy })).is_ok(), "{strategy}");
    }
}

#[test]
fn the_state_of_a_machine_takes_storage_of_its_size() {
    let tpm = json!({ "domain": { "devices": { "tpm": { "persistent": true } } } });
    let efi = json!({ "domain": { "firmware": { "bootloader": { "efi": { "persistent": true } } } } });
    for (more, field) in [(tpm, "devices.tpm.persistent"), (efi, "firmware.bootloader.efi.persistent")] {
        let (template, _) = Template::read(&machine_with(&more)).unwrap();
        let blueprint = |want| template.blueprint(&want).map(|_| ()).map_err(|wrong| wrong.to_string());
        let made = |amounts: &str, data_disk: Option<&str>| {
            let data_disk = data_disk.map(str::to_owned);
            blueprint(Want { kind: InstanceType::Vm, data_disk, ..want(1, &format!("cpu=1,memory=1Gi{amounts}")) })
        };
        let at = format!("spec.template.spec.domain.{field}");
        let wrong = format!("{at} keeps its state in a claim of 10Mi: name it with --resource storage=10Mi");
        assert_eq!(made("", None), Err(wrong.clone()));
        assert_eq!(made(",storage=9Mi", None), Err(wrong));
        assert_eq!(made(",storage=10Mi", None), Ok(()));
        // A disk has the rest.
        let wrong = "size.storage 10Mi has no room for a disk beside the claim of 10Mi with the state of a TPM or EFI";
        assert_eq!(made(",storage=11Mi", Some("/data")), Ok(()));
        assert_eq!(made(",storage=10Mi", Some("/data")), Err(wrong.to_owned()));
        let keeps_root = |storage: &str| Want {
            kind: InstanceType::Vm,
            root_disk: Some("image".to_owned()),
            ..want(1, &format!("cpu=1,memory=1Gi,storage={storage}"))
        };
        assert_eq!(blueprint(keeps_root("11Mi")), Ok(()));
        assert_eq!(blueprint(keeps_root("10Mi")), Err(wrong.to_owned()));
    }
}

#[test]
fn a_template_grants_the_networks_that_it_names() {
    let network = |name: &str, of: &str| json!({ "name": name, "multus": { "networkName": of } });
    let (pod, default) = (json!({ "name": "default", "pod": {} }), json!({ "name": "default", "masquerade": {} }));
    let bridge = |name: &str| json!({ "name": name, "bridge": {} });
    let with = |networks: Value, interfaces: Value| json!({ "networks": networks, "domain": { "devices": { "interfaces": interfaces } } });
    let granted = with(
        json!([pod, network("a", "net/lan"), network("b", "net/lan"), network("c", "dmz")]),
        json!([default, bridge("a"), bridge("b"), bridge("c")]),
    );
    let (template, _) = Template::read(&machine_with(&granted)).unwrap();
    assert_eq!(*template.grants(), Grants::from([(keys::NETWORKS, "dmz,net/lan,net/lan".to_owned())]));
    assert_eq!(template.networks().into_iter().collect::<Vec<_>>(), ["dmz", "net/lan"]);
    assert!(Template::machine().networks().is_empty());
    let alone = with(json!([network("a", "lan")]), json!([bridge("a")]));
    assert_eq!(Template::read(&machine_with(&alone)).unwrap().0.grants()[keys::NETWORKS], "lan");
    let patched = |networks: Value, interfaces: Value| {
        let patch = Some(json!({ "spec": { "template": { "spec": with(networks, interfaces) } } }));
        let want = Want { kind: InstanceType::Vm, patch, ..want(1, "cpu=1,memory=1Gi") };
        template.blueprint(&want).map(|_| ()).map_err(|wrong| wrong.to_string())
    };
    assert_eq!(patched(json!([pod]), json!([default])), Ok(()), "fewer are always allowed");
    assert_eq!(patched(json!([pod, network("x", "dmz")]), json!([default, bridge("x")])), Ok(()));
    let (not_named, not_masquerade) =
        ("must be the Pod network, or one of the networks in", "must be masquerade, or bridge on a network in");
    for (networks, interfaces, says) in [
        (json!([pod, network("a", "lan")]), json!([default, bridge("a")]), format!("networks[1] {not_named}")),
        (
            json!([pod, network("a", "dmz"), network("b", "dmz")]),
            json!([default, bridge("a"), bridge("b")]),
            format!("networks[2] {not_named}"),
        ),
        (json!([{ "name": "default" }]), json!([default]), format!("networks[0] {not_named}")),
        (
            json!([{ "name": "a", "pod": {}, "multus": { "networkName": "dmz" } }]),
            json!([bridge("a")]),
            format!("networks[0] {not_named}"),
        ),
        (
            json!([{ "name": "a", "multus": { "networkName": "dmz", "default": true } }]),
            json!([bridge("a")]),
            "networks[0].multus.default is not allowed for instances".to_owned(),
        ),
        (json!([pod]), json!([bridge("default")]), format!("interfaces[0] {not_masquerade}")),
        (json!([pod]), json!([default, bridge("a")]), format!("interfaces[1] {not_masquerade}")),
        (
            json!([pod, network("a", "dmz")]),
            json!([default, { "name": "a", "binding": { "name": "x" } }]),
            "interfaces[1] must be masquerade or bridge: a binding plugin takes resources that no quota counts"
                .to_owned(),
        ),
        (
            json!([pod, network("a", "dmz")]),
            json!([default, { "name": "a", "bridge": {}, "state": "absent" }]),
            format!("interfaces[1] {not_masquerade}"),
        ),
        (
            json!([pod, network("a", "dmz")]),
            json!([default, { "name": "a", "sriov": {} }]),
            "interfaces[1] must be masquerade or bridge: no quota counts the device that sriov takes".to_owned(),
        ),
        (
            json!([pod]),
            json!([{ "name": "default", "masquerade": {}, "bridge": {} }]),
            "interfaces[0] must have one binding: KubeVirt takes the bridge of the two".to_owned(),
        ),
        (
            json!([pod]),
            json!([{ "name": "default", "masquerade": {}, "slirp": {} }]),
            "interfaces[0] must be masquerade or bridge: KubeVirt has removed slirp".to_owned(),
        ),
        (
            json!([pod]),
            json!([{ "name": "default", "masquerade": {}, "later": {} }]),
            "interfaces[0].later is not allowed for instances".to_owned(),
        ),
    ] {
        let wrong = patched(networks, interfaces).unwrap_err();
        assert!(wrong.contains(&says), "{wrong}\n{says}");
    }
    for name in [json!(""), json!("a,b"), Value::Null] {
        let networks = json!([pod, { "name": "a", "multus": { "networkName": name } }]);
        let wrong = Template::read(&machine_with(&with(networks, json!([default])))).unwrap_err().to_string();
        assert!(wrong.contains("networks[1].multus.networkName is missing"), "{wrong}");
    }
}

#[test]
fn an_image_on_a_web_server_fills_the_root_disk_of_any_template() {
    let address = "https://images.example/x.qcow2";
    let vm = |source: Option<&str>, image: Option<&str>, storage: &str| Want {
        kind: InstanceType::Vm,
        root_disk: source.map(str::to_owned),
        image: image.map(str::to_owned),
        ..want(1, &format!("cpu=1,memory=1Gi,storage={storage}"))
    };
    let mut golden = Template::machine().manifest();
    golden["spec"]["template"]["spec"]["volumes"] = json!([{ "name": "root", "dataVolume": { "name": "golden" } }]);
    let storage = json!({ "storageClassName": "fast", "resources": { "requests": { "storage": "30Gi" } } });
    golden["spec"]["dataVolumeTemplates"] =
        json!([{ "metadata": { "name": "golden" }, "spec": { "source": { "blank": {} }, "storage": storage } }]);
    let mut http = golden.clone();
    http["spec"]["dataVolumeTemplates"][0]["spec"]["source"] = json!({ "http": { "url": address } });
    let http = Template::read(&http).unwrap().0;
    let (plain, golden) = (Template::machine(), Template::read(&golden).unwrap().0);
    for (template, class) in [(&plain, Value::Null), (&golden, json!("fast"))] {
        let blueprint = template.blueprint(&vm(Some("https"), Some(address), "40Gi")).unwrap();
        let made = blueprint.virtual_machine(&name("dev").instance(0)).unwrap();
        let [disk] = made["spec"]["dataVolumeTemplates"].as_array().unwrap().as_slice() else { panic!("{made}") };
        assert_eq!(disk["spec"]["source"], json!({ "http": { "url": address } }));
        assert_eq!(disk["metadata"]["annotations"], json!({ "cdi.kubevirt.io/storage.usePopulator": "false" }));
        let claim = &disk["spec"]["pvc"];
        assert_eq!((&claim["resources"]["requests"]["storage"], &claim["storageClassName"]), (&json!("20Gi"), &class));
        let volumes = &made["spec"]["template"]["spec"]["volumes"];
        assert_eq!(volumes[0], json!({ "name": "root", "dataVolume": { "name": "root-dev-0" } }));
    }
    // The template's own image leaves half of the storage to CDI as well.
    assert_eq!((http.unpacks(), golden.unpacks(), plain.unpacks()), (true, false, false));
    let made = http.blueprint(&vm(Some("unpacked"), None, "40Gi")).unwrap();
    let made = made.virtual_machine(&name("dev").instance(0)).unwrap();
    let disk = &made["spec"]["dataVolumeTemplates"][0];
    assert_eq!(
        (&disk["spec"]["pvc"]["resources"]["requests"]["storage"], &disk["spec"]["source"]["http"]["url"]),
        (&json!("20Gi"), &json!(address))
    );
    for (template, source, says) in [
        (&http, "image", "rootDisk \"image\" leaves no room for the second claim"),
        (&plain, "unpacked", "rootDisk \"unpacked\" is for a template with a DataVolume as root disk"),
    ] {
        let wrong = template.blueprint(&vm(Some(source), None, "40Gi")).unwrap_err().to_string();
        assert!(wrong.starts_with(says), "{wrong}");
    }
    // A copy takes neither the image nor its room.
    for template in [&plain, &http] {
        let copy = template.blueprint(&vm(Some("cluster/web:2"), None, "20Gi")).unwrap();
        let (one, three) = (name("dev").instance(1), name("dev").instance(3));
        let made = copy.virtual_machine(&three).unwrap()["spec"]["dataVolumeTemplates"][0].clone();
        let from = json!({ "pvc": { "namespace": "web-ns", "name": "root-web-0" } });
        assert_eq!((&made["spec"]["source"], &made["metadata"]["name"]), (&from, &json!("root-dev-3")));
        let volume = copy.copied_disk(&one).unwrap();
        assert_eq!(volume["spec"]["source"]["pvc"]["name"], "root-web-1");
        assert_eq!(volume["metadata"]["namespace"], "dev-ns");
        assert_eq!(volume["spec"]["pvc"]["resources"]["requests"]["storage"], "20Gi");
        // It is the disk of the VM, which KubeVirt would make alike.
        assert_eq!(volume["spec"], copy.virtual_machine(&one).unwrap()["spec"]["dataVolumeTemplates"][0]["spec"]);
    }
    assert_eq!(plain.blueprint(&vm(Some("image"), None, "20Gi")).unwrap().copied_disk(&name("dev").instance(0)), None);
    for (asked, says) in [
        (vm(Some("https"), Some(address), "41M"), "size.storage 41M must be twice a disk of whole Mi"),
        (
            vm(None, Some(address), "40Gi"),
            "image https://images.example/x.qcow2 is on a web server, from which only a root disk",
        ),
        (
            vm(Some("image"), Some(address), "40Gi"),
            "image https://images.example/x.qcow2 is on a web server, from which only",
        ),
        (vm(Some("image"), Some("A b"), "40Gi"), "image: Invalid value: A b: "),
        (vm(Some("https"), None, "40Gi"), "spec.template.spec.volumes have a root disk without an image"),
        (
            vm(Some("later"), Some(address), "40Gi"),
            "rootDisk \"later\" is a source that this version does not know: upgrade kubectl-cmp",
        ),
    ] {
        let wrong = plain.blueprint(&asked).unwrap_err().to_string();
        assert!(wrong.starts_with(says), "{wrong}\n{says}");
    }
}
