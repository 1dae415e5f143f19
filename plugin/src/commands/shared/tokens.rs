//! Tokens of users, as commands print them.

use std::time::Duration;

use serde_json::{Value, json};

use cmp_client::tokens::{Created, Failure, Token, Tokens};
use cmp_core::keys;
use cmp_core::name::UserName;

use crate::context::Context;
use crate::error::CliError;

/// Creates a token for a user.
pub(crate) async fn make(context: &Context<'_>, user: &UserName, duration: Duration) -> Result<Created, CliError> {
    let created = Tokens::new(&context.client().await?).create(user, duration).await;
    created.map_err(|failure| failed(user, failure))
}

/// Asks the API server whether it would create a token for a user.
pub(crate) async fn try_make(context: &Context<'_>, user: &UserName) -> Result<(), CliError> {
    let tried = Tokens::new(&context.client().await?).try_create(user).await;
    tried.map_err(|failure| failed(user, failure))
}

fn failed(user: &UserName, failure: Failure) -> CliError {
    match failure {
        Failure::NoUser => CliError::not_found("user", user.as_str()),
        Failure::NoToken => CliError::internal(&failure.to_string()),
        Failure::Api(error) => error.into(),
    }
}

/// Returns the token as `-o json` prints it, without its value.
pub(crate) fn object(token: &Token) -> Value {
    json!({
        "apiVersion": keys::API_VERSION,
        "kind": "Token",
        "metadata": {
            "name": token.id,
            "namespace": keys::USERS_NAMESPACE,
            "labels": token.labels,
            "uid": token.uid,
            "creationTimestamp": token.created.map(|created| created.to_string()),
        },
        "spec": { "user": token.user },
        "status": { "expires": token.expires.map(|expires| expires.to_string()) },
    })
}

/// Returns the token that a dry run would create, as `-o json` prints it.
pub(crate) fn imagined(user: &UserName) -> Value {
    let mut object = object(&Token::imagined(user));
    object["metadata"]["name"] = Value::Null;
    object["metadata"]["generateName"] = json!(format!("{user}-"));
    object
}

/// Returns the ids of the tokens of a user.
pub(crate) async fn ids(context: &Context<'_>, user: &UserName) -> Result<Vec<String>, CliError> {
    let tokens = Tokens::new(&context.client().await?).list(user).await?;
    Ok(tokens.into_iter().map(|token| token.id).collect())
}
