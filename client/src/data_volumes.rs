//! The `DataVolumes` of CDI, from which the root disks of VMs get their content. KubeVirt makes them.

use std::collections::BTreeMap;

use futures::stream::BoxStream;
use kube::api::{Api, DynamicObject, ListParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::watcher::Config;
use kube::{Client, ResourceExt};

use cmp_core::instance::Instance;
use cmp_core::kubevirt::LooseCondition;
use cmp_core::name::ClusterName;
use cmp_core::root_disk::{DataVolume, GROUP, VERSION, explain, may_explain, probe, volume_name};

use crate::accounts::changes;
use crate::discovery::{self, serves};
use crate::error::{ApiError, if_there};
use crate::kubevirt::read;

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
