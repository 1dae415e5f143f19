//! The few fields of StatefulSets and Pods that are read to show instances. Most of what the API server sends with them is
//! who manages which field, which costs more to read than all the rest.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{self, PodSpec, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde::Deserialize;

/// What is read of an object's metadata.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// Its name.
    pub name: Option<String>,
    /// Its Namespace.
    pub namespace: Option<String>,
    /// Its uid.
    pub uid: Option<String>,
    /// How often it was to be something else.
    pub generation: Option<i64>,
    /// The version that was read.
    pub resource_version: Option<String>,
    /// When it was made.
    pub creation_timestamp: Option<Time>,
    /// When it is to be gone.
    pub deletion_timestamp: Option<Time>,
    /// Its labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// Its annotations.
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

/// What is read of a StatefulSet.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Set {
    /// Name, labels, version.
    pub metadata: Metadata,
    /// What it is to be.
    pub spec: SetSpec,
}

/// What a StatefulSet is to be.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct SetSpec {
    /// How many Pods it is to have.
    pub replicas: Option<i32>,
    /// What they are made of.
    pub template: SetTemplate,
}

/// What the Pods of a StatefulSet are made of.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct SetTemplate {
    /// Its containers.
    pub spec: Option<Box<PodSpec>>,
}

/// What is read of a Pod.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Pod {
    /// Its name.
    pub metadata: Metadata,
    /// Where it runs.
    pub spec: PodPlace,
    /// What has come of it.
    pub status: Option<Box<PodStatus>>,
}

/// Where a Pod runs.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodPlace {
    /// The node.
    pub node_name: Option<String>,
}

impl From<StatefulSet> for Set {
    fn from(all: StatefulSet) -> Self {
        let spec = all.spec.map(|spec| SetSpec {
            replicas: spec.replicas,
            template: SetTemplate { spec: spec.template.spec.map(Box::new) },
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
