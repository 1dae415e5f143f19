//! Shape of instances: flags, patches, and the limits of both.

use cmp_tests::Kubernetes;
use cmp_tests::shell::kubectl_reading;
use serde_json::{Value, json};

use crate::support::{held, running, shared};

const SIZE: [&str; 4] = ["--cpu", "1", "--memory", "1Gi"];

#[test]
fn the_fields_of_a_cluster_are_in_its_pods_and_stay() {
    let user = shared().user("8", "8Gi");
    let name = user.cluster("web");
    let create = |more: &[&str]| user.cmp(&[&["create", "cluster", &name][..], &SIZE, more].concat());
    let patch = r#"{"spec":{"terminationGracePeriodSeconds":5,"nodeSelector":null}}"#;
    let said =
        ["--image", "nginx", "--env", "B=1", "--env", "A=$(B)", "--port", "80", "--patch", patch, "--", "-g", "off"];
    create(&said).ok().says("created");
    create(&said).ok().says("unchanged");
    let pod = |index: u32| {
        let set = user.kubectl(&[
            "get",
            "statefulset",
            &format!("{name}-{index}"),
            "-n",
            &format!("{name}-ns"),
            "-o",
            "json",
        ]);
        set.ok().json()["spec"]["template"]["spec"].clone()
    };
    let first = pod(0);
    let main = &first["containers"][0];
    assert_eq!(
        (&main["image"], &main["args"], &main["command"], &first["terminationGracePeriodSeconds"]),
        (&json!("nginx"), &json!(["-g", "off"]), &Value::Null, &json!(5))
    );
    assert_eq!(main["env"], json!([{ "name": "B", "value": "1" }, { "name": "A", "value": "$(B)" }]));
    assert_eq!(main["ports"][0]["containerPort"], 80);
    // A later change of the count keeps the shape of the instances.
    user.cmp(&["scale", "cluster", &name, "--count", "2"]).ok();
    let second = pod(1);
    assert_eq!(second, first);
    let shown = user.cmp(&["get", "cluster", &name, "-o", "json"]).ok().json()["spec"].clone();
    assert_eq!((&shown["ports"], &shown["args"]), (&json!([80]), &json!(["-g", "off"])));
    assert_eq!(shown["patch"], serde_json::from_str::<Value>(patch).unwrap(), "with its nulls");
    let other = [&said[..2], &["--env", "B=2"], &said[6..]].concat();
    create(&other).fails().says("exists and is different: ").says("env is [").says("count is 2, requested is 1");
}

#[test]
fn a_command_replaces_that_of_the_image() {
    let user = shared().user("8", "8Gi");
    let name = user.cluster("job");
    let create = |more: &[&str]| user.cmp(&[&["create", "cluster", &name][..], &SIZE, more].concat());
    create(&["--command"]).fails().says("--command: the command is missing");
    create(&["--command", "--", "sleep", "9"]).ok();
    let command = "jsonpath={.spec.template.spec.containers[0].command}";
    let shown = user.kubectl(&["get", "statefulset", &format!("{name}-0"), "-n", &format!("{name}-ns"), "-o", command]);
    assert_eq!(shown.ok().stdout, r#"["sleep","9"]"#);
}

#[test]
fn an_invalid_patch_is_refused_before_the_want_is_written() {
    let user = shared().user("8", "8Gi");
    let name = user.cluster("web");
    let folder = std::env::temp_dir().join(format!("cmp-patch-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("patch.yaml");
    std::fs::write(
        &file,
        "- op: add\n  path: /spec/hostUsers\n  value: false\n- op: add\n  path: /spec/hostPID\n  value: true\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    let create = |more: &[&str]| user.cmp(&[&["create", "cluster", &name][..], &SIZE, more].concat());
    for (patch, says) in [
        (r#"{"spec":{"replicas":3}}"#, "error: --patch: spec.replicas is not a field of a Pod"),
        (r#"{"spec":{"serviceAccountName":"admin"}}"#, "spec.serviceAccountName is not allowed for instances"),
        (
            r#"{"spec":{"volumes":[{"name":"a","hostPath":{"path":"/"}}]}}"#,
            "spec.volumes[0].hostPath is not allowed for instances",
        ),
        (file, &format!("--patch {file}, line 4: operation 2: spec.hostPID is not allowed for instances")),
        ("{\n \"spec\": {\n  \"hostPID\": true\n }\n}", "--patch, line 3: spec.hostPID is not allowed for instances"),
        ("no-such-file.yaml", "--patch no-such-file.yaml: No such file"),
        (r#"{"spec":"#, "error: --patch: "),
        ("[1, 2", "error: --patch: "),
        ("/dev/null", "--patch /dev/null: "),
    ] {
        create(&["--patch", patch]).fails().says(says);
    }
    std::fs::remove_dir_all(&folder).unwrap();
    for (more, says) in [
        (["--env", "A"], "has no value: use a form such as MODE=fast"),
        (["--env", "1=2"], "is not the name of a variable"),
        (["--port", "http"], "is not a port"),
    ] {
        create(&more).fails().says(says);
    }
    create(&["--env", "A=1", "--env", "A=2"]).fails().says("--env A is given twice");
    create(&["--type", "vm", "--env", "A=1"]).fails().says("--env is for containers");
    let long = "x".repeat(9000);
    create(&["--env", &format!("A={long}")]).fails().says("the maximum is 8192");
    assert!(user.account()[format!("want.{name}")].is_null(), "nothing was asked for");
    // A request without the plugin gets the same refusal from the webhook.
    let want = json!({ "type": "container", "count": 1, "size": { "cpu": "1", "memory": "1Gi" }, "patch": "x" });
    user.patch(&json!({ format!("want.{name}"): want.to_string() })).fails().says("patch must be a list");
    user.cmp(&["get", "cluster", &name]).fails().says("not found");
}

#[test]
fn a_disk_outlives_a_stop_and_goes_with_its_instance() {
    let user = shared().user("8", "8Gi");
    let name = user.cluster("db");
    let ns = format!("{name}-ns");
    let create = |more: &[&str]| user.cmp(&[&["create", "cluster", &name, "--count", "2"][..], &SIZE, more].concat());
    create(&["--disk", "1Gi"]).fails().says("storage is not in the quota of").says("which names cpu, memory");
    user.admin(&["cmp", "set", "quota", &user.name, "--resource", "storage=2Gi"]).ok();
    create(&["--disk", "2Gi"]).fails().says("requested: storage=4Gi, used: storage=0, limited: storage=2Gi");
    create(&["--disk", "1Gi", "--resource", "storage=1Gi"]).fails().says("both set the storage");
    create(&["--disk", "10"]).fails().says("did you mean 10Gi?");
    create(&["--disk", "1Gi:data"]).fails().says("is not a mount path");
    create(&["--disk", "1Gi:/a", "--type", "vm"]).fails().says("the disk of a VM is its root disk");
    // The test creates the volumes, because no provisioner runs here.
    for index in 0..2 {
        let volume = json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": format!("{name}-{index}") },
            "spec": {
                "capacity": { "storage": "1Gi" }, "accessModes": ["ReadWriteOnce"], "storageClassName": "",
                "persistentVolumeReclaimPolicy": "Retain", "hostPath": { "path": "/tmp/nowhere" },
                "claimRef": { "namespace": ns, "name": format!("disk-{name}-{index}-0") },
            },
        });
        shared().plane.admin_reading(&["create", "-f", "-"], &volume.to_string()).ok();
    }
    create(&["--disk", "1Gi:/var/lib/db", "--wait"]).ok().says("created");
    let claims = || {
        let what = "jsonpath={range .items[*]}{.metadata.name}={.status.phase}={.metadata.uid} {end}";
        user.kubectl(&["get", "pvc", "-n", &ns, "-o", what]).ok().stdout
    };
    let before = claims();
    assert!(before.contains(&format!("disk-{name}-0-0=Bound=")), "{before}");
    let mounts = "jsonpath={.spec.template.spec.containers[0].volumeMounts[*].mountPath}";
    let mounted = user.kubectl(&["get", "statefulset", &format!("{name}-0"), "-n", &ns, "-o", mounts]).ok();
    assert_eq!(mounted.stdout, "/var/lib/db");
    user.cmp(&["quota", "-o", "json"]).ok().says(r#""storage""#);
    user.cmp(&["resize", "cluster", &name, "--resource", "storage=2Gi", "--yes"]).fails().says("keep their size");
    user.cmp(&["resize", "cluster", &name, "--cpu", "500m", "--yes", "--timeout", "2m"]).ok().says("resized");
    user.cmp(&["suspend", "cluster", &name, "--wait"]).ok();
    assert_eq!(claims(), before, "suspended, the disks stay");
    user.cmp(&["resume", "cluster", &name, "--wait"]).ok();
    user.cmp(&["stop", "instance", &format!("{name}-1"), "--wait"]).ok();
    assert_eq!(claims(), before, "stopped, they stay");
    user.cmp(&["scale", "cluster", &name, "--count", "1", "--yes"]).ok();
    user.account_is("the disk went with its instance, and its quota came back", |account| {
        held(account, &name).is_some_and(|held| held["count"] == 1 && held["state"] == "ready")
    });
    assert_eq!(claims(), before.split_inclusive(' ').next().unwrap());
    user.cmp(&["delete", "cluster", &name, "--yes", "--wait"]).ok();
    user.admin(&["delete", "pv", &format!("{name}-0"), &format!("{name}-1"), "--wait=false"]).ok();
}

/// A Pod template of an administrator, with a container beside the instance.
const POD: &str = r#"
apiVersion: v1
kind: Pod
metadata:
  labels: { tier: gpu }
spec:
  priorityClassName: NAME
  tolerations:
  - { key: gpu, operator: Exists }
  containers:
  - name: main
    image: nginx
  - name: log   # ships the logs
    image: fluent-bit
    resources: { limits: { cpu: 100m, memory: 64Mi } }
"#;

#[test]
fn a_template_is_stored_by_an_administrator_and_used_by_everybody() {
    let user = shared().user("8", "8Gi");
    let (name, template) = (user.cluster("web"), format!("gpu-{}", user.name));
    let admin = |arguments: &[&str], input: &str| shared().plane.admin_reading(arguments, input);
    let class = json!({ "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": { "name": template },
        "value": 5 });
    admin(&["create", "-f", "-"], &class.to_string()).ok();
    let pod = POD.replace("NAME", &template);
    let create = ["cmp", "create", "template", &template, "-f", "-"];
    admin(&[&create[..], &["--dry-run=server"]].concat(), &pod).ok().says("created (server dry run)");
    admin(&create, &pod).ok().says(&format!("template/{template} created"));
    admin(&create, &pod).ok().says("unchanged");
    admin(&create, &pod.replace("nginx", "httpd")).fails().says("exists and is different");
    let shown = user.cmp(&["get", "templates", "-o", "wide"]).ok();
    shown.clone().says("SOURCE").says("built-in");
    let row = shown.stdout.lines().find(|line| line.starts_with(&template)).unwrap();
    assert!(row.contains("nginx") && row.contains("cpu=100m,memory=64Mi"), "{row}");
    user.cmp(&["describe", "template", &template]).ok().says("tolerations: gpu").says("image: fluent-bit");
    // The plugin accepts its own output.
    let printed = user.cmp(&["get", "template", &template, "-o", "yaml"]).ok().stdout;
    admin(&["cmp", "create", "template", "-f", "-"], &printed).ok().says("unchanged");

    let made = |more: &[&str]| user.cmp(&[&["create", "cluster", &name, "--template", &template][..], more].concat());
    made(&["--cpu", "100m", "--memory", "1Gi"]).fails().says("which leaves nothing of cpu=100m,memory=1Gi");
    made(&["--cpu", "1", "--memory", "1Gi", "--type", "vm"]).fails().says("the template is of type container");
    let other = r#"{"spec":{"tolerations":[{"key":"other","operator":"Exists"}]}}"#;
    made(&["--cpu", "1", "--memory", "1Gi", "--patch", other])
        .fails()
        .says("--patch: spec.tolerations[0] is not allowed for");
    made(&["--cpu", "1", "--memory", "1Gi", "--env", "A=1"]).ok();
    let ns = format!("{name}-ns");
    let spec = |index: u32| {
        let set = user.kubectl(&["get", "statefulset", &format!("{name}-{index}"), "-n", &ns, "-o", "json"]).ok();
        set.json()["spec"]["template"]["spec"].clone()
    };
    let first = spec(0);
    assert_eq!((&first["priorityClassName"], &first["tolerations"][0]["key"]), (&json!(template), &json!("gpu")));
    let limits = |of: &Value, at: usize| of["containers"][at]["resources"]["limits"].clone();
    assert_eq!(limits(&first, 0), json!({ "cpu": "900m", "memory": "960Mi" }));
    assert_eq!(first["containers"][0]["env"][0]["name"], "A");
    user.cmp(&["get", "cluster", &name, "-o", "json"]).ok().says(&template);
    user.cmp(&["resize", "cluster", &name, "--cpu", "100m", "--yes"]).fails().says("which leaves nothing of cpu=100m");
    user.cmp(&["resize", "cluster", &name, "--cpu", "2", "--yes", "--timeout", "2m"]).ok();
    assert_eq!(
        (limits(&spec(0), 0)["cpu"].clone(), limits(&spec(0), 1)["cpu"].clone()),
        (json!("1900m"), json!("100m"))
    );
    // The Namespace allows the values of its template, and nothing else.
    let others = r#"{"spec":{"template":{"spec":{"priorityClassName":"system-node-critical"}}}}"#;
    user.kubectl(&["patch", "statefulset", &format!("{name}-0"), "-n", &ns, "-p", others])
        .fails()
        .says("priorityClassName must be left out, or be the one in this cluster's template");
    let plain = running(&user, "plain", 1, "1", "1Gi");
    let taken = format!(r#"{{"spec":{{"template":{{"spec":{{"priorityClassName":"{template}"}}}}}}}}"#);
    let take = || {
        user.kubectl(&["patch", "statefulset", &format!("{plain}-0"), "-n", &format!("{plain}-ns"), "-p", &taken])
            .fails()
            .says("priorityClassName must be left out, or be the one in this cluster's template");
    };
    take();
    // A later change of the template in the want does not allow them either.
    let size = json!({ "cpu": "1", "memory": "1Gi" });
    let want = json!({ "type": "container", "count": 1, "size": size, "template": template });
    user.patch(&json!({ format!("want.{plain}"): want.to_string() })).ok();
    let want = json!({ "type": "container", "count": 2, "size": size, "template": template });
    user.patch(&json!({ format!("want.{plain}"): want.to_string() })).ok();
    user.account_is("it grew", |account| {
        held(account, &plain).is_some_and(|held| held["count"] == 2 && held["state"] == "ready")
    });
    take();

    // A template can be deleted while it is used. Existing instances go on, and no new ones can be created.
    user.cmp(&["delete", "cluster", &plain, "--yes", "--wait"]).ok();
    let delete = ["cmp", "delete", "template", &template];
    admin(&delete, "").fails().says(&format!("cluster/{name} of {} uses it", user.name)).says("--yes");
    admin(&[&delete[..], &["--yes"]].concat(), "").ok().says("deleted");
    admin(&["cmp", "delete", "template", "container", "--yes"], "").fails().says("is built in");
    user.cmp(&["stop", "instance", &format!("{name}-0"), "--wait"]).ok();
    user.cmp(&["start", "instance", &format!("{name}-0")]).ok();
    let scaled = user.cmp(&["scale", "cluster", &name, "--count", "2"]).fails();
    scaled.says(&format!("template {template:?} not found")).says("kubectl cmp get templates");
    assert_eq!(held(&user.account(), &name).unwrap()["count"], 1, "nothing was asked for");
    made(&["--cpu", "1", "--memory", "1Gi"]).fails().says("not found");
    admin(&create, &pod).ok();
    let scaled = user.cmp(&["scale", "cluster", &name, "--count", "2", "-v=6"]).ok();
    let read = scaled.stderr.lines().filter(|line| line.contains("/cmp-templates/")).count();
    assert_eq!(read, 1, "the template is read once: {scaled}");
    assert_eq!(spec(1), spec(0));
    admin(&[&delete[..], &["--yes"]].concat(), "").ok();
    admin(&["delete", "priorityclass", &template], "").ok();
}

#[test]
fn a_machine_of_kubevirt_is_stored_in_its_complete_form() {
    let user = shared().user("1", "1Gi");
    let template = format!("vmi-{}", user.name);
    let admin = |arguments: &[&str], input: &str| shared().plane.admin_reading(arguments, input);
    let create = ["cmp", "create", "template", &template, "-f", "-"];
    let root = json!({ "name": "root", "containerDisk": { "image": "x" } });
    let spec = json!({ "domain": { "devices": {}, "memory": { "guest": "1Gi" } }, "volumes": [root] });
    let instance =
        json!({ "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "spec": spec }).to_string();
    let added = "Warning: spec.domain.devices.interfaces is missing: masquerade on the Pod network is added";
    for dry in ["--dry-run=client", "--dry-run=server", "--dry-run=none"] {
        let said = admin(&[&create[..], &[dry]].concat(), &instance).ok();
        said.says("created").says(added).says("Warning: spec.domain.memory is not used: the cluster sets the size");
    }
    admin(&create, &instance).ok().says("unchanged");
    let stored = user.cmp(&["get", "template", &template, "-o", "json"]).ok().json()["spec"]["manifest"].clone();
    let interfaces = &stored["spec"]["template"]["spec"]["domain"]["devices"]["interfaces"];
    assert_eq!((&stored["kind"], &interfaces[0]["masquerade"]), (&json!("VirtualMachine"), &json!({})));
    admin(&["cmp", "delete", "template", &template, "--yes"], "").ok();
    // A control plane without KubeVirt expands nothing, and admission takes no other form.
    let machine = json!({ "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine",
        "spec": { "instancetype": { "name": "large" }, "template": { "spec": spec } } });
    admin(&create, &machine.to_string()).fails().says("no KubeVirt expands its instancetype or preference");
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "template": instance }, "metadata": {
        "name": template, "namespace": "cmp-templates", "labels": { "kubectl-cmp.dev/template": "true" } } });
    admin(&["create", "-f", "-"], &map.to_string())
        .fails()
        .says("kind is VirtualMachineInstance: `kubectl cmp create template` makes a VirtualMachine of it");
}

#[test]
fn a_bad_template_is_refused_when_it_is_stored() {
    let user = shared().user("8", "8Gi");
    let template = format!("bad-{}", user.name);
    let admin = |arguments: &[&str], input: &str| shared().plane.admin_reading(arguments, input);
    let map = |labelled: bool, text: &str| {
        let labels = if labelled { json!({ "kubectl-cmp.dev/template": "true" }) } else { json!({}) };
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": { "template": text },
            "metadata": { "name": template, "namespace": "cmp-templates", "labels": labels },
        })
        .to_string()
    };
    let good = POD.replace("NAME", "batch");
    let privileged = good.replace("image: nginx", "image: nginx\n    securityContext: { privileged: true }");
    let unbounded = good.replace("{ limits: { cpu: 100m, memory: 64Mi } }", "{ limits: { cpu: 100m } }");
    for (text, says) in [
        (privileged.as_str(), "spec.containers[0].securityContext.privileged is not allowed for instances"),
        (&unbounded, "spec.containers[1].resources.limits.memory must be above 0"),
        (&good.replace("key: gpu, ", ""), "spec.tolerations[0].key is missing"),
        // Kubernetes itself calls these invalid.
        (&good.replace("image: nginx", "image: nginx\n    ports: [{ containerPort: 99999 }]"), "Invalid value: 99999"),
        (&good.replace("image: nginx", "image: bad:::img"), "Invalid value: \"bad:::img\": invalid reference format"),
        (&good.replace("kind: Pod", "kind: Deployment"), "kind is \"Deployment\""),
        (&good.replace("tolerations", "tolerationz"), "spec.tolerationz is not a field of a Pod"),
        ("{", ""),
        ("", "kind is missing"),
    ] {
        // cmp-webhook refuses the template, and so does the plugin before it.
        let refused = admin(&["create", "-f", "-"], &map(true, text)).fails();
        refused.says("templates.kubectl-cmp.dev").says(&format!("template {template}: ")).says(says);
        admin(&["cmp", "create", "template", &template, "-f", "-"], text).fails().says("--filename -: ").says(says);
    }
    admin(&["cmp", "create", "template", "container", "-f", "-"], &good)
        .fails()
        .says("is the name of a built-in template");
    admin(&["cmp", "create", "template", "-f", "-"], &good).fails().says("the template has no name");
    admin(&["cmp", "create", "template", "Bad_Name", "-f", "-"], &good).fails().says("is not the name of a template");
    admin(&["cmp", "create", "template", &template, "-f", "no-such-file"], "").fails().says("No such file");
    // A ConfigMap cannot become a bad template later, nor can a good template become bad.
    admin(&["create", "-f", "-"], &map(false, &privileged)).ok();
    let label = ["label", "configmap", &template, "-n", "cmp-templates", "kubectl-cmp.dev/template=true"];
    admin(&label, "").fails().says("privileged is not allowed for instances");
    user.cmp(&["get", "template", &template]).fails().says("not found");
    let sized = good.replace("image: nginx", "image: nginx\n    resources: { limits: { cpu: 64 } }");
    admin(&["replace", "-f", "-"], &map(true, &sized))
        .ok()
        .says("Warning: spec.containers[0].resources is not used: the cluster sets the size");
    admin(&["replace", "-f", "-"], &map(true, &unbounded)).fails().says("resources.limits.memory must be above 0");
    // A user can neither store nor change a template. A ConfigMap in their own Namespace is no template.
    let name = running(&user, "web", 1, "1", "1Gi");
    let mine = map(true, &good).replace("\"cmp-templates\"", &format!("\"{name}-ns\"")).replace(&template, "mine");
    user.kubectl_reading(&["create", "-f", "-"], &mine).ok();
    user.cmp(&["create", "cluster", &user.cluster("db"), "--cpu", "1", "--memory", "1Gi", "--template", "mine"])
        .fails()
        .says("template \"mine\" not found");
    user.kubectl_reading(&["cmp", "create", "template", "mine", "-f", "-"], &good)
        .fails()
        .says("cannot create resource");
    user.kubectl(&["annotate", "configmap", &template, "-n", "cmp-templates", "a=b"]).fails().says("cannot patch");
    user.cmp(&["delete", "template", &template, "--yes"]).fails().says("cannot delete resource");
    user.cmp(&["delete", "template", &template]).fails().says("--yes");
    admin(&["delete", "configmap", &template, "-n", "cmp-templates"], "").ok();
}

/// Checks that the API server itself refuses each Pod that core refuses.
#[test]
fn the_api_server_refuses_every_pod_that_core_refuses() {
    let user = shared().user("2", "2Gi");
    let name = running(&user, "web", 1, "1", "1Gi");
    let ns = format!("{name}-ns");
    let mut set = user.kubectl(&["get", "statefulset", &format!("{name}-0"), "-n", &ns, "-o", "json"]).ok().json();
    let template = set["spec"]["template"].clone();
    let rows: Vec<Value> = serde_json::from_str(include_str!("../../core/tests/vectors/pods-refused.json")).unwrap();
    let (mut by_policy, mut by_pod_security, mut differ) = (0, 0, Vec::new());
    for row in rows {
        let mut patched = template.clone();
        match &row["patch"] {
            Value::Array(_) => {
                let Ok(patch) = serde_json::from_value::<json_patch::Patch>(row["patch"].clone()) else { continue };
                if json_patch::patch(&mut patched, &patch).is_err() {
                    continue;
                }
            }
            merge => json_patch::merge(&mut patched, merge),
        }
        if let Some(says) = row["policy"].as_str() {
            set["spec"]["template"] = patched.clone();
            let made = kubectl_reading(&user.kubeconfig, &["replace", "--dry-run=server", "-f", "-"], &set.to_string());
            // Some versions of Kubernetes refuse some of these before any policy is asked.
            let refused = [&row["policy"], &row["orKubernetes"]].into_iter().filter_map(Value::as_str);
            let refused = refused.into_iter().any(|says| made.stderr.contains(says));
            differ.extend((!refused).then(|| format!("{says}\n{made}")));
            by_policy += 1;
        }
        if let Some(says) = row["podSecurity"].as_str() {
            let metadata = json!({ "name": "x", "namespace": ns, "annotations": patched["metadata"]["annotations"] });
            let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": patched["spec"] });
            let made = shared().plane.admin_reading(&["create", "--dry-run=server", "-f", "-"], &pod.to_string());
            // Pod Security learnt of these in Kubernetes 1.34.
            let passes = says == "probe or lifecycle host" && Kubernetes::get() == Kubernetes::Oldest;
            let refused = passes || made.stderr.contains("violates PodSecurity") && made.stderr.contains(says);
            differ.extend((!refused).then(|| format!("{says}\n{made}")));
            by_pod_security += 1;
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    assert!(by_policy >= 17 && by_pod_security >= 15, "{by_policy}, {by_pod_security}");
    user.account_is("all is as it was", |account| held(account, &name).is_some_and(|held| held["state"] == "ready"));
}
