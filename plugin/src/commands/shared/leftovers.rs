//! Leftovers of an older version or of other flags, which this install does not contain.
//!
//! They are found by the label that `install` sets on every object. An object counts only if `install` applied it: an
//! administrator may use the same label or apply objects with another tool. Namespaces, Secrets and claims never count.

use futures::future::try_join_all;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Client, ResourceExt};

use cmp_client::ApiError;
use cmp_client::objects::Objects;
use cmp_core::keys;

use crate::args::DryRun;
use crate::context::MANAGER;
use crate::error::CliError;
use crate::manifests::{Manifests, title};

const RBAC: &str = "rbac.authorization.k8s.io";

const ADMISSION: &str = "admissionregistration.k8s.io";

const FLOW_CONTROL: &str = "flowcontrol.apiserver.k8s.io";

const CERT_MANAGER: &str = "cert-manager.io";

const PROMETHEUS: &str = "monitoring.coreos.com";

const SYSTEM: &[&str] = &[keys::SYSTEM_NAMESPACE];

const ALL: &[&str] = &[keys::SYSTEM_NAMESPACE, keys::USERS_NAMESPACE, keys::TEMPLATES_NAMESPACE];

/// The types to search, and their Namespaces; none for cluster-wide types. Rights come first, and their bounds last.
const TYPES: &[(&str, &str, &str, &[&str])] = &[
    (RBAC, "v1", "ClusterRoleBinding", &[]),
    (RBAC, "v1", "RoleBinding", ALL),
    (RBAC, "v1", "ClusterRole", &[]),
    (RBAC, "v1", "Role", ALL),
    (ADMISSION, "v1", "ValidatingWebhookConfiguration", &[]),
    ("apps", "v1", "Deployment", SYSTEM),
    ("policy", "v1", "PodDisruptionBudget", SYSTEM),
    ("", "v1", "Service", SYSTEM),
    ("", "v1", "ConfigMap", SYSTEM),
    ("", "v1", "ServiceAccount", SYSTEM),
    ("networking.k8s.io", "v1", "NetworkPolicy", SYSTEM),
    (CERT_MANAGER, "v1", "Certificate", SYSTEM),
    (CERT_MANAGER, "v1", "Issuer", SYSTEM),
    (PROMETHEUS, "v1", "PodMonitor", SYSTEM),
    (PROMETHEUS, "v1", "PrometheusRule", SYSTEM),
    (FLOW_CONTROL, "v1", "FlowSchema", &[]),
    (FLOW_CONTROL, "v1", "PriorityLevelConfiguration", &[]),
    (ADMISSION, "v1", "ValidatingAdmissionPolicyBinding", &[]),
    (ADMISSION, "v1", "ValidatingAdmissionPolicy", &[]),
];

/// A leftover and its type.
pub(crate) struct Left {
    object: DynamicObject,
    resource: ApiResource,
}

/// Finds objects in the cluster that are not wanted, each with its title.
pub(crate) async fn find(client: &Client, wanted: &Manifests) -> Result<Vec<(String, Left)>, CliError> {
    let wanted = |resource: &ApiResource, object: &DynamicObject| {
        let (namespace, name) = (object.metadata.namespace.as_deref(), object.name_any());
        wanted.all().any(|manifest| {
            manifest.resource().group == resource.group && manifest.is(&resource.kind, namespace, &name)
        })
    };
    let lists = TYPES.iter().flat_map(|(group, version, kind, namespaces)| {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let everywhere = namespaces.is_empty().then(|| Objects::of(client, &resource, None));
        let somewhere = namespaces.iter().map(|name| Objects::of(client, &resource, Some(name)));
        let places: Vec<Objects> = everywhere.into_iter().chain(somewhere).collect();
        places.into_iter().map(move |objects| list(objects, resource.clone()))
    });
    let found = try_join_all(lists).await?.into_iter().flatten();
    let left = found.filter(|left| is_of_install(&left.object) && !wanted(&left.resource, &left.object));
    Ok(left.map(|left| (title(&left.resource, &left.object.name_any()), left)).collect())
}

/// Lists the objects with our label: none if cert-manager or the Prometheus operator is not installed.
async fn list(objects: Objects, resource: ApiResource) -> Result<Vec<Left>, ApiError> {
    let found = objects.list(&format!("{}={}", keys::PART_OF, keys::MANAGER)).await?;
    Ok(found.into_iter().map(|object| Left { object, resource: resource.clone() }).collect())
}

fn is_of_install(object: &DynamicObject) -> bool {
    object
        .managed_fields()
        .iter()
        .any(|fields| fields.manager.as_deref() == Some(MANAGER) && fields.operation.as_deref() == Some("Apply"))
}

/// Deletes a leftover, unless another object has taken its place.
pub(crate) async fn remove(client: &Client, left: &Left, dry_run: DryRun) -> Result<(), CliError> {
    let objects = Objects::of(client, &left.resource, left.object.metadata.namespace.as_deref());
    objects.delete(&left.object.name_any(), left.object.uid(), dry_run == DryRun::Server).await?;
    Ok(())
}
