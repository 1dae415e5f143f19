//! The prices of a site: administrators write them, users read them, and reports and dry runs show costs by them.

use cmp_mirror::History;
use cmp_tests::{Installation, Output, World, eventually, history};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::mirror::{install, volume};
use crate::support::{SOON, running};

const MAP: [&str; 4] = ["configmap", "cmp-prices", "-n", "cmp-templates"];
const DECEMBER: &str = "from.2025-12-01T00.00.00Z";

/// Runs `kubectl VERB configmap cmp-prices`, as an administrator.
fn map(user: &World<'_>, verb: &str, more: &[&str]) -> Output {
    user.admin(&[&[verb][..], &MAP, more].concat())
}

fn patch(user: &World<'_>, data: &Value) {
    map(user, "patch", &["--type=merge", "-p", &json!({ "data": data }).to_string()]).ok();
}

fn data(user: &World<'_>) -> Value {
    map(user, "get", &["-o", "json"]).ok().json()["data"].clone()
}

fn set(user: &World<'_>, flags: &[&str]) -> Output {
    user.admin(&[&["cmp", "set", "prices"][..], flags].concat())
}

#[test]
fn administrators_write_prices_and_users_read_them() {
    let installation = Installation::start(1, "3s");
    let user = installation.user_named("john", "8", "16Gi");
    // Without prices, nothing is shown.
    user.cmp(&["get", "prices"]).ok().says("No resources found.");
    let web = running(&user, "web", 1, "1", "1Gi");
    user.cmp(&["scale", "cluster", &web, "--count", "2", "--dry-run=client"]).ok().says_not("cost");
    user.admin(&["cmp", "check"]).says_not("prices");

    let first = ["--cpu", "0.03", "--memory", "0.004", "--currency", "EUR", "--from", "2025-12-01"];
    user.cmp(&[&["set", "prices"][..], &first].concat()).fails().says("Error from server (Forbidden)");
    user.kubectl(&["create", "configmap", "cmp-prices", "-n", "cmp-templates", "--from-literal=currency=USD"])
        .fails()
        .says("orbidden");
    let value = r#"{"all":{"cpu":"0.03","memory":"0.004"}}"#;
    for (dry_run, suffix) in [("--dry-run=client", "(dry run)"), ("--dry-run=server", "(server dry run)")] {
        let said = set(&user, &[&first[..], &[dry_run]].concat()).ok();
        let said = said.says(&format!("prices/2025-12-01T00:00:00Z configured {suffix}"));
        if dry_run == "--dry-run=client" {
            said.says(&format!("set {DECEMBER} of configmap/cmp-prices in namespace cmp-templates to {value}"));
        }
        map(&user, "get", &[]).fails().says("not found");
    }
    set(&user, &first).ok().says("prices/2025-12-01T00:00:00Z configured\n");
    set(&user, &first).ok().says("prices/2025-12-01T00:00:00Z unchanged\n");
    assert_eq!(data(&user), json!({ "currency": "EUR", DECEMBER: value }));

    let later = ["--type", "vm", "--cpu", "0.05", "--from", "2030-01", "--time-zone", "Europe/Berlin"];
    set(&user, &[&later[..], &["--suspended", "storage=0.0001", "--resource", "nvidia.com/gpu=1"]].concat()).ok();
    let table = user.cmp(&["get", "price"]).ok();
    let table = table.says("2025-12-01T00:00:00Z   now     EUR        cpu=0.03 memory=0.004\n");
    table.says("2029-12-31T23:00:00Z   later   EUR        vm: cpu=0.05 nvidia.com/gpu=1, suspended: storage=0.0001\n");
    user.cmp(&["get", "prices", "-o", "name"]).ok().says("prices/2029-12-31T23:00:00Z\n");
    let read = user.cmp(&["get", "prices", "-o", "json"]).ok().json();
    assert_eq!(read["items"][0]["spec"]["all"], json!({ "cpu": "0.03", "memory": "0.004" }));
    assert_eq!(user.kubectl(&[&["get"][..], &MAP, &["-o", "json"]].concat()).ok().json()["data"], data(&user));
    for forbidden in [&["delete"][..], &["patch"], &["annotate"]] {
        let more: &[&str] = match forbidden[0] {
            "patch" => &["--type=merge", "-p", r#"{"data":{"currency":"USD"}}"#],
            "annotate" => &["a=b"],
            _ => &[],
        };
        user.kubectl(&[forbidden, &MAP, more].concat()).fails().says("orbidden");
    }
    user.cmp(&["set", "prices", "--remove", "--all", "--yes"]).fails().says("Error from server (Forbidden)");
    refusals(&user);
    costs(&user, &web);
    moved(&user);
    newer_and_broken(&user, &web);
    without_the_right(&user, &web);
}

fn refusals(user: &World<'_>) {
    let before = data(user);
    set(user, &[]).fails().says("error: no price is given").says("hint: use --cpu");
    set(user, &["--cpu", "0.0000000001"]).fails().says("is not a price: use a number such as 0.03");
    set(user, &["--cpu", "-1"]).fails().says("is not a price");
    set(user, &["--resource", "cpu=1", "--cpu", "1"]).fails().says("--cpu is given twice");
    set(user, &["--suspended", "cpu=1"]).fails().says("--suspended cpu: it costs nothing while an instance is off");
    set(user, &["--currency", "</script>"]).fails().says("is not a currency");
    set(user, &["--remove"]).fails().says("--remove needs the date of the prices");
    set(user, &["--remove", "--from", "2024-01-01", "--yes"])
        .fails()
        .says("prices \"2024-01-01T00:00:00Z\" not found")
        .says("get prices");
    set(user, &["--remove", "--from", "2025-12-01"])
        .fails()
        .says("the prices from 2025-12-01T00:00:00Z: cpu=0.03 memory=0.004")
        .says("repeat the command with --yes");
    assert_eq!(data(user), before);
}

/// Checks the costs beside dry runs and refusals. An hour of a core and a GiB costs 0.034, a month 24.837.
fn costs(user: &World<'_>, web: &str) {
    let db = user.cluster("db");
    for dry_run in ["--dry-run=client", "--dry-run=server"] {
        let create = ["create", "cluster", &db, "--cpu", "2", "--memory", "4Gi", "--count", "3", dry_run];
        user.cmp(&create).ok().says(&format!("cost: cluster {db} would cost 166.55 EUR a month\n"));
        let scale = user.cmp(&["scale", "cluster", web, "--count", "2", dry_run]).ok();
        scale.says(&format!("cost: cluster {web} would cost 49.67 EUR a month; before: 24.84 EUR a month\n"));
        let resize = user.cmp(&["resize", "cluster", web, "--cpu", "2", dry_run]).ok();
        resize.says(&format!("cost: cluster {web} would cost 46.75 EUR a month; before: 24.84 EUR a month\n"));
        let over = user.cmp(&["create", "cluster", &db, "--cpu", "9", "--memory", "1Gi", dry_run]).fails();
        over.says("exceeded quota: john").says(&format!("hint: cluster {db} would cost 200.16 EUR a month\n"));
    }
    user.cmp(&["create", "cluster", &db, "--cpu", "9", "--memory", "1Gi"])
        .fails()
        .says("would cost 200.16 EUR a month");
    user.cmp(&["scale", "cluster", web, "--count", "9"]).fails().says("would cost 223.53 EUR a month");
    user.cmp(&["resize", "cluster", web, "--cpu", "9", "--yes"]).fails().says("would cost 200.16 EUR a month");
    // The change itself tells no cost.
    user.cmp(&["scale", "cluster", web, "--count", "2"]).ok().says_not("cost");
    user.cmp(&["schedule", "cluster", web, "--suspend", "0 20 * * *", "--resume", "0 8 * * *", "--yes"]).ok();
    user.cmp(&["scale", "cluster", web, "--count", "1", "--dry-run=client"])
        .ok()
        .says("would cost 24.84 EUR a month, 12.42 EUR with its schedule; before: 49.67 EUR a month, 24.84 EUR with");
    // A schedule of a file counts before the cluster exists.
    let file = json!({ "apiVersion": "kubectl-cmp.dev/v1", "kind": "Cluster", "metadata": { "name": db }, "spec": {
        "size": { "cpu": "1", "memory": "1Gi" }, "schedule": { "suspend": "0 20 * * *", "resume": "0 8 * * *" } } });
    user.cmp_reading(&["create", "-f", "-", "--dry-run=client"], &file.to_string())
        .ok()
        .says("would cost 24.84 EUR a month, 12.42 EUR with its schedule\n");
}

/// Checks that an export has the prices, and that they can be removed and restored.
fn moved(user: &World<'_>) {
    let before = data(user);
    let exported = user.admin(&["cmp", "export", "--all"]).ok().stdout;
    assert!(exported.contains("kind: Prices"), "{exported}");
    let file = user.installation.plane.folder().join("prices.json");
    let all = user.admin(&["cmp", "export", "--all", "-o", "json"]).ok().json();
    let ours = all["items"].as_array().unwrap().iter().filter(|item| item["kind"] == "Prices");
    let list = json!({ "kind": "List", "items": ours.collect::<Vec<_>>() });
    std::fs::write(&file, list.to_string()).unwrap();
    set(user, &["--remove", "--from", "2025-12-01", "--yes", "--dry-run=server"]).ok().says("deleted (server dry run)");
    assert_eq!(data(user), before);
    set(user, &["--remove", "--from", "2025-12-01", "--yes"]).ok().says("prices/2025-12-01T00:00:00Z deleted\n");
    assert!(data(user)[DECEMBER].is_null());
    set(user, &["--remove", "--all", "--yes"]).ok().says("configmap/cmp-prices deleted\n");
    map(user, "get", &[]).fails().says("not found");
    let create = ["cmp", "create", "-f", &file.display().to_string()];
    user.cmp(&create[1..]).fails().says("orbidden");
    map(user, "get", &[]).fails().says("not found");
    let restored = user.admin(&create).ok();
    restored.says("prices/2025-12-01T00:00:00Z configured\n").says("prices/2029-12-31T23:00:00Z configured\n");
    assert_eq!(data(user), before);
    user.admin(&create).ok().says("prices/2025-12-01T00:00:00Z unchanged\n");
    patch(user, &json!({ "currency": "USD" }));
    user.admin(&create).fails().says("the prices of the file are in EUR, and those of the cluster in USD");
    set(user, &["--currency", "EUR"]).ok();
}

/// Checks keys of a newer version, and keys that cannot be read.
fn newer_and_broken(user: &World<'_>, web: &str) {
    let hostile = "<script>alert(1)</script>\u{1b}[2J";
    let row = json!({ "all": { "cpu": "0.03" }, hostile: { "cpu": "9" } }).to_string();
    patch(user, &json!({ "discount": "10 %", DECEMBER: row }));
    let said = user.cmp(&["get", "prices"]).ok();
    let said = said.says("configmap/cmp-prices has what this version does not know, and costs may differ: discount");
    said.says("<script>alert(1)</script>^[[2J").says_not("\u{1b}");
    user.admin(&["cmp", "check"]).says("warning   prices: configmap/cmp-prices has what this version does not know");
    set(user, &["--cpu", "0.04", "--from", "2025-12-01"]).ok();
    let after = data(user);
    assert_eq!(after["discount"], "10 %");
    let stored: Value = serde_json::from_str(after[DECEMBER].as_str().unwrap()).unwrap();
    assert_eq!((&stored[hostile]["cpu"], &stored["all"]["cpu"]), (&json!("9"), &json!("0.04")));

    let scale = ["scale", "cluster", web, "--count", "1", "--dry-run=client"];
    for (key, value, why, hint) in [
        (
            DECEMBER,
            r#"{"all":{"cpu":0.03}}"#,
            "has all.cpu=0.03: a price is a text",
            "--remove --from 2025-12-01T00:00:00Z",
        ),
        ("from.never", "{}", "is not the key of a date", "kubectl edit configmap cmp-prices"),
        ("currency", "</title><script>", "is \"</title><script>\" is not a currency", "set prices --currency EUR"),
    ] {
        let good = data(user)[key].clone();
        patch(user, &json!({ key: value }));
        let expected = format!("configmap/cmp-prices in cmp-templates: {key} {why}");
        user.cmp(&["get", "prices"]).fails().says(&expected).says(hint);
        user.admin(&["cmp", "report"]).fails().says(&expected).says(hint);
        user.admin(&["cmp", "check"]).says(&format!("failed    prices: {expected}"));
        user.admin(&["cmp", "export", "--all"]).says(&format!("prices left out: {expected}"));
        set(user, &["--cpu", "1", "--from", "2026-01-01"]).fails().says(&expected).says(hint);
        // The dry run goes on without the cost.
        user.cmp(&scale).ok().says(&format!("cost: not known: {expected}"));
        match key {
            DECEMBER => set(user, &["--remove", "--from", "2025-12-01", "--yes"]).ok(),
            "currency" => set(user, &["--currency", "EUR"]).ok(),
            _ => map(user, "patch", &["--type=merge", "-p", r#"{"data":{"from.never":null}}"#]).ok(),
        };
        user.cmp(&["get", "prices"]).ok();
        patch(user, &json!({ key: good }));
    }
    // A key of a newer version stays.
    set(user, &["--remove", "--all", "--yes"]).ok();
    assert_eq!(data(user), json!({ "discount": "10 %" }));
}

/// Checks that a dry run of a user who may not read the prices works, and shows no cost.
fn without_the_right(user: &World<'_>, web: &str) {
    let scale = ["scale", "cluster", web, "--count", "2", "--dry-run=server"];
    set(user, &["--cpu", "1"]).ok();
    user.cmp(&scale).ok().says("cost: cluster ");
    user.admin(&["delete", "rolebinding", "cmp-templates", "-n", "cmp-templates"]).ok();
    eventually("the right is gone", SOON, || {
        let said = user.cmp(&["get", "prices"]);
        if said.code == 1 && said.stderr.contains("orbidden") { Ok(()) } else { Err(said.to_string()) }
    });
    user.cmp(&scale).ok().says_not("cost");
    user.cmp(&["scale", "cluster", web, "--count", "9"]).fails().says("exceeded quota: john").says_not("would cost");
}

/// Returns a report as an object.
fn report(user: &World<'_>, flags: &[&str]) -> Value {
    user.admin(&[&["cmp", "report", "-o", "json"][..], flags].concat()).ok().json()
}

/// Returns a cost in millionths.
fn cost(report: &Value, field: &str) -> i128 {
    let text = report["status"]["total"][field].as_str().unwrap_or_else(|| panic!("{report}"));
    text.replace('.', "").parse().unwrap()
}

#[test]
fn a_report_uses_each_price_for_its_time_and_shows_what_schedules_save() {
    let installation = Installation::start(1, "3s");
    let user = installation.user_named("john", "8", "16Gi");
    install(&installation, &["--mirror"]).ok();
    volume(&installation);
    eventually("the mirror is available", SOON, || {
        let said = user.admin(&["cmp", "check"]);
        if said.stdout.contains("ok        mirror: it observes and records") { Ok(()) } else { Err(said.to_string()) }
    });
    let (_mirror, path, _) = installation.mirror();
    let (web, db) = (running(&user, "web", 2, "1", "1Gi"), running(&user, "db", 1, "2", "1Gi"));
    let schedule = ["--suspend", "0 0 * * *", "--resume", "59 23 * * *", "--yes"];
    user.cmp(&[&["schedule", "cluster", &db][..], &schedule].concat()).ok();
    // Half of web is off for a while.
    user.cmp(&["suspend", "instance", &format!("{web}-1")]).ok();
    let start = Timestamp::now();
    let (middle, end) = (start.as_second() + 3, start.as_second() + 6);
    eventually("the time has passed", SOON, || {
        let watched = History::open(&path).unwrap().watched().unwrap();
        let last = watched.last().map(|times| times.until.as_second());
        if last > Some(end) { Ok(()) } else { Err(format!("{last:?}")) }
    });
    assert!(history::spans(&path).len() >= 3);
    let moment = |second: i64| Timestamp::from_second(second).unwrap().to_string();
    let (first, middle, last) = (moment(start.as_second() - 60), moment(middle), moment(end));
    let within =
        |from: &str, to: &str, more: &[&str]| report(&user, &[&["--from", from, "--to", to][..], more].concat());
    assert!(within(&first, &last, &[])["status"]["total"]["cost"].is_null(), "no price is set");

    // A second of a core costs 1 at first, and 2.5 later. One of memory costs the same at all times.
    set(&user, &["--cpu", "3600", "--memory", "7.2", "--currency", "EUR", "--from", "2025-12-01"]).ok();
    set(&user, &["--cpu", "9000", "--from", &middle]).ok();
    let (all, early, late) = (within(&first, &last, &[]), within(&first, &middle, &[]), within(&middle, &last, &[]));
    let flat = |from: &str, to: &str, cpu: &str| within(from, to, &["--price", cpu, "--price", "memory=7.2"]);
    let (by_first, by_second) = (flat(&first, &middle, "cpu=3600"), flat(&middle, &last, "cpu=9000"));
    for field in ["cost", "saved"] {
        assert_eq!(cost(&all, field), cost(&early, field) + cost(&late, field), "{all}");
        assert_eq!([cost(&early, field), cost(&late, field)], [cost(&by_first, field), cost(&by_second, field)]);
    }
    // Three cores and two GiB for three seconds, beside one suspended core.
    assert_eq!(cost(&late, "cost"), 3 * (3 * 2_500_000 + 2 * 2_000), "{late}");
    assert_eq!(cost(&late, "saved"), 3 * (2_500_000 + 2_000), "{late}");
    let table = all["spec"]["priceTable"].as_array().unwrap();
    assert_eq!((table.len(), &table[1]["vm"]["cpu"], &all["spec"]["currency"]), (2, &json!("9000"), &json!("EUR")));
    // One type can have a price of its own.
    set(&user, &["--type", "container", "--cpu", "0", "--memory", "0", "--from", &middle]).ok();
    assert_eq!(cost(&within(&middle, &last, &[]), "cost"), 0);
    set(&user, &["--cpu", "9000", "--memory", "7.2", "--from", &middle]).ok();

    let text = user.admin(&["cmp", "report", "--from", &first, "--to", &last]).ok();
    let text = text.says("COST-EUR").says("Prices by the hour: cpu 3600 EUR a core, memory 7.2 EUR a GiB");
    text.says("Prices by the hour from ").says(" on: cpu 9000 EUR a core");
    user.cmp(&["report"]).fails().says("cannot list resource \"pods\"");

    // Texts of the ConfigMap cannot inject anything into the page.
    let hostile = "</title></script><script>alert(1)</script>\" onload='x'";
    let key = format!("from.{}", middle.replace(':', "."));
    let mut row: Value = serde_json::from_str(data(&user)[&key].as_str().unwrap()).unwrap();
    row[hostile] = json!({ hostile: hostile });
    patch(&user, &json!({ key: row.to_string(), "x": hostile }));
    let html = user.admin(&["cmp", "report", "--from", &first, "--to", &last, "-o", "html"]).ok();
    let page = html.says("costs may differ").stdout.clone();
    assert_eq!(page.matches("<script").count(), 1, "{page}");
    assert!(!page.contains("alert(1)") && !page.contains("onload="), "{page}");
    assert!(page.contains("Prices by the hour: cpu 3600 EUR a core, memory 7.2 EUR a GiB"), "{page}");
    assert!(page.contains("Cost by cluster"), "{page}");

    // The schedule of db, read from the accounts, would have switched web off.
    let (_, offers) = page.split_once("Saving by the schedules of others").expect("the chart is there");
    assert!(offers.contains("off 0 0 * * *, on 59 23 * * *, UTC"), "{offers}");
    assert!(offers.contains(&format!("<td class=\"t\">{web}</td>")), "{offers}");
    assert!(
        !offers.split("Near the quota").next().unwrap().contains(&format!("<td class=\"t\">{db}</td>")),
        "{offers}"
    );
    patch(&user, &json!({ "currency": hostile }));
    let refused = user.admin(&["cmp", "report", "-o", "html"]).fails();
    assert_eq!(refused.says("currency is ").says("is not a currency").stdout, "");
}
