//! In which form an answer is printed: chosen here, and nowhere else.

use serde_json::{Value, json};

use crate::cli::{Format, OutputArgs};
use crate::error::CliError;
use crate::ui::Ui;

/// One thing, ready for every form.
pub(crate) struct Item {
    /// `cluster/web`.
    pub(crate) name: String,
    /// The object of `-o json` and `-o yaml`.
    pub(crate) object: Value,
    /// Its cells of the table.
    pub(crate) cells: Vec<String>,
    /// The cells that `-o wide` adds.
    pub(crate) wide: Vec<String>,
}

/// The heads of a table: always, and those of `-o wide`.
pub(crate) type Heads = (&'static [&'static str], &'static [&'static str]);

/// Prints things; `single` for one that was asked for by name.
pub(crate) fn print(
    ui: &Ui,
    output: &OutputArgs,
    heads: Heads,
    items: Vec<Item>,
    single: bool,
) -> Result<(), CliError> {
    match output.output {
        Some(format @ (Format::Json | Format::Yaml)) => {
            let mut objects: Vec<Value> = items.into_iter().map(|item| item.object).collect();
            let object = match objects.pop() {
                Some(object) if single && objects.is_empty() => object,
                last => {
                    objects.extend(last);
                    json!({ "apiVersion": cmp_core::keys::API_VERSION, "kind": "List", "items": objects })
                }
            };
            print_object(ui, format, &object)
        }
        Some(Format::Name) => items.iter().try_for_each(|item| ui.line(&item.name)),
        format => {
            if items.is_empty() {
                ui.note("No resources found.");
                return Ok(());
            }
            let wide = format == Some(Format::Wide);
            let mut rows = Vec::new();
            if !output.no_headers {
                let heads = heads.0.iter().chain(heads.1.iter().filter(|_| wide));
                rows.push(heads.map(|head| (*head).to_owned()).collect());
            }
            for item in items {
                rows.push(item.cells.into_iter().chain(item.wide.into_iter().filter(|_| wide)).collect());
            }
            ui.out(&table(&rows))
        }
    }
}

/// Prints one object as JSON or YAML.
pub(crate) fn print_object(ui: &Ui, format: Format, object: &Value) -> Result<(), CliError> {
    let object = without_nulls(object.clone());
    match format {
        Format::Yaml => ui.out(&yaml(&object)?),
        _ => {
            let text = serde_json::to_string_pretty(&object).map_err(|error| CliError::internal(&error.to_string()))?;
            ui.line(&text)
        }
    }
}

/// What is not there is left out, as Kubernetes leaves it out.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(fields.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(without_nulls).collect()),
        value => value,
    }
}

/// An object as YAML.
pub(crate) fn yaml(object: &Value) -> Result<String, CliError> {
    let text = serde_saphyr::to_string(object).map_err(|error| CliError::internal(&error.to_string()))?;
    Ok(if text.ends_with('\n') { text } else { format!("{text}\n") })
}

/// A table as kubectl prints it: no borders, three spaces between, nothing after the last column.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let cell = if cell.is_empty() { "<none>" } else { cell };
            line.push_str(&format!("{cell:<width$}   ", width = (*width).max(6)));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// How long ago something was, as kubectl writes it: `45s`, `2m30s`, `5d3h`.
pub(crate) fn age(created: Option<jiff::Timestamp>, now: jiff::Timestamp) -> String {
    let Some(created) = created else { return "<unknown>".to_owned() };
    let seconds = now.duration_since(created).as_secs().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let pair = |large: i64, unit: &str, small: i64, small_unit: &str| {
        if small == 0 { format!("{large}{unit}") } else { format!("{large}{unit}{small}{small_unit}") }
    };
    match () {
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => pair(minutes, "m", seconds % 60, "s"),
        () if hours < 3 => format!("{minutes}m"),
        () if hours < 8 => pair(hours, "h", minutes % 60, "m"),
        () if hours < 48 => format!("{hours}h"),
        () if days < 8 => pair(days, "d", hours % 24, "h"),
        () if days < 365 * 2 => format!("{days}d"),
        () if days < 365 * 8 => pair(days / 365, "y", days % 365, "d"),
        () => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;

    #[test]
    fn tables_look_like_kubectls() {
        let rows =
            [["NAME", "STATUS"], ["web", "running"], ["database", ""]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows), "NAME       STATUS\nweb        running\ndatabase   <none>\n");
    }

    #[test]
    fn what_is_not_there_is_left_out() {
        let object = json!({ "a": null, "b": [{ "c": null, "d": 0 }], "e": "" });
        assert_eq!(without_nulls(object), json!({ "b": [{ "d": 0 }], "e": "" }));
    }

    #[test]
    fn ages_are_written_as_kubectl_writes_them() {
        let check = |seconds: i64, expected: &str| {
            let now = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
            assert_eq!(age(Some(Timestamp::UNIX_EPOCH), now), expected);
        };
        check(0, "0s");
        check(119, "119s");
        check(120, "2m");
        check(150, "2m30s");
        check(600, "10m");
        check(3 * 3600 + 60, "3h1m");
        check(26 * 3600, "26h");
        check(5 * 86_400 + 3 * 3600, "5d3h");
        check(100 * 86_400, "100d");
        check(800 * 86_400, "2y70d");
        check(-5, "0s");
    }
}
