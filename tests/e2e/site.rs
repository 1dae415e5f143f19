//! Policies of the site itself, beside those of cmp.

use cmp_tests::{World, eventually};
use serde_json::{Value, json};

use crate::support::{SOON, held};

/// A policy of the site itself. It denies requests that match its rule, as Kyverno or Gatekeeper would, and is removed
/// on drop.
pub(crate) struct SitePolicy<'a> {
    world: &'a World<'a>,
    /// The name of the policy and of its binding.
    pub(crate) name: String,
    message: String,
}

impl<'a> SitePolicy<'a> {
    /// Denies the creation of Namespaces of this world's user. The policy is in effect when the function returns.
    pub(crate) fn against_namespaces(world: &'a World<'a>) -> Self {
        let namespaces =
            json!({ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["namespaces"] });
        let theirs = format!("object.metadata.name.endsWith('-{}-ns')", world.name);
        let site = Self::deny(
            world,
            "namespaces",
            &namespaces,
            &theirs,
            "'cost-center' in object.metadata.labels",
            "cost-center is missing",
        );
        let name = format!("{}-ns", world.cluster("probe"));
        site.holds(&["create", "namespace", &name, "--dry-run=server"]);
        site
    }

    /// Denies the deletion of one cluster of this world's user. The policy is in effect when the function returns.
    pub(crate) fn against_deletion(world: &'a World<'a>, cluster: &str) -> Self {
        let accounts =
            json!({ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["configmaps"] });
        let theirs = format!("object.metadata.name == '{}' && object.metadata.namespace == 'cmp-users'", world.name);
        let rule = format!("!('delete.{cluster}' in object.data)");
        let site = Self::deny(world, "deletion", &accounts, &theirs, &rule, "it is kept by the auditors");
        let uid = held(&world.account(), cluster).unwrap()["uid"].clone();
        let patch = json!({ "data": { format!("delete.{cluster}"): uid } }).to_string();
        let name = &world.name;
        site.holds(&["patch", "configmap", name, "-n", "cmp-users", "--type=merge", "-p", &patch, "--dry-run=server"]);
        site
    }

    /// Denies that kube-controller-manager counts the ResourceQuota of one Namespace.
    pub(crate) fn against_counts(world: &'a World<'a>, namespace: &str) -> Self {
        let probe = world.cluster("probe");
        let rule = json!({ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
            "resources": ["resourcequotas/status", "configmaps"] });
        let counts = format!("request.resource.resource == 'resourcequotas' && request.namespace == '{namespace}'");
        let theirs = format!("{counts} || object.metadata.name == '{probe}'");
        let site = Self::deny(world, "counts", &rule, &theirs, "false", "nothing is counted here");
        site.holds(&["create", "configmap", &probe, "-n", "default", "--dry-run=server"]);
        site
    }

    /// Denies the creation of objects of one resource that run an image and whose name ends with `-0`. `pod` is the
    /// expression for the spec of the Pod, and `probe` an object that the policy denies once it is in effect.
    pub(crate) fn against_image(
        world: &'a World<'a>,
        (group, resource): (&str, &str),
        pod: &str,
        image: &str,
        probe: &Value,
    ) -> Self {
        let rule =
            json!({ "apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [resource] });
        let first = format!("{pod}.containers.exists(c, c.image == '{image}') && object.metadata.name.endsWith('-0')");
        let site = Self::deny(world, resource, &rule, &first, "false", "not from this registry");
        site.holds_for(&["create", "--dry-run=server", "-f", "-"], &probe.to_string());
        site
    }

    fn deny(world: &'a World<'a>, what: &str, rule: &Value, matches: &str, expression: &str, message: &str) -> Self {
        let name = format!("site-{what}-{}", world.name);
        let api = "admissionregistration.k8s.io/v1";
        let objects = json!({ "apiVersion": "v1", "kind": "List", "items": [
            { "apiVersion": api, "kind": "ValidatingAdmissionPolicy", "metadata": { "name": name }, "spec": {
                "matchConstraints": { "resourceRules": [rule] },
                "matchConditions": [{ "name": "theirs", "expression": matches }],
                "validations": [{ "expression": expression, "message": message }] } },
            { "apiVersion": api, "kind": "ValidatingAdmissionPolicyBinding", "metadata": { "name": name },
                "spec": { "policyName": name, "validationActions": ["Deny"] } },
        ] });
        world.installation.plane.admin_reading(&["create", "-f", "-"], &objects.to_string()).ok();
        Self { world, name, message: message.to_owned() }
    }

    /// Waits until an attempt that changes nothing is denied.
    fn holds(&self, attempt: &[&str]) {
        self.holds_for(attempt, "");
    }

    /// Waits until an attempt that changes nothing, with this text on its standard input, is denied.
    fn holds_for(&self, attempt: &[&str], input: &str) {
        eventually("the policy of the site holds", SOON, || {
            let tried = self.world.installation.plane.admin_reading(attempt, input);
            if tried.code != 0 && tried.stderr.contains(&self.name) { Ok(()) } else { Err(tried.to_string()) }
        });
    }

    /// Returns the answer of the API server to a request that the policy denies.
    pub(crate) fn refusal(&self) -> String {
        format!("ValidatingAdmissionPolicy '{0}' with binding '{0}' denied request: {1}", self.name, self.message)
    }
}

impl Drop for SitePolicy<'_> {
    fn drop(&mut self) {
        self.world.admin(&["delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", &self.name]);
    }
}
