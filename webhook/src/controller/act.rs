//! Carries out one step, and keeps the four rules of `docs/ARCHITECTURE.md`.

use futures::future::{try_join, try_join_all};
use tracing::info;

use cmp_client::accounts::Stored;
use cmp_client::fences::writes::Writes;
use cmp_client::templates::Templates;
use cmp_client::{ApiError, namespaces, remains};
use cmp_core::account::change::Change;
use cmp_core::account::{Held, Shape};
use cmp_core::controller::{Awaited, Part, Step, lower_deleted};
use cmp_core::evidence::{Remains, fits, needed_in_deletion};
use cmp_core::fences::{Fences, ObservedNamespace};
use cmp_core::keys;
use cmp_core::name::{ClusterName, UserName};
use cmp_core::template::{Grants, built_in_type};
use cmp_core::vocabulary::InstanceType;

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
    let writes = Writes::of(&context.client, cluster);
    let act = Act { context, cluster, writes };
    let seen = fences.namespace.as_ref();
    let written = match step {
        Step::Nothing | Step::Wait { .. } => Written::Unknown,
        Step::Account(change) => Written::Account(Box::new(act.change(stored, change).await?)),
        Step::Adopt(change) => {
            if let Some(seen) = seen {
                writes.touch_namespace(seen, &context.nonce()).await?;
            }
            act.change(stored, change).await?;
            Written::Unknown
        }
        Step::CreateNamespace { kind, size } => {
            let grants = act.grants(stored, *kind).await?;
            let made = writes.create_namespace(user, (*kind, size), grants, &context.nonce()).await?;
            Written::Namespace(Box::new(made))
        }
        Step::RemoveNamespace => {
            if let Some(seen) = seen {
                writes.remove_namespace(seen).await?;
            }
            Written::Unknown
        }
        Step::Write { parts, shape, kind, reserve } => {
            if let (Some(reserve), Some(seen)) = (reserve, seen) {
                // The nonce is new with each write: the API server does not count a write that changes nothing.
                writes.reserve(seen, reserve, &context.nonce()).await?;
            }
            // The fences are written one after another, in the order of the checks. The other parts need not wait.
            let (fenced, beside): (Vec<Part>, Vec<Part>) =
                parts.iter().partition(|part| matches!(part, Part::Limits | Part::Quota));
            let fence = async {
                for part in fenced {
                    act.write(user, part, (*kind, shape), fences).await?;
                }
                Ok(())
            };
            let beside = try_join_all(beside.into_iter().map(|part| act.write(user, part, (*kind, shape), fences)));
            try_join(fence, beside).await?;
            Written::Unknown
        }
        Step::RemoveQuota => {
            if let Some(seen) = &fences.quota {
                writes.remove_quota(seen).await?;
                info!(%user, %cluster, uncounted = ?seen.uncounted, "its ResourceQuota is not in force: writing another");
            }
            Written::Unknown
        }
        Step::Open { shape, reserved } => match seen {
            Some(seen) => Written::Namespace(Box::new(writes.open(seen, shape, reserved, &context.nonce()).await?)),
            None => Written::Unknown,
        },
        Step::Bind { kind } => {
            writes.bind_owner(user, *kind).await?;
            Written::Bound
        }
        Step::BindSchedule => {
            writes.bind_schedule().await?;
            Written::Unknown
        }
        Step::UnbindSchedule => {
            writes.unbind_schedule().await?;
            Written::Unknown
        }
        Step::Forget { uid, change } => {
            if namespaces::uid(&context.client, cluster).await?.is_none_or(|now| now != *uid) {
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
            let nonce = context.nonce();
            writes.touch(fences, &nonce).await?;
            if let Err(why) = fits(&act.remains(*kind).await?, *kind, to) {
                info!(%user, %cluster, why, "not given back yet");
                return Ok(Outcome::Touched([nonce.clone(), nonce.clone(), nonce]));
            }
            context.change(stored, cluster, change).await?;
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
    Writes::of(&context.client, cluster).touch_namespace(seen, &context.nonce()).await
}

struct Act<'a> {
    context: &'a Context,
    cluster: &'a ClusterName,
    writes: Writes<'a>,
}

impl Act<'_> {
    /// Rule 3: lists what is left, from etcd and not from a cache.
    async fn remains(&self, kind: InstanceType) -> Result<Remains, ApiError> {
        remains::read(&self.context.client, self.cluster, kind).await
    }

    async fn change(&self, stored: &Stored, change: &Change) -> Result<Stored, ApiError> {
        let changed = self.context.change(stored, self.cluster, change).await?;
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

    async fn write(
        &self,
        user: &UserName,
        part: Part,
        (kind, shape): (InstanceType, &Shape),
        fences: &Fences,
    ) -> Result<(), ApiError> {
        let (writes, settings) = (self.writes, &self.context.settings);
        match part {
            Part::Quota => writes.write_quota(fences, (kind, shape), &self.context.nonce()).await,
            Part::Limits => writes.write_limits(fences, (kind, &shape.size), settings, &self.context.nonce()).await,
            Part::NetworkPolicy => writes.write_network_policy(user, kind, settings).await,
            Part::ServiceAccount => writes.write_service_account().await,
        }
    }

    /// Holds only what is left in a Namespace that is being deleted. Its deletion replaces the fences inside, which may
    /// be gone: Kubernetes admits nothing new there. The write of the Namespace proves that this very deletion stands.
    async fn lower_deleted(&self, stored: &Stored, fences: &Fences, held: &Held) -> Result<Outcome, ApiError> {
        let Some(seen) = &fences.namespace else { return Err(ApiError::Other("the namespace is missing".to_owned())) };
        let left = seen.left.clone();
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
        let now = self.writes.lower_deleted(seen, &to, &held.shape(), &self.context.nonce()).await?;
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
}
