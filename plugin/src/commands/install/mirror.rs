//! The claim of the mirror: it is never taken away by the way, since what was is nowhere else.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::{Api, Client};

use cmp_core::keys;

use crate::error::CliError;

/// What is said of it where the mirror goes.
pub(crate) const LEFT: &str = "left: persistentvolumeclaim/cmp-mirror in cmp-system, with what the mirror has written";

/// The claims beside cmp-webhook.
pub(crate) fn claims(client: &Client) -> Api<PersistentVolumeClaim> {
    Api::namespaced(client.clone(), keys::SYSTEM_NAMESPACE)
}

/// Whether there is one, and stays.
pub(crate) async fn has_claim(client: &Client) -> Result<bool, CliError> {
    let found = claims(client).get_metadata_opt(keys::MIRROR).await?;
    Ok(found.is_some_and(|claim| claim.metadata.deletion_timestamp.is_none()))
}
