//! `-w` on virtual machines: it wakes on changes of KubeVirt's objects.

use std::process::Stdio;

use cmp_tests::binaries::built;
use cmp_tests::child::{Lines, wait};
use cmp_tests::shell::{for_a_user, kubectl_reading};
use cmp_tests::{World, eventually};
use serde_json::{Value, json};

use crate::clusters::{on, running};
use crate::support::{Ended, SOON, installed};

/// A running watch with the lines that it prints until it ends.
struct Watch {
    child: Ended,
    lines: Lines,
}

impl Watch {
    fn start(user: &World<'_>, arguments: &[&str]) -> Self {
        let mut plugin = for_a_user(&built().plugin, &user.kubeconfig);
        plugin.args(arguments).stdout(Stdio::piped());
        let mut child = Ended(plugin.spawn().unwrap());
        let lines = Lines::of(child.0.stdout.take().unwrap());
        Self { child, lines }
    }

    #[track_caller]
    fn says(&self, text: &str) {
        self.lines.until(text, SOON);
    }

    #[track_caller]
    fn ends(mut self) {
        self.lines.end(SOON);
        assert!(wait(&mut self.child.0, "the watch", SOON).success());
    }
}

#[test]
fn a_watch_wakes_by_machines_and_by_their_guests() {
    let user = installed().user("2", "4Gi");
    let dev = running(&user, "dev", 1);
    let (one, ns) = (format!("{dev}-0"), format!("{dev}-ns"));
    let columns = "custom-columns=IP:.status.ip,LABEL:.metadata.labels.mine";
    let instances = Watch::start(&user, &["get", "instances", "--in", &dev, "-w", "-o", columns]);
    let named = Watch::start(&user, &["get", "instance", &one, "-w", "-o", columns]);
    let clusters = Watch::start(&user, &["get", "cluster", &dev, "-w"]);
    instances.says("<none>");
    named.says("<none>");
    clusters.says("running");

    // Only the VM changes.
    user.kubectl(&["label", "vm", &one, "-n", &ns, "mine=yes"]).ok();
    let handler = user.installation.plane.folder().join("kubevirt-handler.kubeconfig");
    let path = format!("/apis/kubevirt.io/v1/namespaces/{ns}/virtualmachineinstances/{one}");
    instances.says("yes");
    named.says("yes");
    // Only the guest changes, as virt-handler writes it.
    eventually("its address is another", SOON, || {
        let mut guest: Value = on(&user, &dev)[0].clone();
        guest["status"]["interfaces"][0]["ipAddress"] = json!("192.0.2.7");
        let written = kubectl_reading(&handler, &["replace", "--raw", &path, "-f", "-"], &guest.to_string());
        if written.code == 0 { Ok(()) } else { Err(written.to_string()) }
    });
    instances.says("192.0.2.7");
    named.says("192.0.2.7");
    user.cmp(&["suspend", "cluster", &dev]).ok();
    clusters.says("suspended");
    user.cmp(&["delete", "cluster", &dev, "--yes", "--wait", "--timeout", "180s"]).ok();
    [instances, named, clusters].into_iter().for_each(Watch::ends);
}
