//! A report as an object. Exact values are texts, so that no reader rounds them. `usage` and `savedUsage` have the hours as
//! numbers, with the unit in the name of the field.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use cmp_core::keys;
use cmp_core::resources::ResourceName;
use cmp_core::usage::rates::Tariff;
use cmp_core::usage::{GIB, Key, Report, Row, Sums, Uses, decimal, percent, unit};

use crate::commands::report::sheet::ReportParameters;
use crate::commands::shared::prices::texts;
use crate::commands::shared::quota::number;
use crate::error::CliError;

/// Milliseconds of one hour.
const HOUR: i128 = 3_600_000;

pub(super) fn of(report: &Report, asked: &ReportParameters) -> Result<Value, CliError> {
    let times = report.gaps.iter().map(|gap| json!({ "from": asked.moment(gap.from), "to": asked.moment(gap.until) }));
    let row = |Row { key, sums, watched }: &Row| {
        let mut row = sums_of(report, sums, asked)?;
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
        Ok(Value::Object(row))
    };
    let flat = asked.rates.periods().next().filter(|_| asked.rates.is_flat()).map(|(_, tariff)| &tariff.containers);
    Ok(json!({
        "apiVersion": keys::API_VERSION,
        "kind": "Report",
        "spec": {
            "from": asked.moment(report.range.from),
            "to": asked.moment(report.range.until),
            "by": asked.by(),
            "timeZone": asked.zone(),
            "owner": asked.owner,
            "cluster": asked.of,
            "prices": flat.map(texts),
            "priceTable": table(asked),
            "currency": asked.currency,
        },
        "status": {
            "watchedPercent": percent(report.watched(), report.range.milliseconds()),
            "unwatched": times.collect::<Vec<_>>(),
            "rows": report.rows.iter().map(row).collect::<Result<Vec<_>, CliError>>()?,
            "total": sums_of(report, &report.total, asked)?,
        },
    }))
}

/// Returns the prices of each period, if they are those of the site.
fn table(asked: &ReportParameters) -> Option<Vec<Value>> {
    let period = |(from, Tariff { containers, vms, off }): (Timestamp, &Tariff)| {
        json!({
            "from": asked.moment(from),
            "container": texts(containers),
            "vm": texts(vms),
            "suspended": Some(texts(off)).filter(|_| !off.is_empty()),
        })
    };
    (!asked.rates.is_empty() && !asked.rates.is_flat()).then(|| asked.rates.periods().map(period).collect())
}

/// Returns the sums of a row. Hours are rounded to six digits; seconds of cores, bytes and pieces are exact.
fn sums_of(report: &Report, sums: &Sums, asked: &ReportParameters) -> Result<Map<String, Value>, CliError> {
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
    let priced = !asked.rates.is_empty();
    let money = |uses| asked.rates.cost(uses).filter(|_| priced).map(|money| money.decimal(6));
    let fields = json!({
        "instances": sums.instances(),
        "clusters": sums.clusters(),
        "resources": resources,
        "usage": numbers(report, &sums.used)?,
        "savedUsage": numbers(report, &sums.saved)?,
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
        Value::Object(fields) => Ok(fields),
        _ => Err(CliError::internal("a report is no object")),
    }
}

/// Returns the hours of all resources as numbers.
fn numbers(report: &Report, uses: &Uses) -> Result<Map<String, Value>, CliError> {
    report.resources().iter().map(|name| Ok((field(name), number(&uses.hours(name, 6))?))).collect()
}

/// Returns the name of a field of hours, with the unit: `cpuHours`, `memoryGiBHours`.
fn field(name: &ResourceName) -> String {
    if unit(name) == GIB { format!("{name}GiBHours") } else { format!("{name}Hours") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_hours_contains_its_unit() {
        let check = |name: &str, expected: &str| assert_eq!(field(&name.parse().unwrap()), expected);
        check("cpu", "cpuHours");
        check("memory", "memoryGiBHours");
        check("storage", "storageGiBHours");
        check("ephemeral-storage", "ephemeral-storageGiBHours");
        check("nvidia.com/gpu", "nvidia.com/gpuHours");
    }
}
