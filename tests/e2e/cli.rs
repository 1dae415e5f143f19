//! The habits of kubectl: forms of output, wrong input, dry runs.

use crate::support::{running, shared};

#[test]
fn wrong_input_is_an_error_that_names_it_and_says_what_to_do() {
    let user = shared().user("4", "8Gi");
    let table: &[(&[&str], &str)] = &[
        (
            &["create", "cluster", "Web", "--cpu", "1", "--memory", "1Gi"],
            "\"Web\" is not a cluster name: use 1 to 40 of a-z, 0-9 and '-'",
        ),
        (&["create", "cluster", "clusters", "--cpu", "1", "--memory", "1Gi"], "reserved; choose another"),
        (&["create", "cluster", "web", "--memory", "1Gi"], "--cpu <CPU>"),
        (&["create", "cluster", "web", "--cpu", "two", "--memory", "1Gi"], "invalid value 'two' for '--cpu <CPU>'"),
        (&["create", "cluster", "web", "--cpu", "0", "--memory", "1Gi"], "0 must be above 0"),
        (&["create", "cluster", "web", "--cpu", "1", "--memory", "64"], "did you mean 64Gi?"),
        (&["create", "cluster", "web", "--cpu", "1", "--memory", "1Gi", "--count", "0"], "0 is no cluster"),
        (
            &["create", "cluster", "web", "--cpu", "1", "--memory", "1Gi", "--count", "1001"],
            "more than the 1000 instances",
        ),
        (&["create", "cluster", "web", "--cpu", "1", "--memory", "1Gi", "--type", "pod"], "use container or vm"),
        (
            &["create", "cluster", "web", "--cpu", "1", "--memory", "1Gi", "--type", "vm"],
            "there is no KubeVirt in this cluster",
        ),
        (&["create", "cluster", "web", "--cpu", "0.0001", "--memory", "1Gi"], "is finer than 1m"),
        (&["create", "cluster", "web", "--cpu", "1", "--memory", "1Gi", "--resource", "gpu"], "has no amount"),
        (&["get", "clusters", "-o", "xml"], "invalid value 'xml' for '--output <FORMAT>'"),
        (&["get", "cluster", "web-x-y"], "cluster \"web-x-y\" not found"),
        (&["get", "instances", "web"], "\"web\" is not an instance name"),
        (&["describe", "instance", "web-0"], "instance \"web-0\" not found"),
        (&["frobnicate"], "unrecognized subcommand 'frobnicate'"),
        (&["create"], "Usage: kubectl cmp create"),
        (&["quota", "--kubeconfig", "/no/such/file"], "/no/such/file"),
        (&["quota", "--context", "nowhere"], "nowhere"),
        (&["quota", "--server", "https://127.0.0.1:1"], "unable to connect to the server"),
        (&["quota", "--token", "nonsense"], "you must be logged in to the server"),
        (&["create", "cluster", "web", "--cpu", "1", "--memory", "1Gi", "--timeout", "soon"], "is not a duration"),
    ];
    for (command, expected) in table {
        let output = user.cmp(command).fails().says(expected);
        assert!(output.stdout.is_empty(), "errors go to standard error:\n{output}");
        assert!(!output.stderr.contains("panicked"), "{output}");
    }
    assert!(user.account().as_object().unwrap().keys().all(|key| !key.starts_with("want.")));
}

#[test]
fn a_dry_run_says_and_changes_nothing() {
    let user = shared().user("4", "8Gi");
    let name = user.cluster("web");
    let before = user.account();
    let create = |how: &str| user.cmp(&["create", "cluster", &name, "--cpu", "1", "--memory", "1Gi", how]);
    create("--dry-run=client").ok().says(&format!("cluster/{name} created (dry run)"));
    create("--dry-run=server").ok().says(&format!("cluster/{name} created (server dry run)"));
    assert_eq!(user.account(), before);
    let name = running(&user, "web", 2, "1", "1Gi");
    let before = user.account();
    user.cmp(&["scale", "cluster", &name, "--count", "3", "--dry-run=server"]).ok().says("scaled (server dry run)");
    user.cmp(&["scale", "cluster", &name, "--count", "1", "--dry-run=server"]).ok().says("scaled (server dry run)");
    user.cmp(&["scale", "cluster", &name, "--count", "9", "--dry-run=server"]).fails().says("exceeded quota");
    user.cmp(&["delete", "cluster", &name, "--dry-run=server"]).ok().says("deleted (server dry run)");
    user.cmp(&["suspend", "cluster", &name, "--dry-run=server"]).ok().says("2 suspended").says("(server dry run)");
    assert_eq!(user.account(), before);
    user.cmp(&["get", "cluster", &name]).ok().says("2/2").says("running");
}

#[test]
fn every_form_of_output() {
    let user = shared().user("4", "8Gi");
    user.cmp(&["get", "clusters"]).ok().says("No resources found.");
    user.cmp(&["get", "clusters", "-o", "json"]).ok().says("\"kind\": \"List\"");
    let name = running(&user, "web", 2, "500m", "512Mi");
    let table = user.cmp(&["get", "clusters"]).ok();
    assert!(table.stdout.starts_with("NAME "), "{table}");
    let cells: Vec<&str> = table.stdout.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(cells[..6], [name.as_str(), "container", "2/2", "running", "500m", "512Mi"]);
    user.cmp(&["get", "clusters", "--no-headers"]).ok().says_not("NAME");
    let wide = user.cmp(&["get", "clusters", "-o", "wide"]).ok();
    wide.says("OWNER").says("NAMESPACE").says("SUSPENDED").says("REASON").says(&format!("{name}-ns"));
    assert_eq!(user.cmp(&["get", "clusters", "-o", "name"]).ok().stdout, format!("cluster/{name}\n"));
    let one = user.cmp(&["get", "cluster", &name, "-o", "json"]).ok().json();
    assert_eq!((&one["kind"], &one["apiVersion"]), (&"Cluster".into(), &"kubectl-cmp.dev/v1".into()));
    assert_eq!(one["spec"]["count"], 2);
    let yaml = user.cmp(&["get", "cluster", &name, "-o", "yaml"]).ok();
    yaml.says("kind: Cluster\n").says("  count: 2\n").says("cpu: 500m");
    user.cmp(&["get", "clusters", "no-such-one", &name]).fails().says("\"no-such-one\" not found").says("2/2");
    user.cmp(&["get", "instances", &format!("{name}-9"), &format!("{name}-1")]).fails().says("not found").says("node-");
    user.kubectl(&["cmp"]).ok().says("Usage: kubectl cmp");
    let instances = user.cmp(&["get", "instances"]).ok();
    instances.says(&format!("{name}-0")).says("node-").says("10.64.");
    let instance = user.cmp(&["get", "instance", &format!("instance/{name}-1"), "-o", "json"]).ok().json();
    assert_eq!((&instance["kind"], &instance["status"]["state"]), (&"Instance".into(), &"running".into()));
    user.cmp(&["get", "instances", "-n", &format!("{name}-ns"), "-o", "name"]).ok().says(&format!("instance/{name}-1"));
    user.cmp(&["describe", "cluster", &name])
        .ok()
        .says("Namespace:")
        .says("2 of cpu=500m,memory=512Mi")
        .says("SuccessfulCreate");
    user.cmp(&["version"]).ok().says("Client Version: v").says("Server Version: v1.");
    user.cmp(&["version", "--client", "-o", "json"]).ok().says("gitVersion").says_not("serverVersion");
    user.cmp(&["-h"]).ok().says("Usage: kubectl cmp").says_not("--kubeconfig");
    user.cmp(&["--help"]).ok().says("Global flags").says("--kubeconfig");
    user.cmp(&["create", "cluster", "--help"]).ok().says("Examples:");
}

#[test]
fn the_servers_warnings_are_shown() {
    let user = shared().user("4", "8Gi");
    let name = user.cluster("web");
    let policy = format!("warner-{name}");
    let warner = serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": [
        { "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": { "name": policy },
          "spec": { "matchConstraints": { "resourceRules": [{ "apiGroups": ["apps"], "apiVersions": ["v1"],
              "operations": ["CREATE"], "resources": ["statefulsets"] }] },
              "validations": [{ "expression": format!("object.metadata.name != '{name}-0'"), "message": "mind the gap" }] } },
        { "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
          "metadata": { "name": policy }, "spec": { "policyName": policy, "validationActions": ["Warn"] } },
    ] });
    user.installation.plane.admin_reading(&["create", "-f", "-"], &warner.to_string()).ok();
    cmp_tests::eventually("the warning is shown", crate::support::SOON, || {
        let made = user.cmp(&["create", "cluster", &name, "--cpu", "1", "--memory", "1Gi"]).ok();
        if made.stderr.contains("Warning: ") && made.stderr.contains("mind the gap") {
            return Ok(());
        }
        user.kubectl(&["delete", "statefulset", &format!("{name}-0"), "-n", &format!("{name}-ns")]).ok();
        Err(made.to_string())
    });
    user.admin(&["delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", &policy]).ok();
}
