//! Applies a verb to instances: decide, write under the version that was read, and begin again where that helps.
//!
//! The commands of the plugin and the schedules of cmp-webhook switch instances by this code.

use std::time::Duration;

use futures::stream::{self, Stream, StreamExt};
use kube::Client;
use tokio::time::Instant;

use cmp_core::instance::Instance;
use cmp_core::lifecycle::{Call, Refusal, SuspensionRequest, SwitchRequests, switch_requests};
use cmp_core::name::InstanceName;
use cmp_core::vocabulary::{InstanceType, Mode, Verb};

use crate::error::ApiError;
use crate::instances;
use crate::patience::{Deadline, Patience};
use crate::update::DryRun;

const PAUSE: Duration = Duration::from_millis(200);

/// The party that reads an instance again after a write that may succeed later.
#[derive(Debug, Clone, Copy)]
pub enum Retry {
    /// The switch reads the instance and decides again.
    Here {
        /// The patience with other writers. A conflict is retried at once.
        patience: Patience,
        /// The end of the retries of a refusal because the cluster is released. An API server may not have seen yet that
        /// the quota was brought back.
        released: Option<Instant>,
    },
    /// The caller does, and checks first whether the verb is still due. A conflict and every refusal are
    /// [`SwitchOutcome::NotYet`].
    Caller,
}

/// One verb with its parameters, for any instance.
#[derive(Clone)]
pub struct Switch {
    /// The client that makes the calls.
    pub client: Client,
    /// The verb.
    pub verb: Verb,
    /// The request for a suspension.
    pub suspension: Option<SuspensionRequest>,
    /// How a VM is suspended. Containers know one way only.
    pub mode: Option<Mode>,
    /// The field manager of the writes.
    pub manager: String,
    /// How far the verb is carried out.
    pub dry_run: DryRun,
    /// The party that tries again.
    pub retry: Retry,
}

/// The outcome for one instance.
#[derive(Debug)]
pub enum SwitchOutcome {
    /// The instance was switched.
    Changed {
        /// Whether the instance was paused, so that it keeps its memory and its place on the node.
        paused: bool,
    },
    /// The instance was in the desired state already.
    Already,
    /// The verb does not apply.
    Skipped(Refusal),
    /// There is no such instance.
    Missing,
    /// The instance was deleted after it had been read.
    Gone(ApiError),
    /// The instance changed in between, or an API server has not seen yet that it may be changed.
    NotYet(ApiError),
    /// The request failed.
    Failed(ApiError),
}

/// The next action after a write.
#[derive(Debug)]
enum Next {
    Done(SwitchOutcome),
    /// Reads the instance again after a pause.
    Again(Duration),
}

impl Retry {
    /// Starts the clock of the writes of one instance.
    fn start(self) -> Deadline {
        match self {
            Self::Here { patience, .. } => patience,
            Self::Caller => Patience::default(),
        }
        .start()
    }

    fn after(self, answer: Result<(), ApiError>, requests: &SwitchRequests, deadline: &Deadline, now: Instant) -> Next {
        let error = match answer {
            Ok(()) => return Next::Done(SwitchOutcome::Changed { paused: requests.call == Some(Call::Pause) }),
            Err(error) => error,
        };
        // A call of KubeVirt has conflicts of its own, which a repetition does not end.
        let conflict = error.is_conflict() && (requests.call.is_none() || error.is_modified());
        match self {
            Self::Here { .. } if conflict && deadline.is_over(now) => {
                Next::Done(SwitchOutcome::Failed(deadline.late("the instance")))
            }
            Self::Here { .. } if conflict => Next::Again(Duration::ZERO),
            Self::Here { released: Some(until), .. } if error.is_released() && now < until => Next::Again(PAUSE),
            Self::Caller if error.is_conflict() || error.is_forbidden() => Next::Done(SwitchOutcome::NotYet(error)),
            _ if error.is_not_found() => Next::Done(SwitchOutcome::Gone(error)),
            _ => Next::Done(SwitchOutcome::Failed(error)),
        }
    }
}

impl Switch {
    /// Switches one instance as it was read.
    pub async fn seen(&self, shown: Instance) -> SwitchOutcome {
        let (name, kind) = (shown.name.clone(), shown.kind);
        let mut shown = Some(shown);
        let deadline = self.retry.start();
        loop {
            // The object says whether the instance is on. For a container, no verb depends on whether it runs yet.
            let read = match shown.take() {
                Some(shown) => shown,
                None => match instances::get(&self.client, &name, kind).await {
                    Ok(Some(shown)) => shown,
                    Ok(None) => return SwitchOutcome::Missing,
                    Err(error) => return SwitchOutcome::Failed(error),
                },
            };
            let requests = match switch_requests(&read, self.verb, self.mode, self.suspension.as_ref()) {
                Err(refused) => return SwitchOutcome::Skipped(refused),
                Ok(None) => return SwitchOutcome::Already,
                Ok(Some(requests)) => requests,
            };
            if self.dry_run == DryRun::Client {
                return SwitchOutcome::Changed { paused: requests.call == Some(Call::Pause) };
            }
            let dry_run = self.dry_run == DryRun::Server;
            let answer = instances::carry_out(&self.client, &read, &requests, &self.manager, dry_run).await;
            match self.retry.after(answer, &requests, &deadline, Instant::now()) {
                Next::Done(outcome) => return outcome,
                Next::Again(pause) => tokio::time::sleep(pause).await,
            }
        }
    }

    /// Reads one instance, and switches it.
    pub async fn named(&self, name: &InstanceName, kind: InstanceType) -> SwitchOutcome {
        match instances::get(&self.client, name, kind).await {
            Ok(Some(shown)) => self.seen(shown).await,
            Ok(None) => SwitchOutcome::Missing,
            Err(error) => SwitchOutcome::Failed(error),
        }
    }

    /// Switches instances as they were read, `at_once` of them in parallel. The outcomes come in any order.
    pub fn all(&self, shown: Vec<Instance>, at_once: usize) -> impl Stream<Item = (InstanceName, SwitchOutcome)> {
        stream::iter(shown)
            .map(move |shown| async move { (shown.name.clone(), self.seen(shown).await) })
            .buffer_unordered(at_once)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn requests(call: Option<Call>) -> SwitchRequests {
        SwitchRequests { patch: json!({}), call }
    }

    /// The outcome in one word.
    fn after(retry: Retry, answer: Result<(), ApiError>, call: Option<Call>, now: Instant) -> &'static str {
        match retry.after(answer, &requests(call), &retry.start(), now) {
            Next::Again(pause) if pause.is_zero() => "again",
            Next::Again(_) => "later",
            Next::Done(SwitchOutcome::Changed { paused: true }) => "paused",
            Next::Done(SwitchOutcome::Changed { paused: false }) => "changed",
            Next::Done(SwitchOutcome::NotYet(_)) => "not yet",
            Next::Done(SwitchOutcome::Gone(_)) => "gone",
            Next::Done(SwitchOutcome::Failed(_)) => "failed",
            Next::Done(SwitchOutcome::Already | SwitchOutcome::Missing | SwitchOutcome::Skipped(_)) => "never",
        }
    }

    #[test]
    fn a_retry_depends_on_the_caller() {
        let now = Instant::now();
        let until = now + PAUSE;
        let conflict = || Err(ApiError::refused(409, "Conflict", "the object has been modified"));
        let other_conflict = || Err(ApiError::refused(409, "Conflict", "the VM is being migrated"));
        let released = || Err(ApiError::refused(403, "Forbidden", "it has released its quota"));
        let forbidden = || Err(ApiError::refused(403, "Forbidden", "no"));
        let missing = || Err(ApiError::refused(404, "NotFound", "no"));
        let down = || Err(ApiError::Unreachable(String::new()));
        let check = |answer: &dyn Fn() -> Result<(), ApiError>, call, at, here, caller| {
            let retry = Retry::Here { patience: Patience::default(), released: Some(until) };
            assert_eq!(after(retry, answer(), call, at), here);
            assert_eq!(after(Retry::Caller, answer(), call, at), caller);
        };
        check(&|| Ok(()), None, now, "changed", "changed");
        check(&|| Ok(()), Some(Call::Pause), now, "paused", "paused");
        check(&|| Ok(()), Some(Call::Unpause), now, "changed", "changed");
        check(&conflict, None, now, "again", "not yet");
        check(&conflict, Some(Call::Pause), now, "again", "not yet");
        check(&other_conflict, None, now, "again", "not yet");
        check(&other_conflict, Some(Call::Pause), now, "failed", "not yet");
        check(&released, None, now, "later", "not yet");
        check(&released, None, until, "failed", "not yet");
        check(&forbidden, None, now, "failed", "not yet");
        check(&missing, None, now, "gone", "gone");
        check(&down, None, now, "failed", "failed");
        let here = |patience| Retry::Here { patience, released: None };
        assert_eq!(after(here(Patience::default()), released(), None, now), "failed");
        let over = here(Patience::default().until(now));
        assert_eq!(after(over, conflict(), None, now), "failed");
        assert_eq!(after(over, Ok(()), None, now), "changed");
    }
}
