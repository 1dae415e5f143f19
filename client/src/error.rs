//! What can go wrong with a call, split by what the caller can do about it.

use kube::core::Status;

use cmp_core::account::Unreadable;
use cmp_core::verdict::{Denial, NOT_SETTLED, OVER_QUOTA};

use crate::texts;

/// A call that failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The API server answered, and refused. The message is cleaned of the names of webhooks and policies.
    #[error("{message}")]
    Refused {
        /// The HTTP status code.
        code: u16,
        /// Kubernetes' word for it: `Forbidden`, `NotFound`, `Conflict`.
        reason: String,
        /// In a sentence.
        message: String,
        /// The reason of the denial in one word, if cmp-webhook denied it: see [`Denial::reason`].
        cause: Option<String>,
    },
    /// cmp-webhook was to be asked, and did not answer.
    #[error(
        "cmp-webhook does not answer, so that nothing can be created or grown now; suspend, resume, start, stop and delete work"
    )]
    WebhookDown {
        /// What the API server says of it.
        detail: String,
    },
    /// cmp-webhook was asked, and answered with an error of HTTP in place of a verdict.
    #[error(
        "cmp-webhook answers with the status code {code}, so that nothing can be created or grown now; suspend, resume, start, stop and delete work"
    )]
    WebhookFails {
        /// The status code.
        code: u16,
        /// What the API server says of it.
        detail: String,
    },
    /// The API server did not answer.
    #[error("{0}")]
    Unreachable(String),
    /// The credentials are missing, wrong or expired.
    #[error("{0}")]
    Unauthorized(String),
    /// It did not happen in time.
    #[error("timed out after {seconds} s waiting for {what}")]
    TimedOut {
        /// For what.
        what: String,
        /// How long.
        seconds: u64,
    },
    /// An account that cannot be read.
    #[error("the account of {user} is damaged: {source}")]
    Damaged {
        /// Whose.
        user: String,
        /// Why not.
        source: Unreadable,
    },
    /// Anything else: a kubeconfig that cannot be used, an answer that cannot be read.
    #[error("{0}")]
    Other(String),
}

impl ApiError {
    /// What is wrong with a kubeconfig that does not say which of its contexts is meant.
    pub(crate) const NO_CONTEXT: &str = "the kubeconfig has no current context; name one with --context";

    /// A refusal of the API server that cmp-webhook and the policies had no part in.
    pub fn refused(code: u16, reason: &str, message: impl Into<String>) -> Self {
        Self::Refused { code, reason: reason.to_owned(), message: message.into(), cause: None }
    }

    /// The refusal that the API server would answer if cmp-webhook came to this verdict.
    pub fn denied(denial: &Denial) -> Self {
        let cause = Some(denial.reason().to_owned());
        Self::Refused { code: 403, reason: "Forbidden".to_owned(), message: denial.to_string(), cause }
    }

    /// Whether cmp-webhook denied the change for this reason.
    fn is_caused_by(&self, reason: &str) -> bool {
        matches!(self, Self::Refused { cause: Some(cause), .. } if cause == reason)
    }

    /// Whether the change would exceed the quota of its user.
    pub fn is_over_quota(&self) -> bool {
        self.is_caused_by(OVER_QUOTA)
    }

    /// Whether the account is not settled yet, so that the same change may be accepted a moment later.
    pub fn is_not_settled(&self) -> bool {
        self.is_caused_by(NOT_SETTLED)
    }

    /// The message of a refusal.
    fn refusal(&self) -> &str {
        match self {
            Self::Refused { message, .. } => message,
            _ => "",
        }
    }

    /// Whether a compare-and-swap failed. KubeVirt has other conflicts, which a repetition does not end.
    pub fn is_modified(&self) -> bool {
        self.is_conflict() && self.refusal().contains(texts::MODIFIED)
    }

    /// Whether RBAC denies it.
    pub fn lacks_rights(&self) -> bool {
        self.is_forbidden() && texts::NO_RIGHT.iter().all(|text| self.refusal().contains(text))
    }

    /// Whether the ResourceQuota of a cluster is reached.
    pub fn is_fenced(&self) -> bool {
        self.is_forbidden() && self.refusal().contains(texts::FENCED)
    }

    /// Whether its cluster is released, so that none of its instances may run.
    pub fn is_released(&self) -> bool {
        self.refusal().contains(texts::RELEASED)
    }

    /// Whether an API server may have refused an instance because it has not seen the RoleBinding, the count or the
    /// ResourceQuota yet that was just written.
    pub fn is_not_seen_yet(&self) -> bool {
        let early = [texts::CANNOT_CREATE, texts::NO_INSTANCE, texts::FENCED, texts::FENCE_UNKNOWN];
        self.is_forbidden() && early.iter().any(|text| self.refusal().contains(text))
    }

    /// Whether there is no such object.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { code: 404, .. })
    }

    /// Whether it changed in the meantime.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { code: 409, reason, .. } if reason != "AlreadyExists")
    }

    /// Whether it is there already.
    pub fn is_already_there(&self) -> bool {
        matches!(self, Self::Refused { reason, .. } if reason == "AlreadyExists")
    }

    /// Whether the API server understood it and said no, which the same call again will not change by itself.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { code: 400 | 403 | 405 | 413 | 422, .. })
    }

    /// Whether it is not allowed.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refused { code: 403, .. })
    }
}

/// Whether a message says that a webhook of ours denied the request.
fn is_by_our_webhook(message: &str) -> bool {
    message.contains(&format!("{} {}", texts::OUR_WEBHOOKS, texts::WEBHOOK_DENIED))
}

/// Whether the API server refused a request because one of our webhooks denied it.
pub fn is_denied_by_webhook(status: &Status) -> bool {
    is_by_our_webhook(&status.message)
}

/// Whether the API server refused a request because this policy denied it.
pub fn is_denied_by_policy(status: &Status, policy: &str) -> bool {
    status.message.contains(&format!("{}{policy}'", texts::POLICY))
}

/// The message of a webhook or a policy of ours, without the words that the API server puts before it.
fn plain(message: &str) -> &str {
    let after = |text: &'static str| message.split_once(text).map(|(_, rest)| rest);
    if is_by_our_webhook(message) {
        return after(texts::WEBHOOK_DENIED).unwrap_or(message);
    }
    if message.contains(&format!("{}cmp-", texts::POLICY)) {
        return after(texts::POLICY_DENIED).unwrap_or(message);
    }
    message
}

/// The status code that a webhook answered with. The API server has no other place for it than its message.
fn answered_with(message: &str) -> Option<u16> {
    let (_, rest) = message.split_once(texts::WEBHOOK_STATUS)?;
    rest.split(' ').next()?.parse().ok()
}

impl From<Status> for ApiError {
    fn from(status: Status) -> Self {
        let Status { code, reason, message, details, .. } = status;
        if message.contains(texts::WEBHOOK_FAILED) && message.contains(texts::OUR_WEBHOOKS) {
            return match answered_with(&message) {
                Some(code) => Self::WebhookFails { code, detail: message },
                None => Self::WebhookDown { detail: message },
            };
        }
        if code == 401 {
            return Self::Unauthorized(message);
        }
        let first = details.and_then(|details| details.causes.into_iter().next());
        let cause = first.map(|cause| cause.reason).filter(|_| is_by_our_webhook(&message));
        let message = plain(&message).to_owned();
        Self::Refused { code, reason, message, cause }
    }
}

impl From<kube::Error> for ApiError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => (*status).into(),
            kube::Error::Auth(error) => Self::Unauthorized(error.to_string()),
            error @ (kube::Error::HyperError(_) | kube::Error::Service(_)) => Self::Unreachable(innermost(&error)),
            error => Self::Other(innermost(&error)),
        }
    }
}

/// The last cause, which is the one that says something: `Connection refused`, `no route to host`.
pub fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: u16, message: &str, expected: &str) {
        let error = ApiError::from(Status { code, message: message.to_owned(), ..Status::default() });
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn refusals_read_without_the_machinery() {
        check(
            403,
            "admission webhook \"accounts.kubectl-cmp.dev\" denied the request: exceeded quota: john, requested: cpu=16",
            "exceeded quota: john, requested: cpu=16",
        );
        check(
            403,
            "statefulsets.apps \"web-3\" is forbidden: ValidatingAdmissionPolicy 'cmp-instances' with binding 'cmp-instances' denied request: web-3 is not one of the 3",
            "web-3 is not one of the 3",
        );
        check(403, "pods \"x\" is forbidden: no", "pods \"x\" is forbidden: no");
        check(
            403,
            "admission webhook \"other.example.com\" denied the request: no",
            "admission webhook \"other.example.com\" denied the request: no",
        );
    }

    #[test]
    fn a_webhook_that_is_down_is_told_apart() {
        let message =
            "Internal error occurred: failed calling webhook \"accounts.kubectl-cmp.dev\": connection refused";
        let error = ApiError::from(Status { code: 500, message: message.to_owned(), ..Status::default() });
        assert!(matches!(error, ApiError::WebhookDown { .. }));
        let message = "Internal error occurred: failed calling webhook \"accounts.kubectl-cmp.dev\": failed to call webhook: \
                       the server responded with the status code 429 but did not return more information";
        let error = ApiError::from(Status { code: 500, message: message.to_owned(), ..Status::default() });
        assert!(matches!(error, ApiError::WebhookFails { code: 429, .. }));
    }
}
