//! Command-line flags. Each flag can also be set by an environment variable.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Enforces the quota of users, and prepares, grows, shrinks and deletes their clusters
#[derive(Debug, Parser)]
#[command(name = "cmp-webhook", version)]
pub struct Arguments {
    /// The process to run
    #[command(subcommand)]
    pub command: Command,
}

/// The process that the command line selects.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answer the API server, and run the controllers
    Serve(Serve),
    /// Record in a file what instances were, and for how long
    Mirror(Mirror),
}

/// The format of the logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Plain text, for people.
    Text,
    /// JSON for machines, one object a line.
    Json,
}

/// Flags that every process has.
#[derive(Debug, Clone, Args)]
pub struct Process {
    /// The kubeconfig to use; without it, the credentials of the Pod
    #[arg(long, env = "CMP_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,

    /// The address that serves /livez, /readyz and /metrics
    #[arg(long, env = "CMP_PROBE_ADDRESS", default_value = "0.0.0.0:8080")]
    pub probe_address: SocketAddr,

    /// The format of the logs
    #[arg(long, env = "CMP_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    /// The filter of the logs, in the syntax of RUST_LOG
    #[arg(long, env = "CMP_LOG_FILTER", default_value = "info,kube=warn,tower=warn")]
    pub log_filter: String,
}

/// Flags of the `mirror` process.
#[derive(Debug, Clone, Args)]
pub struct Mirror {
    /// Flags that every process has.
    #[command(flatten)]
    pub process: Process,

    /// The SQLite file; it is created if it does not exist
    #[arg(long, env = "CMP_DB", value_name = "FILE", default_value = "/var/lib/cmp/mirror.db")]
    pub db: PathBuf,

    /// The loopback address that serves a copy of the file; whoever may forward a port to the Pod can read it
    #[arg(long, env = "CMP_COPY_ADDRESS", default_value_t = SocketAddr::from(([127, 0, 0, 1], cmp_mirror::fetch::PORT)), value_parser = loopback)]
    pub copy_address: SocketAddr,
}

/// Flags of the `serve` process.
#[derive(Debug, Clone, Args)]
pub struct Serve {
    /// Flags that every process has.
    #[command(flatten)]
    pub process: Process,

    /// The address on which the API server calls, with TLS
    #[arg(long, env = "CMP_BIND_ADDRESS", default_value = "0.0.0.0:8443")]
    pub bind_address: SocketAddr,

    /// The namespace of the certificate and of the Service
    #[arg(long, env = "CMP_NAMESPACE", default_value = cmp_core::keys::SYSTEM_NAMESPACE)]
    pub namespace: String,

    /// A Secret with a certificate that another program, such as cert-manager, writes and makes known to the API
    /// server. Without this flag, cmp-webhook creates its own certificate and makes it known itself
    #[arg(long, env = "CMP_CERTIFICATE_SECRET")]
    pub certificate_secret: Option<String>,

    /// A file with the certificate authorities, as PEM, that sign the client certificates of the API servers. With this
    /// flag, only clients with such a certificate get an answer. Without it, every client that reaches the port gets
    /// one
    #[arg(long, env = "CMP_CLIENT_CA", value_name = "FILE")]
    pub client_ca: Option<PathBuf>,

    /// The lifetime of the certificate that cmp-webhook creates, which it renews after two thirds of that time
    #[arg(long, env = "CMP_CERTIFICATE_LIFETIME", value_name = "DURATION", default_value = "8760h", value_parser = duration)]
    pub certificate_lifetime: Duration,

    /// The lifetime of the certificate authority that cmp-webhook creates, at least three times as long
    #[arg(long, env = "CMP_AUTHORITY_LIFETIME", value_name = "DURATION", default_value = "87600h", value_parser = duration)]
    pub authority_lifetime: Duration,

    /// How long an admitted request may still land: the request timeout of the API servers, plus a margin. Resources
    /// that a user gives up are charged for at least this long
    #[arg(long, env = "CMP_ADMISSION_WINDOW", default_value = "90s", value_parser = duration)]
    pub admission_window: Duration,

    /// How long to keep answering after the termination signal, until no API server sends requests here
    #[arg(long, env = "CMP_SHUTDOWN_DELAY", default_value = "15s", value_parser = duration)]
    pub shutdown_delay: Duration,
}

/// Parses an address that only this machine reaches.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| format!("{text:?} is not an address: use a form such as 127.0.0.1:8081"))?;
    // The server does not authenticate its clients there.
    if address.ip().is_loopback() { Ok(address) } else { Err(format!("{text} is not on loopback")) }
}

/// Parses a duration in Go's notation: `90s`, `1m30s`, `500ms`.
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
