//! The nouns and verbs of kubectl that this plugin does not have.

/// Verbs of kubectl that take a type.
const WITH_A_TYPE: [&str; 10] =
    ["annotate", "create", "delete", "describe", "edit", "get", "label", "rollout", "scale", "wait"];

/// Verbs of kubectl that have no counterpart here.
const VERBS: [&str; 18] = [
    "api-resources",
    "api-versions",
    "auth",
    "certificate",
    "cluster-info",
    "config",
    "cordon",
    "debug",
    "diff",
    "drain",
    "explain",
    "expose",
    "kustomize",
    "patch",
    "proxy",
    "replace",
    "taint",
    "uncordon",
];

/// Types of objects in namespaces: plural, singular and short names.
const NAMESPACED: [&[&str]; 25] = [
    &["configmaps", "configmap", "cm"],
    &["controllerrevisions", "controllerrevision"],
    &["cronjobs", "cronjob", "cj"],
    &["daemonsets", "daemonset", "ds"],
    &["deployments", "deployment", "deploy"],
    &["endpoints", "ep"],
    &["endpointslices", "endpointslice"],
    &["horizontalpodautoscalers", "horizontalpodautoscaler", "hpa"],
    &["ingresses", "ingress", "ing"],
    &["jobs", "job"],
    &["leases", "lease"],
    &["limitranges", "limitrange", "limits"],
    &["networkpolicies", "networkpolicy", "netpol"],
    &["persistentvolumeclaims", "persistentvolumeclaim", "pvc"],
    &["poddisruptionbudgets", "poddisruptionbudget", "pdb"],
    &["pods", "pod", "po"],
    &["replicasets", "replicaset", "rs"],
    &["resourcequotas", "resourcequota"],
    &["rolebindings", "rolebinding"],
    &["roles", "role"],
    &["secrets", "secret"],
    &["serviceaccounts", "serviceaccount", "sa"],
    &["services", "service", "svc"],
    &["statefulsets", "statefulset", "sts"],
    &[
        "virtualmachines",
        "virtualmachine",
        "vm",
        "vms",
        "virtualmachineinstances",
        "virtualmachineinstance",
        "vmi",
        "vmis",
    ],
];

/// Types of objects that are in no namespace.
const OF_THE_CLUSTER: [&[&str]; 9] = [
    &["clusterrolebindings", "clusterrolebinding"],
    &["clusterroles", "clusterrole"],
    &["customresourcedefinitions", "customresourcedefinition", "crd", "crds"],
    &["namespaces", "namespace", "ns"],
    &["nodes", "node", "no"],
    &["persistentvolumes", "persistentvolume", "pv"],
    &["priorityclasses", "priorityclass", "pc"],
    &["storageclasses", "storageclass", "sc"],
    &["volumeattachments", "volumeattachment"],
];

/// Reports whether this is a verb of kubectl without a counterpart here.
pub(super) fn is_verb(word: &str) -> bool {
    VERBS.contains(&word)
}

/// Reports whether a type of kubectl is what instances consist of.
pub(super) fn is_instance(word: &str) -> bool {
    let of = ["pods", "statefulsets", "virtualmachines"];
    kind(&NAMESPACED, word).is_some_and(|plural| of.contains(&plural)) || ["machine", "machines"].contains(&word)
}

/// Returns the command of kubectl for one of its types, if kubectl has both the verb and the type.
pub(super) fn command(verb: &str, word: &str, namespace: Option<&str>) -> Option<String> {
    if !WITH_A_TYPE.contains(&verb) {
        return None;
    }
    let word = word.split(['/', ',', '.']).next().unwrap_or_default();
    if kind(&OF_THE_CLUSTER, word).is_some() {
        return Some(format!("kubectl {verb} {word}"));
    }
    kind(&NAMESPACED, word)?;
    Some(format!("kubectl {verb} {word} -n {}", namespace.unwrap_or("CLUSTER-ns")))
}

/// Returns the plural of the type that a word stands for.
fn kind(kinds: &[&'static [&'static str]], word: &str) -> Option<&'static str> {
    kinds.iter().find(|words| words.contains(&word)).and_then(|words| words.first()).copied()
}
