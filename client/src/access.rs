//! The identity of the caller, its rights, and the subjects that are bound to a role.

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use k8s_openapi::api::rbac::v1::{self, ClusterRoleBinding, RoleBinding, RoleRef};
use kube::api::{ListParams, PostParams};
use kube::{Api, Client, ResourceExt};

use crate::error::ApiError;

/// The identity of the caller, as the API server sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The username in Kubernetes.
    pub username: String,
    /// The groups of the user in Kubernetes.
    pub groups: Vec<String>,
}

/// Asks the API server who the caller is.
pub async fn who(client: &Client) -> Result<Identity, ApiError> {
    let reviews: Api<SelfSubjectReview> = Api::all(client.clone());
    let review = reviews.create(&PostParams::default(), &SelfSubjectReview::default()).await?;
    let info = review.status.and_then(|status| status.user_info).unwrap_or_default();
    Ok(Identity { username: info.username.unwrap_or_default(), groups: info.groups.unwrap_or_default() })
}

/// The objects that a request would be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target<'a> {
    /// The API group of the type; empty for the core group.
    pub group: &'a str,
    /// The plural name of the type, or a subresource such as `serviceaccounts/token`.
    pub plural: &'a str,
    /// The Namespace of the objects; `None` means all.
    pub namespace: Option<&'a str>,
}

/// Asks the API server whether the caller may do this.
pub async fn may(client: &Client, verb: &str, target: Target<'_>) -> Result<bool, ApiError> {
    let (resource, subresource) = parts(target.plural);
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: Some(target.group.to_owned()),
                resource: Some(resource.to_owned()),
                subresource: subresource.map(str::to_owned),
                namespace: target.namespace.map(str::to_owned),
                verb: Some(verb.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let answer = reviews.create(&PostParams::default(), &review).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

/// Returns the type, and its subresource if one is named.
fn parts(plural: &str) -> (&str, Option<&str>) {
    plural.split_once('/').map_or((plural, None), |(resource, subresource)| (resource, Some(subresource)))
}

/// A party that has a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// `User`, `Group` or `ServiceAccount`.
    pub kind: String,
    /// The name of the party.
    pub name: String,
    /// The Namespace of a ServiceAccount.
    pub namespace: Option<String>,
    /// The API group of the kind. A ServiceAccount has none.
    pub group: Option<String>,
}

impl Subject {
    /// Returns a ServiceAccount as a subject.
    pub fn service_account(namespace: &str, name: &str) -> Self {
        let (kind, namespace) = ("ServiceAccount".to_owned(), Some(namespace.to_owned()));
        Self { kind, name: name.to_owned(), namespace, group: None }
    }
}

/// A binding of a role to its subjects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The name of the binding.
    pub name: String,
    /// The Namespace of a RoleBinding.
    pub namespace: Option<String>,
    /// `Role` or `ClusterRole`.
    pub role_kind: String,
    /// The name of the role.
    pub role: String,
    /// The parties that have the role.
    pub subjects: Vec<Subject>,
}

fn binding<K: ResourceExt>(bound: &K, role: &RoleRef, subjects: Option<&Vec<v1::Subject>>) -> Binding {
    let subject = |subject: &v1::Subject| Subject {
        kind: subject.kind.clone(),
        name: subject.name.clone(),
        namespace: subject.namespace.clone(),
        group: subject.api_group.clone(),
    };
    Binding {
        name: bound.name_any(),
        namespace: bound.namespace(),
        role_kind: role.kind.clone(),
        role: role.name.clone(),
        subjects: subjects.into_iter().flatten().map(subject).collect(),
    }
}

/// Lists every `ClusterRoleBinding` and every `RoleBinding`.
pub async fn bindings(client: &Client) -> Result<(Vec<Binding>, Vec<Binding>), ApiError> {
    let (everywhere, somewhere): (Api<ClusterRoleBinding>, Api<RoleBinding>) =
        (Api::all(client.clone()), Api::all(client.clone()));
    let all = ListParams::default();
    let (everywhere, somewhere) = futures::try_join!(everywhere.list(&all), somewhere.list(&all))?;
    let everywhere = everywhere.items.iter().map(|one| binding(one, &one.role_ref, one.subjects.as_ref())).collect();
    let somewhere = somewhere.items.iter().map(|one| binding(one, &one.role_ref, one.subjects.as_ref())).collect();
    Ok((everywhere, somewhere))
}
