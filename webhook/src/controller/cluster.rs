//! The steps of one cluster: read, decide and act until nothing is left to do now.

use std::time::Duration;

use jiff::Timestamp;
use tracing::{info, warn};

use cmp_client::accounts::Stored;
use cmp_client::{ApiError, fences};
use cmp_core::controller::{Observation, Step, next_step};
use cmp_core::fences::Fences;
use cmp_core::name::{ClusterName, UserName};

use super::act;
use super::context::{Context, RESYNC};
use super::reconciliation::{Reconciliation, unchanged_for};
use crate::metrics;

/// Limit of steps in a row. More steps mean that something is wrong: come back later.
const STEPS: usize = 50;

/// The state that is known after a step and need not be read again. Rule 1 holds: the account is never older than the
/// fences. The only exception: nothing follows from the fences but a change of the account. Such a change fails if the
/// account is not the one that was read.
#[derive(Default)]
struct KnownState {
    /// Number of changes that had been seen when the state was read.
    changes: Option<u64>,
    fences: Option<Fences>,
    stored: Option<Stored>,
}

impl KnownState {
    fn after(written: act::Written, fences: Fences, stored: Stored, changes: u64) -> Self {
        let (fences, stored) = match written {
            act::Written::Unknown => return Self::default(),
            act::Written::Account(now) => (fences, Some(*now)),
            // After a create, the next step only records the Namespace in the account. For other steps the account is
            // read again.
            act::Written::Namespace(now) => {
                let stored = Some(stored).filter(|_| fences.namespace.is_none());
                (Fences { namespace: Some(*now), ..fences }, stored)
            }
            act::Written::Bound => (Fences { role_binding: true, ..fences }, Some(stored)),
        };
        Self { changes: Some(changes), fences: Some(fences), stored }
    }

    /// Rule 1: reads the fences first, then the account.
    async fn read(
        &mut self,
        context: &Context,
        user: &UserName,
        cluster: &ClusterName,
    ) -> Result<(Fences, Stored), ApiError> {
        let fences = match self.fences.take() {
            Some(fences) => fences,
            None => fences::read(&context.client, cluster, &context.settings).await?,
        };
        let stored = match self.stored.take() {
            Some(stored) => stored,
            None => context.accounts.get(user).await?,
        };
        Ok((fences, stored))
    }
}

/// Brings one cluster as far as possible now, and returns when to come back.
pub(super) async fn reconcile_cluster(context: &Context, user: &UserName, cluster: &ClusterName) -> Duration {
    let mut known = KnownState::default();
    for _ in 0..STEPS {
        let changes = known
            .changes
            .unwrap_or_else(|| context.memory().clusters.get(user, cluster).map_or(0, |seen| seen.changes));
        let (fences, stored) = match known.read(context, user, cluster).await {
            Ok(read) => read,
            Err(error) if error.is_not_found() => {
                // The account is gone: its Namespaces stay until it is created anew.
                context.memory().clusters.remove(user, cluster);
                return RESYNC;
            }
            Err(error) => {
                context.metrics.failed(metrics::READ);
                warn!(%cluster, step = metrics::READ, %error, "cannot read the cluster and its account: retrying");
                return Duration::from_secs(1);
            }
        };
        let unchanged_for = unchanged_for(context, user, cluster, &fences);
        let settings = &context.settings;
        let observation = Observation { account: &stored.account, cluster, fences: &fences, unchanged_for, settings };
        let step = next_step(&observation, context.window, Timestamp::now());
        let releasing =
            matches!(&step, Step::Lower { .. } | Step::LowerDeleted { .. } | Step::Wait { again: Some(_), .. });
        if !releasing && let Some(remembered) = context.memory().clusters.get_mut(user, cluster) {
            remembered.fences = None;
        }
        let reconciliation = Reconciliation { context, user, cluster, stored: &stored, changes };
        match &step {
            Step::Nothing => {
                reconciliation.finish();
                return RESYNC;
            }
            Step::Wait { what, again } => {
                let again = again.unwrap_or(Duration::from_secs(30));
                return if what.is_reported() { reconciliation.wait(what, again).await } else { again };
            }
            step => {
                let name = act::name(step);
                match act::carry_out(context, &stored, cluster, &fences, step).await {
                    Ok(act::Outcome::Done(written)) => {
                        context.metrics.stepped(name);
                        reconciliation.forget_failures();
                        known = KnownState::after(written, fences, stored, changes);
                    }
                    Ok(act::Outcome::Touched(nonces)) => {
                        // The writes are our own, under the versions that were seen: no other write came between.
                        if let Some(remembered) = context.memory().clusters.get_mut(user, cluster)
                            && let Some(fences) = &mut remembered.fences
                        {
                            fences.0 = nonces;
                        }
                        return Duration::from_secs(1);
                    }
                    Ok(act::Outcome::NotYet(why)) => {
                        info!(%user, %cluster, why, "not given back yet");
                        return reconciliation.failed(format!("its quota is not given back yet: {why}"), false).await;
                    }
                    Err(error) if error.is_conflict() || error.is_already_there() || error.is_not_found() => {
                        context.metrics.failed(metrics::CONFLICT);
                        known = KnownState::default();
                    }
                    Err(error) => {
                        context.metrics.failed(name);
                        warn!(%cluster, step = name, %error, "the step failed: retrying");
                        return reconciliation.failed(act::failure(step, &error), error.is_refusal()).await;
                    }
                }
            }
        }
    }
    warn!(%user, %cluster, "the cluster needs more steps than expected: going on later");
    Duration::from_secs(5)
}
