//! The certificate by which the API server authenticates cmp-webhook. A replica creates it, stores it in a Secret that
//! all replicas share, and publishes its authority in `caBundle`.
//!
//! One Secret holds a certificate authority and a leaf signed by it. The first replica that finds the Secret missing or
//! old writes it under the version it read; the others take it over. The leaf is replaced after two thirds of its life.
//! The authority is replaced when a new leaf would outlive it. Then both authorities are published until the old one has
//! ended. A new authority is published an hour before the first leaf of it is served, or an eighth of the leaf's life.
//!
//! If the Secret belongs to another program, such as cert-manager, cmp-webhook only reads it and writes nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum_server::tls_rustls::RustlsConfig;
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use kube::runtime::WatchStreamExt;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use tracing::{info, warn};

use cmp_client::ApiError;
use cmp_client::certificates::Store;
use cmp_core::keys::{
    self, CERTIFICATE_AUTHORITY_ENDS_AT as AUTHORITY_ENDS_AT, CERTIFICATE_ENDS_AT as ENDS_AT,
    CERTIFICATE_NAMES as NAMES, CERTIFICATE_RENEW_AT as RENEW_AT,
};
use cmp_core::manifest::pairs;

use crate::health::Readiness;
use crate::metrics::Metrics;
use crate::watches::FixedBackoff;

/// How long a new authority is published before a leaf of it is served: every API server has to have read `caBundle`.
const KNOWN_BEFORE: SignedDuration = SignedDuration::from_hours(1);
/// The longest time between two looks at the certificate.
const LOOK: SignedDuration = SignedDuration::from_hours(1);
/// Tolerance for clocks that differ.
const BEFORE: SignedDuration = SignedDuration::from_hours(1);

const AUTHORITY: &str = "ca.crt";
const AUTHORITY_KEY: &str = "ca.key";
const LEAF: &str = "tls.crt";
const LEAF_KEY: &str = "tls.key";

/// An error of making, using or publishing a certificate.
#[derive(Debug, thiserror::Error)]
enum CertError {
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    #[error("cannot serve with the certificate in the Secret: {0}")]
    Use(String),
    #[error("cannot ask for client certificates with --client-ca {0}: {1}")]
    ClientCa(String, String),
}

/// The party that creates the certificate and makes it known to the API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// The replicas of cmp-webhook do it.
    Ours,
    /// Another program does it, and writes the certificate into the Secret of this name.
    Others(String),
}

impl Whose {
    /// Returns the name of the Secret.
    fn secret(&self) -> &str {
        match self {
            Self::Ours => keys::CERTIFICATE_SECRET,
            Self::Others(name) => name,
        }
    }
}

/// The lifetimes of the certificates that cmp-webhook makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    leaf: SignedDuration,
    authority: SignedDuration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        let year = SignedDuration::from_hours(24 * 365);
        Self { leaf: year, authority: year * 10 }
    }
}

impl Lifetimes {
    /// The shortest lifetime of a leaf. Certificates have whole seconds, and each API server reads `caBundle` with its own
    /// delay.
    const SHORTEST: SignedDuration = SignedDuration::from_secs(10);
    const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 365 * 100);
    /// An authority signs this many leaves at least.
    const LEAVES: i32 = 3;

    /// Checks lifetimes that somebody chose. The error names the flag.
    pub fn new(leaf: Duration, authority: Duration) -> Result<Self, String> {
        let [leaf, authority] =
            [leaf, authority].map(|life| SignedDuration::try_from(life).unwrap_or(SignedDuration::MAX));
        if leaf < Self::SHORTEST {
            return Err(format!("--certificate-lifetime is {leaf:#}: the minimum is {:#}", Self::SHORTEST));
        }
        if authority > Self::LONGEST {
            return Err(format!("--authority-lifetime is {authority:#}: the maximum is {:#}", Self::LONGEST));
        }
        if authority / Self::LEAVES < leaf {
            let leaves = Self::LEAVES;
            return Err(format!(
                "--authority-lifetime is {authority:#}: it must be at least {leaves} times --certificate-lifetime, {leaf:#}"
            ));
        }
        Ok(Self { leaf, authority })
    }

    /// Returns how long before its end an authority is replaced: no leaf outlives its authority.
    fn overlap(self) -> SignedDuration {
        self.leaf
    }

    /// Returns how long a new authority is published before a leaf of it is served.
    fn known_before(self) -> SignedDuration {
        KNOWN_BEFORE.min(self.leaf / 8)
    }
}

/// Creates, renews, serves and publishes the certificate.
pub struct Certificates {
    whose: Whose,
    lifetimes: Lifetimes,
    store: Store,
    service: String,
    config: RustlsConfig,
    /// A file with the authorities that sign the client certificates of the API servers.
    client_ca: Option<PathBuf>,
    metrics: Arc<Metrics>,
    readiness: Readiness,
}

const CONDITION: &str = "certificate";

impl Certificates {
    /// Creates the manager for the Service in this Namespace. Nothing is served before [`run`](Self::run) has found a
    /// certificate.
    pub fn new(
        client: &Client,
        (namespace, whose): (&str, Whose),
        config: RustlsConfig,
        metrics: Arc<Metrics>,
        readiness: Readiness,
    ) -> Self {
        readiness.set(CONDITION, Some("not looked up yet".to_owned()));
        Self {
            store: Store::new(client, namespace, whose.secret()),
            whose,
            lifetimes: Lifetimes::default(),
            service: format!("{}.{namespace}.svc", keys::WEBHOOK),
            config,
            client_ca: None,
            metrics,
            readiness,
        }
    }

    /// Requires client certificates signed by an authority in this file. The file is read at each look.
    #[must_use]
    pub fn asking_for(self, client_ca: Option<PathBuf>) -> Self {
        Self { client_ca, ..self }
    }

    /// Makes certificates with these lifetimes.
    #[must_use]
    pub fn lasting(self, lifetimes: Lifetimes) -> Self {
        Self { lifetimes, ..self }
    }

    /// Serves with the certificate in a Secret from now on.
    async fn serve_with(&self, secret: &Secret) -> Result<(), CertError> {
        let clients = match &self.client_ca {
            None => None,
            Some(path) => {
                let wrong = |why: String| CertError::ClientCa(path.display().to_string(), why);
                let pem = tokio::fs::read(path).await.map_err(|error| wrong(error.to_string()))?;
                Some(client_verifier(&pem).map_err(wrong)?)
            }
        };
        self.config.reload_from_config(server_config(secret, clients)?);
        Ok(())
    }

    /// Checks the certificate at once, when it is due to be renewed, and every hour. Each change of the Secret and of the
    /// webhook configuration is a reason, too.
    pub async fn run(&self) {
        let mut secrets = self.store.secret_changes().backoff(FixedBackoff).boxed();
        let mut configurations = self.store.configuration_changes().backoff(FixedBackoff).boxed();
        loop {
            let again = match self.look().await {
                Ok(next) => {
                    self.readiness.set(CONDITION, None);
                    next
                }
                Err(error) => {
                    warn!(%error, "the certificate could not be checked or renewed");
                    self.readiness.set(CONDITION, Some(error.to_string()));
                    Duration::from_secs(1)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(again) => {}
                _ = secrets.next() => {}
                _ = configurations.next() => {}
            }
        }
    }

    /// Checks the certificate, and returns the time until the next look.
    async fn look(&self) -> Result<Duration, CertError> {
        match self.whose {
            Whose::Ours => self.look_after().await,
            Whose::Others(_) => self.take_over().await.map(|()| LOOK.unsigned_abs()),
        }
    }

    /// Serves with the certificate of another program. Fails until that program has made its authority known, too.
    async fn take_over(&self) -> Result<(), CertError> {
        let name = self.whose.secret();
        let secret = self.store.secret().await?;
        let secret = secret.ok_or_else(|| CertError::Use(format!("the Secret {name} does not exist yet")))?;
        self.serve_with(&secret).await?;
        let configuration = self.store.configuration().await?.ok_or_else(unasked)?;
        if configuration.webhooks.iter().flatten().any(|webhook| webhook.client_config.ca_bundle.is_none()) {
            let why = format!("the ValidatingWebhookConfiguration has no caBundle yet for the certificate in {name}");
            return Err(CertError::Use(why));
        }
        Ok(())
    }

    async fn look_after(&self) -> Result<Duration, CertError> {
        let configuration = self.store.configuration().await?;
        let names = self.names(configuration.as_ref());
        let mut secret = self.store.secret().await?;
        let now = Timestamp::now();
        if let Some(made) = renewed(secret.as_ref(), &names, now, self.lifetimes)? {
            secret = match self.store.write(&made, secret.is_some()).await {
                Ok(written) => {
                    info!(?names, "made a certificate");
                    Some(written)
                }
                // Another replica was faster: its certificate is equally good.
                Err(error) if error.is_conflict() || error.is_already_there() => self.store.secret().await?,
                Err(error) => return Err(error.into()),
            };
        }
        let secret = secret.ok_or_else(|| CertError::Use("it is gone".to_owned()))?;
        self.serve_with(&secret).await?;
        if let Some(ends) = annotated(&secret, ENDS_AT) {
            self.metrics.certificate_ends(ends.as_second());
        }
        let configuration = configuration.ok_or_else(unasked)?;
        let authority = ByteString(text(&secret, AUTHORITY)?.as_bytes().to_vec());
        if self.store.publish(&configuration, &authority).await? {
            info!("wrote the certificate authority into caBundle");
        }
        Ok(until_due(&secret, Timestamp::now(), self.lifetimes))
    }

    /// Returns the names by which the API server may call this process: the Service's, and the host of a configured
    /// URL.
    fn names(&self, configuration: Option<&ValidatingWebhookConfiguration>) -> Vec<String> {
        let mut names = vec![self.service.clone()];
        let webhooks = configuration.and_then(|configuration| configuration.webhooks.as_ref());
        for webhook in webhooks.into_iter().flatten() {
            let url = webhook.client_config.url.as_ref().and_then(|url| url.parse::<http::Uri>().ok());
            if let Some(host) = url.as_ref().and_then(http::Uri::host) {
                names.push(host.trim_matches(['[', ']']).to_owned());
            }
        }
        names.sort_unstable();
        names.dedup();
        names
    }
}

fn unasked() -> CertError {
    CertError::Use(format!(
        "the ValidatingWebhookConfiguration {} is missing: the API server does not ask cmp-webhook",
        keys::WEBHOOK
    ))
}

fn annotated(secret: &Secret, key: &str) -> Option<Timestamp> {
    secret.metadata.annotations.as_ref()?.get(key)?.parse().ok()
}

fn text<'a>(secret: &'a Secret, key: &str) -> Result<&'a str, CertError> {
    let bytes = secret.data.as_ref().and_then(|data| data.get(key));
    bytes
        .and_then(|bytes| std::str::from_utf8(&bytes.0).ok())
        .ok_or_else(|| CertError::Use(format!("the Secret has no readable {key}")))
}

/// Returns the time until the certificate or its authority is due to be replaced, an hour at most.
fn until_due(secret: &Secret, now: Timestamp, lifetimes: Lifetimes) -> Duration {
    const SHORTEST: SignedDuration = SignedDuration::from_millis(100);
    let renewal = annotated(secret, RENEW_AT);
    let authority = annotated(secret, AUTHORITY_ENDS_AT).map(|ends| ends - lifetimes.overlap());
    let due = renewal.into_iter().chain(authority).map(|at| at.duration_since(now)).min();
    due.map_or(LOOK, |due| due.clamp(SHORTEST, LOOK)).unsigned_abs()
}

/// Returns the Secret as it should be; `None` if it is so already.
fn renewed(
    secret: Option<&Secret>,
    names: &[String],
    now: Timestamp,
    lifetimes: Lifetimes,
) -> Result<Option<Secret>, CertError> {
    let (overlap, known_before) = (lifetimes.overlap(), lifetimes.known_before());
    let listed = names.join(",");
    if let Some(secret) = secret {
        let known = secret.metadata.annotations.as_ref().and_then(|annotations| annotations.get(NAMES));
        let fresh = annotated(secret, RENEW_AT).is_some_and(|at| now < at)
            && annotated(secret, AUTHORITY_ENDS_AT).is_some_and(|ends| now + overlap < ends);
        if fresh && known == Some(&listed) && server_config(secret, None).is_ok() {
            return Ok(None);
        }
    }
    let usable = secret.and_then(|secret| {
        let ends = annotated(secret, AUTHORITY_ENDS_AT)?;
        let key = KeyPair::from_pem(text(secret, AUTHORITY_KEY).ok()?).ok()?;
        let old = text(secret, AUTHORITY).ok()?.to_owned();
        Some((key, old, ends))
    });
    let (authority_key, bundle, authority_ends) = match usable {
        Some((key, bundle, ends)) if now + overlap < ends => (key, bundle, ends),
        older => {
            let key = KeyPair::generate()?;
            let ends = now + lifetimes.authority;
            let mut bundle = authority(now, ends).self_signed(&key)?.pem();
            // Another replica may still serve a leaf of the old authority until that authority has ended.
            if let Some((_, old, _)) = older.filter(|(.., ends)| now < *ends) {
                bundle.push_str(&old);
                // No API server knows the new authority yet: keep the leaf until they do, if it lives long enough.
                if let Some(secret) = secret.filter(|secret| outlives(secret, &listed, now + known_before * 2)) {
                    return Ok(Some(announced(secret, &bundle, &key, ends, now + known_before)));
                }
            }
            (key, bundle, ends)
        }
    };
    let ends = now + lifetimes.leaf;
    let leaf_key = KeyPair::generate()?;
    let mut leaf = CertificateParams::new(names.to_vec())?;
    leaf.distinguished_name = DistinguishedName::new();
    leaf.distinguished_name.push(DnType::CommonName, keys::WEBHOOK);
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.use_authority_key_identifier_extension = true;
    (leaf.not_before, leaf.not_after) = (date(now - BEFORE), date(ends));
    let issuer = Issuer::new(authority(now, authority_ends), authority_key);
    let signed = leaf.signed_by(&leaf_key, &issuer)?;
    let mut data = BTreeMap::new();
    for (name, value) in [
        (AUTHORITY, bundle),
        (AUTHORITY_KEY, issuer.key().serialize_pem()),
        (LEAF, signed.pem()),
        (LEAF_KEY, leaf_key.serialize_pem()),
    ] {
        data.insert(name.to_owned(), ByteString(value.into_bytes()));
    }
    Ok(Some(Secret {
        metadata: ObjectMeta {
            name: Some(keys::CERTIFICATE_SECRET.to_owned()),
            resource_version: secret.and_then(|secret| secret.metadata.resource_version.clone()),
            labels: Some(pairs([(keys::PART_OF, keys::MANAGER)])),
            annotations: Some(pairs([
                (NAMES, &listed),
                (RENEW_AT, &(now + lifetimes.leaf * 2 / 3).to_string()),
                (ENDS_AT, &ends.to_string()),
                (AUTHORITY_ENDS_AT, &authority_ends.to_string()),
            ])),
            ..ObjectMeta::default()
        },
        data: Some(data),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    }))
}

/// Reports whether the leaf of a Secret can be served until `until`, under all of these names.
fn outlives(secret: &Secret, names: &str, until: Timestamp) -> bool {
    let known = secret.metadata.annotations.as_ref().and_then(|annotations| annotations.get(NAMES));
    known.is_some_and(|known| known == names)
        && annotated(secret, ENDS_AT).is_some_and(|ends| until < ends)
        && server_config(secret, None).is_ok()
}

/// Returns the Secret with a new authority beside the old one. The leaf stays the same until `renew_at`.
fn announced(secret: &Secret, bundle: &str, key: &KeyPair, ends: Timestamp, renew_at: Timestamp) -> Secret {
    let mut announced = secret.clone();
    let data = announced.data.get_or_insert_default();
    for (name, value) in [(AUTHORITY, bundle.to_owned()), (AUTHORITY_KEY, key.serialize_pem())] {
        data.insert(name.to_owned(), ByteString(value.into_bytes()));
    }
    let annotations = announced.metadata.annotations.get_or_insert_default();
    annotations.insert(RENEW_AT.to_owned(), renew_at.to_string());
    annotations.insert(AUTHORITY_ENDS_AT.to_owned(), ends.to_string());
    announced
}

fn authority(now: Timestamp, ends: Timestamp) -> CertificateParams {
    let mut authority = CertificateParams::default();
    authority.distinguished_name = DistinguishedName::new();
    authority.distinguished_name.push(DnType::CommonName, "cmp-webhook-ca");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (authority.not_before, authority.not_after) = (date(now - BEFORE), date(ends));
    authority
}

/// Converts a timestamp for rcgen, which uses another time library. Whole seconds are enough for a certificate.
fn date(at: Timestamp) -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp(at.as_second()).unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
}

/// Accepts client certificates of these authorities, and no client without a certificate.
fn client_verifier(pem: &[u8]) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() {
        return Err("there is no certificate in it".to_owned());
    }
    WebPkiClientVerifier::builder(Arc::new(roots)).build().map_err(|error| error.to_string())
}

fn server_config(
    secret: &Secret,
    clients: Option<Arc<dyn ClientCertVerifier>>,
) -> Result<Arc<rustls::ServerConfig>, CertError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text(secret, LEAF)?.as_bytes()).collect();
    let chain = chain.map_err(|error| CertError::Use(error.to_string()))?;
    let key = PrivateKeyDer::from_pem_slice(text(secret, LEAF_KEY)?.as_bytes())
        .map_err(|error| CertError::Use(error.to_string()))?;
    let mut config = rustls::ServerConfig::builder()
        .with_client_cert_verifier(clients.unwrap_or_else(WebPkiClientVerifier::no_client_auth))
        .with_single_cert(chain, key)
        .map_err(|error| CertError::Use(error.to_string()))?;
    // HTTP/1.1 alone: an API server keeps an HTTP/2 connection to a replica that is gone.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Returns a TLS configuration without a certificate, for the time before one exists.
pub fn empty() -> RustlsConfig {
    let nothing = Arc::new(rustls::server::ResolvesServerCertUsingSni::new());
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_cert_resolver(nothing);
    RustlsConfig::from_config(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::UnixTime;

    use super::*;

    fn install_provider() {
        // The second test finds the provider installed, which is equally good.
        let _installed = rustls::crypto::ring::default_provider().install_default();
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    const USUAL: Lifetimes =
        Lifetimes { leaf: SignedDuration::from_hours(24 * 365), authority: SignedDuration::from_hours(24 * 3650) };

    fn renew(secret: Option<&Secret>, names: &[String], now: Timestamp) -> Option<Secret> {
        renewed(secret, names, now, USUAL).unwrap()
    }

    #[test]
    fn lifetimes_are_checked() {
        let check = |leaf, authority, expected: Result<Lifetimes, &str>| {
            let made = Lifetimes::new(Duration::from_secs(leaf), Duration::from_secs(authority));
            assert_eq!(made, expected.map_err(str::to_owned), "{leaf} {authority}");
        };
        let year = 24 * 3600 * 365;
        assert_eq!(Lifetimes::default(), USUAL);
        check(year, 10 * year, Ok(USUAL));
        check(9, year, Err("--certificate-lifetime is 9s: the minimum is 10s"));
        let long = "--authority-lifetime is 876001h: the maximum is 876000h";
        check(10, 100 * year + 3600, Err(long));
        let short = "--authority-lifetime is 29s: it must be at least 3 times --certificate-lifetime, 10s";
        check(10, 29, Err(short));
        assert!(Lifetimes::new(Duration::MAX, Duration::MAX).is_err());
    }

    #[test]
    fn the_next_look_is_when_something_is_due() {
        install_provider();
        let (service, now) = (names(&["cmp-webhook.cmp-system.svc"]), Timestamp::now());
        let lifetimes = Lifetimes::new(Duration::from_secs(12), Duration::from_mins(1)).unwrap();
        let made = renewed(None, &service, now, lifetimes).unwrap().unwrap();
        let check = |seconds: i64, expected: Duration| {
            assert_eq!(until_due(&made, now + SignedDuration::from_secs(seconds), lifetimes), expected, "{seconds}");
        };
        check(0, Duration::from_secs(8));
        check(7, Duration::from_secs(1));
        check(8, Duration::from_millis(100));
        check(90, Duration::from_millis(100));
        let usual = renew(None, &service, now).unwrap();
        assert_eq!(until_due(&usual, now, USUAL), Duration::from_hours(1));
        assert_eq!(until_due(&Secret::default(), now, USUAL), Duration::from_hours(1));
    }

    /// An API server that reads `caBundle` a second late accepts every leaf, over the lives of several authorities.
    #[test]
    fn short_lived_certificates_are_always_accepted() {
        install_provider();
        let (service, start) = (names(&["cmp-webhook.cmp-system.svc"]), Timestamp::now());
        let lifetimes = Lifetimes::new(Duration::from_secs(12), Duration::from_secs(36)).unwrap();
        let (mut served, mut known, mut bundles) = (Secret::default(), Secret::default(), 0);
        for half_seconds in 0..300 {
            let now = start + SignedDuration::from_millis(500) * half_seconds;
            let before = (half_seconds > 0).then_some(&served);
            let made = renewed(before, &service, now, lifetimes).unwrap();
            if let Some(made) = made {
                bundles += usize::from(
                    before.is_none_or(|before| text(before, AUTHORITY).unwrap() != text(&made, AUTHORITY).unwrap()),
                );
                served = made;
            }
            if half_seconds == 0 {
                known = served.clone();
            }
            assert!(accepts(&known, &served, now), "after {half_seconds} half seconds");
            if half_seconds % 2 == 0 {
                known = served.clone();
            }
        }
        assert!(bundles >= 5, "{bundles} authorities");
    }

    #[test]
    fn a_certificate_is_kept_until_it_is_old_or_lacks_a_name() {
        install_provider();
        let (service, now) = (names(&["cmp-webhook.cmp-system.svc"]), Timestamp::now());
        let made = renew(None, &service, now).unwrap();
        assert!(renew(Some(&made), &service, now).is_none());
        let bundle = |secret: &Secret| text(secret, AUTHORITY).unwrap().to_owned();

        let both = names(&["cmp-webhook.cmp-system.svc", "localhost"]);
        let named = renew(Some(&made), &both, now).unwrap();
        assert_eq!(bundle(&named), bundle(&made), "the authority stays");

        let later = now + USUAL.leaf * 2 / 3 + SignedDuration::from_secs(1);
        let replaced = renew(Some(&made), &service, later).unwrap();
        assert_eq!(bundle(&replaced), bundle(&made));
        assert_ne!(text(&replaced, LEAF).unwrap(), text(&made, LEAF).unwrap());
    }

    /// Reports whether a client that knows the bundle of one Secret accepts the leaf of another one.
    fn accepts(known: &Secret, served: &Secret, at: Timestamp) -> bool {
        let certificates = |secret: &Secret, key| -> Vec<CertificateDer<'static>> {
            let pem = text(secret, key).unwrap().as_bytes();
            CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().unwrap()
        };
        let mut roots = rustls::RootCertStore::empty();
        for authority in certificates(known, AUTHORITY) {
            roots.add(authority).unwrap();
        }
        let verifier = rustls::client::WebPkiServerVerifier::builder(Arc::new(roots)).build().unwrap();
        let leaf = certificates(served, LEAF);
        let name = "cmp-webhook.cmp-system.svc".try_into().unwrap();
        let at = UnixTime::since_unix_epoch(Duration::from_secs(at.as_second().unsigned_abs()));
        verifier.verify_server_cert(&leaf[0], &[], &name, &[], at).is_ok()
    }

    #[test]
    fn a_new_authority_is_known_before_a_leaf_of_it_is_served() {
        install_provider();
        let (service, now) = (names(&["cmp-webhook.cmp-system.svc"]), Timestamp::now());
        let first = renew(None, &service, now).unwrap();
        // A leaf from the last years of the first authority.
        let late = now + USUAL.authority - USUAL.overlap() - USUAL.leaf / 2;
        let made = renew(Some(&first), &service, late).unwrap();
        let at = now + USUAL.authority - USUAL.overlap();

        let announced = renew(Some(&made), &service, at).unwrap();
        let bundle = text(&announced, AUTHORITY).unwrap();
        assert!(bundle.ends_with(text(&made, AUTHORITY).unwrap()) && bundle != text(&made, AUTHORITY).unwrap());
        assert_eq!(text(&announced, LEAF).unwrap(), text(&made, LEAF).unwrap(), "the leaf stays for now");
        assert!(accepts(&made, &announced, at), "an API server that has not read the new bundle goes on");
        assert!(renew(Some(&announced), &service, at).is_none());

        let after = at + KNOWN_BEFORE + SignedDuration::from_secs(1);
        let replaced = renew(Some(&announced), &service, after).unwrap();
        assert_eq!(text(&replaced, AUTHORITY).unwrap(), bundle);
        assert_ne!(text(&replaced, LEAF).unwrap(), text(&made, LEAF).unwrap());
        assert!(accepts(&announced, &replaced, after) && !accepts(&made, &replaced, after));
    }

    #[test]
    fn a_leaf_that_ends_too_soon_is_replaced_together_with_its_authority() {
        install_provider();
        let (service, now) = (names(&["cmp-webhook.cmp-system.svc"]), Timestamp::now());
        let made = renew(None, &service, now).unwrap();
        let at = now + USUAL.authority - USUAL.overlap();
        let new = renew(Some(&made), &service, at).unwrap();
        assert!(accepts(&new, &new, at) && !accepts(&made, &new, at));
    }

    #[test]
    fn a_damaged_secret_is_replaced() {
        install_provider();
        let (service, now) = (names(&["cmp-webhook.cmp-system.svc"]), Timestamp::now());
        let mut made = renew(None, &service, now).unwrap();
        made.data.as_mut().unwrap().insert(LEAF.to_owned(), ByteString(b"damaged".to_vec()));
        let mended = renew(Some(&made), &service, now).unwrap();
        assert!(server_config(&mended, None).is_ok());
    }
}
