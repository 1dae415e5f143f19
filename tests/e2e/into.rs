//! Commands that lead into an instance, and out of it.

use std::process::Stdio;

use cmp_tests::child::{Ended, Lines};
use cmp_tests::shell::command;

use crate::support::{SOON, running, shared};

#[test]
fn files_ports_and_streams_lead_to_the_pod_of_an_instance() {
    let user = shared().user("2", "4Gi");
    let name = running(&user, "web", 1, "500m", "512Mi");
    let one = format!("{name}-0");
    // The kubelet was reached for this very Pod; kwok does not run anything.
    user.cmp(&["attach", &one]).fails().says("no attaches found").says(&format!("{one}-0"));
    let inside = format!("{one}:/etc/hosts");
    user.cmp(&["cp", &inside, "/nowhere/hosts"]).fails().says("no exec found").says(&format!("{one}-0"));
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    user.cmp(&["cp", here, &inside]).fails().says("no exec found").says(&format!("{one}-0"));
    let mut forwards = command(&user.kubeconfig);
    forwards.args(["cmp", "port-forward", &one, ":8080"]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut forwards = Ended(forwards.spawn().unwrap());
    let line = Lines::of(forwards.0.stdout.take().unwrap()).until("Forwarding", SOON);
    assert!(line.ends_with(" -> 8080"), "{line:?}");
    drop(forwards);

    // Impossible requests are refused in words of instances, before kubectl starts.
    let nobody = format!("{name}-7");
    user.cmp(&["attach", &nobody]).fails().says(&format!("instance \"{nobody}\" not found"));
    user.cmp(&["cp", &format!("{nobody}:/x"), "x"]).fails().says(&format!("instance \"{nobody}\" not found"));
    user.cmp(&["port-forward", &nobody, "80"]).fails().says(&format!("instance \"{nobody}\" not found"));
    user.cmp(&["port-forward", &one, "http"]).fails().says("\"http\" is not a port");
    user.cmp(&["cp", "here", "there"]).fails().says("one of FROM and TO has to be in an instance");
    user.cmp(&["cp", "-l", "fedora", &inside, "x"]).fails().says("for VMs").says(&format!("{one} is a container"));
    user.cmp(&["stop", "instance", &one]).ok();
    let start = format!("hint: kubectl cmp start instance {one}");
    user.cmp(&["port-forward", &one, "80"]).fails().says(&start);
    user.cmp(&["attach", &one]).fails().says(&start);
    user.cmp(&["cp", &inside, "x"]).fails().says(&start);
}
