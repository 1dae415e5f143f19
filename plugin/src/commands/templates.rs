//! `create template`, `get templates`, `describe template`, `delete template`; and the choice of the template for a
//! want.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use cmp_client::ApiError;
use cmp_client::templates::{Found, Templates, manifest};
use cmp_core::account::{InstanceType, Want};
use cmp_core::keys;
use cmp_core::manifest::{CONTAINER_TEMPLATE, VM_TEMPLATE};
use cmp_core::name::TemplateName;
use cmp_core::template::{Blueprint, Template, built_in_type};

use super::create_cluster::Patch;
use crate::cli::{ChangeArgs, CreateTemplate, DeleteTemplate, DryRun, GetTemplates};
use crate::context::{Context, MANAGER, complete, each_said, once, suffix};
use crate::error::CliError;
use crate::files;
use crate::output::{Heads, Item, age, done, print, print_object, yaml};
use crate::view;

const TEMPLATES: Heads = (&["NAME", "TYPE", "IMAGE", "SOURCE", "AGE"], &["BESIDE", "REASON"]);
const BUILT_IN: [&str; 2] = [CONTAINER_TEMPLATE, VM_TEMPLATE];

async fn stored(context: &Context<'_>) -> Result<Templates, CliError> {
    Ok(Templates::new(context.client().await?))
}

/// Returns a built-in template in the form of a stored one.
fn built_in(name: &str) -> Option<Found> {
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
async fn find(context: &Context<'_>, name: &str) -> Result<Found, CliError> {
    if let Some(found) = built_in(name) {
        return Ok(found);
    }
    // A name that is invalid for a template cannot be stored.
    let found = match name.parse::<TemplateName>() {
        Ok(name) => stored(context).await?.get(&name).await?,
        Err(_) => None,
    };
    found.ok_or_else(|| CliError::not_found("template", name).hint("`kubectl cmp get templates` shows those there are"))
}

/// Returns the template for the instances of a want.
pub(super) async fn of(context: &Context<'_>, want: &Want) -> Result<Template, CliError> {
    let name = want.template.as_ref().map_or(view::template(want.kind), TemplateName::as_str);
    find(context, name).await?.template.map_err(|why| {
        CliError::user(format!("template {name} cannot be used: {why}")).hint("an administrator has to mend it")
    })
}

/// Combines a template and a want, whose patch was typed as `typed`. The command calls it first, so that an impossible
/// want fails before any write.
pub(super) fn blueprint(template: &Template, want: &Want, typed: Option<&Patch>) -> Result<Blueprint, CliError> {
    template.blueprint(want).map_err(|wrong| {
        // If the want fails without the patch as well, the patch is not the cause.
        let plain = template.blueprint(&Want { patch: None, ..want.clone() });
        match (plain, &want.patch, &want.template) {
            (Ok(_), Some(_), _) => {
                CliError::user(typed.map_or_else(|| format!("the patch: {wrong}"), |patch| patch.wrong(&wrong)))
            }
            (_, _, Some(name)) => CliError::user(format!("template {name}: {wrong}")),
            _ => CliError::user(wrong.to_string()),
        }
    })
}

pub(crate) async fn create(context: &Context<'_>, args: CreateTemplate) -> Result<(), CliError> {
    let CreateTemplate { name, filename, change } = args;
    let about = |why: &str| CliError::user(format!("--filename {filename}: {why}"));
    let text = files::read_or_stdin(&filename, files::OBJECT).map_err(|error| about(&error.to_string()))?;
    let read = manifest(&text).map_err(|why| about(&why))?;
    // The output of `get template -o yaml` is accepted like the manifest itself.
    let (inner, text) = if read["kind"] == "Template" && read["apiVersion"] == keys::API_VERSION {
        (read["spec"]["manifest"].clone(), yaml(&read["spec"]["manifest"])?)
    } else {
        (read.clone(), text)
    };
    let name = match (name, &read["metadata"]["name"]) {
        (Some(name), _) => name,
        (None, Value::String(name)) if inner != read => {
            name.parse().map_err(|error: cmp_core::name::InvalidName| about(&error.to_string()))?
        }
        (None, _) => {
            return Err(CliError::user("the template has no name").hint("kubectl cmp create template NAME -f FILE"));
        }
    };
    store(context, &filename, &name, inner, text, &change).await
}

/// Stores a template in the form that `get template -o yaml` prints.
pub(super) async fn create_object(
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

/// Stores a template. `text` is the source of `inner`.
async fn store(
    context: &Context<'_>,
    path: &str,
    name: &TemplateName,
    inner: Value,
    text: String,
    change: &ChangeArgs,
) -> Result<(), CliError> {
    if built_in_type(name.as_str()).is_some() {
        return Err(CliError::user(format!("{name} is the name of a built-in template")).hint("choose another name"));
    }
    let about = |why: &str| CliError::user(format!("--filename {path}: {why}"));
    let (template, unused) = Template::read(&inner).map_err(|wrong| about(&wrong.to_string()))?;
    let dry_run = change.dry.dry_run;
    if dry_run == DryRun::Client {
        for unused in unused {
            context.ui.note(&format!("Warning: {unused}"));
        }
        let found = not_stored(name.as_str(), template, inner);
        return said(context, change, &found, "created");
    }
    let templates = stored(context).await?;
    match templates.create(name, text, MANAGER, dry_run == DryRun::Server).await {
        Ok(found) => said(context, change, &found, "created"),
        Err(error) if error.is_already_there() => {
            let there = find(context, name.as_str()).await?;
            if there.manifest == inner {
                return said(context, change, &there, "unchanged");
            }
            Err(CliError::user(format!("template {name} exists and is different"))
                .hint(format!("delete it first: kubectl cmp delete template {name}; instances that there are stay"))
                .hint(format!("or change it: kubectl edit configmap {name} -n {}", keys::TEMPLATES_NAMESPACE)))
        }
        Err(error) if error.is_not_found() => {
            Err(CliError::from(error).hint("cmp is not installed here: kubectl cmp install"))
        }
        Err(error) => Err(error.into()),
    }
}

fn said(context: &Context<'_>, change: &ChangeArgs, found: &Found, word: &str) -> Result<(), CliError> {
    match &change.output {
        Some(format) if format.is_of_objects() => print_object(context.ui, format, &object(found)),
        _ => done(context.ui, change, &format!("template/{}", found.name), word),
    }
}

pub(crate) async fn get(context: &Context<'_>, args: GetTemplates) -> Result<(), CliError> {
    let GetTemplates { names, list } = args;
    let mut found = Vec::new();
    let all_found = each_said(context, &names, &mut found, |name: &TemplateName| {
        let name = name.clone();
        async move { find(context, name.as_str()).await }
    })
    .await?;
    if names.is_empty() {
        found.extend(BUILT_IN.iter().filter_map(|name| built_in(name)));
        found.extend(stored(context).await?.list().await?);
    }
    if found.is_empty() && !all_found {
        return complete(false);
    }
    let now = Timestamp::now();
    let items = found.iter().map(|found| item(found, now)).collect();
    print(context.ui, &list, TEMPLATES, items, names.len() == 1)?;
    complete(all_found)
}

/// Returns the names of all templates, for completion.
pub(crate) async fn names(context: &Context<'_>) -> Result<Vec<String>, CliError> {
    let all = stored(context).await?.list().await?.into_iter().map(|found| found.name);
    Ok(BUILT_IN.iter().map(|name| (*name).to_owned()).chain(all).collect())
}

fn source(found: &Found) -> &'static str {
    if found.uid.is_empty() { "built-in" } else { "stored" }
}

/// Returns the type of a template. For a template that cannot be used, its manifest gives the type.
fn kind(found: &Found) -> Option<InstanceType> {
    match &found.template {
        Ok(template) => Some(template.kind()),
        Err(_) if found.manifest["kind"] == "VirtualMachine" => Some(InstanceType::Vm),
        Err(_) if found.manifest["kind"].is_string() => Some(InstanceType::Container),
        Err(_) => None,
    }
}

fn item(found: &Found, now: Timestamp) -> Item {
    let template = found.template.as_ref().ok();
    Item {
        name: format!("template/{}", found.name),
        object: object(found),
        cells: vec![
            found.name.clone(),
            kind(found).map_or_else(String::new, |kind| kind.to_string()),
            template.and_then(Template::image).unwrap_or_default().to_owned(),
            source(found).to_owned(),
            found.created.map_or_else(String::new, |created| age(Some(created), now)),
        ],
        wide: vec![
            template.map(|template| template.beside().to_string()).unwrap_or_default(),
            found.template.as_ref().err().cloned().unwrap_or_default(),
        ],
    }
}

fn object(found: &Found) -> Value {
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

pub(crate) async fn describe(context: &Context<'_>, names: Vec<TemplateName>) -> Result<(), CliError> {
    let mut found = Vec::new();
    let all_found = each_said(context, &names, &mut found, |name: &TemplateName| {
        let name = name.clone();
        async move { find(context, name.as_str()).await }
    })
    .await?;
    let now = Timestamp::now();
    for (at, found) in found.iter().enumerate() {
        let template = found.template.as_ref().ok();
        let mut lines = super::describe::Lines::new();
        lines.add("Name", &found.name);
        lines.add("Type", &kind(found).map_or_else(String::new, |kind| kind.to_string()));
        lines.add("Source", source(found));
        lines.add("Age", &found.created.map_or_else(String::new, |created| age(Some(created), now)));
        lines.add("Image", template.and_then(Template::image).unwrap_or_default());
        lines.add("Beside", &template.map(|template| template.beside().to_string()).unwrap_or_default());
        for (grant, value) in template.iter().flat_map(|template| template.grants()) {
            lines.add("Grants", &format!("{}: {value}", grant.trim_start_matches(keys::PREFIX)));
        }
        if let Err(why) = &found.template {
            lines.add("Reason", why);
        }
        lines.text("Manifest", &yaml(&found.manifest)?);
        super::describe::print(context, at, &lines)?;
    }
    complete(all_found)
}

pub(crate) async fn delete(context: &Context<'_>, args: DeleteTemplate) -> Result<(), CliError> {
    let DeleteTemplate { names, yes, dry } = args;
    let names = once(names);
    if let Some(name) = names.iter().find(|name| built_in_type(name.as_str()).is_some()) {
        return Err(CliError::user(format!("template {name} is built in, and cannot be deleted")));
    }
    let mut found = Vec::new();
    let all_found = each_said(context, &names, &mut found, |name: &TemplateName| {
        let name = name.clone();
        async move { find(context, name.as_str()).await }
    })
    .await?;
    let accounts = context.accounts().await?.list().await;
    // A caller without access to the accounts gets the refusal from the deletion.
    let accounts: Vec<_> = accounts.unwrap_or_default().into_iter().flatten().collect();
    let mut goes = Vec::new();
    for found in &found {
        goes.push(format!("template/{}", found.name));
        for stored in &accounts {
            let wants = stored.account.existing().filter_map(|(cluster, entry)| Some((cluster, entry.want.as_ref()?)));
            let users =
                wants.filter(|(_, want)| want.template.as_ref().is_some_and(|name| name.as_str() == found.name));
            goes.extend(users.map(|(cluster, _)| {
                format!(
                    "  cluster/{cluster} of {} uses it: its instances stay, no more can be made",
                    stored.account.user
                )
            }));
        }
    }
    if dry.dry_run == DryRun::None {
        context.ui.confirm(yes, &goes, "You are about to delete")?;
    }
    for found in &found {
        if dry.dry_run != DryRun::Client {
            let name =
                found.name.parse().map_err(|error: cmp_core::name::InvalidName| CliError::user(error.to_string()))?;
            match stored(context).await?.delete(&name, dry.dry_run == DryRun::Server).await {
                Err(ApiError::Refused { code: 404, .. }) | Ok(()) => {}
                Err(error) => return Err(error.into()),
            }
        }
        context.ui.line(&format!("template/{} deleted{}", found.name, suffix(dry.dry_run)))?;
    }
    complete(all_found)
}
