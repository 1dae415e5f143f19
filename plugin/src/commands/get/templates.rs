//! `get templates`: lists built-in and stored templates.

use clap::Args;
use jiff::Timestamp;

use cmp_client::templates::Found;
use cmp_core::name::TemplateName;
use cmp_core::template::Template;

use crate::args::values::name;
use crate::args::{ListArgs, without_owner};
use crate::commands::shared::templates::{BUILT_IN, built_in, find, kind, object, source, stored};
use crate::context::{Context, complete, each_said};
use crate::error::CliError;
use crate::output::{Heads, Item, age, print};

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp get templates\n  kubectl cmp get template container -o yaml", arg = without_owner())]
pub(crate) struct GetTemplates {
    /// The names of the templates; all by default
    #[arg(value_name = "NAME", value_parser = name::<TemplateName>, conflicts_with = "selector")]
    pub(crate) names: Vec<TemplateName>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

const TEMPLATES: Heads = (&["NAME", "TYPE", "IMAGE", "SOURCE", "AGE"], &["BESIDE", "REASON"]);

pub(crate) async fn run(context: &Context<'_>, args: GetTemplates) -> Result<(), CliError> {
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
            age(found.created, now),
        ],
        wide: vec![
            template.map(|template| template.beside().to_string()).unwrap_or_default(),
            found.template.as_ref().err().cloned().unwrap_or_default(),
        ],
    }
}
