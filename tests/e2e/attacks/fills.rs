//! Objects that John may fill: each amount has a bound, and the charge covers the amount in use.

use cmp_tests::{Kubernetes, Output, eventually};
use serde_json::{Value, json};

use super::table::{allowed, attempt, refused};
use crate::support::{SOON, held, running, shared};

#[test]
fn claims_take_no_volume_that_is_there() {
    let john = shared().user("4", "8Gi");
    john.admin(&["cmp", "set", "quota", &john.name, "--resource", "storage=1Gi"]).ok();
    let web = john.cluster("web");
    let size = ["--cpu", "1", "--memory", "1Gi", "--resource", "storage=1Gi", "--wait"];
    john.cmp(&[&["create", "cluster", &web][..], &size].concat()).ok();
    let ns = format!("{web}-ns");
    let claim = |name: &str, more: Value| {
        let mut spec = json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1" } } });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": name, "namespace": ns }, "spec": spec })
    };
    let instance = |more: Value| {
        let made = claim("data", more);
        json!({ "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": format!("{web}-0"), "namespace": ns },
            "spec": {
                "replicas": 1, "podManagementPolicy": "Parallel", "serviceName": "",
                "selector": { "matchLabels": { "a": "b" } },
                "persistentVolumeClaimRetentionPolicy": { "whenDeleted": "Delete", "whenScaled": "Retain" },
                "volumeClaimTemplates": [{ "metadata": { "name": "data" }, "spec": made["spec"] }],
                "template": { "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [{ "name": "c", "image": "i" }] } },
            } })
    };
    let (create, dry) = ("create -f -", "create --dry-run=server -f -");
    let taken = "spec.volumeName and an empty spec.storageClassName are not allowed for users";
    let by_instance = "volumeName and an empty storageClassName are not allowed for the claims of instances";
    john.kubectl(&["delete", "statefulset", &format!("{web}-0"), "-n", &ns]).ok();
    allowed(
        &john.kubeconfig,
        &[
            attempt("a claim", create, claim("fine", json!({}))),
            attempt("one of a class", create, claim("classy", json!({ "storageClassName": "fast" }))),
            attempt("an instance with a claim", dry, instance(json!({}))),
        ],
    );
    let patch = format!("patch persistentvolumeclaim fine -n {ns} --type=merge");
    refused(
        &john.kubeconfig,
        &[
            (attempt("a volume by its name", create, claim("x", json!({ "volumeName": "large" }))), taken),
            (attempt("volumes without a class", create, claim("x", json!({ "storageClassName": "" }))), taken),
            (attempt("a volume by its name, later", &patch, json!({ "spec": { "volumeName": "large" } })), taken),
            (
                attempt("a volume of an instance, by its name", dry, instance(json!({ "volumeName": "large" }))),
                by_instance,
            ),
            (
                attempt("volumes without a class of an instance", dry, instance(json!({ "storageClassName": "" }))),
                by_instance,
            ),
        ],
    );
}

#[test]
fn a_template_names_the_volume_that_its_instances_may_take() {
    let john = shared().user("4", "8Gi");
    john.admin(&["cmp", "set", "quota", &john.name, "--resource", "storage=2Gi"]).ok();
    let (volume, other) = (john.cluster("archive"), john.cluster("payroll"));
    for name in [&volume, &other] {
        let made = json!({ "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": name }, "spec": {
            "capacity": { "storage": "1Gi" }, "accessModes": ["ReadWriteOnce"], "hostPath": { "path": "/archive" },
            "storageClassName": volume,
        } });
        shared().plane.admin_reading(&["create", "-f", "-"], &made.to_string()).ok();
    }
    let claim = |name: &str| {
        json!([{ "name": "old", "ephemeral": { "volumeClaimTemplate": { "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": volume, "volumeName": name,
            "resources": { "requests": { "storage": "1Gi" } },
        } } } }])
    };
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "archivist" }, "spec": {
        "containers": [{ "name": "c", "image": "i" }], "volumes": claim(&volume),
    } });
    let template = john.cluster("archivist");
    shared().plane.admin_reading(&["cmp", "create", "template", &template, "-f", "-"], &pod.to_string()).ok();
    let web = john.cluster("web");
    let size = ["--cpu", "1", "--memory", "1Gi", "--resource", "storage=1Gi", "--template", &template, "--wait"];
    john.cmp(&[&["create", "cluster", &web][..], &size].concat()).ok();
    let bound = john.admin(&["get", "persistentvolume", &volume, "-o", "json"]).ok().json();
    assert_eq!(bound["spec"]["claimRef"]["namespace"], format!("{web}-ns"), "{bound}");
    // No other volume, neither through cmp nor past it, and none without a name.
    let patch = json!({ "spec": { "volumes": claim(&other) } }).to_string();
    let again = john.cluster("again");
    john.cmp(&[&["create", "cluster", &again, "--patch", &patch][..], &size].concat())
        .fails()
        .says("spec.volumes[0].ephemeral.volumeClaimTemplate.spec.volumeName uses an existing volume");
    let mut unnamed = claim(&volume);
    let spec = &mut unnamed[0]["ephemeral"]["volumeClaimTemplate"]["spec"];
    spec.as_object_mut().unwrap().remove("volumeName");
    spec["storageClassName"] = "".into();
    for volumes in [claim(&other), unnamed] {
        let patch = json!([{ "op": "replace", "path": "/spec/template/spec/volumes", "value": volumes }]).to_string();
        let set =
            ["patch", "statefulset", &format!("{web}-0"), "-n", &format!("{web}-ns"), "--type=json", "-p", &patch];
        john.kubectl(&set).fails().says("only a template may name one");
    }
    john.cmp(&["delete", "cluster", &web, "--yes", "--wait"]).ok();
    john.admin(&["delete", "persistentvolume", &volume, &other, "--wait=false"]).ok();
}

#[test]
fn services_are_few_and_their_addresses_are_not_chosen() {
    let john = shared().user("4", "8Gi");
    let ns = format!("{}-ns", running(&john, "web", 1, "1", "1Gi"));
    let service = |name: &str, metadata: Value, more: Value| {
        let mut spec = json!({ "ports": [{ "port": 80 }] });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut object = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": name, "namespace": ns }, "spec": spec });
        object["metadata"].as_object_mut().unwrap().extend(metadata.as_object().unwrap().clone());
        object
    };
    let ports = |count: u16| {
        let ports: Vec<Value> = (1..=count).map(|port| json!({ "name": format!("p{port}"), "port": port })).collect();
        json!({ "ports": ports })
    };
    let none = json!({});
    // A free address in the range of Services.
    let example =
        john.admin(&["get", "service", "kubernetes", "-n", "default", "-o", "jsonpath={.spec.clusterIP}"]).ok();
    let (start, _) = example.stdout.rsplit_once('.').unwrap();
    let chosen = json!({ "clusterIP": format!("{start}.77") });
    let both = json!({ "clusterIP": format!("{start}.77"), "clusterIPs": [format!("{start}.77")] });
    let many = "spec.ports must be 64 or fewer";
    let own = "spec.clusterIP may not be chosen by users";
    let (create, apply) = ("create -f -", "apply --server-side -f -");
    allowed(
        &john.kubeconfig,
        &[
            attempt("a Service", create, service("fine", none.clone(), ports(64))),
            attempt("one by apply", apply, service("applied", none.clone(), none.clone())),
            attempt("the same once more", apply, service("applied", none.clone(), none.clone())),
            attempt(
                "one without an address",
                create,
                service("headless", none.clone(), json!({ "clusterIP": "None" })),
            ),
            attempt(
                "a label of one that has its address",
                format!("patch service fine -n {ns} --type=merge"),
                json!({ "metadata": { "labels": { "a": "b" } } }),
            ),
        ],
    );
    refused(
        &john.kubeconfig,
        &[
            (attempt("65 ports", create, service("x", none.clone(), ports(65))), many),
            (
                attempt(
                    "65 ports, later",
                    format!("patch service fine -n {ns} --type=merge"),
                    json!({ "spec": ports(65) }),
                ),
                many,
            ),
            (attempt("an address", create, service("x", none.clone(), chosen.clone())), own),
            (attempt("an address in the list", create, service("x", none.clone(), both)), own),
            (attempt("an address by apply", apply, service("x", none.clone(), chosen.clone())), own),
            (
                attempt(
                    "an address that nobody asked for",
                    create,
                    service("x", json!({ "managedFields": [{}] }), chosen.clone()),
                ),
                own,
            ),
            (
                attempt(
                    "an address that somebody else asked for",
                    create,
                    service(
                        "x",
                        json!({ "managedFields": [{ "manager": "kubectl-create", "operation": "Update", "apiVersion": "v1",
                            "fieldsType": "FieldsV1", "fieldsV1": { "f:spec": { "f:ports": {} } } }] }),
                        chosen,
                    ),
                ),
                own,
            ),
        ],
    );
    let more: Vec<Value> = (0..12).map(|at| service(&format!("m{at}"), none.clone(), none.clone())).collect();
    refused(
        &john.kubeconfig,
        &[(
            attempt(
                "more than there are addresses for",
                create,
                json!({ "apiVersion": "v1", "kind": "List", "items": more }),
            ),
            "requested: count/services=1, used: count/services=12, limited: count/services=12",
        )],
    );
}

#[test]
fn templates_are_small_and_few_of_them_are_kept() {
    let john = shared().user("4", "8Gi");
    let web = running(&john, "web", 1, "1", "1Gi");
    let (ns, one) = (format!("{web}-ns"), format!("{web}-0"));
    let with = |value: &str| {
        let variable = json!([{ "op": "add", "path": "/spec/template/spec/containers/0/env",
            "value": [{ "name": "A", "value": value }] }]);
        john.kubectl_reading(
            &["patch", "statefulset", &one, "-n", &ns, "--type=json", "--patch-file=/dev/stdin"],
            &variable.to_string(),
        )
    };
    with(&"x".repeat(120_000)).ok();
    let too_large = |output: Output| {
        output.fails().says("spec.template must be 128 KiB or less");
    };
    too_large(with(&"x".repeat(140_000)));
    // The limit counts bytes, not characters.
    too_large(with(&"\u{20ac}".repeat(50_000)));
    // The owner sets the highest number of revisions that the policies allow.
    let keep = json!({ "spec": { "revisionHistoryLimit": 10 } }).to_string();
    let kept = john.kubectl(&["patch", "statefulset", &one, "-n", &ns, "--type=merge", "-p", &keep]);
    // Kubernetes 1.30 sets it when a StatefulSet is created, and never again.
    if Kubernetes::get() == Kubernetes::Newest {
        kept.ok();
    }
    let few = Kubernetes::expects(2..=4, 10..=12);
    for round in 0..20 {
        with(&format!("{round}")).ok();
        eventually("it is rolled out", SOON, || {
            let pod = john.kubectl(&["get", "pod", &format!("{one}-0"), "-n", &ns, "-o", "json"]);
            let there = (pod.code == 0).then(|| pod.json()["spec"]["containers"][0]["env"][0]["value"].clone());
            if there == Some(json!(round.to_string())) { Ok(()) } else { Err(pod.to_string()) }
        });
    }
    eventually("the older ones are gone", SOON, || {
        let kept = john.admin(&["get", "controllerrevisions", "-n", &ns, "-o", "name"]).ok().stdout.lines().count();
        if few.contains(&kept) { Ok(()) } else { Err(kept.to_string()) }
    });
    let hard = john.admin(&["get", "resourcequota", "cmp", "-n", &ns, "-o", "json"]).ok().json();
    assert_eq!(hard["status"]["hard"]["count/controllerrevisions.apps"], "14", "{hard}");
}

#[test]
fn writes_to_the_disk_of_a_node_are_limited_and_may_be_charged() {
    let john = shared().user("4", "8Gi");
    let plain = running(&john, "plain", 1, "1", "1Gi");
    let of_pod = |cluster: &str| {
        let pod = ["get", "pod", &format!("{cluster}-0-0"), "-n", &format!("{cluster}-ns"), "-o", "json"];
        john.kubectl(&pod).ok().json()["spec"]["containers"][0]["resources"].clone()
    };
    let resources = of_pod(&plain);
    assert_eq!(
        (&resources["limits"]["ephemeral-storage"], &resources["requests"]["ephemeral-storage"]),
        (&json!("10Gi"), &json!("0")),
        "{resources}"
    );
    // A user who could name the resource could set 0, which is no limit.
    let unbounded = json!({ "spec": { "template": { "spec": { "containers": [
        { "name": "instance", "resources": { "limits": { "ephemeral-storage": "0" } } }] } } } });
    john.kubectl(&[
        "patch",
        "statefulset",
        &format!("{plain}-0"),
        "-n",
        &format!("{plain}-ns"),
        "-p",
        &unbounded.to_string(),
    ])
    .fails()
    .says("a container asks for a resource that is not in the size of this cluster");
    // The quota is given back all the same: the amount that the LimitRange fills in is not in the size.
    john.cmp(&["scale", "cluster", &plain, "--count", "2", "--wait"]).ok();
    john.cmp(&["scale", "cluster", &plain, "--count", "1", "--yes", "--wait"]).ok();
    let given_back = |cluster: &str| {
        john.account_is("one was given back", |account| {
            held(account, cluster).is_some_and(|held| held["count"] == 1 && held["state"] == "ready")
        });
    };
    given_back(&plain);

    let named = john.cluster("named");
    let create = ["create", "cluster", &named, "--cpu", "1", "--memory", "1Gi", "--count", "2", "--wait"];
    let create = |amount: &str| john.cmp(&[&create[..], &["--resource", amount]].concat());
    create("ephemeral-storage=2Gi").fails().says("ephemeral-storage is not in the quota of");
    john.admin(&["cmp", "set", "quota", &john.name, "--resource", "ephemeral-storage=4Gi"]).ok();
    create("ephemeral-storage=2Gi").ok();
    let resources = of_pod(&named);
    assert_eq!(resources["limits"]["ephemeral-storage"], "2Gi", "{resources}");
    john.cmp(&["quota"]).ok().says("ephemeral-storage").says("4Gi");
    let hard = ["get", "resourcequota", "cmp", "-n", &format!("{named}-ns"), "-o", "json"];
    let status = john.admin(&hard).ok().json()["status"].clone();
    assert_eq!(status["used"]["limits.ephemeral-storage"], "4Gi", "{status}");
    assert_eq!(status["hard"]["requests.ephemeral-storage"], "4Gi", "{status}");
    john.cmp(&["scale", "cluster", &named, "--count", "1", "--yes", "--wait"]).ok();
    given_back(&named);
    john.cmp(&["resize", "cluster", &named, "--resource", "ephemeral-storage=3Gi", "--yes", "--timeout", "2m"]).ok();
    assert_eq!(of_pod(&named)["limits"]["ephemeral-storage"], "3Gi");
}
