//! Requirements of a cluster before an installation.

use kube::Client;

use cmp_client::discovery::{self, serves};

use crate::error::CliError;
use crate::manifests::Variant;

/// The first minor version of Kubernetes 1 that has ValidatingAdmissionPolicies.
pub(crate) const OLDEST: u32 = 30;

/// The API of the policies.
const ADMISSION: &str = "admissionregistration.k8s.io/v1";

/// The API of cert-manager.
const CERT_MANAGER: &str = "cert-manager.io/v1";

/// The API of the Prometheus operator.
const PROMETHEUS: &str = "monitoring.coreos.com/v1";

/// A fact about the cluster, or the reason why it does not meet the requirement.
pub(crate) type RequirementResult = Result<String, CliError>;

/// Checks all requirements before anything is changed.
pub(crate) async fn check(client: &Client, variant: Variant) -> Result<(), CliError> {
    let unchanged = |error: CliError| error.hint("nothing was installed");
    version(client).await.map_err(unchanged)?;
    policies(client).await.map_err(unchanged)?;
    if variant.cert_manager && !serves(client, CERT_MANAGER, "certificates").await? {
        return Err(unchanged(
            CliError::user("--cert-manager needs cert-manager, which is not installed in this cluster")
                .hint("install cert-manager first, or omit --cert-manager: cmp-webhook then makes its own certificate"),
        ));
    }
    if variant.prometheus && !serves(client, PROMETHEUS, "podmonitors").await? {
        return Err(unchanged(
            CliError::user("--prometheus needs the Prometheus operator, which is not installed in this cluster")
                .hint("install the operator first, or omit --prometheus: each Pod serves /metrics on port 8080"),
        ));
    }
    Ok(())
}

/// Checks that Kubernetes is new enough.
pub(crate) async fn version(client: &Client) -> RequirementResult {
    let version = discovery::version(client).await?;
    if is_too_old(&version.major, &version.minor) {
        return Err(CliError::user(format!(
            "the API server is {}; cmp needs Kubernetes 1.{OLDEST} or newer, for ValidatingAdmissionPolicies",
            version.full
        )));
    }
    Ok(version.full)
}

/// Reports whether a version is too old. An unreadable version counts as new: the check of the policies fails if they
/// are missing.
fn is_too_old(major: &str, minor: &str) -> bool {
    // Some providers write `30+`.
    let digits: String = minor.chars().take_while(char::is_ascii_digit).collect();
    major == "1" && digits.parse::<u32>().is_ok_and(|minor| minor < OLDEST)
}

/// Checks that the API server serves policies.
pub(crate) async fn policies(client: &Client) -> RequirementResult {
    if serves(client, ADMISSION, "validatingadmissionpolicies").await? {
        Ok(format!("ValidatingAdmissionPolicies are served in {ADMISSION}"))
    } else {
        Err(CliError::user(format!("the API server does not serve ValidatingAdmissionPolicies in {ADMISSION}"))
            .hint("check --runtime-config and --feature-gates of the API server"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_supported_version_is_1_30() {
        let check = |major: &str, minor: &str, expected: bool| {
            assert_eq!(is_too_old(major, minor), expected, "{major}.{minor}");
        };
        check("1", "30", false);
        check("1", "36+", false);
        check("1", "100", false);
        check("2", "0", false);
        check("1", "29", true);
        check("1", "29+", true);
        check("1", "9", true);
        check("", "", false);
    }
}
