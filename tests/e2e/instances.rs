//! Contents of a cluster's Namespace: its instances, and nothing else.

use cmp_tests::{Kubernetes, Output, World, eventually};
use serde_json::{Value, json};

use crate::support::{SOON, copy_of, running, shared};

fn patch(user: &World<'_>, cluster: &str, set: &str, patch: &Value) -> Output {
    let (ns, patch) = (format!("{cluster}-ns"), patch.to_string());
    user.kubectl(&["patch", "statefulset", set, "-n", &ns, "--type=merge", "-p", &patch])
}

#[test]
fn the_number_of_names_limits_the_instances() {
    let user = shared().user("4", "8Gi");
    let name = running(&user, "web", 2, "1", "1Gi");
    let create = |set: &Value| user.kubectl_reading(&["create", "-f", "-"], &set.to_string());
    for other in
        [format!("{name}-2"), format!("{name}-02"), format!("{name}-x"), "other".to_owned(), format!("{name}-0-0")]
    {
        create(&copy_of(&user, &name, &format!("{name}-0"), &other))
            .fails()
            .says(&format!("{other} is not one of the 2 instances of this cluster"));
    }
    // A user may delete an instance of the cluster, and create it again by hand.
    let copy = copy_of(&user, &name, &format!("{name}-1"), &format!("{name}-1"));
    user.kubectl(&["delete", "statefulset", &format!("{name}-1"), "-n", &format!("{name}-ns")]).ok();
    create(&copy).ok();
    // Neither update nor scale allows a second replica. scale only switches an instance off and on.
    let (one, ns) = (format!("{name}-0"), format!("{name}-ns"));
    patch(&user, &name, &one, &json!({ "spec": { "replicas": 2 } })).fails().says("at most one replica, not 2");
    let scale = |replicas: &str| user.kubectl(&["scale", "statefulset", &one, "-n", &ns, "--replicas", replicas]);
    scale("2").fails().says("at most one replica, not 2");
    scale("0").ok();
    scale("1").ok();
    // The policies hold an administrator to the count as well, because the charge depends on it.
    user.admin(&["scale", "statefulset", &one, "-n", &ns, "--replicas=3"]).fails().says("at most one replica");
}

#[test]
fn forbidden_fields_of_instances_are_refused() {
    let user = shared().user("4", "8Gi");
    let name = running(&user, "web", 1, "1", "1Gi");
    let one = format!("{name}-0");
    let pod = |spec: Value| json!({ "spec": { "template": { "spec": spec } } });
    let affinity = |term: Value| {
        pod(json!({ "affinity": { "podAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [term] } } }))
    };
    let container = |resources: Value| {
        pod(json!({ "containers": [{ "name": "instance", "image": "debian", "resources": resources }] }))
    };
    let forbidden = [
        (json!({ "spec": { "ordinals": { "start": 3 } } }), "spec.ordinals"),
        (json!({ "spec": { "updateStrategy": { "rollingUpdate": { "partition": 1 } } } }), "partition"),
        (json!({ "spec": { "template": { "metadata": { "finalizers": ["example.com/held"] } } } }), "finalizers"),
        (
            json!({ "metadata": { "finalizers": ["example.com/held"] } }),
            "metadata.finalizers are not allowed for users",
        ),
        (
            json!({ "metadata": { "ownerReferences": [{ "apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "b" }] } }),
            "metadata.ownerReferences are not allowed for users",
        ),
        (pod(json!({ "terminationGracePeriodSeconds": 601 })), "must be from 1 to 600"),
        (pod(json!({ "nodeName": "node-0" })), "nodeName"),
        (pod(json!({ "runtimeClassName": "fast" })), "runtimeClassName"),
        (pod(json!({ "priorityClassName": "system-node-critical" })), "priorityClassName"),
        (pod(json!({ "schedulerName": "mine" })), "schedulerName"),
        (pod(json!({ "tolerations": [{ "operator": "Exists" }] })), "tolerations"),
        (
            affinity(json!({ "topologyKey": "a", "namespaces": ["kube-system"] })),
            "affinity to Pods of other namespaces",
        ),
        (affinity(json!({ "topologyKey": "a", "namespaceSelector": {} })), "affinity to Pods of other namespaces"),
        (pod(json!({ "resourceClaims": [{ "name": "a", "resourceClaimName": "b" }] })), "resourceClaims"),
        (
            container(json!({ "limits": { "amd.com/gpu": "1" } })),
            "not in the size of this cluster, which names cpu, memory",
        ),
        (
            json!({ "spec": { "revisionHistoryLimit": 11 } }),
            Kubernetes::expects("updates to statefulset spec for fields other than", "10 or less"),
        ),
    ];
    for (change, reason) in forbidden {
        // Kubernetes 1.30 does not know this form of a claim, and drops it.
        if reason == "resourceClaims" && Kubernetes::get() == Kubernetes::Oldest {
            continue;
        }
        patch(&user, &name, &one, &change).fails().says(reason);
    }
    let allowed = [
        pod(json!({ "containers": [{ "name": "instance", "image": "nginx" }] })),
        pod(json!({ "terminationGracePeriodSeconds": 600, "tolerations": [], "priorityClassName": "" })),
        affinity(json!({ "topologyKey": "kubernetes.io/hostname", "labelSelector": {} })),
        container(json!({ "limits": { "cpu": "1", "memory": "1Gi" } })),
        json!({ "metadata": { "labels": { "mine": "yes" } } }),
    ];
    let history = json!({ "spec": { "revisionHistoryLimit": 10 } });
    // Kubernetes 1.30 sets it when a StatefulSet is created, and never again.
    let allowed = allowed.into_iter().chain(Kubernetes::expects(None, Some(history)));
    for change in allowed {
        patch(&user, &name, &one, &change).ok();
    }
    let mut ordered = copy_of(&user, &name, &one, &one);
    user.kubectl(&["delete", "statefulset", &one, "-n", &format!("{name}-ns")]).ok();
    let create = |set: &Value| user.kubectl_reading(&["create", "-f", "-"], &set.to_string());
    ordered["spec"]["podManagementPolicy"] = "OrderedReady".into();
    create(&ordered).fails().says("podManagementPolicy must be Parallel");
    ordered["spec"]["podManagementPolicy"] = "Parallel".into();
    let mut claim = json!({
        "metadata": { "name": "data" },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } },
    });
    ordered["spec"]["volumeClaimTemplates"] = json!([claim]);
    create(&ordered).fails().says("whenDeleted: Delete");
    claim["metadata"]["finalizers"] = json!(["example.com/held"]);
    ordered["spec"]["persistentVolumeClaimRetentionPolicy"] =
        json!({ "whenDeleted": "Delete", "whenScaled": "Retain" });
    ordered["spec"]["volumeClaimTemplates"] = json!([claim]);
    create(&ordered).fails().says("can block the deletion of the instance");
}

#[test]
fn a_pod_above_the_size_is_refused_and_shown() {
    let user = shared().user("4", "8Gi");
    let name = running(&user, "web", 1, "1", "1Gi");
    let one = format!("{name}-0");
    let resources = json!({ "requests": { "cpu": "2", "memory": "1Gi" }, "limits": { "cpu": "2", "memory": "1Gi" } });
    let larger = json!([{ "name": "instance", "image": "debian", "resources": resources }]);
    let template = json!({ "spec": { "template": { "spec": { "containers": larger } } } });
    patch(&user, &name, &one, &template).ok();
    user.kubectl(&[
        "delete",
        "pod",
        &format!("{one}-0"),
        "-n",
        &format!("{name}-ns"),
        "--wait=false",
        "--ignore-not-found",
    ])
    .ok();
    eventually("the reason is shown", SOON, || {
        let shown = user.cmp(&["get", "instances", "--in", &name, "-o", "wide"]).ok();
        if shown.stdout.contains("maximum cpu usage per Pod is 1") { Ok(()) } else { Err(shown.to_string()) }
    });
    user.cmp(&["describe", "instance", &one]).ok().says("FailedCreate").says("maximum cpu usage per Pod is 1");
    user.cmp(&["describe", "cluster", &name]).ok().says("maximum cpu usage per Pod is 1");
    // A container without a limit is no way round: it gets one.
    let unbounded = json!([{ "name": "instance", "image": "debian", "resources": null }]);
    patch(&user, &name, &one, &json!({ "spec": { "template": { "spec": { "containers": unbounded } } } })).ok();
    eventually("it runs within limits", SOON, || {
        let pod = user.kubectl(&["get", "pod", &format!("{one}-0"), "-n", &format!("{name}-ns"), "-o", "json"]);
        if pod.code != 0 {
            return Err(pod.to_string());
        }
        let limits = pod.json()["spec"]["containers"][0]["resources"]["limits"].clone();
        if limits["cpu"] == "100m" && limits["memory"] == "64Mi" { Ok(()) } else { Err(limits.to_string()) }
    });
}

#[test]
fn a_deleted_pod_comes_back() {
    let user = shared().user("4", "8Gi");
    let name = running(&user, "web", 1, "1", "1Gi");
    let (pod, ns) = (format!("{name}-0-0"), format!("{name}-ns"));
    let uid = |output: Output| output.json()["metadata"]["uid"].as_str().map(str::to_owned);
    let before = uid(user.kubectl(&["get", "pod", &pod, "-n", &ns, "-o", "json"]).ok());
    // kubectl 1.30 does not notice that the Pod of this name is another one by now.
    user.kubectl(&["delete", "pod", &pod, "-n", &ns, "--wait=false"]).ok();
    eventually("another Pod runs", SOON, || {
        let now = user.kubectl(&["get", "pod", &pod, "-n", &ns, "-o", "json"]);
        let runs = now.code == 0 && now.json()["status"]["phase"] == "Running";
        if runs && uid(now.clone()) != before { Ok(()) } else { Err(now.to_string()) }
    });
}

#[test]
fn services_lead_to_ones_own_instances() {
    let user = shared().user("4", "8Gi");
    let ns = format!("{}-ns", running(&user, "web", 1, "1", "1Gi"));
    let create = |name: &str, spec: Value| {
        let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": name, "namespace": ns }, "spec": spec });
        user.kubectl_reading(&["create", "-f", "-"], &service.to_string())
    };
    let ports = json!([{ "port": 80 }]);
    create("web", json!({ "ports": ports, "selector": { "a": "b" } })).ok();
    create("a", json!({ "ports": ports, "externalIPs": ["192.0.2.1"] })).fails().says("spec.externalIPs");
    create("b", json!({ "type": "ExternalName", "externalName": "example.com" })).fails().says("ExternalName");
    create("c", json!({ "ports": ports, "type": "LoadBalancer" })).fails().says("exceeded quota: cmp");
    create("d", json!({ "ports": ports, "type": "NodePort" })).fails().says("exceeded quota: cmp");
    user.kubectl(&["patch", "service", "web", "-n", &ns, "-p", r#"{"spec":{"type":"NodePort"}}"#])
        .fails()
        .says("exceeded quota: cmp");
    let token = json!({ "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": { "name": "t", "namespace": ns, "annotations": { "kubernetes.io/service-account.name": "default" } } });
    user.kubectl_reading(&["create", "-f", "-"], &token.to_string())
        .fails()
        .says("service-account-token are not allowed for users");
    user.kubectl(&["create", "secret", "generic", "mine", "--from-literal=a=b", "-n", &ns]).ok();
    user.kubectl(&["create", "configmap", "mine", "--from-literal=a=b", "-n", &ns]).ok();
}
