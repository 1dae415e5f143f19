//! Commands that lead into a VM: `console`, `vnc` and `ssh`, through the real virtctl, kube-apiserver and virt-api. The
//! streams end at the stand-in for virt-handler, and for ssh at this test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use cmp_tests::binaries::{Binaries, built};
use cmp_tests::child::{Lines, PATIENCE, connect, output, wait, within};
use cmp_tests::shell::path;
use cmp_tests::{World, eventually};
use serde_json::json;

use crate::clusters::running;
use crate::support::{Ended, SOON, installed};

fn plugin(kubeconfig: &Path, arguments: &[&str], path: &str) -> Command {
    let mut plugin = Command::new(&built().plugin);
    plugin.args(arguments).env("KUBECONFIG", kubeconfig).env("PATH", path);
    plugin
}

/// Starts `kubectl cmp` with virtctl on the PATH, and with pipes in place of the person who types.
fn typed(kubeconfig: &Path, arguments: &[&str]) -> Child {
    let folder = Binaries::kubevirt().path("virtctl").parent().unwrap().display().to_string();
    plugin(kubeconfig, arguments, &format!("{folder}:{}", path()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Reads until this text appears, and returns the stream for the rest.
#[track_caller]
fn until<S: Read + Send + 'static>(mut stream: S, text: &str) -> S {
    let text = text.to_owned();
    within(&format!("{text:?} is said"), SOON, move || {
        let mut said = Vec::new();
        let mut byte = [0];
        while !String::from_utf8_lossy(&said).contains(&text) {
            let read = stream.read(&mut byte).unwrap();
            assert!(read == 1, "it ended before {text:?}: {}", String::from_utf8_lossy(&said));
            said.push(byte[0]);
        }
        stream
    })
}

#[test]
fn a_console_accepts_input() {
    let user = installed().user("2", "4Gi");
    let one = format!("{}-0", running(&user, "dev", 1));
    let mut console = Ended(typed(&user.kubeconfig, &["console", &one]));
    let out = until(console.0.stdout.take().unwrap(), &format!("{one} login: "));
    let mut keys = console.0.stdin.take().unwrap();
    keys.write_all(b"fedora\n").unwrap();
    let _out = until(out, "fedora\n");
    // Ctrl+] ends the console, and the exit code is virtctl's.
    keys.write_all(b"\x1d").unwrap();
    assert!(wait(&mut console.0, "the console", SOON).success());
}

#[test]
fn vnc_shows_the_screen() {
    let user = installed().user("2", "4Gi");
    let one = format!("{}-0", running(&user, "dev", 1));
    // The arguments after -- go to virtctl.
    let mut vnc = Ended(typed(&user.kubeconfig, &["vnc", &one, "--", "--proxy-only"]));
    let line = Lines::of(vnc.0.stdout.take().unwrap()).until("port", SOON);
    let port: serde_json::Value = serde_json::from_str(&line).unwrap();
    let screen = connect(([127, 0, 0, 1], u16::try_from(port["port"].as_u64().unwrap()).unwrap())).unwrap();
    until(screen, "RFB 003.008\n");
}

/// Creates a VM whose guest is this process.
fn guest_here(user: &World<'_>) -> String {
    let dev = running(user, "dev", 1);
    let (one, ns) = (format!("{dev}-0"), format!("{dev}-ns"));
    user.cmp(&["stop", "instance", &one, "--wait", "--timeout", "120s"]).ok();
    let here = json!({ "spec": { "template": { "metadata": { "annotations": {
        "tests.kubectl-cmp.dev/address": "127.0.0.1" } } } } });
    user.kubectl(&["patch", "vm", &one, "-n", &ns, "--type=merge", "-p", &here.to_string()]).ok();
    user.cmp(&["start", "instance", &one, "--wait", "--timeout", "120s"]).ok();
    one
}

#[test]
fn ssh_reaches_the_guest_with_the_flags_that_were_given() {
    let user = installed().user("2", "4Gi");
    let one = guest_here(&user);
    let guest = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = guest.local_addr().unwrap().port().to_string();
    let (heard, hears) = mpsc::channel();
    thread::spawn(move || {
        for stream in guest.incoming() {
            let mut line = String::new();
            BufReader::new(stream.unwrap()).read_line(&mut line).unwrap();
            heard.send(line).unwrap();
        }
    });
    // The current context of this kubeconfig leads nowhere. Only the flags name the right one, and the connection that
    // ssh starts must get them as well.
    let lost = user.installation.plane.folder().join(format!("{}-lost.kubeconfig", user.name));
    std::fs::copy(&user.kubeconfig, &lost).unwrap();
    let there = user.kubectl(&["config", "current-context"]).ok().stdout.trim().to_owned();
    let config = |arguments: &[&str]| cmp_tests::shell::kubectl(&lost, &[&["config"], arguments].concat()).ok();
    config(&["set-cluster", "nowhere", "--server", "https://127.0.0.1:1"]);
    config(&["set-context", "it's 100% elsewhere", "--cluster", "nowhere", "--user", "nobody"]);
    config(&["use-context", "it's 100% elsewhere"]);
    let with = |flags: &[&str]| {
        let mut arguments = vec!["ssh", &one, "-p", &port, "-l", "fedora", "-c", "true"];
        arguments.extend(flags);
        let ssh = Ended(typed(&lost, &arguments));
        let line = hears.recv_timeout(SOON);
        drop(ssh);
        assert!(line.as_ref().is_ok_and(|line| line.starts_with("SSH-2.0-")), "{flags:?}: {line:?}");
    };
    let kubeconfig = user.kubeconfig.display().to_string();
    with(&["--kubeconfig", &kubeconfig]);
    with(&["--context", &there, "--", "-t", "-oStrictHostKeyChecking=no"]);
    // The same context under a name that a shell and ssh would both misread.
    config(&["rename-context", &there, "mine; 'false' %h"]);
    with(&["--context", "mine; 'false' %h"]);
}

#[test]
fn an_impossible_connection_is_refused_with_a_remedy() {
    let user = installed().user("4", "8Gi");
    let dev = running(&user, "dev", 1);
    let one = format!("{dev}-0");
    for verb in ["console", "vnc", "ssh"] {
        let without = output(&mut plugin(&user.kubeconfig, &[verb, &one], "/nowhere"), PATIENCE).unwrap();
        assert_eq!(
            (without.status.code(), String::from_utf8_lossy(&without.stderr).as_ref()),
            (
                Some(1),
                "error: KubeVirt's virtctl was not found on the PATH\n\
                 hint: to install it with krew: kubectl krew install virt\n\
                 hint: or download it from the releases of KubeVirt: https://github.com/kubevirt/kubevirt/releases\n"
            )
        );
        user.cmp(&[verb, &format!("{dev}-7")]).fails().says(&format!("instance \"{dev}-7\" not found"));
    }
    user.cmp(&["ssh", &one, "--", "uname", "-a"]).fails().says("uname is not a flag").says("-c COMMAND");
    user.cmp(&["ssh", &one, "-n", "default"]).fails().says(&format!("cluster {dev} is in namespace {dev}-ns"));
    for (verb, more) in [("exec", &["--", "sh"][..]), ("logs", &[])] {
        user.cmp(&[&[verb, &one], more].concat())
            .fails()
            .says(&format!("{one} is a VM, not a container"))
            .says(&format!("hint: kubectl cmp ssh {one}\nhint: kubectl cmp console {one}"));
    }
    user.cmp(&["suspend", "instance", &one, "--wait"]).ok();
    let asleep = || user.cmp(&["ssh", &one]).fails().says(&format!("hint: kubectl cmp resume instance {one}"));
    asleep().says(&format!("{one} is suspended: a paused VM does not respond"));
    user.cmp(&["suspend", "instance", &one, "--mode", "halt", "--wait"]).ok();
    asleep().says(&format!("error: {one} is suspended\n"));
    user.cmp(&["resume", "instance", &one]).ok();
    user.cmp(&["stop", "instance", &one]).ok();
    user.cmp(&["console", &one]).fails().says(&format!("hint: kubectl cmp start instance {one}"));

    let web = user.cluster("web");
    user.cmp(&["create", "cluster", &web, "--cpu", "1", "--memory", "1Gi"]).ok();
    user.cmp(&["console", &format!("{web}-0")])
        .fails()
        .says(&format!("{web}-0 is a container, not a VM"))
        .says(&format!("hint: kubectl cmp exec -it {web}-0 -- sh"));
}

#[test]
fn another_user_cannot_connect() {
    let (owner, other) = (installed().user("2", "4Gi"), installed().user("2", "4Gi"));
    let dev = running(&owner, "dev", 1);
    let (one, ns) = (format!("{dev}-0"), format!("{dev}-ns"));
    for of in ["virtualmachineinstances", "virtualmachines"] {
        for to in ["console", "vnc", "portforward/22"] {
            let path = format!("/apis/subresources.kubevirt.io/v1/namespaces/{ns}/{of}/{one}/{to}");
            other.kubectl(&["get", "--raw", &path]).fails().says("cannot get resource");
        }
    }
    eventually("its owner does", SOON, || {
        let path = format!("/apis/subresources.kubevirt.io/v1/namespaces/{ns}/virtualmachineinstances/{one}/console");
        // The request has no WebSocket handshake, so virt-api refuses it, and not RBAC.
        let said = owner.kubectl(&["get", "--raw", &path]).fails();
        if said.stderr.contains("cannot get") { Err(said.to_string()) } else { Ok(()) }
    });
}
