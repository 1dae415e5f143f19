//! Creation of a user: a ServiceAccount, an account, and the right to it.

use std::collections::BTreeMap;

use serde_json::Value;

use cmp_client::accounts::Stored;
use cmp_client::{ApiError, users};
use cmp_core::account::Policy;
use cmp_core::format;
use cmp_core::name::UserName;
use cmp_core::plan::user::{self as plan, Wish, Word};
use cmp_core::resources::{CPU, MEMORY, Resources};

use crate::args::{ChangeArgs, DryRun};
use crate::commands::shared::users::object;
use crate::commands::shared::write_account::{print_outcome, write};
use crate::context::{Context, MANAGER};
use crate::error::CliError;
use crate::output::{done, print_object};

/// Reads a user in the form that `get user -o yaml` prints.
pub(crate) fn of_object(object: &Value) -> Result<Wish, String> {
    let name = object["metadata"]["name"].as_str().ok_or("a user has no metadata.name")?;
    let name: UserName = name.parse().map_err(|error: cmp_core::name::InvalidName| error.to_string())?;
    let read = |field: &str| (&object["spec"][field], format!("user {name}: spec.{field}"));
    let (quota, about) = read("quota");
    let quota: Resources = serde_json::from_value(quota.clone()).map_err(|error| format!("{about}: {error}"))?;
    if quota.named(CPU).is_none() || quota.named(MEMORY).is_none() {
        return Err(format!("{about}: cpu and memory have to be in it"));
    }
    if let Some(resource) = quota.unknown() {
        return Err(format!("{about}.{resource}: it is not a resource that can be handed out"));
    }
    // The flags have the same rule: to give a user none of a resource, leave it out.
    if let Some((resource, amount)) = quota.iter().find(|(_, amount)| amount.is_zero() || amount.is_negative()) {
        return Err(format!("{about}.{resource}: {amount} has to be above 0"));
    }
    let policy = match read("policy") {
        (Value::Null, _) => Policy::default(),
        (policy, about) => format::typed(policy.clone()).map_err(|error| format!("{about}: {error}"))?,
    };
    Ok(Wish { name, quota, policy })
}

/// Creates a user from a file, without a token. A file that is kept holds no credentials; `create token` makes them.
pub(crate) async fn create_without_token(
    context: &Context<'_>,
    asked: &Wish,
    change: &ChangeArgs,
) -> Result<(), CliError> {
    let (name, dry_run) = (&asked.name, change.dry.dry_run);
    let word = if dry_run == DryRun::Client {
        Word::Created
    } else {
        let word = account(context, asked, dry_run).await?;
        rights(context, name, dry_run).await?;
        word
    };
    if dry_run == DryRun::None {
        print_user_change(context, change, &context.account(name).await?, word)?;
        context.ui.note(&format!("hint: a credential for them: kubectl cmp create token {name}"));
        return Ok(());
    }
    let stored = imagined(asked);
    print_user_change(context, change, &stored, word)?;
    // The use of a user who exists is not known here.
    if word == Word::Created {
        print_outcome(context.ui, dry_run, &stored.account, []);
    }
    Ok(())
}

/// Returns the user that a dry run would create.
pub(crate) fn imagined(wish: &Wish) -> Stored {
    Stored { account: wish.account(), version: String::new(), created: None, labels: BTreeMap::new() }
}

/// Prints the line for the change, or the user as an object.
pub(crate) fn print_user_change(
    context: &Context<'_>,
    change: &ChangeArgs,
    stored: &Stored,
    word: Word,
) -> Result<(), CliError> {
    match &change.output {
        Some(format) if format.is_of_objects() => print_object(context.ui, format, &object(stored)),
        _ => done(context.ui, change, &format!("user/{}", stored.account.user), word.as_str()),
    }
}

/// Creates the account, and returns the word for the result.
pub(crate) async fn account(context: &Context<'_>, wish: &Wish, dry_run: DryRun) -> Result<Word, CliError> {
    let (accounts, name) = (context.accounts().await?, &wish.name);
    match accounts.create(name, &wish.data(), MANAGER, dry_run == DryRun::Server).await {
        Ok(()) => Ok(Word::Created),
        Err(error) if error.is_already_there() => {
            let stored = context.account(name).await?;
            let written = write(&accounts, stored, dry_run, |account| plan::existing(wish, account)).await;
            let missing = || CliError::not_found("user", name.as_str());
            let written = written.map_err(|error| if error.is_not_found() { missing() } else { error })?;
            Ok(plan::word(written.changed))
        }
        Err(error) if error.is_not_found() => Err(not_installed(error)),
        Err(error) => Err(error.into()),
    }
}

fn not_installed(error: ApiError) -> CliError {
    CliError::from(error).hint("cmp is not installed here: kubectl cmp install")
}

/// Creates the ServiceAccount, and its right to its own account and to nothing else.
pub(crate) async fn rights(context: &Context<'_>, name: &UserName, dry_run: DryRun) -> Result<(), CliError> {
    Ok(users::give_rights(&context.client().await?, name, dry_run == DryRun::Server).await?)
}
