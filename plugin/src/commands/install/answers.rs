//! Detects whether an install takes away the component that answers the API server.

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, Client, ResourceExt};

use cmp_core::keys;

use crate::error::CliError;
use crate::manifests::{Manifest, Manifests};

/// Components that are taken away, one line each, and the flags that keep them.
pub(super) struct Taken {
    pub(super) lines: Vec<String>,
    pub(super) keeps: Vec<String>,
}

/// Compares the cluster with the wanted manifests. It does not use the remembered flags: an older version, or an
/// installation by other means, remembers none.
pub(super) async fn taken_away(client: &Client, wanted: &Manifests) -> Result<Taken, CliError> {
    let configurations: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), keys::SYSTEM_NAMESPACE);
    let (configuration, deployment) =
        futures::try_join!(configurations.get_opt(keys::WEBHOOK), deployments.get_metadata_opt(keys::WEBHOOK))?;
    let mut taken = Taken { lines: Vec::new(), keeps: Vec::new() };
    if let Some(configuration) = configuration {
        taken.of_configuration(&configuration, wanted.webhook.first());
    }
    if deployment.is_some() && wanted.deployment.is_empty() {
        taken.lines.push(format!("deployment.apps/{} in {} is deleted", keys::WEBHOOK, keys::SYSTEM_NAMESPACE));
    }
    Ok(taken)
}

impl Taken {
    fn of_configuration(&mut self, is: &ValidatingWebhookConfiguration, wanted: Option<&Manifest>) {
        let service = format!("service/{} in {}", keys::WEBHOOK, keys::SYSTEM_NAMESPACE);
        let Some(first) = is.webhooks.iter().flatten().next() else { return };
        let wanted_url = wanted.and_then(|wanted| wanted.object.data["webhooks"][0]["clientConfig"]["url"].as_str());
        let base = |url: &str| url.strip_suffix(keys::ACCOUNT_PATH).unwrap_or(url).to_owned();
        match (&first.client_config.url, wanted_url) {
            (Some(url), None) => {
                let url = base(url);
                self.lines.push(format!("the API server asks {url} now, and {service} instead"));
                self.keeps.push(format!("to keep it: kubectl cmp install --webhook-url {url}"));
            }
            (None, Some(url)) if first.client_config.service.is_some() => {
                self.lines.push(format!("the API server asks {service} now, and {} instead", base(url)));
                self.keeps.push("to keep it, leave --webhook-url out".to_owned());
            }
            _ => {}
        }
        let injected = wanted.is_some_and(|wanted| wanted.object.annotations().contains_key(keys::INJECTED));
        if is.annotations().contains_key(keys::INJECTED) && !injected {
            self.lines.push("the certificate is cert-manager's now, and cmp-webhook makes its own instead".to_owned());
            self.keeps.push("to keep it: kubectl cmp install --cert-manager".to_owned());
        }
    }
}
