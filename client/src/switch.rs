//! Applies a verb to instances: decide, write under the version that was read, and begin again where that helps.
//!
//! The commands of the plugin and the schedules of cmp-webhook switch instances by this code.

use std::time::Duration;

use futures::stream::{self, Stream, StreamExt};
use kube::Client;
use tokio::time::Instant;

use cmp_core::instance::Instance;
use cmp_core::lifecycle::{Act, Asker, Call, Refusal, act};
use cmp_core::name::InstanceName;
use cmp_core::vocabulary::{InstanceType, Mode, Verb};

use crate::error::ApiError;
use crate::instances;
use crate::update::DryRun;

const PAUSE: Duration = Duration::from_millis(200);

/// The party that reads an instance again after a write that may succeed later.
#[derive(Debug, Clone, Copy)]
pub enum Retry {
    /// The switch reads the instance and decides again. A conflict is retried at once. A refusal because the cluster is
    /// released is retried until this time. An API server may not have seen yet that the quota was brought back.
    Here(Option<Instant>),
    /// The caller does, and checks first whether the verb is still due. A conflict and every refusal are
    /// [`Came::NotYet`].
    Caller,
}

/// One verb with its parameters, for any instance.
#[derive(Clone)]
pub struct Switch {
    /// The client that makes the calls.
    pub client: Client,
    /// The verb.
    pub verb: Verb,
    /// The author of a suspension.
    pub asker: Option<Asker>,
    /// How a VM is suspended. Containers know one way only.
    pub mode: Option<Mode>,
    /// The field manager of the writes.
    pub manager: &'static str,
    /// How far the verb is carried out.
    pub dry_run: DryRun,
    /// The party that tries again.
    pub retry: Retry,
}

/// The outcome for one instance.
#[derive(Debug)]
pub enum Came {
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
    Done(Came),
    /// Reads the instance again after a pause.
    Again(Duration),
}

impl Retry {
    fn after(self, answer: Result<(), ApiError>, act: &Act, now: Instant) -> Next {
        let error = match answer {
            Ok(()) => return Next::Done(Came::Changed { paused: act.call == Some(Call::Pause) }),
            Err(error) => error,
        };
        // A call of KubeVirt has conflicts of its own, which a repetition does not end.
        let conflict = error.is_conflict() && (act.call.is_none() || error.is_modified());
        match self {
            Self::Here(_) if conflict => Next::Again(Duration::ZERO),
            Self::Here(Some(until)) if error.is_released() && now < until => Next::Again(PAUSE),
            Self::Caller if error.is_conflict() || error.is_forbidden() => Next::Done(Came::NotYet(error)),
            _ if error.is_not_found() => Next::Done(Came::Gone(error)),
            _ => Next::Done(Came::Failed(error)),
        }
    }
}

impl Switch {
    /// Switches one instance as it was read.
    pub async fn seen(&self, shown: Instance) -> Came {
        let (name, kind) = (shown.name.clone(), shown.kind);
        let mut shown = Some(shown);
        loop {
            // The object says whether the instance is on. For a container, no verb depends on whether it runs yet.
            let read = match shown.take() {
                Some(shown) => shown,
                None => match instances::get(&self.client, &name, kind).await {
                    Ok(Some(shown)) => shown,
                    Ok(None) => return Came::Missing,
                    Err(error) => return Came::Failed(error),
                },
            };
            let act = match act(&read, self.verb, self.mode, self.asker.as_ref()) {
                Err(refused) => return Came::Skipped(refused),
                Ok(None) => return Came::Already,
                Ok(Some(act)) => act,
            };
            if self.dry_run == DryRun::Client {
                return Came::Changed { paused: act.call == Some(Call::Pause) };
            }
            let dry_run = self.dry_run == DryRun::Server;
            let answer = instances::carry_out(&self.client, &read, &act, self.manager, dry_run).await;
            match self.retry.after(answer, &act, Instant::now()) {
                Next::Done(came) => return came,
                Next::Again(pause) => tokio::time::sleep(pause).await,
            }
        }
    }

    /// Reads one instance, and switches it.
    pub async fn named(&self, name: &InstanceName, kind: InstanceType) -> Came {
        match instances::get(&self.client, name, kind).await {
            Ok(Some(shown)) => self.seen(shown).await,
            Ok(None) => Came::Missing,
            Err(error) => Came::Failed(error),
        }
    }

    /// Switches instances as they were read, `at_once` of them in parallel. The outcomes come in any order.
    pub fn all(&self, shown: Vec<Instance>, at_once: usize) -> impl Stream<Item = (InstanceName, Came)> {
        stream::iter(shown)
            .map(move |shown| async move { (shown.name.clone(), self.seen(shown).await) })
            .buffer_unordered(at_once)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn act(call: Option<Call>) -> Act {
        Act { patch: json!({}), call }
    }

    /// The outcome in one word.
    fn after(retry: Retry, answer: Result<(), ApiError>, call: Option<Call>, now: Instant) -> &'static str {
        match retry.after(answer, &act(call), now) {
            Next::Again(pause) if pause.is_zero() => "again",
            Next::Again(_) => "later",
            Next::Done(Came::Changed { paused: true }) => "paused",
            Next::Done(Came::Changed { paused: false }) => "changed",
            Next::Done(Came::NotYet(_)) => "not yet",
            Next::Done(Came::Gone(_)) => "gone",
            Next::Done(Came::Failed(_)) => "failed",
            Next::Done(Came::Already | Came::Missing | Came::Skipped(_)) => "never",
        }
    }

    #[test]
    fn what_is_tried_again_depends_on_who_tries() {
        let now = Instant::now();
        let until = now + PAUSE;
        let conflict = || Err(ApiError::refused(409, "Conflict", "the object has been modified"));
        let other_conflict = || Err(ApiError::refused(409, "Conflict", "the VM is being migrated"));
        let released = || Err(ApiError::refused(403, "Forbidden", "it has released its quota"));
        let forbidden = || Err(ApiError::refused(403, "Forbidden", "no"));
        let missing = || Err(ApiError::refused(404, "NotFound", "no"));
        let down = || Err(ApiError::Unreachable(String::new()));
        let check = |answer: &dyn Fn() -> Result<(), ApiError>, call, at, here, caller| {
            assert_eq!(after(Retry::Here(Some(until)), answer(), call, at), here);
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
        assert_eq!(after(Retry::Here(None), released(), None, now), "failed");
    }
}
