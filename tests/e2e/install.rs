//! Installing, installing again, taking away.

use cmp_tests::{Installation, eventually};

use crate::support::{SOON, running, shared};

#[test]
fn what_would_be_installed_can_be_read() {
    let plane = &shared().plane;
    let printed = plane
        .admin(&["cmp", "install", "--dry-run=client", "-o", "yaml", "--image", "registry/cmp:1", "--replicas", "3"])
        .ok();
    printed.clone().says("kind: ValidatingAdmissionPolicy\n").says("image: registry/cmp:1").says("replicas: 3");
    // It is what kubectl takes.
    plane
        .admin_reading(&["apply", "--dry-run=client", "-f", "-"], &printed.stdout)
        .ok()
        .says("deployment.apps/cmp-webhook");
    plane
        .admin(&["cmp", "install", "--dry-run=server"])
        .ok()
        .says("namespace/cmp-system serverside-applied (server dry run)");
    plane
        .admin(&["cmp", "install", "--webhook-url", "localhost:8443"])
        .fails()
        .says("use a form such as https://localhost:8443");
    // As kustomize would.
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../manifests");
    plane.admin(&["apply", "--server-side", "--dry-run=server", "--field-manager=kubectl-cmp", "-k", folder]).ok();
}

#[test]
fn uninstalled_the_rules_stay_and_purged_nothing_does() {
    let mut installation = Installation::start(1, "3s");
    let user = installation.user_named("john", "4", "8Gi");
    let name = running(&user, "web", 2, "1", "1Gi");
    let (kubeconfig, other) = (user.kubeconfig.clone(), user.cluster("db"));
    installation.stop();
    let plane = &installation.plane;
    plane.admin(&["cmp", "uninstall"]).fails().says("--yes").says("what runs goes on");
    plane
        .admin(&["cmp", "uninstall", "--yes"])
        .ok()
        .says("validatingwebhookconfiguration.admissionregistration.k8s.io/cmp-webhook deleted");
    let john = |arguments: &[&str]| cmp_tests::shell::kubectl(&kubeconfig, arguments);
    john(&["cmp", "get", "clusters"]).ok().says(&name).says("2/2");
    john(&["cmp", "suspend", "cluster", &name]).ok().says("2 suspended, 0 failed");
    john(&["cmp", "resume", "cluster", &name]).ok().says("2 resumed, 0 failed");
    john(&["scale", "statefulset", &format!("{name}-0"), "-n", &format!("{name}-ns"), "--replicas=2"])
        .fails()
        .says("at most one");
    john(&["cmp", "create", "cluster", &other, "--cpu", "1", "--memory", "1Gi", "--timeout", "1s"])
        .fails()
        .says("is not ready after 1 s: nothing is held for it yet")
        .says("is cmp-webhook running?");
    plane
        .admin(&["cmp", "uninstall", "--purge", "--dry-run=client"])
        .ok()
        .says(&format!("namespace/{name}-ns deleted (dry run)"));
    plane.admin(&["cmp", "uninstall", "--purge", "--yes"]).ok().says(&format!("namespace/{name}-ns deleted"));
    eventually("nothing of cmp is left", SOON, || {
        let kinds = "namespaces,clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings,validatingwebhookconfigurations";
        let left = plane.admin(&["get", kinds, "-o", "name"]).ok();
        let ours: Vec<&str> =
            left.stdout.lines().filter(|line| line.contains("/cmp-") || line.contains(&name)).collect();
        if ours.is_empty() { Ok(()) } else { Err(ours.join("\n")) }
    });
}
