//! Answers the API server's question whether an account may change in this way.
//!
//! The handler reads nothing, writes nothing, and has no state and no clock. The answer is [`cmp_core::verdict::judge`]
//! of the two objects in the question, so that a forged question changes nothing.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use kube::core::admission::AdmissionResponse;
use kube::core::response::{StatusCause, StatusDetails};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::{error, info};

use cmp_core::account::{Account, Unreadable};
use cmp_core::keys;
use cmp_core::merge_join::merge_join;
use cmp_core::name::{ClusterName, InvalidName, UserName};
use cmp_core::verdict::{Denial, judge, judge_length};

use crate::door::{self, busy, hold};
use crate::logged::Logged;
use crate::metrics::Metrics;
use crate::templates;

/// Number of accounts judged at one time. One judgement takes 0.1 ms, and up to 40 MiB in addition to its review.
const ACCOUNTS_AT_ONCE: usize = 2;
/// Number of templates judged at one time. Templates have their own places, so that no account waits for a template.
const TEMPLATES_AT_ONCE: usize = 1;

/// Limit of entries that are read from an account. A thousand clusters with five entries each need half of it.
const MOST_ENTRIES: usize = 10_000;
/// Limit of the total size of all values in a ConfigMap, in bytes: no API server stores more.
const MOST_DATA: usize = 1 << 20;
/// Limit of a refusal's message, in bytes: it may contain text of the request.
const LONGEST_MESSAGE: usize = 2048;

/// The question that a review asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Whether an account may change in this way.
    Account,
    /// Whether a ConfigMap may be a template.
    Template,
}

/// The verdict in one word and the answer, or the reason why the review cannot be read.
pub type Answered = Result<(&'static str, AdmissionResponse), serde_json::Error>;

impl Question {
    /// Reads a review and answers it.
    pub fn answer(self, review: &[u8]) -> Answered {
        match self {
            Self::Account => answer_for_account(review),
            Self::Template => templates::answer(review),
        }
    }
}

#[derive(Clone)]
struct Judge {
    metrics: Arc<Metrics>,
    question: Question,
    places: Arc<Semaphore>,
}

/// Returns the routes of both questions, with the limits on request bodies.
pub fn router(metrics: &Arc<Metrics>) -> Router {
    let route = |question, at_once| {
        let judge = Judge { metrics: metrics.clone(), question, places: Arc::new(Semaphore::new(at_once)) };
        post(review).with_state(judge)
    };
    Router::new()
        .route(keys::ACCOUNT_PATH, route(Question::Account, ACCOUNTS_AT_ONCE))
        .route(keys::TEMPLATE_PATH, route(Question::Template, TEMPLATES_AT_ONCE))
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(door::room_for_bodies(), hold))
}

/// The version of the judging process, returned to callers that set [`keys::PROBE`].
const VERSION: &str = concat!("cmp-webhook/", env!("CARGO_PKG_VERSION"));

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
    old_object: Option<Old>,
}

#[derive(Deserialize)]
pub(crate) struct UserInfo<'a> {
    #[serde(borrow, default)]
    pub(crate) username: Cow<'a, str>,
}

/// The part of a ConfigMap that is read for an account.
#[derive(Deserialize)]
struct Map<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow, default)]
    data: Option<Data<'a>>,
}

/// The data of a ConfigMap, in the order of the keys. Values stay encoded as in the review: most values of a large
/// account are equal in both objects, and need not be decoded twice.
struct Data<'a> {
    values: Vec<(&'a str, &'a RawValue)>,
    /// Number of entries in the review; no more than [`MOST_ENTRIES`] are kept.
    count: usize,
}

impl<'de: 'a, 'a> Deserialize<'de> for Data<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Values;
        impl<'de> Visitor<'de> for Values {
            type Value = Data<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of texts")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut values, mut count) = (Vec::new(), 0);
                while let Some(value) = map.next_entry()? {
                    count += 1;
                    if count <= MOST_ENTRIES {
                        values.push(value);
                    }
                }
                Ok(Data { values, count })
            }
        }
        let Data { mut values, count } = deserializer.deserialize_map(Values)?;
        // The API server writes the keys in this order. If a key comes twice, the last value counts, as everywhere.
        if !values.is_sorted_by(|(one, _), (other, _)| one < other) {
            values.reverse();
            values.sort_by_key(|(key, _)| *key);
            values.dedup_by_key(|(key, _)| *key);
        }
        Ok(Self { values, count })
    }
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    uid: Cow<'a, str>,
    #[serde(borrow, default)]
    labels: Option<Ours<'a>>,
    #[serde(borrow, default)]
    annotations: Option<Ours<'a>>,
}

/// The labels or annotations that this crate uses; the others are skipped.
#[derive(Default)]
pub(crate) struct Ours<'a>(Vec<(&'static str, &'a RawValue)>);

impl Ours<'_> {
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

impl<'de: 'a, 'a> Deserialize<'de> for Ours<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Ours<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of texts")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut ours = Ours::default();
                while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                    match Ours::KEYS.into_iter().find(|ours| *ours == key) {
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

impl Map<'_> {
    fn is_account(&self) -> bool {
        self.metadata.labels.as_ref().is_some_and(|labels| labels.is_true(keys::ACCOUNT))
    }

    /// Reports whether this is a trial by a caller who wants to know which version judges.
    fn is_probe(&self) -> bool {
        self.metadata.annotations.as_ref().is_some_and(|annotations| annotations.has(keys::PROBE))
    }

    fn user(&self) -> Result<UserName, Unreadable> {
        let unreadable = |error: InvalidName| Unreadable { key: "metadata.name".to_owned(), why: error.to_string() };
        self.metadata.name.parse().map_err(unreadable)
    }

    fn values(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.data.iter().flat_map(|data| &data.values).map(|(key, value)| (*key, *value))
    }

    /// Checks that the data are no larger than a ConfigMap can be. Decoding takes up to sixteen times as much memory.
    fn fits(&self) -> Result<(), Unreadable> {
        let too_much = |why: String| Err(Unreadable { key: "data".to_owned(), why });
        let count = self.data.as_ref().map_or(0, |data| data.count);
        if count > MOST_ENTRIES {
            return too_much(format!("it has {count} entries, where {MOST_ENTRIES} are the most"));
        }
        let length: usize = self.values().map(|(_, raw)| decoded_length(raw.get())).sum();
        if length > MOST_DATA {
            return too_much(format!("it has {length} bytes, where a ConfigMap has at most {MOST_DATA}"));
        }
        Ok(())
    }

    /// Reads the account, and lists the parts that cannot be read.
    fn account(&self) -> Result<(Account, Vec<Unreadable>), Unreadable> {
        self.fits()?;
        let data: Result<Vec<_>, _> = self.values().map(|(key, raw)| Ok((key, text(key, raw)?))).collect();
        Ok(Account::read_what_can_be(self.user()?, &self.metadata.uid, data?))
    }

    /// Reads the new account as changes to `before`, which is the account in `old`.
    fn account_after(&self, old: &Self, before: &Account, damaged: &[Unreadable]) -> Result<Account, Unreadable> {
        self.fits()?;
        let mut changes = Vec::new();
        for (key, was, is) in merge_join(old.values(), self.values()) {
            if was.map(RawValue::get) != is.map(RawValue::get) {
                changes.push((key, is.map(|raw| text(key, raw)).transpose()?));
            }
        }
        before.changed(damaged, changes.iter().map(|(key, text)| (*key, text.as_deref())))
    }
}

/// Returns the minimum number of bytes of a JSON string after decoding: an escape is one byte or more.
fn decoded_length(raw: &str) -> usize {
    let bytes = raw.as_bytes();
    let (mut at, mut length) = (0, 0_usize);
    while let Some(byte) = bytes.get(at) {
        at += match (byte, bytes.get(at + 1)) {
            (b'\\', Some(b'u')) => 6,
            (b'\\', _) => 2,
            _ => 1,
        };
        length += 1;
    }
    // Do not count the quotes around the string.
    length.saturating_sub(2)
}

/// Decodes the string value of a ConfigMap entry.
fn text<'a>(key: &str, raw: &'a RawValue) -> Result<Cow<'a, str>, Unreadable> {
    let unreadable = |error: serde_json::Error| Unreadable { key: key.to_owned(), why: error.to_string() };
    plain_text(raw.get()).map_or_else(|| serde_json::from_str(raw.get()).map(Cow::Owned).map_err(unreadable), Ok)
}

/// Decodes nested JSON fast: it is full of escaped quotes and hardly ever has other escapes. Returns `None` if it has.
fn plain_text(raw: &str) -> Option<Cow<'_, str>> {
    let mut rest = raw.strip_prefix('"')?.strip_suffix('"')?;
    if !rest.contains('\\') {
        return Some(Cow::Borrowed(rest));
    }
    let mut text = String::with_capacity(rest.len());
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        text.push_str(before);
        let mut chars = escape.chars();
        text.push(chars.by_ref().nth(1).filter(|char| ['"', '\\', '/'].contains(char))?);
        rest = chars.as_str();
    }
    text.push_str(rest);
    Some(Cow::Owned(text))
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

fn answer_for_account(review: &[u8]) -> Answered {
    let Review { request }: Review<'_, Map<'_>, Map<'_>> = serde_json::from_slice(review)?;
    let (verdict, mut answer) = answer(&request);
    if request.object.as_ref().is_some_and(Map::is_probe) {
        answer.warnings = Some(vec![VERSION.to_owned()]);
    }
    Ok((verdict, answer))
}

/// Answers a review on a thread of its own: however long it takes, the probes and the other connections continue.
async fn review(State(judge): State<Judge>, body: Bytes) -> Response {
    let places = judge.places.acquire_owned();
    let Ok(Ok(place)) = timeout(door::WAIT, places).await else { return busy() };
    let judged = tokio::task::spawn_blocking(move || {
        // The thread holds the place, because it continues even if nobody waits for its answer any more.
        let _place = place;
        let started = Instant::now();
        let (verdict, answer) = judged(judge.question, &body)?;
        judge.metrics.judged(verdict, started.elapsed());
        Some(answer)
    });
    match judged.await {
        Ok(Some(answer)) => axum::Json(answer.into_review()).into_response(),
        Ok(None) => (StatusCode::BAD_REQUEST, "not an AdmissionReview").into_response(),
        Err(error) => {
            error!(%error, "a review has no answer");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Answers a question, or explains why it has no answer; `None` if the body is not a question at all.
fn judged(question: Question, body: &[u8]) -> Option<(&'static str, AdmissionResponse)> {
    question.answer(body).map_or_else(
        |error| {
            // Read the envelope only on failure: a second read of every review would double the time.
            let envelope = serde_json::from_slice::<Envelope>(body).ok()?;
            let why = format!("the ConfigMap is not readable: {error}");
            Some(("Unreadable", refused(&envelope.request.uid, 422, "Invalid", &why)))
        },
        Some,
    )
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

/// Returns the account before a change, if there was one, and after it.
fn accounts(object: &Map, old: Option<&Map>) -> Result<(Option<Account>, Account), Unreadable> {
    let strictly = |(account, mut damaged): (Account, Vec<Unreadable>)| {
        if damaged.is_empty() { Ok(account) } else { Err(damaged.swap_remove(0)) }
    };
    // A change may repair parts of the old account that cannot be read. All that the new account has in their place
    // then counts as added.
    let before = old.and_then(|old| Some((old, old.account().ok()?)));
    let Some((old, (before, damaged))) = before else { return Ok((None, strictly(object.account()?)?)) };
    let same = old.metadata.name == object.metadata.name && old.metadata.uid == object.metadata.uid;
    let after = if same { object.account_after(old, &before, &damaged)? } else { strictly(object.account()?)? };
    Ok((Some(before), after))
}

/// Refuses a want that is too long for later reviews. Its length is measured as it is encoded in this review.
fn judge_lengths(object: &Map, old: Option<&Map>) -> Result<(), Denial> {
    let length = |raw: Option<&RawValue>| raw.map_or(0, |raw| raw.get().len());
    for (key, was, is) in merge_join(old.into_iter().flat_map(Map::values), object.values()) {
        if let Some(Ok(cluster)) = key.strip_prefix(keys::data::WANT).map(str::parse::<ClusterName>) {
            judge_length(&cluster, length(was), length(is))?;
        }
    }
    Ok(())
}

/// Judges one change of an account.
fn answer(request: &Request<'_, Map<'_>, Map<'_>>) -> (&'static str, AdmissionResponse) {
    // The API server does not ask about deletions. A deletion would be allowed, since it raises nothing.
    let Some(object) = request.object.as_ref().filter(|object| object.is_account()) else {
        return ("Allowed", allowed(&request.uid));
    };
    let by = Logged(&request.user_info.username);
    let old = request.old_object.as_ref().filter(|old| old.is_account());
    let (before, after) = match accounts(object, old) {
        Ok(accounts) => accounts,
        Err(error) => {
            let message = error.to_string();
            info!(user = %Logged(&object.metadata.name), %by, refused = %Logged(&message), "judged");
            return ("Unreadable", refused(&request.uid, 422, "Invalid", &message));
        }
    };
    match judge(before.as_ref(), &after).and_then(|()| judge_lengths(object, old)) {
        Ok(()) => {
            info!(user = %after.user, %by, dry_run = request.dry_run, "allowed");
            ("Allowed", allowed(&request.uid))
        }
        Err(denial) => {
            let message = denial.to_string();
            info!(user = %after.user, %by, dry_run = request.dry_run, refused = %Logged(&message), "judged");
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

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http;
    use serde_json::{Value, json};
    use tower::ServiceExt;

    use super::*;

    async fn ask(body: String) -> (StatusCode, Value) {
        let request = http::Request::post(keys::ACCOUNT_PATH).body(Body::from(body)).unwrap();
        let response = router(&Arc::default()).oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    fn account(want: Option<&str>) -> Value {
        let mut data = json!({ "quota": r#"{"cpu":"4","memory":"8Gi"}"#, "settled": "u" });
        if let Some(want) = want {
            data["want.web"] = json!(want);
        }
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": "john", "namespace": "cmp-users", "uid": "u", "labels": { (keys::ACCOUNT): "true" } },
            "data": data,
        })
    }

    fn question(new: &Value) -> String {
        json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": "question-1", "operation": "UPDATE", "name": "john", "namespace": "cmp-users",
                "kind": { "group": "", "version": "v1", "kind": "ConfigMap" },
                "resource": { "group": "", "version": "v1", "resource": "configmaps" },
                "userInfo": { "username": "system:serviceaccount:cmp-users:john" },
                "object": new, "oldObject": account(None), "dryRun": false,
            },
        })
        .to_string()
    }

    #[tokio::test]
    async fn what_fits_is_allowed() {
        let want = r#"{"type":"container","count":2,"size":{"cpu":"2","memory":"4Gi"}}"#;
        let (_, answer) = ask(question(&account(Some(want)))).await;
        assert_eq!(answer["response"]["allowed"], true);
        assert_eq!(answer["response"]["uid"], "question-1");
        assert_eq!(
            (&answer["apiVersion"], &answer["kind"]),
            (&json!("admission.k8s.io/v1"), &json!("AdmissionReview"))
        );
    }

    #[tokio::test]
    async fn what_exceeds_is_refused_as_kubernetes_refuses() {
        let want = r#"{"type":"container","count":3,"size":{"cpu":"2","memory":"2Gi"}}"#;
        let (_, answer) = ask(question(&account(Some(want)))).await;
        let status = &answer["response"]["status"];
        assert_eq!(answer["response"]["allowed"], false);
        assert_eq!((&status["code"], &status["reason"]), (&json!(403), &json!("Forbidden")));
        assert_eq!(status["message"], "exceeded quota: john, requested: cpu=6, used: cpu=0, limited: cpu=4");
    }

    #[tokio::test]
    async fn who_asks_for_it_is_told_the_version() {
        let mut probe = account(None);
        let (_, answer) = ask(question(&probe)).await;
        assert!(answer["response"]["warnings"].is_null());
        probe["metadata"]["annotations"] = json!({ (keys::PROBE): "true" });
        let (_, answer) = ask(question(&probe)).await;
        assert_eq!(answer["response"]["warnings"], json!([VERSION]));
        probe["data"]["want.web"] = json!(r#"{"type":"container","count":9,"size":{"cpu":"2","memory":"4Gi"}}"#);
        let (_, answer) = ask(question(&probe)).await;
        assert_eq!(answer["response"]["allowed"], false);
        assert_eq!(answer["response"]["warnings"], json!([VERSION]));
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_refused_with_the_uid_of_the_question() {
        let (_, answer) = ask(question(&account(Some("three")))).await;
        assert_eq!(answer["response"]["status"]["code"], 422);
        assert!(answer["response"]["status"]["message"].as_str().unwrap().contains("want.web"));
        let mut strange = account(None);
        strange["data"] = json!([1]);
        let (_, answer) = ask(question(&strange)).await;
        assert_eq!(answer["response"]["allowed"], false);
        assert_eq!(answer["response"]["uid"], "question-1");
        assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
    }

    #[tokio::test]
    async fn the_order_of_the_keys_is_no_matter_and_the_last_of_two_counts() {
        let want = r#"{\"type\":\"container\",\"count\":9,\"size\":{\"cpu\":\"2\",\"memory\":\"4Gi\"}}"#;
        let small = want.replace('9', "1");
        let ask_for = |data: &str| {
            let asked = question(&account(None));
            let (before, after) = asked.split_once(r#""object":"#).unwrap();
            let object = format!(
                r#"{{"metadata":{{"name":"john","uid":"u","labels":{{"{}":"true"}}}},"data":{{{data}}}}}"#,
                keys::ACCOUNT
            );
            let rest = after.split_once(r#","oldObject""#).map_or("}}", |(_, rest)| rest);
            format!(r#"{before}"object":{object},"oldObject"{rest}"#)
        };
        let rest = r#""settled":"u","quota":"{\"cpu\":\"4\",\"memory\":\"8Gi\"}""#;
        for (data, allowed) in [
            (format!(r#""want.web":"{small}",{rest}"#), true),
            (format!(r#"{rest},"want.web":"{want}""#), false),
            (format!(r#""want.web":"{want}",{rest},"want.web":"{small}""#), true),
            (format!(r#""want.web":"{small}",{rest},"want.web":"{want}""#), false),
        ] {
            let (_, answer) = ask(ask_for(&data)).await;
            assert_eq!(answer["response"]["allowed"], allowed, "{data}: {answer}");
        }
    }

    #[test]
    fn a_plain_text_is_what_json_says_it_is() {
        for text in ["", "u", r#"{"cpu":"2"}"#, "a\\b/c", "é\n", "\\", "\"", "\u{1}", "\\\"\\", "ends with \\"] {
            let raw = serde_json::to_string(text).unwrap();
            assert_eq!(plain_text(&raw).unwrap_or(Cow::Borrowed(text)), text, "{raw}");
            let raw = RawValue::from_string(raw).unwrap();
            assert_eq!(super::text("key", &raw).unwrap(), text);
        }
        assert_eq!(plain_text(r#""\/""#).as_deref(), Some("/"));
        assert_eq!(plain_text(r#""\u0041""#), None);
        assert_eq!(plain_text("[1]"), None);
        assert_eq!(plain_text("3"), None);
    }

    #[tokio::test]
    async fn what_is_no_question_is_no_answer() {
        assert_eq!(ask("{}".to_owned()).await.0, StatusCode::BAD_REQUEST);
        assert_eq!(ask("\u{0}".to_owned()).await.0, StatusCode::BAD_REQUEST);
        let large = format!("{}{}", question(&account(None)), " ".repeat(door::LARGEST));
        assert_eq!(ask(large).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    }
}
