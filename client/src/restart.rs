//! Restarts one instance.

use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Preconditions};
use kube::{Api, Client};

use cmp_core::name::InstanceName;
use cmp_core::vocabulary::InstanceType;

use crate::error::ApiError;
use crate::instances;
use crate::kubevirt::Machines;

fn pods(client: &Client, name: &InstanceName) -> Api<Pod> {
    Api::namespaced(client.clone(), &name.cluster.namespace())
}

/// Begins the restart of an instance: deletes the Pod, which its StatefulSet makes again, or restarts the guest. Returns
/// the uid of the Pod or guest that goes, if there was one.
pub async fn begin(
    client: &Client,
    name: &InstanceName,
    kind: InstanceType,
    dry_run: bool,
) -> Result<Option<String>, ApiError> {
    let old = runner(client, name, kind).await?;
    match (kind, &old) {
        (_, None) => {}
        (InstanceType::Container, Some(uid)) => {
            // Without its uid the Pod that has taken its place meanwhile could be deleted as well.
            let this_one = Preconditions { uid: Some(uid.clone()), resource_version: None };
            let params = DeleteParams { dry_run, preconditions: Some(this_one), ..DeleteParams::default() };
            match pods(client, name).delete(&format!("{name}-0"), &params).await.map_err(ApiError::from) {
                Err(error) if !error.is_not_found() && !error.is_conflict() => return Err(error),
                _ => {}
            }
        }
        (InstanceType::Vm, Some(_)) if dry_run => {}
        (InstanceType::Vm, Some(_)) => Machines::of(client, &name.cluster).restart(name).await?,
    }
    Ok(old)
}

/// Reports whether another Pod or guest than the old one runs. An instance that was switched off or deleted meanwhile
/// counts as well.
pub async fn is_done(
    client: &Client,
    name: &InstanceName,
    kind: InstanceType,
    old: Option<&str>,
) -> Result<bool, ApiError> {
    if instances::get(client, name, kind).await?.is_none_or(|instance| !instance.on) {
        return Ok(true);
    }
    Ok(match kind {
        InstanceType::Container => pod(client, name).await?.is_some_and(|pod| is_another(&pod, old)),
        InstanceType::Vm => {
            let guest = Machines::of(client, &name.cluster).instance(name).await?;
            guest.is_some_and(|guest| guest.metadata.uid.as_deref() != old && guest.runs())
        }
    })
}

/// Reports whether a Pod is ready and not being deleted.
pub(crate) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let ready = conditions.into_iter().flatten().any(|is| is.type_ == "Ready" && is.status == "True");
    ready && pod.metadata.deletion_timestamp.is_none()
}

/// Reports whether a Pod is ready and not the old one.
fn is_another(pod: &Pod, old: Option<&str>) -> bool {
    is_ready(pod) && pod.metadata.uid.as_deref() != old
}

async fn pod(client: &Client, name: &InstanceName) -> Result<Option<Pod>, ApiError> {
    Ok(pods(client, name).get_opt(&format!("{name}-0")).await?)
}

/// Returns the uid of the Pod or guest that runs an instance.
async fn runner(client: &Client, name: &InstanceName, kind: InstanceType) -> Result<Option<String>, ApiError> {
    match kind {
        InstanceType::Container => Ok(pod(client, name).await?.and_then(|pod| pod.metadata.uid)),
        InstanceType::Vm => {
            let guest = Machines::of(client, &name.cluster).instance(name).await?;
            Ok(guest.and_then(|guest| guest.metadata.uid))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_restart_is_done_when_another_pod_is_ready() {
        let check = |uid: &str, ready: &str, deleted: Value, old: Option<&str>, expected: bool| {
            let pod = json!({
                "metadata": { "uid": uid, "deletionTimestamp": deleted },
                "status": { "conditions": [{ "type": "PodScheduled", "status": "True" }, { "type": "Ready", "status": ready }] },
            });
            assert_eq!(is_another(&serde_json::from_value(pod).unwrap(), old), expected, "{uid} {ready} {old:?}");
        };
        check("b", "True", Value::Null, Some("a"), true);
        check("b", "True", Value::Null, None, true);
        check("a", "True", Value::Null, Some("a"), false);
        check("b", "False", Value::Null, Some("a"), false);
        check("b", "True", json!("2026-01-01T00:00:00Z"), Some("a"), false);
        assert!(!is_another(&Pod::default(), None));
    }
}
