//! Texts that decide something, because the answer of the API server has no field for it.
//!
//! Kubernetes, KubeVirt and the policies of cmp write them. No other module compares a text. Tests provoke them on the
//! real API server: `tests/e2e/texts.rs`, `outage.rs` and `door.rs` there, and `tests/vms` for the texts of KubeVirt.

/// The API server could not ask a webhook.
pub(crate) const WEBHOOK_FAILED: &str = "failed calling webhook";
/// A webhook answered with an error of HTTP. The status code follows.
pub(crate) const WEBHOOK_STATUS: &str = "the server responded with the status code ";
/// The domain of the names of our webhooks, as the API server quotes them.
pub(crate) const OUR_WEBHOOKS: &str = "kubectl-cmp.dev\"";
/// A webhook denied the request. Its own message follows.
pub(crate) const WEBHOOK_DENIED: &str = "denied the request: ";
/// A policy denied the request. The name of the policy follows, in single quotes.
pub(crate) const POLICY: &str = "ValidatingAdmissionPolicy '";
/// A policy denied the request. Its own message follows.
pub(crate) const POLICY_DENIED: &str = "denied request: ";
/// A compare-and-swap failed: the resourceVersion in the request is not the stored one.
pub(crate) const MODIFIED: &str = "modified";
/// RBAC denies a request with both texts.
pub(crate) const NO_RIGHT: [&str; 2] = [" cannot ", " in API group "];
/// RBAC denies the creation of an object.
pub(crate) const CANNOT_CREATE: &str = "cannot create resource";
/// The ResourceQuota of a cluster is reached.
pub(crate) const FENCED: &str = "exceeded quota: cmp,";
/// The policies `cmp-instances` and `cmp-vms`: the Namespace is not open for this instance.
pub(crate) const NO_INSTANCE: &str = "is not one of the ";
/// The policies `cmp-scale` and `cmp-vms`: the cluster is released.
pub(crate) const RELEASED: &str = "has released its quota";
/// KubeVirt: the instance is already in the state that was asked for.
pub(crate) const PAUSED_ALREADY: [&str; 2] = ["already paused", "not paused"];
/// KubeVirt: there is no running guest to restart.
pub(crate) const NOTHING_TO_RESTART: [&str; 2] = ["not running", "does not support manual restart"];

#[cfg(test)]
mod tests {
    #[test]
    fn the_policies_say_the_texts_that_are_compared() {
        let scale = include_str!("../../manifests/policies/scale.yaml");
        let instances = include_str!("../../manifests/policies/instances.yaml");
        let vms = include_str!("../../manifests/policies/vms.yaml");
        for policy in [scale, instances, vms] {
            for text in [super::NO_INSTANCE, super::RELEASED] {
                assert!(policy.contains(text), "no policy says {text:?}");
            }
        }
    }
}
