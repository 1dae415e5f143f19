//! The claims of the data disks of VMs. A claim is made after its VM, which owns it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::api::{ListParams, PostParams};
use kube::{Api, Client, ResourceExt};
use tokio::time::Instant;

use cmp_core::data_disk::{ClaimState, claim, claim_name, state};
use cmp_core::name::{ClusterName, InstanceName};
use cmp_core::quantity::Quantity;

use crate::early::{CATCH_UP, PAUSE};
use crate::error::{ApiError, if_there};

fn claims(client: &Client, cluster: &ClusterName) -> Api<PersistentVolumeClaim> {
    Api::namespaced(client.clone(), &cluster.namespace())
}

/// Makes the claim of a VM, if it has none.
pub async fn ensure(
    client: &Client,
    instance: &InstanceName,
    (size, uid): (Quantity, &str),
    manager: &str,
) -> Result<(), ApiError> {
    let api = claims(client, &instance.cluster);
    let params = PostParams { dry_run: false, field_manager: Some(manager.to_owned()) };
    let deadline = Instant::now() + CATCH_UP;
    loop {
        // A creation that is refused as AlreadyExists is counted by the ResourceQuota for minutes. So the claim is read
        // before.
        let found = if_there(api.get_metadata(&claim_name(instance)).await.map_err(ApiError::from))?;
        match state(found.as_ref().map(|claim| &claim.metadata), uid) {
            ClaimState::Ready => return Ok(()),
            ClaimState::Leaves if Instant::now() < deadline => {}
            ClaimState::Leaves => {
                let name = claim_name(instance);
                return Err(ApiError::Other(format!(
                    "the claim {name} of an earlier VM is still being deleted: repeat the command when it is gone"
                )));
            }
            ClaimState::Missing => match api.create(&params, &claim(instance, size, uid)).await.map_err(ApiError::from)
            {
                Ok(_) => return Ok(()),
                // Another writer made it in between. The next look decides about it.
                Err(error) if error.is_already_there() => {}
                Err(error) if error.is_not_seen_yet() && Instant::now() < deadline => {}
                Err(error) => return Err(error),
            },
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Makes the claims that are missing of existing VMs, given by their names and uids. An interrupted command may have
/// left a VM without its claim.
pub async fn complete<'a>(
    client: &Client,
    cluster: &ClusterName,
    size: Quantity,
    vms: impl IntoIterator<Item = (&'a InstanceName, &'a str)>,
    manager: &str,
) -> Result<(), ApiError> {
    let listed = claims(client, cluster).list_metadata(&ListParams::default()).await?;
    let there: BTreeMap<String, _> = listed.items.into_iter().map(|claim| (claim.name_any(), claim.metadata)).collect();
    for (name, uid) in vms {
        if state(there.get(&claim_name(name)), uid) != ClaimState::Ready {
            ensure(client, name, (size, uid), manager).await?;
        }
    }
    Ok(())
}
