//! Writes of the fences of a cluster and of the objects beside them, by the four rules of `docs/ARCHITECTURE.md`. An
//! object that exists is written under the version that was read, so that a writer with older knowledge fails.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{LimitRange, Namespace, ResourceQuota, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::RoleBinding;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use cmp_core::account::Shape;
use cmp_core::fences::{Fences, ObjectVersion, ObservedFence, ObservedNamespace, Reserved};
use cmp_core::name::{ClusterName, UserName};
use cmp_core::resources::Resources;
use cmp_core::settings::Settings;
use cmp_core::template::Grants;
use cmp_core::vocabulary::InstanceType;
use cmp_core::{format, keys, manifest};

use crate::error::ApiError;

/// The writes to the Namespace of one cluster.
#[derive(Clone, Copy)]
pub struct Writes<'a> {
    client: &'a Client,
    cluster: &'a ClusterName,
}

impl<'a> Writes<'a> {
    /// Returns the writes to the Namespace of a cluster.
    pub fn of(client: &'a Client, cluster: &'a ClusterName) -> Self {
        Self { client, cluster }
    }

    fn namespaces(&self) -> Api<Namespace> {
        Api::all(self.client.clone())
    }

    fn namespaced<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.cluster.namespace())
    }

    /// Creates the Namespace with no instance name open, and with what its template grants.
    pub async fn create_namespace(
        &self,
        user: &UserName,
        (kind, size): (InstanceType, &Resources),
        grants: Grants,
        nonce: &str,
    ) -> Result<ObservedNamespace, ApiError> {
        let mut namespace = manifest::namespace(user, self.cluster, kind, size, nonce);
        let annotations = namespace.metadata.annotations.get_or_insert_default();
        annotations.extend(grants.into_iter().map(|(key, value)| (key.to_owned(), value)));
        Ok(ObservedNamespace::of(&self.namespaces().create(&PostParams::default(), &namespace).await?))
    }

    /// Writes the Namespace with nothing but a new nonce.
    pub async fn touch_namespace(&self, seen: &ObservedNamespace, nonce: &str) -> Result<(), ApiError> {
        self.annotate(seen, json!({ (keys::NONCE): nonce })).await.map(drop)
    }

    /// Records on the Namespace how much may exist in it.
    pub async fn reserve(&self, seen: &ObservedNamespace, shape: &Shape, nonce: &str) -> Result<(), ApiError> {
        let reserved = reserved(&Reserved::Shape(shape.clone()));
        self.annotate(seen, json!({ (keys::RESERVED): reserved, (keys::NONCE): nonce })).await.map(drop)
    }

    /// Opens the Namespace for a shape, and marks it as ready. Returns its new state.
    pub async fn open(
        &self,
        seen: &ObservedNamespace,
        shape: &Shape,
        beyond: &Reserved,
        nonce: &str,
    ) -> Result<ObservedNamespace, ApiError> {
        let open = json!({
            (keys::COUNT): shape.count.to_string(),
            (keys::SIZE): shape.size.to_string(),
            (keys::RELEASED): shape.released.then_some(keys::TRUE),
            (keys::RESERVED): reserved(beyond),
            (keys::READY): keys::TRUE,
            (keys::NONCE): nonce,
        });
        self.annotate(seen, open).await
    }

    /// Records on a Namespace in deletion what is left in it, and reserves what is held. Returns its new state.
    pub async fn lower_deleted(
        &self,
        seen: &ObservedNamespace,
        left: &Shape,
        held: &Shape,
        nonce: &str,
    ) -> Result<ObservedNamespace, ApiError> {
        let lowered = json!({
            (keys::COUNT): left.count.to_string(),
            (keys::SIZE): left.size.to_string(),
            (keys::RELEASED): keys::TRUE,
            (keys::RESERVED): reserved(&Reserved::Shape(held.clone())),
            (keys::NONCE): nonce,
        });
        self.annotate(seen, lowered).await
    }

    /// Writes annotations of the Namespace under the version that was read, and returns its new state.
    async fn annotate(&self, seen: &ObservedNamespace, annotations: Value) -> Result<ObservedNamespace, ApiError> {
        let patch = json!({
            "metadata": { "resourceVersion": seen.version.resource_version, "uid": seen.uid, "annotations": annotations },
        });
        let name = self.cluster.namespace();
        let written = self.namespaces().patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await?;
        Ok(ObservedNamespace::of(&written))
    }

    /// Removes the rights of the owner first, then deletes the Namespace if it is still the one that was read.
    pub async fn remove_namespace(&self, seen: &ObservedNamespace) -> Result<(), ApiError> {
        let bindings: Api<RoleBinding> = self.namespaced();
        if let Err(error) = bindings.delete(keys::BINDING_NAME, &DeleteParams::default()).await.map_err(ApiError::from)
            && !error.is_not_found()
        {
            return Err(error);
        }
        self.namespaces().delete(&self.cluster.namespace(), &only(&seen.uid, &seen.version)).await?;
        Ok(())
    }

    /// Deletes the ResourceQuota, if it is still the version that was read: nobody has counted it since.
    pub async fn remove_quota(&self, seen: &ObservedFence) -> Result<(), ApiError> {
        self.namespaced::<ResourceQuota>().delete(keys::FENCE_NAME, &only(&seen.uid, &seen.version)).await?;
        Ok(())
    }

    /// Writes the ResourceQuota for a shape.
    pub async fn write_quota(
        &self,
        fences: &Fences,
        (kind, shape): (InstanceType, &Shape),
        nonce: &str,
    ) -> Result<(), ApiError> {
        let mut quota = manifest::resource_quota(self.cluster, kind, shape, uid(fences), nonce);
        quota.metadata.resource_version = version(fences.quota.as_ref());
        put(&self.namespaced::<ResourceQuota>(), &quota, fences.quota.is_some()).await
    }

    /// Writes the LimitRange for a size.
    pub async fn write_limits(
        &self,
        fences: &Fences,
        (kind, size): (InstanceType, &Resources),
        settings: &Settings,
        nonce: &str,
    ) -> Result<(), ApiError> {
        let mut limits = manifest::limit_range(self.cluster, kind, size, settings, uid(fences), nonce);
        limits.metadata.resource_version = version(fences.limits.as_ref());
        put(&self.namespaced::<LimitRange>(), &limits, fences.limits.is_some()).await
    }

    /// Writes the NetworkPolicy.
    pub async fn write_network_policy(
        &self,
        user: &UserName,
        kind: InstanceType,
        settings: &Settings,
    ) -> Result<(), ApiError> {
        let api: Api<NetworkPolicy> = self.namespaced();
        let policy = manifest::network_policy(user, self.cluster, kind, settings);
        let there = api.get_opt(keys::FENCE_NAME).await?;
        let policy = NetworkPolicy {
            metadata: ObjectMeta {
                resource_version: there.as_ref().and_then(|there| there.metadata.resource_version.clone()),
                ..policy.metadata
            },
            ..policy
        };
        put(&api, &policy, there.is_some()).await
    }

    /// Makes the ServiceAccount `default` one without a mounted token.
    pub async fn write_service_account(&self) -> Result<(), ApiError> {
        let api: Api<ServiceAccount> = self.namespaced();
        let account = manifest::service_account(self.cluster);
        match api.create(&PostParams::default(), &account).await.map_err(ApiError::from) {
            // kube-controller-manager creates it, too.
            Err(error) if error.is_already_there() => {
                let patch = json!({ "automountServiceAccountToken": false });
                api.patch("default", &PatchParams::default(), &Patch::Merge(patch)).await?;
                Ok(())
            }
            created => created.map(drop),
        }
    }

    /// Gives the owner their rights.
    pub async fn bind_owner(&self, user: &UserName, kind: InstanceType) -> Result<(), ApiError> {
        self.bind(&manifest::role_binding(user, self.cluster, kind)).await
    }

    /// Gives cmp-webhook the rights of a schedule.
    pub async fn bind_schedule(&self) -> Result<(), ApiError> {
        self.bind(&manifest::schedule_binding(self.cluster)).await
    }

    async fn bind(&self, binding: &RoleBinding) -> Result<(), ApiError> {
        self.namespaced::<RoleBinding>().create(&PostParams::default(), binding).await?;
        Ok(())
    }

    /// Takes the rights of a schedule from cmp-webhook.
    pub async fn unbind_schedule(&self) -> Result<(), ApiError> {
        self.namespaced::<RoleBinding>().delete(keys::SCHEDULE_ROLE, &DeleteParams::default()).await?;
        Ok(())
    }

    /// Rule 2: writes all three fences under the versions that were read, even if nothing else changes in them. Every
    /// writer that decided from older versions then fails. All three have this nonce afterwards.
    pub async fn touch(&self, fences: &Fences, nonce: &str) -> Result<(), ApiError> {
        let (Some(namespace), Some(quota), Some(limits)) = (&fences.namespace, &fences.quota, &fences.limits) else {
            return Err(ApiError::Other("the Namespace, ResourceQuota or LimitRange is missing".to_owned()));
        };
        let patch = |version: &ObjectVersion| {
            let annotations = json!({ (keys::NONCE): nonce });
            let metadata = json!({ "resourceVersion": version.resource_version, "annotations": annotations });
            Patch::Merge(json!({ "metadata": metadata }))
        };
        let params = PatchParams::default();
        self.namespaces().patch(&self.cluster.namespace(), &params, &patch(&namespace.version)).await?;
        self.namespaced::<ResourceQuota>().patch(keys::FENCE_NAME, &params, &patch(&quota.version)).await?;
        self.namespaced::<LimitRange>().patch(keys::FENCE_NAME, &params, &patch(&limits.version)).await?;
        Ok(())
    }
}

/// Returns the value of the annotation; `None` removes it.
fn reserved(reserved: &Reserved) -> Option<String> {
    match reserved {
        Reserved::Shape(shape) => Some(format::encode(shape)),
        Reserved::Nothing | Reserved::Unreadable => None,
    }
}

/// Returns the uid of the Namespace that was read. A create has no version to be written under; the uid replaces it.
fn uid(fences: &Fences) -> &str {
    fences.namespace.as_ref().map_or("", |namespace| &namespace.uid)
}

fn version(seen: Option<&ObservedFence>) -> Option<String> {
    seen.map(|seen| seen.version.resource_version.clone())
}

/// Returns the parameters that delete an object only in the version that was read.
fn only(uid: &str, version: &ObjectVersion) -> DeleteParams {
    DeleteParams::default().preconditions(Preconditions {
        uid: Some(uid.to_owned()),
        resource_version: Some(version.resource_version.clone()),
    })
}

/// Creates an object, or replaces it under the version in its metadata.
async fn put<K>(api: &Api<K>, object: &K, there: bool) -> Result<(), ApiError>
where
    K: Resource + Clone + DeserializeOwned + Serialize + Debug,
{
    let params = PostParams::default();
    if there {
        api.replace(&object.meta().name.clone().unwrap_or_default(), &params, object).await?;
    } else {
        api.create(&params, object).await?;
    }
    Ok(())
}
