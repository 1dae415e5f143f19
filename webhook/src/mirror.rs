//! Runs the mirror: records instances in a file, and serves a copy of it to callers that may forward a port to its Pod.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum_server::Handle;
use futures::stream;
use jiff::Timestamp;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use cmp_mirror::fetch::PATH;
use cmp_mirror::follow::{self, Mode, Told};
use cmp_mirror::{History, Store};

use crate::args::Mirror;
use crate::health::{self, Readiness};
use crate::limits;
use crate::run::{Failure, client};

/// Bytes of a copy that are sent at once.
const CHUNK: usize = 64 * 1024;

/// The metrics of the mirror.
pub struct Metrics {
    registry: Registry,
    spans: Counter,
    written: Gauge,
    behind: Gauge,
    instances: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("cmp_mirror");
        let (spans, written, behind, instances) =
            (Counter::default(), Gauge::default(), Gauge::default(), Gauge::default());
        registry.register("spans", "Recorded beginnings and ends of the states of instances", spans.clone());
        registry.register(
            "written_timestamp_seconds",
            "Time of the last write into the file, in seconds since 1970",
            written.clone(),
        );
        let since = "Time since the mirror last saw the cluster";
        registry.register_with_unit("behind", since, Unit::Seconds, behind.clone());
        registry.register(
            "instances",
            "Instances that existed when the mirror last saw the cluster",
            instances.clone(),
        );
        written.set(Timestamp::now().as_second());
        Self { registry, spans, written, behind, instances }
    }
}

impl Metrics {
    /// Returns all metrics as OpenMetrics text.
    pub fn text(&self) -> String {
        self.behind.set((Timestamp::now().as_second() - self.written.get()).max(0));
        let mut text = String::new();
        // A write to a String does not fail.
        let _written: Result<(), std::fmt::Error> = encode(&mut text, &self.registry);
        text
    }
}

/// Records and serves until a signal ends the process.
pub async fn run(args: &Mirror) -> Result<(), Failure> {
    const CONDITION: &str = "mirror";
    let client = client(&args.process).await?;
    let (metrics, readiness) = (Arc::new(Metrics::default()), Readiness::default());
    readiness.set(CONDITION, Some("the cluster has not been read yet".to_owned()));
    remove_left_copies(&args.db);
    let mut store = Store::open(&args.db)?;
    let exposed = metrics.clone();
    let probes = health::router(readiness.clone(), Arc::new(move || exposed.text())).into_make_service();
    let probes = limits::server(args.process.probe_address, Handle::new()).serve(probes);
    let copies = limits::server(args.copy_address, Handle::new()).serve(copies(args.db.clone()).into_make_service());
    info!(version = env!("CARGO_PKG_VERSION"), db = %args.db.display(), probes = %args.process.probe_address, copies = %args.copy_address, "mirroring");
    let tell = |told| match told {
        Told::Seen { clusters, instances } => {
            info!(clusters, instances, "looking");
            metrics.instances.set(i64::try_from(instances).unwrap_or(i64::MAX));
            readiness.set(CONDITION, None);
        }
        Told::Written(written) => {
            metrics.spans.inc_by(written.spans);
            metrics.written.set(Timestamp::now().as_second());
        }
        Told::Lost(error) => {
            warn!(%error, "the cluster cannot be read: retrying");
            readiness.set(CONDITION, Some(error.to_string()));
        }
    };
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let ended: Result<(), Failure> = tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        ended = follow::run(&client, &mut store, Mode::Always, tell) => ended.map_err(Failure::from),
        ended = probes => Err(format!("probes: {ended:?}").into()),
        ended = copies => Err(format!("copies: {ended:?}").into()),
    };
    info!("ending");
    store.close()?;
    ended
}

/// Serves one copy at a time: each takes as much space as the file.
#[derive(Clone)]
struct Copies {
    db: PathBuf,
    one: Arc<tokio::sync::Semaphore>,
}

fn copies(db: PathBuf) -> Router {
    let copies = Copies { db, one: Arc::new(tokio::sync::Semaphore::new(1)) };
    Router::new().route(PATH, get(send)).with_state(copies)
}

async fn send(State(copies): State<Copies>) -> Response {
    match copy(copies).await {
        Ok(response) => response,
        Err(error) => {
            warn!(%error, "the copy could not be made");
            (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
        }
    }
}

/// Returns a copy of the current content. The name of the copy is removed once it is open, so that no file is left if
/// the client disconnects.
async fn copy(Copies { db, one }: Copies) -> Result<Response, Failure> {
    let permit = one.acquire_owned().await?;
    let made = tokio::task::spawn_blocking(move || -> Result<std::fs::File, Failure> {
        let target = copy_of(&db);
        History::open(&db)?.copy_to(&target)?;
        let file = std::fs::File::open(&target)?;
        std::fs::remove_file(&target)?;
        Ok(file)
    });
    let file = File::from_std(made.await??);
    let length = file.metadata().await?.len();
    let chunks = stream::try_unfold((file, permit), |(mut file, permit)| async move {
        let mut chunk = vec![0; CHUNK];
        let read = file.read(&mut chunk).await?;
        chunk.truncate(read);
        Ok::<_, std::io::Error>((read > 0).then_some((chunk, (file, permit))))
    });
    let head = [(CONTENT_TYPE, "application/vnd.sqlite3".to_owned()), (CONTENT_LENGTH, length.to_string())];
    Ok((head, Body::from_stream(chunks)).into_response())
}

const COPY: &str = "-copy-";

fn copy_of(db: &Path) -> PathBuf {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let mut name = db.as_os_str().to_owned();
    name.push(format!("{COPY}{}", NUMBER.fetch_add(1, Ordering::Relaxed)));
    name.into()
}

/// Removes copies that an earlier process left when it was killed.
fn remove_left_copies(db: &Path) {
    let (Some(folder), Some(name)) = (db.parent(), db.file_name()) else { return };
    let start = format!("{}{COPY}", name.to_string_lossy());
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(&start) {
            // The next copy reports the problem.
            std::fs::remove_file(entry.path()).ok();
        }
    }
}
