//! The story of a cluster, as its Events tell it.

use cmp_tests::{World, eventually};
use serde_json::{Value, json};

use crate::schedules::{ago, schedule};
use crate::support::{SOON, running, shared, want};

/// Returns reason and message of each Event that cmp-webhook wrote about a cluster, as `events` lists them.
fn story(user: &World<'_>, cluster: &str) -> Vec<(String, String)> {
    let listed = user.cmp(&["events", cluster, "-o", "json"]).ok().json();
    let events = listed["items"].as_array().cloned().unwrap_or_else(|| vec![listed]);
    let ours = events.iter().filter(|event| event["reportingComponent"] == "kubectl-cmp.dev/cmp-webhook");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    ours.map(|event| (text(&event["reason"]), text(&event["message"]))).collect()
}

/// Waits until the story has these reasons, in this order.
fn tells(user: &World<'_>, cluster: &str, reasons: &[&str]) -> Vec<(String, String)> {
    eventually(&format!("the events tell of {reasons:?}"), SOON, || {
        let story = story(user, cluster);
        let told: Vec<&str> = story.iter().map(|(reason, _)| reason.as_str()).collect();
        if told == reasons { Ok(story) } else { Err(format!("{story:?}")) }
    })
}

#[test]
fn the_events_of_a_cluster_tell_its_story_once() {
    let user = shared().user("8", "16Gi");
    let web = running(&user, "web", 2, "1", "1Gi");
    user.cmp(&["scale", "cluster", &web, "--count", "3", "--wait"]).ok();
    let mut reasons = vec!["Created", "Ready", "Scaled", "Ready"];
    tells(&user, &web, &reasons);
    user.cmp(&["scale", "cluster", &web, "--count", "1", "--yes"]).ok();
    reasons.extend(["Scaled", "QuotaReturned"]);
    tells(&user, &web, &reasons);
    // Nobody signed this one, so that nobody is named. The field manager of somebody else is refused.
    let want = want(2, "1", "1Gi");
    let patch = json!({ "data": { format!("want.{web}"): want } }).to_string();
    let patch = ["patch", "configmap", &user.name, "-n", "cmp-users", "--type=merge", "-p", &patch];
    let signed =
        |name: &str| user.kubectl(&[&patch[..], &["--field-manager", &format!("kubectl-cmp/{name}")]].concat());
    signed("alice").fails().says("signs for NAME, and for nobody else");
    user.kubectl(&patch).ok();
    reasons.extend(["Scaled", "Ready"]);
    tells(&user, &web, &reasons);

    // Its user has suspended it before, so that the schedule has nothing to do.
    user.cmp(&["suspend", "cluster", &web, "--reason", "night"]).ok();
    reasons.push("Suspended");
    tells(&user, &web, &reasons);
    let (line, later) = (ago(10), ago(5));
    schedule(&user, &web, &line, &ago(20));
    reasons.push("ScheduleSkipped");
    tells(&user, &web, &reasons);
    user.cmp(&["resume", "cluster", &web, "--wait"]).ok();
    reasons.push("Resumed");
    tells(&user, &web, &reasons);
    schedule(&user, &web, &later, &ago(20));
    reasons.push("ScheduleSuspended");
    let story = tells(&user, &web, &reasons);

    let expected = [
        format!("{} created it with 2 instances of cpu=1,memory=1Gi", user.name),
        "2 instances of cpu=1,memory=1Gi may run".to_owned(),
        format!("{} scaled it from 2 to 3 instances", user.name),
        "3 instances of cpu=1,memory=1Gi may run".to_owned(),
        format!("{} scaled it from 3 to 1 instance", user.name),
        "the part that was given up is gone, and its quota has returned; left: 1 instance of cpu=1,memory=1Gi"
            .to_owned(),
        "scaled from 1 to 2 instances".to_owned(),
        "2 instances of cpu=1,memory=1Gi may run".to_owned(),
        format!("{} suspended instance {web}-0 (mode halt): night", user.name),
        format!("the schedule had nothing to suspend ({line})"),
        format!("{} resumed instance {web}-0", user.name),
        format!("the schedule suspended 1 instance ({later})"),
    ];
    for ((_, message), expected) in story.iter().zip(&expected) {
        assert!(message.starts_with(expected.as_str()), "{expected}: {story:?}");
    }
    user.cmp(&["events", &web, "-o", "wide"])
        .ok()
        .says("kubectl-cmp.dev/cmp-webhook")
        .says(&format!("namespace/{web}-ns"));
    user.cmp(&["describe", "cluster", &web]).ok().says("ScheduleSuspended");

    // Both replicas look at the cluster again, and tell nothing anew.
    let ns = format!("{web}-ns");
    user.admin(&["delete", "networkpolicy", "cmp", "-n", &ns]).ok();
    eventually("the controllers have repaired it", SOON, || {
        let there = user.admin(&["get", "networkpolicy", "cmp", "-n", &ns]);
        if there.code == 0 { Ok(()) } else { Err(there.to_string()) }
    });
    tells(&user, &web, &reasons);
}

#[test]
fn the_events_tell_who_switched_which_instances() {
    let user = shared().user("8", "16Gi");
    let web = running(&user, "web", 3, "1", "1Gi");
    let first = format!("{web}-0");
    let mut reasons = vec!["Created", "Ready"];
    tells(&user, &web, &reasons);
    user.cmp(&["stop", "instance", &first]).ok();
    reasons.push("Stopped");
    tells(&user, &web, &reasons);
    user.admin(&["cmp", "suspend", "cluster", &web, "--reason", "repair"]).ok();
    reasons.push("Suspended");
    tells(&user, &web, &reasons);

    // Nobody signed this one. A signature for somebody else is refused, in the request and in the object.
    let ns = format!("{web}-ns");
    let label = |manager: &str| {
        user.kubectl(&[
            "label",
            "statefulset",
            &first,
            "-n",
            &ns,
            "--overwrite",
            "kubectl-cmp.dev/asked=running",
            manager,
        ])
    };
    let refused = "signs for NAME, and for nobody else";
    label("--field-manager=kubectl-cmp/alice").fails().says(refused);
    let entry = json!({ "manager": "kubectl-cmp/alice", "operation": "Update", "apiVersion": "apps/v1",
        "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1",
        "fieldsV1": { "f:metadata": { "f:labels": { "f:kubectl-cmp.dev/asked": {} } } } });
    let forged = json!([{ "op": "replace", "path": "/metadata/managedFields", "value": [entry] }]).to_string();
    user.kubectl(&["patch", "statefulset", &first, "-n", &ns, "--type=json", "-p", &forged]).fails().says(refused);
    label("--field-manager=kubectl").ok();
    reasons.push("Started");
    let story = tells(&user, &web, &reasons);

    let expected = [
        format!("{} stopped instance {first}", user.name),
        "2 of 3 instances (mode halt): repair".to_owned(),
        format!("instance {first} was started"),
    ];
    for ((_, message), expected) in story.iter().skip(2).zip(&expected) {
        assert!(message.ends_with(expected.as_str()), "{expected}: {story:?}");
    }
    assert!(!story[3].1.starts_with(&user.name), "an administrator did it: {story:?}");
}
