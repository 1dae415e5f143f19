//! Secrets of the first boot that are gone, so that a VM does not start again.

use std::collections::BTreeSet;

use super::{CLOUD_INIT, SYSPREP};
use crate::instance::Instance;
use crate::name::ClusterName;
use crate::state::State;

/// The reason of an instance whose Secret is gone.
const REASON: &str = "SecretMissing";

/// Returns the sentence about a Secret that is gone.
pub fn sentence(cluster: &ClusterName, secret: &str) -> String {
    format!("secret {secret} in namespace {} is gone", cluster.namespace())
}

/// Returns the next step of the user. Only the Secrets of cmp can be written by a command of cmp.
pub fn way_out(cluster: &ClusterName, secret: &str) -> String {
    if [CLOUD_INIT, SYSPREP].contains(&secret) {
        format!("write it again: repeat create cluster {cluster} with the same flags and files")
    } else {
        format!("create it again: the VMs of cluster {cluster} name it in a volume")
    }
}

/// Reports whether a missing Secret may be the reason why an instance does not run.
pub fn may_explain(instance: &Instance) -> bool {
    instance.on && matches!(instance.state, State::Pending | State::Failed) && !instance.secrets.is_empty()
}

/// Makes a missing Secret the reason of an instance that does not run. Its launcher waits for the Secret, and KubeVirt
/// reports only that the VM starts.
pub fn explain(instance: &mut Instance, missing: &BTreeSet<String>) {
    let Some(secret) = instance.secrets.intersection(missing).next() else { return };
    let cluster = &instance.name.cluster;
    instance.message = Some(format!("{}: {}", sentence(cluster, secret), way_out(cluster, secret)));
    instance.reason = Some(REASON.to_owned());
    instance.state = State::Failed;
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::instance::of_virtual_machine;

    fn vm(strategy: &str, status: &str, volumes: &Value) -> Instance {
        let vm = json!({
            "metadata": { "name": "dev-0", "namespace": "dev-ns", "labels": { "kubectl-cmp.dev/asked": "running" } },
            "spec": { "runStrategy": strategy, "template": { "spec": { "volumes": volumes } } },
            "status": { "printableStatus": status },
        });
        of_virtual_machine(&serde_json::from_value(vm).unwrap(), None).unwrap()
    }

    #[test]
    fn a_vm_needs_the_secrets_that_its_launcher_mounts() {
        for (volume, expected) in [
            (json!({ "cloudInitNoCloud": { "secretRef": { "name": "cmp-cloud-init" } } }), &["cmp-cloud-init"][..]),
            (
                json!({ "cloudInitNoCloud": { "secretRef": { "name": "a" }, "networkDataSecretRef": { "name": "b" } } }),
                &["a", "b"],
            ),
            (json!({ "cloudInitConfigDrive": { "secretRef": { "name": "a" } } }), &["a"]),
            (json!({ "sysprep": { "secret": { "name": "cmp-sysprep" } } }), &["cmp-sysprep"]),
            (json!({ "secret": { "secretName": "a" } }), &["a"]),
            (json!({ "secret": { "secretName": "a", "optional": true } }), &[]),
            (json!({ "cloudInitNoCloud": { "userData": "#cloud-config" } }), &[]),
            (json!({ "sysprep": { "configMap": { "name": "a" } } }), &[]),
            (json!({ "containerDisk": { "image": "a" } }), &[]),
        ] {
            let needed = vm("Always", "Starting", &json!([volume])).secrets;
            assert_eq!(needed.iter().collect::<Vec<_>>(), expected, "{volume}");
        }
    }

    #[test]
    fn a_missing_secret_is_the_reason_of_a_vm_that_does_not_run() {
        let volumes = json!([{ "cloudInitNoCloud": { "secretRef": { "name": "cmp-cloud-init" } } }]);
        for (strategy, status, expected) in
            [("Always", "Starting", true), ("Always", "CrashLoopBackOff", true), ("Always", "Running", false)]
        {
            assert_eq!(may_explain(&vm(strategy, status, &volumes)), expected, "{status}");
        }
        assert!(!may_explain(&vm("Halted", "Stopped", &volumes)));
        assert!(!may_explain(&vm("Always", "Starting", &json!([]))));
        let mut starts = vm("Always", "Starting", &volumes);
        let before = starts.clone();
        explain(&mut starts, &BTreeSet::from(["cmp-sysprep".to_owned()]));
        assert_eq!(starts, before);
        explain(&mut starts, &BTreeSet::from(["cmp-cloud-init".to_owned()]));
        assert_eq!((starts.state, starts.reason.as_deref()), (State::Failed, Some("SecretMissing")));
        assert_eq!(
            starts.message.as_deref(),
            Some(
                "secret cmp-cloud-init in namespace dev-ns is gone: write it again: repeat create cluster dev with the same \
                 flags and files"
            )
        );
        assert!(way_out(&starts.name.cluster, "own").starts_with("create it again: "));
    }
}
