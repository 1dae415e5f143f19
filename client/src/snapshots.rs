//! The snapshots of VMs and their restores: objects of KubeVirt in the Namespace of a cluster, written by its owner.

use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use cmp_core::name::ClusterName;
use cmp_core::snapshot::{Content, GROUP, Part, Restore, VERSION, VOLUME_GROUP, VOLUME_VERSION, VolumeSnapshot};

use crate::discovery::serves;
use crate::early::{CATCH_UP, PAUSE, until_seen};
use crate::error::{ApiError, if_there};
use crate::kubevirt::all;

/// The snapshots and restores of one cluster.
pub struct Snapshots {
    parts: Api<DynamicObject>,
    contents: Api<DynamicObject>,
    restores: Api<DynamicObject>,
    volumes: Api<DynamicObject>,
}

fn api(client: &Client, namespace: &str, (group, version): (&str, &str), kind: &str) -> Api<DynamicObject> {
    let plural = format!("{}s", kind.to_lowercase());
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), &plural);
    Api::namespaced_with(client.clone(), namespace, &resource)
}

/// Reports whether the API server serves snapshots of volumes, and KubeVirt's snapshots.
pub async fn served(client: &Client) -> Result<(bool, bool), ApiError> {
    let volumes = serves(client, &format!("{VOLUME_GROUP}/{VOLUME_VERSION}"), "volumesnapshots").await?;
    Ok((volumes, serves(client, &format!("{GROUP}/{VERSION}"), "virtualmachinesnapshots").await?))
}

/// Counts the snapshots in the Namespace of a cluster, from etcd and not from a cache. A snapshot of a volume may outlive
/// the one of its VM, and does not exist yet when that one is made.
pub(crate) async fn count(client: &Client, cluster: &ClusterName) -> Result<u32, ApiError> {
    let snapshots = Snapshots::of(client, cluster);
    let (machines, volumes) = futures::try_join!(number(&snapshots.parts), number(&snapshots.volumes))?;
    Ok(u32::try_from(machines.max(volumes)).unwrap_or(u32::MAX))
}

async fn number(api: &Api<DynamicObject>) -> Result<usize, ApiError> {
    let listed = if_there(api.list_metadata(&ListParams::default()).await.map_err(ApiError::from))?;
    Ok(listed.map_or(0, |list| list.items.len()))
}

impl Snapshots {
    /// Selects the snapshots of `cluster`.
    pub fn of(client: &Client, cluster: &ClusterName) -> Self {
        let namespace = cluster.namespace();
        let of_kubevirt = |kind| api(client, &namespace, (GROUP, VERSION), kind);
        Self {
            parts: of_kubevirt("VirtualMachineSnapshot"),
            contents: of_kubevirt("VirtualMachineSnapshotContent"),
            restores: of_kubevirt("VirtualMachineRestore"),
            volumes: api(client, &namespace, (VOLUME_GROUP, VOLUME_VERSION), "VolumeSnapshot"),
        }
    }

    /// Lists the parts of all snapshots.
    pub async fn parts(&self) -> Result<Vec<Part>, ApiError> {
        all(&self.parts).await
    }

    /// Lists the contents of the parts.
    pub async fn contents(&self) -> Result<Vec<Content>, ApiError> {
        all(&self.contents).await
    }

    /// Lists the snapshots of the claims.
    pub async fn volumes(&self) -> Result<Vec<VolumeSnapshot>, ApiError> {
        all(&self.volumes).await
    }

    /// Lists the restores.
    pub async fn restores(&self) -> Result<Vec<Restore>, ApiError> {
        all(&self.restores).await
    }

    /// Makes a part. A part that another client made in between is no error.
    pub async fn take(&self, part: Value, dry_run: bool) -> Result<(), ApiError> {
        create(&self.parts, part, dry_run).await
    }

    /// Makes a restore. A restore that another client made in between is no error.
    pub async fn restore(&self, restore: Value, dry_run: bool) -> Result<(), ApiError> {
        create(&self.restores, restore, dry_run).await
    }

    /// Deletes a part. KubeVirt deletes its content. A part that is gone is no error.
    pub async fn delete(&self, name: &str, dry_run: bool) -> Result<(), ApiError> {
        delete(&self.parts, name, dry_run).await
    }

    /// Waits until a restore is gone. KubeVirt holds it while it frees the VM.
    pub async fn forgotten(&self, name: &str) -> Result<(), ApiError> {
        let deadline = Instant::now() + CATCH_UP;
        while if_there(self.restores.get_metadata(name).await.map_err(ApiError::from))?.is_some() {
            if Instant::now() > deadline {
                return Err(ApiError::Other(format!("the earlier restore {name} is still being deleted")));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Deletes a restore. The VM keeps the disks that it has. A restore that is gone is no error.
    pub async fn forget(&self, name: &str) -> Result<(), ApiError> {
        delete(&self.restores, name, false).await
    }
}

async fn create(api: &Api<DynamicObject>, object: Value, dry_run: bool) -> Result<(), ApiError> {
    let object = object_of(object)?;
    let params = PostParams { dry_run, ..PostParams::default() };
    // The API server may not have seen the room on the Namespace and in the ResourceQuota yet.
    let made = until_seen(
        |error| error.is_forbidden() && !dry_run,
        async || Ok(api.create(&params, &object).await.map(drop)?),
    )
    .await;
    match made {
        Err(error) if error.is_already_there() => Ok(()),
        made => made,
    }
}

async fn delete(api: &Api<DynamicObject>, name: &str, dry_run: bool) -> Result<(), ApiError> {
    let params = DeleteParams { dry_run, ..DeleteParams::default() };
    if_there(api.delete(name, &params).await.map(drop).map_err(ApiError::from)).map(drop)
}

fn object_of<T: DeserializeOwned>(object: Value) -> Result<T, ApiError> {
    serde_json::from_value(object).map_err(|error| ApiError::Other(error.to_string()))
}
