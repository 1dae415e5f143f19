//! Check whether the VMs of all clusters find the Secrets of their first boot when they start again.

use futures::stream::{self, StreamExt};
use kube::Client;

use cmp_client::accounts::Accounts;
use cmp_client::first_boot::missing;
use cmp_client::{ApiError, instances};
use cmp_core::account::{Account, HeldState, Want};
use cmp_core::first_boot::{Files, missing, secrets};
use cmp_core::name::{ClusterName, UserName};
use cmp_core::vocabulary::InstanceType;

use crate::commands::check::report::Check;

const NAME: &str = "first-boot";

/// Number of clusters that are looked up in parallel.
const AT_ONCE: usize = 16;

/// Checks the clusters of all accounts. Returns nothing if all Secrets are there.
pub(super) async fn run_checks(client: &Client) -> Vec<Check> {
    match Accounts::new(client.clone()).list().await {
        Ok(accounts) => {
            let mut checks = Vec::new();
            // Another check names the accounts that cannot be read.
            for stored in accounts.into_iter().flatten() {
                checks.extend(of_account(client, &stored.account).await);
            }
            checks
        }
        Err(error) => vec![Check::of(NAME, Err(error.into()))],
    }
}

/// Checks the clusters of one account.
pub(super) async fn of_account(client: &Client, account: &Account) -> Vec<Check> {
    let each = stream::iter(&account.clusters).map(|(cluster, entry)| async move {
        let ready = entry.held.as_ref().is_some_and(|held| held.state == HeldState::Ready);
        let Some(want) = entry.want.as_ref().filter(|_| ready) else { return Vec::new() };
        match gone(client, cluster, want).await {
            Ok(gone) => gone.iter().map(|secret| check(&account.user, cluster, secret)).collect(),
            Err(error) => vec![Check::of(NAME, Err(error.into()))],
        }
    });
    let checks: Vec<Vec<Check>> = each.buffered(AT_ONCE).collect().await;
    checks.concat()
}

/// Returns the Secrets that are gone and that a VM of the cluster needs. A cluster that is being created has none yet.
async fn gone(client: &Client, cluster: &ClusterName, want: &Want) -> Result<Vec<String>, ApiError> {
    let needed = secrets(cluster, want, &Files::default()).into_iter();
    let mut gone = missing(client, cluster, needed.map(|needed| needed.name()).collect()).await?;
    if !gone.is_empty() {
        let vms = instances::list(client, cluster, InstanceType::Vm).await?;
        gone.retain(|secret| vms.iter().any(|vm| vm.secrets.contains(secret)));
    }
    Ok(gone.into_iter().collect())
}

fn check(user: &UserName, cluster: &ClusterName, secret: &str) -> Check {
    let said = format!("{}: the VMs of cluster {cluster} do not start again", missing::sentence(cluster, secret));
    Check::warning(NAME, said).hint(format!("user {user} has to {}", missing::way_out(cluster, secret)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_secret_names_its_cluster_and_who_can_write_it() {
        let check = check(&"john".parse().unwrap(), &"dev".parse().unwrap(), "cmp-sysprep");
        assert_eq!(
            check.lines(usize::MAX),
            "warning   first-boot: secret cmp-sysprep in namespace dev-ns is gone: the VMs of cluster dev do not start \
             again\nhint: user john has to write it again: repeat create cluster dev with the same flags and files\n"
        );
    }
}
