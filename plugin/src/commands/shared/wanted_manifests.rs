//! The manifests of an installation.

use serde_json::json;

use crate::error::CliError;
use crate::manifests::{Manifests, Variant};

/// Returns the manifests of a variant. With an address, the API server calls a process outside the cluster.
pub(crate) fn wanted(variant: Variant, url: Option<&str>) -> Result<Manifests, CliError> {
    let mut manifests = Manifests::read(variant)?;
    if let Some(url) = url {
        manifests.deployment.clear();
        for webhook in manifests.webhook.iter_mut().filter_map(|webhook| webhook.object.data["webhooks"].as_array_mut())
        {
            for webhook in webhook {
                let path = webhook["clientConfig"]["service"]["path"].as_str().unwrap_or_default().to_owned();
                webhook["clientConfig"] = json!({ "url": format!("{url}{path}") });
            }
        }
    }
    Ok(manifests)
}

/// The next command for an administrator when cmp-webhook is not ready.
pub(crate) const PODS: &str = "kubectl describe pods -n cmp-system -l app.kubernetes.io/name=cmp-webhook";
