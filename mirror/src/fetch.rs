//! Copies the database of the mirror from the cluster to this machine.
//!
//! The mirror serves a copy of its file on the loopback of its Pod alone. Only the API server reaches it, and callers
//! whom the API server lets forward a port there.

use std::fs::File;
use std::future::poll_fn;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use hyper::body::{Body, Bytes};
use hyper_util::rt::TokioIo;
use kube::Client;

use cmp_client::ApiError;
use cmp_client::error::innermost;
use cmp_client::installation::forward_to_mirror;
use cmp_client::private;

/// The port on the loopback of the Pod.
pub const PORT: u16 = 8081;
/// The HTTP path of the copy on that port.
pub const PATH: &str = "/mirror.db";
/// The longest time without any data before the download fails.
const STALLED: Duration = Duration::from_mins(1);
/// How long to wait for the kubelet's message about a failure.
const SAID: Duration = Duration::from_millis(500);

/// The reason why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No mirror runs in this cluster.
    #[error("no mirror runs in this cluster")]
    NoMirror,
    /// The API server refused or failed a request.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The download broke off.
    #[error("the copy of the mirror did not arrive: {0}")]
    Broken(String),
}

/// A downloaded copy; its file is removed on drop.
#[derive(Debug)]
pub struct Fetched(PathBuf);

impl Fetched {
    /// Returns the path of the copy.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Fetched {
    fn drop(&mut self) {
        // A temporary file that cannot be removed does no harm.
        std::fs::remove_file(&self.0).ok();
    }
}

/// Downloads a copy of the mirror's current content.
pub async fn fetch(client: &Client) -> Result<Fetched, Failure> {
    let mut forwarded = forward_to_mirror(client, PORT).await?.ok_or(Failure::NoMirror)?;
    let stream = forwarded.take_stream(PORT).ok_or_else(|| broken("the port was not forwarded"))?;
    let failed = forwarded.take_error(PORT);
    let (fetched, mut file) = temporary().map_err(|error| Failure::Broken(error.to_string()))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken(&innermost(&error)))?;
    let request = http::Request::get(PATH).header(http::header::HOST, "localhost").body(String::new());
    let request = request.map_err(|error| broken(&error.to_string()))?;
    let download = async {
        let answer = in_time(sender.send_request(request)).await?.map_err(|error| innermost(&error))?;
        if !answer.status().is_success() {
            return Err(format!("it answers {}", answer.status()));
        }
        let mut body = answer.into_body();
        while let Some(chunk) = in_time(next(&mut body)).await? {
            file.write_all(&chunk?).map_err(|error| error.to_string())?;
        }
        Ok(())
    };
    // The end of the connection also ends the download. A body shorter than its announced length is an error there.
    let driven = async {
        connection.await.ok();
        std::future::pending::<()>().await;
    };
    let downloaded = tokio::select! {
        downloaded = download => downloaded,
        () = driven => Ok(()),
    };
    match (downloaded, failed) {
        (Ok(()), _) => Ok(fetched),
        // The kubelet reports the reason, if it knows one.
        (Err(error), Some(failed)) => {
            let said = tokio::time::timeout(SAID, failed).await.ok().flatten();
            Err(Failure::Broken(said.unwrap_or(error)))
        }
        (Err(error), None) => Err(Failure::Broken(error)),
    }
}

/// Runs `step`, and fails if nothing arrives for too long.
async fn in_time<T>(step: impl Future<Output = T>) -> Result<T, String> {
    tokio::time::timeout(STALLED, step).await.map_err(|_| format!("no data for {} s", STALLED.as_secs()))
}

fn broken(why: &str) -> Failure {
    Failure::Broken(why.to_owned())
}

async fn next(body: &mut hyper::body::Incoming) -> Option<Result<Bytes, String>> {
    loop {
        match poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await? {
            Ok(frame) => match frame.into_data() {
                Ok(data) => return Some(Ok(data)),
                Err(_trailers) => {}
            },
            Err(error) => return Some(Err(innermost(&error))),
        }
    }
}

/// Creates a temporary file that only the current user can read: it lists what every user runs.
fn temporary() -> std::io::Result<(Fetched, File)> {
    let now = jiff::Timestamp::now().as_nanosecond();
    let path = std::env::temp_dir().join(format!("kubectl-cmp-mirror-{}-{now}.db", std::process::id()));
    let file = private::create(&path)?;
    Ok((Fetched(path), file))
}
