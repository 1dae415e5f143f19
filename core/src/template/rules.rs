//! The restrictions for the Pod of an instance.
//!
//! The API server enforces them, by the policies in `manifests/policies/instances.yaml` and by Pod Security at
//! baseline. This module repeats them, for an answer before anything is made, and for templates when they are stored. A
//! test (`tests/e2e/templates.rs`) gives every case of `core/tests/vectors/pods-refused.json` to both.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::error::TemplateError;
use super::pod::BY_SIZE;
use crate::keys;
use crate::resources::{ResourceName, STORAGE};

/// The privileges of a template: annotations of the Namespace by which the policies allow its instances a restricted
/// feature, such as a priority class.
pub type Grants = BTreeMap<&'static str, String>;

/// The capabilities that Pod Security lets a container add at baseline.
const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];
/// The sysctls that Pod Security lets a Pod set at baseline.
const SYSCTLS: [&str; 13] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
    "",
];
/// The types of `SELinux` that Pod Security lets a container have at baseline.
const SELINUX: [&str; 5] = ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];
/// The prefix of the annotations that set `AppArmor` profiles before there was a field.
const APPARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
/// The allowed fields of volumes. Others lead to the node, or to storage that no quota counts.
const VOLUMES: [&str; 9] = [
    "name",
    "configMap",
    "secret",
    "downwardAPI",
    "projected",
    "emptyDir",
    "persistentVolumeClaim",
    "ephemeral",
    "image",
];
/// The allowed sources of a projected volume. Others are identities.
const SOURCES: [&str; 5] = ["configMap", "secret", "downwardAPI", "clusterTrustBundle", "serviceAccountToken"];
/// The fields of a Pod's metadata that an instance takes over.
const METADATA: [&str; 2] = ["labels", "annotations"];

pub(super) type Checked = Result<(), TemplateError>;

pub(super) fn no(field: impl Into<String>, why: &str) -> Checked {
    Err(TemplateError::new(field, why))
}

/// Checks a Pod, given as JSON whose fields are all known.
pub(super) fn check(pod: &Value, grants: &Grants) -> Checked {
    own_metadata("metadata", &pod["metadata"])?;
    let spec = &pod["spec"];
    fixed(spec)?;
    placement(spec, grants)?;
    volumes(spec, grants)?;
    security("spec.securityContext", &spec["securityContext"])?;
    for (list, what) in [("containers", "instance"), ("initContainers", "init container")] {
        for (at, container) in items(&spec[list]) {
            self::container(&format!("spec.{list}[{at}]"), container, what)?;
        }
    }
    Ok(())
}

/// Iterates over the items of a list with their positions. Any other value has none.
pub(super) fn items(list: &Value) -> impl Iterator<Item = (usize, &Value)> {
    list.as_array().into_iter().flatten().enumerate()
}

/// Iterates over the fields of an object. Any other value has none.
pub(super) fn fields(object: &Value) -> impl Iterator<Item = (&str, &Value)> {
    object.as_object().into_iter().flatten().map(|(key, value)| (key.as_str(), value))
}

/// Checks that a probe or a hook targets the instance itself.
pub(super) fn asks_no_others(path: &str, handler: &Value) -> Checked {
    match ["httpGet", "tcpSocket"].into_iter().find(|action| !text(&handler[action]["host"]).is_empty()) {
        Some(action) => no(
            format!("{path}.{action}.host"),
            "is not allowed for instances: the node would send the request to that host; leave it out",
        ),
        None => Ok(()),
    }
}

/// Refuses a claim that takes an existing volume, unless the template of the cluster names this volume.
pub(super) fn takes_no_volume(path: &str, claim: &Value, grants: &Grants) -> Checked {
    let granted = grants.get(keys::VOLUMES).map_or("", String::as_str);
    let field = match (text(&claim["volumeName"]), &claim["storageClassName"]) {
        ("", class) if class == "" => "storageClassName",
        ("", _) => return Ok(()),
        (volume, _) if granted.split(',').any(|granted| granted == volume) => return Ok(()),
        _ => "volumeName",
    };
    no(format!("{path}.{field}"), "uses an existing volume, which no quota counts: leave it out")
}

/// The claims of the ephemeral volumes of a Pod.
pub(super) fn claims_of_pod(spec: &Value) -> impl Iterator<Item = &Value> {
    items(&spec["volumes"]).map(|(_, volume)| &volume["ephemeral"]["volumeClaimTemplate"]["spec"])
}

/// Checks that the metadata has only labels and annotations that an instance may set itself.
pub(super) fn own_metadata(path: &str, metadata: &Value) -> Checked {
    if !metadata.is_null() && !metadata.is_object() {
        return no(path, "must be an object");
    }
    if let Some((key, _)) = fields(metadata).find(|(key, _)| !METADATA.contains(key)) {
        let field = format!("{path}.{key}");
        if ["finalizers", "ownerReferences"].contains(&key) {
            return no(field, "is not allowed for the Pods of instances: it can block the deletion of the instance");
        }
        return no(field, "is not allowed for instances: in metadata only labels and annotations are allowed");
    }
    for list in METADATA {
        if !metadata[list].is_null() && !metadata[list].is_object() {
            return no(format!("{path}.{list}"), "must be an object");
        }
        for (key, value) in fields(&metadata[list]) {
            let field = || format!("{path}.{list}.{key}");
            if key.starts_with(keys::PREFIX) {
                return no(field(), "is written only by kubectl cmp");
            }
            let profile = value.as_str().unwrap_or_default();
            if key.starts_with(APPARMOR) && profile != "runtime/default" && !profile.starts_with("localhost/") {
                return no(field(), "must be runtime/default: AppArmor has to confine the container");
            }
        }
    }
    Ok(())
}

/// Checks the fields that no template may change.
fn fixed(spec: &Value) -> Checked {
    for (key, why) in [
        ("hostNetwork", "is not allowed for instances: they have a network of their own"),
        ("hostPID", "is not allowed for instances: it would show them the processes of the node"),
        ("hostIPC", "is not allowed for instances: it would show them the memory of the node"),
    ] {
        if spec[key] == true {
            return no(format!("spec.{key}"), why);
        }
    }
    for (key, why) in [
        ("nodeName", "is not allowed for instances: the scheduler chooses the node"),
        ("resources", BY_SIZE),
        ("overhead", "is not allowed for instances: it comes with a runtime class"),
        ("ephemeralContainers", "is not allowed for instances: `kubectl debug` adds them where that is allowed"),
        ("activeDeadlineSeconds", "is not allowed for instances: they run until they are stopped"),
        ("resourceClaims", "is not allowed for instances: no quota counts them"),
        ("schedulingGates", "is not allowed for instances: nothing would remove them"),
        ("priority", "is not allowed for instances: it comes with a priority class"),
    ] {
        let nothing = spec[key].as_array().is_some_and(Vec::is_empty);
        if !spec[key].is_null() && !nothing {
            return no(format!("spec.{key}"), why);
        }
    }
    if !["", "Always"].contains(&text(&spec["restartPolicy"])) {
        return no("spec.restartPolicy", "must be Always: an instance that ends is started again");
    }
    for key in ["serviceAccountName", "serviceAccount"] {
        if !["", "default"].contains(&text(&spec[key])) {
            return no(
                format!("spec.{key}"),
                "is not allowed for instances: they run as default, which may do nothing in Kubernetes",
            );
        }
    }
    if spec["terminationGracePeriodSeconds"].as_i64().is_some_and(|seconds| !(1..=600).contains(&seconds)) {
        return no("spec.terminationGracePeriodSeconds", "must be from 1 to 600");
    }
    Ok(())
}

/// The placement and the priority of a Pod. Only an administrator may choose them: they come from a template, and the
/// Namespaces of its clusters name them.
const PLACES: [(&str, &str, &str); 3] = [
    ("runtimeClassName", keys::RUNTIME_CLASS, ""),
    ("priorityClassName", keys::PRIORITY_CLASS, ""),
    ("schedulerName", keys::SCHEDULER, "default-scheduler"),
];

/// The prefix of the priority classes that Kubernetes makes for its own Pods.
const SYSTEM_CLASSES: &str = "system-";

/// Returns the privileges that a template uses.
pub(super) fn grants<'a>(
    path: &str,
    spec: &Value,
    claims: impl Iterator<Item = &'a Value>,
) -> Result<Grants, TemplateError> {
    let places = PLACES.iter().map(|(key, annotation, usual)| (*annotation, text(&spec[*key]), *usual));
    let mut grants: Grants = places
        .filter(|(_, value, usual)| !value.is_empty() && value != usual)
        .map(|(annotation, value, _)| (annotation, value.to_owned()))
        .collect();
    // The policies refuse these classes, too. An instance with one would evict the Pods of everybody else, including
    // those of the cluster itself.
    if grants.get(keys::PRIORITY_CLASS).is_some_and(|class| class.starts_with(SYSTEM_CLASSES)) {
        return Err(TemplateError::new(
            format!("{path}.priorityClassName"),
            "is a class of the system, which no template grants: name a PriorityClass of your own",
        ));
    }
    let mut taints = BTreeSet::new();
    for (at, toleration) in items(&spec["tolerations"]) {
        let key = text(&toleration["key"]);
        if key.is_empty() || key.contains(',') {
            return Err(TemplateError::new(
                format!("{path}.tolerations[{at}].key"),
                "is missing: name the taint to tolerate, a template may not tolerate all taints",
            ));
        }
        taints.insert(key);
    }
    if !taints.is_empty() {
        grants.insert(keys::TOLERATIONS, taints.into_iter().collect::<Vec<_>>().join(","));
    }
    let mut audiences = BTreeSet::new();
    for (field, token) in tokens(path, spec) {
        let audience = text(&token["audience"]);
        if audience.is_empty() || audience.contains(',') {
            return Err(TemplateError::new(
                format!("{field}.serviceAccountToken.audience"),
                "is missing: name the audience of the token, without a comma",
            ));
        }
        audiences.insert(audience);
    }
    if !audiences.is_empty() {
        grants.insert(keys::AUDIENCES, audiences.into_iter().collect::<Vec<_>>().join(","));
    }
    // The name of a volume has no comma: the API server refuses such a PersistentVolume.
    let volumes: BTreeSet<&str> =
        claims.map(|claim| text(&claim["volumeName"])).filter(|name| !name.is_empty() && !name.contains(',')).collect();
    if !volumes.is_empty() {
        grants.insert(keys::VOLUMES, volumes.into_iter().collect::<Vec<_>>().join(","));
    }
    Ok(grants)
}

/// Iterates over the sources of projected volumes that are tokens of the ServiceAccount, each with its field.
fn tokens<'a>(path: &'a str, spec: &'a Value) -> impl Iterator<Item = (String, &'a Value)> {
    items(&spec["volumes"]).flat_map(move |(at, volume)| {
        items(&volume["projected"]["sources"]).filter_map(move |(source_at, source)| {
            let token = &source["serviceAccountToken"];
            (!token.is_null()).then(|| (format!("{path}.volumes[{at}].projected.sources[{source_at}]"), token))
        })
    })
}

/// Checks the placement and the priority against the privileges of the template.
pub(super) fn placement_of(path: &str, spec: &Value, grants: &Grants) -> Checked {
    for (key, annotation, usual) in PLACES {
        let value = &spec[key];
        let granted = grants.get(annotation).is_some_and(|granted| value == granted.as_str());
        let as_usual = value.is_null() || value == usual || (value == "" && key == "priorityClassName");
        if !granted && (!as_usual || (value == "" && key == "runtimeClassName")) {
            return no(format!("{path}.{key}"), "must be left out, or be the one in this cluster's template");
        }
    }
    let taints: BTreeSet<&str> = grants.get(keys::TOLERATIONS).into_iter().flat_map(|list| list.split(',')).collect();
    let granted = |key: &str| !key.is_empty() && taints.contains(key);
    if let Some((at, _)) = items(&spec["tolerations"]).find(|(_, toleration)| !granted(text(&toleration["key"]))) {
        return no(
            format!("{path}.tolerations[{at}]"),
            "is not allowed for this cluster: its template does not have it",
        );
    }
    Ok(())
}

fn placement(spec: &Value, grants: &Grants) -> Checked {
    placement_of("spec", spec, grants)?;
    for kind in ["podAffinity", "podAntiAffinity"] {
        for rule in
            ["requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution"]
        {
            for (at, term) in items(&spec["affinity"][kind][rule]) {
                let term = if term["podAffinityTerm"].is_null() { term } else { &term["podAffinityTerm"] };
                if !term["namespaces"].is_null() || !term["namespaceSelector"].is_null() {
                    return no(
                        format!("spec.affinity.{kind}.{rule}[{at}]"),
                        "is to Pods of other namespaces: leave out namespaces and namespaceSelector",
                    );
                }
            }
        }
    }
    Ok(())
}

fn volumes(spec: &Value, grants: &Grants) -> Checked {
    let audiences = grants.get(keys::AUDIENCES).map_or("", String::as_str);
    let granted = |audience: &str| !audience.is_empty() && audiences.split(',').any(|granted| granted == audience);
    if let Some((field, _)) = tokens("spec", spec).find(|(_, token)| !granted(text(&token["audience"]))) {
        return no(
            format!("{field}.serviceAccountToken"),
            "is not allowed for this cluster: its template does not have a token for this audience",
        );
    }
    for (at, volume) in items(&spec["volumes"]) {
        for (source_at, source) in items(&volume["projected"]["sources"]) {
            if let Some((kind, _)) = fields(source).find(|(key, _)| !SOURCES.contains(key)) {
                return no(
                    format!("spec.volumes[{at}].projected.sources[{source_at}].{kind}"),
                    "is not allowed for instances: a source may be configMap, secret, downwardAPI, clusterTrustBundle or \
                     serviceAccountToken",
                );
            }
        }
        takes_no_volume(
            &format!("spec.volumes[{at}].ephemeral.volumeClaimTemplate.spec"),
            &volume["ephemeral"]["volumeClaimTemplate"]["spec"],
            grants,
        )?;
        if let Some((kind, _)) = fields(volume).find(|(key, _)| !VOLUMES.contains(key)) {
            return no(
                format!("spec.volumes[{at}].{kind}"),
                "is not allowed for instances: volumes may be configMap, secret, downwardAPI, projected, emptyDir, \
                 persistentVolumeClaim, ephemeral or image, and no quota counts other volumes",
            );
        }
        let claim = &volume["ephemeral"]["volumeClaimTemplate"]["metadata"];
        for key in ["finalizers", "ownerReferences"] {
            if !claim[key].is_null() {
                return no(
                    format!("spec.volumes[{at}].ephemeral.volumeClaimTemplate.metadata.{key}"),
                    "is not allowed for the claims of instances: it can block the deletion of the instance",
                );
            }
        }
    }
    Ok(())
}

/// Checks the security context of a Pod or a container against Pod Security.
fn security(field: &str, context: &Value) -> Checked {
    if !SELINUX.contains(&text(&context["seLinuxOptions"]["type"])) {
        return no(
            format!("{field}.seLinuxOptions.type"),
            "must be one of the types for containers, such as container_t",
        );
    }
    for key in ["user", "role"] {
        if !text(&context["seLinuxOptions"][key]).is_empty() {
            return no(format!("{field}.seLinuxOptions.{key}"), "is not allowed for instances: leave it out");
        }
    }
    for key in ["seccompProfile", "appArmorProfile"] {
        if context[key]["type"] == "Unconfined" {
            return no(format!("{field}.{key}.type"), "must not be Unconfined: use RuntimeDefault, or leave it out");
        }
    }
    if context["windowsOptions"]["hostProcess"] == true {
        return no(
            format!("{field}.windowsOptions.hostProcess"),
            "is not allowed for instances: it would have full access to the node",
        );
    }
    for (at, sysctl) in items(&context["sysctls"]) {
        if !SYSCTLS.contains(&text(&sysctl["name"])) {
            return no(format!("{field}.sysctls[{at}].name"), "is not one of the sysctls that are a Pod's own");
        }
    }
    Ok(())
}

fn container(field: &str, container: &Value, what: &str) -> Checked {
    if text(&container["image"]).is_empty() {
        return no(format!("{field}.image"), &format!("is missing: an {what} runs an image"));
    }
    for list in ["limits", "requests"] {
        for (name, _) in fields(&container["resources"][list]) {
            if name == STORAGE || name.parse::<ResourceName>().is_err() {
                return no(
                    format!("{field}.resources.{list}.{name}"),
                    "cannot be in the size of a cluster, so its instances cannot have it",
                );
            }
        }
    }
    if items(&container["resources"]["claims"]).next().is_some() {
        return no(format!("{field}.resources.claims"), "is not allowed for instances: no quota counts them");
    }
    let context = &container["securityContext"];
    let inside = format!("{field}.securityContext");
    if context["privileged"] == true {
        return no(
            format!("{inside}.privileged"),
            "is not allowed for instances: it would have full access to the node",
        );
    }
    if !["", "Default"].contains(&text(&context["procMount"])) {
        return no(format!("{inside}.procMount"), "must be Default");
    }
    for (at, capability) in items(&context["capabilities"]["add"]) {
        if !CAPABILITIES.contains(&text(capability)) {
            return no(
                format!("{inside}.capabilities.add[{at}]"),
                "is more than Pod Security baseline allows: leave it out",
            );
        }
    }
    security(&inside, context)?;
    for (at, port) in items(&container["ports"]) {
        if port["hostPort"].as_i64().is_some_and(|port| port != 0) {
            return no(
                format!("{field}.ports[{at}].hostPort"),
                "is not allowed for instances: they have addresses of their own",
            );
        }
    }
    for handler in ["livenessProbe", "readinessProbe", "startupProbe", "lifecycle/postStart", "lifecycle/preStop"] {
        let asked = container.pointer(&format!("/{handler}")).unwrap_or(&Value::Null);
        asks_no_others(&format!("{field}.{}", handler.replace('/', ".")), asked)?;
    }
    Ok(())
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
