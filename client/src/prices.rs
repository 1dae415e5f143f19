//! The ConfigMap of the prices: administrators write it, and everyone reads it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use cmp_core::keys;
use cmp_core::prices::change::{Change, applied};

use crate::error::ApiError;
use crate::patience::Patience;
use crate::templates::is_template;
use crate::update::DryRun;

/// The prices as they are stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// The data of the ConfigMap; empty if it does not exist.
    pub data: BTreeMap<String, String>,
    /// The version that was read; `None` if the ConfigMap does not exist.
    version: Option<String>,
}

fn maps(client: &Client) -> Api<ConfigMap> {
    Api::namespaced(client.clone(), keys::TEMPLATES_NAMESPACE)
}

/// Reads the prices.
pub async fn read(client: &Client) -> Result<Stored, ApiError> {
    let map = maps(client).get_opt(keys::PRICES).await?;
    if map.as_ref().is_some_and(is_template) {
        return Err(ApiError::Other(format!(
            "configmap/{} in {} is a template, so that it cannot have the prices: store the template under another name",
            keys::PRICES,
            keys::TEMPLATES_NAMESPACE
        )));
    }
    Ok(map.map_or_else(Stored::default, |map| Stored {
        version: map.resource_version(),
        data: map.data.unwrap_or_default(),
    }))
}

/// Changes the prices. `decide` returns the change of the version that was read, and is asked again for each newer version. An
/// empty change writes nothing. Returns the data after the change, and whether there was anything to change.
pub async fn update<E: From<ApiError>>(
    client: &Client,
    (manager, dry_run): (&str, DryRun),
    patience: Patience,
    mut decide: impl FnMut(&BTreeMap<String, String>) -> Result<Change, E>,
) -> Result<(BTreeMap<String, String>, bool), E> {
    let deadline = patience.start();
    loop {
        let read = read(client).await?;
        let change = decide(&read.data)?;
        let after = applied(&read.data, &change);
        if after == read.data {
            return Ok((after, false));
        }
        if dry_run == DryRun::Client {
            return Ok((after, true));
        }
        match write(client, &read, &change, manager, dry_run == DryRun::Server).await {
            Ok(()) => return Ok((after, true)),
            // Somebody else wrote in between.
            Err(error) if error.is_conflict() || error.is_already_there() || error.is_not_found() => {
                if deadline.is_over(tokio::time::Instant::now()) {
                    return Err(error.into());
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Writes a change under the version that was read. The ConfigMap goes with its last key.
async fn write(client: &Client, read: &Stored, change: &Change, manager: &str, dry_run: bool) -> Result<(), ApiError> {
    let (maps, data) = (maps(client), applied(&read.data, change));
    let Some(version) = &read.version else {
        let labels = [(keys::MANAGED_BY.to_owned(), keys::MANAGER.to_owned())];
        let metadata =
            ObjectMeta { name: Some(keys::PRICES.to_owned()), labels: Some(labels.into()), ..ObjectMeta::default() };
        let map = ConfigMap { metadata, data: Some(data), ..ConfigMap::default() };
        maps.create(&PostParams { dry_run, field_manager: Some(manager.to_owned()) }, &map).await?;
        return Ok(());
    };
    if data.is_empty() {
        let preconditions = Some(Preconditions { resource_version: Some(version.clone()), uid: None });
        maps.delete(keys::PRICES, &DeleteParams { dry_run, preconditions, ..DeleteParams::default() }).await?;
        return Ok(());
    }
    // A merge patch leaves the keys of a newer version as they are.
    let patch = json!({ "metadata": { "resourceVersion": version }, "data": change });
    let params = PatchParams { dry_run, field_manager: Some(manager.to_owned()), ..PatchParams::default() };
    maps.patch(keys::PRICES, &params, &Patch::Merge(&patch)).await?;
    Ok(())
}
