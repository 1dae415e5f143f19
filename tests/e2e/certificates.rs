//! Certificates that live for seconds, while the API server asks all the time.

use std::collections::BTreeSet;
use std::time::Instant;

use cmp_tests::control_plane::client;
use cmp_tests::{ControlPlane, Installation};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::support::SOON;

/// The number of changes that are sent at once. An API server keeps 25 idle connections to a webhook, so that each burst
/// needs new ones.
const AT_ONCE: u32 = 40;

/// Sends bursts of changes of the quota of an account until `done`. None may fail. The changes are dry runs, which the API
/// server asks about as well.
#[track_caller]
pub(crate) fn changes_all_pass(plane: &ControlPlane, user: &str, mut done: impl FnMut() -> bool) {
    let runtime = Runtime::new().expect("a runtime");
    let client = runtime.block_on(client(&plane.kubeconfig()));
    let accounts: Api<ConfigMap> = Api::namespaced(client, "cmp-users");
    let params = PatchParams { dry_run: true, ..PatchParams::default() };
    let (deadline, mut sent) = (Instant::now() + SOON, 0_u32);
    while !done() {
        assert!(Instant::now() < deadline, "not within {SOON:?}, after {sent} changes");
        let changes = (0..AT_ONCE).map(|at| {
            let (accounts, params) = (&accounts, &params);
            let quota = json!({ "cpu": (100 + sent + at).to_string(), "memory": "64Gi" }).to_string();
            let patch = json!({ "data": { "quota": quota } });
            async move { accounts.patch(user, params, &Patch::Merge(&patch)).await.map(|_| ()) }
        });
        let answers = runtime.block_on(futures::future::join_all(changes));
        for answer in answers {
            answer.unwrap_or_else(|error| panic!("after {sent} changes: {error}"));
        }
        sent += AT_ONCE;
    }
}

fn stored(plane: &ControlPlane, key: &str) -> String {
    let path = format!("jsonpath={{.data.{}}}", key.replace('.', "\\."));
    let read = plane.admin(&["get", "secret", "cmp-webhook-cert", "-n", "cmp-system", "-o", &path]).ok().stdout;
    let read: ByteString = serde_json::from_value(read.into()).expect("base64");
    String::from_utf8(read.0).expect("PEM")
}

#[test]
fn certificates_of_seconds_refuse_no_request() {
    let life = ["--certificate-lifetime=15s", "--authority-lifetime=45s"].map(str::to_owned);
    let installation = Installation::with_flags(ControlPlane::start(), 2, "3s", &life, |plane, url| {
        plane.admin(&["cmp", "install", "--webhook-url", url]).ok();
        true
    });
    let installation = installation.expect("it was installed");
    let (plane, user) = (&installation.plane, installation.user("4", "8Gi"));
    let (mut leaves, mut authorities) = (BTreeSet::new(), BTreeSet::new());
    changes_all_pass(plane, &user.name, || {
        leaves.insert(stored(plane, "tls.crt"));
        let bundle = stored(plane, "ca.crt");
        authorities.insert(bundle.split_inclusive("-----END CERTIFICATE-----").next().map(str::to_owned));
        authorities.len() >= 2 && leaves.len() >= 5
    });
}
