//! Check whether every part of the API answers. Otherwise Kubernetes finishes the deletion of no Namespace.

use kube::Client;

use cmp_client::api_services::{self, Unavailable};

use crate::commands::check::report::Check;
use crate::output::counted;

const NAME: &str = "apiservices";

pub(super) async fn run_checks(client: &Client) -> Vec<Check> {
    match api_services::unavailable(client).await {
        Ok((unavailable, all)) => checks(&unavailable, all),
        Err(error) => vec![Check::of(NAME, Err(error.into()))],
    }
}

/// Returns one warning for each `APIService` that is not available. It belongs to somebody else, so that it is no failure
/// of cmp.
fn checks(unavailable: &[Unavailable], all: usize) -> Vec<Check> {
    if unavailable.is_empty() {
        return vec![Check::ok(NAME, format!("{} answer", counted(all, "API service")))];
    }
    let check = |Unavailable { name, why }: &Unavailable| {
        let why = why.as_deref().map_or_else(String::new, |why| format!(": {why}"));
        let breaks = "no namespace can finish its deletion, so that the names of deleted clusters stay taken";
        Check::warning(&format!("apiservice/{name}"), format!("it is not available{why}; {breaks}"))
            .hint(format!("repair its server, or remove it if nobody needs it: kubectl delete apiservice {name}"))
    };
    unavailable.iter().map(check).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_one_that_is_not_available_is_named_with_what_it_breaks() {
        let lines = |checks: Vec<Check>| checks.iter().map(|check| check.lines(usize::MAX)).collect::<String>();
        assert_eq!(lines(checks(&[], 31)), "ok        apiservices: 31 API services answer\n");
        let metrics = Unavailable { name: "v1beta1.metrics.k8s.io".to_owned(), why: Some("no endpoints".to_owned()) };
        let other = Unavailable { name: "v1.example.com".to_owned(), why: None };
        assert_eq!(
            lines(checks(&[metrics, other], 31)),
            "warning   apiservice/v1beta1.metrics.k8s.io: it is not available: no endpoints; no namespace can finish its \
             deletion, so that the names of deleted clusters stay taken\n\
             hint: repair its server, or remove it if nobody needs it: kubectl delete apiservice v1beta1.metrics.k8s.io\n\
             warning   apiservice/v1.example.com: it is not available; no namespace can finish its deletion, so that the \
             names of deleted clusters stay taken\n\
             hint: repair its server, or remove it if nobody needs it: kubectl delete apiservice v1.example.com\n"
        );
    }
}
