//! The admission webhook: the routes of both questions, and the limits on reading and judging a review.
//!
//! [`accounts`](crate::accounts) and [`templates`](crate::templates) answer. They read nothing, write nothing, and have
//! no state and no clock.

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
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::{error, info};

use cmp_core::keys;

use crate::limits::{self, busy, limit_body};
use crate::logged::Logged;
use crate::metrics::Metrics;
use crate::review::{self, Answered};
use crate::{accounts, templates};

/// Number of accounts judged at one time. One judgement takes 0.1 ms, and up to 40 MiB in addition to its review.
const ACCOUNTS_AT_ONCE: usize = 2;
/// Number of templates judged at one time. Templates have their own places, so that no account waits for a template.
const TEMPLATES_AT_ONCE: usize = 1;

/// The question that a review asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Whether an account may change in this way.
    Account,
    /// Whether a ConfigMap may be a template.
    Template,
}

impl Question {
    /// Reads a review and answers it.
    pub fn answer(self, review: &[u8]) -> Answered {
        match self {
            Self::Account => accounts::answer(review),
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
        post(answer).with_state(judge)
    };
    Router::new()
        .route(keys::ACCOUNT_PATH, route(Question::Account, ACCOUNTS_AT_ONCE))
        .route(keys::TEMPLATE_PATH, route(Question::Template, TEMPLATES_AT_ONCE))
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(limits::body_capacity(), limit_body))
}

/// Answers a review on a thread of its own: however long it takes, the probes and the other connections continue.
async fn answer(State(judge): State<Judge>, body: Bytes) -> Response {
    let places = judge.places.acquire_owned();
    let Ok(Ok(place)) = timeout(limits::WAIT, places).await else { return busy() };
    let judged = tokio::task::spawn_blocking(move || {
        // The thread holds the place, because it continues even if nobody waits for its answer any more.
        let _place = place;
        answered(&judge.metrics, judge.question, &body)
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

/// Answers a question, counts the answer, and logs it. The uid leads to the line that says whose account it is.
fn answered(metrics: &Metrics, question: Question, body: &[u8]) -> Option<AdmissionResponse> {
    let started = Instant::now();
    let (verdict, answer) = judged(question, body)?;
    let took = started.elapsed();
    metrics.judged(verdict, took);
    let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    info!(uid = %Logged(&answer.uid), verdict, microseconds, "answered");
    Some(answer)
}

/// Answers a question, or explains why it has no answer; `None` if the body is not a question at all.
fn judged(question: Question, body: &[u8]) -> Option<(&'static str, AdmissionResponse)> {
    question.answer(body).map_or_else(
        |error| {
            // The envelope is read on failure only: a second read of every review would double the time.
            Some(("Unreadable", review::refused_unread(body, &error)?))
        },
        Some,
    )
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use axum::body::Body;
    use axum::http;
    use serde_json::{Value, json};
    use tower::ServiceExt;
    use tracing::level_filters::LevelFilter;

    use super::*;
    use crate::accounts::VERSION;

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
    async fn a_change_within_the_quota_is_allowed() {
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
    async fn a_change_above_the_quota_is_refused_as_kubernetes_does() {
        let want = r#"{"type":"container","count":3,"size":{"cpu":"2","memory":"2Gi"}}"#;
        let (_, answer) = ask(question(&account(Some(want)))).await;
        let status = &answer["response"]["status"];
        assert_eq!(answer["response"]["allowed"], false);
        assert_eq!((&status["code"], &status["reason"]), (&json!(403), &json!("Forbidden")));
        assert_eq!(status["message"], "exceeded quota: john, requested: cpu=6, used: cpu=0, limited: cpu=4");
    }

    /// The lines of a log.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_log_has_the_uid_the_user_the_verdict_and_the_time_of_each_review() {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
        let metrics = Metrics::default();
        let want = r#"{"type":"container","count":3,"size":{"cpu":"2","memory":"2Gi"}}"#;
        // While one subscriber exists, a callsite keeps the answer for the thread that meets it first, perhaps a thread
        // of another test, without a subscriber. With two, each thread asks its own. The first of the two enables no
        // level, so that no callsite is met before the second.
        let _first = tracing::Dispatch::new(tracing_subscriber::fmt().with_max_level(LevelFilter::OFF).finish());
        tracing::subscriber::with_default(log, || {
            for account in [account(None), account(Some(want)), account(Some("three"))] {
                answered(&metrics, Question::Account, question(&account).as_bytes());
            }
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let fields: Vec<Value> =
            text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["fields"].clone()).collect();
        assert_eq!(fields.len(), 6, "{text}");
        for (pair, verdict) in fields.chunks(2).zip(["Allowed", "OverQuota", "Unreadable"]) {
            let [told, answered] = pair else { panic!("{text}") };
            assert_eq!((&told["user"], &told["by"]), (&json!("john"), &json!("system:serviceaccount:cmp-users:john")));
            assert_eq!((&told["uid"], &answered["uid"]), (&json!("question-1"), &json!("question-1")));
            assert_eq!((&answered["message"], &answered["verdict"]), (&json!("answered"), &json!(verdict)));
            assert!(answered["microseconds"].is_u64(), "{text}");
        }
    }

    #[tokio::test]
    async fn a_probe_is_answered_with_the_version() {
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
    async fn an_unreadable_account_is_refused_with_the_uid_of_the_review() {
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
    async fn the_order_of_keys_is_irrelevant_and_the_last_duplicate_counts() {
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

    #[tokio::test]
    async fn an_invalid_review_is_a_bad_request() {
        assert_eq!(ask("{}".to_owned()).await.0, StatusCode::BAD_REQUEST);
        assert_eq!(ask("\u{0}".to_owned()).await.0, StatusCode::BAD_REQUEST);
        let large = format!("{}{}", question(&account(None)), " ".repeat(limits::LARGEST));
        assert_eq!(ask(large).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    }
}
