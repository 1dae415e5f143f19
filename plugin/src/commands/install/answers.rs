//! Detects whether an install takes away the component that answers the API server.

use kube::{Client, ResourceExt};

use cmp_client::error::if_there;
use cmp_client::installation::{self, Configuration};
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
    let configuration = async { if_there(installation::configuration(client).await) };
    let (configuration, deployed) =
        futures::try_join!(configuration, installation::has_deployment(client, keys::WEBHOOK))?;
    let mut taken = Taken { lines: Vec::new(), keeps: Vec::new() };
    if let Some(configuration) = configuration {
        taken.of_configuration(&configuration, wanted.webhook.first());
    }
    if deployed && wanted.deployment.is_empty() {
        taken.lines.push(format!("deployment.apps/{} in {} is deleted", keys::WEBHOOK, keys::SYSTEM_NAMESPACE));
    }
    Ok(taken)
}

impl Taken {
    fn of_configuration(&mut self, is: &Configuration, wanted: Option<&Manifest>) {
        let service = format!("service/{} in {}", keys::WEBHOOK, keys::SYSTEM_NAMESPACE);
        let Some(first) = is.endpoints.first() else { return };
        let wanted_url = wanted.and_then(|wanted| wanted.object.data["webhooks"][0]["clientConfig"]["url"].as_str());
        let base = |url: &str| url.strip_suffix(keys::ACCOUNT_PATH).unwrap_or(url).to_owned();
        match (&first.url, wanted_url) {
            (Some(url), None) => {
                let url = base(url);
                self.lines.push(format!("the API server will ask {service} instead of {url}"));
                self.keeps.push(format!("to keep it: kubectl cmp install --webhook-url {url}"));
            }
            (None, Some(url)) if first.service => {
                self.lines.push(format!("the API server will ask {} instead of {service}", base(url)));
                self.keeps.push("to keep it, omit --webhook-url".to_owned());
            }
            _ => {}
        }
        let injected = wanted.is_some_and(|wanted| wanted.object.annotations().contains_key(keys::INJECTED));
        if is.injected && !injected {
            self.lines
                .push("cmp-webhook will make its own certificate instead of using that of cert-manager".to_owned());
            self.keeps.push("to keep it: kubectl cmp install --cert-manager".to_owned());
        }
    }
}
