//! Reads the fences of a cluster in the order that rule 1 of the controllers needs. The reads are plain API reads,
//! which an administrator may make, too.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{LimitRange, Namespace, ResourceQuota, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};

use cmp_core::fences::{Fences, ObservedFence, ObservedNamespace};
use cmp_core::keys;
use cmp_core::manifest::network_policy;
use cmp_core::name::ClusterName;
use cmp_core::quantity::Amounts;
use cmp_core::settings::Settings;
use cmp_core::vocabulary::InstanceType;

use crate::error::ApiError;

pub mod writes;

/// Reads the fences of a cluster, each from etcd and not from a cache. The caller has to read the account after them.
pub async fn read(client: &Client, cluster: &ClusterName, settings: &Settings) -> Result<Fences, ApiError> {
    let namespace = cluster.namespace();
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let Some(seen) = namespaces.get_opt(&namespace).await? else { return Ok(Fences::default()) };
    let quotas: Api<ResourceQuota> = Api::namespaced(client.clone(), &namespace);
    let limits: Api<LimitRange> = Api::namespaced(client.clone(), &namespace);
    let policies: Api<NetworkPolicy> = Api::namespaced(client.clone(), &namespace);
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &namespace);
    let bindings: Api<RoleBinding> = Api::namespaced(client.clone(), &namespace);
    // Without an owner of ours the Namespace belongs to somebody else: read nothing in it.
    let fences = Fences { namespace: Some(ObservedNamespace::of(&seen)), ..Fences::default() };
    let kind = fences.namespace.as_ref().and_then(|seen| seen.kind).unwrap_or(InstanceType::Container);
    let Some(owner) = fences.namespace.as_ref().and_then(|seen| seen.owner.clone()) else { return Ok(fences) };
    let all = ListParams::default();
    let (quota, limits, policy, account, bindings) = futures::try_join!(
        quotas.get_opt(keys::FENCE_NAME),
        limits.get_opt(keys::FENCE_NAME),
        policies.get_opt(keys::FENCE_NAME),
        accounts.get_opt("default"),
        bindings.list(&all),
    )?;
    let bound = |name: &str| bindings.items.iter().any(|binding| binding.metadata.name.as_deref() == Some(name));
    Ok(Fences {
        quota: quota.as_ref().map(ObservedFence::of_quota),
        limits: limits.as_ref().map(ObservedFence::of_limits),
        network_policy: policy
            .is_some_and(|policy| policy.spec == network_policy(&owner, cluster, kind, settings).spec),
        service_account: account.is_some_and(|account| account.automount_service_account_token == Some(false)),
        role_binding: bound(keys::BINDING_NAME),
        schedule_binding: bound(keys::SCHEDULE_ROLE),
        ..fences
    })
}

/// Reads the amounts that the ResourceQuotas of all clusters allow, by Namespace.
pub async fn quotas(client: &Client) -> Result<BTreeMap<String, Amounts>, ApiError> {
    let all: Api<ResourceQuota> = Api::all(client.clone());
    Ok(allowed(&all.list(&named()).await?.items, ObservedFence::of_quota))
}

/// Reads the amounts that the LimitRanges of all clusters allow, by Namespace.
pub async fn limits(client: &Client) -> Result<BTreeMap<String, Amounts>, ApiError> {
    let all: Api<LimitRange> = Api::all(client.clone());
    Ok(allowed(&all.list(&named()).await?.items, ObservedFence::of_limits))
}

fn named() -> ListParams {
    ListParams::default().fields(&format!("metadata.name={}", keys::FENCE_NAME))
}

fn allowed<K: ResourceExt>(fences: &[K], read: impl Fn(&K) -> ObservedFence) -> BTreeMap<String, Amounts> {
    fences.iter().filter_map(|fence| Some((fence.namespace()?, read(fence).amounts?))).collect()
}
