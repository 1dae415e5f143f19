//! The containers of a Pod.

use std::collections::BTreeMap;

use super::at::{At, Unique};
use super::quantity::quantity;
use super::text::{dns_label, no_way_up, port_name, qualified_name, relative_path};
use super::{env, handlers, image, volumes};
use crate::quantity::Quantity;
use crate::resources::{CPU, EPHEMERAL_STORAGE, MEMORY};
use crate::template::error::TemplateError;
use crate::template::rules::Checked;

const PROBES: [&str; 3] = ["livenessProbe", "readinessProbe", "startupProbe"];

/// The facts of a Pod that the rules for its containers need.
pub(super) struct Context<'a> {
    pub(super) volumes: volumes::Names<'a>,
    pub(super) grace: i64,
}

/// Checks all containers of a Pod. Their names are unique among all of them.
pub(super) fn check(spec: &At<'_>, context: &Context<'_>) -> Checked {
    let containers = spec.child("containers");
    if containers.items().next().is_none() {
        return containers.missing("a Pod has at least one container");
    }
    let mut names = Unique::default();
    for container in containers.items() {
        common(&container, context)?;
        names.add(&container.child("name"))?;
        restarts(&container)?;
        handlers::check(&container, context.grace)?;
    }
    for container in spec.child("initContainers").items() {
        common(&container, context)?;
        names.add(&container.child("name"))?;
        restarts(&container)?;
        if container.child("restartPolicy").text() == "Always" {
            handlers::check(&container, context.grace)?;
            continue;
        }
        let handlers = PROBES.into_iter().chain(["lifecycle"]).map(|key| container.child(key));
        if let Some(handler) = handlers.into_iter().find(At::is_there) {
            return handler.forbidden("only an init container whose restartPolicy is Always may have it");
        }
    }
    Ok(())
}

/// Checks the fields that every container has.
fn common(container: &At<'_>, context: &Context<'_>) -> Checked {
    container.child("name").needed()?;
    container.child("name").passes(dns_label)?;
    let image = container.child("image");
    image.needed()?;
    image::check(&image)?;
    container.child("imagePullPolicy").one_of(&["Always", "IfNotPresent", "Never"])?;
    container.child("terminationMessagePolicy").one_of(&["FallbackToLogsOnError", "File"])?;
    ports(&container.child("ports"))?;
    env::check(container)?;
    mounts(container, context)?;
    resources(&container.child("resources"))?;
    let mut resized = Unique::default();
    for policy in container.child("resizePolicy").items() {
        let name = policy.child("resourceName");
        name.needed()?;
        name.listed(&[CPU, MEMORY])?;
        resized.add(&name)?;
        policy.child("restartPolicy").needed()?;
        policy.child("restartPolicy").listed(&["NotRequired", "RestartContainer"])?;
    }
    self::context(&container.child("securityContext"))
}

fn ports(ports: &At<'_>) -> Checked {
    let mut names = Unique::default();
    for port in ports.items() {
        let name = port.child("name");
        if !name.text().is_empty() {
            name.passes(port_name)?;
            names.add(&name)?;
        }
        let number = port.child("containerPort");
        if number.number().is_none_or(|number| number == 0) {
            return number.missing("it must be between 1 and 65535");
        }
        number.within(1..=65535)?;
        port.child("protocol").one_of(&["SCTP", "TCP", "UDP"])?;
    }
    Ok(())
}

/// Checks the mounts and the block devices of a container.
fn mounts(container: &At<'_>, context: &Context<'_>) -> Checked {
    let (mut paths, mut mounted) = (Unique::default(), Unique::default());
    for mount in container.child("volumeMounts").items() {
        let (name, path) = (mount.child("name"), mount.child("mountPath"));
        name.needed()?;
        if !context.volumes.contains(name.text()) {
            return name.not_found();
        }
        mounted.is_new(name.text());
        path.needed()?;
        if !paths.is_new(path.text()) {
            return path.invalid("must be unique among the mounts of the container");
        }
        let (sub, expression) = (mount.child("subPath"), mount.child("subPathExpr"));
        sub.passes(relative_path)?;
        if !sub.text().is_empty() && !expression.text().is_empty() {
            return expression.invalid("may not be used together with subPath");
        }
        expression.passes(relative_path)?;
        let propagation = mount.child("mountPropagation");
        if propagation.is_there() {
            propagation.listed(&["Bidirectional", "HostToContainer", "None"])?;
            let context = container.child("securityContext");
            if propagation.text() == "Bidirectional" && !context.child("privileged").is_true() {
                return propagation.forbidden("Bidirectional is only for privileged containers");
            }
        }
        let recursive = mount.child("recursiveReadOnly");
        if recursive.is_there() {
            recursive.listed(&["Disabled", "Enabled", "IfPossible"])?;
            if recursive.text() != "Disabled" {
                if !mount.child("readOnly").is_true() {
                    return recursive.forbidden("only a mount that is readOnly may have it");
                }
                if !["", "None"].contains(&propagation.text()) {
                    return recursive.forbidden("a mount that propagates may not have it");
                }
            }
        }
    }
    let mut names = Unique::default();
    for device in container.child("volumeDevices").items() {
        let (name, path) = (device.child("name"), device.child("devicePath"));
        name.needed()?;
        if !context.volumes.contains(name.text()) {
            return name.not_found();
        }
        if !context.volumes.is_claim(name.text()) {
            return name.invalid("must be a volume of a claim: persistentVolumeClaim or ephemeral");
        }
        if !names.is_new(name.text()) || mounted.contains(name.text()) {
            return name.invalid("must be used once, as a device or as a mount");
        }
        path.needed()?;
        path.passes(no_way_up)?;
        if !paths.is_new(path.text()) {
            return path.invalid("must be unique among the mounts and devices of the container");
        }
    }
    Ok(())
}

/// Checks the resources of a container. The first container has none yet: the size sets them.
fn resources(resources: &At<'_>) -> Checked {
    let limits = amounts(&resources.child("limits"))?;
    let at = resources.child("requests");
    for (name, request) in amounts(&at)? {
        let Some(limit) = limits.get(name) else {
            if is_extended(name) {
                return resources.child("limits").child(name).missing("it must be equal to the request");
            }
            continue;
        };
        let request_at = at.child(name);
        if is_extended(name) && request != *limit {
            return request_at.invalid(&format!("must be equal to the limit of {limit}"));
        }
        if request > *limit {
            return request_at.invalid(&format!("must be less than or equal to the limit of {limit}"));
        }
    }
    Ok(())
}

/// Reports whether a resource comes in whole pieces, of which none is used twice.
fn is_extended(name: &str) -> bool {
    name.contains('/') && !name.contains("kubernetes.io/")
}

/// Reads the amounts of a list of resources, and checks each of them.
fn amounts<'a>(list: &At<'a>) -> Result<BTreeMap<&'a str, Quantity>, TemplateError> {
    let mut amounts = BTreeMap::new();
    for (name, value) in list.entries() {
        let at = list.below(name, value);
        let plain = [CPU, MEMORY, EPHEMERAL_STORAGE].contains(&name) || name.starts_with("hugepages-");
        let extended = || {
            let (domain, rest) = name.split_once('/')?;
            let word = qualified_name(name).is_ok() && qualified_name(rest).is_ok();
            (word && !domain.starts_with("requests.")).then_some(())
        };
        if !plain && extended().is_none() {
            list.key_passes(name, Err("must be cpu, memory, ephemeral-storage, or a resource with its domain"))?;
        }
        if let Some(amount) = quantity(&at)? {
            if is_extended(name) && !amount.is_multiple_of(Quantity::whole(1)) {
                at.invalid("must be an integer")?;
            }
            amounts.insert(name, amount);
        }
    }
    Ok(amounts)
}

/// Checks the restart policy of a container and its rules.
fn restarts(container: &At<'_>) -> Checked {
    let (policy, rules) = (container.child("restartPolicy"), container.child("restartPolicyRules"));
    if policy.is_there() {
        policy.listed(&["Always", "Never", "OnFailure"])?;
    } else if rules.items().next().is_some() {
        return policy.missing("rules for restarts need it");
    }
    if rules.items().count() > 20 {
        return rules.invalid("must be at most 20 rules");
    }
    for rule in rules.items() {
        rule.child("action").listed(&["Restart", "RestartAllContainers"])?;
        let codes = rule.child("exitCodes");
        if !codes.is_there() {
            return codes.missing("a rule is about exit codes");
        }
        codes.child("operator").listed(&["In", "NotIn"])?;
        if codes.child("values").items().count() > 255 {
            return codes.child("values").invalid("must be at most 255 codes");
        }
    }
    Ok(())
}

/// Checks the fields that the security contexts of a Pod and of a container share.
pub(super) fn context(context: &At<'_>) -> Checked {
    context.child("runAsUser").is_id()?;
    context.child("runAsGroup").is_id()?;
    let seccomp = profile(&context.child("seccompProfile"), "must be set if the type is Localhost")?;
    seccomp.map_or(Ok(()), |file| file.passes(relative_path))?;
    let Some(name) = profile(&context.child("appArmorProfile"), "must be set if the type is Localhost")? else {
        return Ok(());
    };
    let text = name.text();
    if text.trim().is_empty() {
        return name.missing("must be set if the type is Localhost");
    }
    if text.trim() != text || text.len() > 4095 {
        return name.invalid("must have at most 4095 characters, and no blank at an end");
    }
    Ok(())
}

/// Checks the type of a profile. Returns the name of the profile, if it is one of the node.
fn profile<'a>(profile: &At<'a>, why: &str) -> Result<Option<At<'a>>, TemplateError> {
    if !profile.is_there() {
        return Ok(None);
    }
    let (kind, name) = (profile.child("type"), profile.child("localhostProfile"));
    kind.needed()?;
    kind.listed(&["Localhost", "RuntimeDefault", "Unconfined"])?;
    match (kind.text() == "Localhost", name.is_there()) {
        (true, false) => name.missing(why)?,
        (true, true) => return Ok(Some(name)),
        (false, true) => name.invalid("may only be set if the type is Localhost")?,
        (false, false) => {}
    }
    Ok(None)
}
