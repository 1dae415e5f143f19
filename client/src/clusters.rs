//! The type of a cluster, which decides by which requests its instances are read.

use kube::Client;

use cmp_core::keys;
use cmp_core::name::{ClusterName, UserName};
use cmp_core::vocabulary::InstanceType;

use crate::accounts::Accounts;
use crate::error::ApiError;
use crate::namespaces::{self, Found};

/// Reads the type of a cluster from the account of its user, or from the account that its Namespace names. An account
/// that is missing, damaged or closed to the caller leaves it to the Namespace. `None` means that there is nothing to
/// read.
pub async fn kind(
    client: &Client,
    cluster: &ClusterName,
    user: Option<&UserName>,
) -> Result<Option<InstanceType>, ApiError> {
    let mut namespace = None;
    let owner = match user {
        Some(user) => Some(user.clone()),
        None => {
            namespace = visible(client, cluster).await?;
            namespace.as_ref().and_then(|found| found.label(keys::OWNER)?.parse().ok())
        }
    };
    if let Some(owner) = owner {
        match Accounts::new(client.clone()).get(&owner).await {
            Ok(stored) => {
                if let Some(kind) = stored.account.cluster(cluster).kind() {
                    return Ok(Some(kind));
                }
            }
            Err(ApiError::Damaged { .. }) => {}
            Err(error) if error.is_not_found() || error.is_forbidden() => {}
            Err(error) => return Err(error),
        }
    }
    if user.is_some() {
        namespace = visible(client, cluster).await?;
    }
    Ok(namespace.and_then(|found| found.label(keys::TYPE)?.parse().ok()))
}

/// Reads the Namespace of a cluster; `None` if it does not exist or is closed to the caller.
pub async fn visible(client: &Client, cluster: &ClusterName) -> Result<Option<Found>, ApiError> {
    match namespaces::get(client, &cluster.namespace()).await {
        // While the cluster is prepared or deleted, its owner has no access to the Namespace.
        Err(error) if error.is_forbidden() => Ok(None),
        found => found,
    }
}
