//! `top` of virtual machines.

use std::sync::OnceLock;

use cmp_tests::metrics::MetricsServer;

use crate::clusters::running;
use crate::support::{installed, shared};

/// Returns the metrics server. It is never dropped: without it, no Namespace of another test could finish its deletion.
fn server() -> &'static MetricsServer {
    static SERVER: OnceLock<MetricsServer> = OnceLock::new();
    SERVER.get_or_init(|| MetricsServer::start(shared()))
}

#[test]
fn the_use_of_a_machine_is_that_of_its_launcher() {
    let user = installed().user("2", "4Gi");
    let dev = running(&user, "dev", 1);
    let ns = format!("{dev}-ns");
    let path = "jsonpath={.items[*].metadata.name}";
    let pod = user.kubectl(&["get", "pods", "-n", &ns, "-l", "kubevirt.io=virt-launcher", "-o", path]).ok().stdout;
    let top = || {
        let said = user.cmp(&["top", "cluster", &dev, "--no-headers"]).ok();
        said.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let server = server();
    assert_eq!(top(), format!("{dev} - 2000m - - 4096Mi - 1/1"));
    server.set(&ns, &pod, "500m", "5Gi");
    assert_eq!(top(), format!("{dev} 500m 2000m 25% 5120Mi 4096Mi 125% 1/1"));
    // A paused machine keeps its memory.
    user.cmp(&["suspend", "cluster", &dev, "--mode", "pause", "--wait"]).ok();
    server.set(&ns, &pod, "0", "5Gi");
    assert_eq!(top(), format!("{dev} 0m 2000m 0% 5120Mi 4096Mi 125% 0/1"));
}
