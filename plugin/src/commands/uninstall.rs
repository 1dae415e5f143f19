//! `uninstall`: cmp-webhook goes; clusters, accounts and policies stay, and work as with the webhook down.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{Api, DeleteParams, ListParams};
use kube::{Client, ResourceExt};
use tokio::time::Instant;

use cmp_client::ApiError;
use cmp_core::keys;

use crate::cli::{DryRun, UninstallArgs};
use crate::context::{Context, suffix};
use crate::error::CliError;
use crate::manifests::{Manifest, Manifests};

const PAUSE: Duration = Duration::from_millis(500);

pub(crate) async fn run(context: &Context<'_>, args: UninstallArgs) -> Result<(), CliError> {
    let UninstallArgs { purge, yes, timeout, dry } = args;
    let dry_run = dry.dry_run;
    let manifests = Manifests::read()?;
    let client = context.client().await?;
    let clusters = clusters(&client).await?;
    let mut goes = vec![
        "cmp-webhook, its rights and its configuration".to_owned(),
        "creating, growing and shrinking stop; what runs goes on, and suspend, resume, start and stop work".to_owned(),
    ];
    if purge {
        goes.push("all accounts, tokens, rights and policies of cmp".to_owned());
        goes.extend(clusters.iter().map(|name| format!("namespace/{name} and everything in it")));
    }
    if dry_run == DryRun::None {
        context.ui.confirm(yes, &goes, "You are about to delete")?;
    }
    let Manifests { namespaces, policies, webhook_rights, deployment, webhook, user_rights } = manifests;
    // The question goes before whoever answers it; the rights last, so that nothing is left half written.
    delete(context, &client, &webhook, dry_run).await?;
    delete(context, &client, &deployment, dry_run).await?;
    certificate(context, &client, dry_run).await?;
    delete(context, &client, &webhook_rights, dry_run).await?;
    if !purge {
        return Ok(());
    }
    for name in &clusters {
        let api: Api<Namespace> = Api::all(client.clone());
        remove(api.delete(name, &params(dry_run)).await.map(|_| ()))?;
        context.ui.line(&format!("namespace/{name} deleted{}", suffix(dry_run)))?;
    }
    if dry_run == DryRun::None {
        gone(&client, timeout).await?;
    }
    delete(context, &client, &user_rights, dry_run).await?;
    // They would hold the accounts and their Namespace.
    delete(context, &client, &policies, dry_run).await?;
    if dry_run == DryRun::None {
        let users = || Api::<Namespace>::all(client.clone());
        wait(timeout, "the policies to be gone", || async {
            let params = DeleteParams { dry_run: true, ..DeleteParams::default() };
            Ok(!matches!(users().delete(keys::USERS_NAMESPACE, &params).await.map_err(ApiError::from), Err(error) if error.is_forbidden()))
        })
        .await?;
    }
    delete(context, &client, &namespaces, dry_run).await
}

async fn clusters(client: &Client) -> Result<Vec<String>, CliError> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let ours = namespaces.list(&ListParams::default().labels(keys::OWNER)).await?;
    Ok(ours.items.iter().map(ResourceExt::name_any).collect())
}

fn params(dry_run: DryRun) -> DeleteParams {
    DeleteParams { dry_run: dry_run == DryRun::Server, ..DeleteParams::background() }
}

/// That something is gone already is what was asked for.
fn remove(removed: Result<(), kube::Error>) -> Result<bool, CliError> {
    match removed.map_err(ApiError::from) {
        Ok(()) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

async fn delete(context: &Context<'_>, client: &Client, part: &[Manifest], dry_run: DryRun) -> Result<(), CliError> {
    for manifest in part.iter().rev() {
        let removed = match dry_run {
            DryRun::Client => true,
            _ => {
                let api = manifest.api(client);
                remove(api.delete(&manifest.object.name_any(), &params(dry_run)).await.map(|_| ()))?
            }
        };
        // What `install` made for those that stay is not this command's.
        if removed {
            context.ui.line(&format!("{} deleted{}", manifest.title(), suffix(dry_run)))?;
        }
    }
    Ok(())
}

async fn certificate(context: &Context<'_>, client: &Client, dry_run: DryRun) -> Result<(), CliError> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), keys::SYSTEM_NAMESPACE);
    let name = keys::CERTIFICATE_SECRET;
    if dry_run == DryRun::Client || remove(secrets.delete(name, &params(dry_run)).await.map(|_| ()))? {
        context.ui.line(&format!("secret/{name} deleted{}", suffix(dry_run)))?;
    }
    Ok(())
}

async fn gone(client: &Client, timeout: Duration) -> Result<(), CliError> {
    wait(timeout, "the namespaces of all clusters to be gone", || async { Ok(clusters(client).await?.is_empty()) })
        .await
}

async fn wait<F>(timeout: Duration, what: &str, mut done: impl FnMut() -> F) -> Result<(), CliError>
where
    F: Future<Output = Result<bool, CliError>>,
{
    let deadline = Instant::now() + timeout;
    while !done().await? {
        if Instant::now() > deadline {
            let error = ApiError::TimedOut { what: what.to_owned(), seconds: timeout.as_secs() };
            return Err(error.into());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}
