//! Manifests that `install` applies: the files of `manifests/` in the repository, built into the plugin.

use crate::error::CliError;
use component::Component;
use manifest::read;

mod component;
mod manifest;

pub(crate) use manifest::{Manifest, title};

const NAMESPACES: &[&str] = &[include_str!("../../manifests/base/namespaces.yaml")];

/// The policies, in the order in which they are applied. The policies that [`crate::commands::shared::probes`] can ask
/// for a refusal come last. An API server sees a policy after those that were applied before it. A refusal by the last
/// ones therefore shows that all are in force.
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

const FLOW_CONTROL: &[&str] = &[include_str!("../../manifests/base/flow-control.yaml")];

const WEBHOOK_RIGHTS: &[&str] = &[include_str!("../../manifests/base/rbac-webhook.yaml")];

const DEPLOYMENT: &[&str] =
    &[include_str!("../../manifests/base/network.yaml"), include_str!("../../manifests/base/deployment.yaml")];

const WEBHOOK: &[&str] = &[include_str!("../../manifests/base/webhook.yaml")];

const USER_RIGHTS: &[&str] = &[include_str!("../../manifests/base/rbac-users.yaml")];

const INSTALLED_VERSION: &[&str] = &[include_str!("../../manifests/base/version.yaml")];

/// Optional parts of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Variant {
    /// The certificate comes from cert-manager.
    pub(crate) cert_manager: bool,
    /// The Prometheus operator gets objects for metrics.
    pub(crate) prometheus: bool,
    /// The mirror records the states of instances.
    pub(crate) mirror: bool,
}

impl Variant {
    /// The variant with all optional parts.
    pub(crate) const FULL: Self = Self { cert_manager: true, prometheus: true, mirror: true };

    fn components(self) -> impl Iterator<Item = &'static Component> {
        let all = [
            (self.cert_manager, &component::CERT_MANAGER),
            (self.prometheus, &component::PROMETHEUS),
            (self.mirror, &component::MIRROR),
        ];
        all.into_iter().filter_map(|(asked, component)| asked.then_some(component))
    }
}

/// All manifests, in the order in which they are applied. No right is granted before its bounds are in place, and the
/// version is written last.
#[derive(Debug, Clone)]
pub(crate) struct Manifests {
    pub(crate) namespaces: Vec<Manifest>,
    pub(crate) policies: Vec<Manifest>,
    /// The seats of users and of cmp-webhook at the API server.
    pub(crate) flow_control: Vec<Manifest>,
    pub(crate) webhook_rights: Vec<Manifest>,
    /// Objects that components add.
    pub(crate) added: Vec<Manifest>,
    pub(crate) deployment: Vec<Manifest>,
    pub(crate) webhook: Vec<Manifest>,
    pub(crate) user_rights: Vec<Manifest>,
    pub(crate) version: Vec<Manifest>,
}

impl Manifests {
    /// Reads the built-in manifests of a variant.
    pub(crate) fn read(variant: Variant) -> Result<Self, CliError> {
        let mut manifests = Self {
            namespaces: read(NAMESPACES)?,
            policies: read(POLICIES)?,
            flow_control: read(FLOW_CONTROL)?,
            webhook_rights: read(WEBHOOK_RIGHTS)?,
            added: Vec::new(),
            deployment: read(DEPLOYMENT)?,
            webhook: read(WEBHOOK)?,
            user_rights: read(USER_RIGHTS)?,
            version: read(INSTALLED_VERSION)?,
        };
        for component in variant.components() {
            let added = component.add_to(manifests.parts_mut())?;
            manifests.added.extend(added);
        }
        Ok(manifests)
    }

    /// Returns the groups that are applied together, in order.
    pub(crate) fn parts(&self) -> [&Vec<Manifest>; 9] {
        let Self {
            namespaces,
            policies,
            flow_control,
            webhook_rights,
            added,
            deployment,
            webhook,
            user_rights,
            version,
        } = self;
        [namespaces, policies, flow_control, webhook_rights, added, deployment, webhook, user_rights, version]
    }

    fn parts_mut(&mut self) -> [&mut Vec<Manifest>; 9] {
        let Self {
            namespaces,
            policies,
            flow_control,
            webhook_rights,
            added,
            deployment,
            webhook,
            user_rights,
            version,
        } = self;
        [namespaces, policies, flow_control, webhook_rights, added, deployment, webhook, user_rights, version]
    }

    /// Returns all manifests, in order.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Manifest> {
        self.parts().into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use kube::ResourceExt;
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_file_is_read() {
        let manifests = Manifests::read(Variant::default()).unwrap();
        assert_eq!(manifests.namespaces.len(), 3);
        assert_eq!(manifests.policies.len(), 2 * POLICIES.len());
        assert_eq!(manifests.flow_control.len(), 6);
        assert_eq!(
            manifests.webhook[0].title(),
            "validatingwebhookconfiguration.admissionregistration.k8s.io/cmp-webhook"
        );
        assert_eq!(manifests.policies[0].resource().plural, "validatingadmissionpolicies");
        assert!(manifests.added.is_empty());
    }

    #[test]
    fn installed_objects_have_the_version_and_the_labels_of_cmp() {
        let version = env!("CARGO_PKG_VERSION");
        let manifests = Manifests::read(Variant::FULL).unwrap();
        assert_eq!(manifests.version[0].object.data["data"]["version"], version);
        let deployments: Vec<&Manifest> = manifests.all().filter(|one| one.kind() == "Deployment").collect();
        assert_eq!(deployments.len(), 2);
        for manifest in deployments.iter().copied().chain([&manifests.version[0]]) {
            assert_eq!(manifest.object.labels()["app.kubernetes.io/version"], version, "{}", manifest.title());
        }
        for deployment in deployments {
            let image = &deployment.object.data["spec"]["template"]["spec"]["containers"][0]["image"];
            assert_eq!(image, &Value::from(format!("cmp-webhook:{version}")));
        }
        for manifest in manifests.all() {
            let part_of = manifest.object.labels().get(cmp_core::keys::PART_OF);
            assert_eq!(part_of.map(String::as_str), Some(cmp_core::keys::MANAGER), "{}", manifest.title());
        }
    }
}
