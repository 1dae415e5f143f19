//! The volumes of a Pod.

use std::collections::BTreeMap;

use super::at::{At, Unique};
use super::quantity::quantity;
use super::text::{dns_label, dns_subdomain, file_path};
use super::{env, image};
use crate::resources::STORAGE;
use crate::template::error::TemplateError;
use crate::template::rules::Checked;

/// The names of the volumes of a Pod, each with whether it is one of a claim.
pub(super) struct Names<'a>(BTreeMap<&'a str, bool>);

impl Names<'_> {
    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn is_claim(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|claim| *claim)
    }
}

/// Checks the volumes of a Pod. Returns their names, with those that the claims of its StatefulSet add.
pub(super) fn check<'a>(volumes: &At<'a>, claimed: &[&'a str]) -> Result<Names<'a>, TemplateError> {
    let mut names = Names(claimed.iter().map(|name| (*name, true)).collect());
    let mut unique = Unique::default();
    for volume in volumes.items() {
        let name = volume.child("name");
        name.needed()?;
        name.passes(dns_label)?;
        unique.add(&name)?;
        source(&volume)?;
        let claim = ["persistentVolumeClaim", "ephemeral"].iter().any(|kind| volume.child(kind).is_there());
        names.0.insert(name.text(), claim);
    }
    Ok(names)
}

/// Checks the one source of a volume. Sources that no instance may have are checked elsewhere.
fn source(volume: &At<'_>) -> Checked {
    let mut sources = volume.entries().filter(|(key, source)| *key != "name" && !source.is_null());
    // A volume without a source is an emptyDir.
    let Some((kind, value)) = sources.next() else { return Ok(()) };
    if let Some((second, _)) = sources.next() {
        return volume.forbidden(&format!("a volume may have one source only, not both {kind} and {second}"));
    }
    let source = volume.below(kind, value);
    match kind {
        "emptyDir" => {
            let limit = source.child("sizeLimit");
            if limit.text().starts_with('-') {
                return limit.forbidden("must not be negative");
            }
            quantity(&limit).map(drop)
        }
        "configMap" | "secret" => {
            source.child(if kind == "secret" { "secretName" } else { "name" }).needed()?;
            source.child("defaultMode").is_mode()?;
            source.child("items").items().try_for_each(|item| key_to_path(&item))
        }
        "downwardAPI" => {
            source.child("defaultMode").is_mode()?;
            source.child("items").items().try_for_each(|file| pod_file(&file))
        }
        "projected" => projected(&source),
        "persistentVolumeClaim" => source.child("claimName").needed(),
        "image" => {
            source.child("reference").needed()?;
            image::check(&source.child("reference"))?;
            source.child("pullPolicy").one_of(&["Always", "IfNotPresent", "Never"])
        }
        "ephemeral" => claim(&source.child("volumeClaimTemplate")),
        _ => Ok(()),
    }
}

/// Checks a file with the value of a key.
fn key_to_path(item: &At<'_>) -> Checked {
    item.child("key").needed()?;
    item.child("path").needed()?;
    item.child("path").passes(file_path)?;
    item.child("mode").is_mode()
}

/// Checks a file with a field of the Pod.
fn pod_file(file: &At<'_>) -> Checked {
    file.child("path").needed()?;
    file.child("path").passes(file_path)?;
    let (field, resource) = (file.child("fieldRef"), file.child("resourceFieldRef"));
    match (field.is_there(), resource.is_there()) {
        (true, true) => return file.invalid("may have fieldRef or resourceFieldRef, and not both"),
        (false, false) => return file.missing("it must have fieldRef or resourceFieldRef"),
        (true, false) => env::field(&field, &env::IN_FILES)?,
        (false, true) => {
            resource.child("containerName").needed()?;
            env::resource(&resource)?;
        }
    }
    file.child("mode").is_mode()
}

/// Checks a volume of several sources. Two files of it may not have the same path.
fn projected(projected: &At<'_>) -> Checked {
    projected.child("defaultMode").is_mode()?;
    let mut paths = Unique::default();
    let mut path = |path: &At<'_>, text| {
        if paths.is_new(text) { Ok(()) } else { path.invalid("must differ from the paths of the other files") }
    };
    for source in projected.child("sources").items() {
        let mut kinds = source.entries().filter(|(_, kind)| !kind.is_null());
        let Some((kind, value)) = kinds.next() else { continue };
        if kinds.next().is_some() {
            return source.forbidden("there may be one kind of source only");
        }
        let of = source.below(kind, value);
        match kind {
            "configMap" | "secret" => {
                of.child("name").needed()?;
                for item in of.child("items").items() {
                    key_to_path(&item)?;
                    path(&item.child("path"), item.child("path").text())?;
                }
            }
            "downwardAPI" => {
                for file in of.child("items").items() {
                    pod_file(&file)?;
                    path(&file.child("path"), file.child("path").text())?;
                }
            }
            "serviceAccountToken" => {
                of.child("path").needed()?;
                of.child("path").passes(file_path)?;
                of.child("expirationSeconds").within(600..=1 << 32)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Checks the claim of an ephemeral volume.
fn claim(template: &At<'_>) -> Checked {
    if !template.is_there() {
        return template.missing("it describes the claim");
    }
    let claim = template.child("spec");
    let modes = claim.child("accessModes");
    if modes.items().next().is_none() {
        return modes.missing("it must have at least one mode");
    }
    for mode in modes.items() {
        mode.listed(&["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"])?;
        if mode.text() == "ReadWriteOncePod" && modes.items().count() > 1 {
            return modes.forbidden("ReadWriteOncePod may not be used with other modes");
        }
    }
    let storage = claim.child("resources").child("requests").child(STORAGE);
    match quantity(&storage)? {
        None => return storage.missing("it says how large the volume is"),
        Some(size) if size.is_zero() => return storage.invalid("must be greater than 0"),
        Some(_) => {}
    }
    let class = claim.child("storageClassName");
    if !class.text().is_empty() {
        class.passes(dns_subdomain)?;
    }
    if claim.child("volumeMode").is_there() {
        claim.child("volumeMode").listed(&["Block", "Filesystem"])?;
    }
    Ok(())
}
