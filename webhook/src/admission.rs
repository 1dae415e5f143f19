//! The API server's question: may this account change so?
//!
//! No read, no write, no state, no clock: the answer is [`cmp_core::verdict::judge`] of the two objects in the
//! question, so that a forged question changes nothing.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::core::admission::{AdmissionRequest, AdmissionResponse, AdmissionReview};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tracing::info;

use cmp_client::accounts;
use cmp_core::keys;
use cmp_core::verdict::judge;

use crate::metrics::Metrics;

/// A review carries the old and the new object, of up to 3 MiB each in etcd's terms, and more in JSON's.
const LARGEST_BODY: usize = 7 << 20;
/// At most so many at once; what comes beyond is told to come again rather than kept in memory.
const AT_ONCE: usize = 64;

#[derive(Clone)]
struct Judge {
    metrics: Arc<Metrics>,
    places: Arc<Semaphore>,
}

/// The route.
pub fn router(metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route(keys::ACCOUNT_PATH, post(review))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(Judge { metrics, places: Arc::new(Semaphore::new(AT_ONCE)) })
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

async fn review(State(judge): State<Judge>, body: Bytes) -> Response {
    let Ok(_place) = judge.places.try_acquire() else {
        return (StatusCode::TOO_MANY_REQUESTS, "too many questions at once").into_response();
    };
    let started = Instant::now();
    let question: Result<AdmissionReview<ConfigMap>, _> = serde_json::from_slice(&body);
    // Into a request, which takes the version of the review along: the answer has to bear it, too.
    let (verdict, answer) = match question.map(TryInto::<AdmissionRequest<ConfigMap>>::try_into) {
        Ok(Ok(request)) => answer(&request),
        unanswerable => {
            let why = match unanswerable {
                Err(error) => format!("the ConfigMap is not readable: {error}"),
                Ok(_) => "the review has no request".to_owned(),
            };
            // Looked for only now: what is read twice takes twice as long.
            let Ok(envelope) = serde_json::from_slice::<Envelope>(&body) else {
                return (StatusCode::BAD_REQUEST, "not an AdmissionReview").into_response();
            };
            unreadable(&envelope.request.uid, &why)
        }
    };
    judge.metrics.judged(verdict, started.elapsed());
    axum::Json(answer.into_review()).into_response()
}

fn unreadable(uid: &str, why: &str) -> (&'static str, AdmissionResponse) {
    let mut response = AdmissionResponse::invalid(why);
    response.uid = uid.to_owned();
    ("Unreadable", refuse(response, 422, "Invalid", why))
}

fn refuse(mut response: AdmissionResponse, code: u16, reason: &str, message: &str) -> AdmissionResponse {
    response.allowed = false;
    // Without code and reason the API server would answer 400, and kubectl would not know what it was.
    response.result.status = Some(kube::core::response::StatusSummary::Failure);
    response.result.code = code;
    response.result.reason = reason.to_owned();
    response.result.message = message.to_owned();
    response
}

/// Judges one change.
fn answer(request: &AdmissionRequest<ConfigMap>) -> (&'static str, AdmissionResponse) {
    let response = AdmissionResponse::from(request);
    let Some(object) = &request.object else {
        // Deletions are not asked about; should one be, it raises nothing.
        return ("Allowed", response);
    };
    if !accounts::is_account(object) {
        return ("Allowed", response);
    }
    let new = match accounts::read(object) {
        Ok(new) => new,
        Err(error) => {
            let message = error.to_string();
            info!(user = object.name_any(), by = request.user_info.username, refused = message, "judged");
            return ("Unreadable", refuse(response, 422, "Invalid", &message));
        }
    };
    // What cannot be read of the old one is being mended: then all that the new one says in its place counts as added.
    let old = request.old_object.as_ref().filter(|old| accounts::is_account(old));
    let old = old.and_then(|old| accounts::read_what_can_be(old).ok()).map(|(old, _)| old);
    match judge(old.as_ref(), &new) {
        Ok(()) => {
            info!(user = %new.user, by = request.user_info.username, dry_run = request.dry_run, "allowed");
            ("Allowed", response)
        }
        Err(denial) => {
            let message = denial.to_string();
            info!(user = %new.user, by = request.user_info.username, dry_run = request.dry_run, refused = message, "judged");
            (denial.reason(), refuse(response, 403, "Forbidden", &message))
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use serde_json::{Value, json};
    use tower::ServiceExt;

    use super::*;

    async fn ask(body: String) -> (StatusCode, Value) {
        let request = Request::post(keys::ACCOUNT_PATH).body(Body::from(body)).unwrap();
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
    async fn what_is_no_question_is_no_answer() {
        assert_eq!(ask("{}".to_owned()).await.0, StatusCode::BAD_REQUEST);
        assert_eq!(ask("\u{0}".to_owned()).await.0, StatusCode::BAD_REQUEST);
        let large = format!("{}{}", question(&account(None)), " ".repeat(LARGEST_BODY));
        assert_eq!(ask(large).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    }
}
