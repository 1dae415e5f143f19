//! Shape of machines: templates, patches, and the limits of both.

use cmp_tests::shell::kubectl_reading;
use serde_json::json;

use crate::support::{installed, shared};

const SIZE: [&str; 4] = ["--cpu", "2", "--memory", "4Gi"];

#[test]
fn machines_are_made_from_a_template_and_a_patch() {
    let john = installed().user("16", "64Gi");
    let (dev, template) = (john.cluster("dev"), format!("kvm-{}", john.name));
    let admin = |arguments: &[&str], input: &str| shared().admin_reading(arguments, input);
    john.cmp(&["get", "templates"]).ok().says("vm ").says("kubevirt/fedora-cloud");
    // An administrator starts from the built-in template.
    let mut manifest = john.cmp(&["get", "template", "vm", "-o", "json"]).ok().json()["spec"]["manifest"].clone();
    manifest["spec"]["template"]["spec"]["tolerations"] = json!([{ "key": "kvm", "operator": "Exists" }]);
    manifest["spec"]["template"]["spec"]["domain"]["memory"] = json!({ "guest": "64Gi" });
    let store = ["cmp", "create", "template", &template, "-f", "-"];
    admin(&store, &manifest.to_string())
        .ok()
        .says("created")
        .says("domain.memory is not used: the cluster sets the size");
    let mut bad = manifest.clone();
    bad["spec"]["template"]["spec"]["domain"]["devices"]["filesystems"] = json!([{ "name": "a", "virtiofs": {} }]);
    let stored = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": { "template": bad.to_string() },
        "metadata": { "name": "bad", "namespace": "cmp-templates", "labels": { "kubectl-cmp.dev/template": "true" } },
    });
    admin(&["create", "-f", "-"], &stored.to_string())
        .fails()
        .says("domain.devices.filesystems is not allowed for instances");
    admin(&["cmp", "create", "template", "vm", "-f", "-"], &manifest.to_string()).fails().says("a built-in template");

    let create = |more: &[&str]| john.cmp(&[&["create", "cluster", &dev][..], &SIZE, more].concat());
    let hidden = r#"{"spec":{"template":{"spec":{"domain":{"memory":{"guest":"64Gi"}}}}}}"#;
    create(&["--type", "vm", "--patch", hidden])
        .fails()
        .says("--patch: spec.template.spec.domain.memory.guest is set by the size");
    create(&["--type", "vm", "--disk", "1Gi:/a"]).fails().says("the disk of a VM is its root disk");
    let patch = r#"{"spec":{"template":{"spec":{"hostname":"guest"}}}}"#;
    create(&["--template", &template, "--patch", patch, "--wait", "--timeout", "120s"]).ok().says("created");
    let vm = |index: u32| {
        let name = format!("{dev}-{index}");
        john.kubectl(&["get", "vm", &name, "-n", &format!("{dev}-ns"), "-o", "json"]).ok().json()["spec"]["template"]["spec"]
            .clone()
    };
    assert_eq!(vm(0)["hostname"], "guest");
    assert_eq!((&vm(0)["tolerations"][0]["key"], &vm(0)["domain"]["memory"]["guest"]), (&json!("kvm"), &json!("4Gi")));
    // A later change of the count, or a creation from the printed file, keeps the shape.
    john.cmp(&["scale", "cluster", &dev, "--count", "2"]).ok();
    assert_eq!(vm(1)["hostname"], "guest");
    let printed = john.cmp(&["get", "cluster", &dev, "-o", "yaml"]).ok().stdout;
    let again = kubectl_reading(&john.kubeconfig, &["cmp", "create", "cluster", "-f", "-"], &printed);
    again.ok().says(&format!("cluster/{dev} unchanged"));
    // The Namespace of another cluster does not name the values of this template.
    let plain = john.cluster("plain");
    let create = ["create", "cluster", &plain, "--type", "vm", "--cpu", "1", "--memory", "1Gi"];
    john.cmp(&create).ok();
    let taken = r#"{"spec":{"template":{"spec":{"tolerations":[{"key":"kvm","operator":"Exists"}]}}}}"#;
    let name = format!("{plain}-0");
    john.kubectl(&["patch", "vm", &name, "-n", &format!("{plain}-ns"), "--type=merge", "-p", taken])
        .fails()
        .says("spec.template.spec.tolerations are not allowed for this cluster: its template does not have them");
    admin(&["cmp", "delete", "template", &template, "--yes"], "").ok();
}
