//! The fields of StatefulSets and Pods that are read to show instances. Most of an object from the API server is
//! `managedFields`, which costs more to read than all the rest.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{self, PersistentVolumeClaim, PodSpec, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde::Deserialize;

use crate::disk::Disk;
use crate::name::InstanceName;
use crate::quantity::Quantity;
use crate::resources::STORAGE;

/// The fields of an object's metadata that are read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// The name of the object.
    pub name: Option<String>,
    /// The Namespace of the object.
    pub namespace: Option<String>,
    /// The uid of the object.
    pub uid: Option<String>,
    /// The number of changes of the desired state.
    pub generation: Option<i64>,
    /// The `resourceVersion` that was read.
    pub resource_version: Option<String>,
    /// The creation time of the object.
    pub creation_timestamp: Option<Time>,
    /// The time at which the object is to be gone.
    pub deletion_timestamp: Option<Time>,
    /// The labels of the object.
    pub labels: Option<BTreeMap<String, String>>,
    /// The annotations of the object.
    pub annotations: Option<BTreeMap<String, String>>,
}

impl From<ObjectMeta> for Metadata {
    fn from(all: ObjectMeta) -> Self {
        Self {
            name: all.name,
            namespace: all.namespace,
            uid: all.uid,
            generation: all.generation,
            resource_version: all.resource_version,
            creation_timestamp: all.creation_timestamp,
            deletion_timestamp: all.deletion_timestamp,
            labels: all.labels,
            annotations: all.annotations,
        }
    }
}

/// The fields of a StatefulSet that are read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Set {
    /// The name, the labels and the version.
    pub metadata: Metadata,
    /// The desired state of the StatefulSet.
    pub spec: SetSpec,
}

/// The desired state of a StatefulSet.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SetSpec {
    /// The desired number of Pods.
    pub replicas: Option<i32>,
    /// The template of the Pods.
    pub template: SetTemplate,
    /// The templates of their claims.
    pub volume_claim_templates: Vec<PersistentVolumeClaim>,
}

impl SetSpec {
    /// Returns the disk of the Pods: all claims together.
    pub(crate) fn disk(&self) -> Disk {
        let size = |claim: &PersistentVolumeClaim| -> Option<Quantity> {
            claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?.get(STORAGE)?.0.parse().ok()
        };
        let sizes = self.volume_claim_templates.iter().map(size);
        let sum = sizes.reduce(|sum, size| sum?.checked_add(size?));
        sum.map_or(Disk::Nothing, |size| Disk::Claim { size })
    }
}

/// The template of the Pods of a StatefulSet.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct SetTemplate {
    /// The spec of the Pods, with the containers.
    pub spec: Option<Box<PodSpec>>,
}

/// The fields of a Pod that are read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Pod {
    /// The name, the labels and the version.
    pub metadata: Metadata,
    /// The node that the Pod runs on.
    pub spec: PodPlace,
    /// The observed status of the Pod.
    pub status: Option<Box<PodStatus>>,
}

/// The place of a Pod: the part of its spec that names the node.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodPlace {
    /// The name of the node.
    pub node_name: Option<String>,
}

impl From<StatefulSet> for Set {
    fn from(all: StatefulSet) -> Self {
        let spec = all.spec.map(|spec| SetSpec {
            replicas: spec.replicas,
            template: SetTemplate { spec: spec.template.spec.map(Box::new) },
            volume_claim_templates: spec.volume_claim_templates.unwrap_or_default(),
        });
        Self { metadata: all.metadata.into(), spec: spec.unwrap_or_default() }
    }
}

impl From<v1::Pod> for Pod {
    fn from(all: v1::Pod) -> Self {
        let node_name = all.spec.and_then(|spec| spec.node_name);
        Self { metadata: all.metadata.into(), spec: PodPlace { node_name }, status: all.status.map(Box::new) }
    }
}

/// Returns the instance of this name, if the object is in the Namespace of its cluster.
pub(crate) fn named(name: &str, metadata: &Metadata) -> Option<InstanceName> {
    let name: InstanceName = name.parse().ok()?;
    (metadata.namespace.as_deref() == Some(name.cluster.namespace().as_str())).then_some(name)
}
