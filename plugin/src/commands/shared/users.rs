//! Users as objects.

use serde_json::{Value, json};

use cmp_client::accounts::Stored;
use cmp_core::keys;
use cmp_core::verdict::available;

use crate::context::Context;
use crate::error::CliError;

/// Reads all accounts, and warns of each that is damaged. Reports whether none is.
pub(crate) async fn readable(context: &Context<'_>) -> Result<(Vec<Stored>, bool), CliError> {
    let (mut readable, mut all) = (Vec::new(), true);
    for stored in context.accounts().await?.list().await? {
        match stored {
            Ok(stored) => readable.push(stored),
            Err(error) => {
                context.ui.note(&format!("Warning: {error}"));
                all = false;
            }
        }
    }
    Ok((readable, all))
}

/// Returns the user as `-o json` prints it.
pub(crate) fn object(stored: &Stored) -> Value {
    let account = &stored.account;
    let (clusters, instances) = account.counts();
    json!({
        "apiVersion": keys::API_VERSION,
        "kind": "User",
        "metadata": {
            "name": account.user,
            "namespace": keys::USERS_NAMESPACE,
            "uid": Some(&account.uid).filter(|uid| !uid.is_empty()),
            "labels": Some(&stored.labels).filter(|labels| !labels.is_empty()),
            "creationTimestamp": stored.created.map(|created| created.to_string()),
        },
        "spec": { "quota": account.quota, "policy": account.policy },
        "status": {
            "username": account.user.username(),
            "charge": account.charge(),
            "available": available(account),
            "clusters": clusters,
            "instances": instances,
            "settled": account.is_settled(),
        },
    })
}
