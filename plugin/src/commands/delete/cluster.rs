//! `delete cluster`: writes the wish, and cmp-webhook deletes the cluster.

use clap::Args;

use cmp_client::accounts::Stored;
use cmp_core::name::ClusterName;
use cmp_core::plan::{Write, delete as plan, describe};

use crate::args::{DryRun, DryRunArgs, LineArgs, WaitArgs, WhichClusters, YesArg, suffix};
use crate::commands::shared::delete_cluster::{all_gone, ask, read_clusters};
use crate::commands::shared::select_clusters::{check_owner, matching};
use crate::commands::shared::wait_clock::WaitClock;
use crate::commands::shared::write_account::{print_outcome, print_plan};
use crate::context::{Context, complete};
use crate::error::CliError;
use crate::output::said;

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp delete cluster web\n  kubectl cmp delete cluster web db --yes --wait"
)]
pub(crate) struct DeleteCluster {
    #[command(flatten)]
    pub(crate) which: WhichClusters,
    #[command(flatten)]
    pub(crate) yes: YesArg,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) dry: DryRunArgs,
    #[command(flatten)]
    pub(crate) line: LineArgs,
}

/// The hint for clusters that are not gone in time.
const NOTED: &str = "hint: the deletion is recorded in the account, and cmp-webhook continues it; `kubectl cmp get clusters -o wide` shows \
                     the progress";

pub(crate) async fn run(context: &Context<'_>, args: DeleteCluster) -> Result<(), CliError> {
    let DeleteCluster { which, yes: YesArg { yes }, wait, dry, line: LineArgs { output } } = args;
    let dry_run = dry.dry_run;
    let mut complete_so_far = true;
    let mut found: Vec<(Stored, Vec<ClusterName>)> = Vec::new();
    if which.is_query() {
        found = matching(context, &which).await?;
    } else {
        for name in context.clusters(which.names.clone())? {
            let held = holders(context, &name).await.and_then(|accounts| {
                accounts.iter().try_for_each(|stored| check_owner(stored, &name, which.owner.as_ref()))?;
                Ok(accounts)
            });
            match held {
                Ok(accounts) => accounts.into_iter().for_each(|stored| add(&mut found, stored, &name)),
                Err(error) => {
                    error.print(context.ui);
                    complete_so_far = false;
                }
            }
        }
    }
    if found.iter().all(|(_, names)| names.is_empty()) {
        if which.is_query() {
            context.ui.note("No resources found.");
        }
        return complete(complete_so_far);
    }
    let mut goes = Vec::new();
    let mut going = Vec::new();
    for (stored, names) in found {
        let clusters = read_clusters(context, &stored, names).await?;
        goes.extend(clusters.iter().filter_map(|cluster| cluster.warning(&stored.account.user)));
        going.push((stored, clusters));
    }
    if dry_run == DryRun::None {
        context.ui.confirm(yes, &goes, "You are about to delete")?;
    }
    let accounts = context.accounts().await?;
    print_plan(context.ui, dry_run, || {
        let asked = |(stored, clusters): &(Stored, Vec<plan::Cluster>)| {
            let change = plan::change(&stored.account, clusters.iter().map(|cluster| &cluster.name));
            Write::of(&stored.account, change)
        };
        let writes: Vec<Write> = going.iter().map(asked).collect::<Result<_, _>>()?;
        Ok(describe::delete_clusters(&writes, &goes))
    })?;
    // Request all deletions before waiting for one: they run in parallel, and a slow cluster does not keep another one
    // from being deleted.
    let (mut asked, mut imagined) = (Vec::new(), Vec::new());
    for (stored, clusters) in going {
        let user = stored.account.user.clone();
        let before = stored.account.clone();
        match ask(&accounts, stored, clusters, dry_run).await {
            Ok((going, failed)) => {
                complete_so_far &= failed.is_empty();
                for error in &failed {
                    error.print(context.ui);
                }
                if dry_run != DryRun::None {
                    let names: Vec<ClusterName> = going.iter().map(|cluster| cluster.name.clone()).collect();
                    imagined.push((Write::of(&before, plan::change(&before, &names))?.account, names));
                }
                asked.push((user, going));
            }
            Err(error) => {
                error.about(&format!("user/{user}")).print(context.ui);
                complete_so_far = false;
            }
        }
    }
    if !wait.wait || dry_run != DryRun::None {
        for name in asked.iter().flat_map(|(_, clusters)| clusters).map(|cluster| &cluster.name) {
            said(context.ui, output, &format!("cluster/{name}"), &format!("deleted{}", suffix(dry_run)))?;
        }
        let any_held = asked.iter().flat_map(|(_, clusters)| clusters).any(plan::Cluster::exists);
        if dry_run == DryRun::None && any_held {
            context.ui.note("the quota returns when everything is gone (shown as deleting)");
        }
        for (account, names) in imagined {
            print_outcome(context.ui, dry_run, &account, &names);
        }
        return complete(complete_so_far);
    }
    let late = all_gone(context, &accounts, asked, &WaitClock::start(wait.limit()), output).await?;
    for error in &late {
        error.print(context.ui);
    }
    if !late.is_empty() {
        context.ui.note(NOTED);
    }
    complete(complete_so_far && late.is_empty())
}

/// Returns the account that has this cluster. If there is no such cluster, returns the accounts in which the name was
/// refused.
async fn holders(context: &Context<'_>, name: &ClusterName) -> Result<Vec<Stored>, CliError> {
    match context.holder(name).await {
        Ok(stored) if stored.account.cluster(name).exists() => return Ok(vec![stored]),
        Err(error) if !error.is_not_found() => return Err(error),
        _ => {}
    }
    let mut known = match &context.who().await?.user {
        Some(user) => vec![context.account(user).await?],
        None => context.accounts().await?.list().await?.into_iter().flatten().collect(),
    };
    known.retain(|stored| plan::is_refused(&stored.account, name));
    if known.is_empty() { Err(CliError::not_found("cluster", name.as_str())) } else { Ok(known) }
}

/// Adds a cluster to the list of its account.
fn add(found: &mut Vec<(Stored, Vec<ClusterName>)>, stored: Stored, name: &ClusterName) {
    match found.iter_mut().find(|(known, _)| known.account.user == stored.account.user) {
        // The later version of the account knows all of them.
        Some((known, names)) => {
            *known = stored;
            names.push(name.clone());
        }
        None => found.push((stored, vec![name.clone()])),
    }
}
