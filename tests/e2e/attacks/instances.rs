//! Attempts of John in the Namespace of his cluster to run more than the charge covers.

use cmp_tests::{Kubernetes, eventually};
use serde_json::{Value, json};

use super::table::{allowed, attempt, refused};
use crate::support::{SOON, copy_of, running, shared};

#[test]
fn attacks_with_instances_and_pods_are_refused() {
    let john = shared().user("4", "8Gi");
    let web = running(&john, "web", 2, "500m", "1Gi");
    let (ns, one, pod) = (format!("{web}-ns"), format!("{web}-0"), format!("{web}-0-0"));
    let sets = format!("/apis/apps/v1/namespaces/{ns}/statefulsets");
    let pods = format!("/api/v1/namespaces/{ns}/pods");
    let another = |name: &str| copy_of(&john, &web, &one, name);
    let generated = {
        let mut set = another("x");
        set["metadata"] = json!({ "generateName": format!("{web}-"), "namespace": ns });
        set
    };
    let twice = {
        let mut set = john.kubectl(&["get", "statefulset", &one, "-n", &ns, "-o", "json"]).ok().json();
        set["spec"]["replicas"] = json!(2);
        // Without a version no other write conflicts with it.
        set["metadata"].as_object_mut().unwrap().remove("resourceVersion");
        set
    };
    let scale = |replicas: u32| json!({ "apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": { "name": one, "namespace": ns }, "spec": { "replicas": replicas } });
    let merge = format!("patch statefulset {one} -n {ns} --type=merge");
    let with = |kind: &str| format!("patch statefulset {one} -n {ns} --type={kind}");
    let of_pod = |spec: Value| json!({ "spec": { "template": { "spec": spec } } });
    let volume = |source: Value| {
        let mut volume = source;
        volume["name"] = "more".into();
        of_pod(json!({ "volumes": [{ "name": "fine", "emptyDir": {} }, volume] }))
    };
    let affinity = |kind: &str, weight: &str, term: Value| {
        let term = if weight == "required" { term } else { json!({ "weight": 1, "podAffinityTerm": term }) };
        of_pod(json!({ "affinity": { (kind): { format!("{weight}DuringSchedulingIgnoredDuringExecution"): [term] } } }))
    };
    let elsewhere = json!({ "topologyKey": "a", "namespaces": ["kube-system"] });
    let containers = |first: Value, second: Value| {
        of_pod(
            json!({ "containers": [{ "name": "instance", "image": "x", "resources": first }, { "name": "last", "image": "x", "resources": second }] }),
        )
    };
    let gpu = json!({ "limits": { "amd.com/gpu": "1" } });
    let not_one = "is not one of the 2 instances of this cluster";
    let one_replica = "an instance has at most one replica, not 2";
    let kinds = "no quota counts other volumes";
    let others_pods = "affinity to Pods of other namespaces";
    let not_sized = "a container asks for a resource that is not in the size of this cluster, which names cpu, memory";
    // Newer versions of Kubernetes do not have these fields there.
    let locked = "finalizers and ownerReferences are not allowed for the claims of instances | volumeClaimTemplate.metadata.finalizers: Forbidden: cannot be set";

    // Kubernetes 1.30 does not know these fields, and drops them.
    if Kubernetes::get() == Kubernetes::Newest {
        refused(
            &john.kubeconfig,
            &[
                (
                    attempt(
                        "another resource of the Pod",
                        &merge,
                        of_pod(
                            json!({ "resources": { "limits": { "cpu": "500m", "memory": "1Gi", "hugepages-2Mi": "2Mi" } } }),
                        ),
                    ),
                    "the Pod asks for a resource that is not in the size of this cluster",
                ),
                (
                    attempt(
                        "a device by a claim",
                        &merge,
                        of_pod(json!({ "resourceClaims": [{ "name": "a", "resourceClaimName": "b" }] })),
                    ),
                    "resourceClaims are not allowed for instances",
                ),
            ],
        );
    }
    refused(
        &john.kubeconfig,
        &[
            // A third instance, or a second replica.
            (attempt("a name that the API server makes up", "create -f -", generated), not_one),
            (
                attempt("another by server-side apply", "apply --server-side -f -", another(&format!("{web}-2"))),
                not_one,
            ),
            (attempt("another by apply", "apply -f -", another(&format!("{web}-2"))), not_one),
            (attempt("a name as of a Pod", "create -f -", another(&format!("{web}-0-0"))), not_one),
            (attempt("a name with leading zero", "create -f -", another(&format!("{web}-00"))), not_one),
            (
                attempt(
                    "an older version of the API",
                    format!("create --raw /apis/apps/v1beta2/namespaces/{ns}/statefulsets -f -"),
                    another("x"),
                ),
                "could not find the requested resource",
            ),
            (
                attempt("a second replica by PUT", format!("replace --raw {sets}/{one} -f -"), twice.clone()),
                one_replica,
            ),
            (attempt("by merge patch", &merge, json!({ "spec": { "replicas": 2 } })), one_replica),
            (attempt("by strategic patch", with("strategic"), json!({ "spec": { "replicas": 2 } })), one_replica),
            (
                attempt(
                    "by JSON patch",
                    with("json"),
                    json!([{ "op": "replace", "path": "/spec/replicas", "value": 2 }]),
                ),
                one_replica,
            ),
            (
                attempt(
                    "by server-side apply",
                    "apply --server-side --force-conflicts -f -",
                    json!({ "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": one, "namespace": ns }, "spec": { "replicas": 2 } }),
                ),
                one_replica,
            ),
            (attempt("by scale", format!("scale statefulset {one} -n {ns} --replicas=2"), Value::Null), one_replica),
            (attempt("by PUT of the scale", format!("replace --raw {sets}/{one}/scale -f -"), scale(2)), one_replica),
            (
                attempt(
                    "by patch of the scale",
                    format!("{merge} --subresource=scale"),
                    json!({ "spec": { "replicas": 2 } }),
                ),
                one_replica,
            ),
            (
                attempt(
                    "by an annotation with a dry run first",
                    format!("scale statefulset {one} -n {ns} --replicas=2 --dry-run=server"),
                    Value::Null,
                ),
                one_replica,
            ),
            (
                attempt("ordinals", &merge, json!({ "spec": { "ordinals": { "start": 1 } } })),
                "spec.ordinals is not allowed for instances",
            ),
            (
                attempt(
                    "another status",
                    format!("{merge} --subresource=status"),
                    json!({ "status": { "replicas": 0 } }),
                ),
                "resource \"statefulsets/status\"",
            ),
            // Resources that the size does not have.
            (attempt("another resource, in the last container", &merge, containers(json!({}), gpu.clone())), not_sized),
            (
                attempt(
                    "another resource, in an init container",
                    &merge,
                    of_pod(json!({ "initContainers": [{ "name": "first", "image": "x", "resources": gpu }] })),
                ),
                not_sized,
            ),
            // Disks and files that no quota counts.
            (attempt("a path of the node", &merge, volume(json!({ "hostPath": { "path": "/" } }))), kinds),
            (
                attempt(
                    "a share of the network",
                    &merge,
                    volume(json!({ "nfs": { "server": "192.0.2.1", "path": "/" } })),
                ),
                kinds,
            ),
            (
                attempt(
                    "a disk of the network",
                    &merge,
                    volume(
                        json!({ "iscsi": { "targetPortal": "192.0.2.1", "iqn": "iqn.2026-11.com.example:a", "lun": 0 } }),
                    ),
                ),
                kinds,
            ),
            (
                attempt(
                    "an inline volume of a driver",
                    &merge,
                    volume(json!({ "csi": { "driver": "csi.example.com" } })),
                ),
                kinds,
            ),
            (
                attempt(
                    "a claim that stays",
                    &merge,
                    volume(
                        json!({ "ephemeral": { "volumeClaimTemplate": { "metadata": { "finalizers": ["example.com/held"] }, "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1" } } } } } }),
                    ),
                ),
                locked,
            ),
            // Pods of others, and the nodes.
            (
                attempt("beside Pods of others", &merge, affinity("podAffinity", "required", elsewhere.clone())),
                others_pods,
            ),
            (
                attempt("rather beside them", &merge, affinity("podAffinity", "preferred", elsewhere.clone())),
                others_pods,
            ),
            (
                attempt("away from Pods of others", &merge, affinity("podAntiAffinity", "required", elsewhere.clone())),
                others_pods,
            ),
            (
                attempt("rather away from them", &merge, affinity("podAntiAffinity", "preferred", elsewhere)),
                others_pods,
            ),
            (attempt("a node", &merge, of_pod(json!({ "nodeName": "node-0" }))), "the scheduler chooses the node"),
            (
                attempt(
                    "before everybody else",
                    &merge,
                    of_pod(json!({ "priorityClassName": "system-cluster-critical" })),
                ),
                "priorityClassName must be left out, or be the one",
            ),
            (
                attempt(
                    "on the control plane",
                    &merge,
                    of_pod(
                        json!({ "tolerations": [{ "key": "node-role.kubernetes.io/control-plane", "operator": "Exists" }] }),
                    ),
                ),
                "tolerations are not allowed for this cluster",
            ),
            // Containers that outlive their Pod.
            (
                attempt("no time to end", &merge, of_pod(json!({ "terminationGracePeriodSeconds": 0 }))),
                "must be from 1 to 600",
            ),
            (
                attempt("ten minutes and more to end", &merge, of_pod(json!({ "terminationGracePeriodSeconds": 601 }))),
                "must be from 1 to 600",
            ),
            (
                attempt(
                    "deleting a Pod by force",
                    format!("delete pod {pod} -n {ns} --force --grace-period=0"),
                    Value::Null,
                ),
                "a running Pod cannot be deleted by force",
            ),
            (
                attempt("the same in the body", format!("delete --raw {pods}/{pod}?gracePeriodSeconds=0"), Value::Null),
                "a running Pod cannot be deleted by force",
            ),
            // Changes of the Pods themselves.
            (
                attempt(
                    "changing a Pod",
                    format!("patch pod {pod} -n {ns} --type=merge"),
                    json!({ "metadata": { "labels": { "a": "b" } } }),
                ),
                "cannot patch resource \"pods\"",
            ),
            (
                attempt("resizing it", format!("replace --raw {pods}/{pod}/resize -f -"), json!({ "spec": {} })),
                "resource \"pods/resize\"",
            ),
            (
                attempt(
                    "a container more",
                    format!("replace --raw {pods}/{pod}/ephemeralcontainers -f -"),
                    json!({ "spec": {} }),
                ),
                "resource \"pods/ephemeralcontainers\"",
            ),
            (
                attempt(
                    "its status",
                    format!("patch pod {pod} -n {ns} --subresource=status --type=merge"),
                    json!({ "status": { "phase": "Succeeded" } }),
                ),
                "resource \"pods/status\"",
            ),
            (
                attempt(
                    "binding it to a node",
                    format!("create --raw {pods}/{pod}/binding -f -"),
                    json!({ "apiVersion": "v1", "kind": "Binding", "metadata": { "name": pod }, "target": { "kind": "Node", "name": "node-0" } }),
                ),
                "cannot create resource \"pods/binding\"",
            ),
            (
                attempt(
                    "evicting it",
                    format!("create --raw {pods}/{pod}/eviction -f -"),
                    json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": pod } }),
                ),
                "cannot create resource \"pods/eviction\"",
            ),
            (
                attempt("the API server as a proxy", format!("get --raw {pods}/{pod}/proxy/"), Value::Null),
                "cannot get resource \"pods/proxy\"",
            ),
            (
                attempt("deleting all Pods at once", format!("delete --raw {pods}"), Value::Null),
                "cannot deletecollection",
            ),
        ],
    );
    allowed(
        &john.kubeconfig,
        &[
            // The first row runs before anything restarts the Pod.
            attempt("a Pod, in its time", format!("delete pod {pod} -n {ns} --wait=false"), Value::Null),
            attempt("a node with a label", &merge, of_pod(json!({ "nodeSelector": { "kubernetes.io/os": "linux" } }))),
            attempt("no such node after all", &merge, of_pod(json!({ "nodeSelector": null }))),
            attempt(
                "away from his own",
                &merge,
                affinity(
                    "podAntiAffinity",
                    "preferred",
                    json!({ "topologyKey": "kubernetes.io/hostname", "labelSelector": {} }),
                ),
            ),
            attempt(
                "disks that are counted",
                &merge,
                of_pod(json!({ "volumes": [
                { "name": "a", "emptyDir": {} }, { "name": "b", "configMap": { "name": "kube-root-ca.crt" } }, { "name": "c", "downwardAPI": {} },
                { "name": "d", "projected": { "sources": [] } }, { "name": "e", "secret": { "secretName": "s", "optional": true } }] })),
            ),
            attempt("a moment to end", &merge, of_pod(json!({ "terminationGracePeriodSeconds": 1, "volumes": [] }))),
            attempt("one replica by PUT of the scale", format!("replace --raw {sets}/{one}/scale -f -"), scale(1)),
        ],
    );

    // A Pod that its instance left behind keeps its name. A new instance has to adopt it, or to wait for its end.
    let copy = another(&one);
    allowed(
        &john.kubeconfig,
        &[
            attempt(
                "leaving the Pod behind",
                format!("delete statefulset {one} -n {ns} --cascade=orphan"),
                Value::Null,
            ),
            attempt("the same instance again", "create -f -", copy),
        ],
    );
    let names = || john.kubectl(&["get", "pods", "-n", &ns, "-o", "name"]).ok().stdout;
    eventually("both run, and nothing else", SOON, || {
        let shown = john.cmp(&["get", "cluster", &web]).ok();
        let names = names();
        let both = names == format!("pod/{web}-0-0\npod/{web}-1-0\n");
        if both && shown.stdout.contains("2/2") { Ok(()) } else { Err(format!("{shown}{names}")) }
    });
}

#[test]
fn a_refusal_by_pod_security_is_shown_with_its_reason() {
    let john = shared().user("4", "8Gi");
    let web = running(&john, "web", 5, "100m", "64Mi");
    let ns = format!("{web}-ns");
    let container = |more: Value| {
        let mut container = json!({ "name": "instance", "image": "x" });
        container.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        container
    };
    let privileged = json!({ "securityContext": { "privileged": true } });
    let rows = [
        (json!({ "containers": [container(privileged.clone())] }), "privileged"),
        (
            json!({ "initContainers": [{ "name": "first", "image": "x", "securityContext": privileged["securityContext"] }] }),
            "privileged",
        ),
        (
            json!({ "containers": [container(json!({ "ports": [{ "containerPort": 80, "hostPort": 80 }] }))] }),
            "hostPort",
        ),
        (json!({ "hostNetwork": true }), "host namespaces"),
        (json!({ "serviceAccountName": "other" }), "serviceaccount \"other\" not found"),
    ];
    for (at, (spec, _)) in rows.iter().enumerate() {
        let patch = json!({ "spec": { "template": { "spec": spec } } }).to_string();
        john.kubectl(&["patch", "statefulset", &format!("{web}-{at}"), "-n", &ns, "--type=merge", "-p", &patch]).ok();
    }
    eventually("each says why it does not run", SOON, || {
        let shown = john.cmp(&["get", "instances", "--in", &web, "-o", "wide", "--no-headers"]).ok();
        let missing = rows.iter().enumerate().find(|(at, (_, reason))| {
            let line = shown.stdout.lines().find(|line| line.starts_with(&format!("{web}-{at} ")));
            !line.is_some_and(|line| line.contains(reason))
        });
        missing.map_or(Ok(()), |(at, (_, reason))| Err(format!("{web}-{at}: {reason:?} in\n{shown}")))
    });
    john.cmp(&["describe", "instance", &format!("{web}-0")]).ok().says("FailedCreate").says("privileged");
    let names = john.kubectl(&["get", "pods", "-n", &ns, "-o", "name"]).ok();
    assert_eq!(names.stdout, "", "none of them runs");
}
