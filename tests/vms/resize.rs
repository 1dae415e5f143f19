//! Another size: reserved before it is used, and given back when no guest has it any more.

use std::collections::BTreeMap;

use cmp_tests::process::Process;
use cmp_tests::{Output, World, eventually};
use serde_json::{Value, json};

use crate::clusters::{on, running};
use crate::support::{SOON, installed};

fn resize(user: &World<'_>, cluster: &str, more: &[&str]) -> Output {
    user.cmp(&[&["resize", "cluster", cluster, "--yes", "--timeout", "120s"][..], more].concat())
}

/// Returns the running guests by name: cores, memory and uid.
fn guests(user: &World<'_>, cluster: &str) -> BTreeMap<String, (Value, Value, Value)> {
    let guest = |vmi: &Value| {
        let domain = &vmi["spec"]["domain"];
        let name = vmi["metadata"]["name"].as_str().unwrap().to_owned();
        (name, (domain["cpu"]["cores"].clone(), domain["memory"]["guest"].clone(), vmi["metadata"]["uid"].clone()))
    };
    on(user, cluster).iter().map(guest).collect()
}

fn used(user: &World<'_>) -> (Value, Value) {
    let quota = user.cmp(&["quota", "-o", "json"]).ok().json();
    (quota["used_cpu"].clone(), quota["used_memory"].clone())
}

#[track_caller]
fn comes_back(user: &World<'_>, cpu: u32, memory: u32) {
    eventually("what was given up came back", SOON, || {
        let used = used(user);
        if used == (json!(cpu), json!(memory)) { Ok(()) } else { Err(format!("{used:?}")) }
    });
}

#[test]
fn growth_is_charged_first_and_shrinking_frees_quota_last() {
    let user = installed().user("9", "18Gi");
    let dev = running(&user, "dev", 3);
    user.cmp(&["stop", "instance", &format!("{dev}-2"), "--wait", "--timeout", "120s"]).ok();
    let before = guests(&user, &dev);
    resize(&user, &dev, &["--cpu", "4"]).fails().says("exceeded quota").says("requested: cpu=6, used: cpu=6");
    resize(&user, &dev, &["--cpu", "2500m"]).fails().says("whole");
    resize(&user, &dev, &["--resource", "storage=1Gi"]).fails().says("keep their size");
    let dry = ["--cpu", "3", "--dry-run=server", "-o", "jsonpath={.spec.size.cpu}"];
    assert_eq!(resize(&user, &dev, &dry).ok().stdout, "3");
    assert_eq!((guests(&user, &dev), used(&user)), (before.clone(), (json!(6), json!(12))));

    resize(&user, &dev, &["--cpu", "3", "--memory", "6Gi"])
        .ok()
        .says(&format!("instance/{dev}-0 resized\ninstance/{dev}-1 resized"))
        .says(&format!("cluster/{dev} resized"));
    let after = guests(&user, &dev);
    assert_eq!(after.len(), 2);
    for (name, (cores, memory, uid)) in &after {
        assert_eq!((cores, memory), (&json!(3), &json!("6Gi")), "{name}");
        assert_ne!(uid, &before[name].2, "{name} is another guest");
    }
    assert_eq!((user.state(&format!("{dev}-2")).as_str(), used(&user)), ("stopped", (json!(9), json!(18))));
    resize(&user, &dev, &["--cpu", "3"]).ok().says("unchanged");
    assert_eq!(guests(&user, &dev), after, "nothing is restarted for nothing");
    // A stopped machine gets the new size when it starts.
    user.cmp(&["start", "instance", &format!("{dev}-2"), "--wait", "--timeout", "120s"]).ok();
    assert_eq!(guests(&user, &dev)[&format!("{dev}-2")].0, 3);

    resize(&user, &dev, &["--cpu", "1", "--memory", "2Gi"]).ok().says("the quota returns when");
    assert!(guests(&user, &dev).values().all(|(cores, memory, _)| cores == 1 && memory == "2Gi"));
    comes_back(&user, 3, 6);
    // One resource grows and the other shrinks: the larger amount of both is charged until the end.
    resize(&user, &dev, &["--cpu", "2", "--memory", "1Gi"]).ok();
    comes_back(&user, 6, 3);
}

#[test]
fn the_same_command_finishes_a_killed_resize() {
    let user = installed().user("4", "8Gi");
    let dev = running(&user, "dev", 1);
    let (one, ns) = (format!("{dev}-0"), format!("{dev}-ns"));
    let before = guests(&user, &dev);
    // The state after a kill between the change of the VM and the restart of its guest.
    let smaller = json!({ "spec": { "template": { "spec": { "domain": { "cpu": { "cores": 1 } } } } } });
    user.kubectl(&["patch", "vm", &one, "-n", &ns, "--type=merge", "-p", &smaller.to_string()]).ok();
    resize(&user, &dev, &["--cpu", "1"]).ok().says(&format!("instance/{one} resized"));
    let after = guests(&user, &dev);
    assert!(after[&one].0 == 1 && after[&one].2 != before[&one].2, "{after:?}");
}

#[test]
fn a_paused_guest_has_to_be_resumed_or_stopped() {
    let user = installed().user("8", "8Gi");
    let dev = running(&user, "dev", 2);
    let one = format!("{dev}-0");
    user.cmp(&["suspend", "instance", &one, "--wait"]).ok();
    let before = guests(&user, &dev);
    for size in ["1", "3"] {
        resize(&user, &dev, &["--cpu", size])
            .fails()
            .says(&format!("paused VMs cannot be resized: {one}"))
            .says(&format!("hint: `kubectl cmp resume cluster {dev}` resumes them"))
            .says(&format!("hint: `kubectl cmp suspend cluster {dev} --mode halt` switches them off"));
    }
    assert_eq!((guests(&user, &dev), used(&user).0), (before, json!(4)));
    user.cmp(&["suspend", "cluster", &dev, "--mode", "halt", "--wait"]).ok();
    resize(&user, &dev, &["--cpu", "1"]).ok().says(&format!("cluster/{dev} resized"));
    comes_back(&user, 2, 8);
    assert!(guests(&user, &dev).is_empty(), "what is suspended stays so");
    user.cmp(&["resume", "cluster", &dev, "--wait", "--timeout", "120s"]).ok().says("2 resumed");
    assert!(guests(&user, &dev).values().all(|(cores, ..)| cores == 1));
}

#[test]
fn the_next_size_of_a_guest_stays_charged_if_the_plugin_is_bypassed() {
    let user = installed().user("4", "8Gi");
    let dev = running(&user, "dev", 1);
    let key = format!("want.{dev}");
    let mut want: Value = serde_json::from_str(user.account()[&key].as_str().unwrap()).unwrap();
    want["size"]["cpu"] = json!("1");
    user.patch(&json!({ key: want.to_string() })).ok();
    // The guest is away for a moment, again and again; the next guest has the same size.
    eventually("the evidence was looked at", SOON, || {
        user.admin(&["delete", "vmi", "--all", "-n", &format!("{dev}-ns"), "--wait=false"]).ok();
        let logs: Vec<String> = user.installation.replicas.iter().map(Process::log).collect();
        let looked = |line: &str| line.contains("still requests cpu=2") && line.contains(&format!("cluster={dev} "));
        if logs.iter().flat_map(|log| log.lines()).any(looked) { Ok(()) } else { Err(user.account().to_string()) }
    });
    assert_eq!(used(&user).0, 2);
    resize(&user, &dev, &["--cpu", "1"]).ok();
    comes_back(&user, 1, 4);
}
