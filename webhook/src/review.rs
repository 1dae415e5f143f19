//! The reviews of the API server, as far as they are read, and the answers to them.

use std::borrow::Cow;
use std::fmt;

use kube::core::admission::AdmissionResponse;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use cmp_core::keys;

/// Limit of a refusal's message, in bytes: it may contain text of the request.
const LONGEST_MESSAGE: usize = 2048;

/// The verdict in one word and the answer, or the reason why the review cannot be read.
pub(crate) type Answered = Result<(&'static str, AdmissionResponse), serde_json::Error>;

/// The part of a question that is judged. Everything else in a review, such as `managedFields`, is skipped. `New` and
/// `Old` are the parts of the two objects that are read.
#[derive(Deserialize)]
#[serde(bound = "New: Deserialize<'de>, Old: Deserialize<'de>")]
pub(crate) struct Review<'a, New, Old = IgnoredAny> {
    #[serde(borrow)]
    pub(crate) request: Request<'a, New, Old>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound = "New: Deserialize<'de>, Old: Deserialize<'de>")]
pub(crate) struct Request<'a, New, Old> {
    #[serde(borrow)]
    pub(crate) uid: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) user_info: UserInfo<'a>,
    #[serde(default)]
    pub(crate) dry_run: bool,
    pub(crate) object: Option<New>,
    pub(crate) old_object: Option<Old>,
}

#[derive(Deserialize)]
pub(crate) struct UserInfo<'a> {
    #[serde(borrow, default)]
    pub(crate) username: Cow<'a, str>,
}

/// The labels or annotations that this crate uses; the others are skipped.
#[derive(Default)]
pub(crate) struct Labels<'a>(Vec<(&'static str, &'a RawValue)>);

impl Labels<'_> {
    const KEYS: [&'static str; 3] = [keys::ACCOUNT, keys::TEMPLATE, keys::PROBE];

    pub(crate) fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(ours, _)| *ours == key)
    }

    /// Reports whether a label is set to true. If a key comes twice, the last value counts.
    pub(crate) fn is_true(&self, key: &str) -> bool {
        let value = self.0.iter().rev().find(|(ours, _)| *ours == key).map(|(_, value)| value.get());
        value.is_some_and(|value| serde_json::from_str::<Cow<'_, str>>(value).is_ok_and(|value| value == keys::TRUE))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Labels<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Labels<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of texts")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut ours = Labels::default();
                while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                    match Labels::KEYS.into_iter().find(|ours| *ours == key) {
                        // The last value counts, so the earlier one need not be kept.
                        Some(key) => {
                            ours.0.retain(|(earlier, _)| *earlier != key);
                            ours.0.push((key, map.next_value()?));
                        }
                        None => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(ours)
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// The part of a question that is needed to answer it at all.
#[derive(Deserialize)]
struct Envelope {
    request: EnvelopeRequest,
}

#[derive(Deserialize)]
struct EnvelopeRequest {
    uid: String,
}

/// Refuses a review that cannot be read. Returns `None` if the body is no review at all.
pub(crate) fn refused_unread(body: &[u8], why: &serde_json::Error) -> Option<AdmissionResponse> {
    let envelope = serde_json::from_slice::<Envelope>(body).ok()?;
    Some(refused(&envelope.request.uid, 422, "Invalid", &format!("the ConfigMap is not readable: {why}")))
}

pub(crate) fn allowed(uid: &str) -> AdmissionResponse {
    let mut response = AdmissionResponse::invalid("");
    response.uid = uid.to_owned();
    response.allowed = true;
    response.result = kube::core::Status::default();
    response
}

pub(crate) fn refused(uid: &str, code: u16, reason: &str, message: &str) -> AdmissionResponse {
    let shown = message.floor_char_boundary(LONGEST_MESSAGE);
    let mut response = match message.split_at(shown) {
        (all, "") => AdmissionResponse::invalid(all),
        (start, rest) => AdmissionResponse::invalid(format!("{start}... ({} bytes more)", rest.len())),
    };
    response.uid = uid.to_owned();
    // Without code and reason the API server would answer 400, and kubectl could not tell the kind of error.
    response.result.status = Some(kube::core::response::StatusSummary::Failure);
    response.result.code = code;
    response.result.reason = reason.to_owned();
    response
}
