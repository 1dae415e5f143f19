//! Templates: lookup, storage, and the choice of the template for a want.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use cmp_client::kubevirt::expand;
use cmp_client::networks::device;
use cmp_client::templates::{Found, Templates};
use cmp_core::account::Want;
use cmp_core::keys;
use cmp_core::manifest::{CONTAINER_TEMPLATE, VM_TEMPLATE};
use cmp_core::name::TemplateName;
use cmp_core::plan::template::Blame;
use cmp_core::plan::{self, Refusal};
use cmp_core::template::{Blueprint, Draft, Template};
use cmp_core::vocabulary::InstanceType;

use crate::args::{ChangeArgs, DryRun};
use crate::commands::shared::patch::Patch;
use crate::commands::shared::write_account::print_plan;
use crate::context::{Context, MANAGER};
use crate::error::CliError;
use crate::output::{done, print_object, yaml};
use crate::view;

/// The names of the built-in templates.
pub(crate) const BUILT_IN: [&str; 2] = [CONTAINER_TEMPLATE, VM_TEMPLATE];

/// Returns the client for stored templates.
pub(crate) async fn stored(context: &Context<'_>) -> Result<Templates, CliError> {
    Ok(Templates::new(context.client().await?))
}

/// Returns a built-in template in the form of a stored one.
pub(crate) fn built_in(name: &str) -> Option<Found> {
    let template = Template::built_in(name)?;
    let manifest = template.manifest();
    Some(not_stored(name, template, manifest))
}

/// Returns a template that is not stored in the cluster, in the form of a stored one.
fn not_stored(name: &str, template: Template, manifest: Value) -> Found {
    Found {
        name: name.to_owned(),
        template: Ok(template),
        manifest,
        uid: String::new(),
        created: None,
        labels: BTreeMap::new(),
    }
}

/// Finds a template by its name, stored or built in.
pub(crate) async fn find(context: &Context<'_>, name: &str) -> Result<Found, CliError> {
    if let Some(found) = built_in(name) {
        return Ok(found);
    }
    // A name that is invalid for a template cannot be stored.
    let found = match name.parse::<TemplateName>() {
        Ok(name) => stored(context).await?.get(&name).await?,
        Err(_) => None,
    };
    found.ok_or_else(|| CliError::not_found("template", name).hint("`kubectl cmp get templates` lists all templates"))
}

/// Returns the template for the instances of a want.
pub(crate) async fn of(context: &Context<'_>, want: &Want) -> Result<Template, CliError> {
    let name = want.template.as_ref().map_or(view::template(want.kind), TemplateName::as_str);
    find(context, name).await?.template.map_err(|why| {
        CliError::user(format!("template {name} cannot be used: {why}"))
            .hint("ask an administrator to repair the template")
    })
}

/// Combines a template and a want, whose patch was typed as `typed`. The command calls it first, so that an impossible
/// want fails before any write.
pub(crate) fn blueprint(template: &Template, want: &Want, typed: Option<&Patch>) -> Result<Blueprint, CliError> {
    plan::template::blueprint(template, want).map_err(|misfit| match (&misfit.blame, typed) {
        (Blame::Patch, Some(patch)) => CliError::user(patch.wrong(&misfit.wrong)),
        _ => Refusal::from(misfit).into(),
    })
}

/// Stores a template in the form that `get template -o yaml` prints.
pub(crate) async fn create_object(
    context: &Context<'_>,
    path: &str,
    object: &Value,
    change: &ChangeArgs,
) -> Result<(), CliError> {
    let about = |why: &str| CliError::user(format!("--filename {path}: {why}"));
    let name = object["metadata"]["name"].as_str().ok_or_else(|| about("a template has no metadata.name"))?;
    let name: TemplateName = name.parse().map_err(|error: cmp_core::name::InvalidName| about(&error.to_string()))?;
    let manifest = object["spec"]["manifest"].clone();
    store(context, path, &name, manifest.clone(), yaml(&manifest)?, change).await
}

/// The Namespace of an instancetype that is not of the whole cluster, where neither the manifest nor `-n` names one.
const USUAL_NAMESPACE: &str = "default";

/// Asks KubeVirt to expand a machine that refers to an instancetype or a preference.
async fn expanded(context: &Context<'_>, draft: Draft, path: &str) -> Result<Draft, CliError> {
    let Some(machine) = draft.to_expand() else { return Ok(draft) };
    let flag = context.global.namespace.as_deref().filter(|name| !name.is_empty());
    let namespace = match (draft.namespace(), flag) {
        (Some(named), Some(flag)) if named != flag => {
            return Err(CliError::user(format!("--filename {path}: metadata.namespace is {named}, and -n is {flag}"))
                .hint(format!("use -n {named}, or omit -n")));
        }
        (Some(named), _) => named,
        (None, flag) => flag.unwrap_or(USUAL_NAMESPACE),
    };
    match expand(&context.client().await?, namespace, machine).await {
        Ok(machine) => Ok(draft.expanded(machine)),
        Err(error) if error.is_not_found() => {
            Err(CliError::user(format!("--filename {path}: no KubeVirt expands its instancetype or preference"))
                .hint("install KubeVirt in this cluster, or store a VirtualMachine with neither of them"))
        }
        Err(error) => Err(CliError::from(error).about(&format!("--filename {path}: namespace {namespace}"))),
    }
}

/// Stores a template, in the form that all programs read. `text` is the source of `inner`.
pub(crate) async fn store(
    context: &Context<'_>,
    path: &str,
    name: &TemplateName,
    inner: Value,
    text: String,
    change: &ChangeArgs,
) -> Result<(), CliError> {
    plan::template::to_store(name)?;
    let about = |why: &str| CliError::user(format!("--filename {path}: {why}"));
    let draft = Draft::read(&inner).map_err(|wrong| about(&wrong.to_string()))?;
    let draft = expanded(context, draft, path).await?;
    let (template, unused) =
        Template::read(draft.manifest()).map_err(|wrong| about(&draft.located(wrong).to_string()))?;
    for note in draft.notes() {
        context.ui.note(&format!("Warning: {note}"));
    }
    for network in template.networks() {
        // Without the right to read it, or without multus, nothing is known about the network.
        if let Ok(Some(device)) = device(&context.client().await?, network).await {
            context.ui.note(&format!(
                "Warning: network {network}: KubeVirt takes one {device} of the node for each interface, and no quota \
                 counts it"
            ));
        }
    }
    // A manifest that is complete keeps its text, with its comments.
    let text = if draft.is_changed() { yaml(draft.manifest())? } else { text };
    let inner = draft.manifest().clone();
    let dry_run = change.dry.dry_run;
    if dry_run == DryRun::Client {
        for unused in unused {
            context.ui.note(&format!("Warning: {unused}"));
        }
        print_plan(context.ui, dry_run, || Ok(vec![plan::describe::create_template(name)]))?;
        let found = not_stored(name.as_str(), template, inner);
        return print_template_change(context, change, &found, "created");
    }
    let templates = stored(context).await?;
    match templates.create(name, text, MANAGER, dry_run == DryRun::Server).await {
        Ok(found) => print_template_change(context, change, &found, "created"),
        Err(error) if error.is_already_there() => {
            let there = find(context, name.as_str()).await?;
            plan::template::stored_already(name, &there.manifest, &inner)?;
            print_template_change(context, change, &there, "unchanged")
        }
        Err(error) if error.is_not_found() => {
            Err(CliError::from(error).hint("cmp is not installed in this cluster: kubectl cmp install"))
        }
        Err(error) => Err(error.into()),
    }
}

/// Prints the line for the change, or the template as an object.
fn print_template_change(
    context: &Context<'_>,
    change: &ChangeArgs,
    found: &Found,
    word: &str,
) -> Result<(), CliError> {
    match &change.output {
        Some(format) if format.is_of_objects() => print_object(context.ui, format, &object(found)),
        _ => done(context.ui, change, &format!("template/{}", found.name), word),
    }
}

/// Returns the names of all templates, for completion.
pub(crate) async fn names(context: &Context<'_>) -> Result<Vec<String>, CliError> {
    let all = stored(context).await?.list().await?.into_iter().map(|found| found.name);
    Ok(BUILT_IN.iter().map(|name| (*name).to_owned()).chain(all).collect())
}

/// Returns the value of the column SOURCE.
pub(crate) fn source(found: &Found) -> &'static str {
    if found.uid.is_empty() { "built-in" } else { "stored" }
}

/// Returns the type of a template. For a template that cannot be used, its manifest gives the type.
pub(crate) fn kind(found: &Found) -> Option<InstanceType> {
    match &found.template {
        Ok(template) => Some(template.kind()),
        Err(_) => found.manifest["kind"]
            .as_str()
            .map(|kind| if kind.starts_with("VirtualMachine") { InstanceType::Vm } else { InstanceType::Container }),
    }
}

/// Returns the template as `-o json` prints it.
pub(crate) fn object(found: &Found) -> Value {
    let template = found.template.as_ref().ok();
    json!({
        "apiVersion": keys::API_VERSION,
        "kind": "Template",
        "metadata": {
            "name": found.name,
            "uid": Some(&found.uid).filter(|uid| !uid.is_empty()),
            "creationTimestamp": found.created.map(|created| created.to_string()),
            "labels": Some(&found.labels).filter(|labels| !labels.is_empty()),
        },
        "spec": { "type": kind(found), "manifest": found.manifest },
        "status": {
            "source": source(found),
            "image": template.and_then(Template::image),
            "beside": template.map(Template::beside).filter(|beside| !beside.is_empty()),
            "grants": template.map(Template::grants).filter(|grants| !grants.is_empty()),
            "reason": found.template.as_ref().err(),
        },
    })
}
