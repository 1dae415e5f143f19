//! Kubernetes' own rules for a Pod, so that a Pod that the API server calls invalid is refused before anything is made.
//!
//! The rules are those of Kubernetes 1.36, as far as the [`rules`](super::rules) let a Pod use a field. They cover:
//!
//! - labels, annotations and the node selector;
//! - containers, init containers and sidecars: names, images, ports, variables, mounts, devices, resources;
//! - their probes, hooks, restart policies, users and groups, and the profiles of seccomp and `AppArmor`;
//! - volumes of every kind that an instance may have;
//! - affinity, topology spread constraints and tolerations;
//! - host names, DNS, readiness gates and the other words of the Pod.
//!
//! They leave out huge pages, `fileKeyRef`, stop signals, trust bundles, the annotation
//! `controller.kubernetes.io/pod-deletion-cost`, and the fields for Windows. They add one rule: an image has to be a
//! reference, as `kubectl run` requires. The API server stores any other text, and the kubelet refuses it.
//!
//! Vectors made with the real validation are in `tests/vectors/validation.jsonl`.

use serde_json::Value;

use super::rules::Checked;
use at::At;
use text::{dns_label, dns_subdomain, is_ip, qualified_name, search_domain};

mod at;
mod containers;
mod env;
mod handlers;
mod image;
mod labels;
mod placement;
mod quantity;
pub(crate) mod text;
mod volumes;

pub use image::{NOT_A_REFERENCE, is_reference};

/// The grace period of a Pod that names none, in seconds.
const GRACE: i64 = 30;

/// Checks a Pod, given as JSON whose fields are all known. `claimed` names the volumes that the claims of its
/// StatefulSet add.
pub(super) fn check(pod: &Value, claimed: &[&str]) -> Checked {
    let metadata = At::new("metadata", &pod["metadata"]);
    labels::check(&metadata.child("labels"))?;
    let annotations = metadata.child("annotations");
    for (key, _) in annotations.entries() {
        annotations.key_passes(key, qualified_name(&key.to_lowercase()))?;
    }
    let spec = At::new("spec", &pod["spec"]);
    let volumes = volumes::check(&spec.child("volumes"), claimed)?;
    let grace = spec.child("terminationGracePeriodSeconds").number().unwrap_or(GRACE);
    let context = containers::Context { volumes, grace };
    containers::check(&spec, &context)?;
    words(&spec)?;
    names(&spec)?;
    labels::check(&spec.child("nodeSelector"))?;
    containers::context(&spec.child("securityContext"))?;
    security(&spec.child("securityContext"))?;
    placement::check(&spec)?;
    let gates = spec.child("readinessGates");
    gates.items().try_for_each(|gate| gate.child("conditionType").passes(qualified_name))
}

/// Checks the fields of a Pod that have one of several words.
fn words(spec: &At<'_>) -> Checked {
    spec.child("restartPolicy").one_of(&["Always", "OnFailure", "Never"])?;
    spec.child("dnsPolicy").one_of(&["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"])?;
    if spec.child("preemptionPolicy").is_there() {
        spec.child("preemptionPolicy").listed(&["PreemptLowerPriority", "Never"])?;
    }
    let os = spec.child("os");
    if os.is_there() {
        os.child("name").needed()?;
        os.child("name").listed(&["linux", "windows"])?;
    }
    Ok(())
}

/// Checks the names of a Pod in its network, and its configuration of DNS.
fn names(spec: &At<'_>) -> Checked {
    for name in ["hostname", "subdomain"].map(|key| spec.child(key)) {
        if !name.text().is_empty() {
            name.passes(dns_label)?;
        }
    }
    let name = spec.child("hostnameOverride");
    if name.is_there() {
        if spec.child("setHostnameAsFQDN").is_true() {
            return name.forbidden("may not be used with setHostnameAsFQDN");
        }
        if name.text().len() > 64 {
            return name.invalid("must be at most 64 characters");
        }
        name.passes(dns_subdomain)?;
    }
    for alias in spec.child("hostAliases").items() {
        ip(&alias.child("ip"))?;
        alias.child("hostnames").items().try_for_each(|name| name.passes(dns_subdomain))?;
    }
    let dns = spec.child("dnsConfig");
    let servers = dns.child("nameservers");
    let count = servers.items().count();
    if spec.child("dnsPolicy").text() == "None" && count == 0 {
        return servers.missing("is needed where dnsPolicy is None");
    }
    if count > 3 {
        return servers.invalid("must be at most 3 name servers");
    }
    servers.items().try_for_each(|server| ip(&server))?;
    let searches = dns.child("searches");
    if searches.items().count() > 32 || searches.items().map(|search| search.text().len() + 1).sum::<usize>() > 2049 {
        return searches.invalid("must be at most 32 domains with 2048 characters together");
    }
    for search in searches.items().filter(|search| search.text() != ".") {
        search.passes(|text| search_domain(text.strip_suffix('.').unwrap_or(text)))?;
    }
    dns.child("options").items().try_for_each(|option| option.child("name").needed())
}

fn ip(address: &At<'_>) -> Checked {
    if is_ip(address.text()) { Ok(()) } else { address.invalid("must be an IP address") }
}

/// Checks the fields that only the security context of a Pod has.
fn security(context: &At<'_>) -> Checked {
    context.child("fsGroup").is_id()?;
    context.child("supplementalGroups").items().try_for_each(|group| group.is_id())?;
    for (key, words) in [
        ("fsGroupChangePolicy", ["OnRootMismatch", "Always"]),
        ("supplementalGroupsPolicy", ["Merge", "Strict"]),
        ("seLinuxChangePolicy", ["MountOption", "Recursive"]),
    ] {
        let word = context.child(key);
        if word.is_there() {
            word.listed(&words)?;
        }
    }
    let mut names = at::Unique::default();
    context.child("sysctls").items().try_for_each(|sysctl| names.add(&sysctl.child("name")))
}

#[cfg(test)]
mod tests;
