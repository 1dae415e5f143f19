//! Check whether the cluster meets the requirements of cmp.

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, PostParams};
use kube::{Client, ResourceExt};

use cmp_client::ApiError;
use cmp_core::keys;

use crate::commands::check::report::Check;
use crate::commands::shared::requirements;
use crate::error::CliError;
use crate::manifests::{Manifests, Variant};

pub(super) async fn version(client: &Client) -> Check {
    Check::of("kubernetes", requirements::version(client).await)
}

pub(super) async fn policies(client: &Client) -> Check {
    Check::of("admission", requirements::policies(client).await)
}

/// Checks for KubeVirt, which is optional. Without it there are no VMs.
pub(super) async fn kubevirt(client: &Client) -> Check {
    let found = cmp_client::kubevirt::installed(client).await.map_err(CliError::from);
    let said = |found| if found { "it is there: clusters of VMs can be created" } else { "it is not there: no VMs" };
    Check::of("kubevirt", found.map(|found| said(found).to_owned()))
}

/// Checks whether the caller can install cmp now: the Namespaces are free or belong to cmp, and the caller has the
/// rights.
pub(super) async fn before_install(client: &Client) -> Vec<Check> {
    let names = names(client).await.unwrap_or_else(|error| Check::of("namespaces", Err(error)));
    let rights = may_install(client).await.unwrap_or_else(|error| Check::of("rights", Err(error)));
    vec![names, rights]
}

async fn names(client: &Client) -> Result<Check, CliError> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    for name in [keys::SYSTEM_NAMESPACE, keys::USERS_NAMESPACE, keys::TEMPLATES_NAMESPACE] {
        let there = namespaces.get_opt(name).await?;
        let ours = |namespace: &Namespace| namespace.labels().get(keys::PART_OF).is_some_and(|of| of == keys::MANAGER);
        if there.is_some_and(|namespace| !ours(&namespace)) {
            let hint = format!("look at what is in it, and delete it: kubectl get all -n {name}");
            return Ok(Check::failed("namespaces", format!("{name} is there, and not cmp's")).hint(hint));
        }
    }
    Ok(Check::ok("namespaces", "those of cmp are free, or its own"))
}

/// Checks for every applied type whether the caller may create and patch it. To grant rights, the caller needs these
/// rights, or `escalate` and `bind`. The API server reports that at the time of the grant.
async fn may_install(client: &Client) -> Result<Check, CliError> {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let manifests = Manifests::read(Variant::default())?;
    let mut types: Vec<(&str, &str, Option<&str>)> = manifests
        .all()
        .map(|manifest| {
            let (resource, metadata) = (manifest.resource(), &manifest.object.metadata);
            (resource.group.as_str(), resource.plural.as_str(), metadata.namespace.as_deref())
        })
        .collect();
    types.sort_unstable();
    types.dedup();
    let asked = types.into_iter().flat_map(|of| ["create", "patch"].map(|verb| (of, verb)));
    let answers = asked.map(|((group, plural, namespace), verb)| {
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(ResourceAttributes {
                    group: Some(group.to_owned()),
                    resource: Some(plural.to_owned()),
                    namespace: namespace.map(str::to_owned),
                    verb: Some(verb.to_owned()),
                    ..ResourceAttributes::default()
                }),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let reviews = reviews.clone();
        async move {
            let answer = reviews.create(&PostParams::default(), &review).await.map_err(ApiError::from)?;
            let allowed = answer.status.is_some_and(|status| status.allowed);
            Ok::<_, ApiError>((!allowed).then(|| format!("{verb} {plural}")))
        }
    });
    let mut missing: Vec<String> = futures::future::try_join_all(answers).await?.into_iter().flatten().collect();
    missing.sort();
    missing.dedup();
    if missing.is_empty() {
        return Ok(Check::ok("rights", "you may create and change all that is installed"));
    }
    let check = Check::failed("rights", format!("you may not {}", missing.join(", ")));
    Ok(check.hint("installing takes the rights of an administrator, such as the ClusterRole cluster-admin"))
}
