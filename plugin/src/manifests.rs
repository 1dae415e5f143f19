//! What `install` applies: the files of `manifests/`, as they are in the repository, built into the plugin.

use kube::api::{ApiResource, DynamicObject, GroupVersionKind, TypeMeta};
use kube::{Api, Client, ResourceExt};
use serde_json::Value;

use crate::error::CliError;

const NAMESPACES: &[&str] = &[include_str!("../../manifests/base/namespaces.yaml")];

/// Those that [`crate::commands`] can ask for a refusal come last: a policy is seen by an API server after those that
/// were applied before it, so that their answer is that all are in force.
const POLICIES: &[&str] = &[
    include_str!("../../manifests/policies/instances.yaml"),
    include_str!("../../manifests/policies/scale.yaml"),
    include_str!("../../manifests/policies/vms.yaml"),
    include_str!("../../manifests/policies/pods.yaml"),
    include_str!("../../manifests/policies/user-objects.yaml"),
    include_str!("../../manifests/policies/services.yaml"),
    include_str!("../../manifests/policies/webhook-rights.yaml"),
    include_str!("../../manifests/policies/webhook-configuration.yaml"),
    include_str!("../../manifests/policies/accounts.yaml"),
    include_str!("../../manifests/policies/namespaces.yaml"),
];

const WEBHOOK_RIGHTS: &[&str] = &[include_str!("../../manifests/base/rbac-webhook.yaml")];
const DEPLOYMENT: &[&str] = &[include_str!("../../manifests/base/deployment.yaml")];
const WEBHOOK: &[&str] = &[include_str!("../../manifests/base/webhook.yaml")];
const USER_RIGHTS: &[&str] = &[include_str!("../../manifests/base/rbac-users.yaml")];

/// Everything, in the order in which it is applied: no right is given before what bounds it.
pub(crate) struct Manifests {
    pub(crate) namespaces: Vec<Manifest>,
    pub(crate) policies: Vec<Manifest>,
    pub(crate) webhook_rights: Vec<Manifest>,
    pub(crate) deployment: Vec<Manifest>,
    pub(crate) webhook: Vec<Manifest>,
    pub(crate) user_rights: Vec<Manifest>,
}

impl Manifests {
    /// Reads them.
    pub(crate) fn read() -> Result<Self, CliError> {
        Ok(Self {
            namespaces: read(NAMESPACES)?,
            policies: read(POLICIES)?,
            webhook_rights: read(WEBHOOK_RIGHTS)?,
            deployment: read(DEPLOYMENT)?,
            webhook: read(WEBHOOK)?,
            user_rights: read(USER_RIGHTS)?,
        })
    }
}

fn read(files: &[&str]) -> Result<Vec<Manifest>, CliError> {
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

/// One object of them.
#[derive(Debug, Clone)]
pub(crate) struct Manifest {
    pub(crate) object: DynamicObject,
    resource: ApiResource,
}

impl Manifest {
    fn new(document: Value) -> Result<Self, CliError> {
        let object: DynamicObject =
            serde_json::from_value(document).map_err(|error| CliError::internal(&error.to_string()))?;
        let types =
            object.types.clone().unwrap_or_else(|| TypeMeta { api_version: String::new(), kind: String::new() });
        let kind = GroupVersionKind::try_from(&types).map_err(|error| CliError::internal(&error.to_string()))?;
        Ok(Self { object, resource: ApiResource::from_gvk(&kind) })
    }

    /// How kubectl names it: `deployment.apps/cmp-webhook`.
    pub(crate) fn title(&self) -> String {
        let kind = self.resource.kind.to_lowercase();
        let kind = if self.resource.group.is_empty() { kind } else { format!("{kind}.{}", self.resource.group) };
        format!("{kind}/{}", self.object.name_any())
    }

    /// Its kind.
    pub(crate) fn kind(&self) -> &str {
        &self.resource.kind
    }

    /// Where it is.
    pub(crate) fn api(&self, client: &Client) -> Api<DynamicObject> {
        match self.object.namespace() {
            Some(namespace) => Api::namespaced_with(client.clone(), &namespace, &self.resource),
            None => Api::all_with(client.clone(), &self.resource),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_read() {
        let manifests = Manifests::read().unwrap();
        assert_eq!(manifests.namespaces.len(), 3);
        assert_eq!(manifests.policies.len(), 2 * POLICIES.len());
        assert_eq!(
            manifests.webhook[0].title(),
            "validatingwebhookconfiguration.admissionregistration.k8s.io/cmp-webhook"
        );
        assert_eq!(manifests.policies[0].resource.plural, "validatingadmissionpolicies");
    }

    #[test]
    fn what_kustomize_would_apply_is_what_is_built_in() {
        let mut applied: Vec<&str> = Vec::new();
        for file in [
            include_str!("../../manifests/base/kustomization.yaml"),
            include_str!("../../manifests/policies/kustomization.yaml"),
        ] {
            applied.extend(file.lines().filter_map(|line| line.strip_prefix("- ")));
        }
        let files = [NAMESPACES, POLICIES, WEBHOOK_RIGHTS, DEPLOYMENT, WEBHOOK, USER_RIGHTS].concat();
        assert_eq!(applied.len(), files.len());
    }
}
