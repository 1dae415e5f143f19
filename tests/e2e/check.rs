//! `check`: an installation in order, and every fault that it must name.

use std::time::{Duration, Instant};

use axum::response::Response;
use axum_server::tls_rustls::RustlsConfig;
use cmp_tests::authority::Authority;
use cmp_tests::cdi;
use cmp_tests::control_plane::free_port;
use cmp_tests::process::Process;
use cmp_tests::{ControlPlane, Installation, Output, World, eventually};
use cmp_webhook::{admission, metrics::Metrics};
use serde_json::json;

use crate::certificates::changes_all_pass;
use crate::support::{SOON, held, running, shared};

fn check(plane: &ControlPlane) -> Output {
    plane.admin(&["cmp", "check"])
}

/// Returns the names of the failed checks.
fn failed(said: &Output) -> Vec<&str> {
    let failed = said.stdout.lines().filter_map(|line| line.strip_prefix("failed "));
    failed.filter_map(|line| line.trim().split(": ").next()).collect()
}

/// Asserts that exactly these checks fail, each with a hint, and that the output has these texts.
#[track_caller]
fn fails(plane: &ControlPlane, expected: &[&str], texts: &[&str]) {
    let said = check(plane).fails();
    assert_eq!(failed(&said), expected, "{said}");
    let mut lines = said.stdout.lines().skip_while(|line| !line.starts_with("failed")).skip(1);
    assert!(lines.next().is_some_and(|line| line.starts_with("hint: ")), "{said}");
    for text in texts {
        said.clone().says(text);
    }
}

/// Waits until exactly these checks fail, after the API server has taken over the change.
#[track_caller]
fn comes_to_fail(plane: &ControlPlane, expected: &[&str], text: &str) {
    eventually(text, SOON, || {
        let said = check(plane);
        if said.stdout.contains(text) && failed(&said) == expected { Ok(()) } else { Err(said.to_string()) }
    });
}

#[track_caller]
fn comes_to_pass(plane: &ControlPlane) {
    eventually("everything is as it should be", SOON, || {
        let said = check(plane);
        if said.code == 0 { Ok(()) } else { Err(said.to_string()) }
    });
}

/// Installs CDI without its programs, and breaks each part that `check` looks at.
fn check_cdi(plane: &ControlPlane) {
    let comes_to_say = |text: &str| {
        eventually(text, SOON, || {
            let said = check(plane).ok();
            if said.stdout.contains(text) { Ok(()) } else { Err(said.to_string()) }
        });
    };
    comes_to_say("ok        cdi: CDI is not installed: VMs have no root disks that stay (--disk)");
    let objects = cdi::objects().to_string();
    plane.admin_reading(&["create", "-f", "-"], &objects).ok();
    comes_to_say("ok        cdi: CDI is installed: the root disks of VMs can stay (--disk)\n");
    // Its webhook has no Service.
    let service = json!({ "namespace": "cdi", "name": "cdi-api", "path": "/datavolume-validate" });
    let rules = json!([{ "apiGroups": ["cdi.kubevirt.io"], "apiVersions": ["v1beta1"], "resources": ["datavolumes"],
        "operations": ["CREATE", "UPDATE"] }]);
    let webhook = json!({ "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": "cdi-api-datavolume-validate" },
        "webhooks": [{ "name": "datavolume-validate.cdi.kubevirt.io", "clientConfig": { "service": service }, "rules": rules,
            "failurePolicy": "Fail", "sideEffects": "None", "admissionReviewVersions": ["v1"] }] });
    plane.admin_reading(&["create", "-f", "-"], &webhook.to_string()).ok();
    comes_to_say("warning   cdi: CDI is installed, and a DataVolume is refused: ");
    check(plane).ok().says("no VM with --disk can be created").says("kubectl get pods -A -l cdi.kubevirt.io");
    plane.admin(&["delete", "validatingwebhookconfiguration", "cdi-api-datavolume-validate"]).ok();
    comes_to_say("ok        cdi: CDI is installed");
    // Its operator reports a trouble.
    let cdi = json!({ "apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "CDI", "metadata": { "name": "cdi" } });
    plane.admin_reading(&["create", "-f", "-"], &cdi.to_string()).ok();
    let condition =
        json!({ "type": "Available", "status": "False", "reason": "NoOperator", "message": "no Deployment" });
    let status = json!({ "status": { "conditions": [condition] } }).to_string();
    plane.admin(&["patch", "cdis.cdi.kubevirt.io", "cdi", "--subresource=status", "--type=merge", "-p", &status]).ok();
    comes_to_say(
        "warning   cdi: CDI reports Available=False: NoOperator: no Deployment; no VM with --disk can be created",
    );
    plane.admin_reading(&["delete", "-f", "-"], &objects).ok();
    comes_to_say("ok        cdi: CDI is not installed");
}

fn patch(plane: &ControlPlane, what: &[&str], patch: &serde_json::Value) {
    let kind = if patch.is_array() { "--type=json" } else { "--type=merge" };
    plane.admin(&[&["patch"], what, &[kind, "-p", &patch.to_string()]].concat()).ok();
}

/// Returns a patch that sets or removes caBundle in the configuration.
fn bundle(pem: Option<&str>) -> serde_json::Value {
    let pem = pem.map(|pem| k8s_openapi::ByteString(pem.as_bytes().to_vec()));
    let op = if pem.is_some() { "add" } else { "remove" };
    let of = |at: usize| json!({ "op": op, "path": format!("/webhooks/{at}/clientConfig/caBundle"), "value": pem });
    json!([of(0), of(1)])
}

const CONFIGURATION: [&str; 2] = ["validatingwebhookconfiguration", "cmp-webhook"];

#[test]
fn check_passes_on_a_sound_installation() {
    let user = shared().user("4", "8Gi");
    let web = running(&user, "web", 1, "1", "1Gi");
    let plane = &shared().plane;
    let said = plane.admin(&["cmp", "check", "--pre"]).ok();
    said.says("ok        kubernetes: v1.")
        .says("ok        admission: ValidatingAdmissionPolicies are served")
        .says("ok        kubevirt: KubeVirt is not installed: clusters of VMs cannot be created")
        .says("ok        cdi: CDI is not installed: VMs have no root disks that stay (--disk)")
        .says("ok        apiservices: ")
        .says("ok        rights: you may create and change all objects of cmp")
        .says_not("policy/");
    // A user can check their own account.
    let own = user.cmp(&["check"]).ok();
    own.says("ok        account: it is sound: 1 cluster, within the quota")
        .says("the other checks need administrator rights");
    let object = user.cmp(&["check", "-o", "json"]).ok().json();
    assert_eq!((&object["kind"], &object["status"]["result"]), (&json!("Check"), &json!("ok")));
    assert_eq!(object["status"]["checks"][0]["name"], "kubernetes");
    // A subject without rights gets a warning. An unreadable object does not count as a failure.
    let nobody = ["--as", "nobody@example.com"];
    plane.admin(&[&["cmp", "check"], &nobody[..]].concat()).ok().says("warning   cmp: not checked");
    plane
        .admin(&[&["cmp", "check", "--pre"], &nobody[..]].concat())
        .fails()
        .says("failed    rights: you may not create clusterrolebindings, create clusterroles")
        .says("hint: installing needs administrator rights");
    user.cmp(&["version"]).ok().says(concat!("Webhook Version: v", env!("CARGO_PKG_VERSION"))).says_not("Warning");
    drop(web);
}

#[test]
fn each_problem_is_named_with_a_remedy() {
    let mut installation = Installation::start(1, "3s");
    let john = installation.user_named("john", "4", "8Gi");
    let web = running(&john, "web", 2, "1", "1Gi");
    installation.user_named("mary", "4", "8Gi");
    let plane = &installation.plane;
    let path = "jsonpath={.webhooks[0].clientConfig.url}";
    let asked = plane.admin(&[&["get"], &CONFIGURATION[..], &["-o", path]].concat()).ok().stdout;
    let url = asked.trim_end_matches("/validate-account").to_owned();
    let install = |plane: &ControlPlane| plane.admin(&["cmp", "install", "--webhook-url", &url]).ok();

    let sound = check(plane).ok();
    for policy in ["accounts", "instances", "scale", "pods", "namespaces", "user-objects", "services", "webhook-rights"]
    {
        sound.clone().says(&format!("policy/cmp-{policy}: it is unchanged and refuses a forbidden request"));
    }
    sound
        .says("policy/cmp-webhook-configuration: it is unchanged and refuses a forbidden request")
        .says("policy/cmp-vms: it is unchanged; not tried: there is no cluster of VMs")
        .says("ok        cmp-webhook: it accepts a valid account and refuses an invalid one")
        .says("ok        certificate: it is valid for localhost and signed by the authority in caBundle")
        .says("ok        accounts: 2 accounts with 1 cluster, all sound");

    // Another server of the API is down. It belongs to somebody else, so that nothing of cmp has failed.
    let service = json!({ "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": { "name": "v1beta1.metrics.k8s.io" },
        "spec": { "group": "metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100,
            "insecureSkipTLSVerify": true, "service": { "name": "metrics-server", "namespace": "kube-system" } } });
    plane.admin_reading(&["create", "-f", "-"], &service.to_string()).ok();
    eventually("the API server knows that it is not available", SOON, || {
        let said = check(plane).ok();
        let text = "warning   apiservice/v1beta1.metrics.k8s.io: it is not available: service/metrics-server";
        if said.stdout.contains(text) { Ok(()) } else { Err(said.to_string()) }
    });
    check(plane)
        .ok()
        .says("no namespace can finish its deletion")
        .says("kubectl delete apiservice v1beta1.metrics.k8s.io");
    plane.admin(&["delete", "apiservice", "v1beta1.metrics.k8s.io"]).ok();
    comes_to_pass(plane);

    // A definition of KubeVirt, and one of CDI, is stored, and its names belong to another definition.
    for (name, group, served, kind) in [
        ("kubevirt", "kubevirt.io", "virtualmachines", "VirtualMachine"),
        ("cdi", "cdi.kubevirt.io", "datavolumes", "DataVolume"),
    ] {
        let other = format!("others.{group}");
        for plural in ["others", served] {
            let definition = json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "metadata": { "name": format!("{plural}.{group}") },
                "spec": { "group": group, "scope": "Namespaced",
                    "names": { "plural": plural, "kind": kind },
                    "versions": [{ "name": if name == "cdi" { "v1beta1" } else { "v1" }, "served": true, "storage": true,
                        "schema": { "openAPIV3Schema": { "type": "object" } } }] } });
            plane.admin_reading(&["create", "-f", "-"], &definition.to_string()).ok();
            if plural == "others" {
                plane.admin(&["wait", "--for=condition=Established", "crd", &other]).ok();
            }
        }
        let text = format!("warning   {name}: customresourcedefinition/{served}.{group} is not Established");
        check(plane).ok().says(&text).says(&format!("kubectl describe crd {served}.{group}"));
        plane.admin(&["delete", "crd", &other, &format!("{served}.{group}")]).ok();
    }
    check_cdi(plane);

    // The seats at the API server: no budget depends on them.
    plane.admin(&["delete", "flowschema", "cmp-users"]).ok();
    let shares = json!({ "spec": { "limited": { "nominalConcurrencyShares": 7 } } });
    patch(plane, &["prioritylevelconfiguration", "cmp-accounts"], &shares);
    check(plane)
        .ok()
        .says("warning   flow control: ")
        .says("flowschema.flowcontrol.apiserver.k8s.io/cmp-users: it is missing")
        .says("cmp-accounts: spec.limited.nominalConcurrencyShares was changed after the installation")
        .says("hint: without them, a flood of requests from one user delays the others");
    install(plane).says("flowschema.flowcontrol.apiserver.k8s.io/cmp-users created");
    check(plane).ok().says("ok        flow control: 6 flow schemas and priority levels are unchanged");

    // Policies and rights.
    let never = json!([{ "op": "add", "path": "/spec/matchConditions/-", "value": { "name": "never", "expression": "false" } }]);
    patch(plane, &["validatingadmissionpolicy", "cmp-services"], &never);
    let text = "spec.matchConditions was changed after the installation, and it does not refuse a forbidden request";
    comes_to_fail(plane, &["policy/cmp-services"], text);
    plane.admin(&["delete", "validatingadmissionpolicybinding", "cmp-pods"]).ok();
    let role = json!([{ "op": "add", "path": "/rules/0/verbs/-", "value": "delete" }]);
    patch(plane, &["clusterrole", "cmp-container-user"], &role);
    plane.admin(&["create", "rolebinding", "more", "-n", "default", "--clusterrole=cmp-vm-user", "--user=mary"]).ok();
    patch(
        plane,
        &["namespace", "cmp-templates"],
        &json!({ "metadata": { "labels": { "app.kubernetes.io/part-of": null } } }),
    );
    plane.admin(&["cmp", "check", "--pre"]).fails().says("cmp-templates exists but does not belong to cmp");
    let all = ["roles", "bindings", "policy/cmp-pods", "policy/cmp-services"];
    let texts = [
        "clusterrole.rbac.authorization.k8s.io/cmp-container-user: rules[0].verbs was changed after the installation",
        "rolebinding/more in default gives cmp-vm-user to User mary",
        "policy/cmp-pods: its binding: it is missing",
    ];
    fails(plane, &all, &texts);
    plane.admin(&["delete", "rolebinding", "more", "-n", "default"]).ok();
    // An apply keeps entries that were added to a list that others may extend.
    plane.admin(&["delete", "validatingadmissionpolicy", "cmp-services"]).ok();
    install(plane).says("clusterrole.rbac.authorization.k8s.io/cmp-container-user configured");
    comes_to_pass(plane);

    // The webhook configuration: it asks nobody, or never asks.
    let never = json!([{ "op": "add", "path": "/webhooks/0/matchConditions/-", "value": { "name": "never", "expression": "false" } }]);
    patch(plane, &CONFIGURATION, &never);
    let text = "an invalid account is not refused: cmp-webhook is not asked";
    comes_to_fail(plane, &["configuration", "cmp-webhook"], text);
    plane.admin(&[&["delete"], &CONFIGURATION[..]].concat()).ok();
    fails(plane, &["configuration"], &["cmp-webhook: it is missing", "the API server asks no webhook about accounts"]);
    install(plane);
    comes_to_pass(plane);

    // The usage is above the quota: `check` warns about it, but nothing is broken.
    plane.admin(&["cmp", "set", "quota", "john", "--cpu", "1"]).ok();
    check(plane).ok().says("warning   account/john: cpu=2 is charged, and the quota is 1");
    john.cmp(&["check"]).ok().says("warning   account: cpu=2 is charged, and the quota is 1");
    plane.admin(&["cmp", "set", "quota", "john", "--cpu", "4"]).ok();

    // cmp-webhook is down: no controller repairs the damage, so that `check` can report it.
    let kubeconfig = john.kubeconfig.clone();
    installation.stop();
    let plane = &installation.plane;
    fails(
        plane,
        &["cmp-webhook"],
        &["it does not answer: ", "until cmp-webhook answers, clusters cannot be created or grown"],
    );
    plane.admin(&["delete", "limitrange", "cmp", "-n", &format!("{web}-ns")]).ok();
    let text = format!("account/john: cluster {web} is ready, but its LimitRange is missing or was changed");
    fails(plane, &["cmp-webhook", "account/john"], &[&text]);
    plane.admin(&["delete", "validatingadmissionpolicybinding", "cmp-accounts"]).ok();
    let lost = json!({ "data": { format!("held.{web}"): null } }).to_string();
    eventually("the policy is gone", SOON, || {
        let tried = plane.admin(&["patch", "configmap", "john", "-n", "cmp-users", "--type=merge", "-p", &lost]);
        if tried.code == 0 { Ok(()) } else { Err(tried.to_string()) }
    });
    patch(plane, &["configmap", "mary", "-n", "cmp-users"], &json!({ "data": { "held.db": "lost" } }));
    let texts = [
        &format!("account/john: namespace {web}-ns belongs to this user, but the account has no entry for it"),
        "account/mary: the account is damaged: \"held.db\" of the account is not readable",
        "policy/cmp-accounts: its binding: it is missing",
    ];
    fails(plane, &["cmp-webhook", "policy/cmp-accounts", "account/john", "account/mary"], &texts);
    let out = cmp_tests::shell::kubectl(&kubeconfig, &["cmp", "check"]);
    out.ok().says("it is sound: 0 clusters");
    let damaged = ["cmp-webhook", "certificate", "policy/cmp-accounts", "account/john", "account/mary"];
    patch(plane, &CONFIGURATION, &bundle(None));
    fails(plane, &damaged, &["caBundle is empty: cmp-webhook has not written it"]);
    let other = Authority::new(plane.folder(), "other", "somebody else");
    patch(plane, &CONFIGURATION, &bundle(Some(other.pem())));
    fails(plane, &damaged, &["the API server does not trust it: invalid peer certificate: UnknownIssuer"]);
    plane.admin(&["delete", "secret", "cmp-webhook-cert", "-n", "cmp-system"]).ok();
    fails(plane, &damaged, &["secret/cmp-webhook-cert is missing"]);

    // After the restart the controllers repair everything.
    install(plane);
    installation.restart();
    let plane = &installation.plane;
    comes_to_pass(plane);
    installation.stop();

    let plane = &installation.plane;
    another_version(plane, &other);
    let john = World { installation: &installation, name: "john".to_owned(), kubeconfig };
    let webhook = with_cert_manager(&john, &web);
    assert!(webhook.is_running());
    purged(plane, &web);
}

/// Starts another server in place of cmp-webhook. It runs the same code, but reports another version.
fn another_version(plane: &ControlPlane, authority: &Authority) {
    // Another test may have been first.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    authority.server("other-version", "cmp-webhook", &["localhost"]);
    let [certificate, key] = ["crt", "key"].map(|ending| plane.folder().join(format!("other-version.{ending}")));
    let port = free_port();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.spawn(async move {
        let older = axum::middleware::map_response(|response: Response| async {
            let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
            let said = String::from_utf8(body.to_vec()).unwrap();
            let said = said.replace(concat!("cmp-webhook/", env!("CARGO_PKG_VERSION")), "cmp-webhook/0.9.3");
            ([(axum::http::header::CONTENT_TYPE, "application/json")], said)
        });
        let tls = RustlsConfig::from_pem_file(certificate, key).await.unwrap();
        let routes = admission::router(&std::sync::Arc::new(Metrics::default())).layer(older);
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
        axum_server::bind_rustls(address, tls).serve(routes.into_make_service()).await.unwrap();
    });
    plane.admin(&["cmp", "install", "--webhook-url", &format!("https://localhost:{port}")]).ok();
    patch(plane, &CONFIGURATION, &bundle(Some(authority.pem())));
    let text = concat!("version: the plugin is v", env!("CARGO_PKG_VERSION"), ", and cmp-webhook v0.9.3");
    // The Secret still belongs to the stopped cmp-webhook.
    comes_to_fail(plane, &["version", "certificate"], text);

    // cmp-webhook cannot use a setting that somebody edited.
    let map = ["configmap", "cmp-version", "-n", "cmp-templates"];
    patch(plane, &map, &json!({ "data": { "ephemeral-storage": "10 GB", "deny-egress-to": "10.0.0.0/33" } }));
    comes_to_fail(
        plane,
        &["version", "settings", "certificate"],
        "ephemeral-storage is \"10 GB\", which is not a quantity",
    );
    plane
        .admin(&["cmp", "check"])
        .fails()
        .says("deny-egress-to is \"10.0.0.0/33\"")
        .says("install --ephemeral-storage");
    patch(plane, &map, &json!({ "data": { "ephemeral-storage": null, "deny-egress-to": null } }));
    comes_to_fail(plane, &["version", "certificate"], text);
    // The version that everybody may read is the installed one.
    patch(plane, &map, &json!({ "data": { "version": "0.9.3" } }));
    plane
        .admin(&["cmp", "version"])
        .ok()
        .says("Webhook Version: v0.9.3")
        .says("Warning: the plugin is v")
        .says("install that version of the plugin");
    let object = plane.admin(&["cmp", "version", "-o", "json"]).ok().json();
    assert_eq!(object["webhookVersion"]["gitVersion"], "v0.9.3");
}

/// Installs with cert-manager. Neither cert-manager nor the Prometheus operator is installed here. The test creates
/// their CRDs, and writes the objects that cert-manager and its cainjector would write.
fn with_cert_manager(john: &World<'_>, web: &str) -> Process {
    let plane = &john.installation.plane;
    let types = [
        ("cert-manager.io", "certificates", "Certificate"),
        ("cert-manager.io", "issuers", "Issuer"),
        ("monitoring.coreos.com", "podmonitors", "PodMonitor"),
        ("monitoring.coreos.com", "prometheusrules", "PrometheusRule"),
    ];
    let kinds = types.map(|(group, plural, kind)| {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": { "name": format!("{plural}.{group}") },
            "spec": { "group": group, "scope": "Namespaced",
                "names": { "plural": plural, "singular": kind.to_lowercase(), "kind": kind, "listKind": format!("{kind}List") },
                "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": {
                    "type": "object", "x-kubernetes-preserve-unknown-fields": true } } }] },
        })
    });
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": kinds }).to_string();
    plane.admin_reading(&["apply", "-f", "-"], &list).ok();
    for (group, plural, _) in types {
        plane.admin(&["wait", "--for=condition=Established", "crd", &format!("{plural}.{group}")]).ok();
    }
    let [port, probe] = [free_port(), free_port()];
    let url = format!("https://localhost:{port}");
    let install = |more: &[&str]| {
        plane.admin(&[&["cmp", "install", "--cert-manager", "--webhook-url", &url], more].concat()).ok()
    };
    install(&["--prometheus"])
        .says("certificate.cert-manager.io/cmp-webhook created")
        .says("role.rbac.authorization.k8s.io/cmp-webhook configured")
        .says("podmonitor.monitoring.coreos.com/cmp-webhook created");
    install(&["--prometheus=false"])
        .says("podmonitor.monitoring.coreos.com/cmp-webhook pruned")
        .says("prometheusrule.monitoring.coreos.com/cmp-webhook pruned")
        .says("certificate.cert-manager.io/cmp-webhook unchanged");

    let as_webhook = |arguments: &[&str]| {
        cmp_tests::shell::kubectl(&plane.folder().join("cmp-webhook.kubeconfig"), arguments).fails()
    };
    as_webhook(&["label", CONFIGURATION[0], CONFIGURATION[1], "a=b"]).says("cannot patch resource");
    as_webhook(&["create", "secret", "generic", "cmp-webhook-cert", "-n", "cmp-system"]).says("cannot create resource");
    as_webhook(&["get", "secret", "cmp-webhook-ca", "-n", "cmp-system"]).says("cannot get resource");

    // cmp-webhook has no use for its own certificate any more, and may not write one.
    let start = |name: &str, more: &[&str]| {
        let kubeconfig = plane.folder().join("cmp-webhook.kubeconfig").display().to_string();
        let (bind, probes) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{probe}"));
        let flags = ["serve", "--kubeconfig", &kubeconfig, "--bind-address", &bind, "--probe-address", &probes];
        let flags = [&flags[..], &["--admission-window", "3s", "--shutdown-delay", "0s"], more].concat();
        let flags = flags.into_iter().map(str::to_owned).collect();
        Process::start(name, &cmp_tests::binaries::built().webhook, flags, plane.folder())
    };
    let webhook = start("cmp-webhook-cert-manager", &["--certificate-secret", "cmp-webhook-tls"]);
    let waits = |text: &str| {
        eventually(text, SOON, || {
            assert!(webhook.is_running(), "{}", webhook.last_words());
            if webhook.log().contains(text) { Ok(()) } else { Err(webhook.last_words()) }
        });
    };
    waits("the Secret cmp-webhook-tls does not exist yet");
    // Writes the Secret as cert-manager does after signing. `inject` writes the authority as its cainjector does.
    let names = ["localhost", "cmp-webhook.cmp-system.svc"];
    let store = |name: &str| {
        let file = |ending: &str| plane.folder().join(format!("{name}.{ending}")).display().to_string();
        let create =
            ["create", "secret", "tls", "cmp-webhook-tls", "-n", "cmp-system", "--dry-run=client", "-o", "yaml"];
        let files = [format!("--cert={}", file("crt")), format!("--key={}", file("key"))];
        let secret = plane.admin(&[&create[..], &[&files[0], &files[1]]].concat()).ok();
        plane.admin_reading(&["apply", "-f", "-"], &secret.stdout).ok();
    };
    let write = |name: &str| {
        let authority = Authority::new(plane.folder(), name, "cert-manager");
        authority.server(name, "cmp-webhook", &names);
        store(name);
        authority
    };
    let inject = |authority: &Authority| patch(plane, &CONFIGURATION, &bundle(Some(authority.pem())));
    patch(plane, &CONFIGURATION, &bundle(None));
    let first = write("first");
    waits("the ValidatingWebhookConfiguration has no caBundle yet for the certificate in cmp-webhook-tls");
    check(plane).fails().says("caBundle is empty: cert-manager's cainjector has not written it");
    inject(&first);
    comes_to_pass(plane);
    // cmp-webhook serves a renewed certificate of another authority without a restart.
    inject(&write("second"));
    comes_to_pass(plane);
    // cert-manager renews a leaf that lives for seconds, while the API server asks all the time.
    let third = write("third");
    inject(&third);
    comes_to_pass(plane);
    let (life, begun) = (Duration::from_secs(10), Instant::now());
    changes_all_pass(plane, "john", || {
        if begun.elapsed() > life * 2 {
            return true;
        }
        third.server_for("renewed", "cmp-webhook", &names, life);
        store("renewed");
        false
    });
    store("third");
    john.account_is("what was lost is known again", |account| held(account, web).is_some());
    john.cmp(&["create", "cluster", "db", "--cpu", "1", "--memory", "1Gi", "--wait"]).ok();

    webhook
}

/// Checks that the purge removes everything, including the leftovers of an older version. At no moment is there a right
/// without its bounds.
fn purged(plane: &ControlPlane, web: &str) {
    let old = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "rules": [],
        "metadata": { "name": "cmp-old", "labels": { "app.kubernetes.io/part-of": "kubectl-cmp" } } });
    let apply = ["apply", "--server-side", "--field-manager=kubectl-cmp", "-f", "-"];
    plane.admin_reading(&apply, &old.to_string()).ok();
    let said = plane.admin(&["cmp", "uninstall", "--purge", "--yes"]).ok();
    let order = [
        format!("namespace/{web}-ns deleted"),
        "user/john deleted".to_owned(),
        "validatingwebhookconfiguration.admissionregistration.k8s.io/cmp-webhook deleted".to_owned(),
        "certificate.cert-manager.io/cmp-webhook deleted".to_owned(),
        "secret/cmp-webhook-tls deleted".to_owned(),
        "clusterrole.rbac.authorization.k8s.io/cmp-container-user deleted".to_owned(),
        "clusterrole.rbac.authorization.k8s.io/cmp-old deleted".to_owned(),
        "validatingadmissionpolicy.admissionregistration.k8s.io/cmp-accounts deleted".to_owned(),
        "namespace/cmp-users deleted".to_owned(),
    ];
    let at: Vec<Option<usize>> = order.iter().map(|line| said.stdout.lines().position(|said| said == line)).collect();
    assert!(at.is_sorted() && at.iter().all(Option::is_some), "{at:?}: {said}");
    check(plane).fails().says("it is not installed in this cluster");
}
