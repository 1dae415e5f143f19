//! The alerts and the dashboard: they name only metrics that exist, and each alert has its row for the person who is woken.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::Metrics;

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).expect("the file exists")
}

/// Returns the names of all exported metrics, as Prometheus stores them.
fn exported() -> BTreeSet<String> {
    let text = Metrics::default().text() + &crate::mirror::Metrics::default().text();
    let kinds = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let stored = kinds.flat_map(|(name, kind)| match kind {
        "counter" => vec![format!("{name}_total")],
        "histogram" => ["bucket", "count", "sum"].map(|part| format!("{name}_{part}")).to_vec(),
        _ => vec![name.to_owned()],
    });
    stored.collect()
}

/// Checks an expression: its metrics of cmp exist, and its brackets are closed. Returns the number of those metrics.
fn check(expression: &str, exported: &BTreeSet<String>) -> usize {
    let mut open = Vec::new();
    for letter in expression.chars() {
        match letter {
            '(' | '[' | '{' => open.push(letter),
            ')' => assert_eq!(open.pop(), Some('('), "{expression}"),
            ']' => assert_eq!(open.pop(), Some('['), "{expression}"),
            '}' => assert_eq!(open.pop(), Some('{'), "{expression}"),
            _ => {}
        }
    }
    assert!(open.is_empty(), "{expression}");
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours: Vec<&str> = words.filter(|word| word.starts_with("cmp_")).collect();
    for metric in &ours {
        assert!(exported.contains(*metric), "{metric} is none of {exported:?}");
    }
    ours.len()
}

#[test]
fn every_alert_has_an_existing_metric_and_a_row_in_the_document() {
    let (rules, document, exported) =
        (file("manifests/components/prometheus/rules.yaml"), file("docs/OPERATIONS.md"), exported());
    let values = |key: &str| -> Vec<String> {
        rules.lines().filter_map(|line| Some(line.trim().strip_prefix(key)?.trim().to_owned())).collect()
    };
    let alerts = values("- alert:");
    let rows: Vec<&str> = document.lines().filter_map(|line| line.strip_prefix("| `Cmp")?.split('`').next()).collect();
    let named: Vec<&str> = alerts.iter().map(|alert| alert.trim_start_matches("Cmp")).collect();
    assert!(named.len() >= 7, "the rules are read: {named:?}");
    assert_eq!(rows, named, "the rows of the table of alerts, in the order of the rules");
    let expressions = values("expr:");
    assert_eq!(expressions.len(), alerts.len());
    for expression in expressions {
        assert!(check(&expression, &exported) > 0, "{expression}");
    }
    let links = values("runbook_url:");
    assert_eq!(links.len(), alerts.len(), "each alert links the table");
    assert!(links.iter().all(|link| link.ends_with("/docs/OPERATIONS.md#alerts")), "{links:?}");
    assert!(document.contains("\n### Alerts\n"));
}

/// Checks the fields that Grafana needs to show a panel. Returns the place of the panel: x, y, width and height.
fn check_panel(panel: &Value, exported: &BTreeSet<String>, used: &mut BTreeSet<String>) -> [u64; 4] {
    let title = panel["title"].as_str().expect("a title");
    assert!(matches!(panel["type"].as_str(), Some("stat" | "timeseries")), "{title}");
    assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
    let targets = panel["targets"].as_array().expect("targets");
    let ids: BTreeSet<Option<&str>> = targets.iter().map(|target| target["refId"].as_str()).collect();
    assert!(!targets.is_empty() && ids.len() == targets.len() && !ids.contains(&None), "{title}");
    for target in targets {
        let expression = target["expr"].as_str().expect("an expression");
        let ours = check(expression, exported);
        assert!(ours > 0 || expression.contains("kube_resourcequota{"), "{title}: {expression}");
        used.extend(exported.iter().filter(|name| expression.contains(name.as_str())).cloned());
    }
    let at = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().expect("a place"));
    assert!(at[0] + at[2] <= 24 && at[2] > 0 && at[3] > 0, "{title}: {at:?}");
    at
}

#[test]
fn the_dashboard_shows_every_metric_and_names_no_other() {
    let dashboard: Value = serde_json::from_str(&file("manifests/grafana/kubectl-cmp.json")).expect("JSON");
    assert!(dashboard["uid"].is_string() && dashboard["title"].is_string() && dashboard["schemaVersion"].is_u64());
    let variable = &dashboard["templating"]["list"][0];
    assert_eq!((&variable["name"], &variable["type"]), (&"datasource".into(), &"datasource".into()));
    let panels = dashboard["panels"].as_array().expect("panels");
    let ids: BTreeSet<Option<u64>> = panels.iter().map(|panel| panel["id"].as_u64()).collect();
    assert!(panels.len() >= 10 && ids.len() == panels.len() && !ids.contains(&None), "{ids:?}");
    let (exported, mut used) = (exported(), BTreeSet::new());
    let places: Vec<[u64; 4]> = panels.iter().map(|panel| check_panel(panel, &exported, &mut used)).collect();
    for (at, [x, y, w, h]) in places.iter().enumerate() {
        for [other_x, other_y, other_w, other_h] in &places[..at] {
            let apart = x + w <= *other_x || other_x + other_w <= *x || y + h <= *other_y || other_y + other_h <= *y;
            assert!(apart, "{:?} covers another panel", panels[at]["title"]);
        }
    }
    // A histogram is shown by its buckets alone, and the spans of the mirror by its instances.
    let unused: Vec<&str> = exported.difference(&used).filter_map(|name| name.strip_prefix("cmp_")).collect();
    assert_eq!(unused, ["admission_duration_seconds_count", "admission_duration_seconds_sum", "mirror_spans_total"]);
}
