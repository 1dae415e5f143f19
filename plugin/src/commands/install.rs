//! `install`: applies the built-in manifests, bounds before rights, and deletes leftovers of an older version.

use std::time::Duration;

use clap::Args;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio::time::Instant;

use cmp_client::installation;
use cmp_client::probes;
use cmp_core::keys;
use cmp_core::progress::clock::Limit;
use cmp_core::settings::{self, Cidr};

use crate::args::values::NODES;
use crate::args::{ChangeArgs, DryRun, WaitArgs, YesArg, suffix};
use crate::commands::shared::wait_clock::WaitClock;
use crate::commands::shared::wanted_manifests::{PODS, wanted};
use crate::commands::shared::{leftovers, mirror_claim, requirements};
use crate::context::Context;
use crate::error::CliError;
use crate::manifests::{Manifests, Variant};
use crate::output::{Format, print_object, yaml};
use crate::ui::Progress;
use answers::Taken;
use flags::{InstallFlags, Last, Settled};
use image::Usual;

mod answers;
mod apply;
pub(crate) mod flags;
mod image;

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp install --image cmp-webhook:0.1.0 --wait\n  kubectl cmp install --cert-manager --prometheus\n  kubectl cmp install --dry-run=client -o yaml",
    after_help = "install remembers its flags: those of the last time apply until they are given anew.\n--mirror=false and --webhook-url '' remove one, --reset-flags removes all. --dry-run=client prints\nthe objects of the given flags alone."
)]
pub(crate) struct InstallArgs {
    #[command(flatten)]
    pub(crate) flags: InstallFlags,
    /// Forget the flags of the last install: flags that are not given get their defaults
    #[arg(long)]
    pub(crate) reset_flags: bool,
    #[command(flatten)]
    pub(crate) yes: YesArg,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

/// Time that an API server may take to enforce a policy.
const IN_FORCE: Duration = Duration::from_secs(30);

/// Default number of replicas of cmp-webhook.
const REPLICAS: u16 = 2;

const PAUSE: Duration = Duration::from_millis(200);

pub(crate) async fn run(context: &Context<'_>, args: InstallArgs) -> Result<(), CliError> {
    let (dry_run, format) = (args.change.dry.dry_run, args.change.output.as_ref());
    if dry_run == DryRun::Client {
        // The printed manifests are for other tools to apply. They remember no flags, and need no server.
        let Settled { flags, .. } = flags::settle(&Last::default(), &args.flags)?;
        let mut manifests = filled(&flags)?;
        set(context, &mut manifests, &flags).await?;
        return print(context, &manifests, format);
    }
    let client = context.client().await?;
    let last = flags::last(&client, args.reset_flags).await?;
    let Settled { flags, notes } = flags::settle(&last, &args.flags)?;
    let usual = flags.image.is_none() && flags.webhook_url.is_none();
    let warning = if usual { Usual::of_this_build().warning() } else { None };
    for note in notes.iter().chain(&warning) {
        context.ui.note(note);
    }
    let variant = variant(&flags);
    let mut manifests = filled(&flags)?;
    set(context, &mut manifests, &flags).await?;
    flags::remember(&mut manifests.version, &flags)?;
    requirements::check(&client, variant).await?;
    confirm(context, &client, &manifests, &args).await?;
    let target = apply::Target { context, client: &client, dry_run, format };
    target.apply(&manifests.namespaces).await?;
    target.apply(&manifests.policies).await?;
    if dry_run == DryRun::None {
        in_force(&client).await?;
    }
    let Manifests { flow_control, webhook_rights, added, deployment, webhook, user_rights, version, .. } = &manifests;
    for part in [flow_control, webhook_rights, added, deployment, webhook, user_rights] {
        target.apply(part).await?;
    }
    for (title, object) in leftovers::find(&client, &manifests).await? {
        leftovers::remove(&client, &object, dry_run).await?;
        if format.is_none() {
            context.ui.line(&format!("{title} pruned{}", suffix(dry_run)))?;
        }
    }
    if !variant.mirror && installation::has_claim(&client).await? {
        context.ui.note(mirror_claim::LEFT);
        context.ui.note("hint: `kubectl cmp install --mirror` uses it again");
    }
    target.apply(version).await?;
    if args.wait.wait && dry_run == DryRun::None {
        answering(context, &client, flags.webhook_url.is_none(), args.wait.limit()).await?;
    }
    Ok(())
}

/// Asks before the component that answers the API server is deleted. Until another one answers, nobody can create or
/// grow anything.
async fn confirm(
    context: &Context<'_>,
    client: &Client,
    manifests: &Manifests,
    args: &InstallArgs,
) -> Result<(), CliError> {
    let Taken { lines, keeps } = answers::taken_away(client, manifests).await?;
    if args.change.dry.dry_run != DryRun::None {
        for line in &lines {
            context.ui.note(&format!("needs confirmation: {line}"));
        }
        return Ok(());
    }
    let asked =
        context.ui.confirm(args.yes.yes, &lines, "You are about to replace the webhook that the API server asks");
    asked.map_err(|error| keeps.into_iter().fold(error, CliError::hint))
}

fn variant(flags: &InstallFlags) -> Variant {
    let is = |flag: Option<bool>| flag.unwrap_or(false);
    Variant { cert_manager: is(flags.cert_manager), prometheus: is(flags.prometheus), mirror: is(flags.mirror) }
}

/// Returns the manifests with the values of the flags.
fn filled(flags: &InstallFlags) -> Result<Manifests, CliError> {
    let mut manifests = wanted(variant(flags), flags.webhook_url.as_deref())?;
    let image = flags.image.clone().unwrap_or_else(|| Usual::of_this_build().name());
    let Manifests { deployment, added, .. } = &mut manifests;
    for manifest in deployment.iter_mut().chain(added).filter(|manifest| manifest.kind() == "Deployment") {
        let mirror = manifest.object.name_any() == keys::MIRROR;
        let spec = &mut manifest.object.data["spec"];
        if !mirror {
            spec["replicas"] = json!(flags.replicas.unwrap_or(REPLICAS));
        }
        spec["template"]["spec"]["containers"][0]["image"] = json!(image);
    }
    Ok(manifests)
}

/// Writes settings for all clusters into the ConfigMap that cmp-webhook reads.
async fn set(context: &Context<'_>, manifests: &mut Manifests, flags: &InstallFlags) -> Result<(), CliError> {
    let mut ranges: Vec<Cidr> = flags.deny_egress_to.iter().filter_map(|text| text.parse().ok()).collect();
    if flags.deny_egress_to.iter().any(|text| text == NODES) {
        ranges.extend(nodes(&context.client().await?).await?);
    }
    ranges.sort();
    ranges.dedup();
    let denied = ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let amount = flags.ephemeral_storage.clone().unwrap_or_default();
    for manifest in &mut manifests.version {
        for (key, value) in [(settings::EPHEMERAL_STORAGE, &amount), (settings::DENY_EGRESS_TO, &denied)] {
            if !value.is_empty() {
                manifest.object.data["data"][key] = json!(value);
            }
        }
    }
    Ok(())
}

/// Returns the addresses of all nodes.
async fn nodes(client: &Client) -> Result<Vec<Cidr>, CliError> {
    let addresses = installation::node_addresses(client).await?;
    Ok(addresses.iter().filter_map(|address| address.parse().ok().map(Cidr::of)).collect())
}

/// Prints the manifests as kubectl prints them in a dry run: YAML documents, or a list.
fn print(context: &Context<'_>, manifests: &Manifests, format: Option<&Format>) -> Result<(), CliError> {
    let objects: Vec<Value> = manifests.all().map(crate::manifests::Manifest::value).collect::<Result<_, _>>()?;
    match format {
        Some(Format::Yaml) => objects.iter().try_for_each(|object| context.ui.out(&format!("---\n{}", yaml(object)?))),
        Some(format) if format.is_of_objects() => {
            print_object(context.ui, format, &json!({ "apiVersion": "v1", "kind": "List", "items": objects }))
        }
        Some(Format::Name) => manifests.all().try_for_each(|manifest| context.ui.line(&manifest.title())),
        _ => manifests.all().try_for_each(|manifest| {
            context.ui.line(&format!("{} applied{}", manifest.title(), suffix(DryRun::Client)))
        }),
    }
}

/// Waits until the API server refuses what the policies forbid. It is safe to grant rights only after that.
async fn in_force(client: &Client) -> Result<(), CliError> {
    let deadline = Instant::now() + IN_FORCE;
    loop {
        let (accounts, namespaces) = futures::join!(probes::forged_account(client), probes::forged_namespace(client));
        if accounts.is_refused() && namespaces.is_refused() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(CliError::user(format!(
                "the API server does not enforce the policies after {} s: no rights were granted",
                IN_FORCE.as_secs()
            ))
            .hint("check that ValidatingAdmissionPolicies are enabled: kubectl get validatingadmissionpolicies")
            .hint("the same command goes on where this one ended"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits until cmp-webhook answers, and all of its replicas have this version.
async fn answering(context: &Context<'_>, client: &Client, deployed: bool, limit: Limit) -> Result<(), CliError> {
    let clock = WaitClock::start(limit);
    context.ui.goes_on("cmp is installed, and cmp-webhook goes on starting", "`kubectl cmp check` shows its state");
    let mut progress = Progress::new(context.ui);
    loop {
        let missing = match not_available(client, deployed).await? {
            None => probes::webhook(client).await.failure()?,
            missing => missing,
        };
        let Some(missing) = missing else { return Ok(()) };
        clock.observe(&missing);
        let late = clock.is_over();
        progress.show(&format!("cmp-webhook: {missing}"), None, late);
        if late {
            let error = CliError::user(format!("cmp-webhook is not ready after {} s: {missing}", clock.seconds()));
            return Err(error.hint("`kubectl cmp check` shows details").hint(PODS));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Returns the reason why cmp-webhook cannot be called yet, if there is one.
async fn not_available(client: &Client, deployed: bool) -> Result<Option<String>, CliError> {
    let configuration = installation::configuration(client).await?;
    if configuration.endpoints.iter().any(|endpoint| endpoint.authority.is_none()) {
        return Ok(Some("its certificate is not in the webhook configuration yet".to_owned()));
    }
    if !deployed {
        return Ok(None);
    }
    let deployment = installation::deployment(client, keys::WEBHOOK).await?;
    Ok((!deployment.is_complete()).then(|| deployment.counts()))
}
