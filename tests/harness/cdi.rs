//! CDI in a control plane: its definitions, and the rights of its controller. The controller itself is simulated
//! (`virt-handler/cdi.rs`).
//!
//! CDI's API module contains no definitions. These have its names, versions and subresources, and accept any field.
//! KubeVirt finds CDI by them.

use serde_json::{Value, json};

/// The username of CDI's controller.
pub const CONTROLLER: &str = "system:serviceaccount:cdi:cdi-sa";
/// The groups of CDI's controller.
pub const GROUPS: [&str; 3] = ["system:serviceaccounts", "system:serviceaccounts:cdi", "system:authenticated"];

/// The kinds that KubeVirt watches, and whether they are in Namespaces.
const KINDS: [(&str, bool); 5] =
    [("DataVolume", true), ("DataSource", true), ("StorageProfile", false), ("CDIConfig", false), ("CDI", false)];

/// Returns the definitions of CDI, and the rights of its controller.
pub fn objects() -> Value {
    let rights = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": "cdi" },
        "rules": [
            { "apiGroups": ["cdi.kubevirt.io"], "resources": ["*"], "verbs": ["*"] },
            { "apiGroups": [""], "resources": ["persistentvolumeclaims"],
                "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"] },
        ],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "cdi" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cdi" },
        "subjects": [{ "kind": "ServiceAccount", "namespace": "cdi", "name": "cdi-sa" }],
    });
    let definitions = KINDS.into_iter().map(|(kind, namespaced)| definition(kind, namespaced));
    json!({ "apiVersion": "v1", "kind": "List", "items": definitions.chain([rights, binding]).collect::<Vec<_>>() })
}

fn definition(kind: &str, namespaced: bool) -> Value {
    let singular = kind.to_lowercase();
    let any = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{singular}s.cdi.kubevirt.io") },
        "spec": {
            "group": "cdi.kubevirt.io",
            "scope": if namespaced { "Namespaced" } else { "Cluster" },
            "names": { "kind": kind, "listKind": format!("{kind}List"), "plural": format!("{singular}s"), "singular": singular },
            "versions": [{
                "name": "v1beta1", "served": true, "storage": true, "subresources": { "status": {} },
                "schema": { "openAPIV3Schema": { "type": "object", "properties": { "spec": any, "status": any } } },
            }],
        },
    })
}
