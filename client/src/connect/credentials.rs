//! Credentials that may change while the process runs: those of a credential plugin and of a token file.
//!
//! The kube crate runs a plugin three times to make one client. Here the process runs it once, at the first request. It
//! runs again when the credentials have expired, or when the API server refuses them with 401.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::header::{AUTHORIZATION, HeaderValue};
use http::{Request, Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use kube::client::Body;
use kube::{Client, Config};
use tokio::sync::Mutex;
use tower::{BoxError, Service};

use super::answers::Answers;
use super::busy::{self, copy};
use super::certificates::{self, base64};
use super::exec::Plugin;
use super::kubeconfig;
use crate::error::{ApiError, NoConnection};

/// A token file is read again after this time, as client-go does.
const REREAD: SignedDuration = SignedDuration::from_secs(60);
/// Credentials that the API server refuses are renewed at most once in this time.
const RENEWAL: Duration = Duration::from_mins(1);
/// The most sources that the process remembers.
const SOURCES: usize = 16;

/// The origin of credentials.
#[derive(Clone, PartialEq)]
pub(super) enum Origin {
    /// A credential plugin.
    Plugin(Box<Plugin>),
    /// A file with a token.
    File(String),
}

/// An origin of credentials, and the credentials that it gave last.
pub(super) struct Source {
    origin: Origin,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    current: Option<Arc<Credentials>>,
    renewed: Option<Instant>,
}

/// Credentials for requests.
struct Credentials {
    authorization: Option<HeaderValue>,
    /// The certificate and the private key, both in PEM.
    identity: Option<(String, String)>,
    expires: Option<Timestamp>,
}

/// Returns the source of an origin. All clients of the process share it, so that a plugin asks for a login only once.
pub(super) fn shared(origin: Origin) -> Arc<Source> {
    static SHARED: Lock<Vec<Arc<Source>>> = Lock::new(Vec::new());
    let mut sources = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(source) = sources.iter().find(|source| source.origin == origin) {
        return source.clone();
    }
    if sources.len() == SOURCES {
        sources.remove(0);
    }
    let source = Arc::new(Source { origin, state: Mutex::default() });
    sources.push(source.clone());
    source
}

/// Returns the header for a token. A token with a line break or a control character is refused, as kubectl does.
pub(super) fn bearer(token: &str, whose: &str) -> Result<HeaderValue, NoConnection> {
    let mut header = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| {
        let failed = NoConnection::new(format!("{whose} has a line break or a control character in it"));
        failed.hint("in YAML, `token: |` adds a line break: write the token on the line of `token:`, or use tokenFile")
    })?;
    header.set_sensitive(true);
    Ok(header)
}

impl Source {
    /// Reads a token file now, so that a missing one is an error of the connection. A plugin waits for the first
    /// request.
    pub(super) async fn prepare(&self) -> Result<(), NoConnection> {
        if matches!(self.origin, Origin::File(_)) {
            self.get().await?;
        }
        Ok(())
    }

    async fn get(&self) -> Result<Arc<Credentials>, NoConnection> {
        let mut state = self.state.lock().await;
        let valid = |credentials: &&Arc<Credentials>| credentials.expires.is_none_or(|time| Timestamp::now() < time);
        if let Some(current) = state.current.as_ref().filter(valid) {
            return Ok(current.clone());
        }
        match (self.fetch().await, &self.origin, &state.current) {
            // A file that was readable once may be gone on purpose: its last token stays in use.
            (Err(_), Origin::File(_), Some(last)) => Ok(last.clone()),
            (fetched, ..) => {
                let fetched = Arc::new(fetched?);
                state.current = Some(fetched.clone());
                Ok(fetched)
            }
        }
    }

    /// Replaces credentials that the API server refused. Returns `None` if that was done a short time ago.
    async fn renew(&self, refused: &Arc<Credentials>) -> Result<Option<Arc<Credentials>>, NoConnection> {
        let mut state = self.state.lock().await;
        if let Some(current) = state.current.as_ref().filter(|current| !Arc::ptr_eq(current, refused)) {
            return Ok(Some(current.clone()));
        }
        if state.renewed.is_some_and(|renewed| renewed.elapsed() < RENEWAL) {
            return Ok(None);
        }
        state.renewed = Some(Instant::now());
        let fetched = Arc::new(self.fetch().await?);
        state.current = Some(fetched.clone());
        Ok(Some(fetched))
    }

    async fn fetch(&self) -> Result<Credentials, NoConnection> {
        match &self.origin {
            Origin::Plugin(plugin) => {
                let printed = plugin.run().await?;
                let identity = printed.identity.map(|(certificate, key)| {
                    let identity = certificates::identity(certificate.as_bytes(), key.as_bytes());
                    identity.map_err(|_| {
                        NoConnection::new("the credential plugin printed no certificate and private key in PEM")
                    })
                });
                let token = printed.token.map(|token| bearer(&token, "the token of the credential plugin"));
                Ok(Credentials {
                    authorization: token.transpose()?,
                    identity: identity.transpose()?,
                    expires: printed.expires,
                })
            }
            Origin::File(path) => {
                let bytes = kubeconfig::file("tokenFile", path).map_err(NoConnection::new)?;
                let text = String::from_utf8_lossy(&bytes);
                // Editors end a file with a line break.
                let token = text.trim();
                if token.is_empty() {
                    return Err(NoConnection::new(format!("tokenFile {path}: it is empty")));
                }
                Ok(Credentials {
                    authorization: Some(bearer(token, &format!("tokenFile {path}"))?),
                    identity: None,
                    expires: Timestamp::now().checked_add(REREAD).ok(),
                })
            }
        }
    }
}

/// Makes a client that takes its credentials from a source.
pub(super) fn client(source: Arc<Source>, config: Config, answers: Answers) -> Result<Client, ApiError> {
    let plain = plain(config.clone(), &answers)?;
    let namespace = config.default_namespace.clone();
    let renewing = Renewing(Arc::new(Clients { source, config, answers, plain, identified: Lock::default() }));
    Ok(Client::new(renewing, namespace))
}

/// Makes a client with the credentials in its configuration.
pub(super) fn plain(config: Config, answers: &Answers) -> Result<Client, ApiError> {
    let namespace = config.default_namespace.clone();
    let client = kube::client::ClientBuilder::try_from(config)?.with_layer(answers).build();
    Ok(busy::patient(client, namespace, answers.timeout))
}

/// A service that adds the credentials of a source to each request.
#[derive(Clone)]
struct Renewing(Arc<Clients>);

struct Clients {
    source: Arc<Source>,
    config: Config,
    answers: Answers,
    /// The client without a certificate.
    plain: Client,
    /// The client with the last certificate of the source. A new certificate needs new connections.
    identified: Lock<Option<(Arc<Credentials>, Client)>>,
}

impl Clients {
    async fn send(&self, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let credentials = self.source.get().await?;
        let again = copy(&request);
        let response = self.send_with(&credentials, request).await?;
        let Some(again) = again.filter(|_| response.status() == StatusCode::UNAUTHORIZED) else { return Ok(response) };
        match self.source.renew(&credentials).await? {
            Some(renewed) => self.send_with(&renewed, again).await,
            None => Ok(response),
        }
    }

    async fn send_with(
        &self,
        credentials: &Arc<Credentials>,
        mut request: Request<Body>,
    ) -> Result<Response<Body>, BoxError> {
        if let Some(header) = &credentials.authorization {
            request.headers_mut().insert(AUTHORIZATION, header.clone());
        }
        Ok(self.client(credentials)?.send(request).await?)
    }

    fn client(&self, credentials: &Arc<Credentials>) -> Result<Client, NoConnection> {
        let Some((certificate, key)) = &credentials.identity else { return Ok(self.plain.clone()) };
        let mut identified = self.identified.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, client)) = &*identified
            && Arc::ptr_eq(of, credentials)
        {
            return Ok(client.clone());
        }
        let mut config = self.config.clone();
        config.auth_info.client_certificate_data = Some(base64(certificate.as_bytes()));
        config.auth_info.client_key_data = Some(base64(key.as_bytes()).into());
        let made = plain(config, &self.answers);
        let client =
            made.map_err(|error| NoConnection::new(format!("the certificate of the credential plugin: {error}")))?;
        *identified = Some((credentials.clone(), client.clone()));
        Ok(client)
    }
}

impl Service<Request<Body>> for Renewing {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let clients = self.0.clone();
        Box::pin(async move { clients.send(request).await })
    }
}
