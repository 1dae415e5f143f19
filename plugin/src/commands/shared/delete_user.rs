//! The first steps of the deletion of a user: no new clusters, and the deletion of those that there are.

use cmp_client::accounts::{Accounts, Stored};
use cmp_client::namespaces::Of;
use cmp_client::update::{DryRun as Effect, Update};
use cmp_client::{ApiError, namespaces};
use cmp_core::name::UserName;
use cmp_core::plan::user::{self as plan, clusters};

use crate::args::DryRun;
use crate::commands::shared::delete_cluster;
use crate::context::{Context, MANAGER};
use crate::error::CliError;

/// Stops a user from creating and growing clusters. cmp-webhook takes back wants that are not held yet. Returns the
/// account, if there is one that can be read.
pub(crate) async fn stop(
    context: &Context<'_>,
    accounts: &Accounts,
    name: &UserName,
) -> Result<Option<Stored>, CliError> {
    let read = match accounts.get(name).await {
        Ok(read) => read,
        Err(error) => return unreadable(context, name, error).await,
    };
    let mut last = read.clone();
    let update = Update { manager: MANAGER, dry_run: Effect::None };
    let stopped = accounts.update(read, update, |stored| {
        last = stored.clone();
        Ok::<_, ApiError>(plan::stop(&stored.account))
    });
    match stopped.await {
        Ok(updated) => Ok(Some(updated.stored)),
        // Nothing is created or grown while cmp-webhook is down, and a wish to delete can be written.
        Err(ApiError::WebhookDown { .. }) => {
            if last.account.existing().next().is_some() {
                context
                    .ui
                    .note("Warning: cmp-webhook is unavailable: it deletes the clusters when it is available again");
            }
            Ok(Some(last))
        }
        Err(error) => unreadable(context, name, error).await,
    }
}

/// Handles an account that cannot be read: a missing one is none, and a damaged one is none if it has no clusters.
async fn unreadable(context: &Context<'_>, name: &UserName, error: ApiError) -> Result<Option<Stored>, CliError> {
    match error {
        error if error.is_not_found() => Ok(None),
        error @ ApiError::Damaged { .. } => {
            let left = namespaces::owned(&context.client().await?, Of::User(name)).await?;
            let hint =
                format!("correct that key with `kubectl edit configmap {name} -n cmp-users`, then repeat the command");
            if left.is_empty() { Ok(None) } else { Err(CliError::from(error).hint(hint)) }
        }
        error => Err(error.into()),
    }
}

/// Requests the deletion of all clusters of a user, and stops new ones.
pub(crate) async fn give_up(context: &Context<'_>, name: &UserName) -> Result<(), CliError> {
    let accounts = context.accounts().await?;
    let Some(stored) = stop(context, &accounts, name).await? else { return Ok(()) };
    let all = delete_cluster::read_clusters(context, &stored, clusters(&stored.account)).await?;
    let (_, failed) = delete_cluster::ask(&accounts, stored, all, DryRun::None).await?;
    failed.into_iter().next().map_or(Ok(()), Err)
}
