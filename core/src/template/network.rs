//! The networks of a VM: masquerade on the Pod network, and bridges on the networks that its template grants.

use serde_json::Value;

use super::error::TemplateError;
use super::parts::only;
use super::rules::{Checked, Grants, fields, items, no, text};
use crate::keys;

/// The fields of an interface that instances may have. The policy has the same list.
pub(super) const INTERFACE: [&str; 12] = [
    "name",
    "masquerade",
    "bridge",
    "model",
    "ports",
    "macAddress",
    "bootOrder",
    "pciAddress",
    "dhcpOptions",
    "tag",
    "acpiIndex",
    "state",
];

/// The bindings that instances may not have, each with the reason.
const REFUSED: [(&str, &str); 6] = [
    ("sriov", "must be masquerade or bridge: no quota counts the device that sriov takes"),
    ("binding", "must be masquerade or bridge: a binding plugin takes resources that no quota counts"),
    ("slirp", "must be masquerade or bridge: KubeVirt has removed slirp"),
    ("macvtap", "must be masquerade or bridge: KubeVirt has removed macvtap"),
    ("passt", "must be masquerade or bridge: with passt the guest has the address of its Pod"),
    ("passtBinding", "must be masquerade or bridge: with passt the guest has the address of its Pod"),
];

/// Returns the names of the secondary networks of a machine, as the annotation of a Namespace lists them. A name stands
/// there once for each interface.
pub(super) fn granted(path: &str, spec: &Value) -> Result<Option<String>, TemplateError> {
    let mut names = Vec::new();
    for (at, network) in items(&spec["networks"]).filter(|(_, network)| !network["multus"].is_null()) {
        let name = text(&network["multus"]["networkName"]);
        if name.is_empty() || name.contains(',') {
            let field = format!("{path}.networks[{at}].multus.networkName");
            return Err(TemplateError::new(field, "is missing: name a NetworkAttachmentDefinition, without a comma"));
        }
        names.push(name);
    }
    names.sort_unstable();
    Ok(Some(names.join(",")).filter(|names| !names.is_empty()))
}

/// Checks the networks and interfaces of a machine against the privileges of its template.
pub(super) fn check(path: &str, spec: &Value, grants: &Grants) -> Checked {
    let granted: Vec<&str> = grants.get(keys::NETWORKS).into_iter().flat_map(|list| list.split(',')).collect();
    let mut used: Vec<&str> = Vec::new();
    for (at, network) in items(&spec["networks"]) {
        let field = format!("{path}.networks[{at}]");
        only(&field, network, &["name", "pod", "multus"])?;
        let count = |names: &[&str], name: &str| names.iter().filter(|other| **other == name).count();
        let name = text(&network["multus"]["networkName"]);
        let fits = match (network["pod"].is_null(), network["multus"].is_null()) {
            (false, true) => true,
            (true, false) => {
                only(&format!("{field}.multus"), &network["multus"], &["networkName"])?;
                used.push(name);
                count(&used, name) <= count(&granted, name)
            }
            _ => false,
        };
        if !fits {
            return no(field, "must be the Pod network, or one of the networks in this cluster's template");
        }
    }
    let interfaces = &spec["domain"]["devices"]["interfaces"];
    if items(interfaces).next().is_none() {
        return no(format!("{path}.domain.devices.interfaces"), "must have one interface, with masquerade");
    }
    for (at, interface) in items(interfaces) {
        let field = format!("{path}.domain.devices.interfaces[{at}]");
        let has = |binding: &str| fields(interface).any(|(key, _)| key == binding);
        if let Some((_, why)) = REFUSED.iter().find(|(binding, _)| has(binding)) {
            return no(field, why);
        }
        only(&field, interface, &INTERFACE)?;
        // KubeVirt takes the bridge of two bindings, also on the Pod network.
        if has("masquerade") && has("bridge") {
            return no(field, "must have one binding: KubeVirt takes the bridge of the two");
        }
        let of_its_own = |network: &Value| network["name"] == interface["name"] && !network["multus"].is_null();
        let bridge = has("bridge") && items(&spec["networks"]).any(|(_, network)| of_its_own(network));
        let masquerade = has("masquerade") && !interface["masquerade"].is_null();
        if !(masquerade || bridge) || interface["state"] == "absent" {
            return no(field, "must be masquerade, or bridge on a network in this cluster's template");
        }
    }
    Ok(())
}
