//! `delete token`: deletes the Secret that the token is bound to.

use clap::Args;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams};

use cmp_core::keys;

use crate::args::values::token;
use crate::args::{DryRun, DryRunArgs, UserNameArg, suffix};
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp delete token john john-x7k2p")]
pub(crate) struct DeleteToken {
    #[command(flatten)]
    pub(crate) user: UserNameArg,
    /// The ID of the token, as `get tokens` shows it
    #[arg(value_name = "ID", value_parser = token)]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) dry: DryRunArgs,
}

pub(crate) async fn run(context: &Context<'_>, args: DeleteToken) -> Result<(), CliError> {
    let DeleteToken { user: UserNameArg { user }, id, dry } = args;
    let secrets: Api<Secret> = Api::namespaced(context.client().await?, keys::USERS_NAMESPACE);
    let missing = || CliError::not_found("token", &id).hint(format!("kubectl cmp get tokens {user}"));
    let secret = secrets.get_opt(&id).await?.ok_or_else(missing)?;
    // Another Secret, or a token of another user, counts as not found.
    let labels = secret.labels();
    if labels.get(keys::TOKEN).is_none() || labels.get(keys::USER).is_none_or(|of| of != user.as_str()) {
        return Err(missing());
    }
    if dry.dry_run != DryRun::Client {
        let params = DeleteParams { dry_run: dry.dry_run == DryRun::Server, ..DeleteParams::default() };
        secrets.delete(&id, &params).await?;
    }
    context.ui.line(&format!("token/{id} deleted{}", suffix(dry.dry_run)))
}
