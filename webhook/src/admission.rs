//! The API server's question: may this account change so?
//!
//! No read, no write, no state, no clock: the answer is [`cmp_core::verdict::judge`] of the two objects in the
//! question, so that a forged question changes nothing.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use kube::core::admission::AdmissionResponse;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use tokio::sync::Semaphore;
use tracing::info;

use cmp_core::account::{Account, Unreadable};
use cmp_core::beside::beside;
use cmp_core::keys;
use cmp_core::name::{InvalidName, UserName};
use cmp_core::verdict::judge;

use crate::metrics::Metrics;
use crate::templates;

/// A review carries the old and the new object, of up to 3 MiB each in etcd's terms, and more in JSON's.
const LARGEST_BODY: usize = 7 << 20;
/// At most so many at once; what comes beyond is told to come again rather than kept in memory.
const AT_ONCE: usize = 64;

#[derive(Clone)]
struct Judge {
    metrics: Arc<Metrics>,
    places: Arc<Semaphore>,
}

/// The routes.
pub fn router(metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route(keys::ACCOUNT_PATH, post(of_account))
        .route(keys::TEMPLATE_PATH, post(of_template))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(Judge { metrics, places: Arc::new(Semaphore::new(AT_ONCE)) })
}

/// Who judges, for whoever asks with [`keys::PROBE`].
const VERSION: &str = concat!("cmp-webhook/", env!("CARGO_PKG_VERSION"));

/// As much of a question as is judged. Everything else in a review, such as who manages which field, is passed over.
#[derive(Deserialize)]
struct Question<'a> {
    #[serde(borrow)]
    request: Request<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow)]
    uid: Cow<'a, str>,
    #[serde(borrow)]
    user_info: UserInfo<'a>,
    #[serde(default)]
    dry_run: bool,
    #[serde(borrow)]
    object: Option<Map<'a>>,
    #[serde(borrow)]
    old_object: Option<Map<'a>>,
}

#[derive(Deserialize)]
struct UserInfo<'a> {
    #[serde(borrow, default)]
    username: Cow<'a, str>,
}

/// A ConfigMap.
#[derive(Deserialize)]
struct Map<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow, default)]
    data: Option<Data<'a>>,
}

/// Its data, in the order of the keys. Each value as it stands in the review: most of those of a large account are the
/// same in the old and the new one, and need not be read twice.
struct Data<'a>(Vec<(&'a str, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Data<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Values;
        impl<'de> Visitor<'de> for Values {
            type Value = Vec<(&'de str, &'de RawValue)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of texts")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = map.next_entry()? {
                    values.push(value);
                }
                Ok(values)
            }
        }
        let mut values = deserializer.deserialize_map(Values)?;
        // The API server writes them in this order. Of a key that comes twice the last counts, as everywhere.
        if !values.is_sorted_by(|(one, _), (other, _)| one < other) {
            values.reverse();
            values.sort_by_key(|(key, _)| *key);
            values.dedup_by_key(|(key, _)| *key);
        }
        Ok(Self(values))
    }
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    uid: Cow<'a, str>,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
    #[serde(borrow, default)]
    annotations: Option<BTreeMap<Cow<'a, str>, &'a RawValue>>,
}

impl Map<'_> {
    fn is_account(&self) -> bool {
        let label = self.metadata.labels.as_ref().and_then(|labels| labels.get(keys::ACCOUNT));
        label.is_some_and(|value| value == keys::TRUE)
    }

    /// Whether it is only tried, by somebody who wants to know who judges.
    fn is_probe(&self) -> bool {
        self.metadata.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(keys::PROBE))
    }

    fn user(&self) -> Result<UserName, Unreadable> {
        let unreadable = |error: InvalidName| Unreadable { key: "metadata.name".to_owned(), why: error.to_string() };
        self.metadata.name.parse().map_err(unreadable)
    }

    fn values(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.data.iter().flat_map(|data| &data.0).map(|(key, value)| (*key, *value))
    }

    /// Reads the account; and what of it cannot be.
    fn account(&self) -> Result<(Account, Vec<Unreadable>), Unreadable> {
        let data: Result<Vec<_>, _> = self.values().map(|(key, raw)| Ok((key, text(key, raw)?))).collect();
        Ok(Account::read_what_can_be(self.user()?, &self.metadata.uid, data?))
    }

    /// Reads the account that `old`, which is `before`, becomes.
    fn account_after(&self, old: &Self, before: &Account, damaged: &[Unreadable]) -> Result<Account, Unreadable> {
        let mut changes = Vec::new();
        for (key, was, is) in beside(old.values(), self.values()) {
            if was.map(RawValue::get) != is.map(RawValue::get) {
                changes.push((key, is.map(|raw| text(key, raw)).transpose()?));
            }
        }
        before.changed(damaged, changes.iter().map(|(key, text)| (*key, text.as_deref())))
    }
}

/// The text that a value of a ConfigMap is.
fn text<'a>(key: &str, raw: &'a RawValue) -> Result<Cow<'a, str>, Unreadable> {
    let unreadable = |error: serde_json::Error| Unreadable { key: key.to_owned(), why: error.to_string() };
    plain_text(raw.get()).map_or_else(|| serde_json::from_str(raw.get()).map(Cow::Owned).map_err(unreadable), Ok)
}

/// The same for JSON in JSON, which is full of escaped quotes and has hardly ever anything else; `None` if it has.
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

/// As much of a question as is needed to answer it at all.
#[derive(Deserialize)]
struct Envelope {
    request: EnvelopeRequest,
}

#[derive(Deserialize)]
struct EnvelopeRequest {
    uid: String,
}

async fn of_account(State(judge): State<Judge>, body: Bytes) -> Response {
    review(&judge, &body, |body| {
        let question = serde_json::from_slice::<Question>(body)?;
        let (verdict, mut answer) = answer(&question.request);
        if question.request.object.as_ref().is_some_and(Map::is_probe) {
            answer.warnings = Some(vec![VERSION.to_owned()]);
        }
        Ok((verdict, answer))
    })
}

async fn of_template(State(judge): State<Judge>, body: Bytes) -> Response {
    review(&judge, &body, templates::answer)
}

/// Answers a question, or says why it has no answer.
fn review(
    judge: &Judge,
    body: &[u8],
    answer: impl Fn(&[u8]) -> Result<(&'static str, AdmissionResponse), serde_json::Error>,
) -> Response {
    let Ok(_place) = judge.places.try_acquire() else {
        return (StatusCode::TOO_MANY_REQUESTS, "too many questions at once").into_response();
    };
    let started = Instant::now();
    let (verdict, answer) = match answer(body) {
        Ok(answered) => answered,
        Err(error) => {
            // Looked for only now: what is read twice takes twice as long.
            let Ok(envelope) = serde_json::from_slice::<Envelope>(body) else {
                return (StatusCode::BAD_REQUEST, "not an AdmissionReview").into_response();
            };
            let why = format!("the ConfigMap is not readable: {error}");
            ("Unreadable", refused(&envelope.request.uid, 422, "Invalid", &why))
        }
    };
    judge.metrics.judged(verdict, started.elapsed());
    axum::Json(answer.into_review()).into_response()
}

pub(crate) fn allowed(uid: &str) -> AdmissionResponse {
    let mut response = AdmissionResponse::invalid("");
    response.uid = uid.to_owned();
    response.allowed = true;
    response.result = kube::core::Status::default();
    response
}

pub(crate) fn refused(uid: &str, code: u16, reason: &str, message: &str) -> AdmissionResponse {
    let mut response = AdmissionResponse::invalid(message);
    response.uid = uid.to_owned();
    // Without code and reason the API server would answer 400, and kubectl would not know what it was.
    response.result.status = Some(kube::core::response::StatusSummary::Failure);
    response.result.code = code;
    response.result.reason = reason.to_owned();
    response
}

/// The account before a change, if there was one, and after it.
fn accounts(object: &Map, old: Option<&Map>) -> Result<(Option<Account>, Account), Unreadable> {
    let strictly = |(account, mut damaged): (Account, Vec<Unreadable>)| {
        if damaged.is_empty() { Ok(account) } else { Err(damaged.swap_remove(0)) }
    };
    // What cannot be read of the old one is being mended: then all that the new one says in its place counts as added.
    let before = old.and_then(|old| Some((old, old.account().ok()?)));
    let Some((old, (before, damaged))) = before else { return Ok((None, strictly(object.account()?)?)) };
    let same = old.metadata.name == object.metadata.name && old.metadata.uid == object.metadata.uid;
    let after = if same { object.account_after(old, &before, &damaged)? } else { strictly(object.account()?)? };
    Ok((Some(before), after))
}

/// Judges one change.
fn answer(request: &Request) -> (&'static str, AdmissionResponse) {
    // Deletions are not asked about; should one be, it raises nothing.
    let Some(object) = request.object.as_ref().filter(|object| object.is_account()) else {
        return ("Allowed", allowed(&request.uid));
    };
    let by = &request.user_info.username;
    let (before, after) = match accounts(object, request.old_object.as_ref().filter(|old| old.is_account())) {
        Ok(accounts) => accounts,
        Err(error) => {
            let message = error.to_string();
            info!(user = %object.metadata.name, %by, refused = message, "judged");
            return ("Unreadable", refused(&request.uid, 422, "Invalid", &message));
        }
    };
    match judge(before.as_ref(), &after) {
        Ok(()) => {
            info!(user = %after.user, %by, dry_run = request.dry_run, "allowed");
            ("Allowed", allowed(&request.uid))
        }
        Err(denial) => {
            let message = denial.to_string();
            info!(user = %after.user, %by, dry_run = request.dry_run, refused = message, "judged");
            (denial.reason(), refused(&request.uid, 403, "Forbidden", &message))
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
        let response = router(Arc::default()).oneshot(request).await.unwrap();
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
        let large = format!("{}{}", question(&account(None)), " ".repeat(LARGEST_BODY));
        assert_eq!(ask(large).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    }
}
