//! Errors as the user sees them: one line with the error, and hints if there is a next step.

use std::io;

use cmp_client::ApiError;
use cmp_client::error::without_numbers;
use cmp_client::metrics;
use cmp_core::plan::{Cause, Refusal};
use cmp_mirror::{StoreError, fetch, follow};

use crate::escape;
use crate::output::fit::INDENT;

/// The failure of a command.
#[derive(Debug)]
pub(crate) struct CliError {
    kind: Kind,
    message: String,
    hints: Vec<String>,
    /// Whether the change would exceed the quota of its user.
    over_quota: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// An error in the request of the user.
    User,
    /// A refusal by the API server, with its reason.
    Server(String),
    /// The API server gave no answer.
    Unreachable,
    /// The reader of the output closed the pipe.
    BrokenPipe,
    /// The user pressed ctrl-C while the command waited.
    Interrupted,
    /// The command has printed its error already; only the exit code is left.
    Silent,
}

impl CliError {
    /// Creates an error. Messages and hints are in objects, too, so that they lose the error numbers of the system here.
    fn new(kind: Kind, message: &str) -> Self {
        Self { kind, message: without_numbers(message).into_owned(), hints: Vec::new(), over_quota: false }
    }

    /// Creates an error about the request of the user.
    pub(crate) fn user(message: impl Into<String>) -> Self {
        Self::new(Kind::User, &message.into())
    }

    /// Creates an error for an object that does not exist, in the API server's words.
    pub(crate) fn not_found(what: &str, name: &str) -> Self {
        Self::new(Kind::Server("NotFound".to_owned()), &format!("{what} {name:?} not found"))
    }

    /// Creates an error that should never happen.
    pub(crate) fn internal(message: &str) -> Self {
        Self::user(format!("internal: {message}"))
    }

    /// Creates the error for ctrl-C during a wait, with what goes on without the command.
    pub(crate) fn interrupted(what: &str) -> Self {
        Self::new(Kind::Interrupted, &format!("interrupted: {what}"))
    }

    /// Creates an error that prints nothing, because the command has printed it already.
    pub(crate) fn silent() -> Self {
        Self::new(Kind::Silent, "")
    }

    /// Prefixes the message with the object that it is about.
    #[must_use]
    pub(crate) fn about(mut self, what: &str) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// Adds a hint about the next step.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(without_numbers(&hint.into()).into_owned());
        self
    }

    /// Adds a sentence to the message.
    #[must_use]
    pub(crate) fn followed_by(mut self, sentence: &str) -> Self {
        self.message = format!("{}. {sentence}", self.message.trim_end_matches('.'));
        self
    }

    /// Reports whether the object does not exist.
    pub(crate) fn is_not_found(&self) -> bool {
        self.kind == Kind::Server("NotFound".to_owned())
    }

    /// Reports whether the caller lacks the right.
    pub(crate) fn is_forbidden(&self) -> bool {
        self.kind == Kind::Server("Forbidden".to_owned())
    }

    /// Reports whether the change would exceed the quota of its user.
    pub(crate) fn is_over_quota(&self) -> bool {
        self.over_quota
    }

    /// Reports whether the API server gave no answer.
    pub(crate) fn is_unreachable(&self) -> bool {
        self.kind == Kind::Unreachable
    }

    pub(crate) fn is_broken_pipe(&self) -> bool {
        self.kind == Kind::BrokenPipe
    }

    /// Reports whether the user ended the command.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.kind == Kind::Interrupted
    }

    /// Returns the printed lines, each with the indent of its further lines on a terminal. The message and each hint
    /// take one line, so that the server's words cannot forge a hint.
    pub(crate) fn lines(&self) -> Vec<(String, usize)> {
        let message = escape::line(&self.message);
        let first = match &self.kind {
            Kind::Server(reason) => Some((format!("Error from server ({}): {message}", escape::line(reason)), INDENT)),
            Kind::BrokenPipe | Kind::Silent => None,
            Kind::User | Kind::Unreachable | Kind::Interrupted => Some((format!("error: {message}"), "error: ".len())),
        };
        let hints = self.hints.iter().map(|hint| (format!("hint: {}", escape::line(hint)), "hint: ".len()));
        first.into_iter().chain(hints).collect()
    }

    /// Returns the printed form where no line is broken.
    #[cfg(test)]
    pub(crate) fn text(&self) -> String {
        self.lines().into_iter().map(|(line, _)| line + "\n").collect()
    }

    /// Returns the hints about the next steps.
    pub(crate) fn hints(&self) -> &[String] {
        &self.hints
    }

    /// Returns the message without the prefix, for a list of failures.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }
}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        let kind = if error.kind() == io::ErrorKind::BrokenPipe { Kind::BrokenPipe } else { Kind::User };
        Self { kind, ..Self::user(error.to_string()) }
    }
}

impl From<kube::Error> for CliError {
    fn from(error: kube::Error) -> Self {
        ApiError::from(error).into()
    }
}

impl From<ApiError> for CliError {
    fn from(error: ApiError) -> Self {
        let message = error.to_string();
        let (over_quota, lacks_rights, busy) = (error.is_over_quota(), error.lacks_rights(), error.is_busy());
        match error {
            ApiError::Refused { reason, message, .. } => {
                let hint = if over_quota {
                    Some("`kubectl cmp quota` shows the used and available amounts")
                } else if lacks_rights {
                    Some("this command needs administrator rights; `kubectl cmp whoami` shows your user name")
                } else if busy {
                    Some("too many requests wait for the API server: try again in a minute")
                } else {
                    None
                };
                let error = Self { over_quota, ..Self::new(Kind::Server(reason), &message) };
                match hint {
                    Some(hint) => error.hint(hint),
                    None => error,
                }
            }
            ApiError::WebhookDown { detail } => Self::user(message)
                .hint("ask an administrator to check cmp-webhook in namespace cmp-system, then try again")
                .hint(format!("the API server says: {detail}")),
            ApiError::WebhookFails { code, detail } => {
                let hint = match code {
                    413 => "the account is too large: ask an administrator to remove entries that are not needed",
                    429 => "cmp-webhook is busy: try again in a few seconds",
                    _ => "ask an administrator to check cmp-webhook in namespace cmp-system, then try again",
                };
                Self::user(message).hint(hint).hint(format!("the API server says: {detail}"))
            }
            ApiError::Unreachable(_) => Self { kind: Kind::Unreachable, ..Self::user(message) }
                .hint("did you specify the right host or port? (--kubeconfig, --context, --server)"),
            ApiError::Unauthorized(why) => Self::user(format!("you must be logged in to the server ({why})"))
                .hint("the token may have expired: ask an administrator for a new one (`kubectl cmp create token`)"),
            ApiError::Damaged { .. } => Self::user(message).hint("ask an administrator to repair the account"),
            ApiError::TimedOut { .. } => Self::user(message).hint("the same command goes on where this one ended"),
            ApiError::NoConnection(reason) => {
                let error = Self { kind: Kind::Unreachable, ..Self::user(message) };
                reason.hints.into_iter().fold(error, Self::hint)
            }
            ApiError::Other(_) => Self::user(message),
        }
    }
}

impl From<metrics::Failure> for CliError {
    fn from(failure: metrics::Failure) -> Self {
        let message = failure.to_string();
        match failure {
            metrics::Failure::NotServed => Self::user(message).hint(
                "an administrator installs metrics-server; `kubectl get apiservice v1beta1.metrics.k8s.io` shows it",
            ),
            metrics::Failure::NoAnswer(_) => {
                Self::user(message).hint("`kubectl get apiservice v1beta1.metrics.k8s.io -o yaml` shows the reason")
            }
            metrics::Failure::Forbidden(ApiError::Refused { reason, message, .. }) => {
                Self::new(Kind::Server(reason), &message)
                    .hint("the installed cmp may be older: ask an administrator to upgrade it (`kubectl cmp install`)")
            }
            metrics::Failure::Forbidden(error) | metrics::Failure::Other(error) => error.into(),
        }
    }
}

impl From<Refusal> for CliError {
    fn from(Refusal { cause, hints }: Refusal) -> Self {
        let error = match cause {
            Cause::Wish(message) => Self::user(message),
            Cause::Denied(denial) => ApiError::denied(&denial).into(),
            Cause::NotFound { kind, name } => Self::not_found(kind, &name),
            Cause::Internal(message) => Self::internal(&message),
        };
        hints.into_iter().fold(error, Self::hint)
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        let hint = match &error {
            StoreError::Missing(_) => Some("`kubectl cmp mirror --db FILE` creates the file"),
            StoreError::Folder(_) => Some("name a file in it, as in --db mirror.db"),
            StoreError::Foreign(_) => Some("the file was not changed: name another file with --db"),
            StoreError::OtherCluster(_) => Some("a file records one Kubernetes cluster: name another file with --db"),
            StoreError::Newer { .. } => Some("use that version of the plugin, or another file"),
            StoreError::Damaged { .. } => Some("the file is only a copy: delete it to start a new one"),
            _ => None,
        };
        let error = Self::user(error.to_string());
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

impl From<follow::Failure> for CliError {
    fn from(failure: follow::Failure) -> Self {
        match failure {
            follow::Failure::Store(error) => error.into(),
            follow::Failure::Api(error) => error.into(),
        }
    }
}

impl From<fetch::Failure> for CliError {
    fn from(failure: fetch::Failure) -> Self {
        match failure {
            fetch::Failure::Api(error) => error.into(),
            failure @ fetch::Failure::NoMirror => Self::user(failure.to_string())
                .hint("`kubectl cmp install --mirror` starts a mirror; --db FILE reads a file of `kubectl cmp mirror`"),
            failure @ fetch::Failure::Broken(_) => {
                Self::user(failure.to_string()).hint("kubectl logs -n cmp-system deployment/cmp-mirror")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_read_as_kubectls_do() {
        let refused = |reason: &str, message: &str| CliError::from(ApiError::refused(403, reason, message)).text();
        assert_eq!(refused("Forbidden", "no"), "Error from server (Forbidden): no\n");
        let over_quota = ApiError::Refused {
            code: 403,
            reason: "Forbidden".to_owned(),
            message: "exceeded quota: john".to_owned(),
            cause: Some("OverQuota".to_owned()),
        };
        assert_eq!(
            CliError::from(over_quota).text(),
            "Error from server (Forbidden): exceeded quota: john\nhint: `kubectl cmp quota` shows the used and available amounts\n"
        );
        let no_right = metrics::Failure::from(ApiError::refused(403, "Forbidden", "no"));
        assert_eq!(
            CliError::from(no_right).text(),
            "Error from server (Forbidden): no\nhint: the installed cmp may be older: ask an administrator to upgrade it \
             (`kubectl cmp install`)\n"
        );
        assert_eq!(CliError::user("no").hint("yes").text(), "error: no\nhint: yes\n");
        assert_eq!(refused("A", "no (os error 111)"), "Error from server (A): no\n");
        assert_eq!(refused("A\nB", "no\nhint: \x1b[2J"), "Error from server (A\\nB): no\\nhint: ^[[2J\n");
        assert_eq!(CliError::user("no").hint("a\nhint: b").text(), "error: no\nhint: a\\nhint: b\n");
        assert_eq!(
            CliError::not_found("cluster", "web").text(),
            "Error from server (NotFound): cluster \"web\" not found\n"
        );
    }
}
