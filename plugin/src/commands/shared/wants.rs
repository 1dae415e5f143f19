//! The quota of suspended clusters: given back by the policy of the account, and requested again.

use std::time::Duration;

use cmp_core::name::ClusterName;
use cmp_core::plan::release;
use cmp_core::plan::write::current;

use crate::args::DryRun;
use crate::commands::shared::prepared_cluster::prepared;
use crate::commands::shared::write_account::{print_outcome, write};
use crate::context::Context;
use crate::error::CliError;
use crate::view;

/// Gives back the quota of a suspended cluster, if the policy of the account asks for that. No instance runs in any
/// case, so that a failure is only a warning.
pub(crate) async fn give_back(context: &Context<'_>, name: &ClusterName, dry_run: DryRun) -> Result<(), CliError> {
    let accounts = context.accounts().await?;
    let stored = context.holder(name).await?;
    if !release::gives_back(&stored.account, name) {
        return Ok(());
    }
    if dry_run == DryRun::None {
        let kind = stored.account.cluster(name).kind();
        let (instances, orphans) = view::instances_and_orphans(&context.client().await?, name, kind).await?;
        if !release::is_off(&instances, &orphans) {
            return Ok(());
        }
    }
    match write(&accounts, stored, dry_run, |account| release::write(account, name, true)).await {
        Ok(_) if dry_run == DryRun::None => {
            context.ui.note(&format!(
                "cluster/{name}: its quota comes back when its instances are known to be gone (shown as releasing)"
            ));
        }
        Ok(written) => print_outcome(context.ui, dry_run, &written.stored.account, [name]),
        Err(error) => context.ui.note(&format!(
            "Warning: the quota of cluster/{name} was not given back yet: {}; `kubectl cmp suspend cluster {name}` tries \
             it again",
            error.message()
        )),
    }
    Ok(())
}

/// Requests the quota of a released cluster, and waits until its instances may run again. Returns whether it was
/// released.
pub(crate) async fn bring_back(
    context: &Context<'_>,
    name: &ClusterName,
    dry_run: DryRun,
    timeout: Duration,
) -> Result<bool, CliError> {
    let stored = context.holder(name).await?;
    if !release::asks_back(&stored.account, name) {
        return Ok(false);
    }
    let (accounts, user) = (context.accounts().await?, stored.account.user.clone());
    let stored = write(&accounts, stored, dry_run, |account| release::write(account, name, false)).await?.stored;
    print_outcome(context.ui, dry_run, &stored.account, [name]);
    if dry_run == DryRun::None {
        prepared(context.ui, &accounts, &user, name, &current(&stored.account, name)?, timeout).await?;
    }
    Ok(true)
}
