//! `uninstall`: deletes cmp-webhook. Clusters, accounts and policies stay, and work as they do while the webhook is
//! down.

use std::time::Duration;

use clap::Args;
use kube::{Client, ResourceExt};
use tokio::time::Instant;

use cmp_client::accounts::Accounts;
use cmp_client::namespaces::{self as all_namespaces, Of};
use cmp_client::{ApiError, installation, probes};
use cmp_core::keys;
use cmp_core::name::UserName;

use crate::args::values::duration;
use crate::args::{DryRun, DryRunArgs, YesArg, suffix};
use crate::commands::shared::{delete_user, leftovers, mirror_claim, namespaces};
use crate::context::Context;
use crate::error::CliError;
use crate::manifests::{Manifest, Manifests, Variant};
use crate::output::counted;

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp uninstall\n  kubectl cmp uninstall --purge")]
pub(crate) struct UninstallArgs {
    /// Delete all clusters, accounts, rights and policies, too, in this order
    #[arg(long)]
    pub(crate) purge: bool,
    #[command(flatten)]
    pub(crate) yes: YesArg,
    /// Time to wait until the clusters are gone
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) dry: DryRunArgs,
}

const PAUSE: Duration = Duration::from_millis(500);

pub(crate) async fn run(context: &Context<'_>, args: UninstallArgs) -> Result<(), CliError> {
    let UninstallArgs { purge, yes: YesArg { yes }, timeout, dry } = args;
    let dry_run = dry.dry_run;
    let client = context.client().await?;
    let all = Accounts::new(client.clone());
    let (clusters, accounts) = futures::try_join!(all_namespaces::list(&client, Of::Everyone, None), all.names())?;
    let clusters: Vec<String> = clusters.into_iter().map(|namespace| namespace.name).collect();
    let mut goes = vec![
        "cmp-webhook, its rights and its configuration".to_owned(),
        "clusters cannot be created, grown or shrunk; instances keep running; suspend, resume, start and stop still work".to_owned(),
    ];
    let mirrored = installation::has_claim(&client).await?;
    if purge {
        if mirrored {
            goes.push(format!("persistentvolumeclaim/{}, with the recorded history", keys::MIRROR));
        }
        goes.extend(clusters.iter().map(|name| format!("namespace/{name} and everything in it")));
        goes.extend(accounts.iter().map(|name| format!("user/{name} with their tokens and rights")));
        goes.push("all rights and policies of cmp".to_owned());
    }
    if dry_run == DryRun::None {
        context.ui.confirm(yes, &goes, "You are about to delete")?;
    }
    let going = Going { context, client: &client, dry_run, timeout, purge };
    if purge {
        going.wishes(&accounts).await?;
        going.clusters(clusters).await?;
        going.accounts(accounts).await?;
        going.webhook().await?;
        // From here on, no component creates another cluster.
        going.clusters(Vec::new()).await?;
        going.bounds().await
    } else {
        going.webhook().await?;
        going.left(clusters.len(), accounts.len(), mirrored);
        Ok(())
    }
}

/// The scope of an uninstall, and its output.
struct Going<'a, 'b> {
    context: &'a Context<'b>,
    client: &'a Client,
    dry_run: DryRun,
    timeout: Duration,
    purge: bool,
}

impl Going<'_, '_> {
    fn is_server(&self) -> bool {
        self.dry_run == DryRun::Server
    }

    fn say(&self, title: &str) -> Result<(), CliError> {
        self.context.ui.line(&format!("{title} deleted{}", suffix(self.dry_run)))
    }

    async fn delete(&self, part: &[Manifest]) -> Result<(), CliError> {
        // The claim of the mirror is the only claim.
        let goes = |manifest: &&Manifest| self.purge || manifest.kind() != "PersistentVolumeClaim";
        for manifest in part.iter().rev().filter(goes) {
            let objects = manifest.peers(self.client);
            let name = manifest.object.name_any();
            let there = match self.dry_run {
                DryRun::Client => objects.has(&name).await?,
                _ => objects.delete(&name, None, self.is_server()).await?,
            };
            // A missing object, such as the Deployment with `--webhook-url`, is not reported as deleted.
            if there {
                self.say(&manifest.title())?;
            }
        }
        Ok(())
    }

    /// Deletes cmp-webhook. The webhook configuration goes before the Deployment. The rights go last, so that no write
    /// is left half done.
    async fn webhook(&self) -> Result<(), CliError> {
        let manifests = Manifests::read(Variant::FULL)?;
        let Manifests { version, webhook, deployment, added, webhook_rights, .. } = &manifests;
        for part in [version, webhook, deployment, added] {
            self.delete(part).await?;
        }
        for name in [keys::CERTIFICATE_SECRET, keys::CERT_MANAGER_SECRET, keys::CERT_MANAGER_AUTHORITY] {
            let there = match self.dry_run {
                DryRun::Client => installation::has_secret(self.client, name).await?,
                _ => installation::delete_secret(self.client, name, self.is_server()).await?,
            };
            if there {
                self.say(&format!("secret/{name}"))?;
            }
        }
        self.delete(webhook_rights).await
    }

    /// Requests the deletion of all clusters in every account, and stops new ones. A cluster without a Namespace is
    /// deleted in no other way. A failure is only a warning, because the account is deleted with its Namespace at the
    /// end.
    async fn wishes(&self, there: &[String]) -> Result<(), CliError> {
        if self.dry_run != DryRun::None {
            return Ok(());
        }
        for name in there {
            let Ok(user) = name.parse::<UserName>() else { continue };
            if let Err(error) = delete_user::give_up(self.context, &user).await {
                self.context.ui.note(&format!("Warning: user/{name}: {}", error.message()));
            }
        }
        Ok(())
    }

    /// Deletes all clusters, including new ones. The policies stay while a cluster exists.
    async fn clusters(&self, there: Vec<String>) -> Result<(), CliError> {
        for name in there {
            // A cluster that cannot be deleted does not block the others. It is named below.
            if self.dry_run == DryRun::Server {
                all_namespaces::delete(self.client, &name, true).await?;
            } else if self.dry_run == DryRun::None
                && let Err(error) = all_namespaces::delete(self.client, &name, false).await
            {
                self.context.verbose(&format!("namespace/{name}: {error}"));
                continue;
            }
            self.say(&format!("namespace/{name}"))?;
        }
        if self.dry_run != DryRun::None {
            return Ok(());
        }
        let left = namespaces::all_gone(self.client, Of::Everyone, Instant::now() + self.timeout).await?;
        for error in &left {
            error.print(self.context.ui);
        }
        if left.is_empty() {
            return Ok(());
        }
        let seconds = self.timeout.as_secs();
        Err(CliError::user(format!("{} not gone after {seconds} s", counted(left.len(), "namespace")))
            .hint("cmp-webhook, the policies and the accounts stay until then, because they limit the instances that still run")
            .hint("`kubectl cmp uninstall --purge` goes on where this one ended"))
    }

    /// Deletes all accounts. If cmp-webhook is there, it removes the clusters from them first. Otherwise a policy keeps
    /// accounts that had clusters; they go with their Namespace, after the policies.
    async fn accounts(&self, there: Vec<String>) -> Result<(), CliError> {
        let accounts = Accounts::new(self.client.clone());
        let answers = self.dry_run == DryRun::None && probes::webhook(self.client).await.failure()?.is_none();
        let deadline = Instant::now() + if answers { self.timeout } else { Duration::ZERO };
        for name in there {
            let gone = loop {
                if self.dry_run == DryRun::Client {
                    break true;
                }
                // cmp-webhook may empty the account at any time. An account that was empty before the attempt was
                // refused for another reason.
                let held = accounts.holds(&name).await?;
                match accounts.delete(&name, self.is_server()).await {
                    Err(error) if error.is_forbidden() && held => {
                        if self.dry_run == DryRun::Server {
                            break false;
                        }
                    }
                    Err(error) => {
                        self.context.ui.note(&format!("Warning: user/{name}: {error}"));
                        break false;
                    }
                    Ok(()) => break true,
                }
                if Instant::now() > deadline {
                    self.context.ui.note(&format!(
                        "user/{name}: the account still names deleted clusters; it is deleted with namespace/{}",
                        keys::USERS_NAMESPACE
                    ));
                    break false;
                }
                tokio::time::sleep(PAUSE).await;
            };
            if gone {
                self.say(&format!("user/{name}"))?;
            }
        }
        Ok(())
    }

    /// Deletes the rights of users, their bounds, and the Namespaces with the remaining accounts.
    async fn bounds(&self) -> Result<(), CliError> {
        let Manifests { namespaces, policies, flow_control, user_rights, .. } = Manifests::read(Variant::default())?;
        self.delete(&user_rights).await?;
        self.delete(&flow_control).await?;
        // Leftovers of older versions go in the order in which they are found: rights before policies.
        for (title, left) in leftovers::find(self.client, &Manifests::read(Variant::FULL)?).await? {
            if self.dry_run != DryRun::Client {
                leftovers::remove(self.client, &left, self.dry_run).await?;
            }
            self.say(&title)?;
        }
        // The policies would protect the accounts and their Namespace.
        self.delete(&policies).await?;
        if self.dry_run == DryRun::None {
            self.wait("the policies to be gone", || async {
                Ok(!all_namespaces::is_kept(self.client, keys::USERS_NAMESPACE).await?)
            })
            .await?;
        }
        self.delete(&namespaces).await
    }

    /// Prints the objects that stay.
    fn left(&self, clusters: usize, accounts: usize, mirrored: bool) {
        let ui = self.context.ui;
        ui.note(&format!("left: {}, running as before", counted(clusters, "cluster")));
        ui.note(&format!("left: {} in {}", counted(accounts, "account"), keys::USERS_NAMESPACE));
        if mirrored {
            ui.note(mirror_claim::LEFT);
        }
        ui.note("left: the policies and the rights of users: all limits stay in force");
        ui.note("hint: `kubectl cmp install` installs cmp-webhook again, `kubectl cmp uninstall --purge` deletes everything");
    }

    async fn wait<F>(&self, what: &str, mut done: impl FnMut() -> F) -> Result<(), CliError>
    where
        F: Future<Output = Result<bool, CliError>>,
    {
        let deadline = Instant::now() + self.timeout;
        while !done().await? {
            if Instant::now() > deadline {
                let error = ApiError::TimedOut { what: what.to_owned(), seconds: self.timeout.as_secs() };
                return Err(error.into());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }
}
