//! The Secret with the certificate of cmp-webhook, and the configuration that makes its authority known.

use futures::StreamExt;
use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, PatchOperation, TestOperation};
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::watcher::{Config, watcher};
use kube::{Api, Client};
use serde_json::json;

use cmp_core::keys;

use crate::error::ApiError;
use crate::watches::Watch;

/// The objects of one certificate.
#[derive(Clone)]
pub struct Store {
    secrets: Api<Secret>,
    configurations: Api<ValidatingWebhookConfiguration>,
    secret: String,
}

impl Store {
    /// Returns the objects for the Secret of this name.
    pub fn new(client: &Client, namespace: &str, secret: &str) -> Self {
        Self {
            secrets: Api::namespaced(client.clone(), namespace),
            configurations: Api::all(client.clone()),
            secret: secret.to_owned(),
        }
    }

    /// Watches the Secret.
    pub fn secret_changes(&self) -> Watch<Secret> {
        watcher(self.secrets.clone(), named(&self.secret)).boxed()
    }

    /// Watches the configuration.
    pub fn configuration_changes(&self) -> Watch<ValidatingWebhookConfiguration> {
        watcher(self.configurations.clone(), named(keys::WEBHOOK)).boxed()
    }

    /// Reads the Secret, if it exists.
    pub async fn secret(&self) -> Result<Option<Secret>, ApiError> {
        Ok(self.secrets.get_opt(&self.secret).await?)
    }

    /// Reads the configuration, if it exists.
    pub async fn configuration(&self) -> Result<Option<ValidatingWebhookConfiguration>, ApiError> {
        Ok(self.configurations.get_opt(keys::WEBHOOK).await?)
    }

    /// Creates the Secret, or replaces it under the version in its metadata.
    pub async fn write(&self, secret: &Secret, there: bool) -> Result<Secret, ApiError> {
        let params = PostParams::default();
        Ok(if there {
            self.secrets.replace(&self.secret, &params, secret).await?
        } else {
            self.secrets.create(&params, secret).await?
        })
    }

    /// Writes the authority into each webhook of the configuration that lacks it, under the version that was read.
    /// Returns whether anything was written.
    pub async fn publish(
        &self,
        configuration: &ValidatingWebhookConfiguration,
        authority: &ByteString,
    ) -> Result<bool, ApiError> {
        let Some(patch) = missing(configuration, authority) else { return Ok(false) };
        let params = PatchParams { field_manager: Some(keys::WEBHOOK.to_owned()), ..PatchParams::default() };
        self.configurations.patch(keys::WEBHOOK, &params, &Patch::<()>::Json(patch)).await?;
        Ok(true)
    }
}

fn named(name: &str) -> Config {
    Config::default().fields(&format!("metadata.name={name}"))
}

/// Returns the patch that writes the authority where it is missing, under the version that was read.
fn missing(configuration: &ValidatingWebhookConfiguration, authority: &ByteString) -> Option<json_patch::Patch> {
    let path = PointerBuf::from_tokens(["metadata", "resourceVersion"]);
    let value = json!(configuration.metadata.resource_version);
    let mut patch = vec![PatchOperation::Test(TestOperation { path, value })];
    for (at, webhook) in configuration.webhooks.iter().flatten().enumerate() {
        if webhook.client_config.ca_bundle.as_ref() != Some(authority) {
            let path = PointerBuf::from_tokens(["webhooks", at.to_string().as_str(), "clientConfig", "caBundle"]);
            patch.push(PatchOperation::Add(AddOperation { path, value: json!(authority) }));
        }
    }
    (patch.len() > 1).then_some(json_patch::Patch(patch))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_authority_is_written_where_it_is_missing_and_nowhere_else() {
        let authority = ByteString(b"pem".to_vec());
        let patch = |bundles: [Option<&[u8]>; 2]| {
            let webhook = |bundle: Option<&[u8]>| {
                let bundle = bundle.map(|bundle| ByteString(bundle.to_vec()));
                json!({ "name": "x", "sideEffects": "None", "admissionReviewVersions": [],
                    "clientConfig": { "caBundle": bundle } })
            };
            let read = json!({ "metadata": { "resourceVersion": "7" }, "webhooks": bundles.map(webhook) });
            missing(&serde_json::from_value(read).unwrap(), &authority).map(|patch| json!(patch))
        };
        let test = json!({ "op": "test", "path": "/metadata/resourceVersion", "value": "7" });
        let add = |at: usize| -> Value {
            json!({ "op": "add", "path": format!("/webhooks/{at}/clientConfig/caBundle"), "value": authority })
        };
        assert_eq!(patch([Some(b"pem"), Some(b"pem")]), None);
        assert_eq!(patch([Some(b"pem"), None]), Some(json!([test, add(1)])));
        assert_eq!(patch([None, Some(b"older")]), Some(json!([test, add(0), add(1)])));
    }
}
