//! One object of the manifests.

use kube::api::{ApiResource, DynamicObject, GroupVersionKind, TypeMeta};
use kube::{Client, ResourceExt};
use serde_json::Value;

use cmp_client::objects::Objects;

use crate::error::CliError;

pub(super) fn read(files: &[&str]) -> Result<Vec<Manifest>, CliError> {
    let mut manifests = Vec::new();
    for file in files {
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(file).map_err(|error| CliError::internal(&error.to_string()))?;
        for document in documents {
            manifests.push(Manifest::new(document)?);
        }
    }
    Ok(manifests)
}

/// One object of the manifests.
#[derive(Debug, Clone)]
pub(crate) struct Manifest {
    pub(crate) object: DynamicObject,
    resource: ApiResource,
}

impl Manifest {
    pub(super) fn new(document: Value) -> Result<Self, CliError> {
        let object: DynamicObject =
            serde_json::from_value(document).map_err(|error| CliError::internal(&error.to_string()))?;
        let types =
            object.types.clone().unwrap_or_else(|| TypeMeta { api_version: String::new(), kind: String::new() });
        let kind = GroupVersionKind::try_from(&types).map_err(|error| CliError::internal(&error.to_string()))?;
        Ok(Self { object, resource: ApiResource::from_gvk(&kind) })
    }

    /// Returns kubectl's name for the object: `deployment.apps/cmp-webhook`.
    pub(crate) fn title(&self) -> String {
        title(&self.resource, &self.object.name_any())
    }

    /// Returns the kind of the object.
    pub(crate) fn kind(&self) -> &str {
        &self.resource.kind
    }

    /// Returns the API type of the object.
    pub(crate) fn resource(&self) -> &ApiResource {
        &self.resource
    }

    /// Returns the objects of the same type and Namespace in the cluster.
    pub(crate) fn peers(&self, client: &Client) -> Objects {
        Objects::of(client, &self.resource, self.object.metadata.namespace.as_deref())
    }

    /// Reports whether the object has this kind, Namespace and name.
    pub(crate) fn is(&self, kind: &str, namespace: Option<&str>, name: &str) -> bool {
        let of = self.object.metadata.namespace.as_deref();
        self.kind() == kind && of == namespace && self.object.metadata.name.as_deref() == Some(name)
    }

    /// Returns the object as it is printed, in the same form as kustomize prints it.
    pub(crate) fn value(&self) -> Result<Value, CliError> {
        serde_json::to_value(&self.object).map_err(|error| CliError::internal(&error.to_string()))
    }
}

/// Returns kubectl's name for an object of a type.
pub(crate) fn title(resource: &ApiResource, name: &str) -> String {
    let kind = resource.kind.to_lowercase();
    if resource.group.is_empty() { format!("{kind}/{name}") } else { format!("{kind}.{}/{name}", resource.group) }
}
