//! Every field of every kind that cmp-webhook may write, tried with its stolen token.
//!
//! The kinds come from its roles, the fields from the API server's OpenAPI document. Each attempt is a server-side dry
//! run. It has to be refused, or to change nothing, unless the table below allows it and gives the reason.

use std::collections::{BTreeMap, BTreeSet};

use cmp_tests::{World, control_plane, eventually};
use futures::StreamExt;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Map, Value, json};

use crate::support::{SOON, running, shared};

/// The number of attempts in flight.
const AT_ONCE: usize = 16;

/// The fields that may be written, by resource and path, each with its reason. A `*` stands for any rest of the path.
const ALLOWED: &[(&str, &str, &str)] = &[
    ("namespaces", "metadata.annotations[kubectl-cmp.dev/count]", "how many instances are open"),
    ("namespaces", "metadata.annotations[kubectl-cmp.dev/size]", "the size that the policies go by"),
    ("namespaces", "metadata.annotations[kubectl-cmp.dev/released]", "the cluster gave its quota back"),
    ("namespaces", "metadata.annotations[kubectl-cmp.dev/reserved]", "what is held beyond what is open"),
    ("namespaces", "metadata.annotations[kubectl-cmp.dev/ready]", "the Namespace was ready once"),
    ("namespaces", "metadata.annotations[kubectl-cmp.dev/fence]", "the mark of the write"),
    ("namespaces (create)", "metadata.annotations", "a Namespace without count and size is open for nothing"),
    ("namespaces (create)", "metadata.annotations[kubectl-cmp.dev/audiences]", "what the template grants, once"),
    ("namespaces (create)", "metadata.annotations[kubectl-cmp.dev/volumes]", "what the template grants, once"),
    ("namespaces (create)", "metadata.annotations[kubectl-cmp.dev/networks]", "what the template grants, once"),
    ("namespaces (create)", "metadata.annotations[kubectl-cmp.dev/machine]", "what the template grants, once"),
    ("namespaces (create)", "metadata.annotations[kubectl-cmp.dev/priority-class]", "what the template grants, once"),
    ("namespaces (create)", "metadata.annotations[kubectl-cmp.dev/runtime-class]", "what the template grants, once"),
    ("namespaces (create)", "metadata.annotations[kubectl-cmp.dev/scheduler]", "what the template grants, once"),
    ("namespaces (create)", "metadata.annotations[kubectl-cmp.dev/tolerations]", "what the template grants, once"),
    ("namespaces (create)", "metadata.labels[app.kubernetes.io/managed-by]", "nothing goes by it"),
    ("namespaces (create)", "metadata.labels[pod-security.kubernetes.io/warn]", "a warning, and no rule"),
    ("resourcequotas", "spec*", "how much may run in a cluster"),
    ("limitranges", "spec*", "the size of an instance"),
    ("networkpolicies", "spec*", "who may reach the instances of a cluster"),
    ("resourcequotas", "metadata.annotations[kubectl-cmp.dev/fence]", "the mark of the write"),
    ("limitranges", "metadata.annotations[kubectl-cmp.dev/fence]", "the mark of the write"),
    ("secrets", "data*", "the certificate"),
    ("secrets", "stringData*", "the certificate"),
    ("secrets", "type", "nothing but Opaque passes"),
    ("secrets", "metadata.annotations", "what is in the certificate"),
    ("secrets", "metadata.annotations[kubectl-cmp.dev/names]", "what is in the certificate"),
    ("secrets", "metadata.annotations[kubectl-cmp.dev/renew-at]", "what is in the certificate"),
    ("secrets", "metadata.annotations[kubectl-cmp.dev/ends-at]", "what is in the certificate"),
    ("secrets", "metadata.annotations[kubectl-cmp.dev/ca-ends-at]", "what is in the certificate"),
    ("rolebindings (create)", "roleRef.apiGroup", "the API server fills it in"),
    ("rolebindings (create)", "subjects[].apiGroup", "the API server fills it in"),
    ("validatingwebhookconfigurations", "webhooks[].clientConfig.caBundle", "the authority of its certificate"),
    ("events", "deprecated*", "nothing goes by it"),
    ("configmaps", "data[blocked.*", "why a cluster does not go on"),
    ("configmaps", "data[held.*", "what is held"),
    ("configmaps", "data[refused.*", "why a want was taken back"),
    ("configmaps", "data[scheduled.*", "what a schedule did"),
    ("configmaps", "data[delete.*", "a cluster is gone"),
    ("configmaps", "data[settled]", "the Namespaces were looked up"),
    ("statefulsets", "spec.replicas", "a schedule switches instances off and on"),
    ("statefulsets", "metadata.labels[kubectl-cmp.dev/asked]", "the state that the schedule asks for"),
    ("statefulsets", "metadata.annotations[kubectl-cmp.dev/suspended-by]", "the schedule that suspends"),
];

/// The fields whose written value has no effect: the API server fills them in itself, or nobody reads them.
const IDLE: &[&str] = &[
    "metadata.creationTimestamp",
    "metadata.deletionGracePeriodSeconds",
    "metadata.deletionTimestamp",
    "metadata.generateName",
    "metadata.generation",
    "metadata.managedFields",
    "metadata.namespace",
    "metadata.resourceVersion",
    "metadata.selfLink",
    "metadata.uid",
    "status",
];

/// Keys that are put into every map of the API: labels, annotations and data.
const KEYS: &[&str] = &[
    "example.com/thief",
    "kubectl-cmp.dev/other",
    "kubectl-cmp.dev/owner",
    "kubectl-cmp.dev/cluster",
    "kubectl-cmp.dev/type",
    "kubectl-cmp.dev/account",
    "kubectl-cmp.dev/count",
    "kubectl-cmp.dev/size",
    "kubectl-cmp.dev/released",
    "kubectl-cmp.dev/reserved",
    "kubectl-cmp.dev/ready",
    "kubectl-cmp.dev/fence",
    "kubectl-cmp.dev/made-for",
    "kubectl-cmp.dev/priority-class",
    "kubectl-cmp.dev/runtime-class",
    "kubectl-cmp.dev/scheduler",
    "kubectl-cmp.dev/tolerations",
    "kubectl-cmp.dev/audiences",
    "kubectl-cmp.dev/volumes",
    "kubectl-cmp.dev/networks",
    "kubectl-cmp.dev/machine",
    "kubectl-cmp.dev/asked",
    "kubectl-cmp.dev/suspended-by",
    "scheduler.alpha.kubernetes.io/node-selector",
    "scheduler.alpha.kubernetes.io/defaultTolerations",
    "openshift.io/sa.scc.uid-range",
    "linkerd.io/inject",
    "istio-injection",
    "pod-security.kubernetes.io/enforce",
    "cert-manager.io/inject-ca-from",
    "admissions.enforcer/disabled",
    "eks.amazonaws.com/role-arn",
    "kubernetes.io/service-account.name",
    "want.thief",
    "held.thief",
    "delete.thief",
    "refused.thief",
    "scheduled.thief",
    "blocked.thief",
    "quota",
    "policy",
    "settled",
    "cpu",
    "thief",
];

/// A step into an object, with the value to put there if the step does not exist.
#[derive(Clone)]
enum Step {
    Key(String, Value),
    Item(Value),
}

/// An attempt: the place of the change, and the changed object.
struct Attempt {
    resource: String,
    path: String,
    verb: &'static str,
    object: Value,
}

/// The result of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// The API server refuses the value from every writer, so the attempt proves nothing.
    Invalid,
    /// The write was stored, and changed nothing.
    WithoutEffect,
    /// RBAC or a policy refused the write.
    Refused,
    /// The write was stored, and changed the object.
    Taken,
}

/// Resolves the reference of a schema.
fn resolved<'a>(schemas: &'a Value, schema: &'a Value) -> &'a Value {
    let of = schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str());
    match of.and_then(|of| of.rsplit('/').next()) {
        Some(name) => resolved(schemas, &schemas[name]),
        None => schema,
    }
}

/// Returns values for a field that is neither an object nor a list.
fn samples(schema: &Value) -> Vec<Value> {
    if let Some(values) = schema["enum"].as_array() {
        return values.clone();
    }
    match (schema["type"].as_str(), schema["format"].as_str()) {
        (Some("boolean"), _) => vec![true.into(), false.into()],
        (Some("integer" | "number"), _) => vec![0.into(), 1.into(), 7.into()],
        (Some("string"), Some("date-time")) => vec!["2026-01-01T00:00:00Z".into()],
        (Some("string"), Some("byte")) => vec!["YQ==".into()],
        (Some("string"), _) => {
            vec!["example.com/thief".into(), "thief".into(), "192.0.2.0/24".into(), "".into()]
        }
        (Some("object"), _) => vec![json!({})],
        // The field is an amount, or a port by number or name.
        _ => vec![1.into(), "1".into()],
    }
}

/// Returns the smallest valid value of a schema: the required fields, and nothing else.
fn example(schemas: &Value, schema: &Value, depth: usize) -> Value {
    let schema = resolved(schemas, schema);
    if schema["type"] == "array" {
        return json!([]);
    }
    if schema["properties"].is_object() || schema["additionalProperties"].is_object() {
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let fields = required.filter(|_| depth > 0).map(|key| {
            let value = match key {
                "apiVersion" => "v1".into(),
                "apiGroup" => "rbac.authorization.k8s.io".into(),
                "protocol" => "TCP".into(),
                _ => example(schemas, &schema["properties"][key], depth - 1),
            };
            (key.to_owned(), value)
        });
        return Value::Object(fields.collect());
    }
    samples(schema).swap_remove(0)
}

/// Collects every field below a schema, with values for it.
fn walk(schemas: &Value, schema: &Value, depth: usize, path: &[Step], found: &mut Vec<(Vec<Step>, Value)>) {
    let schema = resolved(schemas, schema);
    let with = |step: Step| [path, &[step]].concat();
    if depth == 0 {
        found.push((path.to_vec(), example(schemas, schema, 3)));
    } else if let Some(fields) = schema["properties"].as_object() {
        for (key, field) in fields {
            walk(schemas, field, depth - 1, &with(Step::Key(key.clone(), example(schemas, field, 3))), found);
        }
    } else if schema["additionalProperties"].is_object() {
        let value = resolved(schemas, &schema["additionalProperties"]);
        let values = if value["type"] == "string" && value["format"].is_null() {
            vec!["thief".into()]
        } else {
            vec![example(schemas, value, 3)]
        };
        for key in KEYS {
            let path = with(Step::Key((*key).to_owned(), Value::Null));
            found.extend(values.iter().map(|value| (path.clone(), value.clone())));
        }
    } else if schema["type"] == "array" {
        walk(schemas, &schema["items"], depth - 1, &with(Step::Item(example(schemas, &schema["items"], 3))), found);
    } else {
        found.extend(samples(schema).into_iter().map(|value| (path.to_vec(), value)));
    }
}

/// Formats a path for the report: `spec.ports[].port`, `metadata.labels[a]`.
fn shown(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Item(_) => text += "[]",
            Step::Key(key, _) if ["metadata.labels", "metadata.annotations", "data"].contains(&text.as_str()) => {
                text += &format!("[{key}]");
            }
            Step::Key(key, _) if text.is_empty() => text += key,
            Step::Key(key, _) => text += &format!(".{key}"),
        }
    }
    text
}

/// Puts a value at a path. In a list of objects it changes the first, in a list of values it adds one.
fn put(object: &mut Value, path: &[Step], value: &Value) {
    match path.split_first() {
        None => *object = value.clone(),
        Some((Step::Key(key, nothing), rest)) => {
            if !object.is_object() {
                *object = Value::Object(Map::new());
            }
            if object[key].is_null() {
                object[key] = nothing.clone();
            }
            put(&mut object[key], rest, value);
        }
        Some((Step::Item(nothing), rest)) => {
            let items = match object {
                Value::Array(items) => items,
                other => {
                    *other = json!([]);
                    other.as_array_mut().unwrap()
                }
            };
            if items.is_empty() || rest.is_empty() {
                items.push(nothing.clone());
            }
            let at = if rest.is_empty() { items.len() - 1 } else { 0 };
            put(&mut items[at], rest, value);
        }
    }
}

/// Returns copies of an object, each without one of its fields.
fn without(object: &Value) -> Vec<(String, Value)> {
    fn of(whole: &Value, pointer: &str, path: &str, found: &mut Vec<(String, Value)>) {
        let Some(fields) = whole.pointer(pointer).and_then(Value::as_object) else { return };
        for key in fields.keys() {
            let mut less = whole.clone();
            less.pointer_mut(pointer).and_then(Value::as_object_mut).unwrap().remove(key);
            let step = Step::Key(key.clone(), Value::Null);
            let end = shown(std::slice::from_ref(&step));
            let below = match path {
                "" => end,
                "metadata.labels" | "metadata.annotations" | "data" => format!("{path}[{key}]"),
                path => format!("{path}.{end}"),
            };
            found.push((below.clone(), less));
            of(whole, &format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")), &below, found);
        }
    }
    let mut found = Vec::new();
    of(object, "", "", &mut found);
    found.retain(|(path, _)| {
        !["apiVersion", "kind", "metadata"].contains(&path.as_str()) && !IDLE.iter().any(|idle| path.starts_with(idle))
    });
    found
}

/// Returns an object as a client would write it, without the fields that the API server fills in.
fn stripped(object: &Value) -> Value {
    let mut object = object.clone();
    object.as_object_mut().unwrap().remove("status");
    for key in ["managedFields", "resourceVersion", "generation", "uid", "creationTimestamp"] {
        object["metadata"].as_object_mut().unwrap().remove(key);
    }
    object
}

/// A kind that cmp-webhook may write, and one object as its sample.
struct Target {
    resource: &'static str,
    kind: GroupVersionKind,
    namespace: Option<String>,
    name: String,
    /// The identity of a new object for attempts to create it, if the API server does not accept the sample's own name.
    made_as: Option<Value>,
    /// The maximum depth of the tried fields. Deeper parts are tried as one value.
    depth: usize,
}

impl Target {
    fn api(&self, client: &Client) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk_with_plural(&self.kind, self.resource);
        match &self.namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
            None => Api::all_with(client.clone(), &resource),
        }
    }
}

/// Returns the sample object for a resource in a rule of a role.
fn target(john: &World<'_>, [ns, night]: [&str; 2], group: &str, resource: &str) -> Target {
    let of = |resource, kind: &str, namespace: Option<&str>, name: &str| Target {
        resource,
        kind: GroupVersionKind::gvk(group, "v1", kind),
        namespace: namespace.map(str::to_owned),
        name: name.to_owned(),
        made_as: None,
        depth: 8,
    };
    match resource {
        "namespaces" => {
            let new = format!("made-{}", john.name);
            let mut made = of("namespaces", "Namespace", None, ns);
            made.made_as = Some(json!({ "name": format!("{new}-ns"), "cluster": new }));
            made
        }
        "resourcequotas" => of("resourcequotas", "ResourceQuota", Some(ns), "cmp"),
        "limitranges" => of("limitranges", "LimitRange", Some(ns), "cmp"),
        "networkpolicies" => of("networkpolicies", "NetworkPolicy", Some(ns), "cmp"),
        "serviceaccounts" => of("serviceaccounts", "ServiceAccount", Some(ns), "default"),
        "rolebindings" => of("rolebindings", "RoleBinding", Some(ns), "cmp-user"),
        "secrets" => of("secrets", "Secret", Some("cmp-system"), "cmp-webhook-cert"),
        "configmaps" => of("configmaps", "ConfigMap", Some("cmp-users"), &john.name),
        "events" => of("events", "Event", Some("cmp-users"), &format!("told-{}", john.name)),
        "validatingwebhookconfigurations" => {
            of("validatingwebhookconfigurations", "ValidatingWebhookConfiguration", None, "cmp-webhook")
        }
        "statefulsets" => {
            let instance = night.trim_end_matches("-ns");
            Target { depth: 4, ..of("statefulsets", "StatefulSet", Some(night), &format!("{instance}-0")) }
        }
        other => panic!("nobody knows how to try {group}/{other}: add an object that stands for it"),
    }
}

/// Returns the write verbs in cmp-webhook's roles, by group and resource.
fn writable(john: &World<'_>) -> BTreeMap<(String, String), BTreeSet<String>> {
    let mut writable: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    let words = |list: &Value| -> Vec<String> {
        list.as_array().into_iter().flatten().filter_map(|word| word.as_str().map(str::to_owned)).collect()
    };
    for role in [
        &["clusterrole", "cmp-webhook"][..],
        &["clusterrole", "cmp-scheduler"],
        &["role", "cmp-webhook", "-n", "cmp-system"],
        &["role", "cmp-webhook", "-n", "cmp-users"],
        &["role", "cmp-webhook", "-n", "cmp-templates"],
    ] {
        let role = john.admin(&[&["get"], role, &["-o", "json"]].concat()).ok().json();
        for rule in role["rules"].as_array().unwrap() {
            let verbs =
                words(&rule["verbs"]).into_iter().filter(|verb| ["create", "update", "patch"].contains(&&**verb));
            let verbs: Vec<String> = verbs.collect();
            for group in words(&rule["apiGroups"]) {
                for resource in words(&rule["resources"]) {
                    writable.entry((group.clone(), resource)).or_default().extend(verbs.clone());
                }
            }
        }
    }
    // KubeVirt is not installed: `tests/vms` tries it, and the policy has one rule for both types of instances.
    writable.retain(|(group, _), verbs| !verbs.is_empty() && !group.ends_with("kubevirt.io"));
    writable
}

async fn attempt(thief: &Client, target: &Target, live: &Value, attempt: &Attempt) -> (Outcome, String) {
    let api = target.api(thief);
    let post = PostParams { dry_run: true, ..PostParams::default() };
    let read = |object: &Value| serde_json::from_value::<DynamicObject>(object.clone());
    let answer = match attempt.verb {
        "patch" => {
            let params = PatchParams { dry_run: true, ..PatchParams::default() };
            let patch = json_patch::diff(live, &attempt.object);
            if patch.0.is_empty() {
                return (Outcome::WithoutEffect, String::new());
            }
            api.patch(&target.name, &params, &Patch::<()>::Json(patch)).await
        }
        verb => {
            let Ok(object) = read(&attempt.object) else { return (Outcome::Invalid, String::new()) };
            match verb {
                "update" => api.replace(&target.name, &post, &object).await,
                _ => api.create(&post, &object).await,
            }
        }
    };
    match answer {
        Ok(now) if attempt.verb != "create" => {
            let same = stripped(&serde_json::to_value(now).unwrap()) == stripped(live);
            (if same { Outcome::WithoutEffect } else { Outcome::Taken }, String::new())
        }
        Ok(now) => {
            // The created object must be equal to the one created without the field.
            let same = stripped(&serde_json::to_value(now).unwrap()) == stripped(live);
            (if same { Outcome::WithoutEffect } else { Outcome::Taken }, String::new())
        }
        Err(kube::Error::Api(status)) => match status.code {
            403 => (Outcome::Refused, status.message),
            409 if status.reason == "AlreadyExists" => (Outcome::Taken, status.message),
            _ => (Outcome::Invalid, status.message),
        },
        // kube fails to read an answer that is not the expected object.
        Err(error) => (Outcome::Invalid, error.to_string()),
    }
}

#[test]
fn no_other_field_is_written_with_a_stolen_token() {
    let john = shared().user("4", "8Gi");
    // The template grants a toleration, which the thief must not remove either.
    let (web, template) = (john.cluster("web"), format!("granted-{}", john.name));
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": {
        "containers": [{ "name": "main", "image": "nginx" }], "tolerations": [{ "key": "gpu", "operator": "Exists" }] } });
    let stored = ["cmp", "create", "template", &template, "-f", "-"];
    john.installation.plane.admin_reading(&stored, &pod.to_string()).ok();
    let create = ["create", "cluster", &web, "--template", &template, "--cpu", "1", "--memory", "1Gi", "--wait"];
    john.cmp(&create).ok();
    let night = running(&john, "night", 1, "1", "1Gi");
    let (ns, night_ns) = (format!("{web}-ns"), format!("{night}-ns"));
    john.cmp(&["schedule", "cluster", &night, "--suspend", "0 3 29 2 *"]).ok();
    eventually("its schedule may be carried out", SOON, || {
        let bound = john.admin(&["get", "rolebinding", "cmp-scheduler", "-n", &night_ns]);
        if bound.code == 0 { Ok(()) } else { Err(bound.to_string()) }
    });
    let plane = &john.installation.plane;
    // An event in the form in which cmp-webhook reports a blocked cluster.
    let about = json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": john.name, "namespace": "cmp-users" });
    let told = json!({ "apiVersion": "events.k8s.io/v1", "kind": "Event", "type": "Warning", "reason": "ClusterBlocked",
        "metadata": { "name": format!("told-{}", john.name), "namespace": "cmp-users" }, "regarding": about,
        "reportingController": "cmp-webhook", "reportingInstance": "cmp-webhook", "action": "Reconcile",
        "eventTime": "2026-01-01T00:00:00.000000Z", "note": "cluster web: it waits" });
    plane.admin_reading(&["create", "-f", "-"], &told.to_string()).ok();
    let document = |group: &str| {
        let path = if group.is_empty() { "/openapi/v3/api/v1".into() } else { format!("/openapi/v3/apis/{group}/v1") };
        john.admin(&["get", "--raw", &path]).ok().json()["components"]["schemas"].clone()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut used = BTreeSet::new();
    let (mut wrong, mut tried, mut judged) = (Vec::new(), 0, 0);
    for ((group, resource), verbs) in writable(&john) {
        let target = target(&john, [&ns, &night_ns], &group, &resource);
        let schemas = document(&group);
        let schema = schemas.as_object().unwrap().values().find(|schema| {
            let kinds = schema["x-kubernetes-group-version-kind"].as_array();
            kinds.is_some_and(|kinds| kinds.iter().any(|one| one["kind"] == target.kind.kind && one["group"] == group))
        });
        let mut fields = Vec::new();
        walk(&schemas, schema.expect("the kind is served"), target.depth, &[], &mut fields);
        fields.retain(|(path, _)| {
            let path = shown(path);
            !["apiVersion", "kind"].contains(&path.as_str()) && !IDLE.iter().any(|idle| path.starts_with(idle))
        });
        let mut get = vec!["get", resource.as_str(), target.name.as_str(), "-o", "json"];
        get.extend(target.namespace.iter().flat_map(|namespace| ["-n", namespace]));
        let live = john.admin(&get).ok().json();
        let mut bare = stripped(&live);
        if let Some(made) = &target.made_as {
            bare["metadata"]["name"] = made["name"].clone();
            bare["metadata"]["labels"]["kubectl-cmp.dev/cluster"] = made["cluster"].clone();
            bare["metadata"]["labels"].as_object_mut().unwrap().remove("kubernetes.io/metadata.name");
        }
        let mut attempts = Vec::new();
        for verb in ["patch", "update", "create"].into_iter().filter(|verb| verbs.contains(*verb)) {
            // The API server judges a PUT and a patch alike: one of them is enough.
            if verb == "update" && verbs.contains("patch") {
                continue;
            }
            let base = if verb == "create" { &bare } else { &live };
            let resource = if verb == "create" { format!("{resource} (create)") } else { resource.clone() };
            let of = |path: String, object: Value| Attempt { resource: resource.clone(), path, verb, object };
            attempts.extend(fields.iter().map(|(path, value)| {
                let mut object = base.clone();
                put(&mut object, path, value);
                of(shown(path), object)
            }));
            attempts.extend(without(base).into_iter().map(|(path, object)| of(path, object)));
            attempts.retain(|one| one.object != *base || one.verb != verb);
        }
        let results: Vec<(Attempt, Outcome, String)> = runtime.block_on(async {
            let thief = control_plane::client(&plane.folder().join("cmp-webhook.kubeconfig")).await;
            let made = PostParams { dry_run: true, ..PostParams::default() };
            let made = match serde_json::from_value::<DynamicObject>(bare.clone()) {
                Ok(object) if target.made_as.is_some() => target.api(&thief).create(&made, &object).await.ok(),
                _ => None,
            };
            let made = made.map_or(Value::Null, |made| serde_json::to_value(made).unwrap());
            let (thief, target, live, made) = (&thief, &target, &live, &made);
            futures::stream::iter(attempts)
                .map(|one| async move {
                    let live = if one.verb == "create" && !made.is_null() { made } else { live };
                    let (outcome, said) = attempt(thief, target, live, &one).await;
                    (one, outcome, said)
                })
                .buffer_unordered(AT_ONCE)
                .collect()
                .await
        });
        let mut by_field: BTreeMap<(String, String), (Outcome, String)> = BTreeMap::new();
        for (one, outcome, said) in results {
            tried += 1;
            let of = by_field.entry((one.resource, one.path)).or_insert((outcome, said.clone()));
            if outcome > of.0 {
                *of = (outcome, said);
            }
        }
        for ((resource, path), (outcome, said)) in by_field {
            judged += usize::from(outcome != Outcome::Invalid);
            if std::env::var_os("CMP_TESTS_SHOW").is_some() {
                println!("{resource}: {path}: {outcome:?} {}", said.lines().next().unwrap_or_default());
            }
            if outcome != Outcome::Taken {
                continue;
            }
            let allowed = ALLOWED.iter().position(|(of, start, _)| {
                let same = *of == resource || format!("{of} (create)") == resource;
                same && start.strip_suffix('*').map_or(path == *start, |start| path.starts_with(start))
            });
            match allowed {
                Some(at) => drop(used.insert(at)),
                None => wrong.push(format!("{resource}: {path}")),
            }
        }
    }
    assert!(wrong.is_empty(), "a thief writes {} fields:\n{}", wrong.len(), wrong.join("\n"));
    let unused = ALLOWED.iter().enumerate().filter(|(at, _)| !used.contains(at)).map(|(_, row)| format!("{row:?}"));
    let unused: Vec<String> = unused.collect();
    assert!(unused.is_empty(), "allowed, and not to be had:\n{}", unused.join("\n"));
    println!("{tried} attempts, {judged} fields judged");
    john.admin(&["cmp", "delete", "template", &template, "--yes"]).ok();
    assert!(tried > 1000 && judged > 500, "{tried} attempts, {judged} fields judged");
}
