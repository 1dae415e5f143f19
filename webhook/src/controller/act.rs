//! Carries out one step, and keeps the four rules of `docs/ARCHITECTURE.md`.

use futures::future::{try_join, try_join_all};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{LimitRange, Namespace, PersistentVolumeClaim, Pod, ResourceQuota, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use serde_json::json;
use tracing::info;

use cmp_client::ApiError;
use cmp_client::accounts::Stored;
use cmp_client::kubevirt::Machines;
use cmp_client::templates::Templates;
use cmp_core::account::change::Change;
use cmp_core::account::{Held, Shape};
use cmp_core::controller::{Awaited, Part, Step, lower_deleted};
use cmp_core::evidence::{Remains, fits, needed_in_deletion};
use cmp_core::fences::{Fences, ObservedFence, ObservedNamespace, Reserved};
use cmp_core::name::ClusterName;
use cmp_core::quantity::Quantity;
use cmp_core::resources::STORAGE;
use cmp_core::template::{Grants, built_in_type};
use cmp_core::vocabulary::InstanceType;
use cmp_core::{keys, manifest};

use super::context::Context;

/// The outcome of a step.
#[derive(Debug)]
pub enum Outcome {
    /// The step is done.
    Done(Written),
    /// All three fences were written and now have these nonces, but the evidence does not fit yet.
    Touched([String; 3]),
    /// The evidence does not fit yet; the text names what is left.
    NotYet(String),
}

/// The state that the answer to a write contains, so that it need not be read again.
#[derive(Debug)]
pub enum Written {
    /// The answer does not contain everything that was written: read everything again.
    Unknown,
    /// The account after the write.
    Account(Box<Stored>),
    /// The Namespace after the write.
    Namespace(Box<ObservedNamespace>),
    /// The RoleBinding exists now.
    Bound,
}

/// Returns the word for a step in metrics and logs.
pub fn name(step: &Step) -> &'static str {
    match step {
        Step::Nothing => "nothing",
        Step::Wait { .. } => "wait",
        Step::Account(_) => "account",
        Step::CreateNamespace { .. } => "create_namespace",
        Step::RemoveNamespace => "remove_namespace",
        Step::RemoveQuota => "remove_quota",
        Step::Write { .. } => "write",
        Step::Open { .. } => "open",
        Step::Adopt(_) => "adopt",
        Step::Bind { .. } => "bind",
        Step::BindSchedule => "bind_schedule",
        Step::UnbindSchedule => "unbind_schedule",
        Step::Forget { .. } => "forget",
        Step::Lower { .. } => "lower",
        Step::LowerDeleted { .. } => "lower_deleted",
    }
}

/// Describes a failed step for the user.
pub fn failure(step: &Step, error: &ApiError) -> String {
    let what = match step {
        Step::Nothing | Step::Wait { .. } => "look at it",
        Step::Account(_) | Step::Adopt(_) | Step::Forget { .. } => "write the account",
        Step::CreateNamespace { .. } => "create its namespace",
        Step::RemoveNamespace => "delete its namespace",
        Step::Write { .. } => "write its ResourceQuota, LimitRange, NetworkPolicy and ServiceAccount",
        Step::RemoveQuota => "write its ResourceQuota anew",
        Step::Open { .. } => "write count and size of its namespace",
        Step::Bind { .. } => "create the RoleBinding of its user",
        Step::BindSchedule | Step::UnbindSchedule => "write the RoleBinding for its schedule",
        Step::Lower { .. } | Step::LowerDeleted { .. } => "give its quota back",
    };
    format!("cannot {what}: {error}")
}

/// Carries out a step that was decided from `fences` and `stored`.
pub async fn carry_out(
    context: &Context,
    stored: &Stored,
    cluster: &ClusterName,
    fences: &Fences,
    step: &Step,
) -> Result<Outcome, ApiError> {
    let user = &stored.account.user;
    let act = Act { context, cluster, namespace: cluster.namespace() };
    let written = match step {
        Step::Nothing | Step::Wait { .. } => Written::Unknown,
        Step::Account(change) => Written::Account(Box::new(act.change(stored, change).await?)),
        Step::Adopt(change) => {
            act.annotate(fences, json!({ (keys::NONCE): context.nonce() })).await?;
            act.change(stored, change).await?;
            Written::Unknown
        }
        Step::CreateNamespace { kind, size } => {
            let mut namespace = manifest::namespace(user, cluster, *kind, size, &context.nonce());
            let annotations = namespace.metadata.annotations.get_or_insert_default();
            let grants = act.grants(stored, *kind).await?;
            annotations.extend(grants.into_iter().map(|(key, value)| (key.to_owned(), value)));
            let made = act.cluster_scoped::<Namespace>().create(&PostParams::default(), &namespace).await?;
            Written::Namespace(Box::new(ObservedNamespace::of(&made)))
        }
        Step::RemoveNamespace => {
            if let Some(seen) = &fences.namespace {
                act.remove_namespace(seen).await?;
            }
            Written::Unknown
        }
        Step::Write { parts, shape, kind, reserve } => {
            if let Some(reserve) = reserve {
                // The nonce is new with each write: the API server does not count a write that changes nothing.
                let reserved = reserved(&Reserved::Shape(reserve.clone()));
                act.annotate(fences, json!({ (keys::RESERVED): reserved, (keys::NONCE): context.nonce() })).await?;
            }
            // The fences are written one after another, in the order of the checks. The other parts need not wait.
            let (fenced, beside): (Vec<Part>, Vec<Part>) =
                parts.iter().partition(|part| matches!(part, Part::Limits | Part::Quota));
            let fence = async {
                for part in fenced {
                    act.write(part, shape, *kind, fences).await?;
                }
                Ok(())
            };
            let beside = try_join_all(beside.into_iter().map(|part| act.write(part, shape, *kind, fences)));
            try_join(fence, beside).await?;
            Written::Unknown
        }
        Step::RemoveQuota => {
            if let Some(seen) = &fences.quota {
                act.remove_quota(seen).await?;
                info!(%user, %cluster, uncounted = ?seen.uncounted, "its ResourceQuota is not counted: writing another");
            }
            Written::Unknown
        }
        Step::Open { shape, reserved: beyond } => {
            let open = json!({
                (keys::COUNT): shape.count.to_string(),
                (keys::SIZE): shape.size.to_string(),
                (keys::RELEASED): shape.released.then_some(keys::TRUE),
                (keys::RESERVED): reserved(beyond),
                (keys::READY): keys::TRUE,
                (keys::NONCE): context.nonce(),
            });
            act.annotate(fences, open).await?.map_or(Written::Unknown, |now| Written::Namespace(Box::new(now)))
        }
        Step::Bind { kind } => {
            let binding = manifest::role_binding(user, cluster, *kind);
            act.namespaced::<RoleBinding>().create(&PostParams::default(), &binding).await?;
            Written::Bound
        }
        Step::BindSchedule => {
            let binding = manifest::schedule_binding(cluster);
            act.namespaced::<RoleBinding>().create(&PostParams::default(), &binding).await?;
            Written::Unknown
        }
        Step::UnbindSchedule => {
            act.namespaced::<RoleBinding>().delete(keys::SCHEDULE_ROLE, &DeleteParams::default()).await?;
            Written::Unknown
        }
        Step::Forget { uid, change } => {
            let now = act.cluster_scoped::<Namespace>().get_opt(&act.namespace).await?;
            if now.and_then(|now| now.metadata.uid).is_none_or(|now| now != *uid) {
                context.accounts.change(stored, change, keys::WEBHOOK, false).await?;
                info!(%user, %cluster, "gone");
            }
            Written::Unknown
        }
        Step::Lower { to, kind, change } => {
            // Look before any write, so that a wait for Pods to end writes nothing.
            if let Err(why) = fits(&act.remains(*kind).await?, *kind, to) {
                return Ok(Outcome::NotYet(why));
            }
            let nonces = act.touch(fences).await?;
            if let Err(why) = fits(&act.remains(*kind).await?, *kind, to) {
                info!(%user, %cluster, why, "not given back yet");
                return Ok(Outcome::Touched(nonces));
            }
            context.accounts.change(stored, change, keys::WEBHOOK, false).await?;
            info!(%user, %cluster, count = to.count, size = %to.size, "given back");
            Written::Unknown
        }
        Step::LowerDeleted { held } => return act.lower_deleted(stored, fences, held).await,
    };
    Ok(Outcome::Done(written))
}

/// Writes a Namespace under the version that was read. Only its nonce changes.
pub async fn touch_namespace(
    context: &Context,
    cluster: &ClusterName,
    seen: &ObservedNamespace,
) -> Result<(), ApiError> {
    let act = Act { context, cluster, namespace: cluster.namespace() };
    let fences = Fences { namespace: Some(seen.clone()), ..Fences::default() };
    act.annotate(&fences, json!({ (keys::NONCE): context.nonce() })).await.map(drop)
}

/// Returns the value of the annotation; `None` removes it.
fn reserved(reserved: &Reserved) -> Option<String> {
    match reserved {
        Reserved::Shape(shape) => Some(cmp_core::format::encode(shape)),
        Reserved::Nothing | Reserved::Unreadable => None,
    }
}

struct Act<'a> {
    context: &'a Context,
    cluster: &'a ClusterName,
    namespace: String,
}

impl Act<'_> {
    fn cluster_scoped<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = ()>,
    {
        Api::all(self.context.client.clone())
    }

    fn namespaced<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.context.client.clone(), &self.namespace)
    }

    async fn change(&self, stored: &Stored, change: &Change) -> Result<Stored, ApiError> {
        let changed = self.context.accounts.change(stored, change, keys::WEBHOOK, false).await?;
        for (key, value) in change.entries() {
            info!(user = %stored.account.user, cluster = %self.cluster, key, value, "account");
        }
        Ok(changed)
    }

    /// Returns the rights that the template of a cluster grants to its instances. A missing or unusable template grants
    /// nothing. The instances are then refused, and their creator gets the reason.
    async fn grants(&self, stored: &Stored, kind: InstanceType) -> Result<Grants, ApiError> {
        let want = stored.account.cluster(self.cluster).want;
        let Some(name) = want.and_then(|want| want.template).filter(|name| built_in_type(name.as_str()).is_none())
        else {
            return Ok(Grants::new());
        };
        let found = Templates::new(self.context.client.clone()).get(&name).await?;
        let template = found.and_then(|found| found.template.ok()).filter(|template| template.kind() == kind);
        Ok(template.map(|template| template.grants().clone()).unwrap_or_default())
    }

    /// Writes annotations of the Namespace under the version that was read, if there was one, and returns its new
    /// state.
    async fn annotate(
        &self,
        fences: &Fences,
        annotations: serde_json::Value,
    ) -> Result<Option<ObservedNamespace>, ApiError> {
        let Some(seen) = &fences.namespace else { return Ok(None) };
        let patch = json!({
            "metadata": { "resourceVersion": seen.version.resource_version, "uid": seen.uid, "annotations": annotations },
        });
        let api: Api<Namespace> = self.cluster_scoped();
        let written = api.patch(&self.namespace, &PatchParams::default(), &Patch::Merge(patch)).await?;
        Ok(Some(ObservedNamespace::of(&written)))
    }

    /// Removes the rights of the owner first, then deletes the Namespace if it is still the one that was read.
    async fn remove_namespace(&self, seen: &ObservedNamespace) -> Result<(), ApiError> {
        let bindings: Api<RoleBinding> = self.namespaced();
        if let Err(error) = bindings.delete(keys::BINDING_NAME, &DeleteParams::default()).await.map_err(ApiError::from)
            && !error.is_not_found()
        {
            return Err(error);
        }
        let only = DeleteParams::default().preconditions(Preconditions {
            uid: Some(seen.uid.clone()),
            resource_version: Some(seen.version.resource_version.clone()),
        });
        let api: Api<Namespace> = self.cluster_scoped();
        api.delete(&self.namespace, &only).await?;
        Ok(())
    }

    /// Deletes the ResourceQuota, if it is still the version that was read: nobody has counted it since.
    async fn remove_quota(&self, seen: &ObservedFence) -> Result<(), ApiError> {
        let only = DeleteParams::default().preconditions(Preconditions {
            uid: Some(seen.uid.clone()),
            resource_version: Some(seen.version.resource_version.clone()),
        });
        self.namespaced::<ResourceQuota>().delete(keys::FENCE_NAME, &only).await?;
        Ok(())
    }

    async fn write(&self, part: Part, shape: &Shape, kind: InstanceType, fences: &Fences) -> Result<(), ApiError> {
        let (cluster, post, nonce) = (self.cluster, PostParams::default(), self.context.nonce());
        let version = |seen: Option<&ObservedFence>| seen.map(|seen| seen.version.resource_version.clone());
        // A create has no version to be written under; the uid of the Namespace replaces it.
        let uid = fences.namespace.as_ref().map_or("", |namespace| &namespace.uid);
        match part {
            Part::Quota => {
                let mut quota = manifest::resource_quota(cluster, kind, shape, uid, &nonce);
                quota.metadata.resource_version = version(fences.quota.as_ref());
                put(&self.namespaced::<ResourceQuota>(), &quota, fences.quota.is_some(), &post).await
            }
            Part::Limits => {
                let mut limits = manifest::limit_range(cluster, kind, &shape.size, &self.context.settings, uid, &nonce);
                limits.metadata.resource_version = version(fences.limits.as_ref());
                put(&self.namespaced::<LimitRange>(), &limits, fences.limits.is_some(), &post).await
            }
            Part::NetworkPolicy => {
                let api: Api<NetworkPolicy> = self.namespaced();
                let policy = manifest::network_policy(cluster, kind, &self.context.settings);
                let there = api.get_opt(keys::FENCE_NAME).await?;
                let policy = NetworkPolicy {
                    metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                        resource_version: there.as_ref().and_then(|there| there.metadata.resource_version.clone()),
                        ..policy.metadata
                    },
                    ..policy
                };
                put(&api, &policy, there.is_some(), &post).await
            }
            Part::ServiceAccount => {
                let api: Api<ServiceAccount> = self.namespaced();
                match api.create(&post, &manifest::service_account(cluster)).await.map_err(ApiError::from) {
                    // kube-controller-manager creates it, too.
                    Err(error) if error.is_already_there() => {
                        let patch = json!({ "automountServiceAccountToken": false });
                        api.patch("default", &PatchParams::default(), &Patch::Merge(patch)).await?;
                        Ok(())
                    }
                    created => created.map(|_| ()),
                }
            }
        }
    }

    /// Rule 2: writes all three fences under the versions that were read, even if nothing else changes in them. Every
    /// writer that decided from older versions then fails. Returns the new nonces.
    async fn touch(&self, fences: &Fences) -> Result<[String; 3], ApiError> {
        let (Some(namespace), Some(quota), Some(limits)) = (&fences.namespace, &fences.quota, &fences.limits) else {
            return Err(ApiError::Other("the Namespace, ResourceQuota or LimitRange is missing".to_owned()));
        };
        let nonce = self.context.nonce();
        let patch = |version: &str| {
            let metadata = json!({ "resourceVersion": version, "annotations": { (keys::NONCE): &nonce } });
            Patch::Merge(json!({ "metadata": metadata }))
        };
        let params = PatchParams::default();
        let version = &namespace.version.resource_version;
        self.cluster_scoped::<Namespace>().patch(&self.namespace, &params, &patch(version)).await?;
        let version = &quota.version.resource_version;
        self.namespaced::<ResourceQuota>().patch(keys::FENCE_NAME, &params, &patch(version)).await?;
        let version = &limits.version.resource_version;
        self.namespaced::<LimitRange>().patch(keys::FENCE_NAME, &params, &patch(version)).await?;
        Ok([nonce.clone(), nonce.clone(), nonce])
    }

    /// Holds only what is left in a Namespace that is being deleted. Its deletion replaces the fences inside, which may
    /// be gone: Kubernetes admits nothing new there. The write of the Namespace proves that this very deletion stands.
    async fn lower_deleted(&self, stored: &Stored, fences: &Fences, held: &Held) -> Result<Outcome, ApiError> {
        let namespace = fences.namespace.as_ref();
        let left = namespace.and_then(|namespace| namespace.left.clone());
        let going = Awaited::NamespaceGone { left };
        let needed = async || -> Result<Result<Shape, String>, ApiError> {
            let remains = self.remains(held.kind).await?;
            let needed = needed_in_deletion(&remains, &held.shape());
            Ok(needed.map_err(|why| format!("{going}; {why}")))
        };
        let to = match needed().await? {
            Err(why) => return Ok(Outcome::NotYet(why)),
            Ok(needed) if needed == held.shape() => {
                return Ok(Outcome::NotYet(format!("{going}; claims still hold its storage")));
            }
            Ok(to) => to,
        };
        let written = json!({
            (keys::COUNT): to.count.to_string(),
            (keys::SIZE): to.size.to_string(),
            (keys::RELEASED): keys::TRUE,
            (keys::RESERVED): reserved(&Reserved::Shape(held.shape())),
            (keys::NONCE): self.context.nonce(),
        });
        let Some(now) = self.annotate(fences, written).await? else {
            return Err(ApiError::Other("the namespace is missing".to_owned()));
        };
        // Fewer claims than before are fine: the next look lowers further.
        if let Err(why) = needed().await?.and_then(|now| if now.fits(&to) { Ok(()) } else { Err(going.to_string()) }) {
            info!(user = %stored.account.user, cluster = %self.cluster, why, "not given back yet");
            let nonces = Fences { namespace: Some(now), ..fences.clone() }.nonces();
            return Ok(Outcome::Touched(nonces));
        }
        let change = lower_deleted(self.cluster, held, to.clone());
        self.context.accounts.change(stored, &change, keys::WEBHOOK, false).await?;
        info!(user = %stored.account.user, cluster = %self.cluster, count = to.count, "given back in deletion");
        Ok(Outcome::Done(Written::Unknown))
    }

    /// Rule 3: lists what is left, from etcd and not from a cache.
    async fn remains(&self, kind: InstanceType) -> Result<Remains, ApiError> {
        let all = ListParams::default();
        let (sets, pods, claims) =
            (self.namespaced::<StatefulSet>(), self.namespaced::<Pod>(), self.namespaced::<PersistentVolumeClaim>());
        let machines = Machines::of(&self.context.client, self.cluster);
        let (sets, pods, claims) = futures::try_join!(sets.list(&all), pods.list(&all), claims.list(&all))?;
        let (machines, running) = match kind {
            InstanceType::Container => (Vec::new(), Vec::new()),
            InstanceType::Vm => futures::try_join!(machines.list(), machines.running())?,
        };
        let mut storage = Quantity::ZERO;
        for claim in &claims.items {
            let asked = claim.spec.as_ref().and_then(|spec| spec.resources.as_ref()?.requests.as_ref()?.get(STORAGE));
            let asked: Option<Quantity> = asked.and_then(|asked| asked.0.parse().ok());
            storage = storage
                .checked_add(asked.unwrap_or(Quantity::ZERO))
                .ok_or_else(|| ApiError::Other("claims of more than can be counted".to_owned()))?;
        }
        Ok(Remains { sets: sets.items, pods: pods.items, machines, running, storage })
    }
}

/// Creates an object, or replaces it under the version in its metadata.
async fn put<K>(api: &Api<K>, object: &K, there: bool, params: &PostParams) -> Result<(), ApiError>
where
    K: kube::Resource + Clone + serde::de::DeserializeOwned + serde::Serialize + std::fmt::Debug,
{
    if there {
        api.replace(&object.meta().name.clone().unwrap_or_default(), params, object).await?;
    } else {
        api.create(params, object).await?;
    }
    Ok(())
}
