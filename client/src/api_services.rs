//! Objects of type `APIService`: the parts of the API that other servers than the API server itself answer.

use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};

use crate::error::ApiError;

/// The condition that says whether the server of an `APIService` answers.
const AVAILABLE: &str = "Available";

/// An `APIService` that is not available.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// The name of the object, such as `v1beta1.metrics.k8s.io`.
    pub name: String,
    /// The reason in the words of its condition, if there is one.
    pub why: Option<String>,
}

impl Unavailable {
    fn of(service: &APIService) -> Option<Self> {
        let conditions = service.status.as_ref().and_then(|status| status.conditions.as_ref());
        let condition = conditions.into_iter().flatten().find(|condition| condition.type_ == AVAILABLE);
        if condition.is_some_and(|condition| condition.status == "True") {
            return None;
        }
        let why = condition.and_then(|condition| condition.message.clone());
        Some(Self { name: service.name_any(), why })
    }
}

/// Lists each `APIService` that is not available, and counts all of them.
pub async fn unavailable(client: &Client) -> Result<(Vec<Unavailable>, usize), ApiError> {
    let all: Api<APIService> = Api::all(client.clone());
    let found = all.list(&ListParams::default()).await?.items;
    Ok((found.iter().filter_map(Unavailable::of).collect(), found.len()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn only_a_condition_that_holds_makes_it_available() {
        let why = |conditions: Value| {
            let read = json!({ "metadata": { "name": "v1.x" }, "status": { "conditions": conditions } });
            Unavailable::of(&serde_json::from_value(read).unwrap()).map(|found| (found.name, found.why))
        };
        let condition = |kind: &str, status: &str| json!({ "type": kind, "status": status, "message": "no answer" });
        let named = |why: Option<&str>| Some(("v1.x".to_owned(), why.map(str::to_owned)));
        assert_eq!(why(json!([condition("Other", "False"), condition("Available", "True")])), None);
        assert_eq!(why(json!([condition("Available", "False")])), named(Some("no answer")));
        assert_eq!(why(json!([condition("Available", "Unknown")])), named(Some("no answer")));
        assert_eq!(why(json!([condition("Other", "True")])), named(None));
        assert_eq!(why(json!([])), named(None));
    }
}
