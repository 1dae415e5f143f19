//! Global flags of kubectl, which every command takes.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, FromArgMatches};

use crate::args::values::{request_timeout, whole};

/// Global flags of kubectl that select the API server and the identity.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Path to the kubeconfig file to use
    #[arg(long, global = true, value_name = "FILE", hide = true)]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The name of the kubeconfig context to use
    #[arg(long, global = true, value_name = "NAME", hide = true)]
    pub(crate) context: Option<String>,
    /// The name of the kubeconfig cluster to use
    #[arg(long = "cluster", global = true, value_name = "NAME", hide = true)]
    pub(crate) kube_cluster: Option<String>,
    /// The name of the kubeconfig user to use (for the owner of a cluster use --owner)
    #[arg(long = "user", global = true, value_name = "NAME", hide = true)]
    pub(crate) kube_user: Option<String>,
    /// The namespace of a cluster, `<cluster>-ns`, instead of the cluster's name
    #[arg(short, long, global = true, value_name = "NAME", hide = true)]
    pub(crate) namespace: Option<String>,
    /// The address and port of the Kubernetes API server
    #[arg(short, long, global = true, value_name = "URL", hide = true)]
    pub(crate) server: Option<String>,
    /// Bearer token for authentication to the API server
    #[arg(long = "token", global = true, value_name = "TOKEN", hide = true)]
    pub(crate) bearer: Option<String>,
    /// Username to impersonate for the operation
    #[arg(long = "as", global = true, value_name = "NAME", hide = true)]
    pub(crate) act_as: Option<String>,
    /// Group to impersonate for the operation (repeatable)
    #[arg(long, global = true, value_name = "NAME", requires = "act_as", hide = true)]
    pub(crate) as_group: Vec<String>,
    /// UID to impersonate for the operation
    #[arg(long, global = true, value_name = "UID", requires = "act_as", hide = true)]
    pub(crate) as_uid: Option<String>,
    /// Time to wait before giving up on a single request, such as 30s; 0 means no timeout
    #[arg(long, global = true, value_name = "DURATION", default_value = "30s", value_parser = request_timeout, hide = true)]
    pub(crate) request_timeout: Duration,
    /// Do not check the API server's certificate; this makes the connection insecure
    #[arg(long, global = true, hide = true)]
    pub(crate) insecure_skip_tls_verify: bool,
    /// Name that the API server's certificate must have, instead of the host of its address
    #[arg(long, global = true, value_name = "NAME", hide = true)]
    pub(crate) tls_server_name: Option<String>,
    /// Path to a file with the certificate authority of the API server
    #[arg(long, global = true, value_name = "FILE", hide = true)]
    pub(crate) certificate_authority: Option<PathBuf>,
    /// Number for the log level verbosity
    #[arg(short, long, global = true, value_name = "LEVEL", default_value_t = 0, value_parser = whole::<u8>(0..=255), hide = true)]
    pub(crate) v: u8,
}

impl Global {
    /// Parses global flags on their own. Returns `None` if one of them is invalid.
    pub(crate) fn read(flags: impl Iterator<Item = String>) -> Option<Self> {
        let command = Self::augment_args(clap::Command::new("kubectl-cmp")).no_binary_name(true);
        Self::from_arg_matches(&command.try_get_matches_from(flags).ok()?).ok()
    }

    /// Returns these flags for kubectl.
    pub(crate) fn as_kubectl(&self) -> Vec<OsString> {
        let mut flags = Vec::new();
        let mut flag = |name: &str, value: Option<&std::ffi::OsStr>| {
            if let Some(value) = value {
                let mut flag = OsString::from(format!("--{name}="));
                flag.push(value);
                flags.push(flag);
            }
        };
        let text = |value: &Option<String>| value.clone().map(OsString::from);
        flag("kubeconfig", self.kubeconfig.as_ref().map(|path| path.as_os_str()));
        flag("certificate-authority", self.certificate_authority.as_ref().map(|path| path.as_os_str()));
        for (name, value) in [
            ("context", &self.context),
            ("cluster", &self.kube_cluster),
            ("user", &self.kube_user),
            ("server", &self.server),
            ("token", &self.bearer),
            ("as", &self.act_as),
            ("as-uid", &self.as_uid),
            ("tls-server-name", &self.tls_server_name),
        ] {
            flag(name, text(value).as_deref());
        }
        for group in &self.as_group {
            flag("as-group", Some(group.as_ref()));
        }
        if self.insecure_skip_tls_verify {
            flag("insecure-skip-tls-verify", Some("true".as_ref()));
        }
        if self.v > 0 {
            flag("v", Some(self.v.to_string().as_ref()));
        }
        flags
    }
}

impl Global {
    /// Returns these flags for another process of this program.
    pub(crate) fn as_own(&self) -> Vec<OsString> {
        let mut flags = self.as_kubectl();
        flags.push(format!("--request-timeout={}ms", self.request_timeout.as_millis()).into());
        flags
    }
}

/// Returns the help of the flags that every command takes, as `kubectl options` prints those of kubectl.
pub(crate) fn global_flags() -> String {
    let shown = |command: clap::Command| command.mut_args(|argument| argument.hide(false));
    let flags = shown(Global::augment_args(clap::Command::new("kubectl cmp")));
    let flags = flags.disable_help_flag(true).help_template("{options}");
    let mut text = "The following flags can be passed to any command, after `cmp`:\n\n".to_owned();
    text.push_str(&flags.clone().render_help().to_string());
    text.push('\n');
    text
}
