//! Instances as whoever changes them needs them, and how a decision about one is carried out.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client};

use cmp_core::account::InstanceType;
use cmp_core::containers::Set;
use cmp_core::instance::{Instance, Orphan, of_stateful_set, of_virtual_machine};
use cmp_core::lifecycle::Act;
use cmp_core::name::ClusterName;

use crate::error::ApiError;
use crate::kubevirt::Machines;
use crate::lists;

/// Looks at the instances of a cluster, without what runs for them: whether one is off, and what it remembers, is in the
/// object itself.
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

/// The patch, then the call. It fails with a conflict if the instance is not what was looked at any more.
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
            // Of the answer nothing is read, so that only its metadata is asked for.
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

/// Deletes a Pod or a VirtualMachineInstance without its owner. It is no error if it is gone by now.
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
