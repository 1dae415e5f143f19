//! The token of cmp-webhook in the hands of a thief: it gives access to the Namespaces of clusters, and to nothing
//! else. The token of the mirror only reads who has what.

use std::path::Path;

use cmp_tests::{control_plane, eventually};
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::table::{allowed, attempt, cannot_scale, refused};
use crate::support::{SOON, rights_of_the_mirror, running, shared};

#[test]
fn attacks_with_the_stolen_token_of_cmp_webhook_are_refused() {
    let john = shared().user("4", "8Gi");
    let web = running(&john, "web", 1, "1", "1Gi");
    let (me, ns) = (&john.name, format!("{web}-ns"));
    let kubeconfig = john.installation.plane.folder().join("cmp-webhook.kubeconfig");
    let create = "create --validate=false -f -";
    let labels = |owner: &str, cluster: &str, level: &str| {
        json!({ "kubectl-cmp.dev/owner": owner, "kubectl-cmp.dev/type": "container", "kubectl-cmp.dev/cluster": cluster,
            "pod-security.kubernetes.io/enforce": level })
    };
    let namespace = |name: &str, labels: Value| json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels } });
    let new = format!("new-{me}");
    let uid = john.admin(&["get", "namespace", &ns, "-o", "jsonpath={.metadata.uid}"]).ok().stdout;
    let new_ns = format!("{new}-ns");
    let with = |label: &str, value: &str| {
        let mut all = labels(me, &new, "baseline");
        all[label] = value.into();
        namespace(&new_ns, all)
    };
    let without = {
        let mut all = labels(me, &new, "baseline");
        all.as_object_mut().unwrap().remove("pod-security.kubernetes.io/enforce");
        namespace(&new_ns, all)
    };
    let pod = json!({ "containers": [{ "name": "c", "image": "i" }] });
    let object = |version: &str, kind: &str, namespace: &str, more: Value| {
        let mut object =
            json!({ "apiVersion": version, "kind": kind, "metadata": { "name": "thief", "namespace": namespace } });
        object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        object
    };
    let binding = |namespace: &str, role: Value, subject: Value| {
        object(
            "rbac.authorization.k8s.io/v1",
            "RoleBinding",
            namespace,
            json!({ "roleRef": role, "subjects": [subject] }),
        )
    };
    let role = |kind: &str, name: &str| json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name });
    let account = |name: &str| json!({ "kind": "ServiceAccount", "name": name, "namespace": "cmp-users" });
    let secret = |name: &str, more: Value| {
        let mut secret = object("v1", "Secret", "cmp-system", more);
        secret["metadata"]["name"] = name.into();
        secret
    };
    let configuration = "patch validatingwebhookconfiguration cmp-webhook --type=json";
    let replaced = |path: &str, value: Value| json!([{ "op": "replace", "path": path, "value": value }]);
    let ours = "cmp-webhook may create only Namespaces of clusters";
    let like_a_cluster = "only with the labels and annotations of a cluster, and Pod Security baseline or restricted";
    let no_grant = "may change only the annotations that bound a Namespace";
    let annotated = |key: &str, value: &str| {
        let mut namespace = namespace(&new_ns, labels(me, &new, "baseline"));
        namespace["metadata"]["annotations"] = json!({ key: value });
        namespace
    };
    let annotate = |what, annotation: &str| {
        (attempt(what, format!("annotate namespace {ns} --overwrite {annotation}"), Value::Null), no_grant)
    };
    let event = |namespace: &str, kind: &str, reporter: &str| {
        let regarding = json!({ "apiVersion": "v1", "kind": kind, "name": namespace, "namespace": namespace });
        object(
            "events.k8s.io/v1",
            "Event",
            namespace,
            json!({ "eventTime": "2026-01-01T00:00:00.000000Z", "action": "Scaled", "reason": "Scaled", "note": "told",
                "type": "Normal", "reportingController": reporter, "reportingInstance": "cmp-webhook",
                "regarding": regarding }),
        )
    };
    let teller = "kubectl-cmp.dev/cmp-webhook";
    let no_event = "cmp-webhook may not CREATE events here";
    let held_up = json!({ "metadata": { "finalizers": ["example.com/held"] } });
    let cannot = "cannot create resource";
    let the_bundle = "may change only the caBundle of its configuration";

    refused(
        &kubeconfig,
        &[
            // Attempts to run something.
            (attempt("a Pod", create, object("v1", "Pod", &ns, json!({ "spec": pod }))), cannot),
            (
                attempt("a Pod in kube-system", create, object("v1", "Pod", "kube-system", json!({ "spec": pod }))),
                cannot,
            ),
            (attempt("a Deployment", create, object("apps/v1", "Deployment", &ns, json!({ "spec": {} }))), cannot),
            (attempt("an instance", create, object("apps/v1", "StatefulSet", &ns, json!({ "spec": {} }))), cannot),
            (
                attempt("more of what runs", format!("scale statefulset {web}-0 -n {ns} --replicas=1"), Value::Null),
                cannot_scale(),
            ),
            // Events in the name of others, or about them.
            (attempt("an Event about a Pod", create, event(&ns, "Pod", teller)), no_event),
            (attempt("an Event of the kubelet", create, event(&ns, "Namespace", "kubelet")), no_event),
            (attempt("an Event elsewhere", create, event("kube-system", "Namespace", teller)), no_event),
            (
                attempt("an Event with a label", create, {
                    let mut labelled = event(&ns, "Namespace", teller);
                    labelled["metadata"]["labels"] = json!({ "a": "b" });
                    labelled
                }),
                no_event,
            ),
            // Attempts to create Namespaces of its own.
            (attempt("a plain Namespace", create, namespace("plain", json!({}))), ours),
            (
                attempt("one that is called otherwise", create, namespace("kube-extra", labels(me, &new, "baseline"))),
                ours,
            ),
            (
                attempt(
                    "one where everything is privileged",
                    create,
                    namespace(&new_ns, labels(me, &new, "privileged")),
                ),
                like_a_cluster,
            ),
            (attempt("one without Pod Security", create, without), like_a_cluster),
            (attempt("one with a label of others", create, with("istio-injection", "disabled")), like_a_cluster),
            (
                attempt("one of nobody", create, namespace(&new_ns, labels("nobody-of-ours", &new, "baseline"))),
                "may create Namespaces only for users",
            ),
            (
                attempt(
                    "one of cmp-webhook itself",
                    create,
                    namespace(&new_ns, labels("cmp-webhook", &new, "baseline")),
                ),
                "may create Namespaces only for users",
            ),
            (
                attempt(
                    "one with the priority of the nodes' Pods",
                    create,
                    annotated("kubectl-cmp.dev/priority-class", "system-node-critical"),
                ),
                "a cluster may not have a priority class of the system (system-*)",
            ),
            (
                attempt(
                    "one with an annotation of a scheduler",
                    create,
                    annotated("scheduler.alpha.kubernetes.io/node-selector", "a=b"),
                ),
                like_a_cluster,
            ),
            // Annotations through which a template grants rights.
            annotate("a priority class", "kubectl-cmp.dev/priority-class=system-node-critical"),
            annotate("tolerations", "kubectl-cmp.dev/tolerations=node-role.kubernetes.io/control-plane"),
            annotate("another scheduler", "kubectl-cmp.dev/scheduler=mine"),
            annotate("another network", "kubectl-cmp.dev/networks=default/lan"),
            annotate("dedicated processors", "kubectl-cmp.dev/machine=cpu.dedicatedCpuPlacement"),
            annotate("a runtime class", "kubectl-cmp.dev/runtime-class=kata"),
            annotate("nodes of its choice", "scheduler.alpha.kubernetes.io/node-selector=a=b"),
            annotate("other users inside of containers", "openshift.io/sa.scc.uid-range=0/1"),
            annotate("a proxy in every Pod", "linkerd.io/inject=enabled"),
            (
                attempt(
                    "a Namespace that stays",
                    format!("patch namespace {ns} --type=merge"),
                    json!({ "metadata": { "finalizers": ["example.com/held"] } }),
                ),
                "may not add finalizers or ownerReferences to a Namespace",
            ),
            (
                attempt("a quota that stays", format!("patch resourcequota cmp -n {ns} --type=merge"), held_up.clone()),
                "may not add finalizers or ownerReferences to the objects of a cluster",
            ),
            (
                attempt(
                    "a quota with a label of others",
                    format!("patch resourcequota cmp -n {ns} --type=merge"),
                    json!({ "metadata": { "labels": { "a": "b" } } }),
                ),
                "may write only its own labels and annotations",
            ),
            (
                attempt("a second quota", create, {
                    let mut quota = object("v1", "ResourceQuota", &ns, json!({ "spec": { "hard": { "pods": "0" } } }));
                    quota["metadata"]["annotations"] = json!({ "kubectl-cmp.dev/made-for": uid });
                    quota
                }),
                "may write only one ResourceQuota, LimitRange and NetworkPolicy in a Namespace, named cmp",
            ),
            // Namespaces of others.
            (
                attempt("kube-system as a cluster", "label namespace kube-system kubectl-cmp.dev/owner=x", Value::Null),
                "may change only Namespaces of clusters",
            ),
            (
                attempt(
                    "kube-system as privileged",
                    "label namespace kube-system pod-security.kubernetes.io/enforce=privileged",
                    Value::Null,
                ),
                "may change only Namespaces of clusters",
            ),
            (
                attempt("an annotation on default", "annotate namespace default a=b", Value::Null),
                "may change only Namespaces of clusters",
            ),
            (
                attempt("deleting cmp-system", "delete namespace cmp-system", Value::Null),
                "may change only Namespaces of clusters",
            ),
            (
                attempt("deleting cmp-users", "delete namespace cmp-users", Value::Null),
                "may change only Namespaces of clusters",
            ),
            // Labels of a cluster's Namespace.
            (
                attempt(
                    "another owner",
                    format!("label namespace {ns} --overwrite kubectl-cmp.dev/owner=eve"),
                    Value::Null,
                ),
                "may not change the owner or another label of a Namespace",
            ),
            (
                attempt("no owner", format!("label namespace {ns} kubectl-cmp.dev/owner-"), Value::Null),
                "may not change the owner or another label of a Namespace",
            ),
            (
                attempt(
                    "no Pod Security",
                    format!("label namespace {ns} pod-security.kubernetes.io/enforce-"),
                    Value::Null,
                ),
                "or another label of a Namespace",
            ),
            (
                attempt("its status", format!("patch namespace {ns} --subresource=status --type=merge"), json!({})),
                "resource \"namespaces/status\"",
            ),
            // Rights in RBAC.
            (
                attempt(
                    "administrator",
                    create,
                    json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "thief" }, "roleRef": role("ClusterRole", "cluster-admin"), "subjects": [account(me)] }),
                ),
                cannot,
            ),
            (
                attempt(
                    "administrator of a cluster",
                    create,
                    binding(&ns, role("ClusterRole", "cluster-admin"), account(me)),
                ),
                "is attempting to grant RBAC permissions",
            ),
            (
                attempt(
                    "the role of the other type",
                    create,
                    binding(&ns, role("ClusterRole", "cmp-vm-user"), account(me)),
                ),
                "may bind only the owner of a Namespace to the role of its type, and itself to cmp-scheduler",
            ),
            (
                attempt("a Role of that name", create, binding(&ns, role("Role", "cmp-container-user"), account(me))),
                "\"cmp-container-user\" not found",
            ),
            (
                attempt(
                    "somebody else in a cluster",
                    create,
                    binding(&ns, role("ClusterRole", "cmp-container-user"), account("eve")),
                ),
                "may bind only the owner of a Namespace",
            ),
            (
                attempt(
                    "everybody",
                    create,
                    binding(
                        &ns,
                        role("ClusterRole", "cmp-container-user"),
                        json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:authenticated" }),
                    ),
                ),
                "may bind only the owner of a Namespace",
            ),
            (
                attempt(
                    "the owner elsewhere",
                    create,
                    binding("kube-system", role("ClusterRole", "cmp-container-user"), account(me)),
                ),
                "cmp-webhook may not CREATE rolebindings here",
            ),
            (
                attempt("a Role", create, object("rbac.authorization.k8s.io/v1", "Role", &ns, json!({ "rules": [] }))),
                cannot,
            ),
            // Secrets and tokens.
            (attempt("reading Secrets", format!("get secrets -n {ns}"), Value::Null), "cannot list resource"),
            (attempt("reading one", "get secret x -n cmp-users", Value::Null), "cannot get resource"),
            (attempt("reading all", "get secrets -A", Value::Null), "cannot list resource"),
            (
                attempt("a Secret of its own", create, secret("thief", json!({}))),
                "cmp-webhook may not CREATE secrets here",
            ),
            (
                attempt("a token in the place of the certificate", create, {
                    let mut secret =
                        secret("cmp-webhook-cert", json!({ "type": "kubernetes.io/service-account-token" }));
                    secret["metadata"]["annotations"] = json!({ "kubernetes.io/service-account.name": "cmp-webhook" });
                    secret
                }),
                "cmp-webhook may not CREATE secrets here",
            ),
            (attempt("a Secret in a cluster", create, object("v1", "Secret", &ns, json!({}))), cannot),
            (attempt("its own next token", "create token cmp-webhook -n cmp-system", Value::Null), cannot),
            (attempt("the token of a user", format!("create token {me} -n cmp-users"), Value::Null), cannot),
            (attempt("the token of what runs", format!("create token default -n {ns}"), Value::Null), cannot),
            (
                attempt(
                    "being a user",
                    format!("get configmap {me} -n cmp-users --as=system:serviceaccount:cmp-users:{me}"),
                    Value::Null,
                ),
                "cannot impersonate",
            ),
            (
                attempt(
                    "a mounted token",
                    format!("patch serviceaccount default -n {ns} --type=merge"),
                    json!({ "automountServiceAccountToken": true }),
                ),
                "may only set automountServiceAccountToken to false in the ServiceAccount default",
            ),
            (
                attempt(
                    "the role of a cloud",
                    format!("annotate serviceaccount default -n {ns} eks.amazonaws.com/role-arn=arn:aws:iam::1:role/x"),
                    Value::Null,
                ),
                "may only set automountServiceAccountToken to false in the ServiceAccount default",
            ),
            (
                attempt(
                    "another ServiceAccount",
                    create,
                    object("v1", "ServiceAccount", &ns, json!({ "automountServiceAccountToken": false })),
                ),
                "may only set automountServiceAccountToken to false in the ServiceAccount default",
            ),
            (
                attempt(
                    "that of kube-system",
                    "patch serviceaccount default -n kube-system --type=merge",
                    json!({ "automountServiceAccountToken": false }),
                ),
                "cmp-webhook may not UPDATE serviceaccounts here",
            ),
            // Bounds in Namespaces of others.
            (
                attempt(
                    "stopping kube-system",
                    create,
                    object("v1", "ResourceQuota", "kube-system", json!({ "spec": { "hard": { "pods": "0" } } })),
                ),
                "cmp-webhook may not CREATE resourcequotas here",
            ),
            (
                attempt(
                    "sizes in default",
                    create,
                    object("v1", "LimitRange", "default", json!({ "spec": { "limits": [] } })),
                ),
                "cmp-webhook may not CREATE limitranges here",
            ),
            (
                attempt(
                    "a fence of no Namespace",
                    create,
                    object("v1", "ResourceQuota", &ns, json!({ "spec": { "hard": { "pods": "100" } } })),
                ),
                "only for the Namespace that it has read (kubectl-cmp.dev/made-for)",
            ),
            (
                attempt("a fence that comes late, after the Namespace was made anew", create, {
                    let mut range = object("v1", "LimitRange", &ns, json!({ "spec": { "limits": [] } }));
                    range["metadata"]["annotations"] = json!({ "kubectl-cmp.dev/made-for": "the uid of the former" });
                    range
                }),
                "only for the Namespace that it has read (kubectl-cmp.dev/made-for)",
            ),
            (
                attempt(
                    "the network of cmp-system",
                    create,
                    object(
                        "networking.k8s.io/v1",
                        "NetworkPolicy",
                        "cmp-system",
                        json!({ "spec": { "podSelector": {} } }),
                    ),
                ),
                "cmp-webhook may not CREATE networkpolicies here",
            ),
            (
                attempt("taking off a quota", format!("delete resourcequota cmp -n {ns}"), Value::Null),
                "may delete only the ResourceQuota cmp, and only in a Namespace that was never opened",
            ),
            (
                attempt("all quotas", format!("delete resourcequotas --all -n {ns}"), Value::Null),
                "may delete only the ResourceQuota cmp, and only in a Namespace that was never opened",
            ),
            (
                attempt("taking off a limit", format!("delete limitrange cmp -n {ns}"), Value::Null),
                "cannot delete resource",
            ),
            // Accounts of users.
            (
                attempt(
                    "a raised quota",
                    format!("patch configmap {me} -n cmp-users --type=merge"),
                    json!({ "data": { "quota": r#"{"cpu":"64","memory":"64Gi"}"# } }),
                ),
                "may not change quota and policy",
            ),
            (
                attempt(
                    "another policy",
                    format!("patch configmap {me} -n cmp-users --type=merge"),
                    json!({ "data": { "policy": "{}" } }),
                ),
                "may not change quota and policy",
            ),
            (
                attempt(
                    "an account less",
                    format!("patch configmap {me} -n cmp-users --type=merge"),
                    json!({ "metadata": { "labels": { "kubectl-cmp.dev/account": null } } }),
                ),
                "only the data of an account may be changed",
            ),
            (
                attempt(
                    "an account with an owner",
                    format!("patch configmap {me} -n cmp-users --type=merge"),
                    json!({ "metadata": { "ownerReferences": [{ "apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "1" }] } }),
                ),
                "only the data of an account may be changed",
            ),
            (attempt("a new account", create, object("v1", "ConfigMap", "cmp-users", json!({}))), cannot),
            (
                attempt(
                    "ConfigMaps elsewhere",
                    "patch configmap kube-root-ca.crt -n kube-system --type=merge",
                    json!({ "data": {} }),
                ),
                "cannot get resource",
            ),
            // The webhook configuration of the API server.
            (
                attempt(
                    "nobody when it is down",
                    configuration,
                    replaced("/webhooks/0/failurePolicy", "Ignore".into()),
                ),
                the_bundle,
            ),
            (attempt("about nothing", configuration, json!([{ "op": "remove", "path": "/webhooks/0" }])), the_bundle),
            (
                attempt("about Pods", configuration, replaced("/webhooks/0/rules/0/resources", json!(["pods"]))),
                the_bundle,
            ),
            (
                attempt(
                    "somewhere else",
                    configuration,
                    replaced("/webhooks/0/clientConfig/url", "https://192.0.2.1/x".into()),
                ),
                the_bundle,
            ),
            (
                attempt(
                    "about fewer accounts",
                    configuration,
                    json!([{ "op": "add", "path": "/webhooks/0/matchConditions/-", "value": { "name": "not", "expression": "false" } }]),
                ),
                the_bundle,
            ),
            (
                attempt(
                    "no longer",
                    configuration,
                    json!([{ "op": "add", "path": "/metadata/ownerReferences", "value": [{ "apiVersion": "v1", "kind": "Namespace", "name": "gone", "uid": "1" }] }]),
                ),
                the_bundle,
            ),
            (
                attempt("not at all", "delete validatingwebhookconfiguration cmp-webhook", Value::Null),
                "cannot delete resource",
            ),
            (
                attempt("without policies", "delete validatingadmissionpolicybinding cmp-webhook-rights", Value::Null),
                "cannot delete resource",
            ),
            (
                attempt(
                    "with a policy of its own",
                    create,
                    json!({ "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": { "name": "thief" } }),
                ),
                cannot,
            ),
        ],
    );
    // Instances without a schedule cannot be written. With a schedule they can only be switched off and on.
    let night = running(&john, "night", 1, "1", "1Gi");
    let night_ns = format!("{night}-ns");
    let instance = |cluster: &str| format!("patch statefulset {cluster}-0 -n {cluster}-ns --type=merge");
    let off = json!({ "spec": { "replicas": 0 } });
    let nothing_else = "may only switch instances off and on";
    let itself = json!({ "kind": "ServiceAccount", "name": "cmp-webhook", "namespace": "cmp-system" });
    let cannot_patch = "cannot get resource \"statefulsets\"";
    refused(
        &kubeconfig,
        &[
            (attempt("an instance without a schedule", instance(&web), off.clone()), cannot_patch),
            (
                attempt(
                    "the right to it under another name",
                    create,
                    binding(&ns, role("ClusterRole", "cmp-scheduler"), itself.clone()),
                ),
                "may bind only the owner of a Namespace to the role of its type, and itself to cmp-scheduler",
            ),
            (
                attempt("that right for another", create, {
                    let mut other = binding(&ns, role("ClusterRole", "cmp-scheduler"), account(me));
                    other["metadata"]["name"] = "cmp-scheduler".into();
                    other
                }),
                "may bind only the owner of a Namespace to the role of its type, and itself to cmp-scheduler",
            ),
            (
                attempt("that right elsewhere", create, {
                    let mut other = binding("kube-system", role("ClusterRole", "cmp-scheduler"), itself.clone());
                    other["metadata"]["name"] = "cmp-scheduler".into();
                    other
                }),
                "cmp-webhook may not CREATE rolebindings here",
            ),
        ],
    );
    john.cmp(&["schedule", "cluster", &night, "--suspend", "0 3 29 2 *"]).ok();
    // This patch does not come from kubectl, which reads first.
    let patched = |body: &Value| patch_without_reading(&kubeconfig, &night_ns, &format!("{night}-0"), body);
    eventually("its schedule may be carried out", SOON, || match patched(&json!({})) {
        (true, _) => Ok(()),
        (false, said) => Err(said),
    });
    for (what, body) in [
        (
            "another image",
            json!({ "spec": { "template": { "spec": { "$setElementOrder/containers": [{ "name": "instance" }], "containers": [{ "name": "instance", "image": "miner" }] } } } }),
        ),
        ("a label of the Pod", json!({ "spec": { "template": { "metadata": { "labels": { "a": "b" } } } } })),
        ("a label", json!({ "metadata": { "labels": { "a": "b" } } })),
        ("an annotation", json!({ "metadata": { "annotations": { "a": "b" } } })),
        ("a finalizer", json!({ "metadata": { "finalizers": ["example.com/held"] } })),
        (
            "an owner",
            json!({ "metadata": { "ownerReferences": [{ "apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "1" }] } }),
        ),
    ] {
        let (stored, said) = patched(&body);
        assert!(!stored && said.contains(nothing_else), "{what}: {said}");
    }
    let (stored, said) = patched(&json!({ "spec": { "replicas": 2 } }));
    assert!(!stored && said.contains("at most one replica"), "{said}");
    let asleep = json!({ "spec": { "replicas": 0 }, "metadata": {
        "labels": { "kubectl-cmp.dev/asked": "suspended" },
        "annotations": { "kubectl-cmp.dev/suspended-by": "thief", "kubectl-cmp.dev/woken-by": "schedule" } } });
    assert!(patched(&asleep).0, "it may do what it is there for: {}", patched(&asleep).1);
    refused(
        &kubeconfig,
        &[
            (
                attempt("deleting it", format!("delete statefulset {night}-0 -n {night_ns}"), Value::Null),
                "cannot delete resource",
            ),
            (
                attempt("scaling it", format!("scale statefulset {night}-0 -n {night_ns} --replicas=1"), Value::Null),
                cannot_scale(),
            ),
        ],
    );
    // The intended work of cmp-webhook succeeds with the same token.
    let bundle = ["get", "validatingwebhookconfiguration", "cmp-webhook", "-o"];
    let bundle = john.admin(&[&bundle[..], &["jsonpath={.webhooks[1].clientConfig.caBundle}"]].concat()).ok().stdout;
    let dry = format!("{create} --dry-run=server");
    allowed(
        &kubeconfig,
        &[
            attempt("a Namespace of a user's cluster", &dry, namespace(&new_ns, labels(me, &new, "baseline"))),
            attempt("a stricter one", &dry, namespace(&new_ns, labels(me, &new, "restricted"))),
            attempt(
                "a quota in a cluster",
                format!("patch resourcequota cmp -n {ns} --type=merge --dry-run=server"),
                json!({ "spec": { "hard": { "pods": "0" } } }),
            ),
            attempt("an Event about a cluster", &dry, event(&ns, "Namespace", teller)),
            attempt(
                "taking the token away",
                format!("patch serviceaccount default -n {ns} --type=merge"),
                json!({ "automountServiceAccountToken": false }),
            ),
            attempt(
                "its certificate",
                format!("{configuration} --dry-run=server"),
                json!([{ "op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": bundle }]),
            ),
        ],
    );
}

#[test]
fn attacks_with_the_stolen_token_of_the_mirror_are_refused() {
    let john = shared().user("4", "8Gi");
    let web = running(&john, "web", 1, "1", "1Gi");
    let (me, ns, plane) = (&john.name, format!("{web}-ns"), &john.installation.plane);
    rights_of_the_mirror(plane);
    let token = plane.admin(&["create", "token", "cmp-mirror", "-n", "cmp-system", "--duration", "1h"]).ok();
    let kubeconfig = plane.kubeconfig_for(&format!("mirror-of-{me}"), token.stdout.trim());
    let get = |what: &str| attempt("reading", format!("get {what}"), Value::Null);
    allowed(
        &kubeconfig,
        &[
            get("namespaces"),
            get("statefulsets -A"),
            get("pods -A"),
            get("configmaps -n cmp-users -l kubectl-cmp.dev/account=true"),
        ],
    );
    let nothing = |what, command: String| (attempt(what, command, Value::Null), " cannot ");
    let patched =
        |what, command: &str| (attempt(what, command, json!({ "metadata": { "labels": { "a": "b" } } })), " cannot ");
    let created = |what, object: Value| (attempt(what, "create --validate=false -f -", object), " cannot ");
    let map = |namespace: &str| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "x", "namespace": namespace } });
    refused(
        &kubeconfig,
        &[
            nothing("passwords of users", format!("get secrets -n {ns}")),
            nothing("a certificate", "get secret cmp-webhook-cert -n cmp-system".to_owned()),
            nothing("tokens", "get secrets -n cmp-users".to_owned()),
            nothing("another token", format!("create token {me} -n cmp-users")),
            nothing("one of cmp-webhook", "create token cmp-webhook -n cmp-system".to_owned()),
            nothing("what is in ConfigMaps of users", format!("get configmaps -n {ns}")),
            nothing("what instances print", format!("logs {web}-0-0 -n {ns}")),
            nothing("going into one", format!("exec {web}-0-0 -n {ns} -- id")),
            nothing("somebody's database", format!("port-forward {web}-0-0 5432 -n {ns}")),
            nothing("its own copies, from outside", "port-forward deployment/cmp-mirror 8081 -n cmp-system".to_owned()),
            nothing("ending what runs", format!("delete pod {web}-0-0 -n {ns}")),
            nothing("deleting an instance", format!("delete statefulset {web}-0 -n {ns}")),
            nothing("deleting a cluster", format!("delete namespace {ns}")),
            nothing("deleting an account", format!("delete configmap {me} -n cmp-users")),
            (
                attempt("switching off", format!("scale statefulset {web}-0 -n {ns} --replicas=0"), Value::Null),
                cannot_scale(),
            ),
            patched("another owner", &format!("patch namespace {ns} --type=merge")),
            patched("an instance", &format!("patch statefulset {web}-0 -n {ns} --type=merge")),
            patched("a quota", &format!("patch configmap {me} -n cmp-users --type=merge")),
            patched("its own claim", "patch persistentvolumeclaim cmp-mirror -n cmp-system --type=merge"),
            created("an account", map("cmp-users")),
            created("a template", map("cmp-templates")),
            created("something beside it", map("cmp-system")),
            created(
                "a Pod",
                json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "x", "namespace": "cmp-system" }, "spec": {} }),
            ),
            created(
                "rights",
                json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "x" },
                    "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" } }),
            ),
            nothing("acting as another", "get secrets -A --as=admin".to_owned()),
        ],
    );
}

/// Sends a strategic patch of an instance as a subject that may not read it. Returns whether it was allowed, and the
/// message.
fn patch_without_reading(kubeconfig: &Path, namespace: &str, name: &str, body: &Value) -> (bool, String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let patched = runtime.block_on(async {
        let sets: Api<StatefulSet> = Api::namespaced(control_plane::client(kubeconfig).await, namespace);
        sets.patch(name, &PatchParams::default(), &Patch::Strategic(body)).await
    });
    (patched.is_ok(), patched.err().map_or_else(String::new, |error| error.to_string()))
}
