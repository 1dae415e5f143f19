//! Requests that an API server may refuse too early, because it has not seen the latest writes yet.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::ApiError;

/// How long an early refusal is retried.
pub(crate) const CATCH_UP: Duration = Duration::from_secs(15);
/// The pause between two tries.
pub(crate) const PAUSE: Duration = Duration::from_millis(200);

/// Repeats a request while its refusal may be an early one.
pub(crate) async fn until_seen<T>(
    is_early: impl Fn(&ApiError) -> bool,
    request: impl AsyncFn() -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    let deadline = Instant::now() + CATCH_UP;
    loop {
        match request().await {
            Err(error) if is_early(&error) && Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
            done => return done,
        }
    }
}
