//! A report as an object. Numbers are texts, so that no reader rounds them.

use serde_json::{Map, Value, json};

use cmp_core::keys;
use cmp_core::usage::price::cost;
use cmp_core::usage::{Key, Report, Row, Sums, decimal, percent, unit};

use crate::commands::report::sheet::ReportParameters;

/// Milliseconds of one hour.
const HOUR: i128 = 3_600_000;

pub(super) fn of(report: &Report, asked: &ReportParameters) -> Value {
    let times = report.gaps.iter().map(|gap| json!({ "from": asked.moment(gap.from), "to": asked.moment(gap.until) }));
    let row = |Row { key, sums, watched }: &Row| {
        let mut row = sums_of(report, sums, asked);
        match key {
            Key::User(user) => row.insert("user".to_owned(), json!(user)),
            Key::Cluster(cluster, user) => {
                row.insert("user".to_owned(), json!(user));
                row.insert("cluster".to_owned(), json!(cluster))
            }
            Key::Day(day) => row.insert("day".to_owned(), json!(day.to_string())),
        };
        if let Some((of, seen)) = watched {
            row.insert("watchedPercent".to_owned(), json!(percent(*seen, *of)));
        }
        Value::Object(row)
    };
    let prices: Map<String, Value> =
        asked.prices.iter().map(|(name, price)| (name.to_string(), json!(price.to_string()))).collect();
    json!({
        "apiVersion": keys::API_VERSION,
        "kind": "Report",
        "spec": {
            "from": asked.moment(report.range.from),
            "to": asked.moment(report.range.until),
            "by": asked.by(),
            "timeZone": asked.zone(),
            "owner": asked.owner,
            "cluster": asked.of,
            "prices": Some(prices).filter(|prices| !prices.is_empty()),
            "currency": asked.currency,
        },
        "status": {
            "watchedPercent": percent(report.watched(), report.range.milliseconds()),
            "unwatched": times.collect::<Vec<_>>(),
            "rows": report.rows.iter().map(row).collect::<Vec<_>>(),
            "total": sums_of(report, &report.total, asked),
        },
    })
}

/// Returns the sums of a row. Hours are rounded to six digits; seconds of cores, bytes and pieces are exact.
fn sums_of(report: &Report, sums: &Sums, asked: &ReportParameters) -> Map<String, Value> {
    let hours = |milliseconds| decimal(milliseconds, HOUR, 6);
    let resources: Map<String, Value> = report
        .resources()
        .iter()
        .map(|name| {
            let used = json!({
                "unit": unit(name),
                "hours": sums.used.hours(name, 6),
                "savedHours": sums.saved.hours(name, 6),
                "seconds": sums.used.seconds(name),
                "savedSeconds": sums.saved.seconds(name),
            });
            (name.to_string(), used)
        })
        .collect();
    let priced = !asked.prices.is_empty();
    let money = |uses| cost(uses, &asked.prices).filter(|_| priced).map(|money| money.decimal(6));
    let fields = json!({
        "instances": sums.instances(),
        "clusters": sums.clusters(),
        "resources": resources,
        "instanceHours": {
            "on": hours(sums.on),
            "paused": hours(sums.paused),
            "suspended": hours(sums.suspended),
            "stopped": hours(sums.stopped),
        },
        "suspendedPercent": sums.suspended_share(),
        "cost": money(&sums.used),
        "saved": money(&sums.saved),
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
