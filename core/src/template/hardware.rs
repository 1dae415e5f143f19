//! The devices of the node that a VM takes: GPUs and host devices, each counted by the resource that it is.

use serde_json::{Value, json};

use super::error::TemplateError;
use super::parts::{list, only};
use super::rules::{Checked, items, no};
use crate::quantity::Quantity;
use crate::resources::{ResourceName, Resources};

/// The lists of devices of the node.
const HARDWARE: [&str; 2] = ["gpus", "hostDevices"];
/// The fields of a device of the node. Others claim it by ways that no quota counts.
pub(super) const DEVICE: [&str; 4] = ["name", "deviceName", "tag", "virtualGPUOptions"];

/// Iterates over the devices of the node in the spec of a machine, each with its field.
fn hardware(spec: &Value) -> impl Iterator<Item = (String, &Value)> {
    HARDWARE.into_iter().flat_map(move |list| {
        let devices = items(&spec["domain"]["devices"][list]);
        devices.map(move |(at, device)| (format!("domain.devices.{list}[{at}]"), device))
    })
}

/// Checks that each device is counted.
pub(super) fn check(path: &str, spec: &Value) -> Checked {
    for (field, device) in hardware(spec) {
        only(&format!("{path}.{field}"), device, &DEVICE)?;
        if resource_of(device).is_none() {
            return no(
                format!("{path}.{field}.deviceName"),
                "must be an extended resource with its domain, such as nvidia.com/TU104GL: the size counts it",
            );
        }
    }
    Ok(())
}

/// Returns the resource that a device takes from its node.
fn resource_of(device: &Value) -> Option<ResourceName> {
    device["deviceName"].as_str()?.parse().ok().filter(ResourceName::is_extended)
}

/// Returns the resources that the devices of a machine take.
pub(super) fn taken(spec: &Value) -> Option<Resources> {
    let mut taken = Resources::default();
    for (_, device) in hardware(spec) {
        // A device without a resource is refused by the rules.
        if let Some(name) = resource_of(device) {
            taken.add(&name, Quantity::whole(1))?;
        }
    }
    Some(taken)
}

/// Gives a machine the devices of its size. Those that it lists count inside the size.
pub(super) fn equip(spec: &mut Value, size: &Resources) -> Checked {
    const AT: &str = "spec.template.spec.domain.devices";
    let too_many = || TemplateError::new(AT, "take more than can be counted");
    let taken = taken(spec).ok_or_else(too_many)?;
    if let Some((name, amount)) = taken.iter().find(|(name, amount)| *amount > size.get(name)) {
        let why = format!(
            "take {name}={amount}, and the size has {}: name them with --resource {name}={amount}",
            size.get(name)
        );
        return Err(TemplateError::new(AT, why));
    }
    for (name, amount) in size.iter().filter(|(name, _)| name.is_extended()) {
        let rest = amount.checked_sub(taken.get(name)).and_then(Quantity::as_whole).ok_or_else(too_many)?;
        let of_host =
            items(&spec["domain"]["devices"]["hostDevices"]).any(|(_, device)| device["deviceName"] == name.as_str());
        // KubeVirt passes a device of PCI as well as a mediated one as a GPU. For other devices it asks for a feature
        // gate, and the template names one of them.
        let into = if of_host { "hostDevices" } else { "gpus" };
        for _ in 0..rest {
            let free = (0..).map(|at| format!("cmp-device-{at}"));
            let used: Vec<&Value> = hardware(spec).map(|(_, device)| &device["name"]).collect();
            let device = free.into_iter().find(|free| !used.iter().any(|used| *used == free.as_str()));
            let device = json!({ "name": device, "deviceName": name.as_str() });
            list(spec, "/domain/devices", into)?.push(device);
        }
    }
    Ok(())
}
