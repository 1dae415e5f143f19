//! The flags that select the API server and the identity of the caller.

use std::path::PathBuf;
use std::time::Duration;

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
    /// The name that the server certificate has to have, instead of the host of the address.
    pub tls_server_name: Option<String>,
    /// A file with the certificate authority of the API server.
    pub certificate_authority: Option<PathBuf>,
    /// Whether to accept any server certificate.
    pub insecure: bool,
    /// The time limit of one request; `None` means no limit.
    pub request_timeout: Option<Duration>,
    /// A callback that gets one line per request, once the response headers have arrived.
    pub trace: Option<fn(&str)>,
}
