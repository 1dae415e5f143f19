//! Namespaces of clusters, and those of cmp.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, ListParams, ObjectMeta, Preconditions};
use kube::{Api, Client, ResourceExt};
use tokio::time::Instant;

use cmp_core::fences::ObservedNamespace;
use cmp_core::keys;
use cmp_core::name::{ClusterName, UserName};
use cmp_core::vocabulary::InstanceType;

use crate::error::{ApiError, if_there};

const PAUSE: Duration = Duration::from_millis(500);

/// The metadata of a Namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// The name of the Namespace.
    pub name: String,
    /// The labels of the Namespace.
    pub labels: BTreeMap<String, String>,
    /// The creation time of the Namespace.
    pub created: Option<Timestamp>,
    /// Whether the Namespace is being deleted.
    pub deleting: bool,
}

impl Found {
    fn of(metadata: ObjectMeta) -> Self {
        Self {
            name: metadata.name.unwrap_or_default(),
            labels: metadata.labels.unwrap_or_default(),
            created: metadata.creation_timestamp.map(|time| time.0),
            deleting: metadata.deletion_timestamp.is_some(),
        }
    }

    /// Returns the value of one label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).map(String::as_str)
    }
}

/// The Namespaces of some clusters.
#[derive(Debug, Clone, Copy)]
pub enum Of<'a> {
    /// Those of all users.
    Everyone,
    /// Those of one user.
    User(&'a UserName),
    /// Those of all users with instances of one type.
    Type(InstanceType),
}

impl Of<'_> {
    fn selector(self) -> String {
        match self {
            Self::Everyone => keys::OWNER.to_owned(),
            Self::User(user) => format!("{}={user}", keys::OWNER),
            Self::Type(kind) => format!("{},{}={kind}", keys::OWNER, keys::TYPE),
        }
    }
}

fn all(client: &Client) -> Api<Namespace> {
    Api::all(client.clone())
}

/// Reads the metadata of one Namespace, if it exists.
pub async fn get(client: &Client, name: &str) -> Result<Option<Found>, ApiError> {
    let found = if_there(all(client).get(name).await.map_err(ApiError::from))?;
    Ok(found.map(|namespace| Found::of(namespace.metadata)))
}

/// Reads the uid of the Namespace of a cluster, from etcd and not from a cache, if it exists.
pub async fn uid(client: &Client, cluster: &ClusterName) -> Result<Option<String>, ApiError> {
    Ok(all(client).get_opt(&cluster.namespace()).await?.and_then(|namespace| namespace.metadata.uid))
}

/// Reads the identity of the Kubernetes cluster: the uid of one Namespace that every cluster has.
pub async fn identity(client: &Client) -> Result<String, ApiError> {
    Ok(all(client).get_metadata(keys::FIRST_NAMESPACE).await?.metadata.uid.unwrap_or_default())
}

/// Reads the Namespace of a cluster, from etcd and not from a cache. Fails if it does not exist.
pub async fn seen(client: &Client, cluster: &ClusterName) -> Result<ObservedNamespace, ApiError> {
    Ok(ObservedNamespace::of(&all(client).get(&cluster.namespace()).await?))
}

/// Lists the metadata of Namespaces, at most `limit`.
pub async fn list(client: &Client, of: Of<'_>, limit: Option<u32>) -> Result<Vec<Found>, ApiError> {
    let mut params = ListParams::default().labels(&of.selector());
    params.limit = limit;
    let list = all(client).list_metadata(&params).await?;
    Ok(list.items.into_iter().map(|namespace| Found::of(namespace.metadata)).collect())
}

/// Lists Namespaces, from etcd and not from a cache. Each comes with its owner as its label spells it.
pub async fn owned(client: &Client, of: Of<'_>) -> Result<Vec<(String, ObservedNamespace)>, ApiError> {
    let list = all(client).list(&ListParams::default().labels(&of.selector())).await?;
    let owner = |namespace: &Namespace| namespace.labels().get(keys::OWNER).cloned().unwrap_or_default();
    Ok(list.items.iter().map(|namespace| (owner(namespace), ObservedNamespace::of(namespace))).collect())
}

/// Deletes one Namespace, if it exists.
pub async fn delete(client: &Client, name: &str, dry_run: bool) -> Result<(), ApiError> {
    let params = DeleteParams { dry_run, ..DeleteParams::background() };
    if_there(all(client).delete(name, &params).await.map_err(ApiError::from)).map(drop)
}

/// Reports whether a policy refuses the deletion of a Namespace, tried in a dry run.
pub async fn is_kept(client: &Client, name: &str) -> Result<bool, ApiError> {
    match delete(client, name, true).await {
        Err(error) if error.is_forbidden() => Ok(true),
        tried => tried.map(|()| false),
    }
}

/// A Namespace that is left at the deadline.
#[derive(Debug)]
pub enum Left {
    /// The API server refused to delete it.
    Refused {
        /// The name of the Namespace.
        name: String,
        /// The answer of the API server.
        error: ApiError,
    },
    /// The deletion has not finished.
    Going {
        /// The name of the Namespace.
        name: String,
        /// The reason in the words of its conditions, if there is one.
        why: Option<String>,
    },
}

/// Deletes Namespaces, including new ones, and waits until they are gone. Returns those that are left at the deadline.
pub async fn all_gone(client: &Client, of: Of<'_>, deadline: Instant) -> Result<Vec<Left>, ApiError> {
    let all = all(client);
    let params = ListParams::default().labels(&of.selector());
    loop {
        let there = all.list(&params).await?.items;
        if there.is_empty() {
            return Ok(Vec::new());
        }
        let mut left = Vec::new();
        for namespace in there.iter().filter(|namespace| namespace.metadata.deletion_timestamp.is_none()) {
            let uid = namespace.metadata.uid.clone();
            let only = DeleteParams::background().preconditions(Preconditions { uid, resource_version: None });
            match all.delete(&namespace.name_any(), &only).await.map_err(ApiError::from) {
                Err(error) if !error.is_not_found() && !error.is_conflict() => {
                    left.push(Left::Refused { name: namespace.name_any(), error });
                }
                _ => {}
            }
        }
        if Instant::now() > deadline {
            let going = there.iter().filter(|namespace| namespace.metadata.deletion_timestamp.is_some());
            left.extend(going.map(|namespace| Left::Going {
                name: namespace.name_any(),
                why: ObservedNamespace::of(namespace).left,
            }));
            return Ok(left);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_namespaces_of_clusters_are_selected() {
        let john = "john".parse().unwrap();
        assert_eq!(Of::Everyone.selector(), "kubectl-cmp.dev/owner");
        assert_eq!(Of::User(&john).selector(), "kubectl-cmp.dev/owner=john");
        assert_eq!(Of::Type(InstanceType::Vm).selector(), "kubectl-cmp.dev/owner,kubectl-cmp.dev/type=vm");
    }
}
