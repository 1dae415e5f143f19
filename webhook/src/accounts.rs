//! Answers the API server's question whether an account may change in this way.
//!
//! The handler reads nothing, writes nothing, and has no state and no clock. The answer is [`judge_pair`] of the two
//! objects in the question, so that a forged question changes nothing.

use std::borrow::Cow;

use kube::core::admission::AdmissionResponse;
use kube::core::response::{StatusCause, StatusDetails};
use serde::Deserialize;
use tracing::info;

use cmp_core::account::diff::{AccountPair, EncodedAccount, EncodedData};
use cmp_core::keys;
use cmp_core::verdict::judge_pair;

use crate::logged::Logged;
use crate::review::{Answered, Labels, Request, Review, allowed, refused};

/// The version of the judging process, returned to callers that set [`keys::PROBE`].
pub(crate) const VERSION: &str = concat!("cmp-webhook/", env!("CARGO_PKG_VERSION"));

/// The part of a ConfigMap that is read for an account.
#[derive(Deserialize)]
struct Map<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow, default)]
    data: Option<EncodedData<'a>>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    uid: Cow<'a, str>,
    #[serde(borrow, default)]
    labels: Option<Labels<'a>>,
    #[serde(borrow, default)]
    annotations: Option<Labels<'a>>,
}

impl Map<'_> {
    fn is_account(&self) -> bool {
        self.metadata.labels.as_ref().is_some_and(|labels| labels.is_true(keys::ACCOUNT))
    }

    /// Reports whether this is a trial by a caller who wants to know which version judges.
    fn is_probe(&self) -> bool {
        self.metadata.annotations.as_ref().is_some_and(|annotations| annotations.has(keys::PROBE))
    }

    fn encoded(&self) -> EncodedAccount<'_> {
        EncodedAccount { name: &self.metadata.name, uid: &self.metadata.uid, data: self.data.as_ref() }
    }
}

/// Reads a question and answers it.
pub(crate) fn answer(review: &[u8]) -> Answered {
    let Review { request }: Review<'_, Map<'_>, Map<'_>> = serde_json::from_slice(review)?;
    let (verdict, mut answer) = judge(&request);
    if request.object.as_ref().is_some_and(Map::is_probe) {
        answer.warnings = Some(vec![VERSION.to_owned()]);
    }
    Ok((verdict, answer))
}

/// Judges one change of an account.
fn judge(request: &Request<'_, Map<'_>, Map<'_>>) -> (&'static str, AdmissionResponse) {
    // The API server does not ask about deletions. A deletion would be allowed, since it raises nothing.
    let Some(object) = request.object.as_ref().filter(|object| object.is_account()) else {
        return ("Allowed", allowed(&request.uid));
    };
    let (uid, by) = (Logged(&request.uid), Logged(&request.user_info.username));
    let old = request.old_object.as_ref().filter(|old| old.is_account());
    let old = old.map(Map::encoded);
    let pair = match AccountPair::read(old.as_ref(), &object.encoded()) {
        Ok(pair) => pair,
        Err(error) => {
            let message = error.to_string();
            info!(%uid, user = %Logged(&object.metadata.name), %by, refused = %Logged(&message), "judged");
            return ("Unreadable", refused(&request.uid, 422, "Invalid", &message));
        }
    };
    match judge_pair(&pair) {
        Ok(()) => {
            info!(%uid, user = %pair.after.user, %by, dry_run = request.dry_run, "allowed");
            ("Allowed", allowed(&request.uid))
        }
        Err(denial) => {
            let message = denial.to_string();
            info!(%uid, user = %pair.after.user, %by, dry_run = request.dry_run, refused = %Logged(&message), "judged");
            let mut response = refused(&request.uid, 403, "Forbidden", &message);
            // The API server passes them on. The plugin goes by the reason and not by the message.
            let cause =
                StatusCause { reason: denial.reason().to_owned(), message: String::new(), field: String::new() };
            response.result.details = Some(StatusDetails {
                name: object.metadata.name.to_string(),
                group: String::new(),
                kind: "configmaps".to_owned(),
                uid: String::new(),
                causes: vec![cause],
                retry_after_seconds: 0,
            });
            (denial.reason(), response)
        }
    }
}
