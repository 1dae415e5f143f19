//! The manifest of an administrator, and the form in which it is stored as a template.
//!
//! Only Pods, `PodTemplate`s and VirtualMachines are stored. A stored VirtualMachine names its network interface, and no
//! instancetype. Every version of our programs reads this form, and admission can judge it without asking anybody. A
//! [`Draft`] brings the other manifests of KubeVirt into it.

use serde_json::{Value, json};

use super::error::TemplateError;
use super::machine::{CHANGED_BY_VERBS, MATCHERS, add_network, lacks_network, remove, without_size};
use super::rules::fields;
use crate::kubevirt::{GROUP, POOL_GROUP, VERSION};

/// The reason why a part of a manifest is dropped.
pub(super) const NOT_USED: &str = "is not used: the cluster sets the size";

/// A kind of KubeVirt that describes machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Machine,
    Instance,
    ReplicaSet,
    Pool,
}

/// Reports whether a [`Draft`] makes a VirtualMachine of this kind.
pub(super) fn converts(kind: &str) -> bool {
    Source::of(kind).is_some_and(|source| source != Source::Machine)
}

impl Source {
    fn of(kind: &str) -> Option<Self> {
        match kind {
            "VirtualMachine" => Some(Self::Machine),
            "VirtualMachineInstance" => Some(Self::Instance),
            "VirtualMachineInstanceReplicaSet" => Some(Self::ReplicaSet),
            "VirtualMachinePool" => Some(Self::Pool),
            _ => None,
        }
    }

    /// Checks the fields around the description of the machine.
    fn check(self, kind: &str, manifest: &Value) -> Result<(), TemplateError> {
        let version = manifest["apiVersion"].as_str().unwrap_or_default();
        let (known, expected) = match self {
            // Each version of a pool has its template at the same place.
            Self::Pool => {
                let versions = version.strip_prefix(POOL_GROUP).and_then(|version| version.strip_prefix('/'));
                (versions.is_some_and(|version| !version.is_empty()), format!("a version of {POOL_GROUP}"))
            }
            _ => (version == format!("{GROUP}/{VERSION}"), format!("{GROUP}/{VERSION}")),
        };
        if !known {
            let why = format!("is {}: a {kind} must have {expected}", manifest["apiVersion"]);
            return Err(TemplateError::new("apiVersion", why));
        }
        let outer = ["apiVersion", "kind", "metadata", "spec", "status"];
        match fields(manifest).find(|(key, _)| !outer.contains(key)) {
            Some((key, _)) => Err(TemplateError::new(key, format!("is not a field of a {kind}"))),
            None => Ok(()),
        }
    }

    /// Returns the VirtualMachine that a manifest describes.
    fn machine(self, manifest: &Value) -> Value {
        let mut machine = match self {
            Self::Machine => manifest.clone(),
            Self::Instance => {
                json!({ "spec": { "template": { "metadata": own(&manifest["metadata"]), "spec": manifest["spec"] } } })
            }
            Self::ReplicaSet => json!({ "spec": { "template": manifest["spec"]["template"] } }),
            Self::Pool => {
                let inner = &manifest["spec"]["virtualMachineTemplate"];
                json!({ "metadata": inner["metadata"], "spec": inner["spec"] })
            }
        };
        machine["apiVersion"] = json!(format!("{GROUP}/{VERSION}"));
        machine["kind"] = json!("VirtualMachine");
        machine
    }

    /// Returns the path in the manifest of a field of the VirtualMachine.
    fn path(self, field: &str) -> String {
        match self {
            Self::Instance => field.strip_prefix("spec.template.").unwrap_or(field).to_owned(),
            Self::Pool if field.starts_with("spec") || field.starts_with("metadata") => {
                format!("spec.virtualMachineTemplate.{field}")
            }
            Self::Machine | Self::ReplicaSet | Self::Pool => field.to_owned(),
        }
    }
}

/// Returns the part of an object's metadata that its copies have as well.
fn own(metadata: &Value) -> Value {
    let mut metadata = metadata.clone();
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.retain(|key, _| ["labels", "annotations"].contains(&key.as_str()));
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
    }
    metadata
}

/// Removes the fields without a value, such as the `creationTimestamp` that Go writes. Reports whether there were any.
fn drop_nulls(machine: &mut Value, at: &str) -> bool {
    let Some(fields) = machine.pointer_mut(at).and_then(Value::as_object_mut) else { return false };
    let before = fields.len();
    fields.retain(|_, value| !value.is_null());
    fields.len() < before
}

/// A manifest on the way to its stored form.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    manifest: Value,
    /// The kind that the manifest had; `None` for the kinds of Kubernetes.
    source: Option<Source>,
    namespace: Option<String>,
    notes: Vec<String>,
    changed: bool,
    expanded: bool,
}

impl Draft {
    /// Reads a manifest. All kinds but those of KubeVirt are left as they are.
    pub fn read(manifest: &Value) -> Result<Self, TemplateError> {
        let kind = manifest["kind"].as_str().unwrap_or_default();
        let mut draft = Self {
            manifest: manifest.clone(),
            source: Source::of(kind),
            namespace: manifest["metadata"]["namespace"].as_str().map(str::to_owned),
            notes: Vec::new(),
            changed: false,
            expanded: false,
        };
        if let Some(source) = draft.source {
            source.check(kind, manifest)?;
            draft.manifest = source.machine(manifest);
            draft.complete(source, !manifest["spec"]["replicas"].is_null());
        }
        Ok(draft)
    }

    fn complete(&mut self, source: Source, counts: bool) {
        let bare = drop_nulls(&mut self.manifest, "/spec/template/metadata");
        self.changed = source != Source::Machine || bare || self.to_expand().is_some();
        if counts && source != Source::Machine {
            self.notes.push("spec.replicas is not used: the cluster sets the count".to_owned());
        }
        if lacks_network(&self.manifest) && add_network(&mut self.manifest) {
            let field = source.path("spec.template.spec.domain.devices.interfaces");
            self.notes.push(format!("{field} is missing: masquerade on the Pod network is added"));
            self.changed = true;
        }
        if self.changed {
            drop_nulls(&mut self.manifest, "/metadata");
            remove(&mut self.manifest, "", "status");
            for key in CHANGED_BY_VERBS {
                remove(&mut self.manifest, "/spec", key);
            }
            let dropped = without_size(&mut self.manifest);
            self.notes.extend(dropped.iter().map(|field| format!("{} {NOT_USED}", source.path(field))));
        }
    }

    /// Returns the VirtualMachine that KubeVirt has to expand, because it refers to an instancetype or a preference. It
    /// has no size of its own, which KubeVirt would call a conflict.
    pub fn to_expand(&self) -> Option<&Value> {
        let spec = &self.manifest["spec"];
        let refers = self.source.is_some() && MATCHERS.iter().any(|key| !spec[*key].is_null());
        refers.then_some(&self.manifest)
    }

    /// Returns the Namespace that the manifest names.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// Replaces the VirtualMachine by the one that KubeVirt expanded.
    #[must_use]
    pub fn expanded(mut self, mut machine: Value) -> Self {
        let source = self.source.unwrap_or(Source::Machine);
        for key in MATCHERS {
            let name = &self.manifest["spec"][key]["name"];
            if let Some(name) = name.as_str() {
                let size = "; its processors and memory are not used: the cluster sets the size";
                let size = if key == "instancetype" { size } else { "" };
                let field = source.path(&format!("spec.{key}"));
                self.notes.push(format!("{field} is replaced by the present fields of {name}{size}"));
            }
        }
        for at in ["/metadata", "/spec/template/metadata"] {
            drop_nulls(&mut machine, at);
        }
        for (at, keys) in [("", &["status"][..]), ("/spec", &CHANGED_BY_VERBS)] {
            for key in keys {
                remove(&mut machine, at, key);
            }
        }
        // The size of the instancetype.
        without_size(&mut machine);
        self.manifest = machine;
        self.expanded = true;
        self
    }

    /// Returns the manifest to store.
    pub fn manifest(&self) -> &Value {
        &self.manifest
    }

    /// Reports whether the manifest to store differs from the one that was read.
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// Returns a sentence for each part that was added, replaced or dropped.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Changes the field of an error to its path in the manifest that was read.
    pub fn located(&self, wrong: TemplateError) -> TemplateError {
        let field = self.source.map_or_else(|| wrong.field.clone(), |source| source.path(&wrong.field));
        // The field may come from the instancetype.
        let field = if self.expanded { format!("the expanded {field}") } else { field };
        TemplateError { field, ..wrong }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Template;

    const MASQUERADE: &str = "interfaces is missing: masquerade on the Pod network is added";

    /// A machine of KubeVirt's examples, with these fields.
    fn spec(more: &Value) -> Value {
        let mut spec = json!({
            "domain": { "devices": { "disks": [{ "name": "root", "disk": {} }] }, "resources": {} },
            "volumes": [{ "name": "root", "containerDisk": { "image": "x" } }],
        });
        json_patch::merge(&mut spec, more);
        spec
    }

    fn vm(spec: &Value) -> Value {
        json!({ "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "spec": { "runStrategy": "Halted", "template": { "spec": spec } } })
    }

    fn vmi(spec: &Value) -> Value {
        json!({ "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "spec": spec })
    }

    /// Drafts a manifest, and reads it as the template that is stored.
    fn stored(manifest: &Value) -> Result<(Draft, Template), String> {
        let draft = Draft::read(manifest).map_err(|wrong| wrong.to_string())?;
        let (template, unused) = Template::read(draft.manifest()).map_err(|wrong| draft.located(wrong).to_string())?;
        assert!(unused.is_empty() || !draft.is_changed(), "each field is named once: {unused:?}");
        Ok((draft, template))
    }

    #[test]
    fn a_machine_without_a_network_gets_masquerade() {
        let (draft, template) = stored(&vm(&spec(&json!({})))).unwrap();
        assert_eq!(draft.notes(), [format!("spec.template.spec.domain.devices.{MASQUERADE}")]);
        let machine = &draft.manifest()["spec"]["template"]["spec"];
        assert_eq!(machine["domain"]["devices"]["interfaces"], json!([{ "name": "default", "masquerade": {} }]));
        assert_eq!(machine["networks"], json!([{ "name": "default", "pod": {} }]));
        assert_eq!(Template::read(draft.manifest()).unwrap(), (template, vec![]));
        // The stored form is stored again as it is.
        let again = Draft::read(draft.manifest()).unwrap();
        assert!(!again.is_changed() && again.manifest() == draft.manifest() && again.notes().is_empty());
        // Admission stores no other form.
        let refused = Template::read(&vm(&spec(&json!({})))).unwrap_err().to_string();
        assert!(refused.contains("`kubectl cmp create template` adds it"), "{refused}");
    }

    #[test]
    fn a_network_that_is_named_or_declined_is_left_alone() {
        for (more, refused) in [
            (json!({ "domain": { "devices": { "autoattachPodInterface": false } } }), "must have one interface"),
            (json!({ "networks": [{ "name": "a", "pod": {} }] }), "must have one interface"),
            (
                json!({ "domain": { "devices": { "interfaces": [{ "name": "a", "bridge": {} }] } } }),
                "must be masquerade",
            ),
            (json!({ "domain": "large" }), "domain must be an object"),
            (json!({ "domain": { "devices": [] } }), "domain.devices must be an object"),
        ] {
            let wrong = stored(&vm(&spec(&more))).unwrap_err();
            assert!(wrong.contains(refused) && !wrong.contains("create template"), "{more}: {wrong}");
        }
    }

    #[test]
    fn kinds_of_kubevirt_become_a_machine() {
        let labelled =
            json!({ "metadata": { "creationTimestamp": null, "labels": { "a": "b" } }, "spec": spec(&json!({})) });
        let expected = json!({ "labels": { "a": "b" } });
        let mut instance = vmi(&spec(&json!({ "domain": { "memory": { "guest": "1Gi" } } })));
        instance["metadata"] = json!({ "name": "x", "uid": "y", "finalizers": ["a/b"], "labels": { "a": "b" } });
        let set = json!({ "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstanceReplicaSet",
            "spec": { "replicas": 3, "selector": {}, "template": labelled } });
        let pool = json!({ "apiVersion": "pool.kubevirt.io/v1beta1", "kind": "VirtualMachinePool",
            "spec": { "replicas": 3, "virtualMachineTemplate": { "spec": { "runStrategy": "Always", "template": labelled } } } });
        let count = "spec.replicas is not used: the cluster sets the count".to_owned();
        for (manifest, notes) in [
            (
                instance,
                vec![
                    format!("spec.domain.devices.{MASQUERADE}"),
                    "spec.domain.memory is not used: the cluster sets the size".to_owned(),
                ],
            ),
            (set, vec![count.clone(), format!("spec.template.spec.domain.devices.{MASQUERADE}")]),
            (pool, vec![count, format!("spec.virtualMachineTemplate.spec.template.spec.domain.devices.{MASQUERADE}")]),
        ] {
            let (draft, _) = stored(&manifest).unwrap();
            assert_eq!(draft.notes(), notes);
            assert_eq!(draft.manifest()["spec"]["template"]["metadata"], expected, "{manifest}");
            let refused = Template::read(&manifest).unwrap_err().to_string();
            assert!(refused.contains("`kubectl cmp create template` makes a VirtualMachine of it"), "{refused}");
        }
    }

    #[test]
    fn an_error_has_the_path_of_the_manifest_that_was_read() {
        let shares = spec(&json!({ "domain": { "devices": { "filesystems": [] } } }));
        let mut hooked = vmi(&spec(&json!({})));
        hooked["metadata"] = json!({ "annotations": { "hooks.kubevirt.io/hookSidecars": "[]" } });
        let pool = |version: &str| {
            json!({ "apiVersion": version, "kind": "VirtualMachinePool",
                "spec": { "virtualMachineTemplate": { "spec": { "template": { "spec": shares } } } } })
        };
        let mut strange = vmi(&shares);
        strange["spice"] = json!({});
        for (manifest, says) in [
            (vmi(&shares), "spec.domain.devices.filesystems is not allowed for instances"),
            (hooked, "metadata.annotations.hooks.kubevirt.io/hookSidecars is not allowed for instances"),
            (
                pool("pool.kubevirt.io/v1beta1"),
                "spec.virtualMachineTemplate.spec.template.spec.domain.devices.filesystems is",
            ),
            (
                pool("kubevirt.io/v1"),
                "apiVersion is \"kubevirt.io/v1\": a VirtualMachinePool must have a version of pool",
            ),
            (pool("pool.kubevirt.io/"), "apiVersion is \"pool.kubevirt.io/\""),
            (strange, "spice is not a field of a VirtualMachineInstance"),
            (json!({ "apiVersion": "v1", "kind": "VirtualMachineInstance" }), "apiVersion is \"v1\""),
            (vmi(&Value::Null), "spec is missing: it describes the machine"),
            (json!({ "kind": "Deployment" }), "kind is \"Deployment\""),
            (json!("text"), "kind is missing: a template must be"),
        ] {
            let wrong = stored(&manifest).unwrap_err();
            assert!(wrong.starts_with(says), "{wrong}\n{says}");
        }
    }

    #[test]
    fn an_instancetype_is_expanded_without_its_size() {
        let mut manifest = vm(&spec(&json!({ "domain": { "memory": { "guest": "128Mi" } } })));
        manifest["metadata"] = json!({ "name": "x", "namespace": "types" });
        manifest["spec"]["instancetype"] = json!({ "name": "large" });
        manifest["spec"]["preference"] = json!({ "name": "windows" });
        let refused = Template::read(&manifest).unwrap_err().to_string();
        assert!(refused.contains("`kubectl cmp create template` expands it"), "{refused}");
        let draft = Draft::read(&manifest).unwrap();
        assert_eq!(draft.namespace(), Some("types"));
        let asked = draft.to_expand().unwrap();
        assert_eq!(asked["spec"]["template"]["spec"]["domain"]["memory"], Value::Null, "it would be a conflict");
        // The answer of virt-api.
        let mut answer = asked.clone();
        answer["metadata"]["creationTimestamp"] = Value::Null;
        answer["status"] = json!({});
        answer["spec"]["template"]["metadata"] = json!({ "creationTimestamp": null });
        for key in MATCHERS {
            remove(&mut answer, "/spec", key);
        }
        let domain = json!({ "cpu": { "sockets": 4, "cores": 1, "model": "host-model" }, "memory": { "guest": "2Gi" },
            "devices": { "tpm": {} } });
        json_patch::merge(&mut answer["spec"]["template"]["spec"]["domain"], &domain);
        let draft = draft.expanded(answer);
        assert_eq!(draft.to_expand(), None);
        assert_eq!(
            draft.notes()[2..],
            [
                "spec.instancetype is replaced by the present fields of large; its processors and memory are not used: the \
             cluster sets the size",
                "spec.preference is replaced by the present fields of windows",
            ]
        );
        let (template, unused) = Template::read(draft.manifest()).unwrap();
        assert_eq!(unused, Vec::<String>::new());
        let domain = &template.manifest()["spec"]["template"]["spec"]["domain"];
        assert_eq!((&domain["cpu"], &domain["memory"]), (&json!({ "model": "host-model" }), &Value::Null));
        assert_eq!(domain["devices"]["tpm"], json!({}));
        let wrong =
            draft.located(TemplateError::new("spec.template.spec.domain.devices.filesystems", "is not allowed"));
        assert_eq!(wrong.to_string(), "the expanded spec.template.spec.domain.devices.filesystems is not allowed");
    }

    #[test]
    fn a_manifest_that_is_complete_is_stored_as_it_is() {
        let mut complete = Template::machine().manifest();
        complete["spec"]["template"]["spec"]["domain"]["memory"] = json!({ "guest": "1Gi" });
        for manifest in [complete, Template::container().manifest(), json!(null), json!({ "kind": "PodTemplate" })] {
            let draft = Draft::read(&manifest).unwrap();
            assert_eq!((draft.manifest(), draft.is_changed(), draft.to_expand()), (&manifest, false, None));
        }
    }
}
