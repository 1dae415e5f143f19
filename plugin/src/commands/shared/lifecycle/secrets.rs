//! The Secrets that VMs start with, looked up before a verb changes anything.

use cmp_client::instances;
use cmp_core::name::{ClusterName, InstanceName};
use cmp_core::plan::lifecycle as plan;
use cmp_core::vocabulary::InstanceType;

use super::VerbRequest;
use crate::commands::shared::first_boot::can_start;
use crate::commands::shared::losses::Kinds;
use crate::error::CliError;

impl VerbRequest<'_> {
    /// Checks that the VMs of a cluster can start that the verb would start. Adds the type of the cluster to `kinds`.
    pub(super) async fn can_start(&self, cluster: &ClusterName, kinds: &mut Kinds) -> Result<(), CliError> {
        if plan::switches_off(self.verb) {
            return Ok(());
        }
        // The verb itself reports a cluster that cannot be looked up.
        let Ok(kind) = self.context.kind(cluster).await else { return Ok(()) };
        kinds.insert(cluster.clone(), kind);
        let Some(kind @ InstanceType::Vm) = kind else { return Ok(()) };
        let all = instances::list(&self.client, cluster, kind).await;
        // A cluster that has released its quota is open to its owner, and one in deletion is not.
        let Ok(all) = all else { return Ok(()) };
        can_start(&self.client, all.iter().filter(|instance| plan::starts(self.verb, instance))).await
    }

    /// Checks that one VM can start, if the verb would start it.
    pub(super) async fn can_start_one(&self, name: &InstanceName, kind: Option<InstanceType>) -> Result<(), CliError> {
        let Some(kind @ InstanceType::Vm) = kind else { return Ok(()) };
        let found = instances::get(&self.client, name, kind).await?;
        can_start(&self.client, found.iter().filter(|instance| plan::starts(self.verb, instance))).await
    }
}
