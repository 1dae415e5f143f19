//! Check of the installed components, and whether they answer.

use kube::Client;

use cmp_client::error::if_there;
use cmp_client::installation::{self, Configuration};
use cmp_client::{namespaces, probes};
use cmp_core::keys;
use cmp_core::prices::PriceTable;

use crate::commands::check::equal;
use crate::commands::check::report::Check;
use crate::commands::shared::leftovers;
use crate::commands::shared::prices::newer;
use crate::commands::shared::versions::{OURS, difference, is_version};
use crate::commands::shared::wanted_manifests::{PODS, wanted};
use crate::context::Context;
use crate::error::CliError;
use crate::manifests::{Manifests, Variant};

/// The hint for an object that is not as it was installed.
pub(super) const AGAIN: &str = "`kubectl cmp install` restores it, with the flags of the last install";

/// The installation, as far as its objects show it.
pub(super) struct Installation {
    pub(super) client: Client,
    /// The manifests of this installation.
    pub(super) manifests: Manifests,
    /// The configuration that names the endpoint of the webhook.
    pub(super) configuration: Option<Configuration>,
    /// Whether the certificate comes from cert-manager.
    pub(super) cert_manager: bool,
    /// Whether the installation has a mirror.
    pub(super) mirror: bool,
}

impl Installation {
    /// Finds the installation, if there is one.
    pub(super) async fn find(client: &Client) -> Result<Option<Self>, CliError> {
        let configuration = if_there(installation::configuration(client).await)?;
        let users = namespaces::get(client, keys::USERS_NAMESPACE).await?;
        let stays = users.is_some_and(|users| !users.deleting);
        if configuration.is_none() && !stays {
            return Ok(None);
        }
        let cert_manager = configuration.as_ref().is_some_and(|read| read.injected);
        let mirror = installation::has_deployment(client, keys::MIRROR).await?;
        let url = configuration.as_ref().and_then(Configuration::url);
        let manifests = wanted(Variant { cert_manager, mirror, prometheus: false }, url)?;
        Ok(Some(Self { client: client.clone(), manifests, configuration, cert_manager, mirror }))
    }

    pub(super) async fn run_checks(&self, context: &Context<'_>) -> Vec<Check> {
        let mut checks = vec![self.configured().await];
        if self.configuration.is_none() {
            // Without a configuration the endpoint is unknown.
            return checks;
        }
        if !self.manifests.deployment.is_empty() {
            checks.push(self.deployed().await.unwrap_or_else(|error| Check::of("deployment", Err(error))));
        }
        checks.extend(self.answers(context).await);
        checks.extend(self.settings().await);
        checks.extend(self.prices().await);
        checks.extend(self.left().await);
        checks
    }

    /// Names the settings that cmp-webhook cannot use, because somebody edited them.
    async fn settings(&self) -> Option<Check> {
        let invalid = match cmp_client::settings::read(&self.client).await {
            Ok((_, invalid)) => invalid,
            Err(error) => return Some(Check::of("settings", Err(error.into()))),
        };
        let said = invalid.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        let map = format!("configmap/{} in {}", keys::INSTALLED_VERSION, keys::TEMPLATES_NAMESPACE);
        invalid.first().map(|first| {
            Check::failed("settings", format!("{map}: {said}")).hint(format!(
                "`kubectl cmp install --{}=VALUE` sets it again; until then the setting has no effect",
                first.key
            ))
        })
    }

    /// Names the keys of the prices that cannot be read, and those of a newer version.
    async fn prices(&self) -> Option<Check> {
        let name = "prices";
        let (table, broken) = match cmp_client::prices::read(&self.client).await {
            Ok(stored) => PriceTable::read(&stored.data),
            Err(error) => return Some(Check::of(name, Err(error.into()))),
        };
        if !broken.is_empty() {
            let said = broken.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            return Some(broken.iter().fold(Check::failed(name, said), |check, broken| check.hint(broken.hint())));
        }
        newer(&table).map(|said| Check::warning(name, said).hint("upgrade this plugin, or remove these keys"))
    }

    async fn configured(&self) -> Check {
        let name = "configuration";
        let Some(manifest) = self.manifests.webhook.first() else { return Check::failed(name, "nothing is built in") };
        match equal::difference(&self.client, manifest).await {
            Ok(None) => Check::ok(name, format!("the API server asks {}", self.asked())),
            Ok(Some(difference)) => {
                let check =
                    Check::failed(name, format!("validatingwebhookconfiguration/{}: {difference}", keys::WEBHOOK));
                match self.configuration {
                    None => {
                        check.hint("the API server asks no webhook about accounts: quotas do not change").hint(AGAIN)
                    }
                    // An apply would keep fields that others have added.
                    Some(_) => check
                        .hint(format!("kubectl delete validatingwebhookconfiguration {}", keys::WEBHOOK))
                        .hint(AGAIN),
                }
            }
            Err(error) => Check::of(name, Err(error)),
        }
    }

    fn asked(&self) -> String {
        let url = self.configuration.as_ref().and_then(Configuration::url);
        url.map_or_else(|| format!("service/{} in {}", keys::WEBHOOK, keys::SYSTEM_NAMESPACE), str::to_owned)
    }

    async fn deployed(&self) -> Result<Check, CliError> {
        let name = "deployment";
        let Some(deployment) = if_there(installation::deployment(&self.client, keys::WEBHOOK).await)? else {
            return Ok(Check::failed(name, format!("deployment/{} is missing", keys::WEBHOOK)).hint(AGAIN));
        };
        let (wanted, available) = (deployment.wanted, deployment.available);
        let said = format!("{available} of {wanted} replicas are available");
        Ok(match available {
            0 => Check::failed(name, said).hint(PODS),
            _ if available < wanted => Check::warning(name, said).hint(PODS),
            _ if !deployment.is_complete() => Check::warning(name, deployment.counts()).hint(PODS),
            1 => Check::warning(name, format!("{said}: clusters cannot be created or grown while it restarts"))
                .hint("kubectl cmp install --replicas 2"),
            _ => Check::ok(name, said),
        })
    }

    /// Checks whether cmp-webhook answers, and the version of the process that answered.
    async fn answers(&self, context: &Context<'_>) -> Vec<Check> {
        let name = "cmp-webhook";
        let answers = probes::webhook(&self.client).await;
        let said = match context.connection().await {
            Ok(connection) => connection.warnings.take_starting(probes::VERSION),
            Err(_) => Vec::new(),
        };
        let answered = match answers.failure() {
            Err(error) => Check::of(name, Err(error.into())),
            Ok(None) => Check::ok(name, "it accepts a valid account and refuses an invalid one"),
            Ok(Some(failure)) => Check::failed(name, failure)
                .hint(if self.manifests.deployment.is_empty() { "is the process at that URL running?" } else { PODS })
                .hint("until cmp-webhook answers, clusters cannot be created or grown; instances keep running"),
        };
        let mut checks = vec![answered];
        let mut said: Vec<&str> =
            said.iter().filter_map(|text| text.strip_prefix(probes::VERSION)).filter(|text| is_version(text)).collect();
        said.sort_unstable();
        said.dedup();
        checks.extend(said.into_iter().map(|version| {
            match difference(OURS, version) {
                None => Check::ok("version", format!("cmp-webhook is v{version}, this plugin v{OURS}")),
                Some(difference) => Check::failed("version", difference)
                    .hint("use the same version of both: each may write data that the other cannot read"),
            }
        }));
        checks
    }

    /// Finds leftovers of other versions.
    async fn left(&self) -> Option<Check> {
        let mut all = match wanted(Variant::FULL, None) {
            Ok(all) => all,
            Err(error) => return Some(Check::of("leftovers", Err(error))),
        };
        all.added.extend(self.manifests.added.iter().cloned());
        match leftovers::find(&self.client, &all).await {
            Ok(left) if left.is_empty() => None,
            Ok(left) => {
                let titles: Vec<String> = left.into_iter().map(|(title, _)| title).collect();
                let check = Check::warning("leftovers", format!("another version left {}", titles.join(", ")));
                Some(check.hint("`kubectl cmp install` removes them"))
            }
            Err(error) => Some(Check::of("leftovers", Err(error))),
        }
    }
}
