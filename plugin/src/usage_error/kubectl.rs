//! The nouns and verbs of kubectl that this plugin does not have.

/// Verbs of kubectl that take every type.
const WITH_A_TYPE: [&str; 7] = ["annotate", "delete", "describe", "edit", "get", "label", "wait"];

/// Verbs of kubectl that take some types.
const WITH_SOME_TYPES: [(&str, &[&str]); 4] = [
    (
        "create",
        &[
            "clusterrolebindings",
            "clusterroles",
            "configmaps",
            "cronjobs",
            "deployments",
            "ingresses",
            "jobs",
            "namespaces",
            "poddisruptionbudgets",
            "priorityclasses",
            "rolebindings",
            "roles",
            "secrets",
            "serviceaccounts",
            "services",
        ],
    ),
    ("rollout restart", &["daemonsets", "deployments", "statefulsets"]),
    ("scale", &["deployments", "replicasets", "statefulsets"]),
    ("top", &["nodes", "pods"]),
];

/// Verbs of kubectl that take other words than types.
const WITH_WORDS: [(&str, &[&str]); 2] = [
    ("rollout", &["history", "pause", "resume", "status", "undo"]),
    ("set", &["env", "image", "resources", "selector", "serviceaccount", "subject"]),
];

/// Verbs of kubectl that take an object, with a Pod as the default type.
const INTO_A_POD: [&str; 4] = ["attach", "exec", "logs", "port-forward"];

/// The namespace in a command, if `-n` names none.
const NAMESPACE: &str = "CLUSTER-ns";

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
pub(super) fn is_pod(word: &str) -> bool {
    let of = ["pods", "statefulsets", "virtualmachines"];
    kind(&NAMESPACED, word).is_some_and(|plural| of.contains(&plural)) || ["machine", "machines"].contains(&word)
}

/// Returns the command of kubectl for one of its types, if kubectl has both the verb and the type.
pub(super) fn command(verb: &str, word: &str, namespace: Option<&str>) -> Option<String> {
    let word = word.split(['/', ',', '.']).next().unwrap_or_default();
    if WITH_WORDS.iter().any(|(with, words)| *with == verb && words.contains(&word)) {
        return Some(format!("kubectl {verb} {word}"));
    }
    of_type(verb, word, word, namespace)
}

/// Returns the command of kubectl for one of its objects, such as `pod/web-0-0`, in the place of a name.
pub(super) fn command_for_object(verb: &str, object: &str, namespace: Option<&str>) -> Option<String> {
    let (word, _) = object.split_once('/').filter(|(_, name)| !name.is_empty())?;
    if INTO_A_POD.contains(&verb) {
        kind(&NAMESPACED, word)?;
        return Some(format!("kubectl {verb} {object} -n {}", namespace.unwrap_or(NAMESPACE)));
    }
    of_type(verb, word, object, namespace)
}

/// Returns the command for `what`, which is the word for a type, or an object of it.
fn of_type(verb: &str, word: &str, what: &str, namespace: Option<&str>) -> Option<String> {
    let (kind, is_namespaced) = match kind(&OF_THE_CLUSTER, word) {
        Some(kind) => (kind, false),
        None => (kind(&NAMESPACED, word)?, true),
    };
    // The output of `export` is that of kubectl's `get`.
    let (verb, flags) = if verb == "export" { ("get", " -o yaml") } else { (verb, "") };
    let some = WITH_SOME_TYPES.iter().find(|(with, _)| *with == verb).map(|(_, kinds)| *kinds);
    if !WITH_A_TYPE.contains(&verb) && !some.is_some_and(|kinds| kinds.contains(&kind)) {
        return None;
    }
    let place = if is_namespaced { format!(" -n {}", namespace.unwrap_or(NAMESPACE)) } else { String::new() };
    Some(format!("kubectl {verb} {what}{place}{flags}"))
}

/// Returns the plural of the type that a word stands for.
fn kind(kinds: &[&'static [&'static str]], word: &str) -> Option<&'static str> {
    kinds.iter().find(|words| words.contains(&word)).and_then(|words| words.first()).copied()
}
