//! Selection of clusters and their accounts.

use cmp_client::accounts::Stored;
use cmp_core::name::{ClusterName, UserName};

use crate::context::Context;
use crate::error::CliError;

/// Selects the accounts and their clusters if no cluster is named.
pub(crate) async fn select(
    context: &Context<'_>,
    everyone: bool,
    owner: Option<&UserName>,
) -> Result<Vec<(Stored, Vec<ClusterName>)>, CliError> {
    if !everyone {
        return Ok(vec![all(context.account(&context.account_of(owner).await?).await?)]);
    }
    let mut selected = Vec::new();
    for stored in context.accounts().await?.list().await? {
        match stored {
            Ok(stored) => selected.push(all(stored)),
            Err(error) => context.ui.note(&format!("Warning: {error}")),
        }
    }
    Ok(selected)
}

fn all(stored: Stored) -> (Stored, Vec<ClusterName>) {
    let names = stored
        .account
        .clusters
        .iter()
        .filter(|(_, entry)| entry.exists() || entry.refused.is_some())
        .map(|(name, _)| name.clone())
        .collect();
    (stored, names)
}

/// Returns the account to show a cluster from. A refused cluster is shown, too.
pub(crate) async fn known(context: &Context<'_>, name: &ClusterName) -> Result<Stored, CliError> {
    context.check_namespace(name)?;
    if let Some(user) = &context.who().await?.user {
        let stored = context.account(user).await?;
        let entry = stored.account.cluster(name);
        if entry.exists() || entry.refused.is_some() {
            return Ok(stored);
        }
    }
    context.holder(name).await
}
