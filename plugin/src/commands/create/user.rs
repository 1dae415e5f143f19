//! `create user`: a ServiceAccount, an account, and the right to it; and the kubeconfig of the user.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::json;

use cmp_client::connect::base64;
use cmp_client::private;
use cmp_core::account::Policy;
use cmp_core::name::UserName;
use cmp_core::plan::amounts::{Amount, with_more};
use cmp_core::plan::user::{self as plan, Credential, Wish, Word};
use cmp_core::quantity::Quantity;
use cmp_core::resources::Resources;

use crate::args::values::{amount, lifetime, memory, name, quantity};
use crate::args::{ChangeArgs, DryRun, SuspendedQuota};
use crate::commands::shared::create_user::{account, imagined, print_user_change, rights};
use crate::commands::shared::tokens;
use crate::commands::shared::write_account::print_outcome;
use crate::context::Context;
use crate::error::CliError;
use crate::output::yaml;

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp create user john --cpu 16 --memory 64Gi --kubeconfig-out john.kubeconfig\n  kubectl cmp create user mary --cpu 8 --memory 32Gi --resource nvidia.com/gpu=2"
)]
pub(crate) struct CreateUser {
    /// The name of the user
    #[arg(value_name = "NAME", value_parser = name::<UserName>)]
    pub(crate) name: UserName,
    /// The CPU quota of the user, for all instances together
    #[arg(long, value_name = "CPU", value_parser = quantity, allow_negative_numbers = true)]
    pub(crate) cpu: Quantity,
    /// The memory quota of the user, for all instances together
    #[arg(long, value_name = "MEMORY", value_parser = memory, allow_negative_numbers = true)]
    pub(crate) memory: Quantity,
    /// The quota of another resource, such as nvidia.com/gpu=4 (repeatable)
    #[arg(long, value_name = "NAME=AMOUNT", value_parser = amount)]
    pub(crate) resource: Vec<Amount>,
    /// Whether suspended clusters keep their quota, or release it until they are resumed
    #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
    pub(crate) suspended: SuspendedQuota,
    /// Requested lifetime of the token in the kubeconfig
    #[arg(long, value_name = "DURATION", default_value = "720h", value_parser = lifetime)]
    pub(crate) token_duration: Duration,
    /// Write the user's kubeconfig to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig_out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

/// Time that the first reconcile of a new account may take.
const SETTLED: Duration = Duration::from_secs(10);

pub(crate) async fn run(context: &Context<'_>, args: CreateUser) -> Result<(), CliError> {
    let CreateUser { name, cpu, memory, resource, suspended, token_duration, kubeconfig_out, change } = args;
    let quota = with_more(Resources::new(cpu, memory), &resource)?;
    let (dry_run, has_output) = (change.dry.dry_run, change.output.is_some());
    let wish = Wish { name, quota, policy: Policy { suspended: suspended.into(), ..Policy::default() } };
    let name = &wish.name;
    let would = |word: Word| {
        let stored = imagined(&wish);
        print_user_change(context, &change, &stored, word)?;
        // The use of a user who exists is not known here.
        if word == Word::Created {
            print_outcome(context.ui, dry_run, &stored.account, []);
        }
        Ok(())
    };
    if dry_run == DryRun::Client {
        return would(Word::Created);
    }
    // Open the file first: an unwritable file must not leave a user without a kubeconfig.
    let mut file = match (&kubeconfig_out, dry_run) {
        (Some(path), DryRun::None) => Some(open(path)?),
        _ => None,
    };
    let word = account(context, &wish, dry_run).await?;
    rights(context, name, dry_run).await?;
    if dry_run == DryRun::Server {
        return would(word);
    }
    let settled = context
        .accounts()
        .await?
        .wait(name, "the account to be looked at", SETTLED, |stored| stored.account.is_settled().then_some(()))
        .await;
    if let Err(error) = settled {
        context.ui.note(&format!("Warning: nothing can be created by {name} yet: {error}; is cmp-webhook running?"));
    }
    let credential = plan::credential(word, file.is_some(), has_output);
    if credential != Credential::No {
        let token = tokens::make(context, name, token_duration).await?;
        let kubeconfig = kubeconfig(context, name, &token.bearer).await?;
        match &mut file {
            Some(file) => write(file, &kubeconfig)?,
            // The output stays YAML, so that it can be stored unchanged.
            None => return context.ui.out(&format!("# user/{name} {}\n{kubeconfig}", word.as_str())),
        }
    }
    print_user_change(context, &change, &context.account(name).await?, word)?;
    context.ui.notes(&plan::no_token(name, word, credential, has_output));
    Ok(())
}

/// Opens the file of a kubeconfig. Only its owner can read it, because it holds a credential.
fn open(path: &Path) -> Result<File, CliError> {
    private::open(path).map_err(|error| {
        CliError::user(format!("--kubeconfig-out {}: {error}", path.display())).hint("nothing was created")
    })
}

/// Replaces the contents of the file. An older kubeconfig stays until the new one is ready.
fn write(file: &mut File, kubeconfig: &str) -> Result<(), CliError> {
    file.set_len(0)?;
    Ok(file.write_all(kubeconfig.as_bytes())?)
}

/// Returns the kubeconfig of a user: the API server and the credential.
async fn kubeconfig(context: &Context<'_>, name: &UserName, token: &str) -> Result<String, CliError> {
    let connection = context.connection().await?;
    let mut cluster = json!({ "server": connection.server });
    if let Some(authority) = &connection.certificate_authority {
        cluster["certificate-authority-data"] = json!(base64(authority.as_bytes()));
    } else if context.global.insecure_skip_tls_verify {
        cluster["insecure-skip-tls-verify"] = json!(true);
    }
    let entry = format!("{name}@cmp");
    yaml(&json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "cmp", "cluster": cluster }],
        "users": [{ "name": name, "user": { "token": token } }],
        "contexts": [{ "name": entry, "context": { "cluster": "cmp", "user": name } }],
        "current-context": entry,
    }))
}
