//! Lists of everyone's objects, and names alone.

use cmp_tests::World;

use crate::support::{running, shared};

/// Returns the rows of a table as cells.
fn rows(text: &str) -> Vec<Vec<&str>> {
    text.lines().map(|line| line.split_whitespace().collect()).collect()
}

#[test]
fn a_list_of_everyone_begins_with_the_owner() {
    let (john, mary) = (shared().user("2", "4Gi"), shared().user("2", "4Gi"));
    let (web, db) = (running(&john, "web", 1, "1", "1Gi"), running(&mary, "db", 1, "1", "1Gi"));
    let admin = |arguments: &[&str]| john.admin(&[&["cmp"], arguments].concat()).ok().stdout;
    let crons = ["--suspend", "0 19 * * 1-5", "--resume", "0 8 * * 1-5"];
    for (user, cluster) in [(&john, &web), (&mary, &db)] {
        user.cmp(&[&["schedule", "cluster", cluster][..], &crons].concat()).ok();
    }
    for (list, first, second) in [
        (&["get", "clusters", "-A"][..], "OWNER", "NAME"),
        (&["get", "instances", "-A"], "OWNER", "NAME"),
        (&["get", "schedules", "-A"], "OWNER", "NAME"),
        (&["events", "-A"], "OWNER", "AGE"),
        (&["get", "tokens", "-A"], "USER", "ID"),
    ] {
        let text = admin(list);
        let rows = rows(&text);
        assert_eq!(rows[0][..2], [first, second], "{text}");
        for user in [&john, &mary] {
            assert!(rows[1..].iter().any(|row| row[0] == user.name), "{list:?} without {}: {text}", user.name);
        }
        assert!(!text.contains("<none>") && !text.contains("<unknown>"), "{text}");
        john.cmp(list).fails().says("orbidden").says("administrator rights");
    }
    // These objects have no owner.
    let users = admin(&["get", "users", &john.name, &mary.name, "-A", "-o", "name"]);
    assert_eq!(users, format!("user/{}\nuser/{}\n", john.name, mary.name));
    assert_eq!(admin(&["get", "templates", "vm", "-A", "-o", "name"]), "template/vm\n");
    // The events of a named cluster, with its owner.
    let named = admin(&["events", &web, "-A"]);
    assert!(rows(&named)[1..].iter().all(|row| row[0] == john.name && row[2] == web), "{named}");
    selected(&john, &web);
}

/// Checks that a schedule is selected by the labels of its cluster.
fn selected(user: &World<'_>, cluster: &str) {
    user.cmp(&["label", "cluster", cluster, "tier=front"]).ok();
    let schedules = |selector: &str| user.cmp(&["get", "schedules", "-l", selector, "-o", "name"]).ok().stdout;
    assert_eq!(schedules("tier=front"), format!("schedule/{cluster}\n"));
    assert_eq!(schedules("tier!=front"), "");
}

#[test]
fn every_command_prints_names_alone_on_request() {
    let user = shared().user("4", "8Gi");
    let web = user.cluster("web");
    let (cluster, instance) = (format!("cluster/{web}"), format!("instance/{web}-0"));
    let names = |arguments: &[&str], expected: &str| {
        let said = user.cmp(&[arguments, &["-o", "name"]].concat()).ok();
        assert_eq!(said.stdout, format!("{expected}\n"), "{said}");
    };
    names(&["create", "cluster", &web, "--cpu", "1", "--memory", "1Gi", "--wait"], &cluster);
    names(&["get", "clusters"], &cluster);
    names(&["get", "instances"], &instance);
    names(&["wait", "cluster", &web, "--for=state=running"], &cluster);
    names(&["suspend", "cluster", &web], &cluster);
    names(&["resume", "cluster", &web, "--wait"], &cluster);
    names(&["stop", "instance", &format!("{web}-0")], &instance);
    names(&["start", "instance", &format!("{web}-0"), "--wait"], &instance);
    names(&["scale", "cluster", &web, "--count", "2", "--wait"], &cluster);
    names(&["resize", "cluster", &web, "--memory", "2Gi", "--yes"], &cluster);
    names(&["rollout", "restart", "cluster", &web, "--yes"], &cluster);
    names(&["schedule", "cluster", &web, "--suspend", "0 19 * * 1-5"], &cluster);
    names(&["get", "schedules"], &format!("schedule/{web}"));
    names(&["export", "cluster", &web], &cluster);
    names(&["quota"], &format!("quota/{}", user.name));
    names(&["whoami"], &format!("user/{}", user.name));
    names(&["delete", "cluster", &web, "--yes", "--dry-run=client"], &cluster);
    names(&["delete", "cluster", &web, "--yes", "--wait"], &cluster);

    let admin = |arguments: &[&str]| user.admin(&[&["cmp"], arguments, &["-o", "name"]].concat()).ok();
    let made = admin(&["create", "token", &user.name]).says("the token is not printed: -o json prints it");
    let token = made.stdout.trim_end().strip_prefix("token/").unwrap_or_else(|| panic!("{made}")).to_owned();
    let listed = admin(&["get", "tokens", &user.name]).stdout;
    assert!(listed.lines().any(|line| line == format!("token/{token}")), "{listed}");
    assert_eq!(admin(&["delete", "token", &user.name, &token, "--yes"]).stdout, format!("token/{token}\n"));
    assert_eq!(admin(&["set", "quota", &user.name, "--cpu", "5"]).stdout, format!("quota/{}\n", user.name));
    assert_eq!(admin(&["delete", "user", &user.name, "--yes"]).stdout, format!("user/{}\n", user.name));
}
