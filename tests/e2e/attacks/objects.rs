//! Attempts of John with all other objects in his Namespaces, and in those of others.

use cmp_tests::Kubernetes;
use serde_json::{Value, json};

use super::table::{allowed, attempt, cannot_scale, refused};
use crate::support::{running, shared};

#[test]
fn attacks_with_other_objects_are_refused() {
    let john = shared().user("4", "8Gi");
    let ns = format!("{}-ns", running(&john, "web", 1, "1", "1Gi"));
    let object = |version: &str, kind: &str, more: Value| {
        let mut object = json!({ "apiVersion": version, "kind": kind, "metadata": { "name": "x", "namespace": ns } });
        for (key, value) in more.as_object().unwrap() {
            if key == "metadata" {
                object["metadata"].as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
            } else {
                object[key] = value.clone();
            }
        }
        object
    };
    let create = "create --validate=false -f -";
    let claim = |storage: &str, metadata: Value| {
        object(
            "v1",
            "PersistentVolumeClaim",
            json!({ "metadata": metadata,
            "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": storage } } } }),
        )
    };
    let finalizers = json!({ "metadata": { "finalizers": ["kubernetes.io/pvc-protection"] } });
    let owners = json!({ "metadata": { "ownerReferences": [{ "apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "b" }] } });
    let stays = "metadata.finalizers are not allowed for users";
    let goes = "metadata.ownerReferences are not allowed for users";
    let cannot = "cannot create resource";
    let ports = json!([{ "port": 80 }]);
    allowed(
        &john.kubeconfig,
        &[
            attempt("a ConfigMap", create, object("v1", "ConfigMap", json!({ "metadata": { "name": "fine" } }))),
            attempt(
                "a Service",
                create,
                object("v1", "Service", json!({ "metadata": { "name": "fine" }, "spec": { "ports": ports } })),
            ),
            attempt(
                "labels of ours on his own, which nobody believes",
                create,
                object(
                    "v1",
                    "ConfigMap",
                    json!({ "metadata": { "name": "forged",
                "labels": { "kubectl-cmp.dev/account": "true", "kubectl-cmp.dev/owner": "mary", "kubectl-cmp.dev/cluster": "other" } } }),
                ),
            ),
            attempt("a Secret", create, object("v1", "Secret", json!({ "metadata": { "name": "fine" } }))),
        ],
    );
    let service = format!("patch service fine -n {ns} --type=merge");
    refused(
        &john.kubeconfig,
        &[
            // Finalizers and owners that keep the Namespace from being deleted, or let others delete objects.
            (
                attempt(
                    "a ConfigMap that stays",
                    create,
                    object("v1", "ConfigMap", json!({ "metadata": { "finalizers": ["example.com/held"] } })),
                ),
                stays,
            ),
            (
                attempt(
                    "a ConfigMap that stays by the finalizer of claims",
                    create,
                    object("v1", "ConfigMap", finalizers.clone()),
                ),
                stays,
            ),
            (attempt("a Secret that stays", create, object("v1", "Secret", finalizers.clone())), stays),
            (attempt("a Service that stays", format!("{service} --dry-run=none"), finalizers.clone()), stays),
            (
                attempt(
                    "a StatefulSet that stays",
                    format!("patch statefulset {}-0 -n {ns} --type=merge", ns.trim_end_matches("-ns")),
                    finalizers.clone(),
                ),
                stays,
            ),
            (
                attempt(
                    "a claim that stays",
                    create,
                    claim("1", json!({ "finalizers": ["kubernetes.io/pvc-protection", "example.com/held"] })),
                ),
                stays,
            ),
            (attempt("a ConfigMap of another's", create, object("v1", "ConfigMap", owners.clone())), goes),
            (attempt("a Service of another's", &service, owners), goes),
            // Amounts beyond the bounds.
            (
                attempt("a disk without quota", create, claim("1Gi", json!({}))),
                "exceeded quota: cmp, requested: requests.storage=1Gi",
            ),
            // Traffic of others.
            (
                attempt("an address that others use", &service, json!({ "spec": { "externalIPs": ["192.0.2.1"] } })),
                "spec.externalIPs are not allowed for users",
            ),
            (
                attempt(
                    "a name that leads elsewhere",
                    &service,
                    json!({ "spec": { "type": "ExternalName", "externalName": "example.com" } }),
                ),
                "spec.type ExternalName is not allowed for users",
            ),
            (
                attempt("a load balancer", &service, json!({ "spec": { "type": "LoadBalancer" } })),
                "exceeded quota: cmp, requested: services.loadbalancers=1",
            ),
            (
                attempt("a port of every node", &service, json!({ "spec": { "type": "NodePort" } })),
                "exceeded quota: cmp, requested: services.nodeports=1",
            ),
            (
                attempt(
                    "the status of a Service",
                    format!("{service} --subresource=status"),
                    json!({ "status": { "loadBalancer": { "ingress": [{ "ip": "192.0.2.1" }] } } }),
                ),
                "resource \"services/status\"",
            ),
            (
                attempt(
                    "the API server as a way to a Service",
                    format!("get --raw /api/v1/namespaces/{ns}/services/fine/proxy/"),
                    Value::Null,
                ),
                "cannot get resource \"services/proxy\"",
            ),
            (
                attempt(
                    "an EndpointSlice",
                    create,
                    object("discovery.k8s.io/v1", "EndpointSlice", json!({ "addressType": "IPv4", "endpoints": [] })),
                ),
                cannot,
            ),
            (attempt("Endpoints", create, object("v1", "Endpoints", json!({}))), cannot),
            (
                attempt(
                    "an Ingress",
                    create,
                    object(
                        "networking.k8s.io/v1",
                        "Ingress",
                        json!({ "spec": { "defaultBackend": { "service": { "name": "a", "port": { "number": 80 } } } } }),
                    ),
                ),
                cannot,
            ),
            (
                attempt(
                    "a NetworkPolicy",
                    create,
                    object("networking.k8s.io/v1", "NetworkPolicy", json!({ "spec": { "podSelector": {} } })),
                ),
                cannot,
            ),
            // Kinds that are not allowed for users, whether the cluster has them or not.
            (
                attempt(
                    "a Gateway",
                    format!("auth can-i create gateways.gateway.networking.k8s.io -n {ns}"),
                    Value::Null,
                ),
                "doesn't have a resource type",
            ),
            (
                attempt(
                    "a PodDisruptionBudget, which holds up drains",
                    create,
                    object("policy/v1", "PodDisruptionBudget", json!({ "spec": { "minAvailable": 1 } })),
                ),
                cannot,
            ),
            (attempt("a Lease", create, object("coordination.k8s.io/v1", "Lease", json!({}))), cannot),
            (
                attempt("an Event", create, object("v1", "Event", json!({ "involvedObject": { "namespace": ns } }))),
                cannot,
            ),
            (
                attempt(
                    "a claim of devices",
                    create,
                    object("resource.k8s.io/v1", "ResourceClaim", json!({ "spec": {} })),
                ),
                Kubernetes::expects("no matches for kind \"ResourceClaim\"", cannot),
            ),
            (
                attempt(
                    "a snapshot",
                    format!("auth can-i create volumesnapshots.snapshot.storage.k8s.io -n {ns}"),
                    Value::Null,
                ),
                "doesn't have a resource type",
            ),
            // Identities of others.
            (
                attempt(
                    "a Secret that becomes a token",
                    create,
                    object(
                        "v1",
                        "Secret",
                        json!({ "type": "kubernetes.io/service-account-token", "metadata": { "annotations": { "kubernetes.io/service-account.name": "default" } } }),
                    ),
                ),
                "service-account-token are not allowed for users",
            ),
            (attempt("a ServiceAccount", create, object("v1", "ServiceAccount", json!({}))), cannot),
            (attempt("the token of one", format!("create token default -n {ns}"), Value::Null), cannot),
            (
                attempt(
                    "a certificate",
                    create,
                    json!({ "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": { "name": "x" }, "spec": { "request": "", "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"] } }),
                ),
                cannot,
            ),
            (
                attempt("being somebody else", "get configmaps -n kube-system --as=mary", Value::Null),
                "cannot impersonate",
            ),
            (
                attempt(
                    "being in a group",
                    "get configmaps -n kube-system --as=mary --as-group=system:masters",
                    Value::Null,
                ),
                "cannot impersonate",
            ),
            (attempt("a Role", create, object("rbac.authorization.k8s.io/v1", "Role", json!({ "rules": [] }))), cannot),
            (
                attempt(
                    "a priority of his own",
                    create,
                    json!({ "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": { "name": "x" }, "value": 1 }),
                ),
                cannot,
            ),
            (
                attempt(
                    "a runtime of his own",
                    create,
                    json!({ "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": { "name": "x" }, "handler": "x" }),
                ),
                cannot,
            ),
        ],
    );
    // A claim without a foreign finalizer, or with that of the API server, is only a matter of amounts.
    let many = |kind: &str| {
        let items: Vec<Value> = (0..110)
            .map(|at| {
                object(
                    "v1",
                    kind,
                    json!({ "metadata": { "name": format!("m{at}") }, "spec": { "ports": [{ "port": 80 }] } }),
                )
            })
            .collect();
        json!({ "apiVersion": "v1", "kind": "List", "items": items })
    };
    let full = |kind: &str| format!("requested: count/{kind}=1, used: count/{kind}=100, limited: count/{kind}=100");
    refused(
        &john.kubeconfig,
        &[
            (attempt("one ConfigMap more than a hundred", create, many("ConfigMap")), &full("configmaps")),
            (attempt("one Secret more", create, many("Secret")), &full("secrets")),
        ],
    );
}

#[test]
fn a_disk_is_one_of_the_size() {
    let john = shared().user("4", "8Gi");
    john.admin(&["cmp", "set", "quota", &john.name, "--resource", "storage=3Gi"]).ok();
    let web = john.cluster("web");
    let create = ["--cpu", "1", "--memory", "1Gi", "--resource", "storage=1Gi", "--count", "2", "--wait"];
    john.cmp(&[["create", "cluster", &web].as_slice(), &create].concat()).ok();
    let ns = format!("{web}-ns");
    let claim = |name: &str, storage: &str| {
        json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": name, "namespace": ns },
            "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": storage } } } })
    };
    refused(
        &john.kubeconfig,
        &[(
            attempt("a disk larger than the size", "create -f -", claim("a", "2Gi")),
            "maximum storage usage per PersistentVolumeClaim is 1Gi",
        )],
    );
    allowed(
        &john.kubeconfig,
        &[attempt("a disk", "create -f -", claim("b", "1Gi")), attempt("another", "create -f -", claim("c", "1Gi"))],
    );
    refused(
        &john.kubeconfig,
        &[(
            attempt("a third of two", "create -f -", claim("d", "1Gi")),
            "exceeded quota: cmp, requested: requests.storage=1Gi, used: requests.storage=2Gi",
        )],
    );
    john.cmp(&["create", "cluster", &john.cluster("db"), "--cpu", "1", "--memory", "1Gi", "--resource", "storage=2Gi"])
        .fails()
        .says("requested: storage=2Gi, used: storage=2Gi, limited: storage=3Gi");
    // None of these objects blocks the deletion.
    john.cmp(&["delete", "cluster", &web, "--yes", "--wait"]).ok();
}

#[test]
fn an_operator_with_rights_on_namespaces_forges_no_cluster() {
    let john = shared().user("4", "8Gi");
    let ns = format!("{}-ns", running(&john, "web", 1, "1", "1Gi"));
    let operator = format!("operator-{}", john.name);
    john.admin(&["create", "serviceaccount", &operator, "-n", "default"]).ok();
    let resources = "namespaces,namespaces/status,namespaces/finalize";
    john.admin(&[
        "create",
        "clusterrole",
        &operator,
        "--verb=get,list,create,update,patch,delete",
        "--resource",
        resources,
    ])
    .ok();
    let binding = ["create", "clusterrolebinding", &operator, "--clusterrole", &operator];
    john.admin(&[binding.as_slice(), &[&format!("--serviceaccount=default:{operator}")]].concat()).ok();
    let plane = &john.installation.plane;
    let token = john.admin(&["create", "token", &operator, "-n", "default"]).ok();
    let kubeconfig = plane.kubeconfig_for(&operator, token.stdout.trim());
    let path = |name: &str, sub: &str| format!("/api/v1/namespaces/{name}/{sub}");
    let with = |name: &str, change: &dyn Fn(&mut Value)| {
        let mut namespace = john.admin(&["get", "namespace", name, "-o", "json"]).ok().json();
        change(&mut namespace["metadata"]);
        namespace
    };
    let mine = |metadata: &mut Value| metadata["labels"]["kubectl-cmp.dev/owner"] = "eve".into();
    let stripped = |metadata: &mut Value| {
        metadata["labels"].as_object_mut().unwrap().remove("kubectl-cmp.dev/owner");
    };
    let more = |metadata: &mut Value| metadata["annotations"]["kubectl-cmp.dev/count"] = "99".into();
    let by_hand = "only cmp-webhook writes the labels and annotations of kubectl-cmp.dev on Namespaces";
    let put = |name: &str, sub: &str| format!("replace --raw {} -f -", path(name, sub));
    let patch = |name: &str, sub: &str| format!("patch namespace {name} --type=merge --subresource={sub}");
    let label = json!({ "metadata": { "labels": { "kubectl-cmp.dev/owner": "eve" } } });
    refused(
        &kubeconfig,
        &[
            (attempt("kube-system as somebody's", "patch namespace kube-system --type=merge", label.clone()), by_hand),
            (attempt("the same through its status", patch("kube-system", "status"), label.clone()), by_hand),
            (attempt("by PUT of its status", put("kube-system", "status"), with("kube-system", &mine)), by_hand),
            (attempt("by PUT of finalize", put("kube-system", "finalize"), with("kube-system", &mine)), by_hand),
            (attempt("another owner", put(&ns, "status"), with(&ns, &mine)), by_hand),
            (attempt("another owner through finalize", put(&ns, "finalize"), with(&ns, &mine)), by_hand),
            (attempt("no owner", put(&ns, "status"), with(&ns, &stripped)), by_hand),
            (attempt("no owner through finalize", put(&ns, "finalize"), with(&ns, &stripped)), by_hand),
            (attempt("a higher count", put(&ns, "status"), with(&ns, &more)), by_hand),
            (attempt("a higher count through finalize", put(&ns, "finalize"), with(&ns, &more)), by_hand),
            (
                attempt(
                    "a larger size",
                    format!("annotate namespace {ns} --overwrite kubectl-cmp.dev/size=cpu=64,memory=64Gi"),
                    Value::Null,
                ),
                by_hand,
            ),
            (
                attempt(
                    "a Namespace of ours",
                    "create -f -",
                    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "forged-ns", "labels": { "kubectl-cmp.dev/owner": "eve" } } }),
                ),
                by_hand,
            ),
            (
                attempt("taking away all accounts", "delete namespace cmp-users", Value::Null),
                "cmp-users contains all accounts",
            ),
        ],
    );
    allowed(
        &kubeconfig,
        &[
            attempt("labels of others", format!("label namespace {ns} team=red"), Value::Null),
            attempt(
                "through its status",
                patch(&ns, "status"),
                json!({ "metadata": { "labels": { "team": "blue" } } }),
            ),
        ],
    );
}

#[test]
fn attacks_on_a_foreign_namespace_are_refused() {
    let (john, mary) = (shared().user("4", "8Gi"), shared().user("4", "8Gi"));
    let web = running(&mary, "web", 1, "1", "1Gi");
    let (ns, one) = (format!("{web}-ns"), format!("{web}-0"));
    let merge = json!({ "spec": { "replicas": 0 } });
    let create = |kind: &str| json!({ "apiVersion": if kind == "StatefulSet" { "apps/v1" } else { "v1" }, "kind": kind, "metadata": { "name": one, "namespace": ns } });
    let mut rows = vec![
        (
            attempt("switching off", format!("scale statefulset {one} -n {ns} --replicas=0"), Value::Null),
            cannot_scale(),
        ),
        (
            attempt("the same by patch", format!("patch statefulset {one} -n {ns} --type=merge"), merge.clone()),
            "cannot get resource",
        ),
        (
            attempt("the scale", format!("patch statefulset {one} -n {ns} --type=merge --subresource=scale"), merge),
            "cannot get resource",
        ),
        (attempt("deleting", format!("delete statefulset {one} -n {ns}"), Value::Null), "cannot delete resource"),
        (attempt("what it says", format!("logs {one}-0 -n {ns}"), Value::Null), "cannot get resource"),
        (attempt("going in", format!("attach {one}-0 -n {ns}"), Value::Null), "cannot get resource"),
        (attempt("a port", format!("port-forward {one}-0 -n {ns} 0:80"), Value::Null), "cannot get resource"),
        (attempt("its bounds", format!("get resourcequotas,limitranges -n {ns}"), Value::Null), "cannot list resource"),
        (
            attempt("everything in every Namespace", "get pods,services,configmaps -A", Value::Null),
            "cannot list resource",
        ),
    ];
    for kind in ["StatefulSet", "Service", "ConfigMap", "Secret", "PersistentVolumeClaim"] {
        rows.push((attempt("making one", "create --validate=false -f -", create(kind)), "cannot create resource"));
    }
    refused(&john.kubeconfig, &rows);
    allowed(
        &mary.kubeconfig,
        &[attempt("what is mary's, by mary", format!("scale statefulset {one} -n {ns} --replicas=0"), Value::Null)],
    );
}
