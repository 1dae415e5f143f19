//! Rules that the API server enforces: for each rule an allowed and a forbidden request, from every subject.

use cmp_tests::{Output, eventually};
use serde_json::{Value, json};

use crate::support::{SOON, held, running, shared, want};

/// Runs kubectl as the ServiceAccount of cmp-webhook, with all rights of a thief of its token.
fn as_webhook(arguments: &[&str], input: &str) -> Output {
    let plane = &shared().plane;
    cmp_tests::shell::kubectl_reading(&plane.folder().join("cmp-webhook.kubeconfig"), arguments, input)
}

#[test]
fn each_key_of_an_account_has_its_writers() {
    let user = shared().user("4", "8Gi");
    let name = running(&user, "web", 1, "1", "1Gi");
    let uid = held(&user.account(), &name).unwrap()["uid"].as_str().unwrap().to_owned();
    let admin = |data: Value| {
        let patch = json!({ "data": data }).to_string();
        user.admin(&["patch", "configmap", &user.name, "-n", "cmp-users", "--type=merge", "-p", &patch])
    };
    let held_key = format!("held.{name}");
    for data in [
        json!({ held_key.clone(): null }),
        json!({ "held.more": "{}" }),
        json!({ "settled": "x" }),
        json!({ "refused.more": "{}" }),
    ] {
        user.patch(&data).fails().says("only cmp-webhook writes held.*");
        admin(data).fails().says("only cmp-webhook writes held.*");
    }
    for data in
        [json!({ "quota": r#"{"cpu":"64","memory":"64Gi"}"# }), json!({ "policy": "{}" }), json!({ "other": "x" })]
    {
        user.patch(&data).fails().says("a user may change want.* and delete.*, and remove refused.*");
    }
    user.patch(&json!({ format!("want.{name}"): null }))
        .fails()
        .says("want.* cannot be removed while its cluster exists");
    admin(json!({ format!("want.{name}"): null })).fails().says("want.* cannot be removed while its cluster exists");
    let delete = format!("delete.{name}");
    user.patch(&json!({ delete.clone(): "another" })).fails().says("must be the uid in held.*");
    user.patch(&json!({ "delete.other": uid.clone() })).fails().says("must be the uid in held.*");
    // A user may not change labels, finalizers and other parts of the object.
    let metadata = |metadata: Value| {
        let patch = json!({ "metadata": metadata }).to_string();
        user.kubectl(&["patch", "configmap", &user.name, "-n", "cmp-users", "--type=merge", "-p", &patch])
    };
    metadata(json!({ "labels": { "kubectl-cmp.dev/account": null } })).fails().says("only the data of an account");
    metadata(json!({ "finalizers": ["example.com/held"] })).fails().says("only the data of an account");
    metadata(json!({ "annotations": { "a": "b" } })).fails().says("only the data of an account");
    // An account that holds clusters stays, and stays an account.
    user.admin(&["delete", "configmap", &user.name, "-n", "cmp-users"]).fails().says("still has clusters");
    user.admin(&["label", "configmap", &user.name, "-n", "cmp-users", "kubectl-cmp.dev/account-"])
        .fails()
        .says("keep its label kubectl-cmp.dev/account=true");
    user.admin(&["delete", "namespace", "cmp-users"]).fails().says("cmp-users contains all accounts");
    // A user may write the wish to delete, but not take it back. A cluster that is being deleted does not change.
    user.patch(&json!({ delete.clone(): uid })).ok();
    let late = user.patch(&json!({ delete: null }));
    assert!(
        late.code == 0 || late.stderr.contains("and cannot be removed") || late.stderr.contains("not found"),
        "{late}"
    );
    let changed = user.patch(&json!({ format!("want.{name}"): want(2, "1", "1Gi") }));
    assert!(changed.stderr.contains("being deleted") || user.account()[&held_key].is_null(), "{changed}");
}

#[test]
fn a_forged_namespace_is_refused() {
    let user = shared().user("4", "8Gi");
    let name = running(&user, "web", 1, "1", "1Gi");
    let ns = format!("{name}-ns");
    let by_hand = "only cmp-webhook writes the labels and annotations of kubectl-cmp.dev on Namespaces";
    user.admin(&["annotate", "namespace", &ns, "kubectl-cmp.dev/count=99", "--overwrite"]).fails().says(by_hand);
    user.admin(&["label", "namespace", &ns, "kubectl-cmp.dev/owner-"]).fails().says(by_hand);
    user.admin(&["label", "namespace", "default", &format!("kubectl-cmp.dev/owner={}", user.name)])
        .fails()
        .says(by_hand);
    let forged = json!({ "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": format!("{name}-forged"), "labels": { "kubectl-cmp.dev/owner": user.name } } });
    user.installation.plane.admin_reading(&["create", "-f", "-"], &forged.to_string()).fails().says(by_hand);
    for subresource in ["status", "finalize"] {
        let mut namespace = user.admin(&["get", "namespace", &ns, "-o", "json"]).ok().json();
        namespace["metadata"]["annotations"]["kubectl-cmp.dev/count"] = "99".into();
        let path = format!("/api/v1/namespaces/{ns}/{subresource}");
        let replaced =
            user.installation.plane.admin_reading(&["replace", "--raw", &path, "-f", "-"], &namespace.to_string());
        replaced.fails().says(by_hand);
    }
    // Only an administrator may change other parts of the Namespace.
    user.admin(&["label", "namespace", &ns, "team=blue"]).ok();
}

#[test]
fn a_stolen_token_of_cmp_webhook_opens_only_namespaces_of_clusters() {
    let user = shared().user("4", "8Gi");
    let name = running(&user, "web", 1, "1", "1Gi");
    let ns = format!("{name}-ns");
    let create = |object: Value| as_webhook(&["create", "-f", "-"], &object.to_string());
    let namespace = |name: &str, labels: Value| json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels } });
    create(namespace("plain", json!({}))).fails().says("may create only Namespaces of clusters");
    let ours =
        json!({ "kubectl-cmp.dev/owner": "x", "kubectl-cmp.dev/type": "container", "kubectl-cmp.dev/cluster": "y" });
    create(namespace("kube-extra", ours)).fails().says("may create only Namespaces of clusters");
    as_webhook(&["label", "namespace", "default", "kubectl-cmp.dev/owner=x"], "")
        .fails()
        .says("may change only Namespaces of clusters");
    as_webhook(&["label", "namespace", "kube-system", "pod-security.kubernetes.io/enforce=privileged"], "").fails();
    as_webhook(&["delete", "namespace", "default"], "").fails();
    as_webhook(&["delete", "namespace", "cmp-templates"], "").fails().says("may change only Namespaces of clusters");
    as_webhook(&["label", "namespace", &ns, "kubectl-cmp.dev/owner=other", "--overwrite"], "")
        .fails()
        .says("may not change the owner");
    as_webhook(&["label", "namespace", &ns, "pod-security.kubernetes.io/enforce=privileged", "--overwrite"], "")
        .fails()
        .says("or another label");
    let binding = |ns: &str, role: &str, subject: Value| {
        json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": "more", "namespace": ns },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role }, "subjects": [subject] })
    };
    let owner = json!({ "kind": "ServiceAccount", "name": user.name, "namespace": "cmp-users" });
    create(binding("kube-system", "cmp-container-user", owner.clone()))
        .fails()
        .says("cmp-webhook may not CREATE rolebindings here");
    create(binding(&ns, "cluster-admin", owner.clone())).fails();
    create(binding(&ns, "cmp-vm-user", owner.clone()))
        .fails()
        .says("may bind only the owner of a Namespace to the role of its type");
    let thief = json!({ "kind": "ServiceAccount", "name": "thief", "namespace": "cmp-users" });
    create(binding(&ns, "cmp-container-user", thief)).fails().says("may bind only the owner");
    create(binding(&ns, "cmp-container-user", owner))
        .fails()
        .says("may bind only the owner of a Namespace to the role of its type");
    let quota = |ns: &str| json!({ "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "q", "namespace": ns }, "spec": { "hard": { "pods": "0" } } });
    create(quota("kube-system")).fails().says("cmp-webhook may not CREATE resourcequotas here");
    create(quota("default")).fails().says("may not CREATE");
    let secret = |name: &str| json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name, "namespace": "cmp-system" } });
    create(secret("more")).fails().says("may not CREATE secrets here");
    let service_account = json!({ "automountServiceAccountToken": true }).to_string();
    as_webhook(&["patch", "serviceaccount", "default", "-n", &ns, "-p", &service_account], "")
        .fails()
        .says("may only set automountServiceAccountToken");
    as_webhook(&["patch", "serviceaccount", "default", "-n", "kube-system", "-p", &service_account], "").fails();
    // The configuration: cmp-webhook may write the certificate, and nothing else.
    let configuration = |patch: &str| {
        as_webhook(&["patch", "validatingwebhookconfiguration", "cmp-webhook", "--type=json", "-p", patch], "")
    };
    configuration(r#"[{"op":"replace","path":"/webhooks/0/failurePolicy","value":"Ignore"}]"#).fails().says("caBundle");
    configuration(r#"[{"op":"add","path":"/webhooks/0/clientConfig/url","value":"https://example.com/x"}]"#).fails();
    configuration(r#"[{"op":"remove","path":"/webhooks/0"}]"#).fails().says("caBundle");
    configuration(r#"[{"op":"add","path":"/webhooks/0/rules/0/resources/-","value":"pods"}]"#).fails().says("caBundle");
    as_webhook(&["delete", "validatingwebhookconfiguration", "cmp-webhook"], "").fails();
    // Accounts: cmp-webhook may not raise a quota, and may not create an account.
    let account = json!({ "data": { "quota": r#"{"cpu":"64","memory":"64Gi"}"# } }).to_string();
    as_webhook(&["patch", "configmap", &user.name, "-n", "cmp-users", "--type=merge", "-p", &account], "")
        .fails()
        .says("cmp-webhook may not change quota and policy");
    for (kind, place) in
        [("secrets", "kube-system"), ("secrets", "cmp-users"), ("configmaps", "kube-system"), ("nodes", "default")]
    {
        as_webhook(&["get", kind, "-n", place], "").fails().says("cannot list resource");
    }
    as_webhook(&["create", "token", &user.name, "-n", "cmp-users"], "").fails().says("cannot create resource");
    as_webhook(&["run", "x", "--image=x", "-n", &ns], "").fails().says("cannot create resource");
}

#[test]
fn the_controllers_judge_a_want_that_bypassed_the_webhook() {
    let user = shared().user("4", "8Gi");
    let name = user.cluster("web");
    // A first attempt with the webhook shows that the patch itself is valid.
    let key = format!("want.{name}");
    user.patch(&json!({ key.clone(): want(9, "1", "1Gi") })).fails().says("exceeded quota");
    // The label makes it an account for cmp-webhook; without the configuration the API server asks nobody. Other tests
    // need the configuration, so a match condition exempts only this account.
    let exempt = json!([{ "op": "add", "path": "/webhooks/0/matchConditions/-",
        "value": { "name": "not-this-one", "expression": format!("object.metadata.name != '{}'", user.name) } }]);
    user.admin(&["patch", "validatingwebhookconfiguration", "cmp-webhook", "--type=json", "-p", &exempt.to_string()])
        .ok();
    eventually("the API server does not ask", SOON, || {
        let tried = user.patch(&json!({ key.clone(): want(9, "1", "1Gi") }));
        if tried.code == 0 { Ok(()) } else { Err(tried.to_string()) }
    });
    eventually("it is taken back", SOON, || {
        let account = user.account();
        let refused = account[format!("refused.{name}")].as_str().unwrap_or_default().contains("exceeded quota");
        if refused && account[&key].is_null() { Ok(()) } else { Err(account.to_string()) }
    });
    let restore = json!([{ "op": "remove", "path": "/webhooks/0/matchConditions/1" }]).to_string();
    user.admin(&["patch", "validatingwebhookconfiguration", "cmp-webhook", "--type=json", "-p", &restore]).ok();
    user.admin(&["get", "namespace", &format!("{name}-ns")]).fails().says("not found");
}
