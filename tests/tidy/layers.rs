//! Requests are built in `client` alone. The other crates call it by intent.

use crate::sources;

/// Ways to name or to make the requests of one type.
const REQUESTS: [&str; 6] =
    ["Api::all", "Api::namespaced", "Api::default_namespaced", "Api::<", "kube::Api", "kube::api::Api"];

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
    for (path, text) in sources(&["core/src", "mirror/src", "plugin/src", "webhook/src"]) {
        assert!(!builds_requests(&text), "{} builds requests, which client does", path.display());
    }
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
