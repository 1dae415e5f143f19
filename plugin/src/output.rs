//! Output formats. All commands choose the format of their answer here.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Value, json};

use cmp_core::name::UserName;
use cmp_core::quantity::Quantity;

use crate::args::{ChangeArgs, LineFormat, ListArgs, TextFormat, suffix};
use crate::error::CliError;
use crate::escape;
use crate::ui::Ui;

pub(crate) mod fit;
pub(crate) mod format;
pub(crate) mod jsonpath;
pub(crate) mod selector;

pub(crate) use format::Format;
pub(crate) use jsonpath::Template;
pub(crate) use selector::Selector;

/// One object, ready for every output format.
pub(crate) struct Item {
    /// Type and name, such as `cluster/web`.
    pub(crate) name: String,
    /// The object of `-o json` and `-o yaml`.
    pub(crate) object: Value,
    /// Cells of the object's row in a table.
    pub(crate) cells: Vec<String>,
    /// Cells that `-o wide` adds.
    pub(crate) wide: Vec<String>,
}

/// Column headers of a table: those that are always shown, and those of `-o wide`.
pub(crate) type Heads = (&'static [&'static str], &'static [&'static str]);

/// Filters and sorts items as the flags ask.
pub(crate) fn listed(args: &ListArgs, mut items: Vec<Item>) -> Result<Vec<Item>, CliError> {
    if let Some(selector) = &args.selector {
        items.retain(|item| selector.matches(&item.object["metadata"]["labels"]));
    }
    if let Some(field) = &args.sort_by {
        items = sorted(items, field)?;
    }
    Ok(items)
}

/// Prints items. `single` is true if the user asked for one item by name.
pub(crate) fn print(ui: &Ui, args: &ListArgs, heads: Heads, items: Vec<Item>, single: bool) -> Result<(), CliError> {
    let items = listed(args, items)?;
    match &args.output.output {
        Some(Format::Name) => items.iter().try_for_each(|item| ui.line(&item.name)),
        Some(format @ Format::Columns(_)) => {
            let objects: Vec<Value> = items.into_iter().map(|item| item.object).collect();
            columns(ui, format, &objects, args.output.no_headers)
        }
        Some(format) if format.is_of_objects() => {
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
        _ => {
            if items.is_empty() {
                ui.note("No resources found.");
                return Ok(());
            }
            ui.out(&rows(args, heads, items, ui.room()))
        }
    }
}

/// Returns the table of these items, for lines of `room` characters.
pub(crate) fn rows(args: &ListArgs, heads: Heads, items: Vec<Item>, room: usize) -> String {
    let columns = ColumnsShown { wide: args.output.output == Some(Format::Wide), labels: args.show_labels };
    let head = (!args.output.no_headers).then(|| head(heads, columns));
    let rows: Vec<_> = head.into_iter().chain(items.into_iter().map(|item| item.row(columns))).collect();
    table_within(&rows, room)
}

/// The columns of a table that are shown beside the first ones.
#[derive(Debug, Clone, Copy, Default)]
struct ColumnsShown {
    /// Whether `-o wide` was given.
    wide: bool,
    /// Whether the labels are the last column.
    labels: bool,
}

/// Returns the header row of a table.
fn head(heads: Heads, columns: ColumnsShown) -> Vec<String> {
    let shown = heads.0.iter().chain(heads.1.iter().filter(|_| columns.wide));
    shown.copied().chain(columns.labels.then_some("LABELS")).map(str::to_owned).collect()
}

/// Returns the cell of an object's labels.
fn labels_cell(object: &Value) -> String {
    let labels = object["metadata"]["labels"].as_object();
    let pair = |(key, value): (&String, &Value)| format!("{key}={}", value.as_str().unwrap_or_default());
    let labels = labels.into_iter().flatten().map(pair).collect::<Vec<_>>().join(",");
    if labels.is_empty() { format::NONE.to_owned() } else { labels }
}

impl Item {
    /// Puts the owner in the first column, for a list of several users' objects.
    #[must_use]
    pub(crate) fn with_owner(mut self, owner: &UserName) -> Self {
        self.cells.insert(0, owner.to_string());
        self
    }

    /// Returns the item's row of a table.
    fn row(self, columns: ColumnsShown) -> Vec<String> {
        let labels = columns.labels.then(|| labels_cell(&self.object));
        self.cells.into_iter().chain(self.wide.into_iter().filter(|_| columns.wide)).chain(labels).collect()
    }
}

/// Prints the columns that `-o custom-columns` defines.
fn columns(ui: &Ui, format: &Format, objects: &[Value], no_headers: bool) -> Result<(), CliError> {
    let Format::Columns(columns) = format else { return Ok(()) };
    let mut rows = Vec::new();
    if !no_headers {
        rows.push(columns.iter().map(|(head, _)| head.clone()).collect());
    }
    for object in objects {
        rows.push(format::cells(columns, &without_nulls(object.clone())).map_err(CliError::user)?);
    }
    ui.out(&table_within(&rows, ui.room()))
}

/// Sorts items by a field. Items without the field come first.
fn sorted(items: Vec<Item>, field: &Template) -> Result<Vec<Item>, CliError> {
    let mut keyed = Vec::new();
    for item in items {
        let found = field.find(&without_nulls(item.object.clone())).map_err(CliError::user)?;
        keyed.push((found.into_iter().next(), item));
    }
    if !keyed.is_empty() && keyed.iter().all(|(key, _)| key.is_none()) {
        return Err(CliError::user("--sort-by: no listed object has this field").hint("`-o json` shows all fields"));
    }
    keyed.sort_by(|(left, _), (right, _)| match (left, right) {
        (Some(left), Some(right)) => in_order(left, right),
        (left, right) => left.is_some().cmp(&right.is_some()),
    });
    Ok(keyed.into_iter().map(|(_, item)| item).collect())
}

/// Compares two values: quantities and numbers by amount, everything else as text.
fn in_order(left: &Value, right: &Value) -> Ordering {
    let quantity = |value: &Value| match value {
        Value::Number(number) => number.to_string().parse::<Quantity>().ok(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    match (quantity(left), quantity(right)) {
        (Some(left), Some(right)) => left.cmp(&right),
        _ => match (left.as_str(), right.as_str()) {
            (Some(left), Some(right)) => left.cmp(right),
            _ => left.to_string().cmp(&right.to_string()),
        },
    }
}

/// Output of `-w`: items are printed one after another, as they arrive.
pub(crate) struct Stream<'a> {
    ui: &'a Ui,
    args: &'a ListArgs,
    heads: Heads,
    widths: Vec<usize>,
}

impl<'a> Stream<'a> {
    pub(crate) fn new(ui: &'a Ui, args: &'a ListArgs, heads: Heads) -> Self {
        Self { ui, args, heads, widths: Vec::new() }
    }

    /// Prints one item. The header is printed before the first one, and sets the minimum width of the columns.
    pub(crate) fn show(&mut self, item: Item) -> Result<(), CliError> {
        let first = self.widths.is_empty();
        let output = &self.args.output.output;
        let shown = ColumnsShown { wide: *output == Some(Format::Wide), labels: self.args.show_labels };
        let (custom, row) = match output {
            Some(Format::Name) => return self.ui.line(&item.name),
            Some(format @ Format::Columns(columns)) => {
                let cells = format::cells(columns, &without_nulls(item.object)).map_err(CliError::user)?;
                let head = columns.iter().map(|(head, _)| head.clone()).collect();
                (Some((format, head)), cells)
            }
            Some(format) if format.is_of_objects() => {
                print_object(self.ui, format, &item.object)?;
                // A template prints its own line ends.
                return if matches!(format, Format::Yaml) { self.ui.line("---") } else { Ok(()) };
            }
            _ => (None, item.row(shown)),
        };
        let head = custom.map_or_else(|| head(self.heads, shown), |(_, head)| head);
        let mut rows = vec![row];
        if first && !self.args.output.no_headers {
            rows.insert(0, head.clone());
        }
        if first {
            self.widths = widths(&[&rows[..], &[head]].concat());
        }
        self.ui.out(&aligned(&rows, &self.widths, self.ui.room()))
    }
}

/// Prints the result of a change: `cluster/web created`, or the name alone.
pub(crate) fn done(ui: &Ui, change: &ChangeArgs, name: &str, word: &str) -> Result<(), CliError> {
    match change.output {
        Some(Format::Name) => ui.line(name),
        _ => ui.line(&format!("{name} {word}{}", suffix(change.dry.dry_run))),
    }
}

/// Prints the line of a command without objects: `cluster/web deleted`, or the name alone.
pub(crate) fn said(ui: &Ui, format: Option<LineFormat>, name: &str, words: &str) -> Result<(), CliError> {
    match format {
        Some(LineFormat::Name) => ui.line(name),
        None => ui.line(&format!("{name} {words}")),
    }
}

/// Prints one object in a format for objects.
pub(crate) fn print_object(ui: &Ui, format: &Format, object: &Value) -> Result<(), CliError> {
    match format {
        Format::Yaml => ui.out(&object_text(TextFormat::Yaml, object)?),
        Format::JsonPath(template) => ui.out(
            &template
                .fill(&without_nulls(object.clone()))
                .map_err(|error| CliError::user(format!("--output: {error}")).hint("`-o json` shows all fields"))?,
        ),
        Format::Columns(_) => columns(ui, format, std::slice::from_ref(object), false),
        _ => ui.out(&object_text(TextFormat::Json, object)?),
    }
}

/// Returns an object as the text of a file.
pub(crate) fn object_text(format: TextFormat, object: &Value) -> Result<String, CliError> {
    let object = without_nulls(object.clone());
    match format {
        TextFormat::Yaml => yaml(&object),
        TextFormat::Json => {
            let text = serde_json::to_string_pretty(&object).map_err(|error| CliError::internal(&error.to_string()))?;
            Ok(format!("{}\n", escape::json(&text)))
        }
    }
}

/// Removes null fields, because Kubernetes omits absent fields as well. A null inside a patch stays: it removes a
/// field.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
            let kept = |(name, value)| if name == "patch" { (name, value) } else { (name, without_nulls(value)) };
            Value::Object(fields.map(kept).collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(without_nulls).collect()),
        value => value,
    }
}

/// Returns an object as YAML that ends with a line break.
pub(crate) fn yaml(object: &Value) -> Result<String, CliError> {
    let text = serde_saphyr::to_string(object).map_err(|error| CliError::internal(&error.to_string()))?;
    Ok(if text.ends_with('\n') { text } else { format!("{text}\n") })
}

/// Formats a table as kubectl does: no borders, three spaces between columns, no column below six characters, no spaces
/// after the last. Every cell stays on one line. A cell without a value is a dash.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    table_within(rows, fit::UNLIMITED)
}

/// Formats a table whose lines have at most `room` characters. Columns that do not fit are on further lines of their
/// row, and the text of the last one is broken between words.
pub(crate) fn table_within(rows: &[Vec<String>], room: usize) -> String {
    aligned(rows, &widths(rows), room)
}

fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |cell: &String| shown(cell).chars().count();
    let widest = |column| rows.iter().filter_map(|row| row.get(column)).map(width).max();
    (0..columns).map(|column| (widest(column).unwrap_or(0) + fit::GAP).max(6)).collect()
}

fn shown(cell: &str) -> Cow<'_, str> {
    if cell.is_empty() { Cow::Borrowed("-") } else { escape::line(cell) }
}

fn aligned(rows: &[Vec<String>], widths: &[usize], room: usize) -> String {
    let words = rows.iter().filter_map(|row| row.get(widths.len().saturating_sub(1)));
    let longest = words.flat_map(|cell| cell.split(' ')).map(|word| word.chars().count()).max().unwrap_or(0);
    let parts = fit::parts(widths, longest, room);
    let mut text = String::new();
    for row in rows {
        for (at, part) in parts.iter().enumerate() {
            let cells: Vec<_> = row.iter().zip(widths).take(part.end).skip(part.start).collect();
            if at > 0 && cells.is_empty() {
                continue;
            }
            let mut line = " ".repeat(if at == 0 { 0 } else { fit::INDENT });
            let mut last = 0;
            for (cell, width) in cells {
                last = line.chars().count();
                let cell = shown(cell);
                // A cell that is wider than the first rows still gets a space after it.
                let space = if cell.chars().count() < *width { "" } else { "   " };
                line.push_str(&format!("{cell:<width$}{space}"));
            }
            text.push_str(&fit::broken(line.trim_end(), room, last));
            text.push('\n');
        }
    }
    text
}

/// Returns a count with its noun: `1 cluster`, `2 clusters`.
pub(crate) fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// Formats an age as kubectl does: `45s`, `2m30s`, `5d3h`. An unknown age is a dash.
pub(crate) fn age(created: Option<jiff::Timestamp>, now: jiff::Timestamp) -> String {
    let Some(created) = created else { return "-".to_owned() };
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
        assert_eq!(table(&rows), "NAME       STATUS\nweb        running\ndatabase   -\n");
        let narrow = [["A", "IP", "AGE"], ["b", "", "1s"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&narrow), "A     IP    AGE\nb     -     1s\n");
        let forged = [["NAME", "REASON"], ["web", "\x1b[2J\nadmin\tgone"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&forged), "NAME   REASON\nweb    ^[[2J\\nadmin\\tgone\n");
    }

    #[test]
    fn a_table_that_is_too_wide_is_broken_between_columns_and_words() {
        let rows = [["NAME", "STATUS", "CPU", "REASON"], ["web-0", "pending", "2", "no node has enough room for it"]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table_within(&rows, 54), table(&rows));
        let text = "NAME    STATUS    CPU   REASON\nweb-0   pending   2     no node has enough\n                        room for it\n";
        assert_eq!(table_within(&rows, 44), text);
        let text = "NAME    STATUS    CPU\n  REASON\nweb-0   pending   2\n  no node has enough\n  room for it\n";
        assert_eq!(table_within(&rows, 22), text);
        let short = [vec!["A".to_owned(), "B".to_owned()], vec!["a".to_owned()]];
        assert_eq!(table_within(&short, 5), "A\n  B\na\n");
    }

    proptest::proptest! {
        #[test]
        fn yaml_and_json_are_the_same_value_on_a_terminal(
            text in "(\\PC|[\\x00-\u{9f}\u{2028}-\u{202e}\u{2066}-\u{2069}: #])*",
        ) {
            let object = json!({ "status": { "reason": text, "reasons": [text] } });
            let written = yaml(&object).unwrap();
            proptest::prop_assert_eq!(escape::lines(&written), written.as_str());
            proptest::prop_assert_eq!(&serde_saphyr::from_str::<Value>(&written).unwrap(), &object);
            let written = escape::json(&serde_json::to_string_pretty(&object).unwrap()).into_owned();
            proptest::prop_assert_eq!(escape::lines(&written), written.as_str());
        }
    }

    #[test]
    fn labels_are_the_last_column_if_they_are_asked_for() {
        let row = |object: Value, wide, labels| {
            let item = Item {
                name: "cluster/web".to_owned(),
                object,
                cells: vec!["web".to_owned()],
                wide: vec!["john".to_owned()],
            };
            item.row(ColumnsShown { wide, labels }).join(" ")
        };
        let labelled = || json!({ "metadata": { "labels": { "a": "b", "c": "" } } });
        assert_eq!(row(labelled(), true, true), "web john a=b,c=");
        assert_eq!(row(labelled(), false, true), "web a=b,c=");
        assert_eq!(row(labelled(), false, false), "web");
        assert_eq!(row(json!({}), false, true), format!("web {}", format::NONE));
        let heads: Heads = (&["NAME"], &["OWNER"]);
        assert_eq!(head(heads, ColumnsShown { wide: true, labels: true }), ["NAME", "OWNER", "LABELS"]);
        assert_eq!(head(heads, ColumnsShown::default()), ["NAME"]);
    }

    #[test]
    fn a_line_may_be_the_name_alone() {
        let captured = crate::ui::captured::Captured::new();
        said(&captured.ui(), None, "cluster/web", "deleted (dry run)").unwrap();
        said(&captured.ui(), Some(LineFormat::Name), "cluster/web", "deleted (dry run)").unwrap();
        assert_eq!(captured.data(), "cluster/web deleted (dry run)\ncluster/web\n");
    }

    #[test]
    fn fields_are_sorted_by_value() {
        let check = |left: Value, right: Value, expected| assert_eq!(in_order(&left, &right), expected);
        check(json!(9), json!(10), Ordering::Less);
        check(json!("512Mi"), json!("1Gi"), Ordering::Less);
        check(json!("500m"), json!("2"), Ordering::Less);
        check(json!("web"), json!("db"), Ordering::Greater);
    }

    #[test]
    fn missing_fields_are_left_out() {
        let patch = json!({ "spec": { "hostname": null } });
        let object = json!({ "a": null, "b": [{ "c": null, "d": 0 }], "e": "", "patch": patch });
        assert_eq!(without_nulls(object), json!({ "b": [{ "d": 0 }], "e": "", "patch": patch }));
    }

    #[test]
    fn ages_are_written_as_kubectl_writes_them() {
        let check = |seconds: i64, expected: &str| {
            let now = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
            assert_eq!(age(Some(Timestamp::UNIX_EPOCH), now), expected);
        };
        assert_eq!(age(None, Timestamp::UNIX_EPOCH), "-");
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
