//! Tokens of users: each token is bound to its own Secret, and ends with it.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use cmp_client::ApiError;
use cmp_core::keys;
use cmp_core::name::UserName;

use crate::context::{Context, MANAGER};
use crate::error::CliError;

/// A new token. It can be read only now.
pub(crate) struct NewToken {
    pub(crate) token: String,
    pub(crate) secret: Secret,
}

/// Creates a token for a user, bound to a Secret. Deleting the Secret revokes the token.
pub(crate) async fn make(context: &Context<'_>, user: &UserName, duration: Duration) -> Result<NewToken, CliError> {
    let client = context.client().await?;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), keys::USERS_NAMESPACE);
    let users: Api<ServiceAccount> = Api::namespaced(client, keys::USERS_NAMESPACE);
    let labels = [(keys::USER, user.as_str()), (keys::TOKEN, keys::TRUE), (keys::MANAGED_BY, keys::MANAGER)];
    let anchor = Secret {
        metadata: ObjectMeta {
            generate_name: Some(format!("{user}-")),
            labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
            ..ObjectMeta::default()
        },
        ..Secret::default()
    };
    let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
    let anchor = secrets.create(&params, &anchor).await?;
    let request = TokenRequest {
        spec: Some(TokenRequestSpec {
            audiences: None,
            expiration_seconds: Some(i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)),
            bound_object_ref: Some(BoundObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Secret".to_owned()),
                name: Some(anchor.name_any()),
                uid: anchor.uid(),
            }),
        }),
        ..TokenRequest::default()
    };
    let made = users.create_token_request(user.as_str(), &PostParams::default(), &request).await;
    let status = match made.map_err(ApiError::from) {
        Ok(made) => made.status,
        Err(error) => {
            // A Secret without a token would be listed for ever.
            secrets.delete(&anchor.name_any(), &DeleteParams::default()).await?;
            return Err(if error.is_not_found() { CliError::not_found("user", user.as_str()) } else { error.into() });
        }
    };
    let none = || CliError::internal("the API server made no token");
    let status = status.ok_or_else(none)?;
    let token = status.token.ok_or_else(none)?;
    let annotations = json!({ "metadata": { "annotations": { keys::EXPIRES: status.expiration_timestamp } } });
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    let secret = secrets.patch(&anchor.name_any(), &params, &Patch::Merge(annotations)).await?;
    Ok(NewToken { token, secret })
}

/// Returns the time at which the token ends, if it is known.
pub(crate) fn expires(secret: &Secret) -> Option<Timestamp> {
    secret.annotations().get(keys::EXPIRES)?.parse().ok()
}

/// Returns the token as `-o json` prints it, without its value.
pub(crate) fn object(secret: &Secret) -> Value {
    json!({
        "apiVersion": keys::API_VERSION,
        "kind": "Token",
        "metadata": {
            "name": secret.name_any(),
            "namespace": keys::USERS_NAMESPACE,
            "labels": secret.labels(),
            "uid": secret.uid(),
            "creationTimestamp": secret.creation_timestamp().map(|time| time.0.to_string()),
        },
        "spec": { "user": secret.labels().get(keys::USER) },
        "status": { "expires": expires(secret).map(|expires| expires.to_string()) },
    })
}

/// Returns the Secrets that the tokens of a user are bound to.
pub(crate) async fn anchors(context: &Context<'_>, user: &UserName) -> Result<Vec<Secret>, CliError> {
    let secrets: Api<Secret> = Api::namespaced(context.client().await?, keys::USERS_NAMESPACE);
    Ok(secrets.list(&of(user)).await?.items)
}

/// Revokes all tokens of a user.
pub(crate) async fn revoke_all(context: &Context<'_>, user: &UserName) -> Result<(), CliError> {
    let secrets: Api<Secret> = Api::namespaced(context.client().await?, keys::USERS_NAMESPACE);
    secrets.delete_collection(&DeleteParams::default(), &of(user)).await?;
    Ok(())
}

/// Returns the selector of the Secrets that the tokens of a user are bound to.
fn of(user: &UserName) -> ListParams {
    ListParams::default().labels(&format!("{}={user},{}={}", keys::USER, keys::TOKEN, keys::TRUE))
}

/// Returns the ids of the tokens of a user.
pub(crate) async fn ids(context: &Context<'_>, user: &UserName) -> Result<Vec<String>, CliError> {
    Ok(anchors(context, user).await?.iter().map(ResourceExt::name_any).collect())
}
