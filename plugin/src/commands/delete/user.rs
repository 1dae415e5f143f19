//! `delete user`: the account, the rights and all tokens.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;

use cmp_client::accounts::{Accounts, Stored};
use cmp_client::namespaces::Of;
use cmp_client::tokens::Tokens;
use cmp_client::{ApiError, users};
use cmp_core::name::{ClusterName, UserName};
use cmp_core::plan::describe;
use cmp_core::plan::user::{self as plan, Step};
use cmp_core::progress::clock::Limit;

use crate::args::values::{duration, name};
use crate::args::{DryRun, DryRunArgs, LineArgs, LineFormat, YesArg, suffix};
use crate::commands::shared::delete_cluster;
use crate::commands::shared::delete_user::stop;
use crate::commands::shared::namespaces;
use crate::commands::shared::wait_clock::WaitClock;
use crate::commands::shared::write_account::print_plan;
use crate::context::{Context, complete, each_said, once};
use crate::error::CliError;
use crate::output::said;

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp delete user john\n  kubectl cmp delete user john --cascade --yes")]
pub(crate) struct DeleteUser {
    /// The names of the users
    #[arg(value_name = "NAME", required = true, value_parser = name::<UserName>)]
    pub(crate) names: Vec<UserName>,
    /// Delete the clusters of the users, too
    #[arg(long)]
    pub(crate) cascade: bool,
    #[command(flatten)]
    pub(crate) yes: YesArg,
    /// Time to wait until the clusters are gone
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) dry: DryRunArgs,
    #[command(flatten)]
    pub(crate) line: LineArgs,
}

pub(crate) async fn run(context: &Context<'_>, args: DeleteUser) -> Result<(), CliError> {
    let DeleteUser { names, cascade, yes: YesArg { yes }, timeout, dry, line: LineArgs { output } } = args;
    let dry_run = dry.dry_run;
    let mut found = Vec::new();
    let all_found = each_said(context, &once(names), &mut found, |name: &UserName| {
        let name = name.clone();
        async move { Ok((clusters(context, &name).await?, name)) }
    })
    .await?;
    let mut goes = Vec::new();
    for (clusters, name) in &found {
        goes.extend(plan::goes(name, clusters, cascade)?);
    }
    if dry_run == DryRun::None {
        context.ui.confirm(yes, &goes, "You are about to delete")?;
    }
    let steps = found.iter().flat_map(|(_, name)| describe::delete_user(name, cascade));
    print_plan(context.ui, dry_run, || Ok(goes.iter().cloned().chain(steps).collect()))?;
    let mut all_deleted = true;
    for (_, name) in &found {
        if dry_run == DryRun::None
            && let Err(error) = remove(context, name, cascade, timeout, output).await
        {
            // Continue with the other users.
            error.about(&format!("user/{name}")).print(context.ui);
            all_deleted = false;
            continue;
        }
        said(context.ui, output, &format!("user/{name}"), &format!("deleted{}", suffix(dry_run)))?;
    }
    complete(all_found && all_deleted)
}

/// Returns the clusters that a user still has: those of the account, and Namespaces that the account does not know.
async fn clusters(context: &Context<'_>, name: &UserName) -> Result<BTreeSet<ClusterName>, CliError> {
    let client = context.client().await?;
    let namespaces = cmp_client::namespaces::owned(&client, Of::User(name)).await?;
    let of_namespaces = namespaces.into_iter().filter_map(|(_, seen)| seen.cluster);
    let mut clusters: BTreeSet<ClusterName> = of_namespaces.collect();
    match context.accounts().await?.get(name).await {
        Ok(stored) => clusters.extend(plan::clusters(&stored.account)),
        // An earlier try deleted a part of the user.
        Err(error) if error.is_not_found() && (!clusters.is_empty() || users::exists(&client, name).await?) => {}
        Err(error) if error.is_not_found() => return Err(CliError::not_found("user", name.as_str())),
        // The clusters cannot be read. The policy refuses the deletion of the account if it holds something.
        Err(ApiError::Damaged { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(clusters)
}

/// Deletes a user, step by step.
async fn remove(
    context: &Context<'_>,
    name: &UserName,
    cascade: bool,
    timeout: Duration,
    format: Option<LineFormat>,
) -> Result<(), CliError> {
    let clock = WaitClock::start(Limit::Exact(timeout));
    let (client, accounts) = (context.client().await?, context.accounts().await?);
    // One time-out holds for all steps of a user.
    let accounts = accounts.patient(context.patience().until(clock.end()));
    let kept = |error: CliError| plan::kept(name).into_iter().fold(error, CliError::hint);
    let mut known = None;
    for step in plan::delete(cascade) {
        match step {
            Step::RevokeTokens => Tokens::new(&client).revoke_all(name).await?,
            Step::Stop => {
                known = stop(context, &accounts, name).await?;
                let clusters = known.iter().flat_map(|stored| plan::clusters(&stored.account)).collect();
                plan::may_go_on(name, &clusters, cascade)?;
            }
            Step::DeleteClusters => {
                if let Some(stored) = known.take() {
                    empty(context, &accounts, stored, &clock, format).await.map_err(kept)?;
                }
            }
            Step::RemoveRights => users::remove_rights(&client, name).await?,
            Step::DeleteNamespaces => {
                let failed = namespaces::all_gone(&client, Of::User(name), clock.end()).await?;
                left(context, &failed).map_err(kept)?;
            }
            Step::Look => {
                known = match accounts.get(name).await {
                    Ok(stored) => Some(stored),
                    Err(ApiError::Damaged { .. }) => None,
                    Err(error) if error.is_not_found() => None,
                    Err(error) => return Err(error.into()),
                };
            }
            Step::DeleteServiceAccount => users::remove_service_account(&client, name).await?,
            Step::DeleteAccount => accounts.delete(name.as_str(), false).await.map_err(|error| kept(error.into()))?,
        }
    }
    Ok(())
}

/// Prints the reasons for clusters that are left. Returns an error if there are any.
fn left(context: &Context<'_>, failed: &[CliError]) -> Result<(), CliError> {
    for error in failed {
        error.print(context.ui);
    }
    if failed.is_empty() { Ok(()) } else { Err(CliError::user("not deleted: some clusters of the user still exist")) }
}

/// Deletes all clusters of an account, including clusters that appear meanwhile, and waits until they are gone.
async fn empty(
    context: &Context<'_>,
    accounts: &Accounts,
    mut stored: Stored,
    clock: &WaitClock,
    format: Option<LineFormat>,
) -> Result<(), CliError> {
    let user = stored.account.user.clone();
    loop {
        let names = plan::clusters(&stored.account);
        if names.is_empty() {
            return Ok(());
        }
        let clusters = delete_cluster::read_clusters(context, &stored, names).await?;
        let (going, mut failed) = delete_cluster::ask(accounts, stored, clusters, DryRun::None).await?;
        failed.extend(delete_cluster::all_gone(context, accounts, vec![(user.clone(), going)], clock, format).await?);
        left(context, &failed)?;
        stored = match accounts.get(&user).await {
            Err(error) if error.is_not_found() => return Ok(()),
            read => read?,
        };
    }
}
