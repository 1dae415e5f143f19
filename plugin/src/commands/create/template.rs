//! `create template`: stores a Pod or a machine of KubeVirt as a template.

use clap::Args;
use serde_json::Value;

use cmp_client::templates::manifest;
use cmp_core::keys;
use cmp_core::name::TemplateName;

use crate::args::ChangeArgs;
use crate::args::values::name;
use crate::commands::shared::templates::store;
use crate::context::Context;
use crate::error::CliError;
use crate::files;
use crate::output::yaml;

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp create template gpu -f pod.yaml\n  kubectl cmp create template gpu -f pod.yaml --dry-run=server"
)]
pub(crate) struct CreateTemplate {
    /// The name of the template; optional for the output of `get template -o yaml`
    #[arg(value_name = "NAME", value_parser = name::<TemplateName>)]
    pub(crate) name: Option<TemplateName>,
    /// File with the Pod or the machine of KubeVirt; - for standard input
    #[arg(short, long, value_name = "FILE")]
    pub(crate) filename: String,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

pub(crate) async fn run(context: &Context<'_>, args: CreateTemplate) -> Result<(), CliError> {
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
