use k8s_openapi::api::core::v1::PodSpec;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::account::tests::{name, size, want};
use crate::account::{Variable, Want};
use crate::footprint::{Rule, footprint};
use crate::quantity::amounts_of;
use crate::template::resize::resized;

fn pod(want: &Want) -> Result<PodSpec, TemplateError> {
    let made = Template::container().blueprint(want)?.stateful_set(&name("web").instance(0)).unwrap();
    Ok(made.spec.unwrap().template.spec.unwrap())
}

fn patched(patch: Value) -> Want {
    Want { patch: Some(patch), ..want(1, "cpu=1,memory=1Gi") }
}

#[test]
fn an_instance_asks_for_exactly_its_size() {
    let blueprint = Template::container().blueprint(&want(3, "cpu=2,memory=4Gi,a.b/c=1,storage=5Gi")).unwrap();
    let set = blueprint.stateful_set(&name("web").instance(2)).unwrap();
    assert_eq!(set.metadata.name.as_deref(), Some("web-2"));
    let pod = set.spec.unwrap().template.spec.unwrap();
    let resources = pod.containers[0].resources.as_ref().unwrap();
    assert_eq!(resources.requests, resources.limits);
    let limits = amounts_of(resources.limits.as_ref()).unwrap();
    let limits: Vec<String> = limits.iter().map(|(name, amount)| format!("{name}={amount}")).collect();
    assert_eq!(limits.join(","), "a.b/c=1,cpu=2,memory=4Gi");
}

#[test]
fn the_fields_of_a_want_are_in_the_first_container() {
    let plain = want(1, "cpu=1,memory=1Gi");
    let texts = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let main = |want: &Want| pod(want).unwrap().containers.remove(0);
    assert!(main(&plain).command.unwrap()[0].contains("sh"), "what keeps the default image alive");
    // An image brings its own program. A command or arguments replace the built-in program as well.
    assert_eq!(main(&Want { image: Some("nginx".to_owned()), ..plain.clone() }).command, None);
    let given = main(&Want { args: texts(&["-v"]), ..plain.clone() });
    assert_eq!((given.command, given.args), (None, Some(texts(&["-v"]))));
    let command = main(&Want { command: texts(&["sleep", "9"]), ..plain.clone() });
    assert_eq!((command.command, command.args), (Some(texts(&["sleep", "9"])), None));
    let variable = |name: &str, value: &str| Variable { name: name.to_owned(), value: value.to_owned() };
    let set = main(&Want { env: vec![variable("B", "1"), variable("A", "$(B)")], ports: vec![80, 80], ..plain });
    let env: Vec<String> =
        set.env.iter().flatten().map(|v| format!("{}={}", v.name, v.value.as_deref().unwrap())).collect();
    assert_eq!(env, ["B=1", "A=$(B)"], "in their order");
    assert_eq!(set.ports.unwrap().len(), 1);
}

#[test]
fn a_patch_is_a_json_patch_or_a_merge_patch() {
    let merge = patched(json!({ "spec": { "automountServiceAccountToken": null, "nodeSelector": { "zone": "a" } } }));
    let made = pod(&merge).unwrap();
    assert_eq!((made.automount_service_account_token, made.node_selector.unwrap()["zone"].as_str()), (None, "a"));
    let operations = json!([{ "op": "add", "path": "/spec/containers/0/tty", "value": true }]);
    assert_eq!(pod(&patched(operations)).unwrap().containers[0].tty, Some(true));
}

#[test]
fn a_data_disk_is_attached_and_mounted_in_each_machine() {
    let dev = Want {
        kind: InstanceType::Vm,
        data_disk: Some("/data".to_owned()),
        ssh_key: Some("ssh-ed25519 AAAA john".to_owned()),
        ..want(2, "cpu=1,memory=1Gi,storage=10Gi")
    };
    let blueprint = Template::machine().blueprint(&dev).unwrap();
    assert_eq!(blueprint.data_disk(), Some("10Gi".parse().unwrap()));
    let made = blueprint.virtual_machine(&name("dev").instance(1)).unwrap();
    let spec = &made["spec"]["template"]["spec"];
    let disk = json!({ "name": "cmp-data", "disk": { "bus": "virtio" }, "serial": "cmp-data" });
    assert_eq!(spec["domain"]["devices"]["disks"][2], disk);
    let volume = json!({ "name": "cmp-data", "persistentVolumeClaim": { "claimName": "data-dev-1" } });
    assert_eq!(spec["volumes"][2], volume);
    let user_data = spec["volumes"][1]["cloudInitNoCloud"]["userData"].as_str().unwrap();
    let [setup, mounts] = crate::data_disk::settings("/data").map(|setting| setting.value[0].to_string());
    let key = "#cloud-config\nssh_authorized_keys:\n- \"ssh-ed25519 AAAA john\"\n";
    assert_eq!(user_data, format!("{key}fs_setup:\n- {setup}\nmounts:\n- {mounts}\n"));
    // The root disk is ephemeral all the same.
    assert!(blueprint.is_ephemeral());
    let without = Template::machine().blueprint(&Want { data_disk: None, ..dev.clone() }).unwrap();
    assert_eq!((without.data_disk(), made["spec"]["runStrategy"].as_str()), (None, Some("Always")));
    let seed = json!({ "name": "seed", "cloudInitNoCloud": { "userData": "" } });
    let taken = json!({ "name": "cmp-data", "emptyDisk": { "capacity": "1Gi" } });
    for (volume, expected) in [
        (
            seed,
            "spec.template.spec.volumes already have a cloud-init, so --data-disk cannot add one: add the mount there",
        ),
        (taken, "spec.template.spec.volumes already have cmp-data, the name of the data disk: choose another name"),
    ] {
        let mut manifest = Template::machine().manifest();
        manifest["spec"]["template"]["spec"]["volumes"].as_array_mut().unwrap().push(volume);
        let (template, _) = Template::read(&manifest).unwrap();
        let refused = template.blueprint(&Want { ssh_key: None, ..dev.clone() }).unwrap_err().to_string();
        assert!(refused.starts_with(expected), "{refused}");
    }
}

#[test]
fn a_root_disk_that_stays_is_a_claim_of_each_machine() {
    let dev = Want {
        kind: InstanceType::Vm,
        root_disk: Some("image".to_owned()),
        image: Some("registry.example/a/b:1".to_owned()),
        ssh_key: Some("ssh-ed25519 AAAA john".to_owned()),
        ..want(2, "cpu=1,memory=1Gi,storage=20Gi")
    };
    let blueprint = Template::machine().blueprint(&dev).unwrap();
    assert!(!blueprint.is_ephemeral());
    let made = blueprint.virtual_machine(&name("dev").instance(1)).unwrap();
    let [volume] = made["spec"]["dataVolumeTemplates"].as_array().unwrap().as_slice() else { panic!("{made}") };
    assert_eq!(
        (&volume["metadata"]["name"], &volume["spec"]["source"]["registry"]["url"]),
        (&json!("root-dev-1"), &json!("docker://registry.example/a/b:1"))
    );
    let spec = &made["spec"]["template"]["spec"];
    assert_eq!(spec["volumes"][0], json!({ "name": "root", "dataVolume": { "name": "root-dev-1" } }));
    assert_eq!(
        (&spec["domain"]["devices"]["disks"][0]["name"], &spec["volumes"][1]["name"]),
        (&json!("root"), &json!("cloudinit"))
    );
    let read: crate::kubevirt::VirtualMachine = serde_json::from_value(made).unwrap();
    assert_eq!(read.root().to_string(), "20Gi");

    // The image of an administrator, which CDI clones. The claim has the wanted size in the exact form.
    let root = |volume: Value, templates: Value| {
        let mut manifest = Template::machine().manifest();
        manifest["spec"]["template"]["spec"]["volumes"] = json!([volume]);
        manifest["spec"]["dataVolumeTemplates"] = templates;
        let (template, _) = Template::read(&manifest).unwrap();
        template.blueprint(&Want { image: None, ..dev.clone() })
    };
    let golden = json!({ "name": "root", "dataVolume": { "name": "golden" } });
    let source = json!({ "kind": "DataSource", "namespace": "images", "name": "fedora" });
    let storage = json!({ "storageClassName": "fast", "resources": { "requests": { "storage": "30Gi" } } });
    let templates = json!([{ "metadata": { "name": "golden" }, "spec": { "sourceRef": source, "storage": storage } }]);
    let made = root(golden.clone(), templates).unwrap().virtual_machine(&name("dev").instance(0)).unwrap();
    let claim = json!({ "accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
        "resources": { "requests": { "storage": "20Gi" } } });
    assert_eq!(
        made["spec"]["dataVolumeTemplates"],
        json!([{ "metadata": { "name": "root-dev-0" }, "spec": { "sourceRef": source, "pvc": claim } }])
    );
    assert_eq!(made["spec"]["template"]["spec"]["volumes"][0]["dataVolume"]["name"], "root-dev-0");
    let claim = json!({ "name": "root", "persistentVolumeClaim": { "claimName": "x" } });
    for (volume, expected) in [
        (claim, "spec.template.spec.volumes have a root disk without an image, which --disk cannot fill"),
        (golden, "spec.template.spec.volumes have a DataVolume as root disk that dataVolumeTemplates does not name"),
    ] {
        let refused = root(volume, json!([])).unwrap_err().to_string();
        assert!(refused.starts_with(expected), "{refused}");
    }
}

#[test]
fn the_disks_of_a_machine_say_nothing_of_cdis_own_pods() {
    let refused = |metadata: Value, priority: Value| {
        let patch = json!({ "spec": { "dataVolumeTemplates": [{
            "metadata": metadata, "spec": { "source": { "blank": {} }, "priorityClassName": priority } }] } });
        let vm = Want { kind: InstanceType::Vm, patch: Some(patch), ..want(1, "cpu=1,memory=1Gi") };
        Template::machine().blueprint(&vm).err().map(|wrong| wrong.field)
    };
    let of = |key: &str| json!({ "name": "d", "annotations": { key: "x" } });
    for key in ["cdi.kubevirt.io/storage.usePopulator", "cdi.kubevirt.io/storage.bind.immediate.requested", "a/b"] {
        assert_eq!(refused(of(key), Value::Null), None, "{key}");
    }
    for key in
        ["cdi.kubevirt.io/storage.checkStaticVolume", "k8s.v1.cni.cncf.io/networks", "v1.multus-cni.io/default-network"]
    {
        let field = format!("spec.dataVolumeTemplates[0].metadata.annotations.{key}");
        assert_eq!(refused(of(key), Value::Null), Some(field));
    }
    let field = "spec.dataVolumeTemplates[0].spec.priorityClassName";
    assert_eq!(refused(json!({ "name": "d" }), json!("high")).as_deref(), Some(field));
}

#[test]
fn a_disk_is_as_large_as_the_storage_of_the_size() {
    let db = Want { disk: Some("/data".to_owned()), ..want(1, "cpu=1,memory=1Gi,storage=10Gi") };
    let spec =
        Template::container().blueprint(&db).unwrap().stateful_set(&name("db").instance(0)).unwrap().spec.unwrap();
    let claim = spec.volume_claim_templates.unwrap().remove(0);
    assert_eq!(claim.spec.unwrap().resources.unwrap().requests.unwrap()["storage"].0, "10Gi");
    let kept = spec.persistent_volume_claim_retention_policy.unwrap();
    assert_eq!((kept.when_deleted.as_deref(), kept.when_scaled.as_deref()), (Some("Delete"), Some("Retain")));
    let container = spec.template.spec.unwrap().containers.remove(0);
    let mount = container.volume_mounts.unwrap().remove(0);
    assert_eq!((Some(mount.name), mount.mount_path.as_str()), (claim.metadata.name, "/data"));
    // Storage without a disk is for claims of the user's own.
    let spec = Template::container().blueprint(&Want { disk: None, ..db.clone() }).unwrap();
    assert_eq!(spec.stateful_set(&name("db").instance(0)).unwrap().spec.unwrap().volume_claim_templates, None);
    let patch = json!({ "spec": { "volumes": [{ "name": "disk", "emptyDir": {} }] } });
    let refused = pod(&Want { patch: Some(patch), ..db }).unwrap_err().to_string();
    assert!(refused.starts_with("spec.volumes[0].name is disk, which is the disk of the instance"), "{refused}");
}

#[test]
fn a_refusal_names_the_field() {
    let rows: Vec<Value> = serde_json::from_str(include_str!("../../tests/vectors/pods-refused.json")).unwrap();
    for row in rows {
        let says = row["says"].as_str().unwrap();
        let refused = pod(&patched(row["patch"].clone())).expect_err(says).to_string();
        assert!(refused.contains(says), "{row}\n{refused}");
    }
}

#[test]
fn a_container_beside_the_instance_says_what_it_writes_where_the_size_names_it() {
    let sidecar = |writes: Value| {
        let limits = json!({ "cpu": "100m", "memory": "64Mi", "ephemeral-storage": writes });
        let sidecar = json!({ "name": "log", "image": "x", "resources": { "limits": limits } });
        json!([{ "op": "add", "path": "/spec/containers/-", "value": sidecar }])
    };
    let of = |size: &str, patch: Value| pod(&Want { patch: Some(patch), ..want(1, size) });
    let named = "cpu=1,memory=1Gi,ephemeral-storage=2Gi";
    let made = of(named, sidecar(json!("512Mi"))).unwrap();
    assert_eq!(
        made.containers[0].resources.as_ref().unwrap().limits.as_ref().unwrap()["ephemeral-storage"].0,
        "1536Mi"
    );
    let mut silent = sidecar(Value::Null);
    silent[0]["value"]["resources"]["limits"].as_object_mut().unwrap().remove("ephemeral-storage");
    let wrong = of(named, silent.clone()).unwrap_err().to_string();
    assert!(wrong.contains("spec.containers[1].resources.limits.ephemeral-storage is missing"), "{wrong}");
    let wrong = of(named, sidecar(json!("2Gi"))).unwrap_err().to_string();
    assert!(wrong.contains("which leaves nothing of"), "{wrong}");
    // If the size does not name the resource, the LimitRange sets the limit.
    assert!(of("cpu=1,memory=1Gi", silent).is_ok());
    // A template that names the resource is only for clusters whose size names it.
    let main = json!({ "name": "web", "image": "nginx" });
    let spec = json!({ "containers": [main, sidecar(json!("512Mi"))[0]["value"]] });
    let (template, _) = Template::read(&json!({ "apiVersion": "v1", "kind": "Pod", "spec": spec })).unwrap();
    let wrong = template.blueprint(&want(1, "cpu=1,memory=1Gi")).unwrap_err().to_string();
    assert!(wrong.contains("ask for ephemeral-storage, which is not in the size"), "{wrong}");
    assert!(template.blueprint(&want(1, named)).is_ok());
}

/// Core may not know a rule of the policies that has no case here.
#[test]
fn every_rule_of_the_policies_has_a_case() {
    let cases = include_str!("../../tests/vectors/pods-refused.json");
    let policy = include_str!("../../../manifests/policies/instances.yaml");
    // The rules outside of the Pod: the names, the replicas and the update, which no user may patch.
    let rest = [
        "the type of this cluster is not",
        "spec.ordinals",
        "spec.updateStrategy",
        "spec.podManagementPolicy",
        "spec.revisionHistoryLimit",
        "spec.persistentVolumeClaimRetentionPolicy",
        "spec.template must be 128 KiB",
        "is not one of the",
        "at most one replica",
        "has released its quota",
    ];
    let messages = policy.lines().map(str::trim).filter(|line| line.starts_with("message"));
    for message in messages.filter(|message| !rest.iter().any(|rest| message.contains(rest))) {
        let text = message.split_once(": ").unwrap().1.trim_matches(['"', '\'']);
        let start: String = text.chars().take(30).collect();
        assert!(cases.contains(start.trim_end_matches('\'')), "{text}");
    }
}

#[test]
fn sidecars_count_inside_the_size() {
    let sidecar =
        json!({ "name": "log", "image": "x", "resources": { "limits": { "cpu": "100m", "memory": "64Mi" } } });
    let init = json!({ "name": "first", "image": "x" });
    let mut native = sidecar.clone();
    native["name"] = json!("native");
    native["restartPolicy"] = json!("Always");
    let patch = json!([
        { "op": "add", "path": "/spec/containers/-", "value": sidecar },
        { "op": "add", "path": "/spec/initContainers", "value": [init, native] },
    ]);
    let set = Template::container().blueprint(&patched(patch)).unwrap().stateful_set(&name("web").instance(0)).unwrap();
    let annotations = set.spec.as_ref().unwrap().template.metadata.as_ref().unwrap().annotations.clone().unwrap();
    assert_eq!(annotations["kubectl.kubernetes.io/default-container"], "instance");
    let pod = set.spec.clone().unwrap().template.spec.unwrap();
    let limit = |pod: &PodSpec, name: &str| {
        pod.containers[0].resources.as_ref().unwrap().limits.as_ref().unwrap()[name].0.clone()
    };
    assert_eq!((limit(&pod, "cpu"), limit(&pod, "memory")), ("800m".to_owned(), "896Mi".to_owned()));
    assert_eq!(footprint(&pod, Rule::Limits), Some(size("cpu=1,memory=1Gi")));
    // A size change goes to the first container. Init containers follow it.
    let larger = resized(&set, &size("cpu=2,memory=2Gi")).unwrap().unwrap();
    let pod = larger.spec.clone().unwrap().template.spec.unwrap();
    assert_eq!((limit(&pod, "cpu"), limit(&pod, "memory")), ("1800m".to_owned(), "1920Mi".to_owned()));
    assert_eq!(pod.init_containers.as_ref().unwrap()[0].resources, pod.containers[0].resources);
    assert_eq!(resized(&larger, &size("cpu=2,memory=2Gi")).unwrap(), None);
    let smaller = resized(&larger, &size("cpu=200m,memory=1Gi")).unwrap_err().to_string();
    assert!(smaller.contains("take cpu=200m,memory=128Mi, which leaves nothing of cpu=200m,memory=1Gi"), "{smaller}");
}

proptest! {
    /// The size is used up whatever runs beside the instance, or the Pod is refused.
    #[test]
    fn every_container_counts_inside_the_size(
        cpu in 1u32..4000, memory in 1u32..4096,
        sidecars in proptest::collection::vec((0u32..1500, 0u32..1500, any::<bool>()), 0..4),
        inits in proptest::collection::vec(proptest::option::of((0u32..3000, 0u32..3000)), 0..3),
    ) {
        let resources = |cpu: u32, memory: u32| json!({ "limits": { "cpu": format!("{cpu}m"), "memory": format!("{memory}Mi") } });
        let mut patch = vec![json!({ "op": "add", "path": "/spec/initContainers", "value": [] })];
        for (at, init) in inits.iter().enumerate() {
            let mut value = json!({ "name": format!("init-{at}"), "image": "x" });
            if let Some((cpu, memory)) = init {
                value["resources"] = resources(*cpu, *memory);
            }
            patch.push(json!({ "op": "add", "path": "/spec/initContainers/-", "value": value }));
        }
        for (at, (cpu, memory, native)) in sidecars.iter().enumerate() {
            let mut value = json!({ "name": format!("side-{at}"), "image": "x", "resources": resources(*cpu, *memory) });
            let list = if *native { "initContainers" } else { "containers" };
            if *native {
                value["restartPolicy"] = json!("Always");
            }
            patch.push(json!({ "op": "add", "path": format!("/spec/{list}/-"), "value": value }));
        }
        let asked = size(&format!("cpu={cpu}m,memory={memory}Mi"));
        let want = Want { patch: Some(Value::Array(patch)), ..want(1, &asked.to_string()) };
        if let Ok(pod) = pod(&want) {
            prop_assert_eq!(footprint(&pod, Rule::Limits), Some(asked));
        }
    }
}

#[test]
fn a_template_is_tried_when_it_is_read() {
    let manifest =
        |spec: Value| json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "x" }, "spec": spec });
    let plain = json!({ "containers": [{ "name": "web", "image": "nginx" }] });
    let (template, unused) = Template::read(&manifest(plain.clone())).unwrap();
    assert_eq!((template.image(), unused.len(), template.beside().is_empty()), (Some("nginx"), 0, true));
    // The manifest of the template reads as the same template, and another image keeps its command.
    assert_eq!(Template::read(&template.manifest()).unwrap().0, template);
    // A PodTemplate is accepted as well, and a size of its own is not used.
    let sized = json!({ "containers": [
        { "name": "web", "image": "nginx", "command": ["nginx"], "resources": { "limits": { "cpu": "64" } } },
        { "name": "log", "image": "x", "resources": { "limits": { "cpu": "100m", "memory": "64Mi", "a.b/c": "1" } } },
    ] });
    let (template, unused) =
        Template::read(&json!({ "apiVersion": "v1", "kind": "PodTemplate", "template": { "spec": sized } })).unwrap();
    assert_eq!(unused, ["spec.containers[0].resources is not used: the cluster sets the size"]);
    assert_eq!(template.beside(), size("a.b/c=1,cpu=100m,memory=64Mi"));
    let small = template.blueprint(&want(1, "cpu=100m,memory=1Gi,a.b/c=1")).unwrap_err().to_string();
    assert!(small.contains("take a.b/c=1,cpu=100m,memory=64Mi, which leaves nothing of"), "{small}");
    let image = Want { image: Some("mine".to_owned()), ..want(1, "cpu=1,memory=1Gi,a.b/c=1") };
    let made = template.blueprint(&image).unwrap().stateful_set(&name("web").instance(0)).unwrap().spec.unwrap();
    let main = &made.template.spec.unwrap().containers[0];
    assert_eq!((main.image.as_deref(), main.command.as_ref().unwrap()[0].as_str()), (Some("mine"), "nginx"));

    let check = |manifest: Value, says: &str| {
        let refused = Template::read(&manifest).expect_err(says).to_string();
        assert!(refused.contains(says), "{refused}");
    };
    check(json!(null), "kind is missing: a template must be");
    check(json!({ "apiVersion": "apps/v1", "kind": "Deployment" }), "kind is \"Deployment\"");
    check(json!({ "apiVersion": "v2", "kind": "Pod" }), "apiVersion is \"v2\"");
    check(json!({ "apiVersion": "v1", "kind": "Pod" }), "spec.containers is empty");
    check(json!({ "apiVersion": "v1", "kind": "Pod", "specs": plain }), "specs is not a field of a Pod");
    check(manifest(json!({ "containers": [{ "name": "web" }] })), "spec.containers[0].image is missing");
    let with = |key: &str, value: Value| {
        let mut spec = plain.clone();
        spec[key] = value;
        manifest(spec)
    };
    check(with("hostNetwork", json!(true)), "spec.hostNetwork is not allowed for instances");
    check(with("tolerations", json!([{ "operator": "Exists" }])), "spec.tolerations[0].key is missing");
    for class in ["system-node-critical", "system-cluster-critical"] {
        check(with("priorityClassName", json!(class)), "spec.priorityClassName is a class of the system");
    }
    let token = json!([{ "name": "id", "projected": { "sources": [{ "serviceAccountToken": { "path": "t" } }] } }]);
    check(with("volumes", token), "spec.volumes[0].projected.sources[0].serviceAccountToken.audience is missing");
    check(with("nodename", json!("x")), "spec.nodename is not a field of a Pod");
}

#[test]
fn a_template_grants_its_privileged_fields_to_its_own_clusters_only() {
    let spec = json!({
        "containers": [{ "name": "web", "image": "nginx" }],
        "priorityClassName": "batch", "runtimeClassName": "kata", "schedulerName": "default-scheduler",
        "tolerations": [{ "key": "gpu", "operator": "Exists" }, { "key": "spot", "value": "x" }],
        "volumes": [
            { "name": "id", "projected": { "sources": [{ "serviceAccountToken": { "audience": "vault", "path": "t" } }] } },
            { "name": "old", "ephemeral": { "volumeClaimTemplate": { "spec": {
                "accessModes": ["ReadWriteMany"], "storageClassName": "", "volumeName": "archive",
                "resources": { "requests": { "storage": "1Gi" } },
            } } } },
        ],
    });
    let (template, _) = Template::read(&json!({ "apiVersion": "v1", "kind": "Pod", "spec": spec })).unwrap();
    let grants = [
        (keys::AUDIENCES, "vault"),
        (keys::PRIORITY_CLASS, "batch"),
        (keys::RUNTIME_CLASS, "kata"),
        (keys::TOLERATIONS, "gpu,spot"),
        (keys::VOLUMES, "archive"),
    ];
    assert_eq!(*template.grants(), Grants::from(grants.map(|(key, value)| (key, value.to_owned()))));
    let patched = |patch: Value| template.blueprint(&patched(patch)).map(|_| ()).map_err(|wrong| wrong.to_string());
    assert_eq!(patched(json!({ "spec": { "priorityClassName": null } })), Ok(()), "less is always allowed");
    let other = patched(json!({ "spec": { "priorityClassName": "system-node-critical" } })).unwrap_err();
    assert!(other.contains("must be left out, or be the one in this cluster's template"), "{other}");
    let other = patched(json!({ "spec": { "tolerations": [{ "key": "master", "operator": "Exists" }] } })).unwrap_err();
    assert!(other.contains("spec.tolerations[0] is not allowed for this cluster"), "{other}");
    let claim = json!({ "spec": { "volumeName": "payroll", "resources": { "requests": { "storage": "1Gi" } } } });
    let volumes = json!([{ "name": "new", "ephemeral": { "volumeClaimTemplate": claim } }]);
    let other = patched(json!({ "spec": { "volumes": volumes } })).unwrap_err();
    assert!(other.contains("volumeName uses an existing volume"), "{other}");
}

fn vm(patch: Option<Value>) -> Result<Value, TemplateError> {
    let want = Want { kind: InstanceType::Vm, patch, ..want(1, "cpu=2,memory=4Gi") };
    Ok(Template::machine().blueprint(&want)?.virtual_machine(&name("dev").instance(0)).unwrap())
}

#[test]
fn a_machine_is_patched_and_keeps_its_size() {
    let spec = json!({ "template": { "spec": { "domain": { "cpu": { "model": "host-model" } }, "hostname": "a" } } });
    let made = vm(Some(json!({ "metadata": { "labels": { "tier": "db" } }, "spec": spec }))).unwrap();
    let machine = &made["spec"]["template"]["spec"];
    assert_eq!((&machine["hostname"], &machine["domain"]["cpu"]["model"]), (&json!("a"), &json!("host-model")));
    assert_eq!((&machine["domain"]["cpu"]["cores"], &machine["domain"]["memory"]["guest"]), (&json!(2), &json!("4Gi")));
    assert_eq!((&made["metadata"]["labels"]["tier"], &made["metadata"]["name"]), (&json!("db"), &json!("dev-0")));
    let of = |spec: Value| json!({ "spec": { "template": { "spec": spec } } });
    let domain = |domain: Value| of(json!({ "domain": domain }));
    for (patch, says) in [
        (json!({ "spec": { "runStrategy": "Manual" } }), "spec.runStrategy is changed by start, stop"),
        (json!({ "spec": { "running": true } }), "spec.running is changed by start, stop"),
        (
            json!({ "spec": { "instancetype": { "name": "u1.large" } } }),
            "spec.instancetype is not allowed for instances",
        ),
        (
            json!({ "spec": { "updateVolumesStrategy": "Migration" } }),
            "spec.updateVolumesStrategy is not allowed for instances",
        ),
        (domain(json!({ "cpu": { "cores": 64 } })), "spec.template.spec.domain.cpu.cores is set by the size"),
        (
            domain(json!({ "cpu": { "dedicatedCpuPlacement": true } })),
            "domain.cpu.dedicatedCpuPlacement must be left out, or be that of this cluster's template",
        ),
        (domain(json!({ "memory": { "guest": "64Gi" } })), "domain.memory.guest is set by the size"),
        (domain(json!({ "resources": { "requests": {} } })), "spec.template.spec.domain.resources is set by the size"),
        (
            domain(json!({ "launchSecurity": {} })),
            "spec.template.spec.domain.launchSecurity is not allowed for instances",
        ),
        (
            domain(json!({ "devices": { "filesystems": [] } })),
            "spec.template.spec.domain.devices.filesystems is not allowed for instances",
        ),
        (
            domain(json!({ "devices": { "interfaces": [{ "name": "a", "bridge": {} }] } })),
            "interfaces[0] must be masquerade",
        ),
        (domain(json!({ "devices": { "interfaces": null } })), "domain.devices.interfaces must have one"),
        (domain(json!("large")), "spec.template.spec.domain must be an object"),
        (of(json!({ "networks": [{ "name": "a", "multus": { "networkName": "x" } }] })), "networks[0] must be the Pod"),
        (
            of(json!({ "volumes": [{ "name": "a", "hostDisk": { "path": "/" } }] })),
            "volumes[0].hostDisk is not allowed for",
        ),
        (
            of(json!({ "priorityClassName": "high" })),
            "spec.template.spec.priorityClassName must be left out, or be the one in",
        ),
        (of(json!({ "schedulerName": "mine" })), "spec.template.spec.schedulerName must be left out, or be the one in"),
        (
            of(json!({ "tolerations": [{ "key": "a" }] })),
            "spec.template.spec.tolerations[0] is not allowed for this cluster",
        ),
        (of(json!({ "terminationGracePeriodSeconds": 601 })), "terminationGracePeriodSeconds must be 600 or less"),
        (of(json!({ "affinity": {} })), "spec.template.spec.affinity is not allowed for instances"),
        (
            json!({ "spec": { "template": { "metadata": { "finalizers": ["a/b"] } } } }),
            "spec.template.metadata.finalizers",
        ),
        (
            json!({ "spec": { "template": { "metadata": { "annotations": { "hooks.kubevirt.io/hookSidecars": "[]" } } } } }),
            "no sidecars and no other networks",
        ),
        (json!({ "metadata": "x" }), "metadata must be an object"),
        (json!({ "metadata": { "labels": [] } }), "metadata.labels must be an object"),
        (json!({ "metadata": { "labels": { "kubectl-cmp.dev/cluster": "x" } } }), "is written only by kubectl cmp"),
        (json!([{ "op": "replace", "path": "", "value": "x" }]), "the VirtualMachine must be an object"),
        (
            json!([{ "op": "add", "path": "/spec/running", "value": true }]),
            "operation 1: spec.running is changed by start",
        ),
    ] {
        let refused = vm(Some(patch)).expect_err(says).to_string();
        assert!(refused.contains(says), "{says}\n{refused}");
    }
}

#[test]
fn a_machine_may_be_a_template() {
    let built_in = Template::machine();
    let mut manifest = built_in.manifest();
    assert_eq!(Template::read(&manifest).unwrap(), (built_in, vec![]));
    // A manifest as an administrator writes it for a standalone machine.
    manifest["metadata"] = json!({ "name": "mine", "labels": { "a": "b" } });
    manifest["spec"]["running"] = json!(true);
    manifest["spec"]["template"]["spec"]["domain"]["cpu"] = json!({ "cores": 64, "model": "host-model" });
    manifest["spec"]["template"]["spec"]["domain"]["memory"] = json!({ "guest": "64Gi" });
    manifest["spec"]["template"]["spec"]["tolerations"] = json!([{ "key": "kvm", "operator": "Exists" }]);
    let (template, unused) = Template::read(&manifest).unwrap();
    assert_eq!(unused.len(), 2, "{unused:?}");
    assert_eq!(template.grants()[keys::TOLERATIONS], "kvm");
    let dev = Want { kind: InstanceType::Vm, image: Some("x".to_owned()), ..want(1, "cpu=2,memory=4Gi") };
    let made = template.blueprint(&dev).unwrap().virtual_machine(&name("dev").instance(0)).unwrap();
    let machine = &made["spec"]["template"]["spec"];
    assert_eq!(
        (&machine["domain"]["cpu"]["cores"], &machine["domain"]["cpu"]["model"]),
        (&json!(2), &json!("host-model"))
    );
    assert_eq!(machine["volumes"][0], json!({ "name": "root", "containerDisk": { "image": "x" } }));
    assert_eq!((&made["spec"]["running"], &made["metadata"]["name"]), (&Value::Null, &json!("dev-0")));
    manifest["spec"]["template"]["spec"]["volumes"] =
        json!([{ "name": "root", "persistentVolumeClaim": { "claimName": "a" } }]);
    let (template, _) = Template::read(&manifest).unwrap();
    let refused = template.blueprint(&dev).unwrap_err().to_string();
    assert!(refused.contains("have no containerDisk"), "{refused}");
    manifest["spec"]["template"] = json!({});
    assert!(Template::read(&manifest).unwrap_err().to_string().contains("spec.template.spec is missing"));
}

#[test]
fn a_public_key_is_on_the_last_disk() {
    let mut manifest = Template::machine().manifest();
    let dev =
        Want { kind: InstanceType::Vm, ssh_key: Some("ssh-ed25519 AAAA".to_owned()), ..want(1, "cpu=1,memory=1Gi") };
    for (named, expected) in [
        (json!([{ "name": "root", "disk": {} }]), vec!["root", "cloudinit"]),
        // KubeVirt itself makes the disks that are not named.
        (json!([]), vec!["root", "cloudinit"]),
        (Value::Null, vec!["root", "cloudinit"]),
    ] {
        manifest["spec"]["template"]["spec"]["domain"]["devices"]["disks"] = named;
        let blueprint = Template::read(&manifest).unwrap().0.blueprint(&dev).unwrap();
        let spec = &blueprint.virtual_machine(&name("dev").instance(0)).unwrap()["spec"]["template"]["spec"];
        for list in [&spec["domain"]["devices"]["disks"], &spec["volumes"]] {
            let names: Vec<&str> = list.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
            assert_eq!(names, expected);
        }
    }
    manifest["spec"]["template"]["spec"]["domain"]["devices"]["disks"] = json!({});
    let refused = Template::read(&manifest).unwrap().0.blueprint(&dev).unwrap_err().to_string();
    assert_eq!(refused, "spec.template.spec.domain.devices.disks must be a list");
}

/// The lists of the allowed fields are those of the policy.
#[test]
fn the_policy_allows_exactly_the_fields_of_a_machine_that_core_allows() {
    let policy = include_str!("../../../manifests/policies/vms.yaml");
    let policy: String = policy.split_whitespace().collect::<Vec<_>>().join(" ");
    for list in [
        &machine::SPEC[..],
        &machine::CPU,
        &machine::DOMAIN,
        &machine::DEVICES,
        &hardware::DEVICE,
        &network::INTERFACE,
        &machine::VOLUMES,
        &machine::MACHINE,
    ] {
        let list = format!("['{}']", list.join("', '"));
        assert!(policy.contains(&list), "{list}");
    }
}
