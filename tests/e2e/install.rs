//! Installation: the first install, repeated installs, and removal.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use cmp_tests::process::Folder;
use cmp_tests::{ControlPlane, Installation, eventually};
use cmp_webhook::metrics::Metrics;
use serde_json::{Value, json};

use crate::support::{SOON, running, shared};

/// Returns the objects in a text of YAML documents, by kind and place.
fn objects(text: &str) -> BTreeMap<String, Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let objects = documents.into_iter().filter(|document| !document.is_null()).map(|object| {
        let (at, of) = (&object["metadata"], [&object["apiVersion"], &object["kind"]]);
        (format!("{of:?} {} {}", at["namespace"], at["name"]), object)
    });
    objects.collect()
}

#[test]
fn install_applies_the_output_of_kustomize() {
    let plane = &shared().plane;
    let folder = Folder::new();
    let manifests = folder.path().join("manifests");
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests"), &manifests);
    // Overlays with several components, as an administrator would write them.
    for (overlay, components) in [
        ("both", "../../components/cert-manager, ../../components/prometheus"),
        ("all", "../../components/cert-manager, ../../components/prometheus, ../../components/mirror"),
    ] {
        let text = format!("resources: [../../base, ../../policies]\ncomponents: [{components}]\n");
        fs::create_dir_all(manifests.join("overlays").join(overlay)).unwrap();
        fs::write(manifests.join("overlays").join(overlay).join("kustomization.yaml"), text).unwrap();
    }
    for (overlay, flags) in [
        (".", &[][..]),
        ("overlays/cert-manager", &["--cert-manager"]),
        ("overlays/prometheus", &["--prometheus"]),
        ("overlays/mirror", &["--mirror"]),
        ("overlays/both", &["--cert-manager", "--prometheus"]),
        ("overlays/all", &["--cert-manager", "--prometheus", "--mirror"]),
    ] {
        let theirs = plane.admin(&["kustomize", &manifests.join(overlay).display().to_string()]).ok();
        let ours = plane.admin(&[&["cmp", "install", "--dry-run=client", "-o", "yaml"], flags].concat()).ok();
        let (theirs, ours) = (objects(&theirs.stdout), objects(&ours.stdout));
        assert!(theirs.len() >= 39, "{overlay}: {:?}", theirs.keys());
        assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>(), "{overlay}");
        for (what, object) in &theirs {
            assert_eq!(&ours[what], object, "{overlay}: {what}");
        }
    }
}

/// Copies the folder, so that a test may add to it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn the_pods_of_cmp_webhook_keep_pod_security_restricted() {
    let plane = &shared().plane;
    let printed = plane.admin(&["cmp", "install", "--mirror", "--dry-run=client", "-o", "yaml"]).ok();
    let is_one = |object: &Value| object["kind"] == "Deployment";
    let deployments: Vec<Value> = objects(&printed.stdout).into_values().filter(is_one).collect();
    assert_eq!(deployments.len(), 2);
    let try_pod = |template: &Value| {
        let mut pod = template.clone();
        (pod["apiVersion"], pod["kind"]) = ("v1".into(), "Pod".into());
        pod["metadata"]["name"] = "cmp-webhook-0".into();
        let labels = plane.admin(&["get", "namespace", "cmp-system", "--show-labels"]).ok();
        labels.says("pod-security.kubernetes.io/enforce=restricted");
        plane.admin_reading(&["create", "-n", "cmp-system", "--dry-run=server", "-f", "-"], &pod.to_string())
    };
    for template in deployments.iter().map(|deployment| &deployment["spec"]["template"]) {
        let mut template = template.clone();
        // A missing ServiceAccount would be refused first.
        template["spec"]["serviceAccountName"] = "cmp-webhook".into();
        try_pod(&template).ok();
        let mut open = template.clone();
        open["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = true.into();
        try_pod(&open).fails().says("violates PodSecurity \"restricted");
    }
}

#[test]
fn alerts_use_existing_metrics() {
    // The text shows a metric family only if it has a member.
    let metrics = Metrics::default();
    metrics.judged("Allowed", Duration::ZERO);
    metrics.failed("conflict");
    let metrics = metrics.text() + &cmp_webhook::mirror::Metrics::default().text();
    let known: Vec<&str> = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let rules = include_str!("../../manifests/components/prometheus/rules.yaml");
    let mut named = 0;
    for expression in rules.lines().filter_map(|line| line.trim().strip_prefix("expr: ")) {
        let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for metric in words.filter(|word| word.starts_with("cmp_")) {
            let family = metric.trim_end_matches("_total").trim_end_matches("_bucket");
            assert!(known.contains(&family), "{metric} is none of {known:?}");
            named += 1;
        }
    }
    assert!(named >= 6, "the rules are read: {named}");
}

#[test]
fn a_dry_run_prints_the_manifests() {
    let plane = &shared().plane;
    let printed = plane
        .admin(&[
            "cmp",
            "install",
            "--dry-run=client",
            "-o",
            "yaml",
            "--image",
            "registry/cmp:1",
            "--replicas",
            "3",
            "--mirror",
        ])
        .ok();
    assert_eq!(printed.stdout.matches("image: registry/cmp:1").count(), 2);
    assert_eq!((printed.stdout.matches("replicas: 3").count(), printed.stdout.matches("replicas: 1").count()), (1, 1));
    printed.clone().says("kind: ValidatingAdmissionPolicy\n").says("image: registry/cmp:1").says("replicas: 3");
    // kubectl accepts the printed objects.
    plane
        .admin_reading(&["apply", "--dry-run=client", "-f", "-"], &printed.stdout)
        .ok()
        .says("deployment.apps/cmp-webhook");
    plane
        .admin(&["cmp", "install", "--dry-run=server", "--webhook-url", ""])
        .ok()
        .says("needs confirmation: the API server will ask service/cmp-webhook in cmp-system instead of https://localhost:")
        .says("namespace/cmp-system unchanged (server dry run)")
        .says("deployment.apps/cmp-webhook created (server dry run)");
    plane
        .admin(&["cmp", "install", "--webhook-url", "localhost:8443"])
        .fails()
        .says("use a form such as https://localhost:8443");
    // kustomize must produce valid objects as well.
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../manifests");
    plane.admin(&["apply", "--server-side", "--dry-run=server", "--field-manager=kubectl-cmp", "-k", folder]).ok();
}

/// Returns the installed URL that the API server asks.
fn url(plane: &ControlPlane) -> String {
    let path = "jsonpath={.webhooks[0].clientConfig.url}";
    let asked = plane.admin(&["get", "validatingwebhookconfiguration", "cmp-webhook", "-o", path]).ok().stdout;
    asked.trim_end_matches("/validate-account").to_owned()
}

/// Returns the lines of `install` about changed objects.
fn changed(plane: &ControlPlane, flags: &[&str]) -> Vec<String> {
    let said = plane.admin(&[&["cmp", "install"], flags].concat()).ok();
    assert!(said.stdout.lines().count() >= 35, "{said}");
    said.stdout.lines().filter(|line| !line.ends_with(" unchanged")).map(str::to_owned).collect()
}

/// Checks that an install updates an installation, whatever its earlier state.
fn upgraded(plane: &ControlPlane) {
    let url = url(plane);
    let here = ["--webhook-url", url.as_str()];
    assert_eq!(changed(plane, &here), [""; 0], "a second time nothing changes");
    remembered(plane, &url);

    // The leftovers of an older version: a policy with an older text, and objects that no longer exist.
    let labels = json!({ "app.kubernetes.io/part-of": "kubectl-cmp" });
    let metadata = json!({ "name": "cmp-old", "labels": labels });
    let rbac = "rbac.authorization.k8s.io";
    let old = [
        json!({ "apiVersion": format!("{rbac}/v1"), "kind": "ClusterRole", "metadata": metadata, "rules": [] }),
        json!({ "apiVersion": format!("{rbac}/v1"), "kind": "ClusterRoleBinding", "metadata": metadata,
            "roleRef": { "apiGroup": rbac, "kind": "ClusterRole", "name": "cmp-old" } }),
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "a": "b" },
            "metadata": { "name": "cmp-old", "namespace": "cmp-system", "labels": labels } }),
        json!({ "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": metadata, "spec": { "policyName": "cmp-old", "validationActions": ["Audit"] } }),
    ];
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": old }).to_string();
    plane.admin_reading(&["apply", "--server-side", "--field-manager=kubectl-cmp", "-f", "-"], &list).ok();
    let message = json!([{ "op": "replace", "path": "/spec/validations/0/message", "value": "older" }]).to_string();
    let policy = ["patch", "validatingadmissionpolicy", "cmp-scale", "--type=json", "-p", &message];
    plane.admin(&policy).ok();
    // An object with the label that an administrator created is not ours.
    plane.admin(&["create", "clusterrole", "auditor", "--verb=get", "--resource=pods"]).ok();
    plane.admin(&["label", "clusterrole", "auditor", "app.kubernetes.io/part-of=kubectl-cmp"]).ok();

    plane.admin(&["cmp", "check"]).fails().says("leftovers: another version left clusterrolebinding.rbac");
    plane.admin(&[&["cmp", "install", "--dry-run=server"], &here[..]].concat()).ok().says("pruned (server dry run)");
    assert_eq!(
        changed(plane, &here),
        [
            "validatingadmissionpolicy.admissionregistration.k8s.io/cmp-scale configured",
            "clusterrolebinding.rbac.authorization.k8s.io/cmp-old pruned",
            "clusterrole.rbac.authorization.k8s.io/cmp-old pruned",
            "configmap/cmp-old pruned",
            "validatingadmissionpolicybinding.admissionregistration.k8s.io/cmp-old pruned",
        ]
    );
    plane.admin(&["get", "clusterrole", "auditor"]).ok();
    plane.admin(&["delete", "clusterrole", "auditor"]).ok();

    // The webhook moves into the cluster and out of it again. A match condition keeps the API server from asking it
    // meanwhile, because no network here has the Service.
    let never = json!([{ "op": "add", "path": "/webhooks/0/matchConditions/-",
        "value": { "name": "never", "expression": "false" } }]);
    let configuration = ["validatingwebhookconfiguration", "cmp-webhook"];
    plane.admin(&[&["patch"], &configuration[..], &["--type=json", "-p", &never.to_string()]].concat()).ok();
    let comes_to_say = |text: &str| {
        eventually(text, SOON, || {
            let said = plane.admin(&["cmp", "check"]);
            if said.stdout.contains(text) { Ok(()) } else { Err(said.to_string()) }
        });
    };
    comes_to_say("cmp-webhook is not asked");
    let inside = changed(plane, &["--replicas", "1", "--yes"]);
    assert!(inside.contains(&"deployment.apps/cmp-webhook created".to_owned()), "{inside:?}");
    comes_to_say(
        "warning   deployment: 1 of 1 replicas are available: clusters cannot be created or grown while it restarts",
    );
    plane.admin(&["scale", "deployment", "cmp-webhook", "-n", "cmp-system", "--replicas=0"]).ok();
    comes_to_say("failed    deployment: 0 of 0 replicas are available");
    // The way back needs a confirmation as well. It deletes the objects that are only for the other form.
    plane
        .admin(&[&["cmp", "install"], &here[..]].concat())
        .fails()
        .says(&format!("the API server will ask {url} instead of service/cmp-webhook in cmp-system"))
        .says("deployment.apps/cmp-webhook in cmp-system is deleted")
        .says("hint: to keep it, omit --webhook-url");
    plane.admin(&["get", "deployment", "cmp-webhook", "-n", "cmp-system"]).ok();
    plane.admin(&[&["delete"], &configuration[..]].concat()).ok();
    let outside = changed(plane, &[&here[..], &["--yes"]].concat());
    assert!(outside.contains(&"deployment.apps/cmp-webhook pruned".to_owned()), "{outside:?}");
    assert_eq!(changed(plane, &here), [""; 0]);
    let printed = plane.admin(&[&["cmp", "install", "-o", "name"], &here[..]].concat()).ok();
    assert!(printed.stdout.starts_with("namespace/cmp-system\n"), "{printed}");
    // Until now its certificate was for the Service.
    plane.admin(&[&["cmp", "install", "--wait"], &here[..]].concat()).ok();
    plane
        .admin(&["cmp", "install", "--cert-manager"])
        .fails()
        .says("cert-manager, which is not installed")
        .says("nothing was installed");
    plane.admin(&["cmp", "install", "--prometheus"]).fails().says("the Prometheus operator, which is not installed");
}

/// Checks that the flags of an installation with `--webhook-url` hold until others are given.
fn remembered(plane: &ControlPlane, url: &str) {
    let asks = |expected: &str| assert_eq!(self::url(plane), expected);
    let flags = || {
        let read = ["get", "configmap", "cmp-version", "-n", "cmp-templates", "-o", "jsonpath={.data.flags}"];
        let flags = plane.admin(&read).ok().stdout;
        serde_json::from_str::<Value>(&flags).unwrap_or_else(|error| panic!("{flags}: {error}"))
    };
    assert_eq!(flags(), json!({ "webhook-url": url }));
    plane
        .admin(&["cmp", "install"])
        .ok()
        .says(&format!("using flags of the last install: --webhook-url={url}\n"))
        .says_not("configured")
        .says_not("created");
    asks(url);
    // A change that would move the webhook needs a confirmation, and nobody can answer here.
    for flags in [&["--webhook-url", ""][..], &["--reset-flags"], &["--replicas", "3"], &["--image", "registry/cmp:1"]]
    {
        plane
            .admin(&[&["cmp", "install"], flags].concat())
            .fails()
            .says(&format!("the API server will ask service/cmp-webhook in cmp-system instead of {url}"))
            .says(&format!("changed since the last install: without --webhook-url={url}"))
            .says("stdin is not a terminal")
            .says("repeat the command with --yes")
            .says(&format!("hint: to keep it: kubectl cmp install --webhook-url {url}"));
        let dry = plane.admin(&[&["cmp", "install", "--dry-run=server"], flags].concat()).ok();
        dry.says(&format!(
            "needs confirmation: the API server will ask service/cmp-webhook in cmp-system instead of {url}"
        ));
        asks(url);
    }
    assert_eq!(flags(), json!({ "webhook-url": url }));
    // An older version stored no flags. The install still detects the existing objects.
    let forget = json!([{ "op": "remove", "path": "/data/flags" }]).to_string();
    let version = ["patch", "configmap", "cmp-version", "-n", "cmp-templates"];
    plane.admin(&[&version[..], &["--type=json", "-p", &forget]].concat()).ok();
    plane.admin(&["cmp", "install"]).fails().says("stdin is not a terminal").says(url);
    asks(url);
    // A newer version stores more flags, and somebody may have damaged them.
    for (flags, says) in [
        (r#"{"later":"x"}"#, "--later is unknown to this plugin"),
        (r#"{"webhook-url":"http://localhost"}"#, "is not an address"),
        ("[", "cannot be used"),
    ] {
        let patch = json!({ "data": { "flags": flags } }).to_string();
        plane.admin(&[&version[..], &["--type=merge", "-p", &patch]].concat()).ok();
        let refused = plane.admin(&["cmp", "install"]).fails();
        refused.says(says).says("kubectl cmp install --reset-flags");
    }
    plane.admin(&["cmp", "install", "--reset-flags", "--webhook-url", url]).ok().says_not("needs confirmation");
    assert_eq!(flags(), json!({ "webhook-url": url }));
    asks(url);
}

/// Checks that settings of an administrator reach the existing clusters, and can be removed again.
fn settings_reach_the_clusters_that_there_are(plane: &ControlPlane, cluster: &str) {
    let (url, ns) = (url(plane), format!("{cluster}-ns"));
    let here = ["--webhook-url", url.as_str()];
    let spec = |what: &str| plane.admin(&["get", what, "cmp", "-n", &ns, "-o", "json"]).ok().json()["spec"].clone();
    let becomes = |what: &str, expected: &dyn Fn(&Value, &Value) -> bool| {
        eventually(what, SOON, || {
            let (limits, policy) = (spec("limitrange"), spec("networkpolicy"));
            if expected(&limits, &policy) { Ok(()) } else { Err(format!("{limits}\n{policy}")) }
        });
        plane.admin(&["cmp", "check"]).ok().says_not("LimitRange");
    };
    let of_container = |limits: &Value| {
        let items = limits["limits"].as_array().unwrap();
        items.iter().find(|item| item["type"] == "Container").unwrap()["default"]["ephemeral-storage"].clone()
    };
    let flags = ["--ephemeral-storage", "2Gi", "--deny-egress-to", "169.254.0.0/16,fd00:ec2::254/128,nodes"];
    let said = changed(plane, &[&here[..], &flags].concat());
    assert_eq!(said, ["configmap/cmp-version configured"]);
    becomes("the settings are in its namespace", &|limits, policy| {
        let except = policy["egress"][0]["to"][1]["ipBlock"]["except"].as_array().cloned().unwrap_or_default();
        // The list also has the nodes.
        of_container(limits) == "2Gi" && except.contains(&json!("169.254.0.0/16")) && except.len() > 1
    });
    assert_eq!(changed(plane, &here), [""; 0], "they hold until they are taken away");
    let away = ["--ephemeral-storage", "", "--deny-egress-to", ""];
    assert_eq!(changed(plane, &[&here[..], &away].concat()), ["configmap/cmp-version configured"]);
    becomes("they are gone again", &|limits, policy| {
        of_container(limits) == "10Gi" && policy["policyTypes"] == json!(["Ingress"])
    });
    for (flag, value) in
        [("--deny-egress-to", "0.0.0.0/0"), ("--deny-egress-to", "metadata"), ("--ephemeral-storage", "much")]
    {
        plane.admin(&["cmp", "install", flag, value]).fails().says(flag);
    }
}

#[test]
fn an_upgrade_equals_an_installation_and_a_purge_leaves_nothing() {
    let mut installation = Installation::start(1, "3s");
    upgraded(&installation.plane);
    let user = installation.user_named("john", "4", "8Gi");
    let name = running(&user, "web", 2, "1", "1Gi");
    let (kubeconfig, other) = (user.kubeconfig.clone(), user.cluster("db"));
    settings_reach_the_clusters_that_there_are(&installation.plane, &name);
    installation.stop();
    let plane = &installation.plane;
    plane.admin(&["cmp", "uninstall"]).fails().says("--yes").says("instances keep running");
    plane
        .admin(&["cmp", "uninstall", "--yes"])
        .ok()
        .says("validatingwebhookconfiguration.admissionregistration.k8s.io/cmp-webhook deleted")
        .says("left: 1 cluster, running as before\nleft: 1 account in cmp-users\n");
    let john = |arguments: &[&str]| cmp_tests::shell::kubectl(&kubeconfig, arguments);
    john(&["cmp", "get", "clusters"]).ok().says(&name).says("2/2");
    john(&["cmp", "suspend", "cluster", &name]).ok().says("2 suspended, 0 failed");
    john(&["cmp", "resume", "cluster", &name]).ok().says("2 resumed, 0 failed");
    john(&["scale", "statefulset", &format!("{name}-0"), "-n", &format!("{name}-ns"), "--replicas=2"])
        .fails()
        .says("at most one");
    john(&["cmp", "create", "cluster", &other, "--cpu", "1", "--memory", "1Gi", "--timeout", "1s"])
        .fails()
        .says("is not ready after 1 s: nothing is held for it yet")
        .says("is cmp-webhook running?");
    plane
        .admin(&["cmp", "uninstall", "--purge", "--dry-run=client"])
        .ok()
        .says(&format!("namespace/{name}-ns deleted (dry run)"));
    plane.admin(&["cmp", "uninstall", "--purge", "--yes"]).ok().says(&format!("namespace/{name}-ns deleted"));
    eventually("nothing of cmp is left", SOON, || {
        let kinds = "namespaces,clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings,validatingwebhookconfigurations";
        let left = plane.admin(&["get", kinds, "-o", "name"]).ok();
        let ours: Vec<&str> =
            left.stdout.lines().filter(|line| line.contains("/cmp-") || line.contains(&name)).collect();
        if ours.is_empty() { Ok(()) } else { Err(ours.join("\n")) }
    });
}
