//! The commands `quota` and `set quota`.

use serde_json::{Map, Value, json};

use cmp_client::accounts::Stored;
use cmp_core::account::{Account, Change};
use cmp_core::keys;
use cmp_core::verdict::available;

use crate::cli::{DryRun, QuotaArgs, SetQuota, with_changes};
use crate::commands::describe::quota_rows;
use crate::context::{Context, MANAGER};
use crate::error::CliError;
use crate::output::{Format, done, print_object, table};

/// Characters of a full bar.
const BAR: usize = 20;

pub(crate) async fn show(context: &Context<'_>, args: QuotaArgs) -> Result<(), CliError> {
    let QuotaArgs { user, output } = args;
    if user.is_none() && context.who().await?.user.is_none() {
        return Err(CliError::user("whose quota?").hint("name the user: kubectl cmp quota USER"));
    }
    let user = context.account_of(user.as_ref()).await?;
    let account = context.account(&user).await?.account;
    match &output.output {
        Some(format) if format.is_of_objects() => print_object(context.ui, format, &object(&account)?),
        Some(Format::Name) => context.ui.line(&format!("quota/{user}")),
        _ => {
            let mut rows = quota_rows(&account);
            if context.ui.on_terminal() {
                for (row, bar) in rows.iter_mut().skip(1).zip(bars(&account)) {
                    row.push(bar);
                }
            }
            let from = usize::from(output.no_headers);
            context.ui.out(&table(&rows[from.min(rows.len())..]))
        }
    }
}

/// Returns a bar for each resource that shows its use: `[######--------------]`.
fn bars(account: &Account) -> Vec<String> {
    let used = account.charge().unwrap_or_default();
    account
        .quota
        .iter()
        .map(|(name, total)| {
            let parts = i128::try_from(BAR).unwrap_or(0);
            let filled = used.get(name).nanos().saturating_mul(parts).checked_div(total.nanos()).unwrap_or(parts);
            let filled = usize::try_from(filled).unwrap_or(0).min(BAR);
            format!("[{}{}]", "#".repeat(filled), "-".repeat(BAR - filled))
        })
        .collect()
}

/// Converts exact decimal text into a JSON number.
fn number(text: &str) -> Result<Value, CliError> {
    serde_json::from_str(text).map_err(|error| CliError::internal(&format!("{text}: {error}")))
}

fn object(account: &Account) -> Result<Value, CliError> {
    let used = account.charge().unwrap_or_default();
    let left = available(account).unwrap_or_default();
    let mut object = Map::new();
    object.insert("apiVersion".to_owned(), json!(keys::API_VERSION));
    object.insert("kind".to_owned(), json!("Quota"));
    object.insert("metadata".to_owned(), json!({ "name": account.user, "namespace": keys::USERS_NAMESPACE }));
    for (what, amounts) in [("total", &account.quota), ("used", &used), ("available", &left)] {
        object.insert(format!("{what}_cpu"), number(&amounts.cpu().decimal())?);
        object.insert(format!("{what}_memory"), number(&amounts.memory().gibibytes())?);
    }
    object.insert("spec".to_owned(), json!({ "quota": account.quota, "policy": account.policy }));
    object.insert("status".to_owned(), json!({ "total": account.quota, "used": used, "available": left }));
    Ok(Value::Object(object))
}

pub(crate) async fn set(context: &Context<'_>, args: SetQuota) -> Result<(), CliError> {
    let SetQuota { user, cpu, memory, resource, suspended, change } = args;
    if cpu.is_none() && memory.is_none() && resource.is_empty() && suspended.is_none() {
        return Err(CliError::user("nothing to set").hint("say what with --cpu, --memory, --resource or --suspended"));
    }
    let accounts = context.accounts().await?;
    let (stored, word) = loop {
        let stored = context.account(&user).await?;
        let quota = with_changes(stored.account.quota.clone(), cpu, memory, resource.clone())?;
        let mut policy = stored.account.policy.clone();
        if let Some(suspended) = suspended {
            policy.suspended = suspended.into();
        }
        let mut wish = Change::new();
        if quota != stored.account.quota {
            wish = wish.quota(&quota);
        }
        if policy != stored.account.policy {
            wish = wish.policy(&policy);
        }
        if wish.is_empty() {
            break (stored, "unchanged");
        }
        if change.dry.dry_run == DryRun::Client {
            let account = wish.apply(&stored.account).map_err(|error| CliError::internal(&error.to_string()))?;
            break (Stored { account, ..stored }, "configured");
        }
        match accounts.change(&stored, &wish, MANAGER, change.dry.dry_run == DryRun::Server).await {
            Ok(written) => break (written, "configured"),
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error.into()),
        }
    };
    let over = available(&stored.account).unwrap_or_default();
    for (name, left) in over.iter().filter(|(_, left)| left.is_negative()) {
        let used = stored.account.charge().unwrap_or_default().get(name);
        context.ui.note(&format!(
            "Warning: {user} uses {name}={used}, {name}={} is the quota now: what runs goes on, nothing grows ({left} left)",
            stored.account.quota.get(name)
        ));
    }
    match &change.output {
        Some(format) if format.is_of_objects() => print_object(context.ui, format, &object(&stored.account)?),
        _ => done(context.ui, &change, &format!("quota/{user}"), word),
    }
}
