//! Helpers that the tests share.

use std::sync::OnceLock;

pub(crate) use cmp_tests::SOON;
pub(crate) use cmp_tests::child::Ended;
use cmp_tests::{ControlPlane, Installation, eventually};

/// Returns a control plane with KubeVirt and cmp that all tests use at once, each with users of its own.
pub(crate) fn installed() -> &'static Installation {
    static SHARED: OnceLock<Installation> = OnceLock::new();
    SHARED.get_or_init(|| {
        Installation::on(ControlPlane::with_kubevirt(), 2, "3s", |plane, url| {
            plane.admin(&["cmp", "install", "--webhook-url", url]).ok();
            true
        })
        .expect("it was installed")
    })
}

/// Returns the control plane of the shared installation.
pub(crate) fn shared() -> &'static ControlPlane {
    &installed().plane
}

/// Waits until KubeVirt reports this status of a machine.
#[track_caller]
pub(crate) fn machine_is(plane: &ControlPlane, namespace: &str, name: &str, status: &str) {
    eventually(&format!("{name} is {status}"), SOON, || {
        let asked = plane.admin(&["get", "vm", name, "-n", namespace, "-o", "json"]);
        let said = if asked.code == 0 { asked.json()["status"].clone() } else { asked.stderr.clone().into() };
        if said["printableStatus"] == status { Ok(()) } else { Err(said.to_string()) }
    });
}
