//! The version of the API server, and the types that it serves.

use kube::Client;

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
