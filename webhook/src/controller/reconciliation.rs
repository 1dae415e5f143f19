//! The memory of one pass over a cluster: what it waits for, why it failed, and when to try again.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::{info, warn};

use cmp_client::accounts::Stored;
use cmp_core::account::Entry;
use cmp_core::controller::{Awaited, backoff, report};
use cmp_core::fences::Fences;
use cmp_core::name::{ClusterName, UserName};

use super::context::Context;
use super::memory::Retry;

/// How long a cluster waits before its account reports the reason; most waits are over by then.
const PATIENCE: Duration = Duration::from_secs(5);
/// The same limit for a Namespace that is being deleted, which takes long if there are many deletions.
const GOING: Duration = Duration::from_secs(20);

/// One pass over a cluster, whose outcome the memory of the controllers keeps.
pub(super) struct Reconciliation<'a> {
    pub(super) context: &'a Context,
    pub(super) user: &'a UserName,
    pub(super) cluster: &'a ClusterName,
    pub(super) stored: &'a Stored,
    pub(super) changes: u64,
}

impl Reconciliation<'_> {
    /// Records that nothing is left to do.
    pub(super) fn finish(&self) {
        self.forget_failures();
        remember(self.context, self.user, self.cluster, self.stored, self.changes);
    }

    /// Forgets the reason why the cluster was held up, since a step succeeded.
    pub(super) fn forget_failures(&self) {
        if let Some(remembered) = self.context.memory().clusters.get_mut(self.user, self.cluster) {
            remembered.retry = None;
        }
    }

    /// Handles a cluster that waits for something else. Returns when to look again.
    pub(super) async fn wait(&self, what: &Awaited, again: Duration) -> Duration {
        let reason = what.to_string();
        let patience = if matches!(what, Awaited::NamespaceGone { .. }) { GOING } else { PATIENCE };
        let since = self.remember_failure(&reason, |_| Duration::ZERO).0;
        match patience.checked_sub(since.elapsed()) {
            Some(left) if !left.is_zero() => again.min(left),
            _ => {
                self.explain(&reason).await;
                again
            }
        }
    }

    /// Handles a failed step, or remains that exceed the want. Returns when to try again. A `refusal` is explained at
    /// once.
    pub(super) async fn failed(&self, reason: String, refusal: bool) -> Duration {
        let (since, pause) = self.remember_failure(&reason, |failures| backoff(failures, fastrand::u16(0..=1000)));
        if refusal || since.elapsed() >= PATIENCE {
            self.explain(&reason).await;
        }
        pause
    }

    /// Remembers the reason. Returns since when it has been the same, and how long to pause.
    fn remember_failure(&self, reason: &str, pause: impl FnOnce(u32) -> Duration) -> (Instant, Duration) {
        let now = Instant::now();
        let entry = self.stored.account.cluster(self.cluster);
        let request = self.context.hasher.of_request(&entry);
        let mut memory = self.context.memory();
        let remembered = memory.clusters.entry(self.user, self.cluster);
        let before = remembered.retry.take();
        let since = before.as_ref().filter(|before| before.reason == reason).map_or(now, |before| before.since);
        let failures = before.map_or(0, |before| before.failures).saturating_add(1);
        let pause = pause(failures);
        let until = (request, self.changes, now + pause);
        remembered.retry = Some(Box::new(Retry { reason: reason.to_owned(), since, failures, until }));
        (since, pause)
    }

    /// Writes the reason into the account, and publishes an Event about it.
    async fn explain(&self, reason: &str) {
        let Self { context, user, cluster, stored, .. } = self;
        let Some(change) = report(&stored.account, cluster, reason, Timestamp::now()) else { return };
        match context.change(stored, cluster, &change).await {
            Ok(_) => {
                info!(%user, %cluster, reason, "the cluster is stuck");
                context.publish_event(user, cluster, reason).await;
            }
            // On a conflict the next pass reads a newer account.
            Err(error) if error.is_conflict() => {}
            Err(error) => warn!(%user, %cluster, %error, "the reason could not be written into the account"),
        }
    }
}

/// Returns how long this controller has seen the same fences.
pub(super) fn unchanged_for(context: &Context, user: &UserName, cluster: &ClusterName, fences: &Fences) -> Duration {
    let mut memory = context.memory();
    let remembered = memory.clusters.entry(user, cluster);
    let nonces = fences.nonces();
    match remembered.fences.as_deref() {
        Some((seen, since)) if *seen == nonces => since.elapsed(),
        _ => {
            remembered.fences = Some(Box::new((nonces, Instant::now())));
            Duration::ZERO
        }
    }
}

fn remember(context: &Context, user: &UserName, cluster: &ClusterName, stored: &Stored, changes: u64) {
    let entry = stored.account.cluster(cluster);
    let mut memory = context.memory();
    if entry == Entry::default() {
        // Neither wanted nor held, and no Namespace of ours: nothing is left to remember, unless it changed just now.
        if memory.clusters.get(user, cluster).is_none_or(|remembered| remembered.changes == changes) {
            memory.clusters.remove(user, cluster);
        }
    } else if let Some(remembered) = memory.clusters.get_mut(user, cluster) {
        remembered.done = Some((context.hasher.of(&entry), changes, Instant::now()));
    }
}
