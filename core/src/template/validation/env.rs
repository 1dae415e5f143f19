//! The variables of a container, and the fields of the Pod that a variable or a file can show.

use super::at::At;
use super::text::{config_key, dns_subdomain, env_name, qualified_name};
use crate::quantity::Quantity;
use crate::template::rules::Checked;

/// The fields that a variable can show, beside single labels and annotations.
const IN_VARIABLES: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// The fields that a file can show, beside single labels and annotations.
pub(super) const IN_FILES: [&str; 5] =
    ["metadata.name", "metadata.namespace", "metadata.labels", "metadata.annotations", "metadata.uid"];
/// The resources that a variable or a file can show.
const RESOURCES: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];
/// The units in which bytes can be shown.
const UNITS: [&str; 13] = ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

/// Checks the variables of a container.
pub(super) fn check(container: &At<'_>) -> Checked {
    for variable in container.child("env").items() {
        let (name, from) = (variable.child("name"), variable.child("valueFrom"));
        name.needed()?;
        name.passes(env_name)?;
        if !from.is_there() {
            continue;
        }
        let sources = from.entries().filter(|(_, source)| !source.is_null()).count();
        if sources != 1 {
            return from.invalid("must have one source, such as fieldRef or secretKeyRef");
        }
        if !variable.child("value").text().is_empty() {
            return from.invalid("may not be used together with value");
        }
        field(&from.child("fieldRef"), &IN_VARIABLES)?;
        resource(&from.child("resourceFieldRef"))?;
        for key_ref in ["configMapKeyRef", "secretKeyRef"].map(|kind| from.child(kind)) {
            if key_ref.is_there() {
                key_ref.child("name").passes(dns_subdomain)?;
                key_ref.child("key").needed()?;
                key_ref.child("key").passes(config_key)?;
            }
        }
    }
    for from in container.child("envFrom").items() {
        from.child("prefix").passes(env_name)?;
        let sources = ["configMapRef", "secretRef"].map(|kind| from.child(kind));
        if sources.iter().filter(|source| source.is_there()).count() != 1 {
            return from.invalid("must have one source: configMapRef or secretRef");
        }
        for name in sources.iter().filter(|source| source.is_there()).map(|source| source.child("name")) {
            name.needed()?;
            // Kubernetes reads the name as the start of one, which may end in '-'.
            name.passes(|text| dns_subdomain(text.strip_suffix('-').unwrap_or(text)))?;
        }
    }
    Ok(())
}

/// Checks a reference to a field of the Pod.
pub(super) fn field(reference: &At<'_>, known: &[&str]) -> Checked {
    if !reference.is_there() {
        return Ok(());
    }
    let path = reference.child("fieldPath");
    path.needed()?;
    if !["", "v1"].contains(&reference.child("apiVersion").text()) {
        return path.invalid("must be a field of version v1");
    }
    let subscript = path.text().strip_suffix("']").and_then(|text| text.split_once("['"));
    match subscript {
        Some(("metadata.annotations", key)) => path.passes(|_| qualified_name(&key.to_lowercase())),
        Some(("metadata.labels", key)) => path.passes(|_| qualified_name(key)),
        Some(_) => path.invalid("only metadata.labels and metadata.annotations have keys"),
        None if path.text() == "spec.host" && known.contains(&"spec.nodeName") => Ok(()),
        None => path.listed(known),
    }
}

/// Checks a reference to a resource of a container.
pub(super) fn resource(reference: &At<'_>) -> Checked {
    if !reference.is_there() {
        return Ok(());
    }
    let name = reference.child("resource");
    name.needed()?;
    let huge = ["limits.hugepages-", "requests.hugepages-"].iter().any(|prefix| name.text().starts_with(prefix));
    if !huge {
        name.listed(&RESOURCES)?;
    }
    let divisor = reference.child("divisor");
    let units = if ["limits.cpu", "requests.cpu"].contains(&name.text()) { &["1", "1m"][..] } else { &UNITS[..] };
    match divisor.text().parse::<Quantity>() {
        _ if !divisor.is_there() => Ok(()),
        Ok(unit) if unit.is_zero() || units.contains(&unit.to_string().as_str()) => Ok(()),
        Ok(_) => divisor.invalid("must be 1 or 1m for cpu, and 1 of a unit such as 1Mi for bytes"),
        Err(_) => divisor.invalid("must be a quantity"),
    }
}
