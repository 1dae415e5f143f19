//! The ConfigMap of an installation, which everyone may read: its version, its flags and its settings.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};

use cmp_core::keys;
use cmp_core::settings::{InvalidSetting, Settings};

use crate::error::ApiError;

/// Reads what the last `install` wrote; empty if nothing is installed. Only administrators can write it.
pub async fn installed(client: &Client) -> Result<BTreeMap<String, String>, ApiError> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), keys::TEMPLATES_NAMESPACE);
    Ok(maps.get_opt(keys::INSTALLED_VERSION).await?.and_then(|map| map.data).unwrap_or_default())
}

/// Reads the settings, and lists those that cannot be used. If nothing is installed, the settings are the defaults.
pub async fn read(client: &Client) -> Result<(Settings, Vec<InvalidSetting>), ApiError> {
    Ok(Settings::read(&installed(client).await?))
}
