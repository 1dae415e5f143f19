//! Runs `cargo demo` itself, and checks that nothing of it is left after a kill.

use std::fs;
use std::process::{Command, Stdio};

use cmp_tests::binaries::{Binaries, built};
use cmp_tests::child::{Ended, Lines, PATIENCE, output};
use cmp_tests::eventually;

use crate::support::SOON;

/// Returns the demo command. Builds everything before, so that the deadlines cover the demo alone.
fn demo() -> Command {
    Binaries::get();
    built();
    Command::new(env!("CARGO_BIN_EXE_demo"))
}

#[test]
fn the_demo_succeeds() {
    let demonstrated = output(demo().arg("--exit"), 2 * PATIENCE).unwrap();
    let said = String::from_utf8_lossy(&demonstrated.stdout);
    assert!(demonstrated.status.success(), "{said}\n{}", String::from_utf8_lossy(&demonstrated.stderr));
    for line in ["john$ kubectl cmp suspend cluster web --reason 'for the night'", "exceeded quota: john", "3 resumed"]
    {
        assert!(said.contains(line), "{said}");
    }
    let wrong = output(demo().arg("--stay"), PATIENCE).unwrap();
    assert!(!wrong.status.success());
}

/// Returns the command lines of all processes that contain this text.
fn processes_with(text: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(text)).collect()
}

#[test]
fn a_demo_that_is_killed_leaves_no_process_and_no_folder() {
    let mut demo = demo();
    demo.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = Ended(demo.spawn().unwrap());
    let folder = format!("kubectl-cmp-{}-", child.0.id());
    Lines::of(child.0.stdout.take().unwrap()).until("namespace/cmp-users", PATIENCE);
    assert!(processes_with(&folder).len() > 3, "the control plane runs");
    drop(child);
    eventually("everything is gone", SOON, || {
        let folders =
            fs::read_dir(std::env::temp_dir()).unwrap().flatten().map(|entry| entry.path().display().to_string());
        let left: Vec<String> = folders.filter(|path| path.contains(&folder)).chain(processes_with(&folder)).collect();
        if left.is_empty() { Ok(()) } else { Err(left.join("\n")) }
    });
}

#[test]
fn the_launcher_says_what_the_first_run_builds() {
    let launcher = built().plugin.with_file_name("launcher");
    // In a folder of its own, the launcher finds no demo that an earlier run built. A hard link needs the same volume.
    let folder = launcher.with_file_name(format!("launcher-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let alone = folder.join("launcher");
    fs::hard_link(&launcher, &alone).unwrap();
    let said = |kubeconfig: &str| {
        let launched = output(Command::new(&alone).env("KUBECONFIG", kubeconfig), PATIENCE).unwrap();
        assert!(!launched.status.success());
        String::from_utf8_lossy(&launched.stderr).into_owned()
    };
    let text = said("/a/kubeconfig");
    assert!(
        text.contains("etcd, Kubernetes and kwok") && text.contains("You have a kubeconfig: docs/QUICKSTART.md"),
        "{text}"
    );
    assert!(text.contains(&format!("error: {}: ", folder.join("demo").display())), "{text}");
    fs::remove_dir_all(&folder).unwrap();
    let built_before = output(Command::new(&launcher).arg("--stay"), PATIENCE).unwrap();
    let text = String::from_utf8_lossy(&built_before.stderr);
    assert!(!text.contains("The first run") && text.contains("error: unknown argument \"--stay\""), "{text}");
}
