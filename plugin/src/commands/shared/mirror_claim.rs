//! The claim of the mirror. No command deletes it as a side effect, because its records exist nowhere else.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::{Api, Client};

use cmp_core::keys;

use crate::error::CliError;

/// Message about the claim that stays when the mirror is removed.
pub(crate) const LEFT: &str = "left: persistentvolumeclaim/cmp-mirror in cmp-system, with what the mirror has written";

/// Returns the API for claims in the Namespace of cmp-webhook.
pub(crate) fn claims(client: &Client) -> Api<PersistentVolumeClaim> {
    Api::namespaced(client.clone(), keys::SYSTEM_NAMESPACE)
}

/// Reports whether a claim exists that is not being deleted.
pub(crate) async fn has_claim(client: &Client) -> Result<bool, CliError> {
    let found = claims(client).get_metadata_opt(keys::MIRROR).await?;
    Ok(found.is_some_and(|claim| claim.metadata.deletion_timestamp.is_none()))
}
