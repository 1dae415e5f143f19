//! The cluster that a new one starts from: its want, and its VMs.

use cmp_client::kubevirt::Machines;
use cmp_core::name::{ClusterName, UserName};
use cmp_core::plan::copy::{Base, Observed, base as plan, begun, has_roots};

use crate::context::Context;
use crate::error::CliError;

/// Returns what a cluster starts from, for flags that say the rest.
pub(crate) async fn base(
    context: &Context<'_>,
    name: &ClusterName,
    from: &ClusterName,
    owner: Option<&UserName>,
) -> Result<Base, CliError> {
    // Both clusters are of one account, so that nobody learns of others.
    let account = context.account(&context.account_of(owner).await?).await?.account;
    if let Some(begun) = begun(name, from, &account) {
        return Ok(begun);
    }
    has_roots(from, &account)?;
    let client = context.client().await?;
    let vms = Machines::of(&client, from);
    let (machines, guests) = futures::try_join!(vms.list(), vms.running())?;
    Ok(plan(name, from, &account, &Observed { machines, guests })?)
}
