//! Odd input against a running control plane: each answer names what is wrong and what to do, and nothing is charged.

use cmp_tests::{World, eventually};

use crate::support::{SOON, running, shared};

/// Words of libraries and of Rust, and raw JSON, which no message has.
const RAW: [&str; 12] = [
    "invalid type",
    "unknown variant",
    "missing field",
    "os error",
    "Some(",
    "None)",
    "u32",
    "PodSpec",
    "\" of null",
    "panicked",
    "ErrStatus",
    "{\"",
];

/// Runs a command that has to fail. It has to print these texts on standard error, and no raw words.
#[track_caller]
fn refused(ran: cmp_tests::Output, texts: &[&str]) {
    let ran = ran.fails();
    for raw in RAW {
        assert!(!ran.stderr.contains(raw), "it says {raw:?}:\n{ran}");
    }
    assert!(ran.stdout.is_empty(), "the error goes to standard error:\n{ran}");
    for text in texts {
        assert!(ran.stderr.contains(text), "it should say {text:?}:\n{ran}");
    }
}

/// Returns the charge of a user.
fn charge(user: &World<'_>) -> String {
    user.cmp(&["quota", "-o", "jsonpath={.used_cpu} {.used_memory}"]).ok().stdout
}

/// A cluster that goes has lost its want, and may be there for days.
#[test]
fn every_verb_says_that_a_cluster_is_being_deleted() {
    let user = shared().user("4", "8Gi");
    let gone = running(&user, "gone", 1, "1", "1Gi");
    let ns = format!("{gone}-ns");
    user.admin(&["create", "configmap", "held-up", "-n", &ns]).ok();
    let hold = |finalizers: &str| {
        let patch = format!("{{\"metadata\":{{\"finalizers\":{finalizers}}}}}");
        user.admin(&["patch", "configmap", "held-up", "-n", &ns, "--type=merge", "-p", &patch]).ok()
    };
    hold("[\"tests.kubectl-cmp.dev/hold\"]");
    user.cmp(&["delete", "cluster", &gone, "--yes"]).ok();
    user.account_is("the want is gone", |account| {
        account[format!("want.{gone}")].is_null() && account[format!("held.{gone}")].is_string()
    });
    let file = format!("/nowhere/{gone}.yaml");
    for verb in [
        &["create", "cluster", &gone, "--cpu", "1", "--memory", "1Gi"][..],
        &["scale", "cluster", &gone, "--count", "2"],
        &["resize", "cluster", &gone, "--cpu", "2", "--yes"],
        &["rollout", "restart", "cluster", &gone, "--yes"],
        &["suspend", "cluster", &gone],
        &["resume", "cluster", &gone],
        &["edit", "cluster", &gone],
        &["label", "cluster", &gone, "a=b"],
        &["annotate", "cluster", &gone, "a=b"],
        &["schedule", "cluster", &gone, "--suspend", "0 19 * * *"],
        &["snapshot", "cluster", &gone],
        &["restore", "cluster", &gone, "--snapshot", "x", "--yes"],
        &["delete", "snapshot", "x", "--in", &gone, "--yes"],
        &["wait", "cluster", &gone, "--for=state=running", "--timeout", "1s"],
    ] {
        let deleted = format!("cluster {gone} is being deleted\n");
        let wait = format!("hint: wait until it is gone: kubectl cmp delete cluster {gone} --yes --wait\n");
        refused(user.cmp(verb), &[&deleted, &wait]);
    }
    assert_eq!(charge(&user), "0 0", "{file}");
    hold("null");
    crate::support::is_gone(&user, &gone);
}

#[test]
fn a_named_object_has_to_belong_to_the_owner_that_is_named() {
    let (john, jane) = (shared().user("4", "8Gi"), shared().user("4", "8Gi"));
    let web = running(&john, "web", 1, "500m", "512Mi");
    john.cmp(&["schedule", "cluster", &web, "--suspend", "0 19 * * *"]).ok();
    let one = format!("{web}-0");
    for what in [
        &["get", "clusters", &web][..],
        &["get", "instances", &one],
        &["get", "instances", "--in", &web],
        &["get", "schedules", &web],
        &["get", "snapshots", "--in", &web],
        &["events", &web],
        &["top", "clusters", &web],
        &["suspend", "cluster", &web],
        &["delete", "cluster", &web, "--yes"],
        &["edit", "cluster", &web],
    ] {
        let arguments = [&["cmp"], what, &["--owner", &jane.name]].concat();
        let hint = format!("hint: it belongs to {}, and not to {}\n", john.name, jane.name);
        refused(john.admin(&arguments), &[&format!("cluster \"{web}\" not found\n"), &hint]);
        let stranger = jane.cmp(what);
        refused(stranger, &["not found"]);
    }
    for what in [&["get", "clusters", &web][..], &["get", "instances", &one], &["get", "schedules", &web]] {
        john.admin(&[&["cmp"], what, &["--owner", &john.name]].concat()).ok().says(&web);
    }
}

#[test]
fn a_list_takes_names_or_a_selection() {
    let user = shared().user("4", "8Gi");
    let web = running(&user, "web", 1, "500m", "512Mi");
    let one = format!("{web}-0");
    for (noun, name) in [
        ("clusters", web.as_str()),
        ("instances", one.as_str()),
        ("schedules", web.as_str()),
        ("snapshots", "daily"),
        ("users", user.name.as_str()),
        ("templates", "container"),
    ] {
        refused(user.cmp(&["get", noun, name, "-l", "a=b"]), &["error: a name cannot be used with --selector\n"]);
        for wrong in ["a=b=c", "a==b=c", "a=b c", "a in (b c)"] {
            let told = format!("{wrong:?} is not a label selector: use a form such as app=web");
            refused(user.cmp(&["get", noun, "-l", wrong]), &[&told]);
        }
    }
    // kubectl refuses both, too.
    let names = user.kubectl(&["get", "statefulset", &one, "-n", &format!("{web}-ns"), "-l", "a=b"]).fails();
    names.says("name cannot be provided when a selector is specified");
    user.kubectl(&["get", "statefulset", "-n", &format!("{web}-ns"), "-l", "a=b=c"]).fails();
    for noun in ["clusters", "instances", "users"] {
        refused(user.cmp(&["top", noun, &one, "-l", "a=b"]), &["a name cannot be used with --selector"]);
    }
    refused(user.cmp(&["get", "instances", &one, "--in", &web]), &["error: a name cannot be used with --in\n"]);
}

#[test]
fn a_dry_run_of_a_file_is_judged_as_a_whole() {
    let user = shared().user("4", "8Gi");
    let (one, two) = (user.cluster("one"), user.cluster("two"));
    let cluster = |name: &str, cpu: &str| {
        format!(
            "apiVersion: kubectl-cmp.dev/v1\nkind: Cluster\nmetadata: {{name: {name}}}\n\
             spec: {{size: {{cpu: {cpu}, memory: 1Gi}}}}\n---\n"
        )
    };
    // Each fits alone.
    let both = cluster(&one, "3") + &cluster(&two, "2");
    let exceeded = format!(
        "Error from server (Forbidden): cluster {two}: exceeded quota: {}, requested: cpu=2, used: cpu=3, limited: cpu=4",
        user.name
    );
    for how in ["--dry-run=client", "--dry-run=server"] {
        user.cmp_reading(&["create", "-f", "-", how], &both)
            .fails()
            .says(&format!("cluster/{one} created ("))
            .says(&exceeded)
            .says_not(&format!("cluster/{two} created"));
    }
    assert_eq!(charge(&user), "0 0");
    let fits = cluster(&one, "2") + &cluster(&two, "2");
    let dry = user.cmp_reading(&["create", "-f", "-", "--dry-run=server"], &fits).ok();
    dry.says(&format!("quota: {} would use cpu=2 of 4", user.name))
        .says(&format!("quota: {} would use cpu=4 of 4", user.name));
    user.cmp_reading(&["create", "-f", "-", "--wait"], &fits).ok();
    // A dry run of what is there says so, as the real command does.
    for how in ["--dry-run=client", "--dry-run=server", "--dry-run=none"] {
        user.cmp_reading(&["create", "-f", "-", how], &fits)
            .ok()
            .says(&format!("cluster/{one} unchanged"))
            .says(&format!("cluster/{two} unchanged"));
    }
}

#[test]
fn a_wrong_field_is_named_with_its_value() {
    let user = shared().user("4", "8Gi");
    let name = user.cluster("web");
    let object = |name: &str, spec: &str| {
        format!("apiVersion: kubectl-cmp.dev/v1\nkind: Cluster\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n")
    };
    let of = |spec: &str| object(&name, spec);
    let size = "size: {cpu: 1, memory: 1Gi}";
    for (input, expected) in [
        (of(&format!("{size}, count: 1.5")), "spec.count: expected a whole number, got the number 1.5"),
        (of(&format!("{size}, count: -1")), "spec.count: expected a whole number, got the number -1"),
        (of(&format!("{size}, count: '1'")), "spec.count: expected a whole number, got the text \"1\""),
        (of(&format!("{size}, type: box")), "spec.type: \"box\" is not one of container, vm"),
        (of(&format!("{size}, image: 3")), "spec.image: expected a string, got the number 3"),
        (of(&format!("{size}, env: {{A: 1}}")), "spec.env: expected a list, got an object"),
        (of("size: [1]"), "spec.size: expected amounts by resource, got a list"),
        (of("size: {cpu: [1], memory: 1Gi}"), "spec.size.cpu: expected a quantity"),
        (of("count: 2"), "spec: size is missing"),
        (object("7", size), "metadata.name of a cluster is 7: write a name, in quotes if it is a number"),
    ] {
        refused(user.cmp_reading(&["create", "-f", "-"], &input), &["error: --filename -: ", expected]);
    }
    let create = ["create", "cluster", &name, "--cpu", "1", "--memory", "1Gi", "--patch"];
    for (patch, expected) in [
        ("{\"spec\":{\"containers\":3}}", "spec.containers cannot be read: expected a list, got the number 3"),
        ("[{\"op\":\"frob\",\"path\":\"/spec\"}]", "is not an operation of a JSON Patch: \"frob\" is not one of add, "),
    ] {
        refused(user.cmp(&[&create[..], &[patch]].concat()), &["error: --patch: ", expected]);
    }
    let template = ["cmp", "create", "template", &name, "-f", "-"];
    for (manifest, expected) in [
        ("{apiVersion: v1, kind: Pod, spec: 3}", "spec cannot be read: expected an object, got the number 3"),
        (
            "{apiVersion: v1, kind: Pod, spec: {containers: [{name: instance, image: true}]}}",
            "spec.containers[0].image cannot be read: expected a string, got true",
        ),
    ] {
        refused(user.installation.plane.admin_reading(&template, manifest), &["error: --filename -: ", expected]);
    }
    assert_eq!(charge(&user), "0 0");
    assert!(user.account().as_object().unwrap().keys().all(|key| !key.starts_with("want.")));
}

#[test]
fn snapshots_of_containers_are_refused_in_words_of_clusters() {
    let user = shared().user("4", "8Gi");
    let web = running(&user, "web", 1, "500m", "512Mi");
    for verb in [
        &["snapshot", "cluster", &web][..],
        &["restore", "cluster", &web, "--snapshot", "x", "--yes"],
        &["delete", "snapshot", "x", "--in", &web, "--yes"],
    ] {
        refused(user.cmp(verb), &[&format!("error: cluster {web} has containers, and snapshots are of VMs\n")]);
    }
}

#[test]
fn a_timeout_of_zero_looks_once() {
    let user = shared().user("4", "8Gi");
    let web = running(&user, "web", 1, "500m", "512Mi");
    let create = ["create", "cluster", &web, "--cpu", "500m", "--memory", "512Mi", "--timeout", "0s"];
    user.cmp(&create).ok().says(&format!("cluster/{web} unchanged"));
    user.cmp(&["wait", "cluster", &web, "--for=state=running", "--timeout", "0s"]).ok();
    let scaled = user.cmp(&["scale", "cluster", &web, "--count", "2", "--timeout", "0s"]);
    if scaled.code != 0 {
        refused(
            scaled.clone(),
            &[&format!("error: cluster {web} is not ready after 0 s: "), "the same command goes on"],
        );
        assert!(!scaled.stderr.contains("nothing is held"), "{scaled}");
    }
    user.cmp(&["scale", "cluster", &web, "--count", "2"]).ok();
}

#[test]
fn the_version_of_the_plugin_is_known_without_a_server() {
    let user = shared().user("1", "1Gi");
    let own = format!("Client Version: v{}\n", env!("CARGO_PKG_VERSION"));
    for flags in [["-s", "https://127.0.0.1:1"], ["--token", "nonsense"]] {
        let version = user.cmp(&[&["version"], &flags[..]].concat()).fails();
        assert_eq!(version.stdout, own, "{version}");
        assert!(version.stderr.starts_with("error: "), "{version}");
        let kubectl = user.kubectl(&[&["version"], &flags[..]].concat()).fails();
        assert!(kubectl.stdout.starts_with("Client Version: "), "{kubectl}");
    }
}

#[test]
fn a_report_knows_the_names_that_it_is_asked_about() {
    let user = shared().user("1", "1Gi");
    let folder = cmp_tests::process::Folder::new();
    let file = folder.path().join("mirror.db").display().to_string();
    user.admin(&["cmp", "mirror", "--db", &file]).ok();
    let report = |flags: &[&str]| user.admin(&[&["cmp", "report", "--db", &file], flags].concat());
    refused(
        report(&["--in", "no-such-one"]),
        &["cluster \"no-such-one\" not found\n", "has no record of this cluster\n"],
    );
    refused(report(&["--owner", "nobody"]), &["user \"nobody\" not found\n", "has no record of this user\n"]);
    let folder = folder.path().display().to_string();
    for verb in ["report", "mirror"] {
        let expected =
            format!("error: {folder} is a folder, and not a file\nhint: name a file in it, as in --db mirror.db\n");
        refused(user.admin(&["cmp", verb, "--db", &folder]), &[&expected]);
    }
    refused(user.admin(&["cmp", "delete", "token", "nobody", "x", "--yes"]), &["user \"nobody\" not found\n"]);
    let image = ["cmp", "install", "--image", "bad:::x", "--dry-run=client"];
    refused(user.admin(&image), &["\"bad:::x\" is not an image: use a form such as registry.example/"]);
    refused(user.admin(&["cmp", "export", "--all", "cluster", "web"]), &["error: a type cannot be used with --all\n"]);
}

#[test]
fn instances_of_one_cluster_are_counted_together() {
    let user = shared().user("4", "8Gi");
    let web = running(&user, "web", 2, "500m", "512Mi");
    let names = [format!("{web}-0"), format!("{web}-1")];
    let stop = user.cmp(&["stop", "instance", &names[0], &names[1], "--yes", "--wait", "--timeout", "90s"]).ok();
    stop.says(&format!("{web}: 2/2 stopped\n")).says_not("; ");
    user.cmp(&["start", "instance", &names[0], &names[1], "--wait", "--timeout", "90s"]).ok();
    // An empty reason is none.
    user.cmp(&["suspend", "cluster", &web, "--reason", " "]).ok();
    eventually("the suspension is told without a reason", SOON, || {
        let told = user.cmp(&["events", &web]).ok();
        let line = told.stdout.lines().find(|line| line.contains(" suspended ") && line.contains(&user.name));
        match line {
            Some(line) if !line.trim_end().ends_with(':') => Ok(()),
            _ => Err(told.to_string()),
        }
    });
}
