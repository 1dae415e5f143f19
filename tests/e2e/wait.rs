//! `wait`.

use crate::support::shared;

#[test]
fn a_condition_is_waited_for_as_kubectl_does() {
    let user = shared().user("4", "8Gi");
    let name = user.cluster("web");
    user.cmp(&["wait", "cluster", &name, "--for=state=running"]).fails().says(&format!("cluster \"{name}\" not found"));
    user.cmp(&["create", "cluster", &name, "--cpu", "1", "--memory", "1Gi", "--count", "2"]).ok();
    let met = format!("cluster/{name} condition met\n");
    let wait =
        |condition: &str| user.cmp(&["wait", &format!("cluster/{name}"), "--for", condition, "--timeout", "60s"]);
    assert_eq!(wait("state=running").ok().stdout, met);
    let late = user.cmp(&["wait", "cluster", &name, "--for=state=stopped", "--timeout=0s"]).fails();
    late.says(&format!("error: timed out waiting for the condition on clusters/{name}: 0/2 stopped, 2 running"));
    user.cmp(&["suspend", "cluster", &name]).ok();
    assert_eq!(wait("state=suspended").ok().stdout, met);
    let other = user.cluster("db");
    let late = user.cmp(&["wait", "cluster", &name, &other, "--for=delete", "--timeout=0s"]).fails();
    // A cluster that does not exist is gone.
    assert_eq!(late.stdout, format!("cluster/{other} condition met\n"));
    late.says(&format!("error: timed out waiting for the condition on clusters/{name}\n"));
    user.cmp(&["delete", "cluster", &name, "--yes"]).ok();
    assert_eq!(wait("delete").ok().stdout, met);
    user.cmp(&["get", "cluster", &name]).fails().says("not found");
}
