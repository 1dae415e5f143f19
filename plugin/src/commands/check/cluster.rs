//! Check whether the cluster meets the requirements of cmp.

use kube::Client;

use cmp_client::access::{Target, may};
use cmp_client::{ApiError, namespaces};
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
    const NAME: &str = "kubevirt";
    match cmp_client::kubevirt::installed(client).await {
        Ok(true) => Check::ok(NAME, "KubeVirt is installed: clusters of VMs can be created"),
        // A caller who may not read the definitions does not know more.
        Ok(false) => match cmp_client::kubevirt::unserved(client).await.unwrap_or_default().first() {
            Some(name) => {
                let text = format!("customresourcedefinition/{name} is not Established: VMs are not served yet");
                let look = format!("the API server tries again within five minutes; see kubectl describe crd {name}");
                Check::warning(NAME, text).hint(look)
            }
            None => Check::ok(NAME, "KubeVirt is not installed: clusters of VMs cannot be created"),
        },
        Err(error) => Check::of(NAME, Err(error.into())),
    }
}

/// Checks whether the caller can install cmp now: the Namespaces are free or belong to cmp, and the caller has the
/// rights.
pub(super) async fn before_install(client: &Client) -> Vec<Check> {
    let names = names(client).await.unwrap_or_else(|error| Check::of("namespaces", Err(error)));
    let rights = may_install(client).await.unwrap_or_else(|error| Check::of("rights", Err(error)));
    vec![names, rights]
}

async fn names(client: &Client) -> Result<Check, CliError> {
    for name in [keys::SYSTEM_NAMESPACE, keys::USERS_NAMESPACE, keys::TEMPLATES_NAMESPACE] {
        let there = namespaces::get(client, name).await?;
        if there.is_some_and(|namespace| namespace.label(keys::PART_OF) != Some(keys::MANAGER)) {
            let hint = format!("check the contents of the namespace, then delete it: kubectl get all -n {name}");
            return Ok(Check::failed("namespaces", format!("{name} exists but does not belong to cmp")).hint(hint));
        }
    }
    Ok(Check::ok("namespaces", "the namespaces of cmp are free or belong to cmp"))
}

/// Checks for every applied type whether the caller may create and patch it. To grant rights, the caller needs these
/// rights, or `escalate` and `bind`. The API server reports that at the time of the grant.
async fn may_install(client: &Client) -> Result<Check, CliError> {
    let manifests = Manifests::read(Variant::default())?;
    let mut types: Vec<Target<'_>> = manifests
        .all()
        .map(|manifest| {
            let (resource, metadata) = (manifest.resource(), &manifest.object.metadata);
            Target { group: &resource.group, plural: &resource.plural, namespace: metadata.namespace.as_deref() }
        })
        .collect();
    types.sort_unstable();
    types.dedup();
    let asked = types.into_iter().flat_map(|of| ["create", "patch"].map(|verb| (of, verb)));
    let answers = asked.map(|(target, verb)| async move {
        let allowed = may(client, verb, target).await?;
        Ok::<_, ApiError>((!allowed).then(|| format!("{verb} {}", target.plural)))
    });
    let mut missing: Vec<String> = futures::future::try_join_all(answers).await?.into_iter().flatten().collect();
    missing.sort();
    missing.dedup();
    if missing.is_empty() {
        return Ok(Check::ok("rights", "you may create and change all objects of cmp"));
    }
    let check = Check::failed("rights", format!("you may not {}", missing.join(", ")));
    Ok(check.hint("installing needs administrator rights, such as the ClusterRole cluster-admin"))
}
