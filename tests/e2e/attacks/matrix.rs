//! Every right of John, cmp-webhook and the mirror, over everything that the API server offers, against a file of
//! expected rights.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use cmp_tests::{World, control_plane, eventually, shell};
use futures::StreamExt;
use k8s_openapi::api::authorization::v1::{
    NonResourceAttributes, ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::support::{SOON, rights_of_the_mirror, running, shared};

/// The number of questions in flight: enough to keep the API server busy, too few for its limits.
const AT_ONCE: usize = 32;

/// A resource that a right can name: group, resource with subresource, the applicable verbs, and whether it is in
/// Namespaces.
struct Resource {
    group: String,
    name: String,
    verbs: BTreeSet<String>,
    namespaced: bool,
}

/// A right: subject, place, resource, and the name if the right is not for all names.
type Right = (&'static str, &'static str, String);

async fn discover(client: &Client) -> Vec<Resource> {
    let mut lists = vec![(String::new(), client.list_core_api_resources("v1").await.unwrap())];
    for group in client.list_api_groups().await.unwrap().groups {
        for version in group.versions {
            let list = client.list_api_group_resources(&version.group_version).await.unwrap();
            lists.push((group.name.clone(), list));
        }
    }
    let mut found: BTreeMap<(String, String), Resource> = BTreeMap::new();
    for (group, list) in lists {
        for resource in list.resources {
            let of_namespaces = resource.name.split('/').next() == Some("namespaces");
            let entry = found.entry((group.clone(), resource.name.clone())).or_insert_with(|| Resource {
                group: group.clone(),
                name: resource.name.clone(),
                verbs: BTreeSet::new(),
                // A question about a Namespace names that Namespace as its place.
                namespaced: resource.namespaced || of_namespaces,
            });
            entry.verbs.extend(resource.verbs);
        }
    }
    // These resources are not served, but RBAC can grant rights on them.
    for (group, name, verbs, namespaced) in [
        ("", "users", "impersonate", false),
        ("", "groups", "impersonate", false),
        ("", "serviceaccounts", "impersonate", true),
        ("authentication.k8s.io", "uids", "impersonate", false),
        ("authentication.k8s.io", "users", "impersonate:user-info", false),
        ("authentication.k8s.io", "groups", "impersonate:user-info", false),
        ("authentication.k8s.io", "serviceaccounts", "impersonate:serviceaccount", true),
        ("authentication.k8s.io", "nodes", "impersonate:arbitrary-node impersonate:associated-node", false),
        ("authentication.k8s.io", "userextras/scopes", "impersonate", false),
        ("rbac.authorization.k8s.io", "roles", "bind escalate", true),
        ("rbac.authorization.k8s.io", "clusterroles", "bind escalate", false),
        ("certificates.k8s.io", "signers", "approve sign attest", false),
        ("", "nodes/metrics", "get", false),
        ("", "nodes/stats", "get", false),
        ("", "nodes/log", "get", false),
        ("kubevirt.io", "virtualmachines", "get list watch create update patch delete", true),
        ("kubevirt.io", "virtualmachineinstances", "get list watch create update patch delete", true),
        ("subresources.kubevirt.io", "virtualmachines/start", "update", true),
        ("subresources.kubevirt.io", "virtualmachineinstances/pause", "update", true),
        ("subresources.kubevirt.io", "virtualmachineinstances/unpause", "update", true),
        ("metrics.k8s.io", "pods", "get list", true),
        ("metrics.k8s.io", "nodes", "get list", false),
        ("gateway.networking.k8s.io", "gateways", "create", true),
        ("snapshot.storage.k8s.io", "volumesnapshots", "get list watch create update patch delete", true),
        ("snapshot.kubevirt.io", "virtualmachinesnapshots", "get list watch create update patch delete", true),
        ("snapshot.kubevirt.io", "virtualmachinerestores", "get list watch create update patch delete", true),
    ] {
        let entry = found.entry((group.to_owned(), name.to_owned())).or_insert_with(|| Resource {
            group: group.to_owned(),
            name: name.to_owned(),
            verbs: BTreeSet::new(),
            namespaced,
        });
        entry.verbs.extend(verbs.split(' ').map(str::to_owned));
    }
    found.into_values().collect()
}

/// A question to the API server about one right.
struct Asked {
    right: Right,
    verb: String,
    spec: SubjectAccessReviewSpec,
}

fn subject(namespace: &str, name: &str) -> SubjectAccessReviewSpec {
    let groups = [
        "system:serviceaccounts".to_owned(),
        format!("system:serviceaccounts:{namespace}"),
        "system:authenticated".to_owned(),
    ];
    SubjectAccessReviewSpec {
        user: Some(format!("system:serviceaccount:{namespace}:{name}")),
        groups: Some(groups.to_vec()),
        ..SubjectAccessReviewSpec::default()
    }
}

fn questions(john: &World<'_>, [own, other, scheduled]: [&str; 3], resources: &[Resource]) -> Vec<Asked> {
    let places = [
        ("own", own),
        ("other", other),
        ("scheduled", scheduled),
        ("cmp-system", "cmp-system"),
        ("cmp-users", "cmp-users"),
        ("cmp-templates", "cmp-templates"),
        ("kube-system", "kube-system"),
        ("default", "default"),
        ("everywhere", ""),
    ];
    let subjects = [
        ("john", subject("cmp-users", &john.name)),
        ("cmp-webhook", subject("cmp-system", "cmp-webhook")),
        ("cmp-mirror", subject("cmp-system", "cmp-mirror")),
    ];
    let mut asked = Vec::new();
    for (who, subject) in &subjects {
        for resource in resources {
            let (plural, subresource) =
                resource.name.split_once('/').map_or((resource.name.as_str(), None), |(name, sub)| (name, Some(sub)));
            // A right on one name is none on others.
            let names: &[Option<&str>] = match plural {
                "configmaps" | "serviceaccounts" => &[None, Some(&john.name)],
                "secrets" => &[None, Some("cmp-webhook-cert")],
                "resourcequotas" => &[None, Some("cmp")],
                "clusterroles" => &[None, Some("cmp-container-user"), Some("cmp-vm-user"), Some("cmp-scheduler")],
                "validatingwebhookconfigurations" => &[None, Some("cmp-webhook")],
                _ => &[None],
            };
            let asked_about = |place: &str| match place {
                // For John the scheduled cluster is one of his clusters like any other.
                "scheduled" => resource.namespaced && *who == "cmp-webhook",
                place => resource.namespaced || place == "everywhere",
            };
            for (place, namespace) in places.iter().filter(|(place, _)| asked_about(place)) {
                for (name, verb) in names.iter().flat_map(|name| resource.verbs.iter().map(move |verb| (name, verb))) {
                    let of_namespace = (plural == "namespaces").then(|| (*namespace).to_owned());
                    let attributes = ResourceAttributes {
                        group: Some(resource.group.clone()),
                        resource: Some(plural.to_owned()),
                        subresource: subresource.map(str::to_owned),
                        namespace: Some((*namespace).to_owned()),
                        name: name.map(str::to_owned).or(of_namespace),
                        verb: Some(verb.clone()),
                        ..ResourceAttributes::default()
                    };
                    let group = if resource.group.is_empty() { String::new() } else { format!(".{}", resource.group) };
                    let shown = name.map_or_else(String::new, |name| {
                        format!(" {:?}", if name == john.name { "john" } else { name })
                    });
                    asked.push(Asked {
                        right: (who, place, format!("{}{group}{shown}", resource.name)),
                        verb: verb.clone(),
                        spec: SubjectAccessReviewSpec { resource_attributes: Some(attributes), ..subject.clone() },
                    });
                }
            }
        }
        for path in
            ["/", "/api", "/version", "/healthz", "/metrics", "/logs", "/debug/pprof/profile", "/configz", "/flagz"]
        {
            let attributes = NonResourceAttributes { path: Some(path.to_owned()), verb: Some("get".to_owned()) };
            asked.push(Asked {
                right: (who, "everywhere", path.to_owned()),
                verb: "get".to_owned(),
                spec: SubjectAccessReviewSpec { non_resource_attributes: Some(attributes), ..subject.clone() },
            });
        }
    }
    asked
}

async fn rights(kubeconfig: &Path, john: &World<'_>, places: [&str; 3]) -> BTreeMap<Right, BTreeSet<String>> {
    let client = control_plane::client(kubeconfig).await;
    let asked = questions(john, places, &discover(&client).await);
    assert!(asked.len() > 4000, "everything is asked: {}", asked.len());
    let reviews: Api<SubjectAccessReview> = Api::all(client);
    let mut answers = futures::stream::iter(asked)
        .map(|Asked { right, verb, spec }| {
            let reviews = reviews.clone();
            async move {
                let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
                let answer = reviews.create(&PostParams::default(), &review).await.unwrap();
                answer.status.is_some_and(|status| status.allowed).then_some((right, verb))
            }
        })
        .buffer_unordered(AT_ONCE);
    let mut allowed: BTreeMap<Right, BTreeSet<String>> = BTreeMap::new();
    while let Some(answer) = answers.next().await {
        if let Some((right, verb)) = answer {
            allowed.entry(right).or_default().insert(verb);
        }
    }
    // A right on all names includes each name, and a right everywhere includes each Namespace.
    let all = allowed.clone();
    for ((who, place, what), verbs) in &mut allowed {
        let unnamed = what.split_once(' ').map(|(unnamed, _)| (*who, *place, unnamed.to_owned()));
        let everywhere = (*place != "everywhere").then(|| (*who, "everywhere", what.clone()));
        for wider in [unnamed, everywhere].into_iter().flatten() {
            if let Some(wider) = all.get(&wider) {
                verbs.retain(|verb| !wider.contains(verb));
            }
        }
    }
    allowed.retain(|_, verbs| !verbs.is_empty());
    allowed
}

/// Tries the writes that RBAC lets cmp-webhook make in a foreign Namespace. RBAC cannot say "in the Namespaces of
/// clusters", but the policies can.
fn tried(john: &World<'_>, foreign: &str, allowed: &BTreeMap<Right, BTreeSet<String>>) -> Vec<String> {
    let kubeconfig = john.installation.plane.folder().join("cmp-webhook.kubeconfig");
    let object = |version: &str, kind: &str, name: &str, more: Value| {
        let mut object =
            json!({ "apiVersion": version, "kind": kind, "metadata": { "name": name, "namespace": foreign } });
        object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        object
    };
    let owner = json!([{ "kind": "ServiceAccount", "name": john.name, "namespace": "cmp-users" }]);
    let role = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cmp-container-user" });
    let objects = [
        ("resourcequotas", object("v1", "ResourceQuota", "x", json!({ "spec": { "hard": { "pods": "0" } } }))),
        (
            "resourcequotas \"cmp\"",
            object("v1", "ResourceQuota", "cmp", json!({ "spec": { "hard": { "pods": "0" } } })),
        ),
        ("limitranges", object("v1", "LimitRange", "x", json!({ "spec": { "limits": [] } }))),
        (
            "networkpolicies.networking.k8s.io",
            object("networking.k8s.io/v1", "NetworkPolicy", "x", json!({ "spec": { "podSelector": {} } })),
        ),
        ("serviceaccounts", object("v1", "ServiceAccount", "x", json!({ "automountServiceAccountToken": false }))),
        (
            "rolebindings.rbac.authorization.k8s.io",
            object("rbac.authorization.k8s.io/v1", "RoleBinding", "x", json!({ "roleRef": role, "subjects": owner })),
        ),
        (
            "events.events.k8s.io",
            object(
                "events.k8s.io/v1",
                "Event",
                "x",
                json!({ "eventTime": "2026-01-01T00:00:00.000000Z", "action": "Scaled", "reason": "Scaled",
                    "type": "Normal", "reportingController": "kubectl-cmp.dev/cmp-webhook",
                    "reportingInstance": "cmp-webhook",
                    "regarding": { "kind": "Namespace", "name": foreign, "namespace": foreign } }),
            ),
        ),
        (
            "namespaces",
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": format!("more-{foreign}") } }),
        ),
    ];
    for (_, object) in objects.iter().filter(|(resource, _)| *resource != "namespaces") {
        john.installation.plane.admin_reading(&["create", "-f", "-"], &object.to_string()).ok();
    }
    let mut lines = Vec::new();
    for ((who, place, what), verbs) in allowed {
        // Reviews of access and tokens change nothing.
        let asks = what.ends_with("authorization.k8s.io") && !what.starts_with("rolebindings")
            || what.ends_with("authentication.k8s.io");
        if *who != "cmp-webhook" || *place != "everywhere" || asks {
            continue;
        }
        for verb in verbs
            .iter()
            .filter(|verb| ["create", "update", "patch", "delete", "deletecollection"].contains(&verb.as_str()))
        {
            let known = objects.iter().find(|(resource, _)| resource == what).map(|(_, object)| object.clone());
            let title = match what.as_str() {
                "namespaces" => foreign,
                "resourcequotas \"cmp\"" => "cmp",
                _ => "x",
            };
            let kind = what.split(' ').next().unwrap_or_default();
            let patch = r#"{"metadata":{"annotations":{"a":"b"}}}"#;
            let output = match (verb.as_str(), known) {
                ("create", Some(mut object)) => {
                    if what != "namespaces" {
                        object["metadata"]["name"] = "y".into();
                    }
                    shell::kubectl_reading(&kubeconfig, &["create", "--dry-run=server", "-f", "-"], &object.to_string())
                }
                ("update", Some(_)) => {
                    let now = john.admin(&["get", kind, title, "-n", foreign, "-o", "json"]).ok();
                    let mut now = now.json();
                    now["metadata"]["annotations"] = json!({ "a": "b" });
                    shell::kubectl_reading(&kubeconfig, &["replace", "--dry-run=server", "-f", "-"], &now.to_string())
                }
                // kubectl reads an object before it patches it, and cmp-webhook may not read Events.
                ("patch", Some(object)) if kind.starts_with("events") => {
                    let apply = ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-"];
                    shell::kubectl_reading(&kubeconfig, &apply, &object.to_string())
                }
                ("patch", Some(_)) => {
                    shell::kubectl(&kubeconfig, &["patch", kind, title, "-n", foreign, "--dry-run=server", "-p", patch])
                }
                ("delete", Some(_)) => {
                    shell::kubectl(&kubeconfig, &["delete", kind, title, "-n", foreign, "--dry-run=server"])
                }
                ("patch", None) if kind.starts_with("validatingwebhookconfigurations") => {
                    let open = r#"[{"op":"replace","path":"/webhooks/0/failurePolicy","value":"Ignore"}]"#;
                    shell::kubectl(
                        &kubeconfig,
                        &["patch", kind, "cmp-webhook", "--type=json", "--dry-run=server", "-p", open],
                    )
                }
                _ => {
                    lines.push(format!(
                        "cmp-webhook, tried outside of clusters: {what} {verb}: NOBODY KNOWS HOW TO TRY IT"
                    ));
                    continue;
                }
            };
            let by = output.stderr.split("ValidatingAdmissionPolicy '").nth(1).and_then(|rest| rest.split('\'').next());
            let outcome = match by {
                Some(policy) if output.code == 1 => format!("refused by {policy}"),
                _ => format!("NOT REFUSED: {output}"),
            };
            lines.push(format!("cmp-webhook, tried outside of clusters: {what} {verb}: {outcome}"));
        }
    }
    lines
}

#[test]
fn the_rights_are_those_in_the_file() {
    let (john, mary) = (shared().user("4", "8Gi"), shared().user("4", "8Gi"));
    let own = format!("{}-ns", running(&john, "web", 1, "1", "1Gi"));
    let other = format!("{}-ns", running(&mary, "web", 1, "1", "1Gi"));
    let night = running(&john, "night", 1, "1", "1Gi");
    john.cmp(&["schedule", "cluster", &night, "--suspend", "0 3 29 2 *"]).ok();
    let scheduled = format!("{night}-ns");
    eventually("its schedule may be carried out", SOON, || {
        let bound = john.admin(&["get", "rolebinding", "cmp-scheduler", "-n", &scheduled]);
        if bound.code == 0 { Ok(()) } else { Err(bound.to_string()) }
    });
    let plane = &john.installation.plane;
    rights_of_the_mirror(plane);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let allowed = runtime.block_on(rights(&plane.kubeconfig(), &john, [&own, &other, &scheduled]));
    let foreign = format!("foreign-{}", john.name);
    john.admin(&["create", "namespace", &foreign]).ok();
    eventually("the Namespace can be used", SOON, || {
        let made = john.admin(&["get", "serviceaccount", "default", "-n", &foreign]);
        if made.code == 0 { Ok(()) } else { Err(made.to_string()) }
    });
    let mut lines: Vec<String> = allowed
        .iter()
        .map(|((who, place, what), verbs)| {
            format!("{who}, {place}: {what}: {}", verbs.iter().cloned().collect::<Vec<_>>().join(" "))
        })
        .collect();
    lines.extend(tried(&john, &foreign, &allowed));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/attacks/rights.txt");
    let now = lines.join("\n") + "\n";
    if std::env::var_os("CMP_TESTS_RENEW").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    let (before, after): (BTreeSet<&str>, BTreeSet<&str>) = (stored.lines().collect(), now.lines().collect());
    let gone = before.difference(&after).map(|line| format!("- {line}"));
    let new = after.difference(&before).map(|line| format!("+ {line}"));
    let difference: Vec<String> = gone.chain(new).collect();
    assert!(
        difference.is_empty(),
        "the rights are not those in {}:\n{}\nif that is meant: CMP_TESTS_RENEW=1 cargo test -p cmp-tests --test e2e the_rights_are",
        path.display(),
        difference.join("\n")
    );
}
