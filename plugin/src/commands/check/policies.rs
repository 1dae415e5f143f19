//! Check whether every policy exists as it was installed, and refuses what it must refuse.

use futures::future::join_all;
use kube::{Client, ResourceExt};

use cmp_client::namespaces::{self, Of};
use cmp_client::probes::Tried;
use cmp_client::probes::policies::{Place, Places};
use cmp_core::keys;
use cmp_core::vocabulary::InstanceType;

use crate::commands::check::equal;
use crate::commands::check::installation::{AGAIN, Installation};
use crate::commands::check::report::Check;
use crate::context::Context;
use crate::error::CliError;
use crate::manifests::Manifest;

const SERVED: &str = "is the API type disabled? kubectl api-resources --api-group=admissionregistration.k8s.io";

/// Returns one check for each policy.
pub(super) async fn run_checks(context: &Context<'_>, installation: &Installation) -> Result<Vec<Check>, CliError> {
    let places = places(context, &installation.client).await?;
    let installed = &installation.manifests.policies;
    let policies = installed.iter().filter(|manifest| manifest.kind() == "ValidatingAdmissionPolicy");
    let looked = policies.map(|policy| async {
        let name = policy.object.name_any();
        let title = format!("policy/{name}");
        let (difference, tried) = futures::join!(
            difference(&installation.client, installed, &name),
            places.tried(&installation.client, &name)
        );
        let difference = match difference {
            Ok(difference) => difference,
            Err(error) => return Check::of(&title, Err(error)),
        };
        match (difference, tried) {
            (Some(difference), Tried::Passed) => {
                Check::failed(&title, format!("{difference}, and it does not refuse a forbidden request")).hint(AGAIN)
            }
            (Some(difference), _) => Check::failed(&title, difference).hint(AGAIN),
            (None, Tried::Passed) => Check::failed(&title, "it does not refuse a forbidden request").hint(SERVED),
            (None, Tried::Refused) => Check::ok(&title, "it is unchanged and refuses a forbidden request"),
            (None, Tried::Unknown(why)) => Check::ok(&title, format!("it is unchanged; not tried: {why}")),
        }
    });
    Ok(join_all(looked).await)
}

/// Returns the first difference of the policy or its binding from the manifest.
async fn difference(client: &Client, installed: &[Manifest], name: &str) -> Result<Option<String>, CliError> {
    for manifest in installed.iter().filter(|manifest| manifest.object.name_any() == name) {
        if let Some(difference) = equal::difference(client, manifest).await? {
            let what = if manifest.kind() == "ValidatingAdmissionPolicy" { "" } else { "its binding: " };
            return Ok(Some(format!("{what}{difference}")));
        }
    }
    Ok(None)
}

/// Finds a cluster of each type.
async fn places(context: &Context<'_>, client: &Client) -> Result<Places, CliError> {
    let webhook = context.client_as(keys::SYSTEM_NAMESPACE, keys::WEBHOOK).await?;
    let mut found = Vec::new();
    for kind in [InstanceType::Container, InstanceType::Vm] {
        // A caller who may not list them runs only the probes that need no cluster.
        let list = namespaces::list(client, Of::Type(kind), Some(100)).await.unwrap_or_default();
        let place = match list.iter().find(|one| !one.deleting) {
            None => None,
            Some(one) => {
                let owner = one.label(keys::OWNER).unwrap_or_default();
                let owner = context.client_as(keys::USERS_NAMESPACE, owner).await?;
                Some(Place { namespace: one.name.clone(), owner })
            }
        };
        found.push(place);
    }
    let machines = found.pop().flatten();
    Ok(Places { webhook, containers: found.pop().flatten(), machines })
}

#[cfg(test)]
mod tests {
    use crate::manifests::{Manifests, Variant};

    /// A policy without a probe would count as enforced.
    #[test]
    fn there_is_something_to_try_for_every_policy() {
        let here = include_str!("../../../../client/src/probes/policies.rs");
        let all = Manifests::read(Variant::default()).unwrap();
        for policy in all.policies.iter().filter(|manifest| manifest.kind() == "ValidatingAdmissionPolicy") {
            let name = policy.title().split('/').next_back().unwrap().to_owned();
            assert!(here.contains(&format!("\"{name}\" =>")), "{name}");
        }
    }
}
