//! `version`.

use serde_json::json;

use crate::cli::VersionArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::output::print_object;

pub(crate) async fn run(context: &Context<'_>, args: VersionArgs) -> Result<(), CliError> {
    let client = concat!("v", env!("CARGO_PKG_VERSION"));
    let server = if args.client { None } else { Some(context.client().await?.apiserver_version().await?.git_version) };
    if let Some(format) = &args.output.output {
        let mut object = json!({ "clientVersion": { "gitVersion": client } });
        if let Some(server) = &server {
            object["serverVersion"] = json!({ "gitVersion": server });
        }
        return print_object(context.ui, format, &object);
    }
    context.ui.line(&format!("Client Version: {client}"))?;
    match server {
        Some(server) => context.ui.line(&format!("Server Version: {server}")),
        None => Ok(()),
    }
}
