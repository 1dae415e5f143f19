//! The ways out of an emergency in docs/SECURITY.md, each tried as documented there.

use cmp_tests::{Installation, World, eventually};
use serde_json::json;

use crate::support::{SOON, held, running, want};

#[test]
fn the_emergency_procedures_work() {
    let mut installation = Installation::start(1, "3s");
    let john = installation.user_named("john", "4", "8Gi");
    let web = running(&john, "web", 2, "1", "1Gi");
    let url = installation.asked();
    let install = |john: &World<'_>| {
        john.admin(&["cmp", "install", "--webhook-url", &url]).ok();
    };

    // A node is lost: only an administrator may force the deletion of its Pods.
    let (pod, ns) = (format!("{web}-0-0"), format!("{web}-ns"));
    let force = ["delete", "pod", &pod, "-n", &ns, "--force", "--grace-period=0"];
    john.kubectl(&force).fails().says("ask an administrator if its node is lost");
    john.admin(&force).ok();
    eventually("the Pod is back", SOON, || {
        let shown = john.cmp(&["get", "cluster", &web]).ok();
        if shown.stdout.contains("2/2") { Ok(()) } else { Err(shown.to_string()) }
    });

    // The certificate is lost: cmp-webhook makes another, and writes it into its configuration.
    let certificate = |john: &World<'_>| {
        let read = john.admin(&["get", "secret", "cmp-webhook-cert", "-n", "cmp-system", "-o", "jsonpath={.data}"]);
        if read.code == 0 { read.stdout } else { String::new() }
    };
    let before = certificate(&john);
    john.admin(&["delete", "secret", "cmp-webhook-cert", "-n", "cmp-system"]).ok();
    eventually("there is another, and it is trusted", SOON, || {
        let now = certificate(&john);
        let dry = john.cmp(&["create", "cluster", "x", "--cpu", "1", "--memory", "1Gi", "--dry-run=server"]);
        if !now.is_empty() && now != before && dry.code == 0 { Ok(()) } else { Err(dry.to_string()) }
    });

    // A policy is in the way: its binding is deleted, and comes back with the next install.
    john.admin(&["delete", "validatingadmissionpolicybinding", "cmp-accounts"]).ok();
    let damage = json!({ "data": { format!("held.{web}"): "lost" } }).to_string();
    let patch = ["patch", "configmap", "john", "-n", "cmp-users", "--type=merge", "-p", &damage];
    eventually("the policy is gone", SOON, || {
        let tried = john.admin(&patch);
        if tried.code == 0 { Ok(()) } else { Err(tried.to_string()) }
    });
    // The account is damaged now. cmp-webhook repairs its own entries, and running instances go on.
    john.account_is("it is mended", |account| {
        held(account, &web).is_some_and(|held| held["count"] == 2 && held["state"] == "ready")
    });
    let name = john.cluster("more");
    // The account is lost: a new one adopts the existing clusters.
    john.admin(&["delete", "configmap", "john", "-n", "cmp-users"]).ok();
    install(&john);
    let out = john.installation.plane.folder().join("again.kubeconfig").display().to_string();
    john.admin(&["cmp", "create", "user", "john", "--cpu", "4", "--memory", "8Gi", "--kubeconfig-out", &out]).ok();
    john.account_is("its cluster is known again", |account| {
        held(account, &web).is_some_and(|held| held["count"] == 2 && held["state"] == "ready")
    });
    john.cmp(&["get", "cluster", &web]).ok().says("2/2");
    john.cmp(&["create", "cluster", &name, "--cpu", "3", "--memory", "1Gi"])
        .fails()
        .says("used: cpu=2, limited: cpu=4");
    john.admin(&["patch", "configmap", "john", "-n", "cmp-users", "--type=merge", "-p", &damage])
        .fails()
        .says("only cmp-webhook writes held.*");

    // cmp-webhook is down, and a quota has to change all the same. The administrator deletes the configuration, so the
    // API server asks nobody. cmp-webhook judges wants from that time after its restart.
    installation.stop();
    let john = installation.known("john");
    let set = ["cmp", "set", "quota", "john", "--cpu", "5"];
    john.admin(&set).fails().says("cmp-webhook is unavailable");
    john.admin(&["delete", "validatingwebhookconfiguration", "cmp-webhook"]).ok();
    eventually("nobody is asked", SOON, || {
        let tried = john.admin(&set);
        if tried.code == 0 { Ok(()) } else { Err(tried.to_string()) }
    });
    let large = want(9, "1", "1Gi");
    john.patch(&json!({ format!("want.{name}"): large })).ok();
    john.patch(&json!({ "quota": "{}" })).fails().says("a user may change want.* and delete.*, and remove refused.*");
    install(&john);
    installation.restart();
    let john = installation.known("john");
    john.account_is("what was too much is taken back", |account| {
        account[format!("want.{name}")].is_null()
            && account[format!("refused.{name}")].as_str().is_some_and(|why| why.contains("exceeded quota"))
    });
    // The user states the want of the cluster again, and nothing of it restarts.
    john.cmp(&["create", "cluster", &web, "--cpu", "1", "--memory", "1Gi", "--count", "2"]).ok();
    john.cmp(&["scale", "cluster", &web, "--count", "5"]).ok();
    john.cmp(&["scale", "cluster", &web, "--count", "6"]).fails().says("exceeded quota: john");

    // The configuration asks a wrong server and an additional one: no account can change. The administrator deletes it
    // first, because an apply keeps entries of others.
    let configuration = ["validatingwebhookconfiguration", "cmp-webhook"];
    let nobody = json!({ "url": "https://localhost:1/validate-account" });
    let more = json!({ "name": "more.example.com", "clientConfig": nobody, "sideEffects": "None",
        "admissionReviewVersions": ["v1"], "failurePolicy": "Fail",
        "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"] }],
        "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "cmp-users" } } });
    let broken = json!([
        { "op": "replace", "path": "/webhooks/0/clientConfig", "value": nobody },
        { "op": "add", "path": "/webhooks/-", "value": more },
    ])
    .to_string();
    let break_it = [["patch"].as_slice(), &configuration, &["--type=json", "-p", &broken]].concat();
    john.admin(&break_it).ok();
    let set = ["cmp", "set", "quota", "john", "--cpu", "6"];
    eventually("nobody answers", SOON, || {
        let tried = john.admin(&set);
        if tried.code == 0 { Err(tried.to_string()) } else { Ok(()) }
    });
    install(&john);
    john.admin(&set).fails().says("more.example.com");
    john.admin(&[["delete"].as_slice(), &configuration].concat()).ok();
    install(&john);
    eventually("cmp-webhook is asked again, and nobody else", SOON, || {
        let tried = john.admin(&set);
        if tried.code == 0 { Ok(()) } else { Err(tried.to_string()) }
    });

    // The quota is damaged, and only an administrator can repair it. Until then nothing of its user grows. The existing
    // instances stay usable, and other users notice nothing.
    john.admin(&[["delete"].as_slice(), &configuration].concat()).ok();
    let say = |quota: &str| {
        let patch = json!({ "data": { "quota": quota } }).to_string();
        john.admin(&["patch", "configmap", "john", "-n", "cmp-users", "--type=merge", "-p", &patch])
    };
    eventually("nobody is asked", SOON, || {
        let tried = say("sixteen cores");
        if tried.code == 0 { Ok(()) } else { Err(tried.to_string()) }
    });
    install(&john);
    let unreadable = "\"quota\" of the account is not readable";
    eventually("cmp-webhook is asked again", SOON, || {
        let tried = john.patch(&json!({ format!("want.{name}"): want(1, "1", "1Gi") }));
        if tried.code != 0 && tried.stderr.contains(unreadable) { Ok(()) } else { Err(tried.to_string()) }
    });
    john.cmp(&["create", "cluster", &name, "--cpu", "1", "--memory", "1Gi"]).fails().says(unreadable);
    let pods = john.kubectl(&["get", "pods", "-n", &ns, "-o", "name"]).ok().stdout;
    assert_eq!(pods.lines().count(), 5, "{pods}");
    john.cmp(&["stop", "instance", &format!("{web}-4")]).ok().says("stopped");
    let jane = installation.user("2", "4Gi");
    running(&jane, "web", 1, "1", "1Gi");
    say(r#"{"cpu":"6","memory":"8Gi"}"#).ok();
    john.cmp(&["start", "instance", &format!("{web}-4")]).ok();
    john.cmp(&["scale", "cluster", &web, "--count", "6"]).ok();
    john.cmp(&["scale", "cluster", &web, "--count", "7"]).fails().says("exceeded quota: john");
}
