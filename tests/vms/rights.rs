//! All rights of a user in KubeVirt, as the API server lists them.

use std::collections::BTreeSet;

use cmp_tests::eventually;
use serde_json::{Value, json};

use crate::clusters::running;
use crate::support::{SOON, installed};

/// The rights in a cluster of their own. KubeVirt itself grants the last five to every authenticated user.
const RIGHTS: [&str; 22] = [
    "kubevirt.io/virtualmachines: create, delete, get, list, patch, update, watch",
    "kubevirt.io/virtualmachineinstances: get, list, watch",
    "subresources.kubevirt.io/virtualmachines/start: update",
    "subresources.kubevirt.io/virtualmachines/stop: update",
    "subresources.kubevirt.io/virtualmachines/restart: update",
    "subresources.kubevirt.io/virtualmachineinstances/pause: update",
    "subresources.kubevirt.io/virtualmachineinstances/unpause: update",
    "subresources.kubevirt.io/virtualmachineinstances/console: get",
    "subresources.kubevirt.io/virtualmachineinstances/vnc: get",
    "subresources.kubevirt.io/virtualmachineinstances/portforward: get",
    "subresources.kubevirt.io/virtualmachines/portforward: get",
    "subresources.kubevirt.io/virtualmachineinstances/guestosinfo: get",
    "cdi.kubevirt.io/datavolumes: create, delete, get, list, watch",
    "cdi.kubevirt.io/datavolumes/source: create",
    "snapshot.kubevirt.io/virtualmachinesnapshots: create, delete, get, list, watch",
    "snapshot.kubevirt.io/virtualmachinerestores: create, delete, get, list, watch",
    "snapshot.kubevirt.io/virtualmachinesnapshotcontents: get, list, watch",
    "kubevirt.io/kubevirts: get, list",
    "subresources.kubevirt.io/version: get, list",
    "subresources.kubevirt.io/guestfs: get, list",
    "instancetype.kubevirt.io/virtualmachineclusterinstancetypes: get, list, watch",
    "instancetype.kubevirt.io/virtualmachineclusterpreferences: get, list, watch",
];

/// Returns one line for each resource of KubeVirt in a review of rights.
fn of_kubevirt(review: &Value) -> BTreeSet<String> {
    let words = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut rights = BTreeSet::new();
    for rule in review["status"]["resourceRules"].as_array().into_iter().flatten() {
        let verbs: BTreeSet<String> = words(&rule["verbs"]).into_iter().collect();
        let verbs: Vec<&str> = verbs.iter().map(String::as_str).collect();
        for group in words(&rule["apiGroups"]).iter().filter(|group| *group == "*" || group.ends_with("kubevirt.io")) {
            rights.extend(words(&rule["resources"]).iter().map(|of| format!("{group}/{of}: {}", verbs.join(", "))));
        }
    }
    rights
}

#[test]
fn the_rights_of_a_user_in_kubevirt_are_exactly_these() {
    let user = installed().user("2", "4Gi");
    let dev = running(&user, "dev", 1);
    let rights = |namespace: &str| {
        let review = json!({ "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
            "spec": { "namespace": namespace } });
        of_kubevirt(
            &user
                .kubectl_reading(&["create", "--validate=false", "-o", "json", "-f", "-"], &review.to_string())
                .ok()
                .json(),
        )
    };
    let expected = |rights: &[&str]| rights.iter().copied().map(str::to_owned).collect::<BTreeSet<String>>();
    assert_eq!(rights(&format!("{dev}-ns")), expected(&RIGHTS));
    // In other Namespaces a user has only the rights of every authenticated user.
    for namespace in ["default", "kubevirt", "cmp-users"] {
        assert_eq!(rights(namespace), expected(&RIGHTS[17..]), "in {namespace}");
    }
}

/// The check tries the policy with a machine that is not an instance of the cluster.
#[test]
fn check_tries_the_policy_of_machines_in_a_cluster_of_them() {
    let user = installed().user("2", "4Gi");
    running(&user, "dev", 1);
    // Clusters of other tests come and go, and the check skips a cluster that is being deleted.
    eventually("it was tried", SOON, || {
        let said = user.admin(&["cmp", "check"]);
        let tried = "ok        policy/cmp-vms: it is unchanged and refuses a forbidden request";
        if said.stdout.contains(tried) { Ok(()) } else { Err(said.to_string()) }
    });
    user.admin(&["cmp", "check", "--pre"])
        .ok()
        .says("ok        kubevirt: KubeVirt is installed: clusters of VMs can be created")
        .says("ok        cdi: CDI is installed: the root disks of VMs can stay (--disk)\n");
}
