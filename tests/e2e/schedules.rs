//! Clusters with automatic suspend and resume. Cron has a resolution of minutes, so the tests use missed transitions:
//! an administrator sets the start of the schedule to 23 hours ago.

use cmp_tests::installation::transition;
use cmp_tests::{Installation, World, eventually};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{SOON, held, running, shared};

/// Returns a daily cron line for this number of minutes ago.
pub(crate) fn ago(minutes: i64) -> String {
    let then = TimeZone::UTC.to_datetime(Timestamp::now() - SignedDuration::from_mins(minutes));
    format!("{} {} * * *", then.minute(), then.hour())
}

/// Gives a cluster a schedule that was set 23 hours ago.
pub(crate) fn schedule(user: &World<'_>, cluster: &str, suspend: &str, resume: &str) {
    store(user, cluster, json!({ "suspend": suspend, "resume": resume }));
}

/// Stores the lines of a schedule as if they had been set 23 hours ago.
fn store(user: &World<'_>, cluster: &str, lines: Value) {
    let key = format!("want.{cluster}");
    let mut want: Value = serde_json::from_str(user.account()[&key].as_str().unwrap()).unwrap();
    let since = Timestamp::now() - SignedDuration::from_hours(23);
    want["schedule"] = lines;
    want["schedule"]["since"] = json!(since.to_string());
    let patch = json!({ "data": { (key): want.to_string() } }).to_string();
    user.admin(&["patch", "configmap", &user.name, "-n", "cmp-users", "--type=merge", "-p", &patch]).ok();
}

#[test]
fn a_schedule_resumes_only_instances_that_it_suspended() {
    let user = shared().user("8", "8Gi");
    let name = running(&user, "web", 3, "1", "1Gi");
    let one = |index: u32| format!("{name}-{index}");
    user.cmp(&["suspend", "instance", &one(1)]).ok();
    user.cmp(&["stop", "instance", &one(2)]).ok();
    schedule(&user, &name, &ago(10), &ago(20));
    let done = user.transitions(&name, "suspend");
    assert_eq!((&done["changed"], &done["failed"], &done["skipped"]), (&json!(1), &json!(0), &json!(2)), "{done}");
    let shown = user.cmp(&["get", "instance", &one(0), "-o", "json"]).ok().json();
    assert_eq!(shown["status"]["suspension"]["by"], "system:serviceaccount:cmp-system:cmp-webhook");
    assert_eq!(shown["status"]["suspension"]["wokenBy"], "schedule");
    let shown = user.cmp(&["get", "schedule", &name]).ok();
    // The line was due at a full minute, so that it is late by ten to eleven minutes, and a little.
    let shown = shown.says("suspended 1, ").says(" late").says("UTC");
    assert!(["10m", "11m"].iter().any(|late| shown.stdout.contains(late)), "{shown}");
    user.cmp(&["describe", "cluster", &name]).ok().says("Schedule:").says("Next:").says("suspended 1, ");
    // `check` accepts the binding for the scheduler.
    user.admin(&["cmp", "check"]).says(" bindings: ").says_not("gives cmp-scheduler");
    let binding = ["get", "rolebinding", "cmp-scheduler", "-n", &format!("{name}-ns"), "-o", "name"];
    user.admin(&binding).ok();

    schedule(&user, &name, &ago(10), &ago(5));
    let done = user.transitions(&name, "resume");
    assert_eq!((&done["changed"], &done["skipped"]), (&json!(1), &json!(2)), "{done}");
    user.becomes(&one(0), "running");
    assert_eq!((user.state(&one(1)).as_str(), user.state(&one(2)).as_str()), ("suspended", "stopped"));

    user.cmp(&["schedule", "cluster", &name, "--clear"]).ok().says(&format!("cluster/{name} unscheduled"));
    eventually("the binding goes", SOON, || match user.admin(&binding).code {
        0 => Err("it is there".to_owned()),
        _ => Ok(()),
    });
}

#[test]
fn a_manual_resume_lasts_until_the_next_transition() {
    let user = shared().user("8", "8Gi");
    let name = running(&user, "web", 2, "1", "1Gi");
    let other = running(&user, "other", 1, "1", "1Gi");
    schedule(&user, &name, &ago(10), &ago(20));
    user.transitions(&name, "suspend");
    user.cmp(&["resume", "cluster", &name, "--wait"]).ok().says("2 resumed");
    // The controller handles all schedules of an account together.
    schedule(&user, &other, &ago(10), &ago(20));
    user.transitions(&other, "suspend");
    user.becomes(&format!("{other}-0"), "suspended");
    assert_eq!(user.state(&format!("{name}-0")), "running");
    assert_eq!(user.state(&format!("{name}-1")), "running");
}

#[test]
fn a_temporary_suspension_ends_by_itself() {
    let user = shared().user("8", "8Gi");
    let name = running(&user, "web", 3, "1", "1Gi");
    let one = |index: u32| format!("{name}-{index}");
    user.cmp(&["suspend", "instance", &one(1)]).ok();
    user.cmp(&["suspend", "cluster", &name, "--for", "1h", "--dry-run=server"]).ok().says("(server dry run)");
    assert!(!user.account().to_string().contains("once"));
    user.cmp(&["suspend", "cluster", &name, "--for", "12s"])
        .ok()
        .says("2 suspended, 0 failed, 1 skipped")
        .says(&format!("cluster/{name}: it is resumed at "));
    assert_eq!(user.state(&one(0)), "suspended");
    let done = user.transitions(&name, "resume");
    assert_eq!((&done["cause"], &done["changed"]), (&json!("once"), &json!(2)), "{done}");
    user.becomes(&one(0), "running");
    user.becomes(&one(2), "running");
    assert_eq!(user.state(&one(1)), "suspended", "its user suspended it before");
    // The timer leaves nothing behind: neither a visible schedule nor a right.
    user.cmp(&["get", "schedules"]).ok().says_not(&name);
    eventually("the binding goes", SOON, || {
        let there = user.admin(&["get", "rolebinding", "cmp-scheduler", "-n", &format!("{name}-ns")]);
        if there.code == 0 { Err(there.to_string()) } else { Ok(()) }
    });

    user.cmp(&["resume", "cluster", &name, "--for", "12s"]).ok().says("1 resumed").says("it is suspended at ");
    assert_eq!(user.transitions(&name, "suspend")["changed"], 3);
    for index in 0..3 {
        user.becomes(&one(index), "suspended");
    }
    // A new request replaces the timer, and only the last request counts.
    user.cmp(&["resume", "cluster", &name, "--for", "1h"]).ok();
    user.cmp(&["schedule", "cluster", &name, "--clear"]).ok().says("unscheduled");
    user.cmp(&["schedule", "cluster", &name, "--clear"]).ok().says("unchanged");
}

#[test]
fn missed_transitions_run_after_a_restart() {
    let mut installation = Installation::start(2, "3s");
    let (kubeconfig, name, until) = {
        let user = installation.user_named("john", "8", "16Gi");
        let name = running(&user, "web", 2, "1", "1Gi");
        user.cmp(&["suspend", "cluster", &name, "--for", "3s"]).ok().says("2 suspended");
        (user.kubeconfig.clone(), name, Timestamp::now() + SignedDuration::from_secs(3))
    };
    installation.stop();
    eventually("it is time", SOON, || if Timestamp::now() > until { Ok(()) } else { Err("not yet".to_owned()) });
    {
        let user = World { installation: &installation, name: "john".to_owned(), kubeconfig: kubeconfig.clone() };
        assert_eq!(user.state(&format!("{name}-0")), "suspended", "nobody is there");
    }
    installation.restart();
    let user = World { installation: &installation, name: "john".to_owned(), kubeconfig };
    assert_eq!(user.transitions(&name, "resume")["changed"], 2);
    user.becomes(&format!("{name}-0"), "running");
    user.becomes(&format!("{name}-1"), "running");
}

#[test]
fn a_scheduled_resume_of_a_released_cluster_is_retried_until_the_quota_allows_it() {
    let user = shared().user("4", "8Gi");
    user.admin(&["cmp", "set", "quota", &user.name, "--suspended", "release"]).ok();
    let name = running(&user, "web", 3, "1", "1Gi");
    schedule(&user, &name, &ago(10), &ago(20));
    user.transitions(&name, "suspend");
    user.account_is("it is released", |account| {
        held(account, &name).is_some_and(|held| held["released"] == true && held["state"] == "ready")
    });
    let other = running(&user, "other", 2, "1", "1Gi");
    schedule(&user, &name, &ago(10), &ago(5));
    user.account_is("it is refused", |account| transition(account, &name)["tries"].as_u64() > Some(0));
    let refused = user.transition(&name);
    let reason = refused["reason"].as_str().unwrap_or_default().to_owned();
    assert!(reason.contains("requested: cpu=3, used: cpu=2, limited: cpu=4"), "{refused}");
    user.cmp(&["get", "schedule", &name, "-o", "wide"]).ok().says("not resumed, ").says("exceeded quota: ");
    user.cmp(&["describe", "cluster", &name]).ok().says("exceeded quota: ");
    user.cmp(&["delete", "cluster", &other, "--yes", "--wait"]).ok();
    // The controller tries again after half a minute.
    // Both replicas try again at the same moment and may share the work. The record counts the work of both.
    let resumed = user.transitions(&name, "resume");
    assert_eq!(resumed["changed"], 3, "{resumed}");
    for index in 0..3 {
        user.becomes(&format!("{name}-{index}"), "running");
    }
}

#[test]
fn a_schedule_is_set_shown_and_exported() {
    let user = shared().user("8", "8Gi");
    let name = running(&user, "web", 1, "1", "1Gi");
    user.cmp(&["get", "schedules"]).ok().says("No resources found.");
    user.cmp(&["get", "schedule", &name]).fails().says(&format!("schedule \"{name}\" not found"));
    user.cmp(&["schedule", "cluster", &name]).fails().says("nothing to change in the schedule");
    user.cmp(&["schedule", "cluster", &name, "--resume", "0 8 * * *"]).fails().says("no schedule that suspends it");
    user.cmp(&["schedule", "cluster", &name, "--skip-until", "2030-01-01"]).fails().says("no schedule that suspends");
    user.cmp(&["schedule", "cluster", &name, "--suspend", "0 8 * * *", "--resume", "0 8,9 * * *"])
        .fails()
        .says("--resume '0 8,9 * * *' can be at the same time as --suspend");
    user.cmp(&["schedule", "cluster", &name, "--suspend", "0 8 * * *", "--mode", "pause"])
        .fails()
        .says("--mode 'pause' is only for VMs");
    let lines = ["--suspend", "0 19 * * 1-5", "--resume", "0 8 * * 1-5", "--time-zone", "Europe/Berlin"];
    let set = |more: &[&str]| user.cmp(&[&["schedule", "cluster", &name], lines.as_slice(), more].concat());
    set(&["--dry-run=client"]).ok().says("scheduled (dry run)").says("by the clocks of Europe/Berlin:");
    set(&["--dry-run=server"]).ok().says("scheduled (server dry run)");
    user.cmp(&["get", "schedules"]).ok().says("No resources found.");
    let said = set(&[]).ok();
    let (stdout, stderr) = (said.stdout.lines().count(), said.stderr.lines().count());
    said.says(&format!("cluster/{name} scheduled")).says("suspend  2").says("resume   2").says(" 19:00 +0");
    assert_eq!((stdout, stderr), (1, 6));
    set(&[]).ok().says("unchanged");
    let shown = user.cmp(&["get", "schedules"]).ok();
    shown.says("0 19 * * 1-5").says("0 8 * * 1-5").says("Europe/Berlin").says(":00 +0");
    user.cmp(&["get", "schedules", "-o", "name"]).ok().says(&format!("schedule/{name}"));
    let shown = user.cmp(&["get", "schedule", &name, "-o", "json"]).ok().json();
    assert_eq!((&shown["kind"], &shown["spec"]["owner"]), (&json!("Schedule"), &json!(user.name)));
    assert_eq!(shown["status"]["next"].as_array().map(Vec::len), Some(5), "{shown}");
    user.admin(&["cmp", "get", "schedules", "-A"]).ok().says(&name);
    // The command changes one part of the schedule; the others stay.
    user.cmp(&["schedule", "cluster", &name, "--resume", "30 7 * * 1-5"]).ok().says(" 07:30 ").says(" 19:00 ");
    user.cmp(&["schedule", "cluster", &name, "--skip-until", "2040-01-02"])
        .ok()
        .says("suspend  2040-01-02 19:00 +01:00");
    user.cmp(&["get", "schedules", "-o", "wide"]).ok().says("2040-01-02 00:00 +01:00");

    // The schedule is a part of the cluster, costs nothing, and stays when the cluster changes.
    let cluster = user.cmp(&["get", "cluster", &name, "-o", "json"]).ok().json();
    assert_eq!(cluster["spec"]["schedule"]["timeZone"], "Europe/Berlin");
    user.cmp(&["create", "cluster", &name, "--cpu", "1", "--memory", "1Gi"]).ok().says("unchanged");
    user.cmp(&["scale", "cluster", &name, "--count", "2"]).ok();
    user.cmp_reading(&["create", "-f", "-"], &cluster.to_string()).fails().says("count is 2");
    user.cmp(&["scale", "cluster", &name, "--count", "1", "--yes"]).ok();
    user.cmp_reading(&["create", "-f", "-"], &cluster.to_string()).ok().says("unchanged");
    let mut another = cluster.clone();
    another["spec"]["schedule"]["suspend"] = json!("0 20 * * *");
    user.cmp_reading(&["create", "-f", "-"], &another.to_string())
        .fails()
        .says("schedule is ")
        .says(&format!("kubectl cmp schedule cluster {name}"));
    another["spec"]["schedule"]["suspend"] = json!("tonight");
    user.cmp_reading(&["create", "-f", "-"], &another.to_string())
        .fails()
        .says("spec.schedule.suspend \"tonight\" is not a line of cron");
    let copy = user.cluster("copy");
    let mut made = cluster;
    made["metadata"] = json!({ "name": copy });
    user.cmp_reading(&["create", "-f", "-", "--wait"], &made.to_string()).ok().says("created");
    user.cmp(&["get", "schedule", &copy]).ok().says("30 7 * * 1-5");
    // cmp-webhook judges a schedule that was written without the plugin as well.
    let want = user.account()[format!("want.{copy}")].as_str().unwrap().replace("Europe/Berlin", "Europe/Berln");
    user.patch(&json!({ format!("want.{copy}"): want }))
        .fails()
        .says("schedule.timeZone \"Europe/Berln\" is not a time zone");
    // The record of transitions is removed with the cluster.
    schedule(&user, &copy, &ago(10), &ago(20));
    user.transitions(&copy, "suspend");
    user.cmp(&["delete", "cluster", &copy, "--yes", "--wait"]).ok();
    user.account_is("all of it is gone", |account| !account.to_string().contains(&copy));
}

#[test]
fn several_lines_are_set_carried_out_and_removed() {
    let user = shared().user("8", "8Gi");
    let name = running(&user, "web", 2, "1", "1Gi");
    let set = |lines: &[&str]| user.cmp(&[&["schedule", "cluster", &name], lines].concat());
    let stored = || user.account()[format!("want.{name}")].as_str().unwrap().to_owned();
    let hours = ["--suspend", "0 19 * * 1-5", "--resume", "0 7 * * 1-5", "--suspend", "0 16 * * 0", "--resume"];
    set(&[&hours[..], &["0 16 * * *"]].concat())
        .fails()
        .says("--resume '0 16 * * *' can be at the same time as --suspend '0 16 * * 0': choose another time");
    let hours = [&hours[..], &["0 10 * * 0"]].concat();
    set(&hours).ok().says(&format!("cluster/{name} scheduled")).says_not("schedule changed");
    set(&hours).ok().says("unchanged");
    user.cmp(&["get", "schedules"]).ok().says("0 19 * * 1-5; 0 16 * * 0").says("0 7 * * 1-5; 0 10 * * 0");
    let described = user.cmp(&["describe", "cluster", &name]).ok();
    described.says("suspend 0 19 * * 1-5, suspend 0 16 * * 0, resume 0 7 * * 1-5, resume 0 10 * * 0 (UTC)");

    // A file has all lines, and a copy made of it follows them.
    let copy = user.cluster("copy");
    let exported = user.cmp(&["export", "cluster", &name]).ok();
    let exported = exported.says("alsoSuspend:").says("alsoResume:");
    user.cmp_reading(&["create", "-f", "-", "--wait"], &exported.stdout.replace(&name, &copy)).ok().says("created");
    user.cmp(&["get", "schedule", &copy]).ok().says("0 19 * * 1-5; 0 16 * * 0");

    // The newest time of all lines decides.
    let lines = |resume: i64| json!({ "suspend": ago(40), "alsoSuspend": [ago(10)], "resume": ago(30), "alsoResume": [ago(resume)] });
    store(&user, &name, lines(20));
    assert_eq!(user.transitions(&name, "suspend")["changed"], 2);
    store(&user, &name, lines(5));
    assert_eq!(user.transitions(&name, "resume")["changed"], 2);
    user.becomes(&format!("{name}-0"), "running");

    // A user who writes the account gets no more lines than the command gives.
    let many = vec!["0 3 * * *"; 14];
    let mut forged: Value = serde_json::from_str(&stored()).unwrap();
    forged["schedule"]["alsoResume"] = json!(many);
    user.patch(&json!({ format!("want.{name}"): forged.to_string() })).fails().says("the maximum is 16");

    // A flag replaces all lines of its own, and the others stay. One line of each is stored as ever.
    set(&hours).ok();
    set(&["--suspend", "0 20 * * *", "--dry-run=server"]).ok().says_not("schedule changed");
    set(&["--suspend", "0 20 * * *"])
        .ok()
        .says(r#"; --suspend replaces --suspend "0 19 * * 1-5" --suspend "0 16 * * 0"; "#)
        .says(r#"; --resume "0 7 * * 1-5" --resume "0 10 * * 0" stay"#);
    user.admin(&["cmp", "schedule", "cluster", &name, "--resume", "0 8 * * *"])
        .ok()
        .says(r#"--suspend "0 20 * * *" stays"#);
    assert!(stored().contains(r#""suspend":"0 20 * * *","resume":"0 8 * * *""#), "{}", stored());
    set(&["--clear"]).ok().says("unscheduled");
    assert!(!stored().contains("schedule"));
}
