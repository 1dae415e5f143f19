//! Commands that lead into a VM: `console`, `vnc`, `ssh`, `cp` and `port-forward`, through the real kube-apiserver and
//! virt-api. The console and the screen end at the stand-in for virt-handler, and ports end at this test.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use cmp_tests::binaries::built;
use cmp_tests::child::{Lines, PATIENCE, connect, output, wait, within};
use cmp_tests::process::Folder;
use cmp_tests::shell::{for_a_user, path};
use cmp_tests::terminal::Session;
use cmp_tests::{World, eventually};
use serde_json::json;

use crate::clusters::running;
use crate::support::{Ended, SOON, installed};

/// Returns a command of the plugin. It keeps host keys in the folder of the control plane.
fn plugin(kubeconfig: &Path, arguments: &[&str], path: &str) -> Command {
    let mut plugin = for_a_user(&built().plugin, kubeconfig);
    plugin.args(arguments).env("PATH", path);
    plugin.env("XDG_CONFIG_HOME", kubeconfig.parent().unwrap().join("config"));
    plugin
}

/// Starts `kubectl cmp` with pipes in place of the person who types.
fn typed(kubeconfig: &Path, arguments: &[&str]) -> Child {
    plugin(kubeconfig, arguments, &path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Writes a script that prints its arguments, each on a line, and puts it before all other programs.
fn script(folder: &Folder, name: &str) -> String {
    let file = folder.path().join(name);
    fs::write(&file, "#!/bin/sh\nprintf '%s\\n' \"$0\" \"$@\" | tee \"$0.said\"\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", folder.path().display(), path())
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
fn a_console_accepts_input_until_the_next_connection_or_the_end_of_the_vm() {
    let user = installed().user("2", "4Gi");
    let one = format!("{}-0", running(&user, "dev", 1));
    let connected = || {
        let mut console = Ended(typed(&user.kubeconfig, &["console", &one]));
        let out = until(console.0.stdout.take().unwrap(), &format!("{one} login: "));
        (console, out)
    };
    let ends = |mut console: Ended, expected: &str| {
        assert_eq!(wait(&mut console.0, "the console", SOON).code(), Some(1));
        let mut said = String::new();
        console.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(said.contains(expected), "{said}");
    };
    let (first, _out) = connected();
    let (mut second, out) = connected();
    ends(first, &format!("error: lost connection to {one}: the VM still runs\nhint: somebody may have connected"));
    let mut keys = second.0.stdin.take().unwrap();
    keys.write_all(b"fedora\n").unwrap();
    let _out = until(out, "fedora\n");
    // Ctrl+] ends the console.
    keys.write_all(b"\x1d").unwrap();
    let ended = wait(&mut second.0, "the console", SOON);
    let mut said = String::new();
    second.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(ended.success(), "{ended}: {said}");
    let (third, _out) = connected();
    user.cmp(&["stop", "instance", &one]).ok();
    let stopped = format!("error: lost connection to {one}: it was stopped\nhint: kubectl cmp start instance {one}\n");
    ends(third, &stopped);
}

#[test]
fn a_console_waits_for_its_vm_until_the_timeout() {
    let user = installed().user("2", "4Gi");
    let dev = running(&user, "dev", 1);
    let (one, ns) = (format!("{dev}-0"), format!("{dev}-ns"));
    user.cmp(&["stop", "instance", &one, "--wait", "--timeout", "120s"]).ok();
    let annotated = |guest: &str| {
        let guest = json!({ "spec": { "template": { "metadata": { "annotations": {
            "tests.kubectl-cmp.dev/guest": guest } } } } });
        user.kubectl(&["patch", "vm", &one, "-n", &ns, "--type=merge", "-p", &guest.to_string()]).ok();
    };
    annotated("never-starts");
    user.cmp(&["start", "instance", &one]).ok();
    user.cmp(&["console", &one, "--timeout", "1s"]).fails().says(&format!("Waiting for {one} to start\n")).says(
        &format!("error: timed out after 1 s waiting for {one} to start\nhint: kubectl cmp describe instance {one}"),
    );
    user.cmp(&["stop", "instance", &one, "--wait", "--timeout", "120s"]).ok();
    annotated("");
    user.cmp(&["start", "instance", &one]).ok();
    let mut console = Ended(typed(&user.kubeconfig, &["console", &one]));
    until(console.0.stdout.take().unwrap(), &format!("{one} login: "));
}

#[test]
fn a_console_gets_each_key_and_the_terminal_is_restored_at_every_end() {
    let user = installed().user("2", "4Gi");
    let one = format!("{}-0", running(&user, "dev", 1));
    let login = format!("{one} login: ");
    let started = || Session::start(plugin(&user.kubeconfig, &["console", &one], &path()), 80);
    // The stand-in for the guest echoes ctrl-C. It does not end the command.
    let mut session = started();
    session.until("the login", |said| said.contains(&login));
    session.types("a\x03b");
    session.is_raw(true);
    session.until("the echo", |said| said.contains("a\u{3}b"));
    session.types("ignored\x1d");
    session.is_raw(false);
    let shown = session.ended();
    assert_eq!(shown.code, 0, "{:?}", shown.raw);
    assert!(shown.raw.contains("Press Ctrl+] to leave it.\r\n"), "{:?}", shown.raw);
    assert!(shown.raw.contains("stty rows 24 cols 80\r\n"), "{:?}", shown.raw);
    for signal in ["-TERM", "-INT", "-HUP", "-QUIT"] {
        let session = started();
        session.until("the login", |said| said.contains(&login));
        session.is_raw(true);
        let mut kill = Command::new("kill");
        assert!(output(kill.args([signal, &session.id().to_string()]), PATIENCE).unwrap().status.success());
        session.is_raw(false);
        assert_eq!(session.ended().code, 0, "{signal}");
    }
}

#[test]
fn vnc_shows_the_screen() {
    let user = installed().user("2", "4Gi");
    let one = format!("{}-0", running(&user, "dev", 1));
    let screen = |vnc: &mut Ended| {
        let line = Lines::of(vnc.0.stdout.take().unwrap()).until("vnc://", SOON);
        let address = line.strip_prefix("vnc://").unwrap().parse::<std::net::SocketAddr>().unwrap();
        assert!(address.ip().is_loopback(), "{line}");
        until(connect(address).unwrap(), "RFB 003.008\n")
    };
    let mut vnc = Ended(typed(&user.kubeconfig, &["vnc", &one, "--proxy-only"]));
    screen(&mut vnc);
    // A machine without a viewer.
    let mut without = plugin(&user.kubeconfig, &["vnc", &one], "/nowhere");
    let mut without = Ended(without.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    screen(&mut without);
    until(without.0.stderr.take().unwrap(), "No viewer was found (remote-viewer, vncviewer)");
    // The viewer gets the address, and the command ends with it.
    let folder = Folder::new();
    let path = script(&folder, "remote-viewer");
    let viewed = output(&mut plugin(&user.kubeconfig, &["vnc", &one], &path), PATIENCE).unwrap();
    assert!(viewed.status.success(), "{}", String::from_utf8_lossy(&viewed.stderr));
    let said = fs::read_to_string(folder.path().join("remote-viewer.said")).unwrap();
    assert!(said.contains("\nvnc://127.0.0.1:"), "{said}");
    user.cmp(&["suspend", "instance", &one, "--mode", "halt"]).ok();
    assert_eq!(wait(&mut vnc.0, "vnc", SOON).code(), Some(1));
    until(vnc.0.stderr.take().unwrap(), &format!("lost connection to {one}: it was suspended\n"));
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
    with(&["--context", &there, "--", "-o", "StrictHostKeyChecking=no"]);
    // The same context under a name that a shell and ssh would both misread.
    config(&["rename-context", &there, "mine; 'false' %h"]);
    with(&["--context", "mine; 'false' %h"]);
}

/// Plays a server of ssh in the guest: it introduces itself, and waits for the end of the connection.
fn ssh_here(guest: TcpListener) {
    thread::spawn(move || {
        for stream in guest.incoming() {
            let mut stream = stream.unwrap();
            // The client may be gone already.
            if stream.write_all(b"one line before\r\nSSH-2.0-guest\r\n").is_ok() {
                stream.read_exact(&mut [0]).ok();
            }
        }
    });
}

#[test]
fn a_command_waits_until_ssh_answers_in_each_machine() {
    let user = installed().user("4", "8Gi");
    let one = guest_here(&user);
    let dev = one.strip_suffix("-0").unwrap();
    let guest = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = guest.local_addr().unwrap().port();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let wait = |port: u16| format!("--wait=ssh:{port}");
    let create = |wait: &str, timeout: &str| {
        let size = ["--type", "vm", "--cpu", "2", "--memory", "4Gi", "--count", "1", "--timeout", timeout];
        user.cmp(&[&["create", "cluster", dev, wait][..], &size].concat())
    };
    // Nothing listens, and then nobody introduces itself.
    create(&wait(closed), "3s")
        .fails()
        .says(&format!("error: timed out after 3 s waiting for ssh to answer on port {closed} of {one}: "))
        .says("connection refused")
        .says(&format!("hint: the same command goes on where this one ended\nhint: kubectl cmp console {one}\n"));
    create(&wait(port), "3s").fails().says(&format!("port {port} of {one}: no answer"));
    ssh_here(guest);
    create(&wait(port), "120s").ok().says("ssh answers in 1/1 VMs").says(&format!("cluster/{dev} unchanged"));

    user.cmp(&["stop", "instance", &one, "--wait", "--timeout", "120s"]).ok();
    let off = user.cmp(&["resume", "cluster", dev, &wait(port), "--timeout", "120s"]);
    off.ok().says("0 resumed").says_not("ssh answers");
    user.cmp(&["start", "instance", &one, &wait(closed), "--timeout", "30s"])
        .fails()
        .says(&format!("waiting for ssh to answer on port {closed} of {one}: "))
        .says_not(&format!("instance/{one} started"));
    user.cmp(&["start", "instance", &one, &wait(port), "--timeout", "120s"]).ok().says("ssh answers in 1/1 VMs");
    user.cmp(&["suspend", "cluster", dev, "--wait", "--timeout", "120s"]).ok();
    user.cmp(&["resume", "cluster", dev, &wait(port), "--timeout", "120s"]).ok().says("1 resumed");

    // No ssh runs in a container: the command is refused before it changes anything.
    let web = user.cluster("web");
    let size = ["create", "cluster", &web, "--cpu", "1", "--memory", "1Gi"];
    user.cmp(&[&size[..], &["--wait=ssh"]].concat()).fails().says("--wait=ssh is for VMs").says("hint: use --type vm");
    user.cmp(&["get", "cluster", &web]).fails();
    user.cmp(&size).ok();
    user.cmp(&["suspend", "cluster", &web]).ok();
    let refused = user.cmp(&["resume", "cluster", &web, "--wait=ssh"]).fails();
    refused.says(&format!("cluster {web}: --wait=ssh is for VMs"));
    let refused = user.cmp(&["resume", "instance", &format!("{web}-0"), "--wait=ssh"]).fails();
    refused.says(&format!("instance {web}-0: --wait=ssh is for VMs"));
    user.cmp(&["get", "cluster", &web]).ok().says("suspended");
}

#[test]
fn ports_lead_to_the_guest_until_it_is_gone() {
    let user = installed().user("2", "4Gi");
    let one = guest_here(&user);
    let echo = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = echo.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in echo.incoming() {
            let mut stream = stream.unwrap();
            let mut line = String::new();
            BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
            // The answer comes after the other end has closed its half.
            stream.write_all(line.repeat(20_000).as_bytes()).unwrap();
        }
    });
    // Nothing listens on the port of a listener that is gone.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (open, shut) = (format!(":{port}"), format!(":{closed}"));
    let mut forwards = Ended(typed(&user.kubeconfig, &["port-forward", &one, &open, &shut, "--address", "127.0.0.1"]));
    let lines = Lines::of(forwards.0.stdout.take().unwrap());
    let local = |remote: u16| {
        let line = lines.until(&format!(" -> {remote}"), SOON);
        let address = line.strip_prefix("Forwarding from ").and_then(|rest| rest.split(' ').next());
        address.unwrap().parse::<std::net::SocketAddr>().unwrap()
    };
    let (open, shut) = (local(port), local(closed));
    for text in ["one\n", "two\n"] {
        let answer = within("the answer", SOON, move || {
            let (mut stream, mut answer) = (connect(open).unwrap(), String::new());
            stream.write_all(text.as_bytes()).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            stream.read_to_string(&mut answer).unwrap();
            answer
        });
        assert!(answer == text.repeat(20_000), "{} bytes", answer.len());
        lines.until(&format!("Handling connection for {}", open.port()), SOON);
    }
    // A port that nothing listens on is an error of its connection alone.
    drop(connect(shut).unwrap());
    let errors = until(forwards.0.stderr.take().unwrap(), &format!("error handling a connection to {shut}: "));
    user.cmp(&["port-forward", &one, &format!("{}:{port}", open.port()), "--address", "127.0.0.1"])
        .fails()
        .says(&format!("unable to listen on port {0}: 127.0.0.1:{0}: Address already in use", open.port()))
        .says("hint: choose another local port");
    user.cmp(&["stop", "instance", &one]).ok();
    assert_eq!(wait(&mut forwards.0, "port-forward", SOON).code(), Some(1));
    until(
        errors,
        &format!("error: lost connection to {one}: it was stopped\nhint: kubectl cmp start instance {one}\n"),
    );
}

#[test]
fn files_are_copied_by_scp_with_the_host_keys_of_the_vm() {
    let user = installed().user("2", "4Gi");
    let dev = running(&user, "dev", 1);
    let one = format!("{dev}-0");
    let folder = Folder::new();
    let path = script(&folder, "scp");
    let copied = || {
        let (from, to) = (format!("{one}:a b"), "./-here");
        let arguments = ["cp", "-r", "-l", "fedora", "-i", "key", &from, to];
        let said = output(&mut plugin(&user.kubeconfig, &arguments, &path), PATIENCE).unwrap();
        let [out, err] = [said.stdout, said.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
        assert!(said.status.success(), "{err}");
        let tail = format!("-o\nUser=fedora\n-i\nkey\n-r\n--\n{one}.{dev}-ns:a b\n./-here\n");
        assert!(out.ends_with(&tail) && out.contains(&format!(" 'internal' 'stream' {one} %p\n")), "{out}");
        let file = out.lines().find_map(|line| line.strip_prefix("UserKnownHostsFile=\"")?.strip_suffix('"'));
        (Path::new(file.unwrap()).to_owned(), err)
    };
    let (first, err) = copied();
    assert_eq!(err, "");
    fs::write(&first, "a key of the first guest").unwrap();
    assert_eq!(copied(), (first.clone(), String::new()));
    // The disk of the guest is made of an image: the next one has a new system, and a new key.
    user.cmp(&["stop", "instance", &one, "--wait", "--timeout", "120s"]).ok();
    user.cmp(&["start", "instance", &one, "--wait", "--timeout", "120s"]).ok();
    let (second, err) = copied();
    assert!(second != first && !first.exists() && second.exists(), "{second:?}");
    assert_eq!(err, format!("{one} is a new machine since the last connection: ssh accepts its new host key\n"));
    assert_eq!(copied(), (second, String::new()));
}

#[test]
fn an_impossible_connection_is_refused_with_a_remedy() {
    let user = installed().user("4", "8Gi");
    let dev = running(&user, "dev", 1);
    let one = format!("{dev}-0");
    let without = output(&mut plugin(&user.kubeconfig, &["ssh", &one], "/nowhere"), PATIENCE).unwrap();
    assert_eq!(
        (without.status.code(), String::from_utf8_lossy(&without.stderr).as_ref()),
        (Some(1), "error: ssh: No such file or directory\nhint: this command needs ssh of OpenSSH on the PATH\n")
    );
    for verb in ["console", "vnc", "ssh"] {
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
    for verb in ["console", "vnc"] {
        user.cmp(&[verb, &one]).fails().says(&format!("{one} is suspended: a paused VM does not respond"));
    }
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
    // The command that ssh runs looks at nothing before it asks.
    other.cmp(&["internal", "stream", &one, "22"]).fails().says("Error from server (Forbidden)");
    eventually("its owner does", SOON, || {
        let path = format!("/apis/subresources.kubevirt.io/v1/namespaces/{ns}/virtualmachineinstances/{one}/console");
        // The request has no WebSocket handshake, so virt-api refuses it, and not RBAC.
        let said = owner.kubectl(&["get", "--raw", &path]).fails();
        if said.stderr.contains("cannot get") { Err(said.to_string()) } else { Ok(()) }
    });
}
