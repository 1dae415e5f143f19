//! Probes: dry-run requests whose correct answer is known.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, ObjectMeta, PostParams};
use kube::core::Status;
use kube::{Client, Error};

use cmp_core::keys;
use cmp_core::manifest::pairs;

use crate::error::{ApiError, is_denied_by_policy, is_denied_by_webhook};

pub mod policies;

/// The name of every object in a probe.
pub const NAME: &str = "cmp-probe";

/// Prefix of the warning with cmp-webhook's version. cmp-webhook sends it for requests with [`keys::PROBE`].
pub const VERSION: &str = "cmp-webhook/";

/// The outcome of a request that a policy or cmp-webhook must refuse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tried {
    /// The expected component refused the request.
    Refused,
    /// No component refused the request.
    Passed,
    /// The request failed for another reason.
    Unknown(String),
}

impl Tried {
    /// Reads an answer of the API server. `refused` reports whether the expected party refused the request.
    fn of<T>(answer: Result<T, Error>, refused: impl Fn(&Status) -> bool) -> Self {
        match answer {
            Ok(_) => Self::Passed,
            Err(Error::Api(status)) if refused(&status) => Self::Refused,
            Err(error) => Self::Unknown(ApiError::from(error).to_string()),
        }
    }

    /// Reads the answer to a request that this policy has to refuse.
    fn by_policy<T>(answer: Result<T, Error>, policy: &str) -> Self {
        Self::of(answer, |status| is_denied_by_policy(status, policy))
    }

    /// Reports whether the expected component refused the request.
    pub fn is_refused(&self) -> bool {
        *self == Self::Refused
    }
}

/// Returns the parameters of a dry-run create.
fn dry() -> PostParams {
    PostParams { dry_run: true, field_manager: Some(keys::MANAGER.to_owned()) }
}

fn account(data: &[(&str, &str)]) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(NAME.to_owned()),
            labels: Some(pairs([(keys::ACCOUNT, keys::TRUE)])),
            annotations: Some(pairs([(keys::PROBE, keys::TRUE)])),
            ..ObjectMeta::default()
        },
        data: Some(data.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()),
        ..ConfigMap::default()
    }
}

/// Tries to create an account that claims to be settled. Only cmp-webhook may write that.
pub async fn forged_account(client: &Client) -> Tried {
    let accounts: Api<ConfigMap> = Api::namespaced(client.clone(), keys::USERS_NAMESPACE);
    let forged = account(&[(keys::data::SETTLED, NAME)]);
    Tried::by_policy(accounts.create(&dry(), &forged).await, "cmp-accounts")
}

/// Tries to create a Namespace that names its own owner.
pub async fn forged_namespace(client: &Client) -> Tried {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let owned = Namespace {
        metadata: ObjectMeta {
            name: Some(NAME.to_owned()),
            labels: Some(pairs([(keys::OWNER, NAME)])),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    };
    Tried::by_policy(namespaces.create(&dry(), &owned).await, "cmp-namespaces")
}

/// Answers of cmp-webhook to a valid account and to an invalid one.
#[derive(Debug)]
pub struct Answers {
    good: Result<(), ApiError>,
    bad: Result<Tried, ApiError>,
}

impl Answers {
    /// Returns the failure that the answers show, if there is one. It is an error if the API server gave no answer.
    pub fn failure(self) -> Result<Option<String>, ApiError> {
        Ok(match (self.good, self.bad) {
            (Err(error), _) if error.is_unreachable() => return Err(error),
            (_, Err(error)) => return Err(error),
            (Err(ApiError::WebhookDown { detail }), _) => Some(format!("it does not answer: {}", cause(&detail))),
            (Err(ApiError::WebhookFails { code, .. }), _) => {
                Some(format!("it answers with the status code {code} instead of a verdict"))
            }
            (Err(error), _) => Some(format!("it refuses a valid account: {error}")),
            (Ok(()), Ok(Tried::Refused)) => None,
            (Ok(()), Ok(Tried::Passed)) => {
                Some("an invalid account is not refused: cmp-webhook is not asked".to_owned())
            }
            (Ok(()), Ok(Tried::Unknown(why))) => Some(format!("it did not refuse an invalid account: {why}")),
        })
    }
}

/// Returns the cause after the names of the failed calls, which the reader knows. The result is `connection refused`,
/// not `failed calling webhook "...": failed to call webhook: Post "...": connection refused`.
fn cause(detail: &str) -> &str {
    let after = detail.split_once("Post \"").map_or(detail, |(_, after)| after);
    after.split_once("\": ").map_or(after, |(_, cause)| cause)
}

/// Sends cmp-webhook a valid new account, and an account with a cluster of no instance.
pub async fn webhook(client: &Client) -> Answers {
    let accounts: Api<ConfigMap> = Api::namespaced(client.clone(), keys::USERS_NAMESPACE);
    let quota = (keys::data::QUOTA, r#"{"cpu":"1","memory":"1Gi"}"#);
    let want = format!("{}{NAME}", keys::data::WANT);
    let none = (want.as_str(), r#"{"type":"container","count":0,"size":{"cpu":"1","memory":"1Gi"}}"#);
    let (dry, good, bad) = (dry(), account(&[quota]), account(&[quota, none]));
    let (good, bad) = futures::join!(accounts.create(&dry, &good), accounts.create(&dry, &bad));
    Answers {
        // A conflict with a user of that name is a good answer, too: the API server finds it after the call to
        // cmp-webhook.
        good: match good.map_err(ApiError::from) {
            Err(error) if !error.is_already_there() => Err(error),
            _ => Ok(()),
        },
        bad: match bad {
            Err(error) if !matches!(error, Error::Api(_)) => Err(error.into()),
            answer => Ok(Tried::of(answer, is_denied_by_webhook)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_comes_last() {
        let check = |detail: &str, expected: &str| assert_eq!(cause(detail), expected);
        check(
            "Internal error occurred: failed calling webhook \"accounts.kubectl-cmp.dev\": failed to call webhook: Post \
             \"https://localhost:8443/validate-account?timeout=5s\": dial tcp [::1]:8443: connect: connection refused",
            "dial tcp [::1]:8443: connect: connection refused",
        );
        check(
            "Internal error occurred: failed calling webhook \"accounts.kubectl-cmp.dev\": the server is too busy",
            "the server is too busy",
        );
        check("it is gone", "it is gone");
    }

    #[test]
    fn the_failure_of_a_probe_has_its_reason() {
        let down = || Err(ApiError::WebhookDown { detail: "Post \"https://x\": connection refused".to_owned() });
        let check = |good: Result<(), ApiError>, bad: Tried, expected: Option<&str>| {
            let failure = Answers { good, bad: Ok(bad) }.failure().unwrap();
            assert_eq!(failure.is_some(), expected.is_some(), "{failure:?}");
            assert!(failure.unwrap_or_default().contains(expected.unwrap_or_default()));
        };
        check(Ok(()), Tried::Refused, None);
        check(Ok(()), Tried::Passed, Some("cmp-webhook is not asked"));
        check(Ok(()), Tried::Unknown("no".to_owned()), Some("did not refuse an invalid account: no"));
        check(down(), Tried::Unknown(String::new()), Some("it does not answer: connection refused"));
        let busy = ApiError::WebhookFails { code: 429, detail: String::new() };
        check(Err(busy), Tried::Unknown(String::new()), Some("it answers with the status code 429"));
        check(Err(ApiError::Other("no".to_owned())), Tried::Refused, Some("it refuses a valid account: no"));
    }

    #[test]
    fn an_api_server_that_does_not_answer_is_no_failure_of_the_webhook() {
        let reset = || ApiError::Unreachable("Connection reset by peer".to_owned());
        for answers in [
            Answers { good: Err(reset()), bad: Ok(Tried::Refused) },
            Answers { good: Ok(()), bad: Err(reset()) },
            Answers { good: Err(reset()), bad: Err(reset()) },
        ] {
            assert!(answers.failure().is_err_and(|error| error.is_unreachable()));
        }
    }
}
