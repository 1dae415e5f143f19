//! Containers: a new size needs a new Pod. The StatefulSet controller creates it in place of the old one.

use std::time::Duration;

use cmp_client::resize::{self, Failure};
use cmp_core::account::Want;
use cmp_core::name::{ClusterName, InstanceName};
use cmp_core::resources::{Resources, STORAGE};

use super::one_by_one::{OTHERS, ResizeOutcome};
use crate::commands::shared::one_by_one::restarted;
use crate::context::{Context, MANAGER};
use crate::error::CliError;

/// Changes one instance, and waits until it runs again if it did before.
pub(super) async fn resize(
    context: &Context<'_>,
    name: &InstanceName,
    want: &Want,
    timeout: Duration,
) -> Result<ResizeOutcome, CliError> {
    let client = context.client().await?;
    let by_hand = |failure: Failure| match failure {
        Failure::Api(error) => error.into(),
        failure => CliError::user(failure.to_string()).hint("set the resources of its containers with kubectl"),
    };
    match resize::container(&client, name, &want.size, MANAGER, context.patience()).await.map_err(by_hand)? {
        None => Ok(ResizeOutcome::Unchanged),
        Some(false) => Ok(ResizeOutcome::Changed),
        Some(true) => {
            // The size of storage stays that of the claims.
            let size = want.size.without(STORAGE);
            restarted(name, timeout, async || Ok(resize::container_runs(&client, name, &size).await?))
                .await
                .map_err(|late| late.hint(OTHERS))?;
            Ok(ResizeOutcome::Restarted)
        }
    }
}

/// Checks that every instance can have this size. Its sidecars count against the size.
pub(super) async fn shares(context: &Context<'_>, cluster: &ClusterName, size: &Resources) -> Result<(), CliError> {
    match resize::fits(&context.client().await?, cluster, size).await {
        Ok(()) => Ok(()),
        Err(Failure::Api(error)) => Err(error.into()),
        Err(failure) => Err(CliError::user(failure.to_string())),
    }
}
