//! The layer around each request: its time limit, its trace, and the warnings in the response.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::header::{CONTENT_TYPE, HeaderValue, WARNING};
use http::{Request, Response, StatusCode};
use kube::client::Body;
use tower::{BoxError, Layer, Service};

use crate::error::NoConnection;

/// Warnings that the API server sent with its responses, without duplicates.
#[derive(Debug, Clone, Default)]
pub struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    /// Takes the warnings that arrived since the last call.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes the warnings that start with `prefix`, and keeps the others.
    pub fn take_starting(&self, prefix: &str) -> Vec<String> {
        let mut warnings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (taken, left) = std::mem::take(&mut *warnings).into_iter().partition(|text| text.starts_with(prefix));
        *warnings = left;
        taken
    }

    fn add(&self, text: String) {
        let mut warnings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !warnings.contains(&text) {
            warnings.push(text);
        }
    }
}

/// Limits how long a response may take to begin, and collects the warnings in its headers.
#[derive(Clone)]
pub(super) struct Answers {
    pub(super) warnings: Warnings,
    pub(super) timeout: Option<Duration>,
    pub(super) trace: Option<fn(&str)>,
    /// Whether the address of the server is one of plain HTTP.
    pub(super) plain: bool,
}

impl<S> Layer<S> for Answers {
    type Service = Answering<S>;
    fn layer(&self, inner: S) -> Answering<S> {
        Answering { inner, answers: self.clone() }
    }
}

#[derive(Clone)]
pub(super) struct Answering<S> {
    inner: S,
    answers: Answers,
}

impl<S, B> Service<Request<Body>> for Answering<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Answers { warnings, timeout, trace, plain } = self.answers.clone();
        let asked = format!("{} {}", request.method(), request.uri());
        let since = Instant::now();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let response = match timeout {
                Some(timeout) => tokio::time::timeout(timeout, answer)
                    .await
                    .map_err(|_| format!("no answer within {timeout:?} (--request-timeout)"))?,
                None => answer.await,
            };
            let response = response.map_err(Into::into);
            if let Some(trace) = trace {
                let came = response.as_ref().map_or_else(ToString::to_string, |response| response.status().to_string());
                trace(&format!("{asked} {came} in {} milliseconds", since.elapsed().as_millis()));
            }
            let response = response?;
            if speaks_https(&response, plain) {
                return Err(NoConnection::new("the server expects HTTPS, but its address has the scheme http")
                    .hint("write the server of the kubeconfig as https://HOST:PORT")
                    .into());
            }
            for header in response.headers().get_all(WARNING) {
                if let Some(text) = header.to_str().ok().and_then(warning) {
                    warnings.add(text);
                }
            }
            Ok(response)
        })
    }
}

/// Reports whether a server of HTTPS refused a request of plain HTTP. An API server refuses with a `Status` in JSON.
fn speaks_https<B>(response: &Response<B>, plain: bool) -> bool {
    let json = |value: &HeaderValue| value.as_bytes().starts_with(b"application/json");
    plain && response.status() == StatusCode::BAD_REQUEST && !response.headers().get(CONTENT_TYPE).is_some_and(json)
}

/// Returns the text of a `Warning` header: `299 - "use something else"` (RFC 7234, the form Kubernetes sends).
fn warning(header: &str) -> Option<String> {
    let quoted = header.strip_prefix("299 ")?.split_once(' ')?.1.trim();
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    Some(inner.replace("\\\"", "\"").replace("\\\\", "\\"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_read_as_kubernetes_sends_them() {
        assert_eq!(warning(r#"299 - "it \"ends\"""#).as_deref(), Some(r#"it "ends""#));
        assert_eq!(warning("199 - \"other\""), None);
        assert_eq!(warning("299"), None);
    }
}
