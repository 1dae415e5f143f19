//! Requests are built in `client` alone. The other crates call it by intent.

use crate::sources;

/// Ways to name or to make the requests of one type.
const REQUESTS: [&str; 6] =
    ["Api::all", "Api::namespaced", "Api::default_namespaced", "Api::<", "kube::Api", "kube::api::Api"];

/// Files beside `client` that build requests, each with the reason.
const EXCEPTIONS: [(&str, &str); 2] = [
    ("webhook/src/controller/act.rs", "it writes the fences by the four rules, step by step"),
    ("webhook/src/certs.rs", "it makes, stores and watches the Secret of its own certificate"),
];

/// Reports whether a `use` takes `Api` out of `kube` or `kube::api`.
fn imports_api(line: &str) -> bool {
    let Some(list) = line.trim().strip_prefix("use kube::") else { return false };
    list.split(|char: char| !char.is_alphanumeric()).any(|word| word == "Api")
}

fn builds_requests(text: &str) -> bool {
    REQUESTS.iter().any(|request| text.contains(request)) || text.lines().any(imports_api)
}

#[test]
fn requests_are_built_in_client_alone() {
    let mut excepted = Vec::new();
    for (path, text) in sources(&["core/src", "mirror/src", "plugin/src", "webhook/src"]) {
        let builds = builds_requests(&text);
        match EXCEPTIONS.iter().find(|(file, _)| path.ends_with(file)) {
            Some((file, _)) if builds => excepted.push(*file),
            Some((file, _)) => panic!("{file} builds no requests any more: take it off the list"),
            None => assert!(!builds, "{} builds requests, which client does", path.display()),
        }
    }
    assert_eq!(excepted.len(), EXCEPTIONS.len(), "each exception is a file: {excepted:?}");
    assert!(sources(&["client/src"]).iter().any(|(_, text)| builds_requests(text)), "the sources are read");
}

#[test]
fn commands_hold_no_types_of_kubernetes() {
    for (path, text) in sources(&["plugin/src"]) {
        assert!(!text.contains("k8s_openapi"), "{} holds a type of Kubernetes", path.display());
    }
}

#[test]
fn an_import_is_found_in_every_form() {
    assert!(imports_api("use kube::Api;") && imports_api("use kube::{Api, Client};"));
    assert!(imports_api("use kube::api::{ListParams, Api};"));
    assert!(
        !imports_api("use kube::api::{ApiResource, DynamicObject};") && !imports_api("use kube::{Client, Resource};")
    );
}
