//! `edit cluster`: changes a cluster in an editor, by the steps that `scale`, `resize`, `schedule`, `label` and `annotate`
//! take.

use clap::Args;
use serde_json::Value;

use cmp_client::accounts::Stored;
use cmp_client::templates::not_yaml;
use cmp_core::account::Want;
use cmp_core::instance::Instance;
use cmp_core::name::{ClusterName, UserName};
use cmp_core::plan::create::Extent;
use cmp_core::plan::edit::{self, Step};
use cmp_core::plan::loss;
use cmp_core::plan::{Write, describe};
use cmp_core::plan::{resize, scale};
use cmp_core::resources::Resources;

use crate::args::values::name;
use crate::args::{ClusterNameArg, DryRun, DryRunArgs, TextFormat, WaitArgs, YesArg, suffix};
use crate::commands::shared::cluster_file;
use crate::commands::shared::resize_cluster::{self, ResizeRequest};
use crate::commands::shared::scale_cluster::{self, ScaleRequest};
use crate::commands::shared::select_clusters::check_owner;
use crate::commands::shared::write_account::{print_outcome, print_plan, write};
use crate::context::Context;
use crate::editor::{Draft, commented, without_comment};
use crate::error::CliError;
use crate::output::object_text;
use crate::view;

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp edit cluster web\n  KUBE_EDITOR='code --wait' kubectl cmp edit cluster web -o json"
)]
pub(crate) struct EditCluster {
    #[command(flatten)]
    pub(crate) cluster: ClusterNameArg,
    /// The owner of the cluster (administrators)
    #[arg(long, value_name = "USER", value_parser = name::<UserName>)]
    pub(crate) owner: Option<UserName>,
    /// Format of the file: yaml (the default) or json
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub(crate) output: TextFormat,
    #[command(flatten)]
    pub(crate) yes: YesArg,
    #[command(flatten)]
    pub(crate) dry: DryRunArgs,
}

/// The cluster as it was opened.
struct Opened {
    name: ClusterName,
    owner: UserName,
    want: Want,
    object: Value,
    instances: Vec<Instance>,
}

/// An edit that can be carried out.
struct Ready {
    after: Want,
    whole: Write,
    steps: Vec<Step>,
    /// The instances that are deleted.
    goes: Vec<String>,
    /// The instances that restart.
    restarts: Vec<String>,
    /// The warnings about disks that are discarded.
    warnings: Vec<String>,
    /// The plan, for a dry run.
    lines: Vec<String>,
}

pub(crate) async fn run(context: &Context<'_>, args: EditCluster) -> Result<(), CliError> {
    let EditCluster { cluster: ClusterNameArg { name }, owner, output, yes: YesArg { yes }, dry } = args;
    let stored = context.holder(&name).await?;
    check_owner(&stored, &name, owner.as_ref())?;
    let want = edit::open(&name, &stored.account)?;
    let looked = view::clusters(&context.client().await?, &stored.account, std::slice::from_ref(&name)).await?;
    let Some(cluster) = looked.first() else { return Err(CliError::internal("the cluster was not read")) };
    let original = object_text(output, &cluster.editable())?;
    let object = read(&original)?;
    let instances = cluster.instances.clone();
    let opened = Opened { owner: stored.account.user.clone(), want, object, instances, name };
    let draft = Draft::create(output.as_str())?;
    match edited(context, &opened, &draft, &original, yes, dry.dry_run).await {
        Ok(whole) => {
            draft.remove();
            let Some(whole) = whole else {
                context.ui.note("Edit cancelled, no changes made.");
                return Ok(());
            };
            context.ui.line(&format!("cluster/{} edited{}", opened.name, suffix(dry.dry_run)))?;
            print_outcome(context.ui, dry.dry_run, &whole.account, [&opened.name]);
            Ok(())
        }
        Err(error) => Err(draft.keep(error)),
    }
}

/// Lets the user edit until the object is valid, and carries the edit out. Returns `None` if nothing changes.
async fn edited(
    context: &Context<'_>,
    opened: &Opened,
    draft: &Draft,
    original: &str,
    yes: bool,
    dry_run: DryRun,
) -> Result<Option<Write>, CliError> {
    let title = format!("cluster/{}", opened.name);
    let mut shown = commented(&title, None, original);
    let mut refused: Option<(String, CliError)> = None;
    loop {
        let saved = draft.edit(&shown)?;
        let text = without_comment(&saved);
        if text.is_empty() || text == original {
            return Ok(None);
        }
        if let Some((before, error)) = refused.take()
            && before == text
        {
            return Err(error);
        }
        let stored = context.holder(&opened.name).await?;
        edit::is_unchanged(&opened.name, &opened.want, &stored.account)?;
        match judged(context, opened, &stored, text, dry_run).await {
            Ok(None) => return Ok(None),
            Ok(Some(ready)) => {
                carry_out(context, opened, stored, &ready, yes, dry_run).await?;
                return Ok(Some(ready.whole));
            }
            Err(error) => {
                shown = commented(&title, Some(&error), text);
                refused = Some((text.to_owned(), error));
            }
        }
    }
}

fn read(text: &str) -> Result<Value, CliError> {
    serde_saphyr::from_str(text).map_err(|error| CliError::user(not_yaml(&error)))
}

/// Judges an edited object. The server judges the whole change in a dry run. Returns `None` if nothing changes.
async fn judged(
    context: &Context<'_>,
    opened: &Opened,
    stored: &Stored,
    text: &str,
    dry_run: DryRun,
) -> Result<Option<Ready>, CliError> {
    let Opened { name, owner, want: before, object, instances } = opened;
    let after = cluster_file::edited(&read(text)?, (name, owner), before, object).map_err(CliError::user)?;
    let edit::Plan { whole, steps } = edit::plan(name, before, &after, &stored.account)?;
    if steps.is_empty() {
        return Ok(None);
    }
    let mut ready = Ready {
        whole,
        goes: Vec::new(),
        restarts: Vec::new(),
        warnings: Vec::new(),
        lines: Vec::new(),
        steps: steps.clone(),
        after: after.clone(),
    };
    // Each step is planned on the account after the one before it.
    let mut account = stored.account.clone();
    for step in &steps {
        account = match step {
            Step::Write => {
                let planned = edit::write(name, before, &after, &account)?;
                ready.lines.extend(describe::write(&planned));
                let mode = |want: &Want| want.schedule.as_ref().and_then(|schedule| schedule.mode);
                if mode(&after) != mode(before) {
                    ready.warnings.extend(loss::of_schedule(name, after.kind, mode(&after), instances));
                }
                planned.account
            }
            Step::Scale(wish) => {
                let planned = scale_cluster::plan(context, &account, wish, Extent::default()).await?;
                ready.goes = planned.goes();
                ready.lines.extend(describe::scale(&planned.plan));
                planned.plan.write.account
            }
            Step::Resize(wish) => {
                let (planned, mut instances) = resize_cluster::plan(context, &account, wish, dry_run).await?;
                ready.lines.extend(describe::resize(&planned, &account)?);
                instances.retain(|instance| instance.name.index < after.count);
                ready.restarts = planned.restarts(&instances);
                ready.warnings.extend(planned.loss(&instances));
                planned.write.account
            }
        };
    }
    if dry_run != DryRun::Client {
        let accounts = context.accounts().await?;
        let whole = |account: &_| edit::whole(name, before, &after, account);
        write(&accounts, stored.clone(), DryRun::Server, whole).await?;
    }
    Ok(Some(ready))
}

/// Carries out an edit, after it asked for everything that goes or restarts.
async fn carry_out(
    context: &Context<'_>,
    opened: &Opened,
    stored: Stored,
    ready: &Ready,
    yes: bool,
    dry_run: DryRun,
) -> Result<(), CliError> {
    print_plan(context.ui, dry_run, || Ok(ready.lines.clone()))?;
    if dry_run != DryRun::None {
        context.ui.notes(&ready.warnings);
        return Ok(());
    }
    context.ui.warn_and_confirm(yes || !ready.restarts.is_empty(), &ready.warnings)?;
    context.ui.confirm(yes, &ready.goes, "You are about to delete")?;
    context.ui.confirm(yes, &ready.restarts, "You are about to restart")?;
    let (accounts, mut stored) = (context.accounts().await?, Some(stored));
    for step in &ready.steps {
        match step {
            Step::Write => {
                let Some(stored) = stored.take() else { return Err(CliError::internal("the account was not read")) };
                let planned = |account: &_| edit::write(&opened.name, &opened.want, &ready.after, account);
                write(&accounts, stored, dry_run, planned).await?;
            }
            Step::Scale(wish) => scaled(context, wish).await.map_err(|error| {
                error.hint(format!("to go on: kubectl cmp scale cluster {} --count {}", wish.name, wish.count))
            })?,
            Step::Resize(wish) => resized(context, wish)
                .await
                .map_err(|error| error.hint(format!("to go on: {}", resize_again(&wish.name, &ready.after.size))))?,
        }
    }
    Ok(())
}

async fn scaled(context: &Context<'_>, wish: &scale::Wish) -> Result<(), CliError> {
    let request = ScaleRequest { wish: wish.clone(), yes: true, wait: WaitArgs::default(), dry_run: DryRun::None };
    scale_cluster::scale(context, &request).await.map(|_| ())
}

async fn resized(context: &Context<'_>, wish: &resize::Wish) -> Result<(), CliError> {
    let request = ResizeRequest {
        wish: wish.clone(),
        yes: true,
        warned: true,
        wait: false,
        timeout: None,
        dry_run: DryRun::None,
    };
    resize_cluster::resize(context, &request).await.map(|_| ())
}

/// Returns the command that goes on with another size.
fn resize_again(name: &ClusterName, size: &Resources) -> String {
    format!("kubectl cmp resize cluster {name} --cpu {} --memory {}", size.cpu(), size.memory())
}
