//! The `DataVolumes` of CDI, from which the root disks of VMs get their content. KubeVirt makes them.

use std::collections::BTreeMap;

use futures::stream::BoxStream;
use kube::api::{Api, DynamicObject, ListParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::watcher::Config;
use kube::{Client, ResourceExt};
use serde_json::Value;
use tokio::time::Instant;

use cmp_core::instance::Instance;
use cmp_core::kubevirt::LooseCondition;
use cmp_core::name::{ClusterName, InstanceName};
use cmp_core::root_disk::{DataVolume, GROUP, VERSION, explain, may_explain, probe, volume_name};

use crate::accounts::changes;
use crate::discovery::{self, serves};
use crate::early::{CATCH_UP, PAUSE};
use crate::error::{ApiError, if_there};
use crate::kubevirt::{Machines, read};

const PLURAL: &str = "datavolumes";

fn api(client: &Client, cluster: &ClusterName) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(GROUP, VERSION, "DataVolume"), PLURAL);
    Api::namespaced_with(client.clone(), &cluster.namespace(), &resource)
}

/// Reports whether the Kubernetes cluster has CDI: whether the API server serves `DataVolumes`.
pub async fn installed(client: &Client) -> Result<bool, ApiError> {
    serves(client, &format!("{GROUP}/{VERSION}"), PLURAL).await
}

/// Lists the definitions of CDI that are stored, but that the API server does not serve.
pub async fn unserved(client: &Client) -> Result<Vec<String>, ApiError> {
    discovery::unserved(client, GROUP, &[PLURAL]).await
}

/// Returns the trouble that the operator of CDI reports of its installation, in its own words. An installation without an
/// operator reports nothing.
pub async fn trouble(client: &Client) -> Result<Option<String>, ApiError> {
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(GROUP, VERSION, "CDI"), "cdis");
    let installations = Api::<DynamicObject>::all_with(client.clone(), &resource);
    let listed = if_there(installations.list(&ListParams::default()).await.map_err(ApiError::from))?;
    let mut reported =
        listed.into_iter().flat_map(|listed| listed.items).filter_map(|one| read::<DataVolume>(one).ok());
    Ok(reported.find_map(|one| unavailable(&one.status.conditions)))
}

/// Returns the text of the condition by which an operator says that its installation does not work.
fn unavailable(conditions: &[LooseCondition]) -> Option<String> {
    let bad = |condition: &&LooseCondition| {
        let LooseCondition { type_, status, .. } = condition;
        type_ == "Available" && status == "False" || type_ == "Degraded" && status == "True"
    };
    let said = conditions.iter().find(bad)?;
    let text = [said.reason.as_deref(), said.message.as_deref()].into_iter().flatten().filter(|text| !text.is_empty());
    Some(text.fold(format!("{}={}", said.type_, said.status), |all, text| format!("{all}: {text}")))
}

/// Asks the API server for a `DataVolume` by a dry run, in a Namespace that always exists. CDI's webhooks judge it.
pub async fn try_one(client: &Client) -> Result<(), ApiError> {
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(GROUP, VERSION, "DataVolume"), PLURAL);
    let volumes: Api<DynamicObject> = Api::namespaced_with(client.clone(), "default", &resource);
    let params = PostParams { dry_run: true, ..PostParams::default() };
    volumes.create(&params, &DynamicObject::new("cmp-check", &resource).data(probe())).await?;
    Ok(())
}

/// Makes the `DataVolume` of a VM whose root disk is a copy, if it has none. It is made before the VM, which KubeVirt makes
/// its owner.
pub(crate) async fn copy(
    client: &Client,
    instance: &InstanceName,
    volume: &Value,
    manager: &str,
    dry_run: bool,
) -> Result<(), ApiError> {
    let volumes = api(client, &instance.cluster);
    let object: DynamicObject =
        serde_json::from_value(volume.clone()).map_err(|error| ApiError::Other(error.to_string()))?;
    let params = PostParams { dry_run, field_manager: Some(manager.to_owned()) };
    let (name, deadline) = (object.name_any(), Instant::now() + CATCH_UP);
    loop {
        let found = if_there(volumes.get_metadata(&name).await.map_err(ApiError::from))?;
        let leaves = match &found {
            None => match volumes.create(&params, &object).await.map_err(ApiError::from) {
                Ok(_) => return Ok(()),
                // Another client made it in between. The next look decides about it.
                Err(error) if error.is_already_there() => false,
                // The RoleBinding or the count was written a moment ago, and not every API server has seen it.
                Err(error) if error.is_not_seen_yet() && Instant::now() < deadline => false,
                Err(error) => return Err(error),
            },
            Some(found) if found.metadata.deletion_timestamp.is_some() => true,
            Some(found) if found.metadata.owner_references.iter().flatten().next().is_none() => return Ok(()),
            // It belongs to this VM, which another client made, or to an earlier one.
            Some(_) => match Machines::of(client, &instance.cluster).get(instance).await? {
                Some(_) => return Ok(()),
                None => true,
            },
        };
        if leaves && Instant::now() >= deadline {
            return Err(ApiError::Other(format!(
                "the disk {name} of an earlier VM is still being deleted: repeat the command when it is gone"
            )));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Yields whenever a `DataVolume` of a cluster changes, and once when the first list is complete.
pub fn changed(client: &Client, cluster: &ClusterName) -> BoxStream<'static, ()> {
    changes(api(client, cluster), Config::default())
}

/// Makes the state of their disks the reason of the instances that wait for them. If the disks cannot be read, the
/// reasons stay those of KubeVirt, which is no failure.
pub async fn explain_disks(client: &Client, cluster: &ClusterName, instances: &mut [Instance]) {
    if !instances.iter().any(may_explain) {
        return;
    }
    let Ok(listed) = api(client, cluster).list(&ListParams::default()).await else { return };
    let volumes =
        listed.items.into_iter().filter_map(|object| Some((object.name_any(), read::<DataVolume>(object).ok()?)));
    let volumes: BTreeMap<String, DataVolume> = volumes.collect();
    for instance in instances.iter_mut().filter(|instance| may_explain(instance)) {
        if let Some(volume) = volumes.get(&volume_name(&instance.name)) {
            explain(instance, volume);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_that_is_unavailable_or_degraded_says_why() {
        let condition = |type_: &str, status: &str, reason: &str| LooseCondition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(String::new()),
        };
        for (type_, status, reason, expected) in [
            ("Available", "True", "Deployed", None),
            ("Available", "False", "NoDeployment", Some("Available=False: NoDeployment")),
            ("Degraded", "True", "", Some("Degraded=True")),
            ("Degraded", "False", "x", None),
            ("Progressing", "True", "x", None),
        ] {
            assert_eq!(unavailable(&[condition(type_, status, reason)]).as_deref(), expected, "{type_} {status}");
        }
        assert_eq!(unavailable(&[]), None);
    }
}
