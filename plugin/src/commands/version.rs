//! `version`: versions of the plugin, of the API server and of cmp-webhook.

use kube::Client;
use serde_json::json;

use cmp_client::ApiError;
use cmp_client::accounts::Stored;
use cmp_client::settings;
use cmp_core::keys;

use crate::cli::VersionArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::output::print_object;

/// The version of this plugin.
pub(crate) const OURS: &str = env!("CARGO_PKG_VERSION");

pub(crate) async fn run(context: &Context<'_>, args: VersionArgs) -> Result<(), CliError> {
    let mut rows = vec![("clientVersion", "Client", format!("v{OURS}"))];
    let mut other = None;
    if !args.client {
        let client = context.client().await?;
        let (server, installed) = futures::join!(client.apiserver_version(), installed(&client));
        rows.push(("serverVersion", "Server", server?.git_version));
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
    if !args.client {
        for what in newer(context).await {
            context.ui.note(&format!("Warning: a newer version wrote what this one does not know: {what}"));
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

/// Reports whether a text can be a version. Other text from the cluster must not reach the terminal.
pub(crate) fn is_version(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || ".-+".contains(c))
}

/// Returns a warning if the plugin and cmp-webhook differ in the major or minor version.
pub(crate) fn difference(plugin: &str, webhook: &str) -> Option<String> {
    let minor = |version: &str| {
        let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
        Some((parts.next()??, parts.next()??))
    };
    let (ours, theirs) = (minor(plugin), minor(webhook));
    let remedy = match (ours, theirs) {
        (ours, theirs) if ours == theirs => return None,
        (Some(ours), Some(theirs)) if ours < theirs => "install the plugin of that version",
        _ => "an administrator upgrades it: kubectl cmp install",
    };
    Some(format!("the plugin is v{plugin}, and cmp-webhook v{webhook}: {remedy}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_differ_in_major_or_minor() {
        let check = |plugin: &str, webhook: &str, expected: Option<&str>| {
            let said = difference(plugin, webhook);
            assert_eq!(said.is_some(), expected.is_some(), "{plugin} {webhook}: {said:?}");
            assert!(said.unwrap_or_default().contains(expected.unwrap_or_default()), "{plugin} {webhook}");
        };
        check("0.1.0", "0.1.0", None);
        check("0.1.0", "0.1.7-rc.1", None);
        check("0.1.0", "0.2.0", Some("install the plugin of that version"));
        check("0.10.0", "0.9.0", Some("kubectl cmp install"));
        check("1.0.0", "0.1.0", Some("kubectl cmp install"));
        check("0.1.0", "1", Some("cmp-webhook v1"));
    }

    #[test]
    fn what_is_no_version_is_not_printed() {
        assert!(is_version("0.1.0") && is_version("1.2.3-rc.1+linux"));
        assert!(!is_version("") && !is_version("latest") && !is_version("1\u{1b}[2J") && !is_version(&"1".repeat(65)));
    }
}
