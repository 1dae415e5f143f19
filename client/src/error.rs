//! Errors of API calls, grouped by how the caller can react.

use std::borrow::Cow;
use std::error::Error as _;

use kube::core::Status;

use cmp_core::account::Unreadable;
use cmp_core::verdict::{Denial, NOT_SETTLED, OVER_QUOTA};

use crate::texts;

/// A call that failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The API server answered and refused. The message does not contain the names of webhooks and policies.
    #[error("{message}")]
    Refused {
        /// The HTTP status code.
        code: u16,
        /// The reason that Kubernetes gives: `Forbidden`, `NotFound`, `Conflict`.
        reason: String,
        /// The message for the user, one sentence.
        message: String,
        /// The reason of the denial in one word, if cmp-webhook denied it: see [`Denial::reason`].
        cause: Option<String>,
    },
    /// The API server could not reach cmp-webhook, and no verdict was made.
    #[error(
        "cmp-webhook is unavailable: clusters cannot be created, grown or shrunk. Suspend, resume, start, stop and delete still work"
    )]
    WebhookDown {
        /// The message of the API server.
        detail: String,
    },
    /// The API server called cmp-webhook, and got an HTTP error instead of a verdict.
    #[error(
        "cmp-webhook answers with the status code {code}: clusters cannot be created, grown or shrunk. Suspend, resume, start, stop and delete still work"
    )]
    WebhookFails {
        /// The HTTP status code of cmp-webhook's answer.
        code: u16,
        /// The message of the API server.
        detail: String,
    },
    /// The API server did not answer.
    #[error("unable to connect to the server: {0}")]
    Unreachable(String),
    /// The credentials are missing, wrong or expired.
    #[error("{0}")]
    Unauthorized(String),
    /// The condition did not occur before the deadline.
    #[error("timed out after {seconds} s waiting for {what}")]
    TimedOut {
        /// The condition or call that was waited for.
        what: String,
        /// The limit, in seconds.
        seconds: u64,
    },
    /// An account that cannot be read.
    #[error("the account of {user} is damaged: {source}")]
    Damaged {
        /// The user whose account is damaged.
        user: String,
        /// The part that cannot be read, and why.
        source: Unreadable,
    },
    /// No connection can be made, because of the kubeconfig, the credentials or the address.
    #[error(transparent)]
    NoConnection(NoConnection),
    /// Any other error: a kubeconfig that cannot be used, an answer that cannot be read.
    #[error("{0}")]
    Other(String),
}

/// The reason why no connection can be made, with hints for the user. It has no credentials in it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct NoConnection {
    /// The message for the user, one sentence.
    pub message: String,
    /// The next steps, each in one line.
    pub hints: Vec<String>,
}

impl NoConnection {
    /// Creates a reason without hints.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hints: Vec::new() }
    }

    /// Adds a hint about the next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl From<NoConnection> for ApiError {
    fn from(reason: NoConnection) -> Self {
        Self::NoConnection(reason)
    }
}

impl ApiError {
    /// The message for a kubeconfig that has no current context, while no flag names one.
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

    /// Reports whether cmp-webhook denied the change for this reason.
    fn is_caused_by(&self, reason: &str) -> bool {
        matches!(self, Self::Refused { cause: Some(cause), .. } if cause == reason)
    }

    /// Reports whether the change would exceed the quota of its user.
    pub fn is_over_quota(&self) -> bool {
        self.is_caused_by(OVER_QUOTA)
    }

    /// Reports whether the account is not settled yet, so that the same change may be accepted a moment later.
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

    /// Reports whether a compare-and-swap failed. KubeVirt has other conflicts, which a repetition does not end.
    pub fn is_modified(&self) -> bool {
        self.is_conflict() && self.refusal().contains(texts::MODIFIED)
    }

    /// Reports whether RBAC denies it.
    pub fn lacks_rights(&self) -> bool {
        self.is_forbidden() && texts::NO_RIGHT.iter().all(|text| self.refusal().contains(text))
    }

    /// Reports whether the ResourceQuota of a cluster is reached.
    pub fn is_fenced(&self) -> bool {
        self.is_forbidden() && self.refusal().contains(texts::FENCED)
    }

    /// Reports whether its cluster is released, so that none of its instances may run.
    pub fn is_released(&self) -> bool {
        self.refusal().contains(texts::RELEASED)
    }

    /// Reports whether an API server may have refused an instance too early. It may not have seen the RoleBinding, the count
    /// or the amounts of the ResourceQuota yet.
    pub fn is_not_seen_yet(&self) -> bool {
        let early = [texts::CANNOT_CREATE, texts::NO_INSTANCE, texts::FENCED];
        self.is_forbidden() && early.iter().any(|text| self.refusal().contains(text))
    }

    /// Reports whether the API server gave no answer, so that the call says nothing about the cluster.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::NoConnection(_))
    }

    /// Reports whether the API server put the request off, because too many wait for it.
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Refused { code: 429, .. })
    }

    /// Reports whether the object does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { code: 404, .. })
    }

    /// Reports whether the object changed in the meantime.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { code: 409, reason, .. } if reason != "AlreadyExists")
    }

    /// Reports whether the object exists already.
    pub fn is_already_there(&self) -> bool {
        matches!(self, Self::Refused { reason, .. } if reason == "AlreadyExists")
    }

    /// Reports whether the API server understood the request and rejected it. A retry of the same call does not help.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { code: 400 | 403 | 405 | 413 | 422, .. })
    }

    /// Reports whether the caller lacks permission (403).
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refused { code: 403, .. })
    }
}

/// Reports whether a message says that a webhook of ours denied the request.
fn is_by_our_webhook(message: &str) -> bool {
    message.contains(&format!("{} {}", texts::OUR_WEBHOOKS, texts::WEBHOOK_DENIED))
}

/// Reports whether the API server refused a request because one of our webhooks denied it.
pub fn is_denied_by_webhook(status: &Status) -> bool {
    is_by_our_webhook(&status.message)
}

/// Reports whether the API server refused a request because this policy denied it.
pub fn is_denied_by_policy(status: &Status, policy: &str) -> bool {
    status.message.contains(&format!("{}{policy}'", texts::POLICY))
}

/// Removes the prefix that the API server puts before the message of one of our webhooks or policies.
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

/// Extracts the status code that a webhook answered with. The API server reports it only in its message.
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
        let reason = if is_reason(&reason) { reason } else { usual_reason(code).to_owned() };
        Self::Refused { code, reason, message, cause }
    }
}

/// Reports whether a text is a reason of Kubernetes: one word. For an answer that is no `Status`, the kube crate has a
/// sentence there. API Priority and Fairness and proxies answer so.
fn is_reason(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric())
}

/// Returns the reason that client-go gives to an answer without one (`NewGenericServerResponse` of apimachinery).
fn usual_reason(code: u16) -> &'static str {
    match code {
        400 => "BadRequest",
        403 => "Forbidden",
        404 => "NotFound",
        405 => "MethodNotAllowed",
        406 => "NotAcceptable",
        409 => "Conflict",
        410 => "Gone",
        413 => "RequestEntityTooLarge",
        415 => "UnsupportedMediaType",
        422 => "Invalid",
        429 => "TooManyRequests",
        500 => "InternalError",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "Unknown",
    }
}

impl From<kube::Error> for ApiError {
    fn from(error: kube::Error) -> Self {
        // A layer of the client found the reason, and its type is lost on the way.
        let mut cause = error.source();
        while let Some(source) = cause {
            if let Some(reason) = source.downcast_ref::<NoConnection>() {
                return Self::NoConnection(reason.clone());
            }
            cause = source.source();
        }
        match error {
            kube::Error::Api(status) => (*status).into(),
            kube::Error::Auth(error) => Self::Unauthorized(error.to_string()),
            error @ (kube::Error::HyperError(_) | kube::Error::Service(_)) => Self::Unreachable(innermost(&error)),
            error => Self::Other(innermost(&error)),
        }
    }
}

/// Returns `None` for an object that does not exist.
pub fn if_there<T>(read: Result<T, ApiError>) -> Result<Option<T>, ApiError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the last cause, which is the specific one: `Connection refused`, `no route to host`.
pub fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    without_numbers(&last.to_string()).into_owned()
}

/// Removes ` (os error 2)`, which Rust adds to the message of the system.
pub fn without_numbers(text: &str) -> Cow<'_, str> {
    const MARK: &str = " (os error ";
    let mut plain = Cow::Borrowed(text);
    while let Some(at) = plain.find(MARK) {
        let rest = &plain[at + MARK.len()..];
        let digits = rest.len() - rest.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
        if digits == 0 || !rest[digits..].starts_with(')') {
            break;
        }
        plain = Cow::Owned(format!("{}{}", &plain[..at], &rest[digits + 1..]));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: u16, message: &str, expected: &str) {
        let error = ApiError::from(Status { code, message: message.to_owned(), ..Status::default() });
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn refusals_are_printed_without_the_text_of_the_admission_chain() {
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
    fn messages_of_the_system_have_no_numbers() {
        let check = |text: &str, expected: &str| assert_eq!(without_numbers(text), expected);
        check("/x: No such file or directory (os error 2)", "/x: No such file or directory");
        check("a (os error 111): b (os error 2)", "a: b");
        check("a (os error x)", "a (os error x)");
        check("plain", "plain");
    }

    #[test]
    fn an_answer_that_does_not_come_says_so() {
        let reset = std::io::Error::from_raw_os_error(104);
        let error = ApiError::from(kube::Error::Service(Box::new(reset)));
        assert!(error.is_unreachable());
        assert_eq!(error.to_string(), "unable to connect to the server: Connection reset by peer");
        assert!(!ApiError::refused(403, "Forbidden", "no").is_unreachable());
    }

    #[test]
    fn only_a_missing_object_is_none() {
        let answer = |code: u16| if_there::<()>(Err(ApiError::refused(code, "", "")));
        assert!(matches!(if_there(Ok(1)), Ok(Some(1))));
        assert!(matches!(answer(404), Ok(None)));
        assert!(matches!(answer(403), Err(ApiError::Refused { code: 403, .. })));
        let down = ApiError::Unreachable(String::new());
        assert!(matches!(if_there::<()>(Err(down)), Err(ApiError::Unreachable(_))));
    }

    #[test]
    fn an_answer_without_a_reason_gets_that_of_its_code() {
        let check = |code: u16, given: &str, expected: &str| {
            let status = Status { code, reason: given.to_owned(), ..Status::default() };
            let ApiError::Refused { reason, .. } = ApiError::from(status) else { panic!("{code} {given}") };
            assert_eq!(reason, expected, "{code} {given}");
        };
        check(429, "Failed to parse error data", "TooManyRequests");
        check(503, "Failed to parse error data", "ServiceUnavailable");
        check(418, "", "Unknown");
        check(409, "AlreadyExists", "AlreadyExists");
        check(500, "Own", "Own");
    }

    #[test]
    fn a_webhook_that_is_down_is_recognized() {
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
