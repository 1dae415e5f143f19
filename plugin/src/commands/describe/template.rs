//! `describe template`: details of templates with their manifests.

use jiff::Timestamp;

use cmp_core::keys;
use cmp_core::name::TemplateName;
use cmp_core::template::Template;

use crate::commands::shared::describe_lines::{Lines, print};
use crate::commands::shared::templates::{find, kind, source};
use crate::context::{Context, complete, each_said};
use crate::error::CliError;
use crate::output::{age, yaml};

pub(crate) async fn run(context: &Context<'_>, names: Vec<TemplateName>) -> Result<(), CliError> {
    let mut found = Vec::new();
    let all_found = each_said(context, &names, &mut found, |name: &TemplateName| {
        let name = name.clone();
        async move { find(context, name.as_str()).await }
    })
    .await?;
    let now = Timestamp::now();
    for (at, found) in found.iter().enumerate() {
        let template = found.template.as_ref().ok();
        let mut lines = Lines::new();
        lines.add("Name", &found.name);
        lines.add("Type", &kind(found).map_or_else(String::new, |kind| kind.to_string()));
        lines.add("Source", source(found));
        lines.add("Age", &age(found.created, now));
        lines.add("Image", template.and_then(Template::image).unwrap_or_default());
        lines.add("Beside", &template.map(|template| template.beside().to_string()).unwrap_or_default());
        for (grant, value) in template.iter().flat_map(|template| template.grants()) {
            lines.add("Grants", &format!("{}: {value}", grant.trim_start_matches(keys::PREFIX)));
        }
        if let Err(why) = &found.template {
            lines.add("Reason", why);
        }
        lines.text("Manifest", &yaml(&found.manifest)?);
        print(context, at, &lines)?;
    }
    complete(all_found)
}
