//! The mirror: its file describes the life of the instances, whatever happens to the mirror meanwhile.

use std::path::Path;
use std::time::Duration;

use cmp_core::usage::{Span, Watched};
use cmp_mirror::{History, fetch};
use cmp_tests::installation::{get, mirror_is_ready};
use cmp_tests::{Installation, World, control_plane, eventually, history};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::{SOON, held, running, shared};

/// Returns the states of an instance, one after another, without `pending`.
fn states(path: &Path, instance: &str) -> String {
    let of_it = history::settled(path, |span| span.instance.to_string() == instance);
    let mut states: Vec<&str> = of_it.iter().map(|span| span.state.as_str()).collect();
    states.dedup();
    states.join(" ")
}

#[track_caller]
fn comes_to_be(path: &Path, instance: &str, expected: &str) {
    eventually(&format!("{instance} is {expected}"), SOON, || {
        let states = states(path, instance);
        if states == expected { Ok(()) } else { Err(states) }
    });
}

/// Asserts that no two spans of one instance overlap. While the mirror observes, none is missing between its first and
/// its last.
fn consistent(path: &Path) {
    let spans = history::spans(path);
    let uids: std::collections::BTreeSet<&str> = spans.iter().map(|span| span.instance_uid.as_str()).collect();
    for uid in uids {
        let mut of_it: Vec<&Span> = spans.iter().filter(|span| span.instance_uid == uid).collect();
        of_it.sort_by_key(|span| span.from);
        for pair in of_it.windows(2) {
            assert!(pair[0].until <= pair[1].from, "{pair:?}");
            let watched: Vec<Watched> = History::open(path).unwrap().watched().unwrap();
            let looked = watched.iter().any(|time| time.from < pair[1].from && time.until >= pair[1].from);
            assert!(!looked || pair[0].until == pair[1].from, "{pair:?}");
        }
    }
}

/// Creates a volume for the claim, because no provisioner runs here.
pub(crate) fn volume(installation: &Installation) {
    let volume = json!({ "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": "mirror" }, "spec": {
        "capacity": { "storage": "1Gi" }, "accessModes": ["ReadWriteOnce"], "hostPath": { "path": "/var/lib/cmp" },
        "persistentVolumeReclaimPolicy": "Retain" } });
    installation.plane.admin_reading(&["create", "-f", "-"], &volume.to_string()).ok();
}

pub(crate) fn install(installation: &Installation, flags: &[&str]) -> cmp_tests::Output {
    let path = "jsonpath={.webhooks[0].clientConfig.url}";
    let asked = ["get", "validatingwebhookconfiguration", "cmp-webhook", "-o", path];
    let url = installation.plane.admin(&asked).ok().stdout.trim_end_matches("/validate-account").to_owned();
    installation.plane.admin(&[&["cmp", "install", "--webhook-url", &url], flags].concat())
}

#[test]
fn states_are_recorded_across_restarts_of_the_mirror() {
    let mut installation = Installation::start(1, "3s");
    let user = installation.user_named("john", "8", "16Gi");
    let plane = &installation.plane;
    install(&installation, &["--mirror"])
        .ok()
        .says("deployment.apps/cmp-mirror created")
        .says("persistentvolumeclaim/cmp-mirror created");
    plane.admin(&["cmp", "check"]).says("warning   mirror: persistentvolumeclaim/cmp-mirror is Pending");
    volume(&installation);
    eventually("the mirror is available", SOON, || {
        let said = plane.admin(&["cmp", "check"]);
        if said.stdout.contains("ok        mirror: it observes and records") { Ok(()) } else { Err(said.to_string()) }
    });

    let (mut mirror, path, probe) = installation.mirror();
    let web = running(&user, "web", 2, "1", "1Gi");
    let (first, second) = (format!("{web}-0"), format!("{web}-1"));
    comes_to_be(&path, &first, "running");
    user.cmp(&["suspend", "cluster", &web]).ok();
    comes_to_be(&path, &first, "running suspended");
    comes_to_be(&path, &second, "running suspended");

    // The mirror is killed. A state that is unchanged across the gap goes on. For a changed state the gap belongs to
    // nobody.
    mirror.kill();
    user.cmp(&["resume", "instance", &second, "--wait"]).ok();
    mirror.restart();
    mirror_is_ready(&mirror, probe);
    comes_to_be(&path, &second, "running suspended running");
    user.cmp(&["resume", "cluster", &web, "--wait"]).ok();
    comes_to_be(&path, &first, "running suspended running");
    let suspended = |instance: &str| {
        let of_it = history::spans(&path).into_iter().filter(|span| span.instance.to_string() == instance);
        of_it.filter(|span| span.state.as_str() == "suspended").collect::<Vec<_>>()
    };
    let watched = History::open(&path).unwrap().watched().unwrap();
    assert_eq!(watched.len(), 2, "{watched:?}");
    let (of_first, of_second) = (suspended(&first), suspended(&second));
    assert!(matches!(&of_first[..], [one] if one.until > watched[1].from), "{of_first:?}\n{watched:?}");
    assert_eq!(of_first[0].by.as_deref(), Some("system:serviceaccount:cmp-users:john"));
    assert!(matches!(&of_second[..], [one] if one.until == watched[0].until), "{of_second:?}\n{watched:?}");

    scaled_and_gone(&user, &web, &path);
    read_by_others(&installation, &path);
    fetched(&user, &path);
    let metrics = get(probe, "/metrics").unwrap();
    for metric in ["cmp_mirror_spans_total", "cmp_mirror_behind_seconds", "cmp_mirror_written_timestamp_seconds"] {
        assert!(metrics.contains(metric), "{metric}: {metrics}");
    }

    // While the API server is away nobody observes, and the instance does not count as gone.
    let again = running(&user, "db", 1, "1", "1Gi");
    comes_to_be(&path, &format!("{again}-0"), "running");
    drop(user);
    installation.plane.apiserver.kill();
    eventually("it is not ready", SOON, || {
        let said = get(probe, "/readyz").map_err(|error| error.to_string())?;
        if said.starts_with("HTTP/1.1 503") { Ok(()) } else { Err(said) }
    });
    installation.plane.apiserver.restart();
    mirror_is_ready(&mirror, probe);
    let of_it = history::spans(&path).into_iter().filter(|span| span.instance.to_string() == format!("{again}-0"));
    assert_eq!(of_it.filter(|span| span.state.as_str() == "running").count(), 1, "it has gone on");
    assert_eq!(History::open(&path).unwrap().watched().unwrap().len(), 3);
    consistent(&path);

    // On SIGTERM the mirror leaves one complete file. The mirror can be removed at any time, and its volume stays.
    mirror.stop();
    assert!(!path.with_extension("db-wal").exists());
    taken_away(&installation);
}

/// Checks the rest of the life of a cluster.
fn scaled_and_gone(user: &World<'_>, web: &str, path: &Path) {
    let (first, second) = (format!("{web}-0"), format!("{web}-1"));
    user.cmp(&["scale", "cluster", web, "--count", "1", "--yes", "--wait"]).ok();
    user.cmp(&["stop", "instance", &first]).ok();
    comes_to_be(path, &first, "running suspended running stopped");
    user.account_is("it is given back", |account| held(account, web).is_some_and(|held| held["count"] == 1));
    user.cmp(&["delete", "cluster", web, "--yes", "--wait"]).ok();
    let opened = || History::open(path).unwrap();
    eventually("nothing goes on", SOON, || {
        let last = opened().watched().unwrap().last().unwrap().until;
        let going: Vec<Span> = history::spans(path).into_iter().filter(|span| span.until == last).collect();
        let charges = opened().charges(Timestamp::MIN, Timestamp::MAX).unwrap();
        let charged = charges.iter().any(|charge| charge.until == last);
        if going.is_empty() && !charged { Ok(()) } else { Err(format!("{going:?} {charges:?}")) }
    });
    assert_eq!(states(path, &first), "running suspended running stopped");
    assert_eq!(states(path, &second), "running suspended running");
    let all = history::spans(path);
    assert!(all.iter().all(|span| span.owner.as_str() == "john" && span.cluster.as_str() == web));
    assert!(all.iter().all(|span| span.size.to_string() == "cpu=1, memory=1Gi" || span.size.cpu().to_string() == "1"));
    let charges = opened().charges(Timestamp::MIN, Timestamp::MAX).unwrap();
    let cpus: Vec<String> = charges.iter().map(|charge| charge.amounts.cpu().to_string()).collect();
    assert_eq!(cpus, ["2", "1"], "{charges:?}");
    let quotas = opened().quotas(Timestamp::MIN, Timestamp::MAX).unwrap();
    assert!(matches!(&quotas[..], [one] if one.amounts.cpu().to_string() == "8"), "{quotas:?}");
    consistent(path);
}

/// Checks that other SQLite clients read the same content, and that the file has only one writer.
fn read_by_others(installation: &Installation, path: &Path) {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let db = rusqlite::Connection::open_with_flags(path, flags).unwrap();
    let check: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let mut rows = db.prepare("SELECT instance, state, started FROM history WHERE owner = 'john'").unwrap();
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    let rows: Vec<(String, String, String)> = rows.unwrap().collect::<Result<_, _>>().unwrap();
    let ours: Vec<(String, String, String)> = history::spans(path)
        .into_iter()
        .map(|span| (span.instance.to_string(), span.state.to_string(), format!("{:.3}", span.from)))
        .collect();
    assert_eq!(rows, ours);
    let taken = installation.plane.admin(&["cmp", "mirror", "--db", &path.display().to_string()]);
    taken.fails().says("error: another mirror is writing");
}

/// Checks that an administrator can fetch a copy through the API server, and a user cannot.
fn fetched(user: &World<'_>, path: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let plane = &user.installation.plane;
    let fetched = runtime.block_on(async {
        let client = control_plane::client(&plane.kubeconfig()).await;
        fetch::fetch(&client).await.unwrap_or_else(|error| panic!("{error}"))
    });
    assert_eq!(history::spans(fetched.path()), history::spans(path));
    let at = fetched.path().to_owned();
    drop(fetched);
    assert!(!at.exists(), "it is gone when nobody needs it");
    let left = std::fs::read_dir(path.parent().unwrap()).unwrap().flatten();
    assert_eq!(left.filter(|entry| entry.file_name().to_string_lossy().contains("-copy-")).count(), 0);
    let refused = runtime.block_on(async {
        let client = control_plane::client(&user.kubeconfig).await;
        fetch::fetch(&client).await.err().unwrap().to_string()
    });
    assert!(refused.contains("cannot list resource \"pods\""), "{refused}");
    // A report fetches a copy as well.
    let report = ["cmp", "report", "--by", "cluster", "-o", "json"];
    let rows = |said: cmp_tests::Output| {
        let said = said.ok().json();
        let one = |row: &Value| format!("{} of {}: {}", row["cluster"], row["user"], row["instances"]);
        said["status"]["rows"].as_array().unwrap().iter().map(one).collect::<Vec<String>>()
    };
    let db = path.display().to_string();
    assert_eq!(rows(plane.admin(&report)), rows(plane.admin(&[&report[..], &["--db", &db]].concat())));
    user.cmp(&["report"]).fails().says("cannot list resource \"pods\"").says("administrator rights");
    let pod =
        plane.admin(&["get", "pods", "-n", "cmp-system", "-l", "app.kubernetes.io/name=cmp-mirror", "-o", "name"]);
    user.kubectl(&["port-forward", "-n", "cmp-system", pod.ok().stdout.trim(), "8081"]).fails().says("orbidden");
}

/// Checks that an install without the flag removes the mirror and keeps its file. Only a purge removes the file.
fn taken_away(installation: &Installation) {
    let plane = &installation.plane;
    let left = "left: persistentvolumeclaim/cmp-mirror in cmp-system, with the recorded history";
    install(installation, &["--mirror=false"])
        .ok()
        .says("deployment.apps/cmp-mirror pruned")
        .says("clusterrolebinding.rbac.authorization.k8s.io/cmp-mirror pruned")
        .says(left)
        .says_not("persistentvolumeclaim/cmp-mirror pruned");
    install(installation, &["--mirror"]).ok().says("persistentvolumeclaim/cmp-mirror unchanged");
    plane
        .admin(&["cmp", "uninstall", "--dry-run=client"])
        .ok()
        .says("deployment.apps/cmp-mirror deleted")
        .says_not("persistentvolumeclaim/cmp-mirror deleted")
        .says(left);
    plane.admin(&["get", "persistentvolumeclaim", "cmp-mirror", "-n", "cmp-system"]).ok();
    plane
        .admin(&["cmp", "uninstall", "--purge", "--dry-run=client"])
        .ok()
        .says("persistentvolumeclaim/cmp-mirror deleted (dry run)")
        .says_not("left: persistentvolumeclaim");
}

#[test]
fn an_administrator_can_record_to_a_local_file() {
    let user = shared().user("4", "8Gi");
    let web = running(&user, "web", 1, "1", "1Gi");
    let path = user.installation.plane.folder().join("own.db");
    let db = path.display().to_string();
    let look = || user.admin(&["cmp", "mirror", "--db", &db]).ok();
    look().says("own.db: ").says("seen, ").says("written");
    user.cmp(&["suspend", "cluster", &web]).ok();
    look();
    eventually("it is suspended", SOON, || {
        look();
        let states = states(&path, &format!("{web}-0"));
        // Nobody can know whether the instance ran between the two observations.
        if states.ends_with("suspended") { Ok(()) } else { Err(states) }
    });

    // The total is the same in every grouping.
    let report = |by: &str| {
        let of = ["cmp", "report", "--from", "1h", "--owner", &user.name, "--db", &db, "--by", by, "-o", "json"];
        user.admin(&of).ok().json()["status"]["total"].clone()
    };
    let total = report("user");
    assert_eq!((&total["instances"], &total["clusters"]), (&json!(1), &json!(1)));
    assert!(
        total["instanceHours"]["stopped"] == "0.000000" && total["resources"]["cpu"]["savedSeconds"] != "0",
        "{total}"
    );
    user.admin(&["cmp", "report", "--db", &db, "--owner", &user.name])
        .ok()
        .says("TOTAL")
        .says("% of this time was watched");
    user.admin(&["cmp", "report", "--db", &db, "--owner", "nobody"])
        .fails()
        .says("Error from server (NotFound): user \"nobody\" not found")
        .says("hint: kubectl cmp get users");

    // Only an administrator sees the instances of all users.
    let not = user.installation.plane.folder().join("not.db");
    user.cmp(&["mirror", "--db", &not.display().to_string()])
        .fails()
        .says("Error from server (Forbidden): namespaces \"kube-system\" is forbidden")
        .says("this command needs administrator rights");
    assert!(!not.exists());
    let (nowhere, letter) = (not.join("x.db"), user.installation.plane.folder().join("letter.txt"));
    let refused = |path: &Path| user.admin(&["cmp", "mirror", "--db", &path.display().to_string()]).fails();
    refused(&nowhere).says("x.db cannot be written: No such file or directory");
    std::fs::write(&letter, "Dear Mary,\n".repeat(99)).unwrap();
    refused(&letter).says("letter.txt is not a file of the mirror of cmp").says("the file was not changed");
    assert_eq!(std::fs::read_to_string(&letter).unwrap(), "Dear Mary,\n".repeat(99));
    rusqlite::Connection::open(&path).unwrap().execute("UPDATE mirror SET cluster = 'another'", []).unwrap();
    refused(&path).says("own.db is the mirror of another Kubernetes cluster");
}

#[test]
fn a_signal_ends_the_watch_and_leaves_an_intact_file() {
    let user = shared().user("4", "8Gi");
    let plane = &user.installation.plane;
    let path = plane.folder().join("watched.db");
    let mut watch = history::watch(plane, "watched", &path);
    let web = running(&user, "web", 1, "1", "1Gi");
    eventually("it is seen", Duration::from_secs(60), || {
        if path.exists() && states(&path, &format!("{web}-0")) == "running" { Ok(()) } else { Err(watch.log()) }
    });
    watch.terminate();
    eventually("it ends", SOON, || if watch.is_running() { Err(watch.log()) } else { Ok(()) });
    assert!(watch.log().contains(" written\n"), "{}", watch.log());
    assert!(!path.with_extension("db-wal").exists());
    consistent(&path);
    watch.stop();
}
