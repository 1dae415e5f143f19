//! The version of the API server, and the types that it serves.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Client};

use crate::error::{ApiError, if_there};

/// A version of the API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The major version.
    pub major: String,
    /// The minor version. Some providers write `30+`.
    pub minor: String,
    /// The full version, such as `v1.36.3`.
    pub full: String,
}

/// Asks the API server for its version.
pub async fn version(client: &Client) -> Result<Version, ApiError> {
    let version = client.apiserver_version().await?;
    Ok(Version { major: version.major, minor: version.minor, full: version.git_version })
}

/// Reports whether the API server serves a type of an API group and version, such as `apps/v1`.
pub async fn serves(client: &Client, group_version: &str, plural: &str) -> Result<bool, ApiError> {
    Ok(served(client, group_version).await?.iter().any(|name| name == plural))
}

/// Lists the types of an API group and version that the API server serves, by their plural names. A type that a
/// `CustomResourceDefinition` makes is served once the definition is `Established`.
pub async fn served(client: &Client, group_version: &str) -> Result<Vec<String>, ApiError> {
    let list = if_there(client.list_api_group_resources(group_version).await.map_err(ApiError::from))?;
    Ok(list.into_iter().flat_map(|list| list.resources).map(|resource| resource.name).collect())
}

/// Lists those definitions of an API group that are stored, but that the API server does not serve: they are not
/// `Established`. An API server may end between two conditions of a definition. The next one goes on with it at the
/// resync of its informers, after five minutes (`customresource_handler.go` of apiextensions-apiserver).
pub async fn unserved(client: &Client, group: &str, plurals: &[&str]) -> Result<Vec<String>, ApiError> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let mut unserved = Vec::new();
    for plural in plurals {
        let name = format!("{plural}.{group}");
        if definitions.get_opt(&name).await?.is_some_and(|definition| !is_established(&definition)) {
            unserved.push(name);
        }
    }
    Ok(unserved)
}

fn is_established(definition: &CustomResourceDefinition) -> bool {
    let conditions = definition.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| condition.type_ == "Established" && condition.status == "True")
}
