//! Flags; each is an environment variable, too.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Holds users to their quota, and prepares, grows, shrinks and deletes their clusters
#[derive(Debug, Parser)]
#[command(name = "cmp-webhook", version)]
pub struct Arguments {
    /// What to run
    #[command(subcommand)]
    pub command: Command,
}

/// What to run.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answer the API server, and run the controllers
    Serve(Serve),
    /// Keep in a file what instances were, and for how long
    Mirror(Mirror),
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines, one object a line.
    Json,
}

/// Flags of whatever is run.
#[derive(Debug, Clone, Args)]
pub struct Process {
    /// The kubeconfig to use; without one, the Pod's own credentials
    #[arg(long, env = "CMP_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,

    /// Where /livez, /readyz and /metrics are
    #[arg(long, env = "CMP_PROBE_ADDRESS", default_value = "0.0.0.0:8080")]
    pub probe_address: SocketAddr,

    /// How logs are written
    #[arg(long, env = "CMP_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    /// What is logged, as in RUST_LOG
    #[arg(long, env = "CMP_LOG_FILTER", default_value = "info,kube=warn,tower=warn")]
    pub log_filter: String,
}

/// Flags of `mirror`.
#[derive(Debug, Clone, Args)]
pub struct Mirror {
    /// What every process has.
    #[command(flatten)]
    pub process: Process,

    /// The file of SQLite; it is made if it is not there
    #[arg(long, env = "CMP_DB", value_name = "FILE", default_value = "/var/lib/cmp/mirror.db")]
    pub db: PathBuf,

    /// Where a copy of it is served, on loopback: whoever may forward a port to the Pod may have it
    #[arg(long, env = "CMP_COPY_ADDRESS", default_value_t = SocketAddr::from(([127, 0, 0, 1], cmp_mirror::fetch::PORT)), value_parser = loopback)]
    pub copy_address: SocketAddr,
}

/// Flags of `serve`.
#[derive(Debug, Clone, Args)]
pub struct Serve {
    /// What every process has.
    #[command(flatten)]
    pub process: Process,

    /// Where the API server asks, by TLS
    #[arg(long, env = "CMP_BIND_ADDRESS", default_value = "0.0.0.0:8443")]
    pub bind_address: SocketAddr,

    /// The namespace of the certificate and of the Service
    #[arg(long, env = "CMP_NAMESPACE", default_value = cmp_core::keys::SYSTEM_NAMESPACE)]
    pub namespace: String,

    /// A Secret with a certificate that somebody else writes, such as cert-manager, and makes known to the API server;
    /// without one, it makes its own, and makes it known itself
    #[arg(long, env = "CMP_CERTIFICATE_SECRET")]
    pub certificate_secret: Option<String>,

    /// A file with the certificate authorities, as PEM, that sign the client certificates of the API servers. With it,
    /// nobody else is answered; without it, anybody who reaches the port is
    #[arg(long, env = "CMP_CLIENT_CA", value_name = "FILE")]
    pub client_ca: Option<PathBuf>,

    /// For how long a request that was admitted may still land: the request timeout of the API servers, and some
    /// more. What a user gives up is charged for at least as long
    #[arg(long, env = "CMP_ADMISSION_WINDOW", default_value = "90s", value_parser = duration)]
    pub admission_window: Duration,

    /// For how long to go on answering after the signal to end, until no API server sends anything here
    #[arg(long, env = "CMP_SHUTDOWN_DELAY", default_value = "15s", value_parser = duration)]
    pub shutdown_delay: Duration,
}

/// Reads an address that nobody outside of the machine reaches.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| format!("{text:?} is not an address: use a form such as 127.0.0.1:8081"))?;
    // Nobody is asked there who they are.
    if address.ip().is_loopback() { Ok(address) } else { Err(format!("{text} is not on loopback")) }
}

/// Reads a duration as Go writes it: `90s`, `1m30s`, `500ms`.
fn duration(text: &str) -> Result<Duration, String> {
    let read: kube::core::Duration =
        text.parse().map_err(|_| format!("{text:?} is not a duration: use a form such as 90s or 1m30s"))?;
    if read.is_negative() { Err(format!("{text:?} is below 0")) } else { Ok(read.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_served_on_loopback_alone() {
        let check = |address: &str| {
            let arguments = ["cmp-webhook", "mirror", "--copy-address", address];
            Arguments::try_parse_from(arguments).map(|_| ()).map_err(|error| error.to_string())
        };
        assert_eq!(check("127.0.0.1:9000"), Ok(()));
        assert_eq!(check("[::1]:9000"), Ok(()));
        for open in ["0.0.0.0:8081", "10.0.0.1:8081", "[::]:8081"] {
            assert!(check(open).is_err_and(|error| error.contains("is not on loopback")), "{open}");
        }
        assert!(check("8081").is_err());
    }

    #[test]
    fn durations_are_written_as_in_go() {
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert!(duration("90").is_err());
        assert!(duration("-1s").is_err());
    }
}
