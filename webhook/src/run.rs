//! Wires the parts, supervises them, and ends them in order.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::middleware::from_fn_with_state;
use axum_server::Handle;
use kube::Client;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{error, info, warn};
use tracing_subscriber::EnvFilter;

use cmp_client::connect::{Options, connect};

use crate::args::{LogFormat, Process, Serve};
use crate::certs::{self, Certificates, Lifetimes};
use crate::controller::{self, Context};
use crate::health::{self, Readiness};
use crate::metrics::Metrics;
use crate::{admission, limits, logged, watches};

/// Time limit for current requests to end at shutdown.
const DRAIN: Duration = Duration::from_secs(10);
/// Time limit of one of our own requests; well below that of an API server.
const REQUEST: Duration = Duration::from_secs(30);

/// The reason why a process ends.
pub type Failure = Box<dyn Error + Send + Sync>;

/// Runs `work` until it ends.
pub fn main(process: &Process, work: impl Future<Output = Result<(), Failure>>) -> ExitCode {
    if let Err(error) = log(process) {
        // Without a log, standard error is the only place left for the reason.
        std::io::Write::write_all(&mut std::io::stderr(), format!("error: {error}\n").as_bytes()).ok();
        return ExitCode::FAILURE;
    }
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        error!("another TLS provider is installed");
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            error!(%error, "cannot start");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(work) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!(%error, "ended");
            ExitCode::FAILURE
        }
    }
}

fn log(process: &Process) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&process.log_filter)
        .map_err(|error| format!("--log-filter {:?} is not a filter: {error}", process.log_filter))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Colours are for people; a file or a collector gets plain text.
    let builder = builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    match process.log_format {
        LogFormat::Text => builder.fmt_fields(logged::fields()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    }
}

/// Creates a client from the flags of the process.
pub(crate) async fn client(process: &Process) -> Result<Client, Failure> {
    let options =
        Options { kubeconfig: process.kubeconfig.clone(), request_timeout: Some(REQUEST), ..Options::default() };
    let agent = concat!("cmp-webhook/", env!("CARGO_PKG_VERSION"));
    Ok(connect(&options, agent).await?.client)
}

/// Serves until a signal ends the process.
pub async fn serve(serve: &Serve) -> Result<(), Failure> {
    let lifetimes = Lifetimes::new(serve.certificate_lifetime, serve.authority_lifetime)?;
    let client = client(&serve.process).await?;
    let (metrics, readiness) = (Arc::new(Metrics::default()), Readiness::default());
    let (stopping, stop) = watch::channel(false);
    let (ending, ends) = watch::channel(false);
    let (tls, probes) = (Handle::new(), Handle::new());
    let mut tasks: JoinSet<(&'static str, Result<(), Failure>)> = JoinSet::new();

    let config = certs::empty();
    let whose = serve.certificate_secret.clone().map_or(certs::Whose::Ours, certs::Whose::Others);
    let at = (serve.namespace.as_str(), whose);
    let certificates = Certificates::new(&client, at, config.clone(), metrics.clone(), readiness.clone())
        .lasting(lifetimes)
        .asking_for(serve.client_ca.clone());
    let watched = client.clone();
    tasks.spawn(async move {
        loop {
            tokio::select! {
                () = certificates.run() => return ("certificates", Ok(())),
                () = watches::restored(&watched) => {}
            }
        }
    });

    let (ready, told, counted, window) = (readiness.clone(), stop.clone(), metrics.clone(), serve.admission_window);
    tasks.spawn(async move {
        loop {
            let settings = watches::settings(&client).await;
            let context = Arc::new(Context::new(client.clone(), window, settings.clone(), counted.clone()));
            let mut told = told.clone();
            let stop = async move {
                // The sender is dropped only when everything ends.
                let _ended = told.wait_for(|stop| *stop).await.is_err();
            };
            tokio::select! {
                () = controller::run(context, ready.clone(), stop) => return ("controllers", Ok(())),
                () = watches::restored(&client) => warn!("etcd was restored from a snapshot: starting afresh"),
                () = watches::changed(&client, &settings) => info!("the settings changed: reconciling every cluster"),
            }
        }
    });

    let server = limits::tls_server(serve.bind_address, tls.clone(), config);
    let routes =
        admission::router(&metrics).layer(from_fn_with_state(ends, limits::close_when_ending)).into_make_service();
    tasks.spawn(async move { ("admission", server.serve(routes).await.map_err(Failure::from)) });

    let server = limits::server(serve.process.probe_address, probes.clone());
    let routes = health::router(readiness.clone(), Arc::new(move || metrics.text())).into_make_service();
    tasks.spawn(async move { ("probes", server.serve(routes).await.map_err(Failure::from)) });
    info!(version = env!("CARGO_PKG_VERSION"), admission = %serve.bind_address, probes = %serve.process.probe_address, "serving");

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        // If one part ends by itself, the whole process ends: half a process looks alive and does nothing.
        Some(ended) = tasks.join_next() => {
            let (part, result) = ended?;
            result.map_err(|error| format!("{part}: {error}"))?;
            return Err(format!("{part} ended by itself").into());
        }
    }
    info!(delay = ?serve.shutdown_delay, "ending");
    readiness.set("shutdown", Some("ending".to_owned()));
    ending.send_replace(true);
    let end = async {
        tokio::time::sleep(serve.shutdown_delay).await;
        stopping.send_replace(true);
        tls.graceful_shutdown(Some(DRAIN));
        while let Some(Ok((part, result))) = tasks.join_next().await {
            if let Err(error) = result {
                error!(part, %error, "while ending");
            }
            if part == "admission" {
                break;
            }
        }
        probes.shutdown();
    };
    tokio::select! {
        () = end => {}
        _ = terminate.recv() => info!("received a second signal: stopping at once"),
        _ = interrupt.recv() => info!("received a second signal: stopping at once"),
    }
    Ok(())
}
