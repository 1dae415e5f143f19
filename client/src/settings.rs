//! The settings of an installation, as everyone may read them.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};

use cmp_core::keys;
use cmp_core::settings::{InvalidSetting, Settings};

use crate::error::ApiError;

/// Reads the settings, and what of them cannot be used. Where nothing is installed they are the defaults.
pub async fn read(client: &Client) -> Result<(Settings, Vec<InvalidSetting>), ApiError> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), keys::TEMPLATES_NAMESPACE);
    let map = maps.get_opt(keys::INSTALLED_VERSION).await?;
    Ok(Settings::read(&map.and_then(|map| map.data).unwrap_or_default()))
}
