//! `resize`, and the commands that lead into an instance: `exec`, `logs`, `events`.

use cmp_tests::eventually;

use crate::support::{SOON, held, running, shared};

#[test]
fn a_mixed_resize_is_charged_first_and_frees_quota_last() {
    let user = shared().user("4", "8Gi");
    let name = running(&user, "web", 3, "1", "2Gi");
    user.cmp(&["stop", "instance", &format!("{name}-2"), "--wait"]).ok();
    let resize = |more: &[&str]| user.cmp(&[&["resize", "cluster", &name, "--yes"][..], more].concat());
    resize(&[]).fails().says("nothing to change");
    resize(&["--cpu", "2"]).fails().says("exceeded quota").says("requested: cpu=3");
    user.cmp(&["get", "cluster", &name]).ok().says("2/3");
    let dry = resize(&["--memory", "1Gi", "--dry-run=server", "-o", "jsonpath={.spec.size.memory}"]).ok();
    assert_eq!(dry.stdout, "1Gi");
    let pods = || {
        let ns = format!("{name}-ns");
        let template = "jsonpath={range .items[*]}{.metadata.uid} {end}";
        user.kubectl(&["get", "pods", "-n", &ns, "-o", template]).ok().stdout
    };
    user.cmp(&["resize", "cluster", &name, "--memory", "1Gi"])
        .fails()
        .says(&format!("You are about to restart:\n  instance/{name}-0, with cpu=1,memory=1Gi"))
        .says("repeat the command with --yes to confirm");
    let before = pods();
    resize(&["--cpu", "1250m", "--memory", "1Gi"])
        .ok()
        .says(&format!("instance/{name}-0 resized\ninstance/{name}-1 resized"))
        .says(&format!("cluster/{name} resized"));
    assert!(before.split_whitespace().all(|uid| !pods().contains(uid)), "those that ran were restarted");
    let sizes = "jsonpath={range .items[*]}{.status.state}={.spec.size.cpu},{.spec.size.memory} {end}";
    let shown = user.cmp(&["get", "instances", "--in", &name, "-o", sizes]).ok();
    assert_eq!(shown.stdout, "running=1250m,1Gi running=1250m,1Gi stopped=1250m,1Gi ");
    user.account_is("the memory came back", |account| {
        held(account, &name).is_some_and(|held| held["size"]["memory"] == "1Gi" && held["state"] == "ready")
    });
    resize(&["--cpu", "1250m"]).ok().says("unchanged");
    user.cmp(&["start", "instance", &format!("{name}-2"), "--wait"]).ok();
}

#[test]
fn logs_and_events_of_an_instance_are_shown() {
    let user = shared().user("4", "8Gi");
    let name = running(&user, "web", 1, "500m", "512Mi");
    let one = format!("{name}-0");
    eventually("the log is shown", SOON, || {
        let logs = user.cmp(&["logs", &one, "--tail", "2"]);
        if logs.stdout == "line 2\nline 3\n" { Ok(()) } else { Err(logs.to_string()) }
    });
    // The kubelet was reached for this very Pod; kwok does not run anything.
    user.cmp(&["exec", &one, "--", "true"]).fails().says("no exec found").says(&one);
    user.cmp(&["exec", &one]).fails().says("error: missing: <COMMAND>");
    user.cmp(&["logs", &format!("{name}-7")]).fails().says("not found");
    // A controller of Kubernetes writes its Events a moment after its change.
    let shown = |reason: &str| {
        eventually(&format!("{reason} is shown"), SOON, || {
            let events = user.cmp(&["events", &name]).ok();
            let is_it = |line: &str| line.contains(reason) && line.contains(&format!("statefulset/{one}"));
            if events.stdout.lines().any(is_it) { Ok(()) } else { Err(events.to_string()) }
        });
    };
    shown("SuccessfulCreate");
    user.cmp(&["events", &user.cluster("nope")]).fails().says("not found");
    let watched = {
        let (kubeconfig, name) = (user.kubeconfig.clone(), name.clone());
        std::thread::spawn(move || {
            cmp_tests::shell::kubectl(&kubeconfig, &["cmp", "events", &name, "-w", "--no-headers"])
        })
    };
    user.cmp(&["stop", "instance", &one, "--wait"]).ok();
    user.cmp(&["logs", &one]).fails().says("is stopped").says(&format!("kubectl cmp start instance {one}"));
    // A Namespace in deletion takes no Events.
    shown("SuccessfulDelete");
    user.cmp(&["delete", "cluster", &name, "--yes", "--wait"]).ok();
    watched.join().unwrap().ok().says("SuccessfulCreate").says("SuccessfulDelete");
}
