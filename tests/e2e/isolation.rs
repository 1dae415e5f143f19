//! Objects around a cluster in its Namespace. docs/NAMESPACE_ISOLATION.md describes the purpose of each part.

use serde_json::{Value, json};

use crate::support::{running, shared};

#[test]
fn the_namespace_of_a_cluster_has_its_fences() {
    let (user, other) = (shared().user("4", "8Gi"), shared().user("4", "8Gi"));
    let name = running(&user, "web", 2, "1", "1Gi");
    let ns = format!("{name}-ns");
    let get = |what: &str| user.admin(&["get", what, "-n", &ns, "-o", "json"]).ok().json();
    let labels = &get(&format!("namespace/{ns}"))["metadata"]["labels"];
    assert_eq!(labels["kubectl-cmp.dev/owner"], user.name);
    assert_eq!(labels["pod-security.kubernetes.io/enforce"], "baseline");

    let policy = &get("networkpolicy/cmp")["spec"];
    assert_eq!((&policy["podSelector"], &policy["policyTypes"]), (&json!({}), &json!(["Ingress"])));
    assert_eq!(policy["ingress"], json!([{ "from": [{ "podSelector": {} }] }]));

    let hard = &get("resourcequota/cmp")["status"]["hard"];
    for (resource, amount) in [
        ("limits.cpu", "2"),
        ("limits.memory", "2Gi"),
        ("requests.storage", "0"),
        ("services.loadbalancers", "0"),
        ("services.nodeports", "0"),
    ] {
        assert_eq!(hard[resource], amount, "{resource}: {hard}");
    }
    let limits = get("limitrange/cmp")["spec"]["limits"].clone();
    let of_pods = limits.as_array().unwrap().iter().find(|limit| limit["type"] == "Pod").unwrap();
    assert_eq!(of_pods["max"], json!({ "cpu": "1", "ephemeral-storage": "40Gi", "memory": "1Gi" }));

    let bindings = get("rolebindings")["items"].clone();
    let subjects: Vec<&Value> =
        bindings.as_array().unwrap().iter().flat_map(|one| one["subjects"].as_array().unwrap()).collect();
    assert_eq!(subjects, [&json!({ "kind": "ServiceAccount", "name": user.name, "namespace": "cmp-users" })]);

    // Pods have no identity: no token is mounted, and the ServiceAccount has no rights, not even here.
    assert_eq!(get("serviceaccount/default")["automountServiceAccountToken"], false);
    let pod = get(&format!("pod/{name}-0-0"));
    assert!(!pod["spec"]["volumes"].to_string().contains("token"), "{pod}");
    let of_pod = format!("--as=system:serviceaccount:{ns}:default");
    let may = |namespace: &str, who: &str, what: [&str; 2]| {
        user.admin(&["auth", "can-i", what[0], what[1], "-n", namespace, who]).code == 0
    };
    for what in [["get", "pods"], ["get", "secrets"], ["create", "pods"], ["get", "configmaps"]] {
        assert!(!may(&ns, &of_pod, what), "{what:?}");
    }
    // The ServiceAccount of a neighbour has no rights either.
    let theirs = format!("{}-ns", running(&other, "web", 1, "1", "1Gi"));
    for what in [["get", "pods"], ["list", "services"], ["create", "pods"]] {
        assert!(!may(&theirs, &of_pod, what), "{what:?}");
        assert!(!may(&theirs, &format!("--as=system:serviceaccount:cmp-users:{}", user.name), what), "{what:?}");
    }
    assert!(may(&ns, &format!("--as=system:serviceaccount:cmp-users:{}", user.name), ["get", "pods"]));
}
