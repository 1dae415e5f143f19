//! Requests that the API server puts off with 429, because too many wait for it.

use std::time::{Duration, Instant};

use http::header::RETRY_AFTER;
use http::{Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use tokio::time::Sleep;
use tower::BoxError;
use tower::retry::{Policy, Retry};

/// The most repetitions of one request, as in client-go.
const MOST: u32 = 10;
/// The longest pause before a repetition. API Priority and Fairness asks for one second at first, and for at most 32.
const LONGEST: Duration = Duration::from_secs(32);

/// Returns a client that repeats a request after the time that the API server names. The API server has not begun such a
/// request, so that a repetition never does anything twice. `limit` is the longest time for a request with its repetitions.
pub(super) fn patient(client: Client, namespace: String, limit: Option<Duration>) -> Client {
    let send = tower::service_fn(move |request: Request<Body>| {
        let client = client.clone();
        async move { client.send(request).await.map_err(BoxError::from) }
    });
    Client::new(Retry::new(Repetitions { left: MOST, limit, begun: None }, send), namespace)
}

/// The repetitions that a request has left. Each request has a clone of its own.
#[derive(Debug, Clone)]
struct Repetitions {
    left: u32,
    limit: Option<Duration>,
    begun: Option<Instant>,
}

impl Repetitions {
    /// Returns the pause before the next repetition.
    fn pause<B>(&mut self, response: &Response<B>, now: Instant) -> Option<Duration> {
        let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
        let pause = Duration::from_secs(seconds).min(LONGEST);
        let late = |limit| self.begun.is_some_and(|begun| now + pause > begun + limit);
        if response.status() != StatusCode::TOO_MANY_REQUESTS || self.limit.is_some_and(late) {
            return None;
        }
        self.left = self.left.checked_sub(1)?;
        Some(pause)
    }
}

impl<B> Policy<Request<Body>, Response<B>, BoxError> for Repetitions {
    type Future = Sleep;

    fn retry(&mut self, _: &mut Request<Body>, result: &mut Result<Response<B>, BoxError>) -> Option<Sleep> {
        self.pause(result.as_ref().ok()?, Instant::now()).map(tokio::time::sleep)
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        self.begun.get_or_insert_with(Instant::now);
        copy(request)
    }
}

/// Copies a request, unless its body is a stream.
pub(super) fn copy(request: &Request<Body>) -> Option<Request<Body>> {
    let body = request.body().try_clone()?;
    let mut copy = Request::new(body);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone();
    Some(copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, after: Option<&str>) -> Response<()> {
        let mut response = Response::builder().status(status);
        if let Some(after) = after {
            response = response.header(RETRY_AFTER, after);
        }
        response.body(()).unwrap()
    }

    #[test]
    fn only_a_request_that_is_put_off_is_repeated() {
        let check = |status, after, expected: Option<u64>| {
            let mut repetitions = Repetitions { left: 1, limit: None, begun: None };
            let pause = repetitions.pause(&answer(status, after), Instant::now());
            assert_eq!(pause, expected.map(Duration::from_secs), "{status} {after:?}");
        };
        check(429, Some("1"), Some(1));
        check(429, Some("0"), Some(0));
        check(429, Some("86400"), Some(32));
        // A webhook's 429 has no time, and cmp-webhook has waited already.
        check(429, None, None);
        check(429, Some("soon"), None);
        check(429, Some("-1"), None);
        check(429, Some("99999999999999999999999"), None);
        // The API server may have begun these.
        check(500, Some("1"), None);
        check(503, Some("1"), None);
        check(504, Some("1"), None);
        check(200, Some("1"), None);
    }

    #[test]
    fn a_request_is_repeated_ten_times_at_most() {
        let now = Instant::now();
        let mut repetitions = Repetitions { left: MOST, limit: None, begun: Some(now) };
        let pauses = std::iter::from_fn(|| repetitions.pause(&answer(429, Some("1")), now)).take(100);
        assert_eq!(pauses.count(), 10);
    }

    #[test]
    fn no_repetition_begins_after_the_time_limit() {
        let (begun, limit) = (Instant::now(), Some(Duration::from_secs(5)));
        let check = |seconds, after, expected: Option<u64>| {
            let mut repetitions = Repetitions { left: MOST, limit, begun: Some(begun) };
            let pause = repetitions.pause(&answer(429, Some(after)), begun + Duration::from_secs(seconds));
            assert_eq!(pause, expected.map(Duration::from_secs), "{seconds} {after}");
        };
        check(0, "1", Some(1));
        check(4, "1", Some(1));
        check(5, "1", None);
        check(0, "6", None);
    }
}
