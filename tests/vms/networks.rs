//! Secondary networks of VMs: granted by the template of a cluster, and by nothing else.

use std::sync::Once;

use serde_json::{Value, json};

use crate::clusters::{on, running};
use crate::support::{installed, shared};

const KIND: &str = "network-attachment-definitions.k8s.cni.cncf.io";

/// Returns the definition of multus' networks, which virt-controller reads, and one network.
fn networks() -> Value {
    let version = json!({ "name": "v1", "served": true, "storage": true,
        "schema": { "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } } });
    let names = json!({ "plural": "network-attachment-definitions", "singular": "network-attachment-definition",
        "kind": "NetworkAttachmentDefinition", "shortNames": ["net-attach-def"] });
    json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": { "name": KIND },
        "spec": { "group": "k8s.cni.cncf.io", "scope": "Namespaced", "names": names, "versions": [version] } })
}

fn lan() -> Value {
    json!({ "apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition",
        "metadata": { "name": "lan", "namespace": "default" }, "spec": { "config": "{}" } })
}

/// Installs the definition of multus' networks once.
fn multus() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        shared().admin_reading(&["create", "-f", "-"], &networks().to_string()).ok();
        shared().admin(&["wait", "--for=condition=Established", &format!("crd/{KIND}"), "--timeout=60s"]).ok();
    });
}

/// The fields of an interface in the API of the pinned KubeVirt, each with the reason why it is refused.
const FIELDS: [(&str, Option<&str>); 17] = [
    ("acpiIndex", None),
    ("binding", Some("a binding plugin takes resources that no quota counts")),
    ("bootOrder", None),
    ("bridge", None),
    ("dhcpOptions", None),
    ("macAddress", None),
    ("macvtap", Some("KubeVirt has removed macvtap")),
    ("masquerade", None),
    ("model", None),
    ("name", None),
    ("passt", Some("with passt the guest has the address of its Pod")),
    ("pciAddress", None),
    ("ports", None),
    ("slirp", Some("KubeVirt has removed slirp")),
    ("sriov", Some("no quota counts the device that sriov takes")),
    ("state", None),
    ("tag", None),
];

#[test]
fn every_binding_of_kubevirt_is_decided() {
    let john = installed().user("4", "8Gi");
    multus();
    let definition = shared().admin(&["get", "crd", "virtualmachines.kubevirt.io", "-o", "json"]).ok().json();
    let at = "/schema/openAPIV3Schema/properties/spec/properties/template/properties/spec/properties/domain/properties\
              /devices/properties/interfaces/items/properties";
    let versions = definition["spec"]["versions"].as_array().unwrap();
    let stored = versions.iter().find(|version| version["storage"] == true).unwrap();
    let served = stored.pointer(at).and_then(Value::as_object).expect("the fields of an interface");
    let mut served: Vec<&str> = served.keys().map(String::as_str).collect();
    served.sort_unstable();
    assert_eq!(
        served,
        FIELDS.map(|(field, _)| field),
        "KubeVirt has another field: decide it in core and in the policy"
    );

    let dev = running(&john, "dev", 1);
    let (one, ns) = (format!("{dev}-0"), format!("{dev}-ns"));
    let manifest = john.cmp(&["get", "template", "vm", "-o", "json"]).ok().json()["spec"]["manifest"].clone();
    let refused = FIELDS.iter().filter_map(|(field, why)| Some((*field, (*why)?)));
    for (binding, why) in refused {
        let value = if binding == "binding" { json!({ "name": "plugin" }) } else { json!({}) };
        // Alone on a network of its own, in the template of an administrator.
        let networks =
            json!([{ "name": "default", "pod": {} }, { "name": "lan", "multus": { "networkName": "default/lan" } }]);
        let interfaces = json!([{ "name": "default", "masquerade": {} }, { "name": "lan", binding: value }]);
        let mut wanted = manifest.clone();
        let spec = json!({ "networks": networks, "domain": { "devices": { "interfaces": interfaces } } });
        json_patch::merge(&mut wanted["spec"]["template"]["spec"], &spec);
        for dry_run in ["--dry-run=client", "--dry-run=none"] {
            let store = ["cmp", "create", "template", "binding", "-f", "-", dry_run];
            shared().admin_reading(&store, &wanted.to_string()).fails().says(why).says("must be masquerade or bridge");
        }
        // Instead of masquerade, and beside it, by the owner of a VM.
        for interface in [
            json!({ "name": "default", binding: value }),
            json!({ "name": "default", "masquerade": {}, binding: value }),
        ] {
            let devices = json!({ "domain": { "devices": { "interfaces": [interface] } } });
            let patch = json!({ "spec": { "template": { "spec": devices } } }).to_string();
            let patched = john.kubectl(&["patch", "vm", &one, "-n", &ns, "--type=merge", "-p", &patch]).fails();
            // KubeVirt refuses some of them as well, as long as its feature gates are closed.
            patched.says("ValidatingAdmissionPolicy 'cmp-vms'").says("domain.devices.interfaces");
        }
    }
}

#[test]
fn a_network_with_a_device_is_named_when_its_template_is_stored() {
    multus();
    let user = installed().user("1", "1Gi");
    let (card, template) = (format!("card-{}", user.name), format!("card-{}", user.name));
    let mut network = lan();
    let device = "bridge.network.kubevirt.io/br1";
    let annotations = json!({ "k8s.v1.cni.cncf.io/resourceName": device });
    network["metadata"] = json!({ "name": card, "namespace": "default", "annotations": annotations });
    shared().admin_reading(&["create", "-f", "-"], &network.to_string()).ok();
    let mut manifest = user.cmp(&["get", "template", "vm", "-o", "json"]).ok().json()["spec"]["manifest"].clone();
    let of = format!("default/{card}");
    let networks = json!([{ "name": "default", "pod": {} }, { "name": "card", "multus": { "networkName": of } }]);
    let interfaces = json!([{ "name": "default", "masquerade": {} }, { "name": "card", "bridge": {} }]);
    let spec = json!({ "networks": networks, "domain": { "devices": { "interfaces": interfaces } } });
    json_patch::merge(&mut manifest["spec"]["template"]["spec"], &spec);
    let store = ["cmp", "create", "template", &template, "-f", "-", "--dry-run=server"];
    let warning = format!("Warning: network {of}: KubeVirt takes one {device} of the node for each interface");
    shared().admin_reading(&store, &manifest.to_string()).ok().says(&warning);
    shared().admin(&["annotate", KIND, &card, "-n", "default", "k8s.v1.cni.cncf.io/resourceName-"]).ok();
    shared().admin_reading(&store, &manifest.to_string()).ok().says_not("of the node");
}

#[test]
fn a_network_of_the_template_is_granted_and_another_one_is_refused() {
    let john = installed().user("8", "16Gi");
    let admin = |arguments: &[&str], input: &Value| shared().admin_reading(arguments, &input.to_string());
    multus();
    admin(&["create", "-f", "-"], &lan()).ok();

    let network = |name: &str, of: &str| json!({ "name": name, "multus": { "networkName": of } });
    let (pod, first) = (json!({ "name": "default", "pod": {} }), network("lan", "default/lan"));
    let (masquerade, bridge) = (json!({ "name": "default", "masquerade": {} }), json!({ "name": "lan", "bridge": {} }));
    let with = |networks: Value, interfaces: Value| {
        let spec = json!({ "networks": networks, "domain": { "devices": { "interfaces": interfaces } } });
        json!({ "spec": { "template": { "spec": spec } } })
    };
    let (template, dev) = (format!("lan-{}", john.name), john.cluster("dev"));
    let mut manifest = john.cmp(&["get", "template", "vm", "-o", "json"]).ok().json()["spec"]["manifest"].clone();
    json_patch::merge(&mut manifest, &with(json!([pod, first]), json!([masquerade, bridge])));
    let store = ["cmp", "create", "template", &template, "-f", "-"];
    admin(&store, &manifest).ok();
    john.cmp(&["describe", "template", &template]).ok().says("networks: default/lan");
    let size = ["--cpu", "1", "--memory", "1Gi", "--wait", "--timeout", "120s"];
    john.cmp(&[&["create", "cluster", &dev, "--template", &template], &size[..]].concat()).ok();
    let (ns, one) = (format!("{dev}-ns"), format!("{dev}-0"));
    let granted = || {
        let seen = shared().admin(&["get", "namespace", &ns, "-o", "json"]).ok().json();
        seen["metadata"]["annotations"]["kubectl-cmp.dev/networks"].clone()
    };
    assert_eq!(granted(), "default/lan");
    // The launcher's Pod asks for the network in the name of the guest.
    let pods = shared().admin(&["get", "pods", "-n", &ns, "-o", "json"]).ok().json();
    let asked = pods["items"][0]["metadata"]["annotations"]["k8s.v1.cni.cncf.io/networks"].as_str().unwrap_or_default();
    assert!(asked.contains("\"name\":\"lan\"") && asked.contains("\"namespace\":\"default\""), "{asked}");

    // The template gains a network: the cluster keeps what its Namespace was granted.
    let more = with(
        json!([pod, first, network("dmz", "default/dmz")]),
        json!([masquerade, bridge, { "name": "dmz", "bridge": {} }]),
    );
    json_patch::merge(&mut manifest, &more);
    let stored = json!({ "data": { "template": manifest.to_string() } }).to_string();
    shared().admin(&["patch", "configmap", &template, "-n", "cmp-templates", "--type=merge", "-p", &stored]).ok();
    john.cmp(&["scale", "cluster", &dev, "--count", "2"])
        .fails()
        .says("networks: only the Pod network is allowed, and those that the template of this cluster names");
    assert_eq!(granted(), "default/lan");

    let plain = running(&john, "plain", 1);
    let refused = "networks: only the Pod network is allowed, and those that the template of this cluster names";
    let bridged =
        "must have at least one interface, and only masquerade, or a bridge on a network in this cluster's template";
    let (second, other) = (network("second", "default/lan"), json!({ "name": "second", "bridge": {} }));
    for (attack, cluster, change, reason) in [
        (
            "another network",
            &dev,
            with(json!([pod, network("lan", "default/dmz")]), json!([masquerade, bridge])),
            refused,
        ),
        (
            "the network of its own Namespace",
            &dev,
            with(json!([pod, network("lan", "lan")]), json!([masquerade, bridge])),
            refused,
        ),
        ("a second interface", &dev, with(json!([pod, first, second]), json!([masquerade, bridge, other])), refused),
        (
            "the network instead of the Pod's",
            &dev,
            with(
                json!([{ "name": "lan", "multus": { "networkName": "default/lan", "default": true } }]),
                json!([bridge]),
            ),
            refused,
        ),
        (
            "a bridge on the Pod network",
            &dev,
            with(json!([pod, first]), json!([{ "name": "default", "bridge": {} }, bridge])),
            bridged,
        ),
        (
            "a device of the network",
            &dev,
            with(json!([pod, first]), json!([masquerade, { "name": "lan", "sriov": {} }])),
            bridged,
        ),
        ("the network in another cluster", &plain, with(json!([pod, first]), json!([masquerade, bridge])), refused),
    ] {
        let (vm, ns, patch) = (format!("{cluster}-0"), format!("{cluster}-ns"), change.to_string());
        let output = john.kubectl(&["patch", "vm", &vm, "-n", &ns, "--type=merge", "-p", &patch]);
        assert!(output.code == 1 && output.stderr.contains(reason), "{attack}:\n{output}");
    }
    // Nobody else makes a network of the name that a template grants.
    admin(&["create", "-n", &ns, "--as", &format!("system:serviceaccount:cmp-users:{}", john.name), "-f", "-"], &{
        let mut own = lan();
        own["metadata"] = json!({ "name": "lan", "namespace": ns });
        own
    })
    .fails()
    .says("cannot create resource");
    // Without the network is fine.
    let none = with(json!([pod]), json!([masquerade])).to_string();
    john.kubectl(&["patch", "vm", &one, "-n", &ns, "--type=merge", "-p", &none]).ok();
    assert_eq!(on(&john, &dev).len(), 1);
    shared().admin(&["cmp", "delete", "template", &template, "--yes"]).ok();
}
