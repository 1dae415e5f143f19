//! Check whether the API server can trust cmp-webhook, by the same rules as the API server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use cmp_client::installation::{Configuration, secret};
use cmp_core::keys;

use crate::commands::check::installation::Installation;
use crate::commands::check::report::Check;

const NAME: &str = "certificate";

/// Remaining lifetime below which a certificate was not renewed. cmp-webhook renews its own months before the end.
const SOON: Duration = Duration::from_hours(14 * 24);

/// Checks the certificate of the configured endpoint, if there is one.
pub(super) async fn run_checks(installation: &Installation) -> Option<Check> {
    let configuration = installation.configuration.as_ref()?;
    Some(trust(installation, configuration).await)
}

async fn trust(installation: &Installation, configuration: &Configuration) -> Check {
    let written = if installation.cert_manager { "cert-manager's cainjector" } else { "cmp-webhook" };
    let bundles = configuration.endpoints.iter().map(|endpoint| endpoint.authority.as_deref());
    let bundles: Option<Vec<&[u8]>> = bundles.map(|bundle| bundle.filter(|bundle| !bundle.is_empty())).collect();
    let Some(mut bundles) = bundles else {
        return Check::failed(NAME, format!("caBundle is empty: {written} has not written it"))
            .hint(format!("is {written} running? It writes caBundle within seconds"));
    };
    let host = match configuration.url() {
        Some(url) => host(url),
        None => format!("{}.{}.svc", keys::WEBHOOK, keys::SYSTEM_NAMESPACE),
    };
    let name = if installation.cert_manager { keys::CERT_MANAGER_SECRET } else { keys::CERTIFICATE_SECRET };
    let secret = match secret(&installation.client, name).await {
        Ok(secret) => secret,
        Err(error) => return Check::of(NAME, Err(error.into())),
    };
    let remedy = if installation.cert_manager {
        format!("kubectl describe certificate {} -n {}", keys::WEBHOOK, keys::SYSTEM_NAMESPACE)
    } else {
        format!("kubectl delete secret {name} -n {}: cmp-webhook makes another at once", keys::SYSTEM_NAMESPACE)
    };
    let Some(secret) = secret else {
        return Check::failed(NAME, format!("secret/{name} is missing")).hint(format!("is {written} running?"));
    };
    bundles.dedup();
    let trusted: Result<Vec<bool>, String> =
        bundles.into_iter().map(|bundle| trusted(bundle, &secret, &host)).collect();
    match trusted.map(|lasting| lasting.into_iter().all(|lasting| lasting)) {
        Ok(true) => Check::ok(NAME, format!("it is valid for {host} and signed by the authority in caBundle")),
        Ok(false) => Check::warning(NAME, "it expires within two weeks and was not renewed").hint(remedy),
        Err(why) => Check::failed(NAME, format!("the API server does not trust it: {why}")).hint(remedy),
    }
}

/// Returns the host of an address.
fn host(url: &str) -> String {
    let host = url.parse::<http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned)).unwrap_or_default();
    host.trim_matches(['[', ']']).to_owned()
}

/// Reports whether the certificate is trusted now and for some time. The error is the reason why it is not trusted.
fn trusted(bundle: &[u8], secret: &BTreeMap<String, Vec<u8>>, host: &str) -> Result<bool, String> {
    let pem = secret.get("tls.crt").ok_or("the Secret has no tls.crt")?;
    let chain = certificates(pem).map_err(|why| format!("tls.crt of the Secret: {why}"))?;
    let (leaf, between) = chain.split_first().ok_or("tls.crt of the Secret is empty")?;
    let mut roots = RootCertStore::empty();
    for root in certificates(bundle).map_err(|why| format!("caBundle: {why}"))? {
        roots.add(root).map_err(|error| format!("caBundle: {error}"))?;
    }
    let verifier =
        WebPkiServerVerifier::builder(Arc::new(roots)).build().map_err(|error| format!("caBundle: {error}"))?;
    let name = ServerName::try_from(host).map_err(|error| format!("{host}: {error}"))?;
    let at = |when| verifier.verify_server_cert(leaf, between, &name, &[], when);
    let now = UnixTime::now();
    at(now).map_err(|error| error.to_string())?;
    let later = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs()) + SOON);
    Ok(at(later).is_ok())
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    read.map_err(|error| format!("unreadable certificate: {error}"))
}
