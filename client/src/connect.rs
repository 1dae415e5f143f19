//! Builds a client from the flags and the kubeconfig.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::header::{HeaderValue, USER_AGENT, WARNING};
use http::{Request, Response};
use k8s_openapi::ByteString;
use kube::client::{Body, ClientBuilder};
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use tower::{BoxError, Layer, Service};

use crate::error::{ApiError, innermost};

/// kubectl's global flags, as far as they select the API server and the identity of the caller.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The kubeconfig to read instead of `$KUBECONFIG` or `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig to use instead of its current one.
    pub context: Option<String>,
    /// The cluster of the kubeconfig to use instead of the context's.
    pub cluster: Option<String>,
    /// The user of the kubeconfig to use instead of the context's.
    pub user: Option<String>,
    /// The address of the API server.
    pub server: Option<String>,
    /// A bearer token, which replaces the credentials of the kubeconfig.
    pub token: Option<String>,
    /// The user to impersonate.
    pub impersonate: Option<String>,
    /// The groups to impersonate.
    pub impersonate_groups: Vec<String>,
    /// The uid to impersonate.
    pub impersonate_uid: Option<String>,
    /// A file with the certificate authority of the API server.
    pub certificate_authority: Option<PathBuf>,
    /// Whether to accept any server certificate.
    pub insecure: bool,
    /// The time limit of one request; `None` means no limit.
    pub request_timeout: Option<Duration>,
    /// A callback that gets one line per request, once the response headers have arrived.
    pub trace: Option<fn(&str)>,
}

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

/// A client and what is known about the API server behind it.
#[derive(Clone)]
pub struct Connection {
    /// The client that makes the calls.
    pub client: Client,
    /// The address of the API server.
    pub server: String,
    /// The certificate authority of the API server, as PEM, if one is configured.
    pub certificate_authority: Option<String>,
    /// The warnings of the API server so far.
    pub warnings: Warnings,
}

/// Creates a client; no request is made yet. `agent` is the `User-Agent`.
pub async fn connect(options: &Options, agent: &str) -> Result<Connection, ApiError> {
    let mut config = config(options).await?;
    let agent = HeaderValue::from_str(agent).map_err(|error| ApiError::Other(error.to_string()))?;
    config.headers.push((USER_AGENT, agent));
    // Silent retries for minutes would look like a hang to the user who typed the command.
    config.default_retry = false;
    config.connect_timeout = Some(options.request_timeout.unwrap_or(Duration::from_secs(30)));
    // A watch may be silent for a long time. The layer below limits how long a response may take to begin.
    config.read_timeout = None;
    let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
    let certificate_authority = config.root_cert.as_ref().map(|chain| pem(chain));
    let warnings = Warnings::default();
    let layer = Answers { warnings: warnings.clone(), timeout: options.request_timeout, trace: options.trace };
    let client = ClientBuilder::try_from(config).map_err(ApiError::from)?.with_layer(&layer).build();
    Ok(Connection { client, server, certificate_authority, warnings })
}

/// Returns the kubeconfig that the flags or the environment name.
pub fn kubeconfig(options: &Options) -> Result<Kubeconfig, ApiError> {
    read(options).map_err(|error| ApiError::Other(error.to_string()))
}

fn read(options: &Options) -> Result<Kubeconfig, KubeconfigError> {
    match &options.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => of_environment(),
    }
}

async fn config(options: &Options) -> Result<Config, ApiError> {
    let other = |error: &dyn std::error::Error| ApiError::Other(innermost(error));
    let mut missing = None;
    let kubeconfig = match read(options) {
        // A missing kubeconfig is the only failure with an alternative: the flags alone, or the Pod's own credentials.
        Err(error @ (KubeconfigError::ReadConfig(..) | KubeconfigError::FindPath)) => {
            missing = Some(error);
            None
        }
        read => Some(read.map_err(|error| ApiError::Other(error.to_string()))?),
    };
    let selected = KubeConfigOptions {
        context: options.context.clone(),
        cluster: options.cluster.clone(),
        user: options.user.clone(),
    };
    let asked_for = options.kubeconfig.is_some()
        || options.context.is_some()
        || options.cluster.is_some()
        || options.user.is_some();
    let mut config = match kubeconfig {
        Some(kubeconfig) => {
            let named = named(&kubeconfig, options);
            match &options.server {
                // The flags alone give the address.
                Some(server) if named == Err(ApiError::NO_CONTEXT.to_owned()) => Config::new(url(server)?),
                _ => {
                    named.map_err(ApiError::Other)?;
                    Config::from_custom_kubeconfig(kubeconfig, &selected).await.map_err(|error| other(&error))?
                }
            }
        }
        // Without a kubeconfig: use the flags alone, or the credentials of the Pod this process runs in.
        None => match &options.server {
            Some(server) if !asked_for => Config::new(url(server)?),
            _ => Config::incluster().ok().filter(|_| !asked_for).ok_or_else(|| {
                ApiError::Other(match missing {
                    Some(KubeconfigError::ReadConfig(why, path)) => format!("no kubeconfig: {}: {why}", path.display()),
                    _ => "no kubeconfig".to_owned(),
                })
            })?,
        },
    };
    if let Some(server) = &options.server {
        config.cluster_url = url(server)?;
    }
    if let Some(token) = &options.token {
        config.auth_info = kube::config::AuthInfo { token: Some(token.clone().into()), ..Default::default() };
    }
    if options.insecure {
        config.accept_invalid_certs = true;
    }
    if let Some(path) = &options.certificate_authority {
        let text = std::fs::read(path).map_err(|error| ApiError::Other(format!("{}: {error}", path.display())))?;
        config.root_cert =
            Some(certificates(&text).map_err(|why| ApiError::Other(format!("{}: {why}", path.display())))?);
        config.root_cert_file = None;
    }
    if options.impersonate.is_some() {
        config.auth_info.impersonate = options.impersonate.clone();
        config.auth_info.impersonate_groups =
            Some(options.impersonate_groups.clone()).filter(|groups| !groups.is_empty());
        config.auth_info.impersonate_uid = options.impersonate_uid.clone();
    }
    Ok(config)
}

/// Reads the files of `$KUBECONFIG` and skips the missing ones, as kubectl does; else reads `~/.kube/config`.
fn of_environment() -> Result<Kubeconfig, KubeconfigError> {
    let value = std::env::var_os("KUBECONFIG").unwrap_or_default();
    let there: Vec<PathBuf> = std::env::split_paths(&value).filter(|path| path.is_file()).collect();
    if there.is_empty() {
        return Kubeconfig::read();
    }
    there.iter().try_fold(Kubeconfig::default(), |merged, path| merged.merge(Kubeconfig::read_from(path)?))
}

/// Checks that the kubeconfig has everything that the flags name, and reports errors in kubectl's words. Without this
/// check a missing user would silently become an anonymous one.
fn named(kubeconfig: &Kubeconfig, options: &Options) -> Result<(), String> {
    let current = kubeconfig.current_context.as_ref().filter(|name| !name.is_empty());
    let name = options.context.as_ref().or(current).ok_or(ApiError::NO_CONTEXT)?;
    let context = kubeconfig.contexts.iter().find(|context| context.name == *name);
    let context = context.ok_or_else(|| format!("context {name:?} does not exist"))?.context.as_ref();
    let cluster = options.cluster.as_ref().or(context.map(|context| &context.cluster));
    if let Some(name) = cluster.filter(|name| !kubeconfig.clusters.iter().any(|cluster| cluster.name == **name)) {
        return Err(format!("cluster {name:?} does not exist"));
    }
    let user = options.user.as_ref().or(context.and_then(|context| context.user.as_ref()));
    match user.filter(|name| !kubeconfig.auth_infos.iter().any(|user| user.name == **name)) {
        Some(name) => Err(format!("auth info {name:?} does not exist")),
        None => Ok(()),
    }
}

fn url(server: &str) -> Result<http::Uri, ApiError> {
    let full = if server.contains("://") { server.to_owned() } else { format!("https://{server}") };
    full.parse().map_err(|error| ApiError::Other(format!("--server {server:?} is not an address: {error}")))
}

fn certificates(text: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let chain: Vec<Vec<u8>> = read.map_err(|error| error.to_string())?.iter().map(|one| one.to_vec()).collect();
    if chain.is_empty() { Err("no certificate in it".to_owned()) } else { Ok(chain) }
}

/// Encodes bytes as base64, in which Kubernetes and kubeconfigs write them.
pub fn base64(bytes: &[u8]) -> String {
    let encoded = serde_json::to_value(ByteString(bytes.to_vec())).unwrap_or_default();
    encoded.as_str().unwrap_or_default().to_owned()
}

fn pem(chain: &[Vec<u8>]) -> String {
    let mut text = String::new();
    for certificate in chain {
        let encoded = base64(certificate);
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        for line in encoded.as_bytes().chunks(64) {
            text.push_str(&String::from_utf8_lossy(line));
            text.push('\n');
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}

/// Limits how long a response may take to begin, and collects the warnings in its headers.
#[derive(Clone)]
struct Answers {
    warnings: Warnings,
    timeout: Option<Duration>,
    trace: Option<fn(&str)>,
}

impl<S> Layer<S> for Answers {
    type Service = Answering<S>;
    fn layer(&self, inner: S) -> Answering<S> {
        Answering { inner, answers: self.clone() }
    }
}

#[derive(Clone)]
struct Answering<S> {
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
        let Answers { warnings, timeout, trace } = self.answers.clone();
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
            for header in response.headers().get_all(WARNING) {
                if let Some(text) = header.to_str().ok().and_then(warning) {
                    warnings.add(text);
                }
            }
            Ok(response)
        })
    }
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

    #[test]
    fn what_is_named_has_to_be_in_the_kubeconfig() {
        let kubeconfig: Kubeconfig = serde_json::from_value(serde_json::json!({
            "clusters": [{ "name": "here", "cluster": { "server": "https://localhost" } }],
            "users": [{ "name": "john", "user": {} }],
            "contexts": [{ "name": "work", "context": { "cluster": "here", "user": "john" } }],
        }))
        .unwrap();
        let check = |context: Option<&str>, cluster: Option<&str>, user: Option<&str>, expected: Result<(), &str>| {
            let own = |name: Option<&str>| name.map(str::to_owned);
            let options =
                Options { context: own(context), cluster: own(cluster), user: own(user), ..Options::default() };
            assert_eq!(named(&kubeconfig, &options), expected.map_err(str::to_owned));
        };
        check(Some("work"), None, None, Ok(()));
        check(Some("work"), Some("here"), Some("john"), Ok(()));
        check(None, None, None, Err(ApiError::NO_CONTEXT));
        check(Some("x"), None, None, Err("context \"x\" does not exist"));
        check(Some("work"), Some("x"), None, Err("cluster \"x\" does not exist"));
        check(Some("work"), None, Some("x"), Err("auth info \"x\" does not exist"));
    }

    #[test]
    fn a_server_needs_no_scheme() {
        assert_eq!(url("localhost:6443").unwrap().to_string(), "https://localhost:6443/");
        assert!(url("not an address").is_err());
    }
}
