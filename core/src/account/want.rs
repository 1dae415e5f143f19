//! The want of a cluster: what its user asks for.

use std::collections::BTreeMap;

#[cfg(feature = "newer")]
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::held::Held;
use super::shape::{Shape, is_false};
use crate::disk_source;
use crate::format::{self, Kept};
use crate::name::TemplateName;
use crate::resources::Resources;
use crate::schedule::Schedule;
use crate::vocabulary::InstanceType;

/// The cluster that a user wants.
///
/// The tests play another version by builds with a further field (`expires`), which lack the fields of the first boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Want {
    /// The type of its instances; fixed once the cluster is held.
    #[serde(rename = "type")]
    pub kind: InstanceType,
    /// The number of instances.
    pub count: u32,
    /// The size of each instance.
    pub size: Resources,
    /// Whether its instances are to be off and their quota given back, except for storage.
    #[serde(default, skip_serializing_if = "is_false")]
    pub released: bool,
    /// The template of its instances; the built-in one of its type if none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateName>,
    /// The image of its instances; the image of the template if none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The public key that may log in to its VMs, as a line of `authorized_keys`.
    #[cfg_attr(not(feature = "newer"), serde(default, rename = "sshKey", skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "newer", serde(skip))]
    pub ssh_key: Option<String>,
    /// Further public keys. Versions before several keys read the first one alone.
    #[cfg_attr(not(feature = "newer"), serde(default, rename = "moreSshKeys", skip_serializing_if = "Vec::is_empty"))]
    #[cfg_attr(feature = "newer", serde(skip))]
    pub more_ssh_keys: Vec<String>,
    /// The digest of the file that cloud-init reads at the first boot of its VMs. The content is in a Secret.
    #[cfg_attr(not(feature = "newer"), serde(default, rename = "cloudInit", skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "newer", serde(skip))]
    pub cloud_init: Option<String>,
    /// The digest of the answer file that Windows reads at the first boot of its VMs. The content is in a Secret.
    #[cfg_attr(not(feature = "newer"), serde(default, skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "newer", serde(skip))]
    pub sysprep: Option<String>,
    /// The command that its instances run instead of the program of the image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// The arguments of the program of the image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Environment variables of its instances. A later one may refer to an earlier one, so the order is kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<Variable>,
    /// The ports that its instances listen on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
    /// The mount path of the disk of each instance. The disk is as large as the storage of its size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<String>,
    /// The mount path of the data disk of each VM. The disk is as large as the storage of its size. A version that does not
    /// know this field keeps it, and charges the storage.
    #[serde(default, rename = "dataDisk", skip_serializing_if = "Option::is_none")]
    pub data_disk: Option<String>,
    /// The source of the root disk of each VM, if the disk stays. The disk takes the storage of the size, beside the claims
    /// that its import and the state of the machine need. A version that does not know this field, or this source, keeps it,
    /// and charges the storage.
    #[serde(default, rename = "rootDisk", skip_serializing_if = "Option::is_none")]
    pub root_disk: Option<String>,
    /// Further differences from the template: a JSON Patch or a merge patch of the Pod or the VirtualMachine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<Value>,
    /// The schedule that suspends and resumes the cluster. It costs nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// The labels of the cluster, by which lists and verbs select it. They are not put on its objects.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The annotations of the cluster: notes of its user, which nothing selects by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The time at which the cluster is deleted automatically.
    #[cfg(feature = "newer")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// Everything else in the value, which a newer version stored.
    #[serde(skip)]
    pub kept: Kept,
}

/// An environment variable of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// The name of the variable.
    pub name: String,
    /// The value of the variable; empty if the account does not name it.
    #[serde(default)]
    pub value: String,
}

impl Want {
    /// Returns a want for `count` instances of `size`, as the built-in template makes them.
    pub fn new(kind: InstanceType, count: u32, size: Resources) -> Self {
        Self {
            kind,
            count,
            size,
            released: false,
            template: None,
            image: None,
            ssh_key: None,
            more_ssh_keys: Vec::new(),
            cloud_init: None,
            sysprep: None,
            command: Vec::new(),
            args: Vec::new(),
            env: Vec::new(),
            ports: Vec::new(),
            disk: None,
            data_disk: None,
            root_disk: None,
            patch: None,
            schedule: None,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            #[cfg(feature = "newer")]
            expires: None,
            kept: Kept::default(),
        }
    }

    /// Returns the value to store, with everything in it that a newer version put there.
    pub fn stored(&self) -> String {
        self.kept.write(format::encode(self))
    }

    /// Returns the parts that a newer version stored, as a message lists them. They are unknown fields, and an unknown source
    /// of the root disk. Returns `None` if this version knows all of the want.
    pub fn newer(&self) -> Option<String> {
        let source = self.root_disk.as_ref().filter(|source| !disk_source::is_known(source));
        let source = source.map(|source| format::quoted(&format!("rootDisk: {source}")));
        let parts: Vec<String> = self.kept.newer().into_iter().chain(source).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// Reports whether both have the same parts that a newer version stored.
    pub(crate) fn has_same_newer(&self, other: &Self) -> bool {
        self.kept.is_same(&other.kept) && self.root_disk == other.root_disk
    }

    /// Returns the public keys that may log in to its VMs.
    pub fn ssh_keys(&self) -> impl Iterator<Item = &String> {
        self.ssh_key.iter().chain(&self.more_ssh_keys)
    }

    /// Returns count, size and `released`.
    pub fn shape(&self) -> Shape {
        Shape { count: self.count, size: self.size.clone(), released: self.released }
    }

    /// Returns a want for exactly the shape and type that are held.
    pub(super) fn of(held: &Held) -> Self {
        let Held { kind, count, size, released, .. } = held.clone();
        Self { released, ..Self::new(kind, count, size) }
    }

    /// Returns the same want with the shape and type that are held.
    #[must_use]
    pub fn as_held(&self, held: &Held) -> Self {
        let Held { kind, count, size, released, .. } = held.clone();
        Self { kind, count, size, released, ..self.clone() }
    }
}
