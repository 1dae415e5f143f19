//! Reads instances for callers that change them, and carries out a decision about one.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client};

use cmp_core::containers::Set;
use cmp_core::instance::{Instance, Orphan, of_stateful_set, of_virtual_machine};
use cmp_core::lifecycle::Act;
use cmp_core::name::ClusterName;
use cmp_core::vocabulary::InstanceType;

use crate::error::ApiError;
use crate::kubevirt::Machines;
use crate::lists;

/// Lists the instances of a cluster without the Pods and guests that run them. The instance object itself records
/// whether it is off and what it remembers.
pub async fn list(client: &Client, cluster: &ClusterName, kind: InstanceType) -> Result<Vec<Instance>, ApiError> {
    match kind {
        InstanceType::Container => {
            let sets = lists::all::<StatefulSet, Set>(client, &cluster.namespace()).await?;
            Ok(sets.iter().filter_map(|set| of_stateful_set(set, None)).collect())
        }
        InstanceType::Vm => {
            let machines = Machines::of(client, cluster).list().await?;
            Ok(machines.iter().filter_map(|vm| of_virtual_machine(vm, None)).collect())
        }
    }
}

/// Sends the patch, then the call. Fails with a conflict if the instance has changed since it was read.
pub async fn carry_out(
    client: &Client,
    shown: &Instance,
    act: &Act,
    manager: &str,
    dry_run: bool,
) -> Result<(), ApiError> {
    let name = &shown.name;
    let params = PatchParams { dry_run, field_manager: Some(manager.to_owned()), ..PatchParams::default() };
    match shown.kind {
        InstanceType::Container => {
            let api: Api<StatefulSet> = Api::namespaced(client.clone(), &name.cluster.namespace());
            // The answer is not used: request only its metadata.
            api.patch_metadata(&name.to_string(), &params, &Patch::Merge(&act.patch)).await?;
        }
        InstanceType::Vm => {
            let machines = Machines::of(client, &name.cluster);
            machines.patch(name, &params, &act.patch).await?;
            if let Some(call) = act.call {
                machines.call(name, call, dry_run).await?;
            }
        }
    }
    Ok(())
}

/// Deletes a Pod or a VirtualMachineInstance that has no owner. An object that is already gone is not an error.
pub async fn delete_orphan(client: &Client, orphan: &Orphan) -> Result<(), ApiError> {
    let name = &orphan.shown.name;
    let deleted = match orphan.shown.kind {
        InstanceType::Container => {
            let pods: Api<Pod> = Api::namespaced(client.clone(), &name.cluster.namespace());
            pods.delete(&orphan.object, &DeleteParams::default()).await.map(drop).map_err(ApiError::from)
        }
        InstanceType::Vm => Machines::of(client, &name.cluster).delete_running(name).await,
    };
    deleted.or_else(|error| if error.is_not_found() { Ok(()) } else { Err(error) })
}
