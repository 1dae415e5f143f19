//! The tables of the page: by user, by cluster and by day.

use cmp_core::usage::{By, Key, Report, Row};

use super::html::{Cell, Table, escaped};
use super::lists::Worth;
use super::words::{count, grouped};
use crate::commands::report::sheet::{ReportParameters, Sheet};

/// The most rows of a table, so that a page of a large site opens quickly.
pub(super) const ROWS: usize = 300;

/// Sorts the rows by their worth, the largest first.
pub(super) fn by_worth(report: &mut Report, worth: &Worth<'_>) {
    report.rows.sort_by_key(|row| std::cmp::Reverse(worth.of(&row.sums.used)));
}

/// Returns the section of a report with its table. Returns `None` if its cost is too large to count.
pub(super) fn section(report: &Report, asked: &ReportParameters, by: By, title: &str) -> Option<String> {
    let asked = ReportParameters { by, ..asked.clone() };
    let more = report.rows.len().saturating_sub(ROWS);
    let rows = report.rows.iter().take(ROWS).cloned().collect();
    let shown = Report { rows, ..report.clone() };
    let sheet = Sheet::of(&shown, &asked)?;
    let names = if by == By::Cluster { 2 } else { 1 };
    let mut lines = sheet.page_rows().into_iter();
    let heads = lines.next().unwrap_or_default();
    let mut cells: Vec<Vec<Cell>> = lines
        .zip(report.rows.iter().take(ROWS).map(Some).chain([None]))
        .map(|(line, row)| line.into_iter().enumerate().map(|(at, text)| cell(text, at, row)).collect())
        .collect();
    let total = cells.pop();
    let name = title.to_owned();
    let table = Table { name, heads, names, rows: cells, total }.html();
    let more = if more > 0 {
        format!("<p>{} more: -o csv has all rows.</p>\n", escaped(&count(more, "row")))
    } else {
        String::new()
    };
    Some(format!("<section class=\"card wide\">\n<h2>{}</h2>\n{table}{more}</section>\n", escaped(title)))
}

/// Returns a cell with separators of thousands, and a day as people write it.
fn cell(text: String, at: usize, row: Option<&Row>) -> Cell {
    match row.map(|row| &row.key) {
        Some(Key::Day(day)) if at == 0 => Cell::keyed(day.strftime("%-d %B %Y").to_string(), text),
        _ if at == 0 => Cell::from(if row.is_none() { "Total".to_owned() } else { text }),
        _ => Cell::from(grouped(&text)),
    }
}
