//! The root disk of a VM that stays: its `DataVolume`, and the storage that is left for a disk.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::error::TemplateError;
use super::parts::{CLAIMS, list};
use super::rules::{Checked, items, no};
use super::validation::{NOT_A_REFERENCE, is_reference};
use crate::account::Want;
use crate::disk_source::{self, Copied, HTTPS, IMAGE, UNPACKED};
use crate::kubevirt;
use crate::quantity::Quantity;
use crate::resources::STORAGE;
use crate::root_disk;

/// Returns the storage of the size beside that of the state, or an error if nothing is left.
pub(super) fn beside_state(want: &Want, state: Quantity) -> Result<Quantity, TemplateError> {
    let Some(storage) = want.size.named(STORAGE) else {
        return Err(TemplateError::new("size.storage", "is missing: it is the size of the disk"));
    };
    storage.checked_sub(state).filter(|rest| *rest > Quantity::ZERO).ok_or_else(|| {
        let why =
            format!("{storage} has no room for a disk beside the claim of {state} with the state of a TPM or EFI");
        TemplateError::new("size.storage", why)
    })
}

/// Reports whether CDI unpacks the image by which a machine itself fills its root disk.
pub(super) fn unpacks(machine: &Value) -> bool {
    let read: Option<kubevirt::Machine> = serde_json::from_value(machine["spec"]["template"]["spec"].clone()).ok();
    let Some(root) = read.as_ref().and_then(kubevirt::Machine::root_volume).map(kubevirt::Volume::name) else {
        return false;
    };
    let volume = items(&machine["spec"]["template"]["spec"]["volumes"]).find(|(_, volume)| volume["name"] == root);
    let Some(from) = volume.map(|(_, volume)| &volume["dataVolume"]["name"]).filter(|name| name.is_string()) else {
        return false;
    };
    items(&machine["spec"]["dataVolumeTemplates"])
        .any(|(_, disk)| disk["metadata"]["name"] == *from && root_disk::is_unpacked(&disk["spec"]["source"]))
}

/// Gives the root disk a claim that stays. It is filled from the image of its containerDisk, as its `DataVolume` says, or
/// from a web server.
pub(super) fn keep(machine: &mut Value, want: &Want, state: Quantity) -> Checked {
    const VOLUMES_AT: &str = "spec.template.spec.volumes";
    let kind = want.root_disk.as_deref().unwrap_or(IMAGE);
    if !disk_source::is_known(kind) {
        return no(format!("rootDisk {kind:?}"), "is a source that this version does not know: upgrade kubectl-cmp");
    }
    if kind == IMAGE && unpacks(machine) {
        let why = "leaves no room for the second claim in which CDI unpacks the image of the template: use \"unpacked\", and \
                   twice the storage";
        return no("rootDisk \"image\"", why);
    }
    let storage = beside_state(want, state)?;
    let Some(size) = disk_source::disk(kind, storage) else {
        let why = format!("{storage} must be twice a disk of whole Mi: CDI unpacks the image in a second claim");
        return Err(TemplateError::new("size.storage", why));
    };
    let read: Option<kubevirt::Machine> = serde_json::from_value(machine["spec"]["template"]["spec"].clone()).ok();
    let name = read.as_ref().and_then(kubevirt::Machine::root_volume).map(|root| root.name().to_owned());
    let volumes = machine.pointer_mut("/spec/template/spec/volumes").and_then(Value::as_array_mut);
    let root = volumes.into_iter().flatten().find(|volume| name.as_deref().is_some_and(|name| volume["name"] == name));
    let Some(root) = root else { return no(VOLUMES_AT, "have no root disk that --disk could keep") };
    let copied = Copied::read(kind).map(|copied| root_disk::of_copy(&copied));
    let image = match (kind, &root["containerDisk"]["image"], want.image.as_deref()) {
        _ if copied.is_some() => copied,
        (HTTPS, _, Some(address)) => Some(root_disk::of_address(address)),
        (IMAGE, Value::String(image), _) if !is_reference(image) => {
            return Err(TemplateError::invalid("image", format!("Invalid value: {image}: {NOT_A_REFERENCE}")));
        }
        (IMAGE, Value::String(image), _) => Some(root_disk::of_image(image)),
        (UNPACKED, Value::String(_), _) => {
            return no("rootDisk \"unpacked\"", "is for a template with a DataVolume as root disk: use \"image\"");
        }
        #[cfg(feature = "newer")]
        (other, ..) => root_disk::of_newer(other),
        #[cfg(not(feature = "newer"))]
        _ => None,
    };
    let from = root["dataVolume"]["name"].as_str().map(str::to_owned);
    *root = json!({ "name": root["name"], "dataVolume": { "name": root_disk::UNNAMED } });
    let volumes = list(&mut machine["spec"], "", "dataVolumeTemplates")?;
    // The disk of the template would be made beside the other one.
    let at =
        from.as_ref().and_then(|from| volumes.iter().position(|volume| volume["metadata"]["name"] == from.as_str()));
    let spec = at.map(|at| volumes.remove(at)["spec"].take()).unwrap_or_default();
    let class = CLAIMS.iter().map(|form| &spec[*form]["storageClassName"]).find(|class| !class.is_null());
    let class = class.unwrap_or(&Value::Null);
    let made = match (image, from) {
        (Some(source), _) => root_disk::template(&BTreeMap::from([("source", source)]), class, size),
        (None, Some(_)) if at.is_none() => {
            return no(
                VOLUMES_AT,
                "have a DataVolume as root disk that dataVolumeTemplates does not name: --disk cannot copy it",
            );
        }
        (None, Some(_)) => {
            let content = ["source", "sourceRef"].into_iter().filter(|key| !spec[*key].is_null());
            let content = content.map(|key| (key, spec[key].clone())).collect();
            root_disk::template(&content, class, size)
        }
        (None, None) => {
            return no(VOLUMES_AT, "have a root disk without an image, which --disk cannot fill: leave --disk out");
        }
    };
    volumes.push(made);
    Ok(())
}
