//! Tokens of users. Each is bound to a Secret of its own, and ends with it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use cmp_core::keys;
use cmp_core::manifest::pairs;
use cmp_core::name::UserName;

use crate::access::{Target, may};
use crate::error::ApiError;

/// A token as its Secret describes it. The token itself is stored nowhere.
#[derive(Debug, Clone)]
pub struct Token {
    /// The name of the Secret.
    pub id: String,
    /// The user that its label names.
    pub user: Option<String>,
    /// The uid of the Secret.
    pub uid: Option<String>,
    /// The labels of the Secret.
    pub labels: BTreeMap<String, String>,
    /// The creation time of the Secret.
    pub created: Option<Timestamp>,
    /// The time at which the token expires.
    pub expires: Option<Timestamp>,
}

impl Token {
    fn of(secret: &Secret) -> Self {
        Self {
            id: secret.name_any(),
            user: secret.labels().get(keys::USER).cloned(),
            uid: secret.uid(),
            labels: secret.labels().clone(),
            created: secret.creation_timestamp().map(|time| time.0),
            expires: secret.annotations().get(keys::EXPIRES).and_then(|expires| expires.parse().ok()),
        }
    }

    /// Returns the token that a user would get. The API server makes its ID and its uid, and decides when it expires.
    pub fn imagined(user: &UserName) -> Self {
        Self::of(&anchor(user))
    }

    /// Reports whether this is a token of the user, and not another Secret.
    pub fn is_of(&self, user: &UserName) -> bool {
        self.labels.contains_key(keys::TOKEN) && self.user.as_deref() == Some(user.as_str())
    }
}

/// A new token. It can be read only now.
#[derive(Debug)]
pub struct Created {
    /// The bearer token.
    pub bearer: String,
    /// The Secret that it is bound to.
    pub token: Token,
}

/// The reason why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The user has no ServiceAccount.
    #[error("no such user")]
    NoUser,
    /// The API server answered without a token.
    #[error("the API server made no token")]
    NoToken,
    /// The API server refused or failed a request.
    #[error(transparent)]
    Api(#[from] ApiError),
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        Self::Api(error.into())
    }
}

/// The tokens of all users.
#[derive(Clone)]
pub struct Tokens {
    client: Client,
    secrets: Api<Secret>,
    users: Api<ServiceAccount>,
}

/// Returns the selector of the Secrets that the tokens of a user are bound to.
fn of(user: &UserName) -> ListParams {
    ListParams::default().labels(&format!("{}={user},{}={}", keys::USER, keys::TOKEN, keys::TRUE))
}

/// Returns the Secret that a new token is bound to. The API server completes its name.
fn anchor(user: &UserName) -> Secret {
    let labels = [(keys::USER, user.as_str()), (keys::TOKEN, keys::TRUE), (keys::MANAGED_BY, keys::MANAGER)];
    Secret {
        metadata: ObjectMeta {
            generate_name: Some(format!("{user}-")),
            labels: Some(pairs(labels)),
            ..ObjectMeta::default()
        },
        ..Secret::default()
    }
}

/// Returns the selector of the Secrets that the tokens of all users are bound to.
fn of_everyone() -> ListParams {
    ListParams::default().labels(&format!("{},{}={}", keys::USER, keys::TOKEN, keys::TRUE))
}

impl Tokens {
    /// Creates a view that makes its calls through `client`.
    pub fn new(client: &Client) -> Self {
        Self {
            client: client.clone(),
            secrets: Api::namespaced(client.clone(), keys::USERS_NAMESPACE),
            users: Api::namespaced(client.clone(), keys::USERS_NAMESPACE),
        }
    }

    /// Creates a token for a user, bound to a new Secret. Deleting the Secret revokes the token.
    pub async fn create(&self, user: &UserName, duration: Duration) -> Result<Created, Failure> {
        let params = PostParams { field_manager: Some(keys::MANAGER.to_owned()), ..PostParams::default() };
        let anchor = self.secrets.create(&params, &anchor(user)).await?;
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
        let made = self.users.create_token_request(user.as_str(), &PostParams::default(), &request).await;
        let status = match made.map_err(ApiError::from) {
            Ok(made) => made.status.ok_or(Failure::NoToken)?,
            Err(error) => {
                // A Secret without a token would be listed for ever.
                self.secrets.delete(&anchor.name_any(), &DeleteParams::default()).await?;
                return Err(if error.is_not_found() { Failure::NoUser } else { error.into() });
            }
        };
        let bearer = status.token.ok_or(Failure::NoToken)?;
        let annotations = json!({ "metadata": { "annotations": { keys::EXPIRES: status.expiration_timestamp } } });
        let params = PatchParams { field_manager: Some(keys::MANAGER.to_owned()), ..PatchParams::default() };
        let secret = self.secrets.patch(&anchor.name_any(), &params, &Patch::Merge(annotations)).await?;
        Ok(Created { bearer, token: Token::of(&secret) })
    }

    /// Asks the API server whether the caller may create a token for a user, and stores nothing. The Secret is tried in a
    /// dry run. The token is not, because it is bound to a Secret that a dry run does not store.
    pub async fn try_create(&self, user: &UserName) -> Result<(), Failure> {
        let params = PostParams { dry_run: true, field_manager: Some(keys::MANAGER.to_owned()) };
        self.secrets.create(&params, &anchor(user)).await?;
        if self.users.get_metadata_opt(user.as_str()).await?.is_none() {
            return Err(Failure::NoUser);
        }
        let token = Target { group: "", plural: "serviceaccounts/token", namespace: Some(keys::USERS_NAMESPACE) };
        if !may(&self.client, "create", token).await? {
            let message = format!("you cannot create serviceaccounts/token in namespace {}", keys::USERS_NAMESPACE);
            return Err(ApiError::refused(403, "Forbidden", message).into());
        }
        Ok(())
    }

    /// Lists the tokens of a user.
    pub async fn list(&self, user: &UserName) -> Result<Vec<Token>, ApiError> {
        Ok(self.secrets.list(&of(user)).await?.items.iter().map(Token::of).collect())
    }

    /// Lists the tokens of all users, sorted by user and id.
    pub async fn list_all(&self) -> Result<Vec<Token>, ApiError> {
        let mut tokens: Vec<Token> = self.secrets.list(&of_everyone()).await?.items.iter().map(Token::of).collect();
        tokens.sort_by(|left, right| (&left.user, &left.id).cmp(&(&right.user, &right.id)));
        Ok(tokens)
    }

    /// Reads one token of a user. Another Secret, or a token of another user, counts as missing.
    pub async fn get(&self, user: &UserName, id: &str) -> Result<Option<Token>, ApiError> {
        let secret = self.secrets.get_opt(id).await?;
        Ok(secret.as_ref().map(Token::of).filter(|token| token.is_of(user)))
    }

    /// Revokes one token.
    pub async fn revoke(&self, id: &str, dry_run: bool) -> Result<(), ApiError> {
        let params = DeleteParams { dry_run, ..DeleteParams::default() };
        self.secrets.delete(id, &params).await?;
        Ok(())
    }

    /// Revokes all tokens of a user.
    pub async fn revoke_all(&self, user: &UserName) -> Result<(), ApiError> {
        self.secrets.delete_collection(&DeleteParams::default(), &of(user)).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_secret_with_both_labels() {
        let john = "john".parse().unwrap();
        let check = |labels: &[(&str, &str)], expected: bool| {
            let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            let metadata = ObjectMeta { labels: Some(labels), ..ObjectMeta::default() };
            assert_eq!(Token::of(&Secret { metadata, ..Secret::default() }).is_of(&john), expected);
        };
        check(&[(keys::TOKEN, "true"), (keys::USER, "john")], true);
        check(&[(keys::TOKEN, "true"), (keys::USER, "jane")], false);
        check(&[(keys::USER, "john")], false);
        check(&[(keys::TOKEN, "true")], false);
        assert!(Token::of(&anchor(&john)).is_of(&john));
    }
}
