//! Credential plugins: programs of the user that print credentials.
//!
//! Messages have the name of the program, its exit code and its `installHint`. They never contain its arguments, its
//! environment or its output. The plugin writes its own standard error, where it asks its user to log in.

use std::io::{ErrorKind, IsTerminal};
use std::process::{ExitStatus, Stdio};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::process::Command;

use super::fields::Fields;
use super::kubeconfig::{Exec, document};
use crate::error::NoConnection;

/// The versions of the protocol, and whether they demand an `interactiveMode`.
const VERSIONS: [(&str, bool); 2] =
    [("client.authentication.k8s.io/v1", true), ("client.authentication.k8s.io/v1beta1", false)];

/// A credential plugin that can be run.
#[derive(Clone, PartialEq)]
pub(super) struct Plugin {
    exec: Exec,
    mode: Mode,
    /// The description of the cluster, if the plugin is to get it.
    cluster: Option<Value>,
}

/// Whether the plugin may ask its user.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Never,
    IfAvailable,
    Always,
}

/// The credentials that a plugin printed.
pub(super) struct Printed {
    pub(super) token: Option<String>,
    /// The certificate and the private key, both in PEM.
    pub(super) identity: Option<(String, String)>,
    pub(super) expires: Option<Timestamp>,
}

impl Plugin {
    /// Checks the configuration of a plugin, as kubectl does. `cluster` describes the cluster to the plugin.
    pub(super) fn new(exec: &Exec, user: &str, cluster: Value) -> Result<Self, String> {
        if exec.command.is_empty() {
            return Err(format!("user {user:?} has an exec without a command"));
        }
        let known = VERSIONS.into_iter().find(|(version, _)| *version == exec.api_version);
        let Some((_, demands)) = known else {
            let versions = VERSIONS.map(|(version, _)| version).join(" or ");
            return Err(format!("user {user:?} has an exec with apiVersion {:?}: use {versions}", exec.api_version));
        };
        if exec.env.iter().any(|(name, _)| name.is_empty()) {
            return Err(format!("user {user:?} has an exec with an env without a name"));
        }
        let mode = match exec.interactive_mode.as_str() {
            "Never" => Mode::Never,
            "IfAvailable" => Mode::IfAvailable,
            "Always" => Mode::Always,
            "" if !demands => Mode::IfAvailable,
            "" => {
                return Err(format!(
                    "user {user:?} has an exec without interactiveMode: use Never, IfAvailable or Always"
                ));
            }
            other => {
                return Err(format!("user {user:?} has interactiveMode {other:?}: use Never, IfAvailable or Always"));
            }
        };
        Ok(Self { exec: exec.clone(), mode, cluster: exec.provide_cluster_info.then_some(cluster) })
    }

    /// Runs the plugin, and returns the credentials that it prints.
    pub(super) async fn run(&self) -> Result<Printed, NoConnection> {
        let terminal = std::io::stdin().is_terminal();
        if self.mode == Mode::Always && !terminal {
            let why = "cannot ask for a login: standard input is not a terminal";
            return Err(self.failed(why).hint("run the command in a terminal"));
        }
        let interactive = terminal && self.mode != Mode::Never;
        let mut spec = json!({ "interactive": interactive });
        if let Some(cluster) = &self.cluster {
            spec["cluster"] = cluster.clone();
        }
        let info = json!({ "apiVersion": self.exec.api_version, "kind": "ExecCredential", "spec": spec });
        let mut command = Command::new(&self.exec.command);
        command.args(&self.exec.args).envs(self.exec.env.iter().map(|(name, value)| (name, value)));
        command.env("KUBERNETES_EXEC_INFO", info.to_string());
        command.stdin(if interactive { Stdio::inherit() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
        let started = command.spawn().map_err(|error| match error.kind() {
            ErrorKind::NotFound => self.hinted(self.failed("is not installed")),
            _ => self.hinted(self.failed(&format!("cannot be started: {error}"))),
        })?;
        let ended = started.wait_with_output().await.map_err(|error| self.failed(&error.to_string()))?;
        if !ended.status.success() {
            return Err(self.failed(&format!("failed {}", code(ended.status))));
        }
        self.read(&ended.stdout).map_err(|why| self.failed(&format!("printed no usable credentials: {why}")))
    }

    fn failed(&self, what: &str) -> NoConnection {
        NoConnection::new(format!("getting credentials: the credential plugin {} {what}", self.exec.command))
    }

    /// Adds the hint of the kubeconfig about how to install the plugin, line by line.
    fn hinted(&self, failed: NoConnection) -> NoConnection {
        let lines = self.exec.install_hint.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.fold(failed, NoConnection::hint)
    }

    fn read(&self, output: &[u8]) -> Result<Printed, String> {
        let text = std::str::from_utf8(output).map_err(|_| "it is not valid UTF-8")?;
        let document = document(text)?;
        let fields = Fields::of(&document)?;
        if fields.text("kind")? != "ExecCredential" || fields.text("apiVersion")? != self.exec.api_version {
            return Err(format!("it is not an ExecCredential of {}", self.exec.api_version));
        }
        let status = fields.mapping("status")?.ok_or("it has no status")?;
        let text = |name| Ok::<_, String>(Some(status.text(name)?).filter(|text| !text.is_empty()));
        let (token, certificate, key) = (text("token")?, text("clientCertificateData")?, text("clientKeyData")?);
        let identity = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err("it has a certificate or a key, and not both".to_owned()),
        };
        if token.is_none() && identity.is_none() {
            return Err("it has neither a token nor a certificate".to_owned());
        }
        let expires = text("expirationTimestamp")?.map(|time| time.parse()).transpose();
        let expires = expires.map_err(|_| "its expirationTimestamp is not a time")?;
        Ok(Printed { token, identity, expires })
    }
}

fn code(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("with exit code {code}"),
        None => "by a signal".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec() -> Exec {
        Exec {
            api_version: VERSIONS[0].0.to_owned(),
            command: "login".to_owned(),
            interactive_mode: "Never".to_owned(),
            ..Exec::default()
        }
    }

    #[test]
    fn a_configuration_is_checked_as_kubectl_does() {
        let error = |exec: Exec| Plugin::new(&exec, "u", Value::Null).err().unwrap_or_default();
        assert_eq!(error(exec()), "");
        assert!(error(Exec { command: String::new(), ..exec() }).contains("without a command"));
        assert!(error(Exec { api_version: "v1".to_owned(), ..exec() }).contains("apiVersion \"v1\""));
        assert!(error(Exec { interactive_mode: String::new(), ..exec() }).contains("without interactiveMode"));
        assert!(error(Exec { interactive_mode: "Maybe".to_owned(), ..exec() }).contains("\"Maybe\""));
        assert!(error(Exec { env: vec![Default::default()], ..exec() }).contains("without a name"));
        let beta = Exec { api_version: VERSIONS[1].0.to_owned(), interactive_mode: String::new(), ..exec() };
        assert_eq!(error(beta), "");
    }

    #[test]
    fn the_output_of_a_plugin_is_parsed_and_never_quoted() {
        let plugin = Plugin::new(&exec(), "u", Value::Null).unwrap();
        let print = |status: &str| {
            format!("apiVersion: client.authentication.k8s.io/v1\nkind: ExecCredential\nstatus: {status}\n")
        };
        let read = plugin.read(print("{ token: t, expirationTimestamp: 2030-01-01T00:00:00Z }").as_bytes()).unwrap();
        assert_eq!((read.token.as_deref(), read.expires.is_some()), (Some("t"), true));
        let read = plugin.read(print("{ clientCertificateData: c, clientKeyData: k }").as_bytes()).unwrap();
        assert_eq!(read.identity, Some(("c".to_owned(), "k".to_owned())));
        let wrong = [
            ("hunter2: [", "not YAML"),
            ("hunter2", "a mapping belongs"),
            ("{ token: hunter2 }", "not an ExecCredential"),
            (&print("null"), "no status"),
            (&print("{}"), "neither a token"),
            (&print("{ clientKeyData: hunter2 }"), "not both"),
            (&print("{ token: [hunter2] }"), "status.token is a list"),
            (&print("{ token: hunter2, expirationTimestamp: hunter2 }"), "is not a time"),
        ];
        for (text, expected) in wrong {
            let error = plugin.read(text.as_bytes()).err().unwrap();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{text}: {error}");
        }
    }
}
