//! The first steps of the deletion of a user: no new clusters, and the deletion of those that there are.

use cmp_client::ApiError;
use cmp_client::accounts::{Accounts, Stored};
use cmp_core::account::Policy;
use cmp_core::account::change::Change;
use cmp_core::keys;
use cmp_core::name::{ClusterName, UserName};

use crate::args::DryRun;
use crate::commands::shared::{delete_cluster, namespaces};
use crate::context::{Context, MANAGER};
use crate::error::CliError;

/// Returns the clusters of an account that exist.
pub(crate) fn existing(stored: &Stored) -> Vec<ClusterName> {
    stored.account.existing().map(|(cluster, _)| cluster.clone()).collect()
}

/// Returns the selector for the Namespaces of a user's clusters.
pub(crate) fn owned_by(name: &UserName) -> String {
    format!("{}={name}", keys::OWNER)
}

/// Stops a user from creating and growing clusters. cmp-webhook takes back wants that are not held yet. Returns the
/// account, if there is one that can be read.
pub(crate) async fn stop(
    context: &Context<'_>,
    accounts: &Accounts,
    name: &UserName,
) -> Result<Option<Stored>, CliError> {
    loop {
        let stored = match accounts.get(name).await {
            Ok(stored) => stored,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error @ ApiError::Damaged { .. }) => {
                let clusters = namespaces::labelled(&context.client().await?, &owned_by(name)).await?;
                let hint =
                    format!("correct that key with `kubectl edit configmap {name} -n cmp-users`, and repeat this");
                return if clusters.is_empty() { Ok(None) } else { Err(CliError::from(error).hint(hint)) };
            }
            Err(error) => return Err(error.into()),
        };
        let nothing = Policy { clusters: 0, instances: 0, ..stored.account.policy.clone() };
        if stored.account.policy == nothing {
            return Ok(Some(stored));
        }
        match accounts.change(&stored, &Change::new().policy(&nothing), MANAGER, false).await {
            Ok(written) => return Ok(Some(written)),
            Err(error) if error.is_conflict() => {}
            // Nothing is created or grown while cmp-webhook is down, and a wish to delete can be written.
            Err(ApiError::WebhookDown { .. }) => {
                if stored.account.existing().next().is_some() {
                    context
                        .ui
                        .note("Warning: cmp-webhook does not answer: it removes the clusters when it is there again");
                }
                return Ok(Some(stored));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Requests the deletion of all clusters of a user, and stops new ones.
pub(crate) async fn give_up(context: &Context<'_>, name: &UserName) -> Result<(), CliError> {
    let accounts = context.accounts().await?;
    let Some(stored) = stop(context, &accounts, name).await? else { return Ok(()) };
    let clusters = delete_cluster::read_clusters(context, &stored, existing(&stored)).await?;
    let (_, failed) = delete_cluster::ask(&accounts, stored, clusters, DryRun::None).await?;
    failed.into_iter().next().map_or(Ok(()), Err)
}
