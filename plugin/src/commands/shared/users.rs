//! Users as objects.

use serde_json::{Value, json};

use cmp_client::accounts::Stored;
use cmp_core::keys;
use cmp_core::verdict::available;

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
