//! Fields of a VM that only the template of its cluster grants, and fields with a cost of their own.
//!
//! A processor of its own is no larger share of the size, but no other Pod of its node may use it. The same holds for huge
//! pages. An eviction strategy can keep an administrator from draining a node.

use serde_json::Value;

use super::error::TemplateError;
use super::parts::only;
use super::rules::{Checked, Grants, no, text};
use crate::account::Want;
use crate::keys;
use crate::kubevirt;
use crate::quantity::Quantity;
use crate::resources::STORAGE;

/// The fields of `cpu` that need a grant.
const FLAGS: [&str; 2] = ["dedicatedCpuPlacement", "isolateEmulatorThread"];
/// The strategies of eviction that never block a node.
pub(super) const HARMLESS: [&str; 2] = ["None", "LiveMigrateIfPossible"];
/// The size of the claim in which KubeVirt keeps the state of a machine, in MiB.
const STATE: u32 = 10;

/// Returns the fields of a machine that need a grant, each with its value if it has several.
fn asked(spec: &Value) -> Vec<(&'static str, String)> {
    let domain = &spec["domain"];
    let mut asked: Vec<(&str, String)> = [
        ("domain.cpu.dedicatedCpuPlacement", &domain["cpu"]["dedicatedCpuPlacement"]),
        ("domain.cpu.isolateEmulatorThread", &domain["cpu"]["isolateEmulatorThread"]),
    ]
    .into_iter()
    .filter(|(_, value)| **value == true)
    .map(|(field, _)| (field, field.trim_start_matches("domain.").to_owned()))
    .collect();
    let pages = text(&domain["memory"]["hugepages"]["pageSize"]);
    if !pages.is_empty() {
        asked.push(("domain.memory.hugepages", format!("memory.hugepages.pageSize={pages}")));
    }
    let strategy = text(&spec["evictionStrategy"]);
    if !strategy.is_empty() && !HARMLESS.contains(&strategy) {
        asked.push(("evictionStrategy", format!("evictionStrategy={strategy}")));
    }
    asked
}

/// Returns the fields that the template of a machine grants, as the annotation of a Namespace lists them.
pub(super) fn granted(path: &str, spec: &Value) -> Result<Option<String>, TemplateError> {
    let asked = asked(spec);
    if let Some((field, _)) = asked.iter().find(|(_, word)| word.contains(',')) {
        return Err(TemplateError::new(format!("{path}.{field}"), "must have no comma"));
    }
    let words: Vec<String> = asked.into_iter().map(|(_, word)| word).collect();
    Ok(Some(words.join(",")).filter(|words| !words.is_empty()))
}

/// Checks these fields against the privileges of the template.
pub(super) fn check(path: &str, spec: &Value, grants: &Grants) -> Checked {
    let (cpu, memory) = (&spec["domain"]["cpu"], &spec["domain"]["memory"]);
    for key in FLAGS {
        if !cpu[key].is_null() && !cpu[key].is_boolean() {
            return no(format!("{path}.domain.cpu.{key}"), "must be true or false");
        }
    }
    only(&format!("{path}.domain.memory"), memory, &["hugepages"])?;
    if !memory["hugepages"].is_null() {
        only(&format!("{path}.domain.memory.hugepages"), &memory["hugepages"], &["pageSize"])?;
        if text(&memory["hugepages"]["pageSize"]).is_empty() {
            return no(format!("{path}.domain.memory.hugepages.pageSize"), "is missing: name a size such as 2Mi");
        }
    }
    let granted = grants.get(keys::MACHINE).map_or("", String::as_str);
    match asked(spec).into_iter().find(|(_, word)| !granted.split(',').any(|granted| granted == word)) {
        Some((field, _)) => no(format!("{path}.{field}"), "must be left out, or be that of this cluster's template"),
        None => Ok(()),
    }
}

/// Returns the number of processors that the emulator of a machine takes from the size.
pub(super) fn emulator(spec: &Value) -> u32 {
    u32::from(spec["domain"]["cpu"]["isolateEmulatorThread"] == true)
}

/// Returns an amount of memory that any machine with these pages can have.
pub(super) fn memory(spec: &Value) -> Quantity {
    let usual = Quantity::mebibytes(1024);
    let page = text(&spec["domain"]["memory"]["hugepages"]["pageSize"]).parse::<Quantity>();
    page.ok().filter(|page| *page > Quantity::ZERO && !usual.is_multiple_of(*page)).unwrap_or(usual)
}

/// Returns the field by which a machine keeps state in a claim of KubeVirt.
fn keeps(spec: &Value) -> Option<&'static str> {
    [
        ("domain.devices.tpm.persistent", &spec["domain"]["devices"]["tpm"]["persistent"]),
        ("domain.firmware.bootloader.efi.persistent", &spec["domain"]["firmware"]["bootloader"]["efi"]["persistent"]),
    ]
    .into_iter()
    .find(|(_, value)| **value == true)
    .map(|(field, _)| field)
}

/// Returns the least storage that a machine needs for its state.
pub(super) fn state(spec: &Value) -> Option<Quantity> {
    keeps(spec).map(|_| Quantity::mebibytes(STATE))
}

/// Checks that the size has room for the thread and the state of a machine.
pub(super) fn has_room(path: &str, spec: &Value, want: &Want) -> Checked {
    let machine: Option<kubevirt::Machine> = serde_json::from_value(spec.clone()).ok();
    if let Some(kubevirt::Misfit { field, why }) = machine.and_then(|machine| machine.misfit(&want.size)) {
        return no(format!("{path}.{field}"), &why);
    }
    let Some(field) = keeps(spec) else { return Ok(()) };
    // A disk has the rest of the storage, and is made only if there is a rest.
    let has_disk = want.root_disk.is_some() || want.data_disk.is_some();
    if !has_disk && state(spec) > want.size.named(STORAGE) {
        let why = format!("keeps its state in a claim of {STATE}Mi: name it with --resource storage={STATE}Mi");
        return no(format!("{path}.{field}"), &why);
    }
    Ok(())
}
