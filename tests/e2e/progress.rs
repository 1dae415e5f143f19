//! `--wait`: the progress output, and that an interruption loses nothing.

use std::process::{Command, Stdio};

use cmp_tests::child::{self, Ended, PATIENCE};
use cmp_tests::shell::command;
use cmp_tests::{World, eventually, terminal};

use crate::support::{SOON, running, shared};

/// Returns a `kubectl cmp` command.
fn cmp(user: &World<'_>, arguments: &[&str]) -> Command {
    let mut command = command(&user.kubeconfig);
    command.arg("cmp").args(arguments);
    command
}

#[test]
fn a_terminal_shows_one_progress_line_that_is_erased_at_the_end() {
    let user = shared().user("2000", "32Gi");
    let (name, large) = (user.cluster("web"), user.cluster("large"));
    let on_terminal = |columns, arguments: &[&str]| {
        let mut command = cmp(&user, arguments);
        command.env("TERM", "xterm").env("NO_COLOR", "1");
        terminal::run(command, columns)
    };
    let size = |name| ["create", "cluster", name, "--cpu", "500m", "--memory", "64Mi", "--count", "3", "--wait"];
    let shown = on_terminal(120, &size(&name));
    assert_eq!((shown.code, shown.screen()), (0, format!("cluster/{name} created")), "{}", shown.raw);
    for drawn in [format!("\r{name}: preparing, "), format!("\r{name}: 3/3 running\x1b[K"), "\r\x1b[K".to_owned()] {
        assert!(shown.raw.contains(&drawn), "{drawn:?}: {:?}", shown.raw);
    }
    let shown = on_terminal(120, &["suspend", "cluster", &name, "--wait"]);
    assert_eq!(shown.screen(), format!("cluster/{name} suspended: 3 suspended, 0 failed, 0 skipped"));
    assert!(shown.raw.contains(&format!("\r{name}: 3/3 suspended\x1b[K")), "{:?}", shown.raw);

    // No node has this many processors. The line shows the reason, cut to the width.
    let create = ["create", "cluster", &large, "--cpu", "1000", "--memory", "1Gi", "--wait", "--timeout", "10s"];
    let shown = on_terminal(70, &create);
    assert_eq!(shown.code, 1);
    assert!(shown.raw.contains(&format!("{large}: 0/1 running, 1 pending ({large}-0: ")), "{:?}", shown.raw);
    let lines = shown.raw.split(['\r', '\n']).filter(|line| line.ends_with("\x1b[K"));
    assert!(lines.clone().any(|line| line.ends_with("...\x1b[K")), "{:?}", shown.raw);
    assert!(lines.clone().all(|line| line.trim_end_matches("\x1b[K").chars().count() < 70), "{:?}", shown.raw);
    assert!(shown.screen().starts_with("error: only 0 of 1 instances run after 10 s"), "{}", shown.screen());

    let shown = on_terminal(120, &["delete", "cluster", &name, &large, "--yes", "--wait"]);
    let mut left: Vec<String> = shown.screen().lines().map(str::to_owned).collect();
    left.sort();
    assert_eq!(left, [format!("cluster/{large} deleted"), format!("cluster/{name} deleted")], "{}", shown.raw);
}

#[test]
fn a_pipe_shows_one_progress_line_per_change() {
    let user = shared().user("4", "8Gi");
    let dumb = |arguments: &[&str]| {
        let mut command = cmp(&user, arguments);
        command.env("TERM", "dumb");
        terminal::run(command, 120).raw.replace("\r\n", "\n")
    };
    let piped = |arguments: &[&str]| user.cmp(arguments).ok();
    let name = user.cluster("web");
    let create = ["create", "cluster", &name, "--cpu", "100m", "--memory", "64Mi", "--count", "12", "--wait"];
    let created = dumb(&create);
    let suspended = piped(&["suspend", "cluster", &name, "--wait"]).stderr;
    let resumed = dumb(&["resume", "cluster", &name, "--wait"]);
    let again = piped(&create).stderr;
    for (said, last) in [
        (created, "12/12 running"),
        (suspended, "12/12 suspended"),
        (resumed, "12/12 running"),
        (again, "12/12 running"),
    ] {
        assert!(!said.contains(['\r', '\x1b']), "{said:?}");
        let lines: Vec<&str> = said.lines().filter(|line| line.starts_with(&format!("{name}: "))).collect();
        assert_eq!(lines.last(), Some(&format!("{name}: {last}").as_str()), "{said}");
        assert!(lines.windows(2).all(|pair| pair[0] != pair[1]) && lines.len() <= 12, "{said}");
    }
}

/// Starts a command, interrupts it as Ctrl-C does as soon as it has had an effect, and waits for its end.
fn interrupted(user: &World<'_>, arguments: &[&str], begun: impl Fn() -> bool) {
    let child = cmp(user, arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child = Ended(child.unwrap());
    eventually("something has come of it", SOON, || if begun() { Ok(()) } else { Err("nothing yet".to_owned()) });
    let pid = child.0.id().to_string();
    // If the command finished before the signal, there is nothing to interrupt, and nothing to lose.
    child::output(Command::new("kill").args(["-INT", &pid]), PATIENCE).unwrap();
    child::wait(&mut child.0, "the interrupted command", PATIENCE);
}

#[test]
fn the_same_command_finishes_an_interrupted_one() {
    let user = shared().user("8", "8Gi");
    let name = user.cluster("many");
    let ns = format!("{name}-ns");
    let sets = |path: &str| user.admin(&["get", "statefulset", "-n", &ns, "-o", &format!("jsonpath={path}")]).stdout;
    let create = ["create", "cluster", &name, "--cpu", "100m", "--memory", "64Mi", "--count", "20", "--wait"];
    interrupted(&user, &create, || user.account()[format!("want.{name}")].is_string());
    interrupted(&user, &create, || !sets("{.items[*].metadata.name}").is_empty());
    user.cmp(&create).ok().says(&format!("{name}: 20/20 running"));
    user.cmp(&["get", "cluster", &name]).ok().says("20/20");

    let suspend = ["suspend", "cluster", &name, "--wait"];
    interrupted(&user, &suspend, || sets("{.items[*].spec.replicas}").contains('0'));
    user.cmp(&suspend).ok().says(&format!("{name}: 20/20 suspended")).says(", 0 failed, ");
    assert_eq!(user.kubectl(&["get", "pods", "-n", &ns, "-o", "name"]).ok().stdout, "");
    user.cmp(&["get", "cluster", &name]).ok().says("0/20").says("suspended");

    let delete = ["delete", "cluster", &name, "--yes", "--wait"];
    interrupted(&user, &delete, || user.account()[format!("delete.{name}")].is_string());
    let again = user.cmp(&delete);
    assert!(again.code == 0 || again.stderr.contains("not found"), "{again}");
    user.admin(&["get", "namespace", &ns]).fails().says("not found");
    assert!(user.account().as_object().unwrap().keys().all(|key| !key.contains(&name)));
}

/// Checks that `--wait` also waits for the new instances of a growing cluster.
#[test]
fn scale_waits_until_the_new_instances_run() {
    let user = shared().user("4", "8Gi");
    let name = running(&user, "web", 1, "500m", "64Mi");
    let scale = ["scale", "cluster", &name, "--count", "3", "--wait"];
    user.cmp(&scale).ok().says(&format!("{name}: 3/3 running")).says(&format!("cluster/{name} scaled"));
    user.cmp(&["scale", "cluster", &name, "--count", "1", "--yes"]).ok().says(&format!("{name}: 2/2 gone"));
}

#[test]
fn scale_does_not_wait_for_an_instance_that_its_user_switched_off() {
    let user = shared().user("4", "8Gi");
    let name = running(&user, "web", 3, "500m", "64Mi");
    user.cmp(&["stop", "instance", &format!("{name}-0")]).ok();
    user.cmp(&["suspend", "instance", &format!("{name}-1")]).ok();
    let scale = ["scale", "cluster", &name, "--count", "4", "--wait", "--timeout", "60s"];
    user.cmp(&scale).ok().says(&format!("{name}: 2/2 running")).says(&format!("cluster/{name} scaled"));
    // The same command finds nothing to do, and waits for the same instances.
    user.cmp(&scale).ok().says(&format!("cluster/{name} unchanged"));
}
