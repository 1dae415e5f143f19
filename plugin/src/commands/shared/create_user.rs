//! Creation of a user: a ServiceAccount, an account, and the right to it.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use cmp_client::accounts::Stored;
use cmp_client::{ApiError, users};
use cmp_core::account::Policy;
use cmp_core::format;
use cmp_core::name::UserName;
use cmp_core::plan::create_user::{self, Request, Step, Word};
use cmp_core::plan::describe;
use cmp_core::plan::user::{Wish, existing};
use cmp_core::resources::{CPU, MEMORY, Resources};

use crate::args::{ChangeArgs, DryRun};
use crate::commands::shared::users::object;
use crate::commands::shared::write_account::{print_outcome, print_plan, write};
use crate::commands::shared::{kubeconfig, tokens};
use crate::context::{Context, MANAGER};
use crate::error::CliError;
use crate::output::{done, print_object};

/// Time that the first reconcile of a new account may take.
const SETTLED: Duration = Duration::from_secs(10);

/// Reads a user in the form that `get user -o yaml` prints.
pub(crate) fn of_object(object: &Value) -> Result<Wish, String> {
    let name = object["metadata"]["name"].as_str().ok_or("a user has no metadata.name")?;
    let name: UserName = name.parse().map_err(|error: cmp_core::name::InvalidName| error.to_string())?;
    let read = |field: &str| (&object["spec"][field], format!("user {name}: spec.{field}"));
    let (quota, about) = read("quota");
    let quota: Resources = format::typed(quota.clone(), &about)?;
    if quota.named(CPU).is_none() || quota.named(MEMORY).is_none() {
        return Err(format!("{about}: cpu and memory are required"));
    }
    if let Some(resource) = quota.unknown() {
        return Err(format!("{about}.{resource}: a quota cannot have this resource"));
    }
    // The flags have the same rule: to give a user none of a resource, leave it out.
    if let Some((resource, amount)) = quota.iter().find(|(_, amount)| amount.is_zero() || amount.is_negative()) {
        return Err(format!("{about}.{resource}: {amount} must be above 0"));
    }
    let policy = match read("policy") {
        (Value::Null, _) => Policy::default(),
        (policy, about) => format::typed(policy.clone(), &about)?,
    };
    Ok(Wish { name, quota, policy })
}

/// The credential that a new user gets.
pub(crate) struct CredentialRequest<'a> {
    /// Requested lifetime of the token.
    pub(crate) duration: Duration,
    /// The file of the kubeconfig, if one is named.
    pub(crate) kubeconfig: Option<&'a Path>,
}

/// Creates a user. A user from a file has no request for a credential: a file that is kept holds none, and
/// `create token` makes them.
pub(crate) async fn create(
    context: &Context<'_>,
    wish: &Wish,
    credential: Option<CredentialRequest<'_>>,
    change: &ChangeArgs,
) -> Result<(), CliError> {
    let (name, dry_run) = (&wish.name, change.dry.dry_run);
    let path = credential.as_ref().and_then(|credential| credential.kubeconfig);
    let request = Request {
        dry_run: dry_run.into(),
        credential: credential.is_some(),
        has_file: path.is_some(),
        has_output: change.output.is_some(),
    };
    print_plan(context.ui, dry_run, || Ok(describe::create_user(&request, wish)))?;
    let (mut file, mut text) = (None, String::new());
    let mut steps = VecDeque::from(create_user::create(&request, name));
    while let Some(step) = steps.pop_front() {
        match step {
            Step::OpenKubeconfig => file = path.map(kubeconfig::open).transpose()?,
            Step::CreateAccount => {
                let word = account(context, wish, dry_run).await?;
                steps.extend(create_user::after_account(&request, name, word));
            }
            Step::GiveRights => {
                users::give_rights(&context.client().await?, name, dry_run == DryRun::Server).await?;
            }
            Step::Settle => settled(context, name).await?,
            Step::MakeKubeconfig => {
                let Some(credential) = &credential else { return Err(CliError::internal("no token is wanted")) };
                let token = tokens::make(context, name, credential.duration).await?;
                text = kubeconfig::of(context, name, &token.bearer).await?;
            }
            Step::WriteKubeconfig => file.as_mut().map_or(Ok(()), |file| kubeconfig::write(file, &text))?,
            // The output stays YAML, so that it can be stored unchanged.
            Step::PrintKubeconfig(word) => context.ui.out(&format!("# user/{name} {}\n{text}", word.as_str()))?,
            Step::PrintUser(word) => print_user_change(context, change, &context.account(name).await?, word)?,
            Step::PrintImagined(word) => print_user_change(context, change, &imagined(wish), word)?,
            Step::TellOutcome => print_outcome(context.ui, dry_run, &wish.account(), []),
            Step::Tell(lines) => context.ui.notes(&lines),
        }
    }
    Ok(())
}

/// Waits for the first reconcile of a new account. Nothing can be created before.
async fn settled(context: &Context<'_>, name: &UserName) -> Result<(), CliError> {
    let accounts = context.accounts().await?;
    let settled =
        accounts.wait(name, "the account to be looked at", SETTLED, |stored| stored.account.is_settled().then_some(()));
    if let Err(error) = settled.await {
        context.ui.note(&format!("Warning: nothing can be created by {name} yet: {error}; is cmp-webhook running?"));
    }
    Ok(())
}

/// Returns the user that a dry run would create.
fn imagined(wish: &Wish) -> Stored {
    let (labels, authors) = (BTreeMap::new(), BTreeMap::new());
    Stored { account: wish.account(), version: String::new(), created: None, labels, authors }
}

/// Prints the line for the change, or the user as an object.
fn print_user_change(context: &Context<'_>, change: &ChangeArgs, stored: &Stored, word: Word) -> Result<(), CliError> {
    match &change.output {
        Some(format) if format.is_of_objects() => print_object(context.ui, format, &object(stored)),
        _ => done(context.ui, change, &format!("user/{}", stored.account.user), word.as_str()),
    }
}

/// Creates the account, and returns the word for the result.
async fn account(context: &Context<'_>, wish: &Wish, dry_run: DryRun) -> Result<Word, CliError> {
    let (accounts, name) = (context.accounts().await?, &wish.name);
    match accounts.create(name, &wish.data(), MANAGER, dry_run == DryRun::Server).await {
        Ok(()) => Ok(Word::Created),
        Err(error) if error.is_already_there() => {
            let stored = context.account(name).await?;
            let written = write(&accounts, stored, dry_run, |account| existing(wish, account)).await;
            let missing = || CliError::not_found("user", name.as_str());
            let written = written.map_err(|error| if error.is_not_found() { missing() } else { error })?;
            Ok(create_user::word(written.changed))
        }
        Err(error) if error.is_not_found() => Err(not_installed(error)),
        Err(error) => Err(error.into()),
    }
}

fn not_installed(error: ApiError) -> CliError {
    CliError::from(error).hint("cmp is not installed in this cluster: kubectl cmp install")
}
