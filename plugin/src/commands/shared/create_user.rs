//! Creation of a user: a ServiceAccount, an account, and the right to it.

use std::collections::BTreeMap;

use serde_json::Value;

use cmp_client::accounts::Stored;
use cmp_client::update::Update;
use cmp_client::{ApiError, users};
use cmp_core::account::change::Change;
use cmp_core::account::{Account, Policy};
use cmp_core::format;
use cmp_core::name::UserName;
use cmp_core::resources::{CPU, MEMORY, Resources};

use crate::args::{ChangeArgs, DryRun};
use crate::commands::shared::users::{allows_nothing, object};
use crate::context::{Context, MANAGER};
use crate::error::CliError;
use crate::output::{done, print_object};

/// A user in a file.
pub(crate) struct UserRequest {
    pub(crate) name: UserName,
    quota: Resources,
    policy: Policy,
}

/// Reads a user in the form that `get user -o yaml` prints.
pub(crate) fn of_object(object: &Value) -> Result<UserRequest, String> {
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
    Ok(UserRequest { name, quota, policy })
}

/// Creates a user from a file, without a token. A file that is kept holds no credentials; `create token` makes them.
pub(crate) async fn create_without_token(
    context: &Context<'_>,
    asked: &UserRequest,
    change: &ChangeArgs,
) -> Result<(), CliError> {
    let UserRequest { name, quota, policy } = asked;
    let dry_run = change.dry.dry_run;
    let word = if dry_run == DryRun::Client {
        CREATED
    } else {
        let word = account(context, name, quota, policy, dry_run).await?;
        rights(context, name, dry_run).await?;
        word
    };
    if dry_run == DryRun::None {
        print_user_change(context, change, &context.account(name).await?, word)?;
        context.ui.note(&format!("hint: a credential for them: kubectl cmp create token {name}"));
        return Ok(());
    }
    print_user_change(context, change, &imagined(name, quota, policy), word)
}

/// Returns the account of a user that a dry run would create.
pub(crate) fn imagined(name: &UserName, quota: &Resources, policy: &Policy) -> Stored {
    let account = Account {
        user: name.clone(),
        uid: String::new(),
        quota: quota.clone(),
        policy: policy.clone(),
        clusters: BTreeMap::new(),
        settled: None,
        opaque: Vec::new(),
    };
    Stored { account, version: String::new(), created: None, labels: BTreeMap::new() }
}

/// Prints the line for the change, or the user as an object.
pub(crate) fn print_user_change(
    context: &Context<'_>,
    change: &ChangeArgs,
    stored: &Stored,
    word: &str,
) -> Result<(), CliError> {
    match &change.output {
        Some(format) if format.is_of_objects() => print_object(context.ui, format, &object(stored)),
        _ => done(context.ui, change, &format!("user/{}", stored.account.user), word),
    }
}

/// The word for an account that did not exist before.
pub(crate) const CREATED: &str = "created";

const UNCHANGED: &str = "unchanged";

/// Creates the account, and returns the word for the result. An equal account is accepted, because a second try finds
/// it.
pub(crate) async fn account(
    context: &Context<'_>,
    name: &UserName,
    quota: &Resources,
    policy: &Policy,
    dry_run: DryRun,
) -> Result<&'static str, CliError> {
    let accounts = context.accounts().await?;
    let mut data = Change::new().quota(quota);
    if *policy != Policy::default() {
        data = data.policy(policy);
    }
    match accounts.create(name, &data, MANAGER, dry_run == DryRun::Server).await {
        Ok(()) => Ok(CREATED),
        Err(error) if error.is_already_there() => {
            let stored = context.account(name).await?;
            let is = stored.account.policy.suspended;
            if stored.account.quota == *quota && is == policy.suspended {
                let stopped = allows_nothing(&stored.account.policy) && !allows_nothing(policy);
                return if stopped { allow_again(context, stored, policy, dry_run).await } else { Ok(UNCHANGED) };
            }
            if stored.account.quota == *quota {
                return Err(CliError::user(format!(
                    "user {name} exists, and what becomes of the quota of suspended clusters differs: it is {is}, asked \
                     for is {}",
                    policy.suspended
                ))
                .hint(format!("kubectl cmp set quota {name} --suspended {}", policy.suspended)));
            }
            Err(CliError::user(format!(
                "user {name} exists and has another quota: it is {}, asked for is {quota}",
                stored.account.quota
            ))
            .hint(format!(
                "kubectl cmp set quota {name} --cpu {} --memory {}",
                quota.cpu(),
                quota.memory()
            )))
        }
        Err(error) if error.is_not_found() => Err(not_installed(error)),
        Err(error) => Err(error.into()),
    }
}

/// Lets a user create clusters again after a deletion that was begun and not finished.
async fn allow_again(
    context: &Context<'_>,
    stored: Stored,
    policy: &Policy,
    dry_run: DryRun,
) -> Result<&'static str, CliError> {
    let accounts = context.accounts().await?;
    let Policy { clusters, instances, .. } = *policy;
    let user = stored.account.user.clone();
    let update = Update { manager: MANAGER, dry_run: dry_run.into(), judge: false };
    let updated = accounts.update(stored, update, |stored| {
        let again = Policy { clusters, instances, ..stored.account.policy.clone() };
        Ok::<_, ApiError>(Change::new().policy(&again))
    });
    match updated.await {
        Ok(_) => Ok("configured"),
        Err(error) if error.is_not_found() => Err(CliError::not_found("user", user.as_str())),
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
