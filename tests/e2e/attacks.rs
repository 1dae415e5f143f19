//! Attempts of john with his own token that are refused: kubectl says "Forbidden" or "is forbidden".

mod account;
mod fields;
mod fills;
mod forged;
mod instances;
mod matrix;
mod objects;
mod stolen;
mod table;

use serde_json::json;

use crate::support::{running, shared};

#[test]
fn john_sees_only_johns() {
    let (john, mary) = (shared().user("4", "8Gi"), shared().user("4", "8Gi"));
    let (his, hers) = (running(&john, "web", 1, "1", "1Gi"), running(&mary, "web", 1, "1", "1Gi"));
    john.cmp(&["get", "clusters"]).ok().says(&his).says_not(&hers);
    john.cmp(&["get", "instances"]).ok().says(&his).says_not(&hers);
    john.cmp(&["get", "clusters", &hers]).fails().says("not found");
    for command in ["suspend", "resume", "describe"] {
        john.cmp(&[command, "cluster", &hers]).fails().says("not found");
    }
    john.cmp(&["delete", "cluster", &hers, "--yes"]).fails().says("not found");
    john.cmp(&["scale", "cluster", &hers, "--count", "3"]).fails().says("not found");
    john.cmp(&["stop", "instance", &format!("{hers}-0")]).fails().says("not found");
    john.cmp(&["get", "users"]).fails().says("orbidden");
    john.cmp(&["get", "clusters", "-A"]).fails().says("orbidden");
    john.cmp(&["quota", &mary.name]).fails().says("only an administrator can act for another user");
    let ns = format!("{hers}-ns");
    for kind in ["pods", "statefulsets", "services", "configmaps", "secrets", "events", "persistentvolumeclaims"] {
        john.kubectl(&["get", kind, "-n", &ns]).fails().says("orbidden");
    }
    john.kubectl(&["get", "namespace", &ns]).fails().says("orbidden");
    john.kubectl(&["get", "configmap", &mary.name, "-n", "cmp-users"]).fails().says("orbidden");
    john.kubectl(&["delete", "pod", &format!("{hers}-0-0"), "-n", &ns]).fails().says("orbidden");
    john.kubectl(&["exec", &format!("{hers}-0-0"), "-n", &ns, "--", "id"]).fails().says("orbidden");
}

#[test]
fn johns_token_opens_nothing_else() {
    let (john, mary) = (shared().user("4", "8Gi"), shared().user("4", "8Gi"));
    let ns = format!("{}-ns", running(&john, "web", 1, "1", "1Gi"));
    john.kubectl(&["get", "namespace", &ns]).ok();
    let refused: &[&[&str]] = &[
        &["get", "namespaces"],
        &["get", "namespace", "default"],
        &["create", "namespace", "more"],
        &["delete", "namespace", &ns],
        &["label", "namespace", &ns, "a=b"],
        &["annotate", "namespace", &ns, "kubectl-cmp.dev/count=99", "--overwrite"],
        &["get", "nodes"],
        &["get", "secrets", "-n", "cmp-system"],
        &["get", "secret", "cmp-webhook-cert", "-n", "cmp-system"],
        &["get", "secrets", "-n", "cmp-users"],
        &["get", "configmaps", "-n", "cmp-users"],
        &["delete", "configmap", &john.name, "-n", "cmp-users"],
        &["create", "configmap", "mine", "-n", "cmp-users"],
        &["get", "secrets", "-n", "kube-system"],
        &["create", "token", &john.name, "-n", "cmp-users"],
        &["create", "token", &mary.name, "-n", "cmp-users"],
        &["create", "token", "cmp-webhook", "-n", "cmp-system"],
        &["create", "token", "default", "-n", &ns],
        &["create", "serviceaccount", "more", "-n", &ns],
        &["run", "x", "--image=x", "-n", &ns],
        &["create", "deployment", "x", "--image=x", "-n", &ns],
        &["create", "job", "x", "--image=x", "-n", &ns],
        &["create", "cronjob", "x", "--image=x", "--schedule=* * * * *", "-n", &ns],
        &["create", "role", "x", "--verb=get", "--resource=pods", "-n", &ns],
        &["create", "rolebinding", "x", "--clusterrole=cluster-admin", "--user=x", "-n", &ns],
        &["delete", "rolebinding", "cmp-user", "-n", &ns],
        &["delete", "resourcequota", "cmp", "-n", &ns],
        &["delete", "limitrange", "cmp", "-n", &ns],
        &["delete", "networkpolicy", "cmp", "-n", &ns],
        &["patch", "resourcequota", "cmp", "-n", &ns, "--type=merge", "-p", r#"{"spec":{"hard":null}}"#],
        &["patch", "limitrange", "cmp", "-n", &ns, "--type=merge", "-p", r#"{"spec":{"limits":[]}}"#],
        &["create", "quota", "more", "-n", &ns],
        &["get", "statefulsets", "-A"],
        &["get", "validatingwebhookconfigurations"],
        &["delete", "validatingadmissionpolicy", "cmp-instances"],
        &["create", "clusterrolebinding", "x", "--clusterrole=cluster-admin", "--user=x"],
        &["get", "pods", "-n", "default", "--as=admin"],
        &["get", "pods", "-n", "default", "--as=system:serviceaccount:cmp-system:cmp-webhook"],
        &["create", "configmap", "x", "-n", "cmp-templates"],
    ];
    for command in refused {
        // RBAC refuses these, and not a quota that happens to be full.
        john.kubectl(command).fails().says(" cannot ");
    }
    john.cmp(&["create", "token", &mary.name]).fails().says("orbidden");
    john.cmp(&["create", "user", "eve", "--cpu", "64", "--memory", "64Gi"]).fails().says("orbidden");
    john.cmp(&["set", "quota", &john.name, "--cpu", "64"])
        .fails()
        .says("a user may change want.* and delete.*, and remove refused.*");
    john.cmp(&["delete", "user", &mary.name, "--yes"]).fails().says("orbidden");
    john.cmp(&["install"]).fails().says("cannot get resource");
    john.cmp(&["uninstall", "--purge", "--yes"]).fails().says("orbidden");
    john.kubectl(&["get", "configmaps", "-n", "cmp-templates"]).ok();
}

#[test]
fn bare_pods_and_workloads_are_refused_in_every_form() {
    let john = shared().user("4", "8Gi");
    let ns = format!("{}-ns", running(&john, "web", 1, "1", "1Gi"));
    let template =
        json!({ "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [{ "name": "c", "image": "i" }] } });
    let selector = json!({ "matchLabels": { "a": "b" } });
    let objects = [
        json!({ "apiVersion": "v1", "kind": "Pod", "spec": template["spec"] }),
        json!({ "apiVersion": "v1", "kind": "ReplicationController", "spec": { "template": template } }),
        json!({ "apiVersion": "apps/v1", "kind": "ReplicaSet", "spec": { "selector": selector, "template": template } }),
        json!({ "apiVersion": "apps/v1", "kind": "DaemonSet", "spec": { "selector": selector, "template": template } }),
        json!({ "apiVersion": "apps/v1", "kind": "ControllerRevision", "revision": 1 }),
        json!({ "apiVersion": "v1", "kind": "PodTemplate", "template": template }),
        json!({ "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "spec": { "maxReplicas": 9, "scaleTargetRef": { "kind": "StatefulSet", "name": "web-0" } } }),
        json!({ "apiVersion": "v1", "kind": "Endpoints" }),
        json!({ "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "spec": { "podSelector": {} } }),
    ];
    for mut object in objects {
        object["metadata"] = json!({ "name": "x", "namespace": ns });
        john.kubectl_reading(&["create", "--validate=false", "-f", "-"], &object.to_string())
            .fails()
            .says("cannot create resource");
    }
}
