//! Lists and reads of which only some fields are deserialized; the other fields are skipped and not kept in memory.

use kube::api::{GetParams, ListParams, Request};
use kube::{Client, Resource};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::ApiError;

#[derive(Deserialize)]
struct List<T> {
    items: Vec<T>,
}

/// Lists all objects of a kind in a Namespace. A separate task parses the list, so that two lists are read at once.
pub async fn all<K, T>(client: &Client, namespace: &str) -> Result<Vec<T>, ApiError>
where
    K: Resource<DynamicType = ()>,
    T: DeserializeOwned + Send + 'static,
{
    at(client, K::url_path(&(), Some(namespace))).await
}

/// Lists all objects at a path of the API, as [`all`] does.
pub(crate) async fn at<T>(client: &Client, path: String) -> Result<Vec<T>, ApiError>
where
    T: DeserializeOwned + Send + 'static,
{
    let request = Request::new(path).list(&ListParams::default());
    let (client, request) = (client.clone(), request.map_err(|error| ApiError::Other(error.to_string()))?);
    let list = tokio::spawn(async move { client.request::<List<T>>(request).await });
    Ok(list.await.map_err(|error| ApiError::Other(error.to_string()))??.items)
}

/// Reads one object, if it exists.
pub async fn one<K, T>(client: &Client, namespace: &str, name: &str) -> Result<Option<T>, ApiError>
where
    K: Resource<DynamicType = ()>,
    T: DeserializeOwned,
{
    let request = Request::new(K::url_path(&(), Some(namespace))).get(name, &GetParams::default());
    let request = request.map_err(|error| ApiError::Other(error.to_string()))?;
    match client.request(request).await.map_err(ApiError::from) {
        Ok(one) => Ok(Some(one)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}
