//! Certificates in PEM and in DER.

use k8s_openapi::ByteString;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Returns the certificates of authorities in a PEM text. Others are skipped, as Go does, as long as one is usable.
pub(super) fn authorities(text: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let usable = |certificate: &CertificateDer<'static>| RootCertStore::empty().add(certificate.clone()).is_ok();
    let read = CertificateDer::pem_slice_iter(text).flatten();
    let chain: Vec<Vec<u8>> = read.filter(usable).map(|one| one.to_vec()).collect();
    if chain.is_empty() { Err("no certificate in it".to_owned()) } else { Ok(chain) }
}

/// Takes the certificates of one PEM text and the private key of another, and writes both in PEM. Other parts are left
/// out: the kube crate joins both texts, and refuses some of the parts.
pub(super) fn identity(certificates: &[u8], key: &[u8]) -> Result<(String, String), Unusable> {
    let chain: Vec<Vec<u8>> = CertificateDer::pem_slice_iter(certificates).flatten().map(|one| one.to_vec()).collect();
    if chain.is_empty() {
        return Err(Unusable::Certificate);
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| Unusable::Key)?;
    let label = match &key {
        PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
        PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
        _ => "PRIVATE KEY",
    };
    Ok((pem(&chain), section(label, key.secret_der())))
}

/// The part of an identity that cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    Certificate,
    Key,
}

/// Writes certificates in PEM.
pub(super) fn pem(chain: &[Vec<u8>]) -> String {
    chain.iter().map(|certificate| section("CERTIFICATE", certificate)).collect()
}

fn section(label: &str, bytes: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in base64(bytes).as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// Encodes bytes in base64.
pub fn base64(bytes: &[u8]) -> String {
    let encoded = serde_json::to_value(ByteString(bytes.to_vec())).unwrap_or_default();
    encoded.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_a_certificate_is_an_error() {
        for text in ["", "hello", "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n"] {
            assert_eq!(authorities(text.as_bytes()), Err("no certificate in it".to_owned()), "{text}");
        }
        assert_eq!(base64(b"hello"), "aGVsbG8=");
    }

    #[test]
    fn an_identity_has_a_certificate_and_a_key() {
        let certificate = section("CERTIFICATE", b"c");
        let key = format!("{}{}", section("EC PARAMETERS", b"p"), section("EC PRIVATE KEY", b"k"));
        let joined = format!("{certificate}{key}{}", section("PUBLIC KEY", b"x"));
        let expected = Ok((certificate.clone(), section("EC PRIVATE KEY", b"k")));
        assert_eq!(identity(certificate.as_bytes(), key.as_bytes()), expected);
        assert_eq!(identity(joined.as_bytes(), joined.as_bytes()), expected);
        assert_eq!(identity(key.as_bytes(), certificate.as_bytes()), Err(Unusable::Certificate));
        assert_eq!(identity(certificate.as_bytes(), certificate.as_bytes()), Err(Unusable::Key));
    }
}
