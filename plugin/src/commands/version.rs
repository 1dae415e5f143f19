//! `version`: versions of the plugin, of the API server and of cmp-webhook.

use clap::Args;
use kube::Client;
use serde_json::json;

use cmp_client::accounts::Stored;
use cmp_client::{ApiError, settings};
use cmp_core::keys;

use crate::args::ObjectArgs;
use crate::commands::shared::versions::{OURS, difference, is_version};
use crate::context::Context;
use crate::error::CliError;
use crate::output::print_object;

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp version --client")]
pub(crate) struct VersionArgs {
    /// Print only the version of the plugin
    #[arg(long)]
    pub(crate) client: bool,
    #[command(flatten)]
    pub(crate) output: ObjectArgs,
}

pub(crate) async fn run(context: &Context<'_>, args: VersionArgs) -> Result<(), CliError> {
    let mut rows = vec![("clientVersion", "Client", format!("v{OURS}"))];
    let (mut other, mut answered) = (None, Ok(()));
    if !args.client {
        let client = context.client().await?;
        let (server, installed) = futures::join!(client.apiserver_version(), installed(&client));
        match server {
            Ok(server) => rows.push(("serverVersion", "Server", server.git_version)),
            // The version of the plugin is known all the same, as with kubectl.
            Err(error) => answered = Err(CliError::from(error)),
        }
        // A caller who may not read it, or has not installed it, still gets the other two versions.
        other = installed.ok().flatten();
        rows.extend(other.as_ref().map(|version| ("webhookVersion", "Webhook", format!("v{version}"))));
    }
    if let Some(format) = &args.output.output {
        let versions = rows.into_iter().map(|(key, _, version)| (key.to_owned(), json!({ "gitVersion": version })));
        print_object(context.ui, format, &serde_json::Value::Object(versions.collect()))?;
    } else {
        for (_, name, version) in rows {
            context.ui.line(&format!("{name} Version: {version}"))?;
        }
    }
    answered?;
    if !args.client {
        for what in newer(context).await {
            context.ui.note(&format!("Warning: a newer version wrote data that this version does not know: {what}"));
        }
    }
    if let Some(difference) = other.and_then(|other| difference(OURS, &other)) {
        context.ui.note(&format!("Warning: {difference}"));
    }
    Ok(())
}

/// Returns the parts of the accounts that a newer version wrote. An administrator sees all accounts, other callers
/// their own. A caller without access gets an empty list.
async fn newer(context: &Context<'_>) -> Vec<String> {
    let Ok(accounts) = context.accounts().await else { return Vec::new() };
    let all = match accounts.list().await {
        Ok(all) => all.into_iter().flatten().collect(),
        Err(_) => match context.account_of(None).await {
            Ok(user) => accounts.get(&user).await.into_iter().collect(),
            Err(_) => Vec::new(),
        },
    };
    let of = |stored: &Stored| {
        let user = &stored.account.user;
        let entries = stored.account.clusters.iter();
        let clusters = entries
            .filter_map(move |(name, entry)| Some(format!("account {user}: cluster {name}: {}", entry.newer()?)));
        let own = stored.account.newer().map(|what| format!("account {user}: {what}"));
        own.into_iter().chain(clusters).collect::<Vec<_>>()
    };
    all.iter().flat_map(of).collect()
}

/// Returns the version that `install` has recorded.
async fn installed(client: &Client) -> Result<Option<String>, ApiError> {
    let mut data = settings::installed(client).await?;
    Ok(data.remove(keys::INSTALLED_VERSION_KEY).filter(|version| is_version(version)))
}
