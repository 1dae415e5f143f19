//! Check whether the mirror records, if there is one.

use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;

use cmp_core::keys;

use crate::commands::check::installation::Installation;
use crate::commands::check::report::Check;
use crate::commands::shared::mirror_claim::claims;
use crate::error::CliError;

pub(super) async fn run_checks(installation: &Installation) -> Option<Check> {
    if !installation.mirror {
        return None;
    }
    Some(looked(installation).await.unwrap_or_else(|error| Check::of("mirror", Err(error))))
}

/// Checks the mirror. No other component depends on it, so that every problem is a warning.
async fn looked(installation: &Installation) -> Result<Check, CliError> {
    let client = &installation.client;
    let warning =
        |what: String| Check::warning("mirror", format!("{what}: what changes meanwhile is missing in reports"));
    let claim = claims(client).get_opt(keys::MIRROR).await?;
    let phase = claim.and_then(|claim| claim.status).and_then(|status| status.phase);
    match phase.as_deref() {
        Some("Bound") => {}
        Some(phase) => {
            return Ok(warning(format!("persistentvolumeclaim/{} is {phase}", keys::MIRROR))
                .hint("kubectl describe persistentvolumeclaim -n cmp-system cmp-mirror"));
        }
        None => {
            return Ok(warning(format!("persistentvolumeclaim/{} is missing", keys::MIRROR))
                .hint("`kubectl cmp install --mirror` makes another"));
        }
    }
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), keys::SYSTEM_NAMESPACE);
    let deployment = deployments.get_opt(keys::MIRROR).await?;
    let available = deployment.and_then(|deployment| deployment.status).and_then(|status| status.available_replicas);
    Ok(if available.unwrap_or(0) > 0 {
        Check::ok("mirror", "it looks, and writes")
    } else {
        warning("it does not look".to_owned())
            .hint("kubectl describe pods -n cmp-system -l app.kubernetes.io/name=cmp-mirror")
    })
}
