//! Serves `/livez`, `/readyz` and `/metrics` on a separate port.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;

/// Returns all metrics as OpenMetrics text.
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// The conditions that must hold before the API server should call this replica: by name, with what is missing.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<&'static str, Option<String>>>>);

impl Readiness {
    /// Sets what is missing for a condition; `None` means nothing.
    pub fn set(&self, condition: &'static str, missing: Option<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(condition, missing);
    }

    /// Lists what is missing, one line for each condition; empty when ready.
    pub fn missing(&self) -> Vec<String> {
        let conditions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        conditions
            .iter()
            .filter_map(|(condition, missing)| Some(format!("{condition}: {}", missing.as_ref()?)))
            .collect()
    }
}

#[derive(Clone)]
struct Health {
    readiness: Readiness,
    metrics: Metrics,
}

/// Returns the routes of the three endpoints.
pub fn router(readiness: Readiness, metrics: Metrics) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(text))
        .with_state(Health { readiness, metrics })
}

async fn ready(State(health): State<Health>) -> impl IntoResponse {
    let missing = health.readiness.missing();
    if missing.is_empty() {
        (StatusCode::OK, "ok".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, missing.join("\n"))
    }
}

async fn text(State(health): State<Health>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], (health.metrics)())
}
