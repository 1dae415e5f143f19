//! Conventions of kubectl: output formats, wrong input, dry runs.

use cmp_tests::shell;
use serde_json::json;

use crate::support::{running, shared};

/// The other tests start the plugin themselves.
#[test]
fn kubectl_runs_the_plugin() {
    let user = shared().user("4", "8Gi");
    let name = running(&user, "web", 1, "1", "1Gi");
    let size = json!({ "cpu": "1", "memory": "1Gi" });
    let file = json!({
        "apiVersion": "kubectl-cmp.dev/v1", "kind": "Cluster", "metadata": { "name": name },
        "spec": { "type": "container", "count": 2, "size": size },
    });
    for (arguments, input) in [
        (["cmp", "get", "cluster", &name, "-o", "name"].as_slice(), ""),
        (&["cmp", "get", "cluster", "nope"], ""),
        (&["cmp", "get", "nope"], ""),
        (&["cmp", "create", "-f", "-", "--dry-run=server"], &file.to_string()),
    ] {
        let mut through_kubectl = shell::command(&user.kubeconfig);
        through_kubectl.args(arguments);
        let through_kubectl = shell::run(through_kubectl, input);
        let itself = shell::kubectl_reading(&user.kubeconfig, arguments, input);
        let seen = |output: shell::Output| (output.code, output.stdout, output.stderr);
        assert_eq!(seen(through_kubectl), seen(itself), "{arguments:?}");
    }
}

#[test]
fn wrong_input_is_named_with_a_remedy() {
    let user = shared().user("4", "8Gi");
    let table: &[(&[&str], &str)] = &[
        (
            &["create", "cluster", "Web", "--cpu", "1", "--memory", "1Gi"],
            "\"Web\" is not a cluster name: use 1 to 40 of a-z, 0-9 and '-'",
        ),
        (&["create", "cluster", "clusters", "--cpu", "1", "--memory", "1Gi"], "reserved; choose another"),
        (&["create", "cluster", "web", "--memory", "1Gi"], "error: missing: --cpu <CPU>"),
        (&["create", "cluster", "web", "--cpu", "-1", "--memory", "1Gi"], "it must be above 0"),
        (&["create", "cluster", "web", "--cpu", "1", "--memory", "1Gi", "--image", ""], "\"\" is not an image"),
        (&["create", "cluster", "web", "--cpu", "1", "--memory", "1Gi", "--resource", "cpu=2"], "use --cpu 2"),
        (
            &[
                "create",
                "cluster",
                "web",
                "--cpu",
                "1",
                "--memory",
                "1Gi",
                "--resource",
                "a.b/c=1",
                "--resource",
                "a.b/c=2",
            ],
            "--resource a.b/c is given twice",
        ),
        (&["create", "cluster", "user/web", "--cpu", "1", "--memory", "1Gi"], "expected a cluster, got a user"),
        (&["get", "web"], "perhaps: kubectl cmp get cluster web"),
        (&["stop", "cluster", "web"], "kubectl cmp suspend cluster NAME"),
        (&["get", "instances", "-n", "default"], "-n default is not the namespace of a cluster"),
        (&["get", "cluster", "web", "-n", "db-ns"], "cluster web is in namespace web-ns, not in db-ns"),
        (&["stop", "instance", "web-0", "-n", "db-ns"], "cluster web is in namespace web-ns, not in db-ns"),
        (&["describe", "instance", "cluster/web-0"], "expected an instance, got a cluster"),
        (&["get", "clusters", "-A"], "this command needs administrator rights"),
        (&["create", "token", "john", "-o", "wide"], "is not an output format of this command"),
        (&["create", "token", "john", "--duration", "1s"], "must be from 10 minutes"),
        (&["delete", "token", "john", ""], "is not the id of a token"),
        (&["install", "--replicas", "0"], "0 is not from 1 to 100"),
        // The file has no end.
        (&["create", "-f", "/dev/zero"], "--filename /dev/zero: the input is larger than the limit of 16 MiB"),
        (&["create", "cluster", "-f", "/dev/zero"], "the input is larger than the limit of 16 MiB"),
        (&["create", "template", "x", "-f", "/dev/zero"], "the input is larger than the limit of 3 MiB"),
        (
            &["create", "cluster", "web", "--cpu", "1", "--memory", "1Gi", "--patch", "/dev/zero"],
            "--patch /dev/zero: the input is larger than the limit of 3 MiB",
        ),
        (
            &["create", "cluster", "web", "--type", "vm", "--cpu", "1", "--memory", "1Gi", "--ssh-key", "/dev/zero"],
            "--ssh-key /dev/zero: the input is larger than the limit of 3 MiB",
        ),
        (
            &["get", "clusters", "-o", "jsonpath-file=/dev/zero"],
            "/dev/zero: the input is larger than the limit of 3 MiB",
        ),
        (
            &["create", "cluster", "web", "--cpu", "two", "--memory", "1Gi"],
            "invalid value 'two' for '--cpu <CPU>': \"two\" is not a quantity",
        ),
        (&["create", "cluster", "web", "--cpu", "0", "--memory", "1Gi"], "it must be above 0"),
        (&["create", "cluster", "web", "--cpu", "1", "--memory", "64"], "did you mean 64Gi?"),
        (&["create", "cluster", "web", "--cpu", "1", "--memory", "1Gi", "--count", "0"], "0 is below 1"),
        (
            &["create", "cluster", "web", "--cpu", "1", "--memory", "1Gi", "--count", "1001"],
            "more than the 1000 instances",
        ),
        (&["create", "cluster", "web", "--cpu", "1", "--memory", "1Gi", "--type", "pod"], "use container or vm"),
        (
            &["create", "cluster", "web", "--cpu", "1", "--memory", "1Gi", "--type", "vm"],
            "KubeVirt is not installed in this cluster",
        ),
        (&["create", "cluster", "web", "--cpu", "0.0001", "--memory", "1Gi"], "must be a multiple of 1m"),
        (&["create", "cluster", "web", "--cpu", "1", "--memory", "1Gi", "--resource", "gpu"], "has no amount"),
        (&["get", "clusters", "-o", "xml"], "\"xml\" is not an output format: use one of json, yaml"),
        (&["get", "cluster", "web-x-y"], "cluster \"web-x-y\" not found"),
        (&["get", "instances", "web"], "\"web\" is not an instance name"),
        (&["describe", "instance", "web-0"], "instance \"web-0\" not found"),
        (&["frobnicate"], "unknown command \"frobnicate\" for \"kubectl cmp\""),
        (&["create"], "Usage: kubectl cmp create"),
        (&["quota", "--kubeconfig", "/no/such/file"], "no kubeconfig: /no/such/file: No such file"),
        (&["quota", "--context", "nowhere"], "context \"nowhere\" does not exist"),
        (&["quota", "--user", "nobody"], "auth info \"nobody\" does not exist"),
        (&["quota", "--as-group", "system:masters"], "error: missing: --as <NAME>"),
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
fn a_dry_run_prints_and_changes_nothing() {
    let user = shared().user("4", "8Gi");
    let name = user.cluster("web");
    let before = user.account();
    let create = |how: &str| user.cmp(&["create", "cluster", &name, "--cpu", "1", "--memory", "1Gi", how]);
    let dry = create("--dry-run=client").ok().says(&format!("cluster/{name} created (dry run)"));
    assert_eq!(dry.stdout, format!("cluster/{name} created (dry run)\n"), "the plan goes to standard error");
    dry.says(&format!("plan:\n  set want.{name} of configmap/{} in namespace cmp-users to ", user.name))
        .says(&format!("\n  create {name}-0\n"));
    create("--dry-run=server").ok().says(&format!("cluster/{name} created (server dry run)"));
    assert_eq!(user.account(), before);
    let name = running(&user, "web", 2, "1", "1Gi");
    let before = user.account();
    user.cmp(&["scale", "cluster", &name, "--count", "3", "--dry-run=server"]).ok().says("scaled (server dry run)");
    user.cmp(&["scale", "cluster", &name, "--count", "1", "--dry-run=server"]).ok().says("scaled (server dry run)");
    for how in ["--dry-run=client", "--dry-run=server"] {
        let scaled =
            user.cmp(&["scale", "cluster", &name, "--replicas", "3", how, "-o", "jsonpath={.spec.count}"]).ok();
        assert_eq!(scaled.stdout, "3");
        let set = ["cmp", "set", "quota", &user.name, "--cpu", "9", how, "-o", "jsonpath={.status.total.cpu}"];
        assert_eq!(user.admin(&set).ok().stdout, "9");
    }
    user.cmp(&["scale", "cluster", &name, "--count", "9", "--dry-run=server"]).fails().says("exceeded quota");
    user.cmp(&["delete", "cluster", &name, "--dry-run=client"]).ok().says(&format!(
        "\n  cmp-webhook then deletes cluster/{name} of {}: namespace {name}-ns with 2 instances",
        user.name
    ));
    user.cmp(&["suspend", "cluster", &name, "--dry-run=client"])
        .ok()
        .says(&format!("plan:\n  suspend {name}-0 to {name}-1: patch the StatefulSets in namespace {name}-ns\n"));
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
    user.cmp(&["--help"]).ok().says("Usage: kubectl cmp").says_not("--kubeconfig");
    user.cmp(&["options"]).ok().says("--kubeconfig <FILE>").says("--request-timeout");
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

#[test]
fn a_missing_object_does_not_stop_the_others() {
    let user = shared().user("4", "8Gi");
    let name = running(&user, "web", 2, "500m", "512Mi");
    let nope = user.cluster("nope");
    let suspended = format!("cluster/{name} suspended: 2 suspended, 0 failed, 0 skipped");
    user.cmp(&["suspend", "cluster", &nope, &name, &name]).fails().says("not found").says(&suspended);
    user.cmp(&["suspend", "cluster", &name])
        .ok()
        .says(&format!("skipped {name}-0, {name}-1: already suspended"))
        .says("0 suspended, 0 failed, 2 skipped");
    user.cmp(&["describe", "cluster", &nope, &name]).fails().says("not found").says("Namespace:");
    let deleted = user.cmp(&["delete", "cluster", &nope, &name, &name, "--yes", "--wait"]).fails();
    assert_eq!(deleted.stdout, format!("cluster/{name} deleted\n"));
    let other = format!("{}-other", user.name);
    shared().user_named(&other, "1", "1Gi");
    user.admin(&["cmp", "delete", "user", &format!("{other}-x"), &other, "--yes"])
        .fails()
        .says("not found")
        .says(&format!("user/{other} deleted"));
}

#[test]
fn the_reason_of_a_suspension_is_shown_while_it_lasts() {
    let user = shared().user("4", "8Gi");
    let name = running(&user, "web", 1, "500m", "512Mi");
    user.cmp(&["suspend", "cluster", &name, "--reason", "for the night"]).ok();
    for what in ["clusters", "instances"] {
        user.cmp(&["get", what, "-o", "wide"]).ok().says("for the night");
    }
    user.cmp(&["resume", "cluster", &name]).ok();
    user.cmp(&["get", "clusters", "-o", "wide"]).ok().says_not("for the night");
}

#[test]
fn a_user_can_be_an_object() {
    let user = shared().user("4", "8Gi");
    let create = |how: &[&str]| {
        let named = ["cmp", "create", "user", &user.name, "--cpu", "4", "--memory", "8Gi"];
        user.admin(&[&named[..], how].concat())
    };
    let made = create(&["-o", "json"]).ok().json();
    assert_eq!((&made["kind"], &made["spec"]["quota"]["cpu"]), (&"User".into(), &"4".into()));
    assert_eq!(create(&["-o", "name"]).ok().stdout, format!("user/{}\n", user.name));
    create(&["-o", "yaml", "--dry-run=client"]).ok().says("kind: User\n");
    // The output with the object contains no credential.
    let tokens = ["cmp", "get", "tokens", &user.name, "--no-headers"];
    assert_eq!(user.admin(&tokens).ok().stdout.lines().count(), 1);
}

#[test]
fn a_dry_run_of_a_token_makes_none() {
    let user = shared().user("4", "8Gi");
    let ids = || user.admin(&["cmp", "get", "tokens", &user.name, "-o", "name"]).ok().stdout;
    let (before, create) = (ids(), ["cmp", "create", "token", &user.name]);
    for (how, suffix) in [("--dry-run=client", "dry run"), ("--dry-run=server", "server dry run")] {
        let dry = user.admin(&[&create[..], &[how]].concat()).ok();
        assert_eq!(dry.stdout, format!("token of user/{} created ({suffix})\n", user.name));
        let object = user.admin(&[&create[..], &[how, "-o", "json"]].concat()).ok().json();
        assert_eq!(object["metadata"]["generateName"], format!("{}-", user.name));
        assert!(object["metadata"]["name"].is_null() && object["status"]["token"].is_null(), "{object}");
        user.admin(&["cmp", "create", "token", "nobody", how]).fails().says("user \"nobody\" not found");
    }
    user.cmp(&["create", "token", &user.name, "--dry-run=server"]).fails().says("orbidden");
    assert_eq!(ids(), before);
}

#[test]
fn templates_columns_order_and_labels() {
    let user = shared().user("4", "8Gi");
    let (web, db) = (running(&user, "web", 2, "500m", "512Mi"), running(&user, "db", 1, "1", "1Gi"));
    let get = |how: &[&str]| user.cmp(&[&["get", "clusters"], how].concat()).ok().stdout;
    let lines = "jsonpath={range .items[*]}{.metadata.name}={.spec.count}{\"\\n\"}{end}";
    assert_eq!(get(&["-o", lines, "--sort-by", ".spec.count"]), format!("{db}=1\n{web}=2\n"));
    assert_eq!(get(&["-o", lines, "--sort-by", "{.spec.size.cpu}"]), format!("{web}=2\n{db}=1\n"));
    let columns = get(&["-o", "custom-columns=WHICH:.metadata.name,IMAGE:spec.image", "--sort-by", ".spec.count"]);
    let rows: Vec<Vec<&str>> = columns.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows, [["WHICH", "IMAGE"], [&db, "<none>"], [&web, "<none>"]]);
    user.cmp(&["get", "clusters", "--sort-by", ".nothing"]).fails().says("no listed object has this field");
    user.cmp(&["get", "clusters", "-o", "jsonpath={.items[7]}"]).fails().says("array index out of bounds");
    let instance = format!("{web}-1");
    user.kubectl(&["label", "statefulset", &instance, "-n", &format!("{web}-ns"), "tier=front"]).ok();
    let selected = |selector: &str| user.cmp(&["get", "instances", "-l", selector, "-o", "name"]).ok().stdout;
    assert_eq!(selected("tier=front"), format!("instance/{instance}\n"));
    assert_eq!(selected("tier"), format!("instance/{instance}\n"));
    assert_eq!(selected("tier!=front").lines().count(), 2);
    user.cmp(&["get", "instances", "-l", "a b"]).fails().says("is not a label selector");
    let trace = user.cmp(&["quota", "-v=6"]).ok();
    assert!(trace.stderr.contains("GET /api/v1/namespaces/cmp-users/configmaps/"), "{trace}");
}

/// Compares templates: the real kubectl and the plugin fill in the same template from the same object.
#[test]
fn templates_mean_what_they_mean_to_kubectl() {
    let user = shared().user("4", "8Gi");
    let object =
        user.cmp(&["create", "cluster", "web", "--cpu", "1", "--memory", "1Gi", "--dry-run=client", "-o", "json"]);
    let mut object = object.ok().json();
    // A dry run of kubectl creates only kinds that it knows.
    object["apiVersion"] = "v1".into();
    object["kind"] = "ConfigMap".into();
    let templates = [
        "{.metadata.name}",
        "{.metadata['name','namespace']}",
        "{@.spec.size}",
        "{$.spec.size.cpu}",
        "{..cpu}",
        "name: {.metadata.name}{\"\\n\"}",
        "{.spec.nothing}",
        "{range .spec}{.count}x{end}",
        "{.status.instances.total}{' of '}{.spec.count}",
        "{.spec[0]}",
        "{.metadata.name[0]}",
        "{.metadata",
        "{end}",
        "{what}",
        "{.spec.size[?(@.cpu)]}",
        "{\"\\u00e4\"}",
        "plain",
        "{1}{-2}{true}",
    ];
    for template in templates {
        let output = format!("jsonpath={template}");
        let theirs = user.installation.plane.admin_reading(
            &["create", "--dry-run=client", "--validate=false", "-f", "-", "-o", &output],
            &object.to_string(),
        );
        let ours =
            user.cmp(&["create", "cluster", "web", "--cpu", "1", "--memory", "1Gi", "--dry-run=client", "-o", &output]);
        assert_eq!((ours.code, &ours.stdout), (theirs.code, &theirs.stdout), "{template}\n{ours}\n{theirs}");
    }
}

#[test]
fn a_watch_shows_changes_until_the_named_objects_are_gone() {
    let user = shared().user("4", "8Gi");
    let name = running(&user, "web", 1, "500m", "512Mi");
    let watch = |arguments: &'static [&'static str]| {
        let (kubeconfig, name) = (user.kubeconfig.clone(), name.clone());
        std::thread::spawn(move || {
            let named: Vec<&str> =
                arguments.iter().map(|argument| if *argument == "NAME" { &name } else { *argument }).collect();
            cmp_tests::shell::kubectl(&kubeconfig, &named)
        })
    };
    let clusters = watch(&["cmp", "get", "cluster", "NAME", "-w"]);
    let instances = watch(&["cmp", "get", "instances", "--in", "NAME", "-w", "-o", "jsonpath={.status.state} "]);
    user.cmp(&["suspend", "cluster", &name, "--wait"]).ok();
    user.cmp(&["resume", "cluster", &name, "--wait"]).ok();
    user.cmp(&["delete", "cluster", &name, "--yes", "--wait"]).ok();
    let clusters = clusters.join().unwrap().ok();
    assert_eq!(clusters.stdout.matches("NAME ").count(), 1, "{clusters}");
    clusters.says("deleting");
    let instances = instances.join().unwrap().ok();
    assert!(!instances.stdout.is_empty(), "{instances}");
    user.cmp(&["get", "cluster", &name, "-w"]).fails().says("not found");
}
