//! `install`: what is built in is applied, bounds before rights.

use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::json;
use tokio::time::Instant;

use cmp_client::ApiError;
use cmp_core::keys;

use crate::cli::{DryRun, InstallArgs};
use crate::context::{Context, MANAGER, suffix};
use crate::error::CliError;
use crate::manifests::{Manifest, Manifests};
use crate::output::{Format, print_object, yaml};

/// ValidatingAdmissionPolicies are part of Kubernetes from this minor version of 1 on.
const OLDEST: u32 = 30;
/// How long an API server may take until it keeps a policy.
const IN_FORCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(200);

pub(crate) async fn run(context: &Context<'_>, args: InstallArgs) -> Result<(), CliError> {
    let mut manifests = Manifests::read()?;
    fill_in(&mut manifests, &args);
    let dry_run = args.change.dry.dry_run;
    let Manifests { namespaces, policies, webhook_rights, deployment, webhook, user_rights } = manifests;
    if dry_run == DryRun::Client {
        let all = [namespaces, policies, webhook_rights, deployment, webhook, user_rights].concat();
        return print(context, &all, args.change.output.as_ref());
    }
    let client = context.client().await?;
    check_version(&client).await?;
    apply(context, &client, &namespaces, dry_run).await?;
    apply(context, &client, &policies, dry_run).await?;
    if dry_run == DryRun::None {
        in_force(&client).await?;
    }
    for part in [&webhook_rights, &deployment, &webhook, &user_rights] {
        apply(context, &client, part, dry_run).await?;
    }
    if args.wait.wait && dry_run == DryRun::None {
        answering(context, &client, args.webhook_url.is_none(), args.wait.timeout).await?;
    }
    Ok(())
}

/// What the flags say, into the objects.
fn fill_in(manifests: &mut Manifests, args: &InstallArgs) {
    if let Some(url) = &args.webhook_url {
        manifests.deployment.clear();
        for webhook in &mut manifests.webhook {
            webhook.object.data["webhooks"][0]["clientConfig"] =
                json!({ "url": format!("{url}{}", keys::ACCOUNT_PATH) });
        }
    }
    for manifest in manifests.deployment.iter_mut().filter(|manifest| manifest.kind() == "Deployment") {
        let spec = &mut manifest.object.data["spec"];
        spec["replicas"] = json!(args.replicas);
        if let Some(image) = &args.image {
            spec["template"]["spec"]["containers"][0]["image"] = json!(image);
        }
    }
}

fn print(context: &Context<'_>, all: &[Manifest], format: Option<&Format>) -> Result<(), CliError> {
    for manifest in all {
        let object = serde_json::to_value(&manifest.object).map_err(|error| CliError::internal(&error.to_string()))?;
        match format {
            Some(Format::Yaml) => context.ui.out(&format!("---\n{}", yaml(&object)?))?,
            Some(format) if format.is_of_objects() => print_object(context.ui, format, &object)?,
            Some(Format::Name) => context.ui.line(&manifest.title())?,
            _ => context.ui.line(&format!("{} serverside-applied{}", manifest.title(), suffix(DryRun::Client)))?,
        }
    }
    Ok(())
}

async fn check_version(client: &Client) -> Result<(), CliError> {
    let version = client.apiserver_version().await?;
    let digits: String = version.minor.chars().take_while(char::is_ascii_digit).collect();
    if version.major == "1" && digits.parse::<u32>().is_ok_and(|minor| minor < OLDEST) {
        return Err(CliError::user(format!(
            "the API server is {}; cmp needs Kubernetes 1.{OLDEST} or newer, for ValidatingAdmissionPolicies",
            version.git_version
        ))
        .hint("nothing was installed"));
    }
    Ok(())
}

async fn apply(context: &Context<'_>, client: &Client, part: &[Manifest], dry_run: DryRun) -> Result<(), CliError> {
    let params = PatchParams { dry_run: dry_run == DryRun::Server, ..PatchParams::apply(MANAGER).force() };
    for manifest in part {
        let api = manifest.api(client);
        let applied = api.patch(&manifest.object.name_any(), &params, &Patch::Apply(&manifest.object)).await;
        match applied.map_err(ApiError::from) {
            Ok(_) => {}
            // A dry run leaves no Namespace behind for what comes after it.
            Err(error) if dry_run == DryRun::Server && error.is_not_found() => {}
            Err(error) => {
                let forbidden = error.is_forbidden();
                let error = CliError::from(error).about(&manifest.title());
                return Err(if forbidden {
                    error.hint("the same command goes on where this one ended")
                } else {
                    error
                });
            }
        }
        context.ui.line(&format!("{} serverside-applied{}", manifest.title(), suffix(dry_run)))?;
    }
    Ok(())
}

/// Waits until the API server refuses what the policies forbid: only then a right is safe to give.
async fn in_force(client: &Client) -> Result<(), CliError> {
    let deadline = Instant::now() + IN_FORCE;
    let dry_run = PostParams { dry_run: true, field_manager: Some(MANAGER.to_owned()) };
    let name = "cmp-probe".to_owned();
    let forged = ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            labels: Some([(keys::ACCOUNT.to_owned(), keys::TRUE.to_owned())].into()),
            ..ObjectMeta::default()
        },
        data: Some([(keys::data::SETTLED.to_owned(), name.clone())].into()),
        ..ConfigMap::default()
    };
    let owned = Namespace {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            labels: Some([(keys::OWNER.to_owned(), name)].into()),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    };
    let accounts: Api<ConfigMap> = Api::namespaced(client.clone(), keys::USERS_NAMESPACE);
    let namespaces: Api<Namespace> = Api::all(client.clone());
    loop {
        let refused = [
            accounts.create(&dry_run, &forged).await.err().is_some_and(|error| is_by(&error, "cmp-accounts")),
            namespaces.create(&dry_run, &owned).await.err().is_some_and(|error| is_by(&error, "cmp-namespaces")),
        ];
        if refused == [true, true] {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(CliError::user(format!(
                "the API server does not keep the policies after {} s, so that no rights were given",
                IN_FORCE.as_secs()
            ))
            .hint("are ValidatingAdmissionPolicies switched off there? kubectl get validatingadmissionpolicies")
            .hint("the same command goes on where this one ended"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn is_by(error: &kube::Error, policy: &str) -> bool {
    matches!(error, kube::Error::Api(status) if status.message.contains(&format!("'{policy}'")))
}

/// Waits until cmp-webhook can be asked.
async fn answering(context: &Context<'_>, client: &Client, deployed: bool, timeout: Duration) -> Result<(), CliError> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), keys::SYSTEM_NAMESPACE);
    let configurations: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    let deadline = Instant::now() + timeout;
    loop {
        let configuration = configurations.get(keys::WEBHOOK).await?;
        let mut webhooks = configuration.webhooks.iter().flatten();
        let trusted = webhooks.all(|webhook| webhook.client_config.ca_bundle.is_some());
        let available = if deployed {
            let status = deployments.get(keys::WEBHOOK).await?.status.unwrap_or_default();
            status.available_replicas.unwrap_or(0) > 0 && status.unavailable_replicas.unwrap_or(0) == 0
        } else {
            true
        };
        if trusted && available {
            return Ok(());
        }
        if Instant::now() > deadline {
            let what = if available { "has not written its certificate" } else { "is not available" };
            return Err(CliError::user(format!("cmp-webhook {what} after {} s", timeout.as_secs())).hint(format!(
                "kubectl describe pods -n {} -l app.kubernetes.io/name={}",
                keys::SYSTEM_NAMESPACE,
                keys::WEBHOOK
            )));
        }
        context.verbose("waiting for cmp-webhook");
        tokio::time::sleep(PAUSE).await;
    }
}
