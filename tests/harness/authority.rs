//! Certificates for the programs of a test control plane.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

/// A certificate authority that writes the certificates it signs into one folder.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    folder: PathBuf,
}

impl Authority {
    /// Creates an authority; its certificate goes to `<file>.crt`.
    pub fn new(folder: &Path, file: &str, name: &str) -> Self {
        let mut authority = CertificateParams::default();
        authority.distinguished_name.push(DnType::CommonName, name);
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = authority.self_signed(&key).expect("a certificate").pem();
        fs::write(folder.join(format!("{file}.crt")), &pem).expect("a file");
        Self { issuer: Issuer::new(authority, key), pem, folder: folder.to_owned() }
    }

    /// Returns the authority's own certificate in PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Signs a certificate for a server under these host names: `<file>.crt` and `<file>.key`.
    pub fn server(&self, file: &str, name: &str, hosts: &[&str]) {
        let hosts: Vec<String> = hosts.iter().copied().map(str::to_owned).collect();
        self.sign(file, name, hosts, ExtendedKeyUsagePurpose::ServerAuth, None);
    }

    /// Signs a certificate for a server that ends after `life`: `<file>.crt` and `<file>.key`.
    pub fn server_for(&self, file: &str, name: &str, hosts: &[&str], life: Duration) {
        let hosts: Vec<String> = hosts.iter().copied().map(str::to_owned).collect();
        self.sign(file, name, hosts, ExtendedKeyUsagePurpose::ServerAuth, Some(life));
    }

    /// Signs a certificate for a client: `<file>.crt` and `<file>.key`.
    pub fn client(&self, file: &str, name: &str) {
        self.sign(file, name, Vec::new(), ExtendedKeyUsagePurpose::ClientAuth, None);
    }

    fn sign(&self, file: &str, name: &str, hosts: Vec<String>, usage: ExtendedKeyUsagePurpose, life: Option<Duration>) {
        let mut leaf = CertificateParams::new(hosts).expect("names");
        leaf.distinguished_name.push(DnType::CommonName, name);
        leaf.extended_key_usages = vec![usage];
        if let Some(life) = life {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970");
            leaf.not_after = rcgen::date_time_ymd(1970, 1, 1) + now + life;
        }
        let key = KeyPair::generate().expect("a key");
        let pem = leaf.signed_by(&key, &self.issuer).expect("a certificate").pem();
        fs::write(self.folder.join(format!("{file}.crt")), pem).expect("a file");
        fs::write(self.folder.join(format!("{file}.key")), key.serialize_pem()).expect("a file");
    }
}
